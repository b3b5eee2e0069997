"""How far the descent goes, on a quadratic whose end is known, and against the path of figure 3."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional

from bnproof.empirical.data.images import stream
from bnproof.empirical.metrics.landscape import losses_along_gradient
from bnproof.empirical.metrics.reach import reach
from bnproof.empirical.networks.resnet import resnet


class Bowl(nn.Module):
    """``a w^2/2``: a step eta along minus the gradient lowers it if and only if eta < 2/a."""

    def __init__(self, curvature):
        super().__init__()
        self.w = nn.Parameter(torch.ones(1, dtype=torch.float64))
        self.curvature = curvature

    def forward(self, x):
        return self.curvature * self.w.square().sum() / 2 + 0 * x.sum()


def found_in(model, **options):
    x = torch.zeros(1, dtype=torch.float64)
    chosen = {"span": (1e-4, 1.0), "steps": 2} | options
    return reach(model, lambda output, _targets: output, x, x, **chosen)


@pytest.mark.parametrize("curvature", [7.0, 30.0, 450.0])
@pytest.mark.parametrize(("steps", "finer"), [(1, 1), (2, 4), (3, 10)])
def test_the_end_of_the_descent_is_known_to_the_stated_factor(curvature, steps, finer):
    found = found_in(Bowl(curvature), steps=steps, finer=finer)
    factor = 10 ** (1 / (steps * finer))
    assert found.step < 2 / curvature < found.step * factor * (1 + 1e-9)
    assert found.loss == curvature / 2
    assert found.gradient["w"].item() == curvature


def test_the_ends_of_the_span():
    assert found_in(Bowl(1.0)).step == pytest.approx(1.0)  # 2/a is beyond it
    assert found_in(Bowl(1e6)).step == 0.0
    assert found_in(Bowl(1e4 * 1.99)).step == pytest.approx(1e-4)
    assert found_in(Bowl(1.0), span=(0.5, 0.5)).step == 0.5


def test_the_walk_ends_at_the_first_step_that_does_not_lower_the_loss():
    class Wave(Bowl):
        def forward(self, x):
            return torch.sin(self.w).sum() + 0 * x.sum()

    # Steps of about 2 pi/cos(1) lower nothing, longer ones do again.
    found = found_in(Wave(1.0), span=(0.1, 100.0), steps=8)
    assert found.step < 2 * math.pi / math.cos(1)


def test_a_rise_within_rounding_counts_as_lower():
    curvature = 2 / 0.0099  # the step 0.01 raises the loss by 4 %
    spans = {"span": (0.01, 0.01), "steps": 1}
    assert found_in(Bowl(curvature), **spans).step == 0.0
    assert found_in(Bowl(curvature), rounding=0.1, **spans).step == 0.01


@pytest.mark.parametrize("norm", ["batch", "none"])
def test_it_is_the_largest_descent_of_the_path(norm):
    model = resnet(8, generator=stream(0, "network"), norm=norm)
    inputs = torch.randn(6, 3, 32, 32, generator=stream(1, "inputs"))
    labels = torch.arange(6)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    found = reach(model, functional.cross_entropy, inputs, labels, span=(1e-3, 10.0), steps=2)
    rates = [10 ** (power / 2) for power in range(-6, 3)]
    path = losses_along_gradient(model, functional.cross_entropy, inputs, labels, rates)
    assert found.step == pytest.approx(path.largest_descent())
    assert found.loss == pytest.approx(path.loss)
    length = math.sqrt(sum(g.double().square().sum().item() for g in found.gradient.values()))
    assert length == pytest.approx(path.length, rel=1e-5)
    assert list(found.gradient) == [name for name, _ in model.named_parameters()]
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize(
    "options",
    [{"span": (0.0, 1.0)}, {"span": (1.0, 0.1)}, {"steps": 0}, {"finer": 0}],
)
def test_what_is_out_of_range_is_refused(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        found_in(Bowl(1.0), **options)
