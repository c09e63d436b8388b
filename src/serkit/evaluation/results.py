"""Rows of results, written, read and shown as a table."""

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from serkit.evaluation.classification import DAGGER, marked
from serkit.evaluation.interval import DRAWS, Comparison
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
    "weighted_f1",
    "split",
    "macro_precision",
)
"""Columns of ``results/*.csv``; a study may add its own. Older files lack the last three."""

WEIGHTED = "weighted F1"
PRECISION = "macro precision"
TABLE_COLUMNS = (
    "system",
    "recipe",
    "seeds",
    "UAR",
    "95 % over speakers",
    "WAR",
    "macro F1",
    WEIGHTED,
    PRECISION,
    "utterances",
    "speakers",
    "parameters",
    "remarks",
)

Line = tuple[Mapping[str, str], int]
"""A row that is shown, and the number of seeds behind it."""


def difference_columns(
    found: Comparison | None = None, *, against: str = ""
) -> dict[str, str | int | float]:
    """Columns that say how far a row lies from another one; empty where it is compared with none.

    Args:
        found: The row less the other one.
        against: Name of the other one.

    Example:
        >>> found = Comparison(metric="uar", first=0.75, second=0.5, low=0.125, high=0.375,
        ...                    num_speakers=10, num_seeds=(1, 1))
        >>> difference_columns(found, against="mel")["difference_low"]
        0.125
        >>> difference_columns()["verdict"]
        ''
    """
    if found is None:
        return dict.fromkeys(
            ("against", "difference", "difference_low", "difference_high", "verdict"), ""
        )
    return {
        "against": against,
        "difference": round(found.difference, 4),
        "difference_low": "" if found.low is None else round(found.low, 4),
        "difference_high": "" if found.high is None else round(found.high, 4),
        "verdict": found.verdict,
    }


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
    split: str = "",
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
        split: Hash of the folds (``Protocol.split``): rows with different ones do not compare.
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
            "weighted_f1": scores.figures["weighted_f1"].mean,
            "macro_precision": scores.figures["macro_precision"].mean,
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
            "split": split,
            **{column: rounded(value) for column, value in figures.items()},
        }
        return {column: row[column] for column in RESULT_COLUMNS} | dict(extra or {})

    return [row_of(*part) for part in parts]


