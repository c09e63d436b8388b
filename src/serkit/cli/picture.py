"""``serkit show``: one recording as a picture."""

import os
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from serkit.cli.predict import readable
from serkit.cli.shell import misunderstood, new_console
from serkit.cli.show import show_written

if TYPE_CHECKING:
    import numpy as np

    from serkit.evaluation.recording_picture import Window
    from serkit.predictor import Predictor

SAMPLE_RATE = 16000  # Hz, where no model says otherwise
SIZE = 96  # rows and columns of a picture, where no model says otherwise
LONGEST = 60.0  # seconds; more cannot be seen on one page


def show(
    recording: Annotated[Path, typer.Argument(metavar="FILE", help="Any audio or video.")],
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="PNG", help="Default: FILE's name and .png, in this folder."),
    ] = None,
    model: Annotated[
        Path | None,
        typer.Option(
            "--model",
            metavar="DIR",
            help="Folder of a model or of a run: also draw what it hears in each window and, of "
            "facenet, where it looked.",
        ),
    ] = None,
    window: Annotated[
        float, typer.Option("--window", metavar="SECONDS", help="What is heard at once.")
    ] = 1.0,
    hop: Annotated[
        float, typer.Option("--hop", metavar="SECONDS", help="From one window to the next.")
    ] = 0.5,
    start: Annotated[float, typer.Option("--start", min=0, help="Begin there, in seconds.")] = 0.0,
    end: Annotated[
        float | None,
        typer.Option("--end", help=f"Stop there. Default: the end, after {LONGEST:g} s at most."),
    ] = None,
    pictures: Annotated[
        Path | None,
        typer.Option(
            "--pictures", metavar="DIR", help="Also write each window's pictures, pixel by pixel."
        ),
    ] = None,
) -> None:
    """Draw a recording: waveform, spectrogram, its windows, and what a network sees of them.

    A facenet has windows of its own, so --window and --hop do not count with one.
    """
    if not 0.1 <= hop <= window <= LONGEST:
        misunderstood(
            f"--window {window:g} and --hop {hop:g}: both are seconds, and the hop is at least "
            f"0.1 and at most the window, which is at most {LONGEST:g}."
        )
    if end is not None and end <= start:
        misunderstood(f"--end {end:g} must be after --start {start:g}.")
    written = out or Path(f"{recording.name}.png")  # song.png may be the cover of song.mp3
    if os.path.realpath(written) == os.path.realpath(recording):
        misunderstood(f"--out {written} is the recording, and would be written over.")
    if written.is_dir() or written.suffix.lower() != ".png":
        misunderstood(f"--out {written} must be the name of a file that ends in .png.")
    if pictures is not None and pictures.exists() and not pictures.is_dir():
        misunderstood(f"--pictures {pictures} is a file; name a folder, new or old.")
    from serkit import audio
    from serkit.evaluation.predictions import replace_whole
    from serkit.evaluation.recording_picture import recording_picture
    from serkit.predictor import load

    listener = None if model is None else load(model)
    draws = listener is None or all(hasattr(system, "explain") for system in listener.systems)
    if pictures is not None and not draws:
        misunderstood(f"--pictures: {model} sees no pictures of windows; a facenet does.")
    rate = SAMPLE_RATE if listener is None else listener.sample_rate
    waveform = audio.read(recording, start=start, end=end, sample_rate=rate)
    console = new_console()
    if end is None and len(waveform) > LONGEST * rate:
        console.print(
            f"{LONGEST:g} s are drawn, of {len(waveform) / rate:.1f}; choose others with --start "
            "and --end",
            soft_wrap=True,
        )
        waveform, end = waveform[: round(LONGEST * rate)], start + LONGEST
    answer = name = ""
    if listener is None:
        windows = _drawn(waveform, rate, window, hop)
    else:
        rating = listener.predict(recording, start=start, end=end)
        name = rating.top or ""
        said = {name: rating.emotion[name]} if name else rating.affect
        answer = ", ".join(f"{name} {value:.2f}" for name, value in said.items())
        answer += f" ({listener.rater})"
        if draws:
            windows = _explained(listener, waveform, name)
        else:
            windows = _rated(listener, waveform, window, hop)
    picture = recording_picture(
        waveform,
        _shades(waveform, rate),
        [replace(one, start=one.start + start, end=one.end + start) for one in windows],
        sample_rate=rate,
        title=readable(recording.name),
        start=start,
        answer=answer,
        is_affect=listener is not None and bool(listener.affect),
        explained=name,
    )
    replace_whole(written, picture.drawn("png"))
    if pictures is not None:
        _write_pictures(pictures, recording.stem, windows)
    show_written(console, {"picture": written, "pictures": pictures})


