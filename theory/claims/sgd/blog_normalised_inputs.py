"""Scaling two centred features never worsens the ratio of the curvatures, which sets the speed."""

import sympy as sp

from bnproof.theory.claim import Claim, Proof, RandomTest, Verdict
from bnproof.theory.proving.derivation import Derivation, DerivationResult
from bnproof.theory.training import least_squares as quadratics
from bnproof.theory.training.least_squares import first, second, uneven, unshared

# kappa + 1/kappa + 2 for two scaled features, whose curvatures are 1 + corr and 1 - corr.
SCALED = 4 / unshared
GAIN = (first**2 + second**2) ** 2 / (4 * first**2 * second**2)


def prove() -> DerivationResult:
    """Derive the ratio of the curvatures before scaling."""
    d = Derivation()
    quadratics.scaling_steps(d)
    quadratics.unscaled_steps(d)
    return d.finish()


CLAIM = Claim(
    id="blog_normalised_inputs",
    title="Scaling two centred features to variance 1 makes gradient descent converge faster.",
    statement=(
        r"\kappa_c + \tfrac{1}{\kappa_c} + 2 = \frac{(\sigma_1^2+\sigma_2^2)^2}"
        r"{4\sigma_1^2\sigma_2^2}\Big(\kappa + \tfrac1\kappa + 2\Big),\quad "
        r"\kappa + \tfrac1\kappa + 2 = \frac{4}{1-\varrho^2}"
    ),
    relation=sp.Eq(uneven + 2, GAIN * SCALED),
    control=sp.Eq(uneven + 2, SCALED),
    checks=(Proof(prove), RandomTest(sizes=(8, 32, 128), sampler="features")),
    expected=Verdict.PROVED,
    remark=(
        "Read for the squared loss of a linear model: the best factor per step is "
        "(kappa - 1)/(kappa + 1) with the ratio kappa of the curvatures (condition_number_rate). "
        "kappa + 1/kappa grows with kappa above 1, and the factor is 1 only for equal variances, "
        "so scaling never makes it slower. For more than two correlated features it can, and "
        "subtracting means can too. The control has no gain."
    ),
)
