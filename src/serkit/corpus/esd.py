"""ESD: ten Mandarin and ten English speakers, 350 parallel sentences each, five emotions."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
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

FOLDERS = {
    "Neutral": "neutral",
    "Angry": "anger",
    "Happy": "happiness",
    "Sad": "sadness",
    "Surprise": "surprise",
}
"""The folder of an emotion, in the order in which the recordings of a speaker are numbered."""

IN_CHINESE = {
    "中立": "Neutral",
    "生气": "Angry",
    "快乐": "Happy",
    "伤心": "Sad",
    "惊喜": "Surprise",
}
"""What the transcripts of some Mandarin speakers call the emotions."""

NUM_SENTENCES = 350
"""Per language; every speaker says each of them in each emotion."""

SPLITS = {"train": "train", "evaluation": "development", "test": "test"}
"""The innermost folder where the corpus is published with a split: 300, 20 and 30 sentences."""

FEMALE = frozenset({"0001", "0002", "0003", "0007", "0009", "0015", "0016", "0017", "0018", "0019"})
"""As the owners list them; the ten others are male. 0001 to 0010 speak Mandarin, the others
English."""

SPEAKERS = tuple(f"{number:04d}" for number in range(1, 21))

ENCODINGS = ("utf-8-sig", "gb18030")
"""Of the transcripts; some are UTF-16, which their first two bytes say."""

NAME = re.compile(r"^(00(?:0[1-9]|1\d|20))_(\d{6})$")

GRAMMAR = (
    "speaker (0001 to 0020), _, number (neutral 000001 to 000350, then angry, happy, sad and "
    "surprise, 350 each), below a folder of the emotion (Neutral Angry Happy Sad Surprise), such "
    "as 0001/Angry/0001_000351.wav"
)

LAYOUT = (
    "ROOT/<speaker>/<emotion>/*.wav (or .flac; below it train/, evaluation/, test/ where the copy "
    f"has the split) and ROOT/<speaker>/<speaker>.txt, named by {GRAMMAR}"
)

PASSPORT = Passport(
    name="esd",
    title="ESD, the emotional speech database for voice conversion",
    citation=(
        "K. Zhou, B. Sisman, R. Liu, H. Li: Emotional voice conversion: Theory, databases and ESD. "
        "Speech Communication 137, 2022, 1-18, doi 10.1016/j.specom.2021.11.006"
    ),
    licence="for research only",
    url="https://hltsingapore.github.io/ESD/",
    obtain="follow the download link on its home page and unpack it",
    language="zh, en",
    layout=LAYOUT,
    num_utterances=35000,
    num_speakers=20,
    emotions={
        "anger": 7000,
        "happiness": 7000,
        "neutral": 7000,
        "sadness": 7000,
        "surprise": 7000,
    },
    sample_rate=16000,
    protocols=(),
)


@dataclass(frozen=True, slots=True)
class Place:
    """What the number of a recording says: emotion and sentence."""

    folder: str
    """One of ``FOLDERS``."""
    sentence: int
    """From 1."""


def place(number: int) -> Place:
    """Where in the list of a speaker a recording stands.

    Raises:
        ValueError: Not from 1 to 1750.

    Example:
        >>> place(351)
        Place(folder='Angry', sentence=1)
    """
    if not 1 <= number <= NUM_SENTENCES * len(FOLDERS):
        raise ValueError(f"ESD numbers recordings from 1 to 1750, not {number}")
    block, index = divmod(number - 1, NUM_SENTENCES)
    return Place(tuple(FOLDERS)[block], index + 1)


def parse(path: Path) -> Utterance:
    """The utterance a file name and its folders describe.

    The sentence key is the place of the recording among those of its emotion, with the language in
    front: all speakers of a language read the same list once per emotion.

    Raises:
        FileNameError: Not a name of this corpus; the message has the grammar.

    Example:
        >>> utterance = parse(Path("0011/Angry/evaluation/0011_000351.wav"))
        >>> utterance.speaker, utterance.sex, utterance.language, utterance.emotion()
        ('esd/0011', 'male', 'en', 'anger')
        >>> utterance.sentence, utterance.split
        ('en-001', 'development')
    """
    match = NAME.match(path.stem)
    if match is None or not 1 <= int(match[2]) <= NUM_SENTENCES * len(FOLDERS):
        raise FileNameError(f"{path}: not a name of ESD; the grammar is {GRAMMAR}")
    speaker, numbered = match[1], place(int(match[2]))
    above = path.parent.name
    split = SPLITS.get(above)
    folder = path.parent.parent.name if split is not None else above
    if folder not in FOLDERS:  # a copy without folders of emotions: the number says it
        folder = numbered.folder
    language = "zh" if speaker <= "0010" else "en"
    return Utterance(
        id=f"esd/{path.stem}",
        path=path,
        speaker=f"esd/{speaker}",
        sex="female" if speaker in FEMALE else "male",
        language=language,
        sentence=f"{language}-{numbered.sentence:03d}",
        ratings=(Rating(rater="intended", emotion={FOLDERS[folder]: 1.0}),),
        split=split,
    )


def read(root: Path) -> Corpus:
    """Read the corpus in its owners' layout; no audio is decoded.

    The emotion is that of the folder. Recordings whose number or whose line in the transcript says
    another one are listed as problems.

    Args:
        root: The folder that holds the speakers' folders, or the folder above it.

    Raises:
        MissingCorpusError: No recordings there; the message says the layout.
        FileNameError: A recording with a name of some other corpus.

    Example:
        >>> read(Path("nowhere"))  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        serkit.corpus.corpus.MissingCorpusError: nowhere: no ESD here; expected ROOT/<speaker>/...
    """
    files = all_audio_files(root)
    if not files:
        raise MissingCorpusError(f"{root}: no ESD here; expected {LAYOUT}")
    utterances, twice = distinct(parse(path) for path in files)
    labels: dict[str, str] = {}
    unread: list[str] = []
    for path in sorted(root.rglob("00??.txt")):
        if path.stem in SPEAKERS and "__MACOSX" not in path.parts:
            found = transcript(path)
            labels.update(found)
            if not found:
                unread.append(f"{path}: no line of it is an id, a text and an emotion")
    by_number = {u.path.stem: place(int(u.path.stem[5:])).folder for u in utterances}
    expected = [f"{speaker}_{number:06d}" for speaker in SPEAKERS for number in range(1, 1751)]
    return Corpus(
        name="esd",
        passport=PASSPORT,
        utterances=utterances,
        problems=(
            *twice,
            *absent(expected, by_number),
            *unread,
            *_other_label(utterances, by_number, "number"),
            *_other_label(utterances, labels, "line in the transcript"),
            *PASSPORT.differences(utterances),
        ),
    )


def transcript(path: Path) -> dict[str, str]:
    r"""Recording to folder of its emotion, as ``<speaker>.txt`` says it; other lines passed over.

    The files hold an id, a text and an emotion with tabs between, some in UTF-8, some in UTF-16,
    some in GB 18030, the emotion in English or in Chinese.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp()) / "0001.txt"
        >>> _ = file.write_bytes("0001_000351\t打远一看\t生气\n".encode("utf-16"))
        >>> transcript(file)
        {'0001_000351': 'Angry'}
    """
    content = path.read_bytes()
    text = ""
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        text = content.decode("utf-16", errors="replace")
    else:
        for encoding in ENCODINGS:
            try:
                text = content.decode(encoding)
                break
            except UnicodeDecodeError:
                continue
    labels: dict[str, str] = {}
    for line in text.split("\n"):
        words = [word.strip() for word in line.split("\t")]
        label = IN_CHINESE.get(words[-1], words[-1])
        if NAME.match(words[0]) and label in FOLDERS:
            labels[words[0]] = label
    return labels


def _other_label(
    utterances: Iterable[Utterance], folders: Mapping[str, str], where: str
) -> tuple[str, ...]:
    """A line about the recordings of which something says another emotion than their folder."""
    other = [
        utterance
        for utterance in utterances
        if utterance.path.stem in folders
        and FOLDERS[folders[utterance.path.stem]] != utterance.emotion()
    ]
    if not other:
        return ()
    said = FOLDERS[folders[other[0].path.stem]]
    return (
        f"{len(other)} recordings have another emotion by their {where} than by their folder, "
        f"which is believed; the first is {other[0].path.as_posix()} ({said})",
    )
