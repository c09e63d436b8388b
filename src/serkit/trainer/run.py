"""The run folder: settings, seed, versions, git state, and the losses of every step."""

import dataclasses
import importlib.metadata
import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from serkit.corpus import MissingExtraError

PACKAGES = ("serkit", "torch", "accelerate", "numpy", "scikit-learn", "soundfile", "soxr")
"""Whose versions may move a number."""


class Run:
    """A folder that one training run writes to, and can be resumed from.

    ======================  =======================================================
    ``settings.json``       what was asked for, and what it ran on (``describe``)
    ``losses.jsonl``        one line per optimiser step (``log``)
    ``history.json``        one record per epoch (written by ``fit``)
    ``resume/``             what ``fit`` needs to go on after a kill
    ======================  =======================================================

    Of several processes only the first writes.

    Args:
        folder: Created if need be.
        settings: Anything worth keeping, dataclasses included; see ``describe``.
        tensorboard: Write the losses for TensorBoard as well (extra ``tensorboard``).

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     run = Run(Path(folder) / "first", settings={"recipe": "tones"})
        ...     run.log({"epoch": 1, "step": 1, "losses": {"cross_entropy": 1.5}})
        ...     run.close()
        ...     print((run.folder / "losses.jsonl").read_text().strip())
        {"epoch": 1, "step": 1, "losses": {"cross_entropy": 1.5}}
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        settings: Mapping[str, Any] | None = None,
        tensorboard: bool = False,
    ) -> None:
        self.folder = Path(folder)
        self.is_writer = int(os.environ.get("RANK", "0")) == 0
        self.folder.mkdir(parents=True, exist_ok=True)
        self._losses = None
        self._board: Any = None
        if tensorboard and self.is_writer:
            try:
                from torch.utils.tensorboard.writer import SummaryWriter
            except ImportError as error:
                raise MissingExtraError(
                    "TensorBoard is not installed: pip install 'serkit[tensorboard]'"
                ) from error
            self._board = SummaryWriter(str(self.folder / "tensorboard"))
        now = datetime.now(UTC).isoformat(timespec="seconds")
        known = self.described()
        began = {"resumed": [*known.get("resumed", []), now]} if known else {"date": now}
        self.describe(
            {
                **began,
                "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
                "git": git_state(),
                "environment": environment(),
                **(settings or {}),
            }
        )

    @property
    def losses_path(self) -> Path:
        """``losses.jsonl`` of this run."""
        return self.folder / "losses.jsonl"

    @property
    def resume_path(self) -> Path:
        """The state of training after its last complete epoch."""
        return self.folder / "resume" / "state.pt"

    def described(self) -> dict[str, Any]:
        """What ``settings.json`` holds."""
        path = self.folder / "settings.json"
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}

    def describe(self, sections: Mapping[str, Any]) -> None:
        """Put ``sections`` into ``settings.json``, beside or over what is there.

        Dataclasses are written field by field.
        """
        if self.is_writer:
            write_json(self.folder / "settings.json", {**self.described(), **sections})

    def log(self, record: Mapping[str, Any]) -> None:
        """Append one step to ``losses.jsonl``; its ``losses`` go to TensorBoard as well."""
        if not self.is_writer:
            return
        if self._losses is None:  # a line is on disk when the step is done
            self._losses = self.losses_path.open("a", encoding="utf-8", buffering=1)
        _ = self._losses.write(json.dumps(record) + "\n")
        if self._board is not None:
            for name, value in record["losses"].items():
                self._board.add_scalar(f"loss/{name}", value, record["step"])
            for name in ("lr", "grad_norm"):
                self._board.add_scalar(name, record[name], record["step"])

    def log_development(self, scores: Mapping[str, float], *, step: int) -> None:
        """Show an epoch's development scores in TensorBoard, if it is on."""
        if self._board is not None:
            for name, value in scores.items():
                self._board.add_scalar(f"development/{name}", value, step)

    def position(self) -> int:
        """Bytes in ``losses.jsonl``; ``rewind`` comes back to here."""
        return self.losses_path.stat().st_size if self.losses_path.exists() else 0

    def rewind(self, position: int) -> None:
        """Forget the steps that ``losses.jsonl`` holds after ``position``."""
        self.close()
        if self.is_writer and self.losses_path.exists():
            os.truncate(self.losses_path, position)

    def close(self) -> None:
        """Close what is open; logging again opens it again."""
        if self._losses is not None:
            self._losses.close()
            self._losses = None
        if self._board is not None:
            self._board.close()

    def finish(self) -> None:
        """The run is over and its results are written: remove what resuming would need."""
        self.close()
        if self.is_writer:
            shutil.rmtree(self.resume_path.parent, ignore_errors=True)


