"""Who said what, how it was rated, and which side of a protocol it is on."""

from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

from serkit.corpus import (
    casia,
    crema_d,
    emodb,
    emotale,
    emovo,
    esd,
    excerpt,
    iemocap,
    meld,
    msp_podcast,
    nemo,
    ravdess,
    savee,
    synthetic,
    tess,
)
from serkit.corpus.audformat import read_audformat
from serkit.corpus.audit import LEAKS, Audit, LeakError, Verdict, audit, check, judge, shared
from serkit.corpus.consensus import (
    agreed,
    majority,
    mean_affect,
    rater_weights,
    soft_labels,
    weighted_affect,
)
from serkit.corpus.corpus import (
    Corpus,
    FileNameError,
    MissingCorpusError,
    MissingExtraError,
    Passport,
    UnknownRaterError,
    nearest,
)
from serkit.corpus.folder import LAYOUT as FOLDER_LAYOUT
from serkit.corpus.folder import read_folder
from serkit.corpus.protocol import (
    Fold,
    Protocol,
    ProtocolError,
    cross_protocol,
    default_protocol,
    protocol,
    protocol_names,
)
from serkit.corpus.scheme import EMOTIONS, UnknownLabelError, canonical, label_map
from serkit.corpus.table import TableError, read_table
from serkit.corpus.trials import (
    MOST_PAIRS,
    Pairs,
    Trial,
    enrolled_trials,
    enrolments,
    pairwise_trials,
)
from serkit.corpus.union import join, joint_passport
from serkit.corpus.utterance import AFFECT, Rating, Seconds, Utterance

CORPORA: dict[str, ModuleType] = {
    "casia": casia,
    "cremad": crema_d,
    "emodb": emodb,
    "emotale": emotale,
    "emovo": emovo,
    "esd": esd,
    "excerpt": excerpt,
    "iemocap": iemocap,
    "meld": meld,
    "msp-podcast": msp_podcast,
    "nemo": nemo,
    "ravdess": ravdess,
    "savee": savee,
    "synthetic": synthetic,
    "tess": tess,
}
"""The corpora with a reader of their own. To add one, add its file and its line."""


def load(
    name: str,
    path: str | Path | None = None,
    *,
    scale: tuple[float, float] | None = None,
    speaker_pattern: str | None = None,
    aliases: Mapping[str, str] | None = None,
) -> Corpus:
    """Read a corpus: a known one, several known ones as one, or a user's own data.

    Own data is a ``.csv`` or ``.parquet`` table, an audformat database (a folder with ``db.yaml``)
    or a folder per emotion. No audio is decoded.

    Args:
        name: A key of ``CORPORA``; several of them with ``+`` between (see ``join``); or any other
            name for own data. The first part of every id.
        path: Where it is; ``excerpt`` needs none. Of several, the folder that holds each in a
            folder of its name.
        scale: Lowest and highest value of affect in own data, such as ``(1.0, 7.0)``.
        speaker_pattern: For a folder per emotion: regular expression with a group ``speaker``.
        aliases: For own data: label to emotion.

    Raises:
        MissingCorpusError: Nothing there; the message says the layout expected.

    Example:
        >>> load("excerpt").utterances[0].id
        'excerpt/03a01Fa'
    """
    path = None if path is None else Path(path)
    parts = name.split("+")
    if len(parts) > 1 and all(part in CORPORA for part in parts):
        if path is None:
            raise MissingCorpusError(
                f"where are {' and '.join(parts)}? say {name}=FOLDER, a folder that holds "
                f"{'/ and '.join(parts)}/"
            )
        return join([load(part, path / part) for part in parts])
    if name in CORPORA:
        reader = CORPORA[name]
        if path is None:
            if name == "excerpt":
                return reader.read()
            raise MissingCorpusError(
                f"where is {name}? say {name}=PATH; expected {reader.PASSPORT.layout}; "
                f"to get it: {reader.PASSPORT.obtain}"
            )
        return reader.read(path)
    known = ", ".join(CORPORA)
    if path is None:
        raise MissingCorpusError(
            f"{name!r} is no known corpus ({known}){nearest(name, CORPORA)}; "
            f"for your own data say {name}=PATH, a table (.csv, .parquet) or a folder"
        )
    if not name or "/" in name:
        raise ValueError(f"{name!r} is no name for a corpus; use letters, digits, - and _")
    if not path.exists():
        raise MissingCorpusError(
            f"{path}: no such table or folder for {name}{nearest(name, CORPORA)}; expected a .csv "
            f"or .parquet table with a column file, an audformat database, or {FOLDER_LAYOUT}"
        )
    if path.is_file():
        return read_table(path, name=name, scale=scale, aliases=aliases)
    if (path / "db.yaml").is_file():
        return read_audformat(path, name=name, scale=scale, aliases=aliases)
    return read_folder(path, name=name, speaker_pattern=speaker_pattern, aliases=aliases)


__all__ = [
    "AFFECT",
    "CORPORA",
    "EMOTIONS",
    "LEAKS",
    "MOST_PAIRS",
    "Audit",
    "Corpus",
    "FileNameError",
    "Fold",
    "LeakError",
    "MissingCorpusError",
    "MissingExtraError",
    "Pairs",
    "Passport",
    "Protocol",
    "ProtocolError",
    "Rating",
    "Seconds",
    "TableError",
    "Trial",
    "UnknownLabelError",
    "UnknownRaterError",
    "Utterance",
    "Verdict",
    "agreed",
    "audit",
    "canonical",
    "check",
    "cross_protocol",
    "default_protocol",
    "enrolled_trials",
    "enrolments",
    "join",
    "joint_passport",
    "judge",
    "label_map",
    "load",
    "majority",
    "mean_affect",
    "pairwise_trials",
    "protocol",
    "protocol_names",
    "rater_weights",
    "read_audformat",
    "read_folder",
    "read_table",
    "shared",
    "soft_labels",
    "weighted_affect",
]
