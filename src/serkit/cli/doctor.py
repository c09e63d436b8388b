"""``serkit doctor``: what works in this installation, and what to do about the rest."""

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from serkit.cli.shell import FAILED, new_console, new_table

NEEDED = {
    "torch": "torch",
    "accelerate": "accelerate",
    "numpy": "numpy",
    "soundfile": "soundfile",
    "soxr": "soxr",
    "av": "av",
    "safetensors": "safetensors",
    "scikit-learn": "sklearn",
    "jaxtyping": "jaxtyping",
    "pydantic": "pydantic",
    "typer": "typer",
    "rich": "rich",
    "matplotlib": "matplotlib",
    "jinja2": "jinja2",
}
"""Distribution to module: nothing works, or not all of it, without these."""

EXTRAS = {
    "opensmile": ("opensmile", "the baseline opensmile_svm; non-commercial licence"),
    "parquet": ("pyarrow", "tables in Parquet"),
    "audformat": ("audformat", "audformat databases"),
    "audb": ("audb", "serkit corpora fetch"),
    "tensorboard": ("tensorboard", "train --tensorboard"),
    "ssl": ("transformers", "pre-trained speech encoders"),
    "vad": ("onnxruntime", "--vad silero"),
    "microphone": ("sounddevice", "serkit listen"),
}
"""Extra to its module, and what it is for."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """What the doctor saw."""

    what: str
    state: str
    """``"ok"``, ``"note"`` (can be lived with), or ``"broken"``."""
    detail: str
    remedy: str = ""


def doctor() -> None:
    """Look over this installation: versions, processor, decoders, extras, what is broken."""
    console = new_console()
    from rich.text import Text

    colours = {"ok": "green", "note": "yellow", "broken": "bold red"}
    findings = list(_examination())
    table = new_table("", "what", "found")
    for finding in findings:
        state = Text(finding.state, style=colours[finding.state])
        table.add_row(state, finding.what, finding.detail)
    console.print(table)
    for finding in findings:
        if finding.remedy:
            console.print(f"{finding.what}: {finding.remedy}", soft_wrap=True)
    broken = sum(finding.state == "broken" for finding in findings)
    if broken:
        console.print(f"{broken} broken; what to do stands above.", style="red")
        raise typer.Exit(FAILED)
    console.print("Everything needed works.")


def _examination() -> "Iterator[Finding]":
    yield from _packages()
    yield from _processor()
    yield from _neighbours()
    yield from _extras()
    yield from _decoders()
    yield from _places()


def _packages() -> "Iterator[Finding]":
    """Python, serkit and what it needs: each is imported, not only looked for."""
    import importlib
    import platform
    from importlib import metadata

    right = sys.version_info >= (3, 11)
    yield Finding(
        what="Python",
        state="ok" if right else "broken",
        detail=platform.python_version(),
        remedy="" if right else "use Python 3.11 or newer",
    )
    yield Finding(what="serkit", state="ok", detail=metadata.version("serkit"))
    for name, module in NEEDED.items():
        try:
            _ = importlib.import_module(module)
            yield Finding(what=name, state="ok", detail=metadata.version(name))
        except (ImportError, OSError, RuntimeError) as error:
            yield Finding(
                what=name,
                state="broken",
                detail=str(error).partition("\n")[0][:100],
                remedy=f"pip install --force-reinstall {name}",
            )


def _processor() -> "Iterator[Finding]":
    """What training will run on."""
    try:
        import torch

        from serkit.trainer import environment
    except (ImportError, OSError):
        return  # said above
    facts = environment()
    fast = bool(torch.cpu._is_avx512_bf16_supported())  # pyright: ignore[reportPrivateUsage]
    yield Finding(
        what="processor",
        state="ok",
        detail=f"{facts['cpu']}, {facts['cpu_capability']}, "
        + ("avx512_bf16: trains in bfloat16" if fast else "no avx512_bf16: trains in float32"),
    )
    threads, cores = torch.get_num_threads(), os.cpu_count() or 1
    yield Finding(
        what="threads",
        state="ok" if threads <= cores else "note",
        detail=f"torch uses {threads} of {cores} processors",
        remedy="" if threads <= cores else f"set OMP_NUM_THREADS={cores}",
    )
    policy = os.environ.get("OMP_WAIT_POLICY", "")
    passive = policy.upper() == "PASSIVE"
    yield Finding(
        what="OMP_WAIT_POLICY",
        state="ok" if passive else "note",
        detail=policy or "not set",
        remedy="" if passive else "set it to PASSIVE: idle threads that spin slow the others down",
    )
    yield Finding(
        what="accelerator", state="ok", detail=str(facts["gpu"] or "none, and none needed")
    )


def _neighbours() -> "Iterator[Finding]":
    """Neither torchaudio nor torchvision is used, but a broken one breaks other packages."""
    import subprocess
    from importlib import metadata

    for name in ("torchaudio", "torchvision"):
        try:
            version = metadata.version(name)
        except metadata.PackageNotFoundError:
            yield Finding(what=name, state="ok", detail="not installed, and not needed")
            continue
        tried = subprocess.run(
            [sys.executable, "-c", f"import {name}"], capture_output=True, text=True, check=False
        )
        if tried.returncode == 0:
            yield Finding(what=name, state="ok", detail=f"{version}; not used by serkit")
            continue
        last = (tried.stderr.strip().splitlines() or ["it ends without a word"])[-1]
        yield Finding(
            what=name,
            state="note",
            detail=f"{version} cannot be imported ({last[:100]}): built for another torch",
            remedy=f"serkit does without; for other packages: pip uninstall {name}, or install "
            "the one that belongs to this torch",
        )


def _extras() -> "Iterator[Finding]":
    import importlib.util

    for extra, (module, purpose) in EXTRAS.items():
        there = importlib.util.find_spec(module) is not None
        yield Finding(
            what=f"extra {extra}",
            state="ok" if there else "note",
            detail=f"{'present' if there else 'not installed'}: {purpose}",
            remedy="" if there else f"pip install 'serkit[{extra}]'",
        )


def _decoders() -> "Iterator[Finding]":
    """Write half a second of a tone in every format, and read it back through our one door."""
    import tempfile

    try:
        import av
        import numpy as np
        import soundfile

        from serkit import audio
    except (ImportError, OSError):
        return  # said above
    tone = (0.3 * np.sin(np.arange(8000) * 0.2)).astype(np.float32)
    with tempfile.TemporaryDirectory() as folder:
        for ending in ("wav", "flac", "ogg", "mp3", "m4a"):
            path = Path(folder) / f"tone.{ending}"
            try:
                if ending == "m4a":
                    _write_m4a(path, tone, av)
                else:
                    soundfile.write(path, tone, 16000)
            except (OSError, ValueError, RuntimeError) as error:  # cannot make one to try
                yield Finding(what=f"reads {ending}", state="note", detail=f"not tried: {error}")
                continue
            try:
                seconds = len(audio.read(path)) / 16000
            except audio.AudioError as error:
                remedy = "pip install --force-reinstall soundfile av"
                yield Finding(
                    what=f"reads {ending}", state="broken", detail=str(error), remedy=remedy
                )
                continue
            yield Finding(what=f"reads {ending}", state="ok", detail=f"{seconds:.2f} s of a tone")


def _write_m4a(path: Path, tone: Any, av: Any) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=16000, layout="mono")
        frame = av.AudioFrame.from_ndarray(tone[None, :], format="fltp", layout="mono")
        frame.sample_rate = 16000
        for packet in (*stream.encode(frame), *stream.encode(None)):
            container.mux(packet)


def _places() -> "Iterator[Finding]":
    """The shipped recordings, and whether runs can be written here."""
    import tempfile

    from serkit.corpus import load

    try:
        count = len(load("excerpt").utterances)
        yield Finding(what="shipped excerpt", state="ok", detail=f"{count} recordings")
    except (OSError, ValueError) as error:
        yield Finding(
            what="shipped excerpt",
            state="broken",
            detail=str(error),
            remedy="pip install --force-reinstall serkit",
        )
    try:
        with tempfile.TemporaryFile(dir=Path.cwd()):
            yield Finding(what="this folder", state="ok", detail="can be written to")
    except OSError as error:
        yield Finding(
            what="this folder",
            state="note",
            detail=f"cannot be written to ({error.strerror})",
            remedy="give --out another place",
        )
