"""Steps replayed from a graph are the steps of the loop; a stand-in replays them on the CPU."""

import math
from dataclasses import replace

import pytest
import torch
from torch import nn

from bnproof.empirical.data.images import Images
from bnproof.empirical.data.load import load
from bnproof.empirical.networks.table import FAMILIES
from bnproof.empirical.networks.vgg import vgg
from bnproof.empirical.training import loop
from bnproof.empirical.training.config import TrainingConfig
from bnproof.empirical.training.loop import Trainer, train
from bnproof.empirical.training.tasks import LinearMap
from bnproof.theory.common.errors import UserError

# Updates are rounded otherwise: PyTorch's fused SGD has a product more.
ROUNDING = 1e-4
RECIPE = TrainingConfig(
    network={"family": "vgg", "width": 2, "norm": "batch"},
    steps=20,
    every=100,
    rate=0.05,
    batch=16,
    tested=20,
    augment=True,
    schedule="step",
)
FAST = replace(RECIPE, mode="fast")


@pytest.fixture(scope="module")
def photos() -> Images:
    """Six batches in an epoch."""
    return load("photos", limit=100)


def losses(recipe: TrainingConfig, data, device: str = "cuda", steps: int = 0) -> list[float]:
    trainer = Trainer(recipe, data, device)
    trainer.progress.best = 0.0  # "plateau" lowers the rate after each epoch
    return [trainer.update() for _ in range(steps or recipe.steps)]


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"augment": False},
        {"momentum": 0.0},
        {"schedule": "plateau"},
        {"precision": "bfloat16"},
        {"precision": "bfloat16", "network": {"family": "resnet", "depth": 8, "norm": "group"}},
        {"network": {"family": "resnet", "depth": 8, "norm": "l1-centred"}, "steps": 8},
        {"network": {"family": "dense", "hidden": 2, "norm": "layer"}},
    ],
    ids=lambda change: next(iter(change), "usual"),
)
def test_the_losses_are_those_of_the_loop(
    change, photos, recorders, pretended_gpu, monkeypatch
) -> None:
    """Over several epochs and two drops of the rate."""
    autocast = torch.autocast
    monkeypatch.setattr(torch, "autocast", lambda device, **given: autocast("cpu", **given))
    monkeypatch.setattr("bnproof.empirical.training.progress.PATIENCE", 1)
    usual = losses(replace(RECIPE, **change), photos, "cpu")
    with pretended_gpu:
        found = losses(replace(FAST, **change), photos)
    # In bfloat16, the last digit of a weight decides how it is rounded.
    rounding = 5e-3 if "precision" in change else ROUNDING
    assert found == pytest.approx(usual, rel=rounding)
    (made,) = recorders
    assert [len(tape.operations) > 0 for tape in made.tapes] == [True, True]


def test_a_linear_map_is_learnt_from_a_graph(recorders, pretended_gpu) -> None:
    network = {"family": "linear", "depth": 2, "width": 10}
    recipe = replace(RECIPE, network=network, rate=0.02, schedule="constant", augment=False)
    usual = losses(recipe, LinearMap(samples=50), "cpu")
    with pretended_gpu:
        assert losses(replace(recipe, mode="fast"), LinearMap(samples=50)) == pytest.approx(
            usual, rel=ROUNDING
        )
    assert len(recorders) == 1


def test_what_the_tape_does_not_repeat_is_a_constant(recorders) -> None:
    """The stand-in is as strict as a graph: a rate that is a number would never drop."""
    made = loop.recorder("cuda")
    rate, weight = [1.0], torch.zeros(1)
    replay = made.record(lambda: weight.add_(rate[0]))
    rate[0] = 10.0
    replay()
    assert weight.item() == 2
    with pytest.raises(RuntimeError, match="not permitted"):
        made.record(lambda: weight.item())


def test_recording_changes_nothing(photos, recorders, pretended_gpu) -> None:
    with pretended_gpu:
        trainer = Trainer(FAST, photos, "cuda")
        before = loop._copied(trainer.model.state_dict())
        numbers = torch.get_rng_state()
        graph = trainer._graphed()
        after = trainer.model.state_dict()
        momentum = [state["momentum_buffer"] for state in trainer.optimiser.state.values()]
    assert graph is not None
    assert trainer.execution == "CUDA graph"
    assert all(torch.equal(value, after[name]) for name, value in before.items())
    assert len(momentum) > 20
    assert not any(buffer.any() for buffer in momentum)
    assert torch.equal(numbers, torch.get_rng_state())


def test_a_step_copies_nothing_to_or_from_the_gpu(photos, recorders, pretended_gpu) -> None:
    with pretended_gpu:
        trainer = Trainer(FAST, photos, "cuda")
        trainer.advance()
        pretended_gpu.transfers.clear()
        found = [trainer.advance() for _ in range(trainer.task.epoch_steps - 1)]
        assert found == [None] * 5
        assert pretended_gpu.transfers == []
        trainer.advance()
        assert pretended_gpu.transfers == ["to"] * 3  # rows, corners, reflections


