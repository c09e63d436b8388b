"""openSMILE functionals and linear discriminants: the baseline of verification.

Paper:      P. N. Belhumeur, J. P. Hespanha, D. J. Kriegman, "Eigenfaces vs. Fisherfaces:
            recognition using class specific linear projection", IEEE Transactions on Pattern
            Analysis and Machine Intelligence 19(7), 1997, https://doi.org/10.1109/34.598228
            (principal components, then discriminants); B. Schuller et al., "The INTERSPEECH 2016
            computational paralinguistics challenge: deception, sincerity & native language",
            Interspeech, 2016, https://doi.org/10.21437/Interspeech.2016-129 (functionals).
Claims:     none on the corpora read here.
Reproduced: see docs/systems/opensmile_lda.md and results/opensmile-lda*.csv.
Departures: emotions count alike, however many utterances they have: the covariance within emotions
            is the mean of theirs, and the origin is the mean of their means.

openSMILE is licensed for non-commercial use only, and so is a model that needs it to listen.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NoReturn

import numpy as np
import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor, nn

from serkit.features.functionals import (
    NUM_FUNCTIONALS,
    FeatureSet,
    Waveform,
    definition,
    functionals_of,
    spread,
    standardised,
)

# Shapes: B utterances, N samples of the longest, D functionals, P principal components,
# C emotions, E = C - 1 discriminants.

SAMPLE_RATE = 16000  # Hz

NEGLIGIBLE = 1e-9
"""Directions with less than this share of the largest variance have none, to float64."""

NEVER_HEARD = -1e9
"""Logit of an emotion without training utterances: its posterior is 0."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """Which functionals, and how many components of them."""

    emotions: tuple[str, ...]
    """Labels, in the order of the logits."""
    feature_set: FeatureSet = "ComParE_2016"
    """openSMILE's name of the set of functionals."""
    components: int = 200
    """Principal components kept; fewer where the training side has too few utterances for them."""

    def __post_init__(self) -> None:
        """Refuse what cannot be built."""
        if len(self.emotions) < 2 or len(set(self.emotions)) < len(self.emotions):
            raise ValueError(f"emotions: {self.emotions} must be two or more different labels")
        if self.feature_set not in NUM_FUNCTIONALS:
            raise ValueError(
                f"feature_set: unknown {self.feature_set!r}; there are {list(NUM_FUNCTIONALS)}"
            )
        if self.components < 1:
            raise ValueError(f"components: {self.components} must be at least 1")


