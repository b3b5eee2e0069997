"""The course of a quantity: what was recorded at which moment, also of a run that diverged."""

import math

import numpy as np
import pytest

from bnproof.empirical.protocols.curves import (
    CEILING,
    SHOWN,
    capped,
    moments,
    recorded,
    rows,
    spread,
    stages,
)
from bnproof.empirical.protocols.noisy import LOSS_LIMIT, _course
from bnproof.empirical.training.config import TrainingConfig
from bnproof.empirical.trial import Trained

CURVE = (
    {"step": 0, "probe": {"row": [1.0, 2.0]}},
    {"step": 10, "probe": {"row": [3.0, "inf"]}},
    {"step": 17, "loss": None},
)


def run(curve=CURVE, steps=30, every=10):
    training_config = TrainingConfig(network={"family": "vgg"}, steps=steps, every=every, rate=0.1)
    return Trained(training_config, "made up", 17, curve, 0.0)


def test_moments_after_a_divergence_are_there_and_empty():
    found = run()
    assert moments(found).tolist() == [0, 10, 20, 30]
    read = rows(found, moments(found), "probe", "row")
    assert read.shape == (4, 2)
    assert read[1].tolist() == [3.0, math.inf]
    assert np.isnan(read[2:]).all()


def test_what_was_never_recorded_is_said():
    with pytest.raises(ValueError, match="probe column: recorded at none of the steps"):
        rows(run(), np.array([0, 10]), "probe", "column")


@pytest.mark.parametrize("count", [1, 2, 13, 101, 5_000])
def test_moments_are_spread_from_the_first_to_the_last(count):
    steps = 100 * np.arange(count)
    shown = spread(steps)
    assert shown[0] == 0
    assert shown[-1] == steps[-1]
    assert len(shown) == len(set(shown)) <= SHOWN
    gaps = np.diff(shown)
    assert (gaps[1:] >= gaps[:-1] - 100).all()


def test_stages_are_medians_of_equal_parts():
    assert stages(np.arange(8.0)).tolist() == [0.5, 2.5, 4.5, 6.5]
    with pytest.raises(ValueError, match="3 evaluations: must be 4 or more"):
        stages(np.zeros(3))


def test_what_is_not_finite_is_capped():
    values = np.array([1.0, math.inf, math.nan, 2 * CEILING])
    assert capped(values).tolist() == [1.0, CEILING, CEILING, CEILING]


def test_theorems_of_a_run_that_diverged_are_nan_after_it():
    theorems = {"mean": [0.1, 0.2], "control": {"mean": [0.3, 0.4]}}
    curve = (
        {"step": 0, "theorems": {"mean": [9.0, 9.0]}},
        {"step": 10, "theorems": theorems},
        {"step": 17, "loss": None},
    )
    found = recorded(run(curve), ("mean",))["mean"]
    assert found[0].tolist() == [0.1, 0.2]  # that before the first update is left out
    assert np.isnan(found[1:]).all()
    assert recorded(run(curve), ("mean",), control=True)["mean"].tolist() == [[0.3, 0.4]]


def test_a_run_that_diverges_before_its_first_evaluation_has_a_course():
    start = {"step": 0, "loss": None, "test accuracy": 0.1, "as trained": {"test accuracy": 0.1}}
    found = _course(run((start, {"step": 7, "loss": None})), np.array([0, 10, 30]))
    assert found["loss"].tolist() == [LOSS_LIMIT] * 3
