"""Functionals: statistics of an utterance's acoustic contours, computed by openSMILE.

openSMILE is an extra (``pip install 'serkit[opensmile]'``) and is licensed by audEERING for
non-commercial use only; serkit itself runs without it. Everything here is for baselines.
"""

import hashlib
import math
from collections import OrderedDict
from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32
from torch import Tensor

from serkit.corpus import MissingExtraError

if TYPE_CHECKING:
    from opensmile import Smile

# Shapes: B utterances, N samples, D functionals.

Waveform = Float[np.ndarray, " _"]  # not N: the waveforms of several utterances differ in length

FeatureSet = Literal["eGeMAPSv02", "ComParE_2016"]

NUM_FUNCTIONALS: dict[FeatureSet, int] = {"eGeMAPSv02": 88, "ComParE_2016": 6373}
"""Functionals per utterance of every feature set that is offered."""

SHORTEST = 0.06
"""Seconds; one frame of openSMILE's pitch tracker. Anything shorter gets silence up to here."""

MEMORY = 128 * 2**20
"""Bytes of functionals remembered in this process: about 5000 utterances of ``ComParE_2016``."""


class Memory:
    """The latest results, by a hash of everything they depend on; the least used go first.

    The folds of a protocol share utterances, which would be extracted anew for each of them.
    Nothing is written to disk.

    Example:
        >>> memory = Memory(num_bytes=16)
        >>> for name in ("a", "b", "c"):
        ...     memory.keep(name, np.zeros(2, np.float32))
        >>> memory.recall("a") is None, memory.recall("c")
        (True, array([0., 0.], dtype=float32))
    """

    def __init__(self, *, num_bytes: int) -> None:
        self.num_bytes = num_bytes
        self._values: OrderedDict[str, Float32[np.ndarray, " D"]] = OrderedDict()
        self._held = 0

    def __len__(self) -> int:
        return len(self._values)

    def recall(self, key: str) -> Float32[np.ndarray, " D"] | None:
        """The value kept under ``key``, or None."""
        value = self._values.get(key)
        if value is not None:
            self._values.move_to_end(key)
        return value

    def keep(self, key: str, value: Float32[np.ndarray, " D"]) -> None:
        """Keep ``value`` (from now on read-only) and let go of the least used beyond the limit."""
        value.flags.writeable = False
        former = self._values.pop(key, None)
        self._held += value.nbytes - (0 if former is None else former.nbytes)
        self._values[key] = value
        while self._held > self.num_bytes:
            _, least_used = self._values.popitem(last=False)
            self._held -= least_used.nbytes

    def forget(self) -> None:
        """Let go of everything."""
        self._values.clear()
        self._held = 0


MEMORY_OF_FUNCTIONALS = Memory(num_bytes=MEMORY)


def functionals(
    waveform: Float[np.ndarray, " N"], sample_rate: int, feature_set: FeatureSet
) -> Float32[np.ndarray, " D"]:
    """Functionals of one utterance, in openSMILE's order of names.

    ``eGeMAPSv02`` is the extended Geneva minimalistic set (Eyben et al., "The Geneva minimalistic
    acoustic parameter set (GeMAPS) for voice research and affective computing", IEEE Transactions
    on Affective Computing 7(2), 2016, https://doi.org/10.1109/TAFFC.2015.2457417): 88 values.
    ``ComParE_2016`` is the brute-force set of the paralinguistic challenges (Schuller et al.,
    "The INTERSPEECH 2016 computational paralinguistics challenge", Interspeech, 2016,
    https://doi.org/10.21437/Interspeech.2016-129): 6373 values. openSMILE may be used for
    non-commercial purposes only.

    Results are remembered within the process (see ``Memory``) and are read-only: copy before
    writing.

    Args:
        waveform: mono, in [-1, 1]. Samples outside are limited, because openSMILE's 16-bit
            conversion would turn them around. Less than 0.06 s is lengthened with silence.
        sample_rate: Hz.
        feature_set: which functionals.

    Returns:
        One value per functional, as openSMILE gives it: not normalised, of very unequal size.

    Raises:
        MissingExtraError: openSMILE is not installed.
        ValueError: the feature set is unknown, or a sample is not finite.

    Example:
        >>> seconds = np.arange(8000, dtype=np.float32) / 16000
        >>> tone = 0.1 * np.sin(2 * np.pi * 220 * seconds)
        >>> functionals(tone, 16000, "eGeMAPSv02").shape
        (88,)
    """
    if feature_set not in NUM_FUNCTIONALS:
        raise ValueError(f"unknown feature set {feature_set!r}; there are {list(NUM_FUNCTIONALS)}")
    if not np.isfinite(waveform).all():
        raise ValueError("functionals need finite samples, and this waveform has others")
    heard = np.ascontiguousarray(waveform, dtype=np.float32)
    digest = hashlib.blake2b(heard.tobytes(), digest_size=16).hexdigest()
    key = f"{feature_set} {sample_rate} {digest}"
    value = MEMORY_OF_FUNCTIONALS.recall(key)
    if value is None:
        value = _extract(heard, sample_rate, feature_set)
        MEMORY_OF_FUNCTIONALS.keep(key, value)
    return value


