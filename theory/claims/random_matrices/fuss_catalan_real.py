"""The Fuss-Catalan law exists for every real M > 0."""

import sympy as sp

from bnproof.theory.claim import Claim, Proof, RandomTest, Verdict
from bnproof.theory.proving.derivation import Derivation, DerivationResult
from bnproof.theory.random_matrices import fuss_catalan_proofs
from bnproof.theory.random_matrices.fuss_catalan_proofs import law_mass, real
from bnproof.theory.sources import Source
from bnproof.theory.symbols import M, phi


def prove() -> DerivationResult:
    """For real M > 0: x is a coordinate on the support, (5) is positive and has mass 1."""
    d = Derivation()
    fuss_catalan_proofs.define_angles(d)
    fuss_catalan_proofs.slope_steps(d, real)
    fuss_catalan_proofs.mass_steps(d, real)
    cdf = fuss_catalan_proofs.CDF.subs(M, real)
    d.value(
        law_mass,
        "(5) is a density on the support, of total mass",
        sp.limit(cdf, phi, 0) - cdf.subs(phi, sp.pi / (real + 1)),
        sp.Integer(1),
    )
    return d.finish()


CLAIM = Claim(
    id="fuss_catalan_real",
    title="Density (5) is a probability density for every real M > 0.",
    sources=(Source("derived", "equation (5) of S3, for M that need not be whole"),),
    statement=(
        r"\rho_M \ge 0,\quad \int_0^{x_{\max}}\rho_M(x)\,dx = 1"
        r"\quad\text{for every real } M > 0"
    ),
    relation=sp.Eq(law_mass, 1),
    control=sp.Eq(law_mass, real / (real + 1)),
    checks=(Proof(prove), RandomTest(sizes=(1, 2, 8, 32), sampler="law")),
    expected=Verdict.PROVED,
    remark=(
        "It is the law with the moments A_k(M+1, 1) of Fuss and Raney, which W. Mlotkowski "
        "(Documenta Math. 15 (2010) 939) shows to be moments exactly for M+1 >= 1; here the "
        "density is checked directly. As M tends to 0 the law tends to a point mass at 1. The "
        "control is a mass that tends to 1 only as M grows."
    ),
)
