"""An encoder from scratch that tells emotions apart, RAVDESS speech, six folds of four speakers.

    python recipes/encoder_classifier_ravdess.py [--corpus FOLDER] [--folds 1] [--seeds 0,1,2]

Writes results/encoder_classifier.ravdess-6fold.csv and its predictions; goes on where it was
stopped. Trained on all speakers outside the test fold for all of 40 epochs (refit "full"), which
were fixed beforehand. emosphere_emotale.py goes on with the encoder of fold 1. About
fifteen minutes a fold on one core of a processor that computes in bfloat16.
"""

from serkit.experiment import Recipe, study
from serkit.trainer import Settings


def recipe() -> Recipe:
    """What decides the rows."""
    return Recipe(
        results="encoder_classifier.ravdess-6fold",
        system="encoder_classifier",
        corpus="ravdess",
        protocol="ravdess-6fold",
        system_settings={"encoder": "cnn_blstm", "augment": "vtlp+specaugment"},
        settings=Settings(epochs=40, patience=None, lr=2e-3, schedule="one_cycle"),
        refit="full",
    )


if __name__ == "__main__":
    study(__file__, recipe())
