from pathlib import Path

import pytest

from serkit.corpus import FileNameError, MissingCorpusError, emovo, load


def names() -> list[str]:
    return [
        f"{speaker}/{code}-{speaker}-{sentence}.wav"
        for speaker in emovo.SPEAKERS
        for code in emovo.CODES
        for sentence in emovo.SENTENCES
    ]


@pytest.mark.parametrize("above", [".", "EMOVO"])
def test_official_names_are_parsed_into_the_fields(above: str, tmp_path: Path, tone):
    for name in ("f1/dis-f1-b1.wav", "m3/gio-m3-n5.wav"):
        tone(tmp_path / above / name, sample_rate=48000, channels=2)
    first, second = load("emovo", tmp_path).utterances
    assert (first.id, first.speaker, first.sex) == ("emovo/dis-f1-b1", "emovo/f1", "female")
    assert (first.language, first.sentence, first.emotion()) == ("it", "b1", "disgust")
    assert (second.sex, second.sentence, second.emotion()) == ("male", "n5", "happiness")


@pytest.mark.parametrize(
    ("code", "emotion"),
    [
        ("dis", "disgust"), ("gio", "happiness"), ("neu", "neutral"), ("pau", "fear"),
        ("rab", "anger"), ("sor", "surprise"), ("tri", "sadness"),
    ],
)  # fmt: skip
def test_the_italian_codes_are_understood(code: str, emotion: str):
    assert emovo.parse(Path(f"{code}-f2-l4.wav")).emotion() == emotion


@pytest.mark.parametrize(
    "name",
    ["dis-f4-b1.wav", "xxx-f1-b1.wav", "dis-f1-b4.wav", "f2/dis-f1-b1.wav", "dis_f1_b1.wav"],
)
def test_a_wrong_name_gives_an_error_with_the_grammar(name: str):
    with pytest.raises(FileNameError, match="not a name of EMOVO; the grammar is emotion"):
        emovo.parse(Path(name))


def test_the_grammar_makes_exactly_the_passport():
    assert emovo.PASSPORT.differences([emovo.parse(Path(name)) for name in names()]) == ()


def test_what_a_partial_copy_lacks_is_counted_and_the_first_are_named(tmp_path: Path):
    for name in names()[12:]:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    corpus = load("emovo", tmp_path)
    line = corpus.problems[0]
    assert line.startswith("12 of 588 recordings are missing: dis-f1-b1, dis-f1-b2, ")
    assert line.endswith(" and 2 more")
    assert "emovo: 576 utterances, the passport says 588" in corpus.problems


def test_a_missing_corpus_is_reported_with_the_layout(tmp_path: Path):
    with pytest.raises(MissingCorpusError, match="no EMOVO here; expected ROOT/<speaker>/"):
        load("emovo", tmp_path)
