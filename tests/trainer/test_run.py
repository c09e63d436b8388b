"""The run folder: what is written, when, and how it is read again."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from serkit.corpus import MissingExtraError
from serkit.trainer import Run, environment, git_state
from serkit.trainer.run import write_json


@dataclass(frozen=True)
class Recipe:
    path: Path
    widths: tuple[int, ...]


STEP = {"epoch": 1, "step": 1, "lr": 0.1, "grad_norm": 2.0, "losses": {"cross_entropy": 1.5}}


def test_settings_hold_dataclasses_field_by_field_and_what_the_run_ran_on(tmp_path: Path) -> None:
    run = Run(tmp_path / "new" / "folder", settings={"recipe": Recipe(Path("wav"), (3, 5))})
    run.describe({"seed": 7})
    stored = json.loads((run.folder / "settings.json").read_text())
    assert stored["recipe"] == {"path": "wav", "widths": [3, 5]}
    assert stored["seed"] == 7
    assert stored["environment"]["torch"] == environment()["torch"]
    assert set(stored["git"]) == {"commit", "dirty"}
    assert isinstance(stored["command"], list)
    assert stored["date"].endswith("+00:00")


def test_a_resumed_run_keeps_its_first_date(tmp_path: Path) -> None:
    first = Run(tmp_path).described()
    again = Run(tmp_path).described()
    assert again["date"] == first["date"]
    assert len(again["resumed"]) == 1


def test_what_json_cannot_say_is_refused_and_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_json(path, {"a": 1})
    with pytest.raises(TypeError, match=r"\(set\) cannot be written as JSON"):
        write_json(path, {"a": {1}})
    assert json.loads(path.read_text()) == {"a": 1}


def test_a_line_is_on_disk_as_soon_as_its_step_is_logged(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.log(STEP)
    assert json.loads(run.losses_path.read_text()) == STEP
    run.close()


def test_rewinding_forgets_later_steps(tmp_path: Path) -> None:
    run = Run(tmp_path)
    assert run.position() == 0
    run.log(STEP)
    position = run.position()
    run.log({**STEP, "step": 2})
    run.rewind(position)
    run.log({**STEP, "step": 3})
    run.close()
    assert [json.loads(line)["step"] for line in run.losses_path.read_text().splitlines()] == [1, 3]


def test_only_the_first_of_several_processes_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RANK", "1")
    run = Run(tmp_path)
    run.log(STEP)
    assert list(tmp_path.iterdir()) == []


def test_a_finished_run_cannot_be_resumed(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.resume_path.parent.mkdir()
    _ = run.resume_path.write_bytes(b"state")
    run.finish()
    assert not run.resume_path.parent.exists()


def test_without_tensorboard_one_sentence_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard.writer", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'serkit\[tensorboard\]'"):
        _ = Run(tmp_path, tensorboard=True)


def test_tensorboard_hears_losses_and_scores(tmp_path: Path) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    run = Run(tmp_path, tensorboard=True)
    run.log(STEP)
    run.log_development({"uar": 0.5}, step=1)
    run.close()
    events = accumulator.EventAccumulator(str(tmp_path / "tensorboard"))
    _ = events.Reload()
    assert set(events.Tags()["scalars"]) == {
        "loss/cross_entropy",
        "lr",
        "grad_norm",
        "development/uar",
    }


def test_git_state_names_a_commit_only_for_a_checkout() -> None:
    state = git_state()
    assert (state["commit"] is None) == (state["dirty"] is None)
    assert state["commit"] is None or len(state["commit"]) == 40
