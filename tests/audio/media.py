"""Sounds whose answer is known, and files of every kind that hold them."""

import io
from collections.abc import Mapping
from pathlib import Path

import av
import numpy as np


def tone(frequency: float, seconds: float, sample_rate: int) -> np.ndarray:
    """A sine of amplitude 0.5."""
    time = np.arange(round(seconds * sample_rate)) / sample_rate
    return (0.5 * np.sin(2 * np.pi * frequency * time)).astype(np.float32)


def chirp(seconds: float, sample_rate: int, high: float = 2000.0) -> np.ndarray:
    """A sine that climbs from 100 Hz to ``high``: no two stretches of it are alike."""
    time = np.arange(round(seconds * sample_rate)) / sample_rate
    phase = 2 * np.pi * (100.0 * time + (high - 100.0) * time**2 / (2 * seconds))
    return (0.5 * np.sin(phase)).astype(np.float32)


def encode(
    file: Path | io.RawIOBase,
    sound: np.ndarray | None,
    sample_rate: int,
    codec: str,
    *,
    picture: bool = False,
    container: str | None = None,
    options: Mapping[str, str] | None = None,
) -> None:
    """Write a sound [N] or [N K], or a black video, or both, by FFmpeg."""
    target = str(file) if isinstance(file, Path) else file
    with av.open(target, "w", format=container, options=dict(options or {})) as output:
        video = output.add_stream("mpeg4", rate=10) if picture else None
        audio = None
        if sound is not None:  # every track is added before the first packet is written
            num_channels = 1 if sound.ndim == 1 else sound.shape[1]
            layout = {1: "mono", 2: "stereo", 16: "hexadecagonal"}[num_channels]
            audio = output.add_stream(codec, rate=sample_rate, layout=layout)
        if video is not None:
            video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
            for number in range(30):
                image = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24")
                image.pts = number
                output.mux(video.encode(image))
            output.mux(video.encode(None))
        if audio is not None and sound is not None:
            interleaved = np.ascontiguousarray(sound, dtype=np.float32).reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(interleaved, format="flt", layout=layout)
            frame.sample_rate, frame.pts = sample_rate, 0
            converter = av.AudioResampler(format=audio.format, layout=layout, rate=sample_rate)
            for part in converter.resample(frame):
                output.mux(audio.encode(part))
            output.mux(audio.encode(None))


def stream(file: Path, sound: np.ndarray, sample_rate: int, codec: str, container: str) -> None:
    """Write as into a pipe: nothing can be filled in later, so the length is not in the header."""
    pipe = _Pipe()
    encode(pipe, sound, sample_rate, codec, container=container)
    _ = file.write_bytes(bytes(pipe.written))


class _Pipe(io.RawIOBase):
    """A file that can only be written forward."""

    def __init__(self) -> None:
        self.written = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # pyright: ignore[reportIncompatibleMethodOverride]
        self.written += bytes(data)
        return len(data)
