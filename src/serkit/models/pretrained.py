"""Pre-trained speech encoders of the Hugging Face family, behind the signature of ``encoders``.

Four families, told apart by ``model_type`` in a checkpoint's ``config.json``: WavLM (Chen et al.,
IEEE JSTSP 16(6), 2022), wav2vec 2.0 (Baevski et al., NeurIPS 2020), HuBERT (Hsu et al., IEEE/ACM
TASLP 29, 2021) and the encoder half of Whisper (Radford et al., ICML 2023). The networks are those
of ``transformers`` (extra ``serkit[ssl]``), which is imported when an encoder is built. Weights are
read from safetensors alone, so that nothing is unpickled.
"""

import fnmatch
import hashlib
import json
import math
import re
import warnings
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrize import register_parametrization
from torch.utils.checkpoint import checkpoint

from serkit.corpus import MissingExtraError
from serkit.features.log_mel import valid
from serkit.models.encoders import LOG_MEL, Layers, Normalise, Tune, Waveform

# Shapes: B utterances, N samples, T frames, F mel bins, D width, R rank.

FAMILIES = {"wavlm": "WavLM", "wav2vec2": "Wav2Vec2", "hubert": "Hubert", "whisper": "Whisper"}
"""``model_type`` and what the classes of ``transformers`` begin with."""

SAMPLE_RATE = 16000  # Hz; of every family
N_FFT, HOP_LENGTH = 400, 160  # samples, 25 and 10 ms; of Whisper's log-mel

CONFIG, WEIGHTS, INDEX = "config.json", "model.safetensors", "model.safetensors.index.json"
PREPROCESSORS = ("preprocessor_config.json", "processor_config.json")
PICKLED = "pytorch_model*.bin"
SERKIT = "serkit"
"""Key of ``architecture`` under which stands what the network alone cannot tell."""

HUB_TIMEOUT = 10.0  # seconds until the model hub counts as out of reach


class EncoderError(ValueError):
    """A pre-trained encoder cannot be had, or is none of the kinds that can be used."""


class LowRank(nn.Module):
    r"""A weight and a learnt addition of low rank: ``W + (alpha / R) B A``.

    (Hu et al., "LoRA: low-rank adaptation of large language models", ICLR 2022, equation 3.) B
    begins at 0, so that the network begins as it was. It stands on the weight and not around the
    layer, because WavLM reads ``q_proj.weight`` and never calls ``q_proj``.

    Dropout is that of the paper's code, ``B A dropout(x)``, with one mask for all frames of a
    step: a weight sees no frames, so whole columns of A are left out and the others scaled up.

    Example:
        >>> adapted = LowRank(torch.ones(3, 4), rank=2, alpha=16.0, dropout=0.05)
        >>> [tuple(parameter.shape) for parameter in adapted.parameters()]
        [(2, 4), (3, 2)]
        >>> torch.equal(adapted(torch.ones(3, 4)), torch.ones(3, 4))
        True
    """

    def __init__(
        self, weight: Float[Tensor, "O I"], *, rank: int, alpha: float, dropout: float
    ) -> None:
        super().__init__()
        self.scale = alpha / rank
        self.dropout = dropout
        self.down = nn.Parameter(weight.new_empty(rank, weight.shape[1]))  # A
        self.up = nn.Parameter(weight.new_zeros(weight.shape[0], rank))  # B
        _ = nn.init.kaiming_uniform_(self.down, a=math.sqrt(5))

    def forward(self, weight: Float[Tensor, "O I"]) -> Float[Tensor, "O I"]:
        """The weight that is used in place of ``weight``."""
        kept = functional.dropout(self.down.new_ones(weight.shape[1]), self.dropout, self.training)
        return weight + self.scale * self.up @ (self.down * kept)


