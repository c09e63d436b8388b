"""High and low quality: noise, rooms, the telephone and codecs, the same at every call.

A condition is a function of an utterance and its id, and of nothing else: the generator is seeded
with the first 8 bytes, big endian, of SHA-256("serkit-env-1:" + condition + ":" + id). So order,
batch, worker and run do not matter, and the clean and the degraded utterance make a pair of equal
length, aligned. Parameters are drawn first, then applied.

Shapes of noise and rooms after S. Singkul and K. Woraratpanya, "Vector learning representation for
generalized speech emotion recognition", Heliyon 8(3), e09196, 2022, whose recipe is not public;
ranges of the authors' later code (white noise, reverberation).
"""

# Shapes: N samples of the utterance, M of a noise or of an impulse response.

import hashlib
import io
import math
import warnings
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

import av
import numpy as np
from av.codec.codec import UnknownCodecError
from jaxtyping import Float, Float32

from serkit.audio.read import SILENT_LEVEL, AudioError, read, resample
from serkit.corpus.corpus import AUDIO_SUFFIXES
from serkit.corpus.protocol import hash_order

Part = Literal["train", "test"]
"""Which half of a folder's recordings: noises and rooms of a test are not those of training."""

CONDITIONS: Mapping[str, str] = {
    "hq": "untouched; also called high",
    "lq": "a room with RT60 0.3, 0.6 or 0.9 s, then white noise at 0, 5, 10, 15 or 20 dB; "
    "also called low",
    "both": "each utterance in hq or in lq, by the hash of its id",
    "noise:white:SNR": "white noise at so many dB",
    "noise:pink:SNR": "pink noise at so many dB, from 20 Hz up",
    "noise:FOLDER:SNR": "the recordings of a folder at so many dB",
    "reverb:RT60": "a synthetic room: 0.3, 0.6 or 0.9 s",
    "reverb:FOLDER": "the impulse responses of a folder",
    "telephone": "300 to 3400 Hz, 8 kHz, mu-law with 8 bits",
    "codec:NAME": "through a codec and back: opus (8 kbit/s) or mp3 (16 kbit/s)",
}
"""Every condition, as it is written, and what it does."""
SYNONYMS: Mapping[str, str] = {"high": "hq", "low": "lq"}

RT60 = (0.3, 0.6, 0.9)  # s until the reverberation has fallen by 60 dB
SNRS = (0.0, 5.0, 10.0, 15.0, 20.0)  # dB, of lq
MOST_SNR = 120.0  # dB either way; beyond, float32 holds only one of the two
FRAME = 160  # samples, 10 ms; the grid on which a noise is found to sound or to be silent
LOWEST = 20.0  # Hz of pink noise
PEAK = 0.99  # of an utterance that would pass full scale
BAND = (300.0, 3400.0)  # Hz, of the telephone
BAND_ORDER = 8  # of both edges: 48 dB per octave
TELEPHONE_RATE = 8000  # Hz
MU = 255.0
LEVELS = 128  # of mu-law on either side of zero
CODEC_RATE = 16000  # Hz
FFT_STEP = 4096  # samples


class ConditionError(ValueError):
    """A condition that is not one, or whose recordings cannot be used."""

    is_usage = True


class _Codec(NamedTuple):
    encoder: str
    container: str
    bit_rate: int
    options: Mapping[str, str]


