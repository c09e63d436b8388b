import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load, save
from torch import nn

from serkit.corpus import MissingExtraError
from serkit.features import functionals as room
from serkit.systems.opensmile_lda import Config, OpenSmileLDA, discriminants, principal_components

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


@pytest.fixture(scope="module")
def voices() -> OpenSmileLDA:
    """It has heard real functionals of four speakers."""
    system = OpenSmileLDA(Config(emotions=EMOTIONS))
    pairs = [(voice(e, speaker=s), i) for s in (0, 2, 4, 6) for i, e in enumerate(EMOTIONS)]
    system.prepare([waveform for waveform, _ in pairs], [emotion for _, emotion in pairs])
    return system


def padded(waveforms: list[np.ndarray], *, extra: int = 0, fill: float = 0.0):
    lengths = torch.tensor([len(waveform) for waveform in waveforms])
    batch = torch.full((len(waveforms), int(lengths.max()) + extra), fill)
    for row, waveform in zip(batch, waveforms, strict=True):
        row[: len(waveform)] = torch.from_numpy(waveform)
    return batch, lengths


def hearing(monkeypatch, rows: np.ndarray) -> list[np.ndarray]:
    """Let the functionals of a waveform [i] be row i; returns those waveforms."""
    monkeypatch.setitem(room.NUM_FUNCTIONALS, "eGeMAPSv02", rows.shape[1])
    monkeypatch.setattr(room, "functionals", lambda waveform, rate, name: rows[int(waveform[0])])
    return [np.array([i], dtype=np.float32) for i in range(len(rows))]


def clouds(
    num_per_emotion: tuple[int, ...], *, num_functionals: int = 30, seed: int = 0
) -> tuple[np.ndarray, list[int]]:
    """Correlated normal functionals of unequal size, and the emotion that shifts each row."""
    generator = np.random.default_rng(seed)
    mixing = generator.normal(size=(num_functionals, num_functionals))
    size = 10.0 ** generator.uniform(-3, 3, size=num_functionals)
    emotions = [e for e, count in enumerate(num_per_emotion) for _ in range(count)]
    centres = 2 * generator.normal(size=(len(num_per_emotion), num_functionals))
    rows = centres[emotions] + generator.normal(size=(len(emotions), num_functionals)) @ mixing
    return (rows * size).astype(np.float32), emotions


def made(emotions: tuple[str, ...] = EMOTIONS, **settings) -> OpenSmileLDA:
    return OpenSmileLDA(Config(emotions=emotions, feature_set="eGeMAPSv02", **settings))


def rival(components: int, num_emotions: int):
    """The same as a pipeline of scikit-learn."""
    from sklearn.decomposition import PCA
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(
        StandardScaler(),
        PCA(components, svd_solver="full"),
        LinearDiscriminantAnalysis(solver="eigen", priors=[1 / num_emotions] * num_emotions),
    )


@pytest.mark.parametrize("components", [5, 12])
@pytest.mark.parametrize("counts", [(40, 40, 40), (20, 50, 34), (30, 44)])
def test_posteriors_are_those_of_a_pipeline_of_scikit_learn(monkeypatch, components, counts):
    rows, emotions = clouds(counts)
    waveforms = hearing(monkeypatch, rows)
    system = made(EMOTIONS[: len(counts)], components=components)
    system.prepare(waveforms[::2], emotions[::2])
    theirs = rival(components, len(counts)).fit(rows[::2].astype(float), emotions[::2])
    np.testing.assert_allclose(
        system.posterior(waveforms[1::2]).numpy(),
        theirs.predict_proba(rows[1::2].astype(float)),
        atol=1e-4,
    )


@pytest.mark.parametrize("components", [5, 12])
def test_cosines_are_those_of_a_pipeline_of_scikit_learn(monkeypatch, components):
    # Equally many of each: otherwise scikit-learn's axes miss the means where priors are given.
    rows, emotions = clouds((40, 40, 40))
    waveforms = hearing(monkeypatch, rows)
    system = made(components=components)
    system.prepare(waveforms[::2], emotions[::2])
    theirs = rival(components, 3).fit(rows[::2].astype(float), emotions[::2])
    found = theirs.transform(rows[1::2].astype(float))
    found /= np.linalg.norm(found, axis=1, keepdims=True)
    ours = system.embed(waveforms[1::2]).double().numpy()
    np.testing.assert_allclose(ours @ ours.T, found @ found.T, atol=1e-4)


def test_within_emotions_the_discriminants_have_unit_covariance():
    rows, emotions = clouds((20, 50, 35), num_functionals=8)
    known = rows.astype(float)
    origin, axes, places = discriminants(known, np.array(emotions))
    found = (known - origin) @ axes
    groups = [found[np.array(emotions) == emotion] for emotion in range(3)]
    np.testing.assert_allclose(np.stack([group.mean(0) for group in groups]), places, atol=1e-9)
    np.testing.assert_allclose(places.sum(0), 0, atol=1e-9)
    within = np.mean([np.cov(group.T, bias=True) for group in groups], axis=0)
    np.testing.assert_allclose(within, np.eye(2), atol=1e-6)


