import gzip
import math
import statistics
from dataclasses import replace

import audmetric
import numpy as np
import pytest
import sklearn.metrics
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from serkit.corpus import enrolled_trials, enrolments, load, pairwise_trials, protocol
from serkit.evaluation import (
    PredictionsError,
    ScoredTrial,
    decide,
    decide_trials,
    det_curve,
    eer,
    min_dcf,
    read_scored_trials,
    score_trials,
    speaker_draws,
    threshold_at,
    write_scored_trials,
)

HEADER = "seed,fold,enrolment,probe,speaker,is_target,weight,score\n"
ROW = "0,one,anger,a,s,1,1.0,0.25\n"

# By hand: targets 1 3 4 6, non-targets 0 2 2 3 5, in the order of their scores.
SCORES = [0.0, 1.0, 2.0, 2.0, 3.0, 3.0, 4.0, 5.0, 6.0]
TARGET = [False, True, False, False, False, True, True, False, True]

few_scores = st.integers(-4, 4).map(float)  # equal scores are common
drawn_trials = st.lists(st.tuples(few_scores, st.booleans()), min_size=2, max_size=30)
drawn_weighted = st.lists(
    st.tuples(few_scores, st.booleans(), st.floats(0.1, 5)), min_size=2, max_size=30
)


def columns(drawn) -> tuple[list, ...]:
    assume({trial[1] for trial in drawn} == {True, False})
    return tuple(map(list, zip(*drawn, strict=True)))


def made_up(*, seeds=(0,), num_speakers=9, probes=4, emotions=("a", "b", "c")) -> list[ScoredTrial]:
    """Enrolled trials: a fold per speaker, targets score higher by a step drawn per speaker."""
    generator = np.random.default_rng(3)
    return [
        ScoredTrial.of(
            seed=seed, fold=f"{speaker % 3}", enrolment=enrolment,
            probe=f"tones/{speaker}-{emotion}-{probe}", speaker=f"tones/{speaker}",
            is_target=enrolment == emotion, weight=1.0 + (emotion == "a"),
            score=generator.normal() + (1 + 0.3 * (speaker % 4)) * (enrolment == emotion),
        )
        for seed in seeds
        for speaker in range(num_speakers)
        for emotion in emotions
        for probe in range(probes)
        for enrolment in emotions
    ]  # fmt: skip


# Curves and rates


def test_operating_points_by_hand():
    curve = det_curve(SCORES, TARGET)
    assert curve.thresholds.tolist() == [0, 1, 2, 3, 4, 5, 6, math.inf]
    assert curve.miss.tolist() == [0, 0, 1 / 4, 1 / 4, 2 / 4, 3 / 4, 3 / 4, 1]
    assert curve.false_acceptance.tolist() == [1, 4 / 5, 4 / 5, 2 / 5, 1 / 5, 1 / 5, 0, 0]


def test_the_equal_error_rate_by_hand():
    """Between threshold 3 (1/4, 2/5) and 4 (2/4, 1/5): d0 -3/20, d1 6/20, a third of the way."""
    rate = eer(SCORES, TARGET)
    assert rate.value == pytest.approx(1 / 4 + (1 / 3) * (1 / 4), abs=1e-15)
    assert rate.threshold == 4
    assert rate.eer_max == 2 / 5
    assert str(rate) == "0.333"


def test_the_least_cost_by_hand():
    """At threshold 6: 0.05 * 3/4 over 0.05; with equal odds at 3: (1/4 + 2/5) of 1."""
    rare, even = (min_dcf(SCORES, TARGET, p_target=p) for p in (0.05, 0.5))
    assert rare.value == pytest.approx(3 / 4, abs=1e-15)
    assert rare.threshold == 6
    assert even.value == pytest.approx(1 / 4 + 2 / 5, abs=1e-15)
    assert even.threshold == 3
    assert str(rare) == "0.750 (at 0.05, 1, 1)"
    dear = min_dcf(SCORES, TARGET, p_target=0.5, c_miss=10.0)
    assert dear.value == pytest.approx(0.8)  # at threshold 1: no miss, 4/5 accepted
    assert (dear.threshold, str(dear)) == (1, "0.800 (at 0.5, 10, 1)")


