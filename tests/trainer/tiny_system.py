"""A system of a few weights, for tests of the trainer: loud and soft, high and low."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from serkit.objectives.cross_entropy import cross_entropy
from serkit.trainer import Example


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    emotions: tuple[str, ...]
    hidden: int = 8
    dropout: float = 0.1
    pool: Literal["mean", "max"] = "mean"
    kernels: tuple[tuple[int, int], ...] = ((1, 9), (1, 5))


class Tiny(nn.Module):
    """Two convolutions, batch norm, dropout, and a random level while training."""

    name: ClassVar[str] = "tiny"
    task: ClassVar[str] = "emotion"
    trained_by_gradient: ClassVar[bool] = True
    sample_rate: ClassVar[int] = 16000
    Config: ClassVar[type[Config]] = Config

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("scale", torch.ones(()))
        widths = [1] + [config.hidden] * len(config.kernels)
        self.convolutions = nn.ModuleList(
            nn.Conv2d(a, b, kernel, stride=(1, 2), bias=False)
            for a, b, kernel in zip(widths, widths[1:], config.kernels, strict=False)
        )
        self.norm = nn.BatchNorm1d(config.hidden)
        self.dropout = nn.Dropout(config.dropout)
        self.emotion = nn.Linear(config.hidden, len(config.emotions))

    def front_end(self) -> dict[str, Any]:
        return {"kind": "waveform", "kernels": self.config.kernels}

    def cuts(self, num_samples: int, generator: np.random.Generator) -> list[tuple[int, int]]:
        length = min(num_samples, 400)
        return [(int(generator.integers(num_samples - length + 1)), length)]

    def prepare(
        self, waveforms: Iterable[np.ndarray], emotions: Sequence[int], *, speakers: object = None
    ) -> None:
        level = np.mean([np.sqrt(np.mean(np.square(waveform))) for waveform in waveforms])
        self.scale.fill_(float(level))

    def forward(
        self, waveform: Float[Tensor, "B N"], num_samples: Int[Tensor, " B"]
    ) -> Float[Tensor, "B C"]:
        x = waveform[:, None, None] / self.scale
        if self.training:
            x = x * (0.9 + 0.2 * torch.rand(len(x), 1, 1, 1))
        for convolution in self.convolutions:
            x = convolution(x).relu()
        x = x.flatten(2)
        x = x.mean(2) if self.config.pool == "mean" else x.amax(2)
        return self.emotion(self.dropout(self.norm(x)))

    def objective(
        self,
        logits: Float[Tensor, "B C"],
        emotion: Float[Tensor, "B C"],
        *,
        weight: Float[Tensor, " C"] | None = None,
        label_smoothing: float = 0.0,
    ) -> dict[str, Tensor]:
        return {
            "cross_entropy": cross_entropy(
                logits, emotion, weight=weight, label_smoothing=label_smoothing
            ),
            "size": 1e-3 * logits.square().mean(),
        }

    @torch.no_grad()
    def posterior(self, waveforms: Sequence[np.ndarray]) -> Float[Tensor, "B C"]:
        self.eval()
        rows = [
            self(torch.from_numpy(waveform)[None], torch.tensor([len(waveform)]))
            for waveform in waveforms
        ]
        return torch.cat(rows).softmax(1)


EMOTIONS = ("anger", "happiness", "sadness")


def tiny(*, seed: int = 0, **settings: Any) -> Tiny:
    """A fresh one; the same seed gives the same weights."""
    torch.manual_seed(seed)
    return Tiny(Config(**{"emotions": EMOTIONS, **settings}))


def tones(*, num: int = 24, seed: int = 0, num_emotions: int = 3) -> list[Example]:
    """Noisy tones whose pitch is the emotion, 400 to 800 samples, in unequal numbers."""
    generator = np.random.default_rng(seed)
    examples = []
    for index in range(num):
        emotion = min(index % (num_emotions + 1), num_emotions - 1)
        time = np.arange(generator.integers(400, 800)) / 16000
        tone = np.sin(2 * np.pi * 400 * 2**emotion * time)
        noise = 0.1 * generator.standard_normal(len(time))
        waveform = (generator.uniform(0.1, 0.5) * (tone + noise)).astype(np.float32)
        examples.append(Example(waveform=waveform, emotion=emotion, id=f"tones/{index}"))
    return examples


def recall_on(examples: Sequence[Example]) -> Any:
    """A ``select`` that returns UAR on some examples."""

    def select(system: Tiny) -> dict[str, float]:
        chosen = system.posterior([example.waveform for example in examples]).argmax(1).numpy()
        truth = np.array([example.emotion for example in examples])
        recalls = [np.mean(chosen[truth == k] == k) for k in np.unique(truth)]
        return {"uar": float(np.mean(recalls))}

    return select
