"""The loop, the run folder, and the weights on disk."""

from serkit.trainer.checkpoint import CheckpointError, load, save
from serkit.trainer.loop import (
    Epoch,
    Example,
    History,
    NonFiniteLossError,
    ResumeError,
    Settings,
    fit,
)
from serkit.trainer.run import Run, computes_in_bfloat16, environment, git_state, hardware

__all__ = [
    "CheckpointError",
    "Epoch",
    "Example",
    "History",
    "NonFiniteLossError",
    "ResumeError",
    "Run",
    "Settings",
    "computes_in_bfloat16",
    "environment",
    "fit",
    "git_state",
    "hardware",
    "load",
    "save",
]
