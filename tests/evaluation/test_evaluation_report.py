import base64
import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest

from serkit.evaluation import (
    LearningCurve,
    ensemble,
    read_learning_curve,
    read_predictions,
    score,
    write_predictions,
    write_report,
)

VOID = {"meta", "img", "br", "link", "input", "hr"}
LOADING = ("src", "href", "srcset", "data", "action", "poster", "xlink:href")


class Page(HTMLParser):
    """What a browser would make of it, and whether every tag is closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.tables: dict[str, list[list[str]]] = {}
        self.captions = 0
        self._table: list[list[str]] | None = None
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self.tags.append((tag, attributes))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "table":
            self._table = self.tables.setdefault(attributes["id"], [])
        elif tag == "tr":
            self._table.append([])
        elif tag in ("td", "th"):
            self._table[-1].append("")
        elif tag == "caption":
            self.captions += 1

    def handle_endtag(self, tag):
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] in ("td", "th"):
            self._table[-1][-1] += data
        if "style" not in self.open:
            self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", "".join(self.words))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


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
    assert page.open == []
    for tag, attributes in page.tags:
        assert tag not in ("script", "link", "iframe", "object", "embed", "base")
        for name in LOADING:
            value = attributes.get(name) or "#"
            assert value.startswith(("#", "data:image/")), (tag, name, value[:60])
        assert "http" not in (attributes.get("style") or "")
    assert "url(" not in " ".join(page.words)


def test_links_of_the_page_lead_somewhere(page):
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    for anchor in page.all("a"):
        assert anchor["href"].removeprefix("#") in ids


def test_every_section_is_there(page):
    sections = [attributes["id"] for attributes in page.all("section")]
    assert sections == [
        "figures", "emotions", "folds", "speakers", "length", "learning", "data", "settings",
        "versions", "again",
    ]  # fmt: skip
    for words in (
        "crnn on tones & <noise>",
        "loso, speaker-independent",
        "An excerpt this small shows the machinery, not the state of the art.",
        "tones/x: empty",
        "tones/y = tones/z: kept on one side",
        "fold 02: sadness",
        "serkit train crnn --seeds 0,1",
        'read_predictions("predictions.csv")',
    ):
        assert words in page.text


def test_the_numbers_are_those_of_the_predictions(page, rows):
    scores = score(rows, draws=500)
    uar = scores.figures["uar"]
    assert f"UAR {uar.text}" in page.text
    headline = page.tables["table-headline"]
    assert headline[1] == ["UAR", uar.text, uar.interval.text, uar.fold_text]
    together = score(ensemble(rows), draws=500).figures["war"]
    assert headline[5] == [
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
    assert len(pictures) == 5
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
    assert "4 training runs of 3 epochs; the epoch kept was 2" in pictures[-1]["alt"]
    assert "0.610" in pictures[-1]["alt"]


def test_every_table_has_a_caption_and_named_columns(page):
    assert page.captions == len(page.tables)
    assert all(cell.get("scope") in ("col", "row") for cell in page.all("th"))


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
    sections = [attributes["id"] for attributes in page.all("section")]
    assert sections == ["figures", "emotions", "folds", "speakers", "data", "again"]


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


def test_evaluation_imports_neither_torch_nor_matplotlib():
    code = (
        "import sys, serkit.evaluation\n"
        "heavy = {'torch', 'matplotlib', 'jinja2', 'sklearn', 'scipy', 'pandas'}\n"
        "sys.exit(', '.join(sorted(heavy & set(sys.modules))) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
