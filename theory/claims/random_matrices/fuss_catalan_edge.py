"""The density vanishes as a square root at the right end."""

import sympy as sp

from bnproof.theory.claim import Claim, Proof, RandomTest, Verdict
from bnproof.theory.claims.random_matrices.liu_edge import prove as prove_edge
from bnproof.theory.proving.derivation import DerivationResult
from bnproof.theory.random_matrices import fuss_catalan_moments as moments
from bnproof.theory.sources import Source
from bnproof.theory.symbols import M


def prove() -> DerivationResult:
    """Both sides near x_max, for symbolic M."""
    return prove_edge()


CLAIM = Claim(
    id="fuss_catalan_edge",
    title="Density (5) ends in a square root, with a coefficient that falls with M.",
    sources=(Source("derived", "from equation (5) of S3"),),
    statement=(
        r"x_{\max}\,\rho_M(x) \sim \frac1\pi\sqrt{\frac{2(M+1)}{M^3}}\,"
        r"\sqrt{1-x/x_{\max}},\quad x\to x_{\max}"
    ),
    relation=sp.Eq(sp.pi * moments.edge_constant**2, 2 * (M + 1) / (sp.pi * M**3)),
    control=sp.Eq(sp.pi * moments.edge_constant**2, 2 * M / (sp.pi * (M + 1) ** 3)),
    checks=(Proof(prove), RandomTest(sizes=(1, 2, 8, 32), sampler="law")),
    expected=Verdict.PROVED,
    remark=(
        "A square root is what fluctuations of Tracy and Widom's law go with; the coefficient "
        "sets their scale. The relation is its square, times pi. The control exchanges M and M+1."
    ),
)
