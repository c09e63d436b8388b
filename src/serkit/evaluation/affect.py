"""Predicted arousal, valence and dominance: as a table, scored, put together, and compared.

One row per utterance of a test side and per seed, with the rating and the prediction of every
dimension, by name. A table may hold some of the dimensions only. As with emotions, *pooled* puts
the predictions of all folds together, one concordance per seed, and *per fold* is the mean over
folds of each fold's own; the two differ, and a mean over batches is neither.
"""

# Shapes: S speakers, D draws.

import csv
import difflib
import io
import math
import statistics
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from serkit.corpus import AFFECT
from serkit.evaluation.classification import marked
from serkit.evaluation.interval import Comparison
from serkit.evaluation.predictions import DECIMALS, PredictionsError, Seed, read_table, write_whole
from serkit.evaluation.regression import Moments
from serkit.evaluation.resampling import drawn_comparison, drawn_figure
from serkit.evaluation.results import (
    Line,
    from_one,
    grouped,
    interval_text,
    markdown,
    remarks,
    rounded,
    shown,
    spread,
)
from serkit.evaluation.scores import Figure, complete_seeds

AFFECT_DRAWS = 2_000
"""Of the bootstrap over speakers."""
COLUMNS = ("seed", "fold", "file", "speaker")
PREDICTED = "predicted_"
"""What the name of a prediction's column begins with; the dimension follows."""
MEAN_CCC = "ccc_mean"
"""The headline figure: mean of the concordances of the dimensions."""
STATISTICS: Mapping[str, Callable[[Moments], Float[np.ndarray, " S"]]] = {
    "ccc": lambda moments: moments.ccc,
    "pearson": lambda moments: moments.pearson,
    "rmse": lambda moments: moments.rmse,
}
LOWER_IS_BETTER = ("rmse",)

AFFECT_RESULT_COLUMNS = (
    "recipe",
    "system",
    "corpus",
    "protocol",
    "seed",
    *(f"ccc_{dimension}" for dimension in AFFECT),
    "ccc_mean",
    "ccc_low",
    "ccc_high",
    *(f"pearson_{dimension}" for dimension in AFFECT),
    *(f"rmse_{dimension}" for dimension in AFFECT),
    "num_utterances",
    "num_speakers",
    "parameters",
    "train_seconds",
    "commit",
    "date",
    "ccc_sd",
    "split",
)
"""Columns of ``results/*.csv`` of affect; a study may add its own."""

