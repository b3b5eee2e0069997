"""Estimated errors of singular values against true ones, on structured products."""

import warnings
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from mpmath import mp
from numpy.typing import NDArray
from scipy.linalg import LinAlgWarning, block_diag, toeplitz

from bnproof.simulate.random_matrices.spectra.singular_values import (
    SingularValues,
    log_singular_values,
    singular_values,
)

Matrix = NDArray[np.float64 | np.complex128]
Generator = np.random.Generator
WITHIN = 10.0  # times the true error, in both directions
SURE = 3e-2  # true error of a logarithm that may be called lost


def _orthogonal(rng: Generator, size: int) -> Matrix:
    return np.linalg.qr(rng.standard_normal((size, size)))[0]


def _upper(rng: Generator) -> list[Matrix]:
    return [np.triu(rng.standard_normal((5, 5))) for _ in range(rng.integers(2, 60))]


def _lower(rng: Generator) -> list[Matrix]:
    return [factor.T for factor in reversed(_upper(rng))]


def _mixed_triangles(rng: Generator) -> list[Matrix]:
    return [factor.T if k % 2 else factor for k, factor in enumerate(_upper(rng))]


def _vandermonde(rng: Generator) -> list[Matrix]:
    sizes = rng.integers(4, 8)
    return [np.vander(np.sort(rng.uniform(0.1, 1, sizes))) for _ in range(rng.integers(1, 4))]


def _kernels(rng: Generator) -> list[Matrix]:
    n = rng.integers(4, 8)
    widths = rng.uniform(0.5, 2, rng.integers(1, 4))
    return [toeplitz(np.exp(-((np.arange(n) / width) ** 2))) for width in widths]


def _toeplitz(rng: Generator) -> list[Matrix]:
    return [toeplitz(rng.standard_normal(6), rng.standard_normal(6)) for _ in range(8)]


def _graded(rng: Generator) -> list[Matrix]:
    def scales() -> Matrix:
        return np.diag(10.0 ** rng.uniform(-10, 10, 6))

    return [scales() @ rng.standard_normal((6, 6)) @ scales() for _ in range(rng.integers(1, 5))]


def _conditioned(rng: Generator) -> list[Matrix]:
    spread = np.diag(np.logspace(0, -rng.uniform(2, 7), 6))
    return [_orthogonal(rng, 6) @ spread @ _orthogonal(rng, 6) for _ in range(rng.integers(1, 5))]


def _minus_ones(rng: Generator) -> list[Matrix]:
    n, size = rng.integers(5, 15), rng.uniform(0.5, 1)
    return [np.eye(n) - size * np.triu(np.ones((n, n)), 1)] * int(rng.integers(1, 4))


def _gaussian(rng: Generator) -> list[Matrix]:
    return [rng.standard_normal((6, 6)) for _ in range(rng.integers(1, 60))]


def _complex(rng: Generator) -> list[Matrix]:
    return [
        rng.standard_normal((5, 5)) + 1j * rng.standard_normal((5, 5))
        for _ in range(rng.integers(1, 12))
    ]


def _rectangular(rng: Generator) -> list[Matrix]:
    return [rng.standard_normal(shape) for shape in pairwise(rng.integers(3, 8, 5))]


def _inverses(rng: Generator) -> list[Matrix]:
    first = _orthogonal(rng, 5) @ np.diag(np.logspace(0, -6, 5)) @ _orthogonal(rng, 5)
    return [first, np.linalg.inv(first), rng.standard_normal((5, 5))]


def _blocks(rng: Generator) -> list[Matrix]:
    return [
        block_diag(rng.standard_normal((3, 3)), 10 ** rng.uniform(-9, 9) * rng.normal(size=(3, 3)))
        for _ in range(4)
    ]


def _extreme(rng: Generator) -> list[Matrix]:
    return [10.0 ** rng.uniform(-300, 300) * rng.standard_normal((5, 5)) for _ in range(6)]


def _nilpotent(rng: Generator) -> list[Matrix]:
    shift = np.diag(np.ones(5), 1)
    return [shift + 10 ** rng.uniform(-8, -1) * rng.standard_normal((6, 6)) for _ in range(5)]


def _hopeless(rng: Generator) -> list[Matrix]:
    return [np.vander(np.sort(rng.uniform(0.1, 1, rng.integers(14, 22))))]


