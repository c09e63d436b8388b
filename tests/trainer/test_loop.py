"""The loop: what it computes, what it keeps, and that a kill changes nothing."""

import json
import logging
import math
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))
from gather_tiny import gradients
from tiny_system import EMOTIONS, Tiny, recall_on, tiny, tones

from serkit.trainer import (
    Epoch,
    Example,
    History,
    NonFiniteLossError,
    ResumeError,
    Run,
    Settings,
    computes_in_bfloat16,
    fit,
)
from serkit.trainer.loop import (
    Stretch,
    collate,
    draw_batches,
    learning_rate,
    mix,
    update_average,
)

QUICK: dict[str, Any] = {"epochs": 3, "batch": 8, "precision": "float32"}
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}


def losses(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "losses.jsonl").read_text().splitlines()]


def train(
    folder: Path,
    *,
    seed: int = 0,
    select: Callable[[Any], Mapping[str, float]] | None = None,
    examples: list[Example] | None = None,
    system: Tiny | None = None,
    report: Callable[[Epoch], None] | None = None,
    follow: tuple[float, ...] = (),
    **settings: Any,
) -> tuple[Tiny, History]:
    system = system or tiny(seed=seed)
    history = fit(
        system,
        examples or tones(),
        settings=Settings(**{**QUICK, **settings}),
        seed=seed,
        run=Run(folder),
        select=select,
        report=report,
        follow=follow,
    )
    return system, history


def scores(*values: float) -> Callable[[Any], Mapping[str, float]]:
    """A ``select`` that knows the scores of all epochs beforehand."""
    left: Iterator[float] = iter(values)
    return lambda system: {"uar": np.float64(next(left)), "loss": 0}


# -------------------------------------------------------------------------------------- settings


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"epochs": 0}, "epochs: 0 must be at least 1"),
        ({"batch": 0}, "batch: 0 must be at least 1"),
        ({"lr": 0.0}, "lr: 0.0 must be above 0"),
        ({"clip": math.nan}, r"clip: nan must be 0 \(off\) or above"),
        ({"mixup": -0.1}, "mixup: -0.1 must be 0"),
        ({"weight_decay": math.inf}, "weight_decay: inf must be 0"),
        ({"average": 1.0}, "average: 1.0 must be at least 0 and below 1"),
        ({"label_smoothing": 1.5}, "label_smoothing: 1.5 must be at least 0 and below 1"),
        ({"patience": 0}, "patience: 0 must be at least 1, or None"),
    ],
)
def test_settings_that_cannot_be_trained_with_are_refused_by_name(
    settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        _ = Settings(**settings)


@pytest.mark.parametrize(
    ("emotion", "samples", "settings", "message"),
    [
        (3, 500, {}, r"Utterance odd: emotion 3 is not a place in \('anger'"),
        (0, 0, {}, "Utterance odd has no samples"),
    ],
)
def test_an_utterance_that_cannot_be_learnt_from_is_named(
    tmp_path: Path, emotion: int, samples: int, settings: dict[str, Any], message: str
) -> None:
    odd = Example(waveform=np.zeros(samples, np.float32), emotion=emotion, id="odd")
    with pytest.raises(ValueError, match=message):
        _ = train(tmp_path, examples=[*tones(), odd], **settings)


def test_happiness_twice_needs_happiness(tmp_path: Path) -> None:
    system = tiny(emotions=("anger", "fear", "sadness"))
    with pytest.raises(ValueError, match="needs the emotion happiness among"):
        _ = train(tmp_path, system=system, balance="happy_twice")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_device_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="device: cuda was asked for"):
        _ = train(tmp_path, device="cuda")


def test_a_system_without_gradient_is_refused(tmp_path: Path) -> None:
    class Classical(Tiny):
        trained_by_gradient = False

    with pytest.raises(ValueError, match="tiny is complete after prepare"):
        _ = train(tmp_path, system=Classical(Tiny.Config(emotions=EMOTIONS)))


# --------------------------------------------------------------------------------------- batches


def example(waveform: list[float], emotion: int = 0) -> Example:
    return Example(waveform=np.array(waveform, np.float32), emotion=emotion, id="x")


