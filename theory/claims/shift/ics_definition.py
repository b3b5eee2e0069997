"""Internal covariate shift as defined: the relation of its two measures, distance and cosine."""

import sympy as sp

from bnproof.theory.claim import Claim, Proof, RandomTest, Verdict
from bnproof.theory.proving.derivation import Derivation, DerivationResult
from bnproof.theory.training import covariate_shift
from bnproof.theory.training.covariate_shift import cosine, shift, shifted, usual


def prove() -> DerivationResult:
    """Expand the squared distance of the two gradients."""
    d = Derivation()
    covariate_shift.shift_steps(d)
    return d.finish()


CLAIM = Claim(
    id="ics_definition",
    title="Covariate shift as a distance is determined by two gradient lengths and their cosine.",
    statement=(
        r"\|G_{t,i} - G'_{t,i}\|_2,\quad "
        r"G_{t,i} = \nabla_{W_i^{(t)}}\mathcal L(W_1^{(t)},\ldots,W_k^{(t)};x^{(k)},y^{(k)}),"
        r"\quad G'_{t,i} = \nabla_{W_i^{(t)}}\mathcal L(W_1^{(t+1)},\ldots,W_{i-1}^{(t+1)},"
        r"W_i^{(t)},\ldots,W_k^{(t)};x^{(k)},y^{(k)})"
    ),
    relation=sp.Eq(shift**2, usual**2 + shifted**2 - 2 * usual * shifted * cosine),
    domain=sp.And(sp.Gt(usual, 0), sp.Gt(shifted, 0)),
    control=sp.Eq(shift**2, 2 - 2 * cosine),
    checks=(Proof(prove), RandomTest(sizes=(2, 3, 5), sampler="covariate_shift")),
    expected=Verdict.PROVED,
    remark=(
        "The definition is recorded as printed; (x^(k), y^(k)) is a misprint for (t), the batch "
        "of the step. The two measures differ: the distance scales with the gradients, so networks "
        "with different gradient sizes should be compared by the cosine, or by the distance over "
        "|G|. The control is the distance of the two directions."
    ),
)
