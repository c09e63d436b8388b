"""A user's own data: one table, one row per utterance and rater, in audformat's column names."""

import csv
import datetime
import io
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from serkit.corpus.consensus import majority, mean_affect, people, soft_labels
from serkit.corpus.corpus import Corpus, MissingCorpusError, MissingExtraError, missing_files
from serkit.corpus.scheme import UnknownLabelError, canonical, num_outside, to_unit
from serkit.corpus.utterance import AFFECT, RATER_ORDER, Rating, Seconds, Utterance

COLUMNS = (
    "file",
    "start",
    "end",
    "speaker",
    "sex",
    "gender",
    "age",
    "language",
    "sentence",
    "recording",
    "emotion",
    "arousal",
    "valence",
    "dominance",
    "rater",
    "split",
)
"""The columns that are read; ``file`` is required, ``gender`` means ``sex``."""

RATER = "consensus"
"""Who is taken to have given a rating in a row that names no rater."""

SEXES = {"f": "female", "w": "female", "woman": "female", "m": "male", "man": "male"}

NOBODY = ("unknown", "none", "n/a", "na", "null", "?", "-")
"""What tables write for a speaker who is not known; compared without case."""

SPLITS = {
    "train": "train",
    "training": "train",
    "dev": "development",
    "devel": "development",
    "development": "development",
    "val": "development",
    "valid": "development",
    "validation": "development",
    "test": "test",
    **{name: name for name in ("test1", "test2", "test3")},
}

TIMEDELTA = re.compile(r"^(?:(\d+) days?,? ?)?\+?(\d+):([0-5]?\d):([0-5]?\d(?:\.\d*)?)$")


class TableError(ValueError):
    """A table, or a row of one, that cannot be read; the message names the row and the remedy."""


def seconds(value: Any) -> Seconds | None:
    """A time as written in a table: seconds, a time delta, or its text; None when empty.

    Raises:
        ValueError: Nothing of the kind.

    Example:
        >>> seconds("1.5"), seconds("0 days 00:01:01.5"), seconds("00:00:02"), seconds("")
        (1.5, 61.5, 2.0, None)
    """
    if value is None:
        return None
    if isinstance(value, datetime.timedelta):  # pandas' NaT is none, its Timedelta is one
        return value.total_seconds()
    text = str(value).strip()
    if text.lower() in {"", "nat", "nan", "none"}:
        return None
    if match := TIMEDELTA.match(text):
        days, hours, minutes, rest = match.groups()
        return int(days or 0) * 86400 + int(hours) * 3600 + int(minutes) * 60 + float(rest)
    found = float(text.removesuffix("s"))
    if not math.isfinite(found):
        raise ValueError(f"{text!r} is no time")
    return found


def read_table(
    path: Path,
    *,
    name: str,
    scale: tuple[float, float] | None = None,
    aliases: Mapping[str, str] | None = None,
) -> Corpus:
    """Read a CSV or Parquet table; no audio is decoded.

    Only ``file`` is required, absolute or relative to the table. Rows with one ``file``, ``start``
    and ``end`` and different ``rater`` are several ratings of one utterance; unless one of them is
    ``consensus`` or ``intended``, the emotion of most raters, and their mean affect, are added as
    ``consensus``. Times are seconds or time deltas such as ``0 days 00:00:01.5``. A CSV may be
    divided by comma, semicolon or tab.

    Args:
        path: The table, ``.csv`` or ``.parquet``.
        name: First part of every id.
        scale: Lowest and highest value of the columns arousal, valence and dominance.
        aliases: Label to emotion.

    Raises:
        TableError: A row that cannot be read; the message has its number.
        UnknownLabelError: Labels that are no emotions.
        MissingExtraError: Parquet without its extra.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp()) / "mine.csv"
        >>> text = "file,start,end,speaker,emotion,arousal" + chr(10)
        >>> text += "call.wav,0,1.5,anna,joy,6" + chr(10)
        >>> _ = file.write_text(text)
        >>> utterance = read_table(file, name="mine", scale=(1.0, 7.0)).utterances[0]
        >>> utterance.id, utterance.speaker, utterance.emotion()
        ('mine/call.wav#0-1.5', 'mine/anna', 'happiness')
    """
    suffix = path.suffix.lower()
    if not path.is_file():
        raise MissingCorpusError(f"{path}: no such table")
    if suffix in {".csv", ".tsv"}:
        rows = _csv_rows(path)
    elif suffix in {".parquet", ".pq"}:
        rows = _parquet_rows(path)
    else:
        raise TableError(f"{path}: a table is .csv or .parquet, not {suffix or 'without ending'}")
    columns = list(rows[0]) if rows else []
    plain = {column: column.strip().lower() for column in columns}
    twice = [c for c, count in Counter(plain.values()).items() if count > 1 and c in COLUMNS]
    if twice:
        raise TableError(f"{path}: column {twice[0]} occurs twice; keep the one that is meant")
    if "file" not in plain.values():
        raise TableError(
            f"{path}: no column file among {', '.join(columns) or 'none'}; the columns read are "
            f"{', '.join(COLUMNS)}"
        )
    unread = [column for column in columns if plain[column] not in COLUMNS]
    problems = [f"columns not read: {', '.join(unread)}"] if unread else []
    gathered = Gathered(name=name, source=str(path), scale=scale, aliases=aliases)
    for number, row in enumerate(rows, start=2 if suffix in {".csv", ".tsv"} else 1):
        gathered.add(
            {plain[column]: value for column, value in row.items()},
            folder=path.parent,
            where=f"{path}, row {number}",
        )
    return gathered.corpus(problems)


