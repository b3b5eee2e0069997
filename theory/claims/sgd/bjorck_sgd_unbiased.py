"""The error term of a minibatch gradient has mean 0."""

import sympy as sp

from bnproof.theory.claim import Claim, Proof, RandomTest, Verdict
from bnproof.theory.proving.derivation import Derivation, DerivationResult
from bnproof.theory.training import sgd
from bnproof.theory.training.sgd import B, N, alpha, error_k, grad_k


def prove() -> DerivationResult:
    """Derive the expected counts for symbolic N and |B|, and the expected error term."""
    d = Derivation()
    sgd.define(d)
    sgd.replaced_steps(d)
    sgd.bias_steps(d, sgd.REPLACED)
    return d.finish()


CLAIM = Claim(
    id="bjorck_sgd_unbiased",
    title="The gradient of a uniformly drawn minibatch is unbiased.",
    statement=(
        r"\mathbb{E}\Big[\frac{\alpha}{|B|}\sum_{i\in B}"
        r"\big(\nabla\ell_i(x) - \nabla\ell(x)\big)\Big] = 0"
    ),
    relation=sp.Eq(error_k, 0),
    control=sp.Eq(error_k, (B / N - 1) * alpha * grad_k),
    checks=(Proof(prove), RandomTest(sizes=(2, 3, 4, 5), sampler="sgd")),
    expected=Verdict.PROVED,
    remark=(
        "Component by component, for draws with replacement as in S3; without replacement the "
        "mean count is also |B|/N, so the same holds. On random data the expectation is the exact "
        "mean over all N^|B| batches. The control divides the sum by N instead of |B|; the two "
        "agree only if |B| = N."
    ),
)
