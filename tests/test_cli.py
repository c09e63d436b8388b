"""Every command, and every way to use it wrongly."""

import csv
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner, Result

from serkit.cli import app
from serkit.corpus import synthetic

QUICK = (
    *("--set", "size=small", "--set", "epochs=1", "--set", "augment=none"),
    *("--set", "device=cpu", "--set", "batch=8"),
)


def serkit(*words: str | Path) -> Result:
    """What the command line says, without folding lines."""
    return CliRunner().invoke(app, [str(word) for word in words], env={"COLUMNS": "200"})


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return synthetic.write(tmp_path_factory.mktemp("tones"), num_speakers=3, takes=2, seconds=0.4)


@pytest.fixture(scope="module")
def run(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of one epoch per fold."""
    out = tmp_path_factory.mktemp("run") / "out"
    done = serkit("train", "crnn", "--corpus", f"synthetic={root}", "--out", out, *QUICK)
    assert done.exit_code == 0, done.output
    return out


@pytest.fixture
def tone(tmp_path: Path) -> Path:
    path = tmp_path / "tone.wav"
    soundfile.write(path, 0.3 * np.sin(np.arange(8000) * 0.2), 16000)
    return path


# ------------------------------------------------------------------------------------- in general


def test_help_imports_nothing_heavy() -> None:
    program = (
        "import sys; from serkit.cli import app\n"
        "try: app(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'numpy', 'accelerate', 'sklearn', 'pydantic', 'matplotlib', 'av'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip().endswith("[]")
    commands = ("corpora", "audit", "train", "evaluate", "cross", "predict", "report", "doctor")
    for command in (*commands, "demo"):
        assert command in done.stdout


def test_it_runs_as_a_module_and_says_its_version() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "serkit", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("serkit 0.")


def test_idle_threads_do_not_spin() -> None:
    program = "import serkit, os; print(os.environ['OMP_WAIT_POLICY'])"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env={}
    )
    assert done.stdout.strip() == "PASSIVE"


def test_our_errors_are_one_sentence_and_debug_shows_where(tmp_path: Path) -> None:
    plain = serkit("report", tmp_path)
    assert plain.exit_code == 1
    assert plain.stdout == ""
    assert plain.stderr.startswith("Error: ")
    assert "has no experiment.json" in plain.stderr
    assert "Traceback" not in plain.stderr
    for words in (["--debug", "report", tmp_path], ["report", tmp_path, "--debug"]):
        assert "Traceback" in serkit(*words).stderr


def test_an_error_that_is_not_ours_says_how_to_see_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise TypeError("a fault of the program")

    monkeypatch.setattr("serkit.corpus.excerpt.read", broken)
    done = serkit("audit", "excerpt")
    assert done.exit_code == 1
    assert "TypeError: a fault of the program" in done.stderr
    assert "--debug" in done.stderr


def test_being_stopped_says_what_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("serkit.corpus.excerpt.read", stopped)
    done = serkit("audit", "excerpt")
    assert done.exit_code == 130
    assert "what was written until then is kept" in done.stderr


# ---------------------------------------------------------------------------------------- corpora


def test_corpora_lists_licence_citation_and_counts() -> None:
    said = serkit("corpora").stdout
    for word in ("emodb", "ravdess", "CC BY 4.0", "CC BY-NC-SA 4.0", "535", "1440", "2005", "2018"):
        assert word in said


def test_one_corpus_says_how_to_get_it() -> None:
    said = serkit("corpora", "ravdess").stdout
    for word in ("Audio_Speech_Actors_01-24", "ravdess-6fold", "1440 by 24 speakers", "48000 Hz"):
        assert word in said


def test_an_unknown_corpus_gets_the_nearest_one() -> None:
    done = serkit("corpora", "emodbb")
    assert done.exit_code == 2
    assert "did you mean emodb?" in done.stderr


# ------------------------------------------------------------------------------------------ audit


def test_audit_counts_and_checks_protocols(root: Path) -> None:
    done = serkit("audit", f"tones={root}", "--speaker-pattern", r"(?P<speaker>s\d)_")
    assert done.exit_code == 0, done.output
    assert "12 utterances, 3 speakers" in done.stdout
    assert "+ loso: 3 folds, keeps what it claims" in done.stdout


def test_audit_fails_on_a_bad_file(root: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(root, copy)
    (copy / "anger" / "s1_1.wav").write_bytes(b"not audio")
    done = serkit("audit", "--corpus", f"synthetic={copy}")
    assert done.exit_code == 1
    assert "Faults (1)" in done.stdout


def test_audit_fails_on_a_leak(root: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(root, copy)
    shutil.copy(copy / "anger" / "s1_1.wav", copy / "anger" / "s2_1.wav")
    done = serkit("audit", f"synthetic={copy}", "--protocol", "loso")
    assert done.exit_code == 1
    assert "recording of equal audio" in done.stdout


def test_audit_looks_at_one_corpus(root: Path) -> None:
    assert serkit("audit", "excerpt", "--corpus", f"synthetic={root}").exit_code == 2


def test_audit_shows_what_is_shared_where_nothing_is_claimed() -> None:
    done = serkit("audit", "excerpt", "--protocol", "excerpt-5pairs", "--quick")
    assert done.exit_code == 0, done.output
    assert "test sentences heard before" in done.stdout
    assert "5 of 5" in done.stdout


def test_audit_goes_on_with_a_leak_that_is_allowed(root: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(root, copy)
    shutil.copy(copy / "anger" / "s1_1.wav", copy / "anger" / "s2_1.wav")
    words = ("audit", f"synthetic={copy}", "--protocol", "loso")
    assert "--allow-leak equal-audio" in serkit(*words).stdout
    done = serkit(*words, "--allow-leak", "equal-audio")
    assert done.exit_code == 0, done.output
    assert "! loso: 3 folds, LEAK (equal-audio), allowed by hand" in done.stdout
    wrong = serkit(*words, "--allow-leak", "equal")
    assert wrong.exit_code == 2
    assert "equal-audio, near-duplicate" in wrong.stderr


def test_audit_listens(root: Path, tmp_path: Path) -> None:
    copy, wave = tmp_path / "copy", np.random.default_rng(0).uniform(-0.3, 0.3, 16000)
    shutil.copytree(root, copy)
    for name, samples in (("s1_8", wave), ("s2_8", 0.5 * wave[900:]), ("s3_8", 0 * wave)):
        soundfile.write(copy / "anger" / f"{name}.wav", samples, 16000)
    soundfile.write(copy / "anger" / "s3_9.wav", np.clip(9 * wave, -1, 1), 16000)
    whole = (copy / "anger" / "s1_1.wav").read_bytes()
    (copy / "anger" / "s1_1.wav").write_bytes(whole[: len(whole) // 2])
    words = ("audit", f"synthetic={copy}", "--protocol", "loso", "--out", tmp_path / "out")
    done = serkit(*words)
    assert done.exit_code == 1
    for said in (
        "Faults (2)",
        "silent: synthetic/anger/s3_8.wav",
        "clipped: synthetic/anger/s3_9.wav",
        "copies of one recording: synthetic/anger/s1_8.wav, synthetic/anger/s2_8.wav",
        "LEAK (near-duplicate), stops a run",
        "audit.html",
    ):
        assert said in done.stdout
    assert re.search(r"truncated: .*s1_1.wav", done.stdout)
    found = json.loads((tmp_path / "out" / "audit.json").read_text())
    assert found["protocols"][0]["kind"] == "near-duplicate"
    quick = serkit(*words[:-2], "--quick")
    assert quick.exit_code == 0, quick.output


def test_audit_measures_raters(tmp_path: Path) -> None:
    lines = ["file,speaker,rater,emotion"]
    for number in range(12):
        name = f"{number}.wav"
        soundfile.write(tmp_path / name, np.full(800, 0.1), 8000)
        lines += [f"{name},s{number % 3},{who},{('anger', 'fear')[number % 2]}" for who in "ab"]
    (tmp_path / "calls.csv").write_text("\n".join(lines), encoding="utf-8")
    done = serkit("audit", f"calls={tmp_path / 'calls.csv'}", "--quick", "--protocol", "loso")
    assert "alpha 1.000" in done.stdout, done.output


def test_audit_asks_for_a_protocol_there_is() -> None:
    done = serkit("audit", "excerpt", "--protocol", "losso", "--quick")
    assert done.exit_code == 1
    assert "loso" in done.stderr


# ------------------------------------------------------------------------------------------ train


def test_train_prints_a_table_and_names_its_files(run: Path, root: Path) -> None:
    done = serkit("train", "crnn", "--corpus", f"synthetic={root}", "--out", run, *QUICK)
    assert done.exit_code == 0, done.output  # a second time: everything is kept
    for word in ("UAR", "macro F1", "3 speakers, no interval", "report.html", "predictions.csv"):
        assert word in done.stdout
    with (run / "results.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["seed"] for row in rows] == ["0", "pooled"]
    assert {row["recipe"] for row in rows} == {"none+set"}


def own_table(root: Path, path: Path, *, affect: bool = False, turned: bool = False) -> Path:
    """The tones as a table of one's own, with German labels."""
    german = {"anger": "Wut", "sadness": "Trauer"}
    other = {"anger": "Trauer", "sadness": "Wut"}
    lines = ["file,speaker,emotion" + (",arousal,valence" if affect else "")]
    for utterance in synthetic.read(root).utterances:
        emotion = utterance.emotion() or ""
        said = (other if turned else german)[emotion]
        values = {"anger": ",6.5,2", "sadness": ",1.5,3"}[emotion] if affect else ""
        lines.append(f"{utterance.path.resolve()},{utterance.speaker},{said}{values}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


GERMAN = ("--alias", "Wut=anger", "--alias", "Trauer=sadness")


def test_labels_of_ones_own_are_explained_on_the_command_line(root: Path, tmp_path: Path) -> None:
    table = own_table(root, tmp_path / "mine.csv")
    refused = serkit("train", "crnn", "--corpus", f"mine={table}", "--out", tmp_path / "no")
    assert refused.exit_code != 0
    assert "alias" in refused.output
    words = ["--set", "feature_set=eGeMAPSv02", "--folds", "synthetic/s1"]
    done = serkit(
        *("train", "opensmile-svm", "--corpus", f"mine={table}", *GERMAN, *words),
        *("--out", tmp_path / "out"),
    )
    assert done.exit_code == 0, done.output
    assert "sadness" in done.stdout
    wrong = serkit("train", "opensmile_svm", "--corpus", f"mine={table}", "--alias", "Wut")
    assert wrong.exit_code == 2
    assert "--alias takes LABEL=EMOTION, such as Wut=anger; got 'Wut'" in wrong.output


def test_affect_goes_from_a_table_to_a_prediction(root: Path, tmp_path: Path) -> None:
    table = own_table(root, tmp_path / "mine.csv", affect=True)
    own = ("--corpus", f"mine={table}", *GERMAN)
    out = tmp_path / "out"
    done = serkit(
        *("train", "opensmile_svr", *own, "--scale", "1,7", "--protocol", "kfold-3"),
        *("--set", "feature_set=eGeMAPSv02", "--out", out),
    )
    assert done.exit_code == 0, done.output
    for word in ("CCC, mean", "ccc arousal", "rmse valence", "3 speakers, no interval"):
        assert word in done.stdout
    again = serkit("evaluate", out)
    assert again.exit_code == 0, again.output
    assert "CCC, mean" in again.stdout
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "arousal" in page
    recording = synthetic.read(root).utterances[0].path
    rated = serkit("predict", recording, "--model", out, "--format", "csv")
    assert rated.exit_code == 0, rated.output
    (row,) = csv.DictReader(rated.stdout.splitlines())
    assert row["emotion"] == ""
    assert 0.6 < float(row["arousal"]) <= 1
    shown = serkit("predict", recording, "--model", out)
    assert "arousal" in shown.stdout
    plain = json.loads(serkit("predict", recording, "--model", out, "--format", "json").stdout)
    assert plain[0]["affect"]["arousal"] == float(row["arousal"])
    backwards = serkit("train", "opensmile_svr", *own, "--scale", "7,1")
    assert backwards.exit_code == 2
    assert "lower value first" in backwards.output


def test_a_leak_is_allowed_only_by_its_name(root: Path, tmp_path: Path) -> None:
    lines = own_table(root, tmp_path / "mine.csv").read_text(encoding="utf-8").splitlines()
    rows = [line.split(",") for line in lines[1:]]
    splits = [
        ",".join([*row, "test" if row[1].endswith(("s1", "s2")) and number % 2 else "train"])
        for number, row in enumerate(rows)
    ]
    table = tmp_path / "leaking.csv"
    table.write_text("\n".join([lines[0] + ",split", *splits, *splits[:1]]) + "\n")
    copy = tmp_path / "copy.wav"
    shutil.copy(rows[0][0], copy)
    content = table.read_text().splitlines()[:-1]
    content.append(f"{copy},{rows[0][1]},{rows[0][2]},test")
    table.write_text("\n".join(content) + "\n")
    words = [
        *("train", "opensmile_svm", "--corpus", f"mine={table}", *GERMAN, "--protocol", "split"),
        *("--set", "feature_set=eGeMAPSv02", "--out", tmp_path / "out"),
    ]
    stopped = serkit(*words)
    assert stopped.exit_code == 1
    assert "--allow-leak equal-audio" in stopped.output
    done = serkit(*words, "--allow-leak", "equal-audio")
    assert done.exit_code == 0, done.output
    assert "LEAK ALLOWED: LEAK (equal-audio)" in done.stdout
    assert "leaks allowed: equal-audio" in (tmp_path / "out" / "results.csv").read_text()
    assert "LEAK (equal-audio)" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


def test_a_matrix_across_corpora_is_printed_and_drawn(root: Path, tmp_path: Path) -> None:
    four = ("anger", "happiness", "neutral", "sadness")
    tables: list[str] = []
    for number, name in enumerate(("one", "two")):
        tones = synthetic.write(
            tmp_path / name, num_speakers=3, emotions=four, takes=1, seconds=0.3, seed=number
        )
        lines = ["file,speaker,emotion"]
        lines += [f"{u.path},{u.speaker},{u.emotion()}" for u in synthetic.read(tones).utterances]
        (tmp_path / f"{name}.csv").write_text("\n".join(lines) + "\n")
        tables.append(f"{name}={tmp_path / name}.csv")
    words = ("cross", "--systems", "opensmile-svm", "--corpora", ",".join(tables))
    quick = ("--set", "opensmile-svm.feature_set=eGeMAPSv02", "--out", tmp_path / "out")
    done = serkit(*words, *quick)
    assert done.exit_code == 0, done.output
    assert "trained on the row, tested on the column" in done.stdout
    for name in ("cross.csv", "cross.predictions.csv.gz", "cross.svg", "cross.pdf"):
        assert (tmp_path / "out" / name).is_file(), name
    for wrong, said in (
        (("--set", "size=small"), "say whose setting it is"),
        (("--protocols", "three=loso"), "one of one, two"),
        (("--label-map", "five"), "no label map 'five'"),
    ):
        refused = serkit(*words, *wrong)
        assert refused.exit_code != 0
        assert said in refused.output


def test_settings_are_listed() -> None:
    done = serkit("train", "crnn", "--list-settings")
    assert done.exit_code == 0
    for word in ("kernel_widths", "3,5,9,19", "one_cycle", "patience"):
        assert word in done.stdout


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["crn"], 2, "nearest: crnn"),
        (["crnn", "--set", "epoch=3"], 2, "nearest: epochs"),
        (["crnn", "--set", "size=huge"], 2, "default, small, acrnn"),
        (["crnn", "--set", "epochs=0"], 1, "epochs: 0 must be at least 1"),
        (["crnn", "--seeds", "one"], 2, "--seeds takes whole numbers"),
        (["crnn", "--seeds", "-1"], 2, "--seeds takes numbers from 0"),
        (["crnn", "--folds", "P9"], 2, "its folds are P1"),
        (["crnn", "--protocol", "emodb-losso"], 1, "excerpt-5pairs"),
        (["crnn", "--corpus", "emodb"], 1, "emodb=PATH"),
        (["crnn", "--corpus", "data/calls.csv"], 2, "calls=data/calls.csv"),
        (["crnn", "--corpus", "calls=nowhere.csv"], 1, "nowhere.csv"),
        (["crnn", "--scale", "1-7"], 2, "--scale takes LOW,HIGH"),
        (["crnn", "--refit", "--refit-full"], 2, "exclude each other"),
    ],
)
def test_train_says_what_is_wrong(
    words: list[str], code: int, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SERKIT_CORPORA", raising=False)
    done = serkit("train", *words)
    assert done.exit_code == code, done.output
    assert said in done.stderr
    assert not list(tmp_path.iterdir())  # nothing was begun


def test_a_corpus_may_be_found_by_its_name(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "synthetic").symlink_to(root)
    monkeypatch.setenv("SERKIT_CORPORA", str(tmp_path))
    assert "12 utterances" in serkit("audit", "synthetic").stdout


# --------------------------------------------------------------------------------------- evaluate


def test_evaluate_computes_the_same_table_from_predictions(run: Path) -> None:
    of_run, of_table = serkit("evaluate", run), serkit("evaluate", run / "predictions.csv")
    assert of_run.exit_code == of_table.exit_code == 0
    tables = [done.stdout[done.stdout.index("figure ") :] for done in (of_run, of_table)]
    assert tables[0] == tables[1]
    assert "Settings were changed by hand" in of_run.stdout  # a table cannot know
    with (run / "results.csv").open(newline="") as file:
        uar = float(next(csv.DictReader(file))["uar"])
    assert f"{uar:.3f}" in of_run.stdout


def test_evaluate_compares(run: Path) -> None:
    done = serkit("evaluate", run, "--against", run / "predictions.csv")
    assert done.exit_code == 0
    assert "+0.000" in done.stdout


def test_evaluate_judges_a_model_on_speakers_it_has_not_heard(
    run: Path, root: Path, tmp_path: Path
) -> None:
    model, table = run / "seed0" / "fold-s1", tmp_path / "made.csv"
    page = tmp_path / "made.html"
    words = ("--corpus", f"synthetic={root}", "--output", table, "--report", page)
    done = serkit("evaluate", model, *words)
    assert done.exit_code == 0, done.output
    for said in (done.stdout, page.read_text(encoding="utf-8")):
        assert "8 utterances are of speakers that the model was trained or chosen on" in said
    with table.open(newline="") as file:
        assert {row["speaker"] for row in csv.DictReader(file)} == {"synthetic/s1"}


def test_a_run_has_heard_everybody(run: Path, root: Path) -> None:
    done = serkit("evaluate", run, "--corpus", f"synthetic={root}")
    assert done.exit_code == 1
    assert "no utterance to judge" in done.stderr
    assert "12 utterances are of speakers that the model was trained or chosen on" in done.stderr


@pytest.mark.parametrize(
    ("target", "code", "said"),
    [
        ("seed0/fold-s1", 0, "4 utterances, 1 speaker"),
        ("seed0", 1, "no run and no model"),
        ("gone", 1, "no such run"),
        ("seed0/fold-s1/history.json", 1, "no column 'seed'"),
    ],
)
def test_evaluate_says_what_it_was_given(run: Path, target: str, code: int, said: str) -> None:
    done = serkit("evaluate", run / target)
    assert done.exit_code == code
    assert said in (done.stdout if code == 0 else done.stderr)


GERMAN = ("--alias", "Wut=anger", "--alias", "Trauer=sadness")


@pytest.fixture
def theirs(run: Path, tmp_path: Path) -> Path:
    """The answers of the run as somebody else would write them."""
    with (run / "predictions.csv").open(newline="") as file:
        rows = [(row["file"].split("/", 1)[1], row["predicted"]) for row in csv.DictReader(file)]
    german = {"anger": "Wut", "sadness": "Trauer"}
    table = tmp_path / "theirs.csv"
    table.write_text("wav;pred\n" + "".join(f"x/{f};{german[e]}\n" for f, e in rows))
    return table


def test_anybodys_table_is_scored_as_our_own(
    run: Path, root: Path, theirs: Path, tmp_path: Path
) -> None:
    page, table = tmp_path / "page" / "theirs.html", tmp_path / "scored.csv"
    done = serkit(
        *("evaluate", theirs, "--corpus", f"synthetic={root}", "--protocol", "loso"),
        *(*GERMAN, "--against", run, "--report", page, "--output", table),
    )
    assert done.exit_code == 0, done.output
    ours = serkit("evaluate", run).stdout.splitlines()
    figures = [line.split()[:2] for line in ours if line.strip().startswith(("UAR", "anger"))]
    for figure in figures:
        assert figure in [line.split()[:2] for line in done.stdout.splitlines()]
    assert "+0.000" in done.stdout
    assert "nothing is said of calibration" in done.stdout
    html = page.read_text(encoding="utf-8")
    assert "labels, speakers and folds are those of the corpus and the protocol" in html
    assert "../scored.csv" in html
    assert "Equal audio was not looked for: nothing is trained here." in html
    with table.open(newline="") as file:
        assert {row["speaker"] for row in csv.DictReader(file)} == {
            f"synthetic/s{n}" for n in "123"
        }


def test_a_page_brings_its_numbers_along(run: Path, tmp_path: Path) -> None:
    done = serkit("evaluate", run, "--report", tmp_path / "ours.html")
    assert done.exit_code == 0, done.output
    beside = tmp_path / "ours.predictions.csv"
    assert beside.read_bytes() == (run / "predictions.csv").read_bytes()
    html = (tmp_path / "ours.html").read_text(encoding="utf-8")
    assert re.search(r"read_predictions\(\S+ours\.predictions\.csv", html)


def test_evaluate_says_what_a_run_knows_of_its_figures(run: Path, tmp_path: Path) -> None:
    other, page = tmp_path / "other", tmp_path / "page.html"
    shutil.copytree(run, other)
    described = json.loads((other / "experiment.json").read_text(encoding="utf-8"))
    described["protocol"]["leaks"] = ["a made-up leak of take 1"]
    (other / "experiment.json").write_text(json.dumps(described), encoding="utf-8")
    done = serkit("evaluate", other, "--report", page)
    assert done.exit_code == 0, done.output
    assert "LEAK ALLOWED: a made-up leak of take 1" in done.stdout
    html = page.read_text(encoding="utf-8")
    assert "a made-up leak of take 1" in html
    for said in (described["protocol"]["labelled"], "Settings were changed by hand (augment=none"):
        assert said in done.stdout
        assert said in html
    assert described["protocol"]["split"] in html
    assert "None reported." in html  # training did look for equal audio
    assert "LEAK ALLOWED: a made-up" in serkit("evaluate", run, "--against", other).stdout


def test_evaluate_doubts_a_table_of_our_own(run: Path, tmp_path: Path) -> None:
    with (run / "predictions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:  # always the same: nothing to do with the labels
        row |= {"predicted": "anger", "probability_anger": "1", "probability_sadness": "0"}
    table, page = tmp_path / "table.csv", tmp_path / "page.html"
    with table.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    done = serkit("evaluate", table, "--report", page)
    assert done.exit_code == 0, done.output
    for said in (done.stdout, page.read_text(encoding="utf-8")):
        assert "UAR 0.500 is NOT better than chance" in said


def test_missing_answers_stop_or_count_as_errors(root: Path, theirs: Path) -> None:
    short = theirs.with_name("short.csv")
    short.write_text("".join(theirs.read_text().splitlines(keepends=True)[:-2]))
    words = ("evaluate", short, "--corpus", f"synthetic={root}", *GERMAN)
    done = serkit(*words)
    assert done.exit_code == 1
    assert "2 of 12 test utterances of loso have no answer" in done.stderr
    assert "--missing wrong" in done.stderr
    done = serkit(*words, "--missing", "wrong")
    assert done.exit_code == 0, done.output
    assert "2 test utterances without an answer count as errors" in done.stdout


def test_figures_of_two_cuts_are_not_compared(run: Path, root: Path, theirs: Path) -> None:
    words = (
        *("evaluate", theirs, "--corpus", f"synthetic={root}", *GERMAN),
        *("--protocol", "random-kfold-3", "--against"),
    )
    for other in (run, run / "predictions.csv"):
        done = serkit(*words, other)
        assert done.exit_code == 1
        assert len(re.findall(r"\(split [0-9a-f]{16}\)", done.stderr)) == 2
        assert "12 of 12 shared utterances are in another fold" in done.stderr


def test_equal_test_sides_of_another_cut_are_not_compared(
    run: Path, root: Path, theirs: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    shutil.copytree(run, other)
    described = json.loads((other / "experiment.json").read_text(encoding="utf-8"))
    described["protocol"]["split"] = "0" * 16
    (other / "experiment.json").write_text(json.dumps(described), encoding="utf-8")
    done = serkit("evaluate", run, "--against", other)
    assert done.exit_code == 1
    assert "(split 0000000000000000)" in done.stderr
    assert "the test sides are alike, training or development sides are not" in done.stderr


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["RUN", "--protocol", "loso"], 2, "--protocol is for a foreign table"),
        (["RUN", "--missing", "wrong"], 2, "--missing is for a foreign table"),
        (["RUN", "--alias", "Wut=anger"], 2, "are about a corpus"),
        (["RUN", "--output", "rows.json"], 2, "--output takes a .csv or .csv.gz, not rows.json"),
        (["RUN", "--report", "page.pdf"], 2, "--report takes a page"),
        (["TABLE"], 1, "To score somebody else's table"),
        (["TABLE", "--corpus", "ROOT"], 1, "no such emotion: '"),
        (["TABLE", "--corpus", "ROOT", "--alias", "Wut"], 2, "--alias takes LABEL=EMOTION"),
        (["TABLE", "--corpus", "ROOT", "--protocol", "loo"], 1, "did you mean loso?"),
    ],
)
def test_evaluate_says_how_it_is_used(
    run: Path, root: Path, theirs: Path, words: list[str], code: int, said: str
) -> None:
    known = {"RUN": str(run), "TABLE": str(theirs), "ROOT": f"synthetic={root}"}
    done = serkit("evaluate", *(known.get(word, word) for word in words))
    assert done.exit_code == code, done.output
    assert said in done.stderr


