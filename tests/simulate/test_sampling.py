"""Sampled singular values: the definition, the law of small cases, repeatability, bad input."""

import numpy as np
import pytest
import torch
from scipy import stats

from simulate.random_matrices.sampling import product_singular_values

STANDARD_ERRORS = 4.5  # two-sided: 7e-6 for each test


def test_shape_order_and_sign() -> None:
    s = product_singular_values(3, 7, 5, seed=1)
    assert s.shape == (5, 7)
    assert s.dtype == torch.float64
    assert (s.diff(dim=1) <= 0).all()
    assert (s > 0).all()


def test_same_seed_same_numbers_and_the_first_do_not_depend_on_how_many(device: str) -> None:
    first = product_singular_values(2, 6, 3, seed=5, device=device)
    more = product_singular_values(2, 6, 8, seed=5)
    torch.testing.assert_close(first, more[:3], rtol=1e-10, atol=1e-12)
    assert first.device.type == "cpu"
    for other in (
        product_singular_values(2, 6, 3, seed=6),
        product_singular_values(3, 6, 3, seed=5),
    ):
        assert not torch.isclose(first, other).any()


def test_threads_are_given_back() -> None:
    before = torch.get_num_threads()
    product_singular_values(1, 3, 1, seed=0)
    assert torch.get_num_threads() == before


@pytest.mark.parametrize("factors", [1, 2, 4])
def test_mean_square_is_one_for_every_size(factors: int) -> None:
    """E tr(X'X)/N = 1, at N where the limit is far: 4,000 products of 4 x 4 matrices."""
    squares = (product_singular_values(factors, 4, 4_000, seed=2) ** 2).mean(1).numpy()
    error = squares.std(ddof=1) / np.sqrt(len(squares))
    assert abs(squares.mean() - 1) < STANDARD_ERRORS * error


def test_mean_fourth_power_of_one_factor() -> None:
    """E tr((X'X)**2)/N = 2 + 1/N for real X of variance 1/N: the real case, not the complex."""
    size = 3
    fourth = (product_singular_values(1, size, 20_000, seed=3) ** 4).mean(1).numpy()
    error = fourth.std(ddof=1) / np.sqrt(len(fourth))
    assert abs(fourth.mean() - (2 + 1 / size)) < STANDARD_ERRORS * error
    assert abs(fourth.mean() - 2) > 10 * error


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


@pytest.mark.parametrize("name", ["factors", "size", "repeats"])
@pytest.mark.parametrize("value", [0, -3, 2.5, "3", True])
def test_bad_counts(name: str, value: object) -> None:
    good = {"factors": 1, "size": 2, "repeats": 1}
    with pytest.raises(ValueError, match=rf"^{name} must be an integer >= 1, not [^\n]*$"):
        product_singular_values(**{**good, name: value}, seed=0)  # type: ignore[arg-type]


def test_bad_seed() -> None:
    with pytest.raises(ValueError, match="seed must be an integer >= 0"):
        product_singular_values(1, 2, 1, seed=-1)
