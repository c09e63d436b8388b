"""``serkit degrade``: write recordings as they are heard in bad quality."""

import glob
import os
import sys
import warnings
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from serkit.cli.predict import MEDIA_SUFFIXES, printable, progress_of, readable
from serkit.cli.shell import FAILED, misunderstood, new_console, new_table

SAMPLE_RATE = 16000  # Hz; what every system here listens at


def degrade(
    recordings: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE|FOLDER|GLOB...", help="Any audio or video; folders are searched."
        ),
    ],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Files go to DIR/CONDITION/.")],
    condition: Annotated[
        list[str],
        typer.Option(
            "--condition",
            metavar="NAME,NAME...",
            help="hq, lq, both, noise:white:SNR, noise:pink:SNR, noise:FOLDER:SNR, reverb:RT60, "
            "reverb:FOLDER, telephone, codec:NAME; may be repeated.",
        ),
    ] = ["lq"],  # noqa: B006 (typer copies it)
    part: Annotated[
        Literal["train", "test"],
        typer.Option("--part", help="Which half of a folder's noises or rooms to draw from."),
    ] = "test",
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Write files again that are there already.")
    ] = False,
) -> None:
    """Write recordings in bad quality: 16 kHz mono, WAV stays WAV and all else becomes FLAC.

    The same file under the same name is degraded the same way each time. Files that are there
    already are kept, unless --overwrite. A bad file is listed with its status, and the others are
    written; exit code 1 if there was one.
    """
    folders = _folders(condition, out)
    sources = _sources(recordings, out)
    _refuse_own_input(sources, folders)
    notes = new_console(sys.stderr)
    for note in _shared(folders, part):
        notes.print(f"note: {note}", soft_wrap=True)
    written, kept, bad = _write_all(sources, folders, part, overwrite)
    if bad:
        from rich.text import Text

        table = new_table("file", "status", "remarks")
        for path, status, message in bad:
            table.add_row(
                Text(printable(path)), Text(status, style="red"), Text(printable(message))
            )
        new_console(sys.stdout).print(table)
    where = ", ".join(str(folder) for folder in folders.values())
    others = [f"{kept} there already and kept"] if kept else []
    others += [f"{n} {status}" for status, n in Counter(status for _, status, _ in bad).items()]
    said = "; ".join([f"{written} files written to {readable(where)}", *others])
    notes.print(said, soft_wrap=True)
    if bad:
        raise typer.Exit(FAILED)


def _folders(given: Iterable[str], out: Path) -> dict[str, Path]:
    """Canonical condition to the folder its files go to."""
    from serkit.audio import condition_name, parse_condition

    words = [word.strip() for text in given for word in text.split(",") if word.strip()]
    if not words:
        misunderstood("--condition takes names with commas between, such as lq,telephone.")
    folders: dict[str, Path] = {}
    for word in words:
        condition, folder = parse_condition(word), out / condition_name(word)
        other = next((name for name, there in folders.items() if there == folder), condition)
        if other != condition:
            misunderstood(
                f"{other} and {condition} would both be written to {folder}; run them one at a "
                "time, each with an --out of its own."
            )
        folders[condition] = folder
    return folders


def _sources(given: Iterable[str], out: Path) -> dict[Path, Path]:
    """Relative name of the file to write, to the recording that it is made from."""
    sources: dict[Path, Path] = {}
    in_vain: list[str] = []
    for word in given:
        base, found = _found(word, out)
        if not found:
            in_vain.append(f"{word}: no recording.")
        for path in found:
            name = path.relative_to(base)
            name = name if name.suffix.lower() == ".wav" else name.with_suffix(".flac")
            other = sources.setdefault(name, path)
            if other.absolute() != path.absolute():
                misunderstood(
                    f"{other} and {path} would both be written as {name}; run them one at a time, "
                    "each with an --out of its own."
                )
    if in_vain:
        misunderstood(" ".join(in_vain))
    return sources


def _found(word: str, out: Path) -> tuple[Path, list[Path]]:
    """Recordings behind a word of the command line, and the folder that names are relative to."""
    path = Path(word).expanduser()
    if path.is_dir():
        if path.resolve() == out.resolve():
            misunderstood(f"--out {out} is the folder of the recordings; name another.")
        below = sorted(p for p in path.rglob("*") if p.suffix.lower() in MEDIA_SUFFIXES)
        return path, [p for p in below if p.is_file() and not _is_below(p, out, path)]
    if glob.has_magic(word) and not path.exists():
        fixed: list[str] = []
        for part in path.parent.parts:
            if glob.has_magic(part):
                break
            fixed.append(part)
        base = Path(*fixed)
        matching = sorted(glob.glob(str(path), recursive=True))  # noqa: PTH207 (absolute too)
        files = [Path(match) for match in matching if Path(match).is_file()]
        return base, [p for p in files if not _is_below(p, out, base)]
    return path.parent, [path]  # also one that is missing: its status says so


def _is_below(path: Path, out: Path, searched: Path) -> bool:
    """Whether a file was found only because ``out`` lies inside the folder that was searched."""
    inside = out.resolve().is_relative_to(searched.resolve())
    return inside and path.resolve().is_relative_to(out.resolve())


def _refuse_own_input(sources: Mapping[Path, Path], folders: Mapping[str, Path]) -> None:
    inputs = {path.resolve() for path in sources.values()}
    for folder in folders.values():
        for name in sources:
            if (folder / name).resolve() in inputs:
                misunderstood(
                    f"{folder / name} is one of the recordings given, and would be overwritten; "
                    "choose another --out."
                )


def _shared(folders: Mapping[str, Path], part: Literal["train", "test"]) -> list[str]:
    """What is to be said of the noises and rooms, such as that training and test share them."""
    from serkit.audio import sources

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for condition in folders:
            _ = sources(condition, part)
    return [str(warning.message) for warning in caught]


def _write_all(
    sources: Mapping[Path, Path],
    folders: Mapping[str, Path],
    part: Literal["train", "test"],
    overwrite: bool,
) -> tuple[int, int, list[tuple[str, str, str]]]:
    """Every recording in every condition: files written, files kept, and what was wrong."""
    from serkit import audio

    written = kept = 0
    bad: list[tuple[str, str, str]] = []
    with progress_of(len(sources), 1) as move:
        for done, (name, path) in enumerate(sources.items(), start=1):
            wanted = {
                condition: folder / name
                for condition, folder in folders.items()
                if overwrite or not (folder / name).exists()
            }
            kept += len(folders) - len(wanted)
            try:
                waveform = audio.read(path, sample_rate=SAMPLE_RATE) if wanted else None
            except audio.AudioError as error:
                bad.append((str(path), error.status, error.message))
                waveform = None
            if waveform is not None:
                id = name.with_suffix("").as_posix()
                for condition, target in wanted.items():
                    _write(target, audio.degrade(waveform, condition, id=id, part=part))
                    written += 1
            move(done)
    return written, kept, bad


def _write(target: Path, waveform: Any) -> None:
    """All of it or nothing: a file half written would be kept by the next run."""
    import soundfile

    from serkit.evaluation.predictions import drafted

    form = "WAV" if target.suffix.lower() == ".wav" else "FLAC"
    with drafted(target) as draft:
        # as bytes, since soundfile takes no name that is not text
        name: Any = draft if os.name == "nt" else os.fsencode(draft)
        soundfile.write(name, waveform, SAMPLE_RATE, subtype="PCM_16", format=form)