def test_a_point_where_the_rates_are_equal_is_the_rate():
    rate = eer([1, 2, 3, 4], [False, True, False, True])
    assert (rate.value, rate.threshold, rate.eer_max) == (0.5, 3, 0.5)


def test_separable_scores_give_0_and_reversed_ones_1():
    scores = [0.1, 0.2, 0.8, 0.9]
    best, worst = eer(scores, [False, False, True, True]), eer(scores, [True, True, False, False])
    assert (best.value, best.threshold, best.eer_max) == (0, 0.8, 0)
    assert (worst.value, worst.threshold, worst.eer_max) == (1, 0.8, 1)
    assert min_dcf(scores, [False, False, True, True], p_target=0.05).value == 0


@pytest.mark.parametrize("targets", [1, 3, 7])
def test_identical_scores_give_one_half(targets):
    rate = eer([0.3] * 10, [True] * targets + [False] * (10 - targets))
    assert rate.value == 0.5
    assert rate.threshold == math.inf
    assert rate.eer_max == 1


def test_equal_scores_move_together_in_whatever_order_they_stand():
    forward = eer([1.0, 1.0, 1.0, 2.0], [True, False, False, True])
    backward = eer([2.0, 1.0, 1.0, 1.0], [True, False, False, True])
    assert forward == backward
    assert forward.value == pytest.approx(1 / 3)  # between (0, 1) and (1/2, 0)


@settings(max_examples=40)
@given(drawn_trials)
def test_agreement_with_scikit_learn_at_every_point(drawn):
    scores, target = columns(drawn)
    curve = det_curve(scores, target)
    acceptance, hits, thresholds = sklearn.metrics.roc_curve(
        target, scores, drop_intermediate=False
    )
    assert curve.thresholds.tolist() == thresholds[::-1].tolist()
    assert curve.miss == pytest.approx(1 - hits[::-1], abs=1e-12)
    assert curve.false_acceptance == pytest.approx(acceptance[::-1], abs=1e-12)


@settings(max_examples=40)
@given(drawn_weighted)
def test_agreement_with_scikit_learn_with_weights(drawn):
    scores, target, weights = columns(drawn)
    curve = det_curve(scores, target, weights=weights)
    acceptance, missed, thresholds = sklearn.metrics.det_curve(
        target, scores, sample_weight=weights
    )
    rates = zip(curve.miss, curve.false_acceptance, strict=True)
    ours = dict(zip(curve.thresholds, rates, strict=True))
    for threshold, miss, false_acceptance in zip(thresholds, missed, acceptance, strict=True):
        assert ours[threshold] == pytest.approx((miss, false_acceptance), abs=1e-9)


@settings(max_examples=20)
@given(drawn_trials)
def test_agreement_with_audmetric_where_the_curves_meet_in_a_point(drawn):
    scores, target = columns(drawn)
    curve = det_curve(scores, target)
    assume((np.abs(curve.miss - curve.false_acceptance) < 1e-12).any())
    theirs, stats = audmetric.equal_error_rate(target, scores)
    ours = eer(scores, target)
    assert ours.value == pytest.approx(theirs, abs=1e-12)
    assert ours.eer_max == pytest.approx(theirs, abs=1e-12)
    assert ours.threshold == stats.threshold


def test_agreement_with_audmetric_within_one_step_where_scores_are_many():
    generator = np.random.default_rng(0)
    target = generator.random(2000) < 0.3
    scores = generator.normal(size=2000) + target
    theirs, _ = audmetric.equal_error_rate(target.tolist(), scores.tolist())
    assert eer(scores, target).value == pytest.approx(theirs, abs=1 / target.sum())
    # Two normal distributions one deviation apart cross where each has 30.85 % on the wrong side.
    assert eer(scores, target).value == pytest.approx(0.3085, abs=0.03)


