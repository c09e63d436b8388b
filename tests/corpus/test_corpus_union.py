"""Several corpora as one, and the protocols that are fixed for such a union."""

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from serkit.corpus import (
    CORPORA,
    Corpus,
    LeakError,
    MissingCorpusError,
    Rating,
    Utterance,
    check,
    default_protocol,
    join,
    joint_passport,
    load,
    protocol,
    protocol_names,
)
from serkit.corpus.protocol import FOLDER
from serkit.corpus.union import PROTOCOLS, heard_passport

SIX = ("anger", "disgust", "fear", "happiness", "neutral", "sadness")


def spoken(corpus: str, speaker: str, emotion: str, sentence: str | None = None) -> Utterance:
    return Utterance(
        id=f"{corpus}/{speaker}-{emotion}-{sentence}",
        path=Path(f"{corpus}-{speaker}-{emotion}-{sentence}.wav"),
        speaker=f"{corpus}/{speaker}",
        sentence=sentence,
        ratings=(Rating(rater="intended", emotion={emotion: 1.0}),),
    )


def complete(name: str) -> Corpus:
    """Every speaker of a corpus in each of its emotions, without recordings."""
    speakers = {
        "emodb": ["03", "08", "09", "10", "11", "12", "13", "14", "15", "16"],
        "ravdess": [f"{number:02d}" for number in range(1, 25)],
        "emotale": ["001", *(f"{number:03d}" for number in range(3, 20))],
    }[name]
    passport = CORPORA[name].PASSPORT
    utterances = [
        spoken(name, speaker, emotion, "01")
        for speaker in speakers
        for emotion in passport.emotions
    ]
    return Corpus(name=name, passport=passport, utterances=tuple(utterances))


@pytest.fixture(scope="module")
def both() -> Corpus:
    return join([complete("emodb"), complete("ravdess")])


def test_a_union_holds_everything_once_in_the_order_of_ids(both: Corpus):
    assert both.name == "emodb+ravdess"
    assert len(both.speakers) == 34
    ids = [utterance.id for utterance in both.utterances]
    assert ids == sorted(set(ids))
    assert len(ids) == 10 * 7 + 24 * 8


def test_equal_keys_of_two_corpora_are_not_one_sentence(both: Corpus):
    assert {utterance.sentence for utterance in both.utterances} == {"emodb/01", "ravdess/01"}
    assert join([both, Corpus(name="own")]).utterances[0].sentence == "emodb+ravdess/emodb/01"


def test_nothing_is_mapped_or_left_out_by_joining(both: Corpus):
    assert set(both.emotions) == {*SIX, "boredom", "calm", "surprise"}


def test_the_passport_of_a_union_lists_each_licence_and_adds_the_counts(both: Corpus):
    passport = both.passport
    assert passport is not None
    assert passport.licence == "emodb: CC BY 4.0; ravdess: CC BY-NC-SA 4.0"
    assert passport.num_utterances == 535 + 1440
    assert passport.emotions["anger"] == 127 + 192
    assert sum(passport.emotions.values()) == passport.num_utterances
    assert passport.language == "de, en"


def test_a_union_with_own_data_has_no_passport(both: Corpus):
    assert join([both, Corpus(name="own")]).passport is None


def test_the_same_corpus_twice_is_no_union(both: Corpus):
    with pytest.raises(ValueError, match=r"each once, not emodb, emodb"):
        _ = join([complete("emodb"), complete("emodb")])
    with pytest.raises(ValueError, match="two corpora or more"):
        _ = join([both])


def test_who_only_tests_is_not_in_the_licence_of_the_model():
    names = ("emodb", "ravdess", "emotale")
    union = joint_passport([CORPORA[name].PASSPORT for name in names])
    trained = [spoken("emodb", "03", "anger"), spoken("ravdess", "01", "fear")]
    heard = heard_passport(union, trained)
    assert heard is not None
    assert heard.name == "emodb+ravdess"
    assert "emotale" not in heard.licence
    assert "EmoTale" not in heard.citation
    own = CORPORA["casia"].PASSPORT
    assert heard_passport(own, trained) is own
    assert heard_passport(None, trained) is None


@pytest.mark.parametrize("union", PROTOCOLS)
def test_the_protocols_of_a_union_are_its_files(union: str):
    files = {
        path.stem
        for path in FOLDER.glob("*.json")
        if json.loads(path.read_text(encoding="utf-8"))["corpus"] == union
    }
    assert files == set(PROTOCOLS[union])


