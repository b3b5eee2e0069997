"""The output gradients of one image sum to 0."""

import sympy as sp

from bnproof.theory.claim import Claim, Proof, RandomTest, Verdict
from bnproof.theory.proving.derivation import Derivation, DerivationResult
from bnproof.theory.sources import Source
from bnproof.theory.training import backprop


def prove() -> DerivationResult:
    """Derive softmax minus one-hot for a symbolic number of classes, and its sum."""
    d = Derivation()
    backprop.softmax_steps(d)
    backprop.row_sum_steps(d)
    return d.finish()


CLAIM = Claim(
    id="cross_entropy_row_sums",
    title="Each row of output gradients of the cross-entropy sums to 0.",
    sources=(Source("derived", "the heat map of figure 6 of S3, row by row"),),
    statement=(
        r"\frac{\partial L_b}{\partial O_{b,j}} = p_{b,j} - \delta_{j,c_b},\quad "
        r"\sum_j \frac{\partial L_b}{\partial O_{b,j}} = 0"
    ),
    relation=sp.Eq(backprop.row_sum, 0),
    control=sp.Eq(backprop.row_sum, 1),
    checks=(Proof(prove), RandomTest(sizes=(2, 3, 10, 100), sampler="cross_entropy")),
    expected=Verdict.PROVED,
    remark=(
        "So the one negative entry of a row balances all positive ones. A column that is positive "
        "in almost all rows, as in figure 6 without the layer, is no contradiction: columns need "
        "not sum to 0. The control omits the one-hot part."
    ),
)