def test_a_stretch_longer_than_its_utterance_repeats_it() -> None:
    stretch = Stretch(example=example([1, 2, 3]), start=1, length=7)
    assert stretch.waveform().tolist() == [2, 3, 1, 2, 3, 1, 2]
    assert Stretch(example=example([1, 2, 3]), start=1, length=2).waveform().tolist() == [2, 3]


def test_a_batch_is_padded_with_zeros_to_its_longest() -> None:
    batch = [
        Stretch(example=example([1, 2, 3], emotion=1), start=0, length=3),
        Stretch(example=example([4, 5]), start=1, length=1),
    ]
    waveform, num_samples, target = collate(batch, 3, generator=np.random.default_rng(0))
    assert waveform.tolist() == [[1, 2, 3], [5, 0, 0]]
    assert num_samples.tolist() == [3, 1]
    assert target.tolist() == [[0, 1, 0], [1, 0, 0]]


def test_an_epoch_holds_every_cut_of_every_utterance_and_happiness_twice_if_asked() -> None:
    examples = tones()
    for balance, expected in (("none", 24), ("happy_twice", 30)):
        batches = draw_batches(
            tiny(), examples, Settings(batch=7, balance=balance), np.random.default_rng(0)
        )
        stretches = [stretch for batch in batches for stretch in batch]
        assert len(stretches) == expected
        assert {stretch.example.id for stretch in stretches} == {e.id for e in examples}
        assert max(map(len, batches)) <= 7
        assert all(stretch.length == 400 for stretch in stretches)


@given(share=st.floats(0, 1), seed=st.integers(0, 50))
def test_mixing_equals_the_loop_with_both_at_the_same_level(share: float, seed: int) -> None:
    generator = np.random.default_rng(seed)
    first, second = (
        generator.standard_normal(n).astype(np.float32) * level
        for n, level in ((7, 1.0), (5, 0.01))
    )
    targets = np.eye(2, dtype=np.float32)
    mixed, mixed_targets = mix([first, second], targets, share=share, partner=[1, 0])
    for ours, a, b in ((mixed[0], first, second), (mixed[1], second, first)):
        level = math.sqrt(np.mean(a.astype(float) ** 2) / np.mean(b.astype(float) ** 2))
        expected = [share * a[n] + (1 - share) * level * b[n % len(b)] for n in range(len(a))]
        np.testing.assert_allclose(ours, expected, rtol=1e-5, atol=1e-6)
        assert ours.dtype == np.float32
    np.testing.assert_allclose(mixed_targets, [[share, 1 - share], [1 - share, share]], atol=1e-6)


def test_silence_can_be_mixed() -> None:
    silence, sound = np.zeros(4, np.float32), np.ones(4, np.float32)
    mixed, _ = mix([silence, sound], np.eye(2, dtype=np.float32), share=0.5, partner=[1, 0])
    assert np.isfinite(mixed).all()
    assert np.abs(mixed).max() <= 1


# --------------------------------------------------------------------------- rates and averages


def test_the_constant_rate_is_constant() -> None:
    constant = Settings(lr=0.1, schedule="constant")
    assert learning_rate(constant, progress=0.9, scores=(0.5,) * 20) == 0.1


def test_the_cosine_rate_by_hand() -> None:
    cosine = Settings(lr=2.0, schedule="cosine")
    rates = [
        learning_rate(cosine, progress=progress) for progress in (0.0, 1 / 3, 1 / 2, 2 / 3, 1.0)
    ]
    np.testing.assert_allclose(rates, [2, 1.5, 1, 0.5, 0], atol=1e-12)


def test_the_one_cycle_rate_by_hand() -> None:
    one_cycle = Settings(lr=2.0, schedule="one_cycle")
    rates = [learning_rate(one_cycle, progress=p) for p in (0.03, 0.15, 0.3, 0.65, 0.3 + 0.7 / 3)]
    np.testing.assert_allclose(rates, [0.2, 1.0, 2.0, 1.0, 1.5])


