# pyright: reportUnusedCallResult=false
"""The heat map of a cross-corpus study: trained on the row, tested on the column."""

from collections.abc import Sequence
from dataclasses import dataclass

from serkit.evaluation.figures import INK, Picture, new_canvas, picture_of, styled


@dataclass(frozen=True, kw_only=True, slots=True)
class CrossFigure:
    """One cell of the map."""

    system: str
    train: str
    """Corpus it was trained on."""
    test: str
    """Corpus it was tested on."""
    value: float
    """UAR, pooled, mean over seeds."""
    chance: float
    """What guessing gives."""


@styled()
def cross_picture(cells: Sequence[CrossFigure]) -> Picture:
    """UAR of every cell, one panel per system; the colour runs from chance to 1.

    Example:
        >>> picture = cross_picture([
        ...     CrossFigure(system="crnn", train=one, test=other, value=0.5, chance=0.25)
        ...     for one in ("a", "b") for other in ("a", "b")
        ... ])
        >>> picture.alt.startswith("UAR of crnn trained on a and tested on a 0.50")
        True
    """
    systems = list(dict.fromkeys(cell.system for cell in cells))
    corpora = list(dict.fromkeys(cell.train for cell in cells))
    chance = cells[0].chance
    side = 1.0 * len(corpora) + 1.4
    canvas = new_canvas((side + 0.3) * len(systems), side + 0.5)
    for number, system in enumerate(systems):
        axes = canvas.add_subplot(1, len(systems), number + 1)
        found = {(c.train, c.test): c.value for c in cells if c.system == system}
        values = [[found.get((row, column), chance) for column in corpora] for row in corpora]
        axes.imshow(values, cmap="Blues", vmin=chance, vmax=1)
        for row, train in enumerate(corpora):
            for column, test in enumerate(corpora):
                value = found.get((train, test))
                strong = value is not None and (value - chance) / (1 - chance) > 0.55
                axes.text(column, row, "-" if value is None else f"{value:.3f}", ha="center",
                          va="center", color="white" if strong else INK,
                          fontweight="bold" if train == test else "normal")  # fmt: skip
        axes.set_xticks(range(len(corpora)), corpora, rotation=30, ha="right")
        axes.set_yticks(range(len(corpora)), corpora if number == 0 else [""] * len(corpora))
        axes.set_xlabel("tested on")
        if number == 0:
            axes.set_ylabel("trained on")
        axes.set_title(system)
        axes.spines[:].set_visible(False)
        axes.tick_params(length=0)
    told = "; ".join(
        f"{c.system} trained on {c.train} and tested on {c.test} {c.value:.2f}" for c in cells
    )
    return picture_of(
        canvas,
        name="cross",
        title="Across corpora",
        alt=f"UAR of {told}.",
        caption="UAR over the emotions all corpora share; the colour runs from chance "
        f"({chance:.2f}) to 1. On the diagonal (bold) training and test speakers of one corpus are "
        "different people; elsewhere nothing of the test corpus was used in training.",
    )
