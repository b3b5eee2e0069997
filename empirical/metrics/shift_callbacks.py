"""What is watched of covariate shift: gradients, activations, and a network that is noisy.

Layers are counted as `bnproof.empirical.networks.table.Network` counts them.  The update is a plain
step of the moment's rate on the moment's batch.
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

FIRST, OFTEN, SELDOM = 2, 50, 1_000  # steps: what takes long looks at some of them only
SHORT: Final = 1e-4  # of the step, for an update that hardly shifts anything
LONG: Final = 100.0  # of the step, far beyond what any network is trained with
SHOWN: Final = (3, 9)  # layers whose activations S0 shows ("a closer look")
MOVED: Final = (3, 6, 9)  # layers whose activations are compared before and after an update
UNITS: Final = 12  # of each of these layers, evenly spaced
POINTS: Final = 25  # quantiles that stand for a distribution, at (k + 1/2)/POINTS


def is_watched(step: int) -> bool:
    """Whether `shift` and `earth_mover` look at this step: they take many passes."""
    return step <= FIRST or step % (OFTEN if step <= SELDOM else SELDOM) == 0


def shift(now: TrainingState) -> Mapping[str, Any]:
    """Internal covariate shift of layers 2 to the last, also under `SHORT` times the step.

    A layer's parameters are its weights and bias and those of its normalisation.  Nothing is
    recorded at steps that are not looked at, see `is_watched`.
    """
    if not is_watched(now.step):
        return {}
    model = _network(now)
    given = (model, now.loss, now.inputs, now.targets)
    layers = _parameters(model)

    def rows(rate: float) -> dict[str, Any]:
        found = covariate_shift(*given, sgd_step(*given, rate=rate), layers)[1:]
        names = ("distance", "relative", "cosine", "length")
        return {name: [getattr(layer, name) for layer in found] for name in names}

    return rows(now.rate) | {"short": rows(SHORT * now.rate)}


def earth_mover(now: TrainingState) -> Mapping[str, Any]:
    """How far one update moves the activations of the layers `MOVED`.

    ``whole``: mean over units of the earth mover's distance in units of the deviation before.
    ``earlier``: with only those parameters updated that act before the layer's normalisation.
    ``largest``: that over units instead of their mean, in units of the scale: BN's |gamma|, the
    deviation before where there is no BN.  ``whole at long``, ``largest at long``: the same for
    `LONG` times the step.
    """
    if not is_watched(now.step):
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
    """Mean, deviation and quantiles of some units of the layers `SHOWN`, on the reference batch.

    The network is in training mode: batch statistics, and noise that is drawn anew.
    """
    model = _network(now)
    places = {id(module): name for name, module in model.named_modules()}
    shown = [number for number in SHOWN if number < model.depth]
    names = [places[id(model.activation(number))] for number in shown]
    with undisturbed(model), torch.no_grad(), outputs_of(model, names) as found:
        torch.manual_seed(now.step)
        model(now.reference)
    return {str(number): _sketch(found[name]) for number, name in zip(shown, names, strict=True)}


def as_trained(now: TrainingState) -> Mapping[str, Any]:
    """The evaluation in training mode: the batches' own statistics, and noise where there is any.

    Evaluation mode leaves the noise out, but its running statistics were collected with it.
    """
    with undisturbed(now.model):
        torch.manual_seed(now.step)
        return dict(now.evaluate(now.model))


SHIFT_WATCHES: Final[dict[str, Callback]] = {
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
    """Names of the parameters of each layer, those of its normalisation among them."""
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
    """Some rows of (units, samples): their means, deviations and quantiles."""
    units = torch.linspace(0, len(values) - 1, min(UNITS, len(values))).round().long()
    chosen = values[units]
    levels = (torch.arange(POINTS, dtype=chosen.dtype) + 0.5) / POINTS
    return {
        "mean": chosen.mean(1).tolist(),
        "deviation": chosen.std(1, correction=0).tolist(),
        "quantiles": chosen.quantile(levels, dim=1).T.tolist(),
    }
