from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from serkit.corpus import (
    Corpus,
    FileNameError,
    MissingCorpusError,
    audit,
    check,
    crema_d,
    load,
    protocol,
)

HEADER = '"","A","D","F","H","N","S","fileName","numResponses","agreement","emoVote"'

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path, tone) -> Write:
    """A copy with recordings, votes (row number, name, A D F H N S) and actors."""

    def copy(
        recordings: list[str] | None = None,
        votes: list[tuple[int, str, str]] | None = None,
        actors: tuple[str, ...] = ("1001,51,Male", "1002,21,Female"),
    ) -> Path:
        for number, name in enumerate(recordings or []):
            tone(tmp_path / "AudioWAV" / name, pitch=200 + 20 * number)
        if votes is not None:
            rows = [HEADER]
            for number, name, counts in votes:
                six = counts.split()
                total = sum(int(count) for count in six if count.isdigit())
                rows.append(f'"{number}",{",".join(six)},"{name}",{total},0.5,"A"')
            (tmp_path / "processedResults").mkdir()
            (tmp_path / "processedResults" / "tabulatedVotes.csv").write_text("\n".join(rows))
        if actors:
            rows = ['"ActorID","Age","Sex","Race","Ethnicity"']
            rows += [f'{a.split(",")[0]},{a.split(",")[1]},"{a.split(",")[2]}","","a, b"'
                     for a in actors]  # fmt: skip
            (tmp_path / "VideoDemographics.csv").write_text("\n".join(rows))
        return tmp_path

    return copy


@pytest.fixture(scope="module")
def every_cell() -> Corpus:
    """Every actor with every sentence, in one emotion, without files and votes."""
    names = [
        f"{actor}_{sentence}_ANG_{'HI' if sentence == 'IEO' else 'XX'}.wav"
        for actor in range(1001, 1092)
        for sentence in sorted(crema_d.SENTENCES)
    ]
    utterances = tuple(crema_d.parse(Path(name)) for name in names)
    return Corpus(name="cremad", passport=crema_d.PASSPORT, utterances=utterances)


def test_names_actors_and_votes_are_read_into_the_fields(write: Write):
    root = write(
        ["1001_IEO_ANG_HI.wav", "1002_TIE_NEU_XX.flac"],
        [(100001, "1001_IEO_ANG_HI", "3 1 0 0 0 0"), (100002, "1002_TIE_NEU_XX", "0 0 0 0 9 0")],
    )
    first, second = load("cremad", root).utterances
    assert (first.id, first.speaker, first.sex, first.age) == (
        "cremad/1001_IEO_ANG_HI", "cremad/1001", "male", 51.0
    )  # fmt: skip
    assert (first.sentence, first.language, first.emotion()) == ("IEO", "en", "anger")
    vote = first.rating("voice_vote")
    assert vote is not None
    assert vote.emotion == {"anger": 0.75, "disgust": 0.25}
    assert (second.sex, second.path.name, second.emotion()) == (
        "female", "1002_TIE_NEU_XX.flac", "neutral"
    )  # fmt: skip


def test_only_those_who_heard_nothing_but_the_voice_vote(write: Write):
    root = write(
        ["1001_TIE_SAD_XX.wav"],
        [(100001, "1001_TIE_SAD_XX", "0 0 0 0 4 0"), (200001, "1001_TIE_SAD_XX", "0 0 0 0 0 9"),
         (300001, "1001_TIE_SAD_XX", "0 0 0 0 0 9")],
    )  # fmt: skip
    assert load("cremad", root).utterances[0].emotion("voice_vote") == "neutral"


def test_a_vote_may_be_the_label_and_a_tie_has_none(write: Write):
    root = write(
        ["1001_TIE_SAD_XX.wav", "1001_TIE_HAP_XX.wav", "1001_TIE_FEA_XX.wav"],
        [(100001, "1001_TIE_SAD_XX", "0 0 0 0 4 1"), (100002, "1001_TIE_HAP_XX", "4 0 4 0 0 0")],
    )
    corpus = load("cremad", root)
    assert [u.emotion() for u in corpus.utterances] == ["fear", "happiness", "sadness"]
    voted = corpus.rated_by("voice_vote")
    assert [u.emotion() for u in voted.utterances] == [None, None, "neutral"]
    tied = corpus.utterances[1].rating("voice_vote")
    assert tied is not None
    assert tied.emotion == {"anger": 0.5, "fear": 0.5}


def test_recordings_known_to_be_faulty_are_left_out_and_listed(write: Write):
    names = [
        "1076_MTI_SAD_XX", "1006_TIE_HAP_XX", "1006_TIE_NEU_XX", "1013_WSI_DIS_XX",
        "1013_WSI_SAD_XX", "1017_IWW_ANG_XX", "1017_IWW_FEA_XX", "1017_IWW_SAD_XX",
    ]  # fmt: skip
    corpus = load("cremad", write([f"{name}.wav" for name in names]))
    assert [u.id for u in corpus.utterances] == ["cremad/1017_IWW_SAD_XX"]
    assert corpus.problems[0] == "1076_MTI_SAD_XX is left out: it has no audio"
    assert sum("equal audio under two labels" in line for line in corpus.problems) == 3


def test_votes_on_faulty_files_are_left_out_and_the_recording_is_kept(write: Write):
    name = "1064_IEO_DIS_MD"
    corpus = load("cremad", write([f"{name}.wav"], [(105162, name, "2 6 0 0 1 0")]))
    (utterance,) = corpus.utterances
    assert utterance.emotion() == "disgust"
    assert utterance.rating("voice_vote") is None
    assert any(line.startswith("votes left out") and name in line for line in corpus.problems)


