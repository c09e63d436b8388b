"""What a report says of verification: error rates, thresholds, back-ends, and the nearest examples.

The answer of a classifier on top of embeddings is explained by what lies nearest: the enrolled
utterances that an utterance was closest to, to be listened to.
"""

# Shapes: B utterances, D embedding.

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float

from serkit.evaluation.affect_figures import det_picture
from serkit.evaluation.classification import DAGGER, marked
from serkit.evaluation.embedding_map import MANY_POINTS, embedding_picture
from serkit.evaluation.export_tables import NOTHING, Table
from serkit.evaluation.figures import brief, span
from serkit.evaluation.interval import DRAWS
from serkit.evaluation.page import Section, Words
from serkit.evaluation.predictions import Prediction, PredictionsError, Seed
from serkit.evaluation.quality import (
    QualityFigure,
    loss_table,
    quality_figures,
    quality_picture,
    quality_table,
)
from serkit.evaluation.scores import score, whole_seeds
from serkit.evaluation.verification import (
    ScoredTrial,
    VerificationScores,
    decide_trials,
    score_trials,
)
from serkit.evaluation.verification_card import RATES, unit
from serkit.evaluation.verification_rows import eer_by_pair
from serkit.evaluation.worst_errors import Sound, heard

NUM_EXPLAINED = 6
"""Test utterances whose nearest examples are shown."""
NUM_NEAREST = 3
"""Examples of each."""
TRIAL_NAMES: Mapping[str, str] = {
    "eer": "EER",
    "min_dcf_0.05": "min DCF (0.05, 1, 1)",
    "min_dcf_0.5": "min DCF (0.5, 1, 1)",
    "unweighted_eer": "EER, every trial alike",
}
BACK_END_METRICS: Mapping[str, str] = {
    "war": "accuracy",
    "macro_precision": "macro precision",
    "uar": "UAR",
    "macro_f1": "macro F1",
}


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class FoldEmbeddings:
    """What the system of one fold makes of both sides."""

    seed: Seed
    fold: str
    train_ids: tuple[str, ...]
    train: Float[np.ndarray, "_ D"]
    """One vector of each utterance that was enrolled or trained on."""
    test_ids: tuple[str, ...]
    test: Float[np.ndarray, "_ D"]

    def __post_init__(self) -> None:
        for side, ids, vectors in (
            ("training", self.train_ids, self.train),
            ("test", self.test_ids, self.test),
        ):
            if len(ids) != len(vectors):
                raise ValueError(
                    f"fold {self.fold}: {len(vectors)} embeddings of {len(ids)} {side} utterances"
                )


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class VerificationEvidence:
    """What a run of a system that verifies adds to its report. What is empty is left out."""

    enrolled: Sequence[ScoredTrial] = ()
    """Test utterances against enrolled emotions, all seeds and folds."""
    pairwise: Sequence[ScoredTrial] = ()
    """Pairs of test utterances, all seeds and folds."""
    development: Sequence[ScoredTrial] = ()
    """Development utterances against enrolled emotions, for thresholds of decisions."""
    cards: Sequence[Mapping[str, Any]] = ()
    """As ``verification_card`` made them, one of each seed and fold; empty ones are passed over."""
    acceptance: Mapping[str, Mapping[str, Any]] = field(
        default_factory=dict[str, Mapping[str, Any]]
    )
    """By fold (or ``"seed 0, fold 03"``): ``accepted``, ``eer`` and ``untrained_eer``."""
    back_ends: Mapping[str, Sequence[Prediction]] = field(
        default_factory=dict[str, Sequence[Prediction]]
    )
    """Name of a classifier to its predictions, all seeds and folds."""
    quality: Mapping[tuple[str, str], Sequence[Prediction]] = field(
        default_factory=dict[tuple[str, str], Sequence[Prediction]]
    )
    """Conditions of training and test side, such as ``("lq", "hq")``, to predictions."""
    quality_trials: Mapping[tuple[str, str], Sequence[ScoredTrial]] = field(
        default_factory=dict[tuple[str, str], Sequence[ScoredTrial]]
    )
    """The same to enrolled trials."""
    sides: Sequence[FoldEmbeddings] = ()
    """Embeddings of the folds of one seed, for the nearest examples; the first has a map."""
    emotions: Mapping[str, str] = field(default_factory=dict[str, str])
    """Emotion of every utterance of ``sides``, by id."""
    speakers: Mapping[str, str] = field(default_factory=dict[str, str])
    """Speaker of every utterance of ``sides`` and ``pairwise``, by id."""

    @property
    def refused(self) -> tuple[str, ...]:
        """The folds whose embeddings were not accepted.

        Example:
            >>> VerificationEvidence(acceptance={"1": {"accepted": True}, "2": {"accepted": False}}
            ...     ).refused
            ('2',)
        """
        return tuple(fold for fold, facts in self.acceptance.items() if not facts["accepted"])

    @property
    def verdict(self) -> str:
        """What every table says of embeddings that were not accepted; empty when all were.

        Example:
            >>> VerificationEvidence(acceptance={"03": {"accepted": False}}).verdict
            'NOT accepted: fold 03'
        """
        if not self.refused:
            return ""
        if len(self.refused) == len(self.acceptance) > 1:
            return f"NOT accepted: none of the {len(self.acceptance)} folds"
        return f"NOT accepted: {', '.join(map(_fold_named, self.refused))}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Explained:
    """A test utterance and the training utterances that lie nearest, nearest first."""

    prediction: Prediction
    nearest: tuple[tuple[str, float], ...]
    """Id and cosine."""


