"""Embeddings to emotions by a classical machine: eight of them, chosen, fitted and stored alike.

The extractor was trained to pull the emotions of its own training utterances apart, so that these
look easier than any later ones. Settings are therefore chosen, and scores turned into
probabilities, on development utterances wherever there are any.

A fitted machine is stored as one tensor of bytes, in skops' format: arrays and names of types, no
pickle. docs/decisions/0014-classical-classifiers-on-disk.md says why, and what is refused.
"""

# Shapes: B utterances, V development utterances, D embedding, C emotions, P emotions heard.

import io
import json
import math
import re
import warnings
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor, nn

Kind = Literal[
    "svm_rbf", "svm_linear", "mlp", "logistic", "lda", "knn", "random_forest", "prototype"
]
KINDS: tuple[Kind, ...] = get_args(Kind)

Settings = Mapping[str, Any]

GRIDS: dict[Kind, tuple[Settings, ...]] = {
    "svm_rbf": tuple(
        {"C": 2.0**complexity, "gamma": gamma}
        for complexity in range(-2, 11, 2)
        for gamma in (*(2.0**exponent for exponent in range(-13, 2, 2)), "scale")
    ),
    "svm_linear": tuple({"C": 2.0**complexity} for complexity in range(-8, 5, 2)),
    "mlp": tuple(
        {"hidden_layer_sizes": hidden, "alpha": alpha}
        for hidden in (64, 128, 256)
        for alpha in (1e-2, 1e-4)
    ),
    "logistic": tuple({"C": 10.0**complexity} for complexity in range(-3, 3)),
    "lda": ({},),
    "knn": tuple({"n_neighbors": num} for num in (21, 11, 5, 1)),
    "random_forest": tuple({"min_samples_leaf": num} for num in (5, 3, 1)),
    "prototype": ({},),
}
"""Settings to choose from, under scikit-learn's names, from the smoothest machine to the most
pliable."""

DEFAULTS: dict[Kind, Settings] = {
    "svm_rbf": {"C": 16.0, "gamma": "scale"},
    "svm_linear": {"C": 0.25},
    "mlp": {"hidden_layer_sizes": 128, "alpha": 1e-4},
    "logistic": {"C": 1.0},
    "lda": {},
    "knn": {"n_neighbors": 5},
    "random_forest": {"min_samples_leaf": 3},
    "prototype": {},
}
"""Settings where there is nothing to choose on: the middle of the grid or scikit-learn's own."""

BY_COSINE: frozenset[Kind] = frozenset({"knn", "prototype"})
"""Hear embeddings as they are. The extractor was trained by the cosine and verification scores by
it; taking out a mean and stretching each feature would change every angle."""

WITHOUT_PROBABILITIES: frozenset[Kind] = frozenset({"svm_rbf", "svm_linear", "prototype"})
"""Give one score per emotion; a softmax at a fitted temperature makes them probabilities."""

NUM_TREES = 500  # of a random forest
LOWEST, HIGHEST = 0.01, 100.0
"""Temperatures are looked for in between."""

FLOOR = 1e-6
"""What a probability of 0 counts for in a likelihood."""

MAX_INNER_FOLDS = 5
NUM_PROBES = 8
TOLERANCE = 1e-6
"""How far another version of scikit-learn may answer from the one that wrote a machine."""

MACHINES: dict[Kind, str] = {
    "svm_rbf": "SVC",
    "svm_linear": "SVC",
    "mlp": "MLPClassifier",
    "logistic": "LogisticRegression",
    "lda": "LinearDiscriminantAnalysis",
    "knn": "KNeighborsClassifier",
    "random_forest": "RandomForestClassifier",
    "prototype": "Prototypes",
}
"""The type that must be stored under each name: the arrays of each are checked differently."""

