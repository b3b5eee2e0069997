"""Landscape and covariate shift on functions whose constants are known; wrong protocols are not."""

import dataclasses
import math

import pytest
import torch
from torch import nn
from torch.nn import functional

from bnproof.empirical.data.images import stream
from bnproof.empirical.metrics.curvature import Curvature, sharpness
from bnproof.empirical.metrics.landscape import (
    DLN_SPAN,
    VGG_CAP,
    VGG_SPAN,
    along_gradient,
    gradient_landscape,
    losses_along_gradient,
)
from bnproof.empirical.metrics.shift import covariate_shift, sgd_step
from bnproof.empirical.networks.resnet import resnet
from bnproof.theory.training import smoothness as definitions

CURVATURES = torch.tensor([4.0, 1.0, 0.25], dtype=torch.float64)
START = torch.tensor([1.0, -2.0, 3.0], dtype=torch.float64)
RATES = (0.05, 0.1, 0.2, 0.4)


class Quadratic(nn.Module):
    """w -> (w'Aw)/2 for each sample, A diagonal: g = Aw, g(w - eta g) = (1 - eta A)Aw."""

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(START.clone())

    def forward(self, inputs):
        return (CURVATURES.to(self.w) * self.w * self.w).sum() / 2 + 0 * inputs.sum()


def value(outputs, _targets):
    return outputs


def metric(rates=RATES, model=None, loss=value):
    return along_gradient(model or Quadratic(), loss, torch.zeros(1), torch.zeros(1), rates)


def test_a_quadratic_gives_its_constants() -> None:
    found = metric()
    g = CURVATURES * START
    assert found.length == pytest.approx(float(g.norm()), rel=1e-14)
    bent = float((CURVATURES * g).norm())  # |g(w) - g(w - eta g)| = eta |Ag|
    assert found.changes == pytest.approx([rate * bent for rate in RATES], rel=1e-12)
    assert found.beta == pytest.approx(bent / float(g.norm()), rel=1e-12)
    assert CURVATURES.min() <= found.beta <= CURVATURES.max()
    expected = [float((CURVATURES * (START - rate * g) ** 2).sum() / 2) for rate in RATES]
    assert found.losses == pytest.approx(expected, rel=1e-13)
    assert found.variation == pytest.approx((min(expected), found.loss), rel=1e-13)


def checkpoint(model=None, loss=value, **rest):
    return gradient_landscape(model or Quadratic(), loss, torch.zeros(1), torch.zeros(1), **rest)


def test_a_checkpoint_of_a_quadratic_gives_its_constants() -> None:
    g = CURVATURES * START
    bent = float((CURVATURES * g).norm())
    found = checkpoint(rate=0.1)
    assert (found.rates[0], found.rates[-1], len(found.rates)) == pytest.approx((0.05, 0.4, 8))
    ratios = [b / a for a, b in zip(found.rates[:-1], found.rates[1:], strict=True)]
    assert ratios == pytest.approx([8 ** (1 / 7)] * 7)
    assert found.beta == pytest.approx(bent / float(g.norm()), rel=1e-12)
    assert found.beta_rate == pytest.approx(0.1 * found.beta)
    assert found.predictiveness == pytest.approx((0.05 * bent, 0.4 * bent))
    expected = [float((CURVATURES * (START - rate * g) ** 2).sum() / 2) for rate in found.rates]
    assert found.extremes == pytest.approx((min(expected), max(expected)))
    assert found.variation == pytest.approx((min(expected), found.loss))
    assert found.broken == 0
    # The same steps, asked for one by one.
    assert dataclasses.asdict(metric(found.rates)).items() <= dataclasses.asdict(found).items()


def test_step_sizes_of_a_checkpoint() -> None:
    deep = checkpoint(rate=1e-6, span=DLN_SPAN, steps=3)
    assert deep.rates == pytest.approx((1e-8, 1e-8 * 3000**0.5, 3e-5))
    # The cap of A18: at rate 0.1 the end of the span, at 0.5 far inside it.
    for rate, last in ((0.1, 0.4), (0.5, 0.4), (0.01, 0.04)):
        found = checkpoint(rate=rate, span=VGG_SPAN, cap=VGG_CAP)
        assert (found.rates[0], found.rates[-1]) == pytest.approx((0.5 * rate, last))
    assert checkpoint(rate=0.1, span=(2.0, 2.0), steps=1).rates == pytest.approx((0.2,))


