"""A long recording from beginning to end."""

import io
import tracemalloc
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile
import voice
from hypothesis import given, settings
from hypothesis import strategies as st
from voice import EMOTIONS, RATE, PitchSystem, listener, scene

import serkit.systems.emosphere
from serkit.audio import MissingAudioError
from serkit.predictor import (
    NOT_RATED,
    SILENCE,
    SPEECH,
    Predictor,
    Segment,
    Timeline,
    TimelineError,
    Turn,
)

LONG = scene(("sadness", 8), ("silence", 4), ("anger", 9), ("silence", 2), ("joy", 5.3))


def labels(timeline: Timeline) -> list[tuple[str, float, float]]:
    return [(one.label, round(one.start, 1), round(one.end, 1)) for one in timeline.segments]


# -- windows ----------------------------------------------------------------------------------


def test_each_window_is_rated_as_predict_rates_that_stretch() -> None:
    timeline = listener().timeline(LONG, window=2.5, hop=0.7, vad="none")
    heard = 0
    for window in timeline.windows:
        if window.label == SILENCE:
            continue
        heard += 1
        alone = listener().predict(LONG, start=window.start, end=window.end)
        assert window.rating is not None
        assert window.rating.emotion == pytest.approx(alone.emotion, abs=1e-9)
        assert window.rating.rater == "pitch"
    assert heard > 30


def test_windows_begin_every_hop_and_the_last_ends_with_the_recording() -> None:
    timeline = listener().timeline(scene(("joy", 7.25)), window=3.0, hop=2.0)
    assert [(w.start, w.end) for w in timeline.windows] == [(0, 3), (2, 5), (4, 7), (4.25, 7.25)]
    assert timeline.duration == 7.25


@pytest.mark.parametrize("seconds", [0.1, 0.6, 2.9, 3.0])
def test_a_recording_shorter_than_a_window_is_one_window(seconds: float) -> None:
    timeline = listener().timeline(scene(("joy", seconds)))
    (window,) = timeline.windows
    assert (window.start, window.end, window.label) == (0.0, seconds, "joy")
    assert ("little speech" in window.notes) == (seconds < 0.5)
    assert ("very short" in window.notes) == (seconds < 0.25)
    assert labels(timeline) == [("joy", 0.0, seconds)]


def test_a_recording_too_short_to_be_heard_is_not_rated() -> None:
    timeline = listener().timeline(scene(("joy", 0.05)))
    assert [(w.label, w.rating, w.notes) for w in timeline.windows] == [
        (NOT_RATED, None, ("too short",))
    ]
    assert timeline.summary().rating is None


def test_silence_is_silence_and_not_an_emotion() -> None:
    for vad in ("energy", "none"):
        system = PitchSystem()
        timeline = listener(system).timeline(scene(("silence", 8)), vad=vad)
        assert {(w.label, w.rating, w.smoothed) for w in timeline.windows} == {
            (SILENCE, None, None)
        }
        assert labels(timeline) == [(SILENCE, 0.0, 8.0)]
        assert system.heard == []
        summary = timeline.summary()
        assert (summary.speech, summary.silence, summary.rating) == (0.0, 8.0, None)
        assert summary.shares == {}


def test_a_window_that_the_system_fails_on_is_not_rated_and_the_others_are() -> None:
    system = PitchSystem(fails_on=round(0.8 * RATE))
    turns = [Turn(start=0.0, end=4.0, speaker="Ann"), Turn(start=4.0, end=4.8, speaker="Bob")]
    timeline = listener(system).timeline(LONG, turns=turns)
    assert {w.label for w in timeline.windows if w.speaker == "Ann"} == {"sadness"}
    (window,) = (w for w in timeline.windows if w.speaker == "Bob")
    assert (window.label, window.rating) == (NOT_RATED, None)
    assert "no memory left" in window.notes[-1]
    assert timeline.segments[-1].label == NOT_RATED


def test_clipping_is_noted_where_it_is() -> None:
    sound = scene(("joy", 12))
    sound[6 * RATE : 7 * RATE] = np.sign(sound[6 * RATE : 7 * RATE])
    timeline = listener().timeline(sound)
    noted = {w.start for w in timeline.windows if "clipped" in w.notes}
    assert noted == {4.0, 5.0, 6.0}


