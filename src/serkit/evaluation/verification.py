"""Verification: is this the same emotion? Error rates over trials, and decisions.

A score is higher for what is more alike, and a trial is accepted when its score reaches the
threshold. Error rates are shares of weight: with weights a list of trials is balanced without
leaving any out. The equal error rate and the least cost describe scores; a decision uses a
threshold that was chosen on the development side.
"""

# Shapes: N trials, P operating points, S speakers, D draws, R seeds.

import csv
import difflib
import io
import math
import statistics
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int, Num

from serkit.evaluation.interval import DRAWS
from serkit.evaluation.predictions import PredictionsError, Seed, read_table, write_whole
from serkit.evaluation.resampling import drawn_figure
from serkit.evaluation.scores import Figure

TrialScores = Sequence[float] | Sequence[int] | Num[np.ndarray, " _"]
"""One score per trial."""
Targets = Sequence[bool] | Bool[np.ndarray, " _"]
"""Whether each trial is a target."""
Weights = Sequence[float] | Sequence[int] | Num[np.ndarray, " _"]
"""What each trial counts for; 0 or more."""

EQUAL = 1e-12
"""Two shares of weight no further apart are equal; sums of weights are not exact."""
DIGITS = 9
"""Of the scores and weights in a table: what a score computed in float32 has."""
COLUMNS = ("seed", "fold", "enrolment", "probe", "speaker", "is_target", "weight", "score")
COSTS: Mapping[str, tuple[float, float, float]] = {
    "min_dcf_0.05": (0.05, 1.0, 1.0),
    "min_dcf_0.5": (0.5, 1.0, 1.0),
}
"""Least detection costs that are reported: share of targets, cost of a miss, of a false acceptance.
"""
FIGURES = ("eer", *COSTS, "unweighted_eer")
MOST_CELLS = 4_000_000
"""Numbers of one block of draws by thresholds, 32 MB."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class DetCurve:
    """Both error rates at every operating point: one per distinct score, and none accepted.

    Example:
        >>> curve = det_curve([0.1, 0.2, 0.2, 0.3], [False, False, True, True])
        >>> curve.thresholds.tolist(), curve.miss.tolist(), curve.false_acceptance.tolist()
        ([0.1, 0.2, 0.3, inf], [0.0, 0.0, 0.5, 1.0], [1.0, 0.5, 0.0, 0.0])
    """

    thresholds: Float[np.ndarray, " P"]
    """Rising; the last is infinite."""
    miss: Float[np.ndarray, " P"]
    """Share of targets below the threshold; never falls."""
    false_acceptance: Float[np.ndarray, " P"]
    """Share of non-targets at or above the threshold; never rises."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EqualErrorRate:
    """Where misses and false acceptances are equally frequent."""

    value: float
    """By linear interpolation; in [0, 1], lower is better."""
    threshold: float
    """Of the point, or of the second of the two points that it lies between."""
    eer_max: float
    """The larger rate at the nearest point: for comparison with other toolkits only."""

    def __str__(self) -> str:
        return f"{self.value:.3f}"


@dataclass(frozen=True, kw_only=True, slots=True)
class MinDcf:
    """The least detection cost, and the three numbers without which it means nothing."""

    value: float
    """In [0, 1], lower is better; 1 is what accepting all or none costs."""
    threshold: float
    """The lowest threshold of that cost."""
    p_target: float
    c_miss: float
    c_fa: float

    def __str__(self) -> str:
        return f"{self.value:.3f} (at {self.p_target:g}, {self.c_miss:g}, {self.c_fa:g})"


@dataclass(frozen=True, kw_only=True, slots=True)
class Decisions:
    """Error rates of accepting and rejecting at a given threshold."""

    threshold: float
    miss: float
    """Share of targets rejected; NaN without targets."""
    false_acceptance: float
    """Share of non-targets accepted; NaN without non-targets."""
    num_targets: int
    num_non_targets: int


