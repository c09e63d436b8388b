# pyright: reportUnusedCallResult=false
"""The pictures of a report: SVG inside the page, each with the words for those who cannot see it.

Matplotlib is used through its ``Figure`` object, without pyplot, so no window, no global state and
no backend is involved, and the same numbers give the same bytes. A picture that rests on a leak
carries it in red, also as a file.
"""

# Shapes: C emotions.

import base64
import io
import itertools
import math
import textwrap
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from serkit.evaluation.calibration import Bin
from serkit.evaluation.classification import METRICS, Confusion, marked, recall
from serkit.evaluation.export_tables import NOTHING
from serkit.evaluation.groups import Groups
from serkit.evaluation.interval import Interval, speaker_bootstrap
from serkit.evaluation.predictions import Prediction, Seed
from serkit.evaluation.scores import Scores, score

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

INK, PALE, ACCENT, SECOND, ALARM = "#1f2933", "#cbd2d9", "#1f6f8b", "#c8553d", "#b00020"
FAINT = "#8592a0"  # what is there and needs no reading
SEED_COLOURS = ("#1f6f8b", "#c8553d", "#6b8f3a", "#7d5ba6", "#b8860b", "#4a5568")
NUM_LENGTH_BINS = 4
STAMP_SIZE = 8  # points
STAMP_WIDTH = 14  # letters of that size to an inch
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
    "pdf.fonttype": 42,  # TrueType: many publishers refuse Type 3
    "figure.facecolor": "white",
}


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Picture:
    """A figure for the page and for papers, and what it shows in words.

    Example:
        >>> from serkit.evaluation import Confusion
        >>> confusion = Confusion.of(["anger"], ["anger"], ["anger", "sadness"])
        >>> picture = confusion_picture(confusion).stamped(["LEAK (speaker), allowed by hand"])
        >>> picture.uri[:26], picture.alt[:16]
        ('data:image/svg+xml;base64,', 'Confusion matrix')
    """

    kind: ClassVar = "picture"

    name: str
    """Of its anchor and of its files."""
    title: str
    canvas: Any
    """Matplotlib's ``Figure``."""
    alt: str
    """What one would say of it over the telephone."""
    caption: str
    leaks: tuple[str, ...] = ()
    """What is written under it in red."""

    @property
    def uri(self) -> str:
        """The SVG itself, as a data URI."""
        encoded = base64.b64encode(self.drawn("svg")).decode("ascii")
        return f"data:image/svg+xml;base64,{encoded}"

    def stamped(self, leaks: Sequence[str]) -> "Picture":
        """The same picture with further lines under it, in red."""
        return replace(self, leaks=(*self.leaks, *leaks))

    def drawn(self, form: Literal["svg", "pdf", "png"]) -> bytes:
        """The picture as a file's bytes; the same numbers give the same bytes.

        Args:
            form: ``"svg"``, ``"pdf"`` with letters kept as letters, or ``"png"`` at 150 dots to
                the inch.
        """
        dates = {"svg": "Date", "pdf": "CreationDate"}
        metadata = {dates[form]: None, "Creator": None} if form in dates else {"Software": None}
        buffer = io.BytesIO()
        width = int(self.canvas.get_figwidth() * STAMP_WIDTH)
        lines = [part for leak in self.leaks for part in textwrap.wrap(leak, width)]
        # Below the canvas, so that the picture itself is the same with and without it.
        around: dict[str, Any] = {"bbox_inches": "tight", "pad_inches": 0.06} if lines else {}
        with styled():
            stamp = self.canvas.text(0.01, -0.02, "\n".join(lines), color=ALARM, va="top",
                                     fontsize=STAMP_SIZE)  # fmt: skip
            try:
                self.canvas.savefig(buffer, format=form, metadata=metadata, dpi=150, **around)
            finally:
                stamp.remove()
        return buffer.getvalue()

    def save(self, folder: str | Path) -> tuple[Path, Path]:
        """Write it as ``NAME.svg`` and ``NAME.pdf``.

        Args:
            folder: Where to; it is made.

        Returns:
            Both paths.
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        as_svg, as_pdf = folder / f"{self.name}.svg", folder / f"{self.name}.pdf"
        as_svg.write_bytes(self.drawn("svg"))
        as_pdf.write_bytes(self.drawn("pdf"))
        return as_svg, as_pdf


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
    """UAR, mean CCC or 1 - EER on the development side after each epoch, NaN after one that was not
    scored; empty when none was."""
    best_epoch: int
    """The epoch whose weights were kept, from 1."""

    @property
    def num_epochs(self) -> int:
        """Epochs trained."""
        return len(self.losses)


@contextmanager
def styled() -> Generator[None]:
    """Matplotlib's settings for the time of one picture; a decorator as well."""
    from matplotlib import rc_context

    with rc_context(STYLE):
        yield


