"""One door for every file: path, start, end → mono samples at the rate asked for.

WAV, FLAC, OGG, MP3 and AIFF are read by libsndfile; everything else (m4a, webm, the sound of a
video) by FFmpeg through PyAV. Samples are decoded at the native rate, mixed to one channel and
resampled by soxr's HQ windowed sinc. Whatever is wrong with a file has a named error.
"""

# Shapes: N samples at the rate asked for, M frames at the native rate, K channels.

import hashlib
import math
import os
import re
import struct
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import av
import numpy as np
import soundfile
import soxr
from av.error import FFmpegError
from jaxtyping import Float32

Samples = Float32[np.ndarray, " N"]
"""Mono, float32 in [-1, 1]."""
Frames = Float32[np.ndarray, "M K"]
"""All channels at the native rate."""

END_TOLERANCE = 0.05  # s; a table's end may be this far behind the recording's end, and is clipped
FILTER_MARGIN = 0.1  # s of the neighbourhood decoded with a segment, so that its edges are heard
CODEC_TOLERANCE = 0.1  # s; lossy codecs miss their promised length by a frame or two
SEEK_MARGIN = 0.5  # s decoded and thrown away after a jump, while a lossy codec warms up
INTEGER_SCALE = 10.0  # peak that no full-scale float recording reaches: samples were not scaled
RATES = (1000, 1_000_000)  # Hz; no recording of speech lies outside, but damaged headers do
UNKNOWN_SIZE = 0x7FFF_0000  # bytes; streamed WAV files say "at least this" and mean "until the end"
UNKNOWN_FRAMES = 1 << 62  # a streamed FLAC file does not say how long it is

SILENT_LEVEL = -80.0  # dBFS RMS, under the noise floor of 14 bits
CLIPPED_PEAK = 0.999  # of full scale
CLIPPED_SHARE = 0.001  # of all samples
VERY_SHORT = 0.25  # s, about one syllable
LONG = 60.0  # s; the longest utterance of IEMOCAP has 34
DC_OFFSET = 0.01  # of full scale; no microphone gives a constant, but some sound cards add one
PIECE = 1 << 16  # frames decoded at once where a recording is read piece by piece


class AudioError(ValueError):
    """A recording that cannot be used, and why; ``status`` is the reason in a word or two."""

    status: ClassVar[str] = "bad audio"

    def __init__(self, path: Path, message: str) -> None:
        super().__init__(f"{path}: {message}")
        self.path = path
        self.message = message

    def __reduce__(self) -> tuple[type["AudioError"], tuple[Path, str]]:
        return type(self), (self.path, self.message)


class MissingAudioError(AudioError, FileNotFoundError):
    """There is no such file."""

    status = "missing"


class DirectoryAudioError(AudioError, IsADirectoryError):
    """A folder where a file is needed."""

    status = "directory"


class EmptyAudioError(AudioError):
    """A file of no bytes, or of a header and no samples."""

    status = "empty"


class UnreadableAudioError(AudioError):
    """Not audio, or a kind that no decoder here knows."""

    status = "unreadable"


class NoAudioTrackError(AudioError):
    """A video (or picture) without sound."""

    status = "no audio track"


class TruncatedAudioError(AudioError):
    """Cut short or damaged: less can be decoded than the file promises."""

    status = "truncated"


class NonFiniteAudioError(AudioError):
    """Samples that are not numbers (NaN) or infinite."""

    status = "not finite"


class ScaleError(AudioError):
    """Floating-point samples far outside [-1, 1]."""

    status = "bad scale"


class SegmentError(AudioError):
    """A start and end that cut nothing out of this recording."""

    status = "bad segment"


class ChannelError(AudioError):
    """A channel that the recording does not have."""

    status = "no such channel"


@dataclass(frozen=True, kw_only=True, slots=True)
class AudioInfo:
    """What the header of a recording says."""

    duration: float
    """Seconds."""
    sample_rate: int
    """Hz, as recorded."""
    channels: int
    """1 is mono, 2 stereo."""


