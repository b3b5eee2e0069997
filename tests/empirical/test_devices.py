"""Experiments and training on a GPU that is pretended: the numbers of the CPU, and no mixture."""

import numpy as np
import pytest

import bnproof.empirical.experiments
from bnproof.empirical.data.load import load
from bnproof.empirical.experiment import experiment_of
from bnproof.empirical.networks.table import FAMILIES
from bnproof.empirical.training.callbacks import CALLBACKS
from bnproof.empirical.training.config import TrainingConfig
from bnproof.empirical.training.loop import train
from bnproof.empirical.trial import Trial
from bnproof.theory.claim import Scale
from bnproof.theory.loading import load_folder

AT_START = [c for c in load_folder(bnproof.empirical.experiments) if not experiment_of(c).trains]

LONG = {
    *("bjorck_fig3", "bjorck_fig4", "bjorck_last_bn_init", "daneshmand_rank"),
    "loss_surface_initial",
}
NETWORKS = {
    "vgg": {"width": 2, "norm": "batch"},
    "resnet": {"depth": 8, "norm": "l1", "init": "lsuv"},
    "dense": {"hidden": 3, "norm": "noisy"},
}


@pytest.mark.parametrize(
    "claim",
    [pytest.param(c, marks=[pytest.mark.slow] if c.id in LONG else []) for c in AT_START],
    ids=lambda claim: claim.id,
)
def test_an_experiment_at_initialisation_measures_the_same(claim, pretended_gpu) -> None:
    trial = experiment_of(claim)
    size = trial.sizes[Scale.SMOKE]
    images = load(None, limit=size.images)

    def run(device):
        given = Trial(images=images, seed=0, device=device, size=size, scale=Scale.SMOKE)
        return trial.run(given)

    usual = run("cpu")
    with pretended_gpu:
        found = run("cuda")
    for net, rows in usual.items():
        for name, values in rows.items():
            assert np.array_equal(values, found[net][name], equal_nan=True), (net, name)


RUNS = [
    *(("vgg", NETWORKS["vgg"], (callback,)) for callback in CALLBACKS if callback != "surface"),
    pytest.param("vgg", NETWORKS["vgg"], ("surface",), marks=pytest.mark.slow),
    *((family, network, ()) for family, network in NETWORKS.items()),
]


@pytest.mark.parametrize(("family", "network", "metrics"), RUNS, ids=str)
def test_a_training_takes_the_same_steps(family, network, metrics, pretended_gpu, tmp_path) -> None:
    assert family in FAMILIES
    training_config = TrainingConfig(
        network={"family": family, **network},
        steps=3,
        every=1,
        rate=0.05,
        batch=16,
        tested=20,
        metrics=metrics,
        precision="float32",
        augment=family == "resnet",
    )
    images = load("photos", limit=100)
    usual = train(training_config, images, root=tmp_path / "cpu")
    with pretended_gpu:
        found = train(training_config, images, root=tmp_path / "gpu", device="cuda")
    assert found["curve"] == usual["curve"]
