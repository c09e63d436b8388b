"""Emotions enrolled from a handful of recordings: prototypes, verdicts, and the file they live in.

An emotion is whatever its recordings have in common: one of a scheme, a new one ("irritated"), or
one person's way of showing it. Nothing is trained. The embeddings of the recordings are kept, and
what is decided rests on the model's own verification card: thresholds and a calibration measured on
development speakers.
"""

# Shapes: D values of an embedding.

import base64
import binascii
import difflib
import hashlib
import json
import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float32, Float64
from pydantic import TypeAdapter, ValidationError

from serkit.evaluation import log_likelihood_ratio, prototype, threshold_for
from serkit.systems import System
from serkit.trainer import checkpoint
from serkit.trainer.run import write_json

FORMAT = 1
"""Of a file of voices; a reader refuses a format it does not know."""
NONE = "none of these"
"""What a recording shows that shows no enrolled emotion; nothing can be enrolled under it."""
FEW = 3  # utterances; a prototype of fewer follows the accidents of each
NUM_NEAREST = 3  # examples shown with a verdict
CANCELLED = 1e-3  # length of a mean of unit vectors that has no direction left


class VoicesError(ValueError):
    """Voices that cannot be enrolled, read or asked about; the message says what to do."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Member:
    """One enrolled utterance."""

    file: str
    """As it was given; ``"waveform"`` for samples from memory."""
    sound: str
    """SHA-256 of the samples that were heard: the same recording under any name."""
    embedding: Float32[np.ndarray, " D"] = field(compare=False, repr=False)
    """Of length 1."""
    cosine: float = math.nan
    """To the prototype it is part of."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Voice:
    """An enrolled emotion: a prototype, and the utterances it is made from."""

    name: str
    prototype: Float64[np.ndarray, " D"] = field(compare=False, repr=False)
    """Normalised mean of the members' normalised embeddings; of length 1."""
    members: tuple[Member, ...]
    """By file, so that the order of enrolment does not matter."""

    @property
    def mean_cosine(self) -> float:
        """Of the members to the prototype: how alike they are."""
        return float(np.mean([member.cosine for member in self.members]))

    @property
    def least_cosine(self) -> float:
        """Of the member that is least like the rest."""
        return min(member.cosine for member in self.members)


@dataclass(frozen=True, kw_only=True, slots=True)
class Neighbour:
    """An enrolled utterance, and how alike a recording is to it."""

    name: str
    """The emotion it is enrolled for."""
    file: str
    score: float
    """Cosine of the two embeddings."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """Whether a recording shows an enrolled emotion, how sure that is, and why."""

    name: str
    """The emotion it was tried against; in a comparison the second recording."""
    score: float
    """Cosine of the recording's embedding to the prototype, in [-1, 1]."""
    threshold: float
    """What the score must reach at the false acceptance asked for."""
    accepted: bool
    """``score >= threshold``."""
    false_acceptance: float
    """Share of recordings of other emotions that the threshold accepted in development."""
    log_likelihood_ratio: float
    """Natural logarithm of how much better this emotion explains the score than another one."""
    probability: float
    """Of this emotion if it and "another one" were equally likely before: 1 / (1 + exp(-LLR))."""
    num_enrolled: int
    """Utterances in the prototype."""
    nearest: tuple[Neighbour, ...] = ()
    """The likest of all enrolled utterances, of whatever emotion: the explanation."""
    notes: tuple[str, ...] = ()
    """Reasons to doubt it, in sentences."""


