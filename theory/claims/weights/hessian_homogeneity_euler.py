"""Euler's relation: the weight Hessian applied to the weights gives minus the gradient."""

import sympy as sp

from bnproof.theory.claim import Claim, Proof, RandomTest, Verdict
from bnproof.theory.layer import weights
from bnproof.theory.layer.weights import grad_k, hessw_k
from bnproof.theory.proving.derivation import Derivation, DerivationResult
from bnproof.theory.sources import Source
from bnproof.theory.symbols import IDEAL


def prove() -> DerivationResult:
    """Derive Hess w for every eps; at eps = 0 only minus the gradient is left."""
    d = Derivation()
    weights.euler_steps(d)
    return d.finish()


CLAIM = Claim(
    id="hessian_homogeneity_euler",
    title="The weight Hessian applied to the weights gives minus the gradient.",
    sources=(Source("derived", "standard; stated in arXiv:2206.07085"),),
    statement=r"\nabla^2\hat{\mathcal L}(W)\,W = -\nabla\hat{\mathcal L}(W)",
    relation=sp.Eq(hessw_k, -grad_k),
    domain=IDEAL,
    control=sp.Eq(hessw_k, grad_k),
    checks=(Proof(prove), RandomTest(sizes=(2, 3, 8, 32), sampler="weights")),
    expected=Verdict.PROVED,
    remark=(
        "For eps = 0. So W'Hess W = -<grad,W> = 0, and where the gradient is not 0 the Hessian "
        "has a negative eigenvalue: the loss is convex in the weights nowhere but at stationary "
        "points. For eps > 0 see hessian_homogeneity_eps. The control has the wrong sign."
    ),
)
