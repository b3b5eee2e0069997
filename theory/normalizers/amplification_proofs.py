"""Derivations for `normalizers.amplification`: the constant, and bounds with centring.

They argue partly in words, so no claim rests on them; `longest` proves the bound of the
table, and has the first steps.
"""

from itertools import combinations

import sympy as sp

from bnproof.theory.normalizers import longest
from bnproof.theory.proving.derivation import Derivation
from bnproof.theory.symbols import m

_theta, _odds, _share, _k = sp.symbols("theta o t k", positive=True)
_rho, _A = sp.symbols("rho rho^(p-1)", positive=True)
_s, _L = sp.symbols("s L", real=True)


def steps(d: Derivation) -> None:
    """Derive c_p(m): the maximum has two moduli, and one entry has the larger one."""
    longest.weight_steps(d)
    longest.two_value_steps(d)
    _one_entry(d)
    _closed_forms(d)
    _bound(d)


def centred_steps(d: Derivation) -> None:
    """Derive upper and lower bounds with centring, which agree for large m."""
    d.given(
        "As printed (numerator centred, scale not) S Dn = C(I - q w'), C centring: at most c_p(m). "
        "Give the m - 1 small entries signs: what C takes from the unit vector z that I - q w' "
        "lengthens most is <1,z>^2/m; <w,z> = 0 gives z_1 by the others, and the sum of m - 1 "
        "signs can be brought within 1 of any number between 1 - m and m - 1",
        r"c_p(m)\sqrt{1 - \tfrac{1}{m(m-1)}} \le \sup\|S\,Dn\| \le c_p(m)",
        "c_p(m) sqrt(1 - 1/(m(m-1))) <= sup |S Dn| <= c_p(m)",
    )
    d.given(
        "Both centred: |Q|^2 = |n|^2|w|^2 with w = (a - mean(a))/m, which is 1 over the squared "
        "correlation of n and a. It is less than c_p(m)^2 by |n|^2 mean(a)^2/m. Activations "
        "(z, -z), and 0 besides for odd m, have mean(a) = 0 and reach what z does",
        r"c_p(\lfloor m/2\rfloor) \le \sup\|Q\| \le c_p(m)",
        "c_p(floor(m/2)) <= sup |Q| <= c_p(m)",
    )
    # Rows: entry of n, entry of a, multiplicity.
    group = ((_rho, _A, 1), (1, 1, (m - 1 - _rho) / 2), (-1, -1, (m - 1 + _rho) / 2))

    def total(power_n: int, power_a: int) -> sp.Expr:
        return sum((count * n**power_n * a**power_a for n, a, count in group), sp.S.Zero)

    d.equal(
        "One large entry rho, the others 1 and -1 in such numbers that the sum is 0, for an "
        "integer rho with m - 1 - rho even",
        (r"\langle\mathbf{1},n\rangle", "<1,n>"),
        total(1, 0),
        sp.S.Zero,
    )
    d.equal(
        "With A = rho^(p-1) the squared norms and the product give",
        (r"\|Q\|^2", "|Q|^2"),
        total(2, 0) * (total(0, 2) - total(0, 1) ** 2 / m) / total(1, 1) ** 2,
        (_rho**2 + m - 1) * (_A**2 + m - 1 - (_A - _rho) ** 2 / m) / (_rho * _A + m - 1) ** 2,
    )
    d.given(
        "Take for rho the nearest such integer to (o(m-1))^(1/p), o = (1+theta)/(1-theta): it is "
        "off by at most 1, which becomes negligible as rho grows with m; the last square is "
        "small against A^2 + m - 1 for every p > 1. So for 1 < p < inf the supremum over centred "
        "activations is c_p(m) in the limit (not uniformly in p: at p = 1 it is c_1(m/2))",
        r"\lim_{m\to\infty}\frac{\sup\|Q\|}{c_p(m)} = 1",
        "sup |Q|/c_p(m) -> 1 as m -> infinity",
    )
    _four_of_four(d)
    d.given(
        "For other m > 2 and 1 < p < inf, p not 2, the exact supremum over centred activations is "
        "open, except for m = 3, p = 4, where it is 1"
    )


