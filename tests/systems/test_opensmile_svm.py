import sys

import numpy as np
import pytest
import torch
from safetensors.torch import load, save

from serkit.corpus import MissingExtraError
from serkit.features import functionals as room
from serkit.systems import SYSTEMS, System
from serkit.systems import opensmile_svm as module
from serkit.systems.opensmile_svm import Config, OpenSmileSVM

RATE = 16000
EMOTIONS = ("sadness", "anger", "neutral")  # on purpose not in alphabetical order
PITCH = {"sadness": 110.0, "anger": 330.0, "neutral": 190.0}
LEVEL = {"sadness": 0.02, "anger": 0.15, "neutral": 0.06}


def voice(emotion: str, *, speaker: int = 0, seconds: float = 0.4) -> np.ndarray:
    """A harmonic tone; the emotion decides pitch and level, the speaker a small detune."""
    time = np.arange(round(seconds * RATE)) / RATE
    pitch = PITCH[emotion] * (1 + 0.02 * speaker)
    tone = sum(np.sin(2 * np.pi * pitch * k * time) / k for k in range(1, 6)) * LEVEL[emotion]
    tone += 0.001 * np.random.default_rng(speaker).normal(size=len(time))
    return tone.astype(np.float32)


def fitted(
    emotions: tuple[str, ...] = EMOTIONS, *, feature_set="eGeMAPSv02", speakers=(0, 2, 4, 6)
) -> OpenSmileSVM:
    system = OpenSmileSVM(Config(emotions=emotions, feature_set=feature_set))
    pairs = [(voice(e, speaker=s), emotions.index(e)) for s in speakers for e in emotions]
    system.prepare([waveform for waveform, _ in pairs], [emotion for _, emotion in pairs])
    return system


@pytest.fixture(scope="module")
def system() -> OpenSmileSVM:
    return fitted()


def unheard() -> tuple[list[np.ndarray], list[int]]:
    pairs = [(voice(e, speaker=s), i) for s in (1, 3, 5) for i, e in enumerate(EMOTIONS)]
    return [waveform for waveform, _ in pairs], [emotion for _, emotion in pairs]


def padded(waveforms: list[np.ndarray], *, extra: int = 0, fill: float = 0.0):
    lengths = torch.tensor([len(waveform) for waveform in waveforms])
    batch = torch.full((len(waveforms), int(lengths.max()) + extra), fill)
    for row, waveform in zip(batch, waveforms, strict=True):
        row[: len(waveform)] = torch.from_numpy(waveform)
    return batch, lengths


def test_it_is_a_system_and_has_its_line():
    assert SYSTEMS["opensmile_svm"] is OpenSmileSVM
    assert isinstance(OpenSmileSVM(Config(emotions=EMOTIONS)), System)
    assert OpenSmileSVM.Config is Config
    assert not OpenSmileSVM.trained_by_gradient


@pytest.mark.parametrize("feature_set", ["eGeMAPSv02", "ComParE_2016"])
def test_voices_of_unheard_speakers_are_told_apart(feature_set):
    waveforms, emotions = unheard()
    posterior = fitted(feature_set=feature_set).posterior(waveforms)
    assert posterior.argmax(1).tolist() == emotions
    torch.testing.assert_close(posterior.sum(1), torch.ones(len(waveforms)))


def test_logits_are_in_the_order_of_the_emotions_given():
    waveforms, _ = unheard()
    turned = tuple(reversed(EMOTIONS))
    torch.testing.assert_close(
        fitted(turned).posterior(waveforms),
        fitted().posterior(waveforms).flip(1),
        atol=2e-4,  # liblinear visits utterances in an order of its own
        rtol=0,
    )


