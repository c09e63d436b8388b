"""FaceNet on RAVDESS speech, six folds of four actors, eight emotions, from either picture.

    python recipes/facenet_ravdess.py [--corpus FOLDER] [--rows NAME,...] [--folds 1]

Writes two files and their predictions; goes on where it was stopped.

results/facenet.ravdess-6fold.csv            from spectrograms of mel bins
results/facenet.ravdess-6fold.waveform.csv   from waveform diagrams

Fold 1 of each (--folds 1 is enough) is what facenet_emodb_tables.py begins from. The long silence
before and after each sentence is left out (``trim``), since its windows say nothing. Trained on all
speakers outside the test fold (refit "full") for all of 15 epochs, which were fixed beforehand: in
each of them a sentence comes twice, so that they are three times as many steps as on Emo-DB.

One cycle, averaged weights, smoothed labels, perturbed pictures and mel bins were chosen on
development speakers of emodb-5pairs; docs/systems/facenet.md has what was tried.
"""

from dataclasses import replace
from typing import Any

from serkit.experiment import Recipe, study
from serkit.systems.facenet import FaceNet
from serkit.trainer import Settings

PICTURES: dict[str, dict[str, Any]] = {
    "spectrogram": {"picture": "spectrogram", "augment": "vtlp+specaugment"},
    "mel": {"picture": "spectrogram", "mel": True, "augment": "specaugment"},
    "waveform": {"picture": "waveform", "augment": "specaugment"},
}
"""Name of a picture, in rows, to how it is drawn, and perturbed in training."""

TRAINING = replace(
    Settings(**FaceNet.settings),
    epochs=30,
    patience=None,
    lr=2e-3,
    schedule="one_cycle",
    average=0.99,
    label_smoothing=0.1,
)


def network(picture: str, **switches: Any) -> dict[str, Any]:
    """The small one, which sees one of the pictures."""
    return {"size": "small", **PICTURES[picture], **switches}


def recipe() -> tuple[Recipe, ...]:
    """What decides the rows, from mel spectrograms and from waveform diagrams."""
    mel = Recipe(
        results="facenet.ravdess-6fold",
        system="facenet",
        corpus="ravdess",
        protocol="ravdess-6fold",
        system_settings=network("mel", trim=30.0),
        settings=replace(TRAINING, epochs=15),
        refit="full",
    )
    waveform = replace(
        mel,
        results="facenet.ravdess-6fold.waveform",
        system_settings=network("waveform", trim=30.0),
    )
    return mel, waveform


if __name__ == "__main__":
    study(__file__, *recipe())
