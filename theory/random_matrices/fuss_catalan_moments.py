"""Derivations of moments, log-moments, entropy and edge behaviour of the Fuss-Catalan law.

Each function adds steps for symbolic M to a derivation, for use by the claims.  The
parametrisation by ``phi`` and ``u`` and the distribution function come from
`bnproof.theory.random_matrices.fuss_catalan_proofs`.
"""

from typing import Final

import sympy as sp

from bnproof.theory.proving.derivation import Derivation
from bnproof.theory.random_matrices import fuss_catalan_proofs as law
from bnproof.theory.symbols import M, phi, symbol

EULER: Final = "L. Euler: the beta integral B(a, b) = Gamma(a) Gamma(b)/Gamma(a+b), a, b > 0"
CONTINUATION: Final = "the identity theorem: analytic functions that agree on an interval agree"

k = symbol("k", "k", "order of a moment, above -1/(M+1)")
law_moment = symbol("E x^k", r"\int x^k\rho_M(x)\,dx", "moment of order k", nonnegative=True)
log_moment = symbol("log E x^k", r"\log\int x^k\rho_M(x)\,dx", "log of the moment of order k")
log_gamma_top = symbol(
    "log Gamma((M+1)k+1)", r"\log\Gamma((M+1)k+1)", "logarithm of Euler's function at (M+1)k+1"
)
log_gamma_order = symbol(
    "log Gamma(k+1)", r"\log\Gamma(k+1)", "logarithm of Euler's function at k+1"
)
log_gamma_rest = symbol(
    "log Gamma(Mk+2)", r"\log\Gamma(Mk+2)", "logarithm of Euler's function at Mk+2"
)
log_mean = symbol("E log x", r"\mathbb{E}\log x", "mean of log x")
log_variance = symbol("Var log x", r"\mathrm{Var}\log x", "variance of log x", nonnegative=True)
entropy = symbol(
    "-E log(2pi rho)",
    r"-\mathbb{E}\log(2\pi\rho_M(x))",
    "differential entropy of the law, less log 2 pi",
)
clausen = symbol(
    "Cl_2(2pi/(M+1))", r"\mathrm{Cl}_2(\tfrac{2\pi}{M+1})", "Clausen's function at 2 pi/(M+1)"
)
origin_exponent = symbol(
    "lim log rho/log x", r"\lim_{x\to0}\frac{\log\rho_M}{\log x}", "exponent of rho at 0"
)
origin_constant = symbol(
    "lim x^(M/(M+1)) rho",
    r"\lim_{x\to0}x^{M/(M+1)}\rho_M(x)",
    "coefficient of the power of x at 0",
    nonnegative=True,
)
edge_constant = symbol(
    "lim x_max rho/sqrt(1-x/x_max)",
    r"\lim_{x\to x_{\max}}\frac{x_{\max}\,\rho_M(x)}{\sqrt{1-x/x_{\max}}}",
    "coefficient of the square root at the right end",
    nonnegative=True,
)
edge_growth = symbol(
    "lim x_max/M", r"\lim_{M\to\infty}\frac{x_{\max}}{M}", "growth of the end", positive=True
)

MOMENT: Final[sp.Expr] = sp.gamma((M + 1) * k + 1) / (sp.gamma(k + 1) * sp.gamma(M * k + 2))
_LOGS: Final = {
    log_gamma_top: sp.loggamma((M + 1) * k + 1),
    log_gamma_order: sp.loggamma(k + 1),
    log_gamma_rest: sp.loggamma(M * k + 2),
}
LOG_MOMENT: Final[sp.Expr] = log_gamma_top - log_gamma_order - log_gamma_rest
_CUMULANTS: Final[sp.Expr] = LOG_MOMENT.subs(_LOGS)
ENTROPY: Final[sp.Expr] = -M + (M + 1) ** 2 / (2 * sp.pi * M) * clausen
# pi x rho: the imaginary part of u
_WEIGHT: Final[sp.Expr] = sp.sin(phi) * sp.sin((M + 1) * phi) / sp.sin(M * phi)


