# pyright: reportUnusedCallResult=false
"""CRNN: kernels of several widths over log-mel frames, a BLSTM, and a summary of its outputs.

Paper:      Patrick Meyer, Ziyi Xu, Tim Fingscheidt, "Improving Convolutional Recurrent Neural
            Networks for Speech Emotion Recognition", IEEE SLT 2021,
            doi 10.1109/SLT48900.2021.9383513.
Claims:     IEMOCAP, unweighted average recall 64.5 % on average; classes, material and folds not
            stated in what is public. Four contributions, each ablated: (A) a multi-kernel-width
            CNN, (B) a BLSTM output summarisation, (C) enhanced features, (D) a training method.
Reproduced: a reconstruction, not a reproduction: see docs/systems/crnn.md for our figures.
Departures: kernel widths, sizes, summary, features and training method are not public; what is
            built follows a close relative where one is known (ACRNN: Chen, He, Yang, Zhang, "3-D
            convolutional recurrent neural networks with attention model", IEEE SPL 25(10), 2018)
            and is our choice elsewhere. docs/systems/crnn.md marks each.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from serkit.features.log_mel import LogMel, specaugment, valid
from serkit.models.masked import MaskedBatchNorm, reverse
from serkit.objectives.cross_entropy import cross_entropy

# Shapes: B utterances, N samples, P planes, T frames, F mel bins, D channels, H hidden, C emotions.

Waveform = Float[np.ndarray, " _"]

SAMPLE_RATE = 16000  # Hz
SEGMENT = 48240  # samples, 3 s: exactly 300 frames
SHORTEST_REST = 16000  # samples, 1 s: a shorter rest of an utterance makes no segment of its own
LONGEST_HEARD = 20 * SAMPLE_RATE  # samples an utterance contributes to one epoch at most


@dataclass(frozen=True, kw_only=True, slots=True)
class Size:
    """Widths of the network."""

    channels: tuple[int, ...]
    """Channels of the convolution blocks."""
    pools: tuple[tuple[int, int], ...]
    """Pooling (frames, mel bins) after each block's convolution."""
    kernel: tuple[int, int]
    """Kernel (frames, mel bins) of every block but the first."""
    linear: int
    """Units between the convolutions and the BLSTM."""
    hidden: int
    """Units of the BLSTM per direction."""


SIZES = {
    "default": Size(
        channels=(64, 64, 128),
        pools=((2, 4), (2, 2), (1, 1)),
        kernel=(3, 3),
        linear=128,
        hidden=128,
    ),
    "small": Size(
        channels=(32, 32, 64), pools=((2, 4), (2, 2), (1, 1)), kernel=(3, 3), linear=64, hidden=64
    ),
    # The relative's network, about 40 times the default's arithmetic; for a GPU.
    "acrnn": Size(
        channels=(128, 256, 256, 256, 256, 256),
        pools=((2, 4), (1, 1), (1, 1), (1, 1), (1, 1), (1, 1)),
        kernel=(5, 3),
        linear=768,
        hidden=128,
    ),
}

Summary = Literal["last", "mean", "max", "mean_std", "attention", "concat"]

SUMMARY_WIDTH = {"last": 2, "mean": 2, "max": 2, "mean_std": 4, "attention": 2, "concat": 6}
"""Size of each summary in units of H."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """The switches of the network. ``docs/systems/crnn.md`` lists baseline and proposed values."""

    emotions: tuple[str, ...]
    """Labels, in the order of the logits."""
    convolution: Literal["multi", "single", "single5"] = "multi"
    """(A) Block 1: parallel branches of ``kernel_widths``, one of width 9, or one of width 5."""
    kernel_widths: tuple[int, ...] = (3, 5, 9, 19)
    """Widths in frames of the branches of ``multi``; odd, and their number divides 64."""
    summary: Summary = "concat"
    """(B) What the classifier sees of the BLSTM's outputs."""
    planes: Literal["static", "deltas"] = "deltas"
    """(C) Log-mel alone, or with first and second differences."""
    unit: Literal["utterance", "segments"] = "utterance"
    """(D) Train on whole utterances, or on 3 s segments scored together at test."""
    augment: Literal["none", "vtlp", "specaugment", "vtlp+specaugment"] = "vtlp"
    """(D) Perturb the vocal-tract length, mask a stretch of frames and of mel bins, or both."""
    segment_score: Literal["max", "mean"] = "max"
    """How the posteriors of an utterance's segments become one."""
    num_mels: Literal[40, 64] = 40
    """Mel bins per frame."""
    level: Literal["utterance", "none"] = "utterance"
    """Bring each utterance to mean 0 and deviation 1, or leave its amplitude."""
    trim: float = 0.0
    """Leave out silence before and after speech: dB below the loudest frame; 0 keeps it."""
    size: Literal["default", "small", "acrnn"] = "default"
    """Widths of the network."""
    dropout: float = 0.3
    """Before the last layer."""

    def __post_init__(self) -> None:
        """Refuse what cannot be built."""
        if len(self.emotions) < 2 or len(set(self.emotions)) < len(self.emotions):
            raise ValueError(f"emotions: {self.emotions} must be two or more different labels")
        if any(width % 2 == 0 or width < 1 for width in self.kernel_widths):
            raise ValueError(f"kernel_widths: {self.kernel_widths} must all be odd")
        channels = SIZES[self.size].channels[0]
        if not self.kernel_widths or channels % len(self.kernel_widths):
            raise ValueError(
                f"kernel_widths: {len(self.kernel_widths)} widths cannot share {channels} filters "
                "equally; give 1, 2, 4 or 8 widths"
            )
        if not 0 <= self.trim < 200:
            raise ValueError(f"trim: {self.trim} must be at least 0 and below 200 dB")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout: {self.dropout} must be at least 0 and below 1")


