from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from serkit.corpus import (
    Corpus,
    FileNameError,
    MissingCorpusError,
    Rating,
    Utterance,
    check,
    iemocap,
    load,
    protocol,
)

HEADER = "% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\n\n"

SCENE = """\
[6.2901 - 8.2357]\tSes01F_impro01_F000\tneu\t[2.5000, 3.0000, 4.0000]
C-E2:\tNeutral;\t()
C-E3:\tNeutral; Anger;\t()
C-E4:\tOther;\t(mildly (so to speak) aggravated)
C-F1:\tNeutral state;\t(curious)
A-E3:\tval 3; act 2; dom  5;\t()
A-E4:\tval 2; act 4; dom  ;\t(guarded, tense: val 9;)
A-F1:\tval 3; act 2; dom  1;\t()

[10.0100 - 11.3925]\tSes01F_impro01_M000\txxx\t[1.0000, 5.0000, 3.0000]
C-E2:\tAnger;\t()
C-E3:\tExcited;\t()
A-E3:\tval 1; act 5; dom  3;\t()
"""

FOUR = {
    "1F": (147, 69, 63, 78, 171), "1M": (82, 66, 80, 116, 213),
    "2F": (67, 70, 96, 113, 135), "2M": (70, 47, 114, 84, 227),
    "3F": (92, 80, 48, 172, 130), "3M": (148, 55, 103, 133, 190),
    "4F": (205, 31, 154, 62, 76), "4M": (122, 34, 84, 81, 182),
    "5F": (78, 77, 82, 132, 221), "5M": (92, 66, 217, 113, 163),
}  # fmt: skip
"""Anger, happiness, excitement, sadness, neutral of each speaker, counted in the corpus."""

IMPROVISED = {
    "1F": (37, 18, 119, 43), "1M": (25, 15, 104, 61), "2F": (7, 25, 90, 63),
    "2M": (15, 29, 127, 37), "3F": (22, 39, 95, 108), "3M": (68, 21, 103, 82),
    "4F": (47, 10, 51, 41), "4M": (37, 21, 123, 40), "5F": (18, 56, 151, 73),
    "5M": (13, 50, 136, 60),
}  # fmt: skip
"""Anger, happiness, neutral, sadness of each speaker, improvised, without excitement."""

REST = {
    "frustration": 1849, "surprise": 107, "fear": 40, "other": 3, "disgust": 2,
    "no_agreement": 2507,
}  # fmt: skip


def write(root: Path, dialogue: str, text: str) -> Path:
    file = root / f"Session{dialogue[4]}" / "dialog" / "EmoEvaluation" / f"{dialogue}.txt"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(HEADER + text)
    return file


def recording(root: Path, name: str, suffix: str = ".wav") -> Path:
    wav = root / f"Session{name[4]}" / "sentences" / "wav"
    return wav / name.rpartition("_")[0] / f"{name}{suffix}"


def rated(corpus: Corpus) -> dict[str, dict[str, Rating]]:
    return {
        u.id.removeprefix("iemocap/"): {rating.rater: rating for rating in u.ratings}
        for u in corpus.utterances
    }


@pytest.fixture
def scene(tmp_path: Path, tone) -> Path:
    write(tmp_path, "Ses01F_impro01", SCENE)
    for name in ("Ses01F_impro01_F000", "Ses01F_impro01_M000"):
        tone(recording(tmp_path, name))
    return tmp_path


CELLS: dict[tuple[str, str, bool], int] = {}
"""Speaker, emotion and whether improvised, to how many utterances of the corpus are like that."""

for _speaker, (_anger, _happiness, _excitement, _sadness, _neutral) in FOUR.items():
    _counts = {"anger": _anger, "happiness": _happiness, "neutral": _neutral, "sadness": _sadness}
    for (_emotion, _num), _improvised in zip(_counts.items(), IMPROVISED[_speaker], strict=True):
        CELLS[_speaker, _emotion, True] = _improvised
        CELLS[_speaker, _emotion, False] = _num - _improvised
    CELLS[_speaker, "excitement", False] = _excitement
for _emotion, _num in REST.items():
    for _index, _speaker in enumerate(sorted(FOUR)):  # which speaker's does not matter here
        CELLS[_speaker, _emotion, _index % 2 == 0] = _num // 10 + (_index < _num % 10)


def made(speaker: str, emotion: str, improvised: bool, number: int) -> Utterance:
    """An utterance with an official name; in every other dialogue the woman wears the markers."""
    dialogue = f"Ses0{speaker[0]}{'FM'[number % 2]}_{'impro03' if improvised else 'script02_1'}"
    affect = {"arousal": 0.5, "valence": 0.25, "dominance": 0.75}
    rating = Rating(rater="consensus", emotion={emotion: 1.0}, affect=affect)
    utterance = iemocap.parse(Path(f"{dialogue}_{speaker[1]}{number:03d}.wav"))
    return replace(utterance, ratings=(rating,))


