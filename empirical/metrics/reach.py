"""How far along minus the gradient every step lowers the loss, to a stated precision."""

import math
from collections.abc import Iterator, Mapping
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
    losses
        At the steps of the span that were looked at, the smallest first.
    gradient
        g, by the names of the parameters.
    """

    step: float
    loss: float
    losses: tuple[float, ...]
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
    ceiling: float | None = None,
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
    ceiling
        Where given, the walk through the span goes on beyond the end of the descent, until a loss
        is not below it.

    Raises
    ------
    ValueError
        As `Objective`, or if `span`, `steps` or `finer` is out of range.

    Notes
    -----
    One gradient, and a forward pass for each step size.  The descent ends at the first step that
    does not lower the loss: a huge one may kill every unit and leave a constant, lower loss, from
    which nothing is learned.
    """
    first, last = span
    if not 0 < first <= last < math.inf:
        raise ValueError(f"span {span}: give the smallest and the largest step size, both positive")
    if steps < 1 or finer < 1:
        raise ValueError(f"steps {steps}, finer {finer}: both must be at least 1")
    objective = Objective(model, loss, inputs, targets, statistics=statistics)
    start, parts = objective.gradient(objective.point)
    point, gradient = flatten(objective.point), flatten(parts)

    def at(step: float) -> float:
        # A mode for each: it begins the random numbers of random layers anew.
        with objective.mode(), torch.no_grad():
            return objective.value(*objective.parts(point - step * gradient)).item()

    def lower(value: float) -> bool:
        return value < start * (1 + rounding)

    # Rounding must not take off the step that ends the span.
    count = math.floor(steps * math.log10(last / first) + 1e-9) + 1
    reached, losses, ended = 0.0, [], False
    for size in _sizes(first, 10 ** (1 / steps), count):
        losses.append(at(size))
        ended = ended or not lower(losses[-1])
        if not ended:
            reached = size
        elif ceiling is None or not losses[-1] < ceiling:
            break
    if ended and reached:
        factor = 10 ** (1 / (steps * finer))
        for size in _sizes(reached * factor, factor, finer - 1):
            if not lower(at(size)):
                break
            reached = size
    return Reach(reached, start, tuple(losses), dict(zip(objective.names, parts, strict=True)))


def _sizes(first: float, factor: float, count: int) -> Iterator[float]:
    """So many sizes, each larger than the one before by a factor."""
    for _ in range(count):
        yield first
        first *= factor