def test_at_matched_length_the_points_do_not_depend_on_the_size_of_the_loss() -> None:
    def tenfold(outputs, _targets):
        return 10 * outputs

    plain = checkpoint(rate=0.1, length=0.3)
    large = checkpoint(rate=0.1, length=0.3, loss=tenfold)
    assert [eta * plain.length for eta in (plain.rates[0], plain.rates[-1])] == pytest.approx(
        [0.15, 1.2]
    )
    assert large.losses == pytest.approx([10 * loss for loss in plain.losses])
    assert large.beta_rate == pytest.approx(10 * plain.beta_rate)
    # Control: at matched rate the steps are ten times as long, and end elsewhere.
    apart = checkpoint(rate=0.1, loss=tenfold)
    assert apart.losses != pytest.approx(
        [10 * loss for loss in checkpoint(rate=0.1).losses], rel=0.1
    )


def test_sharpness_of_a_quadratic_is_its_largest_curvature() -> None:
    g = CURVATURES * START
    found = sharpness(Quadratic(), value, torch.zeros(1), torch.zeros(1), rate=0.5)
    assert found.eigenvalue == pytest.approx(4, rel=1e-10)
    assert found.beta_rate == pytest.approx(2)
    assert found.along == pytest.approx(float(g @ (CURVATURES * g) / (g @ g)), rel=1e-12)
    # Effective beta lies between the curvature along the gradient and the largest.
    assert found.along < metric().beta < found.eigenvalue


def test_descent_is_contiguous_from_zero() -> None:
    # The loss on the path is a parabola in eta, back at its start at eta = 2 g'g/g'Ag.
    g = CURVATURES * START
    limit = float(2 * (g @ g) / (g @ (CURVATURES * g)))
    found = metric(rates=(0.5 * limit, 0.99 * limit, 1.01 * limit))
    assert found.largest_descent() == pytest.approx(0.99 * limit)
    assert metric(rates=(1.01 * limit,)).largest_descent() == 0
    # A lower loss after a barrier does not count.
    gap = dataclasses.replace(found, losses=(1.0, found.loss + 1, 0.5))
    assert gap.largest_descent() == pytest.approx(0.5 * limit)
    # A rise that is no more than rounding does not end it, and only then.
    flat = dataclasses.replace(found, losses=(1.0, found.loss * (1 + 1e-7), 0.5))
    assert flat.largest_descent() == pytest.approx(0.5 * limit)
    assert flat.largest_descent(rounding=1e-6) == pytest.approx(1.01 * limit)
    assert gap.largest_descent(rounding=1e-6) == pytest.approx(0.5 * limit)


@pytest.mark.parametrize("norm", ["batch", "none"])
def test_losses_alone_are_those_of_the_landscape(norm) -> None:
    net = resnet(8, generator=stream(0, "network"), norm=norm)
    inputs, targets = torch.randn(6, 3, 32, 32, generator=stream(1, "x")), torch.arange(6)
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    problem = (net, functional.cross_entropy, inputs, targets, (1e-3, 1e-2, 1.0))
    alone, whole = losses_along_gradient(*problem), along_gradient(*problem)
    assert (alone.rates, alone.loss, alone.length) == (whole.rates, whole.loss, whole.length)
    assert alone.losses == pytest.approx(whole.losses, rel=1e-5)
    assert alone.largest_descent() == whole.largest_descent()
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())
    with pytest.raises(ValueError, match="step sizes"):
        losses_along_gradient(*problem[:-1], ())


def test_wrong_protocols_do_not_give_the_constants() -> None:
    """The three named in the module: each differs from the definition where the truth is known."""
    found = metric()
    g = CURVATURES * START
    w, velocity, gradients, points = START, torch.zeros(3, dtype=torch.float64), [], []
    for _ in RATES:  # consecutive steps of a training with momentum; the first has none yet
        gradients.append(CURVATURES * w)
        points.append(w)
        velocity = 0.9 * velocity + gradients[-1]
        w = w - 0.1 * velocity
    consecutive = [
        definitions.quotient((gradients[i], gradients[i + 1]), (points[i], points[i + 1]), dot, dot)
        for i in range(1, len(RATES) - 1)
    ]
    assert abs(max(consecutive) / found.beta - 1) > 0.01
    uphill = [float((CURVATURES * (START + rate * g) ** 2).sum() / 2) for rate in RATES]
    assert min(uphill) > found.loss > found.variation[0]
    ends = []
    for rate in RATES:  # smallest and largest loss over runs of different rates
        w = START
        for _ in range(5):
            w = w - rate * CURVATURES * w
        ends.append(float((CURVATURES * w * w).sum() / 2))
    assert abs((max(ends) - min(ends)) / (found.variation[1] - found.variation[0]) - 1) > 0.01


