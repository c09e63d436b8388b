"""FaceNet on Emo-DB at random: what a split flatters that shares speakers and sentences.

    python recipes/facenet_emodb_random.py [--corpus FOLDER] [--folds 1,2]

The row ``mel`` of facenet_emodb_tables.py, but takes are dealt to five folds whoever
speaks. The number is speaker-dependent and text-dependent, is labelled so, and is comparable with
no other one here. Writes results/facenet.emodb-random5.csv and its predictions; goes on where it
was stopped.
"""

from dataclasses import replace

from facenet_emodb_tables import row

from serkit.experiment import Recipe, study


def recipe() -> Recipe:
    """What decides the rows."""
    return replace(
        row("random"),
        results="facenet.emodb-random5",
        protocol="emodb-random5",
    )


if __name__ == "__main__":
    study(__file__, recipe())
