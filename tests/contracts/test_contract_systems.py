"""What every system promises, asked of each in turn."""

import dataclasses

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from serkit.audio import read
from serkit.corpus import AFFECT, synthetic
from serkit.predictor import Predictor
from serkit.systems import (
    SYSTEMS,
    AffectSystem,
    EmotionSystem,
    System,
    answers,
    concludes,
    names,
    smallest_batch,
)
from serkit.trainer import checkpoint
from serkit.trainer.loop import Example, Settings, fit
from serkit.trainer.run import Run

EMOTIONS = ("anger", "happiness", "sadness")

SMALL = {
    "crnn": {"size": "small"},
    "emosphere": {},
    "encoder_classifier": {},
    "facenet": {"picture": "waveform"},
    "opensmile_lda": {},
    "opensmile_svm": {},
    "opensmile_svr": {"feature_set": "eGeMAPSv02"},
    "verify_to_classify": {"episodes": 1, "num_crops": 2, "classifier": "prototype"},
}
"""Each system's own quick setting; the defaults are for real corpora."""


def made(name: str) -> System:
    torch.manual_seed(0)
    system_class = SYSTEMS[name]
    answered = {"emotion": {"emotions": EMOTIONS}, "affect": {"affect": AFFECT}}
    return system_class(system_class.Config(**SMALL[name], **answered[system_class.task]))


def targets_of(system: System, emotions: list[int]) -> list:
    """What the tones mean to a system: their emotion, or an affect that goes with it."""
    if system.task == "emotion":
        return emotions
    return [(0.2 + 0.3 * emotion, 0.8 - 0.2 * emotion, 0.3 + 0.2 * emotion) for emotion in emotions]


def examples_of(system: System, tones, chosen) -> list[Example]:
    """What the trainer hears of some tones."""
    waveforms, emotions, _ = tones
    targets = targets_of(system, emotions)
    named = "emotion" if system.task == "emotion" else "affect"
    return [Example(waveform=waveforms[i], id=str(i), **{named: targets[i]}) for i in chosen]


def settings_of(system: System, **given) -> Settings:
    """Those that suit the system, and of these what a test needs otherwise."""
    batch = {"batch": max(8, smallest_batch(system))}
    return Settings(**{**getattr(system, "settings", {}), **batch, **given})


def conclude(system: System, tones, heard: list[int]) -> None:
    """The stage after training, where a system has one."""
    if concludes(system):
        waveforms, emotions, speakers = tones
        system.conclude(
            [waveforms[i] for i in heard],
            [emotions[i] for i in heard],
            development=None,
            speakers=[speakers[i] for i in heard],
            seed=0,
        )


def learn(system: System, tones, heard: list[int]) -> None:
    waveforms, emotions, speakers = tones
    system.prepare(
        [waveforms[i] for i in heard],
        targets_of(system, [emotions[i] for i in heard]),
        speakers=[speakers[i] for i in heard],
    )


@pytest.fixture(scope="module")
def tones(tmp_path_factory):
    """Waveforms, emotions and speakers of the synthetic corpus."""
    root = synthetic.write(tmp_path_factory.mktemp("tones"), emotions=EMOTIONS, takes=3)
    utterances = synthetic.read(root).utterances
    return (
        [read(u.path) for u in utterances],
        [EMOTIONS.index(u.emotion()) for u in utterances],
        [u.speaker for u in utterances],
    )


