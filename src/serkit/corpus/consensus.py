"""Several ratings of one utterance made into one: majority, mean, and the mean by trust.

People differ, and by how much is a fact about an utterance, so the ratings of all are kept and a
consensus is only one more. The labels of a run come from one rater at a time: see
``Corpus.rated_by``.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from statistics import StatisticsError, correlation, fmean

from serkit.corpus.scheme import in_order
from serkit.corpus.utterance import AFFECT, Rating, Utterance

WEIGHTED = "weighted"
"""The rater of what ``weighted_affect`` adds."""

NO_PERSON = ("consensus", "intended", "majority", "voice_vote", WEIGHTED)
"""Raters that are nobody: the actor's target, and what was made of the judgements of people."""


def majority(ratings: Iterable[Rating]) -> str | None:
    """The emotion most raters heard; None when two or more are equally often heard, or none was.

    More than any other is enough, more than half is not asked for. A rater who gives shares, and
    a vote table, count with their shares.

    Example:
        >>> heard = [Rating(rater=r, emotion={e: 1.0}) for r, e in (("a", "fear"), ("b", "fear"))]
        >>> surprised = Rating(rater="c", emotion={"surprise": 1.0})
        >>> majority([*heard, surprised])
        'fear'
        >>> majority([heard[0], surprised]) is None
        True
    """
    shares = soft_labels(ratings)
    if not shares:
        return None
    most = max(shares.values())
    top = [name for name, share in shares.items() if math.isclose(share, most)]
    return top[0] if len(top) == 1 else None


def agreed(utterance: Utterance) -> bool:
    """Whether people hear one emotion in an utterance more often than any other.

    By their consensus about it where there is one, else by their majority. An utterance that
    nobody but the actor has labelled is not in dispute.

    Example:
        >>> from pathlib import Path
        >>> heard = [Rating(rater=r, emotion={e: 1.0}) for r, e in ("af", "bs")]
        >>> agreed(Utterance(id="x", path=Path("x.wav"), ratings=tuple(heard)))
        False
    """
    for rating in utterance.ratings:
        if rating.rater == "consensus" and rating.emotion:
            return rating.top != "no_agreement"
    people = [r for r in utterance.ratings if r.rater not in NO_PERSON and r.emotion]
    return not people or majority(people) is not None


def soft_labels(ratings: Iterable[Rating]) -> dict[str, float]:
    """Emotion to the share of raters who heard it: a probability, in the canonical order.

    The mean of the distributions of the ratings that have one. Empty without any.

    Example:
        >>> ears = ("anger", "anger", "anger", "neutral")
        >>> soft_labels(Rating(rater=str(n), emotion={e: 1.0}) for n, e in enumerate(ears))
        {'anger': 0.75, 'neutral': 0.25}
    """
    heard = [rating.emotion for rating in ratings if rating.emotion]
    added: defaultdict[str, float] = defaultdict(float)
    for emotion in heard:
        for name, share in emotion.items():
            added[name] += share
    return {name: added[name] / len(heard) for name in in_order(added) if added[name] > 0}


def mean_affect(ratings: Iterable[Rating]) -> dict[str, float]:
    """Dimension to the mean of those who rated it, in [0, 1]; without the dimensions nobody rated.

    Example:
        >>> mean_affect([
        ...     Rating(rater="a", affect={"arousal": 0.5, "valence": 0.25}),
        ...     Rating(rater="b", affect={"arousal": 1.0}),
        ... ])
        {'arousal': 0.75, 'valence': 0.25}
    """
    return _mean(ratings, lambda rater, dimension: 1.0)


def people(ratings: Iterable[Rating]) -> tuple[Rating, ...]:
    """The ratings given by persons: all but those of ``NO_PERSON``.

    Example:
        >>> [r.rater for r in people([Rating(rater="consensus"), Rating(rater="annotator1")])]
        ['annotator1']
    """
    return tuple(rating for rating in ratings if rating.rater not in NO_PERSON)


