"""Folds that begin from a model trained before, and sides heard in other qualities."""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file
from safetensors.torch import save_file

from serkit.audio import degrade, read
from serkit.corpus import Corpus, LeakError, protocol, synthetic
from serkit.evaluation import read_predictions
from serkit.experiment import (
    Experiment,
    ExperimentError,
    Recipe,
    RecipeError,
    gather,
    read_experiment,
    study,
    verification,
)
from serkit.experiment.folder import fold_folder
from serkit.experiment.transfer import mark
from serkit.models.inception_resnet import InceptionResNet
from serkit.trainer import Settings, load

Make = Callable[..., Experiment]

SMALLEST: dict[str, Any] = {
    "embedding": 4,
    "episodes": 1,
    "num_crops": 1,
    "num_mels": 8,
    "classifier": "prototype",
}
ONE_EPOCH = Settings(epochs=1, batch=8, device="cpu", precision="float32", balance="none")
EXTRACTOR = "extractor."


@pytest.fixture(scope="module", autouse=True)
def quick(no_reports: None) -> Iterator[None]:
    """One back-end and no report, which would take most of the time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(verification, "KINDS", ("prototype",))
        yield


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """Another corpus, with other speakers and an emotion more."""
    root = tmp_path_factory.mktemp("others")
    emotions = ("fear", "joy", "surprise")
    _ = synthetic.write(root, num_speakers=3, emotions=emotions, takes=2, seconds=0.3, seed=1)
    corpus = synthetic.read(root)
    renamed = (
        replace(
            u,
            id=u.id.replace("synthetic/", "others/"),
            speaker=(u.speaker or "").replace("synthetic/", "others/"),
        )
        for u in corpus.utterances
    )
    return replace(corpus, name="others", passport=None, utterances=tuple(renamed))


@pytest.fixture(scope="module")
def source(others: Corpus, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model of one fold on the other corpus."""
    out = tmp_path_factory.mktemp("source") / "out"
    _ = Experiment(
        system="verify_to_classify",
        corpus=others,
        protocol=protocol("loso", others),
        out=out,
        system_settings=SMALLEST,
        settings=ONE_EPOCH,
        folds=("s1",),
    ).run()
    return fold_folder(out, 0, "s1")


@pytest.fixture
def verifying(experiment: Make) -> Make:
    """A quick experiment of one fold with a system that verifies."""

    def make(**changes: Any) -> Experiment:
        usual: dict[str, Any] = {
            "system": "verify_to_classify",
            "system_settings": SMALLEST,
            "settings": ONE_EPOCH,
            "folds": ("s1",),
        }
        return experiment(**{**usual, **changes})

    return make


def weights(folder: Path) -> dict[str, np.ndarray]:
    tensors = load_file(folder / "model.safetensors")
    return {name: tensor for name, tensor in tensors.items() if name.startswith(EXTRACTOR)}


def test_a_frozen_extractor_is_carried_over_as_it_is(verifying: Make, source: Path) -> None:
    frozen = verifying(pretrained=source, frozen=True)
    (record,) = frozen.run().records
    folder = fold_folder(frozen.out, 0, "s1")
    before, after = weights(source), weights(folder)
    assert before.keys() == after.keys()
    assert all(np.array_equal(before[name], after[name]) for name in before)
    assert (record.epochs, record.accepted, record.trained_on) == (0, None, "training")
    assert record.num_development > 0  # which chose the classifier's settings and thresholds
    assert load(folder).config.emotions == ("anger", "sadness")


def test_a_frozen_extractor_gets_a_classifier_trials_and_thresholds_of_its_own(
    verifying: Make, source: Path, tones: Corpus
) -> None:
    frozen = verifying(pretrained=source, frozen=True)
    _ = frozen.run()
    folder = fold_folder(frozen.out, 0, "s1")
    table = read_predictions(folder / "predictions.csv")
    probabilities = np.array([list(row.probabilities.values()) for row in table])
    assert np.ptp(probabilities, axis=0).max() > 0  # a classifier that was not fitted says 1/2
    utterances = {u.id: u for u in tones.utterances}
    kept = verification.read_sides(folder)
    assert {name: len(side) for name, side in kept.items()} == {
        "train": 4,
        "development": 4,
        "test": 4,
    }
    name, vector = next(iter(kept["test"].items()))
    heard = load(source).embed([read(utterances[name].path)])  # pyright: ignore[reportAttributeAccessIssue]
    np.testing.assert_allclose(vector, heard[0].numpy(), atol=1e-5)
    card = json.loads((folder / "config.json").read_text(encoding="utf-8"))["card"]
    assert card["verification"]["scored_on"] == ["synthetic/s2"]


