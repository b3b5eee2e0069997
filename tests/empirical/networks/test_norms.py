"""The table of normalisations: l_p layers against their formulas, and the noise against its law."""

import math
from typing import get_args

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.func import functional_call
from torch.nn import functional

from bnproof.empirical.data.images import stream
from bnproof.empirical.metrics.objective import Objective
from bnproof.empirical.networks.table import Noise, NoiseOf, Norm, Normalisation, PowerNorm, build
from bnproof.simulate.samplers.definitions.normalizers import Kind
from bnproof.theory.normalizers.table import find

POWERS = (1, 2, math.inf)
SHAPES = ((6, 4), (6, 4, 3, 5))


@pytest.fixture(params=["cpu", "cuda"])
def device(request):
    if request.param == "cuda" and not torch.cuda.is_available():
        pytest.skip("no GPU here")
    return request.param


def values(shape=(6, 4, 3, 5), seed="y", **options):
    """Units with means of their own: a scale before the mean's shift is another than after."""
    draws = torch.randn(shape, generator=stream(0, seed), dtype=torch.float64)
    units = torch.arange(shape[1], dtype=torch.float64).view(1, -1, *[1] * (len(shape) - 2))
    return (draws * (1 + units) + 2 * units - 3).to(**options)


def trained(layer, seed="affine"):
    """The layer in float64 with a gamma and beta that are not 1 and 0."""
    layer.double().train()
    with torch.no_grad():
        layer.weight.uniform_(-2, 2, generator=stream(0, seed))
        layer.bias.uniform_(-2, 2, generator=stream(0, seed))
    return layer


@pytest.mark.parametrize("name", ["l_1", "l_2", "l_inf"])
@pytest.mark.parametrize("printed", [True, False])
def test_powers_and_centring_are_those_of_the_table_of_normalisers(name, printed) -> None:
    entry = find(f"{name} BatchNorm" + (", printed" if printed else ""))
    norm = name.replace("_", "") + ("" if printed else "-centred")
    layer = Normalisation(norm).after(4)
    assert (layer.power, layer.centred) == (float(entry.power), entry.scale_centred)


