import math

import pytest
import torch

from serkit.models.pooling import AttentiveStatistics, masked_mean

FRAMES = torch.randn(3, 9, 4, generator=torch.Generator().manual_seed(0))
NUM_FRAMES = [9, 4, 1]


def test_the_mean_is_of_valid_frames() -> None:
    found = masked_mean(FRAMES, torch.tensor(NUM_FRAMES))
    for row, frames, num in zip(found, FRAMES, NUM_FRAMES, strict=True):
        torch.testing.assert_close(row, frames[:num].mean(0))


def test_attentive_statistics_are_the_equation_in_loops() -> None:
    torch.manual_seed(1)
    pooling = AttentiveStatistics(4)
    found = pooling(FRAMES, torch.tensor(NUM_FRAMES)).detach().double()
    weight, bias, vector = (
        t.detach().double() for t in (pooling.linear.weight, pooling.linear.bias, pooling.vector)
    )
    for row, frames, num in zip(found, FRAMES.double(), NUM_FRAMES, strict=True):
        scores = [float(vector @ torch.tanh(weight @ x + bias)) for x in frames[:num]]
        total = sum(math.exp(score) for score in scores)
        shares = [math.exp(score) / total for score in scores]
        for channel in range(4):
            mean = sum(a * float(x[channel]) for a, x in zip(shares, frames, strict=False))
            square = sum(a * float(x[channel]) ** 2 for a, x in zip(shares, frames, strict=False))
            assert float(row[channel]) == pytest.approx(mean, abs=1e-5)
            deviation = math.sqrt(max(square - mean**2, 1e-5))
            assert float(row[4 + channel]) == pytest.approx(deviation, abs=1e-4)


def test_a_single_frame_has_the_least_deviation_and_a_finite_gradient() -> None:
    frames = torch.ones(1, 1, 4, requires_grad=True)
    pooled = AttentiveStatistics(4)(frames, torch.tensor([1]))
    torch.testing.assert_close(pooled[0, 4:], torch.full((4,), math.sqrt(1e-5)))
    pooled.sum().backward()
    assert frames.grad is not None
    assert frames.grad.isfinite().all()


def test_parameters_at_the_width_of_the_paper() -> None:
    assert sum(p.numel() for p in AttentiveStatistics(1024).parameters()) == 1_050_624
