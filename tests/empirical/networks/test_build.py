"""Networks from descriptions: every norm in every family, LSUV, and what is refused."""

from typing import get_args

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from bnproof.empirical.data.images import stream
from bnproof.empirical.metrics.curvature import Curvature
from bnproof.empirical.networks.resnet import resnet
from bnproof.empirical.networks.table import FAMILIES, Norm, build, scale_layers
from bnproof.theory.common.errors import UserError

NETWORKS = {
    "resnet": {"family": "resnet", "depth": 8},
    "vgg": {"family": "vgg", "width": 8},
    "dense": {"family": "dense", "hidden": 3, "width": 16},
    "linear": {"family": "linear", "depth": 5, "size": 16, "width": 16},
}
CASES = [
    (family, norm)
    for family in NETWORKS
    for norm in get_args(Norm)
    if family == "resnet" or norm != "last"
]


@pytest.fixture(params=["cpu", "cuda"])
def device(request):
    if request.param == "cuda" and not torch.cuda.is_available():
        pytest.skip("no GPU here")
    return request.param


def made(family="resnet", inputs=None, **options):
    return build(NETWORKS[family] | options, generator=stream(0, "test"), inputs=inputs)


def batch(family, count=6):
    shape = (count, 16) if family == "linear" else (count, 3, 32, 32)
    return torch.randn(shape, generator=stream(0, "x"))


def test_all_families_are_tested():
    assert set(NETWORKS) == set(FAMILIES)


def test_a_description_is_the_call_of_its_family():
    direct = resnet(8, norm="none", generator=stream(0, "test"))
    for name, value in made(norm="none").state_dict().items():
        assert torch.equal(value, direct.state_dict()[name])


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(("family", "norm"), CASES)
def test_every_norm_takes_a_step(family, norm, precision, device):
    net = made(family, norm=norm).to(device)
    net.to(memory_format=torch.channels_last)
    inputs, labels = batch(family).to(device), (torch.arange(6) % 3).to(device)
    before = {name: p.detach().clone() for name, p in net.named_parameters()}
    torch.manual_seed(0)
    optimiser = torch.optim.SGD(net.parameters(), lr=0.01)
    with torch.autocast(device, dtype=precision, enabled=precision != torch.float32):
        loss = functional.cross_entropy(net.train()(inputs).float(), labels)
    loss.backward()
    optimiser.step()
    for name, parameter in net.named_parameters():
        assert parameter.isfinite().all(), name
        assert parameter.grad is not None, name
    assert any(not torch.equal(p, before[name]) for name, p in net.named_parameters())
    assert net.eval()(inputs).isfinite().all()


@pytest.mark.parametrize("norm", ["l1", "linf-centred", "noisy"])
def test_every_norm_can_be_probed(norm):
    # Products by a retained graph and by linearisation: double backward against jvp(grad).
    net = made("dense", norm=norm, nonlinearity="tanh").double()
    inputs, labels = batch("dense").double(), torch.arange(6) % 3
    state = {name: value.clone() for name, value in net.state_dict().items()}
    found = []
    for method in ("graph", "linear"):
        curvature = Curvature(net, functional.cross_entropy, inputs, labels, method=method)
        v = torch.randn(curvature.size, generator=stream(0, "v"), dtype=torch.float64)
        found.append(curvature.product(v))
    torch.testing.assert_close(found[0], found[1], rtol=1e-7, atol=1e-9)
    assert all(torch.equal(value, state[name]) for name, value in net.state_dict().items())


def deviations(net, inputs):
    found = []
    handles = [
        module.register_forward_hook(
            lambda _module, _given, out: found.append(out.std(correction=0).item())
        )
        for module in net.modules()
        if isinstance(module, nn.Conv2d | nn.Linear)
    ]
    torch.manual_seed(0)  # the noise under which LSUV scaled
    net(inputs)
    for handle in handles:
        handle.remove()
    return found


