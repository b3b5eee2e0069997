"""Centred l_p normalisation: ``S Dn`` is an oblique projector, which can lengthen a gradient."""

import sympy as sp

from bnproof.theory.normalizers.groups import AfAf, S, fn
from bnproof.theory.proving import lemmas
from bnproof.theory.proving.certificate import Term
from bnproof.theory.proving.derivation import Derivation
from bnproof.theory.proving.gram import Space, Vector
from bnproof.theory.symbols import m, symbol, vv

nn = symbol("|n|^2", r"\|n\|^2", "squared norm of the normalised group", nonnegative=True)
ww = symbol("|grad S|^2", r"\|w\|^2", "squared norm of w, the gradient of S", nonnegative=True)
wn = symbol("<w,n>", r"\langle w,n\rangle", "gradient of S against n: 1 where S scales with u")
wf = symbol("<w,Af>", r"\langle w,Af\rangle", "gradient of S against the gradient at n, A applied")
PLANE = lemmas.gram(
    "Gram determinant of n, w and Af, of centred n",
    ("n", "w", "f"),
    {
        ("n", "n"): nn,
        ("w", "w"): ww,
        ("f", "f"): AfAf,
        ("n", "w"): wn,
        ("n", "f"): fn,
        ("w", "f"): wf,
    },
)


def _number(name: str) -> sp.Symbol:
    return sp.Symbol(name, real=True)


_ww, _nn, _nh, _hh, _wh = map(_number, ("|w|^2", "|n|^2", "<n,h>", "|h|^2", "<w,h>"))
# Centred vectors against n and w with <w,n> = 1; r is orthogonal to both.
OBLIQUE = Space(
    {("n", "n"): _nn, ("n", "w"): 1, ("w", "w"): _ww, ("h", "h"): _hh, ("h", "n"): _nh}
    | {("h", "w"): _wh, ("r", "r"): _number("|r|^2"), ("r", "n"): 0, ("r", "w"): 0}
)


def oblique_steps(d: Derivation) -> None:
    """Derive that ``Q = S Dn`` is an oblique projector for every p, and a bound on its norm."""
    n, w, h, r = (OBLIQUE.vector(name) for name in ("n", "w", "h", "r"))

    def project(u: Vector) -> Vector:
        return u - n * w.dot(u)

    size, power, sign = sp.symbols("|n_i| p sign(n_i)", positive=True)
    d.define(
        "From here on x = u centred (c_S = 1), so that S n = x, and a_i = sign(n_i)|n_i|^(p-1); "
        "at p = inf a is m sign(n_j) at the largest entry, |n_j| = 1, and 0 elsewhere",
        r"w_i = \tfrac1m(a_i - \bar a),\quad \tfrac1m\textstyle\sum_i|n_i|^p = 1",
        "w_i = (a_i - mean(a))/m, sum_i |n_i|^p/m = 1",
    )
    d.equal(
        "As n is centred, <w,n> = mean(a_i n_i), and the mean of these is 1",
        ("a_in_i", "a_i n_i"),
        (sign * size ** (power - 1) * sign * size).subs(sign**2, 1),
        size**power,
    )
    d.define(
        "On centred h, Q = S Dn is h - <w,h> n, by the derivative of n",
        r"Qh = h - \langle w,h\rangle\,n,\quad \langle w,n\rangle = 1",
        "Qh = h - <w,h> n, <w,n> = 1",
    )
    d.vectors(
        "Q is a projector for every p, not only for p = 2",
        r"Q^2h = Qh",
        "QQh = Qh",
        project(project(h)),
        project(h),
    )
    alpha, beta = _number("alpha"), _number("beta")
    f = n * alpha + w * beta + r
    back = f - w * n.dot(f)
    d.equal(
        "The gradient goes back through Q'f = f - <n,f> w. Split f along n, w and a rest r "
        "orthogonal to both: the gap to the bound is non-negative, as |n||w| >= <w,n> = 1",
        (r"\|n\|^2\|w\|^2\|f\|^2 - \|Q^\top f\|^2", "|n|^2|w|^2|f|^2 - |Q'f|^2"),
        sp.expand(_nn * _ww * f.dot(f) - back.dot(back)),
        sp.expand(_nn * w.dot(f) ** 2 + (_nn * _ww - 1) * r.dot(r)),
        shown=_nn * _number("<w,f>") ** 2 + (_nn * _ww - 1) * _number("|r|^2"),
    )


