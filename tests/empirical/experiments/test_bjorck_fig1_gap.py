"""Gaps between training and test accuracy at the level that both courses reach, by hand."""

import numpy as np
import pytest

from bnproof.empirical.experiments.rates import bjorck_fig1_gap as gaps


def course(train: list[float], test: list[float]) -> dict[str, object]:
    return {
        "train accuracy": np.array(train),
        "test accuracy": np.array(test),
        "final train accuracy": train[-1],
        "final test accuracy": test[-1],
    }


SLOW = course([0.1, 0.3, 0.5], [0.1, 0.25, 0.45])
FAST = course([0.1, 0.5, 0.9], [0.1, 0.4, 0.5])


def test_gaps_are_compared_where_the_slower_one_ends() -> None:
    found = gaps._compared(FAST, SLOW)
    assert found["training accuracy of the gap"] == 0.5
    assert found[gaps.GAP] == pytest.approx(0.5 - 0.4)
    assert found[gaps.RATIO] == pytest.approx(2)
    assert found[gaps.EXCESS] == pytest.approx(0.05)
    assert found[gaps.FINAL] == pytest.approx(0.9 - 0.5)


def test_a_gap_below_the_noise_counts_as_the_noise() -> None:
    none = course([0.1, 0.3, 0.5], [0.1, 0.4, 0.6])
    found = gaps._compared(none, SLOW)
    assert found[gaps.GAP] == gaps.SMALLEST
    assert found[gaps.RATIO] == pytest.approx(gaps.SMALLEST / 0.05)