def det_curve(
    scores: TrialScores, is_target: Targets, *, weights: Weights | None = None
) -> DetCurve:
    """Detection error trade-off: misses and false acceptances at every threshold.

    Equal scores move together. A trial of weight 0 makes no operating point (Martin, Doddington,
    Kamm, Ordowski, Przybocki, "The DET curve in assessment of detection task performance",
    Eurospeech 1997).

    Args:
        scores: Higher is more alike.
        is_target: Whether each trial matches.
        weights: What each trial counts for; None counts each once.

    Raises:
        ValueError: Lengths that differ, a score or weight that is not finite, a negative weight, or
            no targets or no non-targets of any weight.

    Example:
        >>> det_curve([1.0, 2.0], [False, True]).miss.tolist()
        [0.0, 0.0, 1.0]
    """
    values, target, weight = _checked(scores, is_target, weights)
    for kind, total in (("targets", weight[target].sum()), ("non-targets", weight[~target].sum())):
        if not total > 0:
            raise ValueError(
                f"an error rate needs targets and non-targets, but of {len(values)} trials there "
                f"are no {kind} of any weight"
            )
    counting = weight > 0
    values, target, weight = values[counting], target[counting], weight[counting]
    thresholds, place = np.unique(values, return_inverse=True)
    of_targets, of_others = (
        np.bincount(place[kind], weight[kind], len(thresholds)) for kind in (target, ~target)
    )
    missed = np.concatenate([[0.0], np.cumsum(of_targets)])
    accepted = np.concatenate([np.cumsum(of_others[::-1])[::-1], [0.0]])
    return DetCurve(
        thresholds=np.append(thresholds, np.inf),
        miss=missed / missed[-1],
        false_acceptance=accepted / accepted[0],
    )


def eer(
    scores: TrialScores, is_target: Targets, *, weights: Weights | None = None
) -> EqualErrorRate:
    """Equal error rate, with its threshold.

    With ``d = P_miss - P_fa``, which rises with the threshold: if ``d = 0`` at a point, the rate
    there. Else between the last point with ``d0 < 0`` and the first with ``d1 > 0`` by linear
    interpolation: ``lambda = -d0 / (d1 - d0)``, ``EER = m0 + lambda (m1 - m0)``, ``m`` the misses;
    the threshold is that of the second point. Also called EER, crossover error rate.

    Range [0, 1], lower is better; 0.5 is chance. It describes scores; to decide, use ``decide``
    with a threshold from the development side.

    Args:
        scores: Higher is more alike.
        is_target: Whether each trial matches.
        weights: What each trial counts for; None counts each once.

    Raises:
        ValueError: As for ``det_curve``.

    Example:
        >>> rate = eer([0.1, 0.4, 0.35, 0.8], [False, False, True, True])
        >>> rate.value, rate.threshold
        (0.5, 0.4)
    """
    curve = det_curve(scores, is_target, weights=weights)
    apart = curve.miss - curve.false_acceptance
    second = int(np.argmax(apart >= -EQUAL))  # the first point is -1, the last 1
    both = slice(second - 1, second + 1)
    value = _crossing(curve.miss[both, None], apart[both, None])[0]
    # Of two equally near points the higher threshold, which others meet first.
    nearest = len(apart) - 1 - int(np.argmin(np.abs(apart[::-1])))
    return EqualErrorRate(
        value=float(value),
        threshold=float(curve.thresholds[second]),
        eer_max=float(max(curve.miss[nearest], curve.false_acceptance[nearest])),
    )


def min_dcf(
    scores: TrialScores,
    is_target: Targets,
    *,
    p_target: float,
    c_miss: float = 1.0,
    c_fa: float = 1.0,
    weights: Weights | None = None,
) -> MinDcf:
    """Least detection cost over all thresholds, as a share of the best cost without listening.

    ``min_t [c_miss p P_miss(t) + c_fa (1 - p) P_fa(t)] / min(c_miss p, c_fa (1 - p))`` (NIST
    speaker recognition evaluation plans). Range [0, 1], lower is better. A figure means something
    only with its three numbers, so they are part of it.

    Args:
        scores: Higher is more alike.
        is_target: Whether each trial matches.
        p_target: Share of targets that is assumed, between 0 and 1.
        c_miss: Cost of a miss.
        c_fa: Cost of a false acceptance.
        weights: What each trial counts for; None counts each once.

    Raises:
        ValueError: As for ``det_curve``, or costs that are not positive.

    Example:
        >>> print(min_dcf([0.1, 0.4, 0.35, 0.8], [False, False, True, True], p_target=0.05))
        0.500 (at 0.05, 1, 1)
    """
    of_miss, of_acceptance = _costs(p_target, c_miss, c_fa)
    curve = det_curve(scores, is_target, weights=weights)
    cost = of_miss * curve.miss + of_acceptance * curve.false_acceptance
    least = int(np.argmin(cost))
    return MinDcf(
        value=float(cost[least]),
        threshold=float(curve.thresholds[least]),
        p_target=p_target,
        c_miss=c_miss,
        c_fa=c_fa,
    )


