"""Late fusion of FaceNet's two pictures: the mean of their posteriors. Not in the paper.

    python recipes/facenet_fusion.py

No audio and no training: it reads what facenet_emodb_tables.py wrote. Both parts weigh the same;
nothing is chosen. Writes results/facenet.emodb-5pairs.fusion.csv (a column ``row``: from nothing,
and pre-trained) and its predictions; rows whose parts are not finished are named and left out.
"""

from collections.abc import Mapping

from facenet_emodb_tables import RESULTS as TABLE

from serkit.experiment import fusion

PAIRS = (
    ("spectrogram", "waveform"),
    ("mel", "waveform"),
    ("mel-from-mel", "waveform-from-waveform"),
)
"""Rows of facenet_emodb_tables.py."""


def recipe() -> Mapping[str, tuple[str, ...]]:
    """Name of the results to those they are made of."""
    return {
        f"facenet.emodb-5pairs.fusion/{'+'.join(pair)}": tuple(f"{TABLE}/{row}" for row in pair)
        for pair in PAIRS
    }


if __name__ == "__main__":
    fusion(__file__, recipe(), note="not in the paper")
