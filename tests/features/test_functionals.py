import sys

import numpy as np
import pytest

from serkit.corpus import MissingExtraError
from serkit.features import functionals as room
from serkit.features.functionals import Memory, functionals

RATE = 16000


@pytest.fixture(autouse=True)
def nothing_remembered():
    room.MEMORY_OF_FUNCTIONALS.forget()
    yield
    room.MEMORY_OF_FUNCTIONALS.forget()


def noise(num_samples: int = 4800, *, seed: int = 0, level: float = 0.1) -> np.ndarray:
    return (level * np.random.default_rng(seed).normal(size=num_samples)).astype(np.float32)


@pytest.mark.parametrize(("feature_set", "count"), room.NUM_FUNCTIONALS.items())
def test_each_set_has_its_published_number_of_functionals(feature_set, count):
    values = functionals(noise(), RATE, feature_set)
    assert values.shape == (count,)
    assert values.dtype == np.float32
    assert np.isfinite(values).all()
    assert count == {"eGeMAPSv02": 88, "ComParE_2016": 6373}[feature_set]


def test_values_are_those_of_opensmile_itself():
    import opensmile

    smile = opensmile.Smile(
        feature_set=opensmile.FeatureSet.eGeMAPSv02,
        feature_level=opensmile.FeatureLevel.Functionals,
    )
    expected = smile.process_signal(noise(), RATE).iloc[0]
    np.testing.assert_array_equal(functionals(noise(), RATE, "eGeMAPSv02"), expected.to_numpy())


def test_pitch_of_a_harmonic_tone_is_found():
    seconds = np.arange(16000) / RATE
    tone = sum(np.sin(2 * np.pi * 200 * k * seconds) / k for k in range(1, 9)) / 8
    semitones = functionals(tone, RATE, "eGeMAPSv02")[0]  # F0semitoneFrom27.5Hz_sma3nz_amean
    assert semitones == pytest.approx(12 * np.log2(200 / 27.5), abs=0.2)


def test_an_utterance_heard_before_is_not_extracted_again(monkeypatch):
    runs = []
    extract = room._extract
    monkeypatch.setattr(room, "_extract", lambda *given: runs.append(given) or extract(*given))
    first = functionals(noise(), RATE, "eGeMAPSv02")
    again = functionals(noise().copy(), RATE, "eGeMAPSv02")
    other = functionals(noise(seed=1), RATE, "eGeMAPSv02")
    assert len(runs) == 2
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_the_same_samples_at_another_rate_are_another_utterance():
    slow, fast = (functionals(noise(), rate, "eGeMAPSv02") for rate in (8000, 16000))
    assert not np.array_equal(slow, fast)


def test_what_is_remembered_cannot_be_written_to():
    with pytest.raises(ValueError, match="read-only"):
        functionals(noise(), RATE, "eGeMAPSv02")[0] = 0.0


def test_memory_is_bounded_and_lets_the_least_used_go():
    memory = Memory(num_bytes=20)
    memory.keep("a", np.zeros(2, np.float32))
    memory.keep("b", np.zeros(2, np.float32))
    assert memory.recall("a") is not None  # now b is the least used
    memory.keep("c", np.zeros(2, np.float32))
    assert len(memory) == 2
    assert memory.recall("b") is None
    assert memory.recall("a") is not None


def test_keeping_the_same_key_twice_counts_once():
    memory = Memory(num_bytes=16)
    for _ in range(5):
        memory.keep("a", np.zeros(2, np.float32))
    memory.keep("b", np.zeros(2, np.float32))
    assert len(memory) == 2


@pytest.mark.parametrize("num_samples", [0, 1, 400, 959])
def test_a_very_short_utterance_is_lengthened_with_silence(num_samples):
    short = noise(num_samples)
    long = np.pad(short, (0, 960 - num_samples))
    values = functionals(short, RATE, "eGeMAPSv02")
    assert np.isfinite(values).all()
    np.testing.assert_array_equal(values, functionals(long, RATE, "eGeMAPSv02"))


def test_full_scale_is_not_turned_around_by_sixteen_bits():
    loud = np.sign(noise()).astype(np.float32)  # as a square wave between -1 and 1
    almost = np.clip(loud, -1.0, 32767 / 32768).astype(np.float32)
    np.testing.assert_array_equal(
        functionals(loud, RATE, "eGeMAPSv02"), functionals(almost, RATE, "eGeMAPSv02")
    )


def test_an_unknown_set_is_named_with_those_there_are():
    unchecked = getattr(functionals, "__wrapped__", functionals)  # the tests check types first
    with pytest.raises(ValueError, match=r"'GeMAPS'.*eGeMAPSv02.*ComParE_2016"):
        unchecked(noise(), RATE, "GeMAPS")


def test_samples_that_are_not_finite_are_refused():
    waveform = noise()
    waveform[7] = np.nan
    with pytest.raises(ValueError, match="finite"):
        functionals(waveform, RATE, "eGeMAPSv02")


def test_without_the_extra_the_error_says_what_to_install_and_its_licence(monkeypatch):
    room._smile.cache_clear()
    monkeypatch.setitem(sys.modules, "opensmile", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'serkit\[opensmile\]'.*non-commerc"):
        functionals(noise(), RATE, "eGeMAPSv02")