def test_affect_is_rated_too() -> None:
    system = serkit.systems.emosphere.EmoSphere(serkit.systems.emosphere.Config())
    timeline = Predictor(systems=(system,), rater="emosphere").timeline(LONG[: 14 * RATE])
    assert [label for label, _, _ in labels(timeline)] == [SPEECH, SILENCE, SPEECH]
    assert timeline.emotions == ()
    spoken = [window for window in timeline.windows if window.rating is not None]
    assert all(set(window.smoothed.affect) == set(timeline.affect) for window in spoken)
    assert set(timeline.summary().rating.affect) == {"arousal", "valence", "dominance"}


# -- smoothing --------------------------------------------------------------------------------


@pytest.mark.parametrize(("smooth", "reach"), [(0.0, 0), (1.9, 0), (2.0, 1), (5.0, 2)])
def test_ratings_are_averaged_by_seconds_of_speech(smooth: float, reach: int) -> None:
    windows = listener().timeline(LONG, smooth=smooth).windows
    for place, window in enumerate(windows):
        if window.rating is None:
            continue
        near = [w for w in windows[max(0, place - reach) : place + reach + 1] if w.rating]
        total = sum(w.speech for w in near)
        for emotion in EMOTIONS:
            expected = sum(w.rating.emotion[emotion] * w.speech for w in near) / total
            assert window.smoothed.emotion[emotion] == pytest.approx(expected)


def test_without_smoothing_the_label_is_the_most_probable_emotion() -> None:
    for window in listener().timeline(LONG, smooth=0.0).windows:
        assert window.label == (window.rating.top if window.rating else SILENCE)
        assert window.smoothed == window.rating


def test_two_emotions_of_nearly_equal_probability_do_not_take_turns() -> None:
    def mixed(part: float) -> np.ndarray:
        return np.sqrt(part) * voice.tone("joy", 1) + np.sqrt(1 - part) * voice.tone("anger", 1)

    parts = [0.9, 0.9, *[0.48, 0.52] * 6, 0.2, 0.2, 0.2, *[0.48, 0.52] * 6]
    sound = np.concatenate([mixed(part) for part in parts])
    steady = listener().timeline(sound, window=1.0, hop=1.0, smooth=2.0)
    assert [label for label, _, _ in labels(steady)] == ["joy", "anger"]
    nervous = listener().timeline(sound, window=1.0, hop=1.0, smooth=0.0)
    assert len(nervous.segments) > 20


def test_a_sliver_of_an_emotion_joins_the_speech_around_it() -> None:
    sound = scene(("joy", 6.2), ("anger", 1.5), ("silence", 2), ("sadness", 5))
    assert [label for label, _, _ in labels(listener().timeline(sound, window=1.0, hop=0.2))] == [
        "joy", "anger", SILENCE, "sadness"
    ]  # fmt: skip
    timeline = listener().timeline(sound[: round(6.5 * RATE)], window=0.2, hop=0.2, smooth=0.0)
    assert timeline.windows[-1].label == "anger"
    assert labels(timeline) == [("joy", 0.0, 6.5)]


# -- segments ---------------------------------------------------------------------------------


def test_segments_say_what_was_played_and_when() -> None:
    found = labels(listener().timeline(LONG))
    assert [label for label, _, _ in found] == ["sadness", SILENCE, "anger", SILENCE, "joy"]
    for (_, start, end), (first, last) in zip(
        found, [(0, 8), (8, 12), (12, 21), (21, 23), (23, 28.3)], strict=True
    ):
        assert start == pytest.approx(first, abs=0.2)
        assert end == pytest.approx(last, abs=0.2)


def test_a_change_within_speech_is_found_within_a_hop() -> None:
    timeline = listener().timeline(scene(("joy", 10), ("sadness", 10)), smooth=0.0)
    before, after = timeline.segments
    assert (before.label, after.label) == ("joy", "sadness")
    assert before.end == pytest.approx(10.0, abs=1.0)


