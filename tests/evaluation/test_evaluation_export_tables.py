import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serkit.evaluation.export_tables import LATEX, Table, csv_of, escaped, latex_of, save_table

CELLS = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=12)


def table_of(rows, head=("name", "value"), **more) -> Table:
    return Table(name="t", caption="A table", head=head, rows=tuple(map(tuple, rows)), **more)


@given(rows=st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=5))
def test_csv_is_read_back_as_it_was(rows):
    text = csv_of(table_of(rows))
    assert list(csv.reader(io.StringIO(text, newline=""))) == [
        ["name", "value"],
        *map(list, rows),
    ]


@given(text=st.text(st.characters(exclude_categories=("Cs",)), max_size=60))
def test_latex_takes_nothing_for_a_command(text):
    written = escaped(text)
    for escape in sorted(LATEX.values(), key=len, reverse=True):
        written = written.replace(escape, "")
    assert not set(written) & set('\\&%$#_{}~^<>|"`\n\r')


@pytest.mark.parametrize(
    ("text", "written"),
    [
        (r"\input{x}", r"\textbackslash{}input\{x\}"),
        ("a_b & 5 %", r"a\_b \& 5 \%"),
        ("$x^2$ #1 ~", r"\$x\textasciicircum{}2\$ \#1 \textasciitilde{}"),
        ("0.743† ± 0.103", r"0.743\textdagger{} $\pm$ 0.103"),
        ("Müller, Plötze", "Müller, Plötze"),
    ],
)
def test_latex_is_escaped_character_for_character(text, written):
    assert escaped(text) == written


@given(rows=st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=5))
def test_every_latex_row_has_as_many_cells_as_the_head(rows):
    text = latex_of(table_of(rows))
    body = text.partition("\\midrule\n")[2].partition("    \\bottomrule")[0].splitlines()
    assert len(body) == len(rows)
    for line in body:
        assert line.replace(r"\&", "").count("&") == 1
        assert line.endswith(r" \\")


def test_a_row_that_begins_with_a_bracket_is_no_option_of_the_line_before():
    text = latex_of(table_of([("a", "1"), ("[0.1, 0.2]", "2"), ("*", "3")]))
    assert "\n    {}[0.1, 0.2] & 2" in text
    assert "\n    {}* & 3" in text


def test_figures_stand_right_and_words_left():
    rows = [
        ("03", "0.812 ± 0.004", "[0.1, 0.2]", "-", "none", "-"),
        ("08", "0.699†", "-", "12 %", "disgust", "-"),
    ]
    assert table_of(rows, head=tuple("abcdef")).align == "lrrrll"
    assert table_of([], head=("a", "b")).align == "ll"


def test_a_table_on_a_leak_says_so_in_both_files(tmp_path):
    table = table_of([("UAR", "0.9"), ("WAR", "0.8")], note="50 % of it")
    as_csv, as_latex = save_table(table, tmp_path / "new", leaks=["LEAK (speaker)", "LEAK_2"])
    rows = list(csv.reader(as_csv.read_text(encoding="utf-8").splitlines()))
    assert rows[0] == ["name", "value", "leak"]
    assert {row[2] for row in rows[1:]} == {"LEAK (speaker); LEAK_2"}
    latex = as_latex.read_text(encoding="utf-8")
    assert r"\caption{A table \textbf{LEAK (speaker)} \textbf{LEAK\_2}}" in latex
    assert r"50 \% of it" in latex
    assert "leak" not in csv_of(table)
