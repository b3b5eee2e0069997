"""Gradient descent lengthens the weights of a batch-normalised unit in every step."""

import sympy as sp

from bnproof.theory.claim import Claim, Proof, RandomTest, Verdict
from bnproof.theory.layer import weights
from bnproof.theory.layer.weights import after, eta, nn, nw, ww
from bnproof.theory.proving.derivation import Derivation, DerivationResult
from bnproof.theory.sources import Source
from bnproof.theory.symbols import IDEAL, eps


def prove() -> DerivationResult:
    """Derive <grad,w>, which vanishes with eps, and square one step."""
    d = Derivation()
    weights.radial_steps(d)
    d.equal(
        "At eps = 0 the gradient is orthogonal to the weights",
        (r"\langle\nabla_w\hat{\mathcal L}, w\rangle", "<grad,w>"),
        d.values[nw].subs(eps, 0),
        sp.Integer(0),
    )
    weights.step_steps(d)
    return d.finish()


CLAIM = Claim(
    id="scale_invariance_growth",
    title="The gradient is orthogonal to the weights, so that each step lengthens them.",
    sources=(Source("derived", "standard; stated in arXiv:1812.03981"),),
    statement=(
        r"\langle\nabla\hat{\mathcal L}(W), W\rangle = 0,\quad "
        r"\|W_{t+1}\|^2 = \|W_t\|^2 + \eta^2\|\nabla\hat{\mathcal L}(W_t)\|^2"
    ),
    relation=sp.Eq(after, ww + eta**2 * nn),
    domain=IDEAL,
    control=sp.Eq(after, ww + eta * nn),
    checks=(Proof(prove), RandomTest(sampler="weights")),
    expected=Verdict.PROVED,
    remark=(
        "For eps = 0, plain gradient descent, no weight decay. The two parts say the same, since "
        "the squared step differs from the right side by -2 eta <grad,w>. For eps > 0 see "
        "scale_invariance_eps. The control has eta for eta^2."
    ),
)
