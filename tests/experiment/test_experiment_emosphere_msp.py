"""EmoSphere-SER on MSP-Podcast as published: every piece built, some steps on generated sound."""

import csv
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from test_experiment_study import REPOSITORY, load_recipe

from serkit.experiment import Recipe, ablation

CATEGORIES = "ACDFHNSUX"


@pytest.fixture
def msp(tmp_path: Path) -> Path:
    """A release of noise whose level is the arousal, by eight speakers a side."""
    root = tmp_path / "MSP-PODCAST-Publish-1.12"
    generator = np.random.default_rng(0)
    lines = ["FileName,EmoClass,EmoAct,EmoVal,EmoDom,SpkrID,Gender,Split_Set"]
    for side, count in (("Train", 40), ("Development", 36)):
        for number in range(count):
            name = f"MSP-PODCAST_{len(lines):04d}_0001.wav"
            act, val, dom = generator.uniform(1, 7, size=3)
            waveform = generator.normal(size=generator.integers(3200, 8000)) * act / 40
            path = root / "Audios" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(path, waveform.clip(-1, 1), 16000)
            category = CATEGORIES[number % len(CATEGORIES)]
            lines.append(
                f"{name},{category},{act:.2f},{val:.2f},{dom:.2f},"
                f"{side[0]}{number % 8},Female,{side}"
            )
    (root / "Labels").mkdir()
    (root / "Labels" / "labels_consensus.csv").write_text("\n".join(lines) + "\n")
    return root


@pytest.mark.slow
@pytest.mark.usefixtures("no_reports")
def test_ten_steps_of_the_published_recipe(
    msp: Path, speech_encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = load_recipe(REPOSITORY / "recipes" / "emosphere_msp_podcast.py", monkeypatch)
    published: Mapping[str, Recipe] = module.recipe()
    assert {row.settings.lr for row in published.values()} == {1e-5}

    def tiny(recipe: Recipe) -> Recipe:
        settings: dict[str, Any] = {**recipe.system_settings, "encoder": str(speech_encoder)}
        # 40 utterances, or the 35 in which one emotion is heard, are two micro-batches of one step
        short = replace(recipe.settings, batch=40, micro_batch=20, epochs=10, device="cpu")
        return replace(recipe, system_settings=settings, settings=short, seeds=(7,))

    rows = {name: tiny(recipe) for name, recipe in published.items()}
    chosen = "proposed,baseline,emotion"
    ablation(
        "recipes/emosphere_msp_podcast.py",
        rows,
        results=module.RESULTS,
        against={**module.against(), "emotion": "proposed"},
        arguments=[
            *("--corpus", str(msp), "--out", str(tmp_path / "runs"), "--rows", chosen),
            *("--results", str(tmp_path / "results")),
        ],
    )
    with (tmp_path / "results" / f"{module.RESULTS}.csv").open(newline="") as file:
        found = [row for row in csv.DictReader(file) if row["seed"] == "7"]
    assert [row["row"] for row in found] == ["proposed", "baseline", "emotion"]
    for row in found:
        assert np.isfinite(float(row["ccc_mean"]))
        folder = tmp_path / "runs" / f"{module.RESULTS}/{row['row']}" / "seed7" / "fold-in-house"
        losses = [json.loads(line) for line in (folder / "losses.jsonl").read_text().splitlines()]
        assert len(losses) == 10
        guided = {"proposed": "region", "baseline": None, "emotion": "emotion"}[row["row"]]
        assert (guided is None) == (set(losses[0]["losses"]) == set(losses[-1]["losses"]))
        assert guided is None or guided in losses[0]["losses"]
        sizes = json.loads((folder / "fold.json").read_text())
        assert sizes["num_train"] == (40 if row["row"] == "baseline" else 36)
