"""BN makes the landscape along the gradient smoother: protocol 'rate' of four."""

from bnproof.empirical.protocols.landscape_plots import draw_protocol
from bnproof.empirical.protocols.landscapes import REMARK, STATEMENT, by_protocol
from bnproof.theory.claim import Claim, Verdict
from bnproof.theory.sources import Source

CLAIM = Claim(
    id="santurkar_landscape_rate",
    title="At equal learning rate batch normalisation makes the landscape smoother.",
    sources=(Source("S0", "Landscape Induced by BatchNorm"), Source("A18", "section 3.1")),
    statement=STATEMENT,
    checks=(by_protocol("rate", draw_protocol("rate")),),
    expected=Verdict.NOT_REPRODUCED,
    remark=REMARK
    + (
        "This is A18's protocol, at the largest of the rates 0.02, 0.1, 0.5 and 2.5 at which both "
        "networks learn (test accuracy of at least 20 %, as at all smaller rates). From Glorot's "
        "initialisation the network without BN spends the first third of 300 updates at a loss "
        "near ln 10, where its landscape is flat because nothing has been learned yet. Measured "
        "with three seeds: from Glorot's, at 0.1 with one seed and 0.02 with two, the loss varies "
        "250, 160 and 54 times as much with BN in the three thirds, and effective beta is 9, 7 and "
        "4 times as large; from He's, at 0.1, the variation is 9, 0.9 and 0.3 times and effective "
        "beta 1.0, 0.8 and 0.5 times that without BN, so that the landscape with BN is smoother "
        "from the second third on."
    ),
)
