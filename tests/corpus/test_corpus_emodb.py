from collections import Counter
from pathlib import Path

import pytest

from serkit.corpus import FileNameError, MissingCorpusError, emodb, excerpt, load


def test_official_names_are_parsed_into_the_fields(tmp_path: Path, tone):
    for name in ("03a01Fa.wav", "08b10Wd.flac", "16a05Ec.wav"):
        tone(tmp_path / "wav" / name)
    corpus = load("emodb", tmp_path)
    assert [u.id for u in corpus.utterances] == ["emodb/03a01Fa", "emodb/08b10Wd", "emodb/16a05Ec"]
    first, second, third = corpus.utterances
    assert (first.speaker, first.sex, first.age) == ("emodb/03", "male", 31)
    assert (first.sentence, first.language, first.emotion("intended")) == ("a01", "de", "happiness")
    assert (second.speaker, second.sex, second.emotion()) == ("emodb/08", "female", "anger")
    assert third.emotion() == "disgust"
    assert second.path == tmp_path / "wav" / "08b10Wd.flac"


def test_the_folder_of_recordings_itself_may_be_given(tmp_path: Path, tone):
    tone(tmp_path / "wav" / "03a01Fa.wav")
    assert [u.id for u in emodb.read(tmp_path / "wav").utterances] == ["emodb/03a01Fa"]


@pytest.mark.parametrize(
    "name", ["04a01Fa.wav", "03a03Fa.wav", "03a01Xa.wav", "03a01Fg.wav", "hello.wav", "03a01Fa.mp3"]
)
def test_a_wrong_name_gives_an_error_with_the_grammar(tmp_path: Path, name: str):
    with pytest.raises(FileNameError, match=rf"{name}: not a name of Emo-DB.*such as 03a01Fa\.wav"):
        emodb.parse(tmp_path / name)


def test_a_wrong_name_in_the_folder_stops_the_reading(tmp_path: Path, tone):
    tone(tmp_path / "wav" / "03a01Fa.wav")
    tone(tmp_path / "wav" / "call.wav")
    with pytest.raises(FileNameError, match=r"call\.wav: not a name of Emo-DB"):
        load("emodb", tmp_path)


def test_hidden_files_and_other_kinds_are_passed_over(tmp_path: Path, tone):
    tone(tmp_path / "wav" / "03a01Fa.wav")
    (tmp_path / "wav" / "._03a01Fa.wav").write_bytes(b"\0")
    (tmp_path / "wav" / "notes.txt").write_text("hello")
    assert len(load("emodb", tmp_path).utterances) == 1


def test_a_partial_copy_is_read_and_its_differences_are_listed(tmp_path: Path, tone):
    tone(tmp_path / "wav" / "03a01Fa.wav")
    problems = load("emodb", tmp_path).problems
    assert "emodb: 1 utterances, the passport says 535" in problems
    assert "emodb: 1 speakers, the passport says 10" in problems
    assert "emodb: 1 utterances of happiness, the passport says 71" in problems


def test_one_name_in_two_containers_is_one_utterance(tmp_path: Path, tone):
    tone(tmp_path / "wav" / "03a01Fa.flac")
    tone(tmp_path / "wav" / "03a01Fa.wav")
    corpus = load("emodb", tmp_path)
    assert len(corpus.utterances) == 1
    assert "03a01Fa.wav has the same base name as 03a01Fa.flac" in corpus.problems


def test_a_missing_corpus_is_reported_with_the_path_and_the_layout(tmp_path: Path):
    with pytest.raises(MissingCorpusError, match=r"nowhere: no Emo-DB here; expected ROOT/wav/\*"):
        load("emodb", tmp_path / "nowhere")
    with pytest.raises(MissingCorpusError, match=r"say emodb=PATH; expected ROOT/wav.*to get it"):
        load("emodb")


def test_the_excerpt_comes_along_with_its_attribution():
    corpus = load("excerpt")
    assert corpus.problems == ()
    assert len(corpus.speakers) == 10
    assert corpus.emotions == ("anger", "happiness", "neutral", "sadness")
    cells = Counter((u.speaker, u.emotion()) for u in corpus.utterances)
    assert len(cells) == 40
    assert set(cells.values()) <= {2, 3}
    text = (excerpt.ROOT / "ATTRIBUTION.md").read_text(encoding="utf-8")
    assert "Emo-DB, Burkhardt et al. 2005, http://emodb.bilderbar.info/, CC BY 4.0" in text
    assert "converted from WAV to FLAC" in text


def test_the_excerpt_is_small():
    sizes = [path.stat().st_size for path in (excerpt.ROOT / "wav").iterdir()]
    assert sum(sizes) < 5.5e6


@pytest.mark.corpora
def test_the_real_corpus_agrees_with_its_passport(corpora_root: Path):
    corpus = load("emodb", corpora_root / "emodb")
    assert corpus.problems == ()
    assert len(corpus.utterances) == 535
    assert Counter(u.sentence for u in corpus.utterances) == {
        "a01": 49, "a02": 60, "a04": 51, "a05": 62, "a07": 55,
        "b01": 51, "b02": 51, "b03": 52, "b09": 52, "b10": 52,
    }  # fmt: skip
    takes = Counter((u.speaker, u.sentence, u.emotion()) for u in corpus.utterances)
    assert Counter(takes.values())[2] == 59
    assert Counter(takes.values())[3] == 1


@pytest.mark.corpora
def test_the_excerpt_is_the_real_corpus_byte_for_byte(corpora_root: Path):
    for utterance in load("excerpt").utterances:
        original = corpora_root / "emodb" / "wav" / utterance.path.name
        assert utterance.path.read_bytes() == original.read_bytes()
