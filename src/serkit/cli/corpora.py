"""``serkit corpora``: what is known, and what it is."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from serkit.cli.shell import misunderstood, new_console, new_table

if TYPE_CHECKING:
    from rich.console import Console


def corpora(
    name: Annotated[str | None, typer.Argument(help="Say everything about this one.")] = None,
) -> None:
    """List the corpora that serkit reads: licence, citation, counts, how to get them."""
    from serkit.corpus import CORPORA
    from serkit.corpus.corpus import nearest

    console = new_console()
    if name is not None:
        if name not in CORPORA:
            misunderstood(
                f"no corpus {name!r}; there are {', '.join(CORPORA)}{nearest(name, CORPORA)}"
            )
        _passport(console, CORPORA[name].PASSPORT)
        return
    table = new_table(
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
    table = new_table(card.name, card.title)
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
