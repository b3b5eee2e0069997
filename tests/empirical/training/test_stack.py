"""Networks trained as one stack are those trained alone, but for the rounding of sums."""

import math
from dataclasses import replace

import pytest
import torch

from bnproof.empirical.data.images import Images
from bnproof.empirical.data.load import load
from bnproof.empirical.data.pixels import Pixels
from bnproof.empirical.training import loop, stack, together
from bnproof.empirical.training.config import TrainingConfig
from bnproof.empirical.training.loop import Trainer, train
from bnproof.empirical.training.stack import Stack
from bnproof.empirical.training.tasks import LinearMap
from bnproof.empirical.training.together import train_together, why_alone

# Of losses, which are recorded in float32, of networks in float64.
RECORDED = 1e-6
# Of float64, in any network, after as many updates.
FINE = 1e-8
RECIPE = TrainingConfig(
    network={"family": "dense", "hidden": 2, "norm": "batch"},
    steps=16,
    every=8,
    rate=0.01,
    batch=16,
    tested=20,
    augment=True,
    schedule="step",
    mode="fast",
)
SEEDS = (0, 1, 5)


@pytest.fixture(scope="module")
def photos() -> Images:
    """Six batches in an epoch."""
    return load("photos", limit=100)


def seeds(recipe: TrainingConfig) -> list[TrainingConfig]:
    return [replace(recipe, seed=seed) for seed in SEEDS]


def trainers(recipe: TrainingConfig, images: Images) -> list[Trainer]:
    return [Trainer(replace(one, mode="exact"), images) for one in seeds(recipe)]


@pytest.fixture
def in_float64(monkeypatch) -> None:
    """Networks and images in float64, so that rounding cannot hide a difference."""
    network, given = Trainer._network, Pixels.train

    def batch(*rows):
        inputs, labels = given(*rows)
        return inputs.double(), labels

    monkeypatch.setattr(Trainer, "_network", lambda trainer: network(trainer).double())
    monkeypatch.setattr(
        Trainer, "forward", lambda trainer, inputs, _=None: trainer.model(inputs.double())
    )
    monkeypatch.setattr(Pixels, "train", batch)


def agree(mine: Trainer, theirs: Trainer) -> None:
    """Losses, rate, weights, statistics and momentum."""
    for name, value in vars(theirs.progress).items():
        assert vars(mine.progress)[name] == pytest.approx(value, rel=FINE), name
    found, expected = mine.state(), theirs.state()
    pairs = [(found["model"][name], value) for name, value in expected["model"].items()]
    momenta = [state["optimiser"]["state"] for state in (found, expected)]
    for number, state in momenta[1].items():
        if state["momentum_buffer"] is not None:
            pairs.append((momenta[0][number]["momentum_buffer"], state["momentum_buffer"]))
    for mine, value in pairs:
        assert mine.dtype in (torch.float64, torch.int64)
        torch.testing.assert_close(mine, value, rtol=FINE, atol=FINE)


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"augment": False, "momentum": 0.0},
        {"schedule": "plateau"},
        {"network": {"family": "vgg", "width": 2, "norm": "batch"}},
        {"network": {"family": "resnet", "depth": 8, "norm": "group"}},
    ],
    ids=["usual", "no momentum", "plateau", "convolutions", "groups"],
)
def test_a_stack_is_its_networks_alone(change, photos, in_float64, monkeypatch) -> None:
    """Over epochs and drops of the rate."""
    monkeypatch.setattr("bnproof.empirical.training.progress.PATIENCE", 1)
    recipe = replace(RECIPE, **change)
    usual, stacked = trainers(recipe, photos), trainers(recipe, photos)
    for one in (*usual, *stacked):
        # No epoch of the second seed is better: its rate drops alone.
        one.progress.best = 0.0 if one.training_config.seed == 1 else math.inf
    for one in usual:
        while not one.done:
            one.update()
    joined = Stack(stacked)
    while joined.step < recipe.steps:
        joined.advance()
    joined.unstack()
    for mine, theirs in zip(stacked, usual, strict=True):
        agree(mine, theirs)
    if recipe.schedule == "plateau":
        assert len({one.progress.rate for one in stacked}) == 2


def close(row: dict, other: dict) -> None:
    """Evaluations agree; the loss of a run that diverged is None."""
    assert row.keys() == other.keys()
    for name, value in other.items():
        assert row[name] == (value if value is None else pytest.approx(value, rel=RECORDED))


def test_runs_of_a_stack_are_in_their_own_folders(
    photos, recorders, pretended_gpu, in_float64, tmp_path
) -> None:
    with pretended_gpu:
        given = {"device": "cuda"}
        usual = [train(one, photos, root=tmp_path / "alone", **given) for one in seeds(RECIPE)]
        found = train_together(seeds(RECIPE), photos, root=tmp_path / "stack", **given)
        again = train_together(seeds(RECIPE), photos, root=tmp_path / "stack", **given)
    assert again == found
    folders = [{path.name for path in (tmp_path / name).iterdir()} for name in ("alone", "stack")]
    assert folders[0] == folders[1]
    assert len(recorders) == 4  # one for each run alone, one for the stack
    for mine, theirs in zip(found, usual, strict=True):
        assert mine["execution"] == "stack of 3, CUDA graph"
        assert mine.keys() == theirs.keys()
        assert [row["step"] for row in mine["curve"]] == [0, 8, 16]
        for row, other in zip(mine["curve"], theirs["curve"], strict=True):
            close(row, other)


