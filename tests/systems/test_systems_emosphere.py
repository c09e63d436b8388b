"""EmoSphere-SER against its equations, by construction."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from serkit.evaluation import ccc
from serkit.systems.emosphere import SAMPLE_RATE, Config, EmoSphere, StylePooling, head
from serkit.trainer import Example, Run, Settings, fit

EMOTIONS = ("anger", "sadness")


def noise(*seconds: float, seed: int = 0) -> list[np.ndarray]:
    generator = np.random.default_rng(seed)
    return [
        (generator.normal(size=round(s * SAMPLE_RATE)) / 10).astype(np.float32) for s in seconds
    ]


def made(seed: int = 0, **settings: Any) -> EmoSphere:
    torch.manual_seed(seed)
    return EmoSphere(Config(**settings))


def batch(waveforms: list[np.ndarray]) -> tuple[Tensor, Tensor]:
    lengths = torch.tensor([len(w) for w in waveforms])
    padded = torch.zeros(len(waveforms), int(lengths.max()))
    for row, waveform in zip(padded, waveforms, strict=True):
        row[: len(waveform)] = torch.from_numpy(waveform)
    return padded, lengths


# --------------------------------------------------------------------------------- the network


def count(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_parameters_are_those_of_the_specification() -> None:
    whole = made(encoder="log_mel")
    assert count(whole) == 790_027
    assert count(whole.encoder) == 311_424
    assert count(whole.pooling) == 443_648
    assert (count(whole.regression), count(whole.classification)) == (17_155, 17_800)
    assert count(made(encoder="log_mel", auxiliary="none")) == 790_027 - 17_800


def test_parameters_at_the_width_of_the_paper() -> None:
    assert count(StylePooling(1024)) == 28_321_792
    assert count(head(1024, 1024, 3)) == 1_054_723
    assert count(head(1024, 1024, 8)) == 1_059_848
    assert count(head(2048, 1024, 3)) == 2_103_299


def test_the_style_pooling_normalises_nothing() -> None:
    names = {type(module).__name__ for module in StylePooling(8).modules()}
    assert not {name for name in names if "Norm" in name}


def test_attention_is_the_equation_in_loops_and_divides_by_the_whole_width() -> None:
    torch.manual_seed(0)
    pooling = StylePooling(6).eval()
    query, key = torch.randn(2, 2, 5, 3), torch.randn(2, 2, 5, 3)
    found = pooling.attention(query, key, torch.tensor([5, 2]))
    for b, num in enumerate((5, 2)):
        for h in range(2):
            for t in range(5):
                scores = [
                    sum(float(query[b, h, t, c] * key[b, h, s, c]) for c in range(3)) / math.sqrt(6)
                    for s in range(num)
                ]
                total = sum(math.exp(score) for score in scores)
                wanted = [math.exp(score) / total for score in scores] + [0.0] * (5 - num)
                assert found[b, h, t].tolist() == pytest.approx(wanted, abs=1e-6)
    assert (found[1, :, :, 2:] == 0).all()


@pytest.mark.parametrize("encoder", ["log_mel", "cnn_blstm"])
@pytest.mark.parametrize("pooling", ["style", "attentive_statistics", "mean"])
@torch.no_grad()
def test_an_utterance_is_heard_the_same_alone_padded_and_in_company(
    pooling: Any, encoder: str
) -> None:
    system = made(pooling=pooling, encoder=encoder).eval()
    first, second = noise(0.7, 1.9)
    alone = system(torch.from_numpy(first)[None], torch.tensor([len(first)]))
    together = system(*batch([first, second]))
    torch.testing.assert_close(together[:1], alone, atol=1e-5, rtol=0)
    loud = torch.cat([torch.from_numpy(first), torch.full((7000,), 3.0)])
    padded = system(loud[None], torch.tensor([len(first)]))
    torch.testing.assert_close(padded, alone, atol=1e-5, rtol=0)


# ---------------------------------------------------------------------------------- objective


def test_the_weight_falls_over_a_quarter_of_the_epochs_and_stays_off() -> None:
    system = made()
    found = []
    for epoch in range(1, 21):
        system.begin_epoch(epoch, epochs=20)
        found.append(system.auxiliary_weight)
    assert found == pytest.approx([1, 0.802, 0.604, 0.406, 0.208, *[0] * 15])
    system.begin_epoch(15, epochs=60)
    assert system.auxiliary_weight == pytest.approx(1 - 0.99 * 14 / 15)
    constant, without = made(lambda_schedule="constant"), made(auxiliary="none")
    for other in (constant, without):
        other.begin_epoch(19, epochs=20)
    assert (constant.auxiliary_weight, without.auxiliary_weight) == (1.0, 0.0)


def test_weights_of_regions_are_n_over_r_n_i_and_0_for_empty_ones() -> None:
    system = made()
    targets = [(0.9, 0.9, 0.9)] + 3 * [(0.1, 0.1, 0.1)]  # once I, three times VII
    system.prepare(noise(*4 * [0.3]), targets)
    wanted = torch.zeros(8)
    wanted[0], wanted[6] = 4 / (8 * 1), 4 / (8 * 3)
    torch.testing.assert_close(system.class_weight, wanted)
    capped = made(region_weight_cap=1.0, regions=72)
    capped.prepare(noise(*91 * [0.05]), [(0.9, 0.9, 0.9)] + 90 * [(0.1, 0.1, 0.1)])
    assert sorted(capped.class_weight.unique().tolist()) == pytest.approx([0, 91 / 72 / 90, 1])
    alike = made(region_weights="none")
    alike.prepare(noise(0.3), [(0.9, 0.9, 0.9)])
    assert (alike.class_weight == 1).all()


def test_the_objective_is_its_equations_in_loops() -> None:
    system = made().train()
    generator = np.random.default_rng(0)
    targets = generator.uniform(size=(6, 3)).astype(np.float32)
    system.prepare(noise(*6 * [0.2]), targets.tolist())
    system.begin_epoch(2, epochs=20)
    output = torch.from_numpy(generator.normal(size=(6, 3 + 8)).astype(np.float32))
    losses = system.objective(output, torch.from_numpy(targets))
    assert list(losses) == ["ccc_arousal", "ccc_valence", "ccc_dominance", "region"]
    for place, name in enumerate(("arousal", "valence", "dominance")):
        wanted = 1 - ccc(targets[:, place], output[:, place].numpy())
        assert float(losses[f"ccc_{name}"]) == pytest.approx(wanted, abs=1e-4)
    regions = system.config.grid.of(targets)
    total = weights = 0.0
    for logits, region in zip(output[:, 3:].double().tolist(), regions, strict=True):
        weight = float(system.class_weight[int(region)])
        spread = math.log(sum(math.exp(value) for value in logits))
        total += weight * (spread - logits[int(region)])
        weights += weight
    assert float(losses["region"]) == pytest.approx(0.802 * total / weights, abs=1e-5)


def test_emotions_guide_where_asked_and_unlabelled_utterances_do_not_count() -> None:
    system = made(auxiliary="emotion", emotions=EMOTIONS).train()
    targets = torch.tensor([[0.1, 0.2, 0.3, 1, 0], [0.4, 0.5, 0.6, 0, 1], [0.7, 0.8, 0.9, 0, 0]])
    system.prepare(noise(*3 * [0.2]), targets.tolist())
    assert system.classes(targets).tolist() == [0, 1, -1]
    assert system.class_weight.tolist() == [1.0, 1.0]
    output = torch.randn(3, 5)
    loss = system.objective(output, targets)["emotion"]
    wanted = torch.nn.functional.cross_entropy(output[:2, 3:], torch.tensor([0, 1]))
    torch.testing.assert_close(loss, wanted)
    nobody = system.objective(output[2:].repeat(2, 1), targets[2:].repeat(2, 1))["emotion"]
    assert float(nobody) == 0.0


def test_octants_follow_the_names_of_the_dimensions_not_their_order() -> None:
    there = made(affect=("dominance", "arousal", "valence"))
    row = torch.tensor([[0.9, 0.1, 0.1]])  # dominant, calm, unpleasant: octant III
    assert there.classes(row).tolist() == [2]


def learnt(system: EmoSphere, folder: Any, *, epochs: int, **settings: Any) -> Any:
    generator = np.random.default_rng(0)
    waveforms = noise(*16 * [0.1])
    targets = [tuple(map(float, row)) for row in generator.uniform(size=(16, 3))]
    system.prepare(waveforms, targets)
    examples = [
        Example(waveform=w, affect=t, id=str(i))
        for i, (w, t) in enumerate(zip(waveforms, targets, strict=True))
    ]
    given = {**EmoSphere.settings, "epochs": epochs, "batch": 16, "precision": "float32"}
    return fit(
        system,
        examples,
        settings=Settings(**{**given, **settings}),
        seed=0,
        run=Run(folder),
        select=None,
        report=lambda _: None,
    )


def test_the_head_of_the_regions_rests_when_its_weight_is_0(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    system = made(lambda_epochs=2)
    calls: list[int] = []
    seen: dict[int, list[Tensor]] = {}
    forward = system.classification.forward
    begin = system.begin_epoch

    def heard(pooled: Tensor) -> Tensor:
        calls.append(len(seen))
        return forward(pooled)

    def began(epoch: int, *, epochs: int) -> None:
        seen[epoch] = [p.detach().clone() for p in system.classification.parameters()]
        begin(epoch, epochs=epochs)

    monkeypatch.setattr(system.classification, "forward", heard)
    monkeypatch.setattr(system, "begin_epoch", began)
    history = learnt(system, tmp_path, epochs=4)
    assert calls == [1, 2]
    after = list(system.classification.parameters())
    assert not all(torch.equal(a, b) for a, b in zip(seen[1], seen[3], strict=True))
    assert all(torch.equal(a, b) for a, b in zip(seen[3], after, strict=True))
    assert ["region" in epoch.losses for epoch in history.epochs] == [True, True, False, False]


def test_the_gradient_reaches_every_parameter_while_regions_are_told_apart() -> None:
    system = made().train()
    targets = torch.rand(16, 3)
    system.prepare(noise(*16 * [0.2]), targets.tolist())
    losses = system.objective(system(*batch(noise(*16 * [0.2]))), targets)
    torch.stack(list(losses.values())).sum().backward()
    without = [n for n, p in system.named_parameters() if p.grad is None or not p.grad.any()]
    assert without == []


def test_too_small_micro_batches_are_refused(tmp_path: Any) -> None:
    with pytest.raises(ValueError, match="needs 16 or more in a"):
        learnt(made(), tmp_path, epochs=1, batch=32, micro_batch=8)


# ---------------------------------------------------------------------------------- listening


@torch.no_grad()
def test_long_utterances_are_heard_in_stretches_and_averaged_by_duration() -> None:
    system = made(max_seconds=1.0).eval()
    (long,) = noise(2.5)
    parts = [long[:16000], long[16000:32000], long[32000:]]
    of_parts = torch.cat([system.affect([part]) for part in parts])
    wanted = (of_parts * torch.tensor([[0.4], [0.4], [0.2]])).sum(0)
    torch.testing.assert_close(system.affect([long])[0], wanted, atol=1e-6, rtol=1e-5)
    first_only = made(max_seconds=1.0, windows=False).eval()
    torch.testing.assert_close(first_only.affect([long]), of_parts[:1], atol=1e-6, rtol=1e-5)


def test_training_hears_the_first_seconds_only() -> None:
    system = made()
    generator = np.random.default_rng(0)
    assert system.cuts(300_000, generator) == [(0, 192_000)]
    assert system.cuts(100_000, generator) == [(0, 100_000)]
    (waveform,) = noise(1.5)
    short, other = made(max_seconds=1.0), made(max_seconds=1.0)
    changed = waveform.copy()
    changed[16000:] = 0.5
    for one, heard in ((short, waveform), (other, changed)):
        one.prepare([heard], [(0.1, 0.2, 0.3)])
    assert torch.equal(short.encoder.mean, other.encoder.mean)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"affect": ()}, "affect: .* must be some of"),
        ({"affect": ("arousal", "arousal")}, "names a dimension twice"),
        ({"affect": ("arousal",)}, "regions need all of"),
        ({"auxiliary": "emotion"}, "emotions: .* must be two or more"),
        ({"emotions": EMOTIONS}, "none elsewhere"),
        ({"axes": ("valence", "arousal", "arousal")}, "axes: .* in some order"),
        ({"region_weight_cap": 0.5}, "region_weight_cap: 0.5 must be at least 1"),
        ({"lambda_epochs": 0}, "lambda_epochs: 0 must be at least 1"),
        ({"max_seconds": 0.5}, "max_seconds: 0.5 must be at least 1"),
        ({"max_seconds": math.inf}, "max_seconds: inf must be at least 1, and finite"),
        ({"tune": "frozen"}, "tune: cnn_blstm is trained from scratch"),
    ],
)
def test_what_cannot_be_built_is_refused_by_name(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        EmoSphere(Config(**settings))


def test_targets_of_the_wrong_width_are_refused() -> None:
    with pytest.raises(ValueError, match=r"targets of shape \(1, 2\), not \(B, 3\)"):
        made().prepare(noise(0.2), [(0.1, 0.2)])


# ------------------------------------------------------------------------------------- learning


def voices(num_speakers: int, takes: int) -> tuple[list[np.ndarray], np.ndarray, list[int]]:
    """Tones whose pitch is the arousal, tilt the valence and level the dominance."""
    generator = np.random.default_rng(0)
    waveforms, speakers = [], []
    ratings = generator.uniform(size=(num_speakers * takes, 3))
    time = np.arange(8000) / SAMPLE_RATE
    for number, (arousal, valence, dominance) in enumerate(ratings):
        speaker = number // takes
        pitch = 120 * 2**arousal * (1 + 0.02 * speaker)
        tone = sum(
            np.sin(2 * np.pi * (pitch * k * time + generator.uniform())) * k ** (-0.5 - 2 * valence)
            for k in range(1, 9)
        )
        tone = tone / np.abs(tone).max() * 10 ** (-1.5 + 1.3 * dominance)
        noisy = tone + 1e-4 * generator.normal(size=len(time))
        waveforms.append(noisy.clip(-1, 1).astype(np.float32))
        speakers.append(speaker)
    return waveforms, ratings, speakers


@pytest.mark.slow
@pytest.mark.parametrize("is_shuffled", [False, True])
def test_it_learns_ratings_that_can_be_heard_and_nothing_else(
    is_shuffled: bool, tmp_path: Any
) -> None:
    waveforms, ratings, speakers = voices(8, 20)
    if is_shuffled:
        ratings = np.random.default_rng(1).permutation(ratings)
    train = [i for i, speaker in enumerate(speakers) if speaker >= 2]
    test = [i for i, speaker in enumerate(speakers) if speaker < 2]
    system = made(encoder="log_mel", augment="none")
    system.prepare([waveforms[i] for i in train], [ratings[i].tolist() for i in train])
    examples = [
        Example(waveform=waveforms[i], affect=tuple(map(float, ratings[i])), id=str(i))
        for i in train
    ]
    settings = Settings(**{**EmoSphere.settings, "epochs": 15, "batch": 16, "lr": 2e-3})
    fit(
        system,
        examples,
        settings=settings,
        seed=0,
        run=Run(tmp_path),
        select=None,
        report=lambda _: None,
    )
    found = system.affect([waveforms[i] for i in test]).numpy()
    agreement = np.mean([ccc(ratings[test, n], found[:, n]) for n in range(3)])
    assert abs(agreement) < 0.25 if is_shuffled else agreement > 0.8
