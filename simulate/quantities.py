"""Each letter of `theory.symbols` measured on a batch of problems by automatic differentiation.

Nothing here uses a derived formula for the value of a letter.  With each value comes its
*magnitude*: the sum of the absolute values of the terms that cancel in it, the natural unit of
its rounding error.
"""

from collections.abc import Iterator
from functools import cached_property
from typing import Any, Final

import sympy as sp
import torch
from torch import Tensor

from simulate.letters import Letters
from simulate.networks import EPSILONS, LOSSES, Problems, draw, normalise
from theory import symbols as sym
from theory.claim import Instances

CHUNK: Final = 2_000


def _dot(left: Tensor, right: Tensor) -> Tensor:
    return (left * right).sum(-1)


class Measured(Letters):
    """Values and magnitudes of letters on `problems`, computed when first asked for.

    Gradients are taken twice by double backward, which is right for primitives of every kind.
    """

    def __init__(self, problems: Problems) -> None:
        self.problems = problems
        self.y = problems.y.detach().requires_grad_()
        self.m = self.y.shape[-1]
        self.yhat = normalise(self.y, problems.eps)
        self.z = problems.gamma * self.yhat + problems.beta

    @cached_property
    def v(self) -> Tensor:
        """Gradient of ``y -> L(z(y))``, (K, m), differentiable."""
        total = self.problems.loss(self.z).sum()
        return torch.autograd.grad(total, self.y, create_graph=True)[0]

    @cached_property
    def _at_z(self) -> tuple[Tensor, Tensor]:
        z = self.z.detach().requires_grad_()
        return z, torch.autograd.grad(self.problems.loss(z).sum(), z, create_graph=True)[0]

    @cached_property
    def g(self) -> Tensor:
        """Gradient of the loss at z, (K, m)."""
        return self._at_z[1].detach()

    @cached_property
    def at_y(self) -> Tensor:
        """Gradient of the loss at y itself, as in the network without the layer, (K, m)."""
        y = self.y.detach().requires_grad_()
        return torch.autograd.grad(self.problems.loss(y).sum(), y)[0]

    @cached_property
    def slides_hat(self) -> Tensor:
        """``(y - mu)/(sigma + eps)``, the layer as S0 prints it, (K, m)."""
        y = self.y.detach()
        deviation = y.std(-1, correction=0, keepdim=True)
        return (y - y.mean(-1, keepdim=True)) / (deviation + self.problems.eps)

    def hessian_at_z(self, direction: Tensor) -> Tensor:
        """``H direction`` at z, (K, m)."""
        z, g = self._at_z
        return torch.autograd.grad(_dot(g, direction.detach()).sum(), z, retain_graph=True)[0]

    def hessian_at_y(self, direction: Tensor) -> Tensor:
        """``K direction`` at y, (K, m)."""
        along = _dot(self.v, direction.detach()).sum()
        return torch.autograd.grad(along, self.y, retain_graph=True)[0]

    def project(self, u: Tensor) -> Tensor:
        """``Pu`` from the definition of P."""
        hat = self.yhat.detach()
        return u - u.mean(-1, keepdim=True) - hat * _dot(hat, u).unsqueeze(-1) / self.m

    @cached_property
    def jacobian(self) -> Tensor:
        """``d yhat_k/d y_i``, (K, m, m), differentiable."""
        rows = [
            torch.autograd.grad(self.yhat[:, k].sum(), self.y, create_graph=True)[0]
            for k in range(self.m)
        ]
        return torch.stack(rows, 1)

    @cached_property
    def second_derivative(self) -> Tensor:
        """``d2 yhat_k/dy_i dy_l``, (K, m, m, m), by double backward."""
        rows = [
            torch.autograd.grad(self.jacobian[:, k, i].sum(), self.y, retain_graph=True)[0]
            for k in range(self.m)
            for i in range(self.m)
        ]
        return torch.stack(rows, 1).unflatten(1, (self.m, self.m))

    @cached_property
    def scale(self) -> Tensor:
        """``sqrt(sigma^2 + eps)``, (K, 1), two-pass from the definition."""
        return torch.sqrt(self.y.detach().var(-1, correction=0, keepdim=True) + self.problems.eps)

    @cached_property
    def hat_terms(self) -> Tensor:
        """Entrywise absolute terms of yhat: y and its mean cancel in it."""
        y = self.y.detach().abs()
        return (y + y.mean(-1, keepdim=True)) / self.scale

    @cached_property
    def slides_terms(self) -> Tensor:
        """Entrywise absolute terms of `slides_hat`, for its own denominator."""
        y = self.y.detach()
        deviation = y.std(-1, correction=0, keepdim=True)
        return (y.abs() + y.abs().mean(-1, keepdim=True)) / (deviation + self.problems.eps)

    @cached_property
    def v_terms(self) -> Tensor:
        """Entrywise absolute terms of v: used for magnitudes only."""
        hat, g = self.hat_terms, self.g.abs()
        terms = g + g.mean(-1, keepdim=True) + hat * (hat * g).mean(-1, keepdim=True)
        return self.problems.gamma.abs() / self.scale * terms

    @cached_property
    def Pv_terms(self) -> Tensor:
        """Entrywise absolute terms of Pv: used for magnitudes only."""
        hat, v = self.hat_terms, self.v_terms
        return v + v.mean(-1, keepdim=True) + hat * (hat * v).mean(-1, keepdim=True)

    def eye(self) -> Tensor:
        """The identity, (1, m, m)."""
        return torch.eye(self.m, dtype=self.y.dtype, device=self.y.device).unsqueeze(0)


