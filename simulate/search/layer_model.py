"""One layer before a quadratic loss, with symbols that can be differentiated in all its data.

Any twice differentiable loss has some gradient g and Hessian H at z, and no symbol of one layer
looks further: ``L(z) = z'Az/2 + b'z`` is the general case.  `bnproof.simulate.samplers.autodiff`
measures the same symbols and detaches them; here the graph is kept, so that a side of a relation
can be followed uphill in y, b, A, gamma, beta and eps.
"""

from collections.abc import Callable
from functools import cached_property
from typing import Final

import sympy as sp
import torch
from torch import Tensor

from bnproof.simulate.samplers.autodiff import Measured
from bnproof.simulate.samplers.networks import Problems, normalise
from bnproof.simulate.samplers.weights import Weighted
from bnproof.simulate.search.base import Graphed, Params
from bnproof.theory import symbols as sym
from bnproof.theory.layer import curvature as cur
from bnproof.theory.layer import minimax as mnx

TINY: Final = 1e-300


def _dot(left: Tensor, right: Tensor) -> Tensor:
    return (left * right).sum(-1)


def _apply(matrix: Tensor, vector: Tensor) -> Tensor:
    return (matrix @ vector.unsqueeze(-1)).squeeze(-1)


def _slope(value: Tensor, at: Tensor) -> Tensor:
    return torch.autograd.grad(value.sum(), at, create_graph=True)[0]


class LocalModel(Graphed):
    """Symbols of K layers before quadratic losses, differentiable in everything.

    Parameters
    ----------
    params
        y, b, u (K, m), A (K, m, m), gamma, beta, eps, tau, radius (K, 1), float64.  A is used
        through its symmetric part.  u, a direction, tau, a positive number, and radius, a bound on
        inputs, may be left out where no symbol needs them.
    """

    def __init__(self, params: Params) -> None:
        self.params = params
        y = params["y"]
        self.y = y if y.requires_grad else y.detach().requires_grad_()
        self.m = y.shape[-1]
        self.A = (params["A"] + params["A"].mT) / 2
        self.yhat = normalise(self.y, params["eps"])
        self.z = self._shifted(self.yhat)

    def _shifted(self, yhat: Tensor) -> Tensor:
        return self.params["gamma"] * yhat + self.params["beta"]

    def loss(self, z: Tensor) -> Tensor:
        """``z'Az/2 + b'z``, (K,)."""
        return _dot(z, _apply(self.A, z)) / 2 + _dot(self.params["b"], z)

    def after(self, y: Tensor) -> Tensor:
        """``L(z(y))``, (K,)."""
        return self.loss(self._shifted(normalise(y, self.params["eps"])))

    def bend(self, function: Callable[[Tensor], Tensor], at: Tensor, direction: Tensor) -> Tensor:
        """Second derivative of ``t -> function(at + t direction)`` at 0, (K,).

        The line keeps `at` and `direction` constant even where they depend on one another.
        """
        t = torch.zeros_like(at[:, :1]).requires_grad_()
        return _slope(_slope(function(at + t * direction), t), t).squeeze(-1)

    @cached_property
    def v(self) -> Tensor:
        """Gradient of ``y -> L(z(y))``, (K, m)."""
        return _slope(self.after(self.y), self.y)

    @cached_property
    def g(self) -> Tensor:
        """Gradient of the loss at z, (K, m)."""
        return _slope(self.loss(self.z), self.z)

    @cached_property
    def q(self) -> Tensor:
        """Gradient with respect to yhat, (K, m)."""
        return _slope(self.loss(self._shifted(self.yhat)), self.yhat)

    @cached_property
    def at_y(self) -> Tensor:
        """Gradient of the loss at y, (K, m)."""
        return _slope(self.loss(self.y), self.y)

    @cached_property
    def Pv(self) -> Tensor:
        """``Pv`` from the definition of P, (K, m)."""
        v = self.v
        along = _dot(self.yhat, v).unsqueeze(-1)
        return v - v.mean(-1, keepdim=True) - self.yhat * along / self.m

    @cached_property
    def K(self) -> Tensor:
        """Hessian of ``y -> L(z(y))``, (K, m, m)."""
        return torch.stack([_slope(self.v[:, k], self.y) for k in range(self.m)], 1)

    @cached_property
    def deviation(self) -> Tensor:
        """Biased standard deviation of y, (K, 1)."""
        return self.y.std(-1, correction=0, keepdim=True)

    @cached_property
    def scale(self) -> Tensor:
        """``sqrt(sigma^2 + eps)``, (K, 1)."""
        return torch.sqrt(self.y.var(-1, correction=0, keepdim=True) + self.params["eps"])

    def widest(self, vector: Tensor) -> Tensor:
        """Maximum of ``|X'vector|^2`` over ``|X| <= radius``, (K,).

        An X that attains it is held fixed: by the envelope theorem the slopes are those of the
        maximum.
        """
        still = vector.detach()
        X = self.params["radius"] * still / still.norm(dim=-1, keepdim=True).clamp(min=TINY)
        return _dot(X, vector).square()

    @property
    def slides_hat(self) -> Tensor:
        """``(y - mu)/(sigma + eps)``, the layer as S0 prints it, (K, m)."""
        centred = self.y - self.y.mean(-1, keepdim=True)
        return centred / (self.deviation + self.params["eps"])

    def magnitude(self, symbol: sp.Symbol) -> Tensor:
        """Sum of the absolute values of the terms that cancel in `symbol`, without a graph."""
        if symbol in Weighted.MAGNITUDES:
            return self.record.magnitude(symbol)
        return self.value(symbol).detach().abs()

    @cached_property
    def record(self) -> "Measured":
        """The same data in the samplers of the general check, which share nothing with this one."""
        return recorded(self.params)


