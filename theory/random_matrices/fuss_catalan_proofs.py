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
    d.cite("One factor", MARCHENKO_PASTUR, r"S_1(z) = \frac{1}{1+z}")
    transform = (1 + z) ** (-M)
    d.equal("M factors", ("S(z)", "S(z)"), (1 / (1 + z)) ** M, transform)
    d.given(
        "psi(w) = B(w) - 1 = sum of w^k times moment k is inverse to w(z) = z S(z)/(1+z)",
        r"w(\psi) = \frac{\psi}{1+\psi}\,S(\psi)",
        "w(psi) = psi/(1+psi) S(psi)",
    )
    w = psi / (1 + psi) * transform.subs(z, psi)
    d.equal("So B = 1 + psi solves", ("B - w B^{M+1}", "B - w B^(M+1)"),
            1 + psi - w * (1 + psi) ** (M + 1), sp.Integer(1))  # fmt: skip


def parametrisation_steps(d: Derivation) -> None:
    """Derive x and density (5) in terms of u, a complex root of u = 1 + u**(M+1)/x."""
    d.given(
        "Take u as below, 0 < phi < pi/(M+1): both sines are positive, so 0 < arg u < pi",
        r"u = e^{i\varphi}\,\frac{\sin((M+1)\varphi)}{\sin(M\varphi)}",
        "u = e^(i phi) sin((M+1)phi)/sin(M phi)",
    )
    shifted = sp.exp(sp.I * (M + 1) * phi) * _SIN / _SIN_M
    _same(d, "Then", ("u - 1", "u - 1"), ROOT - 1, shifted)
    d.given(
        "u = 1 + u^(M+1)/x defines x, which turns out real",
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


def density_steps(d: Derivation) -> None:
    """Derive the root that the generating function takes on the support, and the density."""
    parametrisation_steps(d)
    d.equal(
        "Two roots of B = 1 + B^(M+1)/x meet where dx/dB = 0",
        (r"\frac{d\log x}{dB}", "d log x/dB"),
        sp.diff((M + 1) * sp.log(_B) - sp.log(_B - 1), _B),
        (M * _B - M - 1) / (_B * (_B - 1)),
    )
    d.given(
        "that is at x = 0 and at the right end, B = (M+1)/M, only.  Above the right end B is the "
        "root between 1 and (M+1)/M; there it meets u (phi = 0), so that on the support B is u or "
        "its conjugate.  G = B/x maps the upper half-plane to the lower: B(x+i0) is the conjugate "
        "of u, and the density -Im G/pi is positive; it is (5)",
        r"\rho_M(x) = -\tfrac1\pi\,\mathrm{Im}\,G(x+i0) = \frac{\mathrm{Im}\,u}{\pi x}",
        "rho = -Im G(x+i0)/pi = Im u/(pi x)",
    )
    d.value(rho, "", DENSITY.subs(x, POINT))


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
    d.given("Distribution function", f"F = {latex(cdf)}", f"F = {text(cdf)}")
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


def integral_steps(d: Derivation) -> None:
    """Derive the distribution function as an integral of (5) along the path of u."""
    parametrisation_steps(d)
    d.equal(
        "rho dx = Im u d(log x)/pi, and along the path",
        (r"u\,\frac{d\log x}{du}", "u d log x/du"),
        _B * sp.diff((M + 1) * sp.log(_B) - sp.log(_B - 1), _B),
        M - 1 / (_B - 1),
    )
    d.given(
        "so that rho dx is the differential of Im(M u - log(u-1))/pi; as phi -> 0, the right end, "
        "u tends to (M+1)/M with argument 0 of u - 1: there the imaginary part is 0 and F is 1",
        r"F_M(x) = 1 + \tfrac1\pi\,\mathrm{Im}\,(M u - \log(u-1))",
        "F(x) = 1 + Im(M u - log(u-1))/pi",
    )
    conjugate = ROOT.subs(sp.exp(sp.I * phi), sp.exp(-sp.I * phi))
    imaginary = _SIN_M1 * _SIN / _SIN_M
    _same(
        d,
        "Here",
        (r"\mathrm{Im}\,u", "Im u"),
        (ROOT - conjugate) / (2 * sp.I),
        imaginary,
    )
    d.value(
        law_cdf,
        "and u - 1 is e^(i(M+1)phi) times a positive number, of argument (M+1)phi < pi",
        1 + (M * imaginary - (M + 1) * phi) / sp.pi,
        CDF,
    )


def draw_steps(d: Derivation) -> None:
    """Derive the distribution of W**M x(U) for W and U independent and uniform."""
    slope_steps(d)
    d.given(
        "Given U = t the probability is 1 if x(t) <= x, that is t >= (M+1)phi, else (x/x(t))^(1/M)",
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
    d.given(
        "Integrate x^k rho = x^(k-1) Im u/pi by parts along u(phi), with x = u^(M+1)/(u-1); with "
        "its mirror image the path is a closed loop around u = 1",
        r"\int x^k\rho\,dx = \frac1k\,\mathrm{Res}_{u=1}\frac{u^{(M+1)k}}{(u-1)^k}"
        r" = \frac{1}{k!}\,\frac{d^{k-1}}{du^{k-1}}u^{(M+1)k}\Big|_{u=1}",
        "int x^k rho dx = (1/k!) (d/du)^(k-1) u^((M+1)k) at u = 1",
    )
    d.cite("The loop integral is 2 pi i times the residue", RESIDUES)
    for moment, order, value in ((law_first, 1, sp.Integer(1)), (law_second, 2, M + 1)):
        derived = sp.diff(_B ** ((M + 1) * order), _B, order - 1).subs(_B, 1)
        d.value(moment, f"k = {order}", derived / sp.factorial(order), value)
