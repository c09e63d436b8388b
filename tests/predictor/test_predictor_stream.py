"""The same as the timeline, while the sound arrives."""

import importlib.util

import numpy as np
import pytest
import soundfile
import soxr
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from voice import RATE, listener, scene

from serkit import audio
from serkit.audio import NonFiniteAudioError
from serkit.corpus import AFFECT, load
from serkit.predictor import Predictor, Stream, Timeline, TimelineError, Turn, Update
from serkit.predictor.timeline import assemble
from serkit.systems import SYSTEMS

TOLERANCE = 1e-4
SCENE = scene(("sadness", 4.3), ("silence", 2), ("anger", 5), ("joy", 3.1), ("silence", 1))
VADS = [
    "none",
    "energy",
    pytest.param(
        "silero",
        marks=pytest.mark.skipif(
            not (
                importlib.util.find_spec("onnxruntime") and importlib.util.find_spec("silero_vad")
            ),
            reason="needs the extra serkit[vad]",
        ),
    ),
]
TRAINED_BY_GRADIENT = sorted(name for name, kind in SYSTEMS.items() if kind.trained_by_gradient)
SMALL = {
    "crnn": {"size": "small"},
    "verify_to_classify": {"num_crops": 2, "classifier": "prototype"},
}


def replayed(stream: Stream, sound: np.ndarray, cuts: list[int]) -> Update:
    """All that a stream says of a sound that comes in pieces."""
    said = [stream.feed(piece) for piece in np.split(sound, sorted(cuts))]
    said.append(stream.finish())
    return Update(
        windows=tuple(window for update in said for window in update.windows),
        segments=tuple(segment for update in said for segment in update.segments),
    )


def agree(said: Update, timeline: Timeline) -> None:
    """Windows and their ratings within the tolerance, and the segments they make."""
    assert len(said.windows) == len(timeline.windows)
    for one, other in zip(said.windows, timeline.windows, strict=True):
        assert (one.start, one.end, one.speech) == (other.start, other.end, other.speech)
        assert (one.label, one.notes, one.speaker) == (other.label, other.notes, other.speaker)
        assert (one.rating is None) == (other.rating is None)
        if one.rating is not None:
            for mine, theirs in ((one.rating, other.rating), (one.smoothed, other.smoothed)):
                assert mine.emotion == pytest.approx(theirs.emotion, abs=TOLERANCE)
                assert mine.affect == pytest.approx(theirs.affect, abs=TOLERANCE)
    assert [(s.start, s.end, s.label, s.speaker) for s in said.segments] == [
        (s.start, s.end, s.label, s.speaker) for s in timeline.segments
    ]


@pytest.fixture(scope="module")
def spoken() -> np.ndarray:
    """Some utterances with pauses between them."""
    pause = np.zeros(round(0.8 * RATE), dtype=np.float32)
    waveforms = [audio.read(utterance.path) for utterance in load("excerpt").utterances[:4]]
    return np.concatenate([part for waveform in waveforms for part in (waveform, pause)])


