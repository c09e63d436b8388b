"""openSMILE functionals and linear support vector regression of affect: the baseline to beat.

Paper:      B. Schuller, S. Steidl, A. Batliner, J. Hirschberg, J. K. Burgoon, A. Baird, A. Elkins,
            Y. Zhang, E. Coutinho, K. Evanini, "The INTERSPEECH 2016 computational paralinguistics
            challenge: deception, sincerity & native language", Interspeech, 2016,
            https://doi.org/10.21437/Interspeech.2016-129 (functionals, and a linear machine for
            values as well as for classes); A. J. Smola, B. Schoelkopf, "A tutorial on support
            vector regression", Statistics and Computing 14, 2004, equation 5.
Claims:     none on the corpora read here.
Reproduced: see docs/systems/opensmile_svr.md and results/opensmile-svr*.csv.
Departures: complexity is chosen for each dimension on speakers held out of the training side,
            where the challenge chose on its development partition.

openSMILE is licensed for non-commercial use only, and so is a model that needs it to listen.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NoReturn

import numpy as np
import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor, nn

from serkit.corpus import AFFECT
from serkit.features.functionals import (
    NUM_FUNCTIONALS,
    FeatureSet,
    Waveform,
    definition,
    functionals_of,
    spread,
    standardised,
)

# Shapes: B utterances, N samples of the longest, D functionals, A dimensions of affect.

SAMPLE_RATE = 16000  # Hz

COMPLEXITIES = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2)
"""Values of C tried on speakers held out, where the settings name none."""

INNER_FOLDS = 5
"""Parts of the training speakers, each held out once while C is chosen."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """Which functionals, and how far a training utterance may pull a hyperplane."""

    affect: tuple[str, ...] = AFFECT
    """Dimensions, in the order of the values."""
    feature_set: FeatureSet = "ComParE_2016"
    """openSMILE's name of the set of functionals."""
    complexity: float | None = None
    """The machine's C; None chooses one of ``COMPLEXITIES`` on training speakers held out."""
    epsilon: float = 0.1
    """Errors below this cost nothing; in standard deviations of the training ratings."""

    def __post_init__(self) -> None:
        """Refuse what cannot be built."""
        if not self.affect or set(self.affect) - set(AFFECT):
            raise ValueError(f"affect: {self.affect} must be some of {', '.join(AFFECT)}")
        if len(set(self.affect)) < len(self.affect):
            raise ValueError(f"affect: {self.affect} names a dimension twice")
        if self.feature_set not in NUM_FUNCTIONALS:
            raise ValueError(
                f"feature_set: unknown {self.feature_set!r}; there are {list(NUM_FUNCTIONALS)}"
            )
        if self.complexity is not None and not self.complexity > 0:
            raise ValueError(f"complexity: {self.complexity} must be above 0")
        if self.epsilon < 0:
            raise ValueError(f"epsilon: {self.epsilon} must not be below 0")


