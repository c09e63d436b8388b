import functools
import inspect
import io
import json
import math
import os
import pickle
import zipfile
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import skops.io
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from scipy.optimize import minimize_scalar
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import recall_score
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, Normalizer, StandardScaler
from sklearn.svm import SVC

from serkit.models import KINDS, Choice, Classifier, ClassifierError, Kind, classifiers
from serkit.models.classifiers import DEFAULTS, GRIDS

NUM_EMOTIONS, NUM_FEATURES, UNHEARD = 5, 8, 2

TWINS: dict[Kind, Callable[..., Any]] = {
    "svm_rbf": lambda **chosen: SVC(class_weight="balanced", break_ties=True, **chosen),
    "svm_linear": lambda **chosen: SVC(
        kernel="linear", class_weight="balanced", break_ties=True, **chosen
    ),
    "mlp": lambda **chosen: MLPClassifier(max_iter=300, random_state=3, **chosen),
    "logistic": lambda **chosen: LogisticRegression(
        class_weight="balanced", max_iter=1000, **chosen
    ),
    "lda": lambda: LinearDiscriminantAnalysis(
        solver="lsqr", shrinkage="auto", priors=[0.25, 0.25, 0.25, 0.25]
    ),
    "random_forest": lambda **chosen: RandomForestClassifier(
        classifiers.NUM_TREES, class_weight="balanced", random_state=3, **chosen
    ),
    "knn": lambda **chosen: KNeighborsClassifier(metric="cosine", **chosen),
}
"""What scikit-learn is asked for, written a second time."""


def drawn(num: int, spread: float, *, seed: int) -> tuple[np.ndarray, list[int]]:
    """Unit vectors around one direction per emotion; emotion 2 does not occur."""
    generator = np.random.default_rng(seed)
    emotions = [(0, 1, 3, 4)[index % 4] for index in range(num)]
    embeddings = np.eye(NUM_EMOTIONS, NUM_FEATURES)[emotions]
    embeddings = embeddings + generator.normal(scale=spread, size=embeddings.shape)
    return embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True), emotions


TRAINING = drawn(60, 0.2, seed=0)  # pulled apart, as by an extractor that was trained on them
DEVELOPMENT = drawn(40, 0.6, seed=1)
QUERIES = drawn(200, 0.6, seed=2)[0]


@functools.cache
def fitted(kind: Kind) -> tuple[Classifier, Choice]:
    classifier = Classifier(kind, NUM_EMOTIONS)
    # the forest would take seconds for its grid; its settings need no development side
    development = None if kind == "random_forest" else DEVELOPMENT
    return classifier, classifier.fit(*TRAINING, development=development, seed=3)


def twin(kind: Kind, *, choice: Choice, refit: bool = True) -> Any:
    embeddings, emotions = TRAINING
    if refit and choice.chosen_on == "development":
        embeddings = np.concatenate([embeddings, DEVELOPMENT[0]])
        emotions = emotions + DEVELOPMENT[1]
    machine = TWINS[kind](**choice.settings)
    if kind != "knn":
        machine = make_pipeline(StandardScaler(), machine)
    return machine.fit(embeddings, emotions)


def log_loss(scores: np.ndarray, column: np.ndarray, temperature: float) -> float:
    """With the targets of the rule of succession, in loops."""
    total = 0.0
    for row, right in zip(scores / temperature, column, strict=True):
        normaliser = math.log(sum(math.exp(score) for score in row))
        for index, score in enumerate(row):
            weight = (len(scores) if index == right else 0) + 1
            total -= weight / (len(scores) + len(row)) * (score - normaliser)
    return total


