import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from serkit.models.encoders import LOG_MEL, LogMelEncoder, build_encoder, in_stretches
from serkit.models.masked import MaskedBatchNorm

NOISE = np.random.default_rng(0).normal(size=40000).astype(np.float32) / 10


@pytest.fixture(scope="module")
def encoder() -> LogMelEncoder:
    torch.manual_seed(0)
    made = LogMelEncoder().eval()
    made.prepare([NOISE[:16000], NOISE[16000:] / 2])
    return made


@settings(max_examples=40, deadline=None)
@given(st.integers(400, 2000) | st.sampled_from([1, 100, 399, 16000, 33333]))
def test_it_says_how_many_frames_it_gives(num_samples: int) -> None:
    encoder = LogMelEncoder(width=8, num_blocks=1).eval()
    frames, num_frames = encoder(torch.randn(1, num_samples), torch.tensor([num_samples]))
    assert frames.shape == (1, int(num_frames), 8)
    assert encoder.num_frames(torch.tensor([num_samples])).tolist() == num_frames.tolist()
    mel_frames = 1 + (max(num_samples, 400) - 400) // 160
    assert int(num_frames) == -(-mel_frames // 2)


@torch.no_grad()
def test_frames_are_the_same_alone_padded_and_in_company(encoder: LogMelEncoder) -> None:
    first, second = torch.from_numpy(NOISE[:9000]), torch.from_numpy(NOISE[9000:30000])
    length = torch.tensor([9000])
    alone, num_frames = encoder(first[None], length)
    padded, _ = encoder(torch.cat([first, torch.full((5000,), 9.0)])[None], length)
    both = torch.stack([torch.cat([first, torch.zeros(12000)]), second])
    among, nums = encoder(both, torch.tensor([9000, 21000]))
    valid = slice(0, int(num_frames))
    torch.testing.assert_close(padded[:, valid], alone[:, valid], atol=1e-5, rtol=0)
    torch.testing.assert_close(among[:1, valid], alone[:, valid], atol=1e-5, rtol=0)
    assert (among[0, int(num_frames) :] == 0).all()
    assert nums.tolist() == [int(num_frames), int(encoder.num_frames(torch.tensor([21000])))]


def test_mel_bins_of_the_training_side_have_mean_0_and_deviation_1(encoder: LogMelEncoder) -> None:
    frames = [
        encoder.log_mel(torch.from_numpy(part)[None], torch.tensor([len(part)]))[0][0, 0]
        for part in (NOISE[:16000], NOISE[16000:] / 2)
    ]
    together = (torch.cat(frames) - encoder.mean) / encoder.deviation
    torch.testing.assert_close(together.mean(0), torch.zeros(64), atol=1e-4, rtol=0)
    torch.testing.assert_close(together.std(0, correction=0), torch.ones(64), atol=1e-3, rtol=0)


def test_nothing_to_prepare_by_is_said() -> None:
    with pytest.raises(ValueError, match="no training utterance"):
        LogMelEncoder().prepare([])


@pytest.mark.parametrize(
    "setting", [{"tune": "lora"}, {"layers": "weighted"}, {"normalise": "corpus"}]
)
def test_settings_of_pretrained_encoders_mean_nothing_from_scratch(setting: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(setting))}: log_mel is trained from scratch"):
        build_encoder(LOG_MEL, **setting)


@pytest.fixture(scope="module", params=["log_mel", "cnn_blstm"])
def prepared(request: pytest.FixtureRequest) -> torch.nn.Module:
    torch.manual_seed(0)
    made = build_encoder(request.param).eval()
    made.prepare([NOISE[:16000], NOISE[16000:] / 2])
    return made


@torch.no_grad()
def test_every_encoder_from_scratch_hears_an_utterance_the_same_in_company(
    prepared: torch.nn.Module,
) -> None:
    first, second = torch.from_numpy(NOISE[:9000]), torch.from_numpy(NOISE[9000:30000])
    alone, num_frames = prepared(first[None], torch.tensor([9000]))
    assert num_frames.tolist() == prepared.num_frames(torch.tensor([9000])).tolist()
    assert alone.shape == (1, int(num_frames), prepared.width)
    both = torch.stack([torch.cat([first, torch.full((12000,), 7.0)]), second])
    among, nums = prepared(both, torch.tensor([9000, 21000]))
    torch.testing.assert_close(among[:1, : int(num_frames)], alone, atol=1e-5, rtol=0)
    assert (among[0, int(num_frames) :] == 0).all()
    assert nums.tolist() == prepared.num_frames(torch.tensor([9000, 21000])).tolist()


def test_augmentation_is_of_training_alone_and_drawn_anew() -> None:
    for name in ("log_mel", "cnn_blstm"):
        torch.manual_seed(0)
        encoder = build_encoder(name, augment="vtlp+specaugment")
        for module in encoder.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.0
        heard = torch.from_numpy(NOISE[:16000])[None], torch.tensor([16000])
        first, second = encoder.train()(*heard)[0], encoder(*heard)[0]
        assert not torch.allclose(first, second, atol=1e-3)
        assert torch.equal(encoder.eval()(*heard)[0], encoder(*heard)[0])


def test_the_convolutional_recurrent_encoder_has_the_parameters_it_says() -> None:
    assert sum(p.numel() for p in build_encoder("cnn_blstm").parameters()) == 117_664


def test_augmentation_is_refused_for_pretrained_encoders() -> None:
    with pytest.raises(ValueError, match="augment: vtlp is for log_mel, cnn_blstm"):
        build_encoder("some/encoder", augment="vtlp")


def test_many_short_answers_are_averaged_each_by_its_own_lengths() -> None:
    encoder = build_encoder(LOG_MEL)
    waveforms = [np.full(n, float(n), np.float32) for n in (3, 25, 10)]

    def first_and_length(waveform: torch.Tensor, num_samples: torch.Tensor) -> torch.Tensor:
        return torch.stack([waveform[:, 0], num_samples.float()], dim=1)

    found = in_stretches(encoder, waveforms, first_and_length, longest=10)
    wanted = [[3.0, 3.0], [25.0, (10 * 10 + 10 * 10 + 5 * 5) / 25], [10.0, 10.0]]
    torch.testing.assert_close(found, torch.tensor(wanted))


def test_a_pass_without_a_graph_leaves_running_moments_alone() -> None:
    norm = MaskedBatchNorm(4).train()
    x = torch.randn(8, 4, 5)
    with torch.no_grad():
        first = norm(x)
    assert (norm.running_mean == 0).all()
    torch.testing.assert_close(norm(x).detach(), first)
    assert (norm.running_mean != 0).all()
