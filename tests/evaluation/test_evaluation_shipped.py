"""Figures of results/shipped/ again, from predictions and without serkit."""

import csv
import gzip
import json
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import softmax
from sklearn.metrics import accuracy_score, recall_score

REPOSITORY = Path(__file__).resolve().parents[2]
RESULTS = REPOSITORY / "results"
CARD = json.loads(
    (REPOSITORY / "src/serkit/predictor/shipped/config.json").read_text(encoding="utf-8")
)["card"]["calibration"]
DEVELOPMENT = "shipped.in-corpus.development"
ABROAD = {
    "trained on Emo-DB, tested on RAVDESS": "shipped.emodb-to-ravdess",
    "trained on RAVDESS, tested on Emo-DB": "shipped.ravdess-to-emodb",
    "the shipped model, tested on EmoTale": "shipped.everything",
}


def figures(name: str) -> list[dict[str, str]]:
    with (RESULTS / "shipped" / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def predictions(name: str) -> list[dict[str, str]]:
    path = RESULTS / "predictions" / f"{name}.csv.gz"
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def numbers(rows: list[dict[str, str]]) -> tuple[np.ndarray, np.ndarray]:
    """Logits and the index of the right emotion."""
    columns = [name for name in rows[0] if name.startswith("probability_")]
    emotions = [name.removeprefix("probability_") for name in columns]
    shares = np.array([[float(row[name]) for name in columns] for row in rows])
    return np.log(np.maximum(shares, 1e-7)), np.array([emotions.index(r["emotion"]) for r in rows])


def test_the_temperature_has_the_least_log_loss_on_development_speakers() -> None:
    logits, reference = numbers(predictions(DEVELOPMENT))

    def loss(temperature: float) -> float:
        shares = softmax(logits / temperature, axis=1)
        return float(-np.log(shares[np.arange(len(reference)), reference]).mean())

    best = minimize_scalar(loss, bounds=(0.1, 10), method="bounded").x
    assert CARD["temperature"] == pytest.approx(best, abs=2e-3)


def test_named_emotions_are_right_in_three_of_four_cases_and_a_lower_threshold_is_not() -> None:
    logits, reference = numbers(predictions(DEVELOPMENT))
    shares = softmax(logits / CARD["temperature"], axis=1)
    right, tops = shares.argmax(axis=1) == reference, shares.max(axis=1)
    assert right[tops >= CARD["sure_above"]].mean() >= 0.75
    for lower in np.unique(tops[tops < CARD["sure_above"] - 1e-3]):
        assert right[tops >= lower].mean() < 0.75


@pytest.mark.parametrize("words", ABROAD)
def test_figures_from_corpus_to_corpus(words: str) -> None:
    (row,) = (row for row in figures("calibration") if row["tested on"] == words)
    logits, reference = numbers(predictions(ABROAD[words]))
    shares = softmax(logits / CARD["temperature"], axis=1)
    right, named = shares.argmax(axis=1) == reference, shares.max(axis=1) >= CARD["sure_above"]
    assert int(row["utterances"]) == len(reference)
    assert float(row["accuracy"]) == pytest.approx(right.mean(), abs=5.1e-5)
    assert float(row["named"]) == pytest.approx(named.mean(), abs=5.1e-5)
    assert float(row["accuracy where named"]) == pytest.approx(right[named].mean(), abs=5.1e-5)


def test_nobody_calibrates_a_fold_who_is_tested_in_it() -> None:
    sides = [predictions(name) for name in ("shipped.in-corpus", DEVELOPMENT)]
    test, development = ({(row["fold"], row["speaker"]) for row in side} for side in sides)
    assert {fold for fold, _ in test} == {fold for fold, _ in development}
    assert not test & development


def test_figures_of_held_out_speakers() -> None:
    (row,) = (r for r in figures("calibration") if r["tested on"].startswith("held-out"))
    rows = predictions("shipped.in-corpus")
    truth, heard = ([row[name] for row in rows] for name in ("emotion", "predicted"))
    assert int(row["utterances"]) == len(rows)
    assert float(row["accuracy"]) == pytest.approx(accuracy_score(truth, heard), abs=5.1e-5)


def test_languages_are_those_of_the_corpora() -> None:
    rows = predictions("shipped.in-corpus")
    for language, corpus in (("de", "emodb/"), ("en", "ravdess/")):
        (group,) = (
            group
            for group in figures("groups")
            if group["group"] == language and group["tested on"].startswith("held-out")
        )
        mine = [row for row in rows if row["speaker"].startswith(corpus)]
        expected = recall_score(
            [row["emotion"] for row in mine], [row["predicted"] for row in mine], average="macro"
        )
        assert group["UAR, 95 % over speakers"].startswith(f"{expected:.3f}")


def test_figures_in_bad_audio() -> None:
    clean = {row["file"] for row in predictions("shipped.in-corpus")}
    for line in figures("degraded"):
        condition = line["condition"].replace(":", "-")
        rows = predictions("shipped.in-corpus" + ("" if condition == "hq" else f".{condition}"))
        truth, heard = ([row[name] for row in rows] for name in ("emotion", "predicted"))
        assert {row["file"] for row in rows} == clean
        assert line["UAR"] == f"{recall_score(truth, heard, average='macro'):.3f}"


def test_shares_of_what_is_said_of_read_speech_add_up() -> None:
    rows = figures("read_speech")
    assert sum(int(row["recordings"]) for row in rows) == 60
    assert sum(float(row["share"]) for row in rows) == pytest.approx(1.0, abs=1e-3)
