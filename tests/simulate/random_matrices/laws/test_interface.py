"""Every law as a frozen distribution of scipy.stats, by one table of parameters."""

import warnings
from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from bnproof.simulate.random_matrices.laws.factor_kinds import (
    Diagonal,
    Gaussian,
    Truncated,
    mask,
)
from bnproof.simulate.random_matrices.laws.finite_product import FiniteProduct
from bnproof.simulate.random_matrices.laws.frozen import Frozen
from bnproof.simulate.random_matrices.laws.fuss_catalan import FussCatalan
from bnproof.simulate.random_matrices.laws.hard_edge import HardEdge
from bnproof.simulate.random_matrices.laws.products import MarchenkoPastur, ProductLaw
from bnproof.simulate.random_matrices.laws.tracy_widom import TracyWidom

LEAKY = Diagonal((1, 0.01), (0.5, 0.5))
LAWS: dict[str, Frozen] = {
    "Fuss-Catalan 1": FussCatalan(1),
    "Fuss-Catalan 3, scaled": FussCatalan(3, 2.5),
    "Fuss-Catalan 0.4": FussCatalan(0.4),
    "its root 2": FussCatalan(2).root(),
    "its root 10": FussCatalan(10, 0.1).root(),
    "Marchenko-Pastur 0.3": MarchenkoPastur(0.3, 2.0),
    "Marchenko-Pastur 1": MarchenkoPastur(1),
    "Marchenko-Pastur 3": MarchenkoPastur(3),
    "product": ProductLaw([Gaussian(2), Gaussian(0.75), Gaussian(3)]),
    "square product": ProductLaw([Gaussian()] * 5),
    "corners": ProductLaw([Truncated(4, 2), Truncated(3)]),
    "corner": ProductLaw([Truncated(2)]),
    "atom at 1": ProductLaw([Truncated(1.5)]),
    "ReLU": ProductLaw([Gaussian(), mask(0.5), Gaussian(), mask(0.5)]),
    "two intervals": ProductLaw([LEAKY, Gaussian(4)]),
    "Tracy-Widom 1": TracyWidom(1),
    "Tracy-Widom 2": TracyWidom(2),
    "Tracy-Widom 4": TracyWidom(4),
    "finite product": FiniteProduct([2, 2, 2]),
    "hard edge (0,)": HardEdge((0,)),
    "hard edge (0, 1)": HardEdge((0, 1)),
}
each = pytest.mark.parametrize("law", LAWS.values(), ids=list(LAWS))
SMOOTH = {name: law for name, law in LAWS.items() if not getattr(law, "atoms", {})}
smooth = pytest.mark.parametrize("law", SMOOTH.values(), ids=list(SMOOTH))
INNER = {"dist", "args", "kwds", "a", "b", "random_state"}  # of SciPy's own machinery
FROZEN = {name for name in dir(stats.norm()) if name[0] != "_"} - INNER
POINTWISE = ("pdf", "logpdf", "cdf", "logcdf", "sf", "logsf", "ppf", "isf")


@pytest.fixture(autouse=True)
def _without_underflow() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="points below 5e-324 underflow")
        yield


def arguments(law: Frozen, name: str) -> Any:
    """Numbers that the method takes, and some that it answers by NaN, zeros and ones."""
    q = np.array([0.02, 0.3, 0.5, 0.77, 0.999])
    return q if name in ("ppf", "isf") else np.append(quantiles(law, tuple(q)), [-1e9, 1e9])


@cache
def quantiles(law: Frozen, q: tuple[float, ...]) -> np.ndarray:
    """Computed once for all tests."""
    return law.ppf(q)


def mass_error(law: Frozen, q: np.ndarray) -> float:
    """How far q is from the masses at its quantile and at the floats beside it."""
    x = law.ppf(q)
    beside = [law.cdf(np.nextafter(x, -np.inf)), law.cdf(x), law.cdf(np.nextafter(x, np.inf))]
    return float(np.maximum(np.min(beside, axis=0) - q, q - np.max(beside, axis=0)).max())


@each
def test_it_has_every_method_of_a_frozen_distribution(law: Frozen) -> None:
    assert {name for name in FROZEN if not hasattr(law, name)} == set()


