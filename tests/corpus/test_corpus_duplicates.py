"""Copies of one recording are found, however they were made; other recordings are not."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

from serkit.corpus import Utterance, load, synthetic
from serkit.corpus.duplicates import ALIKE, Fingerprint, fingerprint, likeness, near_duplicates

Wave = np.ndarray
RATE = 16000


def decoded(utterance: Utterance) -> tuple[Wave, int]:
    return soundfile.read(utterance.path, dtype="float32")


def encoded(
    samples: Wave, rate: int, form: str, subtype: str, level: float | None
) -> tuple[Wave, int]:
    """Through a codec and back; level 1 is the worst quality."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "copy"
        with soundfile.SoundFile(
            path, "w", rate, 1, format=form, subtype=subtype, compression_level=level
        ) as out:
            out.write(samples)
        return soundfile.read(path, dtype="float32")


def resampled(samples: Wave, rate: int) -> Wave:
    return soxr.resample(samples, RATE, rate, "HQ")


def silence(seconds: float) -> Wave:
    return np.zeros(round(seconds * RATE), dtype=np.float32)


COPIES: dict[str, Callable[[Wave], tuple[Wave, int]]] = {
    "at 8 kHz": lambda x: (resampled(x, 8000), 8000),
    "at 44.1 kHz": lambda x: (resampled(x, 44100), 44100),
    "8 kHz and back": lambda x: (soxr.resample(resampled(x, 8000), 8000, RATE, "HQ"), RATE),
    "mp3": lambda x: encoded(x, RATE, "MP3", "MPEG_LAYER_III", 0.9),
    "vorbis": lambda x: encoded(x, RATE, "OGG", "VORBIS", 1.0),
    "opus": lambda x: encoded(x, RATE, "OGG", "OPUS", 0.9),
    "telephone": lambda x: encoded(resampled(x, 8000), 8000, "WAV", "ULAW", None),
    "quieter": lambda x: (0.05 * x, RATE),
    "upside down": lambda x: (-x, RATE),
    "offset": lambda x: (x + 0.1, RATE),
    "cut": lambda x: (x[2700 : len(x) - 3200], RATE),
    "padded": lambda x: (np.concatenate([silence(0.17), x, silence(0.2)]), RATE),
    "all at once": lambda x: encoded(
        0.3 * resampled(x[1900 : len(x) - 1500], 8000) + 0.02, 8000, "MP3", "MPEG_LAYER_III", 0.8
    ),
}


@pytest.fixture(scope="module")
def spoken() -> tuple[Utterance, ...]:
    return load("excerpt").utterances[::6]


@pytest.mark.parametrize("way", COPIES)
def test_a_copy_is_found_among_the_others(way: str, spoken: tuple[Utterance, ...]):
    waves = {utterance.id: decoded(utterance) for utterance in spoken}
    originals = spoken[::5]
    copies: list[Utterance] = []
    for utterance in originals:
        copy = Utterance(id=f"{utterance.id}-copy", path=Path("nowhere.wav"))
        waves[copy.id] = COPIES[way](waves[utterance.id][0])
        copies.append(copy)
    groups = near_duplicates([*copies, *spoken], lambda utterance: waves[utterance.id])
    assert [[u.id for u in group] for group in groups] == [
        [utterance.id, f"{utterance.id}-copy"] for utterance in originals
    ]


def test_takes_and_speakers_of_one_sentence_are_no_copies():
    assert near_duplicates(load("excerpt").utterances[::2], decoded) == []


def test_tones_say_nothing_and_are_never_copies(tmp_path: Path):
    root = synthetic.write(tmp_path, num_speakers=3, takes=3, seconds=0.5)
    assert near_duplicates(load("synthetic", root).utterances, decoded) == []


@pytest.mark.parametrize("num_samples", [0, 1, 100, 4000])
def test_what_is_too_short_is_no_copy_of_itself(num_samples: int):
    wave = np.random.default_rng(0).normal(size=num_samples)
    found = fingerprint(wave, RATE)
    assert likeness(found, found) == -1.0