@pytest.mark.parametrize(("family", "norm"), CASES)
def test_lsuv_gives_every_layer_variance_1(family, norm):
    inputs = 3 * batch(family)  # what has variance 1 keeps it under square orthogonal weights
    before = deviations(made(family, norm=norm, init="orthogonal").train(), inputs)
    torch.manual_seed(5)
    state = torch.get_rng_state()
    net = made(family, inputs, norm=norm, init="lsuv").train()
    assert torch.equal(state, torch.get_rng_state())
    for name, value in net.named_buffers():
        assert torch.equal(value, dict(made(family, norm=norm).named_buffers())[name])
    after = deviations(net, inputs)
    # Projections on shortcuts are not counted as layers, and are scaled all the same.
    assert len(after) == len(before) == net.depth + (2 if family == "resnet" else 0)
    assert after == pytest.approx([1] * len(after), rel=1e-4)
    assert before != pytest.approx([1] * len(after), rel=0.1)
    weight = net.layer(2).weight.flatten(1)
    gram = weight @ weight.T
    torch.testing.assert_close(gram, gram[0, 0] * torch.eye(len(gram)), atol=1e-4, rtol=0)


def test_lsuv_refuses_a_dead_layer():
    net = made(norm="none", init="orthogonal")
    nn.init.zeros_(net.blocks[1].conv1.weight)
    with pytest.raises(ValueError, match=r"standard deviation 0\.0"):
        scale_layers(net, torch.ones(2, 3, 32, 32))
    assert not any(module._forward_hooks for module in net.modules())
    with pytest.raises(UserError, match=r"network vgg: .*standard deviation 0\.0"):
        made("vgg", torch.zeros(2, 3, 32, 32), norm="none", init="lsuv")


@pytest.mark.parametrize(
    ("network", "words"),
    [
        ({}, "network family None: must be one of resnet, vgg, dense, linear"),
        ({"family": "resnets", "depth": 8}, "the nearest is resnet"),
        ({"family": ["vgg"]}, "network family"),
        ({"family": "resnet"}, "network resnet: depth is missing"),
        ({"family": "dense", "depth": 5}, "network dense: option 'depth': must be one of hidden"),
        ({"family": "vgg", "generator": 1}, "option 'generator': must be one of norm"),
        ({"family": "vgg", "nrom": "l1"}, "the nearest is norm"),
        ({"family": "vgg", "init": "lsuvv"}, "orthogonal, torch, lsuv; the nearest is lsuv"),
        ({"family": "vgg", "init": "lsuv"}, "init 'lsuv': needs a batch"),
        ({"family": "vgg", "init": "lsuv", "gain": 2}, "gain: init 'lsuv' sets the scale"),
        ({"family": "vgg", "norm": ["l1"]}, "norm .*: must be one of"),
        ({"family": "resnet", "depth": "20"}, "depth '20': must be an integer"),
        (
            {"family": "resnet", "depth": 20, "norm": "noisy", "noise": "pixel"},
            "place, unit, layer",
        ),
    ],
)
def test_refused(network, words):
    with pytest.raises(UserError, match=words) as caught:
        build(network, generator=stream(0, "test"))
    assert "\n" not in str(caught.value)


ANYTHING = st.none() | st.booleans() | st.integers(-3, 1) | st.floats() | st.text(max_size=9)


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_whatever_is_given_is_built_or_refused_in_one_line(data):
    family = data.draw(st.sampled_from(sorted(NETWORKS)))
    options = ("norm", "noise", "init", "depth", "hidden", "width", "gain", "nonlinearity", "x")
    wrong = data.draw(st.dictionaries(st.sampled_from(options), ANYTHING, min_size=1, max_size=3))
    refused = ""
    try:
        net = build(NETWORKS[family] | wrong, generator=stream(0, "test"))
    except UserError as error:
        refused = str(error)
    else:
        assert all(parameter.isfinite().all() for parameter in net.parameters())
    assert "\n" not in refused