# ---------------------------------------------------------------------------------------- predict


def test_json_is_clean_and_has_every_file(run: Path, tone: Path) -> None:
    done = serkit("predict", tone, "gone.wav", "--model", run, "--format", "json")
    assert done.exit_code == 1
    first, second = json.loads(done.stdout)
    assert (first["file"], first["status"]) == (str(tone), "ok")
    assert sum(first["probability"].values()) == pytest.approx(1.0, abs=1e-4)
    assert first["emotion"] in first["probability"]
    assert (second["status"], second["emotion"], second["probability"]) == ("missing", None, {})
    assert "1 of 2 rated" in done.stderr
    assert "1 missing" in done.stderr


def test_csv_has_a_column_for_each_emotion(run: Path, tone: Path) -> None:
    done = serkit("predict", tone, "--model", run / "seed0" / "fold-s1", "--format", "csv")
    assert done.exit_code == 0
    (row,) = csv.DictReader(done.stdout.splitlines())
    assert row["status"] == "ok"
    assert {"probability_anger", "probability_sadness", "duration", "notes"} <= set(row)
    assert float(row["duration"]) == 0.5


def test_a_table_is_for_people(run: Path, tone: Path) -> None:
    done = serkit("predict", tone, "gone.wav", "--model", run)
    assert done.exit_code == 1
    assert "anger" in done.stdout
    assert "missing" in done.stdout


