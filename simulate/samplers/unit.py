"""Symbols of one unit of a layer: the part that does not depend on how derivatives are taken.

Each value has a *magnitude*: the sum of the absolute values of the terms that cancel in it, to
first order the natural unit of its rounding error.  `bnproof.simulate.samplers.autodiff` adds
derivatives by automatic differentiation, `bnproof.simulate.samplers.closed_form` by closed forms.
"""

from functools import cached_property
from typing import ClassVar, Self

import torch
from torch import Tensor

from bnproof.simulate.samplers.base import Measure, Measurements, dot
from bnproof.simulate.samplers.definitions.losses import Linear, Loss
from bnproof.simulate.samplers.networks import Problems, normalise
from bnproof.theory import symbols as sym


class Unit(Measurements):
    """Symbols of `problems`; subclasses add the derivatives.

    A subclass provides the gradients `v` at y, `g` at z, `at_y` (of the loss at y) and `at_hat`
    (with respect to yhat), each (K, m); `hessian_at_z` and `hessian_at_y`; `jacobian` and
    `second_derivative`.
    """

    BLOCK: ClassVar[int] = 1  # halves are multiples of this many problems

    v: Tensor
    g: Tensor
    at_y: Tensor
    at_hat: Tensor
    jacobian: Tensor
    second_derivative: Tensor

    def __init__(self, problems: Problems, *, graph: bool = False) -> None:
        self.problems, self.graph = problems, graph
        self.y = self.kept(problems.y)
        self.m = self.y.shape[-1]

    @cached_property
    def yhat(self) -> Tensor:
        """Normalised activations, (K, m)."""
        return normalise(self.y, self.problems.eps)

    @cached_property
    def z(self) -> Tensor:
        """The layer's output, (K, m)."""
        return self.problems.gamma * self.yhat + self.problems.beta

    def hessian_at_z(self, direction: Tensor) -> Tensor:
        """``H direction`` at z, (K, m)."""
        raise NotImplementedError

    def hessian_at_y(self, direction: Tensor) -> Tensor:
        """``K direction`` at y, (K, m)."""
        raise NotImplementedError

    def faults(self) -> dict[str, Tensor]:
        """Invalid inputs, each with the mask of the problems that have it, (K,)."""
        y, p = self.y.detach(), self.problems
        given = torch.cat((p.gamma, p.beta, p.eps), -1)
        flat = (y.amax(-1) == y.amin(-1)) & (p.eps.squeeze(-1) == 0)
        return {
            "m = 1: a batch needs two samples": torch.full_like(flat, self.m < 2),
            "y is not finite": ~torch.isfinite(y).all(-1),
            "gamma, beta or eps is not finite": ~torch.isfinite(given).all(-1),
            "eps < 0: it must be 0 or larger": (p.eps < 0).squeeze(-1),
            "sigma = 0 with eps = 0, so yhat is not finite: use eps > 0": flat,
        }

    def halves(self) -> "tuple[Self, Self] | None":
        """The same symbols for each half of the problems; None if they cannot be halved."""
        cut = len(self.y) // (2 * self.BLOCK) * self.BLOCK
        if not cut or not isinstance(self.problems.loss, Loss):
            return None
        return self.take(slice(0, cut)), self.take(slice(cut, None))

    def take(self, part: slice) -> Self:
        """The same symbols for some of the problems."""
        return type(self)(self.problems.take(part))

    @cached_property
    def slides_hat(self) -> Tensor:
        """``(y - mu)/(sigma + eps)``, the layer as S0 prints it, (K, m)."""
        return self.centred / (self.variance.sqrt() + self.problems.eps)

    def project(self, u: Tensor) -> Tensor:
        """``Pu`` from the definition of P."""
        hat = self.kept(self.yhat)
        return u - u.mean(-1, keepdim=True) - hat * dot(hat, u).unsqueeze(-1) / self.m

    @cached_property
    def Pv(self) -> Tensor:
        """``Pv``, (K, m)."""
        return self.project(self.kept(self.v))

    @cached_property
    def centred(self) -> Tensor:
        """``y - mu``, (K, m)."""
        y = self.kept(self.y)
        return y - y.mean(-1, keepdim=True)

    @cached_property
    def variance(self) -> Tensor:
        """``sigma^2``, (K, 1), in two passes: `torch.var` loses digits for nearly constant y."""
        return self.centred.square().mean(-1, keepdim=True)

    @cached_property
    def scale(self) -> Tensor:
        """``sqrt(sigma^2 + eps)``, (K, 1)."""
        return torch.sqrt(self.variance + self.problems.eps)

    # Magnitudes: absolute terms, for the unit of rounding errors only.

    @cached_property
    def hat_terms(self) -> Tensor:
        """Entrywise absolute terms of yhat, in which y and its mean cancel."""
        y = self.y.detach().abs()
        return (y + y.mean(-1, keepdim=True)) / self.scale

    @cached_property
    def slides_terms(self) -> Tensor:
        """Entrywise absolute terms of `slides_hat`, with its own denominator."""
        size = self.y.detach().abs()
        deviation = self.variance.sqrt() + self.problems.eps
        return (size + size.mean(-1, keepdim=True)) / deviation

    @cached_property
    def g_terms(self) -> Tensor:
        """Entrywise size of g; its rounding is excluded, as all symbols use the same g."""
        return self.g.abs()

    @cached_property
    def H_terms(self) -> Linear:
        """Map from the size of a direction to the absolute terms of H times it."""
        loss = self.problems.loss
        if isinstance(loss, Loss):
            return loss.terms(self.z.detach())[1]
        return lambda size: self.hessian_at_z(size).abs()

    def project_terms(self, size: Tensor, terms: Tensor) -> Tensor:
        """Absolute terms of ``Pu`` for u of entrywise `size` with absolute `terms`.

        To first order: of the two factors yhat in P, one at a time enters with its terms.
        """
        hat, rough = self.yhat.detach().abs(), self.hat_terms
        inner = dot(rough, size) + dot(hat, terms)
        twice = hat * inner.unsqueeze(-1) + rough * dot(hat, size).unsqueeze(-1)
        return terms + terms.mean(-1, keepdim=True) + twice / self.m

    @cached_property
    def v_terms(self) -> Tensor:
        """Entrywise absolute terms of v."""
        terms = self.project_terms(self.g.abs(), self.g_terms)
        return self.problems.gamma.abs() / self.scale * terms

    @cached_property
    def Pv_terms(self) -> Tensor:
        """Entrywise absolute terms of Pv."""
        return self.project_terms(self.v.detach().abs(), self.v_terms)

    def through(self, u: Tensor, terms: Tensor) -> Tensor:
        """Absolute terms of ``u'Hu``, (K,), for a vector u with absolute `terms`."""
        size = _size(u, terms)
        return dot(terms, self.H_terms(size)) + dot(size, self.H_terms(terms))

    def eye(self) -> Tensor:
        """The identity, (1, m, m)."""
        return torch.eye(self.m, dtype=self.y.dtype, device=self.y.device).unsqueeze(0)


