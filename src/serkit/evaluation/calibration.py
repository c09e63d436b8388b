"""Probabilities that mean what they say: temperature scaling, when to be sure, reliability.

A temperature is fitted on development predictions and applied to the test side of the same fold.
It changes how sure a system is and never what it says, so UAR stays what it was.
"""

# Shapes: B utterances, C emotions.

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from serkit.evaluation.classification import top
from serkit.evaluation.predictions import DECIMALS, Prediction, PredictionsError, Seed, scheme
from serkit.evaluation.probability import (
    FLOOR,
    NO_PROBABILITIES,
    NUM_BINS,
    arrays,
    binned,
    check,
    has_probabilities,
)

LOWEST, HIGHEST = 0.01, 100.0
"""Temperatures are looked for in between. At an end there was nothing to fit: every development
utterance was right (lowest), or the probabilities say nothing about them (highest)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Temperature:
    """A temperature: probabilities are softened above 1 and sharpened below.

    Reference: Guo, Pleiss, Sun, Weinberger, "On Calibration of Modern Neural Networks", ICML 2017,
    arXiv 1706.04599, section 4.2.

    Example:
        >>> Temperature(value=2.0).apply(np.array([[0.8, 0.2]])).round(4).tolist()
        [[0.6667, 0.3333]]
    """

    value: float
    """From 0.01 to 100; 1 changes nothing."""

    def __post_init__(self) -> None:
        if not LOWEST <= self.value <= HIGHEST:
            raise ValueError(f"temperature {self.value} is not from {LOWEST} to {HIGHEST:.0f}")

    @staticmethod
    def fit(
        probabilities: Float[np.ndarray, "B C"], reference: Int[np.ndarray, " B"]
    ) -> "Temperature":
        """The temperature with the least log loss: ``min_T -sum_b ln softmax(ln p[b] / T)[k_b]``.

        The logarithms of probabilities are logits, up to a constant per utterance that a softmax
        takes out again. The loss is convex in ``1/T``, so its slope is halved to zero; where it has
        no minimum inside, the temperature is ``LOWEST`` or ``HIGHEST``.

        Args:
            probabilities: Of development utterances; never of those it will be applied to.
            reference: Index of the right emotion.

        Raises:
            ValueError: There are no utterances, or the rows are no probabilities.

        Example:
            >>> sure = np.array([[0.99, 0.01]] * 4)  # right three times of four
            >>> fitted = Temperature.fit(sure, np.array([0, 0, 0, 1]))
            >>> fitted.apply(sure)[0].round(4).tolist()
            [0.75, 0.25]
        """
        check(probabilities, reference)
        if not len(reference):
            raise ValueError("a temperature is fitted on development utterances; there are none")
        logits = _logits(probabilities)
        of_reference = logits[np.arange(len(reference)), reference]

        def slope(sharpness: float) -> float:
            """Of the mean loss by ``1/T``: expected logit less logit of the reference."""
            expected = (_softmax(logits * sharpness) * logits).sum(axis=1)
            return float((expected - of_reference).mean())

        low, high = 1.0 / HIGHEST, 1.0 / LOWEST
        if slope(low) >= 0.0:
            return Temperature(value=HIGHEST)
        if slope(high) <= 0.0:
            return Temperature(value=LOWEST)
        for _ in range(40):
            middle = math.sqrt(low * high)
            low, high = (middle, high) if slope(middle) < 0.0 else (low, middle)
        return Temperature(value=1.0 / math.sqrt(low * high))

    def apply(self, probabilities: Float[np.ndarray, "B C"]) -> Float[np.ndarray, "B C"]:
        """``softmax(ln p / T)``; a probability of 0 is taken for the smallest that a table writes.

        Example:
            >>> Temperature(value=1.0).apply(np.array([[0.9, 0.1]])).round(6).tolist()
            [[0.9, 0.1]]
        """
        return _softmax(_logits(probabilities) / self.value)


def sure_above(
    probabilities: Float[np.ndarray, "B C"],
    reference: Int[np.ndarray, " B"],
    *,
    accuracy: float = 0.75,
) -> float:
    """The lowest top probability from which on enough answers are right.

    Of all thresholds ``t`` for which, among the utterances whose top probability is ``t`` or more,
    at least a share ``accuracy`` is right, the one that answers most; below it the honest answer is
    "not sure" (classification with a reject option; Chow, "On optimum recognition error and reject
    tradeoff", IEEE Transactions on Information Theory 16, 1970).

    Args:
        probabilities: Of development utterances, calibrated if they are to be.
        reference: Index of the right emotion.
        accuracy: Share of right answers among those given, above 0 and up to 1.

    Raises:
        ValueError: There are no utterances, or no threshold reaches ``accuracy``.

    Example:
        >>> sure = np.array([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3], [0.6, 0.4]])
        >>> sure_above(sure, np.array([0, 0, 1, 1]), accuracy=0.75)
        0.8
    """
    check(probabilities, reference)
    if not 0.0 < accuracy <= 1.0:
        raise ValueError(f"accuracy={accuracy} must be above 0 and at most 1")
    tops = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == reference
    enough = [top for top in np.unique(tops) if right[tops >= top].mean() >= accuracy]
    if not enough:
        raise ValueError(
            f"of {len(reference)} development utterances no part that the system is surest of is "
            f"right in {accuracy:.0%} of cases; ask for less, or train it better"
        )
    return float(enough[0])


def temperatures(
    development_rows: Iterable[Prediction],
) -> dict[tuple[Seed, str], Temperature]:
    """One temperature per seed and fold, fitted on that fold's development predictions.

    Args:
        development_rows: Predictions of the development side; ``fold`` names the fold whose system
            made them.

    Raises:
        PredictionsError: There are none, or they are answers without probabilities.

    Example:
        >>> rows = [Prediction.of(seed=0, fold="one", file=f"{n}", speaker="s",
        ...                       emotion="anger" if n else "sadness",
        ...                       emotions=("anger", "sadness"), probabilities=[0.99, 0.01])
        ...         for n in range(4)]
        >>> {of: round(fitted.value, 2) for of, fitted in temperatures(rows).items()}
        {(0, 'one'): 4.18}
    """
    table = list(development_rows)
    if not table:
        raise PredictionsError("there are no development predictions to fit a temperature on")
    _ = scheme(table, "development predictions")
    if not has_probabilities(table):
        raise PredictionsError(f"development predictions are {NO_PROBABILITIES}")
    parts: dict[tuple[Seed, str], list[Prediction]] = defaultdict(list)
    for row in table:
        parts[row.seed, row.fold].append(row)
    return {of: Temperature.fit(*arrays(part)) for of, part in parts.items()}


def calibrate(
    test_rows: Iterable[Prediction], development_rows: Iterable[Prediction]
) -> list[Prediction]:
    """Test predictions with calibrated probabilities; what is predicted stays as it was.

    One temperature per seed and fold, fitted on the development predictions of the same seed and
    fold.

    Args:
        test_rows: Predictions of the test sides.
        development_rows: Predictions of the development sides by the same systems, with the fold
            they were trained for.

    Raises:
        PredictionsError: A fold has no development predictions, the schemes differ, an utterance is
            on both sides of a fold, or there are no probabilities.

    Example:
        >>> def row(file, emotion):
        ...     return Prediction.of(seed=0, fold="one", file=file, speaker="s", emotion=emotion,
        ...                          emotions=("anger", "sadness"), probabilities=[0.99, 0.01])
        >>> development = [row(f"{n}", "anger" if n else "sadness") for n in range(4)]
        >>> dict(calibrate([row("test", "anger")], development)[0].probabilities)
        {'anger': 0.75, 'sadness': 0.25}
    """
    test, development = list(test_rows), list(development_rows)
    if not test:
        raise PredictionsError("there are no predictions to calibrate")
    fitted = temperatures(development)
    emotions, others = scheme(test, "test predictions"), scheme(development)
    if emotions != others:
        raise PredictionsError(
            f"test predictions are over ({', '.join(emotions)}), development predictions over "
            f"({', '.join(others)}): calibrate with those of the same system"
        )
    seen = {(row.seed, row.fold, row.file) for row in development}
    for row in test:
        if (row.seed, row.fold) not in fitted:
            raise PredictionsError(
                f"seed {row.seed}, fold {row.fold} has test predictions and no development "
                "predictions; a temperature is never fitted on the test side or another fold"
            )
        if (row.seed, row.fold, row.file) in seen:
            raise PredictionsError(
                f"{row.file} is on the test and on the development side of fold {row.fold}: a "
                "temperature fitted on test utterances makes them look better calibrated than "
                "others will be"
            )
    if not has_probabilities(test):
        raise PredictionsError(f"test predictions are {NO_PROBABILITIES}")
    return [_calibrated(row, fitted[row.seed, row.fold], emotions) for row in test]


@dataclass(frozen=True, kw_only=True, slots=True)
class Bin:
    """One bar of a reliability figure.

    Example:
        >>> Bin(lower=0.8, upper=1.0, num_utterances=4, accuracy=0.75, confidence=0.9).gap
        0.15000000000000002
    """

    lower: float
    """Confidences of the bin are above this, in the first bin from it on."""
    upper: float
    """And up to this one."""
    num_utterances: int
    """All seeds added up."""
    accuracy: float
    """Share that was right; NaN in an empty bin."""
    confidence: float
    """Mean top probability; NaN in an empty bin."""

    @property
    def gap(self) -> float:
        """Confidence less accuracy: above 0 the system is too sure of itself."""
        return self.confidence - self.accuracy


def reliability(rows: Sequence[Prediction], *, num_bins: int = NUM_BINS) -> list[Bin]:
    """Accuracy and confidence by bins of the top probability, all seeds added up.

    Args:
        rows: Predictions with probabilities.
        num_bins: As in ``ece``.

    Raises:
        PredictionsError: There are no predictions, or they are answers without probabilities.

    Example:
        >>> rows = [Prediction.of(seed=0, fold="one", file=e, speaker="s", emotion=e,
        ...                       emotions=("anger", "sadness"), probabilities=[0.75, 0.25])
        ...         for e in ("anger", "sadness")]
        >>> [(bar.upper, bar.num_utterances, bar.accuracy) for bar in reliability(rows, num_bins=2)]
        [(0.5, 0, nan), (1.0, 2, 0.5)]
    """
    if not rows:
        raise PredictionsError("there are no predictions to sort by confidence")
    if not has_probabilities(rows):
        raise PredictionsError(f"the table holds {NO_PROBABILITIES}")
    bins = binned(*arrays(rows), num_bins=num_bins).sum(axis=0).tolist()
    return [
        Bin(
            lower=index / num_bins,
            upper=(index + 1) / num_bins,
            num_utterances=int(number),
            accuracy=right / number if number else math.nan,
            confidence=confidence / number if number else math.nan,
        )
        for index, (number, right, confidence) in enumerate(bins)
    ]


def _calibrated(row: Prediction, temperature: Temperature, emotions: tuple[str, ...]) -> Prediction:
    written = np.array([list(row.probabilities.values())])
    probabilities = temperature.apply(written)[0].round(DECIMALS)
    if top(probabilities, emotions) != row.predicted:
        # softened and rounded, the first two may have become equal; the one that led leads on
        probabilities[emotions.index(row.predicted)] += 10.0**-DECIMALS
    return Prediction.of(
        seed=row.seed,
        fold=row.fold,
        file=row.file,
        speaker=row.speaker,
        emotion=row.emotion,
        emotions=emotions,
        probabilities=probabilities,
    )


def _logits(probabilities: Float[np.ndarray, "B C"]) -> Float[np.ndarray, "B C"]:
    return np.log(np.maximum(probabilities, FLOOR))


def _softmax(logits: Float[np.ndarray, "B C"]) -> Float[np.ndarray, "B C"]:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)
