"""FaceNet on Emo-DB, one speaker left out at a time, seven emotions.

    python recipes/facenet_emodb.py [--corpus FOLDER] [--seeds 0,1,2] [--folds 03,08]

Writes results/facenet.emodb-loso.csv and its predictions; goes on where it was stopped. From
spectrograms; the network was trained before on those of RAVDESS (fold 1 of facenet_ravdess.py,
which must be run before: --folds 1 is enough). Trained on all speakers but the tested one for all
of 40 epochs (refit "full").
"""

from facenet_emodb_tables import FINE_TUNING, NETWORK, SOURCES

from serkit.experiment import Recipe, study


def recipe() -> Recipe:
    """What decides the rows."""
    return Recipe(
        results="facenet.emodb-loso",
        system="facenet",
        corpus="emodb",
        protocol="emodb-loso",
        system_settings={**NETWORK, "picture": "spectrogram"},
        settings=FINE_TUNING,
        refit="full",
        pretrained=SOURCES["spectrogram"],
        pretrained_by="recipes/facenet_ravdess.py --folds 1",
    )


if __name__ == "__main__":
    study(__file__, recipe())