def test_folders_and_patterns_are_searched(run: Path, tone: Path) -> None:
    (tone.parent / "deep").mkdir()
    shutil.copy(tone, tone.parent / "deep" / "other.wav")
    (tone.parent / "notes.txt").write_text("not a recording")

    def files(*words: str | Path) -> list[str]:
        done = serkit("predict", *words, "--model", run, "--format", "json")
        assert done.exit_code == 0, done.output
        return [Path(row["file"]).name for row in json.loads(done.stdout)]

    assert files(tone.parent) == ["other.wav", "tone.wav"]
    assert files(tone.parent / "*.wav") == ["tone.wav"]
    assert files(tone.parent / "**" / "*.wav") == ["other.wav", "tone.wav"]
    assert files(tone, tone.parent) == ["tone.wav", "other.wav"]  # once each, as given


def test_the_ending_of_the_output_decides_the_format(run: Path, tone: Path) -> None:
    output = tone.parent / "new" / "ratings.csv"
    done = serkit("predict", tone, "--model", run, "--output", output)
    assert done.exit_code == 0
    assert done.stdout == ""
    assert str(output) in done.stderr
    with output.open(newline="") as file:
        assert next(csv.DictReader(file))["status"] == "ok"


@pytest.mark.parametrize("word", ["empty", "*.xyz"])
def test_nothing_to_predict_is_a_misunderstanding(run: Path, tmp_path: Path, word: str) -> None:
    (tmp_path / "empty").mkdir()
    assert serkit("predict", tmp_path / word, "--model", run).exit_code == 2


