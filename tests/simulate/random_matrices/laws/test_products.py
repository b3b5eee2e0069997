"""Limit laws of products: known laws, mpmath, integrals, samples of growing size, bad input."""

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mpmath import mp, mpf

from bnproof.simulate.random_matrices.laws.factor_kinds import (
    Diagonal,
    Factor,
    Gaussian,
    Truncated,
    mask,
)
from bnproof.simulate.random_matrices.laws.fuss_catalan import FussCatalan
from bnproof.simulate.random_matrices.laws.products import ProductLaw
from bnproof.simulate.random_matrices.spectra.sampling import sample_product
from bnproof.simulate.random_matrices.studies.law import Trend

SIZES = (20, 40, 80, 160)
REPEATS = 8
LEAKY = Diagonal((1, 0.01), (0.5, 0.5))
LAWS: dict[str, list[Factor]] = {
    "narrow": [Gaussian(0.5)],
    "wide": [Gaussian(2, 3.0)],
    "bottleneck": [Gaussian(2), Gaussian(0.25), Gaussian(3)],
    "corner": [Truncated(2)],
    "corner with an atom at 1": [Truncated(1.5)],
    "corners": [Truncated(4, 2), Truncated(3, 0.5)],
    "ReLU": [Gaussian(), mask(0.5), Gaussian(), mask(0.5)],
    "orthogonal ReLU": [Truncated(1), mask(0.5), Truncated(1), mask(0.5)],
    "leaky ReLU": [Gaussian(), LEAKY, Gaussian(), LEAKY],
    "two intervals": [LEAKY, Gaussian(4)],
    "all kinds": [Diagonal((1, 0.01, 0), (0.25, 0.25, 0.5)), Gaussian(2, 3.0), Truncated(2)],
}


def edge_distance(law: ProductLaw, x: np.ndarray) -> np.ndarray:
    """Relative distance from the nearest end that is not 0."""
    ends = np.array([end for piece in law.intervals for end in piece if end > 0])
    return np.min(np.abs(x[:, None] / ends - 1), axis=1)


def interior(law: ProductLaw, shares: Sequence[float]) -> np.ndarray:
    return np.array([low + (high - low) * share for low, high in law.intervals for share in shares])


@pytest.mark.parametrize("factors", [1, 2, 3, 5, 10, 50])
def test_square_gaussian_factors_are_fuss_catalan(factors: int) -> None:
    law, known = ProductLaw([Gaussian()] * factors), FussCatalan(factors)
    x = known.support()[1] * np.concatenate([np.logspace(-100, -1, 200), np.linspace(0.1, 0.999)])
    error = np.abs(law.pdf(x) / known.pdf(x) - 1)
    assert (error < 1e-12 + 1e-15 * factors / edge_distance(law, x)).all()
    assert np.abs(law.cdf(x) - known.cdf(x)).max() < 1e-12
    assert law.support() == pytest.approx(known.support(), rel=1e-13)
    for order in range(6):
        assert law.moment(order) == pytest.approx(float(known.moment(order)), rel=1e-14)


@pytest.mark.parametrize("ratio", [0.1, 0.5, 1, 3, 40])
def test_one_gaussian_factor_is_marchenko_pastur(ratio: float) -> None:
    law = ProductLaw([Gaussian(ratio)])
    low, high = (1 - ratio**0.5) ** 2, (1 + ratio**0.5) ** 2
    x = np.linspace(low, high, 101)[1:-1]
    exact = np.sqrt((high - x) * (x - low)) / (2 * np.pi * x)
    np.testing.assert_allclose(law.pdf(x), exact, rtol=1e-11)
    assert law.atoms == pytest.approx({0.0: 1 - ratio} if ratio < 1 else {})
    assert law.moment(3) == pytest.approx(ratio**3 + 3 * ratio**2 + ratio, rel=1e-14)


