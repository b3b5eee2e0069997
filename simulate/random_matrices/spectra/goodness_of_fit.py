"""P-values for the distance of one spectrum from a law, calibrated by simulation.

The Kolmogorov-Smirnov distance D of N independent points from their law is of the order
N**(-1/2), and tables of its distribution are made for that.  Singular values of one matrix repel
one another: they lie nearly equally spaced in probability, and their D is of the order log(N)/N.
So the ordinary p-value of a spectrum that does follow the law is close to 1, always (real factors,
N = 400: above 1 - 1e-9 in every one of 60), and another passes though it lies several times too
far off (3 times at N = 32, 7 times at N = 400; complex factors 4 and 10).  A calibrated p-value
compares D with the distances, from the same limiting law, of simulated spectra of the same size.
That takes account of the repulsion and of the bias that is left at finite N.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import sqrt
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import kstwo

from bnproof.simulate.random_matrices.laws.fuss_catalan import FussCatalan
from bnproof.simulate.random_matrices.spectra.sampling import Field, sample_singular_values

Array = NDArray[np.float64]

REPEATS: Final = 1000
LEVEL: Final = 0.05
# Added to the seed of the null, so that a spectrum drawn with the same seed is not part of it.
APART: Final = 2**32


@dataclass(frozen=True)
class PValue:
    """How likely a spectrum of the law's own kind lies at least as far from the law.

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
        The p-value for N independent points, for comparison only: it is wrong.
    """

    distance: float
    value: float
    error: float
    repeats: int
    ordinary: float

    @classmethod
    def of(cls, found: float, size: int, null: Array) -> "PValue":
        """Compare the distance `found` of a spectrum of `size` values with `null`, ascending."""
        count = len(null) - int(np.searchsorted(null, found))
        value = (1 + count) / (1 + len(null))
        error = sqrt(value * (1 - value) / len(null))
        return cls(found, value, error, len(null), float(kstwo.sf(found, size)))

    def numbers(self) -> dict[str, Any]:
        """The same, rounded, ready for JSON."""
        return {
            "distance": float(f"{self.distance:.3e}"),
            "calibrated p-value": float(f"{self.value:.3g}"),
            "its standard error": float(f"{self.error:.1g}"),
            "ordinary p-value": float(f"{self.ordinary:.6g}"),
        }


def distance(values: ArrayLike, law: Any) -> float:
    """Kolmogorov-Smirnov distance: largest difference of both distribution functions.

    Parameters
    ----------
    values
        At least one number; of any shape.
    law
        Anything with a vectorised `cdf`.

    Raises
    ------
    ValueError
        If there are no values or one is NaN.
    """
    points = np.sort(np.asarray(values, dtype=float), axis=None)
    if not len(points) or np.isnan(points[-1]):
        raise ValueError(f"values must be at least one number and none NaN, not {values!r}")
    mass = law.cdf(points)
    ranks = np.arange(len(mass) + 1) / len(mass)
    return float(max((mass - ranks[:-1]).max(), (ranks[1:] - mass).max()))


@lru_cache(maxsize=256)
def null_distances(
    factors: int, size: int, *, field: Field = "real", repeats: int = REPEATS, seed: int = 0
) -> Array:
    """Distances from the law of simulated spectra of products, ascending, read-only, kept.

    Parameters
    ----------
    factors, size
        M square Gaussian factors, N x N.
    field
        "real" or "complex".  Complex spectra are stiffer: their distances are smaller.
    repeats, seed
        Number of spectra, and the seed they are drawn with.

    Raises
    ------
    ValueError
        As `sample_singular_values`.
    """
    law = FussCatalan(factors).root()
    drawn = sample_singular_values([size] * (factors + 1), repeats, field=field, seed=seed + APART)
    found = np.sort([distance(row, law) for row in drawn.numpy()])
    found.flags.writeable = False
    return found


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
        The N singular values of one product, normalised as `FussCatalan` has them: entries of
        variance 1/N.
    factors, field
        M, and the kind of entries.
    repeats, seed
        Spectra that the null is simulated with; kept for the next call with the same numbers.

    Raises
    ------
    ValueError
        If `values` are not at least one number, or an option is out of range.

    Examples
    --------
    >>> from bnproof.simulate.random_matrices.spectra.sampling import product_singular_values
    >>> spectrum = product_singular_values(2, 50, 1, seed=1)[0]
    >>> p_value(spectrum, 2, repeats=200).ordinary > 0.9
    True
    """
    found = distance(values, FussCatalan(factors).root())
    size = np.size(values)
    null = null_distances(factors, size, field=field, repeats=repeats, seed=seed)
    return PValue.of(found, size, null)


@dataclass(frozen=True)
class Repulsion:
    """How far the ordinary test is off for spectra of one size.

    Attributes
    ----------
    size
        N.
    median, limit
        Median of D over spectra of the law, and the value that 5 % of them exceed.
    ordinary_limit
        The value that D of N independent points exceeds with probability 5 %.
    smallest_ordinary
        The least ordinary p-value of all those spectra: with a right test it would be near
        1/repeats.
    ordinary_at_limit
        Ordinary p-value of a spectrum whose right p-value is 5 %.
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
        """How many times too far a spectrum must lie for the ordinary test to notice."""
        return self.ordinary_limit / self.limit


def repulsion(
    factors: int,
    sizes: Sequence[int],
    *,
    field: Field = "real",
    repeats: int = REPEATS,
    seed: int = 0,
) -> list[Repulsion]:
    """Compare the calibrated with the ordinary test for spectra that do follow the law.

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
