"""Conducting experiments: each seed kept, resumed, and measured anew when its code changes."""

import math
import time
from dataclasses import replace

import numpy as np
import pytest

from bnproof.empirical import runner as runner
from bnproof.empirical.experiment import CONTROL, WITH, WITHOUT, Criterion, Experiment
from bnproof.empirical.runner import check, measure
from bnproof.empirical.trial import Size, UnfinishedError
from bnproof.theory.claim import Claim, Scale, Settings, Verdict, decide
from bnproof.theory.common.code import reached
from bnproof.theory.sources import Source

SMOKE = Settings(scale=Scale.SMOKE)
SIZES = {scale: Size(batch=8, seeds=2, updates=3, images=20) for scale in Scale}
NETWORK = {"family": "resnet", "depth": 8}


def run(trial):
    """Train two tiny networks; a quantity that is infinite must survive being kept."""
    rows = {}
    for net, norm in ((WITH, "batch"), (WITHOUT, "none"), (CONTROL, "none")):
        found = trial.train(NETWORK | {"norm": norm}, rate=0.01, every=1, tested=10)
        rows[net] = {
            "accuracy": found.last("test accuracy"),
            "curve": found.column("loss"),
            "missing": found.column("landscape", "beta"),
            "order": {WITH: 2.0, WITHOUT: 1.0, CONTROL: 3.0}[net],
            "endless": math.inf,
        }
    return rows


CLAIM = Claim(
    id="toy",
    title="t",
    sources=(Source("derived", "test"),),
    statement="x",
    expected=Verdict.REPRODUCED,
    checks=(
        Experiment(
            run=run,
            criteria=(Criterion(net=WITHOUT, quantity="order", at_most=2, words="order"),),
            control="made up",
            draw=lambda fig, evidence: "a toy",
            sizes=SIZES,
        ),
    ),
)


def test_training_makes_evidence():
    evidence = check(CLAIM, SMOKE)
    assert decide([evidence]) is Verdict.REPRODUCED
    assert evidence.summary.startswith("On photos, 2 seeds, batches of 8, 3 updates a run: ")
    assert evidence.provenance["training runs"] == 4  # of two the recipe is the same
    assert evidence.provenance["diverged"] == 0
    assert evidence.provenance["precision"] == "float32"
    assert evidence.provenance["confidence that the range over seeds covers the median"] == 0.5
    series = evidence.series[WITH]
    assert series["curve"].shape == (2, 4)
    assert np.isnan(series["curve"][:, 0]).all()  # there is no loss before the first step
    assert np.isfinite(series["curve"][:, 1:]).all()
    assert np.isnan(series["missing"]).all()
    assert np.isinf(series["endless"]).all()
    assert evidence.numbers["measured"][WITH]["endless"]["median"] is None


def test_what_is_measured_is_read_and_not_measured_again(tmp_path, monkeypatch):
    first = measure(CLAIM, SMOKE, root=tmp_path)
    monkeypatch.setattr(runner, "_measured", None)
    second = measure(CLAIM, SMOKE, root=tmp_path)
    assert np.array_equal(first.series[WITH]["curve"], second.series[WITH]["curve"], equal_nan=True)
    assert first.seconds == second.seconds
    with pytest.raises(TypeError):
        measure(CLAIM, SMOKE, root=tmp_path, seeds=3)  # the third seed is new


def test_stopped_by_the_clock_it_goes_on_to_the_same_numbers(tmp_path):
    whole = measure(CLAIM, SMOKE, root=tmp_path / "whole")
    with pytest.raises(UnfinishedError):
        measure(CLAIM, SMOKE, root=tmp_path / "parts", deadline=time.monotonic())
    parts = measure(CLAIM, SMOKE, root=tmp_path / "parts")
    for net, rows in whole.series.items():
        for name, values in rows.items():
            assert np.array_equal(values, parts.series[net][name], equal_nan=True)


def test_other_code_data_or_device_is_another_measurement(tmp_path):
    measure(CLAIM, SMOKE, root=tmp_path, seeds=1)
    before = {path.name for path in tmp_path.iterdir()}
    measure(CLAIM, replace(SMOKE, seed=1), root=tmp_path, seeds=1)
    measure(CLAIM, replace(SMOKE, scale=Scale.QUICK), root=tmp_path, seeds=1)
    after = {path.name for path in tmp_path.iterdir()}
    assert len(after - before) >= 2
    assert before <= after


def test_shuffled_labels_keep_the_images_and_the_counts():
    from bnproof.empirical.data.load import load

    images = load("digits", limit=100)
    shuffled = images.shuffled(3)
    assert shuffled.train.pixels is images.train.pixels
    assert not (shuffled.train.labels == images.train.labels).all()
    assert (shuffled.train.labels.bincount() == images.train.labels.bincount()).all()
    assert shuffled.config["sha256"] != images.config["sha256"]
    assert (images.shuffled(3).train.labels == shuffled.train.labels).all()


def test_the_code_of_an_experiment_is_all_that_it_builds_on():
    """A metric that changes makes another measurement; an experiment beside it does not."""
    here = "bnproof.empirical.experiments.initialisation"
    assert runner.code_of(f"{here}.bjorck_fig6") != runner.code_of(f"{here}.bjorck_table1")
    names = set(reached(f"{here}.bjorck_fig6", within="bnproof.empirical"))
    assert {"bnproof.empirical.experiment", "bnproof.empirical.trial"} <= names
    assert not any("table1" in name for name in names)


def test_code_that_is_in_no_file_is_that_of_one_process():
    first = runner.code_of("typed at a prompt")
    assert runner.code_of("typed at a prompt") == first
    runner.code_of.cache_clear()
    assert runner.code_of("typed at a prompt") != first
