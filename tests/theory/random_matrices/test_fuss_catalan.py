"""The law by two independent paths, its derivation, and the two claims that rest on it."""

from collections.abc import Callable
from types import ModuleType
from typing import Any

import mpmath
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from mpmath import mp

from bnproof.theory.claim import Kind, Settings, Verdict, decide
from bnproof.theory.claims.random_matrices import (
    fuss_catalan_cdf,
    fuss_catalan_draw,
    fuss_catalan_edge,
    fuss_catalan_entropy,
    fuss_catalan_log_moments,
    fuss_catalan_moments,
    fuss_catalan_real,
    liu_density,
    liu_density_squared,
    liu_edge,
    liu_origin,
)
from bnproof.theory.prove import check, check_disproof
from bnproof.theory.proving.derivation import Derivation, ProofError, proves
from bnproof.theory.random_matrices import fuss_catalan as law
from bnproof.theory.random_matrices import fuss_catalan_proofs as proofs
from bnproof.theory.random_matrices.fuss_catalan_moments import edge_constant, origin_constant
from bnproof.theory.symbols import M, law_first, law_second, phi, rho, sv_second, x

DIGITS = 30


def inside(factors: float, share: str) -> mpmath.mpf:
    with mp.workdps(60):
        return law.support(factors, 60) * mp.mpf(share)


def relative(a: mpmath.mpf, b: mpmath.mpf) -> mpmath.mpf:
    with mp.workdps(60):
        return abs(a / b - 1)


@pytest.mark.parametrize("factors", [1, 2, 3, 10, 64, 0.5, 2.7])
@pytest.mark.parametrize("share", ["1e-40", "0.001", "0.5", "0.9999999999"])
def test_both_paths_give_the_density(factors: float, share: str) -> None:
    point = inside(factors, share)
    by_angle = law.pdf(point, factors, DIGITS)
    assert relative(law.pdf_algebraic(point, factors, DIGITS), by_angle) < mp.mpf(10) ** -DIGITS


@settings(max_examples=8)
@given(factors=st.integers(1, 30) | st.floats(0.1, 20), exponent=st.floats(-20, -1e-6))
def test_both_paths_give_the_density_anywhere(factors: float, exponent: float) -> None:
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


@pytest.mark.parametrize("factors", [1, 2, 7, 0.5])
def test_distribution_function_is_the_integral_of_the_other_path(factors: float) -> None:
    low, high = inside(factors, "0.2"), inside(factors, "0.7")
    mass = mp.quad(lambda point: law.pdf_algebraic(point, factors, 15), [low, high])
    assert mass == pytest.approx(law.cdf(high, factors) - law.cdf(low, factors), rel=1e-10)
    assert law.cdf(low, factors) + law.sf(low, factors) == pytest.approx(1, rel=1e-15)


@pytest.mark.parametrize(
    ("factors", "order"), [(1, 1), (1, 4), (2, 2), (3, 3), (3, 0), (2, -0.1), (2.7, 0.5), (0.5, 2)]
)
def test_moments_are_the_integrals(factors: float, order: float) -> None:
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
    assert proofs.rational(sp.sin(phi) ** 2 + sp.cos(phi) ** 2) == 1
    assert proofs.rational(sp.sin((M + 1) * phi)) != proofs.rational(sp.sin(M * phi))
    with pytest.raises(ValueError, match="integers a, b"):
        proofs.rational(sp.sin(phi / 2))


def test_the_formulas_of_the_derivation_are_the_references() -> None:
    values = {M: 3, phi: sp.Rational(1, 5)}
    with mp.workdps(40):
        point, density, mass = (
            mp.mpf(sp.N(expr.subs(x, proofs.POINT).subs(values), 40))
            for expr in (proofs.POINT, proofs.DENSITY, proofs.CDF)
        )
    assert relative(law.pdf(point, 3), density) < 1e-28
    assert relative(law.cdf(point, 3), mass) < 1e-28


def test_corrected_theorem_is_proved() -> None:
    evidence = check(liu_density_squared.CLAIM, Settings())
    assert (evidence.kind, evidence.holds, evidence.control_differs) == (Kind.PROOF, True, True)
    assert len(evidence.numbers["rests_on"]) == 5
    assert decide([evidence]) is Verdict.PROVED


@pytest.mark.parametrize(
    "wrong",
    [
        proofs.DENSITY * x,
        proofs.DENSITY * 2,
        proofs.DENSITY.subs(M, M + 1),
        -proofs.DENSITY,
        2 * proofs.DENSITY * sp.sqrt(x),
    ],
    ids=["without 1/x", "twice", "M+1 for M", "wrong branch", "density of s"],
)
def test_wrong_densities_are_not_proved(wrong: sp.Expr) -> None:
    proof = liu_density_squared.prove()
    assert proves(proof, sp.Eq(rho, proofs.DENSITY), proofs.ANGLES)
    assert not proves(proof, sp.Eq(rho, wrong), proofs.ANGLES)