def _four_of_four(d: Derivation) -> None:
    e3, e4, D = sp.symbols("e_3 e_4 D", positive=True)
    sums = {2: sp.Integer(2), 3: 3 * e3, 4: 2 - 4 * e4, 6: 2 + 3 * e3**2 - 6 * e4}
    x = sp.symbols("x_1 x_2 x_3", real=True)
    group = (*x, -sp.Add(*x))
    e = [sum(sp.prod(part) for part in combinations(group, size)) for size in range(5)]
    general = {2: -2 * e[2], 3: 3 * e[3], 4: 2 * e[2] ** 2 - 4 * e[4]}
    general[6] = -2 * e[2] ** 3 + 3 * e[3] ** 2 + 6 * e[2] * e[4]
    d.equal(
        "p = 4, m = 4 exactly. Four numbers of sum 0 with elementary symmetric functions e_i have "
        "the power sums P_2 = -2 e_2, P_3 = 3 e_3, P_4 = 2 e_2^2 - 4 e_4 and",
        (r"P_6", "P_6"),
        sp.expand(sum(entry**6 for entry in group)),
        sp.expand(general[6]),
        shown=-2 * sp.Symbol("e_2") ** 3 + 3 * e3**2 + 6 * sp.Symbol("e_2") * e4,
    )
    d.equal(
        "Scaled to e_2 = -1",
        (r"\|Q\|^2 = P_2(P_6 - P_3^2/4)/P_4^2", "|Q|^2 = P_2 (P_6 - P_3^2/4)/P_4^2"),
        sums[2] * (sums[6] - sums[3] ** 2 / 4) / sums[4] ** 2,
        (2 - 6 * e4 + sp.Rational(3, 4) * e3**2) / (2 * (1 - 2 * e4) ** 2),
    )
    pair = (sp.Integer(1), sp.Integer(1), -1 + sp.sqrt(D), -1 - sp.sqrt(D))
    power = {k: sp.expand(sum(entry**k for entry in pair)) for k in (2, 3, 4, 6)}
    value = sp.factor(power[2] * (power[6] - power[3] ** 2 / 4) / power[4] ** 2)
    d.equal(
        "At a given e_4 it grows with e_3^2, so it is largest where two of the four roots meet, "
        "before they leave the real line: at (1, 1, -1 + sqrt(D), -1 - sqrt(D)). The slope in D",
        (r"\tfrac{d}{dD}\|Q\|^2", "d|Q|^2/dD"),
        sp.diff(value, D),
        (4 - D) * (D**3 - 18 * D**2 - 30 * D + 8) / (2 * (D**2 + 6 * D + 2) ** 3),
    )
    d.given(
        "It changes from + to - at the smallest positive root of the cubic, D = 0.2342, and again "
        "at the largest, D = 19.52, where |Q|^2 = 1.0094 is less",
        r"p = m = 4:\quad \max\|Q\|^2 = 1.13870967\ldots",
        "p = m = 4: max |Q|^2 = 1.13870967..., a root of 25088 x^3 - 54432 x^2 + 29997 x - 621",
    )


def _one_entry(d: Derivation) -> None:
    d.given(
        "No weight is 0 there, as pi^(1-theta) has infinite slope at 0; let o be the odds of t",
        r"m' = m,\quad o = \tfrac{t}{1-t}",
        "m' = m, o = t/(1-t)",
    )
    d.equal(
        "The weights of the two kinds have the ratio",
        (r"\pi_1/\pi_2", "pi_1/pi_2"),
        (_share / _k) / ((1 - _share) / (m - _k)),
        (_share / (1 - _share)) * (m - _k) / _k,
        shown=_odds * (m - _k) / _k,
    )
    d.given(
        "At a given t it falls as k grows, and (R-1)^2/R grows with R > 1: so k = 1. One entry is "
        "larger than all others, which have one modulus",
        r"k = 1,\quad R = \big((m-1)\,o\big)^\theta",
        "k = 1, R = ((m-1) o)^theta",
    )
    root = sp.exp(_theta * (_s + _L) / 2)
    d.equal(
        "With o = e^s and L = log(m-1)",
        (r"\frac{o}{(1+o)^2}\frac{(R-1)^2}{R}", "o/(1+o)^2 (R-1)^2/R"),
        (sp.exp(_s) / (1 + sp.exp(_s)) ** 2 * (root - 1 / root) ** 2).rewrite(sp.exp),
        (sp.sinh(_theta * (_s + _L) / 2) / sp.cosh(_s / 2)).rewrite(sp.exp) ** 2,
        shown=(sp.sinh(_theta * (_s + _L) / 2) / sp.cosh(_s / 2)) ** 2,
    )
    slope = _theta / sp.tanh(_theta * (_s + _L) / 2) - sp.tanh(_s / 2)
    d.equal(
        "The logarithm of its root has the slope",
        (r"\tfrac{d}{ds}\log\frac{\sinh(\theta(s+L)/2)}{\cosh(s/2)}", "d log(...)/ds"),
        sp.diff(sp.log(sp.sinh(_theta * (_s + _L) / 2)) - sp.log(sp.cosh(_s / 2)), _s).rewrite(
            sp.exp
        ),
        (slope / 2).rewrite(sp.exp),
        shown=slope / 2,
    )
    d.given(
        "which falls from infinity at s = -L to (theta - 1)/2 < 0: there is one maximum, where it "
        "is 0. That is the constant, reached by (rho, 1, ..., 1) of any signs with "
        "rho^p = (m-1) e^s",
        r"c_p(m)^2 = 1 + \max_s \Big(\frac{\sinh(\theta(s+\log(m-1))/2)}{\cosh(s/2)}\Big)^2,\quad "
        r"\tanh\tfrac s2\,\tanh\tfrac{\theta(s+\log(m-1))}{2} = \theta",
        "c_p(m)^2 = 1 + max_s (sinh(theta(s + log(m-1))/2)/cosh(s/2))^2, at "
        "tanh(s/2) tanh(theta(s + log(m-1))/2) = theta",
    )


