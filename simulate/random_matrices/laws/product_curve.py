"""The algebraic curve of a product law: physical branch, edges, atoms, density and mass.

For the law of squared singular values let ``psi(z) = E zX/(1 - zX)``, and ``y = psi(1/w)`` with w
in the lower half-plane, so that y is in the upper one.  The S-transforms give w as a function of y;
a new unknown v turns it into

    -w = X(v) = scale * prod (v + s_j)**e_j,   y = -sum r_k/(v + q_k),

with real s_j >= 0, integers e_j of sum 1 and s_0 = 0 < e_0: v runs from 0 to infinity as w runs
from 0 to minus infinity.

**The branch.**  In the upper half-plane every log(v + s_j) is principal, with an argument in
(0, pi).  ``F(v) = log scale + sum e_j log(v + s_j)`` equals log(-w), Im F in (0, pi), for large w
and therefore, by continuation, for all w of the lower half-plane.  This equation is solved, not the
polynomial in v that follows by exponentiation, whose other roots are not in the upper half-plane or
have an Im F that is off by a multiple of 2 pi.  By the argument principle there is only one such v:
the principle counts how often Im log w falls across (-pi, 0) along the real axis of y from right to
left.  Im log w falls by pi at 0 and at the poles -p of w, and rises by pi at its roots -c.  Each
factor joins two widths c and has at most one p, which is no smaller than both.  So to the right of
any point there are more roots than poles, if there are any, and only the fall at y = 0 remains.
The factor ``y/(u(c + y))`` of a diagonal has the argument 0 or pi on the real axis: it adds no fall
to -pi.
"""

from functools import cached_property
from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit

from bnproof.simulate.random_matrices import Array, Complex, Inexact

HALVINGS: Final = 52
CORRECTIONS: Final = 2  # Newton steps after each halving
LEAST: Final = 1e-12  # smallest mass of an atom; less is a rounding error
SEARCH: Final = np.linspace(-36.0, 36.0, 4001)  # grid for signs of F' between poles


class Piece(NamedTuple):
    """An interval of the positive axis and the real v that belong to its ends."""

    low: float
    high: float
    v_low: float
    v_high: float


