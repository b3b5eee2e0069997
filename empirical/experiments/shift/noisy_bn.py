"""Noise after BN, redrawn at every step, hardly slows training: VGG on images (A18, 2.1)."""

from bnproof.empirical.protocols.noisy_claims import experiment
from bnproof.theory.claim import Claim, Verdict

CLAIM = Claim(
    id="noisy_bn",
    title="VGG trains almost as well with noise added to its batch-normalised activations.",
    checks=(experiment(),),
    expected=Verdict.SEEN,
    remark=(
        "From the source: VGG on CIFAR-10, plain SGD at 0.1, batches of 128, 15,000 steps, noise "
        "of A18's algorithm 1 after every BN (n_mu 0.5, n_sigma 1.25, r_mu = r_sigma = 0.1), "
        "redrawn at every step. Our choices: VGG-A of a quarter of the width and a far shorter run "
        "at quick, all other parts of the protocol, and that 'almost no impact' means at most 0.05 "
        "of test accuracy. Accuracies are those of the network as trained, with batch statistics "
        "and noise. In evaluation mode there is no noise, but BN's running statistics were "
        "collected with it: 'accuracy at the end, evaluation mode' says nothing about training. In "
        "the algorithm every unit has its own law of the noise, drawn anew for each image and "
        "place, and the criteria are about that; noise shared by all units of a layer is also "
        "shown. The negative control has the same noise and no BN; whether it trains at all is "
        "the claim noise_without_bn. Changed after measuring at quick: the noise was the same at "
        "all places of a channel, which cost more accuracy and left this undecided."
    ),
)
