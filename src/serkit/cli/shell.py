"""The shell around the commands: how errors are said, how tables look, options they share."""

import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from serkit.corpus import Corpus

FAILED, USAGE, STOPPED = 1, 2, 130
"""Exit codes: something went wrong; the command was misunderstood; stopped from the keyboard."""

SMALL = "An excerpt this small shows the machinery, not the state of the art."


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
            complain("stopped; what was written until then is kept.")
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
                complain(str(error))
            else:
                complain(
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


def complain(text: str) -> None:
    """One sentence in red on the error stream."""
    from rich.console import Console

    console = Console(file=sys.stderr, soft_wrap=True, highlight=False)
    console.print("Error:", style="bold red", end=" ")
    console.print(text, style="red", markup=False)


def misunderstood(text: str) -> NoReturn:
    """Say what was wrong with the command, and stop."""
    complain(text)
    raise typer.Exit(USAGE)


def new_console(file: IO[str] | None = None) -> "Console":
    """Where tables go; piped ones are not folded at 80 columns."""
    from rich.console import Console

    console = Console(file=file, highlight=False, markup=False)
    if console.is_terminal:
        return console
    return Console(file=file, highlight=False, markup=False, width=160)


def new_table(*columns: str, numbers: int = 0) -> "Table":
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
AliasOption = Annotated[
    list[str] | None,
    typer.Option(
        "--alias", metavar="LABEL=EMOTION", help="What a label of your own means; may be repeated."
    ),
]
RaterOption = Annotated[
    str | None,
    typer.Option(
        "--rater", metavar="NAME", help="Whose ratings to go by, such as intended or voice_vote."
    ),
]
AllowLeakOption = Annotated[
    list[str] | None,
    typer.Option(
        "--allow-leak",
        metavar="KIND",
        help="Go on with this kind of leak; may be repeated. Every table and figure says so.",
    ),
]
ModelOption = Annotated[
    Path | None,
    typer.Option(
        "--model",
        metavar="DIR",
        help="Folder of a model or of a run. Default: the recogniser that comes with serkit.",
    ),
]


def read_corpus(
    given: str | None,
    *,
    scale: str | None = None,
    speaker_pattern: str | None = None,
    aliases: Sequence[str] | None = None,
    rater: str | None = None,
) -> "Corpus":
    """Read what ``NAME=PATH`` says; a name alone is looked for under ``SERKIT_CORPORA``."""
    from serkit.corpus import load

    name, equals, path = (given or "excerpt").partition("=")
    if not equals and ("/" in name or Path(name).suffix):
        misunderstood(
            f"--corpus takes NAME=PATH, such as calls={name}; the name stands in every id."
        )
    where = Path(path).expanduser() if path else None
    root = os.environ.get("SERKIT_CORPORA")
    if where is None and root and "+" in name:  # a union of corpora that all stand there
        where = Path(root)
    elif where is None and root and name != "excerpt" and (Path(root) / name).exists():
        where = Path(root) / name
    limits: tuple[float, float] | None = None
    if scale is not None:
        try:
            low, high = (float(word) for word in scale.split(","))
        except ValueError:
            misunderstood(f"--scale takes LOW,HIGH, such as 1,7; got {scale!r}.")
        if not low < high:
            misunderstood(f"--scale takes LOW,HIGH with the lower value first; got {scale!r}.")
        limits = (low, high)
    names: dict[str, str] = {}
    for alias in aliases or ():
        label, equals, emotion = alias.partition("=")
        if not (label and equals and emotion):
            misunderstood(f"--alias takes LABEL=EMOTION, such as Wut=anger; got {alias!r}.")
        names[label] = emotion
    corpus = load(name, where, scale=limits, speaker_pattern=speaker_pattern, aliases=names or None)
    return corpus if rater is None else corpus.rated_by(rater)


def whole_numbers(text: str, option: str) -> tuple[int, ...]:
    """Distinct whole numbers from 0, such as ``"0,1,2"``."""
    try:
        numbers = tuple(int(word) for word in text.split(","))
    except ValueError:
        misunderstood(f"{option} takes whole numbers with commas between, not {text!r}.")
    if min(numbers) < 0:
        misunderstood(f"{option} takes numbers from 0, not {text!r}.")
    return tuple(dict.fromkeys(numbers))
