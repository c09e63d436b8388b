# pyright: reportUnusedCallResult=false
"""Ratings and predictions of affect on a sphere: for the page, for papers, and in words.

Where an utterance lies on the sphere is the direction from the middle of every scale, which is the
kind of feeling; its colour is the distance from there, which is how much of it there is (see
``corpus.sphere``). Three flat projections beside it have the values themselves.
"""

# Shapes: B points, G rings, P points along a line.

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib import resources
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, Int

from serkit.corpus import AFFECT
from serkit.corpus.sphere import MINUS, OCTANTS, SIGNS, Grid
from serkit.evaluation.affect import AFFECT_DRAWS, AffectPrediction, affect_ensemble
from serkit.evaluation.affect_agreement import concordance_by
from serkit.evaluation.classification import marked
from serkit.evaluation.export_tables import Table
from serkit.evaluation.figures import (
    FAINT,
    INK,
    PALE,
    Picture,
    confusion_picture,
    new_canvas,
    picture_of,
    span,
    styled,
)
from serkit.evaluation.page import Interactive
from serkit.evaluation.predictions import Prediction
from serkit.evaluation.scores import Scores, score

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TEMPLATE = "sphere.html.jinja"
VIEW = (math.radians(-28), math.radians(20))
"""From where the sphere is seen first: turned about the arousal axis, and from above.

Valence is to the right, arousal up, dominance towards the viewer. Arousal and dominance mostly go
together, so below in front there is little, and what is behind it shows through.
"""
MOST_PRINTED = 250
"""Utterances of the picture for papers; more are thinned by chance, always to the same ones."""
MOST_TURNED = 1000
"""Utterances of the sphere that turns."""
FEW = 100
"""Fewer utterances than that have larger marks."""
GENERATOR_SEED = 20250101
FURTHEST = math.sqrt(3)
"""Distance of the corners of the scales from their middle."""
FLATS = (("valence", "arousal"), ("dominance", "arousal"), ("valence", "dominance"))
"""Dimensions across and up of the flat projections."""
SHADES = (0.12, 0.85)
"""The part of the colour map that stands out from white as well as from black."""
MOST_NAMED = 32
"""Regions that have their names on the sphere."""

WORDS = {
    "arousal": ("calm", "energetic"),
    "valence": ("unpleasant", "pleasant"),
    "dominance": ("not in control", "in control"),
}
"""What the lower and the upper side of a dimension is called."""
UNDECIDED = 0.1
"""No further from its middle, on [-1, 1], a dimension is on neither side and is not named."""
MIDDLE, MILD, STRONG = 0.2, 0.5, 1.0
"""Distances below which a point is close to the middle, and mild; and from which it is strong."""
HELP = (
    "Point at a mark, or tap it, to see whose it is.\n"
    "Drag the sphere, sideways first, or use the arrow keys to turn it; Home turns it back. Page "
    "Up and Page Down go through the utterances."
)


def projected(
    points: Float[np.ndarray, "*B 3"], *, view: tuple[float, float] = VIEW
) -> Float[np.ndarray, "*B 3"]:
    """Where points of space are seen, from far away.

    Turned by 0 and from the side, valence is to the right, arousal up, dominance towards the
    viewer.

    Args:
        points: Along arousal, valence and dominance, around the middle.
        view: How far the sphere is turned about the arousal axis, which brings dominance to the
            right, and how far above its equator the viewer is; in radians.

    Returns:
        To the right, up, and towards the viewer.

    Example:
        >>> projected(np.eye(3), view=(0.0, 0.0)).tolist()
        [[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]
    """
    turned, above = view
    arousal, valence, dominance = np.moveaxis(points, -1, 0)
    right = valence * math.cos(turned) + dominance * math.sin(turned)
    near = dominance * math.cos(turned) - valence * math.sin(turned)
    return np.stack(
        [
            right,
            arousal * math.cos(above) - near * math.sin(above),
            arousal * math.sin(above) + near * math.cos(above),
        ],
        axis=-1,
    )