@styled()
def confusion_picture(confusion: Confusion, *, num_seeds: int = 1) -> Picture:
    """Shares of each reference emotion by colour and number, counts below."""
    shares, counts, names = confusion.by_row, confusion.counts, confusion.emotions
    size = max(3.6, 0.85 * len(names) + 1.6)
    canvas = new_canvas(size + 0.4, size)
    axes = canvas.add_subplot()
    axes.imshow([[0.0 if math.isnan(s) else s for s in row] for row in shares], cmap="Blues",
                vmin=0, vmax=1)  # fmt: skip
    for k in range(len(names)):
        for j in range(len(names)):
            share = shares[k, j]
            text = NOTHING if math.isnan(share) else f"{100 * share:.0f} %\n{counts[k, j]}"
            colour = "white" if share > 0.55 else INK if counts[k, j] else FAINT
            axes.text(j, k, text, ha="center", va="center", fontsize=8.5, linespacing=1.25,
                      color=colour)  # fmt: skip
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
    return picture_of(
        canvas,
        name="confusion",
        title="Confusion",
        alt=f"{alt}. The counts are in the table below the picture.",
        caption="What each emotion was heard as: share of its utterances, and their number"
        f"{over}. Rows add up to 100 %.",
    )


@styled()
def recall_picture(scores: Scores) -> Picture:
    """Recall of each emotion, all seeds added up, against chance."""
    confusion = scores.confusion
    found, num_present = recall(confusion), len(scores.emotions) - len(scores.absent)
    chance = 1 / num_present
    canvas = new_canvas(6.4, 0.42 * len(found) + 1.3)
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
    return picture_of(
        canvas,
        name="recall",
        title="Recall by emotion",
        alt="Bars of recall: "
        + ", ".join(f"{name} {marked(value, decimals=2)}" for name, value in found.items())
        + f"; chance is {chance:.2f}.",
        caption="The share of each emotion's utterances that was heard as it. Their mean is UAR. "
        f"Chance is one in {num_present}.",
    )


@styled()
def learning_picture(curves: Sequence[LearningCurve], *, figure: str = "UAR") -> Picture:
    """Training loss and development figure of every seed and fold, the chosen epoch marked."""
    from matplotlib.ticker import MaxNLocator

    seeds = list(dict.fromkeys(curve.seed for curve in curves))
    scored = [curve for curve in curves if curve.development]
    canvas = new_canvas(9.6 if scored else 5.2, 3.5)
    loss_axes: Axes = canvas.add_subplot(1, 2 if scored else 1, 1)
    panels: list[tuple[Axes, str, str]] = [(loss_axes, "losses", "training loss")]
    if scored:
        panels.append((canvas.add_subplot(1, 2, 2), "development", f"development {figure}"))
    for axes, field, label in panels:
        for curve in curves:
            values: tuple[float, ...] = getattr(curve, field)
            colour = SEED_COLOURS[seeds.index(curve.seed) % len(SEED_COLOURS)]
            epochs = [n for n, value in enumerate(values, 1) if not math.isnan(value)]
            axes.plot(
                epochs, [values[n - 1] for n in epochs], color=colour, linewidth=1.0, alpha=0.55
            )
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
        known = [v for curve in scored for v in curve.development if not math.isnan(v)]
        panels[1][0].set_ylim(min(0.0, *known), 1.02)
    for seed, colour in zip(seeds, SEED_COLOURS, strict=False):
        loss_axes.plot([], [], color=colour, label=f"seed {seed}")
    loss_axes.legend(frameon=False, fontsize=8.5, loc="upper right")
    chosen = [curve.best_epoch for curve in curves]
    lengths = [curve.num_epochs for curve in curves]
    best = (
        f" Development {figure} at the chosen epoch: {span([_at_best(c) for c in scored], 3)}."
        if scored
        else " No development scores: the last epoch was kept."
    )
    return picture_of(
        canvas,
        name="learning",
        title="Learning curves",
        alt=f"{len(curves)} training runs of {span(lengths)} epochs; the epoch kept was "
        f"{span(chosen)}.{best}",
        caption=f"One line per seed and fold ({len(curves)} in all); a dot marks the epoch whose "
        f"weights were kept.{best}",
    )


