"""Feature scaling makes the contours spheres if no two features are correlated."""

import sympy as sp

from bnproof.theory.claim import Claim, Proof, RandomTest, Verdict
from bnproof.theory.proving.derivation import Derivation, DerivationResult
from bnproof.theory.symbols import delta_ki
from bnproof.theory.training import least_squares as quadratics
from bnproof.theory.training.least_squares import centred_ki, largest_correlation, scaled_ki


def prove() -> DerivationResult:
    """Derive the Hessian of the loss for any number of features without correlation."""
    d = Derivation()
    quadratics.scaling_steps(d)
    quadratics.uncorrelated_steps(d)
    return d.finish()


CLAIM = Claim(
    id="feature_scaling_uncorrelated",
    title="Scaling makes the contours circles if no two features are correlated.",
    statement=(
        r"\varrho_{ki} = 0\ (k\ne i)\quad\text{implies}\quad"
        r"\nabla^2\ell = I\quad\text{for scaled features}"
    ),
    relation=sp.Eq(scaled_ki, delta_ki),
    domain=sp.Eq(largest_correlation, 0),
    control=sp.Eq(centred_ki, delta_ki),
    checks=(Proof(prove), RandomTest(sizes=(8, 16, 64), sampler="features")),
    expected=Verdict.PROVED,
    remark=(
        "For any number of features; one step of rate 1 then reaches the minimum. Random features "
        "are never exactly uncorrelated, so the instances are constructed from orthogonal sign "
        "patterns. The control centres the features without scaling them."
    ),
)