def test_a_wrong_step_stops_the_derivation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proofs, "CDF", proofs.CDF.subs(M, M + 1))
    with pytest.raises(ProofError, match="dF/dphi"):
        proofs.mass_steps(Derivation())


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


@pytest.mark.parametrize("factors", [1, 2, 0.5])
def test_entropy_and_log_moments_are_the_integrals(factors: float) -> None:
    end, p = law.support(factors), factors + 1

    def mean(function: Callable[[Any, Any], Any]) -> Any:
        def integrand(s: Any) -> Any:
            point = end * s**p
            density = law.pdf(point, factors, 15)
            return function(point, density) * density * p * point / s

        return mp.quad(integrand, [0, 0.5, 1])

    log_mean, log_variance = law.log_moments(factors)
    assert mean(lambda point, _: mp.log(point)) == pytest.approx(log_mean, rel=1e-6)
    assert mean(lambda point, _: (mp.log(point) - log_mean) ** 2) == pytest.approx(
        log_variance, rel=1e-6
    )
    assert mean(lambda _, density: -mp.log(density)) == pytest.approx(
        law.entropy(factors), abs=1e-6
    )


@pytest.mark.parametrize("z", [2 + 1j, -3, 20, 0.5 - 0.25j])
def test_stieltjes_transform_is_an_integral_of_the_density(z: complex) -> None:
    factors = 2
    end = law.support(factors)

    def integrand(s: Any) -> Any:
        point = end * s**3
        return law.pdf(point, factors, 15) * 3 * point / s / (mp.mpmathify(z) - point)

    assert abs(law.stieltjes(z, factors) / mp.quad(integrand, [0, 0.5, 1]) - 1) < 1e-8


def test_stieltjes_transform_generates_the_moments() -> None:
    """A contour integral around the support, by the trapezoidal rule on a circle."""
    factors, count, radius = 3, 16, 60
    circle = [radius * mp.expjpi(mp.mpf(2 * j + 1) / count) for j in range(count)]
    for order in range(4):
        total = sum(law.stieltjes(z, factors, 12) * z ** (order + 1) for z in circle) / count
        assert abs(total - law.moment(order, factors)) < 1e-10 * radius**order


def test_branch_points_and_bad_input_are_refused() -> None:
    for point in (0, 4):
        with pytest.raises(ValueError, match="branch point"):
            law.generating_function(point, 1)
    with pytest.raises(ValueError, match=r"order must be .* > -1/\(M\+1\) = -0.5, .* -0.5$"):
        law.moment(-0.5, 1)
    with pytest.raises(ValueError, match="factors must be finite and > 0, not 0"):
        law.check_factors(0)
    with pytest.raises(TypeError, match="factors must be a real number > 0, not '2'"):
        law.check_factors("2")


def test_the_laws_of_m_and_of_its_inverse_share_their_curve() -> None:
    """x_M(phi) = x_(1/M)(M phi)**M: what lets one kernel serve every M > 0."""
    point, angle = proofs.POINT, sp.Rational(1, 7)
    direct = point.subs({M: 3, phi: angle})
    real = proofs.real
    inverse = point.subs(M, real).subs({real: sp.Rational(1, 3), phi: 3 * angle}) ** 3
    assert abs(sp.N(direct - inverse, 40)) < 1e-35


@pytest.mark.parametrize(
    "module",
    [
        fuss_catalan_cdf,
        fuss_catalan_draw,
        fuss_catalan_edge,
        fuss_catalan_entropy,
        fuss_catalan_log_moments,
        fuss_catalan_moments,
        fuss_catalan_real,
        liu_edge,
        liu_origin,
    ],
    ids=lambda module: module.CLAIM.id,
)
def test_claims_of_the_law_are_proved_and_their_controls_rejected(module: ModuleType) -> None:
    evidence = check(module.CLAIM, Settings())
    assert (evidence.holds, evidence.control_differs) == (True, True)
    assert decide([evidence]) is Verdict.PROVED


@pytest.mark.parametrize("factors", [1, 2, 10])
def test_derived_ends_are_those_of_the_numbers(factors: int) -> None:
    """Exponent and coefficients against the other path to the density, close to both ends."""
    origin, edge = liu_origin.prove().values, liu_edge.prove().values
    with mp.workdps(40):
        end, share = law.support(factors), mp.mpf(10) ** (-8 * (factors + 1))
        found = law.pdf(end * share, factors) * (end * share) ** (mp.mpf(factors) / (factors + 1))
        assert float(found) == pytest.approx(
            float(origin[origin_constant].subs(M, factors)), rel=1e-6
        )
        gap = mp.mpf("1e-14")
        found = law.pdf(end * (1 - gap), factors) * end / mp.sqrt(gap)
        assert float(found) == pytest.approx(float(edge[edge_constant].subs(M, factors)), rel=1e-6)
