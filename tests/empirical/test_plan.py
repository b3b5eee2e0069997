"""The planned training runs are those that experiments carry out."""

import pytest

import bnproof.empirical.experiments
from bnproof.empirical.experiment import Experiment, experiment_of
from bnproof.empirical.plan import core_minutes, training_runs
from bnproof.empirical.protocols.vgg import VARIANTS
from bnproof.empirical.training.cost import key, table
from bnproof.results import published
from bnproof.theory.claim import Claim, Scale
from bnproof.theory.loading import load_folder

CLAIMS = {claim.id: claim for claim in load_folder(bnproof.empirical.experiments)}
TRAINING = {name: claim for name, claim in CLAIMS.items() if experiment_of(claim).trains}
EACH = pytest.mark.parametrize("claim", TRAINING.values(), ids=TRAINING)
# The length of a search depends on what is measured.
SEARCHES = {"bjorck_depth_lr", "bjorck_last_bn"}
# A rate was added to the sweep, or a control trains fewer networks than when it was published.
CHANGED = {"bjorck_rates", "bjorck_rates_smallest"}


def spec(claim: Claim) -> Experiment:
    return experiment_of(claim)


@EACH
def test_as_many_runs_are_planned_as_were_carried_out(claim: Claim) -> None:
    if claim.id in CHANGED:
        pytest.skip("published with other runs")
    record = published.read(published.FOLDER / f"{claim.id}.quick.json")
    about = record["provenance"]
    carried_out = about["training runs"] / len(about["seeds"])
    planned = len(training_runs(spec(claim), Scale.QUICK))
    assert planned == pytest.approx(carried_out, rel=0.3 if claim.id in SEARCHES else 0)


@EACH
def test_every_planned_network_was_measured(claim: Claim) -> None:
    networks = table()["networks"]
    for scale in Scale:
        for run in training_runs(spec(claim), scale):
            assert key(run.network) in networks


@EACH
def test_larger_scales_cost_more(claim: Claim) -> None:
    costs = [core_minutes(spec(claim), scale) for scale in Scale]
    assert costs == sorted(costs)
    assert costs[0] < 1


@EACH
def test_seeds_that_take_less_than_ten_minutes_are_five_or_more(claim: Claim) -> None:
    """At smoke, where a verdict does not count, there may be fewer."""
    for scale in (Scale.QUICK, Scale.LONG, Scale.PAPER):
        seeds = spec(claim).sizes[scale].seeds
        each = core_minutes(spec(claim), scale, precision="bfloat16") / seeds
        assert seeds >= 5 or each >= 10, (scale, each)


def test_seeds_without_training_are_five_or_more() -> None:
    for name, claim in CLAIMS.items():
        if name not in TRAINING:
            assert all(spec(claim).sizes[scale].seeds >= 5 for scale in list(Scale)[1:]), name


def test_a_wider_network_costs_more_and_weight_decay_does_not() -> None:
    fig1 = spec(CLAIMS["santurkar_fig1"])
    plain = core_minutes(fig1, Scale.LONG)
    by_name = {name: core_minutes(fig1, Scale.LONG, variant=v) for name, v in VARIANTS.items()}
    assert by_name["decay"] == by_name["width-16"] == plain
    widths = [by_name[f"width-{width}"] for width in (8, 16, 32, 64)]
    assert widths == sorted(widths)
    assert widths[-1] > 4 * widths[0]
