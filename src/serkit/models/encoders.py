"""Speech encoders: from a waveform to frames of some width, behind one signature.

``log_mel`` is small and trained from scratch; every other name is a pre-trained encoder of the
Hugging Face family, by hub id or local folder (``models.pretrained``).
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, Protocol

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from serkit.features.log_mel import LogMel, specaugment, valid

# Shapes: B utterances, N samples, T frames, F mel bins, D width.

Waveform = Float[np.ndarray, " _"]  # not N: the waveforms of a sequence differ in length

LOG_MEL = "log_mel"
"""Name of the encoder that is trained from scratch."""

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
        self.augment = augment
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
        total = torch.zeros(self.mean.shape, dtype=torch.float64)
        squares, count = total.clone(), 0
        for waveform in waveforms:
            samples = torch.from_numpy(waveform).to(self.mean).unsqueeze(0)
            frames, num_frames = self.log_mel(samples, torch.tensor([samples.shape[1]]))
            precise = frames[0, 0].double().cpu()
            total += precise.sum(0)
            squares += precise.square().sum(0)
            count += int(num_frames)
        if count == 0:
            raise ValueError("prepare: no training utterance, so there is nothing to normalise by")
        _ = self.mean.copy_(total / count)
        variance = squares / count - (total / count).square()
        _ = self.deviation.copy_(variance.clamp(min=0).sqrt())

    def forward(
        self, waveform: Float[Tensor, "B N"], num_samples: Int[Tensor, " B"]
    ) -> tuple[Float[Tensor, "B T D"], Int[Tensor, " B"]]:
        """Frames, 0 where there are none, and how many each utterance has."""
        with torch.no_grad(), torch.autocast(waveform.device.type, enabled=False):
            augment, alpha = self.augment if self.training else "none", None
            if "vtlp" in augment:
                alpha = 0.9 + 0.2 * torch.rand(len(waveform), device=waveform.device)
            planes, num_mel_frames = self.log_mel(waveform, num_samples, alpha)
            mel = (planes[:, 0] - self.mean) / (self.deviation + 1e-6)
            mel = mel * valid(num_mel_frames, mel.shape[1]).unsqueeze(2)
            if "specaugment" in augment:
                total, num_mels = mel.shape[1:]
                mel = mel * specaugment(num_mel_frames, total, num_mels, frames=40, mels=12)[:, 0]
        num_frames = (num_mel_frames + 1) // 2
        x = self.convolution(mel.transpose(1, 2)).transpose(1, 2)
        x = nn.functional.gelu(self.norm(x))
        is_valid = valid(num_frames, x.shape[1]).unsqueeze(2)
        for block in self.blocks:
            x = block(x, is_valid)
        return self.last_norm(x) * is_valid, num_frames


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
    augment: Augment = "none",
) -> Any:
    """The encoder of a name.

    Args:
        name: ``log_mel``, or the hub id or local folder of a pre-trained speech encoder.
        architecture: Of an encoder that was saved with a system: builds it without hub or folder.
        tune: Train all but its convolutions, nothing, or a low-rank addition (pre-trained only).
        layers: The last hidden state, or a learnt mix of all (pre-trained only).
        normalise: Of the waveform; None is what suits the encoder (pre-trained only).
        checkpointing: Compute activations twice rather than keep them (pre-trained only).
        augment: Of the frames in training (``log_mel`` only).

    Raises:
        ValueError: A setting that ``log_mel`` does not have.

    Example:
        >>> build_encoder("log_mel").width
        128
    """
    if name == LOG_MEL:
        given = {"tune": tune != "full", "layers": layers != "last", "normalise": bool(normalise)}
        for setting, is_given in given.items():
            if is_given:
                raise ValueError(
                    f"{setting}: {LOG_MEL} is trained from scratch and has no such setting; leave "
                    "it, or name a pre-trained encoder"
                )
        return LogMelEncoder(augment=augment)
    if augment != "none":
        raise ValueError(
            f"augment: {augment} is for {LOG_MEL}; leave it for a pre-trained encoder, "
            "which masks its own"
        )
    from serkit.models.pretrained import PretrainedEncoder  # half a minute's import at worst

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
    share = torch.zeros(len(waveforms), len(pieces))
    share[owners, range(len(pieces))] = torch.from_numpy(lengths).float()
    share = share / share.sum(1, keepdim=True)
    return share @ torch.cat(answers)[torch.from_numpy(order).argsort()]
