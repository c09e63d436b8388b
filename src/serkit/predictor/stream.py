"""A recording rated while it arrives: windows, smoothing, segments.

One engine serves the live stream and the long file, so both say the same. It looks ahead by a
bounded time and never back to the beginning:

1. Samples are resampled as they come, and a detector decides which frames are speech.
2. Windows of ``window`` seconds begin every ``hop`` seconds. One without speech is silence and is
   not rated. With turns, each turn is cut by itself, as if it were a recording.
3. Each window's rating is averaged with those of its neighbours: with w the seconds of speech in a
   window, and n windows on either side whose middles lie within ``smooth / 2``,

       p~_k = sum_{j=k-n}^{k+n} w_j p_j / sum_{j=k-n}^{k+n} w_j,        n = floor(smooth / (2 hop)).

   The label is the most probable emotion; that of the window before is kept unless another is ahead
   of it by more than 0.1, so that two emotions of nearly equal probability do not take turns
   (hysteresis; none without smoothing). Where its probability is below what the listener is sure
   above, the label is "not sure".
4. Each window speaks for the stretch that is nearer to its middle than to that of any other. Within
   it, speech has the window's label and the rest is silence. Neighbours of one label are merged,
   and what is shorter than half a second joins the speech before it (or else behind it), unless
   there is silence on both sides.
"""

# Shapes: N samples.

import math
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32

from serkit import audio
from serkit.audio.read import RATES
from serkit.audio.segment import FRAME
from serkit.corpus.utterance import Rating, Seconds

Waveform = Float32[np.ndarray, " _"]
"""Mono samples."""

SILENCE = "silence"
"""Label where nobody speaks."""
SPEECH = "speech"
"""Label of speech whose affect is rated, and not its emotion."""
NOT_RATED = "not rated"
"""Label of speech that could not be rated; the window's notes say why."""
NOT_SURE = "not sure"
"""Label of speech whose most probable emotion is not probable enough to be named."""

WINDOW_TIME, HOP_TIME, SMOOTH_TIME = 3.0, 1.0, 2.0  # s; why: docs/guide/timelines.md
SHORTEST_HEARD = 0.1  # s; shorter than a vowel, and fewer frames than a network's pooling needs
LITTLE_SPEECH = 0.5  # s in a window; two or three syllables
AHEAD = 0.1  # of probability, by which an emotion must be ahead to take over
SHORTEST_SEGMENT = 0.5  # s; less of an emotion, amid speech, is where a window happened to end
FILTER_DELAY = 0.1  # s; more than soxr keeps back while it resamples


