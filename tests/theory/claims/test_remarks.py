"""What remarks say besides the relation: each sentence that is mathematics, checked.

Other tests check those on the l_p constant (`test_oblique`), on Hadamard matrices
(`test_earth_mover`), condition numbers (`test_least_squares`) and intercepts (`test_weights`).
"""

import pytest
import sympy as sp

from bnproof.theory import symbols as sym
from bnproof.theory.claim import Claim, Counterexample
from bnproof.theory.claims.gradient import neurips_4_1_sqrt_m, slides_multiplicative
from bnproof.theory.claims.hessian import santurkar_4_2_ordered
from bnproof.theory.claims.weights import scale_invariance_eps
from bnproof.theory.exact import evaluate
from bnproof.theory.exact.curvature import top_eigenvalues
from bnproof.theory.exact.normalizers import group
from bnproof.theory.exact.weights import unit
from bnproof.theory.layer import curvature as cur
from bnproof.theory.layer import minimax
from bnproof.theory.layer import weights as wts
from bnproof.theory.layer.definition import ROOT_FORM, SLIDES_FORM
from bnproof.theory.normalizers import groups
from bnproof.theory.normalizers.oblique import nn, ww
from bnproof.theory.prove import certificate_of
from bnproof.theory.proving import signs
from bnproof.theory.symbols import eps, gamma, gg, gy, m, s, sigma, vv


def gap(claim: Claim) -> sp.Expr:
    """Right side minus left side, with the values of the symbols that are derived."""
    good = certificate_of(claim)
    assert good is not None
    whole = sym.in_primitives(claim.relation.rhs - claim.relation.lhs)
    return sp.factor(whole.subs(good.rules).subs(sigma, sp.sqrt(s**2 - eps)).subs(eps, 0))


def test_neurips_4_1_sqrt_m_fails_wherever_g_and_yhat_are_not_orthogonal() -> None:
    short = gap(neurips_4_1_sqrt_m.CLAIM) / gy**2
    root = sp.Symbol("sqrt(m) - 1", positive=True)
    assert gy not in short.free_symbols
    assert sp.factor(sp.simplify(-short * s**2 / gamma**2).subs(m, (root + 1) ** 2)).is_positive


def test_the_hypothesis_of_santurkar_4_2_ordered_is_necessary() -> None:
    factor = sp.simplify(gap(santurkar_4_2_ordered.CLAIM) / (cur.gHg - sym.vHv))
    assert signs.positive(factor, santurkar_4_2_ordered.CLAIM.domain)


def test_notes_unit_moments_for_small_eps() -> None:
    series = sp.series(sigma / sp.sqrt(sigma**2 + eps), eps, 0, 2).removeO()
    assert sp.simplify(series - (1 - eps / (2 * sigma**2))) == 0


def test_slides_bn_definition_agrees_with_the_root_at_one_more_sigma() -> None:
    ratio = sp.simplify((SLIDES_FORM / ROOT_FORM).subs(s, sp.sqrt(sigma**2 + eps)))
    assert ratio.subs(sigma, (1 - eps) / 2).subs(eps, sp.Rational(1, 3)) == 1
    assert sp.solve((sigma + eps) ** 2 - sigma**2 - eps, sigma) == [sp.Rational(1, 2) - eps / 2]
    assert float(1 - ratio.subs({sigma: 1, eps: sp.Rational(1, 10**5)})) == pytest.approx(
        5e-6, 1e-2
    )


def test_slides_multiplicative_reduces_only_below_sigma() -> None:
    """Its counterexample has |gamma| > sigma; at |gamma| = sigma the factor is 1."""
    case = slides_multiplicative.CLAIM.check_of(Counterexample)
    values = evaluate.measure(case)
    assert abs(values[gamma]) > values[sigma]


def test_santurkar_4_5_starts_at_the_optimum_and_the_others_are_opposite() -> None:
    plain = minimax.regression(learned=False)
    # No point of the ray is nearer than its end at 0.
    assert plain[minimax.d_std] == 0
    assert plain[minimax.d_bn] == plain[minimax.star] == 1
    # With gamma and beta optimal the whole line through (2, 1) is: 1 - <(0,1),(2,1)>^2/5.
    assert minimax.regression(learned=True)[minimax.d_learned] == sp.Rational(4, 5)


