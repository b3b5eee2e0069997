"""Callbacks for covariate shift of gradients and activations, and for noisy networks.

Layers are numbered as in `bnproof.empirical.networks.table.Network`.  The update is a plain
gradient step with the current learning rate on the current batch.
"""

from collections.abc import Mapping
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from bnproof.empirical.metrics.activations import Moved, activation_shift
from bnproof.empirical.metrics.named import outputs_of
from bnproof.empirical.metrics.shift import covariate_shift, sgd_step
from bnproof.empirical.metrics.step import Callback, TrainingState
from bnproof.empirical.networks.table import Network
from bnproof.empirical.networks.undisturbed import undisturbed

FIRST, OFTEN, SELDOM = 2, 50, 1_000  # steps: expensive measurements are made at some of them only
SHORT: Final = 1e-4  # times the step: an update that hardly shifts anything
LONG: Final = 100.0  # times the step: far more than any network is trained with
SHOWN: Final = (3, 9)  # layers whose activations S0 shows ("a closer look")
MOVED: Final = (3, 6, 9)  # layers whose activations are compared before and after an update
UNITS: Final = 12  # of each of these layers, evenly spaced
POINTS: Final = 25  # quantiles that stand for a distribution, at (k + 1/2)/POINTS


def is_measured(step: int) -> bool:
    """Whether `shift` and `earth_mover`, which take many passes, are measured at this step."""
    return step <= FIRST or step % (OFTEN if step <= SELDOM else SELDOM) == 0


def shift(now: TrainingState) -> Mapping[str, Any]:
    """Internal covariate shift of all layers from the second on, also under `SHORT` times the step.

    A layer's parameters include those of its normalisation.  Nothing is recorded at other steps
    than those of `is_measured`.
    """
    if not is_measured(now.step):
        return {}
    model = _network(now)
    given = (model, now.loss, now.inputs, now.targets)
    layers = _parameters(model)

    def rows(rate: float) -> dict[str, Any]:
        shifts = covariate_shift(*given, sgd_step(*given, rate=rate), layers)[1:]
        names = ("distance", "relative", "cosine", "length")
        return {name: [getattr(layer, name) for layer in shifts] for name in names}

    return rows(now.rate) | {"short": rows(SHORT * now.rate)}


def earth_mover(now: TrainingState) -> Mapping[str, Any]:
    """How far one update moves the activations of the layers `MOVED`.

    ``whole``: mean over units of the earth mover's distance divided by the deviation before.
    ``earlier``: the same with only the parameters before the layer's normalisation updated.
    ``largest``: its largest value over units, in units of the scale: BN's |gamma|, or without BN
    the deviation before.  ``whole at long``, ``largest at long``: the same for `LONG` times the
    step.
    """
    if not is_measured(now.step):
        return {}
    model = _network(now)
    given = (model, now.loss, now.inputs, now.targets)
    places = {id(module): name for name, module in model.named_modules()}
    modules = [model.activation(number) for number in MOVED if number < model.depth]
    names = [places[id(module)] for module in modules]
    usual, far = (
        activation_shift(model, now.inputs, sgd_step(*given, rate=factor * now.rate), names)
        for factor in (1.0, LONG)
    )
    pairs = list(zip(modules, names, strict=True))
    return {
        "whole": [usual[name].whole.relative for name in names],
        "earlier": [usual[name].earlier.relative for name in names],
        "whole at long": [far[name].whole.relative for name in names],
        "largest": [_largest(usual[name].earlier, module) for module, name in pairs],
        "largest at long": [_largest(far[name].earlier, module) for module, name in pairs],
    }


def activations(now: TrainingState) -> Mapping[str, Any]:
    """Mean, deviation and quantiles of some units of the layers `SHOWN` on the reference batch.

    The network is in training mode: with batch statistics and new noise.
    """
    model = _network(now)
    places = {id(module): name for name, module in model.named_modules()}
    shown = [number for number in SHOWN if number < model.depth]
    names = [places[id(model.activation(number))] for number in shown]
    with undisturbed(model), torch.no_grad(), outputs_of(model, names) as outputs:
        torch.manual_seed(now.step)
        model(now.reference)
    return {str(number): _sketch(outputs[name]) for number, name in zip(shown, names, strict=True)}


def as_trained(now: TrainingState) -> Mapping[str, Any]:
    """The evaluation in training mode: with batch statistics, and noise if there is any.

    Evaluation mode omits the noise, but its running statistics were collected with it.
    """
    with undisturbed(now.model):
        torch.manual_seed(now.step)
        return dict(now.evaluate(now.model))


SHIFT_CALLBACKS: Final[dict[str, Callback]] = {
    "shift": shift,
    "earth mover": earth_mover,
    "activations": activations,
    "as trained": as_trained,
}


def _network(now: TrainingState) -> Network:
    model = now.model
    if not isinstance(model, Network):
        raise TypeError(
            f"a {type(model).__name__}: must be one of bnproof.empirical.networks.table"
        )
    return model


def _parameters(model: Network) -> list[list[str]]:
    """Names of the parameters of each layer, including those of its normalisation."""
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    return [
        [names[id(p)] for module in dict.fromkeys(pair) for p in module.parameters()]
        for pair in model.numbered()
    ]


def _largest(moved: Moved, module: nn.Module) -> float:
    """Largest distance over the units, in units of their scale; 0 if all are constant."""
    scale = moved.deviations
    if isinstance(module, _BatchNorm):
        scale = module.weight.detach().double().abs().cpu()
    varied = scale > 0
    return (moved.distances[varied] / scale[varied]).max().item() if varied.any() else 0.0


def _sketch(values: Tensor) -> dict[str, Any]:
    """Means, deviations and quantiles of some rows of (units, samples)."""
    units = torch.linspace(0, len(values) - 1, min(UNITS, len(values))).round().long()
    chosen = values[units]
    levels = (torch.arange(POINTS, dtype=chosen.dtype) + 0.5) / POINTS
    return {
        "mean": chosen.mean(1).tolist(),
        "deviation": chosen.std(1, correction=0).tolist(),
        "quantiles": chosen.quantile(levels, dim=1).T.tolist(),
    }
