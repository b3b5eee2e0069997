"""Tracy-Widom fluctuations at the right end of density (5)."""

from bnproof.theory.claim import Claim, SpectrumTest, Verdict
from bnproof.theory.sources import Source

CLAIM = Claim(
    id="liu_soft_edge",
    title="The largest singular value fluctuates by the Tracy-Widom law at the soft edge.",
    sources=(
        Source(
            "derived",
            "complex factors: D.-Z. Liu, D. Wang, L. Zhang (2016, arXiv:1412.6777), reference [30] "
            "of S3; real factors: here",
        ),
    ),
    statement=(
        r"X = X_1\cdots X_M,\ \mathbb{E}\,|X_{i,jk}|^2 = \tfrac1N:\quad "
        r"N^{2/3}\left(\frac{2(M+1)}{M^3}\right)^{1/3}"
        r"\left(\frac{s_1^2}{x_{\max}}-1\right) \to TW_\beta,"
        r"\quad \beta = 1 \text{ (real)},\ 2 \text{ (complex)}"
    ),
    checks=(
        SpectrumTest(
            study="soft edge",
            statement="Tracy-Widom law of the field",
            control="of the other field",
        ),
    ),
    expected=Verdict.SUPPORTED,
    remark=(
        "D.-Z. Liu, D. Wang and L. Zhang (2016, arXiv:1412.6777) prove it for complex factors; "
        "real factors are an extension made here. The constant follows from the density near x_max "
        "(liu_edge). Mean and standard deviation are extrapolated in N^(-2/3), for real factors "
        "with the centre "
        "x_max (1 - M/(2N)), which makes no difference in the limit; with x_max itself the mean of "
        "real factors is off by about -(2(M+1))^(1/3)/2 N^(-1/3). The control exchanges the laws."
    ),
)