def _constant(q: Unit, value: float) -> Tensor:
    return torch.full_like(q.y[:, 0].detach(), value)


def _inner(left: Tensor, left_terms: Tensor, right: Tensor, right_terms: Tensor) -> Tensor:
    """Absolute terms of an inner product of two vectors, each with absolute terms."""
    return dot(_size(left, left_terms), right_terms) + dot(left_terms, _size(right, right_terms))


def _size(u: Tensor, terms: Tensor) -> Tensor:
    """Entrywise size of a computed vector, at least its rounding (v cancels to 0 at m = 2)."""
    return u.detach().abs() + torch.finfo(u.dtype).eps * terms


def _bent(q: Unit) -> Tensor:
    """Magnitude of v'Kv: the curvature of the loss plus that of the layer."""
    hat, g = q.yhat.detach().abs(), q.g.abs()
    v, Pv = _size(q.v, q.v_terms), _size(q.Pv, q.Pv_terms)
    gy, vy = q.magnitude(sym.gy), q.magnitude(sym.vy)
    bend = gy * dot(v, Pv) + dot(g, hat) * q.magnitude(sym.vPv)
    push = vy * dot(g, Pv) + dot(v, hat) * q.magnitude(sym.gPv)
    gamma, s = q.problems.gamma.squeeze(-1).abs(), q.scale.squeeze(-1)
    own = q.through(q.Pv, q.Pv_terms)
    return gamma**2 / s**2 * own + gamma / (q.m * s**2) * (bend + 2 * push)


def _vector(q: Unit, name: str) -> tuple[Tensor, Tensor]:
    """One of the vectors 1, yhat and g, with its absolute terms."""
    if name == "1":
        one = torch.ones_like(q.g)
        return one, one
    return (q.kept(q.yhat), q.hat_terms) if name == "yhat" else (q.g, q.g_terms)


