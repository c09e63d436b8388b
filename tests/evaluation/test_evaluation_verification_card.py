import json
import math
from pathlib import Path

import numpy as np
import pytest
import scipy.optimize
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from serkit.corpus import Rating, Utterance, enrolments
from serkit.evaluation import decide, eer, threshold_at
from serkit.evaluation.verification_card import (
    MARGIN,
    UnknownRateError,
    calibrated,
    log_likelihood_ratio,
    prototype,
    threshold_for,
    unit,
    verification_card,
)

EMOTIONS = ("anger", "fear", "joy")


def spoken(id: str, speaker: str | None, emotion: str) -> Utterance:
    return Utterance(
        id=id,
        path=Path("a.wav"),
        speaker=speaker,
        ratings=(Rating(rater="intended", emotion={emotion: 1.0}),),
    )


def made_up(*, speakers=("ann", "bea", "cid"), takes=4, noise=0.6, seed=0):
    generator = np.random.default_rng(seed)
    utterances = [
        spoken(f"tones/{speaker}-{emotion}-{take}", speaker, emotion)
        for speaker in speakers
        for emotion in EMOTIONS
        for take in range(takes)
    ]
    embeddings = np.array(
        [np.eye(5)[EMOTIONS.index(u.emotion())] + noise * generator.normal(size=5)
         for u in utterances]
    )  # fmt: skip
    return embeddings.astype(np.float32), utterances


def by_loops(embeddings, utterances, num):
    """The card's trials, one after another."""
    vector = {u.id: v / np.linalg.norm(v) for u, v in
              zip(utterances, embeddings.astype(np.float64), strict=True)}  # fmt: skip
    scores, targets = [], []
    for speaker in sorted({u.speaker for u in utterances}):
        others = enrolments(u for u in utterances if u.speaker != speaker)
        for probe in (u for u in utterances if u.speaker == speaker):
            for emotion, members in others.items():
                mean = np.mean([vector[m.id] for m in members[:num]], axis=0)
                scores.append(vector[probe.id] @ mean / np.linalg.norm(mean))
                targets.append(probe.emotion() == emotion)
    return np.array(scores), np.array(targets)


def test_a_card_says_what_trials_against_other_speakers_say():
    embeddings, utterances = made_up()
    card = verification_card(embeddings, utterances)
    assert card["scored_on"] == ["ann", "bea", "cid"]
    assert card["same_speaker"] is False
    assert list(card["num_enrolled"]) == ["1", "3", "5"]  # there are 8 of each to enrol, not 10
    for num, figures in card["num_enrolled"].items():
        scores, targets = by_loops(embeddings, utterances, int(num))
        rate = eer(scores, targets)
        assert figures["num_trials"] == len(scores) == 36 * 3
        assert figures["num_targets"] == targets.sum() == 36
        assert figures["eer"] == pytest.approx(rate.value)
        assert figures["threshold_eer"] == pytest.approx(rate.threshold)
        for share in (0.01, 0.05, 0.1):
            threshold = threshold_at(scores, targets, false_acceptance=share)
            expected = threshold if math.isfinite(threshold) else scores[~targets].max() + MARGIN
            assert figures["thresholds"][f"{share:g}"] == pytest.approx(expected)


def test_more_enrolled_utterances_err_less_often_on_noisy_embeddings():
    embeddings, utterances = made_up(speakers=tuple("abcdefgh"), noise=0.7)
    card = verification_card(embeddings, utterances)["num_enrolled"]
    assert card["10"]["eer"] < card["1"]["eer"]


def test_lengths_of_embeddings_and_the_order_of_utterances_do_not_matter():
    embeddings, utterances = made_up()
    card = verification_card(embeddings, utterances)
    order = np.random.default_rng(1).permutation(len(utterances))
    other = verification_card(
        embeddings[order] * np.linspace(0.5, 2, len(order))[:, None].astype(np.float32),
        [utterances[place] for place in order],
    )
    assert other["num_enrolled"]["3"]["eer"] == pytest.approx(card["num_enrolled"]["3"]["eer"])
    assert other["num_enrolled"]["3"]["thresholds"] == pytest.approx(
        card["num_enrolled"]["3"]["thresholds"], abs=1e-6
    )


