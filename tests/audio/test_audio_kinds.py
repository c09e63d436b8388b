"""Every kind of damaged or odd recording, with the status and the notes that the guide promises."""

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import media
import numpy as np
import pytest
import soundfile
import torch

from serkit.audio import AudioError
from serkit.predictor import Outcome, Predictor
from serkit.systems.crnn import CRNN, Config

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "guide" / "bad_audio.md"


@pytest.fixture(scope="module")
def listener() -> Predictor:
    torch.manual_seed(0)
    system = CRNN(Config(emotions=("anger", "sadness"), size="small")).eval()
    return Predictor(systems=(system,), rater="crnn")


def speech(seconds: float = 1.0, rate: int = 16000) -> np.ndarray:
    """Something to rate."""
    return media.chirp(seconds, rate)


def write(file: Path, samples: np.ndarray, rate: int = 16000, subtype: str = "PCM_16") -> Path:
    soundfile.write(file, samples, rate, subtype=subtype)
    return file


def put(file: Path, content: bytes) -> Path:
    file.write_bytes(content)
    return file


def cut(file: Path, share: float = 0.6) -> Path:
    return put(file, file.read_bytes()[: round(share * file.stat().st_size)])


def encoded(file: Path, samples: np.ndarray | None, **given: bool) -> Path:
    media.encode(file, samples, 48000, "aac", **given)
    return file


def odd(value: float) -> np.ndarray:
    samples = speech()
    samples[[3, 70]] = value
    return samples


def hours(file: Path, hours: int = 3) -> Path:
    """A second of sound, and then nothing: the file system need not store what was never written.

    The header says what a recorder would have written.
    """
    write(file, speech())
    header, samples = file.read_bytes()[:44], file.read_bytes()[44:]
    num_bytes = hours * 3600 * 16000 * 2
    sizes = (36 + num_bytes).to_bytes(4, "little"), num_bytes.to_bytes(4, "little")
    put(file, header[:4] + sizes[0] + header[8:40] + sizes[1] + samples)
    os.truncate(file, 44 + num_bytes)
    return file


