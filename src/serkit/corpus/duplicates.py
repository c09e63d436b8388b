"""Two files, one recording: copies that were resampled, re-encoded, made louder, trimmed or padded.

``equal_audio`` finds copies with equal samples. This finds the others, by what outlives telephone
bandwidth and lossy codecs: how the shape of the spectrum between 300 and 2000 Hz moves. A
fingerprint is the level of 32 bands at 80 frames a second. Two of them are laid over each other at
every lag up to ``MOST_MOVED``, each less its means over time and over bands (so that gain, offset
and the colour of a channel do not matter); the highest cosine is their likeness. Where the
threshold comes from, with figures of three corpora, and what is out of reach:
``docs/decisions/0012-near-duplicates.md``.

To stay quick, only utterances of nearly equal length are compared, and of these only those whose
keys are alike. A key is the size of the spectrum of the fingerprint over time; a shift, and silence
before and after, leave it alone. The idea of comparing coarse spectra is that of Haitsma & Kalker,
"A Highly Robust Audio Fingerprinting System", ISMIR 2002; theirs is for a million songs and keeps
signs of differences, ours is for some ten thousand utterances and keeps the levels.
"""

# Shapes: N samples, T frames, F bands, K numbers of a key, U utterances.

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Float, Float32, UInt8

from serkit.corpus.utterance import Seconds, Utterance

Read = Callable[[Utterance], tuple[np.ndarray, int]]
"""Gives the samples of an utterance, mono float32 in [-1, 1], and their rate in Hz."""

FRAME_RATE = 80  # Hz
WINDOW = 0.1  # s; eight hops, so that half a hop of shift changes little
EDGES = np.linspace(300.0, 2000.0, 33)  # Hz, of 32 bands; every telephone line and codec keeps them
FLOOR = 30.0  # dB below the loudest frame; what lies deeper is left to codecs and dither
STEPS = 8  # per dB, in memory
FRAMES_AT_ONCE = 2048  # so that an hour of speech needs no more memory than a minute

MOST_MOVED = 0.3  # s a copy may begin earlier or later: trimmed, padded, delayed by a codec
MOST_LENGTHENED = 0.5  # s a copy may be longer or shorter
LEAST_SHARED = 0.4  # s; from less overlap nothing is concluded
LEAST_RICHNESS = 2.1  # independent movements; tones with a tremolo have 2, speech 2 to 8

ALIKE = 0.9
"""Likeness from which two utterances are one recording."""
KEY_ALIKE = 0.86  # of keys; one pair in a thousand is compared in full
KEY_RATES = np.arange(0.5, 10.01, 0.5)  # Hz of movement; syllables come at 4

BLOCK = 512  # utterances compared with their neighbours at a time
MOST_KNOWN = 50_000  # fingerprints kept in memory, 2.5 kB for each second


@dataclass(frozen=True, kw_only=True, slots=True)
class Fingerprint:
    """What of a recording outlives a copy."""

    steps: UInt8[np.ndarray, "T F"]
    """Level above the floor, which lies ``FLOOR`` dB below the loudest frame, in 1/8 dB."""
    key: Float32[np.ndarray, " K"]
    """Of length 1, or all zeros where nothing moves."""
    richness: float
    """How many independent movements there are: ``(tr C)^2 / tr C^2`` of the covariance C of bands.

    0 where nothing moves.
    """

    @property
    def duration(self) -> Seconds:
        """To the nearest frame."""
        return len(self.steps) / FRAME_RATE

    @property
    def levels(self) -> Float32[np.ndarray, "T F"]:
        """Of bands over time: dB above the floor, from 0 to ``FLOOR``."""
        return self.steps.astype(np.float32) / STEPS


