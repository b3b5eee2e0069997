"""The geometry of Lemma 4.5: the distance from a point to a ray."""

import sympy as sp

from bnproof.theory.claim import Claim, Proof, RandomTest, Verdict
from bnproof.theory.claims.weights.santurkar_4_5 import prove
from bnproof.theory.layer.minimax import RAY, d_ray, d_std, inner, star
from bnproof.theory.sources import Source

CLAIM = Claim(
    id="santurkar_4_5_ray",
    title="The ray through W* is closer to the initial weights than W*, by an exact amount.",
    sources=(Source("derived", "what the proof of Lemma 4.5 of A18 shows"),),
    statement=(
        r"\min_{c>0}\|W_0-cW^*\|^2 = \|W_0-W^*\|^2 - \frac{1}{\|W^*\|^2}\big(\|W^*\|^2 - "
        r"\langle W^*,W_0\rangle\big)^2\ \text{ if } \langle W_0,W^*\rangle > 0"
    ),
    relation=sp.Eq(d_ray, RAY),
    domain=sp.Gt(inner, 0),
    control=sp.Eq(d_ray, d_std - (star - inner) ** 2),
    checks=(Proof(prove), RandomTest(sizes=(8, 64), sampler="weights")),
    expected=Verdict.PROVED,
    remark=(
        "An identity of plane geometry. The layer enters only by the premise that the ray consists "
        "of optima, which is false in general: santurkar_4_5. The control omits the division."
    ),
)
