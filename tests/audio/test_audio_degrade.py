"""High and low quality: what each condition does to a sound whose answer is known."""

import hashlib
import importlib
import math
import subprocess
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import av
import media
import numpy as np
import pytest
import soundfile
from av.codec.codec import UnknownCodecError
from hypothesis import given, settings
from hypothesis import strategies as st

from serkit.audio import condition_name, degrade, parse_condition, read, sources
from serkit.audio.degrade import (
    CONDITIONS,
    RT60,
    SNRS,
    ConditionError,
    add_noise,
    mu_law,
    pink_noise,
    reverberate,
    synthetic_response,
    telephone,
)

degrading = importlib.import_module("serkit.audio.degrade")  # whose name is also a function's
SYNTHETIC = ["lq", "noise:white:5", "noise:pink:0", "reverb:0.6", "telephone"]


@pytest.fixture(scope="module")
def speech() -> np.ndarray:
    """A second and a half that no condition drives past full scale."""
    return media.chirp(1.5, 16000) / 8


@pytest.fixture(scope="module")
def noises(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folds and takes named as in ESC-10, in two folders; one has two seconds of silence."""
    root = tmp_path_factory.mktemp("noises")
    generator = np.random.default_rng(1)
    for folder in ("rain", "sea"):
        (root / folder).mkdir()
        for fold in "12345":
            for take in "AB":
                noise = 0.1 * generator.standard_normal(8000)
                if (folder, fold) == ("sea", "2"):
                    noise = np.concatenate([np.zeros(16000), noise, np.zeros(16000)])
                soundfile.write(root / folder / f"{fold}-{fold}77-{take}.flac", noise, 16000)
    (root / "LICENSE.txt").write_text("CC BY", encoding="utf-8")
    return root


@pytest.fixture(scope="module")
def rooms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two recorded responses: unit impulses, one late and inverted, at odd levels."""
    root = tmp_path_factory.mktemp("rooms")
    for name, place, level in (("hall", 700, -0.02), ("cupboard", 3, 0.9)):
        response = np.zeros(2000)
        response[place] = level
        soundfile.write(root / f"{name}.wav", response, 16000, subtype="FLOAT")
    return root


def snr(waveform: np.ndarray, noise: np.ndarray) -> float:
    """Signal-to-noise ratio in dB."""
    powers = [float(np.mean(np.square(sound, dtype=np.float64))) for sound in (waveform, noise)]
    return 10 * math.log10(powers[0] / powers[1])


def energies(sound: np.ndarray, edges: Sequence[float]) -> list[float]:
    """Energy between frequencies in Hz, as a share of all."""
    power = np.abs(np.fft.rfft(sound)) ** 2
    frequency = np.fft.rfftfreq(len(sound), 1 / 16000)
    return [
        float(power[(frequency >= low) & (frequency < high)].sum() / power.sum())
        for low, high in pairwise(edges)
    ]


# -- what every condition has in common -----------------------------------------------------------


@pytest.mark.parametrize("condition", SYNTHETIC)
def test_two_calls_are_equal_bit_for_bit(condition: str, speech: np.ndarray) -> None:
    first = degrade(speech, condition, id="corpus/a")
    again = degrade(speech.copy(), condition, id="corpus/a")
    assert np.array_equal(first, again)
    assert not np.array_equal(first, speech)


@pytest.mark.parametrize("condition", [name for name in SYNTHETIC if name != "telephone"])
def test_another_utterance_meets_another_noise_or_room(condition: str, speech: np.ndarray) -> None:
    assert not np.array_equal(
        degrade(speech, condition, id="corpus/a"), degrade(speech, condition, id="corpus/b")
    )


def test_order_does_not_matter(speech: np.ndarray, noises: Path) -> None:
    asked = [(id, condition) for id in "abc" for condition in (*SYNTHETIC, f"noise:{noises}:5")]
    forward = [degrade(speech, condition, id=id) for id, condition in asked]
    backward = [degrade(speech, condition, id=id) for id, condition in reversed(asked)]
    for first, second in zip(forward, reversed(backward), strict=True):
        assert np.array_equal(first, second)


def test_another_process_hears_the_same(speech: np.ndarray) -> None:
    program = (
        "import hashlib, sys, numpy as np; from serkit.audio import degrade; "
        "sound = np.frombuffer(sys.stdin.buffer.read(), dtype=np.float32); "
        "print(hashlib.sha256(degrade(sound, 'lq', id='corpus/a').tobytes()).hexdigest())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], input=speech.tobytes(), capture_output=True, check=True
    )
    here = hashlib.sha256(degrade(speech, "lq", id="corpus/a").tobytes()).hexdigest()
    assert done.stdout.decode().strip() == here


def test_the_generator_is_seeded_as_documented(speech: np.ndarray) -> None:
    digest = hashlib.sha256(b"serkit-env-1:noise:white:5:corpus/a").digest()
    generator = np.random.default_rng(int.from_bytes(digest[:8], "big"))
    noise = generator.standard_normal(len(speech))
    wanted = add_noise(speech.astype(np.float64), noise, 5.0).astype(np.float32)
    assert np.array_equal(degrade(speech, "noise:white:5", id="corpus/a"), wanted)


@given(
    length=st.integers(0, 700),
    condition=st.sampled_from(SYNTHETIC),
    sample_rate=st.sampled_from([8000, 16000, 22050]),
    level=st.sampled_from([0.0, 1e-3, 1.0]),
)
@settings(max_examples=60)
def test_length_is_kept_and_full_scale_is_not_passed(
    length: int, condition: str, sample_rate: int, level: float
) -> None:
    waveform = (level * np.sin(np.arange(length) / 5)).astype(np.float32)
    heard = degrade(waveform, condition, id="corpus/a", sample_rate=sample_rate)
    assert heard.shape == waveform.shape
    assert heard.dtype == np.float32
    assert np.isfinite(heard).all()
    assert np.abs(heard).max(initial=0.0) <= 1.0


@pytest.mark.parametrize("condition", ["lq", "noise:white:0", "noise:pink:0", "reverb:0.3"])
def test_what_would_pass_full_scale_peaks_at_099(condition: str) -> None:
    loud = np.sign(media.chirp(0.5, 16000))
    assert np.abs(degrade(loud, condition, id="a")).max() == pytest.approx(0.99, abs=1e-6)


@pytest.mark.parametrize("condition", SYNTHETIC)
def test_silence_stays_silence(condition: str) -> None:
    assert not degrade(np.zeros(4000, dtype=np.float32), condition, id="a").any()


@pytest.mark.parametrize("condition", ["hq", "high"])
def test_high_quality_is_the_array_itself(condition: str, speech: np.ndarray) -> None:
    assert degrade(speech, condition, id="corpus/a") is speech


def test_the_utterance_given_is_not_changed(speech: np.ndarray) -> None:
    before = speech.copy()
    for condition in SYNTHETIC:
        degrade(speech, condition, id="corpus/a")
    assert np.array_equal(before, speech)


# -- names ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("high", "hq"),
        ("low", "lq"),
        ("both", "both"),
        ("noise:white:10.0", "noise:white:10"),
        ("noise:pink:-2.5", "noise:pink:-2.5"),
        ("noise:white:-0", "noise:white:0"),
        ("reverb:0.30", "reverb:0.3"),
        ("telephone", "telephone"),
    ],
)
def test_conditions_have_one_name(text: str, name: str, speech: np.ndarray) -> None:
    assert parse_condition(text) == name
    assert parse_condition(name) == name
    assert np.array_equal(degrade(speech, text, id="a"), degrade(speech, name, id="a"))


