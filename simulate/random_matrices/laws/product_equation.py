"""The exact equation of a product of factors: w as a function of y, its curve, its moments.

Relative widths and roots are fractions, so that equal widths cancel exactly, and atoms, hard and
soft edges are identified without rounding.
"""

from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from math import log
from typing import NamedTuple

import numpy as np
from scipy.optimize import brentq

from bnproof.simulate.random_matrices.laws.factor_kinds import Diagonal, Factor
from bnproof.simulate.random_matrices.laws.product_curve import Curve

Series = list[Fraction]


class Equation(NamedTuple):
    """``w = scale * prod (c + y)**powers[c] / y * (y/u)**times``, ``y = width * psi_D(u)``.

    ``psi_D(u) = sum share*d*u/(1 - d*u)`` over `squares`, a diagonal's squares d and shares.
    Without such a diagonal, `times` is 0.
    """

    scale: Fraction
    powers: dict[Fraction, int]
    times: int
    width: Fraction
    squares: dict[Fraction, Fraction]

    @property
    def rank(self) -> Fraction:
        """Share of nonzero eigenvalues."""
        ranks = [c for c, power in self.powers.items() if power > 0]
        if self.times:
            ranks.append(self.width * sum(self.squares.values()))
        return min(ranks)

    @property
    def poles(self) -> list[Fraction]:
        """Possible locations of atoms: finite w at which y is infinite."""
        return [self.scale * d**self.times for d in self.squares or (Fraction(1),)]


def equation(factors: Sequence[Factor]) -> Equation:
    """Multiply the S-transforms of factors, each at y over its own relative input width.

    Raises
    ------
    ValueError
        If two diagonals with several nonzero squares differ in law or width.
    """
    scale, width = Fraction(1), Fraction(1)
    powers: Counter[Fraction] = Counter({Fraction(1): 1})
    several: list[tuple[Fraction, dict[Fraction, Fraction]]] = []
    for factor in _merged(factors):
        if isinstance(factor, Diagonal) and len(factor.law()) > 1:
            several.append((width, factor.law()))
            powers[width] -= 1
            continue
        up, down = factor.roots(width)
        powers.update(up)
        powers.subtract(down)
        scale *= factor.scale(width)
        width = factor.out(width)
    if any(item != several[0] for item in several):
        raise ValueError(
            "diagonals with several nonzero squares must have the same law and width: "
            "the equation for different ones is not implemented"
        )
    at, squares = several[0] if several else (Fraction(1), {})
    kept = {c: power for c, power in powers.items() if power}
    return Equation(scale, kept, len(several), at, squares)


def _merged(factors: Sequence[Factor]) -> list[Factor]:
    """Multiply adjacent diagonals, which commute and are not free."""
    merged: list[Factor] = []
    for factor in factors:
        if isinstance(factor, Diagonal) and merged and isinstance(merged[-1], Diagonal):
            merged[-1] = merged[-1].times(factor)
        else:
            merged.append(factor)
    return merged


def curve(equation: Equation) -> Curve:
    """The curve in the unknown v = t - t_0, ``t = -1/u``; without a diagonal, ``u/(1 - u) = y/r``.

    Without a diagonal y has a single pole, ``y = -r/(1 + t)`` with the rank r.  t_0 is the
    rightmost zero of w.
    """
    if equation.times:
        poles = {float(d): float(equation.width * p * d) for d, p in equation.squares.items()}
        full = equation.width * sum(equation.squares.values())
    else:
        poles, full = {1.0: float(equation.rank)}, equation.rank
    zeros: Counter[float] = Counter()
    log_scale = log(equation.scale)
    for c, power in [*equation.powers.items(), (Fraction(0), equation.times - 1)]:
        factor = float(c) if c else sum(poles.values())
        log_scale += power * log(factor)
        for root in _roots(poles, c, c == full):
            zeros[root] += power
        for pole in poles:
            zeros[-pole] -= power
    zeros[0.0] += equation.times
    start = max(root for root, power in zeros.items() if power > 0)
    return Curve(
        log_scale,
        {start - root: power for root, power in zeros.items()},
        {start + pole: residue for pole, residue in poles.items()},
    )


def _roots(poles: dict[float, float], c: Fraction, at_zero: bool) -> list[float]:
    """Real t with ``sum r/(t + d) = c``: one to the right of each -d, except the last if c = 0."""
    places = sorted(poles)
    total = sum(poles.values())
    if len(poles) == 1:
        return [] if not c else [0.0 if at_zero else total / float(c) - places[0]]

    def excess(t: float) -> float:
        return sum(r / (t + d) for d, r in poles.items()) - float(c)

    roots = []
    for left, right in zip(places[1:], places[:-1], strict=True):
        inner = np.nextafter(-left, 0), np.nextafter(-right, -np.inf)
        roots.append(brentq(excess, *inner, xtol=1e-300, rtol=1e-15))
    if not c:
        return roots
    if at_zero:
        return [*roots, 0.0]
    first = places[0]
    low, high = poles[first] / float(c) - first, total / float(c) - first
    return [*roots, brentq(excess, low, high, xtol=1e-300, rtol=1e-15)]


def moment(equation: Equation, order: int) -> Fraction:
    """``E X**order`` for order >= 1, by Lagrange's inversion of 1/w as a series in y."""
    terms = order
    series = [Fraction(1)] + [Fraction(0)] * (terms - 1)
    for c, power in equation.powers.items():
        series = _times(series, _power([c, Fraction(1)], power, terms))
    if equation.times:
        ratio = _ratio(equation, terms)
        for _ in range(equation.times):
            series = _times(series, ratio)
    return equation.scale**order * _power(series, order, terms)[order - 1] / order


def _ratio(equation: Equation, terms: int) -> Series:
    """Series of y/u in y."""
    means = [
        sum((p * d**k for d, p in equation.squares.items()), Fraction(0))
        for k in range(1, terms + 1)
    ]
    # u = sum of a_n (y/width)**n, a_n = [u**(n-1)] (u/psi_D)**n / n.
    inverse = [_power(means, -n, terms)[n - 1] / n for n in range(1, terms + 1)]
    scaled = [a / equation.width ** (n + 1) for n, a in enumerate(inverse)]
    return _power(scaled, -1, terms)


def _times(left: Series, right: Series) -> Series:
    return [
        sum((left[k] * right[n - k] for k in range(n + 1)), Fraction(0)) for n in range(len(left))
    ]


def _power(base: Series, exponent: int, terms: int) -> Series:
    """base**exponent, base[0] != 0, by J. C. P. Miller's recurrence."""
    padded = [*base, *[Fraction(0)] * (terms - len(base))]
    result = [padded[0] ** exponent]
    for n in range(1, terms):
        total = sum(
            ((exponent * k - (n - k)) * padded[k] * result[n - k] for k in range(1, n + 1)),
            Fraction(0),
        )
        result.append(total / (n * padded[0]))
    return result
