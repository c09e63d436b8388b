"""What must hold of the repository as a whole."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
LIMIT = 2 * 2**20  # bytes; audio and predictions included
NOT_OURS = {"LICENSE"}


def tracked() -> list[Path]:
    """Files under version control; without git, all but what .gitignore's folders hold."""
    try:
        listing = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=REPOSITORY,
            capture_output=True,
            check=True,
        ).stdout.decode()
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout, so what belongs to the repository is unknown")
    paths = [REPOSITORY / name for name in listing.split("\0") if name]
    return [path for path in paths if path.is_file()]


def texts(*suffixes: str) -> list[tuple[Path, str]]:
    """Tracked text files, with what is in them; with suffixes, only those."""
    found: list[tuple[Path, str]] = []
    for path in tracked():
        if path.name in NOT_OURS or (suffixes and path.suffix not in suffixes):
            continue
        content = path.read_bytes()
        if b"\0" not in content:
            found.append((path.relative_to(REPOSITORY), content.decode("utf-8")))
    return found


def offending(pattern: str, files: list[tuple[Path, str]]) -> list[str]:
    """``file:line: text`` of every line that matches."""
    searched = re.compile(pattern)
    return [
        f"{path}:{number}: {line.strip()[:100]}"
        for path, text in files
        for number, line in enumerate(text.splitlines(), start=1)
        if searched.search(line)
    ]


def members(folder: str, *, without: set[str] = frozenset()) -> set[str]:
    """Module names in a room of the package."""
    paths = (REPOSITORY / "src" / "serkit" / folder).iterdir()
    return {
        path.stem
        for path in paths
        if (path.suffix == ".py" or (path / "__init__.py").is_file())
        and not path.name.startswith("_")
    } - without


def test_no_file_names_a_place_of_one_machine() -> None:
    places = "home/[a-z]|Users/|root/|work/|farm/|opt/|mnt/|tmp/[a-z]"
    files = [(path, text) for path, text in texts() if path != Path("tests/test_repository.py")]
    assert offending(rf"(^|[^A-Za-z0-9_.~\])}}])/({places})", files) == []


def test_no_file_is_larger_than_two_mebibytes() -> None:
    assert [path.name for path in tracked() if path.stat().st_size > LIMIT] == []


def test_the_shipped_recordings_are_small_and_attributed() -> None:
    excerpt = REPOSITORY / "src" / "serkit" / "corpus" / "excerpt"
    assert sum(path.stat().st_size for path in excerpt.rglob("*.flac")) <= 6 * 10**6
    attribution = (excerpt / "ATTRIBUTION.md").read_text(encoding="utf-8")
    for word in ("CC BY 4.0", "Burkhardt", "2005", "Changes"):
        assert word in attribution


def test_every_system_has_its_line() -> None:
    from serkit.systems import SYSTEMS

    assert members("systems") == set(SYSTEMS)
    for name, system in SYSTEMS.items():
        assert system.__module__ == f"serkit.systems.{name}"
        assert system.name == name


def test_every_system_has_a_page_and_a_header() -> None:
    for name in members("systems"):
        assert (REPOSITORY / "docs" / "systems" / f"{name}.md").is_file(), name
        source = (REPOSITORY / "src" / "serkit" / "systems" / f"{name}.py").read_text()
        for heading in ("Paper:", "Claims:", "Reproduced:", "Departures:"):
            assert heading in source.split('"""')[1], (name, heading)


def plain(name: str) -> str:
    """Letters and digits: ``msp-podcast`` and ``msp_podcast`` are one name."""
    return re.sub(r"[^a-z0-9]", "", name)


