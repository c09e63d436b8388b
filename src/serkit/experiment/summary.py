"""The report of an experiment: what its folder holds, put into the words of the page."""

import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import soundfile
from safetensors.torch import load_file

from serkit import audio as audio_room
from serkit.corpus import Utterance
from serkit.evaluation import Prediction, doubts, groups_of, read_predictions
from serkit.evaluation.affect_report import write_affect_report
from serkit.evaluation.explanation_picture import Explained
from serkit.evaluation.figures import LearningCurve
from serkit.evaluation.report import read_learning_curve, write_report
from serkit.evaluation.verification_report import VerificationEvidence
from serkit.experiment.explained import read_explanations
from serkit.experiment.folder import (
    DEVELOPMENT,
    DURATIONS,
    EMBEDDINGS,
    EXPLAINED,
    FACTS,
    PREDICTIONS,
    REPORT,
    FoldRecord,
    complete,
    fold_folder,
    recipe_name,
    utterance_from,
)
from serkit.experiment.matrix import matrix
from serkit.experiment.task import task_of
from serkit.experiment.verification import evidence
from serkit.systems import SYSTEMS

SOUND_RATE = 16000  # Hz, of the recordings in a page

REFIT_WORDS = {
    "no": "trained on the training side; the epoch with the best {} on the development side",
    "chosen": "refitted: trained anew on training and development side for as many epochs as had "
    "the best {} on the development side",
    "full": "trained once on training and development side together; nothing was chosen on either",
}
"""How a test side was predicted, for people; the keys are those of ``Refit``."""


def report_of(
    out: Path,
    described: Mapping[str, Any],
    records: Sequence[FoldRecord],
    predictions: Sequence[Any],
    *,
    audio: bool = True,
    figures: Path | None = None,
) -> Path:
    """Write ``report.html`` from complete seeds and what ``experiment.json`` says.

    Args:
        out: The experiment's folder.
        described: ``experiment.json``.
        records: The finished folds.
        predictions: Of all finished folds.
        audio: Put the recordings of the worst errors into the page.
        figures: Folder for pictures as SVG and PDF and tables as CSV and LaTeX; None writes none.
    """
    seeds, folds = complete(described, records)
    records = [record for record in records if record.seed in seeds and record.fold in folds]
    identity, protocol, corpus = described["identity"], described["protocol"], described["corpus"]
    utterances = _utterances(out, records)
    rows = [row for row in predictions if row.seed in seeds and row.fold in folds]
    verified, enrolled = evidence(out, described, records)
    common: dict[str, Any] = {
        "title": f"{identity['system']} on {corpus['name']}, {protocol['name']}",
        "summary": _summary(described, records),
        "protocol_card": protocol["card"],
        "split": protocol["split"],
        "leaks": protocol["leaks"],
        "curves": [curve for record in records for curve in _curves(out, record)],
        "groups": {
            by: groups
            for by in ("sex", "age", "language")
            if len(set((groups := groups_of(utterances, by)).values())) > 1
        },
        "embeddings": _embeddings(out, records),
        "sounds": {u.id: _sound(u) for u in (*enrolled, *utterances) if u.path.is_file()},
        "audio": audio,
        "fold_facts": _fold_facts(protocol, records),
        "dropped": [
            *protocol["dropped"],
            *sorted({f"{name}: {why}" for r in records for name, why in r.dropped.items()}),
        ],
        "duplicates": corpus["duplicates"],
        "audit": corpus["problems"],
        "settings": {
            "system": identity["system"],
            **identity["config"],
            "trainer": identity["settings"],
            "set by hand": identity["set"] or "nothing",
        },
        "environment": {
            **described["environment"],
            "serkit": described["serkit"],
            "git": described["git"],
            "date": described["date"],
        },
        "command": " ".join(described["command"]),
        "predictions_file": PREDICTIONS,
        "figures_folder": figures,
    }
    notes = notes_of(described, len(folds), seeds)
    if identity["refit"] == "chosen":
        common["audit"] = [
            *common["audit"],
            "Temperatures were fitted on answers of the system that chose the epoch, before it was "
            "trained anew.",
        ]
    if protocol["task"] == "affect":
        annotators = {u.id: {r.rater: r.affect for r in u.ratings if r.affect} for u in utterances}
        return write_affect_report(out / REPORT, rows, notes=notes, annotators=annotators, **common)
    heard, tried = matrix(out, described, records)
    if heard:
        verified = replace(verified or VerificationEvidence(), quality=heard, quality_trials=tried)
    return write_report(
        out / REPORT,
        rows,
        notes=[*notes, *doubts(rows)],
        durations=_durations(out, records),
        development=_development(out, records),
        verification=verified,
        **_explained(out, records),
        **common,
    )


