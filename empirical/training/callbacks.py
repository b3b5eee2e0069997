"""Measurements made during a training run, by the name used in its configuration."""

import copy
from collections.abc import Mapping
from typing import Any, Final

import torch

from bnproof.empirical.metrics import curvature
from bnproof.empirical.metrics.landscape import DLN_SPAN, gradient_landscape
from bnproof.empirical.metrics.shift_callbacks import SHIFT_CALLBACKS
from bnproof.empirical.metrics.smoothness import surface
from bnproof.empirical.metrics.step import Callback, TrainingState
from bnproof.empirical.metrics.theorem_callbacks import THEOREM_CALLBACKS
from bnproof.theory.common.errors import one_of

SELDOM: Final = 100  # `sharpness` is measured at multiples of this step, being the most expensive
STEPS: Final = 4  # on each path of `landscape`
PATH: Final = 12  # on the path of `linear_landscape`
LENGTH: Final = 0.1  # of a step in w, to compare networks at equal step length


def landscape(now: TrainingState) -> Mapping[str, Any]:
    """Loss and gradient along the gradient, at steps proportional to the learning rate."""
    return _summary(now, steps=STEPS)


def landscape_at_length(now: TrainingState) -> Mapping[str, Any]:
    """The same at steps of `VGG_SPAN` times `LENGTH` in w, whatever the rate and the gradient."""
    return _summary(now, steps=STEPS, length=LENGTH)


def linear_landscape(now: TrainingState) -> Mapping[str, Any]:
    """As `landscape`, at the step sizes of A18's deep linear network."""
    return _summary(now, steps=PATH, span=DLN_SPAN)


def sharpness(now: TrainingState) -> Mapping[str, Any]:
    """Largest eigenvalue of the Hessian on the batch, and the curvature along its gradient."""
    if now.step % SELDOM:
        return {}
    # Double backward takes half as long in this layout as in that of training.
    model = copy.deepcopy(now.model).to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]  # missing in PyTorch's stubs
    try:
        measured = curvature.sharpness(
            model, now.loss, now.inputs.contiguous(), now.targets, rate=now.rate
        )
    except ArithmeticError as error:  # a loss that is not finite, or no convergence
        return {"failure": str(error)}
    return {
        "eigenvalue": measured.eigenvalue,
        "along": measured.along,
        "residual": measured.residual,
    }


def _summary(now: TrainingState, **options: Any) -> Mapping[str, Any]:
    """Loss and gradient along the gradient; `options` as `gradient_landscape`."""
    try:
        measured = gradient_landscape(
            now.model, now.loss, now.inputs, now.targets, rate=now.rate, **options
        )
    except FloatingPointError as error:  # a gradient that is 0 or not finite
        return {"failure": str(error)}
    smallest, largest = measured.variation
    return {
        "loss": measured.loss,
        "length": measured.length,
        "smallest loss": smallest,
        "largest loss": largest,
        "variation": largest - smallest,
        "change": measured.predictiveness[1],
        "beta": measured.beta,
        "broken": measured.broken,
    }


CALLBACKS: Final[dict[str, Callback]] = {
    "landscape": landscape,
    "landscape at length": landscape_at_length,
    "linear landscape": linear_landscape,
    "sharpness": sharpness,
    "surface": surface,
    **SHIFT_CALLBACKS,
    **THEOREM_CALLBACKS,
}


def callback(name: str) -> Callback:
    """Return the callback of that name.

    Raises
    ------
    UserError
        If there is none.
    """
    one_of("metric", name, tuple(CALLBACKS))
    return CALLBACKS[name]
