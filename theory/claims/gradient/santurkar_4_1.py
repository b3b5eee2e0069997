"""Theorem 4.1 of Santurkar et al.: the gradient through a batch-normalisation layer."""

import sympy as sp

from bnproof.theory.claim import Claim, Counterexample, Proof, RandomTest, Verdict
from bnproof.theory.layer import batchnorm
from bnproof.theory.proving.derivation import Derivation, DerivationResult
from bnproof.theory.symbols import IDEAL, g1, gamma, gg, gy, m, sigma, vv

BOUND = gamma**2 / sigma**2 * (gg - g1**2 / m - gy**2 / m)
CASE = Counterexample.of(y=[1, 1, -1, -1], b=[1, 0, 0, 0])


def prove() -> DerivationResult:
    """Derive the squared norm of v for symbolic m; at eps = 0 nothing is left over."""
    d = Derivation()
    batchnorm.gradient_steps(d)
    return d.finish()


CLAIM = Claim(
    id="santurkar_4_1",
    title="The gradient at y is bounded by the projected gradient at z, scaled by gamma/sigma.",
    statement=(
        r"\|\nabla_{y_j}\hat{\mathcal L}\|^2 \le \frac{\gamma^2}{\sigma_j^2}\Big("
        r"\|\nabla_{y_j}\mathcal L\|^2 - \tfrac1m\langle\mathbf 1,\nabla_{y_j}\mathcal L\rangle^2"
        r" - \tfrac1m\langle \nabla_{y_j}\mathcal L, \hat y_j\rangle^2\Big)"
    ),
    relation=sp.Le(vv, BOUND),
    domain=IDEAL,
    control=sp.Le(vv, gamma**2 / sigma**2 * (gg - g1**2 / m - 2 * gy**2 / m)),
    checks=(Proof(prove, attained=CASE), RandomTest()),
    expected=Verdict.PROVED,
    remark=(
        "An identity at eps = 0 when the gradient of the network without the layer is taken at "
        "the same point z. At the units looked at in a miniature of training it was not "
        "violated beyond rounding (report_reduction_in_training). The control subtracts the "
        "last term twice."
    ),
)