def _csv_rows(path: Path) -> list[dict[str, Any]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise TableError(f"{path}: not UTF-8 ({error.reason}); save it as UTF-8") from error
    if not text.strip():
        raise TableError(f"{path}: empty; the first row has the names of the columns")
    delimiter = max(",;\t", key=text.split("\n", 1)[0].count)
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter)
    twice = [name for name, count in Counter(reader.fieldnames or ()).items() if count > 1]
    if twice:
        raise TableError(f"{path}: column {twice[0]} occurs twice; keep the one that is meant")
    rows: list[dict[str, Any]] = []
    for number, row in enumerate(reader, start=2):
        if None in row or None in row.values():
            raise TableError(
                f"{path}, row {number}: {'more' if None in row else 'fewer'} fields than columns; "
                "put fields that hold the divider in quotes"
            )
        rows.append(dict(row))
    if not rows:
        raise TableError(f"{path}: the table has no rows")
    return rows


def _parquet_rows(path: Path) -> list[dict[str, Any]]:
    try:
        from pyarrow import ArrowInvalid, parquet
    except ImportError as error:
        raise MissingExtraError(
            f"{path}: reading Parquet takes pyarrow: pip install 'serkit[parquet]'"
        ) from error
    try:
        rows: list[dict[str, Any]] = parquet.read_table(path).to_pylist()
    except ArrowInvalid as error:
        raise TableError(f"{path}: not a Parquet table ({error})") from error
    if not rows:
        raise TableError(f"{path}: the table has no rows")
    return rows


Facts = dict[str, Any]


