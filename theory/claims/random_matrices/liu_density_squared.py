"""Theorem 1 of S3 for the squared singular values."""

import sympy as sp

from bnproof.theory.claim import Claim, Proof, RandomTest, SpectrumTest, Verdict
from bnproof.theory.proving.derivation import Derivation, DerivationResult
from bnproof.theory.random_matrices import fuss_catalan_proofs
from bnproof.theory.symbols import M, phi, rho, x


def prove() -> DerivationResult:
    """Derive density (5) from the equation of the generating function, for symbolic M.

    Both have the same moments, and those determine a law on a bounded interval.
    """
    d = Derivation()
    fuss_catalan_proofs.equation_steps(d)
    fuss_catalan_proofs.density_steps(d)
    fuss_catalan_proofs.mass_steps(d)
    return d.finish()


CLAIM = Claim(
    id="liu_density_squared",
    title="Density (5) is the limiting law of the squared singular values.",
    statement=(
        r"\rho_M(x) = \frac{1}{\pi x}\,\frac{\sin((M+1)\varphi)}{\sin(M\varphi)}\sin\varphi"
        r"\ \text{ is the limiting density of the eigenvalues } x = s^2 \text{ of } X^\top X,"
        r"\quad X = X_1\cdots X_M,\ \mathbb{E}\,X_{i,jk}^2 = \tfrac1N"
    ),
    relation=sp.Eq(rho, fuss_catalan_proofs.DENSITY),
    domain=fuss_catalan_proofs.ANGLES,
    control=sp.Eq(rho, sp.sin(M * phi) * sp.sin(phi) / (sp.pi * x * sp.sin((M + 1) * phi))),
    checks=(
        Proof(prove),
        RandomTest(sizes=(1, 2, 4), sampler="products"),
        SpectrumTest(study="law", statement="s^2", control="s"),
    ),
    expected=Verdict.PROVED,
    remark=(
        "The proof rests on two theorems of free probability, and compares all moments: those of "
        "(5) and those that the equation of the generating function prescribes are checked to "
        "agree for symbolic M and order, so that none of its roots need be chosen. The control of "
        "the derivation exchanges M and M+1; that of the spectra uses the singular values, as "
        "printed. With variances sigma_i^2/N, x is s^2 over the product of the sigma_i^2, which "
        "(5) omits."
    ),
)