def test_fine_tuning_begins_there_and_goes_on(
    verifying: Make, source: Path, tmp_path: Path
) -> None:
    still = replace(ONE_EPOCH, lr=1e-12, weight_decay=0.0)
    tuned = {
        name: verifying(pretrained=begun, settings=still, seeds=(1,), out=tmp_path / name)
        for name, begun in (("from there", source), ("from nothing", None))
    }
    far: dict[str, float] = {}
    for name, experiment in tuned.items():
        (record,) = experiment.run().records
        assert record.epochs == 1
        ours = weights(fold_folder(experiment.out, 1, "s1"))  # other weights to begin with
        far[name] = max(
            float(np.abs(tensor - ours[key]).max())
            for key, tensor in weights(source).items()
            if key.endswith("weight")
        )
    assert far["from there"] < 1e-6 < 0.1 < far["from nothing"]


def test_rows_say_what_a_model_began_from(verifying: Make, source: Path) -> None:
    frozen = verifying(pretrained=source, frozen=True)
    row = frozen.run().rows[0]
    assert row["pretrained"] == f"{mark(source)} (frozen)"
    assert mark(source).startswith("verify_to_classify ")
    assert mark(None) == ""


def test_a_run_is_not_gone_on_with_from_another_model(
    verifying: Make, source: Path, tmp_path: Path
) -> None:
    begun = verifying(pretrained=source, frozen=True)
    _ = begun.claim()
    with pytest.raises(ExperimentError, match=r"pretrained was 'verify_to_classify .*', now ''"):
        _ = verifying().claim()
    with pytest.raises(ExperimentError, match="frozen was True, now False"):
        _ = verifying(pretrained=source).claim()


def test_a_folder_without_a_model_is_refused_before_anything_is_written(
    verifying: Make, source: Path, tmp_path: Path
) -> None:
    with pytest.raises(ExperimentError, match=r"gone is not a model folder"):
        _ = verifying(pretrained=tmp_path / "gone").run()
    whole = source.parents[1]
    with pytest.raises(ExperimentError, match=r"one model per fold, such as .*fold-s1"):
        _ = verifying(pretrained=whole).run()
    assert not (tmp_path / "out").exists()


def test_a_model_that_heard_a_tested_speaker_is_refused(verifying: Make, tmp_path: Path) -> None:
    first = verifying()
    _ = first.run()
    model = fold_folder(first.out, 0, "s1")
    second = verifying(pretrained=model, frozen=True, folds=("s2",), out=tmp_path / "second")
    with pytest.raises(LeakError, match="synthetic/s2") as raised:
        _ = second.run()
    assert raised.value.kind == "speaker"
    assert not second.out.exists()
    same = verifying(pretrained=model, frozen=True, out=tmp_path / "same")
    assert len(same.run().records) == 1
    allowed = replace(second, out=tmp_path / "allowed", allow_leaks=("speaker", "equal-audio"))
    assert len(allowed.run().records) == 1


def test_renaming_does_not_hide_what_a_model_has_heard(
    verifying: Make, tones: Corpus, tmp_path: Path
) -> None:
    first = verifying()
    _ = first.run()
    model = fold_folder(first.out, 0, "s1")
    renamed = replace(
        tones,
        name="renamed",
        utterances=tuple(
            replace(u, id=f"renamed/{n}", speaker=f"renamed/{(u.speaker or '')[-1]}")
            for n, u in enumerate(tones.utterances)
        ),
    )
    cut = protocol("loso", renamed)
    changes = {"corpus": renamed, "protocol": cut, "frozen": True}
    heard = verifying(
        **changes, pretrained=model, folds=(cut.folds[1].name,), out=tmp_path / "heard"
    )
    with pytest.raises(LeakError, match="tests recordings that") as raised:
        _ = heard.run()
    assert raised.value.kind == "equal-audio"
    unheard = verifying(
        **changes, pretrained=model, folds=(cut.folds[0].name,), out=tmp_path / "unheard"
    )
    _ = unheard.run()
    second = fold_folder(unheard.out, 0, cut.folds[0].name)  # of another name, from the first
    chained = verifying(pretrained=second, frozen=True, folds=("s2",), out=tmp_path / "chained")
    with pytest.raises(LeakError, match="synthetic/s2"):  # whom only the first has heard so named
        _ = chained.run()


