"""The difference between the slides' layer and that of the frameworks."""

import sympy as sp

from bnproof.theory.claim import Claim, Proof, RandomTest, Verdict
from bnproof.theory.exact.definition import VANISHING
from bnproof.theory.layer import definition as layer_definition
from bnproof.theory.proving.certificate import Term
from bnproof.theory.proving.derivation import Derivation, DerivationResult
from bnproof.theory.symbols import eps, hat_gap, hat_norm, m, s, sigma


def prove() -> DerivationResult:
    """Derive both layers; their distance is exact, the bound drops eps in its denominator."""
    d = Derivation()
    layer_definition.layer_steps(d)
    layer_definition.denominator_steps(d)
    layer_definition.gap_steps(d)
    a = sigma + eps
    excess = sigma * eps / (s + sigma) + eps * (s + 2 * sigma + eps)
    d.equal(
        "The denominator is at least 2 sigma^2",
        (
            r"(\sigma+\varepsilon)(s+\sigma+\varepsilon) - 2\sigma^2",
            "(sigma+eps)(s+sigma+eps) - 2 sigma^2",
        ),
        (a * (s + a) - 2 * sigma**2).subs(s, sp.sqrt(sigma**2 + eps)),
        excess.subs(s, sp.sqrt(sigma**2 + eps)),
        shown=excess,
    )
    size = sp.Abs(eps * (1 - 2 * sigma - eps)) * sigma * sp.sqrt(m) / s
    slack = Term(
        size * excess / (2 * sigma**2 * a * (s + a)),
        "an absolute value times positive factors and the excess just derived",
    )
    return d.finish([slack])


CLAIM = Claim(
    id="slides_bn_definition_bound",
    title="The layers of the slides and the frameworks differ relatively by O(eps) at fixed sigma.",
    statement=(
        r"\left\|\frac{y-\mu\mathbf{1}}{\sigma+\varepsilon}"
        r" - \frac{y-\mu\mathbf{1}}{\sqrt{\sigma^2+\varepsilon}}\right\|"
        r" \le \frac{\varepsilon\,|1-2\sigma-\varepsilon|}{2\sigma^2}"
        r"\left\|\frac{y-\mu\mathbf{1}}{\sqrt{\sigma^2+\varepsilon}}\right\|"
    ),
    relation=sp.Le(hat_gap, eps * sp.Abs(1 - 2 * sigma - eps) / (2 * sigma**2) * hat_norm),
    control=sp.Le(hat_gap, eps * sp.Abs(1 - 2 * sigma - eps) / (4 * sigma**2) * hat_norm),
    checks=(Proof(prove, attained=VANISHING), RandomTest()),
    expected=Verdict.PROVED,
    remark=(
        "The slides define the layer with sigma + eps and attribute it to Ioffe and Szegedy "
        "(arXiv:1502.03167), who divide by sqrt(sigma^2 + eps), as frameworks do. Both are "
        "lawful definitions; this bounds their difference, for every eps >= 0. Where sigma is "
        "of order 1, the relative difference is of order eps: 5e-6 at sigma = 1, eps = 1e-5. No "
        "such bound is uniform in sigma: for sigma between eps and sqrt(eps) the standard "
        "deviation of the output is sigma/(sigma + eps), near 1, for the slides, and sigma/s, "
        "near 0, for the frameworks. The control halves the bound."
    ),
)
