"""Weights on disk: there and back bit for bit, and everything that must be refused."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

sys.path.insert(0, str(Path(__file__).parent))
from tiny_system import Config, Tiny, tiny, tones

from serkit import systems
from serkit.trainer import CheckpointError, load, save
from serkit.trainer.checkpoint import load_resume, save_resume


@pytest.fixture(autouse=True)
def _known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(systems.SYSTEMS, "tiny", Tiny)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A saved system whose buffers and running moments are not those of a fresh one."""
    system = tiny(seed=1, hidden=6, pool="max")
    system.prepare([example.waveform for example in tones()], [])
    _ = system.train()(torch.randn(4, 400), torch.full((4,), 400))
    return save(system, tmp_path / "model", card={"corpus": "tones"})


def edit(folder: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    stored = json.loads((folder / "config.json").read_text())
    _ = change(stored)
    _ = (folder / "config.json").write_text(json.dumps(stored))


def test_saved_and_loaded_it_answers_bit_for_bit(tmp_path: Path) -> None:
    system = tiny(seed=1, kernels=((1, 9), (1, 3)))
    system.prepare([example.waveform for example in tones()], [])
    _ = system.train()(torch.randn(4, 400), torch.full((4,), 400))
    again = load(save(system, tmp_path))
    waveforms = [example.waveform for example in tones(seed=2)]
    assert torch.equal(system.posterior(waveforms), again.posterior(waveforms))
    assert again.config == system.config
    assert not again.training  # type: ignore[attr-defined]


def test_channels_last_weights_are_saved_as_they_are(tmp_path: Path) -> None:
    system = tiny()
    expected = system.convolutions[1].weight.detach().clone()
    _ = system.to(memory_format=torch.channels_last)
    assert torch.equal(
        load_file(save(system, tmp_path) / "model.safetensors")["convolutions.1.weight"], expected
    )


def test_config_says_in_words_what_the_numbers_mean(folder: Path) -> None:
    stored = json.loads((folder / "config.json").read_text())
    assert stored["system"] == "tiny"
    assert stored["emotions"] == ["anger", "happiness", "sadness"]
    assert stored["sample_rate"] == 16000
    assert stored["front_end"]["kind"] == "waveform"
    assert stored["config"]["hidden"] == 6
    assert stored["card"] == {"corpus": "tones"}
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "model.safetensors"]


def test_the_card_may_be_amended(folder: Path) -> None:
    edit(folder, lambda stored: stored["card"].update(note="not for hiring"))
    _ = load(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda s: s["emotions"].reverse(),
            r"emotions is \['sadness', 'happiness', 'anger'\], but",
        ),
        (
            lambda s: (s["emotions"].reverse(), s["config"]["emotions"].reverse()),
            "config.json does not belong to model.safetensors: its emotions",
        ),
        (
            lambda s: s.update(sample_rate=8000),
            "sample_rate is 8000, but tiny as configured there has 16000",
        ),
        (lambda s: s["front_end"].update(kind="log_mel"), "front_end is .*log_mel"),
        (lambda s: s["config"].update(dropout=0.9), "config.json does not belong to"),
        (lambda s: s["config"].update(hiden=6), r"unknown fields \['hiden'\] and lacks \[\]"),
        (lambda s: s["config"].pop("pool"), r"unknown fields \[\] and lacks \['pool'\]"),
        (lambda s: s["config"].update(pool="last"), "config.pool: .*'mean' or 'max', got 'last'"),
        (lambda s: s["config"].update(hidden="6"), "config.hidden: .*got '6'"),
        (lambda s: s["config"].update(kernels=[[1, 2, 3]]), "config.kernels.0"),
        (lambda s: s.update(config=[]), "config must hold an object, not list"),
        (lambda s: s.update(system="tinny"), "unknown system 'tinny'; known are .*crnn.*tiny"),
        (lambda s: s.update(format=99), "format 99 is not known, only 1"),
        (lambda s: s.pop("front_end"), "field 'front_end' is missing"),
        (lambda s: s.update(fingerprint="0" * 64), "config.json does not belong to"),
    ],
)
def test_what_was_edited_after_training_is_refused(
    folder: Path, change: Callable[[dict[str, Any]], Any], message: str
) -> None:
    edit(folder, change)
    with pytest.raises(CheckpointError, match=message):
        _ = load(folder)


def test_weights_of_another_configuration_are_refused_even_of_the_same_size(
    folder: Path, tmp_path: Path
) -> None:
    other = save(tiny(seed=2, hidden=6, pool="mean"), tmp_path / "other")
    _ = (other / "model.safetensors").replace(folder / "model.safetensors")
    with pytest.raises(CheckpointError, match="the two files come from different runs"):
        _ = load(folder)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(CheckpointError, match=f"not a model folder: {name} is missing"):
        _ = load(folder)


def test_files_that_are_not_what_they_should_be_are_refused(folder: Path) -> None:
    weights = (folder / "model.safetensors").read_bytes()
    _ = (folder / "model.safetensors").write_bytes(weights[:100])
    with pytest.raises(CheckpointError, match="cannot be read as safetensors"):
        _ = load(folder)
    _ = (folder / "config.json").write_text("[]")
    with pytest.raises(CheckpointError, match="must hold an object, not list"):
        _ = load(folder)
    _ = (folder / "config.json").write_text("{")
    with pytest.raises(CheckpointError, match="is not valid JSON"):
        _ = load(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.pop("scale"), r"lacks tensors \['scale'\] and has unknown ones \[\]"),
        (lambda t: t.update(extra=torch.ones(1)), r"has unknown ones \['extra'\]"),
        (
            lambda t: t.update({"norm.weight": torch.ones(7)}),
            r"norm.weight has size \(7,\), but the configured system needs \(6,\)",
        ),
    ],
)
def test_tensors_of_another_name_or_size_are_named(
    folder: Path, change: Callable[[dict[str, torch.Tensor]], Any], message: str
) -> None:
    path = folder / "model.safetensors"
    mark = json.loads((folder / "config.json").read_text())["fingerprint"]
    tensors = load_file(path)
    _ = change(tensors)
    save_file(tensors, path, metadata={"fingerprint": mark})
    with pytest.raises(CheckpointError, match=message):
        _ = load(folder)


def test_what_is_not_a_module_cannot_be_saved(tmp_path: Path) -> None:
    class Wordless:
        name = "wordless"
        task = "emotion"
        trained_by_gradient = False
        sample_rate = 16000
        config = Config(emotions=("a", "b"))
        front_end = prepare = cuts = __call__ = objective = posterior = lambda *_, **__: {}

    with pytest.raises(TypeError, match=r"System 'wordless' is not a torch\.nn\.Module"):
        _ = save(Wordless(), tmp_path)


def test_an_unfinished_write_of_the_state_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "resume" / "state.pt"
    assert load_resume(path) is None
    save_resume(path, {"step": 1, "model": {"w": torch.ones(2)}})

    def fail(value: object, file: Any) -> None:
        _ = file.write(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(torch, "save", fail)
    with pytest.raises(OSError, match="disk full"):
        save_resume(path, {"step": 2})
    state = load_resume(path)
    assert state is not None
    assert state["step"] == 1
    assert np.array_equal(state["model"]["w"], [1, 1])


def test_whoever_may_read_the_configuration_may_read_the_weights(tmp_path: Path) -> None:
    folder = save(tiny(), tmp_path / "model")
    modes = {path.stat().st_mode & 0o777 for path in folder.iterdir()}
    assert len(modes) == 1
