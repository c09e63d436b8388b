"""Fixtures and settings shared by all tests."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

REPOSITORY = Path(__file__).resolve().parents[1]

# Hypothesis measures time, and torch is slow on its first call.
settings.register_profile("serkit", deadline=None)
settings.load_profile("serkit")


@pytest.fixture(scope="session")
def corpora_root() -> Path:
    """The folder of the real corpora (``emodb/``, ``ravdess/``, ...); skips where there is none."""
    root = Path(os.environ.get("SERKIT_CORPORA", REPOSITORY.parent / "shared" / "corpora"))
    if not root.is_dir():
        pytest.skip(f"no real corpora at {root}; set SERKIT_CORPORA to the folder that holds them")
    return root
