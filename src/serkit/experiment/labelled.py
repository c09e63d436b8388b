"""Several tables as one, with columns in front that say which is which."""

import csv
import io
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from serkit.evaluation import read_scored_trials, write_scored_trials
from serkit.evaluation.predictions import read_text, write_whole

Labels = tuple[str, ...]


@runtime_checkable
class Table(Protocol):
    """A kind of table: a ``Task``'s predictions, or trials."""

    def read(self, path: Path) -> list[Any]:
        """Its rows."""
        ...

    def write(self, path: Path, rows: Iterable[Any]) -> Path:
        """Write rows."""
        ...


class Trials:
    """Tables of scored trials.

    Example:
        >>> Trials().read(Path("gone.csv.gz"))
        Traceback (most recent call last):
        ...
        FileNotFoundError: gone.csv.gz: there is no such table of trials
    """

    def read(self, path: Path) -> list[Any]:
        """See ``evaluation.read_scored_trials``."""
        return list(read_scored_trials(path))

    def write(self, path: Path, rows: Iterable[Any]) -> Path:
        """See ``evaluation.write_scored_trials``."""
        return write_scored_trials(path, rows)


def write_labelled(
    path: Path, kind: Table, tables: Mapping[Labels, Sequence[Any]], columns: Sequence[str]
) -> Path:
    """Several tables as one, with columns in front that say which is which.

    Args:
        path: Ends in ``.csv`` or ``.csv.gz``.
        kind: What the tables hold.
        tables: Labels, one per column, to rows.
        columns: Names of the columns in front.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    with tempfile.TemporaryDirectory() as folder:
        for number, (labels, rows) in enumerate(tables.items()):
            part = kind.write(Path(folder) / "part.csv", rows)
            with part.open(encoding="utf-8", newline="") as file:
                header, *lines = csv.reader(file)
            if number == 0:
                writer.writerow([*columns, *header])
            writer.writerows([*labels, *line] for line in lines)
    write_whole(path, text.getvalue())
    return path


def read_labelled(path: Path, kind: Table, columns: Sequence[str]) -> dict[Labels, list[Any]]:
    """Read what ``write_labelled`` wrote; nothing where there is no such file."""
    if not path.is_file():
        return {}
    header, *lines = csv.reader(io.StringIO(read_text(path), newline=""))
    parts: dict[Labels, list[list[str]]] = {}
    for line in lines:
        parts.setdefault(tuple(line[: len(columns)]), []).append(line[len(columns) :])
    tables: dict[Labels, list[Any]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for labels, rows in parts.items():
            part = Path(folder) / "part.csv"
            with part.open("w", encoding="utf-8", newline="") as file:
                writer = csv.writer(file, lineterminator="\n")
                writer.writerows([header[len(columns) :], *rows])
            tables[labels] = kind.read(part)
    return tables