HEADER = "serkit.json"
TREE = "sklearn.tree._tree.Tree"
PROTOTYPES = "serkit.models.classifiers.Prototypes"
ALLOWED = {
    "DictNode": {"builtins.dict"},
    "ListNode": {"builtins.list"},
    "TupleNode": {"builtins.tuple"},
    "JsonNode": {"builtins.str"},
    "TypeNode": {"builtins.str"},
    "NdArrayNode": {"numpy.ndarray", "numpy.float64", "numpy.int64"},
    "TreeNode": {TREE},
    "ObjectNode": {
        "sklearn.pipeline.Pipeline",
        "sklearn.preprocessing._data.StandardScaler",
        "sklearn.svm._classes.SVC",
        "sklearn.neural_network._multilayer_perceptron.MLPClassifier",
        "sklearn.preprocessing._label.LabelBinarizer",
        "sklearn.linear_model._logistic.LogisticRegression",
        "sklearn.discriminant_analysis.LinearDiscriminantAnalysis",
        "sklearn.neighbors._classification.KNeighborsClassifier",
        "sklearn.ensemble._forest.RandomForestClassifier",
        "sklearn.tree._classes.DecisionTreeClassifier",
        PROTOTYPES,
    },
}
"""By skops' loader, every type that a stored classifier may hold. skops itself trusts far more:
all of scikit-learn, and methods and functions of numpy and scipy."""


class ClassifierError(ValueError):
    """A classifier cannot be fitted on this, has not been fitted, or cannot be read."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """The settings a classifier was fitted with, and why these."""

    settings: Settings
    """Under scikit-learn's names; empty where there is nothing to choose."""
    uar: float | None
    """Unweighted average recall with them on what they were chosen on; None: on nothing."""
    chosen_on: Literal["development", "inner folds", "nothing"]
    temperature: float
    """Scores are divided by it before the softmax; 1 where the machine has probabilities itself,
    and where there was no development side to fit it on."""


