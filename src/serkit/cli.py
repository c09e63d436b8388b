"""The command line: corpora, audit, train, evaluate, predict, report, demo, doctor.

Everything heavy is imported inside the commands, so that ``serkit --help`` answers at once.
"""

import os
import sys
import traceback
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from serkit.corpus import Corpus
    from serkit.evaluation import Prediction, Scores
    from serkit.experiment import Finished
    from serkit.predictor import Outcome, Predictor

# Idle OpenMP threads that spin make a shared machine crawl; torch, which the commands import later,
# reads this once.
_ = os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

FAILED, USAGE, STOPPED = 1, 2, 130
"""Exit codes: something went wrong; the command was misunderstood; stopped from the keyboard."""

MEDIA_SUFFIXES = (
    *(".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".au", ".caf", ".w64"),
    *(".m4a", ".aac", ".wma", ".amr", ".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg"),
    *(".mpeg", ".3gp"),
)
"""Endings by which ``serkit predict FOLDER`` knows a recording."""

SMALL = "An excerpt this small shows the machinery, not the state of the art."


# ---------------------------------------------------------------------------------- how it speaks


class Commands(TyperGroup):
    """Says our own errors in a sentence; ``--debug``, wherever it stands, shows the traceback."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Let ``--debug`` stand behind the command as well as before it."""
        if "--debug" in args:
            args = ["--debug", *(word for word in args if word != "--debug")]
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            _complain("stopped; the same command goes on where it was.")
            raise typer.Exit(STOPPED) from None
        except BrokenPipeError:
            raise
        except Exception as error:
            # typer's own (usage errors, exits) know their exit code, and say themselves why
            if hasattr(error, "exit_code") or isinstance(error, typer.Abort):
                raise
            if ctx.params.get("debug"):
                traceback.print_exc()
            elif _is_for_people(error):
                _complain(str(error))
            else:
                _complain(
                    f"serkit failed: {type(error).__name__}: {error}. That should not happen; "
                    "the same command with --debug shows where."
                )
            raise typer.Exit(USAGE if getattr(error, "is_usage", False) else FAILED) from error


def _is_for_people(error: Exception) -> bool:
    """Whether an error was written for a reader: one of ours, or one that we raised."""
    if type(error).__module__.partition(".")[0] == "serkit" or isinstance(error, OSError):
        return True
    frames = list(traceback.walk_tb(error.__traceback__))
    raised_in = str(frames[-1][0].f_globals.get("__name__", "")) if frames else ""
    return type(error) in (ValueError, ImportError) and raised_in.startswith("serkit.")


def _complain(text: str) -> None:
    """One sentence in red on the error stream."""
    from rich.console import Console

    console = Console(file=sys.stderr, soft_wrap=True, highlight=False)
    console.print("Error:", style="bold red", end=" ")
    console.print(text, style="red", markup=False)


def _misunderstood(text: str) -> NoReturn:
    _complain(text)
    raise typer.Exit(USAGE)


def _console(file: IO[str] | None = None) -> "Console":
    """Where tables go; piped ones are not folded at 80 columns."""
    from rich.console import Console

    console = Console(file=file, highlight=False, markup=False)
    if console.is_terminal:
        return console
    return Console(file=file, highlight=False, markup=False, width=160)


def _table(*columns: str, numbers: int = 0) -> "Table":
    """A table whose last ``numbers`` columns are flush right."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE, pad_edge=False)
    for place, column in enumerate(columns):
        is_number = place >= len(columns) - numbers
        table.add_column(column, justify="right" if is_number else "left", overflow="fold")
    return table


app = typer.Typer(
    cls=Commands,
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> bool:
    if asked:
        from importlib.metadata import version

        print(f"serkit {version('serkit')}")
        raise typer.Exit
    return asked


@app.callback()
def _everything(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Say which serkit this is.", callback=_version, is_eager=True
        ),
    ] = False,
) -> None:
    """Speech emotion recognition whose numbers can be trusted."""


# ------------------------------------------------------------------------------ words of the user

CorpusOption = Annotated[
    str | None,
    typer.Option(
        "--corpus",
        metavar="NAME=PATH",
        help="A known corpus (serkit corpora) or your own data under any name: a table (.csv, "
        ".parquet), a folder per emotion, an audformat database. Default: the shipped excerpt.",
    ),
]
ProtocolOption = Annotated[
    str | None,
    typer.Option("--protocol", metavar="NAME", help="How to cut it. Default: the corpus's own."),
]
ScaleOption = Annotated[
    str | None,
    typer.Option("--scale", metavar="LOW,HIGH", help="Scale of affect in your own table."),
]
SpeakerOption = Annotated[
    str | None,
    typer.Option(
        "--speaker-pattern",
        metavar="REGEX",
        help="Finds the speaker in the file names of a folder per emotion; has a group 'speaker'.",
    ),
]
ModelOption = Annotated[
    Path | None,
    typer.Option(
        "--model",
        metavar="DIR",
        help="Folder of a model or of a run. Default: the newest run in runs/ or demo/.",
    ),
]


def _corpus(
    given: str | None, *, scale: str | None = None, speaker_pattern: str | None = None
) -> "Corpus":
    """Read what ``NAME=PATH`` says; a name alone is looked for under ``SERKIT_CORPORA``."""
    from serkit.corpus import load

    name, equals, path = (given or "excerpt").partition("=")
    if not equals and ("/" in name or Path(name).suffix):
        _misunderstood(
            f"--corpus takes NAME=PATH, such as calls={name}; the name stands in every id."
        )
    where = Path(path).expanduser() if path else None
    root = os.environ.get("SERKIT_CORPORA")
    if where is None and root and name != "excerpt" and (Path(root) / name).exists():
        where = Path(root) / name
    limits: tuple[float, float] | None = None
    if scale is not None:
        try:
            low, high = (float(word) for word in scale.split(","))
        except ValueError:
            _misunderstood(f"--scale takes LOW,HIGH, such as 1,7; got {scale!r}.")
        limits = (low, high)
    return load(name, where, scale=limits, speaker_pattern=speaker_pattern)


def _whole_numbers(text: str, option: str) -> tuple[int, ...]:
    try:
        numbers = tuple(int(word) for word in text.split(","))
    except ValueError:
        _misunderstood(f"{option} takes whole numbers with commas between, not {text!r}.")
    if min(numbers) < 0:
        _misunderstood(f"{option} takes numbers from 0, not {text!r}.")
    return tuple(dict.fromkeys(numbers))


# --------------------------------------------------------------------------------------- corpora


@app.command()
def corpora(
    name: Annotated[str | None, typer.Argument(help="Say everything about this one.")] = None,
) -> None:
    """List the corpora that serkit reads: licence, citation, counts, how to get them."""
    from serkit.corpus import CORPORA
    from serkit.corpus.corpus import nearest

    console = _console()
    if name is not None:
        if name not in CORPORA:
            _misunderstood(
                f"no corpus {name!r}; there are {', '.join(CORPORA)}{nearest(name, CORPORA)}"
            )
        _passport(console, CORPORA[name].PASSPORT)
        return
    table = _table(
        "", "corpus", "title", "licence", "language", "utterances", "speakers", numbers=2
    )
    for known in CORPORA.values():
        card = known.PASSPORT
        table.add_row(
            card.name,
            card.title,
            card.licence,
            card.language,
            str(card.num_utterances),
            str(card.num_speakers),
        )
    console.print(table)
    for known in CORPORA.values():
        card = known.PASSPORT
        console.print(f"{card.name}: {card.citation}")
    console.print(
        "\nserkit corpora NAME says more: layout, protocols, how to get it. Your own data: "
        "--corpus NAME=PATH with a table,\na folder per emotion or an audformat database.",
    )


def _passport(console: "Console", card: Any) -> None:
    table = _table(card.name, card.title)
    counts = ", ".join(f"{emotion} {count}" for emotion, count in card.emotions.items())
    for label, text in {
        "licence": card.licence,
        "citation": card.citation,
        "where": card.url,
        "to get it": card.obtain,
        "layout": card.layout,
        "language": card.language,
        "utterances": f"{card.num_utterances} by {card.num_speakers} speakers",
        "emotions": counts,
        "rate": f"{card.sample_rate} Hz",
        "protocols": ", ".join((*card.protocols, "loso", "kfold-K")),
    }.items():
        table.add_row(label, text)
    console.print(table)


# ----------------------------------------------------------------------------------------- audit


@app.command()
def audit(
    given: Annotated[
        str | None, typer.Argument(metavar="NAME=PATH", help="What to look at; as --corpus.")
    ] = None,
    corpus: CorpusOption = None,
    protocol: Annotated[
        str | None,
        typer.Option("--protocol", help="Check only this one. Default: all of the corpus."),
    ] = None,
    scale: ScaleOption = None,
    speaker_pattern: SpeakerOption = None,
) -> None:
    """Look at a corpus before training on it: counts, bad files, leaks. Exit code 1 if any."""
    from serkit.corpus import LeakError, ProtocolError, check, protocol_names
    from serkit.corpus import audit as look
    from serkit.corpus import protocol as cut

    if given is not None and corpus is not None:
        _misunderstood(f"one corpus at a time, not {given} and --corpus {corpus}.")
    read = _corpus(given or corpus, scale=scale, speaker_pattern=speaker_pattern)
    found = look(read)
    console = _console()
    emotions = list(found.emotions)
    console.print(
        f"{read.name}: {found.num_utterances} utterances, {len(found.speakers)} speakers",
        style="bold",
    )
    table = _table(
        "speaker",
        *emotions,
        "all",
        numbers=len(emotions) + 1,
    )
    for speaker, counts in found.table.items():
        cells = (str(counts[emotion]) for emotion in emotions)
        table.add_row(speaker, *cells, str(found.speakers[speaker]))
    table.add_row("all", *(str(n) for n in found.emotions.values()), str(found.num_utterances))
    console.print(table)
    seconds = sorted(found.durations.values())
    if seconds:
        middle = seconds[len(seconds) // 2]
        console.print(
            f"{sum(seconds) / 60:.1f} minutes; shortest {seconds[0]:.2f} s, median {middle:.2f} s, "
            f"longest {seconds[-1]:.2f} s; "
            + ", ".join(f"{n} files at {rate} Hz" for rate, n in found.sample_rates.items())
        )
    faults = [
        *(f"missing: {path}" for path in found.missing),
        *(f"unreadable: {path}: {why}" for path, why in found.unreadable),
        *(f"no emotion: {name}" for name in found.without_emotion),
    ]
    remarks = [
        *found.problems,
        *(f"equal audio: {', '.join(group)}" for group in found.duplicates),
    ]
    if found.without_speaker:
        remarks.append(f"unknown speaker: {len(found.without_speaker)} utterances")
    _list(console, "Remarks", remarks)
    _list(console, "Faults", faults)
    leaks = 0
    for name in (protocol,) if protocol is not None else protocol_names(read):
        try:
            claims = cut(name, read)
            check(claims)
        except ProtocolError as error:
            if protocol is not None:
                raise
            console.print(f"- {name}: cannot be used: {error}")
        except LeakError as error:
            leaks += 1
            console.print(f"x {name}: {error}", style="red")
        else:
            console.print(
                f"+ {name}: {len(claims.folds)} folds, keeps what it claims ({claims.labelled})",
            )
    if not found.ok or leaks:
        raise typer.Exit(FAILED)


def _list(console: "Console", title: str, lines: Sequence[str], *, most: int = 20) -> None:
    if lines:
        console.print(f"{title} ({len(lines)})", style="bold")
        for line in lines[:most]:
            console.print(f"  {line}")
        if len(lines) > most:
            console.print(f"  and {len(lines) - most} more")


# ----------------------------------------------------------------------------------------- train


@app.command()
def train(
    system: Annotated[str, typer.Argument(help="crnn, opensmile_svm")],
    corpus: CorpusOption = None,
    protocol: ProtocolOption = None,
    seeds: Annotated[str, typer.Option("--seeds", metavar="N,N,...", help="One run each.")] = "0",
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="Gone on with if there. Default: below runs/."),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="Try a setting of the system or the trainer; may be repeated. Marks the run.",
        ),
    ] = None,
    refit: Annotated[
        bool,
        typer.Option("--refit", help="Then train anew on training and development side together."),
    ] = False,
    refit_full: Annotated[
        bool,
        typer.Option(
            "--refit-full", help="Train once on both sides, for all epochs, choosing nothing."
        ),
    ] = False,
    folds: Annotated[
        str, typer.Option("--folds", metavar="A,B,...", help="Only these folds.")
    ] = "",
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Write losses for TensorBoard (extra).")
    ] = False,
    list_settings: Annotated[
        bool, typer.Option("--list-settings", help="List what --set takes, and stop.")
    ] = False,
    scale: ScaleOption = None,
    speaker_pattern: SpeakerOption = None,
) -> None:
    """Train a system under a protocol and judge it on speakers it never heard.

    A run that was stopped goes on when the same command is given again.
    """
    if refit and refit_full:
        _misunderstood("--refit and --refit-full exclude each other.")
    numbers = _whole_numbers(seeds, "--seeds")
    from serkit.corpus import default_protocol
    from serkit.corpus import protocol as cut
    from serkit.experiment import Experiment, choices, console_watch, resolve, system_class

    console = _console()
    _ = system_class(system)
    if list_settings:
        table = _table("--set NAME", "VALUE", "default")
        for row in choices(system):
            table.add_row(*row)
        console.print(table)
        return
    resolved = resolve(set_ or [], system=system)
    read = _corpus(corpus, scale=scale, speaker_pattern=speaker_pattern)
    chosen = cut(protocol or default_protocol(read), read)
    experiment = Experiment(
        system=system,
        corpus=read,
        protocol=chosen,
        out=out or Path("runs") / _run_name(system, read.name, chosen.name),
        system_settings=resolved.system_settings,
        settings=resolved.settings,
        seeds=numbers,
        folds=tuple(name.strip() for name in folds.split(",") if name.strip()),
        refit="full" if refit_full else "chosen" if refit else "no",
        changed=tuple(set_ or ()),
        tensorboard=tensorboard,
    )
    with console_watch().shown() as watch:
        watch.say(
            f"{system} on {read.name}, {chosen.name}: {len(experiment.chosen_folds)} folds, "
            f"seeds {', '.join(map(str, numbers))}; writing {experiment.out}"
        )
        finished = experiment.run(watch=watch)
    _show_finished(console, finished)
    if read.name == "excerpt":
        console.print(SMALL)


def _run_name(system: str, corpus: str, protocol: str) -> str:
    """``crnn.emodb-loso``; generic protocols are named after the corpus as well."""
    return f"{system}.{protocol if protocol.startswith(corpus) else f'{corpus}-{protocol}'}"


def _show_finished(console: "Console", finished: "Finished") -> None:
    """The table of a run, and the files it wrote."""
    from serkit.evaluation import score
    from serkit.experiment.folder import PREDICTIONS, RESULTS, complete, read_experiment

    if not finished.rows:
        console.print("No seed has all its folds yet; the same command goes on.")
        return
    described = read_experiment(finished.folder)
    seeds, folds = complete(described, finished.records)
    rows = [row for row in finished.predictions if row.seed in seeds and row.fold in folds]
    protocol = described["protocol"]
    refit = described["identity"]["refit"]
    _show_scores(
        console,
        score(rows),
        title=f"{described['identity']['system']} on {described['corpus']['name']}, "
        f"{protocol['name']}" + ("" if refit == "no" else f" (refit: {refit})"),
    )
    console.print(f"{protocol['labelled']}", style="italic")
    dropped = {name for record in finished.records for name in record.dropped}
    if dropped:
        console.print(f"{len(dropped)} utterances could not be used; the report names them.")
    _written(
        console,
        {
            "predictions": finished.folder / PREDICTIONS,
            "results": finished.folder / RESULTS,
            "report": finished.report,
            "models": finished.folder,
        },
    )


def _written(console: "Console", files: Mapping[str, Path | None]) -> None:
    for what, path in files.items():
        if path is not None:
            console.print(f"{what:<12} {path}", markup=False, soft_wrap=True)


def _show_scores(console: "Console", scores: "Scores", *, title: str) -> None:
    """UAR, accuracy, macro F1 with intervals; recall of each emotion."""
    from serkit.evaluation import precision, recall

    names = {"uar": "UAR", "war": "WAR (accuracy)", "macro_f1": "macro F1"}
    num_seeds = len(scores.seeds)
    seeds = "1 seed" if num_seeds == 1 else f"mean ± sd of {num_seeds} seeds"
    console.print(
        f"{title}: {scores.num_utterances} utterances, {scores.num_speakers} speakers, {seeds}",
        style="bold",
        soft_wrap=True,
    )
    table = _table(
        "figure",
        "pooled over folds",
        "95 % over speakers",
        "mean ± sd over folds",
        numbers=3,
    )
    for metric, figure in scores.figures.items():
        table.add_row(names[metric], figure.text, figure.interval.text, figure.fold_text)
    console.print(table)
    recalls, precisions = recall(scores.confusion), precision(scores.confusion)
    table = _table("emotion", "recall", "precision", "utterances", numbers=3)
    for place, emotion in enumerate(scores.emotions):
        count = int(scores.confusion.counts[place].sum()) // num_seeds
        table.add_row(emotion, _share(recalls[emotion]), _share(precisions[emotion]), str(count))
    console.print(table)
    if scores.absent:
        console.print(f"† nobody was rated as {', '.join(scores.absent)}: averaged without")


def _share(value: float) -> str:
    return "-" if value != value else f"{value:.3f}"  # NaN differs from itself


# -------------------------------------------------------------------------------------- evaluate


@app.command()
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

    console = _console()
    if corpus is None:
        rows = _predictions(target)
    else:
        read = _corpus(corpus, scale=scale, speaker_pattern=speaker_pattern)
        rows = _judge(console, target, read)
        if output is not None:
            _ = write_predictions(output, rows)
            _written(console, {"predictions": output})
    _show_scores(console, score(rows), title=str(target))
    if against is not None:
        difference = compare_predictions(rows, _predictions(against))
        console.print(f"UAR, {target} minus {against}: {difference}", markup=False, soft_wrap=True)


def _predictions(target: Path) -> "list[Prediction]":
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
        _misunderstood(f"{target} is a model; say what to judge it on: --corpus NAME=PATH.")
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


# --------------------------------------------------------------------------------------- predict


class Format(StrEnum):
    """How ratings are printed."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


@app.command()
def predict(
    recordings: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE|FOLDER|GLOB...", help="Any audio or video; folders are searched."
        ),
    ],
    model: ModelOption = None,
    format_: Annotated[
        Format | None,
        typer.Option("--format", help="Default: by the ending of --output, else a table."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", metavar="FILE", help="Write there, not to stdout.")
    ] = None,
    batch: Annotated[
        int, typer.Option("--batch", min=1, help="Recordings rated at once, at most.")
    ] = 16,
) -> None:
    """Rate recordings. A bad file gets a row with its status; exit code 1 if there was one."""
    paths = _recordings(recordings)
    form = format_ or _format_of(output)
    from serkit.predictor import load

    listener = load(model if model is not None else _newest_model())
    failed: dict[str, int] = {}
    if output is None:
        _print_ratings(_rated(listener, paths, batch, failed), listener, form, sys.stdout)
    else:
        output.parent.mkdir(parents=True, exist_ok=True)
        with output.open("w", encoding="utf-8", newline="") as file:
            _print_ratings(_rated(listener, paths, batch, failed), listener, form, file)
    notes = _console(sys.stderr)
    bad = sum(failed.values())
    kinds = ", ".join(f"{count} {status}" for status, count in failed.items())
    notes.print(
        f"{len(paths) - bad} of {len(paths)} rated by {listener.rater}"
        + (f"; {kinds}" if bad else "")
        + (f"; written to {output}" if output else ""),
        soft_wrap=True,
    )
    if bad:
        raise typer.Exit(FAILED)


