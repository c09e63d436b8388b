"""What a model knows of its own verification: thresholds and odds, from development utterances.

The card is part of a model, so that somebody who enrols three recordings of an emotion can be told
how often the answer is wrong, and can ask for a threshold by the rate of false acceptances. It is
measured the way it is used: few utterances are enrolled, and somebody else is tried against them.
"""

# Shapes: B utterances, D embedding, E emotions enrolled, P probes, N trials.

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from serkit.corpus import Utterance, enrolments
from serkit.evaluation.verification import eer, threshold_at

NUM_ENROLLED = (1, 3, 5, 10)
"""Utterances per emotion that a card has figures for."""
RATES = (0.01, 0.05, 0.1)
"""Rates of false acceptance that a card has thresholds for."""
MARGIN = 1e-6
"""Above the largest non-target score, where no score would be low enough a threshold."""
UNKNOWN = "unknown"
"""Utterances without a known speaker are taken for one speaker's."""
EQUAL_SCORES = 1e-10
"""Scores that spread no further are all the same."""
MOST_STEPS = 100  # of Newton's method, which needs ten


class UnknownRateError(ValueError):
    """A rate of false acceptance that the card has no threshold for."""

    is_usage = True


def verification_card(
    embeddings: Float[np.ndarray, "B D"], utterances: Sequence[Utterance]
) -> dict[str, Any]:
    """What verification with few enrolled utterances is worth, measured on development speakers.

    For each K of 1, 3, 5 and 10 and each speaker, every emotion is enrolled from K utterances of
    the *other* speakers (the first by SHA-256, as ``corpus.enrolments`` orders them; all there are
    where there are fewer), and the speaker's own utterances are tried against each. Scores are
    cosines to the prototypes; those of all speakers are put together.

    With one speaker alone the other utterances of the same speaker are enrolled: easier than what
    a stranger would meet, and the card says so (``same_speaker``).

    Args:
        embeddings: One vector of each utterance; lengths do not matter.
        utterances: Of the development side, in the order of the embeddings, each with an emotion.

    Returns:
        A mapping that JSON can hold: ``scored_on`` (speakers), ``same_speaker`` and, under
        ``num_enrolled`` by K as text: ``num_trials``, ``num_targets``, ``eer``, ``threshold_eer``,
        ``thresholds`` by rate of false acceptance (as text; finite: a millionth above the largest
        non-target score where no score keeps to the rate), and the ``calibration`` as ``slope`` and
        ``offset`` (see ``calibrated``). Empty when there are no targets, or no non-targets.

    Raises:
        ValueError: Not one embedding for each utterance, one that is not finite, or an utterance
            without emotion or twice.

    Example:
        >>> from pathlib import Path
        >>> from serkit.corpus import Rating
        >>> utterances = [
        ...     Utterance(id=f"{speaker}/{emotion}", path=Path("a.wav"), speaker=speaker,
        ...               ratings=(Rating(rater="intended", emotion={emotion: 1.0}),))
        ...     for speaker in ("ann", "bea") for emotion in ("anger", "fear")
        ... ]
        >>> card = verification_card(np.array([[1.0, 0], [0, 1], [2, 1], [0, 3]]), utterances)
        >>> card["scored_on"], card["same_speaker"], card["num_enrolled"]["1"]["num_trials"]
        (['ann', 'bea'], False, 8)
        >>> card["num_enrolled"]["1"]["eer"], threshold_for(card, 1, 0.05) < 0.9
        (0.0, True)
    """
    known = list(utterances)
    if len(embeddings) != len(known):
        raise ValueError(
            f"{len(embeddings)} embeddings of {len(known)} development utterances: one of each"
        )
    finite = np.isfinite(embeddings).all(axis=1)
    if not finite.all():
        raise ValueError(
            f"the embedding of {known[int(np.argmin(finite))].id} holds a value that is not finite"
        )
    members = enrolments(known)
    emotion = {member.id: name for name, part in members.items() for member in part}
    vectors = dict(zip((u.id for u in known), unit(embeddings), strict=True))
    speaker = {utterance.id: utterance.speaker or UNKNOWN for utterance in known}
    speakers = sorted(set(speaker.values()))
    one_speaker = len(speakers) == 1
    # Who is tried together, and is therefore not enrolled: a speaker, or a single utterance.
    tried: dict[str, list[str]] = {}
    for utterance in known:
        together = utterance.id if one_speaker else speaker[utterance.id]
        tried.setdefault(together, []).append(utterance.id)

    scores: dict[int, list[Float[np.ndarray, " _"]]] = {num: [] for num in NUM_ENROLLED}
    targets: list[Bool[np.ndarray, " _"]] = []
    most = 0
    for probes in tried.values():
        own = set(probes)
        enrolled = {
            name: others
            for name, part in members.items()
            if (others := [member.id for member in part if member.id not in own])
        }
        if not enrolled:
            continue
        most = max(most, *map(len, enrolled.values()))
        heard = np.array([vectors[probe] for probe in probes])
        truth = np.array([[emotion[probe] == name for name in enrolled] for probe in probes])
        targets.append(truth.ravel())
        for num in NUM_ENROLLED:
            prototypes = np.array(
                [
                    prototype(np.array([vectors[id] for id in others[:num]]))
                    for others in enrolled.values()
                ]
            )
            scores[num].append((heard @ prototypes.T).ravel())
    is_target = np.concatenate(targets) if targets else np.zeros(0, dtype=np.bool_)
    if is_target.all() or not is_target.any():
        return {}
    return {
        "scored_on": speakers,
        "same_speaker": one_speaker,
        "num_enrolled": {
            str(num): _figures(np.concatenate(parts), is_target)
            for num, parts in scores.items()
            if num <= most  # more than there are would be the figures of fewer
        },
    }


