"""The shipped excerpt of Emo-DB: ten speakers, four emotions, real recordings (CC BY 4.0).

The recordings are in ``wav/``; ``ATTRIBUTION.md`` says whose they are and how they were chosen.
"""

from dataclasses import replace
from pathlib import Path

from serkit.corpus import emodb
from serkit.corpus.corpus import Corpus

ROOT = Path(__file__).parent
"""The folder that holds ``wav/``."""

PASSPORT = replace(
    emodb.PASSPORT,
    name="excerpt",
    title="the excerpt of Emo-DB that comes with serkit",
    licence="CC BY 4.0 (Emo-DB, Burkhardt et al. 2005, converted from WAV to FLAC)",
    obtain="it comes with serkit",
    num_utterances=119,
    emotions={"anger": 30, "happiness": 29, "neutral": 30, "sadness": 30},
    protocols=("excerpt-5pairs",),
    audb=None,
)


def read(root: Path = ROOT) -> Corpus:
    """Read the excerpt; no audio is decoded.

    Example:
        >>> len(read().utterances)
        119
    """
    return emodb.read(root, passport=PASSPORT)
