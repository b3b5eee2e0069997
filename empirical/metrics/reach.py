"""How far along the negative gradient every step lowers the loss, to a given precision."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from bnproof.empirical.metrics.objective import Loss, Objective, Statistics, flatten


@dataclass(frozen=True, eq=False)
class Reach:
    """The gradient at w, and how far the loss falls along it.

    Attributes
    ----------
    step
        The largest tested step size eta up to which all ``w - eta g`` have a lower loss than w; 0
        if the smallest has not.
    loss
        Loss at w.
    losses
        Losses at the tested steps of the span, the smallest step first.
    gradient
        The gradient g, by parameter name.
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
    """Walk along the negative gradient while the loss is lower; the model is left unchanged.

    Parameters
    ----------
    model, loss, inputs, targets, statistics
        As `bnproof.empirical.metrics.objective.Objective`.
    span
        Smallest and largest step size.
    steps
        Number of step sizes per decade, equally spaced in the logarithm.
    finer
        Number of parts into which the interval in which the descent ends is divided.
    rounding
        A relative increase of the loss below this value counts as a decrease: it is due to the
        arithmetic at small steps.
    ceiling
        If given, the walk continues beyond the end of the descent until a loss is not below it.

    Raises
    ------
    ValueError
        As `Objective`, or if `span`, `steps` or `finer` is out of range.

    Notes
    -----
    Takes one gradient and one forward pass per step size.  The descent ends at the first step
    that does not lower the loss: a huge step may kill every unit and leave a constant, lower loss,
    from which nothing can be learned.
    """
    first, last = span
    if not 0 < first <= last < math.inf:
        raise ValueError(f"span {span}: must be two positive step sizes, the smaller first")
    if steps < 1 or finer < 1:
        raise ValueError(f"steps {steps}, finer {finer}: both must be at least 1")
    objective = Objective(model, loss, inputs, targets, statistics=statistics)
    start, parts = objective.gradient(objective.point)
    point, gradient = flatten(objective.point), flatten(parts)

    def at(step: float) -> float:
        # A mode for each: it restarts the random numbers of random layers.
        with objective.mode(), torch.no_grad():
            return objective.value(*objective.parts(point - step * gradient)).item()

    def lower(value: float) -> bool:
        return value < start * (1 + rounding)

    # Rounding must not drop the last step of the span.
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
    """Geometric sequence of `count` step sizes."""
    for _ in range(count):
        yield first
        first *= factor
