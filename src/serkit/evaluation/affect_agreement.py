"""What a concordance of affect is to be read beside: people, groups, and a dimension that leads.

People who rate the same speech do not agree perfectly either, so a system's figure stands beside
that of one person against the others. And where two dimensions go together in the ratings, a good
figure of the one may be a copy of the other: what is left within narrow steps of the other says.
Figures are concordances (``ccc``), their intervals draw speakers.
"""

# Shapes: S speakers, D draws.

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from serkit.evaluation.affect import (
    AFFECT_DRAWS,
    STATISTICS,
    AffectPrediction,
    affect_dimensions,
)
from serkit.evaluation.interval import Comparison, Interval
from serkit.evaluation.regression import Moments, ccc
from serkit.evaluation.resampling import drawn_comparison, drawn_interval
from serkit.evaluation.scores import complete_seeds

MEAN = "mean"
"""Stands for the mean over the dimensions."""
FEWEST_OF_GROUP = 5
"""Utterances; a concordance of fewer is a matter of chance and is not given."""
FEWEST_OF_ANNOTATOR = 10
"""Utterances that an annotator rated with others; the figure of one with fewer is noise."""
MOST_ANNOTATORS = 20
"""Where more people rated, those who rated most of the utterances speak for them."""
NUM_STEPS = 3
"""Steps of the dimension that leads, within which the other is looked at."""

Annotators = Mapping[str, Mapping[str, Mapping[str, float]]]
"""Utterance to annotator to dimension to rating, in [0, 1]."""

_Pair = tuple[str, float, float]
"""Speaker of an utterance, and two values of it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PeopleAgreed:
    """Concordance of each annotator with the mean of the others, and of a system with the same.

    Figures are given for each dimension and for ``MEAN``, the mean over the dimensions.
    """

    num_utterances: Mapping[str, int]
    """Annotator to test utterances that somebody else rated too."""
    by_annotator: Mapping[str, Mapping[str, Interval]]
    together: Mapping[str, Interval]
    """Mean over the annotators."""
    system: Mapping[str, Interval]
    """Of the predictions with the very values the annotators were compared with, mean over them."""
    difference: Mapping[str, Comparison]
    """System less people."""
    num_left_out: int
    """Annotators who rated too few utterances, or after ``MOST_ANNOTATORS`` others."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """The utterances whose rating in one dimension lies within a part of its range."""

    low: float
    high: float
    """Lowest and highest rating of the leading dimension."""
    num_utterances: int
    concordance: Interval
    """Of the other dimension, over these utterances."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Coupling:
    """How far two dimensions go together, rated and predicted, and what is left without it."""

    leading: str
    following: str
    rated: Interval
    """Pearson's correlation of the two in the ratings."""
    predicted: Interval
    """The same in the predictions, mean over seeds."""
    steps: tuple[Step, ...]
    """From low to high in the leading dimension."""
    within: Interval
    """Mean over the steps of the concordance of the following dimension."""


