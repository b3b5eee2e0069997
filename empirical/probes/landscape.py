"""The loss along the gradient, and how far the gradient there can be trusted (A18, section 3.1).

What is measured is what `theory.definitions` defines, on the path ``w - eta g``: g is the gradient
at w, the batch is one and the same, and eta runs over the given step sizes.

Protocols in circulation that measure something else: gradients of consecutive training steps
(another batch, and a step that momentum has bent); smallest and largest loss over runs that
were trained at different rates; steps uphill, along plus the gradient.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from empirical.probes.objective import Loss, Objective, Statistics, flatten, inner
from theory import definitions


@dataclass(frozen=True)
class Path:
    """The loss on one path, as `losses_along_gradient` measures it.

    A loss that is not finite is recorded as it came, and is never left out.

    Attributes
    ----------
    rates
        The step sizes eta.
    loss, length
        Loss and length of the gradient at w.
    losses
        The loss at each ``w - eta g``.
    """

    rates: tuple[float, ...]
    loss: float
    length: float
    losses: tuple[float, ...]

    def largest_descent(self, rounding: float = 0.0) -> float:
        """Largest step size up to which every step size of the path lowers the loss, or 0.

        Contiguous from 0: a huge step may kill every unit and leave a constant output, whose loss
        is lower than the first one and from which nothing is learned.  A loss that is higher by
        less than the share `rounding` counts as lowered: steps too small for the arithmetic.
        """
        reached = 0.0
        for rate, loss in sorted(zip(self.rates, self.losses, strict=True)):
            if not loss < self.loss * (1 + rounding):
                break
            reached = rate
        return reached


@dataclass(frozen=True)
class Landscape(Path):
    """Loss and gradients on one path, as `along_gradient` measures them.

    What is not finite makes what depends on it infinite.

    Attributes
    ----------
    changes
        ``|g(w) - g(w - eta g)|``: gradient predictiveness, smaller is better.
    variation
        Smallest and largest loss on the path, w included.
    beta
        Effective beta: the largest ``|g(w) - g(w - eta g)|/(eta |g|)``.
    """

    changes: tuple[float, ...]
    variation: tuple[float, float]
    beta: float


def losses_along_gradient(
    model: nn.Module,
    loss: Loss,
    inputs: Tensor,
    targets: Tensor,
    rates: Sequence[float],
    *,
    statistics: Statistics = "batch",
) -> Path:
    """Walk as `along_gradient` does, one forward pass for each step; arguments and errors as there.

    Takes about a third of the time, for the loss alone.
    """
    objective, start, gradient, first = _first(model, loss, inputs, targets, rates, statistics)
    losses = []
    with objective.mode(), torch.no_grad():
        for rate in rates:
            losses.append(objective.value(*objective.parts(start - rate * gradient)).item())
    return Path(losses=tuple(losses), **first)


def along_gradient(
    model: nn.Module,
    loss: Loss,
    inputs: Tensor,
    targets: Tensor,
    rates: Sequence[float],
    *,
    statistics: Statistics = "batch",
) -> Landscape:
    """Walk from the model's parameters along minus the gradient; the model is left as it is.

    Parameters
    ----------
    model, loss, inputs, targets, statistics
        As `empirical.probes.objective.Objective`.
    rates
        Step sizes eta, positive.

    Raises
    ------
    ValueError
        As `Objective`, or if `rates` is empty or one is not positive and finite.
    FloatingPointError
        If the gradient at the start is 0 or not finite.
    """
    objective, start, gradient, first = _first(model, loss, inputs, targets, rates, statistics)
    losses, gradients = [first["loss"]], [gradient.double()]
    for rate in rates:
        there, moved = objective.gradient(objective.parts(start - rate * gradient))
        losses.append(there)
        gradients.append(flatten(moved).double())
    points = [-rate * gradient.double() for rate in (0.0, *rates)]
    return Landscape(
        losses=tuple(losses[1:]),
        changes=tuple(_or_infinite(x) for x in definitions.predictiveness(gradients, inner)),
        variation=definitions.loss_variation([_or_infinite(x) for x in losses]),
        beta=max(
            _or_infinite(definitions.effective_smoothness(pair, ends, inner))
            for pair, ends in _from_start(gradients, points)
        ),
        **first,
    )


def _first(
    model: nn.Module,
    loss: Loss,
    inputs: Tensor,
    targets: Tensor,
    rates: Sequence[float],
    statistics: Statistics,
) -> tuple[Objective, Tensor, Tensor, dict[str, Any]]:
    """The objective, the point w and the gradient there, both flat, and what a `Path` begins with.

    Raises as `along_gradient`.
    """
    if not rates or not all(0 < rate < math.inf for rate in rates):
        raise ValueError(f"rates {list(rates)}: give one or more positive, finite step sizes")
    objective = Objective(model, loss, inputs, targets, statistics=statistics)
    value, parts = objective.gradient(objective.point)
    gradient = flatten(parts)
    length = definitions.length(gradient.double(), inner)
    if not 0 < length < math.inf:
        raise FloatingPointError(f"the gradient has length {length}: it gives no direction")
    first = {"rates": tuple(rates), "loss": value, "length": length}
    return objective, flatten(objective.point), gradient, first


def _from_start(
    gradients: list[Tensor], points: list[Tensor]
) -> list[tuple[list[Tensor], list[Tensor]]]:
    """Each step of a path by itself, so that one that is not finite hides no other."""
    return [
        ([gradients[0], g], [points[0], w]) for g, w in zip(gradients[1:], points[1:], strict=True)
    ]


def _or_infinite(value: float) -> float:
    return value if math.isfinite(value) else math.inf
