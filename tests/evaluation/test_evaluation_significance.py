import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest, chi2

from serkit.evaluation import Prediction, PredictionsError, score
from serkit.evaluation.significance import (
    McNemar,
    chance_check,
    confused_labels,
    doubts,
    mcnemar,
    shifted_labels,
)

EMOTIONS = ("anger", "neutral", "sadness")


def relabelled(rows: list[Prediction], heard: list[str]) -> list[Prediction]:
    """The same utterances with other answers."""
    return [
        replace(row, predicted=name, probabilities={e: float(e == name) for e in row.probabilities})
        for row, name in zip(rows, heard, strict=True)
    ]


def table(*, num_speakers: int = 10, takes: int = 6, accuracy: float = 0.8, seeds=(0,), seed=1):
    """Utterances in random order of emotions, so that neighbours tell nothing of each other."""
    generator = np.random.default_rng(seed)
    labels = generator.choice(EMOTIONS, (num_speakers, takes * 3)).tolist()
    rows = []
    for run in seeds:
        for speaker, of_speaker in enumerate(labels):
            for number, emotion in enumerate(of_speaker):
                right = generator.random() < accuracy
                heard = emotion if right else str(generator.choice(EMOTIONS))
                rows.append(
                    Prediction.of(
                        seed=run, fold=f"{speaker:02d}", file=f"{speaker:02d}-{number:02d}",
                        speaker=f"{speaker:02d}", emotion=emotion, emotions=EMOTIONS,
                        probabilities=[float(e == heard) for e in EMOTIONS],
                    )
                )  # fmt: skip
    return rows


def discordant(only_first: int, only_second: int) -> McNemar:
    return McNemar(
        seeds=(0, 0), both_right=7, only_first=only_first, only_second=only_second, both_wrong=3
    )


@given(st.integers(0, 24), st.integers(0, 24))
def test_few_discordant_utterances_are_judged_by_the_binomial_distribution(first, second):
    test = discordant(first, second)
    if first + second == 0:
        assert (test.is_exact, test.p_value) == (True, 1.0)
    elif test.is_exact:
        expected = binomtest(first, first + second, 0.5).pvalue
        assert test.p_value == pytest.approx(expected)
        assert math.isnan(test.statistic)
    assert test.is_exact == (first + second < 25)
    assert discordant(second, first).p_value == test.p_value


def test_many_discordant_utterances_are_judged_by_chi_square():
    """By hand: |30 - 12| - 1 = 17, squared 289, over 42."""
    test = discordant(30, 12)
    assert test.statistic == pytest.approx(289 / 42)
    assert test.p_value == pytest.approx(chi2.sf(289 / 42, 1))
    assert str(test).endswith("p = 0.0087 (chi-square with correction)")
    for first in range(20, 60):
        test = discordant(first, 20)
        assert test.p_value == pytest.approx(chi2.sf(test.statistic, 1))
        exact = binomtest(first, first + 20, 0.5).pvalue
        assert test.p_value == pytest.approx(exact, rel=0.15, abs=5e-4)
    assert discordant(20, 20).p_value == 1.0


def test_two_tables_are_counted_utterance_by_utterance():
    rows = table(num_speakers=2)
    labels = [row.emotion for row in rows]
    wrong = [EMOTIONS[(EMOTIONS.index(label) + 1) % 3] for label in labels]
    first = relabelled(rows, labels[:20] + wrong[20:])
    second = relabelled(rows, wrong[:5] + labels[5:24] + wrong[24:])
    (test,) = mcnemar(first, list(reversed(second)))
    assert (test.both_right, test.only_first, test.only_second, test.both_wrong) == (15, 5, 4, 12)
    (back,) = mcnemar(second, first)
    assert (back.only_first, back.only_second, back.p_value) == (4, 5, test.p_value)


def test_a_table_does_not_differ_from_itself():
    rows = table(seeds=(0, 1))
    assert [(t.num_discordant, t.p_value) for t in mcnemar(rows, rows)] == [(0, 1.0)] * 2


def test_seeds_are_paired_by_name_or_with_a_single_one():
    three, one = table(seeds=(0, 1, 2)), table(seeds=("theirs",))
    assert [t.seeds for t in mcnemar(three, three)] == [(0, 0), (1, 1), (2, 2)]
    assert [t.seeds for t in mcnemar(three, one)] == [(s, "theirs") for s in (0, 1, 2)]
    with pytest.raises(PredictionsError, match=r"first table has 0, 1, 2 and the second 0, 1: giv"):
        mcnemar(three, [row for row in three if row.seed != 2])