@settings(max_examples=40)
@given(drawn_weighted)
def test_misses_rise_and_false_acceptances_fall(drawn):
    scores, target, weights = columns(drawn)
    curve = det_curve(scores, target, weights=weights)
    assert (np.diff(curve.miss) >= 0).all()
    assert (np.diff(curve.false_acceptance) <= 0).all()
    assert (curve.miss[0], curve.miss[-1]) == (0, 1)
    assert (curve.false_acceptance[0], curve.false_acceptance[-1]) == (1, 0)


@settings(max_examples=40)
@given(drawn_weighted, st.sampled_from([math.exp, math.atan, lambda x: x**3, lambda x: 2 * x - 9]))
def test_any_increasing_map_of_the_scores_changes_nothing(drawn, rising):
    scores, target, weights = columns(drawn)
    mapped = [rising(score) for score in scores]
    before, after = (eer(s, target, weights=weights) for s in (scores, mapped))
    assert after.value == before.value
    assert after.eer_max == before.eer_max
    assert after.threshold == (rising(before.threshold) if before.threshold < 9 else math.inf)
    for p_target in (0.05, 0.5):
        before, after = (
            min_dcf(s, target, p_target=p_target, weights=weights) for s in (scores, mapped)
        )
        assert after.value == before.value


@settings(max_examples=40)
@given(drawn_weighted, st.floats(0.01, 0.99), st.floats(0.1, 10), st.floats(0.1, 10))
def test_the_least_cost_is_never_above_1(drawn, p_target, c_miss, c_fa):
    scores, target, weights = columns(drawn)
    costs = {"p_target": p_target, "c_miss": c_miss, "c_fa": c_fa}
    assert 0 <= min_dcf(scores, target, weights=weights, **costs).value <= 1 + 1e-12


@settings(max_examples=40)
@given(drawn_weighted)
def test_the_rate_lies_between_the_points_beside_it(drawn):
    scores, target, weights = columns(drawn)
    rate = eer(scores, target, weights=weights)
    assert 0 <= rate.value <= 1
    decisions = decide(scores, target, threshold=rate.threshold, weights=weights)
    assert decisions.false_acceptance - 1e-9 <= rate.value <= decisions.miss + 1e-9
    assert rate.value <= rate.eer_max + 1e-9


@settings(max_examples=40)
@given(drawn_trials)
def test_turning_the_question_round_keeps_the_rate(drawn):
    scores, target = columns(drawn)
    turned = eer([-score for score in scores], [not claim for claim in target])
    assert turned.value == pytest.approx(eer(scores, target).value, abs=1e-12)


@settings(max_examples=40)
@given(drawn_trials, st.lists(st.integers(0, 3), min_size=30, max_size=30))
def test_a_whole_weight_is_so_many_equal_trials(drawn, times):
    scores, target = columns(drawn)
    times = times[: len(scores)]
    repeated = [trial for trial, n in zip(drawn, times, strict=True) for _ in range(n)]
    assume({claim for _, claim in repeated} == {True, False})
    weights = [float(n) for n in times]
    many = columns(repeated)
    assert eer(scores, target, weights=weights).value == pytest.approx(eer(*many).value, abs=1e-12)
    assert min_dcf(scores, target, p_target=0.05, weights=weights).value == pytest.approx(
        min_dcf(*many, p_target=0.05).value, abs=1e-12
    )
    assert det_curve(scores, target, weights=weights).thresholds.tolist() == (
        det_curve(*many).thresholds.tolist()
    )


@settings(max_examples=40)
@given(drawn_weighted, st.floats(0.5, 100))
def test_only_shares_of_weight_matter(drawn, factor):
    scores, target, weights = columns(drawn)
    scaled = [factor * weight for weight in weights]
    before, after = (eer(scores, target, weights=w).value for w in (weights, scaled))
    assert after == pytest.approx(before, abs=1e-9)


