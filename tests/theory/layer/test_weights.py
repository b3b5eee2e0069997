"""Weight space, curvature and worst cases: derivations against exact brute force."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from bnproof.theory import symbols as sym
from bnproof.theory.claim import Claim, Counterexample, Proof, Settings, Verdict
from bnproof.theory.claims.hessian import (
    hessian_spectral_bound,
    hessian_spectral_bound_eps,
    report_3_5,
    santurkar_4_2_norm_preserving,
    slides_more_predictive_if,
)
from bnproof.theory.claims.weights import (
    hessian_homogeneity_eps,
    santurkar_4_4,
    santurkar_4_5,
    santurkar_4_5_learned,
    scale_invariance_eps,
)
from bnproof.theory.exact import curvature as curvature_cases
from bnproof.theory.exact.evaluate import check as check_exactly
from bnproof.theory.layer import curvature, minimax, weights
from bnproof.theory.proving.derivation import Derivation, proves

X = sp.Matrix([[1, 2], [0, -1], [3, 1], [-1, 1]])
AT = {sp.Symbol("w0", real=True): sp.Rational(1, 2), sp.Symbol("w1", real=True): sp.Integer(-2)}
W = sp.Matrix(list(AT))
GAMMA, EPS = sp.Rational(-3, 2), sp.Rational(1, 3)
A = sp.Matrix(4, 4, lambda i, j: sp.Rational(i + j, 3) if i != j else i - 1)
B = sp.Matrix([1, -2, sp.Rational(1, 2), 1])


def unit(w: sp.Matrix, eps: sp.Expr) -> tuple[sp.Matrix, sp.Expr, sp.Expr]:
    """yhat, s and the loss for weights w, with indices: shares nothing with the Gram algebra."""
    y = X * w
    centred = y - sp.ones(4, 1) * sum(y) / 4
    s = sp.sqrt(centred.dot(centred) / 4 + eps)
    z = GAMMA * centred / s
    return centred / s, s, (z.T * A * z)[0] / 2 + B.dot(z)


def at_w(eps: sp.Expr) -> dict[sp.Symbol, sp.Expr]:
    """Symbols of the weight space at one point, by differentiating that loss."""
    hat, s, loss = unit(W, eps)
    gradient = sp.Matrix([sp.diff(loss, w) for w in W]).subs(AT)
    hessian = sp.hessian(loss, list(W)).subs(AT)
    hat, s, w = hat.subs(AT), s.subs(AT), W.subs(AT)
    g = A * (GAMMA * hat) + B
    P = sp.eye(4) - (sp.ones(4, 4) + hat * hat.T) / 4
    eta = sp.Rational(1, 7)
    moved = w - eta * gradient
    return {
        sym.m: sp.Integer(4),
        sym.gamma: GAMMA,
        sym.eps: eps,
        sym.s: s,
        sym.gy: g.dot(hat),
        weights.eta: eta,
        weights.ww: w.dot(w),
        weights.nw: gradient.dot(w),
        weights.nn: gradient.dot(gradient),
        weights.after: moved.dot(moved),
        weights.grad_k: gradient[0],
        weights.hessw_k: (hessian * w)[0],
        weights.Xy_k: X.col(0).dot(hat),
        weights.PXHy_k: ((P * X.col(0)).T * A * hat)[0],
    }


@pytest.mark.parametrize("eps", [sp.Integer(0), EPS])
def test_defects_of_scale_invariance_match_brute_force(eps: sp.Expr) -> None:
    values = at_w(eps)
    assert sp.simplify((weights.RADIAL - weights.nw).subs(values)) == 0
    for claim in (scale_invariance_eps.CLAIM, hessian_homogeneity_eps.CLAIM):
        gap = (claim.relation.lhs - claim.relation.rhs).subs(values)
        assert sp.simplify(gap) == 0
        wrong = (claim.control.lhs - claim.control.rhs).subs(values)
        assert (sp.simplify(wrong) == 0) is (eps == 0)


def test_scaling_matches_brute_force() -> None:
    loss = unit(W, sp.Integer(0))[2]
    longer = {w: 3 * value for w, value in AT.items()}
    assert sp.simplify(loss.subs(longer) - loss.subs(AT)) == 0
    for first in W:
        slope = sp.diff(loss, first)
        assert sp.simplify(3 * slope.subs(longer) - slope.subs(AT)) == 0
        bend = sp.diff(slope, W[1])
        assert sp.simplify(9 * bend.subs(longer) - bend.subs(AT)) == 0
    opposite = {w: -value for w, value in AT.items()}
    assert sp.simplify(loss.subs(opposite) - loss.subs(AT)) != 0, "c > 0 is needed"


small = st.integers(-3, 3).map(Fraction)
four = st.lists(small, min_size=4, max_size=4)


@settings(max_examples=8, deadline=None)
@given(b=four, gamma=st.sampled_from([Fraction(-2), Fraction(1, 2), Fraction(3)]), h=small)
def test_the_spectral_bound_is_reached_by_every_isotropic_loss(
    b: list[Fraction], gamma: Fraction, h: Fraction
) -> None:
    eye = [[h if i == j else Fraction(0) for j in range(4)] for i in range(4)]
    case = Counterexample.of(y=[1, 1, -1, -1], b=b, A=eye, gamma=gamma)
    values = curvature_cases.exactly(case) | curvature_cases.top_eigenvalues(case)
    left, right = (side.subs(values) for side in hessian_spectral_bound.CLAIM.relation.args)
    assert sp.simplify(left - right) == 0


@pytest.mark.parametrize("size", [4, 5])
def test_top_eigenvalues_of_matrices_without_a_pattern(size: int) -> None:
    """Roots of irreducible polynomials, which radicals write with I."""
    y = [Fraction(k * k, 1 + k % 3) for k in range(size)]
    mean = sum(y) / size
    eps = 100 - sum((entry - mean) ** 2 for entry in y) / size  # so that s is rational
    A = [[(i * j + i + j) % 5 - 2 for j in range(size)] for i in range(size)]
    case = Counterexample.of(y=y, b=range(size), A=A, eps=eps)
    values = curvature_cases.top_eigenvalues(case)
    for matrix, symbol in zip(
        curvature_cases.hessians(case), (curvature.lamK, curvature.lamH), strict=True
    ):
        numeric = np.linalg.eigvalsh(np.array(matrix.tolist(), dtype=float))
        assert float(values[symbol]) == pytest.approx(numeric[-1], rel=1e-12)


def test_the_curvature_along_an_eigenvector_is_that_of_a_numerical_one() -> None:
    case = Counterexample.of(y=[1, 1, -1, -1], b=[1, 2, 0, -1], A=A.tolist(), gamma=2)
    K, H = (np.array(matrix.tolist(), dtype=float) for matrix in curvature_cases.hessians(case))
    values, vectors = np.linalg.eigh(K)
    top, e, hat = values[-1], vectors[:, -1], np.array([1.0, 1, -1, -1])
    g = H @ (2 * hat) + np.array([1.0, 2, 0, -1])
    Qe = e - e.mean() - hat * (hat @ e) / 4
    assert top > 0
    assert abs(g @ Qe) > 0.1
    d = Derivation()
    curvature.eigenvector_steps(d)
    at = {sym.gamma: 2, sym.s: 1, sym.m: 4, sym.gy: g @ hat}
    at |= {curvature.lamK: top, curvature.Qe2: Qe @ Qe, curvature.QgQe: g @ Qe}
    assert float(d.values[curvature.QeHQe].subs(at)) == pytest.approx(Qe @ H @ Qe, rel=1e-9)


def test_second_derivatives_by_polarisation_agree_with_indices() -> None:
    """K of a case with eps > 0, from power series and from the loss written out."""
    y = sp.symbols("y0:4", real=True)
    case = Counterexample.of(y=[1, 1, -1, -1], b=[1, 2, 0, -1], A=A.tolist(), gamma=2, eps=3)
    centred = sp.Matrix(y) - sp.ones(4, 1) * sum(y) / 4
    z = 2 * centred / sp.sqrt(centred.dot(centred) / 4 + 3)
    loss = (z.T * A * z)[0] / 2 + sp.Matrix([1, 2, 0, -1]).dot(z)
    at = dict(zip(y, (1, 1, -1, -1), strict=True))
    K = sp.hessian(loss, y).subs(at)
    found = curvature_cases.hessians(case)
    assert sp.simplify(found[0] - K) == sp.zeros(4, 4)
    assert found[1] == A
    u = sp.Matrix([2, 0, 1, -1])
    d = Derivation()
    curvature.form_steps(d)
    hat = centred.subs(at) / 2
    g = A * 2 * hat + sp.Matrix([1, 2, 0, -1])
    P = sp.eye(4) - (sp.ones(4, 4) + hat * hat.T) / 4
    form = sym.gamma**2 / sym.s**2 * curvature.PuHPu - sym.gamma / (sym.m * sym.s**2) * (
        2 * curvature.uy * curvature.gPu + sym.gy * curvature.Pu2
    )
    table = {
        sym.gamma: 2,
        sym.s: 2,
        sym.m: 4,
        sym.gy: g.dot(hat),
        curvature.PuHPu: (u.T * P * A * P * u)[0],
        curvature.uy: u.dot(hat),
        curvature.gPu: (g.T * P * u)[0],
        curvature.Pu2: (u.T * P * u)[0],
    }
    assert sp.simplify(form.subs(table) - (u.T * K * u)[0]) == 0


REFUTED = [santurkar_4_2_norm_preserving, report_3_5, santurkar_4_4]
REFUTED += [santurkar_4_5, santurkar_4_5_learned]


@pytest.mark.parametrize("claim", [module.CLAIM for module in REFUTED], ids=lambda c: c.id)
def test_exact_cases_refute_and_spare_the_control(claim: Claim) -> None:
    evidence = check_exactly(claim, Settings())
    assert claim.expected is Verdict.REFUTED
    assert evidence.holds is False
    assert evidence.control_differs


def test_h_is_the_identity_where_norms_are_to_be_preserved() -> None:
    case = santurkar_4_2_norm_preserving.CASE
    values = curvature_cases.exactly(case)
    assert values[sym.vHv] == values[sym.vv]
    assert values[curvature.gHg] == values[sym.gg]
    assert values[curvature.relative] == 0
    assert values[sym.vv] > values[sym.gg]


def test_the_premise_of_the_lemma_holds_for_a_unit_with_an_intercept() -> None:
    """Optimal gamma and beta: the direction is that of least squares with intercept."""
    data = sp.Matrix([[1, 0, 1], [0, 1, 1], [1, 1, 1]])
    slope = (data.T * data).solve(data.T * sp.Matrix([1, 2, 0]))[:2]
    assert slope[0] == 2 * slope[1], "along (2, 1), and not along W* = (0, 1)"
    values = minimax.regression(learned=True)
    w0, along = sp.Matrix([0, 1]), sp.Matrix(slope)
    line = w0.dot(w0) - w0.dot(along) ** 2 / along.dot(along)
    assert values[minimax.d_learned] == line == sp.Rational(4, 5)


@pytest.mark.parametrize(("w0", "squared"), [(3, 0), (-3, 9)])
def test_the_ray_ends_at_the_origin(w0: int, squared: int) -> None:
    """On the line W* is on one side: W0 there lies on the ray, else the end 0 is closest."""
    data = minimax.Regression.of(X=[[0], [1], [2]], t=[0, 1, 1], w0=[w0])
    values = minimax.regression(data, learned=True)
    assert values[minimax.star] > 0
    assert values[minimax.d_ray] == squared


@pytest.mark.parametrize(
    "claim",
    [hessian_spectral_bound_eps.CLAIM, slides_more_predictive_if.CLAIM],
    ids=lambda claim: claim.id,
)
def test_no_term_of_a_slack_can_be_left_out(claim: Claim) -> None:
    proof = claim.check_of(Proof).prove()
    assert proves(proof, claim.relation, claim.domain)
    for drop in range(len(proof.slack)):
        rest = tuple(t for i, t in enumerate(proof.slack) if i != drop)
        assert not proves(replace(proof, slack=rest), claim.relation, claim.domain)


def test_without_its_hypotheses_the_conditional_claim_is_not_proved() -> None:
    claim = slides_more_predictive_if.CLAIM
    proof = claim.check_of(Proof).prove()
    for part in sp.And.make_args(claim.domain):
        if part != sp.Eq(sym.eps, 0):
            rest = sp.And(*(p for p in sp.And.make_args(claim.domain) if p != part))
            assert not proves(proof, claim.relation, rest)


@pytest.mark.parametrize("t", [(1, 1, 1), (1, 1, -1)])
def test_a_regression_whose_optimum_is_not_defined_is_refused(t: tuple[int, ...]) -> None:
    """Targets orthogonal to the centred inputs, or to the inputs themselves."""
    data = minimax.Regression.of(X=[[1, 0], [0, 1], [1, 1]], t=t, w0=[0, 1])
    with pytest.raises(ValueError, match="is orthogonal to X or to centred X"):
        minimax.regression(data, learned=True)
