"""Corpora for the tests of this room: folders with official names, and values without files."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from serkit.corpus import Corpus, Rating, Utterance, emodb, ravdess

Tone = Callable[..., Path]


@pytest.fixture(scope="session")
def tone() -> Tone:
    """Write a short tone; the same pitch and length give the same samples."""

    def write(
        path: Path,
        *,
        pitch: float = 220.0,
        num_samples: int = 160,
        sample_rate: int = 16000,
        channels: int = 1,
    ) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        wave = 10000 * np.sin(2 * np.pi * pitch * np.arange(num_samples) / sample_rate)
        samples = np.stack([wave.astype(np.int16)] * channels, axis=1)
        soundfile.write(path, samples, sample_rate, subtype="PCM_16")
        return path

    return write


@pytest.fixture(scope="session")
def all_emodb() -> Corpus:
    """Every speaker, sentence and emotion of Emo-DB in two takes, without files."""
    utterances = tuple(
        emodb.parse(Path(f"wav/{speaker}{sentence}{letter}{take}.wav"))
        for speaker in emodb.SPEAKERS
        for sentence in emodb.SENTENCES
        for letter in emodb.LETTERS
        for take in "ab"
    )
    return Corpus(name="emodb", passport=emodb.PASSPORT, utterances=utterances)


@pytest.fixture(scope="session")
def all_ravdess() -> Corpus:
    """The 1440 names of RAVDESS, without files."""
    names = [
        f"03-01-{code}-{intensity}-{statement}-{repetition}-{actor:02d}.wav"
        for actor in range(1, 25)
        for code in ravdess.CODES
        for intensity in (("01",) if code == "01" else ("01", "02"))
        for statement in ravdess.STATEMENTS
        for repetition in ("01", "02")
    ]
    utterances = [ravdess.parse(Path(name)) for name in sorted(names)]
    assert None not in utterances
    return Corpus(
        name="ravdess",
        passport=ravdess.PASSPORT,
        utterances=tuple(u for u in utterances if u is not None),
    )


@pytest.fixture(scope="session")
def make_corpus() -> Callable[..., Corpus]:
    """A corpus from (speaker, emotion) pairs, without files."""

    def make(
        pairs: list[tuple[str | None, str | None]], *, name: str = "mine", **fields: object
    ) -> Corpus:
        utterances = tuple(
            Utterance(
                id=f"{name}/{number:04d}",
                path=Path(f"{number:04d}.wav"),
                speaker=None if speaker is None else f"{name}/{speaker}",
                ratings=()
                if emotion is None
                else (Rating(rater="consensus", emotion={emotion: 1.0}),),
            )
            for number, (speaker, emotion) in enumerate(pairs)
        )
        return Corpus(name=name, utterances=utterances)

    return make
