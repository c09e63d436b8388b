"""Verification in an experiment: epochs chosen and models accepted by EER, trials, back-ends.

A system verifies when it says ``accepted_by = "eer"``; it then has ``embed``.

::

    OUT/seed0/fold-NAME/embeddings.safetensors     of every utterance of every side
    OUT/seed0/fold-NAME/sides.json                 whose they are
    OUT/seed0/fold-NAME/trials-enrolled.csv.gz     scores of the test side's trials
    OUT/seed0/fold-NAME/trials-pairwise.csv.gz
    OUT/seed0/fold-NAME/trials-development.csv.gz  enrolled, of the development side
    OUT/seed0/fold-NAME/backends.csv.gz            what each classifier makes of the embeddings
    OUT/trials-enrolled.csv.gz, trials-pairwise.csv.gz, verification.csv    over all folds
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from safetensors.numpy import load_file, save_file

from serkit.corpus import Utterance
from serkit.corpus.trials import (
    MOST_PAIRS,
    Trial,
    enrolled_trials,
    enrolments,
    pairwise_trials,
)
from serkit.evaluation import (
    FoldEmbeddings,
    Prediction,
    ScoredTrial,
    VerificationEvidence,
    eer,
    read_scored_trials,
    write_results,
    write_scored_trials,
)
from serkit.evaluation.verification_card import prototype, unit
from serkit.evaluation.verification_rows import TrialKind, verification_rows
from serkit.experiment.folder import (
    Finished,
    FoldRecord,
    complete,
    facts_about,
    facts_of,
    fold_folder,
    gather,
    rows_of,
    utterance_from,
)
from serkit.experiment.labelled import read_labelled, write_labelled
from serkit.experiment.task import TASKS, Row
from serkit.experiment.waveforms import Waveforms
from serkit.models.classifiers import KINDS, Classifier
from serkit.trainer.checkpoint import CONFIG, MODEL, read_config
from serkit.trainer.run import write_json

# Shapes: B utterances, D embedding, C emotions.

EMBEDDINGS, SIDES = "embeddings.safetensors", "sides.json"
KINDS_OF_TRIALS: tuple[TrialKind, ...] = ("enrolled", "pairwise")
"""Of the test side; the development side is tried against enrolments."""
TRIALS: Mapping[str, str] = {
    "enrolled": "trials-enrolled.csv.gz",
    "pairwise": "trials-pairwise.csv.gz",
    "development": "trials-development.csv.gz",
}
"""Tables of scored trials in the folder of a fold."""
BACKENDS, VERIFICATION = "backends.csv.gz", "verification.csv"
ACCEPTED_BELOW = 0.9
"""A model is accepted when its EER is below this share of that of the same network untrained."""


@dataclass(frozen=True, slots=True)
class Heard:
    """Utterances and their embeddings, brought to length 1."""

    utterances: tuple[Utterance, ...]
    embeddings: Float[np.ndarray, "B D"]

    @staticmethod
    def by(system: Any, side: Sequence[Utterance], waveforms: Waveforms) -> "Heard":
        """What a system makes of a side."""
        return Heard(tuple(side), unit(system.embed(waveforms.of(side)).double().cpu().numpy()))

    @property
    def places(self) -> dict[str, int]:
        """Id to the row of the embeddings."""
        return {utterance.id: number for number, utterance in enumerate(self.utterances)}


def enrolled_scores(trained: Heard, probes: Heard) -> tuple[list[Trial], list[float]]:
    """Every probe against every emotion, enrolled from all of the training side."""
    enrolled = enrolments(trained.utterances)
    trials = enrolled_trials(enrolled, probes.utterances)
    places, tried = trained.places, probes.places
    known = {
        name: prototype(trained.embeddings[[places[u.id] for u in members]])
        for name, members in enrolled.items()
    }
    return trials, [
        float(known[trial.enrolment] @ probes.embeddings[tried[trial.probe]]) for trial in trials
    ]


def pairwise_scores(
    probes: Heard, *, at_most: int | None = None
) -> tuple[list[Trial], list[float]]:
    """Every pair of probes."""
    trials = pairwise_trials(probes.utterances, at_most=at_most)
    place = probes.places
    cosines = probes.embeddings @ probes.embeddings.T
    return trials, [float(cosines[place[t.enrolment], place[t.probe]]) for t in trials]


def rate(trials: Sequence[Trial], scores: Sequence[float]) -> float:
    """Equal error rate of trials; 0.5, chance, where there are no two kinds of them."""
    is_target = [trial.is_target for trial in trials]
    if not any(is_target) or all(is_target):
        return 0.5
    return eer(scores, is_target, weights=[trial.weight for trial in trials]).value


def selector(
    train: Sequence[Utterance], development: Sequence[Utterance], waveforms: Waveforms
) -> Callable[[Any], dict[str, float]]:
    """Scores a system by its enrolled EER on development speakers; higher is better."""

    def scores(system: Any) -> dict[str, float]:
        trained = Heard.by(system, train, waveforms)
        probes = Heard.by(system, development, waveforms)
        enrolled = rate(*enrolled_scores(trained, probes))
        return {
            "one_minus_eer": 1 - enrolled,
            "eer": enrolled,
            "pairwise_eer": rate(*pairwise_scores(probes, at_most=MOST_PAIRS)),
        }

    return scores


def write_trials(folder: Path, sides: Mapping[str, Heard], *, seed: int, fold: str) -> None:
    """Embeddings of all sides and the scored trials of a fold."""
    save_file(
        {name: side.embeddings.astype(np.float32) for name, side in sides.items()},
        folder / EMBEDDINGS,
    )
    write_json(
        folder / SIDES,
        {name: {u.id: facts_about(u) for u in side.utterances} for name, side in sides.items()},
    )
    found = {
        "enrolled": enrolled_scores(sides["train"], sides["test"]),
        "pairwise": pairwise_scores(sides["test"]),
        "development": enrolled_scores(sides["train"], sides["development"]),
    }
    write_scores(folder, found, seed=seed, fold=fold)


def write_scores(
    folder: Path,
    found: Mapping[str, tuple[Sequence[Trial], Sequence[float]]],
    *,
    seed: int,
    fold: str,
) -> None:
    """A table for each kind of trials in ``TRIALS``; none for a kind without trials."""
    for kind, (trials, scores) in found.items():
        rows = [
            ScoredTrial.of(
                seed=seed,
                fold=fold,
                enrolment=trial.enrolment,
                probe=trial.probe,
                speaker=trial.speaker,
                is_target=trial.is_target,
                weight=trial.weight,
                score=score,
            )
            for trial, score in zip(trials, scores, strict=True)
        ]
        if rows:  # a single utterance has no pair
            _ = write_scored_trials(folder / TRIALS[kind], rows)


def read_sides(folder: Path) -> dict[str, dict[str, Float[np.ndarray, " D"]]]:
    """Side to id to embedding, as ``write_trials`` left them; empty where there are none."""
    if not (folder / SIDES).is_file():
        return {}
    vectors = load_file(folder / EMBEDDINGS)
    sides = json.loads((folder / SIDES).read_text(encoding="utf-8"))
    return {name: dict(zip(ids, vectors[name], strict=True)) for name, ids in sides.items()}


def write_backends(
    folder: Path,
    sides: Mapping[str, Heard],
    *,
    emotions: Sequence[str],
    seed: int,
    fold: str,
) -> None:
    """What each classical classifier makes of the same embeddings of the test side."""
    trained, development, tested = (sides[name] for name in ("train", "development", "test"))

    def places(side: Heard) -> list[int]:
        return [emotions.index(utterance.emotion() or "") for utterance in side.utterances]

    found: dict[tuple[str, ...], list[Prediction]] = {}
    for kind in KINDS:
        classifier = Classifier(kind, len(emotions))
        _ = classifier.fit(
            trained.embeddings,
            places(trained),
            development=(development.embeddings, places(development))
            if development.utterances
            else None,
            speakers=[utterance.speaker for utterance in trained.utterances],
            seed=seed,
        )
        found[kind,] = [
            Prediction.of(
                seed=seed,
                fold=fold,
                file=utterance.id,
                speaker=utterance.speaker,
                emotion=utterance.emotion() or "",
                emotions=emotions,
                probabilities=probabilities,
            )
            for utterance, probabilities in zip(
                tested.utterances, classifier.posterior(tested.embeddings), strict=True
            )
        ]
    _ = write_labelled(folder / BACKENDS, TASKS["emotion"], found, ["backend"])


# ------------------------------------------------------------------------------ over all folds


def gather_trials(out: Path, records: Sequence[FoldRecord]) -> dict[TrialKind, list[ScoredTrial]]:
    """The scored trials of the test sides of finished folds; empty where nothing was verified."""
    found: dict[TrialKind, list[ScoredTrial]] = {}
    for record in records:
        for name in KINDS_OF_TRIALS:
            path = fold_folder(out, record.seed, record.fold) / TRIALS[name]
            if path.is_file():
                found.setdefault(name, []).extend(read_scored_trials(path))
    return found


def gather_backends(out: Path, records: Sequence[FoldRecord]) -> dict[str, list[Prediction]]:
    """The predictions of each classical classifier for finished folds."""
    found: dict[str, list[Prediction]] = {}
    for record in records:
        path = fold_folder(out, record.seed, record.fold) / BACKENDS
        for (kind,), rows in read_labelled(path, TASKS["emotion"], ["backend"]).items():
            found.setdefault(kind, []).extend(rows)
    return found


def gather_verification(
    out: Path, described: Mapping[str, Any], records: Sequence[FoldRecord]
) -> None:
    """``verification.csv`` and the trials behind it, in the folder of an experiment."""
    trials = gather_trials(out, records)
    if not trials:
        return
    for kind, table in trials.items():
        _ = write_scored_trials(out / TRIALS[kind], table)
    _ = write_results(out / VERIFICATION, verified_rows(described, records, trials, whole=False))


def keep_verification(
    results: Path, name: str, described: Mapping[str, Any], finished: Finished
) -> None:
    """Write what was verified in an experiment into ``results/``.

    ``<name>.verification.csv`` with a row for each kind of trials and seed, ``<name>.backends.csv``
    with one for each classifier and seed; behind them ``scores/<name>.<trials>.csv.gz`` and
    ``predictions/<name>.backends.csv.gz``. Rows are made of complete seeds only.
    """
    trials = gather_trials(finished.folder, finished.records)
    if not trials:
        return
    for kind, table in trials.items():
        _ = write_scored_trials(results / "scores" / f"{name}.{kind}.csv.gz", table)
    backends = gather_backends(finished.folder, finished.records)
    _ = write_labelled(
        results / "predictions" / f"{name}.backends.csv.gz",
        TASKS["emotion"],
        {(kind,): rows for kind, rows in backends.items()},
        ["backend"],
    )
    if not complete(described, finished.records, whole=True)[0]:
        return
    rows = verified_rows(described, finished.records, trials)
    _ = write_results(results / f"{name}.verification.csv", rows)
    rows = [
        {"backend": kind, **row}
        for kind, table in backends.items()
        for row in rows_of(described, finished.records, table, whole=True)
    ]
    _ = write_results(results / f"{name}.backends.csv", rows)


def verified_rows(
    described: Mapping[str, Any],
    records: Sequence[FoldRecord],
    trials: Mapping[TrialKind, Sequence[ScoredTrial]],
    *,
    whole: bool = True,
) -> list[Row]:
    """A row for each kind of trials and complete seed, and their mean."""
    seeds, folds = complete(described, records, whole=whole)
    facts = facts_of(described, [r for r in records if r.seed in seeds and r.fold in folds])
    # every utterance is the probe of some trial against an enrolled emotion
    speakers = {row.probe: row.speaker for row in trials.get("enrolled", ())}
    all_known = all(speakers.values())
    refused = sorted({r.fold for r in records if r.seed in seeds and r.accepted is False})
    return [
        row
        for kind, table in trials.items()
        for row in verification_rows(
            [row for row in table if row.seed in seeds and row.fold in folds],
            trials=kind,
            **facts,
            speakers=speakers if all_known else None,
            extra={"not_accepted": " ".join(refused)},
        )
    ]


def lay_out_verification(results: Path, name: str, out: Path) -> None:
    """Give finished folds that were restored their trials and back-ends again."""
    if not (results / "scores" / f"{name}.enrolled.csv.gz").is_file():
        return
    records = [
        record
        for record in gather(out).records
        if not (fold_folder(out, record.seed, record.fold) / TRIALS["enrolled"]).is_file()
    ]
    for kind in KINDS_OF_TRIALS:
        path = results / "scores" / f"{name}.{kind}.csv.gz"
        table = read_scored_trials(path) if records and path.is_file() else []
        for record in records:
            rows = [r for r in table if (r.seed, r.fold) == (record.seed, record.fold)]
            if rows:
                folder = fold_folder(out, record.seed, record.fold)
                _ = write_scored_trials(folder / TRIALS[kind], rows)
    path = results / "predictions" / f"{name}.backends.csv.gz"
    kept = read_labelled(path, TASKS["emotion"], ["backend"]) if records else {}
    for record in records:
        part = {
            labels: [r for r in rows if (r.seed, r.fold) == (record.seed, record.fold)]
            for labels, rows in kept.items()
        }
        part = {labels: rows for labels, rows in part.items() if rows}
        if part:
            folder = fold_folder(out, record.seed, record.fold)
            _ = write_labelled(folder / BACKENDS, TASKS["emotion"], part, ["backend"])


# ------------------------------------------------------------------------------- for the report


def evidence(
    out: Path, described: Mapping[str, Any], records: Sequence[FoldRecord]
) -> tuple[VerificationEvidence | None, list[Utterance]]:
    """What the report shows of verification, and the utterances that it may let one hear.

    Args:
        out: The experiment's folder.
        described: ``experiment.json``.
        records: The folds that the report is about.

    Returns:
        None and no utterances where nothing was verified.
    """
    trials = gather_trials(out, records)
    if not trials:
        return None, []
    first = min(record.seed for record in records)
    several = len({record.seed for record in records}) > 1
    sides: list[FoldEmbeddings] = []
    utterances: dict[str, Utterance] = {}
    cards: list[Mapping[str, Any]] = []
    development: list[ScoredTrial] = []
    acceptance: dict[str, dict[str, Any]] = {}
    for record in records:
        folder = fold_folder(out, record.seed, record.fold)
        if record.accepted is not None:
            name = f"seed {record.seed}, fold {record.fold}" if several else record.fold
            acceptance[name] = {
                "accepted": record.accepted,
                "eer": record.development["eer"],
                "untrained_eer": record.development["untrained_eer"],
            }
        if (folder / CONFIG).is_file() and (folder / MODEL).is_file():
            cards.append(read_config(folder)["card"].get("verification", {}))
        if (folder / TRIALS["development"]).is_file():
            development += read_scored_trials(folder / TRIALS["development"])
        # of a run whose models were deleted to save space, the rest is shown
        if record.seed != first or not all(
            (folder / each).is_file() for each in (SIDES, EMBEDDINGS)
        ):
            continue
        for side in json.loads((folder / SIDES).read_text(encoding="utf-8")).values():
            utterances |= {name: utterance_from(name, facts) for name, facts in side.items()}
        vectors = read_sides(folder)
        train, test = (list(vectors[side].values()) for side in ("train", "test"))
        sides.append(
            FoldEmbeddings(
                seed=record.seed,
                fold=record.fold,
                train_ids=tuple(vectors["train"]),
                train=np.stack(train),
                test_ids=tuple(vectors["test"]),
                test=np.stack(test),
            )
        )
    return VerificationEvidence(
        enrolled=trials.get("enrolled", []),
        pairwise=trials.get("pairwise", []),
        development=development,
        cards=cards,
        acceptance=acceptance,
        back_ends=gather_backends(out, records),
        sides=sides,
        emotions={name: utterance.emotion() or "" for name, utterance in utterances.items()},
        speakers={name: utterance.speaker or "" for name, utterance in utterances.items()},
    ), list(utterances.values())
