"""Mean and variance of the logarithm of a squared singular value."""

import sympy as sp

from bnproof.theory.claim import Claim, Proof, RandomTest, Verdict
from bnproof.theory.proving.derivation import Derivation, DerivationResult
from bnproof.theory.random_matrices import fuss_catalan_moments as moments
from bnproof.theory.random_matrices import fuss_catalan_proofs
from bnproof.theory.sources import Source


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
    relation=sp.Eq(
        moments.log_variance / sp.pi, moments.log_mean**2 / sp.pi - moments.log_mean * sp.pi / 3
    ),
    control=sp.Eq(
        moments.log_variance / sp.pi, -moments.log_mean / sp.pi - moments.log_mean * sp.pi / 3
    ),
    checks=(Proof(prove), RandomTest(sizes=(1, 2, 8, 32), sampler="law")),
    expected=Verdict.PROVED,
    remark=(
        "Relation and control, both divided by pi, are in terms of the mean, -M, which is derived "
        "too. The control is what M independent factors of the variance for M = 1 would give: "
        "squared singular values of a product are not products of squared singular values."
    ),
)
