import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serkit.corpus import (
    Corpus,
    ProtocolError,
    Rating,
    Utterance,
    check,
    default_protocol,
    load,
    protocol,
    protocol_names,
)
from serkit.corpus.protocol import FOLDER, Fold, hash_order

PAIRS = {"03": "08", "10": "09", "11": "13", "12": "14", "15": "16"}
ACTORS = [
    {1, 11, 20, 21}, {4, 10, 12, 14}, {8, 9, 19, 23},
    {3, 5, 7, 24}, {2, 15, 16, 18}, {6, 13, 17, 22},
]  # fmt: skip

ONCE = (
    "emodb-loso",
    "emodb-5pairs",
    "emodb-text",
    "emodb-speaker-text",
    "ravdess-6fold",
    "ravdess-text",
    "ravdess-speaker-text",
)

COUNTS = {
    "03": (14, 5, 1, 4, 7, 11, 7),
    "08": (12, 10, 0, 6, 11, 10, 9),
    "09": (13, 4, 8, 1, 4, 9, 4),
    "10": (10, 8, 1, 8, 4, 4, 3),
    "11": (11, 8, 2, 10, 8, 9, 7),
    "12": (12, 5, 2, 6, 2, 4, 4),
    "13": (12, 10, 8, 7, 10, 9, 5),
    "14": (16, 8, 8, 12, 8, 7, 10),
    "15": (13, 9, 5, 8, 6, 11, 4),
    "16": (14, 14, 11, 7, 11, 5, 9),
}
"""Anger, boredom, disgust, fear, happiness, neutral, sadness of each Emo-DB speaker."""


def speakers(side: tuple[Utterance, ...]) -> set[str]:
    return {(utterance.speaker or "").split("/")[1] for utterance in side}


def ids(side: tuple[Utterance, ...]) -> set[str]:
    return {utterance.id for utterance in side}


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.json")), ids=lambda path: path.stem)
def test_every_protocol_file_keeps_its_claims_on_the_official_ids(
    path: Path, all_emodb: Corpus, all_ravdess: Corpus
):
    content = json.loads(path.read_text(encoding="utf-8"))
    corpus = {"emodb": all_emodb, "ravdess": all_ravdess, "excerpt": load("excerpt")}[
        content["corpus"]
    ]
    cut = protocol(path.stem, corpus)
    check(cut, audio=False)
    assert len(cut.folds) == len(content["folds"])
    assert cut.labelled
    assert cut.source
    for fold in cut.folds:
        assert fold.train
        assert fold.development
        assert fold.test
        assert all(u.emotion() in cut.emotions for side in fold.sides.values() for u in side)


@pytest.mark.parametrize("name", [*ONCE, "excerpt-5pairs", "loso", "kfold-3", "kfold-5"])
def test_every_utterance_is_tested_exactly_once(name: str, all_emodb: Corpus, all_ravdess: Corpus):
    corpus = {"ravdess": all_ravdess, "excerpt": load("excerpt")}.get(name.split("-")[0], all_emodb)
    tested = Counter(u.id for fold in protocol(name, corpus).folds for u in fold.test)
    assert tested == Counter(u.id for u in corpus.utterances)


def test_a_development_side_is_taken_from_the_training_side(all_emodb: Corpus):
    for name in ("emodb-loso", "emodb-5pairs", "loso", "kfold-5"):
        for fold in protocol(name, all_emodb).folds:
            assert not speakers(fold.development) & speakers(fold.test)
            assert not speakers(fold.development) & speakers(fold.train)
            everyone = speakers(fold.train) | speakers(fold.development) | speakers(fold.test)
            assert len(everyone) == 10


def test_emodb_is_left_out_speaker_by_speaker_and_chosen_on_the_next_pair(all_emodb: Corpus):
    order = list(PAIRS.items())
    for fold in protocol("emodb-loso", all_emodb).folds:
        assert speakers(fold.test) == {fold.name}
        number = next(n for n, pair in enumerate(order) if fold.name in pair)
        assert speakers(fold.development) == set(order[(number + 1) % 5])
        assert len(speakers(fold.train)) == 7


