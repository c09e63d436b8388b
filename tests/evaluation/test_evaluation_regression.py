import math

import audmetric
import numpy as np
import pytest
import scipy.stats
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from serkit.evaluation import ccc, pearson, rmse
from serkit.evaluation.regression import Moments

values = st.floats(0, 1).map(lambda value: round(value, 6))
pairs = st.lists(st.tuples(values, values), min_size=2, max_size=30)


def sides(drawn) -> tuple[list[float], list[float]]:
    reference, predicted = zip(*drawn, strict=True)
    return list(reference), list(predicted)


def varied(sequence) -> bool:
    return len(set(sequence)) > 1


def test_concordance_by_hand():
    """Means 1 and 2/3, variances 2/3 and 2/9, covariance 1/3, so (2/3) / (8/9 + 1/9)."""
    assert ccc([0, 1, 2], [0, 1, 1]) == pytest.approx(2 / 3, abs=1e-15)


def test_correlation_and_error_by_hand():
    assert pearson([0, 1, 2], [0, 1, 1]) == pytest.approx((1 / 3) / math.sqrt(2 / 3 * 2 / 9))
    assert rmse([0, 1, 2], [0, 1, 1]) == pytest.approx(math.sqrt(1 / 3))


def test_a_wrong_mean_costs_concordance_but_not_correlation():
    """Variances 1/4, covariance 1/4, means 1/2 apart: (1/2) / (1/2 + 1/4)."""
    assert ccc([0, 1], [0.5, 1.5]) == pytest.approx(2 / 3)
    assert pearson([0, 1], [0.5, 1.5]) == pytest.approx(1)


def test_population_moments_are_used_and_not_sample_moments():
    assert ccc([0, 1], [1, 2]) == pytest.approx(0.5 / 1.5)
    assert ccc([0, 1], [1, 2]) != pytest.approx(1 / 2)


@pytest.mark.parametrize("constant", [0.1, 0.3, 0.7, 1e-6, 123.456, 0.0])
@pytest.mark.parametrize("length", [1, 3, 7, 1000])
def test_when_neither_side_varies_concordance_is_nan_and_never_0(constant, length):
    same = [constant] * length
    assert math.isnan(ccc(same, same))
    assert math.isnan(ccc(same, [0.5] * length))
    assert math.isnan(pearson(same, same))


@pytest.mark.parametrize("constant", [0.1, 0.3, 0.7])
def test_when_only_one_side_varies_concordance_is_0_and_correlation_nan(constant):
    reference = [0.1, 0.2, 0.7]
    assert ccc(reference, [constant] * 3) == ccc([constant] * 3, reference) == 0.0
    assert math.isnan(pearson(reference, [constant] * 3))
    assert math.isnan(pearson([constant] * 3, reference))


def test_a_variation_in_the_last_decimal_of_a_table_is_variation():
    reference = [0.5] * 999 + [0.500001]
    assert ccc(reference, reference) == pytest.approx(1)
    assert pearson(reference, reference) == pytest.approx(1)


def test_nothing_has_no_figure():
    assert math.isnan(ccc([], []))
    assert math.isnan(pearson([], []))
    assert math.isnan(rmse([], []))


@settings(max_examples=50)
@given(pairs)
def test_agreement_with_audmetric_and_scipy(drawn):
    reference, predicted = sides(drawn)
    assert rmse(reference, predicted) ** 2 == pytest.approx(
        audmetric.mean_squared_error(reference, predicted), abs=1e-12
    )
    if varied(reference) or varied(predicted):
        theirs = audmetric.concordance_cc(reference, predicted)
        assert ccc(reference, predicted) == pytest.approx(theirs, abs=1e-9)
    # Variation near the last decimal is where theirs loses digits.
    assume(np.ptp(reference) > 1e-3)
    assume(np.ptp(predicted) > 1e-3)
    assert pearson(reference, predicted) == pytest.approx(
        audmetric.pearson_cc(reference, predicted), abs=1e-9
    )
    assert pearson(reference, predicted) == pytest.approx(
        scipy.stats.pearsonr(reference, predicted).statistic, abs=1e-9
    )


@settings(max_examples=50)
@given(pairs)
def test_identical_values_score_best(drawn):
    reference, _ = sides(drawn)
    assert rmse(reference, reference) == 0
    if varied(reference):
        assert ccc(reference, reference) == pytest.approx(1, abs=1e-9)
        assert pearson(reference, reference) == pytest.approx(1, abs=1e-9)


