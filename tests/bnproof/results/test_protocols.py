"""What is published was measured by the protocol that the code holds today."""

from collections import defaultdict
from itertools import pairwise

import numpy as np
import pytest

import bnproof.empirical.experiments
from bnproof.empirical.experiment import CONTROL, SECOND, Criterion, experiment_of, judge
from bnproof.results import published
from bnproof.results.published import judged
from bnproof.theory.claim import Scale, Verdict, decide
from bnproof.theory.loading import load_folder

CLAIMS = {claim.id: claim for claim in load_folder(bnproof.empirical.experiments)}
FILES = sorted(published.FOLDER.glob("*.json"))
EVERY = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
ALL = 50_000  # training images of CIFAR-10


@EVERY
def test_sizes_and_networks_are_those_of_today(path) -> None:
    record = published.read(path)
    spec, said = experiment_of(CLAIMS[record["id"]]), record["provenance"]
    size = spec.sizes[Scale(record["scale"])]
    assert said["batch"] == size.batch
    if "--seeds" not in record["command"] and not published.measured_before(spec, record):
        assert len(said["seeds"]) == size.seeds
    assert record["where"].endswith(size.words(len(said["seeds"])))
    if said["data set"].startswith("CIFAR-10"):
        assert said.get("training images", size.images) == (size.images or ALL)
    networks = spec.networks_at(Scale(record["scale"]))
    assert {name: said.get(name) for name in networks} == networks
    for control in spec.controls:
        if control.net in record["series"] and control.net in (CONTROL, SECOND):
            assert said[control.net] == control.words
    if said.get("steps", "various") != "various":
        assert said["steps"] == size.updates
    assert ("training runs" in said) == spec.trains


@EVERY
def test_what_the_criteria_and_figures_ask_for_was_measured(path) -> None:
    record = published.read(path)
    spec = experiment_of(CLAIMS[record["id"]])
    series = record["series"]
    assert CONTROL in series
    controls = [control for control in spec.controls if control.net in series]
    assert all(net in series for control in controls for net in (control.made_of, *control.also))
    for criterion in spec.criteria:
        assert criterion.quantity in series[criterion.net]
        for control in controls:
            if criterion.net == control.made_of:
                assert criterion.quantity in series[control.net]
    for name in spec.plot_only:
        assert any(name in rows for rows in series.values())


@pytest.mark.parametrize("claim_id", CLAIMS)
def test_scales_grow(claim_id: str) -> None:
    """Each scale is at least as large as the one before; at long a seed costs more."""
    sizes = experiment_of(CLAIMS[claim_id]).sizes
    assert list(sizes) == list(Scale)
    for small, large in pairwise(Scale):
        first, second = sizes[small], sizes[large]
        assert first.batch <= second.batch
        assert first.seeds <= second.seeds or large is Scale.LONG
        assert first.steps <= second.steps
        assert first.updates <= second.updates
        assert (first.images or ALL) <= (second.images or ALL)


@pytest.mark.parametrize("claim_id", CLAIMS)
def test_there_are_controls_of_both_kinds(claim_id: str) -> None:
    controls = experiment_of(CLAIMS[claim_id]).controls
    assert {control.passes for control in controls} == {True, False}


@EVERY
def test_other_measurements_give_the_other_answer(path) -> None:
    """The criteria satisfied, and violated, by numbers in place of those published."""
    record = published.read(path)
    spec = experiment_of(CLAIMS[record["id"]])
    measured = {control.passes for control in spec.controls if control.net in record["series"]}
    if measured != {True, False}:
        pytest.skip("measured before it had controls of both kinds")
    controls = judged(CLAIMS[record["id"]], record).numbers["controls"]
    if any(control["passes"] is not control["must pass"] for control in controls):
        pytest.skip("a control is undecided")
    replaced = {control.made_of for control in spec.controls}
    series = {
        net: {name: np.array(values, dtype=float) for name, values in rows.items()}
        for net, rows in record["series"].items()
    }
    asked: dict[tuple[str, str], list[Criterion]] = defaultdict(list)
    for criterion in spec.criteria:
        asked[criterion.net, criterion.quantity].append(criterion)
    for answer, verdict in ((True, Verdict.REPRODUCED), (False, Verdict.NOT_REPRODUCED)):
        changed = {net: dict(rows) for net, rows in series.items()}
        for (net, quantity), criteria in asked.items():
            value = satisfying(criteria)
            if not answer and net in replaced:
                value = violating(criteria[0])
            changed[net][quantity] = np.full_like(series[net][quantity], value)
        evidence = judge(spec, changed, where="made up")
        assert decide([evidence]) is verdict, (evidence.summary, evidence.reason)


def satisfying(criteria: list[Criterion]) -> float:
    """A number that all of them accept, and not by a hair."""
    ends = [
        bound + step * max(abs(bound), 1.0) / 10
        for criterion in criteria
        for bound, step in ((criterion.at_least, 1), (criterion.at_most, -1))
        if bound is not None
    ]
    return sum(ends) / len(ends)


def violating(criterion: Criterion) -> float:
    """A number that it does not accept."""
    if criterion.at_least is not None:
        return criterion.at_least - 1.0
    assert criterion.at_most is not None
    return criterion.at_most + 1.0
