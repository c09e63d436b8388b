"""A corpus made of tones, for tests: pitch and tremolo say the emotion, a detune the speaker."""

import math
from pathlib import Path

import numpy as np

from serkit.corpus.corpus import Corpus, Passport
from serkit.corpus.folder import read_folder

SAMPLE_RATE = 16000  # Hz
MOST_EMOTIONS = 10  # the tenth sounds at 4978 Hz

LAYOUT = "ROOT/<emotion>/<speaker>_<take>.wav, such as anger/s1_1.wav"

PASSPORT = Passport(
    name="synthetic",
    title="tones made by serkit for tests; nobody speaks",
    citation="serkit, serkit.corpus.synthetic.write",
    licence="Apache-2.0",
    url="none: made on the spot",
    obtain="python -c 'from serkit.corpus import synthetic; synthetic.write(ROOT)'",
    language="zxx",
    layout=LAYOUT,
    num_utterances=32,
    num_speakers=4,
    emotions={"anger": 16, "sadness": 16},
    sample_rate=SAMPLE_RATE,
    protocols=(),
)
"""What ``write`` makes when only told where; other sizes are no fault."""


def write(
    root: Path,
    *,
    num_speakers: int = 4,
    emotions: tuple[str, ...] = ("anger", "sadness"),
    takes: int = 4,
    seconds: float = 1.0,
    seed: int = 0,
) -> Path:
    """Write tones as 16-bit WAV, one folder per emotion, and return the root.

    Emotion number e sounds at ``220 * 2 ** (e / 2)`` Hz with a tremolo of ``3 + 2 e`` Hz; speakers
    differ by up to 3 % in pitch; takes by phase, level, length (within 10 %) and a little noise.

    Args:
        root: Where to; made when it is not there.
        num_speakers: Speakers ``s1``, ``s2``, ...
        emotions: Names of emotions, each a folder.
        takes: Files per speaker and emotion.
        seconds: Length of a file, about.
        seed: Decides phases, levels, lengths and noise.

    Example:
        >>> import tempfile
        >>> root = write(Path(tempfile.mkdtemp()), num_speakers=2, takes=1, seconds=0.1)
        >>> sorted(path.relative_to(root).as_posix() for path in root.rglob("*.wav"))
        ['anger/s1_1.wav', 'anger/s2_1.wav', 'sadness/s1_1.wav', 'sadness/s2_1.wav']
    """
    import soundfile

    generator = np.random.default_rng(seed)
    if len(emotions) > MOST_EMOTIONS:
        raise ValueError(f"at most {MOST_EMOTIONS} emotions fit below half the rate of samples")
    for number, emotion in enumerate(emotions):
        pitch, tremolo = 220.0 * 2.0 ** (number / 2.0), 3.0 + 2.0 * number  # Hz
        folder = root / emotion
        folder.mkdir(parents=True, exist_ok=True)
        for speaker in range(num_speakers):
            detune = 1.0 + 0.06 * (speaker / max(1, num_speakers - 1) - 0.5)
            for take in range(takes):
                length = max(1, round(seconds * SAMPLE_RATE * generator.uniform(0.9, 1.1)))
                time = np.arange(length) / SAMPLE_RATE
                phase = generator.uniform(0.0, 2.0 * math.pi)
                tone = np.sin(2.0 * math.pi * pitch * detune * time + phase)
                loudness = 0.6 + 0.4 * np.sin(2.0 * math.pi * tremolo * time)
                waveform = generator.uniform(0.2, 0.4) * loudness * tone
                waveform = waveform + 0.003 * generator.standard_normal(length)
                soundfile.write(
                    folder / f"s{speaker + 1}_{take + 1}.wav",
                    waveform,
                    SAMPLE_RATE,
                    subtype="PCM_16",
                )
    return root


def read(root: Path) -> Corpus:
    """Read what ``write`` wrote; ids and speakers begin with ``synthetic/``.

    Example:
        >>> import tempfile
        >>> corpus = read(write(Path(tempfile.mkdtemp()), num_speakers=3, takes=1, seconds=0.1))
        >>> corpus.speakers
        ('synthetic/s1', 'synthetic/s2', 'synthetic/s3')
    """
    found = read_folder(root, name="synthetic", speaker_pattern=r"(?P<speaker>s\d+)_\d+\.wav$")
    return Corpus(
        name="synthetic",
        passport=PASSPORT,
        utterances=found.utterances,
        problems=found.problems,
    )
