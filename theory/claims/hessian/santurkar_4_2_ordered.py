"""The hypothesis under which the second form of Theorem 4.2 holds as printed."""

import sympy as sp

from bnproof.theory.claim import Claim, ExactCase, Proof, RandomTest, Verdict
from bnproof.theory.claims.hessian import santurkar_4_2
from bnproof.theory.claims.hessian.santurkar_4_2_norm_preserving import PRINTED
from bnproof.theory.exact.curvature import exactly
from bnproof.theory.layer.curvature import gHg, ordered
from bnproof.theory.proving.certificate import Term
from bnproof.theory.proving.derivation import Derivation, DerivationResult
from bnproof.theory.symbols import IDEAL, gamma, gy, m, sigma, vKv, vv


def prove() -> DerivationResult:
    """Theorem 4.2 is an identity, so only the hypothesis is needed."""
    first = santurkar_4_2.prove()
    d = Derivation.after(first)
    d.value(vKv, "", santurkar_4_2.BOUND)
    slack = Term(gamma**2 / sigma**2 * ordered, "a square times the hypothesis")
    return d.finish([slack], using=[vKv])


CLAIM = Claim(
    id="santurkar_4_2_ordered",
    title="The second form of Theorem 4.2 holds as printed if g'Hg is at least v'Hv.",
    statement=(
        r"v^\top H v \le g^\top H g\ \Rightarrow\ v^\top K v \le \frac{\gamma^2}{\sigma^2}\Big("
        r"g^\top H g - \frac{1}{m\gamma}\langle g,\hat y\rangle\|v\|^2\Big)"
    ),
    relation=sp.Le(vKv, PRINTED),
    domain=sp.And(IDEAL, sp.Ne(gamma, 0), sp.Ge(ordered, 0)),
    control=sp.Le(vKv, gamma**2 / sigma**2 * (gHg - 2 * gy * vv / (m * gamma))),
    checks=(
        Proof(
            prove,
            attained=ExactCase(
                "L(z) = |z|^2/2 + b'z with b = (0, -2, 1, 1), y = (1, 1, -1, -1), gamma = 1",
                lambda: exactly(santurkar_4_2.CASE),
            ),
        ),
        RandomTest(sampler="weights"),
    ),
    expected=Verdict.PROVED,
    remark=(
        "For gamma = 0 the printed right side is not defined. The hypothesis is also necessary. It "
        "says that the layer shortens the gradient in the norm given by H. The control doubles the "
        "last term."
    ),
)