@pytest.fixture(scope="module", params=sorted(SYSTEMS))
def prepared(request, tones) -> System:
    """A system that has heard the training side, and taken some steps if it learns by them."""
    waveforms, emotions, speakers = tones
    heard = [i for i, speaker in enumerate(speakers) if speaker != speakers[0]]
    system = made(request.param)
    learn(system, tones, heard)
    if system.trained_by_gradient:
        optimizer = torch.optim.Adam(system.parameters(), lr=1e-3)
        batch = sorted(heard, key=lambda i: emotions[i])[:: len(heard) // 6][:6]  # two of each
        for _ in range(3):
            lengths = torch.tensor([len(waveforms[i]) for i in batch])
            padded = torch.zeros(6, int(lengths.max()))
            for row, i in enumerate(batch):
                padded[row, : lengths[row]] = torch.from_numpy(waveforms[i])
            target = torch.eye(len(EMOTIONS))[[emotions[i] for i in batch]]
            if system.task == "affect":
                target = torch.tensor(targets_of(system, [emotions[i] for i in batch]))
            optimizer.zero_grad()
            sum(system.objective(system(padded, lengths), target).values()).backward()
            optimizer.step()
    conclude(system, tones, heard)
    return system.eval()


def test_it_offers_what_a_system_offers(prepared):
    assert isinstance(prepared, System)
    assert isinstance(prepared, nn.Module)
    assert SYSTEMS[prepared.name] is type(prepared)
    assert dataclasses.is_dataclass(prepared.config)
    kind = {"emotion": EmotionSystem, "affect": AffectSystem}[prepared.task]
    assert isinstance(prepared, kind)
    assert names(prepared) == {"emotion": EMOTIONS, "affect": AFFECT}[prepared.task]
    assert prepared.front_end()["sample_rate"] == prepared.sample_rate


def test_every_utterance_gets_a_finite_answer_to_every_name(prepared, tones):
    found = answers(prepared, tones[0][:5])
    assert found.shape == (5, len(names(prepared)))
    assert found.isfinite().all()


def test_posteriors_are_probabilities(prepared, tones):
    if prepared.task != "emotion":
        pytest.skip(f"{prepared.name} answers {prepared.task}")
    scores = prepared.posterior(tones[0][:5])
    assert (scores >= 0).all()
    torch.testing.assert_close(scores.sum(1), torch.ones(5))


@pytest.mark.parametrize(
    "waveform",
    [
        np.zeros(16000, np.float32),
        np.ones(16000, np.float32),
        np.full(200, 0.1, np.float32),
        np.sign(np.random.default_rng(0).normal(size=16000)).astype(np.float32),
    ],
    ids=["silence", "constant", "very short", "clipped"],
)
def test_odd_waveforms_get_finite_answers(prepared, waveform):
    assert answers(prepared, [waveform]).isfinite().all()


@torch.no_grad()
def test_an_utterance_is_heard_the_same_alone_padded_or_among_others(prepared, tones):
    first, second = (torch.from_numpy(w) for w in tones[0][:2])
    length = torch.tensor([len(first)])
    alone = prepared(first[None], length)
    padded = prepared(nn.functional.pad(first, (0, 4321))[None], length)
    longest = max(len(first), len(second)) + 100
    both = torch.stack([nn.functional.pad(w, (0, longest - len(w))) for w in (first, second)])
    among = prepared(both, torch.tensor([len(first), len(second)]))[:1]
    torch.testing.assert_close(padded, alone, atol=1e-4, rtol=0)
    torch.testing.assert_close(among, alone, atol=1e-4, rtol=0)


def test_order_and_company_do_not_change_an_answer(prepared, tones):
    waveforms = tones[0][:7]
    together = answers(prepared, waveforms)
    torch.testing.assert_close(
        answers(prepared, waveforms[::-1]).flip(0), together, atol=1e-5, rtol=0
    )
    torch.testing.assert_close(answers(prepared, waveforms[3:4])[0], together[3], atol=1e-5, rtol=0)


@settings(max_examples=6)
@given(
    seconds=st.lists(
        st.one_of(st.floats(0.1, 6.0), st.sampled_from([0.1, 0.125, 1.0, 6.0])),
        min_size=2,
        max_size=7,
    ),
    batch=st.integers(2, 7),
    seed=st.integers(0, 99),
)
def test_a_batch_of_any_lengths_is_rated_as_each_recording_alone(
    prepared, tmp_path_factory, seconds, batch, seed
):
    """Within 2e-5 of a probability, or of an affect on [0, 1]: what float32 leaves of a sum."""
    root, noise = tmp_path_factory.mktemp("ragged"), np.random.default_rng(seed)
    files, waveforms = [], []
    for number, duration in enumerate(seconds):
        swell = np.hanning(round(duration * 16000)) + 0.05
        waveforms.append((0.2 * swell * noise.uniform(-1, 1, len(swell))).astype(np.float32))
        files.append(root / f"{number}.wav")
        soundfile.write(files[-1], waveforms[-1], 16000, subtype="FLOAT")
    listener = Predictor(systems=(prepared,), rater=prepared.name)
    together = listener.answers(waveforms)
    outcomes = list(listener.predict_all(files, batch=batch))
    for file, waveform, answer, outcome in zip(files, waveforms, together, outcomes, strict=True):
        assert outcome.status == "ok", outcome.message
        rating = outcome.rating.emotion or outcome.rating.affect
        alone = listener.predict(file)
        assert rating == pytest.approx(alone.emotion or alone.affect, abs=2e-5)
        np.testing.assert_allclose(answer, listener.answers([waveform])[0], atol=2e-5, rtol=0)


def test_saved_and_loaded_it_answers_bit_for_bit(prepared, tones, tmp_path):
    checkpoint.save(prepared, tmp_path / "model")
    loaded = checkpoint.load(tmp_path / "model")
    assert loaded.config == prepared.config
    assert torch.equal(answers(loaded, tones[0][:4]), answers(prepared, tones[0][:4]))


def test_what_it_learns_without_a_gradient_does_not_come_from_elsewhere(tones):
    heard = [*range(6), *range(12, 18)]
    for name in SYSTEMS:
        first, second = made(name), made(name)
        learn(first, tones, heard)
        noise = [np.random.default_rng(0).normal(size=16000).astype(np.float32)]
        _ = answers(second, noise)  # hearing test audio, before or after, leaves no trace
        learn(second, tones, heard)
        _ = answers(second, noise)
        for (key, one), other in zip(
            first.state_dict().items(), second.state_dict().values(), strict=True
        ):
            assert torch.equal(one, other), (name, key)


@pytest.mark.parametrize("name", sorted(n for n, s in SYSTEMS.items() if s.trained_by_gradient))
def test_the_same_seed_gives_the_same_losses(name, tones, tmp_path):
    everyone = range(len(tones[0]))
    losses = []
    for attempt in ("first", "second"):
        system = made(name)
        learn(system, tones, everyone)
        examples = examples_of(system, tones, everyone)
        settings = settings_of(system, epochs=2)
        fit(system, examples, settings=settings, seed=3, run=Run(tmp_path / attempt), select=None)
        losses.append((tmp_path / attempt / "losses.jsonl").read_text(encoding="utf-8"))
    assert losses[0] == losses[1]
    assert losses[0].count("\n") >= 4


@pytest.mark.parametrize("name", sorted(SYSTEMS))
def test_it_learns_to_tell_tones_apart_on_speakers_it_never_heard(name, tones, tmp_path):
    waveforms, emotions, speakers = tones
    unheard = {min(speakers)}
    train = [i for i, speaker in enumerate(speakers) if speaker not in unheard]
    test = [i for i, speaker in enumerate(speakers) if speaker in unheard]
    system = made(name)
    learn(system, tones, train)
    if system.trained_by_gradient:
        examples = examples_of(system, tones, train)
        settings = settings_of(
            system, epochs=12 if system.task == "emotion" else 40, lr=3e-3, schedule="one_cycle"
        )
        fit(system, examples, settings=settings, seed=0, run=Run(tmp_path), select=None)
    conclude(system, tones, train)
    found = answers(system, [waveforms[i] for i in test])
    if system.task == "affect":
        wanted = torch.tensor(targets_of(system, [emotions[i] for i in test]))
        assert (found - wanted).abs().mean() < 0.1
        return
    heard = found.argmax(1).tolist()
    assert np.mean([one == emotions[i] for one, i in zip(heard, test, strict=True)]) >= 0.95
