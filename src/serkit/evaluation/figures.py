# pyright: reportUnusedCallResult=false
"""The pictures of a report: SVG inside the page, each with the words for those who cannot see it.

Matplotlib is used through its ``Figure`` object, without pyplot, so no window, no global state and
no backend is involved, and the same numbers give the same bytes.
"""

# Shapes: C emotions.

import base64
import io
import itertools
import math
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from serkit.evaluation.classification import METRICS, Confusion, marked, recall
from serkit.evaluation.interval import Interval, speaker_bootstrap
from serkit.evaluation.predictions import Prediction, Seed
from serkit.evaluation.scores import Scores, score

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

INK, PALE, ACCENT, SECOND = "#1f2933", "#cbd2d9", "#1f6f8b", "#c8553d"
SEED_COLOURS = ("#1f6f8b", "#c8553d", "#6b8f3a", "#7d5ba6", "#b8860b", "#4a5568")
NUM_LENGTH_BINS = 4
NOTHING = "-"  # stands where there is nothing to say
MOST_NAMED_SPEAKERS = 40  # more are drawn as a row of dots without names

STYLE: dict[Any, Any] = {
    "font.family": ["DejaVu Sans"],
    "font.size": 10,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "svg.hashsalt": "serkit",
    "figure.facecolor": "white",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Picture:
    """A figure for the page, and what it shows in words."""

    name: str
    """Of the section's anchor."""
    title: str
    uri: str
    """The SVG itself, as a data URI."""
    alt: str
    """What one would say of it over the telephone."""
    caption: str


@dataclass(frozen=True, kw_only=True, slots=True)
class LearningCurve:
    """One training run, epoch by epoch.

    Example:
        >>> LearningCurve(
        ...     seed=0, fold="03", losses=(1.6, 1.2), development=(0.4, 0.5), best_epoch=2
        ... ).num_epochs
        2
    """

    seed: Seed
    fold: str
    losses: tuple[float, ...]
    """Training loss of each epoch: the sum of the named losses' means."""
    development: tuple[float, ...] = ()
    """UAR on the development side after each epoch; empty when nothing was scored."""
    best_epoch: int
    """The epoch whose weights were kept, from 1."""

    @property
    def num_epochs(self) -> int:
        """Epochs trained."""
        return len(self.losses)


@contextmanager
def _style() -> Generator[None]:
    """Matplotlib's settings for the time of one picture; a decorator as well."""
    from matplotlib import rc_context

    with rc_context(STYLE):
        yield


@_style()
def confusion_picture(confusion: Confusion, *, num_seeds: int = 1) -> Picture:
    """Shares of each reference emotion by colour and number, counts below."""
    shares, counts, names = confusion.by_row, confusion.counts, confusion.emotions
    size = max(3.6, 0.85 * len(names) + 1.6)
    canvas = _canvas(size + 0.4, size)
    axes = canvas.add_subplot()
    axes.imshow([[0.0 if math.isnan(s) else s for s in row] for row in shares], cmap="Blues",
                vmin=0, vmax=1)  # fmt: skip
    for k in range(len(names)):
        for j in range(len(names)):
            share = shares[k, j]
            text = NOTHING if math.isnan(share) else f"{100 * share:.0f} %\n{counts[k, j]}"
            axes.text(j, k, text, ha="center", va="center", fontsize=8.5, linespacing=1.25,
                      color="white" if share > 0.55 else INK)  # fmt: skip
    axes.set_xticks(range(len(names)), names, rotation=40, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(names)), names)
    axes.set_xlabel("heard as")
    axes.set_ylabel("rated as")
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    found = recall(confusion)
    alt = "Confusion matrix. Share heard right: " + ", ".join(
        f"{name} {_percent(found[name])}" for name in names
    )
    over = f", all {num_seeds} seeds added up" if num_seeds > 1 else ""
    return _picture(
        canvas,
        name="confusion",
        title="Confusion",
        alt=f"{alt}. The counts are in the table below the picture.",
        caption="What each emotion was heard as: share of its utterances, and their number"
        f"{over}. Rows add up to 100 %.",
    )


@_style()
def recall_picture(scores: Scores) -> Picture:
    """Recall of each emotion, all seeds added up, against chance."""
    confusion = scores.confusion
    found, num_present = recall(confusion), len(scores.emotions) - len(scores.absent)
    chance = 1 / num_present
    canvas = _canvas(6.4, 0.42 * len(found) + 1.3)
    axes = canvas.add_subplot()
    places = range(len(found))
    values = [0.0 if math.isnan(value) else value for value in found.values()]
    axes.barh(places, values, color=ACCENT, height=0.62)
    num_rated = confusion.counts.sum(axis=1) // len(scores.seeds)
    for place, (value, number) in enumerate(zip(found.values(), num_rated, strict=True)):
        axes.text(1.03, place, f"{marked(value)}  ({number})", va="center", fontsize=9)
    axes.axvline(chance, color=SECOND, linewidth=1.2, linestyle="--")
    axes.text(chance, -0.62, "chance", color=SECOND, fontsize=8.5, ha="center", va="bottom")
    axes.set_yticks(places, list(found))
    axes.set_ylim(len(found) - 0.5, -0.65)
    axes.set_xlim(0, 1.22)
    axes.set_xticks([0, 0.2, 0.4, 0.6, 0.8, 1.0])
    axes.set_xlabel("recall (test utterances in brackets)")
    return _picture(
        canvas,
        name="recall",
        title="Recall by emotion",
        alt="Bars of recall: "
        + ", ".join(f"{name} {marked(value, decimals=2)}" for name, value in found.items())
        + f"; chance is {chance:.2f}.",
        caption="The share of each emotion's utterances that was heard as it. Their mean is UAR. "
        f"Chance is one in {num_present}.",
    )


