"""The sampler of the law: numbers against references, quadrature and limits, and a wrong curve."""

import importlib
from math import e, pi

import pytest
import torch
from torch import Tensor

from bnproof.simulate.relation import compare, inside
from bnproof.simulate.samplers import fuss_catalan as law
from bnproof.simulate.samplers import fuss_catalan_curve as law_curve
from bnproof.theory.claim import Claim, RandomTest
from bnproof.theory.random_matrices import fuss_catalan as reference
from bnproof.theory.random_matrices import fuss_catalan_moments as moments
from bnproof.theory.random_matrices import fuss_catalan_proofs as proofs
from bnproof.theory.symbols import M, phi

CLAIMS: list[Claim] = [
    importlib.import_module(f"bnproof.theory.claims.random_matrices.{name}").CLAIM
    for name in (
        "fuss_catalan_cdf",
        "fuss_catalan_draw",
        "fuss_catalan_edge",
        "fuss_catalan_entropy",
        "fuss_catalan_log_moments",
        "fuss_catalan_moments",
        "fuss_catalan_real",
        "liu_edge",
        "liu_origin",
    )
]
DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


def tensor(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def at(factors: float, share: float = 0.4, order: float = 1.3) -> law.Law:
    parts = factors, factors + 0.7, share, order, 0.8, 0.3
    return law.Law(*(tensor(part) for part in parts))


def point(q: law.Law) -> Tensor:
    """x(phi)."""
    return law_curve.Curve(q.factors, q.angle, pi - q.angle).log_x.exp()


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.id)
def test_rounding_stays_far_below_the_tolerance_and_controls_fail(
    claim: Claim, device: str
) -> None:
    spec = claim.check_of(RandomTest)
    for size, drawn in law.batches(spec, claim.domain, 40, 3, device):
        assert inside(claim.domain, drawn).all()
        assert compare(claim.relation, drawn).excess.max() < 1e-14
        if size > 1:  # for one factor some controls are right
            assert compare(claim.control, drawn).violated.float().mean() > 0.9


@pytest.mark.parametrize("factors", [1, 2, 5, 40])
def test_values_are_those_of_the_references(factors: int) -> None:
    """Against mpmath by other formulas, with no magnitude to excuse an error."""
    q = at(factors)
    log_mean, log_variance = map(float, reference.log_moments(factors))
    x = float(point(q))
    expected = {
        proofs.law_cdf: float(reference.cdf(x, factors)),
        proofs.draw_cdf: float(reference.cdf(x, factors)),
        proofs.law_mass: 1.0,
        moments.log_mean: log_mean,
        moments.log_variance: log_variance,
        moments.entropy: float(reference.entropy(factors)) - float(torch.log(tensor(2 * pi))),
        moments.log_moment: float(tensor(float(reference.moment(1.3, factors))).log()),
        moments.origin_exponent: -factors / (factors + 1),
        moments.edge_constant: (2 * (factors + 1) / factors**3) ** 0.5 / pi,
    }
    for symbol, value in expected.items():
        assert q.value(symbol).item() == pytest.approx(value, rel=3e-13, abs=3e-13), str(symbol)


@pytest.mark.parametrize("factors", [1, 3, 20])
def test_the_curve_is_the_printed_one(factors: int) -> None:
    angle = 2.2 / (factors + 1)
    place = proofs.POINT.subs({M: factors, phi: angle}).evalf(25)
    density = proofs.DENSITY.subs({M: factors, phi: angle}).evalf(25)  # x stays
    curve = law_curve.Curve(tensor(factors), tensor(2.2), tensor(pi - 2.2))
    assert curve.log_x.exp().item() == pytest.approx(float(place), rel=1e-13)
    free = next(iter(density.free_symbols))
    assert curve.weight.item() == pytest.approx(float(density.subs(free, 1)), rel=1e-13)


def test_the_density_is_positive_for_real_factors() -> None:
    drawn = law.draw(200, 8, 0, "cpu")
    curve = drawn.support(drawn.real)
    assert (curve.weight > 0).all()
    assert drawn.real.min() < 0.2


@pytest.mark.parametrize("power", [-0.9, -0.5, 0.0, 2.5])
def test_the_rule_integrates_powers_at_both_ends(power: float) -> None:
    near, far, weights = law_curve.rule(tensor(0.0, 0.3, 0.9))
    for v in (near, far):
        assert torch.allclose((v**power * weights).sum(-1), tensor(1 / (power + 1)), rtol=2e-14)


def test_the_rule_does_not_depend_on_its_nodes() -> None:
    """The same mean of a logarithm from nodes that lie elsewhere."""
    means = [
        law.Law(*(tensor(part) for part in (7, 7.5, 0.4, 1.0, 0.8, shift))).value(moments.entropy)
        for shift in (0.0, 0.25, 0.5)
    ]
    assert torch.allclose(means[0], means[1], rtol=1e-14)
    assert torch.allclose(means[0], means[2], rtol=1e-14)


def test_limits_are_limits() -> None:
    """The right end by its own formula, and what is extrapolated against a far term."""
    factors = tensor(1, 2, 10, 100)
    ends = (factors + 1) ** (factors + 1) / factors**factors
    assert torch.allclose(law_curve.right_end(factors), ends, rtol=1e-12)
    far = tensor(1e8)
    assert (law_curve.right_end(far) / far).item() == pytest.approx(e, rel=1e-7)
    for factors in (1, 2, 5, 63):
        assert at(factors).value(moments.edge_growth).item() == pytest.approx(e, rel=1e-14)


def test_the_draw_has_the_chance_that_is_integrated() -> None:
    """W^M x(U) sampled; four standard errors."""
    q = at(3)
    generator = torch.Generator().manual_seed(0)
    w, u = torch.rand(2, 200_000, generator=generator, dtype=torch.float64)
    drawn = 3 * w.log() + law_curve.Curve(q.factors, pi * u, pi - pi * u).log_x
    share = (drawn.exp() <= point(q)).double().mean().item()
    chance = q.value(proofs.draw_cdf).item()
    assert abs(share - chance) < 4 * (chance * (1 - chance) / 200_000) ** 0.5


@pytest.mark.parametrize(
    "claim", [claim for claim in CLAIMS if claim.id != "liu_edge"], ids=lambda claim: claim.id
)
def test_another_curve_is_found_out(claim: Claim, monkeypatch: pytest.MonkeyPatch) -> None:
    """One more factor in x, and not in the density; a limit in their number does not see it."""
    right = law_curve.Curve._log_x

    def wrong(self: law_curve.Curve, step: Tensor | float = 0.0) -> Tensor:
        _, times, top = self.sines(step)
        return right(self, step) + torch.log(top / times)

    drawn = law.draw(20, 4, 1, "cpu")
    monkeypatch.setattr(law_curve.Curve, "_log_x", wrong)
    assert compare(claim.relation, drawn).violated.all()


def test_bad_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match="count = 3, size = 0: both must be at least 1"):
        law.draw(3, 0, 0, "cpu")
