"""Base of the laws of extreme singular values: a distribution function represented as log(-log).

A law is given by ``h = log(-log E)`` as a function of x or of log x, where E is the distribution
or the survival function.  This h is smooth, monotone and of moderate size even where E or 1 - E is
far below the smallest float.  It can be interpolated once, and gives E, 1 - E and the density with
small relative errors in both tails:

    E = exp(-e**h),   1 - E = -expm1(-e**h),   density = e**h E |dh/dx|.
"""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import ClassVar, Final

import numpy as np
from numpy.polynomial import chebyshev
from numpy.polynomial.legendre import leggauss
from numpy.typing import ArrayLike

from bnproof.simulate.random_matrices import Array
from bnproof.simulate.random_matrices.laws.arguments import real
from bnproof.simulate.random_matrices.laws.frozen import Frozen

NEWTON_STEPS: Final = 5
GAUSS: Final = 32  # quadrature points between adjacent quantiles, for moments
QUANTILES: Final = np.array([1e-40, 1e-24, 1e-12, 1e-6, 1e-3, 0.03, 0.2, 0.5])


class Piecewise:
    """Piecewise Chebyshev interpolant of a function, of the same degree on adjacent intervals.

    Parameters
    ----------
    function
        Vectorised function.
    edges
        Ends of the intervals, ascending.
    degree
        Degree of the polynomials.
    """

    def __init__(
        self, function: Callable[[Array], Array], edges: Sequence[float], degree: int
    ) -> None:
        self.edges = np.asarray(edges, dtype=float)
        self._half = np.diff(self.edges) / 2
        self._middle = self.edges[:-1] + self._half
        points = chebyshev.chebpts1(degree + 1)
        values = function((self._middle[:, None] + self._half[:, None] * points).ravel())
        basis = chebyshev.chebvander(points, degree) * 2 / (degree + 1)
        basis[:, 0] /= 2
        self._series = values.reshape(len(self._half), -1) @ basis
        self._slopes = chebyshev.chebder(self._series, axis=1) / self._half[:, None]

    def value(self, x: Array) -> Array:
        """The function at a vector of points between the outer edges."""
        return self._sum(x, self._series)

    def __call__(self, x: Array) -> tuple[Array, Array]:
        """Value and derivative at a vector of points between the outer edges."""
        return self._sum(x, self._series), self._sum(x, self._slopes)

    def _sum(self, x: Array, series: Array) -> Array:
        piece = np.clip(np.searchsorted(self.edges, x) - 1, 0, len(self._half) - 1)
        result = np.empty_like(x)
        for k in np.unique(piece):
            here = piece == k
            inside = (x[here] - self._middle[k]) / self._half[k]
            result[here] = chebyshev.chebval(inside, series[k])
        return result


