# pyright: reportUnusedCallResult=false
"""Verify-to-classify: embeddings that learn which utterances are of one emotion, then a classifier.

Paper:      Sattaya Singkul, Kuntpong Woraratpanya, "Vector learning representation for generalized
            speech emotion recognition", Heliyon 8(3), e09196, 2022,
            doi 10.1016/j.heliyon.2022.e09196.
Claims:     on Emo-DB and RAVDESS, in high and low quality, better EER, accuracy and F1 than its
            baselines; every figure: not available to us.
Reproduced: a reconstruction, not a reproduction: see docs/systems/verify_to_classify.md.
Departures: depth, width, pooling, features, episodes, classifiers' settings and the low quality are
            not public. What is built follows the trainer whose words the paper uses (VT: Chung et
            al., "In defence of metric learning for speaker recognition", Interspeech 2020; ``v2``:
            Heo et al., "Clova baseline system for the VoxCeleb speaker recognition challenge 2020")
            and is our choice elsewhere. docs/systems/verify_to_classify.md marks each.
"""

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, get_args

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from serkit.features.log_mel import LogMel
from serkit.models.classifiers import KINDS, Choice, Classifier, Kind
from serkit.objectives.cross_entropy import cross_entropy
from serkit.objectives.episode import Partner, episodes
from serkit.objectives.margin_softmax import aam_softmax, am_softmax
from serkit.objectives.prototypical import angular_prototypical

# Shapes: B utterances, R crops of each, N samples, T frames, F mel bins, P channels, D embedding,
# C emotions, K classes in training, V utterances of the development side.

Waveform = Float[np.ndarray, " _"]

SAMPLE_RATE = 16000  # Hz
TRAINING_CROP = 32240  # samples, 2 s: exactly 200 frames
TEST_CROP = 48240  # samples, 3 s: exactly 300 frames
CROPS_AT_ONCE = 64  # so that a long list of long recordings does not fill the memory
FRAMED_AT_ONCE = 8  # crops whose spectra stay in the processor's cache, which is faster


@dataclass(frozen=True, kw_only=True, slots=True)
class Size:
    """Widths of the network."""

    blocks: tuple[int, ...]
    """Blocks of each stage."""
    channels: tuple[int, ...]
    """Of each stage."""
    strides: tuple[int, ...]
    """Of the first block of each stage, in time and frequency."""
    num_mels: int
    pooling: Literal["sap", "asp"]
    embedding: int


SIZES = {
    "small": Size(
        blocks=(2, 2, 2, 2),
        channels=(8, 16, 32, 64),
        strides=(1, 2, 2, 1),
        num_mels=40,
        pooling="sap",
        embedding=128,
    ),
    "fast34": Size(
        blocks=(3, 4, 6, 3),
        channels=(16, 32, 64, 128),
        strides=(1, 2, 2, 1),
        num_mels=64,
        pooling="sap",
        embedding=256,
    ),
    # H/ASP: another stem, attention per channel, mel bins kept apart until the pooling.
    "v2": Size(
        blocks=(3, 4, 6, 3),
        channels=(32, 64, 128, 256),
        strides=(1, 2, 2, 2),
        num_mels=64,
        pooling="asp",
        embedding=512,
    ),
}

