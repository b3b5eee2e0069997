"""Residual networks: sizes, numbering, initialisation, and what is refused."""

from typing import get_args

import pytest
import torch
from torch import nn

from bnproof.empirical.data.images import stream
from bnproof.empirical.networks.resnet import Identity, resnet
from bnproof.empirical.networks.table import Initialisation, Norm


def build(depth=8, **options):
    return resnet(depth, generator=stream(0, "test"), **options)


def parameters(net):
    return sum(parameter.numel() for parameter in net.parameters())


@pytest.mark.parametrize(
    ("depth", "millions"), [(20, 0.27), (32, 0.46), (44, 0.66), (56, 0.85), (110, 1.7)]
)
def test_number_of_parameters_as_published(depth, millions):
    # He et al. (2015), Table 6, whose networks for CIFAR have shortcuts without parameters.
    count = parameters(build(depth, shortcut="identity")) / 1e6
    assert count == pytest.approx(millions, abs=0.05 if depth == 110 else 0.01)


def test_projections_add_their_kernels_and_normalisations():
    added = parameters(build(shortcut="projection")) - parameters(build(shortcut="identity"))
    assert added == 16 * 32 + 32 * 64 + 2 * (32 + 64)


def test_biases_take_the_place_of_beta():
    for shortcut in ("projection", "identity"):
        batch = build(norm="batch", shortcut=shortcut)
        without = build(norm="none", shortcut=shortcut)
        gammas = sum(m.weight.numel() for m in batch.modules() if isinstance(m, nn.BatchNorm2d))
        assert parameters(batch) - parameters(without) == gammas


def test_layers_are_numbered_as_the_papers_count():
    net = build(20)
    assert net.layer(1) is net.conv1
    for k, block in enumerate(net.blocks):
        assert net.layer(2 * k + 2) is block.conv1
        assert net.layer(2 * k + 3) is block.conv2
        assert net.activation(2 * k + 2) is block.norm1
        assert net.activation(2 * k + 3) is block.norm2
    assert net.layer(20) is net.linear
    assert isinstance(net.layer(19), nn.Conv2d)
    assert net.activation(1) is net.norm1
    assert net.activation(20) is net.linear
    for number in (0, 21, -1):
        with pytest.raises(ValueError, match="1 to 20"):
            net.layer(number)
        with pytest.raises(ValueError, match="1 to 20"):
            net.activation(number)


def test_norm_last_is_one_bn_at_the_output_of_the_last_block():
    last, none = build(norm="last").train(), build(norm="none")
    assert [name for name, m in last.named_modules() if isinstance(m, nn.BatchNorm2d)] == ["norm2"]
    x = torch.randn(5, 3, 32, 32, generator=stream(0, "x"))
    kept = []
    none.blocks[-1].register_forward_hook(lambda _module, _given, out: kept.append(out))
    none(x)
    moments = torch.var_mean(kept[0], dim=(0, 2, 3), correction=0, keepdim=True)
    normalised = (kept[0] - moments[1]) / (moments[0] + 1e-5).sqrt()
    torch.testing.assert_close(last(x), last.linear(normalised.mean(dim=(2, 3))))
    # Control: BN before the last ReLU, or on what is pooled, is another network.
    assert not torch.allclose(last(x), none(x))


@pytest.mark.parametrize(("norm", "groups"), [("layer", 1), ("group", 8)])
def test_layer_and_group_normalise_each_image_by_itself(norm, groups):
    net = build(norm=norm)
    x = torch.randn(3, 3, 32, 32, generator=stream(0, "x"))
    torch.testing.assert_close(net(x)[:1], net(x[:1]))
    assert not torch.allclose(build(norm="batch")(x)[:1], build(norm="batch")(x[:1]))
    kept = []
    net.norm1.register_forward_hook(lambda _module, _given, out: kept.append(out))
    net(x)
    parts = kept[0].reshape(3, groups, -1)
    torch.testing.assert_close(parts.mean(dim=2), torch.zeros(3, groups), atol=1e-5, rtol=0)
    torch.testing.assert_close(
        parts.var(dim=2, correction=0), torch.ones(3, groups), rtol=1e-3, atol=0
    )
    assert parameters(net) == parameters(build(norm="batch"))


