"""Predictions as a table, and every figure recomputed from it.

One row per utterance of a test side and per seed, with all probabilities. The scheme of a table is
the emotions of its probability columns, in their order. Nothing else is needed to score a run, so a
published table can be checked by anybody, and a rival's table can be scored by the same code.
"""

import csv
import difflib
import gzip
import io
import math
import os
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from jaxtyping import Float

from serkit.evaluation.classification import top

DECIMALS = 6
"""Of the probabilities in a table, and in a ``Prediction`` made by ``Prediction.of``."""
COLUMNS = ("seed", "fold", "file", "speaker", "emotion", "predicted")
PROBABILITY = "probability_"
"""What the name of a probability's column begins with; the emotion follows."""
SUM_TOLERANCE = 1e-3
"""How far the probabilities of a row may be from adding up to 1."""

Row = TypeVar("Row")

Seed = int | str
"""The seed of a run, or ``"ensemble-3"`` for the mean of the probabilities of three."""


class PredictionsError(ValueError):
    """A table of predictions that cannot be read, scored or written as it is."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Prediction:
    """What one system said about one test utterance.

    Example:
        >>> row = Prediction.of(
        ...     seed=0, fold="03", file="emodb/03a01Fa", speaker="emodb/03", emotion="happiness",
        ...     emotions=("anger", "happiness"), probabilities=[0.5, 0.5],
        ... )
        >>> row.predicted
        'anger'
        >>> dict(row.probabilities)
        {'anger': 0.5, 'happiness': 0.5}
    """

    seed: Seed
    fold: str
    file: str
    """Utterance id (or a file's path when it holds one utterance): once per seed."""
    speaker: str
    """Global speaker id; empty when unknown, and then there is no interval."""
    emotion: str
    """The reference."""
    predicted: str
    """The most probable emotion; of equals the first."""
    probabilities: Mapping[str, float]
    """Emotion to probability, in the order of the scheme."""

    @staticmethod
    def of(
        *,
        seed: Seed,
        fold: str,
        file: str,
        speaker: str | None,
        emotion: str,
        emotions: Sequence[str],
        probabilities: Sequence[float] | Float[np.ndarray, " C"],
    ) -> "Prediction":
        """Make a row as it will stand in the table: rounded first, then the most probable emotion.

        Rounding before choosing is what keeps ``predicted`` the arg max of what is written, also
        where two probabilities become equal by rounding (then the lower index wins).

        Args:
            seed: Of the run.
            fold: Name of the fold whose test side the utterance is on.
            file: Utterance id.
            speaker: Global speaker id, or None when unknown.
            emotion: The reference.
            emotions: The scheme, in the order of the probabilities.
            probabilities: As the system gave them.
        """
        if len(probabilities) != len(emotions):
            raise PredictionsError(
                f"{file}: {len(probabilities)} probabilities for {len(emotions)} emotions"
            )
        rounded = [round(float(probability), DECIMALS) for probability in probabilities]
        if not all(math.isfinite(probability) for probability in rounded):
            raise PredictionsError(f"{file}: the probabilities {rounded} are not finite")
        return Prediction(
            seed=seed,
            fold=fold,
            file=file,
            speaker=speaker or "",
            emotion=emotion,
            predicted=top(rounded, emotions),
            probabilities=dict(zip(emotions, rounded, strict=True)),
        )


def write_predictions(path: str | Path, rows: Iterable[Prediction]) -> Path:
    """Write a table of predictions: ``.csv``, or ``.csv.gz`` with the same bytes for the same rows.

    The file appears whole or not at all.

    Args:
        path: Ends in ``.csv`` or ``.csv.gz``; its folder is made.
        rows: At least one, all with the same emotions in the same order.

    Raises:
        PredictionsError: No rows, differing schemes, an utterance twice in one seed, a name with a
            line break, or a ``predicted`` that is not the arg max of the probabilities as written.

    Example:
        >>> import tempfile
        >>> row = Prediction.of(seed=0, fold="one", file="a", speaker="s", emotion="anger",
        ...                     emotions=("anger", "sadness"), probabilities=[0.75, 0.25])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = write_predictions(Path(folder) / "predictions.csv.gz", [row])
        ...     read_predictions(path) == [row]
        True
    """
    path, table = Path(path), list(rows)
    if not table:
        raise PredictionsError(f"{path}: there are no predictions to write")
    emotions = scheme(table, str(path))
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*COLUMNS, *(PROBABILITY + emotion for emotion in emotions)])
    written = set[tuple[Seed, str]]()
    for number, row in enumerate(table):
        where = f"{path}: row {number + 1} ({row.file})"
        cells = [f"{row.probabilities[emotion]:.{DECIMALS}f}" for emotion in emotions]
        _check_row(row, [float(cell) for cell in cells], emotions, where)
        if (row.seed, row.file) in written:
            raise PredictionsError(f"{where}: seed {row.seed} predicts it a second time")
        written.add((row.seed, row.file))
        writer.writerow(
            [row.seed, row.fold, row.file, row.speaker, row.emotion, row.predicted, *cells]
        )
    write_whole(path, text.getvalue())
    return path


