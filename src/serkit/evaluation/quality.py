# pyright: reportUnusedCallResult=false
"""Clean and bad recordings: trained on the one, tested on the other, and what is lost by it.

The same utterances are tested under every condition, so that a loss is a difference of the same
speakers saying the same things, and its interval comes from the same draws of speakers.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from serkit.evaluation.classification import marked
from serkit.evaluation.export_tables import NOTHING, Table
from serkit.evaluation.figures import (
    SEED_COLOURS,
    Picture,
    new_canvas,
    picture_of,
    styled,
)
from serkit.evaluation.interval import DRAWS
from serkit.evaluation.predictions import Prediction
from serkit.evaluation.scores import Figure, compare_predictions, score
from serkit.evaluation.verification import ScoredTrial, score_trials

FIGURE_NAMES: Mapping[str, str] = {
    "war": "accuracy",
    "macro_precision": "macro precision",
    "uar": "UAR",
    "macro_f1": "macro F1",
    "eer": "EER",
}
"""The figures of a matrix, in the order of its tables; a rise of the last is a loss."""
LOWER_IS_BETTER = ("eer",)
NOISE = "noise"
CLEAN = "hq"

Conditions = tuple[str, str]
"""Trained on, tested on, such as ``("lq", "hq")``."""


@dataclass(frozen=True, kw_only=True, slots=True)
class QualityFigure:
    """One figure of one system, trained under one condition and tested under another."""

    train: str
    """Condition of the training side, such as ``"lq"``."""
    condition: str
    """Condition of the test side, such as ``"noise:white:10"``."""
    figure: str
    """Such as ``"uar"``, ``"eer"`` or a name of the caller's."""
    value: float
    low: float | None = None
    """Of its interval; None where there is none."""
    high: float | None = None


def quality_figures(
    predictions: Mapping[Conditions, Sequence[Prediction]],
    trials: Mapping[Conditions, Sequence[ScoredTrial]] | None = None,
    *,
    draws: int = DRAWS,
) -> list[QualityFigure]:
    """Accuracy, macro precision, UAR and macro F1, and of trials the EER, under every condition.

    Args:
        predictions: Of each training and test condition.
        trials: Scored trials of the same.
        draws: Of the bootstrap over speakers.

    Example:
        >>> rows = [Prediction.of(seed=0, fold="one", file="a", speaker="s", emotion="anger",
        ...                       emotions=("anger", "fear"), probabilities=[0.9, 0.1])]
        >>> [(f.figure, f.value) for f in quality_figures({("hq", "lq"): rows}, draws=10)][:2]
        [('war', 1.0), ('macro_precision', 1.0)]
    """
    found: list[QualityFigure] = []

    def add(conditions: Conditions, figures: Mapping[str, Figure]) -> None:
        found.extend(
            QualityFigure(
                train=conditions[0],
                condition=conditions[1],
                figure=name,
                value=figures[name].mean,
                low=figures[name].interval.low,
                high=figures[name].interval.high,
            )
            for name in FIGURE_NAMES
            if name in figures
        )

    for conditions, rows in predictions.items():
        add(conditions, score(rows, draws=draws).figures)
    for conditions, scored in (trials or {}).items():
        add(conditions, {"eer": score_trials(scored, draws=draws).figures["eer"]})
    return found


def quality_table(figures: Sequence[QualityFigure]) -> Table:
    """The matrix: a row for each figure and training condition, a column for each test condition.

    Args:
        figures: As ``quality_figures`` makes them.

    Example:
        >>> table = quality_table([QualityFigure(train="hq", condition="lq", figure="uar",
        ...                                      value=0.5, low=0.25, high=0.75)])
        >>> table.head, table.rows
        (('figure', 'trained on', 'tested on lq'), (('UAR', 'hq', '0.500 [0.250, 0.750]'),))
    """
    trained = list(dict.fromkeys(f.train for f in figures))
    tested = list(dict.fromkeys(f.condition for f in figures))
    cells = {(f.figure, f.train, f.condition): f for f in figures}
    names = list(dict.fromkeys(f.figure for f in figures))
    return Table(
        name="quality",
        caption="Trained on the row, tested on the column (95 % over speakers)",
        head=("figure", "trained on", *(f"tested on {condition}" for condition in tested)),
        rows=tuple(
            (
                FIGURE_NAMES.get(name, name),
                train,
                *(_cell(cells.get((name, train, condition))) for condition in tested),
            )
            for name in names
            for train in trained
            if any((name, train, condition) in cells for condition in tested)
        ),
        note="The same utterances under every condition. Of EER lower is better, of the others "
        "higher.",
    )


