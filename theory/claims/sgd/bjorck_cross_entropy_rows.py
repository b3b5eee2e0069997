"""Signs in a row of figure 6 of S3: the gradient of one image's cross-entropy at the logits."""

import sympy as sp

from bnproof.theory.claim import Claim, Proof, RandomTest, Verdict
from bnproof.theory.proving.derivation import Derivation, DerivationResult
from bnproof.theory.training import backprop
from bnproof.theory.training.backprop import negative_other, negative_true


def prove() -> DerivationResult:
    """Derive softmax minus one-hot for a symbolic number of classes, and its signs."""
    d = Derivation()
    backprop.softmax_steps(d)
    backprop.sign_steps(d)
    return d.finish()


CLAIM = Claim(
    id="bjorck_cross_entropy_rows",
    title="Each row of output gradients has one negative entry, that of the true class.",
    relation=sp.Eq(negative_true - negative_other, 1),
    domain=sp.Gt(backprop.classes, 1),
    control=sp.Eq(negative_other - negative_true, 1),
    checks=(Proof(prove), RandomTest(sizes=(2, 3, 10, 100), sampler="cross_entropy")),
    expected=Verdict.PROVED,
    remark=(
        "The first count is 0 or 1 and the second is not negative, so their difference is 1 only "
        "if exactly the true class has a negative entry. S3 explains it by arbitrary initial "
        "predictions, but it is true for every network at every time. The control has the one "
        "negative entry at a wrong class."
    ),
)
