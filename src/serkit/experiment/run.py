"""An experiment: one system, one protocol, some seeds, and a folder that holds all of it.

::

    OUT/experiment.json                 what was run, on what, with which settings
    OUT/predictions.csv                 every test utterance of every finished fold and seed
    OUT/results.csv                     one row per complete seed, their mean, their ensemble
    OUT/report.html                     the same for people
    OUT/seed0/fold-NAME/config.json     the model of a fold, with model.safetensors
    OUT/seed0/fold-NAME/predictions.csv written last: the fold is finished when it is there
    OUT/seed0/fold-NAME/utterances.json who and where the test utterances are, for the report
    OUT/seed0/fold-NAME/development.csv answers to the development side, where it chose the epoch
    OUT/seed0/fold-NAME/fold.json       seconds, epochs, parameters, sizes of the sides
    OUT/seed0/fold-NAME/selection/      with ``refit="chosen"``: the run that chose the epoch

A run that was stopped goes on when it is started again: finished folds are kept, the fold that was
being trained goes on from its last complete epoch.
"""

import dataclasses
import hashlib
import importlib.metadata
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors.torch import save_file

from serkit import audio
from serkit.corpus import Corpus, Fold, Protocol, Utterance, check
from serkit.corpus.audit import equal_audio
from serkit.evaluation.page import protocol_card
from serkit.experiment.folder import (
    DEVELOPMENT,
    DURATIONS,
    EMBEDDINGS,
    EXPERIMENT,
    FACTS,
    FOLD,
    FORMAT,
    PREDICTIONS,
    ExperimentError,
    Finished,
    FoldRecord,
    fold_folder,
    gather,
    is_finished,
    read_experiment,
    recipe_name,
)
from serkit.experiment.settings import configure, system_class
from serkit.experiment.task import TASKS, Task, everyone_in
from serkit.experiment.watch import Watch
from serkit.experiment.waveforms import Waveform, Waveforms
from serkit.trainer import Example, Run, Settings, environment, fit, git_state, save
from serkit.trainer.run import write_json

Refit = Literal["no", "chosen", "full"]
"""What the test side is predicted by.

- ``"no"``: the best epoch on the development side, trained on the training side;
- ``"chosen"``: that run only says how many epochs; a fresh system with the same seed is then
  trained on training and development side together for so many;
- ``"full"``: nothing is chosen; trained once, on both sides, for all of ``settings.epochs``.

A schedule that anneals over a fixed horizon (``cosine``, ``one_cycle``) leaves no number of epochs
to be chosen, so ``"chosen"`` is then carried out as ``"full"``. A system that is not trained by
gradient has no use for a development side and is always trained ``"full"``.
"""

ANNEALED = ("cosine", "one_cycle")

HEARD_AT = 16000  # Hz, where copies are searched for


class UnknownFoldError(LookupError):
    """A fold that the protocol does not have."""

    is_usage = True


