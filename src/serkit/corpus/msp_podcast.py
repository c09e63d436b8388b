"""MSP-Podcast: spontaneous English turns from podcasts, each rated by at least five people."""

import csv
import math
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from serkit.corpus.corpus import (
    Corpus,
    FileNameError,
    MissingCorpusError,
    Passport,
    missing_files,
)
from serkit.corpus.scheme import num_outside, to_unit
from serkit.corpus.table import TableError
from serkit.corpus.utterance import Rating, Utterance

CODES = {
    "A": "anger",
    "C": "contempt",
    "D": "disgust",
    "F": "fear",
    "H": "happiness",
    "N": "neutral",
    "S": "sadness",
    "U": "surprise",
    "O": "other",
    "X": "no_agreement",
}
"""``EmoClass`` in the table of consensus labels."""

WORDS = {
    "angry": "anger",
    "contempt": "contempt",
    "disgust": "disgust",
    "fear": "fear",
    "happy": "happiness",
    "neutral": "neutral",
    "sad": "sadness",
    "surprise": "surprise",
}
"""What a single rater chose, in lower case; all else is a free word, and ``other``."""

DIMENSIONS = {"EmoAct": "arousal", "EmoVal": "valence", "EmoDom": "dominance"}
"""Column to dimension. Nobody relies on their order: it differs between releases and readers."""

LETTERS = {"A": "EmoAct", "V": "EmoVal", "D": "EmoDom"}
"""Letter to column, where a release writes all a rater said into one column ``EmoDetail``."""

SPLITS = {
    "Train": "train",
    "Development": "development",
    "Validation": "development",
    "Test1": "test1",
    "Test2": "test2",
    "Test3": "test3",
}
"""``Split_Set``, compared in lower case; the second side is called by two names."""

WORKERS = ("WorkerID", "Workers", "Worker", "Name")
"""Column of the rater in the detailed table, by release."""

AFFECT_SCALE = (1.0, 7.0)

NAME = re.compile(r"^(MSP-PODCAST_(\d+|test3))_\d+(?:_\d+)?$")

RELEASE = re.compile(r"(\d+\.\d+)")

GRAMMAR = (
    "MSP-PODCAST_<podcast>_<turn>.wav or MSP-PODCAST_<podcast>_<turn>_<part>.wav (or .flac), all "
    "numbers, such as MSP-PODCAST_0001_0008.wav; test3 stands for the podcast where the labels are "
    "withheld"
)

LAYOUT = (
    "ROOT/**/labels_consensus.csv, where there is one ROOT/**/labels_detailed.csv, and the "
    "recordings anywhere below ROOT (the folders are named differently in each release; ROOT ends "
    f"in the release, such as MSP-PODCAST-Publish-1.12), named {GRAMMAR}"
)

PASSPORT = Passport(
    name="msp-podcast",
    title="MSP-Podcast",
    citation=(
        "R. Lotfian, C. Busso: Building naturalistic emotionally balanced speech corpus by "
        "retrieving emotional speech from existing podcast recordings. IEEE Transactions on "
        "Affective Computing 10(4), 471-483, 2019, doi 10.1109/TAFFC.2017.2736999"
    ),
    licence="by agreement with the University of Texas at Dallas; academic or commercial",
    url="https://ecs.utdallas.edu/research/researchlabs/msp-lab/MSP-Podcast.html",
    obtain="sign the agreement of its home page; releases differ, so the number is in the name",
    language="en",
    layout=LAYOUT,
    # Every release has its own counts, so none are claimed and none are compared.
    num_utterances=0,
    num_speakers=None,
    emotions={},
    sample_rate=16000,
    affect_scale=AFFECT_SCALE,
    protocols=("msp-official", "msp-emosphere", "msp-emosphere-speakers", "msp-emosphere-with-x"),
)


