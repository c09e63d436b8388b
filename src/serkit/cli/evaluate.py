"""``serkit evaluate``: a run, a model, or anybody's predictions, scored by the same code."""

import contextlib
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from serkit.cli.shell import (
    AliasOption,
    AllowLeakOption,
    RaterOption,
    ScaleOption,
    SpeakerOption,
    misunderstood,
    new_console,
    read_corpus,
)
from serkit.cli.show import show_affect_scores, show_scores, show_written

if TYPE_CHECKING:
    from rich.console import Console

    from serkit.corpus import Corpus, Protocol
    from serkit.evaluation import Prediction
    from serkit.evaluation.affect import AffectPrediction
    from serkit.experiment.folder import FoldRecord

TABLES = (".csv", ".tsv", ".gz")
"""Endings of tables of predictions; everything else is a folder of a run or a model."""

NOT_LISTENED = "Equal audio was not looked for: nothing is trained here."
UNCALIBRATED = "it has no probabilities, so nothing is said of calibration"


def evaluate(
    target: Annotated[
        Path,
        typer.Argument(
            help="A run, a table of predictions (.csv, .csv.gz) of ours or, with --corpus, of "
            "anybody's, or, with --corpus, a model."
        ),
    ],
    corpus: Annotated[
        str | None,
        typer.Option(
            "--corpus",
            metavar="NAME=PATH",
            help="Judge a model on this corpus; or score a foreign table (file, predicted) by it.",
        ),
    ] = None,
    protocol: Annotated[
        str | None,
        typer.Option(
            "--protocol",
            metavar="NAME",
            help="Whose test sides a foreign table answers for. Default: the corpus's own.",
        ),
    ] = None,
    missing: Annotated[
        Literal["refuse", "wrong"],
        typer.Option(
            "--missing", help="A test utterance that a foreign table lacks: stop, or an error."
        ),
    ] = "refuse",
    against: Annotated[
        Path | None,
        typer.Option("--against", help="Compare with this run or table, on the same utterances."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", metavar="FILE", help="Write the predictions that were scored."),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option("--report", metavar="FILE.html", help="Write the page of the figures."),
    ] = None,
    scale: ScaleOption = None,
    speaker_pattern: SpeakerOption = None,
    alias: AliasOption = None,
    rater: RaterOption = None,
    allow_leak: AllowLeakOption = None,
) -> None:
    """Score a run or anybody's predictions, or judge a model on a corpus."""
    console = new_console()
    foreign = corpus is not None and target.name.endswith(TABLES)
    if not foreign and (protocol is not None or missing != "refuse"):
        misunderstood(
            f"{'--protocol' if protocol else '--missing'} is for a foreign table of predictions: "
            "serkit evaluate theirs.csv --corpus NAME=PATH --protocol NAME."
        )
    if not foreign and allow_leak:
        misunderstood("--allow-leak is for the protocol of a foreign table; a run knows its own.")
    if corpus is None and (alias or rater or scale or speaker_pattern):
        misunderstood(
            "--alias, --rater, --scale and --speaker-pattern are about a corpus: give --corpus."
        )
    if output is not None and output.exists() and target.exists() and output.samefile(target):
        misunderstood(f"--output {output} is what is to be scored; choose another name.")
    if output is not None and not output.name.endswith((".csv", ".csv.gz")):
        misunderstood(f"--output takes a .csv or .csv.gz, not {output}.")
    if report is not None and report.suffix.lower() not in (".html", ".htm"):
        misunderstood(f"--report takes a page, such as theirs.html, not {report}.")
    other: _Answers | None = None
    if corpus is None:
        answers = _doubted(_answers(target))
    else:
        read = read_corpus(
            corpus, scale=scale, speaker_pattern=speaker_pattern, aliases=alias, rater=rater
        )
        if foreign:
            meanings = dict(word.split("=", 1) for word in alias or ())
            cut, leaks = _cut(read, protocol, allow_leak or ())
            reader = _Reader(read, cut, leaks, meanings, missing)
            answers = reader.read(target)
            if against is not None and against.is_file() and not _is_own(against):
                other = reader.read(against)
        else:
            answers = _doubted(_judge(target, read))
    if against is not None and other is None:
        other = _doubted(_answers(against))
    _warn(console, answers)
    if other is not None:
        _warn(console, other)
    _show(console, answers)
    if other is not None:
        _check_split(answers, other)
        _compare(console, answers, other)
    _write(console, answers, output, report)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Answers:
    """A table that can be scored, and what is known of it."""

    rows: "Sequence[Prediction] | Sequence[AffectPrediction]"
    title: str
    notes: tuple[str, ...] = ()
    split: str = ""
    """``Protocol.split`` of its folds, where it is known."""
    card: Mapping[str, str] | None = None
    """What to say of the protocol, where it is known."""
    leaks: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    duplicates: tuple[str, ...] = (NOT_LISTENED,)
    audit: tuple[str, ...] = ()
    summary: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def is_affect(self) -> bool:
        return not hasattr(self.rows[0], "probabilities")


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads foreign tables under one protocol."""

    corpus: "Corpus"
    protocol: "Protocol"
    leaks: tuple[str, ...]
    aliases: dict[str, str]
    missing: Literal["refuse", "wrong"]

    def read(self, path: Path) -> _Answers:
        from serkit.evaluation.page import protocol_card
        from serkit.evaluation.rival import read_rival

        rival = read_rival(path, self.protocol, aliases=self.aliases, missing=self.missing)
        return _Answers(
            rows=rival.predictions,
            title=f"{path}, {self.corpus.name}, {self.protocol.name}",
            notes=(
                *(f"{path}: {note}" for note in rival.notes),
                *(() if rival.has_probabilities else (f"{path}: {UNCALIBRATED}",)),
                self.protocol.labelled,
            ),
            split=self.protocol.split,
            card=protocol_card(self.protocol),
            leaks=self.leaks,
            dropped=self.protocol.dropped,
            summary={
                "Reference": "labels, speakers and folds are those of the corpus and the protocol"
            },
        )


def _cut(
    corpus: "Corpus", name: str | None, allow: Sequence[str]
) -> "tuple[Protocol, tuple[str, ...]]":
    """The protocol, once it is known to keep what it claims, and the leaks allowed."""
    from serkit.corpus import check, default_protocol, protocol

    cut = protocol(name or default_protocol(corpus), corpus)
    return cut, check(cut, audio=False, allow=allow)  # of names only: nothing is trained here


def _answers(target: Path) -> _Answers:
    """A run or a table of our own."""
    from serkit.evaluation.scores import whole_seeds
    from serkit.experiment import ExperimentError
    from serkit.experiment.folder import EXPERIMENT, PREDICTIONS, complete, gather, read_experiment

    if target.is_file():
        rows, line = whole_seeds(_read_table(target))
        return _Answers(rows=rows, title=str(target), notes=(line,) if line else ())
    if not target.exists():
        raise FileNotFoundError(f"{target}: no such run, table of predictions or model.")
    if (target / EXPERIMENT).is_file():
        described, finished = read_experiment(target), gather(target)
        seeds, folds = complete(described, finished.records)
        rows = [row for row in finished.predictions if row.seed in seeds and row.fold in folds]
        if not rows:
            raise ExperimentError(f"{target}: no seed has all its folds yet.")
        return _of_run(target, described, finished.records, rows, seeds, folds)
    if (target / PREDICTIONS).is_file():
        return _Answers(rows=_read_table(target / PREDICTIONS), title=str(target))
    if (target / "config.json").is_file():
        misunderstood(f"{target} is a model; say what to judge it on: --corpus NAME=PATH.")
    raise ExperimentError(
        f"{target} is no run and no model: there is neither predictions nor weights."
    )


def _of_run(
    folder: Path,
    described: Mapping[str, Any],
    records: "Sequence[FoldRecord]",
    rows: list[Any],
    seeds: Collection[int],
    folds: Collection[str],
) -> _Answers:
    """The complete part of a run, with all that ``experiment.json`` knows of its figures."""
    identity, cut, corpus = described["identity"], described["protocol"], described["corpus"]
    from serkit.experiment.summary import notes_of  # matplotlib is slow to start

    notes = [cut["labelled"], *notes_of(described, len(folds), set(seeds))]
    dropped = {f"{name}: {why}" for record in records for name, why in record.dropped.items()}
    return _Answers(
        rows=rows,
        title=str(folder),
        notes=tuple(notes),
        split=cut.get("split", ""),
        card=cut.get("card"),
        leaks=tuple(cut.get("leaks", ())),
        dropped=(*cut["dropped"], *sorted(dropped)),
        duplicates=tuple(corpus["duplicates"]),
        audit=tuple(corpus["problems"]),
        summary={
            "System": identity["system"],
            "Corpus": f"{corpus['title']} ({corpus['num_utterances']} utterances)",
            "Refitting": identity["refit"],
        },
    )


def _doubted(answers: _Answers) -> _Answers:
    """The same, with what a reader must know before believing the rows."""
    from serkit.evaluation import doubts

    if answers.is_affect:
        return answers
    rows: Any = answers.rows
    return replace(
        answers, notes=(*answers.notes, *(f"{answers.title}: {line}" for line in doubts(rows)))
    )


def _read_table(path: Path) -> "Sequence[Prediction] | Sequence[AffectPrediction]":
    """A table of our own, of emotions or of affect."""
    from serkit.evaluation import PredictionsError, read_predictions
    from serkit.evaluation.affect import read_affect_predictions

    if any(column.startswith("predicted_") for column in _header(path)):
        return read_affect_predictions(path)
    try:
        return read_predictions(path)
    except PredictionsError as error:
        if "no column" not in str(error):
            raise
        raise PredictionsError(
            f"{error}. To score somebody else's table, with as little as file,predicted, say what "
            "was predicted: --corpus NAME=PATH --protocol NAME"
        ) from error


def _header(path: Path) -> list[str]:
    """The columns of a table of our own; nothing of a broken one, which is said elsewhere."""
    import gzip

    opened = gzip.open if path.suffix == ".gz" else open
    with contextlib.suppress(OSError, EOFError, UnicodeDecodeError), opened(path, "rb") as file:
        return file.readline().decode("utf-8-sig").strip().split(",")
    return []


def _is_own(path: Path) -> bool:
    """Whether a table says its own folds and references, as ours do."""
    from serkit.evaluation.predictions import COLUMNS

    return set(COLUMNS) <= set(_header(path))


def _warn(console: "Console", answers: _Answers) -> None:
    """What must be read before the figures."""
    for leak in answers.leaks:
        console.print(f"LEAK ALLOWED: {leak}", style="bold red", markup=False, soft_wrap=True)
    for note in answers.notes:
        console.print(note, markup=False, soft_wrap=True)


def _show(console: "Console", answers: _Answers) -> None:
    from serkit.evaluation import score
    from serkit.evaluation.affect import score_affect

    rows: Any = answers.rows
    if answers.is_affect:
        show_affect_scores(console, score_affect(rows), title=answers.title)
    else:
        show_scores(console, score(rows), title=answers.title)


def _check_split(one: _Answers, other: _Answers) -> None:
    """Refuse to compare figures that come from different cuts."""
    from serkit.evaluation import PredictionsError
    from serkit.evaluation.rival import split_difference, table_split

    if one.is_affect != other.is_affect:
        raise PredictionsError(
            f"{one.title} and {other.title} are not compared: one is of emotions, one of affect."
        )
    if one.split and other.split:
        hashes = one.split, other.split
        words = "the test sides are alike, training or development sides are not"
    else:
        hashes = table_split(one.rows), table_split(other.rows)
        words = ""
    if hashes[0] != hashes[1]:
        raise PredictionsError(
            f"{one.title} (split {hashes[0]}) and {other.title} (split {hashes[1]}) were not cut "
            f"alike, so their figures are not compared: "
            f"{split_difference(one.rows, other.rows) or words}."
        )


def _compare(console: "Console", one: _Answers, other: _Answers) -> None:
    from serkit.evaluation import compare_affect, compare_predictions, mcnemar

    first: Any = one.rows
    second: Any = other.rows
    if one.is_affect:
        figure, difference = "CCC", compare_affect(first, second)
    else:
        figure, difference = "UAR", compare_predictions(first, second)
    console.print(
        f"{figure}, {one.title} minus {other.title}: {difference}", markup=False, soft_wrap=True
    )
    for found in [] if one.is_affect else mcnemar(first, second):
        console.print(f"{found} (as if utterances were independent, which they are not)")


def _write(console: "Console", answers: _Answers, output: Path | None, report: Path | None) -> None:
    """The predictions, and the page, which says where they are."""
    from serkit.evaluation import write_predictions, write_report
    from serkit.evaluation.affect import write_affect_predictions
    from serkit.evaluation.affect_report import write_affect_report

    if report is not None and output is None:
        # a page without its numbers cannot be checked
        output = report.with_name(f"{report.stem}.predictions.csv")
    rows: Any = answers.rows
    if output is not None:
        writer = write_affect_predictions if answers.is_affect else write_predictions
        _ = writer(output, rows)
    if report is not None and output is not None:
        writer = write_affect_report if answers.is_affect else write_report
        _ = writer(
            report,
            rows,
            title=answers.title,
            summary={"Predictions": answers.title, **answers.summary},
            protocol_card=answers.card,
            split=answers.split,
            leaks=answers.leaks,
            dropped=answers.dropped,
            duplicates=answers.duplicates,
            audit=answers.audit,
            notes=answers.notes,
            predictions_file=Path(os.path.relpath(output, report.parent)).as_posix(),
        )
    show_written(console, {"predictions": output, "report": report})


def _judge(model: Path, corpus: "Corpus") -> _Answers:
    """A model's answers to all speakers of a corpus that it has not heard."""
    from serkit.evaluation import AffectPrediction, Prediction
    from serkit.experiment import ExperimentError, Waveforms
    from serkit.predictor import load

    listener = load(model)
    heard = _heard_speakers(model)
    known = [
        u
        for u in corpus.utterances
        if u.emotion() in listener.emotions
        or (listener.affect and set(listener.affect) <= set(u.affect()))
    ]
    unheard = [u for u in known if _person(u.speaker) not in heard]
    notes: list[str] = []
    if len(known) < len(corpus.utterances):
        notes.append(
            f"{len(corpus.utterances) - len(known)} utterances are not rated as "
            f"{' or '.join(listener.emotions) or ' and '.join(listener.affect)}, and are left out"
        )
    if len(unheard) < len(known):
        notes.append(
            f"{len(known) - len(unheard)} utterances are of speakers that the model was trained "
            "or chosen on, and are left out"
        )
    corpora = {_person(speaker).partition("/")[0] for speaker in heard}
    if any(u.speaker is None for u in unheard) or corpora - {_person(corpus.name + "/")[:-1]}:
        notes.append(
            "whether the model has heard these people cannot be told from speaker ids (unknown "
            "speakers, or a corpus of another name): no independence of speakers is claimed"
        )
    waveforms = Waveforms(listener.sample_rate)
    waveforms.read(unheard)
    dropped = tuple(f"{name}: {reason}" for name, reason in waveforms.dropped.items())
    notes += [f"dropped {line}" for line in dropped]
    kept = waveforms.kept(unheard)
    if not kept:
        raise ExperimentError(
            f"{corpus.name} has no utterance to judge {model} on: none rated as "
            f"{' or '.join(listener.emotions) or ' and '.join(listener.affect)} by a speaker it "
            f"has not heard. {'; '.join(notes)}".rstrip()
        )
    answers = listener.answers(waveforms.of(kept))
    rows: list[AffectPrediction] | list[Prediction]
    if listener.affect:
        rows = [
            AffectPrediction.of(
                seed=0,
                fold="all",
                file=utterance.id,
                speaker=utterance.speaker,
                reference={name: utterance.affect()[name] for name in listener.affect},
                predicted=dict(zip(listener.affect, row.tolist(), strict=True)),
            )
            for utterance, row in zip(kept, answers, strict=True)
        ]
    else:
        rows = [
            Prediction.of(
                seed=0,
                fold="all",
                file=utterance.id,
                speaker=utterance.speaker,
                emotion=utterance.emotion() or "",
                emotions=listener.emotions,
                probabilities=row,
            )
            for utterance, row in zip(kept, answers, strict=True)
        ]
    return _Answers(
        rows=rows,
        title=f"{model} on {corpus.name}",
        notes=tuple(notes),
        dropped=dropped,
        duplicates=(
            "Equal audio was not looked for: the recordings that the model was trained on are not "
            "here.",
        ),
        audit=corpus.problems,
    )


def _heard_speakers(model: Path) -> set[str]:
    """Speakers on the cards of a model, or of all models of a run."""
    import json

    heard: set[str] = set()
    folder = model if model.is_dir() else model.parent
    for path in (folder / "config.json", *folder.rglob("config.json")):
        if path.is_file():
            card = json.loads(path.read_text(encoding="utf-8")).get("card", {})
            heard |= {_person(s) for s in (*card.get("speakers", ()), *card.get("chosen_on", ()))}
    return heard


def _person(speaker: str | None) -> str:
    """Who a speaker is; those of the excerpt are those of Emo-DB."""
    name = speaker or ""
    return f"emodb/{name.removeprefix('excerpt/')}" if name.startswith("excerpt/") else name
