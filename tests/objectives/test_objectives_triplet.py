"""The triplet loss and its mining against loops in float64, and by hand on a circle."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from serkit.objectives.triplet import squared_distances, triplet, triplets


def drawn(num: int, *, seed: int = 0, size: int = 5, emotions: int = 3, utterances: int = 6):
    generator = torch.Generator().manual_seed(seed)
    embedding = torch.randn(num, size, generator=generator, dtype=torch.float64)
    utterance = torch.randint(utterances, (num,), generator=generator)
    emotion = utterance % emotions
    return embedding, emotion, utterance


def looped(embedding, emotion, utterance, *, alpha: float, mining: str):
    """Triplets and their mean loss, one distance at a time."""
    unit = [[x / math.sqrt(sum(y * y for y in row)) for x in row] for row in embedding.tolist()]

    def d(i: int, j: int) -> float:
        return sum((x - y) ** 2 for x, y in zip(unit[i], unit[j], strict=True))

    found, losses = [], []
    everyone = range(len(unit))
    for a in everyone:
        for p in everyone:
            if emotion[a] != emotion[p] or utterance[a] == utterance[p]:
                continue
            negatives = [n for n in everyone if emotion[n] != emotion[a]]
            if mining == "semi_hard":
                negatives = [n for n in negatives if d(a, p) < d(a, n) < d(a, p) + alpha]
            if negatives:
                n = min(negatives, key=lambda n: d(a, n))
                found.append((a, p, n))
                losses.append(max(0.0, d(a, p) - d(a, n) + alpha))
    return found, sum(losses) / max(1, len(losses))


@given(st.integers(0, 10_000), st.sampled_from(["semi_hard", "hardest"]))
@settings(max_examples=20)
def test_triplets_and_loss_equal_those_of_three_loops(seed, mining):
    embedding, emotion, utterance = drawn(14, seed=seed)
    wanted, loss = looped(embedding, emotion, utterance, alpha=0.2, mining=mining)
    squared = squared_distances(embedding)
    found = triplets(squared, emotion, utterance, alpha=0.2, mining=mining)
    assert list(zip(*(part.tolist() for part in found), strict=True)) == wanted
    value, num = triplet(embedding, emotion, utterance, alpha=0.2, mining=mining)
    assert num == len(wanted)
    assert value.item() == pytest.approx(loss, abs=1e-9)


def test_on_a_circle_the_triplets_are_those_counted_by_hand():
    degrees = torch.tensor([0.0, 20.0, 40.0, 60.0, 80.0], dtype=torch.float64)
    angle = torch.deg2rad(degrees)
    embedding = torch.stack([angle.cos(), angle.sin()], dim=1)
    emotion, utterance = torch.tensor([0, 0, 1, 0, 1]), torch.arange(5)
    # 0.121 at 20 degrees, 0.468 at 40, 1 at 60, 1.653 at 80; rounded, so that equal ones are equal
    squared = squared_distances(embedding).round(decimals=9)

    def found(alpha: float, mining: str) -> list[tuple[int, ...]]:
        parts = triplets(squared, emotion, utterance, alpha=alpha, mining=mining)
        return list(zip(*(part.tolist() for part in parts), strict=True))

    # (0, 1): 2 at 0.468, below 0.621; (1, 3) and (4, 2): at 0.468 + 0.5 nothing beyond 0.468
    assert found(0.5, "semi_hard") == [(0, 1, 2)]
    # now 1 is below 0.468 + 0.6, and 0 has 4 at 1.653 > 1.6: (0, 3) is still left out
    assert found(0.6, "semi_hard") == [(0, 1, 2), (1, 3, 4), (4, 2, 1)]
    assert found(0.7, "semi_hard") == [(0, 1, 2), (0, 3, 4), (1, 3, 4), (4, 2, 1)]
    assert found(0.5, "hardest") == [
        (0, 1, 2), (0, 3, 2), (1, 0, 2), (1, 3, 2), (2, 4, 1), (3, 0, 2), (3, 1, 2), (4, 2, 3),
    ]  # fmt: skip


def test_a_random_violating_negative_violates_and_is_drawn_again():
    embedding, emotion, utterance = drawn(30, seed=3)
    squared = squared_distances(embedding)
    seen = set()
    for seed in range(5):
        torch.manual_seed(seed)
        anchor, positive, negative = triplets(
            squared, emotion, utterance, alpha=0.2, mining="random_violating"
        )
        assert (squared[anchor, negative] < squared[anchor, positive] + 0.2).all()
        assert (emotion[anchor] != emotion[negative]).all()
        seen.add(tuple(negative.tolist()))
    assert len(seen) > 1
    torch.manual_seed(4)
    again = triplets(squared, emotion, utterance, alpha=0.2, mining="random_violating")[2]
    assert tuple(again.tolist()) in seen


@pytest.mark.parametrize("mining", ["semi_hard", "random_violating", "hardest"])
def test_no_pair_is_of_one_utterance(mining):
    embedding, emotion, utterance = drawn(30, seed=1)
    squared = squared_distances(embedding)
    anchor, positive, _ = triplets(squared, emotion, utterance, alpha=1.0, mining=mining)
    assert len(anchor) > 0
    assert (utterance[anchor] != utterance[positive]).all()
    assert (emotion[anchor] == emotion[positive]).all()


@pytest.mark.parametrize("mining", ["semi_hard", "random_violating", "hardest"])
def test_no_triplet_costs_nothing_and_has_a_gradient(mining):
    embedding = torch.randn(4, 3).requires_grad_()
    same = torch.zeros(4, dtype=torch.long)  # one emotion: there is no negative
    loss, num = triplet(embedding, same, torch.arange(4), mining=mining)
    assert (loss.item(), num) == (0.0, 0)
    loss.backward()
    assert (embedding.grad == 0).all()


def test_equal_embeddings_have_a_finite_gradient():
    embedding = torch.ones(4, 3).requires_grad_()
    loss, num = triplet(embedding, torch.tensor([0, 0, 1, 1]), torch.arange(4), mining="hardest")
    assert num == 4
    assert loss.item() == pytest.approx(0.2)
    loss.backward()
    assert embedding.grad.isfinite().all()


def test_length_does_not_matter():
    embedding, emotion, utterance = drawn(12)
    first = triplet(embedding, emotion, utterance)
    stretched = torch.arange(1, 13.0, dtype=torch.float64).unsqueeze(1)
    second = triplet(embedding * stretched, emotion, utterance)
    assert first[1] == second[1]
    torch.testing.assert_close(first[0], second[0])
