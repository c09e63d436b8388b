"""Where a recording has speech, and the windows that a long one is cut into; both as sound arrives.

Nothing here looks at a whole recording: a detector decides on frames of 32 ms, in order, from what
it has heard and at most half a second more. So the answer is the same however the sound is cut, and
memory does not grow with its length.
"""

# Shapes: N samples, T frames of 32 ms, S samples of one frame.

import math
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np
from jaxtyping import Bool, Float, Float32
from numpy.lib.stride_tricks import sliding_window_view

Samples = Float32[np.ndarray, " N"]
"""Mono, float32 in [-1, 1]."""
DETECTORS = ("energy", "silero", "none")
"""Names of speech detectors; ``"none"`` takes everything for speech."""

FRAME = 0.032  # s; 512 samples at 16 kHz, which is what silero-vad was trained on
LONGEST_GAP = 0.3  # s; shorter pauses lie within a phrase and are filled
SHORTEST_SPEECH = 0.1  # s; shorter sounds are clicks, and are dropped
PADDING = 0.1  # s kept on either side, for the soft beginnings and ends of words

FLOOR_MEMORY = 10.0  # s in which the quietest frame is taken for the noise; nobody speaks longer
FLOOR_BEFORE = -60.0  # dBFS; noise of a quiet room, believed until the first sounds are known
FLOOR_PATIENCE = 3.0  # s for which that is believed
ABOVE_FLOOR = 9.0  # dB by which speech is louder than the noise
LOWEST_THRESHOLD = -60.0  # dBFS; nothing below is speech, however quiet the rest
HIGHEST_THRESHOLD = -36.0  # dBFS; everything above is taken for speech, however loud the noise


class SegmentationError(ValueError):
    """Speech cannot be looked for as asked; says what to do."""

    is_usage = True


class _Scorer(Protocol):
    """Says how much each frame sounds like speech, in order."""

    onset: ClassVar[float]
    """Speech begins at this score."""
    offset: ClassVar[float]
    """Speech goes on as long as the score is not below this."""

    def score(self, frames: Float32[np.ndarray, "T S"]) -> Float[np.ndarray, " T"]: ...


class _Energy:
    """dB over a threshold that follows the noise: the quietest frame of the last 10 s, plus 9 dB.

    Speech has stops and breaths, so its quietest frame within some seconds is the noise around it
    (minimum statistics, R. Martin, IEEE Trans. Speech and Audio Processing 9(5), 2001, without its
    smoothing). A frame's level is the deviation of its samples, so that an offset is not heard.
    """

    onset: ClassVar[float] = 0.0
    offset: ClassVar[float] = -3.0

    def __init__(self) -> None:
        self.memory = round(FLOOR_MEMORY / FRAME)
        self.before = np.full(self.memory, np.inf)
        self.before[: round(FLOOR_PATIENCE / FRAME)] = FLOOR_BEFORE  # the first to be forgotten

    def score(self, frames: Float32[np.ndarray, "T S"]) -> Float[np.ndarray, " T"]:
        deviation = frames.std(axis=1, dtype=np.float64)
        levels = 20 * np.log10(np.maximum(deviation, 1e-10))
        known = np.concatenate([self.before, levels])
        self.before = known[-self.memory :]
        floor = sliding_window_view(known, self.memory + 1).min(axis=1)
        return levels - np.clip(floor + ABOVE_FLOOR, LOWEST_THRESHOLD, HIGHEST_THRESHOLD)


class _Silero:
    """Probability of speech by silero-vad's network, through onnxruntime alone."""

    onset: ClassVar[float] = 0.5
    offset: ClassVar[float] = 0.35  # as silero-vad itself: 0.15 below

    def __init__(self, sample_rate: int) -> None:
        if sample_rate != 16000:
            raise SegmentationError(
                f"silero-vad hears 16000 Hz, not {sample_rate}; use the detector 'energy'"
            )
        try:
            import onnxruntime
        except ImportError as error:
            raise _missing() from error
        package = find_spec("silero_vad")  # found, not imported: its code would be of no use here
        if package is None or package.origin is None:
            raise _missing()
        options = onnxruntime.SessionOptions()
        options.inter_op_num_threads = options.intra_op_num_threads = 1  # frames are too short
        options.log_severity_level = 3  # errors
        self.session: Any = onnxruntime.InferenceSession(
            Path(package.origin).parent / "data" / "silero_vad_16k_sequence.onnx",
            sess_options=options,
            providers=["CPUExecutionProvider"],
        )
        self.hidden = self.cell = np.zeros((1, 1, 128), dtype=np.float32)
        self.context = np.zeros((1, 64), dtype=np.float32)  # what is heard of the frame before

    def score(self, frames: Float32[np.ndarray, "T S"]) -> Float[np.ndarray, " T"]:
        before = np.concatenate([self.context, frames[:, -64:]])
        self.context = before[-1:]
        given = {
            "input": np.concatenate([before[:-1], frames], axis=1),
            "h": self.hidden,
            "c": self.cell,
        }
        scores, self.hidden, self.cell = self.session.run(None, given)
        return scores


