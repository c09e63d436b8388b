"""Write the tables of README.md and docs/ from results/*.csv; ``make results``.

A table stands between two markers, and only what is between them is ever changed::

    <!-- results: crnn.emodb-loso.csv opensmile-svm*.emodb-loso.csv -->
    <!-- end of results -->

Between ``ablation:`` and the same end stands the table of one ablation. With ``--check`` nothing is
written, and the exit code is 1 when a table is out of date.
"""

import argparse
import re
import sys
from pathlib import Path

from serkit.evaluation.results import read_results, results_table

REPOSITORY = Path(__file__).resolve().parents[1]
BLOCK = re.compile(
    r"(?P<begin><!-- (?P<kind>results|ablation): (?P<patterns>[^\n]+?) -->\n)"
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


def table(kind: str, patterns: str, results: Path) -> str:
    """The tables of all files in ``results`` that match one of the patterns."""
    matching = [path for pattern in patterns.split() for path in sorted(results.glob(pattern))]
    paths = list(dict.fromkeys(matching))
    if not paths:
        return f"*No rows yet: nothing in results/ matches `{patterns}`.*"
    if kind == "ablation":
        return "\n\n".join(ablation_table(path) for path in paths)
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