@each
@pytest.mark.parametrize("name", POINTWISE)
def test_numbers_arrays_and_nan(law: Frozen, name: str) -> None:
    method, x = getattr(law, name), arguments(law, name)
    values = method(x)
    assert values.shape == x.shape
    for found in (
        method(x.reshape(-1, 1))[:, 0],
        [float(method(float(point))) for point in x],
        method(x.tolist()),
    ):
        # Quantiles of several masses are searched for together, to 4e-16 in mass.
        np.testing.assert_allclose(found, values, rtol=1e-12 if name in ("ppf", "isf") else 0)
    assert np.isnan(method(np.nan))
    assert method(np.empty((0, 2))).shape == (0, 2)


@each
def test_logarithms_and_complements(law: Frozen) -> None:
    x = arguments(law, "cdf")
    with np.errstate(divide="ignore"):
        for name in ("pdf", "cdf", "sf"):
            value, log = getattr(law, name)(x), getattr(law, f"log{name}")(x)
            np.testing.assert_allclose(log[value > 0], np.log(value[value > 0]), atol=1e-11)
            assert (log[value == 0] < -700).all()
    np.testing.assert_allclose(law.cdf(x) + law.sf(x), 1, atol=2e-12)


@settings(max_examples=40)
@given(st.sampled_from(list(LAWS.values())), st.integers(0, 10**6))
def test_every_quantile_is_right(law: Frozen, seed: int) -> None:
    rng = np.random.default_rng(seed)
    tails = 10 ** rng.uniform(-15, 0, 20)
    q = np.concatenate([rng.random(40), tails, 1 - tails])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        assert mass_error(law, q) < 1e-12
        upper = law.sf(law.isf(q))
        beside = law.sf(np.nextafter(law.isf(q), [[-np.inf], [np.inf]]))
    low, high = np.minimum(upper, beside.min(axis=0)), np.maximum(upper, beside.max(axis=0))
    assert np.maximum(low - q, q - high).max() < 2e-12


@settings(max_examples=25)
@given(
    st.one_of(
        st.builds(FussCatalan, st.floats(1e-3, 200), st.floats(1e-6, 1e6)),
        st.builds(lambda m: FussCatalan(m).root(), st.integers(1, 60)),
        st.builds(MarchenkoPastur, st.floats(0.01, 100), st.floats(1e-6, 1e6)),
        st.builds(TracyWidom, st.sampled_from([1, 2, 4])),
    ),
    st.integers(0, 10**6),
)
def test_every_quantile_of_any_law_is_right(law: Frozen, seed: int) -> None:
    rng = np.random.default_rng(seed)
    tails = 10 ** rng.uniform(-15, 0, 20)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        assert mass_error(law, np.concatenate([rng.random(60), tails, 1 - tails])) < 1e-12


@each
def test_summaries(law: Frozen) -> None:
    low, high = law.support()
    assert low < law.mean() < high
    mean, var, skew, kurtosis = law.stats("mvsk")
    # Below 1e-9 the tail of the hard edge is extrapolated.
    close = 1e-8 if isinstance(law, HardEdge) else 1e-9
    assert (mean, var) == law.stats() == (law.mean(), law.var())
    assert law.stats("s") == skew
    assert law.std() == pytest.approx(var**0.5)
    if var:
        moments = [law.expect(lambda x, k=k: (x - mean) ** k) for k in (0, 1, 2, 3, 4)]
        assert moments[0] == pytest.approx(1, abs=1e-10)
        assert moments[1] == pytest.approx(0, abs=1e-9 * var**0.5)
        assert var == pytest.approx(moments[2], rel=close)
        assert skew == pytest.approx(moments[3] / var**1.5, rel=10 * close, abs=1e-8)
        assert kurtosis == pytest.approx(moments[4] / var**2 - 3, rel=100 * close, abs=1e-8)
    assert law.moment(2) == pytest.approx(var + mean**2, rel=close)
    assert law.moment(np.int64(1)) == law.moment(1.0 if hasattr(law, "beta") else 1) == mean
    assert law.cdf(law.median()) >= 0.5 - 1e-12
    for confidence in (0.5, np.array([0.1, 0.9])):
        left, right = law.interval(confidence)
        np.testing.assert_array_equal(left, law.ppf((1 - np.asarray(confidence)) / 2))
        np.testing.assert_array_equal(right, law.isf((1 - np.asarray(confidence)) / 2))


@smooth
def test_entropy_and_bounds_of_expectations(law: Frozen) -> None:
    cut = law.ppf([0.2, 0.7])
    assert law.expect(lambda x: 1 + 0 * x, *cut) == pytest.approx(0.5, abs=1e-9)
    inside = law.expect(lambda x: x, *cut, conditional=True)
    assert cut[0] < inside < cut[1]
    parts = [law.expect(None, None, cut[0]), law.expect(None, *cut), law.expect(None, cut[1])]
    assert sum(parts) == pytest.approx(law.mean(), rel=1e-8)
    logs = law.logpdf(law.ppf((np.arange(1000) + 0.5) / 1000))
    assert law.entropy() == pytest.approx(-logs.mean(), abs=0.01)