def test_silence_is_no_copy_of_silence():
    found = fingerprint(silence(2.0), RATE)
    assert (found.richness, likeness(found, found)) == (0.0, -1.0)


def test_likeness_is_symmetric_and_one_for_the_same(spoken: tuple[Utterance, ...]):
    prints = [fingerprint(*decoded(utterance)) for utterance in spoken[:6]]
    for one in prints:
        assert likeness(one, one) == pytest.approx(1.0, abs=1e-5)
        for other in prints:
            assert likeness(one, other) == pytest.approx(likeness(other, one), abs=1e-5)


def test_a_long_recording_is_the_same_in_pieces(monkeypatch: pytest.MonkeyPatch):
    wave = np.random.default_rng(1).normal(size=3 * RATE)
    whole = fingerprint(wave, RATE)
    monkeypatch.setattr("serkit.corpus.duplicates.FRAMES_AT_ONCE", 7)
    assert np.array_equal(fingerprint(wave, RATE).steps, whole.steps)


def test_three_copies_are_one_group_in_any_order(spoken: tuple[Utterance, ...]):
    wave, rate = decoded(spoken[0])
    waves = {"x/c": wave, "x/a": wave[1500:], "x/b": wave[: len(wave) - 1500]}
    copies = [Utterance(id=name, path=Path("nowhere.wav")) for name in waves]
    (group,) = near_duplicates(copies, lambda utterance: (waves[utterance.id], rate))
    assert [utterance.id for utterance in group] == ["x/a", "x/b", "x/c"]


def test_what_cannot_be_read_is_passed_over(spoken: tuple[Utterance, ...]):
    twice = [Utterance(id=f"x/{n}", path=spoken[0].path) for n in range(2)]
    gone = [Utterance(id=f"x/gone{n}", path=Path("gone.wav")) for n in range(2)]

    def read(utterance: Utterance) -> tuple[Wave, int]:
        if utterance.path.name == "gone.wav":
            raise FileNotFoundError(utterance.path)
        return decoded(utterance)

    (group,) = near_duplicates([*gone, *twice], read)
    assert [utterance.id for utterance in group] == ["x/0", "x/1"]


def test_a_file_is_read_once_until_it_is_written_anew(tmp_path: Path):
    path, count = tmp_path / "one.wav", 0
    generator = np.random.default_rng(0)

    def read(utterance: Utterance) -> tuple[Wave, int]:
        nonlocal count
        count += 1
        return decoded(utterance)

    for seconds, times in ((1.0, 1), (1.5, 2)):
        soundfile.write(path, generator.normal(0, 0.1, round(seconds * RATE)), RATE)
        for _ in range(2):
            near_duplicates([Utterance(id="x/one", path=path)], read)
        assert count == times


@pytest.mark.corpora
def test_ravdess_holds_one_recording_twice_and_no_other(corpora_root: Path):
    ravdess = load("ravdess", corpora_root / "ravdess")
    cell = [u for u in ravdess.utterances if u.id.endswith("-07")]
    groups = near_duplicates(cell, decoded)
    names = [[utterance.id.removeprefix("ravdess/") for utterance in group] for group in groups]
    assert names == [["03-01-03-01-02-01-07", "03-01-03-01-02-02-07"]]


@pytest.mark.corpora
def test_two_takes_of_ravdess_that_are_nearly_the_same_stay_apart(corpora_root: Path):
    ravdess = load("ravdess", corpora_root / "ravdess")
    alike = ("03-01-03-02-01-01-23", "03-01-03-02-01-02-23")  # the most alike of all 720 pairs
    takes = [u for u in ravdess.utterances if u.id.removeprefix("ravdess/") in alike]
    prints: list[Fingerprint] = [fingerprint(*decoded(utterance)) for utterance in takes]
    assert 0.8 < likeness(*prints) < ALIKE
