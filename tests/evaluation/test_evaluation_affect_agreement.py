import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serkit.corpus import AFFECT
from serkit.evaluation import AffectPrediction, ccc
from serkit.evaluation.affect_agreement import (
    MEAN,
    annotator_error,
    annotator_spread,
    concordance_by,
    coupling,
    people_agreed,
)

DRAWS = 200


@pytest.fixture(scope="module")
def said() -> dict[str, dict[str, dict[str, float]]]:
    """Three annotators of 90 utterances: noisy, noisier, and one who shifts everything."""
    generator = np.random.default_rng(0)
    truth = generator.uniform(0.2, 0.8, (90, 3))
    noise = {"anna": (0.05, 0.0), "ben": (0.15, 0.0), "cem": (0.05, 0.1)}
    heard = {
        name: (truth + generator.normal(0, spread, (90, 3)) + shift).clip(0, 1)
        for name, (spread, shift) in noise.items()
    }
    return {
        f"tones/{n:02d}": {
            name: dict(zip(AFFECT, values[n].tolist(), strict=True))
            for name, values in heard.items()
        }
        for n in range(90)
    }


@pytest.fixture(scope="module")
def rows(said) -> list[AffectPrediction]:
    """Two seeds of predictions of the annotators' mean, by ten speakers."""
    generator = np.random.default_rng(1)
    return [
        AffectPrediction.of(
            seed=seed, fold=str(n % 2), file=file, speaker=f"tones/{n % 10}",
            reference={d: np.mean([of[d] for of in ratings.values()]) for d in AFFECT},
            predicted={
                d: np.mean([of[d] for of in ratings.values()]) + generator.normal(0, 0.2)
                for d in AFFECT
            },
        )
        for seed in (0, 1) for n, (file, ratings) in enumerate(said.items())
    ]  # fmt: skip


def others(said, file: str, name: str, dimension: str) -> float:
    return np.mean([r[dimension] for other, r in said[file].items() if other != name])


def test_each_annotator_is_compared_with_the_mean_of_the_others(rows, said):
    audmetric = pytest.importorskip("audmetric")
    found = people_agreed(rows, said, draws=DRAWS)
    assert found.num_utterances == {"anna": 90, "ben": 90, "cem": 90}
    for name in ("anna", "ben", "cem"):
        own = [
            audmetric.concordance_cc(
                [others(said, file, name, d) for file in said],
                [said[file][name][d] for file in said],
            )
            for d in AFFECT
        ]
        figures = found.by_annotator[name]
        assert [figures[d].value for d in AFFECT] == pytest.approx(own)
        assert figures[MEAN].value == pytest.approx(np.mean(own))
    for column in (*AFFECT, MEAN):
        each = [figures[column].value for figures in found.by_annotator.values()]
        assert found.together[column].value == pytest.approx(np.mean(each))


def test_the_system_is_compared_with_the_very_same_means(rows, said):
    found = people_agreed(rows, said, draws=DRAWS)
    for d in AFFECT:
        values = [
            ccc(
                [others(said, row.file, name, d) for row in rows if row.seed == seed],
                [row.predicted[d] for row in rows if row.seed == seed],
            )
            for name in ("anna", "ben", "cem")
            for seed in (0, 1)
        ]
        assert found.system[d].value == pytest.approx(np.mean(values))
        assert found.system[d].num_seeds == 2
        difference = found.system[d].value - found.together[d].value
        assert found.difference[d].difference == pytest.approx(difference)
        assert found.difference[d].low < difference < found.difference[d].high


def test_people_who_say_the_same_agree_perfectly_and_beat_noise(rows, said):
    same = {file: dict.fromkeys(of, of["anna"]) for file, of in said.items()}
    found = people_agreed(rows, same, draws=DRAWS)
    for column in (*AFFECT, MEAN):
        assert found.together[column].value == pytest.approx(1)
        assert found.together[column].low == pytest.approx(1)
        assert found.difference[column].verdict == "worse"


def test_order_of_rows_and_ratings_of_untested_utterances_change_nothing(rows, said):
    before = people_agreed(rows, said, draws=DRAWS)
    more = {**said, "tones/untested": {"anna": {"arousal": 0.0}, "dora": {"arousal": 1.0}}}
    after = people_agreed(rows[::-1], more, draws=DRAWS)
    assert after.num_utterances == before.num_utterances
    for column in (*AFFECT, MEAN):
        assert after.together[column].value == pytest.approx(before.together[column].value)
        assert after.together[column].text == before.together[column].text
        assert after.difference[column].low == pytest.approx(before.difference[column].low)


def test_annotators_of_few_utterances_are_left_out_and_counted(rows, said):
    guest = {
        file: {**of, "dora": of["anna"]} if n < 9 else of
        for n, (file, of) in enumerate(said.items())
    }
    found = people_agreed(rows, guest, draws=DRAWS)
    assert list(found.by_annotator) == ["anna", "ben", "cem"]
    assert found.num_left_out == 1


def test_without_two_people_who_rated_together_there_is_nothing_to_say(rows, said):
    assert people_agreed(rows, {}, draws=DRAWS) is None
    alone = {file: {"anna": of["anna"]} for file, of in said.items()}
    assert people_agreed(rows, alone, draws=DRAWS) is None
    apart = {file: {"anna": {"arousal": 0.5}, "ben": {"valence": 0.5}} for file in said}
    assert people_agreed(rows, apart, draws=DRAWS) is None


