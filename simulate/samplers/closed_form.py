"""Each symbol of `theory.symbols` in closed form: the fast path of `samplers.autodiff`.

The layer is evaluated from its definition by the same operations, so that both paths have the
same z.  Its derivatives are those derived in `bnproof.theory.layer.batchnorm`, with
``P = I - 11'/m - yhat yhat'/m``: ``D yhat = P/s`` and
``D2 yhat[h,k] = -(<k,yhat> Ph + <h,yhat> Pk + <h,Pk> yhat)/(m s^2)``, for every eps >= 0.
"""

from collections.abc import Sequence
from functools import cached_property
from typing import Final

import sympy as sp
import torch
from torch import Tensor

from bnproof.simulate.samplers.base import dot
from bnproof.simulate.samplers.definitions.losses import Linear, Loss
from bnproof.simulate.samplers.networks import Problems
from bnproof.simulate.samplers.unit import Unit
from bnproof.theory import symbols as sym

# Left and right side of Theorems 4.1 and 4.2 of A18.
BOUNDS: Final = (sym.vv, sym.gg, sym.g1, sym.gy, sym.vKv, sym.vHv)
# Entries of m-vectors that stay in the CPU cache while a slice is measured.
CACHED: Final = 160 * 64


class Closed(Unit):
    """The symbols of problems whose loss is one of `bnproof.simulate.samplers.definitions.losses`.

    Raises
    ------
    TypeError
        If the loss is another, whose derivatives have no known closed form.
    """

    def __init__(self, problems: Problems) -> None:
        super().__init__(problems)
        if not isinstance(problems.loss, Loss):
            raise TypeError(
                f"no closed form of a {type(problems.loss).__name__}: use a loss of "
                "bnproof.simulate.samplers.definitions.losses, or "
                "bnproof.simulate.samplers.autodiff.Measured"
            )
        self.loss = problems.loss

    @cached_property
    def yhat(self) -> Tensor:
        """Normalised activations, (K, m), by the operations of `networks.normalise`."""
        return self.centred / self.scale

    def project(self, u: Tensor) -> Tensor:
        """``Pu``."""
        along = dot(self.yhat, u).unsqueeze(-1) * (1 / self.m)
        return torch.addcmul(u - u.mean(-1, keepdim=True), self.yhat, along, value=-1)

    @cached_property
    def _at_z(self) -> tuple[Tensor, Linear]:
        return self.loss.derivatives(self.z)

    @cached_property
    def g(self) -> Tensor:
        """Gradient of the loss at z, (K, m)."""
        return self._at_z[0]

    @cached_property
    def at_y(self) -> Tensor:
        """Gradient of the loss at y, (K, m)."""
        return self.loss.derivatives(self.y)[0]

    @cached_property
    def at_hat(self) -> Tensor:
        """Gradient with respect to yhat, ``gamma g``, (K, m)."""
        return self.problems.gamma * self.g

    @cached_property
    def factor(self) -> Tensor:
        """``gamma/s``, (K, 1)."""
        return self.problems.gamma / self.scale

    @cached_property
    def v(self) -> Tensor:
        """Gradient at y, ``(gamma/s) Pg``, (K, m)."""
        return self.factor * self.project(self.g)

    def hessian_at_z(self, direction: Tensor) -> Tensor:
        """``H direction`` at z, (K, m)."""
        return self._at_z[1](direction)

    def hessian_at_y(self, direction: Tensor) -> Tensor:
        """``K u`` for a direction u, (K, m).

        ``(gamma/s)^2 PHPu - gamma/(m s^2) (<u,yhat> Pg + <g,Pu> yhat + <g,yhat> Pu)``.
        """
        Pu, Pg = self.project(direction), self.project(self.g)
        own = self.project(self.hessian_at_z(Pu))
        uy, gPu, gy = (
            dot(left, right).unsqueeze(-1)
            for left, right in ((direction, self.yhat), (self.g, Pu), (self.g, self.yhat))
        )
        bend = uy * Pg + gPu * self.yhat + gy * Pu
        return self.factor.square() * own - self.factor / (self.m * self.scale) * bend

    @cached_property
    def P(self) -> Tensor:
        """The matrix P, (K, m, m)."""
        outer = self.yhat.unsqueeze(-1) * self.yhat.unsqueeze(-2)
        return self.eye() - (1 + outer) / self.m

    @cached_property
    def jacobian(self) -> Tensor:
        """``P/s``, (K, m, m)."""
        return self.P / self.scale.unsqueeze(-1)

    @cached_property
    def second_derivative(self) -> Tensor:
        """``-(yhat_l P_ki + yhat_i P_kl + P_il yhat_k)/(m s^2)``, (K, m, m, m)."""
        hat, P = self.yhat, self.P
        terms = (
            hat[:, None, None, :] * P[:, :, :, None]
            + hat[:, None, :, None] * P[:, :, None, :]
            + hat[:, :, None, None] * P[:, None, :, :]
        )
        return -terms / (self.m * self.scale.square())[..., None, None]


def _curvature(q: Closed) -> Tensor:
    """``v'Kv`` from inner products: the only product with P is Pv."""
    gamma, s = q.problems.gamma.squeeze(-1), q.scale.squeeze(-1)
    bend = 2 * dot(q.v, q.yhat) * dot(q.g, q.Pv) + dot(q.g, q.yhat) * dot(q.v, q.Pv)
    own = dot(q.Pv, q.hessian_at_z(q.Pv))
    return (gamma / s).square() * own - gamma / (q.m * s.square()) * bend


Closed.VALUES = {**Unit.VALUES, sym.vKv: _curvature}


class Rounded(Closed):
    """`Closed` with magnitudes that include the rounding of g, to compare with another path.

    Within one path g is the same in every symbol, so its rounding cancels.
    """

    @cached_property
    def g_terms(self) -> Tensor:
        """Entrywise absolute terms of g."""
        return self.loss.terms(self.z)[0]


def evaluate(
    problems: Problems, symbols: Sequence[sp.Symbol] = BOUNDS, size: int | None = None
) -> dict[sp.Symbol, Tensor]:
    """Evaluate symbols on all problems, in slices that fit into the CPU cache.

    Parameters
    ----------
    problems
        K problems with a loss of `bnproof.simulate.samplers.definitions.losses`.
    symbols
        Symbols to evaluate; by default both sides of Theorems 4.1 and 4.2 of A18.
    size
        Problems in a slice; by default what fits into the cache of a CPU, and all on a GPU.

    Raises
    ------
    TypeError
        If the loss has no closed form.
    """
    count, m = problems.y.shape
    if size is None:
        size = max(1, CACHED // m) if problems.y.device.type == "cpu" else count
    parts: list[list[Tensor]] = [[] for _ in symbols]
    with torch.no_grad():
        for start in range(0, count, size):
            measured = Closed(problems.take(slice(start, start + size)))
            for part, symbol in zip(parts, symbols, strict=True):
                part.append(measured.value(symbol))
    return {symbol: torch.cat(part) for symbol, part in zip(symbols, parts, strict=True)}
