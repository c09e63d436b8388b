"""FaceNet: windows and votes by hand, transfer and freezing, gradients, padding and learning."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from serkit.experiment import ExperimentError
from serkit.experiment.transfer import begin_from_faces
from serkit.objectives.triplet import triplet
from serkit.systems.facenet import (
    AT_ONCE,
    FROZEN,
    MOST_WINDOWS,
    Config,
    FaceNet,
    Neighbours,
    aggregate,
)
from serkit.trainer import checkpoint
from serkit.trainer.loop import Example, Settings, draw_batches, fit
from serkit.trainer.run import Run

TWO = ("anger", "sadness")
LOSSES = ("softmax", "triplet", "softmax_triplet")


def made(**switches) -> FaceNet:
    torch.manual_seed(0)
    return FaceNet(Config(**{"emotions": TWO, "utterances": 2, **switches}))


def noise(num_samples: int, *, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.1, num_samples).astype(np.float32)


def batch(lengths: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
    padded = torch.zeros(len(lengths), max(lengths))
    for place, length in enumerate(lengths):
        padded[place, :length] = torch.from_numpy(noise(length, seed=place))
    return padded, torch.tensor(lengths)


def step(system: FaceNet, lengths: list[int], emotions: list[int]) -> dict[str, torch.Tensor]:
    """Losses of a batch, and their gradients."""
    target = torch.eye(len(system.config.emotions))[emotions]
    losses = system.objective(system(*batch(lengths)), target)
    sum(losses.values()).backward()
    return losses


@pytest.fixture(scope="module")
def evaluated() -> FaceNet:
    """Batch norms that have seen something, in evaluation mode."""
    system = made()
    with torch.no_grad():
        for _ in range(5):
            system(*batch([20000, 30000, 16000, 45000]))
    return system.eval()


# ------------------------------------------------------------------------------------- windows


def test_in_training_a_few_windows_of_each_utterance_are_drawn():
    system = made()
    answers = system(*batch([9000, 16000, 60000, 24000]))
    assert answers.shape == (4, AT_ONCE, 2 + 128 + 1)
    assert answers[:, :, -1].tolist() == [[1, 0, 0, 0], [1, 0, 0, 0], [1] * 4, [1, 1, 0, 0]]
    assert (answers[0, 1:] == 0).all()
    assert made(loss="triplet")(*batch([9000, 60000])).shape == (2, 1, 131)


def test_windows_are_shifted_by_up_to_a_hop_and_only_where_there_is_room():
    system = made()
    starts = [system._draw([60000], 60)[1] for _ in range(20)]
    first = [min(drawn) for drawn in starts]
    assert len(set(first)) > 10
    assert min(first) >= 0
    assert max(first) < 8000
    assert all(start % 8000 == first[0] % 8000 for start in starts[0])
    assert all(max(drawn) < 60000 - 8000 for drawn in starts)
    assert all(min(system._draw([24000], 60)[1]) == 0 for _ in range(5))
    assert {min(made(jitter=False)._draw([60000], 60)[1]) for _ in range(5)} == {0}


def test_of_a_long_utterance_sixty_windows_are_drawn_evenly():
    places, starts = made(jitter=False)._draw([8000 * 400], MOST_WINDOWS)
    assert len(places) == len(set(starts)) == MOST_WINDOWS
    steps = np.diff(sorted(starts)) / 8000
    assert set(steps) <= {6, 7}


def test_an_epoch_hears_about_all_windows_of_an_utterance():
    system, generator = made(), np.random.default_rng(0)
    for num_windows, times in ((1, 1), (5, 1), (7, 2), (40, 10), (400, 15)):
        num_samples = 8000 * (num_windows + 1)
        assert system.cuts(num_samples, generator) == [(0, num_samples)] * times
    assert made(loss="triplet").cuts(10**6, generator) == [(0, 10**6)]


def test_triplets_come_in_batches_with_as_many_utterances_of_each_emotion():
    system = made(loss="softmax_triplet", utterances=3)
    waveform = noise(16000)
    examples = [Example(waveform=waveform, id=str(i), emotion=i % 2) for i in range(12)]
    batches = draw_batches(system, examples, Settings(), np.random.default_rng(0))
    assert len(batches) == 4 * 2
    for stretches in batches:
        assert len({stretch.example.id for stretch in stretches}) == 6
        assert sum(stretch.example.emotion for stretch in stretches) == 3
    with pytest.raises(ValueError, match="sadness has 2 training utterances"):
        system.batches([0, 0, 0, 1, 1], speakers=[], generator=np.random.default_rng(0))


def test_a_whole_utterance_may_be_one_stretched_picture():
    system = made(window=0.0)
    assert system(*batch([5000, 30000]))[:, :, -1].tolist() == [[1, 0, 0, 0]] * 2
    system.eval()
    starts, ends, posterior = system.window_posteriors(noise(40000))
    assert (starts, ends, posterior.shape) == ([0.0], [2.5], (1, 2))


@pytest.mark.parametrize("augment", ["vtlp", "specaugment", "vtlp+specaugment"])
def test_pictures_are_perturbed_in_training_alone(augment):
    plain, perturbed = made(), made(augment=augment)
    assert torch.equal(plain.eval().posterior([noise(16000)]),
                       perturbed.eval().posterior([noise(16000)]))  # fmt: skip
    seen: list[torch.Tensor] = []
    for system in (plain, perturbed):
        system.network.register_forward_pre_hook(lambda _, heard: seen.append(heard[0]))
        _ = system.train()(*batch([16000, 16000]))
    one, other = seen
    assert one.shape == other.shape
    assert not torch.equal(one, other)
    blank = (other == -1).all(2).any() or (other == -1).all(3).any()
    assert blank or augment == "vtlp"


def test_a_waveform_diagram_may_be_blanked():
    assert made(picture="waveform", augment="specaugment")(*batch([16000])).isfinite().all()


def test_a_batch_with_one_window_is_normalised_by_what_is_remembered():
    system = made()
    assert sum(step(system, [16000], [0]).values()).isfinite()
    assert system.network.training


# -------------------------------------------------------------------------- from windows to whole


def test_votes_are_those_worked_out_by_hand():
    posterior = torch.tensor([[0.7, 0.2, 0.1], [0.1, 0.5, 0.4], [0.3, 0.4, 0.3], [0.0, 0.0, 1.0]])
    owner, weight = torch.tensor([0, 0, 0, 1]), torch.tensor([1.0, 1.0, 0.5, 0.25])

    def rule(name: str) -> torch.Tensor:
        found = aggregate(posterior, owner, weight, num=2, rule=name)
        torch.testing.assert_close(found.sum(1), torch.ones(2))
        return found[0]

    mean = torch.tensor([0.95, 0.9, 0.65]) / 2.5
    torch.testing.assert_close(rule("mean"), mean)
    most = torch.tensor([0.7, 0.5, 0.4])
    torch.testing.assert_close(rule("max"), most / most.sum())
    votes = (torch.tensor([1.0, 1.5, 0.0]) / 2.5 + 1e-3 * mean) / 1.001
    torch.testing.assert_close(rule("majority"), votes)
    logs = (posterior[0].log() + posterior[1].log() + 0.5 * posterior[2].log()) / 2.5
    torch.testing.assert_close(rule("product"), logs.softmax(0))


def test_a_tie_goes_to_the_higher_mean():
    posterior = torch.tensor([[0.9, 0.1], [0.4, 0.6]])
    owner, weight = torch.tensor([0, 0]), torch.ones(2)
    found = aggregate(posterior, owner, weight, num=1, rule="majority")
    assert found[0].argmax() == 0
    found = aggregate(posterior.flip(1), owner, weight, num=1, rule="majority")
    assert found[0].argmax() == 1


def test_of_one_window_all_rules_say_the_same_emotion():
    posterior = torch.rand(50, 7, generator=torch.Generator().manual_seed(0)).softmax(1)
    for rule in ("mean", "product", "max", "majority"):
        found = aggregate(posterior, torch.arange(50), torch.full((50,), 0.3), num=50, rule=rule)
        assert torch.equal(found.argmax(1), posterior.argmax(1))


def test_the_mean_of_the_timeline_is_the_answer(evaluated):
    waveform = noise(37000)
    starts, ends, posterior = evaluated.window_posteriors(waveform)
    assert starts == [0.0, 0.5, 1.0, 1.5]
    assert ends == [1.0, 1.5, 2.0, 2.3125]
    weight = torch.tensor(ends) - torch.tensor(starts)
    mean = (weight.unsqueeze(1) * posterior).sum(0) / weight.sum()
    torch.testing.assert_close(mean, evaluated.posterior([waveform])[0])


def test_trimmed_windows_are_timed_in_the_whole_recording():
    system = made(trim=30.0).eval()
    waveform = np.concatenate([np.zeros(32000, np.float32), noise(16000)])
    starts, ends, _ = system.window_posteriors(waveform)
    assert starts[0] == pytest.approx(1.9, abs=0.05)
    assert ends[-1] == pytest.approx(3.0, abs=0.01)


@torch.no_grad()
def test_alone_padded_or_in_a_batch_an_utterance_is_the_same(evaluated):
    first, length = batch([16000, 23000, 41000])
    together = evaluated(first, length).exp()
    for place in range(3):
        samples = first[[place], : length[place]]
        alone = evaluated(samples, length[[place]]).exp()
        torch.testing.assert_close(alone, together[[place]], atol=1e-5, rtol=0)
        padded = torch.cat([samples, torch.full((1, 9000), 0.7)], dim=1)
        again = evaluated(padded, length[[place]]).exp()
        torch.testing.assert_close(again, alone, atol=1e-5, rtol=0)
    rows = [first[place, : length[place]].numpy() for place in range(3)]
    torch.testing.assert_close(evaluated.posterior(rows), together, atol=1e-5, rtol=0)


def test_many_windows_are_seen_in_parts(evaluated, monkeypatch):
    waveforms = [noise(80000), noise(30000, seed=1)]
    whole, vectors = evaluated.posterior(waveforms), evaluated.embed(waveforms)
    monkeypatch.setattr("serkit.systems.facenet.PICTURES_AT_ONCE", {"cpu": 2})
    monkeypatch.setattr("serkit.systems.facenet.SAMPLES_AT_ONCE", 1)
    torch.testing.assert_close(evaluated.posterior(waveforms), whole, atol=1e-6, rtol=0)
    torch.testing.assert_close(evaluated.embed(waveforms), vectors, atol=1e-5, rtol=0)
    torch.testing.assert_close(vectors.norm(dim=1), torch.ones(2))


# ---------------------------------------------------------------------------------- explanations


@pytest.mark.parametrize("trim", [0.0, 30.0])
def test_an_explanation_shows_what_was_seen_of_each_window(trim):
    system = made(trim=trim)
    waveform = np.concatenate([1e-4 * noise(9000, seed=1), noise(20000)])
    found = system.explain(waveform)
    assert system.training
    starts, ends, posterior = system.window_posteriors(waveform)
    assert (found.starts, found.ends, found.span) == (starts, ends, 1.0)
    torch.testing.assert_close(found.posterior, posterior)
    assert found.emotion == system.posterior([waveform]).argmax()
    samples, length, _ = system.raster.heard(
        torch.from_numpy(waveform)[None], torch.tensor([len(waveform)])
    )
    level = system.raster.level(samples, length)
    torch.testing.assert_close(found.picture[0], system.raster(samples[:, :16000], level)[0, 0])
    assert found.map.shape == found.picture.shape == (len(starts), 96, 96)
    assert found.map.min() >= 0
    assert found.map.max() in (0.0, 1.0)


@pytest.mark.parametrize(
    "switches", [{"freeze": "all"}, {"loss": "triplet"}, {"window": 0.0}, {"aggregate": "knn"}]
)
def test_every_kind_of_network_can_be_explained(switches):
    found = made(**switches).explain(noise(20000), 1)
    assert found.emotion == 1
    assert found.map.isfinite().all()


def test_windows_are_explained_apart_and_emotions_are_weighed_against_each_other(
    evaluated, monkeypatch
):
    waveform = noise(40000)
    both = [evaluated.explain(waveform, emotion) for emotion in (0, 1)]
    assert not torch.equal(both[0].map, both[1].map)
    monkeypatch.setattr("serkit.systems.facenet.EXPLAINED_AT_ONCE", 1)
    alone = evaluated.explain(waveform, 0)
    torch.testing.assert_close(alone.map, both[0].map, atol=1e-4, rtol=0)
    with torch.no_grad():
        evaluated.logits.bias += 3.0  # shared by all emotions, so it decides nothing
        evaluated.logits.weight += torch.randn(1, 128)
    again = evaluated.explain(waveform, 0)
    torch.testing.assert_close(again.map, both[0].map, atol=1e-3, rtol=0)


def test_neighbours_vote_by_how_near_they_are():
    neighbours = Neighbours(3, 2)
    vectors = torch.tensor([[1.0, 0.0]] * 6 + [[0.0, 1.0]] * 6)
    neighbours.remember(vectors, torch.tensor([0] * 6 + [2] * 6))
    found = neighbours(torch.tensor([[1.0, 0.0]]))[0]
    torch.testing.assert_close(found, torch.tensor([6 / 8, 0.0, 2 / 8]))  # 6 of 1, 4 of 1/2


def test_neighbours_are_remembered_after_training_and_on_disk(tmp_path):
    system = made(aggregate="knn").eval()
    heard = [noise(16000, seed=seed) for seed in range(4)]
    before = system.posterior(heard)
    torch.testing.assert_close(before, made().eval().posterior(heard))  # until then, the mean
    system.conclude(heard, [0, 1, 0, 1], development=None, speakers=[None] * 4, seed=0)
    checkpoint.save(system, tmp_path)
    loaded = checkpoint.load(tmp_path)
    assert torch.equal(loaded.posterior(heard), system.posterior(heard))
    assert not torch.equal(system.posterior(heard), before)
    assert not made().concludes


# ------------------------------------------------------------------------------------ objectives


@pytest.mark.parametrize("loss", LOSSES)
def test_the_gradient_reaches_every_parameter(loss):
    system = made(loss=loss, mining="hardest")
    losses = step(system, [16000, 20000, 18000, 16000], [0, 0, 1, 1])
    names = {"softmax": {"cross_entropy"}, "triplet": {"triplet"}}
    assert losses.keys() == names.get(loss, {"cross_entropy", "triplet"})
    for name, parameter in system.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name
    assert hasattr(system, "logits") == ("softmax" in loss)


def test_the_losses_are_those_of_the_windows():
    system = made(loss="softmax_triplet", centre=True)
    answers = torch.randn(5, 1, 131)
    answers[:, :, -1] = 1
    target = torch.eye(2)[[0, 0, 1, 1, 1]]
    losses = system.objective(answers, target)
    logits, embedding = answers[:, 0, :2], answers[:, 0, 2:-1]
    wanted = nn.functional.cross_entropy(logits, target)
    torch.testing.assert_close(losses["cross_entropy"], wanted)
    apart, _ = triplet(embedding, target.argmax(1), torch.arange(5))
    torch.testing.assert_close(losses["triplet"], apart)
    far = embedding.square().sum(1).mean()  # the centres are still 0
    torch.testing.assert_close(losses["centre"], 2e-5 * far)
    centre = 0.05 * torch.stack([embedding[:2].mean(0), embedding[2:].mean(0)])
    torch.testing.assert_close(system.centres, centre)


def test_triplets_are_counted_and_logged(tmp_path):
    system = made(loss="triplet", mining="hardest")
    _ = step(system, [16000, 16000, 16000, 16000], [0, 0, 1, 1])
    assert system.counts() == {"num_triplets": 4}  # each of two emotions has two ordered pairs
    assert system.counts() == {"num_triplets": 0}
    assert made().counts() == {}
    examples = [Example(waveform=noise(16000), id=str(i), emotion=i % 2) for i in range(4)]
    for loss, keys in (("triplet", 1), ("softmax", 0)):
        run = Run(tmp_path / loss)
        settings = Settings(epochs=1, balance="none", device="cpu", precision="float32")
        _ = fit(made(loss=loss, mining="hardest"), examples, settings=settings, seed=0, run=run,
                select=None)  # fmt: skip
        lines = [json.loads(line) for line in run.losses_path.read_text().splitlines()]
        assert [line.get("num_triplets", 0) for line in lines] == [4 * keys] * len(lines)
        assert ("num_triplets" in lines[0]) == bool(keys)


def test_empty_places_cost_nothing():
    system = made()
    answers = torch.randn(2, 4, 131)
    answers[:, :, -1] = 1
    answers[1, 1:] = 0
    target = torch.eye(2)
    loss = system.objective(answers, target)["cross_entropy"]
    logits = torch.cat([answers[0, :, :2], answers[1, :1, :2]])
    wanted = nn.functional.cross_entropy(logits, torch.tensor([0, 0, 0, 0, 1]))
    torch.testing.assert_close(loss, wanted)


def test_without_logits_a_window_is_of_the_nearest_prototype():
    system = made(loss="triplet").eval()
    waveform = noise(16000)
    own = system.embed([waveform])[0]
    system.centres.copy_(torch.stack([-own, 3 * own]))
    posterior = system.posterior([waveform])[0]
    torch.testing.assert_close(posterior, torch.tensor([-10.0, 10.0]).softmax(0))


# ------------------------------------------------------------------------------------- transfer


def test_a_new_task_begins_with_everything_but_the_logits():
    source = FaceNet(Config(emotions=("a", "b", "c"), picture="waveform"))
    system = made(picture="spectrogram")
    before = system.logits.weight.clone()
    system.adopt(source)
    theirs = source.network.state_dict()
    for name, tensor in system.network.state_dict().items():
        assert torch.equal(tensor, theirs[name]), name
    assert torch.equal(system.logits.weight, before)
    with pytest.raises(ValueError, match="its network has size=small, not half"):
        made(size="half").adopt(source)
    with pytest.raises(ValueError, match="it is no facenet, but Linear"):
        system.adopt(nn.Linear(2, 2))


@pytest.mark.parametrize("freeze", ["stem", "to_6a", "all"])
def test_frozen_parts_stay_bit_for_bit_through_ten_steps(freeze):
    system = made(freeze=freeze).train()
    before = {name: tensor.clone() for name, tensor in system.state_dict().items()}
    optimizer = torch.optim.AdamW(system.parameters(), lr=0.1, weight_decay=0.1)
    for _ in range(10):
        optimizer.zero_grad()
        step(system, [16000, 16000], [0, 1])
        optimizer.step()
    frozen = tuple(f"network.{name}." for name in FROZEN[freeze])
    for name, tensor in system.state_dict().items():
        if name.startswith(frozen) or name == "centres":  # which a softmax alone does not ask for
            assert torch.equal(tensor, before[name]), name
        else:
            assert not torch.equal(tensor, before[name]), name


def test_weights_of_faces_are_read_by_name(tmp_path):
    torch.manual_seed(1)
    weights = made().network.state_dict() | {"logits.weight": torch.zeros(9, 128)}
    save_file(weights, tmp_path / "faces.safetensors")
    torch.save(weights, tmp_path / "faces.pt")
    for name in ("faces.safetensors", "faces.pt"):
        system = made(face_weights=name)
        nn.init.zeros_(system.network.last_linear.weight)
        begin_from_faces(system, tmp_path / name)
        assert torch.equal(system.network.last_linear.weight, weights["last_linear.weight"])


def test_files_that_are_no_weights_are_refused(tmp_path):
    with pytest.raises(ExperimentError, match=r"face_weights: .*no\.pt: there is no such file"):
        begin_from_faces(made(), tmp_path / "no.pt")
    (tmp_path / "bad.pt").write_bytes(b"this is no file of torch's")
    with pytest.raises(ExperimentError, match="cannot be read as weights alone"):
        begin_from_faces(made(), tmp_path / "bad.pt")
    torch.save([1, 2], tmp_path / "list.pt")
    with pytest.raises(ExperimentError, match="must hold tensors by name"):
        begin_from_faces(made(), tmp_path / "list.pt")
    torch.save({"last_bn.weight": torch.zeros(512)}, tmp_path / "other.pt")
    with pytest.raises(ExperimentError, match=r"missing: block8.*of another size: last_bn\.weight"):
        begin_from_faces(made(), tmp_path / "other.pt")


# ------------------------------------------------------------------------------- configurations


@pytest.mark.parametrize(
    ("switches", "message"),
    [
        ({"window": 0.05}, "window: 0.05 must be from 0.1"),
        ({"hop": 1.5}, "hop: 1.5 must be from 0.01 s to the window"),
        ({"alpha": 0.0}, "alpha: 0.0 must be above 0"),
        ({"utterances": 1}, "utterances: 1 must be at least 2"),
        ({"trim": -1.0}, "trim: -1.0 must be at least 0"),
        ({"freeze": "all", "loss": "triplet"}, "freeze: with all of the network frozen"),
        ({"freeze": "all", "loss": "softmax_triplet"}, "triplets and centres have nothing to"),
        ({"freeze": "all", "centre": True}, "triplets and centres have nothing to learn"),
        ({"emotions": ("anger",)}, "two or more different labels"),
        ({"augment": "vtlp", "mel": True}, "augment: vtlp stretches frequencies, and needs a"),
        ({"augment": "vtlp+specaugment", "picture": "waveform"}, "needs a spectrogram of linear"),
    ],
)
def test_what_cannot_be_built_is_refused(switches, message):
    with pytest.raises(ValueError, match=message):
        Config(**{"emotions": TWO, **switches})


def test_the_sizes_have_the_parameters_of_the_specification():
    for size, number in (("small", 1_477_168), ("half", 5_883_520)):
        network = made(size=size).network
        assert sum(parameter.numel() for parameter in network.parameters()) == number
    assert FaceNet.multiply_accumulates(Config(emotions=TWO)) / 1e6 == pytest.approx(47.3, abs=0.1)


# -------------------------------------------------------------------------------------- learning


def test_it_tells_two_tones_apart_on_a_speaker_it_never_heard(tmp_path):
    """From spectrograms; the contract of all systems does it from waveform diagrams."""

    def said(emotion: int, speaker: int, take: int) -> np.ndarray:
        generator = np.random.default_rng((emotion, speaker, take))
        time = np.arange(int(generator.integers(20000, 30000))) / 16000
        hertz = (300, 900)[emotion] * (1 + 0.02 * speaker)
        tremolo = 1 + 0.5 * np.sin(2 * np.pi * (3, 8)[emotion] * time)
        samples = tremolo * np.sin(2 * np.pi * hertz * time) + generator.normal(0, 0.1, len(time))
        return (0.1 * samples).astype(np.float32)

    takes = [(e, s, take) for e in (0, 1) for s in range(4) for take in range(3)]
    train = [
        Example(waveform=said(*take), id=str(take), emotion=take[0]) for take in takes if take[1]
    ]
    system = made(picture="spectrogram")
    system.prepare([example.waveform for example in train], [0] * len(train))
    settings = Settings(
        **{**FaceNet.settings, "epochs": 12, "batch": 18, "lr": 2e-3, "schedule": "one_cycle"}
    )
    _ = fit(system, train, settings=settings, seed=0, run=Run(tmp_path), select=None)
    unheard = [take for take in takes if take[1] == 0]
    found = system.posterior([said(*take) for take in unheard]).argmax(1).tolist()
    assert found == [emotion for emotion, _, _ in unheard]
