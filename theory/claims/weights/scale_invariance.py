"""The loss of a batch-normalised unit does not depend on the length of its weights."""

import sympy as sp

from bnproof.theory.claim import Claim, Proof, RandomTest, Verdict
from bnproof.theory.layer import weights
from bnproof.theory.layer.batchnorm import LINE, activations, normalise
from bnproof.theory.layer.weights import c, loss_cw, loss_w
from bnproof.theory.proving.derivation import Derivation, DerivationResult
from bnproof.theory.sources import Source
from bnproof.theory.symbols import IDEAL, eps


def prove() -> DerivationResult:
    """The layer sends cy and y to the same point; the loss is a function of that point."""
    d = Derivation()
    weights.same_point_steps(d)
    # Any function of a vector in the span of (1, yhat) is one of its two coefficients.
    loss, names = sp.Function("Lhat"), ("1", "yhat")
    there = normalise(activations(LINE) * c).at({eps: 0})
    here = normalise(activations(LINE)).at({eps: 0})
    at_w, at_cw = (loss(*(point.coefficient(n) for n in names)) for point in (here, there))
    d.value(
        loss_cw,
        "The loss is a function of z = gamma yhat + beta 1, which is the same",
        at_cw.subs(at_w, loss_w),
        loss_w,
    )
    return d.finish()


CLAIM = Claim(
    id="scale_invariance",
    title="The loss of a batch-normalised unit does not depend on the length of its weights.",
    sources=(Source("derived", "standard; stated in arXiv:1812.03981"),),
    statement=r"\hat{\mathcal L}(cW) = \hat{\mathcal L}(W),\quad c > 0",
    relation=sp.Eq(loss_cw, loss_w),
    domain=IDEAL,
    control=sp.Eq(loss_cw, c * loss_w),
    checks=(Proof(prove), RandomTest(sampler="weights")),
    expected=Verdict.PROVED,
    remark=(
        "For eps = 0 and c > 0: a negative c turns yhat into -yhat. For consequences see "
        "scale_invariance_gradient, scale_invariance_growth and hessian_homogeneity; for the "
        "defect at eps > 0 see scale_invariance_eps. The control lets the loss scale with c."
    ),
)
