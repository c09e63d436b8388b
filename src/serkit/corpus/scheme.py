"""Label sets, the maps between them, and the maps between scales of affect."""

import difflib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

EMOTIONS = (
    "anger",
    "boredom",
    "calm",
    "contempt",
    "disgust",
    "excitement",
    "fear",
    "frustration",
    "happiness",
    "neutral",
    "sadness",
    "surprise",
    "other",
    "no_agreement",
)
"""The emotion names inside the toolkit, in the canonical order (that of logits and of tables)."""

ALIASES: Mapping[str, str] = {
    "afraid": "fear",
    "ang": "anger",
    "angry": "anger",
    "anxiety": "fear",
    "anxious": "fear",
    "bored": "boredom",
    "bor": "boredom",
    "cal": "calm",
    "calmness": "calm",
    "con": "contempt",
    "contemptuous": "contempt",
    "dis": "disgust",
    "disgusted": "disgust",
    "exc": "excitement",
    "excited": "excitement",
    "fea": "fear",
    "fearful": "fear",
    "fru": "frustration",
    "frustrated": "frustration",
    "hap": "happiness",
    "happy": "happiness",
    "joy": "happiness",
    "joyful": "happiness",
    "neu": "neutral",
    "neutrality": "neutral",
    "neutral_state": "neutral",
    "no_consensus": "no_agreement",
    "none": "no_agreement",
    "oth": "other",
    "rage": "anger",
    "sad": "sadness",
    "scared": "fear",
    "sur": "surprise",
    "surprised": "surprise",
    "xxx": "no_agreement",
}
"""Common spellings of the emotions; compared in lower case, space and ``-`` as ``_``."""


class UnknownLabelError(LookupError):
    """A label that is no emotion name and no alias of one."""

    def __init__(self, labels: Iterable[str], *, where: str = "") -> None:
        self.labels = tuple(dict.fromkeys(labels))
        known = (*EMOTIONS, *ALIASES)
        hints: list[str] = []
        for label in self.labels:
            near = difflib.get_close_matches(_plain(label), known, n=2, cutoff=0.6)
            hints.append(f"{label!r} (did you mean {' or '.join(near)}?)" if near else repr(label))
        first = self.labels[0] if self.labels else "label"
        super().__init__(
            f"{where + ': ' if where else ''}no such emotion: {', '.join(hints)}; the emotions are "
            f"{', '.join(EMOTIONS)}; map other labels with an alias, such as {first}=other"
        )

    def __str__(self) -> str:
        return str(self.args[0])


def _plain(label: str) -> str:
    return label.strip().lower().replace(" ", "_").replace("-", "_")


def canonical(label: str, *, aliases: Mapping[str, str] | None = None) -> str:
    """The toolkit's name of an emotion.

    Args:
        label: What a corpus calls it.
        aliases: Further label to emotion; asked before ``ALIASES``.

    Raises:
        UnknownLabelError: Neither an emotion nor an alias; the message has the nearest names.

    Example:
        >>> canonical("Joy")
        'happiness'
        >>> canonical("Wut", aliases={"Wut": "anger"})
        'anger'
    """
    plain = _plain(label)
    if aliases:
        own = {_plain(key): value for key, value in aliases.items()}
        if plain in own:
            target = _plain(own[plain])
            target = ALIASES.get(target, target)
            if target not in EMOTIONS:
                raise UnknownLabelError([own[plain]], where=f"alias {label}={own[plain]}")
            return target
    name = ALIASES.get(plain, plain)
    if name not in EMOTIONS:
        raise UnknownLabelError([label])
    return name


def in_order(emotions: Iterable[str]) -> tuple[str, ...]:
    """Distinct emotions in the canonical order.

    Example:
        >>> in_order(["sadness", "anger", "sadness"])
        ('anger', 'sadness')
    """
    present = set(emotions)
    return tuple(emotion for emotion in EMOTIONS if emotion in present)


