"""Theorem 4.2 of Santurkar et al.: the curvature along the gradient."""

import sympy as sp

from bnproof.theory.claim import Claim, Counterexample, Proof, RandomTest, Verdict
from bnproof.theory.layer import batchnorm
from bnproof.theory.proving.derivation import Derivation, DerivationResult
from bnproof.theory.symbols import IDEAL, eps, gamma, gy, latex, m, s, sigma, text, vHv, vKv, vv

BOUND = gamma**2 / sigma**2 * vHv - gamma / (m * sigma**2) * gy * vv
CASE = Counterexample.of(
    y=[1, 1, -1, -1],
    b=[0, -2, 1, 1],
    A=[[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]],
)


def prove() -> DerivationResult:
    """Derive the curvature along v for symbolic m; at eps = 0 nothing is left over."""
    d = Derivation()
    batchnorm.curvature_steps(d)
    at_zero = {symbol: value.subs(eps, 0) for symbol, value in d.values.items()}
    d.equal(
        "At eps = 0, P is a projector and v lies in its range: Pv = v and <v,yhat> = 0",
        (latex(vKv), text(vKv)),
        at_zero[vKv],
        BOUND.subs(sigma, s).subs(at_zero),
        shown=BOUND,
    )
    return d.finish()


CLAIM = Claim(
    id="santurkar_4_2",
    title="The curvature along the gradient shrinks by gamma^2/sigma^2 and by a term in <g,yhat>.",
    statement=(
        r"(\nabla_{y_j}\hat{\mathcal L})^\top "
        r"\frac{\partial^2\hat{\mathcal L}}{\partial y_j\partial y_j}(\nabla_{y_j}\hat{\mathcal L})"
        r" \le \frac{\gamma^2}{\sigma^2}(\nabla_{y_j}\hat{\mathcal L})^\top H_{jj}"
        r"(\nabla_{y_j}\hat{\mathcal L}) - \frac{\gamma}{m\sigma^2}\langle \hat g_j,\hat y_j\rangle"
        r"\|\nabla_{y_j}\hat{\mathcal L}\|^2"
    ),
    relation=sp.Le(vKv, BOUND),
    domain=IDEAL,
    control=sp.Le(vKv, gamma**2 / sigma**2 * vHv - 2 * gamma / (m * sigma**2) * gy * vv),
    checks=(Proof(prove, attained=CASE), RandomTest()),
    expected=Verdict.PROVED,
    remark=(
        "An identity at eps = 0, for every gamma and every twice differentiable loss, convex or "
        "not. The second term lowers the curvature only where gamma <g,yhat> > 0. At the units "
        "looked at in a miniature of training the bound was not violated beyond rounding "
        "(report_reduction_in_training). The control doubles the second term."
    ),
)