class Classifier(nn.Module):
    """Embeddings to probabilities of emotions by a classical machine.

    | kind | machine of scikit-learn | chosen from |
    |---|---|---|
    | `svm_rbf` | `SVC`, every pair of emotions, balanced | C 2^-2..2^10, gamma 2^-13..2, `scale` |
    | `svm_linear` | the same with a linear kernel | C 2^-8..2^4 |
    | `mlp` | `MLPClassifier`, Adam, 300 iterations | 64, 128, 256 units; alpha 1e-2, 1e-4 |
    | `logistic` | `LogisticRegression`, balanced | C 1e-3..1e2 |
    | `lda` | `LinearDiscriminantAnalysis`, shrunk (Ledoit-Wolf), equal priors | |
    | `knn` | `KNeighborsClassifier` by cosine | 21, 11, 5, 1 neighbours |
    | `random_forest` | `RandomForestClassifier`, 500 trees, balanced | leaves of 5, 3, 1 |
    | `prototype` | none: the emotion whose prototype has the highest cosine | |

    All but `knn` and `prototype`, which compare angles, hear embeddings standardised by the mean
    and standard deviation of what they are fitted on. Everything runs on one core of the CPU.

    `SVC` and prototypes give scores z, not probabilities. These are softmax(z / T); the temperature
    T is fitted by likelihood on development utterances that the machine has not been fitted on.
    (Platt's method inside `SVC` would cross-validate on the training side, which the extractor has
    pulled apart.) The likeliest emotion is always the machine's own answer.

    There are no parameters: ``state_dict()`` holds one tensor of bytes, empty before ``fit``.

    Example:
        >>> generator = np.random.default_rng(0)
        >>> emotions = [0, 1, 2] * 10
        >>> embeddings = np.eye(3)[emotions] + generator.normal(scale=0.1, size=(30, 3))
        >>> classifier = Classifier("svm_rbf", num_emotions=4)
        >>> choice = classifier.fit(embeddings, emotions, speakers=["anna"] * 15 + ["bert"] * 15)
        >>> choice.chosen_on, choice.uar
        ('inner folds', 1.0)
        >>> classifier.posterior(np.eye(3)).argmax(1).tolist()
        [0, 1, 2]
    """

    def __init__(self, kind: Kind, num_emotions: int) -> None:
        super().__init__()
        if kind not in KINDS:
            raise ClassifierError(f"unknown classifier {kind!r}; there are {', '.join(KINDS)}")
        if num_emotions < 2:
            raise ClassifierError(f"num_emotions: {num_emotions} must be two or more")
        self.kind: Kind = kind
        self.num_emotions = num_emotions
        self._stored = b""
        self._machine: Any = None
        self._header: _Header | None = None

    @property
    def is_fitted(self) -> bool:
        """Whether ``posterior`` can be asked."""
        return self._header is not None

    def fit(
        self,
        embeddings: Float[np.ndarray, "B D"],
        emotions: Sequence[int],
        *,
        development: tuple[Float[np.ndarray, "V D"], Sequence[int]] | None = None,
        speakers: Sequence[str | None] | None = None,
        refit: bool = True,
        seed: int = 0,
    ) -> Choice:
        """Choose the settings, then fit the machine; what was fitted before is forgotten.

        The settings with the highest unweighted average recall are taken, and of equals the
        likeliest: on the development side if there is one; else over up to five inner folds that
        keep speakers apart, if at least two speakers are known (utterances of unknown speakers stay
        together in one fold); else the defaults.

        Args:
            embeddings: Of the training side.
            emotions: Of each of them, 0 to C - 1. Those that do not occur are never answered.
            development: Embeddings and emotions of other speakers, not used in training the
                extractor; may be empty.
            speakers: Of each training embedding; only looked at without a development side.
            refit: After the choice, fit on training and development side together.
            seed: For `mlp` and `random_forest`; the others draw nothing.

        Returns:
            What was chosen. The same input gives the same choice and the same bytes.

        Raises:
            ClassifierError: Fewer than two emotions; not one emotion or speaker per embedding; an
                emotion outside 0 to C - 1; an embedding that is not finite; `lda` with one
                utterance per emotion.
        """
        side = self._side(embeddings, emotions, "training")
        extra = None
        if development is not None and len(development[0]):
            extra = self._side(*development, "development")
        if speakers is not None and len(speakers) != len(side[0]):
            raise ClassifierError(f"fit: {len(side[0])} embeddings but {len(speakers)} speakers")

        temperature, uar = 1.0, None
        settings, chosen_on = DEFAULTS[self.kind], "nothing"
        if extra is not None:
            settings, uar = self._choose([(side, extra)], seed)
            chosen_on = "development"
            if self.kind in WITHOUT_PROBABILITIES:
                machine = _fitted(self.kind, settings, side, seed)
                scores = _scores(self.kind, machine, extra[0])
                temperature = _temperature(scores, machine.classes_, extra[1])
            if refit:
                side = (np.concatenate([side[0], extra[0]]), np.concatenate([side[1], extra[1]]))
        elif folds := _inner_folds(side, speakers or ()):
            settings, uar = self._choose(folds, seed)
            chosen_on = "inner folds"

        self._adopt(self._packed(_fitted(self.kind, settings, side, seed), temperature, side[0]))
        return Choice(settings=settings, uar=uar, chosen_on=chosen_on, temperature=temperature)

    def posterior(self, embeddings: Float[np.ndarray, "B D"]) -> Float[np.ndarray, "B C"]:
        """Probability of each emotion; 0 for one that never occurred in ``fit``.

        Args:
            embeddings: D as in ``fit``.

        Returns:
            Rows that sum to 1.

        Raises:
            ClassifierError: Nothing was fitted; another D; an embedding that is not finite.
        """
        if self._header is None:
            raise ClassifierError(
                f"this {self.kind} classifier has not been fitted: call fit(embeddings, emotions), "
                "or load a model folder whose classifier was fitted before it was saved"
            )
        return _posterior(self._machine, self._header, _rows(embeddings, "posterior"))

    def get_extra_state(self) -> UInt8[Tensor, " _"]:
        """The stored machine, for ``state_dict``; empty before ``fit``."""
        return torch.from_numpy(np.frombuffer(self._stored, dtype=np.uint8).copy())

    def set_extra_state(self, state: UInt8[Tensor, " _"]) -> None:
        """Take over a stored machine, for ``load_state_dict``; nothing is unpickled.

        Raises:
            ClassifierError: The bytes are damaged, hold a type that no classifier needs, belong to
                another kind or number of emotions, or this version of scikit-learn does not answer
                as the one did that wrote them.
        """
        self._adopt(state.cpu().numpy().tobytes())

    def _adopt(self, stored: bytes) -> None:
        """Answer from these bytes from now on.

        ``fit`` comes by here too, so that what answers is always what is stored.
        """
        if stored:
            header, machine = _unpacked(stored)
            if (header.kind, header.num_emotions) != (self.kind, self.num_emotions):
                raise ClassifierError(
                    f"the stored classifier is {header.kind} for {header.num_emotions} emotions, "
                    f"not {self.kind} for {self.num_emotions}"
                )
        else:
            header, machine = None, None
        self._stored, self._header, self._machine = stored, header, machine

    def _packed(
        self, machine: Any, temperature: float, embeddings: Float[np.ndarray, "B D"]
    ) -> bytes:
        """A fitted machine as bytes, with some of what it heard and answered."""
        import sklearn
        import skops

        probes = np.linspace(0, len(embeddings) - 1, NUM_PROBES).astype(int)
        header = _Header(
            kind=self.kind,
            num_emotions=self.num_emotions,
            num_features=embeddings.shape[1],
            temperature=temperature,
            scikit_learn=sklearn.__version__,
            skops=skops.__version__,
            heard=embeddings[probes].tolist(),
            answered=[],
        )
        header.answered.extend(_posterior(machine, header, embeddings[probes]).tolist())
        return _packed(header, machine)

    def _choose(self, folds: "list[tuple[_Side, _Side]]", seed: int) -> tuple[Settings, float]:
        """The settings with the highest UAR, each fitted and tried on every fold.

        On few utterances many reach the same. Of these the one that made the emotions likeliest is
        taken, and of equals the first: a machine that is barely fitted ranks well and is sure of
        nothing.
        """
        reference = np.concatenate([emotions for _, (_, emotions) in folds])
        best, highest = GRIDS[self.kind][0], (-1.0, -math.inf)
        for settings in GRIDS[self.kind]:
            answers: list[Int[np.ndarray, " V"]] = []
            log_likelihood = 0.0
            for fitted_on, (embeddings, emotions) in folds:
                machine = _fitted(self.kind, settings, fitted_on, seed)
                scores = _scores(self.kind, machine, embeddings)
                answers.append(machine.classes_[scores.argmax(axis=1)])
                if self.kind in WITHOUT_PROBABILITIES:
                    scores = _softmax(scores / _temperature(scores, machine.classes_, emotions))
                given = np.where(machine.classes_ == emotions[:, None], scores, 0.0).sum(axis=1)
                log_likelihood += float(np.log(given.clip(min=FLOOR)).sum())
            reached = (_uar(np.concatenate(answers), reference), log_likelihood)
            if reached > highest:
                best, highest = settings, reached
        return best, highest[0]

    def _side(
        self, embeddings: Float[np.ndarray, "B D"], emotions: Sequence[int], name: str
    ) -> "_Side":
        """Embeddings and emotions as arrays, or what is wrong with them."""
        heard, indices = _rows(embeddings, f"fit, {name} side"), np.asarray(emotions, dtype=int)
        if len(heard) != len(indices):
            raise ClassifierError(
                f"fit, {name} side: {len(heard)} embeddings but {len(indices)} emotions"
            )
        outside = sorted(set(indices.tolist()) - set(range(self.num_emotions)))
        if outside:
            raise ClassifierError(
                f"fit, {name} side: emotions {outside} are not from 0 to {self.num_emotions - 1}"
            )
        num_heard = len(np.unique(indices))
        if name == "training" and num_heard < 2:
            raise ClassifierError(
                f"fit: a classifier separates two emotions or more, here are {num_heard}"
            )
        return heard, indices