def test_a_folder_is_named_as_given_and_by_its_last_part(
    noises: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert parse_condition(f"noise:{noises}/rain:5.0") == f"noise:{noises}/rain:5"
    assert condition_name(f"noise:{noises}/rain:5.0") == "noise-rain-5"
    assert condition_name(f"reverb:{noises}/sea") == "reverb-sea"
    monkeypatch.chdir(noises / "sea")
    assert condition_name("noise:.:10") == "noise-sea-10"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("medium", "there is no such condition"),
        ("", "there is no such condition"),
        ("hq:1", "there is no such condition"),
        ("noise", "there is no such condition"),
        ("noise:white", "there is no such condition"),
        ("noise:white:loud", "'loud' is no signal-to-noise ratio in dB"),
        ("noise:white:nan", "'nan' is no signal-to-noise ratio"),
        ("noise:white:inf", "'inf' is no signal-to-noise ratio"),
        ("noise:nowhere:5", "there is no folder 'nowhere'"),
        ("reverb:0.5", "there is no folder '0.5'"),
        ("reverb", "there is no such condition"),
        ("codec:lame", "there is no such condition"),
        ("telephone:8", "there is no such condition"),
    ],
)
def test_a_wrong_condition_is_answered_with_the_right_ones(text: str, why: str) -> None:
    with pytest.raises(ConditionError, match="Conditions: hq") as caught:
        parse_condition(text)
    assert why in str(caught.value)
    assert repr(text) in str(caught.value)
    for name in CONDITIONS:
        assert name in str(caught.value)
    assert caught.value.is_usage


