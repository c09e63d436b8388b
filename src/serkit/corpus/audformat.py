"""A user's own data: an audformat database (extra ``serkit[audformat]``)."""

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from serkit.corpus.corpus import Corpus, MissingCorpusError, MissingExtraError
from serkit.corpus.table import COLUMNS, RATER, Gathered, TableError, seconds
from serkit.corpus.utterance import AFFECT

LAYOUT = "ROOT/db.yaml and its tables, as audformat.Database.save writes them"

RATED = ("emotion", *AFFECT)
"""Columns that hold ratings; the others hold facts of the utterance."""

Key = tuple[str, float, float | None]


def read_audformat(
    root: Path,
    *,
    name: str,
    scale: tuple[float, float] | None = None,
    aliases: Mapping[str, str] | None = None,
) -> Corpus:
    """Read every table of an audformat database; no audio is decoded.

    A column counts by its name, or else by the name of its scheme (``emotion``, ``speaker``, ...).
    Raters and splits map one to one. The affect scale is the minimum and maximum of the scheme.
    Attributes of speakers (gender, age) come from the labels of the speaker scheme. What a
    filewise table says of a file holds for every segment of it.

    Args:
        root: The folder that holds ``db.yaml``.
        name: First part of every id.
        scale: Affect scale for schemes without minimum and maximum.
        aliases: Label to emotion.

    Raises:
        MissingExtraError: The extra is not installed.
        MissingCorpusError: No database there.
        TableError: Values that cannot be read; the message names the table.

    Example:
        >>> read_audformat(Path("nowhere"), name="mine")
        Traceback (most recent call last):
        serkit.corpus.corpus.MissingCorpusError: nowhere: no audformat database; expected ROOT/db...
    """
    if not (root / "db.yaml").is_file():
        raise MissingCorpusError(f"{root}: no audformat database; expected {LAYOUT}")
    try:
        import audformat
    except ImportError as error:
        raise MissingExtraError(
            f"{root}: reading an audformat database takes pip install 'serkit[audformat]'"
        ) from error
    database: Any = audformat.Database.load(str(root))
    unread: set[str] = set()
    facts: dict[Key, dict[str, Any]] = {}
    ratings: list[tuple[Key, dict[str, Any], str]] = []
    scales: dict[str, tuple[float, float]] = {}
    for table_name in database.tables:
        table: Any = database.tables[table_name]
        words = {column: _word(column, table.columns[column].scheme_id) for column in table.columns}
        unread |= {f"{table_name}.{column}" for column, word in words.items() if word is None}
        split = _split(database, table.split_id)
        for column, word in words.items():
            if word in AFFECT:
                own = _scale(database, table.columns[column].scheme_id) or scale
                if own is not None and scales.setdefault(word, own) != own:
                    raise TableError(f"{root}: {word} has the scales {scales[word]} and {own}")
        for index, values in zip(table.index, table.df.to_dict("records"), strict=True):
            key = _key(index)
            told = facts.setdefault(key, {})
            if split is not None:
                told["split"] = split
            judged: defaultdict[str, dict[str, Any]] = defaultdict(dict)
            for column, word in words.items():
                value = values[column]
                if word is None or _empty(value):
                    continue
                if word in RATED:
                    rater = table.columns[column].rater_id or (RATER if word == column else column)
                    judged[rater][word] = value
                else:
                    told[word] = value
                    if word == "speaker":
                        scheme_id = table.columns[column].scheme_id
                        told |= _attributes(database, scheme_id, value)
                        facts[key] = told
            where = f"{root}, table {table_name}, {key[0]}"
            ratings.extend((key, row | {"rater": rater}, where) for rater, row in judged.items())
    gathered = Gathered(name=name, source=str(root), scale=scale, aliases=aliases)
    segmented = {file for file, start, end in facts if (start, end) != (0.0, None)}
    rated = {key for key, _, _ in ratings}
    for key, told in facts.items():
        file, start, end = key
        whole = (start, end) == (0.0, None)
        if whole and file in segmented and key not in rated:
            continue
        inherited = facts.get((file, 0.0, None), {})
        row = {"file": file, "start": start, "end": end} | inherited | told
        gathered.add(row, folder=root, where=f"{root}, {file}")
    for (file, start, end), judged_row, where in ratings:
        row = {"file": file, "start": start, "end": end} | judged_row
        gathered.add(row, folder=root, where=where, scales=scales)
    problems = [f"columns not read: {', '.join(sorted(unread))}"] if unread else []
    twice = sorted(file for file, start, end in rated if not start and end is None)
    twice = [file for file in twice if file in segmented]
    if twice:
        problems.append(
            f"{len(twice)} files are rated as a whole and in segments, the first is {twice[0]}; "
            "both are utterances"
        )
    return gathered.corpus(problems)


def _word(column: str, scheme_id: str | None) -> str | None:
    """The column of ``COLUMNS`` that a column of a table stands for."""
    for candidate in (column, scheme_id or ""):
        if candidate.lower() in COLUMNS[3:]:
            return candidate.lower()
    return None


def _key(index: Any) -> Key:
    """File, start and end of a row's index; a filewise row is the whole file."""
    if isinstance(index, tuple):
        file, start, end = index
        return str(file), seconds(start) or 0.0, seconds(end)
    return str(index), 0.0, None


def _empty(value: Any) -> bool:
    return value is None or str(value) in {"", "nan", "NaN", "<NA>", "NaT", "None"}


def _split(database: Any, split_id: str | None) -> str | None:
    kind = None if split_id is None else str(database.splits[split_id].type)
    return kind if kind in {"train", "dev", "test"} else None


def _scale(database: Any, scheme_id: str | None) -> tuple[float, float] | None:
    if scheme_id is None:
        return None
    scheme = database.schemes[scheme_id]
    if scheme.minimum is None or scheme.maximum is None:
        return None
    return float(scheme.minimum), float(scheme.maximum)


def _attributes(database: Any, scheme_id: str | None, value: Any) -> dict[str, Any]:
    """What the labels of a scheme say of one label: gender, age, language."""
    labels = None if scheme_id is None else database.schemes[scheme_id].labels
    if isinstance(labels, str):  # the name of a misc table
        frame = database.misc_tables[labels].df
        found = frame.loc[value].to_dict() if value in frame.index else {}
    elif isinstance(labels, dict):
        found = labels.get(value)
    else:
        found = None
    if not isinstance(found, dict):
        return {}
    return {
        str(word).lower(): told
        for word, told in found.items()
        if str(word).lower() in {"sex", "gender", "age", "language"} and not _empty(told)
    }
