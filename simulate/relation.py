"""Evaluate a relation on measured symbols, with the tolerances for each dtype.

The relation is the SymPy object that is proved and printed; it is lambdified and evaluated on
symbols measured on random instances.  The error of a comparison is scaled by the sum of the
absolute values of the terms that cancel, where each symbol enters with its own magnitude.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Final

import sympy as sp
import torch
from torch import Tensor

from bnproof.simulate.samplers.base import Measurements, arrange, compiled, terms
from bnproof.theory.symbols import axes_of

TOLERANCE: Final = {torch.float64: 1e-12, torch.float32: 1e-4}


@dataclass(frozen=True)
class Comparison:
    """Scaled difference of the two sides, and whether it violates the relation.

    Attributes
    ----------
    excess
        ``(lhs - rhs)/scale``, or its absolute value for an equation, (K,).  For a relation with
        indices, the largest over the entries.
    violated
        Whether `excess` is above the tolerance, (K,).
    trivial
        Whether both sides are 0 up to rounding, (K,): such an instance confirms no inequality.
    """

    excess: Tensor
    violated: Tensor
    trivial: Tensor


def _evaluate(exprs: Sequence[sp.Basic], table: dict[sp.Symbol, Tensor]) -> list[Tensor]:
    symbols, function = compiled(sp.Tuple(*exprs))
    values = function(*(table[symbol] for symbol in symbols))
    # A side without symbols is a number, which needs float64: the default keeps 7 digits.
    return [
        value if isinstance(value, Tensor) else torch.tensor(value, dtype=torch.float64)
        for value in values
    ]


def _scale(
    parts: Sequence[sp.Basic], sizes: dict[sp.Symbol, Tensor], device: torch.device
) -> Tensor:
    """Sum of the absolute values of terms, evaluated on the magnitudes of their symbols.

    Each term is a monomial, up to fixed functions.
    """
    # A term without symbols is evaluated on the CPU, whatever the device of the instances.
    absolute = (term.abs().to(device) for term in _evaluate(parts, sizes))
    return torch.stack(torch.broadcast_tensors(*absolute)).sum(0)


def compare(relation: sp.Basic, measured: Measurements, mask: Tensor | None = None) -> Comparison:
    """Evaluate ``lhs = rhs`` or ``lhs <= rhs`` on all instances, or on those in `mask`.

    Raises
    ------
    TypeError
        If `relation` is neither an equation nor a weak inequality ``<=``.
    ArithmeticError
        If an instance is invalid (`Measurements.faults`), or a side or its scale is not finite.
    """
    if not isinstance(relation, sp.Eq | sp.LessThan):
        raise TypeError(f"only = and <= can be checked, not {type(relation).__name__}")
    _refuse_faults(measured, mask)
    symbols = relation.free_symbols
    axes = axes_of(symbols)
    values = {a: arrange(measured.value(a), a, axes) for a in symbols}
    # Below `floor` numbers lose digits by underflow, so the scale is never smaller.
    kind = torch.finfo(measured.value(next(iter(symbols))).dtype)
    floor = kind.tiny / kind.eps
    sizes = {a: arrange(measured.magnitude(a), a, axes) + floor for a in symbols}
    # Each side is the sum of its expanded terms, whose sizes scale the error: a product such as
    # (1 - (a - b)/a) c would round by more than b/a c, the only term that is left of it.
    left, right = terms(relation.lhs), terms(relation.rhs)
    every = (*left, *right)
    parts = _evaluate(every, values)
    sides = [reduce(torch.add, some) for some in (parts[: len(left)], parts[len(left) :])]
    difference = sides[0] - sides[1]
    scale = _scale(every, sizes, difference.device)
    # An overflowing scale would hide any difference: make the excess NaN then.
    excess = difference / (scale + floor) + 0 * scale
    limit = TOLERANCE[excess.dtype] * scale + floor
    trivial = torch.stack([(side.abs() <= limit).expand_as(excess) for side in sides]).all(0)
    trivial = trivial.flatten(1).all(1) if trivial.dim() > 1 else trivial
    trivial = trivial if mask is None else trivial[mask]
    excess = excess.abs() if isinstance(relation, sp.Eq) else excess
    excess = excess.flatten(1).amax(1) if excess.dim() > 1 else excess
    excess = excess if mask is None else excess[mask]
    if not torch.isfinite(excess).all():
        bad = int((~torch.isfinite(excess)).sum())
        raise ArithmeticError(
            f"{relation}: a side or the size of its terms is not finite on {bad} of {len(excess)} "
            f"instances in {excess.dtype}; no verdict"
        )
    return Comparison(excess, excess > TOLERANCE[excess.dtype], trivial)


def _refuse_faults(measured: Measurements, mask: Tensor | None = None) -> None:
    for fault, where in measured.faults().items():
        faulty = where if mask is None else where & mask.to(where.device)
        if faulty.any():
            raise ArithmeticError(f"instance {int(faulty.nonzero()[0])}: {fault}; no verdict")


def inside(domain: sp.Basic, measured: Measurements) -> Tensor:
    """Which instances satisfy the claim's hypothesis, (K,).

    An inequality is satisfied by more than rounding errors, or with equality: what is 0 by an
    identity is not positive.

    Raises
    ------
    ArithmeticError
        If an instance is invalid: it would silently count as outside.
    """
    _refuse_faults(measured)
    if domain == sp.true:
        return torch.ones(measured.instances(), dtype=torch.bool)
    return _satisfied(domain, measured)


def _satisfied(domain: sp.Basic, measured: Measurements) -> Tensor:
    if isinstance(domain, sp.And | sp.Or):
        parts = torch.stack([_satisfied(part, measured) for part in domain.args])
        return parts.all(0) if isinstance(domain, sp.And) else parts.any(0)
    table = {symbol: measured.value(symbol) for symbol in domain.free_symbols}
    (mask,) = _evaluate([domain], table)
    if not isinstance(domain, sp.Rel) or isinstance(domain, sp.Eq):
        return mask
    gap = _evaluate([domain.lhs - domain.rhs], table)[0].abs()
    sizes = {symbol: measured.magnitude(symbol) for symbol in domain.free_symbols}
    scale = _scale(terms(domain.lhs - domain.rhs), sizes, gap.device)
    clear = (gap > TOLERANCE[gap.dtype] * scale) | torch.isinf(gap)
    return mask & (clear | ((gap == 0) & isinstance(domain, sp.Ge | sp.Le)))
