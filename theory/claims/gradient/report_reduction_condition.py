"""When the layer shortens the gradient at unchanged scaling."""

import sympy as sp

from bnproof.theory.claim import Claim, Proof, RandomTest, Verdict
from bnproof.theory.layer import batchnorm
from bnproof.theory.proving.derivation import Derivation, DerivationResult
from bnproof.theory.symbols import IDEAL, eps, g1, gamma, gg, gy, m, s, sigma, vv


def prove() -> DerivationResult:
    """Derive |v|^2 and compare it with |g|^2 at unchanged scaling, gamma^2 = sigma^2."""
    d = Derivation()
    batchnorm.gradient_steps(d)
    lost = gg - d.values[vv].subs(gamma, s)
    name = (r"\|g\|^2 - \|v\|^2", "|g|^2 - |v|^2")
    d.equal(
        "At unchanged scaling, gamma^2 = s^2, the layer reduces the squared norm by",
        name,
        lost,
        (g1**2 + (1 + eps / s**2) * gy**2) / m,
    )
    d.equal("which at eps = 0 is", name, lost.subs(eps, 0), (g1**2 + gy**2) / m)
    return d.finish()


CLAIM = Claim(
    id="report_reduction_condition",
    title="Scaling aside, the gradient shrinks by exactly its mean and its correlation with yhat.",
    relation=sp.Eq(gamma**2 * gg - sigma**2 * vv, gamma**2 * (g1**2 + gy**2) / m),
    domain=IDEAL,
    control=sp.Eq(gamma**2 * gg - sigma**2 * vv, gamma**2 * g1**2 / m),
    checks=(Proof(prove), RandomTest()),
    expected=Verdict.PROVED,
    remark=(
        "The relation is the statement for every scaling: divided by gamma^2 = sigma^2, its right "
        "side is the reduction of the squared norm, positive exactly under the report's 'or'. The "
        "report takes the gradient at yhat, gamma g, which changes neither condition unless "
        "gamma = 0. Both gradients are taken at the same point z, and the norm at a point shrinks; "
        "a Lipschitz constant would be its supremum. For eps > 0 the derivation shows an even "
        "larger reduction. 'Significantly' is not tested here. The control omits the correlation."
    ),
)