def test_a_copy_without_audio_loads_and_lists_what_is_missing(write: Write):
    root = write(None, [(100001, "1001_IEO_ANG_HI", "3 1 0 0 0 0")])
    corpus = load("cremad", root)
    (utterance,) = corpus.utterances
    assert utterance.path == root / "AudioWAV" / "1001_IEO_ANG_HI.wav"
    assert f"1 of 1 files are missing, the first is {utterance.path}" in corpus.problems
    assert audit(corpus).missing == (utterance.path,)


def test_a_copy_without_tables_loads_from_either_folder(write: Write):
    root = write(["1001_IEO_ANG_HI.wav"], actors=())
    for place in (root, root / "AudioWAV"):
        corpus = load("cremad", place)
        (utterance,) = corpus.utterances
        assert (utterance.sex, utterance.age) == (None, None)
        assert [r.rater for r in utterance.ratings] == ["intended"]
        text = "\n".join(corpus.problems)
        assert "tabulatedVotes.csv is missing: no ratings by voice_vote" in text
        assert "VideoDemographics.csv is missing: sex and age of the actors are unknown" in text


def test_rows_that_cannot_be_read_are_counted_and_left_out(write: Write):
    root = write(
        ["1001_IEO_ANG_HI.wav"],
        [(100001, "1001_IEO_ANG_HI", "3 x 0 0 0 0"), (100002, "1001_XXX_ANG_HI", "3 1 0 0 0 0"),
         (100003, "1002_IEO_ANG_HI", "3 1 0 0 -1 0"), (100004, "1002_TIE_ANG_XX", "0 0 0 0 0 0")],
        ("1001,51,Male", "1002,old,Male"),
    )  # fmt: skip
    corpus = load("cremad", root)
    assert [[r.rater for r in u.ratings] for u in corpus.utterances] == [["intended"]] * 2
    (line,) = (line for line in corpus.problems if "cannot be read" in line)
    assert line.startswith("4 rows")
    assert line.endswith("tabulatedVotes.csv, row 2")


def test_the_one_name_that_ends_in_x_in_older_copies_gets_its_right_id():
    assert crema_d.parse(Path("1040_ITH_SAD_X.wav")).id == "cremad/1040_ITH_SAD_XX"


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("1000_IEO_ANG_HI", "not a name of CREMA-D"),
        ("1092_IEO_ANG_HI", "not a name of CREMA-D"),
        ("1001_IEO_SUR_HI", "not a name of CREMA-D"),
        ("1001_XYZ_ANG_XX", "not a name of CREMA-D"),
        ("1001_TIE_ANG_HI", "TIE ANG has no level HI"),
        ("1001_IEO_NEU_LO", "IEO NEU has no level LO"),
    ],
)
def test_a_wrong_name_gives_an_error_with_the_grammar(name: str, why: str):
    with pytest.raises(FileNameError, match=rf"{why}.*the grammar is actor \(1001 to 1091\)"):
        crema_d.parse(Path(f"{name}.wav"))


def test_a_missing_corpus_is_reported_with_the_layout(tmp_path: Path):
    with pytest.raises(MissingCorpusError, match=r"no CREMA-D here; expected ROOT/AudioWAV"):
        load("cremad", tmp_path)


def test_the_five_folds_test_every_actor_once(every_cell: Corpus):
    cut = protocol("cremad-5fold", every_cell)
    assert check(cut, audio=False) == ()
    actors = [{u.speaker for u in fold.test} for fold in cut.folds]
    assert [len(side) for side in actors] == [19, 18, 18, 18, 18]
    assert set().union(*actors) == set(every_cell.speakers)
    assert len(every_cell.speakers) == 91
    for number, fold in enumerate(cut.folds):
        assert {u.speaker for u in fold.development} == actors[(number + 1) % 5]
    tested = Counter(u.id for fold in cut.folds for u in fold.test)
    assert tested == Counter(u.id for u in every_cell.utterances)


def test_the_cells_of_actors_and_sentences_are_tested_once(every_cell: Corpus):
    cut = protocol("cremad-speaker-text", every_cell)
    assert check(cut, audio=False) == ()
    assert len(cut.folds) == 20
    assert cut.independent_speaker
    assert cut.independent_sentence
    assert all(len({u.sentence for u in fold.test}) == 3 for fold in cut.folds)
    tested = Counter(u.id for fold in cut.folds for u in fold.test)
    assert tested == Counter(u.id for u in every_cell.utterances)


@pytest.mark.corpora
def test_the_real_tables_agree_with_the_passport(corpora_root: Path):
    corpus = load("cremad", corpora_root / "cremad")
    assert crema_d.PASSPORT.differences(corpus.utterances) == ()
    assert Counter(u.sex for u in {u.speaker: u for u in corpus.utterances}.values()) == {
        "male": 48, "female": 43
    }  # fmt: skip
    women = [{u.speaker for u in fold.test if u.sex == "female"}
             for fold in protocol("cremad-5fold", corpus).folds]  # fmt: skip
    assert [len(side) for side in women] == [9, 9, 9, 8, 8]
    voted = corpus.rated_by("voice_vote")
    # 644 ties, and the three whose listeners heard faulty files
    assert sum(u.emotion() is None for u in voted.utterances) == 647
    text = "\n".join(corpus.problems)
    assert text.count("left out") == 5
    assert "7435 of 7435 files are missing" in text
