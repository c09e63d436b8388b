"""Published systems, one file each, behind one signature."""

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, Literal, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Int
from torch import Tensor

from serkit.systems import (
    crnn,
    emosphere,
    encoder_classifier,
    facenet,
    opensmile_lda,
    opensmile_svm,
    opensmile_svr,
    verify_to_classify,
)

Waveform = Float[np.ndarray, " _"]
"""Mono samples at the system's rate, float32 in [-1, 1]."""


@runtime_checkable
class System(Protocol):
    """What every system offers. Each is also a ``torch.nn.Module``.

    A system hears waveforms, owns its front end, and answers with one logit per emotion
    (``EmotionSystem``) or one value per dimension of affect (``AffectSystem``). What it learns
    without a gradient (statistics of the training side, or all of a classical model) it learns in
    ``prepare``; if it has ``objective``, the trainer then minimises that.
    Shapes: B utterances, N samples of the longest one, C emotions, A dimensions of affect.
    """

    name: ClassVar[str]
    """The key in ``SYSTEMS``."""
    task: ClassVar[Literal["emotion", "affect"]]
    """What it answers: emotions by ``posterior``, or values of affect by ``affect``."""
    trained_by_gradient: ClassVar[bool]
    """False for classical models, which are complete after ``prepare``."""
    config: Any
    """Frozen dataclass; has at least ``emotions`` (in the order of the logits) or, where affect is
    the task, ``affect`` (its dimensions, in the order of the values)."""
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

    def prepare(
        self,
        waveforms: Iterable[Waveform],
        targets: Any,
        *,
        speakers: Sequence[str | None] | None = None,
    ) -> None:
        """Learn from the training side whatever is not learnt by gradient.

        ``targets`` are places in ``config.emotions`` or, where affect is the task, rows of its
        values in [0, 1]. ``speakers`` let a system choose its own settings on speakers held out.
        """
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


@runtime_checkable
class EmotionSystem(System, Protocol):
    """A system whose task is ``"emotion"``."""

    def posterior(self, waveforms: Sequence[Waveform]) -> Float[Tensor, "B C"]:
        """Probabilities of whole utterances, in evaluation mode, in the order of ``emotions``."""
        ...


@runtime_checkable
class AffectSystem(System, Protocol):
    """A system whose task is ``"affect"``."""

    def affect(self, waveforms: Sequence[Waveform]) -> Float[Tensor, "B A"]:
        """Values of whole utterances, in evaluation mode, in the order of ``config.affect``.

        They are on the scale of the ratings, [0, 1], but not clamped to it.
        """
        ...


@runtime_checkable
class DrawsBatches(Protocol):
    """A system whose objective compares utterances, and so decides which share a batch."""

    num_classes: int
    """How many classes it tells apart in training; a class may be more than an emotion."""

    def batches(
        self,
        classes: Sequence[int],
        *,
        speakers: Sequence[str | None],
        generator: np.random.Generator,
    ) -> list[list[int]]:
        """The batches of an epoch, as indices into ``classes``."""
        ...


@runtime_checkable
class FollowsEpochs(Protocol):
    """A system that changes as training goes on."""

    def begin_epoch(self, epoch: int, *, epochs: int) -> None:
        """Called before each epoch, from 1, of ``epochs`` at most."""
        ...


@runtime_checkable
class Counts(Protocol):
    """A system whose objective counts something worth writing beside the losses."""

    def counts(self) -> dict[str, int]:
        """By name, what was counted since the last call; nothing where there is nothing to."""
        ...


SYSTEMS: dict[str, Any] = {
    "crnn": crnn.CRNN,
    "emosphere": emosphere.EmoSphere,
    "encoder_classifier": encoder_classifier.EncoderClassifier,
    "facenet": facenet.FaceNet,
    "opensmile_lda": opensmile_lda.OpenSmileLDA,
    "opensmile_svm": opensmile_svm.OpenSmileSVM,
    "opensmile_svr": opensmile_svr.OpenSmileSVR,
    "verify_to_classify": verify_to_classify.VerifyToClassify,
}
"""Every system the toolkit can train and load. To add one, add its file and its line."""


def names(system: System) -> tuple[str, ...]:
    """What a system answers, in the order of its answers: emotions, or dimensions of affect."""
    return tuple(system.config.emotions if system.task == "emotion" else system.config.affect)


def draws_batches(system: System) -> bool:
    """Whether it composes the batches of its epochs; in some systems the objective decides."""
    return isinstance(system, DrawsBatches) and getattr(system, "compares_utterances", True)


def concludes(system: System) -> bool:
    """Whether it has a stage after training, ``conclude``; in some systems a setting decides."""
    return hasattr(system, "conclude") and getattr(system, "concludes", True)


def num_classes(system: System) -> int:
    """How many classes the targets of its objective tell apart: its emotions, or its own."""
    if isinstance(system, DrawsBatches) and draws_batches(system):
        return system.num_classes
    return len(getattr(system.config, "emotions", ()))


def smallest_batch(system: System) -> int:
    """How many utterances its objective needs at least."""
    return getattr(system, "smallest_batch", 1)


def answers(system: System, waveforms: Sequence[Waveform]) -> Float[Tensor, "B _"]:
    """Probabilities, or values of affect, of whole utterances, in the order of ``names``."""
    if isinstance(system, EmotionSystem):
        return system.posterior(waveforms)
    if isinstance(system, AffectSystem):
        return system.affect(waveforms)
    raise TypeError(f"{system.name} has neither posterior() nor affect()")
