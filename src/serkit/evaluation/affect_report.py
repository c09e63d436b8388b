# pyright: reportUnusedCallResult=false
"""The page about a run that predicts arousal, valence and dominance."""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float

from serkit.corpus import AFFECT
from serkit.corpus.sphere import Grid
from serkit.evaluation.affect import (
    AFFECT_DRAWS,
    MEAN_CCC,
    AffectPrediction,
    AffectScores,
    affect_ensemble,
    score_affect,
)
from serkit.evaluation.affect_agreement import (
    FEWEST_OF_ANNOTATOR,
    FEWEST_OF_GROUP,
    MEAN,
    Annotators,
    concordance_by,
    coupling,
    people_agreed,
)
from serkit.evaluation.affect_figures import affect_picture, spread_picture
from serkit.evaluation.classification import marked
from serkit.evaluation.embedding_map import Method, embedding_picture
from serkit.evaluation.export_tables import NOTHING, Table
from serkit.evaluation.figures import (
    MOST_NAMED_SPEAKERS,
    PALE,
    SEED_COLOURS,
    LearningCurve,
    Picture,
    brief,
    new_canvas,
    picture_of,
    styled,
)
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
from serkit.evaluation.sphere_figures import (
    octant_table,
    region_counts,
    region_picture,
    region_scores,
    region_table,
    sphere_that_turns,
)
from serkit.evaluation.worst_errors import NUM_ERRORS, Sound, furthest_table

STATISTIC_NAMES = {"ccc": "CCC", "pearson": "Pearson", "rmse": "RMSE"}
GRIDS = {"8 of 90°": 8, "18 of 60°": 18, "32 of 45°": 32}
"""Grids of regions, by what they are called."""
UNKNOWN = "unknown"
CLOSING = (
    "Affect here is what raters said of an utterance, on the corpus's own scale mapped to [0, 1]. "
    "A figure on one corpus says little about other speakers, languages, rooms or raters."
)