def test_a_dimension_only_some_annotators_rated_is_left_out(rows, said):
    partly = {
        file: {n: {d: v for d, v in r.items() if (n, d) != ("cem", "valence")}
               for n, r in of.items()}
        for file, of in said.items()
    }  # fmt: skip
    found = people_agreed(rows, partly, draws=DRAWS)
    assert list(found.together) == ["arousal", "dominance", MEAN]


def test_few_speakers_give_no_interval(rows, said):
    few = [row for row in rows if row.speaker in ("tones/0", "tones/1")]
    found = people_agreed(few, said, draws=DRAWS)
    assert found.together["arousal"].low is None
    assert found.difference["arousal"].verdict == "2 speakers, no interval"


def test_concordance_of_a_group_is_that_of_its_utterances_mean_over_seeds(rows):
    audmetric = pytest.importorskip("audmetric")
    group_of = {row.file: "even" if int(row.file[-1]) % 2 == 0 else "odd" for row in rows}
    found = concordance_by(rows, group_of)
    assert list(found) == ["even", "odd"]
    for group, figures in found.items():
        for d in AFFECT:
            of_seed = []
            for seed in (0, 1):
                own = [r for r in rows if group_of[r.file] == group and r.seed == seed]
                sides = [r.reference[d] for r in own], [r.predicted[d] for r in own]
                of_seed.append(audmetric.concordance_cc(*sides))
            assert figures[d] == pytest.approx(np.mean(of_seed))


def test_small_groups_have_no_concordance_and_missing_utterances_no_group(rows):
    found = concordance_by(rows, {rows[0].file: "small"})
    assert list(found) == ["small"]
    assert all(math.isnan(value) for value in found["small"].values())


def test_a_copied_dimension_is_found_out_within_steps_of_the_other():
    """Dominance is arousal and something of its own; one system copies, the other hears it."""
    generator = np.random.default_rng(2)
    arousal = generator.uniform(0, 1, 300)
    own = generator.uniform(-0.2, 0.2, 300)

    def answers(dominance) -> list[AffectPrediction]:
        return [
            AffectPrediction.of(
                seed=0, fold="1", file=f"{n:03d}", speaker=str(n % 12),
                reference={"arousal": a, "dominance": 0.2 + 0.6 * a + o},
                predicted={"arousal": a, "dominance": d},
            )
            for n, (a, o, d) in enumerate(zip(arousal, own, dominance, strict=True))
        ]  # fmt: skip

    copied = coupling(answers(arousal), draws=DRAWS)
    heard = coupling(answers(0.2 + 0.6 * arousal + own), draws=DRAWS)
    assert copied.predicted.value == pytest.approx(1)
    rated = np.corrcoef(arousal, 0.6 * arousal + own)[0, 1]
    assert copied.rated.value == heard.predicted.value == pytest.approx(rated, abs=1e-5)
    assert heard.within.value == pytest.approx(1)
    assert copied.within.value < 0.45
    assert copied.within.high < heard.within.low


def test_steps_part_the_utterances_and_hold_what_audmetric_finds_there(rows):
    audmetric = pytest.importorskip("audmetric")
    found = coupling(rows, draws=DRAWS)
    assert [step.num_utterances for step in found.steps] == [30, 30, 30]
    assert found.predicted.num_seeds == 2
    values = []
    for step in found.steps:
        of_seed = []
        for seed in (0, 1):
            inside = [r for r in rows if step.low <= r.reference["arousal"] <= step.high]
            own = [r for r in inside if r.seed == seed]
            assert len(own) == step.num_utterances
            of_seed.append(
                audmetric.concordance_cc(
                    [r.reference["dominance"] for r in own], [r.predicted["dominance"] for r in own]
                )
            )
        values.append(np.mean(of_seed))
        assert step.concordance.value == pytest.approx(values[-1])
    assert found.within.value == pytest.approx(np.mean(values))


def test_equal_ratings_never_lie_in_two_steps():
    levels = [0.0] * 7 + [0.5] * 2 + [1.0] * 6
    rows = [
        AffectPrediction.of(
            seed=0, fold="1", file=str(n), speaker="s",
            reference={"arousal": level, "dominance": n / 15},
            predicted={"arousal": level, "dominance": n / 15},
        )
        for n, level in enumerate(levels)
    ]  # fmt: skip
    steps = coupling(rows, draws=DRAWS).steps
    assert [(step.low, step.high) for step in steps] == [(0.0, 0.0), (0.5, 1.0)]
    assert [step.num_utterances for step in steps] == [7, 8]


def test_a_dimension_that_was_not_predicted_is_named(rows):
    few = [
        replace(row, predicted={"arousal": 0.5}, reference={"arousal": row.reference["arousal"]})
        for row in rows
    ]
    with pytest.raises(ValueError, match=r"dominance is not among the dimensions predicted"):
        coupling(few, draws=DRAWS)


@given(st.lists(st.floats(0, 1), min_size=2, max_size=6))
def test_spread_and_error_of_people_follow_their_definitions(values):
    said = {"u": {str(n): {"arousal": value} for n, value in enumerate(values)}}
    spread, error = annotator_spread(said)["u"]["arousal"], annotator_error(said)["u"]["arousal"]
    assert spread == pytest.approx(np.std(values), abs=1e-12)
    apart = [abs(v - np.mean(values[:n] + values[n + 1 :])) for n, v in enumerate(values)]
    assert error == pytest.approx(np.mean(apart), abs=1e-12)
    assert 0 <= spread <= 0.5


def test_a_single_rating_has_no_spread():
    said = {"u": {"a": {"arousal": 0.5, "valence": 0.2}, "b": {"valence": 0.4}}, "v": {}}
    assert annotator_spread(said) == {"u": {"valence": pytest.approx(0.1)}}