def _between(a: str, b: str) -> Measure:
    """The Hessian at z between two of these vectors."""
    return lambda q: dot(_vector(q, a)[0], q.hessian_at_z(_vector(q, b)[0]))


def _between_terms(a: str, b: str) -> Measure:
    """Absolute terms of `_between`."""

    def value(q: Unit) -> Tensor:
        (left, rough_left), (right, rough_right) = _vector(q, a), _vector(q, b)
        first = dot(_size(left, rough_left), q.H_terms(rough_right))
        return first + dot(rough_left, q.H_terms(_size(right, rough_right)))

    return value


Unit.VALUES = {
    sym.m: lambda q: _constant(q, q.m),
    sym.gamma: lambda q: q.problems.gamma.squeeze(-1),
    sym.eps: lambda q: q.problems.eps.squeeze(-1),
    sym.sigma: lambda q: q.variance.sqrt().squeeze(-1),
    sym.s: lambda q: q.scale.squeeze(-1),
    sym.g1: lambda q: q.g.sum(-1),
    sym.gy: lambda q: dot(q.g, q.yhat),
    sym.gg: lambda q: dot(q.g, q.g),
    sym.vv: lambda q: dot(q.v, q.v),
    sym.vHv: lambda q: dot(q.v, q.hessian_at_z(q.v)),
    sym.vKv: lambda q: dot(q.v, q.hessian_at_y(q.v)),
    sym.vy: lambda q: dot(q.v, q.yhat),
    sym.gPv: lambda q: dot(q.g, q.Pv),
    sym.vPv: lambda q: dot(q.v, q.Pv),
    sym.PvHPv: lambda q: dot(q.Pv, q.hessian_at_z(q.Pv)),
    sym.grad_yhat: lambda q: q.at_hat.norm(dim=-1),
    **{symbol: _between(a, b) for (a, b), symbol in sym.FORM.items() if not {a, b} & {"h", "k"}},
    sym.J_ki: lambda q: q.jacobian,
    sym.T_kil: lambda q: q.second_derivative,
    sym.yhat_k: lambda q: q.yhat,
    sym.yhat_i: lambda q: q.yhat,
    sym.yhat_l: lambda q: q.yhat,
    sym.delta_ki: Unit.eye,
    sym.delta_kl: Unit.eye,
    sym.delta_il: Unit.eye,
    sym.mu: lambda q: q.y.mean(-1),
    sym.beta: lambda q: q.problems.beta.squeeze(-1),
    sym.y_k: lambda q: q.y,
    sym.z_k: lambda q: q.z,
    sym.yy: lambda q: dot(q.y, q.y),
    sym.centred_norm: lambda q: q.centred.norm(dim=-1),
    sym.hat_mean: lambda q: q.yhat.mean(-1),
    sym.hat_std: lambda q: q.yhat.std(-1, correction=0),
    sym.hat_norm: lambda q: q.yhat.norm(dim=-1),
    sym.hat_gap: lambda q: (q.slides_hat - q.yhat).norm(dim=-1),
    sym.ll: lambda q: dot(q.at_y, q.at_y),
    sym.l1: lambda q: q.at_y.sum(-1),
    sym.ly: lambda q: dot(q.at_y, q.yhat),
}

Unit.MAGNITUDES = {
    sym.g1: lambda q: q.g_terms.sum(-1),
    sym.gg: lambda q: dot(q.g.abs(), q.g_terms),
    sym.gy: lambda q: _inner(q.g, q.g_terms, q.yhat, q.hat_terms),
    sym.vv: lambda q: dot(_size(q.v, q.v_terms), q.v_terms),
    sym.vHv: lambda q: q.through(q.v, q.v_terms),
    sym.vKv: _bent,
    **{
        symbol: _between_terms(a, b)
        for (a, b), symbol in sym.FORM.items()
        if not {a, b} & {"h", "k"}
    },
    sym.vy: lambda q: _inner(q.v, q.v_terms, q.yhat, q.hat_terms),
    sym.gPv: lambda q: _inner(q.g, q.g_terms, q.Pv, q.Pv_terms),
    sym.vPv: lambda q: _inner(q.v, q.v_terms, q.Pv, q.Pv_terms),
    sym.PvHPv: lambda q: q.through(q.Pv, q.Pv_terms),
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
    sym.ly: lambda q: dot(q.at_y.abs(), q.hat_terms),
}
