"""Distributions of activations: their moments, and how far one update moves them.

A18 shows distributions of activations through training (section 2.1; S0, "a closer look").  The
earth mover's distance as a measure of internal covariate shift is that of Huang and Yu (2020,
arXiv:2001.02814), named in S1, section 3.3.  Statistics are those that `Objective` names, those of
the batch unless told otherwise, whatever mode the model is in.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from torch import Tensor, nn

from bnproof.empirical.metrics.named import layers_of, order_of, outputs_of, parameters_before
from bnproof.empirical.metrics.objective import Objective, Parts, Statistics
from bnproof.empirical.metrics.shift import checked

LEVELS: Final = (0.01, 0.25, 0.5, 0.75, 0.99)


@dataclass(frozen=True, eq=False)
class Distribution:
    """Moments and quantiles of activations; float64 on the CPU, of shape (units,), or () pooled.

    Attributes
    ----------
    mean, variance
        The variance is the biased one that BN divides by.
    skewness, kurtosis
        Third and fourth central moment over the power 3/2 and 2 of the variance: 0 and 3 for a
        normal law.  NaN where all activations are equal: they have no shape.
    levels
        Of the quantiles, between 0 and 1.
    quantiles
        (levels, units), or (levels,) pooled; linear between the order statistics.
    """

    mean: Tensor
    variance: Tensor
    skewness: Tensor
    kurtosis: Tensor
    levels: tuple[float, ...]
    quantiles: Tensor


@dataclass(frozen=True, eq=False)
class ActivationMoments:
    """Activations of one layer on one batch.

    Attributes
    ----------
    units
        Each unit by itself, over (b, x, y) for images.
    pooled
        All units together, as a histogram of the layer shows them.
    """

    units: Distribution
    pooled: Distribution


def activation_moments(
    model: nn.Module,
    names: Sequence[str],
    inputs: Tensor,
    *,
    statistics: Statistics = "batch",
    levels: Sequence[float] = LEVELS,
) -> dict[str, ActivationMoments]:
    """Measure what the named layers put out on one batch; the model is left as it is.

    Parameters
    ----------
    model, inputs, statistics
        As `bnproof.empirical.metrics.objective.Objective`; there is no loss.
    names
        Modules as ``model.named_modules()`` names them.  A layer that a later one overwrites (a
        ReLU in place) is measured before that.
    levels
        Of the quantiles.

    Raises
    ------
    ValueError
        As `Objective`; if a name is unknown (the message has the nearest), a named layer is not
        reached or puts out no tensor (batch, units, ...), or a level is outside 0 to 1.

    Notes
    -----
    Where activations are not finite, the moments are not either, as they come.

    Examples
    --------
    >>> import bnproof, torch
    >>> from torch import nn
    >>> net = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3))
    >>> x, y = torch.randn(16, 4), torch.randint(3, (16,))
    >>> moments = bnproof.activation_moments(net, ["1"], x)["1"]
    >>> bool(moments.units.mean.abs().max() < 1e-5)
    True
    """
    if not levels or not all(0 <= level <= 1 for level in levels):
        raise ValueError(f"levels {list(levels)}: give one or more quantiles between 0 and 1")
    layers_of(model, names)
    objective = _without_loss(model, inputs, statistics)
    found = _outputs(model, objective, objective.point, names)
    return {
        name: ActivationMoments(
            units=_distribution(found[name], tuple(levels)),
            pooled=_distribution(found[name].flatten(), tuple(levels)),
        )
        for name in names
    }


@dataclass(frozen=True, eq=False)
class Moved:
    """How far the distribution of each unit of a layer moved; float64 on the CPU, (units,).

    Attributes
    ----------
    distances
        Earth mover's distance (1-Wasserstein) between the samples before and after, in the units
        of the activations; infinite where an activation is not finite.
    deviations
        Biased standard deviation before.
    """

    distances: Tensor
    deviations: Tensor

    @property
    def mean(self) -> float:
        """Mean over the units of the distance."""
        return self.distances.mean().item()

    @property
    def relative(self) -> float:
        """Mean over the units of the distance in units of the earlier deviation.

        Over units that varied before; `constant` counts the others.  NaN if none varied.
        """
        varied = self.deviations != 0  # NaN among them: it must show
        return (self.distances[varied] / self.deviations[varied]).mean().item()

    @property
    def constant(self) -> int:
        """How many units put out one value before, as a dead ReLU does."""
        return int((self.deviations == 0).sum())


@dataclass(frozen=True, eq=False)
class ActivationShift:
    """Earth mover's covariate shift of one layer under one update.

    Attributes
    ----------
    earlier
        With only the layers before it updated: what the layer sees of the others' update.
    whole
        With the whole network updated.
    """

    earlier: Moved
    whole: Moved


def activation_shift(
    model: nn.Module,
    inputs: Tensor,
    after: Sequence[Tensor],
    names: Sequence[str],
    *,
    statistics: Statistics = "batch",
) -> dict[str, ActivationShift]:
    """Earth mover's distance of activations before and after one update, on the same batch.

    Exact, not binned: between two samples of one size n the distance is ``mean |a_(i) - b_(i)|``
    over the sorted samples.  One forward pass a layer, and two.

    Parameters
    ----------
    model, inputs, statistics
        As `bnproof.empirical.metrics.objective.Objective`, the model before the update; there is no
        loss.
    after
        Its parameters that require a gradient, after the update, in the order of
        ``model.parameters()``: `bnproof.empirical.metrics.shift.sgd_step` has those of a plain
        step.
    names
        Layers, as ``model.named_modules()`` names them.  A layer comes before another if it is
        called before it; a parameter that a module enclosing the layer holds itself counts as not
        before it.

    Raises
    ------
    ValueError
        As `activation_moments`, or if `after` has another number or other shapes.

    Examples
    --------
    >>> import bnproof, torch
    >>> from torch import nn
    >>> net = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3))
    >>> x, y = torch.randn(16, 4), torch.randint(3, (16,))
    >>> from bnproof.empirical.metrics.shift import sgd_step
    >>> after = sgd_step(net, nn.functional.cross_entropy, x, y, rate=0.1)
    >>> shift = bnproof.activation_shift(net, x, after, ["0", "1"])
    >>> bool(shift["1"].whole.distances.max() > 0)
    True
    """
    layers_of(model, names)
    objective = _without_loss(model, inputs, statistics)
    moved = checked(objective, after)
    with order_of(model) as calls:
        before = _outputs(model, objective, objective.point, names)
    whole = _outputs(model, objective, moved, names)
    found = {}
    for name in names:
        first = parameters_before(model, name, calls)
        mixed = tuple(
            new if full in first else old
            for full, old, new in zip(objective.names, objective.point, moved, strict=True)
        )
        only = _outputs(model, objective, mixed, [name])[name]
        found[name] = ActivationShift(_moved(before[name], only), _moved(before[name], whole[name]))
    return found


def earth_mover(first: Tensor, second: Tensor) -> Tensor:
    """1-Wasserstein distance between rows of samples of one size, (..., n) to (...).

    Infinite where a sample is not finite.

    Raises
    ------
    ValueError
        If the shapes differ, or there are no samples.
    """
    if first.shape != second.shape or not first.numel():
        raise ValueError(
            f"samples of shapes {tuple(first.shape)} and {tuple(second.shape)}: must be equal, "
            "with one or more samples"
        )
    distance = (first.sort(-1).values - second.sort(-1).values).abs().mean(-1)
    finite = torch.isfinite(first).all(-1) & torch.isfinite(second).all(-1)
    return torch.where(finite, distance, torch.inf)


def _moved(before: Tensor, after: Tensor) -> Moved:
    return Moved(earth_mover(before, after), before.std(-1, correction=0))


def _without_loss(model: nn.Module, inputs: Tensor, statistics: Statistics) -> Objective:
    def nothing(_outputs: Tensor, targets: Tensor) -> Tensor:
        return targets.new_zeros(())

    return Objective(model, nothing, inputs, inputs, statistics=statistics)


def _outputs(
    model: nn.Module, objective: Objective, point: Parts, names: Sequence[str]
) -> dict[str, Tensor]:
    """What the named layers put out at `point`, each (units, samples).

    Raises
    ------
    ValueError
        If a layer is not called in a forward pass.
    """
    with outputs_of(model, names) as found, objective.mode(), torch.no_grad():
        objective.value(*point)
    missed = [name for name in names if name not in found]
    if missed:
        raise ValueError(f"layers: {missed[0]!r} is not called in a forward pass")
    return found


def _distribution(values: Tensor, levels: tuple[float, ...]) -> Distribution:
    """Over the last axis."""
    variance, mean = torch.var_mean(values, -1, correction=0, keepdim=True)
    scaled = (values - mean) / torch.where(variance > 0, variance.sqrt(), torch.nan)
    return Distribution(
        mean=mean.squeeze(-1),
        variance=variance.squeeze(-1),
        skewness=(scaled**3).mean(-1),
        kurtosis=(scaled**4).mean(-1),
        levels=levels,
        quantiles=torch.from_numpy(np.quantile(values.numpy(), levels, axis=-1)),
    )
