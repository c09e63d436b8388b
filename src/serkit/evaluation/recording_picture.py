# pyright: reportUnusedCallResult=false
"""One look at a recording: waveform, spectrogram, its windows, and what a network sees of them."""

# Shapes: N samples, T frames, F bins, R rows and columns of a picture.

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from serkit.evaluation.embedding_map import EMOTION_COLOURS, OTHER_COLOURS
from serkit.evaluation.explanation_picture import overlaid
from serkit.evaluation.figures import ACCENT, FAINT, INK, PALE, Picture, picture_of, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FEWEST_COLUMNS, MOST_SHOWN = 4, 6  # of pictures of windows
WIDTH = 11.0  # inches
MOST_NUMBERED = 40  # windows with their number in the strip
MOST_COLUMNS = 2400  # of a waveform or a spectrogram; more cannot be seen
NOT_ZERO = 1e-9


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Window:
    """A stretch that a network hears at once."""

    start: float
    """Seconds."""
    end: float
    pictures: Mapping[str, Float[np.ndarray, "R R"]] = field(
        default_factory=dict[str, Float[np.ndarray, "R R"]]
    )
    """What is seen of it, from 0 to 1, by what it is called; row 0 is on top."""
    map: Float[np.ndarray, "R R"] | None = None
    """Where in the last picture the answer came from, from 0 to 1."""
    shares: Mapping[str, float] = field(default_factory=dict[str, float])
    """Emotion to probability, or dimension of affect to value; empty where nobody was asked."""


@styled()
def recording_picture(
    waveform: Float[np.ndarray, " N"],
    shades: Float[np.ndarray, "T F"],
    windows: Sequence[Window],
    *,
    sample_rate: int,
    title: str,
    start: float = 0.0,
    frames: tuple[float, float] = (0.0125, 0.01),
    answer: str = "",
    is_affect: bool = False,
    explained: str = "",
) -> Picture:
    """Waveform and spectrogram over time, the windows below them, and pictures of some windows.

    Args:
        waveform: In [-1, 1].
        shades: Its spectrogram, from 0 (black) to 1, from 0 Hz to half the rate.
        windows: In order. Of many, six are drawn, evenly chosen.
        sample_rate: Hz.
        title: The recording's name.
        start: Second of the recording at which the waveform begins.
        frames: Middle of the first frame of ``shades`` and seconds from one to the next.
        answer: What it was heard as.
        is_affect: ``Window.shares`` are values, not probabilities.
        explained: The answer that ``Window.map`` is of.

    Example:
        >>> noise = np.random.default_rng(0).normal(0, 0.1, 16000)
        >>> picture = recording_picture(
        ...     noise, np.zeros((98, 257)), [Window(start=0.0, end=1.0)], sample_rate=16000,
        ...     title="noise.wav")
        >>> picture.alt
        'noise.wav, 1.00 s: waveform, spectrogram and 1 window.'
    """
    from matplotlib.figure import Figure

    duration = len(waveform) / sample_rate
    shown = _evenly(len(windows))
    is_rated = any(window.shares for window in windows)
    kinds = list(windows[0].pictures) if windows else []
    has_map = any(window.map is not None for window in windows)
    num_rows = len(kinds) + has_map
    lanes = _lanes(windows)
    heights = [1.5, 2.3, 0.24 * (max(lanes, default=0) + 1) + 0.1, *([1.2] if is_rated else [])]
    num_columns = max(FEWEST_COLUMNS, len(shown))
    above, below = sum(heights) + 1.1, (WIDTH - 0.3) / num_columns * num_rows + 0.5
    canvas = Figure(figsize=(WIDTH, above + below * bool(num_rows)), layout="constrained")
    whole: Any = canvas.subfigures(2, 1, height_ratios=[above, below]) if num_rows else [canvas]
    panels: Any = whole[0].subplots(len(heights), 1, sharex=True, height_ratios=heights)
    times = (start, start + max(duration, NOT_ZERO))
    _draw_waveform(panels[0], waveform, times)
    begin = start + frames[0] - frames[1] / 2
    covered = (begin, begin + len(shades) * frames[1])
    _draw_spectrogram(panels[1], shades, covered, sample_rate)
    _draw_windows(panels[2], windows, lanes, shown)
    if is_rated:
        _draw_shares(panels[3], windows, is_affect=is_affect)
    for panel in panels[:-1]:
        panel.tick_params(axis="x", length=0)
    panels[-1].set(xlim=times, xlabel="seconds")
    whole[0].suptitle(f"{title}{f':  {answer}' if answer else ''}", x=0.01, ha="left",
                      fontsize=12, fontweight="bold")  # fmt: skip
    whole[0].align_ylabels([panels[0], panels[1], *panels[3:]])
    if num_rows:
        _draw_pictures(
            whole[1], windows, shown, kinds, maps=f"what spoke for {explained}" * has_map
        )
    return picture_of(
        canvas,
        name="recording",
        title=title,
        alt=f"{title}, {duration:.2f} s: waveform, spectrogram and {len(windows)} "
        f"window{'s' * (len(windows) != 1)}.",
        caption="",
    )


def _evenly(number: int) -> list[int]:
    """Places of the windows that are drawn."""
    return np.unique(
        np.linspace(0, number - 1, min(number, MOST_SHOWN)).round().astype(int)
    ).tolist()


