"""The law in float64 against mpmath at 60 digits, over the whole range that it states."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mpmath import mp
from scipy import special, stats

from bnproof.simulate.random_matrices.laws import fuss_catalan_kernel as kernel
from bnproof.simulate.random_matrices.laws.fuss_catalan import FussCatalan
from bnproof.theory.random_matrices import fuss_catalan as reference

STATED = 1e-13
FACTORS = [1, 2, 3, 10, 64, 200, 1000, 0.5, 2.7, 0.1, 0.999]
NAMES = ("pdf", "cdf", "sf")
DIGITS = 60


def random_points(law: Any, seed: int, count: int) -> np.ndarray:
    """Points near 0 by their logarithm, near the end by that of the distance, and in between."""
    source = np.random.default_rng(seed)
    end = law.support()[1]
    low = end * 10 ** source.uniform(-300 / law.power, 0, count)
    high = end * (1 - 10 ** source.uniform(-14, 0, count))
    return np.concatenate([low, high, end * source.uniform(0, 1, count)])


def exact(law: Any, x: float, name: str) -> Any:
    """A value of the law by `random_matrices.fuss_catalan`, for its power and scale 1."""
    with mp.workdps(DIGITS):
        value = getattr(reference, name)(mp.mpf(x) ** law.power, law.factors, DIGITS)
        return value * law.power * mp.mpf(x) ** (law.power - 1) if name == "pdf" else value


def error(got: float, want: Any) -> float:
    with mp.workdps(DIGITS):
        return float(abs(mp.mpf(float(got)) / want - 1))


@pytest.mark.parametrize("root", [False, True], ids=["squares", "singular values"])
@pytest.mark.parametrize("factors", FACTORS)
def test_accuracy_at_random_points(factors: float, root: bool) -> None:
    law = FussCatalan(factors).root() if root else FussCatalan(factors)
    x = random_points(law, seed=30, count=4)
    values = law.evaluate(x)
    for name in NAMES:
        got = getattr(values, name)
        np.testing.assert_array_equal(got, getattr(law, name)(x))
        assert max(error(g, exact(law, v, name)) for g, v in zip(got, x, strict=True)) < STATED
        logs = getattr(law, f"log{name}")(x)
        for value, point in zip(logs, x, strict=True):
            with mp.workdps(DIGITS):
                want = mp.log(exact(law, point, name))
                assert abs(mp.mpf(float(value)) - want) <= STATED * max(1, abs(want))


@pytest.mark.slow
@pytest.mark.parametrize("factors", [*FACTORS, 1e-3, 1e5])
def test_accuracy_at_many_random_points(factors: float) -> None:
    for law in (FussCatalan(factors), FussCatalan(factors).root()):
        x = random_points(law, seed=31, count=60)
        for name, got in zip(NAMES, law.evaluate(x), strict=True):
            assert max(error(g, exact(law, v, name)) for g, v in zip(got, x, strict=True)) < STATED


@settings(max_examples=25)
@given(factors=st.floats(0.05, 1500), exponent=st.floats(-300, -1e-13))
def test_accuracy_for_any_real_number_of_factors(factors: float, exponent: float) -> None:
    law = FussCatalan(factors)
    x = law.support()[1] * 10**exponent
    for name in NAMES:
        assert error(getattr(law, name)(x), exact(law, x, name)) < STATED


def test_a_rounded_end_would_be_seen() -> None:
    """The control: with the end as one float the error near it is far above what is stated."""
    law = FussCatalan(3).root()
    rounded = FussCatalan(3).root()
    rounded._placed.__dict__["end"] = (law.support()[1], 0.0)
    x = law.support()[1] * (1 - 1e-12)
    assert error(law.pdf(x), exact(law, x, "pdf")) < STATED
    assert error(rounded.pdf(x), exact(law, x, "pdf")) > 1e-6


def test_far_points_need_their_exact_move() -> None:
    """The control: without it the rounding of log x shows where M < 1."""
    law = FussCatalan(0.1)
    x = law.support()[1] * 10 ** np.random.default_rng(32).uniform(-300, -250, 20)
    fall = np.log(law.support()[1]) - np.log(x)
    plain = kernel.curve(0.1).values(np, fall)[1]
    want = [exact(law, point, "cdf") for point in x]
    assert max(error(g, w) for g, w in zip(law.cdf(x), want, strict=True)) < STATED / 2
    assert max(error(g, w) for g, w in zip(plain, want, strict=True)) > STATED


@given(factors=st.floats(0.1, 300), q=st.floats(1e-250, 1 - 1e-12))
def test_quantiles_invert(factors: float, q: float) -> None:
    for law in (FussCatalan(factors, 2.5), FussCatalan(factors, 2.5).root()):
        # Compared in the logarithm, so that no rounding of x to float64 comes in.
        with mp.workdps(40):
            x = mp.exp(law.power * mp.mpf(float(law.logppf(q)))) / mp.mpf("2.5")
            if x < reference.support(factors) * (1 - mp.mpf("1e-8")):
                mass = reference.cdf(x, factors, 30)
                assert abs(mass / mp.mpf(q) - 1) < 4e-13 * max(1, 1e-3 / (1 - q))


@given(factors=st.sampled_from([1, 2, 5, 0.5]), exponent=st.floats(-12, -0.1))
def test_upper_quantiles_invert(factors: float, exponent: float) -> None:
    law, q = FussCatalan(factors), 10**exponent
    x = law.isf(q)
    # x is a float64: the mass above moves by this much within a unit in its last place.
    spread = 3 * np.spacing(x) * law.pdf(x) / q
    assert law.sf(x) == pytest.approx(q, rel=1e-12 + spread)


def test_ends_of_the_quantiles() -> None:
    law = FussCatalan(3, 0.3)
    end = law.support()[1]
    bad = [-1, 2, np.nan, np.inf]
    np.testing.assert_array_equal(law.ppf([0, 1, *bad]), [0, end, *[np.nan] * 4])
    np.testing.assert_array_equal(law.isf([0, 1, *bad]), [end, 0, *[np.nan] * 4])
    np.testing.assert_array_equal(law.logppf([0.0, -1]), [-np.inf, np.nan])
    low, high = law.interval(0.9)
    assert law.cdf(high) - law.cdf(low) == pytest.approx(0.9, rel=1e-12)
    assert law.cdf(law.median()) == pytest.approx(0.5, rel=1e-13)


def test_underflow_is_said_and_avoided() -> None:
    law = FussCatalan(64)
    for underflowing in (lambda: law.ppf(1e-10), lambda: FussCatalan(1000).rvs(50, rng=0)):
        with pytest.warns(RuntimeWarning, match="use logppf or log_rvs"):
            assert np.any(underflowing() == 0)
    assert np.isfinite(law.logppf([5e-324, 1e-310, 1e-10])).all()
    assert np.isfinite(FussCatalan(1000).log_rvs(50, rng=0)).all()
    assert law.logppf(0.25) == pytest.approx(np.log(law.ppf(0.25)), rel=1e-13)


def test_outside_the_support() -> None:
    law = FussCatalan(2)
    x = np.array([[-np.inf, -1.0, 0.0], [6.75, 7.0, np.inf]])
    infinite = np.inf
    expected = {
        "pdf": [[0, 0, infinite], [0, 0, 0]],
        "cdf": [[0, 0, 0], [1, 1, 1]],
        "sf": [[1, 1, 1], [0, 0, 0]],
        "logpdf": [[-infinite, -infinite, infinite], [-infinite] * 3],
        "logcdf": [[-infinite] * 3, [0, 0, 0]],
        "logsf": [[0, 0, 0], [-infinite] * 3],
    }
    for name, values in expected.items():
        np.testing.assert_array_equal(getattr(law, name)(x), values)
        assert np.isnan(getattr(law, name)(np.nan))
    assert law.pdf(np.empty((0, 3))).shape == (0, 3)
    assert np.isfinite(law.logpdf(5e-324))
    assert law.root().cdf(5e-324) > 0


def test_density_of_singular_values_at_zero() -> None:
    s = np.array([0.0, 0.5, 1.9])
    np.testing.assert_allclose(FussCatalan(1).root().pdf(s), np.sqrt(4 - s**2) / np.pi, rtol=1e-14)
    assert FussCatalan(1, 4.0).root().pdf(0.0) == pytest.approx(1 / np.pi)
    assert FussCatalan(0.5).root().pdf(0.0) == 0
    assert FussCatalan(2).root().pdf(0.0) == np.inf


@given(factors=st.floats(0.2, 50), scale=st.floats(1e-3, 1e3), share=st.floats(1e-6, 0.99))
def test_scale_and_root_are_changes_of_variable(factors: float, scale: float, share: float) -> None:
    law, plain = FussCatalan(factors, scale), FussCatalan(factors)
    x = share * law.support()[1]
    assert law.cdf(x) == pytest.approx(plain.cdf(x / scale), rel=1e-12)
    assert law.pdf(x) * scale == pytest.approx(plain.pdf(x / scale), rel=1e-12)
    assert law.root().sf(np.sqrt(x)) == pytest.approx(law.sf(x), rel=1e-11)
    order = 0.7
    assert law.moment(order) == pytest.approx(scale**order * plain.moment(order), rel=1e-13)
    assert law.root().moment(2 * order) == pytest.approx(law.moment(order), rel=1e-13)


@pytest.mark.parametrize("factors", [1, 2, 6, 0.5, 2.7])
@pytest.mark.parametrize("root", [False, True])
def test_summaries_are_the_integrals(factors: float, root: bool) -> None:
    law = FussCatalan(factors, 0.6)
    law = law.root() if root else law
    end, p = law.support()[1], factors + 1

    # x = end w**(M+1) with the double exponential rule for w, which no singularity at 0 or 1 harms.
    t, step = np.linspace(-4.15, 2.9, 353, retstep=True)
    w = special.expit(np.pi * np.sinh(t))
    points = end * w**p
    density = law.pdf(points) * p * points * np.pi * np.cosh(t) * (1 - w) * step

    def mean(function: Any) -> float:
        return float((function(points) * density).sum())

    for order in (0, 1, 2, 0.5, -0.1):
        assert law.moment(order) == pytest.approx(mean(lambda x, k=order: x**k), rel=1e-9)
    assert law.mean() == law.moment(1)
    assert law.var() == pytest.approx(law.std() ** 2)
    assert law.var() == pytest.approx(mean(lambda x: (x - law.mean()) ** 2), rel=1e-9)
    log_mean, log_variance = law.log_moments()
    assert log_mean == pytest.approx(mean(np.log), rel=1e-8)
    assert log_variance == pytest.approx(mean(lambda x: (np.log(x) - log_mean) ** 2), rel=1e-8)
    assert law.entropy() == pytest.approx(mean(lambda x: -law.logpdf(x)), rel=1e-8, abs=1e-8)


def test_orders_without_a_moment() -> None:
    with pytest.raises(ValueError, match=r"order must be finite and > -0.25, .* not -0.25$"):
        FussCatalan(3).moment(-0.25)
    with pytest.raises(ValueError, match="not nan"):
        FussCatalan(3).moment(np.nan)
    assert FussCatalan(3).root().moment(-0.4) < np.inf
    with pytest.raises(OverflowError, match="moment of order 400"):
        FussCatalan(10).moment(400)


@pytest.mark.parametrize("factors", [1, 2, 10, 0.5, 2.7])
def test_draws_follow_the_law(factors: float) -> None:
    """Kolmogorov's test of independent draws, twice at 1e-4: a sound sampler fails 1 in 1000."""
    law = FussCatalan(factors, 1.7)
    draws = law.rvs(20_000, rng=33)
    assert stats.kstest(draws, law.cdf).pvalue > 1e-4
    assert stats.kstest(law.root().rvs(20_000, rng=34), law.root().cdf).pvalue > 1e-4
    assert stats.kstest(draws, FussCatalan(1.2 * factors, 1.7).cdf).pvalue < 1e-4  # the control


