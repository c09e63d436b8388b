"""``serkit enrol``, ``serkit verify`` and ``serkit predict --voices``."""

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from typer.testing import CliRunner, Result

from serkit.cli import app
from serkit.predictor import NONE, Predictor, Voices
from serkit.systems.crnn import CRNN, Config
from serkit.trainer import checkpoint

FIGURES: dict[str, Any] = {
    "thresholds": {"0.01": 1.1, "0.05": 0.999999, "0.1": -1.0},  # none, itself alone, everything
    "calibration": {"slope": 0.0, "offset": -3.0},
}
CARD = {"scored_on": ["s"], "same_speaker": False, "num_enrolled": {"1": FIGURES}}


def serkit(*words: str | Path) -> Result:
    """What the command line says, without folding lines."""
    return CliRunner().invoke(app, [str(word) for word in words], env={"COLUMNS": "300"})


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two untrained networks, each with a card whose thresholds make the answers known."""
    root = tmp_path_factory.mktemp("models") / "run"
    for seed, fold in enumerate(("fold-03", "fold-08")):
        torch.manual_seed(seed)
        system = CRNN(Config(emotions=("anger", "sadness"), size="small"))
        _ = checkpoint.save(system, root / "seed0" / fold, card={"verification": CARD})
    return root


@pytest.fixture
def model(run: Path) -> Path:
    return run / "seed0" / "fold-03"


@pytest.fixture
def tone(tmp_path: Path) -> Callable[..., Path]:
    """Tones of different pitch, in files of any name."""

    def write(name: str, pitch: int) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        times = np.arange(6000 + 100 * pitch) / 16000
        soundfile.write(path, 0.3 * np.sin(2 * np.pi * 100 * pitch * times), 16000)
        return path

    return write


@pytest.fixture
def voices(model: Path, tone: Callable[..., Path], tmp_path: Path) -> Path:
    """One emotion of one tone, another of two."""
    path = tmp_path / "voices.json"
    hum = serkit("enrol", "humming", tone("hum.wav", 2), "--into", path, "--model", model)
    beep = serkit("enrol", "beeping", tone("b1.wav", 20), tone("b2.wav", 25), "--into", path)
    assert (hum.exit_code, beep.exit_code) == (0, 0), hum.output + beep.output
    return path


def test_enrolling_shows_what_is_enrolled(voices: Path, model: Path, tmp_path: Path) -> None:
    done = serkit("enrol", "--into", voices)
    assert done.exit_code == 0
    lines = done.stdout.split("\n")
    (hum,) = (line.split() for line in lines if "humming" in line)
    (beep,) = (line.split() for line in lines if "beeping" in line)
    assert hum == ["humming", "1", "1.000", "1.000"]
    assert beep[:2] == ["beeping", "2"]
    kept = Voices.load(voices)
    assert Path(kept.model) == model.resolve()
    assert [Path(member.file).name for member in kept["beeping"].members] == ["b1.wav", "b2.wav"]


def test_enrolling_again_adds_and_never_counts_twice(
    voices: Path, tone: Callable[..., Path]
) -> None:
    before = voices.read_bytes()
    same = serkit("enrol", "humming", tone("copy.wav", 2), "--into", voices)
    assert same.exit_code == 0
    assert "0 of 1 enrolled; 1 were known before" in same.stderr
    assert voices.read_bytes() == before
    more = serkit("enrol", "humming", tone("hum3.wav", 3), "--into", voices)
    assert "1 of 1 enrolled; written to" in more.stderr
    assert len(Voices.load(voices)["humming"].members) == 2


def test_the_good_are_enrolled_and_the_bad_are_listed(
    voices: Path, tone: Callable[..., Path], tmp_path: Path
) -> None:
    soundfile.write(tmp_path / "silent.wav", np.zeros(16000), 16000)
    done = serkit(
        *("enrol", "chirping", tmp_path / "silent.wav", tone("chirp.wav", 40), "gone.wav"),
        *("--into", voices),
    )
    assert done.exit_code == 1
    assert "silent: " in done.stderr
    assert "missing: gone.wav" in done.stderr
    assert "1 of 3 enrolled; 2 could not be used; written to" in done.stderr
    assert len(Voices.load(voices)["chirping"].members) == 1


def test_nothing_is_written_when_no_recording_is_good(
    model: Path, voices: Path, tmp_path: Path
) -> None:
    before = voices.read_bytes()
    for into in (voices, tmp_path / "new.json"):
        done = serkit("enrol", "x", "gone.wav", "--into", into, "--model", model)
        assert done.exit_code == 1
        assert "missing: gone.wav" in done.stderr
        assert "0 of 1 enrolled; 1 could not be used; nothing was written" in done.stderr
    assert voices.read_bytes() == before
    assert not (tmp_path / "new.json").exists()


def test_a_folder_per_emotion_becomes_a_recogniser(
    model: Path, tone: Callable[..., Path], tmp_path: Path
) -> None:
    for name, pitch in (("low/a.wav", 2), ("low/deep/b.wav", 3), ("high/a.wav", 30)):
        _ = tone(f"corpus/{name}", pitch)
    (tmp_path / "corpus" / "broken").mkdir()
    (tmp_path / "corpus" / "broken" / "a.wav").write_text("not a recording")
    path = tmp_path / "few.json"
    done = serkit("enrol", "--from", tmp_path / "corpus", "--into", path, "--model", model)
    assert done.exit_code == 1
    assert "unreadable: " in done.stderr
    assert "3 of 4 enrolled; 1 could not be used" in done.stderr
    assert {v.name: len(v.members) for v in Voices.load(path)} == {"high": 1, "low": 2}
    (tmp_path / "corpus" / "broken").rename(tmp_path / "corpus" / NONE)
    refused = serkit("enrol", "--from", tmp_path / "corpus", "--into", "no.json", "--model", model)
    assert "give another name" in refused.stderr
    assert "unreadable" not in refused.stderr  # nothing was heard before


def test_two_that_enrol_at_once_lose_nothing(
    voices: Path, tone: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What another command wrote while this one listened is kept."""
    listen = Predictor.enrol

    def meanwhile(self: Predictor, name: str, *given: Any, **named: Any) -> Any:
        if name == "slow":
            assert serkit("enrol", "quick", tone("quick.wav", 9), "--into", voices).exit_code == 0
        return listen(self, name, *given, **named)

    monkeypatch.setattr(Predictor, "enrol", meanwhile)
    assert serkit("enrol", "slow", tone("slow.wav", 3), "--into", voices).exit_code == 0
    assert {"slow", "quick"} <= {voice.name for voice in Voices.load(voices)}