def write_affect_report(
    path: str | Path,
    rows: Sequence[AffectPrediction],
    *,
    title: str,
    summary: Mapping[str, str] | None = None,
    protocol_card: Mapping[str, str] | None = None,
    split: str = "",
    leaks: Sequence[str] = (),
    curves: Sequence[LearningCurve] = (),
    groups: Mapping[str, Mapping[str, str]] | None = None,
    annotators: Annotators | None = None,
    embeddings: Mapping[str, Sequence[float] | Float[np.ndarray, " _"]] | None = None,
    embedding_method: Method = "pca",
    one_embedding_space: bool = False,
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
    draws: int = AFFECT_DRAWS,
) -> Path:
    """Write the report of one run of affect as one HTML file that needs no network.

    Args:
        path: Of the page, such as ``OUT/report.html``; its folder is made.
        rows: Predictions of all seeds and folds.
        title: Heading.
        summary: What was asked, in order.
        protocol_card: What to say of the protocol.
        split: Hash of the protocol's folds.
        leaks: Leaks that were allowed; in red on top and at every table and picture.
        curves: Learning curves of all seeds and folds.
        groups: Ways of grouping to the group of each utterance.
        annotators: Ratings of people, one by one: utterance to annotator to dimension to value in
            [0, 1]. Their agreement then stands beside the system's.
        embeddings: Vector of each utterance, from the system of its fold.
        embedding_method: ``"pca"`` or ``"tsne"``.
        one_embedding_space: One system made all embeddings.
        sounds: Encoded recordings by ``AffectPrediction.file``, or functions that make them.
        audio: False leaves the recordings out.
        num_errors: Worst errors to list.
        fold_facts: Further columns of the table of folds.
        dropped: Utterances that were left out, each with the reason.
        duplicates: Equal audio that was found, and what was done about it.
        audit: Findings of the audit.
        notes: Warnings that stand on top.
        settings: Of the system and the trainer.
        environment: Versions, git state, hardware, date.
        command: What was run.
        predictions_file: Where ``rows`` can be read, from the folder of the page.
        figures_folder: Where pictures and tables are written for papers; see ``write_report``.
        draws: Of the bootstrap over speakers.

    Returns:
        The path.

    Raises:
        PredictionsError: The predictions cannot be scored; see ``score_affect``.
        ValueError: Embeddings that cannot be drawn, or a recording that no browser plays.

    Example:
        >>> import tempfile
        >>> rows = [AffectPrediction.of(seed=0, fold="1", file=str(n), speaker="s",
        ...                             reference={"arousal": n / 2}, predicted={"arousal": y})
        ...         for n, y in enumerate((0.0, 0.5, 0.5))]
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     page = write_affect_report(Path(folder) / "report.html", rows, title="Arousal")
        ...     "mean CCC 0.667" in page.read_text(encoding="utf-8")
        True
    """
    rows = list(rows)
    scores = score_affect(rows, draws=draws)
    several = len(scores.seeds) > 1
    together = score_affect(affect_ensemble(rows), draws=draws) if several else None
    mean = scores.figures[MEAN_CCC]
    first = scores.dimensions[0]
    picture = embedding_picture(
        embeddings or {},
        {row.file: row.reference[first] for row in rows},
        {row.file: row.speaker for row in rows},
        folds=None if one_embedding_space else {row.file: row.fold for row in rows},
        method=embedding_method,
        shown_as=f"rated {first}",
    )
    mapped = [Section(name="embeddings", title="Embeddings", blocks=(picture,))] if picture else []
    by_speaker = concordance_by_speaker(rows)
    ends = mean.interval.text
    if mean.interval.low is not None:
        ends = f"95 % interval over speakers {ends}"
    page = Page(
        title=title,
        headline=f"mean CCC {mean.text}",
        beside=f"{ends} · chance 0 · {scores.num_utterances} test utterances, "
        f"{scores.num_speakers} speaker{'s' * (scores.num_speakers != 1)}, "
        f"{', '.join(scores.dimensions)}, {len(scores.seeds)} seed{'s' * several}",
        sections=(
            *asked_section(summary),
            *protocol_section(protocol_card, split),
            _figures_section(scores, together, draws),
            Section(
                name="dimensions",
                title="Predicted against rated",
                blocks=(affect_picture(rows), *_coupling(rows, draws)),
            ),
            *_sphere_section(rows, draws),
            *_people_section(rows, annotators or {}, scores, draws),
            Section(name="folds", title="Folds", blocks=(_folds(scores, fold_facts or {}),)),
            Section(
                name="speakers",
                title="Speakers",
                blocks=(
                    concordance_picture(by_speaker, scores),
                    Folded(summary="Speakers in numbers", table=_speakers(rows, by_speaker)),
                ),
            ),
            *_groups_section(rows, groups or {}, draws),
            *learning_section(curves, "mean CCC"),
            *mapped,
            Section(
                name="errors",
                title="Worst errors",
                blocks=(furthest_table(rows, sounds if audio else None, number=num_errors),),
            ),
            Section(
                name="data",
                title="Data",
                blocks=(
                    Listing(heading="Dropped utterances", lines=tuple(dropped), nothing="None."),
                    Listing(
                        heading="Duplicate audio",
                        lines=tuple(duplicates),
                        nothing="None reported.",
                    ),
                ),
            ),
            *audit_section(audit, leaks),
            *facts_sections(settings, environment),
            again_section(
                command,
                read="read_affect_predictions",
                score="score_affect",
                predictions_file=predictions_file,
            ),
        ),
        notes=tuple(notes),
        leaks=tuple(leaks),
        one_seed=not several,
        closing=CLOSING,
    )
    return page.write(path, figures_folder=figures_folder)


def concordance_by_speaker(rows: Sequence[AffectPrediction]) -> dict[str, dict[str, float]]:
    """CCC of each speaker and dimension, mean over seeds; NaN for fewer than five utterances.

    Args:
        rows: Predictions of one system; every seed has the same utterances.

    Example:
        >>> rows = [AffectPrediction.of(seed=0, fold="1", file=str(n), speaker="s",
        ...                             reference={"arousal": n / 4}, predicted={"arousal": n / 4})
        ...         for n in range(5)]
        >>> concordance_by_speaker(rows)
        {'s': {'arousal': 1.0}}
    """
    return concordance_by(rows, {row.file: row.speaker for row in rows})


