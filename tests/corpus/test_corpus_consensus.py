from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serkit.corpus import (
    AFFECT,
    EMOTIONS,
    Corpus,
    Rating,
    UnknownRaterError,
    Utterance,
    load,
    majority,
    mean_affect,
    protocol,
    rater_weights,
    soft_labels,
    weighted_affect,
)
from serkit.corpus.consensus import people

heard = st.lists(st.sampled_from(EMOTIONS[:4]), max_size=7)
values = st.floats(0, 1)


def ratings(emotions: list[str]) -> list[Rating]:
    return [Rating(rater=str(n), emotion={e: 1.0}) for n, e in enumerate(emotions)]


def rated(affect: Mapping[str, float | None], number: int = 0) -> Utterance:
    """An utterance with the arousal that each rater gave."""
    return Utterance(
        id=f"mine/{number}",
        path=Path(f"{number}.wav"),
        ratings=tuple(
            Rating(rater=rater, affect={"arousal": value})
            for rater, value in affect.items()
            if value is not None
        ),
    )


def columns(raters: Mapping[str, list[float | None]]) -> list[Utterance]:
    length = len(next(iter(raters.values())))
    return [rated({r: v[n] for r, v in raters.items()}, n) for n in range(length)]


def test_most_raters_decide_and_a_tie_decides_nothing():
    assert majority(ratings(["fear", "anger", "fear"])) == "fear"
    assert majority(ratings(["fear", "anger", "sadness", "fear"])) == "fear"
    assert majority(ratings(["fear", "anger"])) is None
    assert majority(ratings(["fear", "anger", "fear", "anger", "sadness"])) is None
    assert majority([]) is None
    assert majority([Rating(rater="a", affect={"arousal": 0.5})]) is None


def test_shares_count_as_shares():
    undecided = Rating(rater="a", emotion={"fear": 0.5, "anger": 0.5})
    assert majority([undecided]) is None
    assert majority([undecided, *ratings(["fear"])]) == "fear"
    assert soft_labels([undecided, *ratings(["fear"])]) == {"anger": 0.25, "fear": 0.75}


def test_thirds_that_add_up_to_the_same_are_a_tie():
    split = [Rating(rater=str(n), emotion={"anger": 1 / 3, "fear": 2 / 3}) for n in range(3)]
    split += [Rating(rater=str(n), emotion={"anger": 2 / 3, "fear": 1 / 3}) for n in range(3, 6)]
    assert majority(split) is None


@given(heard)
def test_soft_labels_are_a_distribution_in_the_canonical_order(emotions: list[str]):
    shares = soft_labels(ratings(emotions))
    assert list(shares) == [e for e in EMOTIONS if e in emotions]
    assert all(shares[e] == pytest.approx(emotions.count(e) / len(emotions)) for e in shares)
    assert sum(shares.values()) == pytest.approx(1.0 if emotions else 0.0)


@given(heard)
def test_the_majority_is_the_one_emotion_heard_most(emotions: list[str]):
    most = max((emotions.count(e) for e in emotions), default=0)
    top = {e for e in emotions if emotions.count(e) == most}
    assert majority(ratings(emotions)) == (top.pop() if len(top) == 1 else None)


@given(heard, st.randoms())
def test_the_order_of_raters_does_not_matter(emotions: list[str], random):
    shuffled = ratings(emotions)
    random.shuffle(shuffled)
    assert majority(shuffled) == majority(ratings(emotions))
    assert soft_labels(shuffled) == pytest.approx(soft_labels(ratings(emotions)))


def test_a_mean_is_over_those_who_rated_the_dimension():
    mean = mean_affect([
        Rating(rater="a", affect={"dominance": 1.0, "arousal": 0.25}),
        Rating(rater="b", affect={"arousal": 0.75}),
        Rating(rater="c", emotion={"anger": 1.0}),
    ])  # fmt: skip
    assert mean == {"arousal": 0.5, "dominance": 1.0}
    assert list(mean) == ["arousal", "dominance"]
    assert mean_affect([]) == {}


def test_intention_votes_and_consensus_are_nobody():
    names = ("intended", "consensus", "majority", "voice_vote", "weighted", "anna")
    assert [r.rater for r in people(Rating(rater=name) for name in names)] == ["anna"]


def test_a_weight_is_the_correlation_with_the_mean_of_all():
    raters: dict[str, list[float | None]] = {
        "a": [0.0, 0.2, 0.9, 1.0], "b": [0.1, 0.4, 0.6, 0.7], "c": [0.5, 0.1, 0.7, 0.4]
    }  # fmt: skip
    mean = np.mean([*raters.values()], axis=0)
    weights = rater_weights(columns(raters))
    assert set(weights) == {"arousal"}
    for rater, given_values in raters.items():
        expected = np.corrcoef(np.array(given_values, dtype=float), mean)[0, 1]
        assert weights["arousal"][rater] == pytest.approx(expected)


def test_who_contradicts_the_others_or_never_varies_has_no_weight():
    weights = rater_weights(
        columns({"a": [0.0, 0.5, 1.0], "b": [0.1, 0.5, 0.9], "against": [0.9, 0.5, 0.4],
                 "still": [0.5, 0.5, 0.5]})
    )["arousal"]  # fmt: skip
    assert weights["against"] == weights["still"] == 0
    assert weights["a"] == pytest.approx(1, abs=0.01)


def test_who_always_rated_alone_has_no_weight_but_keeps_the_say():
    utterances = columns({"a": [0.0, 0.5, None], "b": [0.1, 0.9, None], "alone": [None, None, 0.3]})
    assert rater_weights(utterances)["arousal"]["alone"] == 0
    assert weighted_affect(utterances)[2].affect("weighted") == {"arousal": 0.3}


