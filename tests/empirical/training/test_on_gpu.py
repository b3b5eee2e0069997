"""What only a GPU can show: real CUDA graphs, in the fast arithmetic, and stacks."""

from dataclasses import replace

import pytest
import torch

from bnproof.empirical.data.images import Images
from bnproof.empirical.data.load import load
from bnproof.empirical.training.config import TrainingConfig
from bnproof.empirical.training.loop import Trainer, train
from bnproof.empirical.training.together import train_together

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")

# TF32 has 10 bits of mantissa, as bfloat16 has 7; each update amplifies the rounding.
TF32, AMPLIFIED = 5e-3, 0.1
RECIPE = TrainingConfig(
    network={"family": "resnet", "depth": 8},
    steps=20,
    every=10,
    rate=0.05,
    batch=16,
    tested=20,
    augment=True,
    schedule="step",
    mode="fast",
)


@pytest.fixture(scope="module")
def photos() -> Images:
    return load("photos", limit=100)


def losses(recipe: TrainingConfig, images: Images, device: str) -> tuple[list[float], str]:
    trainer = Trainer(recipe, images, device)
    return [trainer.update() for _ in range(recipe.steps)], trainer.execution


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"precision": "bfloat16"},
        {"momentum": 0.0},
        {"network": {"family": "vgg", "width": 4}},
        {"network": {"family": "resnet", "depth": 8, "norm": "l1-centred"}},
    ],
    ids=str,
)
def test_a_graph_takes_the_steps_of_the_loop(change, photos) -> None:
    usual, _ = losses(replace(RECIPE, mode="exact", **change), photos, "cuda")
    found, execution = losses(replace(RECIPE, **change), photos, "cuda")
    assert execution == "CUDA graph"
    assert found[0] == pytest.approx(usual[0], rel=TF32)
    assert found[1:3] == pytest.approx(usual[1:3], rel=AMPLIFIED)
    assert sum(found[-6:]) == pytest.approx(sum(usual[-6:]), rel=0.5)


def test_random_layers_draw_new_numbers_in_every_replay(photos) -> None:
    network = {"family": "dense", "hidden": 2, "norm": "noisy"}
    recipe = replace(RECIPE, network=network, rate=1e-12, batch=100, augment=False)
    found, execution = losses(recipe, photos, "cuda")
    assert execution == "CUDA graph"
    assert len(set(found)) == len(found)


def test_a_run_in_parts_continues(photos, tmp_path) -> None:
    given = {"root": tmp_path, "device": "cuda"}
    assert train(RECIPE, photos, until=7, **given) is None
    result = train(RECIPE, photos, **given)
    assert result["execution"] == "CUDA graph"
    assert [row["step"] for row in result["curve"]] == [0, 10, 20]


def test_a_stack_is_its_networks_alone(photos, tmp_path) -> None:
    recipes = [replace(RECIPE, seed=seed) for seed in range(3)]
    found = train_together(recipes, photos, root=tmp_path / "stack", device="cuda")
    for recipe, result in zip(recipes, found, strict=True):
        usual = train(recipe, photos, root=tmp_path / "alone", device="cuda")
        assert result["execution"] == "stack of 3, CUDA graph"
        first, expected = result["first losses"], usual["first losses"]
        assert first[0] == pytest.approx(expected[0], rel=TF32)
        assert first[1:3] == pytest.approx(expected[1:3], rel=AMPLIFIED)
