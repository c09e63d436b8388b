"""A corpus: utterances with ratings, and the passport that says what they should be."""

import difflib
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from serkit.corpus.consensus import majority
from serkit.corpus.scheme import in_order
from serkit.corpus.utterance import Rating, Utterance

AUDIO_SUFFIXES = (
    ".wav",
    ".flac",
    ".ogg",
    ".mp3",
    ".aif",
    ".aiff",
    ".opus",
    ".m4a",
    ".webm",
    ".mp4",
)
"""Endings of files that the readers of folders take for recordings."""

LISTED = 10
"""So many missing recordings are named in one line; the others are counted."""


class MissingCorpusError(FileNotFoundError):
    """No corpus where one was said to be; the message says the layout expected."""


class FileNameError(ValueError):
    """A file in a corpus folder whose name does not follow the grammar of the corpus."""


class UnknownRaterError(LookupError):
    """Nobody of that name rated the corpus; the message lists who did."""


class MissingExtraError(ImportError):
    """Something that an optional part of the installation brings."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Passport:
    """What a corpus is, who made it, what may be done with it, and what it holds when complete.

    Example:
        >>> from serkit.corpus import CORPORA
        >>> CORPORA["emodb"].PASSPORT.num_utterances
        535
    """

    name: str
    """As in ``--corpus name=PATH``, and the first part of every id."""
    title: str
    citation: str
    licence: str
    url: str
    obtain: str
    """How one gets it."""
    language: str
    """ISO 639-1 code; several with a comma between them."""
    layout: str
    """Where the files stand below the root, and how they are named."""
    num_utterances: int
    num_speakers: int | None
    """None where the owners count no speakers for the whole corpus."""
    emotions: Mapping[str, int]
    """Emotion to number of utterances, in the canonical order."""
    sample_rate: int | None
    """Hz, as published; None where it is not."""
    protocols: tuple[str, ...]
    """The protocols published or fixed for it; the first is the default."""
    audb: str | None = None
    """Its name in audEERING's open repository, from which ``audb`` fetches; None if not there."""
    affect_scale: tuple[float, float] | None = None
    """Lowest and highest value of affect as published; None where affect was not rated."""
    parts: "tuple[Passport, ...]" = ()
    """Of a union (``join``), those of its corpora."""

    def differences(self, utterances: Collection[Utterance]) -> tuple[str, ...]:
        """Where utterances differ from the passport in count, speakers and emotions.

        Example:
            >>> from serkit.corpus import CORPORA
            >>> CORPORA["emodb"].PASSPORT.differences([])[0]
            'emodb: 0 utterances, the passport says 535'
        """
        lines: list[str] = []
        if len(utterances) != self.num_utterances:
            lines.append(
                f"{self.name}: {len(utterances)} utterances, "
                f"the passport says {self.num_utterances}"
            )
        num_speakers = len({u.speaker for u in utterances if u.speaker is not None})
        if self.num_speakers is not None and num_speakers != self.num_speakers:
            lines.append(
                f"{self.name}: {num_speakers} speakers, the passport says {self.num_speakers}"
            )
        counts = Counter(utterance.emotion() for utterance in utterances)
        for emotion, expected in self.emotions.items():
            if counts[emotion] != expected:
                lines.append(
                    f"{self.name}: {counts[emotion]} utterances of {emotion}, "
                    f"the passport says {expected}"
                )
        return tuple(lines)


@dataclass(frozen=True, kw_only=True, slots=True)
class Corpus:
    """Utterances in a fixed order (by id), and what was odd about them.

    Example:
        >>> from serkit.corpus import load
        >>> excerpt = load("excerpt")
        >>> excerpt.emotions
        ('anger', 'happiness', 'neutral', 'sadness')
        >>> len(excerpt.speakers)
        10
    """

    name: str
    passport: Passport | None = None
    """None for a user's own data."""
    utterances: tuple[Utterance, ...] = ()
    problems: tuple[str, ...] = ()
    """What a reader noticed and went on from: missing files, unread columns, clamped values."""
    rater: str | None = None
    """The one whose ratings are the labels, after ``rated_by``; None when all are kept."""
    scale: tuple[float, float] | None = None
    """Of affect in a user's own data, as said when it was read."""

    @property
    def affect_scale(self) -> tuple[float, float] | None:
        """Lowest and highest value of affect as rated; None where it was not, or nobody knows."""
        return self.passport.affect_scale if self.passport is not None else self.scale

    @property
    def emotions(self) -> tuple[str, ...]:
        """The labels present, in the canonical order."""
        labels = (utterance.emotion() for utterance in self.utterances)
        return in_order(label for label in labels if label is not None)

    @property
    def speakers(self) -> tuple[str, ...]:
        """The ids of the known speakers, sorted."""
        return tuple(sorted({u.speaker for u in self.utterances if u.speaker is not None}))

    def subset(
        self,
        *,
        speakers: Collection[str] | None = None,
        emotions: Collection[str] | None = None,
        ids: Collection[str] | None = None,
    ) -> "Corpus":
        """The same corpus with only the utterances that meet every condition given.

        Example:
            >>> from serkit.corpus import load
            >>> load("excerpt").subset(speakers=["excerpt/03"], emotions=["anger"]).emotions
            ('anger',)
        """
        kept = tuple(
            utterance
            for utterance in self.utterances
            if (speakers is None or utterance.speaker in speakers)
            and (emotions is None or utterance.emotion() in emotions)
            and (ids is None or utterance.id in ids)
        )
        return replace(self, utterances=kept)

    @property
    def raters(self) -> tuple[str, ...]:
        """Everybody who rated anything, sorted.

        Example:
            >>> from serkit.corpus import load
            >>> load("excerpt").raters
            ('intended',)
        """
        return tuple(sorted({r.rater for u in self.utterances for r in u.ratings}))

    def rated_by(self, rater: str) -> "Corpus":
        """The same corpus with the ratings of one rater only: a choice of labels.

        Protocols, training and tables then use them. An utterance which that rater did not rate
        is kept without a label, and so, as to emotion, is one where the rater's shares are tied:
        a tied vote has no majority.

        Args:
            rater: One of ``raters``, such as ``"intended"`` or ``"annotator1"``.

        Raises:
            UnknownRaterError: Nobody of that name rated anything; the message lists who did.

        Example:
            >>> from serkit.corpus import load
            >>> load("excerpt").rated_by("intended").rater
            'intended'
            >>> load("excerpt").rated_by("anna")  # doctest: +ELLIPSIS
            Traceback (most recent call last):
            serkit.corpus.corpus.UnknownRaterError: nobody named 'anna' rated excerpt; ...
        """
        known = self.raters
        if rater not in known:
            raise UnknownRaterError(
                f"nobody named {rater!r} rated {self.name}; who did: "
                f"{', '.join(known) or 'nobody'}{nearest(rater, known)}"
            )
        utterances = tuple(
            replace(u, ratings=tuple(_decided(r for r in u.ratings if r.rater == rater)))
            for u in self.utterances
        )
        return replace(self, utterances=utterances, rater=rater)


