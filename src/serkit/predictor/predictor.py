"""Recordings in, ratings out: one trained system, or several that are averaged.

One system alone also says whether a recording shows an emotion that a few others were enrolled for.
"""

# Shapes: B recordings, N samples, C emotions, D values of an embedding.

import ctypes
import difflib
import hashlib
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any, Protocol, TypeVar, runtime_checkable

import numpy as np
from jaxtyping import Float, Float32, Float64
from torch import Tensor

from serkit import audio
from serkit.corpus.scheme import from_unit
from serkit.corpus.utterance import Rating, Seconds
from serkit.evaluation import Temperature, threshold_for
from serkit.predictor.stream import (
    HOP_TIME,
    NOT_SURE,
    SHORTEST_HEARD,
    SMOOTH_TIME,
    WINDOW_TIME,
    Stream,
    Turn,
)
from serkit.predictor.timeline import Timeline, hear
from serkit.predictor.voices import (
    NUM_NEAREST,
    Member,
    Neighbour,
    Verdict,
    Voice,
    Voices,
    VoicesError,
    best,
    card_notes,
    check_name,
    elsewhere,
    model_fingerprint,
    probabilities,
    sound_of,
    verdict,
)
from serkit.systems import SYSTEMS, System, answers, names
from serkit.trainer import checkpoint

Waveform = Float32[np.ndarray, " _"]
"""Mono samples; each of a list has its own length."""
Recording = str | Path | np.ndarray
"""Path of any audio or video file, or mono samples [N] at the listener's rate."""

Made = TypeVar("Made")

SHIPPED = Path(__file__).parent / "shipped"
"""The model that comes with serkit, with the licence of its weights; see docs/cards/shipped.md."""

WINDOW = 8  # batches that are read before they are ordered by length
WINDOW_SECONDS = 1800.0  # of audio held at once at most (115 MB), beside the last batch read
BATCH_SECONDS = 120.0  # of padded audio rated at once at most
PART_SECONDS = BATCH_SECONDS  # of one recording heard at once at most; longer ones are heard so
READERS = 4  # threads; decoding and resampling let go of the interpreter


class ModelError(LookupError):
    """A path without a trained system, or one that cannot do what it is asked for."""


class EnrolmentError(VoicesError):
    """None of the recordings could be enrolled; ``outcomes`` says of each why."""

    def __init__(self, name: str, outcomes: "Sequence[Outcome]") -> None:
        shown = "\n".join(f"- {outcome.message}" for outcome in outcomes[:5])
        rest = f"\n- and {len(outcomes) - 5} more" if len(outcomes) > 5 else ""
        super().__init__(
            f"nothing was enrolled for {name}, no recording could be used:\n{shown}{rest}"
        )
        self.name = name
        self.outcomes = tuple(outcomes)


class SilentAudioError(audio.AudioError):
    """Nothing to hear: the level is below -80 dBFS."""

    status = "silent"


class TooShortError(audio.AudioError):
    """Less than 0.1 s, which no system can rate."""

    status = "too short"


