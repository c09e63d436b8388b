"""Inception-ResNet-v1: parameters, sizes and arithmetic as published, and weights by name."""

import copy
import re

import pytest
import torch
from torch import nn

from serkit.models.inception_resnet import (
    PARTS,
    InceptionResNet,
    Residual,
    WeightsError,
    load_by_name,
)

SMALL = {"width": 0.25, "in_channels": 1, "embedding": 128}

PARAMETERS = {
    "conv2d_1a": 928, "conv2d_2a": 9_280, "conv2d_2b": 18_560, "maxpool_3a": 0,
    "conv2d_3b": 5_280, "conv2d_4a": 138_624, "conv2d_4b": 442_880, "repeat_1": 5 * 77_440,
    "mixed_6a": 1_710_080, "repeat_2": 10 * 690_048, "mixed_7a": 3_346_176,
    "repeat_3": 5 * 1_600_768, "block8": 1_600_768, "avgpool_1a": 0, "dropout": 0,
    "last_linear": 917_504, "last_bn": 1_024,
}  # fmt: skip

PIXELS = {
    "conv2d_1a": 79, "conv2d_2a": 77, "conv2d_2b": 77, "maxpool_3a": 38, "conv2d_3b": 38,
    "conv2d_4a": 36, "conv2d_4b": 17, "repeat_1": 17, "mixed_6a": 8, "repeat_2": 8, "mixed_7a": 3,
    "repeat_3": 3, "block8": 3,
}  # fmt: skip


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.fixture(scope="module")
def whole() -> InceptionResNet:
    torch.manual_seed(0)
    return InceptionResNet().eval()


def test_every_part_has_the_parameters_of_the_table(whole):
    assert tuple(PARAMETERS) == PARTS == tuple(name for name, _ in whole.named_children())
    assert {name: count(whole.get_submodule(name)) for name in PARTS} == PARAMETERS
    assert count(whole) == 23_482_624


def test_other_widths_have_the_parameters_of_the_table():
    assert count(InceptionResNet(in_channels=1)) == 23_482_048
    assert count(InceptionResNet(embedding=128)) == 22_793_728
    assert count(InceptionResNet(width=0.5, embedding=256)) == 5_883_520
    assert count(InceptionResNet(**SMALL)) == 1_477_168


def test_there_are_132_convolutions_and_only_the_up_ones_have_a_bias(whole):
    layers = {n: layer for n, layer in whole.named_modules() if isinstance(layer, nn.Conv2d)}
    biased = {name for name, layer in layers.items() if layer.bias is not None}
    assert len(layers) == 132
    assert len(biased) == 21
    assert all(name.endswith("conv2d") for name in biased)


def test_batch_norm_is_that_of_the_published_weights(whole):
    norms = [x for x in whole.modules() if isinstance(x, nn.BatchNorm2d | nn.BatchNorm1d)]
    assert {(norm.eps, norm.momentum) for norm in norms} == {(1e-3, 0.1)}


@torch.no_grad()
def test_a_picture_of_160_shrinks_as_in_the_table(whole):
    found = {}
    for name in PIXELS:
        layer = whole.get_submodule(name)
        layer.register_forward_hook(lambda _, __, x, name=name: found.update({name: x.shape[2:]}))
    assert whole(torch.zeros(1, 3, 160, 160)).shape == (1, 512)
    assert found == {name: (size, size) for name, size in PIXELS.items()}


def test_arithmetic_is_as_published(whole):
    assert whole.multiply_accumulates(size=160) / 1e6 == pytest.approx(1417.7, rel=1e-3)
    assert whole.multiply_accumulates(size=128) / 1e6 == pytest.approx(812.4, rel=1e-3)
    assert whole.multiply_accumulates(size=96) / 1e6 == pytest.approx(377.8, rel=1e-3)
    half = InceptionResNet(width=0.5, embedding=256)
    assert half.multiply_accumulates(size=160) / 1e6 == pytest.approx(355.8, rel=1e-3)
    small = InceptionResNet(**SMALL).multiply_accumulates(size=96) / 1e6
    assert small == pytest.approx(23.65, rel=1e-3)
    assert 2 * small <= 60  # two pictures for a second of speech