@dataclass(kw_only=True, slots=True)
class Voices:
    """The emotions enrolled with one model; embeddings of another model mean something else.

    Example:
        >>> voices = Voices(fingerprint="of a model")
        >>> for file, at in (("a.wav", [1, 0]), ("b.wav", [0, 1])):
        ...     embedding = np.array(at, dtype=np.float32)
        ...     _ = voices.add("irritated", [Member(file=file, sound=file, embedding=embedding)])
        >>> [round(float(value), 4) for value in voices["irritated"].prototype]
        [0.7071, 0.7071]
        >>> voices["irritate"]
        Traceback (most recent call last):
        ...
        serkit.predictor.voices.VoicesError: no emotion 'irritate' is enrolled; did you mean \
'irritated'? Enrolled are: irritated
    """

    fingerprint: str = ""
    """Of the model (see ``model_fingerprint``); empty until something is enrolled."""
    model: str = ""
    """Folder of the model; empty for one that was never saved."""
    enrolled: dict[str, Voice] = field(default_factory=dict[str, Voice])
    """Name to voice, in the order of enrolment."""

    def __iter__(self) -> Iterator[Voice]:
        return iter(self.enrolled.values())

    def __len__(self) -> int:
        return len(self.enrolled)

    def __contains__(self, name: object) -> bool:
        return name in self.enrolled

    def __getitem__(self, name: str) -> Voice:
        """The emotion of that name.

        Raises:
            VoicesError: It is not enrolled; the nearest names are.
        """
        if name in self.enrolled:
            return self.enrolled[name]
        if not self.enrolled:
            raise VoicesError(
                f"no emotion {name!r} is enrolled, and no other: enrol some recordings first "
                "(serkit enrol NAME FILES... --into voices.json)"
            )
        near = difflib.get_close_matches(name, self.enrolled, n=3, cutoff=0.5)
        hint = f"; did you mean {' or '.join(map(repr, near))}?" if near else "."
        raise VoicesError(
            f"no emotion {name!r} is enrolled{hint} Enrolled are: {', '.join(self.enrolled)}"
        )

    def holder(self, sound: str) -> str | None:
        """The emotion that a sound is enrolled for."""
        return next((v.name for v in self for member in v.members if member.sound == sound), None)

    def add(self, name: str, members: Iterable[Member]) -> Voice:
        """Enrol utterances; a name that is known already gets them beside those it has.

        A sound counts once: under its own name it is passed over when it comes again, so the same
        command run twice changes nothing; under another name it is refused.

        Raises:
            VoicesError: No name, a reserved one, no utterances, a sound that is enrolled for
                another emotion, embeddings of different sizes, or that cancel out.
        """
        check_name(name)
        new = list(members)
        for member in new:
            holder = self.holder(member.sound)
            if holder not in (None, name):
                raise VoicesError(elsewhere(member.file, holder, name))
        known = self.enrolled[name].members if name in self.enrolled else ()
        by_sound = {member.sound: member for member in (*reversed(new), *known)}
        sizes = {len(m.embedding) for v in self for m in v.members} | {
            len(member.embedding) for member in new
        }
        if len(sizes) > 1:
            raise VoicesError(
                f"embeddings of {' and '.join(map(str, sorted(sizes)))} values cannot be compared; "
                "all must come from one model"
            )
        voice = _voice(name, by_sound.values())
        self.enrolled[name] = voice
        return voice

    def forget(self, name: str) -> None:
        """Drop an emotion and its utterances.

        Raises:
            VoicesError: It is not enrolled.
        """
        _ = self.enrolled.pop(self[name].name)

    def nearest(self, embedding: Float[np.ndarray, " D"], k: int) -> tuple[Neighbour, ...]:
        """The ``k`` likest of all enrolled utterances, the likest first; of equals by name, file.

        Example:
            >>> voices = Voices()
            >>> member = Member(file="a.wav", sound="a", embedding=np.float32([0.6, 0.8]))
            >>> _ = voices.add("calm", [member])
            >>> [(one.file, round(one.score, 3)) for one in voices.nearest(np.float32([0, 1]), 2)]
            [('a.wav', 0.8)]
        """
        if k < 1:
            raise ValueError(f"k={k}: at least one neighbour must be asked for")
        everything = [
            Neighbour(name=v.name, file=m.file, score=cosine(m.embedding, embedding))
            for v in self
            for m in v.members
        ]
        return tuple(sorted(everything, key=lambda one: (-one.score, one.name, one.file))[:k])

    def merge(self, other: "Voices") -> None:
        """Enrol what others enrolled with the same model, as if it had been added here.

        Raises:
            VoicesError: They are of another model, or a sound is enrolled for another emotion here.
        """
        if len(self) and self.fingerprint != other.fingerprint:
            raise VoicesError(
                f"they are of another model ({self.model}), whose embeddings cannot be compared"
            )
        self.fingerprint, self.model = other.fingerprint, other.model
        for voice in other:
            _ = self.add(voice.name, voice.members)

    def save(self, path: str | Path) -> Path:
        """Write them as JSON: the whole file or nothing, embeddings to the last bit.

        Returns:
            The path.

        Raises:
            VoicesError: Nothing can be written there.
        """
        path = Path(path)
        stored = {
            "format": FORMAT,
            "model": self.model,
            "fingerprint": self.fingerprint,
            "voices": {
                voice.name: [
                    {
                        # names of old archives need not be text, and JSON is
                        "file": os.fsencode(member.file).decode("utf-8", "replace"),
                        "sound": member.sound,
                        "embedding": base64.b64encode(
                            member.embedding.astype("<f4").tobytes()
                        ).decode("ascii"),
                    }
                    for member in voice.members
                ]
                for voice in self
            },
        }
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_json(path, stored)
        except OSError as error:
            raise _unwritable(path, error.strerror or str(error)) from error
        return path

    @classmethod
    def load(cls, path: str | Path) -> "Voices":
        """Read what ``save`` wrote.

        Raises:
            VoicesError: There is no such file, it is damaged, or of an unknown format.

        Example:
            >>> import tempfile
            >>> voices = Voices(fingerprint="of a model", model="runs/mine/seed0/fold-03")
            >>> member = Member(file="a.wav", sound="a", embedding=np.float32([0.6, 0.8]))
            >>> _ = voices.add("calm", [member])
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     Voices.load(voices.save(Path(folder) / "voices.json")) == voices
            True
        """
        path = Path(path)
        if path.is_dir():
            raise _folder(path)
        if not path.is_file():
            raise VoicesError(
                f"there is no file {path}; make it with serkit enrol NAME FILES... --into {path}"
            )
        try:
            content = path.read_bytes()
            stored = json.loads(content)
        except ValueError as error:
            raise _damaged(path, f"it is not JSON: {error}") from error
        form = stored.get("format") if isinstance(stored, dict) else None
        if form is None:
            raise _damaged(path, "it is no file of voices")
        if form != FORMAT:
            raise VoicesError(
                f"{path}: format {form!r} is not known, only {FORMAT}; a newer serkit may read it"
            )
        try:
            read = TypeAdapter(_Stored).validate_json(content, strict=True)
            voices = cls(fingerprint=read.fingerprint, model=read.model)
            for name, members in read.voices.items():
                _ = voices.add(name, [_member(member) for member in members])
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"])
            raise _damaged(path, f"{place}: {first['msg']}") from error
        except VoicesError as error:
            raise _damaged(path, str(error)) from error
        return voices


