"""When the factor gamma^2/sigma^2 of the gradient bound is a reduction."""

import sympy as sp

from bnproof.theory.claim import Claim, ExactCase, Proof, RandomTest, Verdict
from bnproof.theory.claims.gradient.slides_multiplicative import FALLS, near_one, prove
from bnproof.theory.symbols import IDEAL, gamma, sigma

CLAIM = Claim(
    id="slides_multiplicative_if",
    title="The factor gamma^2/sigma^2 reduces the gradient exactly where |gamma| < sigma.",
    relation=sp.Le(gamma**2 / sigma**2 * FALLS, FALLS),
    domain=IDEAL,
    control=sp.Le(gamma**2 / sigma**2, 1),
    checks=(
        Proof(prove, attained=ExactCase("y = (-1, 1), eps = 0, gamma = n/(n + 1)", near_one)),
        RandomTest(),
    ),
    expected=Verdict.PROVED,
    remark=(
        "The factor (sigma - |gamma|) on both sides reverses the inequality where |gamma| > sigma. "
        "The control is the statement without the condition."
    ),
)
