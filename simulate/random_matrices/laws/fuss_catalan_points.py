"""Values of the Fuss-Catalan law at given points: scale, root, ends, and points outside."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Final, NamedTuple

import numpy as np
from mpmath import mp
from numpy.typing import NDArray

from bnproof.simulate.random_matrices.laws import fuss_catalan_kernel as kernel
from bnproof.theory.random_matrices import fuss_catalan as reference

Points = kernel.Array  # or a number, or an array-like object; results are of the same kind

FAR: Final = 40.0  # bound on fall/(M+1): above, x pdf and cdf are C x**(1/(M+1)) to 17 digits
BITS: Final = 32  # powers of two by which far points are shifted
LIFTS: Final = np.exp2(BITS * np.arange(32.0))


class Inside(NamedTuple):
    """Points inside the support with `weight` = x pdf and the masses below and above."""

    x: Points
    weight: Points
    cdf: Points
    sf: Points


class Outcome(NamedTuple):
    """A function of inside points, and its values below 0, at 0, and above the right end."""

    inside: Callable[[kernel.Namespace, Inside], Points]
    below: float
    at_zero: float
    above: float


@dataclass(frozen=True)
class Placed:
    """The law of ``(scale X)**(1/power)``, where X has the unscaled law for M."""

    factors: float
    scale: float
    power: int

    @property
    def curve(self) -> kernel.Curve:
        """The curve of M."""
        return kernel.curve(self.factors)

    @cached_property
    def end(self) -> tuple[float, float]:
        """Right end of the support as a sum of two floats: the second is the rounding error.

        Near the end the density is proportional to the square root of the distance to it, so that
        rounding the end to float64 would cause an error of 1e-6 at a relative distance of 1e-10.
        """
        with mp.workdps(50):
            square = mp.mpf(self.scale) * reference.support(self.factors)
            exact = square if self.power == 1 else mp.sqrt(square)
            return float(exact), float(exact - mp.mpf(float(exact)))

    @cached_property
    def log_end(self) -> float:
        """Logarithm of the right end."""
        with mp.workdps(50):
            return float(mp.log(mp.fsum(self.end)))

    @cached_property
    def at_zero(self) -> float:
        """The density at 0, near which it behaves as x**(power/(M+1) - 1)."""
        if self.power == self.factors + 1:
            return float(2 / (np.pi * np.sqrt(self.scale)))
        return 0.0 if self.power > self.factors + 1 else np.inf

    @cached_property
    def _drops(self) -> NDArray[np.float64]:
        """Corrections for shifting a far point by each of `LIFTS`."""
        with mp.workdps(30):
            share = -mp.mpf(self.power * BITS) / (mp.mpf(self.factors) + 1)
            return np.array([float(mp.mpf(2) ** (share * k)) for k in range(len(LIFTS))])

    def values(self, x: Points, *outcomes: Outcome) -> tuple[Points, ...]:
        """Evaluate `outcomes` at x, block by block."""
        high, low = self.end

        def block(xp: kernel.Namespace, x: Points) -> tuple[Points, ...]:
            distance = (high - x) + low
            inner = (x > 0) & (distance > 0)
            inside = self._inside(
                xp, xp.where(inner, x, high / 2), xp.where(inner, distance, high / 2)
            )
            results = tuple(outcome.inside(xp, inside) for outcome in outcomes)
            if inner.all():
                return results
            return tuple(
                xp.where(inner, result, _outside(xp, x, outcome))
                for result, outcome in zip(results, outcomes, strict=True)
            )

        return kernel.mapped(block, x)

    def _inside(self, xp: kernel.Namespace, x: Points, distance: Points) -> Inside:
        """Values at x, at this distance from the right end."""
        curve, power = self.curve, self.power
        # log(end/x): near the end from the distance; in two steps, since 1/x may overflow.
        safe = xp.clip(x, self.end[0] * kernel.TINY, None)
        fall = power * (xp.log1p(distance / safe) + xp.log(safe / x))
        far = fall - FAR * (self.factors + 1)
        steps = far / (power * BITS * np.log(2))
        drop: Points = 1.0
        if (steps >= 1).any():
            # Rounding of log x would cost digits: shift by an exact power of two.
            count = kernel.whole(xp.clip(steps, 0, len(LIFTS) - 1))
            nearer = x * kernel.like(LIFTS, x)[count]
            fall = xp.where(count > 0, power * xp.log(self.end[0] / nearer), fall)
            drop = kernel.like(self._drops, x)[count]
        weight, cdf, sf = curve.values(xp, fall)
        return Inside(x, power * weight * drop, cdf * drop, sf)

    def fall_of(self, q: Points, *, upper: bool) -> Points:
        """Logarithm of (right end)/x at the point x with mass q below it, or above it."""

        def block(xp: kernel.Namespace, q: Points) -> tuple[Points, ...]:
            inner = (q > 0) & (q < 1)
            mass = xp.where(inner, q, 0.5)
            fall = self.curve.fall_of(xp, *((1 - mass, mass) if upper else (mass, 1 - mass)))
            zero = 1.0 if upper else 0.0
            outer = xp.where(q == zero, np.inf, xp.where(q == 1 - zero, 0.0, np.nan))
            return (xp.where(inner, fall, outer) / self.power,)

        return kernel.mapped(block, q)[0]


def _outside(xp: kernel.Namespace, x: Points, outcome: Outcome) -> Points:
    value = xp.where(x > 0, outcome.above, xp.where(x < 0, outcome.below, outcome.at_zero))
    return xp.where(xp.isnan(x), x, value)


def density(at_zero: float) -> Outcome:
    """The density, given its value at 0."""
    return Outcome(lambda _, p: p.weight / p.x, 0.0, at_zero, 0.0)


def log_density(at_zero: float) -> Outcome:
    """Its logarithm."""
    limit = float(np.log(at_zero)) if at_zero > 0 else -np.inf
    return Outcome(lambda xp, p: xp.log(p.weight) - xp.log(p.x), -np.inf, limit, -np.inf)


def _log_cdf(xp: kernel.Namespace, p: Inside) -> Points:
    left = p.cdf < p.sf
    return xp.where(left, xp.log(p.cdf), xp.log1p(-xp.where(left, 0.0, p.sf)))


def _log_sf(xp: kernel.Namespace, p: Inside) -> Points:
    left = p.cdf < p.sf
    return xp.where(left, xp.log1p(-xp.where(left, p.cdf, 0.0)), xp.log(p.sf))


CDF: Final = Outcome(lambda _, p: p.cdf, 0.0, 0.0, 1.0)
SF: Final = Outcome(lambda _, p: p.sf, 1.0, 1.0, 0.0)
LOG_CDF: Final = Outcome(_log_cdf, -np.inf, -np.inf, 0.0)
LOG_SF: Final = Outcome(_log_sf, 0.0, 0.0, -np.inf)
