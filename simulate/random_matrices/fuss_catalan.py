"""The Fuss-Catalan law in float64, vectorised: the law of the singular values of X_1 ... X_M.

A point is parametrised by ``t = (M+1) phi`` in (0, pi), with ``v = t/(M+1)`` and ``u = pi - t``,
in a form in which nothing cancels at either end of the support.  With ``c(y) = 1/y - cot y``,
``L(y) = log(sin y/y)``, ``D = c(t) - c(v)`` and ``A = M + tD``

    log(x_max/x) = M log(1 + tD/M) - L(t) + (M+1) L(v)
    pdf = t/(pi x A),   cdf = (u + M t/A)/pi,   sf = t**2 D/(pi A).

The unknown of all inversions is ``eta = log tan(t/2)**2``, any real number, of which sin t, cot t,
t and u are functions of full relative accuracy.  It is guessed from a spline and improved by
Newton's method.  The formulas are those of `theory.fuss_catalan` (equation (5) of S3).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Final, NamedTuple

import mpmath
import numpy as np
from mpmath import mp
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import CubicSpline
from scipy.special import gammaln

from theory import fuss_catalan as reference

Array = NDArray[np.float64]

GRID: Final = np.linspace(-32.0, 32.0, 1281)  # of eta; beyond it the guesses are asymptotes
NEWTON_STEPS: Final = 2  # the guess is good to 1e-6, and Newton's method squares that
BLOCK: Final = 8192  # points at a time: what is computed of them fits into the cache
SERIES_BELOW: Final = 0.5  # c and L by their series for smaller arguments


def _series(terms: int) -> tuple[Array, Array]:
    """Coefficients in y**2, highest first, of c(y)/y and L(y)/y**2: zeta(2k)/pi**(2k)."""
    zeta = [float(mpmath.zeta(2 * k) / mp.pi ** (2 * k)) for k in range(terms, 0, -1)]
    order = np.arange(terms, 0, -1)
    return 2 * np.array(zeta), -np.array(zeta) / order


_C_SERIES, _L_SERIES = _series(12)


class _Point(NamedTuple):
    """Functions of eta; `fall` is log(x_max/x) and `slope` its derivative by eta."""

    t: Array
    u: Array
    D: Array
    A: Array
    fall: Array
    slope: Array


def _c_and_log(y: Array, sine: Array, cotangent: Array) -> tuple[Array, Array]:
    """c(y) and L(y), with sin y and cot y given."""
    square = np.where(y < SERIES_BELOW, y, 0.0) ** 2
    c = np.where(y < SERIES_BELOW, y * np.polyval(_C_SERIES, square), 1 / y - cotangent)
    log = np.where(y < SERIES_BELOW, square * np.polyval(_L_SERIES, square), np.log(sine / y))
    return c, log


def _point(eta: Array, factors: int) -> _Point:
    M = factors
    half = np.exp(eta / 2)
    t, u = 2 * np.arctan(half), 2 * np.arctan(1 / half)
    sine, cotangent = 2 / (half + 1 / half), (1 / half - half) / 2
    v = t / (M + 1)
    c_t, log_t = _c_and_log(t, sine, cotangent)
    c_v, log_v = _c_and_log(v, np.sin(v), 1 / np.tan(v))
    D = c_t - c_v
    A = M + t * D
    fall = M * np.log1p(t * D / M) - log_t + (M + 1) * log_v
    # sin t multiplies before anything can overflow; c' = 1 - 2c/y + c**2.
    rise = sine - 2 * (sine * c_t) / t + (sine * c_t) * c_t
    rise = rise - sine * (1 - 2 * c_v / v + c_v**2) / (M + 1)
    slope = (M * (sine * D + t * rise) / A + sine * D) / 2
    return _Point(t, u, D, A, fall, slope)


@dataclass(frozen=True)
class FussCatalan:
    """Limiting law of s**power, s the singular values of a product of N x N Gaussian matrices.

    The factors are independent with independent N(0, 1/N) entries, and N tends to infinity.
    Methods take numbers or arrays and return float64 arrays of the same shape.  Outside the
    support the density is 0; NaN gives NaN.

    Parameters
    ----------
    factors
        Number M of factors, an integer of at least 1.
    power
        2 (default) for the squared singular values, 1 for the singular values.

    Raises
    ------
    ValueError
        If `factors` is not an integer >= 1, or `power` is neither 1 nor 2.

    Notes
    -----
    Relative error of pdf, cdf and sf at most 1e-12 for M from 1 to 64 and x**(2/power) from
    1e-100 x_max to (1 - 1e-10) x_max, checked against `theory.fuss_catalan`.
    """

    factors: int
    power: int = 2

    def __post_init__(self) -> None:
        whole = isinstance(self.factors, int | np.integer) and not isinstance(self.factors, bool)
        if not whole or self.factors < 1:
            raise ValueError(f"factors must be an integer >= 1, not {self.factors!r}")
        if self.power not in (1, 2):
            raise ValueError(f"power must be 1 or 2, not {self.power!r}")

    def support(self) -> tuple[float, float]:
        """Both ends of the support."""
        return 0.0, self._edge[0]

    def pdf(self, x: ArrayLike) -> Array:
        """Density; at 0 its limit, which is infinite unless M = 1 and power = 1."""
        x = np.asarray(x, dtype=float)
        at_zero = 2 / np.pi if self.factors == self.power == 1 else np.inf

        def inside(where: Array, p: _Point) -> Array:
            return 2 / self.power * p.t / (np.pi * p.A * where)

        return self._evaluate(x, inside, below=0.0, at_zero=at_zero, above=0.0)

    def cdf(self, x: ArrayLike) -> Array:
        """Mass at or below x."""
        return self._evaluate(x, lambda _, p: self._below(p), below=0.0, at_zero=0.0, above=1.0)

    def sf(self, x: ArrayLike) -> Array:
        """Mass above x, with full relative accuracy near the right end."""
        return self._evaluate(x, lambda _, p: self._above(p), below=1.0, at_zero=1.0, above=0.0)

    def ppf(self, p: ArrayLike) -> Array:
        """Point below which the mass is p; NaN unless 0 <= p <= 1.

        It may underflow to 0 where M is large and p small: see `log_ppf`.
        """
        return np.exp(self.log_ppf(p))

    def log_ppf(self, p: ArrayLike) -> Array:
        """Logarithm of `ppf`: minus infinity at p = 0, NaN where 0 < p < 1e-300."""
        p = np.asarray(p, dtype=float)
        inner = (p >= 1e-300) & (p < 1)
        fall = np.where(p == 0, np.inf, np.where(p == 1, 0.0, np.nan))
        fall[inner] = self._fall_of_mass(p[inner])
        return np.log(self._edge[0]) - self.power / 2 * fall

    def moment(self, order: float) -> float:
        """Mean of (s**power)**order; infinite unless order*power/2 > -1/(M+1).

        Raises
        ------
        OverflowError
            If it is an integer too large for a float.
        """
        k, M = order * self.power / 2, self.factors
        if k <= -1 / (M + 1):
            return float("inf")
        if k >= 0 and float(k).is_integer():
            return float(reference.moment(int(k), M))
        return float(np.exp(gammaln((M + 1) * k + 1) - gammaln(k + 1) - gammaln(M * k + 2)))

    @cached_property
    def _edge(self) -> tuple[float, float]:
        """Right end of the support as a sum of two floats: the second is the rounding error.

        Near the end the density goes as the square root of the distance to it, so that an end
        rounded to float64 would cost 1e-6 at a relative distance of 1e-10.
        """
        exact = reference.support(self.factors)
        with mp.workdps(50):
            exact = mp.sqrt(exact) if self.power == 1 else exact
            return float(exact), float(exact - mp.mpf(float(exact)))

    def _evaluate(
        self,
        x: ArrayLike,
        inside: Callable[[Array, _Point], Array],
        *,
        below: float,
        at_zero: float,
        above: float,
    ) -> Array:
        x = np.asarray(x, dtype=float)
        high, low = self._edge
        distance = (high - x) + low
        result = np.where(x < 0, below, np.where(x == 0, at_zero, above))
        result = np.where(np.isnan(x), np.nan, result)
        inner = (x > 0) & (distance > 0)
        where = x[inner]
        # log(edge/x): near the edge by the distance to it, far from it without overflow.
        with np.errstate(over="ignore"):
            near = np.log1p(distance[inner] / where)
        fall = np.where(where < 1e-290, np.log(high) - np.log(where), near)
        blocks = max(1, len(where) // BLOCK)
        parts = [
            inside(some, _point(self._eta_of_fall(2 / self.power * falls), self.factors))
            for some, falls in zip(
                np.array_split(where, blocks), np.array_split(fall, blocks), strict=True
            )
        ]
        result[inner] = np.concatenate(parts)
        return result

    @cached_property
    def _guesses(self) -> tuple[CubicSpline, CubicSpline]:
        """Splines of eta - log Y over log Y, Y = (x_max/x)**(2/(M+1)) - 1, and of eta over logit.

        Both are functions that tend to straight lines, `logit` being log(cdf/sf).
        """
        p = _point(GRID, self.factors)
        scale = _log_excess(p.fall, self.factors)
        logit = np.log(self._below(p)) - np.log(self._above(p))
        return CubicSpline(scale, GRID - scale), CubicSpline(logit[::-1], GRID[::-1])

    def _eta_of_fall(self, fall: Array) -> Array:
        spline = self._guesses[0]
        scale = _log_excess(fall, self.factors)
        eta = scale + spline(np.clip(scale, spline.x[0], spline.x[-1]))
        for _ in range(NEWTON_STEPS):
            p = _point(eta, self.factors)
            eta = eta + (fall - p.fall) / p.slope
        return eta

    def _fall_of_mass(self, mass: Array) -> Array:
        spline = self._guesses[1]
        logit = np.log(mass) - np.log1p(-mass)
        clipped = np.clip(logit, spline.x[0], spline.x[-1])
        # Beyond the grid: cdf goes as exp(-eta/2) at the left end, sf as exp(3 eta/2) at the right.
        beyond = logit - clipped
        eta = spline(clipped) - np.where(beyond < 0, 2.0, 2 / 3) * beyond
        left = mass < 0.5
        for _ in range(NEWTON_STEPS):
            p = _point(eta, self.factors)
            weight = p.t / (np.pi * p.A) * p.slope  # d sf/d eta
            below, above = self._below(p), self._above(p)
            eta = eta + np.where(
                left,
                np.log(below / mass) * below / weight,
                np.log((1 - mass) / above) * above / weight,
            )
        return _point(eta, self.factors).fall

    def _below(self, p: _Point) -> Array:
        return (p.u + self.factors * p.t / p.A) / np.pi

    def _above(self, p: _Point) -> Array:
        return p.t**2 * p.D / (np.pi * p.A)


def _log_excess(fall: Array, factors: int) -> Array:
    """log((x_max/x)**(2/(M+1)) - 1) without overflow or cancellation."""
    exponent = 2 * fall / (factors + 1)
    return exponent + np.log(-np.expm1(-exponent))
