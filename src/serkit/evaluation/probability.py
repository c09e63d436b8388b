"""What probabilities are worth: log loss, Brier score, top-k accuracy, calibration error.

UAR looks at the most probable emotion alone. These figures look at the probabilities themselves,
and are not defined for a table that holds bare answers written as zeros and ones.
"""

# Shapes: B utterances, C emotions, R seeds, S speakers, Q sums that a figure is read off.

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int, Num

from serkit.evaluation.interval import DRAWS, Interval, bootstrap
from serkit.evaluation.predictions import (
    DECIMALS,
    SUM_TOLERANCE,
    Prediction,
    PredictionsError,
    Seed,
    scheme,
)
from serkit.evaluation.scores import Figure, complete_seeds, sample_sd

NUM_BINS = 15
"""Of the top probability, in the expected calibration error and in a reliability figure."""
FLOOR = 0.5 * 10.0**-DECIMALS
"""What a probability written as 0.000000 may have been, and is taken for in a log loss."""
NO_PROBABILITIES = "answers without probabilities: not defined"
LOWER_IS_BETTER = ("log_loss", "brier", "ece")
"""Direction of these figures; of a top-k accuracy, higher is better."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ProbabilityScores:
    """The figures of the probabilities of one table."""

    figures: Mapping[str, Figure]
    """``"log_loss"``, ``"brier"``, ``"ece"``, ``"top_2"``, ...; NaN when not defined."""
    reason: str
    """Why they are not defined; empty when they are."""
    num_floored: int
    """Utterances, of all seeds, whose emotion was given a probability of 0, taken for ``FLOOR``."""

    @property
    def is_defined(self) -> bool:
        """The table holds probabilities, not bare answers."""
        return not self.reason


def log_loss(
    probabilities: Float[np.ndarray, "B C"], reference: Int[np.ndarray, " B"], *, floor: float = 0.0
) -> float:
    """Mean negative logarithm of the probability that was given to the right emotion.

    ``log_loss = -1/B * sum_b ln p[b, k_b]``, in nats.

    Also called negative log-likelihood, cross-entropy.
    Reference: Good, "Rational Decisions", Journal of the Royal Statistical Society B 14, 1952.
    Direction: lower is better. Range: [0, inf]; equal probabilities score ``ln C``.
    NaN: without any utterance.

    Args:
        probabilities: Of each emotion; rows add up to 1.
        reference: Index of the right emotion.
        floor: Smaller probabilities are taken for this one. At 0 one impossible answer that was
            right makes the figure infinite.

    Raises:
        ValueError: The rows are no probabilities, or a reference is no index of an emotion.

    Example:
        >>> round(log_loss(np.array([[0.5, 0.5], [0.25, 0.75]]), np.array([0, 1])), 4)
        0.4904
    """
    check(probabilities, reference)
    return _mean(_log_loss(probabilities, reference, floor))


def brier(probabilities: Float[np.ndarray, "B C"], reference: Int[np.ndarray, " B"]) -> float:
    """Brier score: mean squared distance of the probabilities from the right answer.

    ``brier = 1/B * sum_b sum_k (p[b, k] - [k = k_b])^2``, summed over emotions.

    Also called quadratic score, mean squared error of the posterior. Trap: for two emotions some
    define it over one of them, which is half of this.
    Reference: Brier, "Verification of forecasts expressed in terms of probability", Monthly Weather
    Review 78(1), 1950, equation 2.
    Direction: lower is better. Range: [0, 2]; equal probabilities score ``1 - 1/C``.
    NaN: without any utterance.

    Args:
        probabilities: Of each emotion; rows add up to 1.
        reference: Index of the right emotion.

    Raises:
        ValueError: The rows are no probabilities, or a reference is no index of an emotion.

    Example:
        >>> brier(np.array([[0.5, 0.5], [0.25, 0.75]]), np.array([0, 1]))
        0.3125
    """
    check(probabilities, reference)
    return _mean(_brier(probabilities, reference))


def top_k_accuracy(
    probabilities: Float[np.ndarray, "B C"], reference: Int[np.ndarray, " B"], *, k: int
) -> float:
    """Share of utterances whose emotion is among the ``k`` most probable ones.

    Of equal probabilities the lower index comes first, as everywhere in the toolkit, so that
    ``k=1`` is ``war``. Trap: scikit-learn puts the higher index first.
    Direction: higher is better. Range: [0, 1]; equal probabilities score about ``k/C``.
    NaN: without any utterance.

    Args:
        probabilities: Of each emotion; rows add up to 1.
        reference: Index of the right emotion.
        k: From 1 to the number of emotions.

    Raises:
        ValueError: The rows are no probabilities, a reference is no index, or ``k`` is out of
            range.

    Example:
        >>> probabilities = np.array([[0.5, 0.3, 0.2], [0.1, 0.2, 0.7]])
        >>> top_k_accuracy(probabilities, np.array([1, 0]), k=2)
        0.5
    """
    check(probabilities, reference)
    if not 1 <= k <= probabilities.shape[1]:
        raise ValueError(f"k is from 1 to the {probabilities.shape[1]} emotions, not {k}")
    return _mean(_is_within(probabilities, reference, k))


def ece(
    probabilities: Float[np.ndarray, "B C"],
    reference: Int[np.ndarray, " B"],
    *,
    num_bins: int = NUM_BINS,
) -> float:
    """Expected calibration error: how far confidence is from accuracy.

    ``ece = sum_b n_b / n * |accuracy_b - mean confidence_b|`` over equal bins of the top
    probability, (lower, upper], the first one closed; empty bins count 0.

    Reference: Guo, Pleiss, Sun, Weinberger, "On Calibration of Modern Neural Networks", ICML 2017,
    arXiv 1706.04599, equation 3.
    Direction: lower is better. Range: [0, 1]. It is biased upwards where utterances are few (so an
    interval by bootstrap reaches further up than down, and the figure may lie at its lower end),
    and says nothing of the less probable emotions: read it beside ``log_loss``.
    NaN: without any utterance.

    Args:
        probabilities: Of each emotion; rows add up to 1.
        reference: Index of the right emotion.
        num_bins: 15 by convention; figures with other numbers do not compare.

    Raises:
        ValueError: The rows are no probabilities, or a reference is no index of an emotion.

    Example:
        >>> round(ece(np.array([[0.75, 0.25], [0.75, 0.25]]), np.array([0, 1])), 4)
        0.25
    """
    check(probabilities, reference)
    bins = binned(probabilities, reference, num_bins=num_bins)
    return float(_ece(bins.sum(axis=0).reshape(-1)))


def binned(
    probabilities: Float[np.ndarray, "B C"],
    reference: Int[np.ndarray, " B"],
    *,
    num_bins: int = NUM_BINS,
) -> Float[np.ndarray, "B N 3"]:
    """Each utterance as what it adds to its bin: one, whether it was right, its confidence.

    Example:
        >>> binned(np.array([[0.75, 0.25]]), np.array([0]), num_bins=2).tolist()
        [[[0.0, 0.0, 0.0], [1.0, 1.0, 0.75]]]
    """
    if num_bins < 1:
        raise ValueError(f"confidence is sorted into at least one bin, not {num_bins}")
    confidence = probabilities.max(axis=1)
    upper = np.arange(1, num_bins + 1) / num_bins
    bin_of = np.minimum(np.searchsorted(upper, confidence, side="left"), num_bins - 1)
    of_utterance = np.zeros((len(probabilities), num_bins, 3))
    of_utterance[np.arange(len(probabilities)), bin_of] = np.stack(
        [np.ones_like(confidence), probabilities.argmax(axis=1) == reference, confidence], axis=1
    )
    return of_utterance


def check(probabilities: Float[np.ndarray, "B C"], reference: Int[np.ndarray, " B"]) -> None:
    """Refuse what is not a probability for each emotion, and what is not the index of one.

    Raises:
        ValueError: The message names the first utterance at fault.

    Example:
        >>> check(np.array([[0.5, 0.5]]), np.array([2]))
        Traceback (most recent call last):
        ...
        ValueError: reference 2 of utterance 0 is not the index of one of 2 emotions
    """
    outside = ~((probabilities >= 0.0) & (probabilities <= 1.0 + SUM_TOLERANCE)).all(axis=1)
    wrong = outside | (np.abs(probabilities.sum(axis=1) - 1.0) > SUM_TOLERANCE)
    if wrong.any():
        number = int(wrong.argmax())
        raise ValueError(
            f"row {number}, {probabilities[number].tolist()}, does not hold probabilities: each is "
            "between 0 and 1, and they add up to 1 (give the softmax of scores)"
        )
    strange = (reference < 0) | (reference >= probabilities.shape[1])
    if strange.any():
        number = int(strange.argmax())
        raise ValueError(
            f"reference {reference[number]} of utterance {number} is not the index of one of "
            f"{probabilities.shape[1]} emotions"
        )


def arrays(
    rows: Sequence[Prediction],
) -> tuple[Float[np.ndarray, "B C"], Int[np.ndarray, " B"]]:
    """The probabilities of a table, and the index of each row's reference.

    Example:
        >>> row = Prediction.of(seed=0, fold="one", file="a", speaker="s", emotion="sadness",
        ...                     emotions=("anger", "sadness"), probabilities=[0.75, 0.25])
        >>> probabilities, reference = arrays([row])
        >>> probabilities.tolist(), reference.tolist()
        ([[0.75, 0.25]], [1])
    """
    place = {emotion: index for index, emotion in enumerate(scheme(rows))}
    return (
        np.array([list(row.probabilities.values()) for row in rows], dtype=np.float64),
        np.array([place[row.emotion] for row in rows], dtype=np.int64),
    )


def has_probabilities(rows: Sequence[Prediction]) -> bool:
    """Whether a table says how sure its system was: some row is not all zeros and a one.

    Example:
        >>> bare = Prediction.of(seed=0, fold="one", file="a", speaker="s", emotion="sadness",
        ...                      emotions=("anger", "sadness"), probabilities=[1.0, 0.0])
        >>> has_probabilities([bare])
        False
    """
    return any(value not in (0.0, 1.0) for row in rows for value in row.probabilities.values())


def probability_scores(rows: Sequence[Prediction], *, draws: int = DRAWS) -> ProbabilityScores:
    """Score the probabilities of a table: pooled per seed, mean over seeds, per fold, intervals.

    The figures are ``log_loss``, ``brier``, ``ece``, and ``top_2`` and ``top_3`` where there are
    more emotions than that; each as ``score`` gives UAR, with the interval of the bootstrap over
    speakers. A table of bare answers (every row zeros and a one) has none: the figures are NaN, and
    ``reason`` says why.

    Args:
        rows: Predictions of one system under one protocol; every seed has the same utterances.
        draws: Of the bootstrap over speakers.

    Raises:
        PredictionsError: The table cannot be scored; see ``score``.

    Example:
        >>> rows = [
        ...     Prediction.of(seed=0, fold="one", file=e, speaker="s", emotion=e,
        ...                   emotions=("anger", "sadness"), probabilities=[0.75, 0.25])
        ...     for e in ("anger", "sadness")
        ... ]
        >>> scores = probability_scores(rows)
        >>> {metric: figure.text for metric, figure in scores.figures.items()}
        {'log_loss': '0.837', 'brier': '0.625', 'ece': '0.250'}
    """
    table = list(rows)
    if not table:
        raise PredictionsError("there are no predictions to score")
    emotions = scheme(table)
    seeds = {seed: _in_order(part) for seed, part in complete_seeds(table).items()}
    reason = "" if has_probabilities(table) else NO_PROBABILITIES
    probabilities, reference = (
        np.stack(side) for side in zip(*(arrays(part) for part in seeds.values()), strict=True)
    )  # [R, B, C] and [R, B]
    one_seed = next(iter(seeds.values()))
    given = np.take_along_axis(probabilities, reference[..., None], axis=2)
    figures = {
        metric: _figure(metric, tuple(seeds), one_seed, sums, figure, reason, draws)
        for metric, (sums, figure) in _additive(probabilities, reference, len(emotions)).items()
    }
    return ProbabilityScores(
        figures=figures,
        reason=reason,
        num_floored=0 if reason else int((given < FLOOR).sum()),
    )


def _in_order(rows: Sequence[Prediction]) -> list[Prediction]:
    return sorted(rows, key=lambda row: row.file)


_Sums = Num[np.ndarray, "R B Q"]


def _additive(
    probabilities: Float[np.ndarray, "R B C"], reference: Int[np.ndarray, "R B"], num_emotions: int
) -> dict[str, tuple[_Sums, Callable[[Any], Any]]]:
    """What each utterance adds to each figure, and how the figure is read off the sum."""

    def of_seeds(function: Callable[..., Any], *more: Any) -> Any:
        return np.stack(
            [function(p, k, *more) for p, k in zip(probabilities, reference, strict=True)]
        )

    bins = of_seeds(binned)

    def mean(values: Float[np.ndarray, "R B"]) -> tuple[_Sums, Callable[[Any], Any]]:
        return np.stack([values, np.ones_like(values)], axis=-1), lambda s: s[..., 0] / s[..., 1]

    return {
        "log_loss": mean(of_seeds(_log_loss, FLOOR)),
        "brier": mean(of_seeds(_brier)),
        "ece": (bins.reshape(*bins.shape[:2], -1), _ece),
        **{f"top_{k}": mean(of_seeds(_is_within, k)) for k in (2, 3) if k < num_emotions},
    }


def _figure(
    metric: str,
    seeds: Sequence[Seed],
    rows: Sequence[Prediction],
    sums: _Sums,
    figure: Callable[[Any], Any],
    reason: str,
    draws: int,
) -> Figure:
    """One figure as tables show it; ``rows`` are those of one seed, in the order of ``sums``."""
    speakers, of_speaker = _added(sums, [row.speaker for row in rows])
    folds, of_fold = _added(sums, [row.fold for row in rows])
    if reason:
        nan = math.nan
        interval = Interval(
            metric=metric, value=nan, low=None, high=None, num_speakers=len(speakers),
            num_seeds=len(seeds), draws=draws, reason=reason,
        )  # fmt: skip
        by_seed, by_fold = dict.fromkeys(seeds, nan), dict.fromkeys(folds, nan)
    else:
        interval = bootstrap(speakers, of_speaker, figure, metric=metric, draws=draws)
        by_seed = dict(zip(seeds, figure(sums.sum(axis=1)).tolist(), strict=True))
        by_fold = dict(zip(folds, figure(of_fold).mean(axis=0).tolist(), strict=True))
    return Figure(
        metric=metric,
        by_seed=by_seed,
        mean=statistics.fmean(by_seed.values()),
        sd=sample_sd(by_seed.values()),
        interval=interval,
        by_fold=by_fold,
        fold_mean=statistics.fmean(by_fold.values()),
        fold_sd=sample_sd(by_fold.values()),
    )


def _added(sums: _Sums, names: Sequence[str]) -> tuple[list[str], Num[np.ndarray, "R S Q"]]:
    """The sums of each name's utterances, names in their order."""
    known, place = np.unique(np.array(names), return_inverse=True)
    added = np.zeros((len(sums), len(known), sums.shape[-1]))
    np.add.at(added.swapaxes(0, 1), place, sums.swapaxes(0, 1))
    return known.tolist(), added