def test_the_plateau_rate_is_halved_after_every_four_epochs_without_a_better_score() -> None:
    plateau = Settings(lr=1.0, schedule="plateau")
    heard = [0.5, 0.6, 0.6, 0.5, 0.4, 0.6, 0.6, 0.6, 0.6, 0.6, 0.7, 0.1]
    rates = [learning_rate(plateau, progress=0.0, scores=heard[:n]) for n in range(len(heard) + 1)]
    # Best at epoch 2; epochs 3-6 bring no better one, nor do 7-10; epoch 11 does.
    assert rates == [1, 1, 1, 1, 1, 1, 0.5, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25]


def test_one_cycle_ends_with_the_last_epoch_and_moves_with_every_step(tmp_path: Path) -> None:
    _ = train(tmp_path, schedule="one_cycle", lr=0.01)
    rates = [line["lr"] for line in losses(tmp_path)]
    steps = [(n + 0.5) / 9 for n in range(9)]
    one_cycle = Settings(lr=0.01, schedule="one_cycle")
    np.testing.assert_allclose(rates, [learning_rate(one_cycle, progress=p) for p in steps])


def test_without_scores_a_plateau_can_follow_those_of_an_earlier_run(tmp_path: Path) -> None:
    select = scores(*[0.5] * 6)
    _, first = train(tmp_path / "first", select=select, epochs=6)
    _, refit = train(tmp_path / "refit", follow=first.scores, epochs=6)
    assert [epoch.lr for epoch in first.epochs] == [1e-3] * 5 + [5e-4]
    assert [epoch.lr for epoch in refit.epochs] == [1e-3] * 5 + [5e-4]


def test_the_average_equals_the_loop() -> None:
    generator = np.random.default_rng(0)
    path = generator.standard_normal((40, 3))
    average = {"w": torch.tensor(path[0]), "count": torch.tensor(0)}
    expected = path[0]
    for step, weights in enumerate(path[1:], start=1):
        update_average(
            average,
            {"w": torch.tensor(weights), "count": torch.tensor(step)},
            decay=0.7,
            step=step,
        )
        decay = min(0.7, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * weights
    np.testing.assert_allclose(average["w"], expected, rtol=1e-12)
    assert average["count"] == 39


def test_the_average_of_what_never_changes_is_the_same_to_the_last_digit() -> None:
    constant = torch.rand(1000)
    average = {"w": constant.clone()}
    for step in range(1, 50):
        update_average(average, {"w": constant}, decay=0.99, step=step)
    assert torch.equal(average["w"], constant)


def test_the_averaged_weights_are_those_scored_and_kept(tmp_path: Path) -> None:
    seen: list[dict[str, torch.Tensor]] = []

    def select(system: Tiny) -> dict[str, float]:
        seen.append({name: tensor.clone() for name, tensor in system.state_dict().items()})
        return {"uar": float(len(seen))}

    averaged, _ = train(tmp_path / "averaged", select=select, average=0.9)
    plain, _ = train(tmp_path / "plain", select=scores(1, 2, 3))
    for name, tensor in averaged.state_dict().items():
        assert torch.equal(tensor, seen[-1][name])
    assert not torch.equal(averaged.emotion.weight, plain.emotion.weight)
    # What is trained on is not the average: the steps are those of the run without one.
    assert losses(tmp_path / "averaged") == losses(tmp_path / "plain")


# ------------------------------------------------------------------------------ what fit returns


def test_it_learns_to_tell_tones_apart(tmp_path: Path) -> None:
    _, history = train(
        tmp_path,
        examples=tones(num=96),
        select=recall_on(tones(num=48, seed=1)),
        epochs=30,
        lr=0.03,
        schedule="one_cycle",
    )
    assert max(history.scores) > 0.95


def test_the_best_epoch_is_kept_and_of_equals_the_first(tmp_path: Path) -> None:
    weights: list[torch.Tensor] = []

    def report(epoch: Epoch) -> None:
        weights.append(system.emotion.weight.detach().clone())

    system = tiny()
    _, history = train(
        tmp_path, system=system, select=scores(0.3, 0.5, 0.5, 0.4), report=report, epochs=4
    )
    assert history.best_epoch == 2
    assert history.scores == (0.3, 0.5, 0.5, 0.4)
    assert torch.equal(system.emotion.weight, weights[1])
    assert not torch.equal(system.emotion.weight, weights[2])
    assert not system.training


def test_it_stops_after_patience_epochs_without_a_better_score(tmp_path: Path) -> None:
    _, history = train(tmp_path, select=scores(0.1, 0.3, 0.3, 0.2, 0.3, 0.9), epochs=9, patience=3)
    assert len(history.epochs) == 5
    assert history.best_epoch == 2


def test_a_score_that_is_not_a_number_is_never_the_best(tmp_path: Path) -> None:
    _, history = train(tmp_path, select=scores(math.nan, 0.2, math.nan))
    assert history.best_epoch == 2


def test_without_select_all_epochs_are_trained_and_the_last_weights_kept(tmp_path: Path) -> None:
    short, _ = train(tmp_path / "short", epochs=4, schedule="constant", patience=1)
    scored, history = train(
        tmp_path / "scored", epochs=4, schedule="constant", select=scores(1, 2, 3, 4)
    )
    assert history.best_epoch == 4
    for name, tensor in short.state_dict().items():
        assert torch.equal(tensor, scored.state_dict()[name])


def test_select_without_a_score_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="select returned no score"):
        _ = train(tmp_path, select=lambda system: {})


