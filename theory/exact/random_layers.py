"""Random layers in rational numbers, for `bnproof.theory.exact.audit`."""

import random
from collections.abc import Mapping
from fractions import Fraction
from math import isqrt
from typing import Final

import sympy as sp

from bnproof.theory import symbols as sym
from bnproof.theory.claim import Counterexample
from bnproof.theory.exact import evaluate, weights
from bnproof.theory.exact.curvature import along, exactly
from bnproof.theory.exact.evaluate import Numbers
from bnproof.theory.exact.minimax import ball
from bnproof.theory.layer import curvature as cur

SIZES: Final = (3, 4, 5)  # batch sizes
Values = Mapping[sp.Symbol, sp.Expr]


def small(source: random.Random) -> Fraction:
    """A rational number between -6 and 6."""
    return Fraction(source.randint(-6, 6), source.randint(1, 2))


def positive(source: random.Random) -> Fraction:
    """A positive rational number."""
    return Fraction(source.randint(1, 5), 2)


def is_ideal(domain: sp.Basic) -> bool:
    """Whether a domain has eps = 0."""
    return bool(domain.subs(sym.eps, 1) == sp.false)


def layer_case(source: random.Random, *, ideal: bool) -> Counterexample:
    """A random layer with a quadratic loss and a rational scale."""
    while True:
        y = [Fraction(source.randint(-5, 5)) for _ in range(source.choice(SIZES))]
        mean = sum(y, Fraction(0)) / len(y)
        variance = sum(((one - mean) ** 2 for one in y), Fraction(0)) / len(y)
        root = Fraction(isqrt(variance.numerator), isqrt(variance.denominator))
        if variance and (not ideal or root**2 == variance):
            break
    scale = root if ideal else root + Fraction(source.randint(2, 6), 2)
    half = [[small(source) for _ in y] for _ in y]
    return Counterexample.of(
        y=y,
        b=[small(source) for _ in y],
        A=[[half[i][j] + half[j][i] for j in range(len(y))] for i in range(len(y))],
        gamma=small(source),
        beta=small(source),
        eps=scale**2 - variance,
    )


def layer(source: random.Random, domain: sp.Basic) -> Values:
    """Symbols of `evaluate` at random samples k, i, l."""
    case = layer_case(source, ideal=is_ideal(domain))
    at = tuple(source.randrange(len(case.y)) for _ in range(3))
    return evaluate.measure(case) | evaluate.entries(case, at)


def curved(source: random.Random, domain: sp.Basic) -> Values:
    """Symbols of `layer.curvature` and `layer.minimax`, along a random direction."""
    case = layer_case(source, ideal=is_ideal(domain))
    u = [small(source) for _ in case.y]
    found = {**exactly(case), **along(case, u, positive(source))}
    found |= ball(case, positive(source))
    hats, g = _at_z(case)
    pushed = evaluate.across(u, hats)
    vectors = {"1": [Fraction(1)] * len(u), "yhat": hats, "g": g}
    forms = {
        symbol: _form(case, vectors[a], vectors[b])
        for (a, b), symbol in sym.FORM.items()
        if {a, b} <= vectors.keys()
    }
    more = {cur.gu: evaluate.dot(g, u), cur.PuHPu: _form(case, pushed, pushed)}
    more |= {sym.hat_norm: sp.sqrt(sp.Rational(evaluate.dot(hats, hats)))}
    return found | {part: sp.sympify(value) for part, value in (forms | more).items()}


def _at_z(case: Counterexample) -> tuple[list[Fraction], list[Fraction]]:
    """``yhat``, and the gradient of the loss at z."""
    hats, outputs = evaluate.layer(evaluate.line(case.y, [Fraction(0)] * len(case.y)), case)
    z = [one.a for one in outputs]
    g = [evaluate.dot(row, z) + b for row, b in zip(case.A, case.b, strict=True)]
    return [one.a for one in hats], g


def _form(case: Counterexample, left: Numbers, right: Numbers) -> sp.Rational:
    """The Hessian at z, which is A, between two vectors."""
    return sp.Rational(evaluate.dot(left, [evaluate.dot(row, right) for row in case.A]))


def unit(source: random.Random, domain: sp.Basic) -> Values:
    """Symbols of one unit as a function of its weights; all indices are the first."""
    case = layer_case(source, ideal=is_ideal(domain))
    w = [Fraction(source.randint(1, 3)) for _ in range(2)]
    first = [small(source) for _ in case.y]
    rows = [[x, (y - x * w[0]) / w[1]] for x, y in zip(first, case.y, strict=True)]
    found = weights.in_weights(rows, w, case, c=positive(source), eta=positive(source))
    hats, g = _at_z(case)
    # Both directions h and k are the first input, as all indices are the first.
    vectors = {"1": [Fraction(1)] * len(g), "yhat": hats, "g": g, "h": first, "k": first}
    products = {
        symbol: sp.Rational(evaluate.dot(vectors[a], vectors[b]))
        for symbol, a, b in (
            (sym.h1, "1", "h"),
            (sym.hy, "h", "yhat"),
            (sym.hh, "h", "h"),
            (sym.k1, "1", "k"),
            (sym.ky, "k", "yhat"),
            (sym.kk, "k", "k"),
            (sym.hk, "h", "k"),
            (sym.gh, "g", "h"),
            (sym.gk, "g", "k"),
        )
    }
    forms = {part: _form(case, vectors[a], vectors[b]) for (a, b), part in sym.FORM.items()}
    return found | products | forms
