"""``serkit timeline``: who sounds how in a long recording, and when."""

import os
import sys
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from serkit.cli.predict import load_chosen, readable, recordings_of
from serkit.cli.shell import FAILED, ModelOption, misunderstood, new_console, new_table

if TYPE_CHECKING:
    from rich.console import Console

    from serkit.corpus import Rating
    from serkit.predictor import Timeline, Turn

WindowOption = Annotated[
    float, typer.Option("--window", metavar="SECONDS", help="What is rated at once.")
]
HopOption = Annotated[
    float, typer.Option("--hop", metavar="SECONDS", help="From one window to the next.")
]
SmoothOption = Annotated[
    float,
    typer.Option("--smooth", metavar="SECONDS", help="Over which ratings are averaged; 0: not."),
]
VadOption = Annotated[
    Literal["energy", "silero", "none"],
    typer.Option("--vad", help="What finds speech; silero needs the extra vad."),
]


def timeline(
    recordings: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE|FOLDER|GLOB...", help="Any audio or video; folders are searched."
        ),
    ],
    model: ModelOption = None,
    window: WindowOption = 3.0,
    hop: HopOption = 1.0,
    smooth: SmoothOption = 2.0,
    vad: VadOption = "energy",
    turns: Annotated[
        Path | None,
        typer.Option("--turns", metavar="FILE.rttm", help="Who speaks when; rate turn by turn."),
    ] = None,
    format_: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="NAME,NAME...",
            help="csv, json, parquet, textgrid, eaf, audacity, rttm, srt, vtt. Default: a table on "
            "the screen, or csv with --out.",
        ),
    ] = None,
    rows: Annotated[
        Literal["windows", "segments"],
        typer.Option("--rows", help="What a row of csv and parquet is."),
    ] = "windows",
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="Write DIR/RECORDING.ENDING, not to stdout."),
    ] = None,
    picture: Annotated[
        bool, typer.Option("--picture", help="Also draw waveform and timeline as PNG; needs --out.")
    ] = False,
    batch: Annotated[
        int, typer.Option("--batch", min=1, help="Windows rated at once, at most.")
    ] = 16,
) -> None:
    """Rate long recordings window by window, and merge what is alike into segments.

    Memory does not grow with the length. A bad file is reported and the others go on; exit code 1
    if there was one.
    """
    paths = recordings_of(recordings)
    forms = _forms(format_, out, picture, len(paths))
    targets = _targets(paths, out)
    _check_kept((*paths, *((turns,) if turns else ())), targets.values(), forms)
    from serkit.audio import AudioError
    from serkit.predictor import TimelineError, TurnsError

    listener = load_chosen(model)
    times: dict[str, Any] = {"window": window, "hop": hop, "smooth": smooth, "vad": vad}
    _ = listener.stream(**times)  # what does not fit is said once, and at once
    notes = new_console(sys.stderr)
    bad = mute = 0
    for place, path in enumerate(paths, start=1):
        try:
            spoken = None if turns is None else _spoken(turns, path, len(paths) == 1, notes)
            with seconds_bar(path, f"{place} of {len(paths)}") as move:
                found = listener.timeline(path, **times, turns=spoken, batch=batch, progress=move)
        except (AudioError, OSError, TimelineError, TurnsError) as error:
            bad += 1
            notes.print(f"Error: {readable(str(error))}", style="red", soft_wrap=True)
            continue
        for note in found.notes:
            notes.print(f"note: {readable(str(path))}: {note}", soft_wrap=True)
        _give(found, forms, rows, targets[path], picture)
        mute += not found.speech
    said = f"{len(paths) - bad - mute} of {len(paths)} rated by {listener.rater}"
    if mute:
        said += f"; {mute} without speech"
    where = "" if out is None else f"; written to {readable(str(out))}"
    notes.print(f"{said}{where}", soft_wrap=True)
    if bad:
        raise typer.Exit(FAILED)


def _forms(given: str | None, out: Path | None, picture: bool, num_paths: int) -> list[str]:
    """Names of formats, once it is sure that there is a place for them."""
    from serkit.predictor.annotation import FORMATS

    forms = [word.strip().lower() for word in (given or "").split(",") if word.strip()]
    for form in forms:
        if form not in FORMATS:
            misunderstood(f"--format {form} is not known; there are: {', '.join(FORMATS)}.")
    if out is None and picture:
        misunderstood("--picture needs a place for its file: add --out DIR.")
    if out is None and forms and (len(forms) > 1 or num_paths > 1 or forms == ["parquet"]):
        misunderstood("several files, or one that is no text, cannot go to stdout: add --out DIR.")
    return forms or (["csv"] if out is not None and not picture else [])