def read_aliases(path: Path) -> dict[str, str]:
    """A scheme file: a JSON object of label to emotion, such as ``{"Wut": "anger"}``.

    Raises:
        ValueError: Not a JSON object of texts, or a value that is no emotion.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp()) / "scheme.json"
        >>> _ = file.write_text('{"Wut": "angry"}')
        >>> read_aliases(file)
        {'Wut': 'anger'}
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise ValueError(
            f"{path}: not JSON ({error}); write {{'label': 'emotion', ...}}"
        ) from error
    if not isinstance(content, dict) or not all(isinstance(v, str) for v in content.values()):
        raise ValueError(f"{path}: a scheme file is one JSON object of label to emotion")
    try:
        return {str(label): canonical(emotion) for label, emotion in content.items()}
    except UnknownLabelError as error:
        raise UnknownLabelError(error.labels, where=str(path)) from error


@dataclass(frozen=True, kw_only=True, slots=True)
class LabelMap:
    """Which emotions are kept and under which name; all others are dropped, never folded in.

    Example:
        >>> label_map("four+calm")("calm")
        'neutral'
        >>> label_map("four")("calm") is None
        True
    """

    name: str
    mapping: Mapping[str, str]
    """Emotion of the corpus to emotion of the scheme."""

    @property
    def emotions(self) -> tuple[str, ...]:
        """The scheme it leads to, in the canonical order."""
        return in_order(self.mapping.values())

    def __call__(self, emotion: str) -> str | None:
        """The emotion in the scheme, or None when it is dropped."""
        return self.mapping.get(emotion)


_FOUR = {name: name for name in ("anger", "happiness", "neutral", "sadness")}
_RAVDESS = ("anger", "disgust", "fear", "happiness", "neutral", "sadness", "surprise")

LABEL_MAPS: Mapping[str, LabelMap] = {
    name: LabelMap(name=name, mapping=mapping)
    for name, mapping in {
        "four": _FOUR,
        "four+exc": _FOUR | {"excitement": "happiness"},
        "four+calm": _FOUR | {"calm": "neutral"},
        "ravdess7": {name: name for name in _RAVDESS} | {"calm": "neutral"},
    }.items()
}
"""The shared label maps. A merge is a decision, so it is seen in the name."""


def label_map(name: str) -> LabelMap:
    """A shared label map by name.

    Raises:
        LookupError: No such map; the message lists them.

    Example:
        >>> label_map("four").emotions
        ('anger', 'happiness', 'neutral', 'sadness')
    """
    try:
        return LABEL_MAPS[name]
    except KeyError:
        raise LookupError(f"no label map {name!r}; there are {', '.join(LABEL_MAPS)}") from None


def _check_scale(low: float, high: float) -> None:
    if not low < high:
        raise ValueError(f"a scale goes from low to high; got {low:g},{high:g}")


def to_unit(value: float, low: float, high: float) -> float:
    """From a corpus scale to [0, 1]: ``u = (v - low) / (high - low)``, clamped.

    Count what is clamped with ``num_outside``.

    Example:
        >>> to_unit(4.0, 1.0, 7.0)
        0.5
        >>> to_unit(8.0, 1.0, 7.0)
        1.0
    """
    _check_scale(low, high)
    return min(1.0, max(0.0, (value - low) / (high - low)))


def from_unit(value: float, low: float, high: float) -> float:
    """From [0, 1] back to a corpus scale: ``v = low + u (high - low)``, clamped.

    Example:
        >>> from_unit(0.5, 1.0, 7.0)
        4.0
    """
    _check_scale(low, high)
    return min(high, max(low, low + value * (high - low)))


def num_outside(values: Iterable[float], low: float, high: float) -> int:
    """How many values lie outside the scale, and would be clamped.

    Example:
        >>> num_outside([0.0, 1.0, 7.0, 8.0], 1.0, 7.0)
        2
    """
    _check_scale(low, high)
    return sum(not low <= value <= high for value in values)
