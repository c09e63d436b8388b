"""The folder of an experiment, read: finished folds, their predictions, rows of results."""

import dataclasses
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from serkit.corpus import Rating, Utterance
from serkit.corpus.consensus import people
from serkit.evaluation import write_results
from serkit.experiment.task import task_of
from serkit.systems import SYSTEMS
from serkit.trainer import Settings

FORMAT = 1
EXPERIMENT, PREDICTIONS, DEVELOPMENT, RESULTS, REPORT = (
    "experiment.json",
    "predictions.csv",
    "development.csv",
    "results.csv",
    "report.html",
)
FOLD, DURATIONS, FACTS, EMBEDDINGS, EXPLAINED = (
    "fold.json",
    "durations.json",
    "utterances.json",
    "embeddings.safetensors",
    "explained.safetensors",
)


class ExperimentError(ValueError):
    """An experiment that cannot be run, gone on with, or read."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FoldRecord:
    """What is known of a finished fold beside its predictions."""

    seed: int
    fold: str
    train_seconds: float
    """Preparing, training and scoring on development speakers; the selection run included."""
    epochs: int
    """Trained for; 0 where nothing is trained by gradient."""
    best_epoch: int
    """Whose weights were kept."""
    development: Mapping[str, float]
    """Development scores of the epoch chosen; empty where nothing was chosen."""
    parameters: int
    num_train: int
    num_development: int
    """Utterances that chose the epoch; 0 where they were trained on."""
    num_test: int
    num_speakers: int
    """Speakers of the test side."""
    trained_on: str
    """``"training"``, or ``"training and development"``."""
    dropped: Mapping[str, str]
    """Utterances of this fold without a usable waveform, and why."""
    commit: str
    date: str
    accepted: bool | None = None
    """Whether a system that verifies was good enough on the development side; else None."""
    hardware: str = ""
    """What it was trained on; unknown of folds that are older than this field."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Finished:
    """What stands in an experiment's folder."""

    folder: Path
    records: tuple[FoldRecord, ...]
    """One per finished fold and seed."""
    predictions: tuple[Any, ...]
    """Of all finished folds: ``Prediction``, or ``AffectPrediction`` where affect is the task."""
    rows: tuple[dict[str, str | int | float], ...]
    """Results over complete seeds; none before one seed has all its folds."""
    report: Path | None


def fold_folder(out: Path, seed: int, fold: str) -> Path:
    """Where a fold of a seed stands; names that no file system minds stand as they are.

    Example:
        >>> fold_folder(Path("out"), 0, "P1").as_posix()
        'out/seed0/fold-P1'
        >>> fold_folder(Path("out"), 0, "P1 x Q2").as_posix()
        'out/seed0/fold-P1_x_Q2-71bc9c97'
    """
    plain = re.sub(r"[^A-Za-z0-9.+-]", "_", fold)
    if plain != fold:  # so that a b, a_b and names in another script keep apart
        plain += f"-{hashlib.sha256(fold.encode()).hexdigest()[:8]}"
    return out / f"seed{seed}" / f"fold-{plain}"


TOLD = ("start", "end", "speaker", "sex", "age", "language")
"""Fields of an utterance that a fold keeps as they are."""


def facts_about(utterance: Utterance) -> dict[str, Any]:
    """What a fold keeps of an utterance, for the report; as JSON holds it.

    Of people who rated its affect, where there are several, also what each of them said.
    """
    told = {name: getattr(utterance, name) for name in TOLD}
    rated = {r.rater: dict(r.affect) for r in people(utterance.ratings) if r.affect}
    return {
        "path": str(utterance.path.resolve()),
        "emotion": utterance.emotion(),
        **told,
        **({"annotators": rated} if len(rated) > 1 else {}),
    }


def utterance_from(id: str, facts: Mapping[str, Any]) -> Utterance:
    """The utterance as far as ``facts_about`` told of it; older folders tell less.

    Example:
        >>> utterance = utterance_from("own/a", {"path": "a.wav", "emotion": "fear", "age": 31.0})
        >>> utterance.emotion(), utterance.age, utterance.speaker
        ('fear', 31.0, None)
    """
    emotion = facts.get("emotion")
    labels = [Rating(rater="label", emotion={emotion: 1.0})] if emotion else []
    annotators = facts.get("annotators", {}).items()
    return Utterance(
        id=id,
        path=Path(facts["path"]),
        ratings=(*labels, *(Rating(rater=name, affect=affect) for name, affect in annotators)),
        **{name: facts[name] for name in TOLD if name in facts},
    )


