"""``serkit timeline`` and ``serkit listen``."""

import json
import queue
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from typer.testing import CliRunner, Result

import serkit
from serkit.cli import app
from serkit.predictor import Turn
from serkit.systems.crnn import CRNN, Config
from serkit.systems.emosphere import Config as SphereConfig
from serkit.systems.emosphere import EmoSphere
from serkit.trainer import checkpoint

RATE = 16000


def run(*words: str | Path) -> Result:
    """What the command line says, without folding lines."""
    return CliRunner().invoke(app, [str(word) for word in words], env={"COLUMNS": "300"})


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    system = CRNN(Config(emotions=("anger", "sadness"), size="small"))
    folder = tmp_path_factory.mktemp("models") / "crnn"
    _ = checkpoint.save(system, folder)
    return folder


@pytest.fixture(scope="module")
def sphere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "sphere"
    _ = checkpoint.save(EmoSphere(SphereConfig()), folder)
    return folder


@pytest.fixture(scope="module")
def sound() -> np.ndarray:
    """Four seconds of noise, two of silence, three of noise."""
    noise = np.random.default_rng(0).normal(size=9 * RATE).astype(np.float32) / 10
    noise[4 * RATE : 6 * RATE] = 0
    return noise


@pytest.fixture
def call(tmp_path: Path, sound: np.ndarray) -> Path:
    soundfile.write(tmp_path / "call.wav", sound, RATE)
    return tmp_path / "call.wav"


# -- timeline ---------------------------------------------------------------------------------


def test_segments_and_a_summary_are_shown(model: Path, call: Path) -> None:
    done = run("timeline", call, "--model", model)
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert lines[0].endswith("call.wav, 00:09.0")
    assert [
        word for word in ("from", "to", "label", "anger", "sadness") if word not in lines[2]
    ] == []
    assert sum("silence" in line for line in lines) == 1
    assert "of speech: " in lines[-1]
    assert "1 of 1 rated by crnn" in done.stderr


def test_it_says_what_python_says(model: Path, call: Path) -> None:
    done = run("timeline", call, "--model", model, "--format", "json", "--window", 2, "--hop", 0.5)
    found = json.loads(done.stdout)
    expected = serkit.load(model).timeline(call, window=2.0, hop=0.5)
    assert [one["start"] for one in found["windows"]] == [w.start for w in expected.windows]
    assert [one["label"] for one in found["segments"]] == [s.label for s in expected.segments]


def test_files_of_every_format_and_a_picture_are_written(
    model: Path, call: Path, tmp_path: Path
) -> None:
    forms = "csv,json,parquet,textgrid,eaf,audacity,rttm,srt,vtt"
    out = tmp_path / "out"
    done = run("timeline", call, "--model", model, "--format", forms, "--picture", "--out", out)
    assert done.exit_code == 0, done.output
    endings = ["TextGrid", "csv", "eaf", "json", "parquet", "png", "rttm", "srt", "txt", "vtt"]
    assert sorted(path.name for path in out.iterdir()) == [f"call.{ending}" for ending in endings]
    assert f"written to {out}" in done.stderr


def test_a_bad_file_does_not_stop_the_others(model: Path, call: Path, tmp_path: Path) -> None:
    (tmp_path / "empty.wav").touch()
    done = run("timeline", tmp_path / "empty.wav", call, tmp_path / "none.wav", "--model", model,
               "--out", tmp_path / "out")  # fmt: skip
    assert done.exit_code == 1
    assert "empty.wav: is empty (0 bytes)" in done.stderr
    assert "none.wav: there is no such file" in done.stderr
    assert "1 of 3 rated" in done.stderr
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["call.csv"]


def test_a_recording_without_speech_is_not_said_to_be_rated(
    model: Path, call: Path, tmp_path: Path
) -> None:
    soundfile.write(tmp_path / "silent.wav", np.zeros(32000), 16000)
    done = run("timeline", tmp_path / "silent.wav", call, "--model", model)
    assert done.exit_code == 0, done.output
    assert "1 of 2 rated by crnn; 1 without speech" in done.stderr


