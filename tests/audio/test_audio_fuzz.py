"""Files damaged at random: each is heard or refused by name, never a crash, never a hang.

A thousand or so in the suite, the same each time. ``SERKIT_FUZZ=50000`` tries as many, others at
each run.
"""

import contextlib
import os
import select
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import media
import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

NUM_EXAMPLES = int(os.environ.get("SERKIT_FUZZ", "0"))
PATIENCE = 20.0  # s of waiting, on a busy machine
LIMIT = 2.0  # s of processor time for five readings of half a second of sound
SECONDS = 0.5

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="waits for a process as POSIX systems do"
)


class Reader:
    """The process that reads, begun again when a file has killed it."""

    def __init__(self) -> None:
        self.process: subprocess.Popen[str] | None = None

    def hear(self, file: Path) -> str:
        """What it says of a file; ``"CRASH ..."`` also when it dies or never answers."""
        if self.process is None:
            self.process = subprocess.Popen(
                [sys.executable, str(Path(__file__).with_name("fuzz_reader.py"))],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
            assert self._answer(60.0) == "ready"
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # dead already: no answer will come
            self.process.stdin.write(f"{file}\n")
            self.process.stdin.flush()
        answer = self._answer(PATIENCE)
        if answer:
            seconds, _, said = answer.partition(" ")
            return said if float(seconds) < LIMIT else f"CRASH took {seconds} s: {said}"
        code = self.process.poll()
        self.close()
        return "CRASH no answer" if code is None else f"CRASH the process died ({code})"

    def _answer(self, patience: float) -> str:
        assert self.process is not None
        assert self.process.stdout is not None
        ready, _, _ = select.select([self.process.stdout], [], [], patience)
        line = self.process.stdout.readline().rstrip("\n") if ready else ""
        if ready and not line:
            self.process.wait()
        return line

    def close(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            for pipe in (self.process.stdin, self.process.stdout):
                assert pipe is not None
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()
            self.process = None


@pytest.fixture(scope="module")
def reader() -> Iterator[Reader]:
    one = Reader()
    yield one
    one.close()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Small valid files by their names."""
    root = tmp_path_factory.mktemp("whole")
    sound = media.chirp(SECONDS, 16000)
    stereo = np.stack([sound, -sound], axis=1)
    soundfile.write(root / "speech.wav", sound, 16000)
    soundfile.write(root / "float.wav", stereo, 16000, subtype="FLOAT")
    soundfile.write(root / "speech.flac", stereo, 16000)
    soundfile.write(root / "speech.ogg", sound, 16000)
    soundfile.write(root / "opus.ogg", sound, 16000, format="OGG", subtype="OPUS")
    soundfile.write(root / "speech.mp3", sound, 16000)
    soundfile.write(root / "speech.aiff", sound, 16000)
    media.encode(root / "speech.m4a", sound, 16000, "aac")
    media.encode(root / "front.m4a", sound, 16000, "aac", options={"movflags": "+faststart"})
    media.encode(root / "video.mp4", sound, 16000, "aac", picture=True)
    media.encode(root / "speech.webm", sound, 48000, "libopus")
    media.encode(root / "speech.mka", sound, 16000, "flac")
    return {file.name: file.read_bytes() for file in sorted(root.iterdir())}


NAMES = (
    *("speech.wav", "float.wav", "speech.flac", "speech.ogg", "opus.ogg", "speech.mp3"),
    *("speech.aiff", "speech.m4a", "front.m4a", "video.mp4", "speech.webm", "speech.mka"),
)
ODD_WORDS = tuple(
    bytes.fromhex(word)
    for word in ("00000000", "ffffffff", "7fffffff", "80000000", "ffffff7f", "00000080", "01000000")
)
PLACE = st.one_of(st.floats(0.0, 1.0), st.integers(0, 255))
"""A share of the file's length; or a byte of its beginning, where headers are."""
EDIT = st.one_of(
    st.tuples(st.just("write"), PLACE, st.binary(min_size=1, max_size=8)),
    st.tuples(st.just("write"), PLACE, st.sampled_from(ODD_WORDS)),
    st.tuples(st.just("flip"), PLACE, st.integers(0, 7)),
    st.tuples(st.just("cut"), PLACE, st.none()),
    st.tuples(st.just("blank"), PLACE, st.integers(1, 2000)),
    st.tuples(st.just("remove"), PLACE, st.integers(1, 2000)),
    st.tuples(st.just("repeat"), PLACE, st.integers(1, 2000)),
    st.tuples(st.just("graft"), PLACE, st.sampled_from(NAMES)),
)


def damaged(content: bytes, edits: Sequence[tuple], whole: dict[str, bytes]) -> bytes:
    """A file after some accidents."""
    for kind, place, what in edits:
        at = min(len(content), place if isinstance(place, int) else round(place * len(content)))
        if kind == "write":
            content = content[:at] + what + content[at + len(what) :]
        elif kind == "flip" and at < len(content):
            content = content[:at] + bytes([content[at] ^ 1 << what]) + content[at + 1 :]
        elif kind == "cut":
            content = content[:at]
        elif kind == "blank":
            num_bytes = min(what, len(content) - at)
            content = content[:at] + bytes(num_bytes) + content[at + num_bytes :]
        elif kind == "remove":
            content = content[:at] + content[at + what :]
        elif kind == "repeat":
            content = content[: at + what] + content[at:]
        elif kind == "graft":
            content = content[:at] + whole[what][at:]
    return content


@settings(
    max_examples=NUM_EXAMPLES or 800,
    derandomize=not NUM_EXAMPLES,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
    database=None,
)
@given(name=st.sampled_from(NAMES), edits=st.lists(EDIT, min_size=1, max_size=6))
def test_a_damaged_file_is_heard_or_refused_by_name_and_never_a_crash(
    reader: Reader,
    whole: dict[str, bytes],
    tmp_path_factory: pytest.TempPathFactory,
    name: str,
    edits: list[tuple],
) -> None:
    file = tmp_path_factory.getbasetemp() / f"damaged{Path(name).suffix}"
    file.write_bytes(damaged(whole[name], edits, whole))
    said = reader.hear(file)
    assert not said.startswith("CRASH"), said


def test_a_reader_that_dies_is_noticed_and_begun_again() -> None:
    """The guard itself: without it no crash would ever be seen."""
    reader, nowhere = Reader(), Path("nowhere.wav")
    missing = " | ".join(["missing"] * 5)
    assert reader.hear(nowhere) == missing
    assert reader.process is not None
    reader.process.kill()
    reader.process.wait()
    assert reader.hear(nowhere).startswith("CRASH the process died")
    assert reader.hear(nowhere) == missing
    reader.close()
