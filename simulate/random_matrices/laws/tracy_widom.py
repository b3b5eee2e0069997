"""Tracy-Widom laws of the largest eigenvalue of large random matrices, for beta = 1, 2 and 4.

With the integral operator A_s on (0, infinity) whose kernel is ``Ai(x + y + s)``,

    F_1(s) = det(1 - A_s),   F_2(s) = det(1 - A_s) det(1 + A_s) = det(1 - K_s),
    F_4(s/sqrt(2)) = (det(1 - A_s) + det(1 + A_s))/2,

where K_s = A_s**2 is the Airy kernel on (s, infinity).  The first form is due to P. L. Ferrari and
H. Spohn (2005, math-ph/0505012).  Gauss-Legendre quadrature turns A_s into a symmetric matrix,
whose eigenvalues give both determinants with errors that decrease exponentially in the number of
nodes (F. Bornemann, 2010, arXiv:0804.2543 and 0904.1581).  In the right tail ``-log F`` is the
trace of A_s or of its square; Ai(s) is divided out to avoid underflow.

Where F is small both determinants cancel.  There q of the Painleve equation ``q'' = s q + 2 q**3``
gives ``(log F_2)'' = -q**2`` and ``(log F_1)' = ((log F_2)' + q)/2`` (C. A. Tracy, H. Widom, 1996,
solv-int/9509007).  It is solved as a boundary value problem, from the determinants at `MATCH` to
its asymptotic series, whose constants of integration are those of J. Baik, R. Buckingham and
J. DiFranco (2008, arXiv:0704.3636).
"""

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import ClassVar, Final

import mpmath
import numpy as np
from numpy.polynomial import Chebyshev
from numpy.polynomial.chebyshev import chebint, chebpts1, chebvander
from numpy.polynomial.legendre import leggauss
from numpy.polynomial.polynomial import polyder, polyval
from scipy.special import airy, airye, expit

from bnproof.simulate.random_matrices import Array
from bnproof.simulate.random_matrices.laws.arguments import real
from bnproof.simulate.random_matrices.laws.edge_law import EdgeLaw, Piecewise

NODES: Final = 56  # quadrature nodes; 48 give the same distribution functions to 1e-15
DECAY: Final = 42.0  # the kernel is truncated where it has decayed by exp(-42)
SERIES_BELOW: Final = -10.0  # below, the asymptotic series of q is accurate to 1e-13
BETAS: Final = (1, 2, 4)
MATCH: Final = 0.0  # determinants above, Painleve equation below
TRACE_ABOVE: Final = 16.0  # above, 1 - F is below 1e-19 and its square is negligible
TERMS: Final = 12  # terms of the series
COLLOCATION: Final = 80  # collocation points for the Painleve equation
NEWTON_STEPS: Final = 12
LEFT: Final = (SERIES_BELOW, -6.0, -4.0, -2.0, MATCH)
CENTRE: Final = (MATCH, 2.0, 4.0, 8.0, TRACE_ABOVE)
TAIL: Final = tuple(2.0**k for k in range(4, 11))
DEGREE: Final = 26
RATIO_TERMS: Final = 25  # of a series in a ratio that is at most 1/2
FOURTH_BELOW: Final = -4.0  # for beta = 4, determinants above and the Painleve equation below


def log_log_determinants(s: float, nodes: int = NODES) -> tuple[float, float, float]:
    """Compute log(-log F) for F_1(s), F_2(s) and F_4(s/sqrt(2)) from the eigenvalues of A_s.

    The F have absolute errors of 1e-15 for s >= -10; 1 - F has a relative error of 1e-14 for
    0 <= s <= 16.
    """
    x, roots = _rule(s, nodes)
    sums = x[:, None] + x
    below = np.tril_indices(nodes)
    scaled, log_scale = _airy_ratio(s, sums[below])
    matrix = np.zeros((nodes, nodes))
    matrix[below] = scaled
    values = np.linalg.eigvalsh(matrix * np.outer(roots, roots))
    scale = np.exp(log_scale)
    first = -np.log1p(-scale * values).sum() / scale
    second = -np.log1p(-((scale * values) ** 2)).sum() / scale**2
    # The sum of both determinants has the even symmetric functions of the eigenvalues.
    even, odd = 0.0, 0.0
    for value in values[np.argsort(np.abs(values))]:
        even, odd = even + value * odd, odd + value * (1 + scale**2 * even)
    fourth = -np.log1p(scale**2 * even) / scale**2
    return (
        float(np.log(first) + log_scale),
        float(np.log(second) + 2 * log_scale),
        float(np.log(fourth) + 2 * log_scale),
    )


