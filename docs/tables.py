"""Write the tables of README.md and docs/ from results/*.csv; ``make results``.

A table stands between two markers, and only what is between them is ever changed::

    <!-- results: crnn.emodb-loso.csv opensmile-svm*.emodb-loso.csv -->
    <!-- end of results -->

The word before the colon says which table:

- ``results``   emotions: a line for each recipe
- ``affect``    the same of arousal, valence and dominance
- ``ablation``  one ablation
- ``cross``     a matrix over corpora for each system
- ``verification``  error rates of trials, from ``*.verification.csv``
- ``backends``  classifiers on the same embeddings, from ``*.backends.csv``
- ``stages``    error rates and classifiers side by side, from ``*.verification.csv`` and the files
  of the same name: a line for each study
- ``quality``   trained in one condition, tested in another, from ``*.quality.csv``
- ``figures``   a file as it is, such as those of ``results/shipped/``

With ``--check`` nothing is written, and the exit code is 1 when a table is out of date.
"""

import argparse
import json
import re
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from serkit.evaluation import (
    affect_results_table,
    marked,
    read_results,
    results_table,
    verification_results_table,
)
from serkit.evaluation.results import from_one, markdown, spread

REPOSITORY = Path(__file__).resolve().parents[1]
BLOCK = re.compile(
    r"(?P<begin><!-- (?P<kind>[a-z]+): (?P<patterns>[^\n]+?) -->\n)"
    r".*?(?P<end><!-- end of results -->)",
    re.DOTALL,
)
VERIFICATION, BACKENDS = ".verification.csv", ".backends.csv"


