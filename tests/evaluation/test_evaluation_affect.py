import gzip
import math
import statistics
from dataclasses import replace

import audmetric
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serkit.corpus import AFFECT
from serkit.evaluation import (
    AFFECT_RESULT_COLUMNS,
    AffectPrediction,
    PredictionsError,
    affect_ensemble,
    affect_result_rows,
    affect_results_table,
    ccc,
    compare_affect,
    pearson,
    read_affect_predictions,
    rmse,
    score_affect,
    speaker_draws,
    write_affect_predictions,
    write_results,
)

HEADER = "seed,fold,file,speaker,arousal,predicted_arousal\n"
ROW = "0,one,a,s,0.75,0.5\n"

ABOUT = {
    "recipe": "svr_tones",
    "system": "svr",
    "corpus": "tones",
    "protocol": "loso",
    "parameters": 100,
    "commit": "0123abc",
    "date": "2025-01-01",
}


def prediction(reference=0.75, predicted=0.5, **changes) -> AffectPrediction:
    values = {"seed": 0, "fold": "one", "file": "a", "speaker": "s"} | changes
    return AffectPrediction.of(
        **values, reference={"arousal": reference}, predicted={"arousal": predicted}
    )


def made_up(
    *, seeds=(0,), num_speakers=9, takes=6, dimensions=AFFECT, noise=0.15, generator_seed=1
) -> list[AffectPrediction]:
    """A fold per speaker; ratings drawn once, predictions per seed, each speaker with a bias."""
    rated, said = (np.random.default_rng(generator_seed + n) for n in range(2))
    ratings = rated.uniform(0.1, 0.9, (num_speakers, takes, len(dimensions)))
    rows = []
    for seed in seeds:
        biased = ratings + said.normal(0, 0.05, (num_speakers, 1, len(dimensions)))
        predicted = biased + said.normal(0, noise, ratings.shape)
        rows += [
            AffectPrediction.of(
                seed=seed,
                fold=f"{speaker:02d}",
                file=f"tones/{speaker:02d}-{take}",
                speaker=f"tones/{speaker:02d}",
                reference=dict(zip(dimensions, ratings[speaker, take].tolist(), strict=True)),
                predicted=dict(zip(dimensions, predicted[speaker, take].tolist(), strict=True)),
            )
            for speaker in range(num_speakers)
            for take in range(takes)
        ]
    return rows


def both(rows, dimension) -> tuple[list[float], list[float]]:
    return [r.reference[dimension] for r in rows], [r.predicted[dimension] for r in rows]


# Tables


@pytest.mark.parametrize("name", ["predictions.csv", "predictions.csv.gz"])
def test_what_is_written_is_read_back_exactly(tmp_path, name):
    rows = made_up(seeds=(0, 1, "ensemble-2"))
    assert read_affect_predictions(write_affect_predictions(tmp_path / "new" / name, rows)) == rows


names = st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), min_size=1)


@settings(max_examples=25)
@given(
    st.lists(
        st.tuples(names, st.floats(0, 1), st.floats(-3, 3)),
        min_size=1,
        unique_by=lambda drawn: drawn[0],
    )
)
def test_any_name_and_any_value_survive(tmp_path_factory, drawn):
    rows = [prediction(x, y, file=name, fold=name, speaker=name) for name, x, y in drawn]
    path = tmp_path_factory.mktemp("any") / "predictions.csv"
    assert read_affect_predictions(write_affect_predictions(path, rows)) == rows


def test_the_same_rows_give_the_same_bytes_under_any_name(tmp_path):
    rows = made_up()
    first = write_affect_predictions(tmp_path / "first.csv.gz", rows).read_bytes()
    assert first == write_affect_predictions(tmp_path / "second.csv.gz", rows).read_bytes()
    plain = write_affect_predictions(tmp_path / "plain.csv", rows).read_bytes()
    assert gzip.decompress(first) == plain


def test_the_columns_are_those_of_the_results(tmp_path):
    row = AffectPrediction.of(
        seed=0, fold="one", file="a", speaker=None,
        reference={"dominance": 1 / 3, "valence": 0.25, "arousal": 1.0},
        predicted={"valence": -1e-9, "arousal": 1.25, "dominance": 0.5},
    )  # fmt: skip
    path = write_affect_predictions(tmp_path / "p.csv", [row])
    assert path.read_text() == (
        "seed,fold,file,speaker,arousal,valence,dominance,"
        "predicted_arousal,predicted_valence,predicted_dominance\n"
        "0,one,a,,1.000000,0.250000,0.333333,1.250000,0.000000,0.500000\n"
    )


