# pyright: reportUnusedCallResult=false
"""What a system saw of utterances it was sure about, and where in it the answer came from."""

# Shapes: R rows and columns of a picture.

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from serkit.evaluation.figures import (
    ALARM,
    FAINT,
    INK,
    Picture,
    brief,
    new_canvas,
    picture_of,
    styled,
)
from serkit.evaluation.predictions import Prediction

COLOURS = "autumn"
"""Red, then yellow: what no grey picture holds."""
STRONGEST = 0.75
"""How much of the picture the map hides where it is 1."""

RANGES = {"spectrogram": ("kHz", 0, 8), "waveform": ("amplitude", -1, 1)}
"""Kind of picture to what its rows are, from the last one to the first."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Explained:
    """One window of an utterance: what the system saw, and what of it spoke for its answer."""

    start: float
    """Seconds."""
    end: float
    picture: Float[np.ndarray, "R R"]
    """From 0 (black) to 1; row 0 is on top."""
    map: Float[np.ndarray, "R R"]
    """From 0 to 1."""


def overlaid(
    picture: Float[np.ndarray, "R R"], heat: Float[np.ndarray, "R R"]
) -> Float[np.ndarray, "R R 3"]:
    """A grey picture with a map on top: red where it is low, yellow where it is high.

    Args:
        picture: From 0 to 1.
        heat: From 0, where the picture stays as it is, to 1.

    Example:
        >>> shown = overlaid(np.array([[0.5, 0.5]] * 2), np.array([[0.0, 1.0]] * 2))
        >>> shown[0].round(3).tolist()
        [[0.5, 0.5, 0.5], [0.875, 0.875, 0.125]]
    """
    from matplotlib import colormaps

    grey = np.repeat(picture[..., None], 3, axis=2)
    share = STRONGEST * heat[..., None]
    return (1 - share) * grey + share * colormaps[COLOURS](heat)[..., :3]


def most_telling(rows: Sequence[Prediction]) -> list[Prediction]:
    """Of each emotion the utterance that was heard rightly with most confidence, and wrongly.

    Args:
        rows: Predictions of one seed.

    Returns:
        At most two for each emotion, in the order of the scheme, the right one first.

    Example:
        >>> rows = [Prediction.of(seed=0, fold="one", file=f"{e}{p}", speaker="s", emotion=e,
        ...                       emotions=("anger", "sadness"), probabilities=[p, 1 - p])
        ...         for e in ("anger", "sadness") for p in (0.25, 0.75, 0.875)]
        >>> [row.file for row in most_telling(rows)]
        ['anger0.875', 'anger0.25', 'sadness0.25', 'sadness0.875']
    """
    surest: dict[tuple[str, bool], Prediction] = {}
    for row in sorted(rows, key=lambda row: (-row.probabilities[row.predicted], row.file)):
        surest.setdefault((row.emotion, row.predicted == row.emotion), row)
    emotions = tuple(rows[0].probabilities) if rows else ()
    keys = [(emotion, is_right) for emotion in emotions for is_right in (True, False)]
    return [surest[key] for key in keys if key in surest]


@styled()
def explanation_picture(
    explained: Mapping[str, Explained], rows: Sequence[Prediction], *, sees: str = "spectrogram"
) -> Picture | None:
    """Of each emotion the surest right and the surest wrong answer: what was seen, and why.

    Args:
        explained: By ``Prediction.file``; utterances without one are left out.
        rows: Predictions of one seed.
        sees: What the pictures are: ``"spectrogram"`` (0 to 8 kHz), ``"waveform"``, or another
            word, that stands at the side.

    Returns:
        The picture; None where nothing is explained.

    Example:
        >>> row = Prediction.of(seed=0, fold="one", file="a", speaker="s", emotion="anger",
        ...                     emotions=("anger", "sadness"), probabilities=[0.75, 0.25])
        >>> grey = np.full((8, 8), 0.5)
        >>> found = explanation_picture(
        ...     {"a": Explained(start=0.5, end=1.5, picture=grey, map=grey)}, [row])
        >>> found.alt
        'What was seen of 1 utterances, with a map on top: anger heard as anger (0.75).'
    """
    chosen = most_telling([row for row in rows if row.file in explained])
    if not chosen:
        return None
    emotions = list(dict.fromkeys(row.emotion for row in chosen))
    canvas = new_canvas(8.4, 2.2 * len(emotions) + 0.3)
    parts = canvas.subfigures(len(emotions), 2, squeeze=False, wspace=0.04, hspace=0.02)
    for row in chosen:
        is_right = row.predicted == row.emotion
        part = parts[emotions.index(row.emotion), 0 if is_right else 1]
        found = explained[row.file]
        left, right = part.subplots(1, 2)
        _draw(left, found.picture, found, sees)
        _draw(right, overlaid(found.picture, found.map), found, sees)
        left.set_ylabel(RANGES.get(sees, (sees,))[0], fontsize=7.5)
        right.set_yticklabels([])
        confidence = row.probabilities[row.predicted]
        said = row.emotion if is_right else f"{row.emotion}, heard as {row.predicted}"
        part.suptitle(
            f"{said} ({confidence:.2f})", color=INK if is_right else ALARM, fontsize=9.5, x=0.5
        )
        left.set_title(brief(row.file), fontsize=7.5, color=FAINT)
        right.set_title("what spoke for it", fontsize=7.5, color=FAINT)
    told = ", ".join(
        f"{row.emotion} heard as {row.predicted} ({row.probabilities[row.predicted]:.2f})"
        for row in chosen
    )
    return picture_of(
        canvas,
        name="explanations",
        title="What it saw, and where the answer came from",
        alt=f"What was seen of {len(chosen)} utterances, with a map on top: {told}.",
        caption="Of each emotion the test utterance that was heard rightly with most confidence "
        "(left) and the one that was heard wrongly with most (right): the window surest of the "
        "answer, as the network saw it, and the same with the map of Grad-CAM for the answer that "
        "was given. Yellow spoke for it most, grey not at all; the map is as coarse as the part of "
        "the network it is taken from, and says where, not why.",
    )


def _draw(axes: object, pixels: np.ndarray, found: Explained, sees: str) -> None:
    """A picture with seconds below it, and at the side what its rows are."""
    from matplotlib.axes import Axes

    assert isinstance(axes, Axes)
    _, low, high = RANGES.get(sees, (sees, 0.0, 1.0))
    axes.imshow(
        pixels,
        cmap="gray",
        vmin=0,
        vmax=1,
        extent=(found.start, found.end, low, high),
        aspect="auto",
        interpolation="none",  # as many pixels in the file as in the picture
    )
    axes.set_yticks([low, (low + high) / 2, high] if sees in RANGES else [])
    axes.set_xticks([found.start, found.end], [f"{found.start:.1f}", f"{found.end:.1f} s"])
    axes.tick_params(length=2, labelsize=7)
    for label, side in zip(axes.get_xticklabels(), ("left", "right"), strict=True):
        label.set_horizontalalignment(side)
