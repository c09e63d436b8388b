import datetime
import sys
from pathlib import Path

import pytest

from serkit.corpus import (
    MissingCorpusError,
    MissingExtraError,
    TableError,
    UnknownLabelError,
    load,
    read_table,
)
from serkit.corpus.table import COLUMNS, seconds


def table(folder: Path, text: str, name: str = "mine.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_a_file_and_an_emotion_are_enough(tmp_path: Path):
    corpus = load("mine", table(tmp_path, "file,emotion\na.wav,joy\nsub/b.wav,sad\n"))
    first, second = corpus.utterances
    assert (first.id, first.path, first.emotion()) == (
        "mine/a.wav",
        tmp_path / "a.wav",
        "happiness",
    )
    assert (first.speaker, first.start, first.end) == (None, 0.0, None)
    assert (second.id, second.path) == ("mine/sub/b.wav", tmp_path / "sub" / "b.wav")
    assert corpus.passport is None


def test_every_column_is_read(tmp_path: Path):
    head = "file,start,end,speaker,gender,age,language,sentence,recording,emotion,rater,split"
    row = "a.wav,1.5,3.25,anna,F,31.5,de,a01,call7,anger,intended,dev"
    (found,) = load("mine", table(tmp_path, f"{head}\n{row}\n")).utterances
    assert found.id == "mine/a.wav#1.5-3.25"
    assert (found.start, found.end, found.speaker) == (1.5, 3.25, "mine/anna")
    assert (found.sex, found.age, found.language) == ("female", 31.5, "de")
    assert (found.sentence, found.recording, found.split) == ("a01", "call7", "development")
    assert found.emotion("intended") == "anger"


def test_absolute_paths_are_taken_as_they_are(tmp_path: Path, tone):
    recording = tone(tmp_path / "elsewhere" / "a.wav")
    corpus = load("mine", table(tmp_path, f"file,emotion\n{recording},anger\n"))
    assert corpus.utterances[0].path == recording
    assert corpus.problems == ()


@pytest.mark.parametrize("divider", [",", ";", "\t"])
def test_a_csv_may_be_divided_by_comma_semicolon_or_tab(tmp_path: Path, divider: str):
    text = '\ufefffile,speaker,emotion\n"a, b; c.wav",anna,anger\n'
    if divider != ",":
        text = text.replace('"a, b; c.wav"', "a b c.wav").replace(",", divider)
    (found,) = load("mine", table(tmp_path, text)).utterances
    assert found.speaker == "mine/anna"
    assert found.path.name == ("a, b; c.wav" if divider == "," else "a b c.wav")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("1.5", 1.5),
        (2, 2.0),
        ("0 days 00:00:01.5", 1.5),
        ("0 days 00:00:01.500000", 1.5),
        ("1 days 01:01:01", 90061.0),
        ("1 day, 0:00:01", 86401.0),
        ("00:01:00", 60.0),
        ("2.5s", 2.5),
        (datetime.timedelta(seconds=3.5), 3.5),
        ("", None),
        ("NaT", None),
        (None, None),
        (float("nan"), None),
    ],
)
def test_times_are_seconds_or_time_deltas(value: object, expected: float | None):
    assert seconds(value) == expected


@pytest.mark.parametrize("value", ["soon", "inf", "1:2", "00:61:00"])
def test_what_is_no_time_is_refused(tmp_path: Path, value: str):
    path = table(tmp_path, f"file,start\na.wav,0\na.wav,{value}\n")
    with pytest.raises(
        TableError, match=rf"mine\.csv, row 3: start '{value}': write seconds \(1\.5\)"
    ):
        load("mine", path)


@pytest.mark.parametrize(("start", "end"), [("2", "2"), ("2", "1"), ("-1", "1"), ("0", "0")])
def test_an_utterance_ends_after_it_begins(tmp_path: Path, start: str, end: str):
    path = table(tmp_path, f"file,start,end\na.wav,{start},{end}\n")
    with pytest.raises(TableError, match=r"row 2: start .* ends after it begins"):
        load("mine", path)


