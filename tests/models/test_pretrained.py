"""Pre-trained encoders: tiny ones with random weights, of every family, made here."""

import copy
import json
import sys
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from serkit.corpus import MissingExtraError
from serkit.models.pretrained import EncoderError, PretrainedEncoder, stretches

transformers = pytest.importorskip("transformers", reason="needs the extra serkit[ssl]")

CONVOLUTIONAL = [
    f"{family}-{norm}" for family in ("wavlm", "wav2vec2", "hubert") for norm in ("layer", "group")
]
KINDS = [*CONVOLUTIONAL, "whisper"]
RATE = "sampling_rate"  # as transformers spells it; codespell:ignore sampling_rate
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@cache
def configured(kind: str) -> Any:
    family, _, norm = kind.partition("-")
    if family == "whisper":
        return transformers.WhisperConfig(
            d_model=16,
            encoder_layers=2,
            encoder_attention_heads=2,
            encoder_ffn_dim=24,
            decoder_layers=1,
            decoder_attention_heads=2,
            decoder_ffn_dim=24,
            max_source_positions=100,
            vocab_size=20,
            pad_token_id=0,
            bos_token_id=1,
            eos_token_id=2,
            decoder_start_token_id=1,
            init_std=0.2,
        )
    names = {"wavlm": "WavLM", "wav2vec2": "Wav2Vec2", "hubert": "Hubert"}
    return getattr(transformers, f"{names[family]}Config")(
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=24,
        conv_dim=(8,) * 7,
        num_conv_pos_embeddings=8,
        num_conv_pos_embedding_groups=2,
        feat_extract_norm=norm,
        conv_bias=norm == "layer",
        do_stable_layer_norm=norm == "layer",
        initializer_range=0.2,
        num_buckets=32,  # of WavLM
        max_bucket_distance=80,
    )


def saved(
    kind: str, folder: Path, *, head: str = "Model", do_normalize: bool | None = True, **kwargs: Any
) -> Path:
    """A checkpoint as transformers writes it."""
    torch.manual_seed(1)
    config = configured(kind)
    name = type(config).__name__.removesuffix("Config") + head
    getattr(transformers, name)(copy.deepcopy(config)).save_pretrained(folder, **kwargs)
    if do_normalize is not None:
        stated = {"do_normalize": do_normalize, RATE: 16000}
        (folder / "preprocessor_config.json").write_text(json.dumps(stated))
    return folder


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return {kind: str(saved(kind, tmp_path_factory.mktemp(kind))) for kind in KINDS}


def still(folder: str, **settings: Any) -> PretrainedEncoder:
    """Without anything random in training."""
    encoder = PretrainedEncoder(folder, spec_augment=False, layerdrop=0.0, **settings)
    for module in encoder.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
        if isinstance(getattr(module, "dropout", None), float):
            module.dropout = 0.0
    return encoder


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return 0.1 * torch.randn(*shape, generator=torch.Generator().manual_seed(seed)) + 0.02


def lengths(*numbers: int) -> torch.Tensor:
    return torch.tensor(numbers)


def step(encoder: PretrainedEncoder, rate: float = 0.1) -> None:
    """One step of gradient descent towards nothing in particular."""
    learning = [parameter for parameter in encoder.parameters() if parameter.requires_grad]
    optimiser = torch.optim.SGD(learning, lr=rate)
    frames, _ = encoder(noise(2, 8000), lengths(8000, 5000))
    (frames * noise(*frames.shape, seed=5)).sum().backward()
    optimiser.step()
    optimiser.zero_grad()


# -- frames -------------------------------------------------------------------------------------


