import sys
from pathlib import Path
from typing import Any

import pytest

from serkit.corpus import MissingCorpusError, MissingExtraError, load, protocol, read_audformat
from serkit.corpus.table import TableError

audformat: Any = pytest.importorskip("audformat")
pandas: Any = pytest.importorskip("pandas")

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:audformat")

FILES = ["audio/a.wav", "audio/b.wav", "audio/c.wav"]


def database() -> Any:
    found = audformat.Database("mine")
    found.schemes["emotion"] = audformat.Scheme(labels=["joy", "anger", "sadness"])
    found.schemes["arousal"] = audformat.Scheme("float", minimum=1, maximum=7)
    found.schemes["speaker"] = audformat.Scheme(
        labels={"anna": {"gender": "female", "age": 31}, "bob": {"gender": "male", "age": 40}}
    )
    found.schemes["noise"] = audformat.Scheme("float")
    found.raters["gold"] = audformat.Rater()
    found.splits["train"] = audformat.Split("train")
    found.splits["dev"] = audformat.Split("dev")
    found.splits["test"] = audformat.Split("test")
    found["files"] = audformat.Table(audformat.filewise_index(FILES))
    found["files"]["speaker"] = audformat.Column(scheme_id="speaker")
    found["files"]["speaker"].set(["anna", "bob", "bob"])
    found["files"]["noise"] = audformat.Column(scheme_id="noise")
    found["files"]["noise"].set([0.1, 0.2, 0.3])
    return found


def test_tables_schemes_raters_and_splits_map_one_to_one(tmp_path: Path):
    mine = database()
    for split, files in (("train", FILES[:2]), ("test", FILES[2:])):
        name = f"emotion.{split}"
        mine[name] = audformat.Table(audformat.filewise_index(files), split_id=split)
        mine[name]["emotion"] = audformat.Column(scheme_id="emotion", rater_id="gold")
        mine[name]["emotion"].set(["joy", "anger"][: len(files)])
        mine[name]["arousal"] = audformat.Column(scheme_id="arousal", rater_id="gold")
        mine[name]["arousal"].set([4.0, 7.0][: len(files)])
    mine.save(str(tmp_path))
    corpus = load("mine", tmp_path)
    first, second, third = corpus.utterances
    assert (first.id, first.path) == ("mine/audio/a.wav", tmp_path / "audio/a.wav")
    assert (first.speaker, first.sex, first.age) == ("mine/anna", "female", 31)
    assert (first.emotion("gold"), first.ratings[0].affect) == ("happiness", {"arousal": 0.5})
    assert (second.sex, second.emotion(), second.ratings[0].affect) == (
        "male",
        "anger",
        {"arousal": 1.0},
    )
    assert [u.split for u in corpus.utterances] == ["train", "train", "test"]
    assert third.emotion() == "happiness"
    assert "columns not read: files.noise" in corpus.problems
    assert not protocol("split", corpus).independent_speaker


def test_segments_inherit_what_is_said_of_their_file(tmp_path: Path):
    mine = database()
    index = audformat.segmented_index(
        [FILES[0], FILES[0], FILES[1]], ["0s", "1.5s", "0s"], ["1.5s", "2s", pandas.NaT]
    )
    mine["segments"] = audformat.Table(index)
    mine["segments"]["emotion"] = audformat.Column(scheme_id="emotion")
    mine["segments"]["emotion"].set(["joy", "anger", "sadness"])
    mine.save(str(tmp_path))
    corpus = load("mine", tmp_path)
    assert [u.id for u in corpus.utterances] == [
        "mine/audio/a.wav#0-1.5",
        "mine/audio/a.wav#1.5-2",
        "mine/audio/b.wav",
        "mine/audio/c.wav",
    ]
    assert [u.speaker for u in corpus.utterances[:3]] == ["mine/anna", "mine/anna", "mine/bob"]
    assert [u.emotion() for u in corpus.utterances] == ["happiness", "anger", "sadness", None]


def test_columns_of_single_raters_are_several_ratings(tmp_path: Path):
    mine = database()
    mine["votes"] = audformat.Table(audformat.filewise_index(FILES[:1]))
    for rater, emotion in (("rater1", "joy"), ("rater2", "anger")):
        mine["votes"][rater] = audformat.Column(scheme_id="emotion")
        mine["votes"][rater].set([emotion])
    mine.save(str(tmp_path))
    first = load("mine", tmp_path).utterances[0]
    tops = {r.rater: r.top for r in first.ratings}
    assert tops == {"rater1": "happiness", "rater2": "anger", "consensus": "no_agreement"}


def test_speakers_may_be_described_in_a_misc_table(tmp_path: Path):
    mine = audformat.Database("mine")
    mine["people"] = audformat.MiscTable(pandas.Index(["anna"], name="speaker", dtype="string"))
    mine["people"]["gender"] = audformat.Column()
    mine["people"]["gender"].set(["female"])
    mine.schemes["speaker"] = audformat.Scheme("str", labels="people")
    mine["files"] = audformat.Table(audformat.filewise_index(FILES[:1]))
    mine["files"]["speaker"] = audformat.Column(scheme_id="speaker")
    mine["files"]["speaker"].set(["anna"])
    mine.save(str(tmp_path))
    (found,) = load("mine", tmp_path).utterances
    assert (found.speaker, found.sex) == ("mine/anna", "female")


def test_a_scheme_without_limits_needs_a_scale(tmp_path: Path):
    mine = database()
    mine.schemes["valence"] = audformat.Scheme("float")
    mine["affect"] = audformat.Table(audformat.filewise_index(FILES[:1]))
    mine["affect"]["valence"] = audformat.Column(scheme_id="valence")
    mine["affect"]["valence"].set([3.0])
    mine.save(str(tmp_path))
    with pytest.raises(
        TableError, match=r"table affect, audio/a\.wav: valence 3 on an unknown scale"
    ):
        load("mine", tmp_path)
    corpus = load("mine", tmp_path, scale=(1.0, 5.0))
    assert corpus.utterances[0].ratings[0].affect == {"valence": 0.5}


def test_a_folder_without_a_database_is_reported(tmp_path: Path):
    with pytest.raises(MissingCorpusError, match=r"no audformat database; expected ROOT/db\.yaml"):
        read_audformat(tmp_path, name="mine")


def test_without_the_extra_it_is_refused_in_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    database().save(str(tmp_path))
    monkeypatch.setitem(sys.modules, "audformat", None)
    with pytest.raises(MissingExtraError, match=r"takes pip install 'serkit\[audformat\]'"):
        load("mine", tmp_path)