def functionals_of(
    waveforms: Iterable[Waveform], sample_rate: int, feature_set: FeatureSet
) -> Float[Tensor, "B D"]:
    """Functionals of several utterances; see ``functionals``.

    Example:
        >>> functionals_of([], 16000, "eGeMAPSv02").shape
        torch.Size([0, 88])
    """
    rows = [functionals(waveform, sample_rate, feature_set) for waveform in waveforms]
    if not rows:
        return torch.zeros(0, NUM_FUNCTIONALS[feature_set])
    return torch.from_numpy(np.stack(rows))


def definition(sample_rate: int, feature_set: FeatureSet) -> dict[str, Any]:
    """What a reader needs to compute the same functionals elsewhere; stored with the weights.

    Example:
        >>> definition(16000, "eGeMAPSv02")["feature_level"]
        'functionals'
    """
    return {
        "kind": "opensmile",
        "feature_set": feature_set,
        "feature_level": "functionals",
        "sample_rate": sample_rate,
    }


def _extract(
    waveform: Float32[np.ndarray, " N"], sample_rate: int, feature_set: FeatureSet
) -> Float32[np.ndarray, " D"]:
    """One run of openSMILE."""
    largest = np.float32(32767 / 32768)  # a sample of 1.0 would become -32768 in 16 bits
    missing = max(0, math.ceil(SHORTEST * sample_rate) - len(waveform))
    heard = np.pad(np.clip(waveform, -1.0, largest), (0, missing))
    return np.asarray(_smile(feature_set)(heard, sample_rate), dtype=np.float32).reshape(-1)


@cache
def _smile(feature_set: FeatureSet) -> "Smile":
    """The extractor; made once per process."""
    try:
        import opensmile
    except ImportError as error:
        raise MissingExtraError(
            f"{feature_set} functionals need openSMILE, which is not installed: "
            "pip install 'serkit[opensmile]' "
            "(its licence, by audEERING, allows non-commercial use only)"
        ) from error
    return opensmile.Smile(
        feature_set=opensmile.FeatureSet[feature_set],
        feature_level=opensmile.FeatureLevel.Functionals,
    )


CONSTANT = 1e-6
"""A functional that spreads less than this share of its mean is constant to float32."""


def spread(
    heard: Float[Tensor, "B D"],
) -> tuple[Float[Tensor, " D"], Float[Tensor, " D"], Bool[Tensor, " D"]]:
    """Mean and standard deviation of each functional over utterances, and which are constant.

    Values that are not finite are passed over. The scale of a constant functional is 1.

    Example:
        >>> import torch
        >>> mean, scale, is_constant = spread(torch.tensor([[1.0, 5.0], [3.0, 5.0]]))
        >>> mean.tolist(), scale.tolist(), is_constant.tolist()
        ([2.0, 5.0], [1.0, 1.0], [False, True])
    """
    values = heard.double()
    finite = values.isfinite()
    count = finite.sum(0).clamp(min=1)
    mean = values.masked_fill(~finite, 0.0).sum(0) / count
    centred = (values - mean).masked_fill(~finite, 0.0)
    scale = (centred.square().sum(0) / count).sqrt()
    is_constant = scale <= CONSTANT * mean.abs()
    return mean, scale.masked_fill(is_constant, 1.0), is_constant


def standardised(
    heard: Float[Tensor, "B D"], mean: Float[Tensor, " D"], scale: Float[Tensor, " D"]
) -> Float[Tensor, "B D"]:
    """In units of the training side's spread; a value that is not finite counts as average.

    Example:
        >>> import torch
        >>> standardised(torch.tensor([[4.0, torch.nan]]), torch.ones(2), torch.tensor([3.0, 1.0]))
        tensor([[1., 0.]])
    """
    return ((heard - mean) / scale).nan_to_num(nan=0.0, posinf=0.0, neginf=0.0)
