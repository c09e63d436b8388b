"""What a person sees while an experiment runs: bars on a terminal, lines elsewhere."""

import sys
import time
from collections.abc import Generator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from serkit.trainer import Epoch

HEARTBEAT = 30.0  # seconds between two lines about epochs where there is no terminal


class Watch:
    """Hears of everything that happens in an experiment, and says nothing.

    Example:
        >>> Watch().fold_begins(seed=0, fold="03", num_epochs=40)
    """

    def reading(self, num_utterances: int) -> None:
        """So many utterances are about to be read."""

    def utterance_read(self) -> None:
        """One of them was read, or could not be."""

    def experiment_begins(self, *, num_folds: int, num_finished: int) -> None:
        """So many folds (times seeds) in all, so many finished before."""

    def fold_begins(self, *, seed: int, fold: str, num_epochs: int) -> None:
        """A fold is prepared and about to be trained; 0 epochs where nothing is."""

    def epoch_ends(self, record: Epoch) -> None:
        """An epoch was trained and scored."""

    def fold_ends(self, *, seed: int, fold: str, figure: str, value: float, seconds: float) -> None:
        """A fold's predictions are on disk."""

    def say(self, text: str) -> None:
        """Something a person should know."""


class ConsoleWatch(Watch):
    """Shows it on a console: bars where it is a terminal, a line now and then where it is not."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._bars: Progress | None = None
        self._reading: TaskID | None = None
        self._folds: TaskID | None = None
        self._epochs: TaskID | None = None
        self._where = ""
        self._num_epochs = 0
        self._spoken = time.monotonic()

    def reading(self, num_utterances: int) -> None:
        """Open a bar for the recordings."""
        if self._bars is not None:
            self._reading = self._bars.add_task("recordings read", total=num_utterances)

    def utterance_read(self) -> None:
        """Move the bar of the recordings."""
        if self._bars is not None and self._reading is not None:
            self._bars.advance(self._reading)

    def experiment_begins(self, *, num_folds: int, num_finished: int) -> None:
        """Open a bar for the folds."""
        if num_finished:
            self.say(f"{num_finished} of {num_folds} folds were finished before and are kept")
        if self._bars is not None:
            self._folds = self._bars.add_task("folds", total=num_folds, completed=num_finished)

    def fold_begins(self, *, seed: int, fold: str, num_epochs: int) -> None:
        """Open a bar for the epochs of this fold."""
        self._where, self._num_epochs = f"seed {seed}, fold {fold}", num_epochs
        if self._bars is not None:
            if self._epochs is not None:
                self._bars.remove_task(self._epochs)
            self._epochs = self._bars.add_task(self._where, total=num_epochs or None)

    def epoch_ends(self, record: Epoch) -> None:
        """Move the bar of the epochs, or say where we are if nothing was said for a while."""
        losses = ", ".join(f"{name} {value:.3f}" for name, value in record.losses.items())
        scores = "".join(f", dev {n} {value:.3f}" for n, value in record.development.items())
        text = f"{self._where}: epoch {record.epoch}/{self._num_epochs}, {losses}{scores}"
        if self._bars is not None and self._epochs is not None:
            self._bars.update(self._epochs, completed=record.epoch, description=text)
        elif time.monotonic() - self._spoken > HEARTBEAT:
            self.say(text)

    def fold_ends(self, *, seed: int, fold: str, figure: str, value: float, seconds: float) -> None:
        """Say how the fold went."""
        if self._bars is not None:
            if self._folds is not None:
                self._bars.advance(self._folds)
            if self._epochs is not None:
                self._bars.remove_task(self._epochs)
                self._epochs = None
        self.say(
            f"seed {seed}, fold {fold}: {figure} {value:.3f} on its test speakers, {seconds:.0f} s"
        )

    def say(self, text: str) -> None:
        """Print a line above the bars."""
        self._spoken = time.monotonic()
        self.console.print(text, highlight=False, markup=False, soft_wrap=True)

    @contextmanager
    def shown(self) -> Generator["ConsoleWatch", None, None]:
        """Bars are on the screen inside the ``with``."""
        if not self.console.is_terminal:
            yield self
            return
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=self.console, refresh_per_second=4) as self._bars:
            try:
                yield self
            finally:
                self._bars = None


def console_watch() -> ConsoleWatch:
    """A watch on the error stream, so that output can be piped.

    Example:
        >>> with console_watch().shown() as watch:
        ...     watch.epoch_ends
        <bound method ConsoleWatch.epoch_ends of ...>
    """
    return ConsoleWatch(Console(file=sys.stderr))