def corpus_of(utterances: Iterable[Utterance]) -> Corpus:
    in_order = sorted(utterances, key=lambda utterance: utterance.id)
    return Corpus(name="iemocap", passport=iemocap.PASSPORT, utterances=tuple(in_order))


@pytest.fixture(scope="module")
def everyone() -> Corpus:
    """One utterance for every cell of the corpus that holds any, without files."""
    held = [cell for cell, num in CELLS.items() if num]
    return corpus_of(made(*cell, number) for number, cell in enumerate(held))


def num_like(utterance: Utterance, emotion: str) -> int:
    """How many utterances of the corpus the one of a cell stands for."""
    speaker = (utterance.speaker or "").removeprefix("iemocap/")
    return CELLS[speaker, emotion, utterance.sentence is None]


@pytest.fixture(scope="module")
def as_labelled(everyone: Corpus) -> dict[str, str]:
    """Id to the emotion before any label map."""
    return {u.id: u.emotion() or "" for u in everyone.utterances}


def test_a_label_line_is_read_with_its_names(scene: Path):
    first, second = load("iemocap", scene).utterances
    assert first.id == "iemocap/Ses01F_impro01_F000"
    assert first.path == recording(scene, "Ses01F_impro01_F000")
    assert (first.speaker, first.sex, first.language) == ("iemocap/1F", "female", "en")
    assert (first.recording, first.sentence) == ("Ses01F_impro01", None)
    assert (first.emotion(), second.emotion()) == ("neutral", "no_agreement")


def test_the_speaker_is_the_letter_of_the_last_field_not_of_the_first(scene: Path):
    both = load("iemocap", scene).utterances
    assert [u.recording for u in both] == ["Ses01F_impro01"] * 2
    assert [(u.speaker, u.sex) for u in both] == [("iemocap/1F", "female"), ("iemocap/1M", "male")]


def test_the_bracket_is_valence_arousal_dominance(scene: Path):
    affect = load("iemocap", scene).utterances[0].affect()
    assert affect == {"valence": 0.375, "arousal": 0.5, "dominance": 0.75}


def test_single_raters_are_kept_under_their_codes(scene: Path):
    corpus = load("iemocap", scene)
    raters = rated(corpus)["Ses01F_impro01_F000"]
    assert list(raters) == ["consensus", "E2", "E3", "E4", "F1"]
    assert raters["E2"] == Rating(rater="E2", emotion={"neutral": 1.0})
    assert raters["E3"].emotion == {"neutral": 0.5, "anger": 0.5}
    assert raters["E3"].affect == {"valence": 0.5, "arousal": 0.25, "dominance": 1.0}
    assert raters["E4"].emotion == {"other": 1.0}
    assert raters["E4"].affect == {"valence": 0.25, "arousal": 0.75}
    assert raters["F1"].emotion == {"neutral": 1.0}
    assert rated(corpus)["Ses01F_impro01_M000"]["E3"].emotion == {"excitement": 1.0}
    assert not any("are malformed" in problem for problem in corpus.problems)


def test_malformed_lines_are_listed_and_their_raters_belong_to_nobody(tmp_path: Path):
    broken = SCENE.replace("xxx\t[1.0000, 5.0000, 3.0000]", "xxx\t[1.0000, 5.0000")
    write(tmp_path, "Ses01F_impro01", broken.replace("C-E2:\tNeutral;", "C-E2:\tNeutrall;"))
    corpus = load("iemocap", tmp_path)
    assert list(rated(corpus)) == ["Ses01F_impro01_F000"]
    assert list(rated(corpus)["Ses01F_impro01_F000"]) == ["consensus", "E3", "E4", "F1"]
    (line,) = [p for p in corpus.problems if "are malformed" in p]
    assert line.startswith("5 lines of the label files are malformed")
    assert "Ses01F_impro01.txt, line 4: 'C-E2:" in line


@pytest.mark.parametrize(
    ("was", "broken"),
    [
        ("neu\t", "neq\t"),
        ("Ses01F_impro01_F000", "Ses06F_impro01_F000"),
        ("[2.5000, 3.0000, 4.0000]", "[2.5000, 3.0000]"),
        ("[2.5000, 3.0000, 4.0000]", "[2.5000, nan, 4.0000]"),
        ("[2.5000, 3.0000, 4.0000]", "[2.5000, high, 4.0000]"),
    ],
)
def test_a_label_line_that_cannot_be_understood_gives_no_utterance(
    was: str, broken: str, tmp_path: Path
):
    write(tmp_path, "Ses01F_impro01", SCENE.replace(was, broken, 1))
    corpus = load("iemocap", tmp_path)
    assert list(rated(corpus)) == ["Ses01F_impro01_M000"]
    assert any("8 lines of the label files are malformed" in p for p in corpus.problems)


