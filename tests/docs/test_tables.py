"""The blocks of README and docs that docs/tables.py writes."""

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest

from serkit.evaluation import (
    AffectPrediction,
    Prediction,
    ScoredTrial,
    affect_result_rows,
    verification_rows,
    write_results,
)
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


@pytest.mark.parametrize(
    "kind",
    [
        "results",
        "ablation",
        "affect",
        "cross",
        "verification",
        "backends",
        "stages",
        "quality",
        "figures",
    ],
)
def test_a_block_without_results_says_so(tables: ModuleType, kind: str, tmp_path: Path) -> None:
    assert "*No rows yet: nothing in results/ matches `cross.csv`.*" in block(
        tables, kind, "cross.csv", tmp_path
    )


def test_figures_stand_as_in_their_file(tables: ModuleType, tmp_path: Path) -> None:
    write_results(tmp_path / "cross.csv", [{"said": "anger", "share": 0.25}, {"said": "joy"}])
    lines = block(tables, "figures", "cross.csv", tmp_path).splitlines()
    assert [line for line in lines if line.startswith("|")] == [
        "| said | share |", "|---|---|", "| anger | 0.25 |", "| joy |  |"
    ]  # fmt: skip


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


def test_a_block_of_an_unknown_kind_is_refused(tables: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="a block of 'result': there are results, affect"):
        tables.updated("<!-- result: x.csv -->\nold\n<!-- end of results -->", tmp_path)


def test_patterns_that_nothing_matches_are_named_below_the_others(
    tables: ModuleType, tmp_path: Path
) -> None:
    write_results(tmp_path / "crnn.csv", cells(("x", "x")))
    written = block(tables, "results", "crnn.csv svm.csv", tmp_path)
    assert "| crnn | cross | 1 |" in written
    assert "*No rows yet: `svm.csv`.*" in written


def study(folder: Path, name: str, *, wrong: bool = False) -> None:
    """Files of a study whose emotions are verified, and classified by one of two machines."""
    facts = {
        "recipe": "own", "system": "verify_to_classify", "corpus": "own", "protocol": "loso",
        "split": "5" * 16, **FACTS,
    }  # fmt: skip
    trials = [
        ScoredTrial.of(
            seed=0, fold="one", enrolment=emotion, probe=speaker, speaker=speaker,
            is_target=emotion == "anger", score=float((emotion == "anger") != wrong),
        )
        for speaker in SPEAKERS for emotion in ("anger", "sadness")
    ]  # fmt: skip
    rows = [
        row
        for kind in ("enrolled", "pairwise")
        for row in verification_rows(trials, trials=kind, extra={"not_accepted": "one"}, **facts)
    ]
    write_results(folder / f"{name}.verification.csv", rows)
    rows = [
        {"backend": kind, **row}
        for kind, right in (("svm_rbf", True), ("mlp", False))
        for row in result_rows(answers(right), **facts)
    ]
    write_results(folder / f"{name}.backends.csv", rows)
    (folder / "folds").mkdir(exist_ok=True)
    records = [
        {"record": {"seed": seed, "development": {"eer": eer}}}
        for seed, eer in ((0, 0.25), (0, 0.75), (1, 1.0))  # seed 1 is not finished
    ]
    (folder / "folds" / f"{name}.json").write_text(json.dumps({"folds": records}))


def test_both_stages_of_a_study_stand_in_one_line(tables: ModuleType, tmp_path: Path) -> None:
    study(tmp_path, "verify_to_classify.loso.softmax")
    study(tmp_path, "verify_to_classify.loso.other", wrong=True)
    written = block(tables, "stages", "verify_to_classify.loso.*.verification.csv", tmp_path)
    lines = [line for line in written.splitlines() if line.startswith(("| softmax", "| other"))]
    assert lines == [
        "| other | 1 | 0.500 | 1.000 [1.000, 1.000] | 1.000 [1.000, 1.000] | 1.000 | 1.000 "
        "| 1.000 [1.000, 1.000] | 1.000 | 1.000 | 1.000 "
        "| 0.000 [0.000, 0.000] | 0.000 | 0.000 | 0.000 | one |",
        "| softmax | 1 | 0.500 | 0.000 [0.000, 0.000] | 0.000 [0.000, 0.000] | 0.000 | 0.000 "
        "| 1.000 [1.000, 1.000] | 1.000 | 1.000 | 1.000 "
        "| 0.000 [0.000, 0.000] | 0.000 | 0.000 | 0.000 | one |",
    ]


def test_each_classifier_has_a_line(tables: ModuleType, tmp_path: Path) -> None:
    study(tmp_path, "verify_to_classify.loso")
    written = block(tables, "backends", "verify_to_classify.loso.backends.csv", tmp_path)
    assert "### own, loso: classifiers of verify_to_classify (one seed" in written
    assert "| svm_rbf | 1 | 1.000 [1.000, 1.000] | 1.000 | 1.000 | 1.000 |" in written
    assert "| mlp | 1 | 0.000 [0.000, 0.000] | 0.000 | 0.000 | 0.000 |" in written


def test_qualities_are_crossed_where_trained_and_all_told_where_tested(
    tables: ModuleType, tmp_path: Path
) -> None:
    rows = [
        {
            "row": f"network.{train}", "train": train, "test": test, **row,
            "eer_enrolled": 0.25, "loss_as_trained": "" if train == test else 1.0,
        }
        for train in ("hq", "lq") for test in ("hq", "lq", "telephone")
        for row in result_rows(
            answers(train == test), recipe="own", system="s", corpus="own", protocol="loso",
            **FACTS,
        )
    ]  # fmt: skip
    write_results(tmp_path / "own.quality.csv", rows)
    lines = block(tables, "quality", "own.quality.csv", tmp_path).splitlines()
    assert (
        "| network.lq | hq | 0.250 | - | 0.000 [0.000, 0.000] | 0.000 | 0.000 | 0.000 | 1.000 | - |"
        in lines
    )
    assert not [line for line in lines if line.startswith("| network.hq | telephone")]
    assert "| trained | figure | on hq | on lq | on telephone |" in lines
    assert "| network.lq | UAR | 0.000 | 1.000 | 0.000 |" in lines
