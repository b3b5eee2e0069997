"""The layer from the raw batch, by Gram algebra and written out; claims that rest on it."""

from fractions import Fraction

import pytest
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st

from bnproof.theory import symbols as sym
from bnproof.theory.claim import Claim, Counterexample, Proof, Settings
from bnproof.theory.claims.definition import (
    notes_unit_moments,
    report_bn_transform,
    report_identity_recovery,
    slides_batch_statistics,
    slides_bn_definition_bound,
    slides_l2_scale,
)
from bnproof.theory.claims.gradient import (
    report_reduction_condition,
    slides_4_1_any_y,
    slides_multiplicative,
)
from bnproof.theory.exact import evaluate as exact
from bnproof.theory.layer import batchnorm
from bnproof.theory.layer import definition as layer_definition
from bnproof.theory.proving.derivation import Derivation, proves

REFUTED = [
    notes_unit_moments.CLAIM,
    report_identity_recovery.CLAIM,
    slides_4_1_any_y.CLAIM,
    slides_l2_scale.CLAIM,
    slides_multiplicative.CLAIM,
]
PROVED = [
    report_bn_transform.CLAIM,
    report_reduction_condition.CLAIM,
    slides_batch_statistics.CLAIM,
    slides_bn_definition_bound.CLAIM,
]
number = st.integers(-9, 9).map(Fraction)


def by_id(claim: Claim) -> str:
    return claim.id


def written_out(size: int) -> dict[sp.Symbol, sp.Expr]:
    """Symbols of one batch computed with indices; sigma^2 + eps is no square."""
    y = [sp.Rational(n * n + 1, n + 2) for n in range(size)]
    mean = sum(y) / size
    variance = sum((entry - mean) ** 2 for entry in y) / size
    eps = sp.Rational(1, 7)
    table = {sym.m: size, sym.mu: mean, sym.eps: eps, sym.gamma: -3, sym.beta: sp.Rational(2, 5)}
    table |= {sym.sigma: sp.sqrt(variance), sym.s: sp.sqrt(variance + eps), sym.y_k: y[0]}
    hat = [(entry - mean) / sp.sqrt(variance + eps) for entry in y]
    other = [(entry - mean) / (sp.sqrt(variance) + eps) for entry in y]
    table |= {
        sym.yy: sum(entry**2 for entry in y),
        sym.centred_norm: sp.sqrt(sum((entry - mean) ** 2 for entry in y)),
        sym.yhat_k: hat[0],
        sym.z_k: -3 * hat[0] + sp.Rational(2, 5),
        sym.hat_mean: sum(hat) / size,
        sym.hat_std: sp.sqrt(sum(h**2 for h in hat) / size - (sum(hat) / size) ** 2),
        sym.hat_norm: sp.sqrt(sum(h**2 for h in hat)),
        sym.hat_gap: sp.sqrt(sum((o - h) ** 2 for o, h in zip(other, hat, strict=True))),
    }
    return table


@pytest.mark.parametrize("size", [2, 3, 5])
def test_derived_letters_are_those_of_the_written_out_layer(size: int) -> None:
    d, table = Derivation(), written_out(size)
    layer_definition.moment_steps(d)
    layer_definition.hat_moment_steps(d)
    layer_definition.gap_steps(d)
    values = d.values | slides_l2_scale.prove().values | report_bn_transform.prove().values
    assert len(values) == 8
    for symbol, formula in values.items():
        assert abs(sp.N(table[symbol] - formula.subs(table), 40)) < 1e-35, symbol


@pytest.mark.parametrize("claim", REFUTED, ids=by_id)
def test_counterexamples_refute_and_the_corrected_form_is_proved(claim: Claim) -> None:
    evidence = exact.check(claim, Settings())
    assert evidence.holds is False
    assert evidence.control_differs
    proof = claim.check_of(Proof).prove()
    assert claim.check_of(Proof).of_control
    assert proves(proof, claim.control, claim.domain)
    assert not proves(proof, claim.relation, claim.domain)


@pytest.mark.parametrize("claim", PROVED, ids=by_id)
def test_what_is_proved_has_a_control_that_is_not(claim: Claim) -> None:
    proof = claim.check_of(Proof).prove()
    assert proves(proof, claim.relation, claim.domain)
    assert not proves(proof, claim.control, claim.domain)


@pytest.mark.parametrize("claim", REFUTED[:4], ids=by_id)
def test_proofs_do_not_cover_a_relation_off_by_a_constant(claim: Claim) -> None:
    off = type(claim.control)(claim.control.lhs + sp.Rational(1, 10**9), claim.control.rhs)
    assert not proves(claim.check_of(Proof).prove(), off, claim.domain)


def sides(sigma: float, eps: float) -> tuple[float, float, float]:
    """Standard deviation of both layers' output, and the bound on their difference."""
    s = (sigma**2 + eps) ** 0.5
    bound = eps * abs(1 - 2 * sigma - eps) / (2 * sigma**2) * sigma / s
    return sigma / (sigma + eps), sigma / s, bound


