from statistics import NormalDist

import numpy as np
import pytest

from serkit.evaluation import (
    AffectPrediction,
    ScoredTrial,
    affect_figures,
    det_curve,
    eer,
    score_trials,
)
from serkit.evaluation.affect_figures import (
    LEAST_RATE,
    MOST_ERROR,
    affect_picture,
    det_picture,
    det_picture_of,
    spread_picture,
)


def affect_rows(num_utterances=60, seeds=(0,)) -> list[AffectPrediction]:
    generator = np.random.default_rng(0)
    rated = generator.uniform(0, 1, num_utterances)
    return [
        AffectPrediction.of(
            seed=seed, fold="1", file=str(n), speaker="s",
            reference={"arousal": x, "valence": 1 - x},
            predicted={"arousal": x / 2 + 0.1, "valence": 1.5 - x},
        )
        for seed in seeds
        for n, x in enumerate(rated.tolist())
    ]  # fmt: skip


def lines_of(axes) -> list:
    return list(axes.get_lines())


def test_a_panel_per_dimension_shows_every_utterance_by_its_rating():
    rows = affect_rows()
    picture = affect_picture(rows)
    panels = picture.canvas.axes
    assert [axes.get_title("left").split()[0] for axes in panels] == ["arousal", "valence"]
    _, dots, means = lines_of(panels[0])
    assert dots.get_xdata().tolist() == [row.reference["arousal"] for row in rows]
    assert dots.get_ydata().tolist() == [row.predicted["arousal"] for row in rows]
    assert np.polyfit(means.get_xdata(), means.get_ydata(), 1) == pytest.approx(
        [0.5, 0.1], abs=1e-5
    )
    assert "arousal 0.1" in picture.alt
    assert "outside [0, 1]: " in picture.caption


def test_many_dots_are_thinned_and_the_caption_says_so(monkeypatch):
    monkeypatch.setattr(affect_figures, "MOST_DOTS", 60)
    picture = affect_picture(affect_rows(num_utterances=60, seeds=(0, 1)))
    dots = lines_of(picture.canvas.axes[0])[1]
    assert len(dots.get_xdata()) == 60
    assert "One in 2 is drawn" in picture.caption


def test_error_is_drawn_against_spread_beside_that_of_one_person():
    """Annotators 2 s apart: their spread is s, one is 2 s from the other; the error is known."""
    rows, said = [], {}
    for n in range(24):
        half, error = 0.05 * (1 + n % 4), 0.1 if n % 2 else 0.7
        said[str(n)] = {"a": {"arousal": 0.5 - half}, "b": {"arousal": 0.5 + half}}
        rows.append(
            AffectPrediction.of(
                seed=0, fold="1", file=str(n), speaker="s", reference={"arousal": 0.5},
                predicted={"arousal": 0.5 + error},
            )
        )  # fmt: skip
    picture = spread_picture(rows, said)
    dots, system, person = lines_of(picture.canvas.axes[0])
    assert dots.get_xdata().tolist() == pytest.approx([0.05 * (1 + n % 4) for n in range(24)])
    assert system.get_xdata().tolist() == pytest.approx([0.05, 0.1, 0.15, 0.2])
    assert system.get_ydata().tolist() == pytest.approx([0.7, 0.1, 0.7, 0.1])
    assert person.get_ydata().tolist() == pytest.approx([0.1, 0.2, 0.3, 0.4])
    assert f"12 errors above {MOST_ERROR} are not in the picture" in picture.caption
    assert "arousal -0.45" in picture.alt


def test_utterances_that_one_person_rated_have_no_spread_to_draw():
    rows = affect_rows(num_utterances=5)
    assert spread_picture(rows, {}) is None
    assert spread_picture(rows, {"0": {"a": {"arousal": 0.5}}}) is None
    both = {"0": {"a": {"arousal": 0.5}, "b": {"arousal": 0.7}}}
    picture = spread_picture(rows, both)
    assert [axes.get_title("left").split()[0] for axes in picture.canvas.axes] == ["arousal"]


def test_normal_scores_give_a_straight_line_through_the_equal_error_rate():
    """Two normal distributions 2 apart: rates of Phi(t - 2) and 1 - Phi(t), a line of slope -1."""
    quantiles = [NormalDist().inv_cdf(p) for p in np.linspace(0.001, 0.999, 2000).tolist()]
    scores = [*(q + 2 for q in quantiles), *quantiles]
    target = [True] * 2000 + [False] * 2000
    rate = eer(scores, target).value
    assert rate == pytest.approx(NormalDist().cdf(-1), abs=2e-3)
    picture = det_picture({"mine": det_curve(scores, target)}, {"mine": rate})
    _, line, dot = lines_of(picture.canvas.axes[0])
    across, up = line.get_xdata(), line.get_ydata()
    inner = (np.abs(across) < 1.5) & (np.abs(up) < 1.5)
    assert np.polyfit(np.array(across)[inner], np.array(up)[inner], 1) == pytest.approx(
        [-1, -2], abs=0.02
    )
    assert dot.get_xdata() == dot.get_ydata() == pytest.approx([-1], abs=0.01)


@pytest.mark.parametrize(("target", "text"), [((0, 0, 1, 1), "0.000"), ((1, 1, 0, 0), "1.000")])
def test_rates_of_0_and_1_are_drawn_at_the_edge(target, text):
    scores, claims = [0.1, 0.2, 0.3, 0.4], [bool(claim) for claim in target]
    curve = det_curve(scores, claims)
    picture = det_picture({"mine": curve}, {"mine": eer(scores, claims).value})
    axes = picture.canvas.axes[0]
    edge = NormalDist().inv_cdf(LEAST_RATE)
    assert np.isfinite(lines_of(axes)[1].get_xdata()).all()
    assert axes.get_xlim()[0] == pytest.approx(edge)
    assert text in picture.alt


def test_every_seed_has_its_curve_and_the_same_rows_give_the_same_bytes():
    rows = [
        ScoredTrial.of(seed=seed, fold="1", enrolment=e, probe=str(n), speaker="s",
                       is_target=e == "ab"[n % 2],
                       score=float((n * 7 + seed) % 10 + 3 * (e == "ab"[n % 2])))
        for seed in (0, 1)
        for n in range(20)
        for e in "ab"
    ]  # fmt: skip
    scores = score_trials(rows, draws=1)
    picture = det_picture_of(scores)
    assert "seed 0 0." in picture.alt
    assert "seed 1 0." in picture.alt
    assert len(lines_of(picture.canvas.axes[0])) == 1 + 2 * 2
    assert picture.drawn("svg") == det_picture_of(scores).drawn("svg")
