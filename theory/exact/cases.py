"""Exact values of symbols from rational data, for subjects beyond one layer before a loss.

Points that a search finds in floating point are re-evaluated here in rational and algebraic
numbers, from the definitions of the symbols.  For one layer see `bnproof.theory.exact.evaluate`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import combinations, combinations_with_replacement, product
from typing import Any

import sympy as sp

from bnproof.theory import symbols as sym
from bnproof.theory.claim import Counterexample, ExactCase
from bnproof.theory.exact import evaluate as exact
from bnproof.theory.exact.curvature import eigenvalues
from bnproof.theory.layer import curvature as cur
from bnproof.theory.layer import minimax
from bnproof.theory.normalizers import groups
from bnproof.theory.normalizers.oblique import nn, wf, wn, ww
from bnproof.theory.normalizers.table import find
from bnproof.theory.training import least_squares as quadratics
from bnproof.theory.training import sgd

Measurements = Mapping[sp.Symbol, sp.Expr]
Rows = Sequence[Sequence[Any]]
Row = list[sp.Rational]


def _numbers(values: Iterable[Any]) -> Row:
    return [sp.Rational(Fraction(value)) for value in values]


def _matrix(rows: Rows) -> sp.Matrix:
    return sp.Matrix([_numbers(row) for row in rows])


def pair(A: Rows, B: Rows) -> Measurements:
    """Symbols of `training.least_squares` for the matrices A and A' = B.

    Raises
    ------
    ValueError
        If a matrix has dependent columns.
    """
    first, second = _problem(_matrix(A)), _problem(_matrix(B))
    return first | {
        quadratics.cond_2: second[quadratics.cond],
        quadratics.increase: second[quadratics.cond] ** 2 - first[quadratics.cond] ** 2,
        quadratics.best_2: second[quadratics.best],
        quadratics.limit_2: second[quadratics.limit],
        quadratics.ratio_2: second[quadratics.ratio],
    }


def _problem(matrix: sp.Matrix) -> dict[sp.Symbol, sp.Expr]:
    hessian = matrix.T * matrix
    if hessian.det() == 0:
        raise ValueError(f"A = {matrix.tolist()}: its columns are dependent; change one")
    values = eigenvalues(hessian)
    low, high = values[0], values[-1]
    # The worst factor is convex and piecewise linear in the rate: minimal where two lines meet.
    rates = [2 / (one + two) for one, two in combinations_with_replacement(values, 2)]
    factors = [sp.Max(*(sp.Abs(1 - rate * value) for value in values)) for rate in rates]
    return {
        quadratics.largest: sp.sqrt(high),
        quadratics.smallest: sp.sqrt(low),
        quadratics.cond: sp.sqrt(high / low),
        quadratics.best: sp.Min(*factors),
        # Component i does not grow while |1 - rate*value_i| <= 1: all, up to the steepest's limit.
        quadratics.limit: 2 / high,
        # At a unit error along an eigenvector the gradient A'Ae has the eigenvalue as its norm.
        quadratics.ratio: high / low,
    }


def batch(gradients: Rows, alpha: Any, size: int, factor: int = 1) -> Measurements:
    """Symbols of `training.sgd`, by listing every batch of `size` of the examples' gradients.

    `factor` is r; component k is the first.
    """
    rows = [_numbers(row) for row in gradients]
    rate, count, zero = sp.Rational(Fraction(alpha)), len(rows), [sp.Integer(0)] * len(rows[0])
    mean = _mean(rows)

    def errors(batches: Iterable[Sequence[Row]], scale: int = 1) -> list[Row]:
        return [
            [scale * rate * (one - whole) for one, whole in zip(_mean(batch), mean, strict=True)]
            for batch in batches
        ]

    def spread(vectors: list[Row]) -> sp.Expr:
        return sum(_gap(vector, zero) for vector in vectors) / len(vectors)

    single = errors(product(rows, repeat=size))
    several = [
        [sum(part) for part in zip(*run, strict=True)] for run in product(single, repeat=factor)
    ]
    values = {
        sgd.N: sp.Integer(count),
        sgd.B: sp.Integer(size),
        sgd.r: sp.Integer(factor),
        sgd.alpha: rate,
        sgd.C: sum(_gap(row, mean) for row in rows) / count,
        sgd.grad_k: mean[0],
        sgd.squares: sum(_gap(row, zero) for row in rows),
        sgd.square: count**2 * _gap(mean, zero),
        sgd.error_k: _mean(single)[0],
        sgd.noise: spread(single),
        sgd.noise_rate: spread(errors(product(rows, repeat=factor * size), factor)),
        sgd.noise_steps: spread(several),
    }
    if size <= count:
        values[sgd.noise_without] = spread(errors(combinations(rows, size)))
    return values


def _mean(rows: Sequence[Row]) -> Row:
    return [sum(column) / len(rows) for column in zip(*rows, strict=True)]


def _gap(left: Row, right: Row) -> sp.Expr:
    return sum((a - b) ** 2 for a, b in zip(left, right, strict=True))


def group(
    name: str, u: Sequence[Any], f: Sequence[Any], *, power: Any = None, eps: Any = 0
) -> Measurements:
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
    start, slope = _numbers(u), _numbers(f)
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


def _power_mean(argument: list[sp.Expr], at: Measurements, power: sp.Expr) -> sp.Expr:
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
    at: Measurements,
    scale: sp.Expr,
    argument: list[sp.Expr],
    here: sp.Expr,
) -> dict[sp.Symbol, sp.Expr]:
    """The factor omega in ``w = (omega/m) x/S``, from w and x."""
    slopes = [sp.diff(scale, variable).subs(at) for variable in entry]
    x = [value.subs(at) / here for value in argument]
    along = sum(a * b for a, b in zip(slopes, x, strict=True))
    return {groups.omega: len(entry) * along / sum(value**2 for value in x)}


def along(case: Counterexample, u: Sequence[Any], tau: Any = 1) -> Measurements:
    """Symbols of `layer.curvature` along a direction u, with a positive number tau."""
    direction = list(map(Fraction, u))
    hats, path = exact.layer(exact.line(case.y, direction), case)
    return {
        cur.uKu: sp.Rational(2 * exact.loss(path, case).c),
        cur.uu: sp.Rational(sum(entry * entry for entry in direction)),
        cur.uy: sp.Rational(sum(a * hat.a for a, hat in zip(direction, hats, strict=True))),
        cur.u1: sp.Rational(sum(direction)),
        cur.tau: sp.Rational(Fraction(tau)),
    }


def ball(case: Counterexample, radius: Any) -> Measurements:
    """Symbols of Theorem 4.4: maxima over ``|X| <= radius`` with the layer held fixed.

    ``|X'v| <= |X||v|`` by definition of the norm, with equality at ``X = radius vv'/|v|^2``.
    """
    size, bound = len(case.y), sp.Rational(Fraction(radius))
    basis = [[Fraction(int(i == j)) for j in range(size)] for i in range(size)]
    z = [entry.a for entry in exact.layer(exact.line(case.y, [Fraction(0)] * size), case)[1]]
    g = [exact.loss(exact.line(z, e), case).b for e in basis]
    v = [exact.loss(exact.layer(exact.line(case.y, e), case)[1], case).b for e in basis]

    def reached(vector: list[Fraction]) -> sp.Expr:
        column = sp.Matrix(_numbers(vector))
        length = column.dot(column)
        if length == 0:
            return sp.Integer(0)
        image = bound * (column * column.T).T * column / length
        return image.dot(image)

    return {
        minimax.radius: bound,
        minimax.ghat: reached(v),
        minimax.gstd: reached(g),
        minimax.mu_g: sp.Rational(sum(g) / size),
    }


def vanishing_eps() -> Measurements:
    """Symbols of `layer.definition` for both layers at y = (-1, 1) and eps = 1/n."""
    y, small = (sp.Integer(-1), sp.Integer(1)), 1 / exact.n
    centred = [entry - sum(y) / 2 for entry in y]
    deviation = sp.sqrt(sum(entry**2 for entry in centred) / 2)
    root = [entry / sp.sqrt(deviation**2 + small) for entry in centred]
    slides = [entry / (deviation + small) for entry in centred]
    gap = sp.sqrt(sum((a - b) ** 2 for a, b in zip(slides, root, strict=True)))
    return {
        sym.eps: small,
        sym.sigma: deviation,
        sym.hat_gap: gap,
        sym.hat_norm: sp.sqrt(sum(entry**2 for entry in root)),
    }


VANISHING = ExactCase("y = (-1, 1), eps = 1/n", vanishing_eps)
