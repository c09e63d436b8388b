"""Stacked episodes, against what can be counted."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serkit.objectives.episode import episodes

COUNTS = st.lists(st.integers(3, 12), min_size=2, max_size=6)


def classes_of(counts: list[int]) -> list[int]:
    return [name for name, count in enumerate(counts) for _ in range(count)]


def drawn(classes, *, seed=0, num_episodes=2, num_utterances=2, **settings) -> np.ndarray:
    """Epoch as an array: batch, episode, class, utterance."""
    batches = episodes(
        classes,
        num_episodes=num_episodes,
        num_utterances=num_utterances,
        generator=np.random.default_rng(seed),
        **settings,
    )
    return np.array(batches).reshape(len(batches), num_episodes, -1, num_utterances)


@given(counts=COUNTS, num_episodes=st.integers(1, 4), num_utterances=st.integers(2, 3),
       fewer=st.integers(0, 4), seed=st.integers(0, 99))  # fmt: skip
def test_an_episode_has_different_classes_and_of_each_different_utterances(
    counts, num_episodes, num_utterances, fewer, seed
):
    classes = classes_of(counts)
    size = max(2, len(counts) - fewer)
    epoch = drawn(
        classes, num_episodes=num_episodes, num_utterances=num_utterances, num_classes=size,
        seed=seed,
    )  # fmt: skip
    assert epoch.shape[2] == size
    for episode in epoch.reshape(-1, size, num_utterances):
        named = [{classes[index] for index in group} for group in episode]
        assert all(len(names) == 1 for names in named)
        assert len(set.union(*named)) == size
        assert all(len(set(group)) == num_utterances for group in episode.tolist())


@given(counts=COUNTS, num_utterances=st.integers(2, 3), fewer=st.integers(0, 4),
       seed=st.integers(0, 99))  # fmt: skip
def test_over_an_epoch_classes_come_equally_often(counts, num_utterances, fewer, seed):
    classes = classes_of(counts)
    size = max(2, len(counts) - fewer)
    epoch = drawn(classes, num_utterances=num_utterances, num_classes=size, seed=seed)
    often = Counter(classes[index] for index in epoch.flatten())
    times = [often[name] for name in range(len(counts))]
    assert max(times) - min(times) <= num_utterances


@given(counts=COUNTS, num_episodes=st.integers(1, 4), num_utterances=st.integers(2, 3))
def test_there_are_as_many_batches_as_it_takes_to_draw_as_many_utterances_as_there_are(
    counts, num_episodes, num_utterances
):
    classes = classes_of(counts)
    epoch = drawn(classes, num_episodes=num_episodes, num_utterances=num_utterances)
    in_a_batch = num_episodes * len(counts) * num_utterances
    assert len(epoch) == -(-len(classes) // in_a_batch)


def test_every_utterance_of_a_class_comes_before_any_comes_again():
    classes = classes_of([30, 5, 8])
    epoch = drawn(classes, num_episodes=3, seed=4)
    often = Counter(epoch.flatten().tolist())
    for name in range(3):
        times = [often[index] for index, own in enumerate(classes) if own == name]
        assert max(times) - min(times) <= 1


def test_every_utterance_is_sometimes_the_query_and_sometimes_enrolled():
    classes = classes_of([6, 6])
    queries, enrolled = set(), set()
    for seed in range(30):
        epoch = drawn(classes, seed=seed)
        queries |= set(epoch[..., 0].flatten().tolist())
        enrolled |= set(epoch[..., 1].flatten().tolist())
    assert queries == enrolled == set(range(12))


@pytest.mark.parametrize("num_utterances", [2, 3])
@given(seed=st.integers(0, 99))
def test_another_speaker_is_enrolled_wherever_there_is_one(num_utterances, seed):
    classes = [0] * 6 + [1] * 6 + [2] * 4
    speakers = ["a", "a", "a", "b", "b", "c"] * 2 + ["d"] * 4  # of class 2 there is one voice
    epoch = drawn(
        classes, num_utterances=num_utterances, speakers=speakers, partner="other_speaker",
        seed=seed,
    )  # fmt: skip
    for group in epoch.reshape(-1, num_utterances).tolist():
        own, *others = [speakers[index] for index in group]
        if classes[group[0]] < 2:
            assert own not in others
    assert {classes[group[0]] for group in epoch.reshape(-1, num_utterances)} == {0, 1, 2}


def test_where_too_few_others_speak_the_same_speaker_fills_up():
    speakers = ["a", "a", "a", "b"] * 2
    epoch = drawn(
        [0] * 4 + [1] * 4, num_utterances=3, speakers=speakers, partner="other_speaker", seed=1
    )
    for group in epoch.reshape(-1, 3).tolist():
        assert len(set(group)) == 3
        if speakers[group[0]] == "a":
            assert sorted(speakers[index] for index in group[1:]) == ["a", "b"]


def test_any_partner_may_be_the_same_speaker():
    speakers = ["a", "b"] * 6
    epochs = [drawn([0] * 6 + [1] * 6, speakers=speakers, seed=seed) for seed in range(9)]
    pairs = np.concatenate(epochs).reshape(-1, 2).tolist()
    same = [speakers[query] == speakers[enrolled] for query, enrolled in pairs]
    assert any(same)
    assert not all(same)


def test_the_same_generator_gives_the_same_epoch_and_another_gives_another():
    classes = classes_of([9, 7, 5])
    first, again, other = (drawn(classes, seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_the_order_in_a_batch_is_episode_class_utterance():
    classes = [2, 0, 1, 2, 0, 1]
    epoch = drawn(classes, num_episodes=3)
    named = np.array(classes)[epoch]
    assert (named == np.array([0, 1, 2])[:, None]).all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_classes": 4}, "hold 4 classes, but only 3 occur"),
        ({"num_utterances": 4}, r"class 1 has 3 utterances.*needs 4"),
        ({"num_utterances": 1}, "1 utterances"),
        ({"num_classes": 1}, "asked for 1 classes"),
        ({"num_episodes": 0}, "0 episodes"),
        ({"partner": "other_speaker"}, "speaker of every utterance"),
        ({"partner": "other_speaker", "speakers": ["a", None] * 6}, "speaker of every utterance"),
    ],
)
def test_episodes_that_cannot_be_drawn_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        drawn(classes_of([4, 3, 5]), **settings)
