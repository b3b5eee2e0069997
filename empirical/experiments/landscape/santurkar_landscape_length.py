"""BN makes the landscape along the gradient smoother: protocol 'length' of four."""

from bnproof.empirical.protocols.landscape_plots import draw_protocol
from bnproof.empirical.protocols.landscapes import REMARK, by_protocol
from bnproof.theory.claim import Claim, Verdict

CLAIM = Claim(
    id="santurkar_landscape_length",
    title="At equal step length batch normalisation makes the landscape smoother.",
    checks=(by_protocol("length", draw_protocol("length")),),
    expected=Verdict.NOT_SEEN,
    remark=REMARK
    + (
        "Our choices here: steps of a fixed length in the weights, 0.05 to 0.4, whatever the rate "
        "and the gradient. A step of A18 is as long as rate times gradient, so that a network with "
        "small gradients is examined at smaller distances. With BN the landscape is rougher in the "
        "first third of the updates, far more so from Glorot's initialisation than from He's; from "
        "He's the gradient later changes less, while the loss still varies more."
    ),
)