@styled()
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
    canvas = new_canvas(6.4, 3.4)
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
    picture = picture_of(
        canvas,
        name="length",
        title="UAR against utterance length",
        alt="Bars of UAR by length: " + ", ".join(f"{row[0]} {row[2]}" for row in table) + ".",
        caption="Test utterances in four equal parts from short to long"
        + (", with the 95 % interval over speakers." if has_lines else ".")
        + without,
    )
    return picture, table


@styled()
def speaker_picture(scores: Scores) -> Picture:
    """UAR of each speaker, mean over seeds, beside the pooled UAR and its interval."""
    uar = scores.figures["uar"]
    values, absent = uar_by_speaker(scores)
    order = sorted(values, key=lambda name: (values[name], name))
    named = len(order) <= MOST_NAMED_SPEAKERS
    canvas = new_canvas(6.4, (0.26 * len(order) if named else 3.0) + 1.3)
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
        axes.set_yticks(range(len(order)), [brief(name) for name in order])
        axes.grid(axis="y", color=PALE, linewidth=0.5)
        axes.set_axisbelow(True)
    else:
        axes.set_yticks([])
        axes.set_ylabel(f"{len(order)} speakers")
    axes.set_ylim(-0.6, len(order) - 0.4)
    axes.set_xlim(0, 1.02)
    axes.set_xlabel("UAR")
    canvas.legend(loc="outside upper left", frameon=False, fontsize=8.5, ncols=2)
    return picture_of(
        canvas,
        name="speakers",
        title="UAR by speaker",
        alt=f"Dots of UAR for {len(order)} speakers, from {values[order[0]]:.2f} "
        f"({brief(order[0])}) to {values[order[-1]]:.2f} ({brief(order[-1])}); pooled "
        f"{uar.mean:.2f}.",
        caption="Each dot is a test speaker. The spread between speakers, not the number of "
        "utterances, is what the interval is made of. The pooled figure is not the mean of the "
        "dots: it weighs all utterances of an emotion alike.",
    )


@styled()
def group_picture(found: Mapping[str, Groups], *, pooled: float) -> Picture:
    """The figure of every group with its interval, one block for each way of grouping.

    Args:
        found: Ways of grouping (``"sex"``) to what ``by_group`` found.
        pooled: The figure of all utterances.
    """
    rows = [(by, group) for by, groups in found.items() for group in groups.groups]
    canvas = new_canvas(6.4, 0.34 * len(rows) + 0.3 * len(found) + 1.2)
    axes = canvas.add_subplot()
    place, ticks = 0.0, dict[float, str]()
    for by, groups in found.items():
        ticks[place] = by
        for group in groups.groups:
            place += 1.0
            interval = group.interval
            if interval.low is not None and interval.high is not None:
                axes.plot([interval.low, interval.high], [place, place], color=ACCENT,
                          linewidth=2.2, solid_capstyle="butt")  # fmt: skip
            axes.plot(interval.value, place, "o", color=ACCENT, markersize=6, clip_on=False,
                      markerfacecolor="white" if group.absent else ACCENT)  # fmt: skip
            axes.text(1.02, place, marked(interval.value, group.absent), va="center", fontsize=9,
                      transform=axes.get_yaxis_transform())  # fmt: skip
            ticks[place] = f"{group.name}\n{group.num_utterances} from {group.num_speakers}"
        place += 1.15
    axes.axvline(pooled, color=SECOND, linewidth=1.2, linestyle="--")
    axes.text(pooled, -0.75, "all", color=SECOND, fontsize=8.5, ha="center", va="bottom")
    axes.set_yticks(list(ticks), list(ticks.values()), fontsize=8.5, linespacing=1.1)
    axes.tick_params(axis="y", length=0)
    for label in axes.get_yticklabels():
        if label.get_text() in found:
            label.set_fontweight("bold")
            label.set_fontsize(10)
    axes.set_ylim(place - 0.5, -0.7)
    axes.set_xlim(0, 1.02)
    axes.set_xlabel("UAR")
    axes.grid(axis="x", color=PALE, linewidth=0.5)
    axes.set_axisbelow(True)
    few = any(group.interval.low is None for _, group in rows)
    told = ", ".join(
        f"{by} {group.name} {marked(group.interval.value, group.absent, decimals=2)}"
        for by, group in rows
    )
    return picture_of(
        canvas,
        name="groups",
        title="UAR by group",
        alt=f"Dots of UAR: {told}; all utterances {pooled:.2f}.",
        caption="Worst group first, with the 95 % interval over its speakers"
        + (" where there are enough of them" if few else "")
        + "; below each name, how many utterances from how many speakers. The broken line is the "
        "UAR of all."
        + " An open dot († in the table) averages without an emotion that the group lacks."
        * any(group.absent for _, group in rows),
    )


