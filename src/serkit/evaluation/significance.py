"""Tests of significance, and the faults that move numbers: chance, shifted labels, a wrong map.

``mcnemar`` compares two systems. The three checks look at one table and say what is wrong with it
when something is: it is no better than chance, its labels are some rows off, or its emotions have
each other's names.
"""

# Shapes: B utterances, R seeds, C emotions, D draws, O offsets.

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, Num

from serkit.evaluation.classification import METRICS
from serkit.evaluation.interval import GENERATOR_SEED
from serkit.evaluation.predictions import Prediction, PredictionsError, Seed, scheme
from serkit.evaluation.scores import complete_seeds, same_utterances

FEW_DISCORDANT = 25
"""With fewer utterances on which only one system is right, the exact test is used."""
CHANCE_DRAWS = 1000
CHANCE_LEVEL = 0.05
"""A table with a larger p-value is not called better than chance."""
FAULT_LEVEL = 0.001
"""A fault is reported when it is less probable than this, whatever number of them is looked for."""


@dataclass(frozen=True, kw_only=True, slots=True)
class McNemar:
    """McNemar's test of two systems, each with one seed, on the same utterances.

    Example:
        >>> test = McNemar(seeds=(0, 0), both_right=50, only_first=9, only_second=1, both_wrong=4)
        >>> test.is_exact, round(test.p_value, 4)
        (True, 0.0215)
        >>> str(test)
        'only the first right 9, only the second right 1: p = 0.021 (exact)'
    """

    seeds: tuple[Seed, Seed]
    """Of the first system and of the second."""
    both_right: int
    only_first: int
    """Utterances on which only the first system is right."""
    only_second: int
    """Utterances on which only the second system is right."""
    both_wrong: int

    @property
    def num_discordant(self) -> int:
        """Utterances on which only one of the systems is right."""
        return self.only_first + self.only_second

    @property
    def is_exact(self) -> bool:
        """The binomial distribution is used, because few utterances decide."""
        return self.num_discordant < FEW_DISCORDANT

    @property
    def statistic(self) -> float:
        """``(|n01 - n10| - 1)^2 / (n01 + n10)``, with Edwards' correction; NaN when exact."""
        if self.is_exact:
            return math.nan
        apart = max(abs(self.only_first - self.only_second) - 1, 0)
        return apart**2 / self.num_discordant

    @property
    def p_value(self) -> float:
        """Two-sided: of a difference as large as this between systems that are equally good."""
        if not self.is_exact:
            return math.erfc(math.sqrt(self.statistic / 2))  # chi-square with one degree of freedom
        fewer, number = min(self.only_first, self.only_second), self.num_discordant
        tail = sum(math.comb(number, right) for right in range(fewer + 1))
        return min(1.0, 2 * tail / 2**number)

    def __str__(self) -> str:
        how = "exact" if self.is_exact else "chi-square with correction"
        return (
            f"only the first right {self.only_first}, only the second right {self.only_second}: "
            f"p = {self.p_value:.2g} ({how})"
        )


def mcnemar(first: Iterable[Prediction], second: Iterable[Prediction]) -> list[McNemar]:
    """McNemar's test of two tables of predictions, seed by seed.

    Of the utterances on which only one of the two systems is right, as many should speak for the
    first as for the second. Fewer than 25 of them are judged by the binomial distribution, more by
    ``chi^2 = (|n01 - n10| - 1)^2 / (n01 + n10)`` with one degree of freedom.

    The test takes utterances for independent. Those of one speaker are not, so its p-value is too
    small, and it speaks of these speakers only: trust the bootstrap over speakers
    (``compare_predictions``), and give this one because others do. It is about WAR, not UAR.

    Reference: McNemar, "Note on the sampling error of the difference between correlated proportions
    or percentages", Psychometrika 12, 1947; the correction is Edwards', Psychometrika 13, 1948.

    Args:
        first: Predictions of one system.
        second: Predictions of another on the same utterances. Seeds are paired by name; when one
            of the tables has a single seed, it is paired with every seed of the other.

    Returns:
        One test per pair of seeds. They share the utterances: do not combine their p-values.

    Raises:
        PredictionsError: The tables do not hold the same utterances, or their seeds do not pair.

    Example:
        >>> def table(right):
        ...     return [Prediction.of(seed=0, fold="one", file=f"{n}", speaker="s", emotion="anger",
        ...                           emotions=("anger", "sadness"),
        ...                           probabilities=[float(n < right), float(n >= right)])
        ...             for n in range(10)]
        >>> print(*mcnemar(table(9), table(2)))
        only the first right 7, only the second right 0: p = 0.016 (exact)
    """
    one, other = (complete_seeds(table) for table in same_utterances(first, second))
    if one.keys() == other.keys():
        pairs = [(seed, seed) for seed in one]
    elif 1 in (len(one), len(other)):
        pairs = [(a, b) for a in one for b in other]
    else:
        raise PredictionsError(
            f"seeds are compared one by one, but the first table has {', '.join(map(str, one))} "
            f"and the second {', '.join(map(str, other))}: give the same seeds, or a single one"
        )
    return [_mcnemar((a, b), one[a], other[b]) for a, b in pairs]


