import gzip
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serkit.evaluation import Prediction, PredictionsError, read_predictions, write_predictions

EMOTIONS = ("anger", "sadness")
HEADER = "seed,fold,file,speaker,emotion,predicted,probability_anger,probability_sadness\n"
ROW = "0,one,a,s,anger,anger,0.75,0.25\n"


def prediction(probabilities=(0.75, 0.25), **changes) -> Prediction:
    values = {
        "seed": 0, "fold": "one", "file": "a", "speaker": "s", "emotion": "anger",
        "emotions": EMOTIONS,
    }  # fmt: skip
    return Prediction.of(**(values | changes), probabilities=probabilities)


@pytest.mark.parametrize("name", ["predictions.csv", "predictions.csv.gz"])
def test_what_is_written_is_read_back_exactly(tmp_path, make_rows, name):
    rows = make_rows(seeds=(0, 1, "ensemble-2"))
    assert read_predictions(write_predictions(tmp_path / "new" / name, rows)) == rows


names = st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), min_size=1)


@settings(max_examples=40)
@given(
    st.lists(
        st.tuples(names, st.floats(0, 1)),
        min_size=1,
        unique_by=lambda pair: pair[0],
    )
)
def test_any_name_and_any_probability_survive(tmp_path_factory, files):
    rows = [prediction((p, 1 - p), file=name, fold=name, speaker=name) for name, p in files]
    path = tmp_path_factory.mktemp("any") / "predictions.csv"
    assert read_predictions(write_predictions(path, rows)) == rows


def test_the_same_rows_give_the_same_bytes_under_any_name(tmp_path, make_rows):
    rows = make_rows()
    first = write_predictions(tmp_path / "first.csv.gz", rows).read_bytes()
    assert first == write_predictions(tmp_path / "second.csv.gz", rows).read_bytes()
    plain = write_predictions(tmp_path / "plain.csv", rows).read_bytes()
    assert gzip.decompress(first) == plain
    assert len(first) < len(plain)


def test_the_columns_are_those_of_the_results(tmp_path):
    path = write_predictions(tmp_path / "predictions.csv", [prediction()])
    assert path.read_text() == HEADER + "0,one,a,s,anger,anger,0.750000,0.250000\n"


def test_probabilities_that_become_equal_by_rounding_go_to_the_lower_index(tmp_path):
    row = prediction((0.49999990, 0.50000010))
    assert row.predicted == "anger"
    assert read_predictions(write_predictions(tmp_path / "tie.csv", [row])) == [row]


def test_an_unrounded_row_whose_answer_is_not_the_arg_max_as_written_is_refused(tmp_path):
    row = replace(
        prediction(),
        predicted="sadness",
        probabilities={"anger": 0.49999990, "sadness": 0.50000010},
    )
    with pytest.raises(PredictionsError, match="'sadness', but the probabilities as written say"):
        write_predictions(tmp_path / "tie.csv", [row])
    assert not list(tmp_path.iterdir())


def test_an_unknown_speaker_is_an_empty_cell(tmp_path):
    row = prediction(speaker=None)
    assert row.speaker == ""
    assert read_predictions(write_predictions(tmp_path / "p.csv", [row])) == [row]


