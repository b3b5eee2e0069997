"""How the right end of the support grows with the number of factors, and what happens at it."""

import sympy as sp

from bnproof.theory.claim import Claim, Proof, RandomTest, Verdict
from bnproof.theory.proving.derivation import Derivation, DerivationResult
from bnproof.theory.random_matrices import fuss_catalan_moments as moments
from bnproof.theory.sources import Source


def prove() -> DerivationResult:
    """The limit of x_max/M, and the square root of the density at x_max."""
    d = Derivation()
    moments.edge_steps(d)
    return d.finish()


CLAIM = Claim(
    id="liu_edge",
    title="The right end of density (5) grows as e M.",
    sources=(
        Source("S3", "section 5, after Theorem 1: 'the largest singular value scales as O(M)'"),
    ),
    statement=(r"x_{\max} = \frac{(M+1)^{M+1}}{M^M},\quad \lim_{M\to\infty}\frac{x_{\max}}{M} = e"),
    relation=sp.Eq(sp.log(moments.edge_growth), 1),
    control=sp.Eq(sp.log(moments.edge_growth), 0),
    checks=(Proof(prove), RandomTest(sizes=(4, 8), sampler="law")),
    expected=Verdict.PROVED,
    remark=(
        "For x = s^2, as (5): the largest singular value itself goes as sqrt(e M), so that O(M) "
        "is right as a bound, and as a rate for the square only. The relation is the logarithm of "
        "the limit. The control is growth by the mean alone, which is 1. The derivation also "
        "gives the soft edge, x_max rho = sqrt(2(M+1)/M^3)/pi sqrt(1 - x/x_max) to leading order."
    ),
)
