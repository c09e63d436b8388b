"""The five objectives of verify-to-classify on Emo-DB, five speaker pairs, one seed.

    python recipes/verify_to_classify_emodb_objectives.py [--corpus FOLDER] [--rows NAME,...]

Writes, for each objective, results/verify_to_classify.emodb-5pairs.<objective>.csv (the default
classifier), .verification.csv (both kinds of trials), .backends.csv (every classifier), and behind
them predictions/ and scores/; goes on where it was stopped. About four minutes a fold on one core
of a processor that computes in bfloat16.

The network is the small one. All objectives are trained alike; the epoch is the one with the
lowest equal error rate on development speakers.
"""

from serkit.experiment import Recipe, study
from serkit.trainer import Settings

NETWORK = {"size": "small", "augment": "vtlp+specaugment", "num_crops": 4}
"""Four crops of 3 s already overlap in recordings as short as these."""
TRAINING = Settings(
    epochs=50,
    patience=None,
    lr=3e-3,
    weight_decay=5e-5,
    clip=5.0,
    schedule="one_cycle",
    balance="none",
    score_every=10,
)
OBJECTIVES = (
    "softmax_angular_prototypical",
    "angular_prototypical",
    "softmax",
    "aam_softmax",
    "am_softmax",
)


def recipe() -> tuple[Recipe, ...]:
    """What decides the rows of each objective."""
    return tuple(
        Recipe(
            results=f"verify_to_classify.emodb-5pairs.{objective}",
            system="verify_to_classify",
            corpus="emodb",
            protocol="emodb-5pairs",
            system_settings={**NETWORK, "objective": objective},
            settings=TRAINING,
        )
        for objective in OBJECTIVES
    )


if __name__ == "__main__":
    study(__file__, *recipe())
