from collections import Counter
from pathlib import Path

import pytest

from serkit.corpus import Corpus, FileNameError, MissingCorpusError, audit, load, ravdess

FOLDER = "Audio_Speech_Actors_01-24"


def test_official_names_are_parsed_into_the_fields(tmp_path: Path, tone):
    for name in ("03-01-01-01-01-01-01", "03-01-06-01-02-01-12", "03-01-03-02-02-02-24"):
        tone(tmp_path / FOLDER / f"Actor_{name[-2:]}" / f"{name}.wav", sample_rate=48000)
    first, second, third = load("ravdess", tmp_path).utterances
    assert first.id == "ravdess/03-01-01-01-01-01-01"
    assert (first.speaker, first.sex, first.language) == ("ravdess/01", "male", "en")
    assert (first.sentence, first.emotion()) == ("01", "neutral")
    assert (second.emotion(), third.speaker) == ("happiness", "ravdess/12")
    assert (third.sex, third.sentence, third.emotion()) == ("female", "02", "fear")


def test_the_actor_folders_may_stand_at_the_root(tmp_path: Path, tone):
    tone(tmp_path / "Actor_01" / "03-01-01-01-01-01-01.flac")
    assert len(load("ravdess", tmp_path).utterances) == 1


def test_the_layout_of_audb_is_read(tmp_path: Path, tone):
    tone(tmp_path / "speech" / "actor_12" / "03-01-06-01-02-01-12.wav")
    tone(tmp_path / "songs" / "actor_12" / "03-02-06-01-02-01-12.wav")
    assert [u.id for u in load("ravdess", tmp_path).utterances] == ["ravdess/03-01-06-01-02-01-12"]


def test_song_is_passed_over(tmp_path: Path, tone):
    tone(tmp_path / "Actor_01" / "03-01-01-01-01-01-01.wav")
    tone(tmp_path / "Actor_01" / "03-02-01-01-01-01-01.wav")
    assert [u.id[-20:] for u in load("ravdess", tmp_path).utterances] == ["03-01-01-01-01-01-01"]


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("02-01-01-01-01-01-01.wav", "not a name of RAVDESS"),
        ("03-01-09-01-01-01-01.wav", "not a name of RAVDESS"),
        ("03-01-01-01-01-01-25.wav", "not a name of RAVDESS"),
        ("03-01-01-02-01-01-01.wav", "neutral has no strong intensity"),
        ("03-01-02-01-01-01-02.wav", "actor 02 in Actor_01"),
        ("song.wav", "not a name of RAVDESS"),
    ],
)
def test_a_wrong_name_gives_an_error_with_the_grammar(name: str, why: str):
    with pytest.raises(FileNameError, match=rf"{why}.*the grammar is seven two-digit fields"):
        ravdess.parse(Path("Actor_01") / name)


def test_a_missing_corpus_is_reported_with_the_layout(tmp_path: Path):
    with pytest.raises(MissingCorpusError, match=r"no RAVDESS here; expected ROOT/Audio_Speech"):
        load("ravdess", tmp_path)


def test_the_grammar_makes_exactly_the_passport(all_ravdess: Corpus):
    assert ravdess.PASSPORT.differences(all_ravdess.utterances) == ()


@pytest.mark.corpora
def test_the_real_corpus_agrees_with_its_passport(corpora_root: Path):
    corpus = load("ravdess", corpora_root / "ravdess")
    assert corpus.problems == ()
    assert Counter(Counter(u.speaker for u in corpus.utterances).values()) == {60: 24}
    assert Counter(u.sentence for u in corpus.utterances) == {"01": 720, "02": 720}


@pytest.mark.corpora
def test_the_one_known_pair_of_equal_recordings_is_found(corpora_root: Path):
    found = audit(load("ravdess", corpora_root / "ravdess"))
    assert found.ok
    assert found.duplicates == (("ravdess/03-01-03-01-02-01-07", "ravdess/03-01-03-01-02-02-07"),)