def read(
    path: str | Path,
    *,
    start: float = 0.0,
    end: float | None = None,
    sample_rate: int = 16000,
    channel: int | None = None,
) -> Samples:
    """Samples of a recording, mono, at the rate asked for, in [-1, 1].

    Only the stretch from ``start`` to ``end`` is decoded where the format can jump (WAV, FLAC,
    OGG, MP3, AIFF, MP4), with a little around it for the resampling filter: a segment equals the
    same stretch of the whole (after a jump in MP4, up to the noise its codec makes up itself).
    Samples beyond full scale are clipped.

    Args:
        path: The recording; a video is read for its first audio track.
        start: Where to begin, in seconds.
        end: Where to stop (not included), in seconds; None is the end of the recording.
        sample_rate: Hz of the samples returned.
        channel: Which channel to take, from 0; None is the mean of all.

    Raises:
        AudioError: One of its kinds, naming the file and the remedy.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = Path(folder) / "call.wav"
        ...     soundfile.write(file, np.zeros((44100, 2)), 44100)
        ...     len(read(file)), len(read(file, start=0.25, end=0.5))
        (16000, 4000)
    """
    path = Path(path)
    _check_times(path, start, end, sample_rate)
    with _open(path) as recording:
        _check_header(recording, channel)
        plan = _plan(start, end, recording.sample_rate, sample_rate)
        frames = recording.frames(plan.first, plan.last)
    mono = _mono(path, frames, channel)
    segment = resample(mono, recording.sample_rate, sample_rate)[plan.skip :]
    _check_cut(path, start, end, plan, segment.size, sample_rate)
    return np.clip(segment[: plan.length], -1.0, 1.0)


def blocks(
    path: str | Path,
    *,
    start: float = 0.0,
    end: float | None = None,
    sample_rate: int = 16000,
    channel: int | None = None,
    seconds: float = 30.0,
) -> Iterator[Samples]:
    """The samples of ``read``, in order and block by block: memory does not grow with the length.

    A recording that is damaged further on raises its error where the damage is met.

    Args:
        path: As for ``read``, like ``start``, ``end``, ``sample_rate`` and ``channel``.
        start: Where to begin, in seconds.
        end: Where to stop, in seconds.
        sample_rate: Hz of the samples returned.
        channel: Which channel to take.
        seconds: Length of a block; the last is shorter.

    Raises:
        AudioError: As ``read``.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = Path(folder) / "meeting.wav"
        ...     soundfile.write(file, np.zeros(44100 * 5), 44100)
        ...     [len(block) for block in blocks(file, seconds=2.0)]
        [32000, 32000, 16000]
    """
    path = Path(path)
    _check_times(path, start, end, sample_rate)
    size = round(seconds * sample_rate)
    if size < 1:
        raise ValueError(f"seconds={seconds:g} must be longer than one sample")
    with _open(path) as recording:
        _check_header(recording, channel)
        plan = _plan(start, end, recording.sample_rate, sample_rate)
        found = -plan.skip  # of the stretch; before it lies what the filter needs
        kept: list[Samples] = []
        waiting = 0
        for samples in _resampled(recording, plan, sample_rate, channel):
            stop = samples.size if plan.length is None else max(0, plan.length - found)
            kept.append(np.clip(samples[max(0, -found) : stop], -1.0, 1.0))
            found += samples.size
            waiting += kept[-1].size
            if waiting > size:
                whole = np.concatenate(kept)
                while whole.size > size:
                    yield whole[:size]
                    whole = whole[size:]
                kept, waiting = [whole], whole.size
    _check_cut(path, start, end, plan, max(0, found), sample_rate)
    yield np.concatenate(kept)


def _resampled(
    recording: "_SoundFile | _Media", plan: "_Plan", sample_rate: int, channel: int | None
) -> Iterator[Samples]:
    """Mono samples at the rate asked for, piece by piece."""
    resampler = Resampler(recording.sample_rate, sample_rate)
    for frames in recording.pieces(plan.first, plan.last):
        yield resampler.feed(_mono(recording.path, frames, channel))
    yield resampler.finish()


def _check_header(recording: "_SoundFile | _Media", channel: int | None) -> None:
    if channel is not None and not 0 <= channel < recording.channels:
        there = ", ".join(str(number) for number in range(recording.channels))
        raise ChannelError(recording.path, f"has no channel {channel}; its channels are {there}")
    if not RATES[0] <= recording.sample_rate <= RATES[1]:
        raise UnreadableAudioError(
            recording.path,
            f"its header says {recording.sample_rate} Hz, so it is damaged; copy it again from "
            "its source",
        )


