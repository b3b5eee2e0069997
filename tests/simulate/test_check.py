"""The generic check: it accepts what is true, rejects what is false, and can do both."""

from itertools import pairwise

import pytest
import sympy as sp
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

import bnproof.theory.claims
from bnproof.simulate import check
from bnproof.simulate.samplers import autodiff as quantities
from bnproof.simulate.samplers.autodiff import Measured, epsilons
from bnproof.simulate.samplers.definitions.losses import LOSSES
from bnproof.simulate.samplers.definitions.regimes import REGIMES
from bnproof.simulate.samplers.networks import DRAWN, EPSILONS, GAMMAS, draw
from bnproof.simulate.search import tightness
from bnproof.theory import symbols as sym
from bnproof.theory.claim import Claim, RandomTest, Scale, Settings, Verdict
from bnproof.theory.claims.gradient import bn_jacobian, santurkar_4_1, santurkar_4_1_eps
from bnproof.theory.claims.hessian import santurkar_4_2
from bnproof.theory.loading import load_folder

CLAIMS = [
    c for c in load_folder(bnproof.theory.claims) if isinstance(c, Claim) and c.check_of(RandomTest)
]
SMOKE = Settings(scale=Scale.SMOKE)


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.id)
def test_networks_agree_with_the_expected_verdict(claim: Claim, device: str) -> None:
    """And what holds, holds to a hundredth of the tolerance at every size of its sampler."""
    evidence = check.check(claim, Settings(scale=Scale.SMOKE, device=device))
    assert evidence.holds is (claim.expected in (Verdict.PROVED, Verdict.SUPPORTED))
    assert evidence.control_differs
    if evidence.holds:
        tolerance = check.TOLERANCE[torch.float64]
        assert evidence.numbers["largest scaled excess"] < tolerance / 100
    assert 0 < evidence.numbers["share inside the domain"] <= 1


def test_the_same_seed_gives_the_same_numbers() -> None:
    first, again = (check.check(CLAIMS[0], SMOKE).numbers for _ in range(2))
    assert first == again
    other = check.check(CLAIMS[0], Settings(scale=Scale.SMOKE, seed=1)).numbers
    assert first != other


def test_a_tiny_error_in_the_relation_is_seen() -> None:
    """A factor wrong by 1e-9 is rejected on nine networks in ten: the check has that power."""
    measured = Measured(draw(200, 8, "squared error", 0, epsilons=(0.0,)))
    bound = sym.gamma**2 / sym.sigma**2 * (sym.gg - sym.g1**2 / sym.m - sym.gy**2 / sym.m)
    assert not check.compare(sp.Eq(sym.vv, bound), measured).violated.any()
    assert check.compare(sp.Eq(sym.vv, bound * (1 + 1e-9)), measured).violated.double().mean() > 0.9
    assert check.compare(sp.Le(sym.vv, bound * (1 - 1e-9)), measured).violated.double().mean() > 0.9
    assert not check.compare(sp.Le(sym.vv, bound * (1 + 1e-9)), measured).violated.any()


@pytest.mark.parametrize("regime", REGIMES)
@pytest.mark.parametrize("loss", LOSSES)
def test_in_float32_the_bounds_hold_to_its_tolerance(loss: str, regime: str) -> None:
    """The row of float32: what holds, holds to a tenth of it, and the controls are rejected.

    Seven digits decide nothing where y varies by a thousandth of its size: no control is there.
    """
    rejected = 0
    for claim in (santurkar_4_1.CLAIM, santurkar_4_2.CLAIM, santurkar_4_1_eps.CLAIM):
        for m in (2, 3, 64, 513):
            allowed = epsilons(claim.domain)
            measured = Measured(
                draw(40, m, loss, 6, regime=regime, epsilons=allowed, dtype=torch.float32)
            )
            mask = check.inside(claim.domain, measured)
            found = check.compare(claim.relation, measured, mask)
            assert found.excess.dtype is torch.float32
            assert found.excess.max() < check.TOLERANCE[torch.float32] / 10
            rejected += int(check.compare(claim.control, measured, mask).violated.sum())
    assert rejected > 60 or regime == "nearly constant"