def _summary(described: Mapping[str, Any], records: Sequence[FoldRecord]) -> dict[str, str]:
    identity, protocol, corpus = described["identity"], described["protocol"], described["corpus"]
    shared = sum(fold["test_sentences_heard"] for fold in protocol["folds"])
    tested = sum(fold["test"] for fold in protocol["folds"])
    words = {
        "System": f"{identity['system']}, {records[0].parameters:,} parameters",
        "Recipe": recipe_name(identity["recipe"], identity["set"]),
        "Corpus": f"{corpus['title']} ({corpus['num_utterances']} utterances)",
        "Licence": corpus["licence"] or "that of the corpus; serkit does not know it",
        "Citation": corpus["citation"],
        "Sentences": ""
        if protocol["independent_sentence"]
        else f"{shared} of {tested} test utterances say a sentence that also occurs in training",
        "Training": _training_words(described),
        "Time": f"{sum(record.train_seconds for record in records) / 60:.1f} minutes of training",
    }
    return {name: text for name, text in words.items() if text}


def _training_words(described: Mapping[str, Any]) -> str:
    """How the systems of an experiment were trained."""
    identity = described["identity"]
    system = SYSTEMS.get(identity["system"])
    verifies = getattr(system, "accepted_by", "") == "eer"
    words = REFIT_WORDS[identity["refit"]].format(
        "equal error rate" if verifies else task_of(described).figure
    )
    if identity.get("frozen"):
        words = "the pre-trained network stayed as it was"
    if "classifier" in identity["config"] and identity["refit"] == "no":
        words += "; the classifier on its embeddings of training and development side"
    return words


def notes_of(described: Mapping[str, Any], num_folds: int, seeds: set[int]) -> list[str]:
    """What a reader must know before the figures of an experiment."""
    protocol, notes = described["protocol"], list[str]()
    if described["corpus"]["name"] == "excerpt":
        notes.append(
            "An excerpt this small shows the machinery, not the state of the art: its figures say "
            "nothing about what a system can do."
        )
    if described["identity"]["set"]:
        notes.append(
            f"Settings were changed by hand ({', '.join(described['identity']['set'])}); numbers "
            "for a table come from a recipe."
        )
    if num_folds < len(protocol["folds"]):
        notes.append(f"Only {num_folds} of {len(protocol['folds'])} folds were run.")
    if not protocol["independent_speaker"]:
        notes.append(f"No independence of speakers is claimed: {protocol['labelled']}.")
    notes += protocol.get("remarks", [])  # folders from before there were remarks have none
    identity = described["identity"]
    qualities = {identity.get(f"{side}_quality", "hq") for side in ("train", "test")}
    if qualities != {"hq"}:
        notes.append(
            f"Trained on recordings in quality {identity['train_quality']}, tested in quality "
            f"{identity['test_quality']}."
        )
    if identity.get("also_heard"):
        notes.append(f"Each training utterance also in {', '.join(identity['also_heard'])}.")
    if identity.get("pretrained"):
        kept = ", which stayed as it was" if identity["frozen"] else ""
        notes.append(f"Begun from a model trained before ({identity['pretrained']}){kept}.")
    if identity.get("clean"):
        notes.append(
            "Utterances that people hear no one emotion in were left out of training and of the "
            "choice of the epoch; they are tested."
        )
    unfinished = sorted(set(described["seeds"]) - seeds)
    if unfinished:
        notes.append(f"Seeds not finished and left out: {', '.join(map(str, unfinished))}.")
    return notes