def test_the_weighted_mean_by_hand():
    (utterance,) = weighted_affect(
        [rated({"a": 0.2, "b": 0.8})], weights={"arousal": {"a": 0.9, "b": 0.3}}
    )
    assert utterance.affect("weighted")["arousal"] == pytest.approx((0.18 + 0.24) / 1.2)


def test_a_weighted_rating_is_added_once_and_the_others_are_kept():
    before = replace(
        rated({"a": 0.2, "b": 0.8}),
        ratings=(
            *rated({"a": 0.2, "b": 0.8}).ratings,
            Rating(rater="intended", emotion={"anger": 1.0}),
        ),
    )
    once = weighted_affect([before])
    assert once[0].ratings[:-1] == before.ratings
    assert weighted_affect(once) == once
    nobody = Utterance(id="mine/x", path=Path("x.wav"))
    assert weighted_affect([nobody]) == (nobody,)


@given(st.lists(st.lists(values, min_size=3, max_size=3), min_size=2, max_size=8))
def test_weighted_affect_stays_between_the_lowest_and_the_highest(rows: list[list[float]]):
    utterances = [rated(dict(zip("abc", row, strict=True)), n) for n, row in enumerate(rows)]
    weights = rater_weights(utterances)
    assert all(0 <= weight <= 1 for weight in weights["arousal"].values())
    for utterance, row in zip(weighted_affect(utterances), rows, strict=True):
        value = utterance.affect("weighted")["arousal"]
        assert min(row) - 1e-9 <= value <= max(row) + 1e-9


@given(st.lists(st.lists(values, min_size=3, max_size=3), min_size=1, max_size=5))
def test_equal_trust_gives_the_plain_mean(rows: list[list[float]]):
    utterances = [rated(dict(zip("abc", row, strict=True)), n) for n, row in enumerate(rows)]
    weights = {"arousal": dict.fromkeys("abc", 0.7)}
    for utterance in weighted_affect(utterances, weights=weights):
        assert utterance.affect("weighted") == pytest.approx(mean_affect(people(utterance.ratings)))


@pytest.fixture
def three() -> Corpus:
    """Three utterances; anna and ben disagree on the second, ben did not rate the third."""
    both = [("anger", "anger"), ("fear", "anger"), ("fear", None)]
    return Corpus(
        name="mine",
        utterances=tuple(
            Utterance(
                id=f"mine/{number}",
                path=Path(f"{number}.wav"),
                speaker=f"mine/{number}",
                ratings=tuple(
                    Rating(rater=rater, emotion={emotion: 1.0}, affect={"arousal": 0.5})
                    for rater, emotion in (("anna", anna), ("ben", ben))
                    if emotion is not None
                ),
            )
            for number, (anna, ben) in enumerate(both)
        ),
    )


def test_labels_are_those_of_the_rater_chosen(three: Corpus):
    assert three.raters == ("anna", "ben")
    assert three.rater is None
    anna, ben = three.rated_by("anna"), three.rated_by("ben")
    assert (anna.rater, ben.rater) == ("anna", "ben")
    assert [u.emotion() for u in anna.utterances] == ["anger", "fear", "fear"]
    assert [u.emotion() for u in ben.utterances] == ["anger", "anger", None]
    assert ben.utterances[2].affect() == {}
    assert ben.emotions == ("anger",)
    assert ben.raters == ("ben",)


def test_a_protocol_cuts_by_the_rater_chosen(three: Corpus):
    cut = protocol("loso", three.rated_by("anna"))
    assert cut.labelled.endswith("; labels by anna")
    assert "labels by" not in protocol("loso", three).labelled
    assert sorted(fold.test[0].emotion() or "" for fold in cut.folds) == ["anger", "fear", "fear"]


def test_a_tied_vote_is_no_label_but_its_affect_is_kept():
    tied = Rating(rater="vote", emotion={"anger": 0.5, "fear": 0.5}, affect={"arousal": 1.0})
    only = replace(tied, affect={})
    utterances = tuple(
        Utterance(id=f"mine/{n}", path=Path("x.wav"), ratings=(rating,))
        for n, rating in enumerate((tied, only))
    )
    first, second = Corpus(name="mine", utterances=utterances).rated_by("vote").utterances
    assert (first.emotion(), first.affect()) == (None, {"arousal": 1.0})
    assert second.ratings == ()


def test_an_unknown_rater_is_refused_with_those_there_are(three: Corpus):
    with pytest.raises(UnknownRaterError, match=r"'ana'.*who did: anna, ben; did you mean anna\?"):
        three.rated_by("ana")
    with pytest.raises(UnknownRaterError, match=r"who did: anna$"):
        three.rated_by("anna").rated_by("x")
    with pytest.raises(UnknownRaterError, match="who did: nobody"):
        Corpus(name="empty").rated_by("anna")


@pytest.mark.corpora
def test_trust_in_the_raters_of_emotale(corpora_root: Path):
    corpus = load("emotale", corpora_root / "emotale")
    weights = rater_weights(corpus.utterances)
    assert list(weights) == list(AFFECT)
    assert min(weights["dominance"], key=weights["dominance"].__getitem__) == "annotator2"
    weighted = replace(corpus, utterances=weighted_affect(corpus.utterances)).rated_by("weighted")
    apart = [
        abs(one.affect()["dominance"] - other.affect()["dominance"])
        for one, other in zip(weighted.utterances, corpus.utterances, strict=True)
    ]
    assert 0 < max(apart) < 0.05
