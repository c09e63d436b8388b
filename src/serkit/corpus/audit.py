"""What is in a corpus, and whether a protocol keeps what it claims."""

import hashlib
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from serkit.corpus.corpus import Corpus
from serkit.corpus.manifest import decoded_sha256, header
from serkit.corpus.protocol import Fold, Protocol
from serkit.corpus.utterance import Seconds, Utterance

CONTAINERS = (".m4a", ".mp4", ".webm", ".aac", ".mov", ".mkv", ".wma")
"""Endings of files that soundfile does not open and that serkit reads through PyAV."""

NAMED_AT_MOST = 10
"""Ids written out in a message; the rest are counted."""


class LeakError(ValueError):
    """A protocol does not keep what it claims; the message names the ids."""

    def __init__(self, message: str, ids: Iterable[str]) -> None:
        self.ids = tuple(sorted(set(ids)))
        shown = ", ".join(self.ids[:NAMED_AT_MOST])
        more = len(self.ids) - NAMED_AT_MOST
        super().__init__(f"{message}: {shown}{f' and {more} more' if more > 0 else ''}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Audit:
    """Counts of a corpus and the files that cannot be used."""

    corpus: str
    num_utterances: int
    emotions: Mapping[str, int]
    """Emotion to utterances, in the canonical order."""
    speakers: Mapping[str, int]
    """Speaker to utterances, sorted."""
    table: Mapping[str, Mapping[str, int]]
    """Speaker to emotion to utterances; zeros are written."""
    without_emotion: tuple[str, ...]
    """Ids of utterances without a label."""
    without_speaker: tuple[str, ...]
    """Ids of utterances of unknown speakers."""
    missing: tuple[Path, ...]
    """Files that are not there."""
    unreadable: tuple[tuple[Path, str], ...]
    """Files whose header cannot be read, or that hold nothing, and why."""
    unchecked: tuple[Path, ...]
    """Files of ``CONTAINERS``, whose headers are not looked at here."""
    durations: Mapping[str, Seconds]
    """Id to seconds, from headers; only of files that could be opened."""
    sample_rates: Mapping[int, int]
    """Hz to number of files."""
    duplicates: tuple[tuple[str, ...], ...]
    """Groups of ids with equal audio."""
    problems: tuple[str, ...]
    """What the reader noticed."""

    @property
    def ok(self) -> bool:
        """Nothing is missing, unreadable or unlabelled."""
        return not (self.missing or self.unreadable or self.without_emotion)


def audit(corpus: Corpus) -> Audit:
    """Count a corpus and open the header of every file.

    Example:
        >>> from serkit.corpus import load
        >>> found = audit(load("excerpt"))
        >>> found.emotions
        {'anger': 30, 'happiness': 29, 'neutral': 30, 'sadness': 30}
        >>> found.table["excerpt/12"]["happiness"], found.missing, found.unreadable
        (2, (), ())
    """
    missing: list[Path] = []
    unreadable: list[tuple[Path, str]] = []
    unchecked: list[Path] = []
    durations: dict[str, Seconds] = {}
    rates: Counter[int] = Counter()
    of_file: defaultdict[Path, list[Utterance]] = defaultdict(list)
    for utterance in corpus.utterances:
        of_file[utterance.path].append(utterance)
    for path, utterances in sorted(of_file.items()):
        if not path.is_file():
            missing.append(path)
            continue
        if path.suffix.lower() in CONTAINERS:
            unchecked.append(path)
            continue
        try:
            facts = header(path)
        except OSError as error:
            unreadable.append((path, str(error).removeprefix(f"{path}: ")))
            continue
        if facts.num_samples == 0:
            unreadable.append((path, "holds no samples"))
            continue
        rates[facts.sample_rate] += 1
        length = facts.num_samples / facts.sample_rate
        for utterance in utterances:
            end = length if utterance.end is None else utterance.end
            if utterance.start >= length or end > length + 0.5 / facts.sample_rate:
                why = f"{utterance.id}: {utterance.start:g} to {end:g} s of a file of {length:g} s"
                unreadable.append((path, why))
            else:
                durations[utterance.id] = end - utterance.start
    counts = Counter(utterance.emotion() for utterance in corpus.utterances)
    cells = Counter((utterance.speaker, utterance.emotion()) for utterance in corpus.utterances)
    return Audit(
        corpus=corpus.name,
        num_utterances=len(corpus.utterances),
        emotions={emotion: counts[emotion] for emotion in corpus.emotions},
        speakers={
            speaker: sum(cells[speaker, emotion] for emotion in (*corpus.emotions, None))
            for speaker in corpus.speakers
        },
        table={
            speaker: {emotion: cells[speaker, emotion] for emotion in corpus.emotions}
            for speaker in corpus.speakers
        },
        without_emotion=tuple(u.id for u in corpus.utterances if u.emotion() is None),
        without_speaker=tuple(u.id for u in corpus.utterances if u.speaker is None),
        missing=tuple(missing),
        unreadable=tuple(unreadable),
        unchecked=tuple(unchecked),
        durations=durations,
        sample_rates=dict(sorted(rates.items())),
        duplicates=tuple(
            tuple(utterance.id for utterance in group)
            for group in equal_audio(u for u in corpus.utterances if u.id in durations)
        ),
        problems=corpus.problems,
    )


def equal_audio(utterances: Iterable[Utterance]) -> list[list[Utterance]]:
    """Groups of two or more utterances with equal samples.

    Only stretches of equal length are decoded. Files that soundfile does not open are compared
    byte for byte; files that are not there are passed over.

    Example:
        >>> from serkit.corpus import load
        >>> equal_audio(load("excerpt").utterances[:10])
        []
    """
    lengths: defaultdict[Hashable, list[Utterance]] = defaultdict(list)
    for utterance in sorted(utterances, key=lambda utterance: utterance.id):
        if not utterance.path.is_file():
            continue
        try:
            facts = header(utterance.path)
        except OSError:
            size = utterance.path.stat().st_size
            lengths["bytes", size, utterance.start, utterance.end].append(utterance)
        else:
            end = facts.num_samples
            if utterance.end is not None:
                end = min(end, round(utterance.end * facts.sample_rate))
            length = end - round(utterance.start * facts.sample_rate)
            lengths["samples", facts.sample_rate, length].append(utterance)
    groups: defaultdict[Hashable, list[Utterance]] = defaultdict(list)
    for key, alike in lengths.items():
        if len(alike) > 1:
            for utterance in alike:
                groups[key, _fingerprint(utterance)].append(utterance)
    return sorted((g for g in groups.values() if len(g) > 1), key=lambda group: group[0].id)


def _fingerprint(utterance: Utterance) -> str:
    try:
        return decoded_sha256(utterance)
    except OSError:
        return hashlib.sha256(utterance.path.read_bytes()).hexdigest()


def check(protocol: Protocol, *, audio: bool = True) -> None:
    """Stop when a protocol does not keep what it claims. A run calls this before it trains.

    Held against every fold: no utterance on two sides; no speaker, no sentence on two sides where
    independence is claimed (a development side may share with its training side what
    ``development_shares`` says); repetitions of one speaker, sentence and emotion together; equal
    audio on one side, and under one emotion.

    Args:
        protocol: What to hold to its word.
        audio: Also compare the samples of all files of equal length.

    Raises:
        LeakError: Something is on two sides; the message and ``ids`` name it.

    Example:
        >>> from serkit.corpus import load, protocol
        >>> check(protocol("excerpt-5pairs", load("excerpt")))
    """
    distinct = {
        utterance.id: utterance
        for fold in protocol.folds
        for side in fold.sides.values()
        for utterance in side
    }
    groups = equal_audio(distinct.values()) if audio else []
    for group in groups:
        if len({utterance.emotion() for utterance in group}) > 1:
            raise LeakError(
                f"{protocol.name}: equal audio under two emotions, leave these out",
                [utterance.id for utterance in group],
            )
    twin = {utterance.id: number for number, group in enumerate(groups) for utterance in group}
    for fold in protocol.folds:
        where = f"{protocol.name}, fold {fold.name}"
        _apart(where, fold, "utterance", lambda utterance: utterance.id)
        if protocol.independent_speaker:
            _known(where, fold, "speaker", lambda utterance: utterance.speaker)
            shares = "speaker" in protocol.development_shares
            _apart(where, fold, "speaker", lambda u: u.speaker, development=not shares)
        if protocol.independent_sentence:
            _known(where, fold, "sentence", lambda utterance: utterance.sentence)
            shares = "sentence" in protocol.development_shares
            _apart(where, fold, "sentence", lambda u: u.sentence, development=not shares)
        _apart(where, fold, "repetition of one speaker, sentence and emotion", _take)
        _apart(where, fold, "recording of equal audio", lambda u: twin.get(u.id))
        _no_overlap(where, fold)


def _no_overlap(where: str, fold: Fold) -> None:
    """No stretch of a file on one side that overlaps a stretch of it on another."""
    stretches: dict[Path, list[tuple[float, float, str, str]]] = {}
    for side, utterances in fold.sides.items():
        for u in utterances:
            end = math.inf if u.end is None else u.end
            stretches.setdefault(u.path, []).append((u.start, end, side, u.id))
    for found in stretches.values():
        reached: dict[str, tuple[float, str]] = {}  # how far each side has come, and by whom
        for start, end, side, name in sorted(found):
            for other, (until, neighbour) in reached.items():
                if other != side and start < until:
                    raise LeakError(
                        f"{where}: stretches of one file that overlap, on {other} and {side} side",
                        [neighbour, name],
                    )
            if end > reached.get(side, (-math.inf, ""))[0]:
                reached[side] = (end, name)


def _take(utterance: Utterance) -> Hashable | None:
    if utterance.speaker is None or utterance.sentence is None:
        return None
    return utterance.speaker, utterance.sentence, utterance.emotion()


def _known(where: str, fold: Fold, what: str, key: Callable[[Utterance], Hashable | None]) -> None:
    unknown = [u.id for side in fold.sides.values() for u in side if key(u) is None]
    if unknown:
        raise LeakError(
            f"{where}: independence of the {what} is claimed, but these have no {what}", unknown
        )


def _apart(
    where: str,
    fold: Fold,
    what: str,
    key: Callable[[Utterance], Hashable | None],
    *,
    development: bool = True,
) -> None:
    """No value of ``key`` on two sides of the fold."""
    values = {side: {key(u) for u in utterances} for side, utterances in fold.sides.items()}
    pairs = [("train", "test"), ("development", "test")]
    if development:
        pairs.append(("train", "development"))
    for one, other in pairs:
        shared = values[one] & values[other] - {None}
        if shared:
            both = [u for u in (*fold.sides[one], *fold.sides[other]) if key(u) in shared]
            named = sorted(str(value) for value in shared if isinstance(value, str))
            listed = f" ({', '.join(named[:NAMED_AT_MOST])})" if named else ""
            raise LeakError(
                f"{where}: {len(shared)} {what}(s){listed} on the {one} and the {other} side",
                [utterance.id for utterance in both],
            )
