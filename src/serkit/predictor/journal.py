"""What was made of each recording, on disk as soon as it is known: a long job survives a kill.

A journal lies beside the table that it is for, ``ratings.csv.journal`` beside ``ratings.csv``. Its
first line says by what the rows were made; each line after it is a recording: path, size and time
of its last change, and its row. Lines are only ever appended. A line that a kill cut short is
dropped when the journal is opened again.
"""

import json
import os
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import IO, Any

FORMAT = 1
SYNCED_EVERY = 1.0  # s; a kill loses no line, a power cut those of about a second
TRIED_AGAIN = ("missing", "directory", "unreadable", "failed")
"""Statuses that may change although the file did not: its place, its permissions, the machine."""

State = tuple[int, int]
"""Size in bytes, and when the file was last changed, in nanoseconds."""


class JournalError(ValueError):
    """A journal that cannot be gone on with: in use, damaged, or made by something else."""


class Journal:
    """Rows of a table, kept by recording; a context that holds the journal for one process.

    Args:
        output: The table that the rows are for; the journal lies beside it.
        made_by: What the rows depend on beside the recordings: model, options. A journal that was
            made by something else is refused.
        anew: Forget what an earlier run left.

    Raises:
        JournalError: Another process writes to it; it is damaged; it was made by something else.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     call, output = Path(folder) / "call.wav", Path(folder) / "ratings.csv"
        ...     _ = call.write_bytes(b"RIFF")
        ...     with Journal(output, made_by={"model": "a"}) as journal:
        ...         journal.add(call, state_of(call), {"file": "call.wav", "status": "ok"})
        ...     with Journal(output, made_by={"model": "a"}) as journal:
        ...         statuses = [row["status"] for row in journal.rows([call])]
        ...         statuses, journal.holds(call, state_of(call))
        (['ok'], True)
    """

    def __init__(self, output: Path, *, made_by: Mapping[str, Any], anew: bool = False) -> None:
        self.path = output.with_name(f"{output.name}.journal")
        self._offsets: dict[str, int] = {}
        self._settled: dict[str, State | None] = {}
        self._synced = time.monotonic()
        output.parent.mkdir(parents=True, exist_ok=True)
        with ExitStack() as stack:
            # opened so that nothing is lost before the lock is held
            flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0)
            descriptor = os.open(self.path, flags, 0o666)
            self._file = stack.enter_context(os.fdopen(descriptor, "r+b"))
            if not _lock(self._file):
                raise JournalError(
                    f"{output} is being written by another process; wait until it is done, or "
                    "name another output"
                )
            if anew:
                _ = self._file.truncate(0)
            self._recall(json.loads(json.dumps(dict(made_by))))
            self._close = stack.pop_all().close

    def __enter__(self) -> "Journal":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._sync()
        self._close()

    def __len__(self) -> int:
        return len(self._offsets)

    def holds(self, recording: Path, state: State | None) -> bool:
        """Whether a recording was settled before, in the same state.

        Those of the statuses ``TRIED_AGAIN`` are never settled.
        """
        return state is not None and self._settled.get(str(recording)) == state

    def add(self, recording: Path, state: State | None, row: Mapping[str, Any]) -> None:
        """Write down what was made of a recording.

        Args:
            recording: As it was given.
            state: What ``state_of`` said *before* it was read: of a recording that changes while
                it is read, the next run then knows.
            row: Anything that JSON knows, with a ``status``.
        """
        offset = self._file.seek(0, os.SEEK_END)
        self._write({"file": str(recording), "state": state, "row": dict(row)})
        self._remember(str(recording), state, row["status"], offset)
        if time.monotonic() - self._synced > SYNCED_EVERY:
            self._sync()

    def rows(self, recordings: Iterable[Path]) -> Iterator[dict[str, Any]]:
        """The newest row of each recording, in the order given; one at a time in memory."""
        for recording in recordings:
            _ = self._file.seek(self._offsets[str(recording)])
            yield json.loads(self._file.readline())["row"]

    def _recall(self, made_by: Mapping[str, Any]) -> None:
        """Go through what is there; drop an unfinished last line; begin when there is nothing."""
        _ = self._file.seek(0)
        whole = 0
        for number, line in enumerate(self._file):
            if not line.endswith(b"\n"):
                break
            self._recall_line(number, line, made_by, whole)
            whole += len(line)
        _ = self._file.truncate(whole)
        if not whole:
            _ = self._file.seek(0)
            self._write({"format": FORMAT, "made_by": made_by})
            self._sync()

    def _recall_line(
        self, number: int, line: bytes, made_by: Mapping[str, Any], offset: int
    ) -> None:
        try:
            known = json.loads(line)
            if number:
                state = None if known["state"] is None else tuple(known["state"])
                self._remember(known["file"], state, known["row"]["status"], offset)
                return
            theirs, form = dict(known["made_by"]), known["format"]
        except (ValueError, KeyError, TypeError) as error:
            raise JournalError(
                f"{self.path} is damaged: line {number + 1} cannot be read ({error}). Start anew "
                "with --overwrite, or name another output"
            ) from error
        differing = [
            f"{key} {_shown(theirs.get(key))} there, {_shown(made_by.get(key))} here"
            for key in {**theirs, **made_by}
            if theirs.get(key) != made_by.get(key)
        ]
        if differing or form != FORMAT:
            raise JournalError(
                f"{self.path} holds ratings of an earlier run that do not mix with these: "
                f"{'; '.join(differing) or f'format {form} there, {FORMAT} here'}. Name another "
                "output, or start anew with --overwrite"
            )

    def _remember(self, file: str, state: State | None, status: str, offset: int) -> None:
        self._offsets[file] = offset
        self._settled[file] = None if status in TRIED_AGAIN else state

    def _write(self, value: Mapping[str, Any]) -> None:
        _ = self._file.write(json.dumps(value).encode("ascii") + b"\n")
        self._file.flush()

    def _sync(self) -> None:
        os.fsync(self._file.fileno())
        self._synced = time.monotonic()


def state_of(recording: Path) -> State | None:
    """Size and time of the last change; None where there is no file.

    Example:
        >>> state_of(Path("nowhere.wav")) is None
        True
    """
    try:
        stat = recording.stat()
    except OSError:
        return None
    return stat.st_size, stat.st_mtime_ns


def _shown(value: Any) -> str:
    text = "none" if value is None else str(value)
    return text if len(text) <= 24 else f"{text[:12]}..."


def _lock(file: IO[bytes]) -> bool:
    """Hold a file until it is closed or the process ends, however it ends; False: another does."""
    try:
        if sys.platform == "win32":
            import msvcrt

            _ = file.seek(1 << 40)  # far behind the end: what is locked there nobody may read
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
