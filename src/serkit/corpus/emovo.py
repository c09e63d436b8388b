"""EMOVO: six Italian actors, fourteen sentences, seven emotions."""

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
    "dis": "disgust",
    "gio": "happiness",
    "neu": "neutral",
    "pau": "fear",
    "rab": "anger",
    "sor": "surprise",
    "tri": "sadness",
}
"""The first part of a file name (Italian: disgusto, gioia, paura, rabbia, sorpresa, tristezza)."""

SPEAKERS = ("f1", "f2", "f3", "m1", "m2", "m3")
"""Three women and three men."""

SENTENCES = (
    *("b1", "b2", "b3", "d1", "d2", "l1", "l2", "l3", "l4"),
    *("n1", "n2", "n3", "n4", "n5"),
)
"""Short (b), long (l), nonsense (n) sentences and questions (d)."""

NAME = re.compile(
    rf"^({'|'.join(CODES)})-({'|'.join(SPEAKERS)})-({'|'.join(SENTENCES)})$", re.IGNORECASE
)

GRAMMAR = (
    f"emotion ({' '.join(CODES)}), speaker ({' '.join(SPEAKERS)}), sentence (b1 to b3, d1, d2, "
    "l1 to l4, n1 to n5) with - between, such as dis-f1-b1.wav"
)

LAYOUT = "ROOT/<speaker>/*.wav (or .flac; ROOT/EMOVO/<speaker>/*.wav will do), named by " + GRAMMAR

PASSPORT = Passport(
    name="emovo",
    title="EMOVO, the Italian emotional speech corpus",
    citation=(
        "G. Costantini, I. Iaderola, A. Paoloni, M. Todisco: EMOVO corpus: an Italian emotional "
        "speech database. LREC 2014, 3501-3504"
    ),
    licence="free for research, with acknowledgement; no licence text",
    url="http://voice.fub.it/activities/corpora/emovo/index.html",
    obtain="download emovo.zip from its home page and unpack it",
    language="it",
    layout=LAYOUT,
    num_utterances=588,
    num_speakers=6,
    emotions={
        "anger": 84,
        "disgust": 84,
        "fear": 84,
        "happiness": 84,
        "neutral": 84,
        "sadness": 84,
        "surprise": 84,
    },
    sample_rate=48000,
    protocols=(),
)


def parse(path: Path) -> Utterance:
    """The utterance a file name describes.

    Raises:
        FileNameError: Not a name of this corpus; the message has the grammar.

    Example:
        >>> utterance = parse(Path("f1/gio-f1-b1.wav"))
        >>> utterance.speaker, utterance.sex, utterance.sentence, utterance.emotion()
        ('emovo/f1', 'female', 'b1', 'happiness')
    """
    match = NAME.match(path.stem)
    code, speaker, sentence = (part.lower() for part in match.groups()) if match else ("", "", "")
    folder = path.parent.name.lower()
    if match is None or (folder in SPEAKERS and folder != speaker):
        raise FileNameError(f"{path}: not a name of EMOVO; the grammar is {GRAMMAR}")
    return Utterance(
        id=f"emovo/{code}-{speaker}-{sentence}",
        path=path,
        speaker=f"emovo/{speaker}",
        sex="female" if speaker.startswith("f") else "male",
        language="it",
        sentence=sentence,
        ratings=(Rating(rater="intended", emotion={CODES[code]: 1.0}),),
    )


def read(root: Path) -> Corpus:
    """Read the corpus in its owners' layout; no audio is decoded.

    Args:
        root: The folder that holds the speakers' folders, or the folder above it.

    Raises:
        MissingCorpusError: No recordings there; the message says the layout.
        FileNameError: A recording with a name of some other corpus.

    Example:
        >>> read(Path("nowhere"))  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        serkit.corpus.corpus.MissingCorpusError: nowhere: no EMOVO here; expected ROOT/<speaker>/...
    """
    files = all_audio_files(root)
    if not files:
        raise MissingCorpusError(f"{root}: no EMOVO here; expected {LAYOUT}")
    utterances, twice = distinct(parse(path) for path in files)
    expected = [
        f"{code}-{speaker}-{sentence}"
        for code in CODES
        for speaker in SPEAKERS
        for sentence in SENTENCES
    ]
    missing = absent(expected, [utterance.id.removeprefix("emovo/") for utterance in utterances])
    return Corpus(
        name="emovo",
        passport=PASSPORT,
        utterances=utterances,
        problems=(*twice, *missing, *PASSPORT.differences(utterances)),
    )
