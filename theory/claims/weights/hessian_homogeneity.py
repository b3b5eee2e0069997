"""The weight Hessian shrinks with the square of the length of the weights."""

import sympy as sp

from bnproof.theory.claim import Claim, Proof, RandomTest, Verdict
from bnproof.theory.layer import weights
from bnproof.theory.layer.weights import c, hess_cki, hess_ki
from bnproof.theory.proving.derivation import Derivation, DerivationResult
from bnproof.theory.sources import Source
from bnproof.theory.symbols import IDEAL


def prove() -> DerivationResult:
    """Differentiate the layer twice at y and at cy along columns of X."""
    d = Derivation()
    weights.hessian_entry_steps(d)
    return d.finish()


CLAIM = Claim(
    id="hessian_homogeneity",
    title="Weights c times as long have a Hessian c^2 times as small.",
    sources=(Source("derived", "standard; stated in arXiv:2206.07085"),),
    statement=(
        r"\nabla^2\hat{\mathcal L}(cW) = \tfrac{1}{c^2}\nabla^2\hat{\mathcal L}(W),\quad c > 0"
    ),
    relation=sp.Eq(hess_cki, hess_ki / c**2),
    domain=IDEAL,
    control=sp.Eq(hess_cki, hess_ki / c),
    checks=(Proof(prove), RandomTest(sizes=(2, 3, 8, 32), sampler="weights")),
    expected=Verdict.PROVED,
    remark=(
        "For eps = 0, entry by entry, for every twice differentiable loss. Long weights look "
        "smooth whatever the loss: sharpness alone says nothing of a normalised unit, sharpness "
        "times |W|^2 does. The control has 1/c for 1/c^2."
    ),
)