def test_a_stack_in_parts_may_be_continued_alone(
    photos, recorders, pretended_gpu, in_float64, tmp_path
) -> None:
    recipes = seeds(RECIPE)
    with pretended_gpu:
        given = {"root": tmp_path / "parts", "device": "cuda"}
        whole = train_together(recipes, photos, root=tmp_path / "whole", device="cuda")
        assert train(recipes[2], photos, until=7, **given) is None
        assert train_together(recipes, photos, until=5, **given) == [None] * 3
        alone = train(recipes[0], photos, **given)
        parts = train_together(recipes, photos, **given)
    assert parts[0] == alone
    for mine, theirs in zip(parts, whole, strict=True):
        assert len(mine["curve"]) == len(theirs["curve"])
        for row, other in zip(mine["curve"], theirs["curve"], strict=True):
            close(row, other)


def test_a_run_killed_before_its_result_is_finished(
    photos, recorders, pretended_gpu, tmp_path, monkeypatch
) -> None:
    """Its last checkpoint is after the last step, and no other follows."""
    recipe = replace(RECIPE, steps=3)
    given = {"root": tmp_path, "device": "cuda"}
    with pretended_gpu:
        with monkeypatch.context() as patch:
            patch.setattr(loop, "EVERY", -1.0)
            patch.setattr(loop, "finish", lambda run, trainer: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                train(recipe, photos, **given)
        found = train_together(seeds(recipe), photos, **given)
    assert [[row["step"] for row in result["curve"]] for result in found] == [[0, 3]] * 3


@pytest.mark.parametrize("read", [3, 50])
def test_a_network_that_diverges_stops_and_the_others_go_on(
    read, photos, recorders, pretended_gpu, in_float64, tmp_path, monkeypatch
) -> None:
    """Between two readings too, and across a drop of the rate."""
    monkeypatch.setattr(stack, "READ", read)
    recipe = replace(RECIPE, rate=0.2, every=16)
    losses = {}
    for one in trainers(recipe, photos):
        losses[one.training_config.seed] = [one.update() for _ in range(recipe.steps)]
    peaks = sorted((max(row), seed) for seed, row in losses.items())
    limit = (peaks[-1][0] + peaks[-2][0]) / 2  # exceeded by one of them
    recipe = replace(recipe, limit=limit)
    made = []
    with pretended_gpu:
        usual = [
            train(one, photos, root=tmp_path / "alone", device="cuda") for one in seeds(recipe)
        ]
        monkeypatch.setattr(
            together, "Trainer", lambda *given: made.append(Trainer(*given)) or made[-1]
        )
        found = train_together(seeds(recipe), photos, root=tmp_path / "stack", device="cuda")
    assert [result["diverged"] is None for result in found].count(False) == 1
    for mine, theirs in zip(found, usual, strict=True):
        assert mine["diverged"] == theirs["diverged"]
        assert mine["first losses"] == pytest.approx(theirs["first losses"], rel=RECORDED)
        assert [row["step"] for row in mine["curve"]] == [row["step"] for row in theirs["curve"]]
        close(mine["curve"][-1], theirs["curve"][-1])
    assert all(value.isfinite().all() for one in made for value in one.model.parameters())


def test_a_step_copies_nothing_to_or_from_the_gpu(photos, recorders, pretended_gpu) -> None:
    with pretended_gpu:
        made = [Trainer(one, photos, "cuda") for one in seeds(RECIPE)]
        joined = Stack(made, loop.recorder("cuda"))
        joined.advance()
        pretended_gpu.transfers.clear()
        assert not any(joined.advance() for _ in range(5))
        assert pretended_gpu.transfers == []
        joined.advance()
        assert pretended_gpu.transfers == ["to"] * 9  # rows, corners, reflections of each


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({}, ""),
        ({"mode": "exact"}, "every digit"),
        ({"precision": "bfloat16"}, "autocast"),
        ({"network": {"family": "vgg"}}, "9,754,698 weights: more than 2,000,000"),
        ({"network": {"family": "vgg", "width": 16}}, ""),
        ({"network": {"family": "vgg", "width": 2, "norm": "noisy"}}, "random layers"),
        ({"network": {"family": "vgg", "width": 2, "norm": "l1"}}, "l_p norms"),
        ({"network": {"family": "resnet", "depth": 8, "init": "lsuv"}}, "lsuv"),
        ({"network": {"family": "resnet", "depth": 9}}, "depth 9: must be"),
    ],
)
def test_what_is_not_stacked_has_a_reason(change, reason, photos) -> None:
    found = why_alone(replace(RECIPE, **change), photos)
    assert reason in found
    assert bool(reason) == bool(found)


def test_a_linear_map_differs_between_seeds() -> None:
    assert why_alone(RECIPE, LinearMap()) == "the data depend on the seed"