@pytest.mark.parametrize("shape", SHAPES)
def test_centred_l2_is_batch_norm(shape, device):
    ours = trained(PowerNorm(4, 2, centred=True)).to(device)
    theirs = nn.BatchNorm2d(4) if len(shape) == 4 else nn.BatchNorm1d(4)
    theirs.double().to(device).load_state_dict(
        {"weight": ours.weight, "bias": ours.bias}, strict=False
    )
    weight = values(shape, "weight", device=device)
    found = []
    for layer in (ours, theirs):
        y = values(shape, device=device).requires_grad_()
        out = layer(y)
        gradients = torch.autograd.grad((out * weight).sum(), (y, layer.weight, layer.bias))
        found.append((out, *gradients))
    for mine, expected in zip(*found, strict=True):
        torch.testing.assert_close(mine, expected, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(ours.running_mean, theirs.running_mean)
    assert ours.num_batches_tracked == theirs.num_batches_tracked == 1
    # Control: the printed l_2 layer is another.
    printed = PowerNorm(4, 2).double().to(device)
    assert not torch.allclose(
        printed(y) * 1, nn.functional.batch_norm(y, None, None, training=True)
    )


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("centred", [False, True])
@pytest.mark.parametrize("power", POWERS)
def test_power_norms_are_the_operators_of_the_theory(power, centred, shape):
    # eps = 0: the same operator as in the sampler of normalisers, on each unit as a group.
    layer = trained(PowerNorm(4, power, centred=centred, eps=0.0))
    kind = Kind(power=float(power), scale_centred=centred)
    weight = values(shape, "weight")

    def theirs(y):
        group = y.transpose(0, 1).flatten(1)
        z = layer.weight[:, None] * kind.normalise(group, torch.zeros(())) + layer.bias[:, None]
        return z.view(4, shape[0], *shape[2:]).transpose(0, 1)

    found = []
    for function in (layer, theirs):
        y = values(shape).requires_grad_()
        out = function(y)
        loss = (out * weight).sum() + (out**3).sum()
        (first,) = torch.autograd.grad(loss, y, create_graph=True)
        (second,) = torch.autograd.grad((first * weight).sum(), y)
        found.append((out, first, second))
    for ours, expected in zip(*found, strict=True):
        torch.testing.assert_close(ours, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("centred", [False, True])
@pytest.mark.parametrize("power", POWERS)
def test_gradient_is_the_closed_form(power, centred):
    # v = (Af - <n,f> w)/S, w the gradient of the root of S^2 + eps.
    eps = 0.1
    layer = PowerNorm(1, power, centred=centred, eps=eps).double().train()
    u, f = values((8, 2), "u")[:, :1], values((8, 2), "f")[:, 1]
    leaf = u.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(layer(leaf).flatten(), leaf, f)
    x = (u - u.mean()).flatten() if centred else u.flatten()
    if math.isinf(power):
        mean = x.abs().max()
        slope = x.sign() * (x.abs() == mean)
    else:
        mean = (x.abs() ** power).mean() ** (1 / power)
        slope = x.sign() * (x.abs() / mean) ** (power - 1) / len(x)
    if centred:
        slope = slope - slope.mean()
    scale = (mean**2 + eps).sqrt()
    w = slope * mean / scale
    n = (u - u.mean()).flatten() / scale
    expected = (f - f.mean() - (n @ f) * w) / scale
    torch.testing.assert_close(gradient.flatten(), expected, rtol=1e-10, atol=1e-12)


def test_running_statistics_are_those_that_evaluation_uses():
    layer = PowerNorm(4, 1, momentum=0.25).double()
    y = values()
    layer.train()(y)
    mean, scale = y.mean((0, 2, 3)), y.abs().mean((0, 2, 3))
    torch.testing.assert_close(layer.running_mean, mean / 4)
    torch.testing.assert_close(layer.running_scale, 0.75 + scale / 4)
    before = layer.running_scale.clone()
    out = layer.eval()(y)
    assert torch.equal(layer.running_scale, before)
    root = (before**2 + 1e-5).sqrt()
    shape = (4, 1, 1)
    expected = (y - (mean / 4).view(shape)) / root.view(shape)
    torch.testing.assert_close(out, expected)
    torch.testing.assert_close(layer(y[:1]), out[:1])  # one image by itself
    layer.train().track_running_stats = False
    layer(y)
    assert torch.equal(layer.running_scale, before)


@pytest.mark.parametrize("power", POWERS)
def test_power_norms_under_function_transforms(power):
    layer = trained(PowerNorm(4, power))
    layer.track_running_stats = False
    parameters = {name: p.detach() for name, p in layer.named_parameters()}
    y, tangent = values(), values(seed="t")

    def loss(y):
        return (functional_call(layer, parameters, (y,)) ** 3).sum()

    _, product = torch.func.jvp(torch.func.grad(loss), (y,), (tangent,))
    leaf = y.clone().requires_grad_()
    (first,) = torch.autograd.grad(loss(leaf), leaf, create_graph=True)
    (second,) = torch.autograd.grad((first * tangent).sum(), leaf)
    torch.testing.assert_close(product, second, rtol=1e-8, atol=1e-8)
    small = y[:2, :, :1, :1]
    hessian = torch.func.hessian(loss)(small).reshape(8, 8)
    torch.testing.assert_close(hessian, hessian.T)


@pytest.mark.parametrize("power", POWERS)
def test_bfloat16_has_float32_statistics(power, device):
    layer = PowerNorm(4, power).to(device).train()
    # A mean of 300 deviations: sums in bfloat16 would keep 8 bits of it.
    y = (300 + torch.randn(64, 4, 8, 8, generator=stream(0, "y"))).to(device, torch.bfloat16)
    with torch.autocast(device, dtype=torch.bfloat16):
        out = layer(y)
    assert out.dtype == torch.bfloat16
    torch.testing.assert_close(
        layer.running_mean.double() * 10, y.double().mean((0, 2, 3)), rtol=1e-5, atol=0
    )
    exact = PowerNorm(4, power).double().to(device).train()(y.double())
    torch.testing.assert_close(out.double(), exact, rtol=2**-8, atol=1e-6)


def test_channels_last_stays():
    layer = PowerNorm(4, 1).train()
    y = values(dtype=torch.float32)
    last = layer(y.contiguous(memory_format=torch.channels_last))
    assert last.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(last, layer(y))


@pytest.mark.parametrize("centred", [False, True])
@pytest.mark.parametrize("power", POWERS)
def test_a_dead_unit_stays_finite(power, centred):
    layer = PowerNorm(3, power, centred=centred).train()
    y = torch.zeros(5, 3).requires_grad_()
    (first,) = torch.autograd.grad(layer(y).square().sum(), y, create_graph=True)
    (second,) = torch.autograd.grad((first + y).sum(), y)
    assert first.isfinite().all()
    assert second.isfinite().all()


@pytest.mark.parametrize(
    ("shape", "words"), [((1, 4), "one value per unit"), ((5, 3), r"must be \(b, 4, \.\.\.\)")]
)
def test_inputs_that_have_no_statistics_are_refused(shape, words):
    with pytest.raises(ValueError, match=words):
        PowerNorm(4, 1).train()(torch.zeros(shape))


def drawn(of, shape, seed=0, device="cpu"):
    """m and s of one forward pass: ``s a + m`` at a = 0 and a = 1."""
    layer = Noise(of).train()
    found = []
    for a in (torch.zeros(shape, device=device), torch.ones(shape, device=device)):
        torch.manual_seed(seed)
        found.append(layer(a).cpu())
    return found[0], found[1] - found[0]


def test_noise_has_the_law_of_the_algorithm(device):
    samples, units = 4000, 60
    m, s = drawn("unit", (samples, units), device=device)
    # A unit's m is uniform on mu +- 0.1: its extremes of 4000 draws are within 0.001 of it.
    mu = (m.amax(0) + m.amin(0)) / 2
    assert (m.amax(0) - m.amin(0)).tolist() == pytest.approx([0.2] * units, abs=2e-3)
    assert mu.abs().max() < 0.5
    assert mu.std() == pytest.approx(1 / 12**0.5, rel=0.25)  # of 60 uniform draws; error 6 %
    # s is normal with deviation 0.1 around sigma, uniform on [1, 1.25].
    assert s.std(0).tolist() == pytest.approx([0.1] * units, rel=0.06)  # error 1.1 % each
    sigma = s.mean(0)
    assert sigma.min() > 1 - 0.01
    assert sigma.max() < 1.25 + 0.01
    assert sigma.std() == pytest.approx(0.25 / 12**0.5, rel=0.25)
    again, _ = drawn("unit", (samples, units), seed=1, device=device)
    assert (again.mean(0) - m.mean(0)).abs().max() > 0.2  # every step draws mu anew


def test_what_has_its_own_noise():
    shape = (2000, 5, 2, 3)

    def spreads(of):
        m, _ = drawn(of, shape)
        centre = (m.amax(0) + m.amin(0)) / 2
        same = (m == m[:, :, :1, :1]).all()
        return same, centre.std((1, 2)).max(), centre[:, 0, 0].std(), m[0, :, 0, 0].unique()

    same, within, between, entries = spreads("unit")
    assert same
    assert within == 0
    assert between > 0.05
    same, within, between, entries = spreads("layer")
    assert same
    assert between < 0.005  # one mu for all units
    assert len(entries) == 5  # but an m for each
    same, within, _, _ = spreads("entry")
    assert not same
    assert within > 0.05
    same, within, between, entries = spreads("place")
    assert not same
    assert within < 0.005  # one mu for all places of a unit
    assert between > 0.05
    assert len(entries) == 5


def test_noise_is_of_training_only_and_from_the_global_generator(device):
    layer = Noise().eval()
    a = torch.ones(3, 4, device=device)
    assert layer(a) is a
    layer.train()
    torch.manual_seed(3)
    first, second = layer(a), layer(a)
    torch.manual_seed(3)
    assert torch.equal(layer(a), first)
    assert not torch.equal(first, second)
    assert layer(a.to(torch.bfloat16)).dtype == torch.bfloat16


def test_noisy_is_batch_norm_with_that_noise():
    layer = Normalisation("noisy", "layer").after(4, places=True).train()
    y = values(dtype=torch.float32)
    torch.manual_seed(0)
    out = layer(y)
    torch.manual_seed(0)
    assert torch.equal(out, Noise("layer")(nn.BatchNorm2d(4)(y)))
    assert torch.equal(layer.eval()(y), layer[0](y))


@pytest.mark.parametrize("norm", [norm for norm in get_args(Norm) if norm != "last"])
@pytest.mark.parametrize("shape", [(6, 16), (6, 16, 3, 5)])
def test_every_entry_of_the_table_keeps_the_shape(norm, shape, device):
    entry = Normalisation(norm)
    layer = entry.after(16, places=len(shape) == 4).to(device).train()
    y = values(shape, dtype=torch.float32, device=device)
    out = layer(y)
    assert out.shape == y.shape
    assert out.isfinite().all()
    assert entry.shifts == any(name.endswith("bias") for name, _ in layer.named_parameters())
    assert torch.equal(out, y) == (norm == "none")


@given(word=st.text(max_size=12).filter(lambda word: word not in get_args(NoiseOf)))
@settings(max_examples=20, deadline=None)
def test_unknown_words_are_refused(word):
    for arguments in ((word,), ("noisy", word), ("last",)):
        with pytest.raises(ValueError, match="must be one of") as caught:
            Normalisation(*arguments)
        assert "\n" not in str(caught.value)


def test_refusals_name_the_mend():
    with pytest.raises(ValueError, match="the nearest is l1-centred"):
        Normalisation("l1-centered")
    with pytest.raises(ValueError, match="requires norm noisy or noise"):
        Normalisation("batch", "unit")
    with pytest.raises(ValueError, match="12 units are not a multiple of 8 groups"):
        Normalisation("group").after(12)
    with pytest.raises(ValueError, match="power 3: must be one of 1, 2, inf"):
        PowerNorm(4, 3)


def test_statistics_of_these_layers_cannot_be_frozen():
    """Else running averages would stand for the batch's statistics without a word."""
    net = build({"family": "vgg", "norm": "l1", "width": 8}, generator=torch.Generator())
    inputs, labels = torch.randn(4, 3, 32, 32), torch.arange(4)
    with pytest.raises(ValueError, match="keeps statistics of its own, running_"):
        Objective(net, functional.cross_entropy, inputs, labels, statistics="frozen")
