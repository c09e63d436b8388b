import math
import statistics
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serkit.evaluation import (
    Confusion,
    Prediction,
    PredictionsError,
    compare_predictions,
    ensemble,
    score,
    uar,
)
from serkit.evaluation.scores import whole_seeds

EMOTIONS = ("anger", "neutral", "sadness")


def test_pooled_is_not_per_fold_and_both_are_given():
    """Fold one: 4 angry, all right. Fold two: 1 angry wrong, 1 sad right. Counted by hand."""
    answers = [("one", "anger", "anger")] * 4 + [
        ("two", "anger", "sadness"),
        ("two", "sadness", "sadness"),
    ]
    scheme = ("anger", "sadness")
    scores = score(
        Prediction.of(
            seed=0, fold=fold, file=str(number), speaker=fold, emotion=emotion,
            emotions=scheme, probabilities=[float(predicted == name) for name in scheme],
        )
        for number, (fold, emotion, predicted) in enumerate(answers)
    )  # fmt: skip
    figure = scores.figures["uar"]
    assert figure.mean == pytest.approx((4 / 5 + 1) / 2)
    assert figure.by_fold == {"one": 1.0, "two": 0.5}
    assert figure.fold_mean == 0.75
    assert figure.fold_sd == pytest.approx(math.sqrt(0.125))
    assert figure.absent == ()
    assert scores.absent_by_fold == {"one": ("sadness",)}
    assert figure.fold_text == "0.750† ± 0.354"
    assert figure.text == "0.900"
    assert scores.figures["war"].by_fold == {"one": 1.0, "two": 0.5}
    assert scores.figures["war"].absent_by_fold == {}
    assert (scores.num_utterances, scores.num_speakers) == (6, 2)


def test_seeds_are_averaged_after_scoring(make_rows):
    rows = make_rows(seeds=(0, 1, 2))
    scores = score(rows)
    of_seed = {
        seed: uar(
            [row.emotion for row in rows if row.seed == seed],
            [row.predicted for row in rows if row.seed == seed],
            EMOTIONS,
        )
        for seed in (0, 1, 2)
    }
    figure = scores.figures["uar"]
    assert figure.by_seed == pytest.approx(of_seed)
    assert figure.mean == pytest.approx(statistics.mean(of_seed.values()))
    assert figure.sd == pytest.approx(statistics.stdev(of_seed.values()))
    assert figure.interval.num_seeds == 3
    assert figure.interval.low < figure.mean < figure.interval.high
    assert scores.num_utterances == 81
    assert scores.confusion.num_utterances == 3 * 81


def test_parts_add_up_to_the_whole(make_rows):
    scores = score(make_rows(seeds=(0, 1)))
    for seed, whole in scores.by_seed.items():
        folds = [seeds[seed] for seeds in scores.by_fold.values()]
        assert sum(folds, start=Confusion.empty(EMOTIONS)) == whole
        speakers = scores.by_speaker[seed].values()
        assert sum(speakers, start=Confusion.empty(EMOTIONS)) == whole


@settings(max_examples=15)
@given(st.randoms(use_true_random=False))
def test_order_of_rows_does_not_matter(random):
    rows = [
        Prediction.of(
            seed=seed, fold=f"{n % 3}", file=f"{n}", speaker=f"{n % 9}", emotion=EMOTIONS[n % 3],
            emotions=EMOTIONS, probabilities=[(n + seed) % 5 / 4, 1 - (n + seed) % 5 / 4, 0.0],
        )
        for seed in (0, 1) for n in range(40)
    ]  # fmt: skip
    one, other = (score(r, draws=50) for r in (rows, random.sample(rows, len(rows))))
    for metric, figure in one.figures.items():
        again = other.figures[metric]
        assert (again.mean, again.fold_mean) == pytest.approx((figure.mean, figure.fold_mean))
        assert again.by_seed == figure.by_seed
        assert (again.interval.low, again.interval.high) == pytest.approx(
            (figure.interval.low, figure.interval.high), abs=1e-12
        )


def test_one_seed_has_no_spread_over_seeds(make_rows):
    figure = score(make_rows()).figures["uar"]
    assert math.isnan(figure.sd)
    assert "±" not in figure.text
    assert "±" in figure.fold_text


def test_few_speakers_are_scored_without_an_interval(make_rows):
    figure = score(make_rows(num_speakers=4)).figures["uar"]
    assert figure.interval.text == "4 speakers, no interval"
    assert str(figure).endswith("(4 speakers, no interval)")