def test_the_threshold_for_a_false_acceptance_is_the_lowest_that_keeps_to_it():
    found = {
        share: threshold_at(SCORES, TARGET, false_acceptance=share)
        for share in (0.0, 0.1, 0.2, 0.4, 0.79, 0.8, 1.0)
    }
    assert found == {0.0: 6, 0.1: 6, 0.2: 4, 0.4: 3, 0.79: 3, 0.8: 1, 1.0: 0}
    assert threshold_at([0.0, 1.0], [True, False], false_acceptance=0.5) == math.inf


def test_decisions_by_hand():
    decisions = decide(SCORES, TARGET, threshold=3.0)
    assert (decisions.miss, decisions.false_acceptance) == (1 / 4, 2 / 5)
    assert (decisions.num_targets, decisions.num_non_targets) == (4, 5)
    weighted = decide(SCORES, TARGET, threshold=3.0, weights=[1, 3, 1, 1, 1, 1, 1, 6, 1])
    assert (weighted.miss, weighted.false_acceptance) == (3 / 6, 7 / 10)
    alone = decide([0.5], [True], threshold=0.5)
    assert alone.miss == 0
    assert math.isnan(alone.false_acceptance)


@pytest.mark.parametrize("metric", [det_curve, eer])
def test_trials_without_both_sides_are_refused(metric):
    with pytest.raises(ValueError, match="of 2 trials there are no non-targets of any weight"):
        metric([0.1, 0.2], [True, True])
    with pytest.raises(ValueError, match="there are no targets of any weight"):
        metric([0.1, 0.2], [True, False], weights=[0.0, 1.0])
    with pytest.raises(ValueError, match="there are no targets of any weight"):
        metric([], [])


def test_columns_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="2 scores but 1 claims of a target"):
        eer([0.1, 0.2], [True])
    with pytest.raises(ValueError, match="2 scores but 3 weights"):
        eer([0.1, 0.2], [True, False], weights=[1.0, 1.0, 1.0])
    with pytest.raises(ValueError, match="score of trial 1 is nan"):
        eer([0.1, math.nan], [True, False])
    with pytest.raises(ValueError, match=r"weight of trial 0 is -1.0; a weight is 0 or more"):
        eer([0.1, 0.2], [True, False], weights=[-1.0, 1.0])
    with pytest.raises(ValueError, match="p_target is 1"):
        min_dcf([0.1, 0.2], [True, False], p_target=1.0)
    with pytest.raises(ValueError, match="c_fa is 0"):
        min_dcf([0.1, 0.2], [True, False], p_target=0.5, c_fa=0.0)
    with pytest.raises(ValueError, match=r"false acceptance of 1.5 is no share"):
        threshold_at([0.1, 0.2], [True, False], false_acceptance=1.5)
    with pytest.raises(ValueError, match="the threshold is nan; take one from development"):
        decide([0.1], [True], threshold=math.nan)


def test_the_wrong_emotion_at_enrolment_is_caught():
    """Prototypes handed out in the wrong order turn a good listener into a bad one."""
    rows = made_up(emotions=("a", "b"))
    swapped = [replace(row, enrolment={"a": "b", "b": "a"}[row.enrolment]) for row in rows]
    truth = {(row.enrolment, row.probe): row.is_target for row in rows}
    fixed = [replace(row, is_target=truth[row.enrolment, row.probe]) for row in swapped]
    assert score_trials(rows, draws=1).figures["eer"].mean < 0.35
    assert score_trials(fixed, draws=1).figures["eer"].mean > 0.65


# Tables


@pytest.mark.parametrize("name", ["scores.csv", "scores.csv.gz"])
def test_what_is_written_is_read_back_exactly(tmp_path, name):
    rows = made_up(seeds=(0, 1, "best"))
    assert read_scored_trials(write_scored_trials(tmp_path / "new" / name, rows)) == rows


names = st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), min_size=1)


