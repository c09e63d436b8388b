# pyright: reportUnusedCallResult=false
"""What an audit found, as one self-contained page, as JSON, and as pictures.

The page loads nothing, like a report: styles and pictures are inside it. The pictures also lie
beside it as SVG.
"""

import dataclasses
import json
import math
from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from importlib import resources
from pathlib import Path
from statistics import fmean, median, pstdev
from typing import Any

from serkit.corpus.audit import Audit, Verdict
from serkit.evaluation.agreement import Agreement
from serkit.evaluation.export_tables import NOTHING, Table
from serkit.evaluation.figures import (
    ACCENT,
    INK,
    MOST_NAMED_SPEAKERS,
    PALE,
    SECOND,
    Picture,
    brief,
    new_canvas,
    picture_of,
    styled,
)
from serkit.evaluation.predictions import replace_whole

TEMPLATE = "audit.html.jinja"
NUM_BINS = 40
AFFECT_BINS = 20
MOST_STEPS = 41  # values of affect that are drawn one by one; more go into bins


def write_audit(
    folder: str | Path,
    found: Audit,
    *,
    verdicts: Sequence[Verdict] = (),
    agreement: Agreement | None = None,
    command: str = "",
) -> dict[str, Path]:
    """Write ``audit.html``, ``audit.json`` and the pictures as SVG.

    Args:
        folder: Where to; it is made.
        found: What the audit found.
        verdicts: On the protocols of the corpus.
        agreement: Between its raters, where there are several.
        command: What was run.

    Returns:
        What was written: ``"page"``, ``"data"``, and each picture by its name.

    Example:
        >>> import tempfile
        >>> from serkit.corpus import audit, load
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     written = write_audit(folder, audit(load("excerpt")))
        ...     sorted(path.name for path in written.values())
        ['audit.html', 'audit.json', 'classes.svg', 'durations.svg', 'rates.svg']
    """
    from jinja2 import Environment, StrictUndefined

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    pictures = audit_pictures(found)
    drawn = {picture.name: picture.drawn("svg") for picture in pictures}
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = environment.from_string(
        resources.files("serkit.evaluation").joinpath(TEMPLATE).read_text(encoding="utf-8")
    )
    html = template.render(
        found=found,
        summary=_summary(found),
        verdicts=list(verdicts),
        protocols=_protocols(verdicts),
        folds={verdict.protocol: fold_table(verdict) for verdict in verdicts if verdict.folds},
        classes=_classes(found),
        agreement=_agreement(agreement) if agreement is not None else None,
        pictures={
            picture.name: {
                "name": picture.name,
                "uri": "data:image/svg+xml;base64," + b64encode(drawn[picture.name]).decode(),
                "alt": picture.alt,
                "caption": picture.caption,
            }
            for picture in pictures
        },
        command=command,
    )
    written = {"page": folder / "audit.html", "data": folder / "audit.json"}
    replace_whole(written["page"], html.encode("utf-8"))
    data = {"audit": found, "protocols": list(verdicts), "agreement": agreement}
    replace_whole(written["data"], (json.dumps(_plain(data), indent=1) + "\n").encode("utf-8"))
    for name, svg in drawn.items():
        written[name] = folder / f"{name}.svg"
        replace_whole(written[name], svg)
    return written


def audit_pictures(found: Audit) -> list[Picture]:
    """The pictures that this corpus gives reason for: durations, classes, affect, rates.

    Example:
        >>> from serkit.corpus import audit, load
        >>> [picture.name for picture in audit_pictures(audit(load("excerpt")))]
        ['durations', 'classes', 'rates']
    """
    drawn: list[tuple[bool, Callable[[Audit], Picture]]] = [
        (bool(found.durations), durations_picture),
        (bool(found.table and found.emotions), classes_picture),
        (bool(found.affect), affect_picture),
        (bool(found.sample_rates), rates_picture),
    ]
    return [draw(found) for has_reason, draw in drawn if has_reason]


