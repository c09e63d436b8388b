"""Speech emotion recognition whose numbers can be trusted.

Example:
    >>> import serkit
    >>> rating = serkit.Rating(rater="crnn", emotion={"anger": 0.7, "neutral": 0.3})
    >>> rating.top
    'anger'
"""

import os
from typing import TYPE_CHECKING, Any

# Idle OpenMP threads that spin make a shared machine crawl; torch, which is imported later, reads
# this once.
_ = os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

if TYPE_CHECKING:
    from serkit.corpus.utterance import Rating, Utterance
    from serkit.predictor import load

    __version__: str

__all__ = ["Rating", "Utterance", "__version__", "load"]

_HOMES = {
    "Rating": "serkit.corpus.utterance",
    "Utterance": "serkit.corpus.utterance",
    "load": "serkit.predictor",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for: ``import serkit`` costs nothing."""
    from importlib import import_module, metadata

    if name == "__version__":
        return metadata.version("serkit")
    if name not in _HOMES:
        raise AttributeError(f"module 'serkit' has no {name!r}; it has {', '.join(__all__)}")
    return getattr(import_module(_HOMES[name]), name)
