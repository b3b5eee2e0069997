"""By its definition the first layer has no internal covariate shift."""

import sympy as sp

from bnproof.theory.claim import Claim, Proof, RandomTest, Verdict
from bnproof.theory.proving.derivation import Derivation, DerivationResult
from bnproof.theory.sources import Source
from bnproof.theory.training import covariate_shift
from bnproof.theory.training.covariate_shift import first_shift, full_shift


def prove() -> DerivationResult:
    """Write the definition for the first layer."""
    d = Derivation()
    covariate_shift.first_layer_steps(d)
    return d.finish()


CLAIM = Claim(
    id="ics_first_layer",
    title="The first layer has no internal covariate shift.",
    sources=(Source("derived", "Definition 3.1 of S1 for i = 1"),),
    statement=r"\|G_{t,1} - G'_{t,1}\|_2 = 0",
    relation=sp.Eq(first_shift, 0),
    control=sp.Eq(first_shift, full_shift),
    checks=(Proof(prove), RandomTest(sizes=(2, 3, 5), sampler="covariate_shift")),
    expected=Verdict.PROVED,
    remark=(
        "Only previous layers are updated, and the input of the first layer is the data, which no "
        "update changes. The control updates all layers, as a loose reading of S4 ('the gradients "
        "of all the layers before and after the updates') might; that is another quantity, the "
        "change from step to step."
    ),
)