@pytest.mark.parametrize(("ambient", "ratio"), [(2.0, 1.0), (4.0, 0.5), (1.5, 1.0), (2.5, 2.0)])
def test_one_corner_is_wachters_law(ambient: float, ratio: float) -> None:
    """K. W. Wachter (1980): two free projections of ranks 1/ambient and ratio/ambient."""
    law = ProductLaw([Truncated(ambient, ratio)])
    p, q = 1 / ambient, ratio / ambient
    spread = np.sqrt(4 * p * q * (1 - p) * (1 - q))
    low, high = p + q - 2 * p * q - spread, p + q - 2 * p * q + spread
    x = low + (high - low) * np.linspace(0, 1, 101)[1:-1]
    exact = ambient * np.sqrt((high - x) * (x - low)) / (2 * np.pi * x * (1 - x))
    np.testing.assert_allclose(law.pdf(x), exact, rtol=1e-11)
    atoms = {0.0: 1 - ratio, 1.0: 1 + ratio - ambient}
    assert law.atoms == pytest.approx({at: mass for at, mass in atoms.items() if mass > 0})
    if ambient == 2 * ratio == 2:
        assert law.pdf(1.0) == law.pdf(0.0) == np.inf


def tracked_density(w_of: Callable, y_of: Callable, law: ProductLaw, x: float) -> float:
    """Im y/(pi x) at 40 digits, u followed from large w through the lower half-plane.

    It starts where u w is constant, goes down to |w| = x along the imaginary axis and then to the
    real axis.  Neither logarithms nor the choice of a branch enter.
    """
    with mp.workdps(40):
        large = mpf(law.support()[1]) * 10**4
        turn = [1 - mpf(2) ** -k for k in range(1, 12)] + [1]
        steps = int(mp.log(large / x) * 4) + 1
        path = [large * (x / large) ** (mpf(k) / steps) * -1j for k in range(steps + 1)]
        path += [x * mp.expj(-mp.pi / 2 * (1 - share)) for share in turn]
        small = mpf(10) ** -20
        u = w_of(small) * small / path[0]
        for w in path:
            for _ in range(60):
                slope = (w_of(u * (1 + small)) / w_of(u) - 1) / (u * small)
                step = (w / w_of(u) - 1) / slope
                u += step
                if abs(step) < abs(u) * mpf(10) ** -19:
                    break
        return float(y_of(u).imag / (mp.pi * x))


def psi_leaky(u: object) -> object:
    return (u / (1 - u) + mpf("0.01") * u / (1 - mpf("0.01") * u)) / 2


def leaky_times(u: object) -> object:
    """1/S of the leaky diagonal at y = psi(u)."""
    y = psi_leaky(u)
    return y / ((1 + y) * u)


TRACKED: dict[str, tuple[Callable, Callable]] = {
    "narrow": (lambda y: (1 + y) / y * (mpf("0.5") + y), lambda y: y),
    "bottleneck": (
        lambda y: (1 + y) / y * (2 + y) * (mpf("0.5") + y) / 2 * (mpf("1.5") + y) * 2,
        lambda y: y,
    ),
    "corners": (
        lambda y: (1 + y) / y * (2 + y) / (4 + y) * (1 + y) / (6 + y),
        lambda y: y,
    ),
    "ReLU": (lambda y: (1 + y) / y * (mpf("0.5") + y) ** 2, lambda y: y),
    "leaky ReLU": (
        lambda u: (1 + psi_leaky(u)) ** 3 / psi_leaky(u) * leaky_times(u) ** 2,
        psi_leaky,
    ),
    "two intervals": (
        lambda u: (1 + psi_leaky(u)) / psi_leaky(u) * leaky_times(u) * (4 + psi_leaky(u)),
        psi_leaky,
    ),
}


@pytest.mark.parametrize("name", TRACKED)
def test_branch_and_accuracy_against_continuation_in_mpmath(name: str) -> None:
    law = ProductLaw(LAWS[name])
    x = interior(law, [1e-3, 0.3, 0.999])
    exact = np.array([tracked_density(*TRACKED[name], law, value) for value in x])
    error = np.abs(law.pdf(x) / exact - 1)
    assert (error < 1e-12 + 1e-15 * len(law.factors) / edge_distance(law, x)).all()


