"""What is in a corpus, and whether a protocol keeps what it claims."""

import hashlib
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Generator, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np

from serkit.corpus.corpus import Corpus, nearest
from serkit.corpus.duplicates import Read, fingerprint, near_duplicates, remember
from serkit.corpus.manifest import decoded_sha256, header
from serkit.corpus.protocol import Fold, Protocol, ProtocolError, protocol
from serkit.corpus.utterance import AFFECT, Seconds, Utterance

LEAKS = (
    "utterance",
    "speaker",
    "sentence",
    "take",
    "overlap",
    "equal-audio",
    "near-duplicate",
    "two-labels",
)
"""Kinds of leak: what is on two sides of a fold, or one recording under two labels."""

CONTAINERS = (".m4a", ".mp4", ".webm", ".aac", ".mov", ".mkv", ".wma")
"""Endings of files that soundfile does not open and that serkit reads through PyAV."""

NAMED_AT_MOST = 10
"""Ids written out in a message; the rest are counted."""


CUT_SHORT = (
    0.1  # s that may be missing at the end; lossy codecs miss their length by a frame or two
)

Inspect = Callable[[np.ndarray, int], tuple[str, ...]]
"""Says of samples at a rate what is odd about them, such as ``("silent",)``."""


class LeakError(ValueError):
    """A protocol does not keep what it claims; the message names the ids."""

    def __init__(self, message: str, ids: Iterable[str], kind: str) -> None:
        self.ids = tuple(sorted(set(ids)))
        self.kind = kind
        """One of ``LEAKS``."""
        self.what = message
        """The message without ids and remedy."""
        shown = ", ".join(self.ids[:NAMED_AT_MOST])
        more = len(self.ids) - NAMED_AT_MOST
        super().__init__(
            f"{message}: {shown}{f' and {more} more' if more > 0 else ''}. To go on all the same, "
            f"and have every table and figure say so: --allow-leak {kind}"
        )

    def __reduce__(self) -> tuple[type["LeakError"], tuple[str, tuple[str, ...], str]]:
        return type(self), (self.what, self.ids, self.kind)


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
    unrated: tuple[str, ...] = ()
    """Ids of utterances with neither emotion nor affect."""
    affect: Mapping[str, Mapping[str, float]] = field(
        default_factory=dict[str, Mapping[str, float]]
    )
    """Dimension to id to value in [0, 1]; only dimensions that somebody rated."""
    num_listened: int = 0
    """Utterances that were decoded; what follows is known of these."""
    truncated: tuple[tuple[Path, str], ...] = ()
    """Files that promise more than can be decoded, and how much."""
    notes: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    """What is odd about a waveform (``"silent"``, ``"clipped"``, ``"very short"``, ...) to ids."""
    near_duplicates: tuple[tuple[str, ...], ...] = ()
    """Groups of ids that are copies of one recording, and not all equal."""

    @property
    def faults(self) -> tuple[str, ...]:
        """What has to be repaired or left out before training, a line each."""
        return (
            *(f"missing: {path}" for path in self.missing),
            *(f"unreadable: {path}: {why}" for path, why in self.unreadable),
            *(f"truncated: {path}: {why}" for path, why in self.truncated),
            *(f"silent: {name}" for name in self.notes.get("silent", ())),
            *(f"neither emotion nor affect: {name}" for name in self.unrated),
        )

    @property
    def remarks(self) -> tuple[str, ...]:
        """What one should know and can live with, a line each."""
        lines = [
            *self.problems,
            *(f"equal audio: {', '.join(group)}" for group in self.duplicates),
            *(f"copies of one recording: {', '.join(group)}" for group in self.near_duplicates),
        ]
        for note, ids in self.notes.items():
            if note != "silent":
                lines.append(f"{note}: {named(ids)}")
        if self.without_speaker:
            lines.append(f"unknown speaker: {len(self.without_speaker)} utterances")
        if without := set(self.without_emotion) - set(self.unrated):
            lines.append(f"affect but no emotion: {len(without)} utterances")
        return tuple(lines)

    @property
    def ok(self) -> bool:
        """There are no faults."""
        return not self.faults


