from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from serkit.corpus import (
    AFFECT,
    Corpus,
    FileNameError,
    MissingCorpusError,
    check,
    emotale,
    load,
    protocol,
)

COLUMNS = [f"a{n}_{what}" for n in (1, 2, 3) for what in ("A", "V", "D", "cat")]
DANISH_ONLY = ("014", "015", "018", "019")
CHILDREN = {"emotale/008", "emotale/009", "emotale/014"}

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path, tone) -> Write:
    """A copy with recordings, rows of annotations (columns may be in any order) and speakers."""

    def copy(
        recordings: list[str],
        rows: dict[str, str] | None = None,
        columns: list[str] | None = None,
        speakers: str = "speaker,gender,age\n001,F,22\n004,M,24\n",
    ) -> Path:
        for number, name in enumerate(recordings):
            tone(tmp_path / "wav" / name, pitch=200 + 20 * number, channels=2)
        if rows is not None:
            lines = [",".join(["file", *(columns or COLUMNS), "gt_emotion"])]
            lines += [f"{name}.wav,{cells}" for name, cells in rows.items()]
            (tmp_path / "annotations.csv").write_text("\n".join(lines) + "\n")
        if speakers:
            (tmp_path / "speaker_info.csv").write_text(speakers)
        return tmp_path

    return copy


@pytest.fixture(scope="module")
def all_emotale() -> Corpus:
    """The 800 names of EmoTale, without files and annotations."""
    names = [
        f"{language}_{speaker}_{letter}_{sentence}.wav"
        for language in ("DK", "EN")
        for speaker in emotale.SPEAKERS
        if language == "DK" or speaker not in DANISH_ONLY
        for letter in emotale.LETTERS
        for sentence in emotale.SENTENCES
    ]
    utterances = tuple(emotale.parse(Path(name)) for name in sorted(names))
    return Corpus(name="emotale", passport=emotale.PASSPORT, utterances=utterances)


def test_names_speakers_and_annotations_are_read_into_the_fields(write: Write):
    root = write(["DK_004_A_5.wav"], {"DK_004_A_5": "4,1.5,5,A,4,2.5,4,A,5,1,3,S,A"})
    corpus = load("emotale", root)
    (utterance,) = corpus.utterances
    assert (utterance.id, utterance.speaker) == ("emotale/DK_004_A_5", "emotale/004")
    assert (utterance.sex, utterance.age, utterance.language) == ("male", 24.0, "da")
    assert (utterance.sentence, utterance.emotion()) == ("5", "anger")
    assert utterance.affect("annotator1") == {"arousal": 0.75, "valence": 0.125, "dominance": 1.0}
    assert [utterance.emotion(f"annotator{n}") for n in (1, 2, 3)] == ["anger", "anger", "sadness"]
    assert utterance.affect() == utterance.affect("consensus")
    assert utterance.affect() == pytest.approx(
        {"arousal": 10 / 12, "valence": 2 / 12, "dominance": 0.75}
    )
    shares = utterance.rating("majority")
    assert shares is not None
    assert shares.emotion == pytest.approx({"anger": 2 / 3, "sadness": 1 / 3})


def test_columns_are_read_by_name_and_not_by_position(write: Write):
    columns = [column for n in (3, 1, 2)
               for column in (f"a{n}_cat", f"a{n}_D", f"a{n}_V", f"a{n}_A")]  # fmt: skip
    root = write(["DK_001_N_1.wav"], {"DK_001_N_1": "H,1,2,3,N,5,4,3,N,3,3,3,N"}, columns=columns)
    (utterance,) = load("emotale", root).utterances
    assert utterance.affect("annotator3") == {"arousal": 0.5, "valence": 0.25, "dominance": 0.0}
    assert utterance.affect("annotator1") == {"arousal": 0.5, "valence": 0.75, "dominance": 1.0}
    assert utterance.emotion("annotator3") == "happiness"


def test_three_categories_have_no_majority(write: Write):
    root = write(["EN_001_B_2.flac"], {"EN_001_B_2": "3,3,3,A,3,3,3,B,3,3,3,N,B"})
    corpus = load("emotale", root)
    (utterance,) = corpus.utterances
    assert utterance.rating("majority") is None
    assert (utterance.emotion(), utterance.language) == ("boredom", "en")