def log_traces(s: float, nodes: int = NODES) -> tuple[float, float]:
    """Compute log tr A_s and log tr A_s**2 for s > 0: log(-log F) where 1 - F is below 1e-16.

    The traces are the integrals over x from 0 to infinity of Ai(s+x)/2 and of x Ai(s+x)**2.
    """
    x, roots = _rule(s, nodes)
    scaled, log_scale = _airy_ratio(s, x)
    first, second = roots**2 @ scaled / 2, roots**2 @ (x * scaled**2)
    return float(np.log(first) + log_scale), float(np.log(second) + 2 * log_scale)


def log_minors(s: float, nodes: int = NODES) -> float:
    """Compute log(-log F_4(s/sqrt(2))) where 1 - F_4 is below 1e-16.

    There it is minus the second symmetric function of the eigenvalues of A_s, the integral of the
    minors ``Ai(s+x+y)**2 - Ai(s+2x) Ai(s+2y)`` over 0 < x < y.
    """
    x, roots = _rule(s, nodes)
    scaled, log_scale = _airy_ratio(s, (x[:, None] + x).ravel())
    square = scaled.reshape(nodes, nodes) ** 2
    minors = -square * np.expm1(-_log_excess(s + x[:, None] + x, x[:, None] - x))
    return float(np.log(roots**2 @ minors @ roots**2 / 2) + 2 * log_scale)


def _log_excess(m: Array, d: Array) -> Array:
    """2 log Ai(m) - log Ai(m+d) - log Ai(m-d) for m > |d|, without cancellation of the powers."""
    ratio = (d / m) ** 2
    term, powers = np.ones_like(m), np.zeros_like(m)
    for k in range(1, RATIO_TERMS):  # (1+t)**1.5 + (1-t)**1.5 - 2, t = d/m
        term = term * ratio * (2.5 - 2 * k + 1) * (2.5 - 2 * k) / ((2 * k - 1) * (2 * k))
        powers += 2 * term
    smooth = 2 * np.log(airye(m)[0]) - np.log(airye(m + d)[0]) - np.log(airye(m - d)[0])
    return np.asarray(m**1.5 * powers * 2 / 3 + smooth)


def _rule(s: float, nodes: int) -> tuple[Array, Array]:
    """Nodes and square roots of weights of the truncated quadrature on (0, infinity)."""
    length = (max(s, 0.0) ** 1.5 + 1.5 * DECAY) ** (2 / 3) - s
    points, weights = leggauss(nodes)
    return (points + 1) / 2 * length, np.sqrt(weights / 2 * length)


def _airy_ratio(s: float, x: Array) -> tuple[Array, float]:
    """Ai(s+x)/c and log c, with c = Ai(s) for s > 0 and c = 1 elsewhere."""
    if s <= 0:
        return airy(s + x)[0], 0.0
    # (2/3)((s+x)**1.5 - s**1.5) without cancellation.
    rise = x * (3 * s**2 + 3 * s * x + x**2) / ((s + x) ** 1.5 + s**1.5) * 2 / 3
    at_s = airye(s)[0]
    return airye(s + x)[0] / at_s * np.exp(-rise), float(np.log(at_s) - s**1.5 * 2 / 3)


@lru_cache(maxsize=1024)
def _determinants(s: float) -> tuple[float, float, float]:
    return log_log_determinants(s)


