"""Who trains, who chooses and who tests: folds as published, or dealt by one fixed rule.

A named protocol is a JSON file in ``protocols/``. Its folds give each side by conditions that must
all hold, minus what stands under ``without`` (conditions, or a list of them):

- ``speakers``, ``sentences``, ``ids``, ``splits``, ``languages``, ``recordings``: a list of names,
  without the ``corpus/`` in front, or one regular expression that is searched for;
- ``emotions``: a list of names;
- ``hash``: of what the others leave, a part by the order of ``SHA-256(salt + ":" + id)``; takes of
  one speaker, sentence and emotion count as one, and emotions are ranked each for itself. One of
  ``first`` (so many of each emotion, half of an emotion with fewer than twice as many), ``share``
  (such as 0.2 of each emotion) or ``every`` (those whose ``rank // step % every`` is ``part``).
  ``unit: "speaker"`` deals speakers, over all emotions; ``name: "file"`` hashes the file's name.

``keep`` takes the same conditions for the whole corpus; where emotions are recognised and there is
no ``label_map``, its ``emotions`` are the scheme. A ``development`` of null says that nothing is
chosen. ``"task": "affect"`` keeps what has affect. No random generator is involved anywhere.
"""

import hashlib
import json
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from serkit.corpus.corpus import Corpus, nearest
from serkit.corpus.scheme import LABEL_MAPS, LabelMap, in_order
from serkit.corpus.scheme import label_map as map_named
from serkit.corpus.utterance import AFFECT, Rating, Utterance

FOLDER = Path(__file__).parent / "protocols"
"""Where the named protocols stand, one JSON file each."""

LOSO_AT_MOST = 6
"""Own data with up to so many speakers is cut speaker by speaker; with more, into five folds."""

GENERIC = ("loso", "kfold-5")
"""Offered for every corpus."""

PATTERNS = ("kfold-K", "text-kfold-K", "speaker-text-kfold-K", "random-kfold-K", "cross-language")
"""Known for every corpus that has the speakers, sentences or languages they need."""

FIELDS: Mapping[str, str] = {
    "speakers": "speaker", "sentences": "sentence", "ids": "id", "splits": "split",
    "languages": "language", "recordings": "recording",
}  # fmt: skip
"""Conditions on what an utterance says of itself."""

SELECTORS = (*FIELDS, "emotions", "hash", "without")
"""The conditions of a side."""

TRANSLATIONS: Mapping[frozenset[str], str] = {
    frozenset({"emodb", "emotale"}): "EmoTale's sentences are translations of Emo-DB's a01, a05, "
    "b02, b10 and a07",
}
"""What two corpora share although they are two."""

Task = Literal["emotion", "affect"]
"""What is recognised: one of the emotions, or values of arousal, valence and dominance."""


TEST_SPLITS = ("test", "test1", "test2")
"""Splits of a corpus that are tested; a third test side keeps its labels to itself."""


