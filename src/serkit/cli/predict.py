"""``serkit predict``: rate recordings."""

import os
import sys
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from datetime import timedelta
from enum import StrEnum
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from serkit.cli.shell import FAILED, ModelOption, misunderstood, new_console, new_table

if TYPE_CHECKING:
    from serkit.predictor import Neighbour, Outcome, Predictor


MEDIA_SUFFIXES = (
    *(".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".au", ".caf", ".w64"),
    *(".m4a", ".aac", ".wma", ".amr", ".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg"),
    *(".mpeg", ".3gp"),
)
"""Endings by which ``serkit predict FOLDER`` knows a recording."""


ROW_GROUP = 10_000  # rows of Parquet in memory at once
HEARTBEAT = 30.0  # s between lines of progress where there is no terminal


class Format(StrEnum):
    """How ratings are printed."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"
    PARQUET = "parquet"


def predict(
    recordings: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE|FOLDER|GLOB...", help="Any audio or video; folders are searched."
        ),
    ],
    model: ModelOption = None,
    format_: Annotated[
        Format | None,
        typer.Option("--format", help="Default: by the ending of --output, else a table."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "--out",
            metavar="FILE",
            help="Write there (.csv, .parquet, .json) and not to stdout. After a kill the same "
            "command goes on where it was.",
        ),
    ] = None,
    batch: Annotated[
        int, typer.Option("--batch", min=1, help="Recordings rated at once, at most.")
    ] = 16,
    voices: Annotated[
        Path | None,
        typer.Option(
            "--voices",
            metavar="FILE",
            help="Choose among the emotions enrolled there (serkit enrol), or none of these.",
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Rate all anew, whatever --output holds already.")
    ] = False,
) -> None:
    """Rate recordings. A bad file gets a row with its status; exit code 1 if there was one."""
    paths = recordings_of(recordings)
    form = format_ or _format_of(output)
    if output is not None:
        output = _checked(output, paths)
    if form is Format.PARQUET:
        _check_parquet(output)
    from serkit.predictor import NONE

    if voices is None:
        listener = load_chosen(model)
        scheme = _Scheme(
            listener.emotions, listener.affect, listener.rater, scale=listener.affect_scale
        )
        outcomes = listener.predict_all
    else:
        listener = load_enrolled(voices, model)
        scheme = _Scheme((*listener.voices.enrolled, NONE), (), listener.rater, explained=True)
        outcomes = listener.verify_all
    failed: dict[str, int] = {}

    def rated(chosen: "Sequence[Path]") -> "Iterator[Outcome]":
        with progress_of(len(chosen), batch) as move:
            yield from outcomes(chosen, batch=batch, progress=move)

    if output is None or form is Format.TABLE:
        with nullcontext(sys.stdout) if output is None else _whole(output) as file:
            _print_ratings(counted(rated(paths), failed), scheme, form, file)
    else:
        made_by = _made_by(listener, voices)
        _write_ratings(paths, rated, scheme, form, output, made_by, overwrite, failed)
    notes = new_console(sys.stderr)
    bad = sum(failed.values())
    kinds = ", ".join(f"{count} {status}" for status, count in failed.items())
    notes.print(
        f"{len(paths) - bad} of {len(paths)} rated by {listener.rater}"
        + (f"; {kinds}" if bad else "")
        + (f"; written to {output}" if output else ""),
        soft_wrap=True,
    )
    if bad:
        raise typer.Exit(FAILED)


def _checked(output: Path, paths: Iterable[Path]) -> Path:
    """Where a table is written: not over a recording; through a link, to what it points to."""
    if output.is_dir():
        misunderstood(f"--output {output} is a folder; name a file in it.")
    real = os.path.realpath(output)  # which, unlike resolve, takes a loop of links as it is
    if real in map(os.path.realpath, paths):
        misunderstood(f"--output {output} is one of the recordings, and would be written over.")
    return Path(real) if output.is_symlink() else output


@contextmanager
def _whole(output: Path) -> "Generator[IO[str]]":
    """To write a text that is there as a whole, or not at all."""
    from serkit.evaluation.predictions import drafted

    with drafted(output) as draft, draft.open("w", encoding="utf-8", newline="") as file:
        yield file


def _check_parquet(output: Path | None) -> None:
    """Say what is missing for Parquet before hours of work, not after them."""
    from serkit.corpus import MissingExtraError

    if output is None:
        misunderstood("Parquet is not for a terminal: add --output FILE.parquet.")
    if find_spec("pyarrow") is None:
        raise MissingExtraError("writing Parquet takes pyarrow: pip install 'serkit[parquet]'")


def _made_by(listener: "Predictor", voices: Path | None) -> dict[str, str | None]:
    """What ratings depend on beside the recordings."""
    import hashlib
    from importlib.metadata import version

    enrolled = None if voices is None else hashlib.sha256(voices.read_bytes()).hexdigest()
    return {
        "serkit": version("serkit"),
        "rater": listener.rater,
        "model": listener.fingerprint,
        "voices": enrolled,
    }


def _write_ratings(
    paths: "Sequence[Path]",
    rated: "Callable[[Sequence[Path]], Iterable[Outcome]]",
    scheme: "_Scheme",
    form: Format,
    output: Path,
    made_by: Mapping[str, Any],
    overwrite: bool,
    failed: dict[str, int],
) -> None:
    """Rate what an earlier run has not, then write the table: the whole of it, or nothing."""
    from serkit.evaluation.predictions import drafted
    from serkit.predictor import Journal, state_of

    def counted_rows() -> Iterator[dict[str, Any]]:
        for row in journal.rows(paths):
            _count(row["status"], failed)
            yield row

    with Journal(output, made_by=made_by, anew=overwrite) as journal:
        # of a recording that changes hereafter the next run sees that it did
        states = {path: state_of(path) for path in paths}
        left = [path for path in paths if not journal.holds(path, states[path])]
        if len(left) < len(paths):
            new_console(sys.stderr).print(
                f"{len(paths) - len(left)} of {len(paths)} were rated before and have not changed; "
                f"{f'going on with {len(left)}' if left else 'nothing is left to rate'}",
                soft_wrap=True,
            )
        for path, outcome in zip(left, rated(left), strict=True):
            journal.add(path, states[path], _plain(outcome, scheme))
        if form is Format.PARQUET:
            with drafted(output) as draft:
                _write_parquet(counted_rows(), scheme, draft)
        else:
            with _whole(output) as file:
                _print_rows(counted_rows(), scheme, form, file)


def recordings_of(given: Iterable[str]) -> list[Path]:
    """Files as given; those of folders and of patterns, sorted."""
    import glob

    found: list[Path] = []
    in_vain: list[str] = []
    for word in given:
        path = Path(word).expanduser()
        if os.path.isdir(path):  # noqa: PTH112 (False, not an error, where it cannot be reached)
            inside = _inside(path)
            if not inside:
                in_vain.append(f"{word}: no recording in this folder, or in those inside it.")
            found += inside or [path]  # among others, its row says so
        elif glob.has_magic(word) and not os.path.exists(path):  # noqa: PTH110 (likewise)
            matching = sorted(glob.glob(str(path), recursive=True))  # noqa: PTH207 (absolute too)
            files = [Path(match) for match in matching if Path(match).is_file()]
            if not files:
                in_vain.append(f"{word}: no file matches.")
            found += files or [path]
        else:
            found.append(path)  # also one that is missing: its row says so
    if in_vain and len(in_vain) == len(found):
        misunderstood(" ".join(in_vain))
    return list(dict.fromkeys(found))


def _inside(folder: Path) -> list[Path]:
    """Recordings in a folder and below it; of what cannot be read, a row says so."""
    shut: list[Path] = []

    def cannot(error: OSError) -> None:
        shut.append(Path(error.filename))

    found = [
        Path(place) / name
        for place, _, names in os.walk(folder, onerror=cannot)
        for name in names
        if Path(name).suffix.lower() in MEDIA_SUFFIXES
        and not name.startswith(".")  # such as ._call.wav, which macOS leaves behind
    ]
    return sorted([*found, *shut])


def _format_of(output: Path | None) -> Format:
    ending = "" if output is None else output.suffix.lower().removeprefix(".")
    return Format(ending) if ending in list(Format) else Format.TABLE


def load_chosen(model: Path | None) -> "Predictor":
    """The model that was named, or the one that comes with serkit, which says so itself."""
    from serkit.predictor import load

    if model is None:
        new_console(sys.stderr).print(
            "rated by the recogniser that comes with serkit (acted German and English; its weights "
            "are CC BY-NC-SA 4.0); beyond such recordings it is wrong more often than right. "
            "Another: --model DIR",
            soft_wrap=True,
        )
    return load(model)


def load_enrolled(voices: Path, model: Path | None) -> "Predictor":
    """The listener that emotions were enrolled with: ``model``, or the one their file remembers."""
    from serkit.predictor import ModelError, Voices, load

    remembered = Voices.load(voices).model
    if model is None and not remembered:
        raise ModelError(f"{voices} does not say which model it was made with; add --model DIR")
    if model is None and not Path(remembered).is_dir():
        raise ModelError(
            f"the model that {voices} was made with is no longer in {remembered}; say where it is "
            "with --model DIR"
        )
    return load(model if model is not None else remembered, voices=voices)


@contextmanager
def progress_of(total: int, batch: int) -> "Generator[Callable[[int], None]]":
    """A bar on the error stream, for more than one batch; a line now and then if it is no terminal.

    Both say how many are done, how many a second, and how long the rest will take.
    """
    from rich import progress
    from rich.console import Console

    columns = (
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        progress.TextColumn("{task.fields[rate]}"),
        progress.TimeRemainingColumn(),
    )
    console = Console(file=sys.stderr)
    show = console.is_terminal and total > batch
    began = last = time.monotonic()
    with progress.Progress(*columns, console=console, transient=True, disable=not show) as bar:
        task = bar.add_task("rated", total=total, rate="")

        def move(done: int) -> None:
            nonlocal last
            now = time.monotonic()
            speed = done / max(now - began, 1e-9)
            bar.update(task, completed=done, rate=f"{speed:.1f}/s")
            if not console.is_terminal and 0 < done < total and now - last >= HEARTBEAT:
                last = now
                left = timedelta(seconds=round((total - done) / speed))
                beat = f"{done} of {total}, {speed:.1f} a second, {left} left"
                print(beat, file=sys.stderr, flush=True)

        yield move


def counted(outcomes: "Iterable[Outcome]", failed: dict[str, int]) -> "Iterator[Outcome]":
    """The same outcomes; those that failed are counted by their status."""
    for outcome in outcomes:
        _count(outcome.status, failed)
        yield outcome


def _count(status: str, failed: dict[str, int]) -> None:
    if status != "ok":
        failed[status] = failed.get(status, 0) + 1


class _Scheme(NamedTuple):
    """What ratings are about, and who makes them."""

    emotions: tuple[str, ...]
    affect: tuple[str, ...]
    rater: str
    explained: bool = False
    """Whether the nearest enrolled utterances are shown."""
    scale: tuple[float, float] | None = None
    """Of affect in the corpus that was trained on, where it is known."""

    @property
    def on_scale(self) -> dict[str, str]:
        """Dimension to the name of its column on that scale; empty where it is unknown."""
        if self.scale is None:
            return {}
        low, high = self.scale
        return {name: f"{name}_{low:g}_to_{high:g}" for name in self.affect}

    def scaled(self, affect: Mapping[str, float]) -> dict[str, float]:
        """Values of affect on that scale, by the names of their columns."""
        from serkit.corpus.scheme import from_unit

        scale = self.scale or (0.0, 1.0)
        return {
            column: round(from_unit(affect[name], *scale), 6)
            for name, column in self.on_scale.items()
        }


def _print_ratings(
    outcomes: "Iterable[Outcome]", scheme: _Scheme, form: Format, file: IO[str]
) -> None:
    """As they come."""
    if form is Format.TABLE:
        _print_table(outcomes, scheme, file)
    else:
        _print_rows((_plain(outcome, scheme) for outcome in outcomes), scheme, form, file)


def _print_rows(
    rows: Iterable[Mapping[str, Any]], scheme: _Scheme, form: Format, file: IO[str]
) -> None:
    """JSON is one array, CSV has a column per emotion and per dimension of affect."""
    if form is Format.JSON:
        import json

        _ = file.write("[")
        for number, row in enumerate(rows):
            _ = file.write(f"{',' if number else ''}\n{json.dumps(row, ensure_ascii=False)}")
        _ = file.write("\n]\n")
    else:
        import csv

        writer = csv.DictWriter(file, list(_columns(scheme)), lineterminator="\n")
        _ = writer.writeheader()
        writer.writerows(_flat(row, scheme) for row in rows)


def _write_parquet(rows: Iterator[Mapping[str, Any]], scheme: _Scheme, path: Path) -> None:
    """The columns of CSV, with numbers as numbers and nothing where there is none."""
    import pyarrow as pa
    from pyarrow import parquet

    schema = pa.schema(
        [
            (name, pa.float64() if kind is float else pa.string())
            for name, kind in _columns(scheme).items()
        ]
    )
    with parquet.ParquetWriter(path, schema) as writer:
        while part := [_flat(row, scheme) for row in islice(rows, ROW_GROUP)]:
            writer.write_table(pa.Table.from_pylist(part, schema=schema))


def _columns(scheme: _Scheme) -> dict[str, type]:
    """Name of each column of a flat table, and what its values are."""
    probabilities = (f"probability_{emotion}" for emotion in scheme.emotions)
    numbers = (*probabilities, *scheme.affect, *scheme.on_scale.values(), "duration")
    return {
        **dict.fromkeys(("file", "status", "emotion"), str),
        **dict.fromkeys(numbers, float),
        **dict.fromkeys(("notes", "message"), str),
        **dict.fromkeys(("nearest",) if scheme.explained else (), str),
    }


def _flat(row: Mapping[str, Any], scheme: _Scheme) -> dict[str, Any]:
    """A row of one level; what is not there is None."""
    values = {
        **row,
        **{f"probability_{emotion}": share for emotion, share in row["probability"].items()},
        **row["affect"],
        **row["affect_on_scale"],
        "notes": "; ".join(row["notes"]),
        "nearest": "; ".join(
            f"{one['emotion']}: {one['file']} {one['score']:.2f}" for one in row.get("nearest", ())
        ),
    }
    return {name: values.get(name) for name in _columns(scheme)}


def _nearest(outcome: "Outcome") -> "Sequence[Neighbour]":
    return outcome.verdicts[0].nearest if outcome.verdicts else ()


def nearest_text(nearest: "Iterable[Neighbour]") -> str:
    """The enrolled utterances that explain an answer, on one line."""
    return "; ".join(f"{one.name}: {readable(one.file)} {one.score:.2f}" for one in nearest)


def nearest_names(nearest: "Iterable[Neighbour]") -> str:
    """The same by name, a line each: for a table."""
    return "\n".join(
        f"{one.name}: {printable(Path(one.file).name)} {one.score:.2f}" for one in nearest
    )


def nearest_plain(nearest: "Iterable[Neighbour]") -> list[dict[str, Any]]:
    """The same, for JSON."""
    return [
        {"emotion": one.name, "file": readable(one.file), "score": round(one.score, 6)}
        for one in nearest
    ]


def doubts(outcome: "Outcome") -> tuple[str, ...]:
    """Reasons to doubt an outcome, of the recording and of its verdicts, each once."""
    notes = (*outcome.notes, *(note for verdict in outcome.verdicts for note in verdict.notes))
    return tuple(dict.fromkeys(notes))


def shared_doubts(outcomes: "Sequence[Outcome]") -> tuple[str, ...]:
    """Doubts of all verdicts alike, such as those of what is enrolled: said once, below a table."""
    each = [doubts(outcome) for outcome in outcomes if outcome.verdicts]
    return tuple(note for note in each[0] if all(note in one for one in each)) if each[1:] else ()


def readable(file: str) -> str:
    """A file's name, with marks where it is no text: names of old archives need not be."""
    return os.fsencode(file).decode("utf-8", "replace")


def printable(file: str) -> str:
    """The same for a terminal: what would move the cursor or colour the text is spelt out."""
    marked = readable(file)
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in marked)


