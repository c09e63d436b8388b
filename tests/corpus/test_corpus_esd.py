from collections import Counter
from pathlib import Path

import pytest

from serkit.corpus import FileNameError, MissingCorpusError, esd, load, protocol


def test_folders_say_the_emotion_and_the_split(tmp_path: Path, tone):
    tone(tmp_path / "0001" / "Angry" / "train" / "0001_000401.wav")
    tone(tmp_path / "0001" / "Angry" / "evaluation" / "0001_000351.wav")
    tone(tmp_path / "0020" / "Surprise" / "test" / "0020_001421.wav")
    second, first, third = load("esd", tmp_path).utterances
    assert (first.id, first.speaker, first.sex) == ("esd/0001_000401", "esd/0001", "female")
    assert (first.language, first.sentence, first.emotion()) == ("zh", "zh-051", "anger")
    assert [u.split for u in (first, second, third)] == ["train", "development", "test"]
    assert (third.sex, third.language) == ("male", "en")
    assert (third.sentence, third.emotion()) == ("en-021", "surprise")


def test_a_copy_without_split_folders_has_no_split(tmp_path: Path, tone):
    tone(tmp_path / "Emotion Speech Dataset" / "0011" / "Happy" / "0011_000701.wav")
    (found,) = load("esd", tmp_path).utterances
    assert (found.split, found.sentence, found.emotion()) == (None, "en-001", "happiness")


def test_the_five_emotions_of_a_sentence_have_one_key():
    found = [esd.parse(Path(f"0011_{1 + 350 * block:06d}.wav")) for block in range(5)]
    assert {u.sentence for u in found} == {"en-001"}
    assert [u.emotion() for u in found] == ["neutral", "anger", "happiness", "sadness", "surprise"]


def test_the_languages_share_no_sentence():
    assert esd.parse(Path("0010_000001.wav")).sentence == "zh-001"


def test_numbers_speakers_and_languages_make_exactly_the_passport():
    blocks = Counter(esd.FOLDERS[esd.place(number).folder] for number in range(1, 1751))
    assert {e: 20 * count for e, count in blocks.items()} == esd.PASSPORT.emotions
    assert {esd.place(number).sentence for number in range(351, 701)} == set(range(1, 351))
    speakers = [esd.parse(Path(f"{speaker}_000001.wav")) for speaker in esd.SPEAKERS]
    assert len(speakers) == esd.PASSPORT.num_speakers
    assert set(Counter((u.language, u.sex) for u in speakers).values()) == {5}


@pytest.mark.parametrize("number", [0, 1751])
def test_a_number_that_nobody_has_is_refused(number: int):
    with pytest.raises(ValueError, match=f"from 1 to 1750, not {number}"):
        esd.place(number)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gb18030"])
def test_transcripts_are_read_in_every_encoding_they_come_in(encoding: str, tmp_path: Path):
    path = tmp_path / "0001.txt"
    lines = ["0001_000001\t打远一看\t中立", "", "0001_000351\t打远一看\tAngry", "no line"]
    path.write_bytes("\r\n".join(lines).encode(encoding))
    assert esd.transcript(path) == {"0001_000001": "Neutral", "0001_000351": "Angry"}


def test_a_line_of_the_transcript_with_another_emotion_is_listed(tmp_path: Path, tone):
    tone(tmp_path / "0011" / "Angry" / "0011_000351.wav")
    tone(tmp_path / "0011" / "Sad" / "0011_001051.wav")
    lines = "0011_000351\tThe nine the eggs.\tAngry\n0011_001051\tThe nine the eggs.\tHappy\n"
    (tmp_path / "0011" / "0011.txt").write_text(lines)
    corpus = load("esd", tmp_path)
    assert [u.emotion() for u in corpus.utterances] == ["anger", "sadness"]
    (line,) = [line for line in corpus.problems if "line in the transcript" in line]
    assert line.startswith("1 recordings have another emotion")
    assert line.endswith("0011_001051.wav (happiness)")


def test_a_recording_in_the_folder_of_another_emotion_is_listed(tmp_path: Path, tone):
    tone(tmp_path / "0011" / "Sad" / "0011_000351.wav")
    corpus = load("esd", tmp_path)
    assert corpus.utterances[0].emotion() == "sadness"
    assert any("by their number" in line and "(anger)" in line for line in corpus.problems)


def test_a_transcript_of_nothing_is_listed(tmp_path: Path, tone):
    tone(tmp_path / "0011" / "Sad" / "0011_001051.wav")
    (tmp_path / "0011" / "0011.txt").write_bytes(b"\xff\xfe\x00")
    assert any("0011.txt: no line of it" in line for line in load("esd", tmp_path).problems)


def test_the_split_of_the_corpus_is_called_speaker_dependent(tmp_path: Path, tone):
    for place, folder in enumerate(("train", "evaluation", "test")):
        for number in (351, 1051):
            name = f"0011_{number + place:06d}.wav"
            tone(tmp_path / "0011" / ("Angry" if number == 351 else "Sad") / folder / name)
    cut = protocol("split", load("esd", tmp_path))
    assert not cut.independent_speaker
    assert "speaker-dependent" in cut.labelled


@pytest.mark.parametrize(
    "name", ["0021_000001.wav", "0000_000001.wav", "0001_001751.wav", "0001_000000.wav", "a.wav"]
)
def test_a_wrong_name_gives_an_error_with_the_grammar(name: str):
    with pytest.raises(FileNameError, match="not a name of ESD; the grammar is speaker"):
        esd.parse(Path(name))


def test_a_missing_corpus_is_reported_with_the_layout(tmp_path: Path):
    with pytest.raises(MissingCorpusError, match="no ESD here; expected ROOT/<speaker>/<emotion>"):
        load("esd", tmp_path)
