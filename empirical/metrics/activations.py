"""Distributions of activations: their moments, and how far one update moves them.

A18 shows distributions of activations through training (section 2.1; S0, "a closer look").  The
earth mover's distance as a measure of internal covariate shift is that of Huang and Yu (2020,
arXiv:2001.02814), named in S1, section 3.3.  Statistics are as in `Objective`: those of the batch
unless specified, whatever mode the model is in.
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
        normal distribution; NaN where all activations are equal.
    levels
        Levels of the quantiles, between 0 and 1.
    quantiles
        (levels, units), or (levels,) pooled; interpolated linearly between order statistics.
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
        Each unit separately, over (b, x, y) for images.
    pooled
        All units together, as in a histogram of the layer.
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
    """Measure the outputs of the named layers on one batch; the model is left unchanged.

    Parameters
    ----------
    model, inputs, statistics
        As `bnproof.empirical.metrics.objective.Objective`; there is no loss.
    names
        Modules as ``model.named_modules()`` names them.  A layer whose output is overwritten by a
        later one (an in-place ReLU) is measured before that.
    levels
        Of the quantiles.

    Raises
    ------
    ValueError
        As `Objective`; if a name is unknown (the message suggests similar ones), a named layer is
        not reached or its output is not a tensor (batch, units, ...), or a level is outside [0, 1].

    Notes
    -----
    Where activations are not finite, neither are the moments.

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
    outputs = _outputs(model, objective, objective.point, names)
    return {
        name: ActivationMoments(
            units=_distribution(outputs[name], tuple(levels)),
            pooled=_distribution(outputs[name].flatten(), tuple(levels)),
        )
        for name in names
    }


@dataclass(frozen=True, eq=False)
class Moved:
    """How far the distribution of each unit of a layer has moved; float64 on the CPU, (units,).

    Attributes
    ----------
    distances
        Earth mover's distance (1-Wasserstein) between the samples before and after, in the units
        of the activations; infinite where an activation is not finite.
    deviations
        Biased standard deviation before the update.
    """

    distances: Tensor
    deviations: Tensor

    @property
    def mean(self) -> float:
        """Mean distance over the units."""
        return self.distances.mean().item()

    @property
    def relative(self) -> float:
        """Mean over the units of the distance divided by the deviation before the update.

        Only units that varied before count; `constant` is the number of others.  NaN if none
        varied.
        """
        varied = self.deviations != 0  # keeps NaN, which must show up
        return (self.distances[varied] / self.deviations[varied]).mean().item()

    @property
    def constant(self) -> int:
        """Number of units that were constant before the update, as after a dead ReLU."""
        return int((self.deviations == 0).sum())


@dataclass(frozen=True, eq=False)
class ActivationShift:
    """Earth mover's covariate shift of one layer under one update.

    Attributes
    ----------
    earlier
        With only the preceding layers updated: the change of its input distribution.
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
    over the sorted samples.  Takes one forward pass per layer plus two.

    Parameters
    ----------
    model, inputs, statistics
        As `bnproof.empirical.metrics.objective.Objective`, the model before the update; there is no
        loss.
    after
        The model's parameters that require a gradient, after the update, in the order of
        ``model.parameters()``; `bnproof.empirical.metrics.shift.sgd_step` returns those after a
        plain step.
    names
        Layers, as ``model.named_modules()`` names them.  A layer comes before another if it is
        called before it; a parameter held directly by a module that encloses the layer does not
        count as before it.

    Raises
    ------
    ValueError
        As `activation_moments`, or if the number or shapes of the tensors in `after` are wrong.

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
    shifts = {}
    for name in names:
        first = parameters_before(model, name, calls)
        mixed = tuple(
            new if full in first else old
            for full, old, new in zip(objective.names, objective.point, moved, strict=True)
        )
        only = _outputs(model, objective, mixed, [name])[name]
        shifts[name] = ActivationShift(
            _moved(before[name], only), _moved(before[name], whole[name])
        )
    return shifts


def earth_mover(first: Tensor, second: Tensor) -> Tensor:
    """1-Wasserstein distance between samples of equal size, (..., n) to (...).

    Infinite where a sample is not finite.

    Raises
    ------
    ValueError
        If the shapes differ, or there are no samples.
    """
    if first.shape != second.shape or not first.numel():
        raise ValueError(
            f"samples of shapes {tuple(first.shape)} and {tuple(second.shape)}: must be equal, "
            "with at least one sample"
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
    """The outputs of the named layers at `point`, each (units, samples).

    Raises
    ------
    ValueError
        If a layer is not called in a forward pass.
    """
    with outputs_of(model, names) as outputs, objective.mode(), torch.no_grad():
        objective.value(*point)
    missed = [name for name in names if name not in outputs]
    if missed:
        raise ValueError(f"layers: {missed[0]!r} is not called in a forward pass")
    return outputs


def _distribution(values: Tensor, levels: tuple[float, ...]) -> Distribution:
    """The distribution along the last axis."""
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