@dataclass(frozen=True, kw_only=True, slots=True)
class Experiment:
    """One system under one protocol, for some seeds.

    Example:
        >>> from serkit.corpus import load, protocol
        >>> excerpt = load("excerpt")
        >>> experiment = Experiment(
        ...     system="crnn", corpus=excerpt, protocol=protocol("excerpt-5pairs", excerpt),
        ...     out=Path("runs/example"), system_settings={"size": "small"}, refit="chosen",
        ...     settings=Settings(epochs=5, schedule="one_cycle"),
        ... )
        >>> experiment.refit_done, len(experiment.chosen_folds)
        ('full', 5)
    """

    system: str
    """Key in ``SYSTEMS``."""
    corpus: Corpus
    protocol: Protocol
    """Built on that corpus and for the system's task; its emotions become the system's."""
    out: Path
    """The folder; made, or gone on with."""
    system_settings: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Fields of the system's Config, without ``emotions``."""
    settings: Settings = field(default_factory=Settings)
    """The trainer's."""
    seeds: tuple[int, ...] = (0,)
    folds: tuple[str, ...] = ()
    """Only these folds; all when empty."""
    refit: Refit = "no"
    recipe: str = ""
    """Name of the recipe, for the rows of results."""
    changed: tuple[str, ...] = ()
    """What ``--set`` changed; marks the rows with ``+set``."""
    tensorboard: bool = False
    allow_leaks: tuple[str, ...] = ()
    """Kinds of leak (``corpus.LEAKS``) to go on with; printed on every table and figure."""

    @property
    def task(self) -> Task:
        """What the system is asked for.

        Raises:
            ExperimentError: The protocol was built for another task.
        """
        asked = system_class(self.system).task
        if asked != self.protocol.task:
            raise ExperimentError(
                f"{self.system} answers {asked}, but {self.protocol.name} was built for "
                f"{self.protocol.task}: protocol(NAME, corpus, task={asked!r})."
            )
        return TASKS[asked]

    @property
    def refit_done(self) -> Refit:
        """How ``refit`` is carried out for this system and schedule; see ``Refit``."""
        if not system_class(self.system).trained_by_gradient:
            return "full"
        if self.refit == "chosen" and self.settings.schedule in ANNEALED:
            return "full"
        return self.refit

    @property
    def chosen_folds(self) -> tuple[Fold, ...]:
        """The folds to run.

        Raises:
            UnknownFoldError: names the folds there are.
        """
        by_name = {fold.name: fold for fold in self.protocol.folds}
        for name in self.folds:
            if name not in by_name:
                raise UnknownFoldError(
                    f"{self.protocol.name} has no fold {name!r}; "
                    f"its folds are {', '.join(by_name)}."
                )
        return tuple(by_name[name] for name in dict.fromkeys(self.folds or by_name))

    def run(
        self, *, watch: Watch | None = None, after_fold: Callable[[], None] | None = None
    ) -> Finished:
        """Train and test every fold that is not finished, and write everything.

        Args:
            watch: Hears how far it is.
            after_fold: Called when another fold's predictions are on disk.

        Raises:
            ExperimentError: The folder holds another experiment, or a fold has an empty side.
            LeakError: The protocol does not keep what it claims.
        """
        watch = watch or Watch()
        folds = self.chosen_folds
        config = self.claim()
        for remark in self.task.remarks(self.protocol):
            watch.say(remark)
        todo = [
            (seed, fold)
            for seed in self.seeds
            for fold in folds
            if not is_finished(fold_folder(self.out, seed, fold.name))
        ]
        if todo:
            waveforms = Waveforms(system_class(self.system).sample_rate)
            needed = {u.id: u for _, f in todo for side in f.sides.values() for u in side}
            watch.reading(len(needed))
            waveforms.read(needed.values(), report=watch.utterance_read)
            for name, reason in waveforms.dropped.items():
                watch.say(f"dropped {name}: {reason}")
            num_folds = len(self.seeds) * len(folds)
            watch.experiment_begins(num_folds=num_folds, num_finished=num_folds - len(todo))
            for seed, fold in todo:
                _run_fold(self, config, seed, fold, waveforms, watch)
                _ = gather(self.out)
                if after_fold is not None:
                    after_fold()
        return gather(self.out, report=True)

    def claim(self) -> Any:
        """Check the protocol and write ``experiment.json``; returns the system's Config.

        Raises:
            ExperimentError: The folder holds another experiment.
            LeakError: The protocol does not keep what it claims.
        """
        names = self.task.names(self.protocol)
        config = configure(self.system, names, self.system_settings)
        leaks = check(self.protocol, allow=self.allow_leaks, read=_recording)
        described = describe(self, config, leaks)
        path = self.out / EXPERIMENT
        if path.exists():
            before = read_experiment(self.out)
            for name, value in described["identity"].items():
                if before["identity"].get(name, value) != value:  # unknown before, then not asked
                    raise ExperimentError(
                        f"{self.out} holds another experiment ({_apart(name, before, described)}): "
                        "choose another folder, or remove this one to begin anew."
                    )
            for name in ("seeds", "folds"):  # an experiment may be gone on with piece by piece
                described[name] = list(dict.fromkeys([*before[name], *described[name]]))
            described["date"] = before["date"]
        elif self.out.is_dir() and any(self.out.glob("seed*/fold-*")):
            raise ExperimentError(
                f"{self.out} holds folds but no {EXPERIMENT}, so nobody knows of what: choose "
                "another folder, or remove this one."
            )
        self.out.mkdir(parents=True, exist_ok=True)
        write_json(path, described)
        return config