def threshold_for(card: Mapping[str, Any], num_enrolled: int, false_acceptance: float) -> float:
    """The score from which on a probe is accepted, at a rate of false acceptances.

    It is that of the nearest number of enrolled utterances in the card that is not above
    ``num_enrolled``: with fewer enrolled, scores are lower, and so is the threshold.

    Args:
        card: As ``verification_card`` made it.
        num_enrolled: Utterances that the emotion was enrolled from.
        false_acceptance: One of the card's rates, such as 0.05.

    Raises:
        UnknownRateError: The card has no threshold for the rate; the message lists those it has.
        ValueError: An empty card, or fewer than one utterance enrolled.

    Example:
        >>> card = {"num_enrolled": {"1": {"thresholds": {"0.01": 0.7, "0.05": 0.6}},
        ...                          "3": {"thresholds": {"0.01": 0.8, "0.05": 0.7}}}}
        >>> threshold_for(card, 2, 0.05), threshold_for(card, 40, 0.01)
        (0.6, 0.8)
    """
    thresholds: Mapping[str, float] = _of(card, num_enrolled)["thresholds"]
    for rate, threshold in thresholds.items():
        if math.isclose(float(rate), false_acceptance):
            return threshold
    raise UnknownRateError(
        f"no threshold was chosen for a false acceptance rate of {false_acceptance}; there are "
        f"those for {', '.join(thresholds)}"
    )


def log_likelihood_ratio(card: Mapping[str, Any], num_enrolled: int, score: float) -> float:
    """How much more likely a score is of a match than of none, as a natural logarithm.

    0 says nothing either way; 2.3 is ten times likelier of a match. Add the logarithm of the odds
    that are believed beforehand to get those afterwards.

    Args:
        card: As ``verification_card`` made it.
        num_enrolled: Utterances that the emotion was enrolled from; as for ``threshold_for``.
        score: Cosine of the probe to the prototype.

    Raises:
        ValueError: An empty card, or fewer than one utterance enrolled.

    Example:
        >>> card = {"num_enrolled": {"1": {"calibration": {"slope": 10.0, "offset": -5.0}}}}
        >>> log_likelihood_ratio(card, 3, 0.7)
        2.0
    """
    line: Mapping[str, float] = _of(card, num_enrolled)["calibration"]
    return line["slope"] * score + line["offset"]


def unit(vectors: Float[np.ndarray, "B D"]) -> Float[np.ndarray, "B D"]:
    """Vectors of length 1 in float64; a vector of zeros, which has no direction, stays.

    Example:
        >>> unit(np.array([[3.0, 4.0], [0.0, 0.0]])).tolist()
        [[0.6, 0.8], [0.0, 0.0]]
    """
    values = vectors.astype(np.float64)
    lengths = np.linalg.norm(values, axis=1, keepdims=True)
    return values / np.where(lengths > 0, lengths, 1.0)


