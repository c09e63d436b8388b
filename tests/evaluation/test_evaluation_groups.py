import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from serkit.corpus import Utterance
from serkit.evaluation import Confusion, Prediction, PredictionsError, score, speaker_bootstrap, uar
from serkit.evaluation.groups import age_band, by_group, groups_of

EMOTIONS = ("anger", "neutral", "sadness")


def group_of(rows: list[Prediction]) -> dict[str, str]:
    """Speakers 00, 02, ... are women, the others men."""
    return {r.file: "men" if int(r.speaker[-2:]) % 2 else "women" for r in rows}


def answering(rows: list[Prediction], is_right) -> list[Prediction]:
    """The same utterances, right where the function says so, else heard as the next emotion."""
    answers = []
    for row in rows:
        place = (EMOTIONS.index(row.emotion) + (not is_right(row))) % 3
        told = [float(e == EMOTIONS[place]) for e in EMOTIONS]
        answers.append(
            replace(
                row,
                predicted=EMOTIONS[place],
                probabilities=dict(zip(EMOTIONS, told, strict=True)),
            )
        )
    return answers


def test_each_group_is_scored_as_if_it_were_alone(make_rows):
    rows = make_rows(seeds=(0, 1), num_speakers=20)
    found = by_group(rows, group_of(rows), draws=300)
    for group in found.groups:
        own = [row for row in rows if group_of(rows)[row.file] == group.name]
        alone = score(own, draws=300)
        assert group.interval == alone.figures["uar"].interval
        assert (group.num_utterances, group.num_speakers) == (90, 10)
        assert group.absent == ()
    assert found.groups[0].interval.value < found.groups[1].interval.value
    assert found.gap.worst == found.groups[0].name
    assert found.gap.value == pytest.approx(
        found.groups[1].interval.value - found.groups[0].interval.value
    )


@pytest.mark.parametrize("metric", ["war", "macro_f1", "weighted_f1"])
def test_other_figures_are_given_by_group_too(make_rows, metric):
    rows = make_rows(num_speakers=20)
    women = next(g for g in by_group(rows, group_of(rows), metric).groups if g.name == "women")
    own = [row for row in rows if group_of(rows)[row.file] == "women"]
    assert women.interval == score(own).figures[metric].interval


