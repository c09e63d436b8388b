"""How FaceNet's windows become an answer: every rule, asked of the same networks on Emo-DB.

    python recipes/facenet_aggregation.py [--corpus FOLDER] [--out RUNS] [--results FOLDER]

No training: it asks the networks of facenet_emodb.py's row facenet.emodb-loso, which must be in
runs/. Nothing is chosen: ``mean`` was the rule of every row beforehand, and the others are reported
once. Writes results/facenet.emodb-loso.aggregation.csv (a column ``row``) and its predictions.

mean, product, max, majority  of the windows' posteriors, weighted by how much of each is utterance
knn                           the ten training utterances nearest to the mean embedding
window                        each window for itself, with the emotion of its utterance: what the
                              rules begin with, and no figure for utterances; counts windows
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

from facenet_emodb import recipe
from rich.progress import track

from serkit.corpus import Corpus, Fold, load, protocol
from serkit.evaluation import Prediction, compare_predictions, difference_columns, write_results
from serkit.experiment import ExperimentError
from serkit.experiment.folder import complete, fold_folder, gather, read_experiment, rows_of
from serkit.experiment.labelled import write_labelled
from serkit.experiment.study import from_command_line, place_of
from serkit.experiment.task import EmotionTask, Row
from serkit.experiment.waveforms import Waveforms
from serkit.systems.facenet import FaceNet, Neighbours
from serkit.trainer import load as load_model

RULES = ("mean", "product", "max", "majority", "knn")


def answers(
    system: Any, fold: Fold, waveforms: Waveforms, *, seed: int
) -> dict[str, list[Prediction]]:
    """What the network of a fold says of its test side, by every rule and by windows."""
    task, emotions = EmotionTask(), system.config.emotions
    learnt, tested = waveforms.kept(fold.refit().train), waveforms.kept(fold.test)
    found: dict[str, list[Prediction]] = {}
    system.neighbours = Neighbours(system.num_classes, system.centres.shape[1])
    for rule in RULES:
        system.config = replace(system.config, aggregate=rule)
        system.conclude(
            waveforms.of(learnt),
            task.targets(learnt, emotions),
            development=None,
            speakers=[utterance.speaker for utterance in learnt],
            seed=seed,
        )
        found[rule] = task.answers(system, tested, waveforms, emotions, seed=seed, fold=fold.name)
    found["window"] = [
        Prediction.of(
            seed=seed,
            fold=fold.name,
            file=f"{utterance.id}#{number}",
            speaker=utterance.speaker,
            emotion=utterance.emotion() or "",
            emotions=emotions,
            probabilities=share.tolist(),
        )
        for utterance, waveform in zip(tested, waveforms.of(tested), strict=True)
        for number, share in enumerate(system.window_posteriors(waveform)[2], 1)
    ]
    return found


def table(out: Path, corpus: Corpus) -> dict[str, tuple[list[Prediction], list[Row]]]:
    """Row to its predictions and results, from a finished experiment.

    Raises:
        ExperimentError: No seed has all its folds.
    """
    described, finished = read_experiment(out), gather(out)
    seeds, _ = complete(described, finished.records, whole=True)
    if not seeds:
        raise ExperimentError(f"{out} has no seed with all its folds; facenet_emodb.py makes them")
    folds = {f.name: f for f in protocol(described["protocol"]["name"], corpus).folds}
    waveforms = Waveforms(FaceNet.sample_rate)
    waveforms.read(corpus.utterances)
    found: dict[str, list[Prediction]] = {}
    for record in track([r for r in finished.records if r.seed in seeds], "asking"):
        system = load_model(fold_folder(out, record.seed, record.fold))
        said = answers(system, folds[record.fold], waveforms, seed=record.seed)
        for rule, rows in said.items():
            found.setdefault(rule, []).extend(rows)
    made: dict[str, tuple[list[Prediction], list[Row]]] = {}
    for rule, rows in found.items():
        distance = difference_columns()
        if rule not in ("mean", "window"):
            distance = difference_columns(compare_predictions(rows, found["mean"]), against="mean")
        lines = rows_of(
            described,
            finished.records,
            rows,
            whole=True,
            extra={"mmac_per_second": "", "minutes_per_fold": ""},
        )
        made[rule] = (
            rows,
            [
                {
                    "row": rule,
                    **line,
                    "recipe": Path(__file__).stem,
                    **(distance if line["seed"] == "pooled" else difference_columns()),
                }
                for line in lines
            ],
        )
    return made


@from_command_line
def main() -> None:
    """Write the table."""
    small, _ = recipe()
    place = place_of(__file__, [small], None)
    corpus = load(small.corpus, place.corpus)
    made = table(place.out_of(small), corpus)
    name = f"{small.results}.aggregation"
    labelled = {(rule,): rows for rule, (rows, _) in made.items()}
    _ = write_labelled(place.predictions_of(name), EmotionTask(), labelled, ["row"])
    _ = write_results(
        place.results / f"{name}.csv", [row for _, rows in made.values() for row in rows]
    )


if __name__ == "__main__":
    main()