def test_several_raters_rate_one_utterance(tmp_path: Path):
    text = (
        "file,start,end,rater,emotion,arousal\n"
        "a.wav,0,1,ann,joy,6\n"
        "a.wav,0,1,bob,neutral,4\n"
        "a.wav,1,2,ann,anger,1\n"
    )
    first, second = load("mine", table(tmp_path, text), scale=(1.0, 7.0)).utterances
    assert [rating.rater for rating in first.ratings] == ["ann", "bob", "consensus"]
    assert first.emotion("bob") == "neutral"
    assert first.ratings[1].affect == {"arousal": 0.5}
    assert second.ratings[0].affect == {"arousal": 0.0}


def test_the_label_of_several_raters_is_that_of_most_whatever_the_order_of_rows(tmp_path: Path):
    rows = [
        *(f"a.wav,{rater},{emotion},{value}" for rater, emotion, value in
          (("ann", "joy", 6), ("bob", "neutral", 4), ("cid", "joy", 5))),
        *(f"b.wav,{rater},{emotion},{value}" for rater, emotion, value in
          (("ann", "joy", 1), ("bob", "neutral", 3))),
    ]  # fmt: skip
    read = [
        load(
            "mine",
            table(tmp_path, "file,rater,emotion,arousal\n" + "\n".join(order) + "\n"),
            scale=(1.0, 7.0),
        )
        for order in (rows, rows[::-1])
    ]
    for corpus in read:
        first, second = corpus.utterances
        assert (first.emotion(), second.emotion()) == ("happiness", "no_agreement")
        assert first.rating("consensus").emotion["happiness"] == pytest.approx(2 / 3)
        assert first.affect()["arousal"] == pytest.approx(4 / 6)
        (line,) = [line for line in corpus.problems if "several raters" in line]
        assert line.startswith("2 utterances have several raters: the emotion is that of most of")
        assert "(of 1 none: no_agreement)" in line
    named = [{r.rater: r for r in u.ratings} for c in read for u in c.utterances]
    assert named[:2] == named[2:]


def test_a_consensus_of_ones_own_is_left_as_it_is(tmp_path: Path):
    text = "file,rater,emotion\na.wav,ann,joy\na.wav,consensus,anger\n"
    corpus = load("mine", table(tmp_path, text))
    assert corpus.utterances[0].emotion() == "anger"
    assert not [line for line in corpus.problems if "several raters" in line]


def test_a_consensus_about_affect_alone_leaves_the_emotion_to_most_raters(tmp_path: Path):
    rows = ["a.wav,ann,joy,", "a.wav,bob,anger,", "a.wav,cid,anger,", "a.wav,consensus,,3"]
    for order in (rows, rows[::-1]):
        text = "file,rater,emotion,arousal\n" + "\n".join(order) + "\n"
        (found,) = load("mine", table(tmp_path, text), scale=(1.0, 5.0)).utterances
        assert (found.emotion(), found.affect()) == ("anger", {"arousal": 0.5})


def test_only_people_are_counted_among_several_raters(tmp_path: Path):
    text = (
        "file,rater,emotion\na.wav,ann,joy\na.wav,bob,anger\na.wav,majority,anger\n"
        "b.wav,ann,joy\nb.wav,consensus,no_agreement\nc.wav,ann,joy\n"
    )
    corpus = load("mine", table(tmp_path, text))
    tied, owned, single = corpus.utterances
    assert (tied.emotion(), owned.emotion()) == ("no_agreement", "no_agreement")
    assert [rating.rater for rating in single.ratings] == ["ann"]
    (line,) = [line for line in corpus.problems if "several raters" in line]
    assert line.startswith("1 utterances have several raters")
    assert "(of 1 none: no_agreement)" in line


