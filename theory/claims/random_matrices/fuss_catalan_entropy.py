"""Differential entropy, and mean and variance of the logarithm, of the Fuss-Catalan law."""

import sympy as sp

from bnproof.theory.claim import Claim, Proof, RandomTest, Verdict
from bnproof.theory.proving.derivation import Derivation, DerivationResult
from bnproof.theory.random_matrices import fuss_catalan_moments as moments
from bnproof.theory.random_matrices import fuss_catalan_proofs
from bnproof.theory.sources import Source
from bnproof.theory.symbols import M


def prove() -> DerivationResult:
    """The entropy for symbolic M, from the closed distribution function."""
    d = Derivation()
    fuss_catalan_proofs.parametrisation_steps(d)
    moments.entropy_steps(d)
    return d.finish()


CLAIM = Claim(
    id="fuss_catalan_entropy",
    title="The entropy of density (5) is a value of Clausen's function.",
    sources=(Source("derived", "from equation (5) of S3"),),
    statement=(
        r"-\int\rho_M\log\rho_M\,dx = \log2\pi-M"
        r"+\frac{(M+1)^2}{2\pi M}\,\mathrm{Cl}_2\bigl(\tfrac{2\pi}{M+1}\bigr)"
    ),
    relation=sp.Eq(moments.entropy, moments.ENTROPY),
    control=sp.Eq(moments.entropy, moments.ENTROPY + M),
    checks=(Proof(prove), RandomTest(sizes=(1, 2, 8, 32), sampler="law")),
    expected=Verdict.PROVED,
    remark=(
        "The relation leaves log 2 pi out on both sides. On the way: E log x = -M and Var log x = "
        "M^2 + M pi^2/3, so that log x spreads as far as its mean lies from 0. The control is the "
        "entropy of log x."
    ),
)