class ProtocolError(LookupError):
    """No such protocol, or one that this corpus cannot be cut by."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Fold:
    """One cut of the corpus into three sides."""

    name: str
    train: tuple[Utterance, ...]
    development: tuple[Utterance, ...] = ()
    """Where epochs, thresholds and settings are chosen; taken from the training side."""
    test: tuple[Utterance, ...]

    @property
    def sides(self) -> dict[str, tuple[Utterance, ...]]:
        """The three sides by name."""
        return {"train": self.train, "development": self.development, "test": self.test}

    def refit(self) -> "Fold":
        """The same fold with the development side moved into the training side.

        Example:
            >>> from serkit.corpus import load
            >>> fold = protocol("excerpt-5pairs", load("excerpt")).folds[0]
            >>> refit = fold.refit()
            >>> len(refit.train) == len(fold.train) + len(fold.development), refit.development
            (True, ())
        """
        merged = sorted((*self.train, *self.development), key=lambda utterance: utterance.id)
        return replace(self, train=tuple(merged), development=())


@dataclass(frozen=True, kw_only=True, slots=True)
class Protocol:
    """The folds of one corpus, and what may be claimed of numbers that come from them."""

    name: str
    corpus: str
    """Name of the corpus it was built on."""
    emotions: tuple[str, ...]
    """The scheme, in the order of the logits; none for affect."""
    independent_speaker: bool
    """Claimed: no speaker of a test side is on another side of that fold."""
    independent_sentence: bool
    """Claimed: no sentence of a test side is on another side of that fold."""
    labelled: str
    """What a report must print beside every number."""
    source: str
    """Where the cut comes from."""
    folds: tuple[Fold, ...]
    development_shares: tuple[str, ...] = ()
    """What a development side may share with its training side: ``"speaker"``, ``"sentence"``."""
    dropped: tuple[str, ...] = ()
    """Utterances and folds left out, counted, with the reason."""
    task: Task = "emotion"
    """``"affect"`` keeps every utterance with affect, whatever its emotion; no ``emotions``."""
    label_map: str | None = None
    """The shared map that led to ``emotions``, or None."""

    @property
    def split(self) -> str:
        """16 hex digits that say who was on which side, under which reference.

        SHA-256 over the folds' names, their sides, the ids on them and the reference labels
        (affect with six decimals). Paths, times and the order of anything do not enter: numbers
        with equal hashes come from the same cut, on every machine.

        Example:
            >>> from serkit.corpus import load
            >>> excerpt = load("excerpt")
            >>> protocol("loso", excerpt).split == protocol("kfold-5", excerpt).split
            False
            >>> len(protocol("loso", excerpt).split)
            16
        """
        distinct = {u.id: u for fold in self.folds for side in fold.sides.values() for u in side}
        reference = {id: _reference(utterance, self.task) for id, utterance in distinct.items()}
        sides = sorted(
            (fold.name, side, utterance.id, reference[utterance.id])
            for fold in self.folds
            for side, utterances in fold.sides.items()
            for utterance in utterances
        )
        content = json.dumps([self.task, sides], ensure_ascii=False, separators=(",", ":"))
        return hashlib.sha256(content.encode()).hexdigest()[:16]

    @property
    def speakers(self) -> tuple[str, ...]:
        """The speakers that are tested, sorted."""
        tested = (utterance.speaker for fold in self.folds for utterance in fold.test)
        return tuple(sorted({speaker for speaker in tested if speaker is not None}))


def protocol(
    name: str, corpus: Corpus, *, label_map: str | None = None, task: Task | None = None
) -> Protocol:
    """Cut a corpus by a protocol.

    Every utterance of the result has an emotion of ``Protocol.emotions``; unlabelled utterances
    and emotions outside the scheme are dropped and counted in ``Protocol.dropped``. For affect,
    every utterance that has affect is kept.

    Args:
        name: A named protocol of the corpus, or one for any corpus: ``loso`` (leave one speaker
            out), ``kfold-K`` (K speaker-disjoint folds), ``text-kfold-K`` (K sentence-disjoint
            folds of the same speakers), ``speaker-text-kfold-K`` (K x K cells, both disjoint),
            ``random-kfold-K`` (neither), ``cross-language`` (the tested language and speakers are
            not trained on), or ``split`` (as the corpus itself says). ``/four`` or ``/affect``
            behind it is the same as giving ``label_map`` or ``task``.
        corpus: What to cut.
        label_map: A shared label map instead of the protocol's scheme; the name of the result
            ends in ``/`` and the map.
        task: What is recognised; the protocol's own when None, else the name ends in ``/affect``.

    Raises:
        ProtocolError: Unknown, or the corpus has too few speakers, sentences or languages; the
            message says what is known.
        LookupError: No such label map.

    Example:
        >>> from serkit.corpus import load
        >>> pairs = protocol("excerpt-5pairs", load("excerpt"))
        >>> [fold.name for fold in pairs.folds]
        ['P1', 'P2', 'P3', 'P4', 'P5']
        >>> protocol("loso", load("excerpt")).folds[0].test[0].speaker
        'excerpt/03'
        >>> protocol("loso", load("excerpt"), label_map="four").name
        'loso/four'
    """
    if not corpus.utterances:
        raise ProtocolError(f"corpus {corpus.name} has no utterances, so there is nothing to cut")
    plain, slash, behind = name.rpartition("/")
    if slash and behind in LABEL_MAPS and label_map in (None, behind):
        name, label_map = plain, behind
    elif slash and behind == "affect" and task in (None, behind):
        name, task = plain, "affect"
    mapping = map_named(label_map) if label_map is not None else None
    cutter = _generic(name)
    content = _file(name, corpus) if cutter is None else _ANY
    own: Task = content.get("task", "emotion")
    if mapping is not None and (task or own) == "affect":
        raise ProtocolError(
            f"{name}: a label map ({label_map}) is about emotions, and affect was asked for"
        )
    kept = _keep(corpus, content, mapping, task or own)
    cut = cutter(kept) if cutter is not None else _named(content, kept)
    if mapping is not None and label_map != content["label_map"]:
        cut = replace(cut, name=f"{cut.name}/{label_map}")
    if corpus.rater is not None:  # a choice of labels is seen beside every number
        cut = replace(cut, labelled=f"{cut.labelled}; labels by {corpus.rater}")
    return cut if kept.task == own else replace(cut, name=f"{cut.name}/{kept.task}")


def cross_protocol(
    train: Corpus, test: Corpus, *, label_map: str = "four"
) -> tuple[Corpus, Protocol]:
    """Train on one corpus, test on another, over the emotions of a shared map that both have.

    The first fifth of the training speakers, in the order of ``SHA-256("cross:" + speaker)``, are
    the development side. Nothing of the other corpus is used before the test.

    Args:
        train: Whose speakers train and choose.
        test: All of it is the test side.
        label_map: A shared map; every emotion outside it is dropped.

    Returns:
        Both corpora as one, named ``A+B``, and the protocol ``cross-<map>-A-B``.

    Raises:
        ProtocolError: Fewer than two shared emotions, or too few training speakers.
        LookupError: No such label map.

    Example:
        >>> from dataclasses import replace
        >>> from serkit.corpus import load
        >>> excerpt = load("excerpt")
        >>> strangers = [
        ...     replace(u, id=f"b/{u.id}", speaker=f"b/{u.speaker}") for u in excerpt.utterances
        ... ]
        >>> other = Corpus(name="b", utterances=tuple(strangers))
        >>> both, cut = cross_protocol(excerpt, other)
        >>> both.name, cut.name, len(cut.folds[0].test)
        ('excerpt+b', 'cross-four-excerpt-b', 119)
    """
    if train.name == test.name:
        raise ProtocolError(f"{train.name} cannot be both sides; loso or kfold-5 cut one corpus")
    mapping = map_named(label_map)
    sides = [_in_scheme(corpus.utterances, mapping.emotions, mapping) for corpus in (train, test)]
    found = [{u.emotion() for u in utterances} for utterances, _ in sides]
    emotions = in_order(e for e in mapping.emotions if e in found[0] & found[1])
    if len(emotions) < 2:
        raise ProtocolError(
            f"{train.name} and {test.name} share {len(emotions)} emotion(s) of {label_map}; "
            "it takes two"
        )
    dropped = [
        f"{corpus.name}: {line}"
        for corpus, (_, lines) in zip((train, test), sides, strict=True)
        for line in lines
    ]
    shared: list[list[Utterance]] = []
    for corpus, (utterances, _) in zip((train, test), sides, strict=True):
        shared.append([u for u in utterances if u.emotion() in emotions])
        if gone := Counter(u.emotion() for u in utterances if u.emotion() not in emotions):
            dropped += [
                f"{corpus.name}: {count} utterances: {emotion} is not in both corpora"
                for emotion, count in sorted(gone.items(), key=str)
            ]
    units = hash_order({_unit(u) for u in shared[0]}, salt="cross")
    if len(units) < 2:
        raise ProtocolError(
            f"cross-corpus training needs two speakers of {train.name} (one chooses); "
            f"it has {len(units)}"
        )
    chosen = set(units[: max(1, len(units) // 5)])
    known = all(u.speaker is not None for side in shared for u in side)
    share = TRANSLATIONS.get(frozenset({train.name, test.name}))
    merged = sorted((*train.utterances, *test.utterances), key=lambda utterance: utterance.id)
    corpus = Corpus(
        name=f"{train.name}+{test.name}",
        utterances=tuple(merged),
        problems=(*train.problems, *test.problems),
    )
    return corpus, Protocol(
        name=f"cross-{label_map}-{train.name}-{test.name}",
        corpus=corpus.name,
        emotions=emotions,
        independent_speaker=known,
        independent_sentence=False,
        labelled=(
            f"cross-corpus: trained on {train.name}, tested on {test.name}; classes "
            f"{_in_words(mapping, emotions)}"
            + ("" if known else "; speakers unknown, no independence of speakers is claimed")
            + (f"; {share}" if share else "")
        ),
        source=(
            f"serkit: all of {test.name} tests; the first {len(chosen)} of {len(units)} speakers "
            f"of {train.name} by SHA-256 with salt cross choose"
        ),
        folds=(
            Fold(
                name=f"{train.name}-{test.name}",
                train=tuple(u for u in shared[0] if _unit(u) not in chosen),
                development=tuple(u for u in shared[0] if _unit(u) in chosen),
                test=tuple(shared[1]),
            ),
        ),
        dropped=tuple(dropped),
        label_map=label_map,
    )


def protocol_names(corpus: Corpus) -> tuple[str, ...]:
    """The protocols offered for a corpus: its own, then those for any corpus.

    ``PATTERNS`` are further ones, for those who ask.

    Example:
        >>> from serkit.corpus import load
        >>> protocol_names(load("excerpt"))
        ('excerpt-5pairs', 'loso', 'kfold-5')
    """
    own = corpus.passport.protocols if corpus.passport is not None else ()
    names = [*own, *GENERIC]
    if any(utterance.split is not None for utterance in corpus.utterances):
        names.append("split")
    return tuple(dict.fromkeys(names))


def default_protocol(corpus: Corpus) -> str:
    """The protocol used when nobody names one.

    The first of the corpus's own; for own data ``loso`` with up to six speakers, else ``kfold-5``;
    with two speakers or one, who cannot be kept apart, ``text-kfold-5`` where sentences are known.

    Example:
        >>> from serkit.corpus import load
        >>> default_protocol(load("excerpt"))
        'excerpt-5pairs'
    """
    if corpus.passport is not None and corpus.passport.protocols:
        return corpus.passport.protocols[0]
    known = all(utterance.speaker is not None for utterance in corpus.utterances)
    if known and len(corpus.speakers) < 3 and all(u.sentence for u in corpus.utterances):
        return "text-kfold-5"
    return "loso" if known and len(corpus.speakers) <= LOSO_AT_MOST else "kfold-5"


def hash_order(ids: Iterable[str], *, salt: str) -> list[str]:
    """Ids sorted by ``SHA-256(salt + ":" + id)``: an order without meaning, equal everywhere.

    Example:
        >>> hash_order(["a", "b", "c"], salt="kfold") == hash_order(["c", "b", "a"], salt="kfold")
        True
    """
    return sorted(
        ids,
        key=lambda id: hashlib.sha256(
            f"{salt}:{id}".encode("utf-8", "surrogateescape")
        ).hexdigest(),
    )


def _translated(utterance: Utterance, mapping: LabelMap) -> Utterance:
    """The utterance with its ratings in the scheme of the map."""
    ratings: list[Rating] = []
    for rating in utterance.ratings:
        emotion: dict[str, float] = defaultdict(float)
        for name, probability in rating.emotion.items():
            target = mapping(name)
            if target is not None:
                emotion[target] += probability
        total = sum(emotion.values())
        shares = {name: value / total for name, value in emotion.items()} if total > 0 else {}
        ratings.append(replace(rating, emotion=shares))
    return replace(utterance, ratings=tuple(ratings))


def _in_scheme(
    utterances: Iterable[Utterance], emotions: Sequence[str], mapping: LabelMap | None
) -> tuple[list[Utterance], tuple[str, ...]]:
    """Utterances with an emotion of the scheme, by id, and a line per reason for the others."""
    kept: list[Utterance] = []
    reasons: Counter[str] = Counter()
    for utterance in sorted(utterances, key=lambda utterance: utterance.id):
        emotion = utterance.emotion()
        if emotion is None:
            reasons["no emotion"] += 1
        elif mapping is not None and mapping(emotion) is None:
            reasons[f"{emotion} is outside the scheme {mapping.name}"] += 1
        elif mapping is None and emotion not in emotions:
            reasons[f"{emotion} is outside the scheme"] += 1
        else:
            kept.append(utterance if mapping is None else _translated(utterance, mapping))
    lines = tuple(f"{count} utterances: {reason}" for reason, count in sorted(reasons.items()))
    return kept, lines


@dataclass(frozen=True, kw_only=True, slots=True)
class _Kept:
    """What of a corpus is cut, and what that is called."""

    corpus: Corpus
    utterances: list[Utterance]
    emotions: tuple[str, ...]
    dropped: tuple[str, ...]
    task: Task
    label_map: str | None


_ANY: Mapping[str, Any] = {"label_map": None, "keep": None}
"""What a protocol for any corpus keeps: every emotion it has."""


def _keep(
    corpus: Corpus, content: Mapping[str, Any], mapping: LabelMap | None, task: Task
) -> _Kept:
    """The utterances that a protocol cuts, by id, and a line per reason for the others."""
    conditions = dict(content["keep"] or {})
    wanted: Sequence[str] | None = None
    if content.get("task", "emotion") == "emotion":  # there they are the scheme, with its messages
        wanted = conditions.pop("emotions", None)
    utterances = _meeting(conditions, corpus.utterances, corpus.name)
    dropped: tuple[str, ...] = ()
    if len(utterances) < len(corpus.utterances):
        dropped = (
            f"{len(corpus.utterances) - len(utterances)} utterances: outside the filter "
            + ", ".join(f"{name} {value}" for name, value in conditions.items()),
        )
    if mapping is None and content["label_map"] is not None:
        mapping = map_named(content["label_map"])
    if task == "affect":
        emotions, mapping = (), None
        utterances = sorted(utterances, key=lambda utterance: utterance.id)
        without = sum(not utterance.affect() for utterance in utterances)
        utterances = [utterance for utterance in utterances if utterance.affect()]
        if not utterances:
            raise ProtocolError(
                f"no utterance of {corpus.name} has affect ({', '.join(AFFECT)}); "
                "emotions can be recognised, or give these columns"
            )
        reasons = (f"{without} utterances: no affect",) if without else ()
    else:
        if mapping is not None:
            emotions = mapping.emotions
        elif wanted is not None:
            emotions = in_order(wanted)
        else:
            emotions = tuple(emotion for emotion in corpus.emotions if emotion != "no_agreement")
        utterances, reasons = _in_scheme(utterances, emotions, mapping)
        if content is _ANY:
            present = {utterance.emotion() for utterance in utterances}
            emotions = tuple(emotion for emotion in emotions if emotion in present)
        if len(emotions) < 2:
            raise ProtocolError(
                f"corpus {corpus.name} has {len(emotions)} emotion(s) {', '.join(emotions)}"
                + (f" of {mapping.name}" if mapping is not None else "")
                + "; to recognise anything it takes two"
            )
    return _Kept(
        corpus=corpus,
        utterances=utterances,
        emotions=emotions,
        dropped=(*dropped, *reasons),
        task=task,
        label_map=mapping.name if mapping is not None else None,
    )


def _meeting(
    conditions: Mapping[str, Any], utterances: Iterable[Utterance], corpus: str
) -> list[Utterance]:
    """The utterances that meet every condition; see the top of this file."""
    if unknown := sorted(set(conditions) - set(SELECTORS)):
        raise ProtocolError(
            f"a side is chosen by {', '.join(SELECTORS)}, not by {', '.join(unknown)}"
        )

    found = list(utterances)
    for key, field in FIELDS.items():
        wanted: Any = conditions.get(key)
        if isinstance(wanted, str):
            pattern = re.compile(wanted)
            found = [u for u in found if pattern.search(getattr(u, field) or "")]
        elif wanted is not None:
            names = {*wanted, *(f"{corpus}/{name}" for name in wanted)}
            found = [u for u in found if getattr(u, field) in names]
    if "emotions" in conditions:
        found = [u for u in found if u.emotion() in conditions["emotions"]]
    if "hash" in conditions:
        found = _by_hash(conditions["hash"], found)
    without: Any = conditions.get("without", ())
    excluded = {
        utterance.id
        for part in ([without] if isinstance(without, Mapping) else without)
        for utterance in _meeting(part, utterances, corpus)
    }
    return [utterance for utterance in found if utterance.id not in excluded]


def _by_hash(rule: Mapping[str, Any], utterances: Iterable[Utterance]) -> list[Utterance]:
    """A part of the utterances by the order of a hash; see the top of this file."""
    by_speaker, by_file = rule.get("unit") == "speaker", rule.get("name") == "file"
    takes: defaultdict[str, defaultdict[str, list[Utterance]]] = defaultdict(
        lambda: defaultdict(list)
    )
    for utterance in utterances:
        if by_speaker:
            takes[""][_unit(utterance)].append(utterance)
        else:
            emotion = utterance.emotion() or ""
            takes[emotion][_take(utterance, emotion)].append(utterance)
    chosen: set[str] = set()
    for units in takes.values():
        if by_speaker:
            ids = {name: [u.id for u in unit] for name, unit in units.items()}
        else:
            ids = {
                min(u.path.stem if by_file else u.id for u in unit): [u.id for u in unit]
                for unit in units.values()
            }
        order = hash_order(ids, salt=rule["salt"])
        if "first" in rule:
            order = order[: min(rule["first"], len(order) // 2)]
        elif "share" in rule:
            order = order[: int(rule["share"] * len(order) + 1e-9)]  # 0.3 of 10 is 3, not 2.99
        else:
            every, part, step = rule["every"], rule["part"], rule.get("step", 1)
            order = [name for rank, name in enumerate(order) if rank // step % every == part]
        chosen.update(id for name in order for id in ids[name])
    return [utterance for utterance in utterances if utterance.id in chosen]


def _take(utterance: Utterance, emotion: str) -> str:
    """What repetitions of one speaker, sentence and emotion have in common."""
    if utterance.speaker is None or utterance.sentence is None:
        return utterance.id
    return f"{utterance.speaker} {utterance.sentence} {emotion}"


def _reference(utterance: Utterance, task: Task) -> str:
    """The reference as it enters a hash."""
    if task == "emotion":
        return utterance.emotion() or ""
    return " ".join(f"{name}={value:.6f}" for name, value in sorted(utterance.affect().items()))


def _in_words(mapping: LabelMap, emotions: Sequence[str]) -> str:
    """``anger, happiness (also excitement)``: the classes, and what was merged into them."""
    words: list[str] = []
    for emotion in emotions:
        also = [name for name, to in mapping.mapping.items() if to == emotion and name != emotion]
        words.append(f"{emotion} (also {', '.join(also)})" if also else emotion)
    return ", ".join(words)


def _file(name: str, corpus: Corpus) -> Mapping[str, Any]:
    """The JSON of a named protocol of this corpus."""
    path = FOLDER / f"{name}.json"
    known = protocol_names(corpus)
    listed = f"for {corpus.name} there are {', '.join(known)}"
    if re.fullmatch(r"[\w.-]+", name) is None or not path.is_file():
        raise ProtocolError(
            f"no protocol {name!r}; {listed}, and {', '.join(PATTERNS)} with K from 3"
            f"{nearest(name, [*known, *PATTERNS])}"
        )
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    passport = corpus.passport.name if corpus.passport is not None else corpus.name
    if content["corpus"] not in (corpus.name, passport):
        raise ProtocolError(
            f"{name} is a protocol of {content['corpus']}, not of {corpus.name}; {listed}"
        )
    return content


def _generic(name: str) -> "Callable[[_Kept], Protocol] | None":
    """How any corpus is cut by a protocol of this name."""
    whole: dict[str, Callable[[_Kept], Protocol]] = {
        "loso": _loso, "split": _split, "cross-language": _cross_language
    }  # fmt: skip
    if name in whole:
        return whole[name]
    match = re.fullmatch(r"((?:speaker-)?text-|random-|)kfold-(\d+)", name)
    if match is None:
        return None
    cutters = {
        "": _kfold, "text-": _text_kfold, "speaker-text-": _speaker_text_kfold,
        "random-": _random_kfold,
    }  # fmt: skip
    cutter, num_folds = cutters[match[1]], int(match[2])
    return lambda kept: cutter(kept, num_folds)


def _named(content: Mapping[str, Any], kept: _Kept) -> Protocol:
    corpus = kept.corpus
    sides = [
        (str(side["name"]), {part: side[part] for part in ("train", "development", "test")})
        for side in content["folds"]
    ]
    folds, empty = _by_conditions(sides, kept)
    if not folds:
        raise ProtocolError(
            f"{content['name']}: every fold has an empty side in this copy of {corpus.name} "
            f"({len(corpus.utterances)} utterances, {len(corpus.speakers)} speakers); "
            "use loso or kfold-K, or complete the corpus"
        )
    return Protocol(
        name=content["name"],
        corpus=corpus.name,
        emotions=kept.emotions,
        independent_speaker=content["independent"]["speaker"],
        independent_sentence=content["independent"]["sentence"],
        labelled=content["labelled"],
        source=content["source"],
        folds=folds,
        development_shares=tuple(content.get("development_shares", ())),
        dropped=(*kept.dropped, *empty),
        task=kept.task,
        label_map=kept.label_map,
    )


def _by_conditions(
    sides: Sequence[tuple[str, Mapping[str, Any]]], kept: _Kept
) -> tuple[tuple[Fold, ...], tuple[str, ...]]:
    """Folds whose sides are given by conditions, and a line for each that has an empty side."""
    folds = [
        Fold(
            name=name,
            **{
                side: tuple(_meeting(wanted, kept.utterances, kept.corpus.name))
                for side, wanted in conditions.items()
                if wanted is not None
            },
        )
        for name, conditions in sides
    ]
    unchosen = {name for name, conditions in sides if conditions["development"] is None}
    return _whole(folds, unchosen=unchosen)


def _whole(
    folds: Iterable[Fold], *, unchosen: Collection[str] = ()
) -> tuple[tuple[Fold, ...], tuple[str, ...]]:
    """Folds without an empty side, and a line for each of the others.

    Those of ``unchosen`` have no development side on purpose.
    """
    whole: list[Fold] = []
    notes: list[str] = []
    for fold in folds:
        empty = [side for side, utterances in fold.sides.items() if not utterances]
        if fold.name in unchosen:
            empty.remove("development")
        if empty:
            notes.append(f"fold {fold.name}: nothing on the {' and '.join(empty)} side")
        else:
            whole.append(fold)
    return tuple(whole), tuple(notes)


def _about(corpus: Corpus, utterances: Sequence[Utterance]) -> tuple[bool, str]:
    """Whether speaker independence may be claimed, and what the report prints."""
    unknown = sum(utterance.speaker is None for utterance in utterances)
    if unknown:
        return False, (
            f"speakers unknown ({unknown} of {len(utterances)} utterances of {corpus.name}): "
            "no independence of speakers is claimed"
        )
    return True, "speaker-independent; sentences may be shared by all sides"


def _unit(utterance: Utterance) -> str:
    """What is never divided: a speaker; of unknown speakers, a recording."""
    return utterance.speaker or utterance.recording or f"file {utterance.path}"


def _parts(counts: Mapping[str, int], num_parts: int, *, salt: str) -> dict[str, str]:
    """Deal names to parts ``"1"``, ``"2"``, ... of balanced size; equal counts in hash order."""
    order = hash_order(counts, salt=salt)
    order.sort(key=lambda name: -counts[name])  # stable: equals stay in hash order
    sizes = [0] * num_parts
    part: dict[str, str] = {}
    for name in order:  # the largest first, each to the smallest part so far
        smallest = min(range(num_parts), key=sizes.__getitem__)
        sizes[smallest] += counts[name]
        part[name] = str(smallest + 1)
    return part


def _next(part: str, num_parts: int) -> str:
    return str(int(part) % num_parts + 1)


def _in_parts(
    utterances: Iterable[Utterance], part_of: Callable[[Utterance], str], num_parts: int
) -> tuple[Fold, ...]:
    """Each part tests once; the next one chooses, the others train."""
    parts: defaultdict[str, list[Utterance]] = defaultdict(list)
    for utterance in utterances:
        parts[part_of(utterance)].append(utterance)
    folds: list[Fold] = []
    for name in map(str, range(1, num_parts + 1)):
        development = _next(name, num_parts)
        rest = [u for part in sorted(parts) if part not in (name, development) for u in parts[part]]
        folds.append(
            Fold(
                name=name,
                train=tuple(sorted(rest, key=lambda utterance: utterance.id)),
                development=tuple(parts[development]),
                test=tuple(parts[name]),
            )
        )
    return tuple(folds)


def _cut(
    kept: _Kept,
    folds: Iterable[Fold],
    *,
    name: str,
    speaker: bool,
    sentence: bool,
    labelled: str,
    source: str,
    development_shares: tuple[str, ...] = (),
    notes: tuple[str, ...] = (),
) -> Protocol:
    """A protocol for any corpus."""
    return Protocol(
        name=name,
        corpus=kept.corpus.name,
        emotions=kept.emotions,
        independent_speaker=speaker,
        independent_sentence=sentence,
        labelled=labelled,
        source=source,
        folds=tuple(folds),
        development_shares=development_shares,
        dropped=(*kept.dropped, *notes),
        task=kept.task,
        label_map=kept.label_map,
    )


def _loso(kept: _Kept) -> Protocol:
    corpus, utterances = kept.corpus, kept.utterances
    claimed, labelled = _about(corpus, utterances)
    speakers = sorted({u.speaker for u in utterances if u.speaker is not None})
    if not claimed:
        raise ProtocolError(
            f"loso needs to know every speaker; {labelled}; give a speaker column or a speaker "
            "pattern, or use kfold-5"
        )
    if len(speakers) < 3:
        raise ProtocolError(
            f"loso needs three speakers (one tests, one chooses, one trains); corpus {corpus.name} "
            f"has {len(speakers)}: {', '.join(speakers)}"
        )
    num_development = max(1, len(speakers) // 5)
    folds: list[Fold] = []
    for number, speaker in enumerate(speakers):
        after = [speakers[(number + step) % len(speakers)] for step in range(1, len(speakers))]
        chosen = set(after[:num_development])
        folds.append(
            Fold(
                name=speaker.removeprefix(f"{corpus.name}/"),
                train=tuple(u for u in utterances if u.speaker not in chosen | {speaker}),
                development=tuple(u for u in utterances if u.speaker in chosen),
                test=tuple(u for u in utterances if u.speaker == speaker),
            )
        )
    return _cut(
        kept,
        folds,
        name="loso",
        speaker=True,
        sentence=False,
        labelled=labelled,
        source=(
            f"serkit: leave one speaker out, speakers in the order of their ids; development on "
            f"the next {num_development}"
        ),
    )


def _kfold(kept: _Kept, num_folds: int) -> Protocol:
    claimed, labelled = _about(kept.corpus, kept.utterances)
    counts = Counter(_unit(utterance) for utterance in kept.utterances)
    what = "speakers" if claimed else "speakers or recordings"
    _check_num_folds(f"kfold-{num_folds}", num_folds, len(counts), what, kept.corpus)
    part = _parts(counts, num_folds, salt="kfold")
    return _cut(
        kept,
        _in_parts(kept.utterances, lambda utterance: part[_unit(utterance)], num_folds),
        name=f"kfold-{num_folds}",
        speaker=claimed,
        sentence=False,
        labelled=labelled,
        source=(
            f"serkit: {num_folds} speaker-disjoint parts of balanced size, ties by SHA-256 with "
            "salt kfold; development on the next part"
        ),
    )


def _text_kfold(kept: _Kept, num_folds: int) -> Protocol:
    name = f"text-kfold-{num_folds}"
    counts = _sentences(kept, name)
    _check_num_folds(name, num_folds, len(counts), "sentences", kept.corpus)
    part = _parts(counts, num_folds, salt="text-kfold")
    return _cut(
        kept,
        _in_parts(kept.utterances, lambda utterance: part[utterance.sentence or ""], num_folds),
        name=name,
        speaker=False,
        sentence=True,
        labelled="text-independent; speaker-dependent (speakers are on all sides)",
        source=(
            f"serkit: {num_folds} sentence-disjoint parts of balanced size, ties by SHA-256 with "
            "salt text-kfold; development on the next part"
        ),
    )


def _speaker_text_kfold(kept: _Kept, num_folds: int) -> Protocol:
    name, corpus = f"speaker-text-kfold-{num_folds}", kept.corpus
    sentences = _sentences(kept, name)
    claimed, labelled = _about(corpus, kept.utterances)
    if not claimed:
        raise ProtocolError(f"{name} needs to know every speaker; {labelled}; use text-kfold-K")
    speakers = Counter(_unit(utterance) for utterance in kept.utterances)
    fewest = min(len(speakers), len(sentences))
    what = "speakers" if len(speakers) <= len(sentences) else "sentences"
    _check_num_folds(name, num_folds, fewest, what, corpus)
    voice = _parts(speakers, num_folds, salt="kfold")
    text = _parts(sentences, num_folds, salt="text-kfold")
    cells: defaultdict[tuple[str, str], list[Utterance]] = defaultdict(list)
    for utterance in kept.utterances:
        cells[voice[_unit(utterance)], text[utterance.sentence or ""]].append(utterance)
    numbers = [str(number) for number in range(1, num_folds + 1)]
    folds, empty = _whole(
        Fold(
            name=f"speakers-{p}-sentences-{q}",
            train=tuple(
                sorted(
                    (
                        u
                        for (speaker, sentence), cell in cells.items()
                        if speaker != p
                        and sentence != q
                        and (speaker, sentence) != (_next(p, num_folds), _next(q, num_folds))
                        for u in cell
                    ),
                    key=lambda utterance: utterance.id,
                )
            ),
            development=tuple(cells[_next(p, num_folds), _next(q, num_folds)]),
            test=tuple(cells[p, q]),
        )
        for p in numbers
        for q in numbers
    )
    if not folds:
        raise ProtocolError(
            f"{name}: every cell of speakers and sentences of {corpus.name} leaves a side empty; "
            "use kfold-K or text-kfold-K"
        )
    return _cut(
        kept,
        folds,
        name=name,
        speaker=True,
        sentence=True,
        labelled=(
            "speaker- and text-independent; the development side shares its speakers and its "
            "sentences, but no utterance and no pair of the two, with the training side"
        ),
        source=(
            f"serkit: {num_folds} parts of the speakers by {num_folds} parts of the sentences; "
            "development on the cell of the next parts"
        ),
        development_shares=("speaker", "sentence"),
        notes=empty,
    )


def _random_kfold(kept: _Kept, num_folds: int) -> Protocol:
    name = f"random-kfold-{num_folds}"
    takes: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for utterance in kept.utterances:
        emotion = utterance.emotion() or ""
        takes[emotion, _take(utterance, emotion)].append(utterance.id)
    _check_num_folds(name, num_folds, len(takes), "takes", kept.corpus)
    first = {take: min(ids) for take, ids in takes.items()}
    # One row, emotion after emotion and each in hash order: dealing from it keeps emotions even,
    # and parts too, however few takes an emotion has.
    rank = {id: number for number, id in enumerate(hash_order(first.values(), salt=name))}
    order = sorted(takes, key=lambda take: (take[0], rank[first[take]]))
    folds: list[Fold] = []
    for number in range(num_folds):
        side = dict.fromkeys(order[number::num_folds], "test")
        rest = [take for take in order if take not in side]
        # The first take of an emotion trains, so that choosing never costs the training an emotion.
        trains = {take[0]: take for take in reversed(rest)}.values()
        free = [take for take in rest if take not in trains] or rest
        tenth = max(1, len(rest) // 10)
        side |= {free[n * len(free) // tenth]: "development" for n in range(tenth)}
        side_of = {id: side.get(take, "train") for take in order for id in takes[take]}
        sides: dict[str, list[Utterance]] = {"train": [], "development": [], "test": []}
        for utterance in kept.utterances:
            sides[side_of[utterance.id]].append(utterance)
        folds.append(
            Fold(name=str(number + 1), **{what: tuple(part) for what, part in sides.items()})
        )
    return _cut(
        kept,
        folds,
        name=name,
        speaker=False,
        sentence=False,
        labelled=(
            "speaker-dependent, text-dependent: the same speakers and sentences are on all sides; "
            "not comparable with speaker-independent numbers"
        ),
        source=(
            f"serkit: takes, emotion after emotion and each by SHA-256 with salt {name}; every "
            f"{num_folds}th tests, and of the others a tenth (at least one), evenly from the same "
            "order, chooses"
        ),
        development_shares=("speaker", "sentence"),
    )


def _cross_language(kept: _Kept) -> Protocol:
    corpus = kept.corpus
    unknown = sum(utterance.language is None for utterance in kept.utterances)
    claimed, labelled = _about(corpus, kept.utterances)
    if unknown or not claimed:
        missing = f"{unknown} of {len(kept.utterances)} have no language" if unknown else labelled
        raise ProtocolError(
            f"cross-language needs to know every language and speaker of {corpus.name}; {missing}"
        )
    languages = sorted({utterance.language or "" for utterance in kept.utterances})
    if len(languages) < 2:
        raise ProtocolError(
            f"cross-language needs two languages; all of {corpus.name} is in {languages[0]}"
        )
    found = [{u.emotion() for u in kept.utterances if u.language == code} for code in languages]
    common = set.intersection(*found)
    notes: tuple[str, ...] = ()
    if kept.task == "emotion" and len(common) < len(kept.emotions):
        emotions = tuple(emotion for emotion in kept.emotions if emotion in common)
        if len(emotions) < 2:
            raise ProtocolError(
                f"the languages of {corpus.name} share {len(emotions)} emotion(s); it takes two"
            )
        gone = [emotion for emotion in kept.emotions if emotion not in common]
        utterances = [u for u in kept.utterances if u.emotion() in common]
        notes = (
            f"{len(kept.utterances) - len(utterances)} utterances: not every language has "
            + ", ".join(gone),
        )
        kept = replace(kept, emotions=emotions, utterances=utterances)
    counts = Counter(_unit(utterance) for utterance in kept.utterances)
    num_parts = min(5, len(counts))
    _check_num_folds("cross-language", num_parts, len(counts), "speakers", corpus)
    part = _parts(counts, num_parts, salt="cross-language")
    spoken = {(u.speaker, u.language) for u in kept.utterances}
    together = len(spoken) > len(counts)  # somebody speaks two
    folds: list[Fold] = []
    for code in languages:
        heard = [u for u in kept.utterances if u.language != code]
        tested = [u for u in kept.utterances if u.language == code]
        if together:
            # the speakers of the part that tests, and of the one that chooses, train in no language
            for number in map(str, range(1, num_parts + 1)):
                after = _next(number, num_parts)
                folds.append(
                    Fold(
                        name=f"{code}-{number}",
                        train=tuple(u for u in heard if part[_unit(u)] not in (number, after)),
                        development=tuple(u for u in heard if part[_unit(u)] == after),
                        test=tuple(u for u in tested if part[_unit(u)] == number),
                    )
                )
            continue
        order = hash_order({_unit(u) for u in heard}, salt="cross-language")
        chosen = set(order[: max(1, len(order) // 5)])
        folds.append(
            Fold(
                name=code,
                train=tuple(u for u in heard if _unit(u) not in chosen),
                development=tuple(u for u in heard if _unit(u) in chosen),
                test=tuple(tested),
            )
        )
    whole, empty = _whole(folds)
    if not whole:
        raise ProtocolError(
            f"cross-language: {corpus.name} has too few speakers per language "
            f"({', '.join(languages)}) for three sides"
        )
    return _cut(
        kept,
        whole,
        name="cross-language",
        speaker=True,
        sentence=False,
        labelled=(
            f"speaker-independent; tested in a language that was not trained on "
            f"({', '.join(languages)})"
        ),
        source=(
            "serkit: each language is tested once, trained on the others; "
            + (
                f"{num_parts} parts of the speakers, development on the next part"
                if together
                else "the first fifth of the speakers by SHA-256 with salt cross-language choose"
            )
        ),
        notes=(*notes, *empty),
    )


def _sentences(kept: _Kept, name: str) -> Counter[str]:
    """How often each sentence is said, once every utterance is known to have one."""
    unknown = sum(utterance.sentence is None for utterance in kept.utterances)
    if unknown:
        raise ProtocolError(
            f"{name} needs to know what is said; {unknown} of {len(kept.utterances)} utterances of "
            f"{kept.corpus.name} have no sentence; give a sentence column, or use kfold-K"
        )
    return Counter(utterance.sentence or "" for utterance in kept.utterances)


def _check_num_folds(name: str, num_folds: int, most: int, what: str, corpus: Corpus) -> None:
    if not 3 <= num_folds <= most:
        raise ProtocolError(
            f"{name}: K is at least 3 (one part tests, one chooses, the others train) "
            f"and at most the number of {what}, {most} in corpus {corpus.name}"
        )


def _split(kept: _Kept) -> Protocol:
    corpus, utterances = kept.corpus, kept.utterances
    names = {"train": ("train",), "development": ("development",), "test": TEST_SPLITS}
    sides = {side: [u for u in utterances if u.split in splits] for side, splits in names.items()}
    if not sides["train"] or not sides["test"]:
        raise ProtocolError(
            f"split needs utterances marked train and test; corpus {corpus.name} has "
            + ", ".join(f"{len(chosen)} {name}" for name, chosen in sides.items())
        )
    source = "the split of the corpus itself"
    if not sides["development"]:
        units = hash_order({_unit(u) for u in sides["train"]}, salt="split")
        if len(units) < 2:
            raise ProtocolError("split needs a development side, or two training speakers")
        chosen = set(units[: max(1, len(units) // 5)])
        sides["development"] = [u for u in sides["train"] if _unit(u) in chosen]
        sides["train"] = [u for u in sides["train"] if _unit(u) not in chosen]
        source += "; development is the first fifth of the training speakers by SHA-256, salt split"
    unmarked = sum(u.split is None for u in utterances)
    claimed, labelled = _about(corpus, utterances)
    tested = {u.speaker for u in sides["test"]}
    elsewhere = {u.speaker for u in (*sides["train"], *sides["development"])}
    shared = sorted(speaker for speaker in tested & elsewhere if speaker is not None)
    if claimed and shared:
        claimed = False
        labelled = (
            f"speaker-dependent: {len(shared)} test speakers are also trained on, the first is "
            f"{shared[0]}"
        )
    training = {u.speaker for u in sides["train"]} - {None}
    choosing = {u.speaker for u in sides["development"]} - {None}
    fold = Fold(
        name="split",
        train=tuple(sides["train"]),
        development=tuple(sides["development"]),
        test=tuple(sides["test"]),
    )
    return _cut(
        kept,
        [fold],
        name="split",
        speaker=claimed,
        sentence=False,
        labelled=labelled,
        source=source,
        development_shares=("speaker",) if training & choosing else (),
        notes=(f"{unmarked} utterances: no split",) if unmarked else (),
    )
