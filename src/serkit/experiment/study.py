"""Recipes: the only way a number reaches ``results/``.

A recipe is a Python file under ``recipes/`` with a function ``recipe()``; its last line hands it to
``study`` (or ``ablation``), which reads the corpus, runs or goes on with the experiment, and writes
``results/<name>.csv`` and ``results/predictions/<name>.csv.gz`` anew after each fold.
"""

import argparse
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec

from serkit.corpus import AFFECT, Corpus, load, protocol
from serkit.corpus.sphere import Grid
from serkit.evaluation import difference_columns, write_results
from serkit.evaluation.sphere_figures import region_scores
from serkit.experiment.folder import (
    EXPERIMENT,
    Finished,
    complete,
    gather,
    read_experiment,
    rows_of,
)
from serkit.experiment.kept import CORPORA_VARIABLE, keep, restore
from serkit.experiment.labelled import read_labelled, write_labelled
from serkit.experiment.run import Experiment, Refit
from serkit.experiment.settings import configure, system_class
from serkit.experiment.task import TASKS, Row, Task, task_of
from serkit.experiment.verification import keep_verification, lay_out_verification
from serkit.experiment.watch import ConsoleWatch, console_watch
from serkit.trainer import Settings
from serkit.trainer.checkpoint import CONFIG

HEADLINES: Mapping[str, tuple[str, str, str]] = {
    "UAR": ("uar", "uar_low", "uar_high"),
    "CCC": ("ccc_mean", "ccc_low", "ccc_high"),
}
"""Headline figure to its columns in a row of results."""


class RecipeError(ValueError):
    """A recipe that cannot be run as asked."""


Asked = ParamSpec("Asked")


def from_command_line(run: Callable[Asked, None]) -> Callable[Asked, None]:
    """Errors written for people end a recipe file with their sentence, not with a traceback.

    Args:
        run: Takes ``arguments``; where these are given, it is called from Python and raises.
    """

    @wraps(run)
    def told(*given: Asked.args, **named: Asked.kwargs) -> None:
        try:
            run(*given, **named)
        except Exception as error:
            is_ours = type(error).__module__.partition(".")[0] == "serkit"
            if named.get("arguments") is not None or not (is_ours or isinstance(error, OSError)):
                raise
            sys.exit(f"Error: {error}")

    return told


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipe:
    """Everything that decides the rows of one study.

    Example:
        >>> Recipe(results="crnn.emodb-loso", system="crnn", corpus="emodb", protocol="emodb-loso")
        ... # doctest: +ELLIPSIS
        Recipe(results='crnn.emodb-loso', system='crnn', corpus='emodb', ...)
    """

    results: str
    """Name of the files in ``results/``, such as ``crnn.emodb-loso``."""
    system: str
    corpus: str
    protocol: str
    system_settings: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Fields of the system's Config, without ``emotions``."""
    settings: Settings = field(default_factory=Settings)
    seeds: tuple[int, ...] = (0,)
    refit: Refit = "no"
    train_quality: str = "hq"
    test_quality: str = "hq"
    also_heard: tuple[str, ...] = ()
    """Further conditions in which the training side is heard; see ``Experiment``."""
    pretrained: str = ""
    """A model folder below the folder of runs, such as ``A/seed0/fold-1``; empty for none."""
    pretrained_by: str = ""
    """What makes it, such as ``recipes/crnn_emodb.py --folds 03``; told when it is not there."""
    frozen: bool = False
    clean: bool = False