_CODECS: Mapping[str, _Codec] = {
    "opus": _Codec("libopus", "ogg", 8000, {"application": "voip"}),
    "mp3": _Codec("libmp3lame", "mp3", 16000, {}),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class _Condition:
    """A condition, taken apart."""

    kind: str
    """The word before the first colon."""
    source: str = ""
    """``"white"``, ``"pink"``, an RT60, a codec, or ``"files"``."""
    folder: Path | None = None
    """Of the files, as it was written."""
    snr: float = 0.0
    """dB, of noise."""

    def written(self, source: str) -> str:
        """With another word for the source: the folder, its name, or ``"files"``."""
        level = f"{self.snr:g}" if self.kind == "noise" else ""
        return ":".join(word for word in (self.kind, source, level) if word)


def parse_condition(text: str) -> str:
    """The canonical name of a condition, such as ``"noise:white:5"``.

    Raises:
        ConditionError: There is no such condition, its folder has no recordings, or its codec no
            encoder here; the message lists the conditions there are.

    Example:
        >>> parse_condition("low"), parse_condition("noise:white:5.0")
        ('lq', 'noise:white:5')
    """
    condition = _parse(text)
    return condition.written(str(condition.folder or condition.source))


def condition_name(condition: str) -> str:
    """A short name that may be a file's: without colons, and of a folder only its last part.

    Example:
        >>> condition_name("noise:white:5"), condition_name("low")
        ('noise-white-5', 'lq')
    """
    parsed = _parse(condition)
    last = parsed.folder.resolve().name if parsed.folder else parsed.source
    return parsed.written(last).replace(":", "-")


def sources(condition: str, part: Part = "test") -> tuple[Path, ...]:
    """The recordings that a condition draws from; none where everything is synthetic.

    A folder is searched with the folders in it and cut in halves, the larger for training. Takes
    of one recording stay together: files of one folder whose names agree up to the first ``-``
    (the fold of ESC-10's ``1-17367-A``) go the same way; what all names of a folder begin with is
    passed over first, since it tells nothing apart. Inside each folder these groups are put in the
    order of the SHA-256 of their names, and dealt to training and test in turn, so that both know
    every folder. A folder whose contents change is cut anew. Where there is only one group nothing
    can be cut: both parts use it, and a warning says so.

    Example:
        >>> sources("lq")
        ()
    """
    folder = _parse(condition).folder
    return () if folder is None else _cut(folder.absolute())[part]


def degrade(
    waveform: Float32[np.ndarray, " N"],
    condition: str,
    *,
    id: str,
    sample_rate: int = 16000,
    part: Part = "test",
) -> Float32[np.ndarray, " N"]:
    """The utterance as it would be heard in a condition: equally long, aligned, the same each time.

    An utterance whose peak passes 1 is scaled to a peak of 0.99; otherwise its level stays (rooms)
    or rises by that of the noise. ``hq`` is the array itself.

    Args:
        waveform: Samples in [-1, 1].
        condition: One of ``CONDITIONS``.
        id: Of the utterance; with the condition, all that the random generator knows.
        sample_rate: Hz.
        part: Which half of the recordings of ``noise:FOLDER`` or ``reverb:FOLDER`` to draw from
            (see ``sources``).

    Raises:
        ConditionError: As ``parse_condition``; or a noise or response cannot be used.

    Example:
        >>> tone = np.sin(np.arange(16000, dtype=np.float32) / 10) / 10
        >>> noisy = degrade(tone, "noise:white:10", id="emodb/03a01Fa")
        >>> noise = noisy - tone
        >>> round(10 * np.log10(np.mean(tone**2) / np.mean(noise**2)), 2)
        np.float32(10.0)
        >>> np.array_equal(noisy, degrade(tone, "noise:white:10", id="emodb/03a01Fa"))
        True
        >>> degrade(tone, "hq", id="emodb/03a01Fa") is tone
        True
    """
    parsed = _parse(condition)
    if parsed.kind == "both":
        parsed = _Condition(kind="lq" if _seed("both", id) % 2 else "hq")
    if parsed.kind == "hq" or not waveform.size:
        return waveform
    generator = np.random.default_rng(_seed(parsed.written(parsed.source), id))
    sound = waveform.astype(np.float64)
    if parsed.kind == "lq":
        rt60 = RT60[generator.integers(len(RT60))]
        snr = SNRS[generator.integers(len(SNRS))]
        response = synthetic_response(rt60, generator, sample_rate)
        sound = reverberate(sound, response)
        sound = add_noise(sound, generator.standard_normal(sound.size), snr)
    elif parsed.kind == "noise":
        noise = _draw_noise(parsed, generator, sound.size, sample_rate, part)
        sound = add_noise(sound, noise, parsed.snr)
    elif parsed.kind == "reverb":
        if parsed.folder is None:
            response = synthetic_response(float(parsed.source), generator, sample_rate)
        else:
            response = _response(_draw_file(parsed.folder, generator, part), sample_rate)
        sound = reverberate(sound, response)
    elif parsed.kind == "telephone":
        sound = telephone(sound, sample_rate)
    else:
        sound = _through_codec(sound, _CODECS[parsed.source], sample_rate)
    return _below_full_scale(sound).astype(np.float32)


def add_noise(
    waveform: Float[np.ndarray, " N"], noise: Float[np.ndarray, " N"], snr: float
) -> Float[np.ndarray, " N"]:
    """The utterance x with noise n: x + g n, where g = sqrt(P_x / (P_n 10^(snr / 10))).

    P_x is the mean square of the whole utterance, P_n that of the noise where it sounds: over its
    frames of 10 ms above -80 dBFS. The gaps of a ticking clock would else make it louder.

    Args:
        waveform: The utterance; silence stays silence.
        noise: As long; silence adds nothing.
        snr: Signal-to-noise ratio in dB.

    Example:
        >>> noise = np.concatenate([np.full(160, 0.1), np.zeros(160)])
        >>> np.unique(add_noise(np.full(320, 0.5), noise, 20.0).round(3)).tolist()
        [0.5, 0.55]
    """
    sounding = _sounding(noise)
    if not sounding.any():
        return waveform
    wanted = float(np.mean(waveform**2)) / 10 ** (snr / 10)
    return waveform + math.sqrt(wanted / float(np.mean(noise[sounding] ** 2))) * noise


def pink_noise(length: int, generator: np.random.Generator, sample_rate: int = 16000) -> Any:
    """Gaussian noise whose power falls by 3 dB per octave: spectrum over sqrt(f), f >= 20 Hz.

    Example:
        >>> pink = pink_noise(16000, np.random.default_rng(0))
        >>> power = np.abs(np.fft.rfft(pink)) ** 2
        >>> octaves = [power[low : 2 * low].sum() for low in (250, 500, 1000, 2000)]
        >>> bool(max(octaves) / min(octaves) < 1.25)
        True
    """
    size = _fast_size(max(length, sample_rate))  # a second has bins above 20 Hz
    frequency = np.fft.rfftfreq(size, 1 / sample_rate)
    spectrum = np.fft.rfft(generator.standard_normal(size))
    spectrum[frequency < LOWEST] = 0.0
    spectrum[1:] /= np.sqrt(frequency[1:])
    return np.fft.irfft(spectrum, size)[:length]


def synthetic_response(
    rt60: float, generator: np.random.Generator, sample_rate: int = 16000
) -> Float[np.ndarray, " M"]:
    """Impulse response of a room that does not exist: the direct sound, then decaying noise.

    h(0) = 1 and h(t) = n(t) 10^(-3 t / rt60), n white Gaussian and scaled so that the direct sound
    has as much energy as all that follows (0 dB); ``rt60`` long, of unit energy.

    Args:
        rt60: Seconds until it has fallen by 60 dB.
        generator: Draws n.
        sample_rate: Hz.

    Example:
        >>> response = synthetic_response(0.3, np.random.default_rng(0))
        >>> len(response), round(float(response[0] ** 2), 6), round(float(sum(response**2)), 6)
        (4800, 0.5, 1.0)
    """
    length = max(2, round(rt60 * sample_rate))
    decay = 10 ** (-3 * np.arange(1, length) / (rt60 * sample_rate))
    tail = generator.standard_normal(length - 1) * decay
    response = np.concatenate([[1.0], tail / math.sqrt(float(np.sum(tail**2)))])
    return response / math.sqrt(2)


def reverberate(
    waveform: Float[np.ndarray, " N"], response: Float[np.ndarray, " M"]
) -> Float[np.ndarray, " N"]:
    """The utterance in a room: convolved in full, aligned at the largest |h|, at its own power.

    What is before the largest |h|, the way from mouth to microphone, delays nothing; the level of
    a recorded response does not matter. Sound after the end of the utterance is cut.

    Example:
        >>> late = np.array([0.0, 0.0, 0.2])
        >>> reverberate(np.array([1.0, 2.0, 3.0, 4.0]), late).round(6).tolist()
        [1.0, 2.0, 3.0, 4.0]
    """
    direct = int(np.argmax(np.abs(response)))
    size = _fast_size(waveform.size + response.size - 1)
    heard = np.fft.irfft(np.fft.rfft(waveform, size) * np.fft.rfft(response, size), size)
    heard = heard[direct : direct + waveform.size]
    power = float(np.mean(heard**2))
    return heard * math.sqrt(float(np.mean(waveform**2)) / power) if power > 0 else heard


def telephone(
    waveform: Float[np.ndarray, " N"], sample_rate: int = 16000
) -> Float[np.ndarray, " N"]:
    """The utterance over a fixed line: 300 to 3400 Hz, 8 kHz, mu-law, and back.

    The band-pass has the gain of two Butterworth filters of order 8 (half power at the edges) and
    no phase, so that nothing is delayed.

    Example:
        >>> seconds = np.arange(16000) / 16000
        >>> tones = [np.sin(2 * np.pi * pitch * seconds) / 2 for pitch in (100, 1000, 6000)]
        >>> [round(float(np.mean(telephone(tone) ** 2) / 0.125), 2) for tone in tones]
        [0.0, 0.99, 0.0]
    """
    # a tenth of a second of silence, where the filter rings out instead of into the beginning
    size = _fast_size(waveform.size + sample_rate // 10)
    frequency = np.fft.rfftfreq(size, 1 / sample_rate)
    gain = np.zeros_like(frequency)
    low, high = BAND[0] / frequency[1:], frequency[1:] / BAND[1]
    gain[1:] = 1 / np.sqrt((1 + low ** (2 * BAND_ORDER)) * (1 + high ** (2 * BAND_ORDER)))
    band = np.fft.irfft(np.fft.rfft(waveform, size) * gain, size)[: waveform.size]
    narrow = _some(resample(band.astype(np.float32), sample_rate, TELEPHONE_RATE))
    narrow = mu_law(_below_full_scale(narrow.astype(np.float64))).astype(np.float32)
    return _fit(resample(narrow, TELEPHONE_RATE, sample_rate), waveform.size)


def mu_law(waveform: Float[np.ndarray, " N"]) -> Float[np.ndarray, " N"]:
    """To 8 bits and back: F(x) = sign(x) ln(1 + 255 |x|) / ln 256, rounded to 256 equal levels.

    The levels are k / 128 for k = -128..127, so that silence stays silence (ITU-T G.711, without
    its straight segments).

    Example:
        >>> mu_law(np.array([-1.0, -0.1, 0.0, 0.001, 0.1])).round(4).tolist()
        [-1.0, -0.1016, 0.0, 0.0009, 0.1016]
    """
    compressed = np.sign(waveform) * np.log1p(MU * np.abs(waveform)) / math.log1p(MU)
    level = np.clip(np.round(compressed * LEVELS), -LEVELS, LEVELS - 1) / LEVELS
    return np.sign(level) * np.expm1(np.abs(level) * math.log1p(MU)) / MU


def _seed(condition: str, id: str) -> int:
    digest = hashlib.sha256(
        f"serkit-env-1:{condition}:{id}".encode("utf-8", "surrogateescape")
    ).digest()
    return int.from_bytes(digest[:8], "big")


def _parse(text: str) -> _Condition:
    name = SYNONYMS.get(text, text)
    kind, _, rest = name.partition(":")
    if name in ("hq", "lq", "both", "telephone"):
        return _Condition(kind=name)
    if kind == "noise" and ":" in rest:
        source, _, level = rest.rpartition(":")  # a folder's name may hold a colon
        try:
            snr = float(level) + 0.0  # no -0
        except ValueError:
            snr = math.nan
        if not -MOST_SNR <= snr <= MOST_SNR:
            raise _unknown(text, f"{level!r} is no signal-to-noise ratio in dB, such as 10")
        if source in ("white", "pink"):
            return _Condition(kind=kind, source=source, snr=snr)
        return _Condition(kind=kind, source="files", folder=_folder(text, source), snr=snr)
    if kind == "reverb" and rest:
        with_number = next((rt60 for rt60 in RT60 if _is_number(rest, rt60)), None)
        if with_number is not None:
            return _Condition(kind=kind, source=f"{with_number:g}")
        return _Condition(kind=kind, source="files", folder=_folder(text, rest))
    if kind == "codec" and rest in _CODECS:
        try:
            _ = av.Codec(_CODECS[rest].encoder, "w")
        except UnknownCodecError as error:
            raise _unknown(text, f"the FFmpeg here has no {_CODECS[rest].encoder}") from error
        return _Condition(kind=kind, source=rest)
    raise _unknown(text, "there is no such condition")


def _is_number(text: str, value: float) -> bool:
    try:
        return float(text) == value
    except ValueError:
        return False


def _folder(text: str, given: str) -> Path:
    folder = Path(given).expanduser()
    if not folder.is_dir():
        raise _unknown(text, f"there is no folder {given!r}")
    if not _recordings(folder.absolute()):
        raise _unknown(text, f"no recording in the folder {given!r}, or in those inside it")
    return folder


def _unknown(text: str, why: str) -> ConditionError:
    return ConditionError(f"condition {text!r}: {why}. Conditions: {', '.join(CONDITIONS)}.")


@lru_cache(maxsize=64)
def _recordings(folder: Path) -> tuple[Path, ...]:
    """All recordings below a folder, sorted."""
    below = (path for path in folder.rglob("*") if not path.name.startswith("."))
    return tuple(sorted(p for p in below if p.suffix.lower() in AUDIO_SUFFIXES and p.is_file()))


@lru_cache(maxsize=64)
def _cut(folder: Path) -> Mapping[Part, tuple[Path, ...]]:
    """The recordings of a folder for training and for testing; see ``sources``."""
    folders: dict[Path, list[Path]] = defaultdict(list)
    for path in _recordings(folder):
        folders[path.parent].append(path)
    groups: dict[str, list[Path]] = defaultdict(list)
    order: list[str] = []
    for parent, paths in folders.items():
        words = [path.stem.split("-") for path in paths]
        most = max(len(name) for name in words)
        num_words = 1
        while num_words < most and len({tuple(name[:num_words]) for name in words}) == 1:
            num_words += 1
        here = [
            (parent.relative_to(folder) / "-".join(name[:num_words])).as_posix() for name in words
        ]
        for group, path in zip(here, paths, strict=True):
            groups[group].append(path)
        order += hash_order(dict.fromkeys(here), salt="serkit-env-1")
    if len(order) < 2:
        warnings.warn(
            f"{folder}: all of it is one recording, so training and test share it; "
            "a folder with two or more is cut",
            stacklevel=2,
        )
        return {"train": _recordings(folder), "test": _recordings(folder)}
    return {
        "train": tuple(path for group in order[0::2] for path in groups[group]),
        "test": tuple(path for group in order[1::2] for path in groups[group]),
    }


def _draw_file(folder: Path, generator: np.random.Generator, part: Part) -> Path:
    paths = _cut(folder.absolute())[part]
    return paths[generator.integers(len(paths))]


def _draw_noise(
    condition: _Condition, generator: np.random.Generator, length: int, sample_rate: int, part: Part
) -> Float[np.ndarray, " N"]:
    """So many samples of noise; a recording begins anywhere it sounds, and is looped if short."""
    if condition.folder is None:
        if condition.source == "pink":
            return pink_noise(length, generator, sample_rate)
        return generator.standard_normal(length)
    recording, starts = _noise(_draw_file(condition.folder, generator, part), sample_rate)
    start = starts[generator.integers(len(starts))]
    return recording.take(np.arange(start, start + length), mode="wrap").astype(np.float64)


@lru_cache(maxsize=32)
def _noise(path: Path, sample_rate: int) -> tuple[Any, Any]:
    """A noise without the silence around it, and the samples where a stretch of it may begin."""
    recording = _read(path, sample_rate)
    sounding = np.flatnonzero(_sounding(recording))
    if not sounding.size:
        raise ConditionError(f"noise {path}: holds only silence; take it out of the folder")
    recording = recording[sounding[0] : sounding[-1] + 1]
    return recording, np.flatnonzero(_sounding(recording)[::FRAME]) * FRAME


@lru_cache(maxsize=32)
def _response(path: Path, sample_rate: int) -> Float[np.ndarray, " M"]:
    response = _read(path, sample_rate).astype(np.float64)
    energy = float(np.sum(response**2))
    if energy == 0:
        raise ConditionError(f"impulse response {path}: all zeros; take it out of the folder")
    return response / math.sqrt(energy)


def _read(path: Path, sample_rate: int) -> Float32[np.ndarray, " M"]:
    try:
        return read(path, sample_rate=sample_rate)
    except AudioError as error:  # not the utterance's fault, whose errors have this type too
        raise ConditionError(f"{error}; or take it out of the folder of the condition") from error


def _sounding(noise: Float[np.ndarray, " M"]) -> Any:
    """Which samples lie in a frame that is not silent."""
    begins = np.arange(0, noise.size, FRAME)
    energy = np.add.reduceat(np.square(noise, dtype=np.float64), begins)
    lengths = np.diff(begins, append=noise.size)
    return np.repeat(energy > lengths * 10 ** (SILENT_LEVEL / 10), lengths)


def _through_codec(
    waveform: Float[np.ndarray, " N"], codec: _Codec, sample_rate: int
) -> Float[np.ndarray, " N"]:
    """Encoded into memory and decoded; the container knows the codec's delay and takes it out."""
    file = io.BytesIO()
    sound = _some(resample(waveform.astype(np.float32), sample_rate, CODEC_RATE))
    with av.open(file, "w", format=codec.container) as output:
        stream: Any = output.add_stream(
            codec.encoder, rate=CODEC_RATE, layout="mono", options=dict(codec.options)
        )
        stream.bit_rate = codec.bit_rate
        frame = av.AudioFrame.from_ndarray(sound.reshape(1, -1), format="flt", layout="mono")
        frame.sample_rate, frame.pts = CODEC_RATE, 0
        converter = av.AudioResampler(format=stream.format, layout="mono", rate=CODEC_RATE)
        for part in (*converter.resample(frame), None):
            output.mux(stream.encode(part))
    _ = file.seek(0)
    with av.open(file, "r") as container:
        rate: int = container.streams.audio[0].codec_context.sample_rate
        mono = av.AudioResampler(format="flt", layout="mono", rate=rate)
        pieces = [
            piece.to_ndarray().reshape(-1)
            for decoded in container.decode(audio=0)
            for piece in mono.resample(decoded)
        ]
    return _fit(resample(np.concatenate(pieces), rate, sample_rate), waveform.size)


def _fit(waveform: Float32[np.ndarray, " _"], length: int) -> Any:
    """Cut or filled with silence to a length."""
    return np.pad(waveform[:length], (0, max(0, length - waveform.size))).astype(np.float64)


def _some(waveform: Float32[np.ndarray, " _"]) -> Float32[np.ndarray, " _"]:
    """A sample of silence where a lower rate left none of a few samples."""
    return waveform if waveform.size else np.zeros(1, np.float32)


def _fast_size(length: int) -> int:
    """At least so many samples; a Fourier transform of a prime number of samples is slow."""
    return math.ceil(length / FFT_STEP) * FFT_STEP


def _below_full_scale(waveform: Float[np.ndarray, " N"]) -> Float[np.ndarray, " N"]:
    peak = float(np.abs(waveform).max())
    return waveform * (PEAK / peak) if peak > 1 else waveform
