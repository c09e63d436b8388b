"""Who said what, and how it was rated: the two values everything else is made of."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

AFFECT = ("arousal", "valence", "dominance")
"""The dimensions of affect, in the order of tables. Code reads them by name, never by position."""

Seconds = float
"""A time in seconds."""

RATER_ORDER = ("consensus", "intended")
"""Whose rating speaks for an utterance when nobody is named: listeners first, then the actor."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Rating:
    """A judgement of one utterance, and who made it: a person, a consensus or a machine.

    Example:
        >>> rating = Rating(rater="crnn", emotion={"anger": 0.7, "neutral": 0.3})
        >>> rating.top
        'anger'
        >>> rating.emotion["neutral"]
        0.3
    """

    rater: str
    """``"intended"`` (the acted target), ``"consensus"``, a person's id, or a model's name."""
    emotion: Mapping[str, float] = field(default_factory=dict[str, float])
    """Emotion to probability in [0, 1], summing to 1. A certain label is ``{"anger": 1.0}``."""
    affect: Mapping[str, float] = field(default_factory=dict[str, float])
    """Dimension (see ``AFFECT``) to value in [0, 1]."""

    @property
    def top(self) -> str | None:
        """The most probable emotion (the first of equals), or None without emotions."""
        return max(self.emotion, key=self.emotion.__getitem__) if self.emotion else None


@dataclass(frozen=True, kw_only=True, slots=True)
class Utterance:
    """A stretch of speech by one speaker; what is rated.

    Example:
        >>> utterance = Utterance(
        ...     id="emodb/03a01Fa", path=Path("wav/03a01Fa.wav"), speaker="emodb/03",
        ...     ratings=(Rating(rater="intended", emotion={"happiness": 1.0}),),
        ... )
        >>> utterance.emotion()
        'happiness'
    """

    id: str
    """Unique within everything loaded together: ``corpus/name``."""
    path: Path
    """The recording that holds the utterance."""
    start: Seconds = 0.0
    """Where it begins in the recording."""
    end: Seconds | None = None
    """Where it ends (not included); None is the end of the recording."""
    speaker: str | None = None
    """Global speaker id, ``corpus/speaker``; None when unknown."""
    sex: str | None = None
    """``"female"``, ``"male"``, another word of the corpus, or None."""
    age: float | None = None
    """Years."""
    language: str | None = None
    """ISO 639-1 code such as ``"de"``."""
    sentence: str | None = None
    """Key of the text when it is fixed and may be spoken again; None for free speech."""
    recording: str | None = None
    """The dialogue or podcast the utterance is part of."""
    ratings: tuple[Rating, ...] = ()
    """All judgements of it."""
    split: str | None = None
    """``"train"``, ``"development"`` or ``"test"`` where the corpus itself says so.

    ``"test1"`` to ``"test3"`` where it has several test sides.
    """

    def rating(self, rater: str | None = None) -> Rating | None:
        """The rating by ``rater``; without a name by consensus, else intended, else the first."""
        return self._first(rater, "emotion", "affect")

    def emotion(self, rater: str | None = None) -> str | None:
        """The top emotion by ``rater``; without a name of the first rating that has one.

        The order is that of ``rating``: consensus, intended, the others. A consensus about affect
        alone therefore leaves the emotion to the actor's intention.
        """
        rating = self._first(rater, "emotion")
        return rating.top if rating is not None else None

    def affect(self, rater: str | None = None) -> Mapping[str, float]:
        """Dimension to value in [0, 1] by ``rater``; without a name as for ``emotion``.

        Empty when nobody rated affect.

        Example:
            >>> Utterance(id="a/b", path=Path("b.wav"), ratings=(
            ...     Rating(rater="intended", emotion={"anger": 1.0}),
            ...     Rating(rater="consensus", affect={"arousal": 0.9}),
            ... )).affect()["arousal"]
            0.9
        """
        rating = self._first(rater, "affect")
        return rating.affect if rating is not None else {}

    def _first(self, rater: str | None, *kinds: str) -> Rating | None:
        """The first rating, in the order of ``RATER_ORDER``, that says something of some kind."""
        speaking = [r for r in self.ratings if any(getattr(r, kind) for kind in kinds)]
        if rater is not None:
            return next((r for r in speaking if r.rater == rater), None)
        for name in RATER_ORDER:
            for rating in speaking:
                if rating.rater == name:
                    return rating
        return speaking[0] if speaking else None