def test_atoms_have_no_entropy_and_a_share_in_expectations() -> None:
    law = LAWS["Marchenko-Pastur 3"]
    assert law.entropy() == -np.inf
    assert law.expect(lambda x: (x == 0) * 1.0) == pytest.approx(2 / 3, abs=1e-9)
    assert law.expect(None) == pytest.approx(1, rel=1e-9)
    assert law.expect(None, lb=0.5) < 1


@each
def test_draws(law: Frozen) -> None:
    draws = law.rvs(1000, random_state=3)
    np.testing.assert_array_equal(draws, law.rvs(1000, rng=3))
    np.testing.assert_array_equal(draws, law.rvs(1000, np.random.default_rng(3)))
    assert law.rvs((2, 3), random_state=np.random.RandomState(0)).shape == (2, 3)
    assert np.ndim(law.rvs()) == 0
    with pytest.raises(TypeError, match="rng or random_state, not both"):
        law.rvs(1, 0, random_state=0)
    # Kolmogorov's bound at 1e-6, valid with atoms too.
    grid = np.sort(law.ppf(np.linspace(0.001, 0.999, 200)))
    gaps = np.searchsorted(np.sort(draws), grid, side="right") / 1000 - law.cdf(grid)
    assert np.abs(gaps).max() < 2.7 / 1000**0.5


@each
def test_fit_finds_the_scale(law: Frozen) -> None:
    data = 7.0 * law.rvs(800, random_state=5)
    allowed = 12 / 800**0.5 * law.std() / abs(law.mean())
    assert law.fit(data, method="MM") == pytest.approx(7, rel=allowed)
    if any(getattr(law, "atoms", {})):
        with pytest.raises(ValueError, match="use method='MM'"):
            law.fit(data)
    else:
        assert law.fit(data) == pytest.approx(7, rel=min(allowed, 0.2))
    for bad in ([], [np.nan], [np.inf]):
        with pytest.raises(ValueError, match="one or more finite numbers"):
            law.fit(bad, method="MM")
    with pytest.raises(ValueError, match="'MLE' or 'MM', not 'x'"):
        law.fit(data, method="x")  # type: ignore[arg-type]


def test_scales_that_no_data_have_are_refused() -> None:
    with pytest.raises(ValueError, match="no scale makes the data possible"):
        LAWS["Marchenko-Pastur 0.3"].fit([1.0, 1000.0])
    with pytest.raises(ValueError, match="no scale makes the data possible"):
        LAWS["Fuss-Catalan 1"].fit([-1.0, 1.0])
    with pytest.raises(ValueError, match="all data are 0, an atom of the law"):
        LAWS["Marchenko-Pastur 3"].fit([0.0, 0.0])
    with pytest.raises(ValueError, match="no scale > 0 gives the law the mean of the data, 1"):
        LAWS["Tracy-Widom 1"].fit([1.0], method="MM")


@each
def test_bad_moments_are_named(law: Frozen) -> None:
    with pytest.raises(ValueError, match="letters of 'mvsk', not 'x'"):
        law.stats("x")
    for bad in (np.nan, np.inf):
        with pytest.raises(ValueError, match="order must be"):
            law.moment(bad)


def test_a_rough_function_is_warned_of() -> None:
    with pytest.warns(Warning, match="may be wrong by"):
        FussCatalan(1).expect(lambda x: np.sin(1e5 * x))


def test_torch_in_torch_out() -> None:
    law, x = FussCatalan(2), torch.tensor([0.1, 1.0, 5.0], dtype=torch.float64)
    for name in (*POINTWISE[:6], "ppf", "isf"):
        point = x / 10 if name in ("ppf", "isf") else x
        found = getattr(law, name)(point)
        assert isinstance(found, torch.Tensor)
        np.testing.assert_allclose(found, getattr(law, name)(point.numpy()), rtol=1e-12)
    with pytest.raises(TypeError, match="draws only from FussCatalan"):
        TracyWidom(1).rvs(3, torch.Generator())


@pytest.mark.parametrize("factors", [1e300, 1e-300, 1e13, 1e-9])
def test_numbers_of_factors_out_of_range_are_refused(factors: float) -> None:
    with pytest.raises(ValueError, match="factors must be from 1e-08 to 1e"):
        FussCatalan(factors)