def test_when_all_are_forgotten_another_model_may_enrol(
    run: Path, voices: Path, tone: Callable[..., Path]
) -> None:
    for voice in Voices.load(voices):
        assert serkit("enrol", voice.name, "--forget", "--into", voices).exit_code == 0
    other = run / "seed0" / "fold-08"
    done = serkit("enrol", "new", tone("new.wav", 5), "--into", voices, "--model", other)
    assert done.exit_code == 0, done.output
    assert [voice.name for voice in Voices.load(voices)] == ["new"]


def test_an_emotion_can_be_forgotten(voices: Path) -> None:
    done = serkit("enrol", "humming", "--forget", "--into", voices)
    assert done.exit_code == 0
    assert "humming" not in done.stdout
    assert [voice.name for voice in Voices.load(voices)] == ["beeping"]
    again = serkit("enrol", "humming", "--forget", "--into", voices)
    assert again.exit_code == 1
    assert "no emotion 'humming' is enrolled" in again.stderr


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["enrol", "x"], 2, "--into"),
        (["enrol", "x", "--into", "VOICES"], 2, "name recordings of x after it"),
        (["enrol", "x", "TONE", "--forget", "--into", "VOICES"], 2, "and no recordings"),
        (["enrol", "--forget", "--into", "VOICES"], 2, "--forget takes a NAME"),
        (["enrol", "x", "--from", "HERE", "--into", "VOICES"], 2, "leave NAME out"),
        (["enrol", "--from", "TONE", "--into", "VOICES"], 2, "is no folder"),
        (["enrol", "x", "TONE", "--into", "new.json", "--model", "RUN"], 1, "fold-03"),
        (["enrol", "x", "TONE", "--into", "VOICES", "--model", "OTHER"], 1, "another model"),
        (["enrol", NONE, "TONE", "--into", "VOICES"], 1, "give another name"),
        (["enrol", "--into", "new.json"], 1, "there is no file new.json; make it with"),
        (["enrol", "x", "TONE", "--into", "TONE"], 1, "is damaged: it is not JSON"),
        (["enrol", "x", "TONE", "--into", "HERE"], 1, "is a folder; name a file in it"),
        (["enrol", "x", "gone.wav", "--into", "BELOW", "--model", "OTHER"], 1, "is no folder)"),
        (["verify", "humming", "TONE"], 2, "--voices"),
        (["verify", "hummin", "TONE", "--voices", "VOICES"], 1, "did you mean 'humming'?"),
        (["verify", "humming", "TONE", "--voices", "gone.json"], 1, "there is no file gone.json"),
        (["verify", "humming", "TONE", "--voices", "VOICES", "--far", "0.2"], 2, "0.01, 0.05, 0.1"),
        (["verify", "humming", "TONE", "--voices", "VOICES", "--model", "OTHER"], 1, "another"),
        (["predict", "TONE", "--voices", "gone.json"], 1, "there is no file gone.json"),
    ],
)
def test_every_misuse_is_answered_with_what_to_do(
    run: Path,
    voices: Path,
    tone: Callable[..., Path],
    tmp_path: Path,
    words: list[str],
    code: int,
    said: str,
) -> None:
    meant: dict[str, Path] = {
        "VOICES": voices,
        "TONE": tone("tone.wav", 7),
        "HERE": tmp_path,
        "RUN": run,
        "OTHER": run / "seed0" / "fold-08",
        "BELOW": voices / "new.json",
    }
    before = voices.read_bytes()
    done = serkit(*(meant.get(word, word) for word in words))
    assert done.exit_code == code, done.output
    assert said in done.stderr
    assert "Traceback" not in done.output
    assert voices.read_bytes() == before