def test_values_outside_the_scale_are_clamped_and_counted(write: Write):
    root = write(["DK_001_A_1.wav"], {"DK_001_A_1": "0,6,3,A,3,3,3,A,3,3,3,A,A"})
    corpus = load("emotale", root)
    assert corpus.utterances[0].affect("annotator1") == {
        "arousal": 0.0, "valence": 1.0, "dominance": 0.5
    }  # fmt: skip
    assert "2 values of affect outside the scale 1 to 5 were clamped to it" in corpus.problems


def test_cells_that_are_empty_or_unreadable_are_left_out_and_counted(write: Write):
    root = write(["DK_001_A_1.wav"], {"DK_001_A_1": ",two,3,A,3,3,nan,,3,3,3,A,"})
    corpus = load("emotale", root)
    (utterance,) = corpus.utterances
    assert utterance.affect("annotator1") == {"dominance": 0.5}
    assert set(utterance.affect("annotator2")) == {"arousal", "valence"}
    assert utterance.emotion("annotator2") is None
    assert utterance.emotion() == "anger"  # from the name, where gt_emotion is empty
    assert utterance.affect() == {"arousal": 0.5, "valence": 0.5, "dominance": 0.5}
    (line,) = (line for line in corpus.problems if "cells" in line)
    assert line.startswith("5 cells are missing or cannot be read, the first is gt_emotion")


def test_an_intention_that_is_not_the_one_of_the_name_is_listed_and_kept(write: Write):
    root = write(["DK_001_A_1.wav"], {"DK_001_A_1": "3,3,3,S,3,3,3,S,3,3,3,S,S"})
    corpus = load("emotale", root)
    assert corpus.utterances[0].emotion() == "sadness"
    assert corpus.problems[0].startswith("DK_001_A_1: gt_emotion is sadness")


def test_a_copy_without_some_audio_loads_and_lists_what_is_missing(write: Write):
    cells = "3,3,3,A,3,3,3,A,3,3,3,A,A"
    root = write(["DK_001_A_1.wav"], {"DK_001_A_1": cells, "DK_001_A_2": cells})
    corpus = load("emotale", root)
    assert [u.path.is_file() for u in corpus.utterances] == [True, False]
    missing = root / "wav" / "DK_001_A_2.wav"
    assert f"1 of 2 files are missing, the first is {missing}" in corpus.problems


def test_a_recording_without_a_row_has_its_intention(write: Write):
    cells = "3,3,3,A,3,3,3,A,3,3,3,A,A"
    corpus = load("emotale", write(["DK_001_A_1.wav", "DK_001_S_1.wav"], {"DK_001_A_1": cells}))
    assert [r.rater for r in corpus.utterances[1].ratings] == ["intended"]
    assert "1 recordings are not in annotations.csv, the first is DK_001_S_1" in corpus.problems


def test_a_copy_without_tables_loads_from_either_folder(write: Write):
    root = write(["DK_001_A_1.wav"], speakers="")
    for place in (root, root / "wav"):
        corpus = load("emotale", place)
        assert corpus.utterances[0].emotion() == "anger"
        assert corpus.utterances[0].age is None
        assert "annotations.csv is missing: only intended emotions" in corpus.problems
        assert "speaker_info.csv is missing: sex and age of the speakers are unknown" in (
            corpus.problems
        )


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "annotations.csv is empty: only intended emotions"),
        ("file,a1_A\n", "annotations.csv is empty: only intended emotions"),
        (
            "file;a1_A\nDK_001_A_1.wav;3\n",
            "annotations.csv has no column file among file;a1_A: only intended emotions; "
            "fields are divided by commas",
        ),
        (
            "name,a1_A\nDK_001_A_1.wav,3\n",
            "annotations.csv has no column file among name, a1_A: only intended emotions; "
            "fields are divided by commas",
        ),
    ],
)
def test_a_table_of_annotations_without_content_is_named(write: Write, text: str, problem: str):
    root = write(["DK_001_A_1.wav"])
    (root / "annotations.csv").write_text(text)
    corpus = load("emotale", root)
    assert problem in corpus.problems
    assert not [line for line in corpus.problems if "cells" in line]
    assert corpus.utterances[0].emotion() == "anger"