def test_a_table_from_elsewhere_may_have_a_byte_order_mark_crlf_and_more_columns(tmp_path):
    path = tmp_path / "theirs.csv"
    path.write_bytes(
        b"\xef\xbb\xbf" + (HEADER.strip() + ",note\r\n" + ROW.strip() + ",good\r\n\r\n").encode()
    )
    assert read_predictions(path) == [prediction()]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "the table is empty"),
        (HEADER, "a header and no rows"),
        (HEADER.replace("speaker", "speakers") + ROW, "no column 'speaker'.*rename 'speakers'"),
        (HEADER.replace("fold", "seed") + ROW, "no column 'fold'"),
        (HEADER.replace("probability_", "p_") + ROW, "no column 'probability_<emotion>'"),
        (HEADER.replace("y_anger", "y_sadness") + ROW, "'probability_sadness' occurs twice"),
        (HEADER + ROW + "0,one,b,s,anger\n", r"row 2 \(line 3\) has 5 cells, the header 8"),
        (HEADER + ROW.replace("one", ""), r"row 1 \(line 2\) has nothing under 'fold'"),
        (HEADER + ROW.replace("0.25", "much"), "row 1 .*probability_sadness is 'much', not a numb"),
        (HEADER + ROW.replace("0.25", "nan"), "row 1 .*probability_sadness is nan, not between 0"),
        (HEADER + ROW.replace("0.75", "1.75"), "row 1 .*probability_anger is 1.75, not between"),
        (HEADER + ROW.replace("0.25", "0.15"), "row 1 .*add up to 0.9000, not to 1"),
        (HEADER + ROW.replace("s,anger", "s,angry"), "emotion 'angry' .*did you mean 'anger'"),
        (HEADER + ROW.replace("anger,0", "joy,0"), "predicted 'joy' is not in the scheme"),
        (HEADER + ROW.replace("anger,0", "sadness,0"), "predicted is 'sadness', but .* 'anger'"),
        (HEADER + ROW + ROW, "row 2 .*seed 0 predicts a a second time, first in row 1"),
        (HEADER + ROW.replace("0,one", "-1,one").replace("-1", '"-1'), "is not CSV"),
    ],
)
def test_a_malformed_table_is_refused_with_the_row_named(tmp_path, text, complaint):
    path = tmp_path / "predictions.csv"
    path.write_text(text)
    with pytest.raises(PredictionsError, match=complaint) as caught:
        read_predictions(path)
    assert str(path) in str(caught.value)


def test_a_missing_table_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"gone.csv: there is no such table"):
        read_predictions(tmp_path / "gone.csv")


def test_a_damaged_gzip_is_named(tmp_path, make_rows):
    path = write_predictions(tmp_path / "predictions.csv.gz", make_rows())
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(PredictionsError, match=r"not a readable \.csv\.gz"):
        read_predictions(path)
    path.write_text(HEADER)
    with pytest.raises(PredictionsError, match=r"not a readable \.csv\.gz"):
        read_predictions(path)


def test_a_failed_write_leaves_the_old_table(tmp_path):
    path = write_predictions(tmp_path / "predictions.csv", [prediction()])
    before = path.read_bytes()
    with pytest.raises(PredictionsError, match="a second time"):
        write_predictions(path, [prediction(), prediction()])
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_what_cannot_be_written_is_said(tmp_path):
    with pytest.raises(PredictionsError, match="no predictions to write"):
        write_predictions(tmp_path / "p.csv", [])
    with pytest.raises(ValueError, match=r"as \.csv or \.csv\.gz, not '\.txt'"):
        write_predictions(tmp_path / "p.txt", [prediction()])
    other = prediction(file="b", emotions=("sadness", "anger"))
    with pytest.raises(PredictionsError, match=r"b has probabilities of .sadness, anger."):
        write_predictions(tmp_path / "p.csv", [prediction(), other])
    with pytest.raises(PredictionsError, match=r"file 'a\\nb' holds a line break"):
        write_predictions(tmp_path / "p.csv", [prediction(file="a\nb")])
    with pytest.raises(PredictionsError, match="the seed '7' is text; give the number"):
        write_predictions(tmp_path / "p.csv", [prediction(seed="7")])
    with pytest.raises(PredictionsError, match="the seed -1 is negative"):
        write_predictions(tmp_path / "p.csv", [prediction(seed=-1)])
    with pytest.raises(PredictionsError, match="a: 1 probabilities for 2 emotions"):
        prediction((1.0,))
    with pytest.raises(PredictionsError, match=r"a: the probabilities .* are not finite"):
        prediction((float("nan"), 1.0))
