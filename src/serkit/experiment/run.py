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
    OUT/seed0/fold-NAME/explained.safetensors   where some answers came from, of systems that say
    OUT/seed0/fold-NAME/trials-*.csv.gz of systems that verify; see ``experiment.verification``

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

import numpy as np
import torch
from safetensors.torch import save_file

from serkit import audio
from serkit.corpus import Corpus, Fold, Protocol, Utterance, agreed, check
from serkit.corpus.audit import equal_audio
from serkit.corpus.scheme import in_order
from serkit.corpus.union import heard_passport
from serkit.evaluation.page import protocol_card
from serkit.evaluation.verification_card import verification_card
from serkit.experiment import verification
from serkit.experiment.explained import write_explanations
from serkit.experiment.folder import (
    DEVELOPMENT,
    DURATIONS,
    EMBEDDINGS,
    EXPERIMENT,
    EXPLAINED,
    FACTS,
    FOLD,
    FORMAT,
    PREDICTIONS,
    ExperimentError,
    Finished,
    FoldRecord,
    difference,
    facts_about,
    fold_folder,
    gather,
    is_finished,
    read_experiment,
    recipe_name,
)
from serkit.experiment.settings import configure, system_class
from serkit.experiment.task import TASKS, Task, everyone_in
from serkit.experiment.transfer import (
    adopt,
    begin_from_faces,
    heard_by,
    mark,
    mark_faces,
    refuse_speakers,
    take_over,
)
from serkit.experiment.watch import Watch
from serkit.experiment.waveforms import Waveform, Waveforms
from serkit.models.encoders import FROM_SCRATCH
from serkit.systems import concludes, draws_batches
from serkit.trainer import (
    Example,
    Run,
    Settings,
    environment,
    fit,
    git_state,
    hardware,
    save,
)
from serkit.trainer.checkpoint import CONFIG
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
    train_quality: str = "hq"
    """Condition (``audio.degrade``) in which training and development side are heard."""
    test_quality: str = "hq"
    """Condition in which the test side is heard."""
    also_heard: tuple[str, ...] = ()
    """Conditions in which each training utterance is heard as well, once per epoch in each."""
    pretrained: Path | None = None
    """Folder of a trained model that each fold begins from, with ``adopt``."""
    frozen: bool = False
    """Leave what was pre-trained as it is; only what needs no gradient is learnt."""
    clean: bool = False
    """Neither train on nor choose by utterances that people hear no one emotion in."""

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
        if self.frozen:
            return "no"
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
        chosen = tuple(by_name[name] for name in dict.fromkeys(self.folds or by_name))
        if not self.clean:
            return chosen
        return tuple(
            replace(
                fold,
                train=tuple(filter(agreed, fold.train)),
                development=tuple(filter(agreed, fold.development)),
            )
            for fold in chosen
        )

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
        for remark in self.task.remarks(self.protocol):
            watch.say(remark)
        config = self.claim()
        for doubt in doubts(self, config):
            watch.say(doubt)
        todo = [
            (seed, fold)
            for seed in self.seeds
            for fold in folds
            if not is_finished(fold_folder(self.out, seed, fold.name))
        ]
        if todo:
            waveforms = self._read([fold for _, fold in todo], watch)
            num_folds = len(self.seeds) * len(folds)
            watch.experiment_begins(num_folds=num_folds, num_finished=num_folds - len(todo))
            for seed, fold in todo:
                _run_fold(self, config, seed, fold, waveforms, watch)
                _ = gather(self.out)
                if after_fold is not None:
                    after_fold()
        return gather(self.out, report=True)

    def _check_beginning(self, config: Any) -> None:
        """Before anything is written: is there what training begins from, and may it be?"""
        faces, freeze = getattr(config, "face_weights", ""), getattr(config, "freeze", "none")
        if faces and self.pretrained is not None:
            raise ExperimentError(
                f"a network begins from face_weights={faces} or from {self.pretrained}, not both."
            )
        if freeze != "none" and not faces and self.pretrained is None:
            raise ExperimentError(
                f"freeze={freeze} keeps what was learnt before: name it with --pretrained MODEL, "
                "or with --set face_weights=FILE."
            )
        if faces:
            begin_from_faces(system_class(self.system)(config), Path(faces))
        if self.pretrained is not None:
            for fold in self.chosen_folds:
                refuse_speakers(self.pretrained, fold, allow=self.allow_leaks)
            take_over(system_class(self.system)(config), self.pretrained)

    def _check_batches(self, config: Any, names: Sequence[str]) -> None:
        """Before the first fold is paid for: can every one be trained on in batches?"""
        if self.frozen or not hasattr(system_class(self.system), "batches"):
            return
        system = system_class(self.system)(config)
        if not draws_batches(system):
            return
        for fold in self.chosen_folds:
            side = fold.refit().train if self.refit_done == "full" else fold.train
            try:
                _ = system.batches(
                    _classes(system, side, self.task.targets(side, names)),
                    speakers=[utterance.speaker for utterance in side],
                    generator=np.random.default_rng(0),
                )
            except ValueError as error:
                raise ExperimentError(f"fold {fold.name} cannot be trained on: {error}") from error

    def _read(self, folds: Sequence[Fold], watch: Watch) -> dict[str, Waveforms]:
        """The waveforms of each side, in its quality, and those ``also_heard``, by condition."""
        rate = system_class(self.system).sample_rate
        learnt = Waveforms(rate, quality=self.train_quality, part="train")
        tested = learnt
        if {self.train_quality, self.test_quality} != {"hq"}:
            tested = Waveforms(rate, quality=self.test_quality, part="test")
        by_side = {"train": learnt, "development": learnt, "test": tested}
        again = {name: Waveforms(rate, quality=name, part="train") for name in self.also_heard}
        needed: dict[int, tuple[Waveforms, dict[str, Utterance]]] = {}
        for fold in folds:
            sides = fold.sides | dict.fromkeys(again, fold.refit().train)
            for name, side in sides.items():
                waveforms = (by_side | again)[name]
                of_side = needed.setdefault(id(waveforms), (waveforms, {}))[1]
                of_side.update({utterance.id: utterance for utterance in side})
        watch.reading(sum(len(utterances) for _, utterances in needed.values()))
        for waveforms, utterances in needed.values():
            waveforms.read(utterances.values(), report=watch.utterance_read)
        for name, reason in (learnt.dropped | tested.dropped).items():
            watch.say(f"dropped {name}: {reason}")
        return by_side | again

    def claim(self) -> Any:
        """Check the protocol and write ``experiment.json``; returns the system's Config.

        Raises:
            ExperimentError: The folder holds another experiment, or the pre-trained model does not
                fit.
            LeakError: The protocol does not keep what it claims, or the pre-trained model has heard
                a tested speaker.
        """
        names = self.task.names(self.protocol)
        settings = dict(self.system_settings)
        if settings.get("auxiliary") == "emotion" and "emotions" not in settings:
            known = (utterance.emotion() for utterance in everyone_in(self.protocol))
            settings["emotions"] = in_order(
                emotion for emotion in known if emotion not in (None, "other", "no_agreement")
            )
            if len(settings["emotions"]) < 2:
                raise ExperimentError(
                    "auxiliary=emotion tells emotions apart, but the utterances of "
                    f"{self.protocol.name} have {', '.join(settings['emotions']) or 'none'}: "
                    "choose region or none."
                )
        config = configure(self.system, names, settings)
        if self.frozen and not concludes(system_class(self.system)(config)):
            raise ExperimentError(
                f"{self.system} learns everything by gradient, so with --frozen it would learn "
                "nothing; leave it out, and the pre-trained weights go on learning."
            )
        if self.frozen and getattr(config, "classifier", "") == "network":
            raise ExperimentError(
                "a frozen network has no softmax of its own: choose another classifier, such as "
                "--set classifier=svm_rbf."
            )
        self._check_beginning(config)
        self._check_batches(config, names)
        leaks = check(self.protocol, allow=self.allow_leaks, read=_recording)
        described = describe(self, config, leaks)
        path = self.out / EXPERIMENT
        if path.exists():
            before = read_experiment(self.out)
            apart = difference(before["identity"], described["identity"])
            if apart:
                raise ExperimentError(
                    f"{self.out} holds another experiment ({apart}): "
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
    waveforms: Mapping[str, Waveforms],
    watch: Watch,
) -> None:
    """Train on one fold and predict its test side; ``predictions.csv`` appears last."""
    task = experiment.task
    names = task.names(experiment.protocol)
    refit, settings = experiment.refit_done, experiment.settings
    folder = fold_folder(experiment.out, seed, fold.name)
    sides = _kept(fold, waveforms, needs_development=refit != "full")
    everyone = _kept(fold.refit(), waveforms, needs_development=False)
    learnt, tested = waveforms["train"], waveforms["test"]
    verifies = getattr(system_class(experiment.system), "accepted_by", "") == "eer"

    def system_for(side: Sequence[Utterance]) -> tuple[Any, float]:
        _ = torch.manual_seed(seed)  # the weights of a system before training
        system = system_class(experiment.system)(config)
        began = time.perf_counter()
        system.prepare(
            learnt.of(side),
            _targets(system, side, task.targets(side, names)),
            speakers=[utterance.speaker for utterance in side],
        )
        if getattr(config, "face_weights", ""):
            begin_from_faces(system, Path(config.face_weights))
        if experiment.pretrained is not None:
            adopt(
                system,
                experiment.pretrained,
                fold,
                digests=tested.digests,
                allow=experiment.allow_leaks,
            )
        _check_ears(experiment, system)
        return system, time.perf_counter() - began

    def run_in(place: Path) -> Run:
        about = {"recipe": experiment.recipe, "fold": fold.name, "refit": refit}
        return Run(place, settings=about, tensorboard=experiment.tensorboard)

    def examples(system: Any, side: Sequence[Utterance]) -> list[Example]:
        targets = task.targets(side, names)
        if system.task == "affect":
            emotions = getattr(system.config, "emotions", ())
            learns: list[dict[str, Any]] = [
                {"affect": target, "emotion": _place(utterance, emotions)}
                for utterance, target in zip(side, targets, strict=True)
            ]
        else:
            learns = [{"emotion": number} for number in _classes(system, side, targets)]
        return [
            Example(waveform=waveform, id=utterance.id, speaker=utterance.speaker, **target)
            for heard in (learnt, *(waveforms[name] for name in experiment.also_heard))
            for utterance, waveform, target in zip(side, heard.of(side), learns, strict=True)
        ]

    learns = system_class(experiment.system).trained_by_gradient and not experiment.frozen
    planned = settings.epochs
    trained = everyone.train if refit != "no" else sides.train
    epochs = best_epoch = 0
    seconds = 0.0  # of preparing and of epochs, also those of a process that was stopped
    development: Mapping[str, float] = {}
    accepted: bool | None = None
    system: Any = None
    runs: list[Run] = []
    if learns and refit != "full":  # choose the epoch on the development side
        watch.fold_begins(seed=seed, fold=fold.name, num_epochs=settings.epochs)
        runs.append(run_in(folder if refit == "no" else folder / "selection"))
        system, prepared = system_for(sides.train)
        if verifies:
            select = verification.selector(sides.train, sides.development, learnt)
            untrained = select(system)["eer"]
        else:
            select, untrained = task.selector(sides.development, learnt, names), None
        history = fit(
            system,
            examples(system, sides.train),
            settings=settings,
            seed=seed,
            run=runs[-1],
            select=select,
            report=watch.epoch_ends,
        )
        epochs, best_epoch = len(history.epochs), history.best_epoch
        development = dict(history.epochs[best_epoch - 1].development)
        if untrained is not None:
            development["untrained_eer"] = untrained
            accepted = development["eer"] < verification.ACCEPTED_BELOW * untrained
        if not concludes(system):  # which may learn from the development side
            chosen_by = task.answers(
                system, sides.development, learnt, names, seed=seed, fold=fold.name
            )
            _ = task.write(folder / DEVELOPMENT, chosen_by)
        seconds += prepared + sum(epoch.seconds for epoch in history.epochs)
        follow, settings = history.scores, replace(settings, epochs=best_epoch)
    else:
        follow = ()
    if experiment.frozen:
        watch.fold_begins(seed=seed, fold=fold.name, num_epochs=0)
        runs.append(run_in(folder))
        system, seconds = system_for(sides.train)
    elif refit != "no":  # train on everybody who is not tested
        watch.fold_begins(seed=seed, fold=fold.name, num_epochs=settings.epochs if learns else 0)
        runs.append(run_in(folder))
        system, prepared = system_for(everyone.train)
        seconds += prepared
        if learns:
            history = fit(
                system,
                examples(system, everyone.train),
                settings=settings,
                seed=seed,
                run=runs[-1],
                select=None,
                report=watch.epoch_ends,
                follow=follow,
                planned=planned,
            )
            epochs, best_epoch = len(history.epochs), history.best_epoch
            seconds += sum(epoch.seconds for epoch in history.epochs)

    # what is learnt without gradient from what the network has learnt
    held_out = sides.development if refit == "no" else ()
    if concludes(system):
        began = time.perf_counter()
        _ = system.conclude(
            learnt.of(trained),
            task.targets(trained, names),
            development=(learnt.of(held_out), task.targets(held_out, names)) if held_out else None,
            speakers=[utterance.speaker for utterance in trained],
            seed=seed,
        )
        seconds += time.perf_counter() - began

    rows = task.answers(system, sides.test, tested, names, seed=seed, fold=fold.name)
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
            utterance.id: waveforms[name].dropped[utterance.id]
            for name, side in fold.sides.items()
            for utterance in side
            if utterance.id in waveforms[name].dropped
        },
        accepted=accepted,
        commit=commit_name(),
        date=_now(),
        hardware=hardware(next((p.device for p in system.parameters()), torch.device("cpu"))),
    )
    card = _card(experiment, config, fold, trained, record)
    card["recordings"] = sorted({learnt.digests[u.id] for u in (*trained, *held_out)})
    embeds = hasattr(system, "embed")
    enrols = embeds and system.task == "emotion"
    parts = {
        "train": (trained, learnt),
        "development": (held_out, learnt),
        "test": (sides.test, tested),
    }
    needed = parts if verifies else ["development"] if enrols and held_out else []
    heard = {name: verification.Heard.by(system, *parts[name]) for name in needed}
    if enrols and held_out:
        found = verification_card(heard["development"].embeddings, held_out)
        card["verification"] = {**found, "accepted": record.accepted} if found else {}
    if verifies:
        verification.write_trials(folder, heard, seed=seed, fold=fold.name)
        verification.write_backends(folder, heard, emotions=names, seed=seed, fold=fold.name)
    _ = save(system, folder, card=card)
    write_json(folder / FOLD, record)
    durations = {name: round(value, 3) for name, value in tested.durations().items()}
    write_json(folder / DURATIONS, {row.file: durations[row.file] for row in rows})
    write_json(folder / FACTS, {utterance.id: facts_about(utterance) for utterance in sides.test})
    if embeds and not verifies:
        vectors = system.embed(tested.of(sides.test))
        save_file({"embedding": vectors.contiguous()}, folder / EMBEDDINGS)
    if hasattr(system, "explain"):
        by_id = {utterance.id: utterance for utterance in sides.test}
        write_explanations(
            folder / EXPLAINED, system, rows, lambda name: tested.of([by_id[name]])[0]
        )
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