def test_columns_are_found_by_name_and_never_by_place(tmp_path):
    """A table in the order arousal, dominance, valence, as one public model answers."""
    path = tmp_path / "theirs.csv"
    path.write_text(
        "file,predicted_arousal,predicted_dominance,predicted_valence,dominance,valence,arousal,"
        "note,speaker,fold,seed\n"
        "a,0.1,0.2,0.3,0.4,0.5,0.6,good,s,one,0\n"
    )
    (row,) = read_affect_predictions(path)
    assert row.predicted == {"arousal": 0.1, "dominance": 0.2, "valence": 0.3}
    assert row.reference == {"arousal": 0.6, "dominance": 0.4, "valence": 0.5}


def test_a_table_from_elsewhere_may_have_a_byte_order_mark_and_crlf(tmp_path):
    path = tmp_path / "theirs.csv"
    path.write_bytes(b"\xef\xbb\xbf" + (HEADER + ROW).replace("\n", "\r\n").encode() + b"\r\n")
    assert read_affect_predictions(path) == [prediction()]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "the table is empty"),
        (HEADER, "a header and no rows"),
        (HEADER.replace("speaker", "speakers") + ROW, "no column 'speaker'.*rename 'speakers'"),
        (HEADER.replace("fold", "seed") + ROW, "no column 'fold'"),
        (HEADER.replace("_arousal", "_activation") + ROW, "'predicted_activation' is of no dimens"),
        (HEADER.replace("_arousal", "_arousl") + ROW, "did you mean 'predicted_arousal'"),
        (
            HEADER.replace("predicted_", "predict_") + ROW,
            "no column 'predicted_arousal' beside 'arousal'.*rename 'predict_arousal'",
        ),
        (HEADER.replace(",arousal", ",rating") + ROW, "no column 'arousal' beside 'predicted_aro"),
        ("seed,fold,file,speaker\n0,one,a,s\n", "no ratings among seed, fold, file, speaker"),
        (HEADER.replace("speaker", "speaker,speaker") + ROW, "'speaker' occurs twice"),
        (HEADER + ROW + "0,one,b,s,0.5\n", r"row 2 \(line 3\) has 5 cells, the header 6"),
        (HEADER + ROW.replace("one", ""), r"row 1 \(line 2\) has nothing under 'fold'"),
        (HEADER + ROW.replace("0.5", "much"), "predicted_arousal is 'much', not a number"),
        (HEADER + ROW.replace("0.5", "nan"), "predicted_arousal is nan, not a finite number"),
        (HEADER + ROW.replace("0.75", ""), "arousal is '', not a number"),
        (HEADER + ROW.replace("0.75", "4.5"), "arousal is 4.5, not between 0 and 1; ratings are"),
        (HEADER + ROW.replace("0.75", "nan"), "arousal is nan, not between 0 and 1"),
        (HEADER + ROW + ROW, "row 2 .*seed 0 predicts a a second time, first in row 1"),
        (HEADER + '"0"x,one,a,s,0.5,0.5\n', "is not CSV"),
    ],
)
def test_a_malformed_table_is_refused_with_the_row_named(tmp_path, text, complaint):
    path = tmp_path / "predictions.csv"
    path.write_text(text)
    with pytest.raises(PredictionsError, match=complaint) as caught:
        read_affect_predictions(path)
    assert str(path) in str(caught.value)


def test_a_missing_or_damaged_table_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"gone.csv: there is no such table"):
        read_affect_predictions(tmp_path / "gone.csv")
    path = write_affect_predictions(tmp_path / "predictions.csv.gz", made_up())
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(PredictionsError, match=r"not a readable \.csv\.gz"):
        read_affect_predictions(path)


def test_a_failed_write_leaves_the_old_table(tmp_path):
    path = write_affect_predictions(tmp_path / "predictions.csv", [prediction()])
    before = path.read_bytes()
    with pytest.raises(PredictionsError, match="a second time"):
        write_affect_predictions(path, [prediction(), prediction()])
    with pytest.raises(PredictionsError, match="no predictions to write"):
        write_affect_predictions(path, [])
    with pytest.raises(PredictionsError, match="one table has one set of dimensions"):
        write_affect_predictions(path, [prediction(), *made_up()])
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"reference": 1.5}, "a: arousal is 1.5, not between 0 and 1"),
        ({"predicted": math.inf}, "a: predicted_arousal is inf"),
        ({"seed": "7"}, "the seed '7' is text"),
        ({"seed": -1}, "the seed -1 is negative"),
        ({"file": "a\nb"}, "file 'a\\\\nb' holds a line break"),
    ],
)
def test_a_row_that_could_not_be_read_back_is_refused(changes, complaint):
    with pytest.raises(PredictionsError, match=complaint):
        prediction(**changes)


