"""Softmax over cosines with a margin: the right emotion must win by some distance."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from serkit.objectives.cross_entropy import cross_entropy

# Shapes: B utterances, C classes.


def am_softmax(
    cosines: Float[Tensor, "B C"],
    emotion: Float[Tensor, "B C"],
    *,
    scale: float = 30.0,
    margin: float = 0.3,
    label_smoothing: float = 0.0,
) -> Float[Tensor, ""]:
    """Additive margin: cross entropy over ``s (cos theta_k - m [k = y])``.

    (Wang, Cheng, Liu, Liu, "Additive margin softmax for face verification", IEEE SPL 25(7), 2018.)

    Args:
        cosines: Of each embedding with the weight vector of each class, in [-1, 1].
        emotion: One-hot.
        scale: s.
        margin: m, taken off the cosine of the right class; 0 is the normalised softmax.
        label_smoothing: in [0, 1).

    Example:
        >>> cosines, emotion = torch.tensor([[1.0, 0.0]]), torch.tensor([[1.0, 0.0]])
        >>> round(am_softmax(cosines, emotion, scale=1.0, margin=1.0).item(), 4)
        0.6931
    """
    return cross_entropy(scale * (cosines - margin * emotion), emotion,
                         label_smoothing=label_smoothing)  # fmt: skip


def aam_softmax(
    cosines: Float[Tensor, "B C"],
    emotion: Float[Tensor, "B C"],
    *,
    scale: float = 30.0,
    margin: float = 0.2,
    label_smoothing: float = 0.0,
) -> Float[Tensor, ""]:
    """Additive angular margin: cross entropy over ``s phi_k``.

    ``phi_k = cos theta_k`` for the other classes and ``phi_y = cos(theta_y + m)`` for the right
    one; where ``theta_y + m`` would pass pi, ``phi_y = cos theta_y - m sin(pi - m)``, so that it
    goes on falling (Deng, Guo, Xue, Zafeiriou, "ArcFace: additive angular margin loss for deep
    face recognition", CVPR 2019).

    Args:
        cosines: Of each embedding with the weight vector of each class, in [-1, 1].
        emotion: One-hot.
        scale: s.
        margin: m in radians, in [0, pi).
        label_smoothing: in [0, 1).

    Example:
        >>> cosines, emotion = torch.tensor([[1.0, 0.0]]), torch.tensor([[1.0, 0.0]])
        >>> round(aam_softmax(cosines, emotion, scale=1.0, margin=math.pi / 2).item(), 3)
        0.693
    """
    # At cos = +-1 the root would have an infinite slope.
    sines = (1 - cosines.square()).clamp(min=1e-7).sqrt()
    further = cosines * math.cos(margin) - sines * math.sin(margin)
    past = cosines - margin * math.sin(math.pi - margin)
    phi = torch.where(cosines > math.cos(math.pi - margin), further, past)
    return cross_entropy(scale * torch.where(emotion > 0, phi, cosines), emotion,
                         label_smoothing=label_smoothing)  # fmt: skip
