"""What a trial hands to an experiment, and the seconds that it counts."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from bnproof.empirical import runner
from bnproof.empirical.data.load import load
from bnproof.empirical.experiment import CONTROL, WITH, WITHOUT, Criterion, Experiment
from bnproof.empirical.training.config import TrainingConfig
from bnproof.empirical.trial import Size, Trained, Trial
from bnproof.theory.claim import Claim, Scale, Settings, Verdict
from bnproof.theory.sources import Source

SIZES = {scale: Size(batch=4, seeds=2, updates=2, images=8) for scale in Scale}
NETWORK = {"family": "dense", "hidden": 2, "width": 8}


def claim(run) -> Claim:
    means = Experiment(
        run=run,
        criteria=(Criterion(net=WITH, quantity="q", at_most=2, words="q"),),
        controls=(),
        draw=lambda fig, evidence: "",
        sizes=SIZES,
    )
    return Claim(
        id="timed",
        title="t",
        sources=(Source("derived", "test"),),
        statement="x",
        expected=Verdict.REPRODUCED,
        checks=(means,),
    )


def every_net(value: float) -> dict[str, dict[str, float]]:
    return {net: {"q": value} for net in (WITH, WITHOUT, CONTROL)}


def test_the_seconds_are_those_of_the_training_runs(tmp_path: Path, monkeypatch) -> None:
    """Not those since the measurement began: part of the runs may have been done before."""

    def trains(trial):
        for rate in (0.1, 0.2):
            trial.train(NETWORK, rate=rate)
        return every_net(1.0)

    found = runner.measure(claim(trains), Settings(scale=Scale.SMOKE), root=tmp_path)
    results = [json.loads(p.read_text())["result"] for p in tmp_path.glob("*/result.json")]
    spent = [result["seconds"] for result in results if "curve" in result]
    assert len(spent) == 4
    assert found.seconds == pytest.approx(sum(spent), rel=1e-9)


def test_without_training_the_seconds_are_those_of_the_measurement(
    tmp_path: Path, monkeypatch
) -> None:
    now = iter(range(0, 100, 7))
    monkeypatch.setattr(runner.time, "monotonic", lambda: next(now))
    found = runner.measure(
        claim(lambda trial: every_net(1.0)), Settings(scale=Scale.SMOKE), root=tmp_path
    )
    assert found.seconds == 2 * 7


CURVE = [
    {"step": 0, "loss": None, "landscape": {"beta": 3.0}},
    {"step": 2, "loss": 0.5},
]


def test_columns_of_a_run() -> None:
    run = Trained(TrainingConfig(network=NETWORK, steps=2, rate=1.0), "d", None, CURVE, 1.0)
    assert np.array_equal(run.column("loss"), [math.nan, 0.5], equal_nan=True)
    assert np.array_equal(run.column("landscape", "beta"), [3.0, math.nan], equal_nan=True)
    assert run.last("loss") == 0.5
    assert math.isnan(run.last("landscape", "beta"))
    assert np.isnan(run.column("nothing")).all()


def test_a_trial_is_a_function_of_its_seed(tmp_path: Path) -> None:
    images = load("digits", limit=20)
    trial, again, other = (
        Trial(images=images, seed=seed, size=SIZES[Scale.SMOKE], depth=8) for seed in (3, 3, 4)
    )
    assert trial.inputs.shape == (4, 3, 32, 32)
    assert torch.equal(trial.inputs, again.inputs)
    assert torch.equal(trial.labels, again.labels)
    assert not torch.equal(trial.inputs, other.inputs)
    assert trial.other_seed == 3 + 1000
    assert SIZES[Scale.SMOKE].words(2) == "2 seeds, batches of 4, 2 updates a run"
    assert Size(seeds=1).words(7) == "7 seeds, batches of 128"
    kernels = [trial.network(norm).conv1.weight for norm in ("batch", "none")]
    assert torch.equal(*kernels)
    assert not torch.equal(kernels[0], other.network("batch").conv1.weight)
    with pytest.raises(ValueError, match="no folder for training runs"):
        trial.train(NETWORK, rate=0.1)
