"""Weights on disk: safetensors and ``config.json``. The only place they are read or written.

A folder holds one system. ``config.json`` says in words what the numbers mean: which system, its
configuration, its emotions in the order of the logits, the sample rate and the front end. All of
that goes into a fingerprint, which is stored a second time inside ``model.safetensors``: labels
that were reordered or settings that were edited afterwards are refused, and so are weights that
were put beside another ``config.json``. Nothing is unpickled.
"""

import dataclasses
import hashlib
import importlib.metadata
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError  # what torch raises of a file it does not trust
from typing import Any

import torch
from pydantic import TypeAdapter, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import nn

from serkit.models import ClassifierError
from serkit.systems import SYSTEMS, System
from serkit.trainer.run import write_json

FORMAT = 1
"""Of ``config.json``; a reader refuses a format it does not know."""

MODEL = "model.safetensors"
CONFIG = "config.json"
EXTRA_STATE = "_extra_state"
"""How torch names what a module stores beside its tensors: bytes of any length."""
FINGERPRINTED = ("system", "config", "emotions", "sample_rate", "front_end")


class CheckpointError(ValueError):
    """A model folder is incomplete, was edited, or does not fit this version."""


def save(system: System, folder: str | Path, *, card: Mapping[str, Any] | None = None) -> Path:
    """Write ``model.safetensors`` and ``config.json`` into ``folder``.

    Args:
        system: Any system; all of its state is in its parameters and buffers.
        folder: Created if need be.
        card: What else a user should know (corpus, protocol, scores, licence); kept in
            ``config.json``, not fingerprinted, so that it may be amended.

    Returns:
        The folder.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    described = describe(system)
    mark = fingerprint(described)
    temporary = folder / f".{MODEL}.{os.getpid()}"
    weights = as_module(system).state_dict()
    tensors = {name: tensor.cpu().contiguous() for name, tensor in weights.items()}
    save_file(tensors, temporary, metadata={"format": "pt", "fingerprint": mark})
    _ = temporary.replace(folder / MODEL)
    config = {
        "format": FORMAT,
        "serkit": importlib.metadata.version("serkit"),
        **described,
        "fingerprint": mark,
        "card": dict(card or {}),
    }
    write_json(folder / CONFIG, config)
    shutil.copymode(folder / CONFIG, folder / MODEL)  # safetensors writes for the owner alone
    return folder


def load(folder: str | Path) -> System:
    """Rebuild the system that ``save`` wrote, in evaluation mode.

    Args:
        folder: Holds ``model.safetensors`` and ``config.json``.

    Raises:
        CheckpointError: A file is missing or unreadable; the system is unknown; a setting is
            unknown, missing or ill-typed; emotions, sample rate or front end are not those the
            weights were trained with; a tensor has another name or size.
    """
    folder = Path(folder)
    stored = read_config(folder)
    name = stored["system"]
    if not isinstance(name, str) or name not in SYSTEMS:
        raise CheckpointError(
            f"{folder / CONFIG}: unknown system {name!r}; known are {', '.join(SYSTEMS)}"
        )
    system = SYSTEMS[name](_configuration(SYSTEMS[name].Config, stored["config"], folder / CONFIG))
    built = describe(system)
    for field in FINGERPRINTED:
        if stored[field] != built[field]:
            raise CheckpointError(
                f"{folder / CONFIG}: {field} is {stored[field]!r}, but {name} as configured there "
                f"has {built[field]!r}; the file was edited, or another version of serkit wrote it"
            )
    tensors, mark = _read_tensors(folder / MODEL)
    if not fingerprint(built) == stored["fingerprint"] == mark:
        raise CheckpointError(
            f"{folder}: {CONFIG} does not belong to {MODEL}: its emotions {built['emotions']}, "
            "settings or front end were changed after training, or the two files come from "
            "different runs. Restore the original pair"
        )
    _fill(as_module(system), tensors, folder / MODEL)
    _ = as_module(system).eval()
    return system


def describe(system: System) -> dict[str, Any]:
    """What the numbers of a system mean, as plain JSON values: the part that is fingerprinted."""
    described = {
        "system": system.name,
        "config": TypeAdapter(type(system.config)).dump_python(system.config, mode="json"),
        "emotions": list(getattr(system.config, "emotions", ())),
        "sample_rate": system.sample_rate,
        "front_end": system.front_end(),
    }
    return json.loads(json.dumps(described))


def fingerprint(described: Mapping[str, Any]) -> str:
    """SHA-256 of a description, indifferent to the order of its keys.

    Example:
        >>> a = fingerprint({"emotions": ["anger", "sadness"], "sample_rate": 16000})
        >>> a == fingerprint({"sample_rate": 16000, "emotions": ["anger", "sadness"]})
        True
        >>> a == fingerprint({"emotions": ["sadness", "anger"], "sample_rate": 16000})
        False
    """
    text = json.dumps(described, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def read_config(folder: Path) -> dict[str, Any]:
    """``config.json`` of a model folder, complete and of a known format."""
    path = folder / CONFIG
    for needed in (path, folder / MODEL):
        if not needed.is_file():
            raise CheckpointError(f"{folder} is not a model folder: {needed.name} is missing")
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise CheckpointError(f"{path} is not valid JSON: {error}") from error
    if not isinstance(stored, dict):
        raise CheckpointError(f"{path} must hold an object, not {type(stored).__name__}")
    if stored.get("format") != FORMAT:
        raise CheckpointError(
            f"{path}: format {stored.get('format')!r} is not known, only {FORMAT}; "
            "a newer serkit may read it"
        )
    for field in (*FINGERPRINTED, "fingerprint"):
        if field not in stored:
            raise CheckpointError(f"{path}: field {field!r} is missing")
    return stored


def read_weights(path: Path) -> dict[str, torch.Tensor]:
    """Tensors by name from somebody else's file: safetensors, or torch's with weights alone.

    Raises:
        CheckpointError: It is not there, cannot be read, or holds anything but tensors by name.
    """
    if not path.is_file():
        raise CheckpointError("there is no such file")
    if path.suffix == ".safetensors":
        return _read_tensors(path)[0]
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)  # noqa: TID251
    except (OSError, RuntimeError, EOFError, LookupError, ValueError, UnpicklingError) as error:
        raise CheckpointError(f"it cannot be read as weights alone: {error}") from error
    if not isinstance(found, dict) or not all(isinstance(x, torch.Tensor) for x in found.values()):
        raise CheckpointError("it must hold tensors by name, such as a state_dict")
    return found


def as_module(system: System) -> nn.Module:
    """The same system, seen as what it also is: a ``torch.nn.Module``."""
    if not isinstance(system, nn.Module):
        raise TypeError(f"System {system.name!r} is not a torch.nn.Module")
    return system


def save_resume(path: Path, state: Mapping[str, Any]) -> None:
    """Write the state of training: the whole of it, or nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with temporary.open("wb") as file:
        torch.save(dict(state), file)
        file.flush()
        os.fsync(file.fileno())
    _ = temporary.replace(path)


