"""Exact noise of a minibatch gradient, for every number of examples and batch size.

The model is that of S3, section 2.1: ``l(x)`` is the mean of N losses ``l_i(x)``, and a step uses
the mean of ``grad l_i`` over a batch of ``|B|`` examples.  A batch enters only through the counts
``R_i`` of how often example i is in it; mean and covariance of the counts determine the first two
moments of the minibatch gradient.  The gradients of the examples are arbitrary vectors.
"""

from dataclasses import dataclass
from typing import Final

import sympy as sp
from sympy.concrete.delta import deltasummation

from bnproof.theory.proving.derivation import Derivation
from bnproof.theory.symbols import symbol

N = symbol("N_data", "N", "number of examples", integer=True, positive=True)
B = symbol("|B|", r"|\mathcal{B}|", "batch size", integer=True, positive=True)
alpha = symbol("alpha", r"\alpha", "learning rate", positive=True)
C = symbol(
    "C_SGD",
    "C",
    "mean squared distance of one example's gradient from the mean gradient",
    nonnegative=True,
)
noise = symbol(
    "E|error|^2",
    r"\mathbb{E}\|\alpha\nabla\ell - \alpha\nabla_{SGD}\|^2",
    "mean squared error term of a step, examples drawn with replacement",
    nonnegative=True,
)
noise_without = symbol(
    "E|error'|^2",
    r"\mathbb{E}'\|\alpha\nabla\ell - \alpha\nabla_{SGD}\|^2",
    "the same, examples drawn without replacement",
    nonnegative=True,
)
error_k = symbol(
    "E[error]_k",
    r"\mathbb{E}\Big[\tfrac{\alpha}{|\mathcal{B}|}\sum_{i\in\mathcal{B}}"
    r"(\nabla\ell_i - \nabla\ell)\Big]_k",
    "component k of the expected error term, examples drawn with replacement",
    "k",
)
grad_k = symbol("grad_k", r"(\nabla\ell)_k", "component k of the gradient", "k")
r = symbol("r_scale", "r", "factor on learning rate or inverse batch size", integer=True)
noise_rate = symbol(
    "E|error(r*alpha, r*|B|)|^2",
    r"\mathbb{E}\|e(r\alpha, r|\mathcal{B}|)\|^2",
    "mean squared error term at learning rate r alpha and batch size r|B|",
    nonnegative=True,
)
noise_steps = symbol(
    "E|sum of r errors|^2",
    r"\mathbb{E}\Big\|\sum_{t=1}^{r} e_t(\alpha, |\mathcal{B}|)\Big\|^2",
    "mean squared sum of the error terms of r independent steps at fixed gradients",
    nonnegative=True,
)

# Sums over the data that everything reduces to; `total` is component k of sum grad_i.
squares = symbol(
    "sum|g_i|^2", r"\textstyle\sum_i\|g_i\|^2", "sum of the squared gradients", nonnegative=True
)
square = symbol(
    "|sum g_i|^2",
    r"\big\|\textstyle\sum_i g_i\big\|^2",
    "squared sum of gradients",
    nonnegative=True,
)
total = sp.Symbol("sum(g_i)_k", real=True)

SPREAD: Final[sp.Expr] = (squares - square / N) / N
WITH: Final[sp.Expr] = alpha**2 / B * C
WITHOUT: Final[sp.Expr] = alpha**2 / B * (N - B) / (N - 1) * C
PROPER: Final = sp.And(sp.Gt(N, 1), sp.Le(B, N))


@dataclass(frozen=True)
class Counts:
    """Moments of the counts R_i, equal for all i and for all pairs i != j."""

    mean: sp.Expr
    variance: sp.Expr
    covariance: sp.Expr


REPLACED: Final = Counts(B / N, B / N - B / N**2, -B / N**2)
KEPT: Final = Counts(B / N, B / N * (N - B) / N, -B * (N - B) / (N**2 * (N - 1)))


def define(d: Derivation) -> None:
    """Record the minibatch gradient in terms of the counts."""
    d.define(
        "Let g_i be the gradient of example i, R_i how often it is in the batch",
        r"\nabla\ell = \tfrac1N\sum_i g_i,\quad "
        r"\nabla_{SGD} = \tfrac{1}{|\mathcal{B}|}\sum_i R_i g_i,\quad \sum_i R_i = |\mathcal{B}|",
        "grad = sum_i g_i/N, grad_SGD = sum_i R_i g_i/|B|, sum_i R_i = |B|",
    )


