"""The curve that parametrises the Fuss-Catalan law, and its inversion, for NumPy and PyTorch.

A point of the support is given by an angle ``t`` in (0, pi); ``v = t/(M+1)``, ``u = pi - t``.
With ``c(y) = 1/y - cot y``, ``L(y) = log(sin y/y)``, ``D = c(t) - c(v)`` and ``A = M + tD``

    fall = log(x_max/x) = M log(1 + tD/M) - L(t) + (M+1) L(v)
    weight = x pdf = t/(pi A),   cdf = u/pi + M weight,   sf = t**2 D/(pi A),

which have no cancellation at either end.  The curves of M and 1/M coincide: ``x_M = x_(1/M)**M`` at
the same t.  Hence everything is computed for ``P = max(M, 1/M)``, and for M < 1 (a ``swapped``
curve) with ``weight = A (sin t)**2/(pi t)`` and ``pi sf/t = 1 - (sin t/t)**2 (1 + tD/P)``.

The unknown of an inversion is ``eta = log tan(t/2)**2``, any real number.  It is read from a table
to about 1e-9, the curve is evaluated there once, and the result is corrected to first order, which
leaves an error of the order of 1e-18.  The formulas are derived in
`bnproof.theory.random_matrices.fuss_catalan_proofs`.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final, NamedTuple

import mpmath
import numpy as np
import torch
from mpmath import mp
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

# A NumPy array or a tensor, and the module with its functions.
Array = Any
Namespace = Any

BLOCK: Final = 8192  # points per block on a CPU, so that intermediate results fit its cache
SERIES_BELOW: Final = 0.5  # below, c(t) and L(t) use series, as the closed forms cancel
TINY: Final = 1e-290  # below, points and masses use the power laws at the left end
_ETA: Final = np.linspace(-44.0, 84.0, 6401)  # beyond it both tables are straight lines to 1e-9


def namespace(x: Array) -> Namespace:
    """The module of x: torch for tensors, numpy otherwise."""
    return torch if isinstance(x, torch.Tensor) else np


def whole(x: Array) -> Array:
    """The integer part of numbers >= 0, as indices."""
    return x.long() if isinstance(x, torch.Tensor) else x.astype(np.intp)


def like(table: NDArray[np.float64], x: Array) -> Array:
    """A table of the kind and on the device of x."""
    return torch.as_tensor(table, device=x.device) if isinstance(x, torch.Tensor) else table


def _zeta_series(terms: int) -> tuple[list[float], list[float]]:
    """Coefficients in y**2, highest first, of c(y)/y and L(y)/y**2: zeta(2k)/pi**(2k)."""
    zeta = [mpmath.zeta(2 * k) / mp.pi ** (2 * k) for k in range(terms, 0, -1)]
    order = range(terms, 0, -1)
    return [float(2 * z) for z in zeta], [float(-z / k) for z, k in zip(zeta, order, strict=True)]


C_SERIES, L_SERIES = _zeta_series(11)


def horner(coefficients: list[float], square: Array) -> Array:
    """The polynomial with these coefficients, highest first, at `square`."""
    total = coefficients[0] * square + coefficients[1]
    for coefficient in coefficients[2:]:
        total = total * square + coefficient
    return total


class Point(NamedTuple):
    """Values of the curve at t; `slope` is d fall/dt, `bend` is d log weight/dt."""

    fall: Array
    slope: Array
    weight: Array
    bend: Array
    cdf: Array
    sf: Array


class Table(NamedTuple):
    """A cubic spline on a uniform grid; row k of `rows` has the coefficients of (x - x_i)**k."""

    start: float
    step: float
    rows: tuple[Array, ...]

    @property
    def end(self) -> float:
        """Right end of the table."""
        return self.start + self.step * len(self.rows[0])

    def __call__(self, x: Array) -> Array:
        """Value at x, which must lie within the table."""
        place = (x - self.start) / self.step
        row = whole(place)
        part = place - row
        zeroth, first, second, third = (column[row] for column in self.rows)
        return ((third * part + second) * part + first) * part + zeroth


def _table(x: NDArray[np.float64], y: NDArray[np.float64]) -> Table:
    """Table of y over ascending x, with as many intervals as points."""
    spline = CubicSpline(x, y)
    nodes, step = np.linspace(x[0], x[-1], len(x), retstep=True)
    even = CubicSpline(nodes, spline(nodes))
    rows = [even.c[3 - k] * step**k for k in range(4)]
    # An extra last row, so that the right end can be looked up.
    last = [float(even(x[-1])), 0.0, 0.0, 0.0]
    return Table(
        float(x[0]),
        float(step),
        tuple(np.append(row, e) for row, e in zip(rows, last, strict=True)),
    )


class Curve:
    """The law for one real M > 0, on its own scale (x_max = (M+1)**(M+1)/M**M).

    Parameters
    ----------
    factors
        M, any real number above 0.
    """

    def __init__(self, factors: float) -> None:
        self.M = factors
        self.swapped = factors < 1
        self.P = 1 / factors if self.swapped else factors
        # fall of the law is `share` times fall of the curve of P.
        self.share = factors if self.swapped else 1.0
        self._c_v, self._L_v = _short_arc(self.P)
        point = self.at(np, np.exp(_ETA / 2))
        excess = log_excess(np, 2 * point.fall / (self.P + 1))
        logit = np.log(point.cdf) - np.log(point.sf)
        self._by_fall = _table(excess, _ETA - excess)
        self._by_logit = _table(logit[::-1], _ETA[::-1])
        self._copies: dict[torch.device | None, tuple[Table, ...]] = {}

    def at(self, xp: Namespace, half: Array) -> Point:
        """Everything at ``half = tan(t/2)``, a positive array."""
        P = self.P
        other = 1 / half
        t, u = 2 * xp.arctan(half), 2 * xp.arctan(other)
        sine, cot = 2 / (half + other), (other - half) / 2
        small = t < SERIES_BELOW
        square = xp.where(small, t, 0.0) ** 2
        c = xp.where(small, t * horner(C_SERIES, square), 1 / t - cot)
        log = xp.where(small, square * horner(L_SERIES, square), xp.log(sine / t))
        v = t / (P + 1)
        square = v * v
        c_v = v * horner(self._c_v, square)
        cot_v = 1 / v - c_v
        rise = t * (c - c_v)
        A = P + rise
        fall = P * xp.log1p(rise / P) - log + (P + 1) * square * horner(self._L_v, square)
        # K = cot v - P cot Pv, where cot Pv = cot(t - v)
        K = cot_v - P * t * (1 + cot * cot_v) / A
        slope = (K * K / (P + 1) + (P + 1)) * A / (t * (1 + cot_v * cot_v))
        if self.swapped:
            ratio = sine / t
            weight = sine * (ratio * A) / np.pi
            bend = cot - K / (P + 1)
            sf = t * (-xp.expm1(2 * log) - ratio * (ratio * rise) / P) / np.pi
        else:
            weight = t / A / np.pi
            bend = cot + K / (P + 1)
            sf = weight * rise
        return Point(fall, slope, weight, bend, u / np.pi + self.M * weight, sf)

    def values(self, xp: Namespace, fall: Array) -> tuple[Array, Array, Array]:
        """``x pdf``, cdf and sf where ``log(x_max/x) = fall > 0``."""
        fall = fall / self.share
        excess = log_excess(xp, 2 * fall / (self.P + 1))
        table = self._tables(xp, fall)[0]
        eta = excess + table(xp.clip(excess, table.start, table.end - table.step))
        point = self.at(xp, xp.exp(eta / 2))
        missing = fall - point.fall
        weight = point.weight * (1 + point.bend * missing / point.slope)
        moved = point.weight * missing * self.share
        return weight, point.cdf - moved, point.sf + moved

    def fall_of(self, xp: Namespace, below: Array, above: Array) -> Array:
        """``log(x_max/x)`` where the masses below and above x are these, both positive."""
        safe = xp.clip(below, TINY, None)
        logit = xp.log(safe / above)
        table = self._tables(xp, below)[1]
        clipped = xp.clip(logit, table.start, table.end - table.step)
        # Beyond the table, cdf behaves as exp(-eta/2) at the left end and sf as exp(3 eta/2).
        beyond = logit - clipped
        eta = table(clipped) - xp.where(beyond < 0, 2.0, 2 / 3) * beyond
        point = self.at(xp, xp.exp(eta / 2))
        left = below < above
        missing = xp.where(left, point.cdf - safe, above - point.sf) / point.weight
        fall = point.fall * self.share + missing
        return fall + (self.M + 1) * xp.log(safe / below)

    def _tables(self, xp: Namespace, x: Array) -> tuple[Table, ...]:
        device = x.device if xp is torch else None
        if device not in self._copies:
            self._copies[device] = tuple(
                table._replace(rows=tuple(like(row, x) for row in table.rows))
                for table in (self._by_fall, self._by_logit)
            )
        return self._copies[device]


@lru_cache(maxsize=128)
def curve(factors: float) -> Curve:
    """The curve of M; its tables are cached."""
    return Curve(float(factors))


def log_excess(xp: Namespace, exponent: Array) -> Array:
    """log(exp(exponent) - 1) without overflow or cancellation."""
    return exponent + xp.log(-xp.expm1(-exponent))


def _short_arc(P: float) -> tuple[list[float], list[float]]:
    """Polynomials in v**2 for c(v)/v and L(v)/v**2 on the range of v, 0 to pi/(P+1) <= pi/2.

    They interpolate at Chebyshev points in high precision.  In v**2 the nearest singularity,
    v = pi, is at least four times as far as the end of the interval, so 17 coefficients suffice.
    """
    with mp.workdps(60):
        end = (mp.pi / (mp.mpf(P) + 1)) ** 2
        # the error with n points behaves as r**-n, r = sum of the semi-axes of the largest ellipse
        centre = 2 * mp.pi**2 / end - 1
        n = int(mp.ceil(40 / mp.log(centre + mp.sqrt(centre**2 - 1)))) + 1
        nodes = [end * (1 + mp.cos(mp.pi * (k + mp.mpf(1) / 2) / n)) / 2 for k in range(n)]
        roots = [mp.sqrt(z) for z in nodes]
        c = [(1 / y - mp.cot(y)) / y for y in roots]
        log = [mp.log(mp.sin(y) / y) / y**2 for y in roots]
        matrix = mp.matrix(n, n)
        for row, z in enumerate(nodes):
            for k in range(n):
                matrix[row, k] = z ** (n - 1 - k)
        return tuple(  # type: ignore[return-value]
            [float(a) for a in mp.lu_solve(matrix, mp.matrix(values))] for values in (c, log)
        )


def mapped(
    function: Callable[[Namespace, Array], tuple[Array, ...]], x: Array
) -> tuple[Array, ...]:
    """Apply `function` to x in blocks (on a GPU all at once), in float64.

    The results have the kind, shape and device of x, and are float32 if x is.
    """
    xp = namespace(x)
    x = x if xp is torch else np.asarray(x)
    narrow = x.dtype == xp.float32
    flat = (x.double() if xp is torch else x.astype(float)).reshape(-1)
    step = BLOCK if xp is np or x.device.type == "cpu" else max(1, len(flat))
    with np.errstate(over="ignore", divide="ignore"):
        first = function(xp, flat[:step])
        whole = first
        if len(flat) > step:
            whole = tuple(xp.empty_like(flat) for _ in first)
            for start in range(0, len(flat), step):
                parts = function(xp, flat[start : start + step]) if start else first
                for result, part in zip(whole, parts, strict=True):
                    result[start : start + step] = part
    whole = tuple(part.reshape(x.shape) for part in whole)
    if narrow:
        whole = tuple(part.float() if xp is torch else part.astype(np.float32) for part in whole)
    return whole if xp is torch else tuple(part[()] for part in whole)
