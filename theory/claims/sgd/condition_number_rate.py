"""How fast gradient descent on least squares can be: the condition number enters squared."""

import sympy as sp

from bnproof.theory.claim import Claim, Proof, RandomTest, Verdict
from bnproof.theory.proving.derivation import Derivation, DerivationResult
from bnproof.theory.sources import Source
from bnproof.theory.training import least_squares as quadratics
from bnproof.theory.training.least_squares import best, cond


def prove() -> DerivationResult:
    """Derive the best worst factor: a bound for every learning rate, and that it is attained."""
    d = Derivation()
    quadratics.step_steps(d)
    quadratics.factor_steps(d)
    del d.values[cond]  # the condition number stays a symbol of the relation
    return d.finish(equality="always")


CLAIM = Claim(
    id="condition_number_rate",
    title="The best factor per step on least squares is (kappa^2 - 1)/(kappa^2 + 1).",
    sources=(
        Source("derived", "what S3, section 5, leaves open: how the condition number enters"),
    ),
    statement=(
        r"\min_\alpha\max_i|1-\alpha\sigma_i^2| = \frac{\kappa^2-1}{\kappa^2+1},\quad "
        r"\text{at }\alpha = \frac{2}{\sigma_{\max}^2+\sigma_{\min}^2}"
    ),
    relation=sp.Eq(best, quadratics.FACTOR),
    control=sp.Eq(best, (cond - 1) / (cond + 1)),
    checks=(Proof(prove), RandomTest(sizes=(2, 3, 5), sampler="quadratics")),
    expected=Verdict.PROVED,
    remark=(
        "S3 defines kappa as that of A. The Hessian of |Ax - y|^2 has the condition number "
        "kappa^2, and that governs: steps grow as kappa^2. The control has kappa in its place."
    ),
)
