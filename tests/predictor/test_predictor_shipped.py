"""The recogniser that comes with serkit, and calibrated listeners in general."""

import csv
import io
import json
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
import voice
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax
from typer.testing import CliRunner, Result
from voice import EMOTIONS, RATE, listener, scene

import serkit
from serkit.cli import app
from serkit.corpus import Rating, load
from serkit.evaluation import Temperature, sure_above
from serkit.predictor import NOT_SURE, SHIPPED, SILENCE, Predictor
from serkit.systems.crnn import CRNN, Config
from serkit.trainer import checkpoint

HALF = scene(("joy", 3)) + scene(("anger", 3))
"""Two emotions of equal probability."""


def calibrated(*, temperature: float = 1.0, sure_above: float = 0.6) -> Predictor:
    """The listener whose answers can be computed by hand, and who may be unsure."""
    return Predictor(
        systems=(voice.PitchSystem(),),
        rater="pitch",
        temperature=Temperature(value=temperature),
        sure_above=sure_above,
    )


def run(*words: str | Path) -> Result:
    """What the command line says, without folding lines."""
    return CliRunner().invoke(app, [str(word) for word in words], env={"COLUMNS": "300"})


# -- calibration ------------------------------------------------------------------------------


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_probabilities_are_those_of_the_system_at_the_temperature(temperature: float) -> None:
    sound = scene(("joy", 1)) + 0.5 * scene(("anger", 1))
    plain = np.array([*listener().predict(sound).emotion.values()])
    found = calibrated(temperature=temperature).predict(sound).emotion
    assert [*found.values()] == pytest.approx(softmax(np.log(plain) / temperature).tolist())


def test_a_batch_says_what_one_recording_says(tmp_path: Path) -> None:
    import soundfile

    unsure = calibrated(temperature=2.0)
    paths = [tmp_path / f"{place}.wav" for place in range(5)]
    for place, path in enumerate(paths):
        mixed = scene(("joy", 1 + place / 3)) * place / 5 + scene(("anger", 1 + place / 3)) / 2
        soundfile.write(path, mixed, RATE, subtype="FLOAT")
    outcomes = list(unsure.predict_all(paths, batch=2))
    for path, outcome in zip(paths, outcomes, strict=True):
        alone = unsure.predict(path)
        assert outcome.rating.emotion == pytest.approx(alone.emotion)
        assert (NOT_SURE in outcome.notes) == (not unsure.is_sure(alone))
        assert unsure.is_sure(alone) == (max(alone.emotion.values()) >= 0.6)
    assert len({NOT_SURE in outcome.notes for outcome in outcomes}) == 2


def test_of_two_emotions_alike_none_is_named() -> None:
    outcome = calibrated().timeline(HALF)
    assert {window.label for window in outcome.windows} == {NOT_SURE}
    assert {segment.label for segment in outcome.segments} == {NOT_SURE}
    assert {w.label for w in listener().timeline(HALF).windows} <= set(EMOTIONS)


@settings(max_examples=10)
@given(cuts=st.lists(st.integers(0, 10 * RATE), max_size=8), smooth=st.sampled_from([0.0, 2.0]))
def test_a_stream_says_what_the_timeline_says(cuts: list[int], smooth: float) -> None:
    sound = np.concatenate([scene(("joy", 3)), HALF, scene(("silence", 1), ("anger", 3))])
    unsure = calibrated(temperature=1.5)
    timeline = unsure.timeline(sound, smooth=smooth)
    assert {one.label for one in timeline.segments} == {"joy", NOT_SURE, SILENCE, "anger"}
    stream = unsure.stream(smooth=smooth)
    updates = [stream.feed(part) for part in np.split(sound, sorted(cuts))] + [stream.finish()]
    said = [window.label for update in updates for window in update.windows]
    assert said == [window.label for window in timeline.windows]


@pytest.mark.parametrize("smooth", [0.0, 2.0])
def test_what_is_named_is_as_probable_as_it_must_be(smooth: float) -> None:
    sound = np.concatenate([scene(("joy", 4)), HALF, scene(("anger", 4))])
    for window in calibrated().timeline(sound, smooth=smooth).windows:
        if window.label == NOT_SURE:
            assert min(window.smoothed.emotion[e] for e in EMOTIONS) < 0.6
        else:
            assert window.smoothed.emotion[window.label] >= 0.6


def test_every_format_can_say_not_sure() -> None:
    from serkit.predictor.annotation import FORMATS, encode

    timeline = calibrated().timeline(HALF)
    for form in FORMATS:
        written = encode(timeline, form)
        assert form == "parquet" or b"not" in written, form
    assert timeline.picture().drawn("png").startswith(b"\x89PNG")