@_style()
def learning_picture(curves: Sequence[LearningCurve]) -> Picture:
    """Training loss and development UAR of every seed and fold, the chosen epoch marked."""
    from matplotlib.ticker import MaxNLocator

    seeds = list(dict.fromkeys(curve.seed for curve in curves))
    scored = [curve for curve in curves if curve.development]
    canvas = _canvas(9.6 if scored else 5.2, 3.5)
    loss_axes: Axes = canvas.add_subplot(1, 2 if scored else 1, 1)
    panels: list[tuple[Axes, str, str]] = [(loss_axes, "losses", "training loss")]
    if scored:
        panels.append((canvas.add_subplot(1, 2, 2), "development", "development UAR"))
    for axes, field, label in panels:
        for curve in curves:
            values: tuple[float, ...] = getattr(curve, field)
            colour = SEED_COLOURS[seeds.index(curve.seed) % len(SEED_COLOURS)]
            epochs = range(1, len(values) + 1)
            axes.plot(epochs, values, color=colour, linewidth=1.0, alpha=0.55)
            if 1 <= curve.best_epoch <= len(values):
                axes.plot(curve.best_epoch, values[curve.best_epoch - 1], "o", color=colour,
                          markersize=4.5, markeredgecolor="white", markeredgewidth=0.6)  # fmt: skip
        axes.set_xlabel("epoch")
        axes.set_title(label)
        axes.grid(axis="y", color=PALE, linewidth=0.6)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_xlim(left=0.5 if max(curve.num_epochs for curve in curves) < 3 else 1)
    loss_axes.set_ylim(bottom=0)
    if scored:
        panels[1][0].set_ylim(0, 1.02)
    for seed, colour in zip(seeds, SEED_COLOURS, strict=False):
        loss_axes.plot([], [], color=colour, label=f"seed {seed}")
    loss_axes.legend(frameon=False, fontsize=8.5, loc="upper right")
    chosen = [curve.best_epoch for curve in curves]
    lengths = [curve.num_epochs for curve in curves]
    best = (
        f" Development UAR at the chosen epoch: {_span([_at_best(c) for c in scored], 3)}."
        if scored
        else " No development scores: the last epoch was kept."
    )
    return _picture(
        canvas,
        name="learning",
        title="Learning curves",
        alt=f"{len(curves)} training runs of {_span(lengths)} epochs; the epoch kept was "
        f"{_span(chosen)}.{best}",
        caption=f"One line per seed and fold ({len(curves)} in all); a dot marks the epoch whose "
        f"weights were kept.{best}",
    )


@_style()
def length_picture(
    rows: Sequence[Prediction], durations: Mapping[str, float]
) -> tuple[Picture, list[tuple[str, str, str, str]]] | None:
    """UAR of the shortest quarter of the utterances to the longest, and the same as a table.

    None when fewer than four utterances have a known length.
    """
    known = sorted({row.file for row in rows if row.file in durations}, key=durations.__getitem__)
    if len(known) < NUM_LENGTH_BINS:
        return None
    cuts = [round(len(known) * n / NUM_LENGTH_BINS) for n in range(NUM_LENGTH_BINS + 1)]
    intervals: list[Interval] = []
    table: list[tuple[str, str, str, str]] = []
    absent = set[str]()
    for begin, end in itertools.pairwise(cuts):
        files = set(known[begin:end])
        part = score([row for row in rows if row.file in files], draws=1)
        interval = speaker_bootstrap(list(part.by_speaker.values()))
        intervals.append(interval)
        absent |= set(part.absent)
        label = f"{durations[known[begin]]:.2f} to {durations[known[end - 1]]:.2f} s"
        table.append((label, str(len(files)), marked(interval.value, part.absent), interval.text))
    canvas = _canvas(6.4, 3.4)
    axes = canvas.add_subplot()
    for place, interval in enumerate(intervals):
        axes.bar(place, interval.value, color=ACCENT, width=0.62)
        top = interval.value
        if interval.low is not None and interval.high is not None:
            axes.plot([place, place], [interval.low, interval.high], color=INK, linewidth=1.2)
            top = max(top, interval.high)
        axes.text(place, top + 0.02, table[place][2], ha="center", fontsize=9)
    axes.set_xticks(range(len(table)), [f"{row[0]}\n{row[1]} utterances" for row in table])
    axes.set_ylim(0, 1.12)
    axes.set_yticks([0, 0.2, 0.4, 0.6, 0.8, 1.0])
    axes.set_ylabel("UAR")
    without = f" † Averaged without an absent emotion ({', '.join(sorted(absent))})." * bool(absent)
    has_lines = any(interval.low is not None for interval in intervals)
    picture = _picture(
        canvas,
        name="length",
        title="UAR against utterance length",
        alt="Bars of UAR by length: " + ", ".join(f"{row[0]} {row[2]}" for row in table) + ".",
        caption="Test utterances in four equal parts from short to long"
        + (", with the 95 % interval over speakers." if has_lines else ".")
        + without,
    )
    return picture, table