@pytest.mark.parametrize("normalise", ["corpus", "utterance"])
@pytest.mark.parametrize("layers", ["last", "weighted"])
@pytest.mark.parametrize("kind", KINDS)
def test_an_utterance_is_heard_the_same_alone_padded_or_in_company(
    folders, kind, layers, normalise
):
    encoder = PretrainedEncoder(folders[kind], layers=layers, normalise=normalise).eval()
    encoder.prepare([noise(9000, seed=7).numpy()])
    numbers = [16000, 9000, 5000, 200]
    waveforms = [noise(number, seed=number) for number in numbers]
    with torch.no_grad():
        alone = [
            encoder(waveform.unsqueeze(0), lengths(len(waveform)))[0][0] for waveform in waveforms
        ]
        batch = 3.0 * noise(4, 17000, seed=9)  # what stands in the padding must not matter
        for row, waveform in zip(batch, waveforms, strict=True):
            row[: len(waveform)] = waveform
        frames, num_frames = encoder(batch, lengths(*numbers))
        padded, _ = encoder(batch[1:2], lengths(9000))
    assert frames.abs().max() > 0.1
    torch.testing.assert_close(padded[0], alone[1], atol=1e-5, rtol=0)
    for row, number, expected in zip(frames, num_frames.tolist(), alone, strict=True):
        assert len(expected) == number
        torch.testing.assert_close(row[:number], expected, atol=1e-5, rtol=0)
        assert row[number:].eq(0).all()


def test_a_mask_alone_would_not_keep_group_norms_from_hearing_the_padding(folders):
    network = transformers.Wav2Vec2Model.from_pretrained(folders["wav2vec2-group"]).eval()
    waveform = noise(1, 8000)
    padded = torch.nn.functional.pad(waveform, (0, 8000))
    with torch.no_grad():
        alone = network(waveform).last_hidden_state
        masked = network(padded, attention_mask=(torch.arange(16000) < 8000).long()[None])
    difference = (masked.last_hidden_state[:, : alone.shape[1]] - alone).abs().max()
    assert difference > 0.01


