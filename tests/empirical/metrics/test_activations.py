"""Distributions of activations: against SciPy, and against updates whose effect is known."""

import numpy as np
import pytest
import scipy.stats
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from bnproof.empirical.data.images import stream
from bnproof.empirical.metrics.table import activation_moments, activation_shift, earth_mover
from bnproof.empirical.networks.vgg import vgg

SETTINGS = settings(max_examples=25, deadline=None)


def network(gain=1.0):
    """Two linear layers, BN with a ReLU in place after the first; in float64."""
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Linear(5, 4), nn.BatchNorm1d(4), nn.ReLU(inplace=True), nn.Linear(4, 3)
    ).double()
    with torch.no_grad():
        model[3].weight.mul_(gain)
    return model


def data(count=40, seed=1):
    return torch.randn(count, 5, generator=stream(seed, "x"), dtype=torch.float64)


def parameters(model):
    return [parameter.detach().clone() for parameter in model.parameters()]


@SETTINGS
@given(
    st.lists(st.tuples(st.floats(-1e3, 1e3), st.floats(-1e3, 1e3)), min_size=1, max_size=30).map(
        lambda pairs: torch.tensor(pairs, dtype=torch.float64).T
    )
)
def test_earth_mover_is_that_of_scipy(pair):
    expected = scipy.stats.wasserstein_distance(pair[0].numpy(), pair[1].numpy())
    assert earth_mover(pair[0], pair[1]).item() == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_earth_mover_of_known_changes():
    sample = torch.randn(3, 50, generator=stream(0, "a"), dtype=torch.float64)
    # A shift moves all earth by itself; the order of the samples does not matter.
    shuffled = sample[:, torch.randperm(50, generator=stream(0, "b"))]
    torch.testing.assert_close(earth_mover(sample, shuffled + 2.5), torch.full((3,), 2.5).double())
    doubled = earth_mover(sample, 2 * sample)
    torch.testing.assert_close(doubled, sample.abs().mean(1))
    # Control: the mean of the paired differences is another number.
    assert ((sample - shuffled).abs().mean(1) > 0.5).all()
    assert (earth_mover(sample, shuffled) == 0).all()
    broken = sample.clone()
    broken[1, 7] = torch.nan
    assert earth_mover(sample, broken).tolist() == [0, np.inf, 0]
    with pytest.raises(ValueError, match=r"\(3, 50\) and \(3, 49\): must be equal"):
        earth_mover(sample, sample[:, :49])


@pytest.mark.parametrize("layer", ["1", "3"])
def test_shift_by_hand_through_passes_of_its_own(layer):
    model, x = network(), data()
    after = [1.3 * p + 0.2 for p in parameters(model)]
    found = activation_shift(model, x, after, [layer])[layer]
    before, own = network(), int(layer)
    earlier, whole = network(), network()
    with torch.no_grad():
        for number, (name, parameter) in enumerate(earlier.named_parameters()):
            if int(name[0]) < own:
                parameter.copy_(after[number])
        for parameter, new in zip(whole.parameters(), after, strict=True):
            parameter.copy_(new)
        a, b, c = (net[: own + 1](x) for net in (before, earlier, whole))
    for moved, there in ((found.earlier, b), (found.whole, c)):
        expected = [
            scipy.stats.wasserstein_distance(a[:, i], there[:, i]) for i in range(a.shape[1])
        ]
        np.testing.assert_allclose(moved.distances, expected, rtol=1e-10)
        torch.testing.assert_close(moved.deviations, a.std(0, correction=0))
        assert moved.mean == pytest.approx(np.mean(expected))
        relative = np.mean(expected / a.std(0, correction=0).numpy())
        assert moved.relative == pytest.approx(relative)
        assert moved.constant == 0
    assert found.earlier.mean != pytest.approx(found.whole.mean, rel=0.01)


def test_only_earlier_layers_count_as_earlier():
    model, x = network(), data()
    after = parameters(model)
    after[-2] += 1  # weights of the last layer alone
    found = activation_shift(model, x, after, ["1", "3"])
    assert found["1"].earlier.mean == found["1"].whole.mean == found["3"].earlier.mean == 0
    assert found["3"].whole.mean > 0
    # BN hides a change of the scale before it, but for eps.
    after = parameters(model)
    after[0] *= 10
    after[1] *= 10
    found = activation_shift(model, x, after, ["0", "1"])
    assert found["0"].whole.relative > 1
    assert found["1"].earlier.relative < 1e-3


class Backwards(nn.Module):
    """Layers stand in another order than they act in, one inside a block that has a scale."""

    def __init__(self):
        super().__init__()
        self.last = nn.Linear(5, 5)
        self.first = nn.Linear(5, 5)
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, x):
        return self.scale * self.last(self.first(x))


def test_earlier_means_called_earlier():
    model = Backwards().double()
    x, (scale, last, _, first, _) = data(), range(5)
    for changed, expected in ((first, True), (last, False), (scale, False)):
        after = parameters(model)
        after[changed] = after[changed] + 0.5
        assert (activation_shift(model, x, after, ["last"])["last"].earlier.mean > 0) == expected


