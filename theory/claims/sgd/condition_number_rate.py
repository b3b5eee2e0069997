"""Optimal speed of gradient descent on least squares: the condition number enters squared."""

import sympy as sp

from bnproof.theory.claim import Claim, Proof, RandomTest, Verdict
from bnproof.theory.proving.derivation import Derivation, DerivationResult
from bnproof.theory.sources import Source
from bnproof.theory.training import least_squares as quadratics
from bnproof.theory.training.least_squares import best, cond


def prove() -> DerivationResult:
    """Derive the best worst-case factor: a bound for every learning rate, which is attained."""
    d = Derivation()
    quadratics.step_steps(d)
    quadratics.factor_steps(d)
    return d.finish(using=[best])


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
        "S3 defines kappa as the condition number of A. The Hessian of |Ax - y|^2 has kappa^2, "
        "which is decisive: the number of steps grows as kappa^2. The control has kappa instead."
    ),
)
