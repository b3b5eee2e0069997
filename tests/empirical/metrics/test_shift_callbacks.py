"""Watches of covariate shift on small networks: known values, and a network left as it was."""

import math

import pytest
import torch
from torch import nn

from bnproof.empirical.metrics.shift import covariate_shift, sgd_step
from bnproof.empirical.metrics.shift_callbacks import (
    LONG,
    MOVED,
    POINTS,
    SHIFT_CALLBACKS,
    SHORT,
    UNITS,
    is_measured,
)
from bnproof.empirical.metrics.step import TrainingState
from bnproof.empirical.networks.table import build
from bnproof.empirical.training.callbacks import CALLBACKS

VGG = {"family": "vgg", "width": 2}
LINEAR = {"family": "linear", "depth": 11}


def now(network, *, step=0, rate=0.1, seed=0, **changed):
    draws = torch.Generator().manual_seed(seed)
    model = build(network, generator=draws)
    classes = network["family"] == "vgg"
    shape = (16, 3, 32, 32) if classes else (16, 10)
    inputs = torch.randn(shape, generator=draws)
    targets = torch.arange(16) % 10 if classes else torch.randn(16, 10, generator=draws)
    loss = nn.functional.cross_entropy if classes else nn.functional.mse_loss
    given = {
        "model": model,
        "loss": loss,
        "inputs": inputs,
        "targets": targets,
        "reference": inputs,
        "rate": rate,
        "step": step,
        "evaluate": lambda forward: {"test accuracy": float(forward(inputs).argmax(1)[0])},
    }
    return TrainingState(**(given | changed))


def state(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


@pytest.mark.parametrize("norm", ["batch", "none", "noisy"])
@pytest.mark.parametrize("name", SHIFT_CALLBACKS)
def test_a_watch_leaves_network_and_random_numbers(name, norm):
    one = now(LINEAR | {"norm": norm})
    before, flags = state(one.model), [part.training for part in one.model.modules()]
    torch.manual_seed(5)
    numbers = torch.get_rng_state()
    assert CALLBACKS[name](one)
    assert torch.equal(torch.get_rng_state(), numbers)
    after = one.model.state_dict()
    assert all(torch.equal(before[key], after[key]) for key in before)
    assert [part.training for part in one.model.modules()] == flags


def test_shift_is_that_of_the_probe_layer_by_layer():
    one = now(LINEAR | {"norm": "batch"})
    found = CALLBACKS["shift"](one)
    given = (one.model, one.loss, one.inputs, one.targets)
    layers = [
        [f"layers.{k}.weight", f"norms.{k}.weight", f"norms.{k}.bias"]
        for k in range(one.model.depth - 1)
    ]
    expected = covariate_shift(*given, sgd_step(*given, rate=0.1), [*layers, ["linear.weight"]])
    assert found["distance"] == pytest.approx([layer.distance for layer in expected[1:]])
    assert found["cosine"] == pytest.approx([layer.cosine for layer in expected[1:]])
    short = max(found["short"]["relative"])
    assert short < 100 * SHORT * max(found["relative"])


def test_bn_keeps_a_long_step_within_the_bound_and_its_absence_does_not():
    found = {
        norm: CALLBACKS["earth mover"](now(VGG | {"norm": norm})) for norm in ("batch", "none")
    }
    assert all(len(found["batch"][kind]) == len(MOVED) for kind in found["batch"])
    assert max(found["batch"]["largest at long"]) <= math.sqrt(2)
    assert max(found["none"]["largest at long"]) > math.sqrt(2)
    assert LONG > 1


def test_a_unit_of_normalised_activations_has_mean_0_and_deviation_1():
    found = CALLBACKS["activations"](now(VGG | {"norm": "batch"}))
    assert list(found) == ["3", "9"]
    for layer in found.values():
        assert len(layer["mean"]) == len(layer["quantiles"]) <= UNITS
        assert layer["mean"] == pytest.approx([0.0] * len(layer["mean"]), abs=1e-5)
        assert layer["deviation"] == pytest.approx([1.0] * len(layer["mean"]), abs=0.1)
        for row in layer["quantiles"]:
            assert len(row) == POINTS
            assert sorted(row) == row


def test_noise_is_drawn_anew_at_every_step():
    network = LINEAR | {"norm": "noisy"}
    first, again, later = (
        CALLBACKS["activations"](now(network, step=step))["3"]["mean"] for step in (1, 1, 2)
    )
    assert first == again
    assert max(abs(a - b) for a, b in zip(first, later, strict=True)) > 0.1


def test_evaluation_as_trained_is_in_training_mode():
    seen = []
    one = now(LINEAR | {"norm": "batch"})
    one.model.eval()

    def evaluate(forward):
        seen.append(forward.training)
        return {"test accuracy": 0.5}

    changed = TrainingState(**(vars(one) | {"evaluate": evaluate}))
    assert CALLBACKS["as trained"](changed) == {"test accuracy": 0.5}
    assert seen == [True]
    assert not one.model.training


def test_costly_watches_look_at_some_steps_only():
    assert [step for step in range(0, 120, 5) if is_measured(step)] == [0, 50, 100]
    assert not is_measured(1_050)
    assert is_measured(2_000)
    late = now(LINEAR | {"norm": "batch"}, step=33)
    assert CALLBACKS["shift"](late) == CALLBACKS["earth mover"](late) == {}


def test_another_kind_of_module_is_refused():
    one = now(LINEAR | {"norm": "none"}, model=nn.Sequential(nn.Linear(10, 10)))
    with pytest.raises(TypeError, match="a Sequential: must be one of"):
        CALLBACKS["shift"](one)
