"""Sampled singular values: three methods of one law, known laws, repeatability, bad input."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats

from bnproof.simulate.random_matrices.laws.factor_kinds import Diagonal, Gaussian, Truncated, mask
from bnproof.simulate.random_matrices.spectra import chi_models
from bnproof.simulate.random_matrices.spectra.sampling import (
    product_singular_values,
    sample_product,
    sample_singular_values,
)

STANDARD_ERRORS = 4.5  # two-sided: 7e-6 for each test
REPEATS = 1_000
LEVEL = 1e-3  # that a right method is rejected anywhere in its widths and statistics
STATISTICS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "log determinant": lambda s: np.log(s).sum(1),
    "trace": lambda s: (s**2).sum(1),
    "trace of the square": lambda s: (s**4).sum(1),
    "largest": lambda s: s[:, 0],
    "smallest": lambda s: s[:, -1],
}
WIDTHS = [(6, 6), (4, 9), (9, 4), (1, 3), (5, 5, 5), (6, 4, 8), (4, 6, 6), (8, 7, 3, 5)]


def smallest_level(field: str, method: str, all_widths: list[tuple[int, ...]]) -> float:
    """Least p-value of two-sample tests against `dense`, times their number (Bonferroni).

    Each statistic is one number a replica, and replicas are independent: the test is exact.
    """
    levels = []
    for widths in all_widths:
        sampled, defined = (
            sample_singular_values(widths, REPEATS, field=field, method=how, seed=seed).numpy()
            for how, seed in ((method, 1), ("dense", 2))
        )
        for statistic in STATISTICS.values():
            levels.append(stats.ks_2samp(statistic(sampled), statistic(defined)).pvalue)
    return min(levels) * len(levels)


@pytest.mark.parametrize("field", ["real", "complex"])
@pytest.mark.parametrize("method", ["bidiagonal", "triangular"])
def test_methods_are_equal_in_law(field: str, method: str) -> None:
    able = [widths for widths in WIDTHS if method != "bidiagonal" or len(widths) == 2]
    assert smallest_level(field, method, able) > LEVEL


@pytest.mark.parametrize("field", ["real", "complex"])
@pytest.mark.parametrize(("method", "widths"), [("bidiagonal", (6, 6)), ("triangular", (5, 5, 5))])
def test_degrees_of_freedom_off_by_one_are_rejected(
    field: str, method: str, widths: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control of the test above."""
    right = chi_models.degrees
    monkeypatch.setattr(chi_models, "degrees", lambda n, count, beta: right(n + 1, count, beta))
    assert smallest_level(field, method, [widths]) < LEVEL


def test_real_and_complex_are_told_apart() -> None:
    real, other = (
        sample_singular_values((6, 6), REPEATS, field=field, seed=8).numpy()
        for field in ("real", "complex")
    )
    assert stats.ks_2samp(real[:, -1], other[:, -1]).pvalue < LEVEL


@pytest.mark.parametrize("method", ["auto", "triangular", "dense"])
@pytest.mark.parametrize("field", ["real", "complex"])
def test_shape_order_and_sign(method: str, field: str) -> None:
    s = sample_singular_values((7, 5, 9), 6, field=field, method=method, seed=1)
    assert s.shape == (6, 5)
    assert s.dtype == torch.float64
    assert (s.diff(dim=1) <= 0).all()
    assert (s > 0).all()


@pytest.mark.parametrize("method", ["bidiagonal", "triangular", "dense"])
@pytest.mark.parametrize("field", ["real", "complex"])
def test_same_seed_same_numbers_and_the_first_do_not_depend_on_how_many(
    method: str, field: str, device: str
) -> None:
    widths = (6, 8) if method == "bidiagonal" else (6, 6, 7)
    how: dict[str, Any] = {"method": method, "field": field}
    first = sample_singular_values(widths, 3, seed=5, device=device, **how)
    more = sample_singular_values(widths, 8, seed=5, **how)
    torch.testing.assert_close(first, more[:3], rtol=1e-10, atol=1e-12)
    assert first.device.type == "cpu"
    other = sample_singular_values(widths, 3, seed=6, **how)
    assert not torch.isclose(first, other).any()


def test_numbers_of_factors_have_numbers_of_their_own() -> None:
    two, three = (product_singular_values(M, 6, 3, seed=5) for M in (2, 3))
    assert not torch.isclose(two, three).any()


def test_batches_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = sample_singular_values((9, 9, 9), 7, seed=3)
    monkeypatch.setattr("bnproof.simulate.random_matrices.spectra.sampling.ENTRIES", 200)
    parts = sample_singular_values((9, 9, 9), 7, seed=3)
    torch.testing.assert_close(whole, parts, rtol=1e-10, atol=1e-12)


def test_triangular_blocks_are_multiplied_as_whole_matrices() -> None:
    generator = torch.Generator().manual_seed(1)
    left, right = torch.randn(2, 3, 301, 301, dtype=torch.float64, generator=generator).triu()
    torch.testing.assert_close(chi_models.upper_product(left, right), left @ right)


def test_threads_are_given_back() -> None:
    before = torch.get_num_threads()
    sample_singular_values((3, 3, 3), 1, seed=0)
    assert torch.get_num_threads() == before


