"""Write the tables of README.md and docs/ from results/*.csv; ``make results``.

A table stands between two markers, and only what is between them is ever changed::

    <!-- results: crnn.emodb-loso.csv opensmile-svm*.emodb-loso.csv -->
    <!-- end of results -->

With ``--check`` nothing is written, and the exit code is 1 when a table is out of date.
"""

import argparse
import re
import sys
from pathlib import Path

from serkit.evaluation.report import results_table

REPOSITORY = Path(__file__).resolve().parents[1]
BLOCK = re.compile(
    r"(?P<begin><!-- results: (?P<patterns>[^\n]+?) -->\n)(?P<table>.*?)(?P<end><!-- end of results -->)",
    re.DOTALL,
)


def table(patterns: str, results: Path) -> str:
    """The table of all files in ``results`` that match one of the patterns, in their order."""
    paths = [path for pattern in patterns.split() for path in sorted(results.glob(pattern))]
    if not paths:
        return f"*No rows yet: nothing in results/ matches {patterns}.*"
    return results_table(list(dict.fromkeys(paths))).strip()


def updated(text: str, results: Path) -> str:
    """The text of a page with every table written anew."""
    return BLOCK.sub(
        lambda block: f"{block['begin']}\n{table(block['patterns'], results)}\n\n{block['end']}",
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