@settings(max_examples=25)
@given(st.lists(st.tuples(names, st.floats(-1e9, 1e9), st.floats(0, 1e3)), min_size=1,
                unique_by=lambda drawn: drawn[0]))  # fmt: skip
def test_any_name_and_any_number_survive(tmp_path_factory, drawn):
    rows = [
        ScoredTrial(seed=0, fold=name, enrolment=name, probe=name, speaker=name, is_target=True,
                    weight=weight, score=score)
        for name, score, weight in drawn
    ]  # fmt: skip
    path = tmp_path_factory.mktemp("any") / "scores.csv"
    assert read_scored_trials(write_scored_trials(path, rows)) == rows


def test_the_same_rows_give_the_same_bytes_under_any_name(tmp_path):
    rows = made_up()
    first = write_scored_trials(tmp_path / "first.csv.gz", rows).read_bytes()
    assert first == write_scored_trials(tmp_path / "second.csv.gz", rows).read_bytes()
    plain = write_scored_trials(tmp_path / "plain.csv", rows).read_text()
    assert gzip.decompress(first).decode() == plain
    assert plain.startswith(HEADER)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "the table is empty"),
        (HEADER, "a header and no rows"),
        (HEADER.replace("probe", "probes") + ROW, "no column 'probe' .*rename 'probes'"),
        (HEADER.replace("fold", "seed") + ROW, "'seed' occurs twice"),
        (HEADER + "0,one,anger,b,s,1,1.0\n", r"row 1 \(line 2\) has 7 cells, the header 8"),
        (HEADER + ROW.replace("anger", ""), "row 1 .* has nothing under 'enrolment'"),
        (HEADER + ROW[1:], "row 1 .* has nothing under 'seed'"),
        (HEADER + ROW.replace(",1,", ",yes,"), "is_target is 'yes'; write 1 for a target"),
        (HEADER + ROW.replace("0.25", "high"), "score is 'high', not a number"),
        (HEADER + ROW.replace("0.25", "nan"), "the score is nan, not a finite number"),
        (HEADER + ROW.replace("1.0", "-1.0"), "the weight is -1.0; a weight is 0 or more"),
        (HEADER + ROW + ROW, "row 2 .*seed 0 tries anger and a a second time, first in row 1"),
        (HEADER + '"0"x' + ROW[1:], "is not CSV"),
    ],
)
def test_a_malformed_table_is_refused_with_the_row_named(tmp_path, text, complaint):
    path = tmp_path / "scores.csv"
    path.write_text(text)
    with pytest.raises(PredictionsError, match=complaint) as caught:
        read_scored_trials(path)
    assert str(path) in str(caught.value)


def test_a_missing_or_damaged_table_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"gone.csv: there is no such table of trials"):
        read_scored_trials(tmp_path / "gone.csv")
    path = write_scored_trials(tmp_path / "scores.csv.gz", made_up())
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(PredictionsError, match=r"not a readable \.csv\.gz"):
        read_scored_trials(path)


def test_a_failed_write_leaves_the_old_table(tmp_path):
    rows = made_up()
    path = write_scored_trials(tmp_path / "scores.csv", rows)
    before = path.read_bytes()
    with pytest.raises(PredictionsError, match="tries them a second time"):
        write_scored_trials(path, [*rows, rows[0]])
    with pytest.raises(PredictionsError, match="no trials to write"):
        write_scored_trials(path, [])
    with pytest.raises(PredictionsError, match="holds a line break"):
        write_scored_trials(path, [replace(rows[0], probe="a\nb")])
    with pytest.raises(PredictionsError, match="seed '1' is text"):
        write_scored_trials(path, [replace(rows[0], seed="1")])
    assert path.read_bytes() == before


# Tables scored