TABLE_COLUMNS = (
    "system",
    "recipe",
    "seeds",
    "mean CCC",
    "95 % over speakers",
    *(f"CCC {dimension}" for dimension in AFFECT),
    *(f"RMSE {dimension}" for dimension in AFFECT),
    "utterances",
    "speakers",
    "parameters",
    "remarks",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class AffectPrediction:
    """What one system said about the affect of one test utterance.

    Example:
        >>> row = AffectPrediction.of(
        ...     seed=0, fold="1", file="emotale/a", speaker="emotale/001",
        ...     reference={"valence": 0.25, "arousal": 1 / 3}, predicted={"arousal": 1.02,
        ...     "valence": 0.5},
        ... )
        >>> row.reference["arousal"], list(row.predicted)
        (0.333333, ['arousal', 'valence'])
    """

    seed: Seed
    fold: str
    file: str
    """Utterance id (or a file's path when it holds one utterance): once per seed."""
    speaker: str
    """Global speaker id; empty when unknown, and then there is no interval."""
    reference: Mapping[str, float]
    """Dimension to rating, in [0, 1]."""
    predicted: Mapping[str, float]
    """Dimension to prediction as the system gave it: on the scale of [0, 1], not clamped to it."""

    @staticmethod
    def of(
        *,
        seed: Seed,
        fold: str,
        file: str,
        speaker: str | None,
        reference: Mapping[str, float],
        predicted: Mapping[str, float],
    ) -> "AffectPrediction":
        """Make a row as it will stand in the table: rounded, dimensions in the order of ``AFFECT``.

        Args:
            seed: Of the run.
            fold: Name of the fold whose test side the utterance is on.
            file: Utterance id.
            speaker: Global speaker id, or None when unknown.
            reference: Dimension to rating, in [0, 1].
            predicted: Dimension to prediction, of the same dimensions.

        Raises:
            PredictionsError: Dimensions that are unknown or differ, or a value out of range.
        """
        row = AffectPrediction(
            seed=seed,
            fold=fold,
            file=file,
            speaker=speaker or "",
            reference=_rounded_values(reference),
            predicted=_rounded_values(predicted),
        )
        _check_row(row, file)
        return row


@dataclass(frozen=True, kw_only=True, slots=True)
class AffectScores:
    """Everything that is read off one table of predicted affect."""

    dimensions: tuple[str, ...]
    """Those of the table, in the order of ``AFFECT``."""
    seeds: tuple[Seed, ...]
    folds: tuple[str, ...]
    """In the order of the table."""
    num_utterances: int
    """Test utterances of one seed."""
    num_speakers: int
    figures: Mapping[str, Figure]
    """``"ccc_mean"``, then ``"ccc_arousal"``, ``"pearson_arousal"``, ``"rmse_arousal"`` and so on.

    Predictions are scored as they are, also outside [0, 1].
    """
    num_outside: Mapping[str, int]
    """Predictions outside [0, 1] by dimension, all seeds together; dimensions without are left out.
    """
    clamped: Mapping[str, float]
    """Pooled figures with predictions clamped to [0, 1], where they differ from ``figures``."""
    speakers_by_fold: Mapping[str, int]
    """Test speakers of each fold."""
    utterances_by_fold: Mapping[str, int]
    """Test utterances of each fold, of one seed."""

    @property
    def clamped_text(self) -> str:
        """What to print about predictions outside [0, 1]; empty when there are none.

        Example:
            >>> rows = [AffectPrediction.of(seed=0, fold="1", file=str(n), speaker="s",
            ...                             reference={"arousal": n / 2}, predicted={"arousal": y})
            ...         for n, y in enumerate((0.2, 0.4, 1.2))]
            >>> score_affect(rows).clamped_text
            'outside [0, 1]: 1 of 3 for arousal; clamped to it, ccc_mean is 0.941 (0.917)'
        """
        if not self.num_outside:
            return ""
        total = self.num_utterances * len(self.seeds)
        counts = ", ".join(
            f"{number} of {total} for {dimension}" for dimension, number in self.num_outside.items()
        )
        text = f"outside [0, 1]: {counts}"
        if MEAN_CCC in self.clamped:
            mean, clamped = self.figures[MEAN_CCC].mean, self.clamped[MEAN_CCC]
            text += f"; clamped to it, {MEAN_CCC} is {marked(clamped)} ({marked(mean)})"
        return text


def write_affect_predictions(path: str | Path, rows: Iterable[AffectPrediction]) -> Path:
    """Write a table of predicted affect: ``.csv``, or ``.csv.gz`` with equal bytes for equal rows.

    Values have six decimals. The file appears whole or not at all.

    Args:
        path: Ends in ``.csv`` or ``.csv.gz``; its folder is made.
        rows: At least one, all with the same dimensions.

    Raises:
        PredictionsError: No rows, differing dimensions, an utterance twice in one seed, a rating
            outside [0, 1], a prediction that is not finite, or a name with a line break.

    Example:
        >>> import tempfile
        >>> row = AffectPrediction.of(seed=0, fold="1", file="a", speaker="s",
        ...                           reference={"arousal": 0.5}, predicted={"arousal": 0.75})
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = write_affect_predictions(Path(folder) / "predictions.csv.gz", [row])
        ...     read_affect_predictions(path) == [row]
        True
    """
    path, table = Path(path), list(rows)
    if not table:
        raise PredictionsError(f"{path}: there are no predictions to write")
    dimensions = affect_dimensions(table, str(path))
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*COLUMNS, *dimensions, *(PREDICTED + name for name in dimensions)])
    written = set[tuple[Seed, str]]()
    for number, row in enumerate(table):
        where = f"{path}: row {number + 1} ({row.file})"
        _check_row(row, where)
        if (row.seed, row.file) in written:
            raise PredictionsError(f"{where}: seed {row.seed} predicts it a second time")
        written.add((row.seed, row.file))
        values = [side[name] for side in (row.reference, row.predicted) for name in dimensions]
        writer.writerow(
            [row.seed, row.fold, row.file, row.speaker]
            + [f"{value:.{DECIMALS}f}" for value in values]
        )
    write_whole(path, text.getvalue())
    return path


