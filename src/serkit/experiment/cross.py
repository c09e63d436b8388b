"""Train on each corpus, test on each: what a figure from one corpus is worth on another.

A system is trained once on each corpus and tested on all utterances of every other one; on its own
corpus it is judged under that corpus's protocol. Only emotions that the label map keeps count, so
that all cells of the matrix answer the same question. Nothing of a test corpus is used in training,
not even a mean.
"""

import argparse
import dataclasses
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from serkit.corpus import (
    Corpus,
    Protocol,
    cross_protocol,
    default_protocol,
    label_map,
    load,
    protocol,
)
from serkit.evaluation import Prediction, write_results
from serkit.evaluation.cross_figure import CrossFigure, cross_picture
from serkit.experiment.folder import (
    EXPERIMENT,
    ExperimentError,
    Finished,
    complete,
    gather,
    read_experiment,
    recipe_name,
)
from serkit.experiment.kept import CORPORA_VARIABLE, keep, restore
from serkit.experiment.labelled import read_labelled, write_labelled
from serkit.experiment.run import Experiment
from serkit.experiment.settings import system_class
from serkit.experiment.study import from_command_line
from serkit.experiment.task import TASKS, Row
from serkit.experiment.watch import Watch, console_watch
from serkit.trainer import Settings

LABELS = ("system", "train", "test")
"""Columns in front of a prediction that say which cell it belongs to."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Cell:
    """One system trained on one corpus and tested on one, the same or another."""

    system: str
    train: str
    """Name of the corpus it was trained on."""
    test: str
    """Name of the corpus it was tested on; equal to ``train`` on the diagonal."""
    protocol: str
    rows: tuple[Row, ...]
    """Rows of results: one per seed, then pooled; empty before a seed is complete."""
    predictions: tuple[Prediction, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class CrossStudy:
    """Systems times corpora times corpora.

    Example:
        >>> from serkit.corpus import load
        >>> excerpt = load("excerpt")
        >>> one, other = (
        ...     dataclasses.replace(excerpt.subset(speakers=speakers), name=name)
        ...     for name, speakers in (("a", excerpt.speakers[:5]), ("b", excerpt.speakers[5:]))
        ... )
        >>> cuts = {"a": "loso", "b": "loso"}
        >>> study = CrossStudy(
        ...     systems=("crnn",), corpora={"a": one, "b": other}, protocols=cuts
        ... )
        >>> study.shared_emotions
        ('anger', 'happiness', 'neutral', 'sadness')
    """

    systems: tuple[str, ...]
    """Keys of ``SYSTEMS`` that answer emotions."""
    corpora: Mapping[str, Corpus]
    """Name to corpus, two or more."""
    label_map: str = "four"
    """Which emotions count, and under which name."""
    protocols: Mapping[str, str] = field(default_factory=dict[str, str])
    """Corpus to the protocol of its diagonal cell; its default protocol where none is named."""
    out: Path = Path("runs/cross")
    seeds: tuple[int, ...] = (0,)
    system_settings: Mapping[str, Mapping[str, Any]] = field(
        default_factory=dict[str, Mapping[str, Any]]
    )
    """System to fields of its Config."""
    settings: Mapping[str, Settings] = field(default_factory=dict[str, Settings])
    """System to the trainer's settings."""
    recipe: str = ""
    changed: tuple[str, ...] = ()
    allow_leaks: tuple[str, ...] = ()
    """Kinds of leak to go on with, in every cell; see ``Experiment``."""

    def __post_init__(self) -> None:
        """Refuse what makes no matrix."""
        if len(self.corpora) < 2:
            raise ExperimentError(
                f"a cross-corpus matrix takes two corpora or more, not {', '.join(self.corpora)}"
            )
        for name in self.systems:
            if system_class(name).task != "emotion":
                raise ExperimentError(f"{name} does not answer emotions, so it has no cells here")
        _ = self.shared_emotions

    @property
    def shared_emotions(self) -> tuple[str, ...]:
        """The emotions of the label map, once every corpus is known to have them all.

        Raises:
            ExperimentError: A corpus lacks one; says which.
        """
        emotions = label_map(self.label_map).emotions
        for name in self.corpora:
            cut = self._diagonal(name)
            found = {u.emotion() for fold in cut.folds for u in fold.test}
            lacking = [emotion for emotion in emotions if emotion not in found]
            if lacking:
                raise ExperimentError(
                    f"{name} has no {', '.join(lacking)} under the label map {self.label_map}, so "
                    "its cells could not be compared; choose another map or leave it out"
                )
        return emotions

    def plan(self) -> list[tuple[str, tuple[str, ...], Experiment]]:
        """What is run: the training corpus, the corpora tested, and the experiment.

        For each system and corpus there is one diagonal, and one training that tests all others.
        """
        return [
            (train, tests, self._experiment(system, train, tests, *cut))
            for system in self.systems
            for train in self.corpora
            for tests, cut in self._cuts(train).items()
        ]

    def run(
        self,
        *,
        watch: Watch | None = None,
        after_fold: Callable[[], None] | None = None,
    ) -> tuple[Cell, ...]:
        """Run every experiment that is not finished; then see ``cells``.

        Args:
            watch: Hears how far it is.
            after_fold: Called when another fold's predictions are on disk.
        """
        watch = watch or Watch()
        for _, _, experiment in self.plan():
            watch.say(f"{experiment.system}, {experiment.protocol.name}")
            _ = experiment.run(watch=watch, after_fold=after_fold)
        return self.cells()

    def cells(self) -> tuple[Cell, ...]:
        """The matrix as far as it is finished: system by system, row by row."""
        found = [
            self._cell(experiment, gather(experiment.out), train, test)
            for train, tests, experiment in self.plan()
            if (experiment.out / EXPERIMENT).is_file()
            for test in tests
        ]
        order = list(self.corpora)
        return tuple(
            sorted(
                (cell for cell in found if cell.rows),
                key=lambda cell: (
                    self.systems.index(cell.system),
                    order.index(cell.train),
                    order.index(cell.test),
                ),
            )
        )

    def _diagonal(self, name: str) -> Protocol:
        corpus = self.corpora[name]
        chosen = self.protocols.get(name, default_protocol(corpus))
        return protocol(chosen, corpus, label_map=self.label_map)

    def _cuts(self, train: str) -> dict[tuple[str, ...], tuple[Protocol, Corpus]]:
        """Corpora tested to how: the training corpus by itself, all others together."""
        others = tuple(name for name in self.corpora if name != train)
        utterances = [u for name in others for u in self.corpora[name].utterances]
        together = Corpus(
            name="+".join(self.corpora[name].name for name in others),
            utterances=tuple(sorted(utterances, key=lambda utterance: utterance.id)),
        )
        both, cut = cross_protocol(self.corpora[train], together, label_map=self.label_map)
        return {
            (train,): (self._diagonal(train), self.corpora[train]),
            others: (cut, both),
        }

    def _experiment(
        self, system: str, train: str, tests: tuple[str, ...], cut: Protocol, corpus: Corpus
    ) -> Experiment:
        to = "itself" if tests == (train,) else "others"
        return Experiment(
            system=system,
            corpus=corpus,
            protocol=cut,
            out=self.out / system / f"{train}-to-{to}",
            system_settings=self.system_settings.get(system, {}),
            settings=self.settings.get(system, Settings()),
            seeds=self.seeds,
            refit="no",
            recipe=self.recipe,
            changed=self.changed,
            allow_leaks=self.allow_leaks,
        )

    def _cell(self, experiment: Experiment, finished: Finished, train: str, test: str) -> Cell:
        described = read_experiment(finished.folder)
        seeds, folds = complete(described, finished.records, whole=True)
        records = [r for r in finished.records if r.seed in seeds and r.fold in folds]
        of_test = tuple(
            row
            for row in finished.predictions
            if row.seed in seeds and row.file.startswith(f"{self.corpora[test].name}/")
        )
        name, split = experiment.protocol.name, experiment.protocol.split
        if train != test:
            _, pair = cross_protocol(
                self.corpora[train], self.corpora[test], label_map=self.label_map
            )
            name, split = pair.name, pair.split
        if self.allow_leaks:
            name = f"{name} (leaks allowed: {', '.join(sorted(self.allow_leaks))})"
        seconds: dict[int, float] = {}
        for record in records:
            seconds[record.seed] = seconds.get(record.seed, 0.0) + record.train_seconds
        rows: Sequence[Row] = ()
        if records and of_test:
            rows = TASKS["emotion"].result_rows(
                of_test,
                recipe=recipe_name(self.recipe, self.changed),
                system=experiment.system,
                corpus=self.corpora[test].name,
                protocol=name,
                parameters=max(record.parameters for record in records),
                train_seconds=seconds,
                commit=" ".join(sorted({record.commit for record in records} - {""})),
                date=max(record.date for record in records)[:10],
                split=split,
                extra={"train": train, "test": test},
            )
        return Cell(
            system=experiment.system,
            train=train,
            test=test,
            protocol=name,
            rows=tuple(rows),
            predictions=of_test,
        )


