"""What is read off the letters of one layer, against numbers worked out by hand."""

import math

import pytest
import torch

from bnproof.empirical.metrics.theorems import LayerTerms


def numbers(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def terms() -> LayerTerms:
    """Three units of four samples; the last has no gradient."""
    return LayerTerms(
        m=4,
        gamma=numbers(2, -3, 1),
        sigma=numbers(1, 2, 0),
        s=numbers(2, 3, 1),
        gg=numbers(5, 10, 0),
        g1=numbers(2, -4, 0),
        gy=numbers(3, 2, 0),
        vv=numbers(1, 6, 0),
        sides={},
        curvature=None,
    )


def test_shares_and_signs_of_each_unit() -> None:
    found = terms()
    assert found.chance == 0.25
    assert found.factor.tolist() == [2.0, -1.5, math.inf]
    assert found.mean_share[:2].tolist() == [4 / 20, 16 / 40]
    assert found.hat_share[:2].tolist() == [9 / 20, 4 / 40]
    assert found.mean_share[2].isnan()
    assert found.hat_share[2].isnan()
    assert found.lowers.tolist() == [True, False, False]


def test_the_reduction_of_a_layer_weighs_units_by_gamma_over_s() -> None:
    whole = 5 + 10  # gamma^2/s^2 is 1 for both units
    found = terms().reduction
    assert tuple(vars(found).values()) == pytest.approx(
        ((4 + 16) / 4 / whole, (9 + 4) / 4 / whole, 1 - 7 / whole)
    )
