"""Noise after BN, redrawn at every step, hardly slows training: VGG on images (A18, 2.1)."""

from empirical.noisy_claims import experiment
from theory.claim import Claim, Verdict
from theory.sources import Source

CLAIM = Claim(
    id="noisy_bn",
    title="VGG trains almost as well if its batch-normalised activations are made noisy.",
    sources=(
        Source("S0", "'Noisy' BatchNorm Activations"),
        Source("S1", "section 3.2"),
        Source("S4", "Is Internal Covariate Shift Important?"),
        Source("A18", "section 2.1"),
    ),
    statement=(
        r"\begin{array}{l}"
        r"\text{Distributional instability has almost no impact on performance! [S4:] The} \\"
        r"\text{performance difference between the BatchNorm and the noisy BatchNorm variant} \\"
        r"\text{isn't significant. The variant without BatchNorm doesn't perform as well as the} \\"
        r"\text{other two.}"
        r"\end{array}"
    ),
    means=(experiment(),),
    expected=Verdict.REPRODUCED,
    remark="",
)
