import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serkit.corpus import Corpus, Rating, Utterance, load
from serkit.evaluation.agreement import Level, agreement, krippendorff_alpha

MISSING = np.nan

KRIPPENDORFF_C = np.array([
    [1, 2, 3, 3, 2, 1, 4, 1, 2, MISSING, MISSING, MISSING],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, MISSING, 3],
    [MISSING, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, MISSING],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, MISSING],
])  # fmt: skip
"""Example C of Krippendorff, "Computing Krippendorff's Alpha-Reliability", 2011."""

levels = st.sampled_from(["nominal", "ordinal", "interval"])
tables = st.integers(1, 6).flatmap(
    lambda length: st.lists(
        st.lists(st.sampled_from([0.0, 0.5, 1.0, 3.0, MISSING]), min_size=length, max_size=length),
        min_size=1,
        max_size=4,
    )
)


def letters(text: str) -> list[float]:
    return [float(ord(letter)) for letter in text.split()]


def by_pairs(table: np.ndarray, level: Level) -> float:
    """Alpha as it is defined: every pair of values, one by one."""
    units = [[v for v in column if not math.isnan(v)] for column in table.T]
    units = [unit for unit in units if len(unit) > 1]
    everything = [v for unit in units for v in unit]

    def apart(x: float, y: float) -> float:
        if level == "nominal":
            return float(x != y)
        if level == "interval":
            return (x - y) ** 2
        low, high = min(x, y), max(x, y)
        between = sum(low <= v <= high for v in everything)
        return (between - (everything.count(x) + everything.count(y)) / 2) ** 2

    def disagreement(values: list[float]) -> float:
        number = len(values)
        pairs = [(i, j) for i in range(number) for j in range(number) if i != j]
        return sum(apart(values[i], values[j]) for i, j in pairs) / (number - 1)

    if not everything:
        return math.nan
    expected = disagreement(everything) / len(everything)
    if expected == 0:
        return math.nan
    return 1 - sum(map(disagreement, units)) / len(everything) / expected


def corpus(raters: Mapping[str, list[Rating | None]]) -> Corpus:
    length = len(next(iter(raters.values())))
    return Corpus(
        name="mine",
        utterances=tuple(
            Utterance(
                id=f"mine/{n}",
                path=Path(f"{n}.wav"),
                ratings=tuple(r for given in raters.values() if (r := given[n]) is not None),
            )
            for n in range(length)
        ),
    )


def heard(rater: str, emotions: str) -> list[Rating | None]:
    names = {"a": "anger", "f": "fear", "n": "neutral"}
    return [
        None if letter == "-" else Rating(rater=rater, emotion={names[letter]: 1.0})
        for letter in emotions
    ]


def felt(rater: str, arousal: list[float]) -> list[Rating | None]:
    return [Rating(rater=rater, affect={"arousal": value}) for value in arousal]


def test_two_raters_and_two_names_as_in_the_paper():
    meg, owen = [0, 1, 0, 0, 0, 0, 0, 0, 1, 0], [1, 1, 1, 0, 0, 1, 0, 0, 0, 0]
    assert krippendorff_alpha(np.array([meg, owen]), level="nominal") == pytest.approx(
        1 - 19 * 4 / (14 * 6), abs=1e-12
    )
    assert round(krippendorff_alpha(np.array([meg, owen]), level="nominal"), 3) == 0.095


def test_two_raters_and_five_names_as_in_the_paper():
    table = np.array([letters("a a b b d c c c e d d a"), letters("b a b b b c c c e d d d")])
    assert round(krippendorff_alpha(table, level="nominal"), 3) == 0.692


@pytest.mark.parametrize(
    ("level", "alpha"), [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849)]
)
def test_four_raters_with_gaps_as_in_the_paper(level: Level, alpha: float):
    assert round(krippendorff_alpha(KRIPPENDORFF_C, level=level), 3) == alpha


@given(tables, levels)
def test_alpha_is_what_the_pairs_give_one_by_one(rows: list[list[float]], level: Level):
    table = np.array(rows)
    assert krippendorff_alpha(table, level=level) == pytest.approx(
        by_pairs(table, level), abs=1e-9, nan_ok=True
    )


@given(tables, levels, st.randoms())
def test_the_order_of_raters_and_utterances_does_not_matter(
    rows: list[list[float]], level: Level, random
):
    table = np.array(rows)
    order = list(range(table.shape[1]))
    random.shuffle(order)
    random.shuffle(rows)
    assert krippendorff_alpha(np.array(rows)[:, order], level=level) == pytest.approx(
        krippendorff_alpha(table, level=level), nan_ok=True
    )


@given(tables)
def test_a_scale_moves_and_stretches_without_changing_alpha(rows: list[list[float]]):
    table = np.array(rows)
    assert krippendorff_alpha(1e3 + 4 * table) == pytest.approx(
        krippendorff_alpha(table), abs=1e-6, nan_ok=True
    )