def test_the_five_pairs_are_one_man_and_one_woman(all_emodb: Corpus):
    for fold in protocol("emodb-5pairs", all_emodb).folds:
        assert {u.sex for u in fold.test} == {"male", "female"}
        (man,) = speakers(tuple(u for u in fold.test if u.sex == "male"))
        assert speakers(fold.test) == {man, PAIRS[man]}
        assert len(speakers(fold.train)) == 6


def test_a_cell_of_speaker_and_text_trains_on_neither(all_emodb: Corpus):
    cut = protocol("emodb-speaker-text", all_emodb)
    assert len(cut.folds) == 25
    assert cut.development_shares == ("speaker", "sentence")
    for fold in cut.folds:
        used = (*fold.train, *fold.development)
        assert not speakers(fold.test) & speakers(used)
        assert not {u.sentence for u in fold.test} & {u.sentence for u in used}
    diagonal = protocol("emodb-speaker-text-diagonal", all_emodb)
    assert {fold.name for fold in diagonal.folds} < {fold.name for fold in cut.folds}


def test_ravdess_is_tested_on_the_listed_actors(all_ravdess: Corpus):
    folds = protocol("ravdess-6fold", all_ravdess).folds
    for number, fold in enumerate(folds):
        assert {int(actor) for actor in speakers(fold.test)} == ACTORS[number]
        assert {int(actor) for actor in speakers(fold.development)} == ACTORS[(number + 1) % 6]
        assert (len(fold.train), len(fold.development), len(fold.test)) == (960, 240, 240)
    assert set().union(*ACTORS) == set(range(1, 25))


def test_seven_classes_count_calm_as_neutral(all_ravdess: Corpus):
    cut = protocol("ravdess-20-2-2", all_ravdess)
    assert cut.emotions == (
        "anger", "disgust", "fear", "happiness", "neutral", "sadness", "surprise"
    )  # fmt: skip
    (fold,) = cut.folds
    assert Counter(u.emotion() for u in fold.test)["neutral"] == 24
    assert speakers(fold.test) == {"23", "24"}
    assert speakers(fold.development) == {"21", "22"}


def test_a_map_keeps_soft_ratings_a_distribution(all_ravdess: Corpus):
    soft = Rating(rater="consensus", emotion={"calm": 0.4, "neutral": 0.3, "sadness": 0.2})
    first, *rest = all_ravdess.utterances
    corpus = replace(all_ravdess, utterances=(replace(first, ratings=(soft,)), *rest))
    cut = protocol("ravdess-20-2-2", corpus)
    (found,) = [u for u in cut.folds[0].train if u.id == first.id]
    assert found.ratings[0].emotion == pytest.approx({"neutral": 0.7 / 0.9, "sadness": 0.2 / 0.9})


def test_what_is_not_of_the_scheme_is_dropped_and_counted(make_corpus: Callable[..., Corpus]):
    pairs = [(f"s{n}", e) for n in range(4) for e in ("anger", "sadness", "no_agreement", None)]
    cut = protocol("loso", make_corpus(pairs))
    assert cut.emotions == ("anger", "sadness")
    assert cut.dropped == (
        "4 utterances: no emotion",
        "4 utterances: no_agreement is outside the scheme",
    )
    assert sum(len(fold.test) for fold in cut.folds) == 8


def test_a_fold_without_a_side_is_left_out_and_said(all_emodb: Corpus):
    partial = all_emodb.subset(speakers=[s for s in all_emodb.speakers if s != "emodb/03"])
    cut = protocol("emodb-loso", partial)
    assert cut.folds[0].name == "08"
    assert "fold 03: nothing on the test side" in cut.dropped
    with pytest.raises(ProtocolError, match=r"every fold has an empty side.*use loso or kfold-K"):
        protocol("emodb-loso", all_emodb.subset(speakers=["emodb/03"]))


def test_refitting_moves_the_development_side_into_the_training_side(all_emodb: Corpus):
    fold = protocol("emodb-loso", all_emodb).folds[0]
    refit = fold.refit()
    assert ids(refit.train) == ids(fold.train) | ids(fold.development)
    assert refit.development == ()
    assert refit.test == fold.test
    assert [u.id for u in refit.train] == sorted(ids(refit.train))


CORPORA_OF_SPEAKERS = st.lists(
    st.tuples(st.sampled_from("abcdefghij"), st.sampled_from(["anger", "sadness", "fear"])),
    min_size=1,
    max_size=60,
).filter(lambda pairs: len({s for s, _ in pairs}) >= 3 and len({e for _, e in pairs}) >= 2)


