"""Noise after BN hardly slows training: repeated on another data set, as S1 does."""

from empirical.noisy_claims import experiment
from theory.claim import Claim, Verdict
from theory.sources import Source

CLAIM = Claim(
    id="noisy_bn_digits",
    title="On another data set too VGG trains almost as well with noisy batch normalisation.",
    sources=(Source("S1", "section 3.2"),),
    statement=(
        r"\begin{array}{l}"
        r"\text{Surprisingly the steps for loss function need to converge was not significantly} \\"
        r"\text{reduced, there is still significant improvement than the vanilla network. We} \\"
        r"\text{re-implement such experiment on different dataset and got the similar result.}"
        r"\end{array}"
    ),
    means=(experiment("digits"),),
    expected=Verdict.REPRODUCED,
    remark="",
)
