"""The bootstrap over speakers for figures that are not read off sums.

``interval.bootstrap`` adds up what each speaker contributes. Concordance from moments and the equal
error rate from sorted scores want the drawn speakers themselves, so here a caller says what the
figure is in each of many draws. Draws, percentiles and fewest speakers are those of ``interval``.
"""

# Shapes: S speakers, D draws.

import statistics
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from jaxtyping import Float, Int

from serkit.evaluation.interval import (
    DRAWS,
    GENERATOR_SEED,
    LEVEL,
    Comparison,
    Interval,
    check_draws,
    percentiles,
    speaker_draws,
    too_few,
)
from serkit.evaluation.predictions import Seed
from serkit.evaluation.scores import Figure, sample_sd

Drawn = Callable[[Int[np.ndarray, "D S"]], Float[np.ndarray, " D"]]
"""How often each speaker is drawn, to the figure in each draw."""


def drawn_figure(
    metric: str,
    by_seed: Mapping[Seed, float],
    by_fold: Mapping[str, float],
    figure: Drawn,
    *,
    speakers: Sequence[str],
    draws: int = DRAWS,
) -> Figure:
    """A figure pooled over folds and, beside it, per fold, with its interval.

    A value that is not defined (NaN) makes means and deviations undefined, and is no error.

    Args:
        metric: Name of the figure.
        by_seed: Pooled over folds.
        by_fold: Of each fold, mean over seeds.
        figure: The pooled figure in each draw, mean over seeds.
        speakers: As for ``drawn_interval``.
        draws: How many times to draw.

    Example:
        >>> figure = drawn_figure("height", {0: 1.0, 1: 2.0}, {"one": 1.5}, lambda weights: ...,
        ...                       speakers=["s1"])
        >>> str(figure)
        '1.500 ± 0.707 (1 speaker, no interval)'
    """
    mean = statistics.fmean(by_seed.values())
    return Figure(
        metric=metric,
        by_seed=by_seed,
        mean=mean,
        sd=sample_sd(by_seed.values()),
        interval=drawn_interval(
            metric, mean, figure, speakers=speakers, num_seeds=len(by_seed), draws=draws
        ),
        by_fold=by_fold,
        fold_mean=statistics.fmean(by_fold.values()),
        fold_sd=sample_sd(by_fold.values()),
    )


def drawn_interval(
    metric: str,
    value: float,
    figure: Drawn,
    *,
    speakers: Sequence[str],
    num_seeds: int = 1,
    draws: int = DRAWS,
    seed: int = GENERATOR_SEED,
    level: float = LEVEL,
) -> Interval:
    """Percentile interval of a figure by drawing speakers with replacement.

    Args:
        metric: Name of the figure.
        value: The figure itself.
        figure: The figure in each draw; with several seeds the mean over them.
        speakers: Their names in the order of the draws' columns, sorted, so that the order of
            utterances changes nothing; ``""`` is an unknown speaker.
        num_seeds: Seeds the figure is a mean of.
        draws: How many times to draw.
        seed: Of the generator of the draws.
        level: Share of draws inside the interval.

    Returns:
        The figure with its interval, or without one and with the reason: fewer than 8 speakers, an
        unknown one, or draws in which the figure is not defined.

    Example:
        >>> heights = np.arange(10.0)
        >>> print(drawn_interval("height", 4.5, lambda weights: weights @ heights / 10,
        ...                      speakers=[f"s{n}" for n in range(10)]))
        4.500 [2.700, 6.200]
    """
    low, high, reason = _ends(figure, speakers, draws, seed, level)
    return Interval(
        metric=metric,
        value=value,
        low=low,
        high=high,
        num_speakers=len(speakers),
        num_seeds=num_seeds,
        level=level,
        draws=draws,
        reason=reason,
    )


def drawn_comparison(
    metric: str,
    first: float,
    second: float,
    difference: Drawn,
    *,
    speakers: Sequence[str],
    num_seeds: tuple[int, int],
    draws: int = DRAWS,
    seed: int = GENERATOR_SEED,
    level: float = LEVEL,
) -> Comparison:
    """The difference of two systems' figures, with the same draws of speakers for both.

    Args:
        metric: Name of the figure; higher must be better.
        first: Of the first system.
        second: Of the second.
        difference: First minus second in each draw.
        speakers: As for ``drawn_interval``.
        num_seeds: Of the first and of the second.
        draws: How many times to draw.
        seed: Of the generator of the draws.
        level: Share of draws inside the interval.

    Example:
        >>> print(drawn_comparison("height", 1.0, 0.5, lambda weights: np.full(len(weights), 0.5),
        ...                        speakers=[f"s{n}" for n in range(10)], num_seeds=(3, 3)))
        +0.500 [+0.500, +0.500]: better
    """
    low, high, reason = _ends(difference, speakers, draws, seed, level)
    return Comparison(
        metric=metric,
        first=first,
        second=second,
        low=low,
        high=high,
        num_speakers=len(speakers),
        num_seeds=num_seeds,
        level=level,
        draws=draws,
        reason=reason,
    )


def _ends(
    figure: Drawn, speakers: Sequence[str], draws: int, seed: int, level: float
) -> tuple[float | None, float | None, str]:
    check_draws(draws, level)
    reason = too_few(speakers)
    if reason:
        return None, None, reason
    values = figure(speaker_draws(len(speakers), draws=draws, seed=seed))
    num_undefined = int(np.isnan(values).sum())
    if num_undefined:
        return None, None, f"not defined in {num_undefined} of {draws} draws, no interval"
    return *percentiles(values, level), ""