def ablation_table(path: Path) -> str:
    """The pooled rows of an ablation, each with its distance from the row it is compared with."""
    rows = [row for row in read_results(path) if row["seed"] == "pooled"]
    is_affect = bool(rows) and "ccc_mean" in rows[0]
    main, name = ("ccc", "mean CCC") if is_affect else ("uar", "UAR")
    figures = AFFECT_FIGURES if is_affect else EMOTION_FIGURES
    heads = ["row", name, "95 % over speakers", *figures.values(), "parameters"]
    heads += ["minutes per fold", f"difference of {name}"]
    lines = [f"| {' | '.join(heads)} |", "|" + "---|" * len(heads)]
    for row in rows:
        low, high = row[f"{main}_low"], row[f"{main}_high"]
        headline = "ccc_mean" if is_affect else "uar"
        difference = ""
        if row["difference"]:
            difference = f"{float(row['difference']):+.3f}"
            if row["difference_low"] and row["difference_high"]:
                ends = (float(row["difference_low"]), float(row["difference_high"]))
                difference += f" ({ends[0]:+.3f} to {ends[1]:+.3f})"
            difference += f" to {row['against']}"
        cells = [
            row["row"],
            f"{float(row[headline]):.3f}{spread(row, headline)}",
            f"{float(low):.3f} to {float(high):.3f}" if low and high else "no interval",
            *(_figure(row, figure) for figure in figures),
            f"{int(row['parameters']):,}",
            row["minutes_per_fold"],
            difference,
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


EMOTION_FIGURES = {
    "uar_fold_mean": "UAR, mean over folds",
    "war": "WAR",
    "macro_f1": "macro F1",
    "mmac_per_second": "MMAC/s",
}
AFFECT_FIGURES = {
    **{f"ccc_{name}": f"CCC {name}" for name in ("arousal", "valence", "dominance")},
    "region_macro_f1": "regions: macro F1",
    "region_accuracy": "regions: accuracy",
}
"""Columns of an ablation's results that its table shows, and what they are called there."""


def _figure(row: Mapping[str, str], name: str) -> str:
    return row[name] if name == "mmac_per_second" else f"{float(row[name]):.3f}"


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
            row = [
                _cell(cells[train, test][0]) if (train, test) in cells else "-" for test in corpora
            ]
            lines.append(f"| {train} | {' | '.join(row)} |")
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
    """UAR; of one corpus, on unheard speakers, in bold."""
    figure = shown(row, "uar")
    if row["train"] != row["test"]:
        return figure
    value, interval, rest = figure.partition(" [")
    return f"**{value}**{interval}{rest}"


def backends_table(paths: Sequence[Path]) -> str:
    """What each classifier makes of the same embeddings, a table for each study."""
    parts: list[str] = []
    for path in paths:
        rows = read_results(path)
        pooled = [row for row in rows if row["seed"] == "pooled"]
        first = pooled[0]
        num_seeds = len({row["seed"] for row in rows if row["seed"].isdecimal()})
        title = f"### {first['corpus']}, {first['protocol']}: classifiers of {named(path, first)}"
        head = ("classifier", "seeds", "UAR", "accuracy", "macro precision", "macro F1")
        lines = [
            (row["backend"], str(num_seeds), shown(row, "uar"), *of_classifier(row))
            for row in pooled
        ]
        parts.append("\n".join([title + from_one([num_seeds]), "", *markdown(head, lines)]))
    return "\n\n".join(parts)


def stages_table(paths: Sequence[Path]) -> str:
    """Both stages of each study in a line: error rates, then two classifiers.

    The rate on the development side is the mean over folds of the epochs that were kept, from
    ``folds/*.json``: it is what objectives are chosen by.
    """
    head = (
        "study", "seeds", "EER on development", "EER enrolled", "EER pairwise",
        "every pair alike", "min DCF 0.05, enrolled", "svm_rbf: UAR",
        "accuracy", "macro precision", "macro F1", "mlp: UAR", "accuracy",
        "macro precision", "macro F1", "folds not accepted",
    )  # fmt: skip
    tables: dict[tuple[str, str, str], list[tuple[tuple[str, ...], int]]] = {}
    for path in paths:
        rows = read_results(path)
        seeds = {row["seed"] for row in rows if row["seed"].isdecimal()}
        trials = {row["trials"]: row for row in rows if row["seed"] == "pooled"}
        enrolled, pairs = trials["enrolled"], trials.get("pairwise", {})
        beside = path.with_name(path.name.removesuffix(VERIFICATION) + BACKENDS)
        machines = {
            row["backend"]: row
            for row in (read_results(beside) if beside.is_file() else ())
            if row["seed"] == "pooled"
        }
        cells = [
            named(path, enrolled), str(len(seeds)), on_development(path, seeds),
            shown(enrolled, "eer"), shown(pairs, "eer"), number(pairs.get("unweighted_eer", "")),
            number(enrolled["min_dcf_0.05"]),
        ]  # fmt: skip
        for kind in ("svm_rbf", "mlp"):
            machine = machines.get(kind, {})
            cells += [shown(machine, "uar"), *of_classifier(machine)]
        cells.append(enrolled.get("not_accepted", "") or "none")
        key = (enrolled["corpus"], enrolled["protocol"], enrolled["split"])
        tables.setdefault(key, []).append((tuple(cells), len(seeds)))
    parts: list[str] = []
    for (corpus, protocol, split), found in tables.items():
        title = f"### {corpus}, {protocol}, split {split}: both stages"
        title += from_one([num_seeds for _, num_seeds in found])
        parts.append("\n".join([title, "", *markdown(head, [cells for cells, _ in found])]))
    return "\n\n".join(parts)


def on_development(path: Path, seeds: set[str]) -> str:
    """Mean over folds of the EER by which epochs were kept; ``-`` where none was chosen."""
    name = path.name.removesuffix(VERIFICATION)
    kept = path.parent / "folds" / f"{name}.json"
    if not kept.is_file():
        return "-"
    records = [fold["record"] for fold in json.loads(kept.read_text(encoding="utf-8"))["folds"]]
    rates = [
        record["development"]["eer"]
        for record in records
        if str(record["seed"]) in seeds and "eer" in record["development"]
    ]
    return marked(statistics.fmean(rates)) if rates else "-"


def quality_tables(path: Path) -> str:
    """What is lost between the conditions of training and of test, then every condition of test.

    Columns beside those of results: ``row``, ``train``, ``test``, and with ``_low`` and ``_high``
    ``eer_enrolled``, ``eer_pairwise``, ``loss_as_trained`` and ``loss_as_tested``; see
    ``serkit.experiment.quality_study``.
    """
    rows = read_results(path)
    pooled = [row for row in rows if row["seed"] == "pooled"]
    num_seeds = len({row["seed"] for row in rows if row["seed"].isdecimal()})
    title = f"### {pooled[0]['corpus']}, {pooled[0]['protocol']}: quality of the recordings"
    crossed = (
        "trained", "tested on", "EER enrolled", "EER pairwise", "UAR", "accuracy",
        "macro precision", "macro F1", "UAR below tested as trained",
        "UAR below trained as tested",
    )  # fmt: skip
    trained = {row["train"] for row in pooled}
    matrix = [
        (
            row["row"], row["test"], shown(row, "eer_enrolled"), shown(row, "eer_pairwise"),
            shown(row, "uar"), *of_classifier(row), shown(row, "loss_as_trained"),
            shown(row, "loss_as_tested"),
        )
        for row in pooled if row["test"] in trained
    ]  # fmt: skip
    cells = {(row["row"], row["test"]): row for row in pooled}
    tested = list(dict.fromkeys(test for _, test in cells))
    every = [
        (name, words, *(number(cells.get((name, test), {}).get(figure, "")) for test in tested))
        for name in dict.fromkeys(name for name, _ in cells)
        for words, figure in (("UAR", "uar"), ("EER enrolled", "eer_enrolled"))
    ]
    head = ("trained", "figure", *(f"on {test}" for test in tested))
    return "\n".join(
        [title + from_one([num_seeds]), "", *markdown(crossed, matrix), "", *markdown(head, every)]
    )


def figures_table(path: Path) -> str:
    """All rows and columns as they stand in the file."""
    rows = read_results(path)
    return "\n".join(markdown([*rows[0]], [[*row.values()] for row in rows]))


def named(path: Path, row: Mapping[str, str]) -> str:
    """What stands behind the protocol in the name of a file, else the system."""
    name = path.name.removesuffix(VERIFICATION).removesuffix(BACKENDS)
    return name.partition(row["protocol"])[2].lstrip(".") or row["system"]


def of_classifier(row: Mapping[str, str]) -> tuple[str, ...]:
    """Accuracy, macro precision, macro F1."""
    return tuple(number(row.get(name, "")) for name in ("war", "macro_precision", "macro_f1"))


def shown(row: Mapping[str, str], name: str) -> str:
    """``0.512 ± 0.010 [0.451, 0.570]``; ``-`` where there is no figure."""
    if not row.get(name):
        return "-"
    figure = marked(float(row[name]), row.get("absent", "").split() if name == "uar" else ())
    figure += spread(row, name)
    low, high = row.get(f"{name}_low"), row.get(f"{name}_high")
    return f"{figure} [{float(low):.3f}, {float(high):.3f}]" if low and high else figure


def number(text: str) -> str:
    """A figure alone."""
    return marked(float(text)) if text else "-"


def each(of_one: Callable[[Path], str]) -> Callable[[Sequence[Path]], str]:
    """A table for each file, one below the other."""
    return lambda paths: "\n\n".join(of_one(path) for path in paths)


TABLES: dict[str, Callable[[Sequence[Path]], str]] = {
    "results": results_table,
    "affect": affect_results_table,
    "ablation": each(ablation_table),
    "cross": each(cross_matrices),
    "verification": verification_results_table,
    "backends": backends_table,
    "stages": stages_table,
    "quality": each(quality_tables),
    "figures": each(figures_table),
}


def table(kind: str, patterns: str, results: Path) -> str:
    """The tables of all files in ``results`` that match one of the patterns.

    Of several patterns those that nothing matches are named: so much is not finished.
    """
    if kind not in TABLES:
        raise ValueError(f"a block of {kind!r}: there are {', '.join(TABLES)}")
    matching = {pattern: sorted(results.glob(pattern)) for pattern in patterns.split()}
    paths = list(dict.fromkeys(path for found in matching.values() for path in found))
    if not paths:
        return f"*No rows yet: nothing in results/ matches `{patterns}`.*"
    missing = [f"`{pattern}`" for pattern, found in matching.items() if not found]
    note = f"\n\n*No rows yet: {', '.join(missing)}.*" if missing else ""
    return TABLES[kind](paths).strip() + note


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
