"""CASIA, the subset of 1200: four Mandarin speakers, fifty sentences, each in six emotions."""

import re
from pathlib import Path

from serkit.corpus.corpus import (
    Corpus,
    FileNameError,
    MissingCorpusError,
    Passport,
    all_audio_files,
    distinct,
)
from serkit.corpus.utterance import Rating, Utterance

FOLDERS = {
    "angry": "anger",
    "fear": "fear",
    "happy": "happiness",
    "neutral": "neutral",
    "sad": "sadness",
    "surprise": "surprise",
}
"""The name of an emotion folder."""

SPEAKERS = {
    "liuchanhg": "female",  # spelt so by the owners
    "wangzhe": "male",
    "zhaoquanyin": "female",
    "zhaozuoxiang": "male",
}
"""Sex; the names are compared in lower case, since ``ZhaoZuoxiang`` circulates too."""

NAME = re.compile(r"^(\d{3})(?:-([a-z]+)-([a-z]+))?$")

GRAMMAR = (
    "<speaker>/<emotion>/NNN.wav or <emotion>/NNN-<emotion>-<speaker>.wav (or .flac), speaker "
    f"{' '.join(SPEAKERS)} (capitals do not matter), emotion {' '.join(FOLDERS)}, "
    "NNN the sentence, 201 to 250, such as wangzhe/angry/201.wav"
)

LAYOUT = f"ROOT/{GRAMMAR}"

PASSPORT = Passport(
    name="casia",
    title="CASIA, the Chinese emotional speech corpus; the subset of 1200 utterances",
    citation=(
        "Institute of Automation, Chinese Academy of Sciences: CASIA Chinese emotional speech "
        "corpus. Distributed by the Chinese Linguistic Data Consortium"
    ),
    licence=(
        "by agreement: a commercial licence for the full set of 9600; the subset of 1200 "
        "circulates without one"
    ),
    url="http://www.chineseldc.org/",
    obtain=("ask the Chinese Linguistic Data Consortium (not CASIA-WebFace, which holds faces)"),
    language="zh",
    layout=LAYOUT,
    num_utterances=1200,
    num_speakers=4,
    emotions=dict.fromkeys(FOLDERS.values(), 200),
    sample_rate=16000,
    protocols=("casia-loso", "casia-text", "casia-speaker-text", "casia-random5"),
)


def parse(path: Path) -> Utterance:
    """The utterance that a file name, with the folders it stands in, describes.

    Both layouts give the same id, ``casia/<speaker>/<emotion>/NNN``.

    Args:
        path: The recording; it need not exist.

    Raises:
        FileNameError: Not a name of this corpus; the message has the grammar.

    Example:
        >>> parse(Path("ZhaoZuoxiang/sad/203.wav")).id
        'casia/zhaozuoxiang/sad/203'
        >>> parse(Path("sad/203-sad-ZhaoZuoxiang.wav")).id
        'casia/zhaozuoxiang/sad/203'
    """
    match = NAME.match(path.stem.lower())
    if match is None:
        raise FileNameError(f"{path}: not a name of CASIA; the grammar is {GRAMMAR}")
    sentence, folder, speaker = match.groups()
    parent = path.parent.name.lower()
    if folder is None:
        folder, speaker = parent, path.parent.parent.name.lower()
    elif parent in FOLDERS and parent != folder:
        raise FileNameError(f"{path}: {folder} in folder {parent}; the grammar is {GRAMMAR}")
    if not 201 <= int(sentence) <= 250 or folder not in FOLDERS or speaker not in SPEAKERS:
        raise FileNameError(f"{path}: not a name of CASIA; the grammar is {GRAMMAR}")
    return Utterance(
        id=f"casia/{speaker}/{folder}/{sentence}",
        path=path,
        speaker=f"casia/{speaker}",
        sex=SPEAKERS[speaker],
        language="zh",
        sentence=sentence,
        ratings=(Rating(rater="intended", emotion={FOLDERS[folder]: 1.0}),),
    )


def read(root: Path) -> Corpus:
    """Read the corpus in either of the layouts in use; no audio is decoded.

    Args:
        root: The folder that holds the four speakers, or the six emotions.

    Raises:
        MissingCorpusError: No recordings there; the message says the layout.
        FileNameError: A recording with a name of some other corpus.

    Example:
        >>> read(Path("nowhere"))  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        serkit.corpus.corpus.MissingCorpusError: nowhere: no CASIA here; expected ROOT/<speaker>/...
    """
    files = all_audio_files(root) if root.is_dir() else []
    if not files:
        raise MissingCorpusError(f"{root}: no CASIA here; expected {LAYOUT}")
    utterances, problems = distinct(parse(path) for path in files)
    return Corpus(
        name="casia",
        passport=PASSPORT,
        utterances=utterances,
        problems=(*problems, *PASSPORT.differences(utterances)),
    )
