"""Speed, one function per question; ``make bench`` rewrites ``benchmarks/README.md``.

    python -m benchmarks                     all questions, then write README.md
    python -m benchmarks front_end start     only these, to the terminal
    python -m benchmarks --install           also install into a fresh environment (minutes)

Each question runs in a process of its own, with its own number of threads. The ways that are
compared take turns within a round, so that a busy moment hits all of them; a figure is a median
over rounds, a ratio the median of the ratios of each round. Nothing here is a test: no figure can
fail.
"""

import argparse
import importlib.metadata
import logging
import os
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
import venv
import warnings
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

REPOSITORY = Path(__file__).resolve().parents[1]
README = Path(__file__).with_name("README.md")
SAMPLE_RATE = 16000  # Hz
MEBIBYTE = 2**20

Times = dict[str, list[float]]

# ------------------------------------------------------------------------------------- measuring


def rounds(ways: Mapping[str, Callable[[], object]], *, num_rounds: int) -> Times:
    """Seconds of every way in every round; the ways take turns, and one round goes before."""
    seconds: Times = {name: [] for name in ways}
    for number in range(num_rounds + 1):
        for name, way in ways.items():
            began = time.perf_counter()
            way()
            if number > 0:
                seconds[name].append(time.perf_counter() - began)
    return seconds


def ratio(slow: Sequence[float], fast: Sequence[float]) -> str:
    """How many times faster, as a median over rounds, with the lowest and the highest."""
    if slow is fast:
        return "1"
    each = [a / b for a, b in zip(slow, fast, strict=True)]
    return f"{statistics.median(each):.1f} ({min(each):.1f} to {max(each):.1f})"


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table of Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def recordings() -> tuple[list[np.ndarray], list[int], tuple[str, ...]]:
    """The shipped excerpt: waveforms, the place of each one's emotion, and the emotions."""
    from serkit import audio
    from serkit.corpus import load

    corpus = load("excerpt")
    waveforms = [audio.read(utterance.path) for utterance in corpus.utterances]
    names = [utterance.emotion() or "" for utterance in corpus.utterances]
    emotions = tuple(sorted(set(names)))
    return waveforms, [emotions.index(name) for name in names], emotions


def amount(waveforms: Sequence[np.ndarray]) -> str:
    """How much audio that is."""
    seconds = sum(len(waveform) for waveform in waveforms) / SAMPLE_RATE
    return f"{len(waveforms)} recordings, {seconds:.0f} s"


def padded(waveforms: Sequence[np.ndarray]) -> tuple[Any, Any]:
    """A batch of tensors."""
    import torch

    lengths = [len(waveform) for waveform in waveforms]
    batch = np.zeros((len(waveforms), max(lengths)), dtype=np.float32)
    for row, waveform in zip(batch, waveforms, strict=True):
        row[: len(waveform)] = waveform
    return torch.from_numpy(batch), torch.tensor(lengths)


def in_batches(waveforms: Sequence[np.ndarray], size: int) -> list[list[np.ndarray]]:
    """Batches of similar length."""
    ordered = sorted(waveforms, key=len)
    return [ordered[start : start + size] for start in range(0, len(ordered), size)]


# ------------------------------------------------------------------------------------- questions


