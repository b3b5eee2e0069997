"""Exact evaluation of counterexamples from the definition of the layer.

The layer and a quadratic loss are evaluated on truncated power series in t with rational
coefficients: along y + t d the coefficient of t is the derivative along d, and twice the
coefficient of t^2 is the second derivative.  No derived formula is used and nothing is rounded.
"""

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from itertools import product
from math import isqrt
from typing import Final

import sympy as sp

from bnproof.theory import symbols as sym
from bnproof.theory.claim import Claim, Counterexample, Evidence, ExactCase, Kind, Settings
from bnproof.theory.symbols import text

Numbers = Sequence[Fraction]
Indices = tuple[int, ...]  # samples k, i, l, counted from 0
FIRST: Final = (0, 0, 0)
HALF: Final = Fraction(1, 2)

# The values of an `ExactCase` may depend on n: they then describe a family, n = 1, 2, ...
n = sp.Symbol("n", integer=True, positive=True)


class Series:
    """Truncated power series ``a + b t + c t^2`` with rational coefficients."""

    def __init__(self, a: Fraction, b: Fraction = Fraction(0), c: Fraction = Fraction(0)) -> None:
        self.a, self.b, self.c = a, b, c

    def __add__(self, other: "Series") -> "Series":
        return Series(self.a + other.a, self.b + other.b, self.c + other.c)

    def __sub__(self, other: "Series") -> "Series":
        return Series(self.a - other.a, self.b - other.b, self.c - other.c)

    def __mul__(self, other: "Series") -> "Series":
        return Series(
            self.a * other.a,
            self.a * other.b + self.b * other.a,
            self.a * other.c + self.b * other.b + self.c * other.a,
        )

    def times(self, factor: Fraction) -> "Series":
        """The product with a constant."""
        return Series(factor * self.a, factor * self.b, factor * self.c)

    def __truediv__(self, other: "Series") -> "Series":
        a = self.a / other.a
        b = (self.b - a * other.b) / other.a
        return Series(a, b, (self.c - a * other.c - b * other.b) / other.a)

    def sqrt(self) -> "Series":
        """Square root; the constant term must be the square of a positive rational."""
        a = _root(self.a)
        b = self.b / (2 * a)
        return Series(a, b, (self.c - b * b) / (2 * a))


def _root(value: Fraction) -> Fraction:
    root = Fraction(isqrt(value.numerator), isqrt(value.denominator)) if value > 0 else Fraction(0)
    if root * root != value or root == 0:
        raise ValueError(
            f"sigma^2 + eps = {value}: must be the square of a positive rational; change y or eps"
        )
    return root


def line(start: Numbers, direction: Numbers) -> list[Series]:
    """The series of ``start + t direction``."""
    return [Series(a, b) for a, b in zip(start, direction, strict=True)]


def layer(y: list[Series], case: Counterexample) -> tuple[list[Series], list[Series]]:
    """``yhat`` and ``z`` from the definition of batch normalisation."""
    share = Fraction(1, len(y))
    mean = _sum(y).times(share)
    centred = [entry - mean for entry in y]
    variance = _sum([entry * entry for entry in centred]).times(share)
    s = (variance + Series(case.eps)).sqrt()
    yhat = [entry / s for entry in centred]
    return yhat, [entry.times(case.gamma) + Series(case.beta) for entry in yhat]


def loss(z: list[Series], case: Counterexample) -> Series:
    """``z'Az/2 + b'z``."""
    linear = _sum([entry.times(b) for b, entry in zip(case.b, z, strict=True)])
    quadratic = _sum(
        [
            entry * _sum([other.times(value) for value, other in zip(row, z, strict=True) if value])
            for row, entry in zip(case.A, z, strict=bool(case.A))
        ]
    )
    return linear + quadratic.times(HALF)


def _sum(terms: list[Series]) -> Series:
    return sum(terms, Series(Fraction(0)))


def _gradient(function: Callable[[list[Series]], Series], at: Numbers) -> list[Fraction]:
    basis = [[Fraction(int(i == j)) for j in range(len(at))] for i in range(len(at))]
    return [function(line(at, direction)).b for direction in basis]


def dot(left: Numbers, right: Numbers) -> Fraction:
    """Inner product."""
    return sum((a * b for a, b in zip(left, right, strict=True)), Fraction(0))


def across(vector: Numbers, hats: Numbers) -> list[Fraction]:
    """``Pu``, with ``P = I - 11'/m - yhat yhat'/m``."""
    mean, along = sum(vector, Fraction(0)) / len(vector), dot(hats, vector) / len(vector)
    return [one - mean - hat * along for one, hat in zip(vector, hats, strict=True)]


