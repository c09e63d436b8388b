"""``serkit predict FOLDER --output``: many files, kills, changes, and what is said meanwhile."""

import csv
import io
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
import torch
from pyarrow import parquet
from typer.testing import CliRunner, Result

from serkit.cli import app, predict
from serkit.predictor import Journal
from serkit.systems.crnn import CRNN, Config
from serkit.trainer import checkpoint

NUM_FILES = 150
NUM_KILLS = 3


def serkit(*words: str | Path) -> Result:
    """What the command line says, without folding lines."""
    return CliRunner().invoke(app, [str(word) for word in words], env={"COLUMNS": "200"})


def saved(folder: Path, seed: int) -> Path:
    torch.manual_seed(seed)
    checkpoint.save(CRNN(Config(emotions=("anger", "sadness"), size="small")), folder)
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(tmp_path_factory.mktemp("model") / "one", 0)


def record(file: Path, seconds: float = 0.3, seed: int = 0) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).normal(size=round(seconds * 16000))
    soundfile.write(file, 0.1 * noise, 16000)
    return file


@pytest.fixture
def calls(tmp_path: Path) -> Path:
    """Three recordings in a folder with a folder, one of them bad."""
    folder = tmp_path / "calls"
    record(folder / "a.wav", seed=1)
    record(folder / "deep" / "b.flac", seed=2)
    (folder / "c.mp3").touch()
    return folder


def table(output: Path) -> list[dict[str, str]]:
    with output.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def journalled(output: Path) -> list[str]:
    """Names of the files in a journal, once for each time they were rated."""
    lines = output.with_name(f"{output.name}.journal").read_text().splitlines()
    return [Path(json.loads(line)["file"]).name for line in lines[1:]]


# -- kills ------------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform == "win32", reason="kills as POSIX systems do")
def test_killed_at_random_moments_it_loses_nothing_and_does_nothing_twice(
    model: Path, tmp_path: Path
) -> None:
    draw = random.Random(time.time_ns())
    for number in range(NUM_FILES):
        file = tmp_path / "calls" / f"{number % 7}" / f"{number:03}.wav"
        if number % 11 == 5:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(b"")
        else:
            record(file, draw.uniform(0.15, 0.6), number)
    output = tmp_path / "ratings.csv"
    output.write_text("of another day")
    command = ["predict", str(tmp_path / "calls"), "--model", str(model), "--batch", "1", "--out"]
    journal = tmp_path / "ratings.csv.journal"
    wanted = sorted(draw.sample(range(1, NUM_FILES - 20), NUM_KILLS))  # leave work for the last
    for rated in wanted:
        process = subprocess.Popen(
            [sys.executable, "-m", "serkit", *command, str(output)], stderr=subprocess.DEVNULL
        )
        while not journal.exists() or journal.read_bytes().count(b"\n") <= rated:
            assert process.poll() is None, "it ended before it was killed"
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        assert output.read_text() == "of another day"  # never half a table

    done = serkit(*command, output)
    assert done.exit_code == 1  # some files are bad
    assert f"of {NUM_FILES} were rated before and have not changed; going on with" in done.stderr
    assert sorted(journalled(output)) == sorted(f"{number:03}.wav" for number in range(NUM_FILES))

    whole = tmp_path / "whole.csv"
    assert serkit(*command, whole).exit_code == 1
    assert [row["status"] for row in table(whole)].count("empty") == 14
    for mended, never_killed in zip(table(output), table(whole), strict=True):
        assert list(mended) == list(never_killed)
        for column in mended:
            if column.startswith("probability") and never_killed[column]:
                # other files share its batch: the sixth decimal may differ
                assert float(mended[column]) == pytest.approx(float(never_killed[column]), abs=2e-6)
            else:
                assert mended[column] == never_killed[column]


# -- what changed since -----------------------------------------------------------------------


def test_what_was_rated_is_not_rated_again_and_what_changed_is(model: Path, calls: Path) -> None:
    output = calls.parent / "ratings.csv"
    words = ("predict", calls, "--model", model, "--output", output)
    assert serkit(*words).exit_code == 1
    first = table(output)
    assert [(Path(row["file"]).name, row["status"]) for row in first] == [
        ("a.wav", "ok"),
        ("c.mp3", "empty"),
        ("b.flac", "ok"),
    ]
    again = serkit(*words)
    assert again.exit_code == 1  # a bad file is still bad
    assert "3 of 3 were rated before and have not changed; nothing is left to rate" in again.stderr
    assert table(output) == first

    record(calls / "a.wav", 0.4, seed=9)  # changed
    record(calls / "d.wav", seed=4)  # new
    record(calls / "c.mp3", seed=5)  # mended
    (calls / "deep" / "b.flac").unlink()  # gone: no longer in the table
    third = serkit(*words)
    assert third.exit_code == 0, third.output
    assert journalled(output) == ["a.wav", "c.mp3", "b.flac", "a.wav", "c.mp3", "d.wav"]
    assert [Path(row["file"]).name for row in table(output)] == ["a.wav", "c.mp3", "d.wav"]
    assert table(output)[0]["duration"] == "0.4"


