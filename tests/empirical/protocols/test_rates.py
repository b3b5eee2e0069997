"""The search for the largest rate, on made-up networks."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bnproof.empirical.protocols.rates import (
    CHANCE,
    CHANCE_LOSS,
    MARGIN,
    accuracy,
    grid,
    largest_rate,
    learns,
)
from bnproof.empirical.training.config import TrainingConfig
from bnproof.empirical.trial import Trained

RATES = grid(1.6, 12)


def trained(last=0.6, loss=0.0, diverged=None):
    training_config = TrainingConfig(network={}, steps=1, rate=0.1)
    curve = [{"step": 1, "test accuracy": last, "loss": loss}]
    return Trained(training_config, "toy", diverged, curve, 0.0)


def searched(learning, start):
    """Search among the numbers of rates that learn; every rate may be asked once."""
    asked = []

    def learnt(rate):
        assert rate not in asked
        asked.append(rate)
        return RATES.index(rate) in learning

    found = largest_rate(RATES, learnt, start=start)
    assert found.trials == len(asked)
    return found


def test_a_grid_ascends_by_its_factor_to_the_largest():
    assert grid(0.4, 3) == (0.1, 0.2, 0.4)


@settings(max_examples=60, deadline=None)
@given(
    low=st.integers(0, 10),
    length=st.integers(2, 11),
    start=st.floats(1e-5, 10),
)
def test_one_range_of_rates_is_found_from_everywhere(low, length, start):
    # All rates from `low` on, `length` of them: smaller ones are too slow, larger ones diverge.
    learning = range(low, min(low + max(length, 2), len(RATES)))
    if len(learning) < 2:
        learning = range(low - 1, low + 1)
    assert searched(learning, start).rate == RATES[learning[-1]]


def test_a_single_lucky_rate_does_not_count():
    assert searched({3, 4, 8}, RATES[-1]).rate == RATES[4]
    assert searched({5}, RATES[5]).rate is None
    assert searched({0}, RATES[5]).rate == RATES[0]


def test_the_climb_ends_at_the_first_rate_that_fails():
    assert searched({2, 3, 4, 6, 7}, RATES[3]).rate == RATES[4]


def test_a_good_guess_costs_three_trials():
    for start in (4, 5):
        assert searched(range(2, 5), RATES[start]).trials == 3


def test_no_rate_that_learns_is_said():
    found = searched(set(), 0.1)
    assert (found.rate, found.trials) == (None, len(RATES))


@pytest.mark.parametrize("rates", [(), (0.1, 0.1), (0.2, 0.1)])
def test_a_grid_that_does_not_ascend_is_refused(rates):
    with pytest.raises(ValueError, match="ascending"):
        largest_rate(rates, lambda rate: True, start=0.1)


def test_a_run_that_diverged_has_not_learnt():
    assert accuracy(trained(0.6)) == 0.6
    assert accuracy(trained(0.6, diverged=7)) == CHANCE
    assert not learns(trained(loss=None, diverged=7))
    assert not learns(trained(loss=1.0, diverged=7))


def test_a_constant_output_has_not_learnt():
    assert not learns(trained(loss=CHANCE_LOSS))
    assert not learns(trained(loss=CHANCE_LOSS - MARGIN + 1e-6))
    assert learns(trained(loss=CHANCE_LOSS - MARGIN))
