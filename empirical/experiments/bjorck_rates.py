"""Which of the paper's initial rates a network of 110 layers learns at (S3, section 1.2)."""

from typing import Any, Final

import numpy as np
from matplotlib.figure import Figure

from empirical.bjorck_protocol import DEEPEST, NETWORKS, SIZES, resnet
from empirical.experiment import CONTROL, WITH, WITHOUT, Criterion, Experiment, Measured
from empirical.networks import Norm
from empirical.pictures import median_band
from empirical.rates import LEARNT, accuracy
from empirical.tasks import Data
from empirical.trial import Trial
from theory.claim import Claim, Evidence, Scale, Verdict
from theory.sources import Source

RATES: Final = {
    Scale.SMOKE: (0.0001, 0.003, 0.1),
    Scale.QUICK: (0.00003, 0.0001, 0.0003, 0.001, 0.003, 0.1),
    Scale.PAPER: (0.00003, 0.0001, 0.0003, 0.001, 0.003, 0.1),
}
VIABLE: Final = 0.0001  # "needs to be decreased to" it "for convergence"
USUAL: Final = 0.1  # "the original network can be trained with" it
EPOCHS: Final = 165
PAPER_UPDATES: Final = EPOCHS * (50_000 // 128)
ACCURACY: Final = "test accuracy"
LARGEST: Final = "largest rate that learns"
BELOW: Final = 1e-5  # stands for the largest rate where none learns
ROUNDING: Final = 1.001


def run(trial: Trial) -> Measured:
    """Train both networks at every rate; the control is BN with shuffled labels."""
    return {
        WITH: _sweep(trial, "batch"),
        WITHOUT: _sweep(trial, "none"),
        CONTROL: _sweep(trial, "batch", trial.images.shuffled(trial.seed)),
    }


def _sweep(trial: Trial, norm: Norm, data: Data | None = None) -> dict[str, Any]:
    """Accuracy at every rate; of the control at the rates that the criteria speak of only."""
    rates = np.array(RATES[trial.scale])
    asked = [rate for rate in rates if data is None or rate in (VIABLE, USUAL)]
    found = {}
    for rate in asked:
        updates = {"steps": PAPER_UPDATES} if trial.scale is Scale.PAPER else {}
        found[rate] = resnet(trial, DEEPEST[trial.scale], norm, rate, data=data, **updates)
    accuracies = np.array([accuracy(one) for one in found.values()])
    learnt = np.array(asked)[accuracies >= LEARNT]
    return {
        "rate": asked,
        ACCURACY: accuracies,
        LARGEST: learnt.max(initial=BELOW),
        "best rate": asked[int(accuracies.argmax())],
        "diverged": [float(one.diverged is not None) for one in found.values()],
        f"accuracy at {USUAL}": accuracies[-1],
        f"accuracy at {VIABLE}": accuracies[asked.index(VIABLE)],
    }


def draw(fig: Figure, evidence: Evidence) -> str:
    """Draw the test accuracy against the learning rate."""
    axes = fig.subplots()
    labels = {WITH: WITH, WITHOUT: WITHOUT, CONTROL: "with BN, shuffled labels (control)"}
    for net, label in labels.items():
        series = evidence.series[net]
        median_band(axes, net, series["rate"][0], series[ACCURACY], label, slice(None))
    axes.axhline(LEARNT, color="#999999", linewidth=0.8)
    axes.set_xscale("log")
    axes.set_xlabel("initial learning rate")
    axes.set_ylabel("test accuracy (chance 0.1)")
    axes.legend(fontsize="small", title="median and range of seeds", title_fontsize="small")
    largest = {net: np.median(evidence.series[net][LARGEST]) for net in (WITH, WITHOUT)}
    told = {
        net: f"up to {rate:g}" if rate > BELOW else "at none of them"
        for net, rate in largest.items()
    }
    axes.set_title(f"Rates that learn: {told[WITHOUT]} without BN, {told[WITH]} with BN")
    return (
        "Test accuracy after the last update against the initial learning rate, logarithmic: "
        f"the network learns {told[WITHOUT]} without BN and {told[WITH]} with BN; medians over "
        f"seeds; the line is the accuracy of {LEARNT} from which on it is said to learn."
    )


CLAIM = Claim(
    id="bjorck_rates",
    title=(
        "A residual network of 110 layers learns at a rate of 0.1 with batch normalisation, and "
        "without it at 0.0001 but at no larger one."
    ),
    sources=(
        Source("S3", "section 1.2"),
        Source("S3", "section 2"),
        Source("S3", "figure 1"),
    ),
    statement=(
        r"\begin{array}{l}"
        r"\text{The original network can be trained with initial learning rate 0.1 [...], however} \\"
        r"\text{which fails without BN. [...] Without batch normalization, we have found that the} \\"
        r"\text{initial learning rate of the Resnet model needs to be decreased to } \alpha=0.0001 \\"
        r"\text{for convergence.}"
        r"\end{array}"
    ),
    means=(
        Experiment(
            run=run,
            criteria=(
                Criterion(
                    net=WITH,
                    quantity=f"accuracy at {USUAL}",
                    at_least=LEARNT,
                    words="accuracy at rate 0.1 with BN",
                ),
                Criterion(
                    net=WITHOUT,
                    quantity=LARGEST,
                    at_most=VIABLE * ROUNDING,
                    words="largest rate that learns without BN",
                ),
                Criterion(
                    net=WITHOUT,
                    quantity=f"accuracy at {VIABLE}",
                    at_least=LEARNT,
                    words="accuracy at rate 0.0001 without BN",
                ),
            ),
            control="with BN, training labels shuffled; at the rates 0.0001 and 0.1",
            made_of=WITH,
            draw=draw,
            networks={
                "architecture": "ResNet-110, at smoke ResNet-14",
                "learns": f"test accuracy {LEARNT} or more after the last update",
                **NETWORKS,
            },
            sizes=SIZES,
        ),
    ),
    expected=Verdict.REPRODUCED,
    remark="",
)
