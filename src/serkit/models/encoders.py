"""Speech encoders: from a waveform to frames of some width, behind one signature.

``log_mel`` and ``cnn_blstm`` are small and trained from scratch; every other name is a pre-trained
encoder of the Hugging Face family, by hub id or local folder (``models.pretrained``).
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, Protocol, cast

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from serkit.features.log_mel import LogMel, specaugment, valid
from serkit.models.masked import MaskedBatchNorm, reverse

# Shapes: B utterances, N samples, T frames, F mel bins, D width.

Waveform = Float[np.ndarray, " _"]  # not N: the waveforms of a sequence differ in length

LOG_MEL, CNN_BLSTM = FROM_SCRATCH = ("log_mel", "cnn_blstm")
"""Names of the encoders that are trained from scratch; any other is a hub id or a folder."""

Tune = Literal["full", "frozen", "lora"]
Layers = Literal["last", "weighted"]
Normalise = Literal["corpus", "utterance", "checkpoint"]
Augment = Literal["none", "vtlp", "specaugment", "vtlp+specaugment"]


class Encoder(Protocol):
    """What every encoder offers; each is also a ``torch.nn.Module``."""

    width: int
    """D."""
    frame_rate: float
    """Frames per second."""

    def num_frames(self, num_samples: Int[Tensor, " B"]) -> Int[Tensor, " B"]:
        """Frames of utterances of so many samples."""
        ...

    def prepare(self, waveforms: Iterable[Waveform]) -> None:
        """Learn how to normalise from the training side."""
        ...

    def definition(self) -> dict[str, Any]:
        """What decides how waveforms become frames; stored with the weights."""
        ...

    def __call__(
        self, waveform: Float[Tensor, "B N"], num_samples: Int[Tensor, " B"]
    ) -> tuple[Float[Tensor, "B T D"], Int[Tensor, " B"]]:
        """Frames, 0 where there are none, and how many each utterance has.

        An utterance has the same frames alone, padded or in company.
        """
        ...


class LogMelEncoder(nn.Module):
    """64 mel bins, one convolution to half the frame rate, four residual blocks.

    Log-mel frames (25 ms every 10 ms) are brought to mean 0 and deviation 1 per bin by the
    training side; a convolution of width 5 and stride 2 makes 50 frames per second of them. Each
    block is a depthwise convolution of width 9, layer norm, two linear layers with a GELU between
    them, dropout, and its own input added (Liu et al., "A ConvNet for the 2020s", CVPR 2022, in one
    dimension). 311,424 parameters at the default width.

    Args:
        width: D.
        num_blocks: residual blocks.
        dropout: at the end of each block.
        augment: While training, perturb the vocal-tract length by up to a tenth, mask up to 0.4 s
            and up to 12 mel bins, or both.

    Example:
        >>> encoder = LogMelEncoder()
        >>> frames, num_frames = encoder(torch.randn(2, 16000), torch.tensor([16000, 8000]))
        >>> tuple(frames.shape), num_frames.tolist()
        ((2, 49, 128), [49, 24])
        >>> sum(parameter.numel() for parameter in encoder.parameters())
        311424
    """

    mean: Tensor
    deviation: Tensor

    def __init__(
        self,
        *,
        width: int = 128,
        num_blocks: int = 4,
        dropout: float = 0.1,
        augment: Augment = "none",
    ) -> None:
        super().__init__()
        self.augment: Augment = augment
        self.width = width
        self.frame_rate = 50.0
        self.log_mel = LogMel(num_mels=64, planes="static", level="none", min_samples=400)
        num_mels = self.log_mel.filters.shape[1]
        self.register_buffer("mean", torch.zeros(num_mels))
        self.register_buffer("deviation", torch.ones(num_mels))
        self.convolution = nn.Conv1d(num_mels, width, kernel_size=5, stride=2, padding=2)
        self.norm = nn.LayerNorm(width)
        self.blocks = nn.ModuleList([Block(width, dropout) for _ in range(num_blocks)])
        self.last_norm = nn.LayerNorm(width)

    def definition(self) -> dict[str, Any]:
        """The log-mel frames, and how they are normalised."""
        return {**self.log_mel.definition(), "normalise": "per bin, by the training side"}

    def num_frames(self, num_samples: Int[Tensor, " B"]) -> Int[Tensor, " B"]:
        """Half the log-mel frames, rounded up."""
        return (self.log_mel.num_frames(num_samples) + 1) // 2

    @torch.no_grad()
    def prepare(self, waveforms: Iterable[Waveform]) -> None:
        """Mean and deviation per mel bin over all frames of the training side.

        Raises:
            ValueError: no waveform.
        """
        mean, deviation = moments(self.log_mel, waveforms)
        _ = self.mean.copy_(mean[0])
        _ = self.deviation.copy_(deviation[0])

    def forward(
        self, waveform: Float[Tensor, "B N"], num_samples: Int[Tensor, " B"]
    ) -> tuple[Float[Tensor, "B T D"], Int[Tensor, " B"]]:
        """Frames, 0 where there are none, and how many each utterance has."""
        augment: Augment = self.augment if self.training else "none"
        planes, num_mel_frames = planes_of(
            self.log_mel,
            waveform,
            num_samples,
            self.mean.unsqueeze(0),
            self.deviation.unsqueeze(0),
            augment,
            (40, 12),
        )
        mel = planes[:, 0]
        num_frames = (num_mel_frames + 1) // 2
        x = self.convolution(mel.transpose(1, 2)).transpose(1, 2)
        x = nn.functional.gelu(self.norm(x))
        is_valid = valid(num_frames, x.shape[1]).unsqueeze(2)
        for block in self.blocks:
            x = block(x, is_valid)
        return self.last_norm(x) * is_valid, num_frames


class CnnBlstmEncoder(nn.Module):
    """Convolutions over time and frequency, and a BLSTM, of 40 mel bins and their differences.

    The small network of the system ``crnn`` with one kernel in place of several side by side and
    without its summary. A pitch or a vocal tract that is somewhat higher moves a pattern along the
    mel axis, where kernels that slide over it find it again; ``log_mel`` has a weight for each
    bin. Each utterance is brought to mean 0 and deviation 1 first. 25 frames per second, 117,664
    parameters.

    Args:
        augment: As of ``LogMelEncoder``, with half as many frames and bins masked.

    Example:
        >>> encoder = CnnBlstmEncoder()
        >>> frames, num_frames = encoder(torch.randn(2, 16000), torch.tensor([16000, 8000]))
        >>> tuple(frames.shape), num_frames.tolist()
        ((2, 24, 128), [24, 12])
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, *, augment: Augment = "none") -> None:
        super().__init__()
        self.augment: Augment = augment
        self.width = 128
        self.frame_rate = 25.0
        self.log_mel = LogMel(num_mels=40, planes="deltas", level="utterance")
        self.register_buffer("mean", torch.zeros(3, 40))
        self.register_buffer("deviation", torch.ones(3, 40))
        shapes = ((3, 32, (9, 3)), (32, 32, (3, 3)), (32, 64, (3, 3)))
        self.convolutions = nn.ModuleList(
            nn.Conv2d(planes, channels, kernel, padding=(kernel[0] // 2, 1), bias=False)
            for planes, channels, kernel in shapes
        )
        for convolution in self.convolutions:
            _ = nn.init.kaiming_normal_(cast(Tensor, convolution.weight), mode="fan_out")
        self.norms = nn.ModuleList(MaskedBatchNorm(channels) for _, channels, _ in shapes)
        self.linear = nn.Linear(64 * 5, 64, bias=False)
        self.linear_norm = MaskedBatchNorm(64)
        self.forwards = nn.LSTM(64, 64, batch_first=True)
        self.backwards = nn.LSTM(64, 64, batch_first=True)

    def definition(self) -> dict[str, Any]:
        """The frames that are convolved, and how they are normalised."""
        return {**self.log_mel.definition(), "normalise": "per plane and bin, by the training side"}

    def num_frames(self, num_samples: Int[Tensor, " B"]) -> Int[Tensor, " B"]:
        """A quarter of the log-mel frames, rounded down."""
        return self.log_mel.num_frames(num_samples) // 4

    @torch.no_grad()
    def prepare(self, waveforms: Iterable[Waveform]) -> None:
        """Mean and deviation per plane and mel bin over all frames of the training side.

        Raises:
            ValueError: no waveform.
        """
        mean, deviation = moments(self.log_mel, waveforms)
        _ = self.mean.copy_(mean)
        _ = self.deviation.copy_(deviation)

    def forward(
        self, waveform: Float[Tensor, "B N"], num_samples: Int[Tensor, " B"]
    ) -> tuple[Float[Tensor, "B T D"], Int[Tensor, " B"]]:
        """Frames, 0 where there are none, and how many each utterance has."""
        augment: Augment = self.augment if self.training else "none"
        x, num_frames = planes_of(
            self.log_mel, waveform, num_samples, self.mean, self.deviation, augment, (20, 5)
        )
        x = x.contiguous(memory_format=torch.channels_last)  # faster convolutions
        for convolution, norm, pool in zip(
            self.convolutions, self.norms, ((2, 4), (2, 2), (1, 1)), strict=True
        ):
            x = nn.functional.max_pool2d(convolution(x), pool)
            num_frames = num_frames // pool[0]
            mask = valid(num_frames, x.shape[2]).view(len(x), 1, -1, 1).to(x.dtype)
            x = norm(x, mask).relu() * mask
        x = self.linear(x.permute(0, 2, 1, 3).flatten(2))
        mask = valid(num_frames, x.shape[1]).unsqueeze(1).to(x.dtype)
        x = (self.linear_norm(x.transpose(1, 2), mask).relu() * mask).transpose(1, 2)
        forwards, _ = self.forwards(x)
        backwards, _ = self.backwards(reverse(x, num_frames))
        both = torch.cat([forwards, reverse(backwards, num_frames)], dim=2)
        return both * mask.transpose(1, 2).to(both), num_frames


def moments(
    log_mel: LogMel, waveforms: Iterable[Waveform]
) -> tuple[Float[Tensor, "P F"], Float[Tensor, "P F"]]:
    """Mean and deviation per plane and mel bin over all frames.

    Raises:
        ValueError: no waveform.
    """
    total = squares = torch.zeros((), dtype=torch.float64)
    count = 0
    for waveform in waveforms:
        samples = torch.from_numpy(waveform).to(log_mel.filters).unsqueeze(0)
        frames, num_frames = log_mel(samples, torch.tensor([samples.shape[1]]))
        precise = frames[0].double().cpu()
        total = total + precise.sum(1)
        squares = squares + precise.square().sum(1)
        count += int(num_frames)
    if count == 0:
        raise ValueError("prepare: no training utterance, so there is nothing to normalise by")
    variance = (squares / count - (total / count).square()).clamp(min=0)
    return (total / count).float(), variance.sqrt().float()


@torch.no_grad()
def planes_of(
    log_mel: LogMel,
    waveform: Float[Tensor, "B N"],
    num_samples: Int[Tensor, " B"],
    mean: Float[Tensor, "P F"],
    deviation: Float[Tensor, "P F"],
    augment: Augment,
    masks: tuple[int, int],
) -> tuple[Float[Tensor, "B P T F"], Int[Tensor, " B"]]:
    """Normalised log-mel frames, 0 where there are none, and how many each utterance has.

    Args:
        log_mel: Makes the frames.
        waveform: Padded samples.
        num_samples: Of each utterance.
        mean: Per plane and bin.
        deviation: Per plane and bin.
        augment: ``vtlp`` stretches each vocal tract by up to a tenth; ``specaugment`` masks.
        masks: The most frames, and bins, that are masked.
    """
    with torch.autocast(waveform.device.type, enabled=False):
        alpha = None
        if "vtlp" in augment:
            alpha = 0.9 + 0.2 * torch.rand(len(waveform), device=waveform.device)
        planes, num_frames = log_mel(waveform, num_samples, alpha)
        planes = (planes - mean.unsqueeze(1)) / (deviation.unsqueeze(1) + 1e-6)
        total, num_mels = planes.shape[2:]
        kept = valid(num_frames, total).view(len(planes), 1, -1, 1)
        if "specaugment" in augment:
            most = {"frames": masks[0], "mels": masks[1]}
            kept = kept & specaugment(num_frames, total, num_mels, **most)
        return planes.masked_fill(~kept, 0.0), num_frames


class Block(nn.Module):
    """Each channel over time, then all channels of each frame; what comes in is added."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.depthwise = nn.Conv1d(width, width, kernel_size=9, padding=4, groups=width)
        self.norm = nn.LayerNorm(width)
        self.widen = nn.Linear(width, 2 * width)
        self.narrow = nn.Linear(2 * width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Float[Tensor, "B T D"], is_valid: Tensor) -> Float[Tensor, "B T D"]:
        """``x`` and what the block makes of its valid frames."""
        # The kernel reaches beyond the end: zeros there, as for an utterance that is alone.
        heard = self.depthwise((x * is_valid).transpose(1, 2)).transpose(1, 2)
        wide = nn.functional.gelu(self.widen(self.norm(heard)))
        return x + self.dropout(self.narrow(wide))


def build_encoder(
    name: str,
    *,
    architecture: str = "",
    tune: Tune = "full",
    layers: Layers = "last",
    normalise: Normalise | None = None,
    checkpointing: bool = False,
    augment: Augment | None = None,
) -> Any:
    """The encoder of a name.

    Args:
        name: ``log_mel`` or ``cnn_blstm``, or the hub id or local folder of a pre-trained speech
            encoder.
        architecture: Of an encoder that was saved with a system: builds it without hub or folder.
        tune: Train all but its convolutions, nothing, or a low-rank addition (pre-trained only).
        layers: The last hidden state, or a learnt mix of all (pre-trained only).
        normalise: Of the waveform; None is what suits the encoder (pre-trained only).
        checkpointing: Compute activations twice rather than keep them (pre-trained only).
        augment: Of the frames in training (those from scratch only); None is all there is.

    Raises:
        ValueError: A setting that ``log_mel`` does not have.

    Example:
        >>> build_encoder("log_mel").width
        128
    """
    if name in FROM_SCRATCH:
        given = {"tune": tune != "full", "layers": layers != "last", "normalise": bool(normalise)}
        for setting, is_given in given.items():
            if is_given:
                raise ValueError(
                    f"{setting}: {name} is trained from scratch and has no such setting; leave "
                    "it, or name a pre-trained encoder"
                )
        kind = LogMelEncoder if name == LOG_MEL else CnnBlstmEncoder
        return kind(augment=augment or "vtlp+specaugment")
    if augment not in (None, "none"):
        raise ValueError(
            f"augment: {augment} is for {', '.join(FROM_SCRATCH)}; leave it for a pre-trained "
            "encoder, which masks its own frames"
        )
    from serkit.models.pretrained import (
        PretrainedEncoder,
    )  # only whoever needs it waits for its import

    return PretrainedEncoder(
        name,
        architecture=architecture,
        tune=tune,
        layers=layers,
        normalise=normalise,
        checkpointing=checkpointing,
    )


@torch.no_grad()
def in_stretches(
    network: nn.Module,
    waveforms: Sequence[Waveform],
    answer: Callable[[Tensor, Tensor], Tensor],
    *,
    longest: int,
    windows: bool = True,
    batch: int = 16,
) -> Float[Tensor, "B _"]:
    """Answers to whole utterances, in evaluation mode, in batches of similar length.

    Args:
        network: Whose mode is changed for a while, and on whose device it is heard.
        waveforms: Of any length.
        answer: From padded waveforms and lengths to a vector for each.
        longest: Samples that are heard at once.
        windows: Hear longer utterances in several stretches and average the answers by duration;
            otherwise only their beginning.
        batch: Stretches heard at once.

    Example:
        >>> encoder = LogMelEncoder()
        >>> def level(waveform, num_samples):
        ...     return (waveform.sum(1) / num_samples).unsqueeze(1)
        >>> waveforms = [np.repeat([1, 4], [20, 10]).astype(np.float32)]
        >>> in_stretches(encoder, waveforms, level, longest=20).tolist()
        [[2.0]]
    """
    was_training = network.training
    _ = network.eval()
    like = next(network.parameters())
    pieces: list[Waveform] = []
    owners: list[int] = []
    for owner, waveform in enumerate(waveforms):
        starts = range(0, max(1, len(waveform)) if windows else 1, longest)
        pieces += [waveform[start : start + longest] for start in starts]
        owners += [owner] * len(starts)
    lengths = np.array([len(piece) for piece in pieces], dtype=np.int64)
    order = np.argsort(lengths, kind="stable")
    answers: list[Tensor] = []
    for start in range(0, len(order), batch):
        chosen = order[start : start + batch]
        padded = np.zeros((len(chosen), lengths[chosen].max()), dtype=np.float32)
        for row, index in zip(padded, chosen, strict=True):
            row[: lengths[index]] = pieces[index]
        heard = answer(
            torch.from_numpy(padded).to(like), torch.from_numpy(lengths[chosen]).to(like.device)
        )
        answers.append(heard.float().cpu())
    _ = network.train(was_training)
    if not answers:
        return answer(like.new_zeros(0, longest), torch.zeros(0, dtype=torch.long)).float().cpu()
    found = torch.cat(answers)[torch.from_numpy(order).argsort()].double()
    weight = torch.from_numpy(lengths).double().unsqueeze(1)
    owner = torch.tensor(owners)
    total = torch.zeros(len(waveforms), found.shape[1], dtype=torch.float64)
    heard = torch.zeros(len(waveforms), 1, dtype=torch.float64)
    return (total.index_add_(0, owner, found * weight) / heard.index_add_(0, owner, weight)).float()


OF_NO_MATTER = ("name", "revision", "layers")
"""Of a definition: where an encoder came from, and how its layers are mixed."""


def take_over(encoder: Any, pretrained: Any) -> None:
    """Load the weights of the encoder of a system that was trained elsewhere, for whatever task.

    Args:
        encoder: What is to begin from them.
        pretrained: The trained system.

    Raises:
        ValueError: It has no encoder, or another one; says where they differ.
    """
    theirs = getattr(pretrained, "encoder", None)
    if theirs is None:
        raise ValueError(f"{pretrained.name} has no encoder that could be taken over")
    there, here = (
        {k: v for k, v in e.definition().items() if k not in OF_NO_MATTER}
        for e in (theirs, encoder)
    )
    apart = [
        f"{name} is {there.get(name)!r} there and {here.get(name)!r} here"
        for name in {**there, **here}
        if there.get(name) != here.get(name)
    ]
    if apart:
        raise ValueError(f"its encoder is another one: {'; '.join(apart)}")
    weights, own = theirs.state_dict(), encoder.state_dict()
    unlike = sorted(weights.keys() ^ own.keys())
    if unlike:
        raise ValueError(
            f"its encoder is tuned otherwise (only one of both has {unlike[0]}): give tune and "
            "layers as they were there"
        )
    _ = encoder.load_state_dict(weights)
