# pyright: reportUnusedCallResult=false
"""One look at a recording: its waveform, who sounds how, and how sure that is."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from serkit.corpus.utterance import Seconds
from serkit.evaluation.figures import FAINT, INK, PALE, Picture, styled
from serkit.predictor.stream import NOT_RATED, NOT_SURE, SILENCE, SPEECH, Window
from serkit.predictor.timeline import ENVELOPE, Timeline

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = ("#c8553d", "#1f6f8b", "#d9a441", "#6b8f3a", "#7d5ba6", "#3d8f7c", "#b5577a", "#4a5568",
           "#8c6d46", "#5b7db1")  # fmt: skip
MOST_POINTS = 4000  # of a line in the picture; more cannot be seen


@styled()
def timeline_picture(timeline: Timeline) -> Picture:
    """The waveform, the labels (a row for each speaker) and the smoothed values, over time."""
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    names = timeline.emotions or timeline.affect
    colours = {name: COLOURS[place % len(COLOURS)] for place, name in enumerate(names)}
    colours |= {SPEECH: FAINT, NOT_SURE: FAINT, NOT_RATED: INK, SILENCE: PALE}
    speakers = timeline.speakers or (None,)
    canvas = Figure(figsize=(11, 3.6 + 0.35 * len(speakers)), layout="constrained")
    heights = (1.3, 0.28 * len(speakers), 1.9)
    above, middle, below = canvas.subplots(3, 1, sharex=True, height_ratios=heights)
    unit, name = _time_unit(timeline.duration)
    _draw_waveform(above, timeline, unit)
    rows = {speaker: -place for place, speaker in enumerate(speakers)}
    for label in {one.label for one in timeline.segments}:
        for speaker, row in rows.items():
            bars = [
                (one.start / unit, one.duration / unit)
                for one in timeline.segments
                if one.label == label and one.speaker == speaker
            ]
            middle.broken_barh(bars, (row - 0.42, 0.84), color=colours[label], linewidth=0)
    middle.set_yticks([*rows.values()], [speaker or "label" for speaker in rows])
    middle.spines[["left", "bottom"]].set_visible(False)
    middle.tick_params(length=0)
    for windows in _stretches(timeline):
        for emotion in names:
            times, values = _line(windows, emotion)
            below.plot(times / unit, values, color=colours[emotion], linewidth=1.2)
    below.set(
        xlim=(0, max(timeline.duration, 0.1) / unit),
        ylim=(0, 1),
        xlabel=name,
        ylabel="probability" if timeline.emotions else "value",
    )
    shown = [
        *names,
        *(
            label
            for label in (SILENCE, NOT_SURE, NOT_RATED)
            if any(one.label == label for one in timeline.segments)
        ),
    ]
    canvas.legend(
        handles=[Patch(color=colours[label], label=label) for label in shown],
        loc="outside lower center",
        ncols=min(len(shown), 9),
        frameon=False,
    )
    summary = timeline.summary()
    parts = [f"{label} {share:.0%}" for label, share in summary.shares.items()]
    return Picture(
        name="timeline",
        title=Path(timeline.file).name,
        canvas=canvas,
        alt=f"Waveform, labels and values of {Path(timeline.file).name}, "
        f"{timeline.duration:.1f} s; of its speech: {', '.join(parts) or 'none'}",
        caption=f"Windows of {timeline.window:g} s every {timeline.hop:g} s, rated by "
        f"{timeline.rater}, smoothed over {timeline.smooth:g} s.",
    )


def _time_unit(duration: Seconds) -> tuple[float, str]:
    for limit, unit, name in ((180.0, 1.0, "seconds"), (10800.0, 60.0, "minutes")):
        if duration <= limit:
            return unit, name
    return 3600.0, "hours"


def _draw_waveform(axes: "Axes", timeline: Timeline, unit: float) -> None:
    """Thousands of peaks, of each several the highest."""
    peaks = timeline.envelope
    step = max(1, -(-len(peaks) // MOST_POINTS))
    padded = np.pad(peaks, (0, -len(peaks) % step)).reshape(-1, step).max(axis=1)
    times = (np.arange(len(padded)) + 0.5) * step * ENVELOPE / unit
    axes.fill_between(times, -padded, padded, color=INK, linewidth=0)
    limit = max(0.01, float(padded.max(initial=0.0)) * 1.05)
    axes.set(ylim=(-limit, limit), yticks=[], title=Path(timeline.file).name)
    axes.spines[["left", "bottom"]].set_visible(False)
    axes.tick_params(length=0)


def _stretches(timeline: Timeline) -> list[list[Window]]:
    """The windows of the recording, or of each turn; a line leads from one to the next of them."""
    found: list[list[Window]] = []
    for speaker in timeline.speakers or (None,):
        for window in timeline.windows:
            if window.speaker != speaker:
                continue
            last = found[-1][-1] if found else None
            if last is None or last.speaker != speaker or window.start >= last.end:
                found.append([])
            found[-1].append(window)
    return found


def _line(windows: list[Window], name: str) -> tuple[np.ndarray, np.ndarray]:
    """Middles of windows and their smoothed values; a gap where there are none."""
    chosen = windows[:: max(1, len(windows) // MOST_POINTS)]
    times = np.array([(one.start + one.end) / 2 for one in chosen])
    values = np.full(len(chosen), np.nan)
    for place, one in enumerate(chosen):
        if one.smoothed is not None:
            values[place] = {**one.smoothed.emotion, **one.smoothed.affect}[name]
    return times, values
