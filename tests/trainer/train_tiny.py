"""A process of its own that trains the tiny system: to be killed, or to be one of two."""

import hashlib
import os
import signal
import sys
from pathlib import Path

from tiny_system import recall_on, tiny, tones

from serkit.trainer import Epoch, Run, Settings, fit

SETTINGS = Settings(
    epochs=6,
    batch=6,
    average=0.9,
    mixup=0.4,
    label_smoothing=0.1,
    weight_decay=1e-4,
    schedule="one_cycle",
    balance="sampler",
    patience=None,
)


class DyingRun(Run):
    """Kills its own process, as the system would for want of memory, in a given step."""

    die_at: int = -1

    def log(self, record: dict[str, object]) -> None:
        super().log(record)
        if record["step"] == self.die_at:
            os.kill(os.getpid(), signal.SIGKILL)


def main(folder: Path, die_at: int) -> None:
    system, examples = tiny(seed=0), tones()
    system.prepare([example.waveform for example in examples], [])
    run = DyingRun(folder)
    run.die_at = die_at

    def report(epoch: Epoch) -> None:
        print("epoch", epoch.epoch, flush=True)  # noqa: T201

    select = recall_on(tones(seed=1))
    _ = fit(system, examples, settings=SETTINGS, seed=3, run=run, select=select, report=report)
    weights = b"".join(tensor.numpy().tobytes() for tensor in system.state_dict().values())
    digest = hashlib.sha256(weights).hexdigest()
    # a file for each process: what they print together may be mixed
    _ = (folder / f"weights-{os.environ.get('RANK', 0)}").write_text(digest, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