def prototype(vectors: Float[np.ndarray, "K D"]) -> Float[np.ndarray, " D"]:
    """The direction of the mean direction of the embeddings of an enrolment.

    Every utterance counts alike, however long its vector is.

    Example:
        >>> prototype(np.array([[2.0, 0.0], [0.0, 5.0]])).round(3).tolist()
        [0.707, 0.707]
    """
    return unit(unit(vectors).mean(axis=0, keepdims=True))[0]


def calibrated(
    scores: Float[np.ndarray, " N"], is_target: Bool[np.ndarray, " N"]
) -> tuple[float, float]:
    """Slope and offset by which scores become natural logarithms of likelihood ratios.

    Logistic regression of ``is_target`` on the score, in which targets and non-targets weigh the
    same, so that the log-odds are the log-likelihood ratio (Brümmer & du Preez, "Application-
    independent evaluation of speaker detection", Computer Speech & Language 20, 2006). The target
    values are Platt's ``(n + 1) / (n + 2)`` and ``1 / (n + 2)`` rather than 1 and 0, by which the
    line is finite also where no score of one side reaches the other (Platt, "Probabilistic outputs
    for support vector machines", 1999).

    Args:
        scores: Higher is more alike.
        is_target: Whether each trial matches; both kinds occur.

    Returns:
        Slope, 0 or more, and offset. Both are 0 where a higher score makes a match no likelier.

    Example:
        >>> slope, offset = calibrated(
        ...     np.array([0.1, 0.2, 0.4, 0.3, 0.5, 0.6]),
        ...     np.array([False, False, False, True, True, True]))
        >>> slope > 0, abs(slope * 0.35 + offset) < 1e-9
        (True, True)
    """
    middle, spread = float(scores.mean()), float(scores.std())
    if spread <= EQUAL_SCORES * max(1.0, abs(middle)):
        return 0.0, 0.0
    of_targets, of_others = int(is_target.sum()), int((~is_target).sum())
    weight = np.where(is_target, 0.5 / of_targets, 0.5 / of_others)
    wanted = np.where(is_target, (of_targets + 1) / (of_targets + 2), 1 / (of_others + 2))
    design = np.stack([(scores - middle) / spread, np.ones(len(scores))], axis=1)
    line = np.zeros(2)

    def loss(line: Float[np.ndarray, "2"]) -> float:
        odds = design @ line
        return float(weight @ (np.logaddexp(0.0, odds) - wanted * odds))

    for _ in range(MOST_STEPS):
        said = 1.0 / (1.0 + np.exp(-design @ line))
        slope = design.T @ (weight * (said - wanted))
        curvature = design.T @ (design * (weight * said * (1.0 - said))[:, None])
        step = np.linalg.solve(curvature, slope)
        length = 1.0
        while loss(line - length * step) > loss(line) and length > MARGIN:
            length /= 2
        line = line - length * step
        if float(np.abs(step).max()) < EQUAL_SCORES:
            break
    slope, offset = float(line[0]) / spread, float(line[1] - line[0] * middle / spread)
    return (slope, offset) if slope > 0 else (0.0, 0.0)


def _figures(scores: Float[np.ndarray, " N"], is_target: Bool[np.ndarray, " N"]) -> dict[str, Any]:
    """What a card says of one number of enrolled utterances."""
    highest = float(scores[~is_target].max())

    def finite(threshold: float) -> float:
        return highest + MARGIN if math.isinf(threshold) else threshold

    rate = eer(scores, is_target)
    slope, offset = calibrated(scores, is_target)
    return {
        "num_trials": len(scores),
        "num_targets": int(is_target.sum()),
        "eer": rate.value,
        "threshold_eer": finite(rate.threshold),
        "thresholds": {
            f"{share:g}": finite(threshold_at(scores, is_target, false_acceptance=share))
            for share in RATES
        },
        "calibration": {"slope": slope, "offset": offset},
    }


def _of(card: Mapping[str, Any], num_enrolled: int) -> Mapping[str, Any]:
    """What the card says of the nearest number of enrolled utterances not above this one."""
    if num_enrolled < 1:
        raise ValueError(f"{num_enrolled} enrolled utterances; at least one must be enrolled")
    measured: Mapping[str, Any] = card.get("num_enrolled", {})
    below = [int(num) for num in measured if int(num) <= num_enrolled]
    if not below:
        raise ValueError(
            "this model has no development trials and therefore no thresholds: it was trained on "
            "everything (--refit-full), or on a development side of one emotion; train it without "
            "--refit-full, or say a threshold of your own"
        )
    return measured[str(max(below))]
