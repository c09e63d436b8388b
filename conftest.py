"""What every test run needs before anything is imported, and the documents that are executed.

Sybil reads README.md and docs/guide/. Blocks marked ``python`` run in order, in one namespace per
page; in blocks marked ``console`` the lines that begin with ``$ serkit`` go to the command line,
and what stands below them must be what it prints (``...`` stands for anything). Each page runs in
an empty folder that holds ``demo/``, as ``make demo`` leaves it but trained for a moment only.
"""

import doctest
import os
import shlex
import shutil
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

# Set before torch is imported: idle OpenMP threads that spin make shared machines crawl, and a
# model hub that is asked although nothing is to be fetched costs half a minute of retries.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import pytest
from beartype import BeartypeConf
from beartype.claw import beartype_packages
from filelock import FileLock
from sybil import Example, Sybil
from sybil.parsers.markdown import CodeBlockParser, PythonCodeBlockParser, SkipParser

# Types of parameters and results; pyproject.toml names the packages whose shapes are checked too.
beartype_packages(("serkit.corpus",), conf=BeartypeConf(claw_is_pep526=False))

HOME = Path.cwd()
STARTED_BY = os.getppid() if "PYTEST_XDIST_WORKER" in os.environ else os.getpid()
DOCUMENTS = Path(tempfile.gettempdir()) / f"serkit-documents-{STARTED_BY}"
LIKE_A_DOCTEST = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def serkit(line: str) -> str:
    """What the command line prints; it must succeed, or end as ``# exit code N`` announces."""
    from typer.testing import CliRunner

    from serkit.cli import app

    command, _, comment = line.partition("#")
    expected = int(comment.split()[-1]) if comment else 0
    done = CliRunner().invoke(app, shlex.split(command)[1:])
    if done.exit_code != expected:
        raise AssertionError(
            f"{line}: exit code {done.exit_code}\n{done.output}"
        ) from done.exception
    return done.stdout


def run_console(example: Example) -> None:
    """Give each command of a block to the command line, and compare what is said below it."""
    for part in ("\n" + example.parsed).split("\n$ ")[1:]:
        line, _, expected = part.partition("\n")
        printed = serkit(line)
        if expected.strip() and not doctest.OutputChecker().check_output(
            expected.strip(), printed.strip(), LIKE_A_DOCTEST
        ):
            raise AssertionError(f"{line} printed\n{printed}\nand not\n{expected}")


@cache
def demo() -> tuple[Path, str]:
    """The folder ``demo/`` of the guide, and what was printed when it was made.

    Once for all processes of a run of tests.
    """
    DOCUMENTS.mkdir(exist_ok=True)
    folder, printed = DOCUMENTS / "demo", DOCUMENTS / "demo.txt"
    with FileLock(DOCUMENTS / "lock"):
        if not printed.is_file():
            _ = printed.write_text(
                serkit(f"serkit demo --set epochs=1 --out {folder}"), encoding="utf-8"
            )
    return folder, printed.read_text(encoding="utf-8")


@pytest.fixture
def finished_demo() -> tuple[Path, str]:
    """As above, for tests: not to be written to."""
    return demo()


def pytest_sessionfinish(session: Any) -> None:
    """The process that started the others leaves last."""
    if not hasattr(session.config, "workerinput"):
        shutil.rmtree(DOCUMENTS, ignore_errors=True)


def enter(namespace: dict[str, Any]) -> None:
    """Begin a page in a folder of its own."""
    folder = tempfile.TemporaryDirectory(prefix="serkit-page-")
    namespace["_folder"] = folder
    shutil.copytree(demo()[0], Path(folder.name) / "demo")
    os.chdir(folder.name)


def leave(namespace: dict[str, Any]) -> None:
    """End a page."""
    os.chdir(HOME)
    namespace["_folder"].cleanup()


pytest_collect_file = Sybil(
    parsers=[
        PythonCodeBlockParser(doctest_optionflags=LIKE_A_DOCTEST),
        CodeBlockParser(language="console", evaluator=run_console),
        SkipParser(),
    ],
    patterns=["README.md", "docs/guide/*.md"],
    setup=enter,
    teardown=leave,
).pytest()