def _recordings(given: Iterable[str]) -> list[Path]:
    """Files as given; those of folders and of patterns, sorted."""
    import glob

    found: list[Path] = []
    in_vain: list[str] = []
    for word in given:
        path = Path(word).expanduser()
        if path.is_dir():
            inside = sorted(
                p for p in path.rglob("*") if p.suffix.lower() in MEDIA_SUFFIXES and p.is_file()
            )
            if not inside:
                in_vain.append(f"{word}: no recording in this folder, or in those inside it.")
            found += inside or [path]  # among others, its row says so
        elif glob.has_magic(word) and not path.exists():
            matching = sorted(glob.glob(str(path), recursive=True))  # noqa: PTH207 (absolute too)
            files = [Path(match) for match in matching if Path(match).is_file()]
            if not files:
                in_vain.append(f"{word}: no file matches.")
            found += files or [path]
        else:
            found.append(path)  # also one that is missing: its row says so
    if in_vain and len(in_vain) == len(found):
        _misunderstood(" ".join(in_vain))
    return list(dict.fromkeys(found))


def _format_of(output: Path | None) -> Format:
    endings = {".csv": Format.CSV, ".json": Format.JSON}
    return endings.get(output.suffix.lower(), Format.TABLE) if output is not None else Format.TABLE


