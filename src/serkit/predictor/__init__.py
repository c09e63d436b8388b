"""A trained system, ready to listen."""

from serkit.predictor.journal import Journal, JournalError, state_of
from serkit.predictor.predictor import (
    Enrolment,
    EnrolmentError,
    FailedRatingError,
    ModelError,
    Outcome,
    Predictor,
    SilentAudioError,
    TooShortError,
    load,
)
from serkit.predictor.voices import (
    NONE,
    Member,
    Neighbour,
    Verdict,
    Voice,
    Voices,
    VoicesError,
)

__all__ = [
    "NONE",
    "Enrolment",
    "EnrolmentError",
    "FailedRatingError",
    "Journal",
    "JournalError",
    "Member",
    "ModelError",
    "Neighbour",
    "Outcome",
    "Predictor",
    "SilentAudioError",
    "TooShortError",
    "Verdict",
    "Voice",
    "Voices",
    "VoicesError",
    "load",
    "state_of",
]
