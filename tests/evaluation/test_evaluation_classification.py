import math

import audmetric
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    f1_score,
    precision_score,
    recall_score,
)

from serkit.evaluation import (
    METRICS,
    Confusion,
    f1,
    macro_f1,
    macro_precision,
    marked,
    precision,
    recall,
    top,
    uar,
    war,
    weighted_f1,
)

EMOTIONS = ("anger", "neutral", "sadness")

# Counted by hand: anger 3 right of 4, neutral 1 of 2, sadness 0 of 2.
REFERENCE = ["anger", "anger", "anger", "anger", "neutral", "neutral", "sadness", "sadness"]
PREDICTED = ["anger", "anger", "anger", "neutral", "neutral", "anger", "anger", "neutral"]

emotion = st.sampled_from(EMOTIONS)
FIGURES = (uar, war, macro_f1, weighted_f1, macro_precision)
pairs = st.lists(st.tuples(emotion, emotion), min_size=1, max_size=30)


def split(answers: list[tuple[str, str]]) -> tuple[list[str], list[str]]:
    return [reference for reference, _ in answers], [predicted for _, predicted in answers]


def same(a: float, b: float) -> bool:
    return (math.isnan(a) and math.isnan(b)) or a == pytest.approx(b)


def test_a_confusion_counted_by_hand():
    confusion = Confusion.of(REFERENCE, PREDICTED, EMOTIONS)
    assert confusion.counts.tolist() == [[3, 1, 0], [1, 1, 0], [1, 1, 0]]
    assert confusion.num_utterances == 8
    assert confusion.absent == ()
    assert confusion.by_row.tolist() == [[0.75, 0.25, 0], [0.5, 0.5, 0], [0.5, 0.5, 0]]
    assert uar(confusion) == pytest.approx((3 / 4 + 1 / 2 + 0) / 3)
    assert war(confusion) == 4 / 8
    assert macro_f1(confusion) == pytest.approx((6 / 9 + 2 / 5 + 0) / 3)
    assert weighted_f1(confusion) == pytest.approx((4 * 6 / 9 + 2 * 2 / 5 + 2 * 0) / 8)
    assert macro_precision(confusion) == pytest.approx((3 / 5 + 1 / 3 + 0) / 3)
    assert recall(confusion) == {"anger": 0.75, "neutral": 0.5, "sadness": 0.0}
    assert f1(confusion) == pytest.approx({"anger": 6 / 9, "neutral": 2 / 5, "sadness": 0.0})
    heard = precision(confusion)
    assert (heard["anger"], heard["neutral"]) == (3 / 5, 1 / 3)
    assert math.isnan(heard["sadness"])


def test_figures_take_two_sequences_or_a_confusion():
    confusion = Confusion.of(REFERENCE, PREDICTED, EMOTIONS)
    for figure in FIGURES:
        assert figure(REFERENCE, PREDICTED, EMOTIONS) == figure(confusion)


def test_agreement_with_scikit_learn_and_audmetric_when_all_emotions_occur():
    labels = list(EMOTIONS)
    generator = np.random.default_rng(3)
    for _ in range(50):
        reference = [*labels, *generator.choice(labels, 40)]
        predicted = [*generator.permutation(labels), *generator.choice(labels, 40)]
        confusion = Confusion.of(reference, predicted, EMOTIONS)
        assert uar(confusion) == pytest.approx(balanced_accuracy_score(reference, predicted))
        assert war(confusion) == pytest.approx(accuracy_score(reference, predicted))
        assert macro_f1(confusion) == pytest.approx(f1_score(reference, predicted, average="macro"))
        assert weighted_f1(confusion) == pytest.approx(
            f1_score(reference, predicted, average="weighted")
        )
        assert list(recall(confusion).values()) == pytest.approx(
            recall_score(reference, predicted, average=None, labels=labels).tolist()
        )
        assert macro_precision(confusion) == pytest.approx(
            precision_score(reference, predicted, average="macro")
        )
        assert macro_precision(confusion) == pytest.approx(
            audmetric.unweighted_average_precision(reference, predicted, labels=labels)
        )
        assert list(precision(confusion).values()) == pytest.approx(
            precision_score(reference, predicted, average=None, labels=labels).tolist()
        )
        assert uar(confusion) == pytest.approx(
            audmetric.unweighted_average_recall(reference, predicted, labels=labels)
        )
        assert war(confusion) == pytest.approx(
            audmetric.accuracy(reference, predicted, labels=labels)
        )
        assert macro_f1(confusion) == pytest.approx(
            audmetric.unweighted_average_fscore(reference, predicted, labels=labels)
        )
        assert confusion.counts.tolist() == audmetric.confusion_matrix(
            reference, predicted, labels=labels
        )