def _newest_model() -> Path:
    """The newest finished run below ``runs/``, or the demo."""
    from serkit.predictor import ModelError

    places = [Path("demo"), *Path("runs").glob("*"), *Path("runs").glob("*/*")]
    finished = [place for place in places if (place / "results.csv").is_file()]
    if not finished:
        raise ModelError(
            "there is no trained system in runs/ or demo/: name one with --model DIR, or make one "
            "with 'serkit demo' (a few minutes) or 'serkit train crnn'."
        )
    return max(finished, key=lambda place: (place / "results.csv").stat().st_mtime)


def _rated(
    listener: "Predictor", paths: Sequence[Path], batch: int, failed: dict[str, int]
) -> "Iterator[Outcome]":
    """Outcomes with a bar on the error stream; those that failed are counted."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(file=sys.stderr)
    show = console.is_terminal and len(paths) > batch
    with Progress(*columns, console=console, transient=True, disable=not show) as bar:
        task = bar.add_task("rated", total=len(paths))

        def move(done: int) -> None:
            bar.update(task, completed=done)

        for outcome in listener.predict_all(paths, batch=batch, progress=move):
            if outcome.rating is None:
                failed[outcome.status] = failed.get(outcome.status, 0) + 1
            yield outcome


def _print_ratings(
    outcomes: "Iterable[Outcome]", listener: "Predictor", form: Format, file: IO[str]
) -> None:
    """As they come; JSON is one array, CSV has a column per emotion."""
    if form is Format.JSON:
        import json

        _ = file.write("[")
        for number, outcome in enumerate(outcomes):
            text = json.dumps(_plain(outcome, listener), ensure_ascii=False)
            _ = file.write(f"{',' if number else ''}\n{text}")
        _ = file.write("\n]\n")
    elif form is Format.CSV:
        import csv

        probabilities = [f"probability_{emotion}" for emotion in listener.emotions]
        writer = csv.writer(file, lineterminator="\n")
        _ = writer.writerow(
            ["file", "status", "emotion", *probabilities, "duration", "notes", "message"]
        )
        for outcome in outcomes:
            plain = _plain(outcome, listener)
            shares = plain["probability"]
            _ = writer.writerow(
                [
                    plain["file"],
                    plain["status"],
                    plain["emotion"],
                    *(shares.get(emotion, "") for emotion in listener.emotions),
                    plain["duration"],
                    "; ".join(plain["notes"]),
                    plain["message"],
                ]
            )
    else:
        _print_table(outcomes, listener, file)


def _readable(file: str) -> str:
    """A file's name, with marks where it is no text: names of old archives need not be."""
    return os.fsencode(file).decode("utf-8", "replace")