def test_dimensions_that_are_unknown_or_differ_are_refused():
    about = {"seed": 0, "fold": "one", "file": "a", "speaker": "s"}
    with pytest.raises(PredictionsError, match="'activation' is no dimension"):
        AffectPrediction.of(**about, reference={"activation": 0.5}, predicted={"activation": 0.5})
    with pytest.raises(PredictionsError, match=r"rated in \(arousal\) but predicted in \(valence"):
        AffectPrediction.of(**about, reference={"arousal": 0.5}, predicted={"valence": 0.5})


# Scores


def test_pooled_figures_are_those_of_the_whole_table():
    rows = made_up()
    scores = score_affect(rows, draws=10)
    for dimension in AFFECT:
        reference, predicted = both(rows, dimension)
        for name, metric in (("ccc", ccc), ("pearson", pearson), ("rmse", rmse)):
            figure = scores.figures[f"{name}_{dimension}"]
            assert figure.mean == figure.by_seed[0] == metric(reference, predicted)
        theirs = audmetric.concordance_cc(reference, predicted)
        assert scores.figures[f"ccc_{dimension}"].mean == pytest.approx(theirs, abs=1e-12)
    mean = statistics.fmean(scores.figures[f"ccc_{dimension}"].mean for dimension in AFFECT)
    assert scores.figures["ccc_mean"].mean == pytest.approx(mean, abs=1e-15)
    assert (scores.num_utterances, scores.num_speakers) == (54, 9)


def test_seeds_are_averaged_and_folds_stand_beside():
    rows = made_up(seeds=(0, 1, 2))
    scores = score_affect(rows, draws=10)
    figure = scores.figures["ccc_valence"]
    of_seeds = [ccc(*both([r for r in rows if r.seed == seed], "valence")) for seed in (0, 1, 2)]
    assert list(figure.by_seed.values()) == of_seeds
    assert figure.mean == pytest.approx(statistics.mean(of_seeds))
    assert figure.sd == pytest.approx(statistics.stdev(of_seeds))
    of_fold = [
        ccc(*both([r for r in rows if r.seed == seed and r.fold == "03"], "valence"))
        for seed in (0, 1, 2)
    ]
    assert figure.by_fold["03"] == pytest.approx(statistics.mean(of_fold))
    assert figure.fold_mean == pytest.approx(statistics.mean(figure.by_fold.values()))
    assert figure.fold_mean != pytest.approx(figure.mean, abs=1e-4)
    assert scores.speakers_by_fold == dict.fromkeys(scores.folds, 1)
    assert scores.utterances_by_fold == dict.fromkeys(scores.folds, 6)
    assert figure.text == f"{figure.mean:.3f} ± {figure.sd:.3f}"


@pytest.mark.parametrize("metric", ["ccc_mean", "ccc_dominance", "pearson_arousal", "rmse_valence"])
def test_the_interval_agrees_with_a_slow_loop_over_draws(metric):
    """Each draw puts together the rows of the drawn speakers and scores them anew."""
    rows = made_up(seeds=(0, 1), takes=3)
    interval = score_affect(rows, draws=60).figures[metric].interval
    speakers = sorted({row.speaker for row in rows})
    kind, _, dimension = metric.partition("_")
    function = {"ccc": ccc, "pearson": pearson, "rmse": rmse}[kind]
    values = []
    for times in speaker_draws(9, draws=60):
        of_seeds = []
        for seed in (0, 1):
            drawn = [
                row
                for speaker, count in zip(speakers, times, strict=True)
                for row in rows
                if row.seed == seed and row.speaker == speaker
                for _ in range(count)
            ]
            wanted = AFFECT if dimension == "mean" else (dimension,)
            of_seeds.append(statistics.fmean(function(*both(drawn, name)) for name in wanted))
        values.append(statistics.fmean(of_seeds))
    low, high = np.quantile(values, [0.025, 0.975])
    assert (interval.low, interval.high) == pytest.approx((low, high), abs=1e-12)
    assert interval.low < interval.value < interval.high