def verdict(
    voice: Voice,
    embedding: Float[np.ndarray, " D"],
    card: Mapping[str, Any],
    *,
    false_acceptance: float,
    sound: str = "",
    nearest: tuple[Neighbour, ...] = (),
) -> Verdict:
    """Try an embedding against an enrolled emotion.

    Args:
        voice: The emotion.
        embedding: Of the recording; any length but 0.
        card: The verification card of the model.
        false_acceptance: Share of recordings of other emotions that may be accepted.
        sound: SHA-256 of the recording, to notice that it is itself enrolled.
        nearest: Shown with the verdict.

    Raises:
        ValueError: The card has no threshold for that false acceptance.
    """
    num_enrolled = len(voice.members)
    score = cosine(voice.prototype, embedding)
    threshold = threshold_for(card, num_enrolled, false_acceptance)
    ratio = log_likelihood_ratio(card, num_enrolled, score)
    notes: list[str] = []
    if num_enrolled < FEW:
        notes.append(
            f"only {num_enrolled} utterance{'s are' if num_enrolled > 1 else ' is'} enrolled for "
            f"{voice.name}; {FEW} or more are steadier"
        )
    if voice.least_cosine < threshold:
        notes.append(
            f"the utterances enrolled for {voice.name} are far apart (least cosine "
            f"{voice.least_cosine:.3f}, threshold {threshold:.3f}): do all of them show it?"
        )
    if any(member.sound == sound for member in voice.members):
        notes.append(f"this very recording is enrolled for {voice.name}: it proves nothing")
    return Verdict(
        name=voice.name,
        score=score,
        threshold=threshold,
        accepted=score >= threshold,
        false_acceptance=false_acceptance,
        log_likelihood_ratio=ratio,
        probability=_among([ratio])[0],
        num_enrolled=num_enrolled,
        nearest=nearest,
        notes=(*notes, *card_notes(card)),
    )


def card_notes(card: Mapping[str, Any]) -> tuple[str, ...]:
    """What a verification card itself gives reason to doubt."""
    notes: list[str] = []
    if card.get("accepted") is False:
        notes.append(
            "the model was NOT accepted: it verified hardly better than an untrained network"
        )
    if card.get("same_speaker"):
        notes.append(
            "the model's thresholds were measured within one speaker; another voice may score "
            "otherwise"
        )
    return tuple(notes)


def probabilities(verdicts: Sequence[Verdict]) -> dict[str, float]:
    """Probability of each emotion, and of none of them, each as likely as the next before.

    With the log-likelihood ratio L_i of n emotions, and scores that are independent given the
    emotion, the equal prior 1 / (n + 1) cancels:

        P(i) = exp(L_i) / (1 + sum_j exp(L_j)),    P(none of these) = 1 / (1 + sum_j exp(L_j)).

    Returns:
        Name to probability in the order of the verdicts, ``NONE`` last; they sum to 1.
    """
    shares = _among([one.log_likelihood_ratio for one in verdicts])
    return dict(zip((*(one.name for one in verdicts), NONE), shares, strict=True))


def best(verdicts: Iterable[Verdict]) -> Verdict | None:
    """Of those accepted the one with most evidence, of equals the highest score; None if none."""
    return max(
        (one for one in verdicts if one.accepted),
        key=lambda one: (one.log_likelihood_ratio, one.score),
        default=None,
    )


