"""Exact values of the symbols of `training.least_squares`, from rational matrices."""

from collections.abc import Mapping
from itertools import combinations_with_replacement

import sympy as sp

from bnproof.theory.exact.curvature import eigenvalues
from bnproof.theory.exact.rows import Rows, matrix
from bnproof.theory.training import least_squares as quadratics


def pair(A: Rows, B: Rows) -> Mapping[sp.Symbol, sp.Expr]:
    """Symbols of `training.least_squares` for the matrices A and A' = B.

    Raises
    ------
    ValueError
        If a matrix has dependent columns.
    """
    first, second = _problem(matrix(A)), _problem(matrix(B))
    return first | {
        quadratics.cond_2: second[quadratics.cond],
        quadratics.increase: second[quadratics.cond] ** 2 - first[quadratics.cond] ** 2,
        quadratics.best_2: second[quadratics.best],
        quadratics.limit_2: second[quadratics.limit],
        quadratics.ratio_2: second[quadratics.ratio],
    }


def _problem(A: sp.Matrix) -> dict[sp.Symbol, sp.Expr]:
    hessian = A.T * A
    if hessian.det() == 0:
        raise ValueError(f"A = {A.tolist()}: its columns are dependent; change one")
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
