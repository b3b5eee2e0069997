"""The loss along the gradient, and how far the gradient there can be trusted (A18, section 3.1).

The quantities are defined in `bnproof.theory.training.smoothness` and measured on the path
``w - eta g``, where g is the gradient at w, the batch is fixed, and eta runs over the given step
sizes.

Other protocols in use measure something else: gradients of consecutive training steps (on different
batches, with steps altered by momentum); the range of losses over runs trained at different rates;
steps uphill, along the positive gradient.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn

from bnproof.empirical.metrics.objective import Loss, Objective, Statistics, flatten, inner
from bnproof.theory.training import smoothness as definitions

# A18, appendix A: step sizes for VGG and the deep linear network, divided by the learning rate.
VGG_SPAN: Final = (0.5, 4.0)
DLN_SPAN: Final = (0.01, 30.0)
# A18, caption of figure 4: the largest distance on VGG is 0.4 times the gradient.  At A18's rate
# of 0.1 that is the upper end of `VGG_SPAN`; at 0.5 it is less.
VGG_CAP: Final = 0.4
STEPS: Final = 8


@dataclass(frozen=True)
class Path:
    """The loss on one path, as `losses_along_gradient` measures it.

    Losses that are not finite are recorded as they are, never left out.

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

    @property
    def extremes(self) -> tuple[float, float]:
        """Smallest and largest loss at the steps, without w; infinite if not finite."""
        smallest, largest = definitions.loss_variation([_or_infinite(x) for x in self.losses])
        return smallest, largest

    @property
    def broken(self) -> int:
        """Number of steps at which the loss is not finite."""
        return sum(not math.isfinite(loss) for loss in self.losses)

    def largest_descent(self, rounding: float = 0.0) -> float:
        """Largest step size up to which every step size of the path lowers the loss, or 0.

        A huge step may kill every unit and leave a constant output with a lower loss, from which
        nothing can be learned; so all smaller steps must lower the loss too.  A relative increase
        below `rounding` counts as a decrease: it is due to the arithmetic at small steps.
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

    Quantities that depend on non-finite values are infinite, including gradients where the loss is
    not finite.

    Attributes
    ----------
    changes
        ``|g(w) - g(w - eta g)|``: gradient predictiveness; smaller is better.
    variation
        Smallest and largest loss on the path, w included.
    beta
        Effective beta: the largest ``|g(w) - g(w - eta g)|/(eta |g|)``.
    """

    changes: tuple[float, ...]
    variation: tuple[float, float]
    beta: float

    @property
    def predictiveness(self) -> tuple[float, float]:
        """Smallest and largest change of the gradient at the steps."""
        return min(self.changes), max(self.changes)


@dataclass(frozen=True)
class Checkpoint(Landscape):
    """The landscape at one point of a training run, as measured by `gradient_landscape`.

    Attributes
    ----------
    rate
        Learning rate of the training.
    """

    rate: float

    @property
    def beta_rate(self) -> float:
        """``beta * rate``: about 2 at the edge of stability, whatever the network."""
        return self.beta * self.rate


def gradient_landscape(
    model: nn.Module,
    loss: Loss,
    inputs: Tensor,
    targets: Tensor,
    *,
    rate: float,
    span: tuple[float, float] = VGG_SPAN,
    steps: int = STEPS,
    cap: float | None = None,
    length: float | None = None,
    statistics: Statistics = "batch",
) -> Checkpoint:
    """Landscape at one point of a training run, at step sizes proportional to its learning rate.

    Parameters
    ----------
    model, loss, inputs, targets, statistics
        As `bnproof.empirical.metrics.objective.Objective`.
    rate
        Learning rate of the training.  To compare networks trained at different rates, pass the
        same rate for both.
    span
        Smallest and largest step size divided by `rate`; `VGG_SPAN` and `DLN_SPAN` are A18's.
    steps
        Number of step sizes, equally spaced in the logarithm (A18 does not say).
    cap
        Largest step size allowed, where the span then ends; `VGG_CAP` is A18's.
    length
        For comparisons at matched step length: steps have `span` times this length in w, that is,
        ``eta = span * length/|g|``, whatever the rate.

    Raises
    ------
    ValueError
        As `Objective`; if a number is not positive and finite; or if `cap` is below the span.
    FloatingPointError
        If the gradient at the start is 0 or not finite.

    Notes
    -----
    Takes one gradient per step plus one: 10 s on VGG-A with a batch of 128 on one core.  In
    float32 the relative error of a gradient is about 1e-6, hence the error of beta about 1e-6
    divided by the smallest step size, and that of `beta_rate` 1e-6 divided by the lower end of the
    span.

    Examples
    --------
    >>> import bnproof, torch
    >>> from torch import nn
    >>> x, y = torch.tensor([[1.0, 0.0], [0.0, 2.0]]), torch.ones(2, 1)
    >>> net = nn.Linear(2, 1, bias=False)  # its loss has the Hessian 2/n X'X = diag(1, 4)
    >>> found = bnproof.gradient_landscape(net, nn.functional.mse_loss, x, y, rate=0.01, steps=3)
    >>> [round(rate, 4) for rate in found.rates]
    [0.005, 0.0141, 0.04]
    >>> found.loss > found.losses[0] > found.losses[-1]
    True
    >>> 1.0 <= round(found.beta, 3) <= 4.0  # between the eigenvalues of the Hessian
    True
    """
    for name, value in (("rate", rate), ("cap", cap), ("length", length)):
        if value is not None and not 0 < value < math.inf:
            raise ValueError(f"{name} {value}: must be positive and finite")
    if not 0 < span[0] <= span[1] < math.inf:
        raise ValueError(f"span {span}: must be two positive factors, the smaller first")
    if steps < 1:
        raise ValueError(f"steps {steps}: must be at least 1")
    walk = _Walk(model, loss, inputs, targets, statistics)
    unit = rate if length is None else length / walk.length
    last = span[1] * unit if cap is None else min(cap, span[1] * unit)
    if last < span[0] * unit:
        raise ValueError(f"cap {cap}: below the smallest step size, {span[0] * unit:.3g}")
    landscape = walk.landscape([float(eta) for eta in np.geomspace(span[0] * unit, last, steps)])
    return Checkpoint(**vars(landscape), rate=rate)


