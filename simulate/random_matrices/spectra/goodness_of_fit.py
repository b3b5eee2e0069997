"""P-values for the distance of one spectrum from a law, calibrated by simulation.

The Kolmogorov-Smirnov distance D of N independent points from their law is of the order
N**(-1/2), which the usual tables assume.  Singular values of one matrix repel each other: they are
nearly equally spaced in probability, and their D is of the order log(N)/N.  The ordinary p-value of
a spectrum that follows the law is therefore always close to 1 (real factors, N = 400: above
1 - 1e-9 in all of 60 cases), and a spectrum several times too far away still passes (3 times at
N = 32, 7 times at N = 400; complex factors 4 and 10).  A calibrated p-value compares D with the
distances of simulated spectra of the same size from the same limiting law, which accounts for the
repulsion and for the bias at finite N.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import sqrt
from typing import Final, Protocol

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import kstwo

from bnproof.simulate.random_matrices import Array
from bnproof.simulate.random_matrices.laws.fuss_catalan import FussCatalan
from bnproof.simulate.random_matrices.spectra.sampling import Field, sample_singular_values

REPEATS: Final = 1000
LEVEL: Final = 0.05
# Added to the seed of the null, so that it does not contain a spectrum drawn with the same seed.
APART: Final = 2**32


@dataclass(frozen=True)
class PValue:
    """Probability that a spectrum that follows the law is at least as far from it.

    Attributes
    ----------
    distance
        Kolmogorov-Smirnov distance of the spectrum from the law.
    value
        Calibrated p-value, (1 + number of simulated distances as large)/(1 + repeats).  It is
        valid for any number of repeats: under the null P(value <= a) <= a.
    error
        Standard error of `value` from the finite number of repeats.
    repeats
        Number of simulated spectra.
    ordinary
        The p-value for N independent points, which is wrong; for comparison only.
    """

    distance: float
    value: float
    error: float
    repeats: int
    ordinary: float

    @classmethod
    def of(cls, measured: float, size: int, null: Array) -> "PValue":
        """Compare the distance `measured` of a spectrum of `size` values with `null`, ascending."""
        count = len(null) - int(np.searchsorted(null, measured))
        value = (1 + count) / (1 + len(null))
        error = sqrt(value * (1 - value) / len(null))
        return cls(measured, value, error, len(null), float(kstwo.sf(measured, size)))

    def numbers(self) -> dict[str, object]:
        """The rounded values as JSON data."""
        return {
            "distance": float(f"{self.distance:.3e}"),
            "calibrated p-value": float(f"{self.value:.3g}"),
            "its standard error": float(f"{self.error:.1g}"),
            "ordinary p-value": float(f"{self.ordinary:.6g}"),
        }


class Distribution(Protocol):
    """A law with a vectorised distribution function."""

    def cdf(self, x: Array) -> Array:
        """Mass at or below x."""


def distance(values: ArrayLike, law: Distribution) -> float:
    """Kolmogorov-Smirnov distance: the largest difference of the distribution functions.

    Parameters
    ----------
    values
        At least one number; of any shape.
    law
        The law that the values are compared with.

    Raises
    ------
    ValueError
        If there are no values or one is NaN.
    """
    points = np.sort(np.asarray(values, dtype=float), axis=None)
    if not len(points) or np.isnan(points[-1]):
        raise ValueError(f"values must be one or more numbers, none of them NaN, not {values!r}")
    mass = law.cdf(points)
    ranks = np.arange(len(mass) + 1) / len(mass)
    return float(max((mass - ranks[:-1]).max(), (ranks[1:] - mass).max()))


@lru_cache(maxsize=256)
def null_distances(
    factors: int, size: int, *, field: Field = "real", repeats: int = REPEATS, seed: int = 0
) -> Array:
    """Distances of simulated spectra of products from the law, ascending; cached and read-only.

    Parameters
    ----------
    factors, size
        M square Gaussian factors, N x N.
    field
        "real" or "complex".  Complex spectra are more rigid, so their distances are smaller.
    repeats, seed
        Number of spectra and their seed.

    Raises
    ------
    ValueError
        As `sample_singular_values`.
    """
    law = FussCatalan(factors).root()
    drawn = sample_singular_values([size] * (factors + 1), repeats, field=field, seed=seed + APART)
    distances = np.sort([distance(row, law) for row in drawn.numpy()])
    distances.flags.writeable = False
    return distances


def p_value(
    values: ArrayLike,
    factors: int,
    *,
    field: Field = "real",
    repeats: int = REPEATS,
    seed: int = 0,
) -> PValue:
    """Test whether one spectrum is that of a product of Gaussian matrices.

    Parameters
    ----------
    values
        The N singular values of one product with entries of variance 1/N, as in `FussCatalan`.
    factors, field
        M, and the field of the entries.
    repeats, seed
        Number and seed of the simulated spectra, which are cached.

    Raises
    ------
    ValueError
        If `values` is empty or has NaN, or an option is out of range.

    Examples
    --------
    >>> from bnproof.simulate.random_matrices.spectra.sampling import product_singular_values
    >>> spectrum = product_singular_values(2, 50, 1, seed=1)[0]
    >>> p_value(spectrum, 2, repeats=200).ordinary > 0.9
    True
    """
    measured = distance(values, FussCatalan(factors).root())
    size = np.size(values)
    null = null_distances(factors, size, field=field, repeats=repeats, seed=seed)
    return PValue.of(measured, size, null)


@dataclass(frozen=True)
class Repulsion:
    """How wrong the ordinary test is for spectra of one size.

    Attributes
    ----------
    size
        N.
    median, limit
        Median and 95 % quantile of D over spectra that follow the law.
    ordinary_limit
        95 % quantile of D for N independent points.
    smallest_ordinary
        Smallest ordinary p-value of these spectra; a correct test would give about 1/repeats.
    ordinary_at_limit
        Ordinary p-value of a spectrum whose calibrated p-value is 5 %.
    rejected
        Share of the spectra that the ordinary test rejects at 5 %.
    """

    size: int
    median: float
    limit: float
    ordinary_limit: float
    smallest_ordinary: float
    ordinary_at_limit: float
    rejected: float

    @property
    def factor(self) -> float:
        """Factor by which a spectrum must exceed `limit` for the ordinary test to reject it."""
        return self.ordinary_limit / self.limit


def repulsion(
    factors: int,
    sizes: Sequence[int],
    *,
    field: Field = "real",
    repeats: int = REPEATS,
    seed: int = 0,
) -> list[Repulsion]:
    """Compare the calibrated with the ordinary test on spectra that follow the law.

    Raises
    ------
    ValueError
        As `null_distances`.
    """
    rows = []
    for size in sizes:
        null = null_distances(factors, size, field=field, repeats=repeats, seed=seed)
        limit = float(np.quantile(null, 1 - LEVEL))
        ordinary = kstwo.sf(null, size)
        rows.append(
            Repulsion(
                size,
                float(np.median(null)),
                limit,
                float(kstwo.isf(LEVEL, size)),
                float(ordinary.min()),
                float(kstwo.sf(limit, size)),
                float((ordinary <= LEVEL).mean()),
            )
        )
    return rows
