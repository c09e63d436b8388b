"""One self-contained page about one run: figures with intervals, pictures, settings.

The page loads nothing: styles, pictures and sounds are inside it. It is made from the predictions
alone (and from what the caller adds about training and data), so it can be made again at any time.
"""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float

from serkit.evaluation.calibration import calibrate, reliability, temperatures
from serkit.evaluation.classification import DAGGER, f1, marked, precision, recall
from serkit.evaluation.embedding_map import Method, embedding_picture
from serkit.evaluation.explanation_picture import Explained, explanation_picture
from serkit.evaluation.export_tables import NOTHING, Table
from serkit.evaluation.figures import (
    LearningCurve,
    confusion_picture,
    group_picture,
    length_picture,
    recall_picture,
    reliability_picture,
    span,
    speaker_picture,
    uar_by_speaker,
)
from serkit.evaluation.groups import Groups, by_group
from serkit.evaluation.interval import DRAWS
from serkit.evaluation.page import (
    Facts,
    Folded,
    Listing,
    Page,
    Section,
    Words,
    again_section,
    asked_section,
    audit_section,
    facts_sections,
    learning_section,
    protocol_section,
)
from serkit.evaluation.predictions import Prediction, Seed
from serkit.evaluation.probability import ProbabilityScores, probability_scores
from serkit.evaluation.scores import Scores, ensemble, score
from serkit.evaluation.verification_report import VerificationEvidence, verification_sections
from serkit.evaluation.worst_errors import NUM_ERRORS, Sound, error_table, worst_errors

METRIC_NAMES = {
    "uar": "UAR",
    "war": "WAR",
    "macro_f1": "macro F1",
    "weighted_f1": "weighted F1",
    "macro_precision": "macro precision",
}
PROBABILITY_NAMES = {
    "log_loss": "log loss (nats)",
    "brier": "Brier score",
    "ece": "expected calibration error",
    "top_2": "right among the first two",
    "top_3": "right among the first three",
}
CLOSING = (
    "Emotions here are what the corpus says an utterance was acted or heard as. A figure on one "
    "corpus says little about other speakers, languages, rooms or spontaneous speech."
)