def test_tables_of_other_utterances_are_not_tested():
    rows = table()
    with pytest.raises(PredictionsError, match="1 differ in presence"):
        mcnemar(rows, rows[1:])


def test_a_system_that_hears_something_is_better_than_chance():
    found = chance_check(table(accuracy=0.5, seeds=(0, 1)), draws=200)
    assert found.is_better
    assert found.p_value == pytest.approx(1 / 201)
    assert found.chance == pytest.approx(1 / 3, abs=0.03)
    assert "is better than chance" in found.text
    assert "p < 0.01)" in found.text


def test_permuted_predictions_are_caught():
    rows = table(accuracy=0.9)
    assert doubts(rows, draws=200) == ()
    generator = np.random.default_rng(2)
    shuffled = relabelled(rows, generator.permutation([row.predicted for row in rows]).tolist())
    (doubt,) = doubts(shuffled, draws=200)
    assert "is NOT better than chance" in doubt


def test_permuted_label_rows_are_caught():
    rows = table(accuracy=0.9)
    order = np.random.default_rng(3).permutation(len(rows))
    shuffled = [replace(row, emotion=rows[n].emotion) for row, n in zip(rows, order, strict=True)]
    (doubt,) = doubts(shuffled, draws=200)
    assert "is NOT better than chance" in doubt


def test_knowing_who_shows_what_is_not_hearing_it():
    """Each speaker shows one emotion mostly, and a system answers by speaker. UAR looks fine."""
    generator = np.random.default_rng(4)
    rows = [
        Prediction.of(
            seed=0, fold="one", file=f"{speaker}-{number:02d}", speaker=f"{speaker}",
            emotion=EMOTIONS[(speaker + (generator.random() < 0.3)) % 3], emotions=EMOTIONS,
            probabilities=[float(speaker % 3 == index) for index in range(3)],
        )
        for speaker in range(9) for number in range(20)
    ]  # fmt: skip
    found = chance_check(rows, draws=100)
    assert found.uar > 0.6
    assert (found.is_better, found.p_value) == (False, 1.0)


def test_the_p_value_of_a_table_without_anything_in_it_is_uniform():
    p_values = []
    for seed in range(40):
        rows = table(num_speakers=4, accuracy=0.0, seed=seed)
        p_values.append(chance_check(rows, draws=99, seed=seed).p_value)
    assert np.mean(p_values) == pytest.approx(0.5, abs=0.12)
    assert np.mean(np.array(p_values) <= 0.25) == pytest.approx(0.25, abs=0.15)


def test_speakers_of_one_emotion_leave_nothing_to_shuffle():
    rows = [replace(row, speaker=row.emotion) for row in table()]
    found = chance_check(rows)
    assert not found.is_better
    assert found.text == (
        "chance cannot be tested: no speaker shows two emotions, so there is nothing to shuffle"
    )


def test_unequal_seeds_share_a_shuffle():
    one, two = (chance_check(table(seeds=seeds), draws=50) for seeds in ((0,), (0, 1)))
    doubled = [*table(seeds=(0,)), *(replace(row, seed=1) for row in table(seeds=(0,)))]
    assert chance_check(doubled, draws=50) == one
    assert two.uar == pytest.approx(score(table(seeds=(0, 1)), draws=1).figures["uar"].mean)


def shifted(rows: list[Prediction], offset: int) -> list[Prediction]:
    """Each prediction is that of the row ``offset`` rows on."""
    ordered = sorted(rows, key=lambda row: row.file)
    heard = [row.predicted for row in ordered]
    return relabelled(ordered, heard[offset:] + heard[:offset])


@settings(max_examples=15)
@given(st.integers(-89, 89).filter(bool), st.randoms(use_true_random=False))
def test_labels_shifted_over_the_whole_table_are_caught(offset, random):
    rows = shifted(table(), offset % 180)
    found = shifted_labels(random.sample(rows, len(rows)))
    assert (found.within, found.offset, found.is_fault) == ("table", offset, True)
    assert found.war_shifted > 0.75
    assert found.war < 0.6
    assert f"{abs(offset)} row" in found.text
    assert ("on far better" if offset > 0 else "back far better") in found.text


def test_labels_shifted_within_each_fold_are_caught():
    rows = table(seeds=(0, 1))
    folds = [
        [row for row in rows if (row.seed, row.fold) == part]
        for part in dict.fromkeys((row.seed, row.fold) for row in rows)
    ]
    found = shifted_labels([row for part in folds for row in shifted(part, 3)])
    assert (found.within, found.offset, found.is_fault) == ("fold", 3, True)
    assert "the predictions of each fold fit the labels 3 rows on" in found.text
    assert found.war_shifted == pytest.approx(score(rows, draws=1).figures["war"].mean)


