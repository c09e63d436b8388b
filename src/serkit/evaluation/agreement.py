"""How far the raters of a corpus agree, which is how far any system can agree with them.

Three figures: Krippendorff's alpha over all raters at once, which is what is left of their
disagreement beside that of chance; the correlation of each pair of raters in each dimension of
affect; and how often each pair heard the same emotion.
"""

# Shapes: R raters, N utterances.

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from jaxtyping import Float, Num

from serkit.corpus import AFFECT, EMOTIONS, Corpus
from serkit.corpus.consensus import majority, people
from serkit.evaluation.regression import pearson

Level = Literal["nominal", "ordinal", "interval"]
"""What values mean: names, ranks, or distances."""

FEWEST_SHARED = 10
"""With fewer utterances in common, the figure of a pair of raters is noise and is not given."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Pair:
    """Two raters over the utterances that both rated."""

    first: str
    second: str
    value: float
    """Correlation of affect, or share of utterances with the same emotion."""
    num_shared: int
    """Utterances rated by both."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Agreed:
    """How far raters agree in one thing: emotion, or one dimension of affect."""

    alpha: float
    """Krippendorff's alpha: nominal for emotion, interval for affect."""
    pairs: tuple[Pair, ...]
    """Each pair with enough utterances in common, in the order of the names."""
    num_raters: int
    num_utterances: int
    """Utterances rated at least twice; the others say nothing about agreement."""

    @property
    def mean(self) -> float:
        """Mean over the pairs, each counting the same; NaN without a pair."""
        values = [pair.value for pair in self.pairs if not np.isnan(pair.value)]
        return float(np.mean(values)) if values else float("nan")

    @property
    def range(self) -> tuple[float, float]:
        """Lowest and highest value of a pair; NaN without a pair."""
        values = [pair.value for pair in self.pairs if not np.isnan(pair.value)]
        return (min(values), max(values)) if values else (float("nan"), float("nan"))


@dataclass(frozen=True, kw_only=True, slots=True)
class Agreement:
    """How far the raters of a corpus agree."""

    corpus: str
    raters: tuple[str, ...]
    """The persons; consensus, majority and intention are nobody's ratings."""
    num_ratings: Mapping[int, int]
    """Number of persons to number of utterances that so many rated."""
    emotion: Agreed | None
    """None where no utterance has an emotion from two persons."""
    affect: Mapping[str, Agreed]
    """By dimension; without those that no utterance has from two persons."""

    def __str__(self) -> str:
        counted = ", ".join(f"{count} by {number}" for number, count in self.num_ratings.items())
        lines = [f"{self.corpus}: {len(self.raters)} raters; utterances rated: {counted}"]
        rows = [("emotion", "same", self.emotion)] if self.emotion is not None else []
        rows += [(dimension, "correlation", agreed) for dimension, agreed in self.affect.items()]
        for name, what, agreed in rows:
            low, high = agreed.range
            lines.append(
                f"{name}: alpha {agreed.alpha:.3f}; {what} in {len(agreed.pairs)} pairs "
                f"{agreed.mean:.3f} ({low:.3f} to {high:.3f})"
            )
        return "\n".join(lines)


def agreement(corpus: Corpus, *, fewest: int = FEWEST_SHARED) -> Agreement:
    """How far the persons who rated a corpus agree, in emotion and in each dimension of affect.

    Only persons count. A person who gave several emotions equal shares of one utterance gave none.

    Args:
        corpus: With all its raters (not after ``Corpus.rated_by``).
        fewest: So many utterances two raters must share for a figure of the pair; at least 2.

    Raises:
        ValueError: No utterance was rated by two persons, or ``fewest`` is below 2.

    Example:
        >>> from pathlib import Path
        >>> from serkit.corpus import Rating, Utterance
        >>> heard = {"anna": ("anger", "anger", "fear"), "ben": ("anger", "fear", "fear")}
        >>> utterances = tuple(
        ...     Utterance(id=f"mine/{n}", path=Path(f"{n}.wav"), ratings=tuple(
        ...         Rating(rater=rater, emotion={emotions[n]: 1.0})
        ...         for rater, emotions in heard.items()
        ...     ))
        ...     for n in range(3)
        ... )
        >>> print(agreement(Corpus(name="mine", utterances=utterances), fewest=2))
        mine: 2 raters; utterances rated: 3 by 2
        emotion: alpha 0.444; same in 1 pairs 0.667 (0.667 to 0.667)
    """
    if fewest < 2:
        raise ValueError(f"a pair of raters shares at least 2 utterances, not {fewest}")
    emotions: list[dict[str, float]] = []
    affects: dict[str, list[dict[str, float]]] = {dimension: [] for dimension in AFFECT}
    raters: set[str] = set()
    counts: Counter[int] = Counter()
    for utterance in corpus.utterances:
        ratings = people(utterance.ratings)
        names = {rating.rater for rating in ratings}
        raters |= names
        counts[len(names)] += 1
        labels = {rating.rater: majority([rating]) for rating in ratings}
        emotions.append(
            {r: float(EMOTIONS.index(label)) for r, label in labels.items() if label is not None}
        )
        for dimension, rated in affects.items():
            rated.append({r.rater: r.affect[dimension] for r in ratings if dimension in r.affect})
    emotion = _agreed(emotions, "nominal", fewest)
    affect = {name: _agreed(rated, "interval", fewest) for name, rated in affects.items()}
    if emotion is None and not any(affect.values()):
        raise ValueError(
            f"no utterance of {corpus.name} was rated by two persons, so there is no agreement to "
            f"measure; its ratings are by {', '.join(corpus.raters) or 'nobody'}"
        )
    return Agreement(
        corpus=corpus.name,
        raters=tuple(sorted(raters)),
        num_ratings=dict(sorted(counts.items())),
        emotion=emotion,
        affect={name: agreed for name, agreed in affect.items() if agreed is not None},
    )


