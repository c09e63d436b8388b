"""The utterances a system was surest about and wrong: the first ones to listen to."""

import base64
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from serkit.evaluation.affect import AffectPrediction, affect_dimensions, affect_ensemble
from serkit.evaluation.export_tables import Table
from serkit.evaluation.figures import brief
from serkit.evaluation.predictions import Prediction
from serkit.evaluation.scores import ensemble

NUM_ERRORS = 12
LARGEST_SOUND = 1_000_000  # bytes; a page with twelve of them can still be sent by mail

Sound = bytes | Callable[[], bytes]
"""An encoded recording (FLAC, WAV, OGG or MP3), or what makes it when it is wanted."""

FORMATS: Mapping[bytes, str] = {
    b"fLaC": "audio/flac",
    b"RIFF": "audio/wav",
    b"OggS": "audio/ogg",
    b"ID3": "audio/mpeg",
    b"\xff\xfb": "audio/mpeg",
}
"""What an encoded recording begins with."""


@dataclass(frozen=True, kw_only=True, slots=True)
class WorstError:
    """An utterance that was heard as something else."""

    file: str
    speaker: str
    emotion: str
    """The reference."""
    predicted: str
    confidence: float
    """Probability of what was predicted; mean over seeds."""
    probability: float
    """Probability of the reference; mean over seeds."""


def worst_errors(rows: Sequence[Prediction], *, number: int = NUM_ERRORS) -> list[WorstError]:
    """Utterances that were heard wrongly, the surest first.

    With several seeds, what counts is the mean of their probabilities: an error that all of them
    make is more telling than one of a single seed.

    Args:
        rows: Predictions of one system; every seed has the same utterances.
        number: At most so many.

    Example:
        >>> rows = [Prediction.of(seed=0, fold="one", file=e, speaker="s", emotion=e,
        ...                       emotions=("anger", "sadness"), probabilities=[0.75, 0.25])
        ...         for e in ("anger", "sadness")]
        >>> [(error.file, error.predicted, error.confidence) for error in worst_errors(rows)]
        [('sadness', 'anger', 0.75)]
    """
    table = list(rows)
    if len({row.seed for row in table}) > 1:
        table = ensemble(table)
    wrong = [row for row in table if row.predicted != row.emotion]
    wrong.sort(key=lambda row: (-row.probabilities[row.predicted], row.file))
    return [
        WorstError(
            file=row.file,
            speaker=row.speaker,
            emotion=row.emotion,
            predicted=row.predicted,
            confidence=row.probabilities[row.predicted],
            probability=row.probabilities[row.emotion],
        )
        for row in wrong[:number]
    ]


def error_table(
    errors: Sequence[WorstError], sounds: Mapping[str, Sound] | None = None, *, seeds: int = 1
) -> Table:
    """Errors as a table, with the recordings that are given.

    Args:
        errors: As ``worst_errors`` found them.
        sounds: Recordings by ``WorstError.file``; only those of the table are made.
        seeds: How many systems the probabilities are the mean of.
    """
    encoded, note = heard([error.file for error in errors], sounds)
    over = f", mean over {seeds} seeds" if seeds > 1 else ""
    return Table(
        name="errors",
        caption=f"Heard wrongly, the surest first (probabilities{over})",
        head=("file", "speaker", "rated as", "probability", "heard as", "probability"),
        rows=tuple(
            (
                error.file,
                brief(error.speaker),
                error.emotion,
                f"{error.probability:.3f}",
                error.predicted,
                f"{error.confidence:.3f}",
            )
            for error in errors
        ),
        note=note,
        sounds=encoded,
    )