def test_without_a_model_enrol_takes_the_newest_run_and_never_the_shipped_one(
    run: Path, tone: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    sound = tone("tone.wav", 7)
    none = serkit("enrol", "x", sound, "--into", "new.json")
    assert none.exit_code == 1
    assert "comes with serkit does not verify" in none.stderr
    mine = shutil.copytree(run, tmp_path / "runs" / "mine")
    (mine / "results.csv").touch()
    for refused, taken in (((), "fold-03"), (("fold-03",), "fold-08")):
        for fold in refused:
            config = mine / "seed0" / fold / "config.json"
            stored = json.loads(config.read_text())
            stored["card"]["accepted"] = False
            _ = config.write_text(json.dumps(stored))
        done = serkit("enrol", "x", sound, "--into", f"{taken}.json")
        assert done.exit_code == 0, done.output
        assert f"{taken}; for another: --model DIR" in done.stderr
        assert Path(Voices.load(f"{taken}.json").model).name == taken


def test_verifying_says_yes_or_no_and_why(voices: Path, tone: Callable[..., Path]) -> None:
    done = serkit(
        *("verify", "humming", tone("same.wav", 2), tone("other.wav", 22), "gone.wav"),
        *("--voices", voices, "--format", "json"),
    )
    assert done.exit_code == 1
    yes, no, gone = json.loads(done.stdout)
    assert (yes["accepted"], no["accepted"], gone["accepted"]) == (True, False, None)
    assert (yes["score"], yes["threshold"], yes["num_enrolled"]) == (1.0, 0.999999, 1)
    assert yes["log_likelihood_ratio"] == -3.0
    assert yes["probability"] == pytest.approx(1 / (1 + np.exp(3)), abs=1e-6)
    assert (yes["nearest"][0]["emotion"], Path(yes["nearest"][0]["file"]).name) == (
        "humming",
        "hum.wav",
    )
    assert any("this very recording" in note for note in yes["notes"])
    assert no["nearest"][0]["emotion"] == "beeping"
    assert (gone["status"], gone["score"], gone["nearest"]) == ("missing", None, [])
    assert "1 of 2 accepted as humming by crnn" in done.stderr
    assert "1 missing" in done.stderr


def test_a_no_is_an_answer_and_no_failure(voices: Path, tone: Callable[..., Path]) -> None:
    other = tone("other.wav", 22)
    assert serkit("verify", "humming", other, "--voices", voices).exit_code == 0
    lenient = serkit("verify", "humming", other, "--voices", voices, "--far", "0.1")
    assert "1 of 1 accepted" in lenient.stderr
    strict = serkit("verify", "humming", other, "--voices", voices, "--far", "0.01")
    assert "0 of 1 accepted" in strict.stderr


def test_verdicts_as_a_table_and_as_csv(voices: Path, tone: Callable[..., Path]) -> None:
    words = ("verify", "humming", tone("same.wav", 2), "gone.wav", "--voices", voices)
    table = serkit(*words)
    assert table.exit_code == 1
    for word in ("yes", "1.000", "-3.00", "humming: ", "missing"):
        assert word in table.stdout
    assert "hum.wav 1.00" in table.stdout
    assert "Note:" not in table.stdout  # one verdict shares its doubts with no other
    rows = list(csv.DictReader(serkit(*words, "--format", "csv").stdout.splitlines()))
    assert [row["status"] for row in rows] == ["ok", "missing"]
    assert [row["accepted"] for row in rows] == ["True", ""]
    assert rows[0]["nearest"].startswith("humming: ")


def test_what_all_verdicts_share_is_said_once(voices: Path, tone: Callable[..., Path]) -> None:
    files = (tone("new.wav", 9), tone("same.wav", 2))
    few = "only 1 utterance is enrolled for humming; 3 or more are steadier"
    for words in (("verify", "humming", *files), ("predict", *files)):
        said = serkit(*words, "--voices", voices).stdout
        assert said.count("only 1 utterance") == 1
        assert f"Note: {few}" in said.splitlines()
        assert said.count("this very") == 1


def test_predicting_among_enrolled_emotions_knows_none_of_these(
    voices: Path, tone: Callable[..., Path]
) -> None:
    words = ("predict", tone("new.wav", 9), "gone.wav", "--voices", voices)
    done = serkit(*words, "--format", "json")
    assert done.exit_code == 1
    first, gone = json.loads(done.stdout)
    share = np.exp(-3) / (1 + 2 * np.exp(-3))
    assert list(first["probability"]) == ["humming", "beeping", NONE]
    assert list(first["probability"].values()) == pytest.approx(
        [share, share, 1 - 2 * share], abs=1e-5
    )
    assert first["emotion"] == NONE
    assert len(first["nearest"]) == 3
    assert any("only 1 utterance is enrolled for humming" in note for note in first["notes"])
    assert (gone["status"], gone["probability"], gone["nearest"]) == ("missing", {}, [])
    table = serkit(*words)
    assert NONE in table.stdout
    (row, bad) = csv.DictReader(serkit(*words, "--format", "csv").stdout.splitlines())
    assert row["emotion"] == NONE
    assert row["nearest"].count(";") == 2
    assert bad["nearest"] == ""


def test_a_model_that_moved_is_asked_for(
    run: Path, tone: Callable[..., Path], tmp_path: Path
) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    _ = shutil.copytree(run / "seed0" / "fold-03", old)
    path = tmp_path / "moved.json"
    _ = serkit("enrol", "humming", tone("hum.wav", 2), "--into", path, "--model", old)
    _ = old.rename(new)
    lost = serkit("verify", "humming", tone("hum.wav", 2), "--voices", path)
    assert lost.exit_code == 1
    assert "is no longer in" in lost.stderr
    assert "--model DIR" in lost.stderr
    found = serkit("verify", "humming", tone("hum.wav", 2), "--voices", path, "--model", new)
    assert found.exit_code == 0, found.output
