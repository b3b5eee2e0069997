"""The earth mover's distance of two distributions is bounded by their first two moments."""

import sympy as sp

from bnproof.theory.claim import Claim, ExactCase, Proof, RandomTest, Verdict
from bnproof.theory.proving.certificate import Term
from bnproof.theory.proving.derivation import Derivation, DerivationResult
from bnproof.theory.training import earth_mover
from bnproof.theory.training.earth_mover import (
    INDEPENDENT,
    Samples,
    apart,
    distance,
    gap,
    spread_p,
    spread_q,
    variance,
)

MOMENTS = gap + spread_p + spread_q


def prove() -> DerivationResult:
    """Compare the optimal coupling with the independent one."""
    d = Derivation()
    earth_mover.bound_steps(d)
    return d.finish(
        slack=[
            Term(apart + distance, "lengths", INDEPENDENT.name),
            Term(variance, "a variance"),
        ]
    )


CASE = ExactCase("P on 0 and 0, Q on -1 and 1, equal weights", Samples.of([0, 0], [-1, 1]).values)

CLAIM = Claim(
    id="ics_earth_mover_bound",
    title="Means and variances bound the earth mover's distance, by sqrt(2d) if standardised.",
    statement=(
        r"W_1(P,Q)^2 \le \|\mu_P-\mu_Q\|^2 + \operatorname{tr}\Sigma_P + "
        r"\operatorname{tr}\Sigma_Q\quad (= 2d \text{ for means } 0 \text{ and variances } 1"
        r"\text{ in } \mathbb R^d)"
    ),
    relation=sp.Le(distance**2, MOMENTS),
    control=sp.Le(distance**2, MOMENTS / 2),
    checks=(Proof(prove, attained=CASE), RandomTest(sizes=(2, 3, 4), sampler="earth_mover")),
    expected=Verdict.PROVED,
    remark=(
        "This is what batch normalisation guarantees for internal covariate shift in the sense of "
        "Huang and Yu (2020, arXiv:2001.02814), whose own bounds have another form: the outputs of "
        "a layer have means beta and variances gamma^2 sigma^2/s^2, so an update of any length "
        "moves them by at most sqrt(|beta-beta'|^2 + |gamma|^2 + |gamma'|^2); without the layer "
        "the moments, hence the distance, are unbounded. It is a bound, not a reduction: two "
        "standardised units are never further apart than sqrt 2, and an update moves them far "
        "less. For standardised distributions the bound has the right order in d: for d = 2^k, "
        "those on +-sqrt(d) times the unit vectors and on +- the columns of a Hadamard matrix are "
        "at least sqrt(2d - 2 sqrt d) apart. At d = 1 no standardised distributions attain it. "
        "Equality needs independent x and y at constant distance, as in the given data. The "
        "control has half the bound."
    ),
)
