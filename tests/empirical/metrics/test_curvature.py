"""Hessian products against differences of gradients, in every mode; nothing left behind."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from bnproof.empirical.metrics.curvature import CHANGE_OVER, Curvature, sharpness

MODES = pytest.mark.parametrize("statistics", ["batch", "running", "frozen"])
METHODS = pytest.mark.parametrize("method", ["graph", "linear", "auto"])


@pytest.fixture(params=["cpu", "cuda"])
def device(request):
    if request.param == "cuda" and not torch.cuda.is_available():
        pytest.skip("no GPU here")
    return request.param


def network():
    """Convolutions and a linear layer with BN between them, in float64, some steps from new."""
    torch.manual_seed(3)
    model = nn.Sequential(
        nn.Conv2d(2, 3, 3, bias=False),
        nn.BatchNorm2d(3),
        nn.Tanh(),
        nn.Flatten(),
        nn.Linear(3 * 4 * 4, 5),
        nn.BatchNorm1d(5),
        nn.Linear(5, 3),
    ).double()
    for _ in range(3):
        model(torch.randn(16, 2, 6, 6, dtype=torch.float64))
    return model


def batch(device="cpu"):
    generator = torch.Generator().manual_seed(4)
    inputs = torch.randn(12, 2, 6, 6, generator=generator, dtype=torch.float64)
    return inputs.to(device), (torch.arange(12) % 3).to(device)


def mode_gradient(statistics, w):
    """Gradient at flat weights w of an own copy of the network, in the named mode, by backward."""
    model = network()
    inputs, targets = batch()
    start = nn.utils.parameters_to_vector(model.parameters())
    layers = [m for m in model if isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d)]
    if statistics == "frozen":
        # A momentum of 1 leaves the batch's own statistics behind, the variance unbiased.
        for layer in layers:
            layer.momentum = 1.0
        x = inputs
        for module in model:
            if module in layers:
                count = x.numel() / x.shape[1]
            x = module(x)
            if module in layers:
                module.running_var *= (count - 1) / count
    model.train(statistics == "batch")
    nn.utils.vector_to_parameters(start if w is None else w, model.parameters())
    loss = functional.cross_entropy(model(inputs), targets)
    gradient = torch.autograd.grad(loss, list(model.parameters()))
    return loss.item(), torch.cat([part.flatten() for part in gradient]).detach(), start.detach()


@MODES
@METHODS
def test_product_is_the_difference_quotient_of_gradients(statistics, method) -> None:
    curvature = Curvature(
        network(), functional.cross_entropy, *batch(), statistics=statistics, method=method
    )
    value, gradient, w = mode_gradient(statistics, None)
    assert curvature.value == pytest.approx(value, rel=1e-12)
    torch.testing.assert_close(curvature.gradient, gradient, rtol=1e-11, atol=1e-14)
    direction = torch.randn(len(w), generator=torch.Generator().manual_seed(5), dtype=w.dtype)
    step = 1e-5
    ahead = mode_gradient(statistics, w + step * direction)[1]
    behind = mode_gradient(statistics, w - step * direction)[1]
    quotient = (ahead - behind) / (2 * step)
    torch.testing.assert_close(curvature.product(direction), quotient, rtol=1e-6, atol=1e-7)


def test_the_modes_are_different_functions() -> None:
    """The control: were they not, a peer that forces evaluation mode would do no harm."""
    direction = torch.ones(Curvature(network(), functional.cross_entropy, *batch()).size).double()
    found = [
        Curvature(network(), functional.cross_entropy, *batch(), statistics=s).quotient(direction)
        for s in ("batch", "running", "frozen")
    ]
    for i, j in ((0, 1), (0, 2), (1, 2)):
        assert abs(found[i] - found[j]) > 0.05 * max(map(abs, found))


def test_frozen_has_the_loss_of_batch() -> None:
    values = [
        Curvature(network(), functional.cross_entropy, *batch(), statistics=s).value
        for s in ("batch", "frozen", "running")
    ]
    assert values[0] == pytest.approx(values[1], rel=1e-12)
    assert values[0] != pytest.approx(values[2], rel=1e-3)


@MODES
def test_eigenvalues_are_those_of_the_dense_matrix(statistics, device) -> None:
    model = network().to(device)
    curvature = Curvature(
        model, functional.cross_entropy, *batch(device), statistics=statistics, method="auto"
    )
    unit = torch.eye(curvature.size, dtype=torch.float64, device=device)
    dense = torch.stack([curvature.product(e) for e in unit])
    assert curvature.products > CHANGE_OVER  # so both methods had their part
    torch.testing.assert_close(dense, dense.T, rtol=1e-9, atol=1e-11)
    exact = torch.linalg.eigvalsh(dense).cpu().numpy()
    top = curvature.eigenvalues(3, tolerance=1e-10)
    np.testing.assert_allclose(top, exact[::-1][:3], rtol=1e-8)
    low = curvature.eigenvalues(1, which="SA", tolerance=1e-10)
    np.testing.assert_allclose(low, exact[:1], rtol=1e-8, atol=1e-10)


@MODES
def test_sharpness_is_the_largest_eigenvalue(statistics, device) -> None:
    problem = (network().to(device), functional.cross_entropy, *batch(device))
    curvature = Curvature(*problem, statistics=statistics)
    unit = torch.eye(curvature.size, dtype=torch.float64, device=device)
    exact = torch.linalg.eigvalsh(torch.stack([curvature.product(e) for e in unit]))[-1].item()
    fine = sharpness(*problem, rate=0.1, tolerance=1e-6, statistics=statistics)
    assert fine.eigenvalue == pytest.approx(exact, rel=1e-9)
    assert fine.beta_rate == pytest.approx(0.1 * exact)
    assert fine.along == pytest.approx(curvature.quotient(curvature.gradient), rel=1e-12)
    quick = sharpness(*problem, rate=0.1, statistics=statistics)
    assert quick.products < fine.products < curvature.size
    assert quick.residual <= 0.03 * quick.eigenvalue
    assert quick.eigenvalue == pytest.approx(exact, rel=0.01)
    assert quick.eigenvalue <= exact


class Valley(nn.Module):
    """A gradient across the steepest direction: (100 u^2 + |w|^2)/2 at u = 0."""

    def __init__(self) -> None:
        super().__init__()
        self.u, self.w = nn.Parameter(torch.zeros(1)), nn.Parameter(torch.linspace(0, 1, 50))

    def forward(self, inputs):
        return (100 * self.u.square().sum() + self.w.square().sum()) / 2 + 0 * inputs.sum()


def test_sharpness_is_found_across_the_gradient() -> None:
    model, x = Valley().double(), torch.zeros(1)
    found = sharpness(model, lambda outputs, _: outputs, x, x, rate=0.1)
    assert found.eigenvalue == pytest.approx(100, rel=1e-6)
    assert found.along == pytest.approx(1)
    with torch.no_grad():
        model.w.zero_()  # no gradient at all
    still = sharpness(model, lambda outputs, _: outputs, x, x, rate=0.1)
    assert still.eigenvalue == pytest.approx(100, rel=1e-6)
    assert np.isnan(still.along)


def test_sharpness_that_is_not_reached_is_refused(monkeypatch) -> None:
    monkeypatch.setattr("bnproof.empirical.metrics.curvature.MOST", 3)
    problem = (network(), functional.cross_entropy, *batch())
    with pytest.raises(ArithmeticError, match="after 3 products; choose a tolerance above 1e-06"):
        sharpness(*problem, rate=0.1, tolerance=1e-6)
    for bad in ({"rate": 0.0}, {"rate": 0.1, "tolerance": np.inf}):
        with pytest.raises(ValueError, match="must be positive and finite"):
            sharpness(*problem, **bad)


@MODES
def test_the_model_is_left_bit_identical(statistics) -> None:
    model = nn.Sequential(network(), nn.Dropout(0.5))
    model[0][1].eval()  # a flag of its own
    before = {name: value.clone() for name, value in model.state_dict().items()}
    flags = [module.training for module in model.modules()]
    random = torch.get_rng_state()
    curvature = Curvature(model, functional.cross_entropy, *batch(), statistics=statistics)
    curvature.eigenvalues(1)
    for name, value in model.state_dict().items():
        torch.testing.assert_close(value, before[name], rtol=0, atol=0)
    assert flags == [module.training for module in model.modules()]
    assert torch.equal(random, torch.get_rng_state())
    assert all(parameter.grad is None for parameter in model.parameters())
    layers = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
    assert all(layer.track_running_stats for layer in layers)


def test_dropout_is_one_function_for_both_methods() -> None:
    model = nn.Sequential(nn.Dropout(0.3), network(), nn.Dropout(0.5))
    torch.manual_seed(9)
    graph = Curvature(model, functional.cross_entropy, *batch(), method="graph")
    torch.rand(7)  # what others draw in between does not matter
    linear = Curvature(model, functional.cross_entropy, *batch(), method="linear")
    direction = graph.gradient
    torch.testing.assert_close(graph.product(direction), linear.product(direction))


def test_later_steps_of_the_model_do_not_reach_it() -> None:
    model = network()
    curvature = Curvature(model, functional.cross_entropy, *batch(), method="auto")
    direction = curvature.gradient
    before = curvature.product(direction)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(1.5)
    torch.testing.assert_close(curvature.product(direction), before, rtol=0, atol=0)
    curvature.products = CHANGE_OVER
    torch.testing.assert_close(curvature.product(direction), before)


def test_bad_input_is_named() -> None:
    def make(model=None, loss=functional.cross_entropy, **rest):
        return Curvature(model or network(), loss, *batch(), **rest)

    with pytest.raises(ValueError, match="statistics 'eval': must be one of batch, running"):
        make(statistics="eval")
    with pytest.raises(ValueError, match="method 'fast': must be one of auto"):
        make(method="fast")
    with pytest.raises(ValueError, match="no parameter that requires a gradient"):
        make(network().requires_grad_(False))
    with pytest.raises(ValueError, match=r"the loss has shape \(12,\)"):
        make(loss=lambda z, t: functional.cross_entropy(z, t, reduction="none"))
    with pytest.raises(FloatingPointError, match="the loss is nan"):
        make(loss=lambda z, t: functional.cross_entropy(z, t) * float("nan"))
    with pytest.raises(ValueError, match="vector of shape"):
        make().product(torch.zeros(3))
    bare = nn.Sequential(nn.BatchNorm2d(2, track_running_stats=False), nn.Flatten())
    with pytest.raises(ValueError, match="keeps no running statistics"):
        make(bare, statistics="frozen")
