"""Exact counterexamples: evaluated by power series, compared with the derived formulas."""

from dataclasses import replace
from fractions import Fraction

import pytest
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st

from bnproof.theory import symbols as sym
from bnproof.theory.claim import Claim, Counterexample, ExactCase, Proof, RandomTest, Settings
from bnproof.theory.claims.gradient import (
    bn_jacobian,
    neurips_4_1_sqrt_m,
    report_3_4,
    santurkar_4_1,
    slides_4_1,
)
from bnproof.theory.claims.hessian import bn_hessian, santurkar_4_2_eps
from bnproof.theory.exact import evaluate as exact
from bnproof.theory.layer import batchnorm
from bnproof.theory.proving.derivation import Derivation

small = st.integers(-4, 4).map(Fraction)


DERIVED = Derivation()
batchnorm.gradient_steps(DERIVED)


@given(
    b=st.lists(small, min_size=4, max_size=4),
    diagonal=st.lists(small, min_size=4, max_size=4),
    gamma=small,
    eps=st.sampled_from([Fraction(0), Fraction(5, 4), Fraction(3)]),
)
def test_power_series_agree_with_the_derivation(
    b: list[Fraction], diagonal: list[Fraction], gamma: Fraction, eps: Fraction
) -> None:
    """sigma = 1 for this y, so sigma^2 + eps = 1, 9/4, 4 are rational squares."""
    A = [[diagonal[i] if i == j else Fraction(i + j) for j in range(4)] for i in range(4)]
    case = Counterexample.of(y=[1, 1, -1, -1], b=b, A=A, gamma=gamma, eps=eps)
    values = exact.measure(case)
    assert DERIVED.values[sym.vv].xreplace(values) == values[sym.vv]
    assert batchnorm.EXACT_CURVATURE.xreplace(values) == values[sym.vKv]


@pytest.mark.parametrize(
    "claim",
    [neurips_4_1_sqrt_m.CLAIM, report_3_4.CLAIM, santurkar_4_2_eps.CLAIM],
    ids=lambda claim: claim.id,
)
def test_counterexamples_refute_and_spare_the_control(claim: Claim) -> None:
    evidence = exact.check(claim, Settings())
    assert evidence.holds is False
    assert evidence.control_differs


def test_a_counterexample_that_does_not_refute_is_named() -> None:
    """The very data that refute another claim leave a true one standing."""
    case = neurips_4_1_sqrt_m.CLAIM.check_of(Counterexample)
    claim = replace(santurkar_4_1.CLAIM, checks=(case, RandomTest()))
    with pytest.raises(
        ValueError, match=r"santurkar_4_1.py: checks: .* does not refute 1/2 <= 1/2"
    ):
        exact.check(claim, Settings())


def test_a_counterexample_outside_the_domain_is_named() -> None:
    case = Counterexample.of(y=[-1, 1], b=[3, 4], eps="5/4")
    claim = replace(report_3_4.CLAIM, checks=(case, RandomTest()))
    with pytest.raises(ValueError, match=r"report_3_4.py: checks: .* outside Eq\(eps, 0\)"):
        exact.check(claim, Settings())


@pytest.mark.parametrize(
    ("case", "message"),
    [
        (Counterexample.of(y=[1, 1], b=[0, 1]), "y must vary"),
        (Counterexample.of(y=[1, 1], b=[0, 1], eps=1), "y must vary"),
        (Counterexample.of(y=[-1, 1], b=[0, 1], eps="-3/4"), "eps must be at least 0"),
        (Counterexample.of(y=[1, 2, 4], b=[0, 1, 1]), "must be the square of a positive rational"),
        (Counterexample.of(y=[-1, 1], b=[0, 1, 1]), "y has 2 entries"),
        (Counterexample.of(y=[-1, 1], b=[0, 1], A=[[1]]), "y has 2 entries"),
    ],
)
def test_bad_counterexamples_say_why(case: Counterexample, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        exact.measure(case)


def test_series_arithmetic_is_that_of_taylor_polynomials() -> None:
    t = sp.Symbol("t")
    p, q = 4 + 3 * t + 5 * t**2, 2 - t + sp.Rational(1, 3) * t**2
    P = exact.Series(Fraction(4), Fraction(3), Fraction(5))
    Q = exact.Series(Fraction(2), Fraction(-1), Fraction(1, 3))
    for got, want in [(P * Q, p * q), (P / Q, p / q), (P.sqrt(), sp.sqrt(p)), (P - Q, p - q)]:
        taylor = sp.series(want, t, 0, 3).removeO()
        assert [got.a, got.b, got.c] == [Fraction(str(taylor.coeff(t, n))) for n in range(3)]


def test_equality_is_attained_or_refused() -> None:
    claim = slides_4_1.CLAIM
    case = claim.check_of(Proof).attained
    assert exact.attained(claim.relation, claim.domain, case).endswith("both sides are 2")
    for other in (
        Counterexample.of(y=[1, 1, -1, -1], b=[1, 0, 0, 0]),  # strict
        Counterexample.of(y=[1, 1, -1, -1], b=[0, 0, 0, 0]),  # both sides 0
        Counterexample.of(y=[1, 1, -1, -1], b=[1, -1, 0, 0], eps=3),  # outside the domain
    ):
        with pytest.raises(ValueError, match="checks: attained: the sides are"):
            exact.attained(claim.relation, claim.domain, other)


def test_a_family_has_whole_numbers_only() -> None:
    """What vanishes at every whole number does not disturb the limit."""
    wave = sp.sin(sp.pi * exact.n)
    case = ExactCase("a family", lambda: {sym.vv: 1 - 1 / exact.n + wave, sym.gg: sp.Integer(1)})
    assert "goes to 1 as n grows" in exact.attained(sp.Le(sym.vv, sym.gg), sp.true, case)


@given(
    y=st.lists(small, min_size=3, max_size=3, unique=True),
    at=st.tuples(*[st.integers(0, 2)] * 3),
)
def test_entries_are_those_of_the_derivatives(y: list[Fraction], at: tuple[int, int, int]) -> None:
    case = _square(y)
    values = exact.measure(case) | exact.entries(case, at)
    for claim in (bn_jacobian.CLAIM, bn_hessian.CLAIM):
        assert claim.relation.xreplace(values) == sp.true
    assert values[sym.delta_ki] == int(at[0] == at[1])


def test_data_refute_an_equation_at_any_entry() -> None:
    """The entries on the diagonal agree with the wrong Jacobian, the others do not."""
    case = Counterexample.of(y=[0, 1, 1], b=[0, 0, 0], eps=Fraction(7, 9))
    right = bn_jacobian.CLAIM.relation
    off = 1 - sym.delta_ki
    wrong = sp.Eq(right.lhs, right.rhs + off)
    claim = replace(bn_jacobian.CLAIM, relation=wrong, control=right, checks=(case, RandomTest()))
    evidence = exact.check(claim, Settings())
    assert evidence.holds is False
    assert evidence.control_differs
    assert ", k = 1, i = 2 the statement would say" in evidence.summary


def _square(y: list[Fraction]) -> Counterexample:
    """A batch with an eps at which the layer is rational."""
    mean = sum(y, Fraction(0)) / len(y)
    variance = sum((entry - mean) ** 2 for entry in y) / len(y)
    root = 1 + variance
    return Counterexample.of(y=y, b=[0] * len(y), eps=root**2 - variance)
