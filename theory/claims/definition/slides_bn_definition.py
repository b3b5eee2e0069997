"""The layer as the slides print it: eps added to sigma, not to its square."""

import sympy as sp

from bnproof.theory.claim import Claim, Counterexample, Proof, RandomTest, Verdict
from bnproof.theory.layer import definition as layer_definition
from bnproof.theory.proving.derivation import Derivation, DerivationResult
from bnproof.theory.sources import Source
from bnproof.theory.symbols import REGULAR, yhat_k


def prove() -> DerivationResult:
    """Derive the layer of Ioffe and Szegedy entry by entry, and compare the denominators."""
    d = Derivation()
    layer_definition.layer_steps(d)
    layer_definition.denominator_steps(d)
    return d.finish()


CLAIM = Claim(
    id="slides_bn_definition",
    title="The layer of Ioffe and Szegedy divides by sigma + eps.",
    sources=(Source("S0", "'Batch Normalization (BatchNorm)' and 'Batch Statistics'"),),
    statement=r"\hat{y} = \frac{y - \hat\mu}{\hat\sigma + \epsilon}",
    relation=sp.Eq(yhat_k, layer_definition.SLIDES_FORM),
    domain=REGULAR,
    control=sp.Eq(yhat_k, layer_definition.ROOT_FORM),
    checks=(
        Counterexample.of(y=[-1, 1], b=[0, 0], eps=3),
        Proof(prove, of_control=True),
        RandomTest(),
    ),
    expected=Verdict.REFUTED,
    remark=(
        "The slides attribute it to Ioffe and Szegedy (arXiv:1502.03167), who divide by "
        "s = sqrt(sigma^2 + eps), as S1, S3 and every framework do; yhat is measured there. As a "
        "definition the slides' layer is legitimate; slides_bn_definition_bound bounds the "
        "difference. The two agree for eps = 0 and for sigma = (1 - eps)/2. The control is the "
        "layer with the root."
    ),
)
