"""Tables of predictions scored, put together over seeds, and compared.

Two figures are never mixed up: *pooled* puts the predictions of all folds together, one confusion
per seed, and then takes mean and sample standard deviation over seeds; *per fold* is the mean and
the sample standard deviation over folds of each fold's own figure.
"""

import math
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from serkit.evaluation.classification import METRICS, Confusion, f1, marked, recall
from serkit.evaluation.interval import (
    DRAWS,
    Comparison,
    Interval,
    SpeakerConfusions,
    compare,
    speaker_bootstrap,
)
from serkit.evaluation.predictions import Prediction, PredictionsError, Row, Seed, scheme


@dataclass(frozen=True, kw_only=True, slots=True)
class Figure:
    """One metric of one run, pooled over folds and, beside it, per fold. The two differ.

    Example:
        >>> rows = [
        ...     Prediction.of(seed=0, fold=f, file=f"{f}/{e}", speaker=f, emotion=e,
        ...                   emotions=("anger", "sadness"), probabilities=[0.6, 0.4])
        ...     for f in ("one", "two") for e in ("anger", "sadness")
        ... ]
        >>> str(score(rows).figures["uar"])
        '0.500 (2 speakers, no interval)'
    """

    metric: str
    by_seed: Mapping[Seed, float]
    """Pooled: one confusion over all folds per seed."""
    mean: float
    """Mean of ``by_seed``."""
    sd: float
    """Sample standard deviation of ``by_seed``; NaN with one seed."""
    interval: Interval
    """Of ``mean``, over speakers."""
    by_fold: Mapping[str, float]
    """Figure of each fold, mean over seeds."""
    fold_mean: float
    """Mean of ``by_fold``."""
    fold_sd: float
    """Sample standard deviation of ``by_fold``; NaN with one fold."""
    absent: tuple[str, ...] = ()
    """Emotions that ``mean`` leaves out because no utterance decides them (dagger)."""
    absent_by_fold: Mapping[str, tuple[str, ...]] = field(
        default_factory=dict[str, tuple[str, ...]]
    )
    """The same for each fold of ``by_fold``; folds that leave nothing out are not in it."""

    @property
    def text(self) -> str:
        """``0.812 ± 0.004``: pooled mean and standard deviation over seeds; one seed has none."""
        spread = "" if math.isnan(self.sd) else f" ± {self.sd:.3f}"
        return marked(self.mean, self.absent) + spread

    @property
    def fold_text(self) -> str:
        """``0.801 ± 0.055``: mean and standard deviation over folds."""
        spread = "" if math.isnan(self.fold_sd) else f" ± {self.fold_sd:.3f}"
        return marked(self.fold_mean, tuple(self.absent_by_fold)) + spread

    def __str__(self) -> str:
        ends = self.interval.text
        return f"{self.text} {ends if self.interval.low is not None else f'({ends})'}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Scores:
    """Everything that is read off one table of predictions."""

    emotions: tuple[str, ...]
    """The scheme."""
    seeds: tuple[Seed, ...]
    folds: tuple[str, ...]
    """In the order of the table."""
    num_utterances: int
    """Test utterances of one seed."""
    num_speakers: int
    figures: Mapping[str, Figure]
    """By the names of ``METRICS``: ``"uar"``, ``"war"``, ``"macro_f1"`` and so on."""
    by_seed: Mapping[Seed, Confusion]
    """Pooled confusion of each seed."""
    by_fold: Mapping[str, Mapping[Seed, Confusion]]
    """Confusion of each fold and seed."""
    by_speaker: Mapping[Seed, SpeakerConfusions]
    """Confusion of each seed and speaker."""
    speakers_by_fold: Mapping[str, int]
    """Test speakers of each fold."""

    @property
    def confusion(self) -> Confusion:
        """All seeds added up: each utterance counts once per seed."""
        return _sum(self.by_seed.values(), self.emotions)

    @property
    def absent(self) -> tuple[str, ...]:
        """Emotions of the scheme that no test utterance was rated as."""
        return self.confusion.absent

    @property
    def absent_by_fold(self) -> dict[str, tuple[str, ...]]:
        """Emotions missing from each fold's test side, folds without any left out."""
        return dict(self.figures["uar"].absent_by_fold)