def test_one_speaker_repeated_gives_width_0():
    (one,) = {row.speaker for row in made_up(num_speakers=1)}
    rows = [
        replace(row, file=f"{row.file}-{n}", speaker=f"{one}-{n}")
        for n in range(10)
        for row in made_up(num_speakers=1)
    ]
    interval = score_affect(rows, draws=50).figures["ccc_mean"].interval
    assert interval.high - interval.low < 1e-12
    assert interval.low == pytest.approx(interval.value)


@settings(max_examples=4)
@given(st.randoms(use_true_random=False))
def test_order_of_rows_does_not_matter(random):
    rows = made_up(seeds=(0, 1), takes=2, dimensions=("valence",))
    shuffled = list(rows)
    random.shuffle(shuffled)
    first, second = (score_affect(table, draws=20) for table in (rows, shuffled))
    for name, figure in first.figures.items():
        other = second.figures[name]
        assert other.mean == pytest.approx(figure.mean, abs=1e-12)
        ends = (figure.interval.low, figure.interval.high)
        assert (other.interval.low, other.interval.high) == pytest.approx(ends, abs=1e-12)


def test_few_or_unknown_speakers_have_no_interval():
    few = score_affect(made_up(num_speakers=7), draws=10).figures["ccc_mean"]
    assert few.interval.text == "7 speakers, no interval"
    assert str(few).endswith("(7 speakers, no interval)")
    rows = [replace(row, speaker="") for row in made_up(num_speakers=9)]
    unknown = score_affect(rows, draws=10).figures["ccc_mean"]
    assert unknown.interval.text == "unknown speakers, no interval"


def test_the_dimensions_of_a_table_decide_the_figures():
    scores = score_affect(made_up(dimensions=("valence", "arousal")), draws=10)
    assert scores.dimensions == ("arousal", "valence")
    assert list(scores.figures) == [
        "ccc_mean", "ccc_arousal", "ccc_valence", "pearson_arousal", "pearson_valence",
        "rmse_arousal", "rmse_valence",
    ]  # fmt: skip
    alone = score_affect(made_up(dimensions=("valence",)), draws=10)
    assert alone.figures["ccc_mean"].mean == alone.figures["ccc_valence"].mean


def test_predictions_outside_the_scale_are_scored_as_they_are_and_clamped_beside():
    ratings, said = [0.0, 0.25, 0.75, 1.0], [-0.5, 0.25, 0.75, 1.5]
    rows = [
        prediction(x, y, file=str(n)) for n, (x, y) in enumerate(zip(ratings, said, strict=True))
    ]
    scores = score_affect(rows, draws=10)
    assert scores.num_outside == {"arousal": 2}
    assert scores.figures["ccc_arousal"].mean == ccc(ratings, said) < 1
    assert scores.clamped["ccc_arousal"] == pytest.approx(1)
    assert scores.clamped["rmse_arousal"] == 0
    mean = f"{scores.figures['ccc_mean'].mean:.3f}"
    assert scores.clamped_text == (
        f"outside [0, 1]: 2 of 4 for arousal; clamped to it, ccc_mean is 1.000 ({mean})"
    )


def test_nothing_is_said_about_clamping_when_no_prediction_lies_outside():
    scores = score_affect([prediction(n / 3, n / 4, file=str(n)) for n in range(4)], draws=10)
    assert (scores.num_outside, scores.clamped, scores.clamped_text) == ({}, {}, "")


def test_constant_predictions_have_concordance_0_and_no_correlation():
    rows = [replace(row, predicted=dict.fromkeys(AFFECT, 0.3)) for row in made_up()]
    scores = score_affect(rows, draws=50)
    assert scores.figures["ccc_mean"].mean == 0
    assert scores.figures["ccc_mean"].interval.text == "[0.000, 0.000]"
    assert math.isnan(scores.figures["pearson_arousal"].mean)
    assert scores.figures["pearson_arousal"].text == "n/a"
    assert scores.figures["pearson_arousal"].interval.text == (
        "not defined in 50 of 50 draws, no interval"
    )


def test_a_fold_of_one_utterance_leaves_the_mean_over_folds_undefined_and_says_so():
    rows = [*made_up(num_speakers=2), prediction(fold="alone", file="alone")]
    rows = [replace(r, reference=dict.fromkeys(("arousal",), r.reference["arousal"]),
                    predicted=dict.fromkeys(("arousal",), r.predicted["arousal"]))
            for r in rows]  # fmt: skip
    figure = score_affect(rows, draws=10).figures["ccc_mean"]
    assert math.isnan(figure.by_fold["alone"])
    assert figure.fold_text == "n/a"
    assert not math.isnan(figure.mean)