def borders(grid: Grid) -> Float[np.ndarray, "G 3 3"]:
    """The circles along which regions meet, as a middle and two radii at a right angle.

    A point of a circle is ``middle + cos(t) one + sin(t) other``, along arousal, valence and
    dominance, on the sphere of radius 1.

    Example:
        >>> borders(Grid(8)).shape, borders(Grid(18)).shape
        ((3, 3, 3), (5, 3, 3))
    """
    across, down = grid.steps
    x, y, z = np.eye(3)
    found: list[list[Any]] = []
    for i in range(across // 2):
        azimuth = 2 * math.pi * i / across
        found.append([0 * z, x * math.cos(azimuth) + y * math.sin(azimuth), z])
    for j in range(1, down):
        elevation = math.pi * j / down
        height, radius = math.cos(elevation), math.sin(elevation)
        found.append([height * z, radius * x, radius * y])
    order = [grid.axes.index(name) for name in AFFECT]
    return np.array(found)[:, :, order]


def region_name(grid: Grid, region: int) -> str:
    """A short name: of an octant with the signs of arousal, valence and dominance.

    Example:
        >>> region_name(Grid(8), 0), region_name(Grid(18), 0)
        ('I +++', '0')
    """
    if region < len(SIGNS) == grid.num_regions:
        signs = "".join("+" if sign > 0 else MINUS for sign in SIGNS[region])
        return f"{OCTANTS[region]} {signs}"
    return str(region) if region < grid.num_regions else "origin"


def words_for(affect: Mapping[str, float]) -> str:
    """A sentence for a point, by its octant and its distance from the middle of the scales.

    It speaks of how listeners rated similar speech, because that is what a system has learnt:
    nobody's feelings are known. A dimension that is all but at its middle is not named.

    Args:
        affect: Arousal, valence and dominance, in [0, 1].

    Example:
        >>> words_for({"arousal": 0.95, "valence": 0.1, "dominance": 0.9})
        'Strong: energetic, unpleasant, in control. This is how listeners rated similar speech.'
        >>> words_for({"arousal": 0.5, "valence": 0.52, "dominance": 0.48})
        'Close to the middle of the scale. This is how listeners rated similar speech.'
    """
    around = {name: 2 * affect[name] - 1 for name in AFFECT}
    distance = math.hypot(*around.values())
    if distance < MIDDLE:
        said = "close to the middle of the scale"
    else:
        said = ", ".join(
            WORDS[name][value > 0] for name, value in around.items() if abs(value) > UNDECIDED
        )
        said = "mild: " * (distance < MILD) + "strong: " * (distance >= STRONG) + said
    return f"{said[0].upper()}{said[1:]}. This is how listeners rated similar speech."


@styled()
def sphere_picture(rows: Sequence[AffectPrediction], *, grid: Grid | None = None) -> Picture:
    """Ratings and predictions on the sphere and, beside it, in the planes of two dimensions.

    Args:
        rows: Predictions of arousal, valence and dominance; of several seeds the mean is drawn.
        grid: Regions whose borders are drawn; the octants when left out.

    Example:
        >>> rows = [AffectPrediction.of(seed=0, fold="1", file="a", speaker="s",
        ...                             reference=dict.fromkeys(AFFECT, 0.9),
        ...                             predicted=dict.fromkeys(AFFECT, 0.6))]
        >>> sphere_picture(rows).alt.partition(";")[0].partition(". ")[2]
        '1 of 1 predictions lie in the region of their rating'
    """
    from matplotlib import colormaps
    from matplotlib.collections import LineCollection
    from matplotlib.colors import ListedColormap
    from matplotlib.lines import Line2D

    grid = grid or Grid()
    rows = _one_seed(rows)
    drawn = thinned(rows, MOST_PRINTED)
    both = [_values(drawn, "reference"), _values(drawn, "predicted")]
    around = [2 * values - 1 for values in both]
    far = [np.linalg.norm(points, axis=1).clip(0, FURTHEST) for points in around]
    seen = [projected(directions(points)) for points in around]
    scale = ListedColormap(colormaps["viridis"](np.linspace(*SHADES, 256))[::-1])

    canvas = new_canvas(10.4, 5.3)
    cells = canvas.add_gridspec(2, 3, width_ratios=(2.15, 1, 1))
    globe: Axes = canvas.add_subplot(cells[:, 0])
    globe.set_aspect("equal")
    globe.set_axis_off()
    _draw_globe(globe, grid)
    arcs = projected(between(*map(directions, around)))
    # a direction means little close to the middle, and so does a line to it
    sure = np.minimum(*far).clip(0, 1)
    for hidden in (True, False):
        own = (arcs[:, :, 2:] < 0) == hidden
        globe.add_collection(
            LineCollection(list(np.where(own, arcs[:, :, :2], np.nan)), colors=INK, linewidths=0.6,
                           alpha=(0.15 if hidden else 0.55) * sure, zorder=2 if hidden else 4)
        )  # fmt: skip
    size = 2.0 if len(drawn) < FEW else 1.0
    for kind, (points, distance) in enumerate(zip(seen, far, strict=True)):
        colours = scale(distance / FURTHEST)
        for hidden in (True, False):
            own = np.flatnonzero((points[:, 2] < 0) == hidden)
            sizes = size * (5 + 14 * distance[own])
            _dots(globe, points[own], colours[own], sizes, filled=not kind,
                  alpha=0.28 if hidden else 0.95, zorder=3 if hidden else 5)  # fmt: skip

    for cell, (across, up) in zip((cells[0, 1], cells[0, 2], cells[1, 1]), FLATS, strict=True):
        axes: Axes = canvas.add_subplot(cell)
        places = [AFFECT.index(across), AFFECT.index(up)]
        flat = [values[:, places].clip(0, 1) for values in both]
        axes.add_collection(
            LineCollection(list(np.stack(flat, axis=1)), colors=INK, linewidths=0.4, alpha=0.2)
        )
        for kind, (points, distance) in enumerate(zip(flat, far, strict=True)):
            _dots(axes, points, scale(distance / FURTHEST), 7 * size, filled=not kind, alpha=0.85,
                  zorder=3)  # fmt: skip
        axes.axhline(0.5, color=PALE, linewidth=0.7, zorder=0)
        axes.axvline(0.5, color=PALE, linewidth=0.7, zorder=0)
        axes.set(xlim=(-0.04, 1.04), ylim=(-0.04, 1.04), xlabel=across, ylabel=up, aspect="equal")
        axes.set_xticks([0, 0.5, 1], ["0", "0.5", "1"])
        axes.set_yticks([0, 0.5, 1], ["0", "0.5", "1"])
        axes.tick_params(labelsize=8.5)

    key: Axes = canvas.add_subplot(cells[1, 2])
    key.set_axis_off()
    key.legend(
        handles=[
            Line2D([], [], marker="o", linestyle="none", color=FAINT, markersize=5, label="rated"),
            Line2D([], [], marker="o", linestyle="none", color=FAINT, markersize=5,
                   markerfacecolor="none", label="predicted"),
            Line2D([], [], color=INK, alpha=0.5, linewidth=0.8, label="one utterance"),
        ],
        loc="upper left", frameon=False, fontsize=9, borderaxespad=0,
    )  # fmt: skip
    bar = key.inset_axes((0.05, 0.24, 0.9, 0.07))
    bar.imshow([np.linspace(0, 1, 64)], aspect="auto", cmap=scale, extent=(0, FURTHEST, 0, 1))
    bar.set_yticks([])
    bar.set_xticks([0, 0.5, 1, 1.5])
    bar.tick_params(labelsize=8.5)
    bar.spines[:].set_visible(False)
    bar.set_xlabel("distance from the middle", fontsize=9)

    reference, predicted = (grid.of(_values(rows, side)) for side in ("reference", "predicted"))
    same, apart = (reference == predicted).sum(), _distance(rows)
    return picture_of(
        canvas,
        name="sphere",
        title="On the sphere",
        alt="Sphere with axes of arousal, valence and dominance. "
        f"{same} of {len(rows)} predictions lie in the region of their rating; mean distance of "
        f"rating and prediction {apart:.2f}, where a scale is 2 long. Most ratings: "
        f"{_most(grid, reference)}; most predictions: {_most(grid, predicted)}.",
        caption=_caption(rows, grid),
    )


def sphere_that_turns(rows: Sequence[AffectPrediction], *, grid: Grid | None = None) -> Interactive:
    """The sphere for a page: it turns, says what is pointed at, and needs no network.

    On paper, and where scripts do not run, it is ``sphere_picture``.

    Args:
        rows: As for ``sphere_picture``.
        grid: Regions whose borders are drawn; the octants when left out.

    Example:
        >>> rows = [AffectPrediction.of(seed=0, fold="1", file="a", speaker="s",
        ...                             reference=dict.fromkeys(AFFECT, 0.9),
        ...                             predicted=dict.fromkeys(AFFECT, 0.6))]
        >>> "http" in sphere_that_turns(rows).html
        False
    """
    from jinja2 import Environment, StrictUndefined
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    grid = grid or Grid()
    picture = sphere_picture(rows, grid=grid)
    rows = _one_seed(rows)
    drawn = thinned(rows, MOST_TURNED)
    sentences = [words_for(row.predicted) for row in drawn]
    distinct = sorted(set(sentences))
    data: dict[str, Any] = {
        "names": [row.file for row in drawn],
        "rated": _values(drawn, "reference").round(3).tolist(),
        "predicted": _values(drawn, "predicted").round(3).tolist(),
        "sentences": distinct,
        "said": [distinct.index(sentence) for sentence in sentences],
        "rings": borders(grid).round(4).tolist(),
        "labels": [[name, point.round(3).tolist()] for name, point in _labels(grid)],
        "view": VIEW,
        "colours": [to_hex(c) for c in colormaps["viridis"](np.linspace(*SHADES, 12))],
        "few": FEW,
        "help": HELP,
    }
    template = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    ).from_string(
        resources.files("serkit.evaluation").joinpath(TEMPLATE).read_text(encoding="utf-8")
    )
    return Interactive(
        picture=picture, html=template.render(data=data, label=f"{picture.alt} {HELP}")
    )


