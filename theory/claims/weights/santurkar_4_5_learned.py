"""Lemma 4.5 with optimal parameters of the layer."""

from functools import partial

import sympy as sp

from bnproof.theory.claim import Claim, ExactCase, Proof, RandomTest, Verdict
from bnproof.theory.claims.weights.santurkar_4_5 import STATEMENT, prove
from bnproof.theory.layer import minimax
from bnproof.theory.layer.minimax import RAY, d_learned, d_ray, inner

CLAIM = Claim(
    id="santurkar_4_5_learned",
    title="The normalised network has an optimum closer to the start, gamma and beta optimal.",
    statement=STATEMENT,
    relation=sp.Le(d_learned, RAY),
    domain=sp.Gt(inner, 0),
    control=sp.Eq(d_ray, RAY),
    checks=(
        ExactCase(
            "one linear unit, X = [[1,0],[0,1],[1,1]], targets (1,2,0), squared error, W0 = (0,1), "
            "where W* = (0,1) and What* = c(2,1), c not 0,",
            partial(minimax.regression, learned=True),
        ),
        Proof(prove, of_control=True),
        RandomTest(sizes=(8, 64), sampler="weights"),
    ),
    expected=Verdict.REFUTED,
    remark=(
        "For eps = 0. gamma may have either sign, so both rays of a line are optimal; beta acts as "
        "an intercept, which the unit without the layer does not have. With an intercept, for one "
        "linear unit and squared error, both directions are the same and the lemma holds. "
        "The control is the geometry of the ray, proved here."
    ),
)
