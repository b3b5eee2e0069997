"""A deep network of tanh learns without BN too (against S4)."""

from bnproof.empirical.experiment import WITH, Control, Experiment, Fixed, Measured
from bnproof.empirical.experiments.normalisers import blog_saturating_sigmoid as sigmoid
from bnproof.empirical.figures.plot import Medians, Plot, declared
from bnproof.empirical.trial import Trial
from bnproof.theory.claim import Claim, Verdict


def run(trial: Trial) -> Measured:
    """The same training runs as in `blog_saturating_sigmoid`."""
    return sigmoid.measure(trial, "tanh", "sigmoid")


@declared
def draw(m: Medians) -> Plot:
    """Accuracy against the rate, tanh first."""
    return sigmoid.plot(m, "tanh", "sigmoid")


CLAIM = Claim(
    id="blog_saturating_tanh",
    title="Batch normalisation makes tanh usable in a deep network.",
    checks=(
        Experiment(
            run=run,
            criteria=sigmoid.criteria("tanh"),
            fixed=Fixed("2026-12-01", "6234dfa0bd9c"),
            controls=(
                Control("without BN, the sigmoid in place of tanh", passes=True),
                Control("with BN", passes=False, net=WITH),
            ),
            draw=draw,
            networks=sigmoid.NETWORKS,
            setting=sigmoid.SETTING,
            sizes=sigmoid.SIZES,
        ),
    ),
    expected=Verdict.NOT_SEEN,
    remark=sigmoid.PROTOCOL
    + (
        "Tanh does not need BN: with Xavier initialisation, which was designed for it (Glorot and "
        "Bengio 2010), the network learns about as well without BN as with it, except at the "
        "largest rate tried. The positive control, sigmoids instead of tanh, gets the opposite "
        "answer; it is also the claim blog_saturating_sigmoid."
    ),
)
