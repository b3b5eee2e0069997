"""The scale of a law for which data are most likely, by a search on a grid and its refinement."""

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import expit

PLACES: Final = np.linspace(-25.0, 4.0, 300)  # grid of the search
IMPOSSIBLE: Final = 1e300  # minus the log likelihood of data outside the support


def most_likely_scale(
    logpdf: Callable[[Any], Any], support: tuple[float, float], points: np.ndarray
) -> float:
    """Scale c for which points divided by c have the largest likelihood.

    Raises
    ------
    ValueError
        If no scale makes the points possible.
    """
    scale_of = _scales(support, points)

    def cost(place: float) -> float:
        scale = scale_of(place)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            value = np.log(scale) * len(points) - np.sum(logpdf(points / scale))
        return float(value) if np.isfinite(value) else IMPOSSIBLE

    costs = [cost(place) for place in PLACES]
    best = int(np.argmin(costs))
    if costs[best] == IMPOSSIBLE:
        low, high = support
        raise ValueError(f"no scale makes the data possible: the law lies on {low:g} to {high:g}")
    around = PLACES[max(best - 1, 0)], PLACES[min(best + 1, len(PLACES) - 1)]
    place = minimize_scalar(cost, bounds=around, method="bounded", options={"xatol": 1e-12}).x
    return float(scale_of(place))


def _scales(support: tuple[float, float], points: np.ndarray) -> Callable[[float], float]:
    """Map from `PLACES` to the scales at which all points lie inside the support."""
    low, high = support
    largest, smallest = points.max(initial=0.0), points.min(initial=0.0)
    least = largest / high if 0 < high < np.inf else 0.0
    if -np.inf < low < 0:
        least = max(least, smallest / low)
    most = points.min() / low if low > 0 else np.inf
    if most < np.inf:
        return lambda place: least + (most - least) * float(expit(place))
    if least > 0:
        return lambda place: least * float(np.exp(np.exp(place)))
    typical = float(np.abs(points).mean()) or 1.0
    return lambda place: typical * float(np.exp(place))
