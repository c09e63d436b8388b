"""Verification in an experiment: what a fold leaves behind, and what results/ keeps of it."""

import csv
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_curve

from serkit.corpus import Corpus, protocol
from serkit.evaluation import read_predictions, read_scored_trials
from serkit.experiment import Experiment, Recipe, study, summary
from serkit.experiment.folder import (
    ExperimentError,
    difference,
    fold_folder,
    gather,
    read_experiment,
)
from serkit.experiment.labelled import read_labelled
from serkit.experiment.task import TASKS
from serkit.experiment.verification import (
    BACKENDS,
    EMBEDDINGS,
    SIDES,
    TRIALS,
    evidence,
    read_sides,
)
from serkit.models import KINDS
from serkit.systems.verify_to_classify import VerifyToClassify
from serkit.trainer import Settings
from serkit.trainer.checkpoint import MODEL, read_config

QUICK = Settings(
    **{
        **VerifyToClassify.settings,
        "epochs": 2,
        "score_every": 2,
        "device": "cpu",
        "precision": "float32",
    }
)
NETWORK = {"episodes": 1, "num_crops": 1, "classifier": "prototype"}


@pytest.fixture(scope="module")
def verified(tones_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of one fold of a system that verifies."""
    from serkit.corpus import synthetic

    tones = synthetic.read(tones_root)
    experiment = Experiment(
        system="verify_to_classify",
        corpus=tones,
        protocol=protocol("loso", tones),
        out=tmp_path_factory.mktemp("verified"),
        system_settings=NETWORK,
        settings=QUICK,
        folds=("s1",),
    )
    experiment.run()
    return experiment.out


def test_trials_are_the_cosines_of_the_embeddings(verified: Path) -> None:
    folder = fold_folder(verified, 0, "s1")
    sides = read_sides(folder)
    emotions = {row.file: row.emotion for row in read_predictions(folder / "predictions.csv")}

    def unit(vector):
        return vector / np.linalg.norm(vector)

    for row in read_scored_trials(folder / TRIALS["pairwise"]):
        first, second = (unit(sides["test"][name]) for name in (row.enrolment, row.probe))
        assert row.score == pytest.approx(float(first @ second), abs=1e-5)
        assert row.is_target == (emotions[row.enrolment] == emotions[row.probe])
    facts = json.loads((folder / SIDES).read_text(encoding="utf-8"))["train"]
    enrolled = read_scored_trials(folder / TRIALS["enrolled"])
    assert {(row.enrolment, row.probe) for row in enrolled} == {
        (emotion, probe) for emotion in set(emotions.values()) for probe in emotions
    }
    for row in enrolled:
        members = [
            unit(vector)
            for name, vector in sides["train"].items()
            if facts[name]["emotion"] == row.enrolment
        ]
        prototype = unit(np.mean(members, axis=0))
        assert row.score == pytest.approx(
            float(prototype @ unit(sides["test"][row.probe])), abs=1e-5
        )
    assert not set(sides["train"]) & set(sides["test"])


def test_the_reported_rate_is_that_of_the_trials(verified: Path) -> None:
    with (verified / "verification.csv").open(encoding="utf-8", newline="") as file:
        rows = {(row["trials"], row["seed"]): row for row in csv.DictReader(file)}
    for kind in ("enrolled", "pairwise"):
        trials = read_scored_trials(verified / TRIALS[kind])
        accepted, hit, _ = roc_curve(
            [t.is_target for t in trials],
            [t.score for t in trials],
            sample_weight=[t.weight for t in trials],
            drop_intermediate=False,
        )
        miss = 1 - hit
        place = int(np.argmax(accepted >= miss))
        low, high = sorted([miss[place], miss[max(place - 1, 0)]])
        assert low - 1e-4 <= float(rows[kind, "0"]["eer"]) <= high + 1e-4


def test_a_fold_says_whether_it_was_accepted_and_by_what(verified: Path) -> None:
    [record] = gather(verified).records
    assert record.accepted == (
        record.development["eer"] < 0.9 * record.development["untrained_eer"]
    )
    assert record.best_epoch == 2  # the only one that was scored
    card = read_config(fold_folder(verified, 0, "s1"))["card"]
    heard = {*card["speakers"], *card["chosen_on"]}
    assert set(card["verification"]["scored_on"]) <= set(card["chosen_on"])
    assert not heard & {row.speaker for row in gather(verified).predictions}


def test_every_backend_answers_every_test_utterance(verified: Path) -> None:
    folder = fold_folder(verified, 0, "s1")
    found = read_labelled(folder / BACKENDS, TASKS["emotion"], ["backend"])
    assert [kind for (kind,) in found] == list(KINDS)
    files = [row.file for row in read_predictions(folder / "predictions.csv")]
    for rows in found.values():
        assert [row.file for row in rows] == files


def test_the_report_gets_the_evidence(verified: Path) -> None:
    found, utterances = evidence(verified, read_experiment(verified), gather(verified).records)
    assert found is not None
    assert set(found.acceptance) == {"s1"}
    assert len(found.sides) == 1
    assert {u.id for u in utterances} >= {*found.sides[0].train_ids, *found.sides[0].test_ids}
    page = (verified / "report.html").read_text(encoding="utf-8")
    assert "Is this the same emotion?" in page
    assert "the epoch with the best equal error rate" in page


def test_a_run_whose_models_were_deleted_still_has_its_report(
    verified: Path, tmp_path: Path
) -> None:
    """Errors and curves stay; what needs embeddings, the map and the examples, is left out."""
    out = shutil.copytree(verified, tmp_path / "run")
    for heavy in (MODEL, EMBEDDINGS):
        (fold_folder(out, 0, "s1") / heavy).unlink()
    (out / "report.html").unlink()
    finished = gather(out, report=True)
    assert finished.report is not None
    page = finished.report.read_text(encoding="utf-8")
    assert "Is this the same emotion?" in page
    found, utterances = evidence(out, read_experiment(out), finished.records)
    assert found is not None
    assert found.pairwise
    assert not found.sides
    assert not utterances


def test_another_checkout_goes_on_with_trials_and_backends(
    tmp_path: Path,
    tones_root: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(summary, "report_of", lambda *_, **__: None)
    recipe = Recipe(
        results="verify.tones",
        system="verify_to_classify",
        corpus="synthetic",
        protocol="loso",
        system_settings=NETWORK,
        settings=QUICK,
    )
    place = [
        *("--corpus", str(tones_root)),
        *("--out", str(tmp_path / "runs")),
        *("--results", str(tmp_path / "results")),
    ]
    study("recipes/verify_tones.py", recipe, arguments=[*place, "--folds", "s1"])
    results = tmp_path / "results"
    assert not (results / "verify.tones.verification.csv").exists()
    kept = read_scored_trials(results / "scores" / "verify.tones.pairwise.csv.gz")
    shutil.rmtree(tmp_path / "runs")
    study("recipes/verify_tones.py", recipe, arguments=place)
    assert "going on after 1 folds" in capsys.readouterr().err
    table = read_scored_trials(results / "scores" / "verify.tones.pairwise.csv.gz")
    assert [row for row in table if row.fold == "s1"] == kept
    assert {row.fold for row in table} == {"s1", "s2", "s3"}
    with (results / "verify.tones.backends.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["backend"] for row in rows if row["seed"] == "pooled"] == list(KINDS)
    with (results / "verify.tones.verification.csv").open(encoding="utf-8", newline="") as file:
        seeds = [(row["trials"], row["seed"]) for row in csv.DictReader(file)]
    assert seeds == [(kind, seed) for kind in ("enrolled", "pairwise") for seed in ("0", "pooled")]


def test_what_could_not_be_asked_for_before_had_its_default(
    experiment: Callable[..., Experiment], tones: Corpus
) -> None:
    made = experiment()
    made.claim()
    now = read_experiment(made.out)["identity"]
    before = {name: value for name, value in now.items() if not name.endswith("quality")}
    before["settings"] = {k: v for k, v in now["settings"].items() if k != "score_every"}
    assert difference(before, now) == ""
    assert "train_quality was 'hq', now 'lq'" in difference(before, {**now, "train_quality": "lq"})
    other = {**now, "settings": {**now["settings"], "score_every": 5}}
    assert difference(before, other) == "score_every was 1, now 5"


def test_a_rare_emotion_stops_a_run_before_the_first_fold(tones: Corpus, tmp_path: Path) -> None:
    kept: dict[str, int] = {}
    utterances = []
    for utterance in tones.utterances:
        emotion = utterance.emotion() or ""
        kept[emotion] = kept.get(emotion, 0) + 1
        if emotion != "sadness" or kept[emotion] == 1:
            utterances.append(utterance)
    rare = replace(tones, utterances=tuple(utterances))
    experiment = Experiment(
        system="verify_to_classify",
        corpus=rare,
        protocol=protocol("loso", rare),
        out=tmp_path / "out",
        system_settings=NETWORK,
        settings=QUICK,
    )
    with pytest.raises(
        ExperimentError, match=r"fold s1 cannot be trained on: .* asked for 1 classes"
    ):
        experiment.run()
    assert not (tmp_path / "out").exists()
