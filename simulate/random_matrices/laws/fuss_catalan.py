"""The Fuss-Catalan law, vectorised in float64: the law of the singular values of X_1 ... X_M.

`FussCatalan` is the law of the squared singular values, `FussCatalan.root` that of the singular
values; both are used like frozen `scipy.stats` distributions.  The formulas are those of
`bnproof.theory.random_matrices.fuss_catalan` (equation (5) of S3), in the form derived in
`bnproof.simulate.random_matrices.laws.fuss_catalan_kernel`.
"""

import warnings
from dataclasses import dataclass
from functools import cached_property
from math import isfinite, log10
from numbers import Real
from typing import ClassVar, Final, NamedTuple

import numpy as np
import torch
from mpmath import mp

from bnproof.simulate.random_matrices.laws import fuss_catalan_kernel as kernel
from bnproof.simulate.random_matrices.laws import fuss_catalan_points as points
from bnproof.simulate.random_matrices.laws.arguments import (
    Generator,
    Shape,
    numpy_source,
    one_source,
)
from bnproof.simulate.random_matrices.laws.frozen import Frozen, central_moments
from bnproof.simulate.random_matrices.laws.fuss_catalan_points import Points
from bnproof.simulate.random_matrices.laws.fuss_catalan_stieltjes import stieltjes
from bnproof.theory.random_matrices import fuss_catalan as reference

LEAST: Final = 1e-8  # numbers of factors between which the law has been compared with mpmath
MOST: Final = 1e12


class Values(NamedTuple):
    """Density, mass at or below, and mass above, at the same points."""

    pdf: Points
    cdf: Points
    sf: Points