@pytest.mark.parametrize("kind", CONVOLUTIONAL)
def test_frames_and_hidden_states_are_those_of_transformers(folders, kind):
    family = type(configured(kind)).__name__.removesuffix("Config")
    network = getattr(transformers, f"{family}Model").from_pretrained(folders[kind]).eval()
    heard = transformers.Wav2Vec2FeatureExtractor(do_normalize=True)(
        noise(8000).numpy(), return_tensors="pt", **{RATE: 16000}
    ).input_values
    with torch.no_grad():
        theirs = network(heard, output_hidden_states=True)
        encoder = PretrainedEncoder(folders[kind], layers="weighted", normalise="checkpoint").eval()
        states = [*theirs.hidden_states[:-1], theirs.last_hidden_state]
        assert len(states) == 3
        for place, expected in enumerate(states):
            encoder.layer_weights.fill_(-1e4)
            encoder.layer_weights[place] = 0.0
            ours, _ = encoder(noise(1, 8000), lengths(8000))
            torch.testing.assert_close(ours, expected, atol=1e-5, rtol=1e-5)
        last, _ = PretrainedEncoder(folders[kind], normalise="checkpoint").eval()(
            noise(1, 8000), lengths(8000)
        )
        torch.testing.assert_close(last, states[-1], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("num_mels", [80, 128])
def test_whisper_hears_the_frames_of_its_own_feature_extractor(num_mels):
    config = copy.deepcopy(configured("whisper"))
    config.num_mel_bins, config.max_source_positions = num_mels, 1500
    encoder = PretrainedEncoder("tiny", architecture=config.to_json_string()).eval()
    waveforms = [noise(40000), noise(500000, seed=3)]  # the second is longer than 30 s
    extractor = transformers.WhisperFeatureExtractor(feature_size=num_mels)
    expected = extractor(
        [waveform.numpy() for waveform in waveforms], return_tensors="pt", **{RATE: 16000}
    ).input_features
    batch = torch.nn.utils.rnn.pad_sequence(waveforms, batch_first=True)
    heard = encoder._normalised(batch, lengths(40000, 500000))
    torch.testing.assert_close(encoder.log_mel(heard), expected, atol=1e-5, rtol=0)
    with torch.no_grad():
        frames, num_frames = encoder(batch, lengths(40000, 500000))
        theirs = encoder.network(expected).last_hidden_state
    assert num_frames.tolist() == [125, 1500]
    torch.testing.assert_close(frames[0, :125], theirs[0, :125], atol=1e-4, rtol=0)
    torch.testing.assert_close(frames[1], theirs[1], atol=1e-4, rtol=0)


@pytest.mark.parametrize("family", ["wavlm", "wav2vec2", "hubert"])
def test_the_number_of_frames_is_known_beforehand(folders, family):
    encoder = PretrainedEncoder(folders[f"{family}-layer"])
    numbers = torch.tensor([*range(400, 2001), 16000, 100_003, 192_000])
    expected = encoder.num_frames(numbers)
    assert torch.equal(expected, (numbers - 400) // 320 + 1)
    with torch.no_grad():
        found = [
            encoder.network.feature_extractor(torch.zeros(1, number)).shape[2]
            for number in numbers.tolist()
        ]
    assert found == expected.tolist()
    assert encoder.num_frames(lengths(0, 399)).tolist() == [1, 1]


def test_whisper_has_a_frame_for_every_begun_20_ms(folders):
    encoder = PretrainedEncoder(folders["whisper"]).eval()
    numbers = lengths(1, 320, 321, 31999, 32000, 99999)
    assert encoder.num_frames(numbers).tolist() == [1, 1, 2, 100, 100, 100]
    frames, num_frames = encoder(noise(2, 40000), lengths(40000, 321))
    assert frames.shape == (2, 100, 16)
    assert num_frames.tolist() == [100, 2]


@pytest.mark.parametrize("kind", ["wavlm-layer", "whisper"])
def test_no_utterance_has_no_frames(folders, kind):
    encoder = PretrainedEncoder(folders[kind]).eval()
    frames, num_frames = encoder(torch.zeros(0, 8000), torch.zeros(0, dtype=torch.long))
    assert (len(frames), frames.shape[2], len(num_frames)) == (0, 16, 0)


@pytest.mark.parametrize("kind", KINDS)
def test_width_rate_and_definition(folders, kind):
    encoder = PretrainedEncoder(folders[kind])
    definition = encoder.definition()
    assert (encoder.width, encoder.frame_rate) == (16, 50.0)
    assert json.loads(json.dumps(definition)) == definition
    assert definition["kind"] == "pretrained"
    assert definition["model_type"] == kind.partition("-")[0]
    assert definition["name"] == folders[kind]
    assert (definition["revision"], len(definition["weights_hash"])) == ("", 16)
    assert definition["normalise"] == ("corpus" if kind.startswith("wavlm") else "checkpoint")
    assert (definition["sample_rate"], definition["frame_rate"]) == (16000, 50.0)


@pytest.mark.parametrize("kind", KINDS)
def test_half_precision_gives_finite_frames(folders, kind):
    encoder = still(folders[kind]).train()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        frames, _ = encoder(noise(2, 8000), lengths(8000, 5000))
    frames.float().sum().backward()
    assert frames.isfinite().all()
    precise, _ = encoder(noise(2, 8000), lengths(8000, 5000))
    assert torch.cosine_similarity(frames.flatten(), precise.flatten(), dim=0) > 0.9


# -- samples ------------------------------------------------------------------------------------


def test_the_corpus_decides_mean_and_deviation_and_they_are_saved(folders):
    encoder = PretrainedEncoder(folders["hubert-layer"], normalise="corpus").eval()
    waveforms = [noise(5000).numpy(), 0.3 + noise(3000, seed=2).numpy()]
    before, _ = encoder(noise(1, 8000), lengths(8000))
    encoder.prepare(iter(waveforms))
    samples = np.concatenate(waveforms).astype(np.float64)
    assert encoder.mean.item() == pytest.approx(samples.mean(), rel=1e-6)
    assert encoder.deviation.item() == pytest.approx(samples.std(), rel=1e-6)
    assert {"mean", "deviation"} <= encoder.state_dict().keys()
    after, _ = encoder(noise(1, 8000), lengths(8000))
    assert not torch.equal(before, after)
    waveform = noise(1, 900)
    heard = encoder._normalised(waveform, lengths(600))
    expected = (waveform[:, :600] - samples.mean()) / (samples.std() + 1e-6)
    torch.testing.assert_close(heard, expected.float(), atol=1e-5, rtol=0)


def test_nothing_to_normalise_by_is_said(folders):
    with pytest.raises(ValueError, match="no training utterance"):
        PretrainedEncoder(folders["wavlm-layer"]).prepare([])
    PretrainedEncoder(folders["hubert-layer"]).prepare([])  # nothing to learn there


def test_utterances_are_brought_to_mean_0_and_deviation_1(folders):
    encoder = PretrainedEncoder(folders["hubert-layer"], normalise="utterance")
    heard = encoder._normalised(noise(2, 900), lengths(900, 500))
    torch.testing.assert_close(heard[1, :500].mean(), torch.tensor(0.0), atol=1e-6, rtol=0)
    torch.testing.assert_close(heard[1, :500].var(correction=0), torch.tensor(1.0))
    assert heard[1, 500:].eq(0).all()


@pytest.mark.parametrize("file", ["preprocessor_config.json", "processor_config.json"])
@pytest.mark.parametrize("do_normalize", [True, False])
def test_the_checkpoint_says_whether_utterances_are_normalised(tmp_path, do_normalize, file):
    _ = saved("wav2vec2-group", tmp_path, do_normalize=None)
    stated: dict[str, Any] = {"do_normalize": do_normalize, RATE: 16000}
    if file == "processor_config.json":
        stated = {"feature_extractor": stated}
    (tmp_path / file).write_text(json.dumps(stated))
    encoder = PretrainedEncoder(str(tmp_path))
    waveform = noise(1, 800)
    is_as_it_was = torch.equal(encoder._normalised(waveform, lengths(800)), waveform)
    assert is_as_it_was == (not do_normalize)
    rebuilt = PretrainedEncoder("gone", architecture=encoder.architecture)
    assert rebuilt.do_normalize == encoder.do_normalize == do_normalize


def test_without_a_word_of_the_checkpoint_utterances_are_normalised(tmp_path):
    folder = str(saved("wav2vec2-group", tmp_path, do_normalize=None))
    assert PretrainedEncoder(folder).do_normalize


# -- what learns --------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_full_learns_everything_but_the_convolutions(folders, kind):
    encoder = still(folders[kind]).train()
    frames, _ = encoder(noise(2, 8000), lengths(8000, 5000))
    (frames * noise(*frames.shape, seed=5)).sum().backward()
    fixed = ("feature_extractor.", "conv1.", "conv2.", "embed_positions.", "masked_spec_embed")
    for name, parameter in encoder.network.named_parameters():
        if name.startswith(fixed):
            assert not parameter.requires_grad, name
            assert parameter.grad is None, name
        elif not name.endswith("k_proj.bias"):  # which a softmax over keys cannot feel
            assert parameter.grad is not None, name
            assert parameter.grad.abs().max() > 0, name


@pytest.mark.parametrize("kind", KINDS)
def test_frozen_learns_nothing_and_stays_in_evaluation_mode(folders, kind):
    encoder = PretrainedEncoder(folders[kind], tune="frozen", layers="weighted").train()
    assert encoder.training
    assert not any(module.training for module in encoder.network.modules())
    frames, _ = encoder(noise(2, 8000), lengths(8000, 5000))
    again, _ = encoder(noise(2, 8000), lengths(8000, 5000))
    assert torch.equal(frames, again)
    frames.square().sum().backward()
    assert encoder.layer_weights.grad is not None
    assert encoder.layer_weights.grad.abs().max() > 0
    assert all(parameter.grad is None for parameter in encoder.network.parameters())


def test_frames_of_a_frozen_encoder_have_no_gradient(folders):
    encoder = PretrainedEncoder(folders["wavlm-layer"], tune="frozen").train()
    assert not encoder(noise(1, 8000), lengths(8000))[0].requires_grad


@pytest.mark.parametrize("kind", KINDS)
def test_lora_begins_as_the_encoder_was_and_only_the_addition_learns(folders, kind):
    untouched = still(folders[kind]).eval()
    encoder = still(folders[kind], tune="lora")
    heard = noise(2, 8000), lengths(8000, 5000)
    expected, _ = untouched(*heard)
    with torch.no_grad():
        # not bit for bit: a sum may be taken in another order where a weight lies elsewhere
        for found in (encoder.train()(*heard)[0], encoder.eval()(*heard)[0]):
            torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)
    before = {name: tensor.clone() for name, tensor in encoder.state_dict().items()}
    step(encoder.train())
    step(encoder.train())  # A has a gradient from the second step on, once B is not 0
    changed = {
        name
        for name, tensor in encoder.state_dict().items()
        if not torch.equal(tensor, before[name])
    }
    additions = {name for name in before if name.endswith((".0.down", ".0.up"))}
    assert changed == additions
    assert len(additions) == 2 * 2 * 2  # A and B of query and value in each of two layers
    with torch.no_grad():
        assert (encoder.eval()(*heard)[0] - expected).abs().max() > 1e-3


def test_lora_of_wavlm_large_learns_786432_numbers():
    config = transformers.WavLMConfig(
        hidden_size=1024,
        num_hidden_layers=24,
        num_attention_heads=16,
        intermediate_size=4096,
        feat_extract_norm="layer",
        do_stable_layer_norm=True,
    )
    with torch.device("meta"):
        encoder = PretrainedEncoder("large", architecture=config.to_json_string(), tune="lora")
    learning = [parameter for parameter in encoder.parameters() if parameter.requires_grad]
    assert sum(parameter.numel() for parameter in learning) == 786_432


def test_dropout_of_the_addition_leaves_out_columns_of_a(folders):
    encoder = PretrainedEncoder(folders["wavlm-layer"], tune="lora", lora_dropout=0.5).train()
    projection = encoder.network.encoder.layers[0].attention.q_proj
    addition = projection.parametrizations.weight[0]
    with torch.no_grad():
        addition.up.fill_(1.0)
        original = projection.parametrizations.weight.original
        whole = addition.scale * addition.up @ addition.down
        torch.manual_seed(0)
        added = projection.weight - original
        is_out = added.eq(0).all(0)
        assert 0 < is_out.sum() < 16
        torch.testing.assert_close(added[:, ~is_out], 2 * whole[:, ~is_out])
        _ = encoder.eval()
        torch.testing.assert_close(projection.weight, original + whole)


def test_an_encoder_with_additions_can_be_copied(folders):
    encoder = PretrainedEncoder(folders["wavlm-layer"], tune="lora", checkpointing=True).eval()
    twin = copy.deepcopy(encoder)
    step(encoder)
    heard = noise(1, 8000), lengths(8000)
    assert not torch.equal(twin(*heard)[0], encoder(*heard)[0])


@pytest.mark.parametrize("tune", ["full", "lora"])
@pytest.mark.parametrize("layers", ["last", "weighted"])
@pytest.mark.parametrize("kind", ["wavlm-layer", "wavlm-group", "hubert-group", "whisper"])
def test_checkpointing_leaves_the_gradients_as_they_are(folders, kind, layers, tune):
    gradients = []
    for checkpointing in (False, True):
        torch.manual_seed(3)
        encoder = PretrainedEncoder(
            folders[kind],
            tune=tune,
            layers=layers,
            spec_augment=False,
            layerdrop=0.0,
            checkpointing=checkpointing,
        ).train()
        if tune == "lora":
            for name, parameter in encoder.named_parameters():
                if name.endswith(".0.up"):
                    torch.nn.init.normal_(parameter)
        torch.manual_seed(4)  # dropout is on: the second computation must draw the same
        frames, _ = encoder(noise(2, 8000), lengths(8000, 5000))
        (frames * noise(*frames.shape, seed=5)).sum().backward()
        gradients.append(
            {name: p.grad for name, p in encoder.named_parameters() if p.grad is not None}
        )
    assert gradients[0].keys() == gradients[1].keys()
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradients[1][name], gradient, msg=name)


