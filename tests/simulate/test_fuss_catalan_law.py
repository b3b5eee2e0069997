"""The law in float64 against mpmath, over the range that it states."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mpmath import mp
from scipy import integrate

from simulate.random_matrices.fuss_catalan import FussCatalan
from theory import fuss_catalan as reference

STATED = 1e-12
FACTORS = [1, 2, 3, 7, 16, 64]
LEFT = [f"1e-{k}" for k in (100, 60, 30, 10, 4, 1)]
RIGHT = ["0.3", "0.5", "0.9", "0.999", "0.999999", "0.9999999999"]


def point(factors: int, share: str) -> float:
    with mp.workdps(50):
        return float(reference.support(factors) * mp.mpf(share))


def error(got: float, factors: int, name: str, x: float) -> float:
    exact = getattr(reference, name)(x, factors)
    with mp.workdps(30):
        return float(abs(mp.mpf(float(got)) / exact - 1))


@pytest.mark.parametrize("factors", FACTORS)
@pytest.mark.parametrize("name", ["pdf", "cdf", "sf"])
def test_accuracy_over_the_stated_range(factors: int, name: str) -> None:
    x = np.array([point(factors, share) for share in LEFT + RIGHT])
    got = getattr(FussCatalan(factors), name)(x)
    assert max(error(g, factors, name, v) for g, v in zip(got, x, strict=True)) < STATED


@given(factors=st.integers(1, 64), exponent=st.floats(-100, -1e-10))
def test_accuracy_anywhere(factors: int, exponent: float) -> None:
    law = FussCatalan(factors)
    x = law.support()[1] * 10**exponent
    for name in ("pdf", "cdf", "sf"):
        assert error(getattr(law, name)(x), factors, name, x) < STATED


def test_a_rounded_edge_would_be_seen() -> None:
    """The control: with the edge as one float the error near it is far above what is stated."""
    law, x = FussCatalan(2), point(2, "0.9999999999")
    rounded = FussCatalan(2)
    rounded.__dict__["_edge"] = (law.support()[1] * (1 + 2e-16), 0.0)
    assert error(law.pdf(x), 2, "pdf", x) < STATED
    assert error(rounded.pdf(x), 2, "pdf", x) > 1e-8


@given(factors=st.integers(1, 20), p=st.floats(1e-12, 1 - 1e-12))
def test_ppf_inverts_the_cdf(factors: int, p: float) -> None:
    for power in (1, 2):
        law = FussCatalan(factors, power)
        x = law.ppf(p)
        assert law.cdf(x) == pytest.approx(p, rel=1e-10)
        assert law.sf(x) == pytest.approx(1 - p, rel=1e-10)


def test_log_ppf_where_ppf_underflows() -> None:
    law = FussCatalan(64)
    assert law.ppf(1e-10) == 0
    assert np.isfinite(law.log_ppf([1e-300, 1e-10])).all()
    assert law.log_ppf(0.25) == pytest.approx(np.log(law.ppf(0.25)), rel=1e-12)
    np.testing.assert_array_equal(law.log_ppf([0, 1e-310, -1, 2, np.nan])[1:], np.nan)
    assert law.log_ppf(0.0) == -np.inf


@given(factors=st.integers(1, 64), s=st.floats(1e-6, 1))
def test_singular_values_have_the_root_law(factors: int, s: float) -> None:
    squared, plain = FussCatalan(factors), FussCatalan(factors, power=1)
    s *= plain.support()[1] * 0.999
    assert plain.cdf(s) == pytest.approx(squared.cdf(s * s), rel=1e-10)
    assert plain.pdf(s) == pytest.approx(2 * s * squared.pdf(s * s), rel=1e-10)


def test_one_factor_is_the_quarter_circle() -> None:
    s = np.array([0.0, 0.5, 1.9])
    np.testing.assert_allclose(FussCatalan(1, 1).pdf(s), np.sqrt(4 - s**2) / np.pi, rtol=1e-13)


@pytest.mark.parametrize("factors", [1, 2, 6])
@pytest.mark.parametrize("order", [0, 1, 2, 0.5, -0.1])
def test_moments(factors: int, order: float) -> None:
    # x = x_max w**(M+1) takes the singularity at 0 away.
    law = FussCatalan(factors)
    end, p = law.support()[1], factors + 1

    def integrand(w: float) -> float:
        x = end * w**p
        return float(x**order * law.pdf(x) * p * x / w)

    value, _ = integrate.quad(integrand, 0, 1, epsabs=0, epsrel=1e-10)
    assert law.moment(order) == pytest.approx(value, rel=1e-8)


def test_moments_that_are_infinite() -> None:
    assert FussCatalan(3).moment(-0.25) == np.inf
    assert FussCatalan(3, power=1).moment(-0.4) < np.inf


def test_outside_the_support() -> None:
    law = FussCatalan(2)
    x = np.array([[-np.inf, -1.0, 0.0], [6.75, 7.0, np.inf]])
    np.testing.assert_array_equal(law.pdf(x), [[0, 0, np.inf], [0, 0, 0]])
    np.testing.assert_array_equal(law.cdf(x), [[0, 0, 0], [1, 1, 1]])
    np.testing.assert_array_equal(law.sf(x), [[1, 1, 1], [0, 0, 0]])
    assert all(np.isnan(f(np.nan)) for f in (law.pdf, law.cdf, law.sf))
    assert law.pdf(np.empty((0, 3))).shape == (0, 3)
    assert np.isfinite(law.pdf(5e-324))


@pytest.mark.parametrize("factors", [0, -1, 1.5, "2", True, None])
def test_bad_factors(factors: object) -> None:
    with pytest.raises(ValueError, match=r"^factors must be an integer >= 1, not [^\n]*$"):
        FussCatalan(factors)  # type: ignore[arg-type]


def test_bad_power() -> None:
    with pytest.raises(ValueError, match="power must be 1 or 2"):
        FussCatalan(2, power=3)