def nearest_examples(
    rows: Sequence[Prediction],
    sides: Sequence[FoldEmbeddings],
    *,
    number: int = NUM_EXPLAINED,
    num_nearest: int = NUM_NEAREST,
) -> list[Explained]:
    """Test utterances, the surest errors first, and the training utterances nearest by cosine.

    After the errors come the right answers, the least sure first.

    Args:
        rows: Predictions of one system, all seeds and folds.
        sides: Embeddings of some folds; only their test utterances are explained.
        number: At most so many utterances.
        num_nearest: At most so many examples of each.

    Raises:
        PredictionsError: A fold that has embeddings has no predictions of that seed.

    Example:
        >>> rows = [Prediction.of(seed=0, fold="one", file=file, speaker="s", emotion="anger",
        ...                       emotions=("anger", "fear"), probabilities=[p, 1 - p])
        ...         for file, p in (("a", 0.9), ("b", 0.2))]
        >>> sides = FoldEmbeddings(seed=0, fold="one", train_ids=("x", "y"), train=np.eye(2),
        ...                        test_ids=("a", "b"), test=np.array([[1.0, 0.0], [0.6, 0.8]]))
        >>> [(e.prediction.file, e.nearest[0]) for e in nearest_examples(rows, [sides])]
        [('b', ('y', 0.8)), ('a', ('x', 1.0))]
    """
    said = {(row.seed, row.fold, row.file): row for row in rows}
    place: dict[tuple[Seed, str, str], tuple[FoldEmbeddings, int]] = {}
    for side in sides:
        found = {
            (side.seed, side.fold, id): (side, n)
            for n, id in enumerate(side.test_ids)
            if (side.seed, side.fold, id) in said
        }
        if not found:
            raise PredictionsError(
                f"fold {side.fold} has embeddings of seed {side.seed} and no predictions"
            )
        place |= found

    def order(key: tuple[Seed, str, str]) -> tuple[bool, float, str]:
        row = said[key]
        is_right = row.predicted == row.emotion
        sure = row.probabilities[row.predicted]
        return is_right, sure if is_right else -sure, row.file

    explained: list[Explained] = []
    for key in sorted(place, key=order)[:number]:
        side, n = place[key]
        cosines = unit(side.train) @ unit(side.test[n : n + 1])[0]
        first = np.argsort(-cosines, kind="stable")[:num_nearest]
        explained.append(
            Explained(
                prediction=said[key],
                nearest=tuple((side.train_ids[i], float(cosines[i])) for i in first),
            )
        )
    return explained


