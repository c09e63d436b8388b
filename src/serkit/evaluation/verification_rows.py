"""Rows of results of verification, and the tables made of them."""

# Shapes: N trials.

import math
import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from serkit.evaluation.interval import DRAWS
from serkit.evaluation.predictions import PredictionsError, Seed
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
from serkit.evaluation.scores import whole_seeds
from serkit.evaluation.verification import ScoredTrial, VerificationScores, eer, score_trials

Row = dict[str, str | int | float]
TrialKind = Literal["enrolled", "pairwise"]
"""An utterance against an emotion, or against another utterance."""

VERIFICATION_COLUMNS = (
    "recipe",
    "system",
    "corpus",
    "protocol",
    "trials",
    "seed",
    "eer",
    "eer_low",
    "eer_high",
    "min_dcf_0.05",
    "min_dcf_0.05_low",
    "min_dcf_0.05_high",
    "min_dcf_0.5",
    "unweighted_eer",
    "eer_same_speaker",
    "eer_different_speaker",
    "num_trials",
    "num_targets",
    "num_speakers",
    "parameters",
    "train_seconds",
    "commit",
    "date",
    "eer_sd",
    "eer_fold_mean",
    "eer_fold_sd",
    "split",
)
"""Columns of rows of verification; rows of enrolled trials add ``eer_EMOTION`` for each emotion."""

TABLE_COLUMNS = (
    "system",
    "recipe",
    "trials",
    "seeds",
    "EER",
    "95 % over speakers",
    "min DCF 0.05",
    "min DCF 0.5",
    "EER, same speaker",
    "EER, different speakers",
    "number",
    "speakers",
    "remarks",
)