@from_command_line
def study(file: str | Path, *recipes: Recipe, arguments: Sequence[str] | None = None) -> None:
    """Run recipes from the command line and write their files, one pair for each.

    Args:
        file: ``__file__`` of the recipe; its name is the recipe's name in every row.
        recipes: What to run, in this order; several are chosen from by ``--rows``.
        arguments: Of the command line; those of the process when None.
    """
    names = tuple(recipe.results for recipe in recipes) if len(recipes) > 1 else ()
    place = place_of(file, recipes, arguments, names=names)
    with console_watch().shown() as watch:
        corpora: dict[str, Corpus] = {}
        for recipe in recipes:
            if names and recipe.results not in place.rows:
                continue
            corpus = corpora.setdefault(recipe.corpus, load(recipe.corpus, place.corpus))
            out = place.out_of(recipe)

            def written(recipe: Recipe = recipe, out: Path = out) -> None:
                _write_study(place, recipe, out, watch)

            experiment = experiment_of(place, recipe, corpus, out)
            table = place.predictions_of(recipe.results)
            kept = experiment.task.read(table) if table.is_file() else ()
            _restored(restore(place.kept_of(recipe), experiment, kept), watch)
            lay_out_verification(place.results, recipe.results, out)
            _ = experiment.run(watch=watch, after_fold=written)
            written()


@from_command_line
def ablation(
    file: str | Path,
    rows: Mapping[str, Recipe],
    *,
    results: str,
    against: Mapping[str, str],
    arguments: Sequence[str] | None = None,
) -> None:
    """Run a table of rows that differ in some settings, and write it as one file with a column.

    ``results/<results>.csv`` has the columns of every result, and ``row``, ``mmac_per_second``,
    ``minutes_per_fold``, and for pooled rows the difference of UAR to another row with its interval
    from the same draws of speakers.

    Args:
        file: ``__file__`` of the recipe.
        rows: Name of the row to what it runs, in the order of the table.
        results: Name of the two files.
        against: Row to the row it is compared with.
        arguments: Of the command line; those of the process when None.
    """
    place = place_of(file, list(rows.values()), arguments, names=tuple(rows))
    first = next(iter(rows.values()))
    with console_watch().shown() as watch:
        corpus = load(first.corpus, place.corpus)

        def written() -> None:
            _write_ablation(place, rows, results, against, watch)

        for name in place.rows:
            watch.say(f"row {name}")
            out = place.out_of(rows[name])
            experiment = experiment_of(place, rows[name], corpus, out)
            before = read_labelled(place.predictions_of(results), experiment.task, ["row"])
            kept = before.get((name,), [])
            _restored(restore(place.kept_of(rows[name]), experiment, kept), watch)
            _ = experiment.run(watch=watch, after_fold=written)
        written()


# ---------------------------------------------------------------------------- where things stand


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where a recipe reads and writes, and how much of it is asked for."""

    recipe: str
    corpus: Path | None
    results: Path
    out: Path
    seeds: tuple[int, ...]
    folds: tuple[str, ...]
    rows: tuple[str, ...]

    def out_of(self, recipe: Recipe) -> Path:
        """The folder of a recipe's experiment."""
        return self.out / recipe.results

    def predictions_of(self, results: str) -> Path:
        """The table of predictions of some results."""
        return self.results / "predictions" / f"{results}.csv.gz"

    def kept_of(self, recipe: Recipe) -> Path:
        """What is kept of a recipe's finished folds."""
        return self.results / "folds" / f"{recipe.results}.json"