@dataclass(frozen=True, kw_only=True, slots=True)
class ChanceCheck:
    """UAR against what it is when the labels are shuffled within speakers."""

    uar: float
    """Mean over seeds."""
    chance: float
    """Mean of the shuffled."""
    p_value: float
    """Share of shuffled tables that score as high."""
    draws: int
    reason: str = ""
    """Why nothing can be said; empty when something can."""

    @property
    def is_better(self) -> bool:
        """The predictions have to do with the labels."""
        return not self.reason and self.p_value < CHANCE_LEVEL

    @property
    def text(self) -> str:
        """What a report says of it."""
        if self.reason:
            return f"chance cannot be tested: {self.reason}"
        verdict = "better than" if self.is_better else "NOT better than"
        p = f"< {2 / self.draws:.2g}" if self.p_value < 2 / self.draws else f"= {self.p_value:.2g}"
        return (
            f"UAR {self.uar:.3f} is {verdict} chance: labels shuffled within speakers give "
            f"{self.chance:.3f} (permutation test, p {p})"
        )


def chance_check(
    rows: Iterable[Prediction], *, draws: int = CHANCE_DRAWS, seed: int = GENERATOR_SEED
) -> ChanceCheck:
    """Permutation test: is UAR higher than with the labels shuffled within each speaker?

    ``p = (1 + number of shuffled tables with UAR >= the real one) / (1 + draws)``. Shuffling within
    speakers keeps what a system may have learned about who shows which emotion how often; what is
    left is that it hears emotions. All seeds share a shuffle.

    Reference: Ojala & Garriga, "Permutation Tests for Studying Classifier Performance", JMLR 11,
    2010, test 1, here within speakers; the 1 is Phipson & Smyth's, 2010, arXiv 1603.05766.

    Args:
        rows: Predictions of one system; every seed has the same utterances.
        draws: Number of shuffles.
        seed: Of the generator of the shuffles.

    Raises:
        PredictionsError: The table cannot be scored; see ``score``.

    Example:
        >>> rows = [Prediction.of(seed=0, fold="one", file=f"{n}", speaker="s",
        ...                       emotion=("anger", "sadness")[n % 2],
        ...                       emotions=("anger", "sadness"), probabilities=[0.75, 0.25])
        ...         for n in range(10)]
        >>> chance_check(rows).text
        'UAR 0.500 is NOT better than chance: labels shuffled within speakers give 0.500 \
(permutation test, p = 1)'
    """
    if draws < 1:
        raise ValueError(f"a permutation test needs at least one shuffle, not {draws}")
    emotions, reference, predicted, rows_of_seed = _coded(rows)
    size = len(emotions)
    speakers = np.unique(np.array([row.speaker for row in rows_of_seed]), return_inverse=True)[1]
    real = float(_uar(_confusions(reference[None], predicted, size))[0])
    of_speaker = [np.flatnonzero(speakers == s) for s in range(int(speakers.max()) + 1)]
    if all(len(set(reference[own].tolist())) < 2 for own in of_speaker):
        return ChanceCheck(
            uar=real, chance=math.nan, p_value=math.nan, draws=draws,
            reason="no speaker shows two emotions, so there is nothing to shuffle",
        )  # fmt: skip
    generator = np.random.default_rng(seed)
    values: list[Float[np.ndarray, " _"]] = []
    for start in range(0, draws, 100):  # in parts, for memory
        shuffled = np.tile(reference, (min(100, draws - start), 1))
        for own in of_speaker:
            shuffled[:, own] = generator.permuted(shuffled[:, own], axis=1)
        values.append(_uar(_confusions(shuffled, predicted, size)))
    by_chance = np.concatenate(values)
    as_high = int((by_chance >= real - 1e-12).sum())  # equal counts may add up unequally
    return ChanceCheck(
        uar=real,
        chance=float(by_chance.mean()),
        p_value=(1 + as_high) / (1 + draws),
        draws=draws,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class LabelShift:
    """How many rows the labels would have to move to fit the predictions best."""

    offset: int
    """The prediction in row ``n``, sorted by file, fits the label in row ``n + offset``."""
    within: str
    """``"table"``, or ``"fold"`` when rows are counted in each fold by itself."""
    war: float
    """Share of utterances heard right as the table stands, mean over seeds."""
    war_shifted: float
    """The same with labels ``offset`` rows on."""
    p_value: float
    """Of such a rise by chance, over all offsets looked at."""

    @property
    def is_fault(self) -> bool:
        """Labels some rows off explain the predictions far better."""
        return self.offset != 0 and self.p_value < FAULT_LEVEL

    @property
    def text(self) -> str:
        """What a report says of it; empty when there is no fault."""
        if not self.is_fault:
            return ""
        rows = f"{abs(self.offset)} row{'s' * (abs(self.offset) != 1)}"
        where = "the table" if self.within == "table" else "each fold"
        return (
            f"labels seem shifted: sorted by file, the predictions of {where} fit the labels "
            f"{rows} {'on' if self.offset > 0 else 'back'} far better (WAR {self.war_shifted:.3f}, "
            f"not {self.war:.3f}). Put labels and predictions together by file, never by position"
        )


def shifted_labels(rows: Iterable[Prediction]) -> LabelShift:
    """Look for a constant offset between labels and predictions, rows sorted by file.

    Two lists sorted or filtered differently and put together by position is a classic fault: every
    label belongs to the row above. Each offset is tried, over the whole table and within folds, the
    last rows fitting the first again. Its gain in WAR is judged by the sign of the utterances that
    it puts right or wrong, with a p-value for all offsets together (Bonferroni). Where neighbours
    share their emotion, as in names that begin with it, a small offset changes few labels and is
    not seen.

    Args:
        rows: Predictions of one system; every seed has the same utterances.

    Returns:
        The offset with the smallest p-value; ``is_fault`` says whether it is one.

    Raises:
        PredictionsError: The table cannot be scored; see ``score``.

    Example:
        >>> def row(number, heard):
        ...     told = [float(e == heard) for e in ("anger", "neutral", "sadness")]
        ...     return Prediction.of(seed=0, fold="one", file=f"{number:03d}", speaker="s",
        ...                          emotion=labels[number], probabilities=told,
        ...                          emotions=("anger", "neutral", "sadness"))
        >>> labels = np.random.default_rng(0).choice(["anger", "neutral", "sadness"], 90).tolist()
        >>> shift = shifted_labels([row(n, labels[(n + 2) % 90]) for n in range(90)])
        >>> shift.offset, shift.is_fault
        (2, True)
    """
    emotions, reference, predicted, rows_of_seed = _coded(rows)
    whole = np.zeros(len(reference), dtype=np.int64)
    groups = {"table": whole}
    folds = np.unique(np.array([row.fold for row in rows_of_seed]), return_inverse=True)[1]
    if folds.max() > 0:
        groups["fold"] = folds
    agreement = {
        within: _agreement(reference, predicted, of_row, len(emotions))
        for within, of_row in groups.items()
    }  # [R, O] each, offset 0 first
    tried = max(sum(right.shape[1] - 1 for right in agreement.values()), 1)
    number = len(reference)
    found: list[LabelShift] = []
    for within, right in agreement.items():
        mean = right.mean(axis=0)
        best = int(mean.argmax())  # of equals the first, so that no gain is no offset
        moved = np.stack([_moved(reference, groups[within], best)] * len(predicted))
        p_value = _p_value(
            (moved == predicted) & (reference != predicted),
            (moved != predicted) & (reference == predicted),
            tried,
        )
        offset = best if best <= right.shape[1] // 2 else best - right.shape[1]
        found.append(
            LabelShift(
                offset=offset,
                within=within,
                war=float(mean[0]) / number,
                war_shifted=float(mean[best]) / number,
                p_value=p_value if best else 1.0,
            )
        )
    return min(found, key=lambda shift: shift.p_value)


@dataclass(frozen=True, kw_only=True, slots=True)
class LabelConfusion:
    """Other names for the emotions under which the predictions would fit the labels far better."""

    names: Mapping[str, str]
    """What is predicted, to what it seems to mean; empty when the names are right."""
    war: float
    """Share of utterances heard right as the table stands, mean over seeds."""
    war_renamed: float
    """The same with the predictions renamed."""
    p_value: float
    """Of such a rise by chance, over all maps looked at; 1 when nothing would be renamed."""

    @property
    def is_fault(self) -> bool:
        """Some emotions seem to have each other's names."""
        return bool(self.names)

    @property
    def text(self) -> str:
        """What a report says of it; empty when there is no fault."""
        if not self.is_fault:
            return ""
        names = ", ".join(f"{said} means {meant}" for said, meant in self.names.items())
        return (
            f"the class map seems wrong: if {names}, WAR is {self.war_renamed:.3f} and not "
            f"{self.war:.3f}. Compare the order of the emotions in training and in this table"
        )


def confused_labels(rows: Iterable[Prediction]) -> LabelConfusion:
    """Look for emotions that have each other's names, as after a class map in another order.

    The permutation of the predicted names with the highest WAR is found by linear assignment on the
    confusion (Kuhn, "The Hungarian method for the assignment problem", 1955). It falls into cycles;
    those are reported that put far more utterances right than wrong, with a p-value for all
    permutations together (Bonferroni).

    Args:
        rows: Predictions of one system; every seed has the same utterances.

    Raises:
        PredictionsError: The table cannot be scored; see ``score``.

    Example:
        >>> swapped = {"anger": "sadness", "sadness": "anger", "neutral": "neutral"}
        >>> rows = [Prediction.of(seed=0, fold="one", file=f"{n}{e}", speaker="s", emotion=e,
        ...                       emotions=tuple(swapped),
        ...                       probabilities=[float(swapped[e] == heard) for heard in swapped])
        ...         for n in range(20) for e in swapped]
        >>> confused_labels(rows).names
        {'anger': 'sadness', 'sadness': 'anger'}
    """
    from scipy.optimize import linear_sum_assignment

    emotions, reference, predicted, _ = _coded(rows)
    size = len(emotions)
    counts = _confusions(reference[None], predicted, size)[0].sum(axis=0)
    # twice, and one more for the names as they are, so that of equals nothing is renamed
    meant_of, said_of = linear_sum_assignment(2 * counts + np.eye(size), maximize=True)
    means = np.empty(size, dtype=np.int64)
    means[said_of] = meant_of  # predicted index to the reference it fits
    tried = max(math.factorial(size) - 1, 1)
    renamed = np.arange(size)
    p_value = 1.0
    for cycle in _cycles(means.tolist()):
        own = np.arange(size)
        own[cycle] = means[cycle]
        of_cycle = _p_value(
            (own[predicted] == reference) & (predicted != reference),
            (own[predicted] != reference) & (predicted == reference),
            tried,
        )
        if of_cycle < FAULT_LEVEL:
            renamed[cycle] = means[cycle]
            p_value = min(p_value, of_cycle)
    return LabelConfusion(
        names={
            emotions[said]: emotions[meant]
            for said, meant in enumerate(renamed.tolist())
            if said != meant
        },
        war=float((predicted == reference).mean()),
        war_renamed=float((renamed[predicted] == reference).mean()),
        p_value=p_value,
    )


def doubts(rows: Sequence[Prediction], *, draws: int = CHANCE_DRAWS) -> tuple[str, ...]:
    """What a reader must know before believing a table: one sentence per fault, none when sound.

    Of shifted labels and a wrong class map the one is named that explains the predictions better.

    Args:
        rows: Predictions of one system; every seed has the same utterances.
        draws: Of the permutation test.

    Example:
        >>> rows = [Prediction.of(seed=0, fold="one", file=f"{n}", speaker="s", emotion=e,
        ...                       emotions=("anger", "sadness"),
        ...                       probabilities=[float(e == "anger"), float(e != "anger")])
        ...         for n, e in enumerate(["anger", "sadness"] * 10)]
        >>> doubts(rows)
        ()
    """
    chance = chance_check(rows, draws=draws)
    said = [] if chance.is_better else [chance.text]
    shift, confusion = shifted_labels(rows), confused_labels(rows)
    # where neighbours in the table go together, one fault looks like the other: name the likelier
    if confusion.is_fault and not (shift.is_fault and shift.war_shifted >= confusion.war_renamed):
        said.append(confusion.text)
    elif shift.is_fault:
        said.append(shift.text)
    return tuple(said)


def _mcnemar(
    seeds: tuple[Seed, Seed], first: Sequence[Prediction], second: Sequence[Prediction]
) -> McNemar:
    of_second = {row.file: row.predicted == row.emotion for row in second}
    counts = dict.fromkeys([(True, True), (True, False), (False, True), (False, False)], 0)
    for row in first:
        counts[row.predicted == row.emotion, of_second[row.file]] += 1
    return McNemar(
        seeds=seeds,
        both_right=counts[True, True],
        only_first=counts[True, False],
        only_second=counts[False, True],
        both_wrong=counts[False, False],
    )


def _coded(
    rows: Iterable[Prediction],
) -> tuple[tuple[str, ...], Int[np.ndarray, " B"], Int[np.ndarray, "R B"], list[Prediction]]:
    """The scheme, references and predictions as indices into it, and one seed's rows by file."""
    table = list(rows)
    if not table:
        raise PredictionsError("there are no predictions to check")
    emotions = scheme(table)
    place = {emotion: index for index, emotion in enumerate(emotions)}
    seeds = [sorted(part, key=lambda row: row.file) for part in complete_seeds(table).values()]
    reference = np.array([place[row.emotion] for row in seeds[0]], dtype=np.int64)
    predicted = np.array([[place[row.predicted] for row in part] for part in seeds], dtype=np.int64)
    return emotions, reference, predicted, seeds[0]


def _confusions(
    reference: Int[np.ndarray, "D B"], predicted: Int[np.ndarray, "R B"], size: int
) -> Int[np.ndarray, "D R C C"]:
    draws, seeds = len(reference), len(predicted)
    cell = reference[:, None] * size + predicted[None]  # [D, R, B]
    table = np.arange(draws * seeds).reshape(draws, seeds, 1) * size**2
    counts = np.bincount((table + cell).reshape(-1), minlength=draws * seeds * size**2)
    return counts.reshape(draws, seeds, size, size)


def _uar(counts: Int[np.ndarray, "D R C C"]) -> Float[np.ndarray, " D"]:
    return np.asarray(METRICS["uar"](counts, "skip")).mean(axis=1)


def _agreement(
    reference: Int[np.ndarray, " B"],
    predicted: Int[np.ndarray, "R B"],
    group: Int[np.ndarray, " B"],
    size: int,
) -> Float[np.ndarray, "R O"]:
    """Utterances right under each offset, by circular correlation within each group.

    Offsets run to the length of the shortest group, which is back at 0 there.
    """
    parts = [np.flatnonzero(group == number) for number in range(int(group.max()) + 1)]
    num_offsets = min(len(part) for part in parts)
    right = np.zeros((len(predicted), num_offsets))
    places = np.arange(num_offsets)
    signed = np.where(places <= num_offsets // 2, places, places - num_offsets)
    for part in parts:
        of_part = np.zeros((len(predicted), len(part)))
        for emotion in range(size):
            said = np.fft.rfft(predicted[:, part] == emotion, axis=1)
            meant = np.fft.rfft(reference[part] == emotion)
            of_part += np.fft.irfft(np.conj(said) * meant, n=len(part), axis=1)
        right += np.rint(of_part)[:, signed]
    return right


def _moved(
    reference: Int[np.ndarray, " B"], group: Int[np.ndarray, " B"], best: int
) -> Int[np.ndarray, " B"]:
    """The labels that stand ``offset`` rows on in each group, as ``_agreement`` counts them."""
    parts = [np.flatnonzero(group == number) for number in range(int(group.max()) + 1)]
    num_offsets = min(len(part) for part in parts)
    offset = best if best <= num_offsets // 2 else best - num_offsets
    moved = reference.copy()
    for part in parts:
        moved[part] = np.roll(reference[part], -offset)
    return moved


def _p_value(
    put_right: Num[np.ndarray, "R B"] | np.ndarray,
    put_wrong: Num[np.ndarray, "R B"] | np.ndarray,
    tried: int,
) -> float:
    """One-sided sign test of utterances put right against wrong, for ``tried`` of such tests.

    Seeds share the utterances, so the mean count over seeds is judged as that of one.
    """
    gain = float(put_right.sum(axis=1).mean())
    loss = float(put_wrong.sum(axis=1).mean())
    if gain <= loss:
        return 1.0
    score = (gain - loss - 1) / math.sqrt(gain + loss)
    return min(1.0, tried * math.erfc(score / math.sqrt(2)) / 2)


def _cycles(means: Sequence[int]) -> list[list[int]]:
    """The cycles of a permutation that move something."""
    left = {said for said, meant in enumerate(means) if said != meant}
    cycles: list[list[int]] = []
    while left:
        cycle = [left.pop()]
        while means[cycle[-1]] in left:
            cycle.append(means[cycle[-1]])
            left.remove(cycle[-1])
        cycles.append(cycle)
    return cycles
