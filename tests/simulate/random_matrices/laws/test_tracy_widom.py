"""Tracy-Widom laws: published values, two independent paths, and the manners of a distribution."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mpmath import mp
from mpmath.calculus.quadrature import GaussLegendre
from numpy.typing import NDArray
from scipy.integrate import solve_ivp
from scipy.special import airy

from bnproof.simulate.random_matrices.laws import tracy_widom
from bnproof.simulate.random_matrices.laws.tracy_widom import TracyWidom

BETAS = tracy_widom.BETAS
# F. Bornemann, arXiv:0904.1581: mean, variance, skewness and excess kurtosis.
PUBLISHED = {
    1: (-1.2065335745820, 1.6077810345810, 0.29346452408, 0.16524293845),
    2: (-1.7710868074110, 0.8131947928329, 0.224084203610, 0.0934480876),
    4: (-2.3068848932410, 0.5177237207726, 0.165509494350, 0.0491951565),
}
each = pytest.mark.parametrize("law", [TracyWidom(beta) for beta in BETAS], ids=str)
STRETCH = {1: 1.0, 2: 1.0, 4: 2**0.5}  # of the argument in determinants and series


@each
def test_published_moments(law: TracyWidom) -> None:
    found = (law.mean(), law.var(), law.skewness(), law.kurtosis())
    for value, published in zip(found, PUBLISHED[law.beta], strict=True):
        assert value == pytest.approx(published, abs=1e-10)
    assert law.std() == pytest.approx(law.var() ** 0.5)


@pytest.mark.parametrize("point", [-1.5])
def test_against_determinants_with_30_digits(point: float) -> None:
    # The kernel of arXiv:0804.2543, with its own nodes and no eigenvalues.
    with mp.workdps(30):
        nodes = GaussLegendre(mp).calc_nodes(5, mp.prec)
        half = (16 - mp.mpf(point)) / 2
        x = [point + half * (t + 1) for t, _ in nodes]
        root = [mp.sqrt(half * w) for _, w in nodes]
        airy_half = [[mp.airyai((a + b) / 2) / 2 for b in x] for a in x]
        size = len(x)

        def det(sign: int) -> object:
            return mp.det(
                mp.matrix(size, size)
                + mp.eye(size)
                + mp.matrix(
                    [
                        [sign * root[i] * airy_half[i][j] * root[j] for j in range(size)]
                        for i in range(size)
                    ]
                )
            )

        one = det(-1)
        two = one * det(1)
    assert TracyWidom(1).cdf(point) == pytest.approx(float(one), abs=1e-13)
    assert TracyWidom(2).cdf(point) == pytest.approx(float(two), abs=1e-13)
    four = (one + two / one) / 2
    assert TracyWidom(4).cdf(point / 2**0.5) == pytest.approx(float(four), abs=1e-13)


def test_against_the_painleve_equation_integrated_from_the_right() -> None:
    # q, q', the integrals of q, of q**2 and of (x-s) q**2 over x > s, as s falls from 6.
    def slope(s: float, y: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.array([y[1], s * y[0] + 2 * y[0] ** 3, -y[0], -(y[0] ** 2), -y[3]])

    value, derivative, *_ = airy(6.0)
    x, weights = np.polynomial.legendre.leggauss(60)
    x, weights = 6 * (x + 1), 6 * weights
    tail = airy(6 + x)[0]
    start = [value, derivative, weights @ tail, weights @ tail**2, weights @ (x * tail**2)]
    points = np.array([4.0, 2.0, 0.0, -1.0, -2.0, -3.0])
    found = solve_ivp(slope, (6, -3), start, "DOP853", points, rtol=1e-13, atol=1e-25).y
    np.testing.assert_allclose(TracyWidom(2).cdf(points), np.exp(-found[4]), atol=2e-10, rtol=0)
    one = np.exp(-(found[4] + found[2]) / 2)
    np.testing.assert_allclose(TracyWidom(1).cdf(points), one, atol=2e-10, rtol=0)


def test_painleve_and_determinants_meet() -> None:
    # Determinants are good to 1e-15 absolutely, so that far to the left their logarithm is not.
    for place, solution in enumerate(tracy_widom.painleve()):
        for s in (-0.5, -2.0, -4.0, -6.0):
            determinant = -np.exp(tracy_widom.log_log_determinants(s, 72)[place])
            assert np.exp(solution(s)) == pytest.approx(np.exp(determinant), abs=3e-14)


@each
def test_interpolant_and_series_join(law: TracyWidom) -> None:
    # The series below -10 and the solution above it; the right tail and its trace.
    edges = (tracy_widom.SERIES_BELOW, tracy_widom.FOURTH_BELOW, tracy_widom.MATCH)
    for s in (*edges, tracy_widom.TRACE_ABOVE):
        edge = s / STRETCH[law.beta]
        left, right = law.logpdf(np.array([edge - 1e-12, edge + 1e-12]))
        assert left == pytest.approx(right, rel=1e-9)
        assert law.logcdf(edge - 1e-13) == pytest.approx(law.logcdf(edge + 1e-13), rel=1e-11)


@each
def test_right_tail_keeps_its_digits(law: TracyWidom) -> None:
    points = np.array([0.5, 3.0, 7.0, 11.0, 14.0])
    place = BETAS.index(law.beta)
    exact = [tracy_widom.log_log_determinants(s * STRETCH[law.beta], 80)[place] for s in points]
    np.testing.assert_allclose(law.sf(points), -np.expm1(-np.exp(exact)), rtol=5e-13)
    with mp.workdps(30):  # far out 1 - F is the trace
        for s in (20.0, 45.0):
            if law.beta == 1:
                trace = mp.quad(lambda x: mp.airyai(x) / 2, [s, s + 2, s + 8])
            elif law.beta == 2:
                trace = mp.airyai(s, derivative=1) ** 2 - s * mp.airyai(s) ** 2
            else:  # more nodes, and no cancelling powers
                trace = np.exp(tracy_widom.log_log_determinants(s * 2**0.5, 120)[2])
            assert law.sf(s) == pytest.approx(float(trace), rel=2e-12 if law.beta < 4 else 1e-10)


@each
def test_density_is_the_derivative(law: TracyWidom) -> None:
    # The logarithmic derivative through traces, from its own eigenvectors.
    if law.beta == 4:
        step, points = 1e-5, np.array([-4.0, -3.0, -1.0, 1.0])
        rise = (law.cdf(points + step) - law.cdf(points - step)) / (2 * step)
        np.testing.assert_allclose(law.pdf(points), rise, atol=1e-9)
        return
    for s in (-3.0, -1.0, 1.0, 3.0):
        x, roots = tracy_widom._rule(s, 64)
        weights = np.outer(roots, roots)
        kernel, slope = (part[: len(x)] for part in airy(s + x[:, None] + x)[:2])
        inverse = np.linalg.inv(np.eye(len(x)) - weights * kernel)
        log_slope = -np.trace(inverse @ (weights * slope))
        if law.beta == 2:
            inverse = np.linalg.inv(np.eye(len(x)) + weights * kernel)
            log_slope += np.trace(inverse @ (weights * slope))
        assert law.pdf(s) == pytest.approx(law.cdf(s) * log_slope, abs=2e-13)


@each
def test_shape(law: TracyWidom) -> None:
    points = np.linspace(-12, 12, 4001)
    mass = law.cdf(points)
    assert (law.pdf(points) > 0).all()
    assert (np.diff(mass[mass < 1 - 1e-14]) > 0).all()
    assert (np.diff(law.sf(points)[points > -3]) < 0).all()
    far = 1 / STRETCH[law.beta]
    assert (law.cdf(-19.0 * far) > 0) & (law.sf(60.0 * far) > 0)
    np.testing.assert_allclose(mass + law.sf(points), 1, atol=1e-15)
    assert law.cdf([-np.inf, np.inf]).tolist() == [0, 1]
    assert law.sf([-np.inf, np.inf, 2000.0]).tolist() == [1, 0, 0]
    assert law.cdf([-1e200, 1e200]).tolist() == [0, 1]
    assert law.pdf([-np.inf, -1e200, 2000.0, 1e200, np.inf]).tolist() == [0] * 5
    assert np.isnan(law.cdf(np.nan))
    assert law.cdf(np.zeros((2, 3))).shape == (2, 3)


@given(st.floats(1e-290, 1.0, exclude_max=True), st.sampled_from(BETAS))
def test_quantiles_invert(mass: float, beta: int) -> None:
    law = TracyWidom(beta)
    assert law.cdf(law.ppf(mass)) == pytest.approx(mass, rel=1e-11)
    assert law.sf(law.isf(mass)) == pytest.approx(mass, rel=1e-11)


@each
def test_quantiles_at_the_ends(law: TracyWidom) -> None:
    assert law.ppf([0.0, 1.0]).tolist() == [-np.inf, np.inf]
    assert law.isf([0.0, 1.0]).tolist() == [np.inf, -np.inf]
    assert np.isnan(law.ppf([-0.1, 1.1, np.nan])).all()
    draws = law.rvs(4000, np.random.default_rng(0))
    assert draws.mean() == pytest.approx(law.mean(), abs=4 * law.std() / 4000**0.5)


@pytest.mark.parametrize("beta", [0, 3, 1.5, 2.0001])
def test_refuses_other_betas(beta: object) -> None:
    with pytest.raises(ValueError, match="beta must be 1"):
        TracyWidom(beta)  # type: ignore[arg-type]


def test_a_whole_number_of_another_type_is_a_beta() -> None:
    assert TracyWidom(1.0).cdf(0.0) == TracyWidom(np.int64(1)).cdf(0.0) == TracyWidom(1).cdf(0.0)
    with pytest.raises(TypeError, match="beta must be a real number, not '1'"):
        TracyWidom("1")  # type: ignore[arg-type]
