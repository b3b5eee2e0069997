"""Theorems 4.1 and 4.2 in networks: the relations of the claims, by paths of their own."""

import pytest
import sympy as sp
import torch
from torch import nn
from torch.nn import functional

from bnproof.empirical.data.images import stream
from bnproof.empirical.metrics.table import EXACT, theorem_terms
from bnproof.empirical.networks.vgg import vgg
from bnproof.simulate.samplers.networks import normalise
from bnproof.theory.claims.gradient import santurkar_4_1_eps
from bnproof.theory.symbols import eps, gamma, gy, m, s

PRECISIONS = pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-5)]
)


@pytest.fixture(params=["cpu", "cuda"])
def device(request):
    if request.param == "cuda" and not torch.cuda.is_available():
        pytest.skip("no GPU here")
    return request.param


def network(smallest=1e-5, dtype=torch.float64, device="cpu"):
    """Convolutions and linear layers with BN, a shortcut from a BN's input, ReLUs in place."""

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(2, 4, 3)
            self.norm1 = nn.BatchNorm2d(4, eps=smallest)
            self.linear = nn.Linear(4 * 16, 5)
            self.norm2 = nn.BatchNorm1d(5, eps=smallest)
            self.last = nn.Linear(5, 3)

        def forward(self, x):
            y = self.conv(x)
            x = functional.relu(self.norm1(y), inplace=True) + torch.tanh(y)
            return self.last(functional.softplus(self.norm2(self.linear(x.flatten(1)))))

    torch.manual_seed(0)
    net = Net()
    with torch.no_grad():
        for norm in (net.norm1, net.norm2):
            norm.weight.normal_(1, 0.5)
            norm.bias.normal_()
    return net.to(device, dtype)


def data(dtype=torch.float64, device="cpu"):
    x = torch.randn(12, 2, 6, 6, generator=stream(1, "x"), dtype=torch.float64)
    return x.to(device, dtype), (torch.arange(12) % 3).to(device)


def terms(net, x, y, **rest):
    return theorem_terms(net, functional.cross_entropy, x, y, **rest)


@PRECISIONS
def test_the_bound_is_an_identity_for_vanishing_eps(dtype, tolerance, device):
    """Theorem 4.1 as printed, and 4.2: equalities at eps = 0."""
    x, y = data(dtype, device)
    for one in terms(network(1e-30, dtype, device), x, y, curvature=3).values():
        for name in ("santurkar_4_1", "santurkar_4_1_eps"):
            assert one.sides[name].excess.abs().max() < tolerance
            torch.testing.assert_close(
                one.sides[name].right, one.vv, rtol=10 * tolerance, atol=tolerance
            )
        for sides in one.curvature.sides.values():
            assert sides.excess.abs().max() < tolerance
            assert not sides.violated.any()


@PRECISIONS
def test_with_eps_the_slack_is_the_proofs_own(dtype, tolerance, device):
    x, y = data(dtype, device)
    found = terms(network(0.3, dtype, device), x, y, curvature=3)
    proof = santurkar_4_1_eps.prove()
    slack = sp.lambdify([m, eps, gamma, s, gy], sum(term.expr for term in proof.slack))
    for one in found.values():
        sides = one.sides["santurkar_4_1_eps"]
        assert sides.inside.all()
        assert not one.sides["santurkar_4_1"].inside.any()
        assert not sides.violated.any()
        expected = slack(one.m, 0.3, one.gamma, one.s, one.gy)
        size = (one.gamma / one.s) ** 2 * one.gg
        assert ((sides.slack - expected).abs() / size).max() < tolerance
        assert (expected / size).max() > 10 * tolerance  # so that it was worth the measuring
        exact = one.curvature.sides[EXACT]
        assert exact.excess.max() < tolerance
        # Control: the printed form of 4.2 is no identity with eps, in either direction or both.
        assert one.curvature.sides["santurkar_4_2_eps"].excess.abs().max() > 1e-4


def by_hand(net, x, y, unit):
    """Letters of one unit of norm1 by a function of its activations alone, all others fixed."""
    norm, fixed = net.norm1, net.conv(x).detach()
    rows = fixed.transpose(0, 1).flatten(1)
    scale = torch.tensor([norm.eps]).double()

    def after(z):
        out = functional.relu(z) + torch.tanh(fixed)
        hidden = net.linear(out.flatten(1))
        hidden = normalise(hidden.T, scale).T * net.norm2.weight + net.norm2.bias
        return functional.cross_entropy(net.last(functional.softplus(hidden)), y)

    def loss_of_z(z_unit):
        z = normalise(rows, scale) * norm.weight[:, None] + norm.bias[:, None]
        z = torch.cat([z[:unit], z_unit[None], z[unit + 1 :]])
        return after(z.view(4, 12, 4, 4).transpose(0, 1))

    def loss_of_y(y_unit):
        return loss_of_z(normalise(y_unit, scale) * norm.weight[unit] + norm.bias[unit])

    y_unit = rows[unit]
    z_unit = normalise(y_unit, scale) * norm.weight[unit] + norm.bias[unit]
    g, v = torch.func.grad(loss_of_z)(z_unit), torch.func.grad(loss_of_y)(y_unit)
    H, K = torch.func.hessian(loss_of_z)(z_unit), torch.func.hessian(loss_of_y)(y_unit)
    return g, v, v @ H @ v, v @ K @ v


