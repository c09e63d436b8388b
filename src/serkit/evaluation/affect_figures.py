# pyright: reportUnusedCallResult=false
"""Pictures of affect and of verification: predicted against rated, and the DET curve."""

from collections.abc import Mapping, Sequence
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

from serkit.evaluation.affect import AffectPrediction, affect_dimensions, score_affect
from serkit.evaluation.affect_agreement import Annotators, annotator_error, annotator_spread
from serkit.evaluation.classification import marked
from serkit.evaluation.figures import (
    ACCENT,
    FAINT,
    INK,
    PALE,
    SECOND,
    SEED_COLOURS,
    Picture,
    new_canvas,
    picture_of,
    styled,
)
from serkit.evaluation.regression import pearson
from serkit.evaluation.verification import DetCurve, VerificationScores

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_DOTS = 4000  # an SVG with more is slow to open; they are thinned evenly
NUM_STEPS = 10  # equal parts of the utterances, from low to high rating, whose mean is drawn
NUM_SPREADS = 6  # parts of the utterances, from agreed to disputed, whose mean error is drawn
MOST_ERROR = 0.6  # greater ones are rare, and would press all others together
RATES = (0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 0.9, 0.95, 0.99)
"""Error rates marked on the axes of a DET curve."""
LEAST_RATE = 5e-4
"""Where a rate of 0 is drawn: the normal deviate of 0 is infinitely far away."""


@styled()
def affect_picture(rows: Sequence[AffectPrediction]) -> Picture:
    """Prediction against rating, one panel per dimension, a dot per utterance and seed.

    Example:
        >>> rows = [AffectPrediction.of(seed=0, fold="1", file=str(n), speaker="s",
        ...                             reference={"arousal": n / 2}, predicted={"arousal": y})
        ...         for n, y in enumerate((0.0, 0.5, 0.5))]
        >>> affect_picture(rows).alt[:64]
        'Dots of predicted against rated values. CCC 0.667 in arousal, wh'
    """
    dimensions = affect_dimensions(rows)
    scores = score_affect(rows, draws=1)
    canvas = new_canvas(3.1 * len(dimensions) + 0.3, 3.7)
    said = [value for row in rows for value in row.predicted.values()]
    low, high = min(0.0, *said), max(1.0, *said)
    edge = 0.03 * (high - low)
    dots = rows[:: -(-len(rows) // MOST_DOTS)]
    slopes: list[str] = []
    panels: list[Axes] = []
    for number, name in enumerate(dimensions):
        axes: Axes = canvas.add_subplot(1, len(dimensions), number + 1)
        panels.append(axes)
        axes.axhspan(0, 1, color=PALE, alpha=0.25, linewidth=0)
        axes.plot([0, 1], [0, 1], color=INK, linewidth=1, linestyle="--")
        axes.plot([row.reference[name] for row in dots], [row.predicted[name] for row in dots],
                  "o", color=ACCENT, markersize=3, markeredgewidth=0,
                  alpha=min(0.6, max(0.12, 60 / len(dots) ** 0.75)))  # fmt: skip
        rated = np.array([row.reference[name] for row in rows])
        predicted = np.array([row.predicted[name] for row in rows])
        steps = [part for part in np.array_split(np.argsort(rated, kind="stable"), NUM_STEPS)
                 if len(part)]  # fmt: skip
        axes.plot([rated[part].mean() for part in steps],
                  [predicted[part].mean() for part in steps],
                  "o-", color=SECOND, linewidth=1.4, markersize=4)  # fmt: skip
        spread, said_spread = rated.std(), predicted.std()
        slopes.append(f"{name} {said_spread:.2f} against {spread:.2f}")
        axes.set_title(f"{name}   CCC {marked(scores.figures[f'ccc_{name}'].mean)}")
        axes.set_xlim(-0.03, 1.03)
        axes.set_ylim(low - edge, high + edge)
        axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "", "0.5", "", "1"])
        axes.set_yticks([0, 0.25, 0.5, 0.75, 1], ["0", "", "0.5", "", "1"])
        axes.set_xlabel("rated")
    panels[0].set_ylabel("predicted")
    num_seeds = len(scores.seeds)
    thinned = f" One in {-(-len(rows) // MOST_DOTS)} is drawn." * (len(rows) > MOST_DOTS)
    outside = f" There are predictions {scores.clamped_text}." if scores.clamped_text else ""
    return picture_of(
        canvas,
        name="affect",
        title="Predicted against rated",
        alt="Dots of predicted against rated values. "
        + ", ".join(
            f"CCC {marked(scores.figures[f'ccc_{name}'].mean)} in {name}" for name in dimensions
        )
        + f", where the dashed line is 1. Standard deviations of the predictions against those of "
        f"the ratings: {', '.join(slopes)}.",
        caption=f"A dot per test utterance{' and seed' * (num_seeds > 1)}; the dashed line is "
        "agreement, the band the scale of the ratings. Red is the mean prediction of each tenth "
        "of the utterances, from low to high rating: a line flatter than the dashed one shrinks "
        f"towards the middle.{thinned}{outside}",
    )


