"""The largest curvature in the whole space of activations, not only along the gradient."""

import sympy as sp

from bnproof.theory.claim import Claim, Counterexample, ExactCase, Proof, RandomTest, Verdict
from bnproof.theory.exact.curvature import exactly, top_eigenvalues
from bnproof.theory.layer import curvature
from bnproof.theory.layer.curvature import ACROSS_TOP, TOP_H_ACROSS, Qe2, QeHQe, lamH, lamK
from bnproof.theory.proving.certificate import Term
from bnproof.theory.proving.derivation import Derivation, DerivationResult
from bnproof.theory.sources import Source
from bnproof.theory.symbols import IDEAL, gamma, gy, m, sigma, vv

CASE = Counterexample.of(
    y=[1, 1, -1, -1],
    b=[1, -3, 1, 1],
    A=[[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]],
)
ACROSS = (gamma**2 * lamH - gamma * gy / m) / sigma**2


def prove() -> DerivationResult:
    """An eigenvector, split along yhat and across, gives two equations and two inequalities."""
    d = Derivation()
    curvature.eigenvector_steps(d)
    factor = gamma**2 / (sigma**2 * Qe2)
    return d.finish(
        [
            Term(factor * lamK, "a square times lambda_max(K) >= 0", TOP_H_ACROSS.name),
            Term(factor / (m * sigma**2), "a square", ACROSS_TOP.name),
        ],
        using=[QeHQe, vv],
    )


CLAIM = Claim(
    id="hessian_spectral_bound",
    title="The largest eigenvalue of the activation Hessian has an explicit tight bound.",
    sources=(Source("derived", "none of the sources bounds more than the curvature along v"),),
    statement=(
        r"\lambda_{\max}(K) \le \frac{a + \sqrt{a^2 + 4\|v\|^2/(m\sigma^2)}}{2},\quad "
        r"a = \frac{\gamma^2\lambda_{\max}(H) - \tfrac{\gamma}{m}\langle g,\hat y\rangle}{\sigma^2}"
    ),
    relation=sp.Le(lamK**2, lamK * ACROSS + vv / (m * sigma**2)),
    domain=sp.And(IDEAL, sp.Ne(gamma, 0), sp.Gt(lamK, 0)),
    control=sp.Le(lamK**2, lamK * ACROSS),
    checks=(
        Proof(
            prove,
            attained=ExactCase(
                "L(z) = |z|^2/2 + b'z with b = (1, -3, 1, 1), y = (1, 1, -1, -1), gamma = 1",
                lambda: exactly(CASE) | top_eigenvalues(CASE),
            ),
        ),
        RandomTest(sizes=(2, 3, 8, 32), sampler="weights"),
    ),
    expected=Verdict.PROVED,
    remark=(
        "For eps = 0, and lambda_max(K) > 0, as otherwise there is nothing to show; K = 0 for "
        "gamma = 0. The relation is the bound in quadratic form: lambda^2 <= a lambda + b with "
        "lambda >= 0 means that lambda is at most the larger root. Theorem 4.2 bounds one "
        "direction, where the layer's own term vanishes with <g,yhat>; in the plane of yhat and Pg "
        "it does not: even for H = 0, <g,yhat> = 0 the largest curvature is |v|/(sigma sqrt(m)). "
        "The control drops that term."
    ),
)
