"""Recordings in, ratings out: one trained system, or several that are averaged."""

# Shapes: B recordings, N samples, C emotions.

import difflib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Float64

from serkit import audio
from serkit.corpus.utterance import Rating, Seconds
from serkit.systems import System, answers, names
from serkit.trainer import checkpoint

Waveform = Float32[np.ndarray, " _"]
"""Mono samples; each of a list has its own length."""

SHORTEST_HEARD = 0.1  # s; shorter than a vowel, and fewer frames than a network's pooling needs
WINDOW = 8  # batches that are read before they are ordered by length
WINDOW_SECONDS = 1800.0  # of audio held at once at most (115 MB), beside the last batch read
BATCH_SECONDS = 120.0  # of padded audio rated at once at most, unless one recording is longer
READERS = 4  # threads; decoding and resampling let go of the interpreter


class ModelError(LookupError):
    """A path that holds no trained system, or several that do not belong together."""


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
    """What became of one file: a rating, or the reason why there is none."""

    file: str
    """As it was given."""
    status: str
    """``"ok"``, or why there is no rating: ``"missing"``, ``"truncated"``, ``"silent"``, ..."""
    message: str = ""
    """The reason in a sentence with the remedy; empty when all is well."""
    rating: Rating | None = None
    """Emotion to probability, and who rated."""
    notes: tuple[str, ...] = ()
    """Reasons to doubt the rating: ``"clipped"``, ``"very short"``, ``"long"``."""
    duration: Seconds | None = None
    """Length of what was heard."""


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

    def predict(
        self,
        recording: str | Path | np.ndarray,
        *,
        start: float = 0.0,
        end: float | None = None,
        sample_rate: int | None = None,
    ) -> Rating:
        """Rate one recording, or the stretch of it from ``start`` to ``end``.

        Args:
            recording: Path of any audio or video file, or mono samples [N]: floats in [-1, 1],
                or integers.
            start: Where to begin, in seconds.
            end: Where to stop, in seconds; None is the end of the recording.
            sample_rate: Hz of samples given; None means ``self.sample_rate``. A file knows its own.

        Raises:
            AudioError: One of its kinds: the file cannot be read, is silent or too short.

        Example:
            >>> from serkit.systems.crnn import CRNN, Config
            >>> system = CRNN(Config(emotions=("anger", "sadness"), size="small"))
            >>> listener = Predictor(systems=(system,), rater="crnn")
            >>> tone = np.sin(np.arange(44100, dtype=np.float32))
            >>> rating = listener.predict(tone, start=0.2, end=0.7, sample_rate=44100)
            >>> round(sum(rating.emotion.values()), 6)
            1.0
        """
        if isinstance(recording, np.ndarray):
            path = Path("waveform")
            waveform = self._condition(
                recording, start, end, self.sample_rate if sample_rate is None else sample_rate
            )
        else:
            path = Path(recording)
            if sample_rate is not None:
                raise ValueError(
                    f"sample_rate={sample_rate} was given with the file {path}, which knows its "
                    "own; leave it out"
                )
            waveform = audio.read(path, start=start, end=end, sample_rate=self.sample_rate)
        self._check(path, waveform)
        return self._rating(path, self.answers([waveform])[0])

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
            progress: Called with the number of files done so far, after each few batches.

        Example:
            >>> from serkit.systems.crnn import CRNN, Config
            >>> system = CRNN(Config(emotions=("anger", "sadness"), size="small"))
            >>> listener = Predictor(systems=(system,), rater="crnn")
            >>> [outcome.status for outcome in listener.predict_all(["no.wav", "nor.mp3"])]
            ['missing', 'missing']
        """
        if isinstance(paths, (str, Path)):
            raise ValueError(f"predict_all takes several files; for one: predict({str(paths)!r})")
        if batch < 1:
            raise ValueError(f"batch={batch} must be 1 or more")
        return self._outcomes(iter(paths), batch, progress)

    def answers(self, waveforms: Sequence[Waveform]) -> Float64[np.ndarray, "B _"]:
        """Probabilities, or values of affect, of waveforms at ``self.sample_rate``.

        In the order of ``emotions`` or of ``affect``; several systems are averaged.
        """
        each = [answers(system, waveforms).double().cpu().numpy() for system in self.systems]
        return np.mean(each, axis=0)

    def _outcomes(
        self, paths: Iterator[str | Path], batch: int, progress: Callable[[int], object] | None
    ) -> Iterator[Outcome]:
        done = 0
        with ThreadPoolExecutor(min(READERS, os.cpu_count() or 1)) as readers:
            window: list[_Heard] = []
            while True:
                heard = list(readers.map(self._hear, islice(paths, batch)))
                window += heard
                seconds = sum(len(one.waveform) for one in window) / self.sample_rate
                full = len(window) >= WINDOW * batch or seconds > WINDOW_SECONDS
                if window and (full or not heard):
                    outcomes = self._rate(window, batch)
                    done += len(window)
                    window = []
                    if progress is not None:
                        _ = progress(done)
                    yield from outcomes
                if not heard:
                    return

    def _hear(self, file: str | Path) -> "_Heard":
        """A file's samples, or what is wrong with it."""
        path = Path(file)
        try:
            waveform = audio.read(path, sample_rate=self.sample_rate)
            self._check(path, waveform)
        except audio.AudioError as error:
            return _Heard(file, np.zeros(0, dtype=np.float32), error)
        except OSError as error:  # the disk, not the file
            message = f"could not be read: {error.strerror or error}; try again"
            failure = audio.UnreadableAudioError(path, message)
            return _Heard(file, np.zeros(0, dtype=np.float32), failure)
        return _Heard(file, waveform, None)

    def _rate(self, window: Sequence["_Heard"], batch: int) -> list[Outcome]:
        """Outcomes of a window, in its order, rated in batches of similar length."""
        outcomes = [
            Outcome(file=str(one.file), status=one.error.status, message=str(one.error))
            if one.error is not None
            else None
            for one in window
        ]
        lengths = {
            index: len(one.waveform) for index, one in enumerate(window) if one.error is None
        }
        for chosen in _batches(lengths, batch, BATCH_SECONDS * self.sample_rate):
            for index, outcome in zip(
                chosen, self._rate_batch([window[index] for index in chosen]), strict=True
            ):
                outcomes[index] = outcome
        return [outcome for outcome in outcomes if outcome is not None]

    def _rate_batch(self, heard: Sequence["_Heard"]) -> list[Outcome]:
        """Outcomes of recordings rated together; alone when one of them spoils the batch."""
        try:
            found = self.answers([one.waveform for one in heard])
        except (RuntimeError, ValueError, MemoryError) as error:
            if len(heard) > 1:
                return [outcome for one in heard for outcome in self._rate_batch([one])]
            failure = FailedRatingError(Path(heard[0].file), f"the system failed on it: {error}")
            return [self._failed(heard[0], failure)]
        outcomes: list[Outcome] = []
        for one, values in zip(heard, found, strict=True):
            try:
                rating = self._rating(Path(one.file), values)
            except FailedRatingError as error:
                outcomes.append(self._failed(one, error))
                continue
            outcomes.append(
                Outcome(
                    file=str(one.file),
                    status="ok",
                    rating=rating,
                    notes=audio.inspect(one.waveform, self.sample_rate),
                    duration=len(one.waveform) / self.sample_rate,
                )
            )
        return outcomes

    def _failed(self, one: "_Heard", error: FailedRatingError) -> Outcome:
        return Outcome(
            file=str(one.file),
            status=error.status,
            message=str(error),
            notes=audio.inspect(one.waveform, self.sample_rate),
            duration=len(one.waveform) / self.sample_rate,
        )

    def _rating(self, path: Path, values: Float64[np.ndarray, " _"]) -> Rating:
        if not np.isfinite(values).all():
            raise FailedRatingError(
                path, "the system answered with numbers that are not finite; train it again"
            )
        if self.affect:
            kept = np.clip(values, 0.0, 1.0)  # a rating lies on the scale
            return Rating(
                rater=self.rater, affect=dict(zip(self.affect, kept.tolist(), strict=True))
            )
        return Rating(
            rater=self.rater, emotion=dict(zip(self.emotions, values.tolist(), strict=True))
        )

    def _condition(
        self, samples: np.ndarray, start: float, end: float | None, rate: int
    ) -> Waveform:
        """Samples from memory, treated as those of a file are."""
        path = Path("waveform")
        if samples.ndim != 1:
            raise ValueError(
                f"a waveform must be mono samples [N], not of shape {samples.shape}; "
                "average its channels first"
            )
        if not (np.issubdtype(samples.dtype, np.floating) or samples.dtype.kind == "i"):
            raise ValueError(
                "a waveform must be of floats in [-1, 1] or of signed integers, "
                f"not {samples.dtype}"
            )
        if not 1000 <= rate <= 1_000_000:
            raise ValueError(f"sample_rate={rate} must be that of the samples, 1000 Hz or above")
        if np.issubdtype(samples.dtype, np.integer):
            samples = samples / -float(np.iinfo(samples.dtype).min or -1)
        mono = np.asarray(samples, dtype=np.float32)
        audio.check(path, mono)
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

    def _check(self, path: Path, waveform: Waveform) -> None:
        """Refuse what cannot be rated."""
        duration = len(waveform) / self.sample_rate
        if duration < SHORTEST_HEARD:
            raise TooShortError(
                path,
                f"{duration:.3f} s is too short to be rated; give at least {SHORTEST_HEARD:g} s",
            )
        if "silent" in audio.inspect(waveform, self.sample_rate):
            raise SilentAudioError(
                path,
                f"is silent (level below {audio.SILENT_LEVEL:g} dBFS): there is nothing to rate; "
                "check the microphone, or that the right track or channel was exported",
            )


@dataclass(frozen=True, slots=True)
class _Heard:
    """A file that was read, or what is wrong with it."""

    file: str | Path
    waveform: Waveform
    error: audio.AudioError | None


def load(path: str | Path, *, device: str = "cpu") -> Predictor:
    """A trained system from its folder, or the mean of all of an experiment's systems.

    Args:
        path: A model folder (``config.json`` and ``model.safetensors``), such as
            ``OUT/seed0/fold-03``; or the folder of a run, ``OUT`` or ``OUT/seed0``, whose folds
            and seeds then rate together: their probabilities are averaged.
        device: Where to compute, as torch names it (``"cpu"``, ``"cuda"``).

    Raises:
        ModelError: There is no model in ``path``, or there are several that do not rate the
            same emotions; says what is there.
        CheckpointError: A model is damaged or was edited.

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
    folder = Path(path)
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
    return Predictor(systems=systems, rater=rater)


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