def test_ranks_do_not_mind_how_far_apart_values_are():
    table = KRIPPENDORFF_C
    assert krippendorff_alpha(table**3, level="ordinal") == pytest.approx(
        krippendorff_alpha(table, level="ordinal")
    )
    assert krippendorff_alpha(table**3) != pytest.approx(krippendorff_alpha(table))


@pytest.mark.parametrize("level", ["nominal", "ordinal", "interval"])
def test_full_agreement_is_1_and_where_nothing_varies_nan(level: Level):
    assert krippendorff_alpha(np.array([[0, 1, 2], [0, 1, 2]]), level=level) == 1
    assert math.isnan(krippendorff_alpha(np.array([[1, 1], [1, 1]]), level=level))
    assert math.isnan(krippendorff_alpha(np.array([[0.0, 1.0, 2.0]]), level=level))
    assert math.isnan(krippendorff_alpha(np.array([[1, MISSING], [MISSING, 1]]), level=level))
    assert math.isnan(krippendorff_alpha(np.zeros((2, 0)), level=level))


def test_raters_who_guess_agree_by_chance():
    generator = np.random.default_rng(0)
    guessed = generator.integers(0, 4, (3, 4000))
    assert krippendorff_alpha(guessed, level="nominal") == pytest.approx(0, abs=0.03)


def test_the_emotions_of_two_raters_by_hand():
    found = agreement(
        corpus({"anna": heard("anna", "aaf-"), "ben": heard("ben", "affn")}), fewest=3
    )
    assert found.raters == ("anna", "ben")
    assert found.num_ratings == {1: 1, 2: 3}
    assert found.affect == {}
    assert found.emotion is not None
    assert (found.emotion.num_raters, found.emotion.num_utterances) == (2, 3)
    (pair,) = found.emotion.pairs
    assert (pair.first, pair.second, pair.num_shared) == ("anna", "ben", 3)
    assert pair.value == found.emotion.mean == pytest.approx(2 / 3)
    # three pairs, one of them differs; of 6 values 3 are anger and 3 fear
    assert found.emotion.alpha == pytest.approx(1 - (2 / 6) / (18 / 30))


def test_the_affect_of_each_pair_is_correlated():
    given_values = {"a": [0.0, 0.2, 0.9, 1.0], "b": [0.1, 0.4, 0.6, 0.7], "c": [0.9, 0.7, 0.1, 0.0]}
    found = agreement(corpus({r: felt(r, v) for r, v in given_values.items()}), fewest=4)
    arousal = found.affect["arousal"]
    for pair in arousal.pairs:
        expected = np.corrcoef(given_values[pair.first], given_values[pair.second])[0, 1]
        assert pair.value == pytest.approx(expected)
    assert [(pair.first, pair.second) for pair in arousal.pairs] == [
        ("a", "b"), ("a", "c"), ("b", "c")
    ]  # fmt: skip
    numbers = [pair.value for pair in arousal.pairs]
    assert arousal.mean == pytest.approx(np.mean(numbers))
    assert arousal.range == (min(numbers), max(numbers))
    assert arousal.alpha == krippendorff_alpha(np.array([*given_values.values()]))
    assert found.emotion is None
    assert "arousal: alpha" in str(found)


def test_what_is_nobodys_rating_does_not_count():
    raters = {name: heard(name, "afa") for name in ("anna", "ben", "intended", "majority")}
    assert agreement(corpus(raters), fewest=2).raters == ("anna", "ben")


def test_a_rater_who_could_not_decide_gave_no_emotion():
    undecided: list[Rating | None] = [
        Rating(rater="ben", emotion={"anger": 0.5, "fear": 0.5}), *heard("ben", "fa")
    ]  # fmt: skip
    found = agreement(corpus({"anna": heard("anna", "afa"), "ben": undecided}), fewest=2).emotion
    assert found is not None
    assert found.num_utterances == 2


def test_pairs_that_share_little_are_not_given_but_count_for_alpha():
    found = agreement(corpus({"anna": heard("anna", "afaf"), "ben": heard("ben", "af--")}))
    assert found.emotion is not None
    assert found.emotion.pairs == ()
    assert math.isnan(found.emotion.mean)
    assert math.isnan(found.emotion.range[0])
    assert found.emotion.alpha == 1


def test_without_two_persons_there_is_no_agreement_to_measure():
    with pytest.raises(ValueError, match=r"no utterance of mine was rated by two.*by anna$"):
        agreement(corpus({"anna": heard("anna", "af")}))
    with pytest.raises(ValueError, match="at least 2 utterances, not 1"):
        agreement(corpus({"anna": heard("anna", "af")}), fewest=1)


@pytest.mark.corpora
def test_the_raters_of_emotale_agree_as_published(corpora_root: Path):
    found = agreement(load("emotale", corpora_root / "emotale"))
    assert found.num_ratings == {3: 800}
    for dimension, low, high in (
        ("arousal", 0.71, 0.76), ("valence", 0.68, 0.76), ("dominance", 0.52, 0.73)
    ):  # fmt: skip
        assert found.affect[dimension].range == pytest.approx((low, high), abs=0.005)
