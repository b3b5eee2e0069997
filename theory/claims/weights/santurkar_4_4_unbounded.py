"""Why Theorem 4.4 has no meaning once y = Xw is put in: the maximum does not exist."""

import sympy as sp

from bnproof.theory.claim import Claim, Proof, RandomTest, Verdict
from bnproof.theory.layer import minimax
from bnproof.theory.layer.minimax import nn_c
from bnproof.theory.layer.weights import c, nn
from bnproof.theory.proving.derivation import Derivation, DerivationResult
from bnproof.theory.sources import Source
from bnproof.theory.symbols import IDEAL


def prove() -> DerivationResult:
    """Shrink the inputs along w: the gradient grows, their norm does not."""
    d = Derivation()
    minimax.shrink_steps(d)
    return d.finish()


CLAIM = Claim(
    id="santurkar_4_4_unbounded",
    title="Inputs shrunk along w, and so no longer than before, have a gradient 1/c times as long.",
    sources=(Source("derived", "on Theorem 4.4 of A18, where y, sigma and g depend on X"),),
    statement=(
        r"X_c = X\Big(I - (1-c)\frac{ww^\top}{\|w\|^2}\Big),\ 0 < c \le 1:\quad "
        r"\|X_c\| \le \|X\|,\quad \|\nabla_w\hat{\mathcal L}(X_c)\|^2 = "
        r"\frac{1}{c^2}\|\nabla_w\hat{\mathcal L}(X)\|^2"
    ),
    relation=sp.Eq(nn_c, nn / c**2),
    domain=IDEAL,
    control=sp.Eq(nn_c, nn),
    checks=(Proof(prove), RandomTest(sampler="weights")),
    expected=Verdict.PROVED,
    remark=(
        "For eps = 0. So wherever one gradient is not 0, the maximum over |X| <= lambda is "
        "infinite. With eps > 0 it is finite, for |v| <= |gamma||g|/sqrt(eps); no closed form "
        "is known to us, as g depends on X through z. The relation is checked for c > 1 as well."
    ),
)
