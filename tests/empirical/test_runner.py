"""Conducting experiments: each seed kept, resumed, and measured anew when its code changes."""

import math
from dataclasses import replace

import numpy as np
import pytest

from bnproof.empirical import runner as runner
from bnproof.empirical.data.load import load
from bnproof.empirical.experiment import (
    CONFIDENCE,
    CONTROL,
    WITH,
    WITHOUT,
    Control,
    Criterion,
    Experiment,
)
from bnproof.empirical.runner import check, measure, measure_seed, trial_of
from bnproof.empirical.training import provenance
from bnproof.empirical.trial import MissingError, Size, look_up
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
    expected=Verdict.SEEN,
    checks=(
        Experiment(
            run=run,
            criteria=(Criterion(net=WITHOUT, quantity="order", at_most=2, words="order"),),
            controls=(Control("made up", passes=False),),
            draw=lambda fig, evidence: "a toy",
            sizes=SIZES,
        ),
    ),
)


def test_training_makes_evidence():
    evidence = check(CLAIM, SMOKE)
    assert decide([evidence]) is Verdict.SEEN
    assert evidence.summary.startswith("On photos, 2 seeds, batches of 8, 3 updates a run: ")
    assert evidence.provenance["training runs"] == 4  # of two the recipe is the same
    assert evidence.provenance["diverged"] == 0
    assert evidence.provenance["precision"] == "float32"
    assert evidence.provenance[CONFIDENCE] == 0.75
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


def test_runs_that_are_only_looked_up_are_asked_for(tmp_path):
    """All that come before the first that is read; the rest when these are done."""
    whole = measure(CLAIM, SMOKE, root=tmp_path / "whole")
    images, root = load(None, limit=20), tmp_path / "parts"

    def measured(runner):
        trial = trial_of(CLAIM, SMOKE, images, 0, root=root, runner=runner)
        return measure_seed(CLAIM, trial)

    asked = []
    for _ in range(2):  # with BN, then without, whose recipe is that of the control
        with pytest.raises(MissingError) as missing:
            measured(look_up)
        (part,) = missing.value.parts.values()
        asked.append(part.name)
        part.carry_out()
        assert (root / part.run.folder.name / "result.json").exists()
    assert asked == [f"resnet 8 {norm}, rate 0.01, seed 0" for norm in ("batch", "none")]
    measured(look_up)
    parts = measure(CLAIM, SMOKE, root=root, seeds=1)
    for net, rows in whole.series.items():
        for name, values in rows.items():
            assert np.array_equal(values[:1], parts.series[net][name], equal_nan=True)


def test_a_run_that_is_asked_for_and_never_read_is_missing_too(tmp_path):
    def asks(trial):
        trial.train(NETWORK, rate=0.01)
        trial.train(NETWORK, rate=0.02)
        return {net: {"order": 1.0} for net in (WITH, WITHOUT, CONTROL)}

    claim = replace(CLAIM, checks=(replace(CLAIM.checks[0], run=asks),))
    trial = trial_of(claim, SMOKE, load(None, limit=20), 0, root=tmp_path, runner=look_up)
    with pytest.raises(MissingError, match="2 parts are not done"):
        measure_seed(claim, trial)


def test_other_code_data_or_device_is_another_measurement(tmp_path):
    measure(CLAIM, SMOKE, root=tmp_path, seeds=1)
    before = {path.name for path in tmp_path.iterdir()}
    measure(CLAIM, replace(SMOKE, seed=1), root=tmp_path, seeds=1)
    measure(CLAIM, replace(SMOKE, scale=Scale.QUICK), root=tmp_path, seeds=1)
    after = {path.name for path in tmp_path.iterdir()}
    assert len(after - before) >= 2
    assert before <= after


def test_the_precision_is_what_was_asked_for_and_part_of_the_key(tmp_path):
    first = measure(CLAIM, SMOKE, root=tmp_path)
    short = measure(CLAIM, replace(SMOKE, precision="bfloat16"), root=tmp_path)
    assert first.provenance["precision"] == "float32"
    assert short.provenance["precision"] == "bfloat16"
    assert [run["recipe"].get("precision") for run in first.runs] == [None] * 4
    assert [run["recipe"].get("precision") for run in short.runs] == ["bfloat16"] * 4


def test_the_mode_is_what_was_asked_for_and_part_of_the_key(tmp_path, pretended_gpu, recorders):
    with pretended_gpu:
        settings = replace(SMOKE, device="cuda")
        usual = measure(CLAIM, settings, root=tmp_path, seeds=1)
        fast = measure(CLAIM, replace(settings, mode="fast"), root=tmp_path, seeds=1)
    assert (usual.provenance["mode"], fast.provenance["mode"]) == ("exact", "fast")
    assert {run["recipe"].get("mode") for run in usual.runs} == {None}
    assert {run["recipe"].get("mode") for run in fast.runs} == {"fast"}
    assert recorders


def test_runs_say_what_was_trained_and_how_it_began(tmp_path):
    runs = measure(CLAIM, SMOKE, root=tmp_path).runs
    assert [run["recipe"]["seed"] for run in runs if "seed" in run["recipe"]] == [1, 1]
    for run in runs:
        assert run["data"] == "photos"
        assert run["recipe"]["network"]["family"]
        assert "momentum" not in run["recipe"]  # the default
        assert len(run["first losses"]) == run["recipe"]["steps"]
        assert np.isfinite(run["first losses"]).all()


def test_shuffled_labels_keep_the_images_and_the_counts():
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
    assert provenance.code_of(f"{here}.bjorck_fig6") != provenance.code_of(f"{here}.bjorck_table1")
    names = set(reached(f"{here}.bjorck_fig6", within="bnproof"))
    assert {"bnproof.empirical.experiment", "bnproof.empirical.trial"} <= names
    assert not any("table1" in name for name in names)


def test_code_that_is_in_no_file_is_that_of_one_process():
    first = provenance.code_of("typed at a prompt")
    assert provenance.code_of("typed at a prompt") == first
    provenance._of_no_file.cache_clear()
    assert provenance.code_of("typed at a prompt") != first
