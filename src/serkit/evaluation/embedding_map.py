# pyright: reportUnusedCallResult=false
"""Embeddings in the plane: which utterances a system hears as alike.

Systems of different folds have different spaces, so their embeddings are never put on one map:
each fold has a panel of its own, unless the caller says that one system made them all.
"""

# Shapes: B utterances, D embedding.

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from jaxtyping import Float

from serkit.evaluation.figures import PALE, Picture, brief, new_canvas, picture_of, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

Method = Literal["pca", "tsne"]

EMOTION_COLOURS: Mapping[str, str] = {
    "anger": "#d62728",
    "boredom": "#8c6d31",
    "calm": "#56b4e9",
    "contempt": "#7b4173",
    "disgust": "#2a9d4e",
    "excitement": "#ff9896",
    "fear": "#9467bd",
    "frustration": "#b85c00",
    "happiness": "#f0a202",
    "neutral": "#7f7f7f",
    "sadness": "#1f5fb4",
    "surprise": "#e377c2",
    "other": "#17becf",
    "no_agreement": "#c7c7c7",
}
"""The same emotion has the same colour in every report."""
OTHER_COLOURS = ("#17becf", "#bcbd22", "#393b79", "#637939", "#843c39", "#5254a3")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "p", "*", "h")
"""One for each speaker (or other kind) of a panel, while there are no more of them than that."""
MOST_NAMED = 24  # colours that a legend explains; nobody tells more apart
MOST_PANELS = 6
MANY_POINTS = 3000  # more are drawn as pixels inside the SVG, or it would grow to megabytes
FEWEST_POINTS = 3  # of a panel
GENERATOR_SEED = 20250101


@dataclass(frozen=True, kw_only=True, slots=True)
class Plane:
    """Where each utterance lies on the map."""

    points: Float[np.ndarray, "B 2"]
    method: Method
    shares: tuple[float, float] | None = None
    """Of the variance of the embeddings, along both axes; None where axes mean nothing."""


def flattened(
    vectors: Float[np.ndarray, "B D"], *, method: Method = "pca", seed: int = GENERATOR_SEED
) -> Plane:
    """Embeddings in two dimensions.

    ``"pca"`` shows the two directions of greatest variance (Pearson, Philosophical Magazine 2(11),
    1901); it is a shadow, true to distances as far as it goes. ``"tsne"`` keeps neighbours together
    (van der Maaten & Hinton, Journal of Machine Learning Research 9, 2008); distances between
    groups, their sizes and the axes mean nothing.

    Args:
        vectors: One embedding for each utterance; at least three.
        method: ``"pca"`` or ``"tsne"``.
        seed: Of the generator that starts ``"tsne"``.

    Raises:
        ValueError: Too few utterances, an embedding that is not finite, or no such method.

    Example:
        >>> line = np.array([[0.0, 0.0, 1.0], [1.0, 2.0, 1.0], [2.0, 4.0, 1.0]])
        >>> plane = flattened(line)
        >>> plane.points.shape, [round(share, 3) for share in plane.shares]
        ((3, 2), [1.0, 0.0])
    """
    if len(vectors) < FEWEST_POINTS:
        raise ValueError(f"a map needs at least {FEWEST_POINTS} embeddings, not {len(vectors)}")
    if not np.isfinite(vectors).all():
        number = int(np.flatnonzero(~np.isfinite(vectors).all(axis=1))[0])
        raise ValueError(f"embedding number {number} holds a value that is not finite")
    vectors = vectors.astype(np.float64)
    if method == "tsne":
        return Plane(points=_neighbours_kept(vectors.tobytes(), len(vectors), seed), method=method)
    if method != "pca":
        raise ValueError(f"a map is drawn by 'pca' or 'tsne', not by {method!r}")
    centred = vectors - vectors.mean(axis=0)
    left, sizes, _ = np.linalg.svd(centred, full_matrices=False)
    left, sizes = left[:, :2], np.append(sizes, 0.0)
    # The sign of a direction is a matter of the library; fixed, so that pictures are the same.
    signs = np.sign(left[np.abs(left).argmax(axis=0), np.arange(left.shape[1])])
    points = np.zeros((len(vectors), 2))
    points[:, : left.shape[1]] = left * signs * sizes[: left.shape[1]]
    total = float((sizes**2).sum())
    first, second = (sizes[:2] ** 2 / total).tolist() if total else (0.0, 0.0)
    return Plane(points=points, method=method, shares=(first, second))


