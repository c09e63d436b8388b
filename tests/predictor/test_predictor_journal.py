"""A journal of ratings: what it keeps, whatever happens to it."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serkit.predictor import Journal, JournalError, state_of

MADE_BY = {"model": "a" * 64, "voices": None}


def filled(folder: Path, names: list[str], *, status: str = "ok") -> tuple[Path, list[Path]]:
    """A table's path, and recordings that its journal holds."""
    files = [folder / name for name in names]
    for file in files:
        file.write_bytes(b"RIFF")
    with Journal(folder / "ratings.csv", made_by=MADE_BY) as journal:
        for file in files:
            journal.add(file, state_of(file), {"file": str(file), "status": status})
    return folder / "ratings.csv", files


def held(output: Path, files: list[Path]) -> list[str]:
    with Journal(output, made_by=MADE_BY) as journal:
        return [file.name for file in files if journal.holds(file, state_of(file))]


def test_rows_come_back_in_the_order_asked_for(tmp_path: Path) -> None:
    output, files = filled(tmp_path, ["a.wav", "b.wav", "c.wav"])
    with Journal(output, made_by=MADE_BY) as journal:
        assert len(journal) == 3
        assert [row["file"] for row in journal.rows(files[::-1])] == [
            str(file) for file in files[::-1]
        ]


def test_names_that_are_no_text_come_back(tmp_path: Path) -> None:
    output, files = filled(tmp_path, ["gr\udcfc\udcdfe.wav", "Grüße\n.wav"])
    assert held(output, files) == [file.name for file in files]


def test_the_newest_row_of_a_recording_counts(tmp_path: Path) -> None:
    output, (file,) = filled(tmp_path, ["a.wav"])
    file.write_text("changed, and longer")
    assert held(output, [file]) == []
    with Journal(output, made_by=MADE_BY) as journal:
        journal.add(file, state_of(file), {"status": "silent"})
    assert held(output, [file]) == ["a.wav"]
    with Journal(output, made_by=MADE_BY) as journal:
        assert [row["status"] for row in journal.rows([file])] == ["silent"]


@pytest.mark.parametrize("status", ["missing", "directory", "unreadable", "failed"])
def test_what_may_be_mended_outside_the_file_is_tried_again(tmp_path: Path, status: str) -> None:
    output, files = filled(tmp_path, ["a.wav"], status=status)
    assert held(output, files) == []


@settings(max_examples=60)
@given(share=st.floats(0.0, 1.0))
def test_cut_at_any_byte_it_keeps_every_whole_line_and_goes_on(
    tmp_path_factory: pytest.TempPathFactory, share: float
) -> None:
    folder = tmp_path_factory.mktemp("cut")
    output, files = filled(folder, [f"{n}.wav" for n in range(5)])
    journal = folder / "ratings.csv.journal"
    content = journal.read_bytes()[: round(share * journal.stat().st_size)]
    journal.write_bytes(content)
    whole = max(0, content.count(b"\n") - 1)  # the first line says what the rows were made by
    assert held(output, files) == [file.name for file in files[:whole]]
    with Journal(output, made_by=MADE_BY) as again:
        for file in files[whole:]:
            again.add(file, state_of(file), {"file": str(file), "status": "ok"})
    assert held(output, files) == [file.name for file in files]
    lines = [json.loads(line) for line in journal.read_text().splitlines()]
    assert [line["file"] for line in lines[1:]] == [str(file) for file in files]


def test_rows_of_something_else_do_not_mix(tmp_path: Path) -> None:
    output, files = filled(tmp_path, ["a.wav"])
    before = (tmp_path / "ratings.csv.journal").read_bytes()
    with pytest.raises(
        JournalError,
        match=r"do not mix with these: model aaaaaaaaaaaa\.\.\. there, bbbbbbbbbbbb\.\.\. here\. "
        r"Name another output, or start anew with --overwrite",
    ):
        _ = Journal(output, made_by={"model": "b" * 64, "voices": None})
    assert (tmp_path / "ratings.csv.journal").read_bytes() == before
    with Journal(output, made_by={"model": "b"}, anew=True) as journal:
        assert not journal.holds(files[0], state_of(files[0]))


def test_two_cannot_write_at_once(tmp_path: Path) -> None:
    output, files = filled(tmp_path, ["a.wav"])
    with Journal(output, made_by=MADE_BY):
        for anew in (False, True):
            with pytest.raises(JournalError, match=r"ratings\.csv is being written by another"):
                _ = Journal(output, made_by=MADE_BY, anew=anew)
    assert held(output, files) == ["a.wav"]  # free again, and whole


@pytest.mark.parametrize("line", ["{}", '{"file": "a.wav"}', "\x00\x00", "[1, 2]"])
@pytest.mark.parametrize("place", [0, 1])
def test_a_damaged_line_is_named(tmp_path: Path, line: str, place: int) -> None:
    output, _ = filled(tmp_path, ["a.wav", "b.wav"])
    journal = tmp_path / "ratings.csv.journal"
    lines = journal.read_text().splitlines()
    lines[place] = line
    journal.write_text("\n".join(lines) + "\n")
    with pytest.raises(JournalError, match=rf"is damaged: line {place + 1} cannot .*--overwrite"):
        _ = Journal(output, made_by=MADE_BY)
