"""Speed, one function per question; ``make bench`` rewrites ``benchmarks/README.md``.

    python -m benchmarks                     all questions, then write README.md
    python -m benchmarks front_end start     only these, to the terminal
    python -m benchmarks --write start       only these, each in its place in README.md
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
import re
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
SEVEN = ("anger", "boredom", "disgust", "fear", "happiness", "neutral", "sadness")
PARTS_OF_A_STEP = (
    "batch from waveforms", "front end", "network, forward", "objective", "backward", "optimiser",
)  # fmt: skip

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


def of_seconds(seconds: int, number: int) -> list[np.ndarray]:
    """So many of them, each cut, or begun again, to one length."""
    waveforms, _, _ = recordings()
    return [np.resize(waveform, seconds * SAMPLE_RATE) for waveform in waveforms[:number]]


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


def precisions() -> dict[str, str]:
    """What is worth timing, and its name: where bfloat16 is emulated, a step takes minutes."""
    from serkit.trainer.run import computes_in_bfloat16

    native = {"bfloat16": "bfloat16 + channels_last"} if computes_in_bfloat16() else {}
    return {"float32": "float32", **native}


def where_time_goes(steps: Mapping[str, Callable[[], object]], parts: Sequence[str]) -> str:
    """Shares of the named parts of some ways to take a step, and the dearest operations."""
    from torch.profiler import ProfilerActivity, profile, record_function

    shares_of: dict[str, dict[str, float]] = {}
    operations: dict[str, list[tuple[str, float]]] = {}
    for name, step in steps.items():
        with profile(activities=[ProfilerActivity.CPU]) as profiler:
            for _ in range(5):
                with record_function("step"):
                    step()
        events = profiler.key_averages()
        whole = next(event.cpu_time_total for event in events if event.key == "step")
        shares = {event.key: event.cpu_time_total / whole for event in events}
        shares_of[name] = {part: shares[part] for part in parts}
        own = sorted(events, key=lambda event: event.self_cpu_time_total, reverse=True)
        operations[name] = [
            (event.key.removeprefix("aten::"), event.self_cpu_time_total / whole)
            for event in own
            if event.key.startswith("aten::")
        ][:8]
    where = table(
        ["share of a step", *steps],
        [
            *([part, *(f"{shares_of[name][part]:.1%}" for name in steps)] for part in parts),
            ["the rest", *(f"{1 - sum(shares_of[name].values()):.1%}" for name in steps)],
        ],
    )
    what = table(
        [f"the dearest operations, {name}" for name in steps],
        [
            [f"{operation} {share:.1%}" for operation, share in row]
            for row in zip(*operations.values(), strict=True)
        ],
    )
    return f"By `torch.profiler`, over 5 steps:\n\n{where}\n\n{what}"


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

    names = precisions()
    seconds: Times = {precision: [] for precision in names}
    for _ in range(5):
        for name, times in seconds.items():
            times.append(seconds_of_an_epoch(name))
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


def on_cores(number: int) -> None:
    """Keep this process, with the threads that it has, to so many cores."""
    import torch

    torch.set_num_threads(number)
    chosen = list(range(number))
    for thread in Path("/proc/self/task").iterdir():
        os.sched_setaffinity(int(thread.name), chosen)


def prediction() -> str:
    """How fast is prediction on one core and on two, and openSMILE on the same files?"""
    import opensmile
    import torch

    import serkit
    from serkit.corpus import load
    from serkit.systems.crnn import CRNN
    from serkit.trainer import checkpoint

    waveforms, places, emotions = recordings()
    files = [str(utterance.path) for utterance in load("excerpt").utterances]
    torch.manual_seed(0)
    crnn = CRNN(CRNN.Config(emotions=emotions))  # weights do not matter to its speed
    crnn.prepare(waveforms, places)
    with tempfile.TemporaryDirectory() as folder:
        checkpoint.save(crnn, Path(folder) / "model")
        listeners = {
            "serkit, shipped model": serkit.load(),
            "serkit, CRNN of the default size": serkit.load(Path(folder) / "model"),
        }

    def extracted(name: str, cores: int) -> Callable[[], object]:
        smile = opensmile.Smile(
            feature_set=opensmile.FeatureSet[name],
            feature_level=opensmile.FeatureLevel.Functionals,
            num_workers=cores,
        )
        return lambda: smile.process_files(files)

    audio = sum(map(len, waveforms)) / SAMPLE_RATE
    rows: list[list[object]] = []
    for cores in (1, 2):
        on_cores(cores)
        ways: dict[str, Callable[[], object]] = {
            f"{name}, batch {size}": lambda listener=listener, size=size: list(
                listener.predict_all(files, batch=size)
            )
            for name, listener in listeners.items()
            for size in (1, 16)
        }
        smiles = ("openSMILE eGeMAPSv02", "openSMILE ComParE_2016")
        ways |= {name: extracted(name.partition(" ")[2], cores) for name in smiles}
        seconds = rounds(ways, num_rounds=5)
        rows += [
            [
                name,
                cores,
                f"{statistics.median(times) / audio:.4f}",
                f"{audio / statistics.median(times):.0f}",
                f"{1000 * statistics.median(times) / len(files):.1f}",
                *(ratio(seconds[smile], times) for smile in smiles),
            ]
            for name, times in seconds.items()
        ]
    return (
        f"{amount(waveforms)}, from the file to the answer, float32, of openSMILE to the "
        "functionals without a classifier. The process is held to so many cores. The real-time "
        "factor is seconds per second of audio.\n\n"
        + table(
            [
                "",
                "cores",
                "real-time factor",
                "times real time",
                "ms per recording",
                "times as fast as eGeMAPSv02",
                "times as fast as ComParE_2016",
            ],
            rows,
        )
        + "\n\nTo reach: at least 10 times openSMILE's speed."
    )


def embedding() -> str:
    """How many utterances per second does verify-to-classify embed?"""
    import torch

    from serkit.systems.verify_to_classify import VerifyToClassify

    utterances = of_seconds(3, 32)
    ways: dict[str, Callable[[], object]] = {}
    for size in ("small", "fast34"):
        torch.manual_seed(0)
        system = VerifyToClassify(VerifyToClassify.Config(emotions=SEVEN, size=size))
        for number in (1, 16):
            batches = in_batches(utterances, number)
            ways[f"{size}, batch {number}"] = lambda system=system, batches=batches: [
                system.embed(batch) for batch in batches
            ]
    seconds = rounds(ways, num_rounds=5)
    rows = [
        [
            name,
            f"{len(utterances) / statistics.median(times):.0f}",
            f"{1000 * statistics.median(times) / len(utterances):.1f}",
            f"{3 * len(utterances) / statistics.median(times):.0f}",
        ]
        for name, times in seconds.items()
    ]
    return (
        f"{len(utterances)} utterances of 3 s, which is one crop each, already decoded; from "
        "waveform to unit vector, one thread, float32.\n\n"
        + table(["", "utterances per second", "ms per utterance", "times real time"], rows)
    )


def verification() -> str:
    """How many crops per second does verify-to-classify train on, and where does a step go?"""
    import torch
    from torch.profiler import record_function

    from serkit.systems.verify_to_classify import TRAINING_CROP, VerifyToClassify
    from serkit.trainer import Settings
    from serkit.trainer.loop import Example, collate, draw_batches
    from serkit.trainer.run import computes_in_bfloat16

    examples = [  # whose emotions do not matter to its speed
        Example(waveform=waveform, emotion=index % len(SEVEN), id=str(index))
        for index, waveform in enumerate(recordings()[0])
    ]

    def training_step(*, is_bfloat16: bool) -> tuple[Callable[[], None], int]:
        """What ``trainer.fit`` does with one batch, in parts that have names."""
        torch.manual_seed(0)
        system = VerifyToClassify(VerifyToClassify.Config(emotions=SEVEN)).train()
        settings = Settings(**VerifyToClassify.settings)
        layout = torch.channels_last if is_bfloat16 else torch.contiguous_format
        for parameter in system.parameters():
            if parameter.dim() == 4:
                parameter.data = parameter.data.contiguous(memory_format=layout)
        optimizer = torch.optim.AdamW(system.parameters(), lr=1e-3, foreach=True)
        generator = np.random.default_rng(0)
        batch = draw_batches(system, examples, settings, generator)[0]
        autocast: dict[str, Any] = {"dtype": torch.bfloat16, "enabled": is_bfloat16}

        def step() -> None:
            with record_function("batch from waveforms"):
                waveform, _, target = collate(batch, len(SEVEN), generator=generator)
            with torch.autocast("cpu", **autocast):
                with record_function("front end"):
                    frames = system.frames(waveform)
                with record_function("network, forward"):
                    embedded = system.extractor(frames)
            with record_function("objective"):
                loss = torch.stack(list(system.objective(embedded.float(), target).values())).sum()
            with record_function("backward"):
                optimizer.zero_grad()
                loss.backward()
            with record_function("optimiser"):
                torch.nn.utils.clip_grad_norm_(system.parameters(), settings.clip)
                optimizer.step()

        return step, len(batch)

    steps = {
        name: training_step(is_bfloat16=precision == "bfloat16")
        for precision, name in precisions().items()
    }
    seconds = rounds({name: step for name, (step, _) in steps.items()}, num_rounds=7)
    num_crops = next(iter(steps.values()))[1]
    audio = num_crops * TRAINING_CROP / SAMPLE_RATE
    speed = table(
        ["precision", "crops per second", "ms per step", "times real time", "times as fast"],
        [
            [
                name,
                f"{num_crops / statistics.median(times):.0f}",
                f"{1000 * statistics.median(times):.0f}",
                f"{audio / statistics.median(times):.0f}",
                ratio(seconds["float32"], times),
            ]
            for name, times in seconds.items()
        ],
    )

    where = where_time_goes({name: step for name, (step, _) in steps.items()}, PARTS_OF_A_STEP)
    native = "computes" if computes_in_bfloat16() else "does not compute"
    return (
        f"Size `small`; a step is 8 episodes of {len(SEVEN)} emotions and 2 utterances, "
        f"{num_crops} crops of 2 s; one thread. This processor {native} in bfloat16 itself.\n\n"
        f"{speed}\n\n{where}"
    )


def pictures() -> str:
    """How many pictures does FaceNet draw, train on and rate, and where does a step go?"""
    import torch
    from torch.profiler import record_function

    from serkit.features.raster import Raster
    from serkit.systems.facenet import SIZES, FaceNet
    from serkit.trainer import Settings
    from serkit.trainer.loop import Example, collate, draw_batches
    from serkit.trainer.run import computes_in_bfloat16

    waveforms = recordings()[0]
    windows = torch.from_numpy(np.stack(of_seconds(1, 96)))
    drawing: dict[str, Callable[[], object]] = {}
    for kind in ("waveform", "spectrogram"):
        for size in (96, 160):
            raster = Raster(picture=kind, size=size)
            level = raster.level(windows, torch.full((len(windows),), SAMPLE_RATE))
            drawing[f"{kind}, {size} x {size}"] = lambda r=raster, v=level: r(windows, v)
    drawn = rounds(drawing, num_rounds=7)
    draws = table(
        ["picture", "drawn per second", "ms each"],
        [
            [
                name,
                f"{len(windows) / statistics.median(times):.0f}",
                f"{1000 * statistics.median(times) / len(windows):.2f}",
            ]
            for name, times in drawn.items()
        ],
    )

    def made(size: str) -> FaceNet:
        torch.manual_seed(0)
        config = FaceNet.Config(emotions=SEVEN, size=size, augment="vtlp+specaugment")
        return FaceNet(config)

    def training_step(size: str, utterances: int, *, is_bfloat16: bool = False) -> Any:
        """What ``trainer.fit`` does with one batch, in parts that have names."""
        system = made(size).train()
        layout = torch.channels_last if is_bfloat16 else torch.contiguous_format
        for parameter in system.parameters():
            if parameter.dim() == 4:
                parameter.data = parameter.data.contiguous(memory_format=layout)
        settings = Settings(**{**FaceNet.settings, "batch": utterances})
        optimizer = torch.optim.AdamW(system.parameters(), lr=1e-3, foreach=True)
        long = of_seconds(3, utterances)  # five windows, of which four are drawn
        examples = [
            Example(waveform=waveform, emotion=index % len(SEVEN), id=str(index))
            for index, waveform in enumerate(long)
        ]
        generator = np.random.default_rng(0)
        batch = draw_batches(system, examples, settings, generator)[0]
        autocast: dict[str, Any] = {"dtype": torch.bfloat16, "enabled": is_bfloat16}
        draw, answer = system._pictures, system._answers  # named, for the profile

        def named(part: str, function: Callable[..., Any]) -> Callable[..., Any]:
            def run(*given: Any) -> Any:
                with record_function(part):
                    return function(*given)

            return run

        system._pictures = named("pictures", draw)
        system._answers = named("network, forward", answer)

        def step() -> None:
            with record_function("batch from waveforms"):
                waveform, lengths, target = collate(batch, len(SEVEN), generator=generator)
            with torch.autocast("cpu", **autocast):
                answers = system(waveform, lengths)
            with record_function("objective"):
                loss = torch.stack(list(system.objective(answers.float(), target).values())).sum()
            with record_function("backward"):
                optimizer.zero_grad()
                loss.backward()
            with record_function("optimiser"):
                torch.nn.utils.clip_grad_norm_(system.parameters(), settings.clip)
                optimizer.step()

        return step, 4 * utterances

    steps = {
        "`small`, float32": training_step("small", 24),
        "`half`, float32": training_step("half", 4),
    }
    if "bfloat16" in precisions():
        for size, number in (("small", 24), ("half", 4)):
            steps[f"`{size}`, bfloat16"] = training_step(size, number, is_bfloat16=True)
    seconds = rounds({name: step for name, (step, _) in steps.items()}, num_rounds=3)
    speed = table(
        ["training", "pictures per step", "pictures per second", "s per step", "times as fast"],
        [
            [
                name,
                steps[name][1],
                f"{steps[name][1] / statistics.median(times):.0f}",
                f"{statistics.median(times):.2f}",
                ratio(seconds[f"{name.partition(',')[0]}, float32"], times),
            ]
            for name, times in seconds.items()
        ],
    )
    parts = [part if part != "front end" else "pictures" for part in PARTS_OF_A_STEP]
    where = where_time_goes(
        {name: step for name, (step, _) in steps.items() if "small" in name}, parts
    )

    rating: dict[str, Callable[[], object]] = {}
    for size, number in (("small", len(waveforms)), ("half", 16)):
        system, few = made(size), waveforms[:number]
        rating[size] = lambda system=system, few=few: system.posterior(few)
    rated = rounds(rating, num_rounds=3)
    rows: list[list[object]] = []
    for (size, times), number in zip(rated.items(), (len(waveforms), 16), strict=True):
        audio = sum(map(len, waveforms[:number])) / SAMPLE_RATE
        spent = statistics.median(times)
        mmac = FaceNet.multiply_accumulates(FaceNet.Config(emotions=SEVEN, size=size)) / 1e6
        rows.append(
            [f"`{size}`", f"{mmac:.0f}", f"{audio / spent:.1f}", f"{spent / audio:.3f}",
             f"{1000 * spent / number:.0f}"]
        )  # fmt: skip
    answers = table(
        ["rating", "MMAC per second of speech", "times real time", "real-time factor",
         "ms per recording"], rows,
    )  # fmt: skip
    native = "computes" if computes_in_bfloat16() else "does not compute"
    return (
        f"One thread; windows of 1 s, sizes of pictures {SIZES['small'].picture} in `small` and "
        f"{SIZES['half'].picture} in `half`; a step is of utterances of 3 s with four windows "
        f"each, perturbed as in the recipes. This processor {native} in bfloat16 itself.\n\n"
        f"{draws}\n\n{speed}\n\n{where}\n\nRating the shipped recordings (of `half`, 16 of "
        f"them), windows every 0.5 s, already decoded, float32:\n\n{answers}"
    )


def degrading() -> str:
    """How many utterances per second are degraded, per condition?"""
    from serkit.audio.degrade import ConditionError, degrade, parse_condition

    utterances = of_seconds(3, 32)
    wanted = (
        "lq", "noise:white:10", "noise:pink:10", "reverb:0.3", "reverb:0.9", "telephone",
        "codec:opus", "codec:mp3",
    )  # fmt: skip
    ways: dict[str, Callable[[], object]] = {}
    absent: list[str] = []
    for condition in wanted:
        try:
            parse_condition(condition)
        except ConditionError:  # a codec without an encoder here
            absent.append(condition)
            continue
        ways[condition] = lambda condition=condition: [
            degrade(waveform, condition, id=str(index)) for index, waveform in enumerate(utterances)
        ]
    seconds = rounds(ways, num_rounds=5)
    rows = [
        [
            f"`{condition}`",
            f"{len(utterances) / statistics.median(times):.0f}",
            f"{1000 * statistics.median(times) / len(utterances):.1f}",
        ]
        for condition, times in seconds.items()
    ]
    rows += [[f"`{condition}`", "no encoder here", ""] for condition in absent]
    return (
        f"{len(utterances)} utterances of 3 s, already decoded, one thread; `hq` changes nothing, "
        "`both` is half of `lq`, noises and rooms from a folder cost what their kind does.\n\n"
        + table(["condition", "utterances per second", "ms per utterance"], rows)
    )


def affect() -> str:
    """How many utterances per second does EmoSphere train on and rate, by encoder?"""
    import torch

    from serkit.systems.emosphere import EmoSphere
    from serkit.trainer import Settings, fit
    from serkit.trainer.loop import Example
    from serkit.trainer.run import Run

    logging.disable(logging.INFO)
    waveforms = recordings()[0]
    targets = np.random.default_rng(0).uniform(size=(len(waveforms), 3)).tolist()
    examples = [  # whose ratings do not matter to its speed
        Example(waveform=waveform, affect=tuple(target), id=str(index))
        for index, (waveform, target) in enumerate(zip(waveforms, targets, strict=True))
    ]

    def made(encoder: str) -> EmoSphere:
        torch.manual_seed(0)
        system = EmoSphere(EmoSphere.Config(encoder=encoder, augment="vtlp+specaugment"))
        system.prepare(waveforms, targets)
        return system

    def an_epoch(encoder: str, precision: str) -> float:
        given = {"epochs": 3, "precision": precision, "device": "cpu", "schedule": "constant"}
        settings = Settings(**{**EmoSphere.settings, **given})
        with tempfile.TemporaryDirectory() as folder:
            history = fit(
                made(encoder), examples, settings=settings, seed=0, run=Run(Path(folder)),
                select=None, report=lambda epoch: None,
            )  # fmt: skip
        return statistics.median(epoch.seconds for epoch in history.epochs[1:])  # warm by then

    rows: list[list[object]] = []
    for encoder in ("log_mel", "cnn_blstm"):
        seconds: Times = {precision: [] for precision in precisions()}
        for _ in range(3):
            for precision, times in seconds.items():
                times.append(an_epoch(encoder, precision))
        system = made(encoder).eval()
        rated = rounds({"rate": lambda system=system: system.affect(waveforms)}, num_rounds=5)
        rows += [
            [
                f"`{encoder}`, training, {precision}",
                f"{len(examples) / statistics.median(times):.0f}",
                ratio(seconds["float32"], times),
            ]
            for precision, times in seconds.items()
        ]
        rows.append(
            [
                f"`{encoder}`, rating, float32",
                f"{len(examples) / statistics.median(rated['rate']):.0f}",
                "-",
            ]
        )
    return (
        f"{amount(waveforms)}, already decoded, batch 32 in training and 16 in rating, one thread; "
        "epochs after the first. A pre-trained encoder is another matter: WavLM-large takes about "
        "18 billion multiply-accumulates for a second of speech, `log_mel` 15 million.\n\n"
        + table(["", "utterances per second", "times as fast as float32"], rows)
    )


def classifiers() -> str:
    """How long does each classifier take to be chosen and fitted, and to answer?"""
    from serkit.models.classifiers import GRIDS, KINDS, Classifier

    generator = np.random.default_rng(0)
    directions = generator.normal(size=(len(SEVEN), 128))

    def side(number: int) -> tuple[np.ndarray, list[int]]:
        """Unit vectors around the direction of their emotion, near enough to be confused."""
        emotions = [index % len(SEVEN) for index in range(number)]
        heard = directions[emotions] + 2.0 * generator.normal(size=(number, 128))
        return heard / np.linalg.norm(heard, axis=1, keepdims=True), emotions

    (train, emotions), development, (test, _) = side(430), side(50), side(535)
    rows: list[list[object]] = []
    for kind in KINDS:
        classifier = Classifier(kind, len(SEVEN))
        fitting: list[float] = []
        for _ in range(3):
            began = time.perf_counter()
            classifier.fit(train, emotions, development=development)
            fitting.append(time.perf_counter() - began)
        ways = {
            "one": lambda classifier=classifier: classifier.posterior(test[:1]),
            "all": lambda classifier=classifier: classifier.posterior(test),
        }
        answering = rounds(ways, num_rounds=5)
        rows.append(
            [
                f"`{kind}`",
                len(GRIDS[kind]),
                f"{statistics.median(fitting):.2f}",
                f"{1000 * statistics.median(answering['one']):.2f}",
                f"{len(test) / statistics.median(answering['all']):.0f}",
            ]
        )
    return (
        f"{len(train)} training and {len(development[0])} development vectors of 128 numbers "
        f"around {len(SEVEN)} directions (about a fold of Emo-DB), one thread. Fitting is the "
        "whole of it: every setting tried, the best one fitted again on both sides and stored.\n\n"
        + table(
            [
                "classifier",
                "settings tried",
                "seconds to fit",
                "ms for one answer",
                f"answers per second, {len(test)} at once",
            ],
            rows,
        )
    )


HEAR = """
import resource, sys, time
import serkit
listener = serkit.load(sys.argv[1])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
began = time.perf_counter()
found = listener.timeline(sys.argv[2], vad=sys.argv[3])
seconds = time.perf_counter() - began
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(seconds, before, after, len(found.windows), found.summary().speech)
"""
"""A fresh process that rates one recording; the memory it needed is in KiB."""


def talk(minutes: float, path: Path) -> Path:
    """A recording of the shipped utterances, again and again, with pauses between them."""
    import soundfile

    pause = np.zeros(SAMPLE_RATE // 2, dtype=np.float32)
    utterances = recordings()[0]
    wanted, written = round(minutes * 60 * SAMPLE_RATE), 0
    with soundfile.SoundFile(path, "w", SAMPLE_RATE, 1, "PCM_16") as file:
        while written < wanted:
            for utterance in utterances:
                part = np.concatenate([utterance, pause])[: wanted - written]
                file.write(part)
                written += len(part)
    return path


def timeline() -> str:
    """How much memory and time do long recordings take?"""
    from serkit.systems.crnn import CRNN
    from serkit.trainer import checkpoint

    waveforms, places, emotions = recordings()
    system = CRNN(CRNN.Config(emotions=emotions))
    system.prepare(waveforms, places)
    rows: list[list[object]] = []
    with tempfile.TemporaryDirectory() as folder:
        checkpoint.save(system, Path(folder) / "model")
        for name, minutes, vad in (
            ("10 minutes", 10, "energy"), ("10 minutes", 10, "silero"), ("1 hour", 60, "energy"),
            ("10 hours", 600, "energy"),
        ):  # fmt: skip
            path = talk(minutes, Path(folder) / "talk.wav")
            words = [sys.executable, "-c", HEAR, str(Path(folder) / "model"), str(path), vad]
            done = subprocess.run(words, check=True, capture_output=True, text=True).stdout.split()
            seconds, before, after, windows, speech = (float(word) for word in done)
            rows.append(
                [
                    name, vad, f"{windows:.0f}", f"{speech / minutes / 60:.0%}",
                    f"{before / 1024:.0f}", f"{after / 1024:.0f}", f"{seconds:.0f}",
                    f"{60 * minutes / seconds:.0f}",
                ]
            )  # fmt: skip
    return (
        "CRNN of the default size, windows of 3 s every second, one thread. A recording of the "
        "shipped utterances with pauses, 16 kHz WAV, in a fresh process; memory is the resident "
        "peak of the whole process, PyTorch included. To reach: 10 hours in less than 500 MB (477 "
        "MiB).\n\n"
        + table(
            [
                "recording", "speech by", "windows", "speech", "MiB before", "MiB at most",
                "seconds", "times real time",
            ],
            rows,
        )
    )  # fmt: skip


def stream() -> str:
    """How late does a stream answer?"""
    import serkit
    from serkit import audio
    from serkit.systems.crnn import CRNN
    from serkit.trainer import checkpoint

    waveforms, places, emotions = recordings()
    system = CRNN(CRNN.Config(emotions=emotions))
    system.prepare(waveforms, places)
    with tempfile.TemporaryDirectory() as folder:
        checkpoint.save(system, Path(folder) / "model")
        listener = serkit.load(Path(folder) / "model")
        sound = audio.read(talk(3, Path(folder) / "talk.wav"))
    late: list[list[object]] = []
    for smooth, vad in ((2.0, "energy"), (2.0, "silero"), (0.0, "energy"), (0.0, "none")):
        arriving = listener.stream(smooth=smooth, vad=vad)
        quiet: list[float] = []
        rated: list[float] = []
        waits: list[float] = []
        for first in range(0, len(sound), SAMPLE_RATE // 10):
            began = time.perf_counter()
            update = arriving.feed(sound[first : first + SAMPLE_RATE // 10])
            took = time.perf_counter() - began
            (rated if update.windows else quiet).append(took)
            waits += [arriving.heard + took - window.end for window in update.windows]
        late.append(
            [
                f"{smooth:g}", vad, f"{arriving.latency:.2f}", f"{statistics.median(waits):.2f}",
                f"{max(waits):.2f}", f"{1000 * statistics.median(quiet):.1f}",
                f"{1000 * statistics.median(rated):.0f}", f"{1000 * max(rated):.0f}",
            ]
        )  # fmt: skip
    return (
        "CRNN of the default size, windows of 3 s every second, one thread; sound of 3 minutes in "
        "pieces of 0.1 s. How long after its end a window is given, computing included, as "
        "promised (without computing and pieces) and as it was.\n\n"
        + table(
            [
                "smoothed over s", "speech by", "promised s", "median s", "longest s",
                "ms for a piece", "ms for one with a window", "longest ms",
            ],
            late,
        )
    )  # fmt: skip


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
            "`serkit predict FILE`, the shipped model": ([serkit, "predict", wav], "5"),
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
    "prediction": (prediction, None),
    "embedding": (embedding, "1"),
    "verification": (verification, "1"),
    "affect": (affect, "1"),
    "pictures": (pictures, "1"),
    "classifiers": (classifiers, "1"),
    "degrading": (degrading, "1"),
    "timeline": (timeline, "1"),
    "stream": (stream, "1"),
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
    settings.pop("PYTHONDONTWRITEBYTECODE", None)  # or Python would be compiled in every process
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
    parser.add_argument("--write", action="store_true", help="also where only some are asked")
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
    if given.questions and given.write:
        page = README.read_text(encoding="utf-8")
        for name, text in zip(chosen, answers, strict=True):
            heading, _, rest = text.partition("\n")
            again = f"{heading}\n\nAsked later than the others:\n\n{machine(load)}\n{rest}"
            place = re.compile(rf"^{re.escape(heading)}$.*?(?=^## |\Z)", re.MULTILINE | re.DOTALL)
            if not place.search(page):
                parser.error(f"{README.name} has no answer to {name!r} yet; write all of it first")
            page = place.sub(lambda _, again=again: again + "\n", page)
        README.write_text(page.rstrip("\n") + "\n", encoding="utf-8")
        return 0
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