def integrals(law: ProductLaw, orders: Sequence[int]) -> list[float]:
    """Sums over atoms and trapezoidal integrals of pdf x**k, in log((x - low)/(high - x))."""
    totals = [sum(mass * at**k for at, mass in law.atoms.items()) for k in orders]
    for low, high in law.intervals:
        start = -40.0 + np.log(low / high) if low else -320.0
        where = np.linspace(start, 34, 8_001)
        share = 1 / (1 + np.exp(-where))
        x = low + (high - low) * share
        ends = (x <= low) | (x >= high)
        weights = np.where(ends, 0, law.pdf(x)) * (high - low) * share / (1 + np.exp(where))
        totals = [
            total + (weights * x**k).sum() * (where[1] - where[0])
            for total, k in zip(totals, orders, strict=True)
        ]
    return totals


@pytest.mark.parametrize("name", LAWS)
def test_density_integrates_to_one_and_to_the_moments(name: str) -> None:
    """To 1e-6: a density that is infinite at its right end costs 1e-7 there."""
    law = ProductLaw(LAWS[name])
    for order, total in enumerate(integrals(law, range(4))):
        assert total == pytest.approx(law.moment(order), rel=1e-6)


@pytest.mark.parametrize("name", LAWS)
def test_cdf_is_the_integral_and_ppf_its_inverse(name: str) -> None:
    law = ProductLaw(LAWS[name])
    nodes, weights = np.polynomial.legendre.leggauss(60)
    for low, high in law.intervals:
        ends = low + (high - low) * np.array([0.2, 0.5, 0.9])
        for left, right in pairwise(ends):
            inner = (left + right) / 2 + (right - left) / 2 * nodes
            mass = (law.pdf(inner) * weights).sum() * (right - left) / 2
            assert law.cdf(right) - law.cdf(left) == pytest.approx(mass, abs=1e-12)
    low, high = law.support()
    assert law.cdf(np.nextafter(low, -1)) == 0
    assert law.cdf(high) == pytest.approx(1, abs=1e-12)
    x = interior(law, [0.01, 0.4, 0.99])
    np.testing.assert_allclose(law.ppf(law.cdf(x)), x, rtol=1e-9)
    for at, mass in law.atoms.items():
        assert law.ppf(law.cdf(at) - mass / 2) == at
    assert law.ppf([0, 1]).tolist() == [low, high]


@pytest.mark.parametrize("name", LAWS)
def test_stieltjes_transform(name: str) -> None:
    law = ProductLaw(LAWS[name])
    high = law.support()[1]
    z = 9 * high * np.exp(1j * np.linspace(-3.1, 3.1, 9))
    series = sum(law.moment(k) / z ** (k + 1) for k in range(18))
    np.testing.assert_allclose(law.stieltjes(z), series, rtol=1e-12)
    x = interior(law, [0.1, 0.5, 0.9])
    np.testing.assert_allclose(law.stieltjes(x).imag, -np.pi * law.pdf(x), rtol=1e-9)
    np.testing.assert_allclose(law.stieltjes(x + 1e-9j).imag, -np.pi * law.pdf(x), rtol=1e-4)
    assert law.stieltjes(np.conj(z[2])) == np.conj(law.stieltjes(z[2]))
    below = law.stieltjes(-high)
    assert below.imag == pytest.approx(0, abs=1e-14)
    assert -1 / high < below.real < -1 / (2 * high)


ratios = st.sampled_from([0.5, 1, 2]) | st.floats(0.05, 20)
kinds = (
    st.builds(Gaussian, ratios, st.floats(0.1, 10))
    | st.builds(
        lambda ratio, more: Truncated(max(1, ratio) * more, ratio),
        ratios,
        st.sampled_from([1, 1.25]) | st.floats(1, 5),
    )
    | st.builds(mask, st.floats(0.05, 1))
)
lists = st.tuples(st.lists(st.just(LEAKY), max_size=2), st.lists(kinds, min_size=1, max_size=4))


@settings(max_examples=12)
@given(lists.map(lambda two: [*two[0], *two[1]]))
def test_any_product_is_a_law_of_mass_one_with_its_moments(factors: list[Factor]) -> None:
    law = ProductLaw(factors)
    high = law.support()[1]
    x = np.linspace(0, high, 200)
    assert (law.pdf(x) >= 0).all()
    assert (np.diff(law.cdf(x)) >= -1e-10).all()
    assert law.cdf(high) == pytest.approx(1, abs=1e-9)
    for order, total in enumerate(integrals(law, range(3))):
        assert total == pytest.approx(law.moment(order), rel=1e-5)