def test_the_gain_of_every_offset_is_that_of_a_loop():
    rows = table(num_speakers=3, accuracy=0.2)
    found = shifted_labels([replace(row, fold="one") for row in rows])
    said, meant = [row.predicted for row in rows], [row.emotion for row in rows]
    by_offset = {
        k: np.mean([said[n] == meant[(n + k) % 54] for n in range(54)]) for k in range(-26, 28)
    }
    assert found.war == pytest.approx(by_offset[0])
    assert found.war_shifted == pytest.approx(max(by_offset.values()))
    assert by_offset[found.offset] == pytest.approx(found.war_shifted)


def test_a_sound_table_has_no_shift_and_no_confused_names():
    for accuracy in (0.0, 0.1, 0.4, 1.0):
        for seed in range(4):
            rows = table(accuracy=accuracy, seed=seed)
            assert not shifted_labels(rows).is_fault
            assert not confused_labels(rows).is_fault


def test_a_constant_answer_is_no_better_than_chance_and_has_no_other_fault():
    rows = table()
    (doubt,) = doubts(relabelled(rows, ["anger"] * len(rows)), draws=50)
    assert "is NOT better than chance" in doubt


def renamed(rows: list[Prediction], names: dict[str, str]) -> list[Prediction]:
    return relabelled(rows, [names.get(row.predicted, row.predicted) for row in rows])


def test_a_wrong_class_map_is_caught_and_named():
    rows = table(num_speakers=10, seeds=(0, 1))
    swapped = renamed(rows, {"anger": "sadness", "sadness": "anger"})
    found = confused_labels(swapped)
    assert found.names == {"anger": "sadness", "sadness": "anger"}
    assert found.war_renamed == pytest.approx(score(rows, draws=1).figures["war"].mean)
    assert found.war == pytest.approx(score(swapped, draws=1).figures["war"].mean)
    assert "anger means sadness, sadness means anger" in found.text
    cycle = {"anger": "neutral", "neutral": "sadness", "sadness": "anger"}
    found = confused_labels(renamed(rows, cycle))
    assert found.names == {meant: said for said, meant in cycle.items()}
    assert any("class map seems wrong" in doubt for doubt in doubts(swapped, draws=50))


def test_names_that_are_right_are_not_renamed_beside_those_that_are_wrong():
    """Fear is hardly heard, which is a weakness and no wrong name; anger and joy are turned."""
    scheme = ("anger", "fear", "happiness", "neutral")
    turned = {"anger": "happiness", "happiness": "anger"}
    rows = []
    for number in range(200):
        emotion = scheme[number % 4]
        heard = turned.get(emotion, emotion)
        if emotion == "fear":
            heard = "neutral" if number % 8 == 1 else "fear"
        if emotion == "neutral" and number % 3 == 0:
            heard = "fear"
        rows.append(
            Prediction.of(
                seed=0, fold="one", file=f"{number:03d}", speaker="s", emotion=emotion,
                emotions=scheme, probabilities=[float(e == heard) for e in scheme],
            )
        )  # fmt: skip
    assert confused_labels(rows).names == turned


def test_emotions_that_nobody_was_rated_as_are_not_renamed():
    rows = [row for row in table() if row.emotion != "sadness"]
    assert confused_labels(rows).names == {}


def test_too_little_is_no_evidence():
    """Four utterances under each other's names, and a table of one row."""
    rows = [row for row in table(accuracy=1.0) if row.emotion != "neutral"][:4]
    assert not confused_labels(renamed(rows, {"anger": "sadness", "sadness": "anger"})).is_fault
    assert not shifted_labels(rows[:1]).is_fault


def test_nothing_is_not_checked():
    for check in (chance_check, shifted_labels, confused_labels):
        with pytest.raises(PredictionsError, match="no predictions to check"):
            check([])
    with pytest.raises(ValueError, match="at least one shuffle, not 0"):
        chance_check(table(), draws=0)


def test_of_two_explanations_the_better_one_is_named():
    """Labels that go round in the same order: one row on looks like other names, and is not."""
    rows = table(accuracy=0.9)
    turning = []
    for number, row in enumerate(rows):
        emotion = EMOTIONS[(number + (number % 7 == 0)) % 3]
        turning.append(relabelled([replace(row, emotion=emotion)], [emotion])[0])
    late = shifted(turning, 1)
    assert confused_labels(late).is_fault
    doubt = doubts(late, draws=50)[-1]
    assert "labels seem shifted" in doubt
    assert not any("class map" in text for text in doubts(late, draws=50))
