"""BN makes the landscape along the gradient smoother: protocol 'loss' of four."""

from bnproof.empirical.protocols.landscape_plots import draw_protocol
from bnproof.empirical.protocols.landscapes import REMARK, STATEMENT, by_protocol
from bnproof.theory.claim import Claim, Verdict
from bnproof.theory.sources import Source

CLAIM = Claim(
    id="santurkar_landscape_loss",
    title="At one training loss batch normalisation makes the landscape smoother.",
    sources=(Source("S0", "Landscape Induced by BatchNorm"), Source("A18", "section 3.1")),
    statement=STATEMENT,
    checks=(by_protocol("loss", draw_protocol("loss")),),
    expected=Verdict.NOT_REPRODUCED,
    remark=REMARK
    + (
        "Here moments of the same loss are compared, at three levels within the losses that "
        "both pass through after the start, interpolated between evaluations. In 300 updates "
        "the courses hardly overlap: after 25 updates the network with BN is about where the "
        "other ends. Where they do not, the ends that face each other are compared, and all "
        "three stages are one ('distance of the losses compared'). Measured with three seeds: "
        "from Glorot's BN is the rougher, 23 times in variation, 29 in the change of the gradient "
        "and 7 in effective beta (medians, from 1.2 to 170 over seeds); from He's it is the "
        "smoother with two seeds, 0.4 times in each at the most, 0.6 in effective beta, and the "
        "rougher with the third."
    ),
)