def measure(case: Counterexample) -> dict[sp.Symbol, sp.Expr]:
    """Exact values of the scalar symbols for one counterexample.

    Raises
    ------
    ValueError
        If y is constant, eps negative, sizes differ, or ``sigma**2 + eps`` is not a rational
        square.
    """
    size = len(case.y)
    if len(set(case.y)) < 2 or case.eps < 0:
        raise ValueError(f"y = {case.y}, eps = {case.eps}: y must vary and eps must be at least 0")
    if len(case.b) != size or any(len(row) != size for row in case.A):
        raise ValueError(f"y has {size} entries; b, and A if given, must match")

    def after(y: list[Series]) -> Series:
        return loss(layer(y, case)[1], case)

    def at_z(z: list[Series]) -> Series:
        return loss(z, case)

    zero = [Fraction(0)] * size
    yhat_series, z_series = layer(line(case.y, zero), case)
    yhat, z = [entry.a for entry in yhat_series], [entry.a for entry in z_series]
    g, v = _gradient(at_z, z), _gradient(after, case.y)
    at_y = _gradient(at_z, case.y)  # the same loss without the layer: at y, not at z
    mean = sum(case.y, Fraction(0)) / size
    variance = sum(((entry - mean) ** 2 for entry in case.y), Fraction(0)) / size
    Pv = across(v, yhat)
    values = {
        sym.m: Fraction(size),
        sym.gamma: case.gamma,
        sym.eps: case.eps,
        sym.s: _root(variance + case.eps),
        sym.g1: sum(g, Fraction(0)),
        sym.gy: dot(g, yhat),
        sym.gg: dot(g, g),
        sym.vv: dot(v, v),
        sym.vHv: 2 * at_z(line(z, v)).c,
        sym.vKv: 2 * after(line(case.y, v)).c,
        sym.vy: dot(v, yhat),
        sym.gPv: dot(g, Pv),
        sym.vPv: dot(v, Pv),
        sym.PvHPv: 2 * at_z(line(z, Pv)).c,
        sym.mu: mean,
        sym.beta: case.beta,
        sym.yy: dot(case.y, case.y),
        sym.ll: dot(at_y, at_y),
        sym.l1: sum(at_y, Fraction(0)),
        sym.ly: dot(at_y, yhat),
    }
    exact = {symbol: sp.Rational(value) for symbol, value in values.items()}
    exact[sym.sigma] = sp.sqrt(sp.Rational(variance))
    exact[sym.grad_yhat] = sp.Abs(exact[sym.gamma]) * sp.sqrt(exact[sym.gg])
    exact[sym.centred_norm] = sp.sqrt(size * sp.Rational(variance))
    hat_mean = sum(yhat, Fraction(0)) / size
    hat_variance = sum(((entry - hat_mean) ** 2 for entry in yhat), Fraction(0)) / size
    exact[sym.hat_mean] = sp.Rational(hat_mean)
    exact[sym.hat_std] = sp.sqrt(sp.Rational(hat_variance))
    return exact


def entries(case: Counterexample, at: Indices = FIRST) -> dict[sp.Symbol, sp.Expr]:
    """Exact values of the symbols with indices, at the samples k, i, l."""
    k, i, l = at  # noqa: E741

    def along(*samples: int) -> list[Series]:
        direction = [Fraction(samples.count(entry)) for entry in range(len(case.y))]
        return layer(line(case.y, direction), case)[0]

    hats, z = layer(line(case.y, [Fraction(0)] * len(case.y)), case)
    values = {
        sym.y_k: case.y[k],
        sym.z_k: z[k].a,
        sym.yhat_k: hats[k].a,
        sym.yhat_i: hats[i].a,
        sym.yhat_l: hats[l].a,
        sym.delta_ki: int(k == i),
        sym.delta_kl: int(k == l),
        sym.delta_il: int(i == l),
        sym.J_ki: along(i)[k].b,
        sym.T_kil: along(i, l)[k].c - along(i)[k].c - along(l)[k].c,
    }
    return {symbol: sp.Rational(value) for symbol, value in values.items()}


def symbols_of(
    case: Counterexample | ExactCase, at: Indices = FIRST
) -> Mapping[sp.Symbol, sp.Expr]:
    """Exact values of the symbols for a case of either kind, at the samples k, i, l."""
    if isinstance(case, ExactCase):
        return case.values()
    return measure(case) | entries(case, at)


