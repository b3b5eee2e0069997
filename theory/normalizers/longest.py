"""How much l_p normalisation can lengthen a gradient: a bound for every p and group size m.

With w the gradient of the scale and q = x/S, x its argument, ``S Dn`` lengthens by at most
``|q||w|``.  The largest value over all activations is that of a product of two sums over weights,
at which two entries have different moduli at most; this bounds it by a power of m.
"""

from typing import Final

import sympy as sp

from bnproof.theory.normalizers import groups
from bnproof.theory.normalizers.amplification import square_bound
from bnproof.theory.normalizers.groups import AfAf, S, a_mean, c_n, c_S, fn, p
from bnproof.theory.normalizers.oblique import nn, wf, wn, ww
from bnproof.theory.proving import lemmas
from bnproof.theory.proving.certificate import Term
from bnproof.theory.proving.derivation import Derivation
from bnproof.theory.proving.gram import Space
from bnproof.theory.symbols import m, mu, vv

MAXIMUM: Final = (
    "K. Weierstrass: a continuous function on a compact set has a maximum; J.-L. Lagrange: "
    "multipliers at a maximum under a constraint (T. M. Apostol, Mathematical Analysis, 1974, "
    "section 13.7)"
)
MEANS: Final = (
    "weighted inequality of arithmetic and geometric mean (G. H. Hardy, J. E. Littlewood, "
    "G. Polya, Inequalities, 1934, Theorem 9)"
)

# q = x/S: n, but for a centred numerator over a scale that is not, where it is u/S.
_LEFT: Final = c_n - c_S
QQ: Final = nn + _LEFT * m * mu**2 / S**2
WQ: Final = wn + _LEFT * mu * a_mean / S
LONGEST: Final = lemmas.cited(
    "|q|^2 |w|^2 is at most 1 + kappa (m-1)^|1-2/p|",
    square_bound(p) - QQ * ww,
    MAXIMUM,
)
PLANE: Final = lemmas.gram(
    "Gram determinant of q, w and Af",
    ("q", "w", "f"),
    {("q", "q"): QQ, ("w", "w"): ww, ("f", "f"): AfAf}
    | {("q", "w"): WQ, ("q", "f"): fn, ("w", "f"): wf},
)

_theta, _share, _k, _count = sp.symbols("theta t k m'", positive=True)
_R, _size = sp.symbols("R |q_i|", positive=True)


def steps(d: Derivation) -> list[Term]:
    """Derive the bound; return the slack."""
    weight_steps(d)
    two_value_steps(d)
    power_steps(d)
    return _gradient(d)


def weight_steps(d: Derivation) -> None:
    """Write |q|^2 |w|^2 as a product of two sums over weights."""
    weight, power = _size**p / m, 1 - 2 / p
    shown = sp.Symbol("pi_i", positive=True)
    d.define(
        "Let x be the argument of the scale, q = x/S and a_i = sign(q_i)|q_i|^(p-1). As S is a "
        "power mean these weights have the sum 1",
        r"\pi_i = |q_i|^p/m,\quad \textstyle\sum_i\pi_i = 1,\quad \theta = 1-\tfrac2p",
        "pi_i = |q_i|^p/m, sum_i pi_i = 1, theta = 1 - 2/p",
    )
    d.equal(
        "Through them",
        (r"q_i^2", "q_i^2"),
        _size**2,
        sp.powsimp(m ** (1 - power) * weight ** (1 - power), force=True),
        shown=m ** (1 - _theta) * shown ** (1 - _theta),
    )
    d.equal(
        "and",
        (r"(a_i/m)^2", "(a_i/m)^2"),
        (_size ** (p - 1) / m) ** 2,
        sp.powsimp(m ** (power - 1) * weight ** (1 + power), force=True),
        shown=m ** (_theta - 1) * shown ** (1 + _theta),
    )
    ones = Space({("1", "1"): m, ("1", "a"): m * a_mean, ("a", "a"): sp.Symbol("|a|^2")})
    one, a = ones.vector("1"), ones.vector("a")
    centred = (a - one * a_mean) / m
    d.equal(
        "The gradient of the scale is w = a/m, and shorter if the scale is centred",
        (r"\tfrac{1}{m^2}\|a\|^2 - \tfrac{1}{m^2}\|a-\bar a\mathbf{1}\|^2", "|a/m|^2 - |w|^2"),
        a.dot(a) / m**2 - centred.dot(centred),
        a_mean**2 / m,
    )
    d.define(
        "The sums over i of the weights to these powers are",
        r"A = \textstyle\sum_i\pi_i^{1+\theta},\quad B = \sum_i\pi_i^{1-\theta}",
        "A = sum_i pi_i^(1+theta), B = sum_i pi_i^(1-theta)",
    )
    A, B = sp.symbols("A B", positive=True)
    d.equal(
        "The powers of m cancel in their product, which |q|^2|w|^2 does not exceed",
        (r"\|q\|^2\|a/m\|^2", "|q|^2 |a/m|^2"),
        (m ** (1 - _theta) * B) * (m ** (_theta - 1) * A),
        A * B,
    )
    d.equal(
        "Exponents p and p/(p-1) have opposite theta and exchange A and B: take theta >= 0",
        (r"1-\tfrac{2}{p/(p-1)}", "1 - 2/(p/(p-1))"),
        1 - 2 / (p / (p - 1)),
        -(1 - 2 / p),
        shown=-_theta,
    )


