"""Recovering the input for every eps: gamma = sqrt(Var + eps)."""

import sympy as sp

from bnproof.theory.claim import Claim, Proof, RandomTest, Verdict
from bnproof.theory.claims.definition.report_identity_recovery import prove
from bnproof.theory.symbols import REGULAR, mu, s, sigma, y_k, yhat_k

CLAIM = Claim(
    id="report_identity_recovery_eps",
    title="With gamma = sqrt(Var + eps) and beta = E the layer returns its input.",
    relation=sp.Eq(s * yhat_k + mu, y_k),
    domain=REGULAR,
    control=sp.Eq(sigma * yhat_k + mu, y_k),
    checks=(Proof(prove), RandomTest()),
    expected=Verdict.PROVED,
    remark=(
        "For every eps >= 0. With gamma = sqrt(Var), the control, deviations from the mean come "
        "back times sigma/s = sqrt(1 - eps/(sigma^2 + eps)), which is 1 only at eps = 0. Var and E "
        "are those of the batch."
    ),
)