def archived(classifier: Classifier) -> dict[str, bytes]:
    """The members of a stored classifier."""
    with zipfile.ZipFile(io.BytesIO(classifier.get_extra_state().numpy().tobytes())) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def as_state(members: dict[str, bytes] | bytes) -> torch.Tensor:
    if isinstance(members, bytes):
        return torch.from_numpy(np.frombuffer(members, dtype=np.uint8).copy())
    stored = io.BytesIO()
    with zipfile.ZipFile(stored, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return as_state(stored.getvalue())


def with_array(
    members: dict[str, bytes], wanted: Callable[[np.ndarray], bool], change: Callable[..., Any]
) -> dict[str, bytes]:
    """The first array that is ``wanted``, replaced by its ``change``."""
    for name, content in members.items():
        if name.endswith(".npy") and wanted(array := np.load(io.BytesIO(content))):
            altered = io.BytesIO()
            np.save(altered, change(array))
            return members | {name: altered.getvalue()}
    raise AssertionError("no such array")


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")  # of the twin, not of ours
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind in TWINS])
def test_the_likeliest_emotion_is_the_answer_of_scikit_learn(kind):
    classifier, choice = fitted(kind)
    machine = twin(kind, choice=choice)
    posterior = classifier.posterior(QUERIES)
    answers = machine.predict(QUERIES)
    assert len(np.unique(answers)) == 4
    assert posterior.argmax(axis=1).tolist() == answers.tolist()
    heard = posterior[:, [0, 1, 3, 4]]
    if hasattr(machine, "predict_proba"):
        np.testing.assert_allclose(heard, machine.predict_proba(QUERIES), rtol=0, atol=1e-12)
    else:
        scores = machine.decision_function(QUERIES) / choice.temperature
        expected = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
        np.testing.assert_allclose(heard, expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("kind", ["svm_rbf", "svm_linear"])
def test_between_two_emotions_the_machine_is_followed_too(kind):
    embeddings, emotions = TRAINING
    pair = [index for index, emotion in enumerate(emotions) if emotion in (3, 4)]
    classifier = Classifier(kind, NUM_EMOTIONS)
    choice = classifier.fit(embeddings[pair], [emotions[index] for index in pair])
    machine = make_pipeline(StandardScaler(), TWINS[kind](**choice.settings))
    machine.fit(embeddings[pair], [emotions[index] for index in pair])
    posterior = classifier.posterior(QUERIES)
    assert posterior.argmax(axis=1).tolist() == machine.predict(QUERIES).tolist()
    logistic = 1 / (1 + np.exp(-machine.decision_function(QUERIES)))
    np.testing.assert_allclose(posterior[:, 4], logistic, rtol=0, atol=1e-9)


def test_a_prototype_is_the_normalised_mean_of_normalised_embeddings():
    embeddings = np.array([[3.0, 0.0], [0.0, 0.5], [-2.0, 0.0]])
    classifier = Classifier("prototype", 3)
    _ = classifier.fit(embeddings, [0, 0, 1])
    diagonal = math.sqrt(0.5)
    scores = np.array([[diagonal, -1.0], [diagonal, 0.0], [1.0, -diagonal]])
    expected = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    queries = np.array([[5.0, 0.0], [0.0, 0.1], [1.0, 1.0]])
    np.testing.assert_allclose(classifier.posterior(queries)[:, :2], expected, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_rows_sum_to_one_and_an_emotion_never_heard_has_no_probability(kind):
    posterior = fitted(kind)[0].posterior(QUERIES)
    assert posterior.shape == (len(QUERIES), NUM_EMOTIONS)
    np.testing.assert_allclose(posterior.sum(axis=1), 1.0, rtol=0, atol=1e-9)
    assert (posterior >= 0.0).all()
    assert (posterior[:, UNHEARD] == 0.0).all()


@pytest.mark.parametrize("kind", KINDS)
def test_saved_as_safetensors_and_loaded_it_answers_bit_for_bit(kind, tmp_path):
    classifier, _ = fitted(kind)
    state = classifier.state_dict()
    assert [tensor.dtype for tensor in state.values()] == [torch.uint8]
    save_file(state, tmp_path / "model.safetensors")
    loaded = Classifier(kind, NUM_EMOTIONS)
    _ = loaded.load_state_dict(load_file(tmp_path / "model.safetensors"))
    assert np.array_equal(loaded.posterior(QUERIES), classifier.posterior(QUERIES))
    assert torch.equal(loaded.get_extra_state(), classifier.get_extra_state())


@pytest.mark.parametrize("kind", KINDS)
def test_an_utterance_is_answered_the_same_alone_or_among_others(kind):
    classifier, _ = fitted(kind)
    together = classifier.posterior(QUERIES)
    for index in (0, 7):
        alone = classifier.posterior(QUERIES[index : index + 1])
        np.testing.assert_allclose(alone[0], together[index], rtol=0, atol=1e-9)
    assert classifier.posterior(QUERIES[:0]).shape == (0, NUM_EMOTIONS)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "random_forest"])