class _Directed(Weighted):
    """A sampler of weights whose direction u is given, not drawn."""

    @property
    def u(self) -> Tensor:
        return self.direction


def recorded(params: Params) -> Measured:
    """Measure the same data by `samplers.weights`: one input a unit, ``X = y`` and ``w = 1``."""
    still = {name: tensor.detach() for name, tensor in params.items()}
    y, b = still["y"], still["b"]
    A = (still["A"] + still["A"].mT) / 2

    def loss(z: Tensor) -> Tensor:
        return _dot(z, _apply(A, z)) / 2 + _dot(b, z)

    problems = Problems(y, still["gamma"], still["beta"], still["eps"], loss)
    one = torch.ones_like(y[:, 0])
    tau, radius = (still.get(name, one.unsqueeze(-1)).squeeze(-1) for name in ("tau", "radius"))
    extra = (one, tau, radius, y, still.get("u", y))
    return _Directed(y.unsqueeze(-1), one.unsqueeze(-1), problems, extra)


def _entry(name: str) -> Callable[[LocalModel], Tensor]:
    return lambda q: q.params[name].squeeze(-1)


LocalModel.VALUES = {
    sym.m: lambda q: torch.full_like(q.y[:, 0], q.m),
    sym.gamma: _entry("gamma"),
    sym.beta: _entry("beta"),
    sym.eps: _entry("eps"),
    sym.mu: lambda q: q.y.mean(-1),
    sym.sigma: lambda q: q.deviation.squeeze(-1),
    sym.s: lambda q: q.scale.squeeze(-1),
    sym.g1: lambda q: q.g.sum(-1),
    sym.gy: lambda q: _dot(q.g, q.yhat),
    sym.gg: lambda q: _dot(q.g, q.g),
    sym.vv: lambda q: _dot(q.v, q.v),
    sym.vy: lambda q: _dot(q.v, q.yhat),
    sym.vHv: lambda q: q.bend(q.loss, q.z, q.v),
    sym.vKv: lambda q: q.bend(q.after, q.y, q.v),
    sym.gPv: lambda q: _dot(q.g, q.Pv),
    sym.vPv: lambda q: _dot(q.v, q.Pv),
    sym.PvHPv: lambda q: q.bend(q.loss, q.z, q.Pv),
    sym.grad_yhat: lambda q: q.q.norm(dim=-1),
    sym.yy: lambda q: _dot(q.y, q.y),
    sym.centred_norm: lambda q: (q.y - q.y.mean(-1, keepdim=True)).norm(dim=-1),
    sym.hat_mean: lambda q: q.yhat.mean(-1),
    sym.hat_std: lambda q: q.yhat.std(-1, correction=0),
    sym.hat_norm: lambda q: q.yhat.norm(dim=-1),
    sym.hat_gap: lambda q: (q.slides_hat - q.yhat).norm(dim=-1),
    sym.ll: lambda q: _dot(q.at_y, q.at_y),
    sym.l1: lambda q: q.at_y.sum(-1),
    sym.ly: lambda q: _dot(q.at_y, q.yhat),
    cur.gHg: lambda q: q.bend(q.loss, q.z, q.g),
    cur.qKq: lambda q: q.bend(q.after, q.y, q.q),
    cur.qq: lambda q: _dot(q.q, q.q),
    cur.ordered: lambda q: q.value(cur.gHg) - q.value(sym.vHv),
    cur.relative: lambda q: q.value(cur.gHg) * q.value(sym.vv) - q.value(sym.vHv) * q.value(sym.gg),
    cur.gz: lambda q: _dot(q.g, q.params["gamma"] * q.yhat),
    cur.shrink: lambda q: (q.deviation**2 - q.params["gamma"] ** 2).squeeze(-1),
    cur.lamK: lambda q: torch.linalg.eigvalsh(q.K).amax(-1),
    cur.lamH: lambda q: torch.linalg.eigvalsh(q.A).amax(-1),
    cur.u1: lambda q: q.params["u"].sum(-1),
    cur.uy: lambda q: _dot(q.params["u"], q.yhat),
    cur.uu: lambda q: _dot(q.params["u"], q.params["u"]),
    cur.uKu: lambda q: q.bend(q.after, q.y, q.params["u"]),
    cur.tau: _entry("tau"),
    mnx.radius: _entry("radius"),
    mnx.ghat: lambda q: q.widest(q.v),
    mnx.gstd: lambda q: q.widest(q.g),
    mnx.mu_g: lambda q: q.g.mean(-1),
}
FREE: Final = {
    "u": frozenset({cur.u1, cur.uy, cur.uu, cur.uKu}),
    "tau": frozenset({cur.tau}),
    "radius": frozenset({mnx.radius, mnx.ghat, mnx.gstd}),
}
