# pyright: reportUnusedCallResult=false
"""The training loop: ``fit``, and above it what it is made of, one screenful after another.

1. what can be set        ``Settings``, ``Example``
2. what comes out         ``Epoch``, ``History``
3. one epoch's batches    ``draw_batches``, ``parts``, ``collate``, ``mix``
4. rates and averages     ``learning_rate``, ``update_average``
5. the gradient           ``backward``
6. the loop               ``fit``

Everything random in an epoch derives from (seed, epoch), and the learning rate is a function of
the step and of the scores so far. So a run that was killed goes on from its last complete epoch
and takes the very steps it would have taken.
"""

import dataclasses
import json
import logging
import math
import sys
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, cast, get_args

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import (
    DistributedDataParallelKwargs,
    broadcast,
    broadcast_object_list,
    gather_object,
)
from jaxtyping import Float, Float32, Int
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor, nn

from serkit.objectives.episode import balanced, buckets, class_weights, happy_twice
from serkit.systems import (
    Counts,
    DrawsBatches,
    FollowsEpochs,
    System,
    draws_batches,
    names,
    num_classes,
    smallest_batch,
)
from serkit.trainer import checkpoint
from serkit.trainer.run import Run, computes_in_bfloat16, write_json

# Shapes: B utterances, N samples of the longest, C emotions.

LOGGER = logging.getLogger("serkit")

Schedule = Literal["constant", "plateau", "cosine", "one_cycle"]
Balance = Literal["none", "weights", "sampler", "happy_twice"]
Precision = Literal["auto", "float32", "bfloat16"]
Device = Literal["auto", "cpu", "cuda", "mps"]
ObjectiveOver = Literal["micro", "batch"]

PLATEAU_PATIENCE = 4  # epochs without a better development score, then the rate is halved
WARM_UP = 0.3  # share of a one-cycle schedule in which the rate rises


