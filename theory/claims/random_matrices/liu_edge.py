"""How the right end of the support grows with the number of factors, and what happens at it."""

import sympy as sp

from bnproof.theory.claim import Claim, Proof, RandomTest, Verdict
from bnproof.theory.proving.derivation import Derivation, DerivationResult
from bnproof.theory.random_matrices import fuss_catalan_moments as moments


def prove() -> DerivationResult:
    """The limit of x_max/M, and the square root of the density at x_max."""
    d = Derivation()
    moments.edge_steps(d)
    return d.finish()


CLAIM = Claim(
    id="liu_edge",
    title="The right end of density (5) grows as e M.",
    statement=(r"x_{\max} = \frac{(M+1)^{M+1}}{M^M},\quad \lim_{M\to\infty}\frac{x_{\max}}{M} = e"),
    relation=sp.Eq(sp.log(moments.edge_growth), 1),
    control=sp.Eq(sp.log(moments.edge_growth), 0),
    checks=(Proof(prove), RandomTest(sizes=(4, 8), sampler="law")),
    expected=Verdict.PROVED,
    remark=(
        "For x = s^2, as in (5): the largest singular value grows as sqrt(e M), so O(M) is correct "
        "as a bound, but as a rate only for its square. The relation is the logarithm of the "
        "limit. The control is growth like that of the mean, which is 1. The derivation also "
        "gives the soft edge, x_max rho = sqrt(2(M+1)/M^3)/pi sqrt(1 - x/x_max) to leading order."
    ),
)
