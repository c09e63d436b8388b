"""One door for every file."""

import contextlib
import hashlib
import importlib
import math
import pickle
import re
import struct
from pathlib import Path

import media
import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

import serkit.audio
from serkit.audio import (
    AudioError,
    ChannelError,
    DirectoryAudioError,
    EmptyAudioError,
    MissingAudioError,
    NoAudioTrackError,
    NonFiniteAudioError,
    ScaleError,
    SegmentError,
    TruncatedAudioError,
    UnreadableAudioError,
    decoded_hash,
    info,
    inspect,
    read,
)

RATES = [8000, 11025, 16000, 22050, 32000, 44100, 48000, 96000]
LOSSLESS = [
    ("wav", "PCM_U8"),
    ("wav", "PCM_16"),
    ("wav", "PCM_24"),
    ("wav", "PCM_32"),
    ("wav", "FLOAT"),
    ("wav", "DOUBLE"),
    ("flac", "PCM_16"),
    ("flac", "PCM_24"),
    ("aiff", "PCM_16"),
]
LOSSY = [("ogg", "VORBIS"), ("ogg", "OPUS"), ("mp3", "MPEG_LAYER_III")]
MEDIA = ["speech.m4a", "faststart.m4a", "speech.webm", "video.mp4", "video.mkv", "speech.mka"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three seconds of a chirp in every format, made once."""
    root = tmp_path_factory.mktemp("recordings")
    sound = media.chirp(3.0, 48000)
    for extension, subtype in LOSSLESS + LOSSY:
        soundfile.write(root / f"{subtype}.{extension}", sound, 48000, subtype=subtype)
    media.encode(root / "speech.m4a", sound, 48000, "aac")
    media.encode(root / "faststart.m4a", sound, 48000, "aac", options={"movflags": "+faststart"})
    media.encode(root / "speech.webm", sound, 48000, "libopus")
    media.encode(root / "speech.mka", sound, 48000, "flac")
    media.encode(root / "video.mp4", sound, 48000, "aac", picture=True)
    media.encode(root / "video.mkv", sound, 48000, "aac", picture=True)
    media.encode(root / "mute.mp4", None, 48000, "aac", picture=True)
    return root


def level(waveform: np.ndarray) -> float:
    """RMS of the middle, where no filter touches an edge."""
    middle = waveform[len(waveform) // 5 : -len(waveform) // 5]
    return float(np.sqrt(np.mean(middle**2)))


def pitch(waveform: np.ndarray, sample_rate: int) -> float:
    """Frequency of the highest peak of the spectrum, in Hz."""
    spectrum = np.abs(np.fft.rfft(waveform * np.hanning(len(waveform))))
    return float(np.argmax(spectrum)) * sample_rate / len(waveform)


# -- every format -----------------------------------------------------------------------------


@pytest.mark.parametrize(("extension", "subtype"), LOSSLESS)
def test_every_lossless_format_gives_the_samples_that_were_written(
    folder: Path, extension: str, subtype: str
) -> None:
    heard = read(folder / f"{subtype}.{extension}", sample_rate=48000)
    expected = media.chirp(3.0, 48000)
    assert heard.dtype == np.float32
    assert len(heard) == len(expected)
    step = {"PCM_U8": 2**-7, "PCM_16": 2**-15}.get(subtype, 2**-20)
    np.testing.assert_allclose(heard, expected, atol=step)


@pytest.mark.parametrize("name", [f"{sub}.{ext}" for ext, sub in LOSSY] + MEDIA)
def test_every_lossy_format_and_video_sounds_the_same(folder: Path, name: str) -> None:
    heard = read(folder / name)
    expected = media.chirp(3.0, 48000)[::3]
    # AAC fills its last frame of 1024 samples: at 48 kHz up to 342 samples more at 16 kHz
    assert len(expected) <= len(heard) <= len(expected) + 342
    assert np.corrcoef(heard[: len(expected)], expected)[0, 1] > 0.99


def test_a_raw_aac_stream_and_a_transport_stream_are_heard_though_they_begin_late(
    tmp_path: Path,
) -> None:
    for name in ("speech.aac", "speech.ts"):
        media.encode(tmp_path / name, media.chirp(1.0, 48000), 48000, "aac")
        assert 16000 <= len(read(tmp_path / name)) <= 16000 + 3 * 342
        assert info(tmp_path / name).duration == pytest.approx(1.0, abs=0.07)


@pytest.mark.parametrize("name", ["PCM_16.wav", "MPEG_LAYER_III.mp3", "speech.m4a", "speech.webm"])
def test_the_header_is_read_without_decoding(folder: Path, name: str) -> None:
    header = info(folder / name)
    assert (header.sample_rate, header.channels) == (48000, 1)
    assert header.duration == pytest.approx(3.0, abs=0.05)


def test_the_ending_of_the_name_does_not_decide_the_format(folder: Path, tmp_path: Path) -> None:
    for source, alias in [
        ("speech.m4a", "call.wav"),
        ("PCM_16.flac", "call.mp3"),
        ("PCM_16.wav", "call"),
        ("MPEG_LAYER_III.mp3", "Grüße 1.WAV"),
    ]:
        (tmp_path / alias).write_bytes((folder / source).read_bytes())
        np.testing.assert_array_equal(read(tmp_path / alias), read(folder / source))


def test_a_path_may_be_text(folder: Path) -> None:
    file = folder / "PCM_16.wav"
    np.testing.assert_array_equal(read(str(file)), read(file))


@pytest.mark.parametrize(("container", "codec"), [("flac", "flac"), ("wav", "pcm_s16le")])
def test_a_streamed_file_that_does_not_say_its_length_is_read_to_its_end(
    tmp_path: Path, container: str, codec: str
) -> None:
    file = tmp_path / f"streamed.{container}"
    media.stream(file, media.chirp(1.0, 16000), 16000, codec, container)
    assert len(read(file)) == 16000
    assert info(file).duration == 1.0
    np.testing.assert_array_equal(read(file, start=0.25, end=0.5), read(file)[4000:8000])


# -- rates ------------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", RATES)
def test_a_tone_keeps_its_frequency_and_level_at_every_rate(tmp_path: Path, rate: int) -> None:
    file = tmp_path / "tone.wav"
    soundfile.write(file, media.tone(1000.0, 1.0, rate), rate, subtype="FLOAT")
    heard = read(file)
    assert len(heard) == 16000
    assert pitch(heard, 16000) == pytest.approx(1000.0, abs=1.0)
    assert level(heard) == pytest.approx(level(media.tone(1000.0, 1.0, 16000)), rel=1e-3)


@pytest.mark.parametrize("rate", [8000, 22050, 44100, 48000, 96000])
def test_resampling_there_and_back_returns_the_waveform(tmp_path: Path, rate: int) -> None:
    there, back = tmp_path / "there.wav", media.chirp(1.0, 16000, high=3000.0)
    soundfile.write(there, back, 16000, subtype="FLOAT")
    other = read(there, sample_rate=rate)
    soundfile.write(there, other, rate, subtype="FLOAT")
    heard = read(there)
    assert len(heard) == len(back)
    np.testing.assert_allclose(heard[800:-800], back[800:-800], atol=2e-4)


@pytest.mark.parametrize("rate", [22050, 44100, 48000])
def test_a_tone_above_half_the_new_rate_does_not_leak_below_it(tmp_path: Path, rate: int) -> None:
    file = tmp_path / "tone.wav"
    soundfile.write(file, media.tone(9000.0, 1.0, rate), rate, subtype="FLOAT")
    assert level(read(file)) < 1e-4 * level(media.tone(9000.0, 1.0, rate))


# -- channels ---------------------------------------------------------------------------------


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5, 6])
def test_channels_are_averaged_or_chosen(tmp_path: Path, channels: int) -> None:
    file = tmp_path / "many.wav"
    frames = np.stack([media.tone(200.0 * (k + 1), 0.5, 16000) for k in range(channels)], axis=1)
    soundfile.write(file, frames, 16000, subtype="FLOAT")
    np.testing.assert_allclose(read(file), frames.mean(axis=1), atol=1e-6)
    for k in range(channels):
        np.testing.assert_allclose(read(file, channel=k), frames[:, k], atol=1e-6)
    assert info(file).channels == channels


def test_a_stereo_m4a_has_its_two_channels(tmp_path: Path) -> None:
    frames = np.stack([media.tone(300.0, 0.5, 48000), media.tone(700.0, 0.5, 48000)], axis=1)
    media.encode(tmp_path / "call.m4a", frames, 48000, "aac")
    left, right = (read(tmp_path / "call.m4a", channel=k) for k in (0, 1))
    assert pitch(left, 16000) == pytest.approx(300.0, abs=3.0)
    assert pitch(right, 16000) == pytest.approx(700.0, abs=3.0)


def test_sixteen_channels_are_read_by_the_fallback_as_well(tmp_path: Path) -> None:
    frames = np.stack([media.tone(100.0 * (k + 1), 0.5, 16000) for k in range(16)], axis=1)
    media.encode(tmp_path / "array.mka", frames, 16000, "pcm_f32le")
    assert info(tmp_path / "array.mka").channels == 16
    for k in (0, 7, 8, 15):
        np.testing.assert_array_equal(read(tmp_path / "array.mka", channel=k), frames[:, k])


def test_a_channel_that_does_not_exist_is_named(folder: Path) -> None:
    with pytest.raises(ChannelError, match=r"PCM_16\.wav: has no channel 1; its channels are 0"):
        _ = read(folder / "PCM_16.wav", channel=1)


# -- segments ---------------------------------------------------------------------------------


@settings(max_examples=60)
@given(
    times=st.lists(st.floats(0.0, 1.0), min_size=2, max_size=2, unique=True).map(sorted),
    rate=st.sampled_from([8000, 11025, 16000, 22050, 44100, 48000, 22051]),
    extension=st.sampled_from(["wav", "flac"]),
)
def test_a_segment_equals_the_same_stretch_of_the_whole(
    tmp_path_factory: pytest.TempPathFactory, times: list[float], rate: int, extension: str
) -> None:
    file = tmp_path_factory.getbasetemp() / f"noise-{rate}.{extension}"
    if not file.exists():
        noise = 0.1 * np.random.default_rng(0).standard_normal(rate)
        soundfile.write(file, noise, rate)
    start, end = times
    first, last = round(start * 16000), round(end * 16000)
    if first == last:
        with pytest.raises(SegmentError, match="shorter than one sample"):
            _ = read(file, start=start, end=end)
        return
    segment = read(file, start=start, end=end)
    assert len(segment) == last - first
    np.testing.assert_allclose(segment, read(file)[first:last], atol=2e-6)


@pytest.mark.parametrize("name", [f"{sub}.{ext}" for ext, sub in LOSSY] + MEDIA)
def test_a_segment_of_a_lossy_recording_equals_the_same_stretch_of_the_whole(
    folder: Path, name: str
) -> None:
    whole = read(folder / name)
    for start, end in [(0.0, 0.3), (0.7, 1.1), (1.333, 2.0), (2.5, 3.0)]:
        segment = read(folder / name, start=start, end=end)
        expected = whole[round(start * 16000) : round(end * 16000)]
        # after a jump AAC makes its noise anew: what it adds itself is not the same twice
        np.testing.assert_allclose(
            segment, expected, atol=0.02 if name[-3:] in ("m4a", "mp4") else 1e-3
        )


def test_a_late_segment_is_not_reached_by_decoding_everything_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    media.encode(tmp_path / "long.m4a", media.chirp(20.0, 16000), 16000, "aac")
    door = importlib.import_module("serkit.audio.read")  # the module; its function has its name
    decoded: list[int] = []
    position = door._Media._position

    def spy(self: object, frame: object) -> int:
        decoded.append(position(self, frame))
        return decoded[-1]

    monkeypatch.setattr(door._Media, "_position", spy)
    _ = read(tmp_path / "long.m4a", start=18.0, end=18.5)
    assert decoded[0] > 17 * 16000


def test_the_rest_after_a_start_is_read_to_the_end(folder: Path) -> None:
    file = folder / "PCM_16.flac"
    np.testing.assert_allclose(read(file, start=2.25), read(file)[36000:], atol=2e-6)


def test_an_end_that_a_table_rounded_up_is_clipped(folder: Path) -> None:
    assert len(read(folder / "PCM_16.wav", start=2.0, end=3.04)) == 16000


@pytest.mark.parametrize(
    ("start", "end", "message"),
    [
        (1.0, 1.0, "cannot cut 1 s to 1 s: the end must come after the start"),
        (2.0, 1.0, "the end must come after the start"),
        (-1.0, 1.0, "times are seconds from the beginning, 0 or more"),
        (math.nan, 1.0, "times are seconds from the beginning"),
        (0.0, math.inf, "times are seconds from the beginning"),
        (1.0, 1.00001, "shorter than one sample"),
        (5.0, None, r"cannot cut 5 s to the end: the recording ends at 3\.0\d s"),
        (3.0, None, r"the recording ends at 3\.0\d s"),
        (2.0, 3.5, r"cannot cut 2 s to 3\.5 s: the recording ends at 3\.0\d s; check the start"),
    ],
)
@pytest.mark.parametrize("name", ["PCM_16.wav", "speech.webm", "MPEG_LAYER_III.mp3"])
def test_a_segment_that_cuts_nothing_out_is_named(
    folder: Path, name: str, start: float, end: float | None, message: str
) -> None:
    with pytest.raises(SegmentError, match=re.escape(name) + ".*" + message) as caught:
        _ = read(folder / name, start=start, end=end)
    assert caught.value.status == "bad segment"


# -- bad files --------------------------------------------------------------------------------


def test_a_missing_file_is_named_with_its_neighbours(folder: Path) -> None:
    with pytest.raises(MissingAudioError, match=r"nobody\.wav: there is no such file; check"):
        _ = read(folder / "nobody.wav")
    with pytest.raises(MissingAudioError, match=r"did you mean speech\.m4a or speech\.mka"):
        _ = read(folder / "speech.wav")
    with pytest.raises(FileNotFoundError, match="no such file"):
        _ = read(folder / "no" / "folder.wav")


def test_a_folder_is_not_a_recording(folder: Path) -> None:
    with pytest.raises(DirectoryAudioError, match="is a folder, and one recording is needed"):
        _ = read(folder)


def test_an_empty_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty.wav").touch()
    with pytest.raises(EmptyAudioError, match=r"empty\.wav: is empty \(0 bytes\); copy or record"):
        _ = read(tmp_path / "empty.wav")
    soundfile.write(tmp_path / "header.wav", np.zeros(0), 16000)
    with pytest.raises(EmptyAudioError, match=r"header\.wav: holds no samples; record or export"):
        _ = read(tmp_path / "header.wav")


@pytest.mark.parametrize("ending", ["wav", "mp3", "flac", "m4a", "raw", "txt", "dat"])
def test_a_file_that_is_not_audio_is_named(tmp_path: Path, ending: str) -> None:
    file = tmp_path / f"poem.{ending}"
    file.write_bytes(b"\x89PNG?" + b"Who rides so late through night and wind?\n" * 50)
    with pytest.raises(
        (UnreadableAudioError, NoAudioTrackError), match=rf"poem\.{ending}: .*(convert|with sound)"
    ):
        _ = read(file)


def test_a_video_without_sound_is_named(folder: Path) -> None:
    with pytest.raises(NoAudioTrackError, match=r"mute\.mp4: has no audio track \(it holds video"):
        _ = read(folder / "mute.mp4")


@pytest.mark.parametrize("share", [0.02, 0.5, 0.9, 0.999])
@pytest.mark.parametrize(("extension", "subtype"), LOSSLESS)
def test_a_lossless_file_cut_anywhere_is_truncated(
    folder: Path, tmp_path: Path, extension: str, subtype: str, share: float
) -> None:
    whole = (folder / f"{subtype}.{extension}").read_bytes()
    file = tmp_path / f"cut.{extension}"
    file.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(TruncatedAudioError, match=rf"cut\.{extension}: .*copy it again") as caught:
        _ = read(file)
    assert caught.value.status == "truncated"


@pytest.mark.parametrize("share", [0.3, 0.5, 0.9])
@pytest.mark.parametrize("name", [f"{sub}.{ext}" for ext, sub in LOSSY] + MEDIA)
def test_a_lossy_file_cut_anywhere_is_truncated_or_unreadable(
    folder: Path, tmp_path: Path, name: str, share: float
) -> None:
    whole = (folder / name).read_bytes()
    file = tmp_path / name
    file.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises((TruncatedAudioError, UnreadableAudioError), match=re.escape(name)):
        _ = read(file)


def test_a_chunk_after_the_samples_is_not_needed_to_judge_the_length(tmp_path: Path) -> None:
    file = tmp_path / "tagged.wav"
    soundfile.write(file, media.tone(440.0, 0.5, 16000), 16000)
    note = b"LIST" + struct.pack("<I", 10) + b"INFOnotes!"
    before, samples = file.read_bytes()[:36], file.read_bytes()[36:]
    file.write_bytes(before + note + samples + note)
    assert len(read(file)) == 8000


def test_samples_that_are_not_numbers_are_named(tmp_path: Path) -> None:
    for value in (math.nan, math.inf):
        frames = media.tone(440.0, 0.5, 16000)
        frames[[3, 70]] = value
        soundfile.write(tmp_path / "odd.wav", frames, 16000, subtype="FLOAT")
        with pytest.raises(NonFiniteAudioError, match=r"odd\.wav: 2 of 8000 samples are NaN"):
            _ = read(tmp_path / "odd.wav")


def test_infinities_that_would_cancel_are_named(tmp_path: Path) -> None:
    frames = np.zeros((8000, 2))
    frames[5] = (math.inf, -math.inf)
    soundfile.write(tmp_path / "odd.wav", frames, 16000, subtype="FLOAT")
    with pytest.raises(NonFiniteAudioError, match="2 of 16000 samples"):
        _ = read(tmp_path / "odd.wav")


def test_a_header_with_an_impossible_rate_is_named(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "slow.wav", np.zeros(1000), 7)
    with pytest.raises(UnreadableAudioError, match="its header says 7 Hz, so it is damaged"):
        _ = read(tmp_path / "slow.wav")


@settings(max_examples=150)
@given(
    name=st.sampled_from([f"{sub}.{ext}" for ext, sub in LOSSLESS + LOSSY] + MEDIA),
    seed=st.integers(0, 2**32 - 1),
    head=st.booleans(),
)
def test_damaged_bytes_are_heard_or_named_and_nothing_else(
    folder: Path, name: str, seed: int, head: bool
) -> None:
    rng = np.random.default_rng(seed)
    damaged = bytearray((folder / name).read_bytes())
    for place in rng.integers(0, min(200, len(damaged)) if head else len(damaged), 4):
        damaged[place] = rng.integers(256)
    file = folder / f"damaged-{name}"
    _ = file.write_bytes(bytes(damaged))
    with contextlib.suppress(AudioError):
        assert np.isfinite(read(file)).all()


def test_integers_written_as_floats_are_named_and_not_clipped_to_a_square_wave(
    tmp_path: Path,
) -> None:
    file = tmp_path / "integers.wav"
    soundfile.write(file, 20000 * media.tone(440.0, 0.5, 16000), 16000, subtype="FLOAT")
    with pytest.raises(ScaleError, match=r"where 1 is full scale; .* divide them by 32768"):
        _ = read(file)


def test_samples_beyond_full_scale_are_clipped(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "loud.wav", 3 * media.tone(440.0, 1, 44100), 44100, subtype="FLOAT")
    heard = read(tmp_path / "loud.wav")
    assert float(np.abs(heard).max()) == 1.0
    assert inspect(heard) == ("clipped",)


def test_an_error_survives_the_way_between_processes(tmp_path: Path) -> None:
    with pytest.raises(MissingAudioError, match="no such file") as caught:
        _ = read(tmp_path / "a.wav")
    back = pickle.loads(pickle.dumps(caught.value))
    assert isinstance(back, MissingAudioError)
    assert (str(back), back.path) == (str(caught.value), tmp_path / "a.wav")


def test_every_error_has_a_status_of_its_own() -> None:
    kinds = [getattr(serkit.audio, name) for name in serkit.audio.__all__ if "Error" in name]
    assert len({kind.status for kind in kinds}) == len(kinds) == 11
    assert all(issubclass(kind, AudioError) and issubclass(kind, ValueError) for kind in kinds)


# -- hash and notes ---------------------------------------------------------------------------


def test_the_hash_is_of_16_bit_samples_and_ignores_format_and_tags(tmp_path: Path) -> None:
    integers = np.random.default_rng(0).integers(-32768, 32767, (500, 2), dtype=np.int16)
    for name in ("a.wav", "b.flac", "c.aiff"):
        soundfile.write(tmp_path / name, integers, 22050)
    soundfile.write(tmp_path / "d.wav", integers / 32768, 22050, subtype="FLOAT")
    expected = hashlib.sha256(integers[:, 0].astype("<i2").tobytes()).hexdigest()
    assert {decoded_hash(file) for file in tmp_path.iterdir()} == {expected}


def test_one_other_sample_gives_another_hash(tmp_path: Path) -> None:
    samples = np.zeros(100, dtype=np.int16)
    soundfile.write(tmp_path / "a.wav", samples, 16000)
    samples[50] = 1
    soundfile.write(tmp_path / "b.wav", samples, 16000)
    assert decoded_hash(tmp_path / "a.wav") != decoded_hash(tmp_path / "b.wav")


@pytest.mark.parametrize(
    ("waveform", "notes"),
    [
        (media.tone(300.0, 1.0, 16000), ()),
        (np.zeros(16000, dtype=np.float32), ("silent",)),
        (np.float32(1.8e-4 * np.sqrt(2)) * media.tone(300.0, 1.0, 16000), ("silent",)),
        (np.float32(2.2e-4 * np.sqrt(2)) * media.tone(300.0, 1.0, 16000), ()),
        (np.full(16000, 0.02, dtype=np.float32), ("silent", "dc offset")),
        (media.tone(300.0, 1.0, 16000) + np.float32(0.011), ("dc offset",)),
        (media.tone(300.0, 1.0, 16000) - np.float32(0.009), ()),
        (np.sign(media.tone(300.0, 1.0, 16000)), ("clipped",)),
        (media.tone(300.0, 0.2, 16000), ("very short",)),
        (np.zeros(0, dtype=np.float32), ("silent", "very short")),
        (media.tone(300.0, 60.1, 16000), ("long",)),
    ],
)
def test_what_is_odd_about_a_waveform_is_noted(
    waveform: np.ndarray, notes: tuple[str, ...]
) -> None:
    assert inspect(waveform) == notes


# -- real recordings --------------------------------------------------------------------------


@pytest.mark.corpora
def test_every_recording_of_emodb_is_read_whole(corpora_root: Path) -> None:
    files = sorted(file for file in (corpora_root / "emodb" / "wav").iterdir() if file.is_file())
    waveforms = [read(file) for file in files]
    assert len(files) == 535
    assert sum(map(len, waveforms)) / 16000 == pytest.approx(1487, abs=1)  # protocols.md, 2.1
    assert all(not {"silent", "very short", "long"} & {*inspect(one)} for one in waveforms)
