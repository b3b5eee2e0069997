"""Lemma 4.5 of Santurkar et al.: a favourable initialisation."""

from functools import partial

import sympy as sp

from bnproof.theory.claim import Claim, ExactCase, Proof, RandomTest, Verdict
from bnproof.theory.layer import minimax
from bnproof.theory.layer.minimax import RAY, d_bn, d_ray, inner
from bnproof.theory.proving.derivation import Derivation, DerivationResult

STATEMENT = (
    r"\|W_0-\hat W^*\|^2 \le \|W_0-W^*\|^2 - \frac{1}{\|W^*\|^2}\big(\|W^*\|^2 - "
    r"\langle W^*,W_0\rangle\big)^2\ \text{ if } \langle W_0,W^*\rangle > 0"
)


def prove() -> DerivationResult:
    """The distance to the ray through W*, on which the lemma relies."""
    d = Derivation()
    minimax.ray_steps(d)
    return d.finish()


CLAIM = Claim(
    id="santurkar_4_5",
    title="The normalised network has an optimum closer to the initial weights.",
    statement=STATEMENT,
    relation=sp.Le(d_bn, RAY),
    domain=sp.Gt(inner, 0),
    control=sp.Eq(d_ray, RAY),
    checks=(
        ExactCase(
            "one linear unit, X = [[1,0],[0,1],[1,1]], targets (1,2,0), squared error, gamma = 1, "
            "beta = 0, W0 = (0,1), where W* = (0,1) and What* = c(-2,-1), c > 0,",
            partial(minimax.regression, learned=False),
        ),
        Proof(prove, of_control=True),
        RandomTest(sizes=(8, 64), sampler="weights"),
    ),
    expected=Verdict.REFUTED,
    remark=(
        "For eps = 0. The proof takes every positive multiple of W* as an optimum of the "
        "normalised network, for any initialisation and closest optima. It is none in general: "
        "the layer centres and rescales, so its optima lie in another direction; here the "
        "closest point of their ray is its end at 0. J. Dannemann and G. Junike (2025, "
        "arXiv:2502.17913) refuted the lemma first, with one neuron, identity activation and three "
        "points. Like theirs, this counterexample starts at W0 = W*, where the lemma would make W* "
        "an optimum of the normalised network. Theirs are 3 w1 = 5 w2, w1 > 0, by its summary; its "
        "three points are not compared here. These lie in the opposite half-plane, <What*,W*> < 0, "
        "so that no optimum is nearer than 0. The "
        "geometry of the ray is correct: the control, and santurkar_4_5_ray. The lemma also "
        "fails if gamma and beta are optimal: santurkar_4_5_learned."
    ),
)
