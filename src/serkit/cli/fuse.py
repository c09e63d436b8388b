"""``serkit fuse``: the mean of what several experiments answered."""

from pathlib import Path
from typing import Annotated

import typer

from serkit.cli.shell import misunderstood, new_console
from serkit.cli.show import show_scores, show_written


def fuse(
    runs: Annotated[
        list[Path], typer.Argument(metavar="RUN RUN...", help="Folders of finished experiments.")
    ],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where the fusion goes.")],
) -> None:
    """Average the probabilities of experiments that were tested alike: late fusion.

    Every one weighs the same, and neither audio nor models are needed. Writes predictions, rows of
    results and a report.
    """
    if len(runs) < 2:
        misunderstood("name two experiments or more: serkit fuse RUN RUN --out DIR")
    from serkit.evaluation import score, write_predictions, write_report, write_results
    from serkit.experiment.folder import EXPERIMENT, PREDICTIONS, REPORT, RESULTS
    from serkit.experiment.fusion import NOTE, Part
    from serkit.experiment.fusion import fuse as fused

    if (out / EXPERIMENT).exists():
        misunderstood(f"--out {out} is the folder of an experiment; name another.")
    parts = [Part.of_run(run) for run in runs]
    predictions, rows = fused(parts, recipe="fuse")
    names = " + ".join(part.name for part in parts)
    title = f"{names} on {parts[0].said('corpus')}, {parts[0].said('protocol')}"
    files = {
        "predictions": write_predictions(out / PREDICTIONS, predictions),
        "results": write_results(out / RESULTS, rows),
        "report": write_report(
            out / REPORT,
            predictions,
            title=title,
            summary={"Late fusion": f"mean of the probabilities of {names}; {NOTE}"},
            split=parts[0].said("split"),
            predictions_file=PREDICTIONS,
        ),
    }
    console = new_console()
    show_scores(console, score(predictions), title=title)
    pooled = next(row for row in rows if row["seed"] == "pooled")
    console.print(
        f"UAR, fusion minus {pooled['against']}: {pooled['difference']} "
        f"[{pooled['difference_low']}, {pooled['difference_high']}] ({pooled['verdict']})",
        markup=False,
        soft_wrap=True,
    )
    show_written(console, files)
