"""The CRNN's parts against loops, its sizes against the published formulas, its laws."""

from itertools import product

import numpy as np
import pytest
import torch
from torch import nn

from serkit.systems.crnn import (
    CRNN,
    SEGMENT,
    Config,
    MaskedBatchNorm,
    last,
    maximum,
    mean,
    reverse,
    segments,
    specaugment,
    take,
)

FOUR = ("anger", "happiness", "neutral", "sadness")
SEVEN = (*FOUR, "boredom", "disgust", "fear")

SUMMARIES = ("last", "mean", "max", "mean_std", "attention", "concat")


def small(**switches) -> CRNN:
    torch.manual_seed(0)
    return CRNN(Config(**{"emotions": FOUR, "size": "small", **switches}))


def batch(lengths, *, seed=0, dtype=torch.float32):
    generator = torch.Generator().manual_seed(seed)
    waveform = torch.zeros(len(lengths), max(lengths), dtype=dtype)
    for row, length in enumerate(lengths):
        waveform[row, :length] = torch.randn(length, generator=generator, dtype=dtype)
    return waveform, torch.tensor(lengths)


ROWS = {
    "baseline": ({"convolution": "single", "summary": "last", "planes": "static"}, 475_972),
    "+ multi": ({"summary": "last", "planes": "static"}, 475_972),
    "+ summary": ({"convolution": "single", "planes": "static"}, 508_740),
    "+ deltas": ({"convolution": "single", "summary": "last"}, 479_428),
    "full": ({}, 512_196),
    "single5": ({"convolution": "single5", "summary": "last", "planes": "static"}, 475_204),
    "small": ({"size": "small"}, 142_628),
}


@pytest.mark.parametrize("row", ROWS)
@pytest.mark.parametrize(("emotions", "more"), [(FOUR, 0), (SEVEN, 195)])
def test_parameters_are_those_of_the_table(row, emotions, more):
    switches, expected = ROWS[row]
    network = CRNN(Config(emotions=emotions, **switches))
    assert sum(p.numel() for p in network.parameters()) == expected + more


@pytest.mark.parametrize("planes", ["static", "deltas"])
def test_one_width_and_many_have_the_same_budget(planes):
    multi = Config(emotions=FOUR, planes=planes)
    single = Config(emotions=FOUR, planes=planes, convolution="single")
    assert CRNN.multiply_accumulates(multi) == CRNN.multiply_accumulates(single)


def test_multiply_accumulates_are_those_of_the_table():
    def count(**switches):
        return CRNN.multiply_accumulates(Config(emotions=FOUR, **switches)) / 1e6

    assert count() == pytest.approx(56.986, abs=1e-3)
    assert count() <= 60
    assert count(planes="static") == pytest.approx(43.162, abs=1e-3)
    assert count(planes="static", convolution="single5") == pytest.approx(40.090, abs=1e-3)
    assert count(size="small") == pytest.approx(19.4, abs=0.05)
    acrnn = count(size="acrnn", convolution="single5")
    assert acrnn == pytest.approx(2380, abs=2)


def test_multiply_accumulates_equal_what_the_convolutions_really_do():
    network = small().eval()
    counted = 0

    def count(module, _inputs, output):
        nonlocal counted
        counted += module.weight.numel() * output.shape[2] * output.shape[3]

    hooks = [
        module.register_forward_hook(count)
        for module in network.modules()
        if isinstance(module, nn.Conv2d)
    ]
    network(*batch([400 + 99 * 160]))
    for hook in hooks:
        hook.remove()
    rest = network.linear.weight.numel() * 25
    for lstm in (network.forwards, network.backwards):
        rest += 25 * (lstm.weight_ih_l0.numel() + lstm.weight_hh_l0.numel())
    assert counted + rest == CRNN.multiply_accumulates(network.config)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("summary", SUMMARIES)
@torch.no_grad()
def test_an_utterance_is_heard_the_same_alone_padded_or_among_others(summary, dtype):
    tolerance = {torch.float32: 1e-5, torch.float64: 1e-10}[dtype]
    network = small(summary=summary).to(dtype)
    network(*batch([16000, 20000], dtype=dtype))  # moves the running moments off their start
    network.eval()
    for length in (880, 5000, 16000, 48240):
        waveform, count = batch([length], dtype=dtype)
        alone = network(waveform, count)
        for padding in (1, 159, 160, 16000):
            padded = network(nn.functional.pad(waveform, (0, padding)), count)
            assert (padded - alone).abs().max() <= tolerance
        others, counts = batch([length, 6000, 40000, 23456], dtype=dtype)
        others[0, :length] = waveform[0]
        assert (network(others, counts)[:1] - alone).abs().max() <= tolerance