def named(ids: Collection[str]) -> str:
    """The first ids, and how many more there are.

    Example:
        >>> named([f"mine/{n}" for n in range(12)])[-24:]
        'mine/6, mine/7, 2 others'
    """
    shown = sorted(ids)[:NAMED_AT_MOST]
    more = len(ids) - len(shown)
    return ", ".join([*shown, *([f"{more} others"] if more else [])])


def audit(corpus: Corpus, *, read: Read | None = None, inspect: Inspect | None = None) -> Audit:
    """Count a corpus and open the header of every file; with ``read``, also listen to it.

    Args:
        corpus: What to look at.
        read: Decodes an utterance. Finds truncated files, and copies of one recording. An error
            with the ``status`` ``"truncated"`` is believed.
        inspect: With ``read``: says what is odd about a waveform.

    Example:
        >>> from serkit.corpus import load
        >>> found = audit(load("excerpt"))
        >>> found.emotions
        {'anger': 30, 'happiness': 29, 'neutral': 30, 'sadness': 30}
        >>> found.table["excerpt/12"]["happiness"], found.missing, found.unreadable
        (2, (), ())
    """
    missing: list[Path] = []
    unreadable: dict[tuple[Path, str], None] = {}  # in order, each once
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
            unreadable[path, _reason(error, path)] = None
            continue
        if facts.num_samples == 0:
            unreadable[path, "holds no samples"] = None
            continue
        rates[facts.sample_rate] += 1
        length = facts.num_samples / facts.sample_rate
        for utterance in utterances:
            end = length if utterance.end is None else utterance.end
            if utterance.start >= length or end > length + 0.5 / facts.sample_rate:
                why = f"{utterance.id}: {utterance.start:g} to {end:g} s of a file of {length:g} s"
                unreadable[path, why] = None
            else:
                durations[utterance.id] = end - utterance.start
    truncated: dict[tuple[Path, str], None] = {}
    notes: defaultdict[str, list[str]] = defaultdict(list)
    heard: list[Utterance] = []
    if read is not None:
        containers = set(unchecked)
        for utterance in corpus.utterances:
            promised = durations.pop(utterance.id, None)
            if promised is None and utterance.path not in containers:
                continue
            try:
                samples, sample_rate = read(utterance)
            except (OSError, ValueError) as error:
                is_short = getattr(error, "status", None) == "truncated"
                faulty = truncated if is_short else unreadable
                faulty[utterance.path, _reason(error, utterance.path)] = None
                continue
            decoded = len(samples) / sample_rate
            if promised is not None and decoded < promised - CUT_SHORT:
                why = f"promises {promised:.2f} s and only {decoded:.2f} s could be decoded"
                truncated[utterance.path, why] = None
                continue
            durations[utterance.id] = decoded if promised is None else promised
            heard.append(utterance)
            remember(utterance, fingerprint(samples, sample_rate))
            for note in inspect(samples, sample_rate) if inspect is not None else ():
                notes[note].append(utterance.id)
        unchecked = []
    equal = equal_audio(u for u in corpus.utterances if u.id in durations)
    alike = near_duplicates(heard, read) if read is not None else []
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
        unrated=tuple(u.id for u in corpus.utterances if u.emotion() is None and not u.affect()),
        affect={
            dimension: values
            for dimension in AFFECT
            if (
                values := {
                    utterance.id: affect[dimension]
                    for utterance in corpus.utterances
                    if dimension in (affect := utterance.affect())
                }
            )
        },
        num_listened=len(heard),
        truncated=tuple(truncated),
        notes={note: tuple(ids) for note, ids in notes.items()},
        missing=tuple(missing),
        unreadable=tuple(unreadable),
        unchecked=tuple(unchecked),
        durations=durations,
        sample_rates=dict(sorted(rates.items())),
        duplicates=tuple(tuple(u.id for u in group) for group in equal),
        near_duplicates=tuple(tuple(u.id for u in group) for group in _beyond(equal, alike)),
        problems=corpus.problems,
    )


