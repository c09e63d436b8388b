"""``serkit predict``: rate recordings."""

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any

import typer

from serkit.cli.shell import FAILED, ModelOption, misunderstood, new_console, new_table

if TYPE_CHECKING:
    from serkit.predictor import Outcome, Predictor


MEDIA_SUFFIXES = (
    *(".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".au", ".caf", ".w64"),
    *(".m4a", ".aac", ".wma", ".amr", ".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg"),
    *(".mpeg", ".3gp"),
)
"""Endings by which ``serkit predict FOLDER`` knows a recording."""


class Format(StrEnum):
    """How ratings are printed."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


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
        Path | None, typer.Option("--output", metavar="FILE", help="Write there, not to stdout.")
    ] = None,
    batch: Annotated[
        int, typer.Option("--batch", min=1, help="Recordings rated at once, at most.")
    ] = 16,
) -> None:
    """Rate recordings. A bad file gets a row with its status; exit code 1 if there was one."""
    paths = _recordings(recordings)
    form = format_ or _format_of(output)
    from serkit.predictor import load

    listener = load(model if model is not None else _newest_model())
    failed: dict[str, int] = {}
    if output is None:
        _print_ratings(_rated(listener, paths, batch, failed), listener, form, sys.stdout)
    else:
        output.parent.mkdir(parents=True, exist_ok=True)
        with output.open("w", encoding="utf-8", newline="") as file:
            _print_ratings(_rated(listener, paths, batch, failed), listener, form, file)
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


def _recordings(given: Iterable[str]) -> list[Path]:
    """Files as given; those of folders and of patterns, sorted."""
    import glob

    found: list[Path] = []
    in_vain: list[str] = []
    for word in given:
        path = Path(word).expanduser()
        if path.is_dir():
            inside = sorted(
                p for p in path.rglob("*") if p.suffix.lower() in MEDIA_SUFFIXES and p.is_file()
            )
            if not inside:
                in_vain.append(f"{word}: no recording in this folder, or in those inside it.")
            found += inside or [path]  # among others, its row says so
        elif glob.has_magic(word) and not path.exists():
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


def _format_of(output: Path | None) -> Format:
    endings = {".csv": Format.CSV, ".json": Format.JSON}
    return endings.get(output.suffix.lower(), Format.TABLE) if output is not None else Format.TABLE


def _newest_model() -> Path:
    """The newest finished run below ``runs/``, or the demo."""
    from serkit.predictor import ModelError

    places = [Path("demo"), *Path("runs").glob("*"), *Path("runs").glob("*/*")]
    finished = [place for place in places if (place / "results.csv").is_file()]
    if not finished:
        raise ModelError(
            "there is no trained system in runs/ or demo/: name one with --model DIR, or make one "
            "with 'serkit demo' (a few minutes) or 'serkit train crnn'."
        )
    return max(finished, key=lambda place: (place / "results.csv").stat().st_mtime)


def _rated(
    listener: "Predictor", paths: Sequence[Path], batch: int, failed: dict[str, int]
) -> "Iterator[Outcome]":
    """Outcomes with a bar on the error stream; those that failed are counted."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(file=sys.stderr)
    show = console.is_terminal and len(paths) > batch
    with Progress(*columns, console=console, transient=True, disable=not show) as bar:
        task = bar.add_task("rated", total=len(paths))

        def move(done: int) -> None:
            bar.update(task, completed=done)

        for outcome in listener.predict_all(paths, batch=batch, progress=move):
            if outcome.rating is None:
                failed[outcome.status] = failed.get(outcome.status, 0) + 1
            yield outcome


def _print_ratings(
    outcomes: "Iterable[Outcome]", listener: "Predictor", form: Format, file: IO[str]
) -> None:
    """As they come; JSON is one array, CSV has a column per emotion and per dimension of affect."""
    if form is Format.JSON:
        import json

        _ = file.write("[")
        for number, outcome in enumerate(outcomes):
            text = json.dumps(_plain(outcome, listener), ensure_ascii=False)
            _ = file.write(f"{',' if number else ''}\n{text}")
        _ = file.write("\n]\n")
    elif form is Format.CSV:
        import csv

        probabilities = [f"probability_{emotion}" for emotion in listener.emotions]
        writer = csv.writer(file, lineterminator="\n")
        _ = writer.writerow(
            [
                *("file", "status", "emotion", *probabilities, *listener.affect),
                *("duration", "notes", "message"),
            ]
        )
        for outcome in outcomes:
            plain = _plain(outcome, listener)
            shares = plain["probability"]
            _ = writer.writerow(
                [
                    plain["file"],
                    plain["status"],
                    plain["emotion"],
                    *(shares.get(emotion, "") for emotion in listener.emotions),
                    *(plain["affect"].get(name, "") for name in listener.affect),
                    plain["duration"],
                    "; ".join(plain["notes"]),
                    plain["message"],
                ]
            )
    else:
        _print_table(outcomes, listener, file)


def _readable(file: str) -> str:
    """A file's name, with marks where it is no text: names of old archives need not be."""
    return os.fsencode(file).decode("utf-8", "replace")


def _plain(outcome: "Outcome", listener: "Predictor") -> dict[str, Any]:
    rating = outcome.rating
    shares = {name: round(value, 6) for name, value in rating.emotion.items()} if rating else {}
    return {
        "file": _readable(outcome.file),
        "status": outcome.status,
        "emotion": rating.top if rating else None,
        "probability": shares,
        "affect": {n: round(v, 6) for n, v in rating.affect.items()} if rating else {},
        "duration": None if outcome.duration is None else round(outcome.duration, 3),
        "notes": list(outcome.notes),
        "message": outcome.message,
        "rater": listener.rater,
    }


def _print_table(outcomes: "Iterable[Outcome]", listener: "Predictor", file: IO[str]) -> None:
    from rich.text import Text

    what = ("emotion", *listener.emotions) if listener.emotions else ("", *listener.affect)
    table = new_table("file", *what, numbers=len(what) - 1)
    table.add_column("seconds", justify="right")
    table.add_column("remarks", overflow="fold")
    for outcome in outcomes:
        rating = outcome.rating
        shares = (rating.emotion or rating.affect) if rating else {}
        length = "" if outcome.duration is None else f"{outcome.duration:.2f}"
        table.add_row(
            Text(_readable(outcome.file)),
            Text(rating.top or "") if rating else Text(outcome.status, style="red"),
            *(f"{shares[name]:.2f}" if shares else "" for name in what[1:]),
            length,
            Text("; ".join(outcome.notes) if rating else outcome.message),
        )
    new_console(file).print(table)
