import sys
from pathlib import Path
from typing import Any

import pytest

from serkit.corpus import MissingExtraError, load
from serkit.corpus.fetch import FetchError, fetch

audb: Any = pytest.importorskip("audb")
audformat: Any = pytest.importorskip("audformat")

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning:audformat"),
    pytest.mark.filterwarnings("ignore:The inplace keyword in:DeprecationWarning:audb"),
]

FILES = [f"wav/{name}.wav" for name in ("03a01Fa", "08b02Wb", "10a04Nc")]
EMOTIONS = ["happiness", "anger", "neutral"]


@pytest.fixture
def repository(tmp_path: Path, tone, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A repository in a folder, with two editions of a tiny Emo-DB; nothing else is known."""
    monkeypatch.setenv("AUDB_CACHE_ROOT", str(tmp_path / "cache"))
    monkeypatch.setenv("AUDB_SHARED_CACHE_ROOT", str(tmp_path / "shared-cache"))
    monkeypatch.setattr(audb.config, "REPOSITORIES", [])
    (tmp_path / "host" / "open").mkdir(parents=True)
    found = audb.Repository("open", str(tmp_path / "host"), "file-system")
    for number, version in enumerate(("1.0.0", "1.1.0"), start=2):
        build = tmp_path / f"build-{version}"
        mine = audformat.Database("emodb")
        mine.schemes["emotion"] = audformat.Scheme(labels=sorted(EMOTIONS))
        mine["emotion"] = audformat.Table(audformat.filewise_index(FILES[:number]))
        mine["emotion"]["emotion"] = audformat.Column(scheme_id="emotion")
        mine["emotion"]["emotion"].set(EMOTIONS[:number])
        for pitch, file in enumerate(FILES[:number]):
            tone(build / file, pitch=220.0 + 20 * pitch)
        mine.save(str(build))
        audb.publish(str(build), version, found, previous_version=None, verbose=False)
    return found


def test_the_newest_edition_is_fetched_and_read_by_its_own_reader(repository: Any, tmp_path: Path):
    into = tmp_path / "emodb"
    assert fetch("emodb", into, repository=repository) == "1.1.0"
    corpus = load("emodb", into)
    assert [u.id for u in corpus.utterances] == ["emodb/03a01Fa", "emodb/08b02Wb", "emodb/10a04Nc"]
    assert [u.emotion() for u in corpus.utterances] == EMOTIONS
    published = tmp_path / "build-1.1.0" / FILES[0]
    assert (into / FILES[0]).read_bytes() == published.read_bytes()


def test_under_another_name_it_is_an_audformat_database(repository: Any, tmp_path: Path):
    fetch("emodb", tmp_path / "emodb", repository=repository)
    corpus = load("mine", tmp_path / "emodb")
    assert corpus.utterances[1].id == "mine/wav/08b02Wb.wav"
    assert [u.emotion() for u in corpus.utterances] == EMOTIONS


def test_nothing_that_could_run_code_is_left_behind(repository: Any, tmp_path: Path):
    fetch("emodb", tmp_path / "emodb", repository=repository)
    left = {path.suffix for path in (tmp_path / "emodb").rglob("*") if path.is_file()}
    assert ".wav" in left
    assert ".pkl" not in left


def test_fetching_again_completes_what_is_there(repository: Any, tmp_path: Path):
    into = tmp_path / "emodb"
    fetch("emodb", into, repository=repository)
    (into / FILES[0]).unlink()
    fetch("emodb", into, repository=repository)
    assert (into / FILES[0]).is_file()


def test_a_fetch_that_was_interrupted_goes_on(repository: Any, tmp_path: Path):
    into = tmp_path / "emodb"
    fetch("emodb", into, repository=repository)
    for file in ("db.yaml", FILES[1]):  # what a process that was killed has not written yet
        (into / file).unlink()
    (tmp_path / "emodb~").mkdir()
    fetch("emodb", into, repository=repository)
    assert len(load("emodb", into).utterances) == 3
    assert not (tmp_path / "emodb~").exists()


def test_without_a_repository_those_of_audb_are_asked(
    repository: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(audb.config, "REPOSITORIES", [repository])
    assert fetch("emodb", tmp_path / "emodb") == "1.1.0"


def test_the_configuration_of_audb_is_left_as_it_was(repository: Any, tmp_path: Path):
    before = audb.config.REPOSITORIES
    with pytest.raises(FetchError, match="nobody"):
        fetch("nobody", tmp_path / "nobody", repository=repository)
    assert audb.config.REPOSITORIES is before


def test_a_corpus_that_is_not_there_is_reported_with_the_place(repository: Any, tmp_path: Path):
    with pytest.raises(FetchError, match=r"nobody could not be fetched from open at .*host"):
        fetch("nobody", tmp_path / "nobody", repository=repository)


def test_a_folder_with_other_files_is_left_alone(repository: Any, tmp_path: Path):
    own = tmp_path / "own"
    own.mkdir()
    (own / "notes.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="own: holds other files than those of emodb"):
        fetch("emodb", own, repository=repository)
    assert [path.name for path in own.iterdir()] == ["notes.txt"]


def test_without_the_extra_it_is_refused_in_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(sys.modules, "audb", None)
    with pytest.raises(MissingExtraError, match=r"takes pip install 'serkit\[audb\]'$"):
        fetch("emodb", tmp_path / "emodb")
