"""Late fusion of what recipes and runs left behind, from their tables alone."""

import csv
import runpy
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from serkit.cli import app
from serkit.evaluation import (
    Prediction,
    PredictionsError,
    read_predictions,
    result_rows,
    uar,
    write_predictions,
    write_results,
)
from serkit.experiment import RecipeError, fusion
from serkit.experiment.fusion import Part, fuse
from serkit.experiment.labelled import read_labelled, write_labelled
from serkit.experiment.task import EmotionTask

REPOSITORY = Path(__file__).resolve().parents[2]
EMOTIONS = ("anger", "fear", "sadness")


def answers(generator: np.random.Generator, *, seeds: tuple[int, ...] = (0, 1)) -> list[Prediction]:
    """Of a system that is right more often than not, three speakers."""
    return [
        Prediction.of(
            seed=seed,
            fold=f"f{file % 3}",
            file=f"u{file}",
            speaker=f"s{file % 3}",
            emotion=EMOTIONS[file % 4 % 3],
            emotions=EMOTIONS,
            probabilities=generator.dirichlet(1 + 1.2 * np.eye(3)[file % 4 % 3]),
        )
        for seed in seeds
        for file in range(60)
    ]


def rows_of(table: list[Prediction], **changed) -> list[dict]:
    facts = {
        "recipe": "r",
        "system": "facenet",
        "corpus": "own",
        "protocol": "loso",
        "parameters": 100,
        "train_seconds": {0: 10.0, 1: 20.0},
        "commit": "abc",
        "date": "2025-01-01",
        "split": "1f",
        "extra": {"refit": "full"},
    }
    return result_rows(table, **{**facts, **changed}, draws=50)


def study(results: Path, name: str, table: list[Prediction], **changed) -> None:
    """What ``study`` leaves in ``results/``."""
    write_predictions(results / "predictions" / f"{name}.csv.gz", table)
    write_results(results / f"{name}.csv", rows_of(table, **changed))


def ablation(results: Path, name: str, tables: dict[str, list[Prediction]]) -> None:
    """What ``ablation`` leaves in ``results/``."""
    path = results / "predictions" / f"{name}.csv.gz"
    write_labelled(path, EmotionTask(), {(row,): t for row, t in tables.items()}, ["row"])
    extra = {"refit": "no", "mmac_per_second": 47.3, "minutes_per_fold": 2.5}
    rows = [{"row": row, **line} for row, t in tables.items() for line in rows_of(t, extra=extra)]
    write_results(results / f"{name}.csv", rows)


