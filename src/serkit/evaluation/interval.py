"""How sure a figure is: bootstrap over speakers, and the comparison of two systems.

Utterances of one speaker are alike, so speakers are drawn, not utterances: draw as many speakers
as there are, with replacement, add their confusions, and read the figure off the sum. The
percentiles of 10000 such figures are the interval (Efron & Tibshirani, "An Introduction to the
Bootstrap", 1993, chapter 13, with speakers as the units). It says how the figure would move with
other speakers of the same kind; it says nothing about other corpora. With several seeds the figure
inside a draw is the mean over seeds, so it describes one trained system on average, no ensemble.
"""

# Shapes: R seeds, S speakers, D draws, C emotions, Q sums that a figure is read off.

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int, Num

from serkit.evaluation.classification import METRICS, Absent, Confusion

DRAWS = 10_000
GENERATOR_SEED = 20250101
LEVEL = 0.95
FEWEST_SPEAKERS = 8
"""With fewer speakers a percentile interval would be far too narrow, and none is given."""

SpeakerConfusions = Mapping[str, Confusion]
"""The confusion of each speaker, from one seed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Interval:
    """A figure and how sure it is.

    Example:
        >>> interval = Interval(
        ...     metric="uar", value=0.8, low=0.75, high=0.85, num_speakers=10, num_seeds=3
        ... )
        >>> str(interval)
        '0.800 [0.750, 0.850]'
    """

    metric: str
    """A name of ``METRICS``, such as ``"uar"``, or of another table of figures."""
    value: float
    """The figure itself: mean over seeds, emotions without reference left out."""
    low: float | None
    """Lower end; None when there are too few speakers."""
    high: float | None
    """Upper end; None when there are too few speakers."""
    num_speakers: int
    num_seeds: int
    level: float = LEVEL
    draws: int = DRAWS
    reason: str = ""
    """Why there is no interval, when there is none."""

    @property
    def text(self) -> str:
        """``[low, high]``, or why there is none."""
        if self.low is None or self.high is None:
            return self.reason
        return f"[{self.low:.3f}, {self.high:.3f}]"

    def __str__(self) -> str:
        if self.low is None:
            return f"{self.value:.3f} ({self.text})"
        return f"{self.value:.3f} {self.text}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """The difference of two systems on the same utterances: first minus second."""

    metric: str
    first: float
    second: float
    low: float | None
    high: float | None
    num_speakers: int
    num_seeds: tuple[int, int]
    level: float = LEVEL
    draws: int = DRAWS
    reason: str = ""

    @property
    def difference(self) -> float:
        """First minus second."""
        return self.first - self.second

    @property
    def verdict(self) -> str:
        """What may be written about the first system.

        ``"better"`` or ``"worse"`` only when the interval of the difference leaves out 0 and both
        figures come from more than one seed; else why not.
        """
        if self.low is None or self.high is None:
            return self.reason
        if self.low <= 0.0 <= self.high:
            return "no difference shown"
        if min(self.num_seeds) < 2:
            return "one seed, no claim"
        return "better" if self.low > 0.0 else "worse"

    def __str__(self) -> str:
        ends = "" if self.low is None else f" [{self.low:+.3f}, {self.high:+.3f}]"
        return f"{self.difference:+.3f}{ends}: {self.verdict}"


def speaker_bootstrap(
    confusions: SpeakerConfusions | Sequence[SpeakerConfusions],
    metric: str = "uar",
    *,
    draws: int = DRAWS,
    seed: int = GENERATOR_SEED,
    level: float = LEVEL,
) -> Interval:
    """Percentile interval of a figure by drawing speakers with replacement.

    A draw can lack an emotion altogether (only some speakers show disgust). The figure inside a
    draw, and the figure itself, are then taken over the emotions present (``absent="skip"``): a
    draw is never thrown away and never NaN. Speakers are sorted by name first, so that the order of
    utterances and of speakers changes nothing.

    Args:
        confusions: The confusion of each speaker; with several seeds one such mapping per seed, of
            the same speakers.
        metric: A name of ``METRICS``, such as ``"uar"`` or ``"macro_f1"``.
        draws: How many times to draw.
        seed: Of the generator of the draws.
        level: Share of draws inside the interval.

    Returns:
        The figure with its interval, or without one and with the reason when there are fewer than
        8 speakers or a speaker is unknown (named ``""``).

    Example:
        >>> right, wrong = (
        ...     Confusion.of(["anger", "sadness"], heard, ["anger", "sadness"])
        ...     for heard in (["anger", "sadness"], ["anger", "anger"])
        ... )
        >>> speakers = {f"s{n}": right if n % 2 else wrong for n in range(10)}
        >>> str(speaker_bootstrap(speakers))
        '0.750 [0.600, 0.900]'
        >>> str(speaker_bootstrap({"s1": right, "s2": wrong}))
        '0.750 (2 speakers, no interval)'
    """
    speakers, counts = _stack(_per_seed(confusions))
    return bootstrap(
        speakers,
        counts.reshape(*counts.shape[:2], -1),
        _of_sums(metric, counts.shape[-1]),
        metric=metric,
        draws=draws,
        seed=seed,
        level=level,
    )


def bootstrap(
    speakers: Sequence[str],
    sums: Num[np.ndarray, "R S Q"],
    figure: Callable[[Any], Any],
    *,
    metric: str,
    draws: int = DRAWS,
    seed: int = GENERATOR_SEED,
    level: float = LEVEL,
) -> Interval:
    """The interval of any figure that is read off sums over utterances; see ``speaker_bootstrap``.

    A mean is read off a sum and a count, UAR off a confusion, an expected calibration error off
    counts by bin: whatever is added up by speaker can be drawn by speaker.

    Args:
        speakers: Names, in the order of ``sums``; ``""`` is an unknown one.
        sums: What each speaker's utterances add up to, by seed and speaker.
        figure: Sums added over the drawn speakers, ``[... Q]``, to figures ``[...]``.
        metric: What the figure is called.
        draws: How many times to draw.
        seed: Of the generator of the draws.
        level: Share of draws inside the interval.

    Example:
        >>> lengths = np.array([[[6.0, 2.0], [9.0, 3.0]]])  # seconds, utterances
        >>> str(bootstrap(["s1", "s2"], lengths, lambda s: s[..., 0] / s[..., 1], metric="length"))
        '3.000 (2 speakers, no interval)'
    """
    check_draws(draws, level)
    reason = too_few(speakers)
    low = high = None
    if not reason:
        order = np.argsort(np.array(speakers), kind="stable")  # by name: input order is no matter
        weights = speaker_draws(len(speakers), draws=draws, seed=seed)
        low, high = percentiles(drawn(sums[:, order], weights, figure), level)
    return Interval(
        metric=metric,
        value=float(np.mean(figure(sums.sum(axis=1)))),
        low=low,
        high=high,
        num_speakers=len(speakers),
        num_seeds=len(sums),
        level=level,
        draws=draws,
        reason=reason,
    )


def compare(
    first: SpeakerConfusions | Sequence[SpeakerConfusions],
    second: SpeakerConfusions | Sequence[SpeakerConfusions],
    metric: str = "uar",
    *,
    draws: int = DRAWS,
    seed: int = GENERATOR_SEED,
    level: float = LEVEL,
) -> Comparison:
    """Compare two systems on the same utterances, with the same draws of speakers for both.

    Args:
        first: Confusions of the first system, as for ``speaker_bootstrap``.
        second: Confusions of the second; another number of seeds is fine, other utterances are not.
        metric: A name of ``METRICS``, such as ``"uar"`` or ``"macro_f1"``.
        draws: How many times to draw.
        seed: Of the generator of the draws.
        level: Share of draws inside the interval.

    Raises:
        ValueError: The two were not tested on the same speakers with the same emotions each.

    Example:
        >>> right, wrong = (
        ...     Confusion.of(["anger", "sadness"], heard, ["anger", "sadness"])
        ...     for heard in (["anger", "sadness"], ["anger", "anger"])
        ... )
        >>> good = {f"s{n}": right for n in range(10)}
        >>> poor = {f"s{n}": wrong for n in range(10)}
        >>> str(compare([good, good], [poor, poor]))
        '+0.500 [+0.500, +0.500]: better'
    """
    speakers, counts = _stack(_per_seed(first))
    other_speakers, other = _stack(_per_seed(second))
    if speakers != other_speakers:
        apart = sorted(set(speakers) ^ set(other_speakers))
        raise ValueError(
            "two systems are compared on the same speakers; only one of them was tested on "
            + _some(apart)
        )
    emotions, others = (_per_seed(side)[0][speakers[0]].emotions for side in (first, second))
    if emotions != others:
        raise ValueError(
            "two systems are compared over the same scheme in the same order, not over "
            f"({', '.join(emotions)}) and ({', '.join(others)})"
        )
    if not np.array_equal(counts[0].sum(axis=-1), other[0].sum(axis=-1)):
        raise ValueError(
            "two systems are compared on the same utterances, but the emotions of their test "
            "speakers differ in number: were both run on the same corpus, protocol and folds?"
        )
    figure = _of_sums(metric, len(emotions))
    check_draws(draws, level)
    counts, other = (side.reshape(*side.shape[:2], -1) for side in (counts, other))
    reason = too_few(speakers)
    low = high = None
    if not reason:
        weights = speaker_draws(len(speakers), draws=draws, seed=seed)
        low, high = percentiles(
            drawn(counts, weights, figure) - drawn(other, weights, figure), level
        )
    return Comparison(
        metric=metric,
        first=float(figure(counts.sum(axis=1)).mean()),
        second=float(figure(other.sum(axis=1)).mean()),
        low=low,
        high=high,
        num_speakers=len(speakers),
        num_seeds=(len(counts), len(other)),
        level=level,
        draws=draws,
        reason=reason,
    )


def speaker_draws(
    num_speakers: int, *, draws: int = DRAWS, seed: int = GENERATOR_SEED
) -> Int[np.ndarray, "D S"]:
    """How often each speaker is drawn: ``num_speakers`` out of ``num_speakers``, with replacement.

    Example:
        >>> speaker_draws(3, draws=2, seed=0).sum(axis=1).tolist()
        [3, 3]
    """
    generator = np.random.default_rng(seed)
    return generator.multinomial(num_speakers, [1 / num_speakers] * num_speakers, size=draws)


def drawn(
    sums: Num[np.ndarray, "R S Q"], weights: Int[np.ndarray, "D S"], figure: Callable[[Any], Any]
) -> Float[np.ndarray, " D"]:
    """The figure inside each draw: mean over seeds of the figure of the added sums.

    Example:
        >>> ratio = lambda s: s[..., 0] / s[..., 1]
        >>> drawn(np.array([[[1, 2], [4, 4]]]), np.array([[2, 0], [0, 2]]), ratio).tolist()
        [0.5, 1.0]
    """
    added = weights.astype(np.float64) @ sums.astype(np.float64)  # counts stay exact in float64
    return np.asarray(figure(added)).mean(axis=0)


def percentiles(values: Float[np.ndarray, " D"], level: float) -> tuple[float, float]:
    """Both ends of the interval that holds a share ``level`` of the draws.

    Example:
        >>> percentiles(np.arange(101.0), 0.5)
        (25.0, 75.0)
    """
    tail = (1.0 - level) / 2.0
    low, high = np.quantile(values, [tail, 1.0 - tail])
    return float(low), float(high)


def _per_seed(
    confusions: SpeakerConfusions | Sequence[SpeakerConfusions],
) -> Sequence[SpeakerConfusions]:
    return [confusions] if isinstance(confusions, Mapping) else confusions


def _stack(
    seeds: Sequence[SpeakerConfusions],
) -> tuple[tuple[str, ...], Int[np.ndarray, "R S C C"]]:
    """Speakers in order of name, and their counts."""
    if not seeds or not seeds[0]:
        raise ValueError("there is nothing to score: no seed, or no speaker")
    speakers = tuple(sorted(seeds[0]))
    emotions = seeds[0][speakers[0]].emotions
    for number, seed in enumerate(seeds):
        if tuple(sorted(seed)) != speakers:
            apart = sorted(set(seed) ^ set(speakers))
            raise ValueError(
                f"seeds are averaged over the same test speakers, but seed number {number} and "
                f"the first one differ in {_some(apart)}: score complete seeds only"
            )
        for speaker, confusion in seed.items():
            if confusion.emotions != emotions:
                raise ValueError(
                    f"speaker {speaker!r} was scored over ({', '.join(confusion.emotions)}), "
                    f"others over ({', '.join(emotions)})"
                )
    return speakers, np.stack([[seed[speaker].counts for speaker in speakers] for seed in seeds])


def too_few(speakers: Sequence[str]) -> str:
    """Why no interval is given over these speakers; empty when one is.

    Example:
        >>> too_few(["s1", "s2"]), too_few([f"s{number}" for number in range(8)])
        ('2 speakers, no interval', '')
    """
    if "" in speakers:
        return "unknown speakers, no interval"
    if len(speakers) < FEWEST_SPEAKERS:
        return f"{len(speakers)} speaker{'s' * (len(speakers) != 1)}, no interval"
    return ""


def _of_sums(metric: str, num_emotions: int) -> Callable[[Any], Any]:
    """A figure of ``METRICS`` over flattened confusions, ``[... C*C]`` to ``[...]``."""
    figure = figure_named(metric)
    return lambda sums: figure(sums.reshape(*sums.shape[:-1], num_emotions, num_emotions), "skip")


def figure_named(metric: str) -> Callable[[Any, Absent], Any]:
    """A figure of ``METRICS``.

    Raises:
        ValueError: There is none of that name; the message offers the nearest.

    Example:
        >>> figure_named("war")(np.array([[3, 1], [0, 4]]), "skip").item()
        0.875
    """
    if metric not in METRICS:
        near = difflib.get_close_matches(metric, METRICS, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"no metric {metric!r}; there are {', '.join(METRICS)}{hint}")
    return METRICS[metric]


def check_draws(draws: int, level: float) -> None:
    """Refuse a bootstrap without draws, and a level that is not a share."""
    if draws < 1:
        raise ValueError(f"a bootstrap needs at least one draw, not {draws}")
    if not 0.0 < level < 1.0:
        raise ValueError(f"level {level} is not between 0 and 1; 0.95 is usual")


def _some(names: Sequence[str], most: int = 5) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(repr(name) for name in names[:most]) + more
