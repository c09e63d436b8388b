"""Where speech is, and the windows of a long recording."""

import importlib.util
import sys
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serkit import audio
from serkit.audio import SpeechDetector, Windows, speech
from serkit.audio.segment import SegmentationError
from serkit.corpus import load

RATE = 16000
INSTALLED = importlib.util.find_spec("onnxruntime") and importlib.util.find_spec("silero_vad")
NAMES = [
    "none",
    "energy",
    pytest.param(
        "silero",
        marks=pytest.mark.skipif(not INSTALLED, reason="needs the extra serkit[vad]"),
    ),
]


def noise(seconds: float, level: float, seed: int = 0) -> np.ndarray:
    """White noise of so many dBFS."""
    white = np.random.default_rng(seed).normal(size=round(seconds * RATE))
    return (white * 10 ** (level / 20)).astype(np.float32)


@pytest.fixture(scope="module")
def spoken() -> np.ndarray:
    """Three utterances with a second of near silence before, between and behind."""
    found = [noise(1.0, -75.0)]
    for number, utterance in enumerate(load("excerpt").utterances[:3]):
        found += [audio.read(utterance.path), noise(1.0, -75.0, number)]
    return np.concatenate(found)


# -- speech -----------------------------------------------------------------------------------


@pytest.mark.parametrize("detector", NAMES)
@settings(max_examples=15)
@given(cuts=st.lists(st.integers(0, 200_000), max_size=12))
def test_the_answer_does_not_depend_on_how_the_sound_is_cut(
    spoken: np.ndarray, detector: str, cuts: list[int]
) -> None:
    whole, pieces = SpeechDetector(detector), SpeechDetector(detector)
    expected = np.concatenate([whole.feed(spoken), whole.finish()])
    parts = [pieces.feed(part) for part in np.split(spoken, sorted(cuts))]
    np.testing.assert_array_equal(np.concatenate([*parts, pieces.finish()]), expected)
    assert len(expected) == -(-len(spoken) // 512)


@pytest.mark.parametrize("detector", NAMES)
def test_a_decision_waits_no_longer_than_the_look_ahead(spoken: np.ndarray, detector: str) -> None:
    decides = SpeechDetector(detector)
    decided = 0
    for heard in range(0, len(spoken), 512):
        decided += len(decides.feed(spoken[heard : heard + 512]))
        complete = min(heard + 512, len(spoken)) // 512
        assert complete - decided <= decides.look_ahead / 0.032 + 1e-9
    assert decides.look_ahead == (0.0 if detector == "none" else pytest.approx(0.512))


@pytest.mark.parametrize("detector", NAMES[1:])
def test_utterances_are_found_between_their_pauses(spoken: np.ndarray, detector: str) -> None:
    found = speech(spoken, detector=detector)
    assert len(found) == 3
    begin = 1.0
    for (start, end), utterance in zip(found, load("excerpt").utterances, strict=False):
        length = len(audio.read(utterance.path)) / RATE
        assert start == pytest.approx(begin, abs=0.35)
        assert end == pytest.approx(begin + length, abs=0.5)
        begin += length + 1.0


def test_energy_follows_the_noise() -> None:
    quiet, loud = noise(20.0, -50.0), noise(2.0, -37.0, 1)
    found = speech(np.concatenate([quiet, loud, quiet]))
    after = [stretch for stretch in found if stretch[0] > 5.0]  # of the first three it is unsure
    assert len(after) == 1
    assert after[0] == (pytest.approx(20.0, abs=0.2), pytest.approx(22.0, abs=0.2))


def test_an_offset_is_not_heard_as_speech() -> None:
    assert speech(noise(5.0, -70.0) + np.float32(0.3)) == []


@pytest.mark.parametrize("detector", NAMES[1:])
def test_silence_has_no_speech(detector: str) -> None:
    assert speech(np.zeros(5 * RATE, np.float32), detector=detector) == []
    assert speech(np.zeros(0, np.float32), detector=detector) == []


def test_a_click_is_dropped_and_a_short_pause_filled() -> None:
    tone = np.sin(np.arange(10 * RATE) * 0.3).astype(np.float32) / 2
    times = np.arange(10 * RATE) / RATE
    click = tone * ((times > 3.0) & (times < 3.05))
    assert speech(click) == []
    paused = tone * ((times > 3.0) & (times < 5.0) & ~((times > 4.0) & (times < 4.15)))
    assert len(speech(paused)) == 1
    apart = tone * ((times > 3.0) & (times < 5.0) & ~((times > 4.0) & (times < 4.8)))
    assert len(speech(apart)) == 2


def test_what_a_recording_begins_or_ends_with_is_kept_though_it_is_short() -> None:
    tone = np.sin(np.arange(RATE) * 0.3).astype(np.float32) / 2
    times = np.arange(RATE) / RATE
    found = speech(tone * ((times < 0.05) | (times > 0.95)))
    assert (found[0][0], found[-1][1]) == (0.0, 1.0)


def test_nothing_else_than_speech_is_asked_for_none() -> None:
    assert speech(np.zeros(1000, np.float32), detector="none") == [(0.0, 0.0625)]


def test_other_detectors_and_rates_are_refused() -> None:
    with pytest.raises(SegmentationError, match="no speech detector 'webrtc'; there are: energy"):
        _ = SpeechDetector("webrtc")
    with pytest.raises(SegmentationError, match="hears 16000 Hz, not 44100"):
        _ = SpeechDetector("silero", 44100)


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(SegmentationError, match=r"pip install 'serkit\[vad\]'"):
        _ = SpeechDetector("silero")


@pytest.mark.skipif(not INSTALLED, reason="needs the extra serkit[vad]")
def test_silero_is_heard_through_its_file_as_through_its_own_code(spoken: np.ndarray) -> None:
    import silero_vad
    import torch

    from serkit.audio.segment import _Silero

    frames = spoken[: len(spoken) // 512 * 512].reshape(-1, 512)
    model = silero_vad.load_silero_vad(onnx=True)
    with torch.no_grad():
        expected = [model(torch.from_numpy(frame), RATE).item() for frame in frames]
    np.testing.assert_allclose(_Silero(RATE).score(frames), expected, atol=1e-4)


# -- windows ----------------------------------------------------------------------------------


@given(
    length=st.integers(1, 20),
    hop=st.integers(1, 20),
    start=st.integers(0, 30),
    size=st.integers(1, 100),
    known=st.booleans(),
    steps=st.lists(st.integers(0, 130), max_size=8),
)
def test_windows_leave_nothing_out_and_are_the_same_however_the_sound_arrives(
    length: int, hop: int, start: int, size: int, known: bool, steps: list[int]
) -> None:
    hop, end = min(hop, length), start + size
    windows = Windows(length, hop, start=start, end=end if known else None)
    found: list[tuple[int, int]] = []
    for available in sorted(step for step in steps if step <= end):
        needed = windows.needed
        new = windows.due(available)
        assert all(first >= needed and last <= available for first, last in new)
        found += new
    found += windows.due(end) + windows.close(end)
    at_once = Windows(length, hop, start=start)
    assert found == at_once.due(end) + at_once.close(end)
    assert found[0][0] == start
    assert found[-1][1] == end
    assert all(after[0] <= before[1] for before, after in pairwise(found))
    assert {last - first for first, last in found} == {min(length, size)}
    assert len(found) == 1 + max(0, -(-(size - length) // hop))


def test_a_hop_longer_than_a_window_would_leave_something_out() -> None:
    with pytest.raises(ValueError, match="hop=4 must lie between 1 and the length of a window, 3"):
        _ = Windows(3, 4)
