"""Grad-CAM of networks whose answers come from a known place."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from serkit.models.grad_cam import grad_cam


class Places(nn.Module):
    """As many channels as places, each of which sees its own place alone."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.register_buffer("own", torch.eye(size * size).view(size * size, size, size))

    def forward(self, picture: Tensor) -> Tensor:
        return picture * self.own


@pytest.mark.parametrize(("row", "column"), [(0, 0), (1, 3), (4, 2)])
def test_an_answer_that_depends_on_one_place_lights_that_place_alone(row, column):
    layer = Places(5)
    picture = torch.rand(3, 1, 5, 5) + 0.1
    found = grad_cam(layer, lambda: layer(picture)[:, 5 * row + column].sum((1, 2)) ** 3)
    lit = found > 0
    assert lit[:, row, column].all()
    assert lit.sum() == 3


def test_what_speaks_against_an_answer_is_dark():
    layer = Places(3)
    picture = torch.ones(1, 1, 3, 3)

    def answer() -> Tensor:
        said = layer(picture)
        return (said[:, 0] - said[:, 8]).sum((1, 2))

    found = grad_cam(layer, answer)
    assert found[0, 0, 0] > 0
    assert found.count_nonzero() == 1


def test_vertical_lines_light_where_they_are_and_horizontal_ones_do_not():
    detect = nn.Conv2d(1, 2, 3, bias=False, padding=1)
    with torch.no_grad():
        upright = torch.tensor([[-1.0, 2.0, -1.0]]).expand(3, 3)
        detect.weight.copy_(torch.stack([upright, upright.T]).unsqueeze(1))
    picture = torch.zeros(1, 1, 12, 12)
    picture[0, 0, 1:6, 2] = 1.0
    picture[0, 0, 9, 5:11] = 1.0
    layer = nn.Sequential(detect, nn.ReLU())
    found = grad_cam(layer, lambda: layer(picture)[:, 0].mean((1, 2)))[0]
    assert found.argmax() % 12 == 2
    assert found[:7].sum() > 0.8 * found.sum()


def test_it_is_the_formula_and_pictures_do_not_meet():
    torch.manual_seed(0)
    layer, head = nn.Conv2d(1, 4, 3), nn.Linear(4 * 36, 3)
    picture = torch.randn(5, 1, 8, 8)
    found = grad_cam(layer, lambda: head(layer(picture).tanh().flatten(1))[:, 1])
    features = layer(picture).detach().double()
    slope = head.weight[1].detach().double().view(4, 6, 6) * (1 - features.tanh() ** 2)
    wanted = functional.relu((slope.mean((2, 3), keepdim=True) * features).sum(1))
    torch.testing.assert_close(found.double(), wanted, atol=1e-6, rtol=1e-5)


def test_frozen_layers_can_be_explained_and_nothing_is_left_behind():
    layer = nn.Conv2d(1, 2, 3).requires_grad_(False)
    picture = torch.randn(2, 1, 6, 6)
    with torch.no_grad():
        found = grad_cam(layer, lambda: layer(picture).square().sum((1, 2, 3)))
    assert found.shape == (2, 4, 4)
    assert not found.requires_grad
    assert layer.weight.grad is None
    assert not layer._forward_hooks
