"""The front end: frames, deltas, vocal-tract warping, by construction and against librosa."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from librosa.filters import mel

from serkit.features.log_mel import (
    LogMel,
    deltas,
    hertz_to_mel,
    mel_to_hertz,
    triangles,
    valid,
    warp,
)


def tone(hertz: float, num_samples: int = 16000) -> torch.Tensor:
    return torch.sin(2 * torch.pi * hertz * torch.arange(num_samples) / 16000).unsqueeze(0)


@pytest.mark.parametrize(("num_samples", "num_frames"), [(400, 4), (880, 4), (48240, 300)])
def test_frames_from_samples(num_samples, num_frames):
    frames, counted = LogMel()(torch.randn(1, num_samples), torch.tensor([num_samples]))
    assert counted.tolist() == [num_frames]
    assert frames.shape == (1, 3, num_frames, 40)


def test_one_window_is_one_frame_where_nothing_is_lengthened():
    assert LogMel(min_samples=400).num_frames(torch.tensor([400])).tolist() == [1]


@given(st.integers(400, 100_000))
def test_159_more_samples_are_one_more_frame_at_most(num_samples):
    few, more = LogMel().num_frames(torch.tensor([num_samples, num_samples + 159])).tolist()
    assert few <= more <= few + 1


def test_a_shift_by_a_hop_shifts_the_frames_by_one():
    log_mel = LogMel(level="none", planes="static")
    waveform = torch.randn(1, 8000)
    length = torch.tensor([8000])
    frames, _ = log_mel(waveform, length)
    shifted, _ = log_mel(torch.roll(waveform, 160, dims=1), length)
    torch.testing.assert_close(shifted[:, :, 1:], frames[:, :, :-1], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("hertz", [300.0, 1000.0, 3000.0])
def test_a_tone_is_loudest_in_the_nearest_filter(hertz):
    log_mel = LogMel(planes="static")
    frames, _ = log_mel(tone(hertz), torch.tensor([16000]))
    loudest = frames[0, 0].mean(0).argmax().item()
    # Filters are centred at the inner edges; nearest means on the axis they are triangles on.
    centres = log_mel.edges[1:-1]
    assert abs(loudest - (centres - hertz).abs().argmin().item()) <= (hertz < 500)


def test_the_loudest_filter_of_one_kilohertz_is_exact():
    log_mel = LogMel(planes="static")
    frames, _ = log_mel(tone(1000.0), torch.tensor([16000]))
    assert frames[0, 0].mean(0).argmax() == (log_mel.edges[1:-1] - 1000.0).abs().argmin()


def test_agrees_with_librosa():
    generator = np.random.default_rng(0)
    waveform = generator.normal(0, 0.1, 16000).astype(np.float32)
    frames, _ = LogMel(planes="static", level="none")(
        torch.from_numpy(waveform).unsqueeze(0), torch.tensor([16000])
    )
    windows = np.lib.stride_tricks.sliding_window_view(waveform, 400)[::160] * np.hamming(400)
    power = (np.abs(np.fft.rfft(windows, 512)) ** 2).T
    filters = mel(sr=16000, n_fft=512, n_mels=40, htk=True, norm=None)
    expected = np.log(filters @ power + 1e-6).T
    assert frames.shape[2] == len(expected)
    np.testing.assert_allclose(frames[0, 0].numpy(), expected, atol=1e-4)


def test_level_makes_loud_and_soft_speech_alike():
    waveform = torch.randn(1, 8000)
    length = torch.tensor([8000])
    loud, _ = LogMel()(waveform, length)
    soft, _ = LogMel()(0.01 * waveform, length)
    torch.testing.assert_close(loud, soft, atol=2e-2, rtol=0)
    quiet, _ = LogMel(level="none")(0.01 * waveform, length)
    assert (loud[:, 0] - quiet[:, 0]).mean() > 5


def test_silence_is_finite():
    frames, _ = LogMel()(torch.zeros(1, 16000), torch.tensor([16000]))
    assert frames.isfinite().all()


def test_delta_of_a_ramp_is_one_and_of_a_constant_zero():
    ramp = torch.arange(10.0).view(1, 10, 1)
    inner = deltas(ramp, torch.tensor([10]))[0, 2:-2, 0]
    torch.testing.assert_close(inner, torch.ones(6))
    assert deltas(torch.full((1, 10, 1), 3.0), torch.tensor([10])).abs().max() == 0


def test_deltas_equal_the_loop_and_stop_at_the_end_of_the_utterance():
    frames = torch.randn(2, 9, 3, dtype=torch.float64)
    lengths = [9, 5]
    result = deltas(frames, torch.tensor(lengths))
    for row, length in enumerate(lengths):
        for t in range(length):
            c = [frames[row, min(max(t + k, 0), length - 1)] for k in (-2, -1, 1, 2)]
            expected = ((c[2] - c[1]) + 2 * (c[3] - c[0])) / 10
            torch.testing.assert_close(result[row, t], expected)


def test_padding_is_never_heard():
    log_mel = LogMel()
    waveform = torch.randn(1, 5000)
    alone, count = log_mel(waveform, torch.tensor([5000]))
    padded, same = log_mel(
        torch.cat([waveform, torch.full((1, 3000), 7.0)], 1), torch.tensor([5000])
    )
    assert count.tolist() == same.tolist()
    torch.testing.assert_close(padded[:, :, : count.item()], alone, atol=1e-5, rtol=1e-5)


def test_alpha_one_is_the_identity():
    log_mel = LogMel()
    edges = warp(log_mel.edges, torch.ones(1), sample_rate=16000)
    assert torch.equal(triangles(edges, log_mel.bins)[0], log_mel.filters)
    waveform, length = torch.randn(2, 8000), torch.tensor([8000, 8000])
    plain, _ = log_mel(waveform, length)
    warped, _ = log_mel(waveform, length, torch.ones(2))
    torch.testing.assert_close(warped, plain, atol=1e-5, rtol=0)


@given(st.floats(0.9, 1.1))
def test_warping_is_increasing_continuous_and_keeps_both_ends(alpha):
    frequency = torch.linspace(0, 8000, 4001, dtype=torch.float64)
    warped = warp(frequency, torch.tensor([alpha], dtype=torch.float64), sample_rate=16000)[0]
    step = warped.diff()
    assert warped[0].item() == pytest.approx(0, abs=1e-9)
    assert warped[-1].item() == pytest.approx(8000, abs=1e-6)
    assert (step > 0).all()
    assert step.max() < 2 * 1.5  # no jump: neighbours 2 Hz apart stay near


def test_a_longer_vocal_tract_moves_a_tone_to_another_filter():
    log_mel = LogMel(planes="static")
    length = torch.tensor([16000])
    plain, _ = log_mel(tone(2000.0), length)
    warped, _ = log_mel(tone(2000.0), length, torch.tensor([1.1]))
    assert warped[0, 0].mean(0).argmax() < plain[0, 0].mean(0).argmax()


@given(st.floats(0, 8000))
def test_mel_there_and_back(hertz):
    frequency = torch.tensor(hertz, dtype=torch.float64)
    assert mel_to_hertz(hertz_to_mel(frequency)).item() == pytest.approx(hertz, abs=1e-6)


def test_valid_counts():
    assert valid(torch.tensor([0, 2]), 3).sum(1).tolist() == [0, 2]


def test_definition_names_what_another_reader_needs():
    definition = LogMel(num_mels=64).definition()
    assert definition["num_mels"] == 64
    assert {"mel_scale", "mel_norm", "window", "hop_length", "sample_rate"} <= definition.keys()


def test_trim_leaves_out_silence_around_speech_and_nothing_else():
    speech = 0.3 * tone(500.0, 8000)
    silence = torch.zeros(1, 16000)
    waveform = torch.cat([silence, speech, silence], 1)
    log_mel = LogMel(trim=30.0, level="none")
    frames, count = log_mel(waveform, torch.tensor([40000]))
    # 50 frames begin within the speech and two before it; 0.1 s are kept on either side.
    assert abs(count.item() - (50 + 2 + 20)) <= 1
    whole, _ = LogMel(trim=0.0, level="none")(waveform, torch.tensor([40000]))
    first, _ = log_mel.speech(waveform, log_mel.num_frames(torch.tensor([40000])))
    inner = slice(2, count.item() - 2)  # deltas at the edges see other neighbours
    expected = whole[0, 0, first.item() : first.item() + count.item()][inner]
    torch.testing.assert_close(frames[0, 0, inner], expected)


def test_trimmed_in_company_is_trimmed_alone():
    log_mel = LogMel(trim=30.0)
    waveforms = [
        torch.cat([torch.zeros(n), torch.randn(9000), torch.zeros(n)]) for n in (4000, 900)
    ]
    lengths = torch.tensor([len(w) for w in waveforms])
    padded = torch.nn.utils.rnn.pad_sequence(waveforms, batch_first=True)
    frames, counts = log_mel(padded, lengths)
    for row, waveform in enumerate(waveforms):
        alone, count = log_mel(waveform[None], lengths[row : row + 1])
        assert count.item() == counts[row].item()
        heard = frames[row : row + 1, :, : count.item()]
        torch.testing.assert_close(heard, alone, atol=1e-4, rtol=0)


def test_silence_alone_is_kept_whole():
    _, count = LogMel(trim=30.0)(torch.zeros(1, 16000), torch.tensor([16000]))
    assert count.tolist() == LogMel().num_frames(torch.tensor([16000])).tolist()
