"""Exact values of the symbols of `normalizers.groups`, for a rational group and loss."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import sympy as sp

from bnproof.theory import symbols as sym
from bnproof.theory.exact.rows import numbers
from bnproof.theory.normalizers import groups
from bnproof.theory.normalizers.oblique import nn, wf, wn, ww
from bnproof.theory.normalizers.table import find

Values = Mapping[sp.Symbol, sp.Expr]


def group(
    name: str, u: Sequence[Any], f: Sequence[Any], *, power: Any = None, eps: Any = 0
) -> Values:
    """Symbols of `normalizers.groups` for a group u and a loss ``<f,n>`` of the normalised group n.

    Indices are those of the first entry.

    Parameters
    ----------
    name
        A normaliser of `bnproof.theory.normalizers.table`.
    power
        The exponent p, for ``l_p BatchNorm``.

    Raises
    ------
    ValueError
        If the scale is 0 or has a corner at u.
    """
    kind = find(name)
    kind = kind if power is None else replace(kind, power=sp.Rational(Fraction(power)))
    size, constant = len(u), sp.Rational(Fraction(eps))
    start, slope = numbers(u), numbers(f)
    entry = sp.symbols(f"u1:{size + 1}", real=True)
    at = dict(zip(entry, start, strict=True))

    def shifted(values: Sequence[sp.Expr], *, centred: bool) -> list[sp.Expr]:
        mean = sum(values) / len(values) if centred else sp.Integer(0)
        return [value - mean for value in values]

    argument = shifted(entry, centred=kind.scale_centred)
    scale = (
        kind.outer(_power_mean(argument, at, kind.power)).subs(sym.eps, constant).subs(sym.m, size)
    )
    n = [top / scale for top in shifted(entry, centred=kind.centred)]
    loss = sum(a * b for a, b in zip(slope, n, strict=True))
    here = sp.simplify(scale.subs(at))
    if here == 0:
        raise ValueError(f"u = {start}: the scale of {name} is 0")
    hats = [value.subs(at) for value in n]
    hat_mean, mean = sum(hats) / size, sum(start) / size
    centred_slope = shifted(slope, centred=kind.centred)
    w = [sp.diff(scale, variable).subs(at) for variable in entry]
    a = _slopes([value.subs(at) / here for value in argument], kind.power)
    return {
        groups.n_k: hats[0],
        groups.n_i: hats[0],
        groups.a_i: a[0],
        groups.a_mean: sum(a) / size,
        groups.Dn_ki: sp.diff(n[0], entry[0]).subs(at),
        sym.delta_ki: sp.Integer(1),
        wn: sum(x * y for x, y in zip(w, hats, strict=True)),
        wf: sum(x * y for x, y in zip(w, centred_slope, strict=True)),
        groups.theta: 1 - sum(x * y for x, y in zip(w, start, strict=True)) / here,
        sym.m: sp.Integer(size),
        sym.eps: constant,
        groups.p: kind.power,
        groups.c_n: sp.Integer(kind.centred),
        groups.c_S: sp.Integer(kind.scale_centred),
        sym.mu: mean,
        sym.sigma: sp.sqrt(sum((value - mean) ** 2 for value in start) / size),
        groups.S: here,
        groups.fn: loss.subs(at),
        groups.AfAf: sum(value**2 for value in centred_slope),
        groups.var_n: sum((value - hat_mean) ** 2 for value in hats) / size,
        nn: sum(value**2 for value in hats),
        ww: sum(value**2 for value in w),
        sym.vv: sum(sp.diff(loss, variable).subs(at) ** 2 for variable in entry),
        **(_omega(entry, at, scale, argument, here) if kind.power == 2 else {}),
    }


def _power_mean(argument: list[sp.Expr], at: Values, power: sp.Expr) -> sp.Expr:
    """``(mean |x_i|^p)^(1/p)`` near u, where it must be differentiable."""
    sizes = [sp.sign(value.subs(at)) * value for value in argument]
    if power == sp.oo:
        best = max(value.subs(at) for value in sizes)
        largest = [value for value in sizes if value.subs(at) == best]
        if len(largest) > 1 or best == 0:
            raise ValueError("two entries are the largest: the scale has a corner there")
        return largest[0]
    if power <= 1 and any(value.subs(at) == 0 for value in argument):
        raise ValueError("an entry is 0: the scale has a corner there")
    # For p > 1 the p-th power of a zero entry has slope 0, so the entry can be dropped.
    powers = [value**power for value in sizes if value != 0]
    return (sp.Add(*powers) / len(sizes)) ** (1 / power)


def _slopes(x: Sequence[sp.Expr], power: sp.Expr) -> list[sp.Expr]:
    """``sign(x)|x|^(p-1)``; at p = inf, m sign(x) at the largest entry and 0 elsewhere."""
    if power != sp.oo:
        return [sp.sign(value) * sp.Abs(value) ** (power - 1) for value in x]
    largest = max(range(len(x)), key=lambda index: abs(x[index]))
    return [len(x) * sp.sign(value) * (index == largest) for index, value in enumerate(x)]


def _omega(
    entry: Sequence[sp.Symbol],
    at: Values,
    scale: sp.Expr,
    argument: list[sp.Expr],
    here: sp.Expr,
) -> dict[sp.Symbol, sp.Expr]:
    """The factor omega in ``w = (omega/m) x/S``, from w and x."""
    slopes = [sp.diff(scale, variable).subs(at) for variable in entry]
    x = [value.subs(at) / here for value in argument]
    along = sum(a * b for a, b in zip(slopes, x, strict=True))
    return {groups.omega: len(entry) * along / sum(value**2 for value in x)}