def test_the_same_input_gives_the_same_bytes(kind):
    again = Classifier(kind, NUM_EMOTIONS)
    assert again.fit(*TRAINING, development=DEVELOPMENT, seed=3) == fitted(kind)[1]
    assert torch.equal(again.get_extra_state(), fitted(kind)[0].get_extra_state())


def test_the_seed_decides_what_a_network_draws():
    states = []
    for seed in (0, 0, 1):
        classifier = Classifier("mlp", NUM_EMOTIONS)
        _ = classifier.fit(*TRAINING, seed=seed)
        states.append(classifier.get_extra_state().tolist())
    assert states[0] == states[1] != states[2]


@pytest.mark.parametrize("kind", ["svm_linear", "logistic"])
def test_no_setting_of_the_grid_does_better_on_the_development_side(kind):
    choice = fitted(kind)[1]
    reached = {}
    for settings_of in GRIDS[kind]:
        candidate = Choice(settings=settings_of, uar=None, chosen_on="nothing", temperature=1.0)
        answers = twin(kind, choice=candidate).predict(DEVELOPMENT[0])
        reached[str(settings_of)] = recall_score(DEVELOPMENT[1], answers, average="macro")
    assert len(set(reached.values())) > 1
    assert choice.chosen_on == "development"
    assert choice.uar == pytest.approx(max(reached.values()))
    assert reached[str(choice.settings)] == pytest.approx(choice.uar)


def test_the_choice_is_made_where_utterances_are_not_pulled_apart():
    generator = np.random.default_rng(0)
    emotions = [0, 1] * 100
    embeddings = np.array([[1.0, 0.0], [0.0, 1.0]])[emotions]
    embeddings = embeddings + generator.normal(scale=0.4, size=embeddings.shape)
    unseen = np.array([[1.0, 0.0], [0.0, 1.0]])[emotions]
    unseen = unseen + generator.normal(scale=0.4, size=unseen.shape)
    # a neighbour on the training side is the utterance itself, and always right
    on_itself = Classifier("knn", 2).fit(embeddings, emotions, development=(embeddings, emotions))
    assert (on_itself.settings, on_itself.uar) == ({"n_neighbors": 1}, 1.0)
    elsewhere = Classifier("knn", 2).fit(embeddings, emotions, development=(unseen, emotions))
    assert elsewhere.settings["n_neighbors"] > 1


@pytest.mark.parametrize("kind", ["lda", "logistic", "svm_linear"])
def test_inner_folds_keep_speakers_apart_as_those_of_scikit_learn_do(kind):
    embeddings, emotions = drawn(80, 0.7, seed=4)
    speakers = [f"speaker {index // 12}" for index in range(80)]
    choice = Classifier(kind, NUM_EMOTIONS).fit(embeddings, emotions, speakers=speakers)
    answers = cross_val_predict(
        make_pipeline(StandardScaler(), TWINS[kind](**choice.settings)),
        embeddings,
        emotions,
        groups=speakers,
        cv=GroupKFold(5),
    )
    assert choice.chosen_on == "inner folds"
    assert choice.uar == pytest.approx(recall_score(emotions, answers, average="macro"))
    assert choice.uar < 1.0
    assert choice.temperature == 1.0


