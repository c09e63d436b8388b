"""Transfer: a fold begins from a model that was trained before, on this corpus or another."""

import hashlib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from serkit.corpus import Fold, LeakError
from serkit.experiment.folder import ExperimentError
from serkit.trainer import load
from serkit.trainer.checkpoint import MODEL, CheckpointError, read_config, read_weights


def mark(pretrained: Path | None) -> str:
    """The fingerprint of a pre-trained model; empty without one.

    Raises:
        ExperimentError: There is no model in the folder.
    """
    if pretrained is None:
        return ""
    config = _config(pretrained)
    weights = (pretrained / MODEL).read_bytes()
    return f"{config['system']} {hashlib.sha256(weights).hexdigest()[:16]}"


def heard_by(pretrained: Path | None) -> dict[str, list[str]]:
    """Whom a model and those that it began from have heard: speakers, and digests of recordings.

    Raises:
        ExperimentError: There is no model in the folder.
    """
    if pretrained is None:
        return {"speakers": [], "recordings": []}
    card = _config(pretrained)["card"]
    speakers = {*card.get("speakers", ()), *card.get("chosen_on", ())}
    before = card.get("heard_before", {})
    return {
        "speakers": sorted(speakers | {*before.get("speakers", ())}),
        "recordings": sorted({*card.get("recordings", ()), *before.get("recordings", ())}),
    }


def _config(pretrained: Path) -> Mapping[str, Any]:
    try:
        return read_config(pretrained)
    except CheckpointError as error:
        folds = sorted(pretrained.glob("seed*/fold-*"))
        hint = f"; a run holds one model per fold, such as {folds[0]}" if folds else ""
        raise ExperimentError(f"nothing to begin from: {error}{hint}") from error


def adopt(
    system: Any,
    pretrained: Path,
    fold: Fold,
    *,
    digests: Mapping[str, str],
    allow: Collection[str] = (),
) -> None:
    """Let a system take over what a trained one has learnt.

    Args:
        system: What is to be trained.
        pretrained: Folder of the trained model.
        fold: What will be tested.
        digests: Of the recordings of its test side, by id.
        allow: Kinds of leak to go on with.

    Raises:
        ExperimentError: The system cannot, or the model does not fit it.
        LeakError: The model, or one that it began from, has heard a speaker that the fold tests, or
            one of its recordings under whatever name.
    """
    refuse_speakers(pretrained, fold, allow=allow)
    known = set(heard_by(pretrained)["recordings"])
    same = sorted(u.id for u in fold.test if digests.get(u.id) in known)
    if same and "equal-audio" not in allow:
        raise LeakError(
            f"fold {fold.name} tests recordings that {pretrained} was trained on",
            same,
            "equal-audio",
        )
    take_over(system, pretrained)


def refuse_speakers(pretrained: Path, fold: Fold, *, allow: Collection[str] = ()) -> None:
    """Refuse a model that has heard a speaker whom the fold tests, which no audio need be read for.

    Raises:
        LeakError: It has, or one that it began from.
    """
    heard = heard_by(pretrained)["speakers"]
    both = sorted({u.speaker for u in fold.test if u.speaker} & set(heard))
    if both and "speaker" not in allow:
        raise LeakError(
            f"fold {fold.name} tests speakers that {pretrained} was trained on", both, "speaker"
        )


def take_over(system: Any, pretrained: Path) -> None:
    """Give a system what a trained one has learnt.

    Raises:
        ExperimentError: The system cannot, or the model does not fit it.
    """
    if not hasattr(system, "adopt"):
        raise ExperimentError(f"{system.name} cannot begin from a pre-trained model")
    try:
        system.adopt(load(pretrained))
    except ValueError as error:
        raise ExperimentError(f"{pretrained}: {error}") from error


def mark_faces(path: Path) -> str:
    """The fingerprint of a file of weights that were trained on faces.

    Raises:
        ExperimentError: It is not there.
    """
    if not path.is_file():
        raise ExperimentError(f"face_weights: {path}: there is no such file")
    return f"faces {hashlib.sha256(path.read_bytes()).hexdigest()[:16]}"


def begin_from_faces(system: Any, path: Path) -> None:
    """Let a system begin from a local file of weights that were trained on faces.

    Raises:
        ExperimentError: There is no such file, it cannot be read, or it is of another network.
    """
    try:
        system.begin_from_faces(read_weights(path))
    except ValueError as error:
        raise ExperimentError(f"face_weights: {path}: {error}") from error