def cosine(first: Float[np.ndarray, " D"], second: Float[np.ndarray, " D"]) -> float:
    """Of two embeddings, in double precision, in [-1, 1].

    Example:
        >>> round(cosine(np.array([1.0, 0.0]), np.array([3.0, 4.0])), 12)
        0.6
    """
    a, b = first.astype(np.float64), second.astype(np.float64)
    return float(np.clip(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)), -1.0, 1.0))


def sound_of(waveform: Float32[np.ndarray, " N"]) -> str:
    """SHA-256 of samples, by which a recording is known under any name.

    Example:
        >>> sound_of(np.zeros(2, dtype=np.float32)) == sound_of(np.zeros(3, dtype=np.float32))
        False
    """
    return hashlib.sha256(waveform.astype("<f4").tobytes()).hexdigest()


def model_fingerprint(system: System) -> str:
    """SHA-256 of what a model is and of all its weights: two folds of one run differ."""
    described = checkpoint.fingerprint(checkpoint.describe(system))
    digest = hashlib.sha256(described.encode("ascii"))
    for name, tensor in sorted(checkpoint.as_module(system).state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def check_name(name: str) -> None:
    """Refuse what cannot name an emotion.

    Raises:
        VoicesError: Nothing, blanks around it, a control character, or ``NONE``.
    """
    if not name or name != name.strip() or not name.isprintable():
        raise VoicesError(f"{name!r} cannot name an emotion: give a word, such as irritated")
    if name == NONE:
        raise VoicesError(f"{NONE!r} is what is said when nothing matches; give another name")


def elsewhere(file: str, holder: str | None, name: str) -> str:
    """Why a sound is not enrolled a second time, and the remedy."""
    return (
        f"{file}: the same sound is enrolled for {holder} and cannot stand for {name} too; "
        f"if it belongs to {name}, forget {holder} and enrol it anew without this file"
    )


def _voice(name: str, members: Iterable[Member]) -> Voice:
    """The prototype of members, and how far each is from it."""
    ordered = sorted(members, key=lambda member: (member.file, member.sound))
    if not ordered:
        raise VoicesError(f"{name} has no utterances; enrol at least one")
    vectors = np.array([member.embedding for member in ordered], dtype=np.float64)
    if np.linalg.norm(vectors.mean(axis=0)) < CANCELLED:
        raise VoicesError(
            f"the utterances of {name} cancel each other out: they have nothing in common; "
            "enrol recordings that show the same"
        )
    direction = prototype(vectors)
    return Voice(
        name=name,
        prototype=direction,
        members=tuple(
            replace(member, cosine=cosine(member.embedding, direction)) for member in ordered
        ),
    )


def _among(ratios: Sequence[float]) -> list[float]:
    """exp(L_i) / (1 + sum_j exp(L_j)) for each, and 1 / (1 + ...) last; nothing overflows."""
    logs = np.array([*ratios, 0.0])
    shares = np.exp(logs - logs.max())
    return (shares / shares.sum()).tolist()


@dataclass(frozen=True, slots=True)
class _StoredMember:
    file: str
    sound: str
    embedding: str


@dataclass(frozen=True, slots=True)
class _Stored:
    format: int
    model: str
    fingerprint: str
    voices: dict[str, list[_StoredMember]]


def _member(stored: _StoredMember) -> Member:
    try:
        content = base64.b64decode(stored.embedding, validate=True)
        embedding = np.frombuffer(content, dtype="<f4").astype(np.float32)
    except (binascii.Error, ValueError) as error:
        raise VoicesError(f"the embedding of {stored.file} cannot be decoded ({error})") from error
    if not abs(float(np.linalg.norm(embedding)) - 1.0) < 1e-3:  # also when it is not finite
        raise VoicesError(f"the embedding of {stored.file} is not of length 1")
    return Member(file=stored.file, sound=stored.sound, embedding=embedding)


def check_place(path: str | Path) -> None:
    """Say where ``save`` could not write, before hours of work and not after them.

    Raises:
        VoicesError: Nothing can be written there.
    """
    path = Path(path)
    if path.is_dir():
        raise _folder(path)
    there = path if path.exists() else next(up for up in path.absolute().parents if up.exists())
    if not path.exists() and not there.is_dir():
        raise _unwritable(path, f"{there} is no folder")
    if not os.access(there, os.W_OK):
        raise _unwritable(path, f"{there} is read-only")


def _folder(path: Path) -> VoicesError:
    return VoicesError(f"{path} is a folder; name a file in it, such as {path}/voices.json")


def _unwritable(path: Path, why: str) -> VoicesError:
    return VoicesError(f"{path} cannot be written ({why}); choose another place")


def _damaged(path: Path, why: str) -> VoicesError:
    return VoicesError(
        f"{path} is damaged: {why}. Restore it, or delete it and enrol the recordings again"
    )
