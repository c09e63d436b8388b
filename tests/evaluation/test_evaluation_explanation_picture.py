"""Which answers are explained, what lies on top of a picture, and the page that shows them."""

from pathlib import Path

import numpy as np

from serkit.evaluation import Prediction, write_report
from serkit.evaluation.explanation_picture import (
    Explained,
    explanation_picture,
    most_telling,
    overlaid,
)

EMOTIONS = ("anger", "fear", "sadness")


def row(file: str, emotion: str, *probabilities: float, seed: int = 0) -> Prediction:
    return Prediction.of(
        seed=seed,
        fold="one",
        file=file,
        speaker="s",
        emotion=emotion,
        emotions=EMOTIONS,
        probabilities=probabilities,
    )


ROWS = [
    row("a1", "anger", 0.9, 0.1, 0.0),
    row("a2", "anger", 0.95, 0.05, 0.0),
    row("a3", "anger", 0.1, 0.9, 0.0),
    row("a4", "anger", 0.2, 0.0, 0.8),
    row("s1", "sadness", 0.5, 0.3, 0.2),
]


def explained(*files: str) -> dict[str, Explained]:
    heat = np.zeros((8, 8))
    heat[2, 3] = 1.0
    return {
        file: Explained(start=0.5, end=1.5, picture=np.full((8, 8), 0.5), map=heat)
        for file in files
    }


def test_of_each_emotion_the_surest_right_and_the_surest_wrong_answer_tell_most():
    assert [r.file for r in most_telling(ROWS)] == ["a2", "a3", "s1"]
    assert most_telling([]) == []


def test_where_nothing_speaks_the_picture_stays_grey_and_elsewhere_it_does_not():
    picture = np.linspace(0, 1, 64).reshape(8, 8)
    heat = np.zeros((8, 8))
    heat[4, 5] = 1.0
    shown = overlaid(picture, heat)
    is_grey = (shown == shown[..., :1]).all(2)
    assert (~is_grey).nonzero()[0].tolist() == [4]
    assert np.array_equal(shown[is_grey][:, 0], picture[is_grey])
    assert shown.min() >= 0
    assert shown.max() <= 1


def test_the_picture_says_in_words_what_is_shown():
    picture = explanation_picture(explained("a1", "a2", "a4", "s1"), ROWS)
    assert picture is not None
    for words in ("3 utterances", "anger heard as anger (0.95)", "anger heard as sadness (0.80)"):
        assert words in picture.alt
    assert explanation_picture({}, ROWS) is None
    again = explanation_picture(explained("a1", "a2", "a4", "s1"), ROWS)
    assert again is not None
    assert picture.drawn("svg") == again.drawn("svg")


def test_the_report_has_the_explanations_of_one_seed(tmp_path: Path):
    rows = [*ROWS, *(row(r.file, r.emotion, 0.0, 0.0, 1.0, seed=1) for r in ROWS)]
    page = write_report(
        tmp_path / "report.html", rows, title="t", explained=explained("a1", "a3"), sees="waveform",
        draws=20,
    )  # fmt: skip
    text = page.read_text(encoding="utf-8")
    assert 'id="explanations"' in text
    assert "anger heard as anger (0.90), anger heard as fear (0.90)" in text
    page = write_report(tmp_path / "other.html", rows, title="t", draws=20)
    assert 'id="explanations"' not in page.read_text(encoding="utf-8")