def read_affect_predictions(path: str | Path) -> list[AffectPrediction]:
    r"""Read a table of predicted affect and check every row of it.

    Args:
        path: A ``.csv`` or ``.csv.gz`` with the columns ``seed, fold, file, speaker`` and, for some
            or all of arousal, valence and dominance, the rating (``arousal``) and the prediction
            (``predicted_arousal``). Columns are found by name, so their order is free.

    Raises:
        FileNotFoundError: There is no such file.
        PredictionsError: The table is malformed; the message names the row and the remedy.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "theirs.csv"
        ...     header = "seed,fold,file,speaker,predicted_valence,valence"
        ...     write_whole(path, "\n".join([header, "0,1,a,s,0.25,0.5"]))
        ...     read_affect_predictions(path)[0].predicted["valence"]
        0.25
    """
    return read_table(Path(path), _parse)


def affect_dimensions(
    rows: Sequence[AffectPrediction], where: str = "predictions"
) -> tuple[str, ...]:
    """The dimensions of a table, in the order of ``AFFECT``; every row must have the same.

    Args:
        rows: At least one.
        where: What the table is called in an error.

    Raises:
        PredictionsError: Two rows differ.

    Example:
        >>> affect_dimensions([AffectPrediction.of(
        ...     seed=0, fold="1", file="a", speaker="s",
        ...     reference={"valence": 0.5, "arousal": 0.5},
        ...     predicted={"valence": 0.5, "arousal": 0.5})])
        ('arousal', 'valence')
    """
    dimensions = tuple(name for name in AFFECT if name in rows[0].predicted)
    for row in rows:
        if set(row.predicted) != set(dimensions):
            raise PredictionsError(
                f"{where}: {row.file} has predictions of ({', '.join(row.predicted)}), the first "
                f"row of ({', '.join(rows[0].predicted)}); one table has one set of dimensions"
            )
    return dimensions


def score_affect(rows: Iterable[AffectPrediction], *, draws: int = AFFECT_DRAWS) -> AffectScores:
    """Score predicted affect: pooled per seed, mean over seeds, per fold, with intervals.

    Concordance, correlation and error of each dimension, and the mean concordance, over the whole
    of each seed's predictions. Predictions are scored as given; where some lie outside [0, 1] the
    figures of the clamped ones stand in ``AffectScores.clamped``.

    Args:
        rows: Predictions of one system under one protocol; every seed has the same utterances.
        draws: Of the bootstrap over speakers.

    Raises:
        PredictionsError: The seeds were not tested on the same utterances, or one utterance occurs
            twice in a seed.

    Example:
        >>> rows = [
        ...     AffectPrediction.of(seed=0, fold="1", file=str(n), speaker="s",
        ...                         reference={"arousal": n / 2}, predicted={"arousal": y})
        ...     for n, y in enumerate((0.0, 0.5, 0.5))
        ... ]
        >>> str(score_affect(rows).figures["ccc_arousal"])
        '0.667 (1 speaker, no interval)'
    """
    table = list(rows)
    if not table:
        raise PredictionsError("there are no predictions to score")
    dimensions = affect_dimensions(table)
    for row in table:
        _check_row(row, row.file)
    seeds = complete_seeds(table, reference="reference")
    one_seed = next(iter(seeds.values()))
    folds = tuple(dict.fromkeys(row.fold for row in table))
    speakers = tuple(sorted({row.speaker for row in one_seed}))

    whole = {seed: _moments(part, dimensions) for seed, part in seeds.items()}
    of_folds = {
        fold: {
            seed: _moments([row for row in part if row.fold == fold], dimensions)
            for seed, part in seeds.items()
        }
        for fold in folds
    }
    of_speakers = [_by_speaker(part, speakers, dimensions) for part in seeds.values()]

    def figure(name: str) -> Figure:
        by_seed = {seed: _value(name, moments) for seed, moments in whole.items()}
        by_fold = {
            fold: statistics.fmean(_value(name, moments) for moments in of_seeds.values())
            for fold, of_seeds in of_folds.items()
        }
        return drawn_figure(
            name,
            by_seed,
            by_fold,
            lambda weights: _drawn(name, of_speakers, weights),
            speakers=speakers,
            draws=draws,
        )

    figures = {name: figure(name) for name in _figure_names(dimensions)}
    num_outside = {
        name: sum(not 0.0 <= row.predicted[name] <= 1.0 for row in table) for name in dimensions
    }
    inside = [
        _moments([_clamped(row) for row in part], dimensions) for part in seeds.values()
    ] * any(num_outside.values())
    clamped = {
        name: statistics.fmean(_value(name, moments) for moments in inside)
        for name in figures
        if inside
    }
    return AffectScores(
        dimensions=dimensions,
        seeds=tuple(seeds),
        folds=folds,
        num_utterances=len(one_seed),
        num_speakers=len(speakers),
        figures=figures,
        num_outside={name: number for name, number in num_outside.items() if number},
        clamped={
            name: value
            for name, value in clamped.items()
            if not math.isclose(value, figures[name].mean, rel_tol=0, abs_tol=1e-12)
        },
        speakers_by_fold={
            fold: len({row.speaker for row in one_seed if row.fold == fold}) for fold in folds
        },
        utterances_by_fold={fold: sum(row.fold == fold for row in one_seed) for fold in folds},
    )