class EdgeLaw(Frozen):
    """A continuous law given by its h, with methods like those of `scipy.stats`.

    Methods take numbers or arrays and return float64 arrays of the same shape.  NaN gives NaN.
    """

    _survival: ClassVar[bool]  # whether E is the survival function
    _logarithmic: ClassVar[bool]  # whether the support is x > 0, and h a function of y = log x

    @abstractmethod
    def _log_log(self, y: Array) -> tuple[Array, Array]:
        """The function h and its derivative at a vector of points."""

    @property
    @abstractmethod
    def _points(self) -> Array:
        """A dense ascending grid of y that reaches quantiles of the order of 1e-300."""

    def support(self) -> tuple[float, float]:
        """Both ends of the support."""
        return (0.0 if self._logarithmic else -np.inf), np.inf

    def pdf(self, x: ArrayLike) -> Array:
        """Density."""
        return np.asarray(np.exp(self.logpdf(x)))

    def logpdf(self, x: ArrayLike) -> Array:
        """Logarithm of the density."""

        def of(y: Array, h: Array, slope: Array) -> Array:
            log = h - np.exp(h) + np.log(np.abs(slope))
            return log - y if self._logarithmic else log

        return self._evaluate(x, of, -np.inf, -np.inf)

    def cdf(self, x: ArrayLike) -> Array:
        """Mass at or below x."""
        return self._evaluate(x, self._mass(not self._survival), 0.0, 1.0)

    def sf(self, x: ArrayLike) -> Array:
        """Mass above x."""
        return self._evaluate(x, self._mass(self._survival), 1.0, 0.0)

    def logcdf(self, x: ArrayLike) -> Array:
        """Logarithm of `cdf`."""
        return self._evaluate(x, self._log_mass(not self._survival), -np.inf, 0.0)

    def logsf(self, x: ArrayLike) -> Array:
        """Logarithm of `sf`."""
        return self._evaluate(x, self._log_mass(self._survival), 0.0, -np.inf)

    def ppf(self, p: ArrayLike) -> Array:
        """Point below which the mass is p; NaN unless 0 <= p <= 1."""
        return self._inverse(p, self._survival, *self.support())

    def isf(self, p: ArrayLike) -> Array:
        """Point above which the mass is p; NaN unless 0 <= p <= 1."""
        return self._inverse(p, not self._survival, *self.support()[::-1])

    def moment(self, order: float) -> float:
        """Mean of the variable to the power `order`, an integer >= 0 if it can be negative."""
        power = real("order", order)
        if not self._logarithmic and (power < 0 or power != int(power)):
            raise ValueError(f"order must be an integer >= 0 for a law on the line, not {order!r}")
        return self._moments[0] if power == 1 else super().moment(power)

    def _central(self) -> tuple[float, float, float]:
        second, third, fourth = self._moments[1:]
        return second, third / second**1.5, fourth / second**2 - 3

    @cached_property
    def _moments(self) -> tuple[float, float, float, float]:
        """Mean and central moments 2, 3, 4, by Gauss-Legendre quadrature between quantiles."""
        ends = np.concatenate([self.ppf(QUANTILES), self.isf(QUANTILES[::-1])])
        points, weights = leggauss(GAUSS)
        half = np.diff(ends)[:, None] / 2
        x = (ends[:-1, None] + half * (1 + points)).ravel()
        mass = (half * weights).ravel() * self.pdf(x)
        mean = float(mass @ x)
        second, third, fourth = (float(mass @ (x - mean) ** k) for k in (2, 3, 4))
        return mean, second, third, fourth

    @cached_property
    def _grid(self) -> tuple[Array, Array]:
        """Values of h, ascending, and the corresponding y."""
        points = self._points
        values = self._log_log(points)[0]
        return (values, points) if self._survival else (values[::-1], points[::-1])

    def _inverse(self, p: ArrayLike, one_minus: bool, at_zero: float, at_one: float) -> Array:
        """Solve E = p or 1 - E = p, by Newton's method on h from a tabulated guess."""
        p = np.asarray(p, dtype=float)
        inner = (p > 0) & (p < 1)
        result = np.where(p == 0, at_zero, np.where(p == 1, at_one, np.nan))
        wanted = np.log(-np.log1p(-p[inner]) if one_minus else -np.log(p[inner]))
        y = np.interp(wanted, *self._grid)
        for _ in range(NEWTON_STEPS):
            h, slope = self._log_log(y)
            y = y + (wanted - h) / slope
        result[inner] = np.exp(y) if self._logarithmic else y
        return result

    @staticmethod
    def _mass(itself: bool) -> Callable[[Array, Array, Array], Array]:
        """E itself, or 1 - E, as a function of h."""
        if itself:
            return lambda _, h, __: np.exp(-np.exp(h))
        return lambda _, h, __: -np.expm1(-np.exp(h))

    @staticmethod
    def _log_mass(itself: bool) -> Callable[[Array, Array, Array], Array]:
        if itself:
            return lambda _, h, __: -np.exp(h)
        return lambda _, h, __: np.log(-np.expm1(-np.exp(h)))

    def _evaluate(
        self, x: ArrayLike, of: Callable[[Array, Array, Array], Array], below: float, above: float
    ) -> Array:
        x = np.asarray(x, dtype=float)
        low, high = self.support()
        result = np.where(x <= low, below, np.where(x >= high, above, np.nan))
        inner = (x > low) & (x < high)
        y = np.log(x[inner]) if self._logarithmic else x[inner]
        with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
            result[inner] = of(y, *self._log_log(y))
        return result
