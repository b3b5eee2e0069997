"""Bulk, outliers and tail of one matrix: planted truths, and the size of the tests."""

import numpy as np
import pytest

from bnproof.simulate.random_matrices.spectra.bulk import LEVEL, bulk, tail
from bnproof.simulate.random_matrices.spectra.sampling import sample_singular_values

SHAPES = [(100, 100), (60, 150), (150, 60)]


def planted(shape: tuple[int, int], strength: float, seed: int) -> np.ndarray:
    """Singular values of noise of deviation 0.02 plus one direction."""
    rng = np.random.default_rng(seed)
    u, v = (x / np.linalg.norm(x) for x in map(rng.standard_normal, shape))
    matrix = 0.02 * (rng.standard_normal(shape) + strength * np.outer(u, v))
    return np.linalg.svd(matrix, compute_uv=False)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_a_spike_is_counted_and_leaves_the_bulk_alone(shape: tuple[int, int]) -> None:
    plain, spiked = (bulk(planted(shape, strength, 1), shape) for strength in (0, 60))
    assert plain is not None
    assert spiked is not None
    assert len(plain.outliers) == 0
    (level,) = spiked.outliers
    assert level < 1e-10
    for found in (plain, spiked):
        assert found.sigma == pytest.approx(0.02, rel=0.03)
        assert found.edge == pytest.approx(0.02 * sum(np.sqrt(shape)), rel=0.03)
        assert found.fit.distance < 0.06
        assert found.fit.value > 0.01
    # The mean square, which the spike enters, would be far off.
    assert np.sqrt((planted(shape, 60, 1) ** 2).sum() / np.prod(shape)) > 0.022


# With complex entries, a statistical repetition of more than a second.
@pytest.mark.parametrize("field", ["real", pytest.param("complex", marks=pytest.mark.slow)])
def test_noise_alone_has_no_outlier_as_often_as_stated(field: str) -> None:
    drawn = sample_singular_values((120, 80), 400, field=field, seed=7).numpy()
    found = [bulk(row, (120, 80), field) for row in drawn]
    # 400 draws at 1 %, where the fitted deviation adds its own error: at most 14 in 400.
    assert sum(bool(one and one.outliers) for one in found) <= 3.5 * LEVEL * 400
    levels = np.array([one.fit.value for one in found if one])
    assert 0.3 < np.mean(levels < 0.5) < 0.7
    assert np.mean(levels < 0.05) < 0.12


def test_another_law_is_far_from_it() -> None:
    found = bulk(sample_singular_values((100, 100, 100), 1, seed=3).numpy()[0], (100, 100))
    assert found is not None
    assert found.fit.value < 0.02


def test_few_values_and_zeros_have_no_bulk() -> None:
    assert bulk(np.ones(19), (19, 19)) is None
    assert bulk(np.append(np.ones(5), np.zeros(25)), (30, 30)) is None


def test_a_power_law_is_found() -> None:
    # Squares of density x**-2.5 from 3 on, and a body below.
    rng = np.random.default_rng(0)
    squares = np.concatenate([3 * (1 - rng.random(4000)) ** (-1 / 1.5), rng.uniform(0, 3, 2000)])
    found = tail(np.sqrt(squares))
    assert found is not None
    assert found.exponent == pytest.approx(2.5, abs=0.1)
    assert 2.5 < found.least**2 < 6
    assert found.distance < 0.02
    assert tail(np.ones(9)) is None
    assert tail(np.zeros(30)) is None
    assert tail(np.ones(30)) is None


@pytest.mark.parametrize("shape", [(150, 150), (100, 225), (225, 100)], ids=str)
def test_planted_spikes_against_the_threshold(shape: tuple[int, int]) -> None:
    """A direction shows up if it is above the threshold of Baik, Ben Arous and Peche, and where.

    In units of the noise times the root of the columns, with c rows per column, the threshold is
    c**(1/4) and the value sqrt((1 + t**2)(c + t**2))/t (F. Benaych-Georges and R. R. Nadakuditi,
    J. Multivar. Anal. 111 (2012) 120).
    """
    rows, columns = shape
    c, repeats = rows / columns, 12
    seen = {}
    for share in (0.5, 1.5, 3.0):
        t = share * c**0.25
        found = []
        for seed in range(repeats):
            values = planted(shape, t * np.sqrt(columns), seed)
            fit = bulk(values, shape)
            assert fit is not None
            found.append((len(fit.outliers), values[0] / (fit.sigma * np.sqrt(columns))))
        counts, tops = np.array(found).T
        seen[share] = (counts >= 1).mean()
        if share > 1:
            expected = np.sqrt((1 + t**2) * (c + t**2)) / t
            # The value fluctuates by about 1/root of the columns times a number near 1.
            assert tops.mean() == pytest.approx(expected, abs=4 / np.sqrt(columns * repeats))
            assert counts.max() <= 2
    assert seen[0.5] <= 2 / repeats
    assert seen[1.5] >= 0.75
    assert seen[3.0] == 1