def test_pooled_figures_are_those_of_the_whole_table():
    rows = made_up(seeds=(0, 1))
    scores = score_trials(rows, draws=5)
    for seed in (0, 1):
        part = [row for row in rows if row.seed == seed]
        score, target, weight = (
            [getattr(row, name) for row in part] for name in ("score", "is_target", "weight")
        )
        found = {name: figure.by_seed[seed] for name, figure in scores.figures.items()}
        assert found == {
            "eer": eer(score, target, weights=weight).value,
            "min_dcf_0.05": min_dcf(score, target, weights=weight, p_target=0.05).value,
            "min_dcf_0.5": min_dcf(score, target, weights=weight, p_target=0.5).value,
            "unweighted_eer": eer(score, target).value,
        }
        assert scores.curves[seed].miss.tolist() == (
            det_curve(score, target, weights=weight).miss.tolist()
        )
        fold = [row for row in part if row.fold == "1"]
        assert len(fold) == len(part) / 3
    figure = scores.figures["eer"]
    assert figure.mean == statistics.fmean(figure.by_seed.values())
    assert figure.sd == pytest.approx(statistics.stdev(figure.by_seed.values()))
    assert list(figure.by_fold) == ["0", "1", "2"]
    assert (scores.num_trials, scores.num_targets, scores.num_speakers) == (324, 108, 9)
    assert list(scores.by_enrolment) == ["a", "b", "c"]
    alone = [row for row in rows if row.enrolment == "b" and row.seed == 0]
    both = [[row for row in rows if row.enrolment == "b" and row.seed == seed] for seed in (0, 1)]
    assert alone == both[0]
    assert scores.by_enrolment["b"] == pytest.approx(
        statistics.fmean(
            eer([r.score for r in p], [r.is_target for r in p],
                weights=[r.weight for r in p]).value
            for p in both
        )
    )  # fmt: skip


@pytest.mark.parametrize("metric", ["eer", "min_dcf_0.05", "min_dcf_0.5", "unweighted_eer"])
def test_the_interval_agrees_with_a_slow_loop_over_draws(metric):
    """Each draw repeats the trials of the drawn speakers' probes and scores them anew."""
    rows = made_up(seeds=(0, 1), probes=2)
    interval = score_trials(rows, draws=60).figures[metric].interval
    speakers = sorted({row.speaker for row in rows})
    values = []
    for times in speaker_draws(9, draws=60):
        often = dict(zip(speakers, times.tolist(), strict=True))
        of_seeds = []
        for seed in (0, 1):
            drawn = [row for row in rows if row.seed == seed for _ in range(often[row.speaker])]
            score, target, weight = (
                [getattr(row, name) for row in drawn] for name in ("score", "is_target", "weight")
            )
            if metric == "unweighted_eer":
                of_seeds.append(eer(score, target).value)
            elif metric == "eer":
                of_seeds.append(eer(score, target, weights=weight).value)
            else:
                p_target = float(metric.rpartition("_")[2])
                of_seeds.append(min_dcf(score, target, weights=weight, p_target=p_target).value)
        values.append(statistics.fmean(of_seeds))
    low, high = np.quantile(values, [0.025, 0.975])
    assert (interval.low, interval.high) == pytest.approx((low, high), abs=1e-12)
    assert interval.low < interval.high


def test_one_speaker_repeated_gives_width_0():
    rows = [
        replace(row, probe=f"{row.probe}-{n}", speaker=f"tones/{n}")
        for n in range(10)
        for row in made_up(num_speakers=1)
    ]
    interval = score_trials(rows, draws=50).figures["eer"].interval
    assert interval.high - interval.low < 1e-12
    assert interval.low == pytest.approx(interval.value)


def test_a_draw_without_targets_leaves_no_interval_and_says_so():
    """Of nine speakers one alone has targets; many draws leave it out."""
    rows = [row for row in made_up() if not row.is_target or row.speaker == "tones/0"]
    scores = score_trials(rows, draws=100)
    for figure in scores.figures.values():
        assert figure.interval.low is None
        assert "of 100 draws, no interval" in figure.interval.text
        assert not math.isnan(figure.mean)