def test_a_missing_file_is_tried_again(model: Path, tmp_path: Path) -> None:
    words = ("predict", tmp_path / "late.wav", "--model", model, "--out", tmp_path / "r.csv")
    assert serkit(*words).exit_code == 1
    record(tmp_path / "late.wav")
    assert serkit(*words).exit_code == 0
    assert [row["status"] for row in table(tmp_path / "r.csv")] == ["ok"]


def test_another_model_does_not_mix(model: Path, calls: Path, tmp_path: Path) -> None:
    other, output = saved(tmp_path / "other", 1), tmp_path / "ratings.csv"
    assert serkit("predict", calls, "--model", model, "--output", output).exit_code == 1
    before = output.read_text()
    refused = serkit("predict", calls, "--model", other, "--output", output)
    assert refused.exit_code == 1
    assert "that do not mix with these: model" in refused.stderr
    assert output.read_text() == before
    anew = serkit("predict", calls, "--model", other, "--output", output, "--overwrite")
    assert "rated before" not in anew.stderr
    assert output.read_text() != before


def test_the_same_model_in_another_folder_goes_on(model: Path, calls: Path, tmp_path: Path) -> None:
    output = tmp_path / "ratings.csv"
    _ = serkit("predict", calls, "--model", model, "--output", output)
    moved = serkit("predict", calls, "--model", saved(tmp_path / "copy", 0), "--output", output)
    assert "3 of 3 were rated before" in moved.stderr


def test_a_second_process_is_refused(model: Path, calls: Path, tmp_path: Path) -> None:
    output = tmp_path / "ratings.csv"
    with Journal(output, made_by={}):
        done = serkit("predict", calls, "--model", model, "--output", output)
    assert done.exit_code == 1
    assert "is being written by another process; wait until it is done" in done.stderr
    assert not output.exists()


# -- formats ----------------------------------------------------------------------------------


def test_parquet_csv_and_json_say_the_same(model: Path, calls: Path, tmp_path: Path) -> None:
    outputs = {ending: tmp_path / f"ratings.{ending}" for ending in ("csv", "parquet", "json")}
    for output in outputs.values():
        assert serkit("predict", calls, "--model", model, "--output", output).exit_code == 1
    columns = parquet.read_table(outputs["parquet"])
    rows = columns.to_pylist()
    assert [str(columns.schema.field(name).type) for name in ("file", "probability_anger")] == [
        *("string", "double")
    ]
    assert [row["probability_anger"] is None for row in rows] == [False, True, False]
    as_text = [
        {name: "" if value is None else str(value) for name, value in row.items()} for row in rows
    ]
    assert as_text == table(outputs["csv"])
    for row, plain in zip(rows, json.loads(outputs["json"].read_text()), strict=True):
        assert [row[name] for name in ("file", "status", "emotion", "duration", "message")] == [
            plain[name] for name in ("file", "status", "emotion", "duration", "message")
        ]
        assert plain["probability"].get("anger") == row["probability_anger"]


def test_parquet_needs_a_file(model: Path, calls: Path) -> None:
    done = serkit("predict", calls, "--model", model, "--format", "parquet")
    assert done.exit_code == 2
    assert "add --output FILE.parquet" in done.stderr


# -- folders ----------------------------------------------------------------------------------


def test_only_recordings_are_taken_from_folders_and_hidden_files_are_not(calls: Path) -> None:
    for name in ("notes.txt", "._a.wav", ".hidden.wav", "cover.jpg", "speech.WAV", "clip.Mp4"):
        (calls / name).write_bytes(b"?")
    found = predict.recordings_of([str(calls)])
    assert [file.name for file in found] == ["a.wav", "c.mp3", "clip.Mp4", "b.flac", "speech.WAV"]


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere names are text")
def test_a_bad_file_whose_name_is_no_text_has_its_row(model: Path, tmp_path: Path) -> None:
    (tmp_path / "gr\udcfc\udcdfe.wav").touch()
    for ending in ("csv", "parquet", "json"):
        output = tmp_path / f"ratings.{ending}"
        for _ in range(2):  # rated, and remembered
            assert serkit("predict", tmp_path, "--model", model, "--output", output).exit_code == 1
        assert "gr\ufffd\ufffde.wav: is empty".encode() in output.read_bytes()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere names are text")