def write_json(path: Path, value: Any) -> None:
    """Write JSON so that a reader finds the old file or the new one, never half of one.

    Dataclasses are written field by field, paths as text.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_json(Path(folder) / "a.json", {"path": Path("wav")})
        ...     (Path(folder) / "a.json").read_text().split()
        ['{', '"path":', '"wav"', '}']
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    text = json.dumps(value, indent=2, ensure_ascii=False, default=_plain)
    _ = temporary.write_text(text + "\n", encoding="utf-8")
    _ = temporary.replace(path)


def _plain(value: Any) -> Any:
    """What JSON does not know, in terms that it knows."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{value!r} ({type(value).__name__}) cannot be written as JSON")


def environment() -> dict[str, Any]:
    """Versions, processor and threads: what a time or a last digit may depend on.

    Example:
        >>> environment()["python"] == platform.python_version()
        True
    """
    return {
        "python": platform.python_version(),
        **{name: _version(name) for name in PACKAGES},
        "platform": platform.platform(),
        "cpu": _cpu_name(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "bfloat16": computes_in_bfloat16(),
        "threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
    }


def hardware(device: torch.device) -> str:
    """The name of the GPU or processor that a device is.

    Example:
        >>> hardware(torch.device("cpu")) == environment()["cpu"]
        True
    """
    return torch.cuda.get_device_name(device) if device.type == "cuda" else _cpu_name()


def git_state() -> dict[str, Any]:
    """Commit of the checkout that serkit runs from, and whether it was changed since.

    Both are None when serkit was installed rather than checked out, or nothing is committed.

    Example:
        >>> sorted(git_state())
        ['commit', 'dirty']
    """

    def git(*words: str) -> str | None:
        command = ["git", "-C", str(Path(__file__).parent), *words]
        try:
            answer = subprocess.run(
                command, capture_output=True, text=True, check=False, timeout=10
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
        return answer.stdout.strip() if answer.returncode == 0 else None

    commit = git("rev-parse", "--verify", "--quiet", "HEAD")
    status = git("status", "--porcelain", "--untracked-files=no")
    is_ours = git("ls-files", "--error-unmatch", Path(__file__).name) is not None
    if commit is None or status is None or not is_ours:
        return {"commit": None, "dirty": None}
    return {"commit": commit, "dirty": bool(status)}


def computes_in_bfloat16() -> bool:
    """Whether the processor multiplies bfloat16 itself (AVX-512 BF16 or AMX), so that it pays.

    Example:
        >>> computes_in_bfloat16() in (True, False)
        True
    """
    flags = _cpuinfo("flags").split()
    return torch.backends.mkldnn.is_available() and ("avx512_bf16" in flags or "amx_bf16" in flags)


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _cpu_name() -> str:
    return _cpuinfo("model name") or platform.processor() or platform.machine()


def _cpuinfo(field: str) -> str:
    """What Linux says of the first processor; empty elsewhere."""
    path = Path("/proc/cpuinfo")
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        name, _, value = line.partition(":")
        if name.strip() == field:
            return value.strip()
    return ""
