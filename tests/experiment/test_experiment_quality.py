"""One training, heard in good and in bad recordings."""

import csv
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from serkit.audio import degrade, read
from serkit.audio.degrade import ConditionError
from serkit.corpus import Corpus, protocol
from serkit.evaluation import read_predictions, read_scored_trials, uar
from serkit.experiment import (
    Experiment,
    ExperimentError,
    Recipe,
    RecipeError,
    Watch,
    gather,
    quality_study,
    retest,
    verification,
)
from serkit.experiment.folder import fold_folder, read_experiment
from serkit.experiment.labelled import Trials, read_labelled, write_labelled
from serkit.experiment.matrix import matrix
from serkit.experiment.quality import LABELS, answered, chosen
from serkit.experiment.summary import report_of
from serkit.experiment.task import TASKS
from serkit.trainer import Settings, load

Make = Callable[..., Experiment]

SMALLEST = {"embedding": 4, "episodes": 1, "num_crops": 1, "num_mels": 8, "classifier": "prototype"}
VERIFIES = Recipe(
    results="tones.hq",
    system="verify_to_classify",
    corpus="synthetic",
    protocol="loso",
    system_settings=SMALLEST,
    settings=Settings(epochs=1, batch=8, device="cpu", precision="float32", balance="none"),
)
NOISY = "noise:white:0"


@pytest.fixture(scope="module", autouse=True)
def quick(no_reports: None) -> Iterator[None]:
    """One back-end and no report, which would take most of the time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(verification, "KINDS", ("prototype",))
        yield


class Listening(Watch):
    """Remembers what was said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)


