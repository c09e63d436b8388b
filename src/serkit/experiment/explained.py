"""What systems that can explain themselves saw of a few test utterances, for the report.

A fold writes its surest right and its surest wrong answer to each emotion: a window each, a byte
for a pixel, so that it stays below a megabyte whatever the corpus.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8
from safetensors import safe_open
from safetensors.numpy import save_file

from serkit.evaluation import Prediction
from serkit.evaluation.explanation_picture import Explained, most_telling

WHITE = 255  # of a byte
FAINTEST = 0.01  # a map that is nowhere above that, of the highest of its utterance, is left so


def write_explanations(
    path: Path,
    system: Any,
    rows: Sequence[Prediction],
    waveform_of: Callable[[str], Float[np.ndarray, " _"]],
) -> None:
    """Explain the surest answers of a fold, right and wrong, each by the window surest of it.

    Args:
        path: A safetensors file.
        system: Has ``explain(waveform, emotion)``; see ``FaceNet.explain``.
        rows: Its answers to the test side.
        waveform_of: The samples of an utterance by its id.
    """
    chosen = most_telling(rows)
    found: list[tuple[Any, int]] = []
    for row in chosen:
        emotion = list(row.probabilities).index(row.predicted)
        explanation = system.explain(waveform_of(row.file), emotion)
        found.append((explanation, int(explanation.posterior[:, emotion].argmax())))

    starts = [one.starts[place] for one, place in found]
    pictures = [one.picture[place].numpy() for one, place in found]
    maps = [one.map[place].numpy() for one, place in found]
    tensors = {
        "picture": np.stack([as_bytes(picture) for picture in pictures]),
        "map": np.stack([as_bytes(heat / max(heat.max(), FAINTEST)) for heat in maps]),
        "times": np.array([(s, s + one.span) for s, (one, _) in zip(starts, found, strict=True)]),
    }
    about = {"files": json.dumps([row.file for row in chosen]), "sees": found[0][0].sees}
    save_file(tensors, path, metadata=about)


def as_bytes(picture: Float[np.ndarray, "R R"]) -> UInt8[np.ndarray, "R R"]:
    """From 0 to 1 as 0 to 255."""
    return (WHITE * picture).round().astype(np.uint8)


def read_explanations(path: Path) -> tuple[dict[str, Explained], str]:
    """What ``write_explanations`` wrote, by utterance, and what kind of picture it is."""
    with safe_open(path, framework="numpy") as file:
        about: Mapping[str, str] = file.metadata()
        pictures, maps = (file.get_tensor(name) / WHITE for name in ("picture", "map"))
        times = file.get_tensor("times").tolist()
    parts = zip(json.loads(about["files"]), times, pictures, maps, strict=True)
    found = {
        name: Explained(start=start, end=end, picture=picture, map=heat)
        for name, (start, end), picture, heat in parts
    }
    return found, about["sees"]
