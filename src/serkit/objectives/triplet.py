"""Triplet loss on the unit sphere, and the choice of triplets in a batch."""

from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

# Shapes: W embeddings, D their size, M triplets.

Mining = Literal["semi_hard", "random_violating", "hardest"]
"""Which negative goes with an anchor and a positive; see ``triplets``."""


def squared_distances(embedding: Float[Tensor, "W D"]) -> Float[Tensor, "W W"]:
    """``|x_i - x_j|^2 = 2 - 2 cos(x_i, x_j)`` of embeddings brought to length 1; from 0 to 4.

    Example:
        >>> squared_distances(torch.tensor([[2.0, 0.0], [0.0, 3.0]])).tolist()
        [[0.0, 2.0], [2.0, 0.0]]
    """
    unit = functional.normalize(embedding, dim=1)
    return 2 - 2 * unit @ unit.T


@torch.no_grad()
def triplets(
    squared: Float[Tensor, "W W"],
    emotion: Int[Tensor, " W"],
    utterance: Int[Tensor, " W"],
    *,
    alpha: float,
    mining: Mining = "semi_hard",
) -> tuple[Int[Tensor, " M"], Int[Tensor, " M"], Int[Tensor, " M"]]:
    """Anchors, positives and negatives: one triplet at most for each ordered pair.

    A pair is of one emotion and of two utterances, since windows of one utterance overlap. Its
    negative is of another emotion:

    - ``semi_hard``: the nearest to the anchor of those with ``d_ap < d_an < d_ap + alpha``
      (Schroff, Kalenichenko, Philbin, "FaceNet", CVPR 2015, section 3.2, which leaves open which);
    - ``random_violating``: any of those with ``d_an < d_ap + alpha``, drawn by torch's generator
      (what the open implementation of FaceNet by D. Sandberg does);
    - ``hardest``: the nearest of all.

    A pair without such a negative is left out.

    Args:
        squared: Squared distances of embeddings.
        emotion: Of each.
        utterance: Of each; any numbers.
        alpha: The margin.
        mining: The choice of negatives.

    Example:
        >>> x = torch.tensor([[1.0, 0.0], [0.9, 0.1], [0.8, 0.2]])
        >>> emotion, utterance = torch.tensor([0, 0, 1]), torch.arange(3)
        >>> found = triplets(squared_distances(x), emotion, utterance, alpha=0.2)
        >>> [part.tolist() for part in found]
        [[0, 1], [1, 0], [2, 2]]
    """
    same = emotion.unsqueeze(1) == emotion
    is_pair = same & (utterance.unsqueeze(1) != utterance)
    anchor, positive = is_pair.nonzero(as_tuple=True)
    near = squared[anchor, positive].unsqueeze(1)
    far = squared[anchor]
    is_negative = ~same[anchor]
    if mining != "hardest":
        is_negative &= far < near + alpha
    if mining == "semi_hard":
        is_negative &= far > near
    order = torch.rand_like(far) if mining == "random_violating" else far
    lowest, negative = order.masked_fill(~is_negative, torch.inf).min(dim=1)
    found = lowest.isfinite()
    return anchor[found], positive[found], negative[found]


def triplet(
    embedding: Float[Tensor, "W D"],
    emotion: Int[Tensor, " W"],
    utterance: Int[Tensor, " W"],
    *,
    alpha: float = 0.2,
    mining: Mining = "semi_hard",
) -> tuple[Float[Tensor, ""], int]:
    r"""Mean over triplets of :math:`\max(0, |a - p|^2 - |a - n|^2 + \alpha)`, on the unit sphere.

    Distances are squared, as published: a square root has no gradient at 0. With no triplet the
    loss is 0, with a gradient of 0.

    Args:
        embedding: Of any length; brought to length 1.
        emotion: Of each.
        utterance: Of each; a pair is of two utterances.
        alpha: The margin.
        mining: See ``triplets``.

    Returns:
        The loss, and of how many triplets it is the mean.

    Example:
        >>> embedding = torch.tensor([[1.0, 0.0], [0.9, 0.1], [0.8, 0.2]])
        >>> loss, num = triplet(embedding, torch.tensor([0, 0, 1]), torch.arange(3))
        >>> round(loss.item(), 4), num
        (0.1734, 2)
    """
    squared = squared_distances(embedding)
    anchor, positive, negative = triplets(squared, emotion, utterance, alpha=alpha, mining=mining)
    if len(anchor) == 0:
        return 0 * embedding.sum(), 0
    apart = squared[anchor, positive] - squared[anchor, negative] + alpha
    return apart.clamp(min=0).mean(), len(anchor)
