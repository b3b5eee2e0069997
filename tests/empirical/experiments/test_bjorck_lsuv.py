"""Which runs of the LSUV experiment are compared: each network at its best rate."""

import pytest

from bnproof.empirical.data.load import load
from bnproof.empirical.experiment import CONTROL, WITH, WITHOUT
from bnproof.empirical.experiments.normalisers import bjorck_lsuv
from bnproof.empirical.experiments.normalisers.bjorck_lsuv import LSUV
from bnproof.empirical.training.config import TrainingConfig
from bnproof.empirical.trial import Trained, Trial

# By norm and init, and by rate; None is a divergence.
ACCURACIES = {
    ("batch", "xavier"): {0.01: 0.3, 0.03: 0.4, 0.1: 0.5},
    ("none", "lsuv"): {0.001: 0.41, 0.003: 0.45, 0.01: None},
    ("none", "xavier"): {0.003: 0.15, 0.01: 0.2, 0.03: None, 0.1: None},
}
OTHER_SEED = {0.01: None, 0.03: 0.52, 0.1: 0.3}
DRIFTS = {("batch", "xavier"): 0.5, ("none", "lsuv"): 2.0, ("none", "xavier"): 7.0}


class Told(Trial):
    """A trial whose runs are told, not made."""

    def train(self, network, *, rate, data=None, seed=0, **training_config):
        if seed:
            assert (seed, network["norm"]) == (1_000, "batch")
            return self.told(network, rate, OTHER_SEED[rate])
        return self.told(network, rate, ACCURACIES[network["norm"], network["init"]][rate])

    def told(self, network, rate, found):
        made = TrainingConfig(network=network, rate=rate, steps=1)
        row = {"test accuracy": 0.9 if found is None else found}
        return Trained(
            training_config=made,
            data=self.images.name,
            diverged=1 if found is None else None,
            curve=[row],
            seconds=1.0,
        )


@pytest.fixture
def measured(monkeypatch):
    asked = []

    def drift(_trial, options, rate, *, seed=None):
        asked.append(rate)
        return DRIFTS[options["norm"], options["init"]]

    monkeypatch.setattr(bjorck_lsuv, "_drift", drift)
    found = bjorck_lsuv.run(Told(images=load("photos"), seed=0))
    assert asked == [0.003] * 4  # all at the rate that suits LSUV
    return found


def test_each_network_stands_at_its_best_rate_and_the_control_too(measured):
    assert {net: row["rate"] for net, row in measured.items()} == {
        WITH: 0.1,
        LSUV: 0.003,
        WITHOUT: 0.01,
        CONTROL: 0.03,
    }
    lost = {net: row["accuracy lost against BN"] for net, row in measured.items()}
    assert lost == pytest.approx({WITH: 0.0, LSUV: 0.05, WITHOUT: 0.3, CONTROL: -0.02})


def test_a_run_that_diverged_counts_as_chance(measured):
    assert measured[WITHOUT]["accuracy at each rate"] == [0.2, 0.1, 0.1]
    assert measured[LSUV]["accuracy at each rate"] == [0.41, 0.45, 0.1]


def test_drifts_are_held_against_that_with_bn(measured):
    over = {net: row["drift over that with BN"] for net, row in measured.items()}
    assert over == {WITH: 1.0, LSUV: 4.0, WITHOUT: 14.0, CONTROL: 1.0}