def replaced_steps(d: Derivation) -> None:
    """Derive the moments of the counts for |B| independent uniform draws."""
    a = sp.Symbol("a", integer=True, positive=True)
    d.define(
        "With replacement the |B| draws are independent and each is i with probability 1/N",
        r"R_i = \sum_{a=1}^{|\mathcal{B}|} [I_a = i]",
        "R_i = sum_a [I_a = i]",
    )
    d.equal("Mean of a count", (r"\mathbb{E}R_i", "E R_i"), sp.Sum(1 / N, (a, 1, B)).doit(), B / N)
    d.equal(
        "Variance of a count: |B| pairs of equal draws, each i with probability 1/N, and "
        "|B|(|B|-1) of independent ones, both i with probability 1/N^2, less the squared mean",
        (r"\mathrm{Var}\,R_i", "Var R_i"),
        B / N + B * (B - 1) / N**2 - (B / N) ** 2,
        REPLACED.variance,
    )
    d.equal(
        "Covariance of two counts: no draw is both i and j, which leaves the independent pairs",
        (r"\mathrm{Cov}(R_i, R_j)", "Cov(R_i, R_j)"),
        B * (B - 1) / N**2 - (B / N) ** 2,
        REPLACED.covariance,
    )
    _sum_rule(d, REPLACED)


def kept_steps(d: Derivation) -> None:
    """Derive the moments of the counts for a uniform subset of |B| examples."""
    subsets = sp.binomial(N, B)
    mean, mixed = (
        sp.gammasimp(sp.binomial(N - n, B - n).rewrite(sp.gamma) / subsets.rewrite(sp.gamma))
        for n in (1, 2)
    )
    d.define(
        "Without replacement all subsets of |B| examples are equally likely and R_i is 0 or 1",
        r"\mathbb{E}R_i = \mathbb{E}R_i^2 = \tbinom{N-1}{|\mathcal{B}|-1}/"
        r"\tbinom{N}{|\mathcal{B}|},\quad "
        r"\mathbb{E}R_iR_j = \tbinom{N-2}{|\mathcal{B}|-2}/\tbinom{N}{|\mathcal{B}|}",
        "E R_i = E R_i^2 = C(N-1,|B|-1)/C(N,|B|), E R_i R_j = C(N-2,|B|-2)/C(N,|B|)",
    )
    d.equal("Mean of a count", (r"\mathbb{E}R_i", "E R_i"), mean, KEPT.mean)
    d.equal("Variance of a count", (r"\mathrm{Var}\,R_i", "Var R_i"), mean - mean**2, KEPT.variance)
    d.equal(
        "Covariance of two counts",
        (r"\mathrm{Cov}(R_i, R_j)", "Cov(R_i, R_j)"),
        mixed - mean**2,
        KEPT.covariance,
    )
    _sum_rule(d, KEPT)


def _sum_rule(d: Derivation, counts: Counts) -> None:
    d.equal(
        "Check: the counts sum to |B|, so each row of their covariance matrix sums to 0",
        (
            r"\mathrm{Var}\,R_i + (N-1)\,\mathrm{Cov}(R_i, R_j)",
            "Var R_i + (N-1) Cov(R_i, R_j)",
        ),
        counts.variance + (N - 1) * counts.covariance,
        sp.Integer(0),
    )


def bias_steps(d: Derivation, counts: Counts) -> None:
    """Derive that the expected error term is 0."""
    d.value(
        error_k,
        "Expectation is linear: the error term is alpha/|B| sum_i R_i g_i - alpha/N sum_i g_i",
        alpha / B * counts.mean * total - alpha / N * total,
        sp.Integer(0),
    )