def test_draws_of_many_factors_by_their_logarithms() -> None:
    law = FussCatalan(500)
    draws = law.log_rvs(20_000, rng=35)
    mean, variance = law.log_moments()
    assert abs(draws.mean() - mean) < 4 * np.sqrt(variance / len(draws))
    quantiles = law.logppf([0.01, 0.3, 0.9])
    shares = (draws[:, None] < quantiles).mean(0)
    assert np.all(abs(shares - [0.01, 0.3, 0.9]) < 0.015)


def test_random_sources_and_shapes() -> None:
    law = FussCatalan(2)
    assert isinstance(law.rvs(rng=0), float)
    assert law.rvs((2, 3), rng=0).shape == (2, 3)
    np.testing.assert_array_equal(law.rvs(5, rng=0), law.rvs(5, rng=np.random.default_rng(0)))
    assert law.rvs(5, rng=np.random.RandomState(0)).shape == (5,)


def test_tensors_stay_tensors(device: str) -> None:
    law = FussCatalan(2.7)
    x = np.concatenate([random_points(law, 36, 4000), [-1.0, 0.0, 50.0, np.nan]]).reshape(4, -1)
    tensor = torch.from_numpy(x).to(device)
    for name in ("pdf", "cdf", "sf", "logpdf", "logcdf", "logsf"):
        got = getattr(law, name)(tensor)
        assert got.device == tensor.device
        np.testing.assert_allclose(got.cpu(), getattr(law, name)(x), rtol=1e-13, atol=1e-15)
    source = torch.Generator().manual_seed(2026)
    q = torch.rand(9000, dtype=torch.float64, generator=source).to(device)
    for name in ("ppf", "isf", "logppf"):
        got = getattr(law, name)(q).cpu()
        # A relative error of a quantile is an absolute one of its logarithm, which may be near 0.
        near = {"rtol": 0, "atol": 1e-12} if name == "logppf" else {"rtol": 1e-12}
        np.testing.assert_allclose(got, getattr(law, name)(q.cpu().numpy()), **near)
    z = torch.tensor([1 + 1j, -2.0, 50.0], device=device)
    np.testing.assert_allclose(law.stieltjes(z).cpu(), law.stieltjes(z.cpu().numpy()), rtol=1e-12)
    source = torch.Generator(device).manual_seed(0)
    assert law.rvs((2, 3), rng=source).device == tensor.device


def test_float32_stays_float32() -> None:
    law, x = FussCatalan(2), np.array([0.5, 1.0], dtype=np.float32)
    assert law.pdf(x).dtype == np.float32
    assert law.pdf(torch.from_numpy(x)).dtype == torch.float32
    np.testing.assert_array_equal(law.pdf(x), law.pdf(x.astype(float)).astype(np.float32))


@pytest.mark.parametrize("factors", [0, -1, np.nan, np.inf, -0.5])
def test_bad_factors(factors: float) -> None:
    with pytest.raises(ValueError, match=r"^factors must be finite and > 0, not [^\n]*$"):
        FussCatalan(factors)


@pytest.mark.parametrize("factors", ["2", True, None, 1j])
def test_factors_that_are_no_number(factors: Any) -> None:
    with pytest.raises(TypeError, match=r"^factors must be a real number > 0, not [^\n]*$"):
        FussCatalan(factors)


def test_bad_scale() -> None:
    with pytest.raises(ValueError, match="scale must be finite and > 0, not -1"):
        FussCatalan(2, -1)
    with pytest.raises(TypeError, match="scale must be a real number > 0, not 'a'"):
        FussCatalan(2, "a")  # type: ignore[arg-type]
