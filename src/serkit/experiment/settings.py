"""``--set NAME=VALUE``: a word from the command line becomes a checked field of a dataclass."""

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, fields, replace
from difflib import get_close_matches
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from pydantic import TypeAdapter, ValidationError

from serkit.experiment.task import TASKS
from serkit.systems import SYSTEMS
from serkit.trainer import Settings

FIXED = ("emotions", "affect", "architecture")
"""Fields of a system's Config that the protocol decides."""


class SettingError(ValueError):
    """A ``--set`` that names no field, or gives a field a value it cannot have."""

    is_usage = True


class UnknownSystemError(LookupError):
    """A system that is not in ``SYSTEMS``."""

    is_usage = True


@dataclass(frozen=True, kw_only=True, slots=True)
class Resolved:
    """What ``--set`` came to: fields of the system's Config, and the trainer's settings."""

    system_settings: Mapping[str, Any]
    """Fields of the system's Config, by name."""
    settings: Settings
    """The trainer's settings, complete."""


def system_class(name: str) -> Any:
    """The class behind a system's name; ``-`` may stand for ``_``.

    Raises:
        UnknownSystemError: names the systems there are.

    Example:
        >>> system_class("crnn").name
        'crnn'
    """
    known = name.replace("-", "_")
    if known not in SYSTEMS:
        raise UnknownSystemError(
            f"there is no system {name!r}; {_nearest(name, list(SYSTEMS))}. "
            f"Systems: {', '.join(SYSTEMS)}."
        )
    return SYSTEMS[known]


def resolve(
    assignments: Sequence[str],
    *,
    system: str,
    system_settings: Mapping[str, Any] | None = None,
    settings: Settings | None = None,
) -> Resolved:
    """Check each ``NAME=VALUE`` against the system's Config and the trainer's Settings.

    A name may say whose it is: ``system.dropout=0.2``, ``trainer.epochs=3``. Values are read
    by the type of the field; a tuple is written with commas, None as ``none``.

    Args:
        assignments: what stood after ``--set``, such as ``["epochs=3"]``.
        system: key in ``SYSTEMS``.
        system_settings: fields of the system's Config set before.
        settings: the trainer's settings to start from; None takes those that suit the system.

    Raises:
        SettingError: says which names or values there are.

    Example:
        >>> resolve(["trainer.epochs=3"], system="crnn").settings.epochs
        3
    """
    found: dict[str, Any] = dict(system_settings or {})
    settings = settings or Settings(**getattr(system_class(system), "settings", {}))
    config_class: type = system_class(system).Config
    of_system = {n: f for n, f in _fields(config_class).items() if n not in FIXED}
    of_trainer = _fields(Settings)
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        owner, dot, short = name.strip().rpartition(".")
        if not equals or not short:
            raise SettingError(f"--set takes NAME=VALUE, such as epochs=20; got {assignment!r}.")
        if dot and owner not in ("system", "trainer", system):
            raise SettingError(
                f"{name!r} begins with {owner!r}; before the dot goes 'system' or 'trainer'."
            )
        if short in FIXED:
            raise SettingError(f"{short!r} follows from protocol and system and cannot be set.")
        if short in of_trainer and owner in ("", "trainer"):
            value = _value(short, text.strip(), get_type_hints(Settings)[short])
            settings = replace(settings, **{short: value})
        elif short in of_system and owner != "trainer":
            found[short] = _value(short, text.strip(), get_type_hints(config_class)[short])
        else:
            names = [*of_system, *of_trainer]
            raise SettingError(
                f"{system} and the trainer have no setting {short!r}; {_nearest(short, names)}. "
                f"Settings of {system}: {', '.join(of_system) or 'none'}. "
                f"Settings of the trainer: {', '.join(of_trainer)}."
            )
    return Resolved(system_settings=found, settings=settings)


def configure(system: str, names: Sequence[str], system_settings: Mapping[str, Any]) -> Any:
    """The system's Config for these emotions, or dimensions of affect.

    Raises:
        SettingError: for a field that the Config lacks.

    Example:
        >>> configure("crnn", ("anger", "sadness"), {"size": "small"}).emotions
        ('anger', 'sadness')
    """
    config_class: type = system_class(system).Config
    known = _fields(config_class)
    for name in system_settings:
        if name not in known:
            raise SettingError(f"{system} has no setting {name!r}; {_nearest(name, list(known))}.")
    return config_class(**system_settings, **{TASKS[system_class(system).task].field: tuple(names)})


def choices(system: str) -> list[tuple[str, str, str]]:
    """All that ``--set`` takes for a system: name, type or values, default.

    Example:
        >>> [row for row in choices("crnn") if row[0] == "epochs"]
        [('epochs', 'int', '40')]
    """
    rows: list[tuple[str, str, str]] = []
    suited: Mapping[str, Any] = getattr(system_class(system), "settings", {})
    for owner in (system_class(system).Config, Settings):
        hints = get_type_hints(owner)
        for name, field in _fields(owner).items():
            if name not in FIXED:
                default = str(suited[name]) if name in suited else _default(field)
                rows.append((name, _words(hints[name]), default))
    return rows


def _fields(owner: type) -> dict[str, "Field[Any]"]:
    return {field.name: field for field in fields(owner)}


def _default(field: "Field[Any]") -> str:
    if field.default is not MISSING:
        value: object = field.default
    elif field.default_factory is not MISSING:
        value = field.default_factory()
    else:
        return "-"
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return "none" if value is None else str(value)


def _value(name: str, text: str, kind: Any) -> Any:
    """Read ``text`` as a ``kind``: as it stands, as a number to choose, as None, or as a tuple."""
    adapter: TypeAdapter[Any] = TypeAdapter(kind)
    readings: list[Any] = [text, *(v for v in _listed(kind) if str(v) == text)]
    if text.lower() in ("none", "null"):
        readings.append(None)
    if _has_tuple(kind):
        readings.append(tuple(part.strip() for part in text.strip("()[] ").split(",") if part))
    for reading in readings:
        try:
            return adapter.validate_python(reading)
        except ValidationError:
            continue
    raise SettingError(f"{name}={text} cannot be; {name} takes {_words(kind)}.")


def _listed(kind: Any) -> tuple[Any, ...]:
    """The values that a type lists."""
    if get_origin(kind) is Literal:
        return get_args(kind)
    return tuple(value for part in get_args(kind) for value in _listed(part))


def _has_tuple(kind: Any) -> bool:
    return get_origin(kind) is tuple or any(_has_tuple(part) for part in get_args(kind))


def _words(kind: Any) -> str:
    """A type in words for people: its values, or its name."""
    origin = get_origin(kind)
    if origin is Literal:
        return ", ".join(str(value) for value in get_args(kind))
    if origin in (UnionType, Union):
        return " or ".join(_words(part) for part in get_args(kind))
    if origin is tuple:
        part = next(iter(get_args(kind)), str)
        return f"{_words(part)} values with commas between"
    if kind is NoneType:
        return "none"
    return getattr(kind, "__name__", str(kind))


def _nearest(name: str, names: Sequence[str]) -> str:
    near = get_close_matches(name, names, n=3, cutoff=0.5)
    return f"nearest: {', '.join(near)}" if near else "nothing there is spelt like it"
