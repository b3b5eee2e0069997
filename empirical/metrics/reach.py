"""How far along minus the gradient every step lowers the loss, to a stated precision."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from bnproof.empirical.metrics.objective import Loss, Objective, Statistics, flatten


@dataclass(frozen=True, eq=False)
class Reach:
    """The gradient at w, and the end of the descent along it.

    Attributes
    ----------
    step
        The largest step size eta, of those looked at, up to which all ``w - eta g`` have a lower
        loss than w; 0 if the smallest does not.
    loss
        At w.
    gradient
        g, by the names of the parameters.
    """

    step: float
    loss: float
    gradient: Mapping[str, Tensor]


def reach(
    model: nn.Module,
    loss: Loss,
    inputs: Tensor,
    targets: Tensor,
    *,
    span: tuple[float, float],
    steps: int,
    finer: int = 1,
    rounding: float = 0.0,
    statistics: Statistics = "batch",
) -> Reach:
    """Walk along minus the gradient until the loss is no longer lower; the model stays as it is.

    Parameters
    ----------
    model, loss, inputs, targets, statistics
        As `bnproof.empirical.metrics.objective.Objective`.
    span
        Smallest and largest step size that is looked at.
    steps
        Step sizes in a decade, equal in the logarithm.
    finer
        The interval in which the descent ends is walked through in so many parts.
    rounding
        A loss that is higher by less than this share counts as lower: steps too small for the
        arithmetic.

    Raises
    ------
    ValueError
        As `Objective`, or if `span`, `steps` or `finer` is out of range.

    Notes
    -----
    One gradient, and a forward pass for each step size.  The walk ends at the first step that does
    not lower the loss: a huge one may kill every unit and leave a constant, lower loss, from which
    nothing is learned.
    """
    first, last = span
    if not 0 < first <= last < math.inf:
        raise ValueError(f"span {span}: give the smallest and the largest step size, both positive")
    if steps < 1 or finer < 1:
        raise ValueError(f"steps {steps}, finer {finer}: both must be at least 1")
    objective = Objective(model, loss, inputs, targets, statistics=statistics)
    start, parts = objective.gradient(objective.point)
    point, gradient = flatten(objective.point), flatten(parts)

    def lowers(step: float) -> bool:
        # A mode for each: it begins the random numbers of random layers anew.
        with objective.mode(), torch.no_grad():
            value = objective.value(*objective.parts(point - step * gradient)).item()
        return value < start * (1 + rounding)

    def walk(reached: float, factor: float, count: int) -> float:
        for _ in range(count):
            if not lowers(reached * factor):
                break
            reached *= factor
        return reached

    reached = 0.0
    if lowers(first):
        # Rounding must not take off the step that ends the span.
        count = math.floor(steps * math.log10(last / first) + 1e-9)
        reached = walk(first, 10 ** (1 / steps), count)
        if reached * 10 ** (1 / steps) <= last * (1 + 1e-9):
            reached = walk(reached, 10 ** (1 / (steps * finer)), finer - 1)
    return Reach(reached, start, dict(zip(objective.names, parts, strict=True)))