def test_the_weights_of_layers_learn_and_begin_equal(folders):
    encoder = still(folders["wavlm-layer"], layers="weighted").train()
    assert encoder.layer_weights.softmax(0).tolist() == pytest.approx([1 / 3] * 3)
    step(encoder)
    assert len(set(encoder.layer_weights.tolist())) == 3


@pytest.mark.parametrize("kind", KINDS)
def test_layers_may_be_skipped_in_training(folders, kind):
    encoder = PretrainedEncoder(folders[kind], layers="weighted", layerdrop=0.9, spec_augment=False)
    evaluated, _ = encoder.eval()(noise(1, 8000), lengths(8000))
    for seed in range(3):
        torch.manual_seed(seed)
        frames, _ = encoder.train()(noise(1, 8000), lengths(8000))
        assert frames.shape == evaluated.shape
        assert not torch.equal(frames, evaluated)
        frames.sum().backward()


@pytest.mark.parametrize("kind", KINDS)
def test_masking_follows_the_seed_and_hears_everything_in_evaluation(folders, kind):
    encoder = still(folders[kind], normalise="utterance")
    heard = noise(2, 16000), lengths(16000, 700)  # the second is shorter than a stretch
    expected, _ = encoder.train()(*heard)
    config = encoder.network.config
    config.apply_spec_augment, config.mask_time_prob, config.mask_feature_prob = True, 0.3, 0.3
    config.mask_feature_length = 4
    if kind != "whisper":
        encoder.network.masked_spec_embed.requires_grad_(True)
    drawn = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        drawn.append(encoder.train()(*heard)[0])
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])
    assert not torch.equal(drawn[0], expected)
    if kind != "whisper":
        drawn[0].square().sum().backward()
        assert encoder.network.masked_spec_embed.grad.abs().max() > 0
    assert torch.equal(encoder.eval()(*heard)[0], encoder.eval()(*heard)[0])


