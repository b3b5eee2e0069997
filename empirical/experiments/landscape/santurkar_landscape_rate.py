"""BN makes the landscape along the gradient smoother: protocol 'rate' of four."""

from bnproof.empirical.protocols.landscape_plots import draw_protocol
from bnproof.empirical.protocols.landscapes import REMARK, by_protocol
from bnproof.theory.claim import Claim, Verdict

CLAIM = Claim(
    id="santurkar_landscape_rate",
    title="At equal learning rate batch normalisation makes the landscape smoother.",
    checks=(by_protocol("rate", draw_protocol("rate")),),
    expected=Verdict.NOT_SEEN,
    remark=REMARK
    + (
        "Our choices here: A18's protocol, at the largest of the rates 0.02, 0.1, 0.5 and 2.5 at "
        "which both networks learn (test accuracy of at least 20 %). In the short run at quick the "
        "network without BN from Glorot's initialisation long has a loss near that of chance, "
        "where its landscape is flat because nothing has been learned yet; compared with that, the "
        "landscape with BN is far rougher. From He's it is rougher only in the first third of the "
        "updates, and smoother from the second on."
    ),
)
