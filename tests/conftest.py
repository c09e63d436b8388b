"""Fixtures and settings shared by all tests."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

REPOSITORY = Path(__file__).resolve().parents[1]

# Hypothesis measures time, and torch is slow on its first call.
settings.register_profile("serkit", deadline=None)
settings.load_profile("serkit")


@pytest.fixture(scope="session", autouse=True)
def few_trees() -> Iterator[None]:
    """Random forests of 20 trees: of 500, a fit takes seconds and shows nothing else."""
    from serkit.models import classifiers

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(classifiers, "NUM_TREES", 20)
        yield


@pytest.fixture(scope="session")
def corpora_root() -> Path:
    """The folder of the real corpora (``emodb/``, ``ravdess/``, ...); skips where there is none."""
    root = Path(os.environ.get("SERKIT_CORPORA", REPOSITORY.parent / "shared" / "corpora"))
    if not root.is_dir():
        pytest.skip(f"no real corpora at {root}; set SERKIT_CORPORA to the folder that holds them")
    return root


@pytest.fixture
def speech_encoder(tmp_path: Path) -> Path:
    """A small WavLM with random weights, as transformers saves it; skips without transformers."""
    transformers = pytest.importorskip("transformers", reason="needs the extra serkit[ssl]")
    config = transformers.WavLMConfig(
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=24,
        conv_dim=(8,) * 7,
        num_conv_pos_embeddings=8,
        num_conv_pos_embedding_groups=2,
        feat_extract_norm="layer",
        do_stable_layer_norm=True,
    )
    transformers.WavLMModel(config).save_pretrained(tmp_path / "encoder")
    return tmp_path / "encoder"
