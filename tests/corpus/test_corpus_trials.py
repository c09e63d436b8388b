import hashlib
import subprocess
import sys
from collections import Counter, defaultdict
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serkit.corpus import (
    Rating,
    Utterance,
    enrolled_trials,
    enrolments,
    load,
    pairwise_trials,
    protocol,
)


def utterance(name: str, emotion: str | None, speaker: str | None = "s1") -> Utterance:
    ratings = () if emotion is None else (Rating(rater="intended", emotion={emotion: 1.0}),)
    return Utterance(id=name, path=Path(f"{name}.wav"), speaker=speaker, ratings=ratings)


def corpus(counts: dict[str, int], num_speakers: int = 3) -> list[Utterance]:
    """So many utterances of each emotion, dealt to the speakers in turn."""
    labels = [emotion for emotion, count in counts.items() for _ in range(count)]
    return [
        utterance(f"own/{number:03d}", emotion, f"own/s{number % num_speakers}")
        for number, emotion in enumerate(labels)
    ]


UNEVEN = {"anger": 7, "neutral": 4, "sadness": 2}


@given(st.integers(2, 12))
def test_n_utterances_give_n_times_n_minus_1_halves_pairs(number):
    trials = pairwise_trials(corpus({"anger": number}))
    assert len(trials) == number * (number - 1) // 2
    assert len({(trial.enrolment, trial.probe) for trial in trials}) == len(trials)
    assert all(trial.enrolment < trial.probe for trial in trials)


def test_a_pair_is_a_target_when_both_have_the_same_emotion():
    people = [utterance("a", "anger"), utterance("b", "sadness", "s2"), utterance("c", "anger")]
    trials = pairwise_trials(people)
    assert [(t.enrolment, t.probe, t.speaker, t.is_target) for t in trials] == [
        ("a", "b", "s2", False),
        ("a", "c", "s1", True),
        ("b", "c", "s1", False),
    ]


def mass(people, trials) -> dict[tuple[bool, frozenset[str]], float]:
    emotion = {person.id: person.emotion() for person in people}
    found: dict[tuple[bool, frozenset[str]], float] = defaultdict(float)
    for trial in trials:
        pair = frozenset((emotion[trial.enrolment], emotion[trial.probe]))
        found[trial.is_target, pair] += trial.weight
    return found


@pytest.mark.parametrize("pairs", ["all", "same-speaker", "different-speaker"])
@pytest.mark.parametrize("at_most", [None, 40])
def test_every_emotion_has_equal_target_mass_and_every_pair_of_emotions_equal_non_target_mass(
    pairs, at_most
):
    people = corpus(UNEVEN)
    found = mass(people, pairwise_trials(people, pairs=pairs, at_most=at_most))
    targets = [value for (is_target, _), value in found.items() if is_target]
    others = [value for (is_target, _), value in found.items() if not is_target]
    assert targets == pytest.approx([1 / len(targets)] * len(targets))
    assert others == pytest.approx([1 / 3] * 3)


def test_unbalanced_trials_weigh_1():
    assert {t.weight for t in pairwise_trials(corpus(UNEVEN), balanced=False)} == {1.0}


def test_the_split_by_speaker_is_a_partition():
    people = corpus(UNEVEN)
    speaker = {person.id: person.speaker for person in people}
    keys = {}
    for pairs in ("all", "same-speaker", "different-speaker"):
        trials = pairwise_trials(people, pairs=pairs)
        keys[pairs] = {(trial.enrolment, trial.probe) for trial in trials}
    assert keys["same-speaker"] | keys["different-speaker"] == keys["all"]
    assert not keys["same-speaker"] & keys["different-speaker"]
    assert all(speaker[first] == speaker[second] for first, second in keys["same-speaker"])


def test_a_split_by_speaker_needs_speakers():
    people = [utterance("a", "anger"), utterance("b", "anger", None)]
    assert len(pairwise_trials(people)) == 1
    with pytest.raises(ValueError, match="b: pairs are split by speaker, but its speaker is unkno"):
        pairwise_trials(people, pairs="same-speaker")


@settings(max_examples=20)
@given(st.randoms(use_true_random=False))
def test_order_of_utterances_does_not_matter(random):
    people = corpus(UNEVEN)
    shuffled = list(people)
    random.shuffle(shuffled)
    assert pairwise_trials(shuffled, at_most=20) == pairwise_trials(people, at_most=20)
    half = len(people) // 2
    enrolled = enrolments(people[:half], num_enrolled=2, emotions=["anger"])
    random.shuffle(shuffled)
    train = [person for person in shuffled if person in people[:half]]
    assert enrolments(train, num_enrolled=2, emotions=["anger"]) == enrolled


