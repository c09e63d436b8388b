"""openSMILE functionals and a linear support vector machine: the baseline to beat.

Paper:      B. Schuller, S. Steidl, A. Batliner, J. Hirschberg, J. K. Burgoon, A. Baird, A. Elkins,
            Y. Zhang, E. Coutinho, K. Evanini, "The INTERSPEECH 2016 computational paralinguistics
            challenge: deception, sincerity & native language", Interspeech, 2016,
            https://doi.org/10.21437/Interspeech.2016-129. The recipe (functionals, standardised,
            linear machine of small complexity) is that of the challenges' baselines.
Claims:     none on the corpora read here.
Reproduced: see docs/systems/opensmile_svm.md and results/opensmile-svm*.csv.
Departures: scikit-learn's LinearSVC, one emotion against the rest with squared hinge loss, where
            the challenge used Weka's pairwise SMO; it gives one decision value per emotion.
            Complexity is fixed per feature set, not tuned per corpus.

openSMILE is licensed for non-commercial use only, and so is a model that needs it to listen.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NoReturn

import numpy as np
import torch
from jaxtyping import Float, Int
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

# Shapes: B utterances, N samples of the longest, D functionals, C emotions.

SAMPLE_RATE = 16000  # Hz

COMPLEXITY: dict[FeatureSet, float] = {"ComParE_2016": 1e-4, "eGeMAPSv02": 1e-2}
"""C where the settings name none; docs/systems/opensmile_svm.md says how it was chosen."""

NEVER_HEARD = -100.0
"""Decision value of an emotion without training utterances: its posterior is 0."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """Which functionals, and how far a training utterance may pull a hyperplane."""

    emotions: tuple[str, ...]
    """Labels, in the order of the logits."""
    feature_set: FeatureSet = "ComParE_2016"
    """openSMILE's name of the set of functionals."""
    complexity: float | None = None
    """The machine's C; None takes the value for the feature set from ``COMPLEXITY``."""
    class_weight: Literal["none", "balanced"] = "none"
    """Let every utterance pull alike, or every emotion: n / (C n_k) for each of its utterances."""

    def __post_init__(self) -> None:
        """Refuse what cannot be built."""
        if len(self.emotions) < 2 or len(set(self.emotions)) < len(self.emotions):
            raise ValueError(f"emotions: {self.emotions} must be two or more different labels")
        if self.feature_set not in NUM_FUNCTIONALS:
            raise ValueError(
                f"feature_set: unknown {self.feature_set!r}; there are {list(NUM_FUNCTIONALS)}"
            )
        if self.complexity is not None and not self.complexity > 0:
            raise ValueError(f"complexity: {self.complexity} must be above 0")


class OpenSmileSVM(nn.Module):
    """Functionals, standardised by the training side, and one hyperplane per emotion.

    The logits are the machine's decision values ``w_k . (f - mean) / scale + b_k``. Their softmax
    is the posterior: monotone in the decision values, so that it ranks emotions as the machine
    does, but not calibrated, and usually much too flat to be read as a frequency. Before
    ``prepare`` all emotions are equally probable.

    Needs the extra ``serkit[opensmile]``, whose licence allows non-commercial use only.

    Example:
        >>> system = OpenSmileSVM(Config(emotions=("anger", "sadness"), feature_set="eGeMAPSv02"))
        >>> seconds = np.arange(8000, dtype=np.float32) / SAMPLE_RATE
        >>> tones = [np.sin(2 * np.pi * hertz * seconds) / 8 for hertz in (330, 320, 120, 110)]
        >>> system.prepare(tones, [0, 0, 1, 1])
        >>> system.posterior(tones).argmax(1).tolist()
        [0, 0, 1, 1]
    """

    name: ClassVar[str] = "opensmile_svm"
    task: ClassVar[Literal["emotion"]] = "emotion"
    trained_by_gradient: ClassVar[bool] = False
    sample_rate: ClassVar[int] = SAMPLE_RATE
    Config = Config

    mean: Tensor
    scale: Tensor
    coef: Tensor
    intercept: Tensor

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        num_functionals, num_emotions = NUM_FUNCTIONALS[config.feature_set], len(config.emotions)
        self.register_buffer("mean", torch.zeros(num_functionals))
        self.register_buffer("scale", torch.ones(num_functionals))
        self.register_buffer("coef", torch.zeros(num_emotions, num_functionals))
        self.register_buffer("intercept", torch.zeros(num_emotions))

    def front_end(self) -> dict[str, Any]:
        """The definition of the functionals."""
        return definition(SAMPLE_RATE, self.config.feature_set)

    def forward(
        self, waveform: Float[Tensor, "B N"], num_samples: Int[Tensor, " B"]
    ) -> Float[Tensor, "B C"]:
        """Decision values over ``config.emotions``; padding is never heard."""
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
        """Learn everything: the mean and scale of the functionals, then the hyperplanes.

        The machine is scikit-learn's ``LinearSVC``: for each emotion against the rest, minimise
        ``|w|^2 / 2 + C sum_i max(0, 1 - y_i (w . x_i + b))^2`` (Fan et al., "LIBLINEAR: a library
        for large linear classification", JMLR 9, 2008). An emotion that no training utterance
        has is never predicted.

        Args:
            waveforms: the training side.
            emotions: index into ``config.emotions`` of each waveform.
            speakers: not needed here.

        Raises:
            ValueError: fewer than two different emotions, or not one per waveform.
        """
        from sklearn.svm import LinearSVC  # half a second; only training pays for it

        heard = functionals_of(waveforms, SAMPLE_RATE, self.config.feature_set)
        if len(heard) != len(emotions):
            raise ValueError(f"prepare: {len(heard)} waveforms but {len(emotions)} emotions")
        present = sorted(set(emotions))
        if len(present) < 2:
            named = [self.config.emotions[index] for index in present]
            raise ValueError(f"prepare: a machine separates two emotions or more, here are {named}")

        mean, scale, is_constant = spread(heard)
        self.mean[:] = mean
        self.scale[:] = scale

        known = standardised(heard.to(self.mean), self.mean, self.scale)
        known = known.masked_fill(is_constant, 0.0)
        machine = LinearSVC(
            C=self.config.complexity or COMPLEXITY[self.config.feature_set],
            class_weight="balanced" if self.config.class_weight == "balanced" else None,
            dual="auto",
            max_iter=20_000,
            random_state=0,
        ).fit(known.double().cpu().numpy(), np.asarray(emotions))
        coef, intercept = torch.tensor(machine.coef_), torch.tensor(machine.intercept_)
        if len(present) == 2:  # scikit-learn has one hyperplane then, with the second in front
            coef, intercept = torch.cat([-coef, coef]), torch.cat([-intercept, intercept])
        self.coef[:] = 0.0
        self.intercept[:] = NEVER_HEARD
        self.coef[present] = coef.to(self.coef)
        self.intercept[present] = intercept.to(self.intercept)

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
        """Softmax of the decision values: monotone, not calibrated."""
        return self._decide(waveforms).softmax(1)

    def _decide(self, waveforms: Iterable[Waveform]) -> Float[Tensor, "B C"]:
        """Decision values of whole utterances."""
        heard = functionals_of(waveforms, SAMPLE_RATE, self.config.feature_set).to(self.mean)
        return standardised(heard, self.mean, self.scale) @ self.coef.T + self.intercept
