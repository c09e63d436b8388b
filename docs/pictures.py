"""Draw docs/systems/facenet.png: what facenet sees of six speakers in each of four emotions.

    python docs/pictures.py [--out FILE]

From the excerpt of Emo-DB that comes with serkit (CC BY 4.0): of each speaker the first recording
of an emotion, and of that the window in the middle, as a mel spectrogram and as a waveform diagram.
"""

import argparse
from pathlib import Path

from matplotlib.figure import Figure

from serkit import audio
from serkit.corpus import load
from serkit.systems.facenet import Config, FaceNet

EMOTIONS = ("anger", "happiness", "neutral", "sadness")
NUM_SPEAKERS = 6
KINDS = {
    "mel": Config(emotions=EMOTIONS, mel=True),
    "waveform": Config(emotions=EMOTIONS, picture="waveform"),
}


def main() -> None:
    """Write the picture."""
    parser = argparse.ArgumentParser(description="Draw what facenet sees.")
    default = Path(__file__).resolve().parent / "systems" / "facenet.png"
    _ = parser.add_argument("--out", type=Path, default=default)
    out: Path = parser.parse_args().out
    first = {(u.speaker, u.emotion()): u for u in reversed(load("excerpt").utterances)}
    speakers = sorted({u.speaker for u in first.values() if u.speaker})[:NUM_SPEAKERS]
    canvas = Figure(figsize=(8.6, 11.2), layout="constrained")
    grid = canvas.subplots(len(EMOTIONS) * len(KINDS), NUM_SPEAKERS)
    systems = {kind: FaceNet(config) for kind, config in KINDS.items()}
    for row, (emotion, kind) in enumerate((e, k) for e in EMOTIONS for k in KINDS):
        for axes, speaker in zip(grid[row], speakers, strict=True):
            waveform = audio.read(first[speaker, emotion].path, sample_rate=16000)
            seen = systems[kind].explain(waveform)
            axes.imshow(seen.picture[len(seen.picture) // 2], cmap="gray", vmin=0, vmax=1)
            axes.set(xticks=[], yticks=[])
            if row == 0:
                axes.set_title(speaker.replace("excerpt/", "speaker "), fontsize=9)
        grid[row][0].set_ylabel(f"{emotion}\n{kind}", fontsize=9)
    canvas.savefig(out, dpi=90, pil_kwargs={"optimize": True})


if __name__ == "__main__":
    main()
