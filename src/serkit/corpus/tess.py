"""TESS: a younger and an older Canadian woman, two hundred words, seven emotions."""

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

CODES = {
    "angry": "anger",
    "disgust": "disgust",
    "fear": "fear",
    "happy": "happiness",
    "neutral": "neutral",
    "ps": "surprise",
    "sad": "sadness",
}
"""The last part of a file name; ``ps`` is pleasant surprise."""

SPEAKERS = {"OAF": 64.0, "YAF": 26.0}
"""Older and younger actress: age in years."""

NAME = re.compile(rf"^(OAF?|YAF)_([a-z'-]+)_({'|'.join(CODES)})$", re.IGNORECASE)
"""One recording is published as ``OA_bite_neutral.wav``: it is of the older actress."""

GRAMMAR = (
    "speaker (OAF YAF), word, emotion (angry disgust fear happy neutral ps sad) with _ between, "
    "such as OAF_back_angry.wav"
)

LAYOUT = f"ROOT/**/*.wav (or .flac), in whatever folders, named by {GRAMMAR}"

PASSPORT = Passport(
    name="tess",
    title="TESS, the Toronto emotional speech set",
    citation=(
        "M. K. Pichora-Fuller, K. Dupuis: Toronto emotional speech set (TESS). Borealis, 2020, "
        "doi 10.5683/SP2/E8H2MF"
    ),
    licence="CC BY-NC-ND 4.0",
    url="https://doi.org/10.5683/SP2/E8H2MF",
    obtain="download it from Borealis (or from TSpace of the University of Toronto) and unpack it",
    language="en",
    layout=LAYOUT,
    num_utterances=2800,
    num_speakers=2,
    emotions={
        "anger": 400,
        "disgust": 400,
        "fear": 400,
        "happiness": 400,
        "neutral": 400,
        "sadness": 400,
        "surprise": 400,
    },
    sample_rate=24414,
    protocols=(),
)


def parse(path: Path) -> Utterance:
    """The utterance a file name describes; the word is the sentence key.

    Raises:
        FileNameError: Not a name of this corpus; the message has the grammar.

    Example:
        >>> utterance = parse(Path("OAF_Pleasant_surprise/OAF_back_ps.wav"))
        >>> utterance.speaker, utterance.age, utterance.sentence, utterance.emotion()
        ('tess/OAF', 64.0, 'back', 'surprise')
        >>> parse(Path("OAF_neutral/OA_bite_neutral.wav")).id
        'tess/OAF_bite_neutral'
    """
    match = NAME.match(path.stem)
    if match is None:
        raise FileNameError(f"{path}: not a name of TESS; the grammar is {GRAMMAR}")
    speaker = "YAF" if match[1].upper() == "YAF" else "OAF"
    word, code = match[2].lower(), match[3].lower()
    return Utterance(
        id=f"tess/{speaker}_{word}_{code}",
        path=path,
        speaker=f"tess/{speaker}",
        sex="female",
        age=SPEAKERS[speaker],
        language="en",
        sentence=word,
        ratings=(Rating(rater="intended", emotion={CODES[code]: 1.0}),),
    )


def read(root: Path) -> Corpus:
    """Read the corpus; no audio is decoded.

    Copies circulate with all files in one folder, in a folder per speaker and emotion
    (``OAF_angry``, ``YAF_pleasant_surprised``), and with the whole tree inside itself once more:
    file names say everything, so every folder below the root is read, and doubles are left out.

    Args:
        root: The folder with the recordings somewhere below it.

    Raises:
        MissingCorpusError: No recordings there; the message says the layout.
        FileNameError: A recording with a name of some other corpus.

    Example:
        >>> read(Path("nowhere"))  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        serkit.corpus.corpus.MissingCorpusError: nowhere: no TESS here; expected ROOT/**/*.wav ...
    """
    files = all_audio_files(root)
    if not files:
        raise MissingCorpusError(f"{root}: no TESS here; expected {LAYOUT}")
    utterances, twice = distinct(parse(path) for path in files)
    words = sorted({utterance.sentence for utterance in utterances if utterance.sentence})
    expected = [f"{s}_{word}_{code}" for s in SPEAKERS for word in words for code in CODES]
    missing = absent(expected, [utterance.id.removeprefix("tess/") for utterance in utterances])
    return Corpus(
        name="tess",
        passport=PASSPORT,
        utterances=utterances,
        problems=(*twice, *missing, *PASSPORT.differences(utterances)),
    )