@pytest.mark.parametrize("line", ["A-E3:\tval 3; joy 2;\t()", "A-E3:\tval three;\t()", "B-E3: x"])
def test_a_rater_line_that_cannot_be_understood_costs_only_itself(line: str, tmp_path: Path):
    write(tmp_path, "Ses01F_impro01", SCENE.replace("A-E3:\tval 3; act 2; dom  5;\t()", line))
    corpus = load("iemocap", tmp_path)
    assert len(corpus.utterances) == 2
    assert rated(corpus)["Ses01F_impro01_F000"]["E3"].affect == {}
    assert any("1 lines of the label files are malformed" in p for p in corpus.problems)


def test_missing_recordings_are_listed_with_the_path_expected(scene: Path):
    gone = recording(scene, "Ses01F_impro01_M000")
    gone.unlink()
    corpus = load("iemocap", scene)
    assert len(corpus.utterances) == 2
    assert f"1 of 2 files are missing, the first is {gone}" in corpus.problems


def test_flac_stands_in_for_wav(tmp_path: Path, tone):
    write(tmp_path, "Ses01F_impro01", SCENE)
    tone(recording(tmp_path, "Ses01F_impro01_F000", ".flac"))
    assert load("iemocap", tmp_path).utterances[0].path.suffix == ".flac"


def test_values_outside_the_scale_are_clamped_and_counted(tmp_path: Path):
    write(tmp_path, "Ses01F_impro01", SCENE.replace("val 1; act 5; dom  3", "val 0; act 6; dom  3"))
    corpus = load("iemocap", tmp_path)
    affect = rated(corpus)["Ses01F_impro01_M000"]["E3"].affect
    assert affect == {"valence": 0.0, "arousal": 1.0, "dominance": 0.5}
    assert "2 values of affect outside the scale 1 to 5 were clamped to it" in corpus.problems


def test_an_utterance_labelled_twice_keeps_its_first_label(tmp_path: Path):
    write(tmp_path, "Ses01F_impro01", SCENE)
    write(tmp_path, "Ses01F_impro02", SCENE.replace("neu\t", "ang\t"))
    corpus = load("iemocap", tmp_path)
    assert [u.emotion() for u in corpus.utterances] == ["neutral", "no_agreement"]
    assert any("2 utterances are labelled twice" in problem for problem in corpus.problems)


def test_shadow_files_of_a_mac_and_free_comments_do_no_harm(scene: Path):
    folder = scene / "Session1" / "dialog" / "EmoEvaluation"
    (folder / "._Ses01F_impro01.txt").write_bytes(b"\x00\x05\x16\x07")
    file = folder / "Ses01F_impro01.txt"
    file.write_bytes(file.read_bytes().replace(b"curious", b"na\xefve").replace(b"\n", b"\r\n"))
    corpus = load("iemocap", scene)
    assert len(corpus.utterances) == 2
    assert not any("are malformed" in problem for problem in corpus.problems)


def test_a_scripted_scene_is_the_same_sentence_in_every_session():
    names = ("Ses01F_script01_1_F000", "Ses05M_script01_1b_M000", "Ses03M_impro05a_F000")
    found = [iemocap.parse(Path(f"{name}.wav")) for name in names]
    assert [u.sentence for u in found] == ["script01_1", "script01_1", None]
    assert [u.speaker for u in found] == ["iemocap/1F", "iemocap/5M", "iemocap/3F"]


@pytest.mark.parametrize(
    "name",
    ["Ses06F_impro01_F000", "Ses01_impro01_F000", "Ses01F_impro1_F000", "Ses01F_impro01_X000",
     "Ses01F_impro01", "Ses01F_script01_F000", "03a01Fa"],
)  # fmt: skip
def test_a_wrong_name_gives_an_error_with_the_grammar(name: str):
    with pytest.raises(FileNameError, match=r"not a name of IEMOCAP; the grammar is Ses0 and sess"):
        iemocap.parse(Path(f"{name}.wav"))


def test_a_missing_corpus_is_reported_with_the_layout(tmp_path: Path):
    with pytest.raises(MissingCorpusError, match=r"no IEMOCAP here; expected ROOT/Session"):
        load("iemocap", tmp_path)