def affect_ensemble(rows: Iterable[AffectPrediction]) -> list[AffectPrediction]:
    """The mean of the predictions over the seeds, as one more system named ``ensemble-N``.

    Args:
        rows: Predictions of N seeds, at least two, each of the same utterances.

    Raises:
        PredictionsError: Only one seed, or the seeds were not tested on the same utterances.

    Example:
        >>> rows = [
        ...     AffectPrediction.of(seed=seed, fold="1", file="a", speaker="s",
        ...                         reference={"arousal": 0.5}, predicted={"arousal": value})
        ...     for seed, value in ((0, 0.25), (1, 0.75))
        ... ]
        >>> together, = affect_ensemble(rows)
        >>> together.seed, together.predicted["arousal"]
        ('ensemble-2', 0.5)
    """
    table = list(rows)
    if not table:
        raise PredictionsError("there are no predictions to put together")
    dimensions = affect_dimensions(table)
    seeds = complete_seeds(table, reference="reference")
    if len(seeds) < 2:
        raise PredictionsError(
            f"an ensemble needs at least two seeds, the table has only seed {next(iter(seeds))}"
        )
    by_file: dict[str, list[Mapping[str, float]]] = defaultdict(list)
    for part in seeds.values():
        for row in part:
            by_file[row.file].append(row.predicted)
    return [
        AffectPrediction.of(
            seed=f"ensemble-{len(seeds)}",
            fold=row.fold,
            file=row.file,
            speaker=row.speaker,
            reference=row.reference,
            predicted={
                name: statistics.fmean(said[name] for said in by_file[row.file])
                for name in dimensions
            },
        )
        for row in next(iter(seeds.values()))
    ]


