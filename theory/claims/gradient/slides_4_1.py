"""The gradient bound as the slides print it: with the square of the mean gradient."""

import sympy as sp

from bnproof.theory.claim import Claim, Counterexample, Proof, RandomTest, Verdict
from bnproof.theory.layer import batchnorm
from bnproof.theory.proving.certificate import Term
from bnproof.theory.proving.derivation import Derivation, DerivationResult
from bnproof.theory.symbols import IDEAL, g1, gamma, gg, gy, m, s, sigma, vv

mean_g = g1 / m
CASE = Counterexample.of(y=[1, 1, -1, -1], b=[1, -1, 0, 0])


def prove() -> DerivationResult:
    """Derive the squared norm of v; the slides subtract m times too little of the mean."""
    d = Derivation()
    batchnorm.gradient_steps(d)
    slack = Term(
        gamma**2 / s**2 * g1**2 * (m - 1) / m**2, "a square times m - 1, and m is at least 1"
    )
    return d.finish([slack])


CLAIM = Claim(
    id="slides_4_1",
    title="The gradient bound with the square of the mean gradient as middle term.",
    statement=(
        r"\|\nabla_{y_j} L_{BN}\|^2 \le \frac{\gamma^2}{\sigma_j^2}\Big("
        r"\|\nabla_{y_j} L_{Std}\|^2 - \mu(\nabla_{y_j} L_{Std})^2"
        r" - \tfrac1m(\hat y_j^\top\nabla_{y_j} L_{Std})^2\Big)"
    ),
    relation=sp.Le(vv, gamma**2 / sigma**2 * (gg - mean_g**2 - gy**2 / m)),
    domain=IDEAL,
    control=sp.Le(vv, gamma**2 / sigma**2 * (gg - m**2 * mean_g**2 - gy**2 / m)),
    checks=(Proof(prove, attained=CASE), RandomTest()),
    expected=Verdict.PROVED,
    remark=(
        "True but loose: equality in general needs m mu(grad)^2, as in Theorem 4.1. The gradient "
        "of L_Std is taken at z, and the slides' sigma + eps as sigma, that is at eps = 0. One "
        "slide draws the brace 'additive' also around the first term, which is not subtracted. "
        "The control has m^2 mu(grad)^2."
    ),
)
