"""An experiment from corpus to rows, on tones."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from serkit.corpus import Corpus, LeakError, Rating, protocol
from serkit.evaluation import (
    Prediction,
    read_affect_predictions,
    read_predictions,
    score,
    score_affect,
)
from serkit.experiment import (
    Experiment,
    ExperimentError,
    UnknownFoldError,
    Watch,
    Waveforms,
    gather,
    read_experiment,
    summary,
)
from serkit.experiment.folder import facts_about, utterance_from
from serkit.predictor import load as load_predictor
from serkit.trainer import Settings, load

Make = Callable[..., Experiment]


@pytest.fixture
def unreported(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs that end without a page, which would take most of their time."""
    monkeypatch.setattr(summary, "report_of", lambda *_, **__: None)


@pytest.fixture(scope="module")
def finished(tones: Corpus, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seeds of every fold, refitted."""
    out = tmp_path_factory.mktemp("finished") / "out"
    Experiment(
        system="crnn",
        corpus=tones,
        protocol=protocol("loso", tones),
        out=out,
        system_settings={"size": "small", "augment": "none"},
        settings=Settings(epochs=2, batch=8, device="cpu", precision="float32"),
        seeds=(0, 1),
        refit="chosen",
        recipe="tones",
    ).run()
    return out


def test_every_test_utterance_is_predicted_once_per_seed(finished: Path, tones: Corpus) -> None:
    rows = read_predictions(finished / "predictions.csv")
    for seed in (0, 1):
        files = [row.file for row in rows if row.seed == seed]
        assert sorted(files) == [utterance.id for utterance in tones.utterances]
    assert {row.fold for row in rows} == {"s1", "s2", "s3"}
    assert all(row.speaker.endswith(row.fold) for row in rows)


def test_rows_are_one_per_seed_their_mean_and_their_ensemble(finished: Path) -> None:
    rows = gather(finished).rows
    assert [row["seed"] for row in rows] == [0, 1, "pooled", "ensemble-2"]
    pooled = rows[2]
    assert pooled["recipe"] == "tones"
    assert pooled["refit"] == "chosen"
    assert pooled["num_utterances"] == 12
    assert pooled["num_speakers"] == 3
    assert pooled["parameters"] > 100_000
    assert pooled["train_seconds"] == pytest.approx(
        sum(record.train_seconds for record in gather(finished).records), abs=0.11
    )
    scores = score(read_predictions(finished / "predictions.csv"))
    assert pooled["uar"] == pytest.approx(scores.figures["uar"].mean, abs=1e-4)


def test_the_results_on_disk_are_the_rows(finished: Path) -> None:
    lines = (finished / "results.csv").read_text().splitlines()
    assert lines[0].startswith(
        "recipe,system,corpus,protocol,seed,uar,war,macro_f1,uar_low,uar_high,"
        "num_utterances,num_speakers,parameters,train_seconds,commit,date"
    )
    assert len(lines) == 5


def test_the_layout_is_as_written(finished: Path) -> None:
    for name in ("experiment.json", "predictions.csv", "results.csv", "report.html"):
        assert (finished / name).is_file(), name
    fold = finished / "seed1" / "fold-s2"
    for name in ("config.json", "model.safetensors", "settings.json", "losses.jsonl"):
        assert (fold / name).is_file(), name
    for name in ("history.json", "predictions.csv", "fold.json", "selection/history.json"):
        assert (fold / name).is_file(), name
    assert not list(finished.rglob("resume"))


def test_a_refit_trains_on_everybody_not_tested_for_the_epochs_chosen(finished: Path) -> None:
    for record in gather(finished).records:
        assert (record.num_train, record.num_development, record.num_test) == (8, 4, 4)
        assert record.trained_on == "training and development"
        folder = finished / f"seed{record.seed}" / f"fold-{record.fold}"
        chosen = json.loads((folder / "selection" / "history.json").read_text())["best_epoch"]
        assert record.epochs == chosen
        assert list(record.development) == ["uar", "loss"]


def test_the_model_of_a_fold_answers_as_its_predictions_say(finished: Path, tones: Corpus) -> None:
    folder = finished / "seed0" / "fold-s1"
    system = load(folder)
    waveforms = Waveforms(16000)
    waveforms.read(tones.utterances)
    rows = read_predictions(folder / "predictions.csv")
    by_id = {utterance.id: utterance for utterance in tones.utterances}
    posterior = system.posterior(waveforms.of([by_id[row.file] for row in rows])).tolist()
    for row, expected in zip(rows, posterior, strict=True):
        assert list(row.probabilities.values()) == pytest.approx(expected, abs=2e-6)


def test_the_card_names_who_was_heard(finished: Path) -> None:
    card = json.loads((finished / "seed0" / "fold-s1" / "config.json").read_text())["card"]
    assert card["speakers"] == ["synthetic/s2", "synthetic/s3"]
    assert card["protocol"] == "loso"


def test_the_report_says_what_was_done(finished: Path) -> None:
    page = (finished / "report.html").read_text(encoding="utf-8")
    assert "refitted" in page
    assert "3 speakers, no interval" in page


def test_running_again_trains_nothing(finished: Path, experiment: Make) -> None:
    class Counter(Watch):
        folds = 0

        def fold_begins(self, *, seed: int, fold: str, num_epochs: int) -> None:
            self.folds += 1

    counter = Counter()
    before = (finished / "predictions.csv").read_bytes()
    again = experiment(
        out=finished,
        seeds=(0, 1),
        refit="chosen",
        recipe="tones",
        settings=Settings(epochs=2, batch=8, device="cpu", precision="float32"),
    ).run(watch=counter)
    assert counter.folds == 0
    assert (finished / "predictions.csv").read_bytes() == before
    assert len(again.records) == 6


def test_a_folder_of_another_experiment_is_not_touched(finished: Path, experiment: Make) -> None:
    with pytest.raises(ExperimentError, match=r"holds another experiment \(epochs was 2, now 9\)"):
        experiment(
            out=finished,
            seeds=(0, 1),
            refit="chosen",
            recipe="tones",
            settings=Settings(epochs=9, batch=8, device="cpu", precision="float32"),
        ).run()


def test_folds_without_a_description_are_not_gone_on_with(experiment: Make, tmp_path: Path) -> None:
    (tmp_path / "out" / "seed0" / "fold-s1").mkdir(parents=True)
    with pytest.raises(ExperimentError, match=r"holds folds but no experiment\.json"):
        experiment().run()


@pytest.mark.usefixtures("unreported")
def test_the_best_development_epoch_is_kept_without_refit(experiment: Make) -> None:
    done = experiment(folds=("s1",)).run()
    (record,) = done.records
    assert (record.num_train, record.num_development) == (4, 4)
    assert record.trained_on == "training"
    assert record.epochs == 2
    assert record.best_epoch in (1, 2)
    assert done.rows[0]["protocol"] == "loso (1 of 3 folds)"
    assert done.rows[0]["refit"] == "no"


@pytest.mark.usefixtures("unreported")
def test_an_experiment_may_be_run_in_pieces(experiment: Make) -> None:
    assert experiment(folds=("s1", "s3")).run().rows[0]["num_utterances"] == 8
    done = experiment(folds=("s2",)).run()
    assert done.rows[0]["protocol"] == "loso"
    assert done.rows[0]["num_utterances"] == 12
    assert read_experiment(done.folder)["folds"] == ["s1", "s3", "s2"]


@pytest.mark.usefixtures("unreported")
def test_full_refit_chooses_nothing(experiment: Make) -> None:
    (record,) = experiment(folds=("s1",), refit="full").run().records
    assert (record.num_train, record.num_development) == (8, 0)
    assert record.development == {}
    assert record.epochs == record.best_epoch == 2


@pytest.mark.parametrize("schedule", ["cosine", "one_cycle"])
def test_an_annealed_schedule_leaves_no_epoch_to_choose(experiment: Make, schedule: str) -> None:
    settings = Settings(epochs=2, schedule=schedule)  # type: ignore[arg-type]
    assert experiment(refit="chosen", settings=settings).refit_done == "full"
    assert experiment(refit="no", settings=settings).refit_done == "no"


def test_a_classical_system_is_trained_on_everybody_not_tested(experiment: Make) -> None:
    pytest.importorskip("opensmile")
    done = experiment(
        system="opensmile_svm", system_settings={"feature_set": "eGeMAPSv02"}, folds=("s1",)
    ).run()
    (record,) = done.records
    assert (record.num_train, record.num_development, record.epochs) == (8, 0, 0)
    assert record.trained_on == "training and development"
    assert record.parameters == 2 * 88 + 2 * 88 + 2  # mean, scale; a hyperplane per emotion
    assert done.rows[0]["refit"] == "full"
    assert done.report is not None


def test_bad_files_are_left_out_and_named(tones: Corpus, experiment: Make, tmp_path: Path) -> None:
    broken = tmp_path / "broken.wav"
    broken.write_bytes(b"not audio at all")
    bad, *good = tones.utterances
    spoilt = replace(tones, utterances=(replace(bad, path=broken), *good))
    done = experiment(corpus=spoilt, protocol=protocol("loso", spoilt), folds=("s1",)).run()
    (record,) = done.records
    assert list(record.dropped) == [bad.id]
    assert record.dropped[bad.id].startswith("unreadable")
    assert record.num_test == 3
    assert done.report is not None
    assert bad.id in done.report.read_text(encoding="utf-8")


def test_nothing_left_to_test_stops_the_run(
    tones: Corpus, experiment: Make, tmp_path: Path
) -> None:
    gone = tuple(
        replace(u, path=tmp_path / "gone.wav") if u.speaker == "synthetic/s1" else u
        for u in tones.utterances
    )
    spoilt = replace(tones, utterances=gone)
    with pytest.raises(ExperimentError, match=r"fold s1: the test side has no utterance"):
        experiment(corpus=spoilt, protocol=protocol("loso", spoilt)).run()


def test_a_leak_stops_the_run_before_it_writes(tones: Corpus, experiment: Make) -> None:
    honest = protocol("loso", tones)
    fold = honest.folds[0]
    leaking = replace(honest, folds=(replace(fold, train=(*fold.train, fold.test[0])),))
    made = experiment(protocol=leaking)
    with pytest.raises(LeakError, match=r"synthetic/anger/s1_1\.wav"):
        made.run()
    assert not made.out.exists()


def test_a_leak_that_is_allowed_is_told_wherever_numbers_are(
    experiment: Make, tones: Corpus, tmp_path: Path
) -> None:
    fold = protocol("loso", tones).folds[0]
    leaking = replace(
        protocol("loso", tones),
        folds=(replace(fold, train=(*fold.train, *fold.test[:1]), test=fold.test[1:]),),
    )
    with pytest.raises(LeakError, match="--allow-leak speaker"):
        experiment(protocol=leaking).run()
    finished = experiment(protocol=leaking, allow_leaks=("speaker", "take")).run()
    assert {row["protocol"] for row in finished.rows} == {"loso (leaks allowed: speaker, take)"}
    (line,) = [x for x in read_experiment(finished.folder)["protocol"]["leaks"] if "speaker" in x]
    assert "LEAK (speaker), allowed by hand" in line
    assert finished.report is not None
    assert "LEAK (speaker), allowed by hand" in finished.report.read_text()
    with pytest.raises(ExperimentError, match="allow_leaks was"):
        experiment(protocol=leaking, allow_leaks=("speaker", "take", "sentence")).run()


def test_a_leak_of_no_known_kind_cannot_be_allowed(experiment: Make) -> None:
    with pytest.raises(ValueError, match=r"no leak is called 'speakers'.*did you mean speaker"):
        experiment(allow_leaks=("speakers",)).run()


def rated(corpus: Corpus) -> Corpus:
    """The tones with an affect that goes with their emotion."""
    values = {"anger": 0.9, "sadness": 0.2}
    return replace(
        corpus,
        utterances=tuple(
            replace(
                utterance,
                ratings=(
                    *utterance.ratings,
                    Rating(
                        rater="consensus",
                        affect={
                            "arousal": values[utterance.emotion() or ""],
                            "valence": 1 - values[utterance.emotion() or ""] / 2,
                        },
                    ),
                ),
            )
            for utterance in corpus.utterances
        ),
    )


def test_affect_goes_through_an_experiment_as_emotions_do(tones: Corpus, tmp_path: Path) -> None:
    pytest.importorskip("opensmile")
    corpus = rated(tones)
    finished = Experiment(
        system="opensmile_svr",
        corpus=corpus,
        protocol=protocol("loso", corpus, task="affect"),
        out=tmp_path / "out",
        system_settings={"feature_set": "eGeMAPSv02"},
    ).run()
    rows = read_affect_predictions(finished.folder / "predictions.csv")
    assert sorted(row.file for row in rows) == [utterance.id for utterance in corpus.utterances]
    assert list(rows[0].predicted) == ["arousal", "valence"]
    pooled = finished.rows[-1]
    assert pooled["seed"] == "pooled"
    assert pooled["ccc_mean"] == pytest.approx(
        score_affect(rows).figures["ccc_mean"].mean, abs=1e-4
    )
    assert float(pooled["ccc_mean"]) > 0.8
    assert pooled["split"] == protocol("loso", corpus, task="affect").split
    assert finished.report is not None
    listener = load_predictor(finished.folder / "seed0" / "fold-s1")
    rating = listener.predict(corpus.utterances[0].path)
    assert rating.emotion == {}
    assert rating.affect["arousal"] == pytest.approx(rows[0].predicted["arousal"], abs=0.01)


def test_a_dimension_that_not_everybody_was_rated_on_is_left_out_and_named(
    tones: Corpus, tmp_path: Path
) -> None:
    pytest.importorskip("opensmile")
    corpus = rated(tones)
    first, *others = corpus.utterances
    poor = replace(first, ratings=(Rating(rater="consensus", affect={"arousal": 0.9}),))
    corpus = replace(corpus, utterances=(poor, *others))
    said: list[str] = []

    class Hearing(Watch):
        def say(self, text: str) -> None:
            said.append(text)

    finished = Experiment(
        system="opensmile_svr",
        corpus=corpus,
        protocol=protocol("loso", corpus, task="affect"),
        out=tmp_path / "out",
        system_settings={"feature_set": "eGeMAPSv02"},
    ).run(watch=Hearing())
    line = "valence is left out: 11 of 12 utterances were rated on it."
    assert line in said
    assert finished.report is not None
    assert line in finished.report.read_text()
    assert list(finished.predictions[0].predicted) == ["arousal"]


def test_an_emotion_that_a_fold_cannot_learn_is_named(experiment: Make, tones: Corpus) -> None:
    cut = protocol("loso", tones)
    fold = cut.folds[0]
    poor = replace(
        fold,
        train=tuple(u for u in fold.train if u.emotion() == "anger"),
        development=tuple(u for u in fold.development if u.emotion() == "anger"),
    )
    made = experiment(protocol=replace(cut, folds=(poor, *cut.folds[1:])))
    (line,) = made.task.remarks(made.protocol)
    assert line == "Fold s1 has no sadness to learn from, so it cannot hear it."


def test_a_system_is_not_run_on_a_protocol_of_another_task(tones: Corpus, tmp_path: Path) -> None:
    made = Experiment(
        system="opensmile_svr", corpus=tones, protocol=protocol("loso", tones), out=tmp_path
    )
    with pytest.raises(ExperimentError, match=r"answers affect, but loso was built for emotion"):
        made.run()


def test_answers_to_the_development_side_are_kept_where_it_chose_the_epoch(
    finished: Path,
) -> None:
    chosen = read_predictions(finished / "seed0" / "fold-s1" / "development.csv")
    assert {row.speaker for row in chosen} == {"synthetic/s2"}
    assert {row.fold for row in chosen} == {"s1"}


def test_an_unknown_fold_is_named_with_the_known_ones(experiment: Make) -> None:
    with pytest.raises(UnknownFoldError, match=r"no fold 's9'; its folds are s1, s2, s3"):
        experiment(folds=("s9",)).run()


@pytest.mark.usefixtures("unreported")
def test_the_same_seed_gives_the_same_predictions(experiment: Make, tmp_path: Path) -> None:
    def answers(out: str) -> tuple[Prediction, ...]:
        return experiment(out=tmp_path / out, folds=("s2",)).run().predictions

    assert answers("one") == answers("other")


KILLED = """
import os, signal, sys
from pathlib import Path
from serkit.corpus import protocol, synthetic
from serkit.experiment import Experiment
from serkit.trainer import Settings

tones = synthetic.read(Path(sys.argv[1]))
Experiment(
    system="crnn", corpus=tones, protocol=protocol("loso", tones), out=Path(sys.argv[2]),
    system_settings={"size": "small", "augment": "none"},
    settings=Settings(epochs=2, patience=None, batch=8, device="cpu", precision="float32"),
).run(after_fold=lambda: os.kill(os.getpid(), signal.SIGKILL))
"""


@pytest.mark.usefixtures("unreported")
def test_a_killed_run_keeps_its_finished_folds(
    experiment: Make, tones_root: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(tones_root), str(out)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        check=False,
        capture_output=True,
    )
    assert killed.returncode == -signal.SIGKILL
    kept = out / "seed0" / "fold-s1" / "predictions.csv"
    written = kept.stat().st_mtime_ns
    assert [path.name for path in (out / "seed0").iterdir()] == ["fold-s1"]
    assert len(read_predictions(out / "predictions.csv")) == 4
    assert not (out / "results.csv").exists()  # rows are of complete seeds

    done = experiment(out=out).run()
    assert kept.stat().st_mtime_ns == written
    assert [record.fold for record in done.records] == ["s1", "s2", "s3"]
    assert done.rows[0]["num_utterances"] == 12


def test_a_folder_that_is_no_experiment_is_said_to_be_none(tmp_path: Path) -> None:
    with pytest.raises(ExperimentError, match=r"has no experiment\.json"):
        gather(tmp_path)
    (tmp_path / "experiment.json").write_text('{"format": 99}')
    with pytest.raises(ExperimentError, match=r"its format is not 1"):
        read_experiment(tmp_path)
    (tmp_path / "experiment.json").write_text("{")
    with pytest.raises(ExperimentError, match=r"not valid JSON"):
        read_experiment(tmp_path)


@pytest.mark.parametrize("left_out", [(), ("emotion", "speaker"), ("sex", "age", "language")])
def test_what_a_fold_keeps_of_an_utterance_comes_back(
    tones: Corpus, left_out: tuple[str, ...]
) -> None:
    utterance = replace(tones.utterances[0], start=0.1, end=0.2, sex="female", age=31.0)
    kept = json.loads(json.dumps(facts_about(utterance)))
    assert kept["emotion"] == utterance.emotion()
    assert kept["speaker"] == utterance.speaker
    older = {name: value for name, value in kept.items() if name not in left_out}
    expected = {name: None if name in left_out else value for name, value in kept.items()}
    assert facts_about(utterance_from(utterance.id, older)) == expected


def test_what_people_said_of_affect_is_kept_where_there_are_several(tones: Corpus) -> None:
    consensus = Rating(rater="consensus", affect={"arousal": 0.5})
    anna, ben = (Rating(rater=name, affect={"arousal": 0.25}) for name in ("anna", "ben"))
    known = tones.utterances[0].ratings
    several = replace(tones.utterances[0], ratings=(*known, consensus, anna, ben))
    kept = json.loads(json.dumps(facts_about(several)))
    assert kept["annotators"] == {"anna": {"arousal": 0.25}, "ben": {"arousal": 0.25}}
    back = utterance_from(several.id, kept)
    assert back.affect("ben") == {"arousal": 0.25}
    assert facts_about(back) == kept
    for ratings in ((consensus, anna), (consensus,), ()):
        assert "annotators" not in facts_about(replace(several, ratings=ratings))