def test_what_the_checkpoint_says_of_training_holds_unless_another_is_asked_for(folders):
    as_it_says = PretrainedEncoder(folders["wavlm-layer"]).network.config
    assert as_it_says.apply_spec_augment == configured("wavlm-layer").apply_spec_augment
    assert as_it_says.layerdrop == configured("wavlm-layer").layerdrop
    asked = PretrainedEncoder(folders["wavlm-layer"], spec_augment=False, layerdrop=0.3)
    assert not asked.network.config.apply_spec_augment
    assert asked.network.config.layerdrop == 0.3
    assert PretrainedEncoder(folders["whisper"], layerdrop=0.3).network.layerdrop == 0.3
    rebuilt = PretrainedEncoder("gone", architecture=asked.architecture)
    assert rebuilt.network.config.layerdrop == 0.3


@given(
    st.lists(st.integers(0, 60), min_size=1, max_size=4),
    st.floats(0, 1),
    st.integers(1, 12),
    st.integers(0, 3),
)
@hypothesis_settings(max_examples=50)
def test_stretches_stay_within_their_row(sizes, probability, length, at_least):
    masked = stretches(sizes, 60, probability=probability, length=length, at_least=at_least)
    assert masked.shape == (len(sizes), 60)
    for row, size in zip(masked, sizes, strict=True):
        assert not row[size:].any()
        if probability and at_least and size >= length:
            assert row.sum() >= length
        if size < length or probability == 0:
            assert not row.any()


