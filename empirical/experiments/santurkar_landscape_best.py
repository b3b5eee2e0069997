"""BN makes the landscape along the gradient smoother: protocol 'best' of four."""

from empirical.landscape_pictures import draw_protocol
from empirical.landscapes import by_protocol
from theory.claim import Claim, Verdict
from theory.sources import Source

CLAIM = Claim(
    id="santurkar_landscape_best",
    title="",
    sources=(Source("S0", "Landscape Induced by BatchNorm"), Source("A18", "section 3.1")),
    statement=(
        r"\begin{array}{l}"
        r"\text{Result: BatchNorm has \emph{profound} effect on the landscape} \\"
        r"\text{(Makes it \emph{smoother} and \emph{easier to navigate}).}"
        r"\end{array}"
    ),
    means=(by_protocol("best", draw_protocol("best")),),
    expected=Verdict.NOT_REPRODUCED,
    remark="",
)
