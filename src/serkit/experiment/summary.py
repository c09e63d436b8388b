"""The report of an experiment: what its folder holds, put into the words of the page."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from serkit.evaluation import Prediction
from serkit.evaluation.figures import LearningCurve
from serkit.evaluation.report import read_learning_curve, write_report
from serkit.experiment.folder import (
    DURATIONS,
    PREDICTIONS,
    REPORT,
    FoldRecord,
    complete,
    fold_folder,
    recipe_name,
)

REFIT_WORDS = {
    "no": "trained on the training side; the epoch with the best UAR on the development side",
    "chosen": "refitted: trained anew on training and development side for as many epochs as were "
    "best on the development side",
    "full": "trained once on training and development side together; nothing was chosen on either",
}
"""How a test side was predicted, for people; the keys are those of ``Refit``."""


def report_of(
    out: Path,
    described: Mapping[str, Any],
    records: Sequence[FoldRecord],
    predictions: Sequence[Prediction],
) -> Path:
    """Write ``report.html`` from complete seeds and what ``experiment.json`` says."""
    seeds, folds = complete(described, records)
    records = [record for record in records if record.seed in seeds and record.fold in folds]
    identity, protocol, corpus = described["identity"], described["protocol"], described["corpus"]
    return write_report(
        out / REPORT,
        [row for row in predictions if row.seed in seeds and row.fold in folds],
        title=f"{identity['system']} on {corpus['name']}, {protocol['name']}",
        summary=_summary(described, records),
        curves=[curve for record in records for curve in _curves(out, record)],
        durations=_durations(out, records),
        fold_facts=_fold_facts(protocol, records),
        dropped=[
            *protocol["dropped"],
            *sorted({f"{name}: {why}" for r in records for name, why in r.dropped.items()}),
        ],
        duplicates=corpus["duplicates"],
        notes=_notes(described, len(folds), seeds),
        settings={
            "system": identity["system"],
            **identity["config"],
            "trainer": identity["settings"],
            "set by hand": identity["set"] or "nothing",
        },
        environment={
            **described["environment"],
            "serkit": described["serkit"],
            "git": described["git"],
            "date": described["date"],
        },
        command=" ".join(described["command"]),
        predictions_file=PREDICTIONS,
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
        "Protocol": f"{protocol['name']}: {protocol['source']}",
        "What it claims": protocol["labelled"],
        "Sentences": ""
        if protocol["independent_sentence"]
        else f"{shared} of {tested} test utterances say a sentence that also occurs in training",
        "Training": REFIT_WORDS[identity["refit"]],
        "Time": f"{sum(record.train_seconds for record in records) / 60:.1f} minutes of training",
    }
    return {name: text for name, text in words.items() if text}


def _notes(described: Mapping[str, Any], num_folds: int, seeds: set[int]) -> list[str]:
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
    unfinished = sorted(set(described["seeds"]) - seeds)
    if unfinished:
        notes.append(f"Seeds not finished and left out: {', '.join(map(str, unfinished))}.")
    notes += described["corpus"]["problems"]
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