def verification_sections(
    evidence: VerificationEvidence,
    rows: Sequence[Prediction],
    *,
    sounds: Mapping[str, Sound] | None = None,
    draws: int = DRAWS,
) -> list[Section]:
    """The sections of a report about verification; none when there is no evidence.

    Args:
        evidence: What the run found.
        rows: Predictions of all seeds and folds, those of the report.
        sounds: Recordings by id, for the nearest examples; None leaves them out.
        draws: Of the bootstrap over speakers.

    Example:
        >>> verification_sections(VerificationEvidence(), [])
        []
    """
    return [
        *_trials_section(evidence, draws),
        *_back_ends_section(evidence, draws),
        *_quality_section(evidence, draws),
        *_space_section(evidence),
        *_nearest_section(evidence, rows, sounds),
    ]


def _trials_section(evidence: VerificationEvidence, draws: int) -> list[Section]:
    parts: dict[str, VerificationScores] = {}
    tables: dict[str, list[ScoredTrial]] = {}
    for name, trials in (("enrolled", evidence.enrolled), ("pairwise", evidence.pairwise)):
        if trials:
            tables[name], _ = whole_seeds(trials)
            parts[name] = score_trials(tables[name], draws=draws)
    blocks: list[Any] = []
    if evidence.acceptance:
        blocks += [Words(text=_said(evidence), is_note=False), _acceptance(evidence)]
    if parts:
        by_pair = (
            _by_pair(tables["pairwise"], evidence.speakers)
            if "pairwise" in tables and evidence.speakers
            else {}
        )
        blocks += [
            _rates(parts, by_pair, evidence.verdict),
            det_picture(
                {
                    f"{name}, seed {seed}": curve
                    for name, part in parts.items()
                    for seed, curve in part.curves.items()
                },
                {
                    f"{name}, seed {seed}": rate
                    for name, part in parts.items()
                    for seed, rate in part.figures["eer"].by_seed.items()
                },
            ),
        ]
    if "enrolled" in parts:
        blocks.append(_by_emotion(parts["enrolled"], evidence.verdict))
        blocks += _decisions(tables["enrolled"], evidence, draws)
    blocks += _cards(evidence)
    if not blocks:
        return []
    return [Section(name="verification", title="Verification", blocks=tuple(blocks))]


def _said(evidence: VerificationEvidence) -> str:
    number = len(evidence.acceptance)
    if not evidence.refused:
        return f"Accepted by the error rate on the development side: {number} of {number} folds."
    return (
        f"{evidence.verdict}. On the development side the equal error rate is not as low as was "
        "asked for; the figures of this page are given all the same."
    )


def _acceptance(evidence: VerificationEvidence) -> Table:
    return Table(
        name="acceptance",
        caption="Accepted by the equal error rate on the development side",
        head=("fold", "EER", "EER untrained", "accepted"),
        rows=tuple(
            (
                fold,
                _rate(facts.get("eer")),
                _rate(facts.get("untrained_eer")),
                "yes" if facts["accepted"] else "NO",
            )
            for fold, facts in evidence.acceptance.items()
        ),
    )


def _by_pair(rows: Sequence[ScoredTrial], speakers: Mapping[str, str]) -> dict[str, float]:
    """EER of pairs of one speaker and of two, mean over seeds, where it is defined."""
    if not all(speakers.get(id) for row in rows for id in (row.enrolment, row.probe)):
        return {}
    seeds = list(dict.fromkeys(row.seed for row in rows))
    found = [eer_by_pair([row for row in rows if row.seed == seed], speakers) for seed in seeds]
    means = np.mean(np.array(found), axis=0).tolist()
    names = ("EER, pairs of one speaker", "EER, pairs of two speakers")
    return {n: value for n, value in zip(names, means, strict=True) if not math.isnan(value)}


def _rates(
    parts: Mapping[str, VerificationScores], by_pair: Mapping[str, float], verdict: str
) -> Table:
    rows: list[tuple[str, ...]] = []
    for kind, part in parts.items():
        rows += [
            (kind, TRIAL_NAMES[name], figure.text, figure.interval.text, figure.fold_text)
            for name, figure in part.figures.items()
        ]
        if kind == "pairwise":
            rows += [(kind, name, marked(rate), NOTHING, NOTHING) for name, rate in by_pair.items()]
    counts = "; ".join(
        f"{kind}: {part.num_trials:,} trials, {part.num_targets:,} of them targets, probes of "
        f"{part.num_speakers} speakers"
        for kind, part in parts.items()
    )
    return Table(
        name="verification",
        caption=_captioned("Is this the same emotion?", verdict),
        head=("trials", "figure", "pooled over folds", "95 % over speakers", "per fold"),
        rows=tuple(rows),
        note=f"{counts}. Enrolled: a test utterance against an emotion enrolled from the training "
        "side. Pairwise: two test utterances, every emotion alike in weight. At the equal error "
        "rate as many targets are missed as others accepted; 0.5 is chance, lower is better. The "
        "least detection cost (share of targets, cost of a miss, of a false acceptance) is 1 for "
        "who does not listen.",
    )