def _cut(num_samples: int, rate: int, window: float, hop: float) -> list[tuple[int, int]]:
    """First sample of each window, as facenet cuts them, and the first after it."""
    from serkit.features.raster import num_windows

    span, step = round(window * rate), round(hop * rate)
    starts = [place * step for place in range(num_windows(num_samples, window=span, hop=step))]
    return [(start, min(start + span, num_samples)) for start in starts]


def _drawn(waveform: "np.ndarray", rate: int, window: float, hop: float) -> "list[Window]":
    """Windows with both kinds of picture, as a facenet of the default settings sees them."""
    import torch

    from serkit.evaluation.recording_picture import Window
    from serkit.features.raster import Raster, cut

    places = _cut(len(waveform), rate, window, hop)
    samples, length = torch.from_numpy(waveform).unsqueeze(0), torch.tensor([len(waveform)])
    inside = cut(
        samples,
        length,
        owner=torch.zeros(len(places), dtype=torch.long),
        start=torch.tensor([first for first, _ in places]),
        window=round(window * rate),
    )
    rasters = {
        "waveform": Raster(picture="waveform", size=SIZE, sample_rate=rate),
        "spectrogram": Raster(picture="spectrogram", size=SIZE, sample_rate=rate),
    }
    found = {
        name: raster(inside, raster.level(samples, length).expand(len(places)))[:, 0].numpy()
        for name, raster in rasters.items()
    }
    return [
        Window(
            start=first / rate,
            end=last / rate,
            pictures={name: found[name][number] for name in found},
        )
        for number, (first, last) in enumerate(places)
    ]


def _rated(
    listener: "Predictor", waveform: "np.ndarray", window: float, hop: float
) -> "list[Window]":
    """Windows with what the model hears in each of them alone."""
    from serkit.evaluation.recording_picture import Window

    rate, names = listener.sample_rate, listener.emotions or listener.affect
    places = _cut(len(waveform), rate, window, hop)
    answers = listener.answers([waveform[first:last] for first, last in places])
    return [
        Window(
            start=first / rate,
            end=last / rate,
            shares=dict(zip(names, map(float, values), strict=True)),
        )
        for (first, last), values in zip(places, answers, strict=True)
    ]


def _explained(listener: "Predictor", waveform: "np.ndarray", emotion: str) -> "list[Window]":
    """Windows as the model cuts them: picture, posterior, and where in it the answer came from.

    Of several systems posteriors and maps are averaged.
    """
    import torch

    from serkit.evaluation.recording_picture import Window

    systems: Any = listener.systems
    place = listener.emotions.index(emotion)
    found = [system.explain(waveform, place) for system in systems]
    posterior = torch.stack([one.posterior for one in found]).mean(0).tolist()
    heat = torch.stack([one.map for one in found]).mean(0).numpy()
    first = found[0]
    return [
        Window(
            start=start,
            end=end,
            pictures={first.sees: picture},
            map=one,
            shares=dict(zip(listener.emotions, shares, strict=True)),
        )
        for start, end, picture, one, shares in zip(
            first.starts, first.ends, first.picture.numpy(), heat, posterior, strict=True
        )
    ]


def _shades(waveform: "np.ndarray", rate: int) -> "np.ndarray":
    """The spectrogram of all of it, white where it is loudest."""
    import torch

    from serkit.features.raster import Raster

    raster = Raster(sample_rate=rate)
    samples, length, _ = raster.heard(
        torch.from_numpy(waveform).unsqueeze(0), torch.tensor([len(waveform)])
    )
    return raster.shades(samples, raster.level(samples, length))[0].numpy()


def _write_pictures(folder: Path, stem: str, windows: "list[Window]") -> None:
    """A grey PNG for each, a pixel for a pixel, such as ``call.003.spectrogram.png``.

    Those of an earlier call, which may have had other windows, are taken away.
    """
    from matplotlib.image import imsave

    folder.mkdir(parents=True, exist_ok=True)
    earlier = re.compile(re.escape(stem) + r"\.\d{3,}\.(waveform|spectrogram|mel_spectrogram)\.png")
    for path in list(folder.iterdir()):
        if earlier.fullmatch(path.name):
            path.unlink()
    for number, window in enumerate(windows, 1):
        for kind, picture in window.pictures.items():
            name = f"{stem}.{number:03d}.{kind.replace(' ', '_')}.png"
            imsave(folder / name, picture, cmap="gray", vmin=0, vmax=1)