def loss_table(
    figures: Sequence[QualityFigure],
    predictions: Mapping[Conditions, Sequence[Prediction]] | None = None,
    *,
    draws: int = DRAWS,
) -> Table:
    """What is lost where training and test condition differ, absolute and relative.

    Against two things: the same system tested on what it was trained on, which says what the other
    recordings cost it; and the system trained on what is tested here, which says what could have
    been had. A loss is a fall, of EER a rise; below 0 it is a gain.

    Args:
        figures: As ``quality_figures`` makes them.
        predictions: Of which they are made, for intervals of the losses.
        draws: Of the bootstrap over speakers.

    Example:
        >>> def uar(train, condition, value):
        ...     return QualityFigure(train=train, condition=condition, figure="uar", value=value)
        >>> table = loss_table([uar("hq", "hq", 0.8), uar("hq", "lq", 0.6), uar("lq", "lq", 0.7)])
        >>> table.rows[0][3:]
        ('0.600', '0.200', '25.0 %', '0.100', '14.3 %')
    """
    cells = {(f.figure, f.train, f.condition): f.value for f in figures}
    rows: list[tuple[str, ...]] = []
    for (name, train, condition), crossed in cells.items():
        if train == condition:
            continue
        row = [FIGURE_NAMES.get(name, name), train, condition, marked(crossed)]
        for alike in (train, condition):
            matched = cells.get((name, alike, alike))
            if matched is None:
                row += [NOTHING, NOTHING]
                continue
            sign = -1 if name in LOWER_IS_BETTER else 1
            loss = sign * (matched - crossed)
            row += [
                _number(loss) + _ends(name, (alike, alike), (train, condition), predictions, draws),
                f"{_number(100 * loss / matched, 1)} %" if matched else NOTHING,
            ]
        rows.append(tuple(row))
    return Table(
        name="quality-loss",
        caption="What is lost where training and test differ",
        head=(
            "figure",
            "trained on",
            "tested on",
            "value",
            "less than tested as trained",
            "relative",
            "less than trained as tested",
            "relative",
        ),
        rows=tuple(rows),
        note="A loss is a fall, of EER a rise; below 0 it is a gain. In brackets the 95 % interval "
        "of the difference, from the same draws of speakers for both.",
    )


