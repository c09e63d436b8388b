"""``serkit audit``: look at a corpus before training on it."""

import shlex
import sys
from pathlib import Path
from statistics import fmean, median, pstdev
from typing import TYPE_CHECKING, Annotated

import typer

from serkit.cli.shell import (
    FAILED,
    AliasOption,
    CorpusOption,
    RaterOption,
    ScaleOption,
    SpeakerOption,
    misunderstood,
    new_console,
    new_table,
    read_corpus,
)
from serkit.cli.show import show_lines, show_written

if TYPE_CHECKING:
    import numpy as np
    from rich.console import Console

    from serkit.corpus import Audit, Corpus, Utterance
    from serkit.corpus.audit import Verdict
    from serkit.evaluation.agreement import Agreement

SLOW = 200  # utterances; fewer are listened to before a bar could be read
SAMPLE_RATE = 16000  # Hz; more than a fingerprint needs, and what systems hear


def audit(
    given: Annotated[
        str | None, typer.Argument(metavar="NAME=PATH", help="What to look at; as --corpus.")
    ] = None,
    corpus: CorpusOption = None,
    protocol: Annotated[
        str | None,
        typer.Option("--protocol", help="Check only this one. Default: all of the corpus."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="Also write audit.html, audit.json, pictures."),
    ] = None,
    allow_leak: Annotated[
        list[str] | None,
        typer.Option(
            "--allow-leak", metavar="KIND", help="Do not fail on such leaks; may be repeated."
        ),
    ] = None,
    quick: Annotated[
        bool,
        typer.Option(
            "--quick",
            help="Only open headers: no silent, clipped or truncated files, no near-duplicates.",
        ),
    ] = False,
    scale: ScaleOption = None,
    speaker_pattern: SpeakerOption = None,
    alias: AliasOption = None,
    rater: RaterOption = None,
) -> None:
    """Look at a corpus before training on it: counts, bad files, leaks. Exit code 1 if any."""
    from serkit.corpus import protocol as cut
    from serkit.corpus import protocol_names
    from serkit.corpus.audit import LEAKS, judge

    if given is not None and corpus is not None:
        misunderstood(f"one corpus at a time, not {given} and --corpus {corpus}.")
    allowed = tuple(allow_leak or ())
    for kind in allowed:
        if kind not in LEAKS:
            misunderstood(f"--allow-leak takes {', '.join(LEAKS)}; got {kind!r}.")
    read = read_corpus(
        given or corpus, scale=scale, speaker_pattern=speaker_pattern, aliases=alias, rater=rater
    )
    if protocol is not None:
        _ = cut(protocol, read)  # before hours of listening, whether there is such a protocol
    found = _listened(read, quick=quick)
    agreement = _agreement(read)
    names = (protocol,) if protocol is not None else protocol_names(read)
    verdicts = [
        judge(name, read, allow=allowed, read=None if quick else _decoded) for name in names
    ]
    console = new_console()
    _show(console, found)
    if agreement is not None:
        console.print(str(agreement))
    show_lines(console, "Remarks", found.remarks)
    show_lines(console, "Faults", found.faults)
    for verdict in verdicts:
        _show_verdict(console, verdict)
    if out is not None:
        from serkit.evaluation.audit_page import write_audit

        command = shlex.join(["serkit", *sys.argv[1:]])
        show_written(
            console,
            write_audit(out, found, verdicts=verdicts, agreement=agreement, command=command),
        )
    if not found.ok or any(verdict.leak for verdict in verdicts):
        raise typer.Exit(FAILED)


def _decoded(utterance: "Utterance") -> "tuple[np.ndarray, int]":
    from serkit.audio import read

    samples = read(
        utterance.path, start=utterance.start, end=utterance.end, sample_rate=SAMPLE_RATE
    )
    return samples, SAMPLE_RATE


def _listened(corpus: "Corpus", *, quick: bool) -> "Audit":
    """The audit, with a bar on the error stream while it is slow."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    from serkit.audio import inspect
    from serkit.corpus import audit as look

    if quick:
        return look(corpus)
    columns = ("listening", BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(file=sys.stderr)
    show = console.is_terminal and len(corpus.utterances) > SLOW
    with Progress(*columns, console=console, transient=True, disable=not show) as bar:
        task = bar.add_task("listening", total=len(corpus.utterances))

        def heard(utterance: "Utterance") -> "tuple[np.ndarray, int]":
            bar.advance(task)
            return _decoded(utterance)

        return look(corpus, read=heard, inspect=inspect)


def _agreement(corpus: "Corpus") -> "Agreement | None":
    """Between persons, where two of them rated the same utterances."""
    from serkit.evaluation.agreement import agreement

    try:
        return agreement(corpus)
    except ValueError:
        return None


def _show(console: "Console", found: "Audit") -> None:
    emotions = list(found.emotions)
    console.print(
        f"{found.corpus}: {found.num_utterances} utterances, {len(found.speakers)} speakers",
        style="bold",
    )
    table = new_table("speaker", *emotions, "all", numbers=len(emotions) + 1)
    for speaker, counts in found.table.items():
        cells = (str(counts[emotion]) for emotion in emotions)
        table.add_row(speaker, *cells, str(found.speakers[speaker]))
    table.add_row("all", *(str(n) for n in found.emotions.values()), str(found.num_utterances))
    console.print(table)
    seconds = sorted(found.durations.values())
    if seconds:
        console.print(
            f"{sum(seconds) / 60:.1f} minutes; shortest {seconds[0]:.2f} s, "
            f"median {median(seconds):.2f} s, longest {seconds[-1]:.2f} s; "
            + ", ".join(f"{n} files at {rate} Hz" for rate, n in found.sample_rates.items())
        )
    for dimension, rated in found.affect.items():
        values = list(rated.values())
        console.print(
            f"{dimension}: mean {fmean(values):.2f}, sd {pstdev(values):.2f}, {min(values):.2f} to "
            f"{max(values):.2f} ({len(values)} utterances; the scale is mapped to 0 to 1)"
        )


def _show_verdict(console: "Console", verdict: "Verdict") -> None:
    """A line, and what each test side shares with training, claimed or not."""
    from serkit.evaluation.audit_page import fold_table, said

    if verdict.unusable:
        console.print(f"- {verdict.protocol}: {said(verdict)}")
        return
    sign, style = (
        ("x", "red") if verdict.leak else ("!", "yellow") if verdict.allowed else ("+", "")
    )
    console.print(
        f"{sign} {verdict.protocol}: {len(verdict.folds)} folds, {said(verdict)}", style=style
    )
    shared = fold_table(verdict)
    table = new_table(*shared.head, numbers=len(shared.head) - 1)
    for row in shared.rows:
        table.add_row(*row)
    console.print(table)
