"""Comparing landscapes: stages, common losses, runs that diverge, and which rates are chosen."""

import copy
import math

import numpy as np
import pytest
import torch

from bnproof.empirical.data.load import load
from bnproof.empirical.protocols.landscapes import (
    PROTOCOLS,
    QUANTITIES,
    RANGE,
    STAGES,
    Pair,
    Sweep,
    checkpoints,
    compare,
    final_loss,
    learns,
)
from bnproof.empirical.protocols.vgg import LEARNS, METRICS
from bnproof.empirical.training.callbacks import CALLBACKS
from bnproof.empirical.training.config import TrainingConfig
from bnproof.empirical.training.loop import Trainer
from bnproof.empirical.trial import Trained

LOSSES = np.linspace(2.0, 1.0, 6)


def run(beta, losses=LOSSES, *, rate=0.1, accuracy=0.5, diverged=None):
    """A run of as many evaluations as there are losses, after the first one."""
    rows = [{"step": 0, "test accuracy": 0.1, "landscape": {"beta": 7.0, "loss": 9.0}}]
    for step, (value, loss) in enumerate(zip(beta, losses, strict=True), 1):
        point = {"beta": value, "loss": loss}
        rows.append(
            {
                "step": step,
                "loss": loss,
                "test accuracy": accuracy,
                "landscape": point,
                "landscape at length": point,
            }
        )
    training_config = TrainingConfig(network={"family": "vgg"}, steps=6, every=1, rate=rate)
    return Trained(
        training_config=training_config, data="toys", diverged=diverged, curve=rows, seconds=0.0
    )


def pair(one):
    return Pair(one, one)


def test_stages_are_geometric_means_of_thirds() -> None:
    first, second = run([1.0, 4.0, 3.0, 3.0, 8.0, 2.0]), run([1.0] * 6)
    found = compare(PROTOCOLS["rate"], pair(first), pair(second), "beta")
    assert found == pytest.approx([2.0, 3.0, 4.0])
    back = compare(PROTOCOLS["rate"], pair(second), pair(first), "beta")
    assert back == pytest.approx(1 / found)


def test_a_network_beside_itself_has_ratio_one_by_every_protocol() -> None:
    one = pair(run([1.0, 4.0, 3.0, 3.0, 8.0, 2.0]))
    for protocol in PROTOCOLS.values():
        assert compare(protocol, one, one, "beta") == pytest.approx(np.ones(STAGES))


def test_at_one_loss_moments_of_one_loss_are_compared() -> None:
    # Both have beta = e^-loss, one net is ahead: by loss the ratio is 1, by update it is not.
    ahead = LOSSES - 0.2
    first, second = run(np.exp(-ahead), ahead), run(np.exp(-LOSSES))
    by_loss = compare(PROTOCOLS["loss"], pair(first), pair(second), "beta")
    assert by_loss == pytest.approx(np.ones(STAGES))
    by_update = compare(PROTOCOLS["rate"], pair(first), pair(second), "beta")
    assert by_update == pytest.approx(np.full(STAGES, math.exp(0.2)))


def test_without_a_common_loss_the_ends_are_compared() -> None:
    first, second = run([1.0, 2, 3, 4, 5, 6], LOSSES), run([1.0, 2, 3, 4, 5, 6], LOSSES + 5)
    found = compare(PROTOCOLS["loss"], pair(first), pair(second), "beta")
    assert found == pytest.approx(np.full(STAGES, 1 / 6))


def test_what_is_not_finite_or_missing_counts_as_the_upper_end() -> None:
    short = run([1.0, math.inf], LOSSES[:2], diverged=2)
    assert checkpoints(short, "landscape", "beta").tolist() == [1.0, *[RANGE[1]] * 5]
    assert np.all(checkpoints(run([1.0] * 6), "landscape", "nothing") == RANGE[1])
    found = compare(PROTOCOLS["rate"], pair(short), pair(run([1.0] * 6)), "beta")
    assert np.all(np.isfinite(found))
    assert found[-1] == pytest.approx(RANGE[1])


def test_each_rate_is_judged_by_itself() -> None:
    def at(rate, *, fine):
        return run([1.0] * 6, rate=rate, accuracy=LEARNS if fine else LEARNS - 0.01)

    gap = Sweep({rate: at(rate, fine=rate != 0.5) for rate in (0.02, 0.1, 0.5, 2.5)})
    assert gap.largest == 2.5
    slow = Sweep({rate: at(rate, fine=rate == 0.1) for rate in (0.02, 0.1, 0.5)})
    assert slow.largest == 0.1
    assert Sweep({rate: at(rate, fine=False) for rate in (0.02, 0.1)}).largest == 0.01


def test_the_best_rate_has_the_lowest_loss_and_did_not_diverge() -> None:
    low = run([1.0] * 6, LOSSES - 0.5, diverged=6)
    sweep = Sweep({0.1: run([1.0] * 6), 0.5: run([1.0] * 6, LOSSES - 0.1), 2.5: low})
    assert sweep.best == 0.5
    assert final_loss(low) == math.inf
    assert not learns(low)


@pytest.mark.parametrize("norm", ["batch", "none", "l1"])
def test_watches_record_and_leave_the_network_as_it_is(norm) -> None:
    names = (*METRICS, *(("theorems",) if norm == "batch" else ()))
    network = {"family": "vgg", "norm": norm, "width": 2}
    training_config = TrainingConfig(
        network=network, steps=2, rate=0.1, batch=16, tested=10, momentum=0, decay=0
    )
    trainer = Trainer(training_config, load("photos", limit=40))
    now = trainer.now()
    before, random = copy.deepcopy(trainer.model.state_dict()), torch.get_rng_state()
    found = {name: CALLBACKS[name](now) for name in names}
    assert all(torch.equal(before[name], x) for name, x in trainer.model.state_dict().items())
    assert torch.equal(random, torch.get_rng_state())
    assert all("failure" not in row for row in found.values())
    for name in ("landscape", "landscape at length"):
        assert all(found[name][quantity] > 0 for quantity in QUANTITIES)
    assert found["sharpness"]["eigenvalue"] >= found["sharpness"]["along"]


def test_the_control_of_the_theorems_loses_its_whole_gradient() -> None:
    training_config = TrainingConfig(
        network={"family": "vgg", "width": 2}, steps=2, rate=0.1, batch=16, tested=10
    )
    trainer = Trainer(training_config, load("photos", limit=40))
    found = CALLBACKS["theorems"](trainer.now())
    assert found["control"]["measured"] == pytest.approx([1.0] * 10, abs=1e-5)
    assert max(found["measured"]) < 0.9
    assert found["measured"] == pytest.approx(np.add(found["mean"], found["hat"]), abs=1e-3)
    assert sum(found["broken"]) == sum(found["curvature"]["broken"]) == 0


def test_a_loss_that_is_not_finite_is_recorded() -> None:
    training_config = TrainingConfig(
        network={"family": "vgg", "width": 2}, steps=2, rate=0.1, batch=16, tested=10
    )
    trainer = Trainer(training_config, load("photos", limit=40))
    with torch.no_grad():
        trainer.model.layer(11).weight.fill_(math.nan)
    for name in ("landscape", "landscape at length", "sharpness", "theorems"):
        assert list(CALLBACKS[name](trainer.now())) == ["failure"]