class OpenSmileSVR(nn.Module):
    """Functionals, standardised by the training side, and one hyperplane per dimension of affect.

    The values are ``w_a . (f - mean) / scale + b_a``, on the scale of the ratings ([0, 1]) and not
    clamped to it. Before ``prepare`` every value is 0.5.

    Needs the extra ``serkit[opensmile]``, whose licence allows non-commercial use only.

    Example:
        >>> system = OpenSmileSVR(Config(affect=("arousal",), feature_set="eGeMAPSv02"))
        >>> seconds = np.arange(8000, dtype=np.float32) / SAMPLE_RATE
        >>> tones = [np.sin(2 * np.pi * hertz * seconds) / 8 for hertz in (330, 320, 120, 110)]
        >>> system.prepare(tones, [[0.9], [0.8], [0.2], [0.1]], speakers=["a", "b", "a", "b"])
        >>> high, _, low, _ = system.affect(tones)[:, 0].tolist()
        >>> high > 0.6, low < 0.4
        (True, True)
    """

    name: ClassVar[str] = "opensmile_svr"
    task: ClassVar[Literal["affect"]] = "affect"
    trained_by_gradient: ClassVar[bool] = False
    sample_rate: ClassVar[int] = SAMPLE_RATE
    Config = Config

    mean: Tensor
    scale: Tensor
    coef: Tensor
    intercept: Tensor
    complexity: Tensor

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        num_functionals, num_dimensions = NUM_FUNCTIONALS[config.feature_set], len(config.affect)
        self.register_buffer("mean", torch.zeros(num_functionals))
        self.register_buffer("scale", torch.ones(num_functionals))
        self.register_buffer("coef", torch.zeros(num_dimensions, num_functionals))
        self.register_buffer("intercept", torch.full((num_dimensions,), 0.5))
        self.register_buffer("complexity", torch.zeros(num_dimensions))

    def front_end(self) -> dict[str, Any]:
        """The definition of the functionals."""
        return definition(SAMPLE_RATE, self.config.feature_set)

    def forward(
        self, waveform: Float[Tensor, "B N"], num_samples: Int[Tensor, " B"]
    ) -> Float[Tensor, "B A"]:
        """Values over ``config.affect``; padding is never heard."""
        samples = waveform.detach().cpu().float().numpy()
        lengths = num_samples.tolist()
        return self.affect([row[:length] for row, length in zip(samples, lengths, strict=True)])

    def cuts(self, num_samples: int, generator: np.random.Generator) -> list[tuple[int, int]]:
        """The whole utterance: functionals are statistics of all of it."""
        return [(0, num_samples)]

    @torch.no_grad()
    def prepare(
        self,
        waveforms: Iterable[Waveform],
        targets: Sequence[Sequence[float]],
        *,
        speakers: Sequence[str | None] | None = None,
    ) -> None:
        """Learn everything: mean and scale of the functionals, C, then the hyperplanes.

        For each dimension minimise ``|w|^2 / 2 + C sum_i max(0, |y_i - w . x_i - b| - epsilon)``
        with standardised ``x`` and ``y``. C is the one whose predictions of speakers held out have
        the highest concordance with their ratings.

        Args:
            waveforms: the training side.
            targets: for each, its values in [0, 1] in the order of ``config.affect``.
            speakers: who speaks each; needed to choose C.

        Raises:
            ValueError: not one row of values per waveform, ratings that never vary, or C to be
                chosen with fewer than two known speakers.
        """
        heard = functionals_of(waveforms, SAMPLE_RATE, self.config.feature_set)
        ratings = np.asarray(targets, dtype=np.float64)
        if ratings.shape != (len(heard), len(self.config.affect)):
            raise ValueError(
                f"prepare: {len(heard)} waveforms and {len(self.config.affect)} dimensions, but "
                f"ratings of shape {ratings.shape}"
            )
        centre, width = ratings.mean(0), ratings.std(0)
        for dimension, deviation in zip(self.config.affect, width, strict=True):
            if not deviation > 0:
                raise ValueError(f"prepare: {dimension} is the same in all training ratings")
        mean, scale, is_constant = spread(heard)
        self.mean[:] = mean
        self.scale[:] = scale
        known = standardised(heard.to(self.mean), self.mean, self.scale)
        features = known.masked_fill(is_constant, 0.0).double().cpu().numpy()
        gram = features @ features.T
        parts = None if self.config.complexity is not None else _held_out(speakers, len(heard))
        for place in range(len(self.config.affect)):
            values = (ratings[:, place] - centre[place]) / width[place]
            complexity = self.config.complexity or self._chosen(gram, values, parts or [])
            dual, intercept = self._machine(gram, values, complexity)
            self.coef[place] = torch.tensor(features.T @ dual * width[place])
            self.intercept[place] = intercept * width[place] + centre[place]
            self.complexity[place] = complexity

    def objective(self, *_: Any, **__: Any) -> NoReturn:
        """There is none: this system is complete after ``prepare``.

        Raises:
            NotImplementedError: always.
        """
        raise NotImplementedError(
            f"{self.name} is not trained by gradient and has no objective; prepare() fits it"
        )

    @torch.no_grad()
    def affect(self, waveforms: Sequence[Waveform]) -> Float[Tensor, "B A"]:
        """Values of whole utterances, not clamped to [0, 1]."""
        heard = functionals_of(waveforms, SAMPLE_RATE, self.config.feature_set).to(self.mean)
        return standardised(heard, self.mean, self.scale) @ self.coef.T + self.intercept

    def _machine(
        self, gram: Float64[np.ndarray, "B B"], values: Float64[np.ndarray, " B"], complexity: float
    ) -> tuple[Float64[np.ndarray, " B"], float]:
        """Dual coefficients and intercept of the machine for one dimension."""
        from sklearn.svm import SVR  # half a second; only training pays for it

        # The kernel is given, so that the thousands of functionals are multiplied only once.
        machine = SVR(kernel="precomputed", C=complexity, epsilon=self.config.epsilon)
        machine = machine.fit(gram, values)
        dual = np.zeros(len(values))
        dual[machine.support_] = machine.dual_coef_[0]
        return dual, float(machine.intercept_[0])

    def _chosen(
        self,
        gram: Float64[np.ndarray, "B B"],
        values: Float64[np.ndarray, " B"],
        parts: Sequence[Int[np.ndarray, " _"]],
    ) -> float:
        """The complexity with the highest concordance on speakers held out."""

        def concordance(complexity: float) -> float:
            predicted = np.zeros_like(values)
            for held_out in parts:
                kept = np.setdiff1d(np.arange(len(values)), held_out)
                dual, intercept = self._machine(gram[np.ix_(kept, kept)], values[kept], complexity)
                predicted[held_out] = gram[np.ix_(held_out, kept)] @ dual + intercept
            both = np.cov(values, predicted, bias=True)
            apart = values.mean() - predicted.mean()
            return float(2 * both[0, 1] / (both[0, 0] + both[1, 1] + apart**2))

        return max(COMPLEXITIES, key=concordance)


def _held_out(
    speakers: Sequence[str | None] | None, num_utterances: int
) -> list[Int[np.ndarray, " _"]]:
    """Places of the utterances of each part of the speakers; no speaker is in two parts."""
    from sklearn.model_selection import GroupKFold

    known = {speaker for speaker in speakers or () if speaker is not None}
    if speakers is None or len(speakers) != num_utterances or len(known) < 2 or None in speakers:
        raise ValueError(
            "prepare: to choose the complexity on speakers held out, the speaker of every training "
            "utterance must be known, and two or more are needed; or set complexity"
        )
    parts = GroupKFold(min(INNER_FOLDS, len(known)))
    places = np.zeros((num_utterances, 1))
    return [held_out for _, held_out in parts.split(places, groups=list(speakers))]