class FailedRatingError(audio.AudioError):
    """The system could not rate a recording that was read well."""

    status = "failed"


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What became of one recording: what was made of it, or the reason why nothing was."""

    file: str
    """As it was given."""
    status: str
    """``"ok"``, or why it could not be used: ``"missing"``, ``"truncated"``, ``"silent"``, ..."""
    message: str = ""
    """The reason in a sentence with the remedy; empty when all is well."""
    rating: Rating | None = None
    """Emotion to probability, and who rated."""
    notes: tuple[str, ...] = ()
    """Reasons to doubt the rating: those of ``audio.inspect``, such as ``"clipped"``, and ``"narrow
    band"``: recorded at a lower rate than the systems listen at, as telephones do; ``"not sure"``:
    no emotion is probable enough to be named."""
    duration: Seconds | None = None
    """Length of what was heard."""
    verdicts: tuple[Verdict, ...] = ()
    """Of each enrolled emotion that it was tried against."""

    @property
    def best(self) -> Verdict | None:
        """Of the verdicts that accept it the one with most evidence; None: none of these."""
        return best(self.verdicts)


@dataclass(frozen=True, kw_only=True, slots=True)
class Enrolment:
    """An emotion after recordings were enrolled for it, and what became of each of them."""

    voice: Voice
    """With all its utterances, older ones included."""
    outcomes: tuple[Outcome, ...]
    """In the order given; ``"known"`` when the same sound was enrolled for it before."""

    @property
    def failed(self) -> tuple[Outcome, ...]:
        """The recordings that could not be enrolled."""
        return tuple(one for one in self.outcomes if one.status not in ("ok", "known"))


@runtime_checkable
class EmbeddingSystem(System, Protocol):
    """A system that can verify: utterances of one emotion have vectors of one direction."""

    def embed(self, waveforms: Sequence[Waveform]) -> Float[Tensor, "B D"]:
        """One vector per whole utterance, in evaluation mode."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Predictor:
    """Listens to recordings and rates them; several systems are averaged.

    Example:
        >>> from serkit.systems.crnn import CRNN, Config
        >>> system = CRNN(Config(emotions=("anger", "sadness"), size="small"))
        >>> listener = Predictor(systems=(system,), rater="crnn")
        >>> rating = listener.predict(np.sin(np.arange(16000, dtype=np.float32)))
        >>> rating.rater, sorted(rating.emotion)
        ('crnn', ['anger', 'sadness'])
    """

    systems: tuple[System, ...]
    """In evaluation mode, with equal tasks, names and sample rate."""
    rater: str
    """Who the ratings are by."""
    folders: tuple[str, ...] = ()
    """Where each system was read from; empty for those that never were on disk."""
    verification: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Verification card of the one system: thresholds and calibration; see
    ``serkit.evaluation.verification_card``."""
    affect_scale: tuple[float, float] | None = None
    """Lowest and highest value that the raters of affect could give; None where it is unknown."""
    temperature: Temperature | None = None
    """Fitted on development speakers and applied to all probabilities; None leaves them alone."""
    sure_above: float = 0.0
    """Probability that the most probable emotion needs to be named; below it: ``"not sure"``."""
    voices: Voices = field(default_factory=Voices)
    """Enrolled emotions; one set belongs to one listener, whose ``enrol`` adds to it."""

    def __post_init__(self) -> None:
        if self.voices.fingerprint:
            self._check_voices(self._embedder())

    @property
    def emotions(self) -> tuple[str, ...]:
        """Labels of the ratings, in the order of their probabilities; none for affect."""
        return names(self.systems[0]) if self.systems[0].task == "emotion" else ()

    @property
    def affect(self) -> tuple[str, ...]:
        """Dimensions of affect in the ratings; none for emotions."""
        return names(self.systems[0]) if self.systems[0].task == "affect" else ()

    @property
    def sample_rate(self) -> int:
        """Hz of the waveforms the systems hear."""
        return self.systems[0].sample_rate

    @property
    def fingerprint(self) -> str:
        """SHA-256 of what the systems are, their weights and calibration: the same, so the ratings.

        Example:
            >>> from serkit.systems.crnn import CRNN, Config
            >>> system = CRNN(Config(emotions=("anger", "sadness"), size="small"))
            >>> one = Predictor(systems=(system,), rater="crnn")
            >>> one.fingerprint == Predictor(systems=(system,), rater="mine").fingerprint
            True
        """
        each = "".join(model_fingerprint(system) for system in self.systems)
        if self.temperature is not None:
            each += f"{self.temperature.value}"
        if self.sure_above:
            each += f">{self.sure_above}"
        return hashlib.sha256(each.encode("ascii")).hexdigest()

    def on_scale(self, rating: Rating) -> dict[str, float]:
        """A rating's affect as the corpus rated it that the systems were trained on.

        Empty where the rating has no affect, or the scale is unknown.

        Example:
            >>> from serkit.systems.emosphere import EmoSphere, Config
            >>> listener = Predictor(
            ...     systems=(EmoSphere(Config()),), rater="emosphere", affect_scale=(1.0, 5.0))
            >>> listener.on_scale(Rating(rater="emosphere", affect={"valence": 0.75}))
            {'valence': 4.0}
        """
        if self.affect_scale is None:
            return {}
        return {name: from_unit(u, *self.affect_scale) for name, u in rating.affect.items()}

    def is_sure(self, rating: Rating) -> bool:
        """Whether a rating's most probable emotion is probable enough to be named.

        Always, where the model does not say what it takes (``sure_above``), for affect, and among
        enrolled emotions, which have thresholds of their own.

        Example:
            >>> from serkit.systems.crnn import CRNN, Config
            >>> system = CRNN(Config(emotions=("anger", "sadness"), size="small"))
            >>> listener = Predictor(systems=(system,), rater="crnn", sure_above=0.7)
            >>> listener.is_sure(Rating(rater="crnn", emotion={"anger": 0.6, "sadness": 0.4}))
            False
        """
        return (
            not rating.emotion
            or tuple(rating.emotion) != self.emotions
            or max(rating.emotion.values()) >= self.sure_above
        )

    def predict(
        self,
        recording: Recording,
        *,
        emotions: Sequence[str] | None = None,
        start: float = 0.0,
        end: float | None = None,
        sample_rate: int | None = None,
    ) -> Rating:
        """Rate one recording, or the stretch of it from ``start`` to ``end``.

        Among enrolled ``emotions`` the rating has a probability for each and for ``"none of
        these"``. All are equally likely beforehand; what the scores say for and against each is
        added by the model's calibration (the formula is that of ``voices.probabilities``).

        More than two minutes are heard two minutes at a time, so that memory does not grow with the
        length. The answer is the mean of theirs, weighted by their lengths; silent parts have none.

        Args:
            recording: Path of any audio or video file, or mono samples [N]: floats in [-1, 1],
                or integers.
            emotions: Names of enrolled emotions to choose among; None: those it was trained on.
            start: Where to begin, in seconds.
            end: Where to stop, in seconds; None is the end of the recording.
            sample_rate: Hz of samples given; None means ``self.sample_rate``. A file knows its own.

        Raises:
            AudioError: One of its kinds: the file cannot be read, is silent or too short.
            VoicesError: One of ``emotions`` is not enrolled.
            ModelError: Enrolled ``emotions``, and the model cannot verify.

        Example:
            >>> from serkit.systems.crnn import CRNN, Config
            >>> system = CRNN(Config(emotions=("anger", "sadness"), size="small"))
            >>> listener = Predictor(systems=(system,), rater="crnn")
            >>> tone = np.sin(np.arange(44100, dtype=np.float32))
            >>> rating = listener.predict(tone, start=0.2, end=0.7, sample_rate=44100)
            >>> round(sum(rating.emotion.values()), 6)
            1.0
        """
        voices = [] if emotions is None else self._voices(emotions)
        heard = self._listen(recording, start, end, sample_rate)
        if voices:
            embedding = self._embedding(heard)
            return self._rating_among(self._verdicts(voices, heard, embedding))
        return self._rating(self._answer_one(heard, self.answers))

    def predict_all(
        self,
        paths: Iterable[str | Path],
        *,
        batch: int = 16,
        progress: Callable[[int], object] | None = None,
    ) -> Iterator[Outcome]:
        """Rate any number of files, one outcome each, in the order given.

        A bad file is an outcome with its status, and the rest go on. A few batches are read
        ahead and rated by length; the ratings are those of ``predict``.

        Args:
            paths: Files; taken a few batches at a time, so there may be thousands.
            batch: Recordings rated at once, at most.
            progress: Called with the number of files done so far, after each batch.

        Example:
            >>> from serkit.systems.crnn import CRNN, Config
            >>> system = CRNN(Config(emotions=("anger", "sadness"), size="small"))
            >>> listener = Predictor(systems=(system,), rater="crnn")
            >>> [outcome.status for outcome in listener.predict_all(["no.wav", "nor.mp3"])]
            ['missing', 'missing']
        """
        _check_several(paths, batch, "predict_all")

        def rated(heard: _Heard, answer: _Answer) -> Outcome:
            if isinstance(answer, audio.AudioError):
                return self._outcome(heard, answer)
            outcome, rating = self._outcome(heard), self._rating(answer)
            unsure = () if self.is_sure(rating) else (NOT_SURE,)
            return replace(outcome, rating=rating, notes=(*outcome.notes, *unsure))

        return self._each(paths, batch, progress, self.answers, rated)

    def rate(self, waveforms: Sequence[Waveform]) -> list[Rating | audio.AudioError]:
        """Rate waveforms at ``self.sample_rate`` together, as ``predict`` does each by itself.

        One that the system fails on is an error in its place.

        Example:
            >>> from serkit.systems.crnn import CRNN, Config
            >>> system = CRNN(Config(emotions=("anger", "sadness"), size="small"))
            >>> listener = Predictor(systems=(system,), rater="crnn")
            >>> [rating.rater for rating in listener.rate([np.ones(8000, dtype=np.float32)] * 2)]
            ['crnn', 'crnn']
        """
        heard = [_Heard("waveform", waveform, None) for waveform in waveforms]
        return [
            answer if isinstance(answer, audio.AudioError) else self._rating(answer)
            for answer in _answer_batch(heard, self.answers)
        ]

    def timeline(
        self,
        recording: Recording,
        *,
        window: Seconds = WINDOW_TIME,
        hop: Seconds = HOP_TIME,
        smooth: Seconds = SMOOTH_TIME,
        vad: str = "energy",
        turns: Iterable[Turn] | None = None,
        sample_rate: int | None = None,
        batch: int = 16,
        progress: Callable[[Seconds], object] | None = None,
    ) -> Timeline:
        """Rate a recording window by window, and merge what is alike into segments.

        However long it is, only some seconds of it are in memory at once. What becomes of its
        end, of pauses and of short recordings: see ``Timeline``.

        Args:
            recording: Path of any audio or video file, or mono samples [N].
            window: Seconds that are rated at once.
            hop: Seconds from the beginning of one window to that of the next.
            smooth: Seconds over which ratings are averaged; 0 leaves them, and the labels, alone.
            vad: What finds speech: ``"energy"``, ``"silero"`` (extra ``vad``), or ``"none"``.
            turns: Who speaks when (``read_turns``); windows then never cross a turn.
            sample_rate: Hz of samples given; None means ``self.sample_rate``.
            batch: Windows rated at once, at most.
            progress: Called with the seconds heard so far, some thirty at a time.

        Raises:
            AudioError: The file cannot be read.
            TimelineError: The times do not fit together, or turns lie outside the recording.

        Example:
            >>> from serkit.systems.crnn import CRNN, Config
            >>> system = CRNN(Config(emotions=("anger", "sadness"), size="small"))
            >>> listener = Predictor(systems=(system,), rater="crnn")
            >>> sound = np.sin(np.arange(5 * 16000, dtype=np.float32))
            >>> timeline = listener.timeline(np.concatenate([sound, 0 * sound]))
            >>> [(window.start, window.end) for window in timeline.windows[:2]]
            [(0.0, 3.0), (1.0, 4.0)]
            >>> timeline.segments[-1].label, timeline.segments[-1].end
            ('silence', 10.0)
        """
        if sample_rate is not None and not isinstance(recording, np.ndarray):
            raise _rate_of_file(recording, sample_rate)
        return hear(
            self,
            recording,
            sample_rate=sample_rate,
            window=window,
            hop=hop,
            smooth=smooth,
            vad=vad,
            turns=turns,
            batch=batch,
            progress=progress,
        )

    def stream(
        self,
        *,
        sample_rate: int | None = None,
        window: Seconds = WINDOW_TIME,
        hop: Seconds = HOP_TIME,
        smooth: Seconds = SMOOTH_TIME,
        vad: str = "energy",
    ) -> Stream:
        """Rate sound while it arrives: what ``timeline`` says, a little later than it is heard.

        Args:
            sample_rate: Hz of the samples that will be fed; None means ``self.sample_rate``.
            window: As for ``timeline``, like ``hop``, ``smooth`` and ``vad``.
            hop: Seconds from one window to the next.
            smooth: Seconds over which ratings are averaged.
            vad: What finds speech.

        Raises:
            TimelineError: The times do not fit together.

        Example:
            >>> from serkit.systems.crnn import CRNN, Config
            >>> system = CRNN(Config(emotions=("anger", "sadness"), size="small"))
            >>> stream = Predictor(systems=(system,), rater="crnn").stream(sample_rate=8000)
            >>> for second in range(6):
            ...     sound = np.sin(np.arange(8000 * second, 8000 * (second + 1)) / 2)
            ...     print(second + 1, [window.end for window in stream.feed(sound).windows])
            1 []
            2 []
            3 []
            4 []
            5 [3.0]
            6 [4.0]
            >>> [window.end for window in stream.finish().windows]
            [5.0, 6.0]
        """
        return Stream(self, sample_rate=sample_rate, window=window, hop=hop, smooth=smooth, vad=vad)

    def embed(self, recording: Recording) -> Float32[np.ndarray, " D"]:
        """The direction in which the system places a recording: a vector of length 1.

        Raises:
            AudioError: As for ``predict``.
            ModelError: Several systems, or one that has no embeddings.

        Example:
            >>> from serkit.systems.crnn import CRNN, Config
            >>> system = CRNN(Config(emotions=("anger", "sadness"), size="small"))
            >>> listener = Predictor(systems=(system,), rater="crnn")
            >>> vector = listener.embed(np.sin(np.arange(16000, dtype=np.float32)))
            >>> round(float(np.linalg.norm(vector)), 6)
            1.0
        """
        _ = self._embedder()
        return self._embedding(self._listen(recording))

    def enrol(
        self,
        name: str,
        recordings: Iterable[Recording],
        *,
        batch: int = 16,
        progress: Callable[[int], object] | None = None,
    ) -> Enrolment:
        """Make an emotion known by recordings of it, or add recordings to one that is known.

        Recordings that cannot be used are reported and the others enrolled. A sound counts once: it
        is passed over when it is enrolled for ``name`` already, and refused when it is for another.

        Args:
            name: Any word.
            recordings: Files or samples at ``self.sample_rate``; three or more are steadier.
            batch: Recordings embedded at once, at most.
            progress: As for ``predict_all``.

        Raises:
            EnrolmentError: No recording could be used; nothing is changed then.
            VoicesError: No recordings, or a word that cannot be a name.
            ModelError: The model cannot verify; says which can.
        """
        _check_several(recordings, batch, "enrol")
        system, _ = self._embedder(), self._card()
        check_name(name)
        self._check_voices(system)
        seen: set[str] = set()

        def member(heard: _Heard, answer: _Answer) -> tuple[Outcome, Member | None]:
            direction = _direction(Path(heard.file), answer)
            if isinstance(direction, audio.AudioError):
                return self._outcome(heard, direction), None
            sound = heard.sound
            holder = self.voices.holder(sound)
            outcome = self._outcome(heard)
            if holder not in (None, name):
                message = elsewhere(str(heard.file), holder, name)
                return replace(outcome, status="enrolled elsewhere", message=message), None
            if holder == name or sound in seen:
                outcome = replace(outcome, status="known")
            seen.add(sound)
            return outcome, Member(file=str(heard.file), sound=sound, embedding=direction)

        found = list(self._each(recordings, batch, progress, self._embeddings, member))
        outcomes = tuple(outcome for outcome, _ in found)
        members = [one for _, one in found if one is not None]
        if not found:
            raise VoicesError(f"there are no recordings to enrol for {name}; give at least one")
        if not members:
            raise EnrolmentError(name, outcomes)
        anew = not self.voices.enrolled  # also when all that another model enrolled was forgotten
        voice = self.voices.add(name, members)
        if anew or self.folders:  # the same model may have been moved since
            self.voices.fingerprint = model_fingerprint(system)
            self.voices.model = str(Path(self.folders[0]).resolve()) if self.folders else ""
        return Enrolment(voice=voice, outcomes=outcomes)

    def verify(self, recording: Recording, name: str, *, false_acceptance: float = 0.05) -> Verdict:
        """Does a recording show an enrolled emotion?

        Args:
            recording: A file, or samples at ``self.sample_rate``.
            name: The emotion.
            false_acceptance: Share of recordings of other emotions that may be accepted; the
                threshold is the model's own, from its development speakers.

        Raises:
            AudioError: As for ``predict``.
            VoicesError: The emotion is not enrolled.
            ModelError: The model cannot verify.
            UnknownRateError: The model has no threshold for ``false_acceptance``.
        """
        (voice,) = self._voices([name])
        heard = self._listen(recording)
        return self._verdicts([voice], heard, self._embedding(heard), false_acceptance)[0]

    def verify_all(
        self,
        recordings: Iterable[Recording],
        emotions: Sequence[str] | None = None,
        *,
        false_acceptance: float = 0.05,
        batch: int = 16,
        progress: Callable[[int], object] | None = None,
    ) -> Iterator[Outcome]:
        """Try any number of recordings against enrolled emotions; one outcome each, in order.

        An outcome has a verdict for each emotion, and a rating among them and "none of these".

        Args:
            recordings: Files or samples; a bad one is an outcome with its status.
            emotions: Names; None tries all that are enrolled.
            false_acceptance: As for ``verify``.
            batch: Recordings embedded at once, at most.
            progress: As for ``predict_all``.

        Raises:
            VoicesError, ModelError, UnknownRateError: As for ``verify``.
        """
        _check_several(recordings, batch, "verify_all")
        voices = self._voices(emotions)
        for voice in voices:
            _ = threshold_for(self.verification, len(voice.members), false_acceptance)

        def tried(heard: _Heard, answer: _Answer) -> Outcome:
            direction = _direction(Path(heard.file), answer)
            if isinstance(direction, audio.AudioError):
                return self._outcome(heard, direction)
            verdicts = self._verdicts(voices, heard, direction, false_acceptance)
            rating = self._rating_among(verdicts)
            return replace(self._outcome(heard), rating=rating, verdicts=verdicts)

        return self._each(recordings, batch, progress, self._embeddings, tried)

    def identify(
        self,
        recording: Recording,
        *,
        emotions: Sequence[str] | None = None,
        false_acceptance: float = 0.05,
    ) -> Verdict | None:
        """Which of the enrolled emotions a recording shows; None says: none of these.

        Of the emotions that accept it the one with the highest log-likelihood ratio.

        Args:
            recording: A file, or samples at ``self.sample_rate``.
            emotions: Names; None tries all that are enrolled.
            false_acceptance: As for ``verify``, of each emotion by itself: of n emotions that a
                recording does not show, up to n times as many may accept it.

        Raises:
            AudioError, VoicesError, ModelError, UnknownRateError: As for ``verify``.
        """
        voices = self._voices(emotions)
        heard = self._listen(recording)
        return best(self._verdicts(voices, heard, self._embedding(heard), false_acceptance))

    def nearest(self, recording: Recording, k: int = NUM_NEAREST) -> tuple[Neighbour, ...]:
        """The ``k`` enrolled utterances that a recording is likest to, the likest first.

        Raises:
            AudioError, VoicesError, ModelError: As for ``verify``.
        """
        _ = self._embedder()
        if not self.voices:
            raise VoicesError("nothing is enrolled, so nothing is near: enrol recordings first")
        return self.voices.nearest(self._embedding(self._listen(recording)), k)

    def compare(
        self, first: Recording, second: Recording, *, false_acceptance: float = 0.05
    ) -> Verdict:
        """Do two recordings show the same emotion? It does not matter which is the first.

        Decided and calibrated as an enrolment of one utterance; nothing is enrolled.

        Args:
            first: A file, or samples at ``self.sample_rate``.
            second: The other; the verdict bears its name.
            false_acceptance: As for ``verify``.

        Raises:
            AudioError, ModelError, UnknownRateError: As for ``verify``.
        """
        _, card = self._embedder(), self._card()
        heard = [self._listen(first), self._listen(second)]
        one, other = (self._embedding(each) for each in heard)
        member = Member(file=str(heard[1].file), sound=heard[1].sound, embedding=other)
        alone = Voices().add(Path(heard[1].file).name, [member])
        notes = ("both are the same recording",) if heard[0].sound == heard[1].sound else ()
        return replace(
            verdict(alone, one, card, false_acceptance=false_acceptance),
            notes=(*notes, *card_notes(card)),
        )

    def answers(self, waveforms: Sequence[Waveform]) -> Float64[np.ndarray, "B _"]:
        """Probabilities, or values of affect, of waveforms at ``self.sample_rate``.

        In the order of ``emotions`` or of ``affect``; several systems are averaged. Probabilities
        are calibrated where the model has a temperature.
        """
        each = [answers(system, waveforms).double().cpu().numpy() for system in self.systems]
        mean = np.mean(each, axis=0)
        return mean if self.temperature is None else self.temperature.apply(mean)

    def _each(
        self,
        recordings: Iterable[Recording],
        batch: int,
        progress: Callable[[int], object] | None,
        answer: "_Answers",
        make: "Callable[[_Heard, _Answer], Made]",
    ) -> Iterator[Made]:
        """What is made of each recording and the system's answer to it, or its error, in order."""
        given, done = iter(recordings), 0

        def settled(number: int) -> None:
            nonlocal done
            done += number
            if progress is not None and number:
                _ = progress(done)

        with ThreadPoolExecutor(min(READERS, os.cpu_count() or 1)) as readers:
            window: list[_Heard] = []
            while True:
                heard = list(readers.map(self._hear, islice(given, batch)))
                window += heard
                seconds = sum(len(one.waveform) for one in window) / self.sample_rate
                full = len(window) >= WINDOW * batch or seconds > WINDOW_SECONDS
                if window and (full or not heard):
                    answered = self._answer_window(window, batch, answer, settled)
                    made = [make(*both) for both in zip(window, answered, strict=True)]
                    window = []
                    _release_memory()
                    yield from made
                if not heard:
                    return

    def _hear(self, recording: Recording) -> "_Heard":
        """A recording's samples and what is to be noted of them, or what is wrong with it."""
        try:
            heard = self._listen(recording)
            if isinstance(recording, np.ndarray):
                return heard
            narrow = audio.native_rate(recording) < self.sample_rate
            return replace(heard, notes=(*heard.notes, *(("narrow band",) if narrow else ())))
        except audio.AudioError as error:
            return _Heard(_file_of(recording), error=error)
        except OSError as error:  # the disk, not the file
            message = f"could not be read: {error.strerror or error}; try again"
            file = _file_of(recording)
            return _Heard(file, error=audio.UnreadableAudioError(Path(file), message))

    def _answer_window(
        self,
        window: "list[_Heard]",
        batch: int,
        answer: "_Answers",
        settled: Callable[[int], object],
    ) -> "list[_Answer]":
        """Answers to a window, in its order, made in batches of similar length.

        What comes to light of a long recording while it is rated is put into the window.
        """
        found: dict[int, _Answer] = {
            index: one.error for index, one in enumerate(window) if one.error is not None
        }
        _ = settled(len(found))
        for index, one in enumerate(window):
            if one.parts is not None:
                window[index], found[index] = self._answer_long(one, one.parts(), answer)
                _ = settled(1)
        lengths = {
            index: len(one.waveform) for index, one in enumerate(window) if index not in found
        }
        for chosen in _batches(lengths, batch, BATCH_SECONDS * self.sample_rate):
            heard = [window[index] for index in chosen]
            found |= zip(chosen, _answer_batch(heard, answer), strict=True)
            _ = settled(len(chosen))
        return [found[index] for index in range(len(window))]

    def _answer_one(self, heard: "_Heard", answer: "_Answers") -> Float64[np.ndarray, " _"]:
        """To a recording of any length."""
        if heard.parts is None:
            values = answer([heard.waveform])[0]
            _check_finite(Path(heard.file), values)
            return values
        _, found = self._answer_long(heard, heard.parts(), answer)
        if isinstance(found, audio.AudioError):
            raise found
        return found

    def _answer_long(
        self, heard: "_Heard", parts: Iterable[Waveform], answer: "_Answers"
    ) -> "tuple[_Heard, _Answer]":
        """Mean of the answers to the parts of a recording, and what was seen on the way."""
        notes = dict.fromkeys((*heard.notes, "long"))
        num_samples, rated = 0, 0
        total = np.zeros(1)
        try:
            for part in parts:
                num_samples += len(part)
                odd = audio.inspect(part, self.sample_rate)
                if "silent" in odd or len(part) < SHORTEST_HEARD * self.sample_rate:
                    continue
                notes |= dict.fromkeys(note for note in odd if note != "very short")
                (values,) = _answer_batch([replace(heard, waveform=part)], answer)
                if isinstance(values, audio.AudioError):
                    raise values
                total = total + len(part) * values
                rated += len(part)
            if not rated:
                raise _silent(Path(heard.file))
        except audio.AudioError as error:
            return replace(heard, error=error), error
        duration = num_samples / self.sample_rate
        return replace(heard, notes=tuple(notes), duration=duration), total / rated

    def _outcome(self, heard: "_Heard", error: audio.AudioError | None = None) -> Outcome:
        """Of a recording: what is known before anything is made of it."""
        return Outcome(
            file=str(heard.file),
            status=error.status if error else "ok",
            message=str(error) if error else "",
            notes=() if heard.error else heard.notes,
            duration=None if heard.error else heard.duration,
        )

    def _rating(self, values: Float64[np.ndarray, " _"]) -> Rating:
        if self.affect:
            kept = np.clip(values, 0.0, 1.0)  # a rating lies on the scale
            return Rating(
                rater=self.rater, affect=dict(zip(self.affect, kept.tolist(), strict=True))
            )
        return Rating(
            rater=self.rater, emotion=dict(zip(self.emotions, values.tolist(), strict=True))
        )

    def _rating_among(self, verdicts: Sequence[Verdict]) -> Rating:
        return Rating(rater=self.rater, emotion=probabilities(verdicts))

    def _embedder(self) -> EmbeddingSystem:
        """The one system, if it has embeddings."""
        if len(self.systems) != 1:
            example = self.folders[0] if self.folders else "the folder of one fold"
            raise ModelError(
                f"embeddings of different models cannot be compared, and {len(self.systems)} are "
                f"averaged here; load one of them, such as {example}"
            )
        system = self.systems[0]
        if not isinstance(system, EmbeddingSystem):
            able = ", ".join(name for name, kind in SYSTEMS.items() if hasattr(kind, "embed"))
            raise ModelError(
                f"{system.name} has no embeddings and cannot verify; train one of: {able}"
            )
        return system

    def _card(self) -> Mapping[str, Any]:
        """The verification card of the one system."""
        if self.affect:
            raise ModelError(
                f"{self.rater} rates {', '.join(self.affect)} and cannot verify emotions; take a "
                "model that was trained on emotions"
            )
        if not self.verification.get("num_enrolled"):
            raise ModelError(
                f"{self.folders[0] if self.folders else 'this model'} has no verification card: no "
                "threshold was measured when it was trained. Train it again with this version of "
                "serkit and a development side that holds several emotions (not --refit-full)"
            )
        return self.verification

    def _check_voices(self, system: EmbeddingSystem) -> None:
        """Refuse voices of another model."""
        if len(self.voices) and self.voices.fingerprint != model_fingerprint(system):
            here = self.folders[0] if self.folders else "this model"
            raise VoicesError(
                "these voices were enrolled with another model "
                f"({self.voices.model or 'one that was never saved'}), whose embeddings mean "
                f"nothing to {here}; load that one, or enrol the recordings again with this one"
            )

    def _voices(self, emotions: Sequence[str] | None) -> list[Voice]:
        """Enrolled emotions by name, or all, once it is sure that they can be tried."""
        _ = self._embedder(), self._card()
        if isinstance(emotions, str):
            raise ValueError(f"emotions takes several names; for one: [{emotions!r}]")
        chosen = tuple(dict.fromkeys(self.voices.enrolled if emotions is None else emotions))
        if not chosen:
            raise VoicesError(
                "nothing is enrolled to choose from; enrol recordings first, or load voices that "
                "were saved"
                if emotions is None
                else "no emotions to choose from; name at least one, or leave emotions out"
            )
        return [self.voices[name] for name in chosen]

    def _verdicts(
        self,
        voices: Sequence[Voice],
        heard: "_Heard",
        embedding: Float32[np.ndarray, " D"],
        false_acceptance: float = 0.05,
    ) -> tuple[Verdict, ...]:
        sound, nearest = heard.sound, self.voices.nearest(embedding, NUM_NEAREST)
        return tuple(
            verdict(
                voice,
                embedding,
                self.verification,
                false_acceptance=false_acceptance,
                sound=sound,
                nearest=nearest,
            )
            for voice in voices
        )

    def _embeddings(self, waveforms: Sequence[Waveform]) -> Float64[np.ndarray, "B D"]:
        return self._embedder().embed(waveforms).double().cpu().numpy()

    def _embedding(self, heard: "_Heard") -> Float32[np.ndarray, " D"]:
        """Of one recording, of length 1."""
        direction = _direction(Path(heard.file), self._answer_one(heard, self._embeddings))
        if isinstance(direction, audio.AudioError):
            raise direction
        return direction

    def _listen(
        self,
        recording: Recording,
        start: float = 0.0,
        end: float | None = None,
        sample_rate: int | None = None,
    ) -> "_Heard":
        """Samples that can be rated."""

        def parts() -> Iterator[Waveform]:
            if not isinstance(recording, np.ndarray):
                yield from audio.blocks(
                    recording,
                    start=start,
                    end=end,
                    sample_rate=self.sample_rate,
                    seconds=PART_SECONDS,
                )
                return
            rate = self.sample_rate if sample_rate is None else sample_rate
            waveform = self._condition(recording, start, end, rate)
            size = round(PART_SECONDS * self.sample_rate)
            for first in range(0, max(1, len(waveform)), size):
                yield waveform[first : first + size]

        file = _file_of(recording)
        if not isinstance(recording, np.ndarray) and sample_rate is not None:
            raise _rate_of_file(Path(file), sample_rate)
        found = parts()
        waveform = next(found)
        if next(found, None) is not None:
            return _Heard(file, waveform, parts=parts)
        duration = len(waveform) / self.sample_rate
        if duration < SHORTEST_HEARD:
            raise TooShortError(
                Path(file),
                f"{duration:.3f} s is too short to be rated; give at least {SHORTEST_HEARD:g} s",
            )
        notes = audio.inspect(waveform, self.sample_rate)
        if "silent" in notes:
            raise _silent(Path(file))
        return _Heard(file, waveform, notes=notes, duration=duration)

    def _condition(
        self, samples: np.ndarray, start: float, end: float | None, rate: int
    ) -> Waveform:
        """Samples from memory, treated as those of a file are."""
        path = Path("waveform")
        if not 1000 <= rate <= 1_000_000:
            raise ValueError(f"sample_rate={rate} must be that of the samples, 1000 Hz or above")
        mono = audio.as_waveform(samples)
        duration = len(mono) / rate
        if not 0 <= start < (duration if end is None else min(end, duration)):
            raise audio.SegmentError(
                path,
                f"cannot cut {start:g} s to {'the end' if end is None else f'{end:g} s'}: "
                f"it is {duration:.2f} s long",
            )
        first = round(start * self.sample_rate)
        last = None if end is None else round(end * self.sample_rate)
        return np.clip(audio.resample(mono, rate, self.sample_rate)[first:last], -1.0, 1.0)


