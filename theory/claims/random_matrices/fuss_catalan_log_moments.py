"""Mean and variance of the logarithm of a squared singular value."""

import sympy as sp

from bnproof.theory.claim import Claim, Proof, RandomTest, Verdict
from bnproof.theory.proving.derivation import Derivation, DerivationResult
from bnproof.theory.random_matrices import fuss_catalan_moments as moments
from bnproof.theory.random_matrices import fuss_catalan_proofs
from bnproof.theory.random_matrices.fuss_catalan_moments import k
from bnproof.theory.sources import Source
from bnproof.theory.symbols import M

# k E log x + k^2/2 Var log x: what log E x^k is to second order.
SECOND_ORDER = k * moments.log_mean + k**2 / 2 * moments.log_variance


def prove() -> DerivationResult:
    """Cumulants of log x for symbolic M."""
    d = Derivation()
    fuss_catalan_proofs.parametrisation_steps(d)
    moments.log_moment_steps(d)
    return d.finish()


CLAIM = Claim(
    id="fuss_catalan_log_moments",
    title="The variance of the logarithm of a squared singular value grows as M^2.",
    sources=(Source("derived", "from equation (5) of S3"),),
    statement=(r"\mathbb{E}\log x = -M,\quad \mathrm{Var}\log x = M^2+\tfrac{\pi^2}{3}M"),
    relation=sp.Eq(SECOND_ORDER, -k * M + k**2 / 2 * (M**2 + M * sp.pi**2 / 3)),
    control=sp.Eq(SECOND_ORDER, -k * M + k**2 / 2 * (M + M * sp.pi**2 / 3)),
    checks=(Proof(prove), RandomTest(sizes=(1, 2, 8, 32), sampler="law")),
    expected=Verdict.PROVED,
    remark=(
        "The relation is both equations at once: for every k the sum of k times the first and "
        "k^2/2 times the second, the expansion of log E x^k at k = 0. The "
        "control is M times the variance for M = 1: squared singular values of a "
        "product are not products of independent squared singular values."
    ),
)
