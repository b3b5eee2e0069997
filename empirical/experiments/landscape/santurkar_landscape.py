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


def run(trial: Trial) -> Measured:
    """Measure by all protocols."""
    return measure(trial)


CLAIM = Claim(
    id="santurkar_landscape",
    title="Batch normalisation makes the loss landscape smoother, whatever the protocol.",
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
    expected=Verdict.NOT_SEEN,
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