def test_masked_moments_equal_those_of_the_list_of_valid_positions():
    x = torch.randn(3, 2, 5, 4, dtype=torch.float64)
    lengths = [5, 2, 3]
    mask = torch.zeros(3, 1, 5, 1, dtype=torch.float64)
    for row, length in enumerate(lengths):
        mask[row, :, :length] = 1
    norm = MaskedBatchNorm(2).double()
    result = norm(x, mask)
    for channel in range(2):
        values = torch.cat([x[r, channel, :n].flatten() for r, n in enumerate(lengths)])
        centre, spread = values.mean(), values.var(correction=0)
        expected = (x[:, channel] - centre) / (spread + 1e-5).sqrt()
        torch.testing.assert_close(result[:, channel], expected)
        torch.testing.assert_close(norm.running_mean[channel], 0.1 * centre)
        torch.testing.assert_close(norm.running_var[channel], 0.9 + 0.1 * values.var())


def test_without_padding_it_is_torchs_batch_norm():
    x = torch.randn(4, 3, 6, 5)
    ours, theirs = MaskedBatchNorm(3), nn.BatchNorm2d(3)
    torch.testing.assert_close(ours(x, torch.ones(4, 1, 6, 1)), theirs(x))
    torch.testing.assert_close(ours.running_var, theirs.running_var)
    torch.testing.assert_close(ours.eval()(x), theirs.eval()(x))


def test_padding_changes_neither_loss_nor_gradients_in_training():
    waveform, lengths = batch([16000, 9000], dtype=torch.float64)
    emotion = torch.eye(4, dtype=torch.float64)[:2]
    gradients = []
    for padding in (0, 4000):
        network = small(augment="none", dropout=0.0).double()
        logits = network(nn.functional.pad(waveform, (0, padding)), lengths)
        network.objective(logits, emotion)["cross_entropy"].backward()
        gradients.append([p.grad for p in network.parameters()])
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, atol=1e-9, rtol=1e-6)


def test_summaries_equal_loops_over_valid_outputs():
    hidden = torch.randn(3, 6, 4)
    lengths = [6, 1, 4]
    count = torch.tensor(lengths)
    mask = (torch.arange(6) < count.unsqueeze(1)).unsqueeze(2)
    for row, length in enumerate(lengths):
        outputs = hidden[row, :length]
        torch.testing.assert_close(mean(hidden, mask)[row], outputs.mean(0))
        torch.testing.assert_close(maximum(hidden, mask)[row], outputs.amax(0))
        torch.testing.assert_close(
            last(hidden, count)[row], torch.cat([outputs[-1, :2], outputs[0, 2:]])
        )
        spread = small(summary="mean_std").summarise(hidden, count)[row, 4:]
        torch.testing.assert_close(spread, (outputs.var(0, correction=0) + 1e-8).sqrt())


def test_of_a_single_output_last_mean_and_max_are_the_same():
    hidden, count = torch.randn(2, 5, 8), torch.tensor([1, 1])
    mask = (torch.arange(5) < count.unsqueeze(1)).unsqueeze(2)
    torch.testing.assert_close(last(hidden, count), mean(hidden, mask))
    torch.testing.assert_close(last(hidden, count), maximum(hidden, mask))


def test_attention_weights_are_shares_of_the_valid_outputs():
    network = small(summary="attention")
    weights = network.attention_weights(torch.randn(2, 7, 128), torch.tensor([7, 3]))
    assert (weights >= 0).all()
    torch.testing.assert_close(weights.sum(1), torch.ones(2))
    assert weights[1, 3:].abs().max() == 0


@torch.no_grad()
def test_two_one_way_lstms_are_torchs_packed_blstm():
    torch.manual_seed(0)
    forwards, backwards = nn.LSTM(3, 4, batch_first=True), nn.LSTM(3, 4, batch_first=True)
    both = nn.LSTM(3, 4, batch_first=True, bidirectional=True)
    state = forwards.state_dict()
    state |= {f"{name}_reverse": value for name, value in backwards.state_dict().items()}
    both.load_state_dict(state)
    x, lengths = torch.randn(3, 6, 3), torch.tensor([4, 6, 1])
    packed = nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
    expected, _ = nn.utils.rnn.pad_packed_sequence(both(packed)[0], batch_first=True)
    ours = torch.cat([forwards(x)[0], reverse(backwards(reverse(x, lengths))[0], lengths)], 2)
    for row, length in enumerate(lengths.tolist()):
        torch.testing.assert_close(ours[row, :length], expected[row, :length])


def test_segments_by_hand():
    assert segments(113_600) == [(0, SEGMENT), (48_240, SEGMENT), (65_360, SEGMENT)]
    assert segments(110_400) == [(0, SEGMENT), (48_240, SEGMENT)]
    assert segments(6_400) == [(0, SEGMENT)]
    repeated = take(np.arange(6400, dtype=np.float32), 0, SEGMENT)
    np.testing.assert_array_equal(repeated[:6400], repeated[6400:12800])
    assert len(repeated) == SEGMENT


