import base64
import csv
import json
import subprocess
import sys
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest
from html_page import Page

from serkit.corpus import load, protocol
from serkit.evaluation import (
    LearningCurve,
    ensemble,
    read_learning_curve,
    read_predictions,
    score,
    write_predictions,
    write_report,
)
from serkit.evaluation.calibration import calibrate
from serkit.evaluation.groups import by_group
from serkit.evaluation.page import protocol_card
from serkit.evaluation.probability import probability_scores
from serkit.evaluation.worst_errors import flac_of, worst_errors

LEAKS = ("LEAK (speaker), allowed by hand: tones, fold 00 & 01; 9 utterances_in all",)
ALARM = b"#b00020"


@pytest.fixture(scope="module")
def rows(make_rows):
    """Speaker 02 shows no sadness."""
    return [
        row
        for row in make_rows(seeds=(0, 1), num_speakers=9)
        if not (row.speaker == "tones/02" and row.emotion == "sadness")
    ]


@pytest.fixture(scope="module")
def page(tmp_path_factory, rows) -> Page:
    files = {row.file for row in rows}
    path = write_report(
        tmp_path_factory.mktemp("report") / "new" / "report.html",
        rows,
        title="crnn on tones & <noise>",
        summary={"Protocol": "loso, speaker-independent"},
        curves=[
            LearningCurve(seed=seed, fold=fold, losses=(1.5, 1.0, 0.8),
                          development=(0.4, 0.61, 0.5), best_epoch=2)
            for seed in (0, 1) for fold in ("00", "01")
        ],
        durations={file: 1 + number / 10 for number, file in enumerate(sorted(files))},
        fold_facts={"02": {"training utterances": 63}},
        dropped=["tones/x: empty"],
        duplicates=["tones/y = tones/z: kept on one side"],
        notes=["An excerpt this small shows the machinery, not the state of the art."],
        settings={"trainer": {"epochs": 3, "patience": None}, "system": {"emotions": ["a", "b"]}},
        environment={"serkit": "0.1.0", "git": {"commit": "0123abc"}},
        command="serkit train crnn --seeds 0,1",
        draws=500,
    )  # fmt: skip
    return Page(path.read_text(encoding="utf-8"))


def test_the_page_is_well_formed_and_loads_nothing(page):
    page.check()


def test_every_section_is_there(page):
    assert page.sections == [
        "asked", "figures", "emotions", "folds", "speakers", "length", "learning", "calibration",
        "errors", "data", "settings", "versions", "again",
    ]  # fmt: skip
    for words in (
        "crnn on tones & <noise>",
        "loso, speaker-independent",
        "An excerpt this small shows the machinery, not the state of the art.",
        "tones/x: empty",
        "tones/y = tones/z: kept on one side",
        "fold 02: sadness",
        "serkit train crnn --seeds 0,1",
        "read_predictions('predictions.csv')",
    ):
        assert words in page.text


def test_the_numbers_are_those_of_the_predictions(page, rows):
    scores = score(rows, draws=500)
    uar = scores.figures["uar"]
    assert f"UAR {uar.text}" in page.text
    headline = page.tables["table-headline"]
    assert headline[1] == ["UAR", uar.text, uar.interval.text, uar.fold_text]
    together = score(ensemble(rows), draws=500).figures["war"]
    assert headline[7] == [
        "WAR, ensemble-2", together.text, together.interval.text, together.fold_text
    ]  # fmt: skip
    assert [row[:2] for row in page.tables["table-seeds"][1:3]] == [
        [str(seed), f"{value:.3f}"] for seed, value in uar.by_seed.items()
    ]
    fold = page.tables["table-folds"][3]
    assert fold[:3] == ["02", "6", "1"]
    assert fold[3] == f"{uar.by_fold['02']:.3f}†"
    assert fold[5:] == ["sadness", "63"]
    counts = [list(map(int, row[1:])) for row in page.tables["table-counts"][1:]]
    assert counts == scores.confusion.counts.tolist()
    assert page.tables["table-tested"][-1] == ["all", "27", "27", "24", "78"]
    assert ["trainer.patience", "-"] in page.tables["table-settings"]
    assert ["system.emotions", "a, b"] in page.tables["table-settings"]
    assert ["git.commit", "0123abc"] in page.tables["table-versions"]


def test_lengths_are_in_four_equal_parts(page):
    parts = page.tables["table-lengths"][1:]
    assert [int(row[1]) for row in parts] == [20, 19, 19, 20]
    assert parts[0][0] == "1.00 to 2.90 s"


