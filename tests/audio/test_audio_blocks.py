"""A long recording, block by block: the samples of ``read``, whatever the format and the rate."""

import tracemalloc
from pathlib import Path

import media
import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from serkit.audio import (
    AudioError,
    ChannelError,
    NonFiniteAudioError,
    Resampler,
    SegmentError,
    as_waveform,
    blocks,
    read,
    resample,
)

FILES = ["call.wav", "call.flac", "call.mp3", "call.ogg", "call.m4a", "call.webm", "stereo.wav"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four seconds of a chirp, at 44.1 kHz (48 kHz for Opus)."""
    root = tmp_path_factory.mktemp("blocks")
    sound = media.chirp(4.0, 44100)
    for name in FILES[:4]:
        soundfile.write(root / name, sound, 44100)
    media.encode(root / "call.m4a", sound, 44100, "aac")
    media.encode(root / "call.webm", media.chirp(4.0, 48000), 48000, "libopus")
    soundfile.write(root / "stereo.wav", np.stack([sound, sound[::-1] / 2], axis=1), 44100)
    return root


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("sample_rate", [16000, 44100])
@pytest.mark.parametrize("times", [{}, {"start": 1.3}, {"start": 0.7, "end": 3.1}])
def test_blocks_are_the_samples_of_read(
    folder: Path, name: str, sample_rate: int, times: dict[str, float]
) -> None:
    whole = read(folder / name, sample_rate=sample_rate, **times)
    found = [*blocks(folder / name, sample_rate=sample_rate, seconds=0.37, **times)]
    np.testing.assert_array_equal(np.concatenate(found), whole)
    size = round(0.37 * sample_rate)
    assert {len(block) for block in found[:-1]} == {size}
    assert 0 < len(found[-1]) <= size


@pytest.mark.parametrize("name", FILES[:4])
def test_a_stretch_is_that_of_the_whole_at_the_native_rate_too(folder: Path, name: str) -> None:
    whole, part = (read(folder / name, sample_rate=44100, start=start) for start in (0.0, 1.5))
    np.testing.assert_allclose(part, whole[66150:], atol=1e-6)


def test_a_channel_is_taken_as_read_takes_it(folder: Path) -> None:
    for channel in (0, 1):
        found = np.concatenate([*blocks(folder / "stereo.wav", channel=channel, seconds=1.0)])
        np.testing.assert_array_equal(found, read(folder / "stereo.wav", channel=channel))
    with pytest.raises(ChannelError, match="has no channel 2"):
        _ = [*blocks(folder / "stereo.wav", channel=2)]


def test_memory_does_not_grow_with_the_length(tmp_path: Path) -> None:
    peaks: list[int] = []
    for minutes in (1, 8):
        file = tmp_path / f"{minutes}.wav"
        soundfile.write(file, np.tile(media.chirp(1.0, 8000), 60 * minutes), 8000)
        tracemalloc.start()
        for _ in blocks(file, seconds=5.0):
            pass
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.2 * peaks[0] < 8e6


def test_bad_recordings_have_the_status_that_read_gives_them(tmp_path: Path) -> None:
    sound = media.chirp(12.0, 16000)
    late = sound.copy()
    late[-5] = np.nan
    soundfile.write(tmp_path / "nan.wav", late, 16000, subtype="FLOAT")
    soundfile.write(tmp_path / "none.wav", sound[:0], 16000)
    soundfile.write(tmp_path / "cut.flac", sound, 16000)
    media.encode(tmp_path / "cut.m4a", sound, 16000, "aac", options={"movflags": "+faststart"})
    for name in ("cut.flac", "cut.m4a"):
        content = (tmp_path / name).read_bytes()
        _ = (tmp_path / name).write_bytes(content[: len(content) * 2 // 3])
    (tmp_path / "empty.wav").touch()
    _ = (tmp_path / "poem.wav").write_text("Who rides so late through night and wind?")
    statuses: dict[str, str] = {}
    for path in sorted(tmp_path.iterdir()):
        with pytest.raises(AudioError, match=path.name) as of_read:
            _ = read(path)
        with pytest.raises(AudioError, match=path.name) as of_blocks:
            _ = [*blocks(path, seconds=1.0)]
        assert type(of_blocks.value) is type(of_read.value)
        statuses[path.name] = of_blocks.value.status
    assert statuses == {
        "cut.flac": "truncated",
        "cut.m4a": "truncated",
        "empty.wav": "empty",
        "nan.wav": "not finite",
        "none.wav": "empty",
        "poem.wav": "unreadable",
    }


def test_what_comes_before_the_damage_is_heard(tmp_path: Path) -> None:
    sound = media.chirp(10.0, 16000)
    sound[-1] = np.inf
    soundfile.write(tmp_path / "inf.wav", sound, 16000, subtype="FLOAT")
    heard = blocks(tmp_path / "inf.wav", seconds=0.5)
    first = [next(heard) for _ in range(15)]
    np.testing.assert_array_equal(np.concatenate(first), sound[: 15 * 8000])
    with pytest.raises(NonFiniteAudioError, match="NaN or infinite"):
        _ = [*heard]


def test_a_stretch_beyond_the_end_is_refused(folder: Path) -> None:
    for times in ({"start": 5.0}, {"start": 1.0, "end": 5.0}):
        with pytest.raises(SegmentError, match=r"the recording ends at 4\.00 s"):
            _ = [*blocks(folder / "call.wav", **times)]
    with pytest.raises(SegmentError, match="the end must come after the start"):
        _ = [*blocks(folder / "call.wav", start=2.0, end=1.0)]
    with pytest.raises(ValueError, match="seconds=0 must be longer than one sample"):
        _ = [*blocks(folder / "call.wav", seconds=0.0)]


@given(
    num_samples=st.integers(1, 4000),
    rates=st.sampled_from([(44100, 16000), (8000, 16000), (48000, 16000), (16000, 16000)]),
    cuts=st.lists(st.integers(0, 4000), max_size=6),
)
def test_sound_in_pieces_is_resampled_as_it_is_whole(
    num_samples: int, rates: tuple[int, int], cuts: list[int]
) -> None:
    sound = np.random.default_rng(num_samples).uniform(-1, 1, num_samples).astype(np.float32)
    resampler = Resampler(*rates)
    pieces = [resampler.feed(piece) for piece in np.split(sound, sorted(cuts))]
    np.testing.assert_array_equal(
        np.concatenate([*pieces, resampler.finish()]), resample(sound, *rates)
    )


def test_samples_of_every_kind_become_floats() -> None:
    floats = np.array([-1.0, 0.5], dtype=np.float32)
    for dtype in (np.int16, np.int32):
        scaled = (floats.astype(np.float64) * -np.iinfo(dtype).min).astype(dtype)
        np.testing.assert_array_equal(as_waveform(scaled), floats)
    np.testing.assert_array_equal(as_waveform(floats.astype(np.float64)), floats)
    with pytest.raises(ValueError, match="signed integers, not uint8"):
        _ = as_waveform(np.zeros(3, np.uint8))
    for kind, name in ((b"\0\0", "bytes"), ([0.0, 0.5], "list")):
        with pytest.raises(ValueError, match=f"numpy array, not {name}.*np.frombuffer"):
            _ = as_waveform(kind)
