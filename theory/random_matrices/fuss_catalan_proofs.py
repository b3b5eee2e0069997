"""Derivations of the Fuss-Catalan law for symbolic M, used by the claims.

The sines of ``phi``, ``M phi`` and ``(M+1) phi`` are rational functions of ``q = e^(i phi)`` and
``Q = q**M``, so that each step is an identity of rational functions.  For numbers to any precision
and the sources of the law see `bnproof.theory.random_matrices.fuss_catalan`.
"""

from typing import Final

import sympy as sp

from bnproof.theory.proving.derivation import Derivation
from bnproof.theory.symbols import M, latex, law_first, law_second, phi, rho, symbol, text, x

FREENESS: Final = (
    "D. Voiculescu (1991): independent Gaussian matrices are asymptotically free; (1987): the "
    "S-transform of a product of free variables is the product of their S-transforms"
)
MARCHENKO_PASTUR: Final = (
    "V. A. Marchenko and L. A. Pastur (1967): the law of X_i'X_i for square X_i, whose "
    "S-transform is 1/(1+z)"
)
RESIDUES: Final = "A. L. Cauchy (1825): the residue theorem"
INVERSION: Final = (
    "J. L. Lagrange (1770): if B = 1 + w f(B), the coefficient of w^j in B is 1/j times that of "
    "b^(j-1) in f(1+b)^j"
)
DETERMINED: Final = (
    "F. Hausdorff (1921): a law on a bounded interval is determined by its moments, and laws on "
    "it converge if their moments do"
)

# Quantities that the claims are about.
real = symbol("M (real)", "M", "any real number in place of the number of factors", positive=True)
law_mass = symbol("F(x_max) - F(0)", r"\int\rho_M(x)\,dx", "total mass of (5)", nonnegative=True)
draw_cdf = symbol(
    "P(W^M x(U) <= x)",
    r"\mathbb{P}(W^M x(U) \le x)",
    "probability of W^M x(U) <= x, W uniform on (0, 1), U = (M+1)phi uniform on (0, pi)",
    nonnegative=True,
)
law_cdf = symbol("F(x)", "F_M(x)", "mass of (5) at or below x = x(phi)", nonnegative=True)

# The sines of (5), and the point x that belongs to phi.
_SIN, _SIN_M, _SIN_M1 = sp.sin(phi), sp.sin(M * phi), sp.sin((M + 1) * phi)
POINT: Final[sp.Expr] = _SIN_M1 ** (M + 1) / (_SIN * _SIN_M**M)
DENSITY: Final[sp.Expr] = _SIN_M1 * _SIN / (sp.pi * x * _SIN_M)
CDF: Final[sp.Expr] = 1 - ((M + 1) * phi - M * _SIN_M1 * _SIN / _SIN_M) / sp.pi
ANGLES: Final[sp.Basic] = phi < sp.pi / (M + 1)

_q, _Q, _B = sp.symbols("q Q B")
# The root of B = 1 + B**(M+1)/x in the upper half-plane, for x on the support.
ROOT: Final[sp.Expr] = sp.exp(sp.I * phi) * _SIN_M1 / _SIN_M

# d(log x)/d phi
_SLOPE: Final[sp.Expr] = sp.diff((M + 1) * sp.log(_SIN_M1) - sp.log(_SIN) - M * sp.log(_SIN_M), phi)


def rational(expr: sp.Expr, factors: sp.Symbol = M) -> sp.Expr:
    """Rewrite sines and exponentials of phi, M phi, (M+1) phi as a rational function of q and Q.

    q = e^(i phi) and Q = e^(i M phi) are treated as independent, so two expressions with equal
    forms are equal for all phi and all real M.
    """
    powers = expr.rewrite(sp.exp).replace(
        lambda part: isinstance(part, sp.exp), lambda part: _monomial(part.args[0], factors)
    )
    return sp.cancel(sp.together(powers))


