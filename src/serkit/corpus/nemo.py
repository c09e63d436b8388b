"""nEMO: nine Polish actors, ninety sentences, six emotions."""

import csv
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
    "anger": "anger",
    "fear": "fear",
    "happiness": "happiness",
    "neutral": "neutral",
    "sadness": "sadness",
    "surprised": "surprise",
}
"""The middle of a file name, and the column ``emotion``."""

SPEAKERS = {
    "EB0": ("female", 27.0),
    "IC0": ("female", 28.0),
    "KD0": ("female", 28.0),
    "KS0": ("male", 23.0),
    "MK0": ("female", 23.0),
    "MP0": ("male", 24.0),
    "SM0": ("male", 24.0),
    "TP0": ("male", 26.0),
    "WR0": ("male", 23.0),
}
"""Sex and age in years, as in the table."""

NUM_SENTENCES = 90

TABLE = "data.tsv"

COLUMNS = ("file_id", "emotion", "speaker_id")
"""The columns that are compared with the file names; the others hold texts, sex and age."""

NAME = re.compile(rf"^({'|'.join(SPEAKERS)})_({'|'.join(CODES)})_(\d{{1,2}})$")

GRAMMAR = (
    f"speaker ({' '.join(SPEAKERS)}), emotion ({' '.join(CODES)}), sentence (1 to 90) with _ "
    "between, such as EB0_anger_13.wav"
)

LAYOUT = (
    "ROOT/data.tsv and ROOT/samples/*.wav (or .flac; ROOT/audios/, as audb fetches it, and a "
    f"folder without data.tsv will do), named by {GRAMMAR}"
)

PASSPORT = Passport(
    name="nemo",
    title="nEMO, a dataset of emotional speech in Polish",
    citation=(
        "I. Christop: nEMO: Dataset of Emotional Speech in Polish. LREC-COLING 2024, 12111-12116, "
        "arXiv 2404.06292"
    ),
    licence="CC BY-NC-SA 4.0",
    url="https://github.com/amu-cai/nEMO",
    obtain="clone its repository, or say serkit corpora fetch nemo --into DIR",
    language="pl",
    layout=LAYOUT,
    num_utterances=4481,
    num_speakers=9,
    emotions={
        "anger": 749,
        "fear": 736,
        "happiness": 749,
        "neutral": 809,
        "sadness": 769,
        "surprise": 669,
    },
    sample_rate=24000,
    protocols=(),
    audb="nemo",
)


def parse(path: Path) -> Utterance:
    """The utterance a file name describes.

    Raises:
        FileNameError: Not a name of this corpus; the message has the grammar.

    Example:
        >>> utterance = parse(Path("samples/WR0_surprised_64.wav"))
        >>> utterance.speaker, utterance.sex, utterance.sentence, utterance.emotion()
        ('nemo/WR0', 'male', '64', 'surprise')
    """
    match = NAME.match(path.stem)
    if match is None or not 1 <= int(match[3]) <= NUM_SENTENCES:
        raise FileNameError(f"{path}: not a name of nEMO; the grammar is {GRAMMAR}")
    sex, age = SPEAKERS[match[1]]
    return Utterance(
        id=f"nemo/{path.stem}",
        path=path,
        speaker=f"nemo/{match[1]}",
        sex=sex,
        age=age,
        language="pl",
        sentence=match[3],
        ratings=(Rating(rater="intended", emotion={CODES[match[2]]: 1.0}),),
    )


def read(root: Path) -> Corpus:
    """Read the corpus in its owners' layout; no audio is decoded.

    Labels come from the file names. Where ``data.tsv`` is there, rows without a recording,
    recordings without a row and rows that say something else are listed as problems.

    Args:
        root: The folder that holds ``samples/`` and ``data.tsv``.

    Raises:
        MissingCorpusError: No recordings there; the message says the layout.
        FileNameError: A recording with a name of some other corpus.

    Example:
        >>> read(Path("nowhere"))  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        serkit.corpus.corpus.MissingCorpusError: nowhere: no nEMO here; expected ROOT/data.tsv ...
    """
    inner = (root / name for name in ("samples", "audios"))
    folder = next((path for path in inner if path.is_dir()), root)
    files = all_audio_files(folder)
    if not files:
        raise MissingCorpusError(f"{root}: no nEMO here; expected {LAYOUT}")
    utterances, twice = distinct(parse(path) for path in files)
    table = root / TABLE
    told = _compared(table, utterances) if table.is_file() else ()
    return Corpus(
        name="nemo",
        passport=PASSPORT,
        utterances=utterances,
        problems=(*twice, *told, *PASSPORT.differences(utterances)),
    )


def _compared(table: Path, utterances: tuple[Utterance, ...]) -> tuple[str, ...]:
    """What the table says otherwise than the files."""
    with table.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    lacking = [column for column in COLUMNS if rows and column not in rows[0]]
    if lacking or not rows:
        return (f"{table}: not compared, no column {' '.join(lacking) or ' '.join(COLUMNS)}",)
    # The published table pads the speakers with blanks; a cut row holds None.
    read_rows = {
        Path(row["file_id"] or "").stem: tuple((row[name] or "").strip() for name in COLUMNS[1:])
        for row in rows
    }
    found = {utterance.path.stem for utterance in utterances}
    lines = list(absent(read_rows, found))
    if unlisted := sorted(found - set(read_rows)):
        lines.append(
            f"{len(unlisted)} recordings have no row in {TABLE}, the first is {unlisted[0]}"
        )
    other = [
        stem
        for stem, (emotion, speaker) in read_rows.items()
        if stem in found and not stem.startswith(f"{speaker}_{emotion}_")
    ]
    if other:
        emotion, speaker = read_rows[other[0]]
        lines.append(
            f"{len(other)} rows of {TABLE} do not fit their file names, which are believed; the "
            f"first is {other[0]} with {speaker} {emotion}"
        )
    return tuple(lines)