def test_incomplete_seeds_and_changed_ratings_are_refused():
    rows = made_up(seeds=(0, 1))
    with pytest.raises(
        PredictionsError, match=r"seeds 0 and 1 .*such as tones/08-5; score complete"
    ):
        score_affect(rows[:-1])
    with pytest.raises(PredictionsError, match="seed 0 predicts tones/00-0 twice"):
        score_affect([*rows, rows[0]])
    changed = replace(rows[-1], reference=rows[0].reference)
    with pytest.raises(
        PredictionsError, match=r"tones/08-5 has reference .* in seed 0 and .* in se"
    ):
        score_affect([*rows[:-1], changed])
    moved = replace(rows[-1], speaker="tones/00")
    with pytest.raises(PredictionsError, match="tones/08-5 has speaker 'tones/08' in seed 0"):
        score_affect([*rows[:-1], moved])
    with pytest.raises(PredictionsError, match="no predictions to score"):
        score_affect([])


def test_permuted_predictions_are_caught_by_the_figure():
    """Ratings shifted by one row: concordance falls to nothing."""
    rows = made_up(num_speakers=12, takes=20, noise=0.05)
    shifted = [
        replace(row, predicted=other.predicted)
        for row, other in zip(rows, [*rows[1:], rows[0]], strict=True)
    ]
    assert score_affect(rows, draws=1).figures["ccc_mean"].mean > 0.9
    assert abs(score_affect(shifted, draws=1).figures["ccc_mean"].mean) < 0.15


# Ensembles and comparison


def test_the_ensemble_is_the_mean_of_the_predictions():
    rows = made_up(seeds=(0, 1, 2))
    together = affect_ensemble(rows)
    assert {row.seed for row in together} == {"ensemble-3"}
    assert [row.file for row in together] == [row.file for row in rows if row.seed == 0]
    said = [row.predicted["valence"] for row in rows if row.file == together[7].file]
    assert together[7].predicted["valence"] == round(statistics.fmean(said), 6)
    assert together[7].reference == rows[7].reference
    with pytest.raises(PredictionsError, match="at least two seeds, the table has only seed 0"):
        affect_ensemble(made_up())
    with pytest.raises(PredictionsError, match="no predictions to put together"):
        affect_ensemble([])


def test_two_systems_are_compared_with_the_same_draws():
    good, poor = made_up(seeds=(0, 1), noise=0.05), made_up(seeds=(0, 1), noise=0.4)
    comparison = compare_affect(good, poor)
    first, second = (score_affect(rows, draws=1).figures["ccc_mean"].mean for rows in (good, poor))
    assert (comparison.first, comparison.second) == pytest.approx((first, second))
    assert comparison.verdict == "better"
    assert compare_affect(poor, good).verdict == "worse"
    assert compare_affect(poor, good).high == pytest.approx(-comparison.low)
    same = compare_affect(good, good)
    assert (same.low, same.high, same.verdict) == (0, 0, "no difference shown")
    one_seed = [row for row in good if row.seed == 0]
    assert compare_affect(one_seed, poor).verdict == "one seed, no claim"
    assert compare_affect(good, poor, "pearson_valence").metric == "pearson_valence"


def test_only_the_same_utterances_by_a_figure_of_which_higher_is_better_are_compared():
    rows = made_up()
    with pytest.raises(ValueError, match=r"by ccc_mean, .* not by 'rmse_arousal'"):
        compare_affect(rows, rows, "rmse_arousal")
    with pytest.raises(ValueError, match="did you mean 'ccc_arousal'"):
        compare_affect(rows, rows, "ccc_arousl")
    with pytest.raises(PredictionsError, match=r"1 differ in presence, rating .* tones/08-5"):
        compare_affect(rows, rows[:-1])
    changed = [*rows[:-1], replace(rows[-1], reference=rows[0].reference)]
    with pytest.raises(PredictionsError, match=r"1 differ in presence, rating .* tones/08-5"):
        compare_affect(rows, changed)
    with pytest.raises(PredictionsError, match="over the same dimensions"):
        compare_affect(rows, made_up(dimensions=("arousal",)))
    with pytest.raises(PredictionsError, match="no predictions to compare"):
        compare_affect(rows, [])


# Results


