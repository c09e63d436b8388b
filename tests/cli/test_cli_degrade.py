"""``serkit degrade``: what is written, under which name, and what is refused."""

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile
import typer
from typer.testing import CliRunner, Result

from serkit.audio import degrade as degraded
from serkit.audio import read
from serkit.cli.degrade import degrade
from serkit.cli.shell import Commands


def serkit_degrade(*words: str | Path) -> Result:
    app = typer.Typer(cls=Commands)
    _ = app.callback()(lambda: None)
    _ = app.command()(degrade)
    return CliRunner().invoke(
        app, ["degrade", *(str(word) for word in words)], env={"COLUMNS": "200"}
    )


@pytest.fixture
def calls(tmp_path: Path) -> Path:
    """A WAV file, a stereo FLAC file at another rate in a folder of its own, and a text."""
    folder = tmp_path / "calls"
    (folder / "monday").mkdir(parents=True)
    generator = np.random.default_rng(0)
    whispers = generator.integers(-800, 800, 8000, dtype=np.int16)
    soundfile.write(folder / "a.wav", whispers, 16000)
    soundfile.write(folder / "monday" / "b.flac", generator.normal(0, 0.02, (9000, 2)), 22050)
    (folder / "notes.txt").touch()
    return folder


def files(folder: Path) -> set[str]:
    found = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix() for path in found}