def thinned(rows: Sequence[AffectPrediction], most: int) -> list[AffectPrediction]:
    """At most so many rows, by chance and always the same ones, in the order they had.

    Every k-th row would not do: corpora are sorted, and a step could meet one sentence only.

    Example:
        >>> rows = [AffectPrediction.of(seed=0, fold="1", file=str(n), speaker="s",
        ...                             reference={"arousal": 0.5}, predicted={"arousal": 0.5})
        ...         for n in range(9)]
        >>> len(thinned(rows, 4)), thinned(rows, 4) == thinned(rows, 4), len(thinned(rows, 10))
        (4, True, 9)
    """
    if len(rows) <= most:
        return list(rows)
    places = np.random.default_rng(GENERATOR_SEED).choice(len(rows), most, replace=False)
    return [rows[place] for place in np.sort(places)]


def directions(points: Float[np.ndarray, "*B 3"]) -> Float[np.ndarray, "*B 3"]:
    """Points at distance 1 from the middle, in the same direction; the middle itself stays.

    Example:
        >>> directions(np.array([[0.0, 0.5, 0.0], [0.0, 0.0, 0.0]])).tolist()
        [[0.0, 1.0, 0.0], [0.0, 0.0, 0.0]]
    """
    distance = np.linalg.norm(points, axis=-1, keepdims=True)
    return np.divide(points, distance, out=np.zeros_like(points), where=distance > 0)