def _reason(error: Exception, path: Path) -> str:
    return str(error).removeprefix(f"{path}: ")


def _beyond(equal: list[list[Utterance]], alike: list[list[Utterance]]) -> list[list[Utterance]]:
    """Groups of near-duplicates that are not merely groups of equal audio."""
    groups = [{utterance.id for utterance in group} for group in equal]
    return [group for group in alike if not any({u.id for u in group} <= ids for ids in groups)]


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


def check(
    protocol: Protocol,
    *,
    audio: bool = True,
    allow: Collection[str] = (),
    read: Read | None = None,
) -> tuple[str, ...]:
    """Stop when a protocol does not keep what it claims. A run calls this before it trains.

    Held against every fold: no utterance on two sides, and no overlapping stretches of one file;
    no speaker, no sentence on two sides where independence is claimed (a development side may share
    with its training side what ``development_shares`` says); repetitions of one speaker, sentence
    and emotion together; equal audio, and with ``read`` also copies of one recording, on one side
    and under one emotion.

    Args:
        protocol: What to hold to its word.
        audio: Also compare the samples of all files of equal length.
        allow: Kinds of leak, of ``LEAKS``, to go on with.
        read: Decodes an utterance; with it (and ``audio``), near-duplicates are looked for.

    Returns:
        A line for every kind of leak that was found and allowed. It belongs on every table and
        figure that is made from this protocol.

    Raises:
        LeakError: Something is on two sides; the message and ``ids`` name it, ``kind`` says what.
        ValueError: No such kind of leak.

    Example:
        >>> from serkit.corpus import load, protocol
        >>> check(protocol("excerpt-5pairs", load("excerpt")))
        ()
    """
    for kind in allow:
        if kind not in LEAKS:
            raise ValueError(
                f"no leak is called {kind!r}; the kinds are {', '.join(LEAKS)}"
                f"{nearest(kind, LEAKS)}"
            )
    allowed: defaultdict[str, list[LeakError]] = defaultdict(list)
    for leak in _leaks(protocol, audio=audio, read=read):
        if leak.kind not in allow:
            raise leak
        allowed[leak.kind].append(leak)
    return tuple(_admitted(kind, allowed[kind]) for kind in LEAKS if allowed[kind])


def _admitted(kind: str, leaks: list[LeakError]) -> str:
    ids = {name for leak in leaks for name in leak.ids}
    more = f"; {len(leaks) - 1} more of this kind" if len(leaks) > 1 else ""
    return f"LEAK ({kind}), allowed by hand: {leaks[0].what}{more}; {len(ids)} utterances in all"


def _leaks(
    protocol: Protocol, *, audio: bool, read: Read | None
) -> Generator[LeakError, None, None]:
    """Every leak, those that are quickly found first."""
    place = cache(Path.resolve)  # a link and a detour lead to one file
    for fold in protocol.folds:
        where = f"{protocol.name}, fold {fold.name}"
        yield from _apart(where, fold, "utterance", "utterance", lambda utterance: utterance.id)
        if protocol.independent_speaker:
            yield from _known(where, fold, "speaker", lambda utterance: utterance.speaker)
            shares = "speaker" in protocol.development_shares
            yield from _apart(
                where, fold, "speaker", "speaker", lambda u: u.speaker, development=not shares
            )
        if protocol.independent_sentence:
            yield from _known(where, fold, "sentence", lambda utterance: utterance.sentence)
            shares = "sentence" in protocol.development_shares
            yield from _apart(
                where, fold, "sentence", "sentence", lambda u: u.sentence, development=not shares
            )
        yield from _apart(
            where, fold, "take", "repetition of one speaker, sentence and emotion", _take
        )
        yield from _overlapping(where, fold, place)
    if not audio:
        return
    distinct = {
        utterance.id: utterance
        for fold in protocol.folds
        for side in fold.sides.values()
        for utterance in side
    }
    equal = equal_audio(distinct.values())
    yield from _one_recording(protocol, equal, "equal-audio", "recording of equal audio")
    if read is not None:
        alike = _beyond(equal, near_duplicates(distinct.values(), read))
        yield from _one_recording(protocol, alike, "near-duplicate", "recording with a copy")


