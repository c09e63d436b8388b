"""CRNN on RAVDESS, six folds of four actors, eight emotions.

    python recipes/crnn_ravdess.py [--corpus FOLDER] [--seeds 0,1,2] [--folds 1,2]

Writes results/crnn.ravdess-6fold.csv and its predictions; goes on where it was stopped.

As crnn_emodb.py, and the long silence before and after each sentence is left out (``trim``), which
halves the frames. What was tried, and on which development speakers, stands in
docs/systems/crnn.md.
"""

from dataclasses import replace

from crnn_emodb import STRONG

from serkit.experiment import Recipe, study


def recipe() -> Recipe:
    """What decides the rows."""
    return Recipe(
        results="crnn.ravdess-6fold",
        system="crnn",
        corpus="ravdess",
        protocol="ravdess-6fold",
        system_settings={"augment": "vtlp+specaugment", "trim": 30.0},
        settings=replace(STRONG, epochs=40),
        refit="full",
    )


if __name__ == "__main__":
    study(__file__, recipe())
