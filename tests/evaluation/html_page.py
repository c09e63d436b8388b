"""A page as a browser would make of it, for tests of reports."""

import re
from html.parser import HTMLParser

VOID = {"meta", "img", "br", "link", "input", "hr"}
LOADING = ("src", "href", "srcset", "data", "action", "poster", "xlink:href")
LOCAL = ("#", "data:image/", "data:audio/")
FETCHING = re.compile(
    r"https?:|fetch|XMLHttp|WebSocket|EventSource|sendBeacon|import|\.src\b|\.href\b|eval|innerHTML"
)
"""What a script would need to load something, or to put markup into the page."""


class Page(HTMLParser):
    """Its tags, words and tables, and whether every tag is closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.tables: dict[str, list[list[str]]] = {}
        self.captions: list[str] = []
        """Of tables and figures."""
        self.scripts: list[str] = []
        self._table: list[list[str]] | None = None
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self.tags.append((tag, attributes))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "table":
            self._table = self.tables.setdefault(attributes["id"], [])
        elif tag == "tr":
            self._table.append([])
        elif tag in ("td", "th"):
            self._table[-1].append("")
        elif tag in ("caption", "figcaption"):
            self.captions.append("")
        elif tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag):
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] in ("td", "th"):
            self._table[-1][-1] += data
        if {"caption", "figcaption"} & set(self.open):
            self.captions[-1] += data
        if "script" in self.open:
            self.scripts[-1] += data
        elif "style" not in self.open:
            self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", "".join(self.words))

    @property
    def sections(self) -> list[str]:
        return [attributes["id"] for attributes in self.all("section")]

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]

    def check(self) -> None:
        """Well formed, loads nothing, links lead somewhere, all said in words."""
        assert self.open == []
        for tag, attributes in self.tags:
            assert tag not in ("link", "iframe", "object", "embed", "base")
            for name in LOADING:
                value = attributes.get(name) or "#"
                assert value.startswith(LOCAL), (tag, name, value[:60])
            assert "http" not in (attributes.get("style") or "")
        assert "url(" not in " ".join(self.words)
        assert all(not attributes for attributes in self.all("script"))
        assert not any(FETCHING.search(script) for script in self.scripts)
        ids = [attributes["id"] for _, attributes in self.tags if "id" in attributes]
        assert len(ids) == len(set(ids))
        for anchor in self.all("a"):
            assert anchor["href"].removeprefix("#") in ids
        for _, attributes in self.tags:
            assert attributes.get("aria-labelledby", ids[0]) in ids
        assert all(len(picture["alt"]) > 30 for picture in self.all("img"))
        assert len(self.all("caption")) == len(self.tables)
        assert len(self.all("figcaption")) == len(self.all("img"))
        assert all(cell.get("scope") in ("col", "row") for cell in self.all("th"))
        assert all(sound.get("aria-label") for sound in self.all("audio"))
