"""The weight gradient shrinks as the weights grow."""

import sympy as sp

from bnproof.theory.claim import Claim, Proof, RandomTest, Verdict
from bnproof.theory.layer import weights
from bnproof.theory.layer.weights import c, grad_ck, grad_k
from bnproof.theory.proving.derivation import Derivation, DerivationResult
from bnproof.theory.sources import Source
from bnproof.theory.symbols import IDEAL


def prove() -> DerivationResult:
    """Differentiate the layer at y and at cy along a column of X."""
    d = Derivation()
    weights.gradient_entry_steps(d)
    return d.finish()


CLAIM = Claim(
    id="scale_invariance_gradient",
    title="Weights c times as long have a gradient c times as short.",
    sources=(Source("derived", "standard; stated in arXiv:1812.03981"),),
    statement=r"\nabla\hat{\mathcal L}(cW) = \tfrac1c\nabla\hat{\mathcal L}(W),\quad c > 0",
    relation=sp.Eq(grad_ck, grad_k / c),
    domain=IDEAL,
    control=sp.Eq(grad_ck, grad_k),
    checks=(Proof(prove), RandomTest(sampler="weights")),
    expected=Verdict.PROVED,
    remark=(
        "For eps = 0, entry by entry. Hence a step of rate eta on long weights turns them less: "
        "the effective rate is eta/|W|^2. The control leaves out 1/c."
    ),
)
