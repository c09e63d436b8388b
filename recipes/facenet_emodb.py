"""FaceNet on Emo-DB, one speaker left out at a time, seven emotions.

    python recipes/facenet_emodb.py [--corpus FOLDER] [--rows NAME,...] [--folds 03,08]

Writes a file for each row, and its predictions; goes on where it was stopped.

results/facenet.emodb-loso.csv          the small network, softmax and triplets
results/facenet.emodb-loso.default.csv  the full-width network, softmax; a GPU trains a fold in some
                                        minutes

Both see spectrograms of mel bins and were trained before on RAVDESS (fold 1 of facenet_ravdess.py,
of the same size, which must be run before). They go on learning on all speakers but the tested one
(refit "full"), the full-width one for all of 30 epochs, the small one for 20, fixed beforehand by
its time on a processor. The losses were chosen on the development speakers of
facenet_emodb_tables.py.
"""

from dataclasses import replace

from facenet_emodb_tables import FINE_TUNING_LR, SOURCES
from facenet_ravdess import TRAINING, network

from serkit.experiment import Recipe, study


def recipe() -> tuple[Recipe, ...]:
    """What decides the rows: the small network, and the full-width one."""
    small = Recipe(
        results="facenet.emodb-loso",
        system="facenet",
        corpus="emodb",
        protocol="emodb-loso",
        system_settings=network("mel", loss="softmax_triplet"),
        settings=replace(TRAINING, epochs=20, lr=FINE_TUNING_LR),
        refit="full",
        pretrained=SOURCES["mel"],
        pretrained_by="recipes/facenet_ravdess.py --rows facenet.ravdess-6fold.small --folds 1",
    )
    published = replace(
        small,
        results="facenet.emodb-loso.default",
        system_settings=network("mel", size="default"),
        settings=replace(small.settings, epochs=30),
        pretrained="facenet.ravdess-6fold/seed0/fold-1",
        pretrained_by="recipes/facenet_ravdess.py --rows facenet.ravdess-6fold --folds 1",
    )
    return small, published


if __name__ == "__main__":
    study(__file__, *recipe())