def _lanes(windows: Sequence[Window]) -> list[int]:
    """A lane for each window, so that those of one lane do not overlap."""
    ends: list[float] = []
    found: list[int] = []
    for window in windows:
        free = [lane for lane, end in enumerate(ends) if end <= window.start + 1e-6]
        lane = free[0] if free else len(ends)
        ends[lane : lane + 1] = [window.end]
        found.append(lane)
    return found


def _draw_waveform(
    axes: "Axes", waveform: Float[np.ndarray, " N"], times: tuple[float, float]
) -> None:
    """Lowest to highest sample of each column."""
    edges = np.linspace(0, len(waveform), min(MOST_COLUMNS, len(waveform)) + 1).astype(int)[:-1]
    high, low = (np.asarray(f.reduceat(waveform, edges)) for f in (np.maximum, np.minimum))
    at = times[0] + (edges + 0.5) / len(waveform) * (times[1] - times[0])
    axes.fill_between(at, low, high, color=ACCENT, linewidth=0.4, edgecolor=ACCENT)
    limit = max(1e-4, float(np.abs(waveform).max()) * 1.05)
    axes.set(ylim=(-limit, limit), ylabel="amplitude")
    axes.axhline(0, color=PALE, linewidth=0.6, zorder=0)
    axes.spines["bottom"].set_visible(False)


def _draw_spectrogram(
    axes: "Axes", shades: Float[np.ndarray, "T F"], times: tuple[float, float], rate: int
) -> None:
    """Of several frames the loudest, where there are more than columns."""
    step = max(1, -(-len(shades) // MOST_COLUMNS))
    loud = np.maximum.reduceat(shades, np.arange(0, len(shades), step))
    axes.imshow(
        loud.T,
        origin="lower",
        aspect="auto",
        cmap="magma",
        vmin=0,
        vmax=1,
        extent=(*times, 0, rate / 2000),
        interpolation="nearest",
    )
    axes.set_ylabel("kHz")


def _draw_windows(
    axes: "Axes", windows: Sequence[Window], lanes: Sequence[int], shown: Sequence[int]
) -> None:
    """A bar for each; those that are drawn below are dark."""
    for place, (window, lane) in enumerate(zip(windows, lanes, strict=True)):
        is_shown = place in shown
        length = window.end - window.start
        axes.broken_barh([(window.start, length)], (-lane - 0.4, 0.8), linewidth=1.0,
                         color=ACCENT if is_shown else PALE, edgecolor="white")  # fmt: skip
        if len(windows) <= MOST_NUMBERED or is_shown:
            axes.text(window.start + length / 2, -lane, str(place + 1), ha="center", va="center",
                      fontsize=7.5, color="white" if is_shown else INK, clip_on=True)  # fmt: skip
    axes.set(ylim=(-max(lanes, default=0) - 0.5, 0.5), yticks=[])
    axes.set_ylabel("windows", rotation=0, ha="right", va="center")
    axes.spines[["left", "bottom"]].set_visible(False)


def _draw_shares(axes: "Axes", windows: Sequence[Window], *, is_affect: bool) -> None:
    """Probabilities on top of one another around the middle of each window; values as lines."""
    names = list(next(window.shares for window in windows if window.shares))
    spare = iter(OTHER_COLOURS * len(names))
    colours = {name: EMOTION_COLOURS.get(name) or next(spare) for name in names}
    rated = [window for window in windows if window.shares]
    middles = np.array([(window.start + window.end) / 2 for window in rated])
    begins = np.array([window.start for window in rated])
    edges = (middles[1:] + middles[:-1]) / 2
    left = np.concatenate([begins[:1], edges])
    right = np.concatenate([edges, [rated[-1].end]])
    under = np.zeros(len(rated))
    for name in names:
        values = np.array([window.shares[name] for window in rated])
        if is_affect:
            axes.plot(middles, values, "o-", color=colours[name], markersize=3.5, label=name)
        else:
            axes.bar(left, values, right - left, under, align="edge", color=colours[name],
                     edgecolor="white", linewidth=0.5, label=name)  # fmt: skip
            under = under + values
    axes.set(ylim=(0, 1), yticks=[0, 0.5, 1], ylabel="value" if is_affect else "probability")
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.05), frameon=False, fontsize=8,
                labelspacing=0.25, handlelength=1.0)  # fmt: skip


def _draw_pictures(
    canvas: Any,
    windows: Sequence[Window],
    shown: Sequence[int],
    kinds: Sequence[str],
    *,
    maps: str,
) -> None:
    """A column for each window, a row for each kind of picture, and one for maps with a name."""
    num_columns = max(FEWEST_COLUMNS, len(shown))
    names = [*kinds, *([maps] if maps else [])]
    grid = canvas.subplots(len(names), num_columns, squeeze=False)
    for row in grid:
        for axes in row[len(shown) :]:
            axes.set_axis_off()
    for column, place in enumerate(shown):
        window = windows[place]
        said = f"{place + 1}:  {window.start:.2f} to {window.end:.2f} s"
        if window.shares and maps:
            most = max(window.shares, key=lambda name: window.shares[name])
            said += f"\n{most} {window.shares[most]:.2f}"
        grid[0, column].set_title(said, fontsize=8.5, loc="center")
        drawn = [window.pictures[kind] for kind in kinds]
        if window.map is not None:
            drawn.append(overlaid(drawn[-1], window.map))
        for axes, pixels in zip(grid[:, column], drawn, strict=True):
            axes.imshow(pixels, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_color(FAINT)
            axes.spines[:].set_visible(True)
    for axes, name in zip(grid[:, 0], names, strict=True):
        axes.set_ylabel(name, fontsize=8.5)