def test_order_of_factors_of_one_width_does_not_matter() -> None:
    x = np.linspace(0.01, 1, 50)
    first = ProductLaw([Gaussian(), mask(0.5), Truncated(2)])
    second = ProductLaw([Truncated(2), Gaussian(), mask(0.5)])
    np.testing.assert_allclose(first.pdf(x), second.pdf(x), rtol=1e-12)
    assert first.support() == pytest.approx(second.support())


def test_transposed_product_differs_by_zeros() -> None:
    widths = [400, 100, 700, 200]
    there, back = ProductLaw.of_widths(widths), ProductLaw.of_widths(widths[::-1])
    # By the variances 1/fan-in the transpose is scaled by 200/400, and its values are half as many.
    x = interior(there, [0.1, 0.5, 0.9])
    np.testing.assert_allclose(there.pdf(x), back.pdf(x * 2), rtol=1e-10)
    assert there.atoms == {0.0: 0.75}
    assert back.atoms == {0.0: 0.5}


def test_diagonal_with_equal_squares_or_zeros_is_a_mask() -> None:
    x = np.linspace(0.1, 5, 20)
    one = ProductLaw([Gaussian(2), Diagonal((3, 3, 0), (0.25, 0.25, 0.5))])
    other = ProductLaw([Gaussian(2, 3), mask(0.5)])
    np.testing.assert_allclose(one.pdf(x), other.pdf(x), rtol=1e-12)


def test_no_continuous_part() -> None:
    law = ProductLaw([mask(0.5), mask(0.5)])
    assert law.intervals == []
    assert law.atoms == pytest.approx({0.0: 0.75, 1.0: 0.25})
    assert law.cdf([-1, 0, 0.5, 1]).tolist() == [0, 0.75, 0.75, 1]
    assert law.pdf([0, 0.5, 1]).tolist() == [0, 0, 0]
    assert law.ppf([0.5, 0.9]).tolist() == pytest.approx([0, 1])


def test_neighbouring_diagonals_are_independent_and_not_free() -> None:
    """Free masks of rate 1/2 would give the arcsine law: their product has another mean square."""
    law = ProductLaw([mask(0.5), mask(0.5), Gaussian(2)])
    assert law.moment(1) == 0.5
    drawn = sample_product([LEAKY, mask(0.5), Gaussian()], 200, 2, seed=3).numpy() ** 2
    assert distance(drawn[0], ProductLaw([LEAKY, mask(0.5), Gaussian()])) < 0.03
    assert ProductLaw([LEAKY, LEAKY]).atoms == pytest.approx({1e-4: 0.25, 1e-2: 0.5, 1.0: 0.25})


def distance(values: np.ndarray, law: ProductLaw) -> float:
    """Kolmogorov-Smirnov distance from a law that may have atoms."""
    values = np.sort(values)
    for at in law.atoms:
        values[np.abs(values - at) < 1e-9] = at
    places, counts = np.unique(values, return_counts=True)
    above = np.cumsum(counts) / len(values)
    mass = law.cdf(places)
    atoms = np.array([law.atoms.get(float(at), 0.0) for at in places])
    return float(
        max(np.abs(mass - above).max(), np.abs(mass - atoms - above + counts / len(values)).max())
    )


def trend(samples: Sequence[np.ndarray], law: ProductLaw) -> Trend:
    each = [[distance(row, law) for row in sample] for sample in samples]
    means = tuple(float(np.mean(values)) for values in each)
    errors = tuple(float(np.std(values, ddof=1) / len(values) ** 0.5) for values in each)
    return Trend(tuple(s.shape[1] for s in samples), means, errors, means[-1])


def samples(factors: list[Factor], field: str, sizes: Sequence[int]) -> list[np.ndarray]:
    return [
        sample_product(factors, size, REPEATS, field=field, seed=11).numpy() ** 2 for size in sizes
    ]


def approaches(drawn: Sequence[np.ndarray], law: ProductLaw) -> bool:
    """The criterion: a fitted exponent of N within (-1.5, -0.6), and 0.03 at the largest N."""
    found = trend(drawn, law)
    return -1.5 < found.slope < -0.6 and found.distances[-1] < 0.03


