"""Convolutions of small images: PyTorch's, with all derivatives, however they are computed."""

import pytest
import torch
from torch import nn
from torch.func import functional_call

from bnproof.empirical.networks import convolution
from bnproof.empirical.networks.convolution import TOGETHER, Convolution
from bnproof.empirical.networks.vgg import vgg

CHANNELS = 256  # from which on small images are set side by side


def draws(seed):
    return torch.Generator().manual_seed(seed)


def pair(count, side, dtype, *, inner=CHANNELS):
    layer = Convolution(inner, 3, 3, padding=1, dtype=dtype)
    x = torch.randn(count, inner, side, side, dtype=dtype, generator=draws(1))
    return layer, x.to(memory_format=torch.channels_last).requires_grad_()


def both(layer, x):
    """The output, and that of PyTorch's layer."""
    return layer(x), nn.Conv2d.forward(layer, x)


@pytest.fixture(autouse=True)
def seen(monkeypatch):
    """The shapes of the images set side by side."""
    shapes = []

    def spy(x, together):
        shapes.append((tuple(x.shape), together))
        return usual(x, together)

    usual = convolution._side_by_side
    monkeypatch.setattr(convolution, "_side_by_side", spy)
    return shapes


@pytest.mark.parametrize("count", [1, 7, TOGETHER, 2 * TOGETHER])
@pytest.mark.parametrize("side", [1, 2])
def test_outputs_and_gradients_are_those_of_pytorch(count, side, seen):
    layer, x = pair(count, side, torch.float64)
    ours, theirs = both(layer, x)
    assert seen == [((count, CHANNELS, side, side), min(count, TOGETHER))]
    torch.testing.assert_close(ours, theirs)
    assert ours.is_contiguous(memory_format=torch.channels_last)
    along = torch.randn(ours.shape, dtype=ours.dtype, generator=draws(2))
    given = (x, layer.weight, layer.bias)
    for mine, reference in zip(
        torch.autograd.grad(ours, given, along),
        torch.autograd.grad(theirs, given, along),
        strict=True,
    ):
        torch.testing.assert_close(mine, reference)


def test_second_derivatives(seen):
    layer, x = pair(2, 2, torch.float64)

    def second(out):
        (first,) = torch.autograd.grad(out.pow(3).sum(), layer.weight, create_graph=True)
        return torch.autograd.grad(first.pow(2).sum(), (x, layer.weight))

    ours, theirs = both(layer, x)
    for mine, reference in zip(second(ours), second(theirs), strict=True):
        torch.testing.assert_close(mine, reference)

    def loss(weight):
        return functional_call(layer, {"weight": weight, "bias": layer.bias}, (x,)).pow(3).sum()

    def plain(weight):
        return nn.functional.conv2d(x, weight, layer.bias, padding=1).pow(3).sum()

    along = torch.randn(layer.weight.shape, dtype=torch.float64, generator=draws(3))
    products = [
        torch.func.jvp(torch.func.grad(function), (layer.weight,), (along,))[1]
        for function in (loss, plain)
    ]
    torch.testing.assert_close(*products)
    assert len(seen) == 2


def test_derivatives_by_finite_differences(monkeypatch, seen):
    monkeypatch.setattr(Convolution, "_small", lambda _self, _x: True)
    layer, x = pair(3, 2, torch.float64, inner=2)
    given = (x, layer.weight, layer.bias)

    def function(x, weight, bias):
        return functional_call(layer, {"weight": weight, "bias": bias}, (x,)).tanh()

    assert torch.autograd.gradcheck(function, given)
    assert torch.autograd.gradgradcheck(function, given)
    assert seen


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_in_each_precision_the_difference_is_rounding(dtype, monkeypatch, seen):
    monkeypatch.setattr(convolution, "_matrix_instructions", lambda: True)
    side = 4 if dtype == torch.bfloat16 else 2
    layer, x = pair(TOGETHER, side, dtype)
    ours, theirs = both(layer, x)
    assert seen
    size = theirs.detach().abs().max().item()
    error = (ours - theirs).detach().abs().max().item()
    assert error <= 4 * torch.finfo(dtype).eps * size


@pytest.mark.parametrize(
    ("side", "options"),
    [(8, {}), (2, {"inner": 16}), (2, {"stride": 2}), (2, {"padding": 0}), (4, {})],
)
def test_other_convolutions_are_left_alone(side, options, seen, monkeypatch):
    monkeypatch.setattr(convolution, "_matrix_instructions", lambda: False)
    options = {"inner": CHANNELS, "stride": 1, "padding": 1} | options
    inner = options.pop("inner")
    layer = Convolution(inner, 3, 3, **options)
    x = torch.randn(2, inner, max(side, 3 if not options["padding"] else 0), side + 1)
    assert torch.equal(*both(layer, x))
    assert not seen


def test_networks_are_those_of_pytorchs_layers(seen):
    """VGG-A of the usual width, whose last two convolutions have images of 2 x 2 pixels."""
    net = vgg(generator=draws(0), width=32).double()
    x = torch.randn(4, 3, 32, 32, dtype=torch.float64, generator=draws(1))
    ours = net(x)
    assert [shape for shape, _ in seen] == [(4, 256, 2, 2)] * 2
    for module in net.modules():
        if isinstance(module, Convolution):
            module.__class__ = nn.Conv2d
    torch.testing.assert_close(ours, net(x))