class Prototypes:
    """Of each emotion the normalised mean of the normalised embeddings; cosines to them.

    Snell, Swersky, Zemel, "Prototypical Networks for Few-shot Learning", NeurIPS 2017, arXiv
    1703.05175, equation 1, on the unit sphere.

    Example:
        >>> machine = Prototypes().fit(np.array([[2.0, 0.0], [0.0, 3.0]]), np.array([4, 6]))
        >>> machine.decision_function(np.array([[3.0, 4.0]])).round(6).tolist()
        [[0.6, 0.8]]
        >>> machine.classes_.tolist()
        [4, 6]
    """

    classes_: Int[np.ndarray, " P"]
    prototypes_: Float[np.ndarray, "P D"]

    def fit(
        self, embeddings: Float[np.ndarray, "B D"], emotions: Int[np.ndarray, " B"]
    ) -> "Prototypes":
        """Enrol every emotion that occurs."""
        unit = _unit(embeddings)
        self.classes_ = np.unique(emotions)
        self.prototypes_ = _unit(np.stack([unit[emotions == k].mean(0) for k in self.classes_]))
        return self

    def decision_function(self, embeddings: Float[np.ndarray, "B D"]) -> Float[np.ndarray, "B P"]:
        """Cosine to each prototype, in the order of ``classes_``."""
        return _unit(embeddings) @ self.prototypes_.T