def _check_ears(experiment: Experiment, system: Any) -> None:
    """Refuse to go on where finished folds hear by another encoder, or by other weights of it."""
    own = _json(system.front_end())
    for path in sorted(experiment.out.glob(f"seed*/fold-*/{CONFIG}")):
        theirs = json.loads(path.read_text(encoding="utf-8"))["front_end"]
        apart = [name for name in {**own, **theirs} if own.get(name) != theirs.get(name)]
        if apart:
            raise ExperimentError(
                f"{path.parent} hears by another encoder ({apart[0]} is {theirs.get(apart[0])!r} "
                f"there and {own.get(apart[0])!r} now): choose another folder for this run."
            )


def doubts(experiment: Experiment, config: Any) -> list[str]:
    """What is allowed, and probably not meant."""
    said: list[str] = []
    encoder = getattr(config, "encoder", None)
    usual = 1e-5 if getattr(config, "tune", "full") == "full" else 1e-4
    if encoder not in (None, *FROM_SCRATCH) and experiment.settings.lr >= 5 * usual:
        said.append(
            f"lr={experiment.settings.lr:g} is for an encoder from scratch; pre-trained ones are "
            f"usually tuned at about {usual:g} (--set lr={usual:g}), at a constant rate."
        )
    whole = {fold.name: fold for fold in experiment.protocol.folds}
    if experiment.clean and all(
        fold.train == whole[fold.name].train for fold in experiment.chosen_folds
    ):
        said.append("clean leaves nothing out: no utterance is known to be in dispute.")
    return said