def test_every_step_is_written_with_its_named_losses(tmp_path: Path) -> None:
    _, history = train(tmp_path, select=scores(0.1, 0.2, 0.3))
    lines = losses(tmp_path)
    assert [line["step"] for line in lines] == list(range(1, 10))
    assert [line["epoch"] for line in lines] == [1] * 3 + [2] * 3 + [3] * 3
    for line in lines:
        assert set(line) == {"epoch", "step", "lr", "grad_norm", "losses", "num_utterances"}
        assert set(line["losses"]) == {"cross_entropy", "size"}
    first = [line["losses"]["cross_entropy"] for line in lines[:3]]
    assert history.epochs[0].losses["cross_entropy"] == pytest.approx(np.mean(first))


def test_history_is_saved_and_read_back(tmp_path: Path) -> None:
    _, history = train(tmp_path, select=scores(0.1, 0.3, 0.2))
    assert History.load(tmp_path / "history.json") == history
    assert json.loads((tmp_path / "history.json").read_text())["best_epoch"] == 2


def test_the_same_seed_gives_the_same_losses_bit_for_bit_and_another_does_not(
    tmp_path: Path,
) -> None:
    for name, seed in (("first", 1), ("again", 1), ("other", 2)):
        _ = train(tmp_path / name, seed=seed, mixup=0.3, balance="sampler")
    first, again, other = (losses(tmp_path / name) for name in ("first", "again", "other"))
    assert first == again
    assert first != other


def test_scoring_does_not_change_what_is_trained(tmp_path: Path) -> None:
    _ = train(tmp_path / "scored", schedule="constant", select=recall_on(tones(seed=1)))
    _ = train(tmp_path / "unscored", schedule="constant")
    assert losses(tmp_path / "scored") == losses(tmp_path / "unscored")