def test_the_check_is_not_blind_in_any_regime() -> None:
    """Of networks in each regime and loss, a factor wrong by 1e-4 is rejected on most."""
    bound = sym.gamma**2 / sym.sigma**2 * (sym.gg - sym.g1**2 / sym.m - sym.gy**2 / sym.m)
    wrong = sp.Eq(sym.vv, bound * (1 + sp.Rational(1, 10**4)))
    for regime in REGIMES:
        for loss in LOSSES:
            drawn = draw(60, 8, loss, 3, regime=regime, epsilons=(0.0,), gammas=GAMMAS)
            assert check.compare(wrong, Measured(drawn)).violated.double().mean() > 0.5, regime


def test_every_loss_regime_and_size_is_drawn() -> None:
    spec = RandomTest()
    seen = [(m, type(q.problems.loss)) for m, q in quantities.batches(spec, sp.true, 5, 0, "cpu")]
    assert len(set(seen)) == len(LOSSES) * len(quantities.SIZES)
    assert len(seen) == len(LOSSES) * len(quantities.SIZES) * len(REGIMES)
    named = quantities.batches(RandomTest(sizes=(2, 5)), sp.true, 5, 0, "cpu")
    assert {m for m, _ in named} == {2, 5}
    assert quantities.provenance(spec, sp.true)["batch sizes"] == list(quantities.SIZES)


def test_strict_inequalities_are_refused() -> None:
    with pytest.raises(TypeError, match="only = and <="):
        check.compare(sp.Lt(sym.vv, sym.gg), Measured(draw(4, 3, "non-convex", 0)))


def test_the_domain_selects_eps_and_problems() -> None:
    assert epsilons(sp.Eq(sym.eps, 0)) == (0.0,)
    assert epsilons(sp.Gt(sym.eps, 0)) == (*EPSILONS[1:], DRAWN)
    assert epsilons(sp.true) == (*EPSILONS, DRAWN)
    assert epsilons(sp.Gt(sym.eps, 5)) == (DRAWN,)
    with pytest.raises(ValueError, match="excludes every eps"):
        epsilons(sp.Lt(sym.eps, 0))
    measured = Measured(draw(400, 8, "non-convex", 0))
    share = check.inside(sp.Gt(sym.gy, 0), measured).float().mean()
    assert torch.equal(check.inside(sp.Gt(sym.gy, 0), measured), measured.value(sym.gy) > 0)
    assert 0.2 < share < 0.8


def test_sides_that_cancel_are_evaluated_term_by_term() -> None:
    """Of ``1 - (s^2 - gamma^2)/s^2`` only gamma^2/s^2 is left, far below the rounding of 1."""
    measured = Measured(draw(200, 8, "cross-entropy", 3))
    share = sym.gamma**2 / sym.s**2
    measured.problems.gamma.mul_(1e-7)  # so that the share is about 1e-14
    cancelling = (1 - (sym.s**2 - sym.gamma**2) / sym.s**2) * sym.gg
    found = check.compare(sp.Eq(cancelling, share * sym.gg, evaluate=False), measured)
    assert not found.violated.any()
    wrong = check.compare(sp.Eq(cancelling, share * sym.gg * (1 + 1e-9), evaluate=False), measured)
    assert wrong.violated.all()


@pytest.mark.parametrize("claim", [santurkar_4_1_eps.CLAIM, bn_jacobian.CLAIM], ids=lambda c: c.id)
def test_the_figure_shows_statement_and_control(claim: Claim) -> None:
    """And for an inequality, below, how tight it is."""
    evidence = check.check(claim, SMOKE)
    figure = Figure()
    alt = check.draw(figure, claim, evidence)
    above, *below = figure.axes
    assert len(below) == isinstance(claim.relation, sp.LessThan)
    assert {line.get_label() for line in above.lines} == {"statement", "control"}
    assert all(axes.get_xlabel() and axes.get_ylabel() for axes in figure.axes)
    assert f"{evidence.numbers['instances']:,}" in alt
    assert ("adversary" in alt) == bool(below)
    FigureCanvasAgg(figure).draw()
    labels = sorted(label.get_window_extent().extents.tolist() for label in above.get_xticklabels())
    assert all(left[2] < right[0] for left, right in pairwise(labels))  # they can be read


def test_what_the_adversary_finds_makes_the_statement_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    found = tightness.summary(santurkar_4_1_eps.CLAIM, SMOKE)
    assert found.numbers[tightness.ATTACKED] == 0
    wrong = tightness.Summary(found.numbers | {tightness.ATTACKED: 1}, found.series)
    monkeypatch.setattr(tightness, "summary", lambda claim, settings: wrong)
    assert check.check(santurkar_4_1_eps.CLAIM, SMOKE).holds is False