def two_value_steps(d: Derivation) -> None:
    """Derive that the weights have two values at most where the product is largest."""
    A, B, rate, pi, z = sp.symbols("A B lambda pi z", positive=True)
    slope = sp.diff(B * pi ** (1 + _theta) + A * pi ** (1 - _theta), pi) - rate
    d.cite(
        "For theta < 1 the product A B has a maximum over all weights. Say m' of the weights are "
        "not 0 there: for these the derivatives of A B are equal, to a multiplier lambda",
        MAXIMUM,
        r"(1+\theta)B\pi_i^\theta + (1-\theta)A\pi_i^{-\theta} = \lambda",
        "(1+theta) B pi_i^theta + (1-theta) A pi_i^(-theta) = lambda",
    )
    d.equal(
        "So every z = pi_i^theta solves one quadratic equation: there are at most two of them",
        (
            r"\pi^\theta\big((1+\theta)B\pi^\theta + (1-\theta)A\pi^{-\theta} - \lambda\big)",
            "pi^theta ((1+theta) B pi^theta + (1-theta) A pi^(-theta) - lambda)",
        ),
        sp.powsimp(sp.expand(slope * pi**_theta)).subs(pi, z ** (1 / _theta)),
        (1 + _theta) * B * z**2 - rate * z + (1 - _theta) * A,
    )
    d.equal(
        "If all m' weights are equal, A B is 1",
        ("AB", "A B"),
        sp.powsimp(_count * _count ** (-1 - _theta) * _count * _count ** (_theta - 1)),
        sp.Integer(1),
    )
    d.define(
        "Else let k of the m' weights be the larger ones, pi_1, of total t, the others pi_2",
        r"\pi_1 = \tfrac tk,\quad \pi_2 = \tfrac{1-t}{m'-k},\quad "
        r"R = (\pi_1/\pi_2)^\theta \ge 1",
        "pi_1 = t/k, pi_2 = (1-t)/(m'-k), R = (pi_1/pi_2)^theta >= 1",
    )
    low = sp.Symbol("pi_2^theta", positive=True)
    first = _share * _R * low + (1 - _share) * low
    second = _share / (_R * low) + (1 - _share) / low
    d.equal(
        "Then",
        (r"AB", "A B"),
        first * second,
        1 + _share * (1 - _share) * (_R - 1) ** 2 / _R,
    )


def power_steps(d: Derivation) -> None:
    """Bound the product at two values by a power of m, for every p."""
    d.equal(
        "where (R-1)^2/R is at most R, as R >= 1",
        (r"R - \tfrac{(R-1)^2}{R}", "R - (R-1)^2/R"),
        _R - (_R - 1) ** 2 / _R,
        1 + (_R - 1) / _R,
    )
    d.equal(
        "and pi_1/pi_2 is at most (m-1) t/(1-t), as k >= 1 and m' <= m",
        (r"(m-1)\tfrac{t}{1-t} - \tfrac{\pi_1}{\pi_2}", "(m-1) t/(1-t) - pi_1/pi_2"),
        (m - 1) * _share / (1 - _share) - (_share / _k) / ((1 - _share) / (_count - _k)),
        _share / (1 - _share) * ((m - _count) * _k + _count * (_k - 1)) / _k,
    )
    d.cite(
        "So A B is at most 1 + (m-1)^theta t^(1+theta) (1-t)^(1-theta), largest at t = (1+theta)/2",
        MEANS,
        r"t^{1+\theta}(1-t)^{1-\theta} \le \kappa = "
        r"\big(\tfrac{1+\theta}{2}\big)^{1+\theta}\big(\tfrac{1-\theta}{2}\big)^{1-\theta}",
        "t^(1+theta) (1-t)^(1-theta) <= kappa = ((1+theta)/2)^(1+theta) ((1-theta)/2)^(1-theta)",
    )
    d.equal(
        "At p = inf, theta = 1, w has one entry not 0, of modulus 1, and |q|^2 is at most m",
        (r"1 + \kappa\,(m-1)", "1 + kappa (m-1)"),
        square_bound(sp.oo),
        m,
    )


def _gradient(d: Derivation) -> list[Term]:
    """Derive |v|^2 and what scaling says of w; return the slack."""
    groups.jacobian_steps(d)
    plane = Space(
        {("w", "w"): ww, ("f", "f"): AfAf, ("w", "f"): wf},
    )
    w, f = plane.vector("w"), plane.vector("f")
    back = f - w * fn
    d.define(
        "The gradient v at u is, as <v,h> = <f, Dn[h]> for every h",
        r"v = \tfrac1S\big(Af - \langle f,n\rangle w\big),\quad \langle Af,q\rangle = "
        r"\langle f,n\rangle",
        "v = (Af - <f,n> w)/S, <Af,q> = <f,n>",
    )
    d.value(
        vv,
        "Its squared norm",
        back.dot(back) / S**2,
        (AfAf - 2 * fn * wf + ww * fn**2) / S**2,
    )
    size, sign = sp.symbols("|q_i| sign(q_i)", positive=True)
    d.equal(
        "S scales with u: <w,q> is the mean of a_i q_i = |q_i|^p, which is 1",
        (r"a_iq_i", "a_i q_i"),
        (sign * size ** (p - 1) * sign * size).subs(sign**2, 1),
        size**p,
    )
    d.value(wn, "", 1 - _LEFT * mu * a_mean / S)
    return [
        Term(AfAf / S**2, "a square", LONGEST.name),
        Term(QQ * wf**2 / S**2, "squares"),
        Term(1 / S**2, "a square", PLANE.name),
    ]
