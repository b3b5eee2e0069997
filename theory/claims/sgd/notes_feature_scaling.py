"""Feature scaling and the contours of the loss of a linear model."""

from collections.abc import Mapping

import sympy as sp

from bnproof.theory.claim import Claim, ExactCase, Proof, RandomTest, Verdict
from bnproof.theory.proving.derivation import Derivation, DerivationResult
from bnproof.theory.training import least_squares as quadratics
from bnproof.theory.training.least_squares import correlation, stretch

FEATURES = ((2, 1, -1, -2), (2, -1, 1, -2))


def _scale(feature: tuple[int, ...]) -> list[sp.Expr]:
    mean = sp.Rational(sum(feature), len(feature))
    variance = sum((entry - mean) ** 2 for entry in feature) / len(feature)
    return [(entry - mean) / sp.sqrt(variance) for entry in feature]


def two_features() -> Mapping[sp.Symbol, sp.Expr]:
    """The Hessian of the loss, by differentiating the loss of the scaled features."""
    rows = list(zip(*map(_scale, FEATURES), strict=True))
    weights = sp.symbols("w1 w2", real=True)
    fitted = [sum(a * w for a, w in zip(row, weights, strict=True)) for row in rows]
    loss = sum(value**2 for value in fitted) / (2 * len(rows))
    curvatures = sp.hessian(loss, weights).eigenvals()
    return {
        stretch: sp.Max(*curvatures) / sp.Min(*curvatures),
        correlation: sp.simplify(sum(a * b for a, b in rows) / len(rows)),
    }


def prove() -> DerivationResult:
    """Derive the Hessian of the loss of two scaled features, and the ratio of its curvatures."""
    d = Derivation()
    quadratics.scaling_steps(d)
    quadratics.stretch_steps(d)
    return d.finish()


CLAIM = Claim(
    id="notes_feature_scaling",
    title="With feature scaling the contours of the loss are circles.",
    relation=sp.Eq(stretch, 1),
    domain=sp.Lt(sp.Abs(correlation), 1),
    control=sp.Eq(stretch, quadratics.STRETCH),
    checks=(
        ExactCase(f"the features {FEATURES[0]} and {FEATURES[1]}", two_features),
        Proof(prove, of_control=True),
        RandomTest(sizes=(8, 32, 128), sampler="features"),
    ),
    expected=Verdict.REFUTED,
    remark=(
        "Read for the squared loss of a linear model with two features that are not multiples of "
        "each other: the ratio of the half-axes is defined for |corr| < 1. Scaling gives both "
        "features mean 0 and variance 1 but does not change their correlation. The control is the "
        "ratio of curvatures, which is 1 only for correlation 0."
    ),
)
