"""The update at which training diverges, and the activations along it (S3, figure 4)."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from bnproof.empirical.metrics.objective import Loss, Objective, Parts
from bnproof.empirical.networks.undisturbed import captured


@dataclass(frozen=True, eq=False)
class Update:
    """One update of a training run.

    Attributes
    ----------
    number
        Number of the update, starting at 1.
    before, after
        The parameters that require a gradient, in the order of ``model.parameters()``.
    loss_before, loss_after
        Losses of two successive mini-batches: that on which the update was computed, before the
        update, and the next one after it; NaN if not measured.
    """

    number: int
    before: Parts
    after: Parts
    loss_before: float
    loss_after: float = math.nan

    @property
    def length(self) -> float:
        """Length of the difference of the parameters."""
        moved = zip(self.before, self.after, strict=True)
        return math.sqrt(sum((new - old).double().square().sum().item() for old, new in moved))

    def at(self, share: float) -> Parts:
        """The parameters with this share of the update applied; exact at 0 and 1."""
        if share == 1:
            return self.after
        return tuple(
            old + share * (new - old) for old, new in zip(self.before, self.after, strict=True)
        )


def diverging_update(
    model: nn.Module, step: Callable[[], float], *, limit: float, at_most: int
) -> Update | None:
    """Train until an update raises the loss of the next mini-batch above `limit`.

    Parameters
    ----------
    model
        The model to train; it is left as it was when the training stopped.
    step
        Takes one step on the next mini-batch, and returns its loss before that:
        `bnproof.empirical.training.loop.Trainer.update`.
    limit
        A loss that exceeds both `limit` and the loss before the update, or is NaN, counts as
        divergence.
    at_most
        Maximum number of updates, at least 1.

    Returns
    -------
    Update or None
        The first update followed by such a loss, or None.

    Raises
    ------
    ValueError
        If `at_most` is below 1.
    """
    if at_most < 1:
        raise ValueError(f"at_most {at_most}: must be at least 1")
    before, last = _parameters(model), step()
    for number in range(1, at_most + 1):
        after = _parameters(model)
        loss = step()
        if not loss <= max(limit, last):
            return Update(number, before, after, last, loss)
        before, last = after, loss
    return None


def nth_update(model: nn.Module, step: Callable[[], float], number: int) -> Update:
    """Train for `number` updates and return the last; arguments as for `diverging_update`.

    The loss after it is not measured.

    Raises
    ------
    ValueError
        If `number` is below 1.
    """
    if number < 1:
        raise ValueError(f"update {number}: must be at least 1")
    for _ in range(number - 1):
        step()
    before = _parameters(model)
    last = step()
    return Update(number, before, _parameters(model), last)


def inflation(model: nn.Module, factor: float, number: int) -> Update:
    """An update of this number, not taken, that multiplies all matrices and kernels by `factor`.

    The losses are not measured.
    """
    before = _parameters(model)
    after = tuple(factor * weight if weight.dim() > 1 else weight for weight in before)
    return Update(number, before, after, math.nan)


@dataclass(frozen=True, eq=False)
class Replay:
    """A network on one mini-batch with increasing shares of an update applied.

    Attributes
    ----------
    shares
        Shares of the update.
    losses
        The loss at each share.
    means, variances
        Moments of every channel of each layer over (b, x, y), of shape (shares, channels), float64
        on the CPU; the variance is the biased one that BN divides by.
    """

    shares: tuple[float, ...]
    losses: tuple[float, ...]
    means: Mapping[int, Tensor]
    variances: Mapping[int, Tensor]


def replay(
    model: nn.Module,
    loss: Loss,
    inputs: Tensor,
    targets: Tensor,
    *,
    update: Update,
    layers: Mapping[int, nn.Module],
    shares: Sequence[float],
) -> Replay:
    """Apply shares of an update and measure the outputs of some layers; the model stays unchanged.

    Parameters
    ----------
    model, loss, inputs, targets
        As `bnproof.empirical.metrics.objective.Objective`, with batch statistics.
    update
        An update of this model.
    layers
        Modules of the model by number, with outputs (b, channels, ...).
    shares
        Shares of the update, at least 0; above 1 the update is extrapolated.

    Raises
    ------
    ValueError
        As `Objective`, or if a share is negative or not finite.

    Notes
    -----
    Where activations overflow, losses and moments are not finite.
    """
    if not all(0 <= share < math.inf for share in shares):
        raise ValueError(f"shares {list(shares)}: must be finite and at least 0")
    objective = Objective(model, loss, inputs, targets)
    losses: list[float] = []
    moments: dict[int, list[tuple[Tensor, Tensor]]] = {number: [] for number in layers}
    for share in shares:
        with objective.mode(), torch.no_grad(), captured(layers) as (_, outputs):
            losses.append(objective.value(*update.at(share)).item())
        for number, output in outputs.items():
            moments[number].append(_moments(output))
    return Replay(
        shares=tuple(shares),
        losses=tuple(losses),
        means={n: torch.stack([mean for mean, _ in rows]) for n, rows in moments.items()},
        variances={n: torch.stack([var for _, var in rows]) for n, rows in moments.items()},
    )


def _parameters(model: nn.Module) -> Parts:
    return tuple(p.detach().clone() for p in model.parameters() if p.requires_grad)


def _moments(output: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and biased variance of each channel."""
    axes = [axis for axis in range(output.dim()) if axis != 1]
    variance, mean = torch.var_mean(output.double(), dim=axes, correction=0)
    return mean.cpu(), variance.cpu()
