"""Good and bad recordings: a model trained in one condition is heard in all of them.

``retest`` takes an experiment of any system that is trained and finished, and lets the model of
each fold answer its test side again, degraded. What a fold has learnt, enrolled or chosen stays
as it was.

::

    OUT/seed0/fold-NAME/quality/CONDITION/predictions.csv          written last
    OUT/seed0/fold-NAME/quality/CONDITION/trials-enrolled.csv.gz   of systems that verify
    OUT/seed0/fold-NAME/quality/CONDITION/trials-pairwise.csv.gz

The condition that the experiment tests in anyhow has no folder: its answers are those of the fold.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from serkit.audio import condition_name, parse_condition
from serkit.corpus import Corpus, Fold, Protocol, load, protocol
from serkit.evaluation import (
    ScoredTrial,
    read_results,
    read_scored_trials,
    score_trials,
    write_results,
    write_scored_trials,
)
from serkit.evaluation.verification_rows import TrialKind
from serkit.experiment.folder import (
    EXPERIMENT,
    PREDICTIONS,
    ExperimentError,
    Finished,
    FoldRecord,
    complete,
    facts_of,
    fold_folder,
    gather,
    read_experiment,
)
from serkit.experiment.kept import keep, restore
from serkit.experiment.labelled import Trials, read_labelled, write_labelled
from serkit.experiment.matrix import QUALITY
from serkit.experiment.run import Experiment
from serkit.experiment.settings import system_class
from serkit.experiment.study import (
    Place,
    Recipe,
    RecipeError,
    experiment_of,
    from_command_line,
    place_of,
)
from serkit.experiment.task import TASKS, Row, Task, task_of
from serkit.experiment.verification import (
    KINDS_OF_TRIALS,
    TRIALS,
    Heard,
    enrolled_scores,
    lay_out_verification,
    pairwise_scores,
    read_sides,
    write_scores,
)
from serkit.experiment.watch import ConsoleWatch, Watch, console_watch
from serkit.experiment.waveforms import Waveforms
from serkit.trainer import load as load_system
from serkit.trainer.checkpoint import CONFIG

LABELS = ("row", "train", "test")
"""Columns in front of rows, predictions and scores: what was trained, in what, and tested in."""

Labels = tuple[str, str, str]


# ----------------------------------------------------------------------- one experiment, retested


def retest(
    out: Path,
    corpus: Corpus,
    conditions: Iterable[str],
    *,
    watch: Watch | None = None,
    after_fold: Callable[[], None] | None = None,
) -> None:
    """Let the model of every finished fold answer its test side in other conditions.

    What was answered before is kept, so that a retest goes on where it was stopped. A fold whose
    model is not in its folder is named and passed over.

    Args:
        out: The folder of an experiment.
        corpus: What the experiment was run on.
        conditions: Of ``audio.degrade``, such as ``"lq"`` or ``"noise:white:10"``.
        watch: Hears how far it is.
        after_fold: Called when another fold has answered in all conditions.

    Raises:
        ExperimentError: No experiment, or the corpus is not the one it was run on.
        ConditionError: There is no such condition.
    """
    watch = watch or Watch()
    described = read_experiment(out)
    wanted = [c for c in chosen(conditions) if c != own_condition(described)]
    todo: list[tuple[FoldRecord, list[str]]] = []
    for record in gather(out).records:
        missing = [c for c in wanted if not (_answers_of(out, record, c) / PREDICTIONS).is_file()]
        if not missing:
            continue
        if (fold_folder(out, record.seed, record.fold) / CONFIG).is_file():
            todo.append((record, missing))
        else:
            watch.say(
                f"{out.name}: the model of seed {record.seed}, fold {record.fold} is not here, so "
                f"it was not tested in {', '.join(missing)}"
            )
    if not todo:
        return
    cut = _protocol_of(described, corpus)
    folds = {fold.name: fold for fold in cut.folds}
    watch.reading(sum(len(missing) * len(folds[record.fold].test) for record, missing in todo))
    for record, missing in todo:
        _retest_fold(out, record, folds[record.fold], cut, missing, watch)
        watch.say(
            f"{out.name}: seed {record.seed}, fold {record.fold} tested in {', '.join(missing)}"
        )
        if after_fold is not None:
            after_fold()


def chosen(conditions: Iterable[str]) -> list[str]:
    """Canonical names of conditions, each once.

    Raises:
        ConditionError: There is no such condition.
        ExperimentError: Two of them would share a folder.

    Example:
        >>> chosen(["high", "noise:white:5.0", "hq"])
        ['hq', 'noise:white:5']
    """
    names = list(dict.fromkeys(parse_condition(condition) for condition in conditions))
    folders: dict[str, str] = {}
    for name in names:
        other = folders.setdefault(condition_name(name), name)
        if other != name:
            raise ExperimentError(
                f"the conditions {other} and {name} would both be called {condition_name(name)}: "
                "rename one of the two folders"
            )
    return names


def own_condition(described: Mapping[str, Any]) -> str:
    """The condition in which an experiment hears its test side."""
    return parse_condition(described["identity"].get("test_quality", "hq"))


def _protocol_of(described: Mapping[str, Any], corpus: Corpus) -> Protocol:
    """The protocol of an experiment, cut anew.

    Raises:
        ExperimentError: Its folds, or the labels of their utterances, are not what they were.
    """
    before = described["protocol"]
    cut = protocol(before["name"], corpus, task=before["task"])
    if cut.split != before["split"]:
        raise ExperimentError(
            f"{before['name']} cut from {corpus.name} here has other folds or labels "
            f"(split {cut.split}) than the experiment (split {before['split']}): give the corpus "
            "that it was run on"
        )
    return cut


def _answers_of(out: Path, record: FoldRecord, condition: str) -> Path:
    return fold_folder(out, record.seed, record.fold) / QUALITY / condition_name(condition)


def _retest_fold(
    out: Path,
    record: FoldRecord,
    fold: Fold,
    cut: Protocol,
    conditions: Sequence[str],
    watch: Watch,
) -> None:
    """One fold in several conditions; ``predictions.csv`` appears last in each folder."""
    folder = fold_folder(out, record.seed, record.fold)
    system: Any = load_system(folder)
    task = TASKS[cut.task]
    trained = _trained(folder, fold)
    for condition in conditions:
        waveforms = Waveforms(system.sample_rate, quality=condition, part="test")
        waveforms.read(fold.test, report=watch.utterance_read)
        tested = waveforms.kept(fold.test)
        rows = task.answers(
            system, tested, waveforms, task.names(cut), seed=record.seed, fold=fold.name
        )
        place = _answers_of(out, record, condition)
        place.mkdir(parents=True, exist_ok=True)
        if trained is not None:
            probes = Heard.by(system, tested, waveforms)
            found = {
                "enrolled": enrolled_scores(trained, probes),
                "pairwise": pairwise_scores(probes),
            }
            write_scores(place, found, seed=record.seed, fold=record.fold)
        _ = task.write(place / PREDICTIONS, rows)


def _trained(folder: Path, fold: Fold) -> Heard | None:
    """The embeddings that emotions are enrolled from; None where the fold did not verify."""
    vectors = read_sides(folder).get("train")
    if not vectors:
        return None
    known = {utterance.id: utterance for side in fold.sides.values() for utterance in side}
    return Heard(
        tuple(known[name] for name in vectors),
        np.stack(list(vectors.values())).astype(np.float64),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Answered:
    """What the models of an experiment answered in one condition."""

    records: tuple[FoldRecord, ...]
    """The folds that did."""
    predictions: tuple[Any, ...]
    folders: tuple[Path, ...]
    """Of each record: where its answers and trials are."""

    def trials(self, kind: TrialKind) -> list[ScoredTrial]:
        """The scored trials; none unless every fold has them."""
        paths = [folder / TRIALS[kind] for folder in self.folders]
        if not all(path.is_file() for path in paths):
            return []
        return [row for path in paths for row in read_scored_trials(path)]


def answered(finished: Finished, conditions: Iterable[str]) -> dict[str, Answered]:
    """Condition to the answers that are there: of the fold itself, or of ``retest``.

    Args:
        finished: An experiment, as ``gather`` reads it.
        conditions: Which to look for; those in which no fold has answered are left out.

    Raises:
        ConditionError: There is no such condition.
    """
    described = read_experiment(finished.folder)
    task, own = task_of(described), own_condition(described)
    found: dict[str, Answered] = {}
    for condition in chosen(conditions):
        records: list[FoldRecord] = []
        folders: list[Path] = []
        for record in finished.records:
            folder = fold_folder(finished.folder, record.seed, record.fold)
            if condition != own:
                folder = _answers_of(finished.folder, record, condition)
            if (folder / PREDICTIONS).is_file():
                records.append(record)
                folders.append(folder)
        if records:
            rows = (row for folder in folders for row in task.read(folder / PREDICTIONS))
            found[condition] = Answered(
                records=tuple(records), predictions=tuple(rows), folders=tuple(folders)
            )
    return found


# ----------------------------------------------------------------------------- a study of quality


@from_command_line
def quality_study(
    file: str | Path,
    recipes: Mapping[str, Recipe],
    conditions: Sequence[str],
    *,
    results: str,
    arguments: Sequence[str] | None = None,
) -> None:
    """Train in some conditions, test in all, and write it as one table.

    ``results/<results>.csv`` has a row for each training, test condition and seed, with the columns
    of every result and: ``row``, ``train``, ``test``; where the system verifies the equal error
    rates ``eer_enrolled`` and ``eer_pairwise`` with their intervals; in pooled rows what is lost
    against matched conditions, in the headline figure and with the interval from the same draws of
    speakers: ``loss_as_trained``, against the same models tested as they were trained, and
    ``loss_as_tested``, against models trained as is tested here. Behind it stand
    ``results/predictions/<results>.csv.gz`` and, of each row of systems that verify,
    ``results/scores/<results>.<row>.enrolled.csv.gz``. Of
    pairwise trials, ten times as many, only the rates are kept.

    A training that another recipe began (its ``results`` are the same) is gone on with under that
    recipe's name. Nothing that ``results/`` holds is trained again.

    Args:
        file: ``__file__`` of the recipe; its name is the recipe's name in every row.
        recipes: Name of the row to what is trained; those that differ only in ``results`` and
            qualities are compared with each other.
        conditions: Tested in.
        results: Name of the files.
        arguments: Of the command line; those of the process when None.
    """
    tested = chosen(conditions)
    for name, recipe in recipes.items():
        if parse_condition(recipe.test_quality) not in tested:
            raise RecipeError(
                f"row {name} is tested in {recipe.test_quality}, which is none of the conditions "
                f"{', '.join(tested)}"
            )
    place = place_of(file, list(recipes.values()), arguments, names=tuple(recipes))
    study = _Study(place=place, recipes=recipes, conditions=tuple(tested), results=results)
    first = next(iter(recipes.values()))
    with console_watch().shown() as watch:
        corpus = load(first.corpus, place.corpus)
        for name in place.rows:
            watch.say(f"row {name}")
            experiment = study.experiment(name, corpus)
            study.lay_out(name, experiment, watch)

            def written() -> None:
                _ = study.write_answers(watch)

            _ = experiment.run(watch=watch, after_fold=written)
            retest(experiment.out, corpus, tested, watch=watch, after_fold=written)
        if study.write_answers(watch):
            study.write_rows(watch)
        for name in place.rows:  # whose reports were written before they were heard elsewhere
            _ = gather(place.out_of(recipes[name]), report=True)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Study:
    place: Place
    recipes: Mapping[str, Recipe]
    conditions: tuple[str, ...]
    results: str

    @property
    def task(self) -> Task:
        recipe = next(iter(self.recipes.values()))
        return TASKS[system_class(recipe.system).task]

    @property
    def table(self) -> Path:
        return self.place.predictions_of(self.results)

    def scores_of(self, name: str) -> Path:
        """A row's enrolled trials; those of all rows would be too large for one file."""
        return self.place.results / "scores" / f"{self.results}.{name}.enrolled.csv.gz"

    def experiment(self, name: str, corpus: Corpus) -> Experiment:
        """What a row trains, under the name of the recipe that began it."""
        recipe = self.recipes[name]
        out = self.place.out_of(recipe)
        experiment = experiment_of(self.place, recipe, corpus, out)
        kept = self.place.kept_of(recipe)
        begun: dict[str, Any] = {}
        if (out / EXPERIMENT).is_file():
            begun = read_experiment(out)["identity"]
        elif kept.is_file():
            begun = json.loads(kept.read_text(encoding="utf-8"))["identity"]
        return replace(experiment, recipe=begun.get("recipe", experiment.recipe))

    def lay_out(self, name: str, experiment: Experiment, watch: ConsoleWatch) -> None:
        """Give the row what ``results/`` holds of it: its folds, and what they answered."""
        recipe, out = self.recipes[name], experiment.out
        own = parse_condition(recipe.test_quality)
        answers = read_labelled(self.table, self.task, LABELS)
        scores = read_labelled(self.scores_of(name), Trials(), LABELS)
        kept = answers.get((name, recipe.train_quality, own), [])
        by_itself = self.place.predictions_of(recipe.results)
        if by_itself.is_file():  # a training of another study's
            kept = [*kept, *self.task.read(by_itself)]
        unique = {(row.seed, row.fold, row.file): row for row in kept}
        count = restore(self.place.kept_of(recipe), experiment, unique.values())
        if count:
            watch.say(f"going on after {count} folds that results/ holds")
        lay_out_verification(self.place.results, recipe.results, out)
        for record in gather(out).records if (out / EXPERIMENT).is_file() else ():
            folder = fold_folder(out, record.seed, record.fold)
            if (folder / CONFIG).is_file():  # it can answer for itself
                continue
            for condition in self.conditions:
                labels = (name, recipe.train_quality, condition)
                there = folder if condition == own else _answers_of(out, record, condition)
                trials, rows = (
                    [r for r in tables.get(labels, ()) if (r.seed, r.fold) == _key(record)]
                    for tables in (scores, answers)
                )
                if trials and not (there / TRIALS["enrolled"]).is_file():
                    _ = write_scored_trials(there / TRIALS["enrolled"], trials)
                if rows and not (there / PREDICTIONS).is_file():
                    there.mkdir(parents=True, exist_ok=True)
                    _ = self.task.write(there / PREDICTIONS, rows)

    def cells(self) -> dict[Labels, Answered]:
        """Everything that was answered."""
        found: dict[Labels, Answered] = {}
        for name, recipe in self.recipes.items():
            out = self.place.out_of(recipe)
            if (out / EXPERIMENT).is_file():
                cells = answered(gather(out), self.conditions)
                found |= {(name, recipe.train_quality, c): cell for c, cell in cells.items()}
        return found

    def write_answers(self, watch: ConsoleWatch) -> bool:
        """Predictions and scores of all finished folds; whether nothing would have been lost."""
        cells = self.cells()
        now = {(*labels, *_key(r)) for labels, cell in cells.items() for r in cell.records}
        before = read_labelled(self.table, self.task, LABELS)
        lost = {(*labels, r.seed, r.fold) for labels, rows in before.items() for r in rows} - now
        if lost:
            watch.say(
                f"{self.table.name} holds the answers of {len(lost)} folds that are not here and "
                "is left as it is; run all rows, or remove it to begin anew"
            )
            return False
        if not cells:
            return False
        parts = {labels: cell.predictions for labels, cell in cells.items()}
        _ = write_labelled(self.table, self.task, parts, LABELS)
        for name, recipe in self.recipes.items():
            own = {labels: c.trials("enrolled") for labels, c in cells.items() if labels[0] == name}
            trials = {labels: rows for labels, rows in own.items() if rows}
            if trials:
                _ = write_labelled(self.scores_of(name), Trials(), trials, LABELS)
            out = self.place.out_of(recipe)
            if (out / EXPERIMENT).is_file():
                keep(self.place.kept_of(recipe), gather(out))
        return True

    def write_rows(self, watch: ConsoleWatch) -> None:
        """``results/<results>.csv``, of complete seeds."""
        path = self.place.results / f"{self.results}.csv"
        before: dict[tuple[str, ...], Mapping[str, str]] = {}
        if path.is_file():
            before = {
                (*(row[name] for name in LABELS), row["seed"]): row for row in read_results(path)
            }
        whole: dict[Labels, tuple[Answered, set[Any], list[Any]]] = {}
        for labels, cell in self.cells().items():
            described = read_experiment(self.place.out_of(self.recipes[labels[0]]))
            seeds, _ = complete(described, cell.records, whole=True)
            if seeds:
                whole[labels] = (cell, seeds, [r for r in cell.predictions if r.seed in seeds])
        rows: list[Row] = []
        for labels, (cell, seeds, predictions) in whole.items():
            described = read_experiment(self.place.out_of(self.recipes[labels[0]]))
            records = [record for record in cell.records if record.seed in seeds]
            rates = {kind: _rates(cell.trials(kind), seeds) for kind in KINDS_OF_TRIALS}
            refused = sorted({record.fold for record in records if record.accepted is False})
            losses: Row = {}
            for against, matched in self._matched(labels).items():
                if matched in whole and matched != labels:
                    losses |= _loss(self.task, against, whole[matched][2], predictions)
            for row in self.task.result_rows(predictions, **facts_of(described, records)):
                columns: Row = {
                    "refit": described["identity"]["refit"],
                    "not_accepted": " ".join(refused),
                }
                earlier = before.get((*labels, str(row["seed"])), {})
                for kind, of_kind in rates.items():
                    names = [f"eer_{kind}{end}" for end in ("", "_low", "_high")]
                    # pairwise trials stay with the models; the rates of earlier ones are here
                    values = of_kind.get(str(row["seed"]), [earlier.get(n, "") for n in names])
                    columns |= dict(zip(names, values, strict=True))
                if row["seed"] == "pooled":
                    columns |= losses
                rows.append({**dict(zip(LABELS, labels, strict=True)), **row, **columns})
        if rows:
            _ = write_results(path, rows)
        expected = {
            (name, recipe.train_quality, condition)
            for name, recipe in self.recipes.items()
            for condition in self.conditions
        }
        missing = len(expected - whole.keys())
        if missing:
            watch.say(f"{path.name}: {missing} of {len(expected)} cells are not complete yet")

    def _matched(self, labels: Labels) -> dict[str, Labels]:
        """What a cell is compared with; see ``quality_study``."""
        name, train, test = labels
        alike = _alike(self.recipes[name])
        found = {"as_trained": (name, train, train)}
        for other, recipe in self.recipes.items():
            if _alike(recipe) == alike and recipe.train_quality == test:
                found["as_tested"] = (other, test, test)
        return found