def place_of(
    file: str | Path,
    recipes: Sequence[Recipe],
    arguments: Sequence[str] | None,
    *,
    names: tuple[str, ...] = (),
) -> Place:
    """Read the command line of a recipe."""
    path = Path(file).resolve()
    repository = path.parents[1]
    corpora = sorted({recipe.corpus for recipe in recipes})
    unions = all("+" in corpus for corpus in corpora)
    if len(corpora) != 1 and not unions:
        raise RecipeError(
            f"{path.name}: one recipe file reads one corpus, not {', '.join(corpora)}"
        )
    root = Path(os.environ.get(CORPORA_VARIABLE, repository.parent / "shared" / "corpora"))
    parser = argparse.ArgumentParser(
        prog=path.name, description="Run a recipe; go on where it stopped."
    )
    corpus_help = f"folder of {corpora[0]} (default: {corpora[0]}/ under ${CORPORA_VARIABLE})"
    if unions:
        corpus_help = f"folder that holds all corpora (default: ${CORPORA_VARIABLE})"
        default = root
    else:
        default = None if corpora[0] == "excerpt" else root / corpora[0]
    _ = parser.add_argument("--corpus", type=Path, help=corpus_help)
    _ = parser.add_argument("--seeds", help="such as 0,1,2 (default: the recipe's)")
    _ = parser.add_argument("--folds", default="", help="only these folds, such as 03,08")
    _ = parser.add_argument("--out", type=Path, help="folder of the runs (default: runs/)")
    _ = parser.add_argument("--results", type=Path, help="default: results/")
    if names:
        _ = parser.add_argument("--rows", default=",".join(names), help="only these rows")
    given = parser.parse_args(arguments)
    try:
        seeds = tuple(int(word) for word in given.seeds.split(",")) if given.seeds else ()
    except ValueError:
        parser.error(f"--seeds takes whole numbers with commas between, not {given.seeds!r}")
    rows = tuple(given.rows.split(",")) if names else ()
    for row in rows:
        if row not in names:
            parser.error(f"there is no row {row!r}; rows: {', '.join(names)}")
    return Place(
        recipe=path.stem,
        corpus=given.corpus or default,
        results=given.results or repository / "results",
        out=given.out or repository / "runs",
        seeds=seeds,
        folds=tuple(name for name in given.folds.split(",") if name),
        rows=rows,
    )


def experiment_of(place: Place, recipe: Recipe, corpus: Corpus, out: Path) -> Experiment:
    """The experiment that a recipe asks for, in the folder ``out``."""
    pretrained = place.out / recipe.pretrained if recipe.pretrained else None
    if pretrained is not None and recipe.pretrained_by and not (pretrained / CONFIG).is_file():
        raise RecipeError(
            f"{recipe.results} begins from {pretrained}, where there is no model; it is made by: "
            f"python {recipe.pretrained_by}"
        )
    return Experiment(
        system=recipe.system,
        corpus=corpus,
        protocol=protocol(recipe.protocol, corpus, task=system_class(recipe.system).task),
        out=out,
        system_settings=recipe.system_settings,
        settings=recipe.settings,
        seeds=place.seeds or recipe.seeds,
        folds=place.folds,
        refit=recipe.refit,
        recipe=place.recipe,
        train_quality=recipe.train_quality,
        test_quality=recipe.test_quality,
        also_heard=recipe.also_heard,
        pretrained=pretrained,
        frozen=recipe.frozen,
        clean=recipe.clean,
    )


# ------------------------------------------------------------------------------- what is written


def _write_study(place: Place, recipe: Recipe, out: Path, watch: ConsoleWatch) -> None:
    """``results/<name>.csv`` of complete seeds, and the predictions of all finished folds."""
    finished = gather(out)
    target = place.results / f"{recipe.results}.csv"
    table = place.predictions_of(recipe.results)
    described = read_experiment(out)
    task = task_of(described)
    if not finished.predictions or not _covers(task, finished.predictions, table, watch):
        return
    _ = task.write(table, finished.predictions)
    keep(place.kept_of(recipe), finished)
    keep_verification(place.results, recipe.results, described, finished)
    rows = rows_of(described, finished.records, finished.predictions, whole=True)
    if rows:
        _ = write_results(target, rows)
        pooled = next(row for row in rows if row["seed"] == "pooled")
        value, low, high = (pooled[name] for name in HEADLINES[task.figure])
        watch.say(f"{target.name}: {task.figure} {value} [{low}, {high}]")


def _covers(task: Task, now: Iterable[Any], table: Path, watch: ConsoleWatch) -> bool:
    """Whether nothing would be lost by writing over ``table``."""
    if not table.is_file():
        return True
    lost = {(r.seed, r.fold) for r in task.read(table)} - {(r.seed, r.fold) for r in now}
    if lost:
        watch.say(
            f"{table.name} holds {len(lost)} folds that are not finished here and is left as it "
            "is; remove it to begin anew"
        )
    return not lost


