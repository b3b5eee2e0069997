"""Numbers of one weight matrix: its bulk, its outliers and its tail.

The squared singular values of an out x in matrix of independent entries of variance v follow the
Marchenko-Pastur law.  A few strong directions leave the bulk alone but spoil the mean square, so v
is taken from the median of the values that are not outliers.  A value is an outlier if the largest
value of a random matrix of this size exceeds it with a probability below `LEVEL`, by the
Tracy-Widom law with the centring of I. M. Johnstone, Ann. Statist. 29 (2001) 295, and Z. Ma,
Bernoulli 19 (2013) 322.  The law is that of Gaussian entries; others with a fourth moment have the
same limit.

The tail: A. Clauset, C. R. Shalizi and M. E. J. Newman, SIAM Review 51 (2009) 661.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np

from bnproof.simulate.random_matrices import Array
from bnproof.simulate.random_matrices.laws.products import MarchenkoPastur
from bnproof.simulate.random_matrices.laws.tracy_widom import TracyWidom
from bnproof.simulate.random_matrices.spectra.goodness_of_fit import PValue
from bnproof.simulate.random_matrices.spectra.sampling import Field, sample_singular_values

LEVEL: Final = 0.01
ROUNDS: Final = 20  # fits of the variance without the outliers found so far
REPEATS: Final = 200  # simulated matrices for the p-value of the distance
SMALLEST: Final = 20  # values below which there is no bulk to speak of
FEWEST: Final = 10  # values in a tail


@dataclass(frozen=True)
class Bulk:
    """The bulk of a matrix and what sticks out.

    Attributes
    ----------
    sigma
        Standard deviation of the entries, from the median of the bulk.
    edge
        Largest singular value that the law allows in the limit.
    outliers
        Tracy-Widom p-values of the outliers, the largest first.
    fit
        Kolmogorov-Smirnov distance of the squared bulk from the law, with its calibrated p-value.
    """

    sigma: float
    edge: float
    outliers: tuple[float, ...]
    fit: PValue


@dataclass(frozen=True)
class Tail:
    """Power law ``p(x) ~ x**-exponent`` of squared singular values x = s**2 with s >= `least`.

    `distance` is that of Kolmogorov and Smirnov over the `count` values of the tail.
    """

    exponent: float
    least: float
    distance: float
    count: int


def bulk(values: Array, shape: tuple[int, int], field: Field = "real") -> Bulk | None:
    """Fit the Marchenko-Pastur law to the singular values of an out x in matrix.

    Parameters
    ----------
    values
        All min(shape) singular values.
    shape
        Rows and columns.
    field
        Kind of the entries.

    Returns
    -------
    Bulk or None
        None for less than `SMALLEST` values, or if half of them, or of the bulk, are 0.
    """
    squares = np.sort(np.asarray(values, dtype=float))[::-1] ** 2
    if len(squares) < SMALLEST or squares[len(squares) // 2] == 0:
        return None
    large, small = max(shape), min(shape)
    outside = 0
    for _ in range(ROUNDS):
        variance = float(_variance(squares[outside:], large, small))
        if variance == 0:  # the median of a matrix of low rank without its outliers
            return None
        levels = _levels(squares / variance, large, small, field)
        found = int(np.argmax(levels >= LEVEL)) if (levels >= LEVEL).any() else len(levels)
        if found == outside:
            break
        outside = found
    measured = float(_distance(squares[outside:], large, small))
    null = _null(large, small, field)
    return Bulk(
        float(np.sqrt(variance)),
        float(np.sqrt(variance) * (np.sqrt(large) + np.sqrt(small))),
        tuple(levels[:outside].tolist()),
        PValue.of(measured, small - outside, null),
    )


def tail(values: Array) -> Tail | None:
    """Fit a power law to the largest squared singular values, by likelihood and distance.

    Returns
    -------
    Tail or None
        None for less than `FEWEST` positive values.
    """
    x = np.sort(np.asarray(values, dtype=float)) ** 2
    x = x[x > 0]
    if len(x) < FEWEST:
        return None
    logs, size = np.log(x), len(x)
    # Sums of log(x/xmin) over the values from each xmin on.
    starts = np.arange(size - FEWEST + 1)
    counts = size - starts
    sums = np.cumsum(logs[::-1])[::-1][starts] - counts * logs[starts]
    with np.errstate(divide="ignore"):
        slopes = np.where(sums > 0, counts / sums, np.inf)
    best = (np.inf, 0)
    for start in starts[np.isfinite(slopes)]:
        mass = -np.expm1(-slopes[start] * (logs[start:] - logs[start]))
        ranks = np.arange(size - start + 1) / (size - start)
        gap = float(max(np.abs(mass - ranks[:-1]).max(), np.abs(mass - ranks[1:]).max()))
        best = min(best, (gap, int(start)))
    if not np.isfinite(best[0]):
        return None
    start = best[1]
    return Tail(1 + float(slopes[start]), float(np.sqrt(x[start])), best[0], int(counts[start]))


def _levels(squares: Array, large: int, small: int, field: Field) -> Array:
    """Probabilities that the largest squared value of a standard matrix exceeds each."""
    if field == "real":
        a, b, law = np.sqrt(large - 0.5), np.sqrt(small - 0.5), TracyWidom(1)
    else:
        a, b, law = np.sqrt(large), np.sqrt(small), TracyWidom(2)
    return law.sf((squares - (a + b) ** 2) / ((a + b) * (1 / a + 1 / b) ** (1 / 3)))


@lru_cache(maxsize=64)
def _law(large: int, small: int) -> MarchenkoPastur:
    """Law of squared values over `large`, all of them positive."""
    return MarchenkoPastur(small / large)


def _variance(squares: Array, large: int, small: int) -> Array:
    """Variance from the median of squared values without the outliers, along the last axis."""
    return np.asarray(np.median(squares, axis=-1) / (large * _law(large, small).median()))


def _distance(squares: Array, large: int, small: int) -> Array:
    """Kolmogorov-Smirnov distance from the fitted law, along the last axis."""
    points = np.sort(squares) / (large * _variance(squares, large, small))[..., None]
    mass = _law(large, small).cdf(points)
    ranks = np.arange(mass.shape[-1] + 1) / mass.shape[-1]
    gaps = np.maximum(mass - ranks[:-1], ranks[1:] - mass)
    return np.asarray(gaps.max(axis=-1))


@lru_cache(maxsize=256)
def _null(large: int, small: int, field: Field) -> Array:
    """Distances of simulated matrices, fitted alike, ascending."""
    drawn = sample_singular_values([large, small], REPEATS, field=field, seed=2**32).numpy()
    distances: Array = np.sort(_distance(drawn**2, large, small))
    distances.flags.writeable = False
    return distances