def read_predictions(path: str | Path) -> list[Prediction]:
    r"""Read a table of predictions and check every row of it.

    Args:
        path: A ``.csv`` or ``.csv.gz`` with the columns ``seed, fold, file, speaker, emotion,
            predicted`` and one ``probability_<emotion>`` per emotion of the scheme.

    Raises:
        FileNotFoundError: There is no such file.
        PredictionsError: The table is malformed; the message names the row and the remedy.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "theirs.csv"
        ...     header = "seed,fold,file,speaker,emotion,predicted,probability_anger"
        ...     write_whole(path, "\n".join([header, "0,one,a,s,anger,anger,1"]))
        ...     read_predictions(path)[0].predicted
        'anger'
    """
    return read_table(Path(path), _parse)


def scheme(rows: Sequence[Prediction], where: str = "predictions") -> tuple[str, ...]:
    """The emotions of a table, in the order of its probabilities; every row must have the same.

    Args:
        rows: At least one.
        where: What the table is called in an error.

    Raises:
        PredictionsError: Two rows differ.

    Example:
        >>> scheme([Prediction.of(seed=0, fold="one", file="a", speaker="s", emotion="anger",
        ...                       emotions=("anger", "sadness"), probabilities=[0.75, 0.25])])
        ('anger', 'sadness')
    """
    emotions = tuple(rows[0].probabilities)
    for row in rows:
        if tuple(row.probabilities) != emotions:
            raise PredictionsError(
                f"{where}: {row.file} has probabilities of ({', '.join(row.probabilities)}), "
                f"the first row of ({', '.join(emotions)}); one table has one scheme in one order"
            )
    return emotions


def _parse(lines: Any, path: Path) -> list[Prediction]:
    header = next(lines, None)
    if not header:
        raise PredictionsError(f"{path}: the table is empty; its first line names the columns")
    emotions = _check_header(header, path)
    place = {column: index for index, column in enumerate(header)}
    rows: list[Prediction] = []
    seen = dict[tuple[Seed, str], int]()
    for cells in lines:
        if not cells:
            continue
        number = len(rows) + 1
        where = f"{path}: row {number} (line {lines.line_num})"
        if len(cells) != len(header):
            raise PredictionsError(f"{where} has {len(cells)} cells, the header {len(header)}")
        cell = {column: cells[index] for column, index in place.items()}
        for column in ("seed", "fold", "file", "emotion", "predicted"):
            if not cell[column]:
                raise PredictionsError(f"{where} has nothing under {column!r}")
        probabilities = [_probability(cell[PROBABILITY + e], e, where) for e in emotions]
        seed = int(cell["seed"]) if cell["seed"].isdecimal() else cell["seed"]
        row = Prediction(
            seed=seed,
            fold=cell["fold"],
            file=cell["file"],
            speaker=cell["speaker"],
            emotion=cell["emotion"],
            predicted=cell["predicted"],
            probabilities=dict(zip(emotions, probabilities, strict=True)),
        )
        _check_row(row, probabilities, emotions, where)
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
    for column in COLUMNS:
        if column not in header:
            near = difflib.get_close_matches(column, header, n=1)
            hint = f"; rename {near[0]!r}?" if near else ""
            raise PredictionsError(f"{path}: no column {column!r} among {', '.join(header)}{hint}")
    twice = sorted({column for column in header if header.count(column) > 1})
    if twice:
        raise PredictionsError(f"{path}: the column {twice[0]!r} occurs twice")
    emotions = tuple(
        column.removeprefix(PROBABILITY) for column in header if column.startswith(PROBABILITY)
    )
    if not emotions:
        raise PredictionsError(
            f"{path}: no column '{PROBABILITY}<emotion>'; the scheme of a table is the emotions of "
            "these columns, so each needs one"
        )
    return emotions


def _probability(cell: str, emotion: str, where: str) -> float:
    try:
        return float(cell)
    except ValueError:
        raise PredictionsError(
            f"{where}: {PROBABILITY}{emotion} is {cell!r}, not a number"
        ) from None


