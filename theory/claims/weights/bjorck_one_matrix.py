"""In one matrix of a linear network, all others fixed, the loss is least squares."""

import sympy as sp

from bnproof.theory.claim import Claim, Proof, RandomTest, Verdict
from bnproof.theory.proving.derivation import Derivation, DerivationResult
from bnproof.theory.training import deep_linear
from bnproof.theory.training.deep_linear import bend, loss_at, loss_moved, slope


def prove() -> DerivationResult:
    """Expand the loss along a change of one matrix."""
    d = Derivation()
    deep_linear.one_layer_steps(d)
    return d.finish()


CLAIM = Claim(
    id="bjorck_one_matrix",
    title="In one matrix, the others fixed, the loss of a linear network is quadratic and convex.",
    statement=(
        r"f(A_i) = \|A_t\cdots A_1x - y\|^2:\quad "
        r"f(A_i + D) = f(A_i) + f'(A_i)[D] + \tfrac12 f''(A_i)[D,D]"
    ),
    relation=sp.Eq(loss_moved, loss_at + slope + bend / 2),
    control=sp.Eq(loss_moved, loss_at + slope + bend),
    checks=(Proof(prove), RandomTest(sizes=(2,), sampler="deep_linear")),
    expected=Verdict.PROVED,
    remark=(
        "Exact for every D, however large, and f'' = 2 |A_t ... D ... A_1 x|^2 is not negative and "
        "does not depend on A_i: a least-squares problem in the entries of A_i. Of all matrices "
        "together the loss is a polynomial of degree 2t. The control omits the factor 1/2."
    ),
)