def _mono(path: Path, frames: Frames, channel: int | None) -> Samples:
    if channel is not None:
        frames = frames[:, channel : channel + 1]
    check(path, frames.reshape(-1))
    return frames.mean(axis=1)


def _check_cut(
    path: Path, start: float, end: float | None, plan: "_Plan", size: int, sample_rate: int
) -> None:
    """Refuse a stretch of which ``size`` samples were there, if that is too little."""
    if size == 0 and start == 0:
        raise EmptyAudioError(path, "holds no samples; record or export it again")
    if size == 0 or (plan.length is not None and plan.length - size > END_TOLERANCE * sample_rate):
        duration = (plan.first_output + size) / sample_rate
        known = f"{duration:.2f} s" if size else f"{info(path).duration:.2f} s"
        raise SegmentError(
            path,
            f"cannot cut {_times(start, end)}: the recording ends at {known}; "
            "check the start and end columns and that they are in seconds",
        )


def info(path: str | Path) -> AudioInfo:
    """What the header says, without decoding.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = Path(folder) / "call.wav"
        ...     soundfile.write(file, np.zeros((4000, 2)), 8000)
        ...     info(file)
        AudioInfo(duration=0.5, sample_rate=8000, channels=2)
    """
    with _open(Path(path)) as recording:
        return AudioInfo(
            duration=recording.duration,
            sample_rate=recording.sample_rate,
            channels=recording.channels,
        )


def native_rate(path: str | Path) -> int:
    """Hz at which a recording was stored; opened for it, not decoded.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = Path(folder) / "call.wav"
        ...     soundfile.write(file, np.zeros(4000), 8000)
        ...     native_rate(file)
        8000
    """
    with _open(Path(path)) as recording:
        return recording.sample_rate


def decoded_hash(path: str | Path) -> str:
    """SHA-256 of the decoded 16-bit samples of channel 0 at the native rate.

    Two files of one hash hold the same sound, whatever their names, tags or lossless format.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     wav, flac = Path(folder) / "a.wav", Path(folder) / "b.flac"
        ...     for file in (wav, flac):
        ...         soundfile.write(file, np.arange(-400, 400, dtype=np.int16), 8000)
        ...     decoded_hash(wav) == decoded_hash(flac)
        True
    """
    path = Path(path)
    with _open(path) as recording:
        mono = recording.frames(0, None)[:, 0]
    check(path, mono)
    integers = np.clip(np.round(mono * 32768.0), -32768, 32767).astype("<i2")
    return hashlib.sha256(integers.tobytes()).hexdigest()


def inspect(waveform: Samples, sample_rate: int = 16000) -> tuple[str, ...]:
    """What a listener should know before trusting a rating of this waveform.

    - ``"silent"``: the RMS level, without a constant offset, is below -80 dBFS;
    - ``"clipped"``: more than one sample in a thousand lies within 0.1 % of full scale;
    - ``"very short"``: less than 0.25 s;
    - ``"long"``: more than a minute, and so hardly one utterance;
    - ``"dc offset"``: the mean is more than 1 % of full scale away from zero.

    Example:
        >>> inspect(np.zeros(16000, dtype=np.float32))
        ('silent',)
        >>> inspect(np.full(1000, 0.1, dtype=np.float32))
        ('silent', 'very short', 'dc offset')
    """
    level = float(np.std(waveform, dtype=np.float64)) if waveform.size else 0.0
    offset = float(np.mean(waveform, dtype=np.float64)) if waveform.size else 0.0
    clipped = float(np.mean(np.abs(waveform) >= CLIPPED_PEAK)) if waveform.size else 0.0
    claims = {
        "silent": level < 10 ** (SILENT_LEVEL / 20),
        "clipped": clipped > CLIPPED_SHARE,
        "very short": waveform.size < VERY_SHORT * sample_rate,
        "long": waveform.size > LONG * sample_rate,
        "dc offset": abs(offset) > DC_OFFSET,
    }
    return tuple(note for note, holds in claims.items() if holds)