@pytest.fixture(scope="module")
def trained(tones: Corpus, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A system that verifies, of two folds."""
    out = tmp_path_factory.mktemp("trained") / "out"
    _ = Experiment(
        system=VERIFIES.system,
        corpus=tones,
        protocol=protocol("loso", tones),
        out=out,
        system_settings=SMALLEST,
        settings=VERIFIES.settings,
        folds=("s1", "s2"),
    ).run()
    return out


@pytest.fixture(scope="module")
def retested(trained: Path, tones: Corpus) -> Path:
    retest(trained, tones, ["hq", "lq", NOISY])
    return trained


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_retest_is_what_the_model_answers_to_degraded_recordings(
    retested: Path, tones: Corpus
) -> None:
    folder = fold_folder(retested, 0, "s1")
    table = read_predictions(folder / "quality" / "noise-white-0" / "predictions.csv")
    by_id = {utterance.id: utterance for utterance in tones.utterances}
    assert {row.file for row in table} == {
        name for name, utterance in by_id.items() if utterance.speaker == "synthetic/s1"
    }
    heard = [degrade(read(by_id[row.file].path), NOISY, id=row.file) for row in table]
    system: Any = load(folder)
    posterior = system.posterior(heard).numpy()
    written = np.array([list(row.probabilities.values()) for row in table])
    np.testing.assert_allclose(written, posterior, atol=1e-5)
    of_clean = read_predictions(folder / "predictions.csv")
    clean = np.array([list(row.probabilities.values()) for row in of_clean])
    assert np.abs(written - clean).max() > 1e-3  # it was heard in noise


def test_degraded_probes_are_tried_against_enrolments_as_they_were(
    retested: Path, tones: Corpus
) -> None:
    folder = fold_folder(retested, 0, "s1")
    place = folder / "quality" / "noise-white-0"
    trials = read_scored_trials(place / "trials-enrolled.csv.gz")
    assert len(trials) == 2 * 4
    system: Any = load(folder)
    by_id = {utterance.id: utterance for utterance in tones.utterances}
    fold = next(f for f in protocol("loso", tones).folds if f.name == "s1")

    def unit(vectors: np.ndarray) -> np.ndarray:
        return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)

    for trial in trials:
        enrolled = [read(u.path) for u in fold.train if u.emotion() == trial.enrolment]
        prototype = unit(unit(system.embed(enrolled).numpy()).mean(0))
        probe = degrade(read(by_id[trial.probe].path), NOISY, id=trial.probe)
        assert trial.score == pytest.approx(
            float(prototype @ unit(system.embed([probe]).numpy())[0]),
            abs=1e-5,
        )
    assert len(read_scored_trials(place / "trials-pairwise.csv.gz")) == 6


def test_the_condition_of_the_experiment_is_taken_from_the_fold(retested: Path) -> None:
    assert not (fold_folder(retested, 0, "s1") / "quality" / "hq").exists()
    found = answered(gather(retested), ["hq", "lq"])
    assert found["hq"].predictions == gather(retested).predictions
    assert len(found["hq"].trials("pairwise")) == 2 * 6
    assert [record.fold for record in found["lq"].records] == ["s1", "s2"]


def test_a_retest_goes_on_where_it_was_stopped(retested: Path, tones: Corpus) -> None:
    kept = fold_folder(retested, 0, "s1") / "quality" / "lq" / "predictions.csv"
    gone = fold_folder(retested, 0, "s2") / "quality" / "lq"
    before, answers = kept.stat().st_mtime_ns, (gone / "predictions.csv").read_bytes()
    shutil.rmtree(gone)
    folds: list[str] = []
    retest(retested, tones, ["lq", NOISY], after_fold=lambda: folds.append("one"))
    assert (kept.stat().st_mtime_ns, folds) == (before, ["one"])
    assert (gone / "predictions.csv").read_bytes() == answers
    watch = Listening()
    retest(retested, tones, ["low", "noise:white:0.0"], watch=watch)
    assert watch.said == []


def test_a_fold_without_its_model_is_named_and_passed_over(
    trained: Path, tones: Corpus, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    _ = shutil.copytree(trained, out)
    (fold_folder(out, 0, "s1") / "config.json").unlink()
    watch = Listening()
    retest(out, tones, ["telephone"], watch=watch)
    assert "the model of seed 0, fold s1 is not here" in watch.said[0]
    assert [r.fold for r in answered(gather(out), ["telephone"])["telephone"].records] == ["s2"]


def test_another_corpus_is_refused(trained: Path, tones: Corpus) -> None:
    fewer = replace(tones, utterances=tones.utterances[:-1])
    with pytest.raises(ExperimentError, match="other folds or labels"):
        retest(trained, fewer, ["telephone"])


def test_a_condition_that_is_none_stops_before_anything_is_read(
    trained: Path, tones: Corpus
) -> None:
    with pytest.raises(ConditionError, match="there is no such condition"):
        retest(trained, tones, ["lq", "underwater"])


def test_two_folders_of_one_name_are_refused(tmp_path: Path, tones_root: Path) -> None:
    for parent in ("one", "other"):
        _ = shutil.copytree(tones_root, tmp_path / parent / "rooms")
    with pytest.raises(ExperimentError, match=r"would both be called noise-rooms-5"):
        _ = chosen([f"noise:{tmp_path / parent / 'rooms'}:5" for parent in ("one", "other")])


def test_a_system_without_embeddings_has_answers_and_no_trials(
    experiment: Make, tones: Corpus
) -> None:
    plain = experiment(folds=("s1",), refit="full")
    _ = plain.run()
    retest(plain.out, tones, ["lq"])
    place = fold_folder(plain.out, 0, "s1") / "quality" / "lq"
    assert [path.name for path in place.iterdir()] == ["predictions.csv"]
    assert answered(gather(plain.out), ["lq"])["lq"].trials("enrolled") == []


# ------------------------------------------------------------------------------------- a study

STUDY = {
    "tones.hq": VERIFIES,
    "tones.lq": replace(VERIFIES, results="tones.lq", train_quality="lq", test_quality="lq"),
}


@pytest.fixture(scope="module")
def studied(tmp_path_factory: pytest.TempPathFactory, tones_root: Path) -> Path:
    root = tmp_path_factory.mktemp("study")
    run(root, tones_root)
    return root


def run(root: Path, tones_root: Path, *more: str, file: str = "recipes/tones_quality.py") -> None:
    places = [
        *("--corpus", str(tones_root)),
        *("--out", str(root / "runs")),
        *("--results", str(root / "results")),
    ]
    quality_study(file, STUDY, ["hq", "lq"], results="tones.quality", arguments=[*places, *more])


def test_a_study_has_a_row_for_each_training_condition_and_seed(studied: Path) -> None:
    found = rows(studied / "results" / "tones.quality.csv")
    assert [(row["row"], row["train"], row["test"], row["seed"]) for row in found] == [
        (f"tones.{train}", train, test, seed)
        for train in ("hq", "lq")
        for test in ("hq", "lq")
        for seed in ("0", "pooled")
    ]
    assert all(0 <= float(row["eer_enrolled"]) <= 1 for row in found)
    assert all(0 <= float(row["eer_pairwise"]) <= 1 for row in found)
    assert {row["recipe"] for row in found} == {"tones_quality"}


def test_rows_say_what_is_lost_against_matched_conditions(studied: Path) -> None:
    found = {
        (row["train"], row["test"]): row
        for row in rows(studied / "results" / "tones.quality.csv")
        if row["seed"] == "pooled"
    }
    crossed = found["lq", "hq"]
    for column, matched in (("loss_as_trained", ("lq", "lq")), ("loss_as_tested", ("hq", "hq"))):
        assert float(crossed[column]) == pytest.approx(
            float(found[matched]["uar"]) - float(crossed["uar"]), abs=2e-4
        )
    assert found["hq", "hq"]["loss_as_tested"] == found["lq", "lq"]["loss_as_trained"] == ""


def test_rows_can_be_made_again_from_the_tables_behind_them(studied: Path) -> None:
    found = rows(studied / "results" / "tones.quality.csv")
    table = studied / "results" / "predictions" / "tones.quality.csv.gz"
    predictions = read_labelled(table, TASKS["emotion"], LABELS)
    assert len(predictions) == 4
    for labels, part in predictions.items():
        (row,) = (r for r in found if (*(r[n] for n in LABELS), r["seed"]) == (*labels, "pooled"))
        truth, answers = [r.emotion for r in part], [r.predicted for r in part]
        assert float(row["uar"]) == pytest.approx(
            uar(truth, answers, list(part[0].probabilities)), abs=1e-4
        )
    for name in {labels[0] for labels in predictions}:
        scores = studied / "results" / "scores" / f"tones.quality.{name}.enrolled.csv.gz"
        assert {len(part) for part in read_labelled(scores, Trials(), LABELS).values()} == {12 * 2}


def test_without_the_models_nothing_is_trained_or_lost(
    studied: Path, tones_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _ = shutil.copytree(studied / "results", tmp_path / "results")
    run(tmp_path, tones_root)
    assert not list((tmp_path / "runs").glob("**/model.safetensors"))
    for name in ("tones.quality.csv", "predictions/tones.quality.csv.gz"):
        assert (tmp_path / "results" / name).read_bytes() == (
            studied / "results" / name
        ).read_bytes()
    assert "going on after 3 folds" in capsys.readouterr().err


def test_what_cannot_be_tested_for_want_of_models_is_said(
    studied: Path, tones_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _ = shutil.copytree(studied / "results", tmp_path / "results")
    table = tmp_path / "results" / "predictions" / "tones.quality.csv.gz"
    parts = read_labelled(table, TASKS["emotion"], LABELS)
    del parts["tones.hq", "hq", "lq"]
    _ = write_labelled(table, TASKS["emotion"], parts, LABELS)
    run(tmp_path, tones_root)
    said = capsys.readouterr().err
    assert "the model of seed 0, fold s3 is not here, so it was not tested in lq" in said
    assert "1 of 4 cells are not complete yet" in said
    assert len(rows(tmp_path / "results" / "tones.quality.csv")) == 6


def test_a_fuller_table_is_not_written_over(
    studied: Path, tones_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _ = shutil.copytree(studied / "results", tmp_path / "results")
    table = tmp_path / "results" / "predictions" / "tones.quality.csv.gz"
    before = table.read_bytes()
    run(tmp_path, tones_root, "--rows", "tones.lq")
    assert table.read_bytes() == before
    assert "is left as it is" in capsys.readouterr().err


def test_a_training_of_another_recipe_is_gone_on_with_under_its_name(
    studied: Path, tones_root: Path, tmp_path: Path
) -> None:
    _ = shutil.copytree(studied, tmp_path / "copy")
    (tmp_path / "copy" / "results" / "tones.quality.csv").unlink()
    run(tmp_path / "copy", tones_root, file="recipes/other.py")
    found = rows(tmp_path / "copy" / "results" / "tones.quality.csv")
    assert {row["recipe"] for row in found} == {"tones_quality"}


def test_a_row_tested_outside_the_table_is_refused(tones_root: Path) -> None:
    with pytest.raises(RecipeError, match=r"row a is tested in telephone"):
        quality_study(
            "recipes/tones.py",
            {"a": replace(VERIFIES, test_quality="telephone")},
            ["hq"],
            results="tones.quality",
            arguments=["--corpus", str(tones_root)],
        )


def test_runs_side_by_side_make_a_matrix_in_each_others_report(
    trained: Path, tmp_path: Path
) -> None:
    def beside(name: str, **changed: Any) -> Path:
        out = shutil.copytree(trained, tmp_path / name, ignore=shutil.ignore_patterns("quality"))
        described = json.loads((out / "experiment.json").read_text())
        described["identity"] |= changed
        _ = (out / "experiment.json").write_text(json.dumps(described))
        return out

    first = beside("first")
    described, finished = read_experiment(first), gather(first)
    assert matrix(first, described, finished.records) == ({}, {})
    _ = beside("noisy", train_quality="lq", test_quality="telephone")
    _ = beside("another network", config={}, train_quality="lq")
    half = beside("half", train_quality="both")
    shutil.rmtree(fold_folder(half, 0, "s2"))
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "experiment.json").touch()
    for fold in ("s1", "s2"):
        folder = fold_folder(first, 0, fold)
        (folder / "quality" / "noise-white-0").mkdir(parents=True, exist_ok=True)
        shutil.copy(folder / "predictions.csv", folder / "quality" / "noise-white-0")
    predictions, trials = matrix(first, described, finished.records)
    assert set(predictions) == {("hq", "hq"), ("hq", NOISY), ("lq", "telephone")}
    assert set(trials) == {("hq", "hq"), ("lq", "telephone")}
    assert sorted(predictions["hq", "hq"], key=str) == sorted(finished.predictions, key=str)
    page = report_of(first, described, finished.records, finished.predictions, audio=False)
    assert "Quality of the recordings" in page.read_text(encoding="utf-8")
