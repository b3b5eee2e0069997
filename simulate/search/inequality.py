"""Inequalities compiled for tensors, evaluated on symbols with or without a graph."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

import sympy as sp
import torch
from torch import Tensor

from bnproof.simulate.samplers.base import Measurements, terms

TRUSTED: Final = 1e-6  # smallest right side, relative to the terms that cancel, for a ratio
TINY: Final = 1e-300


@dataclass(frozen=True)
class Sides:
    """Left and right side and the sum of the absolute values of their terms, (K,)."""

    lhs: Tensor
    rhs: Tensor
    terms: Tensor

    def height(self, blend: Tensor) -> Tensor:
        """``(lhs - rhs)/(|lhs| + |rhs| + blend*terms)``, (K,): positive where ``<=`` fails."""
        size = self.lhs.abs() + self.rhs.abs() + blend * self.terms
        return (self.lhs - self.rhs) / size.clamp(min=TINY)


@dataclass(frozen=True)
class Verdicts:
    """Verdicts on K points, without a graph.

    Attributes
    ----------
    excess
        ``(lhs - rhs)/scale``, with the scale of `bnproof.simulate.relation.compare`.
    ratio
        ``lhs/rhs`` if the right side is at least `TRUSTED` times the scale, else NaN.
    inside
        Whether the point satisfies the domain.
    """

    excess: Tensor
    ratio: Tensor
    inside: Tensor


class Inequality:
    """An inequality ``lhs <= rhs`` under a domain, compiled for tensors.

    Parameters
    ----------
    relation
        ``lhs <= rhs`` over symbols without axes.
    domain
        True, a relation, or a conjunction of relations.
    """

    def __init__(self, relation: sp.Basic, domain: sp.Basic) -> None:
        self.symbols = sorted(relation.free_symbols, key=str)
        sizes = [abs(term) for side in relation.args for term in terms(side)]
        self._sides = _Compiled(self.symbols, [relation.lhs, relation.rhs, *sizes])
        parts = [] if domain == sp.true else list(sp.And.make_args(domain))
        self.conditions = sorted(parts, key=str)
        self.hypothesis = sorted(domain.free_symbols, key=str)
        gaps = [part.lhs - part.rhs for part in self.conditions]
        self._gaps = _Compiled(self.hypothesis, gaps)

    def sides(self, measured: Measurements) -> Sides:
        """Both sides and the sum of their absolute terms, with a graph if the symbols have one."""
        lhs, rhs, *sizes = self._sides([measured.value(symbol) for symbol in self.symbols])
        return Sides(lhs, rhs, torch.stack(sizes).sum(0))

    def judge(self, measured: Measurements, sides: Sides) -> Verdicts:
        """Compare `sides`, relative to the rounding errors given by the symbols' magnitudes."""
        magnitudes = [measured.magnitude(symbol) for symbol in self.symbols]
        scale = torch.stack(self._sides(magnitudes)[2:]).sum(0).detach()
        lhs, rhs = sides.lhs.detach(), sides.rhs.detach()
        excess = (lhs - rhs) / torch.where(scale > 0, scale, 1.0)
        trusted = (rhs > TRUSTED * scale) & torch.isfinite(lhs)
        ratio = torch.where(trusted, lhs / rhs, torch.nan)
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
def compiled(relation: sp.Basic, domain: sp.Basic) -> Inequality:
    """Return the compiled inequality, from a cache if it was compiled before."""
    return Inequality(relation, domain)


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
    """Expressions as one function of tensors (K,), each result (K,)."""

    def __init__(self, symbols: Sequence[sp.Symbol], expressions: Sequence[sp.Expr]) -> None:
        self.function = sp.lambdify(symbols, expressions, modules="torch", dummify=True, cse=True)

    def __call__(self, values: Sequence[Tensor]) -> list[Tensor]:
        if not values:
            return []
        return [
            torch.as_tensor(result).to(values[0]).expand_as(values[0])
            for result in self.function(*values)
        ]