def test_turns_are_rated_speaker_by_speaker(model: Path, call: Path, tmp_path: Path) -> None:
    turns = tmp_path / "turns.rttm"
    _ = turns.write_text(
        "SPEAKER call 1 0 3.5 <NA> <NA> Ann <NA> <NA>\nSPEAKER call 1 6 9 <NA> <NA> Bob <NA> <NA>\n"
    )
    done = run("timeline", call, "--model", model, "--turns", turns)
    assert done.exit_code == 0, done.output
    assert "Ann: 00:03.5 of speech" in done.stdout
    assert "Bob: 00:03.0 of speech" in done.stdout
    expected = serkit.load(model).timeline(
        call,
        turns=[Turn(start=0.0, end=3.5, speaker="Ann"), Turn(start=6.0, end=15.0, speaker="Bob")],
    )
    done = run("timeline", call, "--model", model, "--turns", turns, "--format", "csv")
    assert len(done.stdout.splitlines()) == 1 + len(expected.windows)
    _ = turns.write_text("SPEAKER call 1 100 3.5 <NA> <NA> Ann <NA> <NA>\n")
    done = run("timeline", call, "--model", model, "--turns", turns)
    assert done.exit_code == 1
    assert "all turns begin after the end" in done.stderr


def test_turns_of_another_recording_are_taken_for_one_alone_and_said(
    model: Path, call: Path, tmp_path: Path
) -> None:
    turns = tmp_path / "turns.rttm"
    _ = turns.write_text("SPEAKER other 1 0 3.5 <NA> <NA> Ann <NA> <NA>\n")
    done = run("timeline", call, "--model", model, "--turns", turns)
    assert done.exit_code == 0, done.output
    assert "names another recording" in done.stderr
    copy = shutil.copy(call, tmp_path / "copy.wav")
    done = run("timeline", call, copy, "--model", model, "--turns", turns)
    assert done.exit_code == 1
    assert "has turns of other; none of them is copy" in done.stderr
    assert "0 of 2 rated" in done.stderr


def test_turns_and_recordings_are_never_written_over(
    model: Path, call: Path, tmp_path: Path
) -> None:
    turns = tmp_path / f"{call.stem}.rttm"
    line = f"SPEAKER {call.stem} 1 0 3.5 <NA> <NA> Ann <NA> <NA>\n"
    _ = turns.write_text(line)
    words = ("--model", model, "--turns", turns, "--format", "csv,rttm", "--out", tmp_path)
    done = run("timeline", call, *words)
    assert done.exit_code == 2
    assert "would be written over" in done.stderr
    assert turns.read_text() == line


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--format", "docx"], "--format docx is not known; there are: csv"),
        (["--format", "csv,srt"], "cannot go to stdout: add --out DIR"),
        (["--format", "parquet"], "cannot go to stdout: add --out DIR"),
        (["--picture"], "--picture needs a place"),
        (["--hop", "4"], "hop=4 s must lie between"),
        (["--window", "0.01"], "must be at least 0.1 s"),
    ],
)
def test_what_does_not_fit_together_is_said_before_anything_is_heard(
    model: Path, call: Path, words: list[str], message: str
) -> None:
    done = run("timeline", call, "--model", model, *words)
    assert done.exit_code == 2
    assert message in done.stderr
    assert done.stdout == ""


def test_two_recordings_of_one_name_are_not_written_over_each_other(
    model: Path, call: Path, tmp_path: Path
) -> None:
    other = tmp_path / "more" / "call.flac"
    other.parent.mkdir()
    soundfile.write(other, np.zeros(RATE), RATE)
    done = run("timeline", call, other, "--model", model, "--out", tmp_path / "out")
    assert done.exit_code == 2
    assert "would be written under one name" in done.stderr


# -- listen -----------------------------------------------------------------------------------