def test_logits_are_the_decision_values_of_scikit_learn(system):
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import LinearSVC

    complexity = module.COMPLEXITY["eGeMAPSv02"]
    training = [voice(e, speaker=s) for s in (0, 2, 4, 6) for e in EMOTIONS]
    heard = np.stack([room.functionals(w, RATE, "eGeMAPSv02") for w in training]).astype(float)
    machine = make_pipeline(
        StandardScaler(), LinearSVC(C=complexity, tol=1e-8, max_iter=10**6, random_state=0)
    ).fit(heard, [index for _ in range(4) for index in range(len(EMOTIONS))])
    waveforms, _ = unheard()
    tested = np.stack([room.functionals(w, RATE, "eGeMAPSv02") for w in waveforms]).astype(float)
    np.testing.assert_allclose(
        system(*padded(waveforms)).numpy(), machine.decision_function(tested), atol=2e-3
    )


def test_two_emotions_have_opposite_logits():
    logits = fitted(("sadness", "anger"))(*padded([voice("anger", speaker=5)]))
    torch.testing.assert_close(logits[:, 0], -logits[:, 1])
    assert logits.argmax() == 1


@pytest.mark.parametrize("extra", [1, 159, 16000])
@pytest.mark.parametrize("fill", [0.0, 0.5])
def test_padding_is_never_heard(system, extra, fill):
    alone = system(*padded([voice("anger")]))
    torch.testing.assert_close(system(*padded([voice("anger")], extra=extra, fill=fill)), alone)


def test_an_utterance_is_heard_the_same_among_others(system):
    waveforms = [voice(e, seconds=s) for e, s in zip(EMOTIONS, (0.2, 0.5, 0.3), strict=True)]
    together = system(*padded(waveforms))
    alone = torch.cat([system(*padded([waveform])) for waveform in waveforms])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=0)
    torch.testing.assert_close(system.posterior(waveforms), together.softmax(1))


def test_state_is_complete_saved_and_loaded_it_answers_bit_for_bit(system):
    other = OpenSmileSVM(system.config)
    other.load_state_dict(load(save(system.state_dict())))
    waveforms, _ = unheard()
    assert torch.equal(other.posterior(waveforms), system.posterior(waveforms))
    assert set(system.state_dict()) == {"mean", "scale", "coef", "intercept"}


def test_fitting_again_gives_the_same_machine(system):
    again = fitted()
    for name, value in system.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name


def test_preparing_anew_forgets_what_was_learnt_before(system):
    other = fitted(speakers=range(2, 6))
    pairs = [(voice(e, speaker=s), i) for s in (0, 2, 4, 6) for i, e in enumerate(EMOTIONS)]
    other.prepare([waveform for waveform, _ in pairs], [emotion for _, emotion in pairs])
    assert torch.equal(other.coef, system.coef)


def test_before_it_is_prepared_all_emotions_are_equally_probable():
    posterior = OpenSmileSVM(Config(emotions=EMOTIONS, feature_set="eGeMAPSv02")).posterior(
        [voice("anger")]
    )
    torch.testing.assert_close(posterior, torch.full((1, 3), 1 / 3))


def given(monkeypatch, rows: np.ndarray) -> list[np.ndarray]:
    """Let the functionals of a waveform [i] be row i; returns those waveforms."""
    monkeypatch.setitem(room.NUM_FUNCTIONALS, "eGeMAPSv02", rows.shape[1])
    monkeypatch.setattr(room, "functionals", lambda waveform, rate, name: rows[int(waveform[0])])
    return [np.array([i], dtype=np.float32) for i in range(len(rows))]


def test_a_functional_that_never_varies_in_training_is_not_listened_to(monkeypatch):
    rows = np.array([[1, 1e8], [2, 1e8], [9, 1e8], [8, 1e8], [1, -5]], dtype=np.float32)
    waveforms = given(monkeypatch, rows)
    system = OpenSmileSVM(Config(emotions=("sadness", "anger"), feature_set="eGeMAPSv02"))
    system.prepare(waveforms[:4], [0, 0, 1, 1])
    assert system.scale[1] == 1
    assert (system.coef[:, 1] == 0).all()
    assert torch.equal(system.posterior(waveforms[:1]), system.posterior(waveforms[4:]))


