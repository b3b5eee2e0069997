"""Measurements made in the course of a training run, by the name that a recipe gives them."""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor, nn

from empirical.probes import curvature
from empirical.probes.landscape import gradient_landscape
from empirical.probes.objective import Loss
from empirical.protocols.shift_watches import SHIFT_WATCHES
from empirical.protocols.surfaces import surface
from empirical.protocols.theorem_watches import THEOREM_WATCHES
from theory.errors import UserError


@dataclass(frozen=True)
class Moment:
    """A network before its next step, the batch and learning rate of that step.

    `reference` are the inputs of step 0: the same at every moment of a run.  `evaluate` is what an
    evaluation of the run does with a function from inputs to outputs.
    """

    model: nn.Module
    loss: Loss
    inputs: Tensor
    targets: Tensor
    reference: Tensor
    evaluate: Callable[[Callable[[Tensor], Tensor]], Mapping[str, float]]
    rate: float
    step: int


# What is recorded of a moment.  It must leave the network as it is.
Watch = Callable[[Moment], Mapping[str, Any]]

SELDOM: Final = 100  # `sharpness` looks at the steps that this divides: it costs most
STEPS: Final = 4  # on each path of `landscape`
LENGTH: Final = 0.1  # of a step in w, for nets that are compared at steps of one length


def landscape(moment: Moment) -> Mapping[str, Any]:
    """Loss and gradient along the gradient, on steps in proportion to the rate of training."""
    return _summary(moment, length=None)


def landscape_at_length(moment: Moment) -> Mapping[str, Any]:
    """The same on steps of `VGG_SPAN` times `LENGTH` in w, whatever rate and gradient are."""
    return _summary(moment, length=LENGTH)


def sharpness(moment: Moment) -> Mapping[str, Any]:
    """Largest eigenvalue of the Hessian on the batch, and the curvature along its gradient."""
    if moment.step % SELDOM:
        return {}
    # Double backward takes half the time in this layout than in that of training.
    model = copy.deepcopy(moment.model).to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]  # missing in PyTorch's stubs
    try:
        found = curvature.sharpness(
            model, moment.loss, moment.inputs.contiguous(), moment.targets, rate=moment.rate
        )
    except ArithmeticError as error:  # a loss that is not finite, or no convergence
        return {"failure": str(error)}
    return {"eigenvalue": found.eigenvalue, "along": found.along, "residual": found.residual}


def _summary(moment: Moment, *, length: float | None) -> Mapping[str, Any]:
    try:
        found = gradient_landscape(
            moment.model,
            moment.loss,
            moment.inputs,
            moment.targets,
            rate=moment.rate,
            steps=STEPS,
            length=length,
        )
    except FloatingPointError as error:  # a gradient that is 0 or not finite
        return {"failure": str(error)}
    smallest, largest = found.variation
    return {
        "loss": found.loss,
        "length": found.length,
        "smallest loss": smallest,
        "largest loss": largest,
        "variation": largest - smallest,
        "change": found.predictiveness[1],
        "beta": found.beta,
        "broken": found.broken,
    }


WATCHES: Final[dict[str, Watch]] = {
    "landscape": landscape,
    "landscape at length": landscape_at_length,
    "sharpness": sharpness,
    "surface": surface,
    **SHIFT_WATCHES,
    **THEOREM_WATCHES,
}


def watch(name: str) -> Watch:
    """Return the measurement of that name.

    Raises
    ------
    UserError
        If there is none.
    """
    if name not in WATCHES:
        raise UserError(f"probe {name!r}: must be one of {', '.join(WATCHES)}")
    return WATCHES[name]
