"""The space of groups through a normaliser: activations u, the gradient f at the output, eps.

Symbols of one group look at the loss through its gradient f at the normalised group alone, so
``L = <f,n>`` is the general case.  Axes differ in which entries form a group: nothing in one group.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cached_property, partial
from typing import Any, Final

import sympy as sp
import torch
from torch import Tensor

from bnproof.simulate.samplers.base import Measurements
from bnproof.simulate.samplers.normalizers import (
    FEATURES,
    KINDS,
    Kind,
    Measured,
    Problems,
    admitted,
)
from bnproof.simulate.search.base import (
    Boxed,
    Exact,
    Graphed,
    Params,
    Point,
    normal,
    spoken,
    written,
)
from bnproof.theory.claim import ExactCase
from bnproof.theory.exact import cases as exact_cases
from bnproof.theory.normalizers import groups as sym
from bnproof.theory.normalizers.oblique import nn, ww
from bnproof.theory.normalizers.table import NORMALIZERS
from bnproof.theory.symbols import eps, m, mu, sigma, vv

LEAST: Final = 1 / 8  # scale of a group: below is a change of units
SAMPLES: Final = 3  # as many as the layout of the sampler asks for
NAMES: Final = tuple(KINDS)
SIZES: Final = (2, 3, 5)  # entries of a group


def _dot(left: Tensor, right: Tensor) -> Tensor:
    return (left * right).sum(-1)


class GroupModel(Graphed):
    """Symbols of K groups u (K, m) through one normaliser, differentiable in u, f and eps."""

    def __init__(self, params: Params) -> None:
        self.params = params
        u = params["u"]
        self.u = u if u.requires_grad else u.detach().requires_grad_()
        self.m = u.shape[-1]
        self.kind = KINDS[_name(params)]
        self.n = self.kind.normalise(self.u, params["eps"])

    @cached_property
    def scale(self) -> Tensor:
        """S, (K, 1)."""
        return self.kind.scale(self.u, self.params["eps"])

    @cached_property
    def w(self) -> Tensor:
        """Gradient of S at u, (K, m)."""
        return torch.autograd.grad(self.scale.sum(), self.u, create_graph=True)[0]

    @cached_property
    def v(self) -> Tensor:
        """Gradient of ``<f, n>`` at u, (K, m)."""
        total = _dot(self.params["f"], self.n).sum()
        return torch.autograd.grad(total, self.u, create_graph=True)[0]

    @cached_property
    def argument(self) -> Tensor:
        """``x/S``, x what the scale is taken of, (K, m)."""
        u = self.u
        x = u - u.mean(-1, keepdim=True) if self.kind.scale_centred else u
        return x / self.scale

    @property
    def centred(self) -> Tensor:
        """``A f``, (K, m)."""
        f = self.params["f"]
        return f - f.mean(-1, keepdim=True) if self.kind.centred else f

    def all(self, value: float) -> Tensor:
        """One number for every group, (K,)."""
        return torch.full_like(self.u.detach()[:, 0], value)

    def magnitude(self, symbol: sp.Symbol) -> Tensor:
        """Sum of the absolute values of the terms that cancel in `symbol`, without a graph."""
        if symbol in Measured.MAGNITUDES:
            return self.record.magnitude(symbol)
        return self.value(symbol).detach().abs()

    @cached_property
    def record(self) -> Measured:
        """The same groups in the sampler of the general check."""
        return recorded(self.params)


GroupModel.VALUES = {
    m: lambda q: q.all(q.m),
    eps: lambda q: q.params["eps"].squeeze(-1),
    sym.p: lambda q: q.all(q.kind.power),
    sym.c_n: lambda q: q.all(q.kind.centred),
    sym.c_S: lambda q: q.all(q.kind.scale_centred),
    mu: lambda q: q.u.mean(-1),
    sigma: lambda q: q.u.std(-1, correction=0),
    sym.S: lambda q: q.scale.squeeze(-1),
    sym.omega: lambda q: q.m * _dot(q.w, q.argument) / _dot(q.argument, q.argument),
    sym.fn: lambda q: _dot(q.params["f"], q.n),
    sym.AfAf: lambda q: _dot(q.centred, q.centred),
    sym.var_n: lambda q: q.n.var(-1, correction=0),
    nn: lambda q: _dot(q.n, q.n),
    ww: lambda q: _dot(q.w, q.w),
    vv: lambda q: _dot(q.v, q.v),
}


def recorded(params: Params) -> Measured:
    """Measure the same groups by `samplers.normalizers`: features of samples that are all alike."""
    still = {name: tensor.detach() for name, tensor in params.items()}
    u, f = still["u"], still["f"]
    x = u[:, None, :, None].expand(-1, SAMPLES, -1, -1)
    gamma = torch.ones_like(u)[:, None, :, None]
    kind = replace(KINDS[_name(params)], layout=FEATURES)
    return Measured(Problems(kind, u.shape[-1], x, gamma, still["eps"], lambda z: _dot(f, z)))


def _name(params: Mapping[str, Any]) -> str:
    return NAMES[int(params["kind"].reshape(-1)[0])]


class GroupSpace(Boxed):
    """Groups through each normaliser that the domain admits; exact: `cases.group`.

    Parameters
    ----------
    symbols
        Symbols of the relation and its domain.
    domain
        The claim's hypothesis: what it says of the normaliser and of eps is kept.
    """

    known = frozenset(GroupModel.VALUES)
    fixed = frozenset({"kind"})

    def __init__(self, symbols: frozenset[sp.Symbol], domain: sp.Basic) -> None:
        del symbols
        self.free: dict[str, bool] = {}
        names: dict[Kind, str] = {}
        for name, values in admitted(domain).items():
            free = max(values) > 0
            kind = replace(KINDS[name], layout=FEATURES)
            names.setdefault(kind if free else replace(kind, eps_at=""), name)
            self.free[name] = free
        # Which are the same but for their axes, or for eps where it is 0, are searched once.
        found = list(names.values())
        self.sizes = tuple((name, size) for size in SIZES for name in found)
        # Exponents other than 2 are the harder ones.
        chosen = next((name for name in found if KINDS[name].power == 1), found[0])
        self.usual = (chosen, SIZES[-1])

    def random(self, count: int, size: tuple[str, int], generator: torch.Generator) -> Params:
        """Gaussian groups with a mean of their own, Gaussian gradients, log-normal eps."""
        draw = normal(count, generator)
        name, entries = size
        one = torch.ones(count, 1, dtype=torch.float64)
        return {
            "u": draw(entries) + draw(1),
            "f": draw(entries),
            "eps": draw(1).exp() * self.free[name],
            "kind": NAMES.index(name) * one,
        }

    def project(self, params: Params) -> None:
        """Keep entries in the box, eps in the domain, u away from where the scale is 0."""
        super().project(params)
        name, u = _name(params), params["u"]
        kind = KINDS[name]
        params["eps"].clamp_(0.0, math.inf if self.free[name] else 0.0)
        mean = u.mean(-1, keepdim=True) if kind.centred or kind.scale_centred else 0 * u[:, :1]
        size = (u - mean).square().mean(-1, keepdim=True).sqrt()
        u.copy_(mean + (u - mean) * (LEAST / size.clamp(min=1e-300)).clamp(min=1))

    def posed(self, params: Params) -> Tensor:
        """Groups whose scale is not 0."""
        return KINDS[_name(params)].scale(params["u"].detach(), params["eps"].detach())[:, 0] > 0

    def model(self, params: Params) -> Measurements:
        """Symbols with their graph."""
        return GroupModel(params)

    def recorded(self, params: Params) -> Measurements:
        """Symbols as the sampler ``normalizers`` measures them, through a whole tensor."""
        return recorded(params)

    def repaired(self, point: Point) -> Point | None:
        """A scale must not be 0, nor eps negative or outside the domain."""
        u, constant, kind = point["u"], point["eps"].item(), KINDS[_name(point)]
        zero = len(set(u)) == 1 if kind.centred or kind.scale_centred else not u.any()
        legal = constant >= 0 if self.free[_name(point)] else constant == 0
        return None if zero or not legal else point

    def exact(self, point: Point) -> Exact:
        """An `ExactCase` of `bnproof.theory.exact.cases.group`."""
        name, (u, f), constant = _name(point), (point["u"], point["f"]), point["eps"].item()
        options: dict[str, Any] = {}
        words = f"{name}, u = {spoken(u)}, f = {spoken(f)}, eps = {constant}"
        if constant:
            options["eps"] = constant
        if name not in {kind.name for kind in NORMALIZERS}:
            options["power"] = sp.Rational(KINDS[name].power)
            name = name.replace(name.split()[0], "l_p")
        build: Callable[..., Any] = exact_cases.group
        case = ExactCase(words, partial(build, name, u.tolist(), f.tolist(), **options))
        more = "".join(f', {key}="{value}"' for key, value in options.items())
        call = f'partial(exact_cases.group, "{name}", {written(u)}, {written(f)}{more})'
        return Exact(case, words, f'ExactCase(\n    "{words}",\n    {call},\n)')