Objective = Literal[
    "softmax", "am_softmax", "aam_softmax", "angular_prototypical", "softmax_angular_prototypical"
]
MARGINS = {"am_softmax": 0.3, "aam_softmax": 0.2}
MARGIN_SCALE = 30.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """The switches of the system; ``docs/systems/verify_to_classify.md`` argues the defaults."""

    emotions: tuple[str, ...]
    """Labels, in the order of the probabilities."""
    size: Literal["small", "fast34", "v2"] = "small"
    """Widths of the network; the other fields of the network that are None follow it."""
    front: Literal["standard", "wide"] = "standard"
    """Frames of 25 ms, or 60 mel bins over frames of 50 ms."""
    num_mels: int | None = None
    """Mel bins per frame."""
    pooling: Literal["mean", "sap", "asp"] | None = None
    """Frames to one vector: their mean, self-attentive, or attentive with deviations."""
    embedding: int | None = None
    """D."""
    squeeze_excitation: bool = True
    """Let each block weigh its channels."""
    order: Literal["relu_bn", "bn_relu"] = "relu_bn"
    """What follows the first convolution of a block."""
    objective: Objective = "softmax_angular_prototypical"
    """The five losses."""
    margin: float | None = None
    """Of the margin losses; None is 0.3 for ``am_softmax`` and 0.2 for ``aam_softmax``."""
    symmetric: bool = False
    """Every utterance of an episode is the query in turn, not only the first."""
    identity: Literal["emotion", "emotion_x_sex"] = "emotion"
    """What is told apart in training; judged by emotion in either case."""
    episodes: int = 8
    """S, stacked in one batch."""
    utterances: int = 2
    """M, of each class in an episode: one query, the rest enrolled."""
    episode_classes: int | None = None
    """E, classes in an episode; None takes all."""
    partner: Partner = "any"
    """Whom the enrolled utterances of an episode are spoken by."""
    augment: Literal["none", "vtlp", "specaugment", "vtlp+specaugment"] = "none"
    """Perturb the vocal-tract length, mask a stretch of frames and of mel bins, or both."""
    num_crops: int = 10
    """R, stretches of 3 s that a longer utterance is heard in."""
    classifier: Kind | Literal["network"] = "svm_rbf"
    """Who assigns the emotion; ``network`` is the softmax that the objective has."""

    def __post_init__(self) -> None:
        """Refuse what cannot be built."""
        if len(self.emotions) < 2 or len(set(self.emotions)) < len(self.emotions):
            raise ValueError(f"emotions: {self.emotions} must be two or more different labels")
        if self.objective not in get_args(Objective):
            raise ValueError(
                f"objective: {self.objective!r} is not one of {', '.join(get_args(Objective))}"
            )
        if self.classifier not in (*KINDS, "network"):
            raise ValueError(
                f"classifier: {self.classifier!r} is not one of {', '.join(KINDS)}, network"
            )
        if self.classifier == "network" and self.objective == "angular_prototypical":
            raise ValueError(
                "classifier: angular_prototypical has no softmax that could assign emotions; "
                f"choose one of {', '.join(KINDS)}"
            )
        for name, least in (
            ("num_mels", 8), ("embedding", 2), ("episodes", 1), ("utterances", 2),
            ("episode_classes", 2), ("num_crops", 1),
        ):  # fmt: skip
            value = getattr(self, name)
            if value is not None and value < least:
                raise ValueError(f"{name}: {value} must be at least {least}")
        if self.margin is not None and not 0 <= self.margin < np.pi:
            raise ValueError(f"margin: {self.margin} must be at least 0 and below pi")


# ------------------------------------------------------------------------------------ the network


