"""The second form of Theorem 4.2: the Hessian along g in place of that along v."""

import sympy as sp

from bnproof.theory.claim import Claim, Counterexample, ExactCase, Proof, RandomTest, Verdict
from bnproof.theory.claims.hessian import santurkar_4_2
from bnproof.theory.exact.curvature import exactly
from bnproof.theory.layer.curvature import gHg, relative
from bnproof.theory.proving.certificate import Term
from bnproof.theory.proving.derivation import Derivation, DerivationResult
from bnproof.theory.symbols import (
    IDEAL,
    eps,
    g1,
    gamma,
    gg,
    gy,
    m,
    s,
    sigma,
    vKv,
    vv,
)

PRINTED = gamma**2 / sigma**2 * (gHg - gy * vv / (m * gamma))
CORRECTED = gamma**4 / sigma**4 * gHg - gamma / (m * sigma**2) * gy * vv
CASE = Counterexample.of(
    y=[1, 1, -1, -1],
    b=[-1, -3, 2, 2],
    A=[[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]],
    gamma=2,
)

PRESERVING = ExactCase(
    "L(z) = |z|^2/2 + b'z with b = (-1, -3, 2, 2), y = (1, 1, -1, -1), gamma = 2, where "
    "H = I preserves every norm,",
    lambda: exactly(CASE),
)


def prove() -> DerivationResult:
    """Theorem 4.2, then |v|^2 <= (gamma/sigma)^2 |g|^2 with its slack."""
    first = santurkar_4_2.prove()
    d = Derivation.after(first)
    length = gamma**2 / s**2 * (gg - g1**2 / m - gy**2 / m)
    d.value(
        vv,
        "At eps = 0 the layer lengthens a gradient by gamma/sigma, less two squares",
        d.values[vv].subs(eps, 0),
        length,
        shown=length.subs(s, sigma),
    )
    curvature = santurkar_4_2.BOUND.subs(sigma, s)
    d.value(vKv, "", curvature.subs(vv, length))
    return d.finish(
        [
            Term(gamma**2 / sigma**2 * relative / gg, "the first hypothesis"),
            Term(
                gamma**4 / sigma**4 * gHg / gg * (g1**2 + gy**2) / m,
                "the second hypothesis times squares",
            ),
        ],
        using=[vv, vKv],
    )


CLAIM = Claim(
    id="santurkar_4_2_norm_preserving",
    title="Where H preserves relative norms, the curvature bound holds with g'Hg for v'Hv.",
    statement=(
        r"(\nabla_{y_j}\hat{\mathcal L})^\top "
        r"\frac{\partial^2\hat{\mathcal L}}{\partial y_j\partial y_j}(\nabla_{y_j}\hat{\mathcal L})"
        r" \le \frac{\gamma^2}{\sigma^2}\Big(\hat g_j^\top H_{jj}\hat g_j - \frac{1}{m\gamma}"
        r"\langle \hat g_j,\hat y_j\rangle\|\nabla_{y_j}\hat{\mathcal L}\|^2\Big)"
    ),
    relation=sp.Le(vKv, PRINTED),
    domain=sp.And(IDEAL, sp.Ne(gamma, 0), sp.Ge(relative, 0), sp.Ge(gHg, 0), sp.Gt(gg, 0)),
    control=sp.Le(vKv, CORRECTED),
    checks=(
        PRESERVING,
        Proof(prove, of_control=True, attained=PRESERVING),
        RandomTest(sampler="weights"),
    ),
    expected=Verdict.REFUTED,
    remark=(
        "H = I preserves every norm, yet the bound fails whenever |v| > |g|: the printed right "
        "side scales as 1/sigma^2, the left side as 1/sigma^4. The control has (gamma/sigma)^4 "
        "before g'Hg and is proved here. Literally the hypothesis is an equation, which no random "
        "network satisfies; the tested one is weaker: the curvature along v, for unit vectors, is "
        "at most that along g, which is not negative. The printed form holds if and only if "
        "g'Hg >= v'Hv: santurkar_4_2_ordered."
    ),
)