def test_a_gap_that_is_there_is_claimed_and_one_that_is_not_is_not(make_rows):
    rows = make_rows(num_speakers=20, takes=4)
    take = {row.file: int(row.file[-1]) for row in rows}
    men = {file for file, name in group_of(rows).items() if name == "men"}
    unfair = answering(rows, lambda r: take[r.file] < (2 if r.file in men else 3))
    gap = by_group(unfair, group_of(rows)).gap
    assert (gap.best, gap.worst, gap.value) == ("women", "men", 0.25)
    assert gap.low == gap.high == pytest.approx(0.25)  # speakers of one group are all alike
    assert gap.verdict == "men is heard worse than women"
    fair = answering(rows, lambda r: (take[r.file] + int(r.speaker[-2:]) // 2) % 4 < 3)
    gap = by_group(fair, group_of(rows)).gap
    assert gap.value == pytest.approx(0.0)
    assert gap.verdict == "no gap shown"


def test_a_gap_by_chance_is_rarely_claimed():
    """Twenty-four speakers who differ, split into groups at random: about 1 in 20 claims."""
    generator = np.random.default_rng(0)
    claims = 0
    for _ in range(20):
        rows = []
        for number in range(24):
            chance = generator.beta(4, 2)
            for take in range(12):
                right = generator.random() < chance
                told = [1.0, 0.0] if right == (take % 2 == 0) else [0.0, 1.0]
                rows.append(
                    Prediction.of(
                        seed=0, fold="one", file=f"{number:02d}-{take}", speaker=f"{number:02d}",
                        emotion=("anger", "sadness")[take % 2], emotions=("anger", "sadness"),
                        probabilities=told,
                    )
                )  # fmt: skip
        gap = by_group(rows, group_of(rows), draws=200).gap
        claims += gap.verdict != "no gap shown"
    assert claims <= 3


def test_a_speaker_of_two_groups_is_drawn_once_for_both(make_rows):
    """Speakers differ much, but each is heard a little worse in the second language."""
    rows = make_rows(num_speakers=12, takes=8)
    languages = {row.file: "danish" if int(row.file[-1]) < 4 else "english" for row in rows}

    def is_right(row: Prediction) -> bool:
        known = (1, 4)[int(row.speaker[-2:]) % 2]  # takes of four that are right
        return int(row.file[-1]) % 4 < known - (languages[row.file] == "english")

    found = by_group(answering(rows, is_right), languages)
    worse, better = (group.interval for group in found.groups)
    assert worse.high > better.low
    assert found.gap.low == found.gap.high == pytest.approx(0.25)
    assert found.gap.verdict == "english is heard worse than danish"


def test_groups_with_other_emotions_are_compared_over_those_they_share(make_rows):
    """Men are never sad here; over all they have, they look better than women, who are not."""
    rows = [
        row
        for row in make_rows(num_speakers=20)
        if not (row.emotion == "sadness" and int(row.speaker[-2:]) % 2)
    ]
    heard = answering(rows, lambda r: r.emotion == "neutral")
    found = by_group(heard, group_of(rows))
    values = {group.name: group.interval.value for group in found.groups}
    assert values == pytest.approx({"women": 1 / 3, "men": 1 / 2})
    assert [group.absent for group in found.groups] == [(), ("sadness",)]
    assert found.groups[1].text.startswith("0.500† [")
    assert found.gap.emotions == ("anger", "neutral")
    assert found.gap.value == pytest.approx(0.0)


def test_small_groups_are_shown_without_interval_and_the_gap_says_why(make_rows):
    rows = make_rows(num_speakers=11)
    gap = by_group(rows, group_of(rows)).gap
    assert not math.isnan(gap.value)
    assert (gap.low, gap.high) == (None, None)
    assert "men: 5 speakers, no interval" in gap.text
    assert "women: 6 speakers, no interval" in gap.verdict


def test_more_groups_widen_the_interval_of_the_gap(make_rows):
    """The pair is picked after looking, so three groups are asked for more than two."""
    rows = make_rows(num_speakers=27)
    three = {row.file: "abc"[int(row.speaker[-2:]) % 3] for row in rows}
    gap = by_group(rows, three).gap
    pair = {file: name for file, name in three.items() if name in (gap.best, gap.worst)}
    narrower = by_group([r for r in rows if r.file in pair], pair).gap
    assert (narrower.best, narrower.worst) == (gap.best, gap.worst)
    assert narrower.value == pytest.approx(gap.value)
    assert gap.low < narrower.low < narrower.high < gap.high


def test_utterances_without_a_group_are_shown_last_and_enter_no_gap(make_rows):
    rows = make_rows(num_speakers=24)
    known = {file: name for file, name in group_of(rows).items() if file > "tones/04"}
    wrong = answering(rows, lambda r: r.file in known)
    found = by_group(wrong, known | {rows[0].file: ""})
    assert [group.name for group in found.groups] == ["men", "women", "unknown"]
    assert found.groups[-1].interval.value == 0.0
    assert found.gap.value == 0.0
    only_men = {file: name for file, name in known.items() if name == "men"}
    assert by_group(rows, only_men).gap.text == "one group, no gap"


def test_groups_without_a_common_emotion_have_no_gap(make_rows):
    rows = make_rows()
    found = by_group(rows, {row.file: row.emotion for row in rows})
    assert found.gap.text == "no emotion is in every group, no gap"


def test_tables_without_rows_or_without_groups_are_refused(make_rows):
    rows = make_rows()
    with pytest.raises(PredictionsError, match="no predictions to score by group"):
        by_group([], {})
    with pytest.raises(PredictionsError, match=r"none of the 81 .* such as tones/00-anger-0"):
        by_group(rows, {"03a01Fa.wav": "men"})
    with pytest.raises(ValueError, match="did you mean 'uar'"):
        by_group(rows, group_of(rows), "uars")


def test_the_order_of_rows_does_not_matter(make_rows):
    rows = make_rows(seeds=(0, 1), num_speakers=20)
    turned = [*reversed(rows[:180]), *rows[180:]]
    assert by_group(rows, group_of(rows), draws=50) == by_group(turned, group_of(rows), draws=50)


def test_groups_come_from_what_a_corpus_knows_of_its_speakers():
    people = [
        Utterance(id="a", path=Path("a.wav"), sex="female", age=9.0, language="da"),
        Utterance(id="b", path=Path("b.wav"), sex="male", age=30.0),
        Utterance(id="c", path=Path("c.wav")),
    ]
    assert groups_of(people, "sex") == {"a": "female", "b": "male"}
    assert groups_of(people, "language") == {"a": "da"}
    assert groups_of(people, "age") == {"a": "under 18", "b": "30 to 44"}
    assert groups_of(people, "age", age_bands=(10.0, 40.0)) == {"a": "under 10", "b": "10 to 39"}
    with pytest.raises(ValueError, match="by sex, age or language, not by 'height'"):
        groups_of(people, "height")


def test_an_age_on_the_edge_of_a_band_begins_it():
    assert age_band(18.0) == age_band(29.9) == "18 to 29"
    assert age_band(60.0) == "60 and over"


def test_one_group_of_everybody_is_the_whole(make_rows):
    rows = make_rows()
    (everybody,) = by_group(rows, dict.fromkeys((row.file for row in rows), "all")).groups
    whole = Confusion.of([r.emotion for r in rows], [r.predicted for r in rows], EMOTIONS)
    assert everybody.interval.value == pytest.approx(uar(whole))
    assert everybody.interval == speaker_bootstrap(score(rows, draws=1).by_speaker[0])
