"""``serkit verify``: does a recording show an enrolled emotion?"""

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from serkit.cli.predict import (
    Format,
    counted,
    doubts,
    load_enrolled,
    nearest_names,
    nearest_plain,
    nearest_text,
    printable,
    progress_of,
    readable,
    recordings_of,
    shared_doubts,
)
from serkit.cli.shell import FAILED, misunderstood, new_console, new_table

if TYPE_CHECKING:
    from serkit.predictor import Outcome

BATCH = 16  # recordings embedded at once
FIGURES = ("score", "threshold", "log_likelihood_ratio", "probability")


def verify(
    name: Annotated[str, typer.Argument(metavar="NAME", help="An enrolled emotion.")],
    recordings: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE|FOLDER|GLOB...", help="Any audio or video; folders are searched."
        ),
    ],
    voices: Annotated[
        Path, typer.Option("--voices", metavar="FILE", help="What serkit enrol wrote.")
    ],
    model: Annotated[
        Path | None,
        typer.Option("--model", metavar="DIR", help="Where the model is, if it was moved."),
    ] = None,
    far: Annotated[
        float,
        typer.Option(
            "--far",
            metavar="SHARE",
            help="False acceptance: the share of other emotions that may pass (0.01, 0.05, 0.1).",
        ),
    ] = 0.05,
    format_: Annotated[Format, typer.Option("--format", help="How it is printed.")] = Format.TABLE,
) -> None:
    """Say whether recordings show an enrolled emotion, and which examples they are likest to.

    A bad file gets a row with its status; exit code 1 if there was one. A "no" is an answer: 0.
    """
    if format_ is Format.PARQUET:
        misunderstood("--format is table, json or csv here; for Parquet: serkit predict --voices")
    paths = recordings_of(recordings)
    listener = load_enrolled(voices, model)
    failed: dict[str, int] = {}
    with progress_of(len(paths), BATCH) as move:
        tried = listener.verify_all(paths, [name], false_acceptance=far, batch=BATCH, progress=move)
        outcomes = list(counted(tried, failed))
    if format_ is Format.JSON:
        import json

        print(json.dumps([_plain(one, name) for one in outcomes], indent=1, ensure_ascii=False))
    elif format_ is Format.CSV:
        _print_csv(outcomes, name)
    else:
        _print_table(outcomes)
    yes = sum(one.best is not None for one in outcomes)
    bad = sum(failed.values())
    kinds = ", ".join(f"{count} {status}" for status, count in failed.items())
    new_console(sys.stderr).print(
        f"{yes} of {len(paths) - bad} accepted as {name} by {listener.rater}, at a false "
        f"acceptance of {far:g}" + (f"; {kinds}" if bad else ""),
        soft_wrap=True,
    )
    if bad:
        raise typer.Exit(FAILED)


def _plain(outcome: "Outcome", name: str) -> dict[str, Any]:
    """One outcome for programs; figures of a bad recording are None."""
    verdict = outcome.verdicts[0] if outcome.verdicts else None
    return {
        "file": readable(outcome.file),
        "status": outcome.status,
        "name": name,
        "accepted": verdict.accepted if verdict else None,
        **{key: round(getattr(verdict, key), 6) if verdict else None for key in FIGURES},
        "false_acceptance": verdict.false_acceptance if verdict else None,
        "num_enrolled": verdict.num_enrolled if verdict else None,
        "nearest": nearest_plain(verdict.nearest if verdict else ()),
        "duration": None if outcome.duration is None else round(outcome.duration, 3),
        "notes": list(doubts(outcome)),
        "message": outcome.message,
    }


def _print_csv(outcomes: "Iterable[Outcome]", name: str) -> None:
    import csv

    writer = csv.writer(sys.stdout, lineterminator="\n")
    for number, outcome in enumerate(outcomes):
        row = _plain(outcome, name)
        nearest = outcome.verdicts[0].nearest if outcome.verdicts else ()
        row |= {"nearest": nearest_text(nearest), "notes": "; ".join(row["notes"])}
        if number == 0:
            _ = writer.writerow(row)
        _ = writer.writerow(row.values())


def _print_table(outcomes: "Sequence[Outcome]") -> None:
    from rich.text import Text

    table = new_table("file", "", "score", "threshold", "LLR", "probability", numbers=4)
    table.add_column("nearest", overflow="fold")
    table.add_column("remarks", overflow="fold")
    shared = shared_doubts(outcomes)
    for outcome in outcomes:
        file = Text(printable(outcome.file))
        remarks = Text("; ".join(note for note in doubts(outcome) if note not in shared))
        if not outcome.verdicts:
            status = Text(outcome.status, style="red")
            table.add_row(file, status, "", "", "", "", "", Text(printable(outcome.message)))
            continue
        (verdict,) = outcome.verdicts
        table.add_row(
            file,
            Text("yes", style="green") if verdict.accepted else Text("no"),
            f"{verdict.score:.3f}",
            f"{verdict.threshold:.3f}",
            f"{verdict.log_likelihood_ratio:+.2f}",
            f"{verdict.probability:.2f}",
            Text(nearest_names(verdict.nearest)),
            remarks,
        )
    console = new_console()
    console.print(table)
    for note in shared:
        console.print(f"Note: {note}", soft_wrap=True)