@settings(max_examples=25)
@given(
    parts=st.lists(
        st.tuples(st.sampled_from((*EMOTIONS, SILENCE)), st.floats(0.05, 4)), min_size=1, max_size=6
    ),
    window=st.sampled_from([0.5, 1.0, 3.0]),
    overlap=st.sampled_from([1.0, 2.0, 3.3]),
    smooth=st.sampled_from([0.0, 2.0, 4.0]),
)
def test_segments_tile_the_recording_and_agree_with_the_windows(
    parts: list[tuple[str, float]], window: float, overlap: float, smooth: float
) -> None:
    timeline = listener().timeline(scene(*parts), window=window, hop=window / overlap,
                                   smooth=smooth)  # fmt: skip
    segments = timeline.segments
    assert segments[0].start == 0.0
    assert segments[-1].end == timeline.duration
    assert all(one.end == after.start and one.label != after.label
               for one, after in pairwise(segments))  # fmt: skip
    assert all(one.duration > 0 for one in segments)
    for one in segments:
        assert (one.rating is None) == (one.label in (SILENCE, NOT_RATED))
        if one.rating is not None:
            assert sum(one.rating.emotion.values()) == pytest.approx(1.0)
    summary = timeline.summary()
    assert summary.speech + summary.silence == pytest.approx(timeline.duration)
    assert sum(end - start for start, end in timeline.speech) == pytest.approx(summary.speech)
    said = {w.label for w in timeline.windows} | {SILENCE}
    assert {one.label for one in segments} <= said


def test_the_summary_weighs_windows_by_their_speech() -> None:
    timeline = listener().timeline(LONG)
    summary = timeline.summary()
    rated = [window for window in timeline.windows if window.rating is not None]
    total = sum(window.speech for window in rated)
    for emotion in EMOTIONS:
        expected = sum(w.rating.emotion[emotion] * w.speech for w in rated) / total
        assert summary.rating.emotion[emotion] == pytest.approx(expected)
    assert next(iter(summary.by_label)) == "anger"
    assert sum(summary.shares.values()) == pytest.approx(1.0)


# -- turns ------------------------------------------------------------------------------------

TURNS = [
    Turn(start=12.5, end=20.0, speaker="Bob"),
    Turn(start=0.5, end=7.9, speaker="Ann"),
    Turn(start=18.0, end=20.5, speaker="Ann"),
    Turn(start=23.2, end=40.0, speaker="Cleo"),
    Turn(start=50.0, end=60.0, speaker="Bob"),
]


def test_windows_never_cross_a_turn() -> None:
    timeline = listener().timeline(LONG, turns=TURNS)
    assert timeline.speakers == ("Ann", "Bob", "Cleo")
    for window in timeline.windows:
        assert any(
            turn.speaker == window.speaker
            and turn.start <= window.start < window.end <= min(turn.end, timeline.duration)
            for turn in TURNS
        )
    assert timeline.notes == ("1 turns begin after its end and were left out",)


def test_each_turn_is_heard_as_a_recording_of_its_own() -> None:
    timeline = listener().timeline(LONG, turns=TURNS, vad="none")
    turn = TURNS[0]
    alone = listener().timeline(LONG[round(turn.start * RATE) : round(turn.end * RATE)], vad="none")
    in_company = [w for w in timeline.windows if w.speaker == "Bob"]
    assert len(in_company) == len(alone.windows)
    for one, other in zip(in_company, alone.windows, strict=True):
        assert one.start == pytest.approx(turn.start + other.start)
        assert one.label == other.label
        assert one.smoothed.emotion == pytest.approx(other.smoothed.emotion)


def test_every_speaker_has_a_summary() -> None:
    timeline = listener().timeline(LONG, turns=TURNS)
    assert timeline.summary("Ann").rating.top == "sadness"
    assert timeline.summary("Bob").rating.top == "anger"
    assert timeline.summary("Cleo").rating.top == "joy"
    assert timeline.summary("Cleo").speech == pytest.approx(5.1, abs=0.1)
    with pytest.raises(TimelineError, match=r"Dora has no turn in waveform; .* Ann, Bob, Cleo"):
        _ = timeline.summary("Dora")


def test_segments_tile_each_turn() -> None:
    timeline = listener().timeline(LONG, turns=TURNS)
    for turn in TURNS[:3]:
        inside = [
            one
            for one in timeline.segments
            if one.speaker == turn.speaker and turn.start <= one.start < turn.end
        ]
        assert (inside[0].start, inside[-1].end) == (turn.start, turn.end)
        assert all(one.end == after.start for one, after in pairwise(inside))


def test_turns_of_another_recording_are_refused() -> None:
    turns = [Turn(start=100.0, end=120.0, speaker="Ann")]
    with pytest.raises(TimelineError, match=r"after the end of waveform, at 28\.30 s: do they"):
        _ = listener().timeline(LONG, turns=turns)


# -- files, memory, progress ------------------------------------------------------------------


