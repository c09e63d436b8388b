"""A trained system, ready to listen."""

from serkit.predictor.predictor import (
    FailedRatingError,
    ModelError,
    Outcome,
    Predictor,
    SilentAudioError,
    TooShortError,
    load,
)

__all__ = [
    "FailedRatingError",
    "ModelError",
    "Outcome",
    "Predictor",
    "SilentAudioError",
    "TooShortError",
    "load",
]
