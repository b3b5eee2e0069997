"""Symbols and derivations for products of Gaussian matrices, for every number of factors.

X = X_1 ... X_M has independent N x N factors whose entries are independent N(0, 1/N), and singular
values s_1 >= ... >= s_N.
"""

from typing import Final

import sympy as sp

from bnproof.theory.proving.derivation import Derivation
from bnproof.theory.symbols import symbol

N = symbol("N", "N", "size of the matrices", integer=True, positive=True)
freedom = symbol("(N-k+1)", "(N-k+1)", "degrees of freedom of r_kk", integer=True, positive=True)
psi = symbol(
    "psi((N-k+1)/2)",
    r"\psi\left(\tfrac{N-k+1}{2}\right)",
    "digamma function at (N-k+1)/2: the logarithmic derivative of the gamma function",
)
log_r = symbol(
    "E log r_kk",
    r"\mathbb{E}\log r_{kk}",
    "mean logarithm of the k-th diagonal entry of a triangular factor",
)
kappa = symbol("kappa(X)", r"\kappa(X)", "condition number of the product", positive=True)
kappa_scaled = symbol(
    "kappa(c_1 X_1 ... c_M X_M)",
    r"\kappa(c_1X_1\cdots c_MX_M)",
    "condition number of the product of scaled factors",
    positive=True,
)
constant = symbol("c", "c", "product of the constants c_i", nonzero=True, real=True)
largest = symbol("s_1", "s_1", "largest singular value of the product", positive=True)
smallest = symbol(
    "s_N", "s_N", "smallest singular value of the product, which is invertible", positive=True
)

NEWMAN: Final = (
    "C. M. Newman, Commun. Math. Phys. 103 (1986) 121: for Gaussian factors log s_k/M tends almost "
    "surely to the mean of log r_kk"
)

EXPONENT: Final[sp.Expr] = (sp.log(2 / N) + psi) / 2


def triangular_steps(d: Derivation) -> None:
    """Derive E log r_kk of the QR chain of a product, for every M, from the chi-squared law."""
    t, u = sp.symbols("t u", positive=True)
    d.given(
        "Decompose from the right: X_M = Q_M R_M, X_i Q_(i+1) = Q_i R_i.  Q_(i+1) is independent "
        "of X_i, so that X_i Q_(i+1) has the law of X_i and the R_i are independent",
        r"X_1\cdots X_M = Q_1R_1R_2\cdots R_M",
        "X_1 ... X_M = Q_1 R_1 R_2 ... R_M",
    )
    d.given(
        "r_kk is the distance of a Gaussian column from the span of k-1 others: the square of its "
        "N-k+1 free coordinates, each of variance 1/N",
        r"N r_{kk}^2 \sim \chi^2_{N-k+1},\quad r_{kk}^2 = \tfrac2N u",
        "N r_kk^2 has the law chi-squared with N-k+1 degrees of freedom; r_kk^2 = 2u/N",
    )
    shape = freedom / 2
    moment = (2 / N) ** t * sp.gamma(shape + t) / sp.gamma(shape)
    weight = u ** (shape - 1) * sp.exp(-u) / sp.gamma(shape)
    d.equal(
        "Moments of every order t > 0",
        (r"\mathbb{E}\,r_{kk}^{2t}", "E r_kk^(2t)"),
        sp.integrate((2 * u / N) ** t * weight, (u, 0, sp.oo)),
        moment,
    )
    d.value(
        log_r,
        "Half the derivative of the logarithm of the moments at t = 0",
        (sp.diff(sp.log(moment), t).subs(t, 0) / 2).subs(sp.digamma(shape), psi),
        EXPONENT,
    )


def scaling_steps(d: Derivation) -> None:
    """Derive that scaling the factors multiplies all singular values by the same number."""
    d.given(
        "Constants can be taken out of a product, and singular values are absolutely homogeneous",
        r"s_k(c_1X_1\cdots c_MX_M) = |c|\,s_k(X),\quad c = c_1\cdots c_M \ne 0",
        "s_k(c_1 X_1 ... c_M X_M) = |c| s_k(X), c = c_1 ... c_M, not 0",
    )
    d.value(kappa, "By definition", largest / smallest, largest / smallest)
    d.value(
        kappa_scaled,
        "The constants cancel",
        sp.Abs(constant) * largest / (sp.Abs(constant) * smallest),
        largest / smallest,
    )