BANK: dict[str, Callable[[Generator], list[Matrix]]] = {
    function.__name__.strip("_"): function
    for function in (
        _upper, _lower, _mixed_triangles, _vandermonde, _kernels, _toeplitz, _graded, _conditioned,
        _minus_ones, _gaussian, _complex, _rectangular, _inverses, _blocks, _extreme, _nilpotent,
        _hopeless,
    )
}  # fmt: skip


def exact_logs(factors: list[Matrix], count: int, digits: int = 500) -> Matrix:
    """Logarithms of the singular values of the product, with many digits."""
    with mp.workdps(digits):
        product = mp.matrix(factors[0].tolist())
        for factor in factors[1:]:
            product = product * mp.matrix(factor.tolist())
        svd = mp.svd_c if any(map(np.iscomplexobj, factors)) else mp.svd_r
        values = svd(product, compute_uv=False)
        logs = sorted(float(mp.log(abs(value))) if value else -np.inf for value in values)
        return np.array(logs[::-1][:count])


@pytest.fixture(scope="module")
def measured() -> Callable[[str, int], tuple[Matrix, Matrix]]:
    """True errors of logarithms, at least their rounding, and estimated ones, of one product."""

    def of(family: str, seed: int) -> tuple[Matrix, Matrix]:
        factors = BANK[family](np.random.default_rng(seed))
        found = log_singular_values(factors, return_error=True)
        exact = exact_logs(factors, len(found.values))
        true = np.abs(found.values - exact)
        return np.maximum(true, 1e-16 * np.maximum(1, np.abs(exact))), found.error

    return of


@pytest.mark.parametrize("family", BANK)
def test_no_error_is_ten_times_its_estimate(family: str, measured) -> None:
    true, estimate = measured(family, 0)
    assert (true <= WITHIN * estimate).all()


@pytest.mark.slow
def test_a_bank_of_structured_products(measured) -> None:
    """None is underestimated by more than the factor, 9 in 10 of the largest not overestimated."""
    overestimated, count = 0, 0
    for family in BANK:
        for seed in range(13):
            true, estimate = measured(family, seed)
            some = np.isfinite(estimate)
            assert (true[some] <= WITHIN * estimate[some]).all(), (family, seed)
            lost = (true[~some] < SURE).any()
            overestimated += lost or estimate[some].max() > WITHIN * true[some].max()
            count += 1
    assert count > 200
    assert overestimated < 0.1 * count


@pytest.mark.parametrize("size", [15, 20, 30, 40])
def test_small_pivots_are_no_reason_to_refuse(size: int) -> None:
    matrix = np.triu(-np.ones((size, size)), 1) + np.eye(size)
    with warnings.catch_warnings():
        warnings.simplefilter("error" if size < 25 else "ignore")
        logs = log_singular_values([matrix])
    expected = exact_logs([matrix], size, 60)
    found = log_singular_values([matrix], return_error=True)
    assert (np.abs(logs - expected) <= WITHIN * found.error).all()
    assert np.abs(logs - expected)[:-1].max() < 1e-13


def test_lost_digits_are_named_by_value() -> None:
    matrix = np.vander(np.linspace(0.1, 1, 16))
    with pytest.warns(
        LinAlgWarning, match=r"of 16 singular values have lost digits: value 1\d \(rel"
    ):
        singular_values([matrix])
    with pytest.warns(LinAlgWarning, match=r"value 1\d of product \(1, 0\)"):
        log_singular_values([np.stack([np.eye(16), matrix])[:, None]])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        log_singular_values([matrix], return_error=True)


def test_errors_of_values_are_absolute_and_finite() -> None:
    matrix = np.diag([1e10, 1.0, 1e-10]) @ np.random.default_rng(0).standard_normal((3, 3))
    values, error = singular_values([matrix], return_error=True)
    logs = log_singular_values([matrix], return_error=True)
    np.testing.assert_allclose(error, logs.error * values, rtol=1e-12)
    zeros = singular_values(
        [np.repeat(matrix, 2, axis=1), matrix.repeat(2, axis=0)[:, :2]], return_error=True
    )
    assert np.isfinite(zeros.error).all()
    low = singular_values([np.repeat(matrix, 2, axis=1)[:, :3]], return_error=True)
    assert 0 < low.error[-1] < 1e-4
    assert isinstance(low, SingularValues)


def test_exact_zeros_are_exact() -> None:
    """A direction that a factor takes to 0 exactly is no loss of digits."""
    mask = np.diag([1.0, 0.0, 1.0])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = log_singular_values([mask, np.random.default_rng(1).standard_normal((3, 3))])
    assert np.isneginf(found).sum() == 1
