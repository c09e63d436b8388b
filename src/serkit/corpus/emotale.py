"""EmoTale: 18 Danish speakers, in Danish and English, five emotions, and three raters' affect."""

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from serkit.corpus.consensus import majority, mean_affect, soft_labels
from serkit.corpus.corpus import (
    Corpus,
    FileNameError,
    MissingCorpusError,
    Passport,
    audio_files,
    distinct,
    missing_files,
)
from serkit.corpus.scheme import num_outside, to_unit
from serkit.corpus.utterance import Rating, Utterance

LETTERS = {
    "A": "anger",
    "B": "boredom",
    "H": "happiness",
    "N": "neutral",
    "S": "sadness",
}
"""The emotion letter of a file name, and of the columns of categories."""

LANGUAGES = {"DK": "da", "EN": "en"}
"""The first field of a file name."""

SENTENCES = {
    "1": "The tablecloth is lying on the fridge",
    "2": "The black sheet of paper is located up there besides the piece of timber",
    "3": "They just carried it upstairs and now they are going down again",
    "4": "It will be in the place where we always store it",
    "5": "In seven hours it will be morning",
}
"""The last field, which is the sentence key: one key for both languages, because the sentences are
translations of each other. They also are translations of a01, a05, b02, b10 and a07 of Emo-DB."""

DIMENSIONS = {"arousal": "A", "valence": "V", "dominance": "D"}
"""Dimension to the end of its column's name. Columns are read by name, never by position."""

ANNOTATORS = {"annotator1": "a1", "annotator2": "a2", "annotator3": "a3"}
"""Rater to the beginning of the names of its columns."""

SCALE = (1.0, 5.0)

SPEAKERS = ("001", *(f"{number:03d}" for number in range(3, 20)))

SEXES = {"F": "female", "M": "male"}

NAME = re.compile(r"^(DK|EN)_(001|00[3-9]|01\d)_([ABHNS])_([1-5])$")

GRAMMAR = (
    "language (DK EN), speaker (001, 003 to 019), emotion letter (A B H N S), sentence (1 to 5), "
    "with _ between them, .wav or .flac, such as DK_004_A_5.wav"
)

LAYOUT = (
    "ROOT/wav/*.wav (or .flac), ROOT/annotations.csv and ROOT/speaker_info.csv; recordings are "
    f"named by {GRAMMAR}"
)

PASSPORT = Passport(
    name="emotale",
    title="EmoTale, enacted speech emotion in Danish and English",
    citation=(
        "M. J. Hjuler, H. V. Skat-Rørdam, L. H. Clemmensen, S. Das: EmoTale: An Enacted "
        "Speech-emotion Dataset in Danish. ASRU 2025, arXiv 2508.14548"
    ),
    licence="copyright, no licence: cite, do not redistribute",
    url="https://github.com/snehadas/EmoTale",
    obtain="ask its authors, see its home page",
    language="da, en",
    layout=LAYOUT,
    num_utterances=800,
    num_speakers=18,
    emotions={"anger": 160, "boredom": 160, "happiness": 160, "neutral": 160, "sadness": 160},
    sample_rate=48000,
    protocols=("emotale-6fold", "emotale-speaker-text", "emotale-da-en", "emotale-en-da"),
    affect_scale=SCALE,
)


def parse(path: Path) -> Utterance:
    """The utterance a file name describes.

    Raises:
        FileNameError: Not a name of this corpus; the message has the grammar.

    Example:
        >>> utterance = parse(Path("wav/DK_004_A_5.wav"))
        >>> utterance.speaker, utterance.language, utterance.sentence, utterance.emotion()
        ('emotale/004', 'da', '5', 'anger')
    """
    match = NAME.match(path.stem)
    if match is None:
        raise FileNameError(f"{path}: not a name of EmoTale; the grammar is {GRAMMAR}")
    language, speaker, letter, sentence = match.groups()
    return Utterance(
        id=f"emotale/{path.stem}",
        path=path,
        speaker=f"emotale/{speaker}",
        language=LANGUAGES[language],
        sentence=sentence,
        ratings=(Rating(rater="intended", emotion={LETTERS[letter]: 1.0}),),
    )


def read(root: Path) -> Corpus:
    """Read the corpus in its owners' layout; no audio is decoded.

    The ratings of an utterance, where they exist: ``intended`` (emotion), ``consensus`` (affect,
    the mean of the annotators), ``majority`` (emotion, with the annotators' shares, only where one
    emotion has more of them than any other), and ``annotator1`` to ``annotator3`` (both). A label
    without a rater therefore is the intended emotion, and affect is that of the consensus.

    Recordings that are named in ``annotations.csv`` belong to the corpus also where the audio is
    missing; ``Corpus.problems`` lists those, and the cells that are empty or cannot be read.

    Args:
        root: The folder that holds ``wav/`` (or that folder itself).

    Raises:
        MissingCorpusError: Neither recordings nor annotations there; the message says the layout.
        FileNameError: A recording with a name of some other corpus.

    Example:
        >>> read(Path("nowhere"))  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        serkit.corpus.corpus.MissingCorpusError: nowhere: no EmoTale here; expected ROOT/wav/...
    """
    home = root.parent if root.name == "wav" else root
    folder = home / "wav" if (home / "wav").is_dir() else root
    heard, twice = distinct(map(parse, audio_files(folder) if folder.is_dir() else []))
    tables = _Tables(root=home)
    rows = tables.annotations()
    if not heard and not rows:
        raise MissingCorpusError(f"{root}: no EmoTale here; expected {LAYOUT}")
    found = {utterance.id.removeprefix("emotale/"): utterance for utterance in heard}
    speakers = tables.speakers()
    utterances: list[Utterance] = []
    for name in sorted(found.keys() | rows.keys()):
        utterance = found.get(name) or parse(home / "wav" / f"{name}.wav")
        sex, age = speakers.get(name[3:6], (None, None))
        ratings = utterance.ratings
        if name in rows:
            ratings = tables.ratings(name, rows[name]) or ratings
        utterances.append(replace(utterance, sex=sex, age=age, ratings=ratings))
    without = [name for name in found if name not in rows]
    if rows and without:
        tables.noted.append(
            f"{len(without)} recordings are not in annotations.csv, the first is {without[0]}"
        )
    return Corpus(
        name="emotale",
        passport=PASSPORT,
        utterances=tuple(utterances),
        problems=(
            *twice,
            *missing_files(utterances),
            *tables.problems(),
            *PASSPORT.differences(utterances),
        ),
    )