def krippendorff_alpha(ratings: Num[np.ndarray, "R N"], *, level: Level = "interval") -> float:
    """Krippendorff's alpha: 1 less the disagreement observed, as a part of that expected by chance.

    ``1 - D_o / D_e``. ``D_o`` is the mean disagreement of the values given to one utterance, each
    of its ``m`` values paired with the ``m - 1`` others; ``D_e`` that of all values paired with all
    others, whatever they were given to (Krippendorff, "Computing Krippendorff's
    Alpha-Reliability", 2011). Two values disagree by 0 or 1 (``nominal``), by the square of their
    difference (``interval``), or by the square of the number of values between them, each of the
    two counting half of those equal to it (``ordinal``). Utterances with fewer than two values
    say nothing and are left out.

    At most 1, higher is better; 0 is chance, and below it raters disagree on purpose. NaN when all
    values are equal, or no utterance has two: nothing varies that could be agreed on.

    Args:
        ratings: A row per rater, a column per utterance; NaN where a rater gave no value. For
            ``nominal`` a number for each name.
        level: What the values mean.

    Raises:
        ValueError: No such level.

    Example:
        >>> meg = [0, 1, 0, 0, 0, 0, 0, 0, 1, 0]
        >>> owen = [1, 1, 1, 0, 0, 1, 0, 0, 0, 0]
        >>> round(krippendorff_alpha(np.array([meg, owen]), level="nominal"), 3)
        0.095
    """
    if level not in get_args(Level):
        raise ValueError(f"no level {level!r}; there are {', '.join(get_args(Level))}")
    values = np.asarray(ratings, dtype=np.float64)
    columns, given = np.nonzero(~np.isnan(values).T)
    return _alpha(columns, values[given, columns], level)


def _alpha(units: Num[np.ndarray, " V"], values: Float[np.ndarray, " V"], level: Level) -> float:
    """Alpha of ``V`` values, each given to one of the ``units``."""
    _, unit = np.unique(units, return_inverse=True)
    paired = np.bincount(unit)[unit] > 1 if len(unit) else np.zeros(0, dtype=bool)
    if not paired.any():
        return float("nan")
    values = values[paired]
    _, unit, number = np.unique(unit[paired], return_inverse=True, return_counts=True)
    distinct, code, count = np.unique(values, return_inverse=True, return_counts=True)
    if len(distinct) < 2:
        return float("nan")
    # apart: disagreement summed over the ordered pairs within each unit; chance: over all pairs
    if level == "nominal":
        cell, equal = np.unique(unit * len(distinct) + code, return_counts=True)
        apart = number**2 - np.bincount(cell // len(distinct), weights=equal**2)
        chance = len(values) ** 2 - (count**2).sum()
    else:
        if level == "ordinal":
            # the number of values between two values is the difference of their middle ranks
            values = (np.cumsum(count) - count / 2)[code]
        means = np.bincount(unit, weights=values) / number
        apart = 2 * number * np.bincount(unit, weights=(values - means[unit]) ** 2)
        chance = 2 * len(values) * ((values - values.mean()) ** 2).sum()
    # D_o = sum(apart / (number - 1)) / len(values), D_e = chance / (len(values) (len(values) - 1))
    return float(1.0 - (len(values) - 1) * (apart / (number - 1)).sum() / chance)


def _agreed(rated: Collection[Mapping[str, float]], level: Level, fewest: int) -> Agreed | None:
    """Agreement in one thing, from rater to value of each utterance; None without any."""
    shared = [values for values in rated if len(values) > 1]
    if not shared:
        return None
    units = np.repeat(np.arange(len(shared)), [len(values) for values in shared])
    flat = np.array([value for values in shared for value in values.values()])
    both: defaultdict[tuple[str, str], tuple[list[float], list[float]]] = defaultdict(
        lambda: ([], [])
    )
    for values in shared:
        names = sorted(values)
        for place, first in enumerate(names):
            for second in names[place + 1 :]:
                one, other = both[first, second]
                one.append(values[first])
                other.append(values[second])
    pairs = tuple(
        Pair(
            first=first,
            second=second,
            value=_same(one, other) if level == "nominal" else pearson(one, other),
            num_shared=len(one),
        )
        for (first, second), (one, other) in sorted(both.items())
        if len(one) >= fewest
    )
    return Agreed(
        alpha=_alpha(units, flat, level),
        pairs=pairs,
        num_raters=len({name for values in shared for name in values}),
        num_utterances=len(shared),
    )


def _same(one: list[float], other: list[float]) -> float:
    """Share of equal values."""
    return sum(x == y for x, y in zip(one, other, strict=True)) / len(one)
