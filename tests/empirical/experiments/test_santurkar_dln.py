"""When the deep linear network reaches a loss, and what its unexplained share is."""

import numpy as np
import pytest

from bnproof.empirical.experiments.landscape.santurkar_dln import FASTER, LOWER, _measured, reached
from bnproof.empirical.protocols.dln import DATA, LIMIT, RATE, unexplained
from bnproof.empirical.training.config import TrainingConfig
from bnproof.empirical.training.tasks import Regression
from bnproof.empirical.trial import Trained

RECIPE = TrainingConfig(network={"family": "linear"}, steps=30, every=10, rate=RATE, seed=4)


def test_the_first_moment_that_is_down_counts_and_the_last_where_none_is():
    curve = np.array([np.nan, 5.0, 2.0, 3.0, 1.0])
    assert [reached(curve, aim) for aim in (5.0, 2.5, 1.0, 0.5)] == [1, 2, 4, 4]


def test_a_network_that_puts_out_zero_leaves_everything_unexplained():
    task = Regression(RECIPE, DATA, "cpu")
    inputs, targets = task.batch(0)
    zero = task.loss(0 * inputs, targets).item()
    curve = ({"step": 0, "loss": None}, {"step": 10, "loss": zero}, {"step": 17, "loss": None})
    share = unexplained(Trained(RECIPE, DATA.name, 17, curve, 0.0))
    assert np.isnan(share[0])
    assert share[1] == pytest.approx(1.0, rel=1e-6)
    assert share[2] == LIMIT


def test_the_rate_for_the_mean_takes_the_steps_of_the_printed_one_for_the_sum():
    assert RATE / DATA.samples == pytest.approx(1e-6)


def test_a_run_that_diverges_reaches_nothing_early():
    curve = ({"step": 0, "loss": None}, {"step": 7, "loss": None})
    found = _measured(Trained(RECIPE, DATA.name, 7, curve, 0.0), aim=0.5)
    assert found[FASTER] == 1.0
    assert found[LOWER] == LIMIT / 0.5