def test_the_cells_of_the_tests_below_add_up_to_the_passport():
    emotions: Counter[str] = Counter()
    for (_, emotion, _), num in CELLS.items():
        emotions[emotion] += num
    assert emotions == iemocap.PASSPORT.emotions
    assert emotions.total() == iemocap.PASSPORT.num_utterances
    assert len({speaker for speaker, _, _ in CELLS}) == iemocap.PASSPORT.num_speakers


@pytest.mark.parametrize("name", iemocap.PASSPORT.protocols)
def test_every_protocol_keeps_its_claims_and_no_session_is_on_two_sides(
    name: str, everyone: Corpus
):
    cut = protocol(name, everyone)
    check(cut, audio=False)
    assert cut.independent_speaker
    assert len(cut.folds) == (10 if "10fold" in name else 5)
    for fold in cut.folds:
        sessions = [{(u.speaker or "")[8] for u in side} for side in fold.sides.values()]
        train, development, test = sessions
        assert not train & test
        assert len(test) == 1
        if "10fold" in name:
            assert development == test  # the partner chooses
            assert len({u.speaker for u in fold.train}) == 8
            assert not {u.speaker for u in fold.development} & {u.speaker for u in fold.test}
        elif name.endswith("none"):
            assert development == set()
            assert len(train) == 4
        elif name.endswith("random20"):
            assert development <= train
            assert len(train) == 4
        else:
            assert development == {str(int(*test) % 5 + 1)}
            assert len(train) == 3
    tested = [u.id for fold in cut.folds for u in fold.test]
    assert len(tested) == len(set(tested))


@pytest.mark.parametrize(
    ("kind", "sizes"),
    [("5531", [1085, 1023, 1151, 1031, 1241]), ("4490", None), ("2280", None), ("affect", None)],
)
def test_the_test_sides_have_the_published_counts(
    kind: str, sizes: list[int] | None, everyone: Corpus, as_labelled: dict[str, str]
):
    names = ["iemocap-affect-5fold"]
    if kind != "affect":
        names = [f"iemocap-{folds}-{kind}" for folds in ("5fold", "10fold")]
    for name in names:
        tested: dict[str, Counter[str]] = {speaker: Counter() for speaker in FOUR}
        of_fold: list[int] = []
        for fold in protocol(name, everyone).folds:
            of_fold.append(0)
            for u in fold.test:
                num = num_like(u, as_labelled[u.id])
                tested[(u.speaker or "")[8:]][u.emotion() or ""] += num
                of_fold[-1] += num
        assert sum(of_fold) == (10039 if kind == "affect" else int(kind))
        if sizes is not None and len(of_fold) == 5:
            assert of_fold == sizes
        for speaker, (anger, happiness, excitement, sadness, neutral) in FOUR.items():
            if kind == "2280":
                expected = IMPROVISED[speaker]
            else:
                merged = happiness + (excitement if kind == "5531" else 0)
                expected = (anger, merged, neutral, sadness)
            order = ("anger", "happiness", "neutral", "sadness")
            assert tuple(tested[speaker][emotion] for emotion in order) == expected


def test_2280_is_free_speech(everyone: Corpus):
    for folds in ("5fold", "10fold"):
        for fold in protocol(f"iemocap-{folds}-2280", everyone).folds:
            assert all(u.sentence is None for side in fold.sides.values() for u in side)


@pytest.mark.parametrize("kind", ["5fold-5531", "5fold-4490", "5fold-2280", "affect-5fold"])
def test_the_variants_test_on_the_same_and_choose_elsewhere(kind: str, everyone: Corpus):
    plain, random, none = (
        protocol(f"iemocap-{kind}{suffix}", everyone) for suffix in ("", "-random20", "-none")
    )
    for one, two, three in zip(plain.folds, random.folds, none.folds, strict=True):
        assert one.test == two.test == three.test
        assert {u.id for u in three.train} == {u.id for u in (*two.train, *two.development)}
        assert {u.id for u in three.train} == {u.id for u in (*one.train, *one.development)}
    assert len({cut.split for cut in (plain, random, none)}) == 3
    assert random.development_shares == ("speaker", "sentence")


def test_random20_is_a_fifth_of_each_emotion():
    cells = [(s, e) for s in sorted(FOUR) for e in ("anger", "happiness", "neutral", "sadness")]
    corpus = corpus_of(
        made(speaker, emotion, True, number)
        for number, (speaker, emotion) in enumerate(cell for cell in cells for _ in range(5))
    )
    for fold in protocol("iemocap-5fold-2280-random20", corpus).folds:
        assert Counter(u.emotion() for u in fold.train) == dict.fromkeys(
            ("anger", "happiness", "neutral", "sadness"), 32
        )
        assert Counter(u.emotion() for u in fold.development) == dict.fromkeys(
            ("anger", "happiness", "neutral", "sadness"), 8
        )