def test_an_emotion_that_is_only_predicted_is_not_a_recall_of_zero():
    """The difference from scikit-learn's macro recall that ``uar`` documents."""
    reference, predicted = ["anger", "anger", "neutral"], ["anger", "sadness", "neutral"]
    theirs = recall_score(reference, predicted, average="macro", zero_division=0)
    assert theirs == pytest.approx((1 / 2 + 1 + 0) / 3)
    assert math.isnan(uar(reference, predicted, EMOTIONS))
    assert uar(reference, predicted, EMOTIONS, absent="skip") == pytest.approx((1 / 2 + 1) / 2)
    assert math.isnan(recall(Confusion.of(reference, predicted, EMOTIONS))["sadness"])


def test_macro_f1_counts_an_emotion_that_is_only_predicted_and_skips_one_on_neither_side():
    only_predicted = Confusion.of(["anger", "neutral"], ["sadness", "neutral"], EMOTIONS)
    assert macro_f1(only_predicted) == pytest.approx((0 + 1 + 0) / 3)
    on_neither_side = Confusion.of(["anger", "neutral"], ["neutral", "neutral"], EMOTIONS)
    assert math.isnan(macro_f1(on_neither_side))
    assert macro_f1(on_neither_side, absent="skip") == pytest.approx((0 + 2 / 3) / 2)


def test_macro_precision_counts_an_emotion_that_is_never_predicted_as_zero():
    never_predicted = Confusion.of(["anger", "neutral"], ["anger", "anger"], EMOTIONS)
    assert math.isnan(macro_precision(never_predicted))  # nobody rated or heard sadness
    assert macro_precision(never_predicted, absent="skip") == pytest.approx((1 / 2 + 0) / 2)
    labels = list(EMOTIONS)
    theirs = precision_score(
        ["anger", "neutral", "sadness"], ["anger"] * 3, average="macro", labels=labels,
        zero_division=0,
    )  # fmt: skip
    assert macro_precision(["anger", "neutral", "sadness"], ["anger"] * 3, labels) == theirs


def test_weighted_f1_gives_no_weight_to_an_absent_emotion():
    reference, predicted = ["anger", "neutral"], ["sadness", "neutral"]
    for absent in ("nan", "skip"):
        assert weighted_f1(reference, predicted, EMOTIONS, absent=absent) == pytest.approx(1 / 2)
    theirs = f1_score(reference, predicted, average="weighted", labels=list(EMOTIONS))
    assert weighted_f1(reference, predicted, EMOTIONS) == pytest.approx(theirs)


def test_every_figure_by_name_is_the_function_of_that_name():
    generator = np.random.default_rng(5)
    counts = generator.integers(0, 9, (4, 2, 3, 3))
    functions = {function.__name__: function for function in FIGURES}
    assert functions.keys() == METRICS.keys()
    for name, function in functions.items():
        many = METRICS[name](counts, "skip")
        assert many.shape == (4, 2)
        one = function(Confusion(emotions=EMOTIONS, counts=counts[3, 1]), absent="skip")
        assert many[3, 1] == pytest.approx(one)


def test_an_absent_emotion_is_named_and_daggered():
    confusion = Confusion.of(["anger", "neutral"], ["anger", "neutral"], EMOTIONS)
    assert confusion.absent == ("sadness",)
    assert marked(uar(confusion, absent="skip"), confusion.absent) == "1.000†"
    assert marked(uar(confusion)) == "n/a"


def test_nothing_at_all_has_no_figure():
    nothing = Confusion.empty(EMOTIONS)
    for figure in FIGURES:
        assert math.isnan(figure(nothing, absent="nan"))
        assert math.isnan(figure(nothing, absent="skip"))


def test_a_tie_goes_to_the_lower_index():
    assert top([0.2, 0.4, 0.4], EMOTIONS) == "neutral"
    assert top(np.array([0.5, 0.5, 0.0]), EMOTIONS) == "anger"


@given(pairs, st.randoms(use_true_random=False))
def test_order_of_utterances_does_not_matter(answers, random):
    shuffled = random.sample(answers, len(answers))
    assert Confusion.of(*split(answers), EMOTIONS) == Confusion.of(*split(shuffled), EMOTIONS)