# --------------------------------------------------------------------------------- what is written


def write_cross(folder: Path, cells: Sequence[Cell], *, name: str = "cross") -> dict[str, Path]:
    """Write the matrix: rows of results, the predictions behind them, and the heat map.

    Args:
        folder: Where to.
        cells: Of ``CrossStudy.cells``, at least one.
        name: Of the files, without ending.

    Returns:
        What each file is, and where.
    """
    if not cells:
        raise ExperimentError("no cell of the matrix is finished, so there is nothing to write")
    rows = [row for cell in cells for row in cell.rows]
    files = {
        "results": write_results(folder / f"{name}.csv", rows),
        "predictions": write_labelled(
            folder / f"{name}.predictions.csv.gz",
            TASKS["emotion"],
            {(cell.system, cell.train, cell.test): cell.predictions for cell in cells},
            LABELS,
        ),
    }
    drawn = cross_picture(
        [
            CrossFigure(
                system=cell.system,
                train=cell.train,
                test=cell.test,
                value=float(cell.rows[-1]["uar"]),
                chance=1 / len(cell.predictions[0].probabilities),
            )
            for cell in cells
        ]
    )
    return files | {f"heat map ({path.suffix[1:]})": path for path in drawn.save(folder)}


@from_command_line
def cross_recipe(
    file: str | Path,
    make: Callable[[Mapping[str, Corpus]], CrossStudy],
    names: Sequence[str],
    *,
    arguments: Sequence[str] | None = None,
) -> None:
    """Run a cross-corpus recipe from the command line; goes on after what ``results/`` holds.

    Writes ``results/cross.csv``, ``results/predictions/cross.csv.gz`` and, of each finished
    training, ``results/folds/cross/``.

    Args:
        file: ``__file__`` of the recipe; its name is the recipe's name in every row.
        make: The study over the corpora that were read.
        names: Corpora to read, each in the folder of its name under ``SERKIT_CORPORA``.
        arguments: Of the command line; those of the process when None.
    """
    repository = Path(file).resolve().parents[1]
    root = Path(os.environ.get(CORPORA_VARIABLE, repository.parent / "shared" / "corpora"))
    parser = argparse.ArgumentParser(prog=Path(file).name, description=make.__doc__)
    _ = parser.add_argument("--corpora", type=Path, default=root, help="folder that holds them all")
    _ = parser.add_argument("--train", default="", help="only these training corpora")
    _ = parser.add_argument("--systems", default="", help="only these systems")
    _ = parser.add_argument("--seeds", help="such as 0,1,2 (default: the recipe's)")
    _ = parser.add_argument("--out", type=Path, default=repository / "runs")
    _ = parser.add_argument("--results", type=Path, default=repository / "results")
    given = parser.parse_args(arguments)
    study = make({name: load(name, given.corpora / name) for name in names})
    stem = Path(file).stem
    study = dataclasses.replace(study, out=given.out / stem, recipe=stem)
    if given.seeds:
        study = dataclasses.replace(study, seeds=tuple(map(int, given.seeds.split(","))))
    table = given.results / "predictions" / f"{stem}.csv.gz"
    kept_in = given.results / "folds" / stem

    def kept_of(experiment: Experiment) -> Path:
        return kept_in / f"{experiment.system}.{experiment.out.name}.json"

    def written() -> None:
        for _, _, experiment in study.plan():
            if (experiment.out / EXPERIMENT).is_file():
                finished = gather(experiment.out)
                if finished.records:
                    keep(kept_of(experiment), finished)
        cells = study.cells()
        now = {(c.system, c.train, c.test, str(r.seed)) for c in cells for r in c.predictions}
        before = read_labelled(table, TASKS["emotion"], LABELS)
        lost = {(*labels, str(r.seed)) for labels, rows in before.items() for r in rows} - now
        if cells and not lost:
            rows = {(c.system, c.train, c.test): c.predictions for c in cells}
            _ = write_labelled(table, TASKS["emotion"], rows, LABELS)
            _ = write_results(
                given.results / f"{stem}.csv", [row for cell in cells for row in cell.rows]
            )

    with console_watch().shown() as watch:
        before = read_labelled(table, TASKS["emotion"], LABELS)
        for train, tests, experiment in study.plan():
            rows = [
                row for test in tests for row in before.get((experiment.system, train, test), ())
            ]
            count = restore(kept_of(experiment), experiment, rows)
            if count:
                watch.say(f"{experiment.protocol.name}: {count} folds of results/ are kept")
        for train, _, experiment in study.plan():
            if given.train and train not in given.train.split(","):
                continue
            if given.systems and experiment.system not in given.systems.split(","):
                continue
            watch.say(f"{experiment.system}, {experiment.protocol.name}")
            _ = experiment.run(watch=watch, after_fold=written)
        written()
