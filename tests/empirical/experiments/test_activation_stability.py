"""Drift of distributions: known movements, and units that do not vary."""

import numpy as np
import pytest
from scipy.stats import norm

from bnproof.empirical.experiments.shift.activation_stability import NOISE_FLOOR, drift
from bnproof.empirical.metrics.shift_callbacks import POINTS
from bnproof.empirical.protocols.curves import CEILING

LEVELS = (np.arange(POINTS) + 0.5) / POINTS
NORMAL = norm.ppf(LEVELS)


def test_a_shift_by_half_a_deviation_is_a_drift_of_half():
    quantiles = np.stack([2 * NORMAL, 2 * NORMAL + 1, 2 * NORMAL + 1])[:, None]
    found = drift(quantiles, np.full((3, 1), 2.0))
    assert found == pytest.approx([0.5, NOISE_FLOOR])


def test_a_change_of_scale_is_measured_in_the_earlier_deviation():
    quantiles = np.stack([NORMAL, 3 * NORMAL])[:, None]
    mean = np.abs(norm.ppf(np.linspace(0.0005, 0.9995, 1_000))).mean()
    assert drift(quantiles, np.array([[1.0], [3.0]]))[0] == pytest.approx(2 * mean, rel=0.05)


def test_the_median_is_over_units_and_a_dead_unit_that_moves_is_far():
    still, moved = np.stack([NORMAL, NORMAL]), np.stack([0 * NORMAL, 0 * NORMAL + 1])
    quantiles = np.stack([still, moved, moved], axis=1)
    deviations = np.array([[1.0, 0.0, 0.0]] * 2)
    assert drift(quantiles, deviations)[0] == CEILING
    dead = np.stack([still, 0 * still, 0 * still], axis=1)
    assert drift(dead, deviations)[0] == NOISE_FLOOR
