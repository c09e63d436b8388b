"""The three tables of EmoSphere-SER on EmoTale, six folds of three speakers.

    python recipes/emosphere_emotale_ablation.py [--corpus FOLDER] [--rows full,baseline]

Writes results/emosphere.emotale-6fold.ablation.csv (with a column ``row``) and its predictions;
goes on where it was stopped. As emosphere_emotale.py from scratch, but for 20 epochs in place of
30, so that a row takes about a quarter of an hour on one core.

components  full; without region loss, style pooling, cleaning; with one of them alone; without any
auxiliary   a constant weight, emotions in place of regions, regions without weights
angles      18 and 32 regions
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from emosphere_emotale import NETWORK, TRAINING

from serkit.experiment import Recipe, ablation

RESULTS = "emosphere.emotale-6fold.ablation"

EMOTIONS = ("anger", "boredom", "happiness", "neutral", "sadness")


def row(name: str, *, parts: str = "regions style clean", **settings: Any) -> Recipe:
    """The system with some of its parts, and some settings changed."""
    named = parts.split()
    chosen: dict[str, Any] = {
        "auxiliary": "region" if "regions" in named else "none",
        "pooling": "style" if "style" in named else "attentive_statistics",
    }
    return Recipe(
        results=f"{RESULTS}/{name}",
        system="emosphere",
        corpus="emotale",
        protocol="emotale-6fold",
        system_settings={**NETWORK, **chosen, **settings},
        settings=replace(TRAINING, epochs=20),
        clean="clean" in named,
    )


def recipe() -> Mapping[str, Recipe]:
    """Row to what it runs."""
    return {
        "full": row("full"),
        "baseline": row("baseline", parts=""),
        "full-regions": row("full-regions", parts="style clean"),
        "full-style": row("full-style", parts="regions clean"),
        "full-clean": row("full-clean", parts="regions style"),
        "+regions": row("+regions", parts="regions"),
        "+style": row("+style", parts="style"),
        "+clean": row("+clean", parts="clean"),
        "constant": row("constant", lambda_schedule="constant"),
        "emotion": row("emotion", auxiliary="emotion", emotions=EMOTIONS),
        "unweighted": row("unweighted", region_weights="none"),
        "18": row("18", regions=18),
        "32": row("32", regions=32),
    }


def against() -> dict[str, str]:
    """Row to the row it is compared with."""
    rows = dict.fromkeys(recipe(), "full")
    return {**rows, **{name: "baseline" for name in rows if name.startswith("+")}} | {
        "full": "baseline"
    }


if __name__ == "__main__":
    ablation(__file__, recipe(), results=RESULTS, against=against())
