"""A long recording from beginning to end: who sounds how, and when."""

# Shapes: N samples, T points of the envelope.

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Float32

from serkit import audio
from serkit.corpus.utterance import Rating, Seconds
from serkit.evaluation.figures import Picture
from serkit.predictor.stream import (
    SILENCE,
    Listener,
    Segment,
    Stream,
    TimelineError,
    Turn,
    Update,
    Window,
    mean_rating,
)

BLOCK = 30.0  # s in memory at once, and between two calls of progress
ENVELOPE = 0.05  # s for each point of the waveform's picture


@dataclass(frozen=True, kw_only=True, slots=True)
class Summary:
    """What a recording, or one speaker of it, was like as a whole."""

    speech: Seconds
    """In segments that are not silence."""
    silence: Seconds
    by_label: Mapping[str, Seconds]
    """Label to seconds of speech with it, the longest first."""
    rating: Rating | None
    """Mean over all windows, each weighted by its seconds of speech; None without speech."""

    @property
    def shares(self) -> dict[str, float]:
        """Label to its share of the speech."""
        return {label: seconds / self.speech for label, seconds in self.by_label.items()}


@dataclass(frozen=True, kw_only=True, slots=True)
class Timeline:
    """A recording window by window; made by ``listener.timeline(recording)``.

    The rules at the edges:

    - The last window is moved back to end with the recording, and so overlaps more than the others.
    - A recording shorter than a window is one window, as long as it is. Below 0.1 s it is
      ``"not rated"``.
    - Silence is labelled ``"silence"``: a window without speech has no rating. One with less than
      0.5 s of speech is rated, with the note ``"little speech"``.
    - Where no emotion is as probable as the model asks for, the label is ``"not sure"``; models
      without a calibration always name one.
    - A window that the system fails on is ``"not rated"``, with the reason among its notes.
    - Segments tile the recording without gap or overlap, from 0 to ``duration``. With turns, they
      tile each turn, and what lies in no turn has neither window nor segment.
    """

    file: str
    """As it was given; ``"waveform"`` for samples."""
    duration: Seconds
    rater: str
    emotions: tuple[str, ...]
    """In the order of probabilities; none for affect."""
    affect: tuple[str, ...]
    """Dimensions; none for emotions."""
    window: Seconds
    hop: Seconds
    smooth: Seconds
    vad: str
    windows: tuple[Window, ...]
    """In order of their beginnings."""
    segments: tuple[Segment, ...]
    """In order of their beginnings."""
    notes: tuple[str, ...] = ()
    """What a reader should know of the whole."""
    envelope: Float32[np.ndarray, " _"] = field(
        default_factory=partial(np.zeros, 0, np.float32), repr=False, compare=False
    )
    """Peak of each 0.05 s, for the picture."""

    @property
    def speakers(self) -> tuple[str, ...]:
        """Of the turns, in alphabetical order; none without turns."""
        return tuple(sorted({one.speaker for one in self.segments if one.speaker is not None}))

    @property
    def speech(self) -> tuple[tuple[Seconds, Seconds], ...]:
        """Beginning and end of each stretch of speech, by whomever."""
        found: list[tuple[Seconds, Seconds]] = []
        for one in self.segments:
            if one.label != SILENCE and found and one.start <= found[-1][1]:
                found[-1] = (found[-1][0], max(found[-1][1], one.end))
            elif one.label != SILENCE:
                found.append((one.start, one.end))
        return tuple(found)

    def summary(self, speaker: str | None = None) -> Summary:
        """Of everything, or of one speaker's turns.

        Raises:
            TimelineError: Nobody of that name speaks.

        Example:
            >>> timeline = Timeline(
            ...     file="call.wav", duration=4.0, rater="crnn", emotions=("anger", "joy"),
            ...     affect=(), window=3.0, hop=1.0, smooth=0.0, vad="energy", windows=(),
            ...     segments=(Segment(start=0.0, end=3.0, label="joy"),
            ...               Segment(start=3.0, end=4.0, label="silence")))
            >>> timeline.summary().speech, timeline.summary().shares
            (3.0, {'joy': 1.0})
        """
        if speaker is not None and speaker not in self.speakers:
            known = ", ".join(self.speakers) or "nobody: no turns were given"
            raise TimelineError(f"{speaker} has no turn in {self.file}; those who have: {known}")
        by_label: dict[str, Seconds] = {}
        for one in self.segments:
            if speaker in (None, one.speaker):
                by_label[one.label] = by_label.get(one.label, 0.0) + one.duration
        silence = by_label.pop(SILENCE, 0.0)
        return Summary(
            speech=sum(by_label.values(), start=0.0),
            silence=silence,
            by_label=dict(sorted(by_label.items(), key=lambda item: -item[1])),
            rating=mean_rating(
                (one.rating, one.speech) for one in self.windows if speaker in (None, one.speaker)
            ),
        )

    def write(
        self,
        path: str | Path,
        *,
        form: str | None = None,
        rows: Literal["windows", "segments"] = "windows",
    ) -> Path:
        """Write it to a file, all of it or nothing; see ``serkit.predictor.annotation``.

        Args:
            path: Where to; folders are made.
            form: One of ``annotation.FORMATS``; None goes by the ending.
            rows: What a row of a table (CSV, Parquet) is.

        Raises:
            TimelineError: There is no such format.
        """
        from serkit.predictor.annotation import write

        return write(self, path, form=form, rows=rows)

    def picture(self) -> Picture:
        """The waveform, the labels (of each speaker) and the smoothed values, one above the other.

        ``timeline.picture().drawn("png")`` are the bytes of a file.
        """
        from serkit.predictor.timeline_picture import timeline_picture

        return timeline_picture(self)