@styled()
def concordance_picture(
    by_speaker: Mapping[str, Mapping[str, float]], scores: AffectScores
) -> Picture:
    """CCC of each speaker, one colour for each dimension, beside the pooled figures."""
    means = {name: float(np.mean(list(values.values()))) for name, values in by_speaker.items()}
    order = sorted(by_speaker, key=lambda name: (not math.isnan(means[name]), means[name], name))
    named = len(order) <= MOST_NAMED_SPEAKERS
    canvas = new_canvas(6.4, (0.26 * len(order) if named else 3.0) + 1.3)
    axes = canvas.add_subplot()
    lowest = 0.0
    markers = ("o", "s", "^")
    for dimension, colour, marker in zip(scores.dimensions, SEED_COLOURS, markers, strict=False):
        values = [by_speaker[name][dimension] for name in order]
        lowest = min([lowest, *(value for value in values if not math.isnan(value))])
        pooled = scores.figures[f"ccc_{dimension}"].mean
        axes.axvline(pooled, color=colour, linewidth=1.2, linestyle="--")
        axes.plot(values, range(len(order)), marker, color=colour, markersize=5, clip_on=False,
                  label=f"{dimension} (pooled {marked(pooled)})", alpha=0.9)  # fmt: skip
    if named:
        axes.set_yticks(range(len(order)), [brief(name) for name in order])
        axes.grid(axis="y", color=PALE, linewidth=0.5)
        axes.set_axisbelow(True)
    else:
        axes.set_yticks([])
        axes.set_ylabel(f"{len(order)} speakers")
    axes.set_ylim(-0.6, len(order) - 0.4)
    axes.set_xlim(lowest - 0.02 * (lowest < 0), 1.02)
    axes.set_xlabel("CCC")
    canvas.legend(loc="outside upper left", frameon=False, fontsize=8.5, ncols=3,
                  handletextpad=0.2, columnspacing=1.2)  # fmt: skip
    known = [name for name in order if not math.isnan(means[name])]
    told = (
        f"mean CCC from {means[known[0]]:.2f} ({brief(known[0])}) to {means[known[-1]]:.2f} "
        f"({brief(known[-1])})"
        if known
        else "none has a concordance"
    )
    left_out = len(order) - len(known)
    return picture_of(
        canvas,
        name="speakers",
        title="CCC by speaker",
        alt=f"Marks of CCC for {len(order)} speakers: {told}.",
        caption="Each row is a test speaker, broken lines are the pooled figures. Within a speaker "
        "ratings vary less, so a speaker's CCC is often below the pooled one."
        + (
            f" {left_out} with fewer than {FEWEST_OF_GROUP} utterances, or where nothing varies, "
            "lack a mark."
            if left_out
            else ""
        ),
    )


def _figures_section(scores: AffectScores, together: AffectScores | None, draws: int) -> Section:
    said = (
        "CCC (concordance correlation coefficient) is 1 where every prediction equals its rating, "
        "0 where they do not go together; unlike Pearson's correlation it also falls when "
        "predictions are shifted or keep to the middle. RMSE is on the scale of [0, 1], and lower "
        "is better. Pooled puts the predictions of all folds together before scoring; it is never "
        "a mean over batches. The interval draws speakers with replacement "
        f"({draws:,} times)."
    )
    clamped = [Words(text=f"Predictions {scores.clamped_text}.")] if scores.clamped_text else []
    seeds = [_seeds(scores, together)] if together else []
    blocks = (_headline(scores, together), *seeds, *clamped, Words(text=said))
    return Section(name="figures", title="Figures", blocks=blocks)


def _headline(scores: AffectScores, together: AffectScores | None) -> Table:
    spread = (
        "one seed, so no ±" if together is None else f"mean ± sd over {len(scores.seeds)} seeds"
    )
    rows: list[tuple[str, ...]] = []
    for part in (scores, together):
        if part is not None:
            name = f", {part.seeds[0]}" if part is together else ""
            rows += [
                (
                    f"{_metric_name(metric)}{name}",
                    figure.text,
                    figure.interval.text,
                    figure.fold_text,
                )
                for metric, figure in part.figures.items()
                if part is scores or metric.startswith("ccc")
            ]
    return Table(
        name="headline",
        caption=f"All test utterances ({spread})",
        head=("figure", "pooled over folds", "95 % over speakers", "per fold (mean ± sd)"),
        rows=tuple(rows),
    )