def stereo(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    return np.stack([left, right], axis=1)


def streamed(file: Path) -> Path:
    media.stream(file, speech(), 16000, "pcm_s16le", "wav")
    return file


Make = Callable[[Path], Path]
KINDS: dict[str, Make] = {
    "no such file": lambda at: at / "gone.wav",
    "a folder": lambda at: at,
    "an empty file": lambda at: put(at / "empty.wav", b""),
    "a header and no samples": lambda at: write(at / "header.wav", np.zeros(0)),
    "text named `.wav`": lambda at: put(at / "poem.wav", b"Who rides so late?\n" * 99),
    "a file that may not be read": lambda at: write(at / "locked.wav", speech()),
    "a WAV cut short": lambda at: cut(write(at / "cut.wav", speech())),
    "a FLAC cut short": lambda at: cut(write(at / "cut.flac", speech())),
    "an MP3 cut short": lambda at: cut(
        write(at / "cut.mp3", speech(3.0), subtype="MPEG_LAYER_III")
    ),
    "an m4a cut short": lambda at: cut(encoded(at / "cut.m4a", speech(3.0, 48000))),
    "samples that are NaN": lambda at: write(at / "nan.wav", odd(np.nan), subtype="FLOAT"),
    "samples that are infinite": lambda at: write(at / "inf.wav", odd(np.inf), subtype="FLOAT"),
    "integers stored as floats": lambda at: write(
        at / "scale.wav", 32767 * speech(), subtype="FLOAT"
    ),
    "silence": lambda at: write(at / "silence.wav", np.zeros(16000)),
    "a constant": lambda at: write(at / "constant.wav", np.full(16000, 0.2)),
    "two channels that cancel": lambda at: write(at / "cancel.wav", stereo(speech(), -speech())),
    "sound with a constant added": lambda at: write(at / "offset.wav", 0.8 * speech() + 0.05),
    "a level far too high": lambda at: write(at / "clipped.wav", np.clip(5 * speech(), -1, 1)),
    "floats beyond full scale": lambda at: write(at / "hot.wav", 4 * speech(), subtype="FLOAT"),
    "8 kHz": lambda at: write(at / "telephone.wav", speech(1.0, 8000), 8000),
    "8 kHz A-law": lambda at: write(at / "alaw.wav", speech(1.0, 8000), 8000, "ALAW"),
    "96 kHz": lambda at: write(at / "studio.wav", speech(1.0, 96000), 96000),
    "24 bit": lambda at: write(at / "deep.wav", speech(), subtype="PCM_24"),
    "32-bit float": lambda at: write(at / "float.wav", speech(), subtype="FLOAT"),
    "5.1 channels": lambda at: write(at / "film.wav", np.stack([speech()] * 6, axis=1)),
    "m4a named `.wav`": lambda at: put(
        at / "phone.wav", encoded(at / "phone.m4a", speech(1.0, 48000)).read_bytes()
    ),
    "a header that does not know the length": lambda at: streamed(at / "streamed.wav"),
    "a video with sound": lambda at: encoded(at / "talk.mp4", speech(1.0, 48000), picture=True),
    "a video without sound": lambda at: encoded(at / "mute.mp4", None, picture=True),
    "0.05 s": lambda at: write(at / "click.wav", speech(0.05)),
    "0.2 s": lambda at: write(at / "syllable.wav", speech(0.2)),
    "3 hours": lambda at: hours(at / "meeting.wav"),
    "a segment of no length": lambda at: write(at / "whole.wav", speech()),
    "a segment behind the end": lambda at: write(at / "whole.wav", speech()),
}
"""Each as the guide calls it, and how to make one."""
SEGMENTS = {"a segment of no length": (0.5, 0.5), "a segment behind the end": (7.0, 8.0)}


def promised() -> dict[str, tuple[str, tuple[str, ...]]]:
    """What the guide says of each kind: status and notes."""
    text = GUIDE.read_text(encoding="utf-8")
    table = text.partition("| recording | status | notes | why |\n")[2].partition("\n\n")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
    return {
        kind: (status.strip("`"), tuple(re.findall("`([^`]+)`", notes)))
        for kind, status, notes, _ in rows[1:]
    }


@contextmanager
def nobody() -> Iterator[None]:
    """As a user who owns nothing: whoever runs the tests may be allowed to read everything."""
    if sys.platform != "win32" and os.getuid() == 0:
        os.setresuid(65534, 65534, 0)
        try:
            yield
        finally:
            os.setresuid(0, 0, 0)
    else:
        yield


def rated(listener: Predictor, kind: str, file: Path) -> Outcome:
    if kind in SEGMENTS:
        start, end = SEGMENTS[kind]
        with pytest.raises(AudioError, match="cannot cut") as caught:
            _ = listener.predict(file, start=start, end=end)
        return Outcome(file=str(file), status=caught.value.status, message=str(caught.value))
    if kind != "a file that may not be read":
        (outcome,) = listener.predict_all([file])
        return outcome
    if sys.platform == "win32":
        pytest.skip("permissions are another matter on Windows")
    with tempfile.TemporaryDirectory() as folder:  # one that others may enter
        Path(folder).chmod(0o755)
        locked = file.rename(Path(folder) / file.name)
        locked.chmod(0)
        with nobody():
            (outcome,) = listener.predict_all([locked])
    return outcome


def test_the_guide_tells_of_every_kind_and_of_no_other() -> None:
    assert list(promised()) == list(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_gets_the_status_and_notes_that_the_guide_promises(
    listener: Predictor, tmp_path: Path, kind: str
) -> None:
    file = KINDS[kind](tmp_path)
    outcome = rated(listener, kind, file)
    assert (outcome.status, outcome.notes) == promised()[kind]
    if outcome.status == "ok":
        assert outcome.rating is not None
        assert sum(outcome.rating.emotion.values()) == pytest.approx(1.0)
    else:
        assert outcome.rating is None
        assert file.name in outcome.message
        assert re.search(r"[;:,] \w+", outcome.message)  # what is wrong, and what to do


# -- long recordings --------------------------------------------------------------------------


def test_a_long_recording_is_rated_as_the_mean_of_its_parts(
    listener: Predictor, tmp_path: Path
) -> None:
    sound = np.random.default_rng(0).normal(size=250 * 16000).astype(np.float32) * 0.1
    sound[120 * 16000 : 240 * 16000] = 0  # a silent part says nothing
    file = write(tmp_path / "long.flac", sound)
    parts = [listener.predict(file, start=0.0, end=120.0), listener.predict(file, start=240.0)]
    expected = {
        emotion: (120 * parts[0].emotion[emotion] + 10 * parts[1].emotion[emotion]) / 130
        for emotion in listener.emotions
    }
    (outcome,) = listener.predict_all([file])
    assert outcome.rating is not None
    assert outcome.rating.emotion == pytest.approx(expected, abs=1e-5)
    assert (outcome.duration, outcome.notes) == (250.0, ("long",))
    assert listener.predict(file).emotion == pytest.approx(expected, abs=1e-5)
    heard, _ = soundfile.read(file, dtype="float32")
    assert listener.predict(heard).emotion == pytest.approx(expected, abs=1e-5)


def test_a_long_recording_that_is_damaged_late_is_not_rated_by_halves(
    listener: Predictor, tmp_path: Path
) -> None:
    file = write(tmp_path / "long.flac", np.tile(speech(), 200))
    content = bytearray(file.read_bytes())
    content[-len(content) // 5 : -len(content) // 6] = bytes(len(content) // 5 - len(content) // 6)
    file.write_bytes(content)
    good = write(tmp_path / "good.wav", speech())
    assert [one.status for one in listener.predict_all([file, good])] == ["truncated", "ok"]


def test_two_minutes_of_silence_and_more_are_silent(listener: Predictor, tmp_path: Path) -> None:
    (outcome,) = listener.predict_all([write(tmp_path / "long.wav", np.zeros(150 * 16000))])
    assert (outcome.status, outcome.duration) == ("silent", None)


MEMORY = """
import resource, sys
import torch
from serkit.predictor import Predictor
from serkit.systems.crnn import CRNN, Config
torch.set_num_threads(1)
listener = Predictor(systems=(CRNN(Config(emotions=("a", "b"), size="small")).eval(),), rater="r")
for file in sys.argv[1:]:
    (outcome,) = listener.predict_all([file])
    assert outcome.status == "ok", outcome
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="memory is counted in kilobytes on Linux")
def test_memory_does_not_grow_with_the_length_of_a_recording(tmp_path: Path) -> None:
    short = write(tmp_path / "short.wav", np.tile(speech(), 240))
    long = hours(tmp_path / "long.wav", hours=1)
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, str(short), str(long)],
        capture_output=True,
        text=True,
        check=True,
    )
    four_minutes, an_hour = (int(line) for line in done.stdout.split())
    assert an_hour - four_minutes < 50  # MB; all of it at once would be 230 more, and twice that