@lru_cache(maxsize=MOST_PANELS)
def _neighbours_kept(content: bytes, number: int, seed: int) -> Float[np.ndarray, "B 2"]:
    """t-SNE of so many embeddings, given as bytes; kept, for a map is drawn in several colours."""
    from sklearn.manifold import TSNE

    vectors = np.frombuffer(content).reshape(number, -1)
    perplexity = min(30.0, (number - 1) / 3)
    embedded = TSNE(perplexity=perplexity, init="pca", random_state=seed).fit_transform(vectors)
    return np.asarray(embedded, dtype=np.float64)


@styled()
def embedding_picture(
    embeddings: Mapping[str, Sequence[float] | Float[np.ndarray, " _"]],
    shown: Mapping[str, str] | Mapping[str, float],
    shaped: Mapping[str, str],
    *,
    folds: Mapping[str, str] | None = None,
    method: Method = "pca",
    shown_as: str = "emotion",
    shaped_by: str = "speaker",
    name: str = "embeddings",
) -> Picture | None:
    """A map of embeddings, coloured by emotion (or speaker, or a value) and marked by speaker.

    Two maps of the same embeddings, one coloured by emotion and one by speaker, show what a system
    hears first: where the second is the tidier one, it knows voices rather than emotions.

    Args:
        embeddings: Vector of each utterance, by ``Prediction.file``; all of one length.
        shown: Emotion or speaker of each utterance, or a value in [0, 1], by the same names.
            Utterances that are missing here are not drawn.
        shaped: What decides the marker of each utterance: its speaker, its emotion.
        folds: Fold whose system made each embedding; None when one system made them all.
        method: As in ``flattened``.
        shown_as: What the colour is, such as ``"emotion"``, ``"speaker"`` or ``"arousal"``.
        shaped_by: What the marker is.
        name: Of the picture's anchor and of its files.

    Returns:
        The map; None when no fold has three utterances.

    Raises:
        ValueError: Embeddings of different lengths, or as ``flattened``.

    Example:
        >>> picture = embedding_picture(
        ...     {"a": [0.0, 1.0], "b": [1.0, 1.0], "c": [1.0, 0.0]},
        ...     {"a": "anger", "b": "anger", "c": "sadness"}, dict.fromkeys("abc", "eva"))
        >>> picture.alt[:51]
        'Map of 3 embeddings by principal components: anger '
    """
    files = sorted(embeddings.keys() & shown.keys())
    lengths = {len(embeddings[file]) for file in files}
    if len(lengths) > 1:
        raise ValueError(
            f"embeddings of different lengths ({', '.join(map(str, sorted(lengths)))}) do not lie "
            "in one space"
        )
    panels: dict[str, list[str]] = {}
    for file in files:
        panels.setdefault("" if folds is None else folds[file], []).append(file)
    drawable = {name: part for name, part in panels.items() if len(part) >= FEWEST_POINTS}
    if not drawable:
        return None
    left_out = len(drawable) - MOST_PANELS
    drawable = dict(sorted(drawable.items(), key=lambda item: _by_number(item[0]))[:MOST_PANELS])
    planes = {
        name: flattened(np.array([embeddings[file] for file in part], float), method=method)
        for name, part in drawable.items()
    }
    told = {file for part in drawable.values() for file in part}
    canvas = _drawn(drawable, planes, shown, shaped, shown_as)
    counts: dict[str, int] = {}
    for file in sorted(told):
        if isinstance(value := shown[file], str):
            counts[value] = counts.get(value, 0) + 1
    by = "principal components" if method == "pca" else "t-SNE"
    of = (
        ", ".join(f"{brief(value)} {number}" for value, number in sorted(counts.items()))
        or f"by {shown_as}"
    )
    most = max(len({shaped[file] for file in part}) for part in drawable.values())
    return picture_of(
        canvas,
        name=name,
        title="Map of embeddings" + f", by {shown_as}" * (shown_as == "speaker"),
        alt=f"Map of {len(told)} embeddings by {by}: {of}.",
        caption=f"One point for each utterance, coloured by {shown_as}"
        + (f", shaped by {shaped_by}" if 1 < most <= len(MARKERS) else "")
        + (
            ". Distances are those of the two directions of greatest variance; its shares stand on "
            "the axes."
            if method == "pca"
            else ". Drawn by t-SNE: neighbours are neighbours, but distances between groups and "
            "their sizes mean nothing."
        )
        + (
            " Each fold has its own system and therefore its own map."
            if folds is not None and len(panels) > 1
            else ""
        )
        + (f" {left_out} more folds are not drawn." if left_out > 0 else ""),
    )


