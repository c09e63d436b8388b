"""Cross entropy with weighted emotions and soft labels."""

import torch
from jaxtyping import Float
from torch import Tensor

# Shapes: B utterances, C emotions.


def cross_entropy(
    logits: Float[Tensor, "B C"],
    emotion: Float[Tensor, "B C"],
    *,
    weight: Float[Tensor, " C"] | None = None,
    label_smoothing: float = 0.0,
) -> Float[Tensor, ""]:
    """Mean over utterances of ``- sum_k w_k t_k log softmax(logits)_k``.

    With smoothing e the target is ``t = (1 - e) emotion + e / C`` (Szegedy et al., CVPR 2016). The
    mean divides by B, not by the sum of weights, so that a rare emotion keeps its weight in a
    batch of its own.

    Args:
        logits: any real numbers.
        emotion: probability of each emotion, rows summing to 1; one-hot for certain labels.
        weight: weight per emotion, mean about 1; None weighs all alike.
        label_smoothing: in [0, 1).

    Example:
        >>> logits, emotion = torch.zeros(1, 2), torch.tensor([[1.0, 0.0]])
        >>> round(cross_entropy(logits, emotion).item(), 4)
        0.6931
    """
    target = (1 - label_smoothing) * emotion + label_smoothing / emotion.shape[1]
    if weight is not None:
        target = target * weight
    precise = logits.to(torch.promote_types(logits.dtype, torch.float32))
    return -(target * precise.log_softmax(1)).sum(1).mean()