def test_the_folds_of_the_union_test_everybody_once_and_choose_on_others(both: Corpus):
    cut = protocol("emodb-ravdess-5fold", both)
    check(cut, audio=False)
    assert cut.emotions == SIX
    assert default_protocol(both) == cut.name
    assert set(protocol_names(both)) >= set(PROTOCOLS["emodb+ravdess"])
    tested = Counter(u.speaker for fold in cut.folds for u in fold.test)
    assert tested == dict.fromkeys(both.speakers, len(SIX))
    for fold in cut.folds:
        sides = [{u.speaker for u in side} for side in fold.sides.values()]
        assert sum(map(len, sides)) == len(set.union(*sides)) == 34
        for side in sides:
            assert {(speaker or "").split("/")[0] for speaker in side} == {"emodb", "ravdess"}


@pytest.mark.parametrize(
    ("corpus", "folds"), [("emodb", "emodb-5pairs"), ("ravdess", "ravdess-6fold")]
)
def test_the_folds_of_the_union_are_those_of_its_corpora(both: Corpus, corpus: str, folds: str):
    joint, alone = protocol("emodb-ravdess-5fold", both), protocol(folds, complete(corpus))
    tests = [{u.speaker for u in fold.test} for fold in alone.folds]
    if corpus == "ravdess":
        tests[4:] = [tests[4] | tests[5]]
    ours = [{u.speaker for u in fold.test if u.id.startswith(corpus)} for fold in joint.folds]
    assert ours == tests


def test_emotions_that_one_corpus_lacks_are_left_out_and_counted(both: Corpus):
    cut = protocol("emodb-ravdess-5fold", both)
    assert cut.dropped == (
        "10 utterances: boredom is outside the scheme",
        "24 utterances: calm is outside the scheme",
        "24 utterances: surprise is outside the scheme",
    )


@pytest.mark.parametrize(("train", "test"), [("emodb", "ravdess"), ("ravdess", "emodb")])
def test_one_corpus_trains_and_the_other_tests(both: Corpus, train: str, test: str):
    cut = protocol(f"{train}-to-{test}", both)
    check(cut, audio=False)
    (fold,) = cut.folds
    assert {u.id.split("/")[0] for u in fold.train} == {train}
    assert {u.id.split("/")[0] for u in fold.test} == {test}
    assert not fold.development


def test_both_train_for_a_third_that_lacks_some_of_their_emotions(both: Corpus):
    cut = protocol(
        "emodb-ravdess-to-emotale",
        join([complete("emodb"), complete("ravdess"), complete("emotale")]),
    )
    check(cut, audio=False)
    (fold,) = cut.folds
    inside = {u.id for u in both.utterances if u.emotion() in SIX}
    assert {u.id for u in fold.train} == inside
    assert cut.emotions == SIX
    assert {u.emotion() for u in fold.test} == {"anger", "happiness", "neutral", "sadness"}
    assert "translations" in cut.labelled


def test_a_speaker_on_two_sides_of_the_union_is_found(both: Corpus):
    cut = protocol("emodb-ravdess-5fold", both)
    first = cut.folds[0]
    moved = replace(first.test[0], id="emodb/again", path=Path("again.wav"))
    leaking = replace(cut, folds=(replace(first, train=(*first.train, moved)), *cut.folds[1:]))
    with pytest.raises(LeakError, match="speaker"):
        _ = check(leaking, audio=False)


def test_a_union_is_read_from_the_folder_that_holds_its_corpora(tmp_path: Path):
    with pytest.raises(MissingCorpusError, match=r"say emodb\+ravdess=FOLDER"):
        _ = load("emodb+ravdess")
    with pytest.raises(MissingCorpusError, match="no Emo-DB here"):
        _ = load("emodb+ravdess", tmp_path)


@pytest.mark.corpora
def test_the_real_union_is_cut_without_a_leak(corpora_root: Path):
    corpus = load("emodb+ravdess", corpora_root)
    cut = protocol("emodb-ravdess-5fold", corpus)
    check(cut, audio=False)
    assert [len(fold.test) for fold in cut.folds] == [268, 245, 274, 267, 456]
    assert sum(len(fold.test) for fold in cut.folds) == 535 - 81 + 1440 - 2 * 192