def front_end() -> str:
    """How fast is the log-mel front end, and does it agree with others?"""
    import kaldi_native_fbank
    import librosa
    import scipy.signal
    import torch

    from serkit.features.log_mel import LogMel

    waveforms, _, _ = recordings()
    window = scipy.signal.get_window("hamming", 400, fftbins=False)
    log_mel = LogMel(num_mels=40, planes="static", level="none")
    with_deltas = LogMel(num_mels=40, planes="deltas")

    def ours(front: LogMel, batches: Sequence[tuple[Any, Any]]) -> None:
        with torch.no_grad():
            for samples, lengths in batches:
                front(samples, lengths)

    def librosa_frames(waveform: np.ndarray) -> np.ndarray:
        # librosa centres a short window in the frame of n_fft: 56 zeros undo that.
        mel = librosa.feature.melspectrogram(
            y=np.pad(waveform, 56), sr=SAMPLE_RATE, n_fft=512, win_length=400, hop_length=160,
            window=window, center=False, power=2.0, n_mels=40, fmin=0, fmax=8000, htk=True,
            norm=None,
        )  # fmt: skip
        return np.log(mel.T + 1e-6)

    options = kaldi_native_fbank.FbankOptions()
    frames = options.frame_opts
    frames.samp_freq, frames.frame_length_ms, frames.frame_shift_ms = SAMPLE_RATE, 25, 10
    frames.dither, frames.preemph_coeff, frames.remove_dc_offset = 0.0, 0.0, False
    frames.window_type, frames.snip_edges = "hamming", True
    options.mel_opts.num_bins, options.mel_opts.low_freq, options.mel_opts.high_freq = 40, 0, 8000
    options.use_energy = False

    def kaldi_frames(waveform: np.ndarray) -> np.ndarray:
        fbank = kaldi_native_fbank.OnlineFbank(options)
        fbank.accept_waveform(SAMPLE_RATE, waveform)
        fbank.input_finished()
        return np.stack([fbank.get_frame(index) for index in range(fbank.num_frames_ready)])

    alone = [padded([waveform]) for waveform in waveforms]
    together = [padded(batch) for batch in in_batches(waveforms, 16)]
    seconds = rounds(
        {
            "serkit, batch 1": lambda: ours(log_mel, alone),
            "serkit, batch 16": lambda: ours(log_mel, together),
            "serkit with level and differences, batch 16": lambda: ours(with_deltas, together),
            "librosa": lambda: [librosa_frames(waveform) for waveform in waveforms],
            "kaldi-native-fbank": lambda: [kaldi_frames(waveform) for waveform in waveforms],
        },
        num_rounds=7,
    )

    def agreement(theirs: Callable[[np.ndarray], np.ndarray]) -> tuple[str, str, str]:
        differences = np.concatenate(
            [
                np.abs(log_mel(*batch)[0][0, 0].numpy() - theirs(waveform)).ravel()
                for waveform, batch in zip(waveforms, alone, strict=True)
            ]
        )
        return tuple(f"{f(differences):.1e}" for f in (np.median, np.mean, np.max))  # type: ignore[return-value]

    rows = [
        [
            name,
            f"{len(waveforms) / statistics.median(times):.0f}",
            f"{sum(map(len, waveforms)) / SAMPLE_RATE / statistics.median(times):.0f}",
            ratio(seconds["librosa"], times),
            ratio(seconds["kaldi-native-fbank"], times),
        ]
        for name, times in seconds.items()
    ]
    speed = table(
        ["40 mel bins", "utterances per second", "times real time", "against librosa",
         "against kaldi-native-fbank"], rows,
    )  # fmt: skip
    kaldi = agreement(lambda waveform: np.log(np.exp(kaldi_frames(waveform)) + 1e-6))
    same = table(
        ["difference in ln units", "median", "mean", "largest"],
        [
            ["librosa, same definition", *agreement(librosa_frames)],
            ["kaldi-native-fbank, its triangles drawn on the mel scale", *kaldi],
        ],
    )
    return (
        f'{amount(waveforms)}, one thread. "Against" is how many times as fast.\n\n{speed}\n\n'
        "librosa is set to our definition, so its difference is rounding. Kaldi's filters are "
        "straight on the mel scale, ours and librosa's on the frequency scale: its difference is "
        f"that choice.\n\n{same}"
    )