@dataclass(frozen=True, slots=True)
class _Heard:
    """A recording that was read, or what is wrong with it."""

    file: str | Path
    waveform: Waveform = field(default_factory=lambda: np.zeros(0, dtype=np.float32))
    """The whole; of a long recording the first part."""
    error: audio.AudioError | None = None
    parts: Callable[[], Iterator[Waveform]] | None = None
    """Of a long recording: reads it, part by part."""
    notes: tuple[str, ...] = ()
    duration: Seconds | None = None

    @property
    def sound(self) -> str:
        """By which it is known under any name; two minutes are enough to know it by."""
        return sound_of(self.waveform)


_Answers = Callable[[Sequence[Waveform]], Float64[np.ndarray, "B _"]]
"""What is asked of several recordings at once: ratings, or embeddings."""
_Answer = Float64[np.ndarray, " _"] | audio.AudioError
"""What the system says of a recording, or why it says nothing."""


def load(
    path: str | Path | None = None, *, device: str = "cpu", voices: str | Path | None = None
) -> Predictor:
    """A trained system from its folder, or the mean of all of an experiment's systems.

    Args:
        path: A model folder (``config.json`` and ``model.safetensors``), such as
            ``OUT/seed0/fold-03``; or the folder of a run, ``OUT`` or ``OUT/seed0``, whose folds
            and seeds then rate together: their probabilities are averaged, and not calibrated,
            since a calibration is of one model. None: the model that comes with serkit
            (``SHIPPED``), whose weights have a licence of their own, CC BY-NC-SA 4.0.
        device: Where to compute, as torch names it (``"cpu"``, ``"cuda"``).
        voices: A file of emotions that were enrolled with this very model (``Voices.save``).

    Raises:
        ModelError: There is no model in ``path``, or there are several that do not rate the
            same emotions; says what is there.
        CheckpointError: A model is damaged or was edited.
        VoicesError: The voices are damaged, or were enrolled with another model.

    Example:
        >>> import tempfile
        >>> from serkit.systems.crnn import CRNN, Config
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for fold in ("fold-03", "fold-08"):
        ...         system = CRNN(Config(emotions=("anger", "sadness"), size="small"))
        ...         _ = checkpoint.save(system, Path(folder) / "seed0" / fold)
        ...     load(folder).rater
        'crnn (mean of 2 models)'
    """
    folder = SHIPPED if path is None else Path(path)
    if folder.is_file() and folder.name in (checkpoint.CONFIG, checkpoint.MODEL):
        folder = folder.parent
    folders = _model_folders(folder)
    systems = tuple(checkpoint.load(one) for one in folders)
    for one, system in zip(folders, systems, strict=True):
        for claim in ("task", "emotions", "affect", "sample_rate"):
            first, this = (_claim(listener, claim) for listener in (systems[0], system))
            if first != this:
                raise ModelError(
                    f"the models in {folder} cannot be averaged: {claim} of {folders[0]} is "
                    f"{first}, of {one} it is {this}; load one of them"
                )
        _ = checkpoint.as_module(system).to(device)
    names = "+".join(sorted({system.name for system in systems}))
    rater = names if len(systems) == 1 else f"{names} (mean of {len(systems)} models)"
    cards = [checkpoint.read_config(one).get("card", {}) for one in folders]
    calibration = cards[0].get("calibration", {}) if len(cards) == 1 else {}
    scales = {tuple(card.get("affect_scale") or ()) for card in cards}
    return Predictor(
        systems=systems,
        rater=rater,
        folders=tuple(str(one) for one in folders),
        verification=cards[0].get("verification", {}) if len(cards) == 1 else {},
        affect_scale=_scale(*scales) if len(scales) == 1 else None,
        temperature=(
            Temperature(value=calibration["temperature"]) if "temperature" in calibration else None
        ),
        sure_above=calibration.get("sure_above", 0.0),
        voices=Voices() if voices is None else Voices.load(voices),
    )