def _answer(outcome: "Outcome") -> str | None:
    """The emotion that is named, or ``"not sure"``; the probabilities say the rest."""
    from serkit.predictor import NOT_SURE

    if NOT_SURE in outcome.notes:
        return NOT_SURE
    return outcome.rating.top if outcome.rating else None


def _plain(outcome: "Outcome", scheme: _Scheme) -> dict[str, Any]:
    rating = outcome.rating
    shares = {name: round(value, 6) for name, value in rating.emotion.items()} if rating else {}
    return {
        "file": readable(outcome.file),
        "status": outcome.status,
        "emotion": _answer(outcome),
        "probability": shares,
        "affect": {n: round(v, 6) for n, v in rating.affect.items()} if rating else {},
        "affect_on_scale": scheme.scaled(rating.affect) if rating else {},
        "duration": None if outcome.duration is None else round(outcome.duration, 3),
        "notes": list(doubts(outcome)),
        "message": readable(outcome.message),
        "rater": scheme.rater,
        **({"nearest": nearest_plain(_nearest(outcome))} if scheme.explained else {}),
    }


def _print_table(outcomes: "Iterable[Outcome]", scheme: _Scheme, file: IO[str]) -> None:
    from rich.text import Text

    from serkit.predictor import NOT_SURE

    what = ("emotion", *scheme.emotions) if scheme.emotions else ("", *scheme.affect)
    table = new_table("file", *what, numbers=len(what) - 1)
    table.add_column("seconds", justify="right")
    if scheme.explained:
        table.add_column("nearest", overflow="fold")
    table.add_column("remarks", overflow="fold")
    listed = list(outcomes)
    shared = shared_doubts(listed)
    for outcome in listed:
        rating = outcome.rating
        shares = (rating.emotion or rating.affect) if rating else {}
        length = "" if outcome.duration is None else f"{outcome.duration:.2f}"
        table.add_row(
            Text(printable(outcome.file)),
            Text(_answer(outcome) or "") if rating else Text(outcome.status, style="red"),
            *(f"{shares[name]:.2f}" if shares else "" for name in what[1:]),
            length,
            *((Text(nearest_names(_nearest(outcome))),) if scheme.explained else ()),
            Text("; ".join(n for n in doubts(outcome) if n not in (*shared, NOT_SURE)))
            if rating
            else Text(printable(outcome.message)),
        )
    console = new_console(file)
    console.print(table)
    for note in shared:
        console.print(f"Note: {note}", soft_wrap=True)
