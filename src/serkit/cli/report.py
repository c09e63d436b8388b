"""``serkit report``: the page of a run, written anew."""

from pathlib import Path
from typing import Annotated

import typer

from serkit.cli.shell import new_console
from serkit.cli.show import show_written


def report(run: Annotated[Path, typer.Argument(help="Folder of a run.")]) -> None:
    """Write the report of a run anew: one HTML file with its pictures inside."""
    from serkit.experiment import ExperimentError, gather

    finished = gather(run, report=True)
    if finished.report is None:
        raise ExperimentError(
            f"{run}: no seed has all its folds yet, so there is nothing to report."
        )
    show_written(new_console(), {"report": finished.report})