# -- saved, and built again ---------------------------------------------------------------------


@pytest.mark.parametrize("tune", ["full", "lora"])
@pytest.mark.parametrize("kind", KINDS)
def test_saved_and_built_again_without_its_folder_it_hears_the_same(folders, tmp_path, kind, tune):
    encoder = still(folders[kind], tune=tune, layers="weighted", normalise="corpus")
    encoder.prepare([noise(9000, seed=7).numpy()])
    step(encoder.train())
    heard = noise(2, 8000), lengths(8000, 5000)
    expected, _ = encoder.eval()(*heard)
    save_file(encoder.state_dict(), tmp_path / "model.safetensors")  # refuses shared tensors
    rebuilt = PretrainedEncoder(
        folders[kind],
        architecture=encoder.architecture,
        tune=tune,
        layers="weighted",
        normalise="corpus",
    ).eval()
    assert not torch.equal(rebuilt(*heard)[0], expected)
    _ = rebuilt.load_state_dict(load_file(tmp_path / "model.safetensors"), strict=True)
    assert torch.equal(rebuilt(*heard)[0], expected)
    assert rebuilt.definition() == encoder.definition()
    assert rebuilt.architecture == encoder.architecture
    assert rebuilt.weights_hash


def test_the_architecture_names_no_place_and_no_version(folders):
    encoder = PretrainedEncoder(folders["hubert-layer"])
    assert folders["hubert-layer"] not in encoder.architecture
    assert transformers.__version__ not in encoder.architecture


def test_built_from_a_bare_configuration_it_has_no_hash():
    encoder = PretrainedEncoder("x", architecture=configured("wavlm-layer").to_json_string())
    assert (encoder.revision, encoder.weights_hash) == ("", "")