def _missing() -> SegmentationError:
    return SegmentationError(
        "the detector 'silero' needs silero-vad and onnxruntime: pip install 'serkit[vad]'; "
        "'energy' needs nothing more"
    )


class SpeechDetector:
    """Which frames are speech, as sound arrives; a decision is final once it is given.

    Speech begins where the score reaches the detector's onset and ends where it falls below its
    offset. Then pauses shorter than 0.3 s are filled, sounds shorter than 0.1 s dropped (unless
    the recording begins or ends with them), and 0.1 s kept on either side.

    Args:
        name: ``"energy"``: what is 9 dB louder than the noise, for recordings without other sounds;
            ``"silero"``: silero-vad, which knows speech from music and noise (extra ``vad``);
            ``"none"``: everything is speech.
        sample_rate: Hz.

    Raises:
        SegmentationError: No such detector, or it cannot work here.

    Example:
        >>> detector = SpeechDetector("energy")
        >>> sound = np.sin(np.arange(16000, dtype=np.float32)) / 2
        >>> frames = [*detector.feed(sound), *detector.feed(0 * sound), *detector.finish()]
        >>> len(frames), int(sum(frames))
        (63, 36)
    """

    def __init__(self, name: str = "energy", sample_rate: int = 16000) -> None:
        if name not in DETECTORS:
            raise SegmentationError(
                f"there is no speech detector {name!r}; there are: {', '.join(DETECTORS)}"
            )
        self.frame_length = round(FRAME * sample_rate)
        """Samples of a frame."""
        self._scorer: _Scorer | None = None
        self._stages: tuple[_Runs | _Padding, ...] = ()
        if name != "none":
            self._scorer = _Energy() if name == "energy" else _Silero(sample_rate)
            gap, burst, padding = (
                math.ceil(seconds / FRAME) for seconds in (LONGEST_GAP, SHORTEST_SPEECH, PADDING)
            )
            self._stages = (_Runs(value=False, shortest=gap), _Runs(value=True, shortest=burst),
                            _Padding(padding))  # fmt: skip
        self._is_speech = False
        self._waiting = np.zeros(0, dtype=np.float32)

    @property
    def look_ahead(self) -> float:
        """Seconds of sound after a frame's end, within which it is decided."""
        return FRAME * sum(stage.look_ahead for stage in self._stages)

    def feed(self, samples: Samples) -> Bool[np.ndarray, " _"]:
        """Decisions that can be given by now, for the frames that follow those given before."""
        known = np.concatenate([self._waiting, samples])
        num_frames = len(known) // self.frame_length
        self._waiting = known[num_frames * self.frame_length :]
        return self._decide(
            known[: num_frames * self.frame_length].reshape(num_frames, self.frame_length)
        )

    def finish(self) -> Bool[np.ndarray, " _"]:
        """The rest; a last frame that is not full is filled with its last sample."""
        missing = -self._waiting.size % self.frame_length
        last = np.pad(self._waiting, (0, missing), "edge") if missing else self._waiting
        last = last.reshape(-1, self.frame_length)
        frames = self._decide(last).tolist()
        for place, stage in enumerate(self._stages):
            rest = stage.finish()
            for later in self._stages[place + 1 :]:
                rest = later.feed(rest)
            frames += rest
        return np.array(frames, dtype=bool)

    def _decide(self, frames: Float32[np.ndarray, "T S"]) -> Bool[np.ndarray, " _"]:
        if self._scorer is None or not len(frames):
            return np.ones(len(frames), dtype=bool)
        decided: list[bool] = []
        for score in self._scorer.score(frames).tolist():
            limit = self._scorer.offset if self._is_speech else self._scorer.onset
            self._is_speech = score >= limit
            decided.append(self._is_speech)
        for stage in self._stages:
            decided = stage.feed(decided)
        return np.array(decided, dtype=bool)