def test_unit_distributions_move_at_most_the_root_of_two():
    """Huang and Yu (2020): of mean 0 and variance 1 both, W1 <= sqrt(2), whatever the update."""
    x = data()
    for size in (1e-2, 1.0, 1e4):
        model = nn.Sequential(nn.Linear(5, 6), nn.BatchNorm1d(6, affine=False, eps=1e-12)).double()
        noise = [
            size * torch.randn(p.shape, generator=stream(2, "noise")).double()
            for p in model.parameters()
        ]
        after = [p + n for p, n in zip(parameters(model), noise, strict=True)]
        found = activation_shift(model, x, after, ["0", "1"])
        assert (found["1"].whole.distances <= 2**0.5).all()
    assert (found["0"].whole.distances > 2**0.5).all()  # the layer before it has no bound


def test_dead_units_are_counted_and_leave_the_mean_alone():
    model, x = network(), data()
    with torch.no_grad():
        model[1].bias[2] = -100.0
    after = [1.1 * p for p in parameters(model)]
    found = activation_shift(model, x, after, ["2"])["2"].whole
    assert found.constant == 1
    alive = found.deviations > 0
    expected = (found.distances / found.deviations)[alive].mean().item()
    assert found.relative == pytest.approx(expected)
    assert activation_moments(model, ["2"], x)["2"].units.kurtosis.isnan().tolist() == [
        False,
        False,
        True,
        False,
    ]


def test_an_update_that_breaks_the_network_is_recorded():
    model, x = network(), data()
    after = parameters(model)
    after[0][0, 0] = torch.inf
    found = activation_shift(model, x, after, ["0"])["0"].whole
    assert found.distances[0] == found.mean == np.inf
    assert torch.isfinite(found.distances[1:]).all()


def test_moments_are_those_of_scipy_and_numpy():
    model, x = network(), data()
    found = activation_moments(model, ["0", "1", "2"], x, levels=(0.1, 0.5))
    with torch.no_grad():
        a = network()[:2](x).numpy()
    units = found["1"].units
    np.testing.assert_allclose(units.mean, a.mean(0), atol=1e-12)
    np.testing.assert_allclose(units.variance, a.var(0), rtol=1e-10)
    np.testing.assert_allclose(units.skewness, scipy.stats.skew(a), rtol=1e-9)
    np.testing.assert_allclose(units.kurtosis, scipy.stats.kurtosis(a, fisher=False), rtol=1e-9)
    np.testing.assert_allclose(units.quantiles, np.quantile(a, (0.1, 0.5), axis=0), rtol=1e-9)
    pooled = found["1"].pooled
    assert pooled.kurtosis.item() == pytest.approx(scipy.stats.kurtosis(a, axis=None, fisher=False))
    np.testing.assert_allclose(pooled.quantiles, np.quantile(a, (0.1, 0.5)))
    # The ReLU works in place, and the layer before it is measured all the same.
    assert found["1"].units.quantiles.min() < 0 <= found["2"].units.quantiles.min()


def test_units_are_channels_of_images_and_statistics_are_named():
    model = vgg(generator=stream(0, "network"), width=2)
    x = torch.randn(6, 3, 32, 32, generator=stream(1, "x"))
    names = ["norms.2", "norms.8"]
    batch = activation_moments(model, names, x)
    running = activation_moments(model.eval(), names, x, statistics="running")
    assert batch["norms.2"].units.mean.shape == (8,)
    assert batch["norms.8"].units.mean.shape == (16,)
    for name in names:
        torch.testing.assert_close(
            batch[name].units.mean, torch.zeros_like(batch[name].units.mean), atol=1e-6, rtol=0
        )
        assert (running[name].units.mean.abs() > 1e-3).any()


class Partly(nn.Module):
    def __init__(self):
        super().__init__()
        self.used, self.unused = nn.Linear(5, 5), nn.Linear(5, 5)

    def forward(self, x):
        return self.used(x)


def test_bad_input_is_named():
    model, x = network(), data()
    net = vgg(generator=stream(0, "network"), width=2)
    with pytest.raises(ValueError, match=r"no layer 'norm.2'; nearest: norms.2"):
        activation_moments(net, ["norm.2"], torch.zeros(2, 3, 32, 32))
    with pytest.raises(ValueError, match="no layer 'zzz'; known: 0, 1, 2, 3"):
        activation_shift(model, x, parameters(model), ["zzz"])
    for names in ([], "0"):
        with pytest.raises(ValueError, match="must be a list of one or more module names"):
            activation_moments(model, names, x)
    with pytest.raises(ValueError, match="quantiles between 0 and 1"):
        activation_moments(model, ["0"], x, levels=(1.5,))
    with pytest.raises(ValueError, match="2 tensors; give the 6"):
        activation_shift(model, x, parameters(model)[:2], ["0"])
    with pytest.raises(ValueError, match="'unused' is not called"):
        activation_moments(Partly().double(), ["unused"], x)
    flat = nn.Sequential(nn.Linear(5, 5), nn.Flatten(0)).double()
    with pytest.raises(ValueError, match=r"layer '1': its output is \(200,\); must be \(batch, un"):
        activation_moments(flat, ["1"], x)
