"""Courses of training and their gaps, on made-up runs; what the search does where none learns."""

import numpy as np
import pytest

from bnproof.empirical.protocols import bjorck
from bnproof.empirical.protocols.bjorck import GRIDS, STARTS, over_depths
from bnproof.empirical.protocols.matched_rates import SIZES, curve, gap_at
from bnproof.empirical.protocols.rates import Found
from bnproof.empirical.training.config import TrainingConfig
from bnproof.empirical.trial import Trained, Trial
from bnproof.theory.claim import Scale


def trained(accuracies, *, diverged=None):
    training_config = TrainingConfig(network={}, steps=30, rate=0.1, every=10)
    curve = [{"train accuracy": train, "test accuracy": test} for train, test in accuracies]
    return Trained(training_config, "toy", diverged, curve, 0.0)


def test_a_course_runs_over_the_whole_training():
    rows = curve(trained([(0.1, 0.1), (0.3, 0.2), (0.5, 0.3), (0.9, 0.4)]))
    assert rows["share"] == pytest.approx([0, 1 / 3, 2 / 3, 1])
    assert (rows["final train accuracy"], rows["final test accuracy"]) == (0.9, 0.4)


def test_a_run_that_diverged_stays_where_it_was():
    rows = curve(trained([(0.1, 0.1), (0.3, 0.2)], diverged=13))
    assert rows["train accuracy"] == pytest.approx([0.1, 0.3, 0.3, 0.3])


@pytest.mark.parametrize(
    ("level", "gap"),
    [(0.5, 0.2), (0.4, 0.15), (0.1, 0.0), (0.05, -0.05), (0.9, 0.5)],
)
def test_a_gap_is_read_where_the_training_accuracy_first_gets_there(level, gap):
    train = np.array([0.1, 0.3, 0.5, 0.2, 0.9])
    test = np.array([0.1, 0.2, 0.3, 0.2, 0.4])
    assert gap_at(train, test, level) == pytest.approx(gap)


def test_a_gap_beyond_the_course_is_refused():
    with pytest.raises(ValueError, match=r"reaches 0\.3"):
        gap_at(np.array([0.1, 0.3]), np.array([0.1, 0.2]), 0.5)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ([0.1, 0.05, None], [0.1, 0.05, 0.05]),
        ([None, 0.05, 0.1], [STARTS["none"], 0.05, 0.1]),
    ],
)
def test_where_no_rate_learns_that_of_the_depth_before_stands(monkeypatch, found, expected):
    starts, answers = [], iter(found)

    def search(trial, depth, norm, *, start, seed):
        assert norm == "none"
        starts.append(start)
        return Found(next(answers), 1)

    monkeypatch.setattr(bjorck, "search", search)
    rates = over_depths(Trial(images=None, seed=0), "none", (8, 20, 32))
    assert list(rates.items()) == list(zip((8, 20, 32), expected, strict=True))
    assert starts == [STARTS["none"], *expected[:-1]]


def test_every_start_lies_in_the_grids_of_the_real_scales():
    for scale in (Scale.QUICK, Scale.PAPER):
        assert all(GRIDS[scale][0] <= start <= GRIDS[scale][-1] for start in STARTS.values())


@pytest.mark.parametrize(("scale", "epochs"), [(Scale.QUICK, 25), (Scale.PAPER, 165)])
def test_the_training_at_the_largest_rate_has_the_stated_epochs(scale, epochs):
    size = SIZES[scale]
    assert size.updates // ((size.images or 50_000) // size.batch) == epochs