@styled()
def spread_picture(rows: Sequence[AffectPrediction], annotators: Annotators) -> Picture | None:
    """Error against how far the annotators differ, one panel per dimension.

    Beside the system's error stands that of a person, alone against the mean of the others.

    Args:
        rows: Predictions of one system.
        annotators: Ratings of people, one by one; utterances that only one rated are left out.

    Returns:
        None where no utterance of ``rows`` was rated by two people.

    Example:
        >>> rows = [AffectPrediction.of(seed=0, fold="1", file=str(n), speaker="s",
        ...                             reference={"arousal": 0.5},
        ...                             predicted={"arousal": 0.5 + n / 10}) for n in (1, 2, 3)]
        >>> said = {str(n): {"a": {"arousal": 0.5 - n / 10}, "b": {"arousal": 0.5 + n / 10}}
        ...         for n in (1, 2, 3)}
        >>> spread_picture(rows, said).alt
        'Error against the spread of the annotators. Correlation: arousal 1.00.'
    """
    spread, person = annotator_spread(annotators), annotator_error(annotators)
    known = [row for row in rows if row.file in spread]
    if not known:
        return None
    dimensions = [
        name for name in affect_dimensions(known) if all(name in spread[row.file] for row in known)
    ]
    if not dimensions:
        return None
    canvas = new_canvas(3.1 * len(dimensions) + 0.3, 3.9)
    dots = slice(None, None, -(-len(known) // MOST_DOTS))
    told: list[str] = []
    panels: list[Axes] = []
    num_beyond = 0
    for number, name in enumerate(dimensions):
        axes: Axes = canvas.add_subplot(1, len(dimensions), number + 1)
        panels.append(axes)
        apart = np.array([abs(row.predicted[name] - row.reference[name]) for row in known])
        differ = np.array([spread[row.file][name] for row in known])
        alone = np.array([person[row.file][name] for row in known])
        axes.plot(differ[dots], apart[dots], "o", color=ACCENT, markersize=3, markeredgewidth=0,
                  alpha=min(0.6, max(0.12, 60 / len(known) ** 0.75)))  # fmt: skip
        # equal spreads stay together, so parts may differ in size
        cuts = np.unique(np.quantile(differ, np.arange(1, NUM_SPREADS) / NUM_SPREADS))
        part_of = np.searchsorted(cuts, differ)
        parts = [part_of == part for part in np.unique(part_of)]
        for values, colour, line, label in (
            (apart, SECOND, "o-", "system from the mean of all"),
            (alone, INK, "o--", "one person from the mean of the others"),
        ):
            axes.plot([differ[part].mean() for part in parts],
                      [values[part].mean() for part in parts],
                      line, color=colour, linewidth=1.4, markersize=4,
                      label=label if number == 0 else None)  # fmt: skip
        with_spread = pearson(differ, apart)
        told.append(f"{name} {marked(with_spread, decimals=2)}")
        axes.set_title(f"{name}   r = {marked(with_spread, decimals=2)}")
        axes.set_xlim(-0.01, 0.51)
        axes.set_ylim(-0.02, MOST_ERROR + 0.02)
        axes.set_xlabel("standard deviation of annotators")
        num_beyond += int((apart > MOST_ERROR).sum())
    panels[0].set_ylabel("error")
    canvas.legend(loc="outside upper left", frameon=False, fontsize=8.5, ncols=2)
    thinned = f" One in {dots.step} is drawn." * (dots.step > 1)
    return picture_of(
        canvas,
        name="spread",
        title="Error where people differ",
        alt=f"Error against the spread of the annotators. Correlation: {', '.join(told)}.",
        caption="A dot per utterance: how far the prediction is from the mean of the annotators, "
        "against how far these are from each other, both on [0, 1]; r is the correlation of the "
        "two. Red is the mean error of utterances with much the same spread, the dashed line that "
        "of a person taken alone. Where red is below it, the system is nearer to what people say "
        "together than one of them is to the others; the mean of all being the steadier one, which "
        "favours the system."
        + thinned
        + f" {num_beyond} errors above {MOST_ERROR} are not in the picture." * bool(num_beyond),
    )


@styled()
def det_picture(curves: Mapping[str, DetCurve], rates: Mapping[str, float]) -> Picture:
    """Misses against false acceptances on normal-deviate axes, one line per name.

    On these axes normally distributed scores give a straight line, and two systems are told apart
    where both are good (Martin et al., Eurospeech 1997).

    Args:
        curves: Name, such as that of a seed or a system, to its curve.
        rates: Name to equal error rate, marked on the diagonal.

    Example:
        >>> from serkit.evaluation.verification import det_curve, eer
        >>> trials = [0.1, 0.4, 0.35, 0.8], [False, False, True, True]
        >>> det_picture({"mine": det_curve(*trials)}, {"mine": eer(*trials).value}).alt
        'Curves of misses against false acceptances. Equal error rate: mine 0.500.'
    """
    deviate = NormalDist().inv_cdf
    canvas = new_canvas(5.4, 5.2)
    axes: Axes = canvas.add_subplot()
    most = max(0.5, *(float(rate) for rate in rates.values())) + 0.2
    ends = deviate(LEAST_RATE), deviate(min(most, 1 - LEAST_RATE))
    axes.plot(ends, ends, color=FAINT, linewidth=0.8, linestyle="--")
    for number, (name, curve) in enumerate(curves.items()):
        colour = SEED_COLOURS[number % len(SEED_COLOURS)]
        across, up = (
            [deviate(min(max(float(rate), LEAST_RATE), 1 - LEAST_RATE)) for rate in side]
            for side in (curve.false_acceptance, curve.miss)
        )
        label = f"{name}   EER {marked(rates[name])}"
        axes.plot(across, up, color=colour, linewidth=1.5, label=label)
        crossing = deviate(min(max(rates[name], LEAST_RATE), 1 - LEAST_RATE))
        axes.plot(crossing, crossing, "o", color=colour, markersize=6, markeredgecolor="white",
                  markeredgewidth=0.8, zorder=3)  # fmt: skip
    shown = [rate for rate in RATES if rate <= most]
    places, names = [deviate(rate) for rate in shown], [f"{100 * rate:g}" for rate in shown]
    axes.set_xticks(places, names)
    axes.set_yticks(places, names)
    axes.tick_params(labelsize=8.5)
    axes.grid(color=PALE, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.set_xlim(ends)
    axes.set_ylim(ends)
    axes.set_aspect("equal")
    axes.set_xlabel("non-targets accepted (%)")
    axes.set_ylabel("targets missed (%)")
    canvas.legend(loc="outside upper left", frameon=False, fontsize=8.5, ncols=2)
    return picture_of(
        canvas,
        name="det",
        title="Detection error trade-off",
        alt="Curves of misses against false acceptances. Equal error rate: "
        + ", ".join(f"{name} {marked(rate)}" for name, rate in rates.items())
        + ".",
        caption="Each point of a line is a threshold; lower left is better. Axes are normal "
        "deviates, on which normally distributed scores give a straight line. A dot marks the "
        f"equal error rate. Rates below {100 * LEAST_RATE:g} % are drawn at the edge.",
    )


def det_picture_of(scores: VerificationScores) -> Picture:
    """The DET curve of every seed of one table of trials."""
    rates = scores.figures["eer"].by_seed
    return det_picture(
        {f"seed {seed}": curve for seed, curve in scores.curves.items()},
        {f"seed {seed}": rate for seed, rate in rates.items()},
    )