# Sides of different lengths stand in one list, so that none of them is B.
_Side = tuple[Float[np.ndarray, "_ _"], Int[np.ndarray, " _"]]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Header:
    """What stands beside a stored machine."""

    kind: Kind
    num_emotions: int
    num_features: int
    temperature: float
    scikit_learn: str
    skops: str
    heard: list[list[float]]
    """A few embeddings of the training side,"""
    answered: list[list[float]]
    """and their posteriors: another version of scikit-learn must give the same."""


def _machine(kind: Kind, settings: Settings, side: _Side, seed: int) -> Any:
    """An unfitted machine of scikit-learn's, or ``Prototypes``."""
    num_heard = len(np.unique(side[1]))
    match kind:
        case "svm_rbf" | "svm_linear":
            from sklearn.svm import SVC

            # One score per emotion out of the votes and margins of all pairs. Only with
            # break_ties does the machine itself answer with the highest of them.
            return SVC(
                kernel=kind.removeprefix("svm_"),
                class_weight="balanced",
                decision_function_shape="ovr",
                break_ties=True,
                **settings,
            )
        case "mlp":
            from sklearn.neural_network import MLPClassifier

            return MLPClassifier(max_iter=300, random_state=seed, **settings)
        case "logistic":
            from sklearn.linear_model import LogisticRegression

            return LogisticRegression(class_weight="balanced", max_iter=1000, **settings)
        case "lda":
            from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

            if len(side[1]) == num_heard:
                raise ClassifierError(
                    "fit: lda measures how the utterances of one emotion differ, but here is one "
                    "per emotion; give more, or use prototype or knn"
                )
            priors = [1.0 / num_heard] * num_heard
            return LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto", priors=priors)
        case "knn":
            from sklearn.neighbors import KNeighborsClassifier

            num_neighbours = min(settings["n_neighbors"], len(side[1]))
            return KNeighborsClassifier(num_neighbours, metric="cosine", algorithm="brute")
        case "random_forest":
            from sklearn.ensemble import RandomForestClassifier

            return RandomForestClassifier(
                NUM_TREES, class_weight="balanced", random_state=seed, n_jobs=1, **settings
            )
        case "prototype":
            return Prototypes()


