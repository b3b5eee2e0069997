"""The largest curvature in the weights of one unit."""

from collections.abc import Mapping

import sympy as sp

from bnproof.theory.claim import Claim, Counterexample, ExactCase, Proof, RandomTest, Verdict
from bnproof.theory.exact.curvature import top_eigenvalues
from bnproof.theory.layer import curvature
from bnproof.theory.layer.curvature import NORM_X, TOP_K, lamK, lamW, opX
from bnproof.theory.proving.certificate import Term
from bnproof.theory.proving.derivation import Derivation, DerivationResult
from bnproof.theory.sources import Source

CASE = Counterexample.of(
    y=[1, 1, -1, -1],
    b=[1, -3, 1, 1],
    A=[[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]],
)


def identity_inputs() -> Mapping[sp.Symbol, sp.Expr]:
    """X = 1: the weights are the activations, and the two Hessians the same matrix."""
    top = top_eigenvalues(CASE)[lamK]
    return {lamW: top, lamK: top, opX: sp.Integer(1)}


def prove() -> DerivationResult:
    """The weight Hessian is X'KX; both factors are bounded by their definitions."""
    d = Derivation()
    curvature.weight_steps(d)
    return d.finish(
        [
            Term(lamK, "lambda_max(K) >= 0", NORM_X.name),
            Term(sp.Integer(1), "1", TOP_K.name),
        ]
    )


CLAIM = Claim(
    id="hessian_spectral_bound_weights",
    title="The largest eigenvalue of one unit's weight Hessian is at most |X|^2 times that in y.",
    sources=(Source("derived", "none of the sources bounds the weight Hessian"),),
    statement=r"\lambda_{\max}(\nabla^2_w\hat{\mathcal L}) \le \|X\|^2\,\lambda_{\max}(K)",
    relation=sp.Le(lamW, opX * lamK),
    control=sp.Le(lamW, lamK),
    checks=(
        Proof(
            prove,
            attained=ExactCase(
                "L(z) = |z|^2/2 + b'z with b = (1, -3, 1, 1), X = 1, y = w = (1, 1, -1, -1), "
                "gamma = 1",
                identity_inputs,
            ),
        ),
        RandomTest(sizes=(3, 8, 32), sampler="weights"),
    ),
    expected=Verdict.PROVED,
    remark=(
        "For every eps. With hessian_spectral_bound it is explicit in the curvature at z, the "
        "gradient at y, sigma and the spectral norm of the inputs. The control omits |X|^2."
    ),
)