def verification_rows(
    rows: Iterable[ScoredTrial],
    *,
    trials: TrialKind,
    recipe: str,
    system: str,
    corpus: str,
    protocol: str,
    parameters: int,
    train_seconds: Mapping[Seed, float],
    commit: str,
    date: str,
    split: str = "",
    speakers: Mapping[str, str] | None = None,
    extra: Mapping[str, str | int | float] | None = None,
    draws: int = DRAWS,
) -> list[Row]:
    """Rows for ``results/*.csv``: one per complete seed, and ``pooled``.

    ``pooled`` is the mean over seeds, with the interval of that mean and, in ``eer_sd``, the sample
    standard deviation over seeds. Every figure pools the folds under one threshold. Intervals draw
    the probes' speakers. Seeds that did not finish are left out; what is not defined is empty.

    Args:
        rows: Scored trials of one system under one protocol.
        trials: Against enrolled emotions, or of pairs of utterances.
        recipe: Name of the recipe.
        system: Name of the system.
        corpus: Name and edition of the corpus.
        protocol: Name of the protocol.
        parameters: Of one trained model.
        train_seconds: Of each seed, over its folds; the pooled row holds the sum. A seed that is
            missing is left empty.
        commit: Of the code.
        date: ISO 8601, of the run.
        split: Hash of the folds (``Protocol.split``).
        speakers: Speaker of each utterance by id, for ``eer_same_speaker`` and
            ``eer_different_speaker`` of pairs (see ``eer_by_pair``); None leaves them empty, since
            a table of trials names the speaker of the probe only.
        extra: Further columns, the same in every row (such as ``{"accepted": "yes"}``).
        draws: Of the bootstrap over speakers.

    Raises:
        PredictionsError: As ``score_trials``, or ``speakers`` lacks an utterance.
        ValueError: A seed without targets or without non-targets, or a column of our own in
            ``extra``.

    Example:
        >>> trials = [
        ...     ScoredTrial.of(seed=0, fold="one", enrolment=emotion, probe=str(n), speaker="s",
        ...                    is_target=emotion == "anger", score=score)
        ...     for n, emotion, score in ((1, "anger", 0.9), (2, "fear", 0.3), (3, "anger", 0.2))
        ... ]
        >>> for row in verification_rows(trials, trials="enrolled", recipe="none", system="crnn",
        ...                              corpus="own", protocol="loso", parameters=7,
        ...                              train_seconds={0: 1.5}, commit="", date=""):
        ...     print(row["seed"], row["eer"], row["num_targets"], repr(row["eer_same_speaker"]))
        0 0.5 2 ''
        pooled 0.5 2 ''
    """
    table, _ = whole_seeds(rows)
    clash = sorted(set(extra or {}) & set(VERIFICATION_COLUMNS))
    if clash:
        raise ValueError(f"column {clash[0]!r} is already one of the results' own")
    whole = score_trials(table, draws=draws)
    by_seed = {seed: [row for row in table if row.seed == seed] for seed in whole.seeds}
    of_pairs = {
        seed: (
            eer_by_pair(part, speakers)
            if trials == "pairwise" and speakers is not None
            else (math.nan, math.nan)
        )
        for seed, part in by_seed.items()
    }
    all_known = all(seed in train_seconds for seed in whole.seeds)
    total = sum(train_seconds[seed] for seed in whole.seeds) if all_known else None
    parts: list[tuple[Seed, VerificationScores, tuple[float, ...], float | None]] = [
        (
            seed,
            whole if len(by_seed) == 1 else score_trials(part, draws=draws),
            of_pairs[seed],
            train_seconds.get(seed),
        )
        for seed, part in by_seed.items()
    ]
    mean_of_pairs = tuple(map(statistics.fmean, zip(*of_pairs.values(), strict=True)))
    parts.append(("pooled", whole, mean_of_pairs, total))

    def row_of(
        name: Seed, scores: VerificationScores, of_pairs: tuple[float, ...], seconds: float | None
    ) -> Row:
        rate, cost = scores.figures["eer"], scores.figures["min_dcf_0.05"]
        figures: dict[str, float | None] = {
            **{metric: figure.mean for metric, figure in scores.figures.items()},
            "eer_low": rate.interval.low,
            "eer_high": rate.interval.high,
            "eer_sd": rate.sd,
            "eer_fold_mean": rate.fold_mean,
            "eer_fold_sd": rate.fold_sd,
            "min_dcf_0.05_low": cost.interval.low,
            "min_dcf_0.05_high": cost.interval.high,
            "eer_same_speaker": of_pairs[0],
            "eer_different_speaker": of_pairs[1],
        }
        by_emotion = (
            {f"eer_{emotion}": value for emotion, value in scores.by_enrolment.items()}
            if trials == "enrolled"
            else {}
        )
        row: Row = {
            "recipe": recipe,
            "system": system,
            "corpus": corpus,
            "protocol": protocol,
            "trials": trials,
            "seed": name,
            "num_trials": scores.num_trials,
            "num_targets": scores.num_targets,
            "num_speakers": scores.num_speakers,
            "parameters": parameters,
            "train_seconds": "" if seconds is None else round(seconds, 1),
            "commit": commit,
            "date": date,
            "split": split,
            **{column: rounded(value) for column, value in figures.items()},
        }
        return (
            {column: row[column] for column in VERIFICATION_COLUMNS}
            | {column: rounded(value) for column, value in by_emotion.items()}
            | dict(extra or {})
        )

    return [row_of(*part) for part in parts]


def eer_by_pair(rows: Sequence[ScoredTrial], speakers: Mapping[str, str]) -> tuple[float, float]:
    """Equal error rates of the pairs of one speaker, and of the pairs of two.

    Each part is balanced in itself, as ``corpus.pairwise_trials`` does it: within a fold, every
    emotion has the same share of the weight of targets and every pair of emotions the same share of
    that of non-targets. Which utterances share an emotion is read off the targets.

    Args:
        rows: Pairwise trials of one seed.
        speakers: Speaker of each utterance, by id; of those in the trials none may be missing.

    Returns:
        Same speaker, different speakers; NaN where a part lacks targets or non-targets.

    Raises:
        PredictionsError: An utterance whose speaker is not known.

    Example:
        >>> pairs = [("a1", "a2", True, 0.9), ("a1", "f1", False, 0.8), ("a2", "f1", False, 0.1)]
        >>> trials = [ScoredTrial.of(seed=0, fold="one", enrolment=first, probe=second,
        ...                          speaker="s", is_target=target, score=score)
        ...           for first, second, target, score in pairs]
        >>> eer_by_pair(trials, dict.fromkeys(("a1", "a2", "f1"), "s"))
        (0.0, nan)
    """
    for row in rows:
        for id in (row.enrolment, row.probe):
            if not speakers.get(id):
                raise PredictionsError(
                    f"pairs are split by speaker, but the speaker of {id} is unknown"
                )
    emotion = _alike(rows)
    parts: tuple[list[ScoredTrial], list[ScoredTrial]] = ([], [])
    for row in rows:
        parts[speakers[row.enrolment] != speakers[row.probe]].append(row)
    first, second = (_balanced_eer(part, emotion) for part in parts)
    return first, second


