"""Figures by group of utterances: sex, age, language, or whatever else tells them apart.

The worst group comes first, because that is the one a user may belong to.
"""

# Shapes: R seeds, S speakers, G groups, C emotions, D draws.

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Num

from serkit.corpus import Utterance
from serkit.evaluation.classification import marked
from serkit.evaluation.interval import (
    DRAWS,
    GENERATOR_SEED,
    LEVEL,
    Interval,
    bootstrap,
    drawn,
    figure_named,
    percentiles,
    speaker_draws,
)
from serkit.evaluation.predictions import Prediction, PredictionsError, scheme
from serkit.evaluation.scores import complete_seeds

UNKNOWN = "unknown"
"""The group of utterances that belong to none; it is shown and enters no gap."""
AGE_BANDS = (18.0, 30.0, 45.0, 60.0)
"""Years at which a band of ages ends and the next begins."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Group:
    """One group's figure."""

    name: str
    interval: Interval
    """The figure, mean over seeds, emotions without reference left out; and how sure it is."""
    num_utterances: int
    """Test utterances of one seed."""
    num_speakers: int
    absent: tuple[str, ...]
    """Emotions of the scheme that no utterance of the group was rated as (dagger)."""

    @property
    def text(self) -> str:
        """``0.812† [0.760, 0.861]``, or why there is no interval."""
        ends = self.interval.text
        figure = marked(self.interval.value, self.absent)
        return f"{figure} {ends if self.interval.low is not None else f'({ends})'}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Gap:
    """How much better the best group is heard than the worst."""

    metric: str
    best: str
    worst: str
    value: float
    """Figure of the best group less that of the worst, over ``emotions``; NaN without two."""
    low: float | None
    high: float | None
    emotions: tuple[str, ...]
    """Those that every group shows: groups with other emotions would not be compared fairly."""
    reason: str = ""
    """Why there is no interval, or no gap."""

    @property
    def text(self) -> str:
        """``+0.051 [+0.010, +0.093]``, or why there is no interval."""
        if math.isnan(self.value):
            return self.reason
        if self.low is None or self.high is None:
            return f"{self.value:+.3f} ({self.reason})"
        return f"{self.value:+.3f} [{self.low:+.3f}, {self.high:+.3f}]"

    @property
    def verdict(self) -> str:
        """What may be written: a gap is claimed only when its interval leaves out 0."""
        if self.low is None or self.high is None:
            return self.reason
        if self.low <= 0.0 <= self.high:
            return "no gap shown"
        return f"{self.worst} is heard worse than {self.best}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Groups:
    """Every group's figure, worst first, and the gap between best and worst."""

    metric: str
    groups: tuple[Group, ...]
    gap: Gap