def _one_recording(
    protocol: Protocol, groups: list[list[Utterance]], kind: str, what: str
) -> Generator[LeakError, None, None]:
    """Every group under one emotion and, in each fold, on one side."""
    audio = "equal audio" if kind == "equal-audio" else "copies of one recording"
    for group in groups:
        if len({utterance.emotion() for utterance in group}) > 1:
            yield LeakError(
                f"{protocol.name}: {audio} under two emotions, leave these out",
                [utterance.id for utterance in group],
                "two-labels",
            )
    twin = {utterance.id: number for number, group in enumerate(groups) for utterance in group}
    for fold in protocol.folds:
        where = f"{protocol.name}, fold {fold.name}"
        yield from _apart(where, fold, kind, what, lambda u: twin.get(u.id))


def _overlapping(
    where: str, fold: Fold, place: Callable[[Path], Path]
) -> Generator[LeakError, None, None]:
    """No stretch of a file on one side that overlaps a stretch of it on another."""
    stretches: dict[Path, list[tuple[float, float, str, str]]] = {}
    for side, utterances in fold.sides.items():
        for u in utterances:
            end = math.inf if u.end is None else u.end
            stretches.setdefault(place(u.path), []).append((u.start, end, side, u.id))
    for found in stretches.values():
        reached: dict[str, tuple[float, str]] = {}  # how far each side has come, and by whom
        for start, end, side, name in sorted(found):
            for other, (until, neighbour) in reached.items():
                if other != side and name != neighbour and start < until:
                    yield LeakError(
                        f"{where}: stretches of one file that overlap, on {other} and {side} side",
                        [neighbour, name],
                        "overlap",
                    )
            if end > reached.get(side, (-math.inf, ""))[0]:
                reached[side] = (end, name)


def _take(utterance: Utterance) -> Hashable | None:
    if utterance.speaker is None or utterance.sentence is None:
        return None
    return utterance.speaker, utterance.sentence, utterance.emotion()


def _known(
    where: str, fold: Fold, what: str, key: Callable[[Utterance], Hashable | None]
) -> Generator[LeakError, None, None]:
    unknown = [u.id for side in fold.sides.values() for u in side if key(u) is None]
    if unknown:
        yield LeakError(
            f"{where}: independence of the {what} is claimed, but these have no {what}",
            unknown,
            what,
        )


def _counted(number: int, what: str) -> str:
    """``1 recording with a copy``, ``2 recordings with a copy``."""
    noun, space, rest = what.partition(" ")
    return f"{number} {noun}{'s' if number > 1 else ''}{space}{rest}"