def _scale(values: Sequence[float]) -> tuple[float, float] | None:
    """A scale as a card has it; none where it is unknown."""
    return (float(values[0]), float(values[1])) if len(values) == 2 else None


def _answer_batch(heard: Sequence[_Heard], answer: _Answers) -> list[_Answer]:
    """Answers to recordings heard together; alone when one of them spoils the batch."""
    try:
        found = answer([one.waveform for one in heard])
    except (RuntimeError, ValueError, MemoryError) as error:
        if len(heard) > 1:
            return [one for alone in heard for one in _answer_batch([alone], answer)]
        return [FailedRatingError(Path(heard[0].file), f"the system failed on it: {error}")]
    checked: list[_Answer] = []
    for one, values in zip(heard, found, strict=True):
        try:
            _check_finite(Path(one.file), values)
        except FailedRatingError as error:
            checked.append(error)
        else:
            checked.append(values)
    return checked


def _release_memory() -> None:
    """Give what is free back to the system.

    Batches of ever other lengths leave glibc's heap in pieces that the next does not fit into: over
    thousands of recordings a network of 0.3 GB would come to hold 1.2 GB.
    """
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # musl has none, and no need
        if trim is not None:
            trim(0)


def _file_of(recording: Recording) -> str | Path:
    return "waveform" if isinstance(recording, np.ndarray) else recording


