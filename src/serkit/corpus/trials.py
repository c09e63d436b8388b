"""Trials of verification: is this the same emotion?

Two readings of the question. *Pairwise*: two utterances, alike or not. *Enrolled*: an utterance
against an emotion that some utterances were enrolled for. No random generator is involved: where
some must be chosen they are the first by SHA-256, equal on every machine.
"""

import hashlib
import heapq
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Literal

from serkit.corpus.protocol import hash_order
from serkit.corpus.utterance import Utterance

MOST_PAIRS = 20_000
"""Pairs used where all would be too many: the development side during training."""
SALT = "enrolment"
"""Of the order in which utterances are enrolled."""

Pairs = Literal["all", "same-speaker", "different-speaker"]
"""Which pairs: an emotion recognised across voices is the harder claim."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Trial:
    """An enrolment, a probe, and whether they match.

    Example:
        >>> trial = Trial(enrolment="anger", probe="emodb/03a01Wa", speaker="emodb/03",
        ...               is_target=True)
        >>> trial.weight
        1.0
    """

    enrolment: str
    """An emotion that utterances were enrolled for, or the id of one utterance."""
    probe: str
    """Id of the utterance that is tried."""
    speaker: str | None
    """The probe's; None when unknown."""
    is_target: bool
    """Whether enrolment and probe have the same emotion."""
    weight: float = 1.0
    """What the trial counts for: error rates are shares of weight."""


def pairwise_trials(
    utterances: Iterable[Utterance],
    *,
    pairs: Pairs = "all",
    at_most: int | None = None,
    balanced: bool = True,
) -> list[Trial]:
    """All unordered pairs of utterances; those of the same emotion are targets.

    Balanced, every emotion that has a target has the same share of their weight, and every pair of
    emotions the same share of the weight of non-targets; both sides add up to 1. Weights are those
    of the trials returned, so a part (such as one split by speaker) is balanced in itself.

    The smaller id is the enrolment, the larger the probe. Trials stand in the order of their ids.

    Args:
        utterances: Usually the test side of a fold; each with an emotion.
        pairs: Pairs of the same speaker, of two, or both; speakers must be known for a split.
        at_most: Keep so many pairs, the first by SHA-256 of both ids with a line break between
            (``MOST_PAIRS`` is usual for choosing an epoch); None keeps all.
        balanced: Weights as described; otherwise each trial weighs 1.

    Raises:
        ValueError: An utterance without emotion, without a speaker that is asked for, or twice.

    Example:
        >>> from serkit.corpus import load
        >>> trials = pairwise_trials(load("excerpt").utterances[:20])
        >>> len(trials), round(sum(trial.weight for trial in trials), 12)
        (190, 2.0)
    """
    emotion = _emotions(known := sorted(utterances, key=lambda utterance: utterance.id))
    if at_most is not None and at_most < 1:
        raise ValueError(f"at_most is {at_most}; at least one pair is needed, or None for all")
    if pairs != "all":
        for utterance in known:
            if utterance.speaker is None:
                raise ValueError(
                    f"{utterance.id}: pairs are split by speaker, but its speaker is unknown"
                )
    chosen = [
        (first, second)
        for first, second in combinations(known, 2)
        if pairs == "all" or (first.speaker == second.speaker) == (pairs == "same-speaker")
    ]
    if at_most is not None and at_most < len(chosen):
        first_by_hash = heapq.nsmallest(
            at_most,
            range(len(chosen)),
            key=lambda place: _digest(chosen[place][0].id, chosen[place][1].id),
        )
        chosen = [chosen[place] for place in sorted(first_by_hash)]
    trials = [
        Trial(
            enrolment=first.id,
            probe=second.id,
            speaker=second.speaker,
            is_target=emotion[first.id] == emotion[second.id],
        )
        for first, second in chosen
    ]
    if not balanced:
        return trials
    groups = [frozenset((emotion[first.id], emotion[second.id])) for first, second in chosen]
    return _balanced(trials, groups)