def _monomial(exponent: sp.Expr, factors: sp.Symbol) -> sp.Expr:
    """e^(i(a + bM)phi) as q**a Q**b."""
    linear = sp.Poly(sp.expand(exponent / (sp.I * phi)), factors)
    a, b = linear.coeff_monomial(1), linear.coeff_monomial(factors)
    if linear.degree() > 1 or not (a.is_Integer and b.is_Integer):
        raise ValueError(f"exponent {exponent} is not i(a + bM)phi with integers a, b")
    return _q**a * _Q**b


def _same(
    d: Derivation,
    words: str,
    name: tuple[str, str],
    left: sp.Expr,
    right: sp.Expr,
    factors: sp.Symbol = M,
) -> None:
    left, right = left.subs(M, factors), right.subs(M, factors)
    d.equal(words, name, rational(left, factors), rational(right, factors), right)


def equation_steps(d: Derivation) -> None:
    """Derive the equation B = 1 + w B**(M+1) of the generating function from free probability."""
    z = sp.Symbol("z", positive=True)
    psi = sp.Symbol("psi", positive=True)
    d.cite("The factors are asymptotically free, and S-transforms multiply", FREENESS)
    d.cite("One factor", MARCHENKO_PASTUR, r"S_1(z) = \frac{1}{1+z}", "S_1(z) = 1/(1+z)")
    transform = (1 + z) ** (-M)
    d.equal("M factors", ("S(z)", "S(z)"), (1 / (1 + z)) ** M, transform)
    d.define(
        "The S-transform is defined by the inverse function w of psi(w) = B(w) - 1, the sum of "
        "w^k times moment k",
        r"w(\psi) = \frac{\psi}{1+\psi}\,S(\psi)",
        "w(psi) = psi/(1+psi) S(psi)",
    )
    w = psi / (1 + psi) * transform.subs(z, psi)
    d.equal("So B = 1 + psi solves", ("B - w B^{M+1}", "B - w B^(M+1)"),
            1 + psi - w * (1 + psi) ** (M + 1), sp.Integer(1))  # fmt: skip


def parametrisation_steps(d: Derivation) -> None:
    """Derive x and density (5) in terms of u, a complex root of u = 1 + u**(M+1)/x."""
    d.define(
        "For 0 < phi < pi/(M+1), where phi, M phi and (M+1)phi lie between 0 and pi, let",
        r"u = e^{i\varphi}\,\frac{\sin((M+1)\varphi)}{\sin(M\varphi)}",
        "u = e^(i phi) sin((M+1)phi)/sin(M phi)",
    )
    shifted = sp.exp(sp.I * (M + 1) * phi) * _SIN / _SIN_M
    _same(d, "Then", ("u - 1", "u - 1"), ROOT - 1, shifted)
    d.define(
        "and let x be the number for which u = 1 + u^(M+1)/x",
        r"x = \frac{u^{M+1}}{u-1}",
        "x = u^(M+1)/(u-1)",
    )
    d.value(x, "The phases cancel", sp.powsimp(ROOT ** (M + 1) / shifted), POINT)
    slope_steps(d)
    conjugate = ROOT.subs(sp.exp(sp.I * phi), sp.exp(-sp.I * phi))
    _same(
        d,
        "and (5) is",
        (r"\frac{\mathrm{Im}\,u}{\pi x}", "Im u/(pi x)"),
        (ROOT - conjugate) / (2 * sp.pi * sp.I * x),
        DENSITY,
    )


def loop_steps(d: Derivation, order: sp.Symbol) -> None:
    """Derive the moments of (5) as integrals over the path of u, by parts."""
    moved, height = (sp.Function(name)(phi) for name in ("x", "v"))
    d.define(
        "The moment of order k is the integral of x^k rho = x^(k-1) Im u/pi over x",
        r"\int x^k\rho\,dx = \tfrac1\pi\int x^{k-1}\,\mathrm{Im}\,u\,dx",
        "int x^k rho dx = int x^(k-1) Im u dx/pi",
    )
    d.equal(
        "By parts, with v = Im u: up to the ends it is -Im(int x^k du)/(pi k)",
        (r"\tfrac{d}{d\varphi}(x^kv) - x^kv'", "d(x^k v)/dphi - x^k v'"),
        sp.diff(moved**order * height, phi) - moved**order * sp.diff(height, phi),
        order * moved ** (order - 1) * height * sp.diff(moved, phi),
    )
    weight = _SIN_M1 * _SIN / _SIN_M
    for words, value in (
        ("At the right end Im u is 0", sp.limit(weight, phi, 0)),
        ("and at x = 0, for k > 0, x^k Im u as well", weight.subs(phi, sp.pi / (M + 1))),
    ):
        d.equal(words, (r"\mathrm{Im}\,u", "Im u"), value, sp.Integer(0))