def moment_steps(d: Derivation) -> None:
    """Derive E x**k for real k > -1/(M+1), by an integral over the real axis."""
    law.loop_steps(d, k)
    d.cite(
        "Take 0 < k < 1. x^k is analytic above the real axis, so that the path from 0 to (M+1)/M "
        "may be laid along it; on (0, 1) the argument of u - 1 is pi, beyond 1 all is real",
        law.RESIDUES,
        r"\int x^k\rho_M\,dx = -\frac{\mathrm{Im}\,e^{-i\pi k}}{\pi k}"
        r"\int_0^1u^{(M+1)k}(1-u)^{-k}\,du",
        "int x^k rho dx = -Im e^(-i pi k)/(pi k) int_0^1 u^((M+1)k) (1-u)^(-k) du",
    )
    order = sp.Symbol("k", real=True)
    d.equal(
        "Here",
        (r"-\mathrm{Im}\,e^{-i\pi k}", "-Im e^(-i pi k)"),
        -sp.im(sp.exp(-sp.I * sp.pi * order)),
        sp.sin(sp.pi * order),
    )
    d.cite("and the integral is a beta integral, a = (M+1)k+1 and b = 1-k", EULER)
    reflected = sp.pi * k / (sp.sin(sp.pi * k) * sp.gamma(1 + k))
    d.equal(
        "Euler's reflection gives",
        (r"\Gamma(1-k)", "Gamma(1-k)"),
        sp.gammasimp(sp.gamma(1 - k) * sp.gamma(1 + k)) / sp.gamma(1 + k),
        reflected,
    )
    d.value(
        law_moment,
        "so that the integral is",
        sp.sin(sp.pi * k) / (sp.pi * k) * sp.gamma((M + 1) * k + 1) * reflected
        / sp.gamma((M + 1) * k + 1 + (1 - k)),
        MOMENT,
    )  # fmt: skip
    d.cite("Both sides are analytic for Re k > -1/(M+1)", CONTINUATION)
    d.equal(
        "Its logarithm and the sum that follows have the same derivative in k",
        (r"\log\int x^k\rho_M\,dx", "log E x^k"),
        sp.simplify(sp.diff(_CUMULANTS - sp.log(MOMENT), k)),
        sp.Integer(0),
        LOG_MOMENT,
    )
    d.equal(
        "and the same value at k = 0",
        (r"\log\int x^0\rho_M\,dx", "log E x^0"),
        sp.log(MOMENT.subs(k, 0)),
        _CUMULANTS.subs(k, 0),
    )
    d.value(log_moment, "", LOG_MOMENT)
    j = sp.Symbol("j", integer=True, positive=True)
    d.equal(
        "For k = j, an integer, it is a Fuss-Catalan number",
        (r"\int x^j\rho_M\,dx", "int x^j rho dx"),
        MOMENT.subs(k, j),
        (sp.binomial((M + 1) * j, j) / (M * j + 1)).rewrite(sp.gamma),
        sp.binomial((M + 1) * j, j) / (M * j + 1),
    )
    derivative = (sp.ff((M + 1) * j, j - 1) / sp.factorial(j)).rewrite(sp.gamma)
    d.equal(
        "and so by residues: the loop around u = 1 gives the derivative of order j - 1 of "
        "u^((M+1)j) at 1 over j!",
        (r"\frac{1}{j!}\,(M+1)j\,((M+1)j-1)\cdots(Mj+2)", "ff((M+1)j, j-1)/j!"),
        sp.gammasimp(derivative / MOMENT.subs(k, j)),
        sp.Integer(1),
        sp.binomial((M + 1) * j, j) / (M * j + 1),
    )


def log_moment_steps(d: Derivation) -> None:
    """Derive mean and variance of log x, the first two derivatives of log E x**k at k = 0."""
    moment_steps(d)
    d.define(
        "Cumulants of log x are its derivatives at k = 0",
        r"\kappa_j = \frac{d^j}{dk^j}\log\int x^k\rho_M\,dx\Big|_{k=0}",
        "kappa_j = (d/dk)^j log E x^k at k = 0",
    )
    d.value(log_mean, "The first", sp.diff(_CUMULANTS, k).subs(k, 0), -M)
    d.value(
        log_variance,
        "The second",
        sp.diff(_CUMULANTS, k, 2).subs(k, 0),
        M**2 + M * sp.pi**2 / 3,
    )


