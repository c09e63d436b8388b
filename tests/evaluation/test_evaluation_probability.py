import math
import statistics
from dataclasses import replace

import numpy as np
import pytest
import sklearn.metrics
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays as drawn_arrays

from serkit.evaluation import Prediction, score, speaker_bootstrap, war
from serkit.evaluation.predictions import PredictionsError
from serkit.evaluation.probability import (
    FLOOR,
    arrays,
    brier,
    ece,
    log_loss,
    probability_scores,
    top_k_accuracy,
)

EMOTIONS = ("anger", "neutral", "sadness")


def made_up(num: int, *, num_emotions: int = 5, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    probabilities = generator.dirichlet(np.full(num_emotions, 0.7), num)
    return probabilities, generator.integers(0, num_emotions, num)


def ece_slowly(probabilities: np.ndarray, reference: np.ndarray, num_bins: int = 15) -> float:
    """Section by section, as the definition is written."""
    total = 0.0
    for b in range(num_bins):
        lower, upper = b / num_bins, (b + 1) / num_bins
        inside = [
            (float(p.max()), int(p.argmax()) == k)
            for p, k in zip(probabilities, reference, strict=True)
            if (lower < p.max() <= upper) or (b == 0 and p.max() == 0.0)
        ]
        if inside:
            accuracy = sum(right for _, right in inside) / len(inside)
            confidence = sum(sure for sure, _ in inside) / len(inside)
            total += len(inside) / len(reference) * abs(accuracy - confidence)
    return total


def one_hot(rows: list[Prediction]) -> list[Prediction]:
    return [
        replace(row, probabilities={e: float(e == row.predicted) for e in row.probabilities})
        for row in rows
    ]


def test_figures_counted_by_hand():
    probabilities = np.array([[0.5, 0.25, 0.25], [0.25, 0.5, 0.25], [0.125, 0.125, 0.75]])
    reference = np.array([0, 2, 2])
    assert log_loss(probabilities, reference) == pytest.approx(
        -(math.log(0.5) + math.log(0.25) + math.log(0.75)) / 3
    )
    # 1/4 + 2/16; 1/16 + 1/4 + 9/16; 2/64 + 1/16
    assert brier(probabilities, reference) == pytest.approx((6 / 16 + 14 / 16 + 6 / 64) / 3)
    assert top_k_accuracy(probabilities, reference, k=1) == pytest.approx(2 / 3)
    # the second utterance gives 0.25 to the first emotion and to the third: the first goes first
    assert top_k_accuracy(probabilities, reference, k=2) == pytest.approx(2 / 3)
    assert top_k_accuracy(probabilities, reference, k=3) == 1.0
    # one bin holds 0.5 twice (one right of two), one holds 0.75 once (right)
    assert ece(probabilities, reference) == pytest.approx(2 / 3 * 0 + 1 / 3 * 0.25)


def test_agreement_with_scikit_learn():
    for seed in range(20):
        probabilities, reference = made_up(60, seed=seed)
        labels = list(range(5))
        assert log_loss(probabilities, reference) == pytest.approx(
            sklearn.metrics.log_loss(reference, probabilities, labels=labels)
        )
        for k in (1, 2, 4):
            assert top_k_accuracy(probabilities, reference, k=k) == pytest.approx(
                sklearn.metrics.top_k_accuracy_score(reference, probabilities, k=k, labels=labels)
            )
        of_two = probabilities[:, :2] / probabilities[:, :2].sum(axis=1, keepdims=True)
        assert brier(of_two, reference % 2) == pytest.approx(
            2 * sklearn.metrics.brier_score_loss(reference % 2, of_two[:, 1])
        )


def test_agreement_with_loops():
    for seed in range(10):
        probabilities, reference = made_up(40, seed=seed)
        assert ece(probabilities, reference) == pytest.approx(ece_slowly(probabilities, reference))
        squares = sum(
            (p[k] - (k == right)) ** 2
            for p, right in zip(probabilities, reference, strict=True)
            for k in range(5)
        )
        assert brier(probabilities, reference) == pytest.approx(squares / 40)


def test_a_confidence_on_an_edge_belongs_to_the_bin_below():
    """0.6 is the upper end of bin 9 of 15, so it keeps company with 0.55 and not with 0.65."""
    below = np.array([[0.6, 0.4], [0.55, 0.45]])
    assert ece(below, np.array([0, 1])) == pytest.approx(abs(0.5 - 0.575))
    above = np.array([[0.6, 0.4], [0.65, 0.35]])
    assert ece(above, np.array([0, 1])) == pytest.approx((0.4 + 0.65) / 2)


def test_perfect_calibration_has_no_error():
    probabilities = np.repeat([[0.75, 0.25], [0.5, 0.5]], 4, axis=0)
    assert ece(probabilities, np.array([0, 0, 0, 1, 0, 0, 1, 1])) == pytest.approx(0.0)


def test_a_sure_and_right_system_scores_best_and_a_sure_and_wrong_one_worst():
    right = np.eye(3)
    assert (log_loss(right, np.arange(3)), brier(right, np.arange(3))) == (0.0, 0.0)
    assert ece(right, np.arange(3)) == 0.0
    wrong = np.array([1, 2, 0])
    assert log_loss(right, wrong) == math.inf
    assert log_loss(right, wrong, floor=FLOOR) == pytest.approx(-math.log(FLOOR))
    assert (brier(right, wrong), ece(right, wrong)) == (2.0, 1.0)


def test_equal_probabilities_score_what_the_docstrings_say():
    even, reference = np.full((4, 4), 0.25), np.arange(4)
    assert log_loss(even, reference) == pytest.approx(math.log(4))
    assert brier(even, reference) == pytest.approx(1 - 1 / 4)
    assert [top_k_accuracy(even, reference, k=k) for k in (1, 2, 3)] == [0.25, 0.5, 0.75]


def test_nothing_at_all_has_no_figure():
    nothing = (np.zeros((0, 3)), np.zeros(0, dtype=np.int64))
    for value in (log_loss(*nothing), brier(*nothing), ece(*nothing)):
        assert math.isnan(value)
    assert math.isnan(top_k_accuracy(*nothing, k=1))


weights = drawn_arrays(np.float64, (12, 4), elements=st.floats(0.01, 1.0))
answers = drawn_arrays(np.int64, 12, elements=st.integers(0, 3))


@settings(max_examples=25)
@given(weights, answers, st.permutations(range(12)), st.permutations(range(4)))
def test_order_of_utterances_and_of_emotions_does_not_matter(drawn, reference, order, emotions):
    probabilities = drawn / drawn.sum(axis=1, keepdims=True)
    renamed = probabilities[:, emotions][order], np.argsort(emotions)[reference][order]
    assert log_loss(*renamed) == pytest.approx(log_loss(probabilities, reference))
    assert brier(*renamed) == pytest.approx(brier(probabilities, reference))
    turned = probabilities[order], reference[order]
    assert ece(*turned) == pytest.approx(ece(probabilities, reference))
    for k in (1, 2, 3, 4):
        assert top_k_accuracy(*turned, k=k) == top_k_accuracy(probabilities, reference, k=k)


@settings(max_examples=25)
@given(weights, answers)
def test_every_figure_is_in_its_range(drawn, reference):
    probabilities = drawn / drawn.sum(axis=1, keepdims=True)
    assert log_loss(probabilities, reference) >= 0.0
    assert 0.0 <= brier(probabilities, reference) <= 2.0
    assert 0.0 <= ece(probabilities, reference) <= 1.0
    tops = [top_k_accuracy(probabilities, reference, k=k) for k in (1, 2, 3, 4)]
    assert tops == sorted(tops)
    assert tops[-1] == 1.0


def test_what_is_no_probability_is_named():
    with pytest.raises(ValueError, match=r"row 1, \[2.0, -1.0\], does not hold probabilities"):
        log_loss(np.array([[0.5, 0.5], [2.0, -1.0]]), np.array([0, 0]))
    with pytest.raises(ValueError, match=r"row 0, \[0.5, 0.6\], does not"):
        brier(np.array([[0.5, 0.6]]), np.array([0]))
    with pytest.raises(ValueError, match=r"row 0, \[nan, 1.0\], does not"):
        ece(np.array([[math.nan, 1.0]]), np.array([0]))
    with pytest.raises(
        ValueError, match="reference -1 of utterance 1 is not the index of one of 2"
    ):
        ece(np.array([[0.5, 0.5]] * 2), np.array([0, -1]))
    with pytest.raises(ValueError, match="k is from 1 to the 2 emotions, not 3"):
        top_k_accuracy(np.array([[0.5, 0.5]]), np.array([0]), k=3)
    with pytest.raises(ValueError, match="at least one bin, not 0"):
        ece(np.array([[0.5, 0.5]]), np.array([0]), num_bins=0)


def test_a_table_is_scored_pooled_per_seed_and_per_fold(make_rows):
    rows = make_rows(seeds=(0, 1))
    scores = probability_scores(rows, draws=200)
    assert list(scores.figures) == ["log_loss", "brier", "ece", "top_2"]
    assert scores.is_defined
    for metric, figure_of in (
        ("log_loss", lambda *a: log_loss(*a, floor=FLOOR)),
        ("brier", brier),
        ("ece", ece),
        ("top_2", lambda *a: top_k_accuracy(*a, k=2)),
    ):
        figure = scores.figures[metric]
        for seed in (0, 1):
            part = [row for row in rows if row.seed == seed]
            assert figure.by_seed[seed] == pytest.approx(figure_of(*arrays(part)))
        assert figure.mean == pytest.approx(statistics.mean(figure.by_seed.values()))
        assert figure.sd == pytest.approx(statistics.stdev(figure.by_seed.values()))
        assert figure.interval.low < figure.mean < figure.interval.high
        assert figure.interval.num_seeds == 2
        fold = [
            figure_of(*arrays([r for r in rows if (r.seed, r.fold) == (seed, "03")]))
            for seed in (0, 1)
        ]
        assert figure.by_fold["03"] == pytest.approx(statistics.mean(fold))


def test_the_interval_of_an_accuracy_is_that_of_the_speaker_bootstrap(make_rows):
    """With two of three emotions, top-2 fails where the reference comes last; counted as WAR."""
    rows = make_rows(seeds=(0, 1))
    figure = probability_scores(rows, draws=300).figures["top_2"]

    def told(row: Prediction) -> Prediction:
        last = min(reversed(row.probabilities), key=row.probabilities.__getitem__)
        heard = row.emotion if last != row.emotion else row.predicted
        return replace(row, probabilities={e: float(e == heard) for e in EMOTIONS}, predicted=heard)

    by_speaker = score([told(row) for row in rows], draws=1).by_speaker
    interval = speaker_bootstrap(list(by_speaker.values()), "war", draws=300)
    assert (figure.mean, figure.interval.low, figure.interval.high) == pytest.approx(
        (interval.value, interval.low, interval.high)
    )


def test_the_order_of_rows_does_not_matter_to_a_table(make_rows):
    rows = make_rows(seeds=(0, 1))
    turned = [*reversed(rows[:81]), *rows[81:]]
    one, other = (probability_scores(r, draws=50).figures["ece"] for r in (rows, turned))
    assert (one.mean, one.interval.low) == pytest.approx((other.mean, other.interval.low))


def test_bare_answers_have_no_such_figures_and_say_so(make_rows):
    rows = one_hot(make_rows())
    scores = probability_scores(rows)
    assert not scores.is_defined
    assert scores.reason == "answers without probabilities: not defined"
    assert {figure.text for figure in scores.figures.values()} == {"n/a"}
    assert str(scores.figures["ece"]) == "n/a (answers without probabilities: not defined)"
    assert scores.num_floored == 0
    assert probability_scores([*rows[1:], make_rows()[0]], draws=10).is_defined


def test_a_probability_written_as_0_is_taken_for_half_the_last_decimal_and_counted(make_rows):
    rows = [row for row in make_rows() if row.file != "tones/00-anger-0"]
    sure = Prediction.of(
        seed=0, fold="00", file="tones/00-anger-0", speaker="tones/00", emotion="anger",
        emotions=EMOTIONS, probabilities=[0.0, 0.4, 0.6],
    )  # fmt: skip
    scores = probability_scores([*rows, sure], draws=10)
    assert scores.num_floored == 1
    rest = log_loss(*arrays(rows))
    expected = (80 * rest - math.log(0.5e-6)) / 81
    assert scores.figures["log_loss"].mean == pytest.approx(expected)


def test_top_1_is_war(make_rows):
    rows = make_rows()
    answers = ([row.emotion for row in rows], [row.predicted for row in rows])
    assert top_k_accuracy(*arrays(rows), k=1) == pytest.approx(war(*answers, EMOTIONS))


def test_few_speakers_and_no_predictions(make_rows):
    figure = probability_scores(make_rows(num_speakers=3)).figures["brier"]
    assert figure.interval.text == "3 speakers, no interval"
    with pytest.raises(PredictionsError, match="no predictions to score"):
        probability_scores([])
