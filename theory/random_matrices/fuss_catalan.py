"""Fuss-Catalan law of squared singular values of products of Gaussian matrices, to any precision.

Let ``X = X_1 ... X_M`` with independent N x N factors whose entries are independent N(0, 1/N).  As
N grows, the spectrum of ``X'X`` tends to the Fuss-Catalan law on ``(0, (M+1)**(M+1)/M**M)``, which
equation (5) of S3 parametrises by ``phi`` in ``(0, pi/(M+1))``.  It is a probability law for every
real M > 0 (`bnproof.theory.claims.random_matrices.fuss_catalan_real`), the M-th free
multiplicative power of the law for M = 1.

Reference values are computed with mpmath in two independent ways: through ``phi`` (`pdf`, `cdf`,
`sf`), and through the algebraic equation of the moment generating function
(`generating_function`, `pdf_algebraic`, `stieltjes`).  The derivations are in
`bnproof.theory.random_matrices.fuss_catalan_proofs`.

Sources: D. Voiculescu, J. Operator Theory 18 (1987) 223 and Invent. Math. 104 (1991) 201;
K. A. Penson and K. Zyczkowski, Phys. Rev. E 83 (2011) 061118; for real M also W. Mlotkowski,
Documenta Math. 15 (2010) 939.
"""

from math import comb, isfinite
from numbers import Integral, Real
from sys import float_info
from typing import Any

from mpmath import mp


def check_factors(factors: Any) -> int | float:
    """Return `factors` as an int if it is a whole number, else as a float.

    Raises
    ------
    TypeError
        If it is not a real number.
    ValueError
        If it is not positive and finite.
    """
    if isinstance(factors, bool) or not isinstance(factors, Real):
        raise TypeError(f"factors must be a real number > 0, not {factors!r}")
    value = int(factors) if isinstance(factors, Integral) else float(factors)
    if not 0 < value <= float_info.max:
        raise ValueError(f"factors must be finite and > 0, not {factors!r}")
    return int(value) if float(value).is_integer() else value


def check_order(order: float, factors: float) -> float:
    """Return `order` if the moment of that order exists.

    Raises
    ------
    ValueError
        If it is not finite or not above -1/(M+1).
    """
    if not (isfinite(order) and order * (factors + 1) > -1):
        least = -1 / (factors + 1)
        raise ValueError(
            f"order must be finite and > -1/(M+1) = {least:.6g}, where moments exist, not {order!r}"
        )
    return order


def moment(order: float, factors: float, dps: int = 30) -> Any:
    """E X**order for real order > -1/(M+1).

    For integer order and M the Fuss-Catalan number binom((M+1)k, k)/(Mk+1), an exact int; else
    Gamma((M+1)k+1)/(Gamma(k+1) Gamma(Mk+2)), an mpf.

    Raises
    ------
    ValueError
        If the moment does not exist.
    """
    check_order(order, factors)
    if order >= 0 and float(order).is_integer() and float(factors).is_integer():
        k, M = int(order), int(factors)
        return comb((M + 1) * k, k) // (M * k + 1)
    with mp.workdps(dps + 15):
        k, M = mp.mpf(order), mp.mpf(factors)
        return mp.gammaprod([(M + 1) * k + 1], [k + 1, M * k + 2])


def log_moments(factors: float, dps: int = 30) -> tuple[Any, Any]:
    """Mean -M and variance M**2 + M pi**2/3 of log X."""
    with mp.workdps(dps):
        M = mp.mpf(factors)
        return -M, M**2 + M * mp.pi**2 / 3


def entropy(factors: float, dps: int = 30) -> Any:
    """Differential entropy log 2pi - M + (M+1)**2/(2 pi M) Cl_2(2 pi/(M+1)), in nats."""
    with mp.workdps(dps + 15):
        M = mp.mpf(factors)
        clausen = mp.clsin(2, 2 * mp.pi / (M + 1))
        return mp.log(2 * mp.pi) - M + (M + 1) ** 2 / (2 * mp.pi * M) * clausen


def support(factors: float, dps: int = 50) -> Any:
    """Right end (M+1)**(M+1)/M**M of the support as an mpf of `dps` digits; the left end is 0."""
    with mp.workdps(dps + 15):
        M = mp.mpf(factors)
        return (M + 1) ** (M + 1) / M**M


def pdf(point: Any, factors: float, dps: int = 30) -> Any:
    """Density at `point` to about `dps` digits, through phi.

    Raises
    ------
    ValueError
        If `point` is not strictly inside the support; `cdf` and `sf` do the same.
    """
    with mp.workdps(_digits(point, factors, dps)):
        _, weight = _solve(point, factors)
        return weight / (mp.pi * mp.mpf(point))


def cdf(point: Any, factors: float, dps: int = 30) -> Any:
    """Mass below `point` to about `dps` digits, through phi."""
    with mp.workdps(_digits(point, factors, dps)):
        half, weight = _solve(point, factors)
        return (2 * mp.atan(1 / half) + mp.mpf(factors) * weight) / mp.pi


def sf(point: Any, factors: float, dps: int = 30) -> Any:
    """Mass above `point` to about `dps` digits, through phi."""
    with mp.workdps(_digits(point, factors, dps)):
        half, weight = _solve(point, factors)
        return (2 * mp.atan(half) - mp.mpf(factors) * weight) / mp.pi