def compare_affect(
    first: Iterable[AffectPrediction],
    second: Iterable[AffectPrediction],
    metric: str = MEAN_CCC,
    *,
    draws: int = AFFECT_DRAWS,
) -> Comparison:
    """Compare two tables of predicted affect with the same draws of speakers for both.

    Args:
        first: Predictions of one system.
        second: Predictions of another on the same utterances; another number of seeds is fine.
        metric: ``"ccc_mean"``, or one dimension's ``"ccc_arousal"``, ``"pearson_arousal"``.
        draws: Of the bootstrap over speakers.

    Raises:
        PredictionsError: The tables do not hold the same utterances with the same ratings.
        ValueError: No such metric, or one of which lower is better.

    Example:
        >>> rows = [AffectPrediction.of(seed=0, fold="1", file=str(n), speaker="s",
        ...                             reference={"arousal": n}, predicted={"arousal": n})
        ...         for n in (0.0, 1.0)]
        >>> str(compare_affect(rows, rows))
        '+0.000: 1 speaker, no interval'
    """
    tables = [list(first), list(second)]
    if not all(tables):
        raise PredictionsError("there are no predictions to compare")
    dimensions, others = (affect_dimensions(table) for table in tables)
    if dimensions != others:
        raise PredictionsError(
            f"two systems are compared over the same dimensions, not over "
            f"({', '.join(dimensions)}) and ({', '.join(others)})"
        )
    known = [n for n in _figure_names(dimensions) if not n.startswith(LOWER_IS_BETTER)]
    if metric not in known:
        near = difflib.get_close_matches(metric, known, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"systems are compared by {', '.join(known)}, not by {metric!r}{hint}")
    references = [
        {row.file: (dict(row.reference), row.speaker) for row in table} for table in tables
    ]
    if references[0] != references[1]:
        apart = sorted(
            file
            for file in references[0].keys() | references[1].keys()
            if references[0].get(file) != references[1].get(file)
        )
        raise PredictionsError(
            f"two systems are compared on the same utterances, but {len(apart)} differ in "
            f"presence, rating or speaker, such as {apart[0]}"
        )
    speakers = tuple(sorted({row.speaker for row in tables[0]}))
    seeds = [complete_seeds(table, reference="reference") for table in tables]
    of_speakers = [
        [_by_speaker(part, speakers, dimensions) for part in parts.values()] for parts in seeds
    ]
    values = [
        statistics.fmean(_value(metric, _moments(part, dimensions)) for part in parts.values())
        for parts in seeds
    ]
    return drawn_comparison(
        metric,
        values[0],
        values[1],
        lambda weights: (
            _drawn(metric, of_speakers[0], weights) - _drawn(metric, of_speakers[1], weights)
        ),
        speakers=speakers,
        num_seeds=(len(seeds[0]), len(seeds[1])),
        draws=draws,
    )


def affect_result_rows(
    rows: Iterable[AffectPrediction],
    *,
    recipe: str,
    system: str,
    corpus: str,
    protocol: str,
    parameters: int,
    train_seconds: Mapping[Seed, float],
    commit: str,
    date: str,
    split: str = "",
    extra: Mapping[str, str | int | float] | None = None,
    draws: int = AFFECT_DRAWS,
) -> list[dict[str, str | int | float]]:
    """Rows for ``results/*.csv``: one per seed, ``pooled``, and with several seeds the ensemble.

    ``pooled`` is the mean over seeds; ``ccc_low`` and ``ccc_high`` are the interval of
    ``ccc_mean``, ``ccc_sd`` its sample standard deviation over seeds. Every figure pools the folds.
    What is not defined, and what a table without that dimension lacks, is empty.

    Args:
        rows: Predictions of one system under one protocol.
        recipe: Name of the recipe.
        system: Name of the system.
        corpus: Name and edition of the corpus.
        protocol: Name of the protocol.
        parameters: Of one trained model; the ensemble's row says N times as many.
        train_seconds: Of each seed, over its folds; pooled and ensemble rows hold the sum. A seed
            that is missing is left empty.
        commit: Of the code.
        date: ISO 8601, of the run.
        split: Hash of the protocol's folds (``Protocol.split``).
        extra: Further columns, the same in every row.
        draws: Of the bootstrap over speakers.

    Example:
        >>> rows = [AffectPrediction.of(seed=0, fold="1", file=str(n), speaker="s",
        ...                             reference={"arousal": n / 2}, predicted={"arousal": y})
        ...         for n, y in enumerate((0.0, 0.5, 0.5))]
        >>> for row in affect_result_rows(rows, recipe="none", system="svr", corpus="own",
        ...                               protocol="loso", parameters=7, train_seconds={0: 1.5},
        ...                               commit="", date=""):
        ...     print(row["seed"], row["ccc_arousal"], row["ccc_mean"], repr(row["ccc_valence"]))
        0 0.6667 0.6667 ''
        pooled 0.6667 0.6667 ''
    """
    table = list(rows)
    clash = sorted(set(extra or {}) & set(AFFECT_RESULT_COLUMNS))
    if clash:
        raise ValueError(f"column {clash[0]!r} is already one of the results' own")
    whole = score_affect(table, draws=draws)
    num_seeds = len(whole.seeds)
    all_known = all(seed in train_seconds for seed in whole.seeds)
    total = sum(train_seconds[seed] for seed in whole.seeds) if all_known else None
    parts: list[tuple[Seed, AffectScores, int, float | None]] = [
        (
            seed,
            whole
            if num_seeds == 1
            else score_affect((row for row in table if row.seed == seed), draws=draws),
            parameters,
            train_seconds.get(seed),
        )
        for seed in whole.seeds
    ]
    parts.append(("pooled", whole, parameters, total))
    if num_seeds > 1:
        together = score_affect(affect_ensemble(table), draws=draws)
        parts.append((together.seeds[0], together, num_seeds * parameters, total))

    def row_of(
        name: Seed, scores: AffectScores, size: int, seconds: float | None
    ) -> dict[str, str | int | float]:
        mean = scores.figures[MEAN_CCC]
        figures: dict[str, float | None] = {
            figure: scores.figures[figure].mean if figure in scores.figures else None
            for figure in _figure_names(AFFECT)
        }
        figures |= {
            "ccc_low": mean.interval.low,
            "ccc_high": mean.interval.high,
            "ccc_sd": mean.sd,
        }
        row: dict[str, str | int | float] = {
            "recipe": recipe,
            "system": system,
            "corpus": corpus,
            "protocol": protocol,
            "seed": name,
            "num_utterances": scores.num_utterances,
            "num_speakers": scores.num_speakers,
            "parameters": size,
            "train_seconds": "" if seconds is None else round(seconds, 1),
            "commit": commit,
            "date": date,
            "split": split,
            **{column: rounded(value) for column, value in figures.items()},
        }
        return {column: row[column] for column in AFFECT_RESULT_COLUMNS} | dict(extra or {})

    return [row_of(*part) for part in parts]


