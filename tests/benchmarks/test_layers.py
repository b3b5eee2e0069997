"""Right layers of public families have no fault, and mutants have one that is named."""

import pytest

from benchmarks.layers.__main__ import CAUGHT, NAMED, judge
from benchmarks.layers.mutants import DIMS, MUTANTS, Hand, Norm, Running
from benchmarks.layers.right import RIGHT
from bnproof.simulate.layer_checks.measure import check_layer


def test_the_bank_is_large() -> None:
    assert len(RIGHT) >= 40


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_layer_has_no_fault(name: str) -> None:
    report = check_layer(RIGHT[name]())
    assert report.passed, report.faults


def test_there_are_many_mutants_of_every_family() -> None:
    assert len(MUTANTS) >= 120
    assert {name.split(":")[0].split(",")[0] for name in MUTANTS} == set(DIMS)


@pytest.mark.parametrize("family", DIMS)
@pytest.mark.parametrize("layer", [Norm, Running, Hand])
def test_without_a_defect_a_mutant_is_right(layer: type, family: str) -> None:
    if layer is Norm or family in {Running: ("batch", "batch2d"), Hand: ("batch", "layer")}[layer]:
        report = check_layer(layer(family))
        assert report.passed, report.faults


@pytest.mark.parametrize("name", list(MUTANTS)[::25])
def test_a_mutant_is_caught_and_its_cause_is_named(name: str) -> None:
    """Every twenty-fifth; `python -m benchmarks.layers` judges them all."""
    assert judge(MUTANTS[name]) == (True, True)


@pytest.mark.slow  # one minute
def test_the_goals_are_met() -> None:
    score = [judge(mutant) for mutant in MUTANTS.values()]
    assert sum(caught for caught, _ in score) >= CAUGHT * len(score)
    assert sum(named for _, named in score) >= NAMED * len(score)


@pytest.mark.slow  # seven minutes
@pytest.mark.parametrize("name", RIGHT)
def test_a_right_layer_has_no_fault_with_any_seed(name: str) -> None:
    for seed in range(1, 40):
        report = check_layer(RIGHT[name](), seed=seed)
        assert report.passed, (seed, report.faults)
