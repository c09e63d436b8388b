"""Pictures of sound: tones, clicks and ramps read back from them, and drawings made by loops."""

import math
import time

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from serkit.features.raster import Raster, blanked, cut, num_windows, standardise, stretched

S, HOP = 16000, 8000
SIZES = (96, 160)


def picture_of(window: np.ndarray, *, of: np.ndarray | None = None, **given) -> torch.Tensor:
    """``R x R`` of one window, on the scale of the utterance ``of``."""
    raster = Raster(**given)
    whole = torch.from_numpy(window if of is None else of).float().unsqueeze(0)
    level = raster.level(whole, torch.tensor([whole.shape[1]]))
    return raster(torch.from_numpy(window).float().unsqueeze(0), level)[0, 0]


def noise(num_samples: int = S, *, seed: int = 0, loud: float = 0.1) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, loud, num_samples).astype(np.float32)


def tone(hertz: float, num_samples: int = S) -> np.ndarray:
    return np.sin(2 * np.pi * hertz * np.arange(num_samples) / 16000).astype(np.float32)


def looped(window: np.ndarray, scale: float, size: int, *, style: str, connect: bool) -> np.ndarray:
    """A waveform diagram drawn pixel by pixel."""
    picture = np.zeros((size, size), np.float32)

    def row(amplitude: float) -> int:
        place = (np.float32(1) - amplitude / scale) / np.float32(2) * np.float32(size)
        return min(max(math.floor(place), 0), size - 1)

    before = None
    for column in range(size):
        first, after = column * len(window) // size, (column + 1) * len(window) // size
        samples = [window[place] for place in range(first, after)]
        high, low = max(samples), min(samples)
        ends = (high, low)
        if style == "points":
            high = low = np.float32(torch.tensor(np.array(samples)).sum() / len(samples))
        elif connect and before is not None:
            high, low = max(high, before[1]), min(low, before[0])
        before = ends
        for place in range(row(high), row(low) + 1):
            picture[place, column] = 1
    return picture


# -------------------------------------------------------------------------------------- windows


@pytest.mark.parametrize(
    ("num_samples", "count"), [(1, 1), (16000, 1), (16001, 2), (24000, 2), (24001, 3)]
)
def test_windows_from_samples(num_samples, count):
    assert num_windows(num_samples, window=S, hop=HOP) == count


@given(st.integers(1, 200_000), st.sampled_from([(S, HOP), (8000, 4000), (S, S), (32000, S)]))
def test_windows_cover_every_sample_and_none_is_empty(num_samples, cutting):
    window, hop = cutting
    count = num_windows(num_samples, window=window, hop=hop)
    assert (count - 1) * hop + window >= num_samples
    assert hop <= window
    if num_samples > window:
        assert num_samples - (count - 1) * hop > window - hop
    else:
        assert count == 1


def test_what_is_cut_is_the_utterance_and_then_zeros():
    waveform = torch.arange(1, 41.0).view(2, 20)  # 21.. is padding of the first
    owner, start = torch.tensor([0, 1, 1]), torch.tensor([8, 0, 15])
    windows = cut(waveform, torch.tensor([10, 20]), owner=owner, start=start, window=10)
    assert windows[0].tolist() == [9, 10] + 8 * [0]
    assert windows[1].tolist() == list(range(21, 31))
    assert windows[2].tolist() == list(range(36, 41)) + 5 * [0]


# ------------------------------------------------------------------------------ waveform diagram


