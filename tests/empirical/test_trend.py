"""The beginning of a run is a shorter run."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import bnproof.empirical.experiments
from bnproof.empirical import trend
from bnproof.empirical.data.load import load
from bnproof.empirical.experiment import experiment_of
from bnproof.empirical.protocols import vgg
from bnproof.empirical.runner import trial_of
from bnproof.empirical.training.config import TrainingConfig
from bnproof.empirical.training.loop import train
from bnproof.empirical.trial import MissingError, Size, Trained, here
from bnproof.theory.claim import Claim, Scale, Settings
from bnproof.theory.loading import load_folder

CLAIMS = {claim.id: claim for claim in load_folder(bnproof.empirical.experiments)}
CONFIG = TrainingConfig(
    network={"family": "vgg", "width": 2, "norm": "none"},
    steps=12,
    rate=0.05,
    momentum=0.0,
    batch=8,
    every=2,
    tested=5,
    metrics=("landscape", "sharpness", "shift"),
)


def trained(config: TrainingConfig, root: Path) -> Trained:
    images = load("digits", limit=40)
    result = train(config, images, root=root)
    return Trained(config, images.name, result["diverged"], result["curve"], result["seconds"])


@pytest.mark.parametrize("schedule", ["constant", "plateau"])
def test_the_beginning_of_a_run_is_a_shorter_run(schedule: str, tmp_path: Path) -> None:
    whole = trained(replace(CONFIG, schedule=schedule), tmp_path)
    short = trained(replace(CONFIG, schedule=schedule, steps=6), tmp_path)
    beginning = whole.until(6)
    assert beginning.curve == short.curve
    assert beginning.training_config == short.training_config
    assert (beginning.diverged, short.diverged) == (None, None)


def test_a_later_divergence_has_not_happened_yet(tmp_path: Path) -> None:
    whole = replace(trained(CONFIG, tmp_path), diverged=9)
    assert whole.until(8).diverged is None
    assert whole.until(10).diverged == 9


@pytest.mark.parametrize(
    ("change", "updates"), [({}, 5), ({}, 14), ({"schedule": "step"}, 6)], ids=str
)
def test_other_lengths_are_refused(change: dict, updates: int, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"^{updates} updates: must be a multiple of 2 up to 12"):
        trained(replace(CONFIG, **change), tmp_path).until(updates)


@pytest.fixture
def claim(monkeypatch: pytest.MonkeyPatch) -> Claim:
    """One whose networks are small, are trained for twelve updates, and are only tested."""
    small = CLAIMS["santurkar_fig1"]
    monkeypatch.setattr(vgg, "METRICS", ())
    monkeypatch.setattr(vgg, "MORE", {})
    spec = experiment_of(small)
    sizes = {**spec.sizes, Scale.SMOKE: Size(batch=8, seeds=2, updates=12, images=40)}
    monkeypatch.setattr(trend, "LENGTHS", (4, 8))
    return replace(small, checks=(replace(spec, sizes=sizes),))


def test_what_is_missing_is_named_and_trained_on_request(claim: Claim, tmp_path: Path) -> None:
    settings = Settings(scale=Scale.SMOKE)
    found = list(trend.points(claim, settings, tmp_path))
    assert [type(point) for point in found] == [MissingError] * 3
    found = list(trend.points(claim, settings, tmp_path, runner=here))
    assert [point.updates for point in found] == [12, 8, 4]
    again = list(trend.points(claim, settings, tmp_path))
    for point, other in zip(found, again, strict=True):
        assert point.seeds == other.seeds == [0, 1]
        for net, rows in point.series.items():
            for name, values in rows.items():
                np.testing.assert_array_equal(values, other.series[net][name])


def test_a_point_is_what_a_shorter_experiment_measures(claim: Claim, tmp_path: Path) -> None:
    *_, point = trend.points(claim, Settings(scale=Scale.SMOKE), tmp_path, runner=here)
    spec = experiment_of(claim)
    short = {**spec.sizes, Scale.SMOKE: Size(batch=8, seeds=2, updates=4, images=40)}
    other = replace(claim, checks=(replace(spec, sizes=short),))
    images = load(None, limit=40)
    for seed in point.seeds:
        trial = trial_of(other, Settings(scale=Scale.SMOKE), images, seed, root=tmp_path)
        measured = spec.run(trial)
        for criterion in spec.criteria:
            found = point.series[criterion.net][criterion.quantity][seed]
            np.testing.assert_array_equal(found, measured[criterion.net][criterion.quantity])


def test_lengths_of_the_scales() -> None:
    def lengths(name: str, scale: Scale) -> list[int]:
        return trend.lengths(experiment_of(CLAIMS[name]), scale)

    assert lengths("santurkar_landscape_rate", Scale.QUICK) == [300]
    assert lengths("santurkar_landscape_rate", Scale.LONG) == [1_000, 3_000, 15_000]
    assert lengths("bjorck_fig1", Scale.LONG) == []  # the rate falls at shares of the length
    assert lengths("bjorck_rates", Scale.LONG) == []  # runs of different lengths


def test_widths_are_variants() -> None:
    assert {f"width-{width}" for width in (8, 16, 32, 64)} < set(vgg.VARIANTS)