def test_affect_and_enrolled_emotions_are_always_sure() -> None:
    unsure = calibrated(sure_above=0.99)
    assert unsure.is_sure(Rating(rater="pitch", affect={"valence": 0.5}))
    assert unsure.is_sure(Rating(rater="pitch", emotion={"tired": 0.5, "none of these": 0.5}))
    assert not unsure.is_sure(Rating(rater="pitch", emotion=dict.fromkeys(EMOTIONS, 1 / 3)))


def test_another_calibration_is_another_listener() -> None:
    system = CRNN(Config(emotions=("anger", "joy"), size="small"))
    marks = {
        Predictor(systems=(system,), rater="crnn", temperature=t, sure_above=p).fingerprint
        for t, p in ((None, 0.0), (Temperature(value=2.0), 0.0), (Temperature(value=2.0), 0.5))
    }
    assert len(marks) == 3


def test_a_card_brings_its_calibration_to_one_model_and_not_to_a_mean(tmp_path: Path) -> None:
    system = CRNN(Config(emotions=("anger", "joy"), size="small"))
    card = {"calibration": {"temperature": 2.0, "sure_above": 0.9}}
    for fold in ("fold-1", "fold-2"):
        _ = checkpoint.save(system, tmp_path / fold, card=card)
    one = serkit.load(tmp_path / "fold-1")
    assert (one.temperature, one.sure_above) == (Temperature(value=2.0), 0.9)
    both = serkit.load(tmp_path)
    assert (both.temperature, both.sure_above) == (None, 0.0)


def test_the_command_line_says_not_sure_and_keeps_the_probabilities(tmp_path: Path) -> None:
    import soundfile

    model = tmp_path / "model"
    system = CRNN(Config(emotions=("anger", "joy"), size="small"))
    _ = checkpoint.save(system, model, card={"calibration": {"sure_above": 0.999}})
    call = tmp_path / "call.wav"
    soundfile.write(call, scene(("joy", 4)), RATE)
    (row,) = csv.DictReader(
        io.StringIO(run("predict", call, "--model", model, "--format", "csv").stdout)
    )
    assert (row["emotion"], row["notes"]) == (NOT_SURE, NOT_SURE)
    assert float(row["probability_anger"]) + float(row["probability_joy"]) == pytest.approx(1.0)
    assert run("predict", call, "--model", model).stdout.count(NOT_SURE) == 1
    assert NOT_SURE in run("timeline", call, "--model", model).stdout
    assert NOT_SURE in run("listen", "--fast", "--replay", call, "--model", model).stdout


# -- when to be sure --------------------------------------------------------------------------


@settings(max_examples=50)
@given(
    st.lists(st.tuples(st.floats(0.5, 1.0), st.booleans()), min_size=1, max_size=30),
    st.sampled_from([0.5, 0.75, 1.0]),
)
def test_the_threshold_is_the_lowest_that_is_right_often_enough(
    answers: list[tuple[float, bool]], accuracy: float
) -> None:
    probabilities = np.array([[share, 1 - share] for share, _ in answers])
    reference = np.array([0 if right else 1 for _, right in answers])
    right = probabilities.argmax(axis=1) == reference
    tops = probabilities.max(axis=1)
    shares = {top: right[tops >= top].mean() for top in tops.tolist()}
    good = [top for top, share in shares.items() if share >= accuracy]
    if good:
        assert sure_above(probabilities, reference, accuracy=accuracy) == min(good)
    else:
        with pytest.raises(ValueError, match="no part that the system is surest of"):
            _ = sure_above(probabilities, reference, accuracy=accuracy)


# -- the model that comes with serkit ---------------------------------------------------------


def test_it_is_in_the_package_small_and_licensed() -> None:
    folder = resources.files("serkit.predictor") / "shipped"
    sizes = {entry.name: len(entry.read_bytes()) for entry in folder.iterdir()}
    assert set(sizes) == {"config.json", "model.safetensors", "LICENSE"}
    assert sum(sizes.values()) < 5 * 10**6
    licence = (folder / "LICENSE").read_text(encoding="utf-8")
    for word in ("CC BY-NC-SA 4.0", "CC BY 4.0", "Livingstone", "Burkhardt"):
        assert word in licence
    card = json.loads((folder / "config.json").read_text(encoding="utf-8"))["card"]
    assert card["weights_licence"] == "CC BY-NC-SA 4.0"


def test_it_is_what_load_gives_without_a_path() -> None:
    shipped = serkit.load()
    assert shipped.folders == (str(SHIPPED),)
    assert shipped.emotions == ("anger", "disgust", "fear", "happiness", "neutral", "sadness")
    assert shipped.temperature is not None
    assert 1 / 6 < shipped.sure_above < 1


def test_it_hears_what_it_was_trained_on() -> None:
    corpus = load("excerpt").utterances
    outcomes = list(serkit.load().predict_all([utterance.path for utterance in corpus]))
    right = [
        outcome.rating.top == utterance.ratings[0].top
        for outcome, utterance in zip(outcomes, corpus, strict=True)
    ]
    assert np.mean(right) > 0.8
