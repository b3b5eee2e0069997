"""Statements compiled for tensors, evaluated on symbols with or without a graph."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

import sympy as sp
import torch
from torch import Tensor

from bnproof.simulate.samplers.base import Measurements, arrange, terms, with_plain_numbers
from bnproof.theory.symbols import axes_of

TRUSTED: Final = 1e-6  # smallest right side, relative to the terms that cancel, for a ratio
TINY: Final = 1e-300


@dataclass(frozen=True)
class Sides:
    """Left and right side and the sum of the absolute values of their terms, (K, entries) each.

    A statement without indices has one entry.
    """

    lhs: Tensor
    rhs: Tensor
    terms: Tensor
    equation: bool

    @property
    def gap(self) -> Tensor:
        """Positive where the statement fails: ``lhs - rhs``, or its size for an equation."""
        difference = self.lhs - self.rhs
        return difference.abs() if self.equation else difference

    def height(self, blend: Tensor) -> Tensor:
        """``gap/(|lhs| + |rhs| + blend*terms)`` at the worst entry, (K,)."""
        size = self.lhs.abs() + self.rhs.abs() + blend.unsqueeze(-1) * self.terms
        return (self.gap / size.clamp(min=TINY)).amax(-1)


@dataclass(frozen=True)
class Verdicts:
    """Verdicts on K points, without a graph.

    Attributes
    ----------
    excess
        The gap over its scale, as in `bnproof.simulate.relation.compare`, at the worst entry.
    ratio
        ``lhs/rhs`` if the right side is at least `TRUSTED` times the scale, else NaN; NaN for an
        equation.
    inside
        Whether the point satisfies the domain.
    """

    excess: Tensor
    ratio: Tensor
    inside: Tensor


class Statement:
    """A statement ``lhs <= rhs`` or ``lhs = rhs`` under a domain, compiled for tensors.

    Parameters
    ----------
    relation
        An inequality or equation; it holds if it holds for all entries of its symbols.
    domain
        True, a relation, or a conjunction of relations, over symbols without indices.
    """

    def __init__(self, relation: sp.Basic, domain: sp.Basic) -> None:
        self.symbols = sorted(relation.free_symbols, key=str)
        self.axes = axes_of(self.symbols)
        self.equation = isinstance(relation, sp.Eq)
        # As in `compare`, each side is the sum of the terms whose sizes scale its error.
        self._parts = [terms(side) for side in relation.args]
        self._terms = _Compiled(self.symbols, [term for side in self._parts for term in side])
        parts = [] if domain == sp.true else list(sp.And.make_args(domain))
        self.conditions = sorted(parts, key=str)
        self.hypothesis = sorted(domain.free_symbols, key=str)
        gaps = [part.lhs - part.rhs for part in self.conditions]
        self._gaps = _Compiled(self.hypothesis, gaps)

    def _arranged(self, tensor: Tensor, symbol: sp.Symbol) -> Tensor:
        return arrange(tensor, symbol, self.axes)

    def sides(self, measured: Measurements) -> Sides:
        """Both sides and the sum of their absolute terms, with a graph if the symbols have one."""
        found = self._terms([self._arranged(measured.value(part), part) for part in self.symbols])
        flat = torch.stack(found).flatten(2) if self.axes else torch.stack(found).unsqueeze(-1)
        count = len(self._parts[0])
        return Sides(flat[:count].sum(0), flat[count:].sum(0), flat.abs().sum(0), self.equation)

    def judge(self, measured: Measurements, sides: Sides) -> Verdicts:
        """Compare `sides`, relative to the rounding errors given by the symbols' magnitudes."""
        sizes = [self._arranged(measured.magnitude(part), part) for part in self.symbols]
        total = torch.stack(self._terms(sizes)).abs().sum(0).detach()
        scale = total.flatten(1) if self.axes else total.unsqueeze(-1)
        lhs, rhs = sides.lhs.detach(), sides.rhs.detach()
        excess = (sides.gap.detach() / torch.where(scale > 0, scale, 1.0)).amax(-1)
        trusted = (rhs > TRUSTED * scale) & torch.isfinite(lhs) & (not self.equation)
        ratio = torch.where(trusted, lhs / rhs, torch.nan).amax(-1)
        return Verdicts(excess, ratio, self.inside(measured).expand_as(excess))

    def inside(self, measured: Measurements) -> Tensor:
        """Which points satisfy the domain, (K,), or (1,) for all."""
        good = torch.ones(1, dtype=torch.bool, device=measured.value(self.symbols[0]).device)
        for part, gap in zip(self.conditions, self._gaps_of(measured), strict=True):
            good = good & _satisfied(part, gap.detach())
        return good

    def outside(self, measured: Measurements) -> Tensor:
        """Penalty outside the domain: 0 inside; each violated condition has relative slope 1."""
        total = torch.zeros(1, dtype=torch.float64, device=measured.value(self.symbols[0]).device)
        for part, gap in zip(self.conditions, self._gaps_of(measured), strict=True):
            wrong = ~_satisfied(part, gap.detach())
            total = total + torch.where(wrong, gap.abs() / gap.detach().abs().clamp(min=TINY), 0.0)
        return total

    def _gaps_of(self, measured: Measurements) -> Sequence[Tensor]:
        return self._gaps([measured.value(symbol) for symbol in self.hypothesis])


@cache
def compiled(relation: sp.Basic, domain: sp.Basic) -> Statement:
    """Return the compiled statement, from a cache if it was compiled before."""
    return Statement(relation, domain)


def _satisfied(part: sp.Basic, gap: Tensor) -> Tensor:
    """Whether ``part`` holds, given the left side minus the right side."""
    if isinstance(part, sp.Eq):
        return gap == 0
    if isinstance(part, sp.Ne):
        return gap != 0
    if isinstance(part, sp.LessThan):
        return gap <= 0
    if isinstance(part, sp.GreaterThan):
        return gap >= 0
    return gap < 0 if isinstance(part, sp.StrictLessThan) else gap > 0


class _Compiled:
    """Expressions as one function of tensors that broadcast, each result of the common shape."""

    def __init__(self, symbols: Sequence[sp.Symbol], expressions: Sequence[sp.Expr]) -> None:
        plain = list(map(with_plain_numbers, expressions))
        self.function = sp.lambdify(symbols, plain, modules="torch", dummify=True, cse=True)

    def __call__(self, values: Sequence[Tensor]) -> list[Tensor]:
        if not values:
            return []
        shape = torch.broadcast_shapes(*(value.shape for value in values))
        return [
            torch.as_tensor(result).to(values[0]).expand(shape) for result in self.function(*values)
        ]
