"""Curve and density of the printed equation (5), and a quadrature rule on them.

Equation (5) of S3 gives x and the density as functions of phi in (0, pi/(M+1)).  Angles are given
as ``t = (M+1)phi`` in (0, pi).  Near pi, sines are computed from the distance to pi, so that small
values keep their digits.
"""

from functools import cached_property
from math import pi
from typing import Final

import torch
from torch import Tensor

REACH: Final = 6.0  # nodes lie within e^(-pi sinh 6) = 10^-275 of both ends
NODES: Final = 241
NEAR: Final = 1e-9  # its square is below rounding


class Curve:
    """Points of the curve (5) with ``t = pi - rest``; the arguments broadcast."""

    def __init__(self, factors: Tensor, t: Tensor, rest: Tensor) -> None:
        self.factors, self.t, self.rest = factors, t, rest

    def sines(self, step: Tensor | float = 0.0) -> tuple[Tensor, Tensor, Tensor]:
        """Sines of phi, M phi and (M+1)phi at t + `step`."""
        t, rest, count = self.t + step, self.rest - step, self.factors + 1
        first = self.t.abs() < self.rest.abs()
        times = torch.where(first, self.factors * t, pi + self.factors * rest) / count
        return torch.sin(t / count), torch.sin(times), torch.sin(torch.where(first, t, rest))

    def _log_x(self, step: Tensor | float = 0.0) -> Tensor:
        first, times, top = self.sines(step)
        return self.factors * torch.log(top / times) + torch.log(top / first)

    @cached_property
    def log_x(self) -> Tensor:
        """Logarithm of x."""
        return self._log_x()

    @property
    def size(self) -> Tensor:
        """Unit of the rounding error of `log_x`: a ratio of sines enters M times."""
        return self.log_x.abs() + self.factors + 1

    @cached_property
    def weight(self) -> Tensor:
        """``x rho(x)``."""
        first, times, top = self.sines()
        return top / times * first / pi

    @cached_property
    def slope(self) -> Tensor:
        """``d log x / dt`` by autodiff; t must be real."""
        step = torch.zeros_like(self.t + self.factors, requires_grad=True)
        return torch.autograd.grad(self._log_x(step).sum(), step)[0]


def rule(shift: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Double exponential quadrature on (0, 1): nodes v, 1 - v and weights, (K, NODES) each.

    The nodes are ``v = 1/(1 + exp(-pi sinh s))`` at equidistant s, offset by `shift` (K,), in
    (0, 1), times their distance; the rule is equally accurate for every offset.  It tolerates
    algebraic and logarithmic singularities at both ends, and 1 - v has full precision (H. Takahasi
    and M. Mori, Publ. RIMS 9 (1974) 721).
    """
    step = 2 * REACH / NODES
    s = step * (torch.arange(NODES, device=shift.device) + shift[:, None]) - REACH
    power = pi * torch.sinh(s)
    near, far = torch.sigmoid(power), torch.sigmoid(-power)
    weights = near * far * pi * torch.cosh(s) * step
    return near, far, weights


def right_end(factors: Tensor) -> Tensor:
    """The limit of x as t -> 0, (K,), for M of shape (K,): x, which is even in t, at t = `NEAR`.

    For large M the base of ``(sin (M+1)phi/sin M phi)**M`` is close to 1; its excess over 1 is
    computed from the difference of the two sines, written as a product.
    """
    t = torch.full_like(factors, NEAR)
    half = t / (factors + 1) / 2
    first, times, top = Curve(factors, t, pi - t).sines()
    excess = 2 * torch.cos(t - half) * torch.sin(half) / times
    return top / first * torch.exp(factors * torch.log1p(excess))