class SqueezeExcitation(nn.Module):
    """Weigh each channel by a gate that has seen all of them (Hu, Shen, Sun, CVPR 2018)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.squeeze = nn.Linear(channels, channels // 8)
        # What comes in has mean 0, and of 8 channels one unit is left: below 0 it would be dead.
        nn.init.zeros_(self.squeeze.bias)
        self.excite = nn.Linear(channels // 8, channels)

    def forward(self, x: Float[Tensor, "B P T F"]) -> Float[Tensor, "B P T F"]:
        """``x`` times gates in (0, 1)."""
        # Channels last here, so that the gradient of the mean lies in memory as that of x does.
        mean = x.permute(0, 2, 3, 1).mean((1, 2))
        gate = self.excite(self.squeeze(mean).relu()).sigmoid()
        return x * gate[:, :, None, None]


class Block(nn.Module):
    """Convolution, ReLU, BN, convolution, BN, squeeze-excitation, shortcut, ReLU."""

    def __init__(self, inward: int, channels: int, stride: int, config: Config) -> None:
        super().__init__()
        self.first = convolution(inward, channels, 3, stride)
        self.first_norm = nn.BatchNorm2d(channels)
        self.second = convolution(channels, channels, 3)
        self.second_norm = nn.BatchNorm2d(channels)
        self.gate = SqueezeExcitation(channels) if config.squeeze_excitation else nn.Identity()
        self.relu_first = config.order == "relu_bn"
        self.shortcut = nn.Identity()
        if stride != 1 or inward != channels:
            self.shortcut = nn.Sequential(
                convolution(inward, channels, 1, stride), nn.BatchNorm2d(channels)
            )

    def forward(self, x: Float[Tensor, "B P T F"]) -> Float[Tensor, "B Q U G"]:
        """Fewer frames and mel bins where the stride says so."""
        hidden = self.first(x)
        if self.relu_first:
            hidden = self.first_norm(hidden.relu())
        else:
            hidden = self.first_norm(hidden).relu()
        hidden = self.gate(self.second_norm(self.second(hidden)))
        return (hidden + self.shortcut(x)).relu()


class Pooling(nn.Module):
    """Frames to one vector by attention over time; ``asp`` adds the weighted deviations.

    ``a = softmax_t(tanh(W x_t + b) . v)``, ``e = sum_t a_t x_t``,
    ``sigma = sqrt(max(sum_t a_t x_t^2 - e^2, 1e-5))`` (Okabe, Koshinaka, Shinoda, "Attentive
    statistics pooling for deep speaker embedding", Interspeech 2018). ``per_channel`` gives every
    channel an attention of its own.
    """

    def __init__(self, kind: Literal["mean", "sap", "asp"], width: int, per_channel: bool) -> None:
        super().__init__()
        self.kind = kind
        self.width = width * (2 if kind == "asp" else 1)
        if kind != "mean" and per_channel:
            # No bias in the last: a softmax over time cannot feel it.
            self.score = nn.Sequential(
                nn.Conv1d(width, 128, 1), nn.ReLU(), nn.BatchNorm1d(128),
                nn.Conv1d(128, width, 1, bias=False),
            )  # fmt: skip
        elif kind != "mean":
            v = nn.Conv1d(width, 1, 1, bias=False)
            nn.init.xavier_normal_(v.weight)
            self.score = nn.Sequential(nn.Conv1d(width, width, 1), nn.Tanh(), v)

    def forward(self, x: Float[Tensor, "B P T"]) -> Float[Tensor, "B Q"]:
        """One vector of each stretch."""
        if self.kind == "mean":
            return x.mean(2)
        attention = self.attention(x)
        mean = (attention * x).sum(2)
        if self.kind == "sap":
            return mean
        variance = (attention * x.square()).sum(2) - mean.square()
        return torch.cat([mean, variance.clamp(min=1e-5).sqrt()], dim=1)

    def attention(self, x: Float[Tensor, "B P T"]) -> Float[Tensor, "B A T"]:
        """How much each frame counts, in one row or in one per channel: sums to 1 over time."""
        return self.score(x).softmax(2)


class Extractor(nn.Module):
    """Normalised log-mel frames to an embedding, one statement per box of the network."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        size = SIZES[config.size]
        is_v2 = config.size == "v2"
        num_mels = mels_of(config)
        stem = size.channels[0]
        if is_v2:
            self.stem = nn.Sequential(
                convolution(1, stem, 3, bias=True), nn.ReLU(), nn.BatchNorm2d(stem)
            )
        else:
            self.stem = nn.Sequential(
                convolution(1, stem, 7, (1, 2)), nn.BatchNorm2d(stem), nn.ReLU()
            )
            num_mels = -(-num_mels // 2)
        blocks: list[nn.Module] = []
        inward = stem
        for number, channels, stride in zip(size.blocks, size.channels, size.strides, strict=True):
            for place in range(number):
                blocks.append(Block(inward, channels, stride if place == 0 else 1, config))
                inward = channels
            num_mels = -(-num_mels // stride)
        self.blocks = nn.Sequential(*blocks)
        self.keeps_mels = is_v2
        width = inward * num_mels if is_v2 else inward
        self.pooling = Pooling(config.pooling or size.pooling, width, per_channel=is_v2)
        self.embedding = nn.Linear(self.pooling.width, config.embedding or size.embedding)

    def forward(self, frames: Float[Tensor, "B 1 T F"]) -> Float[Tensor, "B D"]:
        """Embeddings, not normalised."""
        x = self.stem(frames)
        # Faster, but not with a gradient: in float32 torch 2.13's batch norm of a batch is off by
        # 1e-3, and oneDNN 3.12 corrupts memory in the backward pass of a 1x1 convolution of stride
        # 2 over 8 channels, which ``small`` has.
        if not torch.is_grad_enabled():
            x = x.contiguous(memory_format=torch.channels_last)
        x = self.blocks(x)
        x = x.permute(0, 1, 3, 2)  # mel bins before frames
        x = x.flatten(1, 2) if self.keeps_mels else x.mean(2)
        return self.embedding(self.pooling(x))


def convolution(
    inward: int,
    channels: int,
    kernel: int,
    stride: int | tuple[int, int] = 1,
    *,
    bias: bool = False,
) -> nn.Conv2d:
    """Padded so that only the stride shortens; Kaiming normal by fan-out."""
    layer = nn.Conv2d(inward, channels, kernel, stride=stride, padding=kernel // 2, bias=bias)
    nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
    return layer


def mels_of(config: Config) -> int:
    """Mel bins per frame."""
    wide = 60 if config.front == "wide" else SIZES[config.size].num_mels
    return config.num_mels or wide


# ------------------------------------------------------------------------------------- the system


class VerifyToClassify(nn.Module):
    """Learn emotion by verification, then classify.

    Stage 1: ``forward`` and ``objective`` over stacked episodes (``batches``), accepted by the
    equal error rate of ``embed``. Stage 2: ``conclude`` fits a classical classifier to the
    embeddings of the extractor, which does not change any more. Before that all emotions are
    equally probable.
    """

    name: ClassVar[str] = "verify_to_classify"
    task: ClassVar[Literal["emotion"]] = "emotion"
    trained_by_gradient: ClassVar[bool] = True
    accepted_by: ClassVar[Literal["eer"]] = "eer"
    sample_rate: ClassVar[int] = SAMPLE_RATE
    settings: ClassVar[dict[str, Any]] = {
        "epochs": 150,
        "patience": 30,
        "score_every": 5,
        "schedule": "cosine",
        "balance": "none",
        "weight_decay": 5e-5,
        "clip": 5.0,
    }
    """Of the trainer, where nothing else is asked for."""
    Config = Config

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        window = {"standard": (400, 512), "wide": (800, 1024)}[config.front]
        self.log_mel = LogMel(
            num_mels=mels_of(config),
            planes="static",
            level="none",
            sample_rate=SAMPLE_RATE,
            win_length=window[0],
            n_fft=window[1],
        )
        self.extractor = Extractor(config)
        # What only the objective needs; an extractor is carried over without it.
        width, kind = self.extractor.embedding.out_features, config.objective
        if "prototypical" in kind:
            self.scale = nn.Parameter(torch.tensor(10.0))
        if "softmax" in kind:
            self.classes = nn.Linear(width, self.num_classes, bias="m_softmax" not in kind)
            nn.init.xavier_normal_(self.classes.weight)
        self.classifier = Classifier(
            "prototype" if config.classifier == "network" else config.classifier,
            len(config.emotions),
        )

    @property
    def num_classes(self) -> int:
        """How many classes are told apart in training."""
        return len(self.config.emotions) * (2 if self.config.identity == "emotion_x_sex" else 1)

    def class_of(self, emotion: int, sex: str | None) -> int:
        """The class of an utterance in training.

        Raises:
            ValueError: The sex is part of it, and unknown.
        """
        if self.config.identity == "emotion":
            return emotion
        if sex not in ("female", "male"):
            raise ValueError(
                f"identity: emotion_x_sex needs the sex of every speaker, but one is {sex!r}; "
                "use identity=emotion"
            )
        return emotion + len(self.config.emotions) * (sex == "male")

    def front_end(self) -> dict[str, Any]:
        """The definition of the frames."""
        return {
            **self.log_mel.definition(),
            "preemphasis": 0.97 if self.config.size == "v2" else 0.0,
            "instance_norm": "over time, per mel bin",
        }

    # -- stage 1: verification ------------------------------------------------------------------

    def batches(
        self,
        classes: Sequence[int],
        *,
        speakers: Sequence[str | None],
        generator: np.random.Generator,
    ) -> list[list[int]]:
        """The batches of an epoch: stacked episodes; see ``objectives.episode``."""
        config = self.config
        for name, count in enumerate(np.bincount(classes, minlength=self.num_classes).tolist()):
            if 0 < count < config.utterances:
                emotion = config.emotions[name % len(config.emotions)]
                raise ValueError(
                    f"{emotion} has {count} training utterance{'s' * (count != 1)}, but an episode "
                    f"needs {config.utterances} different ones: leave the emotion out with a label "
                    "map or an alias, or cut the folds by a protocol that trains on more of it"
                )
        return episodes(
            classes,
            num_episodes=config.episodes,
            num_utterances=config.utterances,
            num_classes=config.episode_classes,
            speakers=speakers,
            partner=config.partner,
            generator=generator,
        )

    def cuts(self, num_samples: int, generator: np.random.Generator) -> list[tuple[int, int]]:
        """One stretch of 2 s anywhere in the utterance."""
        latest = max(0, num_samples - TRAINING_CROP)
        return [(int(generator.integers(latest + 1)), TRAINING_CROP)]

    def forward(
        self, waveform: Float[Tensor, "B N"], num_samples: Int[Tensor, " B"]
    ) -> Float[Tensor, "B D"]:
        """Embeddings: of the first 2 s in training, else unit vectors of whole utterances."""
        rows = [row[:length] for row, length in zip(waveform, num_samples.tolist(), strict=True)]
        if self.training:
            crops = torch.stack([stretch(row, 0, TRAINING_CROP) for row in rows])
            return self.extractor(self.frames(crops))
        return functional.normalize(self._over_crops(rows, unit), dim=1)

    def frames(self, crop: Float[Tensor, "B N"]) -> Float[Tensor, "B 1 T F"]:
        """Log-mel frames, mean 0 and deviation 1 over time in each mel bin; no gradient."""
        augment = self.config.augment if self.training else "none"
        with torch.no_grad(), torch.autocast(crop.device.type, enabled=False):
            if self.config.size == "v2":
                crop = torch.cat([crop[:, :1], crop[:, 1:] - 0.97 * crop[:, :-1]], dim=1)
            alpha = None
            if "vtlp" in augment:
                alpha = 0.9 + 0.2 * torch.rand(len(crop), device=crop.device)
            length = torch.full((len(crop),), crop.shape[1], device=crop.device)
            at_once = FRAMED_AT_ONCE if crop.device.type == "cpu" else max(1, len(crop))
            alphas = itertools.repeat(None) if alpha is None else alpha.split(at_once)
            parts = zip(crop.split(at_once), length.split(at_once), alphas, strict=False)
            frames = torch.cat([self.log_mel(*part)[0] for part in parts])
            centred = frames - frames.mean(2, keepdim=True)
            frames = centred / (centred.square().mean(2, keepdim=True) + 1e-5).sqrt()
            if "specaugment" in augment:
                frames = masked(frames, frames_at_most=40, mels_at_most=frames.shape[3] // 5)
            return frames

    def objective(
        self,
        embedding: Float[Tensor, "B D"],
        emotion: Float[Tensor, "B K"],
        *,
        weight: Float[Tensor, " K"] | None = None,
        label_smoothing: float = 0.0,
    ) -> dict[str, Tensor]:
        """Losses by name, over stacked episodes in the order of ``batches``."""
        kind, losses = self.config.objective, dict[str, Tensor]()
        if kind in ("am_softmax", "aam_softmax"):
            cosines = functional.linear(
                functional.normalize(embedding, dim=1),
                functional.normalize(self.classes.weight, dim=1),
            )
            loss = am_softmax if kind == "am_softmax" else aam_softmax
            margin = MARGINS[kind] if self.config.margin is None else self.config.margin
            losses[kind] = loss(
                cosines, emotion, scale=MARGIN_SCALE, margin=margin, label_smoothing=label_smoothing
            )
        elif "softmax" in kind:
            losses["softmax"] = cross_entropy(
                self.classes(embedding), emotion, weight=weight, label_smoothing=label_smoothing
            )
        if "prototypical" in kind:
            config = self.config
            stacked = embedding.unflatten(0, (config.episodes, -1, config.utterances))
            losses["angular_prototypical"] = angular_prototypical(
                stacked, scale=self.scale, symmetric=config.symmetric
            )
        return losses

    def prepare(
        self,
        waveforms: Iterable[Waveform],
        emotions: Sequence[int],
        *,
        speakers: Sequence[str | None] | None = None,
    ) -> None:
        """Nothing: every crop is normalised by itself."""

    @torch.no_grad()
    def embed(self, waveforms: Sequence[Waveform]) -> Float[Tensor, "B D"]:
        """One unit vector per utterance: the mean of those of its crops, in evaluation mode."""
        return functional.normalize(self._heard(waveforms, unit), dim=1)

    def adopt(self, pretrained: nn.Module) -> None:
        """Take over the extractor of a system that was trained elsewhere.

        Raises:
            ValueError: It is another system, or its network or its front end is another one.
        """
        if not isinstance(pretrained, VerifyToClassify):
            raise ValueError(f"it is no verify_to_classify, but {type(pretrained).__name__}")
        theirs, ours = pretrained.extractor.state_dict(), self.extractor.state_dict()
        shapes = [{name: tensor.shape for name, tensor in one.items()} for one in (theirs, ours)]
        if (
            shapes[0] != shapes[1]
            or pretrained.config.order != self.config.order  # which no shape shows
            or pretrained.front_end() != self.front_end()
        ):
            network = ("size", "front", "num_mels", "pooling", "embedding", "order")
            apart = [
                f"{name}={getattr(pretrained.config, name)}".lower()
                for name in (*network, "squeeze_excitation")
                if getattr(pretrained.config, name) != getattr(self.config, name)
            ]
            raise ValueError(
                f"the pre-trained network is another one: it has {', '.join(apart)}; take the "
                "same (--set NAME=VALUE)"
            )
        self.extractor.load_state_dict(theirs)

    # -- stage 2: classification ----------------------------------------------------------------

    def conclude(
        self,
        waveforms: Sequence[Waveform],
        emotions: Sequence[int],
        *,
        development: tuple[Sequence[Waveform], Sequence[int]] | None,
        speakers: Sequence[str | None],
        seed: int,
    ) -> Choice | None:
        """Fit the classifier to the embeddings; the extractor stays as it is.

        Args:
            waveforms: the training side.
            emotions: places in ``config.emotions``.
            development: the side that chooses the classifier's settings; without one they are
                chosen on speakers of the training side held out in turn.
            speakers: of the training side.
            seed: of the classifiers that draw lots.

        Returns:
            What was chosen; None where the network itself assigns the emotions.
        """
        if self.config.classifier == "network":
            return None
        held_out = None
        if development is not None:
            held_out = (self.embed(development[0]).numpy(), development[1])
        return self.classifier.fit(
            self.embed(waveforms).numpy(),
            emotions,
            development=held_out,
            speakers=speakers,
            seed=seed,
        )

    @torch.no_grad()
    def posterior(self, waveforms: Sequence[Waveform]) -> Float[Tensor, "B C"]:
        """Probabilities of whole utterances, in evaluation mode."""
        if self.config.classifier == "network":
            return self._heard(waveforms, self._network_posterior)
        if not self.classifier.is_fitted:
            num_emotions = len(self.config.emotions)
            return torch.full((len(waveforms), num_emotions), 1 / num_emotions)
        found = self.classifier.posterior(self.embed(waveforms).numpy())
        return torch.from_numpy(np.asarray(found, dtype=np.float32))

    def _network_posterior(self, embedding: Float[Tensor, "B D"]) -> Float[Tensor, "B C"]:
        """What the objective's own softmax says; both sexes of an emotion together."""
        if "m_softmax" in self.config.objective:
            embedding = functional.normalize(embedding, dim=1)
            weight = functional.normalize(self.classes.weight, dim=1)
            logits = MARGIN_SCALE * functional.linear(embedding, weight)
        else:
            logits = self.classes(embedding)
        return logits.softmax(1).unflatten(1, (-1, len(self.config.emotions))).sum(1)

    # -- crops ----------------------------------------------------------------------------------

    def _heard(
        self,
        waveforms: Sequence[Waveform],
        answer: Callable[[Float[Tensor, "B D"]], Float[Tensor, "B _"]],
    ) -> Float[Tensor, "B _"]:
        """Mean over crops of the answers to their embeddings, in evaluation mode."""
        was_training = self.training
        self.eval()
        device = self.extractor.embedding.weight.device
        rows = [torch.from_numpy(waveform).to(device) for waveform in waveforms]
        found = self._over_crops(rows, answer).float().cpu()
        self.train(was_training)
        return found

    def _over_crops(
        self,
        rows: Sequence[Float[Tensor, " _"]],
        answer: Callable[[Float[Tensor, "B D"]], Float[Tensor, "B _"]],
    ) -> Float[Tensor, "B _"]:
        weight = self.extractor.embedding.weight
        pieces: list[Tensor] = []
        owners: list[int] = []
        for owner, row in enumerate(rows):
            starts = crop_starts(len(row), self.config.num_crops)
            pieces += [stretch(row, start, TEST_CROP) for start in starts]
            owners += [owner] * len(starts)
        answers = [answer(weight.new_zeros(0, weight.shape[0]))]
        for begin in range(0, len(pieces), CROPS_AT_ONCE):
            crops = torch.stack(pieces[begin : begin + CROPS_AT_ONCE]).to(weight.dtype)
            answers.append(answer(self.extractor(self.frames(crops))))
        found = torch.cat(answers)
        owner = torch.tensor(owners, dtype=torch.long, device=found.device)
        sums = found.new_zeros(len(rows), found.shape[1]).index_add(0, owner, found)
        return sums / owner.bincount(minlength=len(rows)).clamp(min=1).unsqueeze(1)

    @classmethod
    def multiply_accumulates(cls, config: Config, *, frames: int = 100) -> int:
        """Multiply-accumulates of the network for so many frames.

        Example:
            >>> emotions = ("anger", "sadness")
            >>> round(VerifyToClassify.multiply_accumulates(Config(emotions=emotions)) / 1e6, 1)
            30.1
        """
        extractor, total = Extractor(config).eval(), 0

        def count(layer: nn.Module, heard: tuple[Tensor, ...], said: Tensor) -> None:
            nonlocal total
            if isinstance(layer, nn.Linear | nn.Conv1d | nn.Conv2d):
                places = said.numel() // (
                    said.shape[-1] if isinstance(layer, nn.Linear) else said.shape[1]
                )
                total += layer.weight.numel() * places

        for layer in extractor.modules():
            layer.register_forward_hook(count)
        with torch.no_grad():
            extractor(torch.zeros(1, 1, frames, mels_of(config)))
        return total


def unit(embedding: Float[Tensor, "B D"]) -> Float[Tensor, "B D"]:
    """Each vector brought to length 1."""
    return functional.normalize(embedding, dim=1)


def crop_starts(num_samples: int, number: int) -> list[int]:
    """First samples of evenly spaced crops of 3 s; one where all would be equal.

    Example:
        >>> crop_starts(68240, 3), crop_starts(20000, 10)
        ([0, 10000, 20000], [0])
    """
    rest = num_samples - TEST_CROP
    if rest <= 0 or number == 1:
        return [0]
    return [round(place * rest / (number - 1)) for place in range(number)]


def stretch(row: Float[Tensor, " N"], start: int, length: int) -> Float[Tensor, " _"]:
    """A crop, of an utterance that begins again where it is too short.

    Example:
        >>> stretch(torch.tensor([1.0, 2.0, 3.0]), 1, 4).tolist()
        [2.0, 3.0, 1.0, 2.0]
    """
    if start + length <= len(row):
        return row[start : start + length]
    return row[torch.arange(start, start + length, device=row.device) % len(row)]


def masked(
    frames: Float[Tensor, "B 1 T F"], *, frames_at_most: int, mels_at_most: int
) -> Float[Tensor, "B 1 T F"]:
    """0, the mean, in one stretch of frames and one of mel bins of each crop.

    Both lengths are uniform from 0 to the most (Park et al., "SpecAugment", Interspeech 2019).
    """
    keep = torch.ones_like(frames, dtype=torch.bool)
    for axis, most in ((2, frames_at_most), (3, mels_at_most)):
        size = frames.shape[axis]
        width = torch.randint(most + 1, (len(frames), 1), device=frames.device)
        start = (torch.rand(len(frames), 1, device=frames.device) * (size - width + 1)).long()
        place = torch.arange(size, device=frames.device)
        outside = (place < start) | (place >= start + width)
        keep &= outside[:, None, :, None] if axis == 2 else outside[:, None, None, :]
    return frames * keep
