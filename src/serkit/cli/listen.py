"""``serkit listen``: rate what a microphone hears, while it hears it."""

import json
import queue
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from serkit.cli.predict import load_chosen, readable
from serkit.cli.shell import ModelOption, misunderstood, new_console
from serkit.cli.timeline import (
    HopOption,
    SmoothOption,
    VadOption,
    WindowOption,
    clock,
    show_timeline,
    values,
)

if TYPE_CHECKING:
    from serkit.predictor import Predictor, Update, Window

PIECE = 0.1  # s of sound that is fed at once
BEHIND = 5.0  # s of sound waiting, from which a listener should know that rating is too slow
BAR = 20  # letters of a certain emotion


class MicrophoneError(RuntimeError):
    """There is no microphone, or no way to it; says what to do."""


def listen(
    model: ModelOption = None,
    window: WindowOption = 3.0,
    hop: HopOption = 1.0,
    smooth: SmoothOption = 2.0,
    vad: VadOption = "energy",
    device: Annotated[
        str | None,
        typer.Option(
            "--device", metavar="NAME", help="Part of the microphone's name, or its number."
        ),
    ] = None,
    replay: Annotated[
        Path | None,
        typer.Option("--replay", metavar="FILE", help="Play a recording instead of listening."),
    ] = None,
    fast: Annotated[
        bool, typer.Option("--fast", help="Do not wait for the replayed sound to pass.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object a line, for other programs.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="FILE", help="Keep the timeline: .csv, .json, .TextGrid, .eaf, .srt..."
        ),
    ] = None,
) -> None:
    """Rate what a microphone hears, a line for each window, until Ctrl-C.

    The sound is not kept. A line comes as long after its window as the first line of output says.
    """
    from serkit.audio import blocks
    from serkit.predictor.annotation import format_of
    from serkit.predictor.timeline import assemble

    if fast and replay is None:
        misunderstood("--fast goes with --replay FILE: a microphone takes its time.")
    if out is not None:
        _ = format_of(out)  # before anything is heard, not after an hour
    listener = load_chosen(model)
    notes = new_console(sys.stderr)
    if replay is None:
        rate, pieces = _microphone(device, lambda text: notes.print(text, soft_wrap=True))
    else:
        rate = listener.sample_rate
        sound = blocks(replay, sample_rate=rate, seconds=PIECE)
        pieces = sound if fast else _in_time(sound, rate)
    stream = listener.stream(sample_rate=rate, window=window, hop=hop, smooth=smooth, vad=vad)
    notes.print(
        f"{listener.rater} hears {readable(str(replay)) if replay else 'the microphone'}; a window "
        f"of {window:g} s is rated every {hop:g} s and shown {stream.latency:.1f} s after its end; "
        "Ctrl-C ends",
        soft_wrap=True,
    )
    updates: list[Update] = []
    show = _show_json if as_json else _show_line

    def take(update: "Update") -> None:
        updates.append(update)
        for one in update.windows:
            print(show(listener, one), flush=True)

    try:
        for piece in pieces:
            take(stream.feed(piece))
    except KeyboardInterrupt:
        notes.print("stopped")
    take(stream.finish())
    found = assemble(
        listener,
        updates,
        file=str(replay) if replay else "microphone",
        duration=stream.heard,
        window=window,
        hop=hop,
        smooth=smooth,
        vad=vad,
    )
    if found.windows and not as_json:
        show_timeline(notes, found)
    if out is not None:
        notes.print(f"written to {readable(str(found.write(out)))}", soft_wrap=True)


def _show_line(listener: "Predictor", window: "Window") -> str:
    """``00:05.0  anger      0.73 ###############``."""
    names = listener.emotions or listener.affect
    width = max(len(name) for name in (*names, "not rated"))
    start = f"{clock(window.end)}  {window.label:<{width}}"
    rating = window.smoothed
    if rating is None:
        return "  ".join([start.rstrip(), *window.notes])
    if not listener.emotions:
        shown = zip(names, values(rating, names), strict=True)
        return "  ".join([start, *(f"{name} {value}" for name, value in shown), *window.notes])
    from serkit.predictor.stream import share_said

    share = share_said(window.label, rating)
    bar = "#" * round(BAR * share)
    return "  ".join([start, f"{share:.2f}", f"{bar:<{BAR}}", *window.notes]).rstrip()


def _show_json(_: "Predictor", window: "Window") -> str:
    rating = window.smoothed
    shown: dict[str, Any] = {
        "start": round(window.start, 6),
        "end": round(window.end, 6),
        "label": window.label,
        "speech": round(window.speech, 6),
        "probability": {} if rating is None else _rounded(rating.emotion),
        "affect": {} if rating is None else _rounded(rating.affect),
        "notes": list(window.notes),
    }
    return json.dumps(shown, ensure_ascii=False)


def _rounded(given: Any) -> dict[str, float]:
    return {name: round(value, 6) for name, value in given.items()}


def _in_time(sound: Iterator[Any], rate: int) -> Iterator[Any]:
    """As fast as it was spoken."""
    began, heard = time.monotonic(), 0
    for piece in sound:
        heard += len(piece)
        time.sleep(max(0.0, began + heard / rate - time.monotonic()))
        yield piece


def _microphone(device: str | None, say: Callable[[str], object]) -> tuple[int, Iterator[Any]]:
    """The rate of a microphone, and its sound in pieces, for ever."""
    try:
        import sounddevice
    except ImportError as error:
        raise MicrophoneError(
            "the microphone needs sounddevice: pip install 'serkit[microphone]'; a recording can "
            "be heard without: --replay FILE"
        ) from error
    except OSError as error:  # its library is missing
        raise MicrophoneError(
            f"sounddevice found no PortAudio ({error}); on Debian and Ubuntu: apt install "
            "libportaudio2; a recording can be heard without: --replay FILE"
        ) from error
    chosen = int(device) if device is not None and device.isdecimal() else device
    try:
        known: Any = sounddevice.query_devices(chosen, "input")
    except (ValueError, sounddevice.PortAudioError) as error:
        there = [d["name"] for d in sounddevice.query_devices() if d["max_input_channels"] > 0]
        raise MicrophoneError(
            f"no microphone{'' if device is None else f' {device!r}'} ({error}); there are: "
            f"{', '.join(there) or 'none'}"
        ) from error
    rate = int(known["default_samplerate"])
    waiting: queue.Queue[Any] = queue.Queue()

    def heard(samples: Any, _frames: int, _time: Any, status: Any) -> None:
        if status:
            _ = say(f"note: some sound was lost ({status})")
        waiting.put(samples[:, 0].copy())

    def pieces() -> Iterator[Any]:
        is_behind = False
        with sounddevice.InputStream(
            samplerate=rate,
            blocksize=round(PIECE * rate),
            device=chosen,
            channels=1,
            dtype="float32",
            callback=heard,
        ):
            while True:
                yield waiting.get()
                if not is_behind and waiting.qsize() * PIECE > BEHIND:
                    is_behind = True
                    _ = say(f"note: {BEHIND:g} s behind the sound; a longer --hop is less work")

    return rate, pieces()
