import audmetric
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from serkit.objectives.concordance import concordance_loss


def loops(predicted: np.ndarray, target: np.ndarray) -> list[float]:
    losses = []
    for x, y in zip(predicted.T.tolist(), target.T.tolist(), strict=True):
        num = len(x)
        mean_x, mean_y = sum(x) / num, sum(y) / num
        both = sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True)) / num
        spread = sum((a - mean_x) ** 2 for a in x) / num + sum((b - mean_y) ** 2 for b in y) / num
        losses.append(1 - 2 * both / (spread + (mean_x - mean_y) ** 2 + 1e-8))
    return losses


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 40))
def test_it_is_the_equation_and_one_minus_the_metric(seed: int, num: int) -> None:
    generator = np.random.default_rng(seed)
    target = generator.uniform(size=(num, 3))
    predicted = target + generator.normal(size=(num, 3)) * generator.uniform(0, 2)
    found = concordance_loss(torch.from_numpy(predicted), torch.from_numpy(target)).tolist()
    assert found == pytest.approx(loops(predicted, target), abs=1e-12)
    metric = [audmetric.concordance_cc(target[:, n], predicted[:, n]) for n in range(3)]
    assert found == pytest.approx([1 - value for value in metric], abs=1e-5)
    order = generator.permutation(num)
    again = concordance_loss(torch.from_numpy(predicted[order]), torch.from_numpy(target[order]))
    assert again.tolist() == pytest.approx(found, abs=1e-12)


def test_equal_values_lose_nothing() -> None:
    values = torch.rand(20, 3)
    torch.testing.assert_close(concordance_loss(values, values), torch.zeros(3), atol=1e-5, rtol=0)


def test_constant_predictions_have_a_finite_gradient() -> None:
    predicted = torch.full((8, 3), 0.5, requires_grad=True)
    concordance_loss(predicted, torch.rand(8, 3)).sum().backward()
    assert predicted.grad is not None
    assert predicted.grad.isfinite().all()


def test_the_loss_of_a_batch_is_not_the_mean_of_its_halves() -> None:
    generator = torch.Generator().manual_seed(0)
    predicted, target = (
        torch.rand(32, 3, generator=generator),
        torch.rand(32, 3, generator=generator),
    )
    whole = concordance_loss(predicted, target)
    halves = [concordance_loss(predicted[part::2], target[part::2]) for part in (0, 1)]
    assert not torch.allclose(whole, torch.stack(halves).mean(0), atol=1e-3)


def test_half_precision_is_brought_to_float32() -> None:
    values = torch.rand(16, 3)
    loss = concordance_loss(values.bfloat16(), values)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, torch.zeros(3), atol=1e-3, rtol=0)