@styled()
def reliability_picture(
    before: Sequence[Bin], after: Sequence[Bin] = (), *, told: Sequence[str]
) -> Picture:
    """How often it was right against how sure it was, and how many utterances that is.

    Args:
        before: Bins of the probabilities as they are.
        after: Bins of the probabilities after temperature scaling; empty when there is none.
        told: What to write over each panel, such as ``"as predicted: ECE 0.110"``.
    """
    sides = [bins for bins in (before, after) if bins]
    canvas = new_canvas(3.9 * len(sides) + (0.8 if len(sides) == 1 else 0), 4.6)
    grid = canvas.add_gridspec(2, len(sides), height_ratios=(3.2, 1))
    most = max(bar.num_utterances for bins in sides for bar in bins)
    for number, (bins, title) in enumerate(zip(sides, told, strict=True)):
        upper, lower = canvas.add_subplot(grid[0, number]), canvas.add_subplot(grid[1, number])
        full = [bar for bar in bins if bar.num_utterances]
        left, width = [bar.lower for bar in full], [bar.upper - bar.lower for bar in full]
        upper.bar(left, [bar.accuracy for bar in full], width, align="edge", color=ACCENT,
                  edgecolor="white", linewidth=0.6, label="was right")  # fmt: skip
        upper.plot([0, 1], [0, 1], color=INK, linewidth=1, linestyle="--", label="as sure as right")
        upper.plot([bar.confidence for bar in full], [bar.accuracy for bar in full], "o",
                   color=SECOND, markersize=4.5, markeredgecolor="white", markeredgewidth=0.6,
                   label="mean probability", clip_on=False, zorder=3)  # fmt: skip
        upper.set_title(title)
        upper.set_ylim(0, 1.02)
        upper.tick_params(labelbottom=False)
        lower.bar(left, [bar.num_utterances for bar in full], width, align="edge", color=PALE,
                  edgecolor="white", linewidth=0.6)  # fmt: skip
        lower.set_xlabel("probability of what was predicted")
        lower.set_ylim(0, 1.08 * most)
        for axes in (upper, lower):
            axes.set_xlim(0, 1)
            axes.set_xticks([0, 0.2, 0.4, 0.6, 0.8, 1.0])
        if number == 0:
            upper.set_ylabel("share that was right")
            lower.set_ylabel("utterances")
            upper.legend(frameon=False, fontsize=8.5, loc="upper left")
    return picture_of(
        canvas,
        name="reliability",
        title="Reliability",
        alt="How often it was right against how sure it was. " + "; ".join(told) + ".",
        caption="Utterances sorted by the probability of what was predicted, all seeds added up. "
        "Bars below the diagonal: surer than right. Below, how many utterances each bar stands on.",
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


def span(values: Sequence[float | int], decimals: int = 0) -> str:
    """The least and the greatest of some values.

    Example:
        >>> span([3, 1, 2]), span([0.5, 0.5], 2)
        ('1 to 3', '0.50')
    """
    low, high = f"{min(values):.{decimals}f}", f"{max(values):.{decimals}f}"
    return low if low == high else f"{low} to {high}"


def _percent(share: float) -> str:
    return "not defined" if math.isnan(share) else f"{100 * share:.0f} %"


def brief(speaker: str) -> str:
    """``emodb/03`` as ``03``; the corpus is in the report's head.

    Example:
        >>> brief("emodb/03"), brief("")
        ('03', 'unknown')
    """
    return speaker.rpartition("/")[2] or "unknown"


def new_canvas(width: float, height: float) -> "Canvas":
    """An empty figure of so many inches, which lays itself out.

    Example:
        >>> new_canvas(6.4, 3.5).get_size_inches().tolist()
        [6.4, 3.5]
    """
    from matplotlib.figure import Figure as Canvas

    return Canvas(figsize=(width, height), layout="constrained")


def picture_of(canvas: "Canvas", *, name: str, title: str, alt: str, caption: str) -> Picture:
    """A drawn canvas with its words.

    Example:
        >>> picture = picture_of(new_canvas(2.0, 1.0), name="nothing", title="", alt="", caption="")
        >>> picture.name
        'nothing'
    """
    return Picture(name=name, title=title, canvas=canvas, alt=alt, caption=caption)
