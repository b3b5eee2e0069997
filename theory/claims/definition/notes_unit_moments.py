"""Mean 0 and standard deviation 1: the first holds exactly, the second only at eps = 0."""

import sympy as sp

from bnproof.theory.claim import Claim, Counterexample, Proof, RandomTest, Verdict
from bnproof.theory.layer import definition as layer_definition
from bnproof.theory.proving.derivation import Derivation, DerivationResult
from bnproof.theory.symbols import REGULAR, hat_std, s, sigma


def prove() -> DerivationResult:
    """Derive both moments of yhat, and of z, for symbolic m."""
    d = Derivation()
    layer_definition.hat_moment_steps(d)
    return d.finish()


CLAIM = Claim(
    id="notes_unit_moments",
    title="The layer forces the mean to 0 and the standard deviation to 1.",
    relation=sp.Eq(hat_std, 1),
    domain=REGULAR,
    control=sp.Eq(hat_std, sigma / s),
    checks=(
        Counterexample.of(y=[-1, 1], b=[0, 0], eps=3),
        Proof(prove, of_control=True),
        RandomTest(),
    ),
    expected=Verdict.REFUTED,
    remark=(
        "The mean is 0 for every eps; the relation is about the standard deviation, which is "
        "sigma/s: 1 at eps = 0, and less by a bounded defect for eps > 0 "
        "(notes_unit_moments_eps). This is before gamma and beta; after them mean and standard "
        "deviation are beta and |gamma| sigma/s. The control is the exact value. S4's sentence "
        "on zero mean and unit variance is a conditional, and no reading of it is examined."
    ),
)