@styled()
def durations_picture(found: Audit) -> Picture:
    """How long the utterances are."""
    seconds = sorted(found.durations.values())
    middle = median(seconds)
    canvas = new_canvas(6.4, 2.9)
    axes = canvas.add_subplot()
    axes.hist(seconds, bins=NUM_BINS, range=(0, seconds[-1]), color=ACCENT)
    axes.axvline(middle, color=SECOND, linewidth=1.2, linestyle="--")
    axes.text(middle, 1.0, f" median {middle:.2f} s", color=SECOND, fontsize=8.5, va="bottom",
              ha="center", transform=axes.get_xaxis_transform())  # fmt: skip
    axes.set_xlim(left=0)
    axes.set_xlabel("duration in seconds")
    axes.set_ylabel("utterances")
    _whole_numbers(axes.yaxis)
    words = (
        f"{len(seconds)} utterances, {sum(seconds) / 60:.1f} minutes in all: shortest "
        f"{seconds[0]:.2f} s, median {middle:.2f} s, longest {seconds[-1]:.2f} s."
    )
    return picture_of(
        canvas, name="durations", title="Durations", alt=f"Histogram. {words}", caption=words
    )


@styled()
def classes_picture(found: Audit) -> Picture:
    """How many utterances of each emotion each speaker has."""
    speakers, emotions = list(found.table), list(found.emotions)
    counts = [[found.table[speaker][emotion] for emotion in emotions] for speaker in speakers]
    most = max(max(row) for row in counts)
    named = len(speakers) <= MOST_NAMED_SPEAKERS
    canvas = new_canvas(0.75 * len(emotions) + 2.2, 0.27 * len(speakers) + 1.3 if named else 6.0)
    axes = canvas.add_subplot()
    drawn = axes.imshow(counts, cmap="Blues", vmin=0, vmax=max(1, most), aspect="auto",
                        interpolation="nearest")  # fmt: skip
    if named:
        for row, of_speaker in enumerate(counts):
            for column, count in enumerate(of_speaker):
                colour = SECOND if count == 0 else "white" if count > 0.55 * most else INK
                axes.text(column, row, str(count), ha="center", va="center", color=colour,
                          fontsize=8.5, fontweight="bold" if count == 0 else "normal")  # fmt: skip
        axes.set_yticks(range(len(speakers)), [brief(speaker) for speaker in speakers])
    else:
        axes.set_yticks([])
        axes.set_ylabel(f"{len(speakers)} speakers, in the order of their ids")
        canvas.colorbar(drawn, ax=axes, label="utterances", shrink=0.5)
    axes.set_xticks(range(len(emotions)), emotions, rotation=40, ha="right",
                    rotation_mode="anchor")  # fmt: skip
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    holes = [
        f"{brief(speaker)} {emotion}"
        for speaker in speakers
        for emotion in emotions
        if found.table[speaker][emotion] == 0
    ]
    listed = ", ".join(holes[:10]) + (f" and {len(holes) - 10} more" if len(holes) > 10 else "")
    missing = f" Nothing of: {listed}." if holes else " Every speaker has every emotion."
    fewest = min(min(row) for row in counts)
    return picture_of(
        canvas,
        name="classes",
        title="Classes by speaker",
        alt=f"Heat map of {len(speakers)} speakers by {len(emotions)} emotions, {fewest} to "
        f"{most} utterances in a cell.{missing} The counts are in the table below the picture.",
        caption=f"Utterances of each speaker in each emotion.{missing}",
    )