@dataclass(frozen=True)
class _Law(Frozen):
    """Common base of the laws of X and of its root; see `FussCatalan`."""

    factors: float
    scale: float = 1.0

    power: ClassVar[int]  # X is this power of the variable

    def __post_init__(self) -> None:
        object.__setattr__(self, "factors", reference.check_factors(self.factors))
        if not LEAST <= self.factors <= MOST:
            raise ValueError(
                f"factors must be from {LEAST:g} to {MOST:g}, where the law is accurate, "
                f"not {self.factors!r}"
            )
        if isinstance(self.scale, bool) or not isinstance(self.scale, Real):
            raise TypeError(f"scale must be a real number > 0, not {self.scale!r}")
        if not (isfinite(self.scale) and self.scale > 0):
            raise ValueError(f"scale must be finite and > 0, not {self.scale!r}")
        object.__setattr__(self, "scale", float(self.scale))

    def support(self) -> tuple[float, float]:
        """Both ends of the support."""
        return 0.0, self._placed.end[0]

    def evaluate(self, x: Points) -> Values:
        """`pdf`, `cdf` and `sf` at once, at little more than the cost of one."""
        return Values(
            *self._placed.values(x, points.density(self._placed.at_zero), points.CDF, points.SF)
        )

    def pdf(self, x: Points) -> Points:
        """Density; at 0, its limit.

        It overflows to infinity for the smallest floats if M is large: see `logpdf`.
        """
        return self._placed.values(x, points.density(self._placed.at_zero))[0]

    def logpdf(self, x: Points) -> Points:
        """Logarithm of the density."""
        return self._placed.values(x, points.log_density(self._placed.at_zero))[0]

    def cdf(self, x: Points) -> Points:
        """Mass at or below x, with full relative accuracy near 0."""
        return self._placed.values(x, points.CDF)[0]

    def logcdf(self, x: Points) -> Points:
        """Logarithm of `cdf`, with full relative accuracy also near the right end."""
        return self._placed.values(x, points.LOG_CDF)[0]

    def sf(self, x: Points) -> Points:
        """Mass above x, with full relative accuracy near the right end."""
        return self._placed.values(x, points.SF)[0]

    def logsf(self, x: Points) -> Points:
        """Logarithm of `sf`, with full relative accuracy also near 0."""
        return self._placed.values(x, points.LOG_SF)[0]

    def ppf(self, q: Points) -> Points:
        """Point below which the mass is q.

        It underflows to 0, with a RuntimeWarning, if M is large and q small: see `logppf`.
        """
        return self._point(self._placed.fall_of(q, upper=False))

    def logppf(self, q: Points) -> Points:
        """Logarithm of `ppf`, for every q in float64."""
        return self._placed.log_end - self._placed.fall_of(q, upper=False)

    def isf(self, q: Points) -> Points:
        """Point above which the mass is q; underflow as for `ppf`."""
        return self._point(self._placed.fall_of(q, upper=True))

    def rvs(
        self, size: Shape = None, rng: Generator = None, *, random_state: Generator = None
    ) -> Points:
        """Independent draws, by an exact method that uses two uniform numbers each.

        ``X = W**M x(U)`` with W uniform on (0, 1), U on (0, pi), and x(t) the parametrisation of
        the support (`bnproof.theory.claims.random_matrices.fuss_catalan_draw`).  Underflow as for
        `ppf`: see `log_rvs`.

        Parameters
        ----------
        size
            Shape of the result; a single number by default.
        rng, random_state
            A NumPy generator or a seed for one, under SciPy's new or old name; or a torch
            generator, for a tensor on its device.
        """
        return self._point(self._draw(size, one_source(rng, random_state)))

    def log_rvs(
        self, size: Shape = None, rng: Generator = None, *, random_state: Generator = None
    ) -> Points:
        """Logarithms of the draws of `rvs`."""
        return self._placed.log_end - self._draw(size, one_source(rng, random_state))

    def _draw(self, size: Shape, rng: Generator) -> Points:
        first: Points
        second: Points
        if isinstance(rng, torch.Generator):
            shape = (2, size) if isinstance(size, int) else (2, *(size or ()))
            first, second = 1 - torch.rand(
                shape, generator=rng, device=rng.device, dtype=torch.float64
            )
        else:
            source = numpy_source(rng)
            first, second = (1 - source.uniform(size=size) for _ in range(2))
        xp, curve = kernel.namespace(first), self._placed.curve
        fall = curve.share * curve.at(xp, xp.tan(np.pi / 2 * first)).fall
        return (fall - curve.M * xp.log(second)) / self.power

    def moment(self, order: float) -> float:
        """Mean of the variable to the power `order`, a real number.

        Raises
        ------
        ValueError
            If it is infinite: for order <= -1/(M+1), or <= -2/(M+1) for the root.
        OverflowError
            If it is too large for a float.
        """
        least = -self.power / (self.factors + 1)
        if isinstance(order, np.number):
            order = order.item()
        if not (isfinite(order) and order > least):
            raise ValueError(
                f"order must be finite and > {least:.6g}, where moments exist, not {order!r}"
            )
        with mp.workdps(30):
            value = self._moment(order)
            if value > np.finfo(float).max:
                raise OverflowError(f"the moment of order {order!r} is {mp.nstr(value, 6)}")
            return float(value)

    def _central(self) -> tuple[float, float, float]:
        digits = 60 + 4 * int(abs(log10(self.factors)))  # differences cancel for M near 0
        with mp.workdps(digits):
            raw = (self._moment(order, digits) for order in (1, 2, 3, 4))
            second, third, fourth = central_moments(*raw)
            skewness = third / mp.sqrt(second) ** 3
            return float(second), float(skewness), float(fourth / second**2 - 3)

    def log_moments(self) -> tuple[float, float]:
        """Mean and variance of the logarithm."""
        mean, variance = reference.log_moments(self.factors)
        with mp.workdps(30):
            mean = (mean + mp.log(self.scale)) / self.power
            return float(mean), float(variance / self.power**2)

    def entropy(self) -> float:
        """Differential entropy in nats."""
        with mp.workdps(30):
            value = reference.entropy(self.factors) + mp.log(self.scale)
            if self.power == 2:  # h(sqrt X) = h(X) - E log(2 sqrt X)
                value -= mp.log(2) + mp.mpf(self.log_moments()[0])
            return float(value)

    def _moment(self, order: float, digits: int = 30) -> mp.mpf:
        share = order / self.power
        return reference.moment(share, self.factors, digits) * mp.mpf(self.scale) ** share

    @cached_property
    def _placed(self) -> points.Placed:
        return points.Placed(self.factors, self.scale, self.power)

    def _point(self, fall: Points) -> Points:
        """The point at log(right end/x) = `fall`; warns if it underflows."""
        xp = kernel.namespace(fall)
        small = xp.exp(-fall)
        # Before it underflows the end goes into the exponent.
        near = xp.exp(self._placed.log_end - fall)
        result = xp.where(fall > 700, near, self._placed.end[0] * small)[()]
        if ((result == 0) & (fall < np.inf)).any():
            warnings.warn(
                "points below 5e-324 underflow to 0: use logppf or log_rvs",
                RuntimeWarning,
                stacklevel=3,
            )
        return result


