"""BN makes the landscape along the gradient smoother by each of four protocols (A18)."""

from bnproof.empirical.experiment import WITH, Criterion, Measured
from bnproof.empirical.protocols.landscape_plots import draw_all
from bnproof.empirical.protocols.landscapes import (
    PROTOCOLS,
    REMARK,
    experiment,
    measure,
    worst_name,
)
from bnproof.empirical.protocols.vgg import INITS
from bnproof.empirical.trial import Trial
from bnproof.theory.claim import Claim, Verdict
from bnproof.theory.sources import Source


def run(trial: Trial) -> Measured:
    """Measure by all protocols."""
    return measure(trial)


CLAIM = Claim(
    id="santurkar_landscape",
    title="Batch normalisation makes the loss landscape smoother, whatever the protocol.",
    sources=(
        Source("S0", "Landscape Induced by BatchNorm"),
        Source("S2", "How does BN help optimization?"),
        Source("S4", "Back to the original question"),
        Source("A18", "section 3.1"),
    ),
    statement=(
        r"\begin{array}{l}"
        r"\text{Measure this variation at different points during training: variation in loss,} \\"
        r"\text{change in gradient. Result: BatchNorm has \emph{profound} effect on the} \\"
        r"\text{landscape (Makes it \emph{smoother} and \emph{easier to navigate}).}"
        r"\end{array}"
    ),
    checks=(
        experiment(
            run,
            tuple(
                Criterion(
                    WITH,
                    worst_name(name, init),
                    f"largest of the ratios with BN / without BN, {protocol.words}, {init}",
                    at_most=1.0,
                )
                for name, protocol in PROTOCOLS.items()
                for init in INITS
            ),
            draw_all,
        ),
    ),
    expected=Verdict.NOT_REPRODUCED,
    remark=REMARK
    + (
        "There are four protocols because the first, A18's, compares two networks at a rate that "
        "suits one of them less. Each protocol also has its own claim. With BN the landscape is "
        "smoother at every stage in the median by only one of the four protocols and from one of "
        "the two initialisations, at equal loss and from He's, and there not with every seed. The "
        "decisive factors are the initialisation of the network without BN and the rate: late in "
        "training effective beta is about inversely proportional to the rate, with or without BN "
        "(edge_of_stability)."
    ),
)