@dataclass(kw_only=True, slots=True)
class Gathered:
    """Utterances in the making, from rows in any order."""

    name: str
    source: str
    """What messages call the table or database."""
    scale: tuple[float, float] | None
    aliases: Mapping[str, str] | None
    facts: dict[tuple[str, Seconds, Seconds | None], Facts] = field(
        default_factory=dict[tuple[str, Seconds, Seconds | None], Facts]
    )
    ratings: dict[tuple[str, Seconds, Seconds | None], dict[str, Rating]] = field(
        default_factory=dict[tuple[str, Seconds, Seconds | None], dict[str, Rating]]
    )
    unknown: list[str] = field(default_factory=list[str])
    nobody: dict[tuple[str, Seconds, Seconds | None], str] = field(
        default_factory=dict[tuple[str, Seconds, Seconds | None], str]
    )
    """Utterance to the word that stands for a speaker nobody knows."""
    num_clamped: int = 0

    def add(
        self,
        row: Mapping[str, Any],
        *,
        folder: Path,
        where: str,
        scales: Mapping[str, tuple[float, float]] | None = None,
    ) -> None:
        """Take in one row: facts of its utterance, and one rating.

        Args:
            row: Column (as in ``COLUMNS``) to value.
            folder: What relative paths are relative to.
            where: What a message calls the row.
            scales: Dimension to its own scale, before ``scale``.
        """
        file = _text(row.get("file"))
        if file is None:
            raise TableError(f"{where}: no file")
        file = Path(file).as_posix()
        start = self._value(row, "start", seconds, where) or 0.0
        end = self._value(row, "end", seconds, where)
        if start < 0 or (end is not None and end <= start):
            raise TableError(
                f"{where}: start {start:g} s, end {end if end is None else format(end, 'g')} s; "
                "an utterance begins at 0 or later and ends after it begins"
            )
        key = (file, start, end)
        facts = self.facts.setdefault(key, {"path": folder / file})
        for column, convert in _FACTS.items():
            value = self._value(row, column, convert, where)
            column = "sex" if column == "gender" else column
            if value is None:
                continue
            if facts.setdefault(column, value) != value:
                raise TableError(
                    f"{where}: {column} {value!r} of {file}, but {facts[column]!r} in another row"
                )
        word = _text(row.get("speaker"))
        if word is not None and _speaker(word) is None:
            self.nobody[key] = word
        rating = self._rating(row, where, scales or {})
        if rating is None:
            return
        known = self.ratings.setdefault(key, {})
        before = known.get(rating.rater)
        if before is not None:
            twice = (set(before.emotion) and set(rating.emotion)) or (
                set(before.affect) & set(rating.affect)
            )
            if twice:
                raise TableError(
                    f"{where}: a second rating of {file} from {start:g} s by {rating.rater}; "
                    "name the raters in a column rater, or remove the row"
                )
            rating = Rating(
                rater=rating.rater,
                emotion={**before.emotion, **rating.emotion},
                affect={**before.affect, **rating.affect},
            )
        known[rating.rater] = rating

    def corpus(self, problems: Iterable[str] = ()) -> Corpus:
        """What was gathered, in the order of the ids."""
        if self.unknown:
            raise UnknownLabelError(self.unknown, where=f"labels of {self.source}")
        utterances: list[Utterance] = []
        for key, facts in self.facts.items():
            file, start, end = key
            fields = dict(facts)
            speaker = fields.pop("speaker", None)
            whole = start == 0 and end is None
            stretch = f"#{start:.10g}-{'' if end is None else format(end, '.10g')}"
            utterances.append(
                Utterance(
                    id=f"{self.name}/{file}" + ("" if whole else stretch),
                    start=start,
                    end=end,
                    speaker=None if speaker is None else f"{self.name}/{speaker}",
                    ratings=tuple(self.ratings.get(key, {}).values()),
                    **fields,
                )
            )
        utterances.sort(key=lambda utterance: utterance.id)
        noted = [*problems, *missing_files(utterances), *_alike(utterances)]
        words = [word for key, word in self.nobody.items() if "speaker" not in self.facts[key]]
        if words:
            listed = ", ".join(repr(word) for word in sorted(set(words)))
            noted.append(f"{len(words)} utterances have an unknown speaker, written {listed}")
        agreed = [_agreed(utterance) for utterance in utterances]
        added = [u for u, before in zip(agreed, utterances, strict=True) if u is not before]
        utterances = agreed
        if added:
            ties = sum(u.emotion("consensus") == "no_agreement" for u in added)
            noted.append(
                f"{len(added)} utterances have several raters: the emotion is that of most of "
                f"them (of {ties} none: no_agreement), affect their mean; another choice: --rater"
            )
        if self.num_clamped:
            noted.append(
                f"{self.num_clamped} values of affect outside the scale were clamped to it"
            )
        return Corpus(
            name=self.name,
            utterances=tuple(utterances),
            problems=tuple(noted),
            scale=self.scale,
        )

    def _value(
        self, row: Mapping[str, Any], column: str, convert: Callable[[Any], Any], where: str
    ) -> Any:
        """One cell, converted; None when empty."""
        value = row.get(column)
        try:
            return convert(value)
        except (TypeError, ValueError) as error:
            raise TableError(f"{where}: {column} {value!r}: {_REMEDIES[column]}") from error

    def _rating(
        self, row: Mapping[str, Any], where: str, scales: Mapping[str, tuple[float, float]]
    ) -> Rating | None:
        emotion: dict[str, float] = {}
        label = _text(row.get("emotion"))
        if label is not None:
            try:
                emotion[canonical(label, aliases=self.aliases)] = 1.0
            except UnknownLabelError:
                self.unknown.append(label)
        affect: dict[str, float] = {}
        for dimension in AFFECT:
            value = self._value(row, dimension, _number, where)
            if value is None:
                continue
            scale = scales.get(dimension, self.scale)
            if scale is None:
                raise TableError(
                    f"{where}: {dimension} {value:g} on an unknown scale; give the scale low,high "
                    "(such as 1,7, or 0,1 when the values are in [0, 1])"
                )
            self.num_clamped += num_outside([value], *scale)
            affect[dimension] = to_unit(value, *scale)
        if not emotion and not affect:
            return None
        return Rating(rater=_text(row.get("rater")) or RATER, emotion=emotion, affect=affect)


