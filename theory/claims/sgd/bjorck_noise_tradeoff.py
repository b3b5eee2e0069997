"""Learning rate and inverse batch size, taken literally, in the noise of one step."""

from collections.abc import Mapping
from fractions import Fraction
from itertools import product

import sympy as sp

from bnproof.theory.claim import Claim, ExactCase, Proof, RandomTest, Verdict
from bnproof.theory.proving.derivation import Derivation, DerivationResult
from bnproof.theory.training import sgd
from bnproof.theory.training.sgd import B, N, alpha, noise, noise_rate, r

GRADIENTS = (Fraction(1), Fraction(-1))


def _enumerated(rate: int, size: int) -> Fraction:
    """Mean squared error term of a step, over all ordered batches."""
    mean = sum(GRADIENTS, Fraction(0)) / len(GRADIENTS)
    batches = list(product(GRADIENTS, repeat=size))
    errors = [rate * mean - rate * sum(batch, Fraction(0)) / size for batch in batches]
    return sum((error**2 for error in errors), Fraction(0)) / len(batches)


def two_examples() -> Mapping[sp.Symbol, sp.Expr]:
    """Two examples with gradients 1 and -1: rate doubled against batch halved."""
    return {
        N: sp.Integer(2),
        B: sp.Integer(1),
        alpha: sp.Integer(1),
        r: sp.Integer(2),
        noise: sp.Rational(_enumerated(1, 1)),
        noise_rate: sp.Rational(_enumerated(2, 2)),
    }


def prove() -> DerivationResult:
    """Derive the noise at both settings, for symbolic N, |B| and r."""
    d = Derivation()
    sgd.define(d)
    sgd.replaced_steps(d)
    sgd.spread_steps(d)
    sgd.noise_steps_of(d, sgd.REPLACED, noise, sgd.WITH)
    sgd.scaling_steps(d)
    return d.finish()


CLAIM = Claim(
    id="bjorck_noise_tradeoff",
    title="The noise of a step grows with the learning rate as with the inverse batch size.",
    relation=sp.Eq(noise_rate, noise),
    domain=sp.Gt(r, 1),
    control=sp.Eq(noise_rate, r * noise),
    checks=(
        ExactCase(
            "two examples with gradients 1 and -1, from learning rate 1 and batch size 2, the "
            "rate doubled on the left, the batch halved on the right:",
            two_examples,
        ),
        Proof(prove, of_control=True),
        RandomTest(sizes=(2, 3, 4, 5), sampler="sgd"),
    ),
    expected=Verdict.REFUTED,
    remark=(
        "S3 says 'suggests' and 'similarly', which it does not define. This is the strictest "
        "reading, equally in one step: from (alpha, r|B|), the rate is multiplied by r on the "
        "left, the batch size divided by r on the right. The noise per step is alpha^2 C/|B|: "
        "the rate enters squared, and the left side is r times the right, which is the control. "
        "Over the same progress the noise is equal, as S3's references [14, 24, 49] use it: "
        "sgd_noise_per_progress, the corrected form."
    ),
)