def test_another_network_is_refused_with_its_settings(verifying: Make, source: Path) -> None:
    wider = verifying(pretrained=source, system_settings={**SMALLEST, "embedding": 6})
    with pytest.raises(ExperimentError, match="another one: it has embedding=4; take"):
        _ = wider.run()
    assert not wider.out.exists()


def test_a_system_that_takes_nothing_over_says_so(experiment: Make, source: Path) -> None:
    with pytest.raises(ExperimentError, match="crnn cannot begin from a pre-trained model"):
        _ = experiment(pretrained=source, folds=("s1",)).run()


def test_a_network_of_faces_is_known_by_its_fingerprint(experiment: Make, tmp_path: Path) -> None:
    network = InceptionResNet(width=0.25, in_channels=1, embedding=128)
    path = tmp_path / "faces.safetensors"
    save_file(network.state_dict(), path)
    begun = experiment(system="facenet", system_settings={"face_weights": str(path)})
    _ = begun.claim()
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    assert read_experiment(begun.out)["identity"]["pretrained"] == f"faces {digest}"
    network.last_bn.weight.data.fill_(2.0)
    save_file(network.state_dict(), path)
    with pytest.raises(ExperimentError, match=f"pretrained was 'faces {digest}', now 'faces "):
        _ = begun.claim()


