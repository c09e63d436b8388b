"""Confusions of emotions, and the figures read off them: UAR, WAR, precision, macro, weighted F1.

A confusion is a value that adds: score a test set in parts, add the parts, and every figure is that
of the whole. Everything is computed in float64 from whole counts.
"""

# Shapes: C emotions; leading axes (seeds, draws of a bootstrap) are kept.

import difflib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import Float, Int, Num

Absent = Literal["nan", "skip"]
"""What a mean over emotions does where one has nothing to be judged by: NaN, or leave it out."""

DAGGER = "†"
"""Marks a figure in a table that leaves out an absent emotion, which the table then names."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Confusion:
    """How often emotion ``k`` was heard as emotion ``j``: ``counts[k, j]``, reference by row.

    Example:
        >>> confusion = Confusion.of(
        ...     ["anger", "anger", "sadness"], ["anger", "sadness", "sadness"],
        ...     ("anger", "sadness"),
        ... )
        >>> confusion.counts.tolist()
        [[1, 1], [0, 1]]
        >>> (confusion + confusion).num_utterances
        6
    """

    emotions: tuple[str, ...]
    """The scheme, in the order of rows and columns."""
    counts: Int[np.ndarray, "C C"]
    """Utterances, reference by row, prediction by column. A read-only copy is kept."""

    def __post_init__(self) -> None:
        num_emotions = len(self.emotions)
        if len(set(self.emotions)) != num_emotions:
            raise ValueError(f"an emotion occurs twice in the scheme {self.emotions}")
        if self.counts.shape != (num_emotions, num_emotions):
            raise ValueError(
                f"counts of shape {self.counts.shape} do not fit {num_emotions} emotions: "
                f"{', '.join(self.emotions)}"
            )
        if (self.counts < 0).any():
            raise ValueError(f"a confusion cannot hold negative counts: {self.counts.tolist()}")
        counts = self.counts.astype(np.int64, copy=True)
        counts.setflags(write=False)
        object.__setattr__(self, "counts", counts)

    @staticmethod
    def of(
        reference: Iterable[str], predicted: Iterable[str], emotions: Iterable[str]
    ) -> "Confusion":
        """Count two sequences of emotions against each other.

        Args:
            reference: What each utterance was rated as.
            predicted: What it was heard as, in the same order.
            emotions: The scheme; it decides the rows, also of emotions that never occur.

        Raises:
            ValueError: The sequences differ in length, or hold an emotion outside the scheme.

        Example:
            >>> Confusion.of(["anger"], ["sadness"], ["anger", "sadness"]).counts.tolist()
            [[0, 1], [0, 0]]
        """
        scheme, rows, columns = tuple(emotions), list(reference), list(predicted)
        if len(rows) != len(columns):
            raise ValueError(
                f"{len(rows)} reference emotions but {len(columns)} predicted ones: "
                "give one of each per utterance, in the same order"
            )
        place = {emotion: index for index, emotion in enumerate(scheme)}
        counts = np.zeros((len(scheme), len(scheme)), dtype=np.int64)
        for number, (row, column) in enumerate(zip(rows, columns, strict=True)):
            for side, emotion in (("reference", row), ("predicted", column)):
                if emotion not in place:
                    near = difflib.get_close_matches(emotion, scheme, n=1)
                    hint = f"; did you mean {near[0]!r}?" if near else ""
                    raise ValueError(
                        f"{side} emotion {emotion!r} of utterance {number} is not in the scheme "
                        f"({', '.join(scheme)}){hint}"
                    )
            counts[place[row], place[column]] += 1
        return Confusion(emotions=scheme, counts=counts)

    @staticmethod
    def empty(emotions: Iterable[str]) -> "Confusion":
        """The confusion of no utterances: adding it changes nothing.

        Example:
            >>> Confusion.empty(["anger", "sadness"]).num_utterances
            0
        """
        scheme = tuple(emotions)
        return Confusion(
            emotions=scheme, counts=np.zeros((len(scheme), len(scheme)), dtype=np.int64)
        )

    def __add__(self, other: "Confusion") -> "Confusion":
        if self.emotions != other.emotions:
            raise ValueError(
                "confusions of different schemes do not add: "
                f"({', '.join(self.emotions)}) and ({', '.join(other.emotions)})"
            )
        return Confusion(emotions=self.emotions, counts=self.counts + other.counts)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Confusion):
            return NotImplemented
        return self.emotions == other.emotions and np.array_equal(self.counts, other.counts)

    __hash__ = None  # pyright: ignore[reportAssignmentType]

    @property
    def num_utterances(self) -> int:
        """All utterances counted."""
        return int(self.counts.sum())

    @property
    def absent(self) -> tuple[str, ...]:
        """Emotions of the scheme that no utterance was rated as, so that they have no recall."""
        occurs = self.counts.sum(axis=1) > 0
        return tuple(e for e, there in zip(self.emotions, occurs, strict=True) if not there)

    @property
    def by_row(self) -> Float[np.ndarray, "C C"]:
        """Shares of each reference emotion; rows add up to 1, the row of an absent one is NaN."""
        return _ratio(self.counts, self.counts.sum(axis=1, keepdims=True))


def uar(
    reference: Confusion | Sequence[str],
    predicted: Sequence[str] | None = None,
    emotions: Sequence[str] | None = None,
    *,
    absent: Absent = "nan",
) -> float:
    """Unweighted average recall: the mean over the emotions of the scheme of recall.

    ``uar = 1/|K| * sum over k in K of n[k, k] / sum_j n[k, j]``

    Also called UA, unweighted accuracy, macro recall, balanced accuracy.
    Reference: Schuller, Steidl, Batliner, "The INTERSPEECH 2009 Emotion Challenge", Interspeech
    2009, doi 10.21437/Interspeech.2009-103.
    Direction: higher is better. Range: [0, 1]; a constant answer scores ``1/|K|``.
    NaN: an emotion without reference utterances has no recall. ``absent="nan"`` then returns NaN,
    ``absent="skip"`` averages over those present: mark the figure and name the emotion.
    Trap: scikit-learn's macro recall counts an emotion that is only *predicted* as recall 0.

    Args:
        reference: A confusion, or the reference emotions.
        predicted: The predicted emotions, unless a confusion was given.
        emotions: The scheme, unless a confusion was given.
        absent: What to do about emotions without reference utterances.

    Example:
        >>> uar(["anger", "anger", "sadness"], ["anger", "sadness", "sadness"],
        ...     ["anger", "sadness"])
        0.75
    """
    return float(_uar(_confusion(reference, predicted, emotions).counts, absent))


def war(
    reference: Confusion | Sequence[str],
    predicted: Sequence[str] | None = None,
    emotions: Sequence[str] | None = None,
    *,
    absent: Absent = "nan",
) -> float:
    """Weighted average recall: the share of utterances heard right.

    ``war = sum_k n[k, k] / sum n``: recall averaged with the emotions' frequencies as weights.

    Also called WA, weighted accuracy, accuracy.
    Reference: Schuller, Steidl, Batliner, "The INTERSPEECH 2009 Emotion Challenge", Interspeech
    2009, doi 10.21437/Interspeech.2009-103.
    Direction: higher is better. Range: [0, 1]; the most frequent emotion alone scores its share.
    NaN: without any utterance. An absent emotion has no weight, so ``absent`` changes nothing.

    Args:
        reference: A confusion, or the reference emotions.
        predicted: The predicted emotions, unless a confusion was given.
        emotions: The scheme, unless a confusion was given.
        absent: Accepted so that all figures are called alike.

    Example:
        >>> war(["anger", "anger", "anger", "sadness"], ["anger", "anger", "sadness", "sadness"],
        ...     ["anger", "sadness"])
        0.75
    """
    return float(_war(_confusion(reference, predicted, emotions).counts, absent))


def macro_f1(
    reference: Confusion | Sequence[str],
    predicted: Sequence[str] | None = None,
    emotions: Sequence[str] | None = None,
    *,
    absent: Absent = "nan",
) -> float:
    """Macro F1: the mean over the emotions of the scheme of F1. Not the same as UAR.

    ``macro_f1 = 1/|K| * sum over k in K of 2 n[k, k] / (sum_j n[k, j] + sum_j n[j, k])``

    Also called macro-averaged F1, unweighted F1. It is the mean of the F1 scores, not the F1 of
    mean precision and mean recall.
    Reference: Opitz & Burst, "Macro F1 and Macro F1", 2019, arXiv 1911.03347, equation 1.
    Direction: higher is better. Range: [0, 1].
    NaN: an emotion neither rated nor predicted is 0/0: NaN under ``absent="nan"``, left out under
    ``absent="skip"``. An emotion that is only predicted has F1 0 and counts.

    Args:
        reference: A confusion, or the reference emotions.
        predicted: The predicted emotions, unless a confusion was given.
        emotions: The scheme, unless a confusion was given.
        absent: What to do about emotions that occur on neither side.

    Example:
        >>> round(macro_f1(["anger", "anger", "sadness"], ["anger", "sadness", "sadness"],
        ...                ["anger", "sadness"]), 4)
        0.6667
    """
    return float(_macro_f1(_confusion(reference, predicted, emotions).counts, absent))


def macro_precision(
    reference: Confusion | Sequence[str],
    predicted: Sequence[str] | None = None,
    emotions: Sequence[str] | None = None,
    *,
    absent: Absent = "nan",
) -> float:
    """Macro precision: the mean over the emotions of the scheme of precision.

    ``macro_precision = 1/|K| * sum over k in K of n[k, k] / sum_j n[j, k]``

    Also called unweighted average precision, macro-averaged precision.
    Reference: Sokolova & Lapalme, "A systematic analysis of performance measures for classification
    tasks", Information Processing & Management 45(4), 2009, doi 10.1016/j.ipm.2009.03.002, table 3.
    Direction: higher is better. Range: [0, 1].
    NaN: an emotion neither rated nor predicted is 0/0: NaN under ``absent="nan"``, left out under
    ``absent="skip"``. One that was rated but never predicted counts as 0, or a system would gain by
    never naming the hard ones (scikit-learn: ``zero_division=0``).

    Args:
        reference: A confusion, or the reference emotions.
        predicted: The predicted emotions, unless a confusion was given.
        emotions: The scheme, unless a confusion was given.
        absent: What to do about emotions that occur on neither side.

    Example:
        >>> macro_precision(["anger", "anger", "sadness"], ["anger", "sadness", "sadness"],
        ...                 ["anger", "sadness"])
        0.75
    """
    return float(_macro_precision(_confusion(reference, predicted, emotions).counts, absent))


def weighted_f1(
    reference: Confusion | Sequence[str],
    predicted: Sequence[str] | None = None,
    emotions: Sequence[str] | None = None,
    *,
    absent: Absent = "nan",
) -> float:
    """Weighted F1: the mean of F1 with the emotions' frequencies as weights. It may exceed WAR.

    ``weighted_f1 = sum over k in K of (sum_j n[k, j] / sum n) * F1_k``, with ``F1_k`` as in
    ``macro_f1``.

    Also called support-weighted F1, weighted-averaged F1 (``average="weighted"`` in scikit-learn).
    It follows the frequent emotions as WAR does, and is neither macro F1 nor the F1 of anything.
    Reference: Poria et al., "MELD: A Multimodal Multi-Party Dataset for Emotion Recognition in
    Conversations", ACL 2019, doi 10.18653/v1/P19-1050, where it is the customary figure.
    Direction: higher is better. Range: [0, 1].
    NaN: without any utterance. An absent emotion has no weight, so ``absent`` changes nothing.

    Args:
        reference: A confusion, or the reference emotions.
        predicted: The predicted emotions, unless a confusion was given.
        emotions: The scheme, unless a confusion was given.
        absent: Accepted so that all figures are called alike.

    Example:
        >>> round(weighted_f1(["anger", "anger", "anger", "sadness"],
        ...                   ["anger", "anger", "sadness", "sadness"], ["anger", "sadness"]), 4)
        0.7667
    """
    return float(_weighted_f1(_confusion(reference, predicted, emotions).counts, absent))


def recall(confusion: Confusion) -> dict[str, float]:
    """Recall by emotion: the share of its utterances that were heard as it.

    ``n[k, k] / sum_j n[k, j]``. Also called sensitivity, class-wise accuracy. Higher is better,
    range [0, 1], NaN for an emotion without reference utterances.

    Example:
        >>> recall(Confusion.of(["anger", "anger"], ["anger", "sadness"], ["anger", "sadness"]))
        {'anger': 0.5, 'sadness': nan}
    """
    return _by_emotion(confusion, _recall(confusion.counts))


def precision(confusion: Confusion) -> dict[str, float]:
    """Precision by emotion: the share of utterances heard as it that it was.

    ``n[k, k] / sum_j n[j, k]``. Also called positive predictive value. Higher is better, range
    [0, 1], NaN for an emotion that was never predicted.

    Example:
        >>> precision(Confusion.of(["anger", "sadness"], ["anger", "anger"], ["anger", "sadness"]))
        {'anger': 0.5, 'sadness': nan}
    """
    counts = confusion.counts
    return _by_emotion(confusion, _ratio(_diagonal(counts), counts.sum(axis=-2)))


def f1(confusion: Confusion) -> dict[str, float]:
    """F1 by emotion: the harmonic mean of its precision and recall.

    ``2 n[k, k] / (sum_j n[k, j] + sum_j n[j, k])``. Also called F-measure, Dice coefficient. Higher
    is better, range [0, 1], NaN for an emotion neither rated nor predicted.

    Example:
        >>> f1(Confusion.of(["anger", "anger"], ["anger", "sadness"], ["anger", "sadness"]))
        {'anger': 0.6666666666666666, 'sadness': 0.0}
    """
    return _by_emotion(confusion, _f1(confusion.counts))


def top(probabilities: Sequence[float] | Float[np.ndarray, " C"], emotions: Sequence[str]) -> str:
    """The most probable emotion; of equals the one with the lower index.

    Example:
        >>> top([0.4, 0.4, 0.2], ["anger", "neutral", "sadness"])
        'anger'
    """
    if len(probabilities) != len(emotions):
        raise ValueError(f"{len(probabilities)} probabilities for {len(emotions)} emotions")
    values = np.asarray(probabilities, dtype=np.float64)
    if not len(values) or np.isnan(values).any():
        raise ValueError(f"no most probable emotion among {values.tolist()}")
    return emotions[int(values.argmax())]  # argmax returns the first of equals


def marked(value: float, absent: Sequence[str] = (), *, decimals: int = 3) -> str:
    """A figure as tables print it; a dagger says that it leaves out an absent emotion.

    Example:
        >>> marked(0.8125), marked(0.8125, ["disgust"]), marked(float("nan"))
        ('0.812', '0.812†', 'n/a')
    """
    text = "n/a" if np.isnan(value) else f"{value:.{decimals}f}"
    return text + (DAGGER if absent else "")


def _confusion(
    reference: Confusion | Sequence[str],
    predicted: Sequence[str] | None,
    emotions: Sequence[str] | None,
) -> Confusion:
    if isinstance(reference, Confusion):
        if predicted is not None or emotions is not None:
            raise ValueError("a confusion needs neither predicted emotions nor a scheme beside it")
        return reference
    if predicted is None or emotions is None:
        raise ValueError(
            "give a Confusion, or reference emotions, predicted emotions and the scheme"
        )
    return Confusion.of(reference, predicted, emotions)


def _by_emotion(confusion: Confusion, values: Float[np.ndarray, " C"]) -> dict[str, float]:
    return dict(zip(confusion.emotions, values.tolist(), strict=True))


def _ratio(above: Any, below: Any) -> Any:
    """``above / below`` in float64, NaN where nothing is below."""
    above, below = np.asarray(above), np.asarray(below)
    quotient = np.full(np.broadcast_shapes(above.shape, below.shape), np.nan)
    return np.divide(above, below, out=quotient, where=np.broadcast_to(below > 0, quotient.shape))


def _diagonal(counts: Num[np.ndarray, "*S C C"]) -> Num[np.ndarray, "*S C"]:
    return np.diagonal(counts, axis1=-2, axis2=-1)


def _recall(counts: Num[np.ndarray, "*S C C"]) -> Float[np.ndarray, "*S C"]:
    return _ratio(_diagonal(counts), counts.sum(axis=-1))


def _f1(counts: Num[np.ndarray, "*S C C"]) -> Float[np.ndarray, "*S C"]:
    return _ratio(2 * _diagonal(counts), counts.sum(axis=-1) + counts.sum(axis=-2))


def _mean(values: Float[np.ndarray, "*S C"], absent: Absent) -> Any:
    """Mean over the emotions; ``skip`` leaves NaN out, and is NaN only where nothing is left."""
    if absent == "nan":
        return values.mean(axis=-1)
    defined = ~np.isnan(values)
    return _ratio(np.where(defined, values, 0.0).sum(axis=-1), defined.sum(axis=-1))


def _uar(counts: Num[np.ndarray, "*S C C"], absent: Absent) -> Any:
    return _mean(_recall(counts), absent)


def _war(counts: Num[np.ndarray, "*S C C"], absent: Absent) -> Any:
    del absent  # an emotion without utterances has no weight
    return _ratio(_diagonal(counts).sum(axis=-1), counts.sum(axis=(-2, -1)))


def _macro_f1(counts: Num[np.ndarray, "*S C C"], absent: Absent) -> Any:
    return _mean(_f1(counts), absent)


def _macro_precision(counts: Num[np.ndarray, "*S C C"], absent: Absent) -> Any:
    predicted, rated = counts.sum(axis=-2), counts.sum(axis=-1)
    values = _ratio(_diagonal(counts), predicted)
    return _mean(np.where((predicted == 0) & (rated > 0), 0.0, values), absent)


def _weighted_f1(counts: Num[np.ndarray, "*S C C"], absent: Absent) -> Any:
    del absent  # an emotion without utterances has no weight
    support = counts.sum(axis=-1)
    weighted = support * np.nan_to_num(_f1(counts))  # an F1 of 0/0 has no support
    return _ratio(weighted.sum(axis=-1), support.sum(axis=-1))


METRICS: dict[str, Callable[[Any, Absent], Any]] = {
    "uar": _uar,
    "war": _war,
    "macro_f1": _macro_f1,
    "weighted_f1": _weighted_f1,
    "macro_precision": _macro_precision,
}
"""Figures of many confusions at once, ``[... C C]`` to ``[...]``, by the name tables use."""
