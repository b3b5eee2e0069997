"""The largest curvature in all weights of a layer: many units, one input."""

from collections.abc import Mapping

import sympy as sp

from bnproof.theory.claim import Claim, Counterexample, ExactCase, Proof, RandomTest, Verdict
from bnproof.theory.exact.curvature import top_eigenvalues
from bnproof.theory.layer import layer_curvature
from bnproof.theory.layer.curvature import lamK, opX
from bnproof.theory.layer.layer_curvature import NORM_X, TOP_H, TOP_K, lamU, lamW
from bnproof.theory.proving.certificate import Term
from bnproof.theory.proving.derivation import Derivation, DerivationResult
from bnproof.theory.sources import Source

IDENTITY = [[int(i == j) for j in range(4)] for i in range(4)]
UNITS = (
    Counterexample.of(y=[1, 1, -1, -1], b=[1, -3, 1, 1], A=IDENTITY),
    Counterexample.of(y=[2, 2, -2, -2], b=[1, 0, 0, 1], A=IDENTITY),
)


def two_units() -> Mapping[sp.Symbol, sp.Expr]:
    """X = 1 and a loss without coupling: the weight Hessian is blockdiag(K_1, K_2), and H = 1."""
    tops = [top_eigenvalues(unit)[lamK] for unit in UNITS]
    return {lamW: sp.Max(*tops), lamU: sp.Max(*tops), opX: sp.Integer(1)}


def prove() -> DerivationResult:
    """Compare the loss with h|z|^2/2, unit by unit; the rest follows from three definitions."""
    d = Derivation()
    layer_curvature.steps(d)
    return d.finish(
        [
            Term(lamU, "no K_j(h) is negative definite", NORM_X.name),
            Term(sp.Integer(1), "1", TOP_K.name),
            Term(sp.Integer(1), "1", TOP_H.name),
        ]
    )


CLAIM = Claim(
    id="hessian_layer_bound",
    title="The weight Hessian of a whole layer is bounded by |X|^2 and its worst single unit.",
    sources=(Source("derived", "none of the sources bounds the Hessian of a whole layer"),),
    statement=(
        r"\lambda_{\max}(\nabla^2_W\hat{\mathcal L}) \le \|X\|^2\,\max_j\lambda_{\max}(K_j(h)),"
        r"\quad h = \lambda_{\max}(H),\quad K_j(h) = K_j \text{ with } hI \text{ for } H_{jj}"
    ),
    relation=sp.Le(lamW, opX * lamU),
    control=sp.Le(lamW, lamU),
    checks=(
        Proof(
            prove,
            attained=ExactCase(
                "two units with y = (1, 1, -1, -1), (2, 2, -2, -2), X = 1, "
                "L = |z|^2/2 + b'z, b = (1, -3, 1, 1), (1, 0, 0, 1)",
                two_units,
            ),
        ),
        RandomTest(sizes=(2, 3, 8), sampler="layer"),
    ),
    expected=Verdict.PROVED,
    remark=(
        "For every eps. H is the Hessian at z of all units together, including cross terms. "
        "So a layer is no more curved than its worst unit under the loss "
        "h|z|^2/2 with the same gradient. The control omits |X|^2."
    ),
)