def is_finished(folder: Path) -> bool:
    """Whether a fold's predictions are on disk."""
    return (folder / PREDICTIONS).is_file() and (folder / FOLD).is_file()


def recipe_name(recipe: str, changed: Sequence[str]) -> str:
    """The recipe as it stands in rows: ``+set`` says that settings were tried by hand.

    Example:
        >>> recipe_name("crnn_emodb", ["epochs=3"])
        'crnn_emodb+set'
    """
    return f"{recipe or 'none'}{'+set' if changed else ''}"


def read_experiment(out: Path) -> dict[str, Any]:
    """``experiment.json`` of a folder.

    Raises:
        ExperimentError: There is none, or it is of a format not known.
    """
    path = out / EXPERIMENT
    if not path.is_file():
        raise ExperimentError(
            f"{out} is not the folder of an experiment: it has no {EXPERIMENT}. "
            "serkit train ... --out DIR makes one."
        )
    try:
        described = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ExperimentError(f"{path} is not valid JSON: {error}") from error
    if not isinstance(described, dict) or described.get("format") != FORMAT:
        raise ExperimentError(f"{path}: its format is not {FORMAT}; a newer serkit may read it.")
    return described


ADDED: Mapping[str, Any] = {
    "allow_leaks": [],
    "train_quality": "hq",
    "test_quality": "hq",
    "also_heard": [],
    "pretrained": "",
    "frozen": False,
    "clean": False,
}
"""What an experiment was, before one could ask for something else."""


CONDITIONS = ("train_quality", "test_quality", "pretrained")
"""Of these, what is not plain stands in rows of results."""