@given(seed=st.integers(0, 999), how_often=st.integers(2, 4))
def test_hearing_an_emotion_more_often_does_not_make_it_more_probable(seed, how_often):
    rows, emotions = clouds((9, 6, 5), num_functionals=4, seed=seed)
    known, emotion = rows.astype(float), np.array(emotions)
    again = np.flatnonzero(emotion == 1).repeat(how_often - 1)
    origin, axes, places = discriminants(known, emotion)
    other_origin, other_axes, other_places = discriminants(
        np.concatenate([known, known[again]]), np.concatenate([emotion, emotion[again]])
    )
    np.testing.assert_allclose(origin, other_origin)
    np.testing.assert_allclose(places @ axes.T, other_places @ other_axes.T, rtol=1e-5)


def test_principal_components_are_orthonormal_and_the_widest_come_first():
    rows, _ = clouds((30,), num_functionals=6)
    known = rows / rows.std(0)
    components = principal_components(known.astype(float), at_most=4)
    np.testing.assert_allclose(components @ components.T, np.eye(4), atol=1e-10)
    width = (known @ components.T).std(0)
    assert (np.diff(width) <= 0).all()


def test_components_without_variance_are_left_out():
    flat = np.outer([1.0, 2.0, 4.0], [1.0, -1.0, 0.5])  # all on one line
    assert principal_components(flat, at_most=3).shape == (1, 3)


def test_embeddings_are_unit_vectors_and_alike_within_an_emotion(voices):
    emotions = list(range(len(EMOTIONS))) * 3
    waveforms = [voice(e, speaker=s) for s in (1, 3, 5) for e in EMOTIONS]
    found = voices.embed(waveforms)
    assert found.shape == (9, len(EMOTIONS) - 1)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.norm(dim=1), torch.ones(9))
    alike = found @ found.T
    same = torch.tensor(emotions)[:, None] == torch.tensor(emotions)
    assert alike[same].min() > alike[~same].max()
    assert voices.posterior(waveforms).argmax(1).tolist() == emotions


def test_more_components_than_utterances_allow_are_not_used(monkeypatch):
    rows, emotions = clouds((4, 4, 4), num_functionals=50)
    waveforms = hearing(monkeypatch, rows)
    few, many = made(components=4), made(components=200)  # (12 - 3) // 2 = 4
    for system in (few, many):
        system.prepare(waveforms, emotions)
    assert torch.equal(few.projection, many.projection)
    assert many.posterior(waveforms).isfinite().all()
    fewer = made(components=3)
    fewer.prepare(waveforms, emotions)
    assert not torch.equal(fewer.projection, many.projection)


def test_one_utterance_more_than_emotions_is_enough(monkeypatch):
    waveforms = hearing(monkeypatch, np.array([[0, 1], [1, 2], [9, 8]], dtype=np.float32))
    system = made(("sadness", "anger"))
    system.prepare(waveforms, [0, 0, 1])
    assert system.posterior(waveforms).argmax(1).tolist() == [0, 0, 1]


def test_an_emotion_never_heard_in_training_is_never_predicted(monkeypatch):
    rows, emotions = clouds((15, 15, 15))
    waveforms = hearing(monkeypatch, rows)
    system, without = made(("fear", *EMOTIONS)), made()
    system.prepare(waveforms, [emotion + 1 for emotion in emotions])
    without.prepare(waveforms, emotions)
    posterior = system.posterior(waveforms)
    assert (posterior[:, 0] == 0).all()
    torch.testing.assert_close(posterior[:, 1:], without.posterior(waveforms))
    torch.testing.assert_close(
        system.embed(waveforms), nn.functional.pad(without.embed(waveforms), (0, 1))
    )


def test_with_two_emotions_an_embedding_is_a_sign(monkeypatch):
    rows, emotions = clouds((15, 15))
    waveforms = hearing(monkeypatch, rows)
    system = made(("sadness", "anger"))
    system.prepare(waveforms, emotions)
    found = system.embed(waveforms)
    assert found.shape == (30, 1)
    assert set(found.flatten().tolist()) == {-1.0, 1.0}
    # Emotions of equal prior: the sign says which, so all that say alike are alike.
    predicted = system.posterior(waveforms).argmax(1)
    assert len(set(zip(predicted.tolist(), found.flatten().tolist(), strict=True))) == 2


def test_a_functional_that_never_varies_in_training_is_not_listened_to(monkeypatch):
    rows = np.array([[1, 1e8], [2, 1e8], [9, 1e8], [8, 1e8], [1, -5]], dtype=np.float32)
    waveforms = hearing(monkeypatch, rows)
    system = made(("sadness", "anger"))
    system.prepare(waveforms[:4], [0, 0, 1, 1])
    assert system.scale[1] == 1
    assert (system.projection[:, 1] == 0).all()
    assert torch.equal(system.posterior(waveforms[:1]), system.posterior(waveforms[4:]))


