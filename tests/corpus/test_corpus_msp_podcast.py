import random
from pathlib import Path

import pytest

from serkit.corpus import (
    Corpus,
    FileNameError,
    MissingCorpusError,
    Rating,
    TableError,
    Utterance,
    check,
    load,
    msp_podcast,
    protocol,
)
from serkit.corpus.protocol import hash_order

CONSENSUS = """\
FileName,EmoClass,EmoAct,EmoVal,EmoDom,SpkrID,Gender,Split_Set
MSP-PODCAST_0001_0008.wav,N,2.2,4.0,2.5,30,Male,Test1
MSP-PODCAST_0001_0009.wav,A,7.0,1.0,5.5,39,Female,Train
MSP-PODCAST_0002_0033_0001.wav,X,4.0,4.0,4.0,Unknown,Unknown,Development
MSP-PODCAST_0003_0001.wav,O,1.0,7.0,4.0,41,Female,Test2
"""

BY_COLUMN = """\
FileName,WorkerID,EmoClass_Major,EmoClass_Second,EmoAct,EmoVal,EmoDom
MSP-PODCAST_0001_0009.wav,WORKER00000007,Angry,"Angry,Annoyed",7,1,4
MSP-PODCAST_0001_0009.wav,WORKER00000012,Other-Impatient,Frustrated,6,2,5
"""

IN_ONE = """\
FileName,EmoDetail
MSP-PODCAST_0001_0009.wav,"WORKER00000007; Angry; Angry,Annoyed; A:7.000; V:1.000; D:4.000;"
MSP-PODCAST_0001_0009.wav,"WORKER00000012; Other-Impatient (tired; bored); ; A:6; V:2; D:5;"
"""

EIGHT = "ACDFHNSU"


def write(
    root: Path, *, consensus: str = CONSENSUS, detailed: str | None = BY_COLUMN, folder="Labels"
) -> Path:
    (root / folder).mkdir(parents=True)
    (root / folder / "labels_consensus.csv").write_text(consensus)
    if detailed is not None:
        (root / folder / "labels_detailed.csv").write_text(detailed)
    return root


def by_name(corpus: Corpus) -> dict[str, Utterance]:
    return {u.id.split("MSP-PODCAST_")[1]: u for u in corpus.utterances}


@pytest.fixture
def release(tmp_path: Path, tone) -> Path:
    root = write(tmp_path / "MSP-PODCAST-Publish-1.12")
    for line in CONSENSUS.splitlines()[1:]:
        tone(root / "Audios" / line.split(",")[0])
    return root


def test_the_release_is_part_of_the_name_and_of_every_id(release: Path):
    corpus = load("msp-podcast", release)
    assert corpus.name == "msp-podcast-1.12"
    assert corpus.utterances[0].id == "msp-podcast-1.12/MSP-PODCAST_0001_0008"
    assert corpus.speakers == ("msp-podcast-1.12/30", "msp-podcast-1.12/39", "msp-podcast-1.12/41")
    assert corpus.problems == ()


def test_a_release_may_be_named_and_an_unknown_one_is_said(tmp_path: Path):
    root = write(tmp_path / "msp")
    assert msp_podcast.read(root, release="2.0").name == "msp-podcast-2.0"
    unknown = load("msp-podcast", root)
    assert unknown.name == "msp-podcast"
    assert unknown.problems[0].startswith("the release is unknown: call the folder msp-1.12")


def test_a_row_is_read_by_the_names_of_its_columns(release: Path):
    found = by_name(load("msp-podcast", release))
    neutral, anger = found["0001_0008"], found["0001_0009"]
    assert (neutral.sex, anger.sex, neutral.language) == ("male", "female", "en")
    assert (neutral.recording, neutral.sentence) == ("MSP-PODCAST_0001", None)
    assert [u.emotion() for u in found.values()] == ["neutral", "anger", "no_agreement", "other"]
    assert [u.split for u in found.values()] == ["test1", "train", "development", "test2"]
    assert neutral.affect() == pytest.approx({"arousal": 0.2, "valence": 0.5, "dominance": 0.25})
    assert anger.affect() == {"arousal": 1.0, "valence": 0.0, "dominance": 0.75}