def test_a_folder_is_written_in_every_condition_under_its_relative_names(
    calls: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    done = serkit_degrade(calls, "--out", out, "--condition", "high,lq", "--condition", "telephone")
    assert done.exit_code == 0, done.output
    wanted = {f"{name}/{file}" for name in ("hq", "lq", "telephone") for file in files(calls)}
    assert files(out) == {name for name in wanted if not name.endswith("txt")}
    assert "6 files written to" in done.stderr
    for name in ("a.wav", "monday/b.flac"):
        header = soundfile.info(out / "lq" / name)
        assert (header.samplerate, header.channels, header.subtype) == (16000, 1, "PCM_16")


def test_high_quality_is_sample_for_sample_what_was_read(calls: Path, tmp_path: Path) -> None:
    serkit_degrade(calls, "--out", tmp_path / "out", "--condition", "hq")
    written, _ = soundfile.read(tmp_path / "out" / "hq" / "a.wav", dtype="int16")
    assert np.array_equal(written, soundfile.read(calls / "a.wav", dtype="int16")[0])


def test_what_is_written_is_what_python_makes_of_the_relative_name(
    calls: Path, tmp_path: Path
) -> None:
    serkit_degrade(calls, "--out", tmp_path / "out", "--condition", "noise:white:5")
    wanted = degraded(read(calls / "monday" / "b.flac"), "noise:white:5", id="monday/b")
    written = read(tmp_path / "out" / "noise-white-5" / "monday" / "b.flac")
    assert np.abs(written - wanted).max() <= 0.5 / 32768 + 1e-7


def test_low_quality_is_the_default_and_other_formats_become_flac(
    calls: Path, tmp_path: Path
) -> None:
    soundfile.write(calls / "c.mp3", np.zeros(8000), 16000)
    done = serkit_degrade(calls / "c.mp3", calls / "monday" / "b.flac", "--out", tmp_path / "out")
    assert done.exit_code == 0, done.output
    assert files(tmp_path / "out") == {"lq/c.flac", "lq/b.flac"}


@pytest.mark.parametrize(
    ("pattern", "names"),
    [("calls/*", {"a.wav"}), ("calls/**/*", {"a.wav", "monday/b.flac"}), ("cal*s/a.wav", None)],
)
def test_names_are_relative_to_the_part_of_a_pattern_without_marks(
    pattern: str, names: set[str] | None, calls: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    (calls / "notes.txt").unlink()
    monkeypatch.chdir(tmp_path)
    done = serkit_degrade(pattern, "--out", "out", "--condition", "telephone")
    assert done.exit_code == 0, done.output
    assert files(tmp_path / "out" / "telephone") == (names or {"calls/a.wav"})


def test_a_bad_file_has_a_status_and_the_others_are_written(
    calls: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (calls / "empty.wav").touch()
    (calls / "text.ogg").write_text("no sound", encoding="utf-8")
    done = serkit_degrade("calls", "calls/gone.wav", "--out", "out")
    assert done.exit_code == 1
    assert files(tmp_path / "out") == {"lq/a.wav", "lq/monday/b.flac"}
    for status, name in (("empty", "empty.wav"), ("unreadable", "text.ogg"), ("missing", "gone")):
        assert any(status in line and f"calls/{name}" in line for line in done.stdout.splitlines())
    assert "2 files written" in done.stderr
    assert "1 empty; 1 unreadable; 1 missing" in done.stderr


def test_files_that_are_there_are_kept_unless_told_otherwise(calls: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    (out / "lq").mkdir(parents=True)
    (out / "lq" / "a.wav").write_text("mine", encoding="utf-8")
    done = serkit_degrade(calls, "--out", out)
    assert done.exit_code == 0, done.output
    assert "1 files written" in done.stderr
    assert "1 there already and kept" in done.stderr
    assert (out / "lq" / "a.wav").read_text(encoding="utf-8") == "mine"
    done = serkit_degrade(calls, "--out", out, "--overwrite")
    assert "2 files written" in done.stderr
    assert soundfile.info(out / "lq" / "a.wav").frames == 8000


def test_a_recording_is_never_overwritten(calls: Path, tmp_path: Path) -> None:
    first = serkit_degrade(calls / "a.wav", "--out", tmp_path / "out")
    assert first.exit_code == 0, first.output
    before = (tmp_path / "out" / "lq" / "a.wav").read_bytes()
    for given in ("out/lq/a.wav", "out/lq"):
        again = serkit_degrade(tmp_path / given, "--out", tmp_path / "out", "--overwrite")
        assert again.exit_code == 2
        assert "is one of the recordings given" in again.stderr
    assert (tmp_path / "out" / "lq" / "a.wav").read_bytes() == before


def test_what_was_written_inside_a_folder_is_not_degraded_again(calls: Path) -> None:
    for condition in ("lq", "telephone"):
        done = serkit_degrade(calls, "--out", calls / "bad", "--condition", condition)
        assert done.exit_code == 0, done.output
        assert "2 files written" in done.stderr
    assert files(calls / "bad") == {
        f"{name}/{file}" for name in ("lq", "telephone") for file in ("a.wav", "monday/b.flac")
    }


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (("calls", "--out", "calls"), "is the folder of the recordings; name another"),
        (("calls", "--out", "out", "--condition", "medium"), "Conditions: hq, lq, both"),
        (("calls", "--out", "out", "--condition", ","), "--condition takes names"),
        (("nothing/*.wav", "--out", "out"), "nothing/*.wav: no recording."),
        (("empty", "--out", "out"), "empty: no recording."),
        (("calls", "other", "--out", "out"), "would both be written as a.wav"),
        (("calls/a.mp3", "calls/a.flac", "--out", "out"), "would both be written as a.flac"),
        (("calls", "--out", "out", "--condition", "reverb:x/r,reverb:y/r"), "to out/reverb-r"),
        (("calls",), "Missing option '--out'"),
    ],
)
def test_a_wrong_use_is_refused_before_anything_is_written(
    words: tuple[str, ...], hint: str, calls: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in ("empty", "other", "x/r", "y/r"):
        (tmp_path / folder).mkdir(parents=True)
    for copy in ("other/a.wav", "x/r/room.wav", "y/r/room.wav"):
        (tmp_path / copy).write_bytes((calls / "a.wav").read_bytes())
    before = files(tmp_path)
    done = serkit_degrade(*words)
    assert done.exit_code == 2, done.output
    assert hint in done.stderr
    assert files(tmp_path) == before


def test_noises_of_training_and_of_test_are_others(calls: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        sound = np.random.default_rng(ord(name[0])).normal(0, 0.1, 4000)
        (tmp_path / "noise").mkdir(exist_ok=True)
        soundfile.write(tmp_path / "noise" / f"{name}.wav", sound, 16000)
    condition = ("--condition", f"noise:{tmp_path / 'noise'}:5")
    for part in ("train", "test"):
        done = serkit_degrade(calls, "--out", tmp_path / part, *condition, "--part", part)
        assert done.exit_code == 0, done.output
    train, test = (read(tmp_path / part / "noise-noise-5" / "a.wav") for part in ("train", "test"))
    assert not np.array_equal(train, test)


def test_a_folder_of_one_room_is_said_to_be_shared(calls: Path, tmp_path: Path) -> None:
    (tmp_path / "rooms").mkdir()
    soundfile.write(tmp_path / "rooms" / "hall.wav", np.array([0.0, 0.5, 0.1]), 16000)
    done = serkit_degrade(
        calls, "--out", tmp_path / "out", "--condition", f"reverb:{tmp_path / 'rooms'}"
    )
    assert done.exit_code == 0, done.output
    assert "note:" in done.stderr
    assert "training and test share it" in done.stderr


def test_a_noise_that_cannot_be_used_ends_the_command_with_its_name(
    calls: Path, tmp_path: Path
) -> None:
    (tmp_path / "noise").mkdir()
    for name in ("one", "two"):
        (tmp_path / "noise" / f"{name}.wav").touch()
    done = serkit_degrade(
        calls, "--out", tmp_path / "out", "--condition", f"noise:{tmp_path / 'noise'}:5"
    )
    assert done.exit_code == 2
    assert "wav: is empty (0 bytes)" in done.stderr


def test_names_that_are_no_text_are_degraded_like_any_other(calls: Path, tmp_path: Path) -> None:
    try:
        (calls / "a.wav").rename(calls / os.fsdecode(b"a\xff.wav"))
    except OSError:
        pytest.skip("this file system takes text alone")
    done = serkit_degrade(calls, "--out", tmp_path / "out", "--condition", "lq")
    assert done.exit_code == 0, done.output
    assert files(tmp_path / "out" / "lq") == {os.fsdecode(b"a\xff.wav"), "monday/b.flac"}
