"""A speech encoder, the mean over time and one layer: how pre-trained encoders are compared.

Paper:      Shu-wen Yang et al., "SUPERB: Speech processing Universal PERformance Benchmark",
            Interspeech 2021, doi 10.21437/Interspeech.2021-1775, section 3 (emotion recognition):
            a frozen encoder, a learnt mix of its layers, a projection, the mean over frames, one
            linear layer, cross entropy.
Claims:     accuracy over four emotions of IEMOCAP, five folds; no figure here is comparable.
Reproduced: not yet: pre-trained weights are the user's to bring.
Departures: the encoder may also be fine-tuned, whole or by a low-rank addition, or be the small
            ``log_mel``; the waveform is heard in stretches of 12 s at most.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import numpy as np
from jaxtyping import Float, Int
from torch import Tensor, nn

from serkit.models.encoders import (
    CNN_BLSTM,
    Augment,
    Layers,
    Normalise,
    Tune,
    build_encoder,
    in_stretches,
    take_over,
)
from serkit.models.pooling import masked_mean
from serkit.objectives.cross_entropy import cross_entropy

# Shapes: B utterances, N samples, T frames, P projection, C emotions.

Waveform = Float[np.ndarray, " _"]

SAMPLE_RATE = 16000  # Hz
LONGEST = 12 * SAMPLE_RATE  # samples heard at once


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """Which encoder, and what of it learns."""

    emotions: tuple[str, ...]
    """Labels, in the order of the logits."""
    encoder: str = CNN_BLSTM
    """``cnn_blstm`` or ``log_mel``, from scratch, or a pre-trained one: hub id or local folder."""
    tune: Tune = "full"
    """Train all of a pre-trained encoder but its convolutions, nothing, or a low-rank addition."""
    layers: Layers = "last"
    """The last hidden state of a pre-trained encoder, or a learnt mix of all."""
    normalise: Normalise | None = None
    """Of the waveform for a pre-trained encoder; None is what suits it."""
    augment: Augment | None = None
    """Perturb the vocal-tract length, mask frames and mel bins; None is both, from scratch only."""
    checkpointing: bool = False
    """Compute a pre-trained encoder's activations twice rather than keep them in memory."""
    projection: int = 256
    """P."""
    dropout: float = 0.2
    """Before the last layer."""
    architecture: str = ""
    """Of a pre-trained encoder, so that it can be built again without hub or folder."""

    def __post_init__(self) -> None:
        """Refuse what cannot be built."""
        if len(self.emotions) < 2 or len(set(self.emotions)) < len(self.emotions):
            raise ValueError(f"emotions: {self.emotions} must be two or more different labels")
        if self.projection < 1:
            raise ValueError(f"projection: {self.projection} must be at least 1")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout: {self.dropout} must be at least 0 and below 1")


class EncoderClassifier(nn.Module):
    """Frames of the encoder, each projected, averaged over time, to one logit per emotion.

    Example:
        >>> system = EncoderClassifier(Config(emotions=("anger", "sadness")))
        >>> posterior = system.posterior([np.zeros(16000, np.float32)])
        >>> posterior.shape, round(posterior.sum().item(), 3)
        (torch.Size([1, 2]), 1.0)
    """

    name: ClassVar[str] = "encoder_classifier"
    task: ClassVar[Literal["emotion"]] = "emotion"
    trained_by_gradient: ClassVar[bool] = True
    sample_rate: ClassVar[int] = SAMPLE_RATE
    Config = Config

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.encoder = build_encoder(
            config.encoder,
            architecture=config.architecture,
            tune=config.tune,
            layers=config.layers,
            normalise=config.normalise,
            checkpointing=config.checkpointing,
            augment=config.augment,
        )
        self.config = replace(config, architecture=getattr(self.encoder, "architecture", ""))
        self.projection = nn.Linear(self.encoder.width, config.projection)
        self.dropout = nn.Dropout(config.dropout)
        self.emotion = nn.Linear(config.projection, len(config.emotions))

    def front_end(self) -> dict[str, Any]:
        """What decides how waveforms become frames."""
        return self.encoder.definition()

    def prepare(
        self,
        waveforms: Iterable[Waveform],
        emotions: Sequence[int],
        *,
        speakers: Sequence[str | None] | None = None,
    ) -> None:
        """How the encoder normalises, from what is heard of the training side."""
        self.encoder.prepare(waveform[:LONGEST] for waveform in waveforms)

    def cuts(self, num_samples: int, generator: np.random.Generator) -> list[tuple[int, int]]:
        """One stretch of 12 s at most, anywhere in the utterance."""
        length = min(num_samples, LONGEST)
        return [(int(generator.integers(num_samples - length + 1)), length)]

    def forward(
        self, waveform: Float[Tensor, "B N"], num_samples: Int[Tensor, " B"]
    ) -> Float[Tensor, "B C"]:
        """Logits over ``config.emotions``."""
        return self.emotion(self.dropout(self.pooled(waveform, num_samples)))

    def pooled(
        self, waveform: Float[Tensor, "B N"], num_samples: Int[Tensor, " B"]
    ) -> Float[Tensor, "B P"]:
        """The mean over time of the projected frames."""
        frames, num_frames = self.encoder(waveform, num_samples)
        return masked_mean(self.projection(frames), num_frames)

    def objective(
        self,
        logits: Float[Tensor, "B C"],
        emotion: Float[Tensor, "B C"],
        *,
        weight: Float[Tensor, " C"] | None = None,
        label_smoothing: float = 0.0,
    ) -> dict[str, Tensor]:
        """Losses by name; the trainer minimises their sum."""
        loss = cross_entropy(logits, emotion, weight=weight, label_smoothing=label_smoothing)
        return {"cross_entropy": loss}

    def posterior(self, waveforms: Sequence[Waveform]) -> Float[Tensor, "B C"]:
        """Probabilities of whole utterances, in evaluation mode; the mean over stretches."""
        return self._heard(waveforms, lambda *heard: self(*heard).float().softmax(1))

    def embed(self, waveforms: Sequence[Waveform]) -> Float[Tensor, "B P"]:
        """The averaged projections of whole utterances, in evaluation mode."""
        return self._heard(waveforms, self.pooled)

    def _heard(
        self, waveforms: Sequence[Waveform], answer: Callable[..., Tensor]
    ) -> Float[Tensor, "B _"]:
        return in_stretches(self, waveforms, answer, longest=LONGEST)

    def adopt(self, pretrained: Any) -> None:
        """Take over the encoder of a system that was trained elsewhere, for whatever task.

        Raises:
            ValueError: It has none, or its encoder is another one.
        """
        take_over(self.encoder, pretrained)
