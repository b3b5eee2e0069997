"""How smooth a picture of the loss on a plane is, and the picture as a watch during training.

S1, section 3.4, shows the pictures of Li et al. (2018) and defines beside them what smooth means:
the Lipschitz constant of the loss, and of its gradient.  Both are taken on the plane, whose units
are lengths of the filters.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bnproof.empirical.metrics.step import TrainingState
from bnproof.empirical.metrics.surface import POINTS, Surface, loss_surface

CEILING: Final = 1e30  # stands for a loss that is not finite
DIGITS: Final = 6  # that a run keeps of a loss
DRAWS: Final = {"plane": 0, "another plane": 1}  # seeds of the directions
NEAR: Final = 0.2  # of the plane's half side: what is near the network itself


@dataclass(frozen=True)
class Smoothness:
    """Of a loss on a square grid of a plane.

    Attributes
    ----------
    slope
        Largest difference quotient between neighbours along an axis.
    curvature
        Largest absolute eigenvalue of the Hessian by central differences, over inner points.
    concave
        Share of the inner points where its smaller eigenvalue is negative.
    roughness
        Share of the loss's variance that the best quadratic function leaves: 0 for a bowl,
        whatever its height.  0 for a constant.
    """

    slope: float
    curvature: float
    concave: float
    roughness: float


def smoothness(steps: Sequence[float], losses: NDArray[np.float64]) -> Smoothness:
    """Measure ``losses[i, j]`` at ``(steps[i], steps[j])``, the steps equally far apart.

    Raises
    ------
    ValueError
        If the shape is not (n, n) for the n steps, n is below 3, or a loss is not finite.
    """
    count = len(steps)
    if count < 3 or losses.shape != (count, count):
        raise ValueError(f"losses of shape {losses.shape} for {count} steps; must be (n, n), n > 2")
    if not np.isfinite(losses).all():
        raise ValueError("losses: all must be finite; put a ceiling in the place of the others")
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
    """The same of the middle of the grid, up to `NEAR` of its half side and 3 by 3 at least."""
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


def capped(picture: Surface) -> NDArray[np.float64]:
    """Its losses, `CEILING` where one is not finite or larger."""
    losses = picture.losses.numpy()
    return np.where(np.isfinite(losses), np.minimum(losses, CEILING), CEILING)


def surface(now: TrainingState) -> Mapping[str, Any]:
    """The loss of one batch on two planes of filter-normalised directions, batch statistics.

    Nothing before the first step: a picture takes as long as many steps.
    """
    found: dict[str, Any] = {}
    if not now.step:
        return found
    for name, seed in DRAWS.items():
        picture = loss_surface(
            now.model, now.loss, now.inputs, now.targets, seed=seed, points=POINTS
        )
        found["steps"] = picture.steps
        found[name] = [[float(f"{loss:.{DIGITS}g}") for loss in row] for row in capped(picture)]
    return found
