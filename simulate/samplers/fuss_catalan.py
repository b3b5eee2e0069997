"""Numerical integrals and limits of the Fuss-Catalan law, from the printed equation (5) alone.

Curve and density are those of `bnproof.simulate.samplers.fuss_catalan_curve`, at random angles and
for integer and real M.  Integrals use double exponential quadrature.  The limit at the right end is
a mean over a circle around it, the limit at 0 is taken so close to 0 that the error is negligible,
and the limit in M uses extrapolation (L. F. Richardson, Phil. Trans. R. Soc. A 226 (1927) 299).
Nothing derived in `bnproof.theory.random_matrices.fuss_catalan_proofs` or
`bnproof.theory.random_matrices.fuss_catalan_moments` is used.  Angles are given as
``t = (M+1)phi``.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from itertools import pairwise
from math import pi
from typing import Final

import sympy as sp
import torch
from torch import Tensor

from bnproof.simulate.samplers.base import Measurements, chunks
from bnproof.simulate.samplers.fuss_catalan_curve import NODES, Curve, right_end, rule
from bnproof.theory.claim import RandomTest
from bnproof.theory.random_matrices import fuss_catalan_moments as moments
from bnproof.theory.random_matrices import fuss_catalan_proofs as proofs
from bnproof.theory.symbols import M, phi

CHUNK: Final = 500
CIRCLE: Final = 64  # points; the leading error is of the order of (radius/pi) to this power
RADII: Final = (0.5, 1.0)
RUNGS: Final = 8
FIRST: Final = (
    3  # the first is M + 3: from M = 1 itself the extrapolation is right to 11 digits only
)
LEAST_REAL: Final = 1 / 16
ORDERS: Final = (-0.9, 4.0)  # the lower bound is in units of 1/(M+1)
DEPTHS: Final = (20, 100, 200)  # the density is evaluated at angles within 10^-depth of pi


class Law(Measurements):
    """Symbols of the law for K integer values of M and K real ones.

    Parameters
    ----------
    factors
        M, (K,), integers as float64.
    real
        Real M > 0, (K,).
    share
        phi in units of pi/(M+1), between 0 and 1, (K,).
    order
        Orders k of the moments, (K,).
    radius
        Radius in t of the circles around the right end, (K,), below pi.
    shift
        Offset of the nodes of `bnproof.simulate.samplers.fuss_catalan_curve.rule`, (K,).
    """

    def __init__(
        self,
        factors: Tensor,
        real: Tensor,
        share: Tensor,
        order: Tensor,
        radius: Tensor,
        shift: Tensor,
    ) -> None:
        self.factors, self.real, self.order, self.radius = factors, real, order, radius
        self.phi = share * pi / (factors + 1)
        self.rule = rule(shift)

    def mean(self, values: Tensor, curve: Curve, length: Tensor | float) -> Tensor:
        """Integral of `values` times rho dx over a piece of the support, of `length` in t."""
        mass = curve.weight * -curve.slope
        return length * (values * mass * self.rule[2]).sum(-1)

    def support(self, factors: Tensor) -> Curve:
        """Nodes on the whole support, (K, NODES)."""
        near, far, _ = self.rule
        return Curve(factors[:, None], pi * near, pi * far)

    @cached_property
    def whole(self) -> Curve:
        """Nodes on the whole support for integer M."""
        return self.support(self.factors)

    def expect(self, values: Tensor) -> Tensor:
        """Mean of `values` at the nodes of `whole` under the law, (K,)."""
        return self.mean(values, self.whole, pi)

    @cached_property
    def angle(self) -> Tensor:
        """``t = (M+1)phi``, (K,)."""
        return (self.factors + 1) * self.phi

    @cached_property
    def mass_below(self) -> Tensor:
        """Integral of the density from 0 to x(phi), (K,)."""
        near, far, _ = self.rule
        rest = pi - self.angle
        t = self.angle[:, None] + rest[:, None] * near
        piece = Curve(self.factors[:, None], t, rest[:, None] * far)
        return self.mean(torch.ones_like(t), piece, rest)

    @cached_property
    def chance(self) -> Tensor:
        """Probability that ``W^M x(U) <= x(phi)``: the mean over U of that for given U, (K,).

        For U > t it is 1, as x decreases with the angle; otherwise it is the probability of
        ``W <= (x/x(U))^(1/M)``.
        """
        near, far, weights = self.rule
        t, rest, factors = (v[:, None] for v in (self.angle, pi - self.angle, self.factors))
        drawn = Curve(factors, t * near, rest + t * far)
        fall = (Curve(factors, t, rest).log_x - drawn.log_x) / factors
        return 1 + self.angle * ((fall.exp() * weights).sum(-1) - 1) / pi

    @cached_property
    def log_mean(self) -> Tensor:
        """Mean of log x, (K,)."""
        return self.expect(self.whole.log_x)

    @property
    def deviation(self) -> Tensor:
        """Logarithm of x less its mean, (K, NODES)."""
        return self.whole.log_x - self.log_mean[:, None]

    @cached_property
    def power(self) -> Tensor:
        """``x^k``, (K, NODES)."""
        return (self.order[:, None] * self.whole.log_x).exp()

    @cached_property
    def log_moment(self) -> Tensor:
        """Logarithm of the moment of order k, (K,)."""
        return self.expect(self.power).log()

    @property
    def log_density(self) -> Tensor:
        """``log(2 pi x rho)`` at the nodes, (K, NODES)."""
        return torch.log(2 * pi * self.whole.weight)

    def clausen(self, change: Callable[[Tensor], Tensor]) -> Tensor:
        """Minus the integral of ``change(log(2 sin(y/2)))`` from 0 to 2 pi/(M+1), (K,)."""
        near, _, weights = self.rule
        end = 2 * pi / (self.factors + 1)
        values = change(torch.log(2 * torch.sin(end[:, None] * near / 2)))
        return -end * (values * weights).sum(-1)

    @property
    def circle(self) -> Curve:
        """Points around the right end, t = 0, in the complex plane, (K, CIRCLE)."""
        turn = torch.arange(CIRCLE, dtype=torch.float64, device=self.radius.device)
        t = torch.polar(
            self.radius[:, None], (2 * pi / CIRCLE * (turn + 0.5)).expand(len(self.radius), -1)
        )
        return Curve(self.factors[:, None], t, pi - t)

    @cached_property
    def edge_constant(self) -> Tensor:
        """The limit of ``x_max rho/sqrt(1 - x/x_max)`` as t -> 0, (K,)."""
        curve, end = self.circle, right_end(self.factors)[:, None]
        x = curve.log_x.exp()
        gap = (1 - x / end) / curve.t.square()
        return (end / x * (curve.weight / curve.t) / gap.sqrt()).mean(-1).real

    def ladder(self, values: Callable[[Tensor], Tensor]) -> Tensor:
        """Limit of `values` for large M: a polynomial in 1/M, extrapolated from M+3, 2(M+3), ..."""
        rows = [values((self.factors + FIRST) * 2**rung) for rung in range(RUNGS)]
        for level in range(1, RUNGS):
            rows = [fine + (fine - coarse) / (2**level - 1) for coarse, fine in pairwise(rows)]
        return rows[0]

    @cached_property
    def origin_exponent(self) -> Tensor:
        """Slope of log rho against log x between two points close to 0, (K,).

        The distances of their angles to pi vary with the instance, between 10^-201 and 10^-20.
        """
        shift = self.phi * (self.factors + 1) / pi
        least, middle, most = DEPTHS
        log_rho, log_x = [], []
        for depth in (least + (middle - least) * shift, most + shift):
            rest = 10.0**-depth
            point = Curve(self.factors, pi - rest, rest)
            log_x.append(point.log_x)
            log_rho.append(point.weight.log() - point.log_x)
        return (log_rho[1] - log_rho[0]) / (log_x[1] - log_x[0])


def _edge_growth(q: Law) -> Tensor:
    return q.ladder(lambda factors: right_end(factors) / factors)


Law.VALUES = {
    M: lambda q: q.factors,
    phi: lambda q: q.phi,
    moments.k: lambda q: q.order,
    proofs.real: lambda q: q.real,
    proofs.law_cdf: lambda q: q.mass_below,
    proofs.draw_cdf: lambda q: q.chance,
    proofs.law_mass: lambda q: q.mean(torch.ones_like(q.rule[2]), q.support(q.real), pi),
    moments.log_moment: lambda q: q.log_moment,
    moments.log_gamma_top: lambda q: torch.lgamma((q.factors + 1) * q.order + 1),
    moments.log_gamma_order: lambda q: torch.lgamma(q.order + 1),
    moments.log_gamma_rest: lambda q: torch.lgamma(q.factors * q.order + 2),
    moments.log_mean: lambda q: q.log_mean,
    moments.log_variance: lambda q: q.expect(q.deviation.square()),
    moments.entropy: lambda q: q.expect(q.whole.log_x - q.log_density),
    moments.clausen: lambda q: q.clausen(lambda value: value),
    moments.origin_exponent: lambda q: q.origin_exponent,
    moments.edge_constant: lambda q: q.edge_constant,
    moments.edge_growth: _edge_growth,
}

Law.MAGNITUDES = {
    # The logarithm of a mean has the relative error of the mean, that of x^k.
    moments.log_moment: lambda q: (
        1
        + q.log_moment.abs()
        + q.order.abs() * q.expect(q.power * q.whole.size) / q.log_moment.exp()
    ),
    moments.log_mean: lambda q: q.expect(q.whole.size),
    moments.log_variance: lambda q: q.expect(
        q.deviation.square() + 2 * q.deviation.abs() * q.whole.size
    ),
    moments.entropy: lambda q: q.expect(q.whole.size + q.log_density.abs()),
    moments.clausen: lambda q: -q.clausen(torch.abs),
    # Its square has the denominator 1 - x/x_max, and x is a power of order M.
    moments.edge_constant: lambda q: q.edge_constant * (q.factors + 1).sqrt(),
}


def draw(count: int, size: int, seed: int, device: str) -> Law:
    """Draw `count` instances with M between `size` and ``2 size - 1``.

    The real M is log-uniform between `LEAST_REAL` and ``2 size``.

    Raises
    ------
    ValueError
        If `count` or `size` is below 1.
    """
    if count < 1 or size < 1:
        raise ValueError(f"count = {count}, size = {size}: both must be at least 1")
    generator = torch.Generator().manual_seed(seed)

    def uniform(low: float | Tensor, high: float | Tensor) -> Tensor:
        share = torch.rand(count, generator=generator, dtype=torch.float64)
        return low + (high - low) * share

    factors = torch.randint(size, 2 * size, (count,), generator=generator).double()
    real = LEAST_REAL * (2 * size / LEAST_REAL) ** uniform(0, 1)
    order = uniform(ORDERS[0] / (factors + 1), ORDERS[1])
    parts = factors, real, uniform(0, 1), order, uniform(*RADII), uniform(0, 1)
    return Law(*(part.to(device) for part in parts))


def possible(symbols: Iterable[sp.Symbol]) -> tuple[int, ...]:
    """Smallest numbers M of factors: with M below twice as many, these meet every M once."""
    del symbols
    return (1, 2, 4, 8, 16, 32)


def batches(
    spec: RandomTest, domain: sp.Basic, total: int, seed: int, device: str
) -> Iterator[tuple[int, Law]]:
    """Yield (smallest M, instances): `total` of each, in chunks."""
    del domain
    for size, count, stream in chunks(spec.sizes, total, CHUNK, seed):
        yield size, draw(count, size, stream, device)


def provenance(spec: RandomTest, domain: sp.Basic) -> dict[str, object]:
    """Parameters that, with the seed, reproduce the instances."""
    del domain
    return {
        "number of factors": [[size, 2 * size - 1] for size in spec.sizes],
        "real M": [[LEAST_REAL, 2 * size] for size in spec.sizes],
        "quadrature": f"double exponential, {NODES} nodes, moved at random",
        "circle": f"{CIRCLE} points, radius {RADII[0]} to {RADII[1]} in (M+1)phi",
        "ladder": f"{RUNGS} values of M, each twice the last",
        "dtype": "float64",
    }
