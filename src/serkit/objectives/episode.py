"""Which utterances share a batch: buckets of similar length, samplers, class weights.

Everything random comes from a generator that is passed in, so that an epoch can be drawn again.
"""

from collections.abc import Sequence

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