def _write_ablation(
    place: Place,
    rows: Mapping[str, Recipe],
    results: str,
    against: Mapping[str, str],
    watch: ConsoleWatch,
) -> None:
    """One table over all rows: results of complete seeds, predictions of all finished folds."""
    done: dict[str, Finished] = {}
    for name, recipe in rows.items():
        out = place.out_of(recipe)
        if (out / EXPERIMENT).is_file():
            finished = gather(out)
            if finished.predictions:
                done[name] = finished
    table = place.predictions_of(results)
    task = TASKS[system_class(next(iter(rows.values())).system).task]
    before = read_labelled(table, task, ["row"])
    now = {(n, str(r.seed), r.fold) for n, finished in done.items() for r in finished.predictions}
    lost = {(n, str(r.seed), r.fold) for (n,), part in before.items() for r in part} - now
    if lost:
        watch.say(
            f"{table.name} holds {len(lost)} folds of rows that are not finished here and is left "
            "as it is; remove it to begin anew"
        )
        return
    if done:
        parts = {(name,): finished.predictions for name, finished in done.items()}
        _ = write_labelled(table, task, parts, ["row"])
    for name, finished in done.items():
        keep(place.kept_of(rows[name]), finished)
    found = [
        row for name in done for row in _ablation_rows(name, rows[name], done, against.get(name))
    ]
    if found:
        _ = write_results(place.results / f"{results}.csv", found)


def _restored(count: int, watch: ConsoleWatch) -> None:
    if count:
        watch.say(f"going on after {count} folds that results/ holds")


def _ablation_rows(
    name: str, recipe: Recipe, done: Mapping[str, Finished], reference: str | None
) -> list[Row]:
    """Results of one row; the pooled one also says how far it is from ``reference``."""
    finished = done[name]
    described = read_experiment(finished.folder)
    seeds, folds = complete(described, finished.records, whole=True)
    spent = [r.train_seconds for r in finished.records if r.seed in seeds and r.fold in folds]
    if not spent:
        return []
    extra: dict[str, str | int | float] = {
        "mmac_per_second": _mmac(recipe, described),
        "minutes_per_fold": round(sum(spent) / len(spent) / 60, 2),
    }
    rows = rows_of(described, finished.records, finished.predictions, whole=True, extra=extra)
    return [
        {
            "row": name,
            **row,
            **_difference(name, row["seed"] == "pooled", done, reference),
            **_regions(recipe, described, finished, row["seed"]),
        }
        for row in rows
    ]


def _regions(recipe: Recipe, described: Mapping[str, Any], finished: Finished, seed: Any) -> Row:
    """How often the predicted affect lies in the region of the sphere that the rating lies in."""
    if set(described["protocol"].get("affect", ())) != set(AFFECT):
        return {}
    everyone = _complete_predictions(finished)
    rows = [row for row in everyone if seed == "pooled" or str(row.seed) == str(seed)]
    if not rows:  # of the ensemble of seeds
        return {"region_macro_f1": "", "region_accuracy": ""}
    figures = region_scores(rows, Grid(recipe.system_settings.get("regions", 8)), draws=1).figures
    return {
        "region_macro_f1": round(figures["macro_f1"].mean, 4),
        "region_accuracy": round(figures["war"].mean, 4),
    }


def _difference(
    name: str, is_pooled: bool, done: Mapping[str, Finished], reference: str | None
) -> Row:
    if not is_pooled or reference is None or reference not in done:
        return difference_columns()
    first, second = (_complete_predictions(done[row]) for row in (name, reference))
    if not first or not second:
        return difference_columns()
    task = task_of(read_experiment(done[name].folder))
    return difference_columns(task.difference(first, second), against=reference)


def _complete_predictions(finished: Finished) -> list[Any]:
    seeds, _ = complete(read_experiment(finished.folder), finished.records, whole=True)
    return [row for row in finished.predictions if row.seed in seeds]


def _mmac(recipe: Recipe, described: Mapping[str, Any]) -> str | float:
    """Million multiply-accumulates for a second of speech, where the system counts them."""
    count: Callable[..., int] | None = getattr(
        system_class(recipe.system), "multiply_accumulates", None
    )
    if count is None:
        return ""
    names = described["protocol"][task_of(described).field]
    return round(count(configure(recipe.system, names, recipe.system_settings)) / 1e6, 3)
