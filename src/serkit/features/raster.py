"""Pictures of sound: the waveform diagram and the spectrogram, drawn by tensors alone.

No plotting library: axes, margins, colours and smoothing differ between their versions, and they
rescale every picture, so that loudness is lost. Row 0 is the top row of a picture, and the last row
of a spectrogram is 0 Hz.
"""

import math
from typing import Any, Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional

from serkit.features.log_mel import LogMel, valid

# Shapes: B utterances, N or M samples, W windows, S samples of a window, T
# frames, F bins, R rows and columns of a picture.

Picture = Literal["waveform", "spectrogram"]
Style = Literal["envelope", "points"]
Amplitude = Literal["utterance", "segment", "fixed"]
Standardise = Literal["fixed", "image"]

QUIETEST = 1e-4  # amplitude that a picture of an even quieter utterance is scaled to
QUIETEST_POWER = 1e-2  # the same of a spectrum, -20 dB, so that silence stays black
RANGE = 80.0  # dB from black to white
NUM_MELS = 128
FRAMES_AT_ONCE = 6000  # a minute, so that a long recording does not fill the memory
ROWS_AT_ONCE = 8  # utterances or windows whose spectra stay in the processor's cache


def num_windows(num_samples: int, *, window: int, hop: int) -> int:
    """How many windows cover an utterance: 1, or ``1 + ceil((N - S) / hop)`` where N is above S.

    Args:
        num_samples: N.
        window: S, in samples.
        hop: From one to the next, in samples.

    Example:
        >>> [num_windows(n, window=16000, hop=8000) for n in (1, 16000, 16001, 24000, 24001)]
        [1, 1, 2, 2, 3]
    """
    return 1 + -(-max(0, num_samples - window) // hop)


def cut(
    waveform: Float[Tensor, "B N"],
    num_samples: Int[Tensor, " B"],
    *,
    owner: Int[Tensor, " W"],
    start: Int[Tensor, " W"],
    window: int,
) -> Float[Tensor, "W S"]:
    """Windows of utterances, with zeros where the utterance has ended.

    Args:
        waveform: Padded with anything.
        num_samples: Valid samples of each utterance.
        owner: Utterance that each window is cut from.
        start: First sample of each window.
        window: S.

    Example:
        >>> waveform, length = torch.tensor([[1.0, 2.0, 3.0, 9.0]]), torch.tensor([3])
        >>> of, start = torch.tensor([0, 0]), torch.tensor([0, 2])
        >>> cut(waveform, length, owner=of, start=start, window=2).tolist()
        [[1.0, 2.0], [3.0, 0.0]]
    """
    place = start.unsqueeze(1) + torch.arange(window, device=start.device)
    samples = waveform[owner.unsqueeze(1), place.clamp(max=waveform.shape[1] - 1)]
    return samples.masked_fill(place >= num_samples[owner].unsqueeze(1), 0.0)


def standardise(picture: Float[Tensor, "W P R R"], kind: Standardise) -> Float[Tensor, "W P R R"]:
    """As a network wants it: ``2 v - 1``, or each picture with mean 0 and deviation 1.

    The deviation of n pixels counts for no less than ``1 / sqrt(n)``, as in the open implementation
    of FaceNet.

    Example:
        >>> standardise(torch.tensor([[[[0.0, 1.0], [0.5, 0.5]]]]), "fixed").flatten().tolist()
        [-1.0, 1.0, 0.0, 0.0]
    """
    if kind == "fixed":
        return 2 * picture - 1
    mean = picture.mean((1, 2, 3), keepdim=True)
    deviation = (picture - mean).square().mean((1, 2, 3), keepdim=True).sqrt()
    return (picture - mean) / deviation.clamp(min=picture[0].numel() ** -0.5)


def stretched(
    picture: Float[Tensor, "W 1 R R"], alpha: Float[Tensor, " W"]
) -> Float[Tensor, "W 1 R R"]:
    """Spectrograms with frequency f where alpha f was: a vocal tract that is longer or shorter.

    Linear between rows; beyond half the sample rate the top row goes on (Jaitly & Hinton, "Vocal
    tract length perturbation (VTLP) improves speech recognition", ICML workshop 2013, without the
    part that bends back).

    Args:
        picture: 0 Hz in the last row.
        alpha: Of each, such as 0.9 to 1.1.

    Example:
        >>> picture = torch.tensor([0.0, 2.0, 1.0, 0.0]).view(1, 1, 4, 1).expand(1, 1, 4, 4)
        >>> stretched(picture, torch.tensor([2.0]))[0, 0, :, 0].tolist()
        [0.0, 0.0, 2.0, 0.0]
    """
    size = picture.shape[2]
    height = torch.arange(size - 1, -1, -1, device=picture.device, dtype=picture.dtype)
    source = (height * alpha.unsqueeze(1)).clamp(max=size - 1)
    below = source.floor()
    share = (source - below).view(len(picture), 1, size, 1)

    def rows(height: Tensor) -> Tensor:
        row = (size - 1 - height.clamp(max=size - 1)).long().view(len(picture), 1, size, 1)
        return picture.gather(2, row.expand_as(picture))

    return (1 - share) * rows(below) + share * rows(below + 1)


def blanked(picture: Float[Tensor, "W 1 R R"], *, most: int) -> Float[Tensor, "W 1 R R"]:
    """0 in one band of columns and one of rows of each picture, each 0 to ``most`` wide.

    After Park et al., "SpecAugment", Interspeech 2019. Random numbers are those of the processor.

    Example:
        >>> kept = blanked(torch.ones(1, 1, 8, 8), most=2)[0, 0].bool()
        >>> int((~kept).all(0).sum()) <= 2, int((~kept).all(1).sum()) <= 2
        (True, True)
    """
    size = picture.shape[2]
    width = torch.randint(most + 1, (2, len(picture), 1))
    start = (torch.rand(2, len(picture), 1) * (size - width + 1)).long()
    place = torch.arange(size)
    inside = ((place >= start) & (place < start + width)).to(picture.device)
    blank = inside[0].unsqueeze(1) | inside[1].unsqueeze(2)
    return picture.masked_fill(blank.unsqueeze(1), 0.0)


class Raster(nn.Module):
    """Windows of samples to pictures in [0, 1], on the scale of the utterance they are cut from.

    ``waveform``: column c shows samples ``floor(c S / R)`` to ``floor((c + 1) S / R) - 1`` as one
    line from their highest to their lowest; with ``connect`` it is drawn out to meet the column
    before. Amplitude a is in row ``floor((1 - a / A) / 2 R)``, A being the highest magnitude of the
    utterance. A pixel is 0 or 1. ``points`` shows the mean of each column alone.

    ``spectrogram``: power of frames of 400 samples every 160 under a symmetric Hamming window,
    without centring, over 257 bins to 8 kHz (or 128 mel bins), in dB; black is 80 dB below the
    loudest bin of the utterance. Brought to R x R by bilinear interpolation.

    Args:
        picture: Which of the two.
        size: R.
        style: Of a waveform diagram.
        connect: Draw lines that do not break.
        mel: Mel bins rather than linear ones.
        amplitude: Whose loudness is white: of the ``utterance``, of each window (``segment``), or
            that of a full-scale tone (``fixed``).
        trim: Leave out silence before and after speech, frames so many dB below the loudest one;
            0 keeps it.
        sample_rate: Hz.

    Example:
        >>> raster = Raster(picture="spectrogram", size=96)
        >>> waveform, length = torch.randn(2, 16000), torch.tensor([16000, 9000])
        >>> raster(waveform, raster.level(waveform, length)).shape
        torch.Size([2, 1, 96, 96])
    """

    def __init__(
        self,
        *,
        picture: Picture = "spectrogram",
        size: int = 160,
        style: Style = "envelope",
        connect: bool = True,
        mel: bool = False,
        amplitude: Amplitude = "utterance",
        trim: float = 0.0,
        sample_rate: int = 16000,
    ) -> None:
        super().__init__()
        self.picture = picture
        self.size = size
        self.style = style
        self.connect = connect
        self.mel = mel
        self.amplitude = amplitude
        self.frames = LogMel(
            num_mels=NUM_MELS,
            planes="static",
            level="none",
            trim=trim,
            sample_rate=sample_rate,
            min_samples=400,
        )

    def definition(self) -> dict[str, Any]:
        """What a reader needs to draw the same pictures elsewhere; stored with the weights."""
        drawn = {
            "waveform": {"style": self.style, "connect": self.connect},
            "spectrogram": {
                "bins": f"{NUM_MELS} mel, htk" if self.mel else "257 linear",
                "win_length": self.frames.win_length,
                "hop_length": self.frames.hop_length,
                "n_fft": self.frames.n_fft,
                "window": "hamming, symmetric",
                "range": RANGE,
                "resize": "bilinear",
            },
        }
        return {
            "kind": self.picture,
            "sample_rate": self.frames.sample_rate,
            "size": self.size,
            **drawn[self.picture],
            "amplitude": self.amplitude,
            "trim": self.frames.trim,
        }

    def heard(
        self, waveform: Float[Tensor, "B N"], num_samples: Int[Tensor, " B"]
    ) -> tuple[Float[Tensor, "B M"], Int[Tensor, " B"], Int[Tensor, " B"]]:
        """Speech alone, how many samples it has, and where it began; all of it without ``trim``.

        Samples of the padding are 0, and there is at least one frame.
        """
        waveform = waveform.masked_fill(~valid(num_samples, waveform.shape[1]), 0.0)
        missing = self.frames.win_length - waveform.shape[1]
        waveform = functional.pad(waveform, (0, max(0, missing)))
        if not self.frames.trim:
            return waveform, num_samples, torch.zeros_like(num_samples)
        frames = self.frames.num_frames(num_samples)
        first, count = self.frames.speech(waveform, frames)
        start = first * self.frames.hop_length
        length = (count - 1) * self.frames.hop_length + self.frames.win_length
        length = length.minimum(num_samples - start)
        speech = cut(
            waveform,
            num_samples,
            owner=torch.arange(len(waveform), device=waveform.device),
            start=start,
            window=max(self.frames.win_length, int(length.max())),
        )
        return speech.masked_fill(~valid(length, speech.shape[1]), 0.0), length, start

    def level(
        self, waveform: Float[Tensor, "B N"], num_samples: Int[Tensor, " B"]
    ) -> Float[Tensor, " B"]:
        """What is white in the pictures of each utterance: an amplitude, or a power of one bin."""
        if self.amplitude == "fixed":
            return waveform.new_full((len(waveform),), self._full_scale())
        waveform = waveform.masked_fill(~valid(num_samples, waveform.shape[1]), 0.0)
        if self.picture == "waveform":
            return waveform.abs().amax(1).clamp(min=QUIETEST)
        missing = self.frames.win_length - waveform.shape[1]
        waveform = functional.pad(waveform, (0, max(0, missing)))
        is_valid = valid(self.frames.num_frames(num_samples), self._num_frames(waveform))
        hop, at_once = self.frames.hop_length, _at_once(waveform)
        loudest = waveform.new_full((len(waveform),), QUIETEST_POWER)
        for first in range(0, is_valid.shape[1], FRAMES_AT_ONCE):
            is_in = is_valid[:, first : first + FRAMES_AT_ONCE]
            end = (first + is_in.shape[1] - 1) * hop + self.frames.win_length
            part = waveform[:, first * hop : end]
            power = torch.cat([self._power(rows).amax(2) for rows in part.split(at_once)])
            loudest = loudest.maximum(power.masked_fill(~is_in, 0.0).amax(1))
        return loudest

    def forward(
        self, window: Float[Tensor, "W S"], level: Float[Tensor, " W"]
    ) -> Float[Tensor, "W 1 R R"]:
        """Pictures of windows.

        Args:
            window: Samples, 0 beyond the end of the utterance; at least 400, and as many as the
                picture has columns.
            level: Of the utterance that each is cut from; see ``level``.
        """
        if self.amplitude == "segment":
            every = torch.full((len(window),), window.shape[1], device=window.device)
            level = self.level(window, every)
        draw = self._diagram if self.picture == "waveform" else self._spectrogram
        at_once = _at_once(window)
        parts = zip(window.split(at_once), level.split(at_once), strict=True)
        return torch.cat([draw(*part) for part in parts])

    def shades(
        self, waveform: Float[Tensor, "B N"], level: Float[Tensor, " B"]
    ) -> Float[Tensor, "B T F"]:
        """A spectrogram before it is resized: 0 (black, 80 dB below ``level``) to 1, from 0 Hz up.

        Args:
            waveform: At least 400 samples.
            level: The power that is white; see ``level`` of a raster of spectrograms.
        """
        decibels = 10 * (self._power(waveform) + 1e-10).log10()
        loudest = 10 * (level + 1e-10).log10().view(-1, 1, 1)
        return ((decibels - loudest + RANGE) / RANGE).clamp(0, 1)

    def _diagram(
        self, window: Float[Tensor, "W S"], level: Float[Tensor, " W"]
    ) -> Float[Tensor, "W 1 R R"]:
        place, is_own = columns(window.shape[1], self.size, device=window.device)
        inside = window[:, place]
        if self.style == "points":
            high = low = (inside * is_own).sum(2) / is_own.sum(1)
        else:
            high, low = inside.amax(2), inside.amin(2)
            if self.connect:
                before = high[:, :-1]
                high = torch.cat([high[:, :1], high[:, 1:].maximum(low[:, :-1])], dim=1)
                low = torch.cat([low[:, :1], low[:, 1:].minimum(before)], dim=1)
        row = torch.arange(self.size, device=window.device).view(1, -1, 1)
        top, bottom = self._row(high, level), self._row(low, level)
        return ((top <= row) & (row <= bottom)).unsqueeze(1).to(window.dtype)

    def _row(self, amplitude: Float[Tensor, "W R"], level: Float[Tensor, " W"]) -> Tensor:
        """Of each column's amplitude; ``W 1 R``."""
        row = ((1 - amplitude / level.unsqueeze(1)) / 2 * self.size).floor()
        return row.clamp(0, self.size - 1).unsqueeze(1)

    def _spectrogram(
        self, window: Float[Tensor, "W S"], level: Float[Tensor, " W"]
    ) -> Float[Tensor, "W 1 R R"]:
        picture = self.shades(window, level).transpose(1, 2).flip(1).unsqueeze(1)
        size = (self.size, self.size)
        return functional.interpolate(picture, size, mode="bilinear", align_corners=False)

    def _power(self, waveform: Float[Tensor, "B N"]) -> Float[Tensor, "B T F"]:
        frames = waveform.unfold(1, self.frames.win_length, self.frames.hop_length)
        spectrum = torch.fft.rfft(frames * self.frames.window, n=self.frames.n_fft)
        power = spectrum.real.square() + spectrum.imag.square()
        return power @ self.frames.filters if self.mel else power

    def _num_frames(self, waveform: Float[Tensor, "B N"]) -> int:
        return 1 + (waveform.shape[1] - self.frames.win_length) // self.frames.hop_length

    def _full_scale(self) -> float:
        """Level of a tone between -1 and 1."""
        if self.picture == "waveform":
            return 1.0
        return math.pow(float(self.frames.window.sum()) / 2, 2)


def columns(
    num_samples: int, size: int, *, device: torch.device
) -> tuple[Int[Tensor, "R K"], Bool[Tensor, "R K"]]:
    """Samples of each of ``size`` columns: ``floor(c S / R)`` to ``floor((c + 1) S / R) - 1``.

    A column of one sample less than others begins with its first one twice, of which the first does
    not count.

    Example:
        >>> place, is_own = columns(5, 2, device=torch.device("cpu"))
        >>> place.tolist(), is_own.int().tolist()
        ([[0, 0, 1], [2, 3, 4]], [[0, 1, 1], [1, 1, 1]])
    """
    edge = torch.arange(size + 1, device=device) * num_samples // size
    first, after = edge[:-1].unsqueeze(1), edge[1:].unsqueeze(1)
    longest = -(-num_samples // size)
    place = after - longest + torch.arange(longest, device=device)
    return place.maximum(first), place >= first


def _at_once(rows: Tensor) -> int:
    return ROWS_AT_ONCE if rows.device.type == "cpu" else max(1, len(rows))