def _alike(recipe: Recipe) -> Recipe:
    return replace(recipe, results="", train_quality="hq", test_quality="hq")


def _key(record: FoldRecord) -> tuple[int, str]:
    return record.seed, record.fold


def _rates(trials: Sequence[ScoredTrial], seeds: Iterable[int]) -> dict[str, list[Any]]:
    """Seed, and pooled, to the equal error rate and both ends of its interval."""
    found: dict[str, list[Any]] = {}
    parts = {str(seed): [row for row in trials if row.seed == seed] for seed in seeds}
    if not trials:
        return {}
    for name, rows in parts.items():
        figure = score_trials(rows).figures["eer"]
        found[name] = [figure.mean, figure.interval.low, figure.interval.high]
    if len(parts) == 1:
        found["pooled"] = next(iter(found.values()))
    else:
        figure = score_trials(row for rows in parts.values() for row in rows).figures["eer"]
        found["pooled"] = [figure.mean, figure.interval.low, figure.interval.high]
    return {
        name: ["" if value is None else round(value, 4) for value in values]
        for name, values in found.items()
    }


def _loss(task: Task, against: str, matched: Sequence[Any], crossed: Sequence[Any]) -> Row:
    """How far the headline figure falls; below 0 it rises."""
    found = task.difference(matched, crossed)
    return {
        f"loss_{against}": round(found.difference, 4),
        f"loss_{against}_low": "" if found.low is None else round(found.low, 4),
        f"loss_{against}_high": "" if found.high is None else round(found.high, 4),
    }