class OpenSmileLDA(nn.Module):
    """Functionals, standardised by the training side, seen along what tells emotions apart.

    Everything learnt is one affine map ``z = W (f - mean) / scale + v`` to C - 1 discriminants, in
    which the covariance within emotions is the identity and the mean of the emotions' means is 0,
    and the place ``m_k`` of each emotion there. The embedding is ``z / |z|``, compared by cosine.
    The posterior is that of emotions of equal prior, normally distributed around ``m_k``: the
    softmax of ``m_k . z - |m_k|^2 / 2``. Before ``prepare`` all emotions are equally probable and
    the embedding is 0.

    With two emotions there is one discriminant, and an embedding is 1 or -1.

    Needs the extra ``serkit[opensmile]``, whose licence allows non-commercial use only.

    Example:
        >>> system = OpenSmileLDA(Config(emotions=("anger", "sadness"), feature_set="eGeMAPSv02"))
        >>> seconds = np.arange(8000, dtype=np.float32) / SAMPLE_RATE
        >>> tones = [np.sin(2 * np.pi * hertz * seconds) / 8 for hertz in (330, 320, 120, 110)]
        >>> system.prepare(tones, [0, 0, 1, 1])
        >>> system.posterior(tones).argmax(1).tolist()
        [0, 0, 1, 1]
        >>> first, second, third, _ = system.embed(tones)
        >>> round(float(first @ second), 3), round(float(first @ third), 3)
        (1.0, -1.0)
    """

    name: ClassVar[str] = "opensmile_lda"
    task: ClassVar[Literal["emotion"]] = "emotion"
    trained_by_gradient: ClassVar[bool] = False
    accepted_by: ClassVar[Literal["eer"]] = "eer"
    sample_rate: ClassVar[int] = SAMPLE_RATE
    Config = Config

    mean: Tensor
    scale: Tensor
    projection: Tensor
    offset: Tensor
    places: Tensor
    intercept: Tensor

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        num_functionals, num_emotions = NUM_FUNCTIONALS[config.feature_set], len(config.emotions)
        self.register_buffer("mean", torch.zeros(num_functionals))
        self.register_buffer("scale", torch.ones(num_functionals))
        self.register_buffer("projection", torch.zeros(num_emotions - 1, num_functionals))
        self.register_buffer("offset", torch.zeros(num_emotions - 1))
        self.register_buffer("places", torch.zeros(num_emotions, num_emotions - 1))
        self.register_buffer("intercept", torch.zeros(num_emotions))

    def front_end(self) -> dict[str, Any]:
        """The definition of the functionals."""
        return definition(SAMPLE_RATE, self.config.feature_set)

    def forward(
        self, waveform: Float[Tensor, "B N"], num_samples: Int[Tensor, " B"]
    ) -> Float[Tensor, "B C"]:
        """Logits over ``config.emotions``; padding is never heard."""
        samples = waveform.detach().cpu().float().numpy()
        lengths = num_samples.tolist()
        return self._decide([row[:length] for row, length in zip(samples, lengths, strict=True)])

    def cuts(self, num_samples: int, generator: np.random.Generator) -> list[tuple[int, int]]:
        """The whole utterance: functionals are statistics of all of it."""
        return [(0, num_samples)]

    @torch.no_grad()
    def prepare(
        self,
        waveforms: Iterable[Waveform],
        emotions: Sequence[int],
        *,
        speakers: Sequence[str | None] | None = None,
    ) -> None:
        """Learn everything: mean and scale of the functionals, components, discriminants.

        Principal components come first. As many as utterances less emotions could be used before
        the covariance within emotions is singular (Belhumeur et al., 1997); here it is half of
        them, since close to that limit some of its directions have next to no variance by chance
        and decide everything. An emotion that no training utterance has is never predicted, and
        leaves one discriminant 0.

        Args:
            waveforms: the training side.
            emotions: index into ``config.emotions`` of each waveform.
            speakers: not needed here.

        Raises:
            ValueError: fewer than two different emotions, no more utterances than emotions, not
                one emotion per waveform, or no emotion whose utterances differ.
        """
        heard = functionals_of(waveforms, SAMPLE_RATE, self.config.feature_set)
        if len(heard) != len(emotions):
            raise ValueError(f"prepare: {len(heard)} waveforms but {len(emotions)} emotions")
        present, group = np.unique(np.asarray(emotions, dtype=np.int64), return_inverse=True)
        if len(present) < 2:
            named = [self.config.emotions[index] for index in present]
            raise ValueError(f"prepare: discriminants need two emotions or more, here are {named}")
        if len(heard) == len(present):
            raise ValueError(
                f"prepare: {len(heard)} utterances of as many emotions; how far utterances of one "
                "emotion lie apart is known only from two of it"
            )

        mean, scale, is_constant = spread(heard)
        self.mean[:] = mean
        self.scale[:] = scale

        known = standardised(heard.to(self.mean), self.mean, self.scale)
        known = known.masked_fill(is_constant, 0.0).double().cpu().numpy()
        at_most = min(self.config.components, max(1, (len(known) - len(present)) // 2))
        components = principal_components(known, at_most=at_most)
        origin, axes, places = discriminants(known @ components.T, group)
        num_axes = axes.shape[1]
        if num_axes == 0:
            raise ValueError("prepare: all training utterances of an emotion sound the same")
        self.projection[:] = 0.0
        self.offset[:] = 0.0
        self.places[:] = 0.0
        self.intercept[:] = NEVER_HEARD
        self.projection[:num_axes] = torch.from_numpy(axes.T @ components)
        self.offset[:num_axes] = torch.from_numpy(-(origin @ axes))
        self.places[present, :num_axes] = torch.from_numpy(places).to(self.places)
        self.intercept[present] = -self.places[present].square().sum(1) / 2

    def objective(
        self,
        logits: Float[Tensor, "B C"],
        emotion: Float[Tensor, "B C"],
        *,
        weight: Float[Tensor, " C"] | None = None,
        label_smoothing: float = 0.0,
    ) -> NoReturn:
        """There is none: this system is complete after ``prepare``.

        Raises:
            NotImplementedError: always.
        """
        raise NotImplementedError(
            f"{self.name} is not trained by gradient and has no objective; prepare() fits it"
        )

    @torch.no_grad()
    def posterior(self, waveforms: Sequence[Waveform]) -> Float[Tensor, "B C"]:
        """Probabilities of whole utterances, all emotions being equally probable beforehand."""
        return self._decide(waveforms).softmax(1)

    @torch.no_grad()
    def embed(self, waveforms: Sequence[Waveform]) -> Float[Tensor, "B E"]:
        """The direction of each whole utterance among the discriminants: unit vectors."""
        return nn.functional.normalize(self._discriminants(waveforms), dim=1).float()

    def _decide(self, waveforms: Iterable[Waveform]) -> Float[Tensor, "B C"]:
        """Logits of whole utterances."""
        places, intercept = self.places.cpu().double(), self.intercept.cpu().double()
        return (self._discriminants(waveforms) @ places.T + intercept).to(self.mean)

    def _discriminants(self, waveforms: Iterable[Waveform]) -> Float[Tensor, "B E"]:
        """Where whole utterances lie.

        In float64, since a logit may well be in the hundreds and must not depend on company; on
        the CPU, since not every accelerator has float64.
        """
        learnt = (self.mean, self.scale, self.projection, self.offset)
        mean, scale, projection, offset = (buffer.cpu().double() for buffer in learnt)
        heard = functionals_of(waveforms, SAMPLE_RATE, self.config.feature_set).double()
        return standardised(heard, mean, scale) @ projection.T + offset


def principal_components(
    known: Float64[np.ndarray, "B D"], *, at_most: int
) -> Float64[np.ndarray, "P D"]:
    """Orthonormal directions in which utterances vary most, the widest first.

    Directions without variance are left out: P is at most ``at_most`` and may be 0.

    Example:
        >>> known = np.array([[3.0, 1.0], [5.0, 1.0]])
        >>> np.abs(principal_components(known, at_most=2)).round(3).tolist()
        [[1.0, 0.0]]
    """
    _, deviations, directions = np.linalg.svd(known - known.mean(0), full_matrices=False)
    varies = deviations**2 > NEGLIGIBLE * deviations[0] ** 2
    return directions[varies][:at_most]


def discriminants(
    known: Float64[np.ndarray, "B P"], emotions: Int[np.ndarray, " B"]
) -> tuple[Float64[np.ndarray, " P"], Float64[np.ndarray, "P E"], Float64[np.ndarray, "C E"]]:
    """Fisher's linear discriminants of emotions that count alike.

    With means ``mu_k`` of the emotions, their mean ``mu``, and the mean ``S`` of the covariances
    of the emotions: axes ``A`` that span the ``S^-1 (mu_k - mu)``, with ``A^T S A = 1``. Directions
    without variance within emotions are left out.

    Args:
        known: utterances.
        emotions: which of 0 .. C - 1 each has; each occurs.

    Returns:
        The origin ``mu``, the axes, and where the emotions lie on them: ``(mu_k - mu) A``.

    Example:
        >>> known = np.array([[0.0, 9.0], [0.0, 7.0], [4.0, 8.0], [2.0, 8.0]])
        >>> origin, axes, places = discriminants(known, np.array([0, 0, 1, 1]))
        >>> origin.tolist(), (np.abs(places[:, 0]) * 2**0.5).round(3).tolist()
        ([1.5, 8.0], [3.0, 3.0])
    """
    groups = [known[emotions == emotion] for emotion in range(int(emotions.max()) + 1)]
    means = np.stack([group.mean(0) for group in groups])
    within = np.mean([_covariance(group) for group in groups], axis=0)
    variances, directions = np.linalg.eigh(within)
    varies = variances > NEGLIGIBLE * variances.max(initial=0.0)
    whitening = directions[:, varies] / np.sqrt(variances[varies])
    origin = means.mean(0)
    _, _, across = np.linalg.svd((means - origin) @ whitening, full_matrices=False)
    axes = whitening @ across[: len(groups) - 1].T
    return origin, axes, (means - origin) @ axes


def _covariance(group: Float64[np.ndarray, "B P"]) -> Float64[np.ndarray, "P P"]:
    """Of a single utterance, 0."""
    centred = group - group.mean(0)
    return centred.T @ centred / len(group)
