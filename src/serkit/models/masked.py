"""Parts of networks for which padding does not exist."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

# Shapes: B utterances, D channels, T frames.


class MaskedBatchNorm(nn.Module):
    """Batch norm whose moments come from valid positions only, so that padding changes nothing.

    Otherwise the amount of padding in a batch would change the network (Ioffe & Szegedy, ICML
    2015, with the mean over valid positions). Axis 1 holds the D channels.
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, channels: int, *, epsilon: float = 1e-5, momentum: float = 0.1) -> None:
        super().__init__()
        self.epsilon = epsilon
        self.momentum = momentum
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def forward(
        self, x: Float[Tensor, "B D *rest"], mask: Float[Tensor, "B 1 *mask"] | None = None
    ) -> Float[Tensor, "B D *rest"]:
        """Normalise ``x``; ``mask`` is 1 at valid positions and broadcasts against it."""
        shape = [1, -1] + [1] * (x.dim() - 2)
        mean, variance = self.running_mean, self.running_var
        if self.training:
            mean, variance = self._moments(x, mask)
        scale = self.weight * (variance + self.epsilon).rsqrt()
        shift = self.bias - mean * scale
        return x * scale.view(shape).to(x.dtype) + shift.view(shape).to(x.dtype)

    def _moments(self, x: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
        """Mean and population variance over valid positions; with a graph, moves the running."""
        axes = [0, *range(2, x.dim())]
        precise = x.to(torch.promote_types(x.dtype, torch.float32))
        if mask is None:
            mask = torch.ones_like(precise[:, :1])
        mask = mask.to(precise.dtype)
        count = mask.expand_as(precise[:, :1]).sum().clamp(min=1)
        mean = (precise * mask).sum(axes) / count
        centred = (precise - mean.view([1, -1] + [1] * (x.dim() - 2))) * mask
        variance = centred.square().sum(axes) / count
        if not torch.is_grad_enabled():  # a pass that nothing is learnt from
            return mean, variance
        with torch.no_grad():
            unbiased = variance * count / (count - 1).clamp(min=1)
            _ = self.running_mean.lerp_(mean.to(self.running_mean.dtype), self.momentum)
            _ = self.running_var.lerp_(unbiased.to(self.running_var.dtype), self.momentum)
        return mean, variance


def reverse(x: Float[Tensor, "B T D"], lengths: Int[Tensor, " B"]) -> Float[Tensor, "B T D"]:
    """Each sequence backwards within its own length; padding stays where it is.

    Example:
        >>> reverse(torch.tensor([[[1.0], [2.0], [0.0]]]), torch.tensor([2])).flatten().tolist()
        [2.0, 1.0, 0.0]
    """
    time = torch.arange(x.shape[1], device=x.device).unsqueeze(0)
    index = torch.where(time < lengths.unsqueeze(1), lengths.unsqueeze(1) - 1 - time, time)
    return x.gather(1, index.unsqueeze(2).expand_as(x))