def test_the_probes_own_speaker_is_never_enrolled():
    """Each speaker has a direction of their own: enrolled from anybody else, nothing is alike."""
    utterances = [
        spoken(f"{speaker}-{emotion}", speaker, emotion)
        for speaker in ("ann", "bea") for emotion in EMOTIONS
    ]  # fmt: skip
    directions = np.repeat(np.eye(2), 3, axis=0)
    card = verification_card(directions, utterances)
    for figures in card["num_enrolled"].values():
        assert figures["threshold_eer"] == pytest.approx(MARGIN)  # every score is 0
        assert figures["calibration"] == {"slope": 0.0, "offset": 0.0}


def test_one_speaker_is_tried_against_their_own_other_utterances_and_the_card_says_so():
    embeddings, utterances = made_up(speakers=("ann",), takes=2, noise=0.0)
    card = verification_card(embeddings, utterances)
    assert card["same_speaker"] is True
    assert card["scored_on"] == ["ann"]
    assert card["num_enrolled"]["1"]["eer"] == 0.0
    # six probes against three emotions; nobody is tried against themselves
    assert card["num_enrolled"]["1"]["num_trials"] == 18
    alone = [spoken(f"ann-{e}", "ann", e) for e in EMOTIONS]
    # each emotion has one utterance, so a probe's own is never enrolled: there are no targets
    assert verification_card(np.eye(3), alone) == {}


def test_utterances_of_unknown_speakers_are_taken_for_one_speakers():
    embeddings, utterances = made_up(speakers=(None,))
    card = verification_card(embeddings, utterances)
    assert (card["scored_on"], card["same_speaker"]) == (["unknown"], True)


def test_an_emotion_that_nobody_else_shows_is_left_out():
    embeddings, utterances = made_up(speakers=("ann", "bea"))
    kept = [n for n, u in enumerate(utterances) if u.speaker == "ann" or u.emotion() != "joy"]
    card = verification_card(embeddings[kept], [utterances[n] for n in kept])
    # ann's 12 probes meet bea's two emotions, bea's 8 meet ann's three
    assert card["num_enrolled"]["1"]["num_trials"] == 12 * 2 + 8 * 3
    assert card["num_enrolled"]["1"]["num_targets"] == 8 + 8


def test_a_card_without_targets_or_without_others_is_empty():
    one_emotion = [spoken(name, name, "anger") for name in "ab"]
    assert verification_card(np.eye(2), one_emotion) == {}
    no_target = [spoken("a", "a", "anger"), spoken("b", "b", "fear")]
    assert verification_card(np.eye(2), no_target) == {}
    assert verification_card(np.zeros((0, 4)), []) == {}


def test_a_card_is_json_even_where_no_score_separates():
    _, utterances = made_up()
    card = verification_card(np.ones((len(utterances), 4)), utterances)
    assert json.loads(json.dumps(card, allow_nan=False)) == card
    assert card["num_enrolled"]["1"]["thresholds"]["0.01"] == pytest.approx(1 + MARGIN)


@settings(max_examples=30)
@given(seed=st.integers(0, 10_000), share=st.sampled_from([0.01, 0.05, 0.1]))
def test_a_threshold_keeps_to_its_rate_on_its_own_trials(seed, share):
    embeddings, utterances = made_up(seed=seed, noise=1.0)
    card = verification_card(embeddings, utterances)
    for num in (1, 3, 5):
        scores, targets = by_loops(embeddings, utterances, num)
        # by another order of the same sums a score may be off by a rounding
        threshold = threshold_for(card, num, share) + 1e-12
        assert decide(scores, targets, threshold=threshold).false_acceptance <= share


@pytest.mark.parametrize(
    ("embeddings", "message"),
    [
        (np.eye(3), "3 embeddings of 2 development utterances"),
        (np.array([[1.0, 0.0], [np.nan, 1.0]]), "embedding of b holds a value"),
    ],
)
def test_embeddings_that_do_not_fit_are_refused(embeddings, message):
    with pytest.raises(ValueError, match=message):
        verification_card(embeddings, [spoken("a", "a", "anger"), spoken("b", "b", "fear")])


# Calibration


def test_calibration_is_a_weighted_logistic_regression():
    generator = np.random.default_rng(0)
    targets = np.arange(400) % 8 == 0
    scores = generator.normal(size=400) * 0.2 + 0.4 * targets
    slope, offset = calibrated(scores, targets)
    num, others = targets.sum(), (~targets).sum()
    # scikit-learn takes no soft targets: each trial stands there twice, with the weight of each
    soft = np.where(targets, (num + 1) / (num + 2), 1 / (others + 2))
    weight = np.where(targets, 1 / num, 1 / others)
    theirs = LogisticRegression(C=np.inf, solver="newton-cholesky", tol=1e-12).fit(
        np.concatenate([scores, scores])[:, None],
        np.concatenate([np.ones(400), np.zeros(400)]),
        sample_weight=np.concatenate([weight * soft, weight * (1 - soft)]) * 200,
    )
    assert slope == pytest.approx(theirs.coef_.item(), rel=1e-5)
    assert offset == pytest.approx(theirs.intercept_.item(), rel=1e-5, abs=1e-6)


