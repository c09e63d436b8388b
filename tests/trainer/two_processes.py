"""One of two processes that share a training, and a gradient: starting them is what takes time."""

import sys
from pathlib import Path

import gather_tiny
import train_tiny

if __name__ == "__main__":
    gather_tiny.main(Path(sys.argv[1]))
    train_tiny.main(Path(sys.argv[1]), -1)