def test_every_picture_is_svg_and_said_in_words(page):
    pictures = page.all("img")
    assert len(pictures) == 6
    for picture in pictures:
        assert len(picture["alt"]) > 30
        kind, _, encoded = picture["src"].partition(";base64,")
        assert kind == "data:image/svg+xml"
        svg = ElementTree.fromstring(base64.b64decode(encoded))
        assert svg.tag.endswith("svg")
        for element in svg.iter():
            for name, value in element.attrib.items():
                if name.endswith("href"):
                    assert value.startswith(("#", "data:"))
    learning = pictures[-2]["alt"]
    assert "4 training runs of 3 epochs; the epoch kept was 2" in learning
    assert "0.610" in learning


def test_the_same_predictions_give_the_same_page(tmp_path, rows):
    first, second = (
        write_report(tmp_path / name, rows, title="tones", draws=50).read_bytes()
        for name in ("first.html", "second.html")
    )
    assert first == second


def test_a_page_from_predictions_alone_says_what_it_lacks(tmp_path, make_rows):
    table = write_predictions(tmp_path / "p.csv", make_rows(num_speakers=3))
    path = write_report(tmp_path / "report.html", read_predictions(table), title="tones")
    page = Page(path.read_text(encoding="utf-8"))
    assert "tones (one seed)" in page.text
    assert "3 speakers, no interval" in page.text
    assert "no difference to this one is called a difference" in page.text
    assert "None: every fold tests every emotion." in page.text
    assert "ensemble" not in page.text
    assert page.sections == [
        "figures", "emotions", "folds", "speakers", "calibration", "errors", "data", "again"
    ]  # fmt: skip
    assert page.all("audio") == []
    assert "no development predictions" in page.text


def test_an_emotion_that_nobody_was_rated_as_is_on_the_page(tmp_path, make_rows):
    rows = [row for row in make_rows() if row.emotion != "anger"]
    path = write_report(tmp_path / "report.html", rows, title="tones", draws=50)
    page = Page(path.read_text(encoding="utf-8"))
    assert "anger: no test utterance at all" in page.text
    assert "no test utterance was rated as anger" in page.text
    assert "chance 0.500" in page.text
    assert page.tables["table-emotions"][1][2] == "n/a"


def test_many_speakers_and_unknown_ones_fit_on_the_page(tmp_path, make_rows):
    many = make_rows(num_speakers=50, takes=1)
    assert "50 speakers" in write_report(
        tmp_path / "many.html", many, title="many", draws=50
    ).read_text(encoding="utf-8")
    unknown = [
        row.of(
            seed=0, fold="one", file=row.file, speaker=None, emotion=row.emotion,
            emotions=tuple(row.probabilities), probabilities=list(row.probabilities.values()),
        )
        for row in many
    ]  # fmt: skip
    page = Page(
        write_report(tmp_path / "unknown.html", unknown, title="unknown").read_text(
            encoding="utf-8"
        )
    )
    assert "unknown speakers, no interval" in page.text


def test_curves_without_development_scores_are_drawn(tmp_path, make_rows):
    curves = [LearningCurve(seed=0, fold="00", losses=(1.0,), best_epoch=1)]
    path = write_report(tmp_path / "report.html", make_rows(), title="t", curves=curves, draws=50)
    page = Page(path.read_text(encoding="utf-8"))
    assert "No development scores: the last epoch was kept." in page.text


def test_a_history_of_training_becomes_a_learning_curve(tmp_path):
    path = tmp_path / "history.json"
    epochs = [
        {"epoch": n, "losses": {"cross_entropy": 1.0 / n, "other": 0.5},
         "development": {"uar": 0.1 * n, "loss": 9.0}}
        for n in (1, 2)
    ]  # fmt: skip
    path.write_text(json.dumps({"best_epoch": 2, "epochs": epochs}))
    assert read_learning_curve(path, seed=1, fold="03") == LearningCurve(
        seed=1, fold="03", losses=(1.5, 1.0), development=(0.1, 0.2), best_epoch=2
    )
    epochs[0]["development"] = {}
    path.write_text(json.dumps({"best_epoch": 2, "epochs": epochs}))
    development = read_learning_curve(path, seed=1, fold="03").development
    assert np.isnan(development[0])
    assert development[1] == 0.2
    epochs[1]["development"] = {}
    path.write_text(json.dumps({"best_epoch": 2, "epochs": epochs}))
    assert read_learning_curve(path, seed=1, fold="03").development == ()