def test_a_folder_without_recordings_is_no_condition(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    with pytest.raises(ConditionError, match="no recording in the folder"):
        parse_condition(f"reverb:{tmp_path}")


def test_a_codec_that_ffmpeg_lacks_is_no_condition(monkeypatch: pytest.MonkeyPatch) -> None:
    lacking = {"opus": degrading._CODECS["opus"]._replace(encoder="no-such-encoder")}
    monkeypatch.setattr(degrading, "_CODECS", lacking)
    with pytest.raises(ConditionError, match="FFmpeg here has no no-such-encoder"):
        parse_condition("codec:opus")


@pytest.mark.parametrize("condition", ["telephone", "codec:opus", "codec:mp3"])
def test_one_sample_stays_one_where_a_lower_rate_leaves_none(condition: str) -> None:
    heard = degrade(np.ones(1, np.float32), condition, id="a", sample_rate=44100)
    assert heard.shape == (1,)
    assert np.isfinite(heard).all()


# -- low quality ----------------------------------------------------------------------------------


def test_both_is_high_or_low_quality_by_the_hash_of_the_id(speech: np.ndarray) -> None:
    low = 0
    for number in range(60):
        id = f"corpus/{number}"
        heard = degrade(speech, "both", id=id)
        if heard is not speech:
            assert np.array_equal(heard, degrade(speech, "lq", id=id))
            low += 1
    assert 20 <= low <= 40


def test_low_quality_is_a_room_and_then_noise_at_the_ratios_drawn(speech: np.ndarray) -> None:
    met: set[tuple[float, float]] = set()
    for number in range(30):
        id = f"corpus/{number}"
        digest = hashlib.sha256(f"serkit-env-1:lq:{id}".encode()).digest()
        generator = np.random.default_rng(int.from_bytes(digest[:8], "big"))
        rt60, ratio = RT60[generator.integers(3)], SNRS[generator.integers(5)]
        room = reverberate(speech.astype(np.float64), synthetic_response(rt60, generator))
        heard = degrade(speech, "lq", id=id).astype(np.float64)
        assert snr(room, heard - room) == pytest.approx(ratio, abs=0.01)
        met.add((rt60, ratio))
    assert {rt60 for rt60, _ in met} == set(RT60)
    assert {ratio for _, ratio in met} == set(SNRS)


# -- noise ----------------------------------------------------------------------------------------


@given(
    ratio=st.floats(-20, 40),
    kind=st.sampled_from(["white", "pink"]),
    length=st.integers(200, 5000),
    id=st.text(max_size=5),
)
@settings(max_examples=40)
def test_the_ratio_measured_is_the_ratio_asked_for(
    ratio: float, kind: str, length: int, id: str
) -> None:
    waveform = (0.001 * np.sin(np.arange(length) / 7)).astype(np.float32)
    heard = degrade(waveform, f"noise:{kind}:{ratio}", id=id)
    written = float(parse_condition(f"noise:{kind}:{ratio}").rpartition(":")[2])
    assert snr(waveform, heard.astype(np.float64) - waveform) == pytest.approx(written, abs=0.01)


def test_white_noise_is_flat_and_pink_noise_falls_by_three_decibels_per_octave() -> None:
    edges = [125.0, 250.0, 500.0, 1000.0, 2000.0, 4000.0, 8000.0]
    white = energies(np.random.default_rng(0).standard_normal(160000), edges)
    pink = energies(pink_noise(160000, np.random.default_rng(0)), edges)
    assert np.allclose(np.diff(10 * np.log10(white)), 10 * math.log10(2), atol=0.6)
    assert np.allclose(np.diff(10 * np.log10(pink)), 0.0, atol=0.6)
    whole = pink_noise(40 * 4096, np.random.default_rng(0))  # not cut, so that nothing leaks
    assert energies(whole, [0.0, 19.99])[0] < 1e-20


def test_noise_power_is_that_of_the_sounding_part() -> None:
    generator = np.random.default_rng(0)
    burst = generator.standard_normal(1600)
    waveform = np.full(16000, 0.1)
    noise = np.concatenate([burst, np.zeros(14400)])
    added = add_noise(waveform, noise, 10.0) - waveform
    assert snr(waveform, added[:1600]) == pytest.approx(10.0, abs=1e-9)
    assert not added[1600:].any()


def test_noise_of_a_folder_is_at_the_ratio_without_the_silence_around_it(
    speech: np.ndarray, noises: Path
) -> None:
    for number in range(12):  # several of these meet the recordings that are mostly silent
        heard = degrade(speech, f"noise:{noises}/sea:5", id=f"corpus/{number}")
        assert snr(speech, heard - speech) == pytest.approx(5.0, abs=0.01)


def test_noise_begins_anywhere_and_is_looped(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "ramp.wav", np.linspace(0.1, 0.5, 4000), 16000, subtype="FLOAT")
    waveform = np.full(9000, 0.001, dtype=np.float32)
    begins: set[float] = set()
    with pytest.warns(UserWarning, match="all of it is one recording"):
        sources(f"noise:{tmp_path}:0")
    for number in range(20):
        noise = degrade(waveform, f"noise:{tmp_path}:0", id=str(number)).astype(np.float64)
        noise -= waveform
        assert np.allclose(noise[:4000], noise[4000:8000], rtol=1e-3)
        begins.add(round(float(noise[0] / noise.max()), 2))
    assert len(begins) > 10


def test_a_folder_elsewhere_with_the_same_recordings_gives_the_same_noise(
    speech: np.ndarray, noises: Path, tmp_path: Path
) -> None:
    (tmp_path / "copy").symlink_to(noises, target_is_directory=True)
    here = degrade(speech, f"noise:{noises}:5", id="a")
    assert np.array_equal(here, degrade(speech, f"noise:{tmp_path / 'copy'}:5", id="a"))


def test_training_and_test_share_no_original_recording(noises: Path) -> None:
    train, test = (sources(f"noise:{noises}:5", part) for part in ("train", "test"))
    assert len(train) == len(test) == 10
    assert {path.parent.name for path in train} == {path.parent.name for path in test}
    original = [{(path.parent, path.name[0]) for path in part} for part in (train, test)]
    assert not original[0] & original[1]


def test_an_utterance_of_training_meets_other_noises_than_one_of_test(
    speech: np.ndarray, noises: Path
) -> None:
    asked = f"noise:{noises}:5"
    train = degrade(speech, asked, id="a", part="train")
    assert not np.array_equal(train, degrade(speech, asked, id="a", part="test"))


@pytest.mark.parametrize(
    ("names", "together"),
    [
        (["1-17-A", "1-18-A", "2-19-A", "2-20-B"], [{"1-17-A", "1-18-A"}, {"2-19-A", "2-20-B"}]),
        (["street-1", "street-2", "office"], [{"street-1", "street-2"}, {"office"}]),
        (["noise-free-1", "noise-free-2"], [{"noise-free-1"}, {"noise-free-2"}]),
        (["rir1", "rir2", "rir3"], [{"rir1"}, {"rir2"}, {"rir3"}]),
        (["1-17-A", "1-17-B", "1-18-A"], [{"1-17-A", "1-17-B"}, {"1-18-A"}]),
    ],
)
def test_takes_of_one_recording_stay_together(
    names: list[str], together: list[set[str]], tmp_path: Path
) -> None:
    for name in names:
        soundfile.write(tmp_path / f"{name}.wav", np.full(160, 0.1), 16000)
    parts = [
        {path.stem for path in sources(f"reverb:{tmp_path}", part)} for part in ("train", "test")
    ]
    assert set.union(*parts) == set(names)
    assert not parts[0] & parts[1]
    assert parts[0]
    assert parts[1]
    for group in together:
        assert group <= parts[0] or group <= parts[1]


def test_what_cannot_be_cut_is_shared_and_said(tmp_path: Path) -> None:
    for suffix in ("wav", "flac"):
        soundfile.write(tmp_path / f"hall.{suffix}", np.full(160, 0.1), 16000)
    with pytest.warns(UserWarning, match="training and test share it"):
        test = sources(f"reverb:{tmp_path}")
    assert test == sources(f"reverb:{tmp_path}", "train")
    assert len(test) == 2


@pytest.mark.parametrize("kind", ["noise:{}:5", "reverb:{}"])
def test_recordings_that_cannot_be_used_are_named(
    kind: str, tmp_path: Path, speech: np.ndarray
) -> None:
    for name in ("a", "b"):
        soundfile.write(tmp_path / f"{name}.wav", np.zeros(1600), 16000)
    with pytest.raises(ConditionError, match=r"[ab]\.wav: (holds only silence|all zeros)"):
        degrade(speech, kind.format(tmp_path), id="a")
    for name in ("a", "b"):
        (tmp_path / f"{name}.wav").write_bytes(b"")
    degrading._noise.cache_clear()
    degrading._response.cache_clear()
    with pytest.raises(ConditionError, match=r"[ab]\.wav: is empty .*take it out of the folder"):
        degrade(speech, kind.format(tmp_path), id="a")


# -- rooms ----------------------------------------------------------------------------------------


@given(delay=st.integers(0, 300), level=st.floats(0.01, 2.0), length=st.integers(1, 500))
def test_a_unit_impulse_is_no_room_however_late_and_loud(
    delay: int, level: float, length: int
) -> None:
    waveform = np.random.default_rng(length).standard_normal(length)
    response = np.zeros(400)
    response[delay] = level
    assert np.allclose(reverberate(waveform, response), waveform, atol=1e-12)


def test_a_room_is_the_convolution_at_the_power_of_the_utterance() -> None:
    generator = np.random.default_rng(2)
    waveform, response = generator.standard_normal(300), generator.standard_normal(50)
    heard = np.convolve(waveform, response)[int(np.argmax(np.abs(response))) :][:300]
    heard *= math.sqrt(np.mean(waveform**2) / np.mean(heard**2))
    assert np.allclose(reverberate(waveform, response), heard, atol=1e-12)


@pytest.mark.parametrize("rt60", RT60)
def test_a_synthetic_room_falls_by_sixty_decibels_in_its_time(rt60: float) -> None:
    response = synthetic_response(rt60, np.random.default_rng(3))
    assert len(response) == round(rt60 * 16000)
    assert np.sum(response**2) == pytest.approx(1.0)
    assert response[0] ** 2 == pytest.approx(np.sum(response[1:] ** 2))
    assert int(np.argmax(np.abs(response))) == 0
    tail = response[1:]
    left = 10 * np.log10(np.cumsum(tail[::-1] ** 2)[::-1] / np.sum(tail**2))  # Schroeder
    at_5, at_25 = (int(np.argmax(left < -level)) for level in (5, 25))
    assert 3 * (at_25 - at_5) / 16000 == pytest.approx(rt60, rel=0.12)


def test_recorded_rooms_delay_nothing_and_keep_the_level(speech: np.ndarray, rooms: Path) -> None:
    heard = {
        part: degrade(speech, f"reverb:{rooms}", id="a", part=part) for part in ("train", "test")
    }
    late = "train" if sources(f"reverb:{rooms}", "train")[0].stem == "hall" else "test"
    on_time = "test" if late == "train" else "train"
    assert np.allclose(heard[on_time], speech, atol=1e-6)
    assert np.allclose(heard[late], -speech, atol=1e-6)  # it was inverted, and 44 ms late


# -- telephone ------------------------------------------------------------------------------------


@given(values=st.lists(st.floats(-1, 1), min_size=1, max_size=50))
def test_mu_law_comes_back_within_a_level(values: list[float]) -> None:
    sound = np.array(values)
    levels = [
        np.sign(y) * np.log1p(255 * np.abs(y)) / np.log(256) * 128 for y in (sound, mu_law(sound))
    ]
    assert np.abs(levels[0] - levels[1]).max() <= 1 + 1e-9
    assert np.allclose(levels[1], np.round(levels[1]), atol=1e-9)


def test_mu_law_has_256_levels_and_its_exact_inverse() -> None:
    heard = np.unique(mu_law(np.linspace(-1, 1, 100001)))
    levels = [math.copysign((256 ** abs(k / 128) - 1) / 255, k) for k in range(-128, 128)]
    assert len(heard) == 256
    assert np.allclose(heard, levels, atol=1e-12)


@pytest.mark.parametrize("pitch", [400.0, 1000.0, 3000.0])
def test_the_telephone_lets_speech_through_in_time(pitch: float) -> None:
    tone = media.tone(pitch, 0.5, 16000)
    heard = degrade(tone, "telephone", id="a")
    middle = slice(1600, -1600)
    assert snr(tone[middle], (heard - tone)[middle]) > 18  # 8 bits of mu-law, and no delay


@pytest.mark.parametrize("pitch", [100.0, 4200.0, 6000.0])
def test_the_telephone_stops_what_is_outside_its_band(pitch: float) -> None:
    tone = media.tone(pitch, 0.5, 16000)
    assert np.sum(degrade(tone, "telephone", id="a") ** 2) < 0.01 * np.sum(tone**2)


def test_the_telephone_has_half_the_power_at_its_edges(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(degrading, "mu_law", lambda sound: sound)  # its noise is not the filter's
    for edge in (300.0, 3400.0):
        tone = media.tone(edge, 1.0, 16000).astype(np.float64)
        heard = telephone(tone)[4000:-4000]
        assert np.mean(heard**2) / np.mean(tone**2) == pytest.approx(0.5, abs=0.01)


# -- codecs ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("codec", "encoder"), [("opus", "libopus"), ("mp3", "libmp3lame")])
def test_a_codec_keeps_time_and_length_and_loses_something(codec: str, encoder: str) -> None:
    try:
        _ = av.Codec(encoder, "w")
    except UnknownCodecError:
        pytest.skip(f"this FFmpeg has no {encoder}")
    chirp = media.chirp(1.0, 16000, high=500)[:15999]  # the pitch of a voice
    heard = degrade(chirp, f"codec:{codec}", id="a")
    assert len(heard) == len(chirp)
    size = 1 << 15
    spectra = [np.fft.rfft(sound.astype(np.float64), size) for sound in (heard, chirp)]
    lag = int(np.argmax(np.fft.irfft(spectra[0] * np.conj(spectra[1]), size)))
    assert min(lag, size - lag) <= 2
    assert 0.9 < np.corrcoef(heard, chirp)[0, 1] < 1 - 1e-6
    assert np.array_equal(heard, degrade(chirp, f"codec:{codec}", id="b"))
    for length in (1, 100):
        assert len(degrade(chirp[:length], f"codec:{codec}", id="a")) == length


# -- the real thing -------------------------------------------------------------------------------


@pytest.mark.corpora
def test_esc_10_is_cut_by_fold_inside_every_class(corpora_root: Path) -> None:
    folder = corpora_root / "noise" / "ESC-10"
    if not folder.is_dir():
        pytest.skip(f"no {folder}")
    train, test = (sources(f"noise:{folder}:10", part) for part in ("train", "test"))
    assert len(train) + len(test) == 240
    folds = [{(path.parent.name, path.name[0]) for path in part} for part in (train, test)]
    assert not folds[0] & folds[1]
    for part in folds:
        per_class = [sum(name == kind for name, _ in part) for kind in {name for name, _ in part}]
        assert len(per_class) == 6
        assert set(per_class) <= {2, 3}


@pytest.mark.corpora
def test_speech_and_real_noise_have_the_ratio_asked_for(corpora_root: Path) -> None:
    folder = corpora_root / "noise" / "speech_commands"
    recordings = sorted((corpora_root / "emodb" / "wav").glob("03a0*"))[:10]
    if not (folder.is_dir() and recordings):
        pytest.skip(f"no Emo-DB or no noise in {corpora_root}")
    for path in recordings:
        speech = read(path) / 8
        heard = degrade(speech, f"noise:{folder}:10", id=f"emodb/{path.stem}")
        assert snr(speech, heard.astype(np.float64) - speech) == pytest.approx(10.0, abs=0.1)
