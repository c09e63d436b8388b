"""A corpus of tones, and the quickest settings that train anything at all."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from serkit.corpus import Corpus, protocol, synthetic
from serkit.experiment import Experiment, summary
from serkit.trainer import Settings

QUICK = Settings(epochs=2, patience=None, batch=8, device="cpu", precision="float32")


@pytest.fixture(scope="module")
def no_reports() -> Iterator[None]:
    """Runs that end without a page, which would take most of the time of a short one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(summary, "report_of", lambda *_, **__: None)
        yield


@pytest.fixture(scope="session")
def tones_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three speakers, two emotions, two takes of 0.3 s each."""
    return synthetic.write(tmp_path_factory.mktemp("tones"), num_speakers=3, takes=2, seconds=0.3)


@pytest.fixture(scope="session")
def tones(tones_root: Path) -> Corpus:
    return synthetic.read(tones_root)


@pytest.fixture
def experiment(tones: Corpus, tmp_path: Path) -> Callable[..., Experiment]:
    """Makes a quick experiment; anything about it can be said otherwise."""

    def make(**changes: Any) -> Experiment:
        usual: dict[str, Any] = {
            "system": "crnn",
            "corpus": tones,
            "protocol": protocol("loso", tones),
            "out": tmp_path / "out",
            "system_settings": {"size": "small", "augment": "none"},
            "settings": QUICK,
        }
        return Experiment(**{**usual, **changes})

    return make
