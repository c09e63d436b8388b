import functools
import itertools
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
    CORPORA,
    EMOTIONS,
    Corpus,
    Passport,
    Protocol,
    ProtocolError,
    Rating,
    Utterance,
    check,
    default_protocol,
    joint_passport,
    load,
    protocol,
    protocol_names,
)
from serkit.corpus.protocol import FOLDER, Fold, cross_protocol, hash_order

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
    "emodb-random5",
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


FILES = {path.stem: json.loads(path.read_text("utf-8")) for path in sorted(FOLDER.glob("*.json"))}

PARTIAL = ("emodb-speaker-text-diagonal", "emotale-da-en", "emotale-en-da")
"""Protocols of several folds that leave some utterances untested, as their names say."""


def named(corpus: str, key: str) -> list[str]:
    """Everything that the files of a corpus choose by."""

    def inside(content: object) -> list[str]:
        if isinstance(content, dict):
            here = content.get(key, [])
            deeper = [name for value in content.values() for name in inside(value)]
            return [*([here] if isinstance(here, str) else here), *deeper]
        return (
            [name for item in content for name in inside(item)] if isinstance(content, list) else []
        )

    return sorted({name for content in FILES.values() if content["corpus"] == corpus
                   for name in inside(content)})  # fmt: skip


def passport_of(corpus: str) -> Passport:
    """That of a corpus, or of a union of several."""
    passports = [CORPORA[name].PASSPORT for name in corpus.split("+")]
    return passports[0] if len(passports) == 1 else joint_passport(passports)


def official(corpus: str) -> Corpus:
    """Every speaker in every text, emotion, language and kind of recording, in two takes."""
    passport = passport_of(corpus)
    splits = named(corpus, "splits") or [None]
    speakers = named(corpus, "speakers") or [f"s{n}" for n in range(10 * len(splits))]
    recordings = [f"{name.strip('_^$')}{n}" for name in named(corpus, "recordings") for n in (1, 2)]
    recordings = [*(f"Ses_{name}" for name in recordings), "Ses_other1"] if recordings else [None]
    sentences, languages = named(corpus, "sentences"), named(corpus, "languages") or [None]
    emotions = list(passport.emotions or EMOTIONS)
    if len(speakers) > 50:
        emotions = emotions[:2]  # enough of so many
    utterances: list[Utterance] = []
    for number, speaker in enumerate(speakers):
        for cell in itertools.product(
            sentences or [None], emotions, languages, recordings, range(1 if sentences else 2)
        ):
            sentence, emotion, language, recording, _ = cell
            words = [str(word) for word in (speaker, *cell) if word is not None]
            rating = Rating(rater="intended", emotion={emotion: 1.0}, affect={"arousal": 0.5})
            utterances.append(
                Utterance(
                    id=f"{corpus}/{'-'.join(words)}",
                    path=Path(f"{'-'.join(words)}.wav"),
                    speaker=f"{corpus}/{speaker}",
                    sentence=sentence,
                    language=language,
                    recording=recording,
                    split=splits[number % len(splits)],
                    ratings=(rating,),
                )
            )
    utterances.sort(key=lambda utterance: utterance.id)
    return Corpus(name=corpus, passport=passport, utterances=tuple(utterances))


@functools.cache
def cut_of(name: str) -> Protocol:
    corpus = FILES[name]["corpus"]
    return protocol(name, load("excerpt") if corpus == "excerpt" else official(corpus))


@pytest.mark.parametrize("name", FILES)
def test_every_protocol_file_keeps_its_claims_on_the_official_names(name: str):
    content, cut = FILES[name], cut_of(name)
    check(cut, audio=False)
    assert cut.name == name
    assert [fold.name for fold in cut.folds] == [fold["name"] for fold in content["folds"]]
    assert cut.labelled
    assert cut.source
    for fold, written in zip(cut.folds, content["folds"], strict=True):
        assert fold.train
        assert fold.test
        assert bool(fold.development) == (written["development"] is not None)
        kept = [utterance for side in fold.sides.values() for utterance in side]
        if cut.task == "emotion":
            assert all(utterance.emotion() in cut.emotions for utterance in kept)
        else:
            assert cut.emotions == ()