def check(path: Path, mono: Samples) -> None:
    """Refuse samples that no listener can use; ``path`` is what the error names.

    Raises:
        NonFiniteAudioError: A sample is NaN or infinite.
        ScaleError: The peak is beyond 10 times full scale.

    Example:
        >>> check(Path("call.wav"), np.full(2, 0.5, dtype=np.float32))
        >>> try:
        ...     check(Path("call.wav"), np.array([0.5, np.nan], dtype=np.float32))
        ... except AudioError as error:
        ...     print(error.status)
        not finite
    """
    if not np.isfinite(mono).all():
        bad = int(np.count_nonzero(~np.isfinite(mono)))
        raise NonFiniteAudioError(
            path, f"{bad} of {mono.size} samples are NaN or infinite; export it again as 16-bit WAV"
        )
    peak = float(np.abs(mono).max(initial=0.0))
    if peak > INTEGER_SCALE:
        raise ScaleError(
            path,
            f"its samples reach {peak:g} where 1 is full scale; they look like unscaled integers: "
            "divide them by 32768 (16 bit) and write it again",
        )


def resample(
    mono: Float32[np.ndarray, " M"], rate: int, sample_rate: int
) -> Float32[np.ndarray, " N"]:
    """The same sound at another rate, by soxr's HQ windowed sinc (band limited).

    Example:
        >>> len(resample(np.zeros(44100, dtype=np.float32), 44100, 16000))
        16000
    """
    if rate == sample_rate or not mono.size:
        return mono
    return np.asarray(soxr.resample(mono, rate, sample_rate, "HQ"), dtype=np.float32)


class Resampler:
    """``resample`` for sound that comes in pieces: the same samples, however it is cut.

    Args:
        rate: Hz of what comes in.
        sample_rate: Hz of what goes out.

    Example:
        >>> resampler = Resampler(44100, 16000)
        >>> piece = np.zeros(22050, dtype=np.float32)
        >>> sum(len(out) for out in (resampler.feed(piece), resampler.feed(piece),
        ...                          resampler.finish()))
        16000
    """

    def __init__(self, rate: int, sample_rate: int) -> None:
        self._stream = (
            None
            if rate == sample_rate
            else soxr.ResampleStream(rate, sample_rate, 1, dtype="float32", quality="HQ")
        )

    def feed(self, mono: Float32[np.ndarray, " M"]) -> Float32[np.ndarray, " N"]:
        """What can be said by now; a few milliseconds wait for what comes next."""
        if self._stream is None or not mono.size:
            return mono
        return np.asarray(self._stream.resample_chunk(mono), dtype=np.float32)

    def finish(self) -> Float32[np.ndarray, " N"]:
        """The rest, once nothing more comes."""
        nothing = np.zeros(0, dtype=np.float32)
        if self._stream is None:
            return nothing
        return np.asarray(self._stream.resample_chunk(nothing, last=True), dtype=np.float32)


def as_waveform(samples: object) -> Samples:
    """Samples from memory as float32 in [-1, 1]: integers are divided by their full scale.

    Raises:
        ValueError: No array, not mono [N], or neither floats nor signed integers.
        NonFiniteAudioError, ScaleError: As for ``check``.

    Example:
        >>> as_waveform(np.array([0, -16384], dtype=np.int16)).tolist()
        [0.0, -0.5]
    """
    if not isinstance(samples, np.ndarray):
        raise ValueError(
            f"a waveform must be a numpy array, not {type(samples).__name__}; of bytes, "
            "np.frombuffer(data, dtype=np.int16) makes one"
        )
    if samples.ndim != 1:
        raise ValueError(
            f"a waveform must be mono samples [N], not of shape {samples.shape}; "
            "average its channels first"
        )
    if not (np.issubdtype(samples.dtype, np.floating) or samples.dtype.kind == "i"):
        raise ValueError(
            f"a waveform must be of floats in [-1, 1] or of signed integers, not {samples.dtype}"
        )
    if np.issubdtype(samples.dtype, np.integer):
        samples = samples / -float(np.iinfo(samples.dtype).min or -1)
    mono = np.asarray(samples, dtype=np.float32)
    check(Path("waveform"), mono)
    return mono


class _Plan(NamedTuple):
    """Which native frames to decode, and which of the resampled samples to keep."""

    first: int
    last: int | None
    skip: int
    length: int | None
    first_output: int


