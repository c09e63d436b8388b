from collections import Counter
from pathlib import Path

import pytest

from serkit.corpus import FileNameError, MissingCorpusError, ProtocolError, load, protocol, savee


def test_names_in_the_folder_of_a_speaker_are_parsed_into_the_fields(tmp_path: Path, tone):
    tone(tmp_path / "AudioData" / "DC" / "a01.wav")
    tone(tmp_path / "AudioData" / "KL" / "su15.wav")
    (tmp_path / "AudioData" / "Info.txt").write_text("Speakers")
    first, second = load("savee", tmp_path).utterances
    assert (first.id, first.speaker, first.sex) == ("savee/DC_a01", "savee/DC", "male")
    assert (first.language, first.emotion(), first.sentence) == ("en", "anger", None)
    assert (second.id, second.emotion()) == ("savee/KL_su15", "surprise")


@pytest.mark.parametrize("name", ["ALL/JK_sa07.flac", "JK/sa07.wav", "JK/JK_sa07.wav"])
def test_one_folder_for_all_or_one_per_speaker_say_the_same(name: str, tmp_path: Path, tone):
    tone(tmp_path / name)
    (found,) = load("savee", tmp_path).utterances
    assert (found.id, found.speaker, found.emotion()) == ("savee/JK_sa07", "savee/JK", "sadness")


@pytest.mark.parametrize(
    "name",
    [
        "DC/a16.wav",
        "DC/n31.wav",
        "DC/a00.wav",
        "DC/x01.wav",
        "a01.wav",
        "DC/JE_a01.wav",
        "DC/a1.wav",
    ],
)
def test_a_wrong_name_gives_an_error_with_the_grammar(name: str):
    with pytest.raises(FileNameError, match="not a name of SAVEE; the grammar is emotion"):
        savee.parse(Path(name))


def test_the_grammar_makes_exactly_the_passport():
    utterances = [
        savee.parse(Path(f"{speaker}_{letters}{number:02d}.wav"))
        for speaker in savee.SPEAKERS
        for letters, most in savee.NUM_SENTENCES.items()
        for number in range(1, most + 1)
    ]
    assert savee.PASSPORT.differences(utterances) == ()
    assert Counter(Counter(u.speaker for u in utterances).values()) == {120: 4}


def test_what_a_partial_copy_lacks_is_named(tmp_path: Path):
    for speaker in savee.SPEAKERS:
        for letters, most in savee.NUM_SENTENCES.items():
            for number in range(1, most + 1):
                if (speaker, letters, number) not in {("DC", "f", 9), ("JE", "n", 30)}:
                    (tmp_path / f"{speaker}_{letters}{number:02d}.wav").touch()
    corpus = load("savee", tmp_path)
    assert corpus.problems[0] == "2 of 480 recordings are missing: DC_f09, JE_n30"
    assert len(corpus.utterances) == 478


def test_independence_of_sentences_cannot_be_claimed(tmp_path: Path, tone):
    for speaker in savee.SPEAKERS:
        for name in ("a01", "n01"):
            tone(tmp_path / speaker / f"{name}.wav")
    with pytest.raises(ProtocolError, match="sentence"):
        protocol("text-kfold-3", load("savee", tmp_path))


def test_a_missing_corpus_is_reported_with_the_layout(tmp_path: Path):
    with pytest.raises(MissingCorpusError, match="no SAVEE here; expected ROOT/AudioData/"):
        load("savee", tmp_path)