def hear(
    listener: Listener,
    recording: str | Path | np.ndarray,
    *,
    sample_rate: int | None,
    turns: Iterable[Turn] | None,
    batch: int,
    progress: Callable[[Seconds], object] | None,
    **times: Any,
) -> Timeline:
    """The timeline of a recording; ``Predictor.timeline`` says what is what."""
    rate = listener.sample_rate
    spoken = None if turns is None else tuple(turns)
    if isinstance(recording, np.ndarray):
        file = "waveform"
        rate = rate if sample_rate is None else sample_rate
        blocks = _pieces(audio.as_waveform(recording), round(BLOCK * rate))
    else:
        file = str(recording)
        blocks = audio.blocks(recording, sample_rate=rate, seconds=BLOCK)
    stream = Stream(listener, sample_rate=rate, turns=spoken, batch=batch, **times)
    envelope = _Envelope(round(ENVELOPE * rate))
    updates: list[Update] = []
    for block in blocks:
        envelope.add(block)
        updates.append(stream.feed(block))
        if progress is not None:
            _ = progress(stream.heard)
    updates.append(stream.finish())
    outside = sum(turn.start >= stream.heard for turn in spoken or ())
    if spoken and outside == len(spoken):
        raise TimelineError(
            f"all turns begin after the end of {file}, at {stream.heard:.2f} s: do they belong to "
            "another recording?"
        )
    return assemble(
        listener,
        updates,
        file=file,
        duration=stream.heard,
        notes=(f"{outside} turns begin after its end and were left out",) if outside else (),
        envelope=envelope.points(),
        **times,
    )


def assemble(listener: Any, updates: Iterable[Update], **known: Any) -> Timeline:
    """A timeline of what a stream gave, in the order of beginnings."""
    updates = tuple(updates)

    def order(one: Window | Segment) -> tuple[Seconds, Seconds, str]:
        return one.start, one.end, one.speaker or ""

    return Timeline(
        rater=listener.rater,
        emotions=listener.emotions,
        affect=listener.affect,
        windows=tuple(sorted((w for update in updates for w in update.windows), key=order)),
        segments=tuple(sorted((s for update in updates for s in update.segments), key=order)),
        **known,
    )


def _pieces(waveform: Float32[np.ndarray, " N"], size: int) -> Iterator[Float32[np.ndarray, " _"]]:
    for first in range(0, max(1, len(waveform)), size):
        yield waveform[first : first + size]


class _Envelope:
    """The peak of each few samples."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.rest = np.zeros(0, dtype=np.float32)
        self.found: list[np.ndarray] = []

    def add(self, samples: Float32[np.ndarray, " N"]) -> None:
        known = np.concatenate([self.rest, np.abs(samples)])
        full = len(known) // self.size * self.size
        self.found.append(known[:full].reshape(-1, self.size).max(axis=1))
        self.rest = known[full:]

    def points(self) -> Float32[np.ndarray, " T"]:
        rest = [self.rest.max(keepdims=True)] if self.rest.size else []
        return np.concatenate([*self.found, *rest]).astype(np.float32)
