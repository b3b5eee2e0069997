"""The first step along the gradient, on a linear network whose descent has one end."""

from types import SimpleNamespace

import pytest
import torch
from scipy.optimize import brentq
from torch import nn
from torch.nn import functional

from bnproof.empirical.data.images import stream
from bnproof.empirical.protocols.first_step import CEILING, measured, step_sizes


class Net(nn.Linear):
    """One layer, which is every layer."""

    def layer(self, number: int) -> nn.Module:
        return self


@pytest.mark.parametrize("steps", [1, 2, 8])
def test_the_reach_is_known_to_the_stated_factor(steps: int) -> None:
    """The loss is convex in the step, so that it is lower exactly up to one step size."""
    net, draws = Net(5, 10), stream(0, "x")
    with torch.no_grad():
        net.weight.zero_()
        net.bias.zero_()
    inputs, labels = 10 * torch.randn(64, 5, generator=draws), torch.arange(64) % 10
    weight, bias = (parameter.detach().double() for parameter in net.parameters())
    weight.requires_grad_()
    bias.requires_grad_()

    def loss(eta: float) -> torch.Tensor:
        moved = (weight - eta * slopes[0], bias - eta * slopes[1])
        return functional.cross_entropy(functional.linear(inputs.double(), *moved), labels)

    slopes = (0.0, 0.0)
    slopes = torch.autograd.grad(loss(0.0), (weight, bias))
    end = brentq(lambda eta: (loss(eta) - loss(0.0)).item(), 1e-5, 1.0)
    trial = SimpleNamespace(inputs=inputs, labels=labels, steps=steps)
    found = measured(trial, net, whole=True)
    factor = 10 ** (1 / (2 * steps**2))  # at quick, steps = 2, it is 10^(1/8)
    assert found["reach"] < end < found["reach"] * factor
    assert len(found["losses"]) == len(step_sizes(trial)) == 5 * steps + 1
    assert max(found["losses"]) < CEILING
    for eta, value in zip(step_sizes(trial), found["losses"], strict=True):
        assert value == pytest.approx(loss(eta).item(), rel=1e-3)
    assert found["scale"] == pytest.approx(slopes[0].square().mean().sqrt().item(), rel=1e-4)