def _plain(outcome: "Outcome", listener: "Predictor") -> dict[str, Any]:
    rating = outcome.rating
    shares = {name: round(value, 6) for name, value in rating.emotion.items()} if rating else {}
    return {
        "file": _readable(outcome.file),
        "status": outcome.status,
        "emotion": rating.top if rating else None,
        "probability": shares,
        "duration": None if outcome.duration is None else round(outcome.duration, 3),
        "notes": list(outcome.notes),
        "message": outcome.message,
        "rater": listener.rater,
    }


def _print_table(outcomes: "Iterable[Outcome]", listener: "Predictor", file: IO[str]) -> None:
    from rich.text import Text

    table = _table("file", "emotion", *listener.emotions, numbers=len(listener.emotions))
    table.add_column("seconds", justify="right")
    table.add_column("remarks", overflow="fold")
    for outcome in outcomes:
        rating = outcome.rating
        shares = rating.emotion if rating else {}
        length = "" if outcome.duration is None else f"{outcome.duration:.2f}"
        table.add_row(
            Text(_readable(outcome.file)),
            Text(rating.top or "") if rating else Text(outcome.status, style="red"),
            *(f"{shares[name]:.2f}" if shares else "" for name in listener.emotions),
            length,
            Text("; ".join(outcome.notes) if rating else outcome.message),
        )
    _console(file).print(table)


