"""The page itself: sections of tables, pictures and words, as one HTML file that loads nothing.

What a report says is in ``report`` and ``affect_report``; this is how it is put on paper.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, ClassVar

from serkit.corpus import Protocol
from serkit.evaluation.export_tables import NOTHING, Table, save_table
from serkit.evaluation.figures import LearningCurve, Picture, learning_picture
from serkit.evaluation.predictions import replace_whole

TEMPLATE = "report.html.jinja"
OPEN_ROWS = 30  # a table of numbers under a picture stands open up to so many rows

Facts = Mapping[str, Any]
"""Names and values; values may be mappings or sequences in turn."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Words:
    """A paragraph."""

    kind: ClassVar = "words"
    text: str
    is_note: bool = True
    """Smaller, beside the matter."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Listing:
    """A list of lines under a heading, or what to say when there are none."""

    kind: ClassVar = "listing"
    heading: str
    lines: tuple[str, ...]
    nothing: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Terms:
    """Names and what they are, below one another."""

    kind: ClassVar = "terms"
    terms: Mapping[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Code:
    """What can be run, and what it does."""

    kind: ClassVar = "code"
    text: str
    before: str = ""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Interactive:
    """What answers to the reader, and the picture it is on paper and where no script runs."""

    kind: ClassVar = "interactive"
    picture: Picture
    html: str
    """Put into the page as it is, hidden. Its script shows it and loads nothing."""


Block = Table | Picture | Interactive | Words | Listing | Terms | Code


@dataclass(frozen=True, kw_only=True, slots=True)
class Folded:
    """A table that can be folded away."""

    kind: ClassVar = "folded"
    summary: str
    table: Table

    @property
    def is_open(self) -> bool:
        """It is short enough to stand open."""
        return len(self.table.rows) <= OPEN_ROWS


@dataclass(frozen=True, kw_only=True, slots=True)
class Section:
    """A part of the page with a heading."""

    name: str
    """Of its anchor."""
    title: str
    blocks: tuple[Block | Folded, ...]
    is_facts: bool = False
    """Its tables hold settings, in letters of one width."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    r"""A whole report.

    Example:
        >>> words = Section(name="words", title="Words", blocks=(Words(text="All is well."),))
        >>> page = Page(title="A page", headline="UAR 1.000", beside="", sections=(words,))
        >>> "<p class=\"note\">All is well.</p>" in page.html()
        True
    """

    title: str
    headline: str
    """The one figure to remember."""
    beside: str
    """Its interval, what chance gives, and how many utterances and speakers it comes from."""
    sections: tuple[Section, ...]
    notes: tuple[str, ...] = ()
    """What must be read first."""
    leaks: tuple[str, ...] = ()
    """What every table and figure must say, in red."""
    one_seed: bool = False
    closing: str = ""

    def html(self) -> str:
        """The page as text."""
        from jinja2 import Environment, StrictUndefined

        template = Environment(
            autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
        ).from_string(
            resources.files("serkit.evaluation").joinpath(TEMPLATE).read_text(encoding="utf-8")
        )
        return template.render(page=self)

    def write(self, path: str | Path, *, figures_folder: str | Path | None = None) -> Path:
        """Write the page, and its figures and tables as files for papers.

        The page appears whole or not at all.

        Args:
            path: Of the page; its folder is made.
            figures_folder: Where each picture goes as ``.svg`` and ``.pdf`` and each table as
                ``.csv`` and ``.tex``; None writes none.

        Returns:
            The path.
        """
        path = Path(path)
        text = self.html()
        if figures_folder is not None:
            for picture in self.pictures:
                _ = picture.stamped(self.leaks).save(figures_folder)
            for table in self.tables:
                _ = save_table(table, figures_folder, leaks=self.leaks)
        replace_whole(path, text.encode("utf-8"))
        return path

    @property
    def pictures(self) -> tuple[Picture, ...]:
        """All of them, in order."""
        shown = (b.picture if isinstance(b, Interactive) else b for b in self._blocks)
        return tuple(block for block in shown if isinstance(block, Picture))

    @property
    def tables(self) -> tuple[Table, ...]:
        """All of them, in order, also folded ones."""
        inside = (block.table if isinstance(block, Folded) else block for block in self._blocks)
        return tuple(block for block in inside if isinstance(block, Table))

    @property
    def _blocks(self) -> Iterable[Block | Folded]:
        return (block for section in self.sections for block in section.blocks)


def protocol_card(protocol: Protocol) -> dict[str, str]:
    """What a report says of a protocol: name, claims, label map, folds, source.

    Args:
        protocol: The cut that was run. Its hash, ``protocol.split``, is given beside the card.

    Example:
        >>> from serkit.corpus import load, protocol
        >>> card = protocol_card(protocol("excerpt-5pairs", load("excerpt")))
        >>> card["Name"], card["Claims"], card["Folds"].partition(":")[0]
        ('excerpt-5pairs', 'speaker-independent; not sentence-independent', '5')
    """
    claims = [
        f"{'' if claimed else 'not '}{name}-independent"
        for name, claimed in (
            ("speaker", protocol.independent_speaker),
            ("sentence", protocol.independent_sentence),
        )
    ]
    sides = "; ".join(
        f"{fold.name} ({len(fold.train)}, {len(fold.development)}, {len(fold.test)})"
        for fold in protocol.folds
    )
    return {
        "Name": protocol.name,
        "Claims": "; ".join(claims),
        "Must be said": protocol.labelled,
        "Label map": protocol.label_map or "none: the emotions of the corpus",
        "Classes": ", ".join(protocol.emotions) or "none: values of affect",
        "Folds": f"{len(protocol.folds)}: name (utterances of training, development, test): "
        f"{sides}",
        "Source": protocol.source,
    }


def asked_section(summary: Mapping[str, str] | None) -> list[Section]:
    """What was asked: system, corpus, and the like."""
    if not summary:
        return []
    return [Section(name="asked", title="What was asked", blocks=(Terms(terms=dict(summary)),))]


def protocol_section(card: Mapping[str, str] | None, split: str) -> list[Section]:
    """Who trained and who was tested, and the hash that identifies the cut."""
    terms = dict(card or {})
    if split:
        terms["Split"] = split
    if not terms:
        return []
    note = "Figures compare only with figures of the same split: the hash is made of every fold's "
    note += "sides, utterances and reference labels, and of nothing else."
    blocks = (Terms(terms=terms), *([Words(text=note)] if split else []))
    return [Section(name="protocol", title="Protocol", blocks=blocks)]


def learning_section(curves: Sequence[LearningCurve], figure: str = "UAR") -> list[Section]:
    """How training went."""
    if not curves:
        return []
    blocks = (learning_picture(curves, figure=figure),)
    return [Section(name="learning", title="Learning curves", blocks=blocks)]


def audit_section(audit: Sequence[str], leaks: Sequence[str]) -> list[Section]:
    """What was found in the corpus before anything was trained."""
    if not audit and not leaks:
        return []
    found = Listing(
        heading="Leaks",
        lines=tuple(leaks),
        nothing="None that was allowed: a run stops at one that is not.",
    )
    lines = Listing(heading="Findings", lines=tuple(audit), nothing="None.")
    return [Section(name="audit", title="Audit", blocks=(found, lines))]


def facts_sections(settings: Facts | None, environment: Facts | None) -> list[Section]:
    """Settings and versions, each name written out."""
    found: list[Section] = []
    for name, title, caption, facts in (
        ("settings", "Settings", "What was set", settings),
        ("versions", "Versions", "What it ran on", environment),
    ):
        if facts:
            table = Table(
                name=name, caption=caption, head=("name", "value"), rows=tuple(_flat(facts))
            )
            found.append(Section(name=name, title=title, blocks=(table,), is_facts=True))
    return found


def again_section(command: str, *, read: str, score: str, predictions_file: str) -> Section:
    """How to get the same figures from the predictions."""
    code = (
        f"from serkit.evaluation import {read}, {score}\n\n"
        f"scores = {score}({read}({predictions_file!r}))\n"
        "for figure in scores.figures.values():\n"
        "    print(figure.metric, figure)"
    )
    again = "Every figure of this page, from the predictions alone (no audio, no model):"
    run = [Code(before="The run:", text=command)] if command else []
    blocks = (*run, Code(before=again, text=code))
    return Section(name="again", title="How to recompute", blocks=blocks)


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
