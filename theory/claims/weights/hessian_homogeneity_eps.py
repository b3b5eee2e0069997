"""Euler's relation for the layer of frameworks: eps > 0 under the root."""

import sympy as sp

from bnproof.theory.claim import Claim, Proof, RandomTest, Verdict
from bnproof.theory.layer import weights
from bnproof.theory.layer.weights import EULER, PXHy_k, Xy_k, grad_k, hessw_k
from bnproof.theory.proving.derivation import Derivation, DerivationResult
from bnproof.theory.sources import Source
from bnproof.theory.symbols import REGULAR, eps, gamma, gy, m, s


def prove() -> DerivationResult:
    """Derive Hess w for symbolic eps."""
    d = Derivation()
    weights.euler_steps(d)
    return d.finish()


WRONG = eps / s**2 * (grad_k + gamma**2 / s * PXHy_k - gamma / (m * s) * Xy_k * gy)

CLAIM = Claim(
    id="hessian_homogeneity_eps",
    title="With eps > 0 the Hessian times the weights misses minus the gradient by eps/s^2 terms.",
    sources=(Source("derived", "homogeneity for the layer of frameworks, eps > 0"),),
    statement=(
        r"\nabla^2\hat{\mathcal L}\,W = -\nabla\hat{\mathcal L} + \frac{\varepsilon}{s^2}\Big("
        r"\nabla\hat{\mathcal L} + \frac{\gamma^2}{s}X^\top P H\hat y"
        r" - \frac{2\gamma}{m s}\langle g,\hat y\rangle X^\top\hat y\Big)"
    ),
    relation=sp.Eq(hessw_k, EULER - grad_k),
    domain=REGULAR,
    control=sp.Eq(hessw_k, WRONG - grad_k),
    checks=(Proof(prove), RandomTest(sizes=(2, 3, 8, 32), sampler="weights")),
    expected=Verdict.PROVED,
    remark=(
        "The bracket is what differentiating <grad,W> = gamma (eps/s^2) <g,yhat> leaves; all of it "
        "carries the share eps/s^2 = 1 - kappa. The control has 1 for the factor 2."
    ),
)
