"""The sampler of normalisers: random groups through each of `definitions.normalizers`.

A normaliser is measured as it is used: a tensor (K, B, C, T) of K problems, B samples, C channels
and T positions passes through the whole layer with its gamma.  The symbols are those of its first
group, by automatic differentiation with respect to the whole tensor.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Final

import sympy as sp
import torch
from torch import Tensor

from bnproof.simulate.samplers.autodiff import TRIED
from bnproof.simulate.samplers.base import (
    Measurements,
    OutsideError,
    chunks,
    dot,
    jacobian,
    normals,
)
from bnproof.simulate.samplers.definitions.normalizers import KINDS, Kind
from bnproof.simulate.samplers.networks import DRAWN, EPSILONS, LOSSES, Loss, constants
from bnproof.theory.claim import RandomTest
from bnproof.theory.normalizers import groups as sym
from bnproof.theory.normalizers.oblique import nn, wf, wn, ww
from bnproof.theory.symbols import axes_of, delta_ki, eps, m, mu, sigma, vv

CHUNK: Final = 2_000
DRAWS: Final = ("Gaussian", "heavy-tailed")


@dataclass(frozen=True)
class Problems:
    """K problems: raw tensor x (K, B, C, T), gamma (K, 1, C, 1), eps (K, 1), loss of the output.

    The loss depends only on the first group: (K, m) to (K,).
    """

    kind: Kind
    size: int
    x: Tensor
    gamma: Tensor
    eps: Tensor
    loss: Loss


class Measured(Measurements):
    """Symbols of the first group of each problem."""

    def __init__(self, problems: Problems, *, graph: bool = False) -> None:
        self.problems, self.graph = problems, graph
        self.m = problems.size
        self.x = self.variable(problems.x)

    def _first(self, x: Tensor) -> Tensor:
        return self.problems.kind.layout.group(x, self.m)[:, 0]

    @cached_property
    def u(self) -> Tensor:
        """The first group as a variable, (K, m)."""
        return self.variable(self._first(self.x))

    @cached_property
    def scale(self) -> Tensor:
        """S, (K, 1), differentiable in u."""
        return self.problems.kind.scale(self.u, self.problems.eps)

    @cached_property
    def w(self) -> Tensor:
        """Gradient of S at u, (K, m)."""
        return self.slope(self.scale, self.u)

    @cached_property
    def n(self) -> Tensor:
        """The normalised group, (K, m), differentiable in u."""
        return self.problems.kind.normalise(self.u, self.problems.eps)

    @cached_property
    def jacobian(self) -> Tensor:
        """``d n_k/d u_i``, (K, m, m)."""
        return jacobian(self.n, self.u, create_graph=self.graph)

    @cached_property
    def gamma(self) -> Tensor:
        """Gamma for each entry of the first group, (K, m)."""
        return self._first(self.problems.gamma.expand_as(self.x)).detach()

    @cached_property
    def f(self) -> Tensor:
        """Gradient of the loss at n, gamma included, (K, m)."""
        n = self.variable(self.n)
        return self.slope(self.problems.loss(self.gamma * n), n)

    @cached_property
    def v(self) -> Tensor:
        """Gradient of the loss with respect to the whole tensor, (K, B*C*T)."""
        group, kind = self.problems.kind.layout.group, self.problems.kind
        n = kind.normalise(group(self.x, self.m), self.problems.eps.unsqueeze(-1))
        z = n * group(self.problems.gamma.expand_as(self.x), self.m)
        return self.slope(self.problems.loss(z[:, 0]), self.x).flatten(1)

    def centre(self, vector: Tensor) -> Tensor:
        """``A vector``."""
        kind = self.problems.kind
        return vector - vector.mean(-1, keepdim=True) if kind.centred else vector

    @cached_property
    def argument(self) -> Tensor:
        """``x/S``, where x is the argument of the scale."""
        u = self.kept(self.u)
        x = u - u.mean(-1, keepdim=True) if self.problems.kind.scale_centred else u
        return x / self.kept(self.scale)

    @cached_property
    def a(self) -> Tensor:
        """``sign(x)|x/S|^(p-1)``; at p = inf, m sign(x) at the largest entry and 0 elsewhere."""
        return self._slopes(self.argument) * self.argument.sign()

    def _slopes(self, size: Tensor) -> Tensor:
        power = self.problems.kind.power
        if math.isinf(power):
            largest = self.argument.abs().argmax(-1)
            return torch.nn.functional.one_hot(largest, self.m).to(size) * self.m
        return size.abs() ** (power - 1)

    @cached_property
    def terms(self) -> Tensor:
        """Entrywise absolute terms of n and x/S, in which u and its mean cancel."""
        u, kind = self.u.detach().abs(), self.problems.kind
        mean = u.mean(-1, keepdim=True) if kind.centred or kind.scale_centred else 0
        return (u + mean) / self.scale.detach()

    @property
    def w_terms(self) -> Tensor:
        """Entrywise absolute terms of w."""
        return self.w.abs() + self.w.abs().mean(-1, keepdim=True)

    @cached_property
    def v_terms(self) -> Tensor:
        """Entrywise absolute terms of v."""
        f, w = self.f.abs(), self.w_terms
        along = (f * self.terms).sum(-1, keepdim=True)
        return (f + f.mean(-1, keepdim=True) + along * w) / self.scale.detach()


def _all(q: Measured, value: float) -> Tensor:
    return torch.full_like(q.x.detach()[:, 0, 0, 0], value)


def _omega(q: Measured) -> Tensor:
    """The factor omega in ``w = (omega/m) x/S``, by projecting w onto x/S."""
    return q.m * dot(q.w, q.argument) / dot(q.argument, q.argument)


Measured.VALUES = {
    m: lambda q: _all(q, q.m),
    eps: lambda q: q.problems.eps.squeeze(-1),
    sym.p: lambda q: _all(q, q.problems.kind.power),
    sym.c_n: lambda q: _all(q, q.problems.kind.centred),
    sym.c_S: lambda q: _all(q, q.problems.kind.scale_centred),
    mu: lambda q: q.u.mean(-1),
    sigma: lambda q: q.u.std(-1, correction=0),
    sym.S: lambda q: q.scale.squeeze(-1),
    sym.n_k: lambda q: q.n,
    sym.n_i: lambda q: q.n,
    sym.a_i: lambda q: q.a,
    sym.a_mean: lambda q: q.a.mean(-1),
    sym.Dn_ki: lambda q: q.jacobian,
    delta_ki: lambda q: torch.eye(q.m).to(q.x).unsqueeze(0),
    sym.omega: _omega,
    sym.fn: lambda q: dot(q.f, q.n),
    sym.AfAf: lambda q: q.centre(q.f).square().sum(-1),
    sym.var_n: lambda q: q.n.var(-1, correction=0),
    nn: lambda q: q.n.square().sum(-1),
    ww: lambda q: q.w.square().sum(-1),
    wn: lambda q: dot(q.w, q.n),
    wf: lambda q: dot(q.w, q.centre(q.f)),
    sym.theta: lambda q: 1 - dot(q.w, q.u) / q.scale.squeeze(-1),
    vv: lambda q: q.v.square().sum(-1),
}
Measured.MAGNITUDES = {
    mu: lambda q: q.u.abs().mean(-1),
    sigma: lambda q: (q.terms * q.scale.detach()).square().mean(-1).sqrt(),
    sym.n_k: lambda q: q.terms,
    sym.n_i: lambda q: q.terms,
    sym.a_i: lambda q: q._slopes(q.terms),
    sym.a_mean: lambda q: q._slopes(q.terms).mean(-1),
    sym.fn: lambda q: dot(q.f.abs(), q.terms),
    sym.AfAf: lambda q: (q.f.abs() + q.f.abs().mean(-1, keepdim=True)).square().sum(-1),
    sym.var_n: lambda q: q.terms.square().mean(-1),
    nn: lambda q: q.terms.square().sum(-1),
    ww: lambda q: (
        (q._slopes(q.terms) / q.m + q._slopes(q.terms).mean(-1, keepdim=True) / q.m)
        .square()
        .sum(-1)
    ),
    wn: lambda q: dot(q.w_terms, q.terms),
    wf: lambda q: dot(q.w_terms, q.f.abs() + q.f.abs().mean(-1, keepdim=True)),
    sym.theta: lambda q: 1 + dot(q.w_terms, q.u.abs()) / q.scale.detach().squeeze(-1),
    vv: lambda q: q.v_terms.square().sum(-1),
}


def draw(
    kind: Kind,
    count: int,
    size: int,
    spec: str,
    seed: int,
    epsilons: tuple[float, ...] = (0.0,),
    device: str = "cpu",
) -> Problems:
    """Draw `count` tensors with groups of `size` entries and a random mean.

    Entries are Gaussian, or heavy-tailed: the third power of a Gaussian.
    """
    normal = normals(seed, device)
    x = normal(count, *kind.layout.shape(size))
    x = x**3 if spec == "heavy-tailed" else x
    x = x + normal(count, 1, 1, 1)
    gamma = normal(count, 1, x.shape[2], 1)
    loss = LOSSES["non-convex"](count, size, normal)
    number = torch.arange(count, device=device)
    constant = constants(epsilons, number, normal(count)).unsqueeze(-1)
    return Problems(kind, size, x, gamma, constant, loss)


def admitted(domain: sp.Basic) -> dict[str, tuple[float, ...]]:
    """Normalisers that the domain allows, each with its allowed values of eps.

    Raises
    ------
    OutsideError
        If the domain excludes all of them.
    """
    allowed = {name: _epsilons(kind, domain) for name, kind in KINDS.items()}
    allowed = {name: values for name, values in allowed.items() if values}
    if not allowed:
        raise OutsideError(f"domain {domain} excludes every normaliser")
    return allowed


def _epsilons(kind: Kind, domain: sp.Basic) -> tuple[float, ...]:
    """The values of eps at which the domain admits a normaliser."""
    known = {
        sym.p: sp.oo if math.isinf(kind.power) else sp.Rational(str(kind.power)),
        sym.c_n: int(kind.centred),
        sym.c_S: int(kind.scale_centred),
    }

    def admitted(constant: float) -> bool:
        return bool(domain.subs(known | {eps: sp.Rational(str(constant))}) != sp.false)

    if not kind.eps_at:
        return (0.0,) if admitted(0.0) else ()
    allowed = tuple(filter(admitted, EPSILONS))
    return (*allowed, DRAWN) if any(map(admitted, TRIED)) else allowed


def possible(symbols: Iterable[sp.Symbol]) -> range:
    """Sizes of a group; entries of a Jacobian are measured row by row, so of smaller ones."""
    return range(2, (24 if axes_of(symbols) else 4096) + 1)


def batches(
    spec: RandomTest, domain: sp.Basic, total: int, seed: int, device: str
) -> Iterator[tuple[int, Measured]]:
    """Yield (m, groups) for each allowed normaliser, distribution and size: `total` per size."""
    kinds = admitted(domain)
    cases = product(kinds, DRAWS, spec.sizes)
    share = max(20, math.ceil(total / (len(kinds) * len(DRAWS))))
    for (name, draws, size), count, stream in chunks(cases, share, CHUNK, seed):
        yield size, Measured(draw(KINDS[name], count, size, draws, stream, kinds[name], device))


def provenance(spec: RandomTest, domain: sp.Basic) -> dict[str, object]:
    """Parameters that, with the seed, reproduce the groups."""
    return {
        "group sizes": list(spec.sizes),
        "normalisers": {
            name: ["log-uniform" if value == DRAWN else value for value in values]
            for name, values in admitted(domain).items()
        },
        "draws": list(DRAWS),
        "dtype": "float64",
    }
