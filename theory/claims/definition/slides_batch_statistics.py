"""The batch statistics of the slides: both moments with 1/B."""

import sympy as sp

from bnproof.theory.claim import Claim, Proof, RandomTest, Verdict
from bnproof.theory.layer import definition as layer_definition
from bnproof.theory.proving.derivation import Derivation, DerivationResult
from bnproof.theory.symbols import m, mu, sigma, yy


def prove() -> DerivationResult:
    """Expand the square for symbolic m; then take the expectation over batches."""
    d = Derivation()
    layer_definition.moment_steps(d)
    layer_definition.bias_steps(d)
    return d.finish()


CLAIM = Claim(
    id="slides_batch_statistics",
    title="With 1/B in both, sigma^2 is the mean square of the batch minus its squared mean.",
    statement=(
        r"\mu = \mathbb{E}[y],\ \sigma^2 = \mathrm{Var}(y):\quad "
        r"\hat\mu = \frac1B\sum_{i=1}^B y_i,\quad "
        r"\hat\sigma^2 = \frac1B\sum_{i=1}^B (y_i-\hat\mu)^2"
    ),
    relation=sp.Eq(sigma**2, yy / m - mu**2),
    control=sp.Eq(sigma**2, (yy - m * mu**2) / (m - 1)),
    checks=(Proof(prove), RandomTest()),
    expected=Verdict.PROVED,
    remark=(
        "E and Var are those of a random sample of the batch. As an estimate of the variance of "
        "the data distribution, sigma^2 is too small by the factor 1 - 1/B; PyTorch normalises "
        "with this biased value and stores the unbiased one, with 1/(B - 1), for evaluation. "
        "The control has 1/(B - 1)."
    ),
)