def furthest_table(
    rows: Sequence[AffectPrediction],
    sounds: Mapping[str, Sound] | None = None,
    *,
    number: int = NUM_ERRORS,
) -> Table:
    """Utterances whose affect was predicted furthest from the rating, as a table.

    The distance is Euclidean over the dimensions; with several seeds it is that of the mean of
    their predictions.

    Args:
        rows: Predictions of one system; every seed has the same utterances.
        sounds: Recordings by ``AffectPrediction.file``; only those of the table are made.
        number: At most so many.

    Example:
        >>> rows = [AffectPrediction.of(seed=0, fold="1", file=name, speaker="s",
        ...                             reference={"arousal": 0.5}, predicted={"arousal": value})
        ...         for name, value in (("near", 0.6), ("far", 0.0))]
        >>> furthest_table(rows).rows[0]
        ('far', 's', '0.50 → 0.00', '0.500')
    """
    table = list(rows)
    num_seeds = len({row.seed for row in table})
    if num_seeds > 1:
        table = affect_ensemble(table)
    dimensions = affect_dimensions(table)

    def distance(row: AffectPrediction) -> float:
        return float(np.hypot.reduce([row.predicted[d] - row.reference[d] for d in dimensions]))

    worst = sorted(table, key=lambda row: (-distance(row), row.file))[:number]
    encoded, note = heard([row.file for row in worst], sounds)
    return Table(
        name="errors",
        caption="Furthest from the rating (rated → predicted"
        + (f", mean over {num_seeds} seeds)" if num_seeds > 1 else ")"),
        head=("file", "speaker", *dimensions, "distance"),
        rows=tuple(
            (
                row.file,
                brief(row.speaker),
                *(f"{row.reference[d]:.2f} → {row.predicted[d]:.2f}" for d in dimensions),
                f"{distance(row):.3f}",
            )
            for row in worst
        ),
        note=note,
        sounds=encoded,
    )


def flac_of(samples: Float[np.ndarray, " N"], sample_rate: int) -> bytes:
    """Mono samples in [-1, 1] as a FLAC file of 16 bits, as a page can play it.

    Args:
        samples: Louder ones are clipped.
        sample_rate: In Hz.

    Example:
        >>> flac_of(np.zeros(1600), 16_000)[:4]
        b'fLaC'
    """
    import soundfile

    file = io.BytesIO()
    soundfile.write(file, np.clip(samples, -1.0, 1.0), sample_rate, format="FLAC", subtype="PCM_16")
    return file.getvalue()


def sound_uri(sound: bytes) -> str:
    """An encoded recording as a data URI.

    Raises:
        ValueError: It is in no format that a browser plays.

    Example:
        >>> sound_uri(b"fLaC")
        'data:audio/flac;base64,ZkxhQw=='
    """
    for start, form in FORMATS.items():
        if sound.startswith(start):
            return f"data:{form};base64,{base64.b64encode(sound).decode('ascii')}"
    known = ", ".join(sorted(set(FORMATS.values())))
    raise ValueError(
        f"a recording that begins with {sound[:4]!r} is none of {known}; encode it with flac_of"
    )


def heard(
    files: Sequence[str], sounds: Mapping[str, Sound] | None
) -> tuple[tuple[str | None, ...], str]:
    """Data URIs of the recordings there are, for ``Table.sounds``, and what to say of them.

    Args:
        files: Whose recordings, a row each; only these are made, each once.
        sounds: Recordings by file; one that is longer than a page can bear is left out.

    Example:
        >>> heard(["a", "b"], {"a": b"fLaC"})[0]
        ('data:audio/flac;base64,ZkxhQw==', None)
    """
    if not sounds:
        return (), ""
    made: dict[str, str | None] = {}
    too_long: list[str] = []
    for file in dict.fromkeys(files):
        sound = sounds.get(file)
        encoded = sound() if callable(sound) else sound
        if encoded is not None and len(encoded) > LARGEST_SOUND:
            too_long.append(file)
            encoded = None
        made[file] = None if encoded is None else sound_uri(encoded)
    if not any(made.values()):
        return (), ""
    note = "The recordings are part of this page: the licence of the corpus holds for it too, and "
    note += "decides whether it may be passed on. Without them, write it with audio=False."
    if too_long:
        note += f" Left out because it is too long: {', '.join(too_long)}."
    return tuple(made[file] for file in files), note