def fingerprint(samples: Float[np.ndarray, " N"], sample_rate: int) -> Fingerprint:
    """The fingerprint of a waveform, nearly the same at every rate from 8000 Hz.

    Args:
        samples: Mono; any gain and offset.
        sample_rate: Hz.

    Example:
        >>> noise = np.random.default_rng(0).normal(size=32000)
        >>> found = fingerprint(noise, 16000)
        >>> found.levels.shape, found.duration
        ((160, 32), 2.0)
    """
    hop, size = sample_rate / FRAME_RATE, round(WINDOW * sample_rate)
    num_frames = max(1, round(len(samples) / hop))
    starts = np.round(np.arange(num_frames) * hop).astype(int)  # each frame is centred on its time
    padded = np.zeros(max(starts[-1] + size, size // 2 + len(samples)), dtype=np.float32)
    if len(samples):
        padded[size // 2 : size // 2 + len(samples)] = samples - np.mean(samples)
    window, bands = np.hanning(size).astype(np.float32), _bands(size, sample_rate)
    energy = np.concatenate(
        [
            np.square(np.abs(np.fft.rfft(padded[some[:, None] + np.arange(size)] * window))) @ bands
            for some in np.split(starts, range(FRAMES_AT_ONCE, num_frames, FRAMES_AT_ONCE))
        ]
    )
    loudest = max(float(energy.sum(axis=1).max()), 1e-20)
    levels = np.clip(10.0 * np.log10(np.maximum(energy / loudest, 1e-9)) + FLOOR, 0.0, FLOOR)
    return Fingerprint(
        steps=np.round(levels * STEPS).astype(np.uint8),
        key=_key(levels),
        richness=_richness(_movement(levels)),
    )


@lru_cache(maxsize=8)
def _bands(size: int, sample_rate: int) -> np.ndarray:
    """Which bins of a spectrum belong to which band."""
    frequency = np.fft.rfftfreq(size, 1 / sample_rate)[:, None]
    return ((frequency >= EDGES[:-1]) & (frequency < EDGES[1:])).astype(np.float32)


def _key(levels: np.ndarray) -> np.ndarray:
    shape = levels - levels.mean(axis=1, keepdims=True)  # of silence: 0, so padding adds nothing
    times = np.arange(len(shape)) / FRAME_RATE
    size = np.abs(np.exp(-2j * np.pi * KEY_RATES[:, None] * times) @ shape).ravel()
    norm = float(np.linalg.norm(size))
    return (size / norm if norm > 0 else size).astype(np.float32)


def likeness(one: Fingerprint, other: Fingerprint) -> float:
    """How alike two recordings are, wherever each begins: the highest cosine over all lags.

    In [-1, 1], higher is more alike; 1 is the same recording. -1 where nothing can be said: too
    little overlap, or too little that moves.

    Example:
        >>> generator = np.random.default_rng(0)
        >>> noise, other = generator.normal(size=(2, 32000))
        >>> whole, part = fingerprint(noise, 16000), fingerprint(0.1 * noise[2000:], 16000)
        >>> likeness(whole, part) > 0.95, likeness(whole, fingerprint(other, 16000)) < 0.5
        (True, True)
    """
    if min(one.richness, other.richness) < LEAST_RICHNESS:
        return -1.0
    a, b = one.levels, other.levels
    best, most = -1.0, round(MOST_MOVED * FRAME_RATE)
    for lag in range(-most, most + 1):
        here, there = a[max(0, lag) :], b[max(0, -lag) :]
        shared = min(len(here), len(there))
        if shared < LEAST_SHARED * FRAME_RATE:
            continue
        here, there = _movement(here[:shared]), _movement(there[:shared])
        sizes = float(np.linalg.norm(here) * np.linalg.norm(there))
        if sizes > 0:
            best = max(best, float(np.vdot(here, there)) / sizes)
    return best


def _movement(levels: np.ndarray) -> np.ndarray:
    centred = levels - levels.mean(axis=0)
    return centred - centred.mean(axis=1, keepdims=True)


def _richness(movement: np.ndarray) -> float:
    covariance = movement.T @ movement
    square = float(np.sum(np.square(covariance)))
    return float(np.trace(covariance)) ** 2 / square if square > 0 else 0.0


def near_duplicates(utterances: Iterable[Utterance], read: Read) -> list[list[Utterance]]:
    """Groups of two or more utterances that are copies of one recording.

    Found are copies at another rate, through a lossy codec, at another level, with an offset, with
    up to about 0.2 s cut off or added at either end, and equal copies. Different takes of one
    speaker and sentence are not. Utterances that cannot be read are passed over. Takes some 10 ms
    of an utterance of 3 s, most of it for reading it; each file is read once in a process.

    Args:
        utterances: What to compare; each with each.
        read: Gives the samples and the rate, 8000 Hz or more.

    Returns:
        The groups and their members, in the order of ids.

    Example:
        >>> from pathlib import Path
        >>> noise = np.random.default_rng(0).normal(size=32000)
        >>> waves = {"a": noise, "b": -0.1 * noise[1600:], "c": noise[::-1]}
        >>> spoken = [Utterance(id=name, path=Path(name)) for name in waves]
        >>> groups = near_duplicates(spoken, lambda utterance: (waves[utterance.id], 16000))
        >>> [[utterance.id for utterance in group] for group in groups]
        [['a', 'b']]
    """
    heard: list[tuple[Utterance, Fingerprint]] = []
    for utterance in sorted(utterances, key=lambda utterance: utterance.id):
        try:
            found = _known(utterance, read)
        except (OSError, ValueError):  # an audit says of such a file what is wrong with it
            continue
        if found.richness >= LEAST_RICHNESS:
            heard.append((utterance, found))
    heard.sort(key=lambda pair: pair[1].duration)
    group = list(range(len(heard)))  # the place of the first member

    def first(place: int) -> int:
        while group[place] != place:
            place = group[place]
        return place

    for one, other in _candidates([found for _, found in heard]):
        a, b = first(one), first(other)
        if a != b and likeness(heard[one][1], heard[other][1]) >= ALIKE:
            group[max(a, b)] = min(a, b)
    members: dict[int, list[Utterance]] = {}
    for place, (utterance, _) in enumerate(heard):
        members.setdefault(first(place), []).append(utterance)
    groups = [sorted(found, key=lambda u: u.id) for found in members.values() if len(found) > 1]
    return sorted(groups, key=lambda found: found[0].id)


def _candidates(prints: list[Fingerprint]) -> list[tuple[int, int]]:
    """Pairs of nearly equal length with keys alike, of fingerprints sorted by duration."""
    if not prints:
        return []
    keys = np.stack([found.key for found in prints])
    durations = np.array([found.duration for found in prints])
    reach = np.searchsorted(durations, durations + MOST_LENGTHENED, side="right")
    pairs: list[tuple[int, int]] = []
    for begin in range(0, len(prints), BLOCK):
        end = min(begin + BLOCK, len(prints))
        alike = keys[begin:end] @ keys[begin : reach[end - 1]].T
        for row, column in np.argwhere(alike >= KEY_ALIKE).tolist():
            if row < column < reach[begin + row] - begin:
                pairs.append((begin + row, begin + column))
    return pairs


_prints: dict[Hashable, Fingerprint] = {}


def remember(utterance: Utterance, found: Fingerprint) -> None:
    """Keep a fingerprint for this process, as long as the file stays as it is.

    Whose reader it was is not asked: what readers may differ in, rate and gain, makes no
    difference to a fingerprint. Nothing is kept of files that are not there.
    """
    key = _state(utterance)
    if key is not None:
        if len(_prints) >= MOST_KNOWN:
            _prints.clear()
        _prints[key] = found


def _known(utterance: Utterance, read: Read) -> Fingerprint:
    found = _prints.get(_state(utterance))
    if found is None:
        found = fingerprint(*read(utterance))
        remember(utterance, found)
    return found


def _state(utterance: Utterance) -> Hashable | None:
    try:
        status = utterance.path.stat()
    except OSError:
        return None
    return (
        utterance.path,
        utterance.start,
        utterance.end,
        status.st_mtime_ns,
        status.st_size,
    )
