"""The Stieltjes transform of the Fuss-Catalan law: the physical root of B = 1 + B**(M+1)/z.

Above the real axis write ``z = |z| e^(i theta)`` and ``B = r e^(-i psi)``.  In the triangle 0, 1,
B with ``beta = theta + (M+1) psi`` the outer angle at 1, the law of sines gives

    r = sin beta/sin(beta - psi),   |z| = r**M sin beta/sin psi,

and |z| decreases from infinity to 0 as psi runs from 0 to ``(pi - theta)/(M+1)``: one real unknown
in a bracket, without a choice of roots.  At ``theta = 0`` this is the parametrisation of the
support.  Near the right end, a branch point, the angle t of the support is continued to complex
numbers.
"""

from typing import Final, NamedTuple

import numpy as np
import torch

from bnproof.simulate.random_matrices.laws import fuss_catalan_kernel as kernel
from bnproof.simulate.random_matrices.laws.fuss_catalan_kernel import Array, Namespace

LEAST_ANGLE: Final = 1e-120  # replaces 0: the limit from above on the real axis
NEAR: Final = 0.05  # bound on both parts of z/x_max - 1 for the series in t**2
STEPS: Final = 300  # more than bisection needs; about ten are typical


def stieltjes(z: Array, factors: float, scale: float, end: tuple[float, float]) -> Array:
    """Stieltjes transform G(z) = E 1/(z - X), where X has the law for M times `scale`.

    Parameters
    ----------
    z
        Complex or real numbers, an array or a tensor.  On the support, the limit from the side
        given by the sign of the imaginary part, where +0 is above.
    factors
        M > 0.
    scale
        Scale of the law.
    end
        Right end of its support, as a sum of two floats.

    Returns
    -------
    array or tensor of complex128
        Of the shape of z.  Minus infinity at 0, 0 at infinity; NaN gives NaN.
    """
    xp = kernel.namespace(z)
    z = z.to(torch.complex128) if xp is torch else np.asarray(z, dtype=np.complex128)
    real, imag = z.real, abs(z.imag)
    high, low = end
    # z/x_max - 1 = a + ib, from the distance to the end as a sum of two floats
    a, b = ((real - high) - low) / high, imag / high
    finite = xp.isfinite(a) & xp.isfinite(b)
    usable = finite & ((real != 0) | (imag != 0))
    real, imag, a, b = (xp.where(usable, part, 1.0) for part in (real, imag, a, b))
    root = _by_triangle(xp, real / scale, imag / scale, factors)
    near = (abs(a) < NEAR) & (b < NEAR)
    if near.any():
        series = _by_series(xp, xp.where(near, a, NEAR), xp.where(near, b, NEAR), factors)
        root = tuple(xp.where(near, new, old) for new, old in zip(series, root, strict=True))
    off_support = (imag == 0) & ((a > 0) | (real < 0))
    up, side = root[0], xp.where(off_support, 0.0, root[1])
    # B/z, by parts so that nothing overflows
    size = xp.maximum(abs(real), imag)
    x, y = real / size, imag / size
    norm = (x * x + y * y) * size
    up, side = (up * x + side * y) / norm, (side * x - up * y) / norm
    side = xp.where(xp.signbit(z.imag), -side, side)
    # 0 at infinity; at 0 minus the mean of 1/X, which is infinite.
    up = xp.where(usable, up, xp.where(finite, -np.inf, 0.0))
    side = xp.where(usable, side, 0.0)
    lost = xp.isnan(z.real) | xp.isnan(z.imag)
    up, side = xp.where(lost, np.nan, up), xp.where(lost, np.nan, side)
    return xp.complex(up, side) if xp is torch else (up + 1j * side)[()]


class _Angle(NamedTuple):
    """Sine and cotangent of an angle between 0 and pi."""

    sin: Array
    cot: Array


