"""The brace 'multiplicative, down' under gamma^2/sigma^2."""

import sympy as sp

from bnproof.theory.claim import Claim, Counterexample, ExactCase, Proof, RandomTest, Verdict
from bnproof.theory.exact.evaluate import n
from bnproof.theory.proving.certificate import Term
from bnproof.theory.proving.derivation import Derivation, DerivationResult
from bnproof.theory.symbols import IDEAL, eps, gamma, sigma

FALLS = sigma - sp.Abs(gamma)


def prove() -> DerivationResult:
    """The factor exceeds 1 exactly where |gamma| exceeds sigma."""
    d = Derivation()
    d.equal(
        "The factor minus 1",
        (r"\frac{\gamma^2}{\sigma^2} - 1", "gamma^2/sigma^2 - 1"),
        gamma**2 / sigma**2 - 1,
        -(sigma - sp.Abs(gamma)) * (sigma + sp.Abs(gamma)) / sigma**2,
    )
    return d.finish(
        [
            Term(
                (sigma - sp.Abs(gamma)) ** 2 * (sigma + sp.Abs(gamma)) / sigma**2,
                "a square times a positive number",
            )
        ]
    )


def near_one() -> dict[sp.Symbol, sp.Expr]:
    """The batch (-1, 1) and a gamma just below its standard deviation."""
    y = (sp.Integer(-1), sp.Integer(1))
    deviation = sp.sqrt(sum((entry - sum(y) / 2) ** 2 for entry in y) / 2)
    return {eps: sp.Integer(0), sigma: deviation, gamma: n / (n + 1)}


CLAIM = Claim(
    id="slides_multiplicative",
    title="The factor gamma^2/sigma^2 reduces the gradient.",
    relation=sp.Le(gamma**2 / sigma**2, 1),
    domain=IDEAL,
    control=sp.Le(gamma**2 / sigma**2 * FALLS, FALLS),
    checks=(
        Counterexample.of(y=[-1, 1], b=[0, 0], gamma=2),
        Proof(
            prove,
            of_control=True,
            attained=ExactCase("y = (-1, 1), eps = 0, gamma = n/(n + 1)", near_one),
        ),
        RandomTest(),
    ),
    expected=Verdict.REFUTED,
    remark=(
        "The slide gives no condition: it is a reduction if and only if |gamma| < sigma, which "
        "is the control (slides_multiplicative_if); it multiplies by sigma - |gamma| and so "
        "reverses the inequality if that is negative. On the random networks |gamma| is log- "
        "normal with median 1, so the share of violations says nothing about trained networks. "
        "In a miniature of training the median of |gamma|/s is above 1 in most layers, so that "
        "the factor lengthens gradients there (report_reduction_in_training)."
    ),
)