@torch.no_grad()
@pytest.mark.parametrize(("name", "scale"), [("repeat_1.0", 0.17), ("repeat_2.0", 0.10),
                                             ("repeat_3.0", 0.20), ("block8", 1.0)])  # fmt: skip
def test_with_weights_of_0_a_block_adds_its_scaled_bias(name, scale):
    torch.manual_seed(0)
    block = InceptionResNet(**SMALL).eval().get_submodule(name)
    assert isinstance(block, Residual)
    for parameter in block.parameters():
        if parameter.dim() > 1:
            parameter.zero_()
    x = torch.randn(2, block.conv2d.out_channels, 4, 4)
    expected = x + scale * block.conv2d.bias.view(1, -1, 1, 1)
    if name == "block8":
        assert block(x.clone()).min() < 0  # no ReLU behind the last block
    else:
        expected = expected.relu()
    torch.testing.assert_close(block(x.clone()), expected)


def test_gradients_are_those_of_float64_within_a_few_percent():
    # Batch norm is less exact with channels last than without, where this is 0.001.
    _ = torch.manual_seed(0)
    network = InceptionResNet(**SMALL, dropout=0.0)
    exact = copy.deepcopy(network).double()
    picture, weight = torch.rand(96, 1, 96, 96) * 2 - 1, torch.randn(96, 128)
    (network(picture) * weight).sum().backward()
    (exact(picture.double()) * weight).sum().backward()
    off = torch.tensor(
        [
            (ours.grad.double() - theirs.grad).norm() / theirs.grad.norm()
            for ours, theirs in zip(network.parameters(), exact.parameters(), strict=True)
        ]
    )
    assert off.median() < 0.04


def test_a_width_that_leaves_half_a_channel_is_refused():
    with pytest.raises(ValueError, match=r"width: 0\.1 leaves"):
        InceptionResNet(width=0.1)


# ---------------------------------------------------------------------------------- by name


def test_names_are_those_of_the_port():
    names = InceptionResNet(**SMALL).state_dict()
    for name in (
        "conv2d_1a.conv.weight", "conv2d_4b.bn.running_var", "repeat_1.4.branch2.2.conv.weight",
        "repeat_2.9.branch1.2.bn.weight", "repeat_2.0.conv2d.bias", "mixed_6a.branch1.2.bn.bias",
        "mixed_7a.branch2.2.conv.weight", "mixed_7a.branch0.1.conv.weight", "last_linear.weight",
        "block8.branch1.1.conv.weight", "last_bn.running_mean",
    ):  # fmt: skip
        assert name in names


def test_weights_load_by_name_without_their_classifier():
    torch.manual_seed(1)
    theirs = InceptionResNet(**SMALL).state_dict()
    weights = {n: x for n, x in theirs.items() if not n.endswith("num_batches_tracked")}
    network = InceptionResNet(**SMALL)
    load_by_name(network, {**weights, "logits.weight": torch.zeros(8631, 128)})
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, theirs[name])


def test_every_mismatch_is_listed_and_nothing_is_changed():
    torch.manual_seed(1)
    weights = InceptionResNet(**SMALL).state_dict()
    del weights["last_bn.bias"]
    weights["conv2d_1a.conv.weight"] = torch.zeros(8, 3, 3, 3)
    weights["head.weight"] = torch.zeros(2)
    network = InceptionResNet(**SMALL)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    listed = (
        "missing: last_bn.bias; unknown: head.weight; "
        "of another size: conv2d_1a.conv.weight (8x3x3x3 instead of 8x1x3x3)"
    )
    with pytest.raises(WeightsError, match=f"^{re.escape(listed)}$"):
        load_by_name(network, weights)
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, before[name])
