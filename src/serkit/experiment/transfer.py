"""Transfer: a fold begins from a model that was trained before, on this corpus or another."""

import hashlib
from collections.abc import Collection
from pathlib import Path
from typing import Any

from serkit.corpus import Fold, LeakError
from serkit.experiment.folder import ExperimentError
from serkit.trainer import load
from serkit.trainer.checkpoint import MODEL, CheckpointError, read_config


def mark(pretrained: Path | None) -> str:
    """The fingerprint of a pre-trained model; empty without one.

    Raises:
        ExperimentError: There is no model in the folder.
    """
    if pretrained is None:
        return ""
    try:
        config = read_config(pretrained)
    except CheckpointError as error:
        folds = sorted(pretrained.glob("seed*/fold-*"))
        hint = f"; a run holds one model per fold, such as {folds[0]}" if folds else ""
        raise ExperimentError(f"nothing to begin from: {error}{hint}") from error
    weights = (pretrained / MODEL).read_bytes()
    return f"{config['system']} {hashlib.sha256(weights).hexdigest()[:16]}"


def adopt(system: Any, pretrained: Path, fold: Fold, *, allow: Collection[str] = ()) -> None:
    """Let a system take over what a trained one has learnt.

    Raises:
        ExperimentError: The system cannot, or the model does not fit it.
        LeakError: The model was trained on a speaker that the fold tests.
    """
    if not hasattr(system, "adopt"):
        raise ExperimentError(f"{system.name} cannot begin from a pre-trained model")
    card = read_config(pretrained)["card"]
    heard = {*card.get("speakers", ()), *card.get("chosen_on", ())}
    both = sorted(heard & {utterance.speaker for utterance in fold.test if utterance.speaker})
    if both and "speaker" not in allow:
        raise LeakError(
            f"fold {fold.name} tests speakers that {pretrained} was trained on", both, "speaker"
        )
    trained = load(pretrained)
    if trained.name != system.name:
        raise ExperimentError(f"{pretrained} holds a {trained.name}, not a {system.name}")
    try:
        system.adopt(trained)
    except ValueError as error:
        raise ExperimentError(f"{pretrained}: {error}") from error
