"""Exact values of the symbols of `layer.curvature`, by power series of the definition."""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import sympy as sp

from bnproof.theory.claim import Counterexample
from bnproof.theory.exact import evaluate as exact
from bnproof.theory.layer import curvature as cur
from bnproof.theory.layer.curvature import gHg, gz, lamH, lamK, ordered, qKq, qq, relative, shrink
from bnproof.theory.symbols import gamma, gg, gy, sigma, vHv, vv


def hessians(case: Counterexample) -> tuple[sp.Matrix, sp.Matrix]:
    """K and H, exact, from second derivatives along e_i + e_j."""
    size = len(case.y)
    zero = [0 * entry for entry in case.y]
    z = [entry.a for entry in exact.layer(exact.line(case.y, zero), case)[1]]

    def bent(start: Sequence[Fraction], *, layer: bool) -> sp.Matrix:
        def along(i: int, j: int) -> Fraction:
            path = exact.line(start, [Fraction(int(k == i) + int(k == j)) for k in range(size)])
            return exact.loss(exact.layer(path, case)[1] if layer else path, case).c

        def entry(i: int, j: int) -> sp.Expr:
            # along(i, j) is half the second derivative along e_i + e_j; along(i, i) is along 2 e_i.
            return sp.Rational(along(i, j) - along(i, i) / 4 - along(j, j) / 4)

        return sp.Matrix(
            size,
            size,
            lambda i, j: entry(i, j) if i != j else sp.Rational(along(i, i) / 2),
        )

    return bent(case.y, layer=True), bent(z, layer=False)


def eigenvalues(matrix: sp.Matrix) -> list[sp.Expr]:
    """Eigenvalues of a symmetric rational matrix, in ascending order."""
    return list(matrix.charpoly().real_roots())


def top_eigenvalues(case: Counterexample) -> dict[sp.Symbol, sp.Expr]:
    """The largest eigenvalues of K and H, exact."""
    K, H = hessians(case)
    return {lamK: eigenvalues(K)[-1], lamH: eigenvalues(H)[-1]}


def exactly(case: Counterexample) -> dict[sp.Symbol, sp.Expr]:
    """Values of `evaluate.measure`, extended by the symbols of `layer.curvature`."""

    def after(direction: list[sp.Rational]) -> sp.Rational:
        series = exact.loss(exact.layer(exact.line(case.y, direction), case)[1], case)
        return sp.Rational(2 * series.c)

    values = exact.measure(case)
    zero = [0 * entry for entry in case.y]
    z = [entry.a for entry in exact.layer(exact.line(case.y, zero), case)[1]]
    basis = [[0 * e + int(i == j) for j in range(len(zero))] for i, e in enumerate(zero)]
    g = [exact.loss(exact.line(z, e), case).b for e in basis]
    q = [case.gamma * entry for entry in g]
    along_g = sp.Rational(2 * exact.loss(exact.line(z, g), case).c)
    return values | {
        gHg: along_g,
        qKq: after(q),
        qq: sp.Rational(sum(entry * entry for entry in q)),
        ordered: along_g - values[vHv],
        relative: along_g * values[vv] - values[vHv] * values[gg],
        gz: values[gamma] * values[gy],
        shrink: values[sigma] ** 2 - values[gamma] ** 2,
    }


def along(case: Counterexample, u: Sequence[Any], tau: Any = 1) -> dict[sp.Symbol, sp.Expr]:
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
