"""The length of Bjorck et al.'s trainings depends on the rate, as in S3."""

from types import SimpleNamespace
from typing import Any

import pytest

from bnproof.empirical.protocols.bjorck import EPOCH, SIZES, WARM_UP, resnet, search, updates
from bnproof.empirical.protocols.matched_rates import SIZES as MATCHED
from bnproof.theory.claim import Scale

RATES = (0.1, 0.03, 0.003, 0.001, 0.0001, 0.00003)


class Asked:
    """A trial that only notes the training runs that it is asked for."""

    seed = 0

    def __init__(self, scale: Scale, size: Any) -> None:
        self.scale, self.size = scale, size
        self.runs: list[dict[str, Any]] = []

    def train(self, network: dict[str, Any], **given: Any) -> Any:
        self.runs.append({**network, **given})
        return SimpleNamespace(diverged=None, last=lambda name: 0.0)


@pytest.mark.parametrize("scale", [Scale.LONG, Scale.PAPER])
def test_smaller_rates_have_the_epochs_of_the_source_or_as_many_in_proportion(scale) -> None:
    trial = Asked(scale, MATCHED[scale])
    share = 15 if scale is Scale.LONG else 1
    epochs = [165, 1_320, 1_320, 2_400, 2_400, 2_400]
    assert [updates(trial, rate) for rate in RATES] == [n // share * EPOCH for n in epochs]


def test_at_quick_all_rates_have_the_same() -> None:
    trial = Asked(Scale.QUICK, MATCHED[Scale.QUICK])
    assert {updates(trial, rate) for rate in RATES} == {MATCHED[Scale.QUICK].updates}


@pytest.mark.parametrize(("depth", "expected"), [(110, WARM_UP), (56, 0), (20, 0)])
def test_only_110_layers_are_warmed_up(depth: int, expected: int) -> None:
    trial = Asked(Scale.PAPER, MATCHED[Scale.PAPER])
    resnet(trial, depth, "batch", 0.1)
    assert [run["warm_up"] for run in trial.runs] == [expected]


def test_the_search_for_the_largest_rate_has_no_warm_up_and_one_length() -> None:
    trial = Asked(Scale.PAPER, SIZES[Scale.PAPER])
    search(trial, 110, "none", start=0.01)
    assert len(trial.runs) > 1
    assert {run["warm_up"] for run in trial.runs} == {0}
    assert {run["steps"] for run in trial.runs} == {SIZES[Scale.PAPER].updates}