def affect_results_table(paths: Iterable[str | Path]) -> str:
    """Markdown tables of result files of affect, one per corpus, protocol and split.

    One line per recipe (its ``pooled`` row) and per ensemble. Rows of the same protocol whose
    splits differ stand in different tables, because their figures are not comparable.

    Args:
        paths: Files as ``write_results`` writes them from ``affect_result_rows``.

    Raises:
        FileNotFoundError: One of them does not exist.
        ValueError: One of them has no rows, or lacks a column.

    Example:
        >>> import tempfile
        >>> from serkit.evaluation.results import write_results
        >>> rows = [AffectPrediction.of(seed=0, fold="1", file=str(n), speaker="s",
        ...                             reference={"arousal": n / 2}, predicted={"arousal": y})
        ...         for n, y in enumerate((0.0, 0.5, 0.5))]
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = write_results(Path(folder) / "svr.own.csv", affect_result_rows(
        ...         rows, recipe="svr_own", system="svr", corpus="own", protocol="loso",
        ...         parameters=7, train_seconds={}, commit="", date="2025-01-01"))
        ...     table = affect_results_table([path])
        >>> print(table.splitlines()[0])
        ### own, loso (one seed: no difference in this table is a difference)
        >>> print(table.splitlines()[-1][:62])
        | svr | svr_own | 1 | 0.667 | 1 speaker, no interval | 0.667 |
    """
    tables = sorted(grouped(paths, AFFECT_RESULT_COLUMNS).items())
    return "\n".join(_markdown(*key, lines) for key, lines in tables)


def _figure_names(dimensions: Sequence[str]) -> list[str]:
    return [MEAN_CCC, *(f"{name}_{d}" for name in STATISTICS for d in dimensions)]


def _value(name: str, moments: Mapping[str, Moments]) -> float:
    """A figure of one test set."""
    return float(_values(name, moments)[0])


def _values(name: str, moments: Mapping[str, Moments]) -> Float[np.ndarray, " D"]:
    """A figure of each of many test sets; the moments by dimension."""
    if name == MEAN_CCC:
        return np.mean([of_dimension.ccc for of_dimension in moments.values()], axis=0)
    statistic, _, dimension = name.partition("_")
    return STATISTICS[statistic](moments[dimension])