def test_what_is_no_history_is_named(tmp_path):
    path = tmp_path / "history.json"
    with pytest.raises(FileNotFoundError, match=r"history.json: there is no such history"):
        read_learning_curve(path, seed=0, fold="03")
    for text in ("{", "[]", '{"epochs": [1], "best_epoch": 1}'):
        path.write_text(text)
        with pytest.raises(ValueError, match=r"history.json: not a history of training"):
            read_learning_curve(path, seed=0, fold="03")


def cells_of(path):
    return list(csv.reader(path.read_text(encoding="utf-8").splitlines()))


@pytest.fixture(scope="module")
def whole(tmp_path_factory, make_rows):
    """A page with everything that can be asked for, its folder, and what it was made from."""
    folder = tmp_path_factory.mktemp("whole")
    turned = {"anger": "neutral", "neutral": "sadness", "sadness": "anger"}
    rows = [
        replace(row, emotion=turned[row.emotion]) if row.file.endswith("0") else row
        for row in make_rows(seeds=(0, 1), num_speakers=4)
    ]  # a third is nearly always wrong
    files = sorted({row.file for row in rows})
    folds = sorted({row.fold for row in rows})
    following = dict(zip(folds, [*folds[1:], folds[0]], strict=True))
    development = [replace(row, fold=following[row.fold]) for row in rows]
    generator = np.random.default_rng(0)
    noise = generator.uniform(-0.5, 0.5, 3 * 16_000)
    made = list[str]()

    def sound(file):
        return lambda: made.append(file) or flac_of(noise, 16_000)

    sex = {file: "female" if file[6:8] in ("00", "01") else "male" for file in files}
    pairs = protocol("excerpt-5pairs", load("excerpt"))
    path = write_report(
        folder / "report.html",
        rows,
        title="tones",
        protocol_card=protocol_card(pairs),
        split=pairs.split,
        leaks=LEAKS,
        groups={"sex": sex, "language": dict.fromkeys(files, "de"), "age": {}},
        embeddings={file: generator.normal(size=8) for file in files},
        development=development,
        sounds={file: sound(file) for file in files},
        audit=["one file is clipped: tones/00"],
        figures_folder=folder / "figures",
        draws=50,
    )
    return {
        "page": Page(path.read_text(encoding="utf-8")), "size": path.stat().st_size,
        "figures": folder / "figures", "rows": rows, "development": development, "sex": sex,
        "made": made, "noise": noise, "split": pairs.split,
    }  # fmt: skip


def test_a_page_with_everything_is_still_well_formed_and_small(whole):
    page = whole["page"]
    page.check()
    assert page.sections == [
        "protocol", "figures", "emotions", "folds", "speakers", "groups", "embeddings",
        "calibration", "errors", "data", "audit", "again",
    ]  # fmt: skip
    assert whole["split"] in page.text
    assert "excerpt-5pairs" in page.text
    assert "one file is clipped: tones/00" in page.text
    assert len(page.all("audio")) == 12
    assert whole["size"] < 3e6


def test_an_allowed_leak_is_on_top_and_at_every_table_and_figure(whole, page):
    captions = whole["page"].captions
    assert len(captions) == len(whole["page"].tables) + len(whole["page"].all("img")) > 15
    assert all(LEAKS[0] in caption for caption in captions)
    before_the_headline = whole["page"].text.partition("UAR 0.")[0]
    assert LEAKS[0] in before_the_headline
    assert "LEAK" not in page.text


def test_an_allowed_leak_is_in_every_file_for_papers(whole):
    files = sorted(whole["figures"].iterdir())
    assert {path.suffix for path in files} == {".svg", ".pdf", ".csv", ".tex"}
    for path in files:
        if path.suffix == ".svg":
            assert ALARM in path.read_bytes(), path.name
        elif path.suffix == ".csv":
            assert {row[-1] for row in cells_of(path)} == {"leak", LEAKS[0]}
        elif path.suffix == ".tex":
            assert "fold 00 \\& 01; 9 utterances\\_in all" in path.read_text(encoding="utf-8")