def _by_emotion(part: VerificationScores, verdict: str) -> Table:
    return Table(
        name="eer-by-emotion",
        caption=_captioned("Equal error rate of each enrolled emotion", verdict),
        head=("emotion", "EER"),
        rows=tuple((name, marked(rate)) for name, rate in part.by_enrolment.items()),
        note="The trials against that emotion alone, under a threshold of their own.",
    )


def _decisions(
    rows: Sequence[ScoredTrial], evidence: VerificationEvidence, draws: int
) -> list[Table]:
    """Errors with thresholds that were chosen elsewhere; none where a fold has no such trials."""
    there = {(row.seed, row.fold) for row in evidence.development}
    if not {(row.seed, row.fold) for row in rows} <= there:
        return []
    wanted: list[tuple[str, float | None]] = [("equal error rate", None)]
    wanted += [(f"{100 * rate:g} % accepted falsely", rate) for rate in RATES]
    found: list[tuple[str, ...]] = []
    for name, rate in wanted:
        figures = decide_trials(rows, evidence.development, false_acceptance=rate, draws=draws)
        found.append((name, *(c for f in figures.values() for c in (f.text, f.interval.text))))
    return [
        Table(
            name="decisions",
            caption=_captioned(
                "Decisions with thresholds of the development side", evidence.verdict
            ),
            head=(
                "threshold chosen for",
                "targets missed",
                "95 % over speakers",
                "others accepted",
                "95 % over speakers",
            ),
            rows=tuple(found),
            note="Each seed and fold has its own threshold, from development trials only: this is "
            "what somebody who relies on one can expect of new speakers.",
        )
    ]


def _cards(evidence: VerificationEvidence) -> list[Table]:
    cards = [card["num_enrolled"] for card in evidence.cards if card]
    if not cards:
        return []

    def over(num: str, *path: str) -> str:
        values = [card[num] for card in cards if num in card]  # a small fold has fewer
        for name in path:
            values = [value[name] for value in values]
        return span(values, 3)

    same = sum(bool(card.get("same_speaker")) for card in evidence.cards)
    return [
        Table(
            name="thresholds",
            caption="Thresholds of the model card"
            + f", least to greatest of {len(cards)} models" * (len(cards) > 1),
            head=(
                "enrolled per emotion",
                "EER",
                *(f"at {100 * rate:g} % accepted falsely" for rate in RATES),
                "slope",
                "offset",
            ),
            rows=tuple(
                (
                    num,
                    over(num, "eer"),
                    *(over(num, "thresholds", f"{rate:g}") for rate in RATES),
                    over(num, "calibration", "slope"),
                    over(num, "calibration", "offset"),
                )
                for num in max(cards, key=len)
            ),
            note="Development speakers, each tried against emotions enrolled from few utterances "
            "of the others. Slope times score plus offset is the logarithm of the likelihood ratio."
            + f" {same} of {len(evidence.cards)} had one development speaker, who is then enrolled "
            "and tried." * bool(same),
        )
    ]


def _back_ends_section(evidence: VerificationEvidence, draws: int) -> list[Section]:
    if not evidence.back_ends:
        return []
    rows: list[tuple[str, ...]] = []
    absent: set[str] = set()
    for name, predictions in evidence.back_ends.items():
        scores = score(whole_seeds(predictions)[0], draws=draws)
        absent |= set(scores.absent)
        figures = [scores.figures[metric] for metric in BACK_END_METRICS]
        rows.append((name, *(c for f in figures for c in (f.text, f.interval.text))))
    table = Table(
        name="back-ends",
        caption=_captioned("Classifiers on the same embeddings", evidence.verdict),
        head=(
            "classifier",
            *(cell for name in BACK_END_METRICS.values() for cell in (name, "95 %")),
        ),
        rows=tuple(rows),
        note="Pooled over folds; 95 % intervals over speakers."
        + f" {DAGGER} Averaged without {', '.join(sorted(absent))}." * bool(absent),
    )
    return [Section(name="back-ends", title="Classifiers", blocks=(table,))]