def test_class_weights_come_from_the_training_side(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[Any] = []
    objective = Tiny.objective

    def watched(self: Tiny, *arguments: Any, weight: Any, **more: Any) -> Any:
        given.append(weight)
        return objective(self, *arguments, weight=weight, **more)

    monkeypatch.setattr(Tiny, "objective", watched)
    _ = train(tmp_path / "weights", epochs=1)
    np.testing.assert_allclose(given[0], [24 / 18, 24 / 18, 24 / 36], rtol=1e-6)  # 6, 6, 12
    _ = train(tmp_path / "none", epochs=1, balance="none")
    assert given[-1] is None


def test_gradients_are_clipped(tmp_path: Path) -> None:
    # Under Adam only the ratio of gradients matters, so clipping shows in the unclipped norm alone.
    _ = train(tmp_path / "loose", clip=1e9)
    _ = train(tmp_path / "tight", clip=1e-3)
    loose, tight = losses(tmp_path / "loose"), losses(tmp_path / "tight")
    assert loose[0]["grad_norm"] == tight[0]["grad_norm"] > 1e-3
    assert loose[-1] != tight[-1]


@pytest.mark.skipif(not computes_in_bfloat16(), reason="this processor has no bfloat16 arithmetic")
def test_bfloat16_is_the_default_where_the_processor_has_it(tmp_path: Path) -> None:
    system, _ = train(tmp_path / "auto", precision="auto")
    _ = train(tmp_path / "float32", precision="float32")
    assert json.loads((tmp_path / "auto" / "settings.json").read_text())["precision"] == "bfloat16"
    auto, precise = losses(tmp_path / "auto"), losses(tmp_path / "float32")
    assert auto != precise
    for ours, theirs in zip(auto[:3], precise[:3], strict=True):
        assert ours["losses"]["cross_entropy"] == pytest.approx(
            theirs["losses"]["cross_entropy"], rel=0.05
        )
    for parameter in system.parameters():
        assert parameter.dtype == torch.float32
        assert parameter.is_contiguous()


def test_a_loss_that_is_not_a_number_stops_the_run_and_names_the_utterances(
    tmp_path: Path,
) -> None:
    examples = tones()
    examples[5].waveform[:] = np.nan
    with pytest.raises(
        NonFiniteLossError,
        match=r"Epoch 1, step \d: losses \{'cross_entropy': nan.* utterances .*tones/5\b",
    ):
        _ = train(tmp_path, examples=examples)


def test_progress_is_a_line_per_epoch_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="serkit"):
        _ = train(tmp_path, select=scores(0.1, 0.2, 0.3))
    assert len(caplog.messages) == 3
    assert caplog.messages[1].startswith("epoch 2/3: cross_entropy ")
    assert "dev uar 0.200" in caplog.messages[1]


def test_progress_is_a_bar_on_a_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    _ = train(tmp_path)
    assert "3/3" in capsys.readouterr().err


# ---------------------------------------------------------------------------------------- resume


def test_a_run_that_was_stopped_goes_on_as_if_nothing_had_happened(tmp_path: Path) -> None:
    class Stop(Exception):  # noqa: N818
        pass

    def stop(epoch: Epoch) -> None:
        if epoch.epoch == 3:
            raise Stop("here")

    settings: dict[str, Any] = {"epochs": 7, "average": 0.9, "mixup": 0.2, "precision": "auto"}
    score = (0.1, 0.5, 0.4, 0.3, 0.3, 0.3, 0.3)
    whole, expected = train(tmp_path / "whole", select=scores(*score), **settings)
    with pytest.raises(Stop, match="here"):
        _ = train(tmp_path / "parts", select=scores(*score[:3]), report=stop, **settings)
    resumed, history = train(
        tmp_path / "parts", system=tiny(seed=99), select=scores(*score[3:]), **settings
    )
    assert losses(tmp_path / "parts") == losses(tmp_path / "whole")
    assert (history.scores, history.best_epoch) == (expected.scores, expected.best_epoch)
    for name, tensor in whole.state_dict().items():
        assert torch.equal(tensor, resumed.state_dict()[name])


def test_a_complete_run_only_gives_back_its_weights(tmp_path: Path) -> None:
    system, history = train(tmp_path, select=scores(0.1, 0.3, 0.2))
    before = losses(tmp_path)
    again, same = train(tmp_path, system=tiny(seed=99), select=scores())
    assert same == history
    assert losses(tmp_path) == before
    for name, tensor in system.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[name])


@pytest.mark.parametrize("change", [{"lr": 0.1}, {"seed": 5}, {"examples": tones(num=20)}])
def test_a_folder_with_another_run_is_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    _ = train(tmp_path)
    with pytest.raises(ResumeError, match="holds a run with other settings, seed, system or utter"):
        _ = train(tmp_path, system=tiny(), **change)