def _silent(path: Path) -> SilentAudioError:
    return SilentAudioError(
        path,
        f"is silent (level below {audio.SILENT_LEVEL:g} dBFS): there is nothing to rate; "
        "check the microphone, or that the right track or channel was exported",
    )


def _check_finite(path: Path, values: Float64[np.ndarray, " _"]) -> None:
    if not np.isfinite(values).all():
        raise FailedRatingError(
            path, "the system answered with numbers that are not finite; train it again"
        )


def _direction(path: Path, answer: _Answer) -> Float32[np.ndarray, " D"] | audio.AudioError:
    """The embedding at length 1, or what is wrong."""
    if isinstance(answer, audio.AudioError):
        return answer
    length = float(np.linalg.norm(answer))
    if length == 0.0:
        return FailedRatingError(path, "its embedding is zero, which is like nothing else")
    return (answer / length).astype(np.float32)


def _rate_of_file(path: str | Path, sample_rate: int) -> ValueError:
    return ValueError(
        f"sample_rate={sample_rate} was given with the file {path}, which knows its own; leave it "
        "out"
    )


def _check_several(given: object, batch: int, method: str) -> None:
    """Refuse a single recording where many are expected, and an empty batch."""
    if isinstance(given, (str, Path, np.ndarray)):
        shown = "waveform" if isinstance(given, np.ndarray) else repr(str(given))
        raise ValueError(f"{method} takes several recordings; for one: [{shown}]")
    if batch < 1:
        raise ValueError(f"batch={batch} must be 1 or more")


