"""Experiments and training on a GPU that is pretended: the numbers of the CPU, and no mixture."""

import math
from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import pytest
import torch

import bnproof.empirical.experiments
from bnproof.empirical.data.load import Images, load
from bnproof.empirical.experiment import experiment_of
from bnproof.empirical.networks.table import FAMILIES
from bnproof.empirical.training import loop
from bnproof.empirical.training.callbacks import CALLBACKS
from bnproof.empirical.training.config import TrainingConfig
from bnproof.empirical.training.loop import Trainer, train
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


LONG_RUN = TrainingConfig(
    network={"family": "vgg", "width": 2, "norm": "batch"},
    steps=9,
    every=100,
    rate=0.05,
    batch=16,
    tested=20,
    augment=True,
)


@pytest.fixture(scope="module")
def photos() -> Images:
    return load("photos", limit=100)


def test_a_step_copies_nothing_to_or_from_the_gpu(photos, pretended_gpu) -> None:
    """But for an epoch's order and crops, and the losses, which are read together."""
    with pretended_gpu:
        trainer = Trainer(LONG_RUN, photos, "cuda")
        trainer.advance()
        pretended_gpu.transfers.clear()
        losses = [trainer.advance() for _ in range(trainer.task.epoch_steps - 1)]
        assert len(losses) == 5
        assert (losses, pretended_gpu.transfers) == ([None] * 5, [])
        trainer.advance()
        assert pretended_gpu.transfers == ["to"] * 3  # rows, corners, reflections
        pretended_gpu.transfers.clear()
        assert trainer.settle()
        assert pretended_gpu.transfers == ["tolist"]
        pretended_gpu.transfers.clear()
        trainer.evaluate()
        assert pretended_gpu.transfers == ["tolist"]


def test_a_transfer_would_be_counted(pretended_gpu) -> None:
    with pretended_gpu:
        there = torch.ones(2).to("cuda")
        there.cpu()
        there[0].item()
        bool(there.sum() > 0)
        torch.zeros(2).copy_(there)
        torch.tensor([1.0], device="cuda")
    names = ["to", "cpu", "item", "__bool__", "copy_", "tensor"]
    assert pretended_gpu.transfers == names


@pytest.mark.parametrize("schedule", ["constant", "step", "plateau"])
@pytest.mark.parametrize("every", [4, 100])
def test_losses_that_are_read_together_are_those_of_every_step(
    schedule, every, photos, pretended_gpu, monkeypatch
) -> None:
    monkeypatch.setattr(loop, "READ", 5)
    monkeypatch.setattr("bnproof.empirical.training.progress.PATIENCE", 1)
    recipe = replace(LONG_RUN, steps=30, schedule=schedule, every=every, rate=0.5)
    found = []
    for device in ("cpu", "cuda"):
        with pretended_gpu if device == "cuda" else nullcontext():
            trainer = Trainer(recipe, photos, device)
            if schedule == "plateau":
                trainer.progress.best = 0.0  # no epoch is better: the rate drops
            while not trainer.done:
                trainer.advance()
            found.append(vars(trainer.progress))
    assert found[0] == found[1]
    if schedule == "plateau":
        assert found[0]["rate"] < 0.5


DIVERGING = {"network": LONG_RUN.network | {"norm": "none"}, "steps": 12, "every": 6}


@pytest.mark.parametrize("limit", range(1, 8), ids="diverges at {}".format)
@pytest.mark.parametrize("parts", [(), (2, 5)], ids=["whole", "in parts"])
def test_a_run_that_diverges_between_two_readings_goes_back(
    limit, parts, photos, pretended_gpu, tmp_path, monkeypatch
) -> None:
    """The same step, curve, losses and weights as where every loss is read at once."""
    recipe = replace(LONG_RUN, rate=0.5, **DIVERGING)
    losses = _losses(recipe, photos)
    first = next(n for n, loss in enumerate(losses) if loss == max(losses[: limit + 1]))
    recipe = replace(recipe, limit=math.nextafter(losses[first], 0))
    made = []
    monkeypatch.setattr(loop, "Trainer", lambda *given: made.append(Trainer(*given)) or made[-1])
    results = []
    for device in ("cpu", "cuda"):
        with pretended_gpu if device == "cuda" else nullcontext():
            for until in parts:
                train(recipe, photos, root=tmp_path / device, device=device, until=until)
            results.append(train(recipe, photos, root=tmp_path / device, device=device))
    usual, found = results
    assert usual["diverged"] == first + 1
    for name in ("diverged", "curve", "first losses"):
        assert found[name] == usual[name]
    ends = [trainer.state() for trainer in made if trainer.done]
    for name, weight in ends[0]["model"].items():
        assert torch.equal(weight, ends[-1]["model"][name]), name


def _losses(recipe: TrainingConfig, images: Images) -> list[float]:
    trainer = Trainer(recipe, images)
    return [trainer.update() for _ in range(recipe.steps)]