def test_the_order_of_columns_does_not_matter(tmp_path: Path):
    lines = [line.split(",") for line in CONSENSUS.splitlines()]
    straight = load("msp-podcast", write(tmp_path / "a" / "R1.12")).utterances
    for seed in range(5):
        order = random.Random(seed).sample(range(8), 8)
        shuffled = "\n".join(",".join(line[index] for index in order) for line in lines)
        root = write(tmp_path / f"b{seed}" / "R1.12", consensus=shuffled + "\n")
        assert [u.ratings for u in load("msp-podcast", root).utterances] == [
            u.ratings for u in straight
        ]


@pytest.mark.parametrize("detailed", [BY_COLUMN, IN_ONE], ids=["a column each", "one column"])
def test_single_raters_are_kept_in_either_form_of_the_table(detailed: str, tmp_path: Path):
    corpus = load("msp-podcast", write(tmp_path / "R1.11", detailed=detailed))
    assert by_name(corpus)["0001_0009"].ratings[1:] == (
        Rating(
            rater="WORKER00000007",
            emotion={"anger": 1.0},
            affect={"arousal": 1.0, "valence": 0.0, "dominance": 0.5},
        ),
        Rating(
            rater="WORKER00000012",
            emotion={"other": 1.0},
            affect={"arousal": 5 / 6, "valence": 1 / 6, "dominance": 4 / 6},
        ),
    )
    assert by_name(corpus)["0001_0009"].ratings[0].rater == "consensus"
    assert len(corpus.problems) == 1  # the recordings, which are not there


def test_without_single_raters_there_is_the_consensus(tmp_path: Path):
    corpus = load("msp-podcast", write(tmp_path / "R1.12", detailed=None))
    assert all([r.rater for r in u.ratings] == ["consensus"] for u in corpus.utterances)
    assert any("no labels_detailed.csv" in problem for problem in corpus.problems)


def test_an_unknown_speaker_is_held_together_by_the_podcast(release: Path):
    unknown = by_name(load("msp-podcast", release))["0002_0033_0001"]
    assert (unknown.speaker, unknown.sex) == (None, None)
    assert unknown.recording == "MSP-PODCAST_0002"


def test_test3_is_read_without_labels(release: Path, tone):
    tone(release / "Test3_Audios" / "MSP-PODCAST_test3_0001.wav")
    corpus = load("msp-podcast", release)
    withheld = by_name(corpus)["test3_0001"]
    assert (withheld.split, withheld.ratings, withheld.speaker) == ("test3", (), None)
    assert withheld.recording is None
    assert corpus.problems == ()


def test_a_row_of_test3_without_labels_has_no_rating(tmp_path: Path):
    rows = CONSENSUS + "MSP-PODCAST_test3_0002.wav,,,,,Unknown,Unknown,Test3\n"
    corpus = load("msp-podcast", write(tmp_path / "R1.12", consensus=rows))
    withheld = by_name(corpus)["test3_0002"]
    assert (withheld.split, withheld.ratings) == ("test3", ())


@pytest.mark.parametrize("folders", [("Audios", "Labels"), ("wavs/all", "labels"), (".", ".")])
def test_folders_may_be_called_anything(folders: tuple[str, str], tmp_path: Path, tone):
    root = write(tmp_path / "R1.12", folder=folders[1]) if folders[1] != "." else tmp_path / "R1.12"
    if folders[1] == ".":
        root.mkdir()
        (root / "labels_consensus.csv").write_text(CONSENSUS)
    tone(root / folders[0] / "MSP-PODCAST_0001_0008.flac")
    found = by_name(load("msp-podcast", root))["0001_0008"]
    assert found.path == root / folders[0] / "MSP-PODCAST_0001_0008.flac"


def test_recordings_and_labels_may_stand_apart(tmp_path: Path, tone):
    labels = write(tmp_path / "labels-only")
    wav = tone(tmp_path / "disk" / "MSP-PODCAST_0001_0008.wav")
    corpus = msp_podcast.read(tmp_path / "R1.12", audio=wav.parent, labels=labels)
    assert by_name(corpus)["0001_0008"].path == wav
    assert corpus.name == "msp-podcast-1.12"


