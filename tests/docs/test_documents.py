"""What must hold of README and docs, beside that their code runs (see the root conftest.py)."""

import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
PAGES = sorted(
    [*REPOSITORY.glob("*.md"), *(REPOSITORY / "docs").rglob("*.md")],
    key=lambda page: page.as_posix(),
)
names = [page.relative_to(REPOSITORY).as_posix() for page in PAGES]

NOT_EXECUTED = {"README.md": 6, "CONTRIBUTING.md": 1, "docs/systems": 8}
"""Blocks marked sh that a page (or a page of a folder) may hold; guide pages hold none."""


def without_code(text: str) -> str:
    return re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)


def anchors(page: Path) -> set[str]:
    headings = re.findall(
        r"^#+ (.+)$", without_code(page.read_text(encoding="utf-8")), re.MULTILINE
    )
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=names)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", without_code(page.read_text(encoding="utf-8"))):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        there = page.parent / path if path else page
        assert there.exists(), f"{target} leads nowhere"
        if anchor:
            assert anchor in anchors(there), f"{target}: no such heading"


@pytest.mark.parametrize("page", PAGES, ids=names)
def test_every_block_says_whether_it_is_executed(page: Path) -> None:
    fences = re.findall(r"^ *```(\w*)", page.read_text(encoding="utf-8"), re.MULTILINE)
    languages = fences[::2]
    known = {"python", "console", "sh", "text", "csv", "bibtex", "json", "toml"}
    assert set(languages) <= known, "python and console run; sh does not; the rest is not code"
    name = page.relative_to(REPOSITORY).as_posix()
    allowed = NOT_EXECUTED.get(name, NOT_EXECUTED.get(name.rpartition("/")[0], 0))
    assert languages.count("sh") <= allowed, "a block that never runs is a claim nobody checks"


def test_every_guide_page_is_reached_from_its_contents() -> None:
    contents = (REPOSITORY / "docs" / "guide" / "README.md").read_text(encoding="utf-8")
    for page in (REPOSITORY / "docs" / "guide").glob("*.md"):
        assert page.name == "README.md" or f"({page.name})" in contents, page.name


def test_every_decision_is_listed_and_has_its_four_parts() -> None:
    folder = REPOSITORY / "docs" / "decisions"
    contents = (folder / "README.md").read_text(encoding="utf-8")
    for page in folder.glob("0*.md"):
        text = page.read_text(encoding="utf-8")
        assert f"({page.name})" in contents, page.name
        for part in ("Context.", "Decision.", "Consequences.", "What would change our mind."):
            assert f"**{part}**" in text, (page.name, part)


def test_decisions_are_numbered_without_gaps() -> None:
    numbers = sorted(int(page.name[:4]) for page in (REPOSITORY / "docs/decisions").glob("0*.md"))
    assert numbers == list(range(1, len(numbers) + 1))
