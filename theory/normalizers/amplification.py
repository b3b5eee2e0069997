"""Largest amplification of a gradient by l_p normalisation, for every p and group size m.

Without centring, ``S Dn`` is the oblique projector ``I - q w'``, q = u/S, norm ``|q||w|``.  Its
maximum over all activations, c_p(m), is computed exactly for every p from 1 to infinity, with the
activations that attain it.  With centring, c_p(m) is an upper bound that is sharp for large m.
"""

import mpmath
import sympy as sp

from bnproof.theory.symbols import m


def theta(power: sp.Expr) -> sp.Expr:
    """``|1 - 2/p|``, the same for p and p/(p - 1); c_p(m) depends on p only through it."""
    return sp.S.One if power == sp.oo else sp.Abs(1 - 2 / power)


def growth(power: sp.Expr) -> sp.Expr:
    """The factor kappa in ``c_p(m)^2 ~ kappa (m-1)^|1-2/p|``: 1 at p = 1 and p = inf."""
    if power in (1, sp.oo):
        return sp.S.One
    return (2 - 2 / power) ** (2 - 2 / power) * (2 / power) ** (2 / power) / 4


def square_bound(power: sp.Expr) -> sp.Expr:
    """``1 + kappa (m-1)^|1-2/p|``, at least c_p(m)^2 for every p and m >= 2."""
    return 1 + growth(power) * (m - 1) ** theta(power)


def square(power: sp.Expr, size: sp.Expr = m) -> sp.Expr | None:
    """c_p(m)^2 in closed form for p = 1, 4/3, 2, 4 and inf; None for other p.

    At p = 1 and p = inf it is a supremum that is not attained.
    """
    if power == 2:
        return sp.S.One
    if power in (1, sp.oo):
        return sp.sympify(size)
    if power in (4, sp.Rational(4, 3)):
        angle = 2 * (sp.pi + sp.atan(1 / sp.sqrt(size - 1))) / 3
        return 1 + size * sp.sin(angle) ** 3 / (2 * sp.sqrt(size - 1))
    return None


def log_odds(power: float, size: int) -> mpmath.mpf:
    """Return ``log(|u_1|^p/sum_{i>1} |u_i|^p)`` at the maximum c_p(m); all others are equal.

    Parameters
    ----------
    power
        1 < p < inf, and not 2, where every group has the same value.
    size
        m >= 2.

    Raises
    ------
    ValueError
        If p or m is outside that range.
    """
    if not 1 < power < mpmath.inf or power == 2 or size < 2:
        raise ValueError(f"p = {power}, m = {size}: 1 < p < inf, p not 2, and m >= 2 are needed")
    t, L = abs(1 - mpmath.mpf(2) / power), mpmath.log(size - 1)

    def slope(s: mpmath.mpf) -> mpmath.mpf:
        return t - mpmath.tanh(s / 2) * mpmath.tanh(t * (s + L) / 2)

    # At the upper end both factors are above sqrt(t), and slope(0) > 0.
    return mpmath.findroot(
        slope, (0, 2 * mpmath.atanh(mpmath.sqrt(t)) / t + 1), solver="anderson", tol=1e-28
    )


def constant(power: float, size: int) -> float:
    """c_p(m) as a number, for 1 <= p <= inf and m >= 2.

    Raises
    ------
    ValueError
        If p or m is outside that range.
    """
    if size < 2:
        raise ValueError(f"m = {size}: must be at least 2")
    if power == 2:
        return 1.0
    if power in (1, mpmath.inf):
        return float(mpmath.sqrt(size))
    t = abs(1 - mpmath.mpf(2) / power)
    if t == 1:  # in working precision
        return float(mpmath.sqrt(size))
    s = log_odds(power, size)
    slope = mpmath.sinh(t * (s + mpmath.log(size - 1)) / 2) / mpmath.cosh(s / 2)
    return float(mpmath.sqrt(1 + slope**2))