def test_letters_are_those_of_one_unit_with_all_others_fixed():
    net, (x, y) = network(), data()
    one = terms(net, x, y, curvature=4)["norm1"]
    assert (one.m, one.curvature.units) == (12 * 16, (0, 1, 2, 3))
    for unit in range(4):
        g, v, at_z, at_y = by_hand(net, x, y, unit)
        assert one.gg[unit].item() == pytest.approx((g @ g).item(), rel=1e-9)
        assert one.vv[unit].item() == pytest.approx((v @ v).item(), rel=1e-9)
        assert one.curvature.at_z[unit].item() == pytest.approx(at_z.item(), rel=1e-8)
        assert one.curvature.at_y[unit].item() == pytest.approx(at_y.item(), rel=1e-8)
    expected = one.curvature.sides["santurkar_4_2_eps"].right
    torch.testing.assert_close(one.curvature.scaled - one.curvature.subtracted, expected)


def test_the_reductions_are_the_derivatives_in_beta_and_gamma():
    net, (x, y) = network(), data()
    found = terms(net, x, y)
    functional.cross_entropy(net(x), y).backward()
    for name, one in found.items():
        norm = net.get_submodule(name)
        torch.testing.assert_close(one.g1, norm.bias.grad)
        torch.testing.assert_close(one.gy, norm.weight.grad)
        assert one.chance == 1 / one.m
        shares = torch.stack([one.mean_share, one.hat_share])
        assert ((shares >= 0) & (shares <= 1)).all()
        assert torch.equal(one.lowers, one.gamma * one.gy > 0)
        torch.testing.assert_close(one.factor, one.gamma / one.sigma)


def test_what_the_layer_takes_off_is_what_the_bound_says():
    net, (x, y) = network(1e-12), data()
    for one in terms(net, x, y).values():
        reduction = one.reduction
        assert reduction.measured == pytest.approx(reduction.mean + reduction.hat, rel=1e-6)
        assert 0 < reduction.measured < 1


def test_layers_of_a_network_of_images_and_noise_after_them():
    net = vgg(generator=stream(0, "network"), norm="noisy", width=2)
    x = torch.randn(8, 3, 32, 32, generator=stream(1, "x"))
    found = terms(net, x, torch.arange(8))
    assert list(found) == [f"norms.{number}.0" for number in range(10)]
    assert [one.m for one in found.values()] == [
        8 * side**2 for side in (32, 16, 8, 8, 4, 4, 2, 2, 1, 1)
    ]
    for one in found.values():
        assert not one.sides["santurkar_4_1_eps"].violated.any()


def test_units_are_drawn_by_seed_and_slices_do_not_matter(monkeypatch):
    net, (x, y) = network(), data()
    whole = terms(net, x, y, curvature=2, seed=4)["norm1"]
    monkeypatch.setattr("bnproof.empirical.metrics.theorems.ENTRIES", 1)
    sliced = terms(net, x, y, curvature=2, seed=4, names=["norm1"])["norm1"]
    assert whole.curvature.units == sliced.curvature.units
    torch.testing.assert_close(whole.gg, sliced.gg)
    drawn = {terms(net, x, y, curvature=2, seed=seed)["norm1"].curvature.units for seed in range(6)}
    assert len(drawn) > 1


def test_a_constant_unit_breaks_no_relation():
    net, (x, y) = network(), data()
    with torch.no_grad():
        net.conv.weight[1] = 0
    one = terms(net, x, y)["norm1"]
    assert one.sigma[1] == 0
    assert not one.sides["santurkar_4_1_eps"].violated.any()
    assert torch.isfinite(one.sides["santurkar_4_1_eps"].excess).all()


class Doubled(nn.BatchNorm1d):
    def forward(self, x):
        return 2 * super().forward(x)


def test_bad_input_is_named():
    net, (x, y) = network(), data()
    with pytest.raises(ValueError, match="curvature -1: must be a number of units"):
        terms(net, x, y, curvature=-1)
    with pytest.raises(ValueError, match="no layer 'norm3'; nearest: norm"):
        terms(net, x, y, names=["norm3"])
    with pytest.raises(ValueError, match="'conv' is Conv2d, not batch normalisation"):
        terms(net, x, y, names=["conv"])
    with pytest.raises(ValueError, match="no batch-normalisation layer"):
        terms(nn.Sequential(nn.Flatten(), nn.Linear(72, 3)).double(), x, y)
    wrong = nn.Sequential(nn.Flatten(), nn.Linear(72, 3), Doubled(3)).double()
    with pytest.raises(ValueError, match="'2' is not batch normalisation of its input"):
        terms(wrong, x, y)
    shared = nn.BatchNorm1d(72)
    twice = nn.Sequential(nn.Flatten(), shared, shared, nn.Linear(72, 3)).double()
    with pytest.raises(ValueError, match="'1' is called 2 times"):
        terms(twice, x, y)
    with pytest.raises(ValueError, match=r"computes in torch\.bfloat16"):
        terms(network(dtype=torch.bfloat16), x.bfloat16(), y)
    with pytest.raises(FloatingPointError, match="is not finite"):
        terms(net, x * torch.inf, y)
