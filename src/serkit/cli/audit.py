"""``serkit audit``: look at a corpus before training on it."""

from typing import Annotated

import typer

from serkit.cli.shell import (
    FAILED,
    CorpusOption,
    ScaleOption,
    SpeakerOption,
    misunderstood,
    new_console,
    new_table,
    read_corpus,
)
from serkit.cli.show import show_lines


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
        misunderstood(f"one corpus at a time, not {given} and --corpus {corpus}.")
    read = read_corpus(given or corpus, scale=scale, speaker_pattern=speaker_pattern)
    found = look(read)
    console = new_console()
    emotions = list(found.emotions)
    console.print(
        f"{read.name}: {found.num_utterances} utterances, {len(found.speakers)} speakers",
        style="bold",
    )
    table = new_table(
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
    show_lines(console, "Remarks", remarks)
    show_lines(console, "Faults", faults)
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
