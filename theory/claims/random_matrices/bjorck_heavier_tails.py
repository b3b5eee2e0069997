"""Figures 8, 9 and 20 of S3: deeper products have heavier tails and are worse conditioned."""

from bnproof.theory.claim import Claim, SpectrumTest, Verdict
from bnproof.theory.sources import Source

CLAIM = Claim(
    id="bjorck_heavier_tails",
    title="With more factors the singular values spread: both tails and the condition number grow.",
    sources=(Source("S3", "section 5, Figures 8, 9 and 20"),),
    statement=(
        r"X = X_1\cdots X_M:\quad \text{the tails of the singular values of } X \text{ and }"
        r"\kappa(X) = s_1/s_N \text{ grow with } M"
    ),
    checks=(
        SpectrumTest(
            study="tails",
            statement="Gaussian factors",
            control="one Gaussian factor",
            factors=(1, 2, 4, 8),
        ),
    ),
    expected=Verdict.SUPPORTED,
    remark=(
        "Compared at equal mean square. The criterion was stated before measuring; see the module "
        "of the study. In the control all factors but one are orthogonal: products as long, whose "
        "spectrum does not spread."
    ),
)
