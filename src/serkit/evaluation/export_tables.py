"""Tables of a report: on the page, as CSV for machines, as LaTeX for papers.

A table that rests on a leak says so wherever it goes: in its caption, and in a CSV, which has no
caption, in a column of its own.
"""

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from serkit.evaluation.classification import DAGGER
from serkit.evaluation.predictions import write_whole

NOTHING = "-"  # stands where there is nothing to say
LEAK_COLUMN = "leak"
MANY_ROWS = 25  # a longer table may break between two pages

_FIGURE = re.compile(
    rf"[-+]?[\d.,]+{DAGGER}?( ± [\d.]+)?( %)?( \[.*\])?|\[[-+\d., ]+\]|{NOTHING}|n/a{DAGGER}?|"
)
"""Cells that are read as numbers: ``0.812 ± 0.004``, ``[0.1, 0.2]``, ``n/a``, and empty ones."""

LATEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "`": r"\textasciigrave{}",
    DAGGER: r"\textdagger{}",
    "±": r"$\pm$",
    "\N{MULTIPLICATION SIGN}": r"$\times$",
    "\N{MINUS SIGN}": r"$-$",
    "≤": r"$\leq$",
    "≥": r"$\geq$",
    "→": r"$\rightarrow$",
    "°": r"\textdegree{}",
    "…": r"\dots{}",
    "·": r"\textperiodcentered{}",
    "\N{NO-BREAK SPACE}": "~",
    "\n": " ",
    "\r": " ",
}  # fmt: skip
"""What LaTeX would take for a command or cannot print, and how it is written instead."""

_SPECIAL = re.compile("|".join(map(re.escape, LATEX)))


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """A table, cell by cell as it is shown.

    Example:
        >>> table = Table(name="seeds", caption="By seed", head=("seed", "UAR"),
        ...               rows=(("0", "0.812"), ("1", "0.806")))
        >>> table.align
        'lr'
    """

    kind: ClassVar = "table"

    name: str
    """Of its anchor and of its files."""
    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""
    sounds: tuple[str | None, ...] = ()
    """Of each row: a data URI of audio, or None. On the page only."""

    @property
    def align(self) -> str:
        """``"l"`` or ``"r"`` for each column: figures right, words and the first column left."""
        columns = list(zip(*self.rows, strict=True)) if self.rows else [()] * len(self.head)
        return "l" + "".join("r" if _are_figures(cells) else "l" for cells in columns[1:])

    @property
    def is_long(self) -> bool:
        """It may break between two pages."""
        return len(self.rows) > MANY_ROWS


def csv_of(table: Table, *, leaks: Sequence[str] = ()) -> str:
    r"""A table as CSV, one line per row.

    Args:
        table: What to write.
        leaks: What every table must say; stands in a last column ``leak`` of every row.

    Example:
        >>> table = Table(name="seeds", caption="By seed", head=("seed", "UAR"), rows=(("0", "1"),))
        >>> csv_of(table, leaks=["speaker"])
        'seed,UAR,leak\n0,1,speaker\n'
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    more = ["; ".join(leaks)] if leaks else []
    _ = writer.writerow([*table.head, *([LEAK_COLUMN] if leaks else [])])
    writer.writerows([[*row, *more] for row in table.rows])
    return text.getvalue()


def latex_of(table: Table, *, leaks: Sequence[str] = ()) -> str:
    r"""A table as LaTeX, with the rules of ``booktabs``, ready for ``\input``.

    Args:
        table: What to write.
        leaks: What every table must say; stands in the caption, in bold.

    Example:
        >>> table = Table(name="seeds", caption="By seed", head=("seed", "weighted_f1"),
        ...               rows=(("0", "0.81 ± 0.02"),))
        >>> print(latex_of(table))
        % needs \usepackage{booktabs} and \usepackage[T1]{fontenc}
        \begin{table}
          \caption{By seed}
          \label{tab:seeds}
          \begin{tabular}{lr}
            \toprule
            seed & weighted\_f1 \\
            \midrule
            0 & 0.81 $\pm$ 0.02 \\
            \bottomrule
          \end{tabular}
        \end{table}
        <BLANKLINE>
    """
    stamp = "".join(rf" \textbf{{{escaped(line)}}}" for line in leaks)
    note = [rf"  \par\smallskip\footnotesize {escaped(table.note)}"] if table.note else []
    lines = [
        r"% needs \usepackage{booktabs} and \usepackage[T1]{fontenc}",
        r"\begin{table}",
        rf"  \caption{{{escaped(table.caption)}{stamp}}}",
        rf"  \label{{tab:{re.sub(r'[^A-Za-z0-9-]', '-', table.name)}}}",
        rf"  \begin{{tabular}}{{{table.align}}}",
        r"    \toprule",
        _line(table.head),
        r"    \midrule",
        *(_line(row) for row in table.rows),
        r"    \bottomrule",
        r"  \end{tabular}",
        *note,
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def escaped(text: str) -> str:
    r"""Text as LaTeX prints it, character for character.

    Example:
        >>> print(escaped("50 % of emodb/03_a & <b>"))
        50 \% of emodb/03\_a \& \textless{}b\textgreater{}
    """
    return _SPECIAL.sub(lambda found: LATEX[found[0]], text)


def save_table(table: Table, folder: str | Path, *, leaks: Sequence[str] = ()) -> tuple[Path, Path]:
    """Write a table as ``NAME.csv`` and ``NAME.tex``.

    Args:
        table: What to write.
        folder: Where to; it is made.
        leaks: What every table must say.

    Returns:
        Both paths.

    Example:
        >>> import tempfile
        >>> table = Table(name="seeds", caption="By seed", head=("seed",), rows=(("0",),))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     [path.name for path in save_table(table, folder)]
        ['seeds.csv', 'seeds.tex']
    """
    folder = Path(folder)
    as_csv, as_latex = folder / f"{table.name}.csv", folder / f"{table.name}.tex"
    write_whole(as_csv, csv_of(table, leaks=leaks))
    _ = as_latex.write_text(latex_of(table, leaks=leaks), encoding="utf-8")
    return as_csv, as_latex


def _are_figures(cells: Sequence[str]) -> bool:
    return all(map(_FIGURE.fullmatch, cells)) and any(cell not in ("", NOTHING) for cell in cells)


def _line(cells: Sequence[str]) -> str:
    # An opening bracket after the line before it would be taken for that line's extra space.
    first = f"{{}}{escaped(cells[0])}" if cells[0].startswith(("[", "*")) else escaped(cells[0])
    return "    " + " & ".join([first, *map(escaped, cells[1:])]) + r" \\"