@pytest.mark.parametrize("name", FILES)
def test_every_utterance_of_a_protocol_file_is_tested_once_or_its_name_says_why_not(name: str):
    cut = cut_of(name)
    tested = Counter(utterance.id for fold in cut.folds for utterance in fold.test)
    held = {u.id for fold in cut.folds for side in fold.sides.values() for u in side}
    assert set(tested.values()) == {1}
    whole = len(cut.folds) > 1 and name not in PARTIAL
    assert (set(tested) == held) == whole


@pytest.mark.parametrize("name", FILES)
def test_a_speaker_independent_protocol_tests_every_speaker_of_the_passport(name: str):
    content = FILES[name]
    passport = passport_of(content["corpus"])
    if not content["independent"]["speaker"] or len(content["folds"]) == 1:
        return  # those of one fold say in their names whom they test
    tests = [fold["test"].get("speakers") for fold in content["folds"]]
    if all(tests) and name not in ("emotale-da-en", "emotale-en-da", "emotale-speaker-text"):
        assert len({speaker for speakers in tests for speaker in speakers}) == passport.num_speakers


@pytest.mark.parametrize(
    "name",
    [
        *ONCE, "excerpt-5pairs", "loso", "kfold-3", "kfold-5", "text-kfold-5",
        "speaker-text-kfold-3", "random-kfold-5",
    ],
)  # fmt: skip
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


def test_two_speakers_who_cannot_be_kept_apart_are_cut_by_their_sentences(
    make_corpus: Callable[..., Corpus],
):
    two = make_corpus([(s, e) for s in "ab" for e in ("anger", "sadness")])
    assert default_protocol(two) == "loso"  # which says that it takes three
    said = tuple(replace(u, sentence=str(n)) for n, u in enumerate(two.utterances))
    assert default_protocol(replace(two, utterances=said)) == "text-kfold-5"


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


# ------------------------------------------------------------------- which cut, over which emotions


def relabelled(corpus: Corpus, id: str, emotion: str) -> Corpus:
    rating = Rating(rater="intended", emotion={emotion: 1.0})
    changed = [replace(u, ratings=(rating,)) if u.id == id else u for u in corpus.utterances]
    return replace(corpus, utterances=tuple(changed))


def test_the_split_says_who_is_where_under_which_label(all_emodb: Corpus):
    cut = protocol("emodb-loso", all_emodb)
    moved = [replace(u, path=Path("elsewhere") / u.path) for u in reversed(all_emodb.utterances)]
    same = protocol("emodb-loso", replace(all_emodb, utterances=tuple(moved)))
    assert same.split == cut.split
    assert len(cut.split) == 16
    int(cut.split, 16)
    swapped = [replace(f, train=f.development, development=f.train) for f in cut.folds]
    others = {
        "another protocol": protocol("emodb-5pairs", all_emodb),
        "fewer emotions": protocol("emodb-loso/four", all_emodb),
        "one label": protocol(
            "emodb-loso", relabelled(all_emodb, cut.folds[0].test[0].id, "sadness")
        ),
        "an utterance less": protocol(
            "emodb-loso", replace(all_emodb, utterances=all_emodb.utterances[1:])
        ),
        "sides": replace(cut, folds=tuple(swapped)),
        "names of folds": replace(cut, folds=(replace(cut.folds[0], name="x"), *cut.folds[1:])),
    }
    splits = {what: other.split for what, other in others.items()}
    assert len({cut.split, *splits.values()}) == 1 + len(others)
    assert replace(cut, folds=cut.folds[::-1]).split == cut.split


def test_the_split_and_a_random_cut_are_the_same_on_every_machine():
    code = (
        "from serkit.corpus import load, protocol\n"
        "print(protocol('random-kfold-5', load('excerpt')).split)"
    )
    there = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert there.stdout.strip() == "761914400514b37b"


