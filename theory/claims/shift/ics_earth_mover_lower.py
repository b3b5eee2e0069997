"""The earth mover's distance of two distributions is at least that of their means."""

import sympy as sp

from bnproof.theory.claim import Claim, ExactCase, Proof, RandomTest, Verdict
from bnproof.theory.proving.certificate import Term
from bnproof.theory.proving.derivation import Derivation, DerivationResult
from bnproof.theory.training import earth_mover
from bnproof.theory.training.earth_mover import Samples, along, aside, distance, gap


def prove() -> DerivationResult:
    """Split the distance into that of the means and a rest."""
    d = Derivation()
    earth_mover.lower_steps(d)
    return d.finish(slack=[Term(2 * along * aside, "lengths"), Term(aside**2, "a square")])


CASE = ExactCase("P on 0 and 1, Q on 2 and 3, equal weights", Samples.of([0, 1], [2, 3]).values)

CLAIM = Claim(
    id="ics_earth_mover_lower",
    title="The earth mover's distance is at least the distance of the means.",
    statement=r"\|\mu_P-\mu_Q\|^2 \le W_1(P,Q)^2",
    relation=sp.Le(gap, distance**2),
    control=sp.Le(2 * gap, distance**2),
    checks=(Proof(prove, attained=CASE), RandomTest(sizes=(2, 3, 4), sampler="earth_mover")),
    expected=Verdict.PROVED,
    remark=(
        "A lower bound by the moments that batch normalisation sets, beside the upper one of "
        "ics_earth_mover_bound. Huang and Yu (2020, arXiv:2001.02814) derive their own for their "
        "own measure, in which higher moments and noise enter; the source does not repeat it, and "
        "it is not compared here. Of standardised distributions this one says nothing. Equality "
        "holds for a translate, as in the given data. The control has twice the left side."
    ),
)
