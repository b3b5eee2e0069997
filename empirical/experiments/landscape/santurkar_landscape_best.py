"""BN makes the landscape along the gradient smoother: protocol 'best' of four."""

from bnproof.empirical.protocols.landscape_plots import draw_protocol
from bnproof.empirical.protocols.landscapes import REMARK, by_protocol
from bnproof.theory.claim import Claim, Verdict

CLAIM = Claim(
    id="santurkar_landscape_best",
    title="Each at its best rate, the network with batch normalisation has the smoother landscape.",
    checks=(by_protocol("best", draw_protocol("best")),),
    expected=Verdict.NOT_SEEN,
    remark=REMARK
    + (
        "Our choices here: each network is trained at the rate among 0.02, 0.1, 0.5 and 2.5 with "
        "the lowest final training loss, and the steps are proportional to its own rate. Where the "
        "rates differ, effective beta differs by about the inverse factor: each network is at the "
        "edge of stability of its own rate (edge_of_stability). From Glorot's initialisation both "
        "networks are best at the same rate, and with BN the landscape is rougher in the first "
        "third of the updates and about as smooth later. From He's the best rate is far larger "
        "with BN and effective beta far smaller, but the loss varies at least as much."
    ),
)
