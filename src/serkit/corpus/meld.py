"""MELD: scenes of the television series Friends, seven emotions as viewers judged them."""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from serkit.corpus.corpus import Corpus, MissingCorpusError, Passport, absent, audio_files
from serkit.corpus.utterance import Rating, Utterance

LABELS = {
    "anger": "anger",
    "disgust": "disgust",
    "fear": "fear",
    "joy": "happiness",
    "neutral": "neutral",
    "sadness": "sadness",
    "surprise": "surprise",
}
"""The column ``Emotion``: the majority of three judges who saw the clip."""

SEXES = {
    "Chandler": "male",
    "Joey": "male",
    "Monica": "female",
    "Phoebe": "female",
    "Rachel": "female",
    "Ross": "male",
}
"""The six who speak most; the sex of the others is not published."""

COLUMNS = ("Speaker", "Emotion", "Dialogue_ID", "Utterance_ID")
"""Read by name. Times are not read: the clips are already cut."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Side:
    """A side of the official split: its table and the folder of its clips."""

    split: str
    table: str
    folder: str


SIDES = (
    Side(split="train", table="train_sent_emo.csv", folder="train_splits"),
    Side(split="development", table="dev_sent_emo.csv", folder="dev_splits_complete"),
    Side(split="test", table="test_sent_emo.csv", folder="output_repeats_splits_test"),
)

LAYOUT = (
    "ROOT/train_sent_emo.csv, dev_sent_emo.csv, test_sent_emo.csv (columns "
    f"{', '.join(COLUMNS)} among others) and the clips ROOT/train_splits/, "
    "ROOT/dev_splits_complete/, ROOT/output_repeats_splits_test/, or all of them in folders below "
    "ROOT, named dia<Dialogue_ID>_utt<Utterance_ID>.mp4 (or .wav, .flac), such as dia0_utt0.mp4"
)

PASSPORT = Passport(
    name="meld",
    title="MELD, the multimodal EmotionLines dataset",
    citation=(
        "S. Poria, D. Hazarika, N. Majumder, G. Naik, E. Cambria, R. Mihalcea: MELD: A Multimodal "
        "Multi-Party Dataset for Emotion Recognition in Conversations. ACL 2019, 527-536, "
        "doi 10.18653/v1/P19-1050"
    ),
    licence="labels GPL-3.0; the clips are of a television series and belong to its owners",
    url="https://affective-meld.github.io/",
    obtain="download MELD.Raw.tar.gz from its home page, unpack it and the three archives in it",
    language="en",
    layout=LAYOUT,
    num_utterances=13708,
    num_speakers=None,
    emotions={
        "anger": 1607,
        "disgust": 361,
        "fear": 358,
        "happiness": 2308,
        "neutral": 6436,
        "sadness": 1002,
        "surprise": 1636,
    },
    sample_rate=None,
    protocols=(),
)
"""The owners count 260, 47 and 100 speakers on the three sides, who are partly the same. Of the
published clips ``dia110_utt7`` (development) is missing and ``dia125_utt3`` (train) is broken."""


def read(root: Path) -> Corpus:
    """Read the corpus in its owners' layout; no audio is decoded.

    Speakers are the names in the tables: a name such as ``All`` or ``Guy`` is not one person, and
    the main six speak on every side of the official split, which is therefore speaker-dependent.
    Rows without a clip are listed and left out, clips without a row are passed over.

    Args:
        root: The folder that holds the tables and the folders of clips.

    Raises:
        MissingCorpusError: No table there, or no clip of any of them; the message says the layout.

    Example:
        >>> read(Path("nowhere"))  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        serkit.corpus.corpus.MissingCorpusError: nowhere: no MELD here; expected ROOT/train_sent_...
    """
    utterances: dict[str, Utterance] = {}
    problems: list[str] = []
    listed: list[str] = []
    for side in SIDES:
        table = _below(root, side.table)
        if table is None:
            problems.append(f"no {side.table}: nothing of the {side.split} side is read")
            continue
        clips = _clips(_below(root, side.folder))
        unread: list[str] = []
        for number, row in _rows(table):
            found = _utterance(row, side, clips)
            if found is None:
                unread.append(f"line {number} ({', '.join(row.get(c, '-') for c in COLUMNS)})")
                continue
            name, utterance = found
            listed.append(name)
            if utterance is not None:
                _ = utterances.setdefault(utterance.id, utterance)
        if unread:
            problems.append(f"{table}: {len(unread)} rows cannot be read, the first is {unread[0]}")
    if not utterances:
        raise MissingCorpusError(f"{root}: no MELD here; expected {LAYOUT}")
    kept = tuple(utterances[key] for key in sorted(utterances))
    problems.extend(absent(listed, [utterance.id.removeprefix("meld/") for utterance in kept]))
    problems.extend(PASSPORT.differences(kept))
    return Corpus(name="meld", passport=PASSPORT, utterances=kept, problems=tuple(problems))


def _below(root: Path, name: str) -> Path | None:
    """The file or folder of that name nearest to the root."""
    found = [root / name] if (root / name).exists() else sorted(root.rglob(name))
    return min(found, key=lambda path: len(path.parts), default=None)


def _clips(folder: Path | None) -> dict[str, Path]:
    """Base name to clip; sound that somebody took out of a clip comes before the clip."""
    files = audio_files(folder) if folder is not None else []
    clips: dict[str, Path] = {}
    for path in sorted(files, key=lambda path: path.suffix.lower() == ".mp4"):
        _ = clips.setdefault(path.stem, path)
    return clips


def _rows(table: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Line number and cells; older copies of the tables are in Windows-1252."""
    content = table.read_bytes()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("cp1252", errors="replace")
    reader = csv.DictReader(io.StringIO(text, newline=""))  # the texts hold U+0085 and newlines
    for row in reader:
        cells = {str(key): str(cell or "").strip() for key, cell in row.items()}
        yield reader.line_num, cells


def _utterance(
    row: dict[str, str], side: Side, clips: dict[str, Path]
) -> tuple[str, Utterance | None] | None:
    """Name of a row and its utterance, None without its clip; None if it cannot be read."""
    if not all(column in row for column in COLUMNS):
        return None
    speaker, label, dialogue, number = (row[column] for column in COLUMNS)
    emotion = LABELS.get(label.lower())
    if emotion is None or not speaker or not (dialogue.isdecimal() and number.isdecimal()):
        return None
    stem = f"dia{int(dialogue)}_utt{int(number)}"
    name = f"{side.split}_{stem}"
    if stem not in clips:
        return name, None
    return name, Utterance(
        id=f"meld/{name}",
        path=clips[stem],
        speaker=f"meld/{speaker}",
        sex=SEXES.get(speaker),
        language="en",
        recording=f"{side.split}_dia{int(dialogue)}",
        ratings=(Rating(rater="consensus", emotion={emotion: 1.0}),),
        split=side.split,
    )
