"""A trained system, ready to listen."""

import itertools
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import pytest
import soundfile
import soxr
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import serkit
import serkit.corpus.excerpt
from serkit.audio import AudioError, NonFiniteAudioError, ScaleError, SegmentError
from serkit.predictor import (
    FailedRatingError,
    ModelError,
    Outcome,
    Predictor,
    SilentAudioError,
    TooShortError,
    load,
)
from serkit.systems import System
from serkit.systems.crnn import CRNN, Config
from serkit.trainer import checkpoint

EMOTIONS = ("anger", "neutral", "sadness")


@dataclass(frozen=True, kw_only=True, slots=True)
class FakeConfig:
    """Only what every system has."""

    emotions: tuple[str, ...] = EMOTIONS


class FakeSystem(nn.Module):
    """Answers with numbers that anybody can compute from the waveform; remembers its batches."""

    name: ClassVar[str] = "fake"
    task: ClassVar[str] = "emotion"
    trained_by_gradient: ClassVar[bool] = False
    sample_rate: ClassVar[int] = 16000

    def __init__(self, *, bias: float = 0.0, emotions: tuple[str, ...] = EMOTIONS) -> None:
        super().__init__()
        self.config = FakeConfig(emotions=emotions)
        self.bias = bias
        self.heard: list[list[int]] = []

    def front_end(self) -> dict[str, Any]:
        return {}

    def cuts(self, num_samples: int, generator: np.random.Generator) -> list[tuple[int, int]]:
        return [(0, num_samples)]

    def prepare(self, waveforms: Any, targets: Any, *, speakers: Any = None) -> None:
        return None

    def objective(self, logits: Tensor, emotion: Tensor, **_: Any) -> dict[str, Tensor]:
        return {}

    def answer(self, waveform: np.ndarray) -> list[float]:
        level = self.bias + float(np.sqrt(np.mean(waveform**2)))
        logits = torch.tensor([level, 1.0 / len(waveform), 0.1], dtype=torch.float64)
        return logits.softmax(0).tolist()

    def posterior(self, waveforms: Sequence[np.ndarray]) -> Tensor:
        self.heard.append([len(waveform) for waveform in waveforms])
        return torch.tensor([self.answer(waveform) for waveform in waveforms])


class FragileSystem(FakeSystem):
    """Fails, or answers with NaN, when it hears a recording of a certain length."""

    def posterior(self, waveforms: Sequence[np.ndarray]) -> Tensor:
        if any(len(waveform) == 8000 for waveform in waveforms):
            raise RuntimeError("no memory left")
        scores = super().posterior(waveforms)
        scores[[len(waveform) == 9000 for waveform in waveforms]] = torch.nan
        return scores


def listener(*systems: FakeSystem) -> Predictor:
    return Predictor(systems=systems or (FakeSystem(),), rater="fake")


def sound(num_samples: int, *, amplitude: float = 0.3, seed: int = 0) -> np.ndarray:
    """Noise that swells and falls, so that no stretch is like another."""
    noise = np.random.default_rng(seed).uniform(-1, 1, num_samples)
    return (amplitude * noise * np.hanning(num_samples + 2)[1:-1]).astype(np.float32)