@given(sigma=st.floats(1e-3, 1e3), eps=st.floats(0, 10))
def test_the_bound_on_the_difference_holds(sigma: float, eps: float) -> None:
    slides, root, bound = sides(sigma, eps)
    assert abs(slides - root) <= bound * (1 + 1e-9) + 1e-15


def test_the_bound_is_sharp_for_small_eps_and_not_uniform_in_sigma() -> None:
    slides, root, bound = sides(1.0, 1e-5)
    assert abs(slides - root) == pytest.approx(bound, rel=1e-4)
    assert abs(slides - root) == pytest.approx(5e-6, rel=1e-4)
    eps = 1e-20
    slides, root, _ = sides(eps**0.75, eps)
    assert slides - root > 0.99


@given(st.lists(number, min_size=2, max_size=6))
def test_batch_statistics_in_rational_arithmetic(y: list[Fraction]) -> None:
    size = len(y)
    mean = sum(y) / size
    variance = sum((entry - mean) ** 2 for entry in y) / size
    squares = sum(entry**2 for entry in y)
    table = {sym.m: size, sym.mu: mean, sym.sigma: sp.sqrt(sp.Rational(variance)), sym.yy: squares}
    table = {symbol: sp.sympify(value) for symbol, value in table.items()}
    claim = slides_batch_statistics.CLAIM
    assert claim.relation.subs(table) == sp.true
    assert (claim.control.subs(table) == sp.true) is (variance == 0)


@given(sigma=st.integers(1, 40), gamma=st.integers(-60, 60))
def test_the_factor_reduces_below_sigma_and_nowhere_else(sigma: int, gamma: int) -> None:
    table = {sym.sigma: sp.Rational(sigma, 7), sym.gamma: sp.Rational(gamma, 11)}
    reduces = slides_multiplicative.CLAIM.relation.subs(table) == sp.true
    assert reduces is (abs(Fraction(gamma, 11)) <= Fraction(sigma, 7))
    assert slides_multiplicative.CLAIM.control.subs(table) == sp.true


@given(b=st.lists(number, min_size=4, max_size=4), gamma=st.sampled_from([1, -1]))
def test_unchanged_scaling_loses_the_mean_and_the_correlation(
    b: list[Fraction], gamma: int
) -> None:
    """y has sigma = 1: at gamma = +-1 the norm shrinks if and only if the report says so."""
    values = exact.measure(Counterexample.of(y=[1, 1, -1, -1], b=b, gamma=gamma))
    lost = values[sym.gg] - values[sym.vv]
    assert lost == (values[sym.g1] ** 2 + values[sym.gy] ** 2) / 4
    assert bool(lost > 0) is bool(values[sym.g1] != 0 or values[sym.gy] != 0)


def test_the_gradient_at_y_is_not_that_at_z() -> None:
    case = slides_4_1_any_y.CLAIM.check_of(Counterexample)
    values = exact.measure(case)
    assert (values[sym.ll], values[sym.gg], values[sym.vv]) == (0, 1, 2)
    y = sp.symbols("y1:5", real=True)
    loss = sum(
        sp.Rational(a) * y[i] * y[j] for i, row in enumerate(case.A) for j, a in enumerate(row)
    )
    loss = loss / 2 + sum(sp.Rational(b) * entry for b, entry in zip(case.b, y, strict=True))
    at = dict(zip(y, map(sp.Rational, case.y), strict=True))
    assert [sp.diff(loss, entry).subs(at) for entry in y] == [0, 0, 0, 0]


def test_entries_are_those_of_the_first_sample() -> None:
    case = Counterexample.of(y=[-1, 1], b=[0, 0], eps=3, gamma=4, beta=5)
    half = sp.Rational(1, 2)
    first = {sym.y_k: -1, sym.yhat_k: -half, sym.z_k: 3}
    assert first.items() <= exact.entries(case).items()
    second = {sym.y_k: 1, sym.yhat_k: half, sym.yhat_i: -half, sym.z_k: 7}
    assert second.items() <= exact.entries(case, (1, 0, 0)).items()


def test_both_modules_define_the_same_layer() -> None:
    """`bnproof.theory.layer.batchnorm` starts from yhat, this one from y."""
    again = batchnorm.normalise(batchnorm.activations(batchnorm.LINE))
    assert again.equals(batchnorm.LINE.vector("yhat"))
    hat = layer_definition.hat()
    square = sp.simplify(hat.dot(hat) - sym.m * (sym.s**2 - sym.eps) / sym.s**2)
    assert sp.simplify(square.subs(sym.eps, sym.s**2 - sym.sigma**2)) == 0
    assert sp.simplify(hat.dot(layer_definition.ONE)) == 0
