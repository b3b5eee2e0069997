"""Theorem 1 of S3 as printed: density (5) for the singular values themselves."""

import sympy as sp

from bnproof.theory.claim import Claim, Disproof, RandomTest, SpectrumTest, Verdict
from bnproof.theory.proving.derivation import Derivation, DerivationResult
from bnproof.theory.random_matrices import fuss_catalan_proofs
from bnproof.theory.random_matrices import products as random_products
from bnproof.theory.symbols import law_first, law_second, sv_second

LOWER_LIMIT = (
    "P. Billingsley, Convergence of Probability Measures: the second moment of a weak limit is at "
    "most the lower limit of the second moments"
)


def prove() -> DerivationResult:
    """Derive the mean squared singular value for every N and M, and the moments of (5)."""
    d = Derivation()
    random_products.mean_steps(d)
    fuss_catalan_proofs.parametrisation_steps(d)
    fuss_catalan_proofs.moment_steps(d)
    d.cite(
        "The singular values have mean square 1 for every N; if their distribution tended to a "
        "law, the mean square of that law would be at most 1.  That of (5) is M+1",
        LOWER_LIMIT,
    )
    return d.finish()


CLAIM = Claim(
    id="liu_density",
    title="Density (5) is the limiting density of the singular values of a product of M matrices.",
    statement=(
        r"X = X_1X_2\cdots X_M,\ \mathbb{E}\,X_{i,jk}^2 = \sigma_i^2/N:\quad"
        r"\text{the singular value density is }\ "
        r"\rho_M(x) = \frac{1}{\pi x}\,\frac{\sin((M+1)\varphi)}{\sin(M\varphi)}\sin\varphi,"
        r"\quad x = \frac{\sin((M+1)\varphi)^{M+1}}{\sin\varphi\,\sin(M\varphi)^M}"
    ),
    relation=sp.Eq(sv_second, law_second),
    control=sp.Eq(sv_second, law_first),
    checks=(
        Disproof(prove),
        RandomTest(sizes=(1, 2, 4), sampler="products"),
        SpectrumTest(study="law", statement="s", control="s^2"),
    ),
    expected=Verdict.REFUTED,
    remark=(
        "Read literally, of the singular values; the relation is a consequence of that for "
        "sigma_i = 1. By the rule that s for s^2 is a slip, the sentence holds with a "
        "correction: the control has the first moment of (5) instead of the second, which is "
        "correct if x is the squared singular value, and liu_density_squared proves it. Printed "
        "(5) also omits the sigma_i: x must be divided by the product of the sigma_i^2."
    ),
)