# ------------------------------------------------------------------------------- what can be set


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """How a system is trained; the same for every system.

    Example:
        >>> Settings(epochs=60, schedule="one_cycle").schedule
        'one_cycle'
        >>> Settings(mixup=-1.0)
        Traceback (most recent call last):
        ...
        ValueError: mixup: -1.0 must be 0 (off) or above
    """

    epochs: int = 40
    """The most epochs; without development scores, exactly so many."""
    patience: int | None = 12
    """Stop after so many epochs without a better development score; None never stops early."""
    batch: int = 32
    """The most utterances (or stretches of them) per step and process."""
    micro_batch: int = 0
    """Compute a batch in parts of so many, which need less memory; 0 is all of it at once."""
    objective_over: ObjectiveOver = "micro"
    """Take the objective of each part, or of the batch of all parts and processes together.

    An objective that compares utterances, such as a concordance, is another one over parts.
    ``batch`` costs a second forward pass. See ``backward``.
    """
    lr: float = 1e-3
    """Learning rate of Adam; the highest one of the schedule."""
    weight_decay: float = 0.0
    """Decoupled from the gradient (Loshchilov & Hutter, ICLR 2019); 0 is plain Adam."""
    clip: float = 1.0
    """The norm of all gradients together is brought down to this; 0 is off."""
    schedule: Schedule = "plateau"
    """Learning rate over time; see ``learning_rate``."""
    balance: Balance = "weights"
    """Against unequal emotions: nothing, class weights, equal draws, or happiness twice."""
    mixup: float = 0.0
    """Parameter of the Beta distribution that mixes utterances; 0 is off. See ``mix``."""
    label_smoothing: float = 0.0
    """Share of the target spread over all emotions."""
    average: float = 0.0
    """Decay per step of a moving average of the weights; 0 is off. See ``update_average``."""
    precision: Precision = "auto"
    """``auto`` is bfloat16 where the processor computes in it, else float32."""
    device: Device = "auto"
    """``auto`` is an accelerator where there is one."""
    score_every: int = 1
    """Score the development side after every so many epochs, and after the last."""

    def __post_init__(self) -> None:
        """Refuse what cannot be trained with."""
        for name, kind in (
            ("schedule", Schedule),
            ("balance", Balance),
            ("precision", Precision),
            ("device", Device),
            ("objective_over", ObjectiveOver),
        ):
            if getattr(self, name) not in get_args(kind):
                raise ValueError(
                    f"{name}: {getattr(self, name)!r} is not one of {', '.join(get_args(kind))}"
                )
        for name in ("epochs", "batch", "score_every"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: {getattr(self, name)} must be at least 1")
        if not self.lr > 0:
            raise ValueError(f"lr: {self.lr} must be above 0")
        for name in ("micro_batch", "clip", "weight_decay", "mixup"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"{name}: {getattr(self, name)} must be 0 (off) or above")
        for name in ("label_smoothing", "average"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name}: {getattr(self, name)} must be at least 0 and below 1")
        if self.patience is not None and self.patience < 1:
            raise ValueError(f"patience: {self.patience} must be at least 1, or None")


@dataclass(frozen=True, kw_only=True, slots=True)
class Example:
    """An utterance to learn from, already heard: waveforms stay in memory.

    Example:
        >>> Example(waveform=np.zeros(16000, np.float32), emotion=2, id="tones/a1").emotion
        2
    """

    waveform: Float32[np.ndarray, " N"]
    """Mono samples at the system's rate."""
    id: str
    """Of the utterance; named when something goes wrong with it."""
    emotion: int = -1
    """Its place in the system's ``config.emotions``, or among the classes it tells apart; -1 where
    it has none, which only a system of affect can learn from."""
    affect: tuple[float, ...] = ()
    """Its values in [0, 1] in the order of ``config.affect``, where affect is the task."""
    speaker: str | None = None
    """For systems that compose their batches by speaker."""


# ------------------------------------------------------------------------------- what comes out


@dataclass(frozen=True, kw_only=True, slots=True)
class Epoch:
    """What happened in one pass over the training side."""

    epoch: int
    """From 1."""
    step: int
    """Optimiser steps taken since the beginning of the run."""
    lr: float
    """Learning rate of its last step."""
    losses: Mapping[str, float]
    """Means over its utterances."""
    development: Mapping[str, float]
    """What ``select`` said; empty without it."""
    seconds: float
    """Training and scoring."""


@dataclass(frozen=True, kw_only=True, slots=True)
class History:
    """All epochs of a run, and which of them was kept.

    Example:
        >>> losses = {"cross_entropy": 1.0}
        >>> def epoch(number: int, uar: float) -> Epoch:
        ...     return Epoch(epoch=number, step=number, lr=1e-3, losses=losses,
        ...                  development={"uar": uar}, seconds=0.1)
        >>> History(epochs=(epoch(1, 0.4), epoch(2, 0.6), epoch(3, 0.6))).best_epoch
        2
    """

    epochs: tuple[Epoch, ...] = ()

    @property
    def scores(self) -> tuple[float, ...]:
        """The development score of each epoch: the first that ``select`` names."""
        return tuple(next(iter(e.development.values()), math.nan) for e in self.epochs)

    @property
    def best_epoch(self) -> int:
        """The epoch whose weights were kept, from 1; 0 before the first.

        The first of those with the highest score; the last epoch when nothing was scored.
        """
        scored = [(score, -e.epoch) for score, e in zip(self.scores, self.epochs, strict=True)]
        scored = [pair for pair in scored if not math.isnan(pair[0])]
        return -max(scored)[1] if scored else len(self.epochs)

    def save(self, path: Path) -> None:
        """Write as JSON."""
        write_json(path, {"best_epoch": self.best_epoch, **_plain(self)})

    @classmethod
    def load(cls, path: Path) -> "History":
        """Read what ``save`` wrote."""
        return _history(json.loads(path.read_text(encoding="utf-8")))


def _plain(history: History) -> dict[str, Any]:
    return {"epochs": [dataclasses.asdict(epoch) for epoch in history.epochs]}


def _history(plain: Mapping[str, Any]) -> History:
    return History(epochs=tuple(Epoch(**epoch) for epoch in plain["epochs"]))


# ------------------------------------------------------------------------- one epoch's batches


@dataclass(frozen=True, kw_only=True, slots=True)
class Stretch:
    """The part of an utterance that is heard in one epoch."""

    example: Example
    start: int
    """First sample."""
    length: int
    """Samples; beyond the end of the utterance it begins again."""

    def waveform(self) -> Float32[np.ndarray, " N"]:
        """Its samples."""
        heard = self.example.waveform
        if self.start + self.length <= len(heard):
            return heard[self.start : self.start + self.length]
        return heard.take(np.arange(self.start, self.start + self.length), mode="wrap")


def draw_batches(
    system: System,
    examples: Sequence[Example],
    settings: Settings,
    generator: np.random.Generator,
) -> list[list[Stretch]]:
    """The batches of one epoch: who is drawn, which stretches of them, and who goes with whom."""
    emotions = [example.emotion for example in examples]
    if isinstance(system, DrawsBatches) and draws_batches(system):
        speakers = [example.speaker for example in examples]
        return [
            [
                Stretch(example=examples[index], start=start, length=length)
                for index in batch
                for start, length in system.cuts(len(examples[index].waveform), generator)
            ]
            for batch in system.batches(emotions, speakers=speakers, generator=generator)
        ]
    drawn: Sequence[int] = range(len(examples))
    if settings.balance == "sampler":
        drawn = balanced(emotions, generator)
    elif settings.balance == "happy_twice":
        drawn = happy_twice(emotions, system.config.emotions.index("happiness"))
    stretches = [
        Stretch(example=examples[index], start=start, length=length)
        for index in drawn
        for start, length in system.cuts(len(examples[index].waveform), generator)
    ]
    lengths = [stretch.length for stretch in stretches]
    return [
        [stretches[index] for index in batch]
        for batch in buckets(lengths, batch=settings.batch, generator=generator)
    ]


def parts(num: int, micro_batch: int) -> list[slice]:
    """Micro-batches of a batch of so many, the fewest and as equal as can be.

    Example:
        >>> parts(31, 16), parts(31, 0)
        ([slice(0, 16, None), slice(16, 31, None)], [slice(0, 31, None)])
    """
    places = np.array_split(np.arange(num), -(-num // (micro_batch or num)))
    return [slice(int(part[0]), int(part[-1]) + 1) for part in places]


def collate(
    batch: Sequence[Stretch],
    num_classes: int,
    *,
    mixup: float = 0.0,
    generator: np.random.Generator,
) -> tuple[Float[Tensor, "B N"], Int[Tensor, " B"], Float[Tensor, "B C"]]:
    """A batch as tensors: waveforms padded with zeros to the longest, lengths, targets.

    A row of targets holds the values of affect, if there are any, and then 1 for the emotion.
    """
    waveforms = [stretch.waveform() for stretch in batch]
    affect = np.array([stretch.example.affect for stretch in batch], dtype=np.float32)
    emotions = np.array([stretch.example.emotion for stretch in batch])
    is_emotion = np.arange(num_classes) == emotions[:, None]
    targets = np.concatenate([affect, is_emotion.astype(np.float32)], axis=1)
    if mixup > 0:
        share = float(generator.beta(mixup, mixup))
        waveforms, targets = mix(
            waveforms,
            targets,
            share=max(share, 1 - share),  # whose length it has is also the louder of the two
            partner=generator.permutation(len(batch)).tolist(),
        )
    lengths = np.array([len(waveform) for waveform in waveforms])
    padded = np.zeros((len(batch), lengths.max()), dtype=np.float32)
    for row, waveform in zip(padded, waveforms, strict=True):
        row[: len(waveform)] = waveform
    return torch.from_numpy(padded), torch.from_numpy(lengths), torch.from_numpy(targets)


def mix(
    waveforms: Sequence[Float32[np.ndarray, " _"]],
    targets: Float32[np.ndarray, "B C"],
    *,
    share: float,
    partner: Sequence[int],
) -> tuple[list[Float32[np.ndarray, " _"]], Float32[np.ndarray, "B C"]]:
    r"""Mix each utterance with a partner, and their targets alike.

    .. math:: \tilde x_i = \lambda x_i + (1 - \lambda) \frac{r(x_i)}{r(x_j)} x_j

    with r the root mean square: the partner is first brought to the same level, because otherwise
    the louder of the two is heard and the target says something else (Tokozume, Ushiku, Harada,
    "Learning from between-class examples for deep sound recognition", ICLR 2018, section 3.2.2).
    The partner is repeated, or cut, to the length of the first.

    Args:
        waveforms: Of the batch.
        targets: One row of probabilities per utterance.
        share: Lambda, how much of the first is kept.
        partner: For each utterance, which one is mixed in.

    Returns:
        Waveforms and targets, mixed.

    Example:
        >>> loud, soft = np.full(4, 0.8, np.float32), np.full(2, 0.2, np.float32)
        >>> targets = np.eye(2, dtype=np.float32)
        >>> mixed, _ = mix([loud, -soft], targets, share=0.75, partner=[1, 0])
        >>> print(*(waveform.round(3) for waveform in mixed))
        [0.4 0.4 0.4 0.4] [-0.1 -0.1]
    """
    level = [max(float(np.sqrt(np.mean(np.square(w)))), 1e-8) for w in waveforms]
    mixed = [
        share * first
        + np.float32((1 - share) * level[i] / level[j]) * np.resize(waveforms[j], len(first))
        for i, (first, j) in enumerate(zip(waveforms, partner, strict=True))
    ]
    return mixed, np.float32(share) * targets + np.float32(1 - share) * targets[list(partner)]


# -------------------------------------------------------------------------- rates and averages


def learning_rate(settings: Settings, *, progress: float, scores: Sequence[float] = ()) -> float:
    """The learning rate at a moment of training.

    - ``constant``: always ``lr``;
    - ``plateau``: halved after every 4 epochs without a better development score;
    - ``cosine``: falls from ``lr`` to 0 along half a cosine;
    - ``one_cycle``: rises linearly from 0 to ``lr`` over the first 30 %, then falls to 0 along
      half a cosine (after Smith & Topin, "Super-convergence", 2018).

    Args:
        settings: Has ``lr`` and ``schedule``.
        progress: Share of all steps of ``settings.epochs`` epochs, in [0, 1].
        scores: Development scores of the epochs before, the higher the better.

    Returns:
        The rate.

    Example:
        >>> one_cycle = Settings(lr=1.0, schedule="one_cycle")
        >>> [round(learning_rate(one_cycle, progress=p), 3) for p in (0.0, 0.15, 0.3, 0.65, 1.0)]
        [0.0, 0.5, 1.0, 0.5, 0.0]
    """
    if settings.schedule == "cosine":
        return settings.lr * 0.5 * (1 + math.cos(math.pi * progress))
    if settings.schedule == "one_cycle":
        if progress < WARM_UP:
            return settings.lr * progress / WARM_UP
        return settings.lr * 0.5 * (1 + math.cos(math.pi * (progress - WARM_UP) / (1 - WARM_UP)))
    if settings.schedule == "plateau":
        best, waited, halvings = -math.inf, 0, 0
        for score in scores:
            best, waited = (score, 0) if score > best else (best, waited + 1)
            if waited == PLATEAU_PATIENCE:
                halvings, waited = halvings + 1, 0
        return settings.lr * 0.5**halvings
    return settings.lr


@torch.no_grad()
def update_average(
    average: Mapping[str, Tensor], weights: Mapping[str, Tensor], *, decay: float, step: int
) -> None:
    r"""Move an exponential moving average of the weights by one step, in place.

    .. math:: \bar w \leftarrow d_t \bar w + (1 - d_t) w, \quad d_t = \min(d, \frac{1+t}{10+t})

    The smaller decay of the first steps lets the average forget the random beginning. Buffers
    with fractions, such as the running moments of batch norm, are averaged by the same formula:
    the averaged network then normalises by moments of the stretch of training it averages over.
    Integer buffers are copied.

    Args:
        average: Tensors by name; changed.
        weights: The same names, after the step.
        decay: ``d``, per step.
        step: ``t``, from 1.

    Example:
        >>> average, weights = {"w": torch.tensor(0.0)}, {"w": torch.tensor(11.0)}
        >>> update_average(average, weights, decay=0.999, step=1)
        >>> round(average["w"].item(), 6)
        9.0
    """
    share = 1 - min(decay, (1 + step) / (10 + step))
    for name, mean in average.items():
        if mean.is_floating_point():
            mean.lerp_(weights[name], share)
        else:
            mean.copy_(weights[name])


# ----------------------------------------------------------------------------------- the gradient

Batch = tuple[Float[Tensor, "_ _"], Int[Tensor, " _"], Float[Tensor, "_ _"]]


def backward(
    network: Callable[..., Tensor],
    objective: Callable[[Tensor, Tensor], Mapping[str, Tensor]],
    batches: Sequence[Batch],
    *,
    accelerator: Accelerator,
    autocast: Mapping[str, Any],
    over: ObjectiveOver = "micro",
) -> dict[str, Tensor]:
    r"""Add the gradient of an objective to the weights, from micro-batches of one step.

    Over ``micro`` the loss is the mean over micro-batches and processes of the losses of each.
    Over ``batch`` it is that of all their utterances together, whatever the objective is: outputs
    :math:`z` of all parts are computed without a graph, :math:`g = \partial L / \partial z` on the
    whole of them, and then each part again, with the same random numbers, to follow
    :math:`g^T \partial z / \partial w` (Gao, Zhang, Han, Callan, "Scaling deep contrastive learning
    batch size under memory limited setup", RepL4NLP 2021, section 3.2). That is the gradient of the
    whole batch, but for batch normalisation, whose moments are those of each part.

    Args:
        network: From waveforms and lengths to outputs; perhaps wrapped for several processes.
        objective: From outputs and targets to losses by name.
        batches: The micro-batches: waveforms, lengths, targets, on the device of the weights.
        accelerator: Knows of other processes.
        autocast: What ``torch.autocast`` is told.
        over: What the objective is taken of.

    Returns:
        Losses by name, without a graph.
    """

    def output(batch: Batch) -> Tensor:
        with torch.autocast(**autocast):
            answer = network(batch[0], batch[1])
        return answer.float()

    def waits(place: int) -> Any:
        """Processes exchange gradients once, at the last micro-batch."""
        is_last = place == len(batches) - 1
        return nullcontext() if is_last else accelerator.no_sync(cast(nn.Module, network))

    losses: dict[str, Tensor] = {}
    if over == "micro":
        for place, batch in enumerate(batches):
            with waits(place):
                named = objective(output(batch), batch[2])
                accelerator.backward(torch.stack(list(named.values())).sum() / len(batches))
            for name, loss in named.items():
                losses[name] = losses.get(name, 0.0) + loss.detach() / len(batches)
        return losses

    device = batches[0][0].device
    states: list[list[Tensor]] = []
    with torch.no_grad():
        outputs: list[Tensor] = []
        for batch in batches:
            states.append(_random_state(device))
            outputs.append(output(batch))
    own = torch.cat(outputs).requires_grad_()
    targets = torch.cat([batch[2] for batch in batches])
    known = gather_object([(own.detach().cpu(), targets.cpu())])
    everyone = [tuple(part.to(device) for part in of_process) for of_process in known]
    everyone[accelerator.process_index] = (own, targets)
    named = objective(*(torch.cat(column) for column in zip(*everyone, strict=True)))
    (gradient,) = torch.autograd.grad(torch.stack(list(named.values())).sum(), own)
    # processes average their gradients, where here each has one share of a sum
    shares = (gradient * accelerator.num_processes).split([len(batch[0]) for batch in batches])
    after = _random_state(device)
    for place, (batch, state, share) in enumerate(zip(batches, states, shares, strict=True)):
        _set_random_state(device, state)
        with waits(place):
            accelerator.backward((output(batch) * share).sum())
    _set_random_state(device, after)
    return {name: loss.detach() for name, loss in named.items()}


def _random_state(device: torch.device) -> list[Tensor]:
    """Of the processor's generator and that of the device."""
    states = [torch.get_rng_state()]
    if device.type != "cpu":
        states.append(torch.get_device_module(device).get_rng_state())
    return states


def _set_random_state(device: torch.device, states: Sequence[Tensor]) -> None:
    torch.set_rng_state(states[0])
    for state in states[1:]:
        torch.get_device_module(device).set_rng_state(state)


# ------------------------------------------------------------------------------------- the loop


class NonFiniteLossError(ValueError):
    """A loss or a gradient is not a number; the message names the step and the utterances."""


class ResumeError(ValueError):
    """The run folder holds the state of a run with other settings."""


def fit(
    system: System,
    examples: Sequence[Example],
    *,
    settings: Settings,
    seed: int,
    run: Run,
    select: Callable[[System], Mapping[str, float]] | None,
    report: Callable[[Epoch], None] | None = None,
    follow: Sequence[float] = (),
    planned: int | None = None,
) -> History:
    """Train a system by gradient and leave it with the weights to keep, in evaluation mode.

    After each epoch ``select`` scores the system (its averaged weights, if ``settings.average``);
    the weights of the best epoch are kept, the first of equals. Without ``select`` training takes
    ``settings.epochs`` epochs and keeps the last weights.

    A run that was killed goes on when ``fit`` is called again with the same arguments and a run in
    the same folder; one that was complete only gives back its weights and history.

    Args:
        system: Already prepared (``system.prepare``) on the training side.
        examples: The training side.
        settings: How to train.
        seed: Decides order, cuts, mixing and everything random in the system while training.
        run: Where losses, history and the state go.
        select: The first score that it returns decides, higher is better; the rest are recorded.
        report: Called after each epoch; then no progress is shown here.
        follow: Without ``select``, the development scores of an earlier run that a ``plateau``
            schedule is to follow.
        planned: Epochs that a system's own schedule spans, where it was to be trained for more
            than ``settings.epochs``.

    Returns:
        The history, also written to ``history.json`` in the run folder.
    """
    # -- devices, precision, weights, optimiser ------------------------------------------------
    _check(system, examples, settings)
    accelerator, autocast = _plumbing(system, settings)
    num_processes = accelerator.num_processes
    module = checkpoint.as_module(system).to(accelerator.device)
    # float32 stays contiguous: torch 2.13 is inexact in channels_last there, and oneDNN can crash
    _lay_out(module, torch.channels_last if autocast["enabled"] else torch.contiguous_format)
    optimizer = torch.optim.AdamW(
        module.parameters(), lr=settings.lr, weight_decay=settings.weight_decay, foreach=True
    )
    network, optimizer = accelerator.prepare(module, optimizer)
    parameters = [parameter for parameter in module.parameters() if parameter.requires_grad]
    objective = partial(
        system.objective,
        weight=_class_weights(system, examples, settings, accelerator.device),
        label_smoothing=settings.label_smoothing,
    )
    live = module.state_dict()  # the tensors themselves: they change as training goes on
    average = _copy(live) if settings.average else {}
    best: dict[str, Tensor] = {}
    history, step, finished = History(), 0, False

    # -- where an earlier process stopped ------------------------------------------------------
    identity = _identity(
        system, examples, settings, seed, select is None, follow, planned, num_processes
    )
    state = checkpoint.load_resume(run.resume_path)
    if state is not None:
        if state["identity"] != identity:
            raise ResumeError(
                f"{run.folder} holds a run with other settings, seed, system or utterances; choose "
                f"another folder, or remove {run.resume_path.parent} to begin again"
            )
        history, step, finished = _history(state["history"]), state["step"], state["finished"]
        module.load_state_dict(state["model"])
        average, best = _copy(state["average"], live), _copy(state["best"], live)
        if not finished:
            optimizer.load_state_dict(state["optimizer"])
    run.rewind(state["position"] if state is not None else 0)
    run.describe(
        {
            "seed": seed,
            "trainer": settings,
            **checkpoint.describe(system),
            "num_utterances": len(examples),
            "num_parameters": sum(parameter.numel() for parameter in parameters),
            "precision": "bfloat16" if autocast["enabled"] else "float32",
            "device": str(accelerator.device),
            "num_processes": num_processes,
        }
    )

    quiet = report is not None or finished or not run.is_writer
    with closing(run), _progress(settings, quiet=quiet) as show:
        while not finished:
            # -- one epoch: everything random in it derives from seed and epoch ----------------
            began = time.perf_counter()
            epoch = len(history.epochs) + 1
            generator = np.random.default_rng((seed, epoch))
            torch.manual_seed(int(generator.integers(2**62)) + accelerator.process_index)
            batches = draw_batches(system, examples, settings, generator)
            num_steps = -(-len(batches) // num_processes)
            scores = history.scores if select is not None else follow[: epoch - 1]
            sums: dict[str, float] = {}
            num_heard, lr = 0, settings.lr
            if isinstance(system, FollowsEpochs):
                system.begin_epoch(epoch, epochs=planned or settings.epochs)
            module.train()

            for place in range(num_steps):
                # -- one step: this process's batch, forward, backward, and on -----------------
                step += 1
                lr = learning_rate(
                    settings,
                    progress=(epoch - 1 + (place + 0.5) / num_steps) / settings.epochs,
                    scores=scores,
                )
                for group in optimizer.param_groups:
                    group["lr"] = lr
                index = (place * num_processes + accelerator.process_index) % len(batches)
                batch = batches[index]
                tensors = collate(
                    batch,
                    num_classes(system),
                    mixup=settings.mixup,
                    generator=np.random.default_rng((seed, epoch, index)),
                )
                waveform, num_samples, target = (t.to(accelerator.device) for t in tensors)
                optimizer.zero_grad()
                losses = backward(
                    network,
                    objective,
                    [
                        (waveform[part, : num_samples[part].max()], num_samples[part], target[part])
                        for part in parts(len(batch), settings.micro_batch)
                    ],
                    accelerator=accelerator,
                    autocast=autocast,
                    over=settings.objective_over,
                )
                norm = torch.as_tensor(
                    accelerator.clip_grad_norm_(parameters, settings.clip or math.inf)
                )
                *values, grad_norm = torch.stack([*losses.values(), norm]).tolist()
                named = dict(zip(losses, values, strict=True))
                if not all(map(math.isfinite, (*values, grad_norm))):
                    raise NonFiniteLossError(
                        f"Epoch {epoch}, step {step}: losses {named}, gradient norm {grad_norm}; "
                        f"utterances {', '.join(stretch.example.id for stretch in batch)}. Try a "
                        "lower lr or precision='float32', and look at these files"
                    )
                optimizer.step()
                if average:
                    update_average(average, live, decay=settings.average, step=step)

                # -- write it down -------------------------------------------------------------
                run.log(
                    {
                        "epoch": epoch,
                        "step": step,
                        "lr": lr,
                        "grad_norm": grad_norm,
                        "losses": named,
                        **(system.counts() if isinstance(system, Counts) else {}),
                        "num_utterances": len(batch),
                    }
                )
                num_heard += len(batch)
                for name, value in named.items():
                    sums[name] = sums.get(name, 0.0) + value * len(batch)
                show(None, (place + 1) / num_steps)

            # -- its score, on the weights that would be kept ----------------------------------
            if num_processes > 1:  # running moments differ between processes; the first's count
                for tensor in (*module.buffers(), *average.values()):
                    broadcast(tensor)
            development: dict[str, float] = {}
            is_scored = epoch % settings.score_every == 0 or epoch == settings.epochs
            if select is not None and is_scored:
                with _weights(module, average):
                    scored = select(system)
                    development = {name: float(value) for name, value in scored.items()}
                if not development:
                    raise ValueError("select returned no score; it must return at least one")
                development = broadcast_object_list([development])[0]
            record = Epoch(
                epoch=epoch,
                step=step,
                lr=lr,
                losses={name: total / num_heard for name, total in sums.items()},
                development=development,
                seconds=time.perf_counter() - began,
            )
            history = History(epochs=(*history.epochs, record))
            if history.best_epoch == epoch:
                best = _copy(average or live)
            waited = epoch - history.best_epoch
            finished = epoch == settings.epochs or waited == settings.patience

            # -- whoever stops us now, this epoch is safe --------------------------------------
            if accelerator.is_main_process:
                history.save(run.folder / "history.json")
                run.log_development(development, step=step)
                checkpoint.save_resume(
                    run.resume_path,
                    {
                        "identity": identity,
                        "finished": finished,
                        "step": step,
                        "position": run.position(),
                        "history": _plain(history),
                        "model": best if finished else live,
                        "optimizer": {} if finished else optimizer.state_dict(),
                        "average": {} if finished else average,
                        "best": best,
                    },
                )
            accelerator.wait_for_everyone()
            show(record, 1.0)
            if report is not None:
                report(record)

    # -- the weights to keep -------------------------------------------------------------------
    module.load_state_dict(best)
    _lay_out(module, torch.contiguous_format)
    optimizer.zero_grad()
    module.eval()
    return history


# ----------------------------------------------------------------------------- what fit leans on


def _check(system: System, examples: Sequence[Example], settings: Settings) -> None:
    """Refuse what would fail later, or worse, would not."""
    emotions = getattr(system.config, "emotions", ())
    first = -1 if system.task == "affect" else 0
    if not system.trained_by_gradient:
        raise ValueError(f"{system.name} is complete after prepare; there is nothing to fit")
    if not examples:
        raise ValueError("There is no utterance to train on")
    num_values = len(names(system)) if system.task == "affect" else 0
    for example in examples:
        if not first <= example.emotion < num_classes(system):
            raise ValueError(
                f"Utterance {example.id}: emotion {example.emotion} is not a place in {emotions}"
            )
        if len(example.affect) != num_values:
            raise ValueError(
                f"Utterance {example.id}: {len(example.affect)} values of affect, but "
                f"{system.name} learns {num_values}"
            )
        if len(example.waveform) == 0:
            raise ValueError(f"Utterance {example.id} has no samples")
    if draws_batches(system) and (settings.balance != "none" or settings.mixup > 0):
        raise ValueError(
            f"{system.name} composes its own batches, in which emotions are balanced: balance must "
            f"be none and mixup 0, not {settings.balance} and {settings.mixup}"
        )
    if system.task == "affect" and settings.balance != "none":
        raise ValueError(
            f"{system.name} learns affect, which has no emotions to balance: balance must be none, "
            f"not {settings.balance}"
        )
    smallest = smallest_batch(system)
    if min(settings.batch, settings.micro_batch or settings.batch) < smallest:
        raise ValueError(
            f"{system.name} compares utterances and needs {smallest} or more in a (micro-)batch; "
            f"not batch={settings.batch} with micro_batch={settings.micro_batch}"
        )
    if settings.balance == "happy_twice" and "happiness" not in emotions:
        raise ValueError(f"balance: happy_twice needs the emotion happiness among {emotions}")


def _plumbing(system: System, settings: Settings) -> tuple[Accelerator, dict[str, Any]]:
    """Accelerate, for devices and processes; and what autocast is told.

    Accelerate's own mixed precision would wrap the system's ``forward`` for good, and it would be
    scored and saved so wrapped; here autocast stands around one call in ``fit``.
    """
    # a part of the network that rests in some epochs gets no gradient in them
    rests = DistributedDataParallelKwargs(find_unused_parameters=isinstance(system, FollowsEpochs))
    accelerator = Accelerator(cpu=settings.device == "cpu", kwargs_handlers=[rests])
    kind = accelerator.device.type
    if settings.device not in ("auto", kind):
        raise ValueError(
            f"device: {settings.device} was asked for, but this process trains on {kind}; either "
            f"there is no {settings.device}, or something was trained on {kind} before"
        )
    is_fast = (kind == "cuda" and torch.cuda.is_bf16_supported()) or (
        kind == "cpu" and computes_in_bfloat16()
    )
    enabled = settings.precision == "bfloat16" or (settings.precision == "auto" and is_fast)
    return accelerator, {"device_type": kind, "dtype": torch.bfloat16, "enabled": enabled}


def _lay_out(module: nn.Module, layout: torch.memory_format) -> None:
    """Store the weights of two-dimensional convolutions in another order."""
    for parameter in module.parameters():
        if parameter.dim() == 4:
            parameter.data = parameter.data.contiguous(memory_format=layout)


def _class_weights(
    system: System, examples: Sequence[Example], settings: Settings, device: torch.device
) -> Float[Tensor, " C"] | None:
    """Weights from the training side, if they are asked for."""
    if settings.balance != "weights":
        return None
    counts = [0] * num_classes(system)
    for example in examples:
        counts[example.emotion] += 1
    return torch.tensor(class_weights(counts), dtype=torch.float32, device=device)


def _identity(
    system: System,
    examples: Sequence[Example],
    settings: Settings,
    seed: int,
    is_unscored: bool,
    follow: Sequence[float],
    planned: int | None,
    num_processes: int,
) -> str:
    """Of a run: two processes with the same identity take the same steps."""
    return checkpoint.fingerprint(
        {
            **checkpoint.describe(system),
            "settings": dataclasses.asdict(settings),
            "seed": seed,
            "is_unscored": is_unscored,
            "follow": list(follow),
            "planned": planned,
            "examples": [[e.id, e.emotion, len(e.waveform), *e.affect] for e in examples],
            "num_processes": num_processes,
        }
    )


def _copy(
    weights: Mapping[str, Tensor], like: Mapping[str, Tensor] | None = None
) -> dict[str, Tensor]:
    """Tensors of their own, on the devices of ``like`` if it is given."""
    if like is None:
        return {name: tensor.detach().clone() for name, tensor in weights.items()}
    return {name: tensor.to(like[name].device) for name, tensor in weights.items()}


@contextmanager
def _weights(module: nn.Module, average: Mapping[str, Tensor]) -> Generator[None, None, None]:
    """In evaluation mode, and with the averaged weights if there are any."""
    module.eval()
    if not average:
        yield
        return
    training = _copy(module.state_dict())
    module.load_state_dict(average)
    yield
    module.load_state_dict(training)


Show = Callable[[Epoch | None, float], None]


@contextmanager
def _progress(settings: Settings, *, quiet: bool) -> Generator[Show, None, None]:
    """A bar on a terminal; a line per epoch in the log elsewhere; nothing when quiet."""
    if quiet:
        yield lambda record, share: None
        return
    if not sys.stderr.isatty():
        yield lambda record, share: LOGGER.info(_line(record, settings)) if record else None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), refresh_per_second=4) as bar:
        task = bar.add_task("training", total=settings.epochs)
        done = 0

        def show(record: Epoch | None, share: float) -> None:
            nonlocal done
            if record is None:
                bar.update(task, completed=done + share)
                return
            done = record.epoch
            bar.update(task, completed=done, description=_line(record, settings))

        yield show


def _line(record: Epoch, settings: Settings) -> str:
    """One epoch in one line."""
    numbers = {**record.losses, **{f"dev {k}": v for k, v in record.development.items()}}
    text = ", ".join(f"{name} {value:.3f}" for name, value in numbers.items())
    return f"epoch {record.epoch}/{settings.epochs}: {text} ({record.seconds:.1f} s)"