def test_a_subset_is_the_first_by_sha_256_of_both_ids():
    people = corpus(UNEVEN)
    every = pairwise_trials(people, balanced=False)

    def digest(trial):
        return hashlib.sha256(f"{trial.enrolment}\n{trial.probe}".encode()).hexdigest()

    few = pairwise_trials(people, at_most=9, balanced=False)
    assert set(few) == set(sorted(every, key=digest)[:9])
    assert few == [trial for trial in every if trial in few]
    assert pairwise_trials(people, at_most=20_000, balanced=False) == every
    with pytest.raises(ValueError, match="at_most is 0"):
        pairwise_trials(people, at_most=0)


def test_a_subset_is_the_same_in_another_process():
    """With another seed of Python's own hash, which must play no part."""
    program = (
        "from serkit.corpus import load, pairwise_trials\n"
        "trials = pairwise_trials(load('excerpt').utterances, at_most=3)\n"
        "print([(t.enrolment, t.probe) for t in trials])\n"
    )
    expected = str(
        [(t.enrolment, t.probe) for t in pairwise_trials(load("excerpt").utterances, at_most=3)]
    )
    answer = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True,
        env={"PYTHONHASHSEED": "7"},
    )  # fmt: skip
    assert answer.stdout.strip() == expected


def test_enrolled_trials_are_one_per_emotion_and_one_of_them_a_target():
    people = corpus(UNEVEN)
    fold_train, fold_test = people[::2], people[1::2]
    enrolled = enrolments(fold_train)
    trials = enrolled_trials(enrolled, fold_test)
    assert list(enrolled) == ["anger", "neutral", "sadness"]
    assert Counter(trial.probe for trial in trials) == {person.id: 3 for person in fold_test}
    targets = {trial.probe: trial.enrolment for trial in trials if trial.is_target}
    assert targets == {person.id: person.emotion() for person in fold_test}
    assert {trial.weight for trial in trials} == {1.0}


def test_balanced_enrolled_trials_have_equal_target_mass_per_emotion():
    people = corpus(UNEVEN)
    trials = enrolled_trials(enrolments(people[::2]), people[1::2], balanced=True)
    targets: dict[str, float] = defaultdict(float)
    others: dict[tuple[str, str], float] = defaultdict(float)
    emotion = {person.id: person.emotion() for person in people}
    for trial in trials:
        if trial.is_target:
            targets[trial.enrolment] += trial.weight
        else:
            others[emotion[trial.probe], trial.enrolment] += trial.weight
    assert list(targets.values()) == pytest.approx([1 / 3] * 3)
    assert list(others.values()) == pytest.approx([1 / 6] * 6)


def test_enrolling_more_keeps_those_already_enrolled():
    people = corpus({"anger": 12, "sadness": 12})
    sets = {k: enrolments(people, num_enrolled=k) for k in (1, 3, 5, 10)}
    for fewer, more in ((1, 3), (3, 5), (5, 10)):
        for emotion in ("anger", "sadness"):
            assert sets[more][emotion][:fewer] == sets[fewer][emotion]
            assert len(sets[more][emotion]) == more
    ids = [person.id for person in enrolments(people)["anger"]]
    assert ids == sorted(ids, key=lambda i: hashlib.sha256(f"enrolment:{i}".encode()).hexdigest())


def test_an_emotion_that_cannot_be_enrolled_is_named():
    people = corpus(UNEVEN)
    with pytest.raises(
        ValueError, match=r"sadness is to be enrolled from 3 .* there are 2; .*\(7\)"
    ):
        enrolments(people, num_enrolled=3)
    with pytest.raises(
        ValueError, match="fear is to be enrolled from its utterances, but there ar"
    ):
        enrolments(people, emotions=["fear"])
    with pytest.raises(ValueError, match="num_enrolled is 0"):
        enrolments(people, num_enrolled=0)


def test_a_new_emotion_alone_is_tried_on_every_probe():
    people = corpus(UNEVEN)
    trials = enrolled_trials({"sadness": people[-1:]}, people[:-1])
    assert len(trials) == len(people) - 1
    assert sum(trial.is_target for trial in trials) == 1


def test_a_probe_that_is_enrolled_is_refused():
    people = corpus(UNEVEN)
    with pytest.raises(ValueError, match="own/000 is enrolled for anger and tried as a probe"):
        enrolled_trials(enrolments(people), people[:2])


def test_utterances_without_emotion_or_twice_are_refused():
    for make in (pairwise_trials, enrolments, lambda some: enrolled_trials({}, some)):
        with pytest.raises(ValueError, match="b has no emotion, so no trial"):
            make([utterance("a", "anger"), utterance("b", None)])
        with pytest.raises(ValueError, match="a occurs twice"):
            make([utterance("a", "anger"), utterance("a", "anger")])


def test_no_test_utterance_is_enrolled_under_any_fold():
    for fold in protocol("excerpt-5pairs", load("excerpt")).folds:
        enrolled = enrolments(fold.train)
        ids = {member.id for members in enrolled.values() for member in members}
        assert not ids & {trial.probe for trial in enrolled_trials(enrolled, fold.test)}
        assert len(ids) == len(fold.train)