def _seeds(scores: AffectScores, together: AffectScores) -> Table:
    names = [MEAN_CCC, *(f"ccc_{dimension}" for dimension in scores.dimensions)]
    rows = [
        (str(seed), *(marked(scores.figures[name].by_seed[seed]) for name in names))
        for seed in scores.seeds
    ]
    rows.append((str(together.seeds[0]), *(marked(together.figures[name].mean) for name in names)))
    return Table(
        name="seeds",
        caption="Pooled over folds, by seed",
        head=("seed", *map(_metric_name, names)),
        rows=tuple(rows),
        note="The ensemble averages the predictions of all seeds and is one system more.",
    )


def _folds(scores: AffectScores, facts: Mapping[str, Mapping[str, str | int | float]]) -> Table:
    columns = list(dict.fromkeys(column for of_fold in facts.values() for column in of_fold))
    names = [MEAN_CCC, *(f"ccc_{dimension}" for dimension in scores.dimensions)]
    rows = [
        (
            fold,
            str(scores.utterances_by_fold[fold]),
            str(scores.speakers_by_fold[fold]),
            *(marked(scores.figures[name].by_fold[fold]) for name in names),
            *(str(facts.get(fold, {}).get(column, NOTHING)) for column in columns),
        )
        for fold in scores.folds
    ]
    over = "mean over seeds" if len(scores.seeds) > 1 else "one seed"
    return Table(
        name="folds",
        caption=f"Test side of each fold ({over})",
        head=("fold", "utterances", "speakers", *map(_metric_name, names), *columns),
        rows=tuple(rows),
        note=f"Over folds: mean CCC {scores.figures[MEAN_CCC].fold_text}. This is not the pooled "
        "figure: every fold weighs the same here.",
    )


def _speakers(
    rows: Sequence[AffectPrediction], by_speaker: Mapping[str, Mapping[str, float]]
) -> Table:
    counts = {name: len({row.file for row in rows if row.speaker == name}) for name in by_speaker}
    dimensions = list(next(iter(by_speaker.values())))
    return Table(
        name="by-speaker",
        caption="CCC by speaker",
        head=("speaker", "utterances", *dimensions),
        rows=tuple(
            (name or UNKNOWN, str(counts[name]), *map(marked, values.values()))
            for name, values in by_speaker.items()
        ),
    )


def _coupling(rows: Sequence[AffectPrediction], draws: int) -> list[Table]:
    """Whether dominance is more than arousal said again."""
    if not {"arousal", "dominance"} <= rows[0].predicted.keys():
        return []
    found = coupling(rows, draws=draws)
    lines = [
        ("correlation of the two, rated", NOTHING, found.rated),
        ("correlation of the two, predicted", NOTHING, found.predicted),
        *(
            (
                f"CCC of dominance, arousal rated {step.low:.2f} to {step.high:.2f}",
                str(step.num_utterances),
                step.concordance,
            )
            for step in found.steps
        ),
        ("CCC of dominance, mean of these", NOTHING, found.within),
    ]
    table = Table(
        name="coupling",
        caption="Dominance beside arousal",
        head=("figure", "utterances", "value", "95 % over speakers"),
        rows=tuple((name, number, marked(i.value), i.text) for name, number, i in lines),
        note="Where dominance is rated much as arousal is, hearing arousal alone scores well in "
        "both. Within a third of the rated arousal it no longer does: what is left there is "
        "dominance proper. Ratings vary less within a third, which lowers CCC as well.",
    )
    return [table]


def _sphere_section(rows: Sequence[AffectPrediction], draws: int) -> list[Section]:
    """All three dimensions as a direction and a distance, and the regions they lie in."""
    if not set(AFFECT) <= rows[0].predicted.keys():
        return []
    scored = {name: region_scores(rows, Grid(n), draws=draws) for name, n in GRIDS.items()}
    octants = next(iter(scored.values()))
    blocks = (
        sphere_that_turns(rows),
        region_table(scored),
        region_picture(octants),
        Folded(summary="The regions in numbers", table=region_counts(octants)),
        octant_table(rows),
    )
    return [Section(name="sphere", title="On the sphere", blocks=blocks)]


