"""The moments of the Fuss-Catalan law, of every real order for which they exist."""

import sympy as sp

from bnproof.theory.claim import Claim, Proof, RandomTest, Verdict
from bnproof.theory.proving.derivation import Derivation, DerivationResult
from bnproof.theory.random_matrices import fuss_catalan_moments as moments
from bnproof.theory.random_matrices import fuss_catalan_proofs
from bnproof.theory.sources import Source
from bnproof.theory.symbols import M


def prove() -> DerivationResult:
    """Moments of symbolic order for symbolic M; for whole orders a second time, by residues."""
    d = Derivation()
    fuss_catalan_proofs.parametrisation_steps(d)
    moments.moment_steps(d)
    return d.finish()


CLAIM = Claim(
    id="fuss_catalan_moments",
    title="The moments of density (5) are the Fuss-Catalan numbers, continued to real order.",
    sources=(Source("derived", "classical; from equation (5) of S3"),),
    statement=(
        r"\int x^k\rho_M(x)\,dx = \frac{1}{Mk+1}\binom{(M+1)k}{k}"
        r" = \frac{\Gamma((M+1)k+1)}{\Gamma(k+1)\,\Gamma(Mk+2)},\quad k > -\tfrac{1}{M+1}"
    ),
    relation=sp.Eq(moments.log_moment, moments.LOG_MOMENT),
    domain=moments.k > -1 / (M + 1),
    control=sp.Eq(moments.log_moment, moments.LOG_MOMENT + moments.log_gamma_order),
    checks=(Proof(prove), RandomTest(sizes=(1, 2, 8, 32), sampler="law")),
    expected=Verdict.PROVED,
    remark=(
        "The mean is 1 and the mean square M+1. For k = 1/2 it is the mean of the singular values "
        "themselves. The relation is that of the logarithms. The control leaves out Gamma(k+1)."
    ),
)