def _claim(system: System, claim: str) -> object:
    if claim in ("emotions", "affect"):
        return tuple(getattr(system.config, claim, ()))
    return getattr(system, claim)


def _model_folders(folder: Path) -> list[Path]:
    """Every model that ``folder`` is, or holds as a run: ``seed*/fold*`` or ``fold*``."""
    if (folder / checkpoint.CONFIG).is_file():
        return [folder]
    for pattern in ("seed*/fold*", "fold*"):
        found = sorted(config.parent for config in folder.glob(f"{pattern}/{checkpoint.CONFIG}"))
        if found:
            return found
    expected = f"a model folder ({checkpoint.CONFIG}, {checkpoint.MODEL}) or the folder of a run"
    if folder.is_dir():
        there = ", ".join(sorted(entry.name for entry in folder.iterdir())[:10]) or "nothing"
        raise ModelError(f"no trained model in {folder}: it holds {there}; expected {expected}")
    if folder.exists():
        raise ModelError(f"{folder} is a file, not a model; expected {expected}")
    siblings = [entry.name for entry in _entries(folder.parent) if entry.is_dir()]
    near = difflib.get_close_matches(folder.name, siblings, n=3, cutoff=0.5)
    hint = f"; did you mean {' or '.join(near)}?" if near else ""
    raise ModelError(f"there is no folder {folder}{hint}; expected {expected}")


def _entries(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _batches(lengths: dict[int, int], batch: int, longest: float) -> Iterator[list[int]]:
    """Recordings of similar length, at most ``batch`` and ``longest`` padded samples at once."""
    chosen: list[int] = []
    for index in sorted(lengths, key=lengths.__getitem__):  # so the newest is the longest
        if len(chosen) == batch or (chosen and (len(chosen) + 1) * lengths[index] > longest):
            yield chosen
            chosen = []
        chosen.append(index)
    if chosen:
        yield chosen
