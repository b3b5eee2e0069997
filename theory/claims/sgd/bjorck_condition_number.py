"""First effect of a larger condition number: slower convergence."""

import sympy as sp

from bnproof.theory.claim import Claim, Proof, RandomTest, Verdict
from bnproof.theory.proving.certificate import Term
from bnproof.theory.proving.derivation import Derivation, DerivationResult
from bnproof.theory.training import least_squares as quadratics
from bnproof.theory.training.least_squares import best, best_2, cond, cond_2, increase


def prove() -> DerivationResult:
    """Derive the best worst-case factor of gradient descent and compare two problems."""
    d = Derivation()
    quadratics.step_steps(d)
    quadratics.factor_steps(d)
    quadratics.worse_factor_steps(d)
    slack = Term(
        2 * increase / ((cond**2 + 1) * (cond_2**2 + 1)),
        "the increase is not negative, and the factors below are positive",
    )
    return d.finish([slack], using=[best, best_2])


CLAIM = Claim(
    id="bjorck_condition_number",
    title="With a larger condition number gradient descent on least squares converges more slowly.",
    relation=sp.Le(best, best_2),
    domain=quadratics.WORSE,
    control=sp.Le(best_2, best),
    checks=(
        Proof(prove, attained=quadratics.SAME),
        RandomTest(sizes=(2, 3, 5), sampler="quadratics"),
    ),
    expected=Verdict.PROVED,
    remark=(
        "Speed is the factor of the error per step, in the worst direction, at the best learning "
        "rate of each problem. At a given learning rate it depends on all singular values, not "
        "only on the condition number. The control exchanges the two problems."
    ),
)