# ------------------------------------------------------------------------------------- one fold


def _run_fold(
    experiment: Experiment,
    config: Any,
    seed: int,
    fold: Fold,
    waveforms: Waveforms,
    watch: Watch,
) -> None:
    """Train on one fold and predict its test side; ``predictions.csv`` appears last."""
    task = experiment.task
    names = task.names(experiment.protocol)
    refit, settings = experiment.refit_done, experiment.settings
    folder = fold_folder(experiment.out, seed, fold.name)
    sides = _kept(fold, waveforms, needs_development=refit != "full")
    everyone = _kept(fold.refit(), waveforms, needs_development=False)

    def system_for(side: Sequence[Utterance]) -> tuple[Any, float]:
        _ = torch.manual_seed(seed)  # the weights of a system before training
        system = system_class(experiment.system)(config)
        began = time.perf_counter()
        system.prepare(
            waveforms.of(side),
            task.targets(side, names),
            speakers=[utterance.speaker for utterance in side],
        )
        return system, time.perf_counter() - began

    def run_in(place: Path) -> Run:
        about = {"recipe": experiment.recipe, "fold": fold.name, "refit": refit}
        return Run(place, settings=about, tensorboard=experiment.tensorboard)

    def examples(side: Sequence[Utterance]) -> list[Example]:
        return [
            Example(waveform=waveform, emotion=emotion, id=utterance.id)
            for utterance, waveform, emotion in zip(
                side, waveforms.of(side), task.targets(side, names), strict=True
            )
        ]

    learns = system_class(experiment.system).trained_by_gradient
    trained = everyone.train if refit != "no" else sides.train
    epochs = best_epoch = 0
    seconds = 0.0  # of preparing and of epochs, also those of a process that was stopped
    development: Mapping[str, float] = {}
    system: Any = None
    runs: list[Run] = []
    if learns and refit != "full":  # choose the epoch on the development side
        watch.fold_begins(seed=seed, fold=fold.name, num_epochs=settings.epochs)
        runs.append(run_in(folder if refit == "no" else folder / "selection"))
        system, prepared = system_for(sides.train)
        history = fit(
            system,
            examples(sides.train),
            settings=settings,
            seed=seed,
            run=runs[-1],
            select=task.selector(sides.development, waveforms, names),
            report=watch.epoch_ends,
        )
        epochs, best_epoch = len(history.epochs), history.best_epoch
        development = history.epochs[best_epoch - 1].development
        seconds += prepared + sum(epoch.seconds for epoch in history.epochs)
        follow, settings = history.scores, replace(settings, epochs=best_epoch)
        chosen_by = task.answers(
            system, sides.development, waveforms, names, seed=seed, fold=fold.name
        )
        _ = task.write(folder / DEVELOPMENT, chosen_by)
    else:
        follow = ()
    if refit != "no" or not learns:  # train on everybody who is not tested
        watch.fold_begins(seed=seed, fold=fold.name, num_epochs=settings.epochs if learns else 0)
        runs.append(run_in(folder))
        system, prepared = system_for(everyone.train)
        seconds += prepared
        if learns:
            history = fit(
                system,
                examples(everyone.train),
                settings=settings,
                seed=seed,
                run=runs[-1],
                select=None,
                report=watch.epoch_ends,
                follow=follow,
            )
            epochs, best_epoch = len(history.epochs), history.best_epoch
            seconds += sum(epoch.seconds for epoch in history.epochs)

    rows = task.answers(system, sides.test, waveforms, names, seed=seed, fold=fold.name)
    record = FoldRecord(
        seed=seed,
        fold=fold.name,
        train_seconds=round(seconds, 2),
        epochs=epochs,
        best_epoch=best_epoch,
        development=development,
        parameters=num_parameters(system),
        num_train=len(trained),
        num_development=0 if refit == "full" else len(sides.development),
        num_test=len(sides.test),
        num_speakers=len({utterance.speaker for utterance in sides.test}),
        trained_on="training" if refit == "no" else "training and development",
        dropped={
            utterance.id: waveforms.dropped[utterance.id]
            for side in fold.sides.values()
            for utterance in side
            if utterance.id in waveforms.dropped
        },
        commit=commit_name(),
        date=_now(),
    )
    _ = save(system, folder, card=_card(experiment, fold, trained, record))
    write_json(folder / FOLD, record)
    durations = {name: round(value, 3) for name, value in waveforms.durations().items()}
    write_json(folder / DURATIONS, {row.file: durations[row.file] for row in rows})
    write_json(folder / FACTS, {utterance.id: _facts(utterance) for utterance in sides.test})
    if hasattr(system, "embed"):
        vectors = system.embed(waveforms.of(sides.test))
        save_file({"embedding": vectors.contiguous()}, folder / EMBEDDINGS)
    _ = task.write(folder / PREDICTIONS, rows)
    for run in runs:
        run.finish()
    watch.fold_ends(
        seed=seed,
        fold=fold.name,
        figure=task.figure,
        value=task.headline(rows),
        seconds=record.train_seconds,
    )


