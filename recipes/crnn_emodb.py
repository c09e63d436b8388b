"""CRNN on Emo-DB, one speaker left out at a time, seven emotions.

    python recipes/crnn_emodb.py [--corpus FOLDER] [--seeds 0,1,2] [--folds 03,08]

Writes results/crnn.emodb-loso.csv and its predictions; goes on where it was stopped. About ten
minutes a fold on one core of a processor that computes in bfloat16.

The network is the default of docs/systems/crnn.md (its switches A to D all "proposed", and
SpecAugment besides); the training is longer and more strongly regularised than the published kind:
one cycle of the learning rate, mixed utterances, smoothed labels, averaged weights. What was
tried, and on which development speakers, stands in docs/systems/crnn.md.
"""

from serkit.experiment import Recipe, study
from serkit.trainer import Settings

STRONG = Settings(
    epochs=60,
    batch=16,
    lr=2e-3,
    weight_decay=1e-4,
    schedule="one_cycle",
    mixup=0.3,
    label_smoothing=0.1,
    average=0.99,
)


def recipe() -> Recipe:
    """What decides the rows."""
    return Recipe(
        results="crnn.emodb-loso",
        system="crnn",
        corpus="emodb",
        protocol="emodb-loso",
        system_settings={"augment": "vtlp+specaugment"},
        settings=STRONG,
        refit="full",
    )


if __name__ == "__main__":
    study(__file__, recipe())
