"""FaceNet on Emo-DB, one speaker left out at a time, seven emotions.

    python recipes/facenet_emodb.py [--corpus FOLDER] [--folds 03,08] [--seeds 0,1,2]

Writes results/facenet.emodb-loso.csv and its predictions; goes on where it was stopped. A GPU
trains a fold in some minutes.

The published network, which sees spectrograms of mel bins. It was trained before on RAVDESS (fold 1
of facenet_ravdess.py, which must be run before: --rows facenet.ravdess-6fold --folds 1 is enough),
and goes on learning, on all speakers but the tested one, for all of 30 epochs (refit "full"). Size
and loss were chosen on the development speakers of facenet_emodb_tables.py.
"""

from dataclasses import replace

from facenet_emodb_tables import FINE_TUNING_LR
from facenet_ravdess import TRAINING, network

from serkit.experiment import Recipe, study

LOSS = "softmax"


def recipe() -> Recipe:
    """What decides the rows."""
    return Recipe(
        results="facenet.emodb-loso",
        system="facenet",
        corpus="emodb",
        protocol="emodb-loso",
        system_settings=network("mel", size="default", loss=LOSS),
        settings=replace(TRAINING, lr=FINE_TUNING_LR),
        refit="full",
        pretrained="facenet.ravdess-6fold/seed0/fold-1",
        pretrained_by="recipes/facenet_ravdess.py --rows facenet.ravdess-6fold --folds 1",
    )


if __name__ == "__main__":
    study(__file__, recipe())
