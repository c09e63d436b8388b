"""The angular prototypical loss against its equation written with loops."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from serkit.objectives.prototypical import LEAST_SCALE, angular_prototypical, similarities

TEN = torch.tensor(10.0, dtype=torch.float64)


def stacked(num_episodes: int, num_emotions: int, num_utterances: int, *, seed=0, size=6):
    generator = torch.Generator().manual_seed(seed)
    shape = (num_episodes, num_emotions, num_utterances, size)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def looped(embedding: np.ndarray, *, scale: float, offset: float, query: int = 0) -> float:
    """Mean over queries of -log softmax, one cosine at a time."""
    losses = []
    for episode in embedding:
        for j, own in enumerate(episode):
            logits = []
            for other in episode:
                rest = [x for place, x in enumerate(other) if place != query]
                prototype = sum(rest) / len(rest)
                dot = sum(a * b for a, b in zip(own[query], prototype, strict=True))
                lengths = math.sqrt(sum(own[query] ** 2)) * math.sqrt(sum(prototype**2))
                logits.append(scale * dot / lengths + offset)
            losses.append(-logits[j] + math.log(sum(math.exp(logit) for logit in logits)))
    return sum(losses) / len(losses)


@pytest.mark.parametrize("num_emotions", [2, 3, 4, 5])
@pytest.mark.parametrize("num_utterances", [2, 3])
@pytest.mark.parametrize("num_episodes", [1, 3])
def test_it_equals_its_equation_written_with_loops(num_emotions, num_utterances, num_episodes):
    embedding = stacked(num_episodes, num_emotions, num_utterances)
    loss = angular_prototypical(embedding, scale=TEN)
    assert loss.item() == pytest.approx(looped(embedding.numpy(), scale=10.0, offset=-5.0))


def test_symmetric_lets_every_utterance_be_the_query_in_turn():
    embedding = stacked(2, 4, 3)
    each = [looped(embedding.numpy(), scale=10.0, offset=-5.0, query=place) for place in range(3)]
    loss = angular_prototypical(embedding, scale=TEN, symmetric=True)
    assert loss.item() == pytest.approx(sum(each) / 3)


@pytest.mark.parametrize("num_emotions", [2, 7])
def test_embeddings_that_are_all_alike_are_at_chance(num_emotions):
    loss = angular_prototypical(torch.ones(2, num_emotions, 2, 4).double(), scale=TEN)
    assert loss.item() == pytest.approx(math.log(num_emotions))


def test_orthogonal_emotions_cost_what_is_worked_out_by_hand():
    embedding = torch.eye(7).double().view(1, 7, 1, 7).expand(3, 7, 2, 7)
    loss = angular_prototypical(embedding, scale=TEN, offset=-5.0)
    assert loss.item() == pytest.approx(math.log(1 + 6 * math.exp(-10)))


def test_a_query_meets_the_prototypes_of_its_own_episode_and_in_their_order():
    # A one-hot axis for each (episode, emotion, utterance); those of one emotion and episode
    # share a further axis, by which alone a cosine is above 0.
    episodes, emotions, utterances = 3, 4, 3
    embedding = torch.zeros(episodes, emotions, utterances, 12 * 3 + 12)
    for s in range(episodes):
        for k in range(emotions):
            for m in range(utterances):
                embedding[s, k, m, (s * emotions + k) * utterances + m] = 1
                embedding[s, k, m, 36 + s * emotions + k] = 1
    found = similarities(embedding)
    own = 1 / (math.sqrt(2) * math.sqrt(1 + 2 / 4))  # |query|, |mean of two|
    torch.testing.assert_close(found, (torch.eye(emotions) * own).expand(episodes, -1, -1))
    turned = embedding.clone()
    turned[1, :, 0] = embedding[1, [1, 2, 3, 0], 0]  # queries of one episode change places
    torch.testing.assert_close(similarities(turned)[1], torch.eye(4)[[1, 2, 3, 0]] * own)
    torch.testing.assert_close(similarities(turned)[[0, 2]], found[[0, 2]])


@given(factor=st.floats(0.01, 100), seed=st.integers(0, 99))
def test_only_directions_matter(factor, seed):
    embedding = stacked(2, 3, 3, seed=seed)
    loss, longer = (angular_prototypical(x, scale=TEN) for x in (embedding, factor * embedding))
    torch.testing.assert_close(loss, longer)


def test_a_longer_utterance_counts_more_in_its_prototype():
    embedding = stacked(1, 3, 3)
    louder = embedding.clone()
    louder[:, :, 1] *= 3
    assert not torch.allclose(similarities(louder), similarities(embedding))
    louder = embedding.clone()
    louder[:, :, 0] *= 3  # but of a query only the direction is taken
    torch.testing.assert_close(similarities(louder), similarities(embedding))


@given(offset=st.floats(-50, 50))
def test_the_offset_is_not_felt(offset):
    embedding = stacked(2, 4, 2)
    torch.testing.assert_close(
        angular_prototypical(embedding, scale=TEN, offset=offset),
        angular_prototypical(embedding, scale=TEN, offset=0.0),
    )


@pytest.mark.parametrize("scale", [-1e6, -1.0, 0.0, 1e-9])
def test_a_scale_that_went_too_low_is_used_as_the_least(scale):
    embedding = stacked(2, 4, 2)
    loss = angular_prototypical(embedding, scale=torch.tensor(scale, dtype=torch.float64))
    least = angular_prototypical(embedding, scale=torch.tensor(LEAST_SCALE, dtype=torch.float64))
    assert torch.equal(loss, least)


def test_names_of_emotions_do_not_matter():
    embedding = stacked(2, 5, 3)
    torch.testing.assert_close(
        angular_prototypical(embedding[:, [3, 1, 4, 0, 2]], scale=TEN),
        angular_prototypical(embedding, scale=TEN),
    )


def test_gradients_reach_embeddings_and_scale_and_are_right():
    embedding = stacked(2, 3, 3, size=4).requires_grad_()
    scale = TEN.clone().requires_grad_()
    for symmetric in (False, True):
        assert torch.autograd.gradcheck(
            lambda x, w, symmetric=symmetric: angular_prototypical(x, scale=w, symmetric=symmetric),
            (embedding, scale),
        )


def test_an_utterance_alone_cannot_be_query_and_prototype():
    with pytest.raises(ValueError, match=r"1 utterance of each emotion.*one enrolled"):
        angular_prototypical(torch.ones(1, 3, 1, 4), scale=torch.tensor(10.0))