@pytest.mark.parametrize("size", SIZES)
def test_silence_is_a_line_in_the_middle(size):
    picture = picture_of(np.zeros(S, np.float32), picture="waveform", size=size)
    assert picture.sum() == size
    assert (picture[size // 2] == 1).all()


@pytest.mark.parametrize("size", SIZES)
def test_a_square_wave_is_drawn_from_top_to_bottom(size):
    samples = np.diff(np.arange(size + 1) * S // size)  # of each column
    square = np.repeat(np.resize([1.0, -1.0], size), samples)
    picture = picture_of(square, picture="waveform", size=size)
    assert (picture[:, 1:] == 1).all()
    assert picture[0, 0] == 1
    apart = picture_of(square, picture="waveform", size=size, connect=False)
    assert (apart.sum(0) == 1).all()


@pytest.mark.parametrize("size", SIZES)
def test_a_ramp_is_a_diagonal(size):
    picture = picture_of(np.linspace(-1, 1, S), picture="waveform", size=size)
    top = picture.argmax(0)
    assert (top.diff() <= 0).all()
    line = size - 1 - torch.arange(size)
    assert ((top - line).abs() <= 1).all()
    assert (picture.sum(0) <= 3).all()


@pytest.mark.parametrize("style", ["envelope", "points"])
def test_the_other_sign_is_the_mirror_image(style):
    window = noise()
    up = picture_of(window, picture="waveform", style=style)
    down = picture_of(-window, picture="waveform", style=style).flip(0)
    for find in (lambda p: p.argmax(0), lambda p: p.flip(0).argmax(0)):
        assert ((find(up) - find(down)).abs() <= 1).all()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    ("style", "connect"), [("envelope", True), ("envelope", False), ("points", True)]
)
def test_it_equals_a_drawing_made_by_loops(size, style, connect):
    windows = [noise(S, seed=seed) * np.hanning(S).astype(np.float32) for seed in range(7)]
    for window in windows:
        found = picture_of(window, picture="waveform", size=size, style=style, connect=connect)
        wanted = looped(window, np.abs(window).max(), size, style=style, connect=connect)
        different = (found.numpy() != wanted).sum()
        # a mean may round differently, and then be one pixel higher or lower
        assert different <= (2 if style == "points" else 0)


@given(st.integers(0, 1000), st.sampled_from([1600, 4001, 16000]))
@settings(max_examples=20)
def test_every_column_has_a_pixel_and_the_line_does_not_break(seed, num_samples):
    picture = picture_of(noise(num_samples, seed=seed), picture="waveform", size=96)
    assert (picture.sum(0) >= 1).all()
    touching = picture[:, 1:] * picture[:, :-1]
    assert (touching.sum(0) >= 1).all()


def test_a_click_is_where_it_was_and_as_high():
    window = np.zeros(S, np.float32)
    window[4050], window[12010] = 1.0, -0.5  # columns 40 and 120 of 160
    picture = picture_of(window, picture="waveform", size=160, connect=False)
    assert picture[0].nonzero().flatten().tolist() == [40]
    assert picture[:, 40].sum() == 81
    assert picture[120].nonzero().flatten().tolist() == [120]  # -0.5 is at three quarters


def test_windows_keep_the_loudness_they_have_in_the_utterance():
    quiet = 0.25 * tone(100)
    beside_loud = picture_of(quiet, of=np.concatenate([quiet, tone(100)]), picture="waveform")
    alone = picture_of(quiet, picture="waveform")
    assert beside_loud.any(1).sum() == pytest.approx(40, abs=2)
    assert alone.any(1).sum() == 160
    by_window = picture_of(quiet, of=tone(100), picture="waveform", amplitude="segment")
    assert torch.equal(by_window, alone)
    at_full_scale = picture_of(quiet, picture="waveform", amplitude="fixed")
    assert at_full_scale.any(1).sum() == pytest.approx(40, abs=2)


# ---------------------------------------------------------------------------------- spectrogram


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("hertz", [500, 2000, 6000])
def test_a_tone_lights_its_row(size, hertz):
    picture = picture_of(tone(hertz), size=size)
    row = picture.mean(1).argmax().item()
    assert abs(row + 0.5 - size * (1 - hertz / 8000)) <= 1.5
    assert picture.max() > 0.9
    assert picture[: size // 20].max() < 0.4  # far away it is dark


def test_time_runs_from_left_to_right():
    window = np.concatenate([np.zeros(S // 2, np.float32), tone(1000, S // 2)])
    loud = picture_of(window, size=96).max(0).values
    assert loud[:44].max() == 0
    assert loud[52:].min() > 0.8


def test_twice_as_loud_is_the_same_picture():
    utterance = noise(30000)
    once = picture_of(utterance[:S], of=utterance)
    twice = picture_of(2 * utterance[:S], of=2 * utterance)
    torch.testing.assert_close(once, twice, atol=1e-4, rtol=0)


def test_silence_is_black_alone_and_after_speech():
    silence = np.zeros(S, np.float32)
    assert picture_of(silence).max() == 0
    assert picture_of(silence, of=np.concatenate([noise(), silence])).max() == 0
    assert picture_of(1e-6 * noise()).max() < 0.02


def test_white_is_the_loudest_bin_of_the_utterance_and_black_80_decibels_below():
    utterance = np.concatenate([tone(1000), 1e-2 * tone(1000)])  # 40 dB apart
    faint = picture_of(utterance[S:], of=utterance, size=160)
    assert faint.max().item() == pytest.approx(0.5, abs=0.03)
    fixed = picture_of(tone(1000), amplitude="fixed", size=160)
    assert fixed.max().item() == pytest.approx(1.0, abs=0.03)


def test_mel_bins_spread_what_is_low():
    linear, mel = (picture_of(tone(500), size=160, mel=mel) for mel in (False, True))
    assert linear.mean(1).argmax() > 145
    assert 100 < mel.mean(1).argmax() < 140


def test_a_spectrogram_that_is_not_resized_tells_the_tone_and_its_time():
    window = np.concatenate([np.zeros(S // 2, np.float32), tone(2000, S // 2)])
    raster, samples = Raster(), torch.from_numpy(window).unsqueeze(0)
    shades = raster.shades(samples, raster.level(samples, torch.tensor([S])))[0]
    assert shades.shape == (98, 257)
    assert shades[60:].argmax(1).tolist() == [64] * 38  # 2000 Hz of 31.25 Hz each
    assert shades[:47].max() == 0
    assert shades.max() == pytest.approx(1.0)


# ------------------------------------------------------------------------------- many at a time


@pytest.mark.parametrize("picture", ["waveform", "spectrogram"])
def test_a_hundred_windows_at_once_are_a_hundred_windows(picture):
    raster = Raster(picture=picture, size=96)
    windows = torch.from_numpy(np.stack([noise(seed=seed) for seed in range(100)]))
    level = raster.level(windows, torch.full((100,), S))
    together = raster(windows, level)
    alone = torch.cat([raster(windows[[i]], level[[i]]) for i in range(100)])
    torch.testing.assert_close(together, alone, atol=1e-6, rtol=0)


@pytest.mark.parametrize("picture", ["waveform", "spectrogram"])
def test_a_second_of_work_draws_many_windows(picture):
    raster = Raster(picture=picture, size=96)
    windows = torch.from_numpy(noise(100 * S)).view(100, S)
    level = raster.level(windows, torch.full((100,), S))
    began = time.process_time()  # of this process alone, whoever else computes
    _ = raster(windows, level)
    assert time.process_time() - began < 0.4  # 0.1 s on one core at leisure


@pytest.mark.parametrize("picture", ["waveform", "spectrogram"])
@pytest.mark.parametrize("trim", [0.0, 30.0])
def test_padding_is_never_heard(picture, trim):
    raster = Raster(picture=picture, size=96, trim=trim)
    utterance = torch.from_numpy(noise(20000)).unsqueeze(0)
    utterance[:, :4000] *= 1e-3
    length = torch.tensor([20000])
    padded = torch.cat([utterance, torch.full((1, 5000), 9.0)], dim=1)
    first, other = raster.heard(utterance, length), raster.heard(padded, length)
    assert first[1] == other[1]
    assert first[2] == other[2]
    assert torch.equal(first[0][:, : first[1]], other[0][:, : first[1]])
    assert torch.equal(raster.level(*first[:2]), raster.level(*other[:2]))


def test_silence_around_speech_is_left_out():
    utterance = torch.zeros(1, 32000)
    utterance[:, 10000:20000] = torch.from_numpy(noise(10000))
    raster = Raster(trim=30.0)
    speech, length, start = raster.heard(utterance, torch.tensor([32000]))
    assert abs(start.item() - (10000 - 1600)) <= 400  # 0.1 s before it are kept
    assert abs(start.item() + length.item() - (20000 + 1600)) <= 400
    assert torch.equal(speech[0, : length.item()], utterance[0, start : start + length])


def test_a_long_recording_has_the_level_of_its_loudest_frame():
    utterance = torch.from_numpy(noise(70 * S, loud=0.01)).unsqueeze(0)
    utterance[0, 65 * S : 65 * S + 1000] += torch.from_numpy(tone(1000, 1000))
    raster = Raster()
    whole = raster.level(utterance, torch.tensor([70 * S]))
    around = raster.level(utterance[:, 64 * S : 67 * S], torch.tensor([3 * S]))
    torch.testing.assert_close(whole, around)


# --------------------------------------------------------------------- pictures that are perturbed


def pictures(number: int = 4, size: int = 96) -> torch.Tensor:
    return torch.rand(number, 1, size, size, generator=torch.Generator().manual_seed(0)) + 0.1


def test_a_vocal_tract_of_the_same_length_changes_nothing():
    assert torch.equal(stretched(pictures(), torch.ones(4)), pictures())


@pytest.mark.parametrize("alpha", [0.9, 0.95, 1.07, 1.1])
def test_a_tone_moves_to_its_frequency_by_alpha(alpha):
    drawn = picture_of(tone(3000), size=160).expand(1, 1, 160, 160)
    found = stretched(drawn, torch.tensor([alpha]))[0, 0]
    row = found.mean(1).argmax().item()
    assert abs(row + 0.5 - 160 * (1 - 3000 / alpha / 8000)) <= 1.5
    assert torch.equal(found[-1], drawn[0, 0, -1])  # 0 Hz stays


def test_each_picture_is_stretched_by_its_own():
    alpha = torch.tensor([0.9, 1.0, 1.1, 1.0])
    found = stretched(pictures(), alpha)
    for place in range(4):
        alone = stretched(pictures()[[place]], alpha[[place]])
        assert torch.equal(found[[place]], alone)
    assert torch.equal(found[1], pictures()[1])
    assert not torch.equal(found[0], pictures()[0])


@given(st.integers(0, 1000), st.integers(0, 30))
@settings(max_examples=25)
def test_one_band_of_columns_and_one_of_rows_is_blank_and_no_wider_than_asked(seed, most):
    torch.manual_seed(seed)
    before = pictures()
    after = blanked(before, most=most)
    assert torch.equal(before, pictures())  # which is left alone
    for picture, whole in zip(after[:, 0], before[:, 0], strict=True):
        is_blank = picture == 0
        assert torch.equal(picture[~is_blank], whole[~is_blank])
        rows, columns = is_blank.all(1), is_blank.all(0)
        assert torch.equal(is_blank, rows.unsqueeze(1) | columns)
        for band in (rows, columns):
            places = band.nonzero().flatten()
            assert len(places) <= most
            assert len(places) == 0 or len(places) == places[-1] - places[0] + 1


def test_bands_of_all_widths_fall_everywhere():
    torch.manual_seed(0)
    columns = (blanked(pictures(2000, 12), most=3) == 0).all(2)[:, 0]
    widths = columns.sum(1).bincount(minlength=4) / 2000
    torch.testing.assert_close(widths, torch.full((4,), 0.25), atol=0.04, rtol=0)
    assert columns.any(0).all()


def test_standardised_images_have_mean_0_and_deviation_1():
    picture = torch.rand(3, 1, 20, 20)
    found = standardise(picture, "image")
    torch.testing.assert_close(found.mean((1, 2, 3)), torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(found.flatten(1).std(1, correction=0), torch.ones(3))
    black = standardise(torch.zeros(1, 1, 20, 20), "image")
    assert (black == 0).all()
    assert standardise(picture, "fixed").min() >= -1


def test_the_definition_says_what_changes_the_picture():
    assert Raster(mel=True).definition() != Raster().definition()
    assert Raster(picture="waveform", style="points").definition()["style"] == "points"
    assert "style" not in Raster().definition()
