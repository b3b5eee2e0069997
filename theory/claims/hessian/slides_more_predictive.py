"""Gradients become more predictive: the curvature along them decreases for every loss."""

import sympy as sp

from bnproof.theory.claim import Claim, Counterexample, Proof, RandomTest, Verdict
from bnproof.theory.claims.hessian import santurkar_4_2
from bnproof.theory.symbols import IDEAL, vHv, vKv

CLAIM = Claim(
    id="slides_more_predictive",
    title="The layer makes gradients more predictive: it lowers the curvature along them.",
    relation=sp.Le(vKv, vHv),
    domain=IDEAL,
    control=sp.Eq(vKv, santurkar_4_2.BOUND),
    checks=(
        Counterexample.of(
            y=[1, 1, -1, -1],
            b=[-2, -1, 1, 1],
            A=[[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]],
        ),
        Proof(santurkar_4_2.prove, of_control=True),
        RandomTest(sampler="weights"),
    ),
    expected=Verdict.REFUTED,
    remark=(
        "Read without hypotheses: for any weights and loss, the curvature along the gradient v "
        "is not larger with the layer than without, both at the same z, for eps = 0. The "
        "counterexample is convex with gamma = sigma; only gamma <g,yhat> is negative. The "
        "control is Theorem 4.2, the identity for the change; slides_more_predictive_if has "
        "sufficient hypotheses. Whether trained networks are more predictive is a question for "
        "experiments."
    ),
)
