"""The batch normalising transform as the report and Bjorck et al. print it."""

import sympy as sp

from bnproof.theory.claim import Claim, Proof, RandomTest, Verdict
from bnproof.theory.layer import definition as layer_definition
from bnproof.theory.proving.derivation import Derivation, DerivationResult
from bnproof.theory.symbols import beta, gamma, mu, s, y_k, z_k


def prove() -> DerivationResult:
    """Derive entry k of the layer's output from the batch alone, for symbolic m."""
    d = Derivation()
    layer_definition.layer_steps(d)
    z = gamma * layer_definition.hat() + beta * layer_definition.ONE
    d.value(
        z_k,
        "Scale and shift",
        z.entry(layer_definition.ENTRIES),
        gamma * (y_k - mu) / s + beta,
    )
    return d.finish()


CLAIM = Claim(
    id="report_bn_transform",
    title="Each output is gamma (y_k - mu)/sqrt(sigma^2 + eps) + beta.",
    statement=(
        r"\hat{x}_i \leftarrow \frac{x_i - \mu_{\mathcal{B}}}"
        r"{\sqrt{\sigma_{\mathcal{B}}^2 + \epsilon}},\quad "
        r"y_i \leftarrow \gamma\hat{x}_i + \beta \equiv \mathrm{BN}_{\gamma,\beta}(x_i)"
    ),
    relation=sp.Eq(z_k, gamma * layer_definition.ROOT_FORM + beta),
    control=sp.Eq(z_k, gamma * layer_definition.SLIDES_FORM + beta),
    checks=(Proof(prove), RandomTest()),
    expected=Verdict.PROVED,
    remark=(
        "The report's x and y are y and z here. In a convolution the batch is all activations of "
        "a channel, over samples and positions (S3), and m is their number. In its text S3 "
        "divides by 'the standard deviation (plus eps)'; its equation (1) has eps under the root, "
        "as PyTorch does. The control follows the text."
    ),
)
