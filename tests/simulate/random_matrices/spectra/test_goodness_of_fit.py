"""Calibrated p-values: uniform where the law is right, small where it is not, and the figures."""

import numpy as np
import pytest
from matplotlib.figure import Figure
from scipy.stats import kstest, kstwo

from bnproof.simulate.random_matrices.laws.fuss_catalan import FussCatalan
from bnproof.simulate.random_matrices.spectra import goodness_of_fit as calibration
from bnproof.simulate.random_matrices.spectra.goodness_of_fit import (
    PValue,
    distance,
    null_distances,
    p_value,
)
from bnproof.simulate.random_matrices.spectra.sampling import (
    Field,
    product_singular_values,
    sample_singular_values,
)
from bnproof.simulate.random_matrices.studies import law as compare
from bnproof.simulate.random_matrices.studies import plots

REPEATS = 200


def spectra(factors: int, size: int, field: Field = "real") -> np.ndarray:
    widths = [size] * (factors + 1)
    return sample_singular_values(widths, REPEATS, field=field, seed=1).numpy()


@pytest.mark.parametrize("factors", [1, 3])
@pytest.mark.parametrize("field", ["real", "complex"])
def test_right_p_values_are_uniform_and_ordinary_ones_near_one(factors: int, field: Field) -> None:
    rows = spectra(factors, 24, field)
    found = [p_value(row, factors, field=field, repeats=4 * REPEATS) for row in rows]
    right = np.array([item.value for item in found])
    wrong = np.array([item.ordinary for item in found])
    # A test of a true hypothesis at the level 1e-4, widened for the null's own 800 spectra.
    assert kstest(right, "uniform").statistic < 1.2 * kstwo.isf(1e-4, REPEATS)
    assert wrong.min() > 0.5
    assert kstest(wrong, "uniform").pvalue < 1e-100


@pytest.mark.parametrize(
    "change",
    [np.square, lambda s: 1.1 * s, np.flip, lambda s: np.full_like(s, 0.5)],
    ids=["squares", "scaled", "right order does not matter", "all equal"],
)
def test_what_the_ordinary_test_cannot_see(change: object) -> None:
    """Spectra 10 % too wide, or squared, are told from the law at once; control: the same."""
    row = spectra(2, 100)[0]
    found = p_value(change(row), 2, repeats=REPEATS)  # type: ignore[operator]
    if change is np.flip:
        assert found == p_value(row, 2, repeats=REPEATS)
        assert found.value > 0.05
    else:
        assert found.value == 1 / (REPEATS + 1)
    if found.distance < 0.1:
        assert found.ordinary > 0.2


def test_real_spectra_do_not_pass_for_complex_ones() -> None:
    """The wrong null is seen over many spectra: complex ones repel more."""
    rows = spectra(1, 50)
    values = [p_value(row, 1, field="complex", repeats=4 * REPEATS).value for row in rows]
    assert np.mean(np.array(values) < 0.05) > 0.2


def test_the_value_counts_ties_and_gives_its_error() -> None:
    null = np.array([0.1, 0.2, 0.2, 0.3])
    for found, value in ((0.05, 1.0), (0.2, 0.8), (0.25, 0.4), (0.5, 0.2)):
        test = PValue.of(found, 100, null)
        assert test.value == pytest.approx(value)
        assert test.error == pytest.approx((value * (1 - value) / 4) ** 0.5)
        assert test.ordinary == pytest.approx(kstwo.sf(found, 100))
    assert PValue.of(0.2, 100, null).numbers()["calibrated p-value"] == 0.8


def test_the_null_is_kept_cannot_be_changed_and_is_not_the_sample() -> None:
    null = null_distances(1, 16, repeats=20, seed=3)
    assert null_distances(1, 16, repeats=20, seed=3) is null
    with pytest.raises(ValueError, match="read-only"):
        null[0] = 0
    law = FussCatalan(1).root()
    sample = product_singular_values(1, 16, 20, seed=3).numpy()
    assert not set(null) & {distance(row, law) for row in sample}


def test_the_table_by_size() -> None:
    rows = calibration.repulsion(2, (16, 64, 128), repeats=REPEATS)
    assert [row.size for row in rows] == [16, 64, 128]
    factors = [row.factor for row in rows]
    assert factors == sorted(factors)
    assert factors[-1] > 4
    for row in rows:
        assert row.rejected == 0
        assert row.smallest_ordinary > 0.3
        assert row.ordinary_at_limit > 0.8


@pytest.mark.parametrize("values", [[], [0.1, np.nan]])
def test_bad_values(values: list[float]) -> None:
    with pytest.raises(ValueError, match="one or more numbers, none of them NaN"):
        p_value(values, 1)


def figure_of(draw: object, *arguments: object, **options: object) -> tuple[Figure, str]:
    figure = Figure(layout="constrained")
    text = draw(figure, *arguments, **options)  # type: ignore[operator]
    figure.draw_without_rendering()
    for axes in figure.axes:
        assert axes.get_xlabel()
        assert axes.get_ylabel()
    return figure, text


def test_figures_say_what_was_found() -> None:
    row = spectra(2, 100)[0]
    figure, text = figure_of(plots.draw_density, row, 2)
    assert f"at most {distance(row, FussCatalan(2).root()):.2g}" in text
    assert "differs from the law's by at most" in figure.axes[0].get_title()
    _, text = figure_of(plots.draw_quantiles, row, 2)
    assert "calibrated p = " in text
    _, text = figure_of(plots.draw_quantiles, np.append(row[:-1], 0.0), 2)
    assert "of 100 values" in text
    _, text = figure_of(plots.draw_p_values, 1, (16, 32), repeats=20)
    assert "ordinary p-values are never below 0." in text
    samples = [compare.spectra(1, size, 5, 0, "cpu") for size in (16, 32)]
    trend = compare.trend(samples, 2, FussCatalan(1))
    _, text = figure_of(plots.draw_trend, {"M = 1": trend})
    assert f"M = 1 as N^{trend.slope:.2f}" in text