def training() -> str:
    """How many utterances per second does the CRNN train on?"""
    import torch

    from serkit.systems.crnn import CRNN
    from serkit.trainer import Settings, fit
    from serkit.trainer.loop import Example
    from serkit.trainer.run import Run, computes_in_bfloat16

    logging.disable(logging.INFO)
    waveforms, places, emotions = recordings()
    examples = [
        Example(waveform=waveform, emotion=place, id=str(index))
        for index, (waveform, place) in enumerate(zip(waveforms, places, strict=True))
    ]

    def seconds_of_an_epoch(precision: str) -> float:
        torch.manual_seed(0)
        system = CRNN(CRNN.Config(emotions=emotions))
        system.prepare(waveforms, places)
        settings = Settings(epochs=3, precision=precision, device="cpu", schedule="constant")
        with tempfile.TemporaryDirectory() as folder:
            history = fit(
                system, examples, settings=settings, seed=0, run=Run(Path(folder)), select=None,
                report=lambda epoch: None,
            )  # fmt: skip
        return statistics.median(epoch.seconds for epoch in history.epochs[1:])  # warm by then

    names = {"float32": "float32", "bfloat16": "bfloat16 + channels_last"}
    seconds: Times = {name: [] for name in names}
    for _ in range(5):
        for name in names:
            seconds[name].append(seconds_of_an_epoch(name))
    audio = sum(map(len, waveforms)) / SAMPLE_RATE
    rows = [
        [
            names[name],
            f"{len(examples) / statistics.median(times):.0f}",
            f"{audio / statistics.median(times):.0f}",
            ratio(seconds["float32"], times),
        ]
        for name, times in seconds.items()
    ]
    native = "computes" if computes_in_bfloat16() else "does not compute"
    return (
        f"CRNN of the default size, `trainer.fit` on {amount(waveforms)}, batch 32, "
        f"{torch.get_num_threads()} threads, epochs after the first. This processor {native} in "
        "bfloat16 itself.\n\n"
        + table(["precision", "utterances per second", "times real time", "times as fast"], rows)
    )


def prediction() -> str:
    """How fast is prediction on one core, and openSMILE on the same files?"""
    import opensmile
    import torch

    from serkit.systems.crnn import CRNN

    waveforms, places, emotions = recordings()
    torch.manual_seed(0)
    system = CRNN(CRNN.Config(emotions=emotions))  # weights do not matter to its speed
    system.prepare(waveforms, places)

    def heard(size: int) -> Callable[[], object]:
        batches = in_batches(waveforms, size)
        return lambda: [system.posterior(batch) for batch in batches]

    def extracted(name: str) -> Callable[[], object]:
        smile = opensmile.Smile(
            feature_set=opensmile.FeatureSet[name],
            feature_level=opensmile.FeatureLevel.Functionals,
        )
        return lambda: [smile(waveform, SAMPLE_RATE) for waveform in waveforms]

    ways = {
        "serkit CRNN, batch 1": heard(1),
        "serkit CRNN, batch 16": heard(16),
        "openSMILE eGeMAPSv02, functionals only": extracted("eGeMAPSv02"),
        "openSMILE ComParE_2016, functionals only": extracted("ComParE_2016"),
    }
    seconds = rounds(ways, num_rounds=5)
    audio = sum(map(len, waveforms)) / SAMPLE_RATE
    rows = [
        [
            name,
            f"{audio / statistics.median(times):.0f}",
            f"{1000 * statistics.median(times) / len(waveforms):.1f}",
            *(ratio(seconds[way], times) for way in ways if way.startswith("openSMILE")),
        ]
        for name, times in seconds.items()
    ]
    return (
        f"{amount(waveforms)}, already decoded, one thread, float32. The CRNN (default size) goes "
        "from waveform to probabilities, openSMILE from waveform to functionals, without a "
        "classifier.\n\n"
        + table(
            [
                "",
                "seconds of audio per second",
                "ms per recording",
                "times as fast as eGeMAPSv02",
                "times as fast as ComParE_2016",
            ],
            rows,
        )
        + "\n\nTo reach: at least 10 times openSMILE's speed."
    )


