"""FaceNet's rules for windows, asked of a finished experiment by its recipe."""

from collections.abc import Callable
from pathlib import Path

import pytest
from test_experiment_study import REPOSITORY, load_recipe

from serkit.corpus import protocol, synthetic
from serkit.evaluation import read_predictions
from serkit.experiment import Experiment, ExperimentError
from serkit.experiment.folder import PREDICTIONS
from serkit.trainer import Settings

ONE_EPOCH = Settings(epochs=1, batch=8, device="cpu", precision="float32", balance="none")


@pytest.mark.usefixtures("no_reports")
def test_every_rule_is_asked_of_the_same_networks(
    experiment: Callable[..., Experiment], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = load_recipe(REPOSITORY / "recipes" / "facenet_aggregation.py", monkeypatch)
    root = synthetic.write(tmp_path / "long", num_speakers=3, takes=1, seconds=1.2)
    corpus = synthetic.read(root)
    run = experiment(
        system="facenet",
        corpus=corpus,
        protocol=protocol("loso", corpus),
        system_settings={},
        settings=ONE_EPOCH,
        refit="full",
    )
    _ = run.run()
    made = recipe.table(run.out, corpus)
    assert list(made) == [*recipe.RULES, "window"]
    assert made["mean"][0] == read_predictions(run.out / PREDICTIONS)
    number = len(corpus.utterances)
    for rule in recipe.RULES:
        rows, results = made[rule]
        assert len(rows) == number
        pooled = next(row for row in results if row["seed"] == "pooled")
        assert pooled["recipe"] == "facenet_aggregation"
        assert pooled["against"] == ("" if rule == "mean" else "mean")
    windows, _ = made["window"]
    assert len(windows) == 2 * number  # of 1.2 s two windows
    assert windows[1].file == f"{windows[0].file[:-2]}#2"
    assert windows[0].probabilities != made["mean"][0][0].probabilities
    heard = made["knn"][0][0].probabilities  # shares of few training utterances
    assert sum(heard.values()) == pytest.approx(1)
    assert heard != made["mean"][0][0].probabilities


def test_a_run_without_all_folds_is_not_asked(
    experiment: Callable[..., Experiment], monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = load_recipe(REPOSITORY / "recipes" / "facenet_aggregation.py", monkeypatch)
    run = experiment()
    _ = run.claim()
    with pytest.raises(ExperimentError, match="has no seed with all its folds"):
        _ = recipe.table(run.out, run.corpus)