def test_orthogonal_kernels():
    weight = build(init="orthogonal").layer(4).weight.flatten(1)
    torch.testing.assert_close(weight @ weight.T, torch.eye(32), atol=1e-5, rtol=0)


@pytest.mark.parametrize("norm", ["batch", "none", "last", "layer", "group"])
@pytest.mark.parametrize("shortcut", ["projection", "identity"])
def test_shapes_through_the_stages(norm, shortcut):
    net = build(norm=norm, shortcut=shortcut, classes=7)
    x = torch.randn(2, 3, 32, 32, generator=stream(0, "x"))
    assert net(x).shape == (2, 7)
    shapes = []
    for block in net.blocks:
        block.register_forward_hook(
            lambda _module, _given, out: shapes.append(tuple(out.shape[1:]))
        )
    net(x)
    assert shapes == [(16, 32, 32), (32, 16, 16), (64, 8, 8)]


def test_identity_shortcut_takes_every_second_pixel_and_adds_zeros():
    x = torch.arange(2 * 4 * 4.0).reshape(1, 2, 4, 4)
    out = Identity(3, stride=2)(x)
    assert torch.equal(out[:, :2], x[:, :, ::2, ::2])
    assert torch.equal(out[:, 2:], torch.zeros(1, 3, 2, 2))
    assert Identity(0, stride=1)(x) is x


def test_a_block_with_no_residual_is_its_shortcut():
    net = build(norm="none", shortcut="identity")
    block = net.blocks[0]
    nn.init.zeros_(block.conv2.weight)
    x = torch.rand(2, 16, 8, 8, generator=stream(0, "x"))
    assert torch.equal(block(x), x)


@pytest.mark.parametrize("init", ["xavier", "kaiming", "torch"])
def test_variance_of_the_kernels(init):
    net = build(init=init)
    weight = net.layer(4).weight  # 16 to 32 channels
    inner, outer = 16 * 9, 32 * 9
    expected = {"xavier": 2 / (inner + outer), "kaiming": 2 / inner, "torch": 1 / (3 * inner)}
    # 4608 weights: the sample variance has a relative standard error of at most 2.1 %.
    assert weight.var().item() == pytest.approx(expected[init], rel=0.1)
    assert weight.mean().item() == pytest.approx(0, abs=4 * (expected[init] / 4608) ** 0.5)
    if init != "kaiming":
        assert weight.abs().max() <= (3 * expected[init]) ** 0.5


def test_weights_depend_on_the_generator_only():
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = build()
    assert torch.equal(before, torch.get_rng_state())
    torch.manual_seed(2)
    second, other = build(), resnet(8, generator=stream(1, "test"))
    for name, value in first.state_dict().items():
        assert torch.equal(value, second.state_dict()[name])
    assert not torch.equal(first.conv1.weight, other.conv1.weight)


@pytest.mark.parametrize("init", get_args(Initialisation))
@pytest.mark.parametrize("norm", [norm for norm in get_args(Norm) if norm != "none"])
def test_every_norm_has_the_same_kernels(norm, init):
    with_norm = build(norm=norm, init=init).state_dict()
    without = build(norm="none", init=init).state_dict()
    kernels = [name for name in with_norm if name.endswith("weight") and name in without]
    assert len(kernels) == 10  # 7 convolutions, 2 projections, 1 linear layer
    for name in kernels:
        assert torch.equal(with_norm[name], without[name])
    biases = [value for name, value in without.items() if "conv" in name and "bias" in name]
    assert len(biases) == 7
    assert all(bool(value.any()) == (init == "torch") for value in biases)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"depth": 2}, "at least 8"),
        ({"depth": 21}, "6n"),
        ({"depth": -4}, "at least 8"),
        ({"depth": 20.0}, "depth 20.0: must be an integer, at least 8"),
        ({"norm": "instance"}, "batch, none, last, layer, group"),
        ({"norm": "noise", "noise": "pixel"}, "place, unit, layer, entry"),
        ({"norm": "batch", "noise": "unit"}, "requires norm noisy or noise"),
        ({"shortcut": "B"}, "projection, identity"),
        ({"init": "zeros"}, "xavier, kaiming, orthogonal, torch"),
        ({"classes": 0}, "at least 1"),
    ],
)
def test_refused(options, words):
    with pytest.raises(ValueError, match=words) as caught:
        build(**options)
    assert "\n" not in str(caught.value)
