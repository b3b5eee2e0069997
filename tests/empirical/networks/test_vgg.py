"""VGG: its architecture, numbering, initialisation, and what is refused."""

from typing import get_args

import pytest
import torch
from torch import nn

from bnproof.empirical.data.images import stream
from bnproof.empirical.networks.table import Initialisation, Nonlinearity, Norm
from bnproof.empirical.networks.vgg import vgg

NORMS = [norm for norm in get_args(Norm) if norm != "last"]
BENDS = {"relu": nn.ReLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid, "none": nn.Identity}


def build(width=8, **options):
    return vgg(generator=stream(0, "test"), width=width, **options)


def parameters(net):
    return sum(parameter.numel() for parameter in net.parameters())


def images(count=4):
    return torch.randn(count, 3, 32, 32, generator=stream(0, "x"))


def test_number_of_parameters():
    # Without BN, what the reproductions of A18 count; with it two numbers a unit for one bias.
    usual = vgg(generator=stream(0, "test"), norm="none")
    assert parameters(usual) == 9_750_922
    units = 64 + 128 + 2 * 256 + 4 * 512 + 2 * 512
    assert parameters(build(64, norm="batch")) == 9_750_922 + units


@pytest.mark.parametrize("nonlinearity", get_args(Nonlinearity))
@pytest.mark.parametrize("norm", ["batch", "none", "l1"])
@pytest.mark.parametrize(
    ("layers", "pooled"), [(11, (1, 2, 4, 6, 8)), (16, (2, 4, 7, 10, 13))], ids=["A", "D"]
)
def test_is_the_sequence_of_its_layers(layers, pooled, norm, nonlinearity):
    net = build(layers=layers, norm=norm, nonlinearity=nonlinearity, init="torch", classes=7)
    steps: list[nn.Module] = []
    for number in range(1, layers):
        steps += [net.layer(number), net.activation(number), BENDS[nonlinearity]()]
        if number in pooled:
            steps.append(nn.MaxPool2d(2))
        if number == pooled[-1]:
            steps.append(nn.Flatten())
    x = images()
    torch.testing.assert_close(net(x), nn.Sequential(*steps, net.layer(layers))(x))
    assert net(x).shape == (4, 7)
    assert net.depth == layers


def test_channels_of_both_configurations():
    for layers, channels in (
        (11, (64, 128, 256, 256, 512, 512, 512, 512)),
        (16, (64, 64, 128, 128, 256, 256, 256, *[512] * 6)),
    ):
        net = build(64, layers=layers)
        found = [layer.out_channels for layer in net.modules() if isinstance(layer, nn.Conv2d)]
        assert tuple(found) == channels


def test_layers_are_numbered_first_to_last():
    net = build().train()
    kinds = [nn.Conv2d] * 8 + [nn.Linear] * 3
    assert all(isinstance(net.layer(number), kind) for number, kind in enumerate(kinds, 1))
    assert net.activation(11) is net.layer(11)
    kept = {}
    for number in (3, 9):
        net.activation(number).register_forward_hook(
            lambda _module, _given, out, number=number: kept.update({number: out})
        )
    net(images(16))
    assert kept[3].shape == (16, 32, 8, 8)
    assert kept[9].shape == (16, 64)
    for out in kept.values():  # normalised, and before the nonlinearity
        axes = [axis for axis in range(out.dim()) if axis != 1]
        variance, mean = torch.var_mean(out, dim=axes, correction=0)
        torch.testing.assert_close(mean, torch.zeros_like(mean), atol=1e-5, rtol=0)
        assert variance.median().item() == pytest.approx(1, abs=1e-2)
    with pytest.raises(ValueError, match="layer 12: must be 1 to 11"):
        net.activation(12)


@pytest.mark.parametrize("init", get_args(Initialisation))
def test_every_norm_has_the_same_weights(init):
    torch.manual_seed(1)
    state = torch.get_rng_state()
    nets = [build(norm=norm, init=init) for norm in NORMS]
    assert torch.equal(state, torch.get_rng_state())
    for net in nets[1:]:
        for number in range(1, 12):
            assert torch.equal(net.layer(number).weight, nets[0].layer(number).weight)
    other = vgg(generator=stream(1, "test"), width=8, init=init)
    assert not torch.equal(other.layer(1).weight, nets[0].layer(1).weight)


def test_laws_of_the_weights():
    for init in ("xavier", "kaiming", "torch"):
        net = build(16, init=init, norm="none")
        weight = net.layer(6).weight  # 128 to 128 channels: the variance has an error of 0.4 %
        inner = 128 * 9
        expected = {"xavier": 1 / inner, "kaiming": 2 / inner, "torch": 1 / (3 * inner)}[init]
        assert weight.var().item() == pytest.approx(expected, rel=0.03)
        assert bool(net.layer(6).bias.any()) == (init == "torch")
    weight = build(init="orthogonal").layer(9).weight
    torch.testing.assert_close(weight @ weight.T, torch.eye(64), atol=1e-5, rtol=0)


def test_gain_multiplies_weights_and_batch_norm_undoes_it():
    x = images(8)
    for norm, same in (("batch", True), ("none", False)):
        one, ten = build(norm=norm, init="kaiming"), build(norm=norm, init="kaiming", gain=10.0)
        torch.testing.assert_close(ten.layer(4).weight, 10 * one.layer(4).weight)
        out = ten(x) / 10 if norm == "batch" else ten(x)  # the last layer has no BN
        assert torch.allclose(out, one(x), rtol=1e-2, atol=1e-2) == same


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"norm": "last"}, "must be one of none, batch"),
        ({"nonlinearity": "gelu"}, "relu, tanh, sigmoid, none"),
        ({"init": "glorot"}, "xavier, kaiming, orthogonal, torch"),
        ({"gain": 0}, "gain 0: must be a positive finite number"),
        ({"gain": float("nan")}, "a positive finite number"),
        ({"width": 0}, "width 0: must be an integer, at least 1"),
        ({"width": True}, "width True"),
        ({"width": 4, "norm": "group"}, "4 units are not a multiple of 8 groups"),
        ({"classes": "10"}, "classes '10': must be an integer"),
    ],
)
def test_refused(options, words):
    with pytest.raises(ValueError, match=words) as caught:
        build(**options)
    assert "\n" not in str(caught.value)