def _people_section(
    rows: Sequence[AffectPrediction], annotators: Annotators, scores: AffectScores, draws: int
) -> list[Section]:
    """The system beside people who rated the same speech."""
    found = people_agreed(rows, annotators, draws=draws)
    if found is None:
        return []
    columns = list(found.together)
    pooled = {c: scores.figures[MEAN_CCC if c == MEAN else f"ccc_{c}"].interval for c in columns}
    lines = [
        *(
            (f"{name} with the mean of the others", str(found.num_utterances[name]), figures)
            for name, figures in found.by_annotator.items()
        ),
        ("people: mean of these", NOTHING, found.together),
        ("system with the same means of the others", NOTHING, found.system),
        ("system with the mean of all, as above", str(scores.num_utterances), pooled),
    ]
    values = Table(
        name="people",
        caption="CCC of people, and of the system",
        head=("who", "utterances", *columns),
        rows=(
            *(
                (name, number, *(marked(of[c].value) for c in columns))
                for name, number, of in lines
            ),
            (
                "the training mean for everything",
                str(scores.num_utterances),
                *["0.000"] * len(columns),
            ),
        ),
        note="The mean of all is steadier than that of the others, so a system is compared with "
        "people on the very values they are compared with. CCC of a constant is 0 by definition."
        + f" Left out: {found.num_left_out} people who rated fewer than {FEWEST_OF_ANNOTATOR} of "
        "these utterances with others, or fewer than those shown." * bool(found.num_left_out),
    )
    differences = Table(
        name="people-difference",
        caption="System less people, on the same values",
        head=("CCC", "people", "95 % over speakers", "system", "95 % over speakers", "difference"),
        rows=tuple(
            (
                c,
                *(
                    text
                    for of in (found.together, found.system)
                    for text in (marked(of[c].value), of[c].text)
                ),
                str(found.difference[c]),
            )
            for c in columns
        ),
    )
    picture = spread_picture(rows, annotators)
    blocks = (values, differences, *([picture] if picture else []))
    return [Section(name="people", title="How well people agree", blocks=blocks)]


def _groups_section(
    rows: Sequence[AffectPrediction], groups: Mapping[str, Mapping[str, str]], draws: int
) -> list[Section]:
    """Mean CCC of each group, for ways of grouping that tell at least two apart."""
    lines: list[tuple[str, ...]] = []
    for by, group_of in groups.items():
        parts: dict[str, list[AffectPrediction]] = defaultdict(list)
        for row in rows:
            parts[group_of.get(row.file) or UNKNOWN].append(row)
        if len(parts.keys() - {UNKNOWN}) < 2:
            continue
        scored = {name: score_affect(part, draws=draws) for name, part in parts.items()}
        names = sorted(scored, key=lambda n: (n == UNKNOWN, scored[n].figures[MEAN_CCC].mean, n))
        lines += [
            (
                by,
                name,
                str(scored[name].num_utterances),
                str(scored[name].num_speakers),
                scored[name].figures[MEAN_CCC].text,
                scored[name].figures[MEAN_CCC].interval.text,
                *(scored[name].figures[f"ccc_{d}"].text for d in scored[name].dimensions),
            )
            for name in names
        ]
    if not lines:
        return []
    table = Table(
        name="by-group",
        caption="By group, the worst first",
        head=(
            "by", "group", "utterances", "speakers", "mean CCC", "95 % over speakers",
            *rows[0].predicted,
        ),
        rows=tuple(lines),
        note="CCC depends on how much ratings vary within a group, so groups with less varied "
        "ratings score lower for the same errors.",
    )  # fmt: skip
    return [Section(name="groups", title="Groups", blocks=(table,))]


def _metric_name(metric: str) -> str:
    """``ccc_arousal`` as ``CCC arousal``."""
    statistic, _, of = metric.partition("_")
    return f"{STATISTIC_NAMES[statistic]} {of}" if metric != MEAN_CCC else "mean CCC"
