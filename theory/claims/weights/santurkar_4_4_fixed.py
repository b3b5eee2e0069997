"""The worst weight gradient over a ball of inputs, at fixed yhat, sigma and gradient."""

import sympy as sp

from bnproof.theory.claim import Claim, Proof, RandomTest, Verdict
from bnproof.theory.claims.weights.santurkar_4_4 import CORRECTED, prove
from bnproof.theory.layer.minimax import ghat, gstd, mu_g, radius
from bnproof.theory.symbols import IDEAL, gamma, gy, m, sigma

CLAIM = Claim(
    id="santurkar_4_4_fixed",
    title="The worst weight gradient over |X| <= lambda is reduced by the terms of Theorem 4.1.",
    statement=(
        r"\hat g_j = \frac{\gamma^2}{\sigma_j^2}\Big(g_j - \lambda^2 m\mu_{g_j}^2"
        r" - \frac{\lambda^2}{m}\langle\nabla_{y_j}\mathcal L, \hat y_j\rangle^2\Big)"
    ),
    relation=sp.Eq(ghat, CORRECTED),
    domain=IDEAL,
    control=sp.Eq(ghat, gamma**2 / sigma**2 * (gstd - m * mu_g**2 - radius**2 / m * gy**2)),
    checks=(Proof(prove), RandomTest(sizes=(4, 8, 64), sampler="weights")),
    expected=Verdict.PROVED,
    remark=(
        "An equation, with y, sigma and g held fixed while X runs over the ball. With y = Xw "
        "substituted the maximum does not exist: santurkar_4_4_unbounded. The control omits "
        "lambda^2 from the second term."
    ),
)