def test_a_functional_that_is_not_finite_counts_as_average(monkeypatch):
    rows = np.array([[1, 0], [2, np.nan], [9, 1], [8, 2], [2, 1], [2, np.inf]], dtype=np.float32)
    waveforms = hearing(monkeypatch, rows)
    system = made(("sadness", "anger"))
    system.prepare(waveforms[:4], [0, 0, 1, 1])
    nan, average, infinite = system.posterior([waveforms[i] for i in (1, 4, 5)])
    assert torch.equal(nan, average)
    assert torch.equal(infinite, average)


@pytest.mark.parametrize("extra", [1, 16000])
def test_padding_is_never_heard(voices, extra):
    alone = voices(*padded([voice("anger")]))
    assert torch.equal(voices(*padded([voice("anger")], extra=extra, fill=0.5)), alone)


def test_an_utterance_is_heard_the_same_among_others(voices):
    waveforms = [voice(e, seconds=s) for e, s in zip(EMOTIONS, (0.2, 0.5, 0.3), strict=True)]
    together = voices(*padded(waveforms))
    alone = torch.cat([voices(*padded([waveform])) for waveform in waveforms])
    torch.testing.assert_close(together, alone, atol=1e-4, rtol=0)
    torch.testing.assert_close(voices.posterior(waveforms), together.softmax(1))
    embedded = torch.cat([voices.embed([waveform]) for waveform in waveforms])
    torch.testing.assert_close(voices.embed(waveforms), embedded, atol=1e-6, rtol=0)


def test_state_is_complete_saved_and_loaded_it_answers_bit_for_bit(voices):
    other = OpenSmileLDA(voices.config)
    other.load_state_dict(load(save(voices.state_dict())))
    waveforms = [voice(e, speaker=3) for e in EMOTIONS]
    assert torch.equal(other.posterior(waveforms), voices.posterior(waveforms))
    assert torch.equal(other.embed(waveforms), voices.embed(waveforms))
    assert not list(voices.parameters())


def test_preparing_anew_forgets_what_was_learnt_before(monkeypatch):
    rows, emotions = clouds((12, 12, 12))
    waveforms = hearing(monkeypatch, rows)
    once, twice = made(), made()
    twice.prepare(waveforms[::2], emotions[::2])
    for system in (once, twice):
        system.prepare(waveforms[12:], emotions[12:])  # two emotions: one axis is to be 0 again
    for name, value in once.state_dict().items():
        assert torch.equal(value, twice.state_dict()[name]), name


def test_before_it_is_prepared_all_emotions_are_equally_probable(monkeypatch):
    waveforms = hearing(monkeypatch, np.ones((1, 4), dtype=np.float32))
    torch.testing.assert_close(made().posterior(waveforms), torch.full((1, 3), 1 / 3))
    assert made().embed(waveforms).tolist() == [[0, 0]]


def test_of_no_utterances_there_are_no_embeddings():
    assert made().embed([]).shape == (0, 2)


@pytest.mark.parametrize(
    ("num_heard", "emotions", "message"),
    [
        (2, [1, 1], r"two emotions or more.*'anger'"),
        (1, [1, 0], "1 waveforms but 2 emotions"),
        (2, [0, 1], "2 utterances of as many emotions"),
    ],
)
def test_too_little_to_learn_from_is_refused(monkeypatch, num_heard, emotions, message):
    waveforms = hearing(monkeypatch, np.arange(8, dtype=np.float32).reshape(4, 2))
    with pytest.raises(ValueError, match=message):
        made().prepare(waveforms[:num_heard], emotions)


@pytest.mark.parametrize("rows", [[[1, 2]] * 4, [[1, 2], [1, 2], [5, 7], [5, 7]]])
def test_the_same_recording_over_and_over_is_refused(monkeypatch, rows):
    waveforms = hearing(monkeypatch, np.array(rows, dtype=np.float32))
    with pytest.raises(ValueError, match="sound the same"):
        made().prepare(waveforms, [0, 0, 1, 1])


def test_it_has_no_objective_and_says_what_to_do_instead():
    with pytest.raises(NotImplementedError, match=r"not trained by gradient.*prepare"):
        made().objective(torch.zeros(1, 3), torch.zeros(1, 3))


def test_the_whole_utterance_is_heard():
    assert made().cuts(12345, np.random.default_rng(0)) == [(0, 12345)]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"emotions": ("anger",)}, "two or more"),
        ({"emotions": ("anger", "anger")}, "different"),
        ({"emotions": EMOTIONS, "components": 0}, "components: 0 must be at least 1"),
    ],
)
def test_settings_that_make_no_system_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        Config(**settings)


def test_without_the_extra_the_error_says_what_to_install_and_its_licence(monkeypatch):
    room.MEMORY_OF_FUNCTIONALS.forget()
    room._smile.cache_clear()
    monkeypatch.setitem(sys.modules, "opensmile", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'serkit\[opensmile\]'.*non-commerc"):
        made().embed([voice("anger", seconds=0.1)])