@settings(max_examples=50)
@given(pairs)
def test_concordance_never_exceeds_correlation(drawn):
    reference, predicted = sides(drawn)
    assume(varied(reference) and varied(predicted))
    concordance, correlation = ccc(reference, predicted), pearson(reference, predicted)
    assert -1 <= correlation <= 1
    assert abs(concordance) <= abs(correlation) + 1e-9
    assert concordance * correlation >= 0


@settings(max_examples=50)
@given(pairs, st.randoms(use_true_random=False))
def test_order_of_utterances_does_not_matter(drawn, random):
    shuffled = list(drawn)
    random.shuffle(shuffled)
    for metric in (ccc, pearson, rmse):
        whole, other = metric(*sides(drawn)), metric(*sides(shuffled))
        assert other == pytest.approx(whole, abs=1e-9, nan_ok=True)


@settings(max_examples=50)
@given(pairs)
def test_reference_and_prediction_may_change_places(drawn):
    reference, predicted = sides(drawn)
    for metric in (ccc, pearson, rmse):
        assert metric(reference, predicted) == pytest.approx(
            metric(predicted, reference), abs=1e-12, nan_ok=True
        )


@settings(max_examples=50)
@given(pairs, st.floats(0.1, 10), st.floats(-5, 5))
def test_another_scale_for_both_sides_changes_only_the_error(drawn, factor, shift):
    reference, predicted = (np.array(side) for side in sides(drawn))
    assume(np.ptp(reference) > 1e-3 and np.ptp(predicted) > 1e-3)
    other = (factor * reference + shift, factor * predicted + shift)
    assert ccc(*other) == pytest.approx(ccc(reference, predicted), abs=1e-9)
    assert pearson(*other) == pytest.approx(pearson(reference, predicted), abs=1e-9)
    assert rmse(*other) == pytest.approx(factor * rmse(reference, predicted), abs=1e-9)


@settings(max_examples=50)
@given(pairs, st.lists(st.integers(0, 3), min_size=3, max_size=3))
def test_parts_weighed_are_the_whole_with_each_part_so_often(drawn, times):
    parts = [drawn[n::3] for n in range(3)]
    parts = [part or [(0.25, 0.75)] for part in parts]
    moments = Moments.stack([Moments.of(*sides(part)) for part in parts])
    together = [pair for part, n in zip(parts, times, strict=True) for pair in part * n]
    assume(together)
    reference, predicted = sides(together)
    found = moments.weighed(np.array([times, [1, 1, 1]]))
    assert found.ccc[0] == pytest.approx(ccc(reference, predicted), abs=1e-9, nan_ok=True)
    assert found.pearson[0] == pytest.approx(pearson(reference, predicted), abs=1e-6, nan_ok=True)
    assert found.rmse[0] == pytest.approx(rmse(reference, predicted), abs=1e-9)


def test_parts_of_which_none_is_drawn_have_no_figure():
    moments = Moments.of([0, 1], [0, 1]).weighed(np.array([[0]]))
    assert np.isnan([moments.ccc[0], moments.pearson[0], moments.rmse[0]]).all()


def test_the_mean_over_batches_is_another_figure():
    reference, predicted = [0.0, 0.1, 0.9, 1.0], [0.1, 0.0, 1.0, 0.9]
    batches = [ccc(reference[:2], predicted[:2]), ccc(reference[2:], predicted[2:])]
    assert batches == pytest.approx([-1, -1])
    assert ccc(reference, predicted) > 0.9


def test_large_values_that_vary_little_keep_their_digits():
    reference = np.array([0.0, 1.0, 2.0]) + 1e8
    predicted = np.array([0.0, 1.0, 1.0]) + 1e8
    assert ccc(reference, predicted) == pytest.approx(2 / 3, abs=1e-7)


@pytest.mark.parametrize("metric", [ccc, pearson, rmse])
def test_sequences_that_do_not_fit_are_refused(metric):
    with pytest.raises(ValueError, match="3 reference values but 2 predicted ones"):
        metric([0, 1, 2], [0, 1])
    with pytest.raises(ValueError, match="predicted value of utterance 1 is nan"):
        metric([0.0, 1.0], [0.0, math.nan])
    with pytest.raises(ValueError, match="reference value of utterance 0 is inf"):
        metric([math.inf, 1.0], [0.0, 1.0])
