"""Calibrates the recogniser that comes with serkit, measures it, and puts it into the package.

    python recipes/shipped_card.py [--corpus FOLDER]

Run it after shipped.py; it takes some minutes. Reads the predictions of shipped.py, and runs/ where
it is. Writes results/shipped/*.csv, which docs/cards/shipped.md shows, and, where
runs/shipped.everything is, the model in src/serkit/predictor/shipped. Figures by sex and language,
in bad audio and on read speech need the corpora: emodb/, ravdess/, emotale/ and librispeech/ in
FOLDER; those in bad audio also runs/shipped.in-corpus.

The rules look at development speakers alone. One temperature, fitted on the development
speakers of the five in-corpus folds together. The recogniser names an emotion from the lowest top
probability on, at which it is right in three of four cases on the same speakers. What is said of
the in-corpus test speakers uses the temperature and the threshold of their own fold alone, whose
development speakers they are not among; all else uses those that are shipped.
"""

import argparse
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from serkit.audio import condition_name
from serkit.corpus import load
from serkit.evaluation import (
    Prediction,
    Temperature,
    by_group,
    groups_of,
    read_predictions,
    score,
    sure_above,
    write_predictions,
)
from serkit.evaluation.probability import arrays, ece
from serkit.evaluation.results import write_results
from serkit.experiment.folder import gather
from serkit.experiment.quality import answered, retest
from serkit.predictor import NOT_SURE, SHIPPED, Predictor
from serkit.predictor import load as load_model
from serkit.trainer import checkpoint

REPOSITORY = Path(__file__).resolve().parents[1]
RESULTS = REPOSITORY / "results"
RUNS = REPOSITORY / "runs"
DEVELOPMENT = RESULTS / "predictions" / "shipped.in-corpus.development.csv.gz"
ACCURACY = 0.75
"""Share of the answers that shall be right, on development speakers."""
LICENCE = "CC BY-NC-SA 4.0"

HEARD = ("hq", "lq", "noise:pink:10", "telephone")
CONDITIONS = ("lq", "telephone", "noise:white:0", "codec:opus")
"""Two of training, two others."""

TESTED = {
    "shipped.in-corpus": "held-out speakers of Emo-DB and RAVDESS",
    "shipped.emodb-to-ravdess": "trained on Emo-DB, tested on RAVDESS",
    "shipped.ravdess-to-emodb": "trained on RAVDESS, tested on Emo-DB",
    "shipped.everything": "the shipped model, tested on EmoTale",
}
"""Results of shipped.py to what was tested there."""


def development() -> list[Prediction]:
    """What the in-corpus folds said of their development speakers; kept beside the results."""
    folds = sorted((RUNS / "shipped.in-corpus").glob("seed0/fold-*/development.csv"))
    if folds:
        rows = [row for fold in folds for row in read_predictions(fold)]
        _ = write_predictions(DEVELOPMENT, rows)
    return read_predictions(DEVELOPMENT)


def fitted(rows: Sequence[Prediction]) -> tuple[Temperature, float]:
    """Temperature and threshold, rounded as the card has them."""
    probabilities, reference = arrays(rows)
    temperature = Temperature(value=round(Temperature.fit(probabilities, reference).value, 3))
    calibrated = temperature.apply(probabilities)
    return temperature, round(sure_above(calibrated, reference, accuracy=ACCURACY), 3)


def test_rows(name: str) -> list[Prediction]:
    """Predictions of the first seed."""
    rows = read_predictions(RESULTS / "predictions" / f"{name}.csv.gz")
    return [row for row in rows if row.seed == rows[0].seed]


def figures(
    parts: Iterable[tuple[Sequence[Prediction], Temperature, float]],
) -> dict[str, str | int | float]:
    """Of test rows, each part with its temperature and threshold."""
    before, after, references, sure = [], [], [], []
    for rows, temperature, threshold in parts:
        probabilities, reference = arrays(rows)
        before.append(probabilities)
        after.append(temperature.apply(probabilities))
        references.append(reference)
        sure.append(after[-1].max(axis=1) >= threshold)
    raw, calibrated = np.concatenate(before), np.concatenate(after)
    reference, named = np.concatenate(references), np.concatenate(sure)
    right = calibrated.argmax(axis=1) == reference
    return {
        "utterances": len(reference),
        "accuracy": round(float(right.mean()), 4),
        "named": round(float(named.mean()), 4),
        "accuracy where named": round(float(right[named].mean()), 4),
        "ECE before": round(ece(raw, reference), 4),
        "ECE after": round(ece(calibrated, reference), 4),
    }