def test_a_functional_that_is_not_finite_counts_as_average(monkeypatch):
    rows = np.array([[1, 0], [2, np.nan], [9, 1], [8, 2], [2, 1], [2, np.inf]], dtype=np.float32)
    waveforms = given(monkeypatch, rows)
    system = OpenSmileSVM(Config(emotions=("sadness", "anger"), feature_set="eGeMAPSv02"))
    system.prepare(waveforms[:4], [0, 0, 1, 1])
    assert system.mean.tolist() == [5, 1]  # of the values that are there
    nan, average, infinite = system.posterior([waveforms[i] for i in (1, 4, 5)])
    assert torch.equal(nan, average)
    assert torch.equal(infinite, average)


def test_balanced_weights_listen_to_the_rare_emotion(monkeypatch):
    rows = np.array([[0], [0], [0], [0], [0], [0], [2], [0], [2]], dtype=np.float32)
    waveforms = given(monkeypatch, rows)
    emotions = [0, 0, 0, 0, 0, 0, 1, 1, 0]
    rare: dict[str, float] = {}
    for class_weight in ("none", "balanced"):
        system = OpenSmileSVM(
            Config(
                emotions=("sadness", "anger"), feature_set="eGeMAPSv02", class_weight=class_weight
            )
        )
        system.prepare(waveforms, emotions)
        rare[class_weight] = system.posterior(waveforms[:1])[0, 1].item()
    assert rare["balanced"] > rare["none"]


def test_an_emotion_never_heard_in_training_is_never_predicted():
    system = OpenSmileSVM(Config(emotions=("fear", *EMOTIONS), feature_set="eGeMAPSv02"))
    pairs = [(voice(e, speaker=s), i + 1) for s in range(3) for i, e in enumerate(EMOTIONS)]
    system.prepare([waveform for waveform, _ in pairs], [emotion for _, emotion in pairs])
    posterior = system.posterior([voice(e, speaker=5) for e in EMOTIONS])
    assert posterior.argmax(1).tolist() == [1, 2, 3]
    assert (posterior[:, 0] < 1e-30).all()


def test_one_emotion_alone_cannot_be_separated():
    system = OpenSmileSVM(Config(emotions=EMOTIONS, feature_set="eGeMAPSv02"))
    with pytest.raises(ValueError, match=r"two emotions or more.*'anger'"):
        system.prepare([voice("anger"), voice("anger", speaker=1)], [1, 1])


def test_every_waveform_needs_its_emotion():
    system = OpenSmileSVM(Config(emotions=EMOTIONS, feature_set="eGeMAPSv02"))
    with pytest.raises(ValueError, match="1 waveforms but 2 emotions"):
        system.prepare([voice("anger")], [1, 0])


def test_it_has_no_objective_and_says_what_to_do_instead(system):
    logits = system(*padded([voice("anger")]))
    with pytest.raises(NotImplementedError, match=r"not trained by gradient.*prepare"):
        system.objective(logits, torch.zeros(1, 3))


def test_the_whole_utterance_is_heard(system):
    assert system.cuts(12345, np.random.default_rng(0)) == [(0, 12345)]


def test_the_front_end_names_the_feature_set(system):
    assert system.front_end()["feature_set"] == "eGeMAPSv02"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"emotions": ("anger",)}, "two or more"),
        ({"emotions": ("anger", "anger")}, "different"),
        ({"emotions": EMOTIONS, "complexity": 0.0}, r"0\.0 must be above 0"),
    ],
)
def test_settings_that_make_no_machine_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        Config(**settings)


def test_without_the_extra_the_error_says_what_to_install_and_its_licence(monkeypatch):
    room.MEMORY_OF_FUNCTIONALS.forget()
    room._smile.cache_clear()
    monkeypatch.setitem(sys.modules, "opensmile", None)
    system = OpenSmileSVM(Config(emotions=EMOTIONS))
    with pytest.raises(MissingExtraError, match=r"pip install 'serkit\[opensmile\]'.*non-commerc"):
        system.posterior([voice("anger", seconds=0.1)])