class _Runs:
    """Turns runs of ``value`` shorter than so many frames over, except at either end."""

    def __init__(self, *, value: bool, shortest: int) -> None:
        self.value = value
        self.shortest = shortest
        self.look_ahead = shortest - 1
        self.held = 0
        self.is_long = True  # what begins the recording stays as it is

    def feed(self, frames: Iterable[bool]) -> list[bool]:
        given: list[bool] = []
        for frame in frames:
            if frame != self.value:
                given += [not self.value] * (self.held + 1)
                self.held, self.is_long = 0, False
            elif self.is_long:
                given.append(frame)
            else:
                self.held += 1
                if self.held == self.shortest:
                    given += [self.value] * self.held
                    self.held, self.is_long = 0, True
        return given

    def finish(self) -> list[bool]:
        return [self.value] * self.held


class _Padding:
    """True where one of so many frames before or after is."""

    def __init__(self, frames: int) -> None:
        self.look_ahead = frames
        self.known = [False] * frames

    def feed(self, frames: Iterable[bool]) -> list[bool]:
        self.known += frames
        width = 2 * self.look_ahead + 1
        given = [any(self.known[t : t + width]) for t in range(len(self.known) - width + 1)]
        self.known = self.known[len(given) :]
        return given

    def finish(self) -> list[bool]:
        return self.feed([False] * self.look_ahead)


def speech(
    waveform: Samples, sample_rate: int = 16000, *, detector: str = "energy"
) -> list[tuple[float, float]]:
    """Where a recording has speech: start and end of each stretch in seconds, in order.

    Args:
        waveform: Samples in [-1, 1].
        sample_rate: Hz.
        detector: As for ``SpeechDetector``.

    Raises:
        SegmentationError: As for ``SpeechDetector``.

    Example:
        >>> sound = np.sin(np.arange(16000, dtype=np.float32)) / 2
        >>> speech(np.concatenate([0 * sound, sound, 0 * sound]))
        [(0.864, 2.144)]
    """
    decides = SpeechDetector(detector, sample_rate)
    frames = np.concatenate([decides.feed(waveform), decides.finish()])
    edges = np.flatnonzero(np.diff(np.concatenate([[False], frames, [False]]).astype(np.int8)))
    samples = np.minimum(edges * decides.frame_length, len(waveform))
    seconds = (samples / sample_rate).tolist()
    return list(zip(seconds[::2], seconds[1::2], strict=True))


class Windows:
    """The windows of a stretch, as its samples arrive.

    The first begins with the stretch, and each ``hop`` samples later another one. What is left
    behind the last of these is heard in one more, which ends with the stretch and so overlaps its
    neighbour further: no sample is left out, and no window is shorter than the others, unless
    the stretch is, which then is one window.

    Args:
        length: Samples of a window.
        hop: Samples from the beginning of one to that of the next.
        start: Where the stretch begins.
        end: Where it ends, if that is known.

    Example:
        >>> heard = Windows(3, 1)
        >>> heard.due(4), heard.close(4)
        ([(0, 3), (1, 4)], [])
        >>> heard = Windows(3, 2, start=10)
        >>> heard.due(15), heard.close(16)
        ([(10, 13), (12, 15)], [(13, 16)])
        >>> Windows(3, 2, end=2).due(5)
        [(0, 2)]
    """

    def __init__(self, length: int, hop: int, *, start: int = 0, end: int | None = None) -> None:
        if not 1 <= hop <= length:
            raise ValueError(f"hop={hop} must lie between 1 and the length of a window, {length}")
        self.length, self.hop, self.start, self.end = length, hop, start, end
        self.next = start
        self.closed = False

    @property
    def needed(self) -> int:
        """The first sample that a window to come may begin with."""
        return max(self.start, self.next - self.hop)

    def due(self, available: int) -> list[tuple[int, int]]:
        """First and last (not included) sample of each window complete by now and not given yet."""
        stop = available if self.end is None else min(available, self.end)
        found: list[tuple[int, int]] = []
        while not self.closed and self.next + self.length <= stop:
            found.append((self.next, self.next + self.length))
            self.next += self.hop
        if self.end is not None and available >= self.end:
            found += self.close(self.end)
        return found

    def close(self, end: int) -> list[tuple[int, int]]:
        """The last window, if there is one more, of a stretch that ends here."""
        covered = self.start if self.next == self.start else self.next - self.hop + self.length
        if self.closed or covered >= end:
            self.closed = True
            return []
        self.closed = True
        return [(max(self.start, end - self.length), end)]
