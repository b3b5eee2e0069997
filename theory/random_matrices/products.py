"""Symbols and derivations for products of Gaussian matrices, for every number of factors.

X = X_1 ... X_M has independent N x N factors whose entries are independent N(0, 1/N), and singular
values s_1 >= ... >= s_N.
"""

from typing import Final

import sympy as sp
from sympy.concrete.delta import deltasummation

from bnproof.theory.proving.derivation import Derivation
from bnproof.theory.proving.gram import Space
from bnproof.theory.symbols import M, sv_second, symbol

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


BARTLETT: Final = (
    "M. S. Bartlett (1933); R. J. Muirhead, Aspects of Multivariate Statistical Theory (1982), "
    "Theorem 3.2.14: in X = QR, X of independent normal entries, the r_kk are independent with "
    "chi-squared squares of N-k+1 degrees of freedom, and Q X has the law of X for orthogonal Q"
)


def mean_steps(d: Derivation) -> None:
    """Derive E tr(X'X)/N by induction over the factors: each multiplies it by its sigma_i^2."""
    i, p, j, k = sp.symbols("i p j k", integer=True, positive=True)
    variance = sp.Symbol("sigma_i^2")
    entries, trace = sp.IndexedBase("A"), sp.Symbol("tr A")
    d.define(
        "Y has independent entries of mean 0 and variance sigma_i^2/N and is independent of A",
        r"\mathbb{E}\,Y_{jp}Y_{kq} = \frac{\sigma_i^2}{N}\,\delta_{jk}\delta_{pq},\quad "
        r"\mathrm{tr}\,A = \sum_j A_{jj}",
        "E Y_jp Y_kq = sigma_i^2/N delta_jk delta_pq, tr A = sum_j A_jj",
    )
    pairs = sp.KroneckerDelta(j, k) * entries[j, k]
    d.equal(
        "A sum over j and k keeps the diagonal of A",
        (r"\textstyle\sum_k A_{jk}\delta_{jk}", "sum_k A_jk delta_jk"),
        deltasummation(pairs, (k, 1, N), no_piecewise=True),
        entries[j, j],
    )
    d.equal(
        "so that a factor multiplies the trace by its sigma_i^2",
        (r"\mathbb{E}\,\mathrm{tr}(Y^\top A Y)/\mathrm{tr}\,A", "E tr(Y'AY)/tr A"),
        sp.Sum(variance * trace / N, (p, 1, N)).doit() / trace,
        variance,
    )
    d.equal(
        "Start with A = 1",
        (r"\tfrac1N\mathrm{tr}\,1", "tr(1)/N"),
        sp.Sum(1, (p, 1, N)).doit() / N,
        sp.Integer(1),
    )
    d.value(
        sv_second,
        "M factors, each sigma_i = 1",
        sp.Product(variance.subs(variance, 1), (i, 1, M)).doit(),
        sp.Integer(1),
    )


def triangular_steps(d: Derivation) -> None:
    """Derive E log r_kk of the QR chain of a product, for every M, from the chi-squared law."""
    t, u = sp.symbols("t u", positive=True)
    d.define(
        "Decompose from the right: X_M = Q_M R_M, X_i Q_(i+1) = Q_i R_i, each R_i upper triangular",
        r"X_1\cdots X_M = Q_1R_1R_2\cdots R_M",
        "X_1 ... X_M = Q_1 R_1 R_2 ... R_M",
    )
    d.cite(
        "X_i Q_(i+1) has the law of X_i, so that the R_i are independent, and r_kk is the length "
        "of N-k+1 independent coordinates of variance 1/N",
        BARTLETT,
        r"N r_{kk}^2 \sim \chi^2_{N-k+1},\quad r_{kk}^2 = \tfrac2N u",
        "N r_kk^2 is chi-squared with N-k+1 degrees of freedom, r_kk^2 = 2u/N",
    )
    d.define(
        "u = N r_kk^2/2 has the density of the gamma law of shape a = (N-k+1)/2",
        r"\frac{u^{a-1}e^{-u}}{\Gamma(a)}",
        "u^(a-1) e^(-u)/Gamma(a)",
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
    size = sp.Symbol("|Xv|^2", nonnegative=True)
    image = Space({("Xv", "Xv"): size}).vector("Xv")
    d.define(
        "s_1 and s_N are the largest and the least |Xv| over unit vectors v, X = X_1 ... X_M; a "
        "product is linear in each factor",
        r"c_1X_1\cdots c_MX_M\,v = c\,Xv,\quad c = c_1\cdots c_M \ne 0",
        "c_1 X_1 ... c_M X_M v = c X v, c = c_1 ... c_M, not 0",
    )
    scaled = image * constant
    d.equal(
        "So every |Xv|, hence the largest and the least, is multiplied by |c|",
        (r"\|c\,Xv\|", "|c X v|"),
        sp.sqrt(scaled.dot(scaled)),
        sp.Abs(constant) * sp.sqrt(size),
        shown=sp.Abs(constant) * sp.Symbol("|Xv|"),
    )
    d.value(kappa, "", largest / smallest)
    d.value(
        kappa_scaled,
        "The constant cancels in their ratio",
        sp.Abs(constant) * largest / (sp.Abs(constant) * smallest),
        largest / smallest,
    )