@pytest.mark.parametrize(
    ("switches", "message"),
    [
        ({"freeze": "stem"}, "freeze=stem keeps what was learnt before: name it with --pretrained"),
        ({"face_weights": "gone.pt"}, "face_weights: gone.pt: there is no such file"),
        ({"face_weights": "wide.safetensors"}, r"of another size: .* and \d+ more$"),
    ],
)
def test_what_facenet_cannot_begin_from_is_refused_before_anything_is_written(
    switches: dict[str, str],
    message: str,
    experiment: Make,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    wide = InceptionResNet(width=0.5, in_channels=1, embedding=256)
    save_file(wide.state_dict(), "wide.safetensors")
    refused = experiment(system="facenet", system_settings=switches)
    with pytest.raises(ExperimentError, match=message) as raised:
        _ = refused.run()
    assert len(str(raised.value)) < 500
    assert not refused.out.exists()


def test_a_network_begins_from_one_model(experiment: Make, source: Path) -> None:
    both = experiment(
        system="facenet", system_settings={"face_weights": "faces.pt"}, pretrained=source
    )
    with pytest.raises(ExperimentError, match=r"from face_weights=faces\.pt or from .*, not both"):
        _ = both.run()


def test_a_recipe_begins_from_a_model_among_its_runs(
    source: Path, tones_root: Path, tmp_path: Path
) -> None:
    runs = tmp_path / "runs"
    _ = shutil.copytree(source, runs / "others" / "fold-1")
    recipe = Recipe(
        results="tones.frozen",
        system="verify_to_classify",
        corpus="synthetic",
        protocol="loso",
        system_settings=SMALLEST,
        settings=ONE_EPOCH,
        pretrained="others/fold-1",
        frozen=True,
    )
    places = ["--corpus", str(tones_root), "--out", str(runs), "--results", str(tmp_path / "r")]
    study("recipes/tones.py", recipe, arguments=places)
    text = (tmp_path / "r" / "tones.frozen.csv").read_text(encoding="utf-8")
    assert f"{mark(source)} (frozen)" in text
    assert (tmp_path / "r" / "tones.frozen.verification.csv").is_file()


def test_a_model_that_is_not_there_is_named_with_the_recipe_that_makes_it(
    tones_root: Path, tmp_path: Path
) -> None:
    recipe = Recipe(
        results="tones.frozen",
        system="verify_to_classify",
        corpus="synthetic",
        protocol="loso",
        pretrained="others/fold-1",
        pretrained_by="recipes/others.py --folds 1",
        frozen=True,
    )
    places = ["--corpus", str(tones_root), "--out", str(tmp_path), "--results", str(tmp_path)]
    with pytest.raises(RecipeError, match=r"no model; .*python recipes/others.py --folds 1"):
        study("recipes/tones.py", recipe, arguments=places)


# ----------------------------------------------------------------------------------- qualities


def test_each_side_is_heard_in_its_quality(verifying: Make, tones: Corpus) -> None:
    noisy = verifying(train_quality="noise:white:0", test_quality="telephone")
    _ = noisy.run()
    folder = fold_folder(noisy.out, 0, "s1")
    system: Any = load(folder)
    by_id = {utterance.id: utterance for utterance in tones.utterances}
    conditions = {"train": "noise:white:0", "development": "noise:white:0", "test": "telephone"}
    for side, vectors in verification.read_sides(folder).items():
        for name, vector in vectors.items():
            heard = degrade(read(by_id[name].path), conditions[side], id=name)
            expected = system.embed([heard])[0].numpy()
            np.testing.assert_allclose(vector, expected, atol=1e-5)


def test_rows_say_the_qualities_unless_they_are_plain(verifying: Make, tmp_path: Path) -> None:
    plain = verifying(out=tmp_path / "plain").run().rows[0]
    assert "train_quality" not in plain
    noisy = verifying(out=tmp_path / "noisy", train_quality="lq").run().rows[0]
    assert (noisy["train_quality"], noisy["test_quality"]) == ("lq", "hq")


def test_a_run_is_not_gone_on_with_in_another_quality(verifying: Make) -> None:
    _ = verifying(train_quality="lq").claim()
    with pytest.raises(ExperimentError, match="train_quality was 'lq', now 'hq'"):
        _ = verifying().claim()


def test_a_run_from_before_there_were_qualities_is_gone_on_with(verifying: Make) -> None:
    _ = verifying().claim()
    described = read_experiment(verifying().out)
    for name in ("train_quality", "test_quality", "also_heard", "pretrained", "frozen"):
        del described["identity"][name]
    _ = (verifying().out / "experiment.json").write_text(json.dumps(described), encoding="utf-8")
    _ = verifying().claim()
    with pytest.raises(ExperimentError, match="test_quality was 'hq', now 'lq'"):
        _ = verifying(test_quality="lq").claim()


def test_a_training_utterance_is_also_heard_in_further_conditions(experiment: Make) -> None:
    settings = Settings(epochs=1, batch=4, device="cpu", precision="float32")
    plain = experiment(folds=("s1",), settings=settings)
    once = replace(plain, out=plain.out.parent / "also", also_heard=("telephone", "lq"))
    for one in (plain, once):
        _ = one.run()
    steps = [
        json.loads((fold_folder(e.out, 0, "s1") / "history.json").read_text("utf-8"))["epochs"][0]
        for e in (plain, once)
    ]
    assert steps[1]["step"] == 3 * steps[0]["step"]  # four utterances, in batches of four
    first, second = (gather(e.out) for e in (plain, once))
    assert [r.file for r in first.predictions] == [r.file for r in second.predictions]
    assert first.records[0].num_train == second.records[0].num_train
    assert "also_heard" not in first.rows[0]
    assert second.rows[0]["also_heard"] == "telephone, lq"
    card = json.loads((fold_folder(once.out, 0, "s1") / "config.json").read_text("utf-8"))["card"]
    assert card["also_heard"] == ["telephone", "lq"]
    with pytest.raises(ExperimentError, match="also_heard was"):
        _ = replace(plain, out=once.out).claim()


def test_a_system_that_verifies_nothing_is_heard_in_bad_quality_too(experiment: Make) -> None:
    clean = experiment(folds=("s1",), refit="full")
    noisy = replace(clean, out=clean.out.parent / "noisy", test_quality="noise:white:0")
    tables = [gather(e.out).predictions for e in (clean, noisy) if e.run()]
    first, second = (np.array([list(r.probabilities.values()) for r in t]) for t in tables)
    assert np.abs(first - second).max() > 1e-4
    ours, theirs = (
        load_file(fold_folder(e.out, 0, "s1") / "model.safetensors") for e in (clean, noisy)
    )
    assert all(np.array_equal(ours[name], theirs[name]) for name in ours)  # trained alike