def _closed_forms(d: Derivation) -> None:
    g, M, a = sp.symbols("g M a", positive=True)
    value = g * (M * g - 1) ** 2 / (M * (1 + g**2) ** 2)
    d.equal(
        "p = 4 and p = 4/3: theta = 1/2, g^2 = o, M^2 = m - 1. The slope is 0 where",
        (r"\tfrac{d}{dg}\log\big(c^2-1\big)", "d log(c^2 - 1)/dg"),
        sp.diff(sp.log(value), g),
        -(M * g**3 - 3 * g**2 - 3 * M * g + 1) / (g * (M * g - 1) * (1 + g**2)),
    )
    triple = (3 * g - g**3) / (1 - 3 * g**2)
    d.equal(
        "For g = tan(a) the tangent of 3a is rational in g",
        (r"\tan 3a", "tan(3a)"),
        sp.expand_trig(sp.tan(3 * a)),
        triple.subs(g, sp.tan(a)),
    )
    d.equal(
        "and the slope vanishes where it is 1/M",
        (r"Mg^3 - 3g^2 - 3Mg + 1", "M g^3 - 3 g^2 - 3 M g + 1"),
        (M * g**3 - 3 * g**2 - 3 * M * g + 1).subs(M, 1 / triple),
        sp.Integer(0),
    )
    sine, b = 2 * g / (1 + g**2), sp.Symbol("b")
    d.equal(
        "There, with b = 2a, sin(b) = 2g/(1+g^2) and sin(3b) = 2M/(1+M^2),",
        (r"c^2 - 1", "c^2 - 1"),
        value.subs(M, 1 / triple),
        (sine**3 * (1 + M**2) / (2 * M)).subs(M, 1 / triple),
        shown=sp.sin(b) ** 3 / sp.sin(3 * b),
    )
    d.given(
        "The root with M g > 1 is 3a = pi + atan(1/M)",
        r"c_4(m)^2 = 1 + \frac{m\sin^3 b}{2\sqrt{m-1}},\quad "
        r"b = \tfrac23\Big(\pi + \arctan\tfrac{1}{\sqrt{m-1}}\Big)",
        "c_4(m)^2 = 1 + m sin(b)^3/(2 sqrt(m-1)), b = 2(pi + atan(1/sqrt(m-1)))/3",
    )
    d.equal(
        "p = 1 and p = inf: theta = 1, and the product grows with the odds to the supremum",
        (
            r"1 + \lim_{o\to\infty}\frac{o}{(1+o)^2}\frac{(R-1)^2}{R}",
            "1 + lim o(R-1)^2/((1+o)^2R)",
        ),
        1 + sp.limit(((m - 1) * _odds - 1) ** 2 / ((m - 1) * (1 + _odds) ** 2), _odds, sp.oo),
        m,
    )
    d.given("p = 2: theta = 0 and R = 1, so c_2(m) = 1", r"c_2(m) = 1", "c_2(m) = 1")


def _bound(d: Derivation) -> None:
    longest.power_steps(d)
    d.given(
        "At that t the product is 1 + kappa (m-1)^theta (1 - 1/R)^2: the ratio to the bound tends "
        "to 1 as m grows",
        r"c_p(m)^2 \le 1 + \kappa\,(m-1)^{|1-2/p|},\quad "
        r"\lim_{m\to\infty}\frac{c_p(m)^2}{\kappa\,(m-1)^{|1-2/p|}} = 1\ (p\ne2)",
        "c_p(m)^2 <= 1 + kappa (m-1)^|1-2/p|, with ratio -> 1 as m -> infinity for p not 2",
    )