def _facts(utterance: Utterance) -> dict[str, Any]:
    """What the report tells of a test utterance beside its answers."""
    return {
        "path": str(utterance.path.resolve()),
        "start": utterance.start,
        "end": utterance.end,
        "sex": utterance.sex,
        "age": utterance.age,
        "language": utterance.language,
    }


def _recording(utterance: Utterance) -> tuple[Waveform, int]:
    """An utterance as the search for copies hears it."""
    path, start, end = utterance.path, utterance.start, utterance.end
    return audio.read(path, start=start, end=end, sample_rate=HEARD_AT), HEARD_AT


def _kept(fold: Fold, waveforms: Waveforms, *, needs_development: bool) -> Fold:
    """The fold without utterances that have no waveform."""
    kept = {name: tuple(waveforms.kept(side)) for name, side in fold.sides.items()}
    for name, side in kept.items():
        if not side and (name != "development" or needs_development):
            remedy = (
                "; refit='full' needs none" if name == "development" else ": mend the recordings"
            )
            raise ExperimentError(
                f"fold {fold.name}: the {name} side has no utterance that could be read{remedy}."
            )
    return replace(fold, **kept)


def num_parameters(system: Any) -> int:
    """Numbers learnt by gradient; of a classical model all numbers that it holds.

    Example:
        >>> num_parameters(torch.nn.Linear(3, 2))
        8
    """
    learnt = sum(parameter.numel() for parameter in system.parameters())
    return learnt or sum(tensor.numel() for tensor in system.state_dict().values())


def _card(
    experiment: Experiment, fold: Fold, trained: Sequence[Utterance], record: FoldRecord
) -> dict[str, Any]:
    """What goes with the weights: where they come from, and who was heard."""
    passport = experiment.corpus.passport
    return {
        "recipe": recipe_name(experiment.recipe, experiment.changed),
        "corpus": experiment.corpus.name,
        "licence": passport.licence
        if passport
        else "that of the corpus, which serkit does not know",
        "citation": passport.citation if passport else "",
        "protocol": experiment.protocol.name,
        "labelled": experiment.protocol.labelled,
        "fold": fold.name,
        "seed": record.seed,
        "trained_on": record.trained_on,
        "epochs": record.epochs,
        "speakers": sorted({utterance.speaker or "" for utterance in trained} - {""}),
        "chosen_on": sorted({utterance.speaker or "" for utterance in fold.development} - {""})
        if record.num_development
        else [],
        "date": record.date,
    }


# ------------------------------------------------------------------------------ experiment.json


def commit_name() -> str:
    """Commit of the code, with ``-dirty`` when it was changed since; empty when not a checkout."""
    state = git_state()
    if state["commit"] is None:
        return ""
    return str(state["commit"])[:12] + ("-dirty" if state["dirty"] else "")


