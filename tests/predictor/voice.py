"""A listener whose answers can be computed by hand, and sounds to play to it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from serkit.predictor import Predictor

RATE = 16000
EMOTIONS = ("anger", "joy", "sadness")
PITCHES = {"anger": 3000.0, "joy": 1500.0, "sadness": 400.0}
"""Hz of a tone that the listener takes for an emotion."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """Only what every system has."""

    emotions: tuple[str, ...] = EMOTIONS


@dataclass(eq=False)
class PitchSystem(nn.Module):
    """Hears how much power lies near each emotion's pitch, and remembers how many it heard."""

    name: ClassVar[str] = "pitch"
    task: ClassVar[str] = "emotion"
    trained_by_gradient: ClassVar[bool] = False
    sample_rate: ClassVar[int] = RATE
    config: Config = field(default_factory=Config)
    heard: list[list[int]] = field(default_factory=list)
    fails_on: int = -1
    """Samples of a window that it has no answer to."""

    def __post_init__(self) -> None:
        super().__init__()

    def front_end(self) -> dict[str, Any]:
        return {}

    def cuts(self, num_samples: int, generator: np.random.Generator) -> list[tuple[int, int]]:
        return [(0, num_samples)]

    def prepare(self, waveforms: Any, targets: Any, *, speakers: Any = None) -> None:
        return None

    def objective(self, logits: Tensor, emotion: Tensor, **_: Any) -> dict[str, Tensor]:
        return {}

    def posterior(self, waveforms: Sequence[np.ndarray]) -> Tensor:
        self.heard.append([len(waveform) for waveform in waveforms])
        if self.fails_on in self.heard[-1]:
            raise RuntimeError("no memory left")
        shares = [shares_of(waveform) for waveform in waveforms]
        return torch.tensor(shares, dtype=torch.float64)


def shares_of(waveform: np.ndarray) -> list[float]:
    """Of the power within 200 Hz of each pitch, and a little for all."""
    spectrum = np.abs(np.fft.rfft(waveform.astype(np.float64))) ** 2
    frequencies = np.fft.rfftfreq(len(waveform), 1 / RATE)
    near = [spectrum[np.abs(frequencies - PITCHES[e]) < 200].sum() for e in EMOTIONS]
    powers = np.array(near) + 1e-3 * len(waveform)
    return (powers / powers.sum()).tolist()


def listener(system: PitchSystem | None = None) -> Predictor:
    return Predictor(systems=(system or PitchSystem(),), rater="pitch")


def tone(emotion: str, seconds: float, *, rate: int = RATE) -> np.ndarray:
    """Sounds like an emotion; ``"silence"`` is silent."""
    times = np.arange(round(seconds * rate)) / rate
    if emotion == "silence":
        return np.zeros(len(times), dtype=np.float32)
    return (0.3 * np.sin(2 * np.pi * PITCHES[emotion] * times)).astype(np.float32)


def scene(*parts: tuple[str, float], rate: int = RATE) -> np.ndarray:
    """Tones one after the other."""
    return np.concatenate([tone(emotion, seconds, rate=rate) for emotion, seconds in parts])