def test_another_map_is_seen_in_the_name(all_emodb: Corpus, all_ravdess: Corpus):
    cut = protocol("emodb-loso", all_emodb, label_map="four")
    assert cut == protocol("emodb-loso/four", all_emodb)
    assert (cut.name, cut.label_map) == ("emodb-loso/four", "four")
    assert cut.emotions == ("anger", "happiness", "neutral", "sadness")
    assert "200 utterances: fear is outside the scheme four" in cut.dropped
    whole = protocol("emodb-loso", all_emodb)
    for four, seven in zip(cut.folds, whole.folds, strict=True):
        assert four.test == tuple(u for u in seven.test if u.emotion() in cut.emotions)
    own = protocol("ravdess-20-2-2", all_ravdess, label_map="ravdess7")
    assert own.name == "ravdess-20-2-2"
    assert protocol("kfold-3", all_ravdess, label_map="four+calm").name == "kfold-3/four+calm"
    with pytest.raises(LookupError, match="no label map 'five'"):
        protocol("emodb-loso", all_emodb, label_map="five")


def with_affect(corpus: Corpus) -> Corpus:
    """All but the first utterance have affect; the second has no emotion."""
    first, *rest = corpus.utterances
    rated = [
        replace(
            u, ratings=(*u.ratings, Rating(rater="x", affect={"arousal": 0.25, "valence": 0.5}))
        )
        for u in rest
    ]
    rated[0] = replace(rated[0], ratings=rated[0].ratings[-1:])
    return replace(corpus, utterances=(first, *rated))


def test_affect_keeps_what_has_affect_whatever_its_emotion(all_emodb: Corpus):
    corpus = with_affect(all_emodb)
    cut = protocol("emodb-loso", corpus, task="affect")
    check(cut, audio=False)
    assert cut == protocol("emodb-loso/affect", corpus)
    assert (cut.name, cut.task, cut.emotions) == ("emodb-loso/affect", "affect", ())
    assert cut.dropped == ("1 utterances: no affect",)
    tested = {u.id for fold in cut.folds for u in fold.test}
    assert tested == {u.id for u in corpus.utterances[1:]}
    nobody = corpus.utterances[1]
    assert nobody.emotion() is None
    moved = replace(nobody, ratings=(Rating(rater="x", affect={"arousal": 0.3, "valence": 0.5}),))
    other = replace(corpus, utterances=(corpus.utterances[0], moved, *corpus.utterances[2:]))
    assert protocol("emodb-loso/affect", other).split != cut.split
    assert protocol("emodb-loso", corpus).task == "emotion"
    with pytest.raises(ProtocolError, match="no utterance of emodb has affect"):
        protocol("emodb-loso", all_emodb, task="affect")
    with pytest.raises(ProtocolError, match=r"a label map \(four\) is about emotions"):
        protocol("emodb-loso", corpus, task="affect", label_map="four")


# --------------------------------------------------------------------------- what a side may say


def write_file(folder: Path, **changes: object) -> None:
    content = {
        "name": "mine-own", "corpus": "mine", "edition": "x", "label_map": None,
        "keep": {"emotions": ["anger", "sadness"]},
        "independent": {"speaker": False, "sentence": False},
        "development_shares": [], "labelled": "x", "source": "x",
    }  # fmt: skip
    (folder / "mine-own.json").write_text(json.dumps({**content, **changes}))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(sys.modules["serkit.corpus.protocol"], "FOLDER", tmp_path)
    return tmp_path