def lines(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def tables() -> tuple[list[Prediction], list[Prediction]]:
    generator = np.random.default_rng(0)
    return answers(generator), answers(generator)


def fused(folder: Path, fusions: dict[str, tuple[str, ...]]) -> None:
    fusion("recipes/both.py", fusions, note="an extra", arguments=["--results", str(folder)])


def test_two_studies_become_one_with_its_predictions(tmp_path: Path, tables) -> None:
    study(tmp_path, "a", tables[0])
    study(tmp_path, "b", tables[1][::-1], parameters=11, date="2025-02-02", commit="def abc")
    fused(tmp_path, {"both": ("a", "b")})
    table = read_predictions(tmp_path / "predictions" / "both.csv.gz")
    assert [(r.seed, r.file) for r in table] == [(r.seed, r.file) for r in tables[0]]
    found = lines(tmp_path / "both.csv")
    assert [row["seed"] for row in found] == ["0", "1", "pooled", "ensemble-2"]
    for seed in (0, 1):
        of_seed = [row for row in table if row.seed == seed]
        value = uar([r.emotion for r in of_seed], [r.predicted for r in of_seed], EMOTIONS)
        assert float(found[seed]["uar"]) == pytest.approx(value, abs=1e-4)
    assert found[2]["parameters"] == "111"
    assert [row["train_seconds"] for row in found[:3]] == ["20.0", "40.0", "60.0"]
    assert found[2]["commit"] == "abc def"
    assert (found[2]["date"], found[2]["recipe"], found[2]["refit"]) == (
        "2025-02-02", "both", "full",
    )  # fmt: skip
    assert found[2]["fusion"] == "a + b"
    assert found[2]["note"] == "equal weights; an extra"
    assert found[2]["against"] == "a"
    apart = float(found[2]["uar"]) - float(lines(tmp_path / "a.csv")[2]["uar"])
    assert float(found[2]["difference"]) == pytest.approx(apart, abs=2e-4)
    assert found[0]["difference"] == ""


def test_rows_of_an_ablation_become_rows_of_one_table(tmp_path: Path, tables) -> None:
    ablation(tmp_path, "pairs", {"one": tables[0], "two": tables[1], "three": tables[0]})
    names = {"x/one+two": ("pairs/one", "pairs/two"), "x/two+three": ("pairs/two", "pairs/three")}
    fused(tmp_path, names)
    parts = read_labelled(tmp_path / "predictions" / "x.csv.gz", EmotionTask(), ["row"])
    assert list(parts) == [("one+two",), ("two+three",)]
    assert sorted(parts["one+two",], key=str) == sorted(parts["two+three",], key=str)
    pooled = [row for row in lines(tmp_path / "x.csv") if row["seed"] == "pooled"]
    assert [row["row"] for row in pooled] == ["one+two", "two+three"]
    assert [row["against"] for row in pooled] == ["one", "two"]
    assert pooled[0]["mmac_per_second"] == "94.6"
    assert pooled[0]["minutes_per_fold"] == "5.0"


def test_what_can_be_made_is_made_and_the_rest_is_named(tmp_path: Path, tables, capsys) -> None:
    study(tmp_path, "a", tables[0])
    study(tmp_path, "b", tables[1])
    study(tmp_path, "other", tables[1], split="2e")
    names = {"lost": ("a", "gone"), "cut": ("a", "other"), "both": ("a", "b"), "row": ("a", "b/x")}
    with pytest.raises(RecipeError, match="not made: lost, cut, row"):
        fused(tmp_path, names)
    assert (tmp_path / "both.csv").is_file()
    said = " ".join(capsys.readouterr().err.split())
    assert "gone.csv has no complete rows; run the recipe that writes it first" in said
    assert "split is 1f and 2e" in said
    assert "b.csv has no complete rows of x" in said


def test_seeds_that_are_not_finished_are_left_out_and_others_must_be_the_same(
    tmp_path: Path, tables
) -> None:
    study(tmp_path, "a", tables[0])
    whole = [row for row in tables[1] if row.seed == 0]
    write_predictions(tmp_path / "predictions" / "b.csv.gz", tables[1][:100])  # half of seed 1
    write_results(tmp_path / "b.csv", rows_of(whole))
    parts = [Part.of_results(tmp_path, name) for name in ("a", "b")]
    with pytest.raises(PredictionsError, match="seed '1' is in part 1 alone"):
        fuse(parts, recipe="both")
    study(tmp_path, "a", [row for row in tables[0] if row.seed == 0])
    found, rows = fuse([Part.of_results(tmp_path, name) for name in ("a", "b")], recipe="both")
    assert len(found) == 60
    assert [row["seed"] for row in rows] == [0, "pooled"]


def test_the_recipe_fuses_what_the_recipes_of_its_parts_write(tmp_path: Path, tables, monkeypatch):
    monkeypatch.syspath_prepend(str(REPOSITORY / "recipes"))
    path = REPOSITORY / "recipes" / "facenet_fusion.py"
    fusions = runpy.run_path(str(path))["recipe"]()
    names = sorted({name.partition("/")[0] for name in fusions})
    assert names == ["facenet.emodb-5pairs.fusion"]
    parts = {part for each in fusions.values() for part in each}
    rows = sorted(part.partition("/")[2] for part in parts)
    ablation(
        tmp_path, "facenet.emodb-5pairs.ablation",
        {row: tables[place % 2] for place, row in enumerate(rows)},
    )  # fmt: skip
    monkeypatch.setattr("sys.argv", [str(path), "--results", str(tmp_path)])
    runpy.run_path(str(path), run_name="__main__")
    for name in names:
        assert {row["fusion"].count(" + ") for row in lines(tmp_path / f"{name}.csv")} == {1}
        assert (tmp_path / "predictions" / f"{name}.csv.gz").is_file()


def test_the_command_fuses_two_runs(tmp_path: Path, tables) -> None:
    for name, table in zip(("a", "b"), tables, strict=True):
        write_predictions(tmp_path / name / "predictions.csv", table)
        write_results(tmp_path / name / "results.csv", rows_of(table))
    words = ["fuse", str(tmp_path / "a"), str(tmp_path / "b"), "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(app, words, env={"COLUMNS": "200"})
    assert done.exit_code == 0, done.output
    assert "UAR, fusion minus" in done.stdout
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "predictions.csv", "results.csv", "report.html",
    }  # fmt: skip
    for wrong, hint in (
        (words[:2], "two experiments or more"),
        ([*words[:2], str(tmp_path / "no")], "is not the folder of an experiment"),
    ):
        done = CliRunner().invoke(app, [*wrong, "--out", str(tmp_path / "x")])
        assert done.exit_code != 0
        assert hint in " ".join(done.stderr.split())
    write_results(tmp_path / "b" / "results.csv", [{"seed": "pooled", "ccc_mean": 0.5}])
    done = CliRunner().invoke(app, words, env={"COLUMNS": "200"})
    assert "is not about emotions" in done.stderr