def _targets(paths: Iterable[Path], out: Path | None) -> dict[Path, Path | None]:
    """Recording to where its files go, without the ending."""
    targets: dict[Path, Path | None] = {}
    taken: dict[Path, Path] = {}
    for path in paths:
        target = None if out is None else out / path.stem
        if target is not None and taken.setdefault(target, path) != path:
            misunderstood(
                f"{taken[target]} and {path} would be written under one name, {target}; run them "
                "one at a time, each with an --out of its own."
            )
        targets[path] = target
    return targets


def _check_kept(
    given: Iterable[Path], targets: Iterable[Path | None], forms: Iterable[str]
) -> None:
    """Refuse to write over what was given: turns and recordings lie where annotations do."""
    from serkit.predictor.annotation import FORMATS

    kept = set(map(os.path.realpath, given))
    for target, form in product((target for target in targets if target), forms):
        path = target.with_name(target.name + FORMATS[form].suffix)
        if os.path.realpath(path) in kept:
            misunderstood(f"--format {form} would be written over {path}; name another --out.")


def _spoken(turns: Path, recording: Path, is_alone: bool, notes: "Console") -> "tuple[Turn, ...]":
    """The turns of a recording; one recording alone also takes those under another name."""
    from serkit.predictor import TurnsError, read_turns

    try:
        return read_turns(turns, recording=recording)
    except TurnsError:
        if not is_alone:
            raise
        found = read_turns(turns)
    notes.print(
        f"note: {readable(str(turns))} names another recording; its turns are taken for those of "
        f"{readable(str(recording))}",
        soft_wrap=True,
    )
    return found


@contextmanager
def seconds_bar(path: Path, told: str) -> "Generator[Callable[[float], None]]":
    """A bar on the error stream that fills with the recording."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    from serkit.audio import info

    console = Console(file=sys.stderr)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        length = info(path).duration if console.is_terminal else None
        task = bar.add_task(f"{told}: {readable(path.name)}", total=length)

        def move(seconds: float) -> None:
            bar.update(task, completed=seconds)

        yield move


def _give(
    found: "Timeline",
    forms: Sequence[str],
    rows: Literal["windows", "segments"],
    target: Path | None,
    picture: bool,
) -> None:
    """To files, or to the screen."""
    from serkit.evaluation.predictions import replace_whole
    from serkit.predictor.annotation import FORMATS, encode

    if target is None:
        if forms:
            _ = sys.stdout.write(encode(found, forms[0], rows=rows).decode("utf-8"))
        else:
            show_timeline(new_console(sys.stdout), found)
        return
    for form in forms:
        # a name may hold dots: with_suffix would take off what is behind the last
        path = target.with_name(target.name + FORMATS[form].suffix)
        _ = found.write(path, form=form, rows=rows)
    if picture:
        replace_whole(target.with_name(f"{target.name}.png"), found.picture().drawn("png"))


def show_timeline(console: "Console", found: "Timeline") -> None:
    """Segments, and below them how long each label lasts."""
    from rich.text import Text

    from serkit.predictor import SILENCE

    names = found.emotions or found.affect
    who = ("speaker",) if found.speakers else ()
    table = new_table("from", "to", *who, "label", *names, numbers=len(names))
    for one in found.segments:
        speaker = (Text(one.speaker or ""),) if who else ()
        style = "dim" if one.label == SILENCE else ""
        table.add_row(
            clock(one.start),
            clock(one.end),
            *speaker,
            Text(one.label),
            *values(one.rating, names),
            style=style,
        )
    console.print(Text(f"{readable(found.file)}, {clock(found.duration)}", style="bold"))
    console.print(table)
    for speaker in found.speakers or (None,):
        summary = found.summary(speaker)
        shares = ", ".join(f"{label} {share:.0%}" for label, share in summary.shares.items())
        mean = ", ".join(
            f"{name} {value}"
            for name, value in zip(names, values(summary.rating, names), strict=True)
        )
        console.print(
            Text(
                f"{'' if speaker is None else f'{speaker}: '}{clock(summary.speech)} of speech"
                + (f": {shares}; on average {mean}" if summary.rating else "")
            ),
            soft_wrap=True,
        )


def clock(seconds: float) -> str:
    """``1:02:03.4``, or without hours ``02:03.4``."""
    minutes, tenths = divmod(round(seconds * 10), 600)
    hours = f"{minutes // 60}:" if minutes >= 60 else ""
    return f"{hours}{minutes % 60:02}:{tenths / 10:04.1f}"


def values(rating: "Rating | None", names: Sequence[str]) -> list[str]:
    """Of a rating, with two decimals; empty where there is none."""
    if rating is None:
        return [""] * len(names)
    known = {**rating.emotion, **rating.affect}
    return [f"{known[name]:.2f}" for name in names]
