"""Theorem 3.4 of the student report: Theorem 4.1 copied with two errors."""

import sympy as sp

from bnproof.theory.claim import Claim, Counterexample, Proof, RandomTest, Verdict
from bnproof.theory.claims.gradient.santurkar_4_1 import BOUND, CASE, prove
from bnproof.theory.symbols import IDEAL, grad_yhat, vv

CLAIM = Claim(
    id="report_3_4",
    title="The gradient with respect to yhat, not squared, obeys the bound of Theorem 4.1.",
    statement=(
        r"\|\nabla_{\hat y_i}\hat{L}\| \le \frac{\gamma^2}{\sigma_j^2}\Big("
        r"\|\nabla_{y_i} L\|^2 - \tfrac1m\langle \mathbf{1}, \nabla_{y_i} L\rangle^2"
        r" - \tfrac1m\langle \nabla_{y_i} L, \hat y_i\rangle^2\Big)"
    ),
    relation=sp.Le(grad_yhat, BOUND),
    domain=IDEAL,
    control=sp.Le(vv, BOUND),
    checks=(
        Counterexample.of(y=[-1, 1], b=[3, 4]),
        Proof(prove, of_control=True, attained=CASE),
        RandomTest(),
    ),
    expected=Verdict.REFUTED,
    remark=(
        "Two misprints relative to Theorem 4.1, which the report cites: the norm on the left is "
        "not squared, so the sides differ in degree, and the gradient is taken at yhat, before "
        "the layer projects it. The control is Theorem 4.1, the corrected form."
    ),
)
