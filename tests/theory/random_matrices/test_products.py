"""Products of Gaussian matrices: the mean logarithm of a diagonal entry, by integration."""

import pytest
from mpmath import mp

from bnproof.theory.proving.derivation import Derivation
from bnproof.theory.random_matrices import products


@pytest.fixture(scope="module")
def derived() -> Derivation:
    d = Derivation()
    products.triangular_steps(d)
    return d


@pytest.mark.parametrize(("size", "freedom"), [(1, 1), (5, 2), (5, 5)])
def test_the_mean_logarithm_is_that_of_the_chi_squared_law(
    derived: Derivation, size: int, freedom: int
) -> None:
    """E log r for N r^2 chi-squared: r is the length of `freedom` Gaussians of variance 1/N."""
    half = mp.mpf(freedom) / 2

    def integrand(q: mp.mpf) -> mp.mpf:
        density = q ** (half - 1) * mp.exp(-q / 2) / (2**half * mp.gamma(half))
        return mp.log(q / size) / 2 * density

    values = {
        products.N: size,
        products.freedom: freedom,
        products.psi: mp.digamma(half),
    }
    expected = mp.quad(integrand, [0, 1, 10, mp.inf])
    found = derived.values[products.log_r].subs(values).evalf()
    assert float(found) == pytest.approx(float(expected), rel=1e-6)