@settings(max_examples=30)
@given(pairs=CORPORA_OF_SPEAKERS, num_folds=st.integers(3, 10), data=st.data())
def test_each_speaker_is_in_exactly_one_test_fold_whatever_the_order(
    pairs: list[tuple[str, str]],
    num_folds: int,
    data: st.DataObject,
    make_corpus: Callable[..., Corpus],
):
    corpus = make_corpus(pairs)
    num_folds = min(num_folds, len(corpus.speakers))
    cut = protocol(f"kfold-{num_folds}", corpus)
    check(cut, audio=False)
    tested = Counter(speaker for fold in cut.folds for speaker in speakers(fold.test))
    assert tested == Counter(speakers(corpus.utterances))
    assert len(cut.folds) == num_folds
    assert all(fold.train and fold.development and fold.test for fold in cut.folds)
    shuffled = data.draw(st.permutations(corpus.utterances))
    assert protocol(cut.name, replace(corpus, utterances=tuple(shuffled))) == cut


@given(pairs=CORPORA_OF_SPEAKERS)
def test_leaving_speakers_out_tests_each_alone(
    pairs: list[tuple[str, str]], make_corpus: Callable[..., Corpus]
):
    corpus = make_corpus(pairs)
    cut = protocol("loso", corpus)
    check(cut, audio=False)
    assert [speakers(fold.test) for fold in cut.folds] == [
        {speaker.split("/")[1]} for speaker in corpus.speakers
    ]


def test_folds_are_balanced_in_size(make_corpus: Callable[..., Corpus]):
    pairs = [(f"s{n}", emotion) for n in range(20) for emotion in ["anger", "sadness"] * (n + 1)]
    sizes = [len(fold.test) for fold in protocol("kfold-5", make_corpus(pairs)).folds]
    assert sum(sizes) == 420
    assert max(sizes) - min(sizes) <= 4


def test_unknown_speakers_are_cut_by_recording_and_claim_nothing(
    make_corpus: Callable[..., Corpus],
):
    corpus = make_corpus([(None, emotion) for emotion in ("anger", "sadness") * 10])
    cut = protocol("kfold-5", corpus)
    assert not cut.independent_speaker
    assert cut.labelled.startswith("speakers unknown (20 of 20 utterances of mine)")
    check(cut, audio=False)
    with pytest.raises(ProtocolError, match="loso needs to know every speaker; speakers unknown"):
        protocol("loso", corpus)


def test_segments_of_one_unknown_speaker_recording_stay_together():
    utterances = tuple(
        Utterance(
            id=f"mine/{file}#{part}",
            path=Path(f"{file}.wav"),
            start=float(part),
            end=float(part + 1),
            ratings=(Rating(rater="consensus", emotion={emotion: 1.0}),),
        )
        for file in range(6)
        for part, emotion in enumerate(("anger", "sadness"))
    )
    for fold in protocol("kfold-3", Corpus(name="mine", utterances=utterances)).folds:
        files = [{u.path for u in side} for side in fold.sides.values()]
        assert sum(len(side) for side in files) == len(set().union(*files))


def with_split(corpus: Corpus, sides: list[str | None]) -> Corpus:
    marked = [replace(u, split=side) for u, side in zip(corpus.utterances, sides, strict=True)]
    return replace(corpus, utterances=tuple(marked))


def test_the_split_of_the_corpus_itself_is_a_protocol(make_corpus: Callable[..., Corpus]):
    corpus = make_corpus([(s, e) for s in "abc" for e in ("anger", "sadness")])
    corpus = with_split(corpus, ["train"] * 2 + ["development"] * 2 + ["test"] * 2)
    assert "split" in protocol_names(corpus)
    cut = protocol("split", corpus)
    check(cut, audio=False)
    assert cut.independent_speaker
    assert [speakers(side) for side in cut.folds[0].sides.values()] == [{"a"}, {"b"}, {"c"}]


def test_a_split_without_development_takes_it_from_the_training_speakers(
    make_corpus: Callable[..., Corpus],
):
    corpus = make_corpus([(s, e) for s in "abcd" for e in ("anger", "sadness")])
    cut = protocol("split", with_split(corpus, ["train"] * 6 + ["test"] * 2))
    check(cut, audio=False)
    (fold,) = cut.folds
    assert len(speakers(fold.train)) == 2
    assert len(speakers(fold.development)) == 1
    assert speakers(fold.test) == {"d"}


