"""Exact values of the symbols of one unit as a function of its weights, from rational data."""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import sympy as sp

from bnproof.theory.claim import Counterexample
from bnproof.theory.exact import evaluate as exact
from bnproof.theory.exact.curvature import eigenvalues, hessians
from bnproof.theory.exact.rows import Rows, matrix, numbers
from bnproof.theory.layer import curvature as cur
from bnproof.theory.layer import weights as wts
from bnproof.theory.layer.minimax import nn_c


def unit(
    X: Rows, w: Sequence[Any], case: Counterexample, *, c: Any = 1, eta: Any = 1
) -> Mapping[sp.Symbol, sp.Expr]:
    """Symbols of one unit ``y = Xw`` as a function of its weights; indices are those of the first.

    `case` must have ``y = Xw``.  Derivatives in the weights come from lines of weights, by the
    definition of the layer.  Symbols at the weights cw are left out where the layer has no rational
    scale there.

    Raises
    ------
    ValueError
        If ``y != Xw``.
    """
    inputs = matrix(X)
    found = in_weights(X, w, case, c=c, eta=eta)
    K, H = hessians(case)
    matrices = {cur.lamW: _bend(X, case), cur.lamK: K, cur.lamH: H, cur.opX: inputs.T * inputs}
    return found | {symbol: eigenvalues(matrix)[-1] for symbol, matrix in matrices.items()}


def _bend(X: Rows, case: Counterexample) -> sp.Matrix:
    """The Hessian in the weights."""
    columns = [[Fraction(row[k]) for row in X] for k in range(len(X[0]))]

    def bent(i: int, j: int) -> Fraction:
        direction = [a + b for a, b in zip(columns[i], columns[j], strict=True)]
        return exact.loss(exact.layer(exact.line(case.y, direction), case)[1], case).c

    def entry(i: int, j: int) -> sp.Expr:
        # bent(i, j) is half the second derivative along e_i + e_j; bent(i, i) is along 2 e_i.
        if i == j:
            return sp.Rational(bent(i, i) / 2)
        return sp.Rational(bent(i, j) - bent(i, i) / 4 - bent(j, j) / 4)

    return sp.Matrix(len(columns), len(columns), entry)


def in_weights(
    X: Rows, weights: Sequence[Any], case: Counterexample, *, c: Any = 1, eta: Any = 1
) -> dict[sp.Symbol, sp.Expr]:
    """The symbols of `unit` that need no eigenvalue; raises as `unit`."""
    rows = [list(map(Fraction, row)) for row in X]
    activations = [exact.dot(row, list(map(Fraction, weights))) for row in rows]
    if activations != [*case.y]:
        raise ValueError("y of the case must equal Xw")
    w, bend = sp.Matrix(numbers(weights)), _bend(X, case)
    columns = [[row[k] for row in rows] for k in range(len(w))]

    def along(y: exact.Numbers, column: exact.Numbers) -> exact.Series:
        return exact.loss(exact.layer(exact.line(y, column), case)[1], case)

    def slopes(y: exact.Numbers, inputs: Sequence[exact.Numbers]) -> sp.Matrix:
        return sp.Matrix([sp.Rational(along(y, column).b) for column in inputs])

    first, rate, factor = columns[0], sp.Rational(Fraction(eta)), Fraction(c)
    grad = slopes(case.y, columns)
    step = w - rate * grad
    hats = [entry.a for entry in exact.layer(exact.line(case.y, first), case)[0]]
    seen = [exact.dot(row, hats) for row in case.A] or [Fraction(0)] * len(hats)
    found = {
        **exact.symbols_of(case),
        wts.c: sp.Rational(factor),
        wts.eta: rate,
        wts.ww: w.dot(w),
        wts.nw: grad.dot(w),
        wts.nn: grad.dot(grad),
        wts.after: step.dot(step),
        wts.loss_w: sp.Rational(along(case.y, first).a),
        wts.grad_k: grad[0],
        wts.hess_ki: bend[0, 0],
        wts.hessw_k: (bend * w)[0],
        wts.Xy_k: sp.Rational(exact.dot(first, hats)),
        wts.PXHy_k: sp.Rational(exact.dot(exact.across(first, hats), seen)),
    }
    moved = [factor * entry for entry in case.y]
    try:
        there = along(moved, first)
    except ValueError:
        return found
    # Inputs whose part along w is multiplied by c.
    parts = [(factor - 1) * Fraction(str(weight / w.dot(w))) for weight in w]
    shrunk = [
        [entry + part * y for entry, y in zip(column, case.y, strict=True)]
        for column, part in zip(columns, parts, strict=True)
    ]
    pulled = slopes(moved, shrunk)
    return found | {
        nn_c: pulled.dot(pulled),
        wts.loss_cw: sp.Rational(there.a),
        wts.grad_ck: sp.Rational(there.b),
        wts.hess_cki: sp.Rational(2 * there.c),
    }
