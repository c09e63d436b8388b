"""What is minimised, and which utterances share a batch."""

from serkit.objectives.cross_entropy import cross_entropy

__all__ = ["cross_entropy"]