def test_a_recording_is_replayed_as_the_timeline_rates_it(
    model: Path, call: Path, tmp_path: Path
) -> None:
    out = tmp_path / "kept.json"
    done = run("listen", "--replay", call, "--fast", "--json", "--model", model, "--out", out)
    assert done.exit_code == 0, done.output
    expected = serkit.load(model).timeline(call)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(one["start"], one["label"]) for one in lines] == [
        (window.start, window.label) for window in expected.windows
    ]
    assert lines[0]["probability"] == pytest.approx(expected.windows[0].smoothed.emotion, abs=1e-4)
    kept = json.loads(out.read_text(encoding="utf-8"))
    assert [one["label"] for one in kept["segments"]] == [s.label for s in expected.segments]
    assert "shown 1.7 s after its end" in done.stderr


def test_a_line_says_when_what_and_how_sure(model: Path, sphere: Path, call: Path) -> None:
    done = run("listen", "--replay", call, "--fast", "--model", model)
    lines = done.stdout.splitlines()
    assert len(lines) == 7
    when, label, share = lines[0].split()[:3]
    assert (when, label in ("anger", "sadness"), 0 <= float(share) <= 1) == ("00:03.0", True, True)
    assert "#" in lines[0]
    done = run("listen", "--replay", call, "--fast", "--model", sphere)
    assert done.stdout.splitlines()[0].startswith("00:03.0  speech")
    assert "arousal 0." in done.stdout


def test_a_replay_takes_its_time(model: Path, tmp_path: Path, sound: np.ndarray) -> None:
    soundfile.write(tmp_path / "short.wav", sound[: RATE // 2], RATE)
    began = time.monotonic()
    done = run("listen", "--replay", tmp_path / "short.wav", "--model", model)
    assert done.exit_code == 0
    assert time.monotonic() - began > 0.5


def test_a_place_that_cannot_be_written_is_said_first(model: Path, call: Path) -> None:
    done = run("listen", "--replay", call, "--fast", "--model", model, "--out", "kept.docx")
    assert done.exit_code == 2
    assert "no format has this ending" in done.stderr
    done = run("listen", "--fast", "--model", model)
    assert done.exit_code == 2
    assert "--fast goes with --replay" in done.stderr


class Microphone:
    """What of sounddevice is used, with a sound in place of a device; then Ctrl-C."""

    PortAudioError = RuntimeError

    def __init__(self, sound: np.ndarray, rate: int) -> None:
        self.sound, self.rate = sound, rate

    def query_devices(self, device: Any = None, kind: str | None = None) -> Any:
        if kind is None:
            return [{"name": "built-in", "max_input_channels": 2}]
        if device not in (None, "built-in"):
            raise ValueError(f"No input device matching {device!r}")
        return {"default_samplerate": float(self.rate)}

    def InputStream(self, *, blocksize: int, callback: Any, **_: Any) -> Any:  # noqa: N802
        microphone = self

        class Stream:
            def __enter__(self) -> None:
                columns = np.stack([microphone.sound, microphone.sound], axis=1)
                for first in range(0, len(columns), blocksize):
                    callback(columns[first : first + blocksize], blocksize, None, "")

            def __exit__(self, *_: object) -> None:
                return None

        return Stream()


def test_a_microphone_is_heard_until_it_is_stopped(
    model: Path, sound: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", Microphone(sound, RATE))

    class UntilEmpty(queue.SimpleQueue):
        def get(self, *_: Any) -> Any:
            if self.empty():
                raise KeyboardInterrupt
            return super().get()

    monkeypatch.setattr(queue, "Queue", UntilEmpty)
    done = run("listen", "--json", "--model", model)
    assert done.exit_code == 0, done.output
    assert "stopped" in done.stderr
    expected = serkit.load(model).timeline(sound)
    labels = [json.loads(line)["label"] for line in done.stdout.splitlines()]
    assert labels == [window.label for window in expected.windows]
    assert "5 s behind the sound" in done.stderr  # all of it was there at once


def test_a_microphone_that_is_not_there_is_said(
    model: Path, sound: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", Microphone(sound, RATE))
    done = run("listen", "--model", model, "--device", "headset")
    assert done.exit_code == 1
    assert "no microphone 'headset'" in done.stderr
    assert "there are: built-in" in done.stderr
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    done = run("listen", "--model", model)
    assert done.exit_code == 1
    assert "pip install 'serkit[microphone]'" in done.stderr
