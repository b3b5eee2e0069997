"""Equation (2) of S3: the noise of a step on a minibatch drawn with replacement."""

from collections.abc import Mapping
from itertools import product

import sympy as sp

from bnproof.theory.claim import Claim, ExactCase, Proof, RandomTest, Verdict
from bnproof.theory.proving.derivation import Derivation, DerivationResult
from bnproof.theory.training import sgd
from bnproof.theory.training.sgd import B, C, alpha, noise


def prove() -> DerivationResult:
    """Derive the mean squared error term for symbolic N and |B|; there is no slack."""
    d = Derivation()
    sgd.define(d)
    sgd.replaced_steps(d)
    sgd.spread_steps(d)
    sgd.noise_steps_of(d, sgd.REPLACED, noise, sgd.WITH)
    return d.finish()


def three_examples() -> Mapping[sp.Symbol, sp.Expr]:
    """Gradients 0, 1 and 5, two of them drawn: the mean over all nine batches."""
    gradients = tuple(map(sp.Integer, (0, 1, 5)))
    mean = sum(gradients) / 3
    batches = list(product(gradients, repeat=2))
    return {
        alpha: sp.Integer(1),
        B: sp.Integer(2),
        C: sum((each - mean) ** 2 for each in gradients) / 3,
        noise: sum((sum(batch) / 2 - mean) ** 2 for batch in batches) / len(batches),
    }


CASE = ExactCase("one weight, gradients 0, 1 and 5, |B| = 2, alpha = 1", three_examples)

CLAIM = Claim(
    id="bjorck_sgd_noise",
    title="The noise of a step is at most alpha^2 C/|B| for examples drawn with replacement.",
    statement=(
        r"\mathbb{E}\big[\|\alpha\nabla\ell(x) - \alpha\nabla_{SGD}(x)\|^2\big]"
        r" \le \frac{\alpha^2}{|B|}C,\quad C = \mathbb{E}\big[\|\nabla\ell_i(x) - "
        r"\nabla\ell(x)\|^2\big]"
    ),
    relation=sp.Le(noise, sgd.WITH),
    control=sp.Le(noise, alpha**2 / B**2 * C),
    checks=(Proof(prove, attained=CASE), RandomTest(sizes=(2, 3, 4, 5), sampler="sgd")),
    expected=Verdict.PROVED,
    remark=(
        "An identity for draws with replacement, as S3 assumes; its 'depending on the tightness "
        "of this bound' is not needed. The control divides by |B|^2, which agrees only at |B| = 1."
    ),
)