def describe(experiment: Experiment, config: Any, leaks: Sequence[str] = ()) -> dict[str, Any]:
    """``experiment.json``: what was run, on what, with which settings."""
    corpus, protocol = experiment.corpus, experiment.protocol
    passport = corpus.passport
    members = json.dumps(
        [[f.name, *([u.id for u in side] for side in f.sides.values())] for f in protocol.folds]
    )
    everyone = everyone_in(protocol)
    labels = json.dumps(
        [
            [u.id, u.speaker, u.emotion(), u.start, u.end, *sorted(u.affect().items())]
            if protocol.task == "affect"
            else [u.id, u.speaker, u.emotion(), u.start, u.end]
            for u in sorted(everyone, key=lambda utterance: utterance.id)
        ]
    )
    return {
        "format": FORMAT,
        "serkit": importlib.metadata.version("serkit"),
        "identity": {
            "system": experiment.system,
            "config": _json(dataclasses.asdict(config)),
            "settings": _json(dataclasses.asdict(experiment.settings)),
            "corpus": corpus.name,
            "protocol": protocol.name,
            "members": hashlib.sha256(members.encode()).hexdigest(),
            "labels": hashlib.sha256(labels.encode()).hexdigest(),
            "refit": experiment.refit_done,
            "recipe": experiment.recipe,
            "set": sorted(set(experiment.changed)),
            "allow_leaks": sorted(set(experiment.allow_leaks)),
        },
        "corpus": {
            "name": corpus.name,
            "title": passport.title if passport else corpus.name,
            "licence": passport.licence if passport else "",
            "citation": passport.citation if passport else "",
            "num_utterances": len(corpus.utterances),
            "problems": list(corpus.problems),
            "duplicates": [", ".join(u.id for u in group) for group in equal_audio(everyone)],
        },
        "protocol": {
            "name": protocol.name,
            "task": protocol.task,
            "split": protocol.split,
            "leaks": list(leaks),
            "card": protocol_card(protocol),
            "remarks": list(experiment.task.remarks(protocol)),
            "emotions": list(protocol.emotions),
            "affect": list(experiment.task.names(protocol)) if protocol.task == "affect" else [],
            "independent_speaker": protocol.independent_speaker,
            "independent_sentence": protocol.independent_sentence,
            "labelled": protocol.labelled,
            "source": protocol.source,
            "dropped": list(protocol.dropped),
            "folds": [
                {
                    "name": fold.name,
                    **{name: len(side) for name, side in fold.sides.items()},
                    "test_speakers": sorted({u.speaker or "unknown" for u in fold.test}),
                    "test_sentences_heard": _sentences_heard(fold),
                }
                for fold in protocol.folds
            ],
        },
        "seeds": list(experiment.seeds),
        "folds": [fold.name for fold in experiment.chosen_folds],
        "environment": environment(),
        "command": [Path(sys.argv[0]).name.replace("__main__.py", "serkit"), *sys.argv[1:]],
        "git": git_state(),
        "date": _now(),
    }


def _sentences_heard(fold: Fold) -> int:
    """Test utterances whose sentence is also trained on, or chosen on."""
    heard = {u.sentence for u in (*fold.train, *fold.development)} - {None}
    return sum(u.sentence in heard for u in fold.test)


def _apart(name: str, before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Where two experiments differ, in words."""
    old, new = before["identity"].get(name), now["identity"][name]
    if name == "members":
        return "its folds have other utterances: the corpus has changed"
    if name == "labels":
        return "its utterances have other emotions, speakers or times: the corpus has changed"
    if isinstance(old, dict) and isinstance(new, dict):
        for key in (*new, *old):
            if old.get(key) != new.get(key):
                return f"{key} was {old.get(key)!r}, now {new.get(key)!r}"
    return f"{name} was {old!r}, now {new!r}"


def _json(value: Any) -> Any:
    """As it comes back from JSON."""
    return json.loads(json.dumps(value))


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