# ---------------------------------------------------------------------------------------- report


@app.command()
def report(run: Annotated[Path, typer.Argument(help="Folder of a run.")]) -> None:
    """Write the report of a run anew: one HTML file with its pictures inside."""
    from serkit.experiment import ExperimentError, gather

    finished = gather(run, report=True)
    if finished.report is None:
        raise ExperimentError(
            f"{run}: no seed has all its folds yet, so there is nothing to report."
        )
    _written(_console(), {"report": finished.report})


# ------------------------------------------------------------------------------------------ demo

DEMO_SETTINGS = ("size=small", "epochs=24", "schedule=one_cycle", "batch=16", "patience=none")
"""Quick rather than good: some minutes on two cores."""


@app.command()
def demo(
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where to.")] = Path("demo"),
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="As of train.")
    ] = None,
) -> None:
    """Train the CRNN on the shipped recordings, judge it on unheard speakers, predict one."""
    from serkit.corpus import default_protocol, load, protocol
    from serkit.experiment import Experiment, console_watch, resolve
    from serkit.experiment.folder import fold_folder
    from serkit.predictor import load as load_model

    console = _console()
    excerpt = load("excerpt")
    pairs = protocol(default_protocol(excerpt), excerpt)
    resolved = resolve([*DEMO_SETTINGS, *(set_ or ())], system="crnn")
    with console_watch().shown() as watch:
        watch.say(
            f"CRNN on {len(excerpt.utterances)} recordings of Emo-DB (CC BY 4.0): "
            f"{len(pairs.folds)} folds; each time two speakers test, two choose the epoch and "
            "six train."
        )
        finished = Experiment(
            system="crnn",
            corpus=excerpt,
            protocol=pairs,
            out=out,
            system_settings=resolved.system_settings,
            settings=resolved.settings,
            recipe="demo",
            changed=tuple(set_ or ()),
        ).run(watch=watch)
    fold = pairs.folds[0]
    utterance = fold.test[0]
    model = fold_folder(out, 0, fold.name)
    rating = load_model(model).predict(utterance.path)
    _show_finished(console, finished)
    shares = ", ".join(f"{name} {value:.2f}" for name, value in rating.emotion.items())
    console.print(
        f"\nA speaker that this model never heard ({utterance.speaker}; the actor meant "
        f"{utterance.emotion()}):\n{utterance.path.name}: {shares}\n",
    )
    _written(console, {"recording": utterance.path, "its model": model})
    console.print(f"your turn:   serkit predict FILE --model {out}", markup=False, soft_wrap=True)
    console.print(SMALL, style="bold")


