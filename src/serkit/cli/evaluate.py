"""``serkit evaluate``: tables anew from predictions, or a model judged on a corpus."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from serkit.cli.shell import (
    ScaleOption,
    SpeakerOption,
    misunderstood,
    new_console,
    read_corpus,
)
from serkit.cli.show import show_scores, show_written

if TYPE_CHECKING:
    from rich.console import Console

    from serkit.corpus import Corpus
    from serkit.evaluation import Prediction


def evaluate(
    target: Annotated[
        Path, typer.Argument(help="A run, a table of predictions (.csv, .csv.gz), or a model.")
    ],
    corpus: Annotated[
        str | None,
        typer.Option(
            "--corpus", metavar="NAME=PATH", help="Judge the model on this corpus instead."
        ),
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option("--against", help="Compare with this run or table, on the same utterances."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", metavar="FILE", help="Write the predictions made (--corpus)."),
    ] = None,
    scale: ScaleOption = None,
    speaker_pattern: SpeakerOption = None,
) -> None:
    """Compute the table anew from predictions, or judge a model on a corpus."""
    from serkit.evaluation import compare_predictions, score, write_predictions

    console = new_console()
    if corpus is None:
        rows = predictions_of(target)
    else:
        read = read_corpus(corpus, scale=scale, speaker_pattern=speaker_pattern)
        rows = _judge(console, target, read)
        if output is not None:
            _ = write_predictions(output, rows)
            show_written(console, {"predictions": output})
    show_scores(console, score(rows), title=str(target))
    if against is not None:
        difference = compare_predictions(rows, predictions_of(against))
        console.print(f"UAR, {target} minus {against}: {difference}", markup=False, soft_wrap=True)


def predictions_of(target: Path) -> "list[Prediction]":
    """Predictions of the complete seeds of a run, or of a table."""
    from serkit.evaluation import read_predictions
    from serkit.experiment import ExperimentError
    from serkit.experiment.folder import EXPERIMENT, PREDICTIONS, complete, gather, read_experiment

    if target.is_file():
        return read_predictions(target)
    if not target.exists():
        raise FileNotFoundError(f"{target}: no such run, table of predictions or model.")
    if (target / EXPERIMENT).is_file():
        finished = gather(target)
        seeds, folds = complete(read_experiment(target), finished.records)
        rows = [row for row in finished.predictions if row.seed in seeds and row.fold in folds]
        if not rows:
            raise ExperimentError(f"{target}: no seed has all its folds yet.")
        return rows
    if (target / PREDICTIONS).is_file():
        return read_predictions(target / PREDICTIONS)
    if (target / "config.json").is_file():
        misunderstood(f"{target} is a model; say what to judge it on: --corpus NAME=PATH.")
    raise ExperimentError(
        f"{target} is no run and no model: there is neither predictions nor weights."
    )


def _judge(console: "Console", model: Path, corpus: "Corpus") -> "list[Prediction]":
    """A model's answers to all speakers of a corpus that it has not heard."""
    from serkit.evaluation import Prediction
    from serkit.experiment import ExperimentError, Waveforms
    from serkit.predictor import load

    listener = load(model)
    heard = _heard_speakers(model)
    known = [u for u in corpus.utterances if u.emotion() in listener.emotions]
    unheard = [u for u in known if _person(u.speaker) not in heard]
    if len(known) < len(corpus.utterances):
        console.print(
            f"{len(corpus.utterances) - len(known)} utterances have another emotion than "
            f"{', '.join(listener.emotions)}, and are left out"
        )
    if len(unheard) < len(known):
        console.print(
            f"{len(known) - len(unheard)} utterances are of speakers that the model was trained "
            "or chosen on, and are left out"
        )
    corpora = {_person(speaker).partition("/")[0] for speaker in heard}
    if any(u.speaker is None for u in unheard) or corpora - {_person(corpus.name + "/")[:-1]}:
        console.print(
            "whether the model has heard these people cannot be told from speaker ids (unknown "
            "speakers, or a corpus of another name): no independence of speakers is claimed"
        )
    waveforms = Waveforms(listener.sample_rate)
    waveforms.read(unheard)
    for name, reason in waveforms.dropped.items():
        console.print(f"dropped {name}: {reason}", markup=False, soft_wrap=True)
    kept = waveforms.kept(unheard)
    if not kept:
        raise ExperimentError(
            f"{corpus.name} has no utterance to judge {model} on: none with one of its emotions "
            "by a speaker it has not heard."
        )
    posteriors = listener.posterior(waveforms.of(kept))
    return [
        Prediction.of(
            seed=0,
            fold="all",
            file=utterance.id,
            speaker=utterance.speaker,
            emotion=utterance.emotion() or "",
            emotions=listener.emotions,
            probabilities=row,
        )
        for utterance, row in zip(kept, posteriors, strict=True)
    ]


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