def test_missing_and_unlisted_recordings_are_listed(release: Path, tone):
    (release / "Audios" / "MSP-PODCAST_0001_0009.wav").unlink()
    tone(release / "Audios" / "MSP-PODCAST_0009_0001.wav")
    corpus = load("msp-podcast", release)
    assert len(corpus.utterances) == 4
    missing, unlisted = corpus.problems
    assert missing.startswith("1 of 4 files are missing, the first is ")
    assert missing.endswith("Audios/MSP-PODCAST_0001_0009.wav")
    assert unlisted.startswith("1 recordings have no row in labels_consensus.csv and are left out")


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("MSP-PODCAST_0001_0009.wav,A,4,4,4,39,Female,Train", "has one already"),
        ("MSP-PODCAST_0005_0001.wav,Q,4,4,4,39,Female,Train", "EmoClass that is none of A C D"),
        ("MSP-PODCAST_0005_0001.wav,A,high,4,4,39,Female,Train", "are no numbers"),
        ("MSP-PODCAST_0005_0001.wav,A,nan,4,4,39,Female,Train", "are no numbers"),
        ("MSP-PODCAST_0005_0001.wav,A,4,4,4,39,Female,Exam", "Split_Set that is none of Train"),
        ("MSP-PODCAST_0005_0001.wav,A,4,4", "another number of cells"),
        ("03a01Fa.wav,A,4,4,4,39,Female,Train", "the grammar is MSP-PODCAST_<podcast>_<turn>"),
    ],
)
def test_a_malformed_row_is_listed_and_the_others_are_read(row: str, problem: str, release: Path):
    (release / "Labels" / "labels_consensus.csv").write_text(f"{CONSENSUS}{row}\n")
    corpus = load("msp-podcast", release)
    assert set(by_name(corpus)) >= {"0001_0008", "0001_0009", "0002_0033_0001", "0003_0001"}
    assert by_name(corpus)["0001_0009"].affect()["arousal"] == 1.0
    (line,) = [line for line in corpus.problems if problem in line]
    assert line.startswith("1 ")
    assert "labels_consensus.csv, line 6" in line


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("MSP-PODCAST_0001_0009.wav,WORKER00000007,Sad,,1,1,1", "second ratings by one rater"),
        ("MSP-PODCAST_0001_0009.wav,WORKER00000008,Cross,,1,1,1", "no emotion of the list"),
        ("MSP-PODCAST_0001_0009.wav,,Sad,,1,1,1", "name no rater"),
        ("MSP-PODCAST_0007_0009.wav,WORKER00000007,Sad,,1,1,1", "raters but no row"),
    ],
)
def test_an_odd_rating_is_listed(row: str, problem: str, release: Path):
    (release / "Labels" / "labels_detailed.csv").write_text(f"{BY_COLUMN}{row}\n")
    corpus = load("msp-podcast", release)
    assert by_name(corpus)["0001_0009"].ratings[1].emotion == {"anger": 1.0}
    (line,) = corpus.problems
    assert problem in line
    assert line.startswith("1 ")


def test_values_outside_the_scale_are_clamped_and_counted(release: Path):
    changed = CONSENSUS.replace("A,7.0,1.0,5.5", "A,8.0,0.0,5.5")
    (release / "Labels" / "labels_consensus.csv").write_text(changed)
    corpus = load("msp-podcast", release)
    affect = by_name(corpus)["0001_0009"].affect()
    assert affect == {"arousal": 1.0, "valence": 0.0, "dominance": 0.75}
    assert corpus.problems == ("2 values of affect outside the scale 1 to 7 were clamped to it",)


def test_a_missing_column_is_said_and_without_file_names_nothing_is_read(tmp_path: Path):
    rows = "\n".join(line.rsplit(",", 1)[0] for line in CONSENSUS.splitlines())
    corpus = load("msp-podcast", write(tmp_path / "a" / "R1.12", consensus=rows))
    assert any(
        line == "1 columns are missing in labels_consensus.csv, the first is Split_Set"
        for line in corpus.problems
    )
    assert {u.split for u in corpus.utterances} == {None}
    nameless = write(tmp_path / "b" / "R1.12", consensus=CONSENSUS.replace("FileName", "File"))
    with pytest.raises(TableError, match=r"no column FileName; there are File, EmoClass"):
        load("msp-podcast", nameless)


@pytest.mark.parametrize("name", ["MSP-PODCAST_0001", "MSP-PODCAST_x_0001", "03a01Fa"])
def test_a_wrong_name_gives_an_error_with_the_grammar(name: str):
    with pytest.raises(FileNameError, match=r"the grammar is MSP-PODCAST_<podcast>_<turn>\.wav"):
        msp_podcast.parse(Path(f"{name}.wav"))


def test_a_missing_corpus_is_reported_with_the_layout(tmp_path: Path):
    with pytest.raises(MissingCorpusError, match=r"no MSP-Podcast here; expected ROOT/\*\*/labels"):
        load("msp-podcast", tmp_path)


