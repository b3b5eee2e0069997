"""A variant of Theorem 4.1 with 1/sqrt(m) in its last term."""

import sympy as sp

from bnproof.theory.claim import Claim, Proof, RandomTest, Verdict
from bnproof.theory.claims.gradient.santurkar_4_1 import BOUND, CASE, prove
from bnproof.theory.symbols import IDEAL, g1, gamma, gg, gy, m, sigma, vv

CLAIM = Claim(
    id="neurips_4_1_sqrt_m",
    title="The gradient bound with 1/sqrt(m) before the last term.",
    statement=(
        r"\|\nabla_{y_j}\hat{\mathcal L}\|^2 \le \frac{\gamma^2}{\sigma_j^2}\Big("
        r"\|\nabla_{y_j}\mathcal L\|^2 - \tfrac1m\langle\mathbf 1,\nabla_{y_j}\mathcal L\rangle^2"
        r" - \tfrac{1}{\sqrt m}\langle \nabla_{y_j}\mathcal L, \hat y_j\rangle^2\Big)"
    ),
    relation=sp.Le(vv, gamma**2 / sigma**2 * (gg - g1**2 / m - gy**2 / sp.sqrt(m))),
    domain=IDEAL,
    control=sp.Le(vv, BOUND),
    checks=(
        CASE,
        Proof(prove, of_control=True, attained=CASE),
        RandomTest(),
    ),
    expected=Verdict.REFUTED,
    remark=(
        "False for every m > 1 whenever <g,yhat> is not 0, since the bound with 1/m is an "
        "identity and this one subtracts more. The control is the bound with 1/m."
    ),
)
