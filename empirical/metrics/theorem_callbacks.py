"""What the reductions of Theorems 4.1 and 4.2 come to, layer by layer, as a watch in training."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from bnproof.empirical.metrics.step import TrainingState
from bnproof.empirical.metrics.theorems import LayerTerms, theorem_terms
from bnproof.theory.claims.gradient import santurkar_4_1_eps
from bnproof.theory.claims.hessian import santurkar_4_2_eps

Array = NDArray[np.float64]

SELDOM: Final = 100  # curvatures and the control are measured at the steps that this divides
UNITS: Final = 4  # of each layer, whose curvatures are measured


class Normalised(nn.Module):
    """A network whose output is what its normalisations put out, each sample in a row.

    With half the squared length as loss, the gradient at each of those outputs is the output: what
    goes on to later layers is normalised there, so that its length is constant.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        """Map a batch to (b, all entries of all normalised activations)."""
        found: list[Tensor] = []
        layers = [
            m for m in self.network.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)
        ]
        handles = [
            layer.register_forward_hook(lambda _layer, _given, out: found.append(out.flatten(1)))
            for layer in layers
        ]
        try:
            self.network(x)
        finally:
            for handle in handles:
                handle.remove()
        return torch.cat(found, 1)


def half_square(outputs: Tensor, _targets: Tensor) -> Tensor:
    """Half the squared length."""
    return outputs.square().sum() / 2


def theorems(now: TrainingState) -> Mapping[str, Any]:
    """Shares of the two reductions at every layer; seldom also curvatures, and a control.

    The control is the loss `half_square` of `Normalised`: its gradient is the activation, so the
    reductions take off all of it.
    """
    seldom = now.step % SELDOM == 0
    model, loss, inputs, targets = now.model, now.loss, now.inputs, now.targets
    try:
        terms = theorem_terms(model, loss, inputs, targets, curvature=UNITS if seldom else 0)
        found = _first([*terms.values()])
        if seldom:
            found["curvature"] = _second([*terms.values()])
            others = theorem_terms(Normalised(model), half_square, inputs, targets)
            found["control"] = _first([*others.values()])
    except FloatingPointError as error:
        return {"failure": str(error)}
    return found


def _first(layers: list[LayerTerms]) -> dict[str, Any]:
    """Theorem 4.1: a number for each layer."""
    reductions = [layer.reduction for layer in layers]
    broken = [layer.sides[santurkar_4_1_eps.CLAIM.id].violated for layer in layers]
    return {
        "mean": [one.mean for one in reductions],
        "hat": [one.hat for one in reductions],
        "measured": [one.measured for one in reductions],
        "chance": [2 * layer.chance for layer in layers],
        "factor": [(layer.gamma / layer.s).abs().median().item() for layer in layers],
        "lowers": [layer.lowers.double().mean().item() for layer in layers],
        "broken": [int(one.sum()) for one in broken],
    }


def _second(layers: list[LayerTerms]) -> dict[str, Any]:
    """Theorem 4.2, units summed: what is subtracted, over the first term's absolute value."""
    curves = [layer.curvature for layer in layers if layer.curvature is not None]
    return {
        "subtracted": [(one.subtracted.sum() / one.scaled.abs().sum()).item() for one in curves],
        "broken": [int(one.sides[santurkar_4_2_eps.CLAIM.id].violated.sum()) for one in curves],
        "units": [len(one.units) for one in curves],
    }


THEOREM_WATCHES: Final = {"theorems": theorems}
