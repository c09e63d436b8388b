"""``serkit corpora``: what is known, what it is, and how to get it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from serkit.cli.shell import misunderstood, new_console, new_table

if TYPE_CHECKING:
    from rich.console import Console

    from serkit.corpus import Passport

USAGE = "say serkit corpora, serkit corpora show NAME or serkit corpora fetch NAME --into DIR"


def corpora(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="show|fetch NAME",
            help="Show everything about a corpus (the word show may be left out), or fetch it.",
        ),
    ] = None,
    into: Annotated[
        Path | None,
        typer.Option("--into", metavar="DIR", help="With fetch: where to, a new folder."),
    ] = None,
) -> None:
    """List the corpora that serkit reads, show one, or fetch an open one (extra audb)."""
    from serkit.corpus import CORPORA

    match words or []:
        case []:
            action, name = "list", ""
        case ["show" | "fetch" as action, name]:
            pass
        case [name] if name not in ("show", "fetch"):
            action = "show"
        case others:
            misunderstood(f"{' '.join(others)!r} is not understood; {USAGE}.")
    if (into is not None) != (action == "fetch"):
        misunderstood(
            f"--into goes with fetch; {USAGE}."
            if into is not None
            else f"where to? serkit corpora fetch {name} --into DIR."
        )
    console = new_console()
    if action == "list":
        _list(console, [reader.PASSPORT for reader in CORPORA.values()])
    elif into is not None:
        _fetch(console, _card(name), into)
    else:
        _show(console, _card(name))


def _card(name: str) -> "Passport":
    from serkit.corpus import CORPORA
    from serkit.corpus.corpus import nearest

    if name not in CORPORA:
        misunderstood(f"no corpus {name!r}; there are {', '.join(CORPORA)}{nearest(name, CORPORA)}")
    return CORPORA[name].PASSPORT


def _list(console: "Console", cards: "list[Passport]") -> None:
    table = new_table(
        "", "corpus", "title", "licence", "language", "utterances", "speakers", numbers=2
    )
    for card in cards:
        table.add_row(
            card.name,
            card.title,
            card.licence,
            card.language,
            str(card.num_utterances or "by release"),
            _or_unknown(card.num_speakers),
        )
    console.print(table)
    for card in cards:
        console.print(f"{card.name}: {card.citation}")
    console.print(
        "\nserkit corpora show NAME says more: layout, protocols, how to get it. serkit corpora "
        f"fetch NAME --into DIR\ngets {', '.join(card.name for card in cards if card.audb)}. Your "
        "own data: --corpus NAME=PATH with a table,\na folder per emotion or an audformat "
        "database.",
    )


def _show(console: "Console", card: "Passport") -> None:
    from serkit.corpus.protocol import GENERIC

    table = new_table(card.name, card.title)
    counts = ", ".join(f"{emotion} {count}" for emotion, count in card.emotions.items())
    facts: dict[str, str] = {
        "licence": card.licence,
        "citation": card.citation,
        "where": card.url,
        "to get it": card.obtain,
        "audb": f"serkit corpora fetch {card.name} --into DIR" if card.audb else "not there",
        "layout": card.layout,
        "language": card.language,
        "utterances": f"{card.num_utterances} by {_or_unknown(card.num_speakers)} speakers"
        if card.num_utterances
        else "differ by release",
        "emotions": counts,
        "affect": _scale(card),
        "rate": "" if card.sample_rate is None else f"{card.sample_rate} Hz",
        "protocols": ", ".join((*card.protocols, *GENERIC, "split (where the copy has one)")),
    }
    for label, text in facts.items():
        if text:
            table.add_row(label, text)
    console.print(table)


def _fetch(console: "Console", card: "Passport", into: Path) -> None:
    from serkit.corpus import MissingCorpusError, load
    from serkit.corpus.corpus import FileNameError
    from serkit.corpus.fetch import fetch

    if card.audb is None:
        misunderstood(f"audb does not hold {card.name}; to get it: {card.obtain} ({card.url}).")
    console.print(f"{card.title}\nlicence: {card.licence}\nto cite: {card.citation}")
    version = fetch(card.audb, into, show_progress=console.is_terminal)
    try:
        corpus = load(card.name, into)
    except (MissingCorpusError, FileNameError):
        console.print(
            f"{card.name} {version} is in {into}, but not in its owners' layout: read it under "
            f"another name, as an audformat database, such as --corpus my-{card.name}={into}",
            soft_wrap=True,
        )
        return
    console.print(
        f"{card.name} {version}: {len(corpus.utterances)} utterances, {len(corpus.speakers)} "
        f"speakers in {into}",
        soft_wrap=True,
    )
    for line in corpus.problems:
        console.print(f"  {line}", soft_wrap=True)


def _or_unknown(count: int | None) -> str:
    return "?" if count is None else str(count)


def _scale(card: Any) -> str:
    """The scale of affect, in words; empty for a corpus of categories alone."""
    scale: tuple[float, float] | None = getattr(card, "affect_scale", None)
    return "" if scale is None else f"rated from {scale[0]:g} to {scale[1]:g}"