def density_steps(d: Derivation) -> None:
    """Derive the density: (5) has the moments that the equation of B prescribes."""
    parametrisation_steps(d)
    j = sp.Symbol("j", integer=True, positive=True)
    d.cite(
        "The equation B = 1 + w B^(M+1) determines all moments, the coefficients of B",
        INVERSION,
        r"m_j = \tfrac1j\tbinom{(M+1)j}{j-1}",
        "m_j = binomial((M+1)j, j-1)/j",
    )
    loop_steps(d, j)
    d.cite(
        "With its mirror image the path of u is a loop around u = 1, where x^j has a pole of order "
        "j: the moment is 1/j times the residue, the derivative of order j - 1 of u^((M+1)j) at 1 "
        "over (j-1)!",
        RESIDUES,
        r"\int x^j\rho\,dx = \frac{1}{j!}\,\frac{d^{j-1}}{du^{j-1}}u^{(M+1)j}\Big|_{u=1}",
        "int x^j rho dx = (1/j!) (d/du)^(j-1) u^((M+1)j) at u = 1",
    )
    derivative = (sp.ff((M + 1) * j, j - 1) / sp.factorial(j)).rewrite(sp.gamma)
    prescribed = (sp.binomial((M + 1) * j, j - 1) / j).rewrite(sp.gamma)
    d.equal(
        "These are the moments m_j, for every j",
        (r"\int x^j\rho\,dx\,/\,m_j", "int x^j rho dx / m_j"),
        sp.gammasimp(derivative / prescribed),
        sp.Integer(1),
    )
    d.cite(
        "So the limiting law is (5), on the interval from 0 to the right end; of the roots of the "
        "equation none need be chosen",
        DETERMINED,
        r"\rho_M(x) = \frac{\mathrm{Im}\,u}{\pi x}",
        "rho = Im u/(pi x)",
    )
    d.value(rho, "", DENSITY.subs(x, POINT))


def define_angles(d: Derivation) -> None:
    """Define the range of phi for a real number M of factors."""
    d.define(
        "For real M > 0 let phi run from 0 to pi/(M+1): phi, M phi and (M+1)phi lie between 0 and "
        "pi, where sines are positive",
        r"0 < \varphi,\ M\varphi,\ (M+1)\varphi < \pi",
        "0 < phi, M phi, (M+1)phi < pi",
    )


def slope_steps(d: Derivation, factors: sp.Symbol = M) -> None:
    """Check that x is a strictly decreasing function of phi."""
    _same(
        d,
        "x falls from the right end to 0 as phi grows: (d/dphi) log x is minus a sum of squares "
        "over a positive number",
        (r"\frac{d}{d\varphi}\log x", "d log x/d phi"),
        _SLOPE,
        -((sp.cot(phi) - M * sp.cot(M * phi)) ** 2 + (M + 1) ** 2) * _SIN * _SIN_M / _SIN_M1,
        factors,
    )


def mass_steps(d: Derivation, factors: sp.Symbol = M) -> None:
    """Check that (5) is the derivative of a distribution function that runs from 0 to 1."""
    cdf = CDF.subs(M, factors)
    d.define("Let F be the function", f"F = {latex(cdf)}", f"F = {text(cdf)}")
    _same(
        d,
        "dF/dphi = rho dx/dphi",
        (r"\frac{dF}{d\varphi}", "dF/dphi"),
        sp.diff(CDF, phi),
        DENSITY * x * _SLOPE,
        factors,
    )
    left, right = cdf.subs(phi, sp.pi / (factors + 1)), sp.limit(cdf, phi, 0)
    d.equal("At x = 0", (r"F(0)", "F(0)"), left, sp.Integer(0))
    d.equal("At the right end", (r"F(x_{\max})", "F(x_max)"), right, sp.Integer(1))