def _digits(point: Any, factors: float, dps: int) -> int:
    """Working digits: `dps`, three times the digits lost near the right end, and a margin.

    Raises
    ------
    ValueError
        Unless `point` lies inside the support.
    """
    with mp.workdps(2 * dps + 50):
        share = mp.mpf(point) / support(factors, 2 * dps + 50)
        if not 0 < share < 1:
            raise ValueError(f"x = {point} lies outside the support of the law for M = {factors}")
        return dps - int(3 * mp.log10(1 - share)) + 20


def _solve(point: Any, factors: float) -> tuple[Any, Any]:
    """tan(t/2), t = (M+1)phi, and the weight sin t sin phi/sin(M phi), at x(phi) = point.

    Newton's method in the working precision for eta = log tan(t/2)**2, of which log x is nearly
    an affine function at both ends.
    """
    M, target = mp.mpf(factors), mp.log(mp.mpf(point))
    fall = mp.log(support(factors, mp.dps)) - target
    eta = mp.log(mp.expm1(2 * fall / (M + 1)))
    for _ in range(100):
        _, _, log_x, slope = _curve(eta, M)
        step = (log_x - target) / slope
        eta += step
        if abs(step) <= mp.eps**0.6:  # quadratic convergence: the remaining error is its square
            return _curve(eta, M)[:2]
    raise ArithmeticError(f"no angle found for x = {point}, M = {factors}")


def _curve(eta: Any, M: Any) -> tuple[Any, Any, Any, Any]:
    """tan(t/2), the weight, log x and -d log x/d eta.

    The derivative is a sum of squares, derived in
    `bnproof.theory.random_matrices.fuss_catalan_proofs.slope_steps`.
    """
    half = mp.exp(eta / 2)
    angle, top = 2 * mp.atan(half) / (M + 1), 2 / (half + 1 / half)
    s, s_m = mp.sin(angle), mp.sin(M * angle)
    square = (mp.cot(angle) - M * mp.cot(M * angle)) ** 2
    slope = (square + (M + 1) ** 2) * s * s_m / (2 * (M + 1))
    return half, top * s / s_m, (M + 1) * mp.log(top) - mp.log(s) - M * mp.log(s_m), slope


def generating_function(point: Any, factors: float, dps: int = 30) -> Any:
    """B(1/(z + i0)) at z = `point`: the physical root of B = 1 + B**(M+1)/z.

    Newton's method follows the root from B near 1 at a distant point of the imaginary axis, down
    the axis to the modulus of z, and along the circle to z.  This path lies in the upper
    half-plane, where the generating function is analytic.  Neither phi nor a closed form is used.

    Parameters
    ----------
    point
        Any complex number except 0 and the right end of the support.  On the support the limit
        from above is returned; below the real axis, the conjugate of the value above.

    Raises
    ------
    ValueError
        If `point` is 0 or the right end of the support.
    """
    with mp.workdps(2 * dps + 50):
        z = mp.mpmathify(point)
        apart = abs(1 - z / support(factors, 2 * dps + 50))
        if z == 0 or apart == 0:
            raise ValueError(f"z = {point} is a branch point of the law for M = {factors}")
        lost = max(0, -mp.log10(abs(z))) - 3 * min(0, mp.log10(apart))
    with mp.workdps(dps + int(lost) + 20):
        if mp.im(z) < 0:
            return mp.conj(generating_function(mp.conj(z), factors, dps))
        size, angle = mp.log(abs(z)), mp.arg(z)
        here = mp.mpc(mp.log(1000 * support(factors, mp.dps)), mp.pi / 2)
        # The right end is a branch point: approach z in steps that halve the remaining angle.
        halvings = 4 + int(-mp.log(min(1, apart), 2))
        angles = [angle + (mp.pi / 2 - angle) / 2**number for number in range(halvings)]
        root = mp.mpc(1)
        for there in [mp.mpc(size, turn) for turn in [*angles, angle]]:
            root = _follow(root, here, there, factors)
            here = there
        return root


def _follow(root: Any, start: Any, end: Any, factors: float) -> Any:
    """Carry the root from z = e^start to z = e^end along a straight line in log z."""
    steps = 4 + int(4 * abs(end - start))
    for number in range(1, steps + 1):
        root = _newton(root, mp.exp(start + (end - start) * number / steps), factors)
    return root


def _newton(root: Any, z: Any, factors: float) -> Any:
    """Newton's method for B**(M+1) - z(B-1) = 0 in the working precision."""
    M = mp.mpf(factors)
    for _ in range(50):
        power = root**M
        step = (root * power - z * (root - 1)) / ((M + 1) * power - z)
        root -= step
        if abs(step) <= mp.eps**0.6 * abs(root):
            return root
    raise ArithmeticError(f"Newton's method does not converge at z = {z}, M = {factors}")


def pdf_algebraic(point: Any, factors: float, dps: int = 30) -> Any:
    """Density at `point` to about `dps` digits: -Im B(1/(x+i0))/(pi x), without phi."""
    _digits(point, factors, dps)  # raises outside the support
    root = generating_function(point, factors, dps)
    with mp.workdps(dps + 5):
        return -root.imag / (mp.pi * mp.mpf(point))


def stieltjes(point: Any, factors: float, dps: int = 30) -> Any:
    """Stieltjes transform G(z) = E 1/(z - X) = B(1/z)/z; on the support, its limit from above."""
    root = generating_function(point, factors, dps)
    with mp.workdps(dps + 5):
        return root / mp.mpmathify(point)