def test_one_speaker_or_unknown_ones_leave_nothing_to_choose_on():
    for speakers in (None, ["anna"] * 60, [None] * 60, ["anna", None] * 30):
        choice = Classifier("logistic", NUM_EMOTIONS).fit(*TRAINING, speakers=speakers)
        assert choice == Choice(
            settings=DEFAULTS["logistic"], uar=None, chosen_on="nothing", temperature=1.0
        )
    unknown = ["anna"] * 20 + [None] * 20 + ["bert"] * 20
    assert Classifier("knn", 5).fit(*TRAINING, speakers=unknown).chosen_on == "inner folds"
    empty = (np.zeros((0, NUM_FEATURES)), [])
    assert Classifier("knn", 5).fit(*TRAINING, development=empty).chosen_on == "nothing"


def test_inner_folds_in_which_only_one_emotion_is_left_are_passed_over():
    embeddings, emotions = np.eye(4), [0, 0, 1, 1]
    choice = Classifier("knn", 2).fit(embeddings, emotions, speakers=["a", "a", "b", "b"])
    assert choice.chosen_on == "nothing"


def test_refitting_adds_the_development_side():
    embeddings, emotions = np.eye(3), [0, 1, 1]
    development = (np.array([[0.0, 0.0, 2.0]]), [2])
    classifier = Classifier("prototype", 3)
    _ = classifier.fit(embeddings, emotions, development=development, refit=False)
    assert (classifier.posterior(np.eye(3))[:, 2] == 0.0).all()
    _ = classifier.fit(embeddings, emotions, development=development)
    assert classifier.posterior(np.eye(3))[2].argmax() == 2


def test_without_refitting_the_machine_has_heard_only_the_training_side():
    classifier = Classifier("svm_rbf", NUM_EMOTIONS)
    choice = classifier.fit(*TRAINING, development=DEVELOPMENT, refit=False)
    machine = twin("svm_rbf", choice=choice, refit=False)
    posterior = classifier.posterior(QUERIES)
    assert posterior.argmax(axis=1).tolist() == machine.predict(QUERIES).tolist()


@pytest.mark.parametrize("kind", ["svm_linear", "prototype"])
def test_the_temperature_makes_the_development_side_likeliest(kind):
    choice = fitted(kind)[1]
    if kind == "prototype":
        unit, emotions = TRAINING[0], np.array(TRAINING[1])
        means = Normalizer().transform(
            np.stack([unit[emotions == emotion].mean(axis=0) for emotion in (0, 1, 3, 4)])
        )
        scores = DEVELOPMENT[0] @ means.T
    else:
        scores = twin(kind, choice=choice, refit=False).decision_function(DEVELOPMENT[0])
    column = np.searchsorted([0, 1, 3, 4], DEVELOPMENT[1])
    found = minimize_scalar(
        lambda logarithm: log_loss(scores, column, math.exp(logarithm)), bounds=(-4, 4)
    )
    assert choice.temperature == pytest.approx(math.exp(found.x), rel=1e-3)
    assert abs(math.log(choice.temperature)) > 0.05


def test_a_development_side_that_is_all_right_does_not_ask_for_certainty():
    embeddings, emotions = np.eye(2), [0, 1]
    classifier = Classifier("prototype", 2)
    _ = classifier.fit(embeddings, emotions, development=(embeddings, emotions), refit=False)
    # two right of two: by the rule of succession the next is right in 3 cases of 4
    np.testing.assert_allclose(classifier.posterior(np.eye(2))[0], [0.75, 0.25], atol=1e-9)


def test_development_emotions_never_heard_leave_the_temperature_alone():
    embeddings = np.eye(2)
    choice = Classifier("prototype", 3).fit(embeddings, [0, 1], development=(embeddings, [2, 2]))
    assert (choice.uar, choice.temperature) == (0.0, 1.0)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("emotions", [[0, 3], [4, 4, 1], [1, 1, 2, 2], [0, 1, 2, 3, 4, 0]])