def score(rows: Iterable[Prediction], *, draws: int = DRAWS) -> Scores:
    """Score a table of predictions: pooled per seed, mean over seeds, per fold, with intervals.

    Emotions that nobody was rated as are left out of a figure (``absent="skip"``) and listed in
    ``Figure.absent``, ``Scores.absent`` and ``Scores.absent_by_fold``, so that tables can mark it.

    Args:
        rows: Predictions of one system under one protocol; every seed has the same utterances.
        draws: Of the bootstrap over speakers.

    Raises:
        PredictionsError: The seeds were not tested on the same utterances, or one utterance occurs
            twice in a seed.

    Example:
        >>> rows = [
        ...     Prediction.of(seed=seed, fold="one", file=e, speaker="s", emotion=e,
        ...                   emotions=("anger", "sadness"), probabilities=p)
        ...     for seed, p in ((0, [0.9, 0.1]), (1, [0.2, 0.8])) for e in ("anger", "sadness")
        ... ]
        >>> scores = score(rows)
        >>> scores.figures["uar"].text, scores.by_seed[1].counts.tolist()
        ('0.500 ± 0.000', [[0, 1], [0, 1]])
    """
    table = list(rows)
    if not table:
        raise PredictionsError("there are no predictions to score")
    emotions = scheme(table)
    seeds = complete_seeds(table)
    folds = tuple(dict.fromkeys(row.fold for row in table))

    by_seed = {seed: _counted(part, emotions) for seed, part in seeds.items()}
    by_speaker = {
        seed: {speaker: _counted(rows, emotions) for speaker, rows in _grouped(part, "speaker")}
        for seed, part in seeds.items()
    }
    by_fold: dict[str, dict[Seed, Confusion]] = {fold: {} for fold in folds}
    for seed, part in seeds.items():
        for fold, rows_of_fold in _grouped(part, "fold"):
            by_fold[fold][seed] = _counted(rows_of_fold, emotions)
    one_seed = next(iter(seeds.values()))
    speakers_by_fold = {
        fold: len({row.speaker for row in one_seed if row.fold == fold}) for fold in folds
    }
    return Scores(
        emotions=emotions,
        seeds=tuple(seeds),
        folds=folds,
        num_utterances=len(one_seed),
        num_speakers=len({row.speaker for row in one_seed}),
        figures={
            metric: _figure(metric, by_seed, by_fold, by_speaker, draws) for metric in METRICS
        },
        by_seed=by_seed,
        by_fold=by_fold,
        by_speaker=by_speaker,
        speakers_by_fold=speakers_by_fold,
    )


def ensemble(rows: Iterable[Prediction]) -> list[Prediction]:
    """The mean of the probabilities over the seeds, as one more system named ``ensemble-N``.

    Args:
        rows: Predictions of N seeds, at least two, each of the same utterances.

    Raises:
        PredictionsError: Only one seed, or the seeds were not tested on the same utterances.

    Example:
        >>> rows = [
        ...     Prediction.of(seed=seed, fold="one", file="a", speaker="s", emotion="anger",
        ...                   emotions=("anger", "sadness"), probabilities=p)
        ...     for seed, p in ((0, [0.9, 0.1]), (1, [0.4, 0.6]))
        ... ]
        >>> together, = ensemble(rows)
        >>> together.seed, together.predicted, together.probabilities["anger"]
        ('ensemble-2', 'anger', 0.65)
    """
    table = list(rows)
    if not table:
        raise PredictionsError("there are no predictions to put together")
    emotions = scheme(table)
    seeds = complete_seeds(table)
    if len(seeds) < 2:
        raise PredictionsError(
            f"an ensemble needs at least two seeds, the table has only seed {next(iter(seeds))}"
        )
    by_file = {
        seed: {row.file: [row.probabilities[emotion] for emotion in emotions] for row in part}
        for seed, part in seeds.items()
    }
    return [
        Prediction.of(
            seed=f"ensemble-{len(seeds)}",
            fold=row.fold,
            file=row.file,
            speaker=row.speaker,
            emotion=row.emotion,
            emotions=emotions,
            probabilities=np.mean([by_file[seed][row.file] for seed in seeds], axis=0),
        )
        for row in next(iter(seeds.values()))
    ]


