import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays as drawn_arrays
from scipy.optimize import minimize_scalar

from serkit.evaluation import Prediction, PredictionsError, score
from serkit.evaluation.calibration import (
    HIGHEST,
    LOWEST,
    Temperature,
    calibrate,
    reliability,
    temperatures,
)
from serkit.evaluation.probability import arrays, ece, log_loss, probability_scores

EMOTIONS = ("anger", "neutral", "sadness")


def honest(num: int, *, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities, and references drawn from them: calibrated by construction."""
    generator = np.random.default_rng(seed)
    probabilities = generator.dirichlet([1.0, 1.0, 1.0], num)
    drawn = generator.random((num, 1))
    return probabilities, (probabilities.cumsum(axis=1) < drawn).sum(axis=1).clip(max=2)


def as_development(rows: list[Prediction]) -> list[Prediction]:
    return [replace(row, file=f"development/{row.file}") for row in rows]


def test_a_system_that_exaggerates_by_a_known_temperature_is_found_out():
    probabilities, reference = honest(8_000)
    for exaggeration in (0.4, 1.0, 2.5):
        told = Temperature(value=1 / exaggeration).apply(probabilities)
        fitted = Temperature.fit(told, reference)
        assert fitted.value == pytest.approx(exaggeration, rel=0.06)
        again = fitted.apply(told)
        assert ece(again, reference) < 0.025
        if exaggeration != 1.0:
            assert ece(told, reference) > 0.05


def test_the_loss_is_least_at_the_temperature_fitted():
    for seed in range(5):
        generator = np.random.default_rng(seed)
        probabilities = generator.dirichlet([0.5] * 4, 80)
        reference = np.where(
            generator.random(80) < 0.5, probabilities.argmax(axis=1), generator.integers(0, 4, 80)
        )

        def loss(
            logarithm: float, p: np.ndarray = probabilities, k: np.ndarray = reference
        ) -> float:
            return log_loss(Temperature(value=math.exp(logarithm)).apply(p), k)

        theirs = minimize_scalar(loss, bounds=(-3.0, 3.0), method="bounded").x
        fitted = Temperature.fit(probabilities, reference).value
        assert math.log(fitted) == pytest.approx(theirs, abs=1e-3)


def test_three_right_of_four_means_three_quarters():
    sure = np.array([[0.999, 0.001]] * 4)
    calibrated = Temperature.fit(sure, np.array([0, 0, 0, 1])).apply(sure)
    assert calibrated[0].tolist() == pytest.approx([0.75, 0.25])


def test_without_a_minimum_the_temperature_is_at_an_end():
    probabilities = np.array([[0.6, 0.4], [0.3, 0.7]])
    assert Temperature.fit(probabilities, np.array([0, 1])).value == LOWEST
    assert Temperature.fit(probabilities, np.array([1, 0])).value == HIGHEST
    assert Temperature.fit(np.full((4, 2), 0.5), np.array([0, 0, 1, 1])).value == HIGHEST


def test_a_temperature_of_1_changes_nothing():
    probabilities, _ = honest(50)
    assert Temperature(value=1.0).apply(probabilities) == pytest.approx(probabilities)


@settings(max_examples=40)
@given(
    drawn_arrays(
        np.float64, (6, 4), elements=st.floats(0.0, 1.0).filter(lambda x: x == 0 or x > 1e-4)
    ),
    st.floats(LOWEST, HIGHEST),
)
def test_the_most_probable_stays_the_most_probable(drawn, value):
    probabilities = (drawn + 1e-9) / (drawn + 1e-9).sum(axis=1, keepdims=True)
    applied = Temperature(value=value).apply(probabilities)
    assert applied.sum(axis=1) == pytest.approx(1.0)
    leading = applied[np.arange(6), probabilities.argmax(axis=1)]
    assert (leading == applied.max(axis=1)).all()


def test_calibration_never_changes_what_is_predicted(make_rows):
    """Also where rounding makes the first two equal: 0.400001 and 0.400000 at temperature 100."""
    close = Prediction.of(
        seed=0, fold="00", file="close", speaker="tones/00", emotion="anger", emotions=EMOTIONS,
        probabilities=[0.199999, 0.4, 0.400001],
    )  # fmt: skip
    assert close.predicted == "sadness"
    rows = [close, *make_rows()]
    backwards = [
        replace(row, emotion=min(row.probabilities, key=row.probabilities.__getitem__))
        for row in make_rows(generator_seed=3)
    ]  # nothing is right, so the temperature is the highest
    calibrated = calibrate(rows, as_development(backwards))
    assert max(calibrated[0].probabilities.values()) < 0.34
    assert [row.predicted for row in calibrated] == [row.predicted for row in rows]
    assert [row.file for row in calibrated] == [row.file for row in rows]


def test_each_seed_and_fold_has_its_own_temperature(make_rows):
    rows = make_rows(seeds=(0, 1), num_speakers=2)
    development = as_development(make_rows(seeds=(0, 1), num_speakers=2, generator_seed=7))
    fitted = temperatures(development)
    assert set(fitted) == {(seed, f"0{n}") for seed in (0, 1) for n in range(2)}
    assert len({temperature.value for temperature in fitted.values()}) == 4
    calibrated = calibrate(rows, development)
    for before, after in zip(rows, calibrated, strict=True):
        one = Temperature.fit(
            *arrays([r for r in development if (r.seed, r.fold) == (before.seed, before.fold)])
        )
        expected = one.apply(arrays([before])[0])[0]
        assert list(after.probabilities.values()) == pytest.approx(expected.tolist(), abs=2e-6)
    assert score(calibrated, draws=1).figures["uar"].mean == pytest.approx(
        score(rows, draws=1).figures["uar"].mean
    )


def test_an_overconfident_table_is_better_calibrated_afterwards(make_rows):
    def exaggerated(rows: list[Prediction]) -> list[Prediction]:
        sharp = Temperature(value=0.1)
        return [
            replace(
                r, probabilities=dict(zip(EMOTIONS, sharp.apply(arrays([r])[0])[0], strict=True))
            )
            for r in rows
        ]

    rows = exaggerated(make_rows(takes=10))
    development = as_development(exaggerated(make_rows(takes=10, generator_seed=2)))
    before, after = (
        probability_scores(table, draws=10).figures
        for table in (rows, calibrate(rows, development))
    )
    for metric in ("log_loss", "brier", "ece"):
        assert after[metric].mean < before[metric].mean
    assert after["top_2"].mean == pytest.approx(before["top_2"].mean)


def test_a_reliability_figure_adds_up_to_the_calibration_error(make_rows):
    rows = make_rows()
    bars = reliability(rows)
    assert len(bars) == 15
    assert (bars[0].lower, bars[-1].upper) == (0.0, 1.0)
    assert sum(bar.num_utterances for bar in bars) == 81
    full = [bar for bar in bars if bar.num_utterances]
    assert all(bar.lower < bar.confidence <= bar.upper for bar in full)
    assert sum(bar.num_utterances * abs(bar.gap) for bar in full) / 81 == pytest.approx(
        ece(*arrays(rows))
    )
    right = sum(bar.num_utterances * bar.accuracy for bar in full)
    assert right == pytest.approx(sum(row.predicted == row.emotion for row in rows))
    assert all(math.isnan(bar.accuracy) for bar in bars if not bar.num_utterances)


def test_a_temperature_is_never_fitted_on_test_utterances(make_rows):
    rows = make_rows()
    with pytest.raises(PredictionsError, match=r"tones/00-anger-0 is on the test and on the dev"):
        calibrate(rows, rows)


def test_a_fold_without_development_predictions_is_named(make_rows):
    rows = make_rows()
    development = [row for row in as_development(rows) if row.fold != "03"]
    with pytest.raises(PredictionsError, match="seed 0, fold 03 has test predictions and no dev"):
        calibrate(rows, development)


def test_what_cannot_be_calibrated_is_refused(make_rows):
    rows = make_rows()
    bare = [
        replace(row, probabilities={e: float(e == row.predicted) for e in EMOTIONS}) for row in rows
    ]
    with pytest.raises(PredictionsError, match="test predictions are answers without prob"):
        calibrate(bare, as_development(rows))
    with pytest.raises(PredictionsError, match="development predictions are answers without"):
        calibrate(rows, as_development(bare))
    with pytest.raises(PredictionsError, match="the table holds answers without probabilities"):
        reliability(bare)
    turned = [
        replace(r, probabilities=dict(reversed(r.probabilities.items())))
        for r in as_development(rows)
    ]
    with pytest.raises(PredictionsError, match=r"over \(sadness, neutral, anger\): calibrate with"):
        calibrate(rows, turned)
    with pytest.raises(PredictionsError, match="no predictions to calibrate"):
        calibrate([], rows)
    with pytest.raises(PredictionsError, match="no development predictions"):
        calibrate(rows, [])
    with pytest.raises(PredictionsError, match="no predictions to sort"):
        reliability([])
    with pytest.raises(ValueError, match=r"temperature 0.0 is not from 0.01 to 100"):
        Temperature(value=0.0)
    with pytest.raises(ValueError, match="there are none"):
        Temperature.fit(np.zeros((0, 2)), np.zeros(0, dtype=np.int64))