def _fitted(kind: Kind, settings: Settings, side: _Side, seed: int) -> Any:
    """A machine with these settings, fitted on one side."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    machine = _machine(kind, settings, side, seed)
    whole = machine if kind in BY_COSINE else make_pipeline(StandardScaler(), machine)
    with warnings.catch_warnings():
        # 300 iterations are the setting, not a promise to converge
        warnings.simplefilter("ignore", ConvergenceWarning)
        # of lda, for an emotion with one utterance: it adds nothing to the common covariance
        warnings.filterwarnings("ignore", "Only one sample available", UserWarning)
        _ = whole.fit(*side)
    for only_for_more_training in ("_optimizer", "_random_state"):  # of mlp, twice its weights
        _ = vars(machine).pop(only_for_more_training, None)
    return whole


def _scores(
    kind: Kind, machine: Any, embeddings: Float[np.ndarray, "B D"]
) -> Float[np.ndarray, "B P"]:
    """Probabilities where a machine has them, else scores; a column per ``machine.classes_``."""
    if kind not in WITHOUT_PROBABILITIES:
        return machine.predict_proba(embeddings)
    scores = machine.decision_function(embeddings)
    # of two emotions scikit-learn gives one score, the second's over the first's
    return scores if scores.ndim == 2 else np.stack([-scores / 2, scores / 2], axis=1)


def _posterior(
    machine: Any, header: _Header, embeddings: Float[np.ndarray, "B D"]
) -> Float[np.ndarray, "B C"]:
    """Probabilities over all C emotions."""
    if embeddings.shape[1] != header.num_features:
        raise ClassifierError(
            f"posterior: embeddings of {embeddings.shape[1]} numbers, but this {header.kind} "
            f"classifier was fitted on {header.num_features}"
        )
    probabilities = np.zeros((len(embeddings), header.num_emotions))
    if len(embeddings):
        scores = _scores(header.kind, machine, embeddings)
        if header.kind in WITHOUT_PROBABILITIES:
            scores = _softmax(scores / header.temperature)
        probabilities[:, machine.classes_] = scores
    return probabilities


def _temperature(
    scores: Float[np.ndarray, "V P"],
    heard: Int[np.ndarray, " P"],
    emotions: Int[np.ndarray, " V"],
) -> float:
    """The temperature with the least log loss on a development side.

    Reference: Guo, Pleiss, Sun, Weinberger, "On Calibration of Modern Neural Networks", ICML 2017,
    arXiv 1706.04599, section 4.2. The loss is convex in 1/T, so its slope is halved to zero. The
    targets are not 1 and 0 but, by the rule of succession, (V + 1) / (V + P) and 1 / (V + P), as in
    Platt's "Probabilistic outputs for support vector machines" (1999): a small side that is all
    right would otherwise ask for certainty.

    Utterances of an emotion that the machine has not heard say nothing here.
    """
    is_heard = np.isin(emotions, heard)
    scores, column = scores[is_heard], np.searchsorted(heard, emotions[is_heard])
    if not len(scores):
        return 1.0
    num, num_heard = scores.shape
    target = np.full(scores.shape, 1.0 / (num + num_heard))
    target[np.arange(num), column] = (num + 1.0) / (num + num_heard)
    wanted = (target * scores).sum()

    low, high = 1.0 / HIGHEST, 1.0 / LOWEST  # of 1/T
    for _ in range(40):
        sharpness = math.sqrt(low * high)
        expected = (_softmax(scores * sharpness) * scores).sum()
        low, high = (sharpness, high) if expected < wanted else (low, sharpness)
    return 1.0 / math.sqrt(low * high)


def _inner_folds(side: _Side, speakers: Sequence[str | None]) -> list[tuple[_Side, _Side]]:
    """Pairs of what is fitted on and what is tried, no speaker in both; none of one speaker."""
    from sklearn.model_selection import GroupKFold

    if len(set(speakers) - {None}) < 2:
        return []
    embeddings, emotions = side
    names = list(dict.fromkeys(speakers))
    groups = [names.index(speaker) for speaker in speakers]
    split = GroupKFold(min(MAX_INNER_FOLDS, len(names))).split(embeddings, emotions, groups)
    return [
        ((embeddings[fit], emotions[fit]), (embeddings[tried], emotions[tried]))
        for fit, tried in split
        if 1 < len(np.unique(emotions[fit])) < len(fit)  # else there is nothing to learn from
    ]


def _uar(answers: Int[np.ndarray, " B"], reference: Int[np.ndarray, " B"]) -> float:
    """Mean over the emotions of the reference of how many of each were found."""
    is_right = answers == reference
    return float(np.mean([is_right[reference == k].mean() for k in np.unique(reference)]))


def _rows(embeddings: Float[np.ndarray, "B D"], where: str) -> Float[np.ndarray, "B D"]:
    """In double precision, and finite."""
    if not np.isfinite(embeddings).all():
        first = int(np.flatnonzero(~np.isfinite(embeddings).all(axis=1))[0])
        raise ClassifierError(f"{where}: embedding {first} holds values that are not finite")
    return embeddings.astype(np.float64)


def _unit(embeddings: Float[np.ndarray, "B D"]) -> Float[np.ndarray, "B D"]:
    """Scaled to length 1; a vector of zeros stays one, at a cosine of 0 to everything."""
    lengths = np.linalg.norm(embeddings, axis=1, keepdims=True)
    return embeddings / np.where(lengths > 0.0, lengths, 1.0)


def _softmax(scores: Float[np.ndarray, "B P"]) -> Float[np.ndarray, "B P"]:
    """Along the last axis."""
    grown = np.exp(scores - scores.max(axis=1, keepdims=True))
    return grown / grown.sum(axis=1, keepdims=True)


def _packed(header: _Header, machine: Any) -> bytes:
    """A zip archive: skops' own members, and the header. Equal machines give equal bytes.

    skops names objects and members by their address in memory; here they are counted.
    """
    import skops.io

    counted: dict[str, str] = {}

    def count(found: re.Match[str]) -> str:
        return found[1] + counted.setdefault(found[2], str(len(counted)))

    stored = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(skops.io.dumps(machine))) as theirs,
        zipfile.ZipFile(stored, "w") as ours,
    ):
        schema = theirs.read("schema.json").decode()
        members = {
            "schema.json": re.sub(r'("__id__": |"file": ")(\d+)', count, schema).encode(),
            HEADER: json.dumps(asdict(header)).encode(),
        }
        for name in theirs.namelist():
            if name.endswith(".npy"):
                members[f"{counted[name.removesuffix('.npy')]}.npy"] = theirs.read(name)
        for name, content in members.items():  # a ZipInfo of its own carries no time of day
            ours.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return stored.getvalue()


def _unpacked(stored: bytes) -> tuple[_Header, Any]:
    """What ``_packed`` made, after looking at everything it names and before building any of it."""
    import skops.io
    from pydantic import TypeAdapter

    written_by = ""
    try:
        with zipfile.ZipFile(io.BytesIO(stored)) as archive:
            header = TypeAdapter(_Header).validate_json(archive.read(HEADER), strict=True)
            written_by = _versions(header)
            _audit(json.loads(archive.read("schema.json")))
        with warnings.catch_warnings():
            # scikit-learn warns of any other version; whether it matters is found out below
            warnings.filterwarnings("ignore", "Trying to unpickle estimator")
            machine = skops.io.loads(stored, trusted=[TREE, PROTOTYPES])
        _check_arrays(machine, header)
        _check_answers(machine, header)
    except ClassifierError:
        raise
    except Exception as error:  # whatever a damaged or forged archive provokes in its readers
        remedy = "Install those it was written with" if written_by else "Take another copy"
        raise ClassifierError(
            f"the stored classifier cannot be read{written_by}: {type(error).__name__}: {error}. "
            f"{remedy}, or fit it again"
        ) from error
    return header, machine


def _versions(header: _Header) -> str:
    """Who wrote a machine and who reads it, where they differ."""
    import sklearn
    import skops

    if (header.scikit_learn, header.skops) == (sklearn.__version__, skops.__version__):
        return ""
    return (
        f" (written with scikit-learn {header.scikit_learn} and skops {header.skops}; installed "
        f"are {sklearn.__version__} and {skops.__version__})"
    )


def _audit(schema: Any) -> None:
    """Refuse every type that is not in ``ALLOWED``, before anything is imported or built."""
    unknown: set[str] = set()
    for node in _nodes(schema):
        loader, kind = node["__loader__"], f"{node['__module__']}.{node['__class__']}"
        if kind not in ALLOWED.get(loader, ()):
            unknown.add(f"{kind} ({loader})")
        # a tree reads as many numbers as its last argument says, without looking
        if loader == "TreeNode" and node["__reduce__"]["args"]["content"][2]["content"] != "1":
            unknown.add("a tree of several answers")
    if unknown:
        raise ClassifierError(
            f"the stored classifier holds {', '.join(sorted(unknown))}, which no classifier of "
            "serkit needs. It was altered or written by something else; it is refused, and nothing "
            "in it was run"
        )


def _nodes(value: Any) -> Iterator[dict[str, Any]]:
    """Every object that a schema describes, at whatever depth."""
    waiting = [value]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            if "__loader__" in value:
                yield value
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)


def _check_arrays(machine: Any, header: _Header) -> None:
    """Refuse arrays that compiled code would read past: scikit-learn looks at few of these."""
    kind, steps = header.kind, [machine]
    if kind not in BY_COSINE:
        steps = [step for _, step in machine.steps]
    expected = [MACHINES[kind]] if kind in BY_COSINE else ["StandardScaler", MACHINES[kind]]
    last = steps[-1]
    is_sound = (
        [type(step).__name__ for step in steps] == expected
        and header.temperature > 0.0
        and np.array_equal(last.classes_, np.unique(last.classes_))
        and last.classes_[0] >= 0
        and last.classes_[-1] < header.num_emotions
    )
    if kind in ("svm_rbf", "svm_linear"):
        is_sound = is_sound and _is_sound_svm(last, kind, header.num_features)
    if kind == "random_forest":
        is_sound = is_sound and all(
            _is_sound_tree(tree, header.num_features) for tree in last.estimators_
        )
    if not is_sound:
        raise ClassifierError(
            f"the stored {kind} classifier has parts that do not fit each other: it was damaged or "
            "altered, and is refused"
        )


def _is_sound_svm(machine: Any, kind: Kind, num_features: int) -> bool:
    """Whether every array is as long as libsvm takes it to be."""
    num_heard, num_vectors = len(machine.classes_), len(machine.support_vectors_)
    return (
        machine.kernel == kind.removeprefix("svm_")
        and machine.support_vectors_.shape == (num_vectors, num_features)
        and machine.support_.shape == (num_vectors,)
        and machine._n_support.shape == (num_heard,)
        and machine._n_support.min() >= 0
        and machine._n_support.sum() == num_vectors
        and machine._dual_coef_.shape == (num_heard - 1, num_vectors)
        and machine._intercept_.shape == (num_heard * (num_heard - 1) // 2,)
    )


def _is_sound_tree(tree: Any, num_features: int) -> bool:
    """Whether every branch asks for a feature there is, and leads on to two nodes there are."""
    nodes = tree.tree_.__getstate__()["nodes"]
    index = np.flatnonzero(nodes["left_child"] != -1)  # of branches; the others are leaves
    branches = nodes[index]
    return (
        type(tree).__name__ == "DecisionTreeClassifier"
        and len(nodes) > 0
        and all(
            # children stand behind their parent, so that every path ends
            bool(((branches[child] > index) & (branches[child] < len(nodes))).all())
            for child in ("left_child", "right_child")
        )
        and bool(((branches["feature"] >= 0) & (branches["feature"] < num_features)).all())
    )


def _check_answers(machine: Any, header: _Header) -> None:
    """Refuse a machine that another version of scikit-learn reads differently."""
    differing = _versions(header)
    if not differing:
        return
    now = _posterior(machine, header, np.array(header.heard))
    error = np.abs(now - np.array(header.answered)).max()
    if not error <= TOLERANCE:
        raise ClassifierError(
            f"the stored {header.kind} classifier does not answer as it did when it was fitted: "
            f"probabilities are off by {error:.2g}{differing}. Install scikit-learn "
            f"{header.scikit_learn}, or fit the classifier again"
        )
