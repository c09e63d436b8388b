"""Published systems, one file each, behind one signature."""

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Int
from torch import Tensor

from serkit.systems import crnn, opensmile_svm

Waveform = Float[np.ndarray, " _"]
"""Mono samples at the system's rate, float32 in [-1, 1]."""


@runtime_checkable
class System(Protocol):
    """What every system offers. Each is also a ``torch.nn.Module``.

    A system hears waveforms, owns its front end, and answers with one logit per emotion. What it
    learns without a gradient (statistics of the training side, or all of a classical model) it
    learns in ``prepare``; if it has ``objective``, the trainer then minimises that.
    Shapes: B utterances, N samples of the longest one, C emotions.
    """

    name: ClassVar[str]
    """The key in ``SYSTEMS``."""
    trained_by_gradient: ClassVar[bool]
    """False for classical models, which are complete after ``prepare``."""
    config: Any
    """Frozen dataclass; has at least ``emotions`` (in the order of the logits)."""
    sample_rate: ClassVar[int]
    """Hz of the waveforms it hears."""

    def front_end(self) -> dict[str, Any]:
        """What decides how waveforms become features; stored with the weights and checked."""
        ...

    def cuts(self, num_samples: int, generator: np.random.Generator) -> list[tuple[int, int]]:
        """Stretches ``(start, length)`` of an utterance to train on in one epoch.

        A stretch longer than the utterance repeats it cyclically.
        """
        ...

    def prepare(self, waveforms: Iterable[Waveform], emotions: Sequence[int]) -> None:
        """Learn from the training side whatever is not learnt by gradient."""
        ...

    def __call__(
        self, waveform: Float[Tensor, "B N"], num_samples: Int[Tensor, " B"]
    ) -> Float[Tensor, "B C"]:
        """Logits; samples at or beyond ``num_samples`` are padding and are never heard."""
        ...

    def objective(
        self,
        logits: Float[Tensor, "B C"],
        emotion: Float[Tensor, "B C"],
        *,
        weight: Float[Tensor, " C"] | None = None,
        label_smoothing: float = 0.0,
    ) -> dict[str, Tensor]:
        """Losses by name, each a mean over the batch; the trainer minimises their sum."""
        ...

    def posterior(self, waveforms: Sequence[Waveform]) -> Float[Tensor, "B C"]:
        """Probabilities of whole utterances, in evaluation mode, in the order of ``emotions``."""
        ...


SYSTEMS: dict[str, Any] = {
    "crnn": crnn.CRNN,
    "opensmile_svm": opensmile_svm.OpenSmileSVM,
}
"""Every system the toolkit can train and load. To add one, add its file and its line."""