def _quality_section(evidence: VerificationEvidence, draws: int) -> list[Section]:
    if not evidence.quality and not evidence.quality_trials:
        return []
    figures = quality_figures(evidence.quality, evidence.quality_trials, draws=draws)
    blocks: list[Any] = [quality_table(figures)]
    losses = loss_table(figures, evidence.quality, draws=draws)
    if losses.rows:
        blocks.append(losses)
    by_name: dict[str, list[QualityFigure]] = {}
    for figure in figures:
        by_name.setdefault(figure.figure, []).append(figure)
    blocks += [quality_picture(by_name[name]) for name in ("uar", "eer") if name in by_name]
    return [Section(name="quality", title="Quality of the recordings", blocks=tuple(blocks))]


def _space_section(evidence: VerificationEvidence) -> list[Section]:
    """All that the first fold's system heard, by emotion and by speaker."""
    if not evidence.sides or not evidence.emotions:
        return []
    side = evidence.sides[0]
    vectors = dict(zip(side.train_ids, side.train, strict=True))
    vectors |= dict(zip(side.test_ids, side.test, strict=True))
    part = dict.fromkeys(side.train_ids, "training") | dict.fromkeys(side.test_ids, "test")
    speakers = {id: evidence.speakers.get(id) or "unknown" for id in vectors}
    method = "tsne" if len(vectors) <= MANY_POINTS else "pca"  # t-SNE of more takes minutes
    pictures = [
        embedding_picture(
            vectors, shown, part, method=method, shown_as=shown_as, shaped_by="side", name=name
        )
        for shown, shown_as, name in (
            (evidence.emotions, "emotion", "space-by-emotion"),
            (speakers, "speaker", "space-by-speaker"),
        )
    ]
    said = (
        f"The system of fold {side.fold}, seed {side.seed}: {len(side.train_ids)} training and "
        f"{len(side.test_ids)} test utterances in one space, by emotion and by speaker. Where the "
        "second map is the tidier one, it tells voices apart rather than emotions."
    )
    blocks = (*(picture for picture in pictures if picture is not None), Words(text=said))
    return [Section(name="space", title="Emotions and speakers", blocks=blocks)]


def _nearest_section(
    evidence: VerificationEvidence,
    rows: Sequence[Prediction],
    sounds: Mapping[str, Sound] | None,
) -> list[Section]:
    if not evidence.sides:
        return []
    lines: list[tuple[str, ...]] = []
    files: list[str] = []
    for explained in nearest_examples(rows, evidence.sides):
        row = explained.prediction
        how = "right" if row.predicted == row.emotion else f"heard as {row.predicted}"
        lines.append((row.file, f"tried: {how}", brief(row.speaker), row.emotion, NOTHING))
        files.append(row.file)
        for place, (id, cosine) in enumerate(explained.nearest):
            speaker = brief(evidence.speakers.get(id, ""))
            emotion = evidence.emotions.get(id, "unknown")
            lines.append((id, f"nearest {place + 1}", speaker, emotion, f"{cosine:.3f}"))
            files.append(id)
    encoded, note = heard(files, sounds)
    table = Table(
        name="nearest",
        caption="The training utterances nearest to a test utterance, surest errors first",
        head=("utterance", "what", "speaker", "rated as", "cosine"),
        rows=tuple(lines),
        note="What an embedding took an utterance for: listen to both. " + note,
        sounds=encoded,
    )
    return [Section(name="nearest", title="Nearest examples", blocks=(table,))]


def _captioned(caption: str, verdict: str) -> str:
    return f"{caption} ({verdict})" if verdict else caption


def _fold_named(fold: str) -> str:
    return fold if "fold" in fold else f"fold {fold}"


def _rate(value: float | None) -> str:
    return NOTHING if value is None else marked(float(value))
