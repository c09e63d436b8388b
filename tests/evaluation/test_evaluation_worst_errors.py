import io

import numpy as np
import pytest
import soundfile

from serkit.evaluation import AffectPrediction, Prediction
from serkit.evaluation.worst_errors import (
    LARGEST_SOUND,
    error_table,
    flac_of,
    furthest_table,
    sound_uri,
    worst_errors,
)


def row(file, emotion, anger, seed=0) -> Prediction:
    return Prediction.of(
        seed=seed, fold="one", file=file, speaker="tones/7", emotion=emotion,
        emotions=("anger", "sadness"), probabilities=[anger, 1 - anger],
    )  # fmt: skip


def test_the_surest_error_comes_first_and_what_was_right_is_left_out():
    rows = [
        row("right", "anger", 0.99), row("sure", "sadness", 0.9), row("surest", "anger", 0.01),
        row("unsure", "sadness", 0.6),
    ]  # fmt: skip
    errors = worst_errors(rows)
    assert [error.file for error in errors] == ["surest", "sure", "unsure"]
    assert (errors[0].predicted, errors[0].confidence, errors[0].probability) == (
        "sadness", 0.99, 0.01
    )  # fmt: skip
    assert worst_errors(list(reversed(rows))) == errors
    assert worst_errors(rows, number=1) == errors[:1]


def test_what_all_seeds_get_wrong_is_worse_than_what_one_does():
    rows = [
        row("one", "sadness", 1.0, seed=0), row("one", "sadness", 0.1, seed=1),
        row("both", "sadness", 0.7, seed=0), row("both", "sadness", 0.8, seed=1),
    ]  # fmt: skip
    errors = worst_errors(rows)
    assert [(error.file, error.confidence) for error in errors] == [("both", 0.75), ("one", 0.55)]
    assert "mean over 2 seeds" in error_table(errors, seeds=2).caption


def test_a_recording_is_only_made_for_an_error_that_is_listed():
    errors = worst_errors([row("wrong", "sadness", 0.9), row("silent", "sadness", 0.8)])
    table = error_table(errors, {"wrong": lambda: b"RIFF....", "right": lambda: 1 / 0})
    assert table.sounds == (sound_uri(b"RIFF...."), None)
    assert table.sounds[0].startswith("data:audio/wav;base64,")
    assert "licence of the corpus" in table.note
    assert error_table(errors).sounds == ()


def test_a_recording_too_long_for_a_page_is_left_out_and_named():
    errors = worst_errors([row("long", "sadness", 0.9), row("short", "sadness", 0.8)])
    long = b"fLaC" + bytes(LARGEST_SOUND)
    table = error_table(errors, {"long": long, "short": b"fLaC"})
    assert [sound is None for sound in table.sounds] == [True, False]
    assert "too long: long" in table.note


def test_what_no_browser_plays_is_refused():
    with pytest.raises(ValueError, match=r"begins with b'\.snd' is none of .*use|encode it"):
        sound_uri(b".snd....")


def test_samples_survive_encoding_and_loud_ones_are_clipped():
    samples = np.array([0.0, 0.5, -0.5, 2.0, -2.0] * 400)
    decoded, rate = soundfile.read(io.BytesIO(flac_of(samples, 16_000)))
    assert rate == 16_000
    np.testing.assert_allclose(decoded, np.clip(samples, -1, 1), atol=1 / 2**15)


def test_affect_that_is_furthest_from_its_rating_comes_first():
    rows = [
        AffectPrediction.of(
            seed=seed, fold="1", file=file, speaker="s", reference={"arousal": 0.5, "valence": 0.5},
            predicted={"arousal": 0.5 + 0.3 * far, "valence": 0.5 + 0.4 * far * (1 - 2 * seed)},
        )
        for seed in (0, 1)
        for file, far in (("near", 0.1), ("far", 1.0))
    ]  # fmt: skip
    table = furthest_table(rows[:2])
    assert [row[0] for row in table.rows] == ["far", "near"]
    assert table.rows[0] == ("far", "s", "0.50 → 0.80", "0.50 → 0.90", "0.500")
    # over both seeds valence is right on average
    assert furthest_table(rows, number=1).rows == (
        ("far", "s", "0.50 → 0.80", "0.50 → 0.50", "0.300"),
    )