def _plan(start: float, end: float | None, rate: int, sample_rate: int) -> _Plan:
    """Begin on a frame that falls on a whole output sample, so that both grids stay aligned."""
    first_output = round(start * sample_rate)
    length = None if end is None else round(end * sample_rate) - first_output
    margin = 0.0 if rate == sample_rate else FILTER_MARGIN
    divisor = math.gcd(rate, sample_rate)
    block = sample_rate // divisor
    first_block = max(0, math.floor(first_output - margin * sample_rate) // block)
    last = None
    if length is not None:
        last = math.ceil(((first_output + length) / sample_rate + margin) * rate)
    return _Plan(
        first=first_block * (rate // divisor),
        last=last,
        skip=first_output - first_block * block,
        length=length,
        first_output=first_output,
    )


def _times(start: float, end: float | None) -> str:
    return f"{start:g} s to {'the end' if end is None else f'{end:g} s'}"


def _check_times(path: Path, start: float, end: float | None, sample_rate: int) -> None:
    if not (math.isfinite(start) and start >= 0 and (end is None or math.isfinite(end))):
        raise SegmentError(
            path,
            f"cannot cut {_times(start, end)}: times are seconds from the beginning, 0 or more",
        )
    if end is not None and end <= start:
        raise SegmentError(
            path, f"cannot cut {_times(start, end)}: the end must come after the start"
        )
    if end is not None and round(end * sample_rate) == round(start * sample_rate):
        raise SegmentError(
            path,
            f"cannot cut {_times(start, end)}: that is shorter than one sample at {sample_rate} Hz",
        )


@contextmanager
def _open(path: Path) -> Generator["_SoundFile | _Media", None, None]:
    """The decoder for this file: libsndfile if it knows the format, else FFmpeg."""
    _check_file(path)
    with ExitStack() as stack:
        try:
            # bytes, because soundfile cannot encode the names of old archives that are no text
            name: Any = path if os.name == "nt" else os.fsencode(path)
            file = stack.enter_context(_Forward(name))
        except (soundfile.LibsndfileError, TypeError):  # TypeError: headerless .raw
            file = None
        if file is not None and file.frames < UNKNOWN_FRAMES:
            yield _SoundFile(path, file)
        else:
            yield stack.enter_context(_open_media(path))


def _check_file(path: Path) -> None:
    try:
        is_there = path.exists()
    except OSError as error:  # its folder may not be searched, or the name is too long
        raise UnreadableAudioError(
            path, f"cannot be reached ({error.strerror}); change the permissions of its folders"
        ) from error
    if not is_there and path.is_symlink():
        raise MissingAudioError(path, "is a link to a file that is not there; link it anew")
    if not is_there:
        near = sorted(other.name for other in path.parent.glob(f"{_escape(path.stem)}.*"))[:3]
        hint = f"; did you mean {' or '.join(near)}?" if near else "; check the path"
        raise MissingAudioError(path, f"there is no such file{hint}")
    if not os.access(path, os.R_OK | (os.X_OK if path.is_dir() else 0)):
        raise UnreadableAudioError(path, "may not be read; change its permissions")
    if path.is_dir():
        raise DirectoryAudioError(
            path, "is a folder, and one recording is needed; name the files in it"
        )
    if not path.is_file():
        raise UnreadableAudioError(
            path, "is a pipe or a device, which can be read but once; save the sound to a file"
        )
    if path.stat().st_size == 0:
        raise EmptyAudioError(path, "is empty (0 bytes); copy or record it again")
    promised = _promised_bytes(path)
    if promised > path.stat().st_size:
        raise TruncatedAudioError(
            path,
            f"its header promises {promised} bytes and it has {path.stat().st_size}; "
            "copy it again from its source",
        )


def _escape(stem: str) -> str:
    return re.sub(r"([*?[])", r"[\1]", stem)


def _promised_bytes(path: Path) -> int:
    """How long the container says the file is, up to the end of its samples; 0 when it does not.

    libsndfile shortens a WAV, AIFF or Opus file to what is there and says nothing.
    """
    with path.open("rb") as file:
        head = file.read(12)
        if head[:4] in (b"RIFF", b"FORM"):
            wanted, order = (b"data", "<I") if head[:4] == b"RIFF" else (b"SSND", ">I")
            while len(chunk := file.read(8)) == 8:
                (size,) = struct.unpack(order, chunk[4:])
                if chunk[:4] == wanted:
                    return file.tell() + size if size < UNKNOWN_SIZE else 0
                _ = file.seek(size + size % 2, os.SEEK_CUR)
        elif head[:4] == b"OggS":
            _ = file.seek(max(0, path.stat().st_size - 70_000))  # a page has at most 65,307 bytes
            offset, tail = file.tell(), file.read()
            page = tail.rfind(b"OggS")
            if page >= 0 and len(tail) >= page + 27:
                num_segments = tail[page + 26]
                sizes = tail[page + 27 : page + 27 + num_segments]
                return offset + page + 27 + num_segments + sum(sizes)
    return 0


def _cut_short(path: Path, promised: float, decoded: float) -> TruncatedAudioError:
    return TruncatedAudioError(
        path,
        f"promises {promised:.2f} s and only {decoded:.2f} s could be decoded: it is cut short "
        "or damaged; copy it again from its source",
    )


class _Forward(soundfile.SoundFile):
    """Without the jump that soundfile adds to every read: after one, MP3 begins with noise."""

    def seekable(self) -> bool:
        return False


class _SoundFile:
    """A recording that libsndfile reads."""

    def __init__(self, path: Path, file: soundfile.SoundFile) -> None:
        self.path = path
        self.file = file
        self.sample_rate: int = file.samplerate
        self.channels: int = file.channels
        self.duration: float = file.frames / file.samplerate

    def frames(self, first: int, last: int | None) -> Frames:
        """Native frames from ``first`` up to ``last``, or to the end."""
        whole = [*self.pieces(first, last, size=self.file.frames)]
        return whole[0] if whole else np.zeros((0, self.channels), dtype=np.float32)

    def pieces(self, first: int, last: int | None, *, size: int = PIECE) -> Iterator[Frames]:
        """The same, ``size`` frames at a time."""
        promised = self.file.frames
        stop = promised if last is None else min(last, promised)
        position, ended = first, first >= stop
        while not ended:
            wanted = min(size, stop - position)
            try:
                if position == first:
                    self._jump(first)
                frames = self.file.read(wanted, dtype="float32", always_2d=True)
            except (soundfile.LibsndfileError, MemoryError) as error:
                raise TruncatedAudioError(
                    self.path,
                    f"promises {self.duration:.2f} s but cannot be decoded: it is cut short or "
                    "damaged; copy it again from its source",
                ) from error
            yield frames
            position += len(frames)
            ended = position == stop or len(frames) < wanted
        tolerance = CODEC_TOLERANCE * self.sample_rate if self.file.format in ("MP3", "OGG") else 0
        if stop - position > tolerance:
            raise _cut_short(self.path, self.duration, position / self.sample_rate)

    def _jump(self, first: int) -> None:
        """To a frame; MP3 leans on frames before it, and is decoded from some way back."""
        margin = round(SEEK_MARGIN * self.sample_rate) if self.file.format == "MP3" else 0
        begin = max(0, first - margin)
        _ = self.file.seek(begin)
        if first > begin:
            _ = self.file.read(first - begin, dtype="float32")


@contextmanager
def _open_media(path: Path) -> Generator["_Media", None, None]:
    with path.open("rb") as file:
        head = file.read(8)
    try:
        if head == b"ffconcat":  # a list of other files, which FFmpeg would open
            raise ValueError("a list of files")
        # by protocol: a name such as 12:31.m4a would be taken for one
        container = av.open(f"file:{path}")
    except (FFmpegError, ValueError, OSError) as error:
        if head[4:] == b"ftyp":  # its index, which a recorder writes last, is missing or damaged
            raise TruncatedAudioError(
                path,
                "begins as MP4 or M4A and has no index: its recording or its copy was cut short; "
                "copy it again from its source",
            ) from error
        raise UnreadableAudioError(
            path,
            "is not audio, or of a kind that neither libsndfile nor FFmpeg can read; "
            "convert it to WAV, FLAC or MP3",
        ) from error
    with container:
        if not container.streams.audio:
            kinds = ", ".join(sorted({stream.type for stream in container.streams})) or "nothing"
            raise NoAudioTrackError(
                path, f"has no audio track (it holds {kinds}); choose a file with sound"
            )
        yield _Media(path, container)


class _Media:
    """A recording that FFmpeg reads: its first audio track."""

    def __init__(self, path: Path, container: Any) -> None:
        self.path = path
        self.container = container
        self.stream = container.streams.audio[0]
        context = self.stream.codec_context  # None when the codec is unknown
        self.sample_rate: int = context.sample_rate if context is not None else 0
        self.channels: int = context.channels if context is not None else 0
        if not (self.sample_rate and self.channels):
            raise UnreadableAudioError(
                path,
                "its audio track is of an unknown codec, or damaged; convert it to WAV or FLAC",
            )

    @property
    def promised(self) -> float | None:
        """Seconds of the audio track, where the container says so."""
        if self.stream.duration is not None:
            return float(self.stream.duration * self.stream.time_base)
        written = re.fullmatch(r"(\d+):(\d+):([\d.]+)", self.stream.metadata.get("DURATION", ""))
        if written is not None:
            hours, minutes, seconds = written.groups()
            return 3600.0 * int(hours) + 60.0 * int(minutes) + float(seconds)
        if self.container.duration is not None and len(self.container.streams) == 1:
            return self.container.duration / av.time_base
        return None

    @property
    def duration(self) -> float:
        """Seconds; counted by decoding where the container does not say."""
        promised = self.promised
        if promised is not None:
            return promised
        return sum(len(piece) for piece in self.pieces(0, None)) / self.sample_rate

    def frames(self, first: int, last: int | None) -> Frames:
        """Native frames from ``first`` up to ``last``, or to the end."""
        pieces = [*self.pieces(first, last)]
        if not pieces:
            return np.zeros((0, self.channels), dtype=np.float32)
        return np.ascontiguousarray(np.concatenate(pieces), dtype=np.float32)

    def pieces(self, first: int, last: int | None) -> Iterator[Frames]:
        """The same as the codec gives it, some milliseconds at a time.

        MP4 keeps time in samples, and a late segment is jumped to. Other containers count in
        milliseconds or not at all: there every frame up to ``last`` is decoded and counted.
        """
        position = self._jump(first)
        # interleaved, because PyAV misreads more than eight planes
        resampler = av.AudioResampler(format="flt", layout=self.stream.layout)
        try:
            for frame in self.container.decode(self.stream):
                if position is None:
                    position = self._position(frame)
                for part in resampler.resample(frame):
                    if part.layout.nb_channels != self.channels:
                        raise ValueError("the number of channels changes")
                    piece = part.to_ndarray().reshape(-1, self.channels)
                    begin = max(0, first - position)
                    stop = len(piece) if last is None else min(len(piece), last - position)
                    if begin < stop:
                        yield piece[begin:stop]
                    position += len(piece)
                if last is not None and position >= last:
                    break
        except (FFmpegError, ValueError, IndexError) as error:  # the latter: tracks change
            raise TruncatedAudioError(
                self.path,
                f"could be decoded up to {(position or 0) / self.sample_rate:.2f} s only "
                f"({getattr(error, 'strerror', error)}): it is cut short or damaged; "
                "copy it again from its source",
            ) from error
        if not position:
            raise EmptyAudioError(
                self.path, "its audio track holds no samples; record or export it again"
            )
        decoded = position / self.sample_rate
        promised = self.promised
        if promised is not None and (last is None or decoded * self.sample_rate < last):
            wanted = promised if last is None else min(promised, last / self.sample_rate)
            if wanted - decoded > CODEC_TOLERANCE:
                raise _cut_short(self.path, promised, decoded)

    def _jump(self, first: int) -> int | None:
        """Move near ``first``; the position of the next frame, or None when it must be asked."""
        seconds = first / self.sample_rate - SEEK_MARGIN
        if seconds <= 0 or "mp4" not in self.container.format.name:
            return 0
        begin = self.stream.start_time or 0
        self.container.seek(begin + int(seconds / self.stream.time_base), stream=self.stream)
        return None

    def _position(self, frame: Any) -> int:
        """Which native sample a decoded frame begins with."""
        begin = self.stream.start_time or 0
        return round((frame.pts - begin) * self.stream.time_base * self.sample_rate)
