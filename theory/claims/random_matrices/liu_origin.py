"""How the density blows up at 0."""

import sympy as sp

from bnproof.theory.claim import Claim, Proof, RandomTest, Verdict
from bnproof.theory.proving.derivation import Derivation, DerivationResult
from bnproof.theory.random_matrices import fuss_catalan_moments as moments
from bnproof.theory.symbols import M


def prove() -> DerivationResult:
    """Exponent and coefficient of density (5) at 0, for symbolic M."""
    d = Derivation()
    moments.origin_steps(d)
    return d.finish()


CLAIM = Claim(
    id="liu_origin",
    title="Density (5) blows up at 0 as x^(-M/(M+1)).",
    statement=r"\rho_M(x) \propto x^{-M/(M+1)},\quad x\to0",
    relation=sp.Eq(moments.origin_exponent, -M / (M + 1)),
    control=sp.Eq(moments.origin_exponent, -(M - 1) / (M + 1)),
    checks=(Proof(prove), RandomTest(sizes=(1, 2, 8, 32), sampler="law")),
    expected=Verdict.PROVED,
    remark=(
        "For x = s^2, as in (5) (liu_density_squared). For the singular values s the exponent is "
        "-(M-1)/(M+1), the control: no blow-up for one factor. The derivation also gives the "
        "coefficient, sin(pi/(M+1))/pi."
    ),
)
