"""Second effect of a larger condition number: a smaller learning rate."""

from collections.abc import Mapping

import sympy as sp

from bnproof.theory.claim import Claim, ExactCase, Proof, RandomTest, Verdict
from bnproof.theory.proving.derivation import Derivation, DerivationResult
from bnproof.theory.training import least_squares as quadratics
from bnproof.theory.training.least_squares import increase, largest, limit, limit_2


def _stable(matrix: sp.Matrix) -> sp.Expr:
    """The largest alpha at which no eigenvalue of 1 - alpha A'A leaves [-1, 1]."""
    rate = sp.Symbol("rate", real=True)
    step = sp.eye(matrix.cols) - rate * matrix.T * matrix
    sets = [
        sp.solveset(sp.Abs(value) <= 1, rate, sp.Interval(0, sp.oo)) for value in step.eigenvals()
    ]
    return sp.Intersection(*sets).sup


def _condition(matrix: sp.Matrix) -> sp.Expr:
    values = matrix.singular_values()
    return sp.Max(*values) / sp.Min(*values)


def two_problems() -> Mapping[sp.Symbol, sp.Expr]:
    """A = diag(2, 1) and A' = diag(1, 1/4)."""
    first, second = sp.diag(2, 1), sp.diag(1, sp.Rational(1, 4))
    return {
        increase: _condition(second) ** 2 - _condition(first) ** 2,
        largest: sp.Max(*first.singular_values()),
        limit: _stable(first),
        limit_2: _stable(second),
    }


def prove() -> DerivationResult:
    """Derive the largest stable learning rate."""
    d = Derivation()
    quadratics.step_steps(d)
    quadratics.limit_steps(d)
    return d.finish()


CLAIM = Claim(
    id="bjorck_condition_number_lr",
    title="With a larger condition number least squares needs a smaller learning rate.",
    relation=sp.Le(limit_2, limit),
    domain=quadratics.WORSE,
    control=sp.Eq(limit, 2 / largest**2),
    checks=(
        ExactCase(
            "A = diag(2, 1), of condition number 2, and A' = diag(1, 1/4), of condition number 4,",
            two_problems,
        ),
        Proof(prove, of_control=True),
        RandomTest(sizes=(2, 3, 5), sampler="quadratics"),
    ),
    expected=Verdict.REFUTED,
    remark=(
        "The largest stable rate is 2/sigma_max^2 for f = |Ax - y|^2/2, and half of it without "
        "the 1/2; this is the control. It is a function of kappa only at a given sigma_min: "
        "there a larger kappa needs a smaller rate, by its square, as S3 says "
        "(condition_number_lr). If kappa grows because sigma_min decreases, the rate stays."
    ),
)
