"""Without BN the rate must be reduced to 0.0001 for convergence (S3, section 2)."""

from bnproof.empirical.experiment import (
    SECOND,
    WITHOUT,
    Control,
    Criterion,
    Experiment,
    Fixed,
    Measured,
)
from bnproof.empirical.experiments.rates.bjorck_rates import (
    LARGEST,
    PROVENANCE,
    SETTING,
    TRAINING,
    VIABLE,
    draw,
)
from bnproof.empirical.experiments.rates.bjorck_rates import run as sweep
from bnproof.empirical.protocols.rates import LEARNT
from bnproof.empirical.trial import Trial
from bnproof.theory.claim import Claim, Verdict

ROUNDING = 1.001


def run(trial: Trial) -> Measured:
    """The same runs as in `bjorck_rates`."""
    return sweep(trial)


CLAIM = Claim(
    id="bjorck_rates_smallest",
    title=(
        "A deep residual network without batch normalisation converges at a learning rate of "
        "0.0001 and at no larger one."
    ),
    checks=(
        Experiment(
            run=run,
            criteria=(
                Criterion(
                    WITHOUT,
                    LARGEST,
                    "largest rate that learns without BN",
                    at_most=VIABLE * ROUNDING,
                ),
                Criterion(
                    WITHOUT,
                    f"accuracy at {VIABLE}",
                    "accuracy at rate 0.0001 without BN",
                    at_least=LEARNT,
                ),
            ),
            fixed=Fixed("2026-12-01", "6234dfa0bd9c"),
            controls=(
                Control(
                    "with BN, training labels shuffled; at the rates 0.0001 and 0.1", passes=False
                ),
                Control(
                    f"with BN at its best rate, counted as {VIABLE:g}", passes=True, net=SECOND
                ),
            ),
            draw=draw,
            networks=PROVENANCE,
            setting=SETTING,
            sizes=TRAINING,
        ),
    ),
    expected=Verdict.UNDECIDED,
    remark=(
        "Protocol as in bjorck_rates. From the source: 110 layers and 2,400 epochs. Only the scale "
        "paper can decide this: at quick the run is too short for the network without BN to learn "
        "at any of the six rates; the figure shows their accuracies. The negative control, BN with "
        "shuffled labels, learns at no rate either."
    ),
)