def supremum_steps(d: Derivation) -> None:
    """Say how large ``|Q|`` can be over centred activations: for p = 1, p = inf and between."""
    d.given(
        "So Q lengthens by at most |n||w|, and does so on an f in the plane of n and w with "
        "<w,f> = 0. It never lengthens, and is an orthogonal projector, iff w is parallel to n: "
        "iff all points (n_i, a_i) lie on one line. At p = 2 they do, a = n. For 1 < p < inf, p "
        "not 2, a line meets the curve a = sign(n)|n|^(p-1) at most three times: with four "
        "distinct activations Q is oblique, with two (every m = 2) it is orthogonal. At p = 1 and "
        "p = inf three distinct ones suffice, none of them 0",
        r"\|Q\| = \|n\|\,\|w\| \geq 1",
        "|Q| = |n||w| >= 1",
    )
    x1, x2 = _number("x_1"), _number("x_2")
    triple = (x1, x2, -x1 - x2)
    d.equal(
        "One exception: m = 3, p = 4. Of three centred numbers the fourth powers are known from "
        "the squares, so l_4 normalisation of a group of three is l_2 normalisation up to a "
        "factor. Other p: (1, 2, -3) and its image a lie on one line iff 4 2^(p-1) = 5 + 3^(p-1), "
        "which has the two solutions p = 2 and p = 4",
        (r"x_1^4 + x_2^4 + x_3^4", "x_1^4 + x_2^4 + x_3^4"),
        sum(number**4 for number in triple),
        sum(number**2 for number in triple) ** 2 / 2,
        shown=_number("(x_1^2 + x_2^2 + x_3^2)") ** 2 / 2,
    )
    count = sp.Symbol("k", positive=True)
    d.equal(
        "p = 1, k positive entries and m - k negative: w = (a - mean(a))/m with a_i = 1 or -1",
        (r"\|w\|^2", "|w|^2"),
        (m - (2 * count - m) ** 2 / m) / m**2,
        4 * count * (m - count) / m**3,
    )
    d.given(
        "The positive n_i sum to m/2, the negative to -m/2, so |n|^2 <= m^2/2, approached where "
        "one entry of each sign is large. For even m the supremum is that of k = m/2; for odd m, "
        "(m - 1/m)/2",
        r"p = 1:\quad \sup\|Q\|^2 = \tfrac{m}{2}",
        "p = 1: sup |Q|^2 = m/2",
    )
    d.equal(
        "p = inf, largest entry n_j = 1 or -1: w = n_j (e_j - 1/m)",
        (r"\|w\|^2", "|w|^2"),
        sp.expand(1 - 2 / m + m / m**2),
        1 - 1 / m,
    )
    d.given(
        "|n|^2 is convex, so largest at a corner of |n_i| <= 1, <1,n> = 0: half 1, half -1 for "
        "even m, one 0 besides for odd m (supremum (m-1)^2/m); one entry must be largest",
        r"p = \infty:\quad \sup\|Q\|^2 = m-1",
        "p = inf: sup |Q|^2 = m - 1",
    )
    d.given(
        "Between, near p = 1: |Q|^2 = mean(n^2) Var(a) <= mean(n^2) mean|n|^(2p-2), and "
        "mean|n|^p = 1. With M = max|n_i|^p the larger factor is at most M^(|p-2|/p), the other at "
        "most 1; the other entries sum to minus the largest, so M (1 + (m-1)^(1-p)) <= m. Away "
        "from p = 1 the constant of lp_constant is smaller",
        r"\|Q\|^2 \le \Big(\frac{m}{1+(m-1)^{1-p}}\Big)^{|p-2|/p}",
        "|Q|^2 <= (m/(1 + (m-1)^(1-p)))^(|p-2|/p)",
    )


def amplification_steps(d: Derivation) -> list[Term]:
    """Record |v|^2 for a centred gradient; return the slack of the bound."""
    plane = Space(
        {("n", "n"): nn, ("w", "w"): ww, ("f", "f"): AfAf}
        | {("n", "w"): wn, ("n", "f"): fn, ("w", "f"): wf}
    )
    n, w, f = (plane.vector(name) for name in ("n", "w", "f"))
    back = f - w * n.dot(f)
    d.define(
        "The gradient v at u is Q'f/S, as <v,h> = <f, Dn[h]> for every h",
        r"v = \tfrac1S\big(f - \langle n,f\rangle w\big)",
        "v = (f - <n,f> w)/S",
    )
    d.value(wn, "S scales with u", sp.Integer(1))
    d.value(
        vv,
        "The squared norm of the gradient",
        back.dot(back) / S**2,
        (AfAf - 2 * fn * wf + ww * fn**2) / S**2,
    )
    return [
        Term(nn * wf**2 / S**2, "a square"),
        Term(1 / S**2, "a square", PLANE.name),
    ]