def test_every_corpus_reader_has_its_line() -> None:
    from serkit.corpus import CORPORA

    readers = {
        name
        for name in members("corpus")
        for path in [REPOSITORY / "src" / "serkit" / "corpus" / name]
        for source in [path / "__init__.py" if path.is_dir() else path.with_suffix(".py")]
        if re.search(r"^PASSPORT\b", source.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert {plain(name) for name in readers} == {plain(name) for name in CORPORA}


def test_a_name_in_the_dict_is_the_name_of_its_file() -> None:
    from serkit.corpus import CORPORA

    for name, reader in CORPORA.items():
        assert plain(reader.__name__.removeprefix("serkit.corpus.")) == plain(name)
        assert reader.PASSPORT.name == name


def test_every_room_says_what_it_is_and_what_it_offers() -> None:
    for room in (REPOSITORY / "src" / "serkit").iterdir():
        if room.is_dir() and room.name != "__pycache__":
            source = (room / "__init__.py").read_text(encoding="utf-8")
            assert source.startswith('"""'), room.name


@pytest.mark.parametrize(
    ("pattern", "where", "why"),
    [
        (r"^\s*(import|from) torch(audio|vision|codec)\b", ".py", "they break beside a CPU build"),
        (r"torch\.hub\b", ".py", "it downloads and runs code"),
        (r"from __future__ import annotations", ".py", "the shape checks read annotations"),
        (r"\bsampling_rate\s*[:=](?!=)", ".py", "it is sample_rate"),
        (r"(^|\s)except( Exception)?:\s*(pass)?$", ".py", "it swallows what it did not expect"),
    ],
)
def test_forbidden_code_is_absent(pattern: str, where: str, why: str) -> None:
    files = [(path, text) for path, text in texts(where) if path.parts[0] == "src"]
    assert offending(pattern, files) == [], why


def test_weights_are_read_and_written_in_one_place() -> None:
    files = [
        (path, text)
        for path, text in texts(".py")
        if path.parts[0] in {"src", "recipes", "benchmarks"}
        and path.parts[-2:] != ("trainer", "checkpoint.py")
    ]
    assert offending(r"torch\.(load|save)\(|import pickle|joblib\.(load|dump)", files) == []


def test_every_dependency_has_its_reason() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [*project["dependencies"]]
    for extra in project["optional-dependencies"].values():
        wanted += [requirement for requirement in extra if not requirement.startswith("serkit[")]
    decision = (REPOSITORY / "docs" / "decisions" / "0007-dependencies.md").read_text()
    constraints = (REPOSITORY / "constraints.txt").read_text(encoding="utf-8")
    for requirement in wanted:
        name = re.split(r"[<>=\[ ]", requirement)[0]
        assert re.search(rf"\| .*\b{re.escape(name)}\b.* \|", decision), (
            f"{name}: no reason in 0007"
        )
        assert f"\n{name}==" in constraints, f"{name}: no version in constraints.txt"


def test_constraints_name_versions_that_anybody_can_install() -> None:
    constraints = (REPOSITORY / "constraints.txt").read_text(encoding="utf-8")
    assert "+" not in re.sub(r"#.*", "", constraints)
    assert "@" not in constraints


def test_every_row_of_results_has_the_predictions_behind_it() -> None:
    results = REPOSITORY / "results"
    for table in results.glob("*.csv"):
        name = table.stem
        if name.endswith(".verification"):  # scores of trials, of both kinds
            beside = [results / "scores" / f"{name.removesuffix('.verification')}.{kind}.csv.gz"
                      for kind in ("enrolled", "pairwise")]  # fmt: skip
        else:
            beside = [results / "predictions" / f"{name}.csv.gz"]
        assert all(path.is_file() for path in beside), table.name


def test_tables_of_readme_and_documentation_are_up_to_date() -> None:
    checked = subprocess.run(
        [sys.executable, "docs/tables.py", "--check"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_two_commands_stand_on_the_first_screen_of_the_readme() -> None:
    first = (REPOSITORY / "README.md").read_text(encoding="utf-8").splitlines()[:40]
    for command in ("make demo", "make test"):
        assert command in first
        assert re.search(
            rf"^{command.split()[1]}:", (REPOSITORY / "Makefile").read_text(), re.MULTILINE
        )


def test_continuous_integration_runs_what_everybody_runs() -> None:
    script = REPOSITORY / ".ci" / "run"
    assert script.stat().st_mode & 0o111
    assert "make check" in script.read_text(encoding="utf-8")
    assert "set -euo pipefail" in script.read_text(encoding="utf-8")