@pytest.mark.parametrize("until", [3, 6, 10])
def test_a_run_in_parts_is_a_run_in_one(until, photos, recorders, pretended_gpu, tmp_path) -> None:
    """Stopped within an epoch, at its end, and at a drop of the rate."""
    recipe = replace(FAST, every=5)
    with pretended_gpu:
        whole = train(recipe, photos, root=tmp_path / "whole", device="cuda")
        given = {"root": tmp_path / "parts", "device": "cuda"}
        assert train(recipe, photos, until=until, **given) is None
        parts = train(recipe, photos, **given)
    assert parts["curve"] == whole["curve"]
    assert parts["first losses"] == whole["first losses"]
    assert whole["execution"] == parts["execution"] == "CUDA graph"
    assert len(recorders) == 3


@pytest.mark.parametrize("limit", [1, 4, 7])
def test_a_run_that_diverges_ends_where_the_loop_does(
    limit, photos, recorders, pretended_gpu, tmp_path, monkeypatch
) -> None:
    recipe = replace(RECIPE, rate=0.5, network=RECIPE.network | {"norm": "none"}, steps=12)
    steps = losses(recipe, photos, "cpu")
    first = next(n for n, loss in enumerate(steps) if loss == max(steps[: limit + 1]))
    # Between this loss and those before it, whatever the last digits are.
    below = max([loss for loss in steps[:first] if loss < steps[first]], default=0.0)
    recipe = replace(recipe, limit=(steps[first] + below) / 2)
    usual = train(recipe, photos, root=tmp_path / "cpu")
    made = []
    monkeypatch.setattr(loop, "Trainer", lambda *given: made.append(Trainer(*given)) or made[-1])
    with pretended_gpu:
        found = train(replace(recipe, mode="fast"), photos, root=tmp_path / "gpu", device="cuda")
    assert usual["diverged"] == found["diverged"] == first + 1
    assert found["first losses"] == pytest.approx(usual["first losses"], rel=ROUNDING)
    assert math.isclose(
        found["curve"][-1]["test accuracy"], usual["curve"][-1]["test accuracy"], abs_tol=0.11
    )
    # No update follows: the weights are finite, as before the loss.
    assert all(weight.isfinite().all() for weight in made[-1].model.parameters())


class _Reading(nn.Module):
    """A network that looks at its values."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.network(x if x.max().item() > 0 else -x)


def test_a_step_that_cannot_be_recorded_is_taken_eagerly(
    photos, recorders, pretended_gpu, tmp_path, monkeypatch, capsys
) -> None:
    monkeypatch.setitem(FAMILIES, "vgg", lambda **given: _Reading(vgg(**given)))
    monkeypatch.setattr("bnproof.empirical.networks.table._check", lambda options, family: None)
    usual = losses(RECIPE, photos, "cpu", steps=8)
    with pretended_gpu:
        assert losses(FAST, photos, steps=8) == usual
        result = train(FAST, photos, root=tmp_path, device="cuda")
    reason = "eager: aten._local_scalar_dense.default: not permitted when stream is capturing"
    assert result["execution"] == reason
    assert capsys.readouterr().err.splitlines() == [f"no CUDA graph: {reason}"] * 2


def test_weights_are_cast_together(photos, recorders, pretended_gpu, monkeypatch) -> None:
    """Once each, and not by autocast, which would cast them one after the other."""
    autocast = torch.autocast
    monkeypatch.setattr(torch, "autocast", lambda device, **given: autocast("cpu", **given))
    with pretended_gpu:
        trainer = Trainer(replace(FAST, precision="bfloat16"), photos, "cuda")
        trainer.update()
    weights = {weight.data_ptr() for weight in trainer.model.parameters()}
    casts = [
        func
        for func, args, kwargs, _ in recorders[0].tapes[0].operations
        if func.overloadpacket is torch.ops.aten._to_copy
        and kwargs.get("dtype") is torch.bfloat16
        and args[0].data_ptr() in weights
    ]
    assert casts == []


def test_random_layers_draw_new_numbers_in_every_replay(photos, recorders, pretended_gpu) -> None:
    network = {"family": "dense", "hidden": 2, "norm": "noisy"}
    recipe = replace(FAST, network=network, rate=1e-12, augment=False)
    with pretended_gpu:
        trainer = Trainer(replace(recipe, batch=100), photos, "cuda")  # the same images
        found = [trainer.update() for _ in range(4)]
    assert trainer.execution == "CUDA graph"
    assert len(set(found)) == 4


def test_another_mode_is_refused() -> None:
    with pytest.raises(UserError, match="mode 'quick': must be one of exact, fast"):
        replace(RECIPE, mode="quick")


def test_only_updates_are_computed_in_the_fast_arithmetic(
    photos, recorders, pretended_gpu, tmp_path, monkeypatch
) -> None:
    flags = {}

    def noted(name, function):
        def call(*given):
            cudnn = torch.backends.cudnn
            flags.setdefault(name, set()).add(
                (
                    torch.backends.cuda.matmul.allow_tf32,
                    cudnn.allow_tf32,
                    cudnn.benchmark,
                    cudnn.deterministic,
                )
            )
            return function(*given)

        return call

    monkeypatch.setattr(Trainer, "_advance", noted("update", Trainer._advance))
    monkeypatch.setattr(Trainer, "evaluate", noted("evaluate", Trainer.evaluate))
    with pretended_gpu:
        train(replace(FAST, steps=2, every=1), photos, root=tmp_path, device="cuda")
    assert flags == {
        "update": {(True, True, True, False)},
        "evaluate": {(False, False, False, True)},
    }
