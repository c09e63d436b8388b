"""Which utterances share a batch: buckets of similar length, samplers, episodes, class weights.

Everything random comes from a generator that is passed in, so that an epoch can be drawn again.
"""

from collections.abc import Collection, Sequence
from typing import Literal

import numpy as np
from jaxtyping import Float

# Shapes: C emotions.


def buckets(
    lengths: Sequence[int],
    *,
    batch: int,
    num_buckets: int = 10,
    generator: np.random.Generator,
) -> list[list[int]]:
    """Batches of utterances of similar length, in random order.

    The utterances are sorted by length into ``num_buckets`` buckets of equal count, shuffled
    inside each, laid end to end, and cut into the fewest batches of at most ``batch``. The sizes
    of the batches differ by at most one: no batch of a single utterance is left over at the end,
    on which batch normalisation would have nothing to normalise by.

    Args:
        lengths: Of each utterance, in any unit.
        batch: The most utterances in a batch.
        num_buckets: More buckets pad less; fewer buckets mix more freely.
        generator: Decides the order.

    Returns:
        Indices into ``lengths``, each exactly once.

    Example:
        >>> batches = buckets([9, 1, 8, 2], batch=2, generator=np.random.default_rng(0))
        >>> sorted(sorted(batch) for batch in batches)
        [[0, 2], [1, 3]]
    """
    if batch < 1 or num_buckets < 1:
        raise ValueError(f"batch and num_buckets must be at least 1, not {batch} and {num_buckets}")
    if not lengths:
        return []
    shuffled = generator.permutation(len(lengths))  # so that equal lengths take any order
    by_length = shuffled[np.argsort(np.asarray(lengths)[shuffled], kind="stable")]
    order = np.concatenate(
        [generator.permutation(bucket) for bucket in np.array_split(by_length, num_buckets)]
    )
    batches = np.array_split(order, -(-len(order) // batch))
    return [batches[index].tolist() for index in generator.permutation(len(batches))]


def balanced(emotions: Sequence[int], generator: np.random.Generator) -> list[int]:
    """An epoch in which every emotion that occurs is drawn equally often.

    As many draws as there are utterances. Within an emotion every utterance is drawn ``k`` times
    before any is drawn ``k + 1`` times; what does not divide evenly goes to emotions by lot.

    Args:
        emotions: Of each utterance.
        generator: Decides who is drawn, and the order.

    Returns:
        Indices into ``emotions``, shuffled.

    Example:
        >>> drawn = balanced([0, 0, 0, 1], np.random.default_rng(0))
        >>> sorted([0, 0, 0, 1][index] for index in drawn)
        [0, 0, 1, 1]
    """
    labels = np.asarray(emotions, dtype=np.int64)
    present = generator.permutation(np.unique(labels))
    drawn: list[int] = []
    for place, emotion in enumerate(present):
        utterances = np.flatnonzero(labels == emotion)
        share = len(labels) // len(present) + (place < len(labels) % len(present))
        passes = -(-share // len(utterances))
        rounds = [generator.permutation(utterances) for _ in range(passes)]
        drawn.extend(np.concatenate(rounds)[:share].tolist() if rounds else [])
    return generator.permutation(np.asarray(drawn, dtype=np.int64)).tolist()


def happy_twice(emotions: Sequence[int], happiness: int) -> list[int]:
    """An epoch in which every utterance comes once, and the happy ones twice.

    Happiness is the rarest of the four emotions usually taken from IEMOCAP; the authors of ACRNN
    (Chen, He, Yang, Zhang, IEEE SPL 25(10), 2018) balance it so.

    Args:
        emotions: Of each utterance.
        happiness: Which emotion is happiness.

    Returns:
        Indices into ``emotions``.

    Example:
        >>> happy_twice([0, 1, 0], happiness=1)
        [0, 1, 2, 1]
    """
    again = [index for index, emotion in enumerate(emotions) if emotion == happiness]
    return [*range(len(emotions)), *again]


def class_weights(counts: Sequence[int]) -> Float[np.ndarray, " C"]:
    """Weight of each emotion in the objective: ``w_k = n / (C n_k)``.

    With these weights every emotion has the same say, and the mean weight over utterances is 1.
    An emotion without utterances has weight 0; ``C`` counts the emotions that have some.

    Args:
        counts: Utterances per emotion.

    Returns:
        One weight per emotion.

    Example:
        >>> class_weights([1, 3]).round(3).tolist()
        [2.0, 0.667]
    """
    n = np.asarray(counts, dtype=np.float64)
    num_present = np.count_nonzero(n)
    if num_present == 0:
        raise ValueError(f"No utterance has any emotion: the counts are {list(counts)}")
    weights = np.zeros_like(n)
    return np.divide(n.sum() / num_present, n, out=weights, where=n > 0)


Partner = Literal["any", "other_speaker"]
"""Whom the enrolled utterances of an episode are spoken by; see ``episodes``."""


def episodes(
    classes: Sequence[int],
    *,
    num_episodes: int,
    num_utterances: int,
    num_classes: int | None = None,
    speakers: Sequence[str | None] | None = None,
    partner: Partner = "any",
    generator: np.random.Generator,
) -> list[list[int]]:
    """An epoch of batches, each of several independent episodes.

    An episode holds some classes, all different, and of each some utterances, all different: the
    first is the query, the others are enrolled. Each class has a shuffled queue of its utterances
    that is refilled when it is empty, so that all classes come equally often and a rare one goes
    round more often. With fewer classes in an episode than there are, the classes too are dealt
    from a shuffled queue. There are as many batches as it takes to draw as many utterances as
    there are.

    Args:
        classes: Of each utterance: its emotion, or whatever is to be told apart.
        num_episodes: S, stacked in one batch.
        num_utterances: M, of each class; at least 2.
        num_classes: E, in each episode; None takes all that occur.
        speakers: Of each utterance; needed by ``other_speaker``.
        partner: ``"any"``, or ``"other_speaker"``: the enrolled utterances come from speakers other
            than the query's where the class has such, since otherwise the easiest sign of the same
            emotion is the same voice.
        generator: Decides everything.

    Returns:
        Batches of indices into ``classes``, in the order episode, class, utterance.

    Raises:
        ValueError: A class has too few utterances, or an episode asks for too many classes.

    Example:
        >>> [batch] = episodes([0, 0, 1, 1], num_episodes=1, num_utterances=2,
        ...                    generator=np.random.default_rng(0))
        >>> sorted(batch[:2]), sorted(batch[2:])
        ([0, 1], [2, 3])
    """
    members = {
        int(name): np.flatnonzero(np.asarray(classes) == name) for name in np.unique(classes)
    }
    size = len(members) if num_classes is None else num_classes
    if num_episodes < 1 or num_utterances < 2 or size < 2:
        raise ValueError(
            f"an episode needs 2 classes with 2 utterances each at least, and a batch 1 episode; "
            f"asked for {size} classes, {num_utterances} utterances and {num_episodes} episodes"
        )
    if size > len(members):
        raise ValueError(
            f"an episode is to hold {size} classes, but only {len(members)} occur in training"
        )
    for name, utterances in members.items():
        if len(utterances) < num_utterances:
            raise ValueError(
                f"class {name} has {len(utterances)} utterances, but an episode needs "
                f"{num_utterances} different ones"
            )
    if partner == "other_speaker" and (speakers is None or None in speakers):
        raise ValueError("partner='other_speaker' needs the speaker of every utterance")
    queues = {name: _Queue(utterances.tolist(), generator) for name, utterances in members.items()}
    dealer = _Queue(list(members), generator)
    batches: list[list[int]] = []
    for _ in range(-(-len(classes) // (num_episodes * size * num_utterances))):
        batch: list[int] = []
        for _ in range(num_episodes):
            dealt: list[int] = []
            while len(dealt) < size:
                dealt.append(dealer.next(avoid=dealt))
            for name in sorted(dealt):
                chosen = [queues[name].next()]
                voice = [speakers[chosen[0]]] if speakers and partner == "other_speaker" else []
                while len(chosen) < num_utterances:
                    others = [u for u in members[name].tolist() if speakers[u] in voice] if (
                        speakers and voice) else []  # fmt: skip
                    elsewhere = len(members[name]) - len(others)
                    used = sum(u not in others for u in chosen)
                    avoid = [*chosen, *others] if elsewhere > used else chosen
                    chosen.append(queues[name].next(avoid=avoid))
                batch.extend(chosen)
        batches.append(batch)
    return batches


class _Queue:
    """Members in shuffled order, over and over; those to be avoided wait for their next turn."""

    def __init__(self, members: Sequence[int], generator: np.random.Generator) -> None:
        self._members = list(members)
        self._generator = generator
        self._waiting: list[int] = []

    def next(self, *, avoid: Collection[int] = ()) -> int:
        """The first in line that is not to be avoided."""
        for place, member in enumerate(self._waiting):
            if member not in avoid:
                return self._waiting.pop(place)
        self._waiting += self._generator.permutation(self._members).tolist()
        return self.next(avoid=avoid)