def spread_steps(d: Derivation) -> None:
    """Derive the noise constant C in terms of two sums over the data."""
    d.define(
        "Two sums over the data suffice, S and T",
        r"T = \sum_i \|g_i\|^2,\quad S = \Big\|\sum_i g_i\Big\|^2 = \sum_{i,j}\langle g_i, g_j"
        r"\rangle = N^2\|\nabla\ell\|^2",
        f"T = {squares}, S = {square} = sum_ij <g_i,g_j> = N^2 |grad|^2",
    )
    d.value(
        C,
        "Expand the square in C = sum_i |g_i - grad|^2/N, with <sum_i g_i, grad> = S/N",
        (squares - 2 * square / N + N * square / N**2) / N,
        SPREAD,
    )


def noise_steps_of(d: Derivation, counts: Counts, target: sp.Symbol, formula: sp.Expr) -> None:
    """Derive the mean squared error term as a double sum over the covariance of the counts."""
    i, j = sp.symbols("i j", integer=True, positive=True)
    v, w = sp.symbols("v w", real=True)
    inner = sp.IndexedBase("G", real=True)
    delta = sp.KroneckerDelta(i, j)
    count = sp.Symbol("R_i", real=True)
    d.equal(
        "In the error term alpha grad - alpha grad_SGD example i has, as E R_i = |B|/N, the "
        "coefficient alpha/|B| (E R_i - R_i)",
        (
            r"\tfrac{\alpha}{N} - \tfrac{\alpha}{|\mathcal{B}|}R_i",
            "alpha/N - alpha/|B| R_i",
        ),
        alpha / N - alpha / B * count,
        alpha / B * (counts.mean - count),
    )
    d.define(
        "Its mean square is a double sum over the covariances of the counts, v for i = j, else w",
        r"\mathbb{E}\|e\|^2 = \tfrac{\alpha^2}{|\mathcal{B}|^2}\sum_{i,j}"
        r"\mathrm{Cov}(R_i, R_j)\,G_{ij},\quad G_{ij} = \langle g_i, g_j\rangle",
        "E|e|^2 = alpha^2/|B|^2 sum_ij Cov(R_i, R_j) G_ij, G_ij = <g_i,g_j>",
    )
    d.equal(
        "Row i of the double sum splits into a diagonal and a full part",
        (r"\sum_j \mathrm{Cov}(R_i,R_j)\,G_{ij}", "sum_j Cov(R_i, R_j) G_ij"),
        deltasummation((v - w) * delta * inner[i, j], (j, 1, N), no_piecewise=True)
        + w * sp.Sum(inner[i, j], (j, 1, N)),
        (v - w) * inner[i, i] + w * sp.Sum(inner[i, j], (j, 1, N)),
    )
    v, w = counts.variance, counts.covariance
    d.value(
        target,
        "Sum over i: (v - w) T + w S; with v and w substituted, both sums enter only through C",
        alpha**2 / B**2 * ((v - w) * squares + w * square),
        formula.subs(C, SPREAD),
        shown=formula,
    )


def scaling_steps(d: Derivation) -> None:
    """Derive the noise of one step at r alpha and r|B|, and of r steps at alpha and |B|."""
    t = sp.Symbol("t", integer=True, positive=True)
    scaled = WITH.subs({alpha: r * alpha, B: r * B}, simultaneous=True)
    d.value(
        noise_rate,
        "The same at learning rate r alpha and batch size r|B|",
        scaled.subs(C, SPREAD),
        (r * WITH).subs(C, SPREAD),
        shown=r * WITH,
    )
    d.equal(
        "Each error term has mean 0: the coefficient of every example has",
        (
            r"\tfrac{\alpha}{N} - \tfrac{\alpha}{|\mathcal{B}|}\mathbb{E}R_i",
            "alpha/N - alpha/|B| E R_i",
        ),
        alpha / N - alpha / B * REPLACED.mean,
        sp.Integer(0),
    )
    d.define(
        "In r steps at fixed gradients the batches are independent, which makes the cross terms",
        r"\mathbb{E}\langle e_s, e_t\rangle = \langle\mathbb{E}e_s, \mathbb{E}e_t\rangle"
        r"\quad (s \ne t)",
        "E <e_s,e_t> = <E e_s, E e_t> for s != t",
    )
    d.value(
        noise_steps,
        "The mean squares add up",
        sp.Sum(WITH.subs(C, SPREAD), (t, 1, r)).doit(),
        (r * WITH).subs(C, SPREAD),
        shown=r * WITH,
    )
