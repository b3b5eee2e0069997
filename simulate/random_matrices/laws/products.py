"""Limit laws of products of rectangular Gaussian, truncated Haar and diagonal factors.

``W = A_M ... A_1`` joins layers of widths n_0, ..., n_M, which tend to infinity with fixed ratios.
With respect to the normalised trace over the input layer, S-transforms multiply if each is taken
at y over the relative width of its own input (rho_i = n_i/n_0):

    1/w = y/(1 + y) * prod_i S_i(y/rho_(i-1)),   y = psi(1/w) = E (X/w)/(1 - X/w).

Sources: D. Voiculescu, J. Operator Theory 18 (1987) 223; Z. Burda, A. Jarosz, G. Livan, M. A. Nowak
and A. Swiech, Phys. Rev. E 82 (2010) 061114, arXiv:1007.3594 (rectangular Gaussian factors);
G. Akemann, J. R. Ipsen and M. Kieburg, Phys. Rev. E 88 (2013) 052118, arXiv:1307.7560; T. Dupic and
I. Perez Castillo, arXiv:1401.7802.  `product_curve` shows which root of the equation belongs to the
law.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Final, Self

import numpy as np
from numpy.typing import ArrayLike
from scipy.interpolate import CubicSpline
from scipy.special import expit, log_expit

from bnproof.simulate.random_matrices import Array, Complex
from bnproof.simulate.random_matrices.laws.factor_kinds import (
    Diagonal,
    Factor,
    Gaussian,
    Truncated,
    exact,
)
from bnproof.simulate.random_matrices.laws.product_curve import Curve, Piece
from bnproof.simulate.random_matrices.laws.product_equation import Equation, curve, equation, moment

STEPS: Final = 2  # Newton steps from the guess of a spline
RESIDUE: Final = 1e-7  # residual of log x above which a guess is replaced by continuation
ROUNDING: Final = 4e-16  # rounding error of cdf, at which ppf stops
QUANTILE: Final = 1e-12  # largest error of ppf in cdf
STEPS_BACK: Final = 100  # steps of ppf; Newton's method takes about five, bisection fifty
HARD: Final = 1e-9  # a pole of y within this distance of an end counts as at the end
SOFT_END: Final = 20.0  # |log((x - low)/(high - x))| beyond which guesses are linear


@dataclass(frozen=True)
class ProductLaw:
    """Limiting law of the squared singular values of ``A_M ... A_1``: the eigenvalues of W'W.

    W'W is n_0 x n_0: if a layer is narrower than the input, the law has an atom at 0.  Real and
    complex matrices have the same limit.  Methods take numbers or arrays and return float64 arrays
    of the same shape; NaN gives NaN.

    Parameters
    ----------
    factors
        `Gaussian`, `Truncated` and `Diagonal` factors (`mask` gives a ReLU mask), in the order in
        which they act, starting at the input.  Adjacent diagonals are independent in the classical
        sense.

    Raises
    ------
    ValueError
        If there is no factor, one is of another kind, or two different diagonals both have several
        nonzero squares.

    Notes
    -----
    At a relative distance d from the nearest nonzero end of its interval, the relative error of
    `pdf` is at most 1e-12 + 1e-15 M/d.  The absolute error of `cdf` is at most 1e-12.  Tested
    against mpmath at 40 digits for M up to 4, and against `FussCatalan` for M up to 50.

    Examples
    --------
    >>> import bnproof
    >>> law = bnproof.ProductLaw.of_widths([400, 200, 800])
    >>> law.atoms
    {0.0: 0.5}
    """

    factors: Sequence[Factor]

    def __post_init__(self) -> None:
        factors = tuple(self.factors)
        if not factors:
            raise ValueError("factors must hold at least one factor")
        for factor in factors:
            if not isinstance(factor, Gaussian | Truncated | Diagonal):
                raise ValueError(
                    f"factors must be Gaussian, Truncated or Diagonal (mask), not {factor!r}"
                )
        object.__setattr__(self, "factors", factors)
        _ = self._equation

    @classmethod
    def of_widths(cls, widths: Sequence[float]) -> Self:
        """Law of Gaussian layers with n_0, ..., n_M units and entries of mean square 1/fan-in.

        Raises
        ------
        ValueError
            If there are fewer than two widths or one is not a finite number > 0.
        """
        if len(widths) < 2:
            raise ValueError(f"widths must be at least two, input and output, not {widths!r}")
        units = [exact("widths", width) for width in widths]
        return cls([Gaussian(out / fan) for fan, out in pairwise(units)])

    def support(self) -> tuple[float, float]:
        """Smallest and largest point of the law, including atoms."""
        points = [*self.atoms, *(end for piece in self.intervals for end in piece)]
        return min(points), max(points)

    @property
    def intervals(self) -> list[tuple[float, float]]:
        """The intervals with a density, ascending; none for a product of masks."""
        return [(piece.low, piece.high) for piece in self._curve.intervals]

    @cached_property
    def atoms(self) -> dict[float, float]:
        """Locations and masses of the atoms, ascending."""
        missing = 1 - self._equation.rank
        masses = zip(self._equation.poles, self._curve.atom_masses(), strict=True)
        positive = {float(place): mass for place, mass in masses if mass}
        return ({0.0: float(missing)} if missing else {}) | positive

    def pdf(self, x: ArrayLike) -> Array:
        """Density of the continuous part; 0 outside its intervals, infinite at a hard edge."""
        x = np.asarray(x, dtype=float)
        result = np.where(np.isnan(x), np.nan, 0.0)
        for branch in self._branches:
            inner = (x > branch.piece.low) & (x < branch.piece.high)
            result[inner] = self._curve.density(branch(x[inner]), x[inner])
            for end in branch.hard_ends:
                result[x == end] = np.inf
        return result

    def cdf(self, x: ArrayLike) -> Array:
        """Mass at or below x."""
        x = np.asarray(x, dtype=float)
        result = np.where(np.isnan(x), np.nan, 0.0)
        for place, mass in self.atoms.items():
            result[x >= place] += mass
        for branch in self._branches:
            result[x >= branch.piece.high] += branch.mass
        for branch in self._branches:
            inner = (x > branch.piece.low) & (x < branch.piece.high)
            result[inner] = self._curve.mass(branch(x[inner]))
        return result

    def ppf(self, p: ArrayLike) -> Array:
        """Smallest point at or below which the mass is p; NaN unless 0 <= p <= 1.

        The mass there is p to 1e-12, unless `cdf` passes p between one float and the next.  For p
        below 1e-15, the absolute error of `cdf`, it is meaningless.

        Raises
        ------
        ArithmeticError
            If the search does not reach this accuracy.
        """
        p = np.asarray(p, dtype=float)
        result = np.where((p >= 0) & (p <= 1), self.support()[1], np.nan)
        for place in reversed(self.atoms):
            result[p <= self.cdf(place)] = place
        for branch in self._branches:
            below = self.cdf(branch.piece.low)
            inner = (p > below) & (p < below + branch.mass)
            result[inner] = self._search(branch, p[inner])
            result[p == below + branch.mass] = branch.piece.high  # below a gap, not above
        low, high = self.support()
        return np.where(p == 0, low, np.where(p == 1, high, result))

    def moment(self, order: int) -> float:
        """Moment of the squared singular value, rounded from an exact fraction.

        Raises
        ------
        ValueError
            If `order` is not an integer >= 0.
        OverflowError
            If the moment is too large for a float.
        """
        whole = isinstance(order, int | np.integer) and not isinstance(order, bool)
        if not whole or order < 0:
            raise ValueError(f"order must be an integer >= 0, not {order!r}")
        return float(moment(self._equation, int(order))) if order else 1.0

    def stieltjes(self, z: ArrayLike) -> Complex:
        """``E 1/(z - X)``; for a real z inside the law, the limit from the upper half-plane.

        At an atom it is infinite or NaN.
        """
        z = np.asarray(z, dtype=complex)
        w = np.where(z.imag > 0, np.conj(z), z)
        # log(-w) has an imaginary part in [0, pi] for w in the closed lower half-plane.
        target = np.log(np.abs(w)) + 1j * (np.pi - np.abs(np.angle(w)))
        y = self._curve.y(np.exp(self._curve.invert(np.atleast_1d(target)))).reshape(z.shape)
        value = (1 + y) / w
        return np.where(z.imag >= 0, np.conj(value), value)

    @cached_property
    def _equation(self) -> Equation:
        return equation(self.factors)

    @cached_property
    def _curve(self) -> Curve:
        return curve(self._equation)

    @cached_property
    def _branches(self) -> list["_Branch"]:
        return [_Branch(self._curve, piece) for piece in self._curve.intervals]

    def _search(self, branch: "_Branch", p: Array) -> Array:
        """Newton's method for cdf = p inside a bracket, in log((x - low)/(high - x))."""
        first, last = branch.outermost
        low, high = np.full(p.shape, first), np.full(p.shape, last)
        where = np.interp(p, branch.masses, branch.grid)
        best, least = where, np.full(p.shape, np.inf)
        for _ in range(STEPS_BACK):
            x = branch.inside(where)
            lam = branch(x)
            missing = p - self._curve.mass(lam)
            better = np.abs(missing) < least
            best = np.where(better, where, best)
            least = np.where(better, np.abs(missing), least)
            low, high = np.where(missing > 0, where, low), np.where(missing < 0, where, high)
            # A step that rounds to 0 ends the search at `where`, which is then an end of the
            # bracket: the midpoint would be far away.
            done = (least <= ROUNDING) | (high - low <= 1e-15 * (1 + np.abs(where)))
            if done.all():
                break
            weight = self._curve.weight(lam) * (branch.derivative(where) / x)
            with np.errstate(divide="ignore"):  # derivatives underflow at the smallest floats
                new = where + missing / weight
            where = np.where((new >= low) & (new <= high), new, (low + high) / 2)
        found = branch.inside(best)
        # Where the density is large, cdf may pass p between one float and the next.
        skip = 4 * self._curve.weight(branch(found)) * (np.spacing(found) / found)
        at_end = (found == branch.inside(first)) | (found == branch.inside(last))
        skip = np.where(at_end, np.inf, skip)
        if (lost := least > QUANTILE + skip).any():
            raise ArithmeticError(
                f"the quantile of {p[lost][0]!r} was found only to {least[lost][0]:.0e} in cdf"
            )
        return found


class _Branch:
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