def _drawn(
    name: str, of_speakers: Sequence[Mapping[str, Moments]], weights: Int[np.ndarray, "D S"]
) -> Float[np.ndarray, " D"]:
    """A figure in each draw: pooled over its speakers, then the mean over seeds."""
    wanted = name.partition("_")[2]
    return np.mean(
        [
            _values(
                name,
                {
                    dimension: moments.weighed(weights)
                    for dimension, moments in seed.items()
                    if name == MEAN_CCC or dimension == wanted
                },
            )
            for seed in of_speakers
        ],
        axis=0,
    )


def _moments(rows: Sequence[AffectPrediction], dimensions: Sequence[str]) -> dict[str, Moments]:
    return {
        name: Moments.of(
            [row.reference[name] for row in rows], [row.predicted[name] for row in rows]
        )
        for name in dimensions
    }


def _by_speaker(
    rows: Iterable[AffectPrediction], speakers: Sequence[str], dimensions: Sequence[str]
) -> dict[str, Moments]:
    """Moments of each dimension with one part per speaker, in the order given."""
    groups: dict[str, list[AffectPrediction]] = defaultdict(list)
    # By id, so that the last digits of the sums do not depend on the order of the table.
    for row in sorted(rows, key=lambda row: row.file):
        groups[row.speaker].append(row)
    parts = [_moments(groups[speaker], dimensions) for speaker in speakers]
    return {name: Moments.stack([part[name] for part in parts]) for name in dimensions}


def _clamped(row: AffectPrediction) -> AffectPrediction:
    inside = {name: min(max(value, 0.0), 1.0) for name, value in row.predicted.items()}
    return replace(row, predicted=inside)


def _parse(lines: Any, path: Path) -> list[AffectPrediction]:
    header = next(lines, None)
    if not header:
        raise PredictionsError(f"{path}: the table is empty; its first line names the columns")
    dimensions = _check_header(header, path)
    place = {column: index for index, column in enumerate(header)}
    rows: list[AffectPrediction] = []
    seen = dict[tuple[Seed, str], int]()
    for cells in lines:
        if not cells:
            continue
        number = len(rows) + 1
        where = f"{path}: row {number} (line {lines.line_num})"
        if len(cells) != len(header):
            raise PredictionsError(f"{where} has {len(cells)} cells, the header {len(header)}")
        cell = {column: cells[index] for column, index in place.items()}
        for column in ("seed", "fold", "file"):
            if not cell[column]:
                raise PredictionsError(f"{where} has nothing under {column!r}")
        seed = int(cell["seed"]) if cell["seed"].isdecimal() else cell["seed"]
        row = AffectPrediction(
            seed=seed,
            fold=cell["fold"],
            file=cell["file"],
            speaker=cell["speaker"],
            reference={name: _number(cell[name], name, where) for name in dimensions},
            predicted={
                name: _number(cell[PREDICTED + name], PREDICTED + name, where)
                for name in dimensions
            },
        )
        _check_row(row, where)
        if (seed, row.file) in seen:
            raise PredictionsError(
                f"{where}: seed {seed} predicts {row.file} a second time, first in row "
                f"{seen[seed, row.file]}; keep one"
            )
        seen[seed, row.file] = number
        rows.append(row)
    if not rows:
        raise PredictionsError(f"{path}: the table has a header and no rows")
    return rows