def losses_along_gradient(
    model: nn.Module,
    loss: Loss,
    inputs: Tensor,
    targets: Tensor,
    rates: Sequence[float],
    *,
    statistics: Statistics = "batch",
) -> Path:
    """Like `along_gradient`, but with one forward pass per step; same arguments and errors.

    Measures only the loss, in about a third of the time.
    """
    _require(rates)
    walk = _Walk(model, loss, inputs, targets, statistics)
    losses = []
    for rate in rates:
        # Entering the mode resets the random numbers of random layers.
        with walk.objective.mode(), torch.no_grad():
            losses.append(walk.objective.value(*walk.at(rate)).item())
    return Path(losses=tuple(losses), **walk.start(rates))


def along_gradient(
    model: nn.Module,
    loss: Loss,
    inputs: Tensor,
    targets: Tensor,
    rates: Sequence[float],
    *,
    statistics: Statistics = "batch",
) -> Landscape:
    """Walk from the model's parameters along the negative gradient; the model is left unchanged.

    Parameters
    ----------
    model, loss, inputs, targets, statistics
        As `bnproof.empirical.metrics.objective.Objective`.
    rates
        Step sizes eta, positive.

    Raises
    ------
    ValueError
        As `Objective`, or if `rates` is empty or contains a value that is not positive and finite.
    FloatingPointError
        If the gradient at the start is 0 or not finite.
    """
    _require(rates)
    return _Walk(model, loss, inputs, targets, statistics).landscape(rates)


class _Walk:
    """Points ``w - eta g`` from the model's parameters w; raises as `along_gradient`."""

    def __init__(
        self, model: nn.Module, loss: Loss, inputs: Tensor, targets: Tensor, statistics: Statistics
    ) -> None:
        self.objective = Objective(model, loss, inputs, targets, statistics=statistics)
        self.loss, parts = self.objective.gradient(self.objective.point)
        self.gradient = flatten(parts)
        self.length = definitions.length(self.gradient.double(), inner)
        if not 0 < self.length < math.inf:
            raise FloatingPointError(
                f"the gradient has length {self.length}: it defines no direction"
            )
        self._point = flatten(self.objective.point)

    def at(self, rate: float) -> tuple[Tensor, ...]:
        """The point at one step size."""
        return self.objective.parts(self._point - rate * self.gradient)

    def start(self, rates: Sequence[float]) -> dict[str, Any]:
        """The fields of a `Path` that describe its start."""
        return {"rates": tuple(rates), "loss": self.loss, "length": self.length}

    def landscape(self, rates: Sequence[float]) -> Landscape:
        """Loss and gradient at each step size; two gradients are stored at a time."""
        first = self.gradient.double()
        losses: list[float] = []
        changes: list[float] = []
        betas: list[float] = []
        for rate in rates:
            loss, parts = self.objective.gradient(self.at(rate))
            pair = [first, flatten(parts).double()]
            ends = [torch.zeros_like(first), -rate * first]
            losses.append(loss)
            # Autograd may return a gradient of 0 where the loss is NaN.
            there = math.isfinite(loss)
            changes += definitions.predictiveness(pair, inner) if there else [math.inf]
            betas.append(definitions.effective_smoothness(pair, ends, inner) if there else math.inf)
        return Landscape(
            losses=tuple(losses),
            changes=tuple(_or_infinite(change) for change in changes),
            variation=definitions.loss_variation([_or_infinite(x) for x in (self.loss, *losses)]),
            beta=max(_or_infinite(beta) for beta in betas),
            **self.start(rates),
        )


def _require(rates: Sequence[float]) -> None:
    if not rates or not all(0 < rate < math.inf for rate in rates):
        raise ValueError(f"rates {list(rates)}: must be one or more positive, finite step sizes")


def _or_infinite(value: float) -> float:
    return value if math.isfinite(value) else math.inf
