"""BN makes the landscape along the gradient smoother: protocol 'loss' of four."""

from empirical.landscape_pictures import draw_protocol
from empirical.landscapes import by_protocol
from theory.claim import Claim, Verdict
from theory.sources import Source

CLAIM = Claim(
    id="santurkar_landscape_loss",
    title="",
    sources=(Source("S0", "Landscape Induced by BatchNorm"), Source("A18", "section 3.1")),
    statement=(
        r"\begin{array}{l}"
        r"\text{Result: BatchNorm has \emph{profound} effect on the landscape} \\"
        r"\text{(Makes it \emph{smoother} and \emph{easier to navigate}).}"
        r"\end{array}"
    ),
    means=(by_protocol("loss", draw_protocol("loss")),),
    expected=Verdict.NOT_REPRODUCED,
    remark="",
)