@pytest.mark.parametrize("widths", [(4, 4), (4, 4, 4, 4), (4, 6), (4, 2, 5)])
@pytest.mark.parametrize("field", ["real", "complex"])
def test_mean_square_for_every_size(widths: tuple[int, ...], field: str) -> None:
    """E tr(W'W) = n_M, at widths where the limit is far: 4,000 products."""
    squares = (sample_singular_values(widths, 4_000, field=field, seed=2) ** 2).sum(1).numpy()
    error = squares.std(ddof=1) / np.sqrt(len(squares))
    assert abs(squares.mean() - widths[-1]) < STANDARD_ERRORS * error


def test_mean_fourth_power_of_one_factor() -> None:
    """E tr((X'X)**2)/N = 2 + 1/N for real X of variance 1/N, 2 for complex X."""
    size = 3
    for field, exact, wrong in (("real", 2 + 1 / size, 2), ("complex", 2, 2 + 1 / size)):
        values = sample_singular_values((size, size), 8_000, field=field, seed=3)
        fourth = (values**4).mean(1).numpy()
        error = fourth.std(ddof=1) / np.sqrt(len(fourth))
        assert abs(fourth.mean() - exact) < STANDARD_ERRORS * error
        assert abs(fourth.mean() - wrong) > 10 * error


def test_one_by_one_matrices_are_products_of_half_normals() -> None:
    """The values are independent here, so that the ordinary test is right: 1e-3 at seed 4."""
    s = product_singular_values(1, 1, 2_000, seed=4).ravel().numpy()
    assert stats.kstest(s, stats.halfnorm.cdf).pvalue > 1e-3
    s = product_singular_values(2, 1, 2_000, seed=4).ravel().numpy()
    assert stats.kstest(s, stats.halfnorm.cdf).pvalue < 1e-3


@pytest.mark.parametrize("factors", [1, 3])
def test_determinants_multiply(factors: int) -> None:
    """E log|det X|: N-k+1 degrees of freedom for row k of each factor, exact at every N."""
    size = 5
    logs = product_singular_values(factors, size, 4_000, seed=7).log().sum(1).numpy()
    freedom = np.arange(1, size + 1)
    exact = factors * (np.log(2 / size) + stats.loggamma.mean(freedom / 2)).sum() / 2
    error = logs.std(ddof=1) / np.sqrt(len(logs))
    assert abs(logs.mean() - exact) < STANDARD_ERRORS * error


def test_lost_pivot_is_decomposed_another_way(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = sample_singular_values((30, 30), 4, seed=9)
    monkeypatch.setattr(chi_models.lapack, "dpteqr", lambda d, e, z, compute_z: (d, e, z, 1))
    torch.testing.assert_close(sample_singular_values((30, 30), 4, seed=9), usual)


def test_products_of_any_factors_have_the_zeros_that_their_ranks_ask_for() -> None:
    s = sample_product([Gaussian(2), mask(0.25), Gaussian(0.5)], 8, 3, seed=1)
    assert s.shape == (3, 8)
    assert (s[:, :4] > 1e-8).all()
    assert (s[:, 4:] == 0).all()
    s = sample_product([Diagonal((0, 4), (0.5, 0.5))], 8, 2, field="complex", seed=1)
    assert s.tolist() == [[2.0] * 4 + [0.0] * 4] * 2
    s = sample_product([Truncated(2, 2), Truncated(1), Truncated(1.5, 1.5)], 6, 2, seed=1)
    torch.testing.assert_close(s, torch.ones(2, 6, dtype=torch.float64))


def test_products_of_gaussian_factors_are_the_dense_method() -> None:
    defined = sample_singular_values((6, 4, 8), 2_000, method="dense", seed=1)[:, 0]
    general = sample_product([Gaussian(4 / 6), Gaussian(2)], 6, 2_000, seed=2)[:, 0]
    assert stats.ks_2samp(defined, general).pvalue > LEVEL


@pytest.mark.parametrize("name", ["factors", "size", "repeats"])
@pytest.mark.parametrize("value", [0, -3, 2.5, "3", True, float("nan")])
def test_bad_counts(name: str, value: object) -> None:
    good = {"factors": 1, "size": 2, "repeats": 1}
    with pytest.raises(ValueError, match=rf"^{name} must be an integer >= 1, not [^\n]*$"):
        product_singular_values(**{**good, name: value}, seed=0)  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [0, -3, 2.5, "3", True, None])
def test_bad_width(value: object) -> None:
    with pytest.raises(ValueError, match=r"^widths\[1\] must be an integer >= 1, not [^\n]*$"):
        sample_singular_values([3, value], 1, seed=0)  # type: ignore[list-item]


@pytest.mark.parametrize("widths", [[], [3], "33", 3])
def test_too_few_widths(widths: object) -> None:
    with pytest.raises(ValueError, match="widths must be at least two integers"):
        sample_singular_values(widths, 1, seed=0)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"seed": -1}, "seed must be an integer >= 0, not -1"),
        ({"field": "quaternion"}, "field 'quaternion': must be one of real, complex"),
        ({"method": "qr"}, "method 'qr': must be one of auto, "),
        ({"method": "bidiagonal"}, "method 'bidiagonal' is for one factor, not 2"),
    ],
)
def test_bad_choices(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        sample_singular_values((2, 2, 2), 1, **{"seed": 0, **change})


def test_bad_products() -> None:
    with pytest.raises(ValueError, match="factors must hold at least one factor"):
        sample_product([], 3, 1, seed=0)
    with pytest.raises(ValueError, match="gives a layer without units"):
        sample_product([Gaussian(0.1)], 3, 1, seed=0)
