"""``serkit show``: tones and clicks read back from what it draws, and what is refused."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from matplotlib.image import imread
from typer.testing import CliRunner, Result

from serkit.cli import app
from serkit.corpus import AFFECT
from serkit.systems import SYSTEMS
from serkit.trainer import checkpoint

RATE = 16000


def serkit_show(*words: object) -> Result:
    return CliRunner().invoke(app, ["show", *map(str, words)], env={"COLUMNS": "200"})


def written(path: Path, samples: np.ndarray) -> Path:
    soundfile.write(path, samples, RATE, subtype="FLOAT")
    return path


def tone(hertz: float, seconds: float) -> np.ndarray:
    return 0.5 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * RATE)) / RATE)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def model(folder: Path, system: str = "facenet", **switches: object) -> Path:
    torch.manual_seed(0)
    kind = SYSTEMS[system]
    names = {"emotion": {"emotions": ("anger", "fear", "sadness")}, "affect": {"affect": AFFECT}}
    return checkpoint.save(kind(kind.Config(**names[kind.task], **switches)), folder)


def pixel(shown: np.ndarray, second: float, hertz: float, *, seconds: float) -> float:
    """Brightness of a place of the spectrogram in the picture of a recording.

    Its panel is found as the dark rectangle that magma's black begins with.
    """
    black = (np.abs(shown[..., :3] - (0.0, 0.0, 0.0157)) < 0.004).all(2)
    rows = np.flatnonzero(black.mean(1) > 0.4)
    columns = np.flatnonzero(black[rows].mean(0) > 0.4)
    top, bottom, left, right = rows[0], rows[-1], columns[0], columns[-1]
    row = bottom - hertz / 8000 * (bottom - top)
    column = left + second / seconds * (right - left)
    place = slice(round(row) - 4, round(row) + 5), slice(round(column) - 4, round(column) + 5)
    return float(shown[place][..., :3].sum(2).max() / 3)


def test_a_tone_is_read_back_from_the_picture(here: Path) -> None:
    path = written(here / "tone.wav", np.pad(tone(2000, 0.5), RATE * 3 // 4))
    done = serkit_show(path)
    assert done.exit_code == 0, done.output
    assert (here / "tone.wav.png").read_bytes()[:4] == b"\x89PNG"
    shown = imread(here / "tone.wav.png")
    assert shown.shape[1] == 1650
    assert pixel(shown, 1.0, 2000, seconds=2) > 0.6
    for second, hertz in ((0.4, 2000), (1.6, 2000), (1.0, 4000), (1.0, 1000), (1.0, 6000)):
        assert pixel(shown, second, hertz, seconds=2) < 0.45


def test_a_tone_lights_its_row_of_a_windows_picture_and_a_click_its_column(here: Path) -> None:
    samples = tone(2000, 2.0)
    samples[:RATE] = 0.0
    samples[4050] = 0.9  # column 24 of the 96 of the first window
    path = written(here / "a b.wav", samples)
    done = serkit_show(path, "--pictures", "seen", "--out", "new/one.png", "--hop", "1.0")
    assert done.exit_code == 0, done.output
    assert (here / "new" / "one.png").is_file()
    names = [f"a b.00{n}.{kind}.png" for n in (1, 2) for kind in ("spectrogram", "waveform")]
    assert sorted(path.name for path in (here / "seen").iterdir()) == names
    seen = {name: imread(here / "seen" / name)[..., 0] for name in names}
    assert all(picture.shape == (96, 96) for picture in seen.values())
    second = seen["a b.002.spectrogram.png"]
    assert abs(int(second.mean(1).argmax()) + 0.5 - 96 * (1 - 2000 / 8000)) <= 1.5
    click = seen["a b.001.waveform.png"]
    assert click[0].nonzero()[0].tolist() == [24]
    assert click.any(1).sum() == 49  # from the highest row down to the middle
    first = seen["a b.001.spectrogram.png"]
    lit = (first.mean(0) > 0.05).nonzero()[0]
    assert abs(lit.mean() - 24) <= 1.5
    assert len(lit) <= 5


def test_of_a_part_times_are_those_of_the_recording_and_a_long_one_is_cut(here: Path) -> None:
    path = written(here / "long.wav", np.tile(tone(500, 1), 70))
    done = serkit_show(path, "--window", "10", "--hop", "10")
    assert done.exit_code == 0, done.output
    assert "60 s are drawn, of 70.0; choose others with --start and --end" in done.stdout
    for end in ("9", "3.2"):
        done = serkit_show(path, "--start", "3", "--end", end, "--pictures", "seen")
        assert done.exit_code == 0, done.output
    assert len(list((here / "seen").iterdir())) == 2  # shorter than a window: one, of two kinds
    done = serkit_show(path, "--start", "3", "--end", "3.004")  # less than a frame
    assert done.exit_code == 0, done.output


@pytest.mark.parametrize(
    ("system", "switches", "kinds"),
    [
        ("facenet", {"picture": "waveform", "window": 0.5, "hop": 0.25}, {"waveform"}),
        ("facenet", {"trim": 30.0, "freeze": "all"}, {"spectrogram"}),
        ("crnn", {"size": "small"}, set()),
        ("emosphere", {}, set()),
    ],
)
def test_a_model_says_what_it_hears(
    system: str, switches: dict, kinds: set[str], here: Path
) -> None:
    path = written(here / "tone.wav", tone(440, 1.3))
    words = path, "--model", model(here / "model", system, **switches)
    done = serkit_show(*words, *(("--pictures", "p") if kinds else ()))
    assert done.exit_code == 0, done.output
    assert imread(here / "tone.wav.png").shape[1] == 1650
    if kinds:
        assert {p.name.split(".")[2] for p in (here / "p").iterdir()} == kinds
    else:
        done = serkit_show(*words, "--pictures", "p")
        assert done.exit_code == 2
        assert "sees no pictures of windows" in done.stderr
        assert not (here / "p").exists()


@pytest.mark.parametrize("number", [16001, 24000, 24007])
def test_windows_are_those_that_facenet_cuts(number: int, here: Path) -> None:
    samples = np.random.default_rng(0).normal(0, 0.1, number).astype(np.float32)
    path = written(here / "noise.wav", samples)
    done = serkit_show(path, "--pictures", "p")
    assert done.exit_code == 0, done.output
    system = SYSTEMS["facenet"]
    heard = system(system.Config(emotions=("anger", "fear"))).explain(samples, 0)
    assert len(list((here / "p").glob("*.spectrogram.png"))) == len(heard.starts)


def test_several_models_are_averaged(here: Path) -> None:
    for fold in ("fold-1", "fold-2"):
        _ = model(here / "run" / "seed0" / fold)
    done = serkit_show(written(here / "tone.wav", tone(440, 1.3)), "--model", here / "run")
    assert done.exit_code == 0, done.output


@pytest.mark.parametrize(
    ("words", "code", "hint"),
    [
        (("gone.wav",), 1, "gone.wav"),
        (("text.wav",), 1, "text.wav"),
        (("tone.wav", "--window", "0.5", "--hop", "1"), 2, "the hop is at least 0.1"),
        (("tone.wav", "--start", "2", "--end", "1"), 2, "--end 1 must be after --start 2"),
        (("tone.wav", "--start", "5"), 1, "tone.wav"),
        (("tone.wav", "--out", "tone.wav"), 2, "is the recording, and would be written over"),
        (("tone.wav", "--out", "."), 2, "--out . must be the name of a file that ends in .png"),
        (("tone.wav", "--out", "tone.jpg"), 2, "must be the name of a file that ends in .png"),
        (("tone.wav", "--pictures", "text.wav"), 2, "--pictures text.wav is a file"),
        (("silence.wav", "--model", "model"), 1, "silence.wav: is silent"),
        (("short.wav", "--model", "model"), 1, "short.wav: 0.050 s is too short"),
        (("tone.wav", "--model", "nothing"), 1, "nothing"),
    ],
)
def test_what_cannot_be_shown_is_said(
    words: tuple[str, ...], code: int, hint: str, here: Path
) -> None:
    written(here / "tone.wav", tone(440, 1.3))
    written(here / "silence.wav", np.zeros(RATE))
    written(here / "short.wav", tone(440, 0.05))
    (here / "text.wav").write_text("no sound", encoding="utf-8")
    _ = model(here / "model")
    done = serkit_show(*words)
    assert done.exit_code == code, done.output
    assert hint in done.stderr
    assert not list(here.glob("*.png"))