def concordance_by(
    rows: Iterable[AffectPrediction],
    group_of: Mapping[str, str],
    *,
    fewest: int = FEWEST_OF_GROUP,
) -> dict[str, dict[str, float]]:
    """CCC of each group of utterances in each dimension, mean over seeds.

    Within a group ratings vary less than over all utterances, so most groups lie below the pooled
    figure for the same errors.

    Args:
        rows: Predictions of one system; every seed has the same utterances.
        group_of: ``AffectPrediction.file`` to group; utterances that are missing are left out.
        fewest: A group with fewer utterances has NaN.

    Returns:
        Group, sorted by name, to dimension to figure.

    Example:
        >>> rows = [AffectPrediction.of(seed=0, fold="1", file=str(n), speaker="s",
        ...                             reference={"arousal": n / 4}, predicted={"arousal": n / 4})
        ...         for n in range(5)]
        >>> concordance_by(rows, {row.file: "all" for row in rows})
        {'all': {'arousal': 1.0}}
    """
    parts: dict[str, dict[object, list[AffectPrediction]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        if row.file in group_of:
            parts[group_of[row.file]][row.seed].append(row)

    def of_seed(part: Sequence[AffectPrediction], dimension: str) -> float:
        if len(part) < fewest:
            return math.nan
        return ccc([r.reference[dimension] for r in part], [r.predicted[dimension] for r in part])

    return {
        group: {
            dimension: float(np.mean([of_seed(part, dimension) for part in seeds.values()]))
            for dimension in affect_dimensions(next(iter(seeds.values())))
        }
        for group, seeds in sorted(parts.items())
    }


def people_agreed(
    rows: Sequence[AffectPrediction], annotators: Annotators, *, draws: int = AFFECT_DRAWS
) -> PeopleAgreed | None:
    """How far each annotator agrees with the mean of the others, and a system with the same means.

    The figure of a system against the mean of *all* annotators is flattered beside that of a
    person against the mean of the others, which is noisier. So the predictions are also compared
    with the mean of the others, leaving out each annotator in turn: these two rows are on a par.

    Args:
        rows: Predictions of one system; every seed has the same utterances.
        annotators: Ratings of people, one by one, for some or all of these utterances.
        draws: Of the bootstrap over speakers.

    Returns:
        None where fewer than two annotators rated enough of these utterances together.

    Example:
        >>> rows = [AffectPrediction.of(seed=0, fold="1", file=str(n), speaker="s",
        ...                             reference={"arousal": n / 9}, predicted={"arousal": n / 9})
        ...         for n in range(10)]
        >>> said = {row.file: {"a": row.reference, "b": row.reference} for row in rows}
        >>> agreed = people_agreed(rows, said)
        >>> str(agreed.together["arousal"])
        '1.000 (1 speaker, no interval)'
    """
    seeds = complete_seeds(rows, reference="reference")
    first = next(iter(seeds.values()))
    own = _against_others(first, annotators, affect_dimensions(rows))
    counts = Counter({name: len(set().union(*of.values())) for name, of in own.items()})
    enough = [name for name, number in counts.most_common() if number >= FEWEST_OF_ANNOTATOR]
    names = sorted(enough[:MOST_ANNOTATORS])
    dimensions = [d for d in affect_dimensions(rows) if all(d in own[name] for name in names)]
    if len(names) < 2 or not dimensions:
        return None
    speaker_of = {row.file: row.speaker for row in first}
    speakers = tuple(sorted(set(speaker_of.values())))
    people: dict[tuple[str, str], Moments] = {}
    system: dict[tuple[str, str], list[Moments]] = {}
    for name in names:
        for d in dimensions:
            rated = own[name][d]
            said = [(speaker_of[file], others, value) for file, (value, others) in rated.items()]
            people[name, d] = _stacked(said, speakers)
            system[name, d] = [
                _stacked(
                    [(row.speaker, rated[row.file][1], row.predicted[d])
                     for row in part if row.file in rated],
                    speakers,
                )
                for part in seeds.values()
            ]  # fmt: skip
    columns: Mapping[str, Sequence[str]] = {**{d: [d] for d in dimensions}, MEAN: dimensions}
    of_people = {c: [[people[a, d] for a in names] for d in ds] for c, ds in columns.items()}
    of_system = {
        c: [[part for a in names for part in system[a, d]] for d in ds] for c, ds in columns.items()
    }

    def interval(parts: Sequence[Sequence[Moments]], num_seeds: int = 1) -> Interval:
        return _interval(parts, speakers, draws=draws, num_seeds=num_seeds)

    together = {c: interval(parts) for c, parts in of_people.items()}
    beside = {c: interval(parts, len(seeds)) for c, parts in of_system.items()}
    return PeopleAgreed(
        num_utterances={name: counts[name] for name in names},
        by_annotator={
            a: {c: interval([[people[a, d]] for d in ds]) for c, ds in columns.items()}
            for a in names
        },
        together=together,
        system=beside,
        difference={
            c: drawn_comparison(
                f"ccc_{c}",
                beside[c].value,
                together[c].value,
                lambda weights, c=c: _mean(of_system[c], weights) - _mean(of_people[c], weights),
                speakers=speakers,
                num_seeds=(len(seeds), len(seeds)),
                draws=draws,
            )
            for c in columns
        },
        num_left_out=len(own) - len(names),
    )


def coupling(
    rows: Sequence[AffectPrediction],
    *,
    leading: str = "arousal",
    following: str = "dominance",
    draws: int = AFFECT_DRAWS,
) -> Coupling:
    """How far one dimension may be a copy of another: correlations, and concordance within steps.

    Where ratings of dominance go along with those of arousal, a system that hears arousal alone
    and says it twice scores well in both. Within thirds of the rated arousal it no longer does.

    Args:
        rows: Predictions of one system; every seed has the same utterances.
        leading: The dimension that is cut into thirds. A rating never lies in two of them, so ties
            make them differ in size.
        following: The dimension that may be a copy.
        draws: Of the bootstrap over speakers.

    Raises:
        ValueError: One of the dimensions is not among those predicted.

    Example:
        >>> rows = [AffectPrediction.of(seed=0, fold="1", file=f"{a}{d}", speaker="s",
        ...                             reference={"arousal": a / 2, "dominance": (a + d) / 4},
        ...                             predicted={"arousal": a / 2, "dominance": a / 2})
        ...         for a in range(3) for d in range(3)]
        >>> found = coupling(rows)
        >>> round(found.predicted.value, 3), round(found.within.value, 3)
        (1.0, 0.0)
    """
    dimensions = affect_dimensions(rows)
    for name in (leading, following):
        if name not in dimensions:
            raise ValueError(f"{name} is not among the dimensions predicted: {dimensions}")
    seeds = complete_seeds(rows, reference="reference")
    first = next(iter(seeds.values()))
    speakers = tuple(sorted({row.speaker for row in first}))
    values = np.array([row.reference[leading] for row in first])
    edges = np.quantile(values, np.arange(1, NUM_STEPS) / NUM_STEPS)
    step_of = dict(zip((r.file for r in first), np.searchsorted(edges, values), strict=True))
    rated = [(r.speaker, r.reference[leading], r.reference[following]) for r in first]
    predicted = [
        [(r.speaker, r.predicted[leading], r.predicted[following]) for r in part]
        for part in seeds.values()
    ]
    parts = {
        step: [
            _stacked(
                [(r.speaker, r.reference[following], r.predicted[following]) for r in part
                 if step_of[r.file] == step],
                speakers,
            )
            for part in seeds.values()
        ]
        for step in range(NUM_STEPS) if step in step_of.values()
    }  # fmt: skip

    def interval(sets: Sequence[Sequence[Moments]], name: str, num_seeds: int) -> Interval:
        return _interval(sets, speakers, name, draws=draws, num_seeds=num_seeds)

    inside = {step: values[np.searchsorted(edges, values) == step] for step in parts}
    return Coupling(
        leading=leading,
        following=following,
        rated=interval([[_stacked(rated, speakers)]], "pearson", 1),
        predicted=interval(
            [[_stacked(pairs, speakers) for pairs in predicted]], "pearson", len(seeds)
        ),
        steps=tuple(
            Step(
                low=float(inside[step].min()),
                high=float(inside[step].max()),
                num_utterances=len(inside[step]),
                concordance=interval([of_seeds], "ccc", len(seeds)),
            )
            for step, of_seeds in parts.items()
        ),
        within=interval(list(parts.values()), "ccc", len(seeds)),
    )


def annotator_spread(annotators: Annotators) -> dict[str, dict[str, float]]:
    """Standard deviation of the ratings of each utterance that two people or more rated.

    The population's (divided by the number of annotators), in [0, 0.5]; of each dimension.

    Example:
        >>> annotator_spread({"u": {"a": {"arousal": 0.25}, "b": {"arousal": 0.75}}, "v": {}})
        {'u': {'arousal': 0.25}}
    """
    return _by_utterance(annotators, lambda values: float(np.std(values)))


def annotator_error(annotators: Annotators) -> dict[str, dict[str, float]]:
    """How far one person is from the mean of the others, mean over the persons; in [0, 1].

    Example:
        >>> said = {"u": {"a": {"arousal": 0.0}, "b": {"arousal": 0.0}, "c": {"arousal": 0.6}}}
        >>> {d: round(error, 6) for d, error in annotator_error(said)["u"].items()}
        {'arousal': 0.4}
    """

    def error(values: Sequence[float]) -> float:
        total, number = sum(values), len(values)
        return float(np.mean([abs(v - (total - v) / (number - 1)) for v in values]))

    return _by_utterance(annotators, error)


def _by_utterance(
    annotators: Annotators, figure: Callable[[Sequence[float]], float]
) -> dict[str, dict[str, float]]:
    """A figure of the ratings of each utterance and dimension that has two of them."""
    found: dict[str, dict[str, float]] = {}
    for file, ratings in annotators.items():
        said: dict[str, list[float]] = defaultdict(list)
        for affect in ratings.values():
            for dimension, value in affect.items():
                said[dimension].append(value)
        figures = {d: figure(values) for d, values in said.items() if len(values) > 1}
        if figures:
            found[file] = figures
    return found


def _against_others(
    rows: Iterable[AffectPrediction], annotators: Annotators, dimensions: Sequence[str]
) -> dict[str, dict[str, dict[str, tuple[float, float]]]]:
    """Annotator to dimension to utterance to the own rating and the mean of the others."""
    found: dict[str, dict[str, dict[str, tuple[float, float]]]] = defaultdict(
        lambda: defaultdict(dict)
    )
    for row in rows:
        said = annotators.get(row.file, {})
        for dimension in dimensions:
            values = {a: affect[dimension] for a, affect in said.items() if dimension in affect}
            total = sum(values.values())
            if len(values) > 1:
                for name, value in values.items():
                    others = (total - value) / (len(values) - 1)
                    found[name][dimension][row.file] = value, others
    return found


def _stacked(pairs: Iterable[_Pair], speakers: Sequence[str]) -> Moments:
    """Moments with one part per speaker, in the order given."""
    values: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in speakers}
    for speaker, first, second in pairs:
        values[speaker][0].append(first)
        values[speaker][1].append(second)
    return Moments.stack([Moments.of(*values[name]) for name in speakers])


def _mean(
    parts: Sequence[Sequence[Moments]], weights: Int[np.ndarray, "D S"], name: str = "ccc"
) -> Float[np.ndarray, " D"]:
    """A figure of many test sets: mean over groups of the mean over the members of each."""
    of = STATISTICS[name]
    return np.mean(
        [np.mean([of(member.weighed(weights)) for member in group], axis=0) for group in parts],
        axis=0,
    )


def _interval(
    parts: Sequence[Sequence[Moments]],
    speakers: Sequence[str],
    name: str = "ccc",
    *,
    draws: int,
    num_seeds: int,
) -> Interval:
    once = np.ones((1, len(speakers)), dtype=np.int64)
    return drawn_interval(
        name,
        float(_mean(parts, once, name)[0]),
        lambda weights: _mean(parts, weights, name),
        speakers=speakers,
        num_seeds=num_seeds,
        draws=draws,
    )