@styled()
def affect_picture(found: Audit) -> Picture:
    """How the values of each dimension of affect are spread."""
    canvas = new_canvas(3.1 * len(found.affect) + 0.3, 2.8)
    words: list[str] = []
    first = None
    for place, (dimension, rated) in enumerate(found.affect.items(), start=1):
        values = list(rated.values())
        mean, spread = fmean(values), pstdev(values)
        axes = canvas.add_subplot(1, len(found.affect), place, sharey=first)
        first = first or axes
        steps = Counter(round(value, 3) for value in values)
        if len(steps) <= MOST_STEPS:  # means of a few raters: bins of another width would beat
            axes.bar(list(steps), list(steps.values()), width=0.9 / (MOST_STEPS - 1), color=ACCENT)
        else:
            axes.hist(values, bins=AFFECT_BINS, range=(0, 1), color=ACCENT)
        axes.axvline(mean, color=SECOND, linewidth=1.2, linestyle="--")
        axes.set_title(dimension)
        axes.set_xlim(-0.02, 1.02)
        axes.set_xlabel(f"mean {mean:.2f}, sd {spread:.2f}")
        axes.grid(axis="y", color=PALE, linewidth=0.5)
        axes.set_axisbelow(True)
        if place == 1:
            axes.set_ylabel("utterances")
        _whole_numbers(axes.yaxis)
        words.append(f"{dimension} {mean:.2f} (sd {spread:.2f}) over {len(values)} utterances")
    return picture_of(
        canvas,
        name="affect",
        title="Affect",
        alt=f"Histograms of affect from 0 to 1. Means: {'; '.join(words)}.",
        caption="Affect on the scale of the corpus mapped to 0 (lowest) and 1 (highest); of each "
        "utterance the rating that speaks for it: consensus, else intended, else the first.",
    )


@styled()
def rates_picture(found: Audit) -> Picture:
    """How many files have which sample rate."""
    rates = list(found.sample_rates.items())
    canvas = new_canvas(6.4, 0.42 * len(rates) + 0.9)
    axes = canvas.add_subplot()
    places = range(len(rates))
    axes.barh(places, [count for _, count in rates], color=ACCENT, height=0.6)
    for place, (_, count) in enumerate(rates):
        axes.text(count, place, f" {count}", va="center", fontsize=9)
    axes.set_yticks(places, [f"{rate} Hz" for rate, _ in rates])
    axes.set_ylim(len(rates) - 0.4, -0.6)
    axes.set_xlim(0, 1.12 * max(count for _, count in rates))
    axes.set_xlabel("files")
    _whole_numbers(axes.xaxis)
    words = ", ".join(f"{count} files at {rate} Hz" for rate, count in rates) + "."
    mixed = " Rates differ: a system may learn them in place of emotions." * (len(rates) > 1)
    return picture_of(
        canvas,
        name="rates",
        title="Sample rates",
        alt=f"Bars. {words}",
        caption=f"{words[0].upper()}{words[1:]}{mixed}",
    )


def fold_table(verdict: Verdict) -> Table:
    """What the test side of each fold shares with what it is trained and chosen on.

    Example:
        >>> from serkit.corpus import load
        >>> from serkit.corpus.audit import judge
        >>> fold_table(judge("excerpt-5pairs", load("excerpt"))).rows[0]
        ('P1', '71', '24', '24', '0 of 2', '5 of 5', '24 of 24')
    """
    return Table(
        name=f"folds-{verdict.protocol}",
        caption=f"{verdict.protocol}: what each test side shares with training and development",
        head=(
            "fold",
            "train",
            "development",
            "test",
            "test speakers heard before",
            "test sentences heard before",
            "test utterances of these sentences",
        ),
        rows=tuple(
            (
                fold.fold,
                str(fold.num_train),
                str(fold.num_development),
                str(fold.num_test),
                _of(fold.num_shared_speakers, fold.num_speakers),
                _of(fold.num_shared_sentences, fold.num_sentences),
                _of(fold.num_test_in_shared, fold.num_test) if fold.num_sentences else NOTHING,
            )
            for fold in verdict.folds
        ),
    )


def _of(some: int, whole: int) -> str:
    return f"{some} of {whole}" if whole else NOTHING


