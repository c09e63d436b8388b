"""Emo-DB: ten German actors, ten sentences, seven emotions."""

import re
from pathlib import Path

from serkit.corpus.corpus import Corpus, FileNameError, MissingCorpusError, Passport, audio_files
from serkit.corpus.utterance import Rating, Utterance

LETTERS = {
    "W": "anger",
    "L": "boredom",
    "E": "disgust",
    "A": "fear",
    "F": "happiness",
    "N": "neutral",
    "T": "sadness",
}
"""The emotion letter of a file name (German: Wut, Langeweile, Ekel, Angst, Freude, Trauer)."""

SPEAKERS = {
    "03": ("male", 31.0),
    "08": ("female", 34.0),
    "09": ("female", 21.0),
    "10": ("male", 32.0),
    "11": ("male", 26.0),
    "12": ("male", 30.0),
    "13": ("female", 32.0),
    "14": ("female", 35.0),
    "15": ("male", 25.0),
    "16": ("female", 31.0),
}
"""Sex and age in years."""

SENTENCES = ("a01", "a02", "a04", "a05", "a07", "b01", "b02", "b03", "b09", "b10")

NAME = re.compile(r"^(\d{2})([ab]\d{2})([WLEAFTN])([a-f])\.(?:wav|flac)$")

GRAMMAR = (
    "speaker (03 08 09 10 11 12 13 14 15 16), sentence (a01 a02 a04 a05 a07 b01 b02 b03 b09 b10), "
    "emotion letter (W L E A F T N), take (a to f), .wav or .flac, such as 03a01Fa.wav"
)

LAYOUT = f"ROOT/wav/*.wav (or .flac), named by {GRAMMAR}"

PASSPORT = Passport(
    name="emodb",
    title="Emo-DB, the Berlin database of emotional speech",
    citation=(
        "F. Burkhardt, A. Paeschke, M. Rolfes, W. F. Sendlmeier, B. Weiss: A database of German "
        "emotional speech. Interspeech 2005, 1517-1520, doi 10.21437/Interspeech.2005-446"
    ),
    licence="CC BY 4.0",
    url="http://emodb.bilderbar.info/",
    obtain="download it from its home page or from Zenodo and unpack it",
    language="de",
    layout=LAYOUT,
    num_utterances=535,
    num_speakers=10,
    emotions={
        "anger": 127,
        "boredom": 81,
        "disgust": 46,
        "fear": 69,
        "happiness": 71,
        "neutral": 79,
        "sadness": 62,
    },
    sample_rate=16000,
    protocols=(
        "emodb-loso",
        "emodb-5pairs",
        "emodb-text",
        "emodb-speaker-text",
        "emodb-speaker-text-diagonal",
        "emodb-random5",
    ),
    audb="emodb",
)


def parse(path: Path, *, name: str = "emodb") -> Utterance:
    """The utterance a file name describes.

    Args:
        path: The recording; it need not exist.
        name: First part of the ids.

    Raises:
        FileNameError: Not a name of this corpus; the message has the grammar.

    Example:
        >>> utterance = parse(Path("wav/03a01Fa.wav"))
        >>> utterance.speaker, utterance.sentence, utterance.emotion()
        ('emodb/03', 'a01', 'happiness')
    """
    match = NAME.match(path.name)
    if match is None or match[1] not in SPEAKERS or match[2] not in SENTENCES:
        raise FileNameError(f"{path}: not a name of Emo-DB; the grammar is {GRAMMAR}")
    speaker, sentence, letter, _ = match.groups()
    sex, age = SPEAKERS[speaker]
    return Utterance(
        id=f"{name}/{path.stem}",
        path=path,
        speaker=f"{name}/{speaker}",
        sex=sex,
        age=age,
        language="de",
        sentence=sentence,
        ratings=(Rating(rater="intended", emotion={LETTERS[letter]: 1.0}),),
    )


def read(root: Path, *, passport: Passport = PASSPORT) -> Corpus:
    """Read the corpus in its owners' layout; no audio is decoded.

    Args:
        root: The folder that holds ``wav/`` (or that folder itself).
        passport: What to compare with; its name begins every id.

    Raises:
        MissingCorpusError: No recordings there; the message says the layout.
        FileNameError: A recording with a name of some other corpus.

    Example:
        >>> from serkit.corpus import excerpt
        >>> read(excerpt.ROOT, passport=excerpt.PASSPORT).speakers[0]
        'excerpt/03'
    """
    folder = root / "wav" if (root / "wav").is_dir() else root
    files = audio_files(folder) if folder.is_dir() else []
    if not files:
        raise MissingCorpusError(f"{root}: no Emo-DB here; expected {LAYOUT}")
    by_id: dict[str, Utterance] = {}
    problems: list[str] = []
    for path in files:
        utterance = parse(path, name=passport.name)
        if utterance.id in by_id:
            problems.append(
                f"{path.name} has the same base name as {by_id[utterance.id].path.name}"
            )
        else:
            by_id[utterance.id] = utterance
    utterances = tuple(by_id[key] for key in sorted(by_id))
    problems.extend(passport.differences(utterances))
    return Corpus(
        name=passport.name, passport=passport, utterances=utterances, problems=tuple(problems)
    )
