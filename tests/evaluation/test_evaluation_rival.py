"""Anybody's table, read under a protocol of eight speakers and four emotions."""

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from serkit.corpus import Corpus, Protocol, Rating, UnknownLabelError, Utterance, protocol
from serkit.evaluation import (
    Prediction,
    PredictionsError,
    read_predictions,
    score,
    write_predictions,
)
from serkit.evaluation.rival import read_rival, split_difference, table_split

EMOTIONS = ("anger", "happiness", "neutral", "sadness")
Write = Callable[..., Path]


def corpus(*, calm: bool = False) -> Corpus:
    """Eight speakers, four emotions (and calm), two takes; files in a folder per emotion."""
    utterances = [
        Utterance(
            id=f"mine/{speaker}{emotion[0]}{take}",
            path=Path(f"/data/{emotion}/{speaker}{emotion[0]}{take}.wav"),
            speaker=f"mine/{speaker}",
            ratings=(Rating(rater="intended", emotion={emotion: 1.0}),),
        )
        for speaker in "abcdefgh"
        for emotion in (*EMOTIONS, *(("calm",) if calm else ()))
        for take in (1, 2)
    ]
    return Corpus(name="mine", utterances=tuple(utterances))


@pytest.fixture(scope="module")
def loso() -> Protocol:
    return protocol("loso", corpus())


