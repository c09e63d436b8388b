"""One self-contained page about one run: figures with intervals, pictures, settings.

The page loads nothing: styles and pictures are inside it. It is made from the predictions alone
(and from what the caller adds about training and data), so it can be made again at any time.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from serkit.evaluation.classification import DAGGER, f1, marked, precision, recall
from serkit.evaluation.figures import (
    NOTHING,
    LearningCurve,
    Picture,
    confusion_picture,
    learning_picture,
    length_picture,
    recall_picture,
    speaker_picture,
    uar_by_speaker,
)
from serkit.evaluation.interval import DRAWS
from serkit.evaluation.predictions import Prediction
from serkit.evaluation.scores import Scores, ensemble, score

METRIC_NAMES = {"uar": "UAR", "war": "WAR", "macro_f1": "macro F1"}
TEMPLATE = "report.html.jinja"

Facts = Mapping[str, Any]
"""Names and values; values may be mappings or sequences in turn."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """A table of the page."""

    name: str
    """Of its anchor."""
    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


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
            development=() if any(map(math.isnan, scores)) else tuple(map(float, scores)),
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
    curves: Sequence[LearningCurve] = (),
    durations: Mapping[str, float] | None = None,
    fold_facts: Mapping[str, Mapping[str, str | int | float]] | None = None,
    dropped: Sequence[str] = (),
    duplicates: Sequence[str] = (),
    notes: Sequence[str] = (),
    settings: Facts | None = None,
    environment: Facts | None = None,
    command: str = "",
    predictions_file: str = "predictions.csv",
    draws: int = DRAWS,
) -> Path:
    """Write the report of one run as one HTML file that needs no network.

    Args:
        path: Of the page, such as ``OUT/report.html``; its folder is made.
        rows: Predictions of all seeds and folds.
        title: Heading, such as ``"crnn on emodb, leave one speaker out"``.
        summary: What stands under the heading, in order: system, corpus and edition, protocol, what
            it claims (speaker-independent or not), licence, refitting and the like.
        curves: Learning curves of all seeds and folds.
        durations: Seconds of each utterance, by the name in ``Prediction.file``.
        fold_facts: Further columns of the table of folds, by fold: what it was trained on.
        dropped: Utterances that were left out, each with the reason.
        duplicates: Equal audio that was found, and what was done about it.
        notes: Warnings that stand on top, such as "an excerpt this small shows the machinery".
        settings: Of the system and the trainer; nested mappings are fine.
        environment: Versions, git state, hardware, date.
        command: What was run.
        predictions_file: Where ``rows`` can be read, from the folder of the page.
        draws: Of the bootstrap over speakers.

    Returns:
        The path.

    Raises:
        PredictionsError: The predictions cannot be scored; see ``score``.

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
    from jinja2 import Environment, StrictUndefined

    path, rows = Path(path), list(rows)
    scores = score(rows, draws=draws)
    together = score(ensemble(rows), draws=draws) if len(scores.seeds) > 1 else None
    lengths = length_picture(rows, durations) if durations else None
    pictures = [confusion_picture(scores.confusion, num_seeds=len(scores.seeds))]
    pictures.append(recall_picture(scores))
    pictures.append(speaker_picture(scores))
    if lengths is not None:
        pictures.append(lengths[0])
    if curves:
        pictures.append(learning_picture(curves))
    by_name: dict[str, Picture] = {picture.name: picture for picture in pictures}

    page = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = page.from_string(
        resources.files("serkit.evaluation").joinpath(TEMPLATE).read_text(encoding="utf-8")
    )
    uar = scores.figures["uar"]
    one_seed = len(scores.seeds) == 1
    html = template.render(
        title=title,
        one_seed=one_seed,
        notes=list(notes),
        summary=dict(summary or {}),
        uar=uar,
        scores=scores,
        chance=1 / (len(scores.emotions) - len(scores.absent)),
        pictures=by_name,
        headline=_headline(scores, together),
        seeds=_seeds(scores, together),
        emotions=_emotions(scores),
        confusion=_confusion(scores),
        folds=_folds(scores, fold_facts or {}),
        speakers=_speakers(scores),
        lengths=_lengths(lengths[1]) if lengths is not None else None,
        data=_data(scores),
        dropped=list(dropped),
        duplicates=list(duplicates),
        settings=_facts("settings", "What was set", settings),
        environment=_facts("versions", "What it ran on", environment),
        command=command,
        predictions_file=predictions_file,
        draws=draws,
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.part")
    _ = beside.write_text(html, encoding="utf-8")
    return beside.replace(path)


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


def _facts(name: str, caption: str, facts: Facts | None) -> Table | None:
    if not facts:
        return None
    return Table(name=name, caption=caption, head=("name", "value"), rows=tuple(_flat(facts)))


def _flat(facts: Facts, before: str = "") -> list[tuple[str, ...]]:
    """``{"a": {"b": 1}}`` as ``a.b  1``."""
    rows: list[tuple[str, ...]] = []
    for name, value in facts.items():
        if isinstance(value, Mapping) and value:
            rows += _flat(value, f"{before}{name}.")
        elif isinstance(value, Sequence) and not isinstance(value, str | bytes):
            rows.append((before + name, ", ".join(map(str, value)) or NOTHING))
        else:
            rows.append((before + name, NOTHING if value is None or value == {} else str(value)))
    return rows