def load_resume(path: Path) -> dict[str, Any] | None:
    """What ``save_resume`` wrote, or None when there is nothing to resume."""
    if not path.exists():
        return None
    # Tensors and plain values only; safetensors would lose the strides of channels-last weights.
    return torch.load(path, map_location="cpu", weights_only=True)  # noqa: TID251


def _configuration(kind: type, values: Any, path: Path) -> Any:
    """A ``Config`` from JSON; every field must be there, so that no default creeps in."""
    known = [field.name for field in dataclasses.fields(kind)]
    if not isinstance(values, dict):
        raise CheckpointError(f"{path}: config must hold an object, not {type(values).__name__}")
    unknown = [name for name in values if name not in known]
    missing = [name for name in known if name not in values]
    if unknown or missing:
        raise CheckpointError(
            f"{path}: config has unknown fields {unknown} and lacks {missing}; "
            f"the fields of this version are {known}"
        )
    try:
        return TypeAdapter(kind).validate_json(json.dumps(values), strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in ("config", *first["loc"]))
        raise CheckpointError(f"{path}: {place}: {first['msg']}, got {first['input']!r}") from error


def _read_tensors(path: Path) -> tuple[dict[str, torch.Tensor], str | None]:
    """The tensors, and the fingerprint stored with them."""
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
        return load_file(path), metadata.get("fingerprint")
    except SafetensorError as error:
        raise CheckpointError(f"{path} cannot be read as safetensors: {error}") from error


def _fill(module: nn.Module, tensors: Mapping[str, torch.Tensor], path: Path) -> None:
    """Copy the tensors in, all of them, each of its size."""
    expected = module.state_dict()
    missing = sorted(expected.keys() - tensors.keys())
    unknown = sorted(tensors.keys() - expected.keys())
    if missing or unknown:
        raise CheckpointError(f"{path}: lacks tensors {missing} and has unknown ones {unknown}")
    for name, tensor in expected.items():
        if name.endswith(EXTRA_STATE):
            continue
        if tensor.shape != tensors[name].shape:
            raise CheckpointError(
                f"{path}: {name} has size {tuple(tensors[name].shape)}, "
                f"but the configured system needs {tuple(tensor.shape)}"
            )
    try:
        _ = module.load_state_dict(dict(tensors))
    except ClassifierError as error:
        raise CheckpointError(f"{path}: {error}") from error