def between(
    one: Float[np.ndarray, "B 3"], other: Float[np.ndarray, "B 3"], *, steps: int = 10
) -> Float[np.ndarray, "B P 3"]:
    """Shortest lines along the sphere from one direction to another.

    Example:
        >>> line = between(np.array([[1.0, 0.0, 0.0]]), np.array([[0.0, 1.0, 0.0]]), steps=2)
        >>> line.round(3).tolist()
        [[[1.0, 0.0, 0.0], [0.707, 0.707, 0.0], [0.0, 1.0, 0.0]]]
    """
    share = np.linspace(0, 1, steps + 1)[:, None]
    return directions(one[:, None] * (1 - share) + other[:, None] * share)


def region_scores(
    rows: Sequence[AffectPrediction], grid: Grid, *, draws: int = AFFECT_DRAWS
) -> Scores:
    """How often a prediction lies in the region of its rating, scored as emotions are.

    Args:
        rows: Predictions of arousal, valence and dominance.
        grid: The regions; named as in ``region_name``.
        draws: Of the bootstrap over speakers.

    Example:
        >>> rows = [AffectPrediction.of(seed=0, fold="1", file=str(n), speaker="s",
        ...                             reference=dict.fromkeys(AFFECT, n),
        ...                             predicted=dict.fromkeys(AFFECT, n)) for n in (0.1, 0.9)]
        >>> region_scores(rows, Grid(8)).figures["war"].mean
        1.0
    """
    names = [region_name(grid, region) for region in range(len(grid))]
    sure = np.eye(len(grid))
    sides = (grid.of(_values(rows, side)) for side in ("reference", "predicted"))
    return score(
        [
            Prediction.of(
                seed=row.seed,
                fold=row.fold,
                file=row.file,
                speaker=row.speaker,
                emotion=names[rated],
                emotions=names,
                probabilities=sure[predicted],
            )
            for row, rated, predicted in zip(rows, *sides, strict=True)
        ],
        draws=draws,
    )


