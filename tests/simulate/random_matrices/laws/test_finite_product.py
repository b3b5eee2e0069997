"""The exact law of small products: Meijer G-functions, Laguerre polynomials, samples, the limit."""

from math import factorial, prod

import numpy as np
import pytest
from mpmath import mp, mpf
from scipy.special import eval_genlaguerre, gammaln

from bnproof.simulate.random_matrices.laws.finite_product import FiniteProduct
from bnproof.simulate.random_matrices.laws.products import ProductLaw
from bnproof.simulate.random_matrices.spectra.goodness_of_fit import distance
from bnproof.simulate.random_matrices.spectra.sampling import sample_singular_values


def density(size: int, excess: tuple[int, ...], x: float) -> float:
    """The mean of P_n Q_n by mpmath's Meijer G-functions, for standard entries."""
    with mp.workdps(30):
        total, at = mpf(0), mpf(x)
        for n in range(size):
            # (s - 1) ... (s - n) = Gamma(s)/Gamma(s - n).
            q = mp.meijerg([[], [-n]], [[0, *excess], []], at)
            q /= factorial(n) * prod(factorial(n + nu) for nu in excess)
            p = sum(
                (-1) ** (n + k)
                * mp.binomial(n, k)
                * prod(mpf(factorial(n + nu)) / factorial(k + nu) for nu in excess)
                * at**k
                for k in range(n + 1)
            )
            total += p * q
        return float(total / size)


@pytest.mark.parametrize("widths", [[3, 3, 3], [2, 4, 3], [2, 2, 2, 2]], ids=str)
def test_density_by_meijer_functions(widths: list[int]) -> None:
    law, scale = FiniteProduct(widths), prod(widths[:-1])
    size, *others = sorted(widths)
    excess = tuple(other - size for other in others)
    for x in (1e-3, 0.2, 1.3, 6.0):
        exact = density(size, excess, x * scale) * scale
        assert law.pdf(x) == pytest.approx(exact, rel=1e-11)


@pytest.mark.parametrize(("size", "excess"), [(1, 0), (4, 0), (9, 2)])
def test_one_factor_is_the_mean_of_laguerre_functions(size: int, excess: int) -> None:
    law = FiniteProduct([size + excess, size])
    x = np.array([1e-6, 0.05, 0.7, 1.5, 3.0, 6.0])
    y = x * (size + excess)
    terms = [
        eval_genlaguerre(n, excess, y) ** 2
        * np.exp(excess * np.log(y) - y + gammaln(n + 1) - gammaln(n + excess + 1))
        for n in range(size)
    ]
    exact = sum(terms) / size * (size + excess)
    np.testing.assert_allclose(law.pdf(x), exact, rtol=1e-11)


def test_tails_have_small_relative_errors() -> None:
    law = FiniteProduct([1, 1])
    x = np.array([1e-30, 1e-9, 0.3, 4.0, 30.0, 300.0])
    np.testing.assert_allclose(law.pdf(x), np.exp(-x), rtol=1e-11)
    np.testing.assert_allclose(law.sf(x), np.exp(-x), rtol=1e-11)
    np.testing.assert_allclose(law.cdf(x), -np.expm1(-x), rtol=1e-11)


@pytest.mark.parametrize("widths", [[3, 3, 3], [2, 5, 4], [4, 3]], ids=str)
def test_masses_densities_quantiles_and_moments_belong_together(widths: list[int]) -> None:
    law = FiniteProduct(widths)
    q = np.array([1e-9, 0.01, 0.4, 0.8, 0.9999])
    np.testing.assert_allclose(law.cdf(law.ppf(q)), q, rtol=1e-12)
    np.testing.assert_allclose(law.sf(law.isf(q)), q, rtol=1e-12)
    x = law.ppf(q[1:])
    np.testing.assert_allclose(law.cdf(x) + law.sf(x), 1, atol=1e-14)
    step = 1e-4 * x
    slope = (law.cdf(x + step) - law.cdf(x - step)) / (2 * step)
    np.testing.assert_allclose(law.pdf(x), slope, rtol=1e-6)
    # The sum of all squares has mean n_M, as each entry of the product has mean square 1/n_0.
    assert law.mean() == pytest.approx(widths[-1] / min(widths))
    assert law.expect(lambda x: x**0.5) == pytest.approx(law.moment(0.5), rel=1e-8)


@pytest.mark.parametrize("widths", [[4, 4, 4], [3, 7, 5]], ids=str)
def test_samples_follow_it(widths: list[int]) -> None:
    law = FiniteProduct(widths)
    squares = sample_singular_values(widths, 2000, field="complex", seed=1).numpy() ** 2
    assert distance(squares, law) < 0.015  # values repel: less than for as many independent ones
    assert distance(squares, FiniteProduct([(w + 1) // 2 for w in widths])) > 0.02


def test_its_limit() -> None:
    """The distance from the limiting law falls with the size, faster than 1/N of the steps."""
    x = np.geomspace(1e-3, 6, 60)
    gaps = []
    for size in (2, 4, 8):
        limit = ProductLaw.of_widths([size] * 3)
        gaps.append(float(np.abs(FiniteProduct([size] * 3).cdf(x) - limit.cdf(x)).max()))
    assert gaps[0] > 1.7 * gaps[1] > 1.7 * 1.7 * gaps[2]


def test_at_0() -> None:
    assert FiniteProduct([1, 1]).pdf(0.0) == 1
    assert FiniteProduct([2, 3]).pdf(0.0) == 0
    assert FiniteProduct([2, 2, 2]).pdf(0.0) == np.inf
    law = FiniteProduct([3, 3, 5])
    assert law.pdf(0.0) == pytest.approx(float(law.pdf(1e-12)), rel=1e-6)
    np.testing.assert_array_equal(law.cdf([-1.0, 0.0, np.inf]), [0, 0, 1])
    assert np.isnan(law.pdf(np.nan))
    np.testing.assert_array_equal(law.ppf([0.0, 1.0, 2.0]), [0, np.inf, np.nan])


@pytest.mark.parametrize("widths", [[3], [], [2, 0], [2, 2.5], [60, 60, 60]])
def test_bad_widths(widths: list[float]) -> None:
    with pytest.raises(ValueError, match="widths"):
        FiniteProduct(widths)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="order must be > -1"):
        FiniteProduct([2, 2]).moment(-1)