def test_every_table_and_picture_is_written_for_papers(whole):
    page, folder = whole["page"], whole["figures"]
    for name, cells in page.tables.items():
        path = folder / f"{name.removeprefix('table-')}.csv"
        written = cells_of(path)
        width = len(written[0]) - 1  # less the leak; the page has a column of recordings more
        assert [row[:width] for row in cells] == [row[:width] for row in written]
        assert path.with_suffix(".tex").is_file()
    for figure in page.all("figure"):
        name = figure["id"].removeprefix("figure-")
        assert ElementTree.parse(folder / f"{name}.svg").getroot().tag.endswith("svg")
        assert (folder / f"{name}.pdf").read_bytes().startswith(b"%PDF")


def test_the_worst_errors_can_be_heard_and_no_other_recording_is_made(whole):
    errors = worst_errors(whole["rows"])
    assert [row[0] for row in whole["page"].tables["table-errors"][1:]] == [e.file for e in errors]
    assert sorted(whole["made"]) == sorted(error.file for error in errors)
    for sound in whole["page"].all("audio"):
        kind, _, encoded = sound["src"].partition(";base64,")
        assert kind == "data:audio/flac"
        assert base64.b64decode(encoded) == flac_of(whole["noise"], 16_000)


def test_recordings_can_be_left_out(tmp_path, make_rows):
    rows = make_rows(num_speakers=2)
    sounds = {row.file: b"fLaC" for row in rows}
    for number, (audio, count) in enumerate(((False, 0), (True, 3))):
        path = write_report(
            tmp_path / f"{number}.html", rows, title="t", sounds=sounds, audio=audio, num_errors=3
        )
        page = Page(path.read_text(encoding="utf-8"))
        assert len(page.all("audio")) == count
        assert ("licence of the corpus" in page.text) == audio


def test_calibration_is_shown_before_and_after(whole):
    rows = whole["page"].tables["table-calibration"]
    before = probability_scores(whole["rows"], draws=50).figures
    after = probability_scores(calibrate(whole["rows"], whole["development"]), draws=50).figures
    assert rows[0] == [
        "figure", "as predicted", "95 % over speakers", "temperature scaled", "95 % over speakers"
    ]  # fmt: skip
    assert rows[1][1::2] == [before["log_loss"].text, after["log_loss"].text]
    assert rows[3][1::2] == [before["ece"].text, after["ece"].text]
    assert rows[1][1] != rows[1][3]


def test_a_fold_without_development_predictions_is_not_calibrated(tmp_path, make_rows):
    rows = make_rows(num_speakers=2)
    development = [replace(row, fold="01") for row in rows if row.fold == "00"]
    path = write_report(tmp_path / "r.html", rows, title="t", development=development)
    page = Page(path.read_text(encoding="utf-8"))
    assert "1 of 2 runs, such as seed 0, fold 00, have no development predictions" in page.text
    assert len(page.tables["table-calibration"][0]) == 3


def test_bare_answers_have_no_calibration(tmp_path, make_rows):
    rows = [
        replace(row, probabilities={e: float(e == row.predicted) for e in row.probabilities})
        for row in make_rows(num_speakers=2)
    ]
    page = Page(write_report(tmp_path / "r.html", rows, title="t").read_text(encoding="utf-8"))
    assert "answers without probabilities: not defined" in page.text
    assert "table-calibration" not in page.tables


def test_groups_are_scored_and_ways_that_tell_nothing_apart_are_said(whole):
    found = by_group(whole["rows"], whole["sex"], draws=50)
    rows = whole["page"].tables["table-by-group"][1:]
    assert [row[1] for row in rows] == [group.name for group in found.groups]
    assert [row[4] for row in rows] == [f"{group.interval.value:.3f}" for group in found.groups]
    assert whole["page"].tables["table-gaps"][1][:4] == [
        "sex", found.gap.best, found.gap.worst, found.gap.text
    ]  # fmt: skip
    assert "Nothing to compare by language: all de." in whole["page"].text


def test_a_run_without_errors_says_so(tmp_path, make_rows):
    rows = [replace(row, emotion=row.predicted) for row in make_rows(num_speakers=2)]
    page = Page(write_report(tmp_path / "r.html", rows, title="t").read_text(encoding="utf-8"))
    assert "None: every utterance was heard as it was rated." in page.text


def test_evaluation_imports_neither_torch_nor_matplotlib():
    code = (
        "import sys, serkit.evaluation\n"
        "heavy = {'torch', 'matplotlib', 'jinja2', 'sklearn', 'scipy', 'pandas'}\n"
        "sys.exit(', '.join(sorted(heavy & set(sys.modules))) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
