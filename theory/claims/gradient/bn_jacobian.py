"""Jacobian of batch normalisation (A18, Fact C.2)."""

import sympy as sp

from bnproof.theory.claim import Claim, Proof, RandomTest, Verdict
from bnproof.theory.layer import batchnorm
from bnproof.theory.proving.derivation import Derivation, DerivationResult
from bnproof.theory.symbols import J_ki, delta_ki, m, projector, s, yhat_i, yhat_k


def prove() -> DerivationResult:
    """Derive the directional derivative for symbolic m, then read off entry (k, i)."""
    d = Derivation()
    batchnorm.jacobian_steps(d)
    d.value(
        J_ki,
        "Take h = e_i and component k",
        batchnorm.jacobian_entry(),
        projector(yhat_k, yhat_i, delta_ki) / s,
    )
    return d.finish()


CLAIM = Claim(
    id="bn_jacobian",
    title="The Jacobian of batch normalisation is P/s.",
    statement=(
        r"\frac{\partial \hat y_k}{\partial y_i} = \frac{1}{\sigma}"
        r"\left(\delta_{ki} - \frac1m - \frac{1}{m}\hat y_k\hat y_i\right)"
    ),
    relation=sp.Eq(J_ki, projector(yhat_k, yhat_i, delta_ki) / s),
    control=sp.Eq(J_ki, (delta_ki - 1 / m - yhat_k * yhat_i) / s),
    checks=(Proof(prove), RandomTest(sizes=(2, 3, 5))),
    expected=Verdict.PROVED,
    remark=(
        "Printed for eps = 0; it holds for every eps >= 0 with s = sqrt(sigma^2 + eps) in place "
        "of sigma. The control drops 1/m from the last term."
    ),
)
