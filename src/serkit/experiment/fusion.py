"""Late fusion of finished experiments: the mean of their probabilities, from predictions alone.

No audio and no model is needed. Every part weighs the same, since a weight would have to be chosen
on somebody, and the development speakers of a fold have no say in a run that was refitted.
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from serkit.evaluation import (
    Prediction,
    PredictionsError,
    compare_predictions,
    difference_columns,
    read_predictions,
    read_results,
    result_rows,
    write_predictions,
    write_results,
)
from serkit.evaluation.late_fusion import late_average
from serkit.evaluation.predictions import Seed
from serkit.experiment.folder import PREDICTIONS, RESULTS, ExperimentError
from serkit.experiment.labelled import read_labelled, write_labelled
from serkit.experiment.study import RecipeError, from_command_line
from serkit.experiment.task import EmotionTask, Row
from serkit.experiment.watch import console_watch

NOTE = "equal weights"
SUMMED = ("mmac_per_second", "minutes_per_fold")
"""Columns of an ablation that parts add up to."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """A finished experiment on emotions: its rows of results, and the predictions behind them."""

    name: str
    rows: tuple[Mapping[str, str], ...]
    predictions: tuple[Prediction, ...]

    @staticmethod
    def of_run(folder: Path) -> "Part":
        """From the folder of an experiment.

        Raises:
            ExperimentError: It has no complete seed, or is not about emotions.
        """
        if not (folder / RESULTS).is_file():
            raise ExperimentError(
                f"{folder} has no {RESULTS}: it is not the folder of an experiment with a complete "
                "seed; serkit train ... --out DIR makes one, or goes on with it"
            )
        rows = read_results(folder / RESULTS)
        _check_emotions(str(folder), rows)
        return Part(
            name=str(folder),
            rows=tuple(rows),
            predictions=tuple(read_predictions(folder / PREDICTIONS)),
        )

    @staticmethod
    def of_results(results: Path, name: str) -> "Part":
        """From ``results/``; of an ablation one row, whose name follows a slash.

        Raises:
            RecipeError: It is not there, or not about emotions.
        """
        file, _, row = name.partition("/")
        path = results / f"{file}.csv"
        found = read_results(path) if path.is_file() else []
        mine = tuple(line for line in found if line.get("row", "") == row)
        if not mine:
            raise RecipeError(
                f"{path} has no complete rows{f' of {row}' if row else ''}; run the recipe that "
                "writes it first"
            )
        _check_emotions(name, mine)
        table = results / "predictions" / f"{file}.csv.gz"
        predictions = (
            read_labelled(table, EmotionTask(), ["row"]).get((row,), [])
            if row
            else read_predictions(table)
        )
        return Part(name=name, rows=mine, predictions=tuple(predictions))

    @property
    def seeds(self) -> set[str]:
        """Those with all their folds."""
        return {row["seed"] for row in self.rows if row["seed"].isdecimal()}

    @property
    def complete(self) -> list[Prediction]:
        """Predictions of complete seeds."""
        return [row for row in self.predictions if str(row.seed) in self.seeds]

    def said(self, column: str) -> str:
        """What its pooled row holds; empty where there is no such column."""
        return next(row for row in self.rows if row["seed"] == "pooled").get(column, "")


def fuse(
    parts: Sequence[Part], *, recipe: str, note: str = NOTE
) -> tuple[list[Prediction], list[Row]]:
    """The mean of the probabilities of some experiments, and its rows of results.

    Beside the columns of every row stand ``fusion`` (the parts), ``note``, and on the pooled row
    its distance in UAR from the first part, with the interval from the same draws of speakers.

    Args:
        parts: Two or more, on one corpus and split.
        recipe: Name of the recipe in the rows.
        note: What the rows say of it.

    Raises:
        PredictionsError: They were not tested alike.
    """
    for column in ("corpus", "protocol", "split"):
        said = list(dict.fromkeys(part.said(column) for part in parts))
        if len(said) > 1:
            raise PredictionsError(
                f"{parts[0].name} and others were not tested alike: {column} is "
                f"{' and '.join(word or 'unknown' for word in said)}"
            )
    together = late_average([part.complete for part in parts])
    difference = compare_predictions(together, parts[0].complete)
    refits = list(dict.fromkeys(part.said("refit") for part in parts))
    sums = {
        column: round(sum(float(part.said(column)) for part in parts), 3)
        for column in SUMMED
        if all(part.said(column) for part in parts)
    }
    seconds: dict[Seed, float] = {
        int(seed): sum(_seconds(part, seed) for part in parts)
        for seed in parts[0].seeds
        if all(row["train_seconds"] for p in parts for row in p.rows if row["seed"] == seed)
    }
    commits = {word for part in parts for word in part.said("commit").split()}
    rows = result_rows(
        together,
        recipe=recipe,
        system="+".join(dict.fromkeys(part.said("system") for part in parts)),
        corpus=parts[0].said("corpus"),
        protocol=parts[0].said("protocol"),
        parameters=sum(int(part.said("parameters")) for part in parts),
        train_seconds=seconds,
        commit=" ".join(sorted(commits)),
        date=max(part.said("date") for part in parts),
        split=parts[0].said("split"),
        extra={
            "refit": " + ".join(refits),
            "fusion": " + ".join(part.name for part in parts),
            "note": note,
            **sums,
        },
    )
    distance = difference_columns(
        difference, against=parts[0].name.partition("/")[2] or parts[0].name
    )
    return together, [
        {**row, **(distance if row["seed"] == "pooled" else difference_columns())} for row in rows
    ]


@from_command_line
def fusion(
    file: str | Path,
    fusions: Mapping[str, Sequence[str]],
    *,
    note: str,
    arguments: Sequence[str] | None = None,
) -> None:
    """Write the fusions of a recipe into ``results/``, from what ``results/`` holds of their parts.

    Args:
        file: ``__file__`` of the recipe; its name is the recipe's name in every row.
        fusions: Name of the results to the names of its parts; ``NAME/ROW`` is one row of a table
            with a column ``row``.
        note: What the rows say beside that the weights are equal.
        arguments: Of the command line; those of the process when None.

    Raises:
        RecipeError: Some could not be made, after all others were.
    """
    path = Path(file).resolve()
    parser = argparse.ArgumentParser(prog=path.name, description="Fuse finished experiments.")
    _ = parser.add_argument("--results", type=Path, default=path.parents[1] / "results")
    results: Path = parser.parse_args(arguments).results
    watch = console_watch()
    done: dict[str, dict[str, tuple[list[Prediction], list[Row]]]] = {}
    failed: list[str] = []
    for name, parts in fusions.items():
        target, _, row = name.partition("/")
        try:
            made = fuse(
                [Part.of_results(results, part) for part in parts],
                recipe=path.stem,
                note=f"{NOTE}; {note}",
            )
        except (RecipeError, PredictionsError) as error:
            failed.append(name)
            watch.say(f"{name}: {error}")
            continue
        done.setdefault(target, {})[row] = made
        pooled = next(row for row in made[1] if row["seed"] == "pooled")
        watch.say(f"{name}: UAR {pooled['uar']} [{pooled['uar_low']}, {pooled['uar_high']}]")
    for target, tables in done.items():
        table = results / "predictions" / f"{target}.csv.gz"
        if "" in tables:
            _ = write_predictions(table, tables[""][0])
        else:
            labelled = {(row,): predictions for row, (predictions, _) in tables.items()}
            _ = write_labelled(table, EmotionTask(), labelled, ["row"])
        rows = [
            {**({"row": name} if name else {}), **row}
            for name, (_, of_table) in tables.items()
            for row in of_table
        ]
        _ = write_results(results / f"{target}.csv", rows)
    if failed:
        raise RecipeError(f"not made: {', '.join(failed)}")


def _check_emotions(name: str, rows: Sequence[Mapping[str, str]]) -> None:
    if "uar" not in rows[0]:
        raise ExperimentError(f"{name} is not about emotions, and only these are fused")


def _seconds(part: Part, seed: str) -> float:
    return next(float(row["train_seconds"]) for row in part.rows if row["seed"] == seed)