def test_a_handful_of_utterances_is_enough(kind, emotions):
    embeddings = np.eye(5, NUM_FEATURES)[emotions] + np.linspace(0, 0.01, NUM_FEATURES)
    embeddings = embeddings + 0.01 * np.arange(len(emotions))[:, None] ** 2
    classifier = Classifier(kind, 5)
    if kind == "random_forest" and len(emotions) in (3, 4):
        return  # a second each, and nothing that the others do not show
    if kind == "lda" and emotions == [0, 3]:
        with pytest.raises(ClassifierError, match="give more, or use prototype or knn"):
            _ = classifier.fit(embeddings, emotions)
        return
    _ = classifier.fit(embeddings, emotions)
    posterior = classifier.posterior(embeddings)
    np.testing.assert_allclose(posterior.sum(axis=1), 1.0, rtol=0, atol=1e-9)
    assert set(np.flatnonzero(posterior.sum(axis=0))) <= set(emotions)
    if kind in ("svm_linear", "prototype"):
        assert posterior.argmax(axis=1).tolist() == emotions


@pytest.mark.parametrize("kind", ["mlp", "logistic", "lda"])
def test_noise_on_which_nothing_converges_warns_nobody(kind):
    generator = np.random.default_rng(0)
    embeddings = generator.normal(size=(50, 40)) * np.logspace(-8, 4, 40)
    emotions = generator.integers(0, 3, 50).tolist()
    classifier = Classifier(kind, 4)
    _ = classifier.fit(embeddings, [*emotions[:-1], 3])  # warnings are errors here
    assert np.isfinite(classifier.posterior(embeddings)).all()


def test_features_that_never_vary_do_no_harm():
    embeddings, emotions = TRAINING
    constant = np.concatenate([embeddings, np.full((len(embeddings), 2), 0.3)], axis=1)
    for kind in ("svm_rbf", "logistic", "lda", "knn"):
        classifier = Classifier(kind, NUM_EMOTIONS)
        _ = classifier.fit(constant, emotions)
        assert np.isfinite(classifier.posterior(constant)).all()


@given(seed=st.integers(0, 10_000), num_emotions=st.integers(2, 5))
@settings(max_examples=15)
def test_the_names_of_emotions_do_not_matter(seed, num_emotions):
    generator = np.random.default_rng(seed)
    emotions = [index % num_emotions for index in range(4 * num_emotions)]
    embeddings = generator.normal(size=(len(emotions), 3))
    renamed = generator.permutation(num_emotions)
    for kind in ("logistic", "prototype"):
        one, other = Classifier(kind, num_emotions), Classifier(kind, num_emotions)
        _ = one.fit(embeddings, emotions)
        _ = other.fit(embeddings, [int(renamed[emotion]) for emotion in emotions])
        np.testing.assert_allclose(
            other.posterior(embeddings)[:, renamed], one.posterior(embeddings), rtol=0, atol=1e-3
        )


def test_before_fitting_it_says_what_to_do():
    classifier = Classifier("lda", 3)
    assert not classifier.is_fitted
    with pytest.raises(ClassifierError, match="has not been fitted: call fit"):
        _ = classifier.posterior(np.zeros((1, 4)))
    state = classifier.state_dict()
    assert [tensor.numel() for tensor in state.values()] == [0]
    other = Classifier("lda", NUM_EMOTIONS)
    other.set_extra_state(fitted("lda")[0].get_extra_state())
    assert other.is_fitted
    _ = other.load_state_dict(state)
    assert not other.is_fitted


