"""A corpus: utterances with ratings, and the passport that says what they should be."""

import difflib
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from serkit.corpus.scheme import in_order
from serkit.corpus.utterance import Utterance

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


class MissingCorpusError(FileNotFoundError):
    """No corpus where one was said to be; the message says the layout expected."""


class FileNameError(ValueError):
    """A file in a corpus folder whose name does not follow the grammar of the corpus."""


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
    """ISO 639-1 code."""
    layout: str
    """Where the files stand below the root, and how they are named."""
    num_utterances: int
    num_speakers: int
    emotions: Mapping[str, int]
    """Emotion to number of utterances, in the canonical order."""
    sample_rate: int
    """Hz, as published."""
    protocols: tuple[str, ...]
    """The protocols published or fixed for it; the first is the default."""

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
        if num_speakers != self.num_speakers:
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