def _classes(system: Any, side: Sequence[Utterance], targets: Sequence[Any]) -> list[Any]:
    """What a system tells apart in training: emotions, or classes of its own."""
    if not hasattr(system, "class_of"):
        return list(targets)
    return [system.class_of(target, u.sex) for target, u in zip(targets, side, strict=True)]


def _targets(system: Any, side: Sequence[Utterance], targets: Sequence[Any]) -> list[Any]:
    """What ``prepare`` is told: places of emotions, or values and then 1 for the emotion."""
    emotions = getattr(system.config, "emotions", ())
    if system.task != "affect" or not emotions:
        return list(targets)
    places = [_place(utterance, emotions) for utterance in side]
    return [
        (*values, *(float(index == place) for index in range(len(emotions))))
        for values, place in zip(targets, places, strict=True)
    ]


def _place(utterance: Utterance, emotions: Sequence[str]) -> int:
    """Of its emotion; -1 where it has none of these."""
    emotion = utterance.emotion()
    return emotions.index(emotion) if emotion in emotions else -1


def _recording(utterance: Utterance) -> tuple[Waveform, int]:
    """An utterance as the search for copies hears it."""
    path, start, end = utterance.path, utterance.start, utterance.end
    return audio.read(path, start=start, end=end, sample_rate=HEARD_AT), HEARD_AT