def _angle(xp: Namespace, angle: Array, supplement: Array) -> _Angle:
    """From the angle and its supplement, both with full relative accuracy."""
    least = xp.minimum(angle, supplement)
    return _Angle(xp.sin(least), xp.where(angle <= supplement, 1.0, -1.0) / xp.tan(least))


def _by_triangle(xp: Namespace, x: Array, y: Array, M: float) -> tuple[Array, Array]:
    """Real and imaginary part of B at x + iy, y >= 0, for the law of scale 1.

    Newton's method, inside a bracket, for the logit of psi relative to its range.
    """
    theta = xp.clip(xp.arctan2(y, x), LEAST_ANGLE, None)
    rest = xp.clip(xp.arctan2(y, -x), LEAST_ANGLE, None)
    target = xp.log(xp.clip(xp.hypot(x, y), 1e-300, 1e100))

    def angles(eta: Array) -> tuple[_Angle, _Angle, _Angle, Array]:
        part, left = 1 / (1 + xp.exp(-eta)), 1 / (1 + xp.exp(eta))
        small = rest * part / (M + 1)
        psi = _angle(xp, small, theta + rest * (left + part * (M / (M + 1))))
        beta = _angle(xp, theta + rest * part, rest * left)
        apex = _angle(xp, theta + M * small, rest * left + small)
        return psi, beta, apex, rest * part * left

    low, high = xp.full_like(x, -600.0), xp.full_like(x, 700.0)
    eta = xp.zeros_like(x)
    for _ in range(STEPS):
        psi, beta, apex, rate = angles(eta)
        excess = M * xp.log(beta.sin / apex.sin) + xp.log(beta.sin / psi.sin) - target
        slope = rate * ((M + 1) * beta.cot - (psi.cot + M * M * apex.cot) / (M + 1))
        low, high = xp.where(excess > 0, eta, low), xp.where(excess > 0, high, eta)
        newton = eta - excess / xp.where(slope < 0, slope, -1e-30)
        inside = (newton > low) & (newton < high)
        last, eta = eta, xp.where(inside, newton, (low + high) / 2)
        if (abs(eta - last) <= 4e-16 * (1 + abs(eta))).all():
            break
    psi, beta, apex, _ = angles(eta)
    r = beta.sin / apex.sin
    return r * psi.sin * psi.cot, -r * psi.sin


def _by_series(xp: Namespace, a: Array, b: Array, M: float) -> tuple[Array, Array]:
    """B at x_max(1 + a + ib), for a and b >= 0 below `NEAR`.

    t**2 is a power series in log(z/x_max), corrected by one multiplicative step.
    """
    P = max(M, 1 / M)
    target = -max(1.0, 1 / M) * _log1p(xp, a, b)
    square = 2 * (P + 1) / P * target
    nought = square == 0
    for _ in range(12):
        fall = _fall(xp, square, P)
        square = square * (target / xp.where(nought, 1.0, fall))
    # From above, t is imaginary and positive beyond the end, real and negative before it.
    side = xp.sqrt(-square)
    phi = 1j * (side.real + 1j * abs(side.imag)) / (M + 1)
    below = xp.where(nought, 1.0, xp.sin(M * phi))
    root = xp.where(nought, (M + 1) / M, xp.exp(1j * phi) * xp.sin((M + 1) * phi) / below)
    return root.real, root.imag


def _fall(xp: Namespace, square: Array, P: float) -> Array:
    """`Point.fall` of the kernel as a power series in complex t**2."""
    short = square / (P + 1) ** 2
    c, c_v = (kernel.horner(kernel.C_SERIES, part) for part in (square, short))
    rise = square * (c - c_v / (P + 1)) / P
    log, log_v = (part * kernel.horner(kernel.L_SERIES, part) for part in (square, short))
    return P * _log1p(xp, rise.real, rise.imag) - log + (P + 1) * log_v


def _log1p(xp: Namespace, a: Array, b: Array) -> Array:
    """log(1 + a + ib), accurate for small numbers."""
    return 0.5 * xp.log1p(2 * a + a * a + b * b) + 1j * xp.arctan2(b, 1 + a)