def _check_row(
    row: Prediction, probabilities: Sequence[float], emotions: tuple[str, ...], where: str
) -> None:
    """What holds for a row of every table; ``probabilities`` are those written in it."""
    if isinstance(row.seed, str) and row.seed.isdecimal():
        raise PredictionsError(f"{where}: the seed {row.seed!r} is text; give the number")
    if isinstance(row.seed, int) and row.seed < 0:
        raise PredictionsError(f"{where}: the seed {row.seed} is negative")
    for name in ("seed", "fold", "file", "speaker"):
        if {"\r", "\n"} & set(str(getattr(row, name))):
            raise PredictionsError(
                f"{where}: {name} {getattr(row, name)!r} holds a line break; a row is one line"
            )
    for name in ("emotion", "predicted"):
        emotion: str = getattr(row, name)
        if emotion not in emotions:
            near = difflib.get_close_matches(emotion, emotions, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise PredictionsError(
                f"{where}: {name} {emotion!r} is not in the scheme ({', '.join(emotions)}){hint}"
            )
    for emotion, probability in zip(emotions, probabilities, strict=True):
        if not 0.0 <= probability <= 1.0:
            raise PredictionsError(
                f"{where}: {PROBABILITY}{emotion} is {probability}, not between 0 and 1"
            )
    total = sum(probabilities)
    if abs(total - 1.0) > SUM_TOLERANCE:
        raise PredictionsError(f"{where}: the probabilities add up to {total:.4f}, not to 1")
    most = top(probabilities, emotions)
    if row.predicted != most:
        raise PredictionsError(
            f"{where}: predicted is {row.predicted!r}, but the probabilities as written say "
            f"{most!r} (of equals the first column); make rows with Prediction.of"
        )


def read_text(path: Path, *, what: str = "table of predictions", form: str = "") -> str:
    """The text of a table, compressed or not: what ``write_whole`` wrote.

    Args:
        path: ``.csv``, or anything whose name ends in ``.gz``.
        what: What an error calls it.
        form: What it should have been, in an error; by its ending when empty.

    Raises:
        FileNotFoundError: There is no such file.
        PredictionsError: It is damaged, or not text in UTF-8.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "table.csv.gz"
        ...     write_whole(path, "seed,uar")
        ...     read_text(path)
        'seed,uar'
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: there is no such {what}")
    try:
        content = path.read_bytes()
        if path.suffix == ".gz":
            content = gzip.decompress(content)
        return content.decode("utf-8-sig")
    except (OSError, EOFError, UnicodeDecodeError) as error:
        form = form or (".csv.gz" if path.suffix == ".gz" else ".csv")
        raise PredictionsError(f"{path}: not a readable {form} ({error})") from error


def read_table(
    path: Path,
    parse: Callable[[Any, Path], list[Row]],
    *,
    what: str = "table of predictions",
) -> list[Row]:
    """The rows that ``parse`` makes of the lines of a table.

    Raises:
        FileNotFoundError: There is no such file.
        PredictionsError: It is damaged, or not CSV.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "table.csv"
        ...     write_whole(path, "seed,uar")
        ...     read_table(path, lambda lines, path: list(lines))
        [['seed', 'uar']]
    """
    lines = csv.reader(io.StringIO(read_text(path, what=what), newline=""), strict=True)
    try:
        return parse(lines, path)
    except csv.Error as error:
        raise PredictionsError(f"{path}: line {lines.line_num} is not CSV ({error})") from error


def write_whole(path: Path, text: str) -> None:
    """Write a table beside its place, then move it there, so that it is whole or not there.

    ``.csv.gz`` is compressed without name and time: the same text gives the same bytes.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_whole(Path(folder) / "new" / "table.csv", "seed,uar")
        ...     (Path(folder) / "new" / "table.csv").read_text()
        'seed,uar'
    """
    content = text.encode("utf-8")
    if path.suffix == ".gz":
        content = gzip.compress(content, mtime=0)
    elif path.suffix != ".csv":
        raise ValueError(f"{path}: a table is written as .csv or .csv.gz, not {path.suffix!r}")
    replace_whole(path, content)


def replace_whole(path: Path, content: bytes) -> None:
    """Write a file beside its place, then move it there: nobody ever sees a part of it.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     replace_whole(Path(folder) / "new" / "a.txt", b"whole")
        ...     [path.name for path in (Path(folder) / "new").iterdir()]
        ['a.txt']
    """
    with drafted(path) as draft:
        _ = draft.write_bytes(content)


@contextmanager
def drafted(path: Path) -> Generator[Path]:
    """A file beside ``path`` that takes its place when all is written, or goes.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = Path(folder) / "new" / "a.txt"
        ...     with drafted(file) as draft:
        ...         _ = draft.write_text("whole")
        ...         is_there = file.exists()
        ...     is_there, file.read_text()
        (False, 'whole')
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield draft
        _ = draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