def parse(path: Path, *, name: str = "msp-podcast") -> Utterance:
    """The utterance a file name describes, without what stands in the tables.

    Args:
        path: The recording; it need not exist.
        name: First part of the ids, such as ``"msp-podcast-1.12"``.

    Raises:
        FileNameError: Not a name of this corpus; the message has the grammar.

    Example:
        >>> utterance = parse(Path("MSP-PODCAST_0001_0008.wav"), name="msp-podcast-1.12")
        >>> utterance.id, utterance.recording
        ('msp-podcast-1.12/MSP-PODCAST_0001_0008', 'MSP-PODCAST_0001')
        >>> parse(Path("MSP-PODCAST_test3_0001.wav")).split
        'test3'
    """
    match = NAME.match(path.stem)
    if match is None:
        raise FileNameError(f"{path}: not a name of MSP-Podcast; the grammar is {GRAMMAR}")
    withheld = match[2] == "test3"
    return Utterance(
        id=f"{name}/{path.stem}",
        path=path,
        language="en",
        recording=None if withheld else match[1],
        split="test3" if withheld else None,
    )


def read(
    root: Path,
    *,
    audio: Path | None = None,
    labels: Path | None = None,
    release: str | None = None,
) -> Corpus:
    """Read a release from its two tables; no audio is decoded.

    The name of the corpus is ``msp-podcast-`` and the release, and begins every id: numbers of two
    releases can therefore not be compared by mistake. Columns are found by their names. The rating
    ``consensus`` comes first, then one for each rater under the id of the table. A speaker called
    ``Unknown`` is None, and ``recording``, the podcast, keeps such turns together. ``split`` is
    ``train``, ``development``, ``test1``, ``test2`` or ``test3``; recordings of ``test3`` stand in
    no table, and are read without ratings.

    Args:
        root: The folder of the release.
        audio: Where the recordings are; anywhere below ``root`` when None.
        labels: The folder of the two tables; anywhere below ``root`` when None.
        release: Such as ``"1.12"``; when None, the number in the name of ``root``.

    Raises:
        MissingCorpusError: No table of consensus labels there; the message says the layout.
        TableError: A table without the columns that say which recording a row is about.

    Example:
        >>> read(Path("nowhere"))  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        serkit.corpus.corpus.MissingCorpusError: nowhere: no MSP-Podcast here; expected ROOT/**/...
    """
    consensus = _only("labels_consensus.csv", labels or root)
    if consensus is None:
        raise MissingCorpusError(f"{labels or root}: no MSP-Podcast here; expected {LAYOUT}")
    problems: list[str] = []
    if release is None and (match := RELEASE.search(root.resolve().name)):
        release = match[1]
    if release is None:
        problems.append(
            f"the release is unknown: call the folder {root.name}-1.12, if that is the one, so "
            "that numbers of two releases are not compared"
        )
    name = PASSPORT.name if release is None else f"{PASSPORT.name}-{release}"
    # One walk for all the recordings: a release has more than a hundred thousand.
    files = {
        path.stem: path
        for path in sorted((audio or root).rglob("MSP-PODCAST_*"), reverse=True)
        if path.suffix.lower() in {".wav", ".flac"}  # .wav, being later here, is preferred
    }
    expected = next(iter(files.values())).parent if files else (audio or root / "Audios")
    tables = _Tables()
    detailed = _only("labels_detailed.csv", labels or root)
    raters = tables.raters(detailed) if detailed is not None else {}
    if detailed is None:
        problems.append("no labels_detailed.csv, so there is the consensus and no single rater")
    by_id: dict[str, Utterance] = {}
    for stem, facts, rating in tables.consensus(consensus):
        path = files.get(stem, expected / f"{stem}.wav")
        ratings = (() if rating is None else (rating,)) + tuple(raters.pop(stem, {}).values())
        utterance = parse(path, name=name)
        speaker = facts.speaker
        by_id[utterance.id] = Utterance(
            id=utterance.id,
            path=path,
            speaker=None if speaker is None else f"{name}/{speaker}",
            sex=facts.sex,
            language="en",
            recording=utterance.recording,
            ratings=ratings,
            split=facts.split or utterance.split,
        )
    unlisted: list[str] = []
    for stem, path in sorted(files.items()):
        match = NAME.match(stem)
        if f"{name}/{stem}" in by_id:
            continue
        if match is not None and match[2] == "test3":
            utterance = parse(path, name=name)
            by_id[utterance.id] = utterance
        else:
            unlisted.append(stem)
    utterances = tuple(by_id[key] for key in sorted(by_id))
    problems.extend(missing_files(utterances))
    if unlisted:
        problems.append(
            f"{len(unlisted)} recordings have no row in {consensus.name} and are left out, the "
            f"first is {unlisted[0]}"
        )
    if raters:
        problems.append(
            f"{len(raters)} recordings have raters but no row in {consensus.name}, the first is "
            f"{next(iter(raters))}"
        )
    problems.extend(tables.problems())
    return Corpus(name=name, passport=PASSPORT, utterances=utterances, problems=tuple(problems))


