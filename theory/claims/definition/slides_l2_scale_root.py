"""The scale of batch normalisation as a norm: the l_2 norm over the root of the batch size."""

import sympy as sp

from bnproof.theory.claim import Claim, Proof, RandomTest, Verdict
from bnproof.theory.claims.definition.slides_l2_scale import prove
from bnproof.theory.symbols import centred_norm, m, sigma

CLAIM = Claim(
    id="slides_l2_scale_root",
    title="Batch normalisation divides by the l2 norm of the centred batch over sqrt(B).",
    statement=r"C = \frac{1}{\sqrt B}\|y - \hat\mu\|_2",
    relation=sp.Eq(sigma, centred_norm / sp.sqrt(m)),
    control=sp.Eq(sigma, centred_norm / m),
    checks=(Proof(prove), RandomTest()),
    expected=Verdict.PROVED,
    remark=(
        "The slides' own l_p norm at p = 2 has this root, ((1/B) sum |y_i|^2)^(1/2). The control "
        "divides by B."
    ),
)
