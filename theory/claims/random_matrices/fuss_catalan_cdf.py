"""The distribution function of the Fuss-Catalan law in closed form."""

import sympy as sp

from bnproof.theory.claim import Claim, Proof, RandomTest, Verdict
from bnproof.theory.proving.derivation import Derivation, DerivationResult
from bnproof.theory.random_matrices import fuss_catalan_proofs
from bnproof.theory.sources import Source
from bnproof.theory.symbols import M, phi


def prove() -> DerivationResult:
    """Check the antiderivative of density (5), for symbolic M."""
    d = Derivation()
    fuss_catalan_proofs.cdf_steps(d)
    return d.finish()


CLAIM = Claim(
    id="fuss_catalan_cdf",
    title="The distribution function of density (5) is elementary in phi.",
    sources=(Source("derived", "integral of equation (5) of S3"),),
    statement=(
        r"F_M(x) = 1-\frac1\pi\Bigl((M+1)\varphi"
        r"-M\,\frac{\sin((M+1)\varphi)\sin\varphi}{\sin(M\varphi)}\Bigr)"
    ),
    relation=sp.Eq(fuss_catalan_proofs.law_cdf, fuss_catalan_proofs.CDF),
    domain=fuss_catalan_proofs.ANGLES,
    control=sp.Eq(
        fuss_catalan_proofs.law_cdf,
        1 - ((M + 1) * phi - sp.sin((M + 1) * phi) * sp.sin(phi) / sp.sin(M * phi)) / sp.pi,
    ),
    checks=(Proof(prove), RandomTest(sizes=(1, 2, 8, 32), sampler="law")),
    expected=Verdict.PROVED,
    remark=(
        "With u the root of u = 1 + u^(M+1)/x above the real axis, F = 1 + Im(M u - log(u-1))/pi. "
        "The control omits the factor M; it is correct only for M = 1."
    ),
)
