import math
import statistics
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from serkit.corpus import Rating, Utterance, pairwise_trials
from serkit.evaluation import PredictionsError, ScoredTrial, eer, read_results, write_results
from serkit.evaluation.verification import score_trials
from serkit.evaluation.verification_rows import (
    VERIFICATION_COLUMNS,
    eer_by_pair,
    verification_results_table,
    verification_rows,
)

ABOUT = {
    "recipe": "verify_tones",
    "system": "verify",
    "corpus": "tones",
    "protocol": "loso",
    "parameters": 1234,
    "commit": "0123abc",
    "date": "2025-01-01",
}
EMOTIONS = ("anger", "fear", "joy")


def enrolled(*, seeds=(0,), num_speakers=9, probes=3) -> list[ScoredTrial]:
    generator = np.random.default_rng(3)
    return [
        ScoredTrial.of(
            seed=seed, fold=f"{speaker % 3}", enrolment=enrolment,
            probe=f"tones/{speaker}-{emotion}-{probe}", speaker=f"tones/{speaker}",
            is_target=enrolment == emotion,
            score=generator.normal() + 1.5 * (enrolment == emotion),
        )
        for seed in seeds
        for speaker in range(num_speakers)
        for emotion in EMOTIONS
        for probe in range(probes)
        for enrolment in EMOTIONS
    ]  # fmt: skip


def spoken(*, folds=2, speakers_per_fold=2) -> dict[str, list[Utterance]]:
    """More anger than joy, so that balance matters."""
    return {
        str(fold): [
            Utterance(
                id=f"tones/{fold}{speaker}-{emotion}-{take}", path=Path("a.wav"),
                speaker=f"tones/{fold}{speaker}",
                ratings=(Rating(rater="intended", emotion={emotion: 1.0}),),
            )
            for speaker in range(speakers_per_fold)
            for number, emotion in enumerate(EMOTIONS)
            for take in range(4 - number)
        ]
        for fold in range(folds)
    }  # fmt: skip


def scored(utterances, pairs="all", seed=0) -> list[ScoredTrial]:
    """Scores that depend on the pair alone, so that every part of the pairs has the same."""
    rows = []
    for fold, part in utterances.items():
        rank = {u.id: n for n, u in enumerate(part)}
        voice = {u.id: u.speaker for u in part}
        for trial in pairwise_trials(part, pairs=pairs):
            noise = np.random.default_rng([rank[trial.enrolment], rank[trial.probe], seed]).normal()
            same = voice[trial.enrolment] == voice[trial.probe]
            rows.append(
                ScoredTrial.of(
                    seed=seed, fold=fold, enrolment=trial.enrolment, probe=trial.probe,
                    speaker=trial.speaker, is_target=trial.is_target, weight=trial.weight,
                    score=noise + trial.is_target * (2.0 if same else 0.8),
                )
            )  # fmt: skip
    return rows


def test_one_row_per_seed_and_one_pooled():
    rows = enrolled(seeds=(0, 1))
    found = verification_rows(
        rows, trials="enrolled", **ABOUT, train_seconds={0: 10.0, 1: 11.04}, split="00ff", draws=50
    )
    assert [row["seed"] for row in found] == [0, 1, "pooled"]
    own = (*VERIFICATION_COLUMNS, *(f"eer_{emotion}" for emotion in EMOTIONS))
    assert all(tuple(row) == own for row in found)
    *seeds, pooled = found
    for seed, row in enumerate(seeds):
        alone = score_trials([r for r in rows if r.seed == seed], draws=50)
        assert row["eer"] == round(alone.figures["eer"].mean, 4)
        assert row["min_dcf_0.05_high"] == round(alone.figures["min_dcf_0.05"].interval.high, 4)
        assert row["eer_fear"] == round(alone.by_enrolment["fear"], 4)
        assert row["eer_sd"] == ""
    scores = score_trials(rows, draws=50)
    interval = scores.figures["eer"].interval
    assert (pooled["eer_low"], pooled["eer_high"]) == pytest.approx(
        (interval.low, interval.high), abs=1e-4
    )
    for column in ("eer", "min_dcf_0.5", "unweighted_eer", "eer_joy"):
        assert pooled[column] == pytest.approx(
            statistics.mean(row[column] for row in seeds), abs=1e-4
        )
    assert pooled["eer_sd"] == pytest.approx(
        statistics.stdev(row["eer"] for row in seeds), abs=1e-4
    )
    assert [row["train_seconds"] for row in found] == [10.0, 11.0, 21.0]
    assert {(row["num_trials"], row["num_targets"], row["num_speakers"]) for row in found} == {
        (243, 81, 9)
    }
    assert {row["split"] for row in found} == {"00ff"}
    assert {row["eer_same_speaker"] for row in found} == {""}


def test_a_seed_that_did_not_finish_is_left_out():
    rows = enrolled(seeds=(0, 1))[:-1]
    found = verification_rows(rows, trials="enrolled", **ABOUT, train_seconds={}, draws=5)
    assert [row["seed"] for row in found] == [0, "pooled"]
    assert found[-1]["train_seconds"] == ""


def test_pairs_are_split_by_speaker_and_each_part_is_balanced_in_itself():
    utterances = spoken()
    speakers = {u.id: u.speaker for part in utterances.values() for u in part}
    same, different = eer_by_pair(scored(utterances), speakers)
    for pairs, found in (("same-speaker", same), ("different-speaker", different)):
        alone = scored(utterances, pairs)
        expected = eer(
            [r.score for r in alone], [r.is_target for r in alone],
            weights=[r.weight for r in alone],
        )  # fmt: skip
        assert found == pytest.approx(expected.value, abs=1e-9)
    assert same < different


