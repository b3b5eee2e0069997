"""The exact law of the squared singular values of a product of few complex Gaussian matrices.

Let N be the smallest of the widths n_0, ..., n_M and ``N + nu_j`` the others.  The nonzero squared
singular values of a product of matrices with standard complex entries (of mean square 1) are a
polynomial ensemble (G. Akemann, J. R. Ipsen and M. Kieburg, Phys. Rev. E 88 (2013) 052118); its
kernel is the sum over n < N of P_n(x) Q_n(y),

    P_n(x) = sum over k of (-1)^(n+k) C(n, k) prod_j (n + nu_j)!/(k + nu_j)! x^k,
    Mellin transform of Q_n at s:  prod_j Gamma(s + nu_j)/(n + nu_j)! (s - 1) ... (s - n)/n!,

so that Q_n is a Meijer G-function.  The Mellin transform of the density is therefore

    W(s) = q(s) prod_j Gamma(s + nu_j),  q a polynomial with rational coefficients,

and the density, the mass above and the mass below x are inverse Mellin transforms along any line
``Re s = c`` right of the poles.  q is computed exactly and W with many digits, once for each line.
On the line where ``x**-c W(c)`` is least nothing cancels but what the oscillations of the density
cancel, and the trapezoidal rule converges exponentially.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, lru_cache
from itertools import pairwise
from math import comb, factorial, inf, log, pi, prod
from typing import Final

import numpy as np
from mpmath import mp, mpc, mpf
from numpy.typing import ArrayLike
from scipy.special import loggamma

from bnproof.simulate.random_matrices import Array, Complex
from bnproof.simulate.random_matrices.laws.arguments import real
from bnproof.simulate.random_matrices.laws.frozen import Frozen, central_moments

LARGEST: Final = 120  # of N (M + 1), the degree of q
# Lines Re s = c.  Those below 1 serve the mass below x, the others the mass above.  The first are
# close to the first pole, -nu, which rules near 0.
NEAR: Final = (1 / 16, 1 / 4, 1 / 2, 3 / 4)
ABOVE: Final = tuple(1 + 0.5 * 1.2**k for k in range(45))
DIGITS: Final = 50
BLOCK: Final = 32  # nodes computed at once
DECAY: Final = 1e-20  # of W along the line, where it is cut off
TABLE: Final = (-120.0, 12.0, 500)  # logarithms of points from which a search starts
STEPS: Final = 80  # of a search for a quantile
CLOSE: Final = 1e-12  # of a quantile, in mass


@dataclass(frozen=True)
class FiniteProduct(Frozen):
    """Law of one of the nonzero squared singular values of a product of complex Gaussian matrices.

    Exact for every size, on the scale of `bnproof.ProductLaw.of_widths`, its limit: entries of the
    i-th matrix have mean square 1/n_(i-1).  The methods are those of a frozen `scipy.stats`
    distribution.

    Parameters
    ----------
    widths
        n_0, ..., n_M: integers, at least 1.

    Raises
    ------
    ValueError
        If there are fewer than two widths, one is not an integer, or N (M + 1) exceeds 120.

    Notes
    -----
    The relative error of `pdf`, and of `cdf` and `sf` where they are the smaller, is about 1e-12
    from x = 1e-30 on, compared with Meijer G-functions in mpmath.  The first value of a law takes a
    second.

    Examples
    --------
    >>> import bnproof
    >>> law = bnproof.FiniteProduct([1, 1])  # one entry: its square is exponentially distributed
    >>> float(law.sf(2.0).round(12)), law.mean()
    (0.135335283237, 1.0)
    """

    widths: Sequence[int]

    def __post_init__(self) -> None:
        widths = tuple(self.widths)
        if len(widths) < 2 or any(w != int(w) or w < 1 for w in widths):
            raise ValueError(f"widths must be two or more integers, at least 1, not {self.widths}")
        object.__setattr__(self, "widths", tuple(map(int, widths)))
        if min(widths) * len(widths) > LARGEST:
            raise ValueError(
                f"widths {widths}: the smallest times their number must be at most {LARGEST}; use "
                "ProductLaw.of_widths"
            )

    @cached_property
    def _shape(self) -> tuple[int, tuple[int, ...]]:
        """N and nu_j."""
        ascending = sorted(self.widths)
        return ascending[0], tuple(width - ascending[0] for width in ascending[1:])

    @cached_property
    def _below(self) -> tuple[float, ...]:
        """The lines from the first pole to 1."""
        least = min(self._shape[1])
        return (*(near - least for near in NEAR), *(k + 0.5 for k in range(1 - least, 1)))

    @cached_property
    def _log_scale(self) -> float:
        return sum(log(fan) for fan, _ in pairwise(self.widths))

    def support(self) -> tuple[float, float]:
        """Both ends of the support: 0 and infinity."""
        return 0.0, inf

    def pdf(self, x: ArrayLike) -> Array:
        """Density; infinite at 0 for two or more factors as wide as the narrowest width."""
        x = np.asarray(x, dtype=float)
        usable = (x > 0) & np.isfinite(x)
        logs = np.log(x[usable])
        found = np.where(np.isnan(x), np.nan, 0.0)
        density = self._over(logs, (*self._below, *ABOVE), lambda s: np.ones_like(s))
        with np.errstate(over="ignore"):
            found[usable] = density / x[usable]
        return np.where(x == 0, self._at_0(), np.maximum(found, 0.0))[()]

    def cdf(self, x: ArrayLike) -> Array:
        """Mass at or below x."""
        return self._mass(x)[0][()]

    def sf(self, x: ArrayLike) -> Array:
        """Mass above x."""
        return self._mass(x)[1][()]

    def ppf(self, q: ArrayLike) -> Array:
        """Point below which the mass is q; NaN unless 0 <= q <= 1."""
        return self._quantile(q, upper=False)

    def isf(self, q: ArrayLike) -> Array:
        """Point above which the mass is q; NaN unless 0 <= q <= 1."""
        return self._quantile(q, upper=True)

    def moment(self, order: float) -> float:
        """Mean of the variable to the power `order`.

        Raises
        ------
        ValueError
            Unless `order` is a finite number above that where the mean diverges.
        """
        order, least = real("order", order), -1 - min(self._shape[1])
        if order <= least:
            raise ValueError(f"order must be > {least}, not {order}")
        with mp.workdps(DIGITS):
            return float(self._moment(order))

    def _moment(self, order: float) -> mpf:
        size, excess = self._shape
        value = _mellin(mpf(order) + 1, size, excess) / size
        return value / mpf(prod(self.widths[:-1])) ** mpf(order)

    def _central(self) -> tuple[float, float, float]:
        """Variance, skewness and excess kurtosis."""
        with mp.workdps(DIGITS):
            second, third, fourth = central_moments(*map(self._moment, (1, 2, 3, 4)))
            return float(second), float(third / second**1.5), float(fourth / second**2 - 3)

    def _at_0(self) -> float:
        size, excess = self._shape
        if excess.count(0) > 1:
            return inf
        if min(excess) > 0:
            return 0.0
        # The residue of W at its pole 0.
        with mp.workdps(DIGITS):
            rest = prod((mp.gamma(nu) for nu in excess if nu), start=mpf(1))
            value = rest * _polynomial_at(mpf(0), size, excess) / size
        return float(value) * float(np.exp(self._log_scale))

    def _mass(self, x: ArrayLike) -> tuple[Array, Array]:
        """Mass below and above x."""
        x = np.asarray(x, dtype=float)
        usable = (x > 0) & np.isfinite(x)
        logs = np.where(usable, np.log(np.where(usable, x, 1.0)), 0.0)
        # From the line with the smaller terms.
        low = self._exponents(logs, self._below).min(0) < self._exponents(logs, ABOVE).min(0)
        below, above = np.ones(x.shape), np.ones(x.shape)
        below[low] = np.maximum(self._over(logs[low], self._below, lambda s: 1 - s), 0.0)
        above[~low] = np.maximum(self._over(logs[~low], ABOVE, lambda s: s - 1), 0.0)
        below, above = np.where(low, below, 1 - above), np.where(low, 1 - below, above)
        for ends, values in ((x <= 0, (0.0, 1.0)), (np.isposinf(x), (1.0, 0.0))):
            below, above = (
                np.where(ends, value, old)
                for value, old in zip(values, (below, above), strict=True)
            )
        nan = np.isnan(x)
        return np.where(nan, np.nan, below), np.where(nan, np.nan, above)

    def _exponents(self, logs: Array, lines: Sequence[float]) -> Array:
        """Logarithm of the largest integrand on each line, times x, by log x."""
        peaks = np.array([_log_peak(line, *self._shape) for line in lines])
        slopes = np.multiply.outer(1 - np.array(lines), logs + self._log_scale)
        found: Array = peaks.reshape(-1, *[1] * logs.ndim) + slopes
        return found

    def _over(
        self, logs: Array, lines: Sequence[float], divisor: Callable[[Complex], Complex]
    ) -> Array:
        """``x`` times the integral of ``W x**-s/divisor(s)`` over the best line, by log x."""
        exponents = self._exponents(logs, lines)
        best = exponents.argmin(axis=0)
        found = np.zeros(logs.size)
        for number in np.unique(best):
            chosen = best == number
            s, weights = _line(lines[number], *self._shape)
            turns = np.outer(logs[chosen] + self._log_scale, -s.imag)
            # Summed row by row: a product of matrices would depend on the number of points.
            waves = np.exp(1j * turns) * (weights / divisor(s))
            found[chosen] = waves.real.sum(axis=1) * np.exp(exponents[number, chosen])
        return found / self._shape[0]

    @cached_property
    def _table(self) -> tuple[Array, Array, Array]:
        """Points by their logarithm, and logarithms of the masses below and above."""
        logs = np.linspace(*TABLE)
        with np.errstate(divide="ignore"):
            below, above = map(np.log, self._mass(np.exp(logs)))
        known = np.isfinite(below) & np.isfinite(above)
        return logs[known], below[known], above[known]

    def _quantile(self, q: ArrayLike, *, upper: bool) -> Array:
        """Safeguarded Newton steps in log x, on the smaller of both masses."""
        q = np.asarray(q, dtype=float)
        inside = (q > 0) & (q < 1)
        target = np.where(inside, q, 0.5).ravel()
        low, high = np.full(target.shape, -700.0), np.full(target.shape, 60.0)
        logs, below, above = self._table
        if upper:
            at = np.interp(np.log(target), above[::-1], logs[::-1])
            near = np.interp(np.log1p(-target), below, logs)
        else:
            at = np.interp(np.log(target), below, logs)
            near = np.interp(np.log1p(-target), above[::-1], logs[::-1])
        at = np.where(target < 0.5, at, near)
        left = np.ones(target.shape, dtype=bool)
        for _ in range(STEPS):
            here, goal = at[left], target[left]
            x = np.exp(here)
            value = self._mass(x)[int(upper)]
            gap = (goal - value) if upper else (value - goal)  # increases with x
            low[left] = np.where(gap < 0, here, low[left])
            high[left] = np.where(gap < 0, high[left], here)
            with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
                step = np.log(value / goal) * value / (self.pdf(x) * x) * (-1 if upper else 1)
            new = here - step
            inner = (new >= low[left]) & (new <= high[left])
            new = np.where(inner, new, (low[left] + high[left]) / 2)
            at[left] = new
            left[left] = np.abs(new - here) > 4e-16 * np.maximum(1, np.abs(here))
            if not left.any():
                break
        x = np.exp(at)
        masses = self._mass(x)
        wrong = np.abs((masses[1] if upper else masses[0]) - target) > CLOSE
        if wrong.any():
            raise ArithmeticError(f"no quantile of {target[wrong][0]} to {CLOSE} in mass")
        ends = (0.0, inf) if not upper else (inf, 0.0)
        found = np.where(q == 0, ends[0], np.where(q == 1, ends[1], np.nan))
        return np.where(inside, x.reshape(q.shape), found)[()]


@lru_cache(maxsize=64)
def _polynomial(size: int, excess: tuple[int, ...]) -> tuple[Fraction, ...]:
    """Coefficients of q, the constant first."""

    def times(one: list[Fraction], root: int) -> list[Fraction]:
        """(s + root) times a polynomial."""
        moved = [Fraction(0), *one]
        return [a + root * b for a, b in zip(moved, [*one, Fraction(0)], strict=True)]

    total = [Fraction(0)] * ((len(excess) + 1) * (size - 1) + 1)
    for k in range(size):
        rising = [Fraction(1)]
        for nu in excess:
            for i in range(k):
                rising = times(rising, nu + i)
        weight = Fraction(1, prod(factorial(k + nu) for nu in excess))
        for n in range(k, size):
            part = rising
            for i in range(n):
                part = times(part, k - n + i)
            factor = weight * Fraction((-1) ** (n + k) * comb(n, k), factorial(n))
            for degree, value in enumerate(part):
                total[degree] += factor * value
    return tuple(total)


@lru_cache(maxsize=64)
def _decimals(size: int, excess: tuple[int, ...]) -> list[mpf]:
    """Coefficients of q with many digits, the highest first."""
    with mp.workdps(DIGITS):
        return [mpf(c.numerator) / c.denominator for c in reversed(_polynomial(size, excess))]


def _polynomial_at(s: mpf | mpc, size: int, excess: tuple[int, ...]) -> mpf | mpc:
    return mp.polyval(_decimals(size, excess), s)


def _mellin(s: mpf | mpc, size: int, excess: tuple[int, ...]) -> mpf | mpc:
    """W(s), the sum over all N values."""
    return _polynomial_at(s, size, excess) * prod((mp.gamma(s + nu) for nu in excess), start=mpf(1))


@lru_cache(maxsize=4096)
def _log_peak(line: float, size: int, excess: tuple[int, ...]) -> float:
    """Logarithm of W(c)."""
    with mp.workdps(DIGITS):
        return float(mp.log(_mellin(mpf(line), size, excess)))


@lru_cache(maxsize=1024)
def _line(line: float, size: int, excess: tuple[int, ...]) -> tuple[Complex, Complex]:
    """Nodes on the upper half of a line, and W/W(c) there times the weights of the rule."""
    # The rule with this step sees the nearest pole, at -nu or 1, and Fourier components of the
    # peak, of width sqrt(line/M) or more, with e**-37.
    pole = min(line + min(excess), abs(line - 1))
    step = min(2 * pi * pole / 37, 0.5 * (max(line, 1 / 2) / len(excess)) ** 0.5)
    peak = _log_peak(line, size, excess)
    s = np.zeros(0, dtype=complex)
    values = np.zeros(0, dtype=complex)
    with mp.workdps(DIGITS):
        while not len(s) or abs(values[-1]) > DECAY:
            more = line + 1j * step * (np.arange(len(s), len(s) + BLOCK) + 0.5)
            logs = sum(loggamma(more + nu) for nu in excess) - peak
            # With many digits, as terms of q cancel, and as its value may be large.
            q = [_polynomial_at(mpc(node), size, excess) for node in more]
            values = np.append(
                values, [complex(mp.exp(a) * b) for a, b in zip(logs, q, strict=True)]
            )
            s = np.append(s, more)
    return s, values * step / pi
