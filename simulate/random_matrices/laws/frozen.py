"""The interface of a frozen `scipy.stats` distribution, derived from a few methods of each law.

SciPy's own classes compute what is missing from the density, one point at a time and to 1e-8; the
laws here know more.  Integrals are taken over the mass, from both ends to the middle: there the
integrand is singular only at the ends, whatever the scale, the tails and the atoms of the law.
"""

import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.integrate import IntegrationWarning, tanhsinh

from bnproof.simulate.random_matrices.laws.arguments import Generator, Shape, numpy_source, real
from bnproof.simulate.random_matrices.laws.scale_fit import most_likely_scale

Values = Any  # a number, an array or, for some laws, a tensor

TOLERANCE: Final = 1e-10  # relative, of integrals
FINE: Final = 1e-8  # relative error of both halves of an integral that gives a warning
MOMENTS: Final = "mvsk"


class Frozen(ABC):
    """A law with the methods of a frozen `scipy.stats` distribution.

    A subclass defines `support`, `pdf`, `cdf`, `sf`, `ppf` and `isf`, and overrides what it knows
    better than by integration.
    """

    @abstractmethod
    def support(self) -> tuple[float, float]:
        """Both ends of the support."""

    @abstractmethod
    def pdf(self, x: Values) -> Values:
        """Density."""

    @abstractmethod
    def cdf(self, x: Values) -> Values:
        """Mass at or below x."""

    @abstractmethod
    def sf(self, x: Values) -> Values:
        """Mass above x."""

    @abstractmethod
    def ppf(self, q: Values) -> Values:
        """Point below which the mass is q; NaN unless 0 <= q <= 1."""

    @abstractmethod
    def isf(self, q: Values) -> Values:
        """Point above which the mass is q; NaN unless 0 <= q <= 1."""

    def logpdf(self, x: Values) -> Values:
        """Logarithm of the density."""
        return _log(self.pdf(x))

    def logcdf(self, x: Values) -> Values:
        """Logarithm of `cdf`."""
        below = self.cdf(x)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(below < 0.5, _log(below), np.log1p(-self.sf(x)))[()]

    def logsf(self, x: Values) -> Values:
        """Logarithm of `sf`."""
        above = self.sf(x)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(above < 0.5, _log(above), np.log1p(-self.cdf(x)))[()]

    def median(self) -> float:
        """Point that halves the mass."""
        return float(self.ppf(0.5))

    def interval(self, confidence: ArrayLike) -> tuple[Values, Values]:
        """Ends of the interval with mass `confidence` and equal tails."""
        tail = (1 - np.asarray(confidence, dtype=float)) / 2
        return self.ppf(tail)[()], self.isf(tail)[()]

    def rvs(
        self, size: Shape = None, rng: Generator = None, *, random_state: Generator = None
    ) -> Values:
        """Independent draws, by inversion.

        Parameters
        ----------
        size
            Shape of the result; a single number by default.
        rng, random_state
            A NumPy generator or a seed for one, under SciPy's new or old name.
        """
        source = numpy_source(rng, random_state)
        return self.ppf(source.uniform(size=size))[()]

    def moment(self, order: float) -> float:
        """Mean of the variable to the power `order`.

        Raises
        ------
        ValueError
            If `order` is not a finite number.
        """
        order = real("order", order)
        return float(self.expect(lambda x: x**order))

    def mean(self) -> float:
        """Expected value."""
        return self.moment(1)

    def var(self) -> float:
        """Variance."""
        return self._central()[0]

    def std(self) -> float:
        """Standard deviation."""
        return float(np.sqrt(self.var()))

    def skewness(self) -> float:
        """Third central moment over the cube of the standard deviation."""
        return self._central()[1]

    def kurtosis(self) -> float:
        """Excess kurtosis: fourth central moment over the squared variance, minus 3."""
        return self._central()[2]

    def stats(self, moments: str = "mv") -> Any:
        """Mean ("m"), variance ("v"), skewness ("s") and excess kurtosis ("k"), in this order.

        Raises
        ------
        ValueError
            If `moments` has other letters or none.
        """
        if not moments or set(moments) - set(MOMENTS):
            raise ValueError(f"moments must be letters of {MOMENTS!r}, not {moments!r}")
        central = self._central() if set(moments) & set("vsk") else ()
        known = dict(zip("vsk", central, strict=False))
        found = tuple(
            known[letter] if letter in known else self.mean()
            for letter in MOMENTS
            if letter in moments
        )
        return found if len(found) > 1 else found[0]

    def entropy(self) -> float:
        """Differential entropy in nats."""

        def surprise(x: Values) -> Values:
            # Next to an end the density may round to 0 or infinity, where there is no mass.
            logs = self.logpdf(x)
            return np.where(np.isfinite(logs), -logs, 0.0)

        return float(self.expect(surprise))

    def expect(
        self,
        func: Callable[[Any], Any] | None = None,
        lb: float | None = None,
        ub: float | None = None,
        *,
        conditional: bool = False,
    ) -> float:
        """Mean of a function of the variable.

        Parameters
        ----------
        func
            A vectorised function; the variable itself by default.
        lb, ub
            Bounds between which the function counts; those of the support by default.
        conditional
            Whether to divide by the mass between the bounds.

        Warns
        -----
        scipy.integrate.IntegrationWarning
            If the error may exceed 1e-8 times the parts above and below the median.
        """
        low = 0.0 if lb is None else float(self.cdf(np.nextafter(lb, -np.inf)))
        high = 0.0 if ub is None else float(self.sf(ub))
        total = error = size = 0.0
        mass = 1 - low - high
        if mass <= 0:
            return np.nan if conditional else 0.0
        for inverse, ends in (
            (self.ppf, _parts(low, min(0.5, 1 - high), self._jumps())),
            (self.isf, _parts(high, min(0.5, 1 - low), [1 - jump for jump in self._jumps()])),
        ):
            for left, right in ends:
                found = _integral(inverse, func or (lambda x: x), left, right)
                total += found[0]
                error += found[1]
                size += abs(found[0])
        if not error <= FINE * size:
            warnings.warn(
                f"the expected value {total:.6g} may be wrong by {error:.1g}",
                IntegrationWarning,
                stacklevel=2,
            )
        return total / mass if conditional else total

    def fit(self, data: ArrayLike, *, method: Literal["MLE", "MM"] = "MLE") -> float:
        """Scale c for which data divided by c fit the law best.

        Parameters
        ----------
        data
            Numbers inside c times the support.
        method
            "MLE", the largest likelihood of independent numbers, or "MM", equal means.  For the
            singular values of a matrix, which are not independent, "MM" is the better choice.

        Raises
        ------
        ValueError
            If there are no data, one is not finite, no scale makes them possible (for "MM": gives
            their mean), all are 0 and the law has an atom there, or `method` is unknown.
        """
        points = np.asarray(data, dtype=float).ravel()
        if not len(points) or not np.isfinite(points).all():
            raise ValueError("data must be one or more finite numbers")
        if method == "MM":
            scale = float(points.mean() / self.mean())
            if not scale > 0:
                raise ValueError(
                    f"no scale > 0 gives the law the mean of the data, {points.mean():g}: "
                    f"its own is {self.mean():g}"
                )
            return scale
        if method != "MLE":
            raise ValueError(f"method must be 'MLE' or 'MM', not {method!r}")
        if self.cdf(0.0) > self.cdf(np.nextafter(0.0, -1.0)):
            points = points[points != 0]  # an atom at 0 says nothing about the scale
        if not len(points):
            raise ValueError("all data are 0, an atom of the law, which has no scale")
        return most_likely_scale(self.logpdf, self.support(), points)

    def _jumps(self) -> Sequence[float]:
        """Masses at which `ppf` is not smooth."""
        return ()

    def _central(self) -> tuple[float, float, float]:
        """Variance, skewness and excess kurtosis."""
        mean = self.mean()

        def central(order: int) -> float:
            return self.expect(lambda x: (x - mean) ** order)

        second, third, fourth = (central(order) for order in (2, 3, 4))
        return second, third / second**1.5, fourth / second**2 - 3


def central_moments(first: Any, second: Any, third: Any, fourth: Any) -> tuple[Any, Any, Any]:
    """Central moments 2, 3 and 4 from the moments about 0, in the arithmetic of these."""
    return (
        second - first**2,
        third - 3 * first * second + 2 * first**3,
        fourth - 4 * first * third + 6 * first**2 * second - 3 * first**4,
    )


def _integral(
    inverse: Callable[[Any], Any], function: Callable[[Any], Any], left: float, right: float
) -> tuple[float, float]:
    """Integral of function(inverse(u)) from left to right, with its error."""

    def integrand(u: Any) -> Any:
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(function(inverse(u)), dtype=float)

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="points below 5e-324 underflow")
        found = tanhsinh(integrand, left, right, rtol=TOLERANCE, atol=1e-300)
    return float(found.integral), float(found.error)


def _log(x: Values) -> Values:
    with np.errstate(divide="ignore"):
        return np.log(x)


def _parts(low: float, high: float, jumps: Sequence[float]) -> list[tuple[float, float]]:
    """The interval cut at the jumps."""
    if high <= low:
        return []
    ends = [low, *sorted(jump for jump in jumps if low < jump < high), high]
    return list(pairwise(ends))