@settings(max_examples=60)
@given(
    targets=st.lists(st.floats(-1, 1), min_size=1, max_size=12),
    others=st.lists(st.floats(-1, 1), min_size=1, max_size=12),
)
def test_no_other_line_with_a_rising_slope_is_better(targets, others):
    scores = np.array(targets + others)
    assume(scores.std() > 1e-3)
    truth = np.arange(len(scores)) < len(targets)
    soft = np.where(truth, (truth.sum() + 1) / (truth.sum() + 2), 1 / ((~truth).sum() + 2))
    weight = np.where(truth, 1 / truth.sum(), 1 / (~truth).sum())

    def loss(line):
        odds = scores * line[0] + line[1]
        return float(weight @ (np.logaddexp(0, odds) - soft * odds))

    line = calibrated(scores, truth)
    assert np.isfinite(line).all()
    found = scipy.optimize.minimize(loss, [0.0, 0.0])
    if line[0] > 0:
        assert loss(line) <= found.fun + 1e-6
    else:
        assert line == (0.0, 0.0)
        assert found.x[0] <= 1e-3


def test_scores_with_normal_distributions_get_their_true_odds():
    """Means 0 and 1, deviation 1/2: log-likelihood ratio 4 score - 2."""
    generator = np.random.default_rng(0)
    truth = np.arange(40_000) % 5 == 0
    scores = generator.normal(size=40_000) / 2 + truth
    assert calibrated(scores, truth) == pytest.approx((4, -2), rel=0.03)


def test_scores_apart_by_far_have_a_finite_line():
    scores = np.concatenate([np.full(50, -1.0), np.full(3, 1.0)])
    slope, offset = calibrated(scores, scores > 0)
    # two points: the line goes through the log-odds of Platt's values, 4/5 and 1/52
    assert slope + offset == pytest.approx(math.log(4))
    assert offset - slope == pytest.approx(-math.log(51))


# Reading a card

CARD = {
    "scored_on": ["ann"],
    "num_enrolled": {
        "1": {"thresholds": {"0.01": 0.8, "0.1": 0.5},
              "calibration": {"slope": 10.0, "offset": -5.0}},
        "5": {"thresholds": {"0.01": 0.9, "0.1": 0.6},
              "calibration": {"slope": 20.0, "offset": -12.0}},
    },
}  # fmt: skip


@pytest.mark.parametrize(
    ("num", "threshold", "odds"), [(1, 0.8, 3), (4, 0.8, 3), (5, 0.9, 4), (99, 0.9, 4)]
)
def test_the_nearest_number_not_above_is_used(num, threshold, odds):
    assert threshold_for(CARD, num, 0.01) == threshold
    assert log_likelihood_ratio(CARD, num, 0.8) == pytest.approx(odds)
    assert threshold_for(CARD, num, 0.1) < threshold


def test_an_unknown_rate_lists_those_there_are():
    with pytest.raises(UnknownRateError, match=r"rate of 0\.02; there are those for 0\.01, 0\.1"):
        threshold_for(CARD, 1, 0.02)
    assert UnknownRateError.is_usage


def test_an_empty_card_says_why_and_what_to_do():
    with pytest.raises(ValueError, match=r"no development trials.*--refit-full.*train it without"):
        threshold_for({}, 3, 0.05)
    with pytest.raises(ValueError, match="no development trials"):
        log_likelihood_ratio({}, 3, 0.5)


def test_nothing_is_decided_without_an_enrolled_utterance():
    with pytest.raises(ValueError, match="0 enrolled utterances; at least one"):
        threshold_for(CARD, 0, 0.01)


def test_a_prototype_does_not_depend_on_the_lengths_of_its_vectors():
    vectors = np.random.default_rng(0).normal(size=(5, 7))
    scaled = vectors * np.arange(1, 6)[:, None]
    np.testing.assert_allclose(prototype(scaled), prototype(vectors))
    assert np.linalg.norm(prototype(vectors)) == pytest.approx(1)
    expected = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).mean(axis=0)
    np.testing.assert_allclose(prototype(vectors), expected / np.linalg.norm(expected))
    assert unit(np.zeros((2, 3))).tolist() == [[0.0] * 3] * 2