def rater_weights(utterances: Collection[Utterance]) -> dict[str, dict[str, float]]:
    """How far each person is to be trusted: dimension to rater to weight in [0, 1].

    The weight is the correlation of the person's values with the mean of all persons, the person
    among them, over the utterances that another person rated too (Grimm, Kroschel, "Evaluation of
    natural emotions using self assessment manikins", ASRU 2005). Where it is negative, or not
    defined because nothing varies, the weight is 0.

    Example:
        >>> from pathlib import Path
        >>> values = {"a": (0.0, 0.5, 1.0), "b": (0.1, 0.4, 0.9), "c": (0.5, 0.5, 0.5)}
        >>> utterances = [
        ...     Utterance(id=f"mine/{n}", path=Path(f"{n}.wav"), ratings=tuple(
        ...         Rating(rater=r, affect={"arousal": v[n]}) for r, v in values.items()
        ...     ))
        ...     for n in range(3)
        ... ]
        >>> {r: round(w, 2) for r, w in rater_weights(utterances)["arousal"].items()}
        {'a': 1.0, 'b': 1.0, 'c': 0.0}
    """
    own: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
    everyone: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
    for utterance in utterances:
        ratings = people(utterance.ratings)
        mean = mean_affect(ratings)
        num_raters = {d: sum(d in rating.affect for rating in ratings) for d in mean}
        for rating in ratings:
            for dimension, value in rating.affect.items():
                heard = own[dimension, rating.rater]  # also a person who always rated alone
                if num_raters[dimension] > 1:
                    heard.append(value)
                    everyone[dimension, rating.rater].append(mean[dimension])
    weights: dict[str, dict[str, float]] = {}
    for dimension, rater in sorted(own, key=lambda key: (AFFECT.index(key[0]), key[1])):
        key = dimension, rater
        try:
            weight = correlation(own[key], everyone[key])
        except StatisticsError:  # fewer than two values, or all of them equal
            weight = 0.0
        weights.setdefault(dimension, {})[rater] = min(1.0, max(0.0, weight))
    return weights


def weighted_affect(
    utterances: Collection[Utterance],
    *,
    weights: Mapping[str, Mapping[str, float]] | None = None,
) -> tuple[Utterance, ...]:
    """The utterances with one more rating, by ``weighted``: evaluator-weighted affect.

    ``sum_k r_k x_k / sum_k r_k`` over the persons ``k`` who rated the utterance, with the weights
    ``r_k`` of ``rater_weights``: the evaluator-weighted estimator, EWE (Grimm, Kroschel,
    "Evaluation of natural emotions using self assessment manikins", ASRU 2005). A dimension that
    only persons of weight 0 rated is their plain mean.

    Args:
        utterances: Rated by persons; what else was rated stays as it is. A ``weighted`` rating
            from before is replaced.
        weights: Dimension to rater to weight; those of these utterances when left out.

    Example:
        >>> from dataclasses import replace
        >>> from pathlib import Path
        >>> one = Utterance(id="mine/1", path=Path("1.wav"), ratings=(
        ...     Rating(rater="a", affect={"arousal": 0.25}),
        ...     Rating(rater="b", affect={"arousal": 1.0}),
        ... ))
        >>> (rated,) = weighted_affect([one], weights={"arousal": {"a": 0.75, "b": 0.25}})
        >>> rated.affect("weighted")
        {'arousal': 0.4375}
    """
    trusted = rater_weights(utterances) if weights is None else weights
    rated: list[Utterance] = []
    for utterance in utterances:
        others = tuple(rating for rating in utterance.ratings if rating.rater != WEIGHTED)
        affect = _mean(people(others), lambda rater, d: trusted.get(d, {}).get(rater, 0.0))
        added = (Rating(rater=WEIGHTED, affect=affect),) if affect else ()
        rated.append(replace(utterance, ratings=(*others, *added)))
    return tuple(rated)


def _mean(ratings: Iterable[Rating], weight: Callable[[str, str], float]) -> dict[str, float]:
    """Dimension to the weighted mean of those who rated it; the plain mean where no weight is."""
    values: defaultdict[str, list[tuple[float, float]]] = defaultdict(list)
    for rating in ratings:
        for dimension, value in rating.affect.items():
            values[dimension].append((value, weight(rating.rater, dimension)))
    affect: dict[str, float] = {}
    for dimension in AFFECT:
        if dimension not in values:
            continue
        given, weights = zip(*values[dimension], strict=True)
        affect[dimension] = fmean(given, weights if sum(weights) > 0 else None)
    return affect