@given(pairs, st.integers(0, 30))
def test_a_test_set_may_be_scored_in_parts(answers, cut):
    parts = [
        Confusion.of(*split(part), EMOTIONS) for part in (answers[:cut], answers[cut:]) if part
    ]
    assert sum(parts, start=Confusion.empty(EMOTIONS)) == Confusion.of(*split(answers), EMOTIONS)


@given(pairs)
def test_every_figure_is_between_0_and_1_or_says_it_is_not_defined(answers):
    confusion = Confusion.of(*split(answers), EMOTIONS)
    for figure in FIGURES:
        assert 0.0 <= figure(confusion, absent="skip") <= 1.0
        value = figure(confusion)
        assert math.isnan(value) or 0.0 <= value <= 1.0
    assert math.isnan(uar(confusion)) == bool(confusion.absent)


@given(st.lists(emotion, min_size=1))
def test_identical_ratings_score_best(reference):
    for figure in FIGURES:
        assert figure(reference, reference, EMOTIONS, absent="skip") == 1.0


@given(pairs, st.permutations(EMOTIONS))
def test_names_of_emotions_do_not_matter(answers, names):
    renamed = dict(zip(EMOTIONS, names, strict=True))
    reference, predicted = split(answers)
    for figure in FIGURES:
        for absent in ("nan", "skip"):
            assert same(
                figure(reference, predicted, EMOTIONS, absent=absent),
                figure(
                    [renamed[e] for e in reference],
                    [renamed[e] for e in predicted],
                    EMOTIONS,
                    absent=absent,
                ),
            )


@given(pairs)
def test_f1_is_the_harmonic_mean_of_precision_and_recall(answers):
    confusion = Confusion.of(*split(answers), EMOTIONS)
    sure, found, both = precision(confusion), recall(confusion), f1(confusion)
    for name in EMOTIONS:
        if sure[name] > 0 and found[name] > 0:
            assert both[name] == pytest.approx(2 / (1 / sure[name] + 1 / found[name]))


def test_a_confusion_cannot_be_changed_from_outside():
    counts = np.eye(2, dtype=np.int64)
    confusion = Confusion(emotions=("anger", "sadness"), counts=counts)
    counts[0, 0] = 9
    assert confusion.counts[0, 0] == 1
    with pytest.raises(ValueError, match="read-only"):
        confusion.counts[0, 0] = 9


def test_an_emotion_outside_the_scheme_is_named_with_the_nearest():
    with pytest.raises(ValueError, match=r"predicted emotion 'angre' of utterance 1.*'anger'"):
        Confusion.of(["anger", "anger"], ["anger", "angre"], EMOTIONS)


def test_sequences_of_different_length_are_refused():
    with pytest.raises(ValueError, match="2 reference emotions but 1 predicted"):
        Confusion.of(["anger", "anger"], ["anger"], EMOTIONS)


def test_confusions_of_different_schemes_do_not_add():
    with pytest.raises(ValueError, match=r"\(anger, neutral, sadness\) and \(anger, sadness\)"):
        Confusion.empty(EMOTIONS) + Confusion.empty(("anger", "sadness"))


def test_malformed_confusions_are_refused():
    with pytest.raises(ValueError, match="twice in the scheme"):
        Confusion.empty(["anger", "anger"])
    with pytest.raises(ValueError, match="negative counts"):
        Confusion(emotions=("anger", "sadness"), counts=np.array([[1, -1], [0, 0]]))
    with pytest.raises(ValueError, match=r"shape \(2, 2\) do not fit 3 emotions"):
        Confusion(emotions=EMOTIONS, counts=np.eye(2, dtype=np.int64))


def test_a_figure_called_with_too_little_or_too_much_says_what_it_wants():
    with pytest.raises(ValueError, match="give a Confusion, or reference emotions"):
        uar(["anger"])
    with pytest.raises(ValueError, match="neither predicted emotions nor a scheme"):
        uar(Confusion.empty(EMOTIONS), ["anger"], EMOTIONS)
    with pytest.raises(ValueError, match="2 probabilities for 3 emotions"):
        top([0.5, 0.5], EMOTIONS)
    with pytest.raises(ValueError, match="no most probable emotion"):
        top([math.nan, 0.5, 0.5], EMOTIONS)
