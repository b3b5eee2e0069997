"""Each field of a configuration has an effect larger than any tolerance; updates are recomputed."""

import math
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.nn import functional

from bnproof.empirical.data.images import Images
from bnproof.empirical.data.load import load
from bnproof.empirical.training import loop
from bnproof.empirical.training.callbacks import CALLBACKS
from bnproof.empirical.training.config import TrainingConfig
from bnproof.empirical.training.loop import Trainer, train
from bnproof.empirical.training.run_folder import RunFolder
from bnproof.empirical.training.tasks import task
from bnproof.theory.common.errors import UserError

RECIPE = TrainingConfig(
    network={"family": "dense", "hidden": 2, "width": 8},
    steps=6,
    rate=0.05,
    batch=8,
    every=2,
    tested=5,
)


@pytest.fixture(scope="module")
def images() -> Images:
    return load("digits", limit=24)


def weights(model: nn.Module) -> list[torch.Tensor]:
    return [parameter.detach().clone() for parameter in model.parameters()]


@pytest.mark.parametrize(("momentum", "decay"), [(0.0, 0.0), (0.9, 0.0), (0.0, 0.5), (0.9, 0.5)])
def test_two_updates_written_out(images: Images, momentum: float, decay: float) -> None:
    """v <- momentum v + gradient + decay w; w <- w - rate v: every weight, twice."""
    training_config = replace(RECIPE, momentum=momentum, decay=decay)
    trainer = Trainer(training_config, images)
    batches = task(training_config, images, "cpu")
    velocity = [torch.zeros_like(weight) for weight in weights(trainer.model)]
    for step in range(2):
        trainer.model.train()
        inputs, labels = batches.batch(step)
        loss = functional.cross_entropy(trainer.model(inputs), labels)
        gradients = torch.autograd.grad(loss, list(trainer.model.parameters()))
        before = weights(trainer.model)
        assert trainer.update() == pytest.approx(loss.item(), rel=1e-5)
        for i, after in enumerate(weights(trainer.model)):
            velocity[i] = momentum * velocity[i] + gradients[i] + decay * before[i]
            expected = before[i] - training_config.rate * velocity[i]
            torch.testing.assert_close(after, expected, rtol=1e-4, atol=1e-6)


def test_the_loss_of_an_evaluation_is_the_mean_since_the_last_one(
    images: Images, tmp_path: Path
) -> None:
    trainer = Trainer(replace(RECIPE, steps=5), images)
    losses = [trainer.update() for _ in range(5)]
    curve = train(replace(RECIPE, steps=5), images, root=tmp_path)["curve"]
    assert [row["step"] for row in curve] == [0, 2, 4, 5]
    means = [sum(losses[:2]) / 2, sum(losses[2:4]) / 2, losses[4]]
    assert [row["loss"] for row in curve] == [None, *(pytest.approx(mean) for mean in means)]


def test_an_evaluation_leaves_the_network_and_does_not_depend_on_its_batch(
    images: Images, tmp_path: Path
) -> None:
    trainer = Trainer(RECIPE, images)
    trainer.update()
    before = {name: value.clone() for name, value in trainer.model.state_dict().items()}
    found = trainer.evaluate()
    after = trainer.model.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())
    assert trainer.model.training
    trainer.model.eval()
    with torch.no_grad():
        inputs = images.standardise(images.test.pixels[:5])
        right = [trainer.model(one[None]).argmax().item() for one in inputs]
    share = sum(a == b for a, b in zip(right, images.test.labels.tolist(), strict=False)) / 5
    assert found["test accuracy"] == pytest.approx(share)


def test_what_is_measured_sees_the_batch_of_the_next_step(
    images: Images, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moments = []

    def look(now):
        moments.append((now.step, now.rate, now.inputs, now.targets, now.reference))
        return 0

    monkeypatch.setitem(CALLBACKS, "look", look)
    training_config = replace(RECIPE, metrics=("look",), augment=True)
    train(training_config, images, root=tmp_path)
    batches = task(training_config, images, "cpu")
    assert [step for step, *_ in moments] == [0, 2, 4, 6]
    for step, rate, inputs, targets, reference in moments:
        assert rate == RECIPE.rate
        assert torch.equal(inputs, batches.batch(step)[0])
        assert torch.equal(targets, batches.batch(step)[1])
        assert torch.equal(reference, batches.batch(0)[0])


def test_a_loss_above_the_limit_ends_the_run_and_one_at_it_does_not(
    images: Images, tmp_path: Path
) -> None:
    trainer = Trainer(RECIPE, images)
    losses = [trainer.update() for _ in range(RECIPE.steps)]
    largest = max(losses)
    whole = train(replace(RECIPE, limit=largest), images, root=tmp_path)
    assert whole["diverged"] is None
    ended = train(replace(RECIPE, limit=math.nextafter(largest, 0)), images, root=tmp_path)
    assert ended["diverged"] == losses.index(largest) + 1
    assert ended["curve"][-1]["step"] == ended["diverged"]


@pytest.mark.parametrize(
    "change",
    [
        {"rate": 0.06},
        {"batch": 7},
        {"momentum": 0.5},
        {"decay": 0.5},
        {"schedule": "step"},
        {"augment": True},
        {"precision": "bfloat16"},
        {"seed": 1},
        {"network": RECIPE.network | {"norm": "none"}},
    ],
    ids=lambda change: next(iter(change)),
)
def test_each_field_changes_the_numbers(images: Images, change: dict, tmp_path: Path) -> None:
    first = train(RECIPE, images, root=tmp_path)["curve"]
    other = train(replace(RECIPE, **change), images, root=tmp_path)["curve"]
    assert other[-1]["loss"] != pytest.approx(first[-1]["loss"], rel=1e-4)


@pytest.mark.parametrize("what", ["model", "optimiser", "progress", "random"])
def test_a_checkpoint_of_another_program_is_refused(
    images: Images, tmp_path: Path, what: str
) -> None:
    """In one line: nothing is trained on top of it, and nothing is added to its curve."""
    assert train(RECIPE, images, root=tmp_path, until=2) is None
    run = RunFolder(tmp_path, RECIPE.config(images, "cpu"))
    with run.held():
        state = run.restore()
        rows = run.records()
        run.save(3, {**state, what: {"another": torch.zeros(1)}})
    with pytest.raises(
        UserError, match="its checkpoint was written by a different version"
    ) as caught:
        train(RECIPE, images, root=tmp_path)
    assert "\n" not in str(caught.value)
    assert run.records() == rows


def test_a_run_counts_the_seconds_of_all_its_parts(
    images: Images, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of every step, and not of the time between two parts."""
    assert Trainer(RECIPE, images).progress.seconds == 0
    clock, advance = [0.0], Trainer.advance

    def slow(trainer: Trainer) -> float | None:
        clock[0] += 1.5
        return advance(trainer)

    monkeypatch.setattr(Trainer, "advance", slow)
    monkeypatch.setattr(loop, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    train(RECIPE, images, root=tmp_path, until=3)
    run = RunFolder(tmp_path, RECIPE.config(images, "cpu"))
    with run.held():
        assert run.restore()["progress"]["seconds"] == 3 * 1.5
    clock[0] += 100.0
    assert train(RECIPE, images, root=tmp_path)["seconds"] == RECIPE.steps * 1.5