def by_group(
    rows: Iterable[Prediction],
    group_of: Mapping[str, str],
    metric: str = "uar",
    *,
    draws: int = DRAWS,
    seed: int = GENERATOR_SEED,
    level: float = LEVEL,
) -> Groups:
    """The figure of each group of utterances, worst first, and the gap between best and worst.

    The gap is the figure of the best group less that of the worst, over the emotions that all
    groups show. Its interval draws speakers once for all groups, so that a speaker of two languages
    counts for both in the same draws, and the best and the worst group stay those of the figures
    themselves: a maximum chosen anew in each draw would be above 0 always. Since they were picked
    among all pairs of groups after looking, the level is that of all pairs together (Bonferroni).

    Args:
        rows: Predictions of one system under one protocol; every seed has the same utterances.
        group_of: Group by ``Prediction.file``, such as ``groups_of`` makes; utterances that are
            missing or have the group ``""`` are shown as ``unknown``.
        metric: A name of ``METRICS``, such as ``"uar"`` or ``"macro_f1"``.
        draws: Of the bootstrap over speakers.
        seed: Of the generator of the draws.
        level: Share of draws inside the interval.

    Raises:
        PredictionsError: The table cannot be scored, or none of its utterances has a group.

    Example:
        >>> rows = [
        ...     Prediction.of(seed=0, fold="one", file=f"{s}-{e}", speaker=s, emotion=e,
        ...                   emotions=("anger", "sadness"), probabilities=p)
        ...     for s, p in (("eva", [0.6, 0.4]), ("tom", [0.0, 1.0]))
        ...     for e in ("anger", "sadness") if (s, e) != ("tom", "anger")
        ... ]
        >>> groups = by_group(rows, {row.file: row.speaker for row in rows})
        >>> [(group.name, group.text) for group in groups.groups]
        [('eva', '0.500 (1 speaker, no interval)'), ('tom', '1.000† (1 speaker, no interval)')]
        >>> groups.gap.emotions, groups.gap.text
        (('sadness',), '+1.000 (eva: 1 speaker, no interval; tom: 1 speaker, no interval)')
    """
    table = list(rows)
    if not table:
        raise PredictionsError("there are no predictions to score by group")
    emotions = scheme(table)
    seeds = list(complete_seeds(table).values())
    groups = dict[str, list[str]]()
    for row in seeds[0]:
        groups.setdefault(group_of.get(row.file) or UNKNOWN, []).append(row.speaker)
    if set(groups) == {UNKNOWN}:
        raise PredictionsError(
            f"none of the {len(seeds[0])} utterances has a group, such as {seeds[0][0].file}: "
            "groups are looked up by the name in the column 'file'"
        )
    names = tuple(sorted(groups))
    speakers = tuple(sorted({row.speaker for row in seeds[0]}))
    counts = _counts(seeds, group_of, names, speakers, emotions)

    found: list[Group] = []
    for index, name in enumerate(names):
        own = [place for place, s in enumerate(speakers) if s in set(groups[name])]
        of_group = counts[:, own, index]
        found.append(
            Group(
                name=name,
                interval=bootstrap(
                    [speakers[place] for place in own],
                    of_group.reshape(*of_group.shape[:2], -1),
                    lambda sums: _figures(sums, metric, len(emotions)),
                    metric=metric,
                    draws=draws,
                    seed=seed,
                    level=level,
                ),
                num_utterances=len(groups[name]),
                num_speakers=len(own),
                absent=tuple(
                    emotion
                    for emotion, number in zip(
                        emotions, of_group[0].sum(axis=(0, 2)).tolist(), strict=True
                    )
                    if not number
                ),
            )
        )
    return Groups(
        metric=metric,
        groups=tuple(sorted(found, key=lambda g: (g.name == UNKNOWN, g.interval.value, g.name))),
        gap=_gap(counts, names, found, emotions, speakers, metric, draws, seed, level),
    )


def groups_of(
    utterances: Iterable[Utterance], by: str, *, age_bands: Sequence[float] = AGE_BANDS
) -> dict[str, str]:
    """The group of each utterance, by its id, as ``by_group`` takes it.

    Args:
        utterances: Of a corpus.
        by: ``"sex"``, ``"age"`` (in bands) or ``"language"``.
        age_bands: Years at which a band ends and the next begins, rising.

    Returns:
        Utterance id to group; utterances of which it is not known are left out.

    Raises:
        ValueError: ``by`` is none of the three.

    Example:
        >>> from pathlib import Path
        >>> people = [Utterance(id=f"own/{age}", path=Path("a.wav"), age=age, sex="female")
        ...           for age in (12.0, 18.0, 71.0)]
        >>> groups_of(people, "age")
        {'own/12.0': 'under 18', 'own/18.0': '18 to 29', 'own/71.0': '60 and over'}
    """
    if by not in ("sex", "age", "language"):
        raise ValueError(f"utterances are grouped by sex, age or language, not by {by!r}")
    groups = dict[str, str]()
    for utterance in utterances:
        if by == "age":
            group = None if utterance.age is None else age_band(utterance.age, age_bands)
        else:
            group = utterance.sex if by == "sex" else utterance.language
        if group:
            groups[utterance.id] = group
    return groups


