"""The waveforms of a corpus, read once; what cannot be read is named, not passed over."""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from typing import Literal

import numpy as np
from jaxtyping import Float

from serkit import audio
from serkit.corpus import Utterance

Waveform = Float[np.ndarray, " _"]

SILENT = "silent"
"""The note of ``audio.inspect`` that takes an utterance out of an experiment."""


class Waveforms:
    """Waveforms by utterance id, held in memory: 64 kB for each second at 16 kHz.

    An utterance that cannot be read, or holds only silence, has no waveform but an entry in
    ``dropped``. Everything else about an utterance stays with the utterance.

    Args:
        sample_rate: Hz to read at.
        quality: The condition they are heard in; see ``audio.degrade``.
        part: Which half of noise files and rooms that condition may use.

    Example:
        >>> from pathlib import Path
        >>> waveforms = Waveforms(16000)
        >>> waveforms.read([Utterance(id="own/a", path=Path("gone.wav"))])
        >>> list(waveforms.dropped)
        ['own/a']
    """

    def __init__(
        self, sample_rate: int, *, quality: str = "hq", part: Literal["train", "test"] = "train"
    ) -> None:
        self.sample_rate = sample_rate
        self.quality = quality
        self.part: Literal["train", "test"] = part
        self.dropped: dict[str, str] = {}
        self.digests: dict[str, str] = {}
        """Of the samples as they were read, whatever an utterance or its corpus is called."""
        self._waveforms: dict[str, Waveform] = {}

    def read(
        self, utterances: Iterable[Utterance], *, report: Callable[[], None] | None = None
    ) -> None:
        """Read what has not been read before; ``report`` is called after each utterance."""
        for utterance in utterances:
            if utterance.id not in self._waveforms and utterance.id not in self.dropped:
                self._read(utterance)
            if report is not None:
                report()

    def kept(self, utterances: Iterable[Utterance]) -> list[Utterance]:
        """Those that have a waveform, in their order."""
        return [utterance for utterance in utterances if utterance.id in self._waveforms]

    def of(self, utterances: Sequence[Utterance]) -> list[Waveform]:
        """The waveforms of utterances that were ``kept``."""
        return [self._waveforms[utterance.id] for utterance in utterances]

    def durations(self) -> dict[str, float]:
        """Seconds of every utterance that has a waveform."""
        return {name: len(wave) / self.sample_rate for name, wave in self._waveforms.items()}

    def _read(self, utterance: Utterance) -> None:
        try:
            waveform = audio.read(
                utterance.path,
                start=utterance.start,
                end=utterance.end,
                sample_rate=self.sample_rate,
            )
        except audio.AudioError as error:
            self.dropped[utterance.id] = f"{error.status}: {error}"
            return
        if SILENT in audio.inspect(waveform):
            self.dropped[utterance.id] = f"{SILENT}: {utterance.path}"
            return
        self.digests[utterance.id] = hashlib.sha256(waveform.tobytes()).hexdigest()[:16]
        self._waveforms[utterance.id] = audio.degrade(
            waveform,
            self.quality,
            id=utterance.id,
            sample_rate=self.sample_rate,
            part=self.part,
        )