class Curve:
    """The function F of the module's docstring, its inverse, and the quantities derived from it.

    Parameters
    ----------
    log_scale
        Logarithm of the scale.
    zeros
        s_j with e_j; those with e_j = 0 are omitted.
    poles
        q_k with r_k.
    """

    def __init__(
        self, log_scale: float, zeros: dict[float, int], poles: dict[float, float]
    ) -> None:
        zeros = {s: e for s, e in sorted(zeros.items()) if e}
        if sum(zeros.values()) != 1 or zeros.get(0.0, 0) < 1 or min(zeros) < 0:
            raise AssertionError(f"not the curve of a product law: {zeros}")
        self.log_scale = log_scale
        self.s = np.array(list(zeros))
        self.e = np.array(list(zeros.values()), dtype=float)
        self.q = np.array(list(poles))
        self.r = np.array(list(poles.values()))

    def log(self, lam: Inexact) -> Inexact:
        """F at v = exp(lam), Im lam in [0, pi]."""
        v = np.exp(lam)
        total = self.log_scale + self.e[0] * lam
        for s, e in zip(self.s[1:], self.e[1:], strict=True):
            total = total + e * np.log(v + s)
        return total

    def slope(self, lam: Inexact) -> Inexact:
        """dF/dlam."""
        v = np.exp(lam)
        total = self.e[0] + 0 * v
        for s, e in zip(self.s[1:], self.e[1:], strict=True):
            total = total + e * (v / (v + s))
        return total

    @cached_property
    def gaps(self) -> list[Piece]:
        """Intervals without density, ascending: the real v with Im F = pi and F' < 0."""
        gaps = []
        ends = np.append(self.s[1:], np.inf)
        for start, end, height in zip(self.s, ends, np.cumsum(self.e), strict=True):
            if height == 1:
                gaps += self._gaps_between(start, end)
        return sorted(gaps)

    @cached_property
    def intervals(self) -> list[Piece]:
        """The intervals of the continuous part, ascending, between the gaps."""
        lows = [Piece(0.0, 0.0, 0.0, 0.0), *self.gaps]
        if lows[1].low == 0:
            del lows[0]
        return [
            Piece(left.high, right.low, left.v_high, right.v_low) for left, right in pairwise(lows)
        ]

    def atom_masses(self) -> list[float]:
        """Mass of the atom at each pole q_k, which is 0 unless the pole lies in a gap."""
        masses = []
        for q, r in zip(self.q, self.r, strict=True):
            in_gap = self.e[self.s < q].sum() == 1 and q not in self.s
            mass = -r * float((self.e / (self.s - q)).sum()) if in_gap else 0.0
            masses.append(mass if mass > LEAST else 0.0)
        return masses

    def log_below(self) -> float:
        """A log x below which v is a power of x, up to rounding."""
        return float(self.log(np.log(self.s[1]) - 37.0)) if len(self.s) > 1 else 0.0

    def mass_at(self, v: float) -> float:
        """`mass` at a real v in a gap or at its end."""
        if v == 0:
            return 1 + float(self.y(np.array(0.0)))
        return float(self.mass(np.log(np.array(-v)) + 1j * np.pi))

    def _log_at(self, v: float) -> float:
        return self.log_scale + float((self.e * np.log(np.abs(v + self.s))).sum())

    def _gaps_between(self, start: float, end: float) -> list[Piece]:
        """Gaps for real v from -end to -start, where F has no singularity in between."""
        width = end - start

        def from_start(tau: Array) -> Array:
            return np.exp(tau) if width == np.inf else width * expit(tau)

        def slope(tau: Array) -> Array:
            # v + s from the distance to the nearer end, which a difference could not resolve.
            tau = np.asarray(tau)[..., None]
            near = self.s - start - from_start(tau)
            if width < np.inf:
                near = np.where(tau < 0, near, self.s - end + width * expit(-tau))
            return (self.e / near).sum(-1)

        falls = slope(SEARCH) < 0
        changes = np.flatnonzero(np.diff(falls))
        turns = [
            float(-start - from_start(brentq(slope, SEARCH[k], SEARCH[k + 1], xtol=1e-15)))
            for k in changes
        ]
        # From -start down to -end, F' < 0 on every second piece.
        marks = [-start, *turns, -end]
        logs = [self._end(start), *(self._log_at(v) for v in turns), self._end(end)]
        return [
            Piece(float(np.exp(logs[k])), float(np.exp(logs[k + 1])), marks[k], marks[k + 1])
            for k in range(not falls[0], len(marks) - 1, 2)
        ]

    def _end(self, s: float) -> float:
        """Re F at the singularity -s."""
        return np.inf if s == np.inf or self.e[self.s == s][0] < 0 else -np.inf

    def y(self, v: Inexact) -> Inexact:
        """psi(1/w)."""
        return -sum(r / (v + q) for q, r in zip(self.q, self.r, strict=True))

    def density(self, lam: Complex, x: Array) -> Array:
        """Im y/(pi x)."""
        return self.weight(lam) / x

    def weight(self, lam: Complex) -> Array:
        """The density times x: Im y/pi, without cancellation."""
        v = np.exp(lam)
        height = np.exp(lam.real) * np.sin(lam.imag)
        total = sum(r / np.abs(v + q) ** 2 for q, r in zip(self.q, self.r, strict=True))
        return height * total / np.pi

    def mass(self, lam: Complex) -> Array:
        """Mass at or below w: Im of the integral of (1 + y) dF, over pi."""
        v = np.exp(lam)
        arguments = [lam.imag, *(np.angle(v + s) for s in self.s[1:])]
        total = sum(e * a for e, a in zip(self.e, arguments, strict=True))
        for q, r in zip(self.q, self.r, strict=True):
            at_pole = np.angle(v + q)
            for s, e, a in zip(self.s, self.e, arguments, strict=True):
                if s == q:
                    total = total + e * r * (1 / (v + q)).imag
                else:
                    total = total - e * r * (at_pole - a) / (s - q)
        return total / np.pi

    def invert(self, target: Complex) -> Complex:
        """Logarithm of the v with F = target, Im target in [0, pi], by continuation.

        It starts on the negative axis, where v is real and F monotone.  Then Im F increases to its
        target in steps that halve the distance to pi, where the inverse is singular.
        """
        lam = self._real_inverse(target.real).astype(complex)
        reached = np.zeros(target.shape)
        for k in range(1, HALVINGS + 2):
            rise = np.pi * (1 - 2.0**-k) if k <= HALVINGS else np.pi
            ahead = np.minimum(target.imag, rise)
            moving = ahead > reached
            if not moving.any():
                break
            some = lam[moving] + 1j * (ahead - reached)[moving] / self.slope(lam[moving])
            goal = target.real[moving] + 1j * ahead[moving]
            lam[moving] = self.newton(some, goal, CORRECTIONS)
            reached = ahead
        return self.newton(lam, target, CORRECTIONS)

    def newton(self, lam: Complex, target: Inexact, steps: int) -> Complex:
        """Refine lam within the strip 0 <= Im <= pi, outside of which logarithms change branch."""
        lam.imag = np.clip(lam.imag, 0, np.pi)
        for _ in range(steps):
            with np.errstate(divide="ignore", invalid="ignore"):
                step = (target - self.log(lam)) / self.slope(lam)
            lam = lam + np.where(np.isfinite(step), step, 0)
            lam.imag = np.clip(lam.imag, 0, np.pi)
        return lam

    def _real_inverse(self, target: Array) -> Array:
        """Real lam with F = target: Newton's method inside a bracket."""
        low, high = np.full(target.shape, -740.0), np.full(target.shape, 705.0)
        lam = target - self.log_scale
        lam = np.clip(np.where(lam < 0, lam / self.e[0], lam), -740.0, 705.0)
        for _ in range(100):
            with np.errstate(over="ignore", invalid="ignore"):
                missing = target - self.log(lam)
                step = missing / self.slope(lam)
            low, high = np.where(missing > 0, lam, low), np.where(missing < 0, lam, high)
            proposed = lam + step
            inside = (proposed >= low) & (proposed <= high)
            new = np.where(inside, proposed, (low + high) / 2)
            if (np.abs(new - lam) <= 4e-16 * (1 + np.abs(lam))).all():
                return new
            lam = new
        return lam
