"""SAVEE: four English men, seven emotions."""

import re
from pathlib import Path

from serkit.corpus.corpus import (
    Corpus,
    FileNameError,
    MissingCorpusError,
    Passport,
    absent,
    all_audio_files,
    distinct,
)
from serkit.corpus.utterance import Rating, Utterance

LETTERS = {
    "a": "anger",
    "d": "disgust",
    "f": "fear",
    "h": "happiness",
    "n": "neutral",
    "sa": "sadness",
    "su": "surprise",
}
"""The letters a file name begins with (behind the speaker, where files stand in one folder)."""

SPEAKERS = ("DC", "JE", "JK", "KL")
"""All male, researchers of 27 to 31 years; who is how old is not published."""

NUM_SENTENCES = {letters: 30 if letters == "n" else 15 for letters in LETTERS}
"""Per speaker. Three are common to all emotions, neutral repeats the twelve emotion-specific ones;
the owners do not say which numbers these are, so no sentence is known and no independence of
sentences can be claimed."""

NAME = re.compile(r"^(?:(DC|JE|JK|KL)_)?(sa|su|[adfhn])(\d{2})$")

GRAMMAR = (
    "emotion (a d f h n sa su) and number (01 to 15, neutral to 30) in a folder of the speaker "
    "(DC JE JK KL), such as DC/sa03.wav; or with the speaker in front, such as DC_sa03.wav"
)

LAYOUT = (
    "ROOT/AudioData/<speaker>/*.wav (or .flac; ROOT/<speaker>/*.wav and one folder of *.wav "
    f"will do), named by {GRAMMAR}"
)

PASSPORT = Passport(
    name="savee",
    title="SAVEE, Surrey audio-visual expressed emotion; the audio",
    citation=(
        "S. Haq, P. J. B. Jackson: Multimodal emotion recognition. In W. Wang (ed.), Machine "
        "Audition: Principles, Algorithms and Systems, IGI Global, 2010, 398-423"
    ),
    licence="free for research after registration; no redistribution",
    url="http://kahlan.eps.surrey.ac.uk/savee/",
    obtain="register on its home page, download AudioData.zip and unpack it",
    language="en",
    layout=LAYOUT,
    num_utterances=480,
    num_speakers=4,
    emotions={
        "anger": 60,
        "disgust": 60,
        "fear": 60,
        "happiness": 60,
        "neutral": 120,
        "sadness": 60,
        "surprise": 60,
    },
    sample_rate=44100,
    protocols=(),
)


def parse(path: Path) -> Utterance:
    """The utterance a file name and its folder describe.

    Raises:
        FileNameError: Not a name of this corpus; the message has the grammar.

    Example:
        >>> utterance = parse(Path("AudioData/JE/su07.wav"))
        >>> utterance.id, utterance.speaker, utterance.emotion()
        ('savee/JE_su07', 'savee/JE', 'surprise')
        >>> parse(Path("ALL/JE_su07.wav")).id
        'savee/JE_su07'
    """
    match = NAME.match(path.stem)
    folder = path.parent.name if path.parent.name in SPEAKERS else None
    speaker = match[1] or folder if match else None
    if (
        match is None
        or speaker is None
        or folder not in (None, speaker)
        or not 1 <= int(match[3]) <= NUM_SENTENCES[match[2]]
    ):
        raise FileNameError(f"{path}: not a name of SAVEE; the grammar is {GRAMMAR}")
    return Utterance(
        id=f"savee/{speaker}_{match[2]}{match[3]}",
        path=path,
        speaker=f"savee/{speaker}",
        sex="male",
        language="en",
        ratings=(Rating(rater="intended", emotion={LETTERS[match[2]]: 1.0}),),
    )


def read(root: Path) -> Corpus:
    """Read the corpus in its owners' layout; no audio is decoded.

    Args:
        root: The folder that holds ``AudioData/`` (or that folder itself, or one with all files).

    Raises:
        MissingCorpusError: No recordings there; the message says the layout.
        FileNameError: A recording with a name of some other corpus.

    Example:
        >>> read(Path("nowhere"))  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        serkit.corpus.corpus.MissingCorpusError: nowhere: no SAVEE here; expected ROOT/AudioData/...
    """
    inner = root / "AudioData"
    files = all_audio_files(inner if inner.is_dir() else root)
    if not files:
        raise MissingCorpusError(f"{root}: no SAVEE here; expected {LAYOUT}")
    utterances, twice = distinct(parse(path) for path in files)
    expected = [
        f"{speaker}_{letters}{number:02d}"
        for speaker in SPEAKERS
        for letters, most in NUM_SENTENCES.items()
        for number in range(1, most + 1)
    ]
    missing = absent(expected, [utterance.id.removeprefix("savee/") for utterance in utterances])
    return Corpus(
        name="savee",
        passport=PASSPORT,
        utterances=utterances,
        problems=(*twice, *missing, *PASSPORT.differences(utterances)),
    )
