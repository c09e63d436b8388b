"""Softmax with a margin against its equations written with loops, and the margin's laws."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from serkit.objectives.margin_softmax import aam_softmax, am_softmax

LOSSES = (am_softmax, aam_softmax)


def random_cosines(num_utterances=9, num_classes=4, *, seed=0):
    generator = torch.Generator().manual_seed(seed)
    cosines = 2 * torch.rand(num_utterances, num_classes, generator=generator).double() - 1
    emotion = torch.randint(num_classes, (num_utterances,), generator=generator)
    return cosines, functional.one_hot(emotion, num_classes).double()


def looped(cosines: np.ndarray, emotion: np.ndarray, *, scale: float, margin: float, kind) -> float:
    losses = []
    for row, own in zip(cosines, emotion.argmax(1), strict=True):
        logits = list(row)
        if kind is am_softmax:
            logits[own] -= margin
        elif row[own] > math.cos(math.pi - margin):
            logits[own] = math.cos(math.acos(row[own]) + margin)
        else:
            logits[own] -= margin * math.sin(math.pi - margin)
        logits = [scale * logit for logit in logits]
        highest = max(logits)
        total = sum(math.exp(logit - highest) for logit in logits)
        losses.append(highest + math.log(total) - logits[own])
    return sum(losses) / len(losses)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("num_classes", [2, 3, 4, 5])
@pytest.mark.parametrize("settings", [{"scale": 30.0, "margin": 0.3}, {"scale": 2.0, "margin": 1}])
def test_it_equals_its_equation_written_with_loops(loss, num_classes, settings):
    cosines, emotion = random_cosines(40, num_classes)
    settings = {name: float(value) for name, value in settings.items()}
    expected = looped(cosines.numpy(), emotion.numpy(), kind=loss, **settings)
    assert loss(cosines, emotion, **settings).item() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(("loss", "margin"), [(am_softmax, 0.3), (aam_softmax, 0.2)])
def test_defaults_are_those_of_the_page(loss, margin):
    cosines, emotion = random_cosines()
    torch.testing.assert_close(
        loss(cosines, emotion), loss(cosines, emotion, scale=30.0, margin=margin)
    )


@pytest.mark.parametrize("loss", LOSSES)
def test_without_a_margin_it_is_the_softmax_of_scaled_cosines(loss):
    cosines, emotion = random_cosines()
    torch.testing.assert_close(
        loss(cosines, emotion, scale=7.0, margin=0.0),
        functional.cross_entropy(7.0 * cosines, emotion.argmax(1)),
    )


@given(seed=st.integers(0, 99), low=st.floats(0, 3), more=st.floats(0, 3))
def test_a_higher_additive_margin_never_lowers_the_loss(seed, low, more):
    cosines, emotion = random_cosines(seed=seed)
    lower, higher = (am_softmax(cosines, emotion, margin=m).item() for m in (low, low + more))
    assert higher >= lower - 1e-12


@pytest.mark.parametrize("margin", [0.05, 0.2, 0.5, 1.0, 1.5])
def test_the_angular_target_falls_with_the_angle_also_where_it_changes_its_form(margin):
    # One class only at cosine c and the other at 0: the loss at scale 1 is log(1 + exp(-phi)).
    switch = math.pi - margin
    angles = torch.cat([
        torch.linspace(0.01, math.pi - 0.01, 2001),
        switch + torch.linspace(-1e-3, 1e-3, 101),
    ]).double().sort().values.unique()  # fmt: skip
    own = torch.tensor([[1.0, 0.0]], dtype=torch.float64)
    losses = torch.stack(
        [
            aam_softmax(torch.tensor([[c, 0.0]]).double(), own, scale=1.0, margin=margin)
            for c in angles.cos().tolist()
        ]
    )
    phi = -(losses.exp() - 1).log()
    assert (phi.diff() < 1e-9).all()
    assert phi[0] - phi[-1] > 1.5  # not constant


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("cosine", [1.0, -1.0, 0.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_gradients_are_finite_where_the_angle_is_0_or_pi(loss, cosine, dtype):
    cosines = torch.tensor([[cosine, -cosine]], dtype=dtype, requires_grad=True)
    loss(cosines, torch.tensor([[1.0, 0.0]], dtype=dtype)).backward()
    assert cosines.grad is not None
    assert cosines.grad.isfinite().all()


@pytest.mark.parametrize("loss", LOSSES)
def test_gradients_are_right(loss):
    cosines, emotion = random_cosines(5, 3)
    cosines = (cosines * 0.9).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: loss(x, emotion, scale=3.0, margin=0.25), (cosines,))


@pytest.mark.parametrize("loss", LOSSES)
def test_names_of_emotions_do_not_matter(loss):
    cosines, emotion = random_cosines()
    order = [2, 0, 3, 1]
    torch.testing.assert_close(loss(cosines[:, order], emotion[:, order]), loss(cosines, emotion))