def entropy_steps(d: Derivation) -> None:
    """Derive the entropy E log x - E log(x rho), the second term by parts with the cdf."""
    log_moment_steps(d)
    d.equal(
        "With w = pi x rho the mass above x is",
        (r"1-F_M", "1 - F"),
        1 - law.CDF,
        ((M + 1) * phi - M * _WEIGHT) / sp.pi,
    )
    for words, end in (("w vanishes at the right end", 0), ("and at x = 0", sp.pi / (M + 1))):
        d.equal(words, ("w", "w"), sp.limit(_WEIGHT, phi, 0) if end == 0 else
                _WEIGHT.subs(phi, end), sp.Integer(0))  # fmt: skip
    w = sp.Symbol("w", positive=True)
    d.equal(
        "The integral of log(w) dw is w log w - w",
        (r"\tfrac{d}{dw}(w\log w - w)", "d(w log w - w)/dw"),
        sp.diff(w * sp.log(w) - w, w),
        sp.log(w),
    )
    d.equal(
        "which is 0 at both ends, where w is 0",
        (r"\lim_{w\to0}(w\log w - w)", "lim w log w - w"),
        sp.limit(w * sp.log(w) - w, w, 0),
        sp.Integer(0),
    )
    sines = [sp.Symbol(f"sin({angle})", positive=True) for angle in ("phi", "(M+1)phi", "M phi")]
    d.define(
        "E log w is its integral over F, where dF = (M dw - (M+1) dphi)/pi; of the part with dw "
        "nothing is left",
        r"\mathbb{E}\log w = \frac{M+1}{\pi}\int_0^{\pi/(M+1)}\log w\,d\varphi",
        "E log w = (M+1)/pi int_0^(pi/(M+1)) log w dphi",
    )
    d.equal(
        "Its logarithm is a sum of three",
        (r"\log w", "log w"),
        sp.expand_log(sp.log(sines[0] * sines[1] / sines[2])),
        sp.log(sines[0]) + sp.log(sines[1]) - sp.log(sines[2]),
    )
    d.define(
        "Clausen's function, odd and of period 2 pi",
        r"\mathrm{Cl}_2(a) = -\int_0^a\log\big|2\sin\tfrac y2\big|\,dy",
        "Cl_2(a) = -int_0^a log |2 sin(y/2)| dy",
    )
    a = sp.Symbol("a", positive=True)
    sine = sp.Symbol("sin(a)", positive=True)
    d.equal(
        "so that the integral of log sin y from 0 to a is -a log 2 - Cl_2(2a)/2: its derivative",
        (
            r"\tfrac{d}{da}\big(-a\log2 - \tfrac12\mathrm{Cl}_2(2a)\big)",
            "d(-a log 2 - Cl_2(2a)/2)/da",
        ),
        sp.diff(-a * sp.log(2), a) + sp.expand_log(sp.log(2 * sine)),
        sp.log(sine),
        shown=sp.log(sp.sin(a)),
    )
    end = sp.pi / (M + 1)

    def integral(angle: sp.Expr, value: sp.Expr) -> sp.Expr:
        return -angle * sp.log(2) - value / 2

    d.equal("2 M pi/(M+1) is 2 pi less", ("2 pi/(M+1)", "2 pi/(M+1)"), 2 * sp.pi - 2 * M * end,
            2 * end)  # fmt: skip
    total = (
        integral(end, clausen)
        + integral(sp.pi, sp.Integer(0)) / (M + 1)
        - integral(M * end, -clausen) / M
    )
    mean_log_weight = -sp.log(2) - (M + 1) ** 2 / (2 * sp.pi * M) * clausen
    d.equal("so", (r"\mathbb{E}\log w", "E log w"), (M + 1) / sp.pi * total, mean_log_weight)
    d.value(
        entropy,
        "rho = w/(pi x): -E log(2pi rho) = E log x - log 2 - E log w",
        d.values[log_mean] - sp.log(2) - mean_log_weight,
        ENTROPY,
    )