def _constant(q: Measured, value: float) -> Tensor:
    return torch.full_like(q.y[:, 0].detach(), value)


def _bent(q: Measured) -> Tensor:
    """Magnitude of v'Kv: the loss's own curvature and that of the layer."""
    gamma, s = q.problems.gamma.squeeze(-1), q.scale.squeeze(-1)
    own = _dot(q.Pv_terms, q.hessian_at_z(q.Pv_terms).abs()) * gamma**2 / s**2
    layer = _dot(q.g.abs(), q.hat_terms) * _dot(q.v_terms, q.Pv_terms)
    return own + 3 * gamma.abs() / (q.m * s**2) * layer


_VALUES = {
    sym.m: lambda q: _constant(q, q.m),
    sym.gamma: lambda q: q.problems.gamma.squeeze(-1),
    sym.eps: lambda q: q.problems.eps.squeeze(-1),
    sym.sigma: lambda q: q.y.detach().std(-1, correction=0),
    sym.s: lambda q: q.scale.squeeze(-1),
    sym.g1: lambda q: q.g.sum(-1),
    sym.gy: lambda q: _dot(q.g, q.yhat),
    sym.gg: lambda q: _dot(q.g, q.g),
    sym.vv: lambda q: _dot(q.v, q.v),
    sym.vHv: lambda q: _dot(q.v, q.hessian_at_z(q.v)),
    sym.vKv: lambda q: _dot(q.v, q.hessian_at_y(q.v)),
    sym.vy: lambda q: _dot(q.v, q.yhat),
    sym.gPv: lambda q: _dot(q.g, q.project(q.v)),
    sym.vPv: lambda q: _dot(q.v, q.project(q.v)),
    sym.PvHPv: lambda q: _dot(q.project(q.v), q.hessian_at_z(q.project(q.v))),
    sym.grad_yhat: lambda q: _gradient_at_yhat(q).norm(dim=-1),
    sym.J_ki: lambda q: q.jacobian,
    sym.T_kil: lambda q: q.second_derivative,
    sym.yhat_k: lambda q: q.yhat,
    sym.yhat_i: lambda q: q.yhat,
    sym.yhat_l: lambda q: q.yhat,
    sym.delta_ki: Measured.eye,
    sym.delta_kl: Measured.eye,
    sym.delta_il: Measured.eye,
    sym.mu: lambda q: q.y.detach().mean(-1),
    sym.beta: lambda q: q.problems.beta.squeeze(-1),
    sym.y_k: lambda q: q.y,
    sym.z_k: lambda q: q.z,
    sym.yy: lambda q: _dot(q.y, q.y),
    sym.centred_norm: lambda q: (q.y - q.y.mean(-1, keepdim=True)).norm(dim=-1),
    sym.hat_mean: lambda q: q.yhat.mean(-1),
    sym.hat_std: lambda q: q.yhat.std(-1, correction=0),
    sym.hat_norm: lambda q: q.yhat.norm(dim=-1),
    sym.hat_gap: lambda q: (q.slides_hat - q.yhat).norm(dim=-1),
    sym.ll: lambda q: _dot(q.at_y, q.at_y),
    sym.l1: lambda q: q.at_y.sum(-1),
    sym.ly: lambda q: _dot(q.at_y, q.yhat),
}