def threshold_at(
    scores: TrialScores,
    is_target: Targets,
    *,
    false_acceptance: float,
    weights: Weights | None = None,
) -> float:
    """The lowest threshold at which no more than a given share of non-targets is accepted.

    Args:
        scores: Of development trials; higher is more alike.
        is_target: Whether each trial matches.
        false_acceptance: The share, such as 0.01 or 0.05.
        weights: What each trial counts for; None counts each once.

    Returns:
        One of the scores, or infinity when only accepting none keeps to the share.

    Raises:
        ValueError: As for ``det_curve``, or a share outside [0, 1].

    Example:
        >>> threshold_at([0.1, 0.4, 0.35, 0.8], [False, False, True, True], false_acceptance=0.5)
        0.35
    """
    if not 0.0 <= false_acceptance <= 1.0:
        raise ValueError(f"a false acceptance of {false_acceptance} is no share between 0 and 1")
    curve = det_curve(scores, is_target, weights=weights)
    return float(curve.thresholds[np.argmax(curve.false_acceptance <= false_acceptance + EQUAL)])


def decide(
    scores: TrialScores, is_target: Targets, *, threshold: float, weights: Weights | None = None
) -> Decisions:
    """Accept what reaches the threshold, and count the errors.

    The threshold comes from elsewhere (``eer(...).threshold`` or ``threshold_at`` of development
    trials); one chosen on these very trials describes them and decides nothing.

    Args:
        scores: Higher is more alike.
        is_target: Whether each trial matches.
        threshold: Accept at or above it.
        weights: What each trial counts for; None counts each once.

    Raises:
        ValueError: As for ``det_curve``, but a side may be empty; a threshold that is not a number.

    Example:
        >>> decisions = decide([0.1, 0.4, 0.35, 0.8], [False, False, True, True], threshold=0.4)
        >>> decisions.miss, decisions.false_acceptance
        (0.5, 0.5)
    """
    if math.isnan(threshold):
        raise ValueError("the threshold is nan; take one from development trials")
    values, target, weight = _checked(scores, is_target, weights)
    accepted = values >= threshold

    def share(wrong: Bool[np.ndarray, " N"], side: Bool[np.ndarray, " N"]) -> float:
        total = float(weight[side].sum())
        return float(weight[side & wrong].sum()) / total if total > 0 else math.nan

    return Decisions(
        threshold=threshold,
        miss=share(~accepted, target),
        false_acceptance=share(accepted, ~target),
        num_targets=int(target.sum()),
        num_non_targets=int((~target).sum()),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class ScoredTrial:
    """One trial of one run with its score: a row of ``results/scores/*.csv.gz``.

    Example:
        >>> ScoredTrial.of(seed=0, fold="03", enrolment="anger", probe="emodb/03a01Wa",
        ...                speaker="emodb/03", is_target=True, score=1 / 3).score
        0.333333333
    """

    seed: Seed
    fold: str
    enrolment: str
    """An enrolled emotion, or the id of one utterance."""
    probe: str
    """Id of the utterance that was tried."""
    speaker: str
    """The probe's; empty when unknown, and then there is no interval."""
    is_target: bool
    weight: float
    score: float
    """Higher is more alike."""

    @staticmethod
    def of(
        *,
        seed: Seed,
        fold: str,
        enrolment: str,
        probe: str,
        speaker: str | None,
        is_target: bool,
        score: float,
        weight: float = 1.0,
    ) -> "ScoredTrial":
        """Make a row as it will stand in the table, with nine digits.

        Args:
            seed: Of the run.
            fold: Whose test side the probe is on.
            enrolment: An enrolled emotion, or the id of one utterance.
            probe: Id of the utterance that was tried.
            speaker: The probe's, or None when unknown.
            is_target: Whether they match.
            score: Higher is more alike.
            weight: What the trial counts for.
        """
        row = ScoredTrial(
            seed=seed,
            fold=fold,
            enrolment=enrolment,
            probe=probe,
            speaker=speaker or "",
            is_target=is_target,
            weight=float(f"{weight:.{DIGITS}g}"),
            score=float(f"{score:.{DIGITS}g}"),
        )
        _check_row(row, f"{enrolment} and {probe}")
        return row


@dataclass(frozen=True, kw_only=True, slots=True)
class VerificationScores:
    """Everything that is read off one table of scored trials."""

    seeds: tuple[Seed, ...]
    folds: tuple[str, ...]
    """In the order of the table."""
    num_trials: int
    """Of one seed."""
    num_targets: int
    """Of one seed."""
    num_speakers: int
    """Of the probes."""
    figures: Mapping[str, Figure]
    """``"eer"``, ``"min_dcf_0.05"`` and ``"min_dcf_0.5"`` (both costs 1), ``"unweighted_eer"``."""
    by_enrolment: Mapping[str, float]
    """Equal error rate of the trials of each enrolment, mean over seeds, where both sides occur."""
    curves: Mapping[Seed, DetCurve]
    """Pooled, for the figure."""


def write_scored_trials(path: str | Path, rows: Iterable[ScoredTrial]) -> Path:
    """Write scored trials: ``.csv``, or ``.csv.gz`` with the same bytes for the same rows.

    Args:
        path: Such as ``results/scores/verify.emodb-loso.csv.gz``; its folder is made.
        rows: At least one.

    Raises:
        PredictionsError: No rows, a trial twice in one seed, a score that is not finite, a negative
            weight, or a name that is empty or has a line break.

    Example:
        >>> import tempfile
        >>> row = ScoredTrial.of(seed=0, fold="03", enrolment="anger", probe="a", speaker="s",
        ...                      is_target=True, score=0.5)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = write_scored_trials(Path(folder) / "scores.csv.gz", [row])
        ...     read_scored_trials(path) == [row]
        True
    """
    path, table = Path(path), list(rows)
    if not table:
        raise PredictionsError(f"{path}: there are no trials to write")
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    written = set[tuple[Seed, str, str]]()
    for number, row in enumerate(table):
        where = f"{path}: row {number + 1} ({row.enrolment} and {row.probe})"
        _check_row(row, where)
        if (row.seed, row.enrolment, row.probe) in written:
            raise PredictionsError(f"{where}: seed {row.seed} tries them a second time")
        written.add((row.seed, row.enrolment, row.probe))
        writer.writerow(
            [row.seed, row.fold, row.enrolment, row.probe, row.speaker, int(row.is_target)]
            + [repr(float(value)) for value in (row.weight, row.score)]
        )
    write_whole(path, text.getvalue())
    return path


def read_scored_trials(path: str | Path) -> list[ScoredTrial]:
    """Read scored trials and check every row.

    Args:
        path: A ``.csv`` or ``.csv.gz`` with the columns ``seed, fold, enrolment, probe, speaker,
            is_target, weight, score``; ``is_target`` is 1 or 0.

    Raises:
        FileNotFoundError: There is no such file.
        PredictionsError: The table is malformed; the message names the row and the remedy.
    """
    return read_table(Path(path), _parse, what="table of trials")


def score_trials(rows: Iterable[ScoredTrial], *, draws: int = DRAWS) -> VerificationScores:
    """Score a table of trials: pooled per seed, mean over seeds, per fold, with intervals.

    Pooled figures put the scores of all folds under one threshold. Intervals draw the probes'
    speakers, each with all trials of its probes.

    Args:
        rows: Scored trials of one system under one protocol; every seed has the same trials.
        draws: Of the bootstrap over the probes' speakers.

    Raises:
        PredictionsError: The seeds did not try the same, or one trial occurs twice in a seed.
        ValueError: A seed without targets, or without non-targets.

    Example:
        >>> rows = [
        ...     ScoredTrial.of(seed=0, fold="one", enrolment=emotion, probe=str(n), speaker="s",
        ...                    is_target=emotion == "anger", score=score)
        ...     for n, emotion, score in ((1, "anger", 0.9), (2, "anger", 0.3), (3, "fear", 0.2))
        ... ]
        >>> str(score_trials(rows).figures["eer"])
        '0.000 (1 speaker, no interval)'
    """
    table = list(rows)
    if not table:
        raise PredictionsError("there are no trials to score")
    seeds = _complete_seeds(table)
    one_seed = next(iter(seeds.values()))
    folds = tuple(dict.fromkeys(row.fold for row in table))
    speakers = tuple(sorted({row.speaker for row in one_seed}))
    weighted = [_BySpeaker.of(part, speakers) for part in seeds.values()]
    unweighted = [_BySpeaker.of(part, speakers, weighted=False) for part in seeds.values()]

    def figure(name: str) -> Figure:
        sides = unweighted if name == "unweighted_eer" else weighted
        return drawn_figure(
            name,
            {seed: _value(name, part) for seed, part in seeds.items()},
            _by_fold(seeds, lambda rows: _value(name, rows) if _has_both(rows) else math.nan),
            lambda weights: np.mean([_drawn(name, side, weights) for side in sides], axis=0),
            speakers=speakers,
            draws=draws,
        )

    return VerificationScores(
        seeds=tuple(seeds),
        folds=folds,
        num_trials=len(one_seed),
        num_targets=sum(row.is_target for row in one_seed),
        num_speakers=len(speakers),
        figures={name: figure(name) for name in FIGURES},
        by_enrolment=_by_enrolment(seeds),
        curves={
            seed: det_curve(*_columns(part)[:2], weights=_columns(part)[2])
            for seed, part in seeds.items()
        },
    )


def decide_trials(
    test: Iterable[ScoredTrial],
    development: Iterable[ScoredTrial],
    *,
    false_acceptance: float | None = None,
    draws: int = DRAWS,
) -> dict[str, Figure]:
    """Decisions on test trials, with each seed's and fold's threshold from its development trials.

    Args:
        test: Scored trials of the test sides.
        development: Scored trials of the development sides of the same seeds and folds.
        false_acceptance: Threshold at which so many development non-targets are accepted; None
            takes the threshold of the development side's equal error rate.
        draws: Of the bootstrap over the probes' speakers.

    Returns:
        ``"miss"`` and ``"false_acceptance"``, pooled over folds, with intervals.

    Raises:
        PredictionsError: A seed and fold without development trials, or a development trial that is
            tested as well.

    Example:
        >>> def rows(fold, *scores):
        ...     return [ScoredTrial.of(seed=0, fold=fold, enrolment="anger", probe=f"{n}{scores}",
        ...                            speaker="s", is_target=n > 1, score=score)
        ...             for n, score in enumerate(scores)]
        >>> development = rows("one", 0.1, 0.2, 0.5, 0.6)
        >>> figures = decide_trials(rows("one", 0.1, 0.6, 0.4, 0.9), development)
        >>> figures["miss"].mean, figures["false_acceptance"].mean
        (0.5, 0.5)
    """
    seeds = _complete_seeds(table := list(test))
    chosen: dict[tuple[Seed, str], list[ScoredTrial]] = defaultdict(list)
    tested = {(row.seed, row.fold, row.enrolment, row.probe) for row in table}
    for row in development:
        if (row.seed, row.fold, row.enrolment, row.probe) in tested:
            raise PredictionsError(
                f"seed {row.seed}, fold {row.fold}: {row.enrolment} and {row.probe} are tried on "
                "both sides; a threshold comes from trials that are not tested"
            )
        chosen[row.seed, row.fold].append(row)
    thresholds: dict[tuple[Seed, str], float] = {}
    for key in dict.fromkeys((row.seed, row.fold) for row in table):
        if key not in chosen:
            raise PredictionsError(
                f"seed {key[0]}, fold {key[1]}: no development trials to take a threshold from"
            )
        scores, targets, weights = _columns(chosen[key])
        thresholds[key] = (
            eer(scores, targets, weights=weights).threshold
            if false_acceptance is None
            else threshold_at(scores, targets, false_acceptance=false_acceptance, weights=weights)
        )
    speakers = tuple(sorted({row.speaker for row in table}))

    def wrong(row: ScoredTrial) -> bool:
        return (row.score >= thresholds[row.seed, row.fold]) != row.is_target

    def sums(rows: Iterable[ScoredTrial], is_target: bool) -> tuple[float, float]:
        side = [row for row in rows if row.is_target == is_target]
        return math.fsum(r.weight for r in side if wrong(r)), math.fsum(r.weight for r in side)

    def share(rows: Iterable[ScoredTrial], is_target: bool) -> float:
        error, total = sums(rows, is_target)
        return error / total if total > 0 else math.nan

    figures: dict[str, Figure] = {}
    for name, is_target in (("miss", True), ("false_acceptance", False)):
        by_speaker = np.array(
            [
                [sums((r for r in part if r.speaker == s), is_target) for s in speakers]
                for part in seeds.values()
            ]
        )

        def drawn(
            weights: Int[np.ndarray, "D S"], by_speaker: Float[np.ndarray, "R S 2"] = by_speaker
        ) -> Float[np.ndarray, " D"]:
            added = weights @ by_speaker
            return _quotient(added[..., 0], added[..., 1]).mean(axis=0)

        figures[name] = drawn_figure(
            name,
            {seed: share(part, is_target) for seed, part in seeds.items()},
            _by_fold(seeds, lambda rows, is_target=is_target: share(rows, is_target)),
            drawn,
            speakers=speakers,
            draws=draws,
        )
    return figures


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _BySpeaker:
    """Weight of each speaker's trials below, and at or above, every operating point."""

    missed: Float[np.ndarray, "S P"]
    accepted: Float[np.ndarray, "S P"]

    @staticmethod
    def of(
        rows: Sequence[ScoredTrial], speakers: Sequence[str], *, weighted: bool = True
    ) -> "_BySpeaker":
        scores, targets, weights = _columns(rows)
        weights = weights if weighted else np.ones(len(rows))
        index = {speaker: place for place, speaker in enumerate(speakers)}
        of_speaker = np.array([index[row.speaker] for row in rows])
        thresholds, place = np.unique(scores, return_inverse=True)
        shape = len(speakers), len(thresholds)
        sides: list[Float[np.ndarray, "S P"]] = []
        for kind in (targets, ~targets):
            cells = np.ravel_multi_index((of_speaker[kind], place[kind]), shape)
            sides.append(np.bincount(cells, weights[kind], shape[0] * shape[1]).reshape(shape))
        none = np.zeros((len(speakers), 1))
        return _BySpeaker(
            missed=np.concatenate([none, np.cumsum(sides[0], axis=1)], axis=1),
            accepted=np.concatenate([np.cumsum(sides[1][:, ::-1], axis=1)[:, ::-1], none], axis=1),
        )


def _drawn(name: str, side: _BySpeaker, weights: Int[np.ndarray, "D S"]) -> Float[np.ndarray, " D"]:
    """A figure in each draw."""
    if name in COSTS:
        return _drawn_cost(side, weights, *_costs(*COSTS[name]))
    return _drawn_eer(side, weights)


def _drawn_eer(side: _BySpeaker, weights: Int[np.ndarray, "D S"]) -> Float[np.ndarray, " D"]:
    """Equal error rate in each draw: the crossing is found by halving, for all draws at once."""
    counts = weights.astype(np.float64)
    totals = counts @ side.missed[:, -1], counts @ side.accepted[:, 0]

    def rates(points: Int[np.ndarray, " D"]) -> tuple[Float[np.ndarray, " D"], ...]:
        miss, acceptance = (
            _quotient(np.einsum("ds,sd->d", counts, cells[:, points]), total)
            for cells, total in zip((side.missed, side.accepted), totals, strict=True)
        )
        return miss, miss - acceptance

    below = np.zeros(len(counts), dtype=np.int64)  # here d < 0
    above = np.full(len(counts), side.missed.shape[1] - 1)  # here d >= 0
    while (above - below > 1).any():
        middle = (below + above) // 2
        crossed = rates(middle)[1] >= -EQUAL
        above, below = np.where(crossed, middle, above), np.where(crossed, below, middle)
    (first, first_apart), (second, second_apart) = rates(below), rates(above)
    return _crossing(np.stack([first, second]), np.stack([first_apart, second_apart]))


def _drawn_cost(
    side: _BySpeaker, weights: Int[np.ndarray, "D S"], of_miss: float, of_acceptance: float
) -> Float[np.ndarray, " D"]:
    """Least detection cost in each draw."""
    # Below a score that no target has, raising the threshold costs nothing, so the least cost is
    # found at scores of targets, or where none is accepted.
    at_target = np.append(np.diff(side.missed, axis=1).any(axis=0), True)
    missed, accepted = side.missed[:, at_target], side.accepted[:, at_target]
    counts = weights.astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):  # a draw without a side is NaN below
        shares = np.concatenate(
            [
                of_miss * counts / (counts @ side.missed[:, -1])[:, None],
                of_acceptance * counts / (counts @ side.accepted[:, 0])[:, None],
            ],
            axis=1,
        )
        cells = np.concatenate([missed, accepted])
        block = max(1, MOST_CELLS // cells.shape[1])
        parts = [
            (shares[start : start + block] @ cells).min(axis=1)
            for start in range(0, len(shares), block)
        ]
    return np.concatenate(parts)


def _crossing(
    miss: Float[np.ndarray, "2 D"], apart: Float[np.ndarray, "2 D"]
) -> Float[np.ndarray, " D"]:
    """Misses where the rates are equal: at the second point, or between both in proportion."""
    share = -apart[0] / (apart[1] - apart[0])
    between = miss[0] + share * (miss[1] - miss[0])
    return np.where(np.abs(apart[1]) <= EQUAL, miss[1], between)


def _costs(p_target: float, c_miss: float, c_fa: float) -> tuple[float, float]:
    """What a miss and a false acceptance cost, as shares of the best cost without listening."""
    if not 0.0 < p_target < 1.0:
        raise ValueError(f"p_target is {p_target}; the share of targets is between 0 and 1")
    for name, cost in (("c_miss", c_miss), ("c_fa", c_fa)):
        if not (cost > 0.0 and math.isfinite(cost)):
            raise ValueError(f"{name} is {cost}; a cost is above 0")
    costs = c_miss * p_target, c_fa * (1.0 - p_target)
    return costs[0] / min(costs), costs[1] / min(costs)


def _checked(
    scores: TrialScores, is_target: Targets, weights: Weights | None
) -> tuple[Float[np.ndarray, " N"], Bool[np.ndarray, " N"], Float[np.ndarray, " N"]]:
    values = np.asarray(scores, dtype=np.float64)
    target = np.asarray(is_target, dtype=np.bool_)
    weight = np.ones(len(values)) if weights is None else np.asarray(weights, dtype=np.float64)
    for kind, column in (("claims of a target", target), ("weights", weight)):
        if len(column) != len(values):
            raise ValueError(
                f"{len(values)} scores but {len(column)} {kind}: one of each per trial"
            )
    for kind, column in (("score", values), ("weight", weight)):
        if not np.isfinite(column).all():
            place = int(np.flatnonzero(~np.isfinite(column))[0])
            raise ValueError(f"{kind} of trial {place} is {column[place]}, not a finite number")
    if (weight < 0).any():
        place = int(np.flatnonzero(weight < 0)[0])
        raise ValueError(f"weight of trial {place} is {weight[place]}; a weight is 0 or more")
    return values, target, weight


def _columns(
    rows: Sequence[ScoredTrial],
) -> tuple[Float[np.ndarray, " N"], Bool[np.ndarray, " N"], Float[np.ndarray, " N"]]:
    return (
        np.array([row.score for row in rows], dtype=np.float64),
        np.array([row.is_target for row in rows], dtype=np.bool_),
        np.array([row.weight for row in rows], dtype=np.float64),
    )


def _value(name: str, rows: Sequence[ScoredTrial]) -> float:
    scores, targets, weights = _columns(rows)
    if name in COSTS:
        p_target, c_miss, c_fa = COSTS[name]
        costs = {"p_target": p_target, "c_miss": c_miss, "c_fa": c_fa}
        return min_dcf(scores, targets, weights=weights, **costs).value
    return eer(scores, targets, weights=None if name == "unweighted_eer" else weights).value


def _has_both(rows: Iterable[ScoredTrial]) -> bool:
    """Whether there are targets and non-targets of some weight."""
    return {row.is_target for row in rows if row.weight > 0} == {True, False}


def _by_fold(
    seeds: Mapping[Seed, Sequence[ScoredTrial]], value: Callable[[Sequence[ScoredTrial]], float]
) -> dict[str, float]:
    """A figure of each fold, mean over seeds."""
    values: dict[str, list[float]] = defaultdict(list)
    for part in seeds.values():
        groups: dict[str, list[ScoredTrial]] = defaultdict(list)
        for row in part:
            groups[row.fold].append(row)
        for fold, rows in groups.items():
            values[fold].append(value(rows))
    return {fold: statistics.fmean(of_seeds) for fold, of_seeds in values.items()}


def _by_enrolment(seeds: Mapping[Seed, Sequence[ScoredTrial]]) -> dict[str, float]:
    values: dict[str, list[float]] = defaultdict(list)
    for part in seeds.values():
        groups: dict[str, list[ScoredTrial]] = defaultdict(list)
        for row in part:
            groups[row.enrolment].append(row)
        for name, rows in sorted(groups.items()):
            if _has_both(rows):
                values[name].append(_value("eer", rows))
    return {name: statistics.fmean(of_seeds) for name, of_seeds in values.items()}


def _quotient(
    above: Float[np.ndarray, "..."], below: Float[np.ndarray, "..."]
) -> Float[np.ndarray, "..."]:
    """NaN where nothing is divided by."""
    return np.divide(above, below, out=np.full(above.shape, np.nan), where=below > 0)


def _complete_seeds(rows: Iterable[ScoredTrial]) -> dict[Seed, list[ScoredTrial]]:
    """Rows by seed, once every seed is known to hold the same trials, once each."""
    seeds: dict[Seed, dict[tuple[str, str], ScoredTrial]] = defaultdict(dict)
    for row in rows:
        _check_row(row, f"{row.enrolment} and {row.probe}")
        if (row.enrolment, row.probe) in seeds[row.seed]:
            raise PredictionsError(
                f"seed {row.seed} tries {row.enrolment} and {row.probe} twice: each trial counts "
                "once"
            )
        seeds[row.seed][row.enrolment, row.probe] = row
    if not seeds:
        raise PredictionsError("there are no trials to score")
    first_seed, first = next(iter(seeds.items()))
    for seed, part in seeds.items():
        apart = sorted(first.keys() ^ part.keys())
        if apart:
            raise PredictionsError(
                f"seeds {first_seed} and {seed} did not try the same: {len(apart)} trials are in "
                f"only one of them, such as {' and '.join(apart[0])}; score complete seeds only"
            )
        for key, row in part.items():
            for name in ("fold", "speaker", "is_target", "weight"):
                known, other = getattr(first[key], name), getattr(row, name)
                if known != other:
                    raise PredictionsError(
                        f"{' and '.join(key)}: {name} is {known!r} in seed {first_seed} and "
                        f"{other!r} in seed {seed}"
                    )
    return {seed: list(part.values()) for seed, part in seeds.items()}


def _parse(lines: Any, path: Path) -> list[ScoredTrial]:
    header = next(lines, None)
    if not header:
        raise PredictionsError(f"{path}: the table is empty; its first line names the columns")
    for column in COLUMNS:
        if column not in header:
            near = difflib.get_close_matches(column, set(header) - set(COLUMNS), n=1)
            hint = f"; rename {near[0]!r}?" if near else ""
            raise PredictionsError(f"{path}: no column {column!r} among {', '.join(header)}{hint}")
        if header.count(column) > 1:
            raise PredictionsError(f"{path}: the column {column!r} occurs twice")
    place = {column: header.index(column) for column in COLUMNS}
    rows: list[ScoredTrial] = []
    seen = dict[tuple[Seed, str, str], int]()
    for cells in lines:
        if not cells:
            continue
        number = len(rows) + 1
        where = f"{path}: row {number} (line {lines.line_num})"
        if len(cells) != len(header):
            raise PredictionsError(f"{where} has {len(cells)} cells, the header {len(header)}")
        cell = {column: cells[index] for column, index in place.items()}
        if not cell["seed"]:
            raise PredictionsError(f"{where} has nothing under 'seed'")
        if cell["is_target"] not in ("0", "1"):
            raise PredictionsError(
                f"{where}: is_target is {cell['is_target']!r}; write 1 for a target, 0 for none"
            )
        row = ScoredTrial(
            seed=int(cell["seed"]) if cell["seed"].isdecimal() else cell["seed"],
            fold=cell["fold"],
            enrolment=cell["enrolment"],
            probe=cell["probe"],
            speaker=cell["speaker"],
            is_target=cell["is_target"] == "1",
            weight=_number(cell["weight"], "weight", where),
            score=_number(cell["score"], "score", where),
        )
        _check_row(row, where)
        key = (row.seed, row.enrolment, row.probe)
        if key in seen:
            raise PredictionsError(
                f"{where}: seed {row.seed} tries {row.enrolment} and {row.probe} a second time, "
                f"first in row {seen[key]}; keep one"
            )
        seen[key] = number
        rows.append(row)
    if not rows:
        raise PredictionsError(f"{path}: the table has a header and no rows")
    return rows


def _number(cell: str, column: str, where: str) -> float:
    try:
        return float(cell)
    except ValueError:
        raise PredictionsError(f"{where}: {column} is {cell!r}, not a number") from None


def _check_row(row: ScoredTrial, where: str) -> None:
    if isinstance(row.seed, str) and row.seed.isdecimal():
        raise PredictionsError(f"{where}: the seed {row.seed!r} is text; give the number")
    if isinstance(row.seed, int) and row.seed < 0:
        raise PredictionsError(f"{where}: the seed {row.seed} is negative")
    for name in ("seed", "fold", "enrolment", "probe", "speaker"):
        text = str(getattr(row, name))
        if not text and name != "speaker":
            raise PredictionsError(f"{where} has nothing under {name!r}")
        if {"\r", "\n"} & set(text):
            raise PredictionsError(
                f"{where}: {name} {text!r} holds a line break; a row is one line"
            )
    if not math.isfinite(row.score):
        raise PredictionsError(f"{where}: the score is {row.score}, not a finite number")
    if not (math.isfinite(row.weight) and row.weight >= 0.0):
        raise PredictionsError(f"{where}: the weight is {row.weight}; a weight is 0 or more")
