"""Recipes: what reaches ``results/``."""

import csv
import gzip
import importlib.util
import shutil
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

from serkit.corpus import AFFECT, CORPORA, MissingCorpusError, joint_passport
from serkit.evaluation import read_predictions
from serkit.experiment import (
    ExperimentError,
    Recipe,
    RecipeError,
    ablation,
    configure,
    study,
    system_class,
)
from serkit.experiment.folder import fold_folder
from serkit.trainer import Settings

pytestmark = pytest.mark.usefixtures("no_reports")

REPOSITORY = Path(__file__).resolve().parents[2]
RECIPES = sorted((REPOSITORY / "recipes").glob("*.py"))

QUICK = Recipe(
    results="crnn.tones",
    system="crnn",
    corpus="synthetic",
    protocol="loso",
    system_settings={"size": "small", "augment": "none"},
    settings=Settings(epochs=1, batch=8, device="cpu", precision="float32"),
    refit="full",
)


@pytest.fixture
def place(tmp_path: Path, tones_root: Path) -> list[str]:
    return [
        *("--corpus", str(tones_root)),
        *("--out", str(tmp_path / "runs")),
        *("--results", str(tmp_path / "results")),
    ]


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_study_writes_rows_and_predictions(tmp_path: Path, place: list[str]) -> None:
    study("recipes/crnn_tones.py", QUICK, arguments=place)
    found = rows(tmp_path / "results" / "crnn.tones.csv")
    assert [row["seed"] for row in found] == ["0", "pooled"]
    assert found[0]["recipe"] == "crnn_tones"
    assert found[0]["refit"] == "full"
    table = read_predictions(tmp_path / "results" / "predictions" / "crnn.tones.csv.gz")
    assert len(table) == 12


def test_an_unfinished_seed_leaves_predictions_and_no_rows(
    tmp_path: Path, place: list[str]
) -> None:
    study("recipes/crnn_tones.py", QUICK, arguments=[*place, "--folds", "s1"])
    assert not (tmp_path / "results" / "crnn.tones.csv").exists()
    table = tmp_path / "results" / "predictions" / "crnn.tones.csv.gz"
    assert {row.fold for row in read_predictions(table)} == {"s1"}
    study("recipes/crnn_tones.py", QUICK, arguments=[*place, "--folds", "s2,s3"])
    assert len(rows(tmp_path / "results" / "crnn.tones.csv")) == 2


def test_a_fuller_table_is_not_written_over(tmp_path: Path, place: list[str]) -> None:
    study("recipes/crnn_tones.py", QUICK, arguments=place)
    table = tmp_path / "results" / "predictions" / "crnn.tones.csv.gz"
    before = table.read_bytes()
    elsewhere = [*place, "--out", str(tmp_path / "elsewhere"), "--folds", "s1"]
    other = replace(QUICK, settings=replace(QUICK.settings, lr=0.01))
    study("recipes/crnn_tones.py", other, arguments=elsewhere)
    assert table.read_bytes() == before