def write_results(path: str | Path, rows: Sequence[Mapping[str, str | int | float]]) -> Path:
    """Write rows of results as CSV; the file appears whole or not at all.

    Args:
        path: Such as ``results/crnn.emodb-loso.csv``; its folder is made.
        rows: As ``result_rows`` makes them. A column that only some have is empty in the others.

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
    columns = dict.fromkeys(column for row in rows for column in row)
    writer = csv.DictWriter(text, list(columns), restval="", lineterminator="\n")
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


def results_table(paths: Iterable[str | Path]) -> str:
    """Markdown tables of result files, one per corpus and protocol, for the README and the docs.

    Rows of one protocol whose ``split`` differs were not tested on the same folds: they stand in
    tables of their own, each of which says so. Rows that hold no split (older files) stand with the
    others where there is only one split, else apart.

    One line per recipe (its ``pooled`` row) and per ensemble. A heading says when a table holds
    figures from one seed, a dagger that an emotion was absent, and the columns that a study added
    stand under remarks.

    Args:
        paths: Files as ``write_results`` writes them: the rows of the seeds, then ``pooled``.

    Raises:
        FileNotFoundError: One of them does not exist.
        ValueError: One of them has no rows, or lacks a column.

    Example:
        >>> import tempfile
        >>> rows = [Prediction.of(seed=0, fold="one", file="a", speaker="s", emotion="anger",
        ...                       emotions=("anger",), probabilities=[1.0])]
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = write_results(Path(folder) / "crnn.own.csv", result_rows(
        ...         rows, recipe="own", system="crnn", corpus="own", protocol="loso",
        ...         parameters=7, train_seconds={0: 60.0}, commit="", date="2025-01-01"))
        ...     table = results_table([path])
        >>> print(table.splitlines()[0])
        ### own, loso (one seed: no difference in this table is a difference)
        >>> print(table.splitlines()[-1][:62])
        | crnn | own | 1 | 1.000 | 1 speaker, no interval | 1.000 | 1.
    """
    tables: dict[tuple[str, str], dict[str, list[Line]]] = {}
    for (corpus, protocol, split), lines in grouped(paths, RESULT_COLUMNS[:16]).items():
        tables.setdefault((corpus, protocol), {})[split] = lines
    return "\n".join(
        _markdown(corpus, protocol, lines, note)
        for (corpus, protocol), by_split in sorted(tables.items())
        for lines, note in _apart(by_split)
    )


def _apart(by_split: Mapping[str, list[Line]]) -> list[tuple[list[Line], str]]:
    """The rows of each table of one protocol, and what it says about their split."""
    known = sorted(split for split in by_split if split)
    if len(known) > 1:
        return [
            (
                rows,
                f"Split {f'`{split}`' if split else 'not recorded'}: the splits of these "
                f"{len(by_split)} tables differ, so their figures may not be compared.",
            )
            for split, rows in sorted(by_split.items())
        ]
    unknown = len(by_split.get("", ())) if known else 0
    note = f"Split `{known[0]}`, but not recorded in {unknown} of the rows." if unknown else ""
    return [([line for lines in by_split.values() for line in lines], note)]


def _markdown(corpus: str, protocol: str, lines: Sequence[Line], note: str) -> str:
    absent = sorted({name for row, _ in lines for name in row.get("absent", "").split()})
    # only results from before there was a weighted F1 have none in any row
    weighted = any(row.get("weighted_f1") for row, _ in lines)
    precise = all(row.get("macro_precision") for row, _ in lines)
    has = {WEIGHTED: weighted, PRECISION: precise}
    columns = [column for column in TABLE_COLUMNS if has.get(column, True)]
    table: list[list[str]] = []
    for row, num_seeds in lines:
        cells = {
            "system": row["system"],
            "recipe": row["recipe"],
            "seeds": str(num_seeds) if row["seed"] == "pooled" else row["seed"],
            "UAR": shown(row["uar"], row.get("absent", "")) + spread(row, "uar"),
            "95 % over speakers": interval_text(row, "uar"),
            "WAR": shown(row["war"]),
            "macro F1": shown(row["macro_f1"]),
            WEIGHTED: shown(row.get("weighted_f1", "")),
            PRECISION: shown(row.get("macro_precision", "")),
            "utterances": row["num_utterances"],
            "speakers": row["num_speakers"],
            "parameters": f"{int(row['parameters']):,}" if row["parameters"] else "",
            "remarks": remarks(row, RESULT_COLUMNS),
        }
        table.append([cells[column] for column in columns])
    title = f"### {corpus}, {protocol}" + from_one([num_seeds for _, num_seeds in lines])
    below = ["", note] if note else []
    if absent:
        below += ["", f"{DAGGER} averaged without {', '.join(absent)}: no test utterance has it."]
    return "\n".join([title, "", *markdown(columns, table), *below, ""])


# ------------------------------------------------- of tables of emotions, affect and verification


def grouped(
    paths: Iterable[str | Path], columns: Sequence[str]
) -> dict[tuple[str, str, str], list[Line]]:
    """The rows that tables show, those not of a single seed, by corpus, protocol and split.

    Args:
        paths: Files as ``write_results`` writes them: the rows of the seeds, then ``pooled``.
        columns: Those that every row must have.

    Raises:
        FileNotFoundError: One of the files does not exist.
        ValueError: One of them has no rows, or lacks a column.

    Example:
        >>> import tempfile
        >>> row = {"corpus": "own", "protocol": "loso", "split": "1f"}
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = write_results(
        ...         Path(folder) / "a.csv", [{**row, "seed": seed} for seed in (0, 1, "pooled")])
        ...     tables = grouped([path], ["corpus", "seed"])
        >>> [(key, row["seed"], num) for key, [(row, num)] in tables.items()]
        [(('own', 'loso', '1f'), 'pooled', 2)]
    """
    tables: dict[tuple[str, str, str], list[Line]] = {}
    for path in paths:
        num_seeds, counting = 0, False
        for number, row in enumerate(read_results(path)):
            missing = [column for column in columns if column not in row]
            if missing:
                raise ValueError(f"{path}: row {number + 1} has no column {missing[0]!r}")
            if row["seed"].isdecimal():
                num_seeds, counting = (num_seeds + 1 if counting else 1), True
            else:
                counting = False
                key = (row["corpus"], row["protocol"], row.get("split", ""))
                tables.setdefault(key, []).append((row, num_seeds))
    return tables


def from_one(num_seeds: Sequence[int]) -> str:
    """What the heading of a table says when figures in it are from one seed.

    Args:
        num_seeds: Of each row of the table.

    Example:
        >>> from_one([1, 1])
        ' (one seed: no difference in this table is a difference)'
        >>> from_one([1, 3]), from_one([3, 3])
        (' (rows with one seed: no difference to them is a difference)', '')
    """
    if all(num < 2 for num in num_seeds):
        return " (one seed: no difference in this table is a difference)"
    if any(num < 2 for num in num_seeds):
        return " (rows with one seed: no difference to them is a difference)"
    return ""


def shown(figure: str, absent: str = "") -> str:
    """A figure of a row of results, with a dagger when an emotion was absent.

    Example:
        >>> shown("0.8125"), shown("0.8125", "disgust"), shown("")
        ('0.812', '0.812†', 'n/a')
    """
    return marked(float(figure) if figure else math.nan, absent.split())


def spread(row: Mapping[str, str], figure: str) -> str:
    """The deviation over seeds, to stand behind a figure; nothing where there is none.

    Example:
        >>> spread({"uar_sd": "0.0123"}, "uar"), spread({"uar_sd": ""}, "uar")
        (' ± 0.012', '')
    """
    deviation = row.get(f"{figure}_sd")
    return f" ± {float(deviation):.3f}" if deviation else ""


def interval_text(row: Mapping[str, str], figure: str) -> str:
    """The interval of a figure, or how few speakers there were.

    Example:
        >>> interval_text({"uar_low": "0.5", "uar_high": "0.625", "num_speakers": "9"}, "uar")
        '[0.500, 0.625]'
        >>> interval_text({"uar_low": "", "uar_high": "", "num_speakers": "1"}, "uar")
        '1 speaker, no interval'
    """
    low, high = row[f"{figure}_low"], row[f"{figure}_high"]
    if low:
        return f"[{float(low):.3f}, {float(high):.3f}]"
    num_speakers = int(row["num_speakers"])
    return f"{num_speakers} speaker{'s' * (num_speakers != 1)}, no interval"


PLAIN = {"train_quality": "hq", "test_quality": "hq"}
"""Columns that rows of other conditions have, and what is not worth a remark in them."""
UNREMARKED = "hardware"
"""For whoever compares times; it decides no more than a last digit."""


def remarks(row: Mapping[str, str], columns: Iterable[str]) -> str:
    """What a row says beside the columns of every row.

    Example:
        >>> remarks({"uar": "0.5", "refit": "yes", "note": "", "test_quality": "hq"}, ["uar"])
        'refit: yes'
    """
    own = set(columns)
    return "; ".join(
        f"{name}: {cell}"
        for name, cell in row.items()
        if name not in own and name != UNREMARKED and cell not in ("", PLAIN.get(name))
    )


def markdown(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """The lines of a table.

    Example:
        >>> markdown(["a", "b"], [["1", "2"]])
        ['| a | b |', '|---|---|', '| 1 | 2 |']
    """
    lines = [
        "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
        for cells in (columns, *rows)
    ]
    return [lines[0], "|" + "---|" * len(columns), *lines[1:]]


def rounded(value: float | None) -> str | float:
    """A figure as a row of results holds it: to four digits, empty where it is not defined.

    Example:
        >>> rounded(0.123456), rounded(math.nan), rounded(None)
        (0.1235, '', '')
    """
    return "" if value is None or math.isnan(value) else round(value, 4)