def test_an_emotion_that_nobody_was_rated_as_is_left_out_and_named(make_rows):
    rows = [row for row in make_rows() if row.emotion != "sadness"]
    scores = score(rows)
    assert scores.absent == scores.figures["uar"].absent == ("sadness",)
    assert scores.figures["uar"].text.endswith("†")
    assert scores.figures["macro_f1"].absent == ()  # it is predicted, so its F1 is 0 and counts
    assert scores.figures["war"].absent == ()


def test_an_ensemble_is_the_mean_of_the_probabilities(make_rows):
    rows = make_rows(seeds=(0, 1, 2))
    together = ensemble(rows)
    assert {row.seed for row in together} == {"ensemble-3"}
    assert len(together) == 81
    first = [row for row in rows if row.file == together[0].file]
    for emotion in EMOTIONS:
        mean = statistics.mean(row.probabilities[emotion] for row in first)
        assert together[0].probabilities[emotion] == pytest.approx(mean, abs=1e-6)
    assert together == ensemble(sorted(rows, key=lambda row: row.seed))


def test_an_ensemble_of_equal_seeds_is_each_of_them(make_rows):
    rows = make_rows()
    again = [replace(row, seed=1) for row in rows]
    together = ensemble([*rows, *again])
    assert [replace(row, seed=0) for row in together] == rows


def test_an_ensemble_needs_two_seeds(make_rows):
    with pytest.raises(PredictionsError, match="at least two seeds, the table has only seed 0"):
        ensemble(make_rows())
    with pytest.raises(PredictionsError, match="no predictions to put together"):
        ensemble([])


def test_incomplete_seeds_are_not_scored(make_rows):
    rows = make_rows(seeds=(0, 1))
    with pytest.raises(PredictionsError, match=r"1 are in only one of them, such as tones/08-sad"):
        score(rows[:-1])


def test_an_utterance_predicted_twice_is_not_scored(make_rows):
    rows = make_rows()
    with pytest.raises(PredictionsError, match="seed 0 predicts tones/00-anger-0 twice"):
        score([*rows, rows[0]])


def test_seeds_that_disagree_on_the_reference_are_not_scored(make_rows):
    rows = make_rows(seeds=(0, 1))
    rows[-1] = replace(rows[-1], emotion="anger")
    with pytest.raises(PredictionsError, match="has emotion 'sadness' in seed 0 and 'anger' in se"):
        score(rows)


def test_nothing_is_not_scored():
    with pytest.raises(PredictionsError, match="no predictions to score"):
        score([])


def test_a_better_table_is_better(make_rows):
    rows = make_rows(seeds=(0, 1))
    perfect = [
        Prediction.of(
            seed=row.seed, fold=row.fold, file=row.file, speaker=row.speaker, emotion=row.emotion,
            emotions=EMOTIONS, probabilities=[float(e == row.emotion) for e in EMOTIONS],
        )
        for row in rows
    ]  # fmt: skip
    comparison = compare_predictions(perfect, rows)
    assert comparison.verdict == "better"
    assert comparison.difference == pytest.approx(1 - score(rows).figures["uar"].mean)
    assert compare_predictions(rows, perfect).verdict == "worse"


def test_a_system_may_be_compared_with_its_own_ensemble(make_rows):
    rows = make_rows(seeds=(0, 1, 2))
    assert compare_predictions(ensemble(rows), rows).verdict == "one seed, no claim"


def test_tables_of_other_utterances_are_not_compared(make_rows):
    rows = make_rows()
    with pytest.raises(PredictionsError, match=r"1 differ in presence.*tones/00-anger-0"):
        compare_predictions(rows, rows[1:])
    with pytest.raises(PredictionsError, match="no predictions to compare"):
        compare_predictions(rows, [])


def test_tables_of_other_schemes_are_not_compared(make_rows):
    rows = make_rows()
    wider = [replace(r, probabilities={**r.probabilities, "fear": 0.0}) for r in rows]
    with pytest.raises(PredictionsError, match="over the same scheme, not over"):
        compare_predictions(rows, wider)


def test_the_order_of_the_probabilities_of_a_rival_does_not_matter(make_rows):
    rows, rival = make_rows(), make_rows(generator_seed=2)
    turned = [replace(r, probabilities=dict(reversed(r.probabilities.items()))) for r in rival]
    assert compare_predictions(rows, turned) == compare_predictions(rows, rival)


def test_seeds_that_are_not_finished_are_left_out_and_named(make_rows):
    rows = make_rows(seeds=(0, 1))
    unfinished = [row for row in rows if row.seed == 0 or row.fold == rows[0].fold]
    kept, line = whole_seeds(unfinished)
    assert {row.seed for row in kept} == {0}
    assert line.startswith("seeds not finished and left out: 1 (")
    assert whole_seeds(rows) == (rows, "")
