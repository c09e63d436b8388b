"""``serkit enrol``: make an emotion known by a handful of recordings of it."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from serkit.cli.predict import (
    load_enrolled,
    printable,
    progress_of,
    recordings_of,
)
from serkit.cli.shell import FAILED, misunderstood, new_console, new_table

if TYPE_CHECKING:
    from serkit.predictor import Outcome, Predictor, Voices

BATCH = 16  # recordings embedded at once


def enrol(
    into: Annotated[
        Path, typer.Option("--into", metavar="FILE", help="Where they are kept, a JSON file.")
    ],
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="The emotion, in any word.")
    ] = None,
    recordings: Annotated[
        list[str] | None,
        typer.Argument(metavar="FILE|FOLDER|GLOB...", help="Three recordings of it, or more."),
    ] = None,
    from_: Annotated[
        Path | None,
        typer.Option("--from", metavar="DIR", help="Enrol each folder in it as an emotion."),
    ] = None,
    forget: Annotated[bool, typer.Option("--forget", help="Drop NAME from the file.")] = False,
    model: Annotated[
        Path | None,
        typer.Option(
            "--model",
            metavar="DIR",
            help="Folder of one model. Default: that of an earlier enrolment, else one of the "
            "newest run.",
        ),
    ] = None,
) -> None:
    """Enrol an emotion from recordings of it; without any, show what is enrolled.

    Bad recordings are listed and the others enrolled; exit code 1 if there was one.
    """
    if from_ is not None and (name is not None or forget):
        misunderstood(f"--from names the emotions after the folders in {from_}; leave NAME out.")
    if forget and (name is None or recordings):
        misunderstood("--forget takes a NAME and no recordings.")
    if name is not None and not recordings and not forget:
        misunderstood(f"name recordings of {name} after it, or several folders with --from DIR.")
    from serkit.predictor import Voices, load
    from serkit.predictor.voices import check_name, check_place

    if forget or (name is None and from_ is None):
        voices = Voices.load(into)
        if forget and name is not None:
            voices.forget(name)
            _ = voices.save(into)
        _show(voices)
        return
    one = {} if name is None else {name: recordings_of(recordings or [])}
    wanted = one if from_ is None else _folders(from_)
    for each in wanted:
        check_name(each)  # before hours of work, not after them
    check_place(into)
    if into.exists():
        listener = load_enrolled(into, model)
    else:
        listener = load(model if model is not None else _newest_model())
    outcomes = _enrol_each(listener, wanted)
    failed = [outcome for outcome in outcomes if outcome.status not in ("ok", "known")]
    if len(failed) < len(outcomes):
        # what another command enrolled there meanwhile stays
        voices = Voices.load(into) if into.exists() else Voices()
        voices.merge(listener.voices)
        _ = voices.save(into)
        _show(voices)
    _report(outcomes, failed, into)
    if failed:
        raise typer.Exit(FAILED)


def _newest_model() -> Path:
    """A model of the newest finished run below ``runs/``, or of the demo; if it may, accepted."""
    import json

    from serkit.predictor import ModelError

    places = [Path("demo"), *Path("runs").glob("*"), *Path("runs").glob("*/*")]
    finished = [place for place in places if (place / "results.csv").is_file()]
    if not finished:
        raise ModelError(
            "there is no trained system in runs/ or demo/: name one that verifies with --model "
            "DIR, or make one with 'serkit train verify_to_classify'; the recogniser that comes "
            "with serkit does not verify."
        )
    newest = max(finished, key=lambda place: (place / "results.csv").stat().st_mtime)
    configs = sorted(newest.rglob("config.json"))

    def is_refused(config: Path) -> bool:
        return json.loads(config.read_text("utf-8")).get("card", {}).get("accepted") is False

    # one, since embeddings of several cannot be compared; of folds none is better than another
    chosen = min(configs, key=is_refused, default=newest / "config.json").parent
    new_console(sys.stderr).print(
        f"with the model in {chosen}; for another: --model DIR", soft_wrap=True
    )
    return chosen


def _folders(root: Path) -> dict[str, list[Path]]:
    """Recordings of each folder in ``root``, by the folder's name."""
    inside = sorted(root.iterdir()) if root.is_dir() else []
    folders = [path for path in inside if path.is_dir() and not path.name.startswith(".")]
    if not folders:
        misunderstood(
            f"--from takes a folder that holds one folder per emotion; {root} "
            + ("holds no folder." if root.is_dir() else "is no folder.")
        )
    return {folder.name: recordings_of([str(folder)]) for folder in folders}


def _enrol_each(listener: "Predictor", wanted: dict[str, list[Path]]) -> list["Outcome"]:
    """What became of every recording; an emotion without a usable one is left out."""
    from serkit.predictor import EnrolmentError

    outcomes: list[Outcome] = []
    with progress_of(sum(map(len, wanted.values())), BATCH) as move:
        for name, paths in wanted.items():
            before = len(outcomes)
            try:
                enrolment = listener.enrol(
                    name,
                    paths,
                    batch=BATCH,
                    progress=lambda done, before=before: move(before + done),
                )
                outcomes += enrolment.outcomes
            except EnrolmentError as error:
                outcomes += error.outcomes
    return outcomes


def _show(voices: "Voices") -> None:
    """The table of what is enrolled."""
    table = new_table("emotion", "utterances", "mean cosine", "least cosine", numbers=3)
    for voice in voices:
        table.add_row(
            voice.name,
            str(len(voice.members)),
            f"{voice.mean_cosine:.3f}",
            f"{voice.least_cosine:.3f}",
        )
    new_console().print(table)


def _report(outcomes: "list[Outcome]", failed: "list[Outcome]", into: Path) -> None:
    """What was enrolled and what was not, on the error stream."""
    notes = new_console(sys.stderr)
    for outcome in failed:
        notes.print(f"{outcome.status}: {printable(outcome.message)}", soft_wrap=True)
    known = sum(outcome.status == "known" for outcome in outcomes)
    good = len(outcomes) - len(failed)
    notes.print(
        f"{good - known} of {len(outcomes)} enrolled"
        + (f"; {known} were known before" if known else "")
        + (f"; {len(failed)} could not be used" if failed else "")
        + (f"; written to {into}" if good else "; nothing was written"),
        soft_wrap=True,
    )