@pytest.mark.parametrize("word", ["unknown", "None", "N/A", "null", "?", "-", "NA"])
def test_a_word_for_nobody_known_is_no_speaker(tmp_path: Path, word: str):
    corpus = load("mine", table(tmp_path, f"file,speaker\na.wav,{word}\nb.wav,b\n"))
    assert [utterance.speaker for utterance in corpus.utterances] == [None, "mine/b"]
    assert f"1 utterances have an unknown speaker, written '{word}'" in corpus.problems


def test_a_speaker_named_in_another_row_is_known(tmp_path: Path):
    text = "file,speaker,rater,emotion\na.wav,?,x,joy\na.wav,anna,y,joy\nb.wav,?,x,joy\n"
    corpus = load("mine", table(tmp_path, text + "b.wav,Unknown,y,joy\n"))
    assert [utterance.speaker for utterance in corpus.utterances] == ["mine/anna", None]
    (line,) = [line for line in corpus.problems if "unknown speaker" in line]
    assert line.startswith("1 utterances have an unknown speaker")


def test_speakers_who_look_like_one_person_are_named(tmp_path: Path):
    text = "file,speaker\na.wav,03A\nb.wav,03a\nc.wav,3.0\nd.wav,03\ne.wav,e\u0301\nf.wav,é\n"
    corpus = load("mine", table(tmp_path, text))
    assert len(corpus.speakers) == 5  # one é
    assert [line for line in corpus.problems if "one person" in line] == [
        "speakers mine/03A and mine/03a look like one person",
        "speakers mine/03 and mine/3.0 look like one person",
    ]


def test_a_second_rating_by_one_rater_is_refused(tmp_path: Path):
    text = "file,emotion\na.wav,joy\n./a.wav,anger\n"
    with pytest.raises(
        TableError, match=r"row 3: a second rating of a\.wav .* by consensus; name the"
    ):
        load("mine", table(tmp_path, text))


def test_rows_that_disagree_about_a_speaker_are_refused(tmp_path: Path):
    text = "file,speaker,rater,emotion\na.wav,anna,x,joy\na.wav,bob,y,joy\n"
    with pytest.raises(
        TableError, match=r"row 3: speaker 'bob' of a\.wav, but 'anna' in another row"
    ):
        load("mine", table(tmp_path, text))


def test_affect_without_a_scale_is_refused_with_the_remedy(tmp_path: Path):
    path = table(tmp_path, "file,valence\na.wav,3\n")
    with pytest.raises(TableError, match=r"valence 3 on an unknown scale; give the scale low,high"):
        load("mine", path)


def test_values_outside_the_scale_are_clamped_and_counted(tmp_path: Path):
    text = "file,arousal,valence,dominance\na.wav,0,8,\nb.wav,4,4,4\n"
    corpus = load("mine", table(tmp_path, text), scale=(1.0, 7.0))
    assert corpus.utterances[0].ratings[0].affect == {"arousal": 0.0, "valence": 1.0}
    assert "2 values of affect outside the scale were clamped to it" in corpus.problems


def test_unknown_columns_are_listed_and_missing_files_counted(tmp_path: Path, tone):
    tone(tmp_path / "a.wav")
    text = "file,Emotion,mood,weather\na.wav,joy,1,2\nb.wav,joy,1,2\n"
    problems = load("mine", table(tmp_path, text)).problems
    assert problems == (
        "columns not read: mood, weather",
        f"1 of 2 files are missing, the first is {tmp_path / 'b.wav'}",
    )


def test_labels_are_named_all_at_once_and_may_be_mapped(tmp_path: Path):
    path = table(tmp_path, "file,emotion\na.wav,sarcasm\nb.wav,hapiness\nc.wav,sarcasm\n")
    with pytest.raises(
        UnknownLabelError,
        match=r"labels of .*mine\.csv: no such emotion: 'sarcasm'.*did you mean hap",
    ):
        load("mine", path)
    corpus = load("mine", path, aliases={"sarcasm": "other", "hapiness": "happiness"})
    assert corpus.emotions == ("happiness", "other")


