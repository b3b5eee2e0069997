"""Theorem 1 of S3 as printed: density (5) for the singular values themselves."""

import sympy as sp

from bnproof.theory.claim import Claim, Disproof, RandomTest, SpectrumTest, Verdict
from bnproof.theory.proving.derivation import Derivation, DerivationResult
from bnproof.theory.random_matrices import fuss_catalan_proofs
from bnproof.theory.symbols import M, law_first, law_second, sv_second

LOWER_LIMIT = (
    "P. Billingsley, Convergence of Probability Measures: the second moment of a weak limit is at "
    "most the lower limit of the second moments"
)


def prove() -> DerivationResult:
    """Derive the mean squared singular value for every N and M, and the moments of (5)."""
    d = Derivation()
    _mean_steps(d)
    fuss_catalan_proofs.parametrisation_steps(d)
    fuss_catalan_proofs.moment_steps(d)
    d.cite(
        "The singular values have mean square 1 for every N; if their distribution tended to a "
        "law, the mean square of that law would be at most 1.  That of (5) is M+1",
        LOWER_LIMIT,
    )
    return d.finish()


def _mean_steps(d: Derivation) -> None:
    """E tr(X'X)/N by induction over the factors: each multiplies it by its sigma_i^2."""
    N = sp.Symbol("N", integer=True, positive=True)
    i, p = sp.symbols("i p", integer=True, positive=True)
    trace, variance = sp.Symbol("tr A"), sp.Symbol("sigma_i^2")
    d.given(
        "Y has independent entries of mean 0 and variance sigma_i^2/N and is independent of A",
        r"\mathbb{E}\,(Y^\top A Y)_{pq} = \sum_{j,k}A_{jk}\,\mathbb{E}\,Y_{jp}Y_{kq}"
        r" = \frac{\sigma_i^2}{N}\,\delta_{pq}\,\mathrm{tr}\,A",
        "E (Y'AY)_pq = sum_jk A_jk E Y_jp Y_kq = sigma_i^2/N delta_pq tr A",
    )
    d.equal(
        "A factor multiplies the trace by its sigma_i^2",
        (r"\mathbb{E}\,\mathrm{tr}(Y^\top A Y)/\mathrm{tr}\,A", "E tr(Y'AY)/tr A"),
        sp.Sum(variance * trace / N, (p, 1, N)).doit() / trace,
        variance,
    )
    d.equal(
        "Start with A = 1",
        (r"\tfrac1N\mathrm{tr}\,1", "tr(1)/N"),
        sp.Sum(1, (p, 1, N)).doit() / N,
        sp.Integer(1),
    )
    d.value(
        sv_second,
        "M factors, each sigma_i = 1",
        sp.Product(variance.subs(variance, 1), (i, 1, M)).doit(),
        sp.Integer(1),
    )


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