@pytest.mark.parametrize("rate", [8000, 44100])
def test_a_file_is_heard_as_its_samples_are(tmp_path: Path, rate: int) -> None:
    sound = scene(("sadness", 4), ("silence", 2), ("joy", 3), rate=rate)
    soundfile.write(tmp_path / "call.wav", sound, rate, subtype="FLOAT")
    of_file = listener().timeline(tmp_path / "call.wav")
    of_samples = listener().timeline(sound, sample_rate=rate)
    assert of_file.windows == of_samples.windows
    assert of_file.segments == of_samples.segments
    assert of_file.file == str(tmp_path / "call.wav")


def test_windows_are_rated_in_batches() -> None:
    system = PitchSystem()
    timeline = listener(system).timeline(scene(("joy", 100)), batch=8)
    assert max(len(batch) for batch in system.heard) == 8
    assert sum(len(batch) for batch in system.heard) == len(timeline.windows) == 98
    assert len(system.heard) <= 98 / 8 + 4


def test_memory_does_not_grow_with_the_samples(tmp_path: Path) -> None:
    peaks: list[int] = []
    for minutes in (1, 3):
        file = tmp_path / f"{minutes}.wav"
        soundfile.write(file, np.tile(LONG[: 20 * RATE], 3 * minutes), RATE)
        tracemalloc.start()
        _ = listener().timeline(file, window=10.0, hop=10.0)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    samples = 4 * RATE * 60 * 2  # of the two minutes more
    assert peaks[1] - peaks[0] < 0.2 * samples


def test_progress_tells_the_seconds_heard() -> None:
    told: list[float] = []
    _ = listener().timeline(scene(("joy", 70)), progress=told.append)
    assert told == [30.0, 60.0, 70.0]


def test_a_missing_file_is_an_error_as_ever() -> None:
    with pytest.raises(MissingAudioError, match="no such file"):
        _ = listener().timeline("nobody.wav")
    with pytest.raises(ValueError, match="sample_rate=8000 was given with the file"):
        _ = listener().timeline("nobody.wav", sample_rate=8000)


@pytest.mark.parametrize(
    ("times", "message"),
    [
        ({"window": 0.05}, r"window=0\.05 s must be at least 0\.1 s"),
        ({"hop": 0.0}, "hop=0 s must lie between"),
        ({"hop": 3.5}, r"hop=3\.5 s must lie between 0\.01 s and the window, 3 s"),
        ({"smooth": -1.0}, "smooth=-1 s must be 0 or more"),
        ({"batch": 0}, "batch=0 must be 1 or more"),
        ({"vad": "webrtc"}, "no speech detector 'webrtc'"),
    ],
)
def test_times_that_do_not_fit_are_refused(times: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        _ = listener().timeline(LONG, **times)


# -- the picture ------------------------------------------------------------------------------


@pytest.mark.parametrize("turns", [None, TURNS])
def test_the_picture_shows_waveform_labels_and_values(turns: list[Turn] | None) -> None:
    timeline = listener().timeline(LONG, turns=turns)
    picture = timeline.picture()
    above, middle, below = picture.canvas.axes
    shown = [text.get_text() for text in middle.get_yticklabels()]
    assert shown == (["label"] if turns is None else ["Ann", "Bob", "Cleo"])
    assert len(below.get_lines()) == len(EMOTIONS) * (1 if turns is None else 4)
    assert above.get_title(loc="left") == "waveform"
    assert below.get_xlim() == (0, pytest.approx(28.3))
    assert picture.drawn("png")[:8] == b"\x89PNG\r\n\x1a\n"
    assert "28.3 s; of its speech: anger" in picture.alt or turns


def test_an_empty_timeline_has_a_picture_too() -> None:
    timeline = listener().timeline(scene(("silence", 1)))
    assert len(io.BytesIO(timeline.picture().drawn("svg")).getvalue()) > 1000


def test_the_envelope_is_the_peak_of_each_twentieth_of_a_second() -> None:
    timeline = listener().timeline(LONG)
    expected = np.abs(LONG[: len(LONG) // 800 * 800]).reshape(-1, 800).max(axis=1)
    np.testing.assert_array_equal(timeline.envelope[: len(expected)], expected)
    assert len(timeline.envelope) == -(-len(LONG) // 800)


def test_a_segment_knows_its_duration() -> None:
    assert Segment(start=1.0, end=2.5, label="joy").duration == 1.5
