"""Exact values of the symbols of Theorem 4.4, maxima over a ball of inputs."""

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import sympy as sp

from bnproof.theory.claim import Counterexample
from bnproof.theory.exact import evaluate as exact
from bnproof.theory.exact.rows import numbers
from bnproof.theory.layer import minimax


def ball(case: Counterexample, radius: Any) -> Mapping[sp.Symbol, sp.Expr]:
    """Symbols of Theorem 4.4: maxima over ``|X| <= radius`` with the layer held fixed.

    ``|X'v| <= |X||v|`` by definition of the norm, with equality at ``X = radius vv'/|v|^2``.
    """
    size, bound = len(case.y), sp.Rational(Fraction(radius))
    basis = [[Fraction(int(i == j)) for j in range(size)] for i in range(size)]
    z = [entry.a for entry in exact.layer(exact.line(case.y, [Fraction(0)] * size), case)[1]]
    g = [exact.loss(exact.line(z, e), case).b for e in basis]
    v = [exact.loss(exact.layer(exact.line(case.y, e), case)[1], case).b for e in basis]

    def reached(vector: list[Fraction]) -> sp.Expr:
        column = sp.Matrix(numbers(vector))
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