def write_calibration(rows: Sequence[Prediction], whole: tuple[Temperature, float]) -> None:
    """How often an emotion is named, and how often rightly, on every test side."""
    lines: list[dict[str, str | int | float]] = [
        {"tested on": "development speakers (fitted here)", **figures([(rows, *whole)])}
    ]
    for name, words in TESTED.items():
        table = test_rows(name)
        parts = [(table, *whole)]
        if name == "shipped.in-corpus":
            parts = [
                (
                    [row for row in table if row.fold == fold],
                    *fitted([row for row in rows if row.fold == fold]),
                )
                for fold in sorted({row.fold for row in table})
            ]
        lines.append({"tested on": words, **figures(parts)})
    _ = write_results(RESULTS / "shipped" / "calibration.csv", lines)


def write_groups(corpora: Path) -> None:
    """UAR by sex and by language, the worst first."""
    lines: list[dict[str, str | int | float]] = []
    for name, corpus in (("shipped.in-corpus", "emodb+ravdess"), ("shipped.everything", "emotale")):
        utterances = load(corpus, corpora if "+" in corpus else corpora / corpus).utterances
        for by in ("language", "sex"):
            lines += [
                {
                    "tested on": TESTED[name],
                    "group": group.name,
                    "UAR, 95 % over speakers": group.text,
                    "utterances": group.num_utterances,
                    "speakers": group.num_speakers,
                }
                for group in by_group(test_rows(name), groups_of(utterances, by)).groups
            ]
    _ = write_results(RESULTS / "shipped" / "groups.csv", lines)


def write_degraded(corpora: Path) -> None:
    """UAR of the in-corpus folds on their test speakers, degraded."""
    out = RUNS / "shipped.in-corpus"
    retest(out, load("emodb+ravdess", corpora), CONDITIONS)
    lines: list[dict[str, str | int | float]] = []
    for condition, found in answered(gather(out), ["hq", *CONDITIONS]).items():
        rows = list(found.predictions)
        uar = score(rows).figures["uar"]
        lines.append(
            {
                "condition": condition,
                "heard in training": "yes" if condition in HEARD else "no",
                "UAR": uar.text,
                "95 % over speakers": uar.interval.text,
            }
        )
        if condition != "hq":  # those are the predictions of shipped.in-corpus
            name = f"shipped.in-corpus.{condition_name(condition)}.csv.gz"
            _ = write_predictions(RESULTS / "predictions" / name, rows)
    _ = write_results(RESULTS / "shipped" / "degraded.csv", lines)


def write_neutral(listener: Predictor, recordings: Sequence[Path]) -> None:
    """What is said of people who read aloud, without emotion as far as anybody knows."""
    outcomes = [one for one in listener.predict_all(recordings) if one.rating is not None]
    said = Counter(NOT_SURE if NOT_SURE in one.notes else one.rating.top for one in outcomes)
    lines = [
        {"said": label, "recordings": said[label], "share": round(said[label] / len(outcomes), 4)}
        for label in (*listener.emotions, NOT_SURE)
    ]
    _ = write_results(RESULTS / "shipped" / "read_speech.csv", lines)


def ship(whole: tuple[Temperature, float]) -> None:
    """The model of all speakers into the package, with its calibration and licence."""
    trained = RUNS / "shipped.everything" / "seed0" / "fold-everything"
    card = checkpoint.read_config(trained)["card"]
    temperature, threshold = whole
    card |= {
        "weights_licence": LICENCE,
        "calibration": {
            "temperature": temperature.value,
            "sure_above": threshold,
            "rule": f"right in {ACCURACY:.0%} of the cases in which an emotion is named, on the "
            "development speakers of shipped.in-corpus",
        },
    }
    _ = checkpoint.save(checkpoint.load(trained), SHIPPED, card=card)


def main() -> None:
    """Everything that there is data for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--corpus", type=Path, help="folder of the corpora")
    corpora = parser.parse_args().corpus
    rows = development()
    whole = fitted(rows)
    print(f"temperature {whole[0].value}, an emotion is named from {whole[1]} on")
    write_calibration(rows, whole)
    if (RUNS / "shipped.everything").is_dir():
        ship(whole)
    if corpora is None:
        print("without --corpus: no figures by sex and language, in bad audio, or on read speech")
        return
    write_groups(corpora)
    write_neutral(load_model(), sorted((corpora / "librispeech").rglob("*.flac")))
    if (RUNS / "shipped.in-corpus").is_dir():
        write_degraded(corpora)


if __name__ == "__main__":
    main()
