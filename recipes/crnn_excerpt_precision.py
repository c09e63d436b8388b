"""Does training in bfloat16 cost accuracy? The small CRNN on the shipped excerpt, three seeds each.

    python recipes/crnn_excerpt_precision.py [--rows float32] [--seeds 0,1,2]

Writes results/crnn.excerpt-5pairs.precision.ablation.csv (with a column ``row``) and its
predictions; goes on where it was stopped. Both rows see the same utterances in the same order with
the same draws; only the precision of the network's arithmetic differs. Needs no corpus beside the
shipped one, and some twenty minutes on one core that computes in bfloat16.
"""

from collections.abc import Mapping
from typing import Literal

from serkit.experiment import Recipe, ablation
from serkit.trainer import Settings

RESULTS = "crnn.excerpt-5pairs.precision.ablation"


def row(precision: Literal["float32", "bfloat16"]) -> Recipe:
    """The settings of ``serkit demo``, in one precision or the other."""
    return Recipe(
        results=f"{RESULTS}/{precision}",
        system="crnn",
        corpus="excerpt",
        protocol="excerpt-5pairs",
        system_settings={"size": "small"},
        settings=Settings(
            epochs=24, schedule="one_cycle", batch=16, patience=None, precision=precision
        ),
        seeds=(0, 1, 2),
    )


def recipe() -> Mapping[str, Recipe]:
    """Row to what it runs."""
    return {"float32": row("float32"), "bfloat16": row("bfloat16")}


if __name__ == "__main__":
    ablation(__file__, recipe(), results=RESULTS, against={"bfloat16": "float32"})