@lru_cache(maxsize=len(BETAS))
def _interpolant(beta: int) -> Piecewise:
    """Interpolant of log(-log F) from `SERIES_BELOW` on; for beta = 4, of F_4(s/sqrt(2))."""
    one, two = painleve()
    place, match = BETAS.index(beta), FOURTH_BELOW if beta == 4 else MATCH

    def left(s: Array) -> Array:
        return _sum_of_both(one(s), two(s)) if beta == 4 else np.asarray((one, two)[place](s))

    def right(s: float) -> float:
        return log_minors(s) if beta == 4 else log_traces(s)[place]

    def exact(s: Array) -> Array:
        return np.concatenate(
            [
                np.log(-left(s[s < match])),
                [_determinants(point)[place] for point in s[(s > match) & (s < TRACE_ABOVE)]],
                [right(point) for point in s[s > TRACE_ABOVE]],
            ]
        )

    return Piecewise(exact, sorted({*LEFT, *CENTRE, *TAIL}), DEGREE)


def _sum_of_both(log_one: Array, log_two: Array) -> Array:
    """Log F_4(s/sqrt(2)), with det(1 + A_s) = F_2/F_1."""
    other = log_two - log_one
    return np.asarray(other + np.log1p(np.exp(log_one - other)) - np.log(2))


@lru_cache(maxsize=1)
def painleve() -> tuple[Chebyshev, Chebyshev]:
    """Compute log F_1 and log F_2 from `SERIES_BELOW` to `MATCH` by the Painleve equation.

    The unknown of Newton's method is q'' at Chebyshev points; q is its double integral with the
    boundary values at both ends.
    """
    half = (MATCH - SERIES_BELOW) / 2
    t = chebpts1(COLLOCATION)
    s = SERIES_BELOW + half * (t + 1)
    to_series = chebvander(t, COLLOCATION - 1).T * 2 / COLLOCATION
    to_series[0] /= 2
    double = half**2 * chebint(to_series, 2)
    at_ends = chebvander(np.array([-1.0, 1.0]), COLLOCATION + 1) @ double
    line = np.stack([(1 - t) / 2, (1 + t) / 2], axis=1)
    integral = chebvander(t, COLLOCATION + 1) @ double - line @ at_ends
    at_match, slope_two = hastings_mcleod(MATCH)
    ends = np.array([_left_q(SERIES_BELOW), at_match])
    second = np.zeros_like(s)
    for _ in range(NEWTON_STEPS):
        q = line @ ends + integral @ second
        jacobian = np.eye(COLLOCATION) - (s + 6 * q**2)[:, None] * integral
        second -= np.linalg.solve(jacobian, second - s * q - 2 * q**3)
    solution = Chebyshev(to_series @ (line @ ends + integral @ second), (SERIES_BELOW, MATCH))
    start_one, start_two = (-np.exp(value) for value in log_log_determinants(MATCH)[:2])
    log_two = -(solution**2).integ(2, k=[-slope_two, -start_two], lbnd=MATCH)
    # log F_1 = (log F_2 - integral of q from s to infinity)/2.
    log_one = (log_two + solution.integ(1, k=[2 * start_one - start_two], lbnd=MATCH)) / 2
    return log_one, log_two


def hastings_mcleod(s: float, nodes: int = NODES) -> tuple[float, float]:
    """q(s) and (log F_2)'(s): the kernels of A_s/(1 - A_s**2) and A_s**2/(1 - A_s**2) at (0, 0).

    q is the solution of the Painleve equation that tends to Ai(s).
    """
    x, roots = _rule(s, nodes)
    matrix = airy(s + x[:, None] + x)[0] * np.outer(roots, roots)
    row = airy(s + x)[0] * roots
    solved = np.linalg.solve(np.eye(nodes) - matrix @ matrix, row)
    return float(airy(s)[0] + row @ matrix @ solved), float(row @ solved)


