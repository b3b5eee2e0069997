"""The law of the smallest squared singular value of a product of complex Gaussian matrices.

Let X_1, ..., X_M have independent standard complex entries (of mean square 1), X_i being
N_i x N_(i-1) with ``N_i = N + nu_i`` and ``nu_0 = 0``.  For fixed nu_i, as N tends to infinity,
N times the squared singular values of X_M ... X_1 tends to a determinantal process with the kernel

    K(x, y) = integral over u from 0 to 1 of f(ux) g(uy),
    f = G^{1,0}_{0,M+1}(-; 0, -nu_1, ..., -nu_M),   g = G^{M,0}_{0,M+1}(-; nu_1, ..., nu_M, 0)

(A. B. J. Kuijlaars and L. Zhang, 2014, arXiv:1308.1003, theorem 5.3).  The smallest point is above
s with probability det(1 - K) on (0, s).  With ``x = s e**-a`` and ``u = e**-b`` this is the
determinant of one minus a product of two Hankel operators.  It is computed by Gauss-Legendre
quadrature (F. Bornemann, 2010, arXiv:0804.2543) in the variable ``v = (x/s)**(1/p)``, which
smooths the logarithms of g at 0.

f and g are Mellin-Barnes integrals.  At ``r = x**(1/(M+1))`` their integrands have saddle points at
``r e**(+-i alpha)``, alpha = pi M/(M+1) for f and pi/(M+1) for g.  The parabola with focus 0
through both crosses them in the direction of steepest descent, so that there is no cancellation and
the trapezoidal rule converges exponentially.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import ClassVar, Final

import numpy as np
from numpy.polynomial.legendre import leggauss
from numpy.polynomial.polynomial import polyval
from numpy.typing import ArrayLike
from scipy.special import gammaln, loggamma

from bnproof.simulate.random_matrices import Array, Complex
from bnproof.simulate.random_matrices.laws.edge_law import EdgeLaw, Piecewise

MOST_FACTORS: Final = 8
MOST_EXCESS: Final = 10
CONTOUR: Final = 128  # nodes on one half of the parabola
SERIES_TO: Final = 2.0  # f by its power series for r up to this
SERIES_TERMS: Final = 40
NODES: Final = 40  # quadrature nodes for the determinant
POWER: Final = 3  # the variable of the quadrature is (x/s)**(1/(POWER (M+1)))
LAST: Final = 21.0  # determinants are used down to exp(-21); their error is about 1e-15
LEFT: Final = tuple(-(2.0**k) for k in range(11, -1, -1))  # intervals in log s or log x below 0
WIDTH: Final = 0.375  # width of the intervals above 0
DEGREE: Final = 20  # degree of the interpolants of f and g
DEGREE_LAW: Final = 15


def growing(log_x: ArrayLike, excess: tuple[int, ...]) -> Array:
    """Evaluate f = G^{1,0}_{0,M+1}(-; 0, -nu_1, ..., -nu_M | x) at a vector of log x.

    It oscillates and grows as exp((M+1) cos(pi/(M+1)) x**(1/(M+1))).
    """
    log_x, M = np.asarray(log_x, dtype=float), len(excess)
    r = np.exp(log_x / (M + 1))
    small = r <= SERIES_TO
    k = np.arange(SERIES_TERMS)
    gammas = gammaln(k + 1) + sum(gammaln(k + 1 + nu) for nu in excess)
    result = np.empty_like(r)
    result[small] = polyval(r[small] ** (M + 1), (-1.0) ** k * np.exp(-gammas))
    r = r[~small]
    result[~small] = _contour_integral(
        log_x[~small],
        np.sin(np.pi / (2 * (M + 1))) ** 2 * r,
        np.e * r + 45 / (M + 1),
        lambda z: loggamma(z) - sum(loggamma(1 + nu - z) for nu in excess),
    )
    return result


def decaying(log_x: ArrayLike, excess: tuple[int, ...]) -> Array:
    """Evaluate g/x**nu, g = G^{M,0}_{0,M+1}(-; nu_1, ..., nu_M, 0 | x), nu = min(nu_i), by log x.

    It oscillates and decays at the rate at which f grows.
    """
    log_x, M = np.asarray(log_x, dtype=float), len(excess)
    # The factor x**-nu moves the first pole to 0, the focus of the parabola.
    least = min(excess)
    logs = np.maximum(-log_x, 0.0)
    r = np.maximum(np.exp(log_x / (M + 1)), M / (M + logs))
    return _contour_integral(
        log_x,
        np.cos(np.pi / (2 * (M + 1))) ** 2 * r,
        np.e * r + 45 / (M + 1 + logs),
        lambda z: sum(loggamma(nu - least + z) for nu in excess) - loggamma(1 + least - z),
    )


def _contour_integral(
    log_x: Array, apex: Array, reach: Array, log_gammas: Callable[[Complex], Complex]
) -> Array:
    """Integral of exp(log_gammas(z)) x**-z dz/(2 pi i) over z = apex (1 + iw)**2, |z| < reach."""
    step = np.sqrt(reach / apex) / CONTOUR
    direction = 1 + 1j * (np.arange(CONTOUR) + 0.5) * step[:, None]
    z = apex[:, None] * direction**2
    values: Complex = np.exp(log_gammas(z) - z * log_x[:, None]) * direction
    return np.asarray(2 * apex * step / np.pi * values.sum(axis=1).real)


def log_log_gap(
    log_s: Array,
    f: Callable[[Array], Array],
    g: Callable[[Array], Array],
    excess: tuple[int, ...],
    nodes: int = NODES,
) -> Array:
    """Compute log(-log det(1 - K)) on (0, s) at a vector of log s.

    The absolute error of the determinant is about 1e-15; the relative error of one minus it is
    small.  `f` and `g` take vectors of log x, like `growing` and `decaying`.
    """
    least, power = min(excess), POWER * (len(excess) + 1)
    points, weights = leggauss(nodes)
    log_v = np.log((points + 1) / 2)
    row, column = np.tril_indices(nodes)
    log_x = (log_s[:, None] + power * (log_v[row] + log_v[column])).ravel()
    pair = np.empty((2, len(log_s), nodes, nodes))
    for matrix, of, order in zip(pair, (f, g), (0, least), strict=True):
        root = np.sqrt(weights / 2 * power) * np.exp(((power - 1) / 2 + power * order) * log_v)
        values = of(log_x).reshape(len(log_s), -1) * root[row] * root[column]
        matrix[:, row, column] = matrix[:, column, row] = values
    values = np.linalg.eigvals(pair[0] @ pair[1])
    # Eigenvalues of K without the factor s**(1+nu), which is kept apart to avoid underflow.
    log_scale = (1 + least) * log_s
    scale = np.exp(log_scale)[:, None]
    change = scale * np.abs(values) ** 2 - 2 * values.real
    with np.errstate(invalid="ignore", divide="ignore"):
        exact = np.log1p(scale * change) / scale
    minus_log = -np.where(np.abs(scale * change) < 1e-17, change, exact).sum(axis=1) / 2
    return np.asarray(log_scale + np.log(minus_log))


@lru_cache(maxsize=32)
def _interpolant(excess: tuple[int, ...]) -> Piecewise:
    """Interpolant of log(-log det(1 - K)/s**(1+nu)) in log s, up to -log det = LAST."""
    f, g = (partial(of, excess=excess) for of in (growing, decaying))
    pieces = 1
    while log_log_gap(np.array([(pieces + 1) * WIDTH]), f, g, excess, NODES // 2) < np.log(LAST):
        pieces += 1
    edges = (*LEFT, *(WIDTH * np.arange(pieces + 1)))
    quick_f, quick_g = (Piecewise(of, (2 * LEFT[0], *edges), DEGREE).value for of in (f, g))
    order = 1 + min(excess)
    return Piecewise(
        lambda y: log_log_gap(y, quick_f, quick_g, excess) - order * y, edges, DEGREE_LAW
    )


@dataclass(frozen=True)
class HardEdge(EdgeLaw):
    """Limit law of the smallest squared singular value of a product of complex Gaussian matrices.

    Parameters
    ----------
    excess
        nu_1, ..., nu_M: all widths of the network except one smallest, minus that one, in any
        order.  For M square factors ``(0,) * M``, which gives the limit of ``N**(M+1) s_N**2`` for
        entries of mean square 1/N.  In general it is the limit of ``N * prod_i n_i * s_N**2``,
        where N is the smallest width and 1/n_i the mean square of the entries of the i-th factor.

    Raises
    ------
    ValueError
        If there are no or more than `MOST_FACTORS` numbers, or one is not an integer from 0 to
        `MOST_EXCESS`.

    Notes
    -----
    The absolute error of cdf and sf is at most 1e-12 for up to five factors, and 1e-11 beyond; the
    relative error of cdf is as small.  The relative error of sf is at least 1e-15/sf, so that sf
    below about 1e-9 is extrapolated by the asymptotic form of its logarithm.  The law is computed
    at the first call, in about a second.

    Examples
    --------
    >>> import bnproof
    >>> round(float(bnproof.HardEdge((0,)).sf(1.0)), 6)  # exp(-1)
    0.367879
    """

    excess: tuple[int, ...]
    _survival: ClassVar[bool] = True
    _logarithmic: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not 1 <= len(self.excess) <= MOST_FACTORS:
            raise ValueError(f"excess must hold 1 to {MOST_FACTORS} integers, not {self.excess!r}")
        for nu in self.excess:
            if not isinstance(nu, int) or isinstance(nu, bool) or not 0 <= nu <= MOST_EXCESS:
                raise ValueError(f"excess must hold integers from 0 to {MOST_EXCESS}, not {nu!r}")

    def _log_log(self, y: Array) -> tuple[Array, Array]:
        law = _interpolant(tuple(sorted(self.excess)))
        end = law.edges[-1]
        order = 1 + min(self.excess)
        h, slope = law(np.minimum(y, end))
        h, slope = h + order * y, slope + order
        far = y > end
        if far.any():
            h[far], slope[far] = self._beyond(law, y[far])
        return h, slope

    def _beyond(self, law: Piecewise, y: Array) -> tuple[Array, Array]:
        """Continue h to the right by -log sf = a X**2 + b X + c, X = x**(1/(M+1)).

        These are the leading terms for large x up to a multiple of log x (C. Charlier, J. Lenells,
        J. Mauersberger, 2019, arXiv:1910.12098), fitted to the last three values.
        """
        order = 1 / (len(self.excess) + 1)
        at = law.edges[-1] - WIDTH * np.array([4.0, 2.0, 0.0])
        terms = np.exp(law.value(at) + (1 + min(self.excess)) * at)
        a, b, c = np.linalg.solve(np.vander(np.exp(order * at), 3), terms)
        X = np.exp(order * y)
        minus_log = a * X**2 + b * X + c
        return np.log(minus_log), order * X * (2 * a * X + b) / minus_log

    @property
    def _points(self) -> Array:
        return np.concatenate([np.linspace(-1000.0, -8.0, 2000), np.linspace(-7.99, 40.0, 6000)])
