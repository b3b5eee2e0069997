"""BN makes the landscape along the gradient smoother: protocol 'loss' of four."""

from bnproof.empirical.protocols.landscape_plots import draw_protocol
from bnproof.empirical.protocols.landscapes import REMARK, by_protocol
from bnproof.theory.claim import Claim, Verdict

CLAIM = Claim(
    id="santurkar_landscape_loss",
    title="At equal training loss batch normalisation makes the landscape smoother.",
    checks=(by_protocol("loss", draw_protocol("loss")),),
    expected=Verdict.NOT_SEEN,
    remark=REMARK
    + (
        "Our choices here: points of equal loss are compared, at three levels in the range of "
        "losses that both networks pass through after the start, interpolated between evaluations. "
        "In the few updates of quick the ranges hardly overlap: soon after the start the network "
        "with BN is about where the other ends. Without overlap the nearest ends are compared, and "
        "all three stages coincide ('distance of the losses compared'). From Glorot's "
        "initialisation the landscape with BN is rougher with every seed; from He's it is smoother "
        "with most seeds, but not with all."
    ),
)
