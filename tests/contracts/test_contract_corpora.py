"""What every corpus keeps: run over every entry of CORPORA and every reader of own data."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

import serkit.corpus
from serkit.corpus import (
    AFFECT,
    CORPORA,
    EMOTIONS,
    Corpus,
    MissingCorpusError,
    Passport,
    check,
    excerpt,
    load,
    protocol,
    protocol_names,
    synthetic,
)
from serkit.corpus.protocol import FOLDER

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:audformat")

PARTS = {
    "audformat", "audit", "corpus", "folder", "manifest", "protocol", "scheme", "table", "utterance"
}  # fmt: skip
"""Files of the room that are no corpora."""


def tone(path: Path, number: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    wave = 0.3 * np.sin(2 * np.pi * (220 + 20 * number) * np.arange(800) / 16000)
    soundfile.write(path, wave, 16000, subtype="PCM_16")


def write_emodb(root: Path) -> Path:
    names = [f"{s}{t}{e}a" for s in ("03", "08", "10") for t, e in (("a01", "W"), ("b02", "T"))]
    for number, name in enumerate(names):
        tone(root / "wav" / f"{name}.wav", number)
    return root


def write_ravdess(root: Path) -> Path:
    names = [
        f"03-01-{e}-01-{s}-01-{a}"
        for a in ("01", "02", "03")
        for e, s in (("04", "01"), ("05", "02"))
    ]
    for number, name in enumerate(names):
        tone(root / "Audio_Speech_Actors_01-24" / f"Actor_{name[-2:]}" / f"{name}.wav", number)
    return root


def write_synthetic(root: Path) -> Path:
    return synthetic.write(root, num_speakers=3, takes=1, seconds=0.05)


def write_table(root: Path) -> Path:
    rows = ["file,start,end,speaker,sentence,emotion,rater,arousal"]
    for number in range(6):
        tone(root / "audio" / f"{number}.wav", number)
        emotion = ("anger", "sad")[number % 2]
        head = f"audio/{number}.wav,0,0.04,s{number // 2},x,{emotion}"
        rows += [f"{head},ann,{number}", f"{head},bob,5"]
    (root / "mine.csv").write_text("\n".join(rows) + "\n")
    return root / "mine.csv"


def write_audformat(root: Path) -> Path:
    audformat = pytest.importorskip("audformat")
    files = [f"{number}.wav" for number in range(6)]
    for number, file in enumerate(files):
        tone(root / file, number)
    mine = audformat.Database("mine")
    mine["all"] = audformat.Table(audformat.filewise_index(files))
    for column, values in (
        ("emotion", ["anger", "sadness"] * 3),
        ("speaker", ["a", "a", "b", "b", "c", "c"]),
    ):
        mine.schemes[column] = audformat.Scheme(labels=sorted(set(values)))
        mine["all"][column] = audformat.Column(scheme_id=column)
        mine["all"][column].set(values)
    mine.save(str(root))
    return root


KNOWN: dict[str, Callable[[Path], Path]] = {
    "emodb": write_emodb,
    "excerpt": lambda root: excerpt.ROOT,
    "ravdess": write_ravdess,
    "synthetic": write_synthetic,
}
OWN: dict[str, Callable[[Path], Path]] = {
    "table": write_table,
    "folder": write_synthetic,
    "audformat": write_audformat,
}


def read(kind: str, root: Path) -> Corpus:
    if kind in KNOWN:
        return load(kind, KNOWN[kind](root))
    pattern = r"(?P<speaker>s\d+)_\d+\.wav$" if kind == "folder" else None
    return load("mine", OWN[kind](root), scale=(0.0, 10.0), speaker_pattern=pattern)


@pytest.fixture(params=[*KNOWN, *OWN])
def corpus(request: pytest.FixtureRequest, tmp_path: Path) -> Corpus:
    return read(request.param, tmp_path)


@pytest.fixture(params=list(CORPORA))
def passport(request: pytest.FixtureRequest) -> Passport:
    found = CORPORA[request.param].PASSPORT
    assert found.name == request.param
    return found


def test_every_corpus_file_has_its_line_and_every_line_a_fixture_here():
    folder = Path(serkit.corpus.__file__).parent
    files = {path.stem for path in folder.glob("*.py") if path.stem != "__init__"}
    folders = {path.parent.name for path in folder.glob("*/__init__.py")}
    assert (files | folders) - PARTS == set(CORPORA)
    assert set(KNOWN) == set(CORPORA)
    assert list(CORPORA) == sorted(CORPORA)


def test_ids_are_unique_begin_with_the_corpus_and_are_in_order(corpus: Corpus):
    ids = [utterance.id for utterance in corpus.utterances]
    assert ids
    assert ids == sorted(set(ids))
    assert all(id.startswith(f"{corpus.name}/") for id in ids)
    assert all(speaker.startswith(f"{corpus.name}/") for speaker in corpus.speakers)


def test_every_utterance_ends_after_it_begins_in_a_file_that_is_there(corpus: Corpus):
    for utterance in corpus.utterances:
        assert utterance.path.is_file()
        assert utterance.start >= 0
        assert utterance.end is None or utterance.end > utterance.start


def test_every_rating_is_of_the_scheme_and_has_a_rater(corpus: Corpus):
    for utterance in corpus.utterances:
        assert utterance.ratings
        for rating in utterance.ratings:
            assert rating.rater
            assert set(rating.emotion) <= set(EMOTIONS)
            assert sum(rating.emotion.values()) == pytest.approx(1)
            assert set(rating.affect) <= set(AFFECT)
            assert all(0 <= value <= 1 for value in rating.affect.values())
    assert set(corpus.emotions) <= set(EMOTIONS)


def test_reading_twice_gives_the_same(corpus: Corpus, request: pytest.FixtureRequest):
    kind = request.node.callspec.params["corpus"]
    again = read(kind, request.getfixturevalue("tmp_path"))
    assert again == corpus


def test_every_protocol_that_cuts_it_keeps_its_claims(corpus: Corpus):
    cuts = [protocol("loso", corpus), protocol("kfold-3", corpus)]
    if corpus.name == "excerpt":
        cuts.extend(protocol(name, corpus) for name in protocol_names(corpus))
    for cut in cuts:
        check(cut)
        assert cut.independent_speaker
        assert cut.corpus == corpus.name
        for fold in cut.folds:
            assert fold.test
            assert all(u.emotion() in cut.emotions for u in fold.test)


def test_a_passport_says_whose_it_is_and_what_may_be_done(passport: Passport):
    for text in (
        passport.title, passport.citation, passport.licence, passport.url, passport.obtain,
        passport.language, passport.layout,
    ):  # fmt: skip
        assert text.strip()
    assert passport.layout.startswith("ROOT/")


def test_the_counts_of_a_passport_add_up(passport: Passport):
    assert sum(passport.emotions.values()) == passport.num_utterances
    assert list(passport.emotions) == [e for e in EMOTIONS if e in passport.emotions]
    assert passport.num_speakers > 0
    assert passport.sample_rate > 0


def test_the_protocols_of_a_passport_are_its_files(passport: Passport):
    files = {
        path.stem
        for path in FOLDER.glob("*.json")
        if json.loads(path.read_text(encoding="utf-8"))["corpus"] == passport.name
    }
    assert files == set(passport.protocols)


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.json")), ids=lambda path: path.stem)
def test_a_protocol_file_has_its_fields(path: Path):
    content = json.loads(path.read_text(encoding="utf-8"))
    assert set(content) == {
        "name", "corpus", "edition", "label_map", "keep", "folds", "independent",
        "development_shares", "labelled", "source",
    }  # fmt: skip
    assert content["name"] == path.stem
    assert content["corpus"] in CORPORA
    assert (content["label_map"] is None) != (content["keep"] is None)
    names = [fold["name"] for fold in content["folds"]]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("name", list(CORPORA))
def test_a_missing_corpus_is_reported_with_its_layout(name: str, tmp_path: Path):
    with pytest.raises(MissingCorpusError, match="ROOT/"):
        load(name, tmp_path / "nowhere")
    if name != "excerpt":
        with pytest.raises(MissingCorpusError, match=rf"say {name}=PATH; expected ROOT/"):
            load(name)
