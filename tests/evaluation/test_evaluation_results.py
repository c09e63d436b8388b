import csv
import statistics

import pytest

from serkit.evaluation import (
    RESULT_COLUMNS,
    ensemble,
    read_results,
    result_rows,
    results_table,
    score,
    write_results,
)

ABOUT = {
    "recipe": "crnn_tones",
    "system": "crnn",
    "corpus": "tones",
    "protocol": "loso",
    "parameters": 1234,
    "commit": "0123abc",
    "date": "2025-01-01",
}


def test_one_row_per_seed_one_pooled_and_the_ensemble(make_rows):
    rows = make_rows(seeds=(0, 1, 2))
    found = result_rows(rows, **ABOUT, train_seconds={0: 10.0, 1: 11.0, 2: 12.04})
    assert [row["seed"] for row in found] == [0, 1, 2, "pooled", "ensemble-3"]
    assert all(tuple(row) == RESULT_COLUMNS for row in found)
    *seeds, pooled, together = found
    assert pooled["uar"] == pytest.approx(statistics.mean(r["uar"] for r in seeds), abs=1e-4)
    assert pooled["uar_sd"] == pytest.approx(statistics.stdev(r["uar"] for r in seeds), abs=1e-4)
    interval = score(rows).figures["uar"].interval
    assert (pooled["uar_low"], pooled["uar_high"]) == pytest.approx(
        (interval.low, interval.high), abs=1e-4
    )
    assert together["uar"] == round(score(ensemble(rows)).figures["uar"].mean, 4)
    assert [row["train_seconds"] for row in found] == [10.0, 11.0, 12.0, 33.0, 33.0]
    assert [row["parameters"] for row in found] == [1234] * 4 + [3 * 1234]
    assert {row["num_utterances"] for row in found} == {81}
    assert {row["num_speakers"] for row in found} == {9}
    assert seeds[0]["uar_sd"] == ""


def test_each_seed_has_its_own_interval(make_rows):
    rows = make_rows(seeds=(0, 1))
    found = result_rows(rows, **ABOUT, train_seconds={})
    alone = score([row for row in rows if row.seed == 1]).figures["uar"]
    assert (found[1]["uar"], found[1]["uar_low"]) == (
        round(alone.mean, 4),
        round(alone.interval.low, 4),
    )
    assert {row["train_seconds"] for row in found} == {""}


def test_one_seed_has_no_ensemble_and_few_speakers_no_interval(make_rows):
    found = result_rows(make_rows(num_speakers=4), **ABOUT, train_seconds={0: 1.0})
    assert [row["seed"] for row in found] == [0, "pooled"]
    assert {row["uar_low"] for row in found} == {""}


def test_a_study_may_add_columns_but_not_take_ours(make_rows):
    found = result_rows(make_rows(), **ABOUT, train_seconds={}, extra={"refit": "yes"})
    assert [row["refit"] for row in found] == ["yes", "yes"]
    with pytest.raises(ValueError, match="column 'uar' is already"):
        result_rows(make_rows(), **ABOUT, train_seconds={}, extra={"uar": 1.0})


def test_results_are_written_and_read_back_as_text(tmp_path, make_rows):
    found = result_rows(make_rows(), **ABOUT, train_seconds={0: 1.0})
    path = write_results(tmp_path / "results" / "crnn.tones.csv", found)
    assert read_results(path) == [{k: str(v) for k, v in row.items()} for row in found]
    with pytest.raises(ValueError, match="no results to write"):
        write_results(path, [])


def test_a_table_of_results_shows_what_a_reader_needs(tmp_path, make_rows):
    three = result_rows(make_rows(seeds=(0, 1, 2)), **ABOUT, train_seconds={})
    one = result_rows(
        make_rows(), **(ABOUT | {"system": "opensmile_svm"}), train_seconds={},
        extra={"refit": "yes", "note": ""},
    )  # fmt: skip
    paths = [
        write_results(tmp_path / name, rows) for name, rows in (("a.csv", three), ("b.csv", one))
    ]
    text = results_table(paths)
    lines = text.splitlines()
    assert lines[0] == "### tones, loso (rows with one seed: no difference to them is a difference)"
    pooled, together, svm = lines[4:]
    assert f"| crnn | crnn_tones | 3 | {three[3]['uar']:.3f} ± " in pooled
    assert f"[{three[3]['uar_low']:.3f}, {three[3]['uar_high']:.3f}]" in pooled
    assert "| ensemble-3 |" in together
    assert "3,702" in together
    assert svm.startswith("| opensmile_svm | crnn_tones | 1 |")
    assert svm.endswith("| refit: yes |")
    assert len({line.count("|") for line in lines[2:]}) == 1