def control(factors: list[Factor]) -> ProductLaw:
    """The same product with one more square Gaussian factor."""
    return ProductLaw([*factors, Gaussian()])


@pytest.mark.parametrize(
    ("name", "field"),
    [*((name, "real") for name in LAWS), *((name, "complex") for name in ("bottleneck", "corner"))],
)
def test_spectra_approach_the_law_and_not_the_control(name: str, field: str) -> None:
    drawn = samples(LAWS[name], field, SIZES)
    assert approaches(drawn, ProductLaw(LAWS[name]))
    assert not approaches(drawn, control(LAWS[name]))


@pytest.mark.slow
@pytest.mark.parametrize("field", ["real", "complex"])
@pytest.mark.parametrize("name", LAWS)
def test_spectra_approach_the_law_further(name: str, field: str) -> None:
    drawn = samples(LAWS[name], field, (64, 128, 256, 512))
    assert approaches(drawn, ProductLaw(LAWS[name]))
    assert trend(drawn, ProductLaw(LAWS[name])).distances[-1] < 0.01
    assert not approaches(drawn, control(LAWS[name]))


def normalising_products(size: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Squared singular values of X_3 J_2 X_2 J_1 X_1, and without the J, for one draw.

    J = I - 11'/N - yy'/N is the Jacobian of batch normalisation up to its scale; its y is what the
    preceding product makes of a vector, so that it depends on the factors.
    """
    rng = np.random.default_rng((seed, size))
    plain = with_jacobians = np.eye(size)
    for layer in range(3):
        X = rng.standard_normal((size, size)) / np.sqrt(size)
        plain, with_jacobians = X @ plain, X @ with_jacobians
        if layer < 2:
            y = with_jacobians @ rng.standard_normal(size)
            y = (y - y.mean()) / y.std()
            J = np.eye(size) - np.ones((size, size)) / size - np.outer(y, y) / size
            with_jacobians = J @ with_jacobians
    return tuple(np.linalg.svd(A, compute_uv=False) ** 2 for A in (plain, with_jacobians))


def test_jacobians_of_batch_normalisation_leave_the_limit_as_it_is() -> None:
    """Rank 2 each: distribution functions differ by at most rank/N, whatever the y depends on.

    Z. Bai and J. W. Silverstein, Spectral Analysis of Large Dimensional Random Matrices (2010),
    theorem A.44.  The control is a mask, of rank N/2: it changes the limit.
    """
    law = ProductLaw([Gaussian()] * 3)
    rows = []
    for size in SIZES:
        pairs = [normalising_products(size, seed) for seed in range(REPEATS)]
        for plain, changed in pairs:
            both = np.sort(np.concatenate([plain, changed]))
            gaps = [np.searchsorted(np.sort(values), both, "right") for values in (plain, changed)]
            assert np.abs(gaps[0] - gaps[1]).max() <= 4
            assert (changed < 1e-20).sum() <= 4
        rows.append(np.array([changed for _, changed in pairs]))
    assert approaches(rows, law)
    masked = samples([Gaussian(), mask(0.5), Gaussian(), mask(0.5), Gaussian()], "real", SIZES)
    assert not approaches(masked, law)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Gaussian(0), r"ratio must be a finite number > 0, not 0"),
        (lambda: Gaussian(-1.5), r"ratio must be a finite number > 0, not -1.5"),
        (lambda: Gaussian(float("nan")), r"ratio must be a finite number > 0, not nan"),
        (lambda: Gaussian("1"), r"ratio must be a finite number > 0, not '1'"),
        (lambda: Gaussian(1, 0), r"variance must be a finite number > 0, not 0"),
        (lambda: Gaussian(1, float("inf")), r"variance must be a finite number > 0, not inf"),
        (lambda: Truncated(0.5), r"ambient must be >= max\(1, ratio\) = 1, not 0.5"),
        (lambda: Truncated(2, 3), r"ambient must be >= max\(1, ratio\) = 3, not 2"),
        (lambda: mask(0), r"rate must be a finite number > 0, not 0"),
        (lambda: mask(1.5), r"rate must be in \(0, 1\], not 1.5"),
        (lambda: Diagonal((1,), (0.5, 0.5)), "squares and weights must have the same length"),
        (lambda: Diagonal((), ()), "at least 1"),
        (lambda: Diagonal((1, -1), (0.5, 0.5)), "squares other than 0 must be a finite number > 0"),
        (lambda: Diagonal((1, 2), (0.5, 0.6)), "weights must sum to 1, not 1.1"),
        (lambda: Diagonal((0, 0), (0.5, 0.5)), "squares must not all be 0"),
        (lambda: ProductLaw([]), "factors must hold at least one factor"),
        (lambda: ProductLaw([3]), "factors must be Gaussian, Truncated or Diagonal"),
        (lambda: ProductLaw([LEAKY, Gaussian(2), LEAKY]), "the same law and width"),
        (lambda: ProductLaw.of_widths([3]), "widths must be at least two"),
        (lambda: ProductLaw.of_widths([3, 0]), "widths must be a finite number > 0, not 0"),
        (lambda: ProductLaw([Gaussian()]).moment(-1), "order must be an integer >= 0, not -1"),
        (lambda: ProductLaw([Gaussian()]).moment(0.5), "order must be an integer >= 0, not 0.5"),
    ],
)
def test_bad_input(make: Callable[[], object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        make()


def test_points_outside_and_nan() -> None:
    law = ProductLaw(LAWS["two intervals"])
    (_, gap), (end, high) = law.intervals
    assert law.pdf([-1.0, (gap + end) / 2, high + 1, np.inf]).tolist() == [0, 0, 0, 0]
    assert np.isnan(law.pdf([np.nan, 1.0])).tolist() == [True, False]
    assert np.isnan(law.cdf(np.nan))
    assert law.cdf([-np.inf, np.inf]) == pytest.approx([0, 1], abs=1e-12)
    assert law.cdf((gap + end) / 2) == pytest.approx(0.5, abs=1e-12)
    assert np.isnan(law.ppf([-0.1, 1.1, np.nan])).all()
    assert law.pdf(1.0).shape == ()
    assert law.pdf(np.ones((2, 3))).shape == (2, 3)


def test_the_mass_below_a_gap_is_reached_at_its_low_end() -> None:
    law = ProductLaw([Diagonal([1, 1000], [0.5, 0.5]), Gaussian(ratio=20)])
    (_, end), (start, _) = law.intervals
    below = float(law.cdf(end))
    assert law.ppf(below) == pytest.approx(end, rel=1e-9)
    assert law.ppf(np.nextafter(below, 1)) == pytest.approx(start, rel=1e-3)


def quantile_error(law: ProductLaw, q: np.ndarray) -> np.ndarray:
    """How far q is from the masses at its quantile and at the floats beside it."""
    x = law.ppf(q)
    beside = [law.cdf(np.nextafter(x, -np.inf)), law.cdf(x), law.cdf(np.nextafter(x, np.inf))]
    return np.maximum(np.min(beside, axis=0) - q, q - np.max(beside, axis=0))


def many_masses(seed: int, count: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    tails = 10 ** rng.uniform(-16, 0, count)
    return np.concatenate([rng.random(2 * count), tails, 1 - tails])


@pytest.mark.parametrize("factors", [1, 2, 3, 5, 10, 50])
def test_every_quantile_of_square_factors(factors: int) -> None:
    """Newton steps that round to 0 once spoiled 2 % of them by up to 2e-4."""
    law = ProductLaw.of_widths([100] * (factors + 1))
    assert quantile_error(law, many_masses(factors, 400)).max() < 1e-12
    assert law.cdf(law.ppf(0.19984210526315788)) == pytest.approx(0.19984210526315788, abs=1e-14)


@settings(max_examples=25)
@given(lists.map(lambda two: [*two[0], *two[1]]), st.integers(0, 999))
def test_every_quantile_of_any_product(factors: list[Factor], seed: int) -> None:
    """Right to 1e-12 in cdf, or to a float where cdf passes q between two of them, or refused."""
    law = ProductLaw(factors)
    assert quantile_error(law, many_masses(seed, 25)).max() < 1e-12
