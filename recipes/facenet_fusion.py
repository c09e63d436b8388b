"""Late fusion of FaceNet's two pictures: the mean of their posteriors. Not in the paper.

    python recipes/facenet_fusion.py

No audio and no training: it reads what facenet_emodb_tables.py, facenet_emodb.py and
facenet_ravdess.py wrote. Both parts weigh the same; nothing is chosen. Writes three files and their
predictions; those whose parts are not finished are named and left out.

results/facenet.emodb-5pairs.fusion.csv   from nothing, and pre-trained (a column ``row``)
results/facenet.emodb-loso.fusion.csv
results/facenet.ravdess-6fold.fusion.csv
"""

from collections.abc import Mapping

from facenet_emodb import RESULTS as EMODB
from facenet_emodb_tables import RESULTS as TABLE
from facenet_ravdess import recipe as ravdess

from serkit.experiment import fusion

PAIRS = (
    ("spectrogram", "waveform"),
    ("mel", "waveform"),
    ("mel-from-mel", "waveform-from-waveform"),
)
"""Rows of facenet_emodb_tables.py."""


def recipe() -> Mapping[str, tuple[str, ...]]:
    """Name of the results to those they are made of."""
    pairs = {
        f"facenet.emodb-5pairs.fusion/{'+'.join(pair)}": tuple(f"{TABLE}/{row}" for row in pair)
        for pair in PAIRS
    }
    return {
        **pairs,
        "facenet.emodb-loso.fusion": tuple(EMODB.values()),
        "facenet.ravdess-6fold.fusion": tuple(part.results for part in ravdess()),
    }


if __name__ == "__main__":
    fusion(__file__, recipe(), note="not in the paper")