@dataclass(frozen=True, kw_only=True, slots=True)
class Turn:
    """A stretch in which one person speaks."""

    start: Seconds
    end: Seconds
    speaker: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Window:
    """A few seconds of a recording, and what they sound like."""

    start: Seconds
    end: Seconds
    speech: Seconds
    """Of speech in it."""
    label: str
    """The emotion after smoothing, ``"not sure"``, ``"silence"``, ``"not rated"``, or ``"speech"``
    (for affect)."""
    rating: Rating | None = None
    """Of this window by itself; None where there was no speech to rate."""
    smoothed: Rating | None = None
    """Averaged with the windows around it."""
    speaker: str | None = None
    """Of the turn it lies in."""
    notes: tuple[str, ...] = ()
    """Reasons to doubt the rating, such as ``"little speech"``, or why there is none."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Segment:
    """A stretch with one label: neighbouring windows merged, cut where speech begins and ends."""

    start: Seconds
    end: Seconds
    label: str
    """As of its windows."""
    rating: Rating | None = None
    """Mean of what was smoothed over its duration; None for silence."""
    speaker: str | None = None
    """Of the turn it lies in."""

    @property
    def duration(self) -> Seconds:
        """How long it lasts."""
        return self.end - self.start


@dataclass(frozen=True, kw_only=True, slots=True)
class Update:
    """What became known by the latest samples."""

    windows: tuple[Window, ...] = ()
    segments: tuple[Segment, ...] = ()


@runtime_checkable
class Listener(Protocol):
    """Who rates; a ``Predictor`` is one."""

    @property
    def emotions(self) -> tuple[str, ...]:
        """Names of what it tells apart; none for affect."""
        ...

    @property
    def sample_rate(self) -> int:
        """Hz that it hears."""
        ...

    @property
    def sure_above(self) -> float:
        """Probability below which it does not name an emotion; 0: it always does."""
        ...

    def rate(self, waveforms: Sequence[Waveform]) -> list[Rating | audio.AudioError]:
        """A rating of each, or why there is none."""
        ...


class TimelineError(ValueError):
    """A timeline or a stream that cannot be made as asked; says what to change."""

    is_usage = True


class Stream:
    """Rates sound as it arrives; made by ``listener.stream()``.

    What it says does not depend on how the sound is cut into pieces, up to rounding: windows that
    are rated together or alone differ by less than 1e-4 of probability. Where two emotions are that
    close to equal, the label may differ.

    Args:
        listener: Who rates.
        sample_rate: Hz of the samples that will be fed; None means the listener's.
        window: Seconds that are rated at once.
        hop: Seconds from one window to the next.
        smooth: Seconds over which ratings are averaged; 0 leaves them, and the labels, alone.
        vad: Speech detector, one of ``audio.DETECTORS``.
        turns: Who speaks when; windows then never cross a turn, and what is in none is not rated.
        batch: Windows rated at once, at most.

    Raises:
        TimelineError: The times do not fit together.
        SegmentationError: There is no such detector, or it cannot work here.
    """

    def __init__(
        self,
        listener: Listener,
        *,
        sample_rate: int | None = None,
        window: Seconds = WINDOW_TIME,
        hop: Seconds = HOP_TIME,
        smooth: Seconds = SMOOTH_TIME,
        vad: str = "energy",
        turns: Iterable[Turn] | None = None,
        batch: int = 16,
    ) -> None:
        _check_times(window, hop, smooth)
        if batch < 1:
            raise TimelineError(f"batch={batch} must be 1 or more")
        self._listener = listener
        self._rate = listener.sample_rate
        given_rate = self._rate if sample_rate is None else sample_rate
        if not RATES[0] <= given_rate <= RATES[1]:
            raise TimelineError(f"sample_rate={given_rate} must be that of the samples, in Hz")
        self._batch = batch
        self._reach = math.floor(smooth / (2 * hop) + 1e-9)
        self._detector = audio.SpeechDetector(vad, self._rate)
        self._resampler = audio.Resampler(given_rate, self._rate)
        self._samples = _Tape(np.zeros(0, dtype=np.float32))
        self._frames = _Tape(np.zeros(0, dtype=bool))
        length, step = round(window * self._rate), max(1, round(hop * self._rate))
        shortest = round(SHORTEST_SEGMENT * self._rate)
        self._tracks: list[_Track] = []
        self._to_come: deque[_Track] = deque()
        if turns is None:
            self._tracks.append(_Track(audio.Windows(length, step), None, shortest))
        for turn in sorted(turns or (), key=lambda turn: (turn.start, turn.end, turn.speaker)):
            start, end = (round(time * self._rate) for time in (turn.start, turn.end))
            if start < end:
                cut = audio.Windows(length, step, start=start, end=end)
                self._to_come.append(_Track(cut, turn.speaker, shortest))
        self._ended = False
        self.latency: Seconds = (
            self._reach * hop
            + self._detector.look_ahead
            + (0.0 if vad == "none" else FRAME)
            + (0.0 if given_rate == self._rate else FILTER_DELAY)
        )
        """Seconds of sound after the end of a window, within which it is given; computing and
        the length of the pieces that are fed come on top. Its segment follows when it is over."""

    @property
    def heard(self) -> Seconds:
        """How much sound was fed, without what the resampling filter still holds back."""
        return self._samples.end / self._rate

    def feed(self, samples: np.ndarray) -> Update:
        """The windows and segments that are complete with these samples.

        Args:
            samples: Mono [N], floats in [-1, 1] or integers; any number, none as well.

        Raises:
            AudioError: Samples that are not numbers, or not scaled.
            ValueError: No array of mono samples.
            TimelineError: After ``finish``.
        """
        if self._ended:
            raise TimelineError("this stream has ended; make another with listener.stream()")
        return self._hear(self._resampler.feed(audio.as_waveform(samples)))

    def finish(self) -> Update:
        """The rest, once no sound comes any more."""
        if self._ended:
            return Update()
        before = self._hear(self._resampler.finish())
        self._ended = True
        self._frames.add(self._detector.finish())
        rest = self._advance(self._samples.end)
        return Update(
            windows=before.windows + rest.windows, segments=before.segments + rest.segments
        )

    def _hear(self, samples: Waveform) -> Update:
        samples = np.clip(samples, -1.0, 1.0)
        self._samples.add(samples)
        self._frames.add(self._detector.feed(samples))
        return self._advance(min(self._samples.end, self._frames.end * self._detector.frame_length))

    def _advance(self, known: int) -> Update:
        """Everything that can be said of the samples before ``known``."""
        while self._to_come and self._to_come[0].windows.start < known:
            self._tracks.append(self._to_come.popleft())
        due: list[tuple[_Track, int, int]] = []
        for track in self._tracks:
            cuts = track.windows.due(known)
            if self._ended:
                cuts += track.windows.close(known)
            due += [(track, first, last) for first, last in cuts]
        for (track, _, _), judged in zip(due, self._judge(due), strict=True):
            track.known.append(judged)
        windows: list[Window] = []
        segments: list[Segment] = []
        for track in self._tracks:
            for window in track.settled(self._reach, self._listener.sure_above):
                windows.append(self._window(track, window))
                segments += self._segments(track, window)
            if track.windows.closed:
                segments += self._segments(track, None)
        self._tracks = [track for track in self._tracks if not track.windows.closed]
        needed = [min(track.windows.needed, track.said) for track in self._tracks]
        first = min([known, *needed])
        self._samples.forget(first)
        self._frames.forget(first // self._detector.frame_length)
        return Update(windows=tuple(windows), segments=tuple(segments))

    def _judge(self, due: "Sequence[tuple[_Track, int, int]]") -> "list[_Judged]":
        """Ratings of windows, a batch at a time."""
        judged = [self._glance(first, last) for _, first, last in due]
        wanted = [one for one in judged if one.label is None]
        for begin in range(0, len(wanted), self._batch):
            batch = wanted[begin : begin + self._batch]
            ratings = self._listener.rate([self._samples.cut(o.first, o.last) for o in batch])
            for one, rating in zip(batch, ratings, strict=True):
                if isinstance(rating, Rating):
                    one.rating = rating
                else:
                    one.label, one.notes = NOT_RATED, (*one.notes, rating.message)
        return judged

    def _glance(self, first: int, last: int) -> "_Judged":
        """A window before it is rated; it has its label already if it will not be."""
        speech = sum(
            stop - start for start, stop, is_speech in self._runs(first, last) if is_speech
        )
        judged = _Judged(first, last, speech)
        notes = audio.inspect(self._samples.cut(first, last), self._rate)
        if speech == 0 or "silent" in notes:
            judged.label = SILENCE
        elif last - first < SHORTEST_HEARD * self._rate:
            judged.label, judged.notes = NOT_RATED, ("too short",)
        else:
            judged.notes = tuple(note for note in notes if note in ("clipped", "very short"))
            if speech < LITTLE_SPEECH * self._rate:
                judged.notes += ("little speech",)
        return judged

    def _runs(self, first: int, last: int) -> list[tuple[int, int, bool]]:
        """Stretches of samples from ``first`` to ``last`` that are all speech, or all not."""
        size = self._detector.frame_length
        begin = first // size
        frames = self._frames.cut(begin, -(-last // size))
        changes = np.flatnonzero(np.diff(frames.astype(np.int8))) + 1
        edges = [first, *((begin + changes) * size).tolist(), last]
        is_speech = bool(frames[0])
        runs: list[tuple[int, int, bool]] = []
        for place, (start, stop) in enumerate(pairwise(edges)):
            runs.append((start, stop, is_speech if place % 2 == 0 else not is_speech))
        return runs

    def _window(self, track: "_Track", judged: "_Judged") -> Window:
        return Window(
            start=judged.first / self._rate,
            end=judged.last / self._rate,
            speech=judged.speech / self._rate,
            label=judged.said,
            rating=judged.rating,
            smoothed=judged.smoothed,
            speaker=track.speaker,
            notes=judged.notes,
        )

    def _segments(self, track: "_Track", following: "_Judged | None") -> list[Segment]:
        """Segments that are over, now that the window behind is known (None: there is none)."""
        before, track.before = track.before, following
        if before is None:
            return []
        start, stop = track.said, before.last
        if following is not None:
            stop = (before.first + before.last + following.first + following.last) // 4
        track.said = stop
        done: list[_Run] = []
        for first, last, is_speech in self._runs(start, stop) if start < stop else ():
            label, rating = (before.said, before.smoothed) if is_speech else (SILENCE, None)
            done += track.merger.add(_Run(first, last, label, [(rating, last - first)]))
        if following is None:
            done += track.merger.close()
        return [
            Segment(
                start=run.first / self._rate,
                end=run.last / self._rate,
                label=run.label,
                rating=mean_rating(run.parts),
                speaker=track.speaker,
            )
            for run in done
        ]


@dataclass(slots=True)
class _Judged:
    """A window, as its rating, its smoothed rating and its label become known."""

    first: int
    last: int
    speech: int
    """Samples of speech."""
    label: str | None = None
    """Of one that is not rated."""
    notes: tuple[str, ...] = ()
    rating: Rating | None = None
    smoothed: Rating | None = None
    said: str = ""
    """The label in the end."""


class _Track:
    """A recording, or one turn of it, on its way from windows to segments."""

    def __init__(self, windows: audio.Windows, speaker: str | None, shortest: int) -> None:
        self.windows = windows
        self.speaker = speaker
        self.known: list[_Judged] = []
        self.place = 0  # among the known: the next one to be smoothed
        self.emotion: str | None = None  # of the window before
        self.before: _Judged | None = None  # whose stretch ends where the next one's begins
        self.said = windows.start  # sample up to which segments were made
        self.merger = _Merger(shortest)

    def settled(self, reach: int, sure_above: float) -> list[_Judged]:
        """Windows whose neighbours are known by now, smoothed and labelled."""
        found: list[_Judged] = []
        while self.place < len(self.known) and (
            self.windows.closed or self.place + reach < len(self.known)
        ):
            one = self.known[self.place]
            around = self.known[max(0, self.place - reach) : self.place + reach + 1]
            if one.rating is not None:
                one.smoothed = (
                    one.rating
                    if reach == 0
                    else mean_rating((near.rating, near.speech) for near in around)
                )
            self._label(one, AHEAD if reach else -1.0, sure_above)
            found.append(one)
            self.place += 1
            if self.place > reach:
                del self.known[0]
                self.place -= 1
        return found

    def _label(self, one: _Judged, ahead: float, sure_above: float) -> None:
        emotion = said = None
        if one.smoothed is not None:
            shares, emotion = one.smoothed.emotion, one.smoothed.top
            if emotion is not None and self.emotion is not None:
                leads = shares[emotion] - shares[self.emotion]
                emotion = emotion if leads > ahead else self.emotion
            if emotion is not None:
                said = emotion if shares[emotion] >= sure_above else NOT_SURE
        self.emotion = emotion
        one.said = one.label or said or SPEECH


@dataclass(slots=True)
class _Run:
    """A segment in the making."""

    first: int
    last: int
    label: str
    parts: list[tuple[Rating | None, float | int]]
    """Ratings, and for how many samples each."""

    def join(self, other: "_Run") -> None:
        """Take in its neighbour, whatever that was called."""
        self.parts += other.parts
        if len(self.parts) > 1 << 8:  # a long segment needs no list
            self.parts = [(mean_rating(self.parts), sum(weight for _, weight in self.parts))]
        self.first, self.last = min(self.first, other.first), max(self.last, other.last)


class _Merger:
    """Merges neighbours of one label, and what is too short into its neighbour."""

    def __init__(self, shortest: int) -> None:
        self.shortest = shortest
        self.run: _Run | None = None
        self.before: _Run | None = None
        """Of the same stretch of speech, while the present one may still be too short."""

    def add(self, run: _Run) -> list[_Run]:
        """What is over, now that this follows."""
        if self.run is not None and self.run.label == run.label:
            self.run.join(run)
            return self._settled()
        goes_on = self.run is not None and not {self.run.label, run.label} & {SILENCE, NOT_RATED}
        done = [] if goes_on else self.close()
        if self.run is not None and self.before is not None:
            self.before.join(self.run)  # which is too short, or the one before were settled
        elif goes_on:
            self.before = self.run
        self.run = run
        if self.before is not None and self.before.label == run.label:
            self.before.join(run)
            self.run, self.before = self.before, None
        return done + self._settled()

    def close(self) -> list[_Run]:
        """What is over, now that a stretch of speech or of silence is."""
        if self.run is not None and self.before is not None:
            self.before.join(self.run)
            self.run = None
        done = [run for run in (self.before, self.run) if run is not None]
        self.before = self.run = None
        return done

    def _settled(self) -> list[_Run]:
        """The one before, once the present one is long enough to stand beside it."""
        if self.before is None or self.run is None or not self._is_long(self.run):
            return []
        before, self.before = self.before, None
        if self._is_long(before):
            return [before]
        self.run.join(before)
        return []

    def _is_long(self, run: _Run) -> bool:
        return run.last - run.first >= self.shortest


class _Tape:
    """A growing row of values of which only the latest are kept; places count from the first."""

    def __init__(self, empty: np.ndarray) -> None:
        self.kept = empty
        self.begin = 0

    @property
    def end(self) -> int:
        return self.begin + len(self.kept)

    def add(self, values: np.ndarray) -> None:
        self.kept = np.concatenate([self.kept, values])

    def cut(self, first: int, last: int) -> Any:
        return self.kept[first - self.begin : last - self.begin]

    def forget(self, first: int) -> None:
        """All before ``first``."""
        if first > self.begin:
            self.kept = self.kept[first - self.begin :]
            self.begin = first


def share_said(label: str, rating: Rating) -> float:
    """Probability of a label; of ``"not sure"`` that of the most probable emotion.

    Example:
        >>> rating = Rating(rater="crnn", emotion={"anger": 0.4, "joy": 0.6})
        >>> share_said("anger", rating), share_said(NOT_SURE, rating)
        (0.4, 0.6)
    """
    return max(rating.emotion.values()) if label == NOT_SURE else rating.emotion[label]


def mean_rating(weighted: Iterable[tuple[Rating | None, float | int]]) -> Rating | None:
    """The mean of ratings by one rater, each counted by its weight; None where there are none.

    Example:
        >>> first = Rating(rater="crnn", emotion={"anger": 1.0, "joy": 0.0})
        >>> second = Rating(rater="crnn", emotion={"anger": 0.0, "joy": 1.0})
        >>> mean_rating([(first, 1.0), (None, 5.0), (second, 3.0)]).emotion
        {'anger': 0.25, 'joy': 0.75}
    """
    found = [(rating, weight) for rating, weight in weighted if rating is not None and weight > 0]
    if not found:
        return None
    total = sum(weight for _, weight in found)

    def mean(kind: str) -> dict[str, float]:
        values: Mapping[str, float] = getattr(found[0][0], kind)
        return {
            name: sum(getattr(rating, kind)[name] * weight for rating, weight in found) / total
            for name in values
        }

    return Rating(rater=found[0][0].rater, emotion=mean("emotion"), affect=mean("affect"))


def _check_times(window: Seconds, hop: Seconds, smooth: Seconds) -> None:
    if not (math.isfinite(window) and window >= SHORTEST_HEARD):
        raise TimelineError(f"window={window:g} s must be at least {SHORTEST_HEARD:g} s")
    if not 0.01 <= hop <= window:
        raise TimelineError(
            f"hop={hop:g} s must lie between 0.01 s and the window, {window:g} s, or sound would "
            "be left out"
        )
    if not (math.isfinite(smooth) and smooth >= 0):
        raise TimelineError(f"smooth={smooth:g} s must be 0 or more")
