"""Two trees timed in one process: what slowed down is found, what is unchanged is not."""

import json
import os
import random
import sys
from pathlib import Path

import pytest

paired = pytest.importorskip("benchmarks.paired", reason="the sources are not here")

pytestmark = pytest.mark.sources

PACKAGE = """
STEPS = {steps}


def work(amount):
    from bnproof import STEPS  # imported when called, from the tree that is timed

    total = 0
    for number in range(STEPS * amount):
        total += number * number
    return total
"""
BENCHMARK = """
from time import process_time

from bnproof import work

timer = process_time


class Example:
    params = [200, 300]

    def setup_cache(self):
        return 10

    def setup(self, ten, amount):
        self.amount = ten * amount

    def time_work(self, ten, amount):
        work(self.amount)

    def track_nothing(self, ten, amount):
        raise AssertionError
"""


def tree(folder: Path, steps: int) -> "paired.Tree":
    (folder / "src" / "bnproof").mkdir(parents=True)
    (folder / "src" / "bnproof" / "__init__.py").write_text(PACKAGE.format(steps=steps))
    (folder / "benchmarks").mkdir()
    (folder / "benchmarks" / "__init__.py").write_text("")
    (folder / "benchmarks" / "bench_example.py").write_text(BENCHMARK)
    return paired.Tree(folder)


def test_a_slowed_function_is_found_and_an_unchanged_one_is_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    own, path = sys.modules["bnproof"], list(sys.path)
    monkeypatch.delenv("PYTHONPATH", raising=False)
    trees = [tree(tmp_path / str(number), steps) for number, steps in enumerate((16, 16, 20))]
    assert paired.compare(trees[0], trees[1]) == []
    slowed = paired.compare(trees[0], trees[2])
    names = [f"bench_example.Example.time_work({amount})" for amount in (200, 300)]
    assert slowed == names
    assert paired.compare(trees[2], trees[0], "300") == []
    lines = capsys.readouterr().out.splitlines()
    assert [line.endswith("more than 10% slower") for line in lines] == [
        *(False, False, False),
        *(False, True, True),
        *(False, False),
    ]
    assert (sys.modules["bnproof"], sys.path) == (own, path)
    assert "PYTHONPATH" not in os.environ


def simulated(seed: int, slowdown: float, noise: float) -> "paired.Change":
    """The change of a function with made-up times, on a machine whose speed drifts as well."""
    clock = random.Random(seed)
    speed = 1.0

    def times(mean: float):
        def sample(calls: int) -> float:
            nonlocal speed
            speed *= clock.lognormvariate(0, 0.02)
            return calls * mean * speed * clock.lognormvariate(0, noise)

        return sample

    return paired.change(times(0.1), times(0.1 * slowdown))[0]


@pytest.mark.parametrize("slowdown", [1.2, 1.25])
def test_20_percent_is_found_in_noise_of_5_percent(slowdown: float) -> None:
    limit = paired.threshold("anything")
    changes = [simulated(seed, slowdown, 0.05) for seed in range(200)]
    assert sum(change.regressed(limit) for change in changes) >= 198


@pytest.mark.parametrize("slowdown", [0.8, 1.0])
def test_what_is_not_slower_is_no_regression(slowdown: float) -> None:
    limit = paired.threshold("anything")
    assert not any(simulated(seed, slowdown, 0.05).regressed(limit) for seed in range(200))
    # Below the threshold, however certain, or above it but uncertain: none either.
    assert not paired.Change(1.09, 1.08, 1.1).regressed(0.1)
    assert not paired.Change(1.3, 0.99, 1.6).regressed(0.1)


def test_the_interval_holds_the_median_as_often_as_it_says() -> None:
    numbers = random.Random(1)
    trials = [[numbers.expovariate(1) for _ in range(paired.PAIRS)] for _ in range(4000)]
    changes = [paired.Change.of(trial) for trial in trials]
    true_median = 0.6931471805599453
    inside = sum(change.low <= true_median <= change.high for change in changes)
    assert inside >= 4000 * paired.CONFIDENCE - 20  # its exact level is 0.9926
    assert paired.Change.of(range(1, 16)) == paired.Change(8, 3, 13)
    assert paired.Change.of([1, 2, 3]) == paired.Change(2, 1, 3)  # too few: the whole range


def test_a_commit_that_is_none_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert paired.main(["no_such_commit"]) == 2
    assert capsys.readouterr().err == "paired: not a commit: one of no_such_commit\n"


def test_every_benchmark_has_one_threshold_for_both() -> None:
    limits = json.loads(paired.record.CONFIG.read_text())["regressions_thresholds"]
    assert paired.threshold("bench_theory.Theory.time_derive_hessian") == limits[".*"]
