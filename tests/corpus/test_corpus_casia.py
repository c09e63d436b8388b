import hashlib
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from serkit.corpus import (
    Corpus,
    FileNameError,
    MissingCorpusError,
    casia,
    check,
    load,
    protocol,
)

SENTENCES = [str(number) for number in range(201, 251)]


def official() -> Corpus:
    """The 1200 names of the corpus, without files."""
    utterances = [
        casia.parse(Path(f"{speaker}/{folder}/{sentence}.wav"))
        for speaker in casia.SPEAKERS
        for folder in casia.FOLDERS
        for sentence in SENTENCES
    ]
    utterances.sort(key=lambda utterance: utterance.id)
    return Corpus(name="casia", passport=casia.PASSPORT, utterances=tuple(utterances))


@pytest.fixture(scope="module")
def everyone() -> Corpus:
    return official()


@pytest.fixture(scope="module")
def two_emotions(everyone: Corpus) -> Corpus:
    """A third of the names: the cuts by speaker and by sentence are the same in each emotion."""
    return everyone.subset(emotions=("anger", "sadness"))


def folds_elsewhere(seed: str) -> list[dict[str, list[str]]]:
    """The sides of casia-random5 by id, as another process cuts and checks them."""
    code = (
        "import json, sys; sys.path.insert(0, sys.argv[1])\n"
        "from test_corpus_casia import official\n"
        "from serkit.corpus import check, protocol\n"
        "cut = protocol('casia-random5', official())\n"
        "check(cut, audio=False)\n"
        "sides = [fold.sides.items() for fold in cut.folds]\n"
        "print(json.dumps([{s: [u.id for u in side] for s, side in fold} for fold in sides]))"
    )
    there = subprocess.run(
        [sys.executable, "-c", code, str(Path(__file__).parent)],
        capture_output=True, text=True, check=True, env={**os.environ, "PYTHONHASHSEED": seed},
    )  # fmt: skip
    return json.loads(there.stdout)


@pytest.fixture(scope="module")
def random_folds() -> list[dict[str, list[str]]]:
    return folds_elsewhere("0")


def speakers(side) -> set[str]:
    return {(u.speaker or "").removeprefix("casia/") for u in side}


def sentences(side) -> set[str]:
    return {u.sentence or "" for u in side}


def test_a_folder_per_speaker_is_read(tmp_path: Path, tone):
    for name in ("liuchanhg/angry/201", "wangzhe/surprise/250", "zhaoquanyin/neutral/230"):
        tone(tmp_path / f"{name}.wav")
    first, second, third = load("casia", tmp_path).utterances
    assert first.id == "casia/liuchanhg/angry/201"
    assert (first.speaker, first.sex, first.language) == ("casia/liuchanhg", "female", "zh")
    assert (first.sentence, first.emotion()) == ("201", "anger")
    assert (second.sex, second.emotion(), second.sentence) == ("male", "surprise", "250")
    assert third.emotion() == "neutral"


def test_a_folder_per_emotion_is_read_to_the_same_ids(tmp_path: Path, tone):
    for name in ("201-angry-liuchanhg", "250-surprise-wangzhe"):
        tone(tmp_path / "flat" / name.split("-")[1] / f"{name}.wav")
    for name in ("liuchanhg/angry/201", "wangzhe/surprise/250"):
        tone(tmp_path / "deep" / f"{name}.flac")
    flat, deep = (load("casia", tmp_path / kind) for kind in ("flat", "deep"))
    assert [u.id for u in flat.utterances] == [u.id for u in deep.utterances]
    assert [u.ratings for u in flat.utterances] == [u.ratings for u in deep.utterances]


def test_capitals_make_no_second_speaker(tmp_path: Path, tone):
    tone(tmp_path / "ZhaoZuoxiang" / "sad" / "203.wav")
    tone(tmp_path / "zhaozuoxiang" / "sad" / "204.wav")
    tone(tmp_path / "Happy" / "205-happy-ZHAOZUOXIANG.WAV")
    assert load("casia", tmp_path).speakers == ("casia/zhaozuoxiang",)


def test_an_utterance_in_both_layouts_is_read_once_and_said(tmp_path: Path, tone):
    tone(tmp_path / "sad" / "203-sad-wangzhe.wav")
    tone(tmp_path / "wangzhe" / "sad" / "203.wav")
    corpus = load("casia", tmp_path)
    assert len(corpus.utterances) == 1
    assert any("203" in problem and "left out" in problem for problem in corpus.problems)


def test_a_partial_copy_loads_and_says_what_it_lacks(tmp_path: Path, tone):
    tone(tmp_path / "wangzhe" / "sad" / "203.wav")
    tone(tmp_path / "wangzhe" / "sad" / "._203.wav")
    problems = load("casia", tmp_path).problems
    assert "casia: 1 utterances, the passport says 1200" in problems
    assert "casia: 1 utterances of sadness, the passport says 200" in problems