def compare_predictions(
    first: Iterable[Prediction],
    second: Iterable[Prediction],
    metric: str = "uar",
    *,
    draws: int = DRAWS,
) -> Comparison:
    """Compare two tables of predictions with the same draws of speakers; see ``compare``.

    Args:
        first: Predictions of one system.
        second: Predictions of another on the same utterances.
        metric: A name of ``METRICS``, such as ``"uar"`` or ``"macro_f1"``.
        draws: Of the bootstrap over speakers.

    Raises:
        PredictionsError: The tables do not hold the same utterances with the same emotions.

    Example:
        >>> rows = [Prediction.of(seed=0, fold="one", file="a", speaker="s", emotion="anger",
        ...                       emotions=("anger", "sadness"), probabilities=[0.9, 0.1])]
        >>> str(compare_predictions(rows, rows))
        '+0.000: 1 speaker, no interval'
    """
    tables = same_utterances(first, second)
    emotions = scheme(tables[0])
    confusions: list[list[SpeakerConfusions]] = [
        [
            {name: _counted(rows, emotions) for name, rows in _grouped(part, "speaker")}
            for part in complete_seeds(table).values()
        ]
        for table in tables
    ]
    return compare(confusions[0], confusions[1], metric, draws=draws)


def same_utterances(
    first: Iterable[Prediction], second: Iterable[Prediction]
) -> tuple[list[Prediction], list[Prediction]]:
    """Two tables, once they are known to be about the same utterances, so that they compare.

    Args:
        first: Predictions of one system.
        second: Predictions of another; the order of rows and of emotions may differ.

    Raises:
        PredictionsError: The tables do not hold the same utterances with the same emotions.

    Example:
        >>> rows = [Prediction.of(seed=0, fold="one", file="a", speaker="s", emotion="anger",
        ...                       emotions=("anger", "sadness"), probabilities=[0.9, 0.1])]
        >>> same_utterances(rows, rows) == (rows, rows)
        True
    """
    tables = (list(first), list(second))
    if not all(tables):
        raise PredictionsError("there are no predictions to compare")
    emotions, others = (scheme(table) for table in tables)
    if set(emotions) != set(others):
        raise PredictionsError(
            f"two systems are compared over the same scheme, not over ({', '.join(emotions)}) and "
            f"({', '.join(others)})"
        )
    one, other = ({row.file: (row.emotion, row.speaker) for row in table} for table in tables)
    apart = sorted(file for file in one.keys() | other.keys() if one.get(file) != other.get(file))
    if apart:
        raise PredictionsError(
            f"two systems are compared on the same utterances, but {len(apart)} differ in "
            f"presence, emotion or speaker, such as {apart[0]}"
        )
    return tables


def whole_seeds(rows: Iterable[Any]) -> tuple[list[Any], str]:
    """The rows of the seeds that were tested on everything, and a line about the others.

    A table of a campaign that is still running holds seeds with some of their folds; they are left
    out rather than scored on less than the others.

    Args:
        rows: Of one system under one protocol, of emotions or of affect.

    Example:
        >>> rows = [
        ...     Prediction.of(seed=seed, fold="one", file=file, speaker="s", emotion="anger",
        ...                   emotions=("anger", "sadness"), probabilities=[0.9, 0.1])
        ...     for seed, file in ((0, "a"), (0, "b"), (1, "a"))
        ... ]
        >>> kept, line = whole_seeds(rows)
        >>> len(kept), line
        (2, 'seeds not finished and left out: 1 (1 of 2 utterances)')
    """
    table = list(rows)
    counts = Counter(row.seed for row in table)
    everything = max(counts.values(), default=0)
    short = {seed: count for seed, count in counts.items() if count < everything}
    if not short:
        return table, ""
    named = ", ".join(f"{seed} ({n} of {everything} utterances)" for seed, n in short.items())
    return (
        [row for row in table if row.seed not in short],
        f"seeds not finished and left out: {named}",
    )


