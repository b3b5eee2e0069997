"""A callback that measures the subtracted terms of Theorems 4.1 and 4.2 layer by layer."""

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

SELDOM: Final = 100  # curvatures and the control are measured at multiples of this step
UNITS: Final = 4  # units of each layer whose curvatures are measured


class Normalised(nn.Module):
    """A network whose output consists of the outputs of its normalisations, one row per sample.

    With half the squared length as the loss, the gradient at each of these outputs is the output
    itself: changes passed on to later layers are normalised there and do not change their length.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        """Map a batch to (b, all entries of all normalised activations)."""
        outputs: list[Tensor] = []
        layers = [
            m for m in self.network.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)
        ]
        handles = [
            layer.register_forward_hook(lambda _layer, _given, out: outputs.append(out.flatten(1)))
            for layer in layers
        ]
        try:
            self.network(x)
        finally:
            for handle in handles:
                handle.remove()
        return torch.cat(outputs, 1)


def half_square(outputs: Tensor, _targets: Tensor) -> Tensor:
    """Half the squared length."""
    return outputs.square().sum() / 2


def theorems(now: TrainingState) -> Mapping[str, Any]:
    """Shares of the two subtracted terms at every layer; sometimes curvatures and a control too.

    The control is the loss `half_square` of `Normalised`: its gradient is the activation, so the
    two terms remove all of it.
    """
    seldom = now.step % SELDOM == 0
    model, loss, inputs, targets = now.model, now.loss, now.inputs, now.targets
    try:
        terms = theorem_terms(model, loss, inputs, targets, curvature=UNITS if seldom else 0)
        shares = _first([*terms.values()])
        if seldom:
            shares["curvature"] = _second([*terms.values()])
            others = theorem_terms(Normalised(model), half_square, inputs, targets)
            shares["control"] = _first([*others.values()])
    except FloatingPointError as error:
        return {"failure": str(error)}
    return shares


def _first(layers: list[LayerTerms]) -> dict[str, Any]:
    """Theorem 4.1, one number per layer."""
    reductions = [layer.reduction for layer in layers]
    broken = [layer.sides[santurkar_4_1_eps.CLAIM.id].violated for layer in layers]
    return {
        "mean": [row.mean for row in reductions],
        "hat": [row.hat for row in reductions],
        "measured": [row.measured for row in reductions],
        "chance": [2 * layer.chance for layer in layers],
        "factor": [(layer.gamma / layer.s).abs().median().item() for layer in layers],
        "lowers": [layer.lowers.double().mean().item() for layer in layers],
        "broken": [int(row.sum()) for row in broken],
    }


def _second(layers: list[LayerTerms]) -> dict[str, Any]:
    """Theorem 4.2, summed over units: the subtracted term divided by the absolute first term."""
    curves = [layer.curvature for layer in layers if layer.curvature is not None]
    return {
        "subtracted": [
            (curvature.subtracted.sum() / curvature.scaled.abs().sum()).item()
            for curvature in curves
        ],
        "broken": [
            int(curvature.sides[santurkar_4_2_eps.CLAIM.id].violated.sum()) for curvature in curves
        ],
        "units": [len(curvature.units) for curvature in curves],
    }


THEOREM_CALLBACKS: Final = {"theorems": theorems}
