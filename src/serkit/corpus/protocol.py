"""Who trains, who chooses and who tests: folds as published, or dealt by one fixed rule.

A named protocol is a JSON file in ``protocols/``. Its folds give each side as speakers, sentences
or ids (all conditions given must hold), minus what stands under ``without``. No random generator
is involved: where an order is needed, ids are sorted by ``SHA-256(salt + ":" + id)``.
"""

import hashlib
import json
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from serkit.corpus.corpus import Corpus, nearest
from serkit.corpus.scheme import LabelMap, in_order, label_map
from serkit.corpus.utterance import Rating, Utterance

FOLDER = Path(__file__).parent / "protocols"
"""Where the named protocols stand, one JSON file each."""

LOSO_AT_MOST = 6
"""Own data with up to so many speakers is cut speaker by speaker; with more, into five folds."""

GENERIC = ("loso", "kfold-5")


class ProtocolError(LookupError):
    """No such protocol, or one that this corpus cannot be cut by."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Fold:
    """One cut of the corpus into three sides."""

    name: str
    train: tuple[Utterance, ...]
    development: tuple[Utterance, ...]
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
    """The scheme, in the order of the logits."""
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

    @property
    def speakers(self) -> tuple[str, ...]:
        """The speakers that are tested, sorted."""
        tested = (utterance.speaker for fold in self.folds for utterance in fold.test)
        return tuple(sorted({speaker for speaker in tested if speaker is not None}))


def protocol(name: str, corpus: Corpus) -> Protocol:
    """Cut a corpus by a protocol.

    Every utterance of the result has an emotion of ``Protocol.emotions``; unlabelled utterances
    and emotions outside the scheme are dropped and counted in ``Protocol.dropped``.

    Args:
        name: A named protocol of the corpus; ``loso`` (leave one speaker out), ``kfold-K`` (K
            speaker-disjoint folds) or ``split`` (as the corpus itself says).
        corpus: What to cut.

    Raises:
        ProtocolError: Unknown, or the corpus has too few speakers; the message says what is known.

    Example:
        >>> from serkit.corpus import load
        >>> pairs = protocol("excerpt-5pairs", load("excerpt"))
        >>> [fold.name for fold in pairs.folds]
        ['P1', 'P2', 'P3', 'P4', 'P5']
        >>> protocol("loso", load("excerpt")).folds[0].test[0].speaker
        'excerpt/03'
    """
    if not corpus.utterances:
        raise ProtocolError(f"corpus {corpus.name} has no utterances, so there is nothing to cut")
    if name == "loso":
        return _loso(corpus)
    if name == "split":
        return _split(corpus)
    if match := re.fullmatch(r"kfold-(\d+)", name):
        return _kfold(corpus, int(match[1]))
    path = FOLDER / f"{name}.json"
    known = protocol_names(corpus)
    if re.fullmatch(r"[\w-]+", name) is None or not path.is_file():
        raise ProtocolError(
            f"no protocol {name!r}; for {corpus.name} there are {', '.join(known)}, "
            f"and kfold-K for any K of 3 or more{nearest(name, known)}"
        )
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    if content["corpus"] != corpus.name:
        raise ProtocolError(
            f"{name} is a protocol of {content['corpus']}, not of {corpus.name}; "
            f"for {corpus.name} there are {', '.join(known)}"
        )
    return _named(content, corpus)


def protocol_names(corpus: Corpus) -> tuple[str, ...]:
    """The protocols a corpus can be cut by: its own, then the generic ones.

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

    The first of the corpus's own; for own data ``loso`` with up to six speakers, else ``kfold-5``.

    Example:
        >>> from serkit.corpus import load
        >>> default_protocol(load("excerpt"))
        'excerpt-5pairs'
    """
    if corpus.passport is not None and corpus.passport.protocols:
        return corpus.passport.protocols[0]
    known = all(utterance.speaker is not None for utterance in corpus.utterances)
    return "loso" if known and len(corpus.speakers) <= LOSO_AT_MOST else "kfold-5"


def hash_order(ids: Iterable[str], *, salt: str) -> list[str]:
    """Ids sorted by ``SHA-256(salt + ":" + id)``: an order without meaning, equal everywhere.

    Example:
        >>> hash_order(["a", "b", "c"], salt="kfold") == hash_order(["c", "b", "a"], salt="kfold")
        True
    """
    return sorted(ids, key=lambda id: hashlib.sha256(f"{salt}:{id}".encode()).hexdigest())


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


def _chosen(
    side: Mapping[str, Any], utterances: Sequence[Utterance], corpus: str
) -> tuple[Utterance, ...]:
    """What a side of a JSON fold describes."""

    def meeting(conditions: Mapping[str, Any]) -> list[Utterance]:
        speakers = {f"{corpus}/{name}" for name in conditions.get("speakers", ())}
        sentences = set(conditions.get("sentences", ()))
        ids = {f"{corpus}/{name}" for name in conditions.get("ids", ())}
        return [
            utterance
            for utterance in utterances
            if ("speakers" not in conditions or utterance.speaker in speakers)
            and ("sentences" not in conditions or utterance.sentence in sentences)
            and ("ids" not in conditions or utterance.id in ids)
        ]

    without = {u.id for u in meeting(side["without"])} if "without" in side else set[str]()
    return tuple(utterance for utterance in meeting(side) if utterance.id not in without)


def _named(content: Mapping[str, Any], corpus: Corpus) -> Protocol:
    mapping = label_map(content["label_map"]) if content["label_map"] is not None else None
    emotions = in_order(content["keep"]["emotions"]) if mapping is None else mapping.emotions
    utterances, dropped = _in_scheme(corpus.utterances, emotions, mapping)
    folds: list[Fold] = []
    notes: list[str] = list(dropped)
    for side in content["folds"]:
        fold = Fold(
            name=side["name"],
            train=_chosen(side["train"], utterances, corpus.name),
            development=_chosen(side["development"], utterances, corpus.name),
            test=_chosen(side["test"], utterances, corpus.name),
        )
        empty = [name for name, chosen in fold.sides.items() if not chosen]
        if empty:
            notes.append(f"fold {fold.name}: nothing on the {' and '.join(empty)} side")
        else:
            folds.append(fold)
    if not folds:
        raise ProtocolError(
            f"{content['name']}: every fold has an empty side in this copy of {corpus.name} "
            f"({len(corpus.utterances)} utterances, {len(corpus.speakers)} speakers); "
            "use loso or kfold-K, or complete the corpus"
        )
    return Protocol(
        name=content["name"],
        corpus=corpus.name,
        emotions=emotions,
        independent_speaker=content["independent"]["speaker"],
        independent_sentence=content["independent"]["sentence"],
        labelled=content["labelled"],
        source=content["source"],
        folds=tuple(folds),
        development_shares=tuple(content.get("development_shares", ())),
        dropped=tuple(notes),
    )


def _labelled(corpus: Corpus) -> tuple[list[Utterance], tuple[str, ...], tuple[str, ...]]:
    """Utterances, scheme and drops of a generic protocol: every emotion the corpus has."""
    emotions = tuple(emotion for emotion in corpus.emotions if emotion != "no_agreement")
    if len(emotions) < 2:
        raise ProtocolError(
            f"corpus {corpus.name} has {len(emotions)} emotion(s) {', '.join(emotions)}; "
            "to recognise anything it takes two"
        )
    utterances, dropped = _in_scheme(corpus.utterances, emotions, None)
    return utterances, emotions, dropped


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


def _by_unit(
    units: Mapping[str, str], utterances: Iterable[Utterance], names: Sequence[str], number: int
) -> Fold:
    """Test on part ``number``, choose on the next, train on the others."""
    test, development = names[number], names[(number + 1) % len(names)]

    def part(holds: Callable[[str], bool]) -> tuple[Utterance, ...]:
        return tuple(u for u in utterances if holds(units[_unit(u)]))

    return Fold(
        name=test,
        train=part(lambda name: name not in (test, development)),
        development=part(lambda name: name == development),
        test=part(lambda name: name == test),
    )


def _loso(corpus: Corpus) -> Protocol:
    utterances, emotions, dropped = _labelled(corpus)
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
    return Protocol(
        name="loso",
        corpus=corpus.name,
        emotions=emotions,
        independent_speaker=True,
        independent_sentence=False,
        labelled=labelled,
        source=(
            f"serkit: leave one speaker out, speakers in the order of their ids; development on "
            f"the next {num_development}"
        ),
        folds=tuple(folds),
        dropped=dropped,
    )


def _kfold(corpus: Corpus, num_folds: int) -> Protocol:
    utterances, emotions, dropped = _labelled(corpus)
    claimed, labelled = _about(corpus, utterances)
    counts = Counter(_unit(utterance) for utterance in utterances)
    if not 3 <= num_folds <= len(counts):
        what = "speakers" if claimed else "speakers or recordings"
        raise ProtocolError(
            f"kfold-{num_folds}: K is at least 3 (one part tests, one chooses, the others train) "
            f"and at most the number of {what}, {len(counts)} in corpus {corpus.name}"
        )
    order = hash_order(counts, salt="kfold")
    order.sort(key=lambda unit: -counts[unit])  # stable: equals stay in hash order
    sizes = [0] * num_folds
    part: dict[str, str] = {}
    for unit in order:  # the largest first, each to the smallest part so far
        smallest = min(range(num_folds), key=sizes.__getitem__)
        sizes[smallest] += counts[unit]
        part[unit] = str(smallest + 1)
    names = [str(number + 1) for number in range(num_folds)]
    return Protocol(
        name=f"kfold-{num_folds}",
        corpus=corpus.name,
        emotions=emotions,
        independent_speaker=claimed,
        independent_sentence=False,
        labelled=labelled,
        source=(
            f"serkit: {num_folds} speaker-disjoint parts of balanced size, ties by SHA-256 with "
            "salt kfold; development on the next part"
        ),
        folds=tuple(_by_unit(part, utterances, names, number) for number in range(num_folds)),
        dropped=dropped,
    )


def _split(corpus: Corpus) -> Protocol:
    utterances, emotions, dropped = _labelled(corpus)
    sides = {
        name: [u for u in utterances if u.split == name]
        for name in ("train", "development", "test")
    }
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
    if unmarked:
        dropped = (*dropped, f"{unmarked} utterances: no split")
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
    return Protocol(
        name="split",
        corpus=corpus.name,
        emotions=emotions,
        independent_speaker=claimed,
        independent_sentence=False,
        labelled=labelled,
        source=source,
        folds=(
            Fold(
                name="split",
                train=tuple(sides["train"]),
                development=tuple(sides["development"]),
                test=tuple(sides["test"]),
            ),
        ),
        development_shares=("speaker",) if training & choosing else (),
        dropped=dropped,
    )