def of_test(cut: Protocol) -> list[Utterance]:
    return [utterance for fold in cut.folds for utterance in fold.test]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a header and rows."""

    def table(header: str, rows: Sequence[str], name: str = "theirs.csv") -> Path:
        path = tmp_path / name
        path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
        return path

    return table


def is_one_hot(rows: Sequence[Prediction]) -> bool:
    return all(value in (0.0, 1.0) for row in rows for value in row.probabilities.values())


def right(cut: Protocol) -> list[str]:
    return [f"{u.id},{u.emotion()}" for u in of_test(cut)]


def test_file_and_predicted_are_enough(loso: Protocol, write: Write):
    rival = read_rival(write("file,predicted", right(loso)), loso)
    assert rival.notes == ()
    assert not rival.has_probabilities
    assert is_one_hot(rival.predictions)
    scores = score(rival.predictions, draws=10)
    assert scores.figures["uar"].mean == 1.0
    assert (scores.num_utterances, scores.num_speakers, len(scores.folds)) == (64, 8, 8)


def test_a_column_without_a_name_is_ignored(loso: Protocol, write: Write):
    rows = [f"{n},{row},{n}" for n, row in enumerate(right(loso))]
    rival = read_rival(write(",file,predicted,", rows), loso)
    assert score(rival.predictions, draws=10).seeds == (0,)


def test_names_in_another_case_are_understood_when_there_is_one(loso: Protocol, write: Write):
    twins = [
        replace(u, id=f"{u.id[:-2]}S1", path=u.path.with_name(f"{u.path.stem[:-2]}S1.wav"))
        if u.id.endswith("s2")
        else u
        for u in corpus().utterances
    ]
    cut = protocol("loso", replace(corpus(), utterances=tuple(twins)))
    rows = [
        f"{u.id if 'S' in u.id or u.emotion() == 'sadness' else u.path.name.upper()},{u.emotion()}"
        for u in of_test(cut)
    ]
    rival = read_rival(write("file,predicted", rows), cut)
    assert all(row.predicted == row.emotion for row in rival.predictions)
    folders = [f"{u.emotion()}/{u.path.name}".upper() + f",{u.emotion()}" for u in of_test(loso)]
    assert read_rival(write("file,predicted", folders), loso).notes == ()
    with pytest.raises(PredictionsError, match=r"'As1.WAV' may be any of 2 utterances"):
        read_rival(write("file,predicted", ["As1.WAV,anger"]), cut)


@pytest.mark.parametrize(
    "named",
    [
        lambda u: u.id,
        lambda u: u.id.split("/")[1],
        lambda u: u.path.name,
        lambda u: u.path.with_suffix(".FLAC").name,
        lambda u: str(u.path),
        lambda u: f"C:\\\\copies\\\\{u.path.name}",
        lambda u: f"./elsewhere/{u.path.parent.name}/{u.path.stem}.mp3",
    ],
)
def test_an_utterance_may_be_called_in_many_ways(
    named: Callable[[Utterance], str], loso: Protocol, write: Write
):
    rows = [f"{named(u)};{u.emotion()}" for u in of_test(loso)]
    rival = read_rival(write("Path;Emotion-Pred", rows), loso)
    assert [row.file for row in rival.predictions] == [u.id for u in of_test(loso)]
    assert all(row.predicted == row.emotion for row in rival.predictions)


def test_equal_base_names_need_more_of_the_path(write: Write):
    whole = corpus()
    renamed = [
        replace(u, id=f"mine/{n}", path=u.path.with_name(f"{(u.speaker or '')[-1]}{n % 2}.wav"))
        for n, u in enumerate(whole.utterances)
    ]
    cut = protocol("loso", replace(whole, utterances=tuple(renamed)))
    longer = [f"x/{u.path.parent.name}/{u.path.name},{u.emotion()}" for u in of_test(cut)]
    rival = read_rival(write("file,pred", longer), cut)
    assert all(row.predicted == row.emotion for row in rival.predictions)
    shorter = [f"{u.path.name},{u.emotion()}" for u in of_test(cut)]
    with pytest.raises(
        PredictionsError, match=r"'a0.wav' may be any of 4 utterances .*more of the"
    ):
        read_rival(write("file,pred", shorter), cut)


def test_reference_speaker_and_fold_are_never_theirs(loso: Protocol, write: Write):
    rows = [f"{u.id},{u.emotion()},nobody,anger,{n % 8}" for n, u in enumerate(of_test(loso))]
    rival = read_rival(write("file,predicted,speaker,emotion,fold", rows), loso)
    for row, utterance in zip(rival.predictions, of_test(loso), strict=True):
        assert (row.emotion, row.speaker) == (utterance.emotion(), utterance.speaker)
        assert row.fold == (utterance.speaker or "")[-1]
    shifted, folds = rival.notes
    assert "48 of 64 references under 'emotion' are not those of mine" in shifted
    assert "its folds are not those of loso" in folds


def test_finer_folds_of_the_same_speakers_are_no_reason_to_worry(loso: Protocol, write: Write):
    rows = [f"{u.id},{u.emotion()},{u.speaker}" for u in of_test(loso)]
    assert read_rival(write("file,predicted,fold", rows), loso).notes == ()


def test_a_few_other_references_are_named(loso: Protocol, write: Write):
    rows = [
        f"{u.id},{u.emotion()},{'anger' if n < 3 else u.emotion()}"
        for n, u in enumerate(reversed(of_test(loso)))
    ]
    assert read_rival(write("file,predicted,label", rows), loso).notes == (
        "3 of 64 references under 'label' are not those of mine, which are used: mine/hs2 (anger "
        "there, sadness here), mine/hs1 (anger there, sadness here), mine/hn2 (anger there, "
        "neutral here)",
    )


@pytest.mark.parametrize("step", [1, -1])
def test_shifted_label_rows_are_told(step: int, loso: Protocol, write: Write):
    labels = [u.emotion() for u in of_test(loso)][::-1]
    names = [u.id for u in of_test(loso)][::-1]
    moved = labels[-step:] + labels[:-step]
    rows = [",".join(map(str, cells)) for cells in zip(names, labels, moved, strict=True)]
    note = read_rival(write("file,predicted,label", rows), loso).notes[0]
    assert f"they fit when moved by {-step:+d} row" in note


def scattered(cut: Protocol) -> list[Utterance]:
    """In an order that has nothing to do with names."""
    return random.Random(0).sample(of_test(cut), 64)


def test_shifted_rows_are_told_in_the_order_of_the_table(loso: Protocol, write: Write):
    order = scattered(loso)
    moved = [f"{u.id},{order[n - 1].emotion()}" for n, u in enumerate(order)]
    chance, shift = read_rival(write("file,predicted", moved), loso).notes
    assert chance.startswith("WARNING: UAR 0.")
    assert "is NOT better than chance" in chance
    assert "row by row, the predictions of the table fit the labels 1 row back" in shift
    assert "WAR 1.000" in shift


def test_a_shift_is_told_above_chance_too(loso: Protocol, write: Write):
    utterances = of_test(loso)  # every second neighbour has the same emotion
    rows = [f"{u.id},{utterances[n - 1].emotion()}" for n, u in enumerate(utterances)]
    (shift,) = read_rival(write("file,predicted", rows), loso).notes
    assert shift.startswith("WARNING: labels seem shifted: sorted by file")
    assert "far better (WAR 1.000, not 0.500)" in shift  # by 1 row, or by 7: emotions come round


@pytest.mark.parametrize(("num_swapped", "num_notes"), [(4, 2), (2, 1)])
def test_a_wrong_class_map_is_told_above_chance_too(
    num_swapped: int, num_notes: int, loso: Protocol, write: Write
):
    one, two, three, four = EMOTIONS
    said = {one: two, two: one, three: four, four: three}
    said |= {emotion: emotion for emotion in EMOTIONS[: 4 - num_swapped]}
    wrong = [f"{u.id},{said[u.emotion() or '']}" for u in of_test(loso)]
    notes = read_rival(write("file,predicted", wrong), loso).notes
    assert len(notes) == num_notes  # the other one is about chance
    assert notes[-1].startswith("WARNING: the class map seems wrong: if ")
    assert "neutral means sadness, sadness means neutral, WAR is 1.000" in notes[-1]


def test_labels_are_mapped_by_common_names_and_by_aliases(loso: Protocol, write: Write):
    said = {"anger": "Wut", "happiness": "Joy", "neutral": "NEU", "sadness": "sad"}
    path = write("file,predicted", [f"{u.id},{said[u.emotion() or '']}" for u in of_test(loso)])
    rival = read_rival(path, loso, aliases={"wut": "anger"})
    assert all(row.predicted == row.emotion for row in rival.predictions)
    with pytest.raises(UnknownLabelError, match=r"theirs.csv: no such emotion: 'Wut'.*an alias"):
        read_rival(path, loso)


def test_the_map_of_the_protocol_is_that_of_the_predictions(write: Write):
    cut = protocol("loso/four+calm", corpus(calm=True))
    truth = {u.id: u.emotion() or "" for u in corpus(calm=True).utterances}
    rival = read_rival(
        write("file,predicted", [f"{u.id},{truth[u.id]}" for u in of_test(cut)]), cut
    )
    assert all(row.predicted == row.emotion for row in rival.predictions)
    assert sum(row.predicted == "neutral" for row in rival.predictions) == 32


def test_predictions_outside_the_scheme_stop_or_count_as_errors(loso: Protocol, write: Write):
    rows = right(loso)
    rows[:2] = [f"{u.id},fear" for u in of_test(loso)[:2]]
    path = write("file,predicted", rows)
    with pytest.raises(PredictionsError, match=r"2 predictions are outside the scheme.*fear 2"):
        read_rival(path, loso)
    rival = read_rival(path, loso, missing="wrong")
    assert rival.notes == ("2 predictions outside the scheme count as errors",)
    assert [row.predicted == row.emotion for row in rival.predictions] == [False] * 2 + [True] * 62


def test_every_test_utterance_needs_an_answer(loso: Protocol, write: Write):
    rows = [f"{of_test(loso)[0].id},", *right(loso)[2:]]  # one empty, one gone
    path = write("file,predicted", rows)
    with pytest.raises(
        PredictionsError,
        match=r"2 of 64 test utterances of loso have no answer: mine/aa1, mine/aa2",
    ):
        read_rival(path, loso)
    rival = read_rival(path, loso, missing="wrong")
    assert [row.file for row in rival.predictions if row.predicted != row.emotion] == [
        "mine/aa1", "mine/aa2",
    ]  # fmt: skip
    assert rival.notes == (
        "2 test utterances without an answer count as errors: mine/aa1, mine/aa2",
    )


def test_rows_of_other_utterances_are_listed_and_ignored(loso: Protocol, write: Write):
    part = replace(loso, folds=loso.folds[:2])
    rival = read_rival(write("file,predicted", [*right(loso), "gone.wav,fear"]), part)
    assert len(rival.predictions) == 16
    unknown, outside = rival.notes
    assert unknown == "1 rows are of no utterance of loso and are ignored: gone.wav"
    assert outside.startswith("48 rows of utterances outside the test sides are ignored: mine/ca1")
    with pytest.raises(PredictionsError, match=r"none of its 1 rows .*named like mine/aa1 \(aa1"):
        read_rival(write("file,predicted", ["gone.wav,anger"]), loso)


def test_an_answer_is_given_once_per_seed(loso: Protocol, write: Write):
    with pytest.raises(PredictionsError, match=r"line 66: mine/aa1 is predicted a second time"):
        read_rival(write("file,predicted", [*right(loso), "aa1.wav,anger"]), loso)
    both = [f"{row},{seed}" for seed in (0, 1) for row in right(loso)]
    rival = read_rival(write("file,predicted,seed", both), loso)
    assert score(rival.predictions, draws=10).seeds == (0, 1)
    with pytest.raises(PredictionsError, match=r"1 of 64 test utterances .* no answer in seed 1"):
        read_rival(write("file,predicted,seed", both[:-1]), loso)


def soft_rows(cut: Protocol, value: float = 0.7) -> list[str]:
    rest = (1 - value) / 3
    rows: list[str] = []
    for utterance in of_test(cut):
        values = [value if emotion == utterance.emotion() else rest for emotion in EMOTIONS]
        rows.append(",".join(map(str, (utterance.id, utterance.emotion(), *values))))
    return rows


HEADER = "file,predicted," + ",".join(f"probability_{e}" for e in ("angry", "joy", *EMOTIONS[2:]))


def test_probabilities_are_used_when_they_are_of_the_scheme(loso: Protocol, write: Write):
    rival = read_rival(write(HEADER, soft_rows(loso)), loso)
    assert (rival.has_probabilities, rival.notes) == (True, ())
    assert rival.predictions[0].probabilities["anger"] == 0.7
    without = [row.partition(",")[0] + "," + row.split(",", 2)[2] for row in soft_rows(loso)]
    same = read_rival(write(HEADER.replace("predicted,", ""), without), loso)
    assert same.predictions == rival.predictions


@pytest.mark.parametrize(
    ("header", "change", "why"),
    [
        (HEADER.replace("joy", "fear"), str, "they are not of anger, happiness"),
        (HEADER, lambda row: row.replace("0.7", "0.9"), "in 64 rows they do not add up to 1, or"),
        (HEADER, lambda row: row.replace("0.7", "0.01"), "in 64 rows"),
    ],
)
def test_odd_probabilities_are_not_used_and_that_is_said(
    header: str, change: Callable[[str], str], why: str, loso: Protocol, write: Write
):
    rival = read_rival(write(header, [change(row) for row in soft_rows(loso)]), loso)
    assert not rival.has_probabilities
    assert is_one_hot(rival.predictions)
    (note,) = rival.notes
    assert note.startswith("the probabilities are not used: ")
    assert why in note


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_our_own_table_is_read_as_it_was_written(
    data: st.DataObject, loso: Protocol, tmp_path: Path
):
    rows: list[Prediction] = []
    for fold in loso.folds:
        for utterance in fold.test:
            weights = data.draw(st.lists(st.integers(0, 3), min_size=4, max_size=4).filter(any))
            rows.append(
                Prediction.of(
                    seed=3,
                    fold=fold.name,
                    file=utterance.id,
                    speaker=utterance.speaker,
                    emotion=utterance.emotion() or "",
                    emotions=EMOTIONS,
                    probabilities=[weight / sum(weights) for weight in weights],
                )
            )
    path = write_predictions(tmp_path / "ours.csv.gz", rows)
    rival = read_rival(path, loso)
    assert list(rival.predictions) == rows == read_predictions(path)
    assert rival.has_probabilities


def test_columns_are_guessed_and_the_guess_is_told(loso: Protocol, write: Write):
    guess, doubt = read_rival(write("wav,label", right(loso)), loso).notes
    assert guess == "the column 'label' is taken for the predictions"
    assert "WARNING: every answer under 'label' is the corpus's own reference" in doubt
    but_one = [f"{of_test(loso)[0].id},sadness", *right(loso)[1:]]
    assert read_rival(write("wav,label", but_one), loso).notes == (guess,)
    rows = [f"{row},{row.split(',')[1]}" for row in right(loso)]
    assert read_rival(write("id,label,y_pred", rows), loso).notes == ()
    for header, said in {
        "sentence,predicted": "no column says which utterance a row is of; the columns are 'sent",
        "file,answer": "no column holds the predictions; the columns are 'file', 'answer'",
        "file,File": "the column 'File' occurs twice",
    }.items():
        with pytest.raises(PredictionsError, match=said):
            read_rival(write(header, right(loso)), loso)
    for header, said in {
        "file,pred,prediction": "which is the prediction, prediction or pred",
        "file,label,emotion": "no column holds the predictions",
    }.items():
        with pytest.raises(PredictionsError, match=said):
            read_rival(write(header, rows), loso)


def test_a_broken_table_is_said(loso: Protocol, write: Write, tmp_path: Path):
    with pytest.raises(FileNotFoundError, match="no such table"):
        read_rival(tmp_path / "gone.csv", loso)
    with pytest.raises(PredictionsError, match="line 2 has 3 cells, the header 2"):
        read_rival(write("file,predicted", ["a,b,c"]), loso)
    with pytest.raises(PredictionsError, match="there are no rows"):
        read_rival(write("file,predicted", []), loso)
    with pytest.raises(PredictionsError, match="not a readable table"):
        read_rival(write("file,predicted", ["a,b"], name="theirs.csv.gz"), loso)
    bad = soft_rows(loso)[0].replace("0.7", "much")
    with pytest.raises(PredictionsError, match=r"line 2: a probability of anger is not a number"):
        read_rival(write(HEADER, [bad]), loso)
    with pytest.raises(PredictionsError, match="loso is about affect"):
        read_rival(write("file,predicted", right(loso)), replace(loso, task="affect"))


def test_what_was_tested_has_digits_and_differences_have_words(loso: Protocol, write: Write):
    rows = read_rival(write("file,predicted", right(loso)), loso).predictions
    digits = table_split(rows)
    assert len(digits) == 16
    answered = [replace(row, seed=7, predicted="anger") for row in reversed(rows)]
    assert table_split(answered) == digits
    assert split_difference(rows, answered) == ""
    for other, words in (
        (rows[1:], "1 are only in the first (such as mine/aa1)"),
        ((replace(rows[0], fold="x"), *rows[1:]), "1 of 64 shared utterances are in another fold"),
        (
            (replace(rows[0], emotion="sadness"), *rows[1:]),
            "another reference (such as mine/aa1: an",
        ),
        ((*rows, replace(rows[0], file="new")), "1 are only in the second (such as new)"),
    ):
        assert table_split(other) != digits
        assert words in split_difference(rows, other)