@pytest.fixture(scope="module")
def everyone(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """Sixteen turns of each emotion per partition, 700 of anger to choose on; read, not made."""
    rows = [CONSENSUS.splitlines()[0]]
    for split in ("Train", "Development", "Test1", "Test2"):
        for code in msp_podcast.CODES:
            for number in range(700 if (split, code) == ("Development", "A") else 16):
                speaker = f"{split}{number % 8}" if number % 5 else "Unknown"
                turn = f"MSP-PODCAST_{len(rows) % 40:04d}_{len(rows):04d}.wav"
                rows.append(f"{turn},{code},4,4,4,{speaker},Male,{split}")
    rows.append("MSP-PODCAST_test3_0001.wav,,,,,Unknown,Unknown,Test3")
    root = tmp_path_factory.mktemp("msp") / "R1.12"
    return load("msp-podcast", write(root, consensus="\n".join(rows) + "\n", detailed=None))


def test_the_official_partitions_train_choose_and_test(everyone: Corpus):
    cut = protocol("msp-official", everyone)
    check(cut, audio=False)
    (fold,) = cut.folds
    assert {u.split for u in fold.train} == {"train"}
    assert {u.split for u in fold.development} == {"development"}
    assert {u.split for u in fold.test} == {"test1", "test2"}
    assert len(fold.test) == 2 * 8 * 16
    assert len(cut.emotions) == 8
    assert not cut.independent_speaker  # stated by the owners, and not to be checked
    assert "no speaker is on two of them" in cut.labelled
    assert "1 utterances: no emotion" in cut.dropped


def emotions(side: tuple[Utterance, ...]) -> dict[str, int]:
    return {e: sum(u.emotion() == e for u in side) for e in msp_podcast.CODES.values()}


@pytest.mark.parametrize("name", ["msp-emosphere", "msp-emosphere-with-x"])
def test_300_of_each_category_choose_and_the_rest_tests(name: str, everyone: Corpus):
    cut = protocol(name, everyone)
    check(cut, audio=False)
    assert cut.task == "affect"
    assert "development speakers on both sides" in cut.labelled
    (fold,) = cut.folds
    kept = [e for e in msp_podcast.CODES.values() if e not in ("other", "no_agreement")]
    kept += ["no_agreement"] if name.endswith("x") else []
    halves = dict.fromkeys(msp_podcast.CODES.values(), 0) | dict.fromkeys(kept, 8)
    assert emotions(fold.development) == halves | {"anger": 300}
    assert emotions(fold.test) == halves | {"anger": 400}
    assert emotions(fold.train) == {e: 2 * num for e, num in halves.items()}
    assert {u.split for u in (*fold.development, *fold.test)} == {"development"}


def test_which_300_depends_on_the_file_name_alone(everyone: Corpus):
    (fold,) = protocol("msp-emosphere", everyone).folds
    angry = [u for u in (*fold.development, *fold.test) if u.emotion() == "anger"]
    first = hash_order([u.path.stem for u in angry], salt="msp-emosphere")[:300]
    chosen = {u.path.stem for u in fold.development if u.emotion() == "anger"}
    assert chosen == set(first)


def test_by_speakers_no_known_speaker_is_on_both_parts(everyone: Corpus):
    cut = protocol("msp-emosphere-speakers", everyone)
    check(cut, audio=False)
    (fold,) = cut.folds
    known = [{u.speaker for u in side} - {None} for side in (fold.development, fold.test)]
    assert known[0]
    assert not known[0] & known[1]
    podcasts = [
        {u.recording for u in side if u.speaker is None} for side in (fold.development, fold.test)
    ]
    assert podcasts[0]
    assert not podcasts[0] & podcasts[1]


def test_two_releases_have_two_hashes(everyone: Corpus, tmp_path: Path):
    again = [
        load("msp-podcast", write(tmp_path / release / f"R{release}"))
        for release in ("1.11", "1.12")
    ]
    rows = CONSENSUS.replace(",X,", ",S,").replace(",O,", ",H,")
    hashes = {
        protocol(
            "msp-official",
            load("msp-podcast", write(tmp_path / f"x{release}" / f"R{release}", consensus=rows)),
        ).split
        for release in ("1.11", "1.12")
    }
    assert len(hashes) == 2
    assert [corpus.name for corpus in again] == ["msp-podcast-1.11", "msp-podcast-1.12"]


@pytest.mark.parametrize("code", list(EIGHT))
def test_the_eight_categories_are_those_of_single_raters(code: str):
    assert msp_podcast.CODES[code] in msp_podcast.WORDS.values()
