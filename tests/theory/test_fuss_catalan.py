"""The law by two independent paths, its derivation, and the two claims that rest on it."""

import mpmath
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from mpmath import mp

from theory import fuss_catalan as law
from theory.claim import Kind, Settings, Verdict, decide
from theory.claims import liu_density, liu_density_squared
from theory.derived import check, check_disproof
from theory.proof import Derivation, ProofError, proves
from theory.symbols import M, law_first, law_second, phi, rho, sv_second, x

DIGITS = 30


def inside(factors: int, share: str) -> mpmath.mpf:
    with mp.workdps(60):
        return law.support(factors, 60) * mp.mpf(share)


def relative(a: mpmath.mpf, b: mpmath.mpf) -> mpmath.mpf:
    with mp.workdps(60):
        return abs(a / b - 1)


@pytest.mark.parametrize("factors", [1, 2, 3, 10, 64])
@pytest.mark.parametrize("share", ["1e-100", "0.001", "0.5", "0.9999999999"])
def test_both_paths_give_the_density(factors: int, share: str) -> None:
    point = inside(factors, share)
    by_angle = law.pdf(point, factors, DIGITS)
    assert relative(law.pdf_algebraic(point, factors, DIGITS), by_angle) < mp.mpf(10) ** -DIGITS


@settings(max_examples=25)
@given(factors=st.integers(1, 64), exponent=st.floats(-20, -1e-6))
def test_both_paths_give_the_density_anywhere(factors: int, exponent: float) -> None:
    point = law.support(factors) * mp.mpf(10) ** exponent
    by_angle = law.pdf(point, factors, DIGITS)
    assert relative(law.pdf_algebraic(point, factors, DIGITS), by_angle) < mp.mpf(10) ** -DIGITS


@pytest.mark.parametrize("factors", [1, 2, 5])
def test_the_generating_function_solves_its_equation(factors: int) -> None:
    point = inside(factors, "0.2")
    B = law.generating_function(point, factors, DIGITS)
    assert B.imag < 0
    with mp.workdps(DIGITS):
        assert abs(B - 1 - B ** (factors + 1) / point) < mp.mpf(10) ** (3 - DIGITS)


@pytest.mark.parametrize("factors", [1, 2, 7])
def test_distribution_function_is_the_integral_of_the_other_path(factors: int) -> None:
    low, high = inside(factors, "0.2"), inside(factors, "0.7")
    mass = mp.quad(lambda point: law.pdf_algebraic(point, factors, 15), [low, high])
    assert mass == pytest.approx(law.cdf(high, factors) - law.cdf(low, factors), rel=1e-10)
    assert law.cdf(low, factors) + law.sf(low, factors) == pytest.approx(1, rel=1e-15)


@pytest.mark.parametrize(("factors", "order"), [(1, 1), (1, 4), (2, 2), (3, 3), (3, 0)])
def test_moments_are_the_integrals(factors: int, order: int) -> None:
    # x = x_max s**(M+1) takes the singularity at 0 away.
    end = law.support(factors)

    def integrand(s: mpmath.mpf) -> mpmath.mpf:
        point = end * s ** (factors + 1)
        return point**order * law.pdf(point, factors, 15) * (factors + 1) * point / s

    integral = mp.quad(integrand, [0, 0.5, 1])
    assert integral == pytest.approx(law.moment(order, factors), rel=1e-9)


def test_one_factor_is_the_marchenko_pastur_law() -> None:
    point = mp.mpf("0.3")
    assert law.pdf(point, 1) == pytest.approx(mp.sqrt((4 - point) / point) / (2 * mp.pi), rel=1e-15)


@pytest.mark.parametrize("point", [0, -1, 4, 5])
def test_points_outside_are_refused(point: float) -> None:
    with pytest.raises(ValueError, match="outside the support"):
        law.pdf(point, 1)


def test_the_series_of_the_equation_has_the_moments() -> None:
    """B = 1 + w B**(M+1), iterated: a path without residues, for numbers M."""
    w = sp.Symbol("w")
    for factors in (1, 2, 5):
        B = sp.Integer(1)
        for _ in range(4):
            B = sp.series(1 + w * B ** (factors + 1), w, 0, 5).removeO()
        found = [sp.Poly(B, w).coeff_monomial(w**k) for k in range(5)]
        assert found == [law.moment(k, factors) for k in range(5)]


def test_rational_form_tells_apart_and_refuses() -> None:
    assert law.rational(sp.sin(phi) ** 2 + sp.cos(phi) ** 2) == 1
    assert law.rational(sp.sin((M + 1) * phi)) != law.rational(sp.sin(M * phi))
    with pytest.raises(ValueError, match="integers a, b"):
        law.rational(sp.sin(phi / 2))


def test_the_formulas_of_the_derivation_are_the_references() -> None:
    values = {M: 3, phi: sp.Rational(1, 5)}
    with mp.workdps(40):
        point, density, mass = (
            mp.mpf(sp.N(expr.subs(x, law.POINT).subs(values), 40))
            for expr in (law.POINT, law.DENSITY, law.CDF)
        )
    assert relative(law.pdf(point, 3), density) < 1e-28
    assert relative(law.cdf(point, 3), mass) < 1e-28


def test_corrected_theorem_is_proved() -> None:
    evidence = check(liu_density_squared.CLAIM, Settings())
    assert (evidence.kind, evidence.holds, evidence.control_differs) == (Kind.PROOF, True, True)
    assert len(evidence.numbers["rests_on"]) == 2
    assert decide([evidence]) is Verdict.PROVED


@pytest.mark.parametrize(
    "wrong",
    [
        law.DENSITY * x,
        law.DENSITY * 2,
        law.DENSITY.subs(M, M + 1),
        -law.DENSITY,
        2 * law.DENSITY * sp.sqrt(x),
    ],
    ids=["without 1/x", "twice", "M+1 for M", "wrong branch", "density of s"],
)
def test_wrong_densities_are_not_proved(wrong: sp.Expr) -> None:
    proof = liu_density_squared.prove()
    assert proves(proof, sp.Eq(rho, law.DENSITY), law.DOMAIN)
    assert not proves(proof, sp.Eq(rho, wrong), law.DOMAIN)


def test_a_wrong_step_stops_the_derivation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(law, "CDF", law.CDF.subs(M, M + 1))
    with pytest.raises(ProofError, match="dF/dphi"):
        law.mass_steps(Derivation())


def test_printed_theorem_is_refuted() -> None:
    evidence = check_disproof(liu_density.CLAIM, Settings())
    assert (evidence.holds, evidence.control_differs) == (False, True)
    assert evidence.numbers["difference"] == "M"
    assert decide([evidence]) is Verdict.REFUTED


def test_derived_moments_are_the_numbers() -> None:
    values = liu_density.prove().values
    assert values[sv_second] == 1
    for factors in (1, 2, 9):
        assert values[law_first].subs(M, factors) == law.moment(1, factors)
        assert values[law_second].subs(M, factors) == law.moment(2, factors)
