"""Log-mel frames with deltas, heard the same alone or padded, and warped vocal tracts."""

from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

# Shapes: B utterances, N samples, T frames, K frequency bins, F mel bins, P planes.

Planes = Literal["static", "deltas"]

TRIM_MARGIN = 10  # frames, 0.1 s, kept on either side of speech
WARP_LIMIT = 4800.0  # Hz; below it vocal-tract warping is a plain scaling


def hertz_to_mel(frequency: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """The mel scale 2595 log10(1 + f / 700) (O'Shaughnessy 1987; HTK's form).

    Args:
        frequency: in Hz, not negative.

    Example:
        >>> round(hertz_to_mel(torch.tensor(1000.0)).item())
        1000
    """
    return 2595.0 * torch.log10(1.0 + frequency / 700.0)


def mel_to_hertz(mel: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """Inverse of ``hertz_to_mel``.

    Example:
        >>> round(mel_to_hertz(hertz_to_mel(torch.tensor(440.0))).item())
        440
    """
    return 700.0 * (10.0 ** (mel / 2595.0) - 1.0)


def warp(
    frequency: Float[Tensor, " E"], alpha: Float[Tensor, " B"], *, sample_rate: int
) -> Float[Tensor, "B E"]:
    """Where each frequency lies for a vocal tract stretched by ``alpha``.

    With S the sample rate, m = min(alpha, 1) and F = 4800 Hz:
    ``f' = alpha f`` if ``f <= F m / alpha``, else
    ``f' = S/2 - (S/2 - F m) / (S/2 - F m / alpha) (S/2 - f)``: continuous, increasing, with 0 and
    S/2 fixed (Jaitly & Hinton, "Vocal tract length perturbation (VTLP) improves speech
    recognition", ICML workshop 2013).

    Args:
        frequency: in Hz, from 0 to half of ``sample_rate``.
        alpha: one factor per utterance, near 1.
        sample_rate: Hz.

    Example:
        >>> frequency = torch.tensor([0.0, 1000.0, 8000.0])
        >>> warp(frequency, torch.tensor([1.1]), sample_rate=16000).round().tolist()
        [[0.0, 1100.0, 8000.0]]
    """
    nyquist = sample_rate / 2
    alpha = alpha.unsqueeze(1)
    top = WARP_LIMIT * alpha.clamp(max=1.0)
    slope = (nyquist - top) / (nyquist - top / alpha)
    below = alpha * frequency
    above = nyquist - slope * (nyquist - frequency)
    warped = torch.where(frequency <= top / alpha, below, above)
    return torch.where(alpha == 1.0, frequency.expand_as(warped), warped)


def triangles(edges: Float[Tensor, "B E"], bins: Float[Tensor, " K"]) -> Float[Tensor, "B K F"]:
    """Triangular filters of height 1 between every three neighbouring edges, linear in Hz.

    Args:
        edges: F + 2 increasing frequencies in Hz per utterance.
        bins: frequencies in Hz of the spectrum's bins.

    Example:
        >>> edges = torch.tensor([[0.0, 1.0, 2.0]])
        >>> triangles(edges, torch.tensor([0.0, 0.5, 1.0, 1.5])).squeeze().tolist()
        [0.0, 0.5, 1.0, 0.5]
    """
    low, centre, high = (edges[:, i : edges.shape[1] - 2 + i].unsqueeze(1) for i in range(3))
    frequency = bins.view(1, -1, 1)
    rising = (frequency - low) / (centre - low)
    falling = (high - frequency) / (high - centre)
    return torch.minimum(rising, falling).clamp(min=0.0)


def deltas(frames: Float[Tensor, "B T F"], num_frames: Int[Tensor, " B"]) -> Float[Tensor, "B T F"]:
    """Slope over five frames: ``[(c[t+1] - c[t-1]) + 2 (c[t+2] - c[t-2])] / 10``.

    Indices stop at the first and the last frame of the utterance itself, never of the batch
    (Furui, IEEE ASSP 34(1), 1986; HTK's regression form).

    Args:
        frames: any features.
        num_frames: valid frames per utterance; what is returned beyond them means nothing.

    Example:
        >>> ramp = torch.arange(6.0).view(1, 6, 1)
        >>> [round(value, 1) for value in deltas(ramp, torch.tensor([6])).flatten().tolist()]
        [0.5, 0.8, 1.0, 1.0, 0.8, 0.5]
    """
    time = torch.arange(frames.shape[1], device=frames.device)
    last = (num_frames - 1).clamp(min=0).unsqueeze(1)

    def shifted(offset: int) -> Tensor:
        index = (time + offset).clamp(min=0).unsqueeze(0).minimum(last)
        return frames.gather(1, index.unsqueeze(2).expand_as(frames))

    return ((shifted(1) - shifted(-1)) + 2 * (shifted(2) - shifted(-2))) / 10


def valid(num_frames: Int[Tensor, " B"], total: int) -> Bool[Tensor, "B T"]:
    """True where a frame belongs to the utterance, False where it is padding.

    Example:
        >>> valid(torch.tensor([1, 3]), 3).int().tolist()
        [[1, 0, 0], [1, 1, 1]]
    """
    return torch.arange(total, device=num_frames.device) < num_frames.unsqueeze(1)


def specaugment(
    num_frames: Int[Tensor, " B"], total: int, num_mels: int, *, frames: int = 20, mels: int = 5
) -> Bool[Tensor, "B 1 T F"]:
    """False in one stretch of frames and one of mel bins per utterance, True elsewhere.

    Both lengths are uniform from 0 to ``frames`` and ``mels`` (Park et al., "SpecAugment",
    Interspeech 2019).
    """
    device = num_frames.device

    def kept(length: Tensor, size: int, longest: int) -> Tensor:
        width = torch.randint(longest + 1, length.shape, device=device)
        start = (torch.rand(length.shape, device=device) * (length - width + 1).clamp(min=1)).long()
        position = torch.arange(size, device=device)
        inside = (position >= start.unsqueeze(1)) & (position < (start + width).unsqueeze(1))
        return ~inside

    over_time = kept(num_frames, total, frames).unsqueeze(2)
    over_mels = kept(torch.full_like(num_frames, num_mels), num_mels, mels).unsqueeze(1)
    return (over_time & over_mels).unsqueeze(1)


class LogMel(nn.Module):
    """Waveform to ``log(mel power + 1e-6)``, and its first and second differences.

    A frame is ``win_length`` samples under a symmetric Hamming window, every ``hop_length``
    samples, without centring: ``T = 1 + floor((N - win_length) / hop_length)``, so that no frame
    looks past the end. The spectrum has ``n_fft`` points (zero-padded on the right); ``num_mels``
    triangular filters of height 1 stand equally spaced on the mel scale from 0 Hz to half the
    sample rate. Utterances under ``min_samples`` are lengthened with zeros, which count. With
    ``trim`` the silence before and after speech is left out: frames more than so many dB below the
    loudest one, but for 0.1 s next to the speech.

    Example:
        >>> log_mel = LogMel(num_mels=40, planes="deltas")
        >>> frames, num_frames = log_mel(torch.randn(2, 48240), torch.tensor([48240, 16000]))
        >>> tuple(frames.shape), num_frames.tolist()
        ((2, 3, 300, 40), [300, 98])
    """

    window: Tensor
    edges: Tensor
    bins: Tensor
    filters: Tensor

    def __init__(
        self,
        *,
        num_mels: int = 40,
        planes: Planes = "deltas",
        level: Literal["utterance", "none"] = "utterance",
        trim: float = 0.0,  # dB below the loudest frame; 0 keeps everything
        sample_rate: int = 16000,
        win_length: int = 400,  # samples, 25 ms
        hop_length: int = 160,  # samples, 10 ms
        n_fft: int = 512,
        min_samples: int = 880,  # samples, 4 frames
    ) -> None:
        super().__init__()
        self.planes = planes
        self.level = level
        self.trim = trim
        self.sample_rate = sample_rate
        self.win_length = win_length
        self.hop_length = hop_length
        self.n_fft = n_fft
        self.min_samples = min_samples
        top = hertz_to_mel(torch.tensor(sample_rate / 2, dtype=torch.float64)).item()
        edges = mel_to_hertz(torch.linspace(0, top, num_mels + 2, dtype=torch.float64))
        bins = torch.linspace(0, sample_rate / 2, n_fft // 2 + 1, dtype=torch.float64)
        window = torch.hamming_window(win_length, periodic=False, dtype=torch.float64)
        # From rounded edges, as in forward, so that alpha = 1 gives these filters exactly.
        filters = triangles(edges.float().unsqueeze(0), bins.float())[0]
        # Fixed by the arguments above, hence not part of what is saved.
        for name, value in {
            "window": window, "edges": edges, "bins": bins, "filters": filters
        }.items():  # fmt: skip
            self.register_buffer(name, value.float(), persistent=False)

    def definition(self) -> dict[str, object]:
        """What a reader needs to compute the same frames elsewhere; stored with the weights."""
        return {
            "kind": "log_mel",
            "num_mels": self.filters.shape[1],
            "planes": self.planes,
            "level": self.level,
            "trim": self.trim,
            "sample_rate": self.sample_rate,
            "win_length": self.win_length,
            "hop_length": self.hop_length,
            "n_fft": self.n_fft,
            "min_samples": self.min_samples,
            "window": "hamming, symmetric",
            "mel_scale": "htk",
            "mel_norm": "height 1",
            "logarithm": "ln(power + 1e-6)",
            "centred": False,
        }

    def num_frames(self, num_samples: Int[Tensor, " B"]) -> Int[Tensor, " B"]:
        """Frames of utterances of so many samples, before ``trim``."""
        length = num_samples.clamp(min=self.min_samples)
        return 1 + (length - self.win_length) // self.hop_length

    def forward(
        self,
        waveform: Float[Tensor, "B N"],
        num_samples: Int[Tensor, " B"],
        alpha: Float[Tensor, " B"] | None = None,
    ) -> tuple[Float[Tensor, "B P T F"], Int[Tensor, " B"]]:
        """Frames and how many of them are valid; frames beyond that mean nothing.

        Args:
            waveform: samples in [-1, 1], padded on the right with anything.
            num_samples: valid samples per utterance.
            alpha: vocal-tract factor per utterance; None leaves the filters where they are.
        """
        num_frames = self.num_frames(num_samples)
        is_sample = valid(num_samples, waveform.shape[1])
        waveform = waveform.masked_fill(~is_sample, 0.0)
        missing = self.min_samples - waveform.shape[1]
        if missing > 0:
            waveform = nn.functional.pad(waveform, (0, missing))
            is_sample = nn.functional.pad(is_sample, (0, missing))
        if self.level == "utterance":
            levelled = self._levelled(waveform, is_sample, num_samples)
        else:
            levelled = waveform
        windows = levelled.unfold(1, self.win_length, self.hop_length)
        if self.trim:
            first, num_frames = self.speech(waveform, num_frames)
            windows = self._from(windows, first, int(num_frames.max()))
        windows = windows * self.window
        spectrum = torch.fft.rfft(windows, n=self.n_fft)
        power = spectrum.real.square() + spectrum.imag.square()
        if alpha is None:
            mel = power @ self.filters
        else:
            edges = warp(self.edges, alpha.to(self.edges.dtype), sample_rate=self.sample_rate)
            mel = power @ triangles(edges, self.bins)
        static = torch.log(mel + 1e-6)
        if self.planes == "static":
            return static.unsqueeze(1), num_frames
        delta = deltas(static, num_frames)
        return torch.stack([static, delta, deltas(delta, num_frames)], dim=1), num_frames

    def speech(
        self, waveform: Float[Tensor, "B N"], num_frames: Int[Tensor, " B"]
    ) -> tuple[Int[Tensor, " B"], Int[Tensor, " B"]]:
        """First frame of speech, and frames from there to the end of speech.

        Args:
            waveform: samples, 0 where they are padding.
            num_frames: valid frames per utterance.
        """
        # From the samples as they are, so that company in a batch cannot move the edges.
        energy = waveform.unfold(1, self.win_length, self.hop_length).square().sum(2)
        is_valid = valid(num_frames, energy.shape[1])
        energy = energy.masked_fill(~is_valid, 0.0)
        loudest = energy.amax(1, keepdim=True)
        is_speech = (is_valid & (energy >= loudest * 10 ** (-self.trim / 10))).int()
        first = is_speech.argmax(1)
        final = energy.shape[1] - 1 - is_speech.flip(1).argmax(1)
        first = (first - TRIM_MARGIN).clamp(min=0)
        final = (final + TRIM_MARGIN).minimum(num_frames - 1)
        return first, final - first + 1

    @staticmethod
    def _from(
        windows: Float[Tensor, "B T W"], first: Int[Tensor, " B"], total: int
    ) -> Float[Tensor, "B U W"]:
        """``total`` windows of each utterance from its first one on."""
        index = first.unsqueeze(1) + torch.arange(total, device=first.device)
        index = index.clamp(max=windows.shape[1] - 1)
        return windows.gather(1, index.unsqueeze(2).expand(-1, -1, windows.shape[2]))

    @staticmethod
    def _levelled(
        waveform: Float[Tensor, "B N"],
        is_sample: Bool[Tensor, "B N"],
        num_samples: Int[Tensor, " B"],
    ) -> Float[Tensor, "B N"]:
        """Mean 0 and standard deviation 1 over the valid samples of each utterance."""
        count = num_samples.clamp(min=1).unsqueeze(1)
        centred = waveform - waveform.sum(1, keepdim=True) / count
        centred = centred.masked_fill(~is_sample, 0.0)
        deviation = (centred.square().sum(1, keepdim=True) / count).sqrt()
        return centred / (deviation + 1e-6)
