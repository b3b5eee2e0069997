"""An exact draw from the Fuss-Catalan law, from two uniform numbers."""

import sympy as sp

from bnproof.theory.claim import Claim, Proof, RandomTest, Verdict
from bnproof.theory.proving.derivation import Derivation, DerivationResult
from bnproof.theory.random_matrices import fuss_catalan_proofs
from bnproof.theory.sources import Source
from bnproof.theory.symbols import M, phi


def prove() -> DerivationResult:
    """The distribution of the draw is the closed distribution function, for symbolic M."""
    d = Derivation()
    fuss_catalan_proofs.draw_steps(d)
    return d.finish()


CLAIM = Claim(
    id="fuss_catalan_draw",
    title="The law is that of W^M x(U), with W and U uniform and x(t) its own parametrisation.",
    sources=(Source("derived", "from equation (5) of S3"),),
    statement=(
        r"W\sim\mathrm{U}(0,1),\ U\sim\mathrm{U}(0,\pi):\quad W^M\,x(U)\sim\rho_M,\quad "
        r"x(t) = \frac{\sin^{M+1}t}{\sin\frac{t}{M+1}\,\sin^M\frac{Mt}{M+1}}"
    ),
    relation=sp.Eq(fuss_catalan_proofs.draw_cdf, fuss_catalan_proofs.CDF),
    domain=fuss_catalan_proofs.ANGLES,
    control=sp.Eq(fuss_catalan_proofs.draw_cdf, 1 - (M + 1) * phi / sp.pi),
    checks=(Proof(prove), RandomTest(sizes=(1, 2, 8, 32), sampler="law")),
    expected=Verdict.PROVED,
    remark=(
        "The closed distribution function is proved in fuss_catalan_cdf. The control leaves W out."
    ),
)
