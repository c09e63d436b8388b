"""Ablation of the CRNN on Emo-DB, five speaker pairs: the ten rows of its first table.

    python recipes/crnn_emodb_ablation.py [--corpus FOLDER] [--rows baseline,full] [--folds P1]

Writes results/crnn.emodb-5pairs.ablation.csv (with a column ``row``) and its predictions; goes on
where it was stopped. The network is the small one. Every row keeps the best development epoch.

A  kernels of several widths side by side          instead of one
B  last, mean and maximum of the BLSTM's outputs   instead of the last one
C  log-mel with first and second differences       instead of log-mel alone
D  whole utterances, class weights, vocal-tract    instead of 3 s segments, no weights,
   perturbation, halving of the learning rate      no perturbation, a constant rate
"""

from collections.abc import Mapping
from typing import Any

from serkit.experiment import Recipe, ablation
from serkit.trainer import Settings

RESULTS = "crnn.emodb-5pairs.ablation"

BASELINE: dict[str, Any] = {
    "size": "small",
    "convolution": "single",
    "summary": "last",
    "planes": "static",
    "unit": "segments",
    "augment": "none",
}
PARTS: dict[str, dict[str, Any]] = {
    "A": {"convolution": "multi"},
    "B": {"summary": "concat"},
    "C": {"planes": "deltas"},
    "D": {"unit": "utterance", "augment": "vtlp"},
}
TRAINING = {
    False: Settings(balance="none", schedule="constant"),
    True: Settings(balance="weights", schedule="plateau"),
}
"""How rows without and with D are trained: the parts of D that are the trainer's."""


def row(name: str, parts: str) -> Recipe:
    """The baseline with some of its parts exchanged for the proposed ones."""
    system_settings = dict(BASELINE)
    for part in parts:
        system_settings |= PARTS[part]
    return Recipe(
        results=f"{RESULTS}/{name}",
        system="crnn",
        corpus="emodb",
        protocol="emodb-5pairs",
        system_settings=system_settings,
        settings=TRAINING["D" in parts],
    )


def recipe() -> Mapping[str, Recipe]:
    """Row to what it runs."""
    parts = {
        "baseline": "",
        **{f"+{part}": part for part in PARTS},
        "full": "".join(PARTS),
        **{f"full-{part}": "".join(p for p in PARTS if p != part) for part in PARTS},
    }
    return {name: row(name, chosen) for name, chosen in parts.items()}


def against() -> dict[str, str]:
    """Row to the row it is compared with."""
    return {
        **{f"+{part}": "baseline" for part in PARTS},
        "full": "baseline",
        **{f"full-{part}": "full" for part in PARTS},
    }


if __name__ == "__main__":
    ablation(__file__, recipe(), results=RESULTS, against=against())