def test_what_cannot_be_fitted_is_named():
    embeddings = np.eye(3)
    classifier = Classifier("knn", 3)
    with pytest.raises(ClassifierError, match="training side: 3 embeddings but 2 emotions"):
        _ = classifier.fit(embeddings, [0, 1])
    with pytest.raises(ClassifierError, match="development side: 3 embeddings but 1 emotions"):
        _ = classifier.fit(embeddings, [0, 1, 2], development=(embeddings, [0]))
    with pytest.raises(ClassifierError, match=r"emotions \[-1, 3\] are not from 0 to 2"):
        _ = classifier.fit(embeddings, [0, 3, -1])
    with pytest.raises(ClassifierError, match="separates two emotions or more, here are 1"):
        _ = classifier.fit(embeddings, [1, 1, 1])
    with pytest.raises(ClassifierError, match="3 embeddings but 2 speakers"):
        _ = classifier.fit(embeddings, [0, 1, 2], speakers=["a", "b"])
    embeddings[1, 1] = np.nan
    with pytest.raises(ClassifierError, match="embedding 1 holds values that are not finite"):
        _ = classifier.fit(embeddings, [0, 1, 2])
    with pytest.raises(ClassifierError, match="unknown classifier 'svm'; there are svm_rbf, "):
        # past the checks of types, which only run in tests
        inspect.unwrap(Classifier.__init__)(Classifier.__new__(Classifier), "svm", 3)
    with pytest.raises(ClassifierError, match="num_emotions: 1 must be two or more"):
        _ = Classifier("knn", 1)


def test_embeddings_of_another_length_are_refused():
    with pytest.raises(ClassifierError, match="of 3 numbers, but this lda classifier was fitted"):
        _ = fitted("lda")[0].posterior(np.zeros((2, 3)))


def test_a_classifier_of_another_kind_or_size_is_refused():
    state = fitted("lda")[0].state_dict()
    with pytest.raises(ClassifierError, match="is lda for 5 emotions, not knn for 5"):
        _ = Classifier("knn", 5).load_state_dict(state)
    with pytest.raises(ClassifierError, match="is lda for 5 emotions, not lda for 7"):
        _ = Classifier("lda", 7).load_state_dict(state)


def test_a_file_that_would_run_a_command_is_refused_before_it_does(tmp_path):
    trace = tmp_path / "was here"
    harm = functools.partial(os.system, f"touch '{trace}'")
    archive = zipfile.ZipFile(io.BytesIO(skops.io.dumps({"harm": harm})))
    members = archived(fitted("lda")[0]) | {name: archive.read(name) for name in archive.namelist()}
    classifier = Classifier("lda", NUM_EMOTIONS)
    with pytest.raises(ClassifierError, match=r"functools.partial .*posix.system .*refused"):
        classifier.set_extra_state(as_state(members))
    assert not trace.exists()
    assert not classifier.is_fitted


def test_types_that_skops_trusts_but_no_classifier_needs_are_refused():
    harmless = skops.io.dumps(make_pipeline(FunctionTransformer(np.exp), SVC()))
    assert skops.io.get_untrusted_types(data=harmless) == []
    with zipfile.ZipFile(io.BytesIO(harmless)) as archive:
        members = archived(fitted("svm_rbf")[0]) | {
            name: archive.read(name) for name in archive.namelist()
        }
    with pytest.raises(ClassifierError, match=r"FunctionTransformer \(ObjectNode\)"):
        Classifier("svm_rbf", NUM_EMOTIONS).set_extra_state(as_state(members))


def test_a_pickle_is_not_even_opened(tmp_path):
    trace = tmp_path / "was here"

    class Harm:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.system, (f"touch '{trace}'",)

    with pytest.raises(ClassifierError, match="cannot be read: BadZipFile"):
        Classifier("lda", NUM_EMOTIONS).set_extra_state(as_state(pickle.dumps(Harm())))
    assert not trace.exists()


def is_branched(array: np.ndarray) -> bool:
    return array.dtype.names is not None and len(array) > 1


def pointing(field: str, value: int) -> Callable[[np.ndarray], np.ndarray]:
    """A tree whose root points elsewhere."""

    def change(nodes: np.ndarray) -> np.ndarray:
        nodes[field][0] = value
        return nodes

    return change