def cdf_steps(d: Derivation) -> None:
    """Derive the distribution function: the antiderivative of (5) that is 0 at x = 0."""
    parametrisation_steps(d)
    d.define(
        "F is the integral of (5) from 0 to x: the one function with F(0) = 0 and",
        r"\frac{dF}{d\varphi} = \rho\,\frac{dx}{d\varphi}",
        "dF/dphi = rho dx/dphi",
    )
    mass_steps(d)
    conjugate = ROOT.subs(sp.exp(sp.I * phi), sp.exp(-sp.I * phi))
    imaginary = _SIN_M1 * _SIN / _SIN_M
    _same(
        d,
        "In terms of u",
        (r"\mathrm{Im}\,u", "Im u"),
        (ROOT - conjugate) / (2 * sp.I),
        imaginary,
    )
    d.value(
        law_cdf,
        "and u - 1 is e^(i(M+1)phi) times a positive number, so that F = 1 + Im(M u - log(u-1))/pi",
        1 + (M * imaginary - (M + 1) * phi) / sp.pi,
        CDF,
    )


def draw_steps(d: Derivation) -> None:
    """Derive the distribution of W**M x(U) for W and U independent and uniform."""
    slope_steps(d)
    d.define(
        "W is at most (x/x(t))^(1/M) with this probability, or 1 if x(t) <= x, that is t >= "
        "(M+1)phi; the mean over t is the probability of W^M x(U) <= x",
        r"\mathbb{P} = \frac{\pi-(M+1)\varphi}{\pi}"
        r"+\frac{x^{1/M}}{\pi}\int_0^{(M+1)\varphi}x(t)^{-1/M}\,dt",
        "P = (pi-(M+1)phi)/pi + x^(1/M)/pi int_0^((M+1)phi) x(t)^(-1/M) dt",
    )
    weight = _SIN_M1 * _SIN / _SIN_M
    _same(
        d,
        "With w = sin((M+1)phi) sin(phi)/sin(M phi), x^(-1/M) is the derivative of M w x^(-1/M)",
        (r"x^{1/M}\frac{d}{dt}\bigl(Mw\,x^{-1/M}\bigr)", "x^(1/M) d/dt (M w x^(-1/M))"),
        (M * sp.diff(weight, phi) - weight * _SLOPE) / (M + 1),
        sp.Integer(1),
    )
    d.equal("and w is 0 at t = 0", ("w", "w"), sp.limit(weight, phi, 0), sp.Integer(0))
    d.value(
        draw_cdf,
        "So the integral is M w x^(-1/M), and",
        (sp.pi - (M + 1) * phi) / sp.pi + M * weight / sp.pi,
        CDF,
    )


def moment_steps(d: Derivation) -> None:
    """Derive first and second moment of (5) for symbolic M by residues."""
    loop_steps(d, sp.Symbol("k", integer=True, positive=True))
    d.cite(
        "With its mirror image the path of u is a loop around u = 1: the moment is 1/k times the "
        "residue of x^k = u^((M+1)k)/(u-1)^k",
        RESIDUES,
        r"\int x^k\rho\,dx = \frac{1}{k!}\,\frac{d^{k-1}}{du^{k-1}}u^{(M+1)k}\Big|_{u=1}",
        "int x^k rho dx = (1/k!) (d/du)^(k-1) u^((M+1)k) at u = 1",
    )
    for moment, order, value in ((law_first, 1, sp.Integer(1)), (law_second, 2, M + 1)):
        derived = sp.diff(_B ** ((M + 1) * order), _B, order - 1).subs(_B, 1)
        d.value(moment, f"k = {order}", derived / sp.factorial(order), value)