@dataclass(kw_only=True, slots=True)
class _Tables:
    """The owners' tables, and what in them is missing or could not be understood."""

    root: Path
    noted: list[str] = field(default_factory=list[str])
    unread: list[str] = field(default_factory=list[str])
    num_clamped: int = 0

    def annotations(self) -> Mapping[str, Mapping[str, str | None]]:
        """Name of a recording to its row."""
        rows: dict[str, Mapping[str, str | None]] = {}
        for number, row in enumerate(
            self._rows("annotations.csv", "file", "only intended emotions"), 2
        ):
            name = Path(row.get("file") or "").stem
            if NAME.match(name) is None:
                self.unread.append(f"file in row {number}")
            else:
                rows[name] = row
        return rows

    def speakers(self) -> Mapping[str, tuple[str | None, float | None]]:
        """Number of a speaker to sex and age in years."""
        speakers: dict[str, tuple[str | None, float | None]] = {}
        lacking = "sex and age of the speakers are unknown"
        for row in self._rows("speaker_info.csv", "speaker", lacking):
            speaker = (row.get("speaker") or "").strip().zfill(3)  # some editors eat zeros in front
            sex = SEXES.get((row.get("gender") or "").strip())
            speakers[speaker] = sex, self._number(row, "age", f"speaker {speaker}")
        return speakers

    def ratings(self, name: str, row: Mapping[str, str | None]) -> tuple[Rating, ...]:
        """Everything a row says: the intention, what the annotators agree on, and each of them."""
        intended = self._emotion(row, "gt_emotion", name) or LETTERS[name[7]]
        if intended != LETTERS[name[7]]:
            self.noted.append(f"{name}: gt_emotion is {intended}, the file name says otherwise")
        annotators = [
            Rating(
                rater=rater,
                emotion={} if heard is None else {heard: 1.0},
                affect=self._affect(row, column, name),
            )
            for rater, column in ANNOTATORS.items()
            for heard in [self._emotion(row, f"{column}_cat", name)]
        ]
        shared = soft_labels(annotators) if majority(annotators) else {}
        rated = [
            Rating(rater="intended", emotion={intended: 1.0}),
            Rating(rater="consensus", affect=mean_affect(annotators)),
            Rating(rater="majority", emotion=shared),
            *annotators,
        ]
        return tuple(rating for rating in rated if rating.emotion or rating.affect)

    def problems(self) -> tuple[str, ...]:
        """What was noted, and a line each for the cells that are missing and those clamped."""
        lines = list(self.noted)
        if self.unread:
            lines.append(
                f"{len(self.unread)} cells are missing or cannot be read, the first is "
                f"{self.unread[0]}"
            )
        if self.num_clamped:
            lines.append(
                f"{self.num_clamped} values of affect outside the scale 1 to 5 were clamped to it"
            )
        return tuple(lines)

    def _affect(self, row: Mapping[str, str | None], column: str, name: str) -> dict[str, float]:
        affect: dict[str, float] = {}
        for dimension, letter in DIMENSIONS.items():
            value = self._number(row, f"{column}_{letter}", name)
            if value is not None:
                self.num_clamped += num_outside([value], *SCALE)
                affect[dimension] = to_unit(value, *SCALE)
        return affect

    def _emotion(self, row: Mapping[str, str | None], column: str, name: str) -> str | None:
        emotion = LETTERS.get((row.get(column) or "").strip())
        if emotion is None:
            self.unread.append(f"{column} of {name}")
        return emotion

    def _number(self, row: Mapping[str, str | None], column: str, name: str) -> float | None:
        try:
            value = float(row.get(column) or "")
        except ValueError:
            value = float("nan")
        if value != value:  # not a number
            self.unread.append(f"{column} of {name}")
            return None
        return value

    def _rows(self, name: str, key: str, lacking: str) -> list[dict[str, str | None]]:
        """The rows of a table; none, and a line about it, without any or without its key."""
        path = self.root / name
        if not path.is_file():
            self.noted.append(f"{name} is missing: {lacking}")
            return []
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            columns, rows = list(reader.fieldnames or ()), list(reader)
        if not rows:
            self.noted.append(f"{name} is empty: {lacking}")
        elif key not in columns:
            self.noted.append(
                f"{name} has no column {key} among {', '.join(columns)}: {lacking}; "
                "fields are divided by commas"
            )
            return []
        return rows
