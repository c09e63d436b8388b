"""What a command prints in the end: scores, lines, the files it wrote."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from serkit.cli.shell import new_table

if TYPE_CHECKING:
    from rich.console import Console

    from serkit.evaluation import AffectScores, Scores
    from serkit.experiment import Finished

NAMES = {
    "uar": "UAR",
    "macro_precision": "macro precision",
    "war": "WAR (accuracy)",
    "macro_f1": "macro F1",
    "weighted_f1": "weighted F1",
    "ccc_mean": "CCC, mean",
}


def show_finished(console: "Console", finished: "Finished") -> None:
    """The table of a run, and the files it wrote."""
    from serkit.evaluation import score, score_affect
    from serkit.experiment.folder import PREDICTIONS, RESULTS, complete, read_experiment

    if not finished.rows:
        console.print("No seed has all its folds yet; the same command goes on.")
        return
    described = read_experiment(finished.folder)
    seeds, folds = complete(described, finished.records)
    rows = [row for row in finished.predictions if row.seed in seeds and row.fold in folds]
    protocol = described["protocol"]
    refit = described["identity"]["refit"]
    title = f"{described['identity']['system']} on {described['corpus']['name']}, "
    title += protocol["name"] + ("" if refit == "no" else f" (refit: {refit})")
    for leak in protocol["leaks"]:
        console.print(f"LEAK ALLOWED: {leak}", style="bold red")
    if protocol["task"] == "affect":
        show_affect_scores(console, score_affect(rows), title=title)
    else:
        show_scores(console, score(rows), title=title)
    show_verification(console, finished)
    console.print(f"{protocol['labelled']}", style="italic")
    dropped = {name for record in finished.records for name in record.dropped}
    if dropped:
        console.print(f"{len(dropped)} utterances could not be used; the report names them.")
    show_written(
        console,
        {
            "predictions": finished.folder / PREDICTIONS,
            "results": finished.folder / RESULTS,
            "report": finished.report,
            "models": finished.folder,
        },
    )


def show_verification(console: "Console", finished: "Finished") -> None:
    """Equal error rates of a system that verifies, and whether it was good enough."""
    from serkit.evaluation import read_results
    from serkit.experiment.verification import VERIFICATION

    path = finished.folder / VERIFICATION
    if not path.is_file():
        return
    table = new_table("EER", "pooled over folds", "95 % over speakers", numbers=2)
    for row in read_results(path):
        if row["seed"] == "pooled":
            ends = [row["eer_low"], row["eer_high"]]
            interval = f"[{share(float(ends[0]))}, {share(float(ends[1]))}]" if all(ends) else "-"
            table.add_row(f"{row['trials']} trials", share(float(row["eer"])), interval)
    console.print(table)
    refused = sorted({record.fold for record in finished.records if record.accepted is False})
    if refused:
        console.print(
            f"NOT accepted, no better than an untrained network: fold {', '.join(refused)}",
            style="bold red",
        )


def show_written(console: "Console", files: Mapping[str, Path | None]) -> None:
    """Name the files that were written."""
    for what, path in files.items():
        if path is not None:
            console.print(f"{what:<12} {path}", markup=False, soft_wrap=True)


def show_scores(console: "Console", scores: "Scores", *, title: str) -> None:
    """UAR, accuracy, F1 with intervals; recall of each emotion."""
    from serkit.evaluation import precision, recall

    _show_figures(console, scores, title=title)

    num_seeds = len(scores.seeds)
    recalls, precisions = recall(scores.confusion), precision(scores.confusion)
    table = new_table("emotion", "recall", "precision", "utterances", numbers=3)
    for place, emotion in enumerate(scores.emotions):
        count = int(scores.confusion.counts[place].sum()) // num_seeds
        table.add_row(emotion, share(recalls[emotion]), share(precisions[emotion]), str(count))
    console.print(table)
    if scores.absent:
        console.print(f"† nobody was rated as {', '.join(scores.absent)}: averaged without")


def show_affect_scores(console: "Console", scores: "AffectScores", *, title: str) -> None:
    """Concordance, correlation and error of each dimension, with intervals."""
    _show_figures(console, scores, title=title)
    if scores.clamped_text:
        console.print(scores.clamped_text)


def _show_figures(console: "Console", scores: "Scores | AffectScores", *, title: str) -> None:
    num_seeds = len(scores.seeds)
    seeds = "1 seed" if num_seeds == 1 else f"mean ± sd of {num_seeds} seeds"
    speakers = f"{scores.num_speakers} speaker{'s' * (scores.num_speakers != 1)}"
    console.print(
        f"{title}: {scores.num_utterances} utterances, {speakers}, {seeds}",
        style="bold",
        soft_wrap=True,
    )
    columns = ("pooled over folds", "95 % over speakers", "mean ± sd over folds")
    table = new_table("figure", *columns, numbers=3)
    for metric, figure in scores.figures.items():
        name = NAMES.get(metric, metric.replace("_", " "))
        name += " (scale 0 to 1)" if metric.startswith("rmse") else ""
        table.add_row(name, figure.text, figure.interval.text, figure.fold_text)
    console.print(table)


def share(value: float) -> str:
    """A share with three decimals; ``-`` when there is none."""
    return "-" if value != value else f"{value:.3f}"  # NaN differs from itself


def show_lines(console: "Console", title: str, lines: Sequence[str], *, most: int = 20) -> None:
    """A heading and the first lines of a list."""
    if lines:
        console.print(f"{title} ({len(lines)})", style="bold")
        for line in lines[:most]:
            console.print(f"  {line}")
        if len(lines) > most:
            console.print(f"  and {len(lines) - most} more")
