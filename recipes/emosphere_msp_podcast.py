"""EmoSphere-SER on MSP-Podcast as published: WavLM-large, fine-tuned, and the paper's three tables.

    python recipes/emosphere_msp_podcast.py --corpus FOLDER [--rows proposed] [--seeds 7,0,1]

Writes results/emosphere.msp-emosphere.csv (with a column ``row``) and its predictions; goes on
where it was stopped. Needs MSP-Podcast (by agreement with its owners), the extra serkit[ssl], the
weights ``microsoft/wavlm-large`` (from the hub or its cache; where it has only pickled ones,
convert them once as docs/guide/encoders.md says and name the folder in ENCODER), 60 GB of memory
for the waveforms, and a GPU: the paper speaks of about a day for a row on one with 48 GB. Nobody
has run it here yet; a test builds every piece of it from a configuration and trains ten steps on
generated sound.

Figures are on the part of the development set that the paper tests on, not on the official test
sets; the paper does not say by which 300 utterances of each category it chose. Utterances that
raters hear no one emotion in ("X") are tested in every row, so that rows can be compared; the
paper leaves them out of its test.
"""

from collections.abc import Mapping
from typing import Any

from serkit.experiment import Recipe, ablation
from serkit.trainer import Settings

RESULTS = "emosphere.msp-emosphere"

ENCODER = "microsoft/wavlm-large"

PROPOSED: dict[str, Any] = {"encoder": ENCODER, "checkpointing": True, "windows": False}
"""The rest are defaults: octants, style pooling, a weight that falls over a quarter of epochs."""

CATEGORIES = (
    *("anger", "contempt", "disgust", "fear"),
    *("happiness", "neutral", "sadness", "surprise"),
)

TRAINING = Settings(
    epochs=20,
    patience=None,
    batch=32,
    micro_batch=16,
    lr=1e-5,
    weight_decay=0.01,
    clip=0.0,
    schedule="constant",
    balance="none",
)


def row(name: str, *, clean: bool = True, **settings: Any) -> Recipe:
    """The published system with some settings changed."""
    return Recipe(
        results=f"{RESULTS}/{name}",
        system="emosphere",
        corpus="msp-podcast",
        protocol="msp-emosphere-with-x",
        system_settings={**PROPOSED, **settings},
        settings=TRAINING,
        seeds=(7, 0, 1),
        clean=clean,
    )


def recipe() -> Mapping[str, Recipe]:
    """Row to what it runs: table 1 of the paper, table 2, table 3."""
    attentive: dict[str, Any] = {"pooling": "attentive_statistics"}
    return {
        "proposed": row("proposed"),
        "not-clean": row("not-clean", clean=False),
        "attentive-not-clean": row("attentive-not-clean", clean=False, **attentive),
        "baseline": row("baseline", clean=False, auxiliary="none", **attentive),
        "constant": row("constant", lambda_schedule="constant"),
        "emotion": row("emotion", auxiliary="emotion", emotions=CATEGORIES),
        "unweighted": row("unweighted", region_weights="none"),
        "18": row("18", regions=18),
        "32": row("32", regions=32),
    }


def against() -> dict[str, str]:
    """Row to the row it is compared with."""
    return {name: "baseline" if name == "proposed" else "proposed" for name in recipe()} | {
        "baseline": "proposed"
    }


if __name__ == "__main__":
    ablation(__file__, recipe(), results=RESULTS, against=against())