class FussCatalan(_Law):
    """Limiting law of the squared singular values of a product of M Gaussian matrices.

    The factors are independent N x N matrices of independent entries of mean 0 and variance
    ``sigma_i**2/N``, real or complex, and N tends to infinity.  With ``sigma_i = 1`` the law lies
    on ``(0, (M+1)**(M+1)/M**M)`` and has mean 1.  For real M it is the M-th free multiplicative
    power of the law for M = 1, a law for every M > 0 (claim `fuss_catalan_real`).

    Methods take numbers, arrays or tensors and return the same kind, tensors on their device.
    Computations use float64; float32 input gives float32 output.  As in SciPy, the density is 0
    outside the support, and NaN or a probability outside [0, 1] gives NaN.

    Parameters
    ----------
    factors
        Number M of factors, or any real M > 0.
    scale
        Scale of X: the product of all ``sigma_i**2``, that is of all ``N v_i`` for factors whose
        entries have variances v_i.

    Raises
    ------
    TypeError
        If `factors` or `scale` is not a real number.
    ValueError
        If one of them is not positive and finite, or `factors` is not from 1e-8 to 1e12.

    Notes
    -----
    The relative error of pdf, cdf and sf is at most 1e-13 from ``1e-300 x_max`` to
    ``(1 - 1e-14) x_max``, compared with `bnproof.theory.random_matrices.fuss_catalan` at 60 digits.
    It excludes the effect of rounding x to float64: at a relative distance d from the right end,
    one unit in the last place of x changes pdf by about 1e-16/d and sf by three times as much.  For
    the same reason the end is represented as a sum of two floats, the larger of which `support`
    returns.

    Examples
    --------
    >>> import bnproof
    >>> law = bnproof.FussCatalan(2)
    >>> law.support()
    (0.0, 6.75)
    >>> round(float(law.cdf(1.0)), 6)
    0.685824
    >>> round(law.root().mean(), 6)
    0.75
    """

    power: ClassVar[int] = 1

    def root(self) -> "FussCatalanRoot":
        """Law of the singular values."""
        return FussCatalanRoot(self.factors, self.scale)

    def stieltjes(self, z: Points) -> Points:
        """Stieltjes transform G(z) = E 1/(z - X), in complex128.

        On the support it is the limit from the side given by the sign of the imaginary part, where
        +0 is above: there ``-imag/pi`` is the density and ``real`` the principal value.  The
        transform of a singular value with a random sign is ``z G(z**2)``.
        """
        return stieltjes(z, self.factors, self.scale, self._placed.end)


class FussCatalanRoot(_Law):
    """Limiting law of the singular values of a product: the law of sqrt(X), X as in `FussCatalan`.

    Created by `FussCatalan.root`; `scale` is that of X.
    """

    power: ClassVar[int] = 2
