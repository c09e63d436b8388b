"""The answers of several systems to the same utterances as those of one."""

from collections.abc import Iterable, Sequence

import numpy as np

from serkit.evaluation.predictions import Prediction, PredictionsError, scheme


def late_average(parts: Sequence[Iterable[Prediction]]) -> list[Prediction]:
    """The mean of the probabilities of several systems, each of the same weight (late fusion).

    Args:
        parts: Predictions of two systems or more, for the same seeds and utterances.

    Returns:
        A row for each row of the first part, in its order.

    Raises:
        PredictionsError: They differ in emotions, seeds, utterances, folds or references; names the
            first difference.

    Example:
        >>> parts = [
        ...     [Prediction.of(seed=0, fold="one", file="a", speaker="s", emotion="anger",
        ...                    emotions=("anger", "sadness"), probabilities=p)]
        ...     for p in ([0.9, 0.1], [0.4, 0.6])
        ... ]
        >>> together, = late_average(parts)
        >>> together.seed, together.predicted, together.probabilities["anger"]
        (0, 'anger', 0.65)
    """
    tables = [list(part) for part in parts]
    if len(tables) < 2 or not all(tables):
        raise PredictionsError("late fusion takes the predictions of two systems or more")
    emotions = scheme(tables[0])
    by_key = [{(row.seed, row.file): row for row in table} for table in tables]
    for number, other in enumerate(by_key[1:], 2):
        _check_alike(by_key[0].values(), other.values(), number)
    return [
        Prediction.of(
            seed=row.seed,
            fold=row.fold,
            file=row.file,
            speaker=row.speaker,
            emotion=row.emotion,
            emotions=emotions,
            probabilities=np.mean(
                [list(rows[row.seed, row.file].probabilities.values()) for rows in by_key], axis=0
            ),
        )
        for row in tables[0]
    ]


def _check_alike(first: Iterable[Prediction], other: Iterable[Prediction], number: int) -> None:
    """Refuse two tables whose rows do not answer the same questions."""
    ours, theirs = list(first), list(other)
    names = scheme(ours), scheme(theirs)
    if names[0] != names[1]:
        raise PredictionsError(
            f"part 1 tells {', '.join(names[0])} apart, part {number} {', '.join(names[1])}: only "
            "answers to the same question, in the same order, can be averaged"
        )
    for what, columns in (
        ("seed", ("seed",)),
        ("utterance", ("file",)),
        ("seed and utterance", ("seed", "file")),
        ("fold", ("file", "fold")),
        ("speaker", ("file", "speaker")),
        ("emotion", ("file", "emotion")),
    ):
        here, there = (
            {" ".join(str(getattr(row, column)) for column in columns) for row in rows}
            for rows in (ours, theirs)
        )
        apart = sorted(here ^ there)
        if apart:
            raise PredictionsError(
                f"the parts were not tested alike: {what} {apart[0]!r} is in part "
                f"{1 if apart[0] in here else number} alone ({len(apart)} differ)"
            )
