"""Every figure in results/ again, from what is beside it and by other libraries than serkit."""

import csv
import gzip
from collections.abc import Mapping, Sequence
from pathlib import Path

import audmetric
import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score, recall_score, roc_curve

RESULTS = Path(__file__).resolve().parents[1] / "results"
FILES = sorted(path.stem for path in RESULTS.glob("*.csv"))
LAST_DIGIT = 5.01e-5  # of figures with four decimals
AFFECT = ("arousal", "valence", "dominance")

Rows = Sequence[Mapping[str, str]]


def read(path: Path) -> Rows:
    door = gzip.open if path.suffix == ".gz" else open
    with door(path, "rt", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def equal_error_rate(rows: Rows) -> float:
    targets = [row["is_target"] == "1" for row in rows]
    accepted, hit, _ = roc_curve(
        targets,
        [float(row["score"]) for row in rows],
        sample_weight=[float(row["weight"]) for row in rows],
        drop_intermediate=False,
    )
    miss = 1 - hit
    apart = miss - accepted  # falls from 1 to -1
    after = int(np.argmax(apart <= 1e-12))
    share = apart[after - 1] / (apart[after - 1] - apart[after])
    return miss[after - 1] + share * (miss[after] - miss[after - 1])


def again(rows: Rows) -> dict[str, float]:
    """What one seed's rows come to, by the names of the columns."""
    if "score" in rows[0]:
        return {"eer": equal_error_rate(rows)}
    if "emotion" not in rows[0]:
        octants = [
            [tuple(float(row[f"{side}{name}"]) >= 0.5 for name in AFFECT) for row in rows]
            for side in ("", "predicted_")
        ]
        names = sorted(set(octants[0]))
        truth, heard = ([str(octant) for octant in side] for side in octants)
        regions = {
            "region_accuracy": accuracy_score(truth, heard),
            "region_macro_f1": f1_score(
                truth, heard, labels=[str(name) for name in names], average="macro"
            ),
        }
        return regions | {
            f"ccc_{name}": audmetric.concordance_cc(
                [float(row[name]) for row in rows],
                [float(row[f"predicted_{name}"]) for row in rows],
            )
            for name in AFFECT
        }
    truth, heard = ([row[name] for row in rows] for name in ("emotion", "predicted"))
    emotions = sorted(set(truth))
    return {
        "uar": recall_score(truth, heard, labels=emotions, average="macro", zero_division=0),
        "war": accuracy_score(truth, heard),
        # also over emotions that were heard where nobody showed them
        "macro_f1": f1_score(truth, heard, average="macro", zero_division=0),
    }


def ensemble(rows: Rows) -> Rows:
    """One row per utterance: the emotion of the highest mean probability over seeds, or affect."""
    emotions = [name for name in rows[0] if name.startswith("probability_")]
    affect = [name for name in rows[0] if name in [f"predicted_{of}" for of in AFFECT]]
    files: dict[str, list[Mapping[str, str]]] = {}
    for row in rows:
        files.setdefault(row["file"], []).append(row)
    together: list[Mapping[str, str]] = []
    for of_file in files.values():
        means = {name: np.mean([float(row[name]) for row in of_file]) for name in emotions + affect}
        found = {name: str(means[name]) for name in affect}
        if emotions:
            found["predicted"] = max(emotions, key=means.__getitem__).removeprefix("probability_")
        together.append({**of_file[0], **found})
    return together


def grouped(rows: Rows, labels: Sequence[str]) -> dict[tuple[str, ...], list[Mapping[str, str]]]:
    """Rows by what their labels say."""
    groups: dict[tuple[str, ...], list[Mapping[str, str]]] = {}
    for row in rows:
        groups.setdefault(tuple(row[label] for label in labels), []).append(row)
    return groups


@pytest.mark.parametrize("name", FILES)
def test_every_row_can_be_computed_again_from_what_is_beside_it(name: str) -> None:
    rows = read(RESULTS / f"{name}.csv")
    tables: dict[str, Rows] = {}
    cells: dict[str, dict[tuple[str, ...], list[Mapping[str, str]]]] = {}
    for row in rows:
        source = f"predictions/{name}.csv.gz"
        if name.endswith(".verification"):
            source = f"scores/{name.removesuffix('.verification')}.{row['trials']}.csv.gz"
        if source not in tables:
            tables[source] = read(RESULTS / source)
        table = tables[source]
        # columns in front say which of several tables in one a line belongs to
        labels = list(table[0])[: list(table[0]).index("seed")]
        mine = [label for label in labels if label in row]
        seeds = {r["seed"] for r in rows if all(r[label] == row[label] for label in mine)}
        if source not in cells:
            cells[source] = grouped(table, mine)
        own = cells[source][tuple(row[label] for label in mine)]
        lines = [line for line in own if line["seed"] in seeds]
        of_seeds = {seed: [n for n in lines if n["seed"] == seed] for seed in seeds}
        if row["seed"].startswith("ensemble"):
            found = [again(ensemble(lines))]
        elif row["seed"] == "pooled":
            found = [again(part) for part in of_seeds.values() if part]
        else:
            found = [again(of_seeds[row["seed"]])]
        for figure in found[0]:
            other = row.get("row", "0").isdecimal() or row["seed"].startswith("ensemble")
            if figure.startswith("region") and other:
                continue  # not in this table, or of other regions than the octants
            mean = np.mean([figures[figure] for figures in found])
            assert float(row[figure]) == pytest.approx(float(mean), abs=LAST_DIGIT), (row, figure)
        if row.get("eer_enrolled"):
            source = f"scores/{name}.{row['row']}.enrolled.csv.gz"
            if source not in cells:
                cells[source] = grouped(read(RESULTS / source), ["train", "test"])
            trials = cells[source][row["train"], row["test"]]
            one = row["seed"] != "pooled"
            of = {trial["seed"] for trial in trials if not one or trial["seed"] == row["seed"]}
            rates = [equal_error_rate([t for t in trials if t["seed"] == seed]) for seed in of]
            assert float(row["eer_enrolled"]) == pytest.approx(np.mean(rates), abs=LAST_DIGIT), row
