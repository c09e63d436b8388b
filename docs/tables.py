"""Write the tables of README.md and docs/ from results/*.csv; ``make results``.

A table stands between two markers, and only what is between them is ever changed::

    <!-- results: crnn.emodb-loso.csv opensmile-svm*.emodb-loso.csv -->
    <!-- end of results -->

Between ``ablation:`` and the same end stands the table of one ablation, after ``affect:`` tables of
arousal, valence and dominance, and after ``cross:`` a matrix over corpora for each system. With
``--check`` nothing is written, and the exit code is 1 when a table is out of date.
"""

import argparse
import re
import sys
from pathlib import Path

from serkit.evaluation import affect_results_table, marked, read_results, results_table

REPOSITORY = Path(__file__).resolve().parents[1]
BLOCK = re.compile(
    r"(?P<begin><!-- (?P<kind>results|ablation|affect|cross): (?P<patterns>[^\n]+?) -->\n)"
    r".*?(?P<end><!-- end of results -->)",
    re.DOTALL,
)


def ablation_table(path: Path) -> str:
    """The pooled rows of an ablation, each with its distance from the row it is compared with."""
    lines = [
        "| row | UAR | 95 % over speakers | UAR, mean over folds | WAR | macro F1 | parameters "
        "| MMAC/s | minutes per fold | difference of UAR |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in read_results(path):
        if row["seed"] != "pooled":
            continue
        spread = f" ± {float(row['uar_sd']):.3f}" if row["uar_sd"] else ""
        low, high = row["uar_low"], row["uar_high"]
        interval = f"{float(low):.3f} to {float(high):.3f}" if low and high else "no interval"
        difference = ""
        if row["difference"]:
            difference = f"{float(row['difference']):+.3f}"
            if row["difference_low"] and row["difference_high"]:
                ends = (float(row["difference_low"]), float(row["difference_high"]))
                difference += f" ({ends[0]:+.3f} to {ends[1]:+.3f})"
            difference += f" to {row['against']}"
        lines.append(
            f"| {row['row']} | {float(row['uar']):.3f}{spread} | {interval} "
            f"| {float(row['uar_fold_mean']):.3f} | {float(row['war']):.3f} "
            f"| {float(row['macro_f1']):.3f} | {int(row['parameters']):,} "
            f"| {row['mmac_per_second']} | {row['minutes_per_fold']} | {difference} |"
        )
    return "\n".join(lines)


def cross_matrices(path: Path) -> str:
    """UAR of every cell with its interval, one table per system: trained on row, tested on column.

    Cells that are not finished are ``-``; those of one corpus, on unheard speakers, are bold.
    """
    found: dict[str, dict[tuple[str, str], tuple[dict[str, str], int]]] = {}
    num_seeds = 0
    for row in read_results(path):
        num_seeds += row["seed"].isdecimal()
        if row["seed"] == "pooled":
            found.setdefault(row["system"], {})[row["train"], row["test"]] = row, num_seeds
        if not row["seed"].isdecimal():
            num_seeds = 0  # the rows of a cell are its seeds, then pooled, then an ensemble
    corpora = list(
        dict.fromkeys(name for cells in found.values() for pair in cells for name in pair)
    )
    parts: list[str] = []
    for system, cells in found.items():
        seeds = sorted({count for _, count in cells.values()})
        told = f"seeds: {' to '.join(map(str, seeds))}"
        if seeds[0] < 2:
            told = "one seed: no difference in this table is a difference"
        lines = [f"| {system}, trained on | {' | '.join(f'on {name}' for name in corpora)} |"]
        lines.append("|" + "---|" * (len(corpora) + 1))
        for train in corpora:
            shown = [
                _cell(cells[train, test][0]) if (train, test) in cells else "-" for test in corpora
            ]
            lines.append(f"| {train} | {' | '.join(shown)} |")
        parts.append("\n".join([f"### {system}, from corpus to corpus ({told})", "", *lines]))
    splits: dict[tuple[str, str], set[str]] = {}
    for cells in found.values():
        for pair, (row, _) in cells.items():
            splits.setdefault(pair, set()).add(row["split"])
    for (train, test), hashes in splits.items():
        if len(hashes) > 1:
            parts.append(f"The splits of {train} to {test} differ, so these may not be compared.")
    return "\n\n".join(parts)


def _cell(row: dict[str, str]) -> str:
    """``0.512 ± 0.010 [0.451, 0.570]``."""
    figure = marked(float(row["uar"]), row["absent"].split())
    if row["uar_sd"]:
        figure += f" ± {float(row['uar_sd']):.3f}"
    if row["train"] == row["test"]:
        figure = f"**{figure}**"
    low, high = row["uar_low"], row["uar_high"]
    return f"{figure} [{float(low):.3f}, {float(high):.3f}]" if low and high else figure


def table(kind: str, patterns: str, results: Path) -> str:
    """The tables of all files in ``results`` that match one of the patterns."""
    matching = [path for pattern in patterns.split() for path in sorted(results.glob(pattern))]
    paths = list(dict.fromkeys(matching))
    if not paths:
        return f"*No rows yet: nothing in results/ matches `{patterns}`.*"
    if kind == "ablation":
        return "\n\n".join(ablation_table(path) for path in paths)
    if kind == "cross":
        return "\n\n".join(cross_matrices(path) for path in paths)
    if kind == "affect":
        return affect_results_table(paths).strip()
    return results_table(paths).strip()


def updated(text: str, results: Path) -> str:
    """The text of a page with every table written anew."""
    return BLOCK.sub(
        lambda block: (
            f"{block['begin']}\n{table(block['kind'], block['patterns'], results)}\n\n"
            f"{block['end']}"
        ),
        text,
    )


def main() -> int:
    """Rewrite all pages, or check them."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; fail when out of date")
    check = parser.parse_args().check
    stale = 0
    for page in [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").rglob("*.md"))]:
        old = page.read_text(encoding="utf-8")
        new = updated(old, REPOSITORY / "results")
        if new == old:
            continue
        name = page.relative_to(REPOSITORY)
        stale += 1
        if check:
            print(f"{name}: its tables differ from results/*.csv; run make results")
        else:
            page.write_text(new, encoding="utf-8")
            print(f"{name}: tables written")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