_MAGNITUDES = {
    sym.g1: lambda q: q.g.abs().sum(-1),
    sym.gy: lambda q: _dot(q.g.abs(), q.hat_terms),
    sym.vv: lambda q: _dot(q.v_terms, q.v_terms),
    sym.vHv: lambda q: _dot(q.v_terms, q.hessian_at_z(q.v_terms).abs()),
    sym.vKv: _bent,
    sym.vy: lambda q: _dot(q.v_terms, q.hat_terms),
    sym.gPv: lambda q: _dot(q.g.abs(), q.Pv_terms),
    sym.vPv: lambda q: _dot(q.v_terms, q.Pv_terms),
    sym.PvHPv: lambda q: _dot(q.Pv_terms, q.hessian_at_z(q.Pv_terms).abs()),
    sym.yhat_k: lambda q: q.hat_terms,
    sym.yhat_i: lambda q: q.hat_terms,
    sym.yhat_l: lambda q: q.hat_terms,
    sym.mu: lambda q: q.y.abs().mean(-1),
    sym.z_k: lambda q: q.problems.gamma.abs() * q.hat_terms + q.problems.beta.abs(),
    sym.centred_norm: lambda q: (q.hat_terms * q.scale).norm(dim=-1),
    sym.hat_mean: lambda q: q.hat_terms.mean(-1),
    sym.hat_std: lambda q: q.hat_terms.norm(dim=-1) / q.m**0.5,
    sym.hat_norm: lambda q: q.hat_terms.norm(dim=-1),
    sym.hat_gap: lambda q: (q.hat_terms + q.slides_terms).norm(dim=-1),
    sym.l1: lambda q: q.at_y.abs().sum(-1),
    sym.ly: lambda q: _dot(q.at_y.abs(), q.hat_terms),
}


def _gradient_at_yhat(q: Measured) -> Tensor:
    """Gradient of ``yhat -> L(gamma*yhat + beta)``, (K, m), by autodiff."""
    yhat = q.yhat.detach().requires_grad_()
    total = q.problems.loss(q.problems.gamma * yhat + q.problems.beta).sum()
    return torch.autograd.grad(total, yhat)[0]


Measured.VALUES = _VALUES
Measured.MAGNITUDES = _MAGNITUDES


def epsilons(domain: sp.Basic) -> tuple[float, ...]:
    """The values of eps that the domain does not exclude by itself.

    Raises
    ------
    ValueError
        If it excludes all of them.
    """
    allowed = [e for e in EPSILONS if domain.subs(sym.eps, sp.Rational(str(e))) != sp.false]
    if not allowed:
        raise ValueError(f"domain {domain} excludes every eps in {EPSILONS}")
    return tuple(allowed)


def batches(
    way: Instances, domain: sp.Basic, total: int, seed: int, device: str
) -> Iterator[tuple[int, Measured]]:
    """Yield (m, networks) for each loss and batch size: `total` of each, in chunks.

    The chunks bound the memory; the numbers do not depend on the device.
    """
    jobs = [
        (loss, m, start) for loss in LOSSES for m in way.sizes for start in range(0, total, CHUNK)
    ]
    for number, (loss, m, start) in enumerate(jobs):
        count = min(CHUNK, total - start)
        stream = seed * 1_000_003 + number
        yield (
            m,
            Measured(draw(count, m, loss, stream, epsilons=epsilons(domain), device=device)),
        )


def provenance(way: Instances, domain: sp.Basic) -> dict[str, Any]:
    """What is needed, beside the seed, to draw the same networks."""
    return {
        "batch sizes": list(way.sizes),
        "losses": list(LOSSES),
        "eps": list(epsilons(domain)),
        "dtype": "float64",
    }