class Block(nn.Module):
    """Parallel convolutions, max-pooling, batch norm, ReLU."""

    def __init__(
        self, planes: int, channels: int, kernels: Sequence[tuple[int, int]], pool: tuple[int, int]
    ) -> None:
        super().__init__()
        branches = [
            nn.Conv2d(
                planes,
                channels // len(kernels),
                kernel,
                padding=(kernel[0] // 2, kernel[1] // 2),
                bias=False,
            )
            for kernel in kernels
        ]
        for branch in branches:
            nn.init.kaiming_normal_(branch.weight, mode="fan_out", nonlinearity="relu")
        self.branches = nn.ModuleList(branches)
        self.pool = pool
        self.norm = MaskedBatchNorm(channels)

    def forward(
        self, x: Float[Tensor, "B P T F"], num_frames: Int[Tensor, " B"]
    ) -> tuple[Float[Tensor, "B D U G"], Int[Tensor, " B"]]:
        """Shorter frames and how many are valid; invalid ones are 0 again."""
        # Pooled before they are joined: the same maxima, an eighth of the copying.
        x = torch.cat([self._pooled(branch(x)) for branch in self.branches], dim=1)
        num_frames = num_frames // self.pool[0]
        mask = valid(num_frames, x.shape[2]).view(x.shape[0], 1, -1, 1).to(x.dtype)
        return self.norm(x, mask).relu() * mask, num_frames

    def _pooled(self, x: Float[Tensor, "B D T F"]) -> Float[Tensor, "B D U G"]:
        return x if self.pool == (1, 1) else nn.functional.max_pool2d(x, self.pool)


class CRNN(nn.Module):
    """Waveform to logits, one statement per box of the network."""

    name: ClassVar[str] = "crnn"
    task: ClassVar[Literal["emotion"]] = "emotion"
    trained_by_gradient: ClassVar[bool] = True
    sample_rate: ClassVar[int] = SAMPLE_RATE
    Config = Config

    mean: Tensor
    deviation: Tensor

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        size = SIZES[config.size]
        planes = {"static": 1, "deltas": 3}[config.planes]
        self.log_mel = LogMel(
            num_mels=config.num_mels,
            planes=config.planes,
            level=config.level,
            trim=config.trim,
            sample_rate=SAMPLE_RATE,
        )
        # Statistics of the training side; see prepare.
        self.register_buffer("mean", torch.zeros(planes, config.num_mels))
        self.register_buffer("deviation", torch.ones(planes, config.num_mels))

        widths = {"multi": config.kernel_widths, "single": (9,), "single5": (5,)}
        kernels = [[(width, 3) for width in widths[config.convolution]]]
        kernels += [[size.kernel]] * (len(size.channels) - 1)
        self.blocks = nn.ModuleList(
            Block(*shape)
            for shape in zip(
                (planes, *size.channels), size.channels, kernels, size.pools, strict=False
            )
        )
        mel_pool = int(np.prod([pool[1] for pool in size.pools]))
        self.linear = nn.Linear(
            size.channels[-1] * config.num_mels // mel_pool, size.linear, bias=False
        )
        self.linear_norm = MaskedBatchNorm(size.linear)
        # Two one-way LSTMs, the second on time-reversed frames: the BLSTM of the paper, without
        # packing and so without sorting.
        self.forwards = nn.LSTM(size.linear, size.hidden, batch_first=True)
        self.backwards = nn.LSTM(size.linear, size.hidden, batch_first=True)
        if config.summary == "attention":
            self.attention = nn.Sequential(
                nn.Linear(2 * size.hidden, size.hidden, bias=False),
                nn.Tanh(),
                nn.Linear(size.hidden, 1, bias=False),
            )
        self.dense = nn.Linear(SUMMARY_WIDTH[config.summary] * size.hidden, 64, bias=False)
        self.dense_norm = MaskedBatchNorm(64)
        self.dropout = nn.Dropout(config.dropout)
        self.emotion = nn.Linear(64, len(config.emotions))

    def front_end(self) -> dict[str, Any]:
        """The definition of the frames."""
        return self.log_mel.definition()

    def forward(
        self, waveform: Float[Tensor, "B N"], num_samples: Int[Tensor, " B"]
    ) -> Float[Tensor, "B C"]:
        """Logits over ``config.emotions``; samples at or beyond ``num_samples`` are not heard."""
        hidden, num_hidden = self.hidden(waveform, num_samples)
        return self.head(self.summarise(hidden, num_hidden))

    def hidden(
        self, waveform: Float[Tensor, "B N"], num_samples: Int[Tensor, " B"]
    ) -> tuple[Float[Tensor, "B T H"], Int[Tensor, " B"]]:
        """BLSTM outputs, forward and backward halves side by side, and how many are valid."""
        x, num_frames = self.frames(waveform, num_samples)
        x = x.contiguous(memory_format=torch.channels_last)  # faster convolutions
        for block in self.blocks:
            x, num_frames = block(x, num_frames)
        x = self.linear(x.permute(0, 2, 1, 3).flatten(2))
        mask = valid(num_frames, x.shape[1]).unsqueeze(1).to(x.dtype)
        x = (self.linear_norm(x.transpose(1, 2), mask).relu() * mask).transpose(1, 2)
        forwards, _ = self.forwards(x)
        backwards, _ = self.backwards(reverse(x, num_frames))
        return torch.cat([forwards, reverse(backwards, num_frames)], dim=2), num_frames

    def frames(
        self, waveform: Float[Tensor, "B N"], num_samples: Int[Tensor, " B"]
    ) -> tuple[Float[Tensor, "B P T F"], Int[Tensor, " B"]]:
        """Normalised frames (perturbed while training), 0 where invalid; no gradient."""
        augment = self.config.augment if self.training else "none"
        with torch.no_grad(), torch.autocast(waveform.device.type, enabled=False):
            alpha = None
            if "vtlp" in augment:
                alpha = 0.9 + 0.2 * torch.rand(len(waveform), device=waveform.device)
            frames, num_frames = self.log_mel(waveform, num_samples, alpha)
            frames = (frames - self.mean.unsqueeze(1)) / (self.deviation.unsqueeze(1) + 1e-6)
            mask = valid(num_frames, frames.shape[2]).view(len(frames), 1, -1, 1)
            if "specaugment" in augment:
                mask = mask & specaugment(num_frames, frames.shape[2], frames.shape[3])
            return frames.masked_fill(~mask, 0.0), num_frames

    def summarise(
        self, hidden: Float[Tensor, "B T H"], num_hidden: Int[Tensor, " B"]
    ) -> Float[Tensor, "B S"]:
        """One vector per utterance from the valid BLSTM outputs: contribution (B)."""
        is_valid = valid(num_hidden, hidden.shape[1]).unsqueeze(2)
        kind = self.config.summary
        if kind == "last":
            return last(hidden, num_hidden)
        if kind == "mean":
            return mean(hidden, is_valid)
        if kind == "max":
            return maximum(hidden, is_valid)
        if kind == "mean_std":
            average = mean(hidden, is_valid)
            variance = mean((hidden - average.unsqueeze(1)).square(), is_valid)
            return torch.cat([average, (variance + 1e-8).sqrt()], dim=1)
        if kind == "attention":
            return (self.attention_weights(hidden, num_hidden).unsqueeze(2) * hidden).sum(1)
        return torch.cat(
            [last(hidden, num_hidden), mean(hidden, is_valid), maximum(hidden, is_valid)], dim=1
        )

    def attention_weights(
        self, hidden: Float[Tensor, "B T H"], num_hidden: Int[Tensor, " B"]
    ) -> Float[Tensor, "B T"]:
        """How much each output counts: not negative, sums to 1 over valid ones."""
        score = self.attention(hidden).squeeze(2)
        return score.masked_fill(~valid(num_hidden, score.shape[1]), -torch.inf).softmax(1)

    def head(self, summary: Float[Tensor, "B S"]) -> Float[Tensor, "B C"]:
        """Summary to logits."""
        return self.emotion(self.dropout(self.embedding(summary)))

    def embedding(self, summary: Float[Tensor, "B S"]) -> Float[Tensor, "B E"]:
        """Summary to the values that the last layer reads."""
        return self.dense_norm(self.dense(summary)).relu()

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

    def cuts(self, num_samples: int, generator: np.random.Generator) -> list[tuple[int, int]]:
        """Stretches ``(start, length)`` to train on in one epoch; the switch ``unit``."""
        if self.config.unit == "segments":
            return segments(num_samples)
        length = min(num_samples, LONGEST_HEARD)
        return [(int(generator.integers(num_samples - length + 1)), length)]

    @torch.no_grad()
    def prepare(
        self,
        waveforms: Iterable[Waveform],
        emotions: Sequence[int],
        *,
        speakers: Sequence[str | None] | None = None,
    ) -> None:
        """Mean and deviation per plane and mel bin over all frames of the training side."""
        total = torch.zeros(self.mean.shape, dtype=torch.float64)
        squares, count = total.clone(), 0
        for waveform in waveforms:
            samples = torch.from_numpy(waveform).to(self.mean).unsqueeze(0)
            frames, num_frames = self.log_mel(samples, torch.tensor([samples.shape[1]]))
            precise = frames[0].double().cpu()
            total += precise.sum(1)
            squares += precise.square().sum(1)
            count += int(num_frames)
        if count == 0:
            raise ValueError("prepare: no training utterance, so there is nothing to normalise by")
        self.mean.copy_(total / count)
        self.deviation.copy_((squares / count - (total / count).square()).clamp(min=0).sqrt())

    @torch.no_grad()
    def posterior(self, waveforms: Sequence[Waveform]) -> Float[Tensor, "B C"]:
        """Probabilities of whole utterances, in evaluation mode, at full precision."""
        pieces: list[Waveform] = []
        owners: list[int] = []
        for owner, waveform in enumerate(waveforms):
            cuts = [(0, len(waveform))]
            if self.config.unit == "segments":
                cuts = segments(len(waveform))
            pieces += [take(waveform, start, length) for start, length in cuts]
            owners += [owner] * len(cuts)
        scores = self._in_batches(pieces, lambda summary: self.head(summary).softmax(1))
        if self.config.unit == "utterance":
            return scores
        owner = torch.tensor(owners)
        grouped = [scores[owner == index] for index in range(len(waveforms))]
        joined = torch.stack(
            [
                group.amax(0) if self.config.segment_score == "max" else group.mean(0)
                for group in grouped
            ]
        )
        return joined / joined.sum(1, keepdim=True)

    @torch.no_grad()
    def embed(self, waveforms: Sequence[Waveform]) -> Float[Tensor, "B E"]:
        """One vector per whole utterance, in evaluation mode: what the last layer reads."""
        return self._in_batches(waveforms, self.embedding)

    def _in_batches(
        self,
        pieces: Sequence[Waveform],
        answer: Callable[[Float[Tensor, "B S"]], Float[Tensor, "B _"]],
        *,
        batch: int = 16,
    ) -> Float[Tensor, "B _"]:
        """Answers to pieces, heard in batches of similar length and returned in their order."""
        was_training = self.training
        self.eval()
        order = sorted(range(len(pieces)), key=lambda index: len(pieces[index]))
        nothing = torch.zeros(0, self.dense.in_features).to(self.mean)
        found = [answer(nothing).float().cpu()]
        for start in range(0, len(order), batch):
            chosen = order[start : start + batch]
            lengths = torch.tensor([len(pieces[index]) for index in chosen])
            padded = np.zeros((len(chosen), int(lengths.max())), dtype=np.float32)
            for row, index in enumerate(chosen):
                padded[row, : len(pieces[index])] = pieces[index]
            samples = torch.from_numpy(padded).to(self.mean)
            hidden = self.hidden(samples, lengths.to(self.mean.device))
            found.append(answer(self.summarise(*hidden)).float().cpu())
        self.train(was_training)
        return torch.cat(found)[torch.tensor(order, dtype=torch.long).argsort()]

    @torch.no_grad()
    def running_posterior(
        self, waveform: Waveform, *, every: float = 0.25
    ) -> tuple[list[float], Float[Tensor, "W C"]]:
        """Probabilities after each ``every`` seconds, from one pass: a curve of emotion.

        The head sees the summary of outputs 0..t (``last``: forward at t, backward at 0). The
        BLSTM has heard the whole utterance, so this is an explanation and no stream.

        Args:
            waveform: samples at 16 kHz.
            every: step of the curve in seconds.

        Returns:
            The times in seconds, the end of the utterance last, and the probabilities; the last
            row is the prediction of the utterance.
        """
        was_training = self.training
        self.eval()
        samples = torch.from_numpy(waveform).to(self.mean).unsqueeze(0)
        hidden, num_hidden = self.hidden(samples, torch.tensor([len(waveform)]))
        total, duration = int(num_hidden), len(waveform) / SAMPLE_RATE
        begin, span = self._span(samples)
        ends = [*np.arange(every, duration, every).tolist(), duration]
        heard = [round(total * (end - begin) / span) for end in ends[:-1]] + [total]
        counts = [max(1, min(total, count)) for count in heard]
        summaries = [self.summarise(hidden[:, :count], torch.tensor([count])) for count in counts]
        scores = self.head(torch.cat(summaries)).softmax(1).float()
        self.train(was_training)
        return ends, scores

    def _span(self, waveform: Float[Tensor, "1 N"]) -> tuple[float, float]:
        """Where the frames begin in the utterance, and how long they last, in seconds."""
        num_samples = waveform.shape[1]
        if not self.config.trim:
            return 0.0, num_samples / SAMPLE_RATE
        num_frames = self.log_mel.num_frames(torch.tensor([num_samples]))
        padded = nn.functional.pad(waveform, (0, max(0, self.log_mel.min_samples - num_samples)))
        first, count = self.log_mel.speech(padded, num_frames)
        second = self.log_mel.hop_length / SAMPLE_RATE
        return int(first) * second, int(count) * second

    @classmethod
    def multiply_accumulates(cls, config: Config, *, frames: int = 100) -> int:
        """Multiply-accumulates of convolutions, linear layer and BLSTM for so many frames.

        Example:
            >>> CRNN.multiply_accumulates(Config(emotions=("anger", "sadness")))
            56985600
        """
        network = cls(config)
        time, mels, total = frames, config.num_mels, 0
        for block, pool in zip(network.blocks, SIZES[config.size].pools, strict=True):
            total += (
                sum(w.numel() for w in block.get_submodule("branches").parameters()) * time * mels
            )
            time, mels = time // pool[0], mels // pool[1]
        total += network.linear.weight.numel() * time
        for lstm in (network.forwards, network.backwards):
            total += sum(w.numel() for w in lstm.parameters() if w.dim() == 2) * time
        return total


def mean(hidden: Float[Tensor, "B T H"], is_valid: Bool[Tensor, "B T 1"]) -> Float[Tensor, "B H"]:
    """Mean over valid outputs."""
    return hidden.masked_fill(~is_valid, 0.0).sum(1) / is_valid.sum(1)


def maximum(
    hidden: Float[Tensor, "B T H"], is_valid: Bool[Tensor, "B T 1"]
) -> Float[Tensor, "B H"]:
    """Maximum over valid outputs."""
    return hidden.masked_fill(~is_valid, -torch.inf).amax(1)


def last(hidden: Float[Tensor, "B T H"], num_hidden: Int[Tensor, " B"]) -> Float[Tensor, "B H"]:
    """Where each direction has heard everything: forward at the last output, backward at 0."""
    half = hidden.shape[2] // 2
    index = (num_hidden - 1).view(-1, 1, 1).expand(-1, 1, half)
    return torch.cat([hidden[:, :, :half].gather(1, index).squeeze(1), hidden[:, 0, half:]], dim=1)


def segments(num_samples: int) -> list[tuple[int, int]]:
    """Stretches of 3 s without overlap; the last is moved back so that it is full.

    A rest under 1 s is left out; a shorter utterance gives one segment, to be filled cyclically.

    Example:
        >>> segments(113600)
        [(0, 48240), (48240, 48240), (65360, 48240)]
    """
    whole, rest = divmod(num_samples, SEGMENT)
    starts = [index * SEGMENT for index in range(whole)] or [0]
    if whole and rest >= SHORTEST_REST:
        starts.append(num_samples - SEGMENT)
    return [(start, SEGMENT) for start in starts]


def take(waveform: Waveform, start: int, length: int) -> Waveform:
    """A stretch of a waveform, which is repeated cyclically where it is too short.

    Example:
        >>> take(np.array([1.0, 2.0, 3.0]), 1, 4).tolist()
        [2.0, 3.0, 1.0, 2.0]
    """
    if start + length <= len(waveform):
        return waveform[start : start + length]
    return np.take(waveform, np.arange(start, start + length), mode="wrap")