def start() -> str:
    """How long does one wait for the first answer, and how much is installed?"""
    from serkit.systems.crnn import CRNN
    from serkit.trainer import checkpoint

    waveforms, places, emotions = recordings()
    system = CRNN(CRNN.Config(emotions=emotions))
    system.prepare(waveforms, places)
    wav = min((REPOSITORY / "src/serkit/corpus/excerpt/wav").glob("*.flac"))
    serkit = Path(sysconfig.get_path("scripts")) / "serkit"
    code = "import sys, serkit; serkit.load(sys.argv[1]).predict(sys.argv[2])"

    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "model"
        checkpoint.save(system, model)
        commands = {
            "`serkit --help`": ([serkit, "--help"], "0.5"),
            "`serkit.load(MODEL).predict(FILE)`": ([sys.executable, "-c", code, model, wav], "5"),
            "`serkit predict FILE --model MODEL`": (
                [serkit, "predict", wav, "--model", model],
                "5",
            ),
        }
        ways = {
            name: lambda words=words: subprocess.run(
                [str(word) for word in words], check=True, capture_output=True
            )
            for name, (words, _) in commands.items()
        }
        seconds = rounds(ways, num_rounds=5)
    rows = [
        [name, f"{statistics.median(times):.2f}", f"{max(times):.2f}", f"below {commands[name][1]}"]
        for name, times in seconds.items()
    ]
    waits = table(["fresh process", "seconds", "longest of 5", "to reach"], rows)
    packages, size, largest = installed()
    return (
        f"After one run to warm the disk's cache.\n\n{waits}\n\n"
        f"A base install (`pip install serkit`, without extras): **{packages} packages, "
        f"{size / MEBIBYTE:.0f} MiB** of files; most are {largest}. Counted in the environment "
        "these figures were taken in, which has the development tools as well, by following "
        "what serkit requires without extras."
    )


def installed() -> tuple[int, int, str]:
    """Packages of a base install, their bytes, and the largest, by following requirements."""
    from packaging.markers import default_environment
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    sizes: dict[str, int] = {}
    waiting: list[tuple[str, frozenset[str]]] = [("serkit", frozenset())]
    seen: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        name, extras = waiting.pop()
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        distribution = importlib.metadata.distribution(name)
        sizes[name] = sum(
            Path(str(distribution.locate_file(file))).stat().st_size
            for file in distribution.files or ()
            if Path(str(distribution.locate_file(file))).is_file()
        )
        for text in distribution.requires or ():
            needed = Requirement(text)
            contexts = [{**default_environment(), "extra": extra} for extra in (*extras, "")]
            if needed.marker is None or any(needed.marker.evaluate(c) for c in contexts):
                waiting.append((canonicalize_name(needed.name), frozenset(needed.extras)))
    if importlib.metadata.distribution("serkit").read_text("direct_url.json"):  # editable: no files
        package = REPOSITORY / "src" / "serkit"
        sizes["serkit"] = sum(path.stat().st_size for path in package.rglob("*") if path.is_file())
    heavy = sorted(sizes, key=sizes.__getitem__, reverse=True)[:4]
    largest = ", ".join(f"{name} ({sizes[name] / MEBIBYTE:.0f})" for name in heavy)
    return len(sizes), sum(sizes.values()), largest


def install() -> str:
    """How long does a base install take, and how large is it?"""
    with tempfile.TemporaryDirectory() as folder:
        environment = Path(folder) / "environment"
        venv.create(environment, with_pip=True)
        python = environment / "bin" / "python"
        began = time.perf_counter()
        constraints = str(REPOSITORY / "constraints.txt")
        subprocess.run(
            [str(python), "-m", "pip", "install", "-qq", str(REPOSITORY), "-c", constraints],
            check=True,
        )
        seconds = time.perf_counter() - began
        site = next((environment / "lib").glob("python*/site-packages"))
        size = sum(path.stat().st_size for path in site.rglob("*") if path.is_file())
        listing = [str(python), "-m", "pip", "list", "--format=freeze", "--exclude", "pip"]
        words = subprocess.run(listing, check=True, capture_output=True, text=True).stdout.split()
    torch = next(word for word in words if word.startswith("torch=="))
    return (
        f"A fresh virtual environment, `pip install .` with `constraints.txt`: {len(words)} "
        f"packages, {size / MEBIBYTE:.0f} MiB in site-packages with compiled bytecode and pip, "
        f"{seconds:.0f} s with what the network and pip's cache gave ({torch})."
    )