@pytest.mark.parametrize(("segment_score", "join"), [("max", "amax"), ("mean", "mean")])
def test_an_utterances_segments_are_scored_together(segment_score, join):
    network = small(unit="segments", segment_score=segment_score)
    waveform = np.random.default_rng(0).normal(size=113_600).astype(np.float32)
    pieces = [waveform[start : start + length] for start, length in segments(113_600)]
    whole = small(unit="utterance")
    joined = getattr(whole.posterior(pieces), join)(0)
    torch.testing.assert_close(network.posterior([waveform])[0], joined / joined.sum())


def test_a_training_stretch_lies_inside_a_long_utterance():
    generator = np.random.default_rng(0)
    for _ in range(20):
        [(start, length)] = small().cuts(30 * 16000, generator)
        assert length == 20 * 16000
        assert 0 <= start <= 10 * 16000
    assert small().cuts(5000, generator) == [(0, 5000)]


@pytest.mark.parametrize(
    ("convolution", "summary", "planes"),
    list(product(("multi", "single", "single5"), SUMMARIES, ("static", "deltas"))),
)
def test_a_gradient_reaches_every_parameter(convolution, summary, planes):
    network = small(convolution=convolution, summary=summary, planes=planes)
    logits = network(*batch([9000, 12000, 7000]))
    sum(network.objective(logits, torch.eye(4)[:3]).values()).backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name


def test_loss_is_finite_in_half_precision():
    network = small(augment="vtlp+specaugment")
    waveform, lengths = batch([9000, 12000])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = network(waveform, lengths)
    assert network.objective(logits, torch.eye(4)[:2])["cross_entropy"].isfinite()


def test_statistics_are_those_of_the_frames():
    network = small()
    waveforms = [w.numpy() for w in (torch.randn(5000), 3 * torch.randn(7000))]
    network.prepare(waveforms, [0, 1])
    frames = torch.cat(
        [
            network.log_mel(torch.from_numpy(w)[None], torch.tensor([len(w)]))[0][0]
            for w in waveforms
        ],
        dim=1,
    )
    torch.testing.assert_close(network.mean, frames.mean(1), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(network.deviation, frames.std(1, correction=0), atol=1e-4, rtol=1e-4)


def test_nothing_to_prepare_on_is_an_error():
    with pytest.raises(ValueError, match="no training utterance"):
        small().prepare([], [])


def test_specaugment_masks_one_stretch_of_each():
    torch.manual_seed(0)
    kept = specaugment(torch.tensor([100, 60]), 100, 40)
    assert kept.shape == (2, 1, 100, 40)
    for row, length in enumerate((100, 60)):
        frames_lost = (~kept[row, 0].any(1)).nonzero().flatten()
        mels_lost = (~kept[row, 0].any(0)).nonzero().flatten()
        assert len(frames_lost) <= 20
        assert len(mels_lost) <= 5
        assert frames_lost.numel() == 0 or frames_lost.max() < length
        if frames_lost.numel():
            assert frames_lost.max() - frames_lost.min() == len(frames_lost) - 1


def test_augmentation_is_for_training_only():
    network = small(augment="vtlp+specaugment").eval()
    waveform, lengths = batch([9000])
    torch.testing.assert_close(network(waveform, lengths), network(waveform, lengths))
    network.train()
    first, _ = network.frames(waveform, lengths)
    second, _ = network.frames(waveform, lengths)
    assert not torch.equal(first, second)


def test_the_curve_ends_at_the_prediction():
    for summary in SUMMARIES:
        network = small(summary=summary, trim=30.0 if summary == "max" else 0.0)
        waveform = np.random.default_rng(0).normal(size=24000).astype(np.float32)
        times, scores = network.running_posterior(waveform)
        assert times == pytest.approx([0.25, 0.5, 0.75, 1.0, 1.25, 1.5])
        torch.testing.assert_close(scores[-1:], network.posterior([waveform]))
        torch.testing.assert_close(scores.sum(1), torch.ones(6))


@pytest.mark.parametrize(
    ("switches", "message"),
    [
        ({"kernel_widths": (3, 4)}, "must all be odd"),
        ({"kernel_widths": (3, 5, 9)}, "cannot share"),
        ({"emotions": ("anger",)}, "two or more different labels"),
        ({"dropout": 1.0}, "dropout"),
        ({"trim": -3.0}, "trim"),
    ],
)
def test_what_cannot_be_built_is_refused(switches, message):
    with pytest.raises(ValueError, match=message):
        small(**switches)
