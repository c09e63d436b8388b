"""FaceNet on Emo-DB, one speaker left out at a time, seven emotions, from either picture.

    python recipes/facenet_emodb.py [--corpus FOLDER] [--rows NAME,...] [--seeds 0,1,2]

Writes two files and their predictions; goes on where it was stopped.

results/facenet.emodb-loso.csv            from spectrograms of mel bins
results/facenet.emodb-loso.waveform.csv   from waveform diagrams

The network was trained before on the same picture of RAVDESS (fold 1 of facenet_ravdess.py, which
must be run before: --folds 1 is enough), and goes on learning. Trained on all speakers but the
tested one for all of 30 epochs (refit "full").
"""

from dataclasses import replace

from facenet_emodb_tables import FINE_TUNING_LR, SOURCES
from facenet_ravdess import TRAINING, network

from serkit.experiment import Recipe, study

RESULTS = {"mel": "facenet.emodb-loso", "waveform": "facenet.emodb-loso.waveform"}


def recipe() -> tuple[Recipe, ...]:
    """What decides the rows, from mel spectrograms and from waveform diagrams."""
    return tuple(
        Recipe(
            results=results,
            system="facenet",
            corpus="emodb",
            protocol="emodb-loso",
            system_settings=network(picture),
            settings=replace(TRAINING, lr=FINE_TUNING_LR),
            refit="full",
            pretrained=SOURCES[picture],
            pretrained_by="recipes/facenet_ravdess.py --folds 1",
        )
        for picture, results in RESULTS.items()
    )


if __name__ == "__main__":
    study(__file__, *recipe())
