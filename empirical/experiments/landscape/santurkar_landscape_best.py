"""BN makes the landscape along the gradient smoother: protocol 'best' of four."""

from bnproof.empirical.protocols.landscape_plots import draw_protocol
from bnproof.empirical.protocols.landscapes import REMARK, STATEMENT, by_protocol
from bnproof.theory.claim import Claim, Verdict
from bnproof.theory.sources import Source

CLAIM = Claim(
    id="santurkar_landscape_best",
    title="Each at its best rate, the network with batch normalisation has the smoother landscape.",
    sources=(Source("S0", "Landscape Induced by BatchNorm"), Source("A18", "section 3.1")),
    statement=STATEMENT,
    checks=(by_protocol("best", draw_protocol("best")),),
    expected=Verdict.NOT_REPRODUCED,
    remark=REMARK
    + (
        "Here each network is trained at the rate among 0.02, 0.1, 0.5 and 2.5 with the lowest "
        "final training loss, and the steps are proportional to its own rate. Where the rates "
        "differ, effective beta differs by about the inverse factor: each network is at the edge "
        "of stability of its own rate (claim edge_of_stability). Measured with three seeds: from "
        "Glorot's initialisation both networks are best at 0.1, and effective beta with BN is 2.1, "
        "0.8 and 0.9 times that without in the three thirds; from He's they are best at 0.5 with "
        "BN and 0.02 without, and effective beta is 0.04 times that without in every third, the "
        "inverse ratio of the rates."
    ),
)