def verification_results_table(paths: Iterable[str | Path]) -> str:
    """Markdown tables of result files of verification, one per corpus, protocol and split.

    One line per recipe and kind of trials: its ``pooled`` row.

    Args:
        paths: Files as ``write_results`` writes them from ``verification_rows``.

    Raises:
        FileNotFoundError: One of them does not exist.
        ValueError: One of them has no rows, or lacks a column.

    Example:
        >>> import tempfile
        >>> from serkit.evaluation.results import write_results
        >>> trials = [ScoredTrial.of(seed=0, fold="one", enrolment="anger", probe=str(n),
        ...                          speaker="s", is_target=n > 1, score=n / 4) for n in range(4)]
        >>> rows = verification_rows(
        ...     trials, trials="enrolled", recipe="own", system="crnn", corpus="own",
        ...     protocol="loso", parameters=7, train_seconds={}, commit="", date="")
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     table = verification_results_table([write_results(Path(folder) / "a.csv", rows)])
        >>> print(table.splitlines()[0])
        ### own, loso: verification (one seed: no difference in this table is a difference)
        >>> print(table.splitlines()[-1][:64])
        | crnn | own | enrolled | 1 | 0.000 | 1 speaker, no interval | 0
    """
    tables = sorted(grouped(paths, VERIFICATION_COLUMNS).items())
    return "\n".join(_markdown(*key, lines) for key, lines in tables)


def _alike(rows: Iterable[ScoredTrial]) -> dict[str, str]:
    """Each utterance to one that stands for all of its emotion: targets join them."""
    parent: dict[str, str] = {}

    def first(id: str) -> str:
        while parent.setdefault(id, id) != id:
            parent[id] = id = parent[parent[id]]
        return id

    for row in rows:
        one, other = first(row.enrolment), first(row.probe)
        if row.is_target:
            parent[other] = one
    return {id: first(id) for id in parent}


def _balanced_eer(rows: Sequence[ScoredTrial], emotion: Mapping[str, str]) -> float:
    groups = [
        (row.fold, row.is_target, frozenset((emotion[row.enrolment], emotion[row.probe])))
        for row in rows
    ]
    sizes = Counter(groups)
    num_groups = Counter((fold, is_target) for fold, is_target, _ in sizes)
    weights = [1 / (num_groups[group[:2]] * sizes[group]) for group in groups]
    targets = np.array([row.is_target for row in rows], dtype=np.bool_)
    if targets.all() or not targets.any():
        return math.nan
    return eer([row.score for row in rows], targets, weights=weights).value


def _markdown(corpus: str, protocol: str, split: str, lines: Sequence[Line]) -> str:
    title = f"### {corpus}, {protocol}" + f", split {split}" * bool(split) + ": verification"
    title += from_one([num_seeds for _, num_seeds in lines])
    table = [
        (
            row["system"],
            row["recipe"],
            row["trials"],
            str(num_seeds),
            _shown(row["eer"]) + spread(row, "eer"),
            interval_text(row, "eer"),
            _shown(row["min_dcf_0.05"]),
            _shown(row["min_dcf_0.5"]),
            _shown(row["eer_same_speaker"]),
            _shown(row["eer_different_speaker"]),
            f"{int(row['num_trials']):,}",
            row["num_speakers"],
            remarks(
                row, [*VERIFICATION_COLUMNS, *(name for name in row if name.startswith("eer_"))]
            ),
        )
        for row, num_seeds in lines
    ]
    return "\n".join([title, "", *markdown(TABLE_COLUMNS, table), ""])


def _shown(figure: str) -> str:
    return shown(figure) if figure else "-"
