"""Quality of the recordings: what a run, and those beside it, answered in other conditions."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from serkit.evaluation import Prediction, ScoredTrial, read_predictions, read_scored_trials
from serkit.experiment.folder import (
    ADDED,
    EXPERIMENT,
    PREDICTIONS,
    ExperimentError,
    FoldRecord,
    fold_folder,
    is_finished,
    read_experiment,
)
from serkit.experiment.verification import TRIALS

QUALITY = "quality"
"""Folder in a fold's, of answers in other conditions than the run's own; see ``retest``."""

Conditions = tuple[str, str]
"""Trained on, tested on."""

OWN = ("recipe", "set", "test_quality", "train_quality")  # of an identity: no other model by these


def matrix(
    out: Path, described: Mapping[str, Any], records: Sequence[FoldRecord]
) -> tuple[dict[Conditions, list[Prediction]], dict[Conditions, list[ScoredTrial]]]:
    """Answers and enrolled trials of the same folds, trained and tested in every condition.

    They are those of the run, of its retests, and of the runs in the same folder that differ from
    it in nothing but the quality of their recordings. A condition in which a fold has not answered
    is left out.

    Args:
        out: The experiment's folder.
        described: ``experiment.json``.
        records: The folds that are compared.

    Returns:
        Nothing where there is one condition alone.
    """
    predictions: dict[Conditions, list[Prediction]] = {}
    trials: dict[Conditions, list[ScoredTrial]] = {}
    for place, identity in ((out, described["identity"]), *_beside(out)):
        if _model(identity) != _model(described["identity"]):
            continue
        folds = [fold_folder(place, record.seed, record.fold) for record in records]
        if not all(map(is_finished, folds)):
            continue
        train, own = (identity.get(f"{side}_quality", "hq") for side in ("train", "test"))
        retested = sorted(path.name for path in (folds[0] / QUALITY).glob("*"))
        for condition, inside in ((own, ""), *((_read(n), f"{QUALITY}/{n}") for n in retested)):
            key, answers = (train, condition), [fold / inside / PREDICTIONS for fold in folds]
            if key in predictions or not all(path.is_file() for path in answers):
                continue
            predictions[key] = [row for path in answers for row in read_predictions(path)]
            scored = [fold / inside / TRIALS["enrolled"] for fold in folds]
            if all(path.is_file() for path in scored):
                trials[key] = [row for path in scored for row in read_scored_trials(path)]
    return (predictions, trials) if len(predictions) > 1 else ({}, {})


def _beside(out: Path) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    """The experiments in the same folder, and what each is."""
    for path in sorted(out.resolve().parent.glob(f"*/{EXPERIMENT}")):
        try:
            yield path.parent, read_experiment(path.parent)["identity"]
        except ExperimentError:  # somebody else's, and no matter of this one's report
            continue


def _model(identity: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in {**ADDED, **identity}.items() if name not in OWN}


def _read(name: str) -> str:
    """A condition from the name of its folder (``condition_name``).

    Example:
        >>> [_read(name) for name in ("lq", "reverb-0.6", "noise-white--5", "noise-my-rain-10")]
        ['lq', 'reverb:0.6', 'noise:white:-5', 'noise:my-rain:10']
    """
    name = re.sub(r"^(noise|reverb|codec)-", r"\1:", name)
    return re.sub(r"^(noise:.+?)-(-?[\d.]+)$", r"\1:\2", name)