def test_a_good_file_is_rated_whatever_its_name(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    video = av.open("plain.m4a", "w")
    stream = video.add_stream("aac", rate=16000, layout="mono")
    noise = 0.1 * np.random.default_rng(0).normal(size=(1, 16000))
    frame = av.AudioFrame.from_ndarray(noise.astype(np.float32), "fltp", "mono")
    frame.rate = 16000
    for packet in (*stream.encode(frame), *stream.encode(None)):
        video.mux(packet)
    video.close()
    # FFmpeg takes what stands before a colon for a protocol
    names = ["gr\udcfc.wav", "gr\udcfc.m4a", "12:31.m4a", "http:x.m4a", "file:y.m4a"]
    for name in names:
        _ = shutil.copy(record(Path("a.wav")) if name.endswith("wav") else "plain.m4a", name)
    assert serkit("predict", *names, "--model", model, "--output", "o.csv").exit_code == 0
    assert [row["status"] for row in table(Path("o.csv"))] == ["ok"] * 5


@pytest.mark.skipif(sys.platform == "win32", reason="no pipes in folders")
def test_what_is_no_file_has_its_row_and_the_others_go_on(model: Path, tmp_path: Path) -> None:
    record(tmp_path / "in" / "a.wav")
    (tmp_path / "in" / "dangling.wav").symlink_to("nowhere.wav")
    (tmp_path / "in" / "loop.wav").symlink_to("loop.wav")
    os.mkfifo(tmp_path / "in" / "pipe.wav")
    _ = (tmp_path / "in" / "list.wav").write_text("ffconcat version 1.0\nfile a.wav\n")
    output = tmp_path / "o.csv"
    assert serkit("predict", tmp_path / "in", "--model", model, "--output", output).exit_code == 1
    rows = {Path(row["file"]).stem: (row["status"], row["message"]) for row in table(output)}
    assert {name: status for name, (status, _) in rows.items()} == {
        "a": "ok",
        "dangling": "missing",
        "list": "unreadable",
        "loop": "missing",
        "pipe": "unreadable",
    }
    assert "is a link to a file that is not there" in rows["dangling"][1]
    assert "is a pipe" in rows["pipe"][1]


@pytest.mark.skipif(sys.platform == "win32", reason="permissions as on POSIX systems")
def test_a_folder_that_may_not_be_read_has_its_row(model: Path, tmp_path: Path) -> None:
    shut = record(tmp_path / "in" / "shut" / "a.wav").parent
    record(tmp_path / "in" / "b.wav")
    shut.chmod(0)
    if os.access(shut, os.R_OK):
        pytest.skip("whoever runs this may read everything")
    output = tmp_path / "o.csv"
    words = (tmp_path / "in", shut / "a.wav")
    assert serkit("predict", *words, "--model", model, "--output", output).exit_code == 1
    shut.chmod(0o700)
    statuses = [row["status"] for row in table(output)]
    assert statuses == ["ok", "unreadable", "unreadable"]


@pytest.mark.parametrize("name", ["a.wav", "link.csv", "."])
def test_a_recording_is_never_written_over(model: Path, tmp_path: Path, name: str) -> None:
    file = record(tmp_path / "a.wav")
    before = file.read_bytes()
    (tmp_path / "link.csv").symlink_to(file)
    done = serkit("predict", file, "--model", model, "--output", tmp_path / name)
    assert done.exit_code == 2
    assert ("is a folder" if name == "." else "is one of the recordings") in done.stderr
    assert file.read_bytes() == before


def test_a_table_for_people_is_written_whole_or_not_at_all(model: Path, tmp_path: Path) -> None:
    output = tmp_path / "ratings.txt"
    _ = output.write_text("of yesterday")
    words = ("predict", record(tmp_path / "a.wav"), "--output", output)
    assert serkit(*words, "--model", tmp_path / "nowhere").exit_code == 1
    assert output.read_text() == "of yesterday"
    assert serkit(*words, "--model", model).exit_code == 0
    assert "a.wav" in output.read_text(encoding="utf-8")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.wav", "ratings.txt"]


def test_names_do_not_colour_the_terminal() -> None:
    assert predict.printable("a\x1b[31m\n.wav") == "a\\x1b[31m\\n.wav"


# -- progress ---------------------------------------------------------------------------------


class Screen(io.StringIO):
    """A terminal."""

    def isatty(self) -> bool:
        return True


def test_a_terminal_shows_a_bar_with_rate_and_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Screen()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setitem(os.environ, "TERM", "xterm")
    with predict.progress_of(100, 16) as move:
        for done in (20, 40, 60):
            time.sleep(0.15)
            move(done)
    assert "60/100" in screen.getvalue()
    assert "/s" in screen.getvalue()
    assert "0:00:0" in screen.getvalue()


def test_elsewhere_a_line_is_said_now_and_then(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with predict.progress_of(1000, 16) as move:
        move(10)
    assert capsys.readouterr().err == ""  # not before its time
    monkeypatch.setattr(predict, "HEARTBEAT", 0.05)
    with predict.progress_of(1000, 16) as move:
        time.sleep(0.1)
        move(100)
        move(101)
        time.sleep(0.1)
        move(1000)  # all done: the end says so itself
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("100 of 1000, ")
    assert line.endswith(" left")