def read_learning_curve(path: str | Path, *, seed: int | str, fold: str) -> LearningCurve:
    """The learning curve in a run's ``history.json``.

    Args:
        path: The file: ``{"best_epoch": n, "epochs": [{"losses": {...}, "development": {...}}]}``.
        seed: Of the run.
        fold: Its fold.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is not a history.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "history.json"
        ...     epochs = [{"losses": {"cross_entropy": 1.5}, "development": {"uar": 0.25}}]
        ...     _ = path.write_text(json.dumps({"best_epoch": 1, "epochs": epochs}))
        ...     read_learning_curve(path, seed=0, fold="03").development
        (0.25,)
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: there is no such history")
    try:
        history = json.loads(path.read_text(encoding="utf-8"))
        epochs = history["epochs"]
        scores = [next(iter(epoch["development"].values()), math.nan) for epoch in epochs]
        return LearningCurve(
            seed=seed,
            fold=fold,
            losses=tuple(float(sum(epoch["losses"].values())) for epoch in epochs),
            development=() if all(map(math.isnan, scores)) else tuple(map(float, scores)),
            best_epoch=int(history["best_epoch"]),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"{path}: not a history of training as the trainer writes it ({error!r})"
        ) from error


def write_report(
    path: str | Path,
    rows: Sequence[Prediction],
    *,
    title: str,
    summary: Mapping[str, str] | None = None,
    protocol_card: Mapping[str, str] | None = None,
    split: str = "",
    leaks: Sequence[str] = (),
    curves: Sequence[LearningCurve] = (),
    durations: Mapping[str, float] | None = None,
    groups: Mapping[str, Mapping[str, str]] | None = None,
    embeddings: Mapping[str, Sequence[float] | Float[np.ndarray, " _"]] | None = None,
    embedding_method: Method = "pca",
    one_embedding_space: bool = False,
    development: Sequence[Prediction] = (),
    verification: VerificationEvidence | None = None,
    explained: Mapping[str, Explained] | None = None,
    explained_seed: Seed = 0,
    sees: str = "",
    sounds: Mapping[str, Sound] | None = None,
    audio: bool = True,
    num_errors: int = NUM_ERRORS,
    fold_facts: Mapping[str, Mapping[str, str | int | float]] | None = None,
    dropped: Sequence[str] = (),
    duplicates: Sequence[str] = (),
    audit: Sequence[str] = (),
    notes: Sequence[str] = (),
    settings: Facts | None = None,
    environment: Facts | None = None,
    command: str = "",
    predictions_file: str = "predictions.csv",
    figures_folder: str | Path | None = None,
    draws: int = DRAWS,
) -> Path:
    """Write the report of one run as one HTML file that needs no network.

    Args:
        path: Of the page, such as ``OUT/report.html``; its folder is made.
        rows: Predictions of all seeds and folds.
        title: Heading, such as ``"crnn on emodb, leave one speaker out"``.
        summary: What was asked, in order: system, corpus and edition, licence, refitting and the
            like.
        protocol_card: What to say of the protocol, as ``protocol_card`` makes it.
        split: Hash of the protocol's folds (``Protocol.split``).
        leaks: Leaks that were allowed, as ``corpus.check`` returns them. They stand in red on top
            and at every table and picture, also in ``figures_folder``.
        curves: Learning curves of all seeds and folds.
        durations: Seconds of each utterance, by the name in ``Prediction.file``.
        groups: Ways of grouping (``"sex"``) to the group of each utterance, as ``groups_of`` makes.
        embeddings: Vector of each utterance, by ``Prediction.file``, from the system of its fold.
        embedding_method: ``"pca"`` or ``"tsne"``; see ``embedding_map.flattened``.
        one_embedding_space: One system made all embeddings, so that one map holds all folds.
        development: Predictions of the development sides, with the fold whose system made them;
            temperatures are fitted on these.
        verification: Trials, thresholds, classifiers and embeddings of a system that verifies.
        explained: What a system saw of some utterances, by ``Prediction.file``, and where in it its
            answer came from; at most two for each emotion are drawn.
        explained_seed: Seed of the systems that explained themselves.
        sees: What their pictures are; see ``explanation_picture``.
        sounds: Recordings by ``Prediction.file``, encoded, or functions that encode one when it is
            wanted. Only those of the worst errors and of the nearest examples are made and put into
            the page.
        audio: False leaves the recordings out, where the licence of the corpus asks for it.
        num_errors: Worst errors to list.
        fold_facts: Further columns of the table of folds, by fold: what it was trained on.
        dropped: Utterances that were left out, each with the reason.
        duplicates: Equal audio that was found, and what was done about it.
        audit: Findings of the audit, line by line.
        notes: Warnings that stand on top, such as "an excerpt this small shows the machinery".
        settings: Of the system and the trainer; nested mappings are fine.
        environment: Versions, git state, hardware, date.
        command: What was run.
        predictions_file: Where ``rows`` can be read, from the folder of the page.
        figures_folder: Where each picture is written as ``.svg`` and ``.pdf`` and each table as
            ``.csv`` and ``.tex``; None writes none.
        draws: Of the bootstrap over speakers.

    Returns:
        The path.

    Raises:
        PredictionsError: The predictions cannot be scored, or those of the development sides do not
            fit them; see ``score`` and ``calibrate``.
        ValueError: Embeddings that cannot be drawn, or a recording that no browser plays.

    Example:
        >>> import tempfile
        >>> rows = [
        ...     Prediction.of(seed=0, fold="one", file=e, speaker="s", emotion=e,
        ...                   emotions=("anger", "sadness"), probabilities=[0.75, 0.25])
        ...     for e in ("anger", "sadness")
        ... ]
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     page = write_report(Path(folder) / "report.html", rows, title="A constant answer")
        ...     "0.500" in page.read_text(encoding="utf-8")
        True
    """
    rows = list(rows)
    scores = score(rows, draws=draws)
    together = score(ensemble(rows), draws=draws) if len(scores.seeds) > 1 else None
    uar = scores.figures["uar"]
    sections = [
        *asked_section(summary),
        *protocol_section(protocol_card, split),
        _figures_section(scores, together, draws),
        _emotions_section(scores),
        Section(name="folds", title="Folds", blocks=(_folds(scores, fold_facts or {}),)),
        _speakers_section(scores),
        *_groups_section(rows, groups or {}, scores, draws),
        *_length_section(rows, durations or {}),
        *learning_section(curves, "1 - EER" if verification and verification.acceptance else "UAR"),
        *_embeddings_section(
            rows, embeddings or {}, method=embedding_method, one_space=one_embedding_space
        ),
        *verification_sections(
            verification or VerificationEvidence(),
            rows,
            sounds=sounds if audio else None,
            draws=draws,
        ),
        *_calibration_section(rows, development, draws),
        *_explained_section(rows, explained or {}, explained_seed, sees),
        _errors_section(rows, sounds if audio else None, num_errors, len(scores.seeds)),
        _data_section(scores, dropped, duplicates),
        *audit_section(audit, leaks),
        *facts_sections(settings, environment),
        again_section(
            command,
            read="read_predictions",
            score="score",
            predictions_file=predictions_file,
        ),
    ]
    chance = 1 / (len(scores.emotions) - len(scores.absent))
    page = Page(
        title=title,
        headline=f"UAR {uar.text}",
        beside=_beside(
            uar.interval.text,
            uar.interval.low is not None,
            f"chance {chance:.3f}",
            f"{scores.num_utterances} test utterances",
            _counted(scores.num_speakers, "speaker"),
            _counted(len(scores.emotions), "emotion"),
            _counted(len(scores.seeds), "seed"),
        ),
        sections=tuple(sections),
        notes=(*notes, *_not_accepted(verification)),
        leaks=tuple(leaks),
        one_seed=len(scores.seeds) == 1,
        closing=CLOSING,
    )
    return page.write(path, figures_folder=figures_folder)


def _not_accepted(verification: VerificationEvidence | None) -> list[str]:
    if verification is None or not verification.verdict:
        return []
    return [f"The embeddings were {verification.verdict}; see Verification."]


def _beside(ends: str, has_interval: bool, *more: str) -> str:
    said = f"95 % interval over speakers {ends}" if has_interval else ends
    return " · ".join([said, *more])


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"


def _figures_section(scores: Scores, together: Scores | None, draws: int) -> Section:
    said = (
        "UAR (unweighted average recall, balanced accuracy) is the mean over emotions of the share "
        "of each emotion's utterances that was heard as it; WAR is plain accuracy; macro F1 is the "
        "mean over emotions of F1, weighted F1 the same weighed by utterances; macro precision is "
        "the mean over emotions of the share of what was heard as one that was it. Higher is "
        "better, 1 is perfect. Pooled puts the predictions of all folds together before scoring; "
        "per fold scores each fold alone. The interval draws speakers with replacement "
        f"({draws:,} times): it says how far the figure would move with other speakers of the same "
        "kind, not with another corpus."
    )
    blocks = (_headline(scores, together), _seeds(scores, together), Words(text=said))
    return Section(name="figures", title="Figures", blocks=blocks)


def _emotions_section(scores: Scores) -> Section:
    return Section(
        name="emotions",
        title="Emotions",
        blocks=(
            _emotions(scores),
            recall_picture(scores),
            confusion_picture(scores.confusion, num_seeds=len(scores.seeds)),
            Folded(summary="The confusion in numbers", table=_confusion(scores)),
        ),
    )


def _speakers_section(scores: Scores) -> Section:
    table = Folded(summary="Speakers in numbers", table=_speakers(scores))
    return Section(name="speakers", title="Speakers", blocks=(speaker_picture(scores), table))


def _groups_section(
    rows: Sequence[Prediction],
    groups: Mapping[str, Mapping[str, str]],
    scores: Scores,
    draws: int,
) -> list[Section]:
    """Ways of grouping that tell at least two groups of the tested utterances apart."""
    tested = {row.file for row in rows}
    found: dict[str, Groups] = {}
    alone: list[str] = []
    for by, group_of in groups.items():
        names = {group_of[file] for file in tested & group_of.keys() if group_of[file]}
        if len(names) > 1:
            found[by] = by_group(rows, group_of, draws=draws)
        elif names:
            alone.append(f"{by}: all {next(iter(names))}")
    said = [Words(text=f"Nothing to compare by {'; by '.join(alone)}.")] if alone else []
    if not found:
        return [Section(name="groups", title="Groups", blocks=tuple(said))] if said else []
    picture = group_picture(found, pooled=scores.figures["uar"].mean)
    blocks = (picture, _gaps(found), Folded(summary="Groups in numbers", table=_groups(found)))
    return [Section(name="groups", title="Groups", blocks=(*blocks, *said))]


def _length_section(rows: Sequence[Prediction], durations: Mapping[str, float]) -> list[Section]:
    lengths = length_picture(rows, durations)
    if lengths is None:
        return []
    picture, numbers = lengths
    table = Folded(summary="Lengths in numbers", table=_lengths(numbers))
    return [Section(name="length", title="Utterance length", blocks=(picture, table))]


def _embeddings_section(
    rows: Sequence[Prediction],
    embeddings: Mapping[str, Sequence[float] | Float[np.ndarray, " _"]],
    *,
    method: Method,
    one_space: bool,
) -> list[Section]:
    folds = {row.file: row.fold for row in rows}
    emotions = {row.file: row.emotion for row in rows}
    speakers = {row.file: row.speaker for row in rows}
    picture = embedding_picture(
        embeddings, emotions, speakers, folds=None if one_space else folds, method=method
    )
    if picture is None:
        return []
    return [Section(name="embeddings", title="Embeddings", blocks=(picture,))]


def _explained_section(
    rows: Sequence[Prediction], explained: Mapping[str, Explained], seed: Seed, sees: str
) -> list[Section]:
    picture = explanation_picture(explained, [r for r in rows if r.seed == seed], sees=sees)
    if picture is None:
        return []
    return [Section(name="explanations", title="Explanations", blocks=(picture,))]


def _calibration_section(
    rows: Sequence[Prediction], development: Sequence[Prediction], draws: int
) -> list[Section]:
    before = probability_scores(rows, draws=draws)
    if not before.is_defined:
        said = Words(text=f"The table holds {before.reason}.")
        return [Section(name="calibration", title="Calibration", blocks=(said,))]
    chosen = {(row.seed, row.fold) for row in development}
    lacking = {(row.seed, row.fold) for row in rows} - chosen
    told = [f"as predicted: ECE {before.figures['ece'].mean:.3f}"]
    calibrated, after = list[Prediction](), None
    if not lacking:
        calibrated = calibrate(rows, development)
        after = probability_scores(calibrated, draws=draws)
        told.append(f"temperature scaled: ECE {after.figures['ece'].mean:.3f}")
        fitted = [t.value for t in temperatures(development).values()]
        said = (
            f"One temperature per seed and fold, fitted on the development side ({len(fitted)} of "
            f"them, {span(fitted, 2)}; above 1 makes a system less sure). What is predicted, and "
            "with it UAR, stays the same."
        )
    elif development:
        seed, fold = min(lacking, key=str)
        said = (
            f"Not scaled: {len(lacking)} of {len(lacking | chosen)} runs, such as seed {seed}, "
            f"fold {fold}, have no development predictions, and a temperature is never fitted on "
            "the test side."
        )
    else:
        said = (
            "Not scaled: there are no development predictions, and a temperature is never fitted "
            "on the test side."
        )
    bins = reliability(calibrated) if calibrated else []
    blocks = (
        _calibration(before, after),
        Words(text=said),
        reliability_picture(reliability(rows), bins, told=told),
    )
    return [Section(name="calibration", title="Calibration", blocks=blocks)]


def _errors_section(
    rows: Sequence[Prediction], sounds: Mapping[str, Sound] | None, number: int, num_seeds: int
) -> Section:
    errors = worst_errors(rows, number=number)
    block = (
        error_table(errors, sounds, seeds=num_seeds)
        if errors
        else Words(text="None: every utterance was heard as it was rated.", is_note=False)
    )
    return Section(name="errors", title="Worst errors", blocks=(block,))


def _data_section(scores: Scores, dropped: Sequence[str], duplicates: Sequence[str]) -> Section:
    absent = [f"{name}: no test utterance at all" for name in scores.absent]
    absent += [f"fold {fold}: {', '.join(names)}" for fold, names in scores.absent_by_fold.items()]
    return Section(
        name="data",
        title="Data",
        blocks=(
            _data(scores),
            Listing(
                heading="Absent emotions",
                lines=tuple(absent),
                nothing="None: every fold tests every emotion.",
            ),
            Listing(
                heading=f"Dropped utterances{f' ({len(dropped)})' if dropped else ''}",
                lines=tuple(dropped),
                nothing="None.",
            ),
            Listing(heading="Duplicate audio", lines=tuple(duplicates), nothing="None reported."),
        ),
    )


def _headline(scores: Scores, together: Scores | None) -> Table:
    rows: list[tuple[str, ...]] = []
    for name, part in (("", scores), (str(together.seeds[0]) if together else "", together)):
        if part is None:
            continue
        for metric, figure in part.figures.items():
            rows.append(
                (
                    METRIC_NAMES[metric] + (f", {name}" if name else ""),
                    figure.text,
                    figure.interval.text,
                    figure.fold_text,
                )
            )
    one_seed = len(scores.seeds) == 1
    spread = "one seed, so no ±" if one_seed else f"mean ± sd over {len(scores.seeds)} seeds"
    return Table(
        name="headline",
        caption=f"All test utterances ({spread})",
        head=("figure", "pooled over folds", "95 % over speakers", "per fold (mean ± sd)"),
        rows=tuple(rows),
        note=_absent_note(scores),
    )


def _absent_note(scores: Scores) -> str:
    parts: list[str] = []
    if scores.absent:
        parts.append(f"no test utterance was rated as {', '.join(scores.absent)}")
    by_fold = {f: e for f, e in scores.absent_by_fold.items() if set(e) - set(scores.absent)}
    if by_fold:
        parts.append(
            "; ".join(f"fold {fold} has no {', '.join(names)}" for fold, names in by_fold.items())
        )
    if not parts:
        return ""
    return f"{DAGGER} Averaged without an absent emotion: {'; '.join(parts)}."


def _seeds(scores: Scores, together: Scores | None) -> Table:
    rows = [
        (
            str(seed),
            *(marked(figure.by_seed[seed], figure.absent) for figure in scores.figures.values()),
        )
        for seed in scores.seeds
    ]
    if together is not None:
        rows.append(
            (
                str(together.seeds[0]),
                *(marked(figure.mean, figure.absent) for figure in together.figures.values()),
            )
        )
    return Table(
        name="seeds",
        caption="Pooled over folds, by seed",
        head=("seed", *(METRIC_NAMES[metric] for metric in scores.figures)),
        rows=tuple(rows),
        note="The ensemble averages the probabilities of all seeds and is one system more."
        if together
        else "",
    )


def _folds(scores: Scores, facts: Mapping[str, Mapping[str, str | int | float]]) -> Table:
    columns = list(dict.fromkeys(column for of_fold in facts.values() for column in of_fold))
    uar, war = scores.figures["uar"], scores.figures["war"]
    rows = [
        (
            fold,
            str(next(iter(confusions.values())).num_utterances),
            str(scores.speakers_by_fold[fold]),
            marked(uar.by_fold[fold], uar.absent_by_fold.get(fold, ())),
            marked(war.by_fold[fold]),
            ", ".join(uar.absent_by_fold.get(fold, ())) or NOTHING,
            *(str(facts.get(fold, {}).get(column, NOTHING)) for column in columns),
        )
        for fold, confusions in scores.by_fold.items()
    ]
    over = "mean over seeds" if len(scores.seeds) > 1 else "one seed"
    return Table(
        name="folds",
        caption=f"Test side of each fold ({over})",
        head=("fold", "utterances", "speakers", "UAR", "WAR", "absent emotions", *columns),
        rows=tuple(rows),
        note=f"Over folds: UAR {uar.fold_text}, WAR {war.fold_text}. These are not the pooled "
        "figures: every fold weighs the same here, however few utterances it has.",
    )


def _emotions(scores: Scores) -> Table:
    confusion = scores.confusion
    found, sure, both = recall(confusion), precision(confusion), f1(confusion)
    num_rated = (confusion.counts.sum(axis=1) // len(scores.seeds)).tolist()
    rows = [
        (name, str(number), marked(found[name]), marked(sure[name]), marked(both[name]))
        for name, number in zip(scores.emotions, num_rated, strict=True)
    ]
    return Table(
        name="emotions",
        caption="By emotion" + ", all seeds added up" * (len(scores.seeds) > 1),
        head=("emotion", "utterances", "recall", "precision", "F1"),
        rows=tuple(rows),
    )


def _confusion(scores: Scores) -> Table:
    confusion = scores.confusion
    rows = [
        (name, *(str(count) for count in counts))
        for name, counts in zip(confusion.emotions, confusion.counts.tolist(), strict=True)
    ]
    return Table(
        name="counts",
        caption="Rated as (row) and heard as (column), in utterances"
        + ", all seeds added up" * (len(scores.seeds) > 1),
        head=("rated as", *confusion.emotions),
        rows=tuple(rows),
    )


def _speakers(scores: Scores) -> Table:
    values, absent = uar_by_speaker(scores)
    of_seed = next(iter(scores.by_speaker.values()))
    return Table(
        name="by-speaker",
        caption="By speaker",
        head=("speaker", "utterances", "UAR", "absent emotions"),
        rows=tuple(
            (
                name or "unknown",
                str(of_seed[name].num_utterances),
                marked(value, absent[name]),
                ", ".join(absent[name]) or NOTHING,
            )
            for name, value in values.items()
        ),
    )


def _lengths(rows: Sequence[tuple[str, str, str, str]]) -> Table:
    return Table(
        name="lengths",
        caption="By length",
        head=("length", "utterances", "UAR", "95 % over speakers"),
        rows=tuple(rows),
    )


def _groups(found: Mapping[str, Groups]) -> Table:
    return Table(
        name="by-group",
        caption="By group, the worst first",
        head=("by", "group", "utterances", "speakers", "UAR", "95 % over speakers", "absent"),
        rows=tuple(
            (
                by,
                group.name,
                str(group.num_utterances),
                str(group.num_speakers),
                marked(group.interval.value, group.absent),
                group.interval.text,
                ", ".join(group.absent) or NOTHING,
            )
            for by, groups in found.items()
            for group in groups.groups
        ),
    )


def _gaps(found: Mapping[str, Groups]) -> Table:
    return Table(
        name="gaps",
        caption="Best group less worst group, in UAR",
        head=("by", "best", "worst", "gap", "verdict"),
        rows=tuple(
            (
                by,
                gap.best or NOTHING,
                gap.worst or NOTHING,
                gap.text,
                NOTHING if gap.low is None else gap.verdict,
            )
            for by, gap in ((by, groups.gap) for by, groups in found.items())
        ),
        note="Over the emotions that all groups show. A gap is claimed only when its interval, "
        "widened for having looked at all pairs, leaves out 0.",
    )


def _calibration(before: ProbabilityScores, after: ProbabilityScores | None) -> Table:
    parts = [before] if after is None else [before, after]
    names = ["as predicted", "temperature scaled"] if after else ["as predicted"]
    floored = (
        f" Utterances whose emotion was given a probability of 0: {before.num_floored}."
        if before.num_floored
        else ""
    )
    return Table(
        name="calibration",
        caption="What the probabilities are worth",
        head=("figure", *(cell for name in names for cell in (name, "95 % over speakers"))),
        rows=tuple(
            (
                PROBABILITY_NAMES.get(metric, metric),
                *(
                    cell
                    for part in parts
                    for cell in (part.figures[metric].text, part.figures[metric].interval.text)
                ),
            )
            for metric in before.figures
        ),
        note="Of log loss, Brier score and calibration error, lower is better." + floored,
    )


def _data(scores: Scores) -> Table:
    """Test utterances of each fold by emotion; folds add up to the last row."""
    rows: list[tuple[str, ...]] = []
    for fold, confusions in scores.by_fold.items():
        counts = next(iter(confusions.values())).counts.sum(axis=1).tolist()
        rows.append((fold, *(str(count) for count in counts), str(sum(counts))))
    whole = next(iter(scores.by_seed.values())).counts.sum(axis=1).tolist()
    if len(rows) > 1:
        rows.append(("all", *(str(count) for count in whole), str(sum(whole))))
    return Table(
        name="tested",
        caption="Test utterances by fold and emotion",
        head=("fold", *scores.emotions, "all"),
        rows=tuple(rows),
    )
