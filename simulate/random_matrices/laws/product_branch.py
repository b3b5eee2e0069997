"""One interval of a product law: the points of its curve by a spline and Newton's method."""

from typing import Final

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.special import expit, log_expit

from bnproof.simulate.random_matrices import Array, Complex
from bnproof.simulate.random_matrices.laws.product_curve import Curve, Piece

STEPS: Final = 2  # Newton steps from the guess of a spline
RESIDUE: Final = 1e-7  # residual of log x above which a guess is replaced by continuation
HARD: Final = 1e-9  # a pole of y within this distance of an end counts as at the end
SOFT_END: Final = 20.0  # |log((x - low)/(high - x))| beyond which guesses are linear


class Branch:
    """The curve over one interval of the continuous part: a spline, improved by Newton's method."""

    def __init__(self, curve: Curve, piece: Piece) -> None:
        self.curve, self.piece = curve, piece
        self.mass = curve.mass_at(piece.v_high) - curve.mass_at(piece.v_low)
        shortest = np.log(piece.low / piece.high) - SOFT_END if piece.low else curve.log_below()
        low = min(-SOFT_END, max(-700.0, shortest))
        left = np.linspace(low, -SOFT_END, 1 + int(5 * (-SOFT_END - low)))
        self.grid = np.append(left[:-1], np.linspace(-SOFT_END, SOFT_END, 801))
        lam = curve.invert(np.log(self.point(self.grid)) + 1j * np.pi)
        self.masses = np.maximum.accumulate(curve.mass(lam))
        self.size = CubicSpline(self.grid, lam.real)
        self.angle = CubicSpline(self.grid, np.log(np.pi - lam.imag))

    @property
    def hard_ends(self) -> list[float]:
        """Ends with infinite density: 0, and poles of y."""
        ends = [(self.piece.low, self.piece.v_low), (self.piece.high, self.piece.v_high)]
        poles = self.curve.q
        return [x for x, v in ends if x == 0 or (np.abs(v + poles) < HARD * poles).any()]

    def point(self, where: Array) -> Array:
        """The point at which log((x - low)/(high - x)) has a given value."""
        low, high = self.piece.low, self.piece.high
        # expit itself is subnormal before x is.
        return low + np.exp(np.log(high - low) + log_expit(where))

    def inside(self, where: Array | float) -> Array:
        """The float next to `point` that is neither end."""
        low, high = self.piece.low, self.piece.high
        first, last = np.nextafter(low, high), np.nextafter(high, low)
        return np.clip(self.point(np.asarray(where)), first, last)

    @property
    def outermost(self) -> tuple[float, float]:
        """Values of log((x - low)/(high - x)) below and above those of all floats inside."""
        width = self.piece.high - self.piece.low
        left = np.log(np.spacing(self.piece.low)) - np.log(width) - 1
        return float(left), float(np.log(width) - np.log(np.spacing(self.piece.high)) + 1)

    def derivative(self, where: Array) -> Array:
        """Derivative of `point`."""
        return (self.piece.high - self.piece.low) * expit(where) * expit(-where)

    def __call__(self, x: Array) -> Complex:
        """Lam of the curve at x inside the interval."""
        where = np.log(x - self.piece.low) - np.log(self.piece.high - x)
        inside = np.clip(where, self.grid[0], self.grid[-1])
        beyond = where - inside
        size = self.size(inside) + self.size(inside, 1) * beyond
        angle = self.angle(inside) + self.angle(inside, 1) * beyond
        target = np.log(x) + 1j * np.pi
        lam = self.curve.newton(size + 1j * (np.pi - np.exp(angle)), target, STEPS)
        lost = ~(np.abs(self.curve.log(lam) - target) < RESIDUE) | (lam.imag <= 0)
        lam[lost] = self.curve.invert(target[lost])
        return lam