def test_protocols_are_not_mixed_in_one_table(tmp_path, make_rows):
    found = [
        *result_rows(make_rows(), **ABOUT, train_seconds={}),
        *result_rows(make_rows(), **(ABOUT | {"protocol": "kfold-3"}), train_seconds={}),
    ]
    text = results_table([write_results(tmp_path / "both.csv", found)])
    assert [line for line in text.splitlines() if line.startswith("#")] == [
        "### tones, kfold-3 (one seed: no difference in this table is a difference)",
        "### tones, loso (one seed: no difference in this table is a difference)",
    ]


def test_an_absent_emotion_is_daggered_and_named_under_the_table(tmp_path, make_rows):
    rows = [row for row in make_rows(num_speakers=4) if row.emotion != "sadness"]
    found = result_rows(rows, **ABOUT, train_seconds={})
    text = results_table([write_results(tmp_path / "a.csv", found)])
    assert f"{found[-1]['uar']:.3f}† | 4 speakers, no interval" in text
    assert "† averaged without sadness" in text


def test_a_pipe_in_a_name_does_not_break_the_table(tmp_path, make_rows):
    found = result_rows(make_rows(), **(ABOUT | {"recipe": "a|b"}), train_seconds={})
    assert "| a\\|b |" in results_table([write_results(tmp_path / "a.csv", found)])


def test_results_that_are_missing_or_malformed_are_named(tmp_path, make_rows):
    with pytest.raises(FileNotFoundError, match=r"gone.csv: there are no such results"):
        results_table([tmp_path / "gone.csv"])
    path = tmp_path / "short.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([["recipe", "system"], ["a", "b"]])
    with pytest.raises(ValueError, match=r"short.csv: row 1 has no column 'corpus'"):
        results_table([path])
    path.write_text("recipe,system\n")
    with pytest.raises(ValueError, match=r"short.csv: the file holds no rows"):
        results_table([path])


def without(rows, *columns):
    return [{name: v for name, v in row.items() if name not in columns} for row in rows]


def test_weighted_f1_stands_in_every_row_and_in_the_table(tmp_path, make_rows):
    rows = make_rows(seeds=(0, 1))
    found = result_rows(rows, **ABOUT, train_seconds={})
    assert found[2]["weighted_f1"] == round(score(rows).figures["weighted_f1"].mean, 4)
    head, _, pooled, *_ = results_table(
        [write_results(tmp_path / "a.csv", found)]
    ).splitlines()[2:]  # fmt: skip
    place = head.split(" | ").index("weighted F1")
    assert pooled.split(" | ")[place] == f"{found[2]['weighted_f1']:.3f}"


def test_macro_precision_stands_in_tables_all_of_whose_rows_have_it(tmp_path, make_rows):
    rows = make_rows(seeds=(0, 1))
    found = result_rows(rows, **ABOUT, train_seconds={})
    assert found[2]["macro_precision"] == round(score(rows).figures["macro_precision"].mean, 4)
    new = write_results(tmp_path / "new.csv", found)
    assert f"| {found[2]['macro_precision']:.3f} |" in results_table([new]).splitlines()[4]
    old = write_results(tmp_path / "old.csv", without(found, "macro_precision"))
    assert "macro precision" in results_table([new])
    assert "macro precision" not in results_table([new, old])


def test_results_from_before_the_last_columns_are_still_shown(tmp_path, make_rows):
    found = result_rows(make_rows(), **ABOUT, train_seconds={}, split="0123456789abcdef")
    old = without(found, "weighted_f1", "split", "macro_precision")
    path = write_results(tmp_path / "old.csv", old)
    assert "weighted_f1" not in read_results(path)[0]
    alone = results_table([path])
    assert "weighted F1" not in alone
    assert "macro precision" not in alone
    assert "plit" not in alone
    both = results_table([path, write_results(tmp_path / "new.csv", found)])
    assert both.count("###") == 1
    assert f"| {found[-1]['macro_f1']:.3f} | n/a |" in both
    assert "Split `0123456789abcdef`, but not recorded in 1 of the rows." in both


def test_rows_of_different_splits_are_not_put_into_one_table(tmp_path, make_rows):
    paths = [
        write_results(
            tmp_path / f"{split}.csv",
            result_rows(make_rows(), **ABOUT, train_seconds={}, split=split),
        )
        for split in ("aaaa", "bbbb")
    ]
    assert results_table(paths[:1]).count("###") == results_table(paths[1:]).count("###") == 1
    assert "plit" not in results_table(paths[:1])
    text = results_table(paths)
    assert text.count("### tones, loso") == 2
    for split in ("aaaa", "bbbb"):
        assert f"Split `{split}`: the splits of these 2 tables differ, so their figures" in text
    old = without(result_rows(make_rows(), **ABOUT, train_seconds={}), "split")
    three = results_table([*paths, write_results(tmp_path / "old.csv", old)])
    assert three.count("### tones, loso") == 3
    assert "Split not recorded: the splits of these 3 tables differ" in three