def test_an_empty_label_is_an_unlabelled_utterance(tmp_path: Path):
    (found,) = load("mine", table(tmp_path, "file,emotion\na.wav,\n")).utterances
    assert found.ratings == ()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "empty; the first row has the names of the columns"),
        ("file,emotion\n", "the table has no rows"),
        (
            "path,emotion\na.wav,joy\n",
            "no column file among path, emotion; the columns read are file",
        ),
        ("file,emotion\n,joy\n", "row 2: no file"),
        ("file,emotion\na.wav,joy,extra\n", "row 2: more fields than columns"),
        ("file,emotion\na.wav\n", "row 2: fewer fields than columns"),
        ("file,age\na.wav,old\n", "row 2: age 'old': write years as a number"),
        ("file,split\na.wav,exam\n", "row 2: split 'exam': write one of train"),
        ("file,arousal\na.wav,high\n", "row 2: arousal 'high': write a number"),
        ("file,arousal\na.wav,inf\n", "row 2: arousal 'inf': write a number"),
    ],
)
def test_each_fault_of_a_table_is_named(tmp_path: Path, text: str, why: str):
    with pytest.raises(TableError, match=why):
        read_table(table(tmp_path, text), name="mine", scale=(1.0, 7.0))


def test_another_encoding_and_another_ending_are_refused(tmp_path: Path):
    latin = tmp_path / "latin.csv"
    latin.write_bytes("file,speaker\na.wav,Jürgen\n".encode("latin-1"))
    with pytest.raises(TableError, match=r"latin\.csv: not UTF-8.*save it as UTF-8"):
        load("mine", latin)
    with pytest.raises(TableError, match=r"a table is \.csv or \.parquet, not \.xlsx"):
        load("mine", table(tmp_path, "x", "mine.xlsx"))
    with pytest.raises(MissingCorpusError, match=r"gone\.csv: no such table"):
        read_table(tmp_path / "gone.csv", name="mine")


def test_parquet_gives_the_same_corpus_as_csv(tmp_path: Path):
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    rows = pyarrow.table(
        {
            "file": ["a.wav", "b.wav"],
            "start": pyarrow.array([1_500_000_000, None], pyarrow.duration("ns")),
            "end": pyarrow.array([2_000_000_000, None], pyarrow.duration("ns")),
            "speaker": [1.0, None],
            "emotion": ["anger", "joy"],
            "arousal": [3.0, float("nan")],
        }
    )
    parquet.write_table(rows, tmp_path / "mine.parquet")
    text = "file,start,end,speaker,emotion,arousal\na.wav,1.5,2,1,anger,3\nb.wav,,,,joy,\n"
    of_csv = load("mine", table(tmp_path, text), scale=(1.0, 5.0))
    assert load("mine", tmp_path / "mine.parquet", scale=(1.0, 5.0)) == of_csv
    assert of_csv.speakers == ("mine/1",)


def test_a_parquet_file_that_is_none_is_named(tmp_path: Path):
    pytest.importorskip("pyarrow")
    with pytest.raises(TableError, match=r"mine\.parquet: not a Parquet table"):
        load("mine", table(tmp_path, "file,emotion\n", "mine.parquet"))


def test_without_the_extra_parquet_is_refused_in_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match=r"takes pyarrow: pip install 'serkit\[parquet\]'"):
        load("mine", table(tmp_path, "x", "mine.parquet"))


def test_the_columns_are_those_of_the_specification():
    expected = (
        "file start end speaker sex gender age language sentence recording emotion "
        "arousal valence dominance rater split"
    )
    assert expected.split() == list(COLUMNS)


@pytest.mark.parametrize("header", ["file,emotion,emotion", "file,File,emotion"])
def test_a_column_given_twice_is_refused(tmp_path: Path, header: str):
    (tmp_path / "twice.csv").write_text(f"{header}\na.wav,anger,sadness\n", encoding="utf-8")
    with pytest.raises(TableError, match="occurs twice"):
        read_table(tmp_path / "twice.csv", name="mine")