def predictor(name: str, waveforms: list[np.ndarray]) -> Predictor:
    """An untrained system that has an answer; one that ends in a classifier gets to fit it."""
    torch.manual_seed(0)
    kind = SYSTEMS[name]
    named = {"affect": AFFECT} if kind.task == "affect" else {"emotions": ("anger", "joy")}
    system = kind(kind.Config(**SMALL.get(name, {}), **named))
    places = [place % 2 for place in range(len(waveforms))]
    targets = [(0.1 + 0.8 * place,) * 3 for place in places] if kind.task == "affect" else places
    system.prepare(waveforms, targets)
    if hasattr(system, "conclude"):
        speakers = [str(place // 2) for place in range(len(waveforms))]
        system.conclude(waveforms, places, development=None, speakers=speakers, seed=0)
    return Predictor(systems=(system.eval(),), rater=name)


# -- the same as the timeline -----------------------------------------------------------------


@pytest.mark.parametrize("vad", VADS)
@settings(max_examples=8)
@given(cuts=st.lists(st.integers(0, len(SCENE)), max_size=12), smooth=st.sampled_from([0.0, 3.0]))
def test_in_ragged_pieces_it_says_what_the_timeline_says(
    vad: str, cuts: list[int], smooth: float
) -> None:
    stream = listener().stream(vad=vad, smooth=smooth)
    agree(replayed(stream, SCENE, cuts), listener().timeline(SCENE, vad=vad, smooth=smooth))


@pytest.mark.parametrize("name", TRAINED_BY_GRADIENT)
def test_every_system_trained_by_gradient_hears_a_stream_as_it_hears_a_file(
    name: str, spoken: np.ndarray
) -> None:
    waveforms = [audio.read(utterance.path) for utterance in load("excerpt").utterances[:6]]
    heard = predictor(name, waveforms)
    timeline = heard.timeline(spoken, batch=5)
    cuts = np.random.default_rng(7).integers(0, len(spoken), 40).tolist()
    agree(replayed(heard.stream(), spoken, cuts), timeline)
    for window in timeline.windows:
        if window.rating is not None:
            alone = heard.predict(spoken, start=window.start, end=window.end)
            assert window.rating.emotion == pytest.approx(alone.emotion, abs=TOLERANCE)
            assert window.rating.affect == pytest.approx(alone.affect, abs=TOLERANCE)


@pytest.mark.parametrize("rate", [8000, 44100, 48000])
def test_sound_of_any_rate_is_heard_as_a_file_of_that_rate(rate: int, tmp_path) -> None:
    sound = soxr.resample(SCENE, RATE, rate)
    soundfile.write(tmp_path / "call.wav", sound, rate, subtype="FLOAT")
    said = replayed(listener().stream(sample_rate=rate), sound, list(range(0, len(sound), 4999)))
    agree(said, listener().timeline(tmp_path / "call.wav"))


def test_integers_from_a_microphone_are_heard_as_floats_are() -> None:
    integers = np.round(SCENE * 32767).astype(np.int16)
    floats = (integers / 32768).astype(np.float32)
    one, other = (replayed(listener().stream(), s, [5000, 90000]) for s in (integers, floats))
    assert one == other


@settings(max_examples=6)
@given(cuts=st.lists(st.integers(0, len(SCENE)), max_size=9))
def test_turns_do_not_depend_on_the_pieces_either(cuts: list[int]) -> None:
    turns = [
        Turn(start=0.4, end=5.0, speaker="Ann"),
        Turn(start=4.0, end=11.1, speaker="Bob"),
        Turn(start=12.0, end=30.0, speaker="Ann"),
    ]
    said = replayed(Stream(listener(), turns=turns), SCENE, cuts)
    timeline = listener().timeline(SCENE, turns=turns)
    known = {"file": "", "duration": 0.0, "window": 3.0, "hop": 1.0, "smooth": 2.0, "vad": ""}
    ordered = assemble(listener(), [said], **known)
    agree(Update(windows=ordered.windows, segments=ordered.segments), timeline)


# -- in time ----------------------------------------------------------------------------------


@pytest.mark.parametrize("vad", VADS)
@pytest.mark.parametrize(("smooth", "rate"), [(0.0, 16000), (2.0, 44100), (5.0, 16000)])
def test_a_window_comes_no_later_than_the_latency_says(vad: str, smooth: float, rate: int) -> None:
    stream = listener().stream(vad=vad, smooth=smooth, sample_rate=rate)
    sound = soxr.resample(SCENE, RATE, rate)
    piece = rate // 20
    latest = 0.0
    for first in range(0, len(sound), piece):
        update = stream.feed(sound[first : first + piece])
        for window in update.windows:
            latest = max(latest, min(first + piece, len(sound)) / rate - window.end)
    assert latest <= stream.latency + piece / rate + 1e-9
    assert latest >= stream.latency - 0.55  # so that the figure is not an empty promise


def test_latency_is_the_sum_of_its_parts() -> None:
    assert listener().stream(vad="none", smooth=0.0).latency == 0.0
    assert listener().stream(vad="none", smooth=2.0).latency == 1.0
    assert listener().stream().latency == pytest.approx(1.0 + 0.544)


def test_memory_of_a_stream_does_not_grow() -> None:
    stream = listener().stream(window=1.0, hop=1.0)
    sizes: list[int] = []
    for _ in range(4):
        _ = stream.feed(SCENE)
        sizes.append(len(stream._samples.kept) + len(stream._frames.kept))
    assert max(sizes) < 4 * RATE
    turns = [Turn(start=10.0 * n, end=10.0 * n + 6, speaker="Ann") for n in range(30)]
    stream = Stream(listener(), turns=turns)
    for _ in range(6):
        _ = stream.feed(SCENE)
        assert len(stream._samples.kept) < 6 * RATE


# -- edges ------------------------------------------------------------------------------------


def test_nothing_fed_says_nothing() -> None:
    stream = listener().stream()
    assert stream.feed(np.zeros(0, np.float32)) == Update()
    assert stream.finish() == Update()
    assert stream.finish() == Update()
    assert stream.heard == 0.0


def test_after_its_end_a_stream_takes_no_more() -> None:
    stream = listener().stream()
    _ = stream.finish()
    with pytest.raises(TimelineError, match="this stream has ended; make another"):
        _ = stream.feed(SCENE)


def test_a_bad_piece_is_refused_and_the_stream_goes_on() -> None:
    stream = listener().stream()
    said = [stream.feed(SCENE[:40000])]
    with pytest.raises(NonFiniteAudioError, match="NaN or infinite"):
        _ = stream.feed(np.full(100, np.nan, dtype=np.float32))
    said += [stream.feed(SCENE[40000:]), stream.finish()]
    windows = tuple(window for update in said for window in update.windows)
    assert windows == listener().timeline(SCENE).windows


def test_what_is_no_rate_is_refused() -> None:
    with pytest.raises(TimelineError, match="sample_rate=16 must be that of the samples"):
        _ = listener().stream(sample_rate=16)