def difference(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Where the identities of two experiments differ, in words; empty when they are the same.

    A setting that there was not yet has its default.
    """
    for name, value in now.items():
        old = before.get(name, ADDED.get(name, value))
        if old == value:
            continue
        if name == "members":
            return "its folds have other utterances: the corpus has changed"
        if name == "labels":
            return "its utterances have other emotions, speakers or times: the corpus has changed"
        if not (isinstance(old, dict) and isinstance(value, dict)):
            return f"{name} was {old!r}, now {value!r}"
        kind: Any = Settings if name == "settings" else SYSTEMS[now["system"]].Config
        defaults = {f.name: f.default for f in dataclasses.fields(kind)}
        defaults = json.loads(json.dumps(defaults, default=str))
        for key in (*value, *old):
            was = old.get(key, defaults.get(key))
            if was != value.get(key):
                return f"{key} was {was!r}, now {value.get(key)!r}"
    return ""


def gather(
    out: Path, *, report: bool = False, audio: bool = True, figures: Path | None = None
) -> Finished:
    """Put all finished folds of a folder together: ``predictions.csv`` and ``results.csv``.

    With the report come ``verification.csv`` and the trials behind it, if something was verified.

    Rows of results are made of complete seeds only: those with every fold of the protocol, or,
    where the experiment was asked for some folds, with all of these.

    Args:
        out: The experiment's folder.
        report: Write ``report.html`` too.
        audio: Put the recordings of the worst errors into the report.
        figures: Folder for the report's pictures as SVG and PDF, and its tables as CSV and LaTeX.
    """
    described = read_experiment(out)
    of_protocol = [fold["name"] for fold in described["protocol"]["folds"]]
    order = {name: place for place, name in enumerate(of_protocol)}
    task = task_of(described)
    found: list[tuple[FoldRecord, list[Any]]] = []
    for path in sorted(out.glob(f"seed*/fold-*/{FOLD}")):
        if is_finished(path.parent):
            record = FoldRecord(**json.loads(path.read_text(encoding="utf-8")))
            found.append((record, task.read(path.parent / PREDICTIONS)))
    found.sort(key=lambda pair: (pair[0].seed, order[pair[0].fold]))
    records = tuple(record for record, _ in found)
    predictions = tuple(row for _, rows in found for row in rows)
    rows = tuple(rows_of(described, records, predictions))
    if predictions:
        _ = task.write(out / PREDICTIONS, predictions)
    if rows:
        _ = write_results(out / RESULTS, rows)
    written: Path | None = None
    if report and rows:
        from serkit.experiment.summary import report_of  # matplotlib is slow to start
        from serkit.experiment.verification import gather_verification

        gather_verification(out, described, records)
        written = report_of(out, described, records, predictions, audio=audio, figures=figures)
    return Finished(folder=out, records=records, predictions=predictions, rows=rows, report=written)


def complete(
    described: Mapping[str, Any], records: Sequence[FoldRecord], *, whole: bool = False
) -> tuple[set[int], set[str]]:
    """The seeds that have all their folds, and these folds.

    Args:
        described: ``experiment.json``.
        records: The finished folds.
        whole: Only the whole protocol counts, not the folds that were asked for.
    """
    of_protocol = {fold["name"] for fold in described["protocol"]["folds"]}
    done: dict[int, set[str]] = {}
    for record in records:
        done.setdefault(record.seed, set()).add(record.fold)
    for asked in (of_protocol,) if whole else (of_protocol, set(described["folds"])):
        seeds = {seed for seed, folds in done.items() if folds >= asked}
        if seeds:
            return seeds, asked
    return set(), of_protocol


def rows_of(
    described: Mapping[str, Any],
    records: Sequence[FoldRecord],
    predictions: Sequence[Any],
    *,
    whole: bool = False,
    extra: Mapping[str, str | int | float] | None = None,
) -> list[dict[str, str | int | float]]:
    """Rows of results over complete seeds; see ``complete``."""
    seeds, folds = complete(described, records, whole=whole)
    records = [record for record in records if record.seed in seeds and record.fold in folds]
    if not records:
        return []
    facts = facts_of(described, records)
    hardware = "; ".join(sorted({record.hardware for record in records} - {""}))
    known = {"hardware": hardware} if hardware else {}
    return task_of(described).result_rows(
        [row for row in predictions if row.seed in seeds and row.fold in folds],
        **facts,
        extra={
            "refit": described["identity"]["refit"],
            **_conditions(described),
            **known,
            **(extra or {}),
        },
    )


def facts_of(described: Mapping[str, Any], records: Sequence[FoldRecord]) -> dict[str, Any]:
    """What every row of results says of where it comes from; of the folds in ``records``."""
    identity = described["identity"]
    name = described["protocol"]["name"]
    num_folds = len({record.fold for record in records})
    of_protocol = len(described["protocol"]["folds"])
    if num_folds < of_protocol:
        name = f"{name} ({num_folds} of {of_protocol} folds)"
    if identity.get("allow_leaks"):
        name = f"{name} (leaks allowed: {', '.join(identity['allow_leaks'])})"
    seconds: dict[int | str, float] = {}
    for record in records:
        seconds[record.seed] = seconds.get(record.seed, 0.0) + record.train_seconds
    return {
        "recipe": recipe_name(identity["recipe"], identity["set"]),
        "system": identity["system"],
        "corpus": described["corpus"]["name"],
        "protocol": name,
        "parameters": max(record.parameters for record in records),
        "train_seconds": seconds,
        "commit": " ".join(sorted({record.commit for record in records} - {""})),
        "date": max(record.date for record in records)[:10],
        "split": described["protocol"].get("split", ""),
    }


def _conditions(described: Mapping[str, Any]) -> dict[str, str]:
    """Columns of rows that are not of plain training on the recordings as they are."""
    identity = described["identity"]
    named = {name: str(identity.get(name, ADDED[name])) for name in CONDITIONS}
    if identity.get("frozen"):
        named["pretrained"] += " (frozen)"
    if identity.get("clean"):
        named["clean"] = "yes"
    if identity.get("also_heard"):
        named["also_heard"] = ", ".join(identity["also_heard"])
    plain = {name: str(ADDED[name]) for name in CONDITIONS}
    return {} if named == plain else named
