"""Theorem 3.5 of the student report: Theorem 4.2 copied with errors."""

import sympy as sp

from bnproof.theory.claim import Claim, Counterexample, ExactCase, Proof, RandomTest, Verdict
from bnproof.theory.claims.hessian import santurkar_4_2
from bnproof.theory.exact.curvature import exactly
from bnproof.theory.layer.curvature import qKq, qq
from bnproof.theory.symbols import IDEAL, gamma, gy, m, sigma, vHv, vKv

CASE = Counterexample.of(y=[1, 1, -1, -1], b=[-1, 0, 0, 0])

CLAIM = Claim(
    id="report_3_5",
    title="The curvature bound of Theorem 4.2 along the gradient with respect to yhat.",
    statement=(
        r"(\nabla_{\hat{y}_i} \hat{L})^T \frac{\partial \hat{L}}{\partial^2 y_j} "
        r"(\nabla_{\hat{y}_i} \hat{L}) \leq \frac{\gamma^2}{\sigma_j^2} "
        r"\left( \frac{\partial \hat{L}}{\partial y_j} \right)^T \mathbf{H}_{jj} "
        r"\left( \frac{\partial \hat{L}}{\partial y_j} \right) - \frac{\gamma}{m\sigma^2} "
        r"\langle \hat{g}_j, \hat{y}_j \rangle "
        r"\left\| \frac{\partial \hat{L}}{\partial \hat{y}_j} \right\|^2"
    ),
    relation=sp.Le(qKq, gamma**2 / sigma**2 * vHv - gamma / (m * sigma**2) * gy * qq),
    domain=IDEAL,
    control=sp.Le(vKv, santurkar_4_2.BOUND),
    checks=(
        ExactCase(
            "L(z) = -z_1, y = (1, 1, -1, -1), gamma = 1",
            lambda: exactly(CASE),
        ),
        Proof(santurkar_4_2.prove, of_control=True, attained=santurkar_4_2.CASE),
        RandomTest(sampler="weights"),
    ),
    expected=Verdict.REFUTED,
    remark=(
        "Errors relative to Theorem 4.2: the gradient is taken at yhat, before the layer projects "
        "it, in the outer factors and in the last norm, but at y in the middle; 'dL/d2y' and "
        "'dL/d2y_j' are read as second derivatives, as a first derivative gives no quadratic form; "
        "and i and j denote the same unit. The control is Theorem 4.2."
    ),
)
