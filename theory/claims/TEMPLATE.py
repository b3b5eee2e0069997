"""TEMPLATE: copy to theory/claims/SUBJECT/ID.py, set `id` to ID, and replace what is here.

The example says that a batch-normalisation layer with eps = 0 removes the mean of a gradient.
"""

import sympy as sp

from bnproof.theory.claim import Claim, Counterexample, Proof, RandomTest, Verdict
from bnproof.theory.layer import batchnorm
from bnproof.theory.proving.certificate import Term
from bnproof.theory.proving.derivation import Derivation, DerivationResult
from bnproof.theory.sources import Source
from bnproof.theory.symbols import IDEAL, g1, gamma, gg, gy, m, sigma, vv

BOUND = gamma**2 / sigma**2 * (gg - g1**2 / m)


def prove() -> DerivationResult:
    """Derive |v|^2 for symbolic m; the gap to the bound is a square."""
    d = Derivation()
    batchnorm.gradient_steps(d)
    missing = gamma**2 / sigma**2 * gy**2 / m
    return d.finish(slack=[Term(missing, "a square")])


CLAIM = Claim(
    id="TEMPLATE",
    title="One plain sentence that says what is stated.",
    # Where it comes from; omit it if theory/ledger/documents lists the claim under a sentence.
    sources=(Source("derived", "template of a claim"),),
    # How it is read; omit it if the relation says the same.
    statement=(
        r"\|\nabla_y L\|^2 \le "
        r"\frac{\gamma^2}{\sigma^2}\Big(\|g\|^2 - \tfrac1m\langle 1,g\rangle^2\Big)"
    ),
    # The object that is proved, evaluated on random networks and shown in the report.
    relation=sp.Le(vv, BOUND),
    # The hypothesis, over the same symbols; omit it if there is none.
    domain=IDEAL,
    # Must get the opposite answer: a wrong variant of a true statement, or the right variant of a
    # false one.
    control=sp.Le(vv, BOUND / 2),
    checks=(
        # `attained`: exact data at which both sides are equal and nonzero, so that the constant
        # cannot be improved.
        Proof(prove, attained=Counterexample.of(y=[1, 1, -1, -1], b=[1, -1, 0, 0])),
        # The independent check: random networks, derivatives by automatic differentiation.
        RandomTest(),
    ),
    # Does not influence the verdict; `bnproof verify` fails if they differ.
    expected=Verdict.PROVED,
    remark="What a reader should know: conventions, misprints, what the control is.",
)