def _apart(
    where: str,
    fold: Fold,
    kind: str,
    what: str,
    key: Callable[[Utterance], Hashable | None],
    *,
    development: bool = True,
) -> Generator[LeakError, None, None]:
    """No value of ``key`` on two sides of the fold."""
    pairs = [("train", "test"), ("development", "test")]
    if development:
        pairs.append(("train", "development"))
    for one, other in pairs:
        here, there = fold.sides[one], fold.sides[other]
        if kind not in ("utterance", "speaker", "sentence"):
            # an utterance is no copy of itself: that it is on both sides has been said
            both = {u.id for u in here} & {u.id for u in there}
            here, there = ([u for u in side if u.id not in both] for side in (here, there))
        shared = {key(u) for u in here} & {key(u) for u in there} - {None}
        if shared:
            names = sorted(str(value) for value in shared if isinstance(value, str))
            listed = f" ({', '.join(names[:NAMED_AT_MOST])})" if names else ""
            yield LeakError(
                f"{where}: {_counted(len(shared), what)}{listed} on the {one} and the {other} side",
                [u.id for u in (*here, *there) if key(u) in shared],
                kind,
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class Shared:
    """What the test side of a fold has in common with what the fold is trained and chosen on."""

    fold: str
    num_train: int
    num_development: int
    num_test: int
    num_speakers: int
    """Known speakers of the test side."""
    num_shared_speakers: int
    """Those of them who are on the training or the development side as well."""
    num_sentences: int
    """Known sentences of the test side."""
    num_shared_sentences: int
    num_test_in_shared: int
    """Test utterances whose sentence is on the training or the development side as well."""


def shared(protocol: Protocol) -> tuple[Shared, ...]:
    """Speakers and sentences of each test side that were heard in training, claimed or not.

    Example:
        >>> from serkit.corpus import load, protocol
        >>> fold = shared(protocol("excerpt-5pairs", load("excerpt")))[0]
        >>> fold.num_speakers, fold.num_shared_speakers
        (2, 0)
        >>> fold.num_sentences, fold.num_shared_sentences
        (5, 5)
    """
    counts: list[Shared] = []
    for fold in protocol.folds:
        elsewhere = (*fold.train, *fold.development)
        speakers = {u.speaker for u in fold.test} - {None}
        sentences = {u.sentence for u in fold.test} - {None}
        spoken = sentences & {u.sentence for u in elsewhere}
        counts.append(
            Shared(
                fold=fold.name,
                num_train=len(fold.train),
                num_development=len(fold.development),
                num_test=len(fold.test),
                num_speakers=len(speakers),
                num_shared_speakers=len(speakers & {u.speaker for u in elsewhere}),
                num_sentences=len(sentences),
                num_shared_sentences=len(spoken),
                num_test_in_shared=sum(u.sentence in spoken for u in fold.test),
            )
        )
    return tuple(counts)


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """Whether a corpus can be cut by a protocol, and whether the cut keeps what it claims."""

    protocol: str
    labelled: str = ""
    """What a report must print beside every number."""
    claims: tuple[str, ...] = ()
    """Of ``"speaker"``, ``"sentence"``: what the sides are claimed not to share."""
    folds: tuple[Shared, ...] = ()
    leak: str = ""
    """What stops a run; empty when nothing does."""
    kind: str = ""
    """Of the leak."""
    allowed: tuple[str, ...] = ()
    """Leaks that were found and allowed."""
    unusable: str = ""
    """Why this corpus cannot be cut so; empty when it can."""


def judge(
    name: str, corpus: Corpus, *, allow: Collection[str] = (), read: Read | None = None
) -> Verdict:
    """Cut a corpus by a protocol and check it, and keep what is wrong as words.

    Example:
        >>> from serkit.corpus import load
        >>> judge("excerpt-5pairs", load("excerpt")).leak
        ''
        >>> judge("split", load("excerpt")).unusable[:42]
        'split needs utterances marked train and te'
    """
    try:
        cut = protocol(name, corpus)
    except ProtocolError as error:
        return Verdict(protocol=name, unusable=str(error))
    claims = (("speaker", cut.independent_speaker), ("sentence", cut.independent_sentence))
    leak, kind, allowed = "", "", ()
    try:
        allowed = check(cut, allow=allow, read=read)
    except LeakError as error:
        leak, kind = str(error), error.kind
    return Verdict(
        protocol=name,
        labelled=cut.labelled,
        claims=tuple(claim for claim, is_claimed in claims if is_claimed),
        folds=shared(cut),
        leak=leak,
        kind=kind,
        allowed=allowed,
    )