def test_a_split_that_shares_speakers_says_so(make_corpus: Callable[..., Corpus]):
    corpus = make_corpus([(s, e) for s in "ab" for e in ("anger", "sadness")])
    cut = protocol("split", with_split(corpus, ["train", "test", "development", "development"]))
    assert not cut.independent_speaker
    assert (
        cut.labelled
        == "speaker-dependent: 1 test speakers are also trained on, the first is mine/a"
    )
    with pytest.raises(
        ProtocolError, match=r"split needs utterances marked train and test.*0 train"
    ):
        protocol("split", corpus)


def test_the_default_is_the_corpus_own_or_depends_on_the_number_of_speakers(
    all_emodb: Corpus, all_ravdess: Corpus, make_corpus: Callable[..., Corpus]
):
    few = make_corpus([(s, e) for s in "abcdef" for e in ("anger", "sadness")])
    many = make_corpus([(s, e) for s in "abcdefg" for e in ("anger", "sadness")])
    unknown = make_corpus([(None, "anger"), (None, "sadness")])
    found = [default_protocol(c) for c in (all_emodb, all_ravdess, few, many, unknown)]
    assert found == ["emodb-loso", "ravdess-6fold", "loso", "kfold-5", "kfold-5"]


def test_an_unknown_protocol_is_answered_with_the_known_ones(all_emodb: Corpus):
    with pytest.raises(
        ProtocolError, match=r"no protocol 'emodb-los'; for emodb there are emodb-loso"
    ):
        protocol("emodb-los", all_emodb)
    with pytest.raises(ProtocolError, match=r"did you mean emodb-loso\?"):
        protocol("emodb-los", all_emodb)
    with pytest.raises(ProtocolError, match=r"no protocol '\.\./protocols/emodb-loso'"):
        protocol("../protocols/emodb-loso", all_emodb)


def test_a_protocol_of_another_corpus_is_refused(all_emodb: Corpus):
    with pytest.raises(ProtocolError, match="ravdess-6fold is a protocol of ravdess, not of emodb"):
        protocol("ravdess-6fold", all_emodb)


def test_too_few_speakers_or_emotions_are_said(make_corpus: Callable[..., Corpus]):
    two = make_corpus([(s, e) for s in "ab" for e in ("anger", "sadness")])
    with pytest.raises(ProtocolError, match=r"loso needs three speakers.*has 2: mine/a, mine/b"):
        protocol("loso", two)
    with pytest.raises(ProtocolError, match=r"kfold-5: K is at least 3.*at most.*speakers, 2 in"):
        protocol("kfold-5", two)
    with pytest.raises(ProtocolError, match="kfold-2: K is at least 3"):
        protocol("kfold-2", two)
    with pytest.raises(ProtocolError, match="has 1 emotion"):
        protocol("loso", make_corpus([(s, "anger") for s in "abc"]))
    with pytest.raises(ProtocolError, match="no utterances"):
        protocol("loso", make_corpus([]))


def test_the_hash_order_is_the_same_in_another_process():
    here = hash_order([f"mine/{n}" for n in range(20)], salt="kfold")
    code = (
        "from serkit.corpus.protocol import hash_order\n"
        "print(*hash_order([f'mine/{n}' for n in range(20)], salt='kfold'))"
    )
    there = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert there.stdout.split() == here


def test_an_empty_refit_keeps_a_fold_whole():
    fold = Fold(name="1", train=(), development=(), test=())
    assert fold.refit() == fold


@pytest.mark.corpora
def test_the_test_folds_of_the_real_emodb_have_the_published_counts(corpora_root: Path):
    cut = protocol("emodb-loso", load("emodb", corpora_root / "emodb"))
    check(cut)
    for fold in cut.folds:
        counts = Counter(u.emotion() for u in fold.test)
        assert tuple(counts[emotion] for emotion in cut.emotions) == COUNTS[fold.name]


@pytest.mark.corpora
def test_the_pair_of_equal_recordings_of_ravdess_stays_on_one_side(corpora_root: Path):
    check(protocol("ravdess-6fold", load("ravdess", corpora_root / "ravdess")))