def dot(u, v):
    return float(u @ v)


def test_what_is_not_finite_is_recorded() -> None:
    def wall(outputs, _targets):
        return torch.where(outputs < 3, torch.tensor(float("nan")), outputs)

    assert metric().losses[-1] < 3 < metric().loss
    found = metric(loss=wall)
    assert math.isnan(found.losses[-1])
    assert found.variation[1] == math.inf
    assert found.largest_descent() < RATES[-1]
    whole = checkpoint(rate=0.1, loss=wall)
    assert whole.broken == sum(math.isnan(loss) for loss in whole.losses) > 0
    assert whole.extremes[0] >= 3
    assert whole.extremes[1] == whole.predictiveness[1] == whole.beta_rate == math.inf


def test_random_layers_draw_the_same_at_every_step() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), nn.Linear(8, 2)).double()
    inputs = torch.randn(6, 4, generator=stream(0, "x"), dtype=torch.float64)
    problem = (net, functional.cross_entropy, inputs, torch.arange(6) % 2, (1e-9, 2e-9, 3e-9))
    for found in (losses_along_gradient(*problem), along_gradient(*problem)):
        assert found.losses == pytest.approx([found.loss] * 3, rel=1e-7)


@pytest.mark.parametrize("norm", ["batch", "none"])
@pytest.mark.parametrize("statistics", ["batch", "running"])
def test_the_model_is_left_bit_identical(norm, statistics) -> None:
    net = resnet(8, generator=stream(0, "network"), norm=norm)
    inputs, targets = torch.randn(6, 3, 32, 32, generator=stream(1, "x")), torch.arange(6)
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    random, after = torch.get_rng_state(), [2 * p.detach() for p in net.parameters()]
    rates = (1e-3, 1e-2)
    along_gradient(net, functional.cross_entropy, inputs, targets, rates, statistics=statistics)
    names = [[name] for name, _ in net.named_parameters()]
    covariate_shift(net, functional.cross_entropy, inputs, targets, after, names)
    for name, tensor in net.state_dict().items():
        assert torch.equal(tensor, before[name])
    assert torch.equal(random, torch.get_rng_state())
    assert all(p.grad is None for p in net.parameters())
    assert net.training


def test_beta_of_a_network_tends_to_the_curvature_along_the_gradient() -> None:
    net = resnet(8, generator=stream(0, "network")).double()
    inputs = torch.randn(6, 3, 32, 32, generator=stream(1, "x"), dtype=torch.float64)
    problem = (net, functional.cross_entropy, inputs, torch.arange(6))
    curvature = Curvature(*problem)
    bent = curvature.product(curvature.gradient).norm() / curvature.gradient.norm()
    assert along_gradient(*problem, (1e-7,)).beta == pytest.approx(float(bent), rel=1e-4)