def age_band(age: float, bands: Sequence[float] = AGE_BANDS) -> str:
    """The name of the band that an age, in years, lies in.

    Example:
        >>> [age_band(age) for age in (17.9, 44.0, 45.0)]
        ['under 18', '30 to 44', '45 to 59']
    """
    place = sum(age >= end for end in bands)
    if place == 0:
        return f"under {bands[0]:.0f}"
    if place == len(bands):
        return f"{bands[-1]:.0f} and over"
    return f"{bands[place - 1]:.0f} to {bands[place] - 1:.0f}"


def _counts(
    seeds: Sequence[Sequence[Prediction]],
    group_of: Mapping[str, str],
    names: Sequence[str],
    speakers: Sequence[str],
    emotions: Sequence[str],
) -> Num[np.ndarray, "R S G C C"]:
    of_group, of_speaker, of_emotion = (
        {name: index for index, name in enumerate(order)} for order in (names, speakers, emotions)
    )
    size = len(emotions)
    counts = np.zeros((len(seeds), len(speakers), len(names), size, size))
    for number, rows in enumerate(seeds):
        for row in rows:
            group = of_group[group_of.get(row.file) or UNKNOWN]
            reference, predicted = of_emotion[row.emotion], of_emotion[row.predicted]
            counts[number, of_speaker[row.speaker], group, reference, predicted] += 1
    return counts


def _figures(
    sums: Num[np.ndarray, "*S Q"], metric: str, num_emotions: int
) -> Float[np.ndarray, "*S"]:
    confusions = sums.reshape(*sums.shape[:-1], num_emotions, num_emotions)
    return np.asarray(figure_named(metric)(confusions, "skip"))


def _gap(
    counts: Num[np.ndarray, "R S G C C"],
    names: Sequence[str],
    groups: Sequence[Group],
    emotions: tuple[str, ...],
    speakers: Sequence[str],
    metric: str,
    draws: int,
    seed: int,
    level: float,
) -> Gap:
    known = [index for index, name in enumerate(names) if name != UNKNOWN]
    occurs = (counts[0].sum(axis=(0, 3))[known] > 0).all(axis=0)  # [C], in every known group
    shared = tuple(e for e, there in zip(emotions, occurs.tolist(), strict=True) if there)

    def undefined(reason: str) -> Gap:
        return Gap(
            metric=metric, best="", worst="", value=math.nan, low=None, high=None,
            emotions=shared, reason=reason,
        )  # fmt: skip

    if len(known) < 2:
        return undefined("one group, no gap")
    if not shared:
        return undefined("no emotion is in every group, no gap")
    compared = np.where(occurs[:, None], counts, 0.0)
    flat = compared.reshape(*compared.shape[:3], -1)
    values = _figures(flat.sum(axis=1), metric, len(emotions)).mean(axis=0)
    best = max(known, key=lambda index: values[index])
    worst = min((index for index in known if index != best), key=lambda index: values[index])
    few = [
        f"{groups[index].name}: {reason}"
        for index in (worst, best)
        if (reason := groups[index].interval.reason)
    ]
    low = high = None
    if not few:
        pairs = math.comb(len(known), 2)
        weights = speaker_draws(len(speakers), draws=draws, seed=seed)
        of_best, of_worst = (
            drawn(flat[:, :, index], weights, lambda s: _figures(s, metric, len(emotions)))
            for index in (best, worst)
        )
        differences = of_best - of_worst
        # a group of 8 among many speakers may be drawn not at all, about once in 3000
        differences = differences[~np.isnan(differences)]
        low, high = percentiles(differences, 1.0 - (1.0 - level) / pairs)
    return Gap(
        metric=metric,
        best=names[best],
        worst=names[worst],
        value=float(values[best] - values[worst]),
        low=low,
        high=high,
        emotions=shared,
        reason="; ".join(few),
    )
