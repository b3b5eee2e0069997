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
from typing import Final, Literal, Self

import numpy as np
from numpy.typing import ArrayLike

from bnproof.simulate.random_matrices import Array, Complex
from bnproof.simulate.random_matrices.laws.factor_kinds import (
    Diagonal,
    Factor,
    Gaussian,
    Truncated,
    exact,
)
from bnproof.simulate.random_matrices.laws.frozen import Frozen, central_moments
from bnproof.simulate.random_matrices.laws.product_branch import Branch
from bnproof.simulate.random_matrices.laws.product_curve import Curve
from bnproof.simulate.random_matrices.laws.product_equation import Equation, curve, equation, moment

ROUNDING: Final = 4e-16  # rounding error of cdf, at which ppf stops
QUANTILE: Final = 1e-12  # largest error of ppf in cdf
STEPS_BACK: Final = 100  # steps of ppf; Newton's method takes about five, bisection fifty


@dataclass(frozen=True)
class ProductLaw(Frozen):
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

    def sf(self, x: ArrayLike) -> Array:
        """Mass above x, with the absolute error of `cdf`."""
        return np.asarray(np.clip(1 - self.cdf(x), 0, 1))

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

    def isf(self, p: ArrayLike) -> Array:
        """Point above which the mass is p, that is ``ppf(1 - p)``."""
        return self.ppf(1 - np.asarray(p, dtype=float))

    def entropy(self) -> float:
        """Differential entropy in nats; minus infinity if there are atoms."""
        return -np.inf if self.atoms else super().entropy()

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

    def fit(self, data: ArrayLike, *, method: Literal["MLE", "MM"] = "MLE") -> float:
        """As `Frozen.fit`; zeros count only for "MM".

        Raises
        ------
        ValueError
            As there; or if the law has atoms other than at 0 and the method is "MLE".
        """
        if method == "MLE" and any(self.atoms):
            raise ValueError("a law with atoms other than at 0 has no likelihood: use method='MM'")
        return super().fit(data, method=method)

    def _central(self) -> tuple[float, float, float]:
        raw = (moment(self._equation, order) for order in (1, 2, 3, 4))
        second, third, fourth = central_moments(*raw)
        if second == 0:
            return 0.0, np.nan, np.nan
        skewness = float(third) / float(second) ** 1.5
        return float(second), skewness, float(fourth / second**2) - 3

    def _jumps(self) -> Sequence[float]:
        ends = [self.cdf(place) for place in self.atoms]
        ends += [below - mass for below, mass in zip(ends, self.atoms.values(), strict=True)]
        ends += [self.cdf(end) for piece in self.intervals for end in piece]
        return sorted({float(end) for end in ends})

    @cached_property
    def _equation(self) -> Equation:
        return equation(self.factors)

    @cached_property
    def _curve(self) -> Curve:
        return curve(self._equation)

    @cached_property
    def _branches(self) -> list[Branch]:
        return [Branch(self._curve, piece) for piece in self._curve.intervals]

    def _search(self, branch: Branch, p: Array) -> Array:
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


class MarchenkoPastur(ProductLaw):
    """Law of the eigenvalues of the sample covariance ``X'X/n`` of n samples of p variables.

    The entries of X, n x p, are independent with mean 0; n and p tend to infinity.

    Parameters
    ----------
    ratio
        p/n.  Above 1 there is an atom of mass 1 - 1/ratio at 0.
    variance
        Variance of the entries.

    Raises
    ------
    ValueError
        If one of them is not a finite number > 0.

    Examples
    --------
    >>> import bnproof
    >>> law = bnproof.MarchenkoPastur(0.25)
    >>> [round(float(end), 9) for end in law.support()]
    [0.25, 2.25]
    """

    def __init__(self, ratio: float, variance: float = 1.0) -> None:
        share = exact("ratio", ratio)
        super().__init__([Gaussian(1 / share, exact("variance", variance) * share)])
