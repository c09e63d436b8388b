"""``serkit report``: the page of a run, written anew."""

from pathlib import Path
from typing import Annotated

import typer

from serkit.cli.shell import new_console
from serkit.cli.show import show_written


def report(
    run: Annotated[Path, typer.Argument(help="Folder of a run.")],
    audio: Annotated[
        bool,
        typer.Option(
            "--audio/--no-audio",
            help="Put the recordings of the worst errors into the page; their licence then holds "
            "for it.",
        ),
    ] = True,
    figures: Annotated[
        Path | None,
        typer.Option(
            "--figures",
            metavar="DIR",
            help="Also write every picture as SVG and PDF, every table as CSV and LaTeX.",
        ),
    ] = None,
) -> None:
    """Write the report of a run anew: one HTML file with its pictures inside."""
    from serkit.experiment import ExperimentError, gather

    finished = gather(run, report=True, audio=audio, figures=figures)
    if finished.report is None:
        raise ExperimentError(
            f"{run}: no seed has all its folds yet, so there is nothing to report."
        )
    show_written(new_console(), {"report": finished.report, "figures": figures})
