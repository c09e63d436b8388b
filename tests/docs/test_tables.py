"""The blocks of README and docs that docs/tables.py writes."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from serkit.evaluation import AffectPrediction, Prediction, affect_result_rows, write_results
from serkit.evaluation.results import result_rows

REPOSITORY = Path(__file__).resolve().parents[2]
FACTS = {"parameters": 7, "train_seconds": {}, "commit": "", "date": "2025-01-01"}
SPEAKERS = tuple("abcdefgh")  # fewer have no interval


@pytest.fixture(scope="module")
def tables() -> ModuleType:
    spec = importlib.util.spec_from_file_location("tables", REPOSITORY / "docs" / "tables.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def answers(right: bool, seeds: tuple[int, ...] = (0,)) -> list[Prediction]:
    emotions = ("anger", "sadness")
    return [
        Prediction.of(
            seed=seed, fold="one", file=f"{speaker}-{emotion}", speaker=speaker, emotion=emotion,
            emotions=emotions,
            probabilities=[float((name == emotion) == right) for name in emotions],
        )
        for seed in seeds for speaker in SPEAKERS for emotion in emotions
    ]  # fmt: skip


def cells(*pairs: tuple[str, str], seeds: tuple[int, ...] = (0,), split: str = "5" * 16):
    """Rows of results: right on the corpus that was trained on, wrong on every other."""
    return [
        row
        for train, test in pairs
        for row in result_rows(
            answers(train == test, seeds), recipe="cross", system="crnn", corpus=test,
            protocol=f"cross-four-{train}-{test}", split=split,
            extra={"train": train, "test": test}, **FACTS,
        )
    ]  # fmt: skip


def block(tables: ModuleType, kind: str, name: str, folder: Path) -> str:
    page = f"Before.\n\n<!-- {kind}: {name} -->\nold\n<!-- end of results -->\n\nAfter.\n"
    written = tables.updated(page, folder)
    assert written.startswith(f"Before.\n\n<!-- {kind}: {name} -->\n")
    assert written.endswith("<!-- end of results -->\n\nAfter.\n")
    assert tables.updated(written, folder) == written  # so that --check passes after writing
    return written


@pytest.mark.parametrize("kind", ["results", "ablation", "affect", "cross"])
def test_a_block_without_results_says_so(tables: ModuleType, kind: str, tmp_path: Path) -> None:
    assert "*No rows yet: nothing in results/ matches `cross.csv`.*" in block(
        tables, kind, "cross.csv", tmp_path
    )


def test_a_matrix_has_a_row_per_training_corpus_and_a_column_per_test_corpus(
    tables: ModuleType, tmp_path: Path
) -> None:
    write_results(tmp_path / "cross.csv", cells(("x", "x"), ("x", "y"), ("y", "y")))
    lines = block(tables, "cross", "cross.csv", tmp_path).splitlines()
    assert "| crnn, trained on | on x | on y |" in lines
    assert "| x | **1.000** [1.000, 1.000] | 0.000 [0.000, 0.000] |" in lines
    assert "| y | - | **1.000** [1.000, 1.000] |" in lines  # y to x is not finished


@pytest.mark.parametrize(
    ("seeds", "heading"),
    [((0,), "(one seed: no difference in this table is a difference)"), ((0, 1), "(seeds: 2)")],
)
def test_a_matrix_says_how_many_seeds_it_comes_from(
    tables: ModuleType, seeds: tuple[int, ...], heading: str, tmp_path: Path
) -> None:
    write_results(tmp_path / "cross.csv", cells(("x", "x"), ("x", "y"), seeds=seeds))
    written = block(tables, "cross", "cross.csv", tmp_path)
    assert f"### crnn, from corpus to corpus {heading}" in written
    assert ("± 0.000" in written) == (len(seeds) > 1)


def test_cells_of_different_splits_are_not_put_side_by_side_silently(
    tables: ModuleType, tmp_path: Path
) -> None:
    other = [{**row, "system": "svm"} for row in cells(("x", "y"), split="6" * 16)]
    write_results(tmp_path / "cross.csv", [*cells(("x", "y")), *other])
    written = block(tables, "cross", "cross.csv", tmp_path)
    assert "The splits of x to y differ" in written
    write_results(tmp_path / "cross.csv", cells(("x", "y")))
    assert "differ, so" not in block(tables, "cross", "cross.csv", tmp_path)


def test_a_block_of_affect_has_a_concordance_for_each_dimension(
    tables: ModuleType, tmp_path: Path
) -> None:
    rows = [
        AffectPrediction.of(
            seed=0, fold="1", file=f"{speaker}{n}", speaker=speaker,
            reference={"arousal": n / 2}, predicted={"arousal": n / 2},
        )
        for speaker in SPEAKERS for n in range(3)
    ]  # fmt: skip
    facts = {"recipe": "none", "system": "svr", "corpus": "own", "protocol": "loso", **FACTS}
    write_results(tmp_path / "svr.own.csv", affect_result_rows(rows, **facts))
    written = block(tables, "affect", "svr.*.csv", tmp_path)
    assert "### own, loso" in written
    assert "| svr | none | 1 | 1.000 | [1.000, 1.000] | 1.000 |" in written