def _curves(out: Path, record: FoldRecord) -> list[LearningCurve]:
    """The run that chose the epoch, or else the only one; none for a classical model."""
    folder = fold_folder(out, record.seed, record.fold)
    for path in (folder / "selection" / "history.json", folder / "history.json"):
        if path.is_file():
            return [read_learning_curve(path, seed=record.seed, fold=record.fold)]
    return []


def _durations(out: Path, records: Sequence[FoldRecord]) -> dict[str, float]:
    found: dict[str, float] = {}
    for record in records:
        path = fold_folder(out, record.seed, record.fold) / DURATIONS
        found.update(json.loads(path.read_text(encoding="utf-8")))
    return found


def _utterances(out: Path, records: Sequence[FoldRecord]) -> list[Utterance]:
    """The test utterances, as far as the folds say who and where they are."""
    found: dict[str, Utterance] = {}
    for record in records:
        path = fold_folder(out, record.seed, record.fold) / FACTS
        if path.is_file():
            for name, facts in json.loads(path.read_text(encoding="utf-8")).items():
                found[name] = utterance_from(name, facts)
    return list(found.values())


def _embeddings(out: Path, records: Sequence[FoldRecord]) -> dict[str, list[float]]:
    """The vectors of one seed's test utterances, each from the system of its fold."""
    found: dict[str, list[float]] = {}
    first = min(record.seed for record in records)
    for record in records:
        folder = fold_folder(out, record.seed, record.fold)
        path = folder / EMBEDDINGS
        if record.seed == first and path.is_file() and (folder / FACTS).is_file():
            names = json.loads((folder / FACTS).read_text(encoding="utf-8"))
            tensors = load_file(path)
            vectors = tensors["test" if "test" in tensors else "embedding"].tolist()
            found.update(zip(names, vectors, strict=True))
    return found


def _explained(out: Path, records: Sequence[FoldRecord]) -> dict[str, Any]:
    """What was seen of some utterances, by the systems of one seed."""
    found: dict[str, Explained] = {}
    sees, first = "", min(record.seed for record in records)
    for record in records:
        path = fold_folder(out, record.seed, record.fold) / EXPLAINED
        if record.seed == first and path.is_file():
            of_fold, sees = read_explanations(path)
            found.update(of_fold)
    return {"explained": found, "explained_seed": first, "sees": sees}


def _sound(utterance: Utterance) -> Callable[[], bytes]:
    """What reads and encodes a recording when the page wants it."""

    def encoded() -> bytes:
        waveform = audio_room.read(
            utterance.path, start=utterance.start, end=utterance.end, sample_rate=SOUND_RATE
        )
        file = io.BytesIO()
        soundfile.write(file, waveform, SOUND_RATE, format="FLAC", subtype="PCM_16")
        return file.getvalue()

    return encoded


def _development(out: Path, records: Sequence[FoldRecord]) -> list[Prediction]:
    """Answers to the development sides, when every fold kept them."""
    paths = [fold_folder(out, r.seed, r.fold) / DEVELOPMENT for r in records]
    if not all(path.is_file() for path in paths):
        return []
    return [row for path in paths for row in read_predictions(path)]


def _fold_facts(
    protocol: Mapping[str, Any], records: Sequence[FoldRecord]
) -> dict[str, dict[str, str | int | float]]:
    """What each fold was trained on and chosen by, as columns beside its figures."""
    sizes = {fold["name"]: fold for fold in protocol["folds"]}
    facts: dict[str, dict[str, str | int | float]] = {}
    for record in records:
        fold = sizes[record.fold]
        epochs = sorted({r.best_epoch for r in records if r.fold == record.fold})
        facts[record.fold] = {
            "test speakers": ", ".join(fold["test_speakers"]),
            "trained on": record.num_train,
            "chosen on": record.num_development or "-",
            "epoch kept": "/".join(map(str, epochs)) if any(epochs) else "-",
            "sentences also in training": fold["test_sentences_heard"],
        }
    return facts