@pytest.mark.parametrize(
    "name",
    ["wangzhe/angry/200.wav", "wangzhe/angry/251.wav", "wangzhe/boredom/201.wav",
     "somebody/angry/201.wav", "201.wav", "angry/201-angry-somebody.wav", "angry/201-angry.wav",
     "sad/201-angry-wangzhe.wav", "wav/03a01Fa.wav"],
)  # fmt: skip
def test_a_wrong_name_gives_an_error_with_the_grammar(name: str):
    with pytest.raises(FileNameError, match=r"the grammar is <speaker>/<emotion>/NNN\.wav or"):
        casia.parse(Path(name))


def test_a_missing_corpus_is_reported_with_the_layout(tmp_path: Path):
    with pytest.raises(MissingCorpusError, match=r"no CASIA here; expected ROOT/<speaker>"):
        load("casia", tmp_path)


def test_the_grammar_makes_exactly_the_passport(everyone: Corpus):
    assert casia.PASSPORT.differences(everyone.utterances) == ()
    assert Counter(Counter(u.sentence for u in everyone.utterances).values()) == {24: 50}
    assert set(Counter(u.speaker for u in everyone.utterances).values()) == {300}


@pytest.mark.parametrize("name", ["casia-loso", "casia-text", "casia-speaker-text"])
def test_every_protocol_keeps_its_claims_and_tests_everything_once(name: str, two_emotions: Corpus):
    cut = protocol(name, two_emotions)
    check(cut, audio=False)
    tested = Counter(u.id for fold in cut.folds for u in fold.test)
    assert tested == Counter(u.id for u in two_emotions.utterances)


def test_a_speaker_is_left_out_and_the_last_ten_sentences_of_the_others_choose(
    two_emotions: Corpus,
):
    cut = protocol("casia-loso", two_emotions)
    assert [fold.name for fold in cut.folds] == sorted(casia.SPEAKERS)
    for fold in cut.folds:
        assert [len(side) for side in fold.sides.values()] == [240, 60, 100]
        assert speakers(fold.test) == {fold.name}
        assert speakers(fold.development) == speakers(fold.train)
        assert sentences(fold.development) == set(SENTENCES[40:])
    assert (cut.independent_speaker, cut.independent_sentence) == (True, False)


def test_ten_sentences_are_left_out_and_the_next_ten_choose(two_emotions: Corpus):
    cut = protocol("casia-text", two_emotions)
    groups = [set(SENTENCES[first : first + 10]) for first in range(0, 50, 10)]
    for number, fold in enumerate(cut.folds):
        assert [len(side) for side in fold.sides.values()] == [240, 80, 80]
        assert sentences(fold.test) == groups[number]
        assert sentences(fold.development) == groups[(number + 1) % 5]
    assert (cut.independent_speaker, cut.independent_sentence) == (False, True)
    assert "speaker-dependent" in cut.labelled


def test_a_cell_of_speaker_and_text_trains_on_neither(two_emotions: Corpus):
    cut = protocol("casia-speaker-text", two_emotions)
    assert len(cut.folds) == 20
    for fold in cut.folds:
        assert [len(side) for side in fold.sides.values()] == [220, 20, 20]
        used = (*fold.train, *fold.development)
        assert not speakers(fold.test) & speakers(used)
        assert not sentences(fold.test) & sentences(used)


def test_the_random_folds_are_stratified(random_folds: list[dict[str, list[str]]]):
    assert len(random_folds) == 5
    for fold in random_folds:
        for side, num in (("train", 144), ("development", 16), ("test", 40)):
            counts = Counter(id.split("/")[2] for id in fold[side])
            assert counts == dict.fromkeys(casia.FOLDERS, num)
    tested = [id for fold in random_folds for id in fold["test"]]
    assert len(tested) == len(set(tested)) == 1200


def test_the_random_folds_are_those_of_the_specification(
    random_folds: list[dict[str, list[str]]], everyone: Corpus
):
    """Rank by SHA-256 within each emotion: rank mod 5 tests, floor(rank / 5) mod 10 = 0 chooses."""
    for number, fold in enumerate(random_folds):
        test, development = set(), set()
        for folder in casia.FOLDERS:
            ids = [u.id for u in everyone.utterances if f"/{folder}/" in u.id]
            ids.sort(key=lambda id: hashlib.sha256(f"casia-random5:{id}".encode()).hexdigest())
            for rank, id in enumerate(ids):
                if rank % 5 == number:
                    test.add(id)
                elif rank // 5 % 10 == 0:
                    development.add(id)
        assert set(fold["test"]) == test
        assert set(fold["development"]) == development


def test_the_random_folds_are_the_same_in_two_processes(
    random_folds: list[dict[str, list[str]]],
):
    assert folds_elsewhere("1") == random_folds


def test_the_random_folds_claim_nothing_and_say_so(everyone: Corpus):
    cut = protocol("casia-random5", everyone.subset(emotions=["anger"]))
    assert cut.labelled.startswith("speaker-dependent, text-dependent")
    assert (cut.independent_speaker, cut.independent_sentence) == (False, False)