def test_without_a_model_the_shipped_one_rates_and_says_so(
    run: Path, tone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(run, tmp_path / "runs" / "mine")  # which changes nothing
    for command in (("predict",), ("timeline",), ("listen", "--fast", "--replay")):
        done = serkit(*command, tone)
        assert done.exit_code == 0, done.output
        assert "comes with serkit" in done.stderr
        assert "CC BY-NC-SA 4.0" in done.stderr
        assert "--model DIR" in done.stderr
    assert "disgust" in serkit("predict", tone).stdout
    named = serkit("predict", tone, "--model", run)
    assert "comes with serkit" not in named.stderr
    assert "disgust" not in named.stdout


def test_a_folder_without_a_model_says_so(tone: Path, tmp_path: Path) -> None:
    done = serkit("predict", tone, "--model", tmp_path / "nothing")
    assert done.exit_code == 1
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("words", [["--format", "xml"], ["--batch", "0"]])
def test_typer_refuses_what_it_can(run: Path, tone: Path, words: list[str]) -> None:
    assert serkit("predict", tone, "--model", run, *words).exit_code == 2


# --------------------------------------------------------------------------------- report, doctor


def test_a_report_is_written_anew(run: Path) -> None:
    (run / "report.html").unlink()
    done = serkit("report", run)
    assert done.exit_code == 0, done.output
    assert str(run / "report.html") in done.stdout
    page = (run / "report.html").read_text(encoding="utf-8")
    assert "Settings were changed by hand (" in page
    assert "size=small" in page


def test_a_report_without_recordings_and_with_figures_for_a_paper(
    run: Path, tmp_path: Path
) -> None:
    with_audio = (run / "report.html").read_text(encoding="utf-8")
    assert "<audio" in with_audio
    done = serkit("report", run, "--no-audio", "--figures", tmp_path / "figures")
    assert done.exit_code == 0, done.output
    assert "<audio" not in (run / "report.html").read_text(encoding="utf-8")
    endings = {path.suffix for path in (tmp_path / "figures").rglob("*")}
    assert endings >= {".svg", ".pdf", ".csv", ".tex"}


def test_doctor_tries_what_is_needed() -> None:
    done = serkit("doctor")
    assert done.exit_code == 0, done.output
    for word in ("torch", "reads mp3", "reads m4a", "OMP_WAIT_POLICY", "extra opensmile"):
        assert word in done.stdout


def test_doctor_names_what_is_broken_and_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib

    real = importlib.import_module

    def without_soxr(name: str, *rest: Any) -> Any:
        if name == "soxr":
            raise ImportError("No module named 'soxr'")
        return real(name, *rest)

    monkeypatch.setattr(importlib, "import_module", without_soxr)
    done = serkit("doctor")
    assert done.exit_code == 1
    assert "pip install --force-reinstall soxr" in done.stdout


def test_doctor_explains_a_broken_neighbour(monkeypatch: pytest.MonkeyPatch) -> None:
    from importlib import metadata

    real: Callable[[str], str] = metadata.version
    monkeypatch.setattr(
        metadata, "version", lambda name: "2.4.0" if name == "torchaudio" else real(name)
    )
    done = serkit("doctor")
    assert done.exit_code == 0  # serkit does without it
    assert "pip uninstall torchaudio" in done.stdout
