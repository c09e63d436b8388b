"""Rows of results, written, read and shown as a table."""

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from serkit.evaluation.interval import DRAWS
from serkit.evaluation.predictions import Prediction, Seed, write_whole
from serkit.evaluation.scores import Scores, ensemble, score

RESULT_COLUMNS = (
    "recipe",
    "system",
    "corpus",
    "protocol",
    "seed",
    "uar",
    "war",
    "macro_f1",
    "uar_low",
    "uar_high",
    "num_utterances",
    "num_speakers",
    "parameters",
    "train_seconds",
    "commit",
    "date",
    "uar_sd",
    "uar_fold_mean",
    "uar_fold_sd",
    "absent",
)
"""Columns of ``results/*.csv``; a study may add its own behind them."""


def result_rows(
    rows: Iterable[Prediction],
    *,
    recipe: str,
    system: str,
    corpus: str,
    protocol: str,
    parameters: int,
    train_seconds: Mapping[Seed, float],
    commit: str,
    date: str,
    extra: Mapping[str, str | int | float] | None = None,
    draws: int = DRAWS,
) -> list[dict[str, str | int | float]]:
    """Rows for ``results/*.csv``: one per seed, ``pooled``, and with several seeds the ensemble.

    ``pooled`` is the mean over seeds, with the interval of that mean and, in ``uar_sd``, the sample
    standard deviation over seeds. Every figure pools the folds; ``uar_fold_mean`` and
    ``uar_fold_sd`` are over folds. What is not defined is empty.

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
        extra: Further columns, the same in every row (such as ``{"refit": "yes"}``).
        draws: Of the bootstrap over speakers.

    Example:
        >>> rows = [Prediction.of(seed=0, fold="one", file="a", speaker="s", emotion="anger",
        ...                       emotions=("anger", "sadness"), probabilities=[0.9, 0.1])]
        >>> for row in result_rows(rows, recipe="none", system="crnn", corpus="own",
        ...                        protocol="loso", parameters=7, train_seconds={0: 1.5},
        ...                        commit="", date=""):
        ...     print(row["seed"], row["uar"], row["num_utterances"], row["absent"])
        0 1.0 1 sadness
        pooled 1.0 1 sadness
    """
    table = list(rows)
    whole = score(table, draws=draws)
    clash = sorted(set(extra or {}) & set(RESULT_COLUMNS))
    if clash:
        raise ValueError(f"column {clash[0]!r} is already one of the results' own")
    num_seeds = len(whole.seeds)
    all_known = all(seed in train_seconds for seed in whole.seeds)
    total = sum(train_seconds[seed] for seed in whole.seeds) if all_known else None
    parts: list[tuple[Seed, Scores, int, float | None]] = [
        (
            seed,
            whole if num_seeds == 1 else score((r for r in table if r.seed == seed), draws=draws),
            parameters,
            train_seconds.get(seed),
        )
        for seed in whole.seeds
    ]
    parts.append(("pooled", whole, parameters, total))
    if num_seeds > 1:
        together = score(ensemble(table), draws=draws)
        parts.append((together.seeds[0], together, num_seeds * parameters, total))

    def row_of(
        name: Seed, scores: Scores, size: int, seconds: float | None
    ) -> dict[str, str | int | float]:
        uar = scores.figures["uar"]
        figures = {
            "uar": uar.mean,
            "war": scores.figures["war"].mean,
            "macro_f1": scores.figures["macro_f1"].mean,
            "uar_low": uar.interval.low,
            "uar_high": uar.interval.high,
            "uar_sd": uar.sd,
            "uar_fold_mean": uar.fold_mean,
            "uar_fold_sd": uar.fold_sd,
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
            "absent": " ".join(scores.absent),
            **{column: _rounded(value) for column, value in figures.items()},
        }
        return {column: row[column] for column in RESULT_COLUMNS} | dict(extra or {})

    return [row_of(*part) for part in parts]


def write_results(path: str | Path, rows: Sequence[Mapping[str, str | int | float]]) -> Path:
    """Write rows of results as CSV; the file appears whole or not at all.

    Args:
        path: Such as ``results/crnn.emodb-loso.csv``; its folder is made.
        rows: As ``result_rows`` makes them, all with the same columns.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = write_results(Path(folder) / "results.csv", [{"recipe": "a", "uar": 0.5}])
        ...     read_results(path)
        [{'recipe': 'a', 'uar': '0.5'}]
    """
    path = Path(path)
    if not rows:
        raise ValueError(f"{path}: there are no results to write")
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_whole(path, text.getvalue())
    return path


def read_results(path: str | Path) -> list[dict[str, str]]:
    """Read rows of results as they stand in the file, all cells as text.

    Args:
        path: Such as ``results/crnn.emodb-loso.csv``.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file has no header or no rows.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: there are no such results")
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file, restval=""))
    if not rows:
        raise ValueError(f"{path}: the file holds no rows of results")
    return rows


def _rounded(value: float | None) -> str | float:
    return "" if value is None or math.isnan(value) else round(value, 4)
