"""Reads the files named on its standard input, and says of each what became of it.

A process of its own: whatever a damaged file does to a decoder, the test that sent it survives.
"""

import resource
import sys
import time
from pathlib import Path

import numpy as np

from serkit.audio import AudioError, blocks, decoded_hash, info, read

MEMORY = 6 << 30  # bytes of addresses; more than that is asked for only by a header that lies


def outcome(path: Path) -> str:
    """``"heard"`` or the statuses of the errors, in the order of the calls; else the crash."""
    calls = (
        read,
        lambda file: read(file, start=0.1, end=0.2),
        lambda file: np.concatenate([*blocks(file, seconds=0.1)]),
        info,
        decoded_hash,
    )
    said: list[str] = []
    for call in calls:
        try:
            heard = call(path)
        except AudioError as error:
            said.append(error.status)
        except BaseException as error:
            return f"CRASH {type(error).__name__}: {error}"
        else:
            if isinstance(heard, np.ndarray) and not (np.abs(heard) <= 1.0).all():
                return "CRASH samples that are no samples"
            said.append("heard")
    return " | ".join(said)


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    print("ready", flush=True)  # noqa: T201
    for line in sys.stdin:
        began = time.process_time()
        answer = outcome(Path(line.rstrip("\n")))
        print(f"{time.process_time() - began:.3f} {answer}", flush=True)  # noqa: T201