class WhisperLogMel(nn.Module):
    """Whisper's frames: ``log10`` of mel powers, the loudest 80 dB of them, near [-1, 1].

    Periodic Hann windows of 25 ms every 10 ms, centred; filters of equal area on Slaney's mel
    scale from 0 to 8000 Hz; ``(max(log10(max(m, 1e-10)), loudest - 8) + 4) / 4``, where the loudest
    is that of the utterance (Radford et al., "Robust speech recognition via large-scale weak
    supervision", ICML 2023, section 2.2, and the feature extractor of its checkpoints).

    Args:
        num_mels: F, 80 or 128.

    Example:
        >>> tuple(WhisperLogMel(80)(torch.randn(2, 16000)).shape)
        (2, 80, 100)
    """

    filters: Tensor
    window: Tensor

    def __init__(self, num_mels: int) -> None:
        super().__init__()
        from transformers.audio_utils import mel_filter_bank

        filters = mel_filter_bank(
            *(N_FFT // 2 + 1, num_mels, 0.0, SAMPLE_RATE / 2, SAMPLE_RATE),
            norm="slaney",
            mel_scale="slaney",
        )
        self.register_buffer("filters", torch.tensor(filters.T).float(), persistent=False)
        self.register_buffer("window", torch.hann_window(N_FFT), persistent=False)

    def forward(self, waveform: Float[Tensor, "B N"]) -> Float[Tensor, "B F T"]:
        """Frames of whole waveforms: T = N / 160."""
        spectrum = torch.stft(
            waveform, N_FFT, HOP_LENGTH, window=self.window, return_complex=True
        )  # its last frame is centred on the end, and left out
        power = spectrum[..., :-1].abs().square()
        mel = (self.filters @ power).clamp(min=1e-10).log10()
        return (torch.maximum(mel, mel.amax((1, 2), keepdim=True) - 8.0) + 4.0) / 4.0


class PretrainedEncoder(nn.Module):
    """A pre-trained speech encoder: waveform to frames, heard the same alone, padded or in company.

    Convolutional families (WavLM, wav2vec 2.0, HuBERT): the waveform is cut to the longest
    utterance, convolved, projected, and zeroed beyond each utterance, which the transformer is told
    to leave out. Checkpoints whose convolutions normalise over time (``feat_extract_norm`` is
    ``group``) would hear the padding; they convolve each utterance by itself. Whisper hears exactly
    30 s (as its configuration says), the rest silence: longer utterances are cut there.

    The convolutions never learn: neither does HuBERT's class have a method for that, nor is it
    needed, as the parts have the same names in all families. A convolutional adapter, which some
    wav2vec 2.0 checkpoints end with, is left out.

    Args:
        name: Hub id, such as ``microsoft/wavlm-large``, or a folder with ``config.json``,
            ``model.safetensors`` and, where ``normalise`` is ``checkpoint``,
            ``preprocessor_config.json``.
        architecture: The attribute of an encoder that was saved. Builds its network with random
            weights, for saved ones to be loaded into; ``name`` is then only remembered.
        tune: ``full`` learns all but the convolutions (of Whisper also not its table of
            positions); ``frozen`` nothing, and stays in evaluation mode; ``lora`` an addition of
            low rank to the query and value projection of each layer. See ``LowRank``.
        layers: ``last`` is the last hidden state; ``weighted`` a mean of the input of the first
            layer and the outputs of all, whose weights are a softmax that always learns (Yang et
            al., "SUPERB: speech processing universal performance benchmark", Interspeech 2021).
        normalise: Of the waveform. ``corpus``: ``(x - m) / (s + 1e-6)`` with mean m and standard
            deviation s over all samples that ``prepare`` was shown, 0 and 1 before;
            ``utterance``: ``(x - m) / sqrt(v + 1e-7)`` with mean m and variance v of each
            utterance; ``checkpoint``: the latter or nothing, as the checkpoint's feature extractor
            does. None is ``corpus`` for WavLM and ``checkpoint`` for the others.
        spec_augment: Whether stretches of frames are masked while training (Park et al.,
            Interspeech 2019), as often as the checkpoint says. None is as the checkpoint says.
        layerdrop: Probability that a layer is skipped while training. None is as the checkpoint
            says.
        checkpointing: Compute the activations of each layer twice rather than keep them: the same
            gradients with less memory.
        lora_rank: R of the addition.
        lora_alpha: Its scale, times R.
        lora_dropout: Probability that a column of A is left out.

    Attributes:
        architecture: JSON text of the network's configuration, and of what must be remembered
            beside it: with it the encoder can be built again without hub or folder.
        revision: Commit of the hub's repository; "" for a folder.
        weights_hash: SHA-256 (16 hexadecimal digits) over the pre-trained weights, in the order
            of their names; "" where no checkpoint was ever loaded.

    Raises:
        MissingExtraError: ``transformers`` is not installed.
        EncoderError: The checkpoint cannot be had, cannot be read, or is of another kind.
        ValueError: A setting is out of its range.

    Example:
        >>> architecture = '''{"model_type": "hubert", "hidden_size": 16, "num_hidden_layers": 1,
        ...     "num_attention_heads": 2, "intermediate_size": 16, "num_feat_extract_layers": 2,
        ...     "conv_dim": [8, 8], "conv_kernel": [400, 1], "conv_stride": [320, 1],
        ...     "num_conv_pos_embeddings": 4, "num_conv_pos_embedding_groups": 2}'''
        >>> encoder = PretrainedEncoder("tiny", architecture=architecture).eval()
        >>> frames, num_frames = encoder(torch.randn(2, 16000), torch.tensor([16000, 8000]))
        >>> tuple(frames.shape), num_frames.tolist()
        ((2, 49, 16), [49, 24])
    """

    mean: Tensor
    deviation: Tensor

    def __init__(
        self,
        name: str,
        *,
        architecture: str = "",
        tune: Tune = "full",
        layers: Layers = "last",
        normalise: Normalise | None = None,
        spec_augment: bool | None = None,
        layerdrop: float | None = None,
        checkpointing: bool = False,
        lora_rank: int = 8,
        lora_alpha: float = 16.0,
        lora_dropout: float = 0.05,
    ) -> None:
        super().__init__()
        if lora_rank < 1 or not 0 <= lora_dropout < 1:
            raise ValueError(
                f"lora_rank: {lora_rank} must be at least 1, and lora_dropout: {lora_dropout} at "
                "least 0 and below 1"
            )
        transformers = _transformers(name)
        folder = None if architecture else _folder(name)
        stated = json.loads(architecture) if folder is None else _stated(folder)
        remembered: dict[str, Any] = stated.pop(SERKIT, {})
        self.model_type = _family(stated, folder or "architecture")
        self.is_whisper = self.model_type == "whisper"
        config = getattr(transformers, f"{FAMILIES[self.model_type]}Config").from_dict(stated)
        _override(config, spec_augment, layerdrop)
        self.network: Any = _network(config)
        if folder is not None:
            remembered = {
                "revision": folder.name if folder.parent.name == "snapshots" else "",
                "weights_hash": _load(self.network, folder, self.model_type),
                "do_normalize": not self.is_whisper and _normalises(folder),
            }
        self.name = name
        self.revision: str = remembered.get("revision", "")
        self.weights_hash: str = remembered.get("weights_hash", "")
        self.do_normalize: bool = remembered.get("do_normalize", not self.is_whisper)
        is_as_given = architecture and spec_augment is None and layerdrop is None
        self.architecture = architecture if is_as_given else _described(config, remembered)
        self.tune, self.layers = tune, layers
        self.normalise = normalise or ("corpus" if self.model_type == "wavlm" else "checkpoint")
        self.width: int = config.d_model if self.is_whisper else config.hidden_size
        self.stride = 2 * HOP_LENGTH if self.is_whisper else math.prod(config.conv_stride)
        self.frame_rate = SAMPLE_RATE / self.stride
        if self.is_whisper:
            self.log_mel = WhisperLogMel(config.num_mel_bins)
        if self.normalise == "corpus":
            self.register_buffer("mean", torch.zeros(()))
            self.register_buffer("deviation", torch.ones(()))
        if layers == "weighted":
            self.layer_weights = nn.Parameter(torch.zeros(len(self._blocks) + 1))
        self._choose_what_learns(lora_rank, lora_alpha, lora_dropout)
        if checkpointing:
            for block in self._blocks:
                block.gradient_checkpointing = True
                block._gradient_checkpointing_func = partial(  # of transformers' own layers
                    checkpoint, use_reentrant=False, context_fn=_recomputed
                )

    @property
    def _blocks(self) -> list[Any]:
        """The layers of the transformer."""
        return list(self.network.layers if self.is_whisper else self.network.encoder.layers)

    @property
    def _augments(self) -> bool:
        config = self.network.config
        masks = config.mask_time_prob > 0 or config.mask_feature_prob > 0
        return bool(config.apply_spec_augment and masks)

    def _choose_what_learns(self, rank: int, alpha: float, dropout: float) -> None:
        network = self.network.requires_grad_(self.tune == "full")
        if self.is_whisper:
            fixed = [network.conv1, network.conv2, network.embed_positions]
        else:
            fixed = [network.feature_extractor]
        for part in fixed:
            part.requires_grad_(False)
        if not self._augments and hasattr(network, "masked_spec_embed"):
            network.masked_spec_embed.requires_grad_(False)
        if self.tune == "lora":
            projections = [
                module
                for place, module in network.named_modules()
                if place.endswith(("q_proj", "v_proj"))
            ]
            for module in projections:
                addition = LowRank(module.weight, rank=rank, alpha=alpha, dropout=dropout)
                _ = register_parametrization(module, "weight", addition)

    def train(self, mode: bool = True) -> "PretrainedEncoder":
        """Training mode, which a frozen network stays out of."""
        _ = super().train(mode)
        if self.tune == "frozen":
            self.network.eval()
        return self

    def definition(self) -> dict[str, Any]:
        """Which encoder, with which weights, and how it hears; stored with the weights."""
        return {
            "kind": "pretrained",
            "model_type": self.model_type,
            "name": self.name,
            "revision": self.revision,
            "weights_hash": self.weights_hash,
            "normalise": self.normalise,
            "do_normalize": self.do_normalize,
            "layers": self.layers,
            "sample_rate": SAMPLE_RATE,
            "frame_rate": self.frame_rate,
        }

    def num_frames(self, num_samples: Int[Tensor, " B"]) -> Int[Tensor, " B"]:
        """Frames of utterances of so many samples.

        One for each window that fits: ``floor((n - kernel) / stride) + 1`` after each convolution,
        which is ``floor((N - 400) / 320) + 1`` for all known checkpoints; what is shorter than one
        window is lengthened to it. Of Whisper ``ceil(N / 320)``, as many as it has positions at
        most.
        """
        config = self.network.config
        if self.is_whisper:
            whole = -(-num_samples // self.stride)
            return whole.clamp(min=1, max=config.max_source_positions)
        length = num_samples.clamp(min=self._shortest)
        for kernel, stride in zip(config.conv_kernel, config.conv_stride, strict=True):
            length = (length - kernel) // stride + 1
        return length

    @property
    def _shortest(self) -> int:
        """Samples of one frame; 400 for all known checkpoints."""
        config, samples = self.network.config, 1
        for kernel, stride in zip(config.conv_kernel[::-1], config.conv_stride[::-1], strict=True):
            samples = (samples - 1) * stride + kernel
        return samples

    @torch.no_grad()
    def prepare(self, waveforms: Iterable[Waveform]) -> None:
        """Mean and standard deviation over all samples, where ``normalise`` is ``corpus``.

        Raises:
            ValueError: no sample.
        """
        if self.normalise != "corpus":
            return
        total, squares, count = 0.0, 0.0, 0
        for waveform in waveforms:
            precise = torch.from_numpy(waveform).double()
            total += precise.sum().item()
            squares += precise.square().sum().item()
            count += len(precise)
        if count == 0:
            raise ValueError("prepare: no training utterance, so there is nothing to normalise by")
        mean = total / count
        _ = self.mean.fill_(mean)
        _ = self.deviation.fill_(math.sqrt(max(squares / count - mean**2, 0.0)))

    def forward(
        self, waveform: Float[Tensor, "B N"], num_samples: Int[Tensor, " B"]
    ) -> tuple[Float[Tensor, "B T D"], Int[Tensor, " B"]]:
        """Frames, 0 where there are none, and how many each utterance has.

        Args:
            waveform: samples at 16 kHz, padded on the right with anything.
            num_samples: valid samples per utterance.
        """
        num_frames = self.num_frames(num_samples)
        if len(waveform) == 0:
            return waveform.new_zeros(0, 1, self.width), num_frames
        with torch.no_grad(), torch.autocast(waveform.device.type, enabled=False):
            heard = self._normalised(waveform, num_samples)
        learns = torch.is_grad_enabled() and self.tune != "frozen"
        with torch.set_grad_enabled(learns), _without_mask_warning():
            if self.is_whisper:
                states = self._whisper(heard, num_frames)
            else:
                states = self._convolutional(heard, num_samples, num_frames)
        if self.layers == "weighted":
            weights = self.layer_weights.softmax(0)
            frames = sum(
                (weight * state for weight, state in zip(weights, states, strict=True)),
                start=torch.zeros_like(states[0]),
            )
        else:
            frames = states[-1]
        frames = frames[:, : int(num_frames.max())]
        return frames.masked_fill(~valid(num_frames, frames.shape[1]).unsqueeze(2), 0), num_frames

    def _normalised(
        self, waveform: Float[Tensor, "B N"], num_samples: Int[Tensor, " B"]
    ) -> Float[Tensor, "B M"]:
        """The samples that the network hears, 0 where there are none."""
        if self.is_whisper:
            length = self.network.config.max_source_positions * self.stride
        else:
            length = max(int(num_samples.max()), self._shortest)
        waveform = functional.pad(waveform, (0, length - waveform.shape[1]))  # also cuts
        is_sample = valid(num_samples, length)
        if self.normalise == "corpus":
            waveform = (waveform - self.mean) / (self.deviation + 1e-6)
        elif self.normalise == "utterance" or self.do_normalize:
            count = num_samples.clamp(min=1, max=length).unsqueeze(1)
            centred = waveform - waveform.masked_fill(~is_sample, 0).sum(1, keepdim=True) / count
            squares = centred.square().masked_fill(~is_sample, 0)
            waveform = centred / (squares.sum(1, keepdim=True) / count + 1e-7).sqrt()
        return waveform.masked_fill(~is_sample, 0)

    def _convolutional(
        self,
        waveform: Float[Tensor, "B N"],
        num_samples: Int[Tensor, " B"],
        num_frames: Int[Tensor, " B"],
    ) -> list[Tensor]:
        """Hidden states of WavLM, wav2vec 2.0 and HuBERT."""
        network, config = self.network, self.network.config
        with torch.no_grad():
            total = int(num_frames.max())
            features = waveform.new_zeros(len(waveform), total, config.conv_dim[-1])
            lengths = torch.full_like(num_samples, waveform.shape[1])
            if config.feat_extract_norm == "group":  # normalises over time: none may be padded
                lengths = num_samples.clamp(min=self._shortest)
            for length in lengths.unique().tolist():
                alike = lengths == length
                convolved = network.feature_extractor(waveform[alike, :length]).transpose(1, 2)
                features[alike, : convolved.shape[1]] = convolved.to(features.dtype)
        hidden = network.feature_projection(features)
        hidden = hidden[0] if isinstance(hidden, tuple) else hidden
        if network.training and self._augments:
            hidden = self._masked(hidden, num_frames, network.masked_spec_embed)
        with self._recorded() as heard:
            # The encoder sets frames that are not valid to 0 before its convolution over positions.
            last = network.encoder(hidden, attention_mask=valid(num_frames, total))[0]
        return _hidden_states(heard, last, len(self._blocks))

    def _whisper(
        self, waveform: Float[Tensor, "B N"], num_frames: Int[Tensor, " B"]
    ) -> list[Tensor]:
        """Hidden states of Whisper's encoder."""
        with torch.no_grad(), torch.autocast(waveform.device.type, enabled=False):
            mel = self.log_mel(waveform)
            if self.network.training and self._augments:
                silence = mel.new_zeros(mel.shape[1])
                mel = self._masked(mel.transpose(1, 2), 2 * num_frames, silence).transpose(1, 2)
        with self._recorded() as heard:
            last = self.network(mel)[0]
        return _hidden_states(heard, last, len(self._blocks))

    def _masked(
        self,
        frames: Float[Tensor, "B T F"],
        num_frames: Int[Tensor, " B"],
        filling: Float[Tensor, " F"],
    ) -> Float[Tensor, "B T F"]:
        """``filling`` in some stretches of frames, 0 in some stretches of their values.

        The network's own method draws from another generator than the one that is seeded, stops at
        utterances shorter than a stretch, and in HuBERT masks padding.
        """
        config = self.network.config
        over_time = stretches(
            num_frames.tolist(),
            frames.shape[1],
            probability=config.mask_time_prob,
            length=config.mask_time_length,
            at_least=config.mask_time_min_masks,
        )
        values = frames.shape[2]
        over_values = stretches(
            [values] * len(frames),
            values,
            probability=config.mask_feature_prob,
            length=config.mask_feature_length,
            at_least=getattr(config, "mask_feature_min_masks", 0),  # WavLM has none
        )
        is_masked = over_time.to(frames.device).unsqueeze(2)
        frames = torch.where(is_masked, filling.to(frames.dtype), frames)
        return frames.masked_fill(over_values.to(frames.device).unsqueeze(1), 0)

    @contextmanager
    def _recorded(self) -> Generator[dict[int, tuple[Tensor, Tensor]]]:
        """What each layer hears and says in between, where it is asked for."""
        heard: dict[int, tuple[Tensor, Tensor]] = {}

        def record(place: int, _layer: nn.Module, given: tuple[Any, ...], said: Any) -> None:
            heard[place] = given[0], said[0] if isinstance(said, tuple) else said

        blocks = self._blocks if self.layers == "weighted" else ()
        hooks = [
            block.register_forward_hook(partial(record, place))
            for place, block in enumerate(blocks)
        ]
        try:
            yield heard
        finally:
            for hook in hooks:
                hook.remove()


def _hidden_states(
    heard: Mapping[int, tuple[Tensor, Tensor]], last: Tensor, num_layers: int
) -> list[Tensor]:
    """Input of the first layer and what each says; of one that was skipped, what it would hear."""
    if not heard:
        return [last] * (num_layers + 1)
    states = [next(iter(heard.values()))[0]]
    for place in range(num_layers - 1):
        states.append(heard[place][1] if place in heard else states[-1])
    return [*states, last]  # with the norm that follows the last layer in some checkpoints


def stretches(
    sizes: Sequence[int], total: int, *, probability: float, length: int, at_least: int
) -> Bool[Tensor, "B T"]:
    """True in random stretches of each row, which may overlap.

    A row of ``size`` places has ``int(probability * size / length + u)`` stretches, u uniform in
    [0, 1), at least ``at_least``, and at most as many as fit side by side; no two begin at one
    place. That is the masking of the checkpoints' own training (Baevski et al., NeurIPS 2020,
    section 3.1), drawn from torch's generator.

    Args:
        sizes: places per row that may be masked.
        total: T, places per row.
        probability: share of the places that would be masked, did no stretches overlap; 0 is none.
        length: places of a stretch.
        at_least: stretches of a row.

    Example:
        >>> masked = stretches([100, 4], 100, probability=0.5, length=5, at_least=2)
        >>> 5 <= masked[0].sum().item() <= 55, masked[1].sum().item()
        (True, 0)
    """
    masked = torch.zeros(len(sizes), total, dtype=torch.bool)
    if probability == 0:
        return masked
    chance = torch.rand(()).item()
    for row, size in zip(masked, sizes, strict=True):
        number = max(int(probability * size / length + chance), at_least)
        begins = torch.randperm(max(size - length + 1, 0))[: min(number, size // length)]
        for begin in begins.tolist():
            row[begin : begin + length] = True
    return masked


# -- warnings of torch --------------------------------------------------------------------------


@contextmanager
def _without_mask_warning() -> Generator[None]:
    """WavLM hands torch a mask of truth values beside one of numbers, which is as meant."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Support for mismatched key_padding_mask")
        yield


def _recomputed() -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
    """Around a layer's first and second computation."""
    return nullcontext(), _without_mask_warning()


# -- from hub or folder to a network ------------------------------------------------------------


def _transformers(name: str) -> Any:
    try:
        import transformers
    except ImportError as error:
        raise MissingExtraError(
            f"encoder: {name!r} needs transformers, which is not installed: "
            f"pip install 'serkit[ssl]', or use encoder={LOG_MEL}, which needs no extra"
        ) from error
    return transformers


def _folder(name: str) -> Path:
    """The folder of a checkpoint; one in the hub's cache, filled if need be, for a hub id."""
    if Path(name).is_dir():
        folder = Path(name)
    else:
        folder = _cached(name, local_files_only=True) or _fetched(name)
    if not (folder / CONFIG).is_file():
        raise EncoderError(
            f"encoder: {folder} holds no pre-trained encoder: {CONFIG} is missing; give the folder "
            f"of a checkpoint ({CONFIG}, {WEIGHTS}, {PREPROCESSORS[0]}), or use encoder={LOG_MEL}"
        )
    return folder


def _cached(name: str, *, local_files_only: bool) -> Path | None:
    """The hub's cache of a checkpoint; None where it is not there or lacks the weights."""
    from huggingface_hub import snapshot_download

    # A repository may hold the same weights in several formats and precisions; only these are used.
    files = [CONFIG, *PREPROCESSORS, WEIGHTS, INDEX, "model-*-of-*.safetensors"]
    try:
        folder = Path(
            snapshot_download(name, allow_patterns=files, local_files_only=local_files_only)
        )
    except Exception:  # not a hub id, not cached, in part only
        if local_files_only:
            return None
        raise
    return folder if any((folder / file).is_file() for file in (WEIGHTS, INDEX)) else None


def _fetched(name: str) -> Path:
    """Fetch a checkpoint from the hub.

    Raises:
        EncoderError: There is no hub, no such checkpoint there, or none in safetensors.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import (
        GatedRepoError,
        HFValidationError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
    )

    try:
        # Asked first, and once: what comes after it would try again for a minute.
        siblings = HfApi().model_info(name, timeout=HUB_TIMEOUT).siblings or []
        folder = _cached(name, local_files_only=False)
    except Exception as error:
        if isinstance(error, HFValidationError):
            reason = "is no hub id either (OWNER/NAME)"
        elif isinstance(error, OfflineModeIsEnabled):
            reason = "is not in the hub's cache as safetensors, and HF_HUB_OFFLINE forbids to ask"
        elif isinstance(error, GatedRepoError):
            reason = f"is given out by the hub only to who agreed to its terms there ({error})"
        elif isinstance(error, RepositoryNotFoundError):
            reason = "is not on the hub, or is private there"
        else:
            reason = (
                "is not in the hub's cache as safetensors, and the hub cannot be reached "
                f"({type(error).__name__}: {error})"
            )
        raise EncoderError(
            f"encoder: {name!r} is no folder, and {' '.join(reason.split())}; give the folder of a "
            f"checkpoint that was downloaded before ({CONFIG}, {WEIGHTS}, {PREPROCESSORS[0]}), or "
            f"use encoder={LOG_MEL}, which needs none"
        ) from error
    if folder is None:
        names = sorted(file.rfilename for file in siblings)
        raise EncoderError(_only_pickled(name, fnmatch.filter(names, PICKLED)))
    return folder


def _only_pickled(name: str | Path, pickled: Sequence[str]) -> str:
    if not pickled:
        return f"encoder: {name} holds a {CONFIG} but no weights: {WEIGHTS} is missing"
    return (
        f"encoder: {name} has no {WEIGHTS}, only {', '.join(pickled)}, and pickled weights are not "
        "read, as they may run code; convert a checkpoint you trust once, with transformers: "
        f"AutoModel.from_pretrained({str(name)!r}).save_pretrained('FOLDER') and the same with "
        "AutoFeatureExtractor, then give encoder=FOLDER"
    )


def _stated(folder: Path) -> dict[str, Any]:
    """``config.json`` of a checkpoint."""
    try:
        stated = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except ValueError as error:
        raise EncoderError(f"encoder: {folder / CONFIG} is not valid JSON: {error}") from error
    return stated if isinstance(stated, dict) else {}


def _family(stated: Mapping[str, Any], source: Path | str) -> str:
    """``model_type``, one of ``FAMILIES``."""
    model_type = stated.get("model_type")
    if model_type not in FAMILIES:
        place = source / CONFIG if isinstance(source, Path) else source
        raise EncoderError(
            f"encoder: {place} describes no speech encoder that can be used: its model_type is "
            f"{model_type!r}, not one of {', '.join(FAMILIES)}"
        )
    return model_type


def _override(config: Any, spec_augment: bool | None, layerdrop: float | None) -> None:
    """Settings of the configuration that may be chosen, and those that must be."""
    if getattr(config, "add_adapter", False):
        config.add_adapter = False
    if spec_augment is not None:
        config.apply_spec_augment = spec_augment
        if spec_augment and not (config.mask_time_prob or config.mask_feature_prob):
            config.mask_time_prob = 0.05  # transformers' own default
    if layerdrop is not None:
        if not 0 <= layerdrop < 1:
            raise ValueError(f"layerdrop: {layerdrop} must be at least 0 and below 1")
        is_whisper = config.model_type == "whisper"
        setattr(config, "encoder_layerdrop" if is_whisper else "layerdrop", layerdrop)


def _network(config: Any) -> nn.Module:
    """The network of a configuration, with random weights."""
    if config.model_type == "whisper":
        from transformers.models.whisper.modeling_whisper import WhisperEncoder

        return WhisperEncoder(config)
    import transformers

    return getattr(transformers, f"{FAMILIES[config.model_type]}Model")(config)


def _load(network: nn.Module, folder: Path, model_type: str) -> str:
    """Fill a network from the safetensors of a folder; the hash of what was read.

    Raises:
        EncoderError: There are none, they cannot be read, or they are of another network.
    """
    expected: dict[str, Tensor] = network.state_dict()  # its tensors are those of the network
    found: set[str] = set()
    other: list[str] = []
    for path in _weight_files(folder):
        try:
            with safe_open(path, framework="pt") as file:
                for key in file.keys():  # noqa: SIM118 (not a mapping)
                    name = _renamed(key, model_type)
                    if name not in expected:
                        continue
                    tensor = file.get_tensor(key)
                    if tensor.shape == expected[name].shape:
                        _ = expected[name].copy_(tensor)
                        found.add(name)
                    else:
                        other.append(name)
        except (OSError, SafetensorError) as error:
            raise EncoderError(
                f"encoder: {path} cannot be read as safetensors: {error}; take another copy"
            ) from error
    # Checkpoints that were published without training may lack it; it is drawn anew.
    missing = sorted(expected.keys() - found - {*other, "masked_spec_embed"})
    if missing or other:
        raise EncoderError(
            f"encoder: the weights in {folder} are not those of its {CONFIG}: "
            f"{len(missing)} are missing ({', '.join(missing[:3]) or 'none'}) and {len(other)} "
            f"have another size ({', '.join(other[:3]) or 'none'}); take another copy of both files"
        )
    digest = hashlib.sha256()
    for name in sorted(found):
        digest.update(name.encode("utf-8"))
        digest.update(expected[name].contiguous().flatten().numpy().data)
    return digest.hexdigest()[:16]


def _weight_files(folder: Path) -> list[Path]:
    if (folder / WEIGHTS).is_file():
        return [folder / WEIGHTS]
    if (folder / INDEX).is_file():
        index = json.loads((folder / INDEX).read_text(encoding="utf-8"))
        return [folder / name for name in sorted(set(index["weight_map"].values()))]
    raise EncoderError(_only_pickled(folder, sorted(path.name for path in folder.glob(PICKLED))))


def _renamed(key: str, model_type: str) -> str:
    """A checkpoint's name of a weight, as the bare encoder has it.

    Example:
        >>> _renamed("wavlm.encoder.pos_conv_embed.conv.weight_g", "wavlm")
        'encoder.pos_conv_embed.conv.parametrizations.weight.original0'
        >>> _renamed("model.encoder.conv1.weight", "whisper")
        'conv1.weight'
    """
    prefix = r"(model\.)?encoder" if model_type == "whisper" else model_type
    key = re.sub(rf"^{prefix}\.", "", key)
    # The norm of the weight and its direction, as torch called them before it had parametrisations.
    key = re.sub(r"\.weight_g$", ".parametrizations.weight.original0", key)
    return re.sub(r"\.weight_v$", ".parametrizations.weight.original1", key)


def _normalises(folder: Path) -> bool:
    """Whether the checkpoint's feature extractor brings each utterance to mean 0, deviation 1.

    Raises:
        EncoderError: It expects another sample rate.
    """
    for name in PREPROCESSORS:
        if not (folder / name).is_file():
            continue
        stated = json.loads((folder / name).read_text(encoding="utf-8"))
        stated = stated.get("feature_extractor", stated)
        rate = stated.get("sampling_rate", SAMPLE_RATE)  # codespell:ignore sampling_rate
        if rate != SAMPLE_RATE:
            raise EncoderError(
                f"encoder: {folder / name} expects {rate} Hz, but every waveform here has "
                f"{SAMPLE_RATE} Hz; take a checkpoint for {SAMPLE_RATE} Hz"
            )
        return bool(stated.get("do_normalize", True))
    return True  # the default of transformers


def _described(config: Any, remembered: Mapping[str, Any]) -> str:
    """The ``architecture`` of a configuration."""
    stated = config.to_dict()
    # Where it was and what wrote it do not decide what it is.
    for name in ("_name_or_path", "transformers_version"):
        _ = stated.pop(name, None)
    return json.dumps({**stated, SERKIT: dict(remembered)}, sort_keys=True)
