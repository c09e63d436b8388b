"""The baseline for affect: what it learns, what it refuses, and whose machine it is."""

import numpy as np
import pytest
import torch
from sklearn.svm import SVR

from serkit.features.functionals import functionals
from serkit.systems.opensmile_svr import COMPLEXITIES, SAMPLE_RATE, Config, OpenSmileSVR, _held_out

pytest.importorskip("opensmile")


def tone(pitch: float, *, speaker: int = 0, seconds: float = 0.4) -> np.ndarray:
    """A buzz whose pitch is what the ratings go by, with a voice of its own and a little noise."""
    generator = np.random.default_rng([round(pitch), speaker])
    time = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    buzz = sum(np.sin(2 * np.pi * pitch * n * time) / n for n in range(1, 6 + speaker))
    return (0.1 * buzz + 0.002 * generator.normal(size=time.size)).astype(np.float32)


PITCHES = (110, 140, 170, 200, 230, 260)
SIDE = [(pitch, speaker) for speaker in range(4) for pitch in PITCHES]
WAVEFORMS = [tone(pitch, speaker=speaker) for pitch, speaker in SIDE]
AROUSAL = [(pitch - 110) / 200 + 0.1 for pitch, _ in SIDE]
VALENCE = [0.5 - 0.1 * (speaker - 1.5) for _, speaker in SIDE]
TARGETS = list(zip(AROUSAL, VALENCE, strict=True))
SPEAKERS = [f"s{speaker}" for _, speaker in SIDE]


def fitted(**settings) -> OpenSmileSVR:
    chosen = {"affect": ("arousal", "valence"), "feature_set": "eGeMAPSv02"} | settings
    system = OpenSmileSVR(Config(**chosen))
    system.prepare(WAVEFORMS, TARGETS, speakers=SPEAKERS)
    return system


def test_values_follow_what_the_ratings_go_by_for_a_speaker_it_never_heard():
    values = fitted().affect([tone(pitch, speaker=4) for pitch in (120, 190, 250)])[:, 0]
    assert values.diff().min() > 0.1


def test_before_training_every_value_is_the_middle_of_the_scale():
    system = OpenSmileSVR(Config(feature_set="eGeMAPSv02"))
    assert system.affect(WAVEFORMS[:2]).tolist() == [[0.5] * 3] * 2


def test_it_is_the_machine_of_scikit_learn_on_standardised_functionals_and_ratings():
    system = fitted(complexity=0.01)
    features = np.stack([functionals(w, SAMPLE_RATE, "eGeMAPSv02") for w in WAVEFORMS])
    features = features.astype(np.float64)
    spread = features.std(0)
    spread[spread <= 1e-6 * np.abs(features.mean(0))] = np.inf
    standard = (features - features.mean(0)) / spread
    ratings = np.asarray(AROUSAL)
    machine = SVR(kernel="linear", C=0.01, epsilon=0.1)
    machine.fit(standard, (ratings - ratings.mean()) / ratings.std())
    expected = machine.predict(standard) * ratings.std() + ratings.mean()
    np.testing.assert_allclose(system.affect(WAVEFORMS)[:, 0].numpy(), expected, atol=2e-3)


def test_complexity_is_chosen_for_each_dimension_and_kept_with_the_model():
    system = fitted()
    chosen = system.complexity.tolist()
    assert all(np.isclose(COMPLEXITIES, value, rtol=1e-3).any() for value in chosen)
    torch.testing.assert_close(fitted(complexity=0.5).complexity, torch.tensor([0.5, 0.5]))


def test_complexity_is_chosen_on_speakers_that_the_rest_does_not_hold():
    parts = _held_out(SPEAKERS, len(SPEAKERS))
    assert sorted(place for part in parts for place in part) == list(range(len(SPEAKERS)))
    for part in parts:
        inside = {SPEAKERS[place] for place in part}
        outside = {SPEAKERS[place] for place in set(range(len(SPEAKERS))) - set(part)}
        assert inside
        assert not inside & outside


def test_dimensions_are_learnt_apart_whatever_their_order():
    turned = OpenSmileSVR(Config(affect=("valence", "arousal"), feature_set="eGeMAPSv02"))
    turned.prepare(WAVEFORMS, [(v, a) for a, v in TARGETS], speakers=SPEAKERS)
    torch.testing.assert_close(turned.affect(WAVEFORMS).flip(1), fitted().affect(WAVEFORMS))


def test_a_value_outside_the_scale_is_not_cut_off():
    values = fitted(complexity=10.0).affect([tone(60, speaker=9), tone(900, speaker=9)])
    assert ((values < 0) | (values > 1)).any()


@pytest.mark.parametrize(
    ("targets", "speakers", "message"),
    [
        (TARGETS[:-1], SPEAKERS, r"ratings of shape \(23, 2\)"),
        ([(a,) for a in AROUSAL], SPEAKERS, r"ratings of shape \(24, 1\)"),
        ([(a, 0.5) for a in AROUSAL], SPEAKERS, "valence is the same in all"),
        (TARGETS, None, "speaker of every training utterance"),
        (TARGETS, ["one"] * 24, "two or more"),
        (TARGETS, [None, *SPEAKERS[1:]], "speaker of every training utterance"),
    ],
)
def test_what_cannot_be_learnt_from_is_refused(targets, speakers, message):
    system = OpenSmileSVR(Config(affect=("arousal", "valence"), feature_set="eGeMAPSv02"))
    with pytest.raises(ValueError, match=message):
        system.prepare(WAVEFORMS, targets, speakers=speakers)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"affect": ()}, "must be some of arousal"),
        ({"affect": ("arousal", "joy")}, "must be some of arousal"),
        ({"affect": ("arousal", "arousal")}, "names a dimension twice"),
        ({"complexity": 0.0}, "must be above 0"),
        ({"epsilon": -1.0}, "must not be below 0"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        Config(**settings)


def test_it_says_that_it_has_no_objective():
    with pytest.raises(NotImplementedError, match="prepare"):
        OpenSmileSVR(Config(feature_set="eGeMAPSv02")).objective(None, None)