@dataclass(frozen=True, kw_only=True, slots=True)
class _Facts:
    """What a row says of an utterance besides its rating."""

    speaker: str | None
    sex: str | None
    split: str | None


@dataclass(kw_only=True, slots=True)
class _Tables:
    """Reads both tables, and keeps what in them could not be understood."""

    odd: defaultdict[str, list[str]] = field(
        default_factory=lambda: defaultdict[str, list[str]](list)
    )
    """What is wrong to the rows it is wrong with."""
    num_clamped: int = 0
    emotions: dict[str, dict[str, float]] = field(default_factory=dict[str, dict[str, float]])
    affects: dict[tuple[float | None, ...], dict[str, float]] = field(
        default_factory=dict[tuple[float | None, ...], dict[str, float]]
    )
    ratings: dict[tuple[str, int, int], Rating] = field(
        default_factory=dict[tuple[str, int, int], Rating]
    )
    """Equal parts of ratings are one value: a release has more than a million of them."""
    stems: dict[str, str | None] = field(default_factory=dict[str, str | None])
    numbers: dict[str, tuple[float | None, int]] = field(
        default_factory=dict[str, tuple[float | None, int]]
    )
    """Text to number, and whether it lies outside the scale. Few texts, many rows."""

    def problems(self) -> list[str]:
        """A line for everything odd."""
        lines = [f"{len(rows)} {what}, the first is {rows[0]}" for what, rows in self.odd.items()]
        if self.num_clamped:
            low, high = AFFECT_SCALE
            lines.append(
                f"{self.num_clamped} values of affect outside the scale {low:g} to {high:g} were "
                "clamped to it"
            )
        return lines

    def consensus(self, path: Path) -> Iterator[tuple[str, _Facts, Rating | None]]:
        """Base name, facts and rating of every row that names a recording."""
        wanted = ("EmoClass", *DIMENSIONS, "SpkrID", "Gender", "Split_Set")
        seen: set[str] = set()
        for where, row in self._rows(path, required=("FileName",), wanted=wanted):
            stem = self._stem(where, row)
            if stem is None:
                continue
            if stem in seen:
                self.odd["rows about a recording that has one already are left out"].append(where)
                continue
            seen.add(stem)
            code = row.get("EmoClass", "")
            emotion = CODES.get(code.upper())
            if code and emotion is None:
                self.odd[f"rows have an EmoClass that is none of {' '.join(CODES)}"].append(where)
            values = [self._number(where, row.get(column, "")) for column in DIMENSIONS]
            split = self._split(where, row.get("Split_Set", ""))
            speaker, sex = row.get("SpkrID", ""), row.get("Gender", "").lower()
            facts = _Facts(
                speaker=None if speaker.lower() in {"", "unknown"} else speaker,
                sex=sex if sex in {"female", "male"} else None,
                split=split,
            )
            yield stem, facts, self._rating("consensus", emotion, values)

    def raters(self, path: Path) -> dict[str, dict[str, Rating]]:
        """Base name to rater to rating."""
        found: defaultdict[str, dict[str, Rating]] = defaultdict(dict)
        for where, row in self._rows(path, required=("FileName",), wanted=()):
            stem = self._stem(where, row)
            if stem is None:
                continue
            row = _in_columns(row["EmoDetail"]) if "EmoDetail" in row else row
            rater = next((row[column] for column in WORKERS if row.get(column)), None)
            if rater is None:
                self.odd["rows of single raters name no rater and are left out"].append(where)
                continue
            word = row.get("EmoClass_Major", "").lower()
            emotion = WORDS.get(word, "other") if word else None
            if emotion == "other" and not word.startswith("other"):
                self.odd["words of raters are no emotion of the list, and count as other"].append(
                    f"{word!r} in {where}"
                )
            values = [self._number(where, row.get(column, "")) for column in DIMENSIONS]
            rating = self._rating(rater, emotion, values)
            if rater in found[stem]:
                self.odd["second ratings by one rater are left out"].append(where)
            elif rating is not None:
                found[stem][rater] = rating
        return dict(found)

    def _rows(
        self, path: Path, *, required: Sequence[str], wanted: Sequence[str]
    ) -> Iterator[tuple[str, Mapping[str, str]]]:
        """Where a row stands, and its cells by the names of their columns."""
        with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
            rows = csv.reader(file)
            header = [cell.strip() for cell in next(rows, [])]
            absent = [column for column in required if column not in header]
            if absent:
                raise TableError(
                    f"{path}: no column {' or '.join(absent)}; there are {', '.join(header)}"
                )
            for column in wanted:
                if column not in header:
                    self.odd[f"columns are missing in {path.name}"].append(column)
            for row in rows:
                where = f"{path.name}, line {rows.line_num}"
                if len(row) != len(header):
                    if row:
                        self.odd[
                            "rows have another number of cells than the header, and are left out"
                        ].append(where)
                    continue
                yield (
                    where,
                    {column: cell.strip() for column, cell in zip(header, row, strict=True)},
                )

    def _stem(self, where: str, row: Mapping[str, str]) -> str | None:
        file = row["FileName"]
        if file not in self.stems:
            stem = Path(file).stem
            self.stems[file] = stem if NAME.match(stem) else None
        if self.stems[file] is None:
            self.odd[
                f"rows name no recording of this corpus and are left out (the grammar is {GRAMMAR})"
            ].append(f"{file!r} in {where}")
        return self.stems[file]

    def _split(self, where: str, told: str) -> str | None:
        for name, split in SPLITS.items():
            if told.lower() == name.lower():
                return split
        if told:
            self.odd[f"rows have a Split_Set that is none of {' '.join(SPLITS)}"].append(where)
        return None

    def _number(self, where: str, told: str) -> float | None:
        if told not in self.numbers:
            try:
                value = float(told)
            except ValueError:
                value = math.nan
            outside = num_outside([value], *AFFECT_SCALE) if math.isfinite(value) else 0
            self.numbers[told] = (value if math.isfinite(value) else None, outside)
        value, outside = self.numbers[told]
        if value is None and told:
            self.odd["values of affect are no numbers and are left out"].append(where)
        self.num_clamped += outside
        return value

    def _rating(
        self, rater: str, emotion: str | None, values: Sequence[float | None]
    ) -> Rating | None:
        """A rating, or None when it says nothing."""
        if emotion is None and all(value is None for value in values):
            return None
        shares = self.emotions.setdefault(emotion or "", {} if emotion is None else {emotion: 1.0})
        affect = self.affects.get(tuple(values))
        if affect is None:
            affect = {
                dimension: to_unit(value, *AFFECT_SCALE)
                for dimension, value in zip(DIMENSIONS.values(), values, strict=True)
                if value is not None
            }
            self.affects[tuple(values)] = affect
        key = (rater, id(shares), id(affect))
        if key not in self.ratings:
            self.ratings[key] = Rating(rater=rater, emotion=shares, affect=affect)
        return self.ratings[key]


def _only(name: str, folder: Path) -> Path | None:
    """The table of this name, the one nearest to the top where there are several."""
    found = [path for path in folder.rglob(name) if path.is_file()]
    return min(found, key=lambda path: (len(path.parts), path), default=None)


def _in_columns(detail: str) -> Mapping[str, str]:
    """``WORKER00000001; Angry; Angry,Annoyed; A:6; V:2; D:5;`` under the names of the columns."""
    rater, word, *parts = [part.strip() for part in (*detail.split(";"), "")]
    row = {"WorkerID": rater, "EmoClass_Major": word}
    for part in parts:
        letter, colon, value = part.partition(":")
        if colon and letter.strip() in LETTERS:
            row[LETTERS[letter.strip()]] = value.strip()
    return row