def _agreed(utterance: Utterance) -> Utterance:
    """The utterance with what several people agree on, where it has no such label of its own."""
    ratings = sorted(people(utterance.ratings), key=lambda rating: rating.rater)  # not by rows
    given = [rating for rating in utterance.ratings if rating.rater in RATER_ORDER]
    if len(ratings) < 2:
        return utterance
    emotion = {} if any(rating.emotion for rating in given) else soft_labels(ratings)
    if emotion and majority(ratings) is None:
        emotion = {"no_agreement": 1.0}
    affect = {} if any(rating.affect for rating in given) else mean_affect(ratings)
    if not emotion and not affect:
        return utterance
    own = utterance.rating("consensus") or Rating(rater="consensus")
    others = (rating for rating in utterance.ratings if rating is not own)
    added = replace(own, emotion=emotion or own.emotion, affect=affect or own.affect)
    return replace(utterance, ratings=(*others, added))


def _alike(utterances: Iterable[Utterance]) -> tuple[str, ...]:
    """A line for each two speakers whose ids differ in case or in how a number is written."""
    seen: dict[str, str] = {}
    lines: list[str] = []
    for speaker in sorted({u.speaker for u in utterances if u.speaker is not None}):
        plain = speaker.casefold()
        corpus, _, name = plain.rpartition("/")
        if re.fullmatch(r"\d+(\.0*)?", name):
            plain = f"{corpus}/{name.partition('.')[0].lstrip('0')}"
        if plain in seen:
            lines.append(f"speakers {seen[plain]} and {speaker} look like one person")
        _ = seen.setdefault(plain, speaker)
    return tuple(lines)


def _text(value: Any) -> str | None:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    text = str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
    text = text.strip()
    return None if text in {"", "NaN", "nan", "<NA>"} else text


def _speaker(value: Any) -> str | None:
    """A speaker in composed Unicode; None for the words that stand for nobody known."""
    text = _text(value)
    if text is None or text.casefold() in NOBODY:
        return None
    return unicodedata.normalize("NFC", text)


def _number(value: Any) -> float | None:
    text = _text(value)
    if text is None:
        return None
    found = float(text)
    if not math.isfinite(found):
        raise ValueError(f"{text} is not finite")
    return found


def _sex(value: Any) -> str | None:
    text = _text(value)
    return None if text is None else SEXES.get(text.lower(), text.lower())


def _split(value: Any) -> str | None:
    text = _text(value)
    if text is None:
        return None
    if text.lower() not in SPLITS:
        raise ValueError(text)
    return SPLITS[text.lower()]


_FACTS: Mapping[str, Callable[[Any], Any]] = {
    "speaker": _speaker,
    "sex": _sex,
    "gender": _sex,
    "age": _number,
    "language": _text,
    "sentence": _text,
    "recording": _text,
    "split": _split,
}

_REMEDIES = {
    "start": "write seconds (1.5) or a time delta (0 days 00:00:01.5)",
    "end": "write seconds (1.5) or a time delta (0 days 00:00:01.5)",
    "age": "write years as a number",
    "split": f"write one of {', '.join(SPLITS)}",
} | dict.fromkeys(AFFECT, "write a number, with a decimal point")