def _check_header(header: Sequence[str], path: Path) -> tuple[str, ...]:
    def refuse(column: str, why: str = "") -> PredictionsError:
        near = difflib.get_close_matches(column, set(header) - {*COLUMNS, *AFFECT} - {column}, n=1)
        hint = f"; rename {near[0]!r}?" if near else ""
        return PredictionsError(
            f"{path}: no column {column!r}{why} among {', '.join(header)}{hint}"
        )

    for column in COLUMNS:
        if column not in header:
            raise refuse(column)
    twice = sorted({column for column in header if header.count(column) > 1})
    if twice:
        raise PredictionsError(f"{path}: the column {twice[0]!r} occurs twice")
    for column in header:
        name = column.removeprefix(PREDICTED)
        if column.startswith(PREDICTED) and name not in AFFECT:
            near = difflib.get_close_matches(name, AFFECT, n=1)
            hint = f"; did you mean {PREDICTED + near[0]!r}?" if near else ""
            raise PredictionsError(
                f"{path}: {column!r} is of no dimension of affect ({', '.join(AFFECT)}){hint}"
            )
    for name in AFFECT:
        # A rating without a prediction is more likely a misspelt column than an intention.
        for column, other in ((name, PREDICTED + name), (PREDICTED + name, name)):
            if other in header and column not in header:
                raise refuse(column, f" beside {other!r}")
    dimensions = tuple(name for name in AFFECT if name in header)
    if not dimensions:
        raise PredictionsError(
            f"{path}: no ratings among {', '.join(header)}; a table of affect has columns such as "
            f"'arousal' and '{PREDICTED}arousal' for some of {', '.join(AFFECT)}"
        )
    return dimensions


def _number(cell: str, column: str, where: str) -> float:
    try:
        return float(cell)
    except ValueError:
        raise PredictionsError(f"{where}: {column} is {cell!r}, not a number") from None


def _check_row(row: AffectPrediction, where: str) -> None:
    """What holds for a row of every table."""
    if isinstance(row.seed, str) and row.seed.isdecimal():
        raise PredictionsError(f"{where}: the seed {row.seed!r} is text; give the number")
    if isinstance(row.seed, int) and row.seed < 0:
        raise PredictionsError(f"{where}: the seed {row.seed} is negative")
    for name in ("seed", "fold", "file", "speaker"):
        if {"\r", "\n"} & set(str(getattr(row, name))):
            raise PredictionsError(
                f"{where}: {name} {getattr(row, name)!r} holds a line break; a row is one line"
            )
    unknown = [name for name in row.reference if name not in AFFECT]
    if unknown:
        raise PredictionsError(
            f"{where}: {unknown[0]!r} is no dimension of affect ({', '.join(AFFECT)})"
        )
    if not row.reference or set(row.reference) != set(row.predicted):
        raise PredictionsError(
            f"{where}: rated in ({', '.join(row.reference)}) but predicted in "
            f"({', '.join(row.predicted)}); a row needs both for each dimension"
        )
    for name, value in row.reference.items():
        if not 0.0 <= value <= 1.0:
            raise PredictionsError(
                f"{where}: {name} is {value}, not between 0 and 1; ratings are mapped to [0, 1] by "
                "their own scale, and predictions with them"
            )
    for name, value in row.predicted.items():
        if not math.isfinite(value):
            raise PredictionsError(f"{where}: {PREDICTED}{name} is {value}, not a finite number")


def _rounded_values(values: Mapping[str, float]) -> dict[str, float]:
    """As they will be written, in the order of ``AFFECT``; -0 becomes 0."""
    order = sorted(values, key=lambda name: AFFECT.index(name) if name in AFFECT else len(AFFECT))
    return {name: round(float(values[name]), DECIMALS) + 0.0 for name in order}


def _markdown(corpus: str, protocol: str, split: str, lines: Sequence[Line]) -> str:
    title = f"### {corpus}, {protocol}" + f", split {split}" * bool(split)
    title += from_one([num_seeds for _, num_seeds in lines])
    table = [
        (
            row["system"],
            row["recipe"],
            str(num_seeds) if row["seed"] == "pooled" else row["seed"],
            shown(row[MEAN_CCC]) + spread(row, "ccc"),
            interval_text(row, "ccc"),
            *(shown(row[f"ccc_{dimension}"]) for dimension in AFFECT),
            *(shown(row[f"rmse_{dimension}"]) for dimension in AFFECT),
            row["num_utterances"],
            row["num_speakers"],
            f"{int(row['parameters']):,}" if row["parameters"] else "",
            remarks(row, AFFECT_RESULT_COLUMNS),
        )
        for row, num_seeds in lines
    ]
    return "\n".join([title, "", *markdown(TABLE_COLUMNS, table), ""])
