"""What ``results/`` keeps of finished folds, so that a campaign goes on in another checkout.

``results/folds/<name>.json`` stands beside ``results/predictions/<name>.csv.gz`` and holds what the
table of predictions does not say: which experiment it was, and each fold's record. From both, the
folder of an experiment is laid out again without its models; finished folds are not trained twice.
"""

import dataclasses
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from serkit.experiment.folder import (
    DURATIONS,
    FOLD,
    PREDICTIONS,
    Finished,
    difference,
    fold_folder,
    is_finished,
    read_experiment,
)
from serkit.experiment.run import Experiment
from serkit.trainer.run import write_json

CORPORA_VARIABLE = "SERKIT_CORPORA"
"""Names the folder that holds the corpora, each in a folder of its name."""


def keep(path: Path, finished: Finished) -> None:
    """Write down which experiment it is and what is known of its finished folds.

    Args:
        path: ``results/folds/<name>.json``.
        finished: What stands in the experiment's folder.
    """
    folds: list[dict[str, object]] = []
    for record in finished.records:
        folder = fold_folder(finished.folder, record.seed, record.fold)
        durations = json.loads((folder / DURATIONS).read_text(encoding="utf-8"))
        folds.append({"record": dataclasses.asdict(record), "durations": durations})
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, {"identity": read_experiment(finished.folder)["identity"], "folds": folds})


def restore(path: Path, experiment: Experiment, predictions: Iterable[Any]) -> int:
    """Lay out the finished folds of an earlier checkout in the experiment's folder.

    Nothing is laid out when what was kept is of another experiment: other settings, another
    system, other utterances.

    Args:
        path: What ``keep`` wrote; nothing is restored when it is not there.
        experiment: The experiment to go on with.
        predictions: Of the finished folds.

    Returns:
        How many folds were laid out; those already in the folder are left alone.
    """
    if not path.is_file():
        return 0
    kept = json.loads(path.read_text(encoding="utf-8"))
    _ = experiment.claim()
    identity = read_experiment(experiment.out)["identity"]
    if difference(kept["identity"], identity):
        return 0
    by_fold: dict[tuple[int | str, str], list[Any]] = {}
    for row in predictions:
        by_fold.setdefault((row.seed, row.fold), []).append(row)
    restored = 0
    for fold in kept["folds"]:
        seed, name = fold["record"]["seed"], fold["record"]["fold"]
        folder = fold_folder(experiment.out, seed, name)
        if is_finished(folder) or (seed, name) not in by_fold:
            continue
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / FOLD, fold["record"])
        write_json(folder / DURATIONS, fold["durations"])
        _ = experiment.task.write(folder / PREDICTIONS, by_fold[seed, name])
        restored += 1
    return restored