@pytest.mark.parametrize(
    ("kind", "wanted", "change"),
    [
        ("random_forest", is_branched, pointing("left_child", 1_000_000)),
        ("random_forest", is_branched, pointing("right_child", 0)),  # in circles
        ("random_forest", is_branched, pointing("feature", NUM_FEATURES)),
        ("svm_rbf", lambda array: array.shape[:1] == (3,), lambda rows: rows[:1]),
        ("svm_linear", lambda array: array.dtype == np.int32, lambda row: row[:-1]),
    ],
)
def test_arrays_that_compiled_code_would_read_past_are_refused(kind, wanted, change):
    members = archived(fitted(kind)[0])
    classifier = Classifier(kind, NUM_EMOTIONS)
    with pytest.raises(ClassifierError, match=f"stored {kind} classifier has parts that do"):
        classifier.set_extra_state(as_state(with_array(members, wanted, change)))
    classifier.set_extra_state(as_state(with_array(members, wanted, lambda array: array)))


def test_a_machine_under_the_name_of_another_is_refused():
    members = archived(fitted("random_forest")[0])
    header = json.loads(members["serkit.json"]) | {"kind": "logistic"}
    members["serkit.json"] = json.dumps(header).encode()
    with pytest.raises(ClassifierError, match="logistic classifier has parts that do not fit"):
        Classifier("logistic", NUM_EMOTIONS).set_extra_state(as_state(members))


@given(data=st.data())
@settings(max_examples=60)
def test_a_damaged_file_is_refused_or_answers_as_before(data):
    classifier, _ = fitted("prototype")
    stored = bytearray(classifier.get_extra_state().numpy().tobytes())
    place = data.draw(st.integers(0, len(stored) - 1))
    stored[place] ^= 1 << data.draw(st.integers(0, 7))
    if data.draw(st.booleans()):
        del stored[place:]
    loaded = Classifier("prototype", NUM_EMOTIONS)
    try:
        loaded.set_extra_state(as_state(bytes(stored)))
    except ClassifierError:
        assert not loaded.is_fitted
    else:
        answers = loaded.posterior(QUERIES) if loaded.is_fitted else None
        assert answers is None or np.array_equal(answers, classifier.posterior(QUERIES))


@pytest.mark.parametrize("kind", KINDS)
def test_of_another_version_of_scikit_learn_only_the_answers_count(kind):
    classifier, _ = fitted(kind)
    members = archived(classifier)
    header = json.loads(members["serkit.json"])
    version = header["scikit_learn"]
    header["scikit_learn"] = "1.2.3"
    members["serkit.json"] = json.dumps(header).encode()
    schema = members["schema.json"].replace(f'\\"{version}\\"'.encode(), b'\\"1.2.3\\"')
    assert (schema != members["schema.json"]) == (kind != "prototype")
    members["schema.json"] = schema
    loaded = Classifier(kind, NUM_EMOTIONS)
    loaded.set_extra_state(as_state(members))  # scikit-learn's warning would be an error here
    assert np.array_equal(loaded.posterior(QUERIES), classifier.posterior(QUERIES))

    header["answered"][0] = header["answered"][0][::-1]
    members["serkit.json"] = json.dumps(header).encode()
    with pytest.raises(ClassifierError, match=rf"off by .*1\.2\.3.*{version}.*Install scikit-l"):
        loaded.set_extra_state(as_state(members))
    assert loaded.is_fitted  # with what it had


def test_the_grids_are_those_of_the_specification():
    sizes = {kind: len(GRIDS[kind]) for kind in KINDS}
    assert sizes == {
        "svm_rbf": 63,
        "svm_linear": 7,
        "mlp": 6,
        "logistic": 6,
        "lda": 1,
        "knn": 4,
        "random_forest": 3,
        "prototype": 1,
    }
    assert {settings_of["C"] for settings_of in GRIDS["svm_rbf"]} == {
        0.25, 1.0, 4.0, 16.0, 64.0, 256.0, 1024.0
    }  # fmt: skip
    assert all(DEFAULTS[kind] in GRIDS[kind] for kind in KINDS)
