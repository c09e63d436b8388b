"""A trained system, ready to listen."""

from serkit.predictor.annotation import TurnsError, read_turns
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
from serkit.predictor.stream import (
    NOT_RATED,
    SILENCE,
    SPEECH,
    Segment,
    Stream,
    TimelineError,
    Turn,
    Update,
    Window,
)
from serkit.predictor.timeline import Summary, Timeline
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
    "NOT_RATED",
    "SILENCE",
    "SPEECH",
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
    "Segment",
    "SilentAudioError",
    "Stream",
    "Summary",
    "Timeline",
    "TimelineError",
    "TooShortError",
    "Turn",
    "TurnsError",
    "Update",
    "Verdict",
    "Voice",
    "Voices",
    "VoicesError",
    "Window",
    "load",
    "read_turns",
    "state_of",
]
