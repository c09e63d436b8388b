"""One JSON line per utterance: who, what, which rating, and what the file really holds."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from serkit.corpus.corpus import Corpus
from serkit.corpus.utterance import Rating, Seconds, Utterance


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """An utterance and the facts of its audio."""

    utterance: Utterance
    duration: Seconds
    sample_rate: int
    """Hz, of the file itself."""
    channels: int
    sha256: str
    """Of the decoded 16-bit samples of channel 0 at the file's own rate, from start to end."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Header:
    """What the header of a recording says."""

    num_samples: int
    """Per channel."""
    sample_rate: int
    channels: int


def header(path: Path) -> Header:
    """Length, rate and channels of a recording, without decoding it.

    Raises:
        OSError: Missing, or nothing that soundfile opens.

    Example:
        >>> from serkit.corpus import load
        >>> header(load("excerpt").utterances[0].path).sample_rate
        16000
    """
    import soundfile

    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    try:
        found = soundfile.info(str(path))
    except (soundfile.LibsndfileError, TypeError) as error:
        raise OSError(f"{path}: not a recording that soundfile opens ({error})") from error
    return Header(num_samples=found.frames, sample_rate=found.samplerate, channels=found.channels)


def _stretch(utterance: Utterance, facts: Header) -> tuple[int, int]:
    """First sample and the one after the last of an utterance in its recording."""
    first = min(facts.num_samples, round(utterance.start * facts.sample_rate))
    last = facts.num_samples
    if utterance.end is not None:
        last = min(last, round(utterance.end * facts.sample_rate))
    return first, max(first, last)


def decoded_sha256(utterance: Utterance) -> str:
    """SHA-256 of the decoded 16-bit samples (little-endian) of channel 0 at the file's own rate.

    Equal for equal audio in different containers, such as WAV and FLAC.

    Raises:
        OSError: Missing, or nothing that soundfile opens.

    Example:
        >>> from serkit.corpus import load
        >>> len(decoded_sha256(load("excerpt").utterances[0]))
        64
    """
    facts = header(utterance.path)
    first, last = _stretch(utterance, facts)
    status = utterance.path.stat()
    return _sha256(utterance.path, first, last, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=65536)
def _sha256(path: Path, first: int, last: int, changed: int, size: int) -> str:
    # changed and size are there for the cache: a file that is written anew is read anew
    import soundfile

    try:
        samples, _ = soundfile.read(
            str(path), start=first, stop=last, dtype="float32", always_2d=True
        )
    except soundfile.LibsndfileError as error:
        raise OSError(f"{path}: does not decode ({error})") from error
    # By way of floats, because libsndfile does not scale a file of floats when asked for integers;
    # for a file of 16-bit integers the values are the same.
    integers = np.clip(np.round(samples[:, 0] * 32768), -32768, 32767).astype("<i2")
    return hashlib.sha256(integers.tobytes()).hexdigest()


def entry(utterance: Utterance) -> Entry:
    """The manifest entry of an utterance; decodes its audio for the hash.

    Example:
        >>> from serkit.corpus import load
        >>> found = entry(load("excerpt").utterances[0])
        >>> found.channels, found.duration > 0
        (1, True)
    """
    facts = header(utterance.path)
    first, last = _stretch(utterance, facts)
    return Entry(
        utterance=utterance,
        duration=(last - first) / facts.sample_rate,
        sample_rate=facts.sample_rate,
        channels=facts.channels,
        sha256=decoded_sha256(utterance),
    )


def write_manifest(path: Path, entries: Iterable[Entry]) -> Path:
    """Write one JSON line per entry; paths below the manifest's folder are written relative to it.

    Example:
        >>> import tempfile
        >>> from serkit.corpus import load
        >>> entries = [entry(utterance) for utterance in load("excerpt").utterances[:2]]
        >>> file = write_manifest(Path(tempfile.mkdtemp()) / "manifest.jsonl", entries)
        >>> read_manifest(file) == tuple(entries)
        True
    """
    folder = path.parent.resolve()
    lines: list[str] = []
    for item in entries:
        fields = asdict(item)
        utterance: dict[str, Any] = fields.pop("utterance")
        recording = item.utterance.path.resolve()
        inside = recording.is_relative_to(folder)
        utterance["path"] = (recording.relative_to(folder) if inside else recording).as_posix()
        lines.append(json.dumps(utterance | fields, ensure_ascii=False))
    _ = path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    return path


def read_manifest(path: Path) -> tuple[Entry, ...]:
    """Read what ``write_manifest`` wrote.

    Raises:
        ValueError: A line that is no entry; the message has its number.
    """
    entries: list[Entry] = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            fields: dict[str, Any] = json.loads(line)
            facts = {
                key: fields.pop(key) for key in ("duration", "sample_rate", "channels", "sha256")
            }
            ratings = tuple(_rating(rating) for rating in fields.pop("ratings"))
            recording = path.parent / fields.pop("path")
            utterance = Utterance(path=recording, ratings=ratings, **fields)
            entries.append(Entry(utterance=utterance, **facts))
        except (json.JSONDecodeError, KeyError, TypeError) as error:
            raise ValueError(f"{path}, line {number}: not a manifest entry ({error!r})") from error
    return tuple(entries)


def _rating(fields: Mapping[str, Any]) -> Rating:
    return Rating(rater=fields["rater"], emotion=fields["emotion"], affect=fields["affect"])


def corpus_of(entries: Iterable[Entry], *, name: str) -> Corpus:
    """The utterances of a manifest as a corpus, in the order of their ids.

    Example:
        >>> from serkit.corpus import load
        >>> utterance = load("excerpt").utterances[0]
        >>> corpus_of([entry(utterance)], name="mine").utterances[0].id == utterance.id
        True
    """
    utterances = sorted((item.utterance for item in entries), key=lambda item: item.id)
    return Corpus(name=name, utterances=tuple(utterances))