@lru_cache(maxsize=1)
def _left_series() -> tuple[Array, Array, Array]:
    """Coefficients of the series below `SERIES_BELOW`, with s = -x.

    They are c_k of ``q = sqrt(x/2) C``, ``C = sum_k c_k x**(-3k)``, a_k of
    ``log F_2 = -x**3/12 - log(x)/8 + sum_k a_k x**(-3k)`` and b_k of
    ``log F_1 = (log F_2 - log(2)/2)/2 + x**(3/2) sum_k b_k x**(-3k)``.  The Painleve equation reads
    ``C**3 - C = sum_k ((3k)**2 - 1/4) c_k x**(-3k-3)``.
    """
    c, square = [Fraction(1)], [Fraction(1)]
    for n in range(1, TERMS + 2):
        # Coefficients of C**2 and C**3 without the unknown c_n, which enters C**3 - C as 2 c_n.
        rest = sum((c[i] * c[n - i] for i in range(1, n)), Fraction(0))
        cube = rest + sum((square[i] * c[n - i] for i in range(1, n)), Fraction(0))
        c.append((((3 * n - 3) ** 2 - Fraction(1, 4)) * c[n - 1] - cube) / 2)
        square.append(2 * c[n] + rest)
    a = [-square[k + 1] / (2 * (3 * k + 1) * (3 * k)) for k in range(1, TERMS + 1)]
    b = [-c[k] / (3 - 6 * k) for k in range(TERMS + 1)]
    constant = float(np.log(2) / 24 + mpmath.zeta(-1, derivative=1))
    return (
        np.array(c, dtype=float),
        np.array([constant, *a], dtype=float),
        np.array(b, dtype=float) / np.sqrt(2),
    )


def _left_q(s: float) -> float:
    return float(np.sqrt(-s / 2) * polyval((-s) ** -3.0, _left_series()[0]))


def _left(beta: int, s: Array) -> tuple[Array, Array]:
    """Compute log(-log F) and its derivative by the series."""
    x = np.minimum(-s, 1e90)  # so that the cube does not overflow
    _, a, b = _left_series()
    t = x**-3.0
    two = -(x**3) / 12 - np.log(x) / 8 + polyval(t, a)
    slope_two = -(x**2) / 4 - 1 / (8 * x) - 3 * t / x * polyval(t, polyder(a))
    series = polyval(t, b)
    one = (two - np.log(2) / 2) / 2 + x**1.5 * series
    slope_one = (
        slope_two / 2 + 1.5 * np.sqrt(x) * series - 3 * t * np.sqrt(x) * polyval(t, polyder(b))
    )
    # For beta = 4 the slopes of F_1 and of F_2/F_1 weigh by their shares of the sum.
    share = expit(2 * one - two)
    log, slope = {
        1: (one, slope_one),
        2: (two, slope_two),
        4: (_sum_of_both(one, two), share * slope_one + (1 - share) * (slope_two - slope_one)),
    }[beta]
    return np.log(-log), -slope / log


@dataclass(frozen=True)
class TracyWidom(EdgeLaw):
    """Tracy-Widom law: the limit law of the standardised largest eigenvalue.

    Parameters
    ----------
    beta
        1 for real, 2 for complex, 4 for quaternion matrices; for 4 on the scale of F. Bornemann
        (2010), arXiv:0904.1581, with the mean -2.3069.

    Raises
    ------
    TypeError
        If `beta` is not a number.
    ValueError
        If `beta` is none of these.

    Notes
    -----
    The absolute error is at most 1e-14 for cdf and sf, and 1e-13 for pdf.  The relative error is at
    most 1e-12 for sf and pdf for 0 <= x <= 1000, and 1e-9 for cdf for x <= 0 (asymptotic series
    below -5.5).  Beyond 1000, sf is 0.

    Examples
    --------
    >>> import bnproof
    >>> law = bnproof.TracyWidom(1)
    >>> round(float(law.mean()), 4)
    -1.2065
    >>> round(float(law.sf(0.9793)), 4)
    0.05
    """

    beta: int
    _survival: ClassVar[bool] = False
    _logarithmic: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if real("beta", self.beta) not in BETAS:
            raise ValueError(
                f"beta must be 1 (real), 2 (complex) or 4 (quaternion), not {self.beta!r}"
            )
        object.__setattr__(self, "beta", int(self.beta))

    def _log_log(self, y: Array) -> tuple[Array, Array]:
        stretch = np.sqrt(2.0) if self.beta == 4 else 1.0
        s = y * stretch
        h, slope = _interpolant(self.beta)(np.clip(s, SERIES_BELOW, TAIL[-1]))
        left = s < SERIES_BELOW
        h[left], slope[left] = _left(self.beta, s[left])
        beyond = s > TAIL[-1]
        h[beyond], slope[beyond] = -np.inf, -1.0
        return h, slope * stretch

    @property
    def _points(self) -> Array:
        return np.linspace(-30.0, 130.0, 8001)