@styled()
def quality_picture(figures: Sequence[QualityFigure]) -> Picture:
    """One figure against the condition of the test side, a line for each training condition.

    Conditions named ``noise:KIND:SNR`` make a panel for each kind, with the signal-to-noise ratio
    across and clean recordings (``hq``) at its end; the others stand side by side in a last panel.

    Args:
        figures: All of one name, such as ``"uar"``; at least one.

    Raises:
        ValueError: None, or of several names.

    Example:
        >>> picture = quality_picture([
        ...     QualityFigure(train="hq", condition=f"noise:white:{snr}", figure="uar", value=value)
        ...     for snr, value in ((0, 0.25), (10, 0.5))
        ... ])
        >>> picture.alt
        'UAR by condition of the test side. Trained on hq: noise:white:0 0.25, noise:white:10 0.50.'
    """
    names = sorted({f.figure for f in figures})
    if len(names) != 1:
        raise ValueError(f"a picture shows one figure, not {', '.join(names) or 'none'}")
    (name,) = names
    trained = list(dict.fromkeys(f.train for f in figures))
    kinds = list(dict.fromkeys(kind for f in figures if (kind := _noise(f.condition)[0])))
    others = list(dict.fromkeys(f.condition for f in figures if not _noise(f.condition)[0]))
    panels = [*kinds, *([""] if (others and others != [CLEAN]) or not kinds else [])]
    widths = [3.6 if kind else max(2.4, 0.7 * len(others) + 0.8) for kind in panels]
    canvas = new_canvas(sum(widths) + 0.6, 3.6)
    every = canvas.subplots(1, len(panels), sharey=True, squeeze=False, width_ratios=widths)[0]
    for axes, kind in zip(every, panels, strict=True):
        ratios = sorted({_noise(f.condition)[1] for f in figures if _noise(f.condition)[0] == kind})
        places = (
            {f"{NOISE}:{kind}:{ratio:g}": float(n) for n, ratio in enumerate(ratios)}
            if kind
            else {condition: float(n) for n, condition in enumerate(others)}
        )
        labels = [f"{ratio:g}" for ratio in ratios] if kind else list(others)
        if kind and CLEAN in others:
            places[CLEAN] = len(ratios) + 0.3
            labels.append("clean")
        for number, train in enumerate(trained):
            shift = (number - (len(trained) - 1) / 2) * (0.06 if kind else 0.16)
            drawn = sorted(
                (f for f in figures if f.train == train and f.condition in places),
                key=lambda f: places[f.condition],
            )
            colour = SEED_COLOURS[number % len(SEED_COLOURS)]
            across = [places[f.condition] + shift for f in drawn]
            for place, f in zip(across, drawn, strict=True):
                if f.low is not None and f.high is not None:
                    axes.plot([place] * 2, [f.low, f.high], color=colour, linewidth=1.1, alpha=0.6)
            axes.plot(across, [f.value for f in drawn], "o-" if kind else "o", color=colour,
                      linewidth=1.4, markersize=5, label=f"trained on {train}")  # fmt: skip
        axes.set_xticks(list(places.values()), labels, rotation=0 if kind else 30,
                        ha="center" if kind else "right")  # fmt: skip
        axes.set_xlabel(f"signal to {kind} noise (dB)" if kind else "")
        axes.grid(axis="y", linewidth=0.5, alpha=0.5)
        axes.set_axisbelow(True)
    top = max(f.value if f.high is None else f.high for f in figures)
    every[0].set_ylim(0, max(0.5, min(1.02, 1.1 * top)) if name in LOWER_IS_BETTER else 1.02)
    every[0].set_ylabel(FIGURE_NAMES.get(name, name))
    handles, labels = every[0].get_legend_handles_labels()
    canvas.legend(handles, labels, loc="outside upper left", frameon=False, ncols=4, fontsize=9)
    told = "; ".join(
        f"Trained on {train}: "
        + ", ".join(f"{f.condition} {f.value:.2f}" for f in figures if f.train == train)
        for train in trained
    )
    return picture_of(
        canvas,
        name=f"quality-{name.replace('_', '-')}",
        title=f"{FIGURE_NAMES.get(name, name)} by quality of the recordings",
        alt=f"{FIGURE_NAMES.get(name, name)} by condition of the test side. {told}.",
        caption="A line for each condition of the training side; the test utterances are the same "
        "everywhere"
        + (", with 95 % intervals over speakers" if any(f.low is not None for f in figures) else "")
        + (". Lower is better." if name in LOWER_IS_BETTER else "."),
    )


def _noise(condition: str) -> tuple[str, float]:
    """``noise:white:10`` as ``("white", 10.0)``; nothing for another condition."""
    kind, _, rest = condition.partition(":")
    source, _, ratio = rest.rpartition(":")
    return (source, float(ratio)) if kind == NOISE and source else ("", math.nan)


def _cell(figure: QualityFigure | None) -> str:
    if figure is None:
        return NOTHING
    if figure.low is None or figure.high is None:
        return marked(figure.value)
    return f"{marked(figure.value)} [{figure.low:.3f}, {figure.high:.3f}]"


def _number(value: float, decimals: int = 3) -> str:
    """Without the sign of a zero."""
    return f"{round(value, decimals) + 0.0:.{decimals}f}"


def _ends(
    name: str,
    matched: Conditions,
    crossed: Conditions,
    predictions: Mapping[Conditions, Sequence[Prediction]] | None,
    draws: int,
) -> str:
    """`` [0.012, 0.087]``; nothing where there is no interval."""
    if name in LOWER_IS_BETTER or not predictions or not {matched, crossed} <= predictions.keys():
        return ""
    found = compare_predictions(predictions[matched], predictions[crossed], name, draws=draws)
    return (
        "" if found.low is None or found.high is None else f" [{found.low:.3f}, {found.high:.3f}]"
    )
