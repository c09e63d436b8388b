from pathlib import Path

import pytest

from serkit.corpus import MissingCorpusError, UnknownLabelError, load, synthetic

PATTERN = r"(?P<speaker>[a-z]+)_\d+\.wav$"


def test_folders_are_emotions_and_the_pattern_finds_speakers(tmp_path: Path, tone):
    tone(tmp_path / "Angry" / "anna_1.wav")
    tone(tmp_path / "sad" / "deep" / "bob_1.wav")
    corpus = load("mine", tmp_path, speaker_pattern=PATTERN)
    assert [u.id for u in corpus.utterances] == ["mine/Angry/anna_1.wav", "mine/sad/deep/bob_1.wav"]
    assert [u.emotion() for u in corpus.utterances] == ["anger", "sadness"]
    assert corpus.speakers == ("mine/anna", "mine/bob")
    assert corpus.problems == ()


def test_without_a_pattern_every_speaker_is_unknown_and_that_is_said(tmp_path: Path, tone):
    tone(tmp_path / "anger" / "anna_1.wav")
    corpus = load("mine", tmp_path)
    assert corpus.speakers == ()
    assert corpus.problems == ("no speaker pattern was given, so every speaker is unknown",)


def test_files_the_pattern_does_not_fit_are_counted(tmp_path: Path, tone):
    tone(tmp_path / "anger" / "anna_1.wav")
    tone(tmp_path / "anger" / "7.wav")
    corpus = load("mine", tmp_path, speaker_pattern=PATTERN)
    assert corpus.utterances[0].speaker is None
    assert corpus.problems == (
        "the speaker pattern finds no speaker in 1 of 2 files, the first is anger/7.wav",
    )


def test_a_pattern_may_look_at_the_folders(tmp_path: Path, tone):
    tone(tmp_path / "anger" / "anna" / "1.flac")
    corpus = load("mine", tmp_path, speaker_pattern=r"^\w+/(?P<speaker>\w+)/")
    assert corpus.speakers == ("mine/anna",)


def test_a_folder_that_is_no_emotion_is_named_and_may_be_mapped(tmp_path: Path, tone):
    tone(tmp_path / "Wut" / "1.wav")
    tone(tmp_path / "happines" / "1.wav")
    with pytest.raises(
        UnknownLabelError, match=r"folders of .*'Wut'.*'happines' \(did you mean hap"
    ):
        load("mine", tmp_path)
    corpus = load("mine", tmp_path, aliases={"Wut": "anger", "happines": "happiness"})
    assert corpus.emotions == ("anger", "happiness")


def test_loose_recordings_and_other_files_are_left_out_and_said(tmp_path: Path, tone):
    tone(tmp_path / "anger" / "anna_1.wav")
    tone(tmp_path / "loose.wav")
    (tmp_path / "README.txt").write_text("hello")
    (tmp_path / ".hidden").mkdir()
    tone(tmp_path / ".hidden" / "anna_2.wav")
    corpus = load("mine", tmp_path, speaker_pattern=PATTERN)
    assert len(corpus.utterances) == 1
    assert corpus.problems == (
        "1 recordings stand in no emotion folder and are left out, the first is loose.wav",
        "1 files are no recordings, the first is README.txt",
    )


@pytest.mark.parametrize(
    ("pattern", "why"),
    [("(?P<speaker>", "is not a regular expression"), (r"(\w+)_", "has no group named speaker")],
)
def test_a_faulty_pattern_is_refused_with_an_example(tmp_path: Path, pattern: str, why: str):
    with pytest.raises(ValueError, match=rf"{why}.*write for instance \(\?P<speaker>"):
        load("mine", tmp_path, speaker_pattern=pattern)


def test_a_folder_without_recordings_is_reported_with_the_layouts(tmp_path: Path):
    with pytest.raises(
        MissingCorpusError, match="no recordings below it; expected ROOT/<emotion>/"
    ):
        load("mine", tmp_path)
    with pytest.raises(
        MissingCorpusError, match=r"no such table or folder for mine; expected a .csv"
    ):
        load("mine", tmp_path / "gone")


def test_a_name_of_no_corpus_without_a_path_is_answered_with_the_known_ones():
    with pytest.raises(
        MissingCorpusError, match=r"'emodbb' is no known corpus \(.*emodb, .*did you mean emodb"
    ):
        load("emodbb")
    with pytest.raises(ValueError, match="'a/b' is no name for a corpus"):
        load("a/b", Path())


def test_the_synthetic_corpus_is_the_same_for_the_same_seed(tmp_path: Path):
    files = []
    for name, seed in (("one", 0), ("two", 0), ("three", 1)):
        root = synthetic.write(tmp_path / name, num_speakers=2, takes=2, seconds=0.1, seed=seed)
        files.append([path.read_bytes() for path in sorted(root.rglob("*.wav"))])
    assert files[0] == files[1]
    assert files[0] != files[2]
    assert len(files[0]) == len(set(files[0])) == 8


def test_the_synthetic_corpus_agrees_with_its_passport(tmp_path: Path):
    corpus = synthetic.read(synthetic.write(tmp_path, seconds=0.05))
    assert synthetic.PASSPORT.differences(corpus.utterances) == ()
    assert corpus.problems == ()


def test_more_emotions_than_pitches_are_refused(tmp_path: Path):
    with pytest.raises(ValueError, match="at most 10 emotions"):
        synthetic.write(tmp_path, emotions=tuple(f"emotion{n}" for n in range(11)))