def _decided(ratings: Iterable[Rating]) -> Iterator[Rating]:
    """The ratings, without the emotions of those that have several equally at the top."""
    for rating in ratings:
        kept = replace(rating, emotion={}) if majority([rating]) is None else rating
        if kept.emotion or kept.affect:
            yield kept


def nearest(name: str, names: Iterable[str]) -> str:
    """The end of an error message: the nearest right name, or nothing.

    Example:
        >>> nearest("emodbb", ["emodb", "ravdess"])
        '; did you mean emodb?'
    """
    near = difflib.get_close_matches(name, list(names), n=1)
    return f"; did you mean {near[0]}?" if near else ""


def audio_files(folder: Path) -> list[Path]:
    """Recordings directly in a folder, sorted by name; hidden files are passed over.

    Example:
        >>> from serkit.corpus import excerpt
        >>> audio_files(excerpt.ROOT / "wav")[0].suffix
        '.flac'
    """
    return sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in AUDIO_SUFFIXES and not path.name.startswith(".")
    )


def all_audio_files(root: Path) -> list[Path]:
    """Recordings anywhere below a folder, sorted by path; hidden files and folders passed over.

    Copies unpacked on a Mac hold ``__MACOSX`` folders with a shadow of every file: passed over too.

    Example:
        >>> from serkit.corpus import excerpt
        >>> len(all_audio_files(excerpt.ROOT)) == len(audio_files(excerpt.ROOT / "wav"))
        True
    """
    return sorted(
        path
        for path in root.rglob("*")
        if path.suffix.lower() in AUDIO_SUFFIXES
        and not any(
            part.startswith(".") or part == "__MACOSX" for part in path.relative_to(root).parts
        )
    )


def distinct(utterances: Iterable[Utterance]) -> tuple[tuple[Utterance, ...], tuple[str, ...]]:
    """Utterances by id, the first of those with one id, and a line about the others.

    Example:
        >>> twice = [Utterance(id="a/1", path=Path(f"{copy}/1.wav")) for copy in ("one", "two")]
        >>> kept, problems = distinct(twice)
        >>> kept[0].path.parent.name, problems
        ('one', ('1 recordings are there twice and left out, the first is two/1.wav',))
    """
    by_id: dict[str, Utterance] = {}
    again = [u for u in utterances if by_id.setdefault(u.id, u) is not u]
    kept = tuple(by_id[key] for key in sorted(by_id))
    if not again:
        return kept, ()
    first = again[0].path.as_posix()
    return kept, (f"{len(again)} recordings are there twice and left out, the first is {first}",)


def absent(expected: Collection[str], found: Collection[str]) -> tuple[str, ...]:
    """One line about the recordings a complete copy holds and this one does not, or none.

    Example:
        >>> absent(["a01", "a02", "a03"], ["a01"])
        ('2 of 3 recordings are missing: a02, a03',)
    """
    missing = sorted(set(expected) - set(found))
    if not missing:
        return ()
    more = len(missing) - LISTED
    names = ", ".join(missing[:LISTED]) + (f" and {more} more" if more > 0 else "")
    return (f"{len(missing)} of {len(set(expected))} recordings are missing: {names}",)


def missing_files(utterances: Collection[Utterance]) -> tuple[str, ...]:
    """One line about the files that are not there, or none.

    Example:
        >>> missing_files([])
        ()
    """
    paths = sorted({utterance.path for utterance in utterances})
    missing = [path for path in paths if not path.is_file()]
    if not missing:
        return ()
    return (f"{len(missing)} of {len(paths)} files are missing, the first is {missing[0]}",)
