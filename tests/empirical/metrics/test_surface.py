"""Planes of random directions: filters as long as the network's, the same for both networks."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional

from bnproof.empirical.data.images import stream
from bnproof.empirical.metrics.surface import filter_direction
from bnproof.empirical.metrics.table import loss_surface
from bnproof.empirical.networks.vgg import vgg


class Bowl(nn.Module):
    """w -> |W|^2/2, W a matrix; a vector beside it, which does not move."""

    def __init__(self, vector=True):
        super().__init__()
        self.vector = nn.Parameter(torch.tensor([3.0], dtype=torch.float64))
        if vector is True:
            start = torch.arange(1.0, 7.0).double().view(2, 3)
            self.matrix = nn.Parameter(start)

    def forward(self, inputs):
        return self.matrix.square().sum() / 2 + self.vector.square().sum() + 0 * inputs.sum()


def surface(model=None, loss=lambda outputs, _: outputs, **rest):
    return loss_surface(model or Bowl(), loss, torch.zeros(1), torch.zeros(1), **rest)


def test_a_bowl_is_a_bowl_with_the_directions_own_inner_products():
    found = surface(points=5, span=0.8, seed=3)
    first, second = (filter_direction(tuple(Bowl().parameters()), 3, i)[1] for i in (1, 2))
    assert found.steps == pytest.approx((-0.8, -0.4, 0, 0.4, 0.8))
    assert found.lengths == pytest.approx((first.norm().item(), second.norm().item()))
    for i, a in enumerate(found.steps):
        for j, b in enumerate(found.steps):
            there = Bowl().matrix.detach() + a * first + b * second
            assert found.losses[i, j].item() == pytest.approx(there.square().sum().item() / 2 + 9)
    assert found.loss == pytest.approx(91 / 2 + 9)
    assert found.losses[2, 2].item() == found.loss
    assert found.broken == 0


def test_filters_are_as_long_as_the_networks_and_vectors_stay():
    net = vgg(generator=stream(0, "network"), width=2)
    point = tuple(net.parameters())
    direction = filter_direction(point, 0, 1)
    for given, part in zip(point, direction, strict=True):
        if given.dim() < 2:
            assert not part.any()
        else:
            torch.testing.assert_close(part.flatten(1).norm(dim=1), given.flatten(1).norm(dim=1))
    other = filter_direction(point, 0, 2)
    cosine = [
        functional.cosine_similarity(u.flatten(), v.flatten(), dim=0).abs().item()
        for u, v in zip(direction, other, strict=True)
        if u.dim() > 1
    ]
    assert max(cosine) < 0.5


def test_both_networks_get_the_same_directions_and_grid():
    x, y = torch.randn(4, 3, 32, 32, generator=stream(1, "x")), torch.arange(4)
    nets = [vgg(generator=stream(0, "network"), width=2, norm=norm) for norm in ("batch", "none")]
    weights = [
        [p for p in filter_direction(tuple(net.parameters()), 5, 1) if p.dim() > 1] for net in nets
    ]
    assert all(torch.equal(u, v) for u, v in zip(*weights, strict=True))
    found = [loss_surface(net, functional.cross_entropy, x, y, points=3, seed=5) for net in nets]
    assert found[0].steps == found[1].steps
    assert found[0].lengths == pytest.approx(found[1].lengths)
    assert not torch.allclose(found[0].losses, found[1].losses)
    again = loss_surface(nets[0].eval(), functional.cross_entropy, x, y, points=3, seed=5)
    assert torch.equal(again.losses, found[0].losses)
    running = loss_surface(
        nets[0], functional.cross_entropy, x, y, points=3, seed=5, statistics="running"
    )
    assert running.statistics == "running"
    assert not torch.allclose(running.losses, found[0].losses, rtol=1e-3)


def test_random_layers_draw_the_same_at_every_point():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), nn.Linear(8, 2)).double()
    x = torch.randn(6, 4, generator=stream(0, "x"), dtype=torch.float64)
    found = loss_surface(model, functional.cross_entropy, x, torch.arange(6) % 2, span=1e-9)
    assert (found.losses - found.loss).abs().max() < 1e-7


def test_what_is_not_finite_is_recorded():
    def wall(outputs, _targets):
        return torch.where(outputs > 60, torch.tensor(math.nan), outputs)

    found = surface(loss=wall, points=5)
    assert 0 < found.broken < 25
    assert found.broken == int(found.losses.isnan().sum())


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="span 0: must be positive"):
        surface(span=0)
    with pytest.raises(ValueError, match="points 1: must be at least 2"):
        surface(points=1)
    with pytest.raises(ValueError, match="has no filters"):
        surface(Bowl(vector=False))
