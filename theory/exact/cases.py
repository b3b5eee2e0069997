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
from bnproof.theory.exact.curvature import eigenvalues, hessians
from bnproof.theory.layer import curvature as cur
from bnproof.theory.layer import minimax
from bnproof.theory.normalizers import groups
from bnproof.theory.normalizers.oblique import nn, ww
from bnproof.theory.normalizers.table import find
from bnproof.theory.training import least_squares as quadratics
from bnproof.theory.training import sgd

Measurements = Mapping[sp.Symbol, sp.Expr]
Rows = Sequence[Sequence[Any]]


def _numbers(values: Iterable[Any]) -> list[sp.Rational]:
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


def batch(gradients: Rows, alpha: Any, size: int) -> Measurements:
    """Symbols of `training.sgd`, by listing every batch of `size` of the examples' gradients."""
    rows = [_numbers(row) for row in gradients]
    rate, count = sp.Rational(Fraction(alpha)), len(rows)
    mean = _mean(rows)

    def noise(batches: Iterable[Sequence[list[sp.Rational]]]) -> sp.Expr:
        errors = [rate**2 * _gap(_mean(batch), mean) for batch in batches]
        return sum(errors) / len(errors)

    values = {
        sgd.N: sp.Integer(count),
        sgd.B: sp.Integer(size),
        sgd.alpha: rate,
        sgd.C: sum(_gap(row, mean) for row in rows) / count,
        sgd.noise: noise(product(rows, repeat=size)),
    }
    if size <= count:
        values[sgd.noise_without] = noise(combinations(rows, size))
    return values


def _mean(rows: Sequence[list[sp.Rational]]) -> list[sp.Rational]:
    return [sum(column) / len(rows) for column in zip(*rows, strict=True)]


def _gap(left: list[sp.Rational], right: list[sp.Rational]) -> sp.Expr:
    return sum((a - b) ** 2 for a, b in zip(left, right, strict=True))


def group(
    name: str, u: Sequence[Any], f: Sequence[Any], *, power: Any = None, eps: Any = 0
) -> Measurements:
    """Symbols of `normalizers.groups` for a group u and a loss ``<f,n>`` of the normalised group n.

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
    return {
        sym.m: sp.Integer(size),
        sym.eps: constant,
        groups.p: kind.power,
        groups.c_n: sp.Integer(kind.centred),
        groups.c_S: sp.Integer(kind.scale_centred),
        sym.mu: mean,
        sym.sigma: sp.sqrt(sum((value - mean) ** 2 for value in start) / size),
        groups.S: here,
        groups.fn: loss.subs(at),
        groups.AfAf: sum(value**2 for value in shifted(slope, centred=kind.centred)),
        groups.var_n: sum((value - hat_mean) ** 2 for value in hats) / size,
        nn: sum(value**2 for value in hats),
        ww: sum(sp.diff(scale, variable).subs(at) ** 2 for variable in entry),
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


def unit(X: Rows, w: Sequence[Any], case: Counterexample) -> Measurements:
    """Largest curvatures of one unit ``y = Xw`` in its weights, at y and at z; and |X|^2.

    `case` must have ``y = Xw``.  The Hessian in the weights comes from second derivatives along
    lines of weights, by the definition of the layer.

    Raises
    ------
    ValueError
        If ``y != Xw``.
    """
    rows = [list(map(Fraction, row)) for row in X]
    count = len(w)
    if [sum(a * Fraction(b) for a, b in zip(row, w, strict=True)) for row in rows] != [*case.y]:
        raise ValueError("y of the case must equal Xw")

    def bent(i: int, j: int) -> Fraction:
        direction = [row[i] + row[j] for row in rows]
        return exact.loss(exact.layer(exact.line(case.y, direction), case)[1], case).c

    def entry(i: int, j: int) -> sp.Expr:
        # bent(i, j) is half the second derivative along e_i + e_j; bent(i, i) is along 2 e_i.
        if i == j:
            return sp.Rational(bent(i, i) / 2)
        return sp.Rational(bent(i, j) - bent(i, i) / 4 - bent(j, j) / 4)

    inputs = _matrix(rows)
    K, H = hessians(case)
    matrices = {cur.lamW: sp.Matrix(count, count, entry), cur.lamK: K, cur.lamH: H}
    matrices[cur.opX] = inputs.T * inputs
    return {symbol: eigenvalues(matrix)[-1] for symbol, matrix in matrices.items()}


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
