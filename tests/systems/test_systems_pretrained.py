"""Systems with a pre-trained encoder: saved, moved, loaded without the encoder's folder."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from serkit.systems import SYSTEMS, answers
from serkit.trainer import load, save

NOISE = (np.random.default_rng(0).normal(size=9000) / 10).astype(np.float32)
ANSWERED: dict[str, dict[str, Any]] = {
    "emosphere": {},
    "encoder_classifier": {"emotions": ("anger", "sadness")},
}


def made(name: str, encoder: Path, **settings: Any) -> Any:
    torch.manual_seed(0)
    system = SYSTEMS[name]
    built = system(system.Config(**ANSWERED[name], encoder=str(encoder), **settings))
    targets = [(0.1, 0.2, 0.3), (0.6, 0.5, 0.4)] if built.task == "affect" else [0, 1]
    built.prepare([NOISE, NOISE[:5000] / 2], targets)
    return built


@pytest.mark.parametrize("name", sorted(ANSWERED))
@pytest.mark.parametrize("tune", ["full", "frozen", "lora"])
def test_it_is_loaded_without_the_folder_its_encoder_came_from(
    name: str, tune: str, speech_encoder: Path, tmp_path: Path
) -> None:
    system = made(name, speech_encoder, tune=tune, layers="weighted")
    optimizer = torch.optim.SGD([p for p in system.parameters() if p.requires_grad], lr=0.1)
    waveform, lengths = torch.from_numpy(np.stack([NOISE, -NOISE])), torch.tensor([9000, 7000])
    target = torch.tensor([[0.1, 0.2, 0.3], [0.6, 0.5, 0.4]])
    if system.task == "emotion":
        target = torch.eye(2)
    losses = system.train().objective(system(waveform, lengths), target)
    torch.stack(list(losses.values())).sum().backward()
    optimizer.step()
    folder = save(system, tmp_path / "model")
    wanted = answers(system, [NOISE, NOISE[:4000]])
    shutil.rmtree(speech_encoder)
    again = load(folder)
    assert torch.equal(answers(again, [NOISE, NOISE[:4000]]), wanted)
    assert again.config == system.config
    assert again.front_end() == system.front_end()


def test_one_system_takes_over_the_encoder_of_another(speech_encoder: Path) -> None:
    classifier, regressor = (
        made("encoder_classifier", speech_encoder),
        made("emosphere", speech_encoder),
    )
    with torch.no_grad():
        for parameter in classifier.encoder.parameters():
            parameter.add_(0.01)
    regressor.adopt(classifier)
    for one, other in zip(
        regressor.encoder.state_dict().values(),
        classifier.encoder.state_dict().values(),
        strict=True,
    ):
        assert torch.equal(one, other)


def test_another_encoder_is_not_taken_over(speech_encoder: Path) -> None:
    scratch = SYSTEMS["emosphere"](SYSTEMS["emosphere"].Config())
    with pytest.raises(ValueError, match="its encoder is another one: kind is"):
        scratch.adopt(made("encoder_classifier", speech_encoder))


def test_an_encoder_that_is_tuned_otherwise_is_not_taken_over(speech_encoder: Path) -> None:
    whole, adapted = (
        made("emosphere", speech_encoder),
        made("emosphere", speech_encoder, tune="lora"),
    )
    for one, other in ((whole, adapted), (adapted, whole)):
        with pytest.raises(ValueError, match="tuned otherwise"):
            one.adopt(other)


def test_where_an_encoder_came_from_does_not_matter(speech_encoder: Path, tmp_path: Path) -> None:
    shutil.copytree(speech_encoder, tmp_path / "copy")
    made("emosphere", speech_encoder).adopt(made("encoder_classifier", tmp_path / "copy"))