def test_a_study_goes_on_from_what_results_hold(
    tmp_path: Path, place: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    study("recipes/crnn_tones.py", QUICK, arguments=[*place, "--folds", "s1,s2"])
    kept = read_predictions(tmp_path / "results" / "predictions" / "crnn.tones.csv.gz")
    shutil.rmtree(tmp_path / "runs")  # another checkout has no runs, only results
    study("recipes/crnn_tones.py", QUICK, arguments=place)
    assert "going on after 2 folds" in capsys.readouterr().err
    table = read_predictions(tmp_path / "results" / "predictions" / "crnn.tones.csv.gz")
    assert [row for row in table if row.fold != "s3"] == list(kept)
    assert not (tmp_path / "runs" / "crnn.tones" / "seed0" / "fold-s1" / "losses.jsonl").exists()
    assert len(rows(tmp_path / "results" / "crnn.tones.csv")) == 2


def test_an_ablation_is_one_table_with_differences(tmp_path: Path, place: list[str]) -> None:
    table: Mapping[str, Recipe] = {
        "baseline": replace(QUICK, results="tones.ablation/baseline"),
        "+C": replace(
            QUICK,
            results="tones.ablation/+C",
            system_settings={**QUICK.system_settings, "planes": "static"},
        ),
    }
    ablation(
        "recipes/tones.py",
        table,
        results="tones.ablation",
        against={"+C": "baseline"},
        arguments=place,
    )
    found = rows(tmp_path / "results" / "tones.ablation.csv")
    assert [(row["row"], row["seed"]) for row in found] == [
        ("baseline", "0"),
        ("baseline", "pooled"),
        ("+C", "0"),
        ("+C", "pooled"),
    ]
    assert found[3]["against"] == "baseline"
    assert float(found[3]["difference"]) == pytest.approx(
        float(found[3]["uar"]) - float(found[1]["uar"]), abs=2e-4
    )
    assert found[3]["verdict"] == "3 speakers, no interval"
    assert found[1]["against"] == ""
    assert float(found[0]["mmac_per_second"]) > float(found[2]["mmac_per_second"]) > 1
    path = tmp_path / "results" / "predictions" / "tones.ablation.csv.gz"
    with gzip.open(path, "rt", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    assert [line["row"] for line in lines] == ["baseline"] * 12 + ["+C"] * 12
    assert list(lines[0])[:4] == ["row", "seed", "fold", "file"]

    before = path.read_bytes()
    shutil.rmtree(tmp_path / "runs")
    ablation(
        "recipes/tones.py",
        table,
        results="tones.ablation",
        against={"+C": "baseline"},
        arguments=place,
    )
    assert path.read_bytes() == before
    assert not list((tmp_path / "runs").glob("**/losses.jsonl"))


def test_a_recipe_file_reads_one_corpus(place: list[str]) -> None:
    with pytest.raises(RecipeError, match=r"reads one corpus, not emodb, synthetic"):
        study("recipes/both.py", QUICK, replace(QUICK, corpus="emodb"), arguments=place)


def test_a_recipe_file_of_unions_reads_the_folder_that_holds_their_corpora(
    place: list[str], tmp_path: Path
) -> None:
    rows = [
        replace(QUICK, results=f"both.{third}", corpus=f"emodb+{third}")
        for third in ("ravdess", "emotale")
    ]
    nowhere = ["--corpus", str(tmp_path / "corpora"), *place[place.index("--out") :]]
    for third in ("ravdess", "emotale"):
        with pytest.raises(MissingCorpusError, match=r"corpora.emodb: no Emo-DB here"):
            study("recipes/both.py", *rows, arguments=[*nowhere, "--rows", f"both.{third}"])


def test_on_the_command_line_an_error_is_a_sentence_and_no_traceback(
    place: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["crnn_tones.py", *place])
    with pytest.raises(SystemExit, match=r"^Error: .*reads one corpus, not emodb, synthetic"):
        study("recipes/both.py", QUICK, replace(QUICK, corpus="emodb"))
    monkeypatch.setattr(sys.modules["serkit.experiment.study"], "place_of", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError, match="division"):  # ours, to be found
        study("recipes/crnn_tones.py", QUICK)


def test_seeds_are_whole_numbers(place: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        study("recipes/crnn_tones.py", QUICK, arguments=[*place, "--seeds", "a"])
    assert "whole numbers" in capsys.readouterr().err


def load_recipe(path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(path.parent))
    spec = importlib.util.spec_from_file_location(f"recipe_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("path", RECIPES, ids=[path.stem for path in RECIPES])
def test_every_recipe_can_be_built(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if path.stem == "cross":
        pytest.skip("takes corpora: tests/experiment/test_experiment_cross.py")
    if path.stem == "shipped_card":
        pytest.skip("takes what shipped.py wrote: tests/evaluation/test_evaluation_shipped.py")
    if path.stem == "facenet_fusion":
        pytest.skip("takes results: tests/experiment/test_experiment_fusion.py")
    made = load_recipe(path, monkeypatch).recipe()
    recipes = made.values() if isinstance(made, Mapping) else made
    for recipe in [recipes] if isinstance(recipes, Recipe) else recipes:
        passports = [CORPORA[name].PASSPORT for name in recipe.corpus.split("+")]
        passport = passports[0] if len(passports) == 1 else joint_passport(passports)
        assert recipe.protocol in passport.protocols
        affect = system_class(recipe.system).task == "affect"
        names = AFFECT if affect else tuple(passport.emotions)
        settings = dict(recipe.system_settings)
        if "/" in settings.get("encoder", ""):  # its weights are on the hub
            settings = {n: v for n, v in settings.items() if n not in ("encoder", "checkpointing")}
        config = configure(recipe.system, names, settings)
        assert system_class(recipe.system)(config) is not None


def test_the_ablation_has_the_ten_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    module = load_recipe(REPOSITORY / "recipes" / "crnn_emodb_ablation.py", monkeypatch)
    table = module.recipe()
    assert list(table) == [
        *("baseline", "+A", "+B", "+C", "+D", "full", "full-A", "full-B", "full-C", "full-D")
    ]
    emotions = ("anger", "fear", "neutral", "sadness")
    sizes = {
        name: sum(
            p.numel()
            for p in system_class("crnn")(
                configure("crnn", emotions, {**recipe.system_settings, "size": "default"})
            ).parameters()
        )
        for name, recipe in table.items()
    }
    # the table of parameters in the specification, for four emotions
    assert sizes["baseline"] == sizes["+A"] == sizes["+D"] == 475_972
    assert (sizes["+B"], sizes["+C"], sizes["full"]) == (508_740, 479_428, 512_196)
    assert table["full"].settings.balance == "weights"
    assert table["full-D"].settings.schedule == "constant"
    assert set(module.against()) == set(table) - {"baseline"}


def test_folds_of_every_name_have_folders_of_their_own() -> None:
    names = ["a b", "a_b", "张三", "李四", "s1"]
    folders = {fold_folder(Path("out"), 0, name) for name in names}
    assert len(folders) == len(names)
    assert all(folder.name.isascii() for folder in folders)


def test_a_run_is_not_gone_on_with_when_labels_have_changed(
    tmp_path: Path, place: list[str], tones_root: Path
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(tones_root, copy)
    there = [*place, "--corpus", str(copy)]
    study("recipes/crnn_tones.py", QUICK, arguments=[*there, "--folds", "s1"])
    one, other = sorted(path for path in copy.iterdir() if path.is_dir())
    taken = min(one.glob("s2_*"))
    moved = taken.rename(other / f"{taken.stem}9{taken.suffix}")
    with pytest.raises(ExperimentError, match="corpus has changed"):
        study("recipes/crnn_tones.py", QUICK, arguments=there)
    assert moved.exists()
