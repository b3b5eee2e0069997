"""A deep network of tanh learns without BN too (against S4)."""

from bnproof.empirical.experiment import Experiment, Measured
from bnproof.empirical.experiments.normalisers import blog_saturating_sigmoid as sigmoid
from bnproof.empirical.figures.plot import Medians, Plot, declared
from bnproof.empirical.trial import Trial
from bnproof.theory.claim import Claim, Verdict


def run(trial: Trial) -> Measured:
    """The same training runs as of `blog_saturating_sigmoid`."""
    return sigmoid.measure(trial, "tanh", "sigmoid")


@declared
def draw(m: Medians) -> Plot:
    """Accuracy against the rate, tanh first."""
    return sigmoid.plot(m, "tanh", "sigmoid")


CLAIM = Claim(
    id="blog_saturating_tanh",
    title="Batch normalisation makes tanh usable in a deep network.",
    sources=sigmoid.SOURCES,
    statement=sigmoid.STATEMENT,
    checks=(
        Experiment(
            run=run,
            criteria=sigmoid.criteria("tanh"),
            control="without BN, the sigmoid in place of tanh",
            draw=draw,
            networks=sigmoid.NETWORKS,
            sizes=sigmoid.SIZES,
        ),
    ),
    expected=Verdict.NOT_REPRODUCED,
    remark=(
        sigmoid.PROTOCOL + "Tanh needs no enabling: under Xavier's initialisation, which was made "
        "for it (Glorot and Bengio 2010), eleven layers learn without BN as well as with it. BN "
        "widens the range of rates at which they do. The control, sigmoids in place of tanh, "
        "gets the opposite answer; its own claim is blog_saturating_sigmoid."
    ),
)
