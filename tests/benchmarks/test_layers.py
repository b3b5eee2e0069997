"""Right layers of public families: none may be told that it has a fault."""

import pytest

from benchmarks.layers.right import RIGHT
from bnproof.simulate.layer_checks.measure import check_layer


def test_the_bank_is_large() -> None:
    assert len(RIGHT) >= 40


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_layer_has_no_fault(name: str) -> None:
    report = check_layer(RIGHT[name]())
    assert report.passed, report.faults


@pytest.mark.slow  # seven minutes
@pytest.mark.parametrize("name", RIGHT)
def test_a_right_layer_has_no_fault_with_any_seed(name: str) -> None:
    for seed in range(1, 40):
        report = check_layer(RIGHT[name](), seed=seed)
        assert report.passed, (seed, report.faults)
