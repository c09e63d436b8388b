"""Where a convolutional network looked: Grad-CAM.

Selvaraju, Cogswell, Das, Vedantam, Parikh, Batra, "Grad-CAM: Visual explanations from deep networks
via gradient-based localization", ICCV 2017, arXiv 1610.02391, equations 1 and 2.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn

# Shapes: W pictures, Q channels, I x U places that a layer tells apart.


def grad_cam(layer: nn.Module, answer: Callable[[], Float[Tensor, " W"]]) -> Float[Tensor, "W I U"]:
    r"""What speaks for an answer, place by place.

    :math:`\mathrm{ReLU}(\sum_q \alpha_q A_q)`, where :math:`A_q` is channel q of what the layer
    says and :math:`\alpha_q` the mean over places of :math:`\partial y / \partial A_q`. What speaks
    against the answer is 0.

    Args:
        layer: Its output is ``W Q I U``; it is called once, by ``answer``.
        answer: Runs the network and returns one number for each picture, such as a logit. No number
            may depend on another's picture: norms are in evaluation mode.

    Example:
        >>> convolution = nn.Conv2d(1, 1, 1, bias=False)
        >>> _ = nn.init.ones_(convolution.weight)
        >>> picture = torch.tensor([[[[0.0, 3.0], [-1.0, 0.0]]]])
        >>> grad_cam(convolution, lambda: convolution(picture).sum((1, 2, 3))).tolist()
        [[[0.0, 3.0], [0.0, 0.0]]]
    """
    kept: list[Tensor] = []

    def keep(layer: nn.Module, heard: tuple[Tensor, ...], said: Tensor) -> None:
        kept.append(said if said.requires_grad else said.requires_grad_())  # of frozen layers

    hook = layer.register_forward_hook(keep)
    try:
        with torch.enable_grad():
            total = answer().sum()
    finally:
        hook.remove()
    [features] = kept
    [gradient] = torch.autograd.grad(total, features)
    weight = gradient.mean((2, 3), keepdim=True)
    return (weight * features).sum(1).relu().detach()
