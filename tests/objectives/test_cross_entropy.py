"""Cross entropy equals its equation, and weighs as it says."""

import math

import pytest
import torch

from serkit.objectives import cross_entropy


def loop(logits, emotion, weight, smoothing):
    total = 0.0
    for row, target in zip(logits.tolist(), emotion.tolist(), strict=True):
        normaliser = math.log(sum(math.exp(value) for value in row))
        for value, share, w in zip(row, target, weight, strict=True):
            total -= w * ((1 - smoothing) * share + smoothing / len(row)) * (value - normaliser)
    return total / len(logits)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_equals_the_equation_written_with_loops(smoothing):
    logits = torch.randn(5, 3, dtype=torch.float64)
    emotion = torch.randn(5, 3, dtype=torch.float64).softmax(1)
    weight = [2.0, 0.5, 1.0]
    ours = cross_entropy(
        logits, emotion, weight=torch.tensor(weight).double(), label_smoothing=smoothing
    )
    assert ours.item() == pytest.approx(loop(logits, emotion, weight, smoothing), abs=1e-12)


def test_names_of_emotions_do_not_matter():
    logits, order = torch.randn(4, 3), [2, 0, 1]
    emotion = torch.eye(3)[[0, 1, 2, 1]]
    torch.testing.assert_close(
        cross_entropy(logits, emotion), cross_entropy(logits[:, order], emotion[:, order])
    )


def test_agrees_with_torch_on_certain_labels():
    logits, label = torch.randn(6, 4), torch.tensor([0, 1, 2, 3, 0, 1])
    torch.testing.assert_close(
        cross_entropy(logits, torch.eye(4)[label]), torch.nn.functional.cross_entropy(logits, label)
    )


def test_is_finite_in_half_precision():
    logits = torch.tensor([[300.0, -300.0]], dtype=torch.bfloat16)
    assert cross_entropy(logits, torch.tensor([[0.0, 1.0]])).isfinite()