def test_the_hash_is_that_of_the_weights(folders, tmp_path):
    first = PretrainedEncoder(folders["wavlm-layer"])
    assert PretrainedEncoder(folders["wavlm-layer"], tune="lora").weights_hash == first.weights_hash
    folder = saved("wavlm-layer", tmp_path)
    assert PretrainedEncoder(str(folder)).weights_hash == first.weights_hash
    tensors = load_file(folder / "model.safetensors")
    tensors["encoder.layer_norm.bias"] += 1e-3
    save_file(tensors, folder / "model.safetensors")
    assert PretrainedEncoder(str(folder)).weights_hash != first.weights_hash


# -- checkpoints as they are found --------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "head"),
    [
        ("wav2vec2-group", "ForCTC"),
        ("wavlm-layer", "ForSequenceClassification"),
        ("hubert-layer", "ForSequenceClassification"),
        ("whisper", "ForConditionalGeneration"),
    ],
)
def test_the_encoder_is_taken_out_of_a_larger_model(tmp_path, kind, head):
    encoder = PretrainedEncoder(str(saved(kind, tmp_path, head=head))).eval()
    family = type(configured(kind)).__name__.removesuffix("Config")
    theirs = getattr(transformers, family + head).from_pretrained(tmp_path)
    bare = theirs.get_encoder() if kind == "whisper" else theirs.base_model
    for name, tensor in bare.state_dict().items():
        assert torch.equal(encoder.network.state_dict()[name], tensor), name


def test_a_checkpoint_may_be_in_several_files(folders, tmp_path):
    _ = saved("wavlm-layer", tmp_path, max_shard_size="20KB")
    assert (tmp_path / "model.safetensors.index.json").is_file()
    whole = PretrainedEncoder(folders["wavlm-layer"])
    assert PretrainedEncoder(str(tmp_path)).weights_hash == whole.weights_hash


def test_old_names_and_half_precision_are_read(folders, tmp_path):
    folder = saved("wavlm-layer", tmp_path)
    tensors = load_file(folder / "model.safetensors")
    place = "encoder.pos_conv_embed.conv."
    for old, new in (("weight_g", "original0"), ("weight_v", "original1")):
        current = f"{place}parametrizations.weight.{new}"
        name = current if current in tensors else place + old
        tensors[place + old] = tensors.pop(name)
    del tensors["masked_spec_embed"]
    halved = {f"wavlm.{name}": tensor.half() for name, tensor in tensors.items()}
    save_file(halved, folder / "model.safetensors")
    stated = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**stated, "dtype": "float16"}))
    encoder = PretrainedEncoder(str(folder))
    state = encoder.network.state_dict()
    assert {tensor.dtype for tensor in state.values()} == {torch.float32}
    expected = PretrainedEncoder(folders["wavlm-layer"]).network.state_dict()
    for name in expected:
        if name != "masked_spec_embed":
            assert torch.equal(state[name], expected[name].half().float()), name


def test_an_adapter_behind_the_transformer_is_left_out(tmp_path):
    config = copy.deepcopy(configured("wav2vec2-layer"))
    config.add_adapter = True
    transformers.Wav2Vec2Model(config).save_pretrained(tmp_path)
    encoder = PretrainedEncoder(str(tmp_path)).eval()
    frames, _ = encoder(noise(1, 8000), lengths(8000))
    assert frames.shape == (1, 24, 16)


def test_a_checkpoint_in_the_cache_of_the_hub_needs_no_network(tmp_path, monkeypatch):
    home = tmp_path / "models--owner--tiny"
    snapshot = home / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    _ = saved("wavlm-layer", snapshot)
    (home / "refs").mkdir()
    (home / "refs" / "main").write_text(COMMIT)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    encoder = PretrainedEncoder("owner/tiny")
    assert encoder.definition()["revision"] == COMMIT
    rebuilt = PretrainedEncoder("owner/tiny", architecture=encoder.architecture)
    assert rebuilt.definition() == encoder.definition()


# -- what a user can get wrong ------------------------------------------------------------------


def test_without_transformers_the_extra_and_the_alternative_are_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'serkit\[ssl\]', or use .*log_mel"):
        PretrainedEncoder("microsoft/wavlm-large")


@pytest.mark.parametrize("name", ["nowhere/there/is/nothing", "./missing", "a name with spaces"])
def test_a_folder_that_does_not_exist_is_said(name):
    with pytest.raises(EncoderError, match=r"no folder.*no hub id.*encoder=log_mel"):
        PretrainedEncoder(name)