def enrolments(
    utterances: Iterable[Utterance],
    *,
    emotions: Sequence[str] | None = None,
    num_enrolled: int | None = None,
) -> dict[str, tuple[Utterance, ...]]:
    """The utterances that each emotion is enrolled from.

    They are taken in the order of SHA-256 of ``"enrolment:"`` and the id, so the first of three are
    the first of ten.

    Args:
        utterances: The training side of a fold.
        emotions: Which to enrol, in this order; None enrols all that occur, by name.
        num_enrolled: So many of each (1, 3, 5 and 10 are usual); None takes all.

    Raises:
        ValueError: An emotion has no utterance, or fewer than asked for; an utterance has no
            emotion or occurs twice.

    Example:
        >>> from serkit.corpus import load
        >>> enrolled = enrolments(load("excerpt").utterances, emotions=["anger"], num_enrolled=3)
        >>> {name: len(members) for name, members in enrolled.items()}
        {'anger': 3}
    """
    known = list(utterances)
    emotion = _emotions(known)
    if num_enrolled is not None and num_enrolled < 1:
        raise ValueError(f"num_enrolled is {num_enrolled}; at least one utterance must be enrolled")
    by_id = {utterance.id: utterance for utterance in known}
    order = hash_order(by_id, salt=SALT)
    enrolled: dict[str, tuple[Utterance, ...]] = {}
    for name in emotions if emotions is not None else sorted(set(emotion.values())):
        members = [by_id[id] for id in order if emotion[id] == name]
        if len(members) < (num_enrolled or 1):
            raise ValueError(
                f"{name} is to be enrolled from {num_enrolled or 'its'} utterances, but there are "
                f"{len(members)}; emotions here: "
                + ", ".join(f"{e} ({n})" for e, n in sorted(Counter(emotion.values()).items()))
            )
        enrolled[name] = tuple(members[:num_enrolled])
    return enrolled


def enrolled_trials(
    enrolled: Mapping[str, Sequence[Utterance]],
    probes: Iterable[Utterance],
    *,
    balanced: bool = False,
) -> list[Trial]:
    """Every probe against every enrolled emotion: as many trials as emotions, one of them a target.

    A probe of an emotion that is not enrolled has no target: that is the question about an emotion
    never heard in training, where only the new one is enrolled.

    Args:
        enrolled: Emotion to its utterances, as ``enrolments`` gives them.
        probes: Usually the test side of a fold; each with an emotion.
        balanced: Every emotion has the same share of the weight of targets, and every pair of a
            probe's emotion and another one the same share of that of non-targets; otherwise each
            trial weighs 1.

    Raises:
        ValueError: A probe is itself enrolled, has no emotion, or occurs twice.

    Example:
        >>> from serkit.corpus import load, protocol
        >>> fold = protocol("excerpt-5pairs", load("excerpt")).folds[0]
        >>> enrolled = enrolments(fold.train)
        >>> trials = enrolled_trials(enrolled, fold.test)
        >>> len(trials) == len(enrolled) * len(fold.test)
        True
    """
    known = sorted(probes, key=lambda probe: probe.id)
    emotion = _emotions(known)
    for name, members in enrolled.items():
        both = sorted({member.id for member in members} & emotion.keys())
        if both:
            raise ValueError(
                f"{both[0]} is enrolled for {name} and tried as a probe: an utterance always "
                f"matches itself ({len(both)} in all); enrol from the training side"
            )
    trials = [
        Trial(
            enrolment=name,
            probe=probe.id,
            speaker=probe.speaker,
            is_target=emotion[probe.id] == name,
        )
        for probe in known
        for name in enrolled
    ]
    if not balanced:
        return trials
    return _balanced(trials, [(emotion[trial.probe], trial.enrolment) for trial in trials])


def _balanced(trials: Sequence[Trial], groups: Sequence[object]) -> list[Trial]:
    """Weights by which every group has the same share of its side, targets or non-targets."""
    sizes = Counter(zip(groups, (trial.is_target for trial in trials), strict=True))
    num_groups = Counter(is_target for _, is_target in sizes)
    return [
        replace(trial, weight=1 / (num_groups[trial.is_target] * sizes[group, trial.is_target]))
        for trial, group in zip(trials, groups, strict=True)
    ]


def _emotions(utterances: Iterable[Utterance]) -> dict[str, str]:
    """Id to emotion."""
    emotions: dict[str, str] = {}
    for utterance in utterances:
        emotion = utterance.emotion()
        if emotion is None:
            raise ValueError(f"{utterance.id} has no emotion, so no trial can be made of it")
        if utterance.id in emotions:
            raise ValueError(f"{utterance.id} occurs twice; each utterance is tried once")
        emotions[utterance.id] = emotion
    return emotions


def _digest(first: str, second: str) -> str:
    return hashlib.sha256(f"{first}\n{second}".encode()).hexdigest()