class Product(nn.Module):
    """Outputs x a b c: three layers of one weight each."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = (nn.Parameter(torch.tensor([v]).double()) for v in (2.0, 3.0, 5.0))

    def forward(self, inputs):
        return inputs * self.a * self.b * self.c


def half_square(outputs, targets):
    return ((outputs - targets) ** 2).mean() / 2


def test_shift_of_a_product_by_hand() -> None:
    inputs, targets = torch.ones(1, 1).double(), torch.zeros(1, 1).double()
    after = [torch.tensor([v]).double() for v in (2.5, 2.0, 4.0)]
    layers = [["a"], ["b"], ["c"]]
    first, second, third = covariate_shift(Product(), half_square, inputs, targets, after, layers)
    # dL/da = a (bc)^2 and so on, each with the earlier weights replaced.
    assert (first.distance, first.cosine) == (0, pytest.approx(1))
    assert (first.length, second.length) == pytest.approx((2 * 15**2, 3 * 10**2))
    assert second.relative == pytest.approx(second.distance / 300)
    assert second.distance == pytest.approx(abs(3 * (2 * 5) ** 2 - 3 * (2.5 * 5) ** 2))
    assert third.distance == pytest.approx(abs(5 * (2 * 3) ** 2 - 5 * (2.5 * 2.0) ** 2))
    # S4's words, with the later layers updated as well, give another number.
    everything = abs(3 * (2 * 5) ** 2 - 3 * (2.5 * 4.0) ** 2)
    assert second.distance != pytest.approx(everything)


def test_shift_of_a_network_is_that_of_gradients_taken_one_by_one() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.Tanh(), nn.Linear(6, 3)).double()
    inputs = torch.randn(8, 4, generator=stream(0, "x"), dtype=torch.float64)
    problem = (net, functional.cross_entropy, inputs, torch.arange(8) % 3)
    after = sgd_step(*problem, rate=0.7)
    layers = [["0.weight", "0.bias"], ["1.weight", "1.bias"], ["3.weight", "3.bias"]]
    found = covariate_shift(*problem, after, layers)

    def gradients(moved):
        with torch.no_grad():
            for number, parameter in enumerate(net.parameters()):
                parameter.copy_(after[number] if number < moved else before[number])
        parts = torch.autograd.grad(
            functional.cross_entropy(net(inputs), problem[3]), list(net.parameters())
        )
        return [
            torch.cat([a.flatten(), b.flatten()]) for a, b in zip(*[iter(parts)] * 2, strict=True)
        ]

    before = [parameter.detach().clone() for parameter in net.parameters()]
    usual = gradients(0)
    for number, one in enumerate(found):
        shifted = gradients(2 * number)[number]
        assert one.length == pytest.approx(usual[number].norm().item())
        assert one.distance == pytest.approx((usual[number] - shifted).norm().item(), abs=1e-15)
        cosine = functional.cosine_similarity(usual[number], shifted, dim=0)
        assert one.cosine == pytest.approx(cosine.item())
    steps = zip(before, after, torch.cat(usual).split([p.numel() for p in before]), strict=True)
    for old, new, slope in steps:
        torch.testing.assert_close(new, old - 0.7 * slope.view_as(old))


def test_a_layer_without_gradient_has_no_cosine() -> None:
    model = Product()
    with torch.no_grad():
        model.a.zero_()
    inputs, after = torch.ones(1, 1).double(), [torch.ones(1).double()] * 3
    first, second, _ = covariate_shift(
        model, half_square, inputs, torch.zeros(1, 1).double(), after, [["a"], ["b"], ["c"]]
    )
    assert (first.distance, second.length) == (0, 0)
    assert math.isnan(second.cosine)
    assert math.isnan(second.relative)
    assert second.distance > 0


def test_bad_input_is_named() -> None:
    with pytest.raises(ValueError, match="must be one or more positive, finite step sizes"):
        metric(rates=())
    with pytest.raises(ValueError, match="rates"):
        metric(rates=(0.1, -1.0))
    flat = Quadratic()
    with torch.no_grad():
        flat.w.zero_()
    with pytest.raises(FloatingPointError, match=r"length 0\.0: it defines no direction"):
        metric(model=flat)
    model, inputs = Product(), torch.ones(1, 1).double()
    after = [torch.ones(1).double()] * 3

    def shift(layers, after=after):
        return covariate_shift(model, half_square, inputs, inputs, after, layers)

    with pytest.raises(ValueError, match="no parameter 'd'; known: a, b, c"):
        shift([["a"], ["d"]])
    with pytest.raises(ValueError, match="'a' is listed twice"):
        shift([["a"], ["a"]])
    with pytest.raises(ValueError, match="2 tensors; give the 3"):
        shift([["a"]], after[:2])
    for bad, message in (
        ({"rate": 0.0}, "rate 0.0: must be positive"),
        ({"rate": 0.1, "cap": math.nan}, "cap nan: must be positive"),
        ({"rate": 0.1, "length": -1.0}, "length -1.0: must be positive"),
        ({"rate": 0.1, "span": (4.0, 0.5)}, "must be two positive factors"),
        ({"rate": 0.1, "steps": 0}, "steps 0: must be at least 1"),
        ({"rate": 0.1, "cap": 0.01}, "cap 0.01: below the smallest step size, 0.05"),
    ):
        with pytest.raises(ValueError, match=message):
            checkpoint(**bad)
