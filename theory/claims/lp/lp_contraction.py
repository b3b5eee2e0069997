"""What Theorem 4.1 entails for BatchNorm, said of every l_p normalisation."""

import sympy as sp

from bnproof.theory.claim import Claim, Proof, RandomTest, Verdict
from bnproof.theory.claims.lp.lp_amplification import BOUND, CASE, CENTRED, prove
from bnproof.theory.normalizers.groups import AfAf, S
from bnproof.theory.sources import Source
from bnproof.theory.symbols import vv

CLAIM = Claim(
    id="lp_contraction",
    title="Centred l_p normalisation lengthens no centred gradient by more than 1/S.",
    sources=(Source("derived", "Theorem 4.1 of A18 read for the l_p normalisation of S0"),),
    statement=r"\|\nabla_u L\|^2 \le \frac{1}{S^2}\,\|A\nabla_n L\|^2",
    relation=sp.Le(vv, AfAf / S**2),
    domain=CENTRED,
    control=sp.Le(vv, BOUND),
    checks=(
        CASE,
        Proof(prove, of_control=True, attained=CASE),
        RandomTest(sizes=(4, 5, 16), sampler="normalizers"),
    ),
    expected=Verdict.REFUTED,
    remark=(
        "True at p = 2, where it follows from Theorem 4.1. For other p the projector is oblique: "
        "the control has the factor |n|^2 |w|^2, which the counterexample attains."
    ),
)