def _kept(fold: Fold, waveforms: Mapping[str, Waveforms], *, needs_development: bool) -> Fold:
    """The fold without utterances that have no waveform."""
    kept = {name: tuple(waveforms[name].kept(side)) for name, side in fold.sides.items()}
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


def origin(experiment: Experiment, config: Any) -> str:
    """The fingerprint of what training begins from; empty where it begins from nothing."""
    faces = getattr(config, "face_weights", "")
    return mark_faces(Path(faces)) if faces else mark(experiment.pretrained)


def _card(
    experiment: Experiment,
    config: Any,
    fold: Fold,
    trained: Sequence[Utterance],
    record: FoldRecord,
) -> dict[str, Any]:
    """What goes with the weights: where they come from, and who was heard."""
    passport, corpus = heard_passport(experiment.corpus.passport, trained), experiment.corpus.name
    if passport is not None and passport is not experiment.corpus.passport:
        corpus = passport.name
    return {
        "recipe": recipe_name(experiment.recipe, experiment.changed),
        "corpus": corpus,
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
        "accepted": record.accepted,
        "train_quality": experiment.train_quality,
        "also_heard": list(experiment.also_heard),
        "affect_scale": experiment.corpus.affect_scale,
        "pretrained": origin(experiment, config),
        "heard_before": heard_by(experiment.pretrained),
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
            "train_quality": experiment.train_quality,
            "test_quality": experiment.test_quality,
            "also_heard": list(experiment.also_heard),
            "pretrained": origin(experiment, config),
            "frozen": experiment.frozen,
            "clean": experiment.clean,
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


def _json(value: Any) -> Any:
    """As it comes back from JSON."""
    return json.loads(json.dumps(value))


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
