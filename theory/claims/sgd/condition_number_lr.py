"""How condition number and learning rate are related: through a given sigma_min."""

import sympy as sp

from bnproof.theory.claim import Claim, Proof, RandomTest, Verdict
from bnproof.theory.claims.sgd.bjorck_condition_number_lr import prove
from bnproof.theory.training.least_squares import cond, limit, smallest

CLAIM = Claim(
    id="condition_number_lr",
    title="The steepest direction allows 1/kappa^2 of the learning rate that the flattest allows.",
    statement=(
        r"\alpha_{\max} = \frac{2}{\sigma_{\max}^2} = \frac{1}{\kappa^2}\,\frac{2}{\sigma_{\min}^2}"
    ),
    relation=sp.Eq(limit, 2 / (cond**2 * smallest**2)),
    control=sp.Eq(limit, 2 / (cond * smallest**2)),
    checks=(Proof(prove), RandomTest(sizes=(2, 3, 5), sampler="quadratics")),
    expected=Verdict.PROVED,
    remark=(
        "So at a given sigma_min a larger condition number does need a smaller rate, by its "
        "square; at that rate the flattest direction keeps 1 - 2/kappa^2 of its error per step. "
        "The control has kappa unsquared."
    ),
)