def _drawn(
    panels: Mapping[str, Sequence[str]],
    planes: Mapping[str, Plane],
    shown: Mapping[str, Any],
    shaped: Mapping[str, str],
    shown_as: str,
) -> "Canvas":
    from matplotlib import colormaps
    from matplotlib.lines import Line2D

    across = min(len(panels), 3)
    down = math.ceil(len(panels) / across)
    size = 6.0 if len(panels) == 1 else 3.3
    canvas = new_canvas(size * across + (1.6 if across == 1 else 0), size * down + 0.9)
    names = sorted(
        {shown[f] for part in panels.values() for f in part if isinstance(shown[f], str)}
    )
    strange = [name for name in names if name not in EMOTION_COLOURS]
    others: Sequence[Any] = OTHER_COLOURS
    if len(strange) > len(OTHER_COLOURS):
        others = [colormaps["turbo"](n / (len(strange) - 1)) for n in range(len(strange))]
    colours: dict[str, Any] = dict(EMOTION_COLOURS) | dict(zip(strange, others, strict=False))
    many = sum(map(len, panels.values())) > MANY_POINTS
    points: Any = None
    for number, (fold, files) in enumerate(panels.items()):
        axes = canvas.add_subplot(down, across, number + 1)
        plane = planes[fold]
        heard = sorted({shaped[file] for file in files})
        markers = dict.fromkeys(heard, "o") | (
            dict(zip(heard, MARKERS, strict=False)) if len(heard) <= len(MARKERS) else {}
        )
        for kind in heard:
            own = [place for place, file in enumerate(files) if shaped[file] == kind]
            values = [shown[files[place]] for place in own]
            points = axes.scatter(
                plane.points[own, 0], plane.points[own, 1], s=22 if len(files) < 400 else 12,
                marker=markers[kind], linewidths=0.4, edgecolors="white", alpha=0.85,
                rasterized=many, c=[colours[value] for value in values] if names else values,
                cmap=None if names else "viridis", vmin=None if names else 0.0,
                vmax=None if names else 1.0,
            )  # fmt: skip
        axes.set_xticks([])
        axes.set_yticks([])
        axes.spines[:].set_visible(True)
        axes.spines[:].set_color(PALE)
        if plane.shares is not None:
            axes.set_xlabel(f"{100 * plane.shares[0]:.0f} % of the variance", fontsize=8.5)
            axes.set_ylabel(f"{100 * plane.shares[1]:.0f} %", fontsize=8.5)
            axes.set_aspect("equal", adjustable="datalim")
        if fold:
            axes.set_title(f"fold {fold}", fontsize=9.5)
        if 1 < len(heard) <= len(MARKERS):
            axes.legend(
                handles=[Line2D([], [], color="#52606d", marker=markers[name], linestyle="none",
                                markersize=4.5, label=brief(name)) for name in heard],
                fontsize=7, frameon=True, framealpha=0.8, edgecolor="none", loc="best",
                handletextpad=0.1, borderpad=0.2, ncols=1 if len(heard) <= 6 else 2,
                columnspacing=0.6,
            )  # fmt: skip
    if 0 < len(names) <= MOST_NAMED:
        canvas.legend(
            handles=[Line2D([], [], color=colours[name], marker="o", linestyle="none",
                            label=brief(name)) for name in names],
            loc="outside upper left", ncols=min(len(names), 8 if across > 1 else 5),
            frameon=False, fontsize=9, handletextpad=0.2, columnspacing=1.2,
        )  # fmt: skip
    elif not names and points is not None:
        canvas.colorbar(points, ax=canvas.axes, label=shown_as, shrink=0.7)
    return canvas


def _by_number(name: str) -> tuple[float, str]:
    """``2`` before ``10``."""
    return (float(name) if name.isdecimal() else math.inf, name)