def region_picture(scores: Scores) -> Picture:
    """The confusion of rated and predicted regions.

    Args:
        scores: As ``region_scores`` gives them.
    """
    confusion, seeds = scores.confusion, len(scores.seeds)
    same = int(np.trace(confusion.counts))
    return replace(
        confusion_picture(confusion, num_seeds=seeds),
        name="regions",
        title="Region of the rating and region of the prediction",
        alt=f"Confusion of {len(confusion.emotions)} regions: {same} of "
        f"{confusion.num_utterances} predictions lie in the region of their rating. The counts "
        "are in the table below the picture.",
        caption="Where predictions lie (column) whose ratings lie in one region (row): share of "
        f"its utterances, and their number{', all seeds added up' * (seeds > 1)}. Rows add up to "
        "100 %. "
        + "Signs are those of arousal, valence and dominance; the middle of a scale counts as +."
        * (confusion.emotions[0].startswith(OCTANTS[0])),
    )


def region_counts(scores: Scores) -> Table:
    """The confusion of regions in numbers."""
    confusion = scores.confusion
    return Table(
        name="region-counts",
        caption="Region of the rating (row) and of the prediction (column), in utterances"
        + ", all seeds added up" * (len(scores.seeds) > 1),
        head=("rated in", *confusion.emotions),
        rows=tuple(
            (name, *map(str, counts))
            for name, counts in zip(confusion.emotions, confusion.counts.tolist(), strict=True)
        ),
    )


def region_table(scored: Mapping[str, Scores]) -> Table:
    """Macro F1 and accuracy of the region of the predicted point, a row for each grid.

    Args:
        scored: What the grid is called, such as ``"8 (90°)"``, to ``region_scores`` of it.
    """
    rows: list[tuple[str, ...]] = []
    for name, scores in scored.items():
        rated = scores.confusion.counts.sum(axis=1)
        empty = [
            len(scores.emotions) - np.count_nonzero(confusion.counts.sum(axis=1))
            for seeds in scores.by_fold.values()
            for confusion in list(seeds.values())[:1]
        ]
        rows.append(
            (
                name,
                str(len(scores.absent)),
                span([int(number) for number in empty]),
                *(
                    text
                    for metric in ("macro_f1", "war")
                    for text in (scores.figures[metric].text, scores.figures[metric].interval.text)
                ),
                f"{rated.max() / rated.sum():.3f}",
            )
        )
    return Table(
        name="region-figures",
        caption="Region of the prediction against region of the rating",
        head=(
            "regions", "empty", "empty on a test side", "macro F1", "95 % over speakers",
            "accuracy", "95 % over speakers", "largest region",
        ),
        rows=tuple(rows),
        note="The region is that of the predicted point, not the answer of a classifier. Empty "
        "regions hold no rating; † averages without those that hold no prediction either. The "
        "largest region is the accuracy of always answering it. With few utterances to a region, "
        "macro F1 rests on the rarest of them.",
    )  # fmt: skip


def octant_table(rows: Sequence[AffectPrediction]) -> Table:
    """CCC within each octant of the ratings, with the number of its utterances."""
    octants = Grid()
    names = [region_name(octants, k) for k in octants.of(_values(rows, "reference")).tolist()]
    group_of = {row.file: name for row, name in zip(rows, names, strict=True)}
    found = concordance_by(rows, group_of)
    counts = Counter(group_of.values())
    order = [name for k in range(len(octants)) if (name := region_name(octants, k)) in found]
    apart = {name: _distance([row for row in rows if group_of[row.file] == name]) for name in order}
    return Table(
        name="octants",
        caption="CCC within each octant of the ratings",
        head=("octant", "utterances", *AFFECT, "mean CCC", "mean distance"),
        rows=tuple(
            (
                name,
                str(counts[name]),
                *(marked(found[name][d]) for d in AFFECT),
                marked(float(np.mean(list(found[name].values())))),
                f"{apart[name]:.3f}",
            )
            for name in order
        ),
        note="Ratings vary little within an octant, so CCC is far below the pooled figure for the "
        "same errors; the distance of prediction and rating, where a scale is 2 long, does not "
        "depend on that.",
    )


def _one_seed(rows: Sequence[AffectPrediction]) -> list[AffectPrediction]:
    """The rows, or the mean of their seeds."""
    return affect_ensemble(rows) if len({row.seed for row in rows}) > 1 else list(rows)


def _values(rows: Sequence[AffectPrediction], side: str) -> Float[np.ndarray, "B 3"]:
    return np.array([[getattr(row, side)[name] for name in AFFECT] for row in rows], dtype=float)