QUESTIONS: dict[str, tuple[Callable[[], str], str | None]] = {
    "front_end": (front_end, "1"),
    "training": (training, None),
    "prediction": (prediction, "1"),
    "start": (start, None),
    "install": (install, None),
}
"""Question to its function and its number of threads; None leaves them as they are."""


# --------------------------------------------------------------------------------------- writing


def answer(name: str) -> str:
    """One question, asked in a process of its own."""
    function, threads = QUESTIONS[name]
    settings = dict(os.environ, OMP_WAIT_POLICY="PASSIVE", HF_HUB_OFFLINE="1")
    # The trainer and one-core questions decide for themselves; a shell's setting would not show.
    settings.pop("OMP_NUM_THREADS", None)
    if threads is not None:
        settings |= dict.fromkeys(
            ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"),
            threads,
        )
    command = [sys.executable, str(Path(__file__).resolve()), "--answer", name]
    print(f"{name} ...", file=sys.stderr, flush=True)
    text = subprocess.run(
        command, check=True, stdout=subprocess.PIPE, text=True, env=settings
    ).stdout.strip()
    return f"## {(function.__doc__ or name).splitlines()[0]}\n\n`{name}`. {text}\n"


def machine(load: float) -> str:
    """Where and when, and with which versions."""
    from serkit.trainer.run import environment, git_state

    known = environment()
    git = git_state()
    commit = (git["commit"] or "none")[:12] + (" with changes" if git["dirty"] else "")
    names = ("torch", "numpy", "scikit-learn", "librosa", "kaldi-native-fbank", "opensmile")
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in names)
    bfloat16 = "bfloat16" if known["bfloat16"] else "no bfloat16"
    return table(
        ["", ""],
        [
            ["date", datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")],
            ["processor", f"{known['cpu']}, {os.cpu_count()} cores, {bfloat16}"],
            ["system", known["platform"]],
            ["versions", f"Python {known['python']}, serkit {known['serkit']}, {versions}"],
            ["commit", commit],
            ["load before the start", f"{load:.2f} ({'quiet' if load < 0.5 else 'busy'})"],
        ],
    )


def main() -> int:
    """Ask, and write down."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("questions", nargs="*", metavar="QUESTION", help=", ".join(QUESTIONS))
    parser.add_argument("--install", action="store_true", help="also install afresh (minutes)")
    parser.add_argument("--answer", choices=list(QUESTIONS), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.answer:
        warnings.simplefilter("ignore")
        print(QUESTIONS[given.answer][0]())
        return 0
    unknown = [name for name in given.questions if name not in QUESTIONS]
    if unknown:
        parser.error(f"there is no question {unknown[0]!r}; questions: {', '.join(QUESTIONS)}")
    load = os.getloadavg()[0]
    chosen = given.questions or [name for name in QUESTIONS if name != "install" or given.install]
    answers = [answer(name) for name in chosen]
    if given.questions:
        print("\n".join([machine(load), "", *answers]))
        return 0
    introduction = (
        "# Speed\n\nWritten by `make bench` (`python -m benchmarks`); not edited by hand. Medians; "
        "ratios are medians of the ratios of each round, with the lowest and the highest. The ways "
        "compared take turns within a round.\n"
    )
    README.write_text("\n".join([introduction, machine(load), "", *answers]), encoding="utf-8")
    print(f"written: {README.relative_to(REPOSITORY)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
