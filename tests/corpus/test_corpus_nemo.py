from collections.abc import Sequence
from pathlib import Path

import pytest

from serkit.corpus import FileNameError, MissingCorpusError, load, nemo

HEAD = "file_id\temotion\traw_text\tnormalized_text\tspeaker_id\tgender\tage"


def row(name: str, *, emotion: str | None = None, speaker: str | None = None) -> str:
    own_speaker, own_emotion, _ = name.removesuffix(".wav").split("_")
    # the published table pads the speakers with blanks, and its texts hold quotation marks
    return (
        f'{name}\t{emotion or own_emotion}\t"Ród smoka” to serial.\tród smoka to serial'
        f"\t        {speaker or own_speaker}\tmale\t23"
    )


def write(root: Path, tone, names: Sequence[str], rows: Sequence[str]) -> Path:
    for number, name in enumerate(names):
        tone(root / "samples" / name, pitch=220.0 + number, sample_rate=24000)
    (root / "data.tsv").write_text("\n".join([HEAD, *rows]) + "\n", encoding="utf-8")
    return root


def test_official_names_are_parsed_into_the_fields(tmp_path: Path, tone):
    names = ["EB0_neutral_13.wav", "WR0_surprised_64.wav"]
    first, second = load("nemo", write(tmp_path, tone, names, [row(n) for n in names])).utterances
    assert (first.id, first.speaker) == ("nemo/EB0_neutral_13", "nemo/EB0")
    assert (first.sex, first.age, first.language) == ("female", 27.0, "pl")
    assert (first.sentence, first.emotion()) == ("13", "neutral")
    assert (second.sex, second.sentence, second.emotion()) == ("male", "64", "surprise")


def test_a_table_that_agrees_says_nothing(tmp_path: Path, tone):
    names = ["EB0_neutral_13.wav", "WR0_surprised_64.wav"]
    corpus = load("nemo", write(tmp_path, tone, names, [row(n) for n in reversed(names)]))
    assert corpus.problems == nemo.PASSPORT.differences(corpus.utterances)


def test_rows_without_a_recording_and_recordings_without_a_row_are_listed(tmp_path: Path, tone):
    rows = [row("EB0_neutral_13.wav"), row("EB0_fear_1.wav")]
    root = write(tmp_path, tone, ["EB0_neutral_13.wav", "KS0_fear_2.wav"], rows)
    problems = load("nemo", root).problems
    assert problems[0] == "1 of 2 recordings are missing: EB0_fear_1"
    assert problems[1] == "1 recordings have no row in data.tsv, the first is KS0_fear_2"


@pytest.mark.parametrize("wrong", [{"emotion": "anger"}, {"speaker": "KS0"}])
def test_a_row_that_says_something_else_is_listed(wrong: dict[str, str], tmp_path: Path, tone):
    names = ["EB0_fear_1.wav", "EB0_neutral_13.wav"]
    root = write(tmp_path, tone, names, [row(names[0], **wrong), row(names[1])])
    corpus = load("nemo", root)
    assert "1 rows of data.tsv do not fit their file names" in corpus.problems[0]
    assert "EB0_fear_1" in corpus.problems[0]
    assert corpus.utterances[0].emotion() == "fear"


def test_a_table_without_its_columns_is_said_and_not_used(tmp_path: Path, tone):
    tone(tmp_path / "samples" / "EB0_fear_1.wav")
    (tmp_path / "data.tsv").write_text("file\temotion\nEB0_fear_1.wav\tfear\n")
    assert "no column file_id speaker_id" in load("nemo", tmp_path).problems[0]


@pytest.mark.parametrize("folder", [".", "audios"])
def test_the_recordings_may_stand_alone(folder: str, tmp_path: Path, tone):
    tone(tmp_path / folder / "TP0_sadness_90.flac")
    assert [u.id for u in load("nemo", tmp_path).utterances] == ["nemo/TP0_sadness_90"]


@pytest.mark.parametrize(
    "name",
    ["AB0_fear_1.wav", "EB0_surprise_1.wav", "EB0_fear_91.wav", "EB0_fear_0.wav", "EB0_fear.wav"],
)
def test_a_wrong_name_gives_an_error_with_the_grammar(name: str):
    with pytest.raises(FileNameError, match="not a name of nEMO; the grammar is speaker"):
        nemo.parse(Path(name))


def test_a_missing_corpus_is_reported_with_the_layout(tmp_path: Path):
    with pytest.raises(MissingCorpusError, match=r"no nEMO here; expected ROOT/data\.tsv"):
        load("nemo", tmp_path)