def write(file: Path, samples: np.ndarray, rate: int = 16000) -> Path:
    soundfile.write(file, samples, rate, subtype="FLOAT" if file.suffix == ".wav" else None)
    return file


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Twenty-five recordings of different lengths and levels."""
    root = tmp_path_factory.mktemp("recordings")
    lengths = np.random.default_rng(1).integers(3000, 20000, 25)
    return [
        write(root / f"{n:02}.wav", sound(int(length), amplitude=0.02 * (n + 1), seed=n))
        for n, length in enumerate(lengths)
    ]


@pytest.fixture
def bad_files(tmp_path: Path) -> dict[str, str]:
    """One file of each bad kind, and its status."""
    (tmp_path / "empty.wav").touch()
    (tmp_path / "poem.mp3").write_text("Who rides so late through night and wind?\n" * 9)
    cut = write(tmp_path / "cut.wav", sound(16000))
    cut.write_bytes(cut.read_bytes()[:20000])
    return {
        str(tmp_path / "nobody.wav"): "missing",
        str(tmp_path): "directory",
        str(tmp_path / "empty.wav"): "empty",
        str(tmp_path / "poem.mp3"): "unreadable",
        str(cut): "truncated",
        str(write(tmp_path / "nan.wav", np.full(16000, np.nan))): "not finite",
        str(write(tmp_path / "huge.wav", 1000 * sound(16000))): "bad scale",
        str(write(tmp_path / "silent.wav", np.zeros(16000))): "silent",
        str(write(tmp_path / "hum.flac", np.full(16000, 5e-5))): "silent",
        str(write(tmp_path / "click.wav", sound(1000))): "too short",
    }


# -- one recording ----------------------------------------------------------------------------


def test_a_rating_names_every_emotion_with_its_probability(recordings: list[Path]) -> None:
    rating = listener().predict(recordings[0])
    heard, _ = soundfile.read(recordings[0], dtype="float32")
    assert isinstance(rating, serkit.Rating)
    assert rating.rater == "fake"
    assert tuple(rating.emotion) == EMOTIONS == listener().emotions
    assert list(rating.emotion.values()) == pytest.approx(FakeSystem().answer(heard), abs=1e-6)
    assert rating.top == max(rating.emotion, key=lambda emotion: rating.emotion[emotion])


def test_the_fake_is_a_system() -> None:
    assert isinstance(FakeSystem(), System)


def test_samples_in_memory_are_rated_as_the_file_is(tmp_path: Path) -> None:
    samples = sound(44100)
    file = write(tmp_path / "call.wav", samples, 44100)
    for times in ({}, {"start": 0.25}, {"start": 0.25, "end": 0.75}):
        of_file = listener().predict(file, **times)
        of_samples = listener().predict(samples, sample_rate=44100, **times)
        assert of_samples.emotion == pytest.approx(of_file.emotion, abs=1e-6)


def test_integers_and_doubles_are_rated_as_floats_are() -> None:
    samples = np.round(sound(16000) * 32767) / 32768
    expected = listener().predict(samples.astype(np.float32)).emotion
    assert listener().predict(samples.astype(np.float64)).emotion == expected
    assert listener().predict((samples * 32768).astype(np.int16)).emotion == expected


def test_a_stretch_is_rated_as_if_it_were_all(recordings: list[Path], tmp_path: Path) -> None:
    samples, _ = soundfile.read(recordings[3], dtype="float32")
    part = write(tmp_path / "part.wav", samples[1600:4800])
    rating = listener().predict(recordings[3], start=0.1, end=0.3)
    assert rating.emotion == pytest.approx(listener().predict(part).emotion, abs=1e-6)


def test_several_systems_are_averaged(recordings: list[Path]) -> None:
    loud, quiet = FakeSystem(bias=1.0), FakeSystem(bias=-1.0)
    one, other = (listener(system).predict(recordings[0]).emotion for system in (loud, quiet))
    both = listener(loud, quiet).predict(recordings[0]).emotion
    assert both == pytest.approx({e: (one[e] + other[e]) / 2 for e in EMOTIONS})


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        (np.zeros(16000), SilentAudioError, r"silent \(level below -80 dBFS\).*check the micro"),
        (sound(1599), TooShortError, "0.100 s is too short to be rated; give at least 0.1 s"),
        (np.full(16000, np.nan), NonFiniteAudioError, "16000 of 16000 samples are NaN"),
        (30000 * sound(16000), ScaleError, "divide them by 32768"),
        (np.zeros((16000, 2)), ValueError, r"mono samples \[N\], not of shape \(16000, 2\)"),
    ],
)
def test_samples_that_cannot_be_rated_are_refused(
    wrong: np.ndarray, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        _ = listener().predict(wrong)


@pytest.mark.parametrize(("start", "end"), [(-0.5, None), (1.0, None), (0.5, 0.2), (np.nan, 1.0)])
def test_a_stretch_outside_the_samples_is_refused(start: float, end: float | None) -> None:
    with pytest.raises(SegmentError, match=r"cannot cut .* it is 1\.00 s long"):
        _ = listener().predict(sound(16000), start=start, end=end)


def test_a_rate_given_with_a_file_is_refused(recordings: list[Path]) -> None:
    with pytest.raises(
        ValueError, match=r"sample_rate=8000 was given with the file .*leave it out"
    ):
        _ = listener().predict(recordings[0], sample_rate=8000)


def test_a_bad_file_is_an_error_with_its_status(bad_files: dict[str, str]) -> None:
    for file, status in bad_files.items():
        with pytest.raises(AudioError, match=Path(file).name) as caught:
            _ = listener().predict(file)
        assert caught.value.status == status


def test_an_answer_that_is_no_number_is_refused(recordings: list[Path]) -> None:
    with pytest.raises(FailedRatingError, match="not finite; train it again"):
        _ = listener(FragileSystem()).predict(sound(9000))


# -- many recordings --------------------------------------------------------------------------


@pytest.mark.parametrize("batch", [1, 2, 7, 16, 100])
def test_many_are_rated_in_order_as_each_is_alone(recordings: list[Path], batch: int) -> None:
    outcomes = list(listener().predict_all(recordings, batch=batch))
    assert [outcome.file for outcome in outcomes] == [str(file) for file in recordings]
    for outcome, file in zip(outcomes, recordings, strict=True):
        assert outcome.rating is not None
        alone = listener().predict(file).emotion
        assert outcome.rating.emotion == pytest.approx(alone, abs=1e-6)
        assert outcome.duration == pytest.approx(soundfile.info(file).duration)
        assert (outcome.status, outcome.message) == ("ok", "")


def test_every_bad_file_has_its_row_and_the_rest_go_on(
    recordings: list[Path], bad_files: dict[str, str]
) -> None:
    files = [str(file) for file in recordings[:5]]
    mixed = [file for pair in itertools.zip_longest(bad_files, files) for file in pair if file]
    outcomes = list(listener().predict_all(mixed, batch=3))
    assert [outcome.file for outcome in outcomes] == mixed
    for outcome in outcomes:
        assert outcome.status == bad_files.get(outcome.file, "ok")
        assert (outcome.rating is None) == (outcome.status != "ok")
        assert (Path(outcome.file).name in outcome.message) == (outcome.status != "ok")


def test_one_recording_that_the_system_fails_on_does_not_take_its_batch_along(
    tmp_path: Path,
) -> None:
    files = [
        write(tmp_path / f"{num_samples}.wav", sound(num_samples))
        for num_samples in (7000, 8000, 9000, 10000)
    ]
    outcomes = list(listener(FragileSystem()).predict_all(files))
    assert [outcome.status for outcome in outcomes] == ["ok", "failed", "failed", "ok"]
    assert "8000.wav: the system failed on it: no memory left" in outcomes[1].message
    assert "not finite" in outcomes[2].message


@settings(max_examples=25)
@given(lengths=st.lists(st.integers(0, 9000), max_size=40), batch=st.integers(1, 6))
def test_nothing_is_lost_whatever_the_lengths_and_the_batch(
    tmp_path_factory: pytest.TempPathFactory, lengths: list[int], batch: int
) -> None:
    root = tmp_path_factory.getbasetemp()
    files = [root / f"length-{num_samples // 300}.flac" for num_samples in lengths]
    for file, num_samples in zip(files, lengths, strict=True):
        if not file.exists():
            _ = write(file, sound(num_samples // 300 * 300))
    outcomes = list(listener().predict_all(files, batch=batch))
    assert [outcome.file for outcome in outcomes] == [str(file) for file in files]
    for outcome, num_samples in zip(outcomes, lengths, strict=True):
        rounded = num_samples // 300 * 300
        expected = "empty" if rounded == 0 else "too short" if rounded < 1600 else "ok"
        assert outcome.status == expected


def test_recordings_of_similar_length_are_rated_together(recordings: list[Path]) -> None:
    system = FakeSystem()
    _ = list(listener(system).predict_all(recordings, batch=4))
    assert [len(lengths) for lengths in system.heard] == [4] * 6 + [1]
    in_order = [length for lengths in system.heard for length in lengths]
    assert in_order == sorted(in_order)


def test_long_recordings_are_rated_in_small_batches(tmp_path: Path) -> None:
    system = FakeSystem()
    files = [write(tmp_path / f"{n}.flac", sound(50 * 16000, seed=n)) for n in range(5)]
    outcomes = list(listener(system).predict_all(files, batch=16))
    assert [outcome.status for outcome in outcomes] == ["ok"] * 5
    assert [len(lengths) for lengths in system.heard] == [2, 2, 1]


def test_thousands_are_taken_a_few_batches_at_a_time(recordings: list[Path]) -> None:
    taken = 0

    def endless() -> Iterator[Path]:
        nonlocal taken
        for file in itertools.cycle(recordings):
            taken += 1
            yield file

    outcomes = listener().predict_all(endless(), batch=2)
    first = list(itertools.islice(outcomes, 20))
    assert len(first) == 20
    assert taken <= 20 + 8 * 2


def test_progress_counts_every_file_once(recordings: list[Path]) -> None:
    counts: list[int] = []
    _ = list(listener().predict_all(recordings, batch=2, progress=counts.append))
    assert counts == [*range(2, 25, 2), 25]


def test_no_files_give_no_outcomes() -> None:
    assert list(listener().predict_all([])) == []
    with pytest.raises(ValueError, match="batch=0 must be 1 or more"):
        _ = listener().predict_all([], batch=0)


@pytest.mark.parametrize(
    ("make", "notes"),
    [
        (lambda: sound(16000), ()),
        (lambda: np.sign(sound(16000)), ("clipped",)),
        (lambda: sound(3000), ("very short",)),
        (lambda: sound(61 * 16000), ("long",)),
    ],
)
def test_a_doubtful_recording_is_rated_with_a_note(
    tmp_path: Path, make: Callable[[], np.ndarray], notes: tuple[str, ...]
) -> None:
    (outcome,) = listener().predict_all([write(tmp_path / "call.wav", make())])
    assert (outcome.status, outcome.notes) == ("ok", notes)
    assert outcome.rating is not None


# -- models on disk ---------------------------------------------------------------------------


def save_model(folder: Path, *, seed: int = 0, emotions: tuple[str, ...] = EMOTIONS) -> Path:
    torch.manual_seed(seed)
    return checkpoint.save(CRNN(Config(emotions=emotions, size="small")), folder)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An experiment's folder: two seeds, two folds, and what else lies there."""
    root = tmp_path_factory.mktemp("experiment") / "run"
    for number, (seed, fold) in enumerate(itertools.product((0, 1), ("fold-03", "fold-08"))):
        _ = save_model(root / f"seed{seed}" / fold, seed=number)
    _ = (root / "experiment.json").write_text("{}")
    _ = save_model(root / "seed0" / "fold-03" / "selection", seed=9)
    return root