def many(make_corpus: Callable[..., Corpus], **values: list[str]) -> Corpus:
    """Forty utterances of four speakers; fields take the values given in turn."""
    pairs = [(f"s{n % 4}", ("anger", "sadness")[n // 4 % 2]) for n in range(40)]
    corpus = make_corpus(pairs)
    marked = [
        replace(u, **{name: given[n % len(given)] for name, given in values.items()})
        for n, u in enumerate(corpus.utterances)
    ]
    return replace(corpus, utterances=tuple(marked))


def test_sides_are_chosen_by_recording_split_and_language(
    folder: Path, make_corpus: Callable[..., Corpus]
):
    corpus = many(
        make_corpus, recording=["impro1", "script1"], language=["da", "en"], split=["train", "test"]
    )
    odd = {u.id for u in corpus.utterances[1::2]}
    for test in ({"splits": ["test"]}, {"languages": ["en"]}, {"recordings": "^scr"},
                 {"recordings": ["script1"]}, {"without": {"languages": ["da"]}},
                 {"without": [{"recordings": "impro"}, {"splits": ["train"]}]}):  # fmt: skip
        fold = {"name": "1", "train": {"speakers": ["s0"]}, "development": None, "test": test}
        write_file(folder, folds=[fold])
        (cut,) = protocol("mine-own", corpus).folds
        assert ids(cut.test) == odd
        assert cut.development == ()
    fold["test"] = {"speaker": ["s1"]}
    write_file(folder, folds=[fold])
    with pytest.raises(ProtocolError, match=r"a side is chosen by speakers, .* not by speaker"):
        protocol("mine-own", corpus)


def test_a_filter_keeps_improvised_speech_only_and_says_so(
    folder: Path, make_corpus: Callable[..., Corpus]
):
    corpus = many(make_corpus, recording=["x_impro1", "x_script1"])
    fold = {"name": "1", "train": {"speakers": ["s0"]}, "development": None,
            "test": {"speakers": ["s2"]}}  # fmt: skip
    for changes in (
        {"keep": {"emotions": ["anger", "sadness"], "recordings": "_impro"}},
        {"keep": {"recordings": "_impro"}, "label_map": "four"},
    ):
        write_file(folder, folds=[fold], **changes)
        cut = protocol("mine-own", corpus)
        held = {u.recording for side in cut.folds[0].sides.values() for u in side}
        assert held == {"x_impro1"}
        assert cut.dropped[0] == "20 utterances: outside the filter recordings _impro"


def test_a_side_may_be_the_first_of_each_emotion_by_hash(
    folder: Path, make_corpus: Callable[..., Corpus]
):
    corpus = many(make_corpus, split=["train", "development", "development", "development"])
    for rule, count in (({"first": 3}, 3), ({"first": 9}, 7), ({"share": 0.2}, 3)):
        wanted = {"splits": ["development"], "hash": {"salt": "x", **rule}}
        rest = {"splits": ["development"], "without": wanted}
        write_file(folder, folds=[
            {"name": "1", "train": {"splits": ["train"]}, "development": wanted, "test": rest}
        ])  # fmt: skip
        (fold,) = protocol("mine-own", corpus).folds
        for emotion in ("anger", "sadness"):
            here = [u.id for u in corpus.utterances
                    if u.split == "development" and u.emotion() == emotion]  # fmt: skip
            assert len(here) == 15
            chosen = set(hash_order(here, salt="x")[:count])
            assert {u.id for u in fold.development if u.emotion() == emotion} == chosen
            assert {u.id for u in fold.test if u.emotion() == emotion} == set(here) - chosen


def test_a_hash_may_deal_speakers(folder: Path, make_corpus: Callable[..., Corpus]):
    half = {"hash": {"salt": "x", "share": 0.5, "unit": "speaker"}}
    write_file(folder, folds=[
        {"name": "1", "train": half, "development": None, "test": {"without": half}}
    ])  # fmt: skip
    corpus = many(make_corpus)
    (fold,) = protocol("mine-own", corpus).folds
    order = hash_order(corpus.speakers, salt="x")
    assert {u.speaker for u in fold.train} == set(order[:2])
    assert {u.speaker for u in fold.test} == set(order[2:])


# ---------------------------------------------------------------------- for any corpus; two corpora


def test_random_folds_of_casia_hold_forty_of_each_emotion():
    if "casia-random5" not in FILES:
        pytest.skip("no protocols of CASIA")
    cut = cut_of("casia-random5")
    assert len(cut.folds) == 5
    for fold in cut.folds:
        assert set(Counter(u.emotion() for u in fold.test).values()) == {40}
        assert len(fold.test) == 240
    assert sum(len(fold.development) for fold in cut.folds) == 4 * 120  # a tenth, in four folds


def test_random_folds_keep_takes_together_and_emotions_even(all_emodb: Corpus):
    cut = protocol("random-kfold-5", all_emodb)
    check(cut, audio=False)
    assert not cut.independent_speaker
    assert cut.labelled.startswith("speaker-dependent, text-dependent")
    for fold in cut.folds:
        assert set(Counter(u.emotion() for u in fold.test).values()) == {40}
        assert speakers(fold.test) == speakers(fold.train)


def random_folds(corpus: Corpus, num_folds: int) -> Protocol:
    """The folds, of which every one has its sides and every utterance is tested once."""
    cut = protocol(f"random-kfold-{num_folds}", corpus)
    check(cut, audio=False)
    assert len(cut.folds) == num_folds
    tested = Counter(u.id for fold in cut.folds for u in fold.test)
    assert tested == Counter(u.id for u in corpus.utterances)
    for fold in cut.folds:
        assert sum(len(side) for side in fold.sides.values()) == len(corpus.utterances)
    return cut


@pytest.mark.parametrize(
    ("num_folds", "tested", "chosen"),
    [(5, {23, 24}, 9), (10, {11, 12}, 10), (20, {5, 6}, 11), (119, {1}, 11)],
)
def test_random_folds_choose_on_a_tenth_of_what_is_not_tested(
    num_folds: int, tested: set[int], chosen: int
):
    for fold in (cut := random_folds(load("excerpt"), num_folds)).folds:
        assert len(fold.development) == chosen
    assert {len(fold.test) for fold in cut.folds} == tested


@pytest.mark.parametrize("num_folds", [3, 5, 10, 20, 24])
def test_random_folds_of_two_speakers_never_starve_the_training(num_folds: int):
    excerpt = load("excerpt")
    two = excerpt.subset(speakers=excerpt.speakers[:2])
    for fold in random_folds(two, num_folds).folds:
        assert len(fold.development) == (len(fold.train) + len(fold.development)) // 10
        assert {u.emotion() for u in fold.train} == set(two.emotions)


@given(
    counts=st.lists(st.integers(1, 9), min_size=2, max_size=4).filter(lambda c: sum(c) >= 3),
    data=st.data(),
)
@settings(max_examples=30)
def test_random_folds_have_three_sides_for_every_k_up_to_the_number_of_takes(
    counts: list[int], data: st.DataObject
):
    utterances = tuple(
        Utterance(
            id=f"mine/{emotion}{n}",
            path=Path(f"{emotion}{n}.wav"),
            ratings=(Rating(rater="intended", emotion={emotion: 1.0}),),
        )
        for emotion, count in zip(EMOTIONS, counts, strict=False)
        for n in range(count)
    )
    corpus = Corpus(name="mine", utterances=utterances)
    num_folds = data.draw(st.integers(3, len(utterances)))
    for fold in random_folds(corpus, num_folds).folds:
        assert fold.train
        assert fold.development
        assert fold.test


def test_sentence_disjoint_folds_claim_sentences_only(all_emodb: Corpus):
    cut = protocol("text-kfold-5", all_emodb)
    check(cut, audio=False)
    assert (cut.independent_speaker, cut.independent_sentence) == (False, True)
    assert "speaker-dependent" in cut.labelled
    assert all(len({u.sentence for u in fold.test}) == 2 for fold in cut.folds)


def test_cells_of_speakers_and_sentences_claim_both(all_emodb: Corpus):
    cut = protocol("speaker-text-kfold-5", all_emodb)
    check(cut, audio=False)
    assert (cut.independent_speaker, cut.independent_sentence) == (True, True)
    assert len(cut.folds) == 25
    fold = cut.folds[0]
    assert (len(fold.test), len(fold.development), len(fold.train)) == (56, 56, 840)


def test_what_a_generic_cut_needs_is_said(make_corpus: Callable[..., Corpus]):
    corpus = make_corpus([(f"s{n}", e) for n in range(4) for e in ("anger", "sadness")])
    with pytest.raises(ProtocolError, match="text-kfold-3 needs to know what is said; 8 of 8"):
        protocol("text-kfold-3", corpus)
    with pytest.raises(ProtocolError, match="cross-language needs to know every language"):
        protocol("cross-language", corpus)
    german = replace(
        corpus, utterances=tuple(replace(u, language="de", sentence="a") for u in corpus.utterances)
    )
    with pytest.raises(ProtocolError, match="needs two languages; all of mine is in de"):
        protocol("cross-language", german)
    with pytest.raises(ProtocolError, match="number of sentences, 1 in corpus mine"):
        protocol("text-kfold-3", german)
    with pytest.raises(ProtocolError, match="number of takes, 8 in corpus mine"):
        protocol("random-kfold-9", german)


@pytest.mark.parametrize("bilingual", [True, False])
def test_a_language_is_tested_by_speakers_and_in_words_never_heard(
    bilingual: bool, make_corpus: Callable[..., Corpus]
):
    pairs = [(f"s{n}", emotion) for n in range(6) for emotion in ("anger", "sadness", "fear") * 2]
    corpus = make_corpus(pairs)
    marked = [
        replace(u, language=("da", "en")[n // 3 % 2 if bilingual else n // 6 % 2])
        for n, u in enumerate(corpus.utterances)
        # nobody is afraid in English
        if not (u.emotion() == "fear" and (n // 3 % 2 if bilingual else n // 6 % 2))
    ]
    cut = protocol("cross-language", replace(corpus, utterances=tuple(marked)))
    check(cut, audio=False)
    assert cut.independent_speaker
    assert cut.emotions == ("anger", "sadness")
    assert any("not every language has fear" in line for line in cut.dropped)
    for fold in cut.folds:
        tested = {u.language for u in fold.test}
        heard = {u.language for u in (*fold.train, *fold.development)}
        assert len(tested) == len(heard) == 1
        assert tested != heard
    tested = Counter(u.id for fold in cut.folds for u in fold.test)
    assert tested == Counter(u.id for u in marked if u.emotion() != "fear")


def test_another_corpus_tests_whole_and_a_fifth_of_the_speakers_choose(
    all_emodb: Corpus, all_ravdess: Corpus
):
    both, cut = cross_protocol(all_ravdess, all_emodb)
    check(cut, audio=False)
    assert (both.name, cut.corpus, cut.name) == (
        "ravdess+emodb", "ravdess+emodb", "cross-four-ravdess-emodb",
    )  # fmt: skip
    (fold,) = cut.folds
    assert ids(fold.test) == {u.id for u in all_emodb.utterances if u.emotion() in cut.emotions}
    order = hash_order(all_ravdess.speakers, salt="cross")
    assert {u.speaker for u in fold.development} == set(order[:4])
    assert {u.speaker for u in fold.train} == set(order[4:])
    assert "classes anger, happiness, neutral, sadness" in cut.labelled
    assert "ravdess: 192 utterances: calm is outside the scheme four" in cut.dropped
    assert ids(both.utterances) == ids(all_ravdess.utterances) | ids(all_emodb.utterances)
    merged = cross_protocol(all_ravdess, all_emodb, label_map="four+calm")[1]
    assert "neutral (also calm)" in merged.labelled


def test_only_emotions_of_both_corpora_count(all_emodb: Corpus, make_corpus: Callable[..., Corpus]):
    other = make_corpus([(f"s{n}", e) for n in range(3) for e in ("anger", "sadness", "fear")])
    cut = cross_protocol(all_emodb, other)[1]
    assert cut.emotions == ("anger", "sadness")
    assert "emodb: 200 utterances: happiness is not in both corpora" in cut.dropped
    alone = make_corpus([(f"s{n}", "anger") for n in range(3)])
    with pytest.raises(ProtocolError, match=r"emodb and mine share 1 emotion\(s\) of four"):
        cross_protocol(all_emodb, alone)
    with pytest.raises(ProtocolError, match="emodb cannot be both sides"):
        cross_protocol(all_emodb, all_emodb)
