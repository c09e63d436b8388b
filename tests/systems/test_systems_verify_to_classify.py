"""Verify-to-classify: its losses by loops, its sizes by the table, crops, padding and learning."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn

from serkit import audio
from serkit.corpus import synthetic
from serkit.corpus.trials import enrolled_trials, enrolments
from serkit.evaluation.verification import eer
from serkit.systems.verify_to_classify import (
    TEST_CROP,
    TRAINING_CROP,
    Config,
    Pooling,
    SqueezeExcitation,
    VerifyToClassify,
    crop_starts,
    stretch,
)
from serkit.trainer import checkpoint
from serkit.trainer.loop import Example, Settings, fit
from serkit.trainer.run import Run

FOUR = ("anger", "happiness", "neutral", "sadness")
OBJECTIVES = (
    "softmax",
    "am_softmax",
    "aam_softmax",
    "angular_prototypical",
    "softmax_angular_prototypical",
)


def made(**switches) -> VerifyToClassify:
    torch.manual_seed(0)
    return VerifyToClassify(Config(**{"emotions": FOUR, "classifier": "prototype", **switches}))


def noise(num_samples: int, *, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.1, num_samples).astype(np.float32)


def stacked(episodes: int, emotions: int, utterances: int, *, width: int = 128):
    """Embeddings in the order of a batch, and their emotions."""
    generator = torch.Generator().manual_seed(1)
    number = episodes * emotions * utterances
    embedding = torch.randn(number, width, generator=generator, dtype=torch.float64)
    emotion = torch.eye(emotions).double().repeat_interleave(utterances, 0).repeat(episodes, 1)
    return embedding, emotion


# ------------------------------------------------------------------------------------ the losses


def softmax_loops(embedding, weight, bias, emotion) -> float:
    losses = []
    for x, own in zip(embedding, emotion, strict=True):
        logits = [sum(w * x) + b for w, b in zip(weight, bias, strict=True)]
        losses.append(math.log(sum(math.exp(z - max(logits)) for z in logits)) + max(logits))
        losses[-1] -= logits[own]
    return sum(losses) / len(losses)


def margin_loops(embedding, weight, emotion, *, kind: str, margin: float) -> float:
    losses = []
    for x, own in zip(embedding, emotion, strict=True):
        cosines = [sum(w * x) / math.sqrt(sum(w * w) * sum(x * x)) for w in weight]
        if kind == "am_softmax":
            cosines[own] -= margin
        elif cosines[own] > math.cos(math.pi - margin):
            cosines[own] = math.cos(math.acos(cosines[own]) + margin)
        else:
            cosines[own] -= margin * math.sin(math.pi - margin)
        total = sum(math.exp(30 * (c - max(cosines))) for c in cosines)
        losses.append(math.log(total) + 30 * (max(cosines) - cosines[own]))
    return sum(losses) / len(losses)


def prototypical_loops(stack, *, scale: float, offset: float) -> float:
    losses = []
    for episode in stack:
        for j, own in enumerate(episode):
            logits = []
            for other in episode:
                prototype = sum(other[1:]) / len(other[1:])
                lengths = math.sqrt(sum(own[0] * own[0]) * sum(prototype * prototype))
                logits.append(scale * sum(own[0] * prototype) / lengths + offset)
            losses.append(math.log(sum(map(math.exp, logits))) - logits[j])
    return sum(losses) / len(losses)


@pytest.mark.parametrize("num_emotions", [2, 3, 4, 5])
@pytest.mark.parametrize("utterances", [2, 3])
@pytest.mark.parametrize("episodes", [1, 3])
def test_each_objective_equals_its_equation_written_with_loops(num_emotions, utterances, episodes):
    embedding, emotion = stacked(episodes, num_emotions, utterances, width=5)
    found = {}
    for kind in OBJECTIVES:
        system = made(
            emotions=("a", "b", "c", "d", "e")[:num_emotions], objective=kind, embedding=5,
            episodes=episodes, utterances=utterances,
        ).double()  # fmt: skip
        losses = system.objective(embedding, emotion)
        found[kind] = {name: loss.item() for name, loss in losses.items()}
        x, own = embedding.numpy(), emotion.argmax(1).tolist()
        expected = {}
        if kind.endswith("m_softmax"):
            weight = system.classes.weight.detach().numpy()
            margin = {"am_softmax": 0.3, "aam_softmax": 0.2}[kind]
            expected[kind] = margin_loops(x, weight, own, kind=kind, margin=margin)
        elif "softmax" in kind:
            weight, bias = (p.detach().numpy() for p in system.classes.parameters())
            expected["softmax"] = softmax_loops(x, weight, bias, own)
        if "prototypical" in kind:
            stack = x.reshape(episodes, num_emotions, utterances, -1)
            expected["angular_prototypical"] = prototypical_loops(stack, scale=10.0, offset=-5.0)
        assert found[kind] == pytest.approx(expected, rel=1e-6)
    assert found["softmax_angular_prototypical"] == pytest.approx(
        found["softmax"] | found["angular_prototypical"]
    )


def test_a_margin_may_be_set():
    embedding, emotion = stacked(2, 4, 2)
    weight = made(objective="am_softmax").classes.weight.detach().double().numpy()
    system = made(objective="am_softmax", margin=0.1).double()
    assert system.objective(embedding, emotion)["am_softmax"].item() == pytest.approx(
        margin_loops(embedding.numpy(), weight, emotion.argmax(1).tolist(), kind="am_softmax",
                     margin=0.1)
    )  # fmt: skip


def test_emotions_are_not_mixed_when_episodes_are_stacked():
    # Each class of each episode has a direction of its own; any mixing would cost more.
    directions = torch.eye(12).view(3, 4, 1, 12).expand(3, 4, 2, 12).reshape(24, 12)
    system = made(objective="angular_prototypical", embedding=12, episodes=3)
    _, emotion = stacked(3, 4, 2)
    loss = system.objective(directions, emotion.float())["angular_prototypical"]
    assert loss.item() == pytest.approx(math.log(1 + 3 * math.exp(-10)), rel=1e-3)


@pytest.mark.parametrize("kind", OBJECTIVES)
def test_only_the_softmax_hears_how_long_an_embedding_is(kind):
    embedding, emotion = stacked(8, 4, 2)
    system = made(objective=kind).double()
    once, thrice = (system.objective(x, emotion) for x in (embedding, 3 * embedding))
    for name in once:
        same = torch.allclose(once[name], thrice[name])
        assert same == (name != "softmax")


def test_a_scale_driven_far_below_zero_is_still_used_as_positive():
    embedding, emotion = stacked(8, 4, 2)
    system = made(objective="angular_prototypical").double()
    optimizer = torch.optim.SGD([system.scale], lr=1e9)
    worst = embedding.view(8, 4, 2, -1).clone()
    worst[:, :, 1] = -worst[:, :, 0]  # every query is farthest from its own prototype
    system.objective(worst.flatten(0, 2), emotion)["angular_prototypical"].backward()
    optimizer.step()
    assert system.scale < 0
    worst[:, :, 1] = worst[:, :, 0]  # now nearest: a negative scale would cost more than chance
    loss = system.objective(worst.flatten(0, 2), emotion)["angular_prototypical"].item()
    assert loss < math.log(4)
    assert loss == pytest.approx(math.log(4), abs=1e-4)


NETWORKS = {
    "as it is": {},
    "mean": {"pooling": "mean"},
    "asp": {"pooling": "asp"},
    "bn_relu, no gates": {"order": "bn_relu", "squeeze_excitation": False},
    "v2": {"size": "v2", "num_mels": 16},
}


@pytest.mark.parametrize(
    ("objective", "switches"),
    [
        *((kind, {}) for kind in OBJECTIVES),
        *((OBJECTIVES[-1], switches) for switches in list(NETWORKS.values())[1:]),
    ],
    ids=[*OBJECTIVES, *list(NETWORKS)[1:]],
)
def test_a_gradient_reaches_every_parameter(objective, switches):
    system = made(objective=objective, episodes=2, emotions=FOUR[:2], **switches).train()
    waveform = torch.randn(8, TRAINING_CROP, generator=torch.Generator().manual_seed(2)) / 10
    embedding = system(waveform, torch.full((8,), TRAINING_CROP))
    emotion = torch.eye(2).repeat_interleave(2, 0).repeat(2, 1)
    sum(system.objective(embedding, emotion).values()).backward()
    for name, parameter in system.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().max() > 0, name


# ----------------------------------------------------------------------------------- the network


@pytest.mark.parametrize(
    ("size", "parameters", "embedding", "mega"),
    [
        ("small", 191_462, 128, 30.1),
        ("fast34", 1_404_054, 256, 351.9),
        ("v2", 8_026_444, 512, 1818),
    ],
)
def test_sizes_are_those_of_the_table(size, parameters, embedding, mega):
    extractor = made(size=size).extractor
    assert sum(p.numel() for p in extractor.parameters()) == parameters
    assert extractor.embedding.out_features == embedding
    # Of two seconds, since 100 frames are not halved three times without a remainder.
    found = VerifyToClassify.multiply_accumulates(Config(emotions=FOUR, size=size), frames=200)
    assert found / 2e6 == pytest.approx(mega, rel=1e-3)


def test_forty_mel_bins_cost_the_wide_network_less():
    config = Config(emotions=FOUR, size="fast34", num_mels=40)
    assert VerifyToClassify.multiply_accumulates(config) / 1e6 == pytest.approx(220.1, rel=1e-3)


def test_gates_that_are_wide_open_change_nothing():
    gate = SqueezeExcitation(16)
    for layer in (gate.squeeze, gate.excite):
        nn.init.zeros_(layer.weight)
    nn.init.constant_(gate.excite.bias, 50.0)
    x = torch.randn(2, 16, 5, 7)
    torch.testing.assert_close(gate(x), x)
    nn.init.constant_(gate.excite.bias, 0.0)
    torch.testing.assert_close(gate(x), x / 2)


@pytest.mark.parametrize("per_channel", [False, True])
def test_attention_counts_every_frame_and_adds_up_to_1(per_channel):
    pooling = Pooling("asp", 6, per_channel=per_channel).eval()
    attention = pooling.attention(torch.randn(3, 6, 11))
    assert attention.shape == (3, 6 if per_channel else 1, 11)
    assert (attention > 0).all()
    torch.testing.assert_close(attention.sum(2), torch.ones(attention.shape[:2]))


@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("kind", ["mean", "sap", "asp"])
def test_frames_that_never_change_are_pooled_to_one_of_them(kind, per_channel):
    pooling = Pooling(kind, 6, per_channel=per_channel).eval()
    frame = torch.randn(3, 6)
    found = pooling(frame.unsqueeze(2).expand(-1, -1, 20))
    torch.testing.assert_close(found[:, :6], frame, atol=1e-5, rtol=0)
    if kind == "asp":
        torch.testing.assert_close(found[:, 6:], torch.full((3, 6), 1e-5**0.5))
    assert found.shape[1] == pooling.width


def test_pooling_does_not_know_the_order_of_frames():
    pooling = Pooling("asp", 6, per_channel=False).eval()
    x = torch.randn(2, 6, 9)
    torch.testing.assert_close(pooling(x.flip(2)), pooling(x))


def test_attentive_statistics_are_weighted_moments():
    pooling = Pooling("asp", 3, per_channel=False).eval().double()
    x = torch.randn(1, 3, 8, dtype=torch.float64)
    weights = pooling.attention(x)[0, 0].tolist()
    frames = x[0].T.tolist()
    mean = [sum(w * f[c] for w, f in zip(weights, frames, strict=True)) for c in range(3)]
    second = [sum(w * f[c] ** 2 for w, f in zip(weights, frames, strict=True)) for c in range(3)]
    spread = [math.sqrt(max(s - m * m, 1e-5)) for s, m in zip(second, mean, strict=True)]
    assert pooling(x)[0].tolist() == pytest.approx([*mean, *spread])


# --------------------------------------------------------------------------------- frames, crops


@pytest.mark.parametrize(("num_samples", "num_frames"), [(TRAINING_CROP, 200), (TEST_CROP, 300)])
def test_crops_have_as_many_frames_as_the_page_says(num_samples, num_frames):
    assert {200: 32_240, 300: 48_240}[num_frames] == num_samples
    frames = made().frames(torch.from_numpy(noise(num_samples))[None])
    assert frames.shape == (1, 1, num_frames, 40)


@pytest.mark.parametrize("switches", [{}, {"size": "v2"}, {"front": "wide"}])
def test_each_mel_bin_has_mean_0_and_deviation_1_over_time(switches):
    frames = made(**switches).frames(torch.from_numpy(noise(TRAINING_CROP))[None])
    torch.testing.assert_close(frames.mean(2), torch.zeros_like(frames.mean(2)), atol=1e-5, rtol=0)
    torch.testing.assert_close(
        frames.square().mean(2), torch.ones_like(frames.mean(2)), atol=1e-3, rtol=0
    )


def test_the_level_of_a_recording_does_not_matter():
    system = made(num_crops=1)
    waveform = 0.5 * noise(TEST_CROP)
    quiet, loud = system.embed([waveform, 8 * waveform])
    torch.testing.assert_close(quiet, loud, atol=1e-2, rtol=0)


def test_a_short_utterance_begins_again():
    row = torch.from_numpy(noise(10_000))
    found = stretch(row, 0, TEST_CROP)
    assert torch.equal(found, row[torch.arange(TEST_CROP) % 10_000])
    assert crop_starts(10_000, 10) == [0]


def test_a_short_utterance_is_heard_like_its_repetition():
    system = made(num_crops=3)
    short = noise(10_000)
    once, again = system.embed([short, np.resize(short, TEST_CROP)])
    torch.testing.assert_close(once, again, atol=1e-6, rtol=0)


def test_crops_of_an_utterance_of_just_one_crop_are_one():
    assert crop_starts(TEST_CROP, 10) == [0]
    waveform = noise(TEST_CROP)
    torch.testing.assert_close(
        made(num_crops=10).embed([waveform]), made(num_crops=1).embed([waveform])
    )


@pytest.mark.parametrize("num_samples", [48_241, 48_250, 60_000, 163_333])
def test_the_first_and_the_last_crop_touch_both_ends(num_samples):
    starts = crop_starts(num_samples, 10)
    assert len(starts) == 10
    assert starts[0] == 0
    assert starts[-1] + TEST_CROP == num_samples
    steps = [second - first for first, second in pairwise(starts)]
    assert max(steps) - min(steps) <= 1


def test_an_embedding_is_the_mean_direction_of_its_crops():
    system = made(num_crops=4).eval()
    waveform = noise(70_000)
    crops = torch.stack(
        [torch.from_numpy(waveform[s : s + TEST_CROP]) for s in crop_starts(70_000, 4)]
    )
    with torch.no_grad():
        each = nn.functional.normalize(system.extractor(system.frames(crops)), dim=1)
    expected = nn.functional.normalize(each.mean(0), dim=0)
    torch.testing.assert_close(system.embed([waveform])[0], expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("num_samples", [9_000, TRAINING_CROP, 100_000])
def test_a_training_crop_lies_inside_the_utterance(num_samples):
    generator = np.random.default_rng(0)
    starts = set()
    for _ in range(50):
        [(start, length)] = made().cuts(num_samples, generator)
        assert length == TRAINING_CROP
        assert 0 <= start <= max(0, num_samples - TRAINING_CROP)
        starts.add(start)
    assert len(starts) > 1 or num_samples <= TRAINING_CROP


@torch.no_grad()
@pytest.mark.parametrize("switches", [{}, {"size": "v2", "num_crops": 2}])
def test_an_utterance_is_heard_the_same_alone_padded_or_among_others(switches):
    system = made(**{"num_crops": 3, **switches}).eval()
    waveforms = [noise(n, seed=n) for n in (20_000, 55_000, 48_240)]
    alone = torch.cat([system.embed([waveform]) for waveform in waveforms])
    torch.testing.assert_close(system.embed(waveforms), alone, atol=1e-5, rtol=0)
    lengths = torch.tensor([len(waveform) for waveform in waveforms])
    for fill in (0.0, 0.7):
        padded = torch.full((3, 60_000), fill)
        for row, waveform in zip(padded, waveforms, strict=True):
            row[: len(waveform)] = torch.from_numpy(waveform)
        torch.testing.assert_close(system(padded, lengths), alone, atol=1e-5, rtol=0)
    torch.testing.assert_close(alone.norm(dim=1), torch.ones(3))


def test_hearing_leaves_no_trace():
    system = made(num_crops=1).train()
    before = {name: value.clone() for name, value in system.state_dict().items()}
    system.embed([noise(30_000)])
    assert system.training
    for name, value in system.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_saved_and_loaded_it_embeds_bit_for_bit(tmp_path):
    system = made(num_crops=2).train()
    with torch.no_grad():  # so that the running moments are not those of a new network
        system(torch.from_numpy(noise(TRAINING_CROP))[None], torch.tensor([TRAINING_CROP]))
    waveforms = [noise(20_000), noise(70_000, seed=1)]
    checkpoint.save(system.eval(), tmp_path / "model")
    loaded = checkpoint.load(tmp_path / "model")
    assert torch.equal(loaded.embed(waveforms), system.embed(waveforms))


# ------------------------------------------------------------------------- classes and settings


def test_a_class_may_be_an_emotion_of_one_sex():
    system = made(identity="emotion_x_sex")
    classes = {system.class_of(e, sex) for e in range(4) for sex in ("female", "male")}
    assert classes == set(range(8))
    assert system.num_classes == system.classes.out_features == 8
    with pytest.raises(ValueError, match=r"sex of every speaker.*None"):
        system.class_of(0, None)
    assert made().class_of(2, None) == 2


@pytest.mark.parametrize("kind", [kind for kind in OBJECTIVES if "softmax" in kind])
def test_both_sexes_of_an_emotion_count_for_it_when_the_network_decides(kind):
    system = made(objective=kind, classifier="network", identity="emotion_x_sex", num_crops=1)
    waveform = noise(20_000)
    with torch.no_grad():
        embedding = system.eval().extractor(
            system.frames(stretch(torch.from_numpy(waveform), 0, TEST_CROP)[None])
        )
        weight = system.classes.weight
        if kind.endswith("m_softmax"):
            logits = 30 * torch.cosine_similarity(embedding, weight)[None]
        else:
            logits = system.classes(embedding)
    each = logits.softmax(1)[0]
    expected = torch.stack(
        [each[system.class_of(e, "female")] + each[system.class_of(e, "male")] for e in range(4)]
    )
    torch.testing.assert_close(system.posterior([waveform])[0], expected)


def test_before_it_has_a_classifier_all_emotions_are_equally_probable():
    torch.testing.assert_close(made().posterior([noise(9_000)]), torch.full((1, 4), 0.25))


def test_only_the_extractor_is_taken_over_and_only_by_the_same_network():
    torch.manual_seed(5)
    other = VerifyToClassify(Config(emotions=FOUR[:2], objective="angular_prototypical"))
    system = made(emotions=(*FOUR, "fear"), num_crops=1)
    system.adopt(other)
    waveform = noise(30_000)
    assert torch.equal(system.extractor.embedding.weight, other.extractor.embedding.weight)
    torch.testing.assert_close(system.embed([waveform]), other.embed([waveform]))
    for switches in (
        {"embedding": 64}, {"num_mels": 64}, {"pooling": "mean"}, {"front": "wide"},
        {"order": "bn_relu"},
    ):  # fmt: skip
        with pytest.raises(ValueError, match="another one"):
            made(**switches).adopt(other)
    with pytest.raises(ValueError, match="no verify_to_classify, but Linear"):
        system.adopt(torch.nn.Linear(2, 2))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"emotions": ("anger",)}, "two or more"),
        ({"classifier": "network", "objective": "angular_prototypical"}, "no softmax"),
        ({"utterances": 1}, "utterances: 1 must be at least 2"),
        ({"margin": 3.2}, "below pi"),
        ({"num_crops": 0}, "num_crops: 0"),
    ],
)
def test_settings_that_make_no_system_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        made(**settings)


# --------------------------------------------------------------------------------------- learning


@pytest.mark.slow
def test_it_learns_which_tones_are_alike_even_one_it_never_heard(tmp_path):
    emotions, new = ("anger", "fear", "neutral", "happiness", "sadness"), "neutral"
    seen = tuple(emotion for emotion in emotions if emotion != new)
    root = synthetic.write(tmp_path / "tones", num_speakers=6, emotions=emotions, takes=4)
    utterances = synthetic.read(root).utterances
    waveforms = {u.id: audio.read(u.path) for u in utterances}
    unheard = {"synthetic/s1", "synthetic/s6"}  # the lowest and the highest voice
    train = [u for u in utterances if u.speaker not in unheard and u.emotion() != new]
    system = made(emotions=seen, episodes=4, num_crops=1)
    examples = [
        Example(waveform=waveforms[u.id], emotion=seen.index(u.emotion()), id=u.id,
                speaker=u.speaker)
        for u in train
    ]  # fmt: skip
    settings = Settings(**{**VerifyToClassify.settings, "epochs": 12, "lr": 3e-3})
    fit(system, examples, settings=settings, seed=0, run=Run(tmp_path / "run"), select=None)

    embedding = {u.id: v for u, v in zip(
        utterances, system.embed([waveforms[u.id] for u in utterances]), strict=True
    )}  # fmt: skip

    def rate(enrolled, probes) -> float:
        prototypes = {
            name: nn.functional.normalize(sum(embedding[u.id] for u in members), dim=0)
            for name, members in enrolled.items()
        }
        trials = enrolled_trials(enrolled, probes)
        scores = [float(prototypes[t.enrolment] @ embedding[t.probe]) for t in trials]
        return eer(scores, [t.is_target for t in trials]).value

    probes = [u for u in utterances if u.speaker in unheard]
    known = [u for u in probes if u.emotion() != new]
    assert rate(enrolments(train), known) < 0.05
    others = [u for u in utterances if u.speaker not in unheard]
    assert rate(enrolments(others, emotions=[new], num_enrolled=5), probes) < 0.2
