"""Third effect of a larger condition number: gradients of unequal size."""

import sympy as sp

from bnproof.theory.claim import Claim, Proof, RandomTest, Verdict
from bnproof.theory.proving.certificate import Term
from bnproof.theory.proving.derivation import Derivation, DerivationResult
from bnproof.theory.training import least_squares as quadratics
from bnproof.theory.training.least_squares import increase, ratio, ratio_2


def prove() -> DerivationResult:
    """Derive the ratio of the gradients along the two extreme singular directions."""
    d = Derivation()
    quadratics.step_steps(d)
    quadratics.ratio_steps(d)
    slack = Term(increase, "the increase of the squared condition number is not negative")
    return d.finish([slack], using=[ratio, ratio_2])


CLAIM = Claim(
    id="bjorck_condition_number_subspaces",
    title="With a larger condition number gradients in different subspaces differ more.",
    relation=sp.Le(ratio, ratio_2),
    domain=quadratics.WORSE,
    control=sp.Le(ratio_2, ratio),
    checks=(
        Proof(prove, attained=quadratics.SAME),
        RandomTest(sizes=(2, 3, 5), sampler="quadratics"),
    ),
    expected=Verdict.PROVED,
    remark=(
        "True for equal errors in the steepest and the flattest direction, as the symbol is "
        "defined: the ratio is kappa^2 exactly. For other errors it is kappa^2 times their ratio, "
        "which can be anything. The control exchanges the two problems."
    ),
)
