"""Figures 8, 9 and 20 of S3: deeper products have heavier tails and are worse conditioned."""

from bnproof.theory.claim import Claim, SpectrumTest, Verdict

CLAIM = Claim(
    id="bjorck_heavier_tails",
    title="With more factors the singular values spread: both tails and the condition number grow.",
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
        "Compared at equal mean square. The criterion was fixed before measuring; see the module "
        "of the study. In the control all factors except one are orthogonal: products of the same "
        "length whose spectrum does not spread."
    ),
)
