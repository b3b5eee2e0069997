"""Fully connected networks and the deep linear one: formulas, weights, and what is refused."""

from typing import get_args

import pytest
import torch

from bnproof.empirical.data.images import stream
from bnproof.empirical.networks.dense import dense
from bnproof.empirical.networks.table import Initialisation, Norm, linear

NORMS = [norm for norm in get_args(Norm) if norm != "last"]


def build(hidden=4, width=32, **options):
    return dense(hidden, generator=stream(0, "dense"), width=width, **options)


def deep(depth=25, **options):
    return linear(depth, generator=stream(0, "linear"), **options)


@pytest.mark.parametrize("norm", ["batch", "none"])
@pytest.mark.parametrize("shortcuts", [True, False])
@pytest.mark.parametrize("nonlinearity", ["relu", "tanh"])
def test_dense_is_its_formula(norm, shortcuts, nonlinearity):
    x = torch.randn(6, 3, 32, 32, generator=stream(0, "x"))
    net = build(norm=norm, shortcuts=shortcuts, nonlinearity=nonlinearity)
    value = x.flatten(1)
    for number, layer in enumerate(net.layers):
        out = value @ layer.weight.T
        if norm == "batch":
            variance, mean = torch.var_mean(out, dim=0, correction=0)
            out = (out - mean) / (variance + 1e-5).sqrt()
        out = out.clamp(min=0) if nonlinearity == "relu" else out.tanh()
        value = value + out if shortcuts and number > 0 else out
    torch.testing.assert_close(net(x), value @ net.linear.weight.T, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("init", get_args(Initialisation))
def test_every_norm_has_the_same_weights(init):
    torch.manual_seed(1)
    state = torch.get_rng_state()
    nets = [build(norm=norm, init=init) for norm in NORMS]
    nets += [build(norm="none", init=init, nonlinearity="sigmoid", shortcuts=True)]
    assert torch.equal(state, torch.get_rng_state())
    for net in nets[1:]:
        for number in range(1, 6):
            assert torch.equal(net.layer(number).weight, nets[0].layer(number).weight)


def test_dense_draws_he_and_multiplies_by_its_gain():
    net = build(norm="none")
    # 98304 weights: the sample variance has a relative standard error of 0.5 %.
    assert net.layer(1).weight.var().item() == pytest.approx(2 / 3072, rel=0.03)
    assert all(not net.layer(number).bias.any() for number in range(1, 6))
    torch.testing.assert_close(build(gain=3).layer(5).weight, 3 * net.layer(5).weight)


def test_layers_are_numbered_first_to_last():
    net = build()
    assert net.depth == 5
    assert net.layer(1) is net.layers[0]
    assert net.activation(4) is net.norms[3]
    assert net.layer(5) is net.activation(5) is net.linear


def test_deep_linear_network_is_the_product_of_its_weights():
    net = deep(norm="none").double()
    assert net.depth == 25
    assert sum(parameter.numel() for parameter in net.parameters()) == 25 * 100  # no biases
    product = torch.linalg.multi_dot([net.layer(number).weight for number in range(25, 0, -1)])
    x = torch.randn(7, 10, generator=stream(0, "x"), dtype=torch.float64)
    torch.testing.assert_close(net(x), x @ product.T)
    variances = [net.layer(number).weight.var().item() for number in range(1, 26)]
    assert sum(variances) / 25 == pytest.approx(1 / 10, rel=0.1)  # Glorot; error 2 %


def test_deep_linear_network_with_norm():
    net, plain = deep(norm="batch"), deep(norm="none")
    for number in range(1, 26):
        assert torch.equal(net.layer(number).weight, plain.layer(number).weight)
        assert net.layer(number).bias is None
    assert len(net.norms) == 24
    x = torch.randn(50, 10, generator=stream(0, "x"))
    kept = []
    net.activation(24).register_forward_hook(lambda _module, _given, out: kept.append(out))
    out = net.train()(x)
    torch.testing.assert_close(kept[0].mean(0), torch.zeros(10), atol=1e-5, rtol=0)
    assert out.shape == (50, 10)
    assert deep(3, size=4, width=6, norm="none")(x[:, :4]).shape == (50, 4)


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda: build(1), "hidden 1: must be an integer, at least 2"),
        (lambda: build(shortcuts="no"), "shortcuts 'no': must be one of True, False"),
        (lambda: build(nonlinearity="gelu"), "relu, tanh, sigmoid, none"),
        (lambda: build(pixels=0), "pixels 0"),
        (lambda: build(norm="last"), "norm 'last': must be one of"),
        (lambda: deep(1), "depth 1: must be an integer, at least 2"),
        (lambda: deep(norm="group"), "10 units are not a multiple of 8 groups"),
        (lambda: deep(gain=-1), "gain -1"),
    ],
)
def test_refused(function, words):
    with pytest.raises(ValueError, match=words) as caught:
        function()
    assert "\n" not in str(caught.value)
