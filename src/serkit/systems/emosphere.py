"""EmoSphere-SER: arousal, valence and dominance, guided by the region of a sphere they lie in.

Paper:      Deok-Hyeon Cho, Hyung-Seok Oh, Seung-Bin Kim, Seong-Whan Lee, "EmoSphere-SER: Enhancing
            Speech Emotion Recognition Through Spherical Representation with Auxiliary
            Classification", Interspeech 2025, 4653-4657, doi 10.21437/Interspeech.2025-1391.
            The pooling is the style encoder of Min, Lee, Yang, Hwang, "Meta-StyleSpeech",
            ICML 2021, section 3.1.
Claims:     MSP-Podcast, a part of its development set: CCC valence 0.6952, arousal 0.7482,
            dominance 0.6220, mean 0.6884, one seed; components, auxiliary variants and angles in
            its tables 1 to 3.
Reproduced: see docs/systems/emosphere.md and results/emosphere.*.csv.
Departures: invalid frames are zeroed before every convolution of the pooling, without which padding
            reaches valid frames; the key projection has no bias, which a softmax over keys cannot
            feel; frames are counted by the encoder's own convolutions; an encoder from scratch in
            place of WavLM-large is our choice for work without pre-trained weights.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from serkit.corpus import AFFECT
from serkit.corpus.sphere import AXES, Grid
from serkit.features.log_mel import valid
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
from serkit.models.pooling import AttentiveStatistics, masked_mean
from serkit.objectives.concordance import concordance_loss

# Shapes: B utterances, N samples, T frames, D width, H heads, A dimensions of affect, E emotions,
#         R regions, K classes of the auxiliary task (R, E or 0), S width of the pooled vector.

Waveform = Float[np.ndarray, " _"]

SAMPLE_RATE = 16000  # Hz
LAMBDA_END = 0.01  # what a linear weight falls to before it is switched off


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """The switches of the system; ``docs/systems/emosphere.md`` lists baseline and proposed."""

    affect: tuple[str, ...] = AFFECT
    """Dimensions, in the order of the values."""
    emotions: tuple[str, ...] = ()
    """Categories that ``auxiliary="emotion"`` tells apart."""
    auxiliary: Literal["none", "region", "emotion"] = "region"
    """What is told apart beside the values while the encoder is young."""
    pooling: Literal["style", "attentive_statistics", "mean"] = "style"
    """Frames to one vector."""
    regions: Literal[8, 18, 32, 72] = 8
    """Of the sphere: steps of 90, 60, 45 or 30 degrees."""
    axes: tuple[str, ...] = AXES
    """Dimensions along x, y and z of the sphere."""
    origin_region: bool = False
    """Whether the middle of all scales is a region of its own."""
    region_weights: Literal["balanced", "none"] = "balanced"
    """Weigh regions (or emotions) by their rarity in training, or all alike."""
    region_weight_cap: float | None = None
    """The highest weight; rare regions of small corpora would else decide everything."""
    lambda_schedule: Literal["linear", "constant"] = "linear"
    """Weight of the auxiliary loss: from 1 to nearly 0 over ``lambda_epochs``, or always 1."""
    lambda_epochs: int | None = None
    """Epochs with an auxiliary loss under ``linear``; None is a quarter of all, 5 of 20."""
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
    max_seconds: float = 12.0
    """Only so much of an utterance is trained on, from its beginning."""
    windows: bool = True
    """Hear longer utterances in stretches of ``max_seconds`` and average; or only the first."""
    architecture: str = ""
    """Of a pre-trained encoder, so that it can be built again without hub or folder."""

    def __post_init__(self) -> None:
        """Refuse what cannot be built."""
        if not self.affect or set(self.affect) - set(AFFECT):
            raise ValueError(f"affect: {self.affect} must be some of {', '.join(AFFECT)}")
        if len(set(self.affect)) < len(self.affect):
            raise ValueError(f"affect: {self.affect} names a dimension twice")
        if self.auxiliary == "region" and set(self.affect) != set(AFFECT):
            raise ValueError(
                f"auxiliary: regions need all of {', '.join(AFFECT)}, but the ratings have only "
                f"{', '.join(self.affect)}; set auxiliary to none or emotion"
            )
        if (self.auxiliary == "emotion") != bool(self.emotions) or len(self.emotions) == 1:
            raise ValueError(
                f"emotions: {self.emotions} must be two or more labels where auxiliary is emotion, "
                "and none elsewhere"
            )
        _ = self.grid
        if self.region_weight_cap is not None and not self.region_weight_cap >= 1:
            raise ValueError(f"region_weight_cap: {self.region_weight_cap} must be at least 1")
        if self.lambda_epochs is not None and self.lambda_epochs < 1:
            raise ValueError(f"lambda_epochs: {self.lambda_epochs} must be at least 1")
        if not 1 <= self.max_seconds < math.inf:
            raise ValueError(f"max_seconds: {self.max_seconds} must be at least 1, and finite")

    @property
    def grid(self) -> Grid:
        """The regions of the sphere."""
        return Grid(self.regions, tuple(self.axes), self.origin_region)

    @property
    def num_auxiliary(self) -> int:
        """Classes of the auxiliary task; 0 without one."""
        return {"none": 0, "region": len(self.grid), "emotion": len(self.emotions)}[self.auxiliary]


# ------------------------------------------------------------------------------------ the network


class StylePooling(nn.Module):
    """Frames to one vector of the same width: Meta-StyleSpeech's style encoder.

    Two linear layers with Mish, two gated convolutions that are added to what they read,
    self-attention with two heads, a linear layer, the mean over time. No normalisation layer: the
    paper's text has one, the authors' code has none. 28,321,792 parameters at width 1024.

    Example:
        >>> pooling = StylePooling(128)
        >>> pooling(torch.randn(2, 7, 128), torch.tensor([7, 3])).shape
        torch.Size([2, 128])
        >>> sum(parameter.numel() for parameter in pooling.parameters())
        443648
    """

    def __init__(self, width: int, *, dropout: float = 0.1) -> None:
        super().__init__()
        self.width = width
        self.spectral = nn.Sequential(
            *(nn.Linear(width, width), nn.Mish(), nn.Dropout(dropout)),
            *(nn.Linear(width, width), nn.Mish(), nn.Dropout(dropout)),
        )
        self.temporal = nn.ModuleList(
            [nn.Conv1d(width, 2 * width, kernel_size=5, padding=2) for _ in range(2)]
        )
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width, bias=False)
        self.value = nn.Linear(width, width)
        self.joined = nn.Linear(width, width)
        self.last = nn.Linear(width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, frames: Float[Tensor, "B T D"], num_frames: Int[Tensor, " B"]
    ) -> Float[Tensor, "B D"]:
        """One vector per utterance."""
        is_valid = valid(num_frames, frames.shape[1]).unsqueeze(2)
        x = self.spectral(frames)
        for convolution in self.temporal:
            heard = convolution((x * is_valid).transpose(1, 2)).transpose(1, 2)
            x = x + self.dropout(nn.functional.glu(heard, dim=2))
        x = x * is_valid
        x = self.last(x + self.dropout(self.joined(self.attended(x, num_frames))))
        return masked_mean(x, num_frames)

    def attended(
        self, x: Float[Tensor, "B T D"], num_frames: Int[Tensor, " B"]
    ) -> Float[Tensor, "B T D"]:
        """Values of all frames, as each frame attends to them, both heads side by side."""
        query, key, value = (
            project(x).unflatten(2, (2, -1)).transpose(1, 2)  # B H T D/H
            for project in (self.query, self.key, self.value)
        )
        weight = self.dropout(self.attention(query, key, num_frames))
        return (weight @ value).transpose(1, 2).flatten(2)

    def attention(
        self,
        query: Float[Tensor, "B H T C"],
        key: Float[Tensor, "B H T C"],
        num_frames: Int[Tensor, " B"],
    ) -> Float[Tensor, "B H T T"]:
        """How much each frame attends to each: sums to 1, and is 0 for frames that are none.

        Scores are divided by the root of the whole width, not of a head's, as in the code that the
        paper builds on.
        """
        score = (query @ key.transpose(2, 3)).float() / self.width**0.5
        is_key = valid(num_frames, score.shape[3])[:, None, None, :]
        return score.masked_fill(~is_key, -torch.inf).softmax(3).to(query)


def head(width: int, hidden: int, out: int) -> nn.Sequential:
    """From the pooled vector to values, or to logits."""
    return nn.Sequential(
        *(nn.Dropout(0.5), nn.Linear(width, hidden), nn.LayerNorm(hidden), nn.ReLU()),
        *(nn.Dropout(0.5), nn.Linear(hidden, out)),
    )


class EmoSphere(nn.Module):
    """Encoder, pooling, a head for the values, and one for the regions while it is wanted.

    Example:
        >>> system = EmoSphere(Config())
        >>> seconds = np.arange(16000, dtype=np.float32) / SAMPLE_RATE
        >>> system.affect([np.sin(2 * np.pi * 220 * seconds), seconds[:8000] / 2]).shape
        torch.Size([2, 3])
    """

    name: ClassVar[str] = "emosphere"
    task: ClassVar[Literal["affect"]] = "affect"
    trained_by_gradient: ClassVar[bool] = True
    sample_rate: ClassVar[int] = SAMPLE_RATE
    smallest_batch: ClassVar[int] = 16
    """The concordance of fewer utterances is a matter of chance."""
    settings: ClassVar[dict[str, Any]] = {
        **{"epochs": 30, "patience": None, "weight_decay": 0.01},
        **{"schedule": "one_cycle", "balance": "none"},
    }
    """For the trainer, where nothing else is asked for; for an encoder from scratch."""
    Config = Config

    class_weight: Tensor

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
        width: int = self.encoder.width
        if config.pooling == "style":
            self.pooling = StylePooling(width)
        elif config.pooling == "attentive_statistics":
            self.pooling = AttentiveStatistics(width)
        pooled = 2 * width if config.pooling == "attentive_statistics" else width
        self.num_values = len(config.affect)
        self.regression = head(pooled, width, self.num_values)
        if config.num_auxiliary:
            self.classification = head(pooled, width, config.num_auxiliary)
        self.register_buffer("class_weight", torch.ones(config.num_auxiliary))
        self.auxiliary_weight = 1.0 if config.num_auxiliary else 0.0

    def front_end(self) -> dict[str, Any]:
        """What decides how waveforms become frames."""
        return self.encoder.definition()

    # ------------------------------------------------------------------------------- training

    def begin_epoch(self, epoch: int, *, epochs: int) -> None:
        r"""Set the weight of the auxiliary loss for an epoch.

        .. math:: \lambda(e) = 1 - 0.99\, e / E \ (e < E), \quad 0 \ (e \ge E)

        with e from 0 and E ``lambda_epochs`` (the authors' code; the text says it falls to nearly
        0). Where it is 0 the head of the regions is neither run nor trained.

        Args:
            epoch: From 1.
            epochs: All there will be.

        Example:
            >>> system = EmoSphere(Config())
            >>> for epoch in (1, 2, 5, 6):
            ...     system.begin_epoch(epoch, epochs=20)
            ...     print(round(system.auxiliary_weight, 3))
            1.0
            0.802
            0.208
            0.0
        """
        if not self.config.num_auxiliary:
            self.auxiliary_weight = 0.0
        elif self.config.lambda_schedule == "constant":
            self.auxiliary_weight = 1.0
        else:
            span = self.config.lambda_epochs or max(1, epochs // 4)
            share = (epoch - 1) / span
            self.auxiliary_weight = 1 - (1 - LAMBDA_END) * share if share < 1 else 0.0

    def cuts(self, num_samples: int, generator: np.random.Generator) -> list[tuple[int, int]]:
        """The first ``max_seconds`` of an utterance."""
        return [(0, min(num_samples, self.max_samples))]

    @torch.no_grad()
    def prepare(
        self,
        waveforms: Iterable[Waveform],
        targets: Sequence[Sequence[float]],
        *,
        speakers: Sequence[str | None] | None = None,
    ) -> None:
        """Statistics of what is heard of the training side, and the weights of its classes.

        Args:
            waveforms: The training side.
            targets: For each, its values in [0, 1] in the order of ``config.affect`` and, where
                ``config.emotions`` are told apart, 1 for its emotion and 0 for the others (only 0
                where it has none).
            speakers: Not needed.

        Raises:
            ValueError: No waveform, or not one row of targets for each.
        """
        self.encoder.prepare(waveform[: self.max_samples] for waveform in waveforms)
        rows = torch.tensor(np.asarray(targets, dtype=np.float32))
        columns = len(self.config.affect) + len(self.config.emotions)
        if rows.shape[1:] != (columns,):
            raise ValueError(f"prepare: targets of shape {tuple(rows.shape)}, not (B, {columns})")
        if self.config.num_auxiliary:
            _ = self.class_weight.copy_(self.balance(self.classes(rows)))

    def balance(self, classes: Int[Tensor, " B"]) -> Float[Tensor, " K"]:
        """Weights ``n / (K n_k)`` of classes by their numbers, 0 for those that do not occur."""
        if self.config.region_weights == "none":
            return torch.ones_like(self.class_weight)
        num_classes = len(self.class_weight)
        counts = torch.bincount(classes[classes >= 0], minlength=num_classes).float()
        weight = torch.where(
            counts > 0, counts.sum() / (num_classes * counts.clamp(min=1)), torch.zeros(())
        )
        return weight.clamp(max=self.config.region_weight_cap or torch.inf)

    def classes(self, target: Float[Tensor, "B _"]) -> Int[Tensor, " B"]:
        """What the auxiliary task should say of each row of targets; -1 for nothing."""
        num_values = self.num_values
        if self.config.auxiliary == "region":
            order = [self.config.affect.index(name) for name in AFFECT]
            ratings = target[:, :num_values].double().cpu().numpy()[:, order]
            return torch.from_numpy(self.config.grid.of(ratings)).to(target.device)
        emotion = target[:, num_values:]
        return torch.where(emotion.sum(1) > 0, emotion.argmax(1), -1)

    def forward(
        self, waveform: Float[Tensor, "B N"], num_samples: Int[Tensor, " B"]
    ) -> Float[Tensor, "B _"]:
        """Values in the order of ``config.affect``, not clamped to [0, 1].

        In training, while the auxiliary task has a weight, its K logits stand behind them.
        """
        pooled = self.pooled(waveform, num_samples)
        values = self.regression(pooled)
        if self.training and self.auxiliary_weight > 0:
            return torch.cat([values, self.classification(pooled)], dim=1)
        return values

    def pooled(
        self, waveform: Float[Tensor, "B N"], num_samples: Int[Tensor, " B"]
    ) -> Float[Tensor, "B S"]:
        """One vector per utterance."""
        frames, num_frames = self.encoder(waveform, num_samples)
        if self.config.pooling == "mean":
            return masked_mean(frames, num_frames)
        return self.pooling(frames, num_frames)

    def objective(
        self,
        output: Float[Tensor, "B _"],
        target: Float[Tensor, "B _"],
        *,
        weight: Float[Tensor, " _"] | None = None,
        label_smoothing: float = 0.0,
    ) -> dict[str, Tensor]:
        """One minus the concordance of each dimension, and the weighted auxiliary loss.

        Args:
            output: As ``forward`` gave it in training.
            target: Values in [0, 1], and the emotion where it is told apart; as in ``prepare``.
            weight: Not used; the weights of classes are learnt in ``prepare``.
            label_smoothing: Of the auxiliary task.
        """
        names = self.config.affect
        values, logits = output[:, : len(names)], output[:, len(names) :]
        losses = concordance_loss(values, target[:, : len(names)])
        named = {f"ccc_{name}": loss for name, loss in zip(names, losses, strict=True)}
        if logits.shape[1]:
            classes = self.classes(target)
            of_each = nn.functional.cross_entropy(
                logits.float(),
                classes,
                reduction="none",
                ignore_index=-1,
                label_smoothing=label_smoothing,
            )
            # the mean over the weights of the batch, 0 where nothing of it has a class
            share = self.class_weight[classes.clamp(min=0)] * (classes >= 0)
            loss = (share * of_each).sum() / share.sum().clamp(min=1e-8)
            named[self.config.auxiliary] = self.auxiliary_weight * loss
        return named

    # ------------------------------------------------------------------------------ listening

    @property
    def max_samples(self) -> int:
        """Samples in ``max_seconds``."""
        return round(self.config.max_seconds * SAMPLE_RATE)

    def affect(self, waveforms: Sequence[Waveform]) -> Float[Tensor, "B A"]:
        """Values of whole utterances, in evaluation mode, not clamped to [0, 1]."""
        return self._heard(waveforms, self.forward)

    def embed(self, waveforms: Sequence[Waveform]) -> Float[Tensor, "B S"]:
        """The pooled vectors of whole utterances, in evaluation mode."""
        return self._heard(waveforms, self.pooled)

    def _heard(
        self, waveforms: Sequence[Waveform], answer: Callable[..., Tensor]
    ) -> Float[Tensor, "B _"]:
        longest, windows = self.max_samples, self.config.windows
        return in_stretches(self, waveforms, answer, longest=longest, windows=windows)

    def adopt(self, pretrained: Any) -> None:
        """Take over the encoder of a system that was trained elsewhere, for whatever task.

        Raises:
            ValueError: It has none, or its encoder is another one.
        """
        take_over(self.encoder, pretrained)
