"""Waveform to frames or functionals."""

from serkit.features.log_mel import LogMel

__all__ = ["LogMel"]
