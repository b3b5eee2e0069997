"""Singular values of given products: against many digits, determinants, and hard matrices."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mpmath import mp
from numpy.typing import NDArray
from scipy.linalg import LinAlgWarning

from bnproof.simulate.random_matrices.spectra.graded_product import CORE
from bnproof.simulate.random_matrices.spectra.singular_values import (
    log_singular_values,
    singular_values,
)

Matrix = NDArray[np.float64]
DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
N = 8


def gaussian(seed: int, *shape: int) -> Matrix:
    return np.random.default_rng(seed).standard_normal(shape)


def orthogonal(seed: int) -> Matrix:
    return np.linalg.qr(gaussian(seed, N, N))[0]


def grades(decades: float) -> Matrix:
    return np.diag(np.logspace(0, -decades, N))


def exact_logs(factors: list[Matrix], digits: int) -> Matrix:
    """Logarithms of the singular values of the product, multiplied out with many digits."""
    with mp.workdps(digits):
        product = mp.matrix(factors[0].tolist())
        for factor in factors[1:]:
            product = product * mp.matrix(factor.tolist())
        values = mp.svd_c(product, compute_uv=False)
        return np.array([float(mp.log(abs(value))) for value in values])


KAHAN = np.diag(0.6 ** np.arange(N)) @ (np.eye(N) - 0.8 * np.triu(np.ones((N, N)), 1))
FLIP = np.eye(N)[::-1]
# What a rounding of 1e-16 in a well-conditioned core of each factor allows; the logarithms
# themselves are of the order of 100 and rounded to 1e-14.
CASES = {
    "Gaussian": ([gaussian(i, N, N) for i in range(20)], 2e-13),
    "complex": ([gaussian(i, N, N) + 1j * gaussian(i + 50, N, N) for i in range(8)], 2e-13),
    "orthogonal": ([orthogonal(i) for i in range(20)], 1e-14),
    "columns graded": ([gaussian(i, N, N) @ grades(20) for i in range(4)], 2e-13),
    "rows graded": ([grades(20) @ gaussian(i, N, N) for i in range(4)], 1e-12),
    "both graded": ([grades(30) @ gaussian(i, N, N) @ grades(30) for i in range(4)], 2e-13),
    "graded up": ([FLIP @ grades(20) @ FLIP @ gaussian(i, N, N) for i in range(4)], 1e-12),
    "up and down": ([grades(20) @ FLIP @ gaussian(i, N, N) @ grades(20) for i in range(4)], 1e-12),
    "ill-conditioned inside": (
        [orthogonal(i) @ grades(3) @ orthogonal(i + 1) for i in (1, 3, 5)],
        3e-12,
    ),
    "Kahan": ([KAHAN] * 5, 1e-12),
    "Kahan's transpose": ([KAHAN.T] * 5, 1e-12),
    "nearly parallel": ([np.eye(N) - 0.999 * np.triu(np.ones((N, N)), 1)] * 5, 1e-12),
    "an inverse": ([gaussian(1, N, N), np.linalg.inv(gaussian(1, N, N))] * 3, 1e-13),
    "large and small": ([1e250 * gaussian(1, N, N), 1e-290 * gaussian(2, N, N)], 1e-13),
    "rectangular": ([gaussian(i, a, b) for i, (a, b) in enumerate(pairwise((9, 4, 12, 7)))], 1e-14),
}


@pytest.mark.parametrize("name", CASES)
def test_every_value_against_many_digits(name: str) -> None:
    factors, allowed = CASES[name]
    logs = log_singular_values(factors)
    expected = exact_logs(factors, 300)[: len(logs)]
    assert len(logs) == min(min(factor.shape) for factor in factors)
    assert np.all(np.diff(logs) <= 0)
    np.testing.assert_allclose(logs, expected, rtol=0, atol=allowed)


@pytest.mark.slow
@pytest.mark.parametrize(("size", "count"), [(12, 50), (20, 12), (20, 1000), (6, 1000)])
def test_long_products(size: int, count: int) -> None:
    factors = list(gaussian(0, count, size, size) / size**0.5)
    logs = log_singular_values(factors)
    spread = (logs[0] - logs[-1]) / np.log(10)
    np.testing.assert_allclose(
        logs, exact_logs(factors, int(spread) + 900), rtol=0, atol=3e-14 * count
    )


def test_a_condition_number_far_beyond_floats() -> None:
    """Windows of the spectrum are decomposed apart; here there are more than ten."""
    factors = list(gaussian(3, 900, 10, 10))
    logs = log_singular_values(factors)
    assert (logs[0] - logs[-1]) / np.log(2) > 10 * CORE[53]
    total = np.linalg.slogdet(np.stack(factors))[1].sum()
    assert logs.sum() == pytest.approx(total, rel=1e-13)


def test_diagonal_factors_of_any_size_are_exact() -> None:
    powers = np.arange(-500, 500, 100)
    factors = [np.diag(2.0**powers)] * 7
    logs = log_singular_values(factors)
    np.testing.assert_allclose(logs, 7 * np.log(2) * powers[::-1], rtol=1e-15)


@given(
    widths=st.lists(st.integers(1, 6), min_size=2, max_size=6),
    seed=st.integers(0, 2**32 - 1),
    complex_=st.booleans(),
    powers=st.lists(st.integers(-40, 40), min_size=5, max_size=5),
)
@settings(max_examples=40, deadline=None)
def test_what_must_not_change_anything(
    widths: list[int], seed: int, complex_: bool, powers: list[int]
) -> None:
    """Factors' scale, the order of entries in a layer's two sides, and transposition."""
    rng = np.random.default_rng(seed)
    factors = [rng.standard_normal(shape) for shape in pairwise(widths)]
    if complex_:
        factors = [factor + 1j * rng.standard_normal(factor.shape) for factor in factors]
    values = singular_values(factors)
    product = factors[0]
    for factor in factors[1:]:
        product = product @ factor
    plain = np.linalg.svd(product, compute_uv=False)[: len(values)]
    np.testing.assert_allclose(values, plain, atol=1e-13 * plain[0] * len(factors))
    turned = singular_values([factor.conj().T for factor in reversed(factors)])
    np.testing.assert_allclose(turned, values, rtol=1e-9)
    scaled = [f * 2.0**k for f, k in zip(factors, powers, strict=False)]
    grown = values * 2.0 ** sum(powers[: len(factors)])
    np.testing.assert_allclose(singular_values(scaled), grown, rtol=1e-9)


ONES = np.ones((N, N))
PAIRS = np.repeat(gaussian(5, N, N // 2), 2, axis=1)
MASK = np.diag([1.0, 0.0] * (N // 2))


@pytest.mark.parametrize(
    ("middle", "rank"),
    [(ONES, 1), (PAIRS, N // 2), (PAIRS.T, N // 2), (MASK, N // 2), (0 * ONES, 0)],
    ids=["ones", "equal columns", "equal rows", "a mask", "nothing"],
)
@pytest.mark.filterwarnings("ignore:.*0 up to rounding")
def test_a_factor_of_lower_rank(middle: Matrix, rank: int) -> None:
    for factors in ([middle], [gaussian(1, N, N), middle, gaussian(2, N, N)], [middle, middle]):
        if len(factors) == 2 and middle is MASK:
            factors = [middle, gaussian(3, N, N), middle]
        logs = log_singular_values(factors)
        found = int(np.isfinite(logs).sum())
        product = np.linalg.multi_dot(factors) if len(factors) > 1 else middle
        assert found == rank
        assert np.all(np.isneginf(logs[rank:]))
        np.testing.assert_allclose(
            singular_values(factors), np.linalg.svd(product)[1], atol=1e-13 * N**3
        )


@pytest.mark.parametrize("device", DEVICES)
def test_batches_and_kinds(device: str) -> None:
    factors = [torch.from_numpy(gaussian(i, 2, 3, N, N)).to(device) for i in range(3)]
    logs = log_singular_values(factors)
    assert logs.shape == (2, 3, N)
    assert logs.device.type == device
    assert logs.dtype is torch.float64
    for i, j in ((0, 0), (1, 2)):
        alone = log_singular_values([factor[i, j].cpu().numpy() for factor in factors])
        assert isinstance(alone, np.ndarray)
        np.testing.assert_allclose(logs[i, j].cpu(), alone, atol=1e-13)
    single = singular_values([factor.float() for factor in factors])
    assert single.dtype is torch.float64
    np.testing.assert_allclose(single.log().cpu(), logs.cpu(), atol=1e-4)


def test_a_batch_with_a_deficient_and_a_graded_product() -> None:
    first = np.stack([gaussian(1, N, N), PAIRS, grades(200) @ gaussian(2, N, N)])
    second = np.stack([gaussian(3, N, N)] * 3)
    with pytest.warns(LinAlgWarning, match=r"value 5 of product 1 \(0 up to rounding\)"):
        logs = log_singular_values([first, second])
    for i in range(3):
        alone = log_singular_values([first[i], second[i]], return_error=True).values
        np.testing.assert_allclose(logs[i], alone, atol=1e-11)


def test_values_beyond_floats_need_the_logarithm() -> None:
    tiny = [1e-200 * gaussian(1, N, N)] * 2
    with pytest.raises(OverflowError, match=r"near 1e-\d+ .*log_singular_values"):
        singular_values(tiny)
    with pytest.raises(OverflowError, match=r"near 1e\+\d+"):
        singular_values([1e200 * gaussian(1, N, N)] * 2)
    assert np.isfinite(log_singular_values(tiny)).all()


@pytest.mark.parametrize(
    ("factors", "message"),
    [
        ([], "at least one"),
        (np.eye(2), "sequence"),
        ([np.ones(3)], r"factors\[0\] must be a matrix"),
        ([np.ones((2, 0))], "with entries"),
        ([np.eye(2), np.eye(3)], r"do not chain: factors\[0\] has 2 columns, factors\[1\] has 3"),
        ([np.eye(2), np.ones((5, 2, 2))], "batch shape"),
        ([np.eye(2), np.full((2, 2), np.nan)], r"factors\[1\] has entries that are NaN"),
        ([np.full((2, 2), np.inf)], r"factors\[0\] has entries that are NaN or inf"),
    ],
    ids=["none", "no sequence", "vector", "empty", "widths", "batches", "nan", "inf"],
)
def test_bad_input(factors: list[Matrix], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        log_singular_values(factors)


def test_plain_methods_lose_what_this_one_keeps() -> None:
    """The control: product and SVD, and the Gram matrix's eigenvalues, at condition 1e20."""
    factors = list(gaussian(7, 26, 12, 12))
    logs = log_singular_values(factors)
    product = np.linalg.multi_dot(factors)
    plain = np.log(np.linalg.svd(product, compute_uv=False))
    gram = np.log(np.abs(np.linalg.eigvalsh(product.T @ product)[::-1])) / 2
    np.testing.assert_allclose(logs, exact_logs(factors, 100), atol=3e-13)
    assert np.abs(plain - logs).max() > 0.1
    assert np.abs(gram - logs).max() > 1
