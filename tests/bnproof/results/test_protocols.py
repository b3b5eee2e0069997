"""What is published was measured by the protocol that the code holds today."""

import pytest

import bnproof.empirical.experiments
from bnproof.empirical.experiment import CONTROL, experiment_of
from bnproof.results import published
from bnproof.theory.claim import Scale
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
    if "--seeds" not in record["command"]:
        assert len(said["seeds"]) == size.seeds
    assert record["where"].endswith(size.words(len(said["seeds"])))
    if said["data set"].startswith("CIFAR-10"):
        assert said.get("training images", size.images) == (size.images or ALL)
    networks = spec.networks_at(Scale(record["scale"]))
    assert {name: said.get(name) for name in networks} == networks
    for control in spec.controls:
        if control.net in record["series"]:
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
    assert all(control.made_of in series for control in controls)
    for criterion in spec.criteria:
        assert criterion.quantity in series[criterion.net]
        for control in controls:
            if criterion.net == control.made_of:
                assert criterion.quantity in series[control.net]
    for name in spec.plot_only:
        assert any(name in rows for rows in series.values())


@pytest.mark.parametrize("claim_id", CLAIMS)
def test_scales_grow(claim_id: str) -> None:
    """Paper is at least as large as quick, and quick as smoke, in everything."""
    sizes = experiment_of(CLAIMS[claim_id]).sizes
    assert list(sizes) == list(Scale)
    for small, large in zip(list(Scale), list(Scale)[1:], strict=False):
        first, second = sizes[small], sizes[large]
        assert first.batch <= second.batch
        assert first.seeds <= second.seeds
        assert first.steps <= second.steps
        assert first.updates <= second.updates
        assert (first.images or ALL) <= (second.images or ALL)
