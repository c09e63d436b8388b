"""Frames to one vector per utterance; padding counts for nothing."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from serkit.features.log_mel import valid

# Shapes: B utterances, T frames, D width.


def masked_mean(
    frames: Float[Tensor, "B T D"], num_frames: Int[Tensor, " B"]
) -> Float[Tensor, "B D"]:
    """Mean over valid frames.

    Example:
        >>> masked_mean(torch.tensor([[[1.0], [3.0], [9.0]]]), torch.tensor([2])).tolist()
        [[2.0]]
    """
    is_valid = valid(num_frames, frames.shape[1]).unsqueeze(2)
    return frames.masked_fill(~is_valid, 0.0).sum(1) / num_frames.unsqueeze(1)


class AttentiveStatistics(nn.Module):
    r"""Mean and deviation of frames, weighed by attention.

    .. math:: h_t = \tanh(W x_t + b),\quad a = \operatorname{softmax}_t(v \cdot h_t),\quad
              \mu = \sum_t a_t x_t,\quad
              \sigma = \sqrt{\max(\textstyle\sum_t a_t x_t^2 - \mu^2,\ 10^{-5})}

    (Okabe, Koshinaka, Shinoda, "Attentive statistics pooling for deep speaker embedding",
    Interspeech 2018, equations 1 to 6.)

    Args:
        width: D of the frames; the vector has twice as many values.

    Example:
        >>> pooling = AttentiveStatistics(4)
        >>> pooling(torch.randn(2, 7, 4), torch.tensor([7, 3])).shape
        torch.Size([2, 8])
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, width)
        self.vector = nn.Parameter(torch.randn(width))

    def forward(
        self, frames: Float[Tensor, "B T D"], num_frames: Int[Tensor, " B"]
    ) -> Float[Tensor, "B E"]:
        """Weighted mean and deviation side by side."""
        score = self.linear(frames).tanh() @ self.vector
        is_valid = valid(num_frames, frames.shape[1])
        weight = score.float().masked_fill(~is_valid, -torch.inf).softmax(1).unsqueeze(2)
        # in float32: the difference of two close numbers
        heard = frames.float().masked_fill(~is_valid.unsqueeze(2), 0.0)
        mean = (weight * heard).sum(1)
        variance = (weight * heard.square()).sum(1) - mean.square()
        return torch.cat([mean, variance.clamp(min=1e-5).sqrt()], dim=1)