def test_one_row_per_seed_one_pooled_and_the_ensemble():
    rows = made_up(seeds=(0, 1, 2))
    found = affect_result_rows(
        rows, **ABOUT, train_seconds={0: 10.0, 1: 11.0, 2: 12.04}, split="00ff", draws=50
    )
    assert [row["seed"] for row in found] == [0, 1, 2, "pooled", "ensemble-3"]
    assert all(tuple(row) == AFFECT_RESULT_COLUMNS for row in found)
    *seeds, pooled, together = found
    of_seeds = [row["ccc_mean"] for row in seeds]
    assert pooled["ccc_mean"] == pytest.approx(statistics.mean(of_seeds), abs=1e-4)
    assert pooled["ccc_sd"] == pytest.approx(statistics.stdev(of_seeds), abs=1e-4)
    interval = score_affect(rows, draws=50).figures["ccc_mean"].interval
    assert (pooled["ccc_low"], pooled["ccc_high"]) == pytest.approx(
        (interval.low, interval.high), abs=1e-4
    )
    alone = score_affect(affect_ensemble(rows), draws=1).figures
    assert together["rmse_dominance"] == round(alone["rmse_dominance"].mean, 4)
    assert [row["train_seconds"] for row in found] == [10.0, 11.0, 12.0, 33.0, 33.0]
    assert [row["parameters"] for row in found] == [100] * 4 + [300]
    assert {(row["split"], row["num_utterances"], row["num_speakers"]) for row in found} == {
        ("00ff", 54, 9)
    }
    assert seeds[0]["ccc_sd"] == ""


def test_dimensions_that_were_not_predicted_are_empty_cells():
    found = affect_result_rows(made_up(dimensions=("arousal",)), **ABOUT, train_seconds={}, draws=5)
    assert found[0]["ccc_arousal"] == found[0]["ccc_mean"]
    assert {found[0][f"{name}_valence"] for name in ("ccc", "pearson", "rmse")} == {""}


def test_a_study_may_add_columns_but_not_take_ours():
    rows = made_up(num_speakers=2)
    found = affect_result_rows(rows, **ABOUT, train_seconds={}, extra={"refit": "yes"})
    assert [row["refit"] for row in found] == ["yes", "yes"]
    with pytest.raises(ValueError, match="column 'ccc_mean' is already"):
        affect_result_rows(rows, **ABOUT, train_seconds={}, extra={"ccc_mean": 1.0})


def test_a_table_of_results_shows_what_a_reader_needs(tmp_path):
    three = affect_result_rows(made_up(seeds=(0, 1, 2)), **ABOUT, train_seconds={}, draws=50)
    one = affect_result_rows(
        made_up(num_speakers=4, dimensions=("valence",)), **(ABOUT | {"system": "a|b"}),
        train_seconds={}, extra={"refit": "yes"}, draws=50,
    )  # fmt: skip
    paths = [
        write_results(tmp_path / name, rows) for name, rows in (("a.csv", three), ("b.csv", one))
    ]
    lines = affect_results_table(paths).splitlines()
    assert lines[0] == "### tones, loso (rows with one seed: no difference to them is a difference)"
    pooled, together, other = lines[4:]
    assert f"| svr | svr_tones | 3 | {three[3]['ccc_mean']:.3f} ± " in pooled
    assert f"[{three[3]['ccc_low']:.3f}, {three[3]['ccc_high']:.3f}]" in pooled
    assert f"| {three[3]['rmse_valence']:.3f} |" in pooled
    assert "| ensemble-3 |" in together
    assert "4 speakers, no interval | n/a |" in other
    assert "a\\|b" in other
    assert other.endswith("| refit: yes |")
    assert len({line.replace("\\|", "").count("|") for line in lines[2:]}) == 1


def test_rows_of_different_splits_are_never_in_one_table(tmp_path):
    paths = [
        write_results(
            tmp_path / f"{split}.csv",
            affect_result_rows(made_up(), **ABOUT, train_seconds={}, split=split, draws=5),
        )
        for split in ("00aa", "00bb")
    ]
    titles = [line for line in affect_results_table(paths).splitlines() if line.startswith("#")]
    assert [title.split(" (")[0] for title in titles] == [
        "### tones, loso, split 00aa",
        "### tones, loso, split 00bb",
    ]


def test_results_that_lack_a_column_are_named(tmp_path):
    path = tmp_path / "short.csv"
    path.write_text("recipe,system\na,b\n")
    with pytest.raises(ValueError, match=r"short.csv: row 1 has no column 'corpus'"):
        affect_results_table([path])
