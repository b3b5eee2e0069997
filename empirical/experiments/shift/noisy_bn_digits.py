"""Noise after BN hardly slows training: repeated on another data set, as in S1."""

from bnproof.empirical.protocols.noisy_claims import experiment
from bnproof.theory.claim import Claim, Verdict

CLAIM = Claim(
    id="noisy_bn_digits",
    title="On another data set, too, VGG trains almost as well with noisy batch normalisation.",
    checks=(experiment("digits"),),
    expected=Verdict.UNDECIDED,
    remark=(
        "S1 names neither data set nor network nor noise. Our choices: everything as in noisy_bn, "
        "on the 1,797 digits of scikit-learn, 8x8 enlarged to 32x32, 1,437 of them for training. "
        "S1's sentence is garbled: we read that the number of steps 'was not significantly "
        "reduced' as 'hardly grew', and 'significant improvement than the vanilla network' as more "
        "accuracy than without BN; the criteria are those of noisy_bn. Accuracies are measured "
        "with noise and batch statistics. The digits are so easy that without noise the networks "
        "with and without BN hardly differ."
    ),
)