def _whole_numbers(axis: Any) -> None:
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(MaxNLocator(integer=True, nbins=6))


def _summary(found: Audit) -> dict[str, str]:
    seconds = sorted(found.durations.values())
    lines = {
        "utterances": str(found.num_utterances),
        "speakers": str(len(found.speakers)) + (" known" if found.without_speaker else ""),
        "emotions": ", ".join(f"{name} {count}" for name, count in found.emotions.items())
        or NOTHING,
    }
    if seconds:
        lines["duration"] = (
            f"{sum(seconds) / 3600:.2f} hours; {seconds[0]:.2f} to {seconds[-1]:.2f} s, "
            f"median {median(seconds):.2f} s"
        )
    lines["listened to"] = (
        f"{found.num_listened} of {found.num_utterances} utterances"
        if found.num_listened
        else "no: only headers were read, so nothing is known of silent, clipped or truncated "
        "files, nor of copies that are not equal sample by sample"
    )
    return lines


def _protocols(verdicts: Sequence[Verdict]) -> Table | None:
    if not verdicts:
        return None
    return Table(
        name="protocols",
        caption="Protocols",
        head=("protocol", "folds", "claims", "verdict"),
        rows=tuple(
            (
                verdict.protocol,
                str(len(verdict.folds)) if verdict.folds else NOTHING,
                ", ".join(f"no shared {claim}" for claim in verdict.claims) or NOTHING,
                said(verdict),
            )
            for verdict in verdicts
        ),
    )


def said(verdict: Verdict) -> str:
    """A verdict in a sentence.

    Example:
        >>> said(Verdict(protocol="loso", labelled="speaker-independent"))
        'keeps what it claims (speaker-independent)'
    """
    if verdict.unusable:
        return f"cannot be used: {verdict.unusable}"
    if verdict.leak:
        return f"LEAK ({verdict.kind}), stops a run: {verdict.leak}"
    if verdict.allowed:
        return "; ".join(verdict.allowed)
    return f"keeps what it claims ({verdict.labelled})"


def _classes(found: Audit) -> Table:
    emotions = list(found.emotions)
    rows = [
        (speaker, *(str(counts[emotion]) for emotion in emotions), str(found.speakers[speaker]))
        for speaker, counts in found.table.items()
    ]
    rows.append(("all", *map(str, found.emotions.values()), str(found.num_utterances)))
    return Table(
        name="classes-table",
        caption="Utterances by speaker and emotion",
        head=("speaker", *emotions, "all"),
        rows=tuple(rows),
        note="The last column also counts utterances without an emotion, the last row also those "
        "of unknown speakers.",
    )


def _agreement(agreement: Agreement) -> Table:
    named = dict(agreement.affect)
    if agreement.emotion is not None:
        named = {"emotion": agreement.emotion, **named}
    rows: list[tuple[str, ...]] = []
    for name, figures in named.items():
        low, high = figures.range
        rows.append(
            (
                name,
                str(figures.num_utterances),
                str(figures.num_raters),
                f"{figures.alpha:.3f}",
                f"{figures.mean:.3f} ({low:.3f} to {high:.3f})",
            )
        )
    counted = ", ".join(f"{count} by {number}" for number, count in agreement.num_ratings.items())
    return Table(
        name="agreement",
        caption="Agreement between raters",
        head=("what", "utterances", "raters", "Krippendorff's alpha", "pairs of raters"),
        rows=tuple(rows),
        note=f"Pairs: share of utterances with the same emotion, correlation of affect; mean and "
        f"range. Utterances rated: {counted}.",
    )


def _plain(value: Any) -> Any:
    """As JSON knows it: a figure that is not defined is null."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {item.name: _plain(getattr(value, item.name)) for item in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if isinstance(value, Path):
        return str(value)
    return None if isinstance(value, float) and not math.isfinite(value) else value