def origin_steps(d: Derivation) -> None:
    """Derive exponent and coefficient of the power law of (5) at 0."""
    delta = sp.Symbol("delta", positive=True)
    end = sp.Symbol("alpha", positive=True)
    law.parametrisation_steps(d)
    d.define(
        "Near x = 0 put phi = alpha - delta/(M+1), alpha = pi/(M+1), delta -> 0",
        r"\varphi = \frac{\pi-\delta}{M+1}",
        "phi = (pi - delta)/(M+1)",
    )
    d.equal("sin((M+1)phi) = sin(delta)", (r"\lim\sin(\delta)/\delta", "lim sin(delta)/delta"),
            sp.limit(sp.sin(sp.pi - delta) / delta, delta, 0), sp.Integer(1))  # fmt: skip
    # At the end M phi = pi - phi; alpha stands for phi there.
    sine, cotangent = sp.sin(end), sp.cot(end)
    sine_m, cotangent_m = sp.sin(sp.pi - end), sp.cot(sp.pi - end)
    d.equal("There M phi = pi - alpha, so that x over delta^(M+1) tends to",
            (r"\lim x/\delta^{M+1}", "lim x/delta^(M+1)"),
            sp.powsimp(1 / (sine * sine_m**M)), sine ** (-M - 1))  # fmt: skip
    d.equal("and x rho over delta to", (r"\lim x\rho/\delta", "lim x rho/delta"),
            sine / (sp.pi * sine_m), 1 / sp.pi)  # fmt: skip
    slope = (cotangent - M * cotangent_m) ** 2 + (M + 1) ** 2
    d.value(
        origin_exponent,
        "d log(x rho)/d log x, numerator and denominator times sin((M+1)phi), less 1 for x",
        (M + 1) * sp.cos(sp.pi) / (-slope * sine * sine_m) - 1,
        -M / (M + 1),
    )
    size = sp.Symbol("sin(alpha)", positive=True)
    limits = (size / (sp.pi * size)) * (size ** (-M - 1)) ** (-1 / (M + 1))
    d.value(
        origin_constant,
        "x rho/delta times the power -1/(M+1) of x/delta^(M+1)",
        limits.subs(size, sp.sin(sp.pi / (M + 1))),
        sp.sin(sp.pi / (M + 1)) / sp.pi,
    )


def edge_steps(d: Derivation) -> None:
    """Derive the square-root law of (5) at the right end, and how the end grows with M."""
    law.parametrisation_steps(d)
    a = sp.Symbol("a", positive=True)
    d.equal(
        "As phi -> 0",
        (r"\log\frac{\sin a\varphi}{a\varphi}", "log(sin(a phi)/(a phi))"),
        sp.limit(sp.log(sp.sin(a * phi) / (a * phi)) / phi**2, phi, 0) * phi**2,
        -(a**2) * phi**2 / 6,
    )
    second = -((M + 1) * (M + 1) ** 2 - 1 - M * M**2) / 6
    d.equal("so that 1 - x/x_max is, to leading order", ("1-x/x_{max}", "1 - x/x_max"),
            -second * phi**2, M * (M + 1) / 2 * phi**2)  # fmt: skip
    leading = sp.limit(_WEIGHT / phi, phi, 0) / sp.pi
    d.equal("and x rho", (r"x\rho", "x rho"), leading * phi, (M + 1) / (sp.pi * M) * phi)
    d.value(
        edge_constant,
        "Their ratio, with the root of the first",
        leading / sp.sqrt(-second),
        sp.sqrt(2 * (M + 1) / M**3) / sp.pi,
    )
    size = sp.Symbol("r", positive=True)
    d.value(
        edge_growth,
        "x_max/M = (1 + 1/M)^(M+1)",
        sp.limit((1 + 1 / size) ** (size + 1), size, sp.oo),
        sp.E,
    )