def violated_at(relation: sp.Basic, case: Counterexample | ExactCase) -> Indices:
    """The first samples k, i, l at which the data violate a relation, or `FIRST` if none do."""
    axes = sym.axes_of(part for part in relation.free_symbols if part in sym.SYMBOLS)
    if not axes or isinstance(case, ExactCase):
        return FIRST
    fixed = measure(case)
    plain = sym.in_primitives(relation, fixed | entries(case)).subs(fixed)
    ranges = [range(len(case.y)) if axis in axes else (0,) for axis in sym.AXES]
    return next((at for at in product(*ranges) if plain.subs(entries(case, at)) == sp.false), FIRST)


def attained(relation: sp.Basic, domain: sp.Basic, case: Counterexample | ExactCase) -> str:
    """Describe the exact data at which both sides of an inequality are equal and nonzero.

    If the values depend on `n` they describe a family, and the ratio of the sides must tend to 1
    as n grows.

    Raises
    ------
    ValueError
        If the sides differ or the data lie outside the domain.
    """
    values = symbols_of(case)
    relation, domain = (sym.in_primitives(part, values) for part in (relation, domain))
    lhs, rhs = (side.subs(values) for side in relation.args)
    family = n in (lhs - rhs).free_symbols
    ratio = lhs / rhs if family else sp.simplify(lhs) / sp.simplify(rhs)
    limit = sp.limit(ratio, n, sp.oo) if family else sp.simplify(ratio)
    if domain.subs(values) != sp.true or limit != 1:
        raise ValueError(f"checks: attained: the sides are {text(lhs)} and {text(rhs)}")
    loss = f", b = {_show(case.b)}" if isinstance(case, Counterexample) else ""
    data = f"{_words(case).rstrip(',')}{loss}"
    if family:
        first = f"left over right side is {float(ratio.subs(n, 1)):.3g} at n = 1"
        return f"{data}: {first} and goes to 1 as n grows"
    return f"{data}: both sides are {text(sp.simplify(lhs))}"


def check(claim: Claim, settings: Settings) -> Evidence:
    """Evaluate relation and control exactly for the claim's `Counterexample` or `ExactCase`.

    The counterexample must lie in the claim's domain, violate the relation and satisfy the
    control (the corrected statement).  Symbols with indices are taken at the first samples that
    violate it.

    Raises
    ------
    ValueError
        If the data do not refute the relation; names the claim and the field.
    """
    del settings
    case = claim.check_of(Counterexample) or claim.check_of(ExactCase)
    assert claim.relation is not None
    assert claim.control is not None
    at = violated_at(claim.relation, case)
    values = symbols_of(case, at)
    relation, domain, control = (
        sym.in_primitives(part, values) for part in (claim.relation, claim.domain, claim.control)
    )
    inside = domain.subs(values) == sp.true
    lhs, rhs = (side.subs(values) for side in relation.args)
    sign = "=" if isinstance(claim.relation, sp.Eq) else "<="
    if not inside:
        raise ValueError(f"{claim.id}.py: checks: the counterexample lies outside {claim.domain}")
    if relation.subs(values) != sp.false:
        printed = f"{text(lhs)} {sign} {text(rhs)}"
        raise ValueError(f"{claim.id}.py: checks: the counterexample does not refute {printed}")
    control_holds = control.subs(values) == sp.true
    data = f"{_words(case)}{_at(claim.relation, at)}"
    summary = f"{data} the statement would say {text(lhs)} {sign} {text(rhs)}, which is false."
    numbers = {
        **(_data(case) if isinstance(case, Counterexample) else {}),
        "left side": text(lhs),
        "right side": text(rhs),
        "symbols": {text(symbol): text(value) for symbol, value in values.items()},
    }
    return Evidence(
        Kind.COUNTEREXAMPLE,
        False,
        control_holds,
        summary,
        numbers,
        {"arithmetic": "exact: rational and algebraic numbers"},
    )


def _at(relation: sp.Basic, at: Indices) -> str:
    """The samples of a relation with indices, in words; empty where they are the first."""
    used = sym.axes_of(relation.free_symbols)
    named = {axis: at[index] + 1 for index, axis in enumerate(sym.AXES) if axis in used}
    return "" if at == FIRST else "".join(f", {axis} = {one}" for axis, one in named.items())


def _words(case: Counterexample | ExactCase) -> str:
    if isinstance(case, ExactCase):
        return f"For {case.words}"
    return f"At y = {_show(case.y)}, eps = {case.eps}, gamma = {case.gamma}"


def _data(case: Counterexample) -> dict[str, str]:
    return {
        "y": _show(case.y),
        "gamma": str(case.gamma),
        "beta": str(case.beta),
        "eps": str(case.eps),
        "loss": f"z'Az/2 + b'z, A = {[_show(row) for row in case.A] or 0}, b = {_show(case.b)}",
    }


def _show(values: Numbers) -> str:
    return "(" + ", ".join(map(str, values)) + ")"