def _log_loss(
    probabilities: Float[np.ndarray, "B C"], reference: Int[np.ndarray, " B"], floor: float
) -> Float[np.ndarray, " B"]:
    given = np.maximum(probabilities[np.arange(len(reference)), reference], floor)
    return -np.log(given, out=np.full_like(given, -np.inf), where=given > 0.0)


def _brier(
    probabilities: Float[np.ndarray, "B C"], reference: Int[np.ndarray, " B"]
) -> Float[np.ndarray, " B"]:
    return ((probabilities - np.eye(probabilities.shape[1])[reference]) ** 2).sum(axis=1)


def _is_within(
    probabilities: Float[np.ndarray, "B C"], reference: Int[np.ndarray, " B"], k: int
) -> Float[np.ndarray, " B"]:
    best = np.argsort(-probabilities, axis=1, kind="stable")[:, :k]  # of equals the lower index
    return (best == reference[:, None]).any(axis=1).astype(np.float64)


def _ece(sums: Float[np.ndarray, "*S Q"]) -> Any:
    bins = sums.reshape(*sums.shape[:-1], -1, 3)
    number, right, confidence = (bins[..., part] for part in range(3))
    total = number.sum(axis=-1)
    apart = np.abs(right - confidence).sum(axis=-1)  # n_b |accuracy_b - confidence_b|
    return np.divide(apart, total, out=np.full_like(total, np.nan), where=total > 0)


def _mean(values: Num[np.ndarray, " B"]) -> float:
    return float(values.mean()) if len(values) else math.nan
