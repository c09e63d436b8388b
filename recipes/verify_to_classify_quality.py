"""Verify-to-classify in good and bad recordings: Emo-DB, five speaker pairs, one seed.

    python recipes/verify_to_classify_quality.py [--corpus FOLDER] [--rows NAME,...]

Trains in hq, in lq (a room, then white noise), and in both; tests in each of these, over a range
of noise, on the telephone and in rooms. Writes results/verify_to_classify.emodb-5pairs.quality.csv,
its predictions and the scores of its enrolled trials; goes on where it was stopped. About four
minutes a fold on one core of a processor that computes in bfloat16; the tests of all folds of a row
take about as long as one fold again.

verify_to_classify  the system with its default objective; trained in hq it is the row of
                    verify_to_classify_emodb_objectives.py, which should be run before
end_to_end          the same network with a softmax that assigns the emotions itself
opensmile_lda       functionals and linear discriminants (extra serkit[opensmile])

Trained in lq or both, a model also chose its epoch and its classifier in that quality.
"""

from collections.abc import Mapping
from dataclasses import replace

from verify_to_classify_emodb_objectives import NETWORK, TRAINING

from serkit.experiment import Recipe, quality_study

RESULTS = "verify_to_classify.emodb-5pairs.quality"
TESTED_IN = (
    *("hq", "lq"),
    *("noise:white:20", "noise:white:10", "noise:white:0"),
    "telephone",
    *("reverb:0.3", "reverb:0.6", "reverb:0.9"),
)
OBJECTIVE = "softmax_angular_prototypical"


SYSTEMS: Mapping[str, Recipe] = {
    "verify_to_classify": Recipe(
        results=f"verify_to_classify.emodb-5pairs.{OBJECTIVE}",
        system="verify_to_classify",
        corpus="emodb",
        protocol="emodb-5pairs",
        system_settings={**NETWORK, "objective": OBJECTIVE},
        settings=TRAINING,
    ),
    "end_to_end": Recipe(
        results=f"{RESULTS}/end_to_end.hq",
        system="verify_to_classify",
        corpus="emodb",
        protocol="emodb-5pairs",
        system_settings={**NETWORK, "objective": "softmax", "classifier": "network"},
        settings=TRAINING,
    ),
    "opensmile_lda": Recipe(
        results=f"{RESULTS}/opensmile_lda.hq",
        system="opensmile_lda",
        corpus="emodb",
        protocol="emodb-5pairs",
        refit="full",
    ),
}
"""As they are trained in hq."""


def recipe() -> Mapping[str, Recipe]:
    """Row to what is trained; the quality stands behind the system."""
    rows = {f"{name}.hq": trained for name, trained in SYSTEMS.items()}
    for name, trained in SYSTEMS.items():
        for quality, tested in (("lq", "lq"), ("both", "hq")):
            rows[f"{name}.{quality}"] = replace(
                trained,
                results=f"{RESULTS}/{name}.{quality}",
                train_quality=quality,
                test_quality=tested,
            )
    return rows


if __name__ == "__main__":
    quality_study(__file__, recipe(), TESTED_IN, results=RESULTS)
