"""Weights of two values can have the variance 1/n, for example 0 and 100."""

import sympy as sp

from bnproof.theory.claim import Claim, Proof, RandomTest, Verdict
from bnproof.theory.proving.derivation import Derivation, DerivationResult
from bnproof.theory.training import deep_linear
from bnproof.theory.training.deep_linear import chance, high, inputs, low, spread


def prove() -> DerivationResult:
    """The variance of two values, with the probability that makes it 1/n."""
    d = Derivation()
    deep_linear.two_value_steps(d)
    return d.finish()


CLAIM = Claim(
    id="bjorck_two_values",
    title="Weights that are 0 or 100 with a suitable probability meet the variance condition.",
    statement=(
        r"w \in \{w_-, w_+\},\ P(w = w_+) = \tfrac12\Big(1 - \sqrt{1 - "
        r"\tfrac{4}{n(w_+-w_-)^2}}\Big):\quad \mathrm{Var}\,w = \tfrac1n"
    ),
    relation=sp.Eq(spread, 1 / inputs),
    domain=sp.Ge(inputs * (high - low) ** 2, 4),
    control=sp.Eq(spread, chance * (high - low) ** 2),
    checks=(Proof(prove), RandomTest(sizes=(2, 3, 5), sampler="deep_linear")),
    expected=Verdict.PROVED,
    remark=(
        "For any two values at least 2/sqrt(n) apart, so for 0 and 100 with every n; every third "
        "random law has these. By bjorck_variance_kept the variance of a unit is then kept. With "
        "0 and 100 the probability of 100 is about 1/(10000 n), and most units get no input at "
        "all: the condition is as weak as S3 says. The mean of such weights is not 0. The control "
        "omits the factor 1 - p."
    ),
)