def test_a_run_is_the_mean_of_all_its_models(run: Path) -> None:
    everyone = load(run)
    each = [
        load(run / seed / fold) for seed in ("seed0", "seed1") for fold in ("fold-03", "fold-08")
    ]
    samples = sound(16000)
    assert everyone.rater == "crnn (mean of 4 models)"
    assert {one.rater for one in each} == {"crnn"}
    assert load(run / "seed0").rater == "crnn (mean of 2 models)"
    mean = {e: np.mean([one.predict(samples).emotion[e] for one in each]) for e in EMOTIONS}
    assert everyone.predict(samples).emotion == pytest.approx(mean, abs=1e-6)
    assert (everyone.emotions, everyone.sample_rate) == (EMOTIONS, 16000)


def test_a_model_may_be_named_by_its_folder_or_its_files(run: Path) -> None:
    folder = run / "seed0" / "fold-03"
    ratings = [
        serkit.load(path).predict(sound(16000)).emotion
        for path in (folder, str(folder), folder / "config.json", folder / "model.safetensors")
    ]
    assert all(rating == ratings[0] for rating in ratings)


def test_a_path_without_a_model_says_what_is_there(run: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no folder .*rum; did you mean run\?; expected a model"):
        _ = load(run.parent / "rum")
    with pytest.raises(ModelError, match=r"no trained model in .*: it holds nothing; expected"):
        _ = load(tmp_path)
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(ModelError, match=r"it holds notes\.txt; expected a model folder \(config"):
        _ = load(tmp_path)
    with pytest.raises(ModelError, match=r"notes\.txt is a file, not a model"):
        _ = load(tmp_path / "notes.txt")


def test_models_of_different_emotions_are_not_averaged(tmp_path: Path) -> None:
    _ = save_model(tmp_path / "seed0" / "fold-1")
    _ = save_model(tmp_path / "seed0" / "fold-2", emotions=EMOTIONS[::-1])
    with pytest.raises(ModelError, match=r"cannot be averaged: emotions of .*fold-1 is \('anger'"):
        _ = load(tmp_path)


@pytest.mark.parametrize("unit", ["utterance", "segments"])
def test_a_crnn_rates_a_recording_alone_as_among_others(
    recordings: list[Path], unit: Literal["utterance", "segments"]
) -> None:
    torch.manual_seed(0)
    system = CRNN(Config(emotions=EMOTIONS, size="small", unit=unit)).eval()
    crnn = Predictor(systems=(system,), rater="crnn")
    together = list(crnn.predict_all(recordings[:9], batch=4))
    for outcome in together:
        assert outcome.rating is not None
        alone = crnn.predict(outcome.file).emotion
        assert outcome.rating.emotion == pytest.approx(alone, abs=1e-5)


@pytest.fixture(scope="module")
def sentence() -> np.ndarray:
    """A real recording: the first of the shipped excerpt, at 16 kHz."""
    folder = Path(serkit.corpus.excerpt.__file__).parent / "wav"
    samples, _ = soundfile.read(min(folder.glob("*.flac")), dtype="float32")
    return samples


@pytest.mark.parametrize(
    ("name", "rate", "channels"),
    [
        ("same.flac", 16000, 1),
        ("stereo.wav", 16000, 2),
        ("six.flac", 16000, 6),
        ("studio.wav", 48000, 1),
        ("disc.flac", 44100, 2),
        ("web.ogg", 44100, 1),
        ("phone.mp3", 44100, 2),
    ],
)
def test_one_recording_is_rated_alike_at_any_rate_in_any_format_and_number_of_channels(
    tmp_path: Path, sentence: np.ndarray, name: str, rate: int, channels: int
) -> None:
    torch.manual_seed(0)
    system = CRNN(Config(emotions=EMOTIONS, size="small")).eval()
    crnn = Predictor(systems=(system,), rater="crnn")
    samples = np.stack([soxr.resample(sentence, 16000, rate)] * channels, axis=1)
    rating = crnn.predict(write(tmp_path / name, samples, rate))
    assert rating.emotion == pytest.approx(crnn.predict(sentence).emotion, abs=0.005)


# -- the public sentence ----------------------------------------------------------------------


def test_importing_serkit_does_not_import_torch() -> None:
    program = (
        "import sys, serkit; serkit.__version__; serkit.Rating; "
        "print([name for name in ('torch', 'accelerate', 'matplotlib') if name in sys.modules])"
    )
    said = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )
    assert said.stdout.strip() == "[]"


def test_a_name_that_serkit_does_not_have_is_answered_with_those_it_has() -> None:
    with pytest.raises(AttributeError, match="no 'predict'; it has Rating, Utterance"):
        _ = serkit.predict  # pyright: ignore[reportAttributeAccessIssue]


def test_an_outcome_without_trouble_says_only_what_is_needed() -> None:
    outcome = Outcome(file="call.wav", status="ok")
    assert (outcome.message, outcome.rating, outcome.notes, outcome.duration) == (
        "",
        None,
        (),
        None,
    )