def complete_seeds(rows: Iterable[Row], *, reference: str = "emotion") -> dict[Seed, list[Row]]:
    """Rows by seed, once every seed is known to hold the same utterances, once each.

    Args:
        rows: ``Prediction``, or rows of another table with a seed, fold, file and speaker.
        reference: The field that holds what was rated.

    Raises:
        PredictionsError: It does not; the message names an utterance.

    Example:
        >>> rows = [Prediction.of(seed=s, fold="one", file="a", speaker="s", emotion="anger",
        ...                       emotions=("anger",), probabilities=[1.0]) for s in (0, 1)]
        >>> {seed: len(part) for seed, part in complete_seeds(rows).items()}
        {0: 1, 1: 1}
    """
    seeds: dict[Seed, dict[str, Any]] = defaultdict(dict)
    table: Iterable[Any] = rows
    for row in table:
        if row.file in seeds[row.seed]:
            raise PredictionsError(
                f"seed {row.seed} predicts {row.file} twice (folds "
                f"{seeds[row.seed][row.file].fold} and {row.fold}): each test utterance counts once"
            )
        seeds[row.seed][row.file] = row
    first_seed, first = next(iter(seeds.items()))
    for seed, part in seeds.items():
        apart = sorted(first.keys() ^ part.keys())
        if apart:
            raise PredictionsError(
                f"seeds {first_seed} and {seed} were not tested on the same utterances: "
                f"{len(apart)} are in only one of them, such as {apart[0]}; score complete "
                "seeds only"
            )
        for file, row in part.items():
            other = first[file]
            for name in ("fold", "speaker", reference):
                if getattr(row, name) != getattr(other, name):
                    raise PredictionsError(
                        f"{file} has {name} {getattr(other, name)!r} in seed {first_seed} and "
                        f"{getattr(row, name)!r} in seed {seed}"
                    )
    return {seed: list(part.values()) for seed, part in seeds.items()}


def _grouped(rows: Iterable[Prediction], name: str) -> Iterator[tuple[str, list[Prediction]]]:
    groups: dict[str, list[Prediction]] = defaultdict(list)
    for row in rows:
        groups[getattr(row, name)].append(row)
    yield from groups.items()


def _counted(rows: Sequence[Prediction], emotions: tuple[str, ...]) -> Confusion:
    return Confusion.of([row.emotion for row in rows], [row.predicted for row in rows], emotions)


def _sum(confusions: Iterable[Confusion], emotions: tuple[str, ...]) -> Confusion:
    return sum(confusions, start=Confusion.empty(emotions))


def _undecided(metric: str, confusions: Iterable[Confusion]) -> tuple[str, ...]:
    """Emotions that ``absent="skip"`` leaves out of this figure in at least one seed."""
    by_emotion = {"uar": recall, "macro_f1": f1, "macro_precision": f1}.get(metric)
    if by_emotion is None:
        return ()
    left_out = dict[str, None]()
    for confusion in confusions:
        left_out |= {e: None for e, value in by_emotion(confusion).items() if math.isnan(value)}
    return tuple(left_out)


def _figure(
    metric: str,
    by_seed: Mapping[Seed, Confusion],
    by_fold: Mapping[str, Mapping[Seed, Confusion]],
    by_speaker: Mapping[Seed, SpeakerConfusions],
    draws: int,
) -> Figure:
    def value(confusion: Confusion) -> float:
        return float(METRICS[metric](confusion.counts, "skip"))

    of_seed = {seed: value(confusion) for seed, confusion in by_seed.items()}
    of_fold = {
        fold: statistics.fmean(value(confusion) for confusion in seeds.values())
        for fold, seeds in by_fold.items()
    }
    absent_by_fold = {fold: _undecided(metric, seeds.values()) for fold, seeds in by_fold.items()}
    return Figure(
        metric=metric,
        by_seed=of_seed,
        mean=statistics.fmean(of_seed.values()),
        sd=sample_sd(of_seed.values()),
        interval=speaker_bootstrap(list(by_speaker.values()), metric, draws=draws),
        by_fold=of_fold,
        fold_mean=statistics.fmean(of_fold.values()),
        fold_sd=sample_sd(of_fold.values()),
        absent=_undecided(metric, by_seed.values()),
        absent_by_fold={fold: names for fold, names in absent_by_fold.items() if names},
    )


def sample_sd(values: Iterable[float]) -> float:
    """Sample standard deviation; NaN of fewer than two values, and where one is not defined.

    Example:
        >>> sample_sd([1.0, 3.0, 5.0]), sample_sd([1.0])
        (2.0, nan)
    """
    known = list(values)
    if len(known) < 2 or any(math.isnan(value) for value in known):
        return math.nan
    return statistics.stdev(known)