@pytest.mark.slow
def test_a_run_killed_in_the_middle_of_a_step_takes_the_same_steps_when_started_again(
    tmp_path: Path,
) -> None:
    def process(folder: str, die_at: int) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "train_tiny.py", str(tmp_path / folder), str(die_at)]
        return subprocess.Popen(command, cwd=Path(__file__).parent, env=ENVIRONMENT)

    uninterrupted = process("whole", -1)
    assert process("killed", 11).wait(300) == -9  # of 24 steps, in the middle of the third epoch
    assert len(losses(tmp_path / "killed")) == 11
    assert process("killed", -1).wait(300) == 0
    assert uninterrupted.wait(300) == 0
    whole, killed = (
        (tmp_path / name / "losses.jsonl").read_bytes() for name in ("whole", "killed")
    )
    assert whole == killed
    assert whole.count(b"\n") == 24
    histories = [
        json.loads((tmp_path / n / "history.json").read_text()) for n in ("whole", "killed")
    ]
    for history in histories:
        for epoch in history["epochs"]:
            del epoch["seconds"]
    assert histories[0] == histories[1]


@pytest.fixture(scope="module")
def two_processes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What two processes left that took a gradient and then trained together."""
    folder = tmp_path_factory.mktemp("two_processes")
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    done = subprocess.run(
        [sys.executable, *launcher, "two_processes.py", str(folder)],
        cwd=Path(__file__).parent,
        env={**ENVIRONMENT, "ACCELERATE_USE_CPU": "1"},
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.slow
def test_two_processes_share_the_batches_and_end_with_the_same_weights(
    two_processes: Path,
) -> None:
    assert [line["step"] for line in losses(two_processes)] == list(range(1, 13))  # half of 24
    digests = [path.read_text() for path in sorted(two_processes.glob("weights-*"))]
    assert len(digests) == 2
    assert digests[0] == digests[1]


# -------------------------------------------------------------------------------- micro-batches


def test_an_objective_over_the_batch_has_the_same_gradient_in_whatever_parts() -> None:
    losses, whole = gradients(over="micro", micro_batch=0)
    for micro_batch in (0, 16, 11, 4):
        again, found = gradients(over="batch", micro_batch=micro_batch)
        assert again == pytest.approx(losses, abs=1e-6)
        assert found == pytest.approx(whole, abs=1e-6)


def test_the_mean_over_parts_is_another_loss_with_another_gradient() -> None:
    losses, whole = gradients(over="micro", micro_batch=0)
    again, found = gradients(over="micro", micro_batch=8)
    assert again["arousal"] != pytest.approx(losses["arousal"], abs=1e-3)
    assert found != pytest.approx(whole, abs=1e-3)


def test_both_passes_over_a_part_draw_the_same_random_numbers() -> None:
    """With others the gradient would not be that of the loss: one part shows it exactly."""
    losses, whole = gradients(over="micro", micro_batch=0, dropout=0.5)
    again, found = gradients(over="batch", micro_batch=0, dropout=0.5)
    assert again == pytest.approx(losses, abs=1e-6)
    assert found == pytest.approx(whole, abs=1e-6)
    assert found != pytest.approx(gradients(over="micro", micro_batch=0)[1], abs=1e-3)


@pytest.mark.slow
def test_two_processes_take_the_objective_of_all_their_utterances_together(
    two_processes: Path,
) -> None:
    losses, whole = gradients(over="micro", micro_batch=0)
    answers = [json.loads(path.read_text()) for path in sorted(two_processes.glob("rank*.json"))]
    assert len(answers) == 2
    for again, found in answers:
        assert again == pytest.approx(losses, abs=1e-6)
        assert found == pytest.approx(whole, abs=1e-6)


@pytest.mark.parametrize("over", ["micro", "batch"])
def test_micro_batches_take_one_step_for_each_batch(over: Any, tmp_path: Path) -> None:
    examples = tones()
    system = tiny()
    _, history = train(
        tmp_path, examples=examples, system=system, batch=12, micro_batch=5, objective_over=over
    )
    assert [epoch.step for epoch in history.epochs] == [2, 4, 6]
    assert all(record["num_utterances"] == 12 for record in losses(tmp_path))
    assert history.epochs[-1].losses["cross_entropy"] < history.epochs[0].losses["cross_entropy"]
