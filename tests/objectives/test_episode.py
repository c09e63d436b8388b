"""Buckets, samplers and class weights, against what can be counted."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serkit.objectives.episode import balanced, buckets, class_weights, happy_twice

LENGTHS = st.lists(st.integers(1, 1000), max_size=60)


@given(
    lengths=LENGTHS, batch=st.integers(1, 9), num_buckets=st.integers(1, 12), seed=st.integers(0, 9)
)
def test_every_utterance_is_in_exactly_one_batch(
    lengths: list[int], batch: int, num_buckets: int, seed: int
) -> None:
    batches = buckets(
        lengths, batch=batch, num_buckets=num_buckets, generator=np.random.default_rng(seed)
    )
    assert sorted(index for members in batches for index in members) == list(range(len(lengths)))


@given(lengths=LENGTHS, batch=st.integers(1, 9))
def test_batches_are_few_and_of_equal_size_to_within_one(lengths: list[int], batch: int) -> None:
    batches = buckets(lengths, batch=batch, generator=np.random.default_rng(0))
    sizes = [len(members) for members in batches]
    assert len(batches) == -(-len(lengths) // batch)
    assert not sizes or (max(sizes) <= batch and max(sizes) - min(sizes) <= 1)


def test_the_same_generator_gives_the_same_batches_and_another_gives_others() -> None:
    lengths = list(range(100))
    first, again, other = (
        buckets(lengths, batch=8, generator=np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other


def test_a_batch_holds_utterances_of_similar_length() -> None:
    lengths = np.random.default_rng(0).permutation(400).tolist()
    batches = buckets(lengths, batch=20, num_buckets=10, generator=np.random.default_rng(0))
    spans = [np.ptp([lengths[index] for index in members]) for members in batches]
    assert max(spans) < 40  # one bucket holds 40 consecutive lengths


def test_batches_do_not_come_in_order_of_length() -> None:
    batches = buckets(list(range(400)), batch=20, generator=np.random.default_rng(0))
    means = [float(np.mean(members)) for members in batches]
    assert means != sorted(means)


def test_equal_lengths_do_not_keep_their_neighbours() -> None:
    batches = buckets([5] * 40, batch=4, num_buckets=10, generator=np.random.default_rng(0))
    assert any(np.ptp(members) > 10 for members in batches)


def test_a_batch_of_none_is_refused() -> None:
    with pytest.raises(ValueError, match="batch and num_buckets must be at least 1, not 0 and 10"):
        _ = buckets([1], batch=0, generator=np.random.default_rng(0))


@given(emotions=st.lists(st.integers(0, 4), min_size=1, max_size=60), seed=st.integers(0, 9))
def test_balanced_draws_every_emotion_equally_often_and_uses_utterances_evenly(
    emotions: list[int], seed: int
) -> None:
    drawn = balanced(emotions, np.random.default_rng(seed))
    assert len(drawn) == len(emotions)
    per_emotion = Counter(emotions[index] for index in drawn)
    shares = [per_emotion[emotion] for emotion in set(emotions)]
    assert max(shares) - min(shares) <= 1
    per_utterance = Counter(drawn)
    for emotion in set(emotions):
        times = [per_utterance[i] for i, other in enumerate(emotions) if other == emotion]
        assert max(times) - min(times) <= 1


def test_balanced_is_shuffled_and_repeatable() -> None:
    emotions = [0] * 30 + [1] * 10
    first, again = (balanced(emotions, np.random.default_rng(3)) for _ in range(2))
    assert first == again
    assert first != sorted(first)


def test_happy_twice_repeats_happiness_only() -> None:
    assert Counter(happy_twice([1, 0, 1, 2], 1)) == {0: 2, 1: 1, 2: 2, 3: 1}
    assert happy_twice([0, 2], 1) == [0, 1]


def test_counts_of_one_and_three_weigh_two_and_two_thirds() -> None:
    np.testing.assert_allclose(class_weights([1, 3]), [2, 2 / 3])


@given(counts=st.lists(st.integers(1, 500), min_size=1, max_size=8))
def test_every_emotion_has_the_same_say_and_the_mean_weight_is_one(counts: list[int]) -> None:
    weights = class_weights(counts)
    np.testing.assert_allclose(weights * counts, sum(counts) / len(counts))
    np.testing.assert_allclose(np.average(weights, weights=counts), 1)


def test_an_emotion_nobody_expressed_weighs_nothing_and_moves_no_other_weight() -> None:
    np.testing.assert_allclose(class_weights([1, 0, 3]), [2, 0, 2 / 3])


def test_weights_without_any_utterance_are_refused() -> None:
    with pytest.raises(ValueError, match=r"No utterance has any emotion: the counts are \[0, 0\]"):
        _ = class_weights([0, 0])