def test_santurkar_4_5_optima_from_the_definition() -> None:
    """The ray through (-2,-1) has the least loss of all directions: its slope and one other."""
    angle = sp.Symbol("a", real=True)
    X, t = sp.Matrix([[1, 0], [0, 1], [1, 1]]), sp.Matrix([1, 2, 0])
    y = X * sp.Matrix([sp.cos(angle), sp.sin(angle)])
    y -= sp.ones(3, 1) * sum(y) / 3
    miss = y / sp.sqrt(y.dot(y) / 3) - t
    loss, best = miss.dot(miss), sp.pi + sp.atan(sp.Rational(1, 2))
    assert sp.simplify(sp.diff(loss, angle).subs(angle, best)) == 0
    least = float(loss.subs(angle, best))
    assert all(float(loss.subs(angle, 2 * sp.pi * k / 60)) >= least for k in range(60))


def test_hessian_spectral_bound_without_curvature_of_the_loss() -> None:
    case = Counterexample.of(y=[1, 1, -1, -1], b=[1, -1, 0, 0])
    values = evaluate.measure(case)
    assert values[gy] == 0
    expected = sp.sqrt(values[vv] / values[m]) / values[sigma]
    assert top_eigenvalues(case)[cur.lamK] == expected > 0
    still = Counterexample.of(y=[1, 1, -1, -1], b=[1, -1, 0, 0], gamma=0)
    assert top_eigenvalues(still)[cur.lamK] == 0


def test_hessian_homogeneity_euler_bends_downwards_somewhere() -> None:
    """W'Hess W = -<grad,W> = 0, but Hess W = -grad is not 0: an eigenvalue is negative."""
    case = Counterexample.of(y=[1, 1, -1, -1], b=[1, 2, 0, 1])
    found = unit([[1, 0], [0, 1], [-1, 0], [-2, 1]], [1, 1], case)
    assert found[wts.nw] == 0
    assert found[wts.hessw_k] == -found[wts.grad_k] != 0


def test_scale_invariance_eps_shrinks_weights_below_a_rate() -> None:
    change = scale_invariance_eps.CLAIM.relation.rhs - wts.ww
    rate = 2 * gamma * eps / s**2 * gy / wts.nn
    assert sp.simplify(change.subs(wts.eta, rate)) == 0
    assert sp.simplify(sp.diff(change, wts.eta, 2)) == 2 * wts.nn


@pytest.mark.parametrize("u", [(1, 2, 6), (1, 5, 8)])
def test_lp_jacobian_is_orthogonal_for_three_entries_at_p_4(u: tuple[int, ...]) -> None:
    f = (1, 2, -1)
    for power, count, orthogonal in ((4, 3, True), (3, 3, False), (3, 2, True), (2, 3, True)):
        values = group("l_p BatchNorm", u[:count], f[:count], power=power)
        assert (sp.simplify(values[nn] * values[ww]) == 1) is orthogonal
    values = group("l_p BatchNorm", (*u, 9), (*f, 0), power=4)
    assert sp.simplify(values[nn] * values[ww]) != 1


def test_layer_norm_bound_has_omega_of_each_normaliser() -> None:
    u, f = (1, 2, 6), (1, 0, 3)
    for name, constant in (("LayerNorm", 1), ("RMSNorm", 1), ("BatchNorm, eps inside", 1)):
        values = group(name, u, f, eps=constant)
        assert sp.simplify(values[groups.omega]) == 1
    assert sp.simplify(group("WeightNorm", u, f)[groups.omega]) == 3
    values = group("BatchNorm, eps outside", u, f, eps=1)
    S = values[groups.S]
    assert sp.simplify(values[groups.omega] - S / (S - 1)) == 0


def test_santurkar_4_4_unbounded_is_bounded_for_positive_eps() -> None:
    case = Counterexample.of(y=[1, 1, -1, -1], b=[1, -2, 3, 1], gamma=2, eps=3)
    values = evaluate.measure(case)
    assert values[vv] <= values[gamma] ** 2 * values[gg] / values[eps]