@_style()
def speaker_picture(scores: Scores) -> Picture:
    """UAR of each speaker, mean over seeds, beside the pooled UAR and its interval."""
    uar = scores.figures["uar"]
    values, absent = uar_by_speaker(scores)
    order = sorted(values, key=lambda name: (values[name], name))
    named = len(order) <= MOST_NAMED_SPEAKERS
    canvas = _canvas(6.4, (0.26 * len(order) if named else 3.0) + 1.3)
    axes = canvas.add_subplot()
    if uar.interval.low is not None and uar.interval.high is not None:
        axes.axvspan(uar.interval.low, uar.interval.high, color=ACCENT, alpha=0.15, linewidth=0,
                     label="95 % interval of the pooled UAR")  # fmt: skip
    axes.axvline(uar.mean, color=ACCENT, linewidth=1.4, label="pooled UAR")
    for complete in (True, False):
        places = [n for n, name in enumerate(order) if (not absent[name]) == complete]
        if places:
            axes.plot([values[order[n]] for n in places], places, "o", color=SECOND,
                      markerfacecolor=SECOND if complete else "white", markersize=6,
                      label="speaker" if complete else "speaker without some emotion (†)",
                      linestyle="none", clip_on=False, zorder=3)  # fmt: skip
    if named:
        axes.set_yticks(range(len(order)), [_brief(name) for name in order])
        axes.grid(axis="y", color=PALE, linewidth=0.5)
        axes.set_axisbelow(True)
    else:
        axes.set_yticks([])
        axes.set_ylabel(f"{len(order)} speakers")
    axes.set_ylim(-0.6, len(order) - 0.4)
    axes.set_xlim(0, 1.02)
    axes.set_xlabel("UAR")
    canvas.legend(loc="outside upper left", frameon=False, fontsize=8.5, ncols=2)
    return _picture(
        canvas,
        name="speakers",
        title="UAR by speaker",
        alt=f"Dots of UAR for {len(order)} speakers, from {values[order[0]]:.2f} "
        f"({_brief(order[0])}) to {values[order[-1]]:.2f} ({_brief(order[-1])}); pooled "
        f"{uar.mean:.2f}.",
        caption="Each dot is a test speaker. The spread between speakers, not the number of "
        "utterances, is what the interval is made of. The pooled figure is not the mean of the "
        "dots: it weighs all utterances of an emotion alike.",
    )


def uar_by_speaker(scores: Scores) -> tuple[dict[str, float], dict[str, tuple[str, ...]]]:
    """UAR of each speaker, mean over seeds, and the emotions that speaker does not show."""
    values: dict[str, float] = {}
    absent: dict[str, tuple[str, ...]] = {}
    for name in sorted(next(iter(scores.by_speaker.values()))):
        confusions = [speakers[name] for speakers in scores.by_speaker.values()]
        values[name] = float(
            sum(METRICS["uar"](confusion.counts, "skip") for confusion in confusions)
            / len(confusions)
        )
        absent[name] = confusions[0].absent
    return values, absent


def _at_best(curve: LearningCurve) -> float:
    place = min(max(curve.best_epoch, 1), len(curve.development)) - 1
    return curve.development[place]


def _span(values: Sequence[float | int], decimals: int = 0) -> str:
    low, high = f"{min(values):.{decimals}f}", f"{max(values):.{decimals}f}"
    return low if low == high else f"{low} to {high}"


def _percent(share: float) -> str:
    return "not defined" if math.isnan(share) else f"{100 * share:.0f} %"


def _brief(speaker: str) -> str:
    """``emodb/03`` as ``03``; the corpus is in the report's head."""
    return speaker.rpartition("/")[2] or "unknown"


def _canvas(width: float, height: float) -> "Canvas":
    """An empty figure of so many inches, which lays itself out."""
    from matplotlib.figure import Figure as Canvas

    return Canvas(figsize=(width, height), layout="constrained")


def _picture(canvas: "Canvas", *, name: str, title: str, alt: str, caption: str) -> Picture:
    buffer = io.BytesIO()
    canvas.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    encoded = base64.b64encode(buffer.getvalue()).decode("ascii")
    uri = f"data:image/svg+xml;base64,{encoded}"
    return Picture(name=name, title=title, uri=uri, alt=alt, caption=caption)