def _distance(rows: Sequence[AffectPrediction]) -> float:
    """Mean distance of rating and prediction, on [-1, 1]."""
    apart = 2 * (_values(rows, "predicted") - _values(rows, "reference"))
    return float(np.linalg.norm(apart, axis=1).mean())


def _most(grid: Grid, regions: Int[np.ndarray, " B"]) -> str:
    """The region most points lie in, and how many do."""
    region, number = Counter(regions.tolist()).most_common(1)[0]
    return f"{grid.label(region)}, {number}"


def _caption(rows: Sequence[AffectPrediction], grid: Grid) -> str:
    several = " (mean over seeds)" if str(rows[0].seed).startswith("ensemble") else ""
    few = ""
    if len(rows) > MOST_PRINTED:
        turned = f" and {MOST_TURNED:,} where it turns" * (len(rows) > MOST_TURNED)
        few = (
            f" Of {len(rows):,} utterances {MOST_PRINTED} are drawn on paper{turned}, taken by "
            "chance, always the same ones."
        )
    outside = sum(not 0 <= value <= 1 for row in rows for value in row.predicted.values())
    clamped = f" In the planes {outside} values outside [0, 1] lie on the edge." * bool(outside)
    return (
        "A mark on the sphere shows the direction of an utterance from the middle of all three "
        "scales, which is the kind of feeling; its colour is how far from the middle it is, which "
        "is how much of it there is. Close to the middle a direction means little, and marks are "
        f"small. Dots are ratings, rings predictions{several}; a line joins both of one utterance. "
        f"Paler marks are on the far side; thin circles part the {grid.num_regions} regions. The "
        f"planes have the values themselves.{few}{clamped}"
    )


def _labels(grid: Grid) -> list[tuple[str, Float[np.ndarray, "3"]]]:
    """Names of the regions, and where they stand; none where there are too many."""
    regions = range(grid.num_regions if grid.num_regions <= MOST_NAMED else 0)
    return [(region_name(grid, k).partition(" ")[0], 2 * grid.centre(k) - 1) for k in regions]


def _draw_globe(globe: "Axes", grid: Grid) -> None:
    """Rim, borders of the regions, axes and names."""
    from matplotlib.patheffects import withStroke

    around = np.linspace(0, 2 * math.pi, 181)
    globe.plot(np.cos(around), np.sin(around), color=FAINT, linewidth=1.1)
    for middle, one, other in borders(grid):
        ring = projected(middle + np.cos(around)[:, None] * one + np.sin(around)[:, None] * other)
        for hidden in (True, False):
            shown = np.where((ring[:, 2] < -1e-9) == hidden, ring[:, 0], np.nan)
            globe.plot(shown, ring[:, 1], color=PALE if hidden else FAINT, linewidth=0.8,
                       linestyle=":" if hidden else "-", zorder=1)  # fmt: skip
    halo: dict[str, Any] = {"path_effects": [withStroke(linewidth=2.5, foreground="white")]}
    for axis, name in zip(np.eye(3), AFFECT, strict=True):
        (x, y, _), (x_end, y_end, _) = projected(np.array([-axis, 1.07 * axis]))
        globe.plot([x, x_end], [y, y_end], color=FAINT, linewidth=0.9, zorder=1)
        globe.annotate(name, (x_end, y_end), (0, 4), textcoords="offset points", ha="center",
                       va="bottom", fontsize=10.5, zorder=6, **halo)  # fmt: skip
    for name, point in _labels(grid):
        x, y, near = projected(point)
        globe.text(x, y, name, ha="center", va="center", fontsize=9.5, **halo,
                   color=FAINT if near < 0 else INK, zorder=1 if near < 0 else 6)  # fmt: skip


def _dots(
    axes: "Axes",
    points: Float[np.ndarray, "B _"],
    colours: Float[np.ndarray, "B 4"],
    sizes: float | Float[np.ndarray, " B"],
    *,
    filled: bool,
    alpha: float,
    zorder: int,
) -> None:
    """Dots for ratings, rings for predictions."""
    colour: dict[str, Any] = (
        {"c": colours, "linewidths": 0}
        if filled
        else {"facecolors": "none", "edgecolors": colours, "linewidths": 0.9}
    )
    axes.scatter(points[:, 0], points[:, 1], s=sizes, alpha=alpha, zorder=zorder, **colour)
