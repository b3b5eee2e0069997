"""Smoothness of a picture of the loss: known functions, and what filter normalisation is for."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from bnproof.empirical.data.images import stream
from bnproof.empirical.metrics.smoothness import CEILING, DRAWS, capped, near, smoothness, surface
from bnproof.empirical.metrics.step import TrainingState
from bnproof.empirical.metrics.surface import loss_surface
from bnproof.empirical.networks.table import build

STEPS = np.linspace(-1, 1, 11)
A, B = np.meshgrid(STEPS, STEPS, indexing="ij")


def test_a_quadratic_has_its_curvature_and_no_roughness():
    found = smoothness(STEPS, 3 * A**2 + 4 * A * B - 2 * B + 7)
    # Hessian [[6, 4], [4, 0]]: eigenvalues 8 and -2.
    assert found.curvature == pytest.approx(8)
    assert found.concave == 1
    assert found.roughness == pytest.approx(0, abs=1e-12)
    # Along a the quotient between -1 and -0.8 at b = -1 is -5.4 - 4.
    assert found.slope == pytest.approx(9.4)


def test_a_bowl_is_convex_everywhere_and_a_constant_is_smooth():
    assert smoothness(STEPS, A**2 + B**2).concave == 0
    flat = smoothness(STEPS, np.full_like(A, 2.3))
    assert (flat.slope, flat.curvature, flat.roughness) == (0, 0, 0)


def test_roughness_does_not_depend_on_height():
    wave = np.sin(3 * A) * np.cos(5 * B)
    first, second = smoothness(STEPS, wave), smoothness(STEPS, 1e6 * wave + 5)
    assert first.roughness > 0.1
    assert second.roughness == pytest.approx(first.roughness)
    assert second.slope == pytest.approx(1e6 * first.slope)


def test_near_looks_at_the_middle():
    assert near(STEPS, A**2 * (np.abs(A) < 0.3)).slope == pytest.approx(0.2)
    assert near(STEPS, np.where(np.abs(A) > 0.9, 1e9, A)) == smoothness(STEPS[4:7], A[4:7, 4:7])


@pytest.mark.parametrize(
    ("steps", "losses", "words"),
    [
        (STEPS, A[:5], "must be"),
        (STEPS[:2], A[:2, :2], "must be"),
        (STEPS, np.where(A > 0.9, np.inf, A), "finite"),
    ],
)
def test_what_is_no_picture_is_refused(steps, losses, words):
    with pytest.raises(ValueError, match=words):
        smoothness(steps, losses)


def now(norm, factor=1.0, step=1):
    draws = stream(0, "test")
    net = build(
        {"family": "vgg", "width": 2, "norm": norm, "init": "kaiming"}, generator=draws
    ).double()
    with torch.no_grad():
        for layer, _ in net.numbered()[:-1]:
            layer.weight.mul_(factor)
    return TrainingState(
        model=net,
        loss=functional.cross_entropy,
        inputs=torch.randn(8, 3, 32, 32, generator=draws, dtype=torch.float64),
        targets=torch.randint(10, (8,), generator=draws),
        reference=torch.empty(0),
        rate=0.1,
        step=step,
        evaluate=lambda _forward: {},
    )


def picture(given, span):
    made = loss_surface(given.model, given.loss, given.inputs, given.targets, span=span, points=3)
    return made.losses.numpy()


def test_filter_normalisation_sees_through_the_scale_of_weights_before_bn():
    """With BN the function is the same at four times the weights, and so is the picture."""
    small, large = now("batch"), now("batch", factor=4)
    for layer in (m for given in (small, large) for m in given.model.modules()):
        if isinstance(layer, torch.nn.modules.batchnorm._BatchNorm):
            layer.eps = 1e-30
    assert picture(large, 0.5) == pytest.approx(picture(small, 0.5), rel=1e-9)
    # Steps of one absolute length, which are a quarter as long for it, would call it flatter.
    absolute = smoothness([-0.125, 0, 0.125], picture(large, 0.125)).slope / 4
    assert absolute < 0.5 * smoothness([-0.125, 0, 0.125], picture(small, 0.125)).slope


def test_without_bn_the_picture_depends_on_the_scale():
    assert picture(now("none", 2), 0.5).max() > 10 * picture(now("none"), 0.5).max()


def test_the_watch_takes_two_planes_and_leaves_the_network_alone(monkeypatch):
    monkeypatch.setattr("bnproof.empirical.metrics.smoothness.POINTS", 3)
    given = now("batch")
    before = {name: value.clone() for name, value in given.model.state_dict().items()}
    found = surface(given)
    assert all(torch.equal(value, before[name]) for name, value in given.model.state_dict().items())
    first, second = (np.array(found[name]) for name in DRAWS)
    assert first.shape == second.shape == (3, 3)
    assert first[1, 1] == second[1, 1]
    assert not np.array_equal(first, second)
    assert first == pytest.approx(picture(given, 1.0), rel=1e-5)
    assert surface(now("batch", step=0)) == {}


def test_losses_that_are_not_finite_get_a_ceiling():
    given = now("none")
    with torch.no_grad():
        given.model.layers[-1].weight.fill_(torch.nan)
    made = loss_surface(given.model, given.loss, given.inputs, given.targets, points=2)
    assert (capped(made) == CEILING).all()