# ---------------------------------------------------------------------------------------- doctor

NEEDED = {
    "torch": "torch",
    "accelerate": "accelerate",
    "numpy": "numpy",
    "soundfile": "soundfile",
    "soxr": "soxr",
    "av": "av",
    "safetensors": "safetensors",
    "scikit-learn": "sklearn",
    "jaxtyping": "jaxtyping",
    "pydantic": "pydantic",
    "typer": "typer",
    "rich": "rich",
    "matplotlib": "matplotlib",
    "jinja2": "jinja2",
}
"""Distribution to module: nothing works, or not all of it, without these."""

EXTRAS = {
    "opensmile": ("opensmile", "the baseline opensmile_svm; non-commercial licence"),
    "parquet": ("pyarrow", "tables in Parquet"),
    "audformat": ("audformat", "audformat databases"),
    "tensorboard": ("tensorboard", "train --tensorboard"),
}
"""Extra to its module, and what it is for."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """What the doctor saw."""

    what: str
    state: str
    """``"ok"``, ``"note"`` (can be lived with), or ``"broken"``."""
    detail: str
    remedy: str = ""


@app.command()
def doctor() -> None:
    """Look over this installation: versions, processor, decoders, extras, what is broken."""
    console = _console()
    from rich.text import Text

    colours = {"ok": "green", "note": "yellow", "broken": "bold red"}
    findings = list(_examination())
    table = _table("", "what", "found")
    for finding in findings:
        state = Text(finding.state, style=colours[finding.state])
        table.add_row(state, finding.what, finding.detail)
    console.print(table)
    for finding in findings:
        if finding.remedy:
            console.print(f"{finding.what}: {finding.remedy}", soft_wrap=True)
    broken = sum(finding.state == "broken" for finding in findings)
    if broken:
        console.print(f"{broken} broken; what to do stands above.", style="red")
        raise typer.Exit(FAILED)
    console.print("Everything needed works.")


def _examination() -> "Iterator[Finding]":
    yield from _packages()
    yield from _processor()
    yield from _neighbours()
    yield from _extras()
    yield from _decoders()
    yield from _places()


def _packages() -> "Iterator[Finding]":
    """Python, serkit and what it needs: each is imported, not only looked for."""
    import importlib
    import platform
    from importlib import metadata

    right = sys.version_info >= (3, 11)
    yield Finding(
        what="Python",
        state="ok" if right else "broken",
        detail=platform.python_version(),
        remedy="" if right else "use Python 3.11 or newer",
    )
    yield Finding(what="serkit", state="ok", detail=metadata.version("serkit"))
    for name, module in NEEDED.items():
        try:
            _ = importlib.import_module(module)
            yield Finding(what=name, state="ok", detail=metadata.version(name))
        except (ImportError, OSError, RuntimeError) as error:
            yield Finding(
                what=name,
                state="broken",
                detail=str(error).partition("\n")[0][:100],
                remedy=f"pip install --force-reinstall {name}",
            )


def _processor() -> "Iterator[Finding]":
    """What training will run on."""
    try:
        import torch

        from serkit.trainer import environment
    except (ImportError, OSError):
        return  # said above
    facts = environment()
    fast = bool(torch.cpu._is_avx512_bf16_supported())  # pyright: ignore[reportPrivateUsage]
    yield Finding(
        what="processor",
        state="ok",
        detail=f"{facts['cpu']}, {facts['cpu_capability']}, "
        + ("avx512_bf16: trains in bfloat16" if fast else "no avx512_bf16: trains in float32"),
    )
    threads, cores = torch.get_num_threads(), os.cpu_count() or 1
    yield Finding(
        what="threads",
        state="ok" if threads <= cores else "note",
        detail=f"torch uses {threads} of {cores} processors",
        remedy="" if threads <= cores else f"set OMP_NUM_THREADS={cores}",
    )
    policy = os.environ.get("OMP_WAIT_POLICY", "")
    passive = policy.upper() == "PASSIVE"
    yield Finding(
        what="OMP_WAIT_POLICY",
        state="ok" if passive else "note",
        detail=policy or "not set",
        remedy="" if passive else "set it to PASSIVE: idle threads that spin slow the others down",
    )
    yield Finding(
        what="accelerator", state="ok", detail=str(facts["gpu"] or "none, and none needed")
    )


def _neighbours() -> "Iterator[Finding]":
    """Neither torchaudio nor torchvision is used, but a broken one breaks other packages."""
    import subprocess
    from importlib import metadata

    for name in ("torchaudio", "torchvision"):
        try:
            version = metadata.version(name)
        except metadata.PackageNotFoundError:
            yield Finding(what=name, state="ok", detail="not installed, and not needed")
            continue
        tried = subprocess.run(
            [sys.executable, "-c", f"import {name}"], capture_output=True, text=True, check=False
        )
        if tried.returncode == 0:
            yield Finding(what=name, state="ok", detail=f"{version}; not used by serkit")
            continue
        last = (tried.stderr.strip().splitlines() or ["it ends without a word"])[-1]
        yield Finding(
            what=name,
            state="note",
            detail=f"{version} cannot be imported ({last[:100]}): built for another torch",
            remedy=f"serkit does without; for other packages: pip uninstall {name}, or install "
            "the one that belongs to this torch",
        )


def _extras() -> "Iterator[Finding]":
    import importlib.util

    for extra, (module, purpose) in EXTRAS.items():
        there = importlib.util.find_spec(module) is not None
        yield Finding(
            what=f"extra {extra}",
            state="ok" if there else "note",
            detail=f"{'present' if there else 'not installed'}: {purpose}",
            remedy="" if there else f"pip install 'serkit[{extra}]'",
        )


def _decoders() -> "Iterator[Finding]":
    """Write half a second of a tone in every format, and read it back through our one door."""
    import tempfile

    try:
        import av
        import numpy as np
        import soundfile

        from serkit import audio
    except (ImportError, OSError):
        return  # said above
    tone = (0.3 * np.sin(np.arange(8000) * 0.2)).astype(np.float32)
    with tempfile.TemporaryDirectory() as folder:
        for ending in ("wav", "flac", "ogg", "mp3", "m4a"):
            path = Path(folder) / f"tone.{ending}"
            try:
                if ending == "m4a":
                    _write_m4a(path, tone, av)
                else:
                    soundfile.write(path, tone, 16000)
            except (OSError, ValueError, RuntimeError) as error:  # cannot make one to try
                yield Finding(what=f"reads {ending}", state="note", detail=f"not tried: {error}")
                continue
            try:
                seconds = len(audio.read(path)) / 16000
            except audio.AudioError as error:
                remedy = "pip install --force-reinstall soundfile av"
                yield Finding(
                    what=f"reads {ending}", state="broken", detail=str(error), remedy=remedy
                )
                continue
            yield Finding(what=f"reads {ending}", state="ok", detail=f"{seconds:.2f} s of a tone")


def _write_m4a(path: Path, tone: Any, av: Any) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=16000, layout="mono")
        frame = av.AudioFrame.from_ndarray(tone[None, :], format="fltp", layout="mono")
        frame.sample_rate = 16000
        for packet in (*stream.encode(frame), *stream.encode(None)):
            container.mux(packet)


def _places() -> "Iterator[Finding]":
    """The shipped recordings, and whether runs can be written here."""
    import tempfile

    from serkit.corpus import load

    try:
        count = len(load("excerpt").utterances)
        yield Finding(what="shipped excerpt", state="ok", detail=f"{count} recordings")
    except (OSError, ValueError) as error:
        yield Finding(
            what="shipped excerpt",
            state="broken",
            detail=str(error),
            remedy="pip install --force-reinstall serkit",
        )
    try:
        with tempfile.TemporaryFile(dir=Path.cwd()):
            yield Finding(what="this folder", state="ok", detail="can be written to")
    except OSError as error:
        yield Finding(
            what="this folder",
            state="note",
            detail=f"cannot be written to ({error.strerror})",
            remedy="give --out another place",
        )


def main() -> None:
    """What the command ``serkit`` runs."""
    app()


if __name__ == "__main__":
    main()