def test_pairs_have_both_rates_in_every_row_and_no_rate_of_an_emotion():
    utterances = spoken()
    speakers = {u.id: u.speaker for part in utterances.values() for u in part}
    rows = [row for seed in (0, 1) for row in scored(utterances, seed=seed)]
    found = verification_rows(
        rows, trials="pairwise", **ABOUT, train_seconds={}, speakers=speakers, draws=5
    )
    assert all(tuple(row) == VERIFICATION_COLUMNS for row in found)
    for column, place in (("eer_same_speaker", 0), ("eer_different_speaker", 1)):
        of_seeds = [eer_by_pair(scored(utterances, seed=seed), speakers)[place] for seed in (0, 1)]
        assert [row[column] for row in found] == [
            round(value, 4) for value in (*of_seeds, statistics.mean(of_seeds))
        ]
    without = verification_rows(rows, trials="pairwise", **ABOUT, train_seconds={}, draws=5)
    assert {row["eer_different_speaker"] for row in without} == {""}


def test_folds_of_one_speaker_have_no_pairs_of_two():
    utterances = spoken(speakers_per_fold=1)
    speakers = {u.id: u.speaker for part in utterances.values() for u in part}
    same, different = eer_by_pair(scored(utterances), speakers)
    assert same == pytest.approx(score_trials(scored(utterances), draws=1).figures["eer"].mean)
    assert math.isnan(different)


def test_an_utterance_without_a_speaker_is_named():
    utterances = spoken()
    speakers = {u.id: u.speaker for part in utterances.values() for u in part}
    del speakers["tones/00-anger-0"]
    with pytest.raises(PredictionsError, match="speaker of tones/00-anger-0 is unknown"):
        eer_by_pair(scored(utterances), speakers)


def test_both_kinds_of_trials_go_into_one_file_and_back(tmp_path):
    rows = [
        *verification_rows(enrolled(), trials="enrolled", **ABOUT, train_seconds={}, draws=5),
        *verification_rows(scored(spoken()), trials="pairwise", **ABOUT, train_seconds={}, draws=5),
    ]
    back = read_results(write_results(tmp_path / "verify.csv", rows))
    assert [row["trials"] for row in back] == ["enrolled"] * 2 + ["pairwise"] * 2
    assert back[0]["eer_anger"] == str(rows[0]["eer_anger"])
    assert back[2]["eer_anger"] == ""
    assert float(back[3]["eer"]) == rows[3]["eer"]


def test_a_study_may_add_columns_but_not_take_ours():
    found = verification_rows(
        enrolled(), trials="enrolled", **ABOUT, train_seconds={}, extra={"accepted": "no"}, draws=5
    )
    assert [row["accepted"] for row in found] == ["no", "no"]
    with pytest.raises(ValueError, match="column 'eer' is already"):
        verification_rows(
            enrolled(), trials="enrolled", **ABOUT, train_seconds={}, extra={"eer": 0}, draws=5
        )


def test_a_table_of_results_shows_what_a_reader_needs(tmp_path):
    three = verification_rows(
        enrolled(seeds=(0, 1, 2)), trials="enrolled", **ABOUT, train_seconds={}, draws=50
    )
    one = verification_rows(
        scored(spoken()), trials="pairwise", **(ABOUT | {"system": "a|b"}), train_seconds={},
        extra={"accepted": "no"}, draws=5,
    )  # fmt: skip
    lines = verification_results_table(
        [write_results(tmp_path / f"{n}.csv", rows) for n, rows in enumerate((three, one))]
    ).splitlines()
    assert lines[0] == (
        "### tones, loso: verification (rows with one seed: no difference to them is a difference)"
    )
    enrolled_line, pairwise_line = lines[4:]
    assert f"| enrolled | 3 | {three[-1]['eer']:.3f} ± {three[-1]['eer_sd']:.3f} |" in enrolled_line
    assert f"[{three[-1]['eer_low']:.3f}, {three[-1]['eer_high']:.3f}]" in enrolled_line
    assert enrolled_line.endswith("| - | - | 243 | 9 |  |")
    assert "| a\\|b | verify_tones | pairwise | 1 |" in pairwise_line
    assert pairwise_line.endswith("4 | accepted: no |")
    assert len({line.replace("\\|", "").count("|") for line in lines[2:]}) == 1


def test_splits_stand_apart_and_a_missing_column_is_named(tmp_path):
    paths = [
        write_results(
            tmp_path / f"{split}.csv",
            verification_rows(
                enrolled(), trials="enrolled", **ABOUT, train_seconds={}, split=split, draws=5
            ),
        )
        for split in ("00aa", "00bb")
    ]
    titles = [line for line in verification_results_table(paths).splitlines() if line[:1] == "#"]
    assert ["00aa" in titles[0], "00bb" in titles[1]] == [True, True]
    (tmp_path / "short.csv").write_text("recipe,system\na,b\n")
    with pytest.raises(ValueError, match=r"short.csv: row 1 has no column 'corpus'"):
        verification_results_table([tmp_path / "short.csv"])


def test_targets_need_not_all_be_there_to_say_who_shares_an_emotion():
    """Of a cut table some targets are missing; the others still join the utterances."""
    rows = scored(spoken())
    speakers = {id: id.split("-")[0] for row in rows for id in (row.enrolment, row.probe)}
    first = next(row for row in rows if row.is_target)
    kept = [row for row in rows if row is not first]
    assert eer_by_pair(kept, speakers) == pytest.approx(eer_by_pair(rows, speakers), abs=0.05)
    moved = [
        replace(row, weight=7.0) for row in rows
    ]  # weights of the whole are not those of parts
    assert eer_by_pair(moved, speakers) == eer_by_pair(rows, speakers)
