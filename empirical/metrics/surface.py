"""The loss on a plane of two random directions (Li et al. 2018, arXiv:1712.09913; S1, S2)."""

import math
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor, nn

from bnproof.empirical.data.images import stream
from bnproof.empirical.metrics.objective import Loss, Objective, Parts, Statistics

POINTS: Final = 11


@dataclass(frozen=True, eq=False)
class Surface:
    """The loss at ``w + a d1 + b d2``.

    Attributes
    ----------
    steps
        The values of a and of b.
    losses
        Losses by a and b, float64 on the CPU; non-finite ones as they are.
    loss
        At w.
    lengths
        ``|d1|, |d2|``: with filter normalisation, both are the length of the weights that move.
    statistics, seed
        As given.
    """

    steps: tuple[float, ...]
    losses: Tensor
    loss: float
    lengths: tuple[float, float]
    statistics: Statistics
    seed: int

    @property
    def broken(self) -> int:
        """Number of points at which the loss is not finite."""
        return int((~torch.isfinite(self.losses)).sum())


def loss_surface(
    model: nn.Module,
    loss: Loss,
    inputs: Tensor,
    targets: Tensor,
    *,
    seed: int = 0,
    span: float = 1.0,
    points: int = POINTS,
    statistics: Statistics = "batch",
) -> Surface:
    """Loss on a grid around the model's parameters w, along filter-normalised directions.

    Directions are drawn from a normal distribution and scaled so that each filter (the weights of
    one output unit) has the length of the model's own.  Vectors, that is, biases and the parameters
    of normalisation layers, do not move and draw no random numbers: networks whose weights have the
    same shapes in the same order get the same directions before scaling, with or without
    normalisation, on every device.

    Parameters
    ----------
    model, loss, inputs, targets, statistics
        As `bnproof.empirical.metrics.objective.Objective`.  Li et al. use running statistics, for
        which BN is not the layer of the theory.
    seed
        Seed of the directions.
    span
        a and b run from ``-span`` to ``span``, in units of the filter lengths.
    points
        Number of values of a and of b.  If it is odd, w itself is among the points.

    Raises
    ------
    ValueError
        As `Objective`; if `span` is not positive and finite, `points` is below 2, or all parameters
        are vectors.

    Notes
    -----
    Takes one forward pass per point: 30 to 60 s for 11 by 11 on VGG-A with a batch of 128 on
    one core.

    Examples
    --------
    >>> import bnproof, torch
    >>> from torch import nn
    >>> net = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3))
    >>> x, y = torch.randn(16, 4), torch.randint(3, (16,))
    >>> surface = bnproof.loss_surface(net, nn.functional.cross_entropy, x, y, points=3)
    >>> surface.losses.shape
    torch.Size([3, 3])
    >>> abs(float(surface.losses[1, 1]) - surface.loss) < 1e-6
    True
    """
    if not 0 < span < math.inf:
        raise ValueError(f"span {span}: must be positive and finite")
    if points < 2:
        raise ValueError(f"points {points}: must be at least 2")
    objective = Objective(model, loss, inputs, targets, statistics=statistics)
    if all(part.dim() < 2 for part in objective.point):
        raise ValueError(
            "the model has no filters: all its parameters are vectors, which do not move"
        )
    first, second = (filter_direction(objective.point, seed, which) for which in (1, 2))
    steps = torch.linspace(-span, span, points, dtype=torch.float64).tolist()
    losses = [[_loss(objective, first, second, a, b) for b in steps] for a in steps]
    return Surface(
        steps=tuple(steps),
        losses=torch.tensor(losses, dtype=torch.float64),
        loss=_loss(objective, first, second, 0.0, 0.0),
        lengths=(_length(first), _length(second)),
        statistics=statistics,
        seed=seed,
    )


def filter_direction(point: Parts, seed: int, which: int) -> Parts:
    """Random direction with filters as long as those of `point`; its vectors are 0.

    Filters are the slices along the first axis of a weight: (i, x, y) for a convolution (o, i, x,
    y), a row for a linear layer (o, i).
    """
    generator = stream(seed, f"direction {which}")
    parts = []
    for part in point:
        if part.dim() < 2:
            parts.append(torch.zeros_like(part, requires_grad=False))
            continue
        drawn = torch.randn(part.shape, generator=generator, dtype=torch.float64).to(part.device)
        axes = tuple(range(1, part.dim()))
        own = torch.linalg.vector_norm(part.detach().double(), dim=axes, keepdim=True)
        drawn *= own / torch.linalg.vector_norm(drawn, dim=axes, keepdim=True)
        parts.append(drawn.to(part.dtype))
    return tuple(parts)


def _loss(objective: Objective, first: Parts, second: Parts, a: float, b: float) -> float:
    # Entering the mode resets the random numbers of random layers.
    with objective.mode(), torch.no_grad():
        moved = (w + a * u + b * v for w, u, v in zip(objective.point, first, second, strict=True))
        return objective.value(*moved).item()


def _length(direction: Parts) -> float:
    return math.hypot(*(part.double().norm().item() for part in direction))