def test_speakers_may_have_lost_their_zeros(write: Write):
    root = write(["DK_001_A_1.wav"], speakers="speaker,gender,age\n1,F,22\n")
    assert load("emotale", root).utterances[0].age == 22


@pytest.mark.parametrize(
    "name", ["DE_001_A_1", "DK_002_A_1", "DK_020_A_1", "DK_001_F_1", "DK_001_A_6", "03a01Fa"]
)
def test_a_wrong_name_gives_an_error_with_the_grammar(name: str):
    with pytest.raises(FileNameError, match=r"not a name of EmoTale; the grammar is language"):
        emotale.parse(Path(f"{name}.wav"))


def test_a_missing_corpus_is_reported_with_the_layout(tmp_path: Path):
    with pytest.raises(MissingCorpusError, match=r"no EmoTale here; expected ROOT/wav"):
        load("emotale", tmp_path)


def test_the_grammar_makes_exactly_the_passport(all_emotale: Corpus):
    assert emotale.PASSPORT.differences(all_emotale.utterances) == ()


def test_the_six_folds_are_those_of_the_specification(all_emotale: Corpus):
    cut = protocol("emotale-6fold", all_emotale)
    assert check(cut, audio=False) == ()
    speakers = [{u.speaker for u in fold.test} for fold in cut.folds]
    assert set().union(*speakers) == set(all_emotale.speakers)
    assert [len(fold.test) for fold in cut.folds] == [125, 125, 125, 125, 150, 150]
    counts = [Counter(u.language for u in fold.test) for fold in cut.folds]
    assert [c["da"] for c in counts] == [75] * 6
    assert [c["en"] for c in counts] == [50, 50, 50, 50, 75, 75]
    for number, fold in enumerate(cut.folds):
        assert len(speakers[number]) == 3
        assert len(speakers[number] & CHILDREN) <= 1
        assert {u.speaker for u in fold.development} == speakers[(number + 1) % 6]


def test_the_cells_of_speakers_and_sentences_are_tested_once(all_emotale: Corpus):
    cut = protocol("emotale-speaker-text", all_emotale.subset(emotions=["anger"]))
    assert check(cut, audio=False) == ()
    assert len(cut.folds) == 30
    assert cut.independent_sentence
    tested = Counter(u.id for fold in cut.folds for u in fold.test)
    assert tested == Counter(u.id for u in all_emotale.utterances if u.emotion() == "anger")


@pytest.mark.parametrize(("heard", "tested", "number"), [("da", "en", 350), ("en", "da", 450)])
def test_another_language_is_tested_with_other_speakers(
    heard: str, tested: str, number: int, all_emotale: Corpus
):
    cut = protocol(f"emotale-{heard}-{tested}", all_emotale)
    assert check(cut, audio=False) == ()
    assert sum(len(fold.test) for fold in cut.folds) == number
    for fold in cut.folds:
        assert {u.language for u in fold.test} == {tested}
        assert {u.language for u in (*fold.train, *fold.development)} == {heard}


@pytest.mark.corpora
def test_the_real_corpus_agrees_with_its_passport(corpora_root: Path):
    corpus = load("emotale", corpora_root / "emotale")
    assert corpus.problems == ()
    majority = [u.emotion("majority") for u in corpus.utterances]
    assert sum(emotion is None for emotion in majority) == 51
    agree = [u.emotion() == heard for u, heard in zip(corpus.utterances, majority, strict=True)]
    assert sum(agree) == 636
    means = dict.fromkeys(AFFECT, 0.0)
    for utterance in corpus.utterances:
        for dimension, value in utterance.affect().items():
            means[dimension] += (1 + 4 * value) / 800
    assert means == pytest.approx({"arousal": 2.95, "valence": 2.61, "dominance": 2.81}, abs=0.005)
    for fold in protocol("emotale-6fold", corpus).folds:
        sexes = Counter(u.sex for u in {u.speaker: u for u in fold.test}.values())
        assert sexes == {"female": 2, "male": 1}
