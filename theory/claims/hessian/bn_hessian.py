"""Second derivative of batch normalisation (derived; none of the sources prints it)."""

import sympy as sp

from bnproof.theory.claim import Claim, Proof, RandomTest, Verdict
from bnproof.theory.layer import batchnorm
from bnproof.theory.proving.derivation import Derivation, DerivationResult
from bnproof.theory.sources import Source
from bnproof.theory.symbols import (
    T_kil,
    delta_il,
    delta_ki,
    delta_kl,
    m,
    projector,
    s,
    yhat_i,
    yhat_k,
    yhat_l,
)

P_ki = projector(yhat_k, yhat_i, delta_ki)
P_kl = projector(yhat_k, yhat_l, delta_kl)
P_il = projector(yhat_i, yhat_l, delta_il)
FORMULA = -(yhat_l * P_ki + yhat_i * P_kl + yhat_k * P_il) / (m * s**2)


def prove() -> DerivationResult:
    """Derive the second directional derivative for symbolic m, then read off entry (k; i, l)."""
    d = Derivation()
    batchnorm.hessian_steps(d)
    d.value(T_kil, "Take h = e_i, k = e_l and component k", batchnorm.hessian_entry(), FORMULA)
    return d.finish()


CLAIM = Claim(
    id="bn_hessian",
    title="The second derivative of batch normalisation is a symmetric sum of yhat times P.",
    sources=(Source("derived", "by differentiating the definition twice"),),
    statement=(
        r"\frac{\partial^2 \hat y_k}{\partial y_i\,\partial y_l} = -\frac{1}{m s^2}"
        r"\left(\hat y_l P_{ki} + \hat y_i P_{kl} + \hat y_k P_{il}\right),\quad "
        r"P = I - \tfrac1m \mathbf{1}\mathbf{1}^\top - \tfrac1m \hat y\hat y^\top"
    ),
    relation=sp.Eq(T_kil, FORMULA),
    control=sp.Eq(T_kil, -(yhat_l * P_ki + yhat_i * P_kl) / (m * s**2)),
    checks=(Proof(prove), RandomTest(sizes=(2, 3, 5))),
    expected=Verdict.PROVED,
    remark=(
        "Holds for every eps >= 0; P is a projector at eps = 0 only. "
        "The control drops the third term, the one that makes the formula symmetric in i, k, l."
    ),
)
