"""Smoothness of the loss on a plane through the weights, and a callback that records the loss.

S1, section 3.4, shows the surfaces of Li et al. (2018) and defines smoothness by the Lipschitz
constants of the loss and of its gradient.  Both are measured on the plane, whose units are filter
lengths.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bnproof.empirical.metrics.step import TrainingState
from bnproof.empirical.metrics.surface import POINTS, Surface, loss_surface

CEILING: Final = 1e30  # replaces a loss that is not finite
DIGITS: Final = 6  # of a recorded loss
DRAWS: Final = {"plane": 0, "another plane": 1}  # seeds of the directions
NEAR: Final = 0.2  # times half the side of the plane: the neighbourhood of the network itself


@dataclass(frozen=True)
class Smoothness:
    """Smoothness of a loss on a square grid.

    Attributes
    ----------
    slope
        Largest difference quotient between neighbours along an axis.
    curvature
        Largest absolute eigenvalue of the Hessian by central differences, over inner points.
    concave
        Share of the inner points at which the smaller eigenvalue of the Hessian is negative.
    roughness
        Share of the loss's variance that the best quadratic fit leaves unexplained: 0 for a
        quadratic bowl and for a constant.
    """

    slope: float
    curvature: float
    concave: float
    roughness: float


def smoothness(steps: Sequence[float], losses: NDArray[np.float64]) -> Smoothness:
    """Measure ``losses[i, j]`` at ``(steps[i], steps[j])``, for equally spaced steps.

    Raises
    ------
    ValueError
        If the shape is not (n, n) for the n steps, n is below 3, or a loss is not finite.
    """
    count = len(steps)
    if count < 3 or losses.shape != (count, count):
        raise ValueError(f"losses of shape {losses.shape} for {count} steps; must be (n, n), n > 2")
    if not np.isfinite(losses).all():
        raise ValueError("losses: all must be finite; replace the others by a ceiling")
    step = (steps[-1] - steps[0]) / (count - 1)
    slopes = [np.abs(np.diff(losses, axis=axis)).max() / step for axis in (0, 1)]
    inner = losses[1:-1, 1:-1]
    first = (losses[2:, 1:-1] - 2 * inner + losses[:-2, 1:-1]) / step**2
    second = (losses[1:-1, 2:] - 2 * inner + losses[1:-1, :-2]) / step**2
    mixed = (losses[2:, 2:] - losses[2:, :-2] - losses[:-2, 2:] + losses[:-2, :-2]) / (4 * step**2)
    middle, radius = (first + second) / 2, np.hypot((first - second) / 2, mixed)
    return Smoothness(
        slope=float(max(slopes)),
        curvature=float((np.abs(middle) + radius).max()),
        concave=float((middle - radius < 0).mean()),
        roughness=_roughness(np.asarray(steps), losses),
    )


def near(steps: Sequence[float], losses: NDArray[np.float64]) -> Smoothness:
    """The same for the middle of the grid, `NEAR` of its side but at least 3 by 3 points."""
    half = len(steps) // 2
    reach = max(1, int(NEAR * half + 0.5))
    middle = slice(half - reach, half + reach + 1)
    return smoothness(list(steps)[middle], losses[middle, middle])


def _roughness(steps: NDArray[np.float64], losses: NDArray[np.float64]) -> float:
    a, b = (axis.ravel() for axis in np.meshgrid(steps, steps, indexing="ij"))
    terms = np.stack([np.ones_like(a), a, b, a * a, a * b, b * b], axis=1)
    centred = losses.ravel() - losses.mean()
    size = np.abs(centred).max()
    if not size > 0:
        return 0.0
    scaled = centred / size
    rest = scaled - terms @ np.linalg.lstsq(terms, scaled, rcond=None)[0]
    return float((rest @ rest) / (scaled @ scaled))


def capped(plane: Surface) -> NDArray[np.float64]:
    """The losses, with `CEILING` for larger or non-finite ones."""
    losses = plane.losses.numpy()
    return np.where(np.isfinite(losses), np.minimum(losses, CEILING), CEILING)


def surface(now: TrainingState) -> Mapping[str, Any]:
    """The loss of one batch on two planes of filter-normalised directions, with batch statistics.

    Not recorded before the first step, because it takes as long as many steps.
    """
    surfaces: dict[str, Any] = {}
    if not now.step:
        return surfaces
    for name, seed in DRAWS.items():
        plane = loss_surface(now.model, now.loss, now.inputs, now.targets, seed=seed, points=POINTS)
        surfaces["steps"] = plane.steps
        surfaces[name] = [[float(f"{loss:.{DIGITS}g}") for loss in row] for row in capped(plane)]
    return surfaces
