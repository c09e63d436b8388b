from pathlib import Path

import pytest

from serkit.corpus import FileNameError, MissingCorpusError, load, tess


def test_official_names_are_parsed_into_the_fields(tmp_path: Path, tone):
    tone(tmp_path / "OAF_angry" / "OAF_back_angry.wav", sample_rate=24414)
    tone(tmp_path / "YAF_pleasant_surprised" / "YAF_back_ps.wav", sample_rate=24414)
    first, second = load("tess", tmp_path).utterances
    assert (first.id, first.speaker) == ("tess/OAF_back_angry", "tess/OAF")
    assert (first.sex, first.age, first.language) == ("female", 64.0, "en")
    assert (first.sentence, first.emotion()) == ("back", "anger")
    assert (second.age, second.sentence, second.emotion()) == (26.0, "back", "surprise")


@pytest.mark.parametrize(
    "folder",
    [".", "OAF_Sad", "TESS Toronto emotional speech set data/OAF_Sad", "oaf/sad"],
)
def test_every_circulating_layout_is_read(folder: str, tmp_path: Path, tone):
    tone(tmp_path / folder / "OAF_bar_sad.wav")
    assert [u.id for u in load("tess", tmp_path).utterances] == ["tess/OAF_bar_sad"]


def test_a_tree_inside_itself_is_read_once(tmp_path: Path, tone):
    for folder in ("OAF_Sad", "TESS/OAF_Sad"):
        for word in ("bar", "base"):
            tone(tmp_path / folder / f"OAF_{word}_sad.wav")
    corpus = load("tess", tmp_path)
    assert [u.id for u in corpus.utterances] == ["tess/OAF_bar_sad", "tess/OAF_base_sad"]
    assert {u.path.parent for u in corpus.utterances} == {tmp_path / "OAF_Sad"}
    assert "2 recordings are there twice and left out" in corpus.problems[0]


def test_shadows_of_an_unpacked_archive_are_passed_over(tmp_path: Path, tone):
    tone(tmp_path / "data" / "OAF_bar_sad.wav")
    tone(tmp_path / "__MACOSX" / "data" / "OAF_base_sad.wav")
    tone(tmp_path / "data" / "._OAF_bar_sad.wav")
    assert [u.id for u in load("tess", tmp_path).utterances] == ["tess/OAF_bar_sad"]


def test_the_one_misspelt_recording_is_of_the_older_actress():
    assert tess.parse(Path("OAF_neutral/OA_bite_neutral.wav")).speaker == "tess/OAF"


@pytest.mark.parametrize(
    "name", ["OAF_back.wav", "MAF_back_sad.wav", "OAF_back_calm.wav", "back_sad.wav", "03a01Fa.wav"]
)
def test_a_wrong_name_gives_an_error_with_the_grammar(name: str):
    with pytest.raises(FileNameError, match="not a name of TESS; the grammar is speaker"):
        tess.parse(Path(name))


def test_two_hundred_words_make_exactly_the_passport():
    words = [f"w{chr(97 + number // 26)}{chr(97 + number % 26)}" for number in range(200)]
    utterances = [
        tess.parse(Path(f"{speaker}_{word}_{code}.wav"))
        for speaker in tess.SPEAKERS
        for word in words
        for code in tess.CODES
    ]
    assert tess.PASSPORT.differences(utterances) == ()


def test_a_word_that_one_emotion_lacks_is_named(tmp_path: Path, tone):
    for speaker in tess.SPEAKERS:
        for code in tess.CODES:
            if (speaker, code) != ("YAF", "fear"):
                tone(tmp_path / f"{speaker}_germ_{code}.wav")
    problems = load("tess", tmp_path).problems
    assert problems[0] == "1 of 14 recordings are missing: YAF_germ_fear"


def test_a_missing_corpus_is_reported_with_the_layout(tmp_path: Path):
    with pytest.raises(MissingCorpusError, match=r"no TESS here; expected ROOT/\*\*/\*\.wav"):
        load("tess", tmp_path)
