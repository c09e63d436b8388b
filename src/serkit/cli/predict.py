"""``serkit predict``: rate recordings."""

import os
import sys
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import StrEnum
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
    voices: Annotated[
        Path | None,
        typer.Option(
            "--voices",
            metavar="FILE",
            help="Choose among the emotions enrolled there (serkit enrol), or none of these.",
        ),
    ] = None,
) -> None:
    """Rate recordings. A bad file gets a row with its status; exit code 1 if there was one."""
    paths = recordings_of(recordings)
    form = format_ or _format_of(output)
    from serkit.predictor import NONE, load

    if voices is None:
        listener = load(model if model is not None else newest_model())
        scheme = _Scheme(
            listener.emotions, listener.affect, listener.rater, scale=listener.affect_scale
        )
        outcomes = listener.predict_all
    else:
        listener = load_enrolled(voices, model)
        scheme = _Scheme((*listener.voices.enrolled, NONE), (), listener.rater, explained=True)
        outcomes = listener.verify_all
    failed: dict[str, int] = {}

    def rated() -> "Iterator[Outcome]":
        with progress_of(len(paths), batch) as move:
            yield from counted(outcomes(paths, batch=batch, progress=move), failed)

    if output is None:
        _print_ratings(rated(), scheme, form, sys.stdout)
    else:
        output.parent.mkdir(parents=True, exist_ok=True)
        with output.open("w", encoding="utf-8", newline="") as file:
            _print_ratings(rated(), scheme, form, file)
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


def recordings_of(given: Iterable[str]) -> list[Path]:
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


def newest_model() -> Path:
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
    """A bar on the error stream, for more than one batch."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(file=sys.stderr)
    show = console.is_terminal and total > batch
    with Progress(*columns, console=console, transient=True, disable=not show) as bar:
        task = bar.add_task("rated", total=total)

        def move(done: int) -> None:
            bar.update(task, completed=done)

        yield move


def counted(outcomes: "Iterable[Outcome]", failed: dict[str, int]) -> "Iterator[Outcome]":
    """The same outcomes; those that failed are counted by their status."""
    for outcome in outcomes:
        if outcome.status != "ok":
            failed[outcome.status] = failed.get(outcome.status, 0) + 1
        yield outcome


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
    """As they come; JSON is one array, CSV has a column per emotion and per dimension of affect."""
    if form is Format.JSON:
        import json

        _ = file.write("[")
        for number, outcome in enumerate(outcomes):
            text = json.dumps(_plain(outcome, scheme), ensure_ascii=False)
            _ = file.write(f"{',' if number else ''}\n{text}")
        _ = file.write("\n]\n")
    elif form is Format.CSV:
        import csv

        probabilities = [f"probability_{emotion}" for emotion in scheme.emotions]
        writer = csv.writer(file, lineterminator="\n")
        _ = writer.writerow(
            [
                *("file", "status", "emotion", *probabilities, *scheme.affect),
                *scheme.on_scale.values(),
                *("duration", "notes", "message"),
                *(("nearest",) if scheme.explained else ()),
            ]
        )
        for outcome in outcomes:
            plain = _plain(outcome, scheme)
            shares = plain["probability"]
            _ = writer.writerow(
                [
                    plain["file"],
                    plain["status"],
                    plain["emotion"],
                    *(shares.get(emotion, "") for emotion in scheme.emotions),
                    *(plain["affect"].get(name, "") for name in scheme.affect),
                    *(plain["affect_on_scale"].get(n, "") for n in scheme.on_scale.values()),
                    plain["duration"],
                    "; ".join(plain["notes"]),
                    plain["message"],
                    *((nearest_text(_nearest(outcome)),) if scheme.explained else ()),
                ]
            )
    else:
        _print_table(outcomes, scheme, file)


def _nearest(outcome: "Outcome") -> "Sequence[Neighbour]":
    return outcome.verdicts[0].nearest if outcome.verdicts else ()


def nearest_text(nearest: "Iterable[Neighbour]") -> str:
    """The enrolled utterances that explain an answer, on one line."""
    return "; ".join(f"{one.name}: {readable(one.file)} {one.score:.2f}" for one in nearest)


def nearest_names(nearest: "Iterable[Neighbour]") -> str:
    """The same by name, a line each: for a table."""
    return "\n".join(
        f"{one.name}: {Path(readable(one.file)).name} {one.score:.2f}" for one in nearest
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


def _plain(outcome: "Outcome", scheme: _Scheme) -> dict[str, Any]:
    rating = outcome.rating
    shares = {name: round(value, 6) for name, value in rating.emotion.items()} if rating else {}
    return {
        "file": readable(outcome.file),
        "status": outcome.status,
        "emotion": rating.top if rating else None,
        "probability": shares,
        "affect": {n: round(v, 6) for n, v in rating.affect.items()} if rating else {},
        "affect_on_scale": scheme.scaled(rating.affect) if rating else {},
        "duration": None if outcome.duration is None else round(outcome.duration, 3),
        "notes": list(doubts(outcome)),
        "message": outcome.message,
        "rater": scheme.rater,
        **({"nearest": nearest_plain(_nearest(outcome))} if scheme.explained else {}),
    }


def _print_table(outcomes: "Iterable[Outcome]", scheme: _Scheme, file: IO[str]) -> None:
    from rich.text import Text

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
            Text(readable(outcome.file)),
            Text(rating.top or "") if rating else Text(outcome.status, style="red"),
            *(f"{shares[name]:.2f}" if shares else "" for name in what[1:]),
            length,
            *((Text(nearest_names(_nearest(outcome))),) if scheme.explained else ()),
            Text("; ".join(n for n in doubts(outcome) if n not in shared))
            if rating
            else Text(outcome.message),
        )
    console = new_console(file)
    console.print(table)
    for note in shared:
        console.print(f"Note: {note}", soft_wrap=True)