def test_offline_a_hub_id_is_refused_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(EncoderError, match=r"'owner/name' is no folder.*HF_HUB_OFFLINE.*log_mel"):
        PretrainedEncoder("owner/name")


def test_a_hub_out_of_reach_is_asked_once(tmp_path, monkeypatch):
    asked = []

    def model_info(_api: Any, name: str, *, timeout: float) -> None:
        asked.append((name, timeout))
        raise TimeoutError("no answer")

    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.HfApi.model_info", model_info)
    with pytest.raises(EncoderError, match=r"the hub cannot be reached \(TimeoutError: no answer"):
        PretrainedEncoder("owner/name")
    assert asked == [("owner/name", 10.0)]


def test_a_hub_repository_without_safetensors_is_said_before_anything_large(tmp_path, monkeypatch):
    files = [SimpleNamespace(rfilename=name) for name in ("README.md", "pytorch_model.bin")]
    (tmp_path / "config.json").write_text("{}")
    fetched = []

    def snapshot_download(_name: str, *, allow_patterns: list[str], local_files_only: bool) -> str:
        if local_files_only:
            raise FileNotFoundError
        fetched.extend(allow_patterns)
        return str(tmp_path)

    monkeypatch.setattr(
        "huggingface_hub.HfApi.model_info", lambda *_, **__: SimpleNamespace(siblings=files)
    )
    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot_download)
    with pytest.raises(EncoderError, match=r"only pytorch_model\.bin, .*save_pretrained"):
        PretrainedEncoder("owner/name")
    assert not any(pattern.endswith(".bin") for pattern in fetched)


def test_pickled_weights_are_not_read(tmp_path):
    folder = saved("wavlm-layer", tmp_path)
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(EncoderError, match=r"only pytorch_model\.bin, .*save_pretrained"):
        PretrainedEncoder(str(folder))


def test_a_folder_that_is_no_model_is_said(tmp_path):
    with pytest.raises(EncoderError, match=r"config\.json is missing"):
        PretrainedEncoder(str(tmp_path))
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(EncoderError, match="not valid JSON"):
        PretrainedEncoder(str(tmp_path))
    (tmp_path / "config.json").write_text('{"system": "crnn"}')
    with pytest.raises(EncoderError, match=r"no speech encoder.*None, not one of wavlm"):
        PretrainedEncoder(str(tmp_path))


def test_a_folder_without_weights_is_said(tmp_path):
    folder = saved("wavlm-layer", tmp_path)
    (folder / "model.safetensors").unlink()
    with pytest.raises(EncoderError, match=r"no weights: model\.safetensors is missing"):
        PretrainedEncoder(str(folder))


def test_a_text_model_is_refused(tmp_path):
    config = transformers.BertConfig(
        hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8, vocab_size=9
    )
    transformers.BertModel(config).save_pretrained(tmp_path)
    with pytest.raises(EncoderError, match=r"'bert', not one of wavlm, wav2vec2, hubert, whisper"):
        PretrainedEncoder(str(tmp_path))


def test_damaged_or_foreign_weights_are_refused(folders, tmp_path):
    folder = saved("wavlm-layer", tmp_path)
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(EncoderError, match="cannot be read as safetensors"):
        PretrainedEncoder(str(folder))
    theirs = Path(folders["hubert-group"]) / "model.safetensors"
    (folder / "model.safetensors").write_bytes(theirs.read_bytes())
    with pytest.raises(EncoderError, match="are not those of its config"):
        PretrainedEncoder(str(folder))


def test_another_sample_rate_is_refused(tmp_path):
    folder = saved("hubert-layer", tmp_path)
    stated = {"do_normalize": True, RATE: 8000}
    (folder / "preprocessor_config.json").write_text(json.dumps(stated))
    with pytest.raises(EncoderError, match="expects 8000 Hz, but every waveform here has 16000 Hz"):
        PretrainedEncoder(str(folder))


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("layerdrop", 1.0),
        ("lora_rank", 0),
        ("lora_dropout", 1.0),
    ],
)
def test_settings_out_of_range_are_named(folders, setting, value):
    with pytest.raises(ValueError, match=f"{setting}: {value}"):
        PretrainedEncoder(folders["wavlm-layer"], **{setting: value})