def test_few_speakers_have_no_interval_and_a_fold_without_targets_no_figure():
    rows = [row for row in made_up(num_speakers=6) if row.fold != "1" or not row.is_target]
    figure = score_trials(rows, draws=5).figures["eer"]
    assert figure.interval.text == "6 speakers, no interval"
    assert math.isnan(figure.by_fold["1"])
    assert not math.isnan(figure.by_fold["0"])


def test_seeds_that_did_not_try_the_same_are_refused():
    rows = made_up(seeds=(0, 1))
    with pytest.raises(
        PredictionsError, match=r"seeds 0 and 1 did not try the same: 1 trials .* c"
    ):
        score_trials(rows[:-1])
    with pytest.raises(PredictionsError, match="seed 0 tries a and tones/0-a-0 twice"):
        score_trials([*rows, rows[0]])
    with pytest.raises(PredictionsError, match=r"weight is 1.0 in seed 0 and 9.0 in seed 1"):
        score_trials([*rows[:-1], replace(rows[-1], weight=9.0)])
    with pytest.raises(PredictionsError, match="no trials to score"):
        score_trials([])


# Decisions


def development(rows) -> list[ScoredTrial]:
    return [replace(row, probe=f"{row.probe}-development", score=row.score + 0.25) for row in rows]


def test_each_fold_decides_by_its_own_development_threshold():
    rows = made_up(seeds=(0, 1))
    figures = decide_trials(rows, development(rows), draws=20)
    wrong = {True: 0.0, False: 0.0}
    total = {True: 0.0, False: 0.0}
    for seed in (0, 1):
        for fold in ("0", "1", "2"):
            part = [row for row in rows if row.seed == seed and row.fold == fold]
            score, target, weight = (
                [getattr(row, name) for row in part] for name in ("score", "is_target", "weight")
            )
            threshold = eer([s + 0.25 for s in score], target, weights=weight).threshold
            for row in part:
                total[row.is_target] += row.weight
                if (row.score >= threshold) != row.is_target:
                    wrong[row.is_target] += row.weight
    # Both seeds have the same weight, so their mean is the share of both together.
    assert figures["miss"].mean == pytest.approx(wrong[True] / total[True])
    assert figures["false_acceptance"].mean == pytest.approx(wrong[False] / total[False])
    for figure in figures.values():
        assert figure.interval.low < figure.mean < figure.interval.high
    assert list(figures["miss"].by_fold) == ["0", "1", "2"]


def test_a_false_acceptance_asked_for_is_that_of_the_development_side():
    rows = made_up(num_speakers=30)
    same = [replace(row, probe=f"{row.probe}-development") for row in rows]
    strict, loose = (
        decide_trials(rows, same, false_acceptance=share, draws=5) for share in (0.01, 0.2)
    )
    assert strict["false_acceptance"].mean <= 0.01 + 1e-12
    assert 0.17 < loose["false_acceptance"].mean <= 0.2 + 1e-12
    assert strict["miss"].mean > loose["miss"].mean


def test_a_threshold_from_tested_trials_or_from_none_is_refused():
    rows = made_up()
    with pytest.raises(PredictionsError, match="seed 0, fold 0: a and tones/0-a-0 are tried on bo"):
        decide_trials(rows, rows)
    with pytest.raises(PredictionsError, match="seed 0, fold 2: no development trials"):
        decide_trials(rows, [row for row in development(rows) if row.fold != "2"])


# With trials of a corpus


def test_a_listener_who_knows_the_answer_has_no_errors_and_a_deaf_one_is_at_chance():
    fold = protocol("excerpt-5pairs", load("excerpt")).folds[0]
    enrolled = enrolments(fold.train)
    for trials in (
        enrolled_trials(enrolled, fold.test),
        enrolled_trials(enrolled, fold.test, balanced=True),
        pairwise_trials(fold.test),
    ):
        target = [trial.is_target for trial in trials]
        weights = [trial.weight for trial in trials]
        assert eer([float(t) for t in target], target, weights=weights).value == 0
        assert eer([0.0] * len(target), target, weights=weights).value == 0.5
